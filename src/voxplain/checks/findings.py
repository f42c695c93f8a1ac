"""The first paper's method in memory: from activations to scored concepts, for many variants of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import scipy  # whose parts are loaded when they are used

from ..activation_store import LayerActivations
from ..concepts.cavs import concept_distances, train_cavs
from ..concepts.clustering import Concept, cluster_concepts, nearest_concepts, places_of
from ..concepts.scores import rank_concepts

KEY = ["video", "clip", "level", "supervoxel"]


@dataclass(frozen=True)
class Found:
    """What was found in one class.

    Attributes
    ----------
    class_name : str
    concepts : list of Concept
        Members are rows of `table`.
    vectors : (concepts, sets, d) float32
        CAVs.
    scores : DataFrame
        concept, score, derivative, effect, rank, cav_accuracy, n_supervoxels, n_videos: one row per concept.
    table : DataFrame
        video, clip, level, supervoxel, and the importance of its concept, the nearest: from 1 for the
        concept of rank 1 down to 0 for the last, NaN where it belongs to none. One row per supervoxel of the class.
    """

    class_name: str
    concepts: list[Concept]
    vectors: np.ndarray
    scores: pd.DataFrame
    table: pd.DataFrame


def find_concepts(
    class_name: str,
    seen: LayerActivations,
    random_sets: np.ndarray,
    *,
    clustering: Mapping[str, Any],
    classifier: str = "ridge",
    options: Mapping[str, Any] | None = None,
    rank_by: str = "effect",
    seed: int = 0,
    videos: Collection[str] | None = None,
) -> Found:
    """Cluster a class's supervoxels, learn the CAVs and score the concepts.

    Parameters
    ----------
    class_name : str
    seen : LayerActivations
        Of all classes or of this one.
    random_sets : (sets, n, d) float
    clustering : mapping
        As `voxplain.concepts.clustering.cluster_concepts` takes it.
    classifier, options, seed
        As for `voxplain.concepts.cavs.train_cavs`.
    rank_by : {"effect", "score"}
    videos : collection of str, optional
        Find concepts in these alone; by default in all. The table has the supervoxels of all.

    Raises
    ------
    VoxplainError
        No cluster passes the filters, or a side of a CAV has too few samples.
    """
    own = (seen.table["class"] == class_name).to_numpy()
    activations = seen.supervoxels[own]
    table = seen.table.loc[own, KEY].reset_index(drop=True)
    here = np.ones(len(table), bool) if videos is None else table["video"].isin(videos).to_numpy()
    concepts = cluster_concepts(activations[here], table["video"].to_numpy()[here], seed=seed, **clustering)
    concepts = [replace(c, members=np.flatnonzero(here)[c.members]) for c in concepts]
    trained = [
        train_cavs(
            activations[c.members], random_sets, classifier=classifier, options=dict(options or {}), seed=seed
        )
        for c in concepts
    ]
    vectors = np.stack([vectors for vectors, _ in trained])
    distances = np.stack(
        [
            concept_distances(activations[c.members], random_sets, own)
            for c, own in zip(concepts, vectors, strict=True)
        ]
    )
    clips = seen.clip_table["class"] == class_name
    if videos is not None:
        clips &= seen.clip_table["video"].isin(videos)
    gradients = seen.gradients[clips.to_numpy()]
    scores = rank_concepts(gradients, vectors, distances, rank_by=rank_by)
    scores["cav_accuracy"] = [accuracies.mean() for _, accuracies in trained]
    scores["n_supervoxels"] = [c.n_supervoxels for c in concepts]
    scores["n_videos"] = [c.n_videos for c in concepts]
    nearest = nearest_concepts(activations, *places_of(concepts))
    importance = (1 - (scores["rank"] - 1) / max(len(scores) - 1, 1)).to_numpy()
    importance = np.where(nearest >= 0, importance[nearest], np.nan)
    return Found(class_name, concepts, vectors, scores, table.assign(importance=importance))


def members_table(found: Found) -> pd.DataFrame:
    """video, clip, level, supervoxel, concept, class: one row per member of each concept."""
    parts = [
        found.table.loc[c.members, KEY].assign(concept=number) for number, c in enumerate(found.concepts)
    ]
    return pd.concat(parts, ignore_index=True).assign(**{"class": found.class_name})


def rank_agreement(a: pd.DataFrame, b: pd.DataFrame) -> float:
    """Kendall's tau-b of the importance that two findings give to the supervoxels that both have.

    Concepts of two clusterings are not the same sets, but each ranks the same supervoxels: those that belong
    to a concept in both.

    Parameters
    ----------
    a, b : DataFrame
        Columns video, clip, level, supervoxel, importance.

    Returns
    -------
    float
        In [-1, 1]; NaN where fewer than two supervoxels are shared or one side gives all the same.
    """
    both = a.merge(b, on=KEY, suffixes=("_a", "_b")).dropna()
    if len(both) < 2:
        return float("nan")
    return float(scipy.stats.kendalltau(both["importance_a"], both["importance_b"]).statistic)
