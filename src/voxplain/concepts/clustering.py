"""Cluster the supervoxels of a class into concepts (3D-ACE, section 2.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import VoxplainError


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
    """

    centre: np.ndarray
    members: np.ndarray
    n_supervoxels: int
    n_videos: int


def is_popular(n_supervoxels: int, n_videos: int, discovery_videos: int) -> bool:
    """Tell whether a cluster is spread over enough videos to be a concept.

    The three ways to pass are those of the authors' code: nearly every member from a video of its
    own, or a fair spread in both senses, or present in a large share of the videos.
    """
    spread = n_videos / n_supervoxels
    coverage = n_videos / discovery_videos
    return spread > 0.4 or (spread > 0.1 and coverage > 0.1) or (spread > 0.08 and coverage > 0.35)


def cluster_concepts(
    activations: np.ndarray,
    videos: np.ndarray,
    *,
    clusters: int = 25,
    min_supervoxels: int = 20,
    max_members: int = 40,
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
    seed : int
        Seed of k-means.

    Returns
    -------
    list of Concept

    Raises
    ------
    VoxplainError
        There are fewer supervoxels than clusters, or no cluster passes the filters.
    """
    from sklearn.cluster import KMeans  # slow to load, and many read this module that do not cluster

    if len(activations) < clusters:
        raise VoxplainError(
            f"Only {len(activations)} supervoxels for {clusters} clusters: "
            "lower concepts.clusters, or give the class more videos."
        )
    activations = np.ascontiguousarray(activations, dtype=np.float32)
    videos = np.asarray(videos)
    means = KMeans(clusters, n_init=3, random_state=seed).fit(activations)
    distance = np.linalg.norm(activations - means.cluster_centers_[means.labels_], axis=1)
    discovery_videos = len(np.unique(videos))
    concepts = []
    for cluster in range(clusters):
        rows = np.flatnonzero(means.labels_ == cluster)
        n_videos = len(np.unique(videos[rows]))
        if len(rows) > min_supervoxels and is_popular(len(rows), n_videos, discovery_videos):
            members = rows[np.argsort(distance[rows], kind="stable")][:max_members]
            centre = means.cluster_centers_[cluster].astype(np.float32)
            concepts.append(Concept(centre, members, len(rows), n_videos))
    if not concepts:
        raise VoxplainError(
            f"None of {clusters} clusters has more than {min_supervoxels} supervoxels spread over enough "
            "videos: lower concepts.min_supervoxels or concepts.clusters, or give the class more videos."
        )
    return sorted(concepts, key=lambda concept: (-concept.n_videos, -concept.n_supervoxels))


def nearest_concepts(activations: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Assign each supervoxel to the concept with the nearest centre.

    Parameters
    ----------
    activations : (n, d) float
    centres : (concepts, d) float

    Returns
    -------
    (n,) int : index of a concept
    """
    squared = (centres**2).sum(axis=1) - 2 * activations @ centres.T
    return squared.argmin(axis=1)
