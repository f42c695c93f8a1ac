"""Tables of the checks of faithfulness. Videos, and seeds where they share videos, are resampled."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd

from ..statistics import bootstrap_interval, paired_test
from .ablation import total_effects
from .perturbation import area

NETWORK = ["model", "layer"]
CONCEPT = ["model", "seed", "layer", "class", "concept"]
ABLATIONS, DIRECTIONS = ("total_effect", "mean_effect"), ("score", "derivative", "effect")


def faithfulness_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Areas under deletion and insertion curves, and their paired differences from a random order.

    Parameters
    ----------
    curves : DataFrame
        model, seed, layer, fill, video, clip, method, curve, share, probability; method ``random`` is there.

    Returns
    -------
    DataFrame
        model, layer, fill, curve, method, area (mean over videos and seeds), ci_low, ci_high, difference
        (from ``random``; a faithful method is below 0 in deletion and above 0 in insertion),
        difference_low, difference_high (95 %, bootstrap over videos and seeds), p_value (paired test),
        n_videos, n_seeds.
    """
    place = [*NETWORK, "fill", "curve", "method"]
    found = [
        (*key, area(group["share"].to_numpy(), group["probability"].to_numpy()))
        for key, group in curves.groupby([*place, "seed", "video", "clip"], sort=False)
    ]
    areas = pd.DataFrame(found, columns=[*place, "seed", "video", "clip", "area"])
    rows = []
    for key, group in areas.groupby(place[:-1], sort=False):
        per_method = {name: _by_video(part, "area") for name, part in group.groupby("method", sort=False)}
        for name, values in per_method.items():
            difference = values - per_method["random"]
            same = name == "random"
            low, high = bootstrap_interval(values)
            below, above = (np.nan, np.nan) if same else bootstrap_interval(difference)
            rows.append(
                {
                    **dict(zip(place, (*key, name), strict=True)),
                    "area": values.mean(),
                    "ci_low": low,
                    "ci_high": high,
                    "difference": np.nan if same else difference.mean(),
                    "difference_low": below,
                    "difference_high": above,
                    "p_value": np.nan
                    if same
                    else paired_test(values.mean(axis=0), per_method["random"].mean(axis=0)),
                    "n_videos": values.shape[1],
                    "n_seeds": values.shape[0],
                }
            )
    return pd.DataFrame(rows)


def concept_ablation_table(ablations: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Importance of every concept by ablation, beside that by direction.

    Parameters
    ----------
    ablations : DataFrame
        model, seed, layer, class, concept, outcome (probability or logit), video, clip, squares, gains,
        variance, as from `voxplain.faithfulness.ablation.ablate`.
    scores : DataFrame
        model, seed, layer, class, concept, score, derivative, effect.

    Returns
    -------
    DataFrame
        CONCEPT, outcome, score, derivative, effect, total_effect (Jansen's, squares and variance pooled over
        clips), mean_effect (answer with the concept minus without), each with _low and _high (95 %,
        bootstrap over videos), n_videos.
    """
    rows = []
    keys = ["model", "seed", "layer", "class", "outcome"]
    for key, group in ablations.groupby(keys, sort=False):
        squares, gains, variance = _ablation_arrays(group)
        draws = _weights(len(variance))
        concepts = np.sort(group["concept"].unique())
        for column, values in (
            ("total_effect", total_effects(squares.mean(axis=0), variance.mean())),
            ("mean_effect", gains.mean(axis=0)),
        ):
            resampled = (
                total_effects(draws @ squares, (draws @ variance)[:, None])
                if column == "total_effect"
                else draws @ gains
            )
            low, high = np.nanquantile(resampled, [0.025, 0.975], axis=0)
            rows.append(
                pd.DataFrame(
                    {
                        **dict(zip(keys, key, strict=True)),
                        "concept": concepts,
                        "column": column,
                        "value": values,
                        "low": low,
                        "high": high,
                        "n_videos": len(variance),
                    }
                )
            )
    long = pd.concat(rows, ignore_index=True)
    where = [*CONCEPT, "outcome", "n_videos"]
    table = long.pivot(index=where, columns="column", values=["value", "low", "high"])
    table.columns = [name if kind == "value" else f"{name}_{kind}" for kind, name in table.columns]
    table = scores[[*CONCEPT, *DIRECTIONS]].merge(table.reset_index(), on=CONCEPT)
    order = [f"{name}{end}" for name in ABLATIONS for end in ("", "_low", "_high")]
    return table[[*CONCEPT, "outcome", *DIRECTIONS, *order, "n_videos"]]


def concept_ablation_agreement_table(ablations: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau between importance by ablation and by direction, within classes and their mean.

    Parameters as in `concept_ablation_table`.

    Returns
    -------
    DataFrame
        model, layer, class (``all``: the mean over classes), outcome, ablation, direction, tau (mean over
        seeds), ci_low, ci_high (95 %, bootstrap over the videos of each class, and over seeds; NaN for a single
        video and seed), n_concepts, n_videos, n_seeds.
    """
    known = scores.set_index(["model", "seed", "layer", "class"])
    found = {}
    for key, group in ablations.groupby(["model", "layer", "outcome", "class", "seed"], sort=False):
        model, layer, outcome, label, seed = key
        squares, gains, variance = _ablation_arrays(group)
        # Videos of two classes are drawn apart, those of two seeds together.
        weights = _weights(len(variance), 400, seed=zlib.crc32(label.encode()))
        draws = np.concatenate([np.full((1, len(variance)), 1 / len(variance)), weights])
        importance = {
            "total_effect": total_effects(draws @ squares, (draws @ variance)[:, None]),
            "mean_effect": draws @ gains,
        }
        directions = known.loc[[(model, seed, layer, label)]].sort_values("concept")
        for ablation, values in importance.items():
            for direction in DIRECTIONS:
                place = (model, layer, outcome, ablation, direction)
                taus = _taus(values, directions[direction].to_numpy())
                found.setdefault(place, {}).setdefault(label, []).append(
                    (taus, len(directions), len(variance))
                )
    rows = []
    for place, classes in found.items():
        means = {}
        for label, seeds in classes.items():
            means[label] = np.array([taus for taus, _, _ in seeds])
        counts = {label: (seeds[0][1], max(n for _, _, n in seeds)) for label, seeds in classes.items()}
        whole = np.nanmean(np.stack([means[label] for label in means]), axis=0)
        total = tuple(np.sum(list(counts.values()), axis=0))
        for label, taus, count in [
            ("all", whole, total),
            *((name, means[name], counts[name]) for name in means),
        ]:
            alone = min(n for name, (_, n) in counts.items() if label in ("all", name)) < 2 and len(taus) < 2
            low, high = (np.nan, np.nan) if alone else _over_seeds(taus[:, 1:])
            rows.append((*place, label, np.nanmean(taus[:, 0]), low, high, *count, len(taus)))
    names = ["model", "layer", "outcome", "ablation", "direction", "class", "tau", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*names, "n_concepts", "n_videos", "n_seeds"])


def concept_motion_table(shares: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """How much of every concept moves, and how much of each explainer's relevance falls into it.

    Parameters
    ----------
    shares : DataFrame
        CONCEPT, video, clip and the columns of `voxplain.faithfulness.concept_motion.concept_shares`.
    scores : DataFrame
        CONCEPT, score, effect, rank.

    Returns
    -------
    DataFrame
        CONCEPT, score, effect, rank, and for each share its mean over videos (those that have the share;
        a concept that a video lacks has no moving_share in it) with _low and _high (95 %, bootstrap over
        videos), n_videos.
    """
    columns = [name for name in shares.columns if "_share" in name]
    rows = []
    for key, group in shares.groupby(CONCEPT, sort=True):
        values = group.groupby("video", sort=True)[columns].mean()
        row = dict(zip(CONCEPT, key, strict=True))
        for name, (mean, low, high) in _means(values).items():
            row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        rows.append({**row, "n_videos": len(values)})
    table = scores[[*CONCEPT, "score", "effect", "rank"]].merge(pd.DataFrame(rows), on=CONCEPT)
    return table.sort_values(["model", "seed", "layer", "class", "rank"], ignore_index=True)


def motion_reliance_table(clips: pd.DataFrame, concepts: pd.DataFrame) -> pd.DataFrame:
    """Classes by how far the network relies on motion.

    Parameters
    ----------
    clips : DataFrame
        model, seed, class, video, clip, probability, still (the probability of the clip standing still),
        and the shares of `voxplain.faithfulness.concept_motion.motion_shares`.
    concepts : DataFrame
        As from `concept_motion_table`.

    Returns
    -------
    DataFrame
        model, class, reliance (probability minus still), moving_share and relevance_on_motion_NAME, each with
        _low and _high (95 %, bootstrap over videos), concept_tau (Kendall's tau between the effects and the
        moving shares of the class's concepts at the model's first layer, mean over seeds), rank (1 relies
        most), n_videos, n_seeds.
    """
    clips = clips.assign(reliance=clips["probability"] - clips["still"])
    columns = ["reliance", "probability", "still"]
    columns += [
        name for name in clips.columns if name == "moving_share" or name.startswith("relevance_on_motion_")
    ]
    rows = []
    for (model, label), group in clips.groupby(["model", "class"], sort=True):
        row = {"model": model, "class": label}
        for name in columns:
            values = group.pivot_table(index="seed", columns="video", values=name, aggfunc="mean").dropna(
                axis=1
            )
            low, high = bootstrap_interval(values.to_numpy())
            row |= {name: values.to_numpy().mean() if values.size else np.nan}
            row |= {f"{name}_low": low, f"{name}_high": high}
        mine = concepts[(concepts["model"] == model) & (concepts["class"] == label)]
        taus = [_tau(part["effect"], part["moving_share"]) for _, part in mine.groupby(["seed", "layer"])]
        row["concept_tau"] = np.nanmean(taus) if np.isfinite(taus).any() else np.nan
        rows.append({**row, "n_videos": group["video"].nunique(), "n_seeds": group["seed"].nunique()})
    table = pd.DataFrame(rows)
    table["rank"] = table.groupby("model")["reliance"].rank(ascending=False, method="min").astype(int)
    return table.sort_values(["model", "rank"], ignore_index=True)


def _by_video(rows: pd.DataFrame, column: str) -> np.ndarray:
    """Means over clips as (seeds, videos)."""
    return rows.pivot_table(
        index="seed", columns="video", values=column, aggfunc="mean", sort=True
    ).to_numpy()


def _weights(n: int, resamples: int = 2000, seed: int = 0) -> np.ndarray:
    """Bootstrap weights (resamples, n) that sum to 1."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples) / n


def _means(values: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
    """Mean of each column over rows and its bootstrap interval; missing values are left out."""
    table, draws = values.to_numpy(dtype=float), _weights(len(values))
    known = ~np.isnan(table)
    counts = draws @ known
    means = np.divide(
        draws @ np.nan_to_num(table), counts, out=np.full(counts.shape, np.nan), where=counts > 0
    )
    found = {}
    for number, name in enumerate(values.columns):
        if not known[:, number].any():
            found[name] = (np.nan, np.nan, np.nan)
            continue
        low, high = np.nanquantile(means[:, number], [0.025, 0.975])
        found[name] = (float(values[name].mean()), float(low), float(high))
    return found


def _ablation_arrays(group: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squares and gains (videos, concepts) and variance (videos,), means over clips."""
    squares, gains, variance = (
        group.pivot_table(index="video", columns="concept", values=name, aggfunc="mean").to_numpy()
        for name in ("squares", "gains", "variance")
    )
    return squares, gains, variance[:, 0]


def _taus(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Kendall's tau-b of each row of (draws, n) with (n,); NaN where one of them is constant."""
    i, j = np.triu_indices(len(other), 1)
    mine, theirs = np.sign(values[:, i] - values[:, j]), np.sign(other[i] - other[j])
    size = np.sqrt((mine**2).sum(axis=1) * (theirs**2).sum())
    return np.divide(mine @ theirs, size, out=np.full(len(values), np.nan), where=size > 0)


def _tau(a: np.ndarray, b: np.ndarray) -> float:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    known = ~(np.isnan(a) | np.isnan(b))
    return float(_taus(a[known][None], b[known])[0]) if known.sum() > 1 else np.nan


def _over_seeds(taus: np.ndarray) -> tuple[float, float]:
    """Percentile interval of the mean over seeds of (seeds, draws), seeds resampled too."""
    n_seeds, n_draws = taus.shape
    rng = np.random.default_rng(1)
    weights = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_draws) / n_seeds
    means = np.einsum("ds,sd->d", weights, taus)
    if np.isnan(means).all():
        return np.nan, np.nan
    low, high = np.nanquantile(means, [0.025, 0.975])
    return float(low), float(high)
