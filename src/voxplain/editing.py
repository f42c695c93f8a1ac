"""Add and remove concepts in test clips (3D-ACE, section 3, tables 1 and 2).

The authors never released this experiment; the protocol here is ours and is described in
docs/method.md. A clip is edited voxel by voxel: adding shows only the voxels of the chosen concepts
on a fill, removing hides them under it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .concepts import UNEDITED
from .device import batched
from .patches import keep_only


@dataclass(frozen=True)
class Edit:
    """Which voxels of a clip belong to the concepts that one strategy picks.

    Attributes
    ----------
    strategy : str
    draw : int
        Number of the random draw; 0 for strategies without chance.
    k : int
        Number of concepts.
    mask : (T, H, W) bool
        Voxels of the chosen concepts.
    """

    strategy: str
    draw: int
    k: int
    mask: np.ndarray


def first_position(labels: np.ndarray, supervoxels: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Earliest position in a list of concepts at which each voxel is covered.

    Supervoxels of several levels overlap, so a voxel can belong to several concepts. The union of the
    first k concepts of a list is where the result is below k.

    Parameters
    ----------
    labels : (levels, T, H, W) uint16
    supervoxels : (n, 2) int
        (level, label) of each supervoxel.
    position : (n,) int
        Position of each supervoxel's concept in the list, from 0.

    Returns
    -------
    (T, H, W) int32 : position, or a number above all positions where nothing covers the voxel
    """
    never = np.iinfo(np.int32).max
    first = np.full(labels.shape[1:], never, dtype=np.int32)
    for level in range(len(labels)):
        table = np.full(int(labels[level].max()) + 1, never, dtype=np.int32)
        rows = supervoxels[:, 0] == level
        table[supervoxels[rows, 1]] = position[rows]
        np.minimum(first, table[labels[level]], out=first)
    return first


def edits(
    labels: np.ndarray,
    supervoxels: np.ndarray,
    concepts: np.ndarray,
    ranking: np.ndarray,
    *,
    k_max: int = 5,
    draws: int = 5,
    seed: int | Sequence[int] = 0,
) -> Iterator[Edit]:
    """Yield the edits of one clip under every strategy.

    Strategies: ``top`` takes the k most important concepts of the clip's class, ``least`` the k least
    important, ``random`` k concepts at random, and ``random_volume`` single supervoxels at random until
    they cover as many voxels as the top k do (concepts on top may just be bigger). A class with fewer
    than k concepts gives all of them, so that every k is judged on the same videos.

    Parameters
    ----------
    labels : (levels, T, H, W) uint16
    supervoxels : (n, 2) int
    concepts : (n,) int
        Concept of each supervoxel.
    ranking : (concepts,) int
        All concepts of the class, the most important first.
    k_max, draws, seed : int
        Largest k, number of random draws, and their seed.
    """
    rng = np.random.default_rng(seed)

    def covered(order: np.ndarray) -> np.ndarray:
        position = np.empty(len(ranking), dtype=np.int32)
        position[order] = np.arange(len(ranking))
        return first_position(labels, supervoxels, position[concepts])

    top = covered(ranking)
    least = covered(ranking[::-1])
    random = [covered(rng.permutation(ranking)) for _ in range(draws)]
    volume = [_random_until(labels, supervoxels, rng.permutation(len(supervoxels))) for _ in range(draws)]
    for k in range(1, k_max + 1):
        yield Edit("top", 0, k, top < k)
        yield Edit("least", 0, k, least < k)
        for draw in range(draws):
            yield Edit("random", draw, k, random[draw] < k)
            yield Edit("random_volume", draw, k, volume[draw](np.count_nonzero(top < k)))


def _random_until(labels: np.ndarray, supervoxels: np.ndarray, order: np.ndarray):
    """Return a function of a volume: the first supervoxels in random order that cover as much."""
    position = np.empty(len(supervoxels), dtype=np.int32)
    position[order] = np.arange(len(supervoxels))
    first = first_position(labels, supervoxels, position)
    volumes = np.cumsum(np.bincount(first[first < len(supervoxels)], minlength=len(supervoxels)))

    def until(volume: int) -> np.ndarray:
        if volume == 0:
            return np.zeros(first.shape, dtype=bool)
        above = min(int(np.searchsorted(volumes, volume)), len(volumes) - 1)
        below = above - 1
        # Stop before or after the supervoxel that passes the volume, whichever is closer to it.
        if below >= 0 and volume - volumes[below] < volumes[above] - volume:
            above = below
        return first <= above

    return until


def edit_answers(
    classify: Callable[[np.ndarray], np.ndarray],
    clip: np.ndarray,
    labels: np.ndarray,
    supervoxels: np.ndarray,
    concepts: np.ndarray,
    ranking: np.ndarray,
    *,
    fill: ArrayLike,
    batch: int = 32,
    **options: Any,
) -> pd.DataFrame:
    """Classify one clip with concepts added and removed under every strategy.

    Parameters
    ----------
    classify : callable
        Maps uint8 (n, T, H, W, 3) to class numbers (n,).
    clip : (T, H, W, 3) uint8
    labels, supervoxels, concepts, ranking, **options
        As in `edits`.
    fill : (3,) or (T, H, W, 3)
        What hidden voxels show, in 0..255.
    batch : int
        Clips classified at once; halved when memory runs out.

    Returns
    -------
    DataFrame
        experiment, strategy, draw, k, shown (share of voxels not hidden), answer. The unedited clip
        has experiment and strategy ``none`` and k = 0.
    """
    rows, masks = [("none", UNEDITED, 0, 0)], [np.ones(clip.shape[:3], dtype=bool)]
    for edit in edits(labels, supervoxels, concepts, ranking, **options):
        for experiment, mask in (("concept_addition", edit.mask), ("concept_removal", ~edit.mask)):
            rows.append((experiment, edit.strategy, edit.draw, edit.k))
            masks.append(mask)
    answers = batched(
        lambda some: classify(np.stack([keep_only(clip, mask, fill) for mask in some])), masks, batch
    )
    table = pd.DataFrame(rows, columns=["experiment", "strategy", "draw", "k"])
    return table.assign(shown=[mask.mean() for mask in masks], answer=answers)
