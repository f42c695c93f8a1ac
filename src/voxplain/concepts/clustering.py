"""Cluster the supervoxels of a class into concepts (3D-ACE, section 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import VoxplainError

LEAST = 3  # concepts of a class, below which there is hardly a ranking
WIDESPREAD = 0.5  # of the videos
ROUNDING = 8 * float(np.finfo(np.float32).eps)  # of an activation, by which equal ones may differ


@dataclass(frozen=True)
class Concept:
    """One concept of a class.

    Attributes
    ----------
    centre : (d,) float32
        Mean activation of the cluster.
    members : (n,) int
        Rows of the supervoxels that represent the concept, nearest to the centre first.
    n_supervoxels, n_videos : int
        Size of the whole cluster, and the number of videos that it comes from.
    cutoff : float
        Distance from the centre beyond which a supervoxel does not belong to the concept; infinite: none.
    popular : bool
        Whether its cluster passes the filters, and is not kept because too few do.
    """

    centre: np.ndarray
    members: np.ndarray
    n_supervoxels: int
    n_videos: int
    cutoff: float = np.inf
    popular: bool = True


def is_popular(
    n_supervoxels: int,
    n_videos: int,
    discovery_videos: int,
    popularity: Literal["coverage", "official"] = "coverage",
) -> bool:
    """Tell whether a cluster is spread over enough videos to be a concept.

    The three ways to pass of ``official`` are those of the authors' code: nearly every member from a video of its
    own, or a fair spread in both senses, or present in a large share of the videos. All want videos for each
    supervoxel, so that of ten videos no cluster of more than 125 passes, although it may be in every one of them.
    ``coverage`` is passed by what is in half of the videos, too.
    """
    spread = n_videos / n_supervoxels
    coverage = n_videos / discovery_videos
    if popularity == "coverage" and coverage >= WIDESPREAD:
        return True
    return spread > 0.4 or (spread > 0.1 and coverage > 0.1) or (spread > 0.08 and coverage > 0.35)


def cluster_concepts(
    activations: np.ndarray,
    videos: np.ndarray,
    *,
    clusters: int = 25,
    min_supervoxels: int = 20,
    max_members: int = 40,
    cutoff: float | None = 0.95,
    popularity: Literal["coverage", "official"] = "coverage",
    normalize: Literal["root", "none"] = "root",
    components: int | None = 5,
    restarts: int = 80,
    seed: int = 0,
) -> list[Concept]:
    """Cluster one class's supervoxels and keep the popular clusters, the most popular first.

    Parameters
    ----------
    activations : (n, d) float
        Activation of each supervoxel.
    videos : (n,) array
        The video that each supervoxel comes from.
    clusters : int
        Number of clusters, C in the paper (which does not give it; 25 in the authors' code).
    min_supervoxels : int
        A cluster must have more supervoxels than this.
    max_members : int
        A concept is represented by at most this many supervoxels, those nearest to its centre.
    cutoff : float or None
        Share of the cluster's own supervoxels that lie within the concept's cut-off distance. None: no cut-off,
        as in the authors' code.
    popularity : {"coverage", "official"}
        Of `is_popular`. With ``coverage``, where fewer than `LEAST` clusters pass the filters, those of most videos
        are concepts too, marked as not popular: a class without concepts would have no ranking at all.
    normalize : {"root", "none"}
        What is clustered. ``root``: how far each activation lies from their mean, divided by the root of that distance.
        Shown in place most supervoxels hardly stir a network, and in one cluster all directions meet; far ones, spread
        wide, make clusters of few. ``none``: activations as they are, as in the authors' code. Centres and distances
        from them are of activations as they are.
    components : int or None
        Principal components that k-means sees, at most as many as there are. In hundreds of dimensions k-means ends in
        another local optimum for every seed. None: all dimensions, as in the authors' code.
    restarts : int
        Starts of k-means, of which the best is kept.
    seed : int
        Seed of k-means.

    Returns
    -------
    list of Concept
        Where activations differ by rounding alone they are one cluster.

    Raises
    ------
    VoxplainError
        Activations are not finite, there are fewer supervoxels than clusters, or no cluster may be a concept.
    """
    # Slow to load, and many read this module that do not cluster.
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    activations = np.ascontiguousarray(activations, dtype=np.float32)
    check_finite(activations)
    if len(activations) < clusters:
        raise VoxplainError(
            f"Only {len(activations)} supervoxels for {clusters} clusters: "
            "lower concepts.clusters, or give the class more videos."
        )
    videos = np.asarray(videos)
    points = activations if normalize == "none" else _rooted(activations)
    if not _vary(activations):
        points = np.zeros((len(activations), 1), np.float32)
    elif components is not None:
        # Not fit_transform, which may tell equal rows apart by rounding.
        points = PCA(min(components, *points.shape), random_state=seed).fit(points).transform(points)
    means = KMeans(clusters, n_init=restarts, random_state=seed).fit(points)
    discovery_videos = len(np.unique(videos))
    concepts, others = [], []
    for cluster in range(clusters):
        rows = np.flatnonzero(means.labels_ == cluster)
        if len(rows) < 3:  # no direction
            continue
        n_videos = len(np.unique(videos[rows]))
        popular = len(rows) > min_supervoxels and is_popular(
            len(rows), n_videos, discovery_videos, popularity
        )
        centre = means.cluster_centers_[cluster] if points is activations else activations[rows].mean(axis=0)
        distance = np.linalg.norm(activations[rows] - centre, axis=1)
        members = rows[np.argsort(distance, kind="stable")][:max_members]
        reach = np.inf if cutoff is None else float(np.quantile(distance, cutoff))
        (concepts if popular else others).append(
            Concept(centre.astype(np.float32), members, len(rows), n_videos, reach, popular)
        )
    if popularity == "coverage":
        concepts += sorted(others, key=_spread)[: max(LEAST - len(concepts), 0)]
    if not concepts:
        if np.bincount(means.labels_).max() > min_supervoxels:
            # Fewer clusters would be larger, and so less spread.
            raise VoxplainError(
                f"No cluster of more than {min_supervoxels} supervoxels is spread over enough videos: raise "
                "concepts.clusters, choose concepts.popularity: coverage, or give the class more videos."
            )
        raise VoxplainError(
            f"None of {clusters} clusters has more than {min_supervoxels} supervoxels: lower "
            "concepts.min_supervoxels or concepts.clusters, or give the class more videos."
        )
    return sorted(concepts, key=_spread)


def check_finite(activations: np.ndarray) -> None:
    """See that activations, of any shape, are finite.

    Raises
    ------
    VoxplainError
        Some are not.
    """
    if not np.isfinite(activations).all():
        raise VoxplainError("Activations are not finite: check the network's weights.")


def _vary(activations: np.ndarray) -> bool:
    """Whether any of the activations (n, d) differs between supervoxels by more than rounding."""
    return bool((np.ptp(activations, axis=0) > ROUNDING * np.abs(activations).max(axis=0)).any())


def _rooted(activations: np.ndarray) -> np.ndarray:
    """Deviations (n, d) from the mean, each divided by the root of its length."""
    deviations = activations - activations.mean(axis=0)
    lengths = np.linalg.norm(deviations, axis=1, keepdims=True)
    return deviations / np.sqrt(np.maximum(lengths, np.finfo(np.float32).tiny))


def _spread(concept: Concept) -> tuple[int, int]:
    return -concept.n_videos, -concept.n_supervoxels


def nearest_concepts(
    activations: np.ndarray, centres: np.ndarray, cutoffs: np.ndarray | None = None
) -> np.ndarray:
    """Assign each supervoxel to the concept with the nearest centre, or to none where that is too far.

    Clusters that were no concepts have supervoxels too. Without a cut-off these go to a concept all the same,
    which then shows or hides what it never stood for.

    Parameters
    ----------
    activations : (n, d) float
    centres : (concepts, d) float
    cutoffs : (concepts,) float, optional
        Largest distance from each centre; by default none.

    Returns
    -------
    (n,) int : index of a concept; -1 for the remainder, which belongs to none
    """
    squared = (centres**2).sum(axis=1) - 2 * activations @ centres.T
    nearest = squared.argmin(axis=1)
    if cutoffs is not None:
        distances = np.linalg.norm(activations - centres[nearest], axis=1)
        nearest[distances > cutoffs[nearest]] = -1
    return nearest


def places_of(concepts: Sequence[Concept]) -> tuple[np.ndarray, np.ndarray]:
    """Centres (concepts, d) and cut-off distances (concepts,), both float32."""
    centres = np.stack([concept.centre for concept in concepts])
    return centres, np.array([concept.cutoff for concept in concepts], np.float32)
