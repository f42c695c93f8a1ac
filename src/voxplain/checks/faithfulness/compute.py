"""Hide supervoxels in the order of a method's scores, or at random, and watch the class's probability."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
import scipy

from ...errors import ConfigError
from ...patches import keep_only

FILLS = ("mean", "blur", "previous")

Answer = Callable[[np.ndarray], np.ndarray]


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


def rank_voxels(relevance: np.ndarray, level: np.ndarray, seed: int = 0) -> np.ndarray:
    """Rank of each voxel's supervoxel, 0 for the most relevant; ties in random order.

    Parameters as in `supervoxel_scores`, which `seed` breaks the ties of.

    Returns
    -------
    (T, H, W) int
    """
    present, scores = supervoxel_scores(relevance, level)
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.permutation(len(present)), -scores))
    rank = np.empty(len(present), dtype=np.int64)
    rank[order] = np.arange(len(present))
    return rank[np.searchsorted(present, level)]


def curves(
    answer: Answer,
    clip: np.ndarray,
    ranks: Mapping[str, np.ndarray],
    *,
    fill: str,
    color: np.ndarray,
    steps: int = 8,
) -> pd.DataFrame:
    """Deletion and insertion curves of a clip by every method.

    Petsiuk et al., RISE, BMVC (2018), section 4.2, over supervoxels in place of pixels.

    Parameters
    ----------
    answer : callable
        Maps clips (n, T, H, W, 3) uint8 to the class's probability (n,).
    clip : (T, H, W, 3) uint8
    ranks : mapping of str to (T, H, W) int
        From `rank_voxels`, by method.
    fill, color
        As for `hide`.
    steps : int
        Steps from no supervoxel to all of them.

    Returns
    -------
    DataFrame
        method, curve (deletion or insertion), share (of voxels deleted or inserted), probability.
    """
    nothing, blurred = np.zeros(clip.shape[:3], dtype=bool), blur(clip) if fill == "blur" else None
    rows, masks = [], [nothing, ~nothing]
    for method, rank in ranks.items():
        counts = np.unique(np.rint(np.linspace(0, rank.max() + 1, steps + 1)).astype(int))
        for count in counts:
            first = rank < count
            for curve, hidden in (("deletion", first), ("insertion", ~first)):
                # The whole and the empty clip are the same for all methods.
                place = 0 if not hidden.any() else 1 if hidden.all() else len(masks)
                if place == len(masks):
                    masks.append(hidden)
                rows.append((method, curve, first.mean(), place))
    probabilities = answer_masks(answer, clip, masks, fill=fill, color=color, blurred=blurred)
    table = pd.DataFrame(rows, columns=["method", "curve", "share", "place"])
    return table.assign(probability=probabilities[table["place"]]).drop(columns="place")


def answer_masks(
    answer: Answer, clip: np.ndarray, masks: list[np.ndarray], *, batch: int = 32, **options
) -> np.ndarray:
    """Answers (n, ...) to a clip with each of n masks (T, H, W) bool hidden; options as for `hide`."""
    parts = [
        answer(np.stack([hide(clip, mask, **options) for mask in masks[first : first + batch]]))
        for first in range(0, len(masks), batch)
    ]
    return np.concatenate(parts)


def area(share: np.ndarray, probability: np.ndarray) -> float:
    """Area under a curve over shares from 0 to 1, by trapezoids."""
    order = np.argsort(share, kind="stable")
    return float(np.trapezoid(np.asarray(probability)[order], np.asarray(share)[order]))


def random_masking(
    answer: Answer, clip: np.ndarray, level: np.ndarray, *, masks: int, seed: int = 0, **options
) -> np.ndarray:
    """Relevance by random masking: mean answer where a supervoxel is shown minus that where it is hidden.

    As RISE (Petsiuk et al. 2018), with supervoxels in place of a grid, and less its offset.

    Parameters
    ----------
    answer, clip
        As for `curves`.
    level : (T, H, W) int
        Supervoxels.
    masks : int
        Random masks, half as pairs of a mask and its complement, so that each supervoxel is shown in half.
    seed : int
    **options
        Of `hide`.

    Returns
    -------
    (T, H, W) float
    """
    present = np.unique(level)
    index = np.searchsorted(present, level)
    half = np.random.default_rng(seed).random((max(1, masks // 2), len(present))) < 0.5
    shown = np.concatenate([half, ~half])
    answers = answer_masks(answer, clip, [~row[index] for row in shown], **options)
    # With complements every supervoxel is shown in exactly half of the masks.
    effect = (2 * shown - 1).T @ answers / (len(shown) / 2)
    return effect[index]


def curves_by_fill(
    answer: Answer,
    clip: np.ndarray,
    maps: Mapping[str, np.ndarray],
    level: np.ndarray,
    *,
    fills: Sequence[str],
    color: np.ndarray,
    steps: int,
    masks: int,
    seed: int | Sequence[int] = 0,
) -> pd.DataFrame:
    """Curves of maps, of random masking and of a random order, for every fill.

    Parameters
    ----------
    answer, clip, color, steps
        As for `curves`.
    maps : mapping of str to (T, H, W) float
        Relevance by method.
    level : (T, H, W) int
        Supervoxels that are hidden.
    fills : sequence of str
    masks : int
        As for `random_masking`.

    Returns
    -------
    DataFrame : the columns of `curves`, and fill
    """
    parts = []
    for fill in fills:
        masked = random_masking(answer, clip, level, masks=masks, seed=seed, fill=fill, color=color)
        known = {**maps, "random_masking": masked, "random": np.zeros(clip.shape[:3])}
        ranks = {name: rank_voxels(values, level, seed) for name, values in known.items()}
        found = curves(answer, clip, ranks, fill=fill, color=color, steps=steps)
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
