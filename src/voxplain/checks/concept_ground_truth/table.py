"""How well orders of concepts find the actor, or the cue."""

from __future__ import annotations

import pandas as pd

from ...statistics import auroc, grouped_interval, rank_correlation, shuffled_p_value
from ...tables import Figure, table

ORDERS = {"score": 1, "derivative": 1, "effect": 1, "rank": -1}


MOSTLY = 0.5


@table(
    "concept_shares",
    part="checks",
    title="What concepts show",
    meaning="Share of the voxels of every concept's members that lies on the actor, distractors, background and cue.",
    columns="""
    model, seed, layer
    variant: preset or single deviation that the concepts were found by; run: the run's own
    class, rank, concept
    actor: share of the voxels that lies on the shape that acts
    background: share on the background
    cue: share on what tells classes apart where the actor does not
    derivative: as in concept_scores
    distractors: share on other shapes
    effect: as in concept_scores
    n_members: supervoxels that are looked at
    score: as in concept_scores
    """,
    inputs={"concepts": "matched_concepts"},
    needs=["ground_truth"],
)
def concept_shares_table(concepts: pd.DataFrame) -> pd.DataFrame:
    """The concepts of all layers in order, what they are before what they show."""
    first = ["model", "seed", "layer", "variant", "class", "rank", "concept"]
    return concepts[[*first, *concepts.columns.difference(first, sort=False)]].sort_values(first[:6])


@table(
    "concept_ground_truth",
    part="checks",
    title="Concepts against the ground truth",
    meaning="Whether importance ranks concepts by how much of them lies on the actor or on the cue.",
    columns="""
    model, layer
    variant: preset or single deviation that the concepts were found by; run: the run's own
    target: actor or cue
    order: what ranks the concepts: score, derivative, effect, or rank (within the class)
    auroc: of the order for concepts that lie mostly on the target
    auroc_ci_low: lower end of its 95 % interval
    auroc_ci_high: upper end of its 95 % interval
    spearman: rank correlation of the order and the target's share
    spearman_ci_low: lower end of its 95 % interval
    spearman_ci_high: upper end of its 95 % interval
    p_value: of spearman, by shuffling shares within each class and seed
    n_concepts
    n_positive: concepts that lie mostly on the target
    n_classes, n_seeds
    """,
    inputs={"concepts": "concept_shares"},
    needs=["ground_truth"],
    figure=Figure(
        "concept_ground_truth_figure", {"shares": "concept_shares", "table": "concept_ground_truth"}
    ),
)
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
        mostly on the target), spearman (of the order and the target's share), each with _ci_low and _ci_high (95 %,
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
                    row |= {name: statistic(values, known), f"{name}_ci_low": low, f"{name}_ci_high": high}
                row["p_value"] = shuffled_p_value(rank_correlation, share, values, blocks, shuffles=499)
                row |= {
                    "n_concepts": len(group),
                    "n_positive": int((share > MOSTLY).sum()),
                    "n_classes": group["class"].nunique(),
                    "n_seeds": group["seed"].nunique(),
                }
                rows.append(row)
    return pd.DataFrame(rows)
