"""How well orders of concepts find the actor, or the cue."""

from __future__ import annotations

import pandas as pd

from ...statistics import auroc, grouped_interval, rank_correlation, shuffled_p_value

ORDERS = {"score": 1, "derivative": 1, "effect": 1, "rank": -1}


MOSTLY = 0.5


def ground_truth_table(concepts: pd.DataFrame, *, resamples: int = 500) -> pd.DataFrame:
    """How well three orders of concepts find the actor, or the cue.

    Parameters
    ----------
    concepts : DataFrame
        model, seed, layer, variant, class, concept, score, derivative, effect, rank, and the shares of `PARTS`.

    Returns
    -------
    DataFrame
        model, layer, variant, target (actor, cue), order (score: ties counted half; derivative; effect; rank:
        place within the class, as the run ranks), auroc (of the order for concepts that lie
        mostly on the target), spearman (of the order and the target's share), each with _low and _high (95 %,
        bootstrap over classes and seeds), p_value (of spearman: shares shuffled within each class and seed),
        n_concepts, n_positive, n_classes, n_seeds.
    """
    rows = []
    place = concepts.groupby(["model", "seed", "layer", "variant", "class"])["rank"]
    concepts = concepts.assign(rank=(concepts["rank"] - 1) / (place.transform("max") - 1).clip(lower=1))
    for key, group in concepts.groupby(["model", "layer", "variant"], sort=False):
        groups = [group["class"].to_numpy(), group["seed"].to_numpy()]
        blocks = group.groupby(["class", "seed"]).ngroup().to_numpy()
        for target in ("actor", "cue"):
            share = group[target].to_numpy()
            for order, sign in ORDERS.items():
                values = sign * group[order].to_numpy()
                row = dict(zip(["model", "layer", "variant"], key, strict=True))
                row |= {"target": target, "order": order}
                for name, statistic, known in (
                    ("auroc", auroc, share > MOSTLY),
                    ("spearman", rank_correlation, share),
                ):
                    low, high = grouped_interval(statistic, [values, known], groups, resamples=resamples)
                    row |= {name: statistic(values, known), f"{name}_low": low, f"{name}_high": high}
                row["p_value"] = shuffled_p_value(rank_correlation, share, values, blocks, shuffles=499)
                row |= {
                    "n_concepts": len(group),
                    "n_positive": int((share > MOSTLY).sum()),
                    "n_classes": group["class"].nunique(),
                    "n_seeds": group["seed"].nunique(),
                }
                rows.append(row)
    return pd.DataFrame(rows)
