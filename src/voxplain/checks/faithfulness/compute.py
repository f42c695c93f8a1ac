"""Hide supervoxels in the order of a method's scores, of a control or at random, and watch the network's answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import scipy

from ...errors import ConfigError
from ...explainers.coalitions import shown_in_half, shown_less_hidden
from ...patches import keep_only

FILLS = ("mean", "blur", "previous")
CURVES = (
    "probability",
    "margin",
)  # what curves follow: the class's probability; its logit less another class's

Answer = Callable[[np.ndarray], np.ndarray]
Key = tuple[str, str, int]  # method, what it controls, draw


def hide(
    clip: np.ndarray,
    hidden: np.ndarray,
    *,
    fill: Literal["mean", "blur", "previous"] = "mean",
    color: np.ndarray,
    blurred: np.ndarray | None = None,
) -> np.ndarray:
    """Hide voxels of a clip.

    Parameters
    ----------
    clip : (T, H, W, 3) uint8
    hidden : (T, H, W) bool
    fill : {"mean", "blur", "previous"}
        What hidden voxels show: `color`; the frame, blurred; or what the same pixel showed last, so that
        what is hidden stands still (a pixel hidden from the start keeps its first value).
    color : (3,) uint8
        The network's input mean.
    blurred : (T, H, W, 3) uint8, optional
        From `blur`, where it is at hand.

    Returns
    -------
    (T, H, W, 3) uint8

    Raises
    ------
    ConfigError
        The fill is unknown.
    """
    if fill == "mean":
        return keep_only(clip, ~hidden, color)
    if fill == "blur":
        return keep_only(clip, ~hidden, blur(clip) if blurred is None else blurred)
    if fill != "previous":
        raise ConfigError(f"faithfulness.fills: there is no {fill!r}. Known: {', '.join(FILLS)}.")
    frames = np.arange(len(clip))[:, None, None]
    last_shown = np.maximum.accumulate(np.where(hidden, 0, frames), axis=0)
    return np.take_along_axis(clip, last_shown[..., None], axis=0)


def blur(clip: np.ndarray) -> np.ndarray:
    """A clip (T, H, W, 3) uint8 with each frame blurred by an eighth of its height."""
    sigma = clip.shape[1] / 8
    return np.rint(
        scipy.ndimage.gaussian_filter(clip.astype(np.float32), (0, sigma, sigma, 0), mode="nearest")
    ).astype(np.uint8)


def supervoxel_scores(relevance: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean relevance of each supervoxel of one level.

    The mean, not the sum: the order is by what a hidden voxel costs, as curves are drawn over the share of
    voxels.

    Parameters
    ----------
    relevance : (T, H, W) float
    level : (T, H, W) int

    Returns
    -------
    present : (n,) int
        Labels, ascending.
    scores : (n,) float
    """
    present, index, counts = np.unique(level, return_inverse=True, return_counts=True)
    return present, np.bincount(index.ravel(), weights=relevance.ravel()) / counts


def rank_supervoxels(scores: np.ndarray, seed: int | np.random.Generator = 0) -> np.ndarray:
    """Rank of each supervoxel by its score (n,): (n,) int, 0 for the greatest; ties in random order."""
    order = np.lexsort((np.random.default_rng(seed).permutation(len(scores)), -scores))
    rank = np.empty(len(scores), dtype=np.int64)
    rank[order] = np.arange(len(scores))
    return rank


def step_counts(n: int, steps: int) -> np.ndarray:
    """How many of n supervoxels are hidden at each step: none, then few more than before, then all of them.

    Steps grow with their number, since one object may hold the whole answer: of equal steps the first may end
    the curve, and orders that differ in what they put first look alike.

    Returns
    -------
    (at most steps + 1,) int : ascending, from 0 over 1 to n
    """
    return np.unique([0, 1, *np.rint(n * (np.arange(1, steps + 1) / steps) ** 2).astype(int).clip(min=1)])


def curves(
    answer: Answer,
    clip: np.ndarray,
    level: np.ndarray,
    ranks: Mapping[Key, np.ndarray],
    *,
    fill: str,
    color: np.ndarray,
    steps: int = 8,
) -> pd.DataFrame:
    """Deletion and insertion curves of a clip by every order.

    Petsiuk et al., RISE, BMVC (2018), section 4.2, over supervoxels in place of pixels.

    Parameters
    ----------
    answer : callable
        Maps clips (n, T, H, W, 3) uint8 to (n, 2) or more: what stands in the columns of `CURVES`.
    clip : (T, H, W, 3) uint8
    level : (T, H, W) int
        Supervoxels.
    ranks : mapping of (method, control_of, draw) to (n,) int
        Rank of each supervoxel, labels ascending: from `rank_supervoxels`.
    fill, color
        As for `hide`.
    steps : int
        As for `step_counts`.

    Returns
    -------
    DataFrame
        method, control_of, draw, curve (deletion or insertion), share (of voxels deleted or inserted), and `CURVES`.
    """
    _, index, counts = np.unique(level, return_inverse=True, return_counts=True)
    volume = counts / counts.sum()
    rows, places = [], {}
    for key, rank in ranks.items():
        for count in step_counts(len(rank), steps):
            first = rank < count
            for curve, hidden in (("deletion", first), ("insertion", ~first)):
                # Orders share what they hide, the whole and the empty clip at least.
                place = places.setdefault(hidden.tobytes(), (len(places), hidden))[0]
                rows.append((*key, curve, volume[first].sum(), place))
    sets = np.stack([hidden for _, hidden in places.values()])
    answers = answer_sets(answer, clip, sets, index.reshape(level.shape), fill=fill, color=color)
    names = ["method", "control_of", "draw", "curve", "share", "place"]
    table = pd.DataFrame(rows, columns=names)
    found = {name: answers[table["place"], number] for number, name in enumerate(CURVES)}
    return table.assign(**found).drop(columns="place")


def answer_sets(
    answer: Answer, clip: np.ndarray, hidden: np.ndarray, index: np.ndarray, *, batch: int = 16, **options
) -> np.ndarray:
    """Answers (sets, ...) to a clip with sets of its supervoxels hidden.

    Parameters
    ----------
    answer, clip
        As for `curves`.
    hidden : (sets, n) bool
    index : (T, H, W) int
        Number of each voxel's supervoxel, 0..n-1.
    **options
        Of `hide`.
    """
    parts = [
        answer_masks(answer, clip, list(hidden[first : first + batch][:, index]), batch=batch, **options)
        for first in range(0, len(hidden), batch)
    ]
    return np.concatenate(parts)


def answer_masks(
    answer: Answer, clip: np.ndarray, masks: list[np.ndarray], *, batch: int = 16, **options
) -> np.ndarray:
    """Answers (n, ...) to a clip with each of n masks (T, H, W) bool hidden; options as for `hide`."""
    if options["fill"] == "blur":
        options["blurred"] = blur(clip)
    parts = [
        answer(np.stack([hide(clip, mask, **options) for mask in masks[first : first + batch]]))
        for first in range(0, len(masks), batch)
    ]
    return np.concatenate(parts)


def areas(curves: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Areas under curves over shares from 0 to 1, by trapezoids.

    Parameters
    ----------
    curves : DataFrame
        The columns of `key`, share, those of `CURVES`, and chance.
    key : sequence of str
        What tells curves apart.

    Returns
    -------
    DataFrame, one row per curve and outcome
        key, outcome (of `CURVES`), area, floor (1.0 where the probability is at most at chance after the first
        step, else 0.0; NaN for other outcomes).
    """
    curves = curves.sort_values([*key, "share"], kind="stable")
    number, share = curves.groupby(key, sort=False).ngroup().to_numpy(), curves["share"].to_numpy()
    later = np.flatnonzero(number[1:] == number[:-1]) + 1
    first = np.unique(number, return_index=True)[1]
    step = curves.iloc[first + 1]
    found = []
    for outcome in CURVES:
        values = curves[outcome].to_numpy(dtype=float)
        under = (share[later] - share[later - 1]) * (values[later] + values[later - 1]) / 2
        table = curves.iloc[first][list(key)].assign(outcome=outcome, area=np.bincount(number[later], under))
        low = step["probability"].to_numpy() <= step["chance"].to_numpy()
        found.append(table.assign(floor=low.astype(float) if outcome == "probability" else np.nan))
    return pd.concat(found, ignore_index=True)


def random_masking(
    answer: Answer,
    clip: np.ndarray,
    level: np.ndarray,
    *,
    masks: int,
    seed: int | np.random.Generator = 0,
    **options,
) -> np.ndarray:
    """Importance by random masking: mean answer where a supervoxel is shown minus that where it is hidden.

    As RISE (Petsiuk et al. 2018), with supervoxels in place of a grid, and less its offset.

    Parameters
    ----------
    answer, clip
        As for `curves`; the answers may be (n,) too.
    level : (T, H, W) int
        Supervoxels.
    masks : int
        Random masks, half as pairs of a mask and its complement, so that each supervoxel is shown in half.
    seed
    **options
        Of `hide`.

    Returns
    -------
    (n, ...) float : a value per supervoxel, labels ascending, of each of the answers
    """
    present, index = np.unique(level, return_inverse=True)
    shown = shown_in_half(np.random.default_rng(seed), len(present), max(2, masks))
    answers = answer_sets(answer, clip, ~shown, index.reshape(level.shape), **options)
    return shown_less_hidden(shown, answers)


def curves_by_fill(
    answer: Answer,
    head: Answer,
    clip: np.ndarray,
    maps: Mapping[tuple[str, str], np.ndarray],
    level: np.ndarray,
    *,
    fills: Sequence[str],
    color: np.ndarray,
    steps: int,
    masks: int,
    orders: int,
    draw: Callable[..., np.random.Generator],
) -> pd.DataFrame:
    """Curves of maps, of random masking, of random orders, and of what none of these should be as good as.

    Parameters
    ----------
    answer, clip, color, steps
        As for `curves`; the answer is that of `voxplain.checks.answers.answers_of_two`.
    head : callable
        The same of the network with a random head.
    maps : mapping of (method, control_of) to (T, H, W) float
    level : (T, H, W) int
        Supervoxels that are hidden.
    fills : sequence of str
    masks : int
        As for `random_masking`.
    orders : int
        Random ones.
    draw : callable
        A generator of random numbers by names, as `voxplain.streams.stream`.

    Returns
    -------
    DataFrame : the columns of `curves`, and fill
    """
    scores = {key: supervoxel_scores(values, level)[1] for key, values in maps.items()}
    parts = []
    for fill in fills:
        own, untrained = (
            random_masking(asked, clip, level, masks=masks, seed=draw("masking"), fill=fill, color=color)
            for asked in (answer, head)
        )
        scores["random_masking", ""] = own[:, 0]
        scores["control_other_class", "random_masking"] = own[:, 2]
        scores["control_random_head", "random_masking"] = untrained[:, 0]
        ranks = {(*key, 0): rank_supervoxels(values, draw(*key)) for key, values in scores.items()}
        for number in range(orders):
            ranks["random", "", number] = draw("random", number).permutation(len(own))
        found = curves(answer, clip, level, ranks, fill=fill, color=color, steps=steps)
        parts.append(found.assign(fill=fill))
    return pd.concat(parts, ignore_index=True)


def concept_map(
    labels: np.ndarray, supervoxels: np.ndarray, concepts: np.ndarray, effects: np.ndarray
) -> np.ndarray:
    """Concept scores as a map: the mean effect of the concepts that a voxel belongs to, 0 where none.

    Parameters
    ----------
    labels : (levels, T, H, W) uint16
    supervoxels : (n, 2) int
        (level, label) of each kept supervoxel.
    concepts : (n,) int
        Its concept; -1 for none.
    effects : (concepts,) float

    Returns
    -------
    (T, H, W) float
    """
    total, count = np.zeros(labels.shape[1:]), np.zeros(labels.shape[1:])
    for number, level in enumerate(labels):
        rows = (supervoxels[:, 0] == number) & (concepts >= 0)
        table = np.full(int(level.max()) + 1, np.nan)
        table[supervoxels[rows, 1]] = effects[concepts[rows]]
        values = table[level]
        total += np.nan_to_num(values)
        count += ~np.isnan(values)
    return np.divide(total, count, out=total, where=count > 0)
