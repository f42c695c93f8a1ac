"""Random sets: the negatives of CAVs; and clusters of random videos, which concepts are compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import VoxplainError
from ..streams import seed_of
from .clustering import check_finite, cluster_concepts


def draw_sets(pool: np.ndarray, *, sets: int, size: int, seed: int) -> np.ndarray:
    """Draw sets of samples from a pool, each without repetition.

    Parameters
    ----------
    pool : (n, d) float
    sets : int
    size : int
        Samples per set; the whole pool if it is smaller.
    seed : int

    Returns
    -------
    (sets, size, d) float

    Raises
    ------
    VoxplainError
        The pool is too small for two different sets.
    """
    size = min(size, len(pool) - 1)
    if size < 3:
        raise VoxplainError(
            f"Random sets need a pool of at least 4 samples, and there are {len(pool)}: use more videos."
        )
    rng = np.random.default_rng(seed)
    return np.stack([pool[rng.choice(len(pool), size, replace=False)] for _ in range(sets)])


def null_concepts(
    read: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    classes: Mapping[str, str],
    *,
    clusterings: int,
    seed: int,
    per_choice: int | None = None,
    **clustering: Any,
) -> Iterator[np.ndarray]:
    """Concepts that belong to no class: found as a class's are, in random videos of all classes.

    A cluster lies far from the mean of all supervoxels, whatever a network makes of it, and a random subset of
    them does not. So what a class's concepts have to exceed is other clusters, found by the same procedure in as
    many videos as a class has.

    Parameters
    ----------
    read : callable
        Maps names of videos to the activations (n, d) of their supervoxels and the video (n,) of each.
    classes : mapping of str to str
        Class by video.
    clusterings : int
        Random choices of videos.
    seed : int
        Of the choices and of k-means.
    per_choice : int, optional
        Videos; by default as many as a class has (the median over classes).
    **clustering
        As for `voxplain.concepts.clustering.cluster_concepts`.

    Yields
    ------
    (members, d) float : one concept; a choice of videos in which no cluster is popular gives none

    Raises
    ------
    VoxplainError
        No choice gives any, or activations are not finite.
    """
    rng = np.random.default_rng(seed)
    videos, found = sorted(classes), 0
    count = per_choice or int(np.median(list(Counter(classes.values()).values())))
    for draw in range(clusterings):
        activations, sources = read(rng.choice(videos, count, replace=False))
        check_finite(activations)  # not to be left out as a choice without concepts
        try:
            concepts = cluster_concepts(activations, sources, seed=seed_of(seed, draw), **clustering)
        except VoxplainError:
            continue
        for concept in concepts:
            found += 1
            yield activations[concept.members]
    if not found:
        raise VoxplainError(
            f"None of {clusterings} choices of {count} random videos has a concept: lower concepts.min_supervoxels, "
            "or give classes more videos."
        )
