"""Concepts that a user brings, scored and tested as found ones are.

What is learned from examples of an idea is a CAV against random sets, and what is asked of it is what is asked of a
cluster's: does the class's logit rise along it (TCAV; 3D-ACE, equations 1 and 2), by more than along clusters of random
videos, and by more than in networks that are random above the layer.

Examples and random samples have to be shown alike, else the CAV learns how they are shown. What lies under a mask is
shown as supervoxels are, so that the run's random sets and clusters are its negatives and nulls. Whole clips have no
fill around them, and have whole clips of the run for both.

A direction of few examples is noisy, and an effect along it too: of each null concept as many members are taken as there
are examples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..activation_store import LayerActivations
from ..statistics import mean_interval
from .cavs import cav_arrays
from .random_sets import draw_sets, null_concepts
from .scores import Cavs, score_concepts

FEWEST = 3  # examples that a CAV takes
COLUMNS = """class n_examples score score_sd derivative effect p_clusters p_gradients p_value cav_accuracy
rank_among_found n_found""".split()


def score_given(
    members: Mapping[str, np.ndarray],
    gradients: Callable[[str], np.ndarray],
    random_sets: np.ndarray,
    null_members: Sequence[np.ndarray],
    null_gradients: Mapping[str, np.ndarray],
    found: pd.DataFrame,
    *,
    subset: np.ndarray | None = None,
    cavs: Mapping[str, Any],
    test: str = "clusters_and_gradients",
    rank_by: str = "effect",
    seed: int = 0,
) -> pd.DataFrame:
    """Score one given concept for several classes.

    Parameters
    ----------
    members : mapping of str to (n, d) float
        Activations of the concept's examples, by class.
    gradients : callable
        From a class to the gradients (clips, d) of its clips' own logit.
    random_sets : (sets, m, d) float
    null_members : sequence of (members, d) float
        Concepts of random videos, from `voxplain.concepts.random_sets.null_concepts`.
    null_gradients : mapping of str to (draws, d) float
        By class, of networks that are random above the layer.
    found : DataFrame
        class, effect and score of the concepts that were found.
    subset : (m, d) float, optional
        Random samples of none of the sets, which the test ``paired_t`` alone needs.
    cavs : mapping
        classifier and options of `voxplain.concepts.cavs.train_cavs`.
    test, rank_by
        As for `voxplain.concepts.scores.score_concepts`.
    seed : int

    Returns
    -------
    DataFrame, one row per class
        class, n_examples, the columns of `score_concepts` but concept and rank, cav_accuracy (held-out, mean over random
        sets), rank_among_found (place that the concept would have among the class's found ones) and n_found (how many
        these are).

    Raises
    ------
    VoxplainError
        A class has fewer than 3 examples.
    """
    rows, nulls = [], {}
    for class_name, examples in members.items():
        count = len(examples)
        own, accuracies = _cavs([examples], random_sets, cavs, seed)
        if count not in nulls:
            rng = np.random.default_rng(seed)
            some = [null[rng.permutation(len(null))[:count]] for null in null_members]
            random = None if subset is None else _cavs([subset[:count]], random_sets, cavs, seed)[0]
            nulls[count] = _cavs(some, random_sets, cavs, seed)[0], random
        clusters, random = nulls[count]
        row = score_concepts(
            gradients(class_name),
            own,
            clusters,
            null_gradients[class_name],
            subset=random,
            test=test,
            rank_by=rank_by,
        )
        others = found.loc[found["class"] == class_name, rank_by]
        rows.append(
            row.assign(
                **{"class": class_name},
                n_examples=count,
                cav_accuracy=accuracies.mean(),
                rank_among_found=1 + int((others > row[rank_by].item()).sum()),
                n_found=len(others),
            )
        )
    return pd.concat(rows, ignore_index=True)[COLUMNS]


def _cavs(
    concepts: Sequence[np.ndarray], random_sets: np.ndarray, cavs: Mapping[str, Any], seed: int
) -> tuple[Cavs, np.ndarray]:
    found = cav_arrays(concepts, random_sets, seed=seed, **cavs)
    return (found["vectors"], found["distances"]), found["accuracies"]


def enough(members: Mapping[str, list[np.ndarray]]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Examples (n, d) of the classes that have enough of them for a CAV, and the names of the others."""
    few = [name for name, examples in members.items() if len(examples) < FEWEST]
    return {name: np.stack(some) for name, some in members.items() if name not in few}, few


def whole_clips(
    known: LayerActivations,
    *,
    examples: int,
    sets: int,
    size: int,
    clusterings: int,
    normalize: str = "root",
    seed: int = 0,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Random sets and null concepts for examples that are whole clips.

    Null concepts are clusters of whole clips in random videos, as many as a class has, of about as many clips as there
    are examples.

    Parameters
    ----------
    known : LayerActivations
        Of the discovery clips of all classes.
    examples : int
    sets, size : int
        Of random sets.
    clusterings, normalize
        As for `null_concepts`.
    seed : int

    Returns
    -------
    random_sets : (sets, m, d) float
    null_members : list of (members, d) float

    Raises
    ------
    VoxplainError
        There are too few clips.
    """
    videos = known.clip_table["video"].to_numpy()
    per_class = int(np.median(list(Counter(known.clip_table["class"]).values())))

    def read(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = np.isin(videos, chosen)
        return known.clips[rows], videos[rows]

    found = null_concepts(
        read,
        dict(zip(videos, known.clip_table["class"], strict=True)),
        clusterings=clusterings,
        seed=seed,
        clusters=max(2, round(per_class / examples)),
        min_supervoxels=FEWEST - 1,
        cutoff=None,
        normalize=normalize,
    )
    return draw_sets(known.clips, sets=sets, size=size, seed=seed), list(found)


def summarize_given(table: pd.DataFrame) -> pd.DataFrame:
    """How a given concept and its control do over classes.

    Parameters
    ----------
    table : DataFrame
        model, seed, layer, class, source (given, control), effect, significant.

    Returns
    -------
    DataFrame, a row per network, layer and source
        model, layer, source (given; control; given less control), effect (mean over classes and seeds), ci_low, ci_high
        (95 %, over classes and seeds: `mean_interval`), n_significant (of the n rows; for a positive effect), n.
    """
    rows = []
    for (model, layer), group in table.groupby(["model", "layer"], sort=False):
        grids = {
            source: some.pivot(index="seed", columns="class", values="effect")
            for source, some in group.groupby("source", sort=False)
        }
        if "control" in grids:
            grids["given less control"] = grids["given"] - grids["control"]
        for source, values in grids.items():
            low, high = mean_interval(values.to_numpy())
            own = group[group["source"] == source]
            rows.append(
                {
                    "model": model,
                    "layer": layer,
                    "source": source,
                    "effect": np.nanmean(values.to_numpy()),
                    "ci_low": low,
                    "ci_high": high,
                    "n_significant": int((own["significant"] & (own["effect"] > 0)).sum()),
                    "n": int(values.notna().to_numpy().sum()),
                }
            )
    return pd.DataFrame(rows)
