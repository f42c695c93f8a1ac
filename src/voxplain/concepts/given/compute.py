"""Concepts that a user brings, scored and tested as found ones are.

What is learned from examples of an idea is a CAV against random sets, and what is asked of it is what is asked of a
cluster's: does the class's logit rise along it (TCAV; 3D-ACE, equations 1 and 2), by more than along clusters of random
videos, and by more than in networks that are random above the layer.

Examples and random samples have to be shown alike, else the CAV learns how they are shown. What lies under a mask is
shown as supervoxels are, so that the run's random sets and clusters are its negatives and nulls. Whole clips have no
fill around them, and have whole clips of the run for both.

A direction of few examples is noisy, and an effect along it too: of each null concept as many members are taken as there
are examples, as far as it has so many.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ...activation_store import LayerActivations, read_activations, read_classes, read_gradients
from ...artifacts import open_h5, read_table
from ...errors import ConfigError
from ...finished import FinishedLayer
from ...statistics import group_values, mean_interval
from ...streams import seed_of
from ..cavs import cav_arrays
from ..nulls import random_concepts
from ..random_sets import draw_sets, null_concepts
from ..scores import Cavs, score_concepts, ways_to

FEWEST = 3  # examples that a CAV takes
COLUMNS = """class n_examples n_null_members score score_sd derivative effect effect_ci_low effect_ci_high p_clusters p_gradients
p_value cav_accuracy rank_among_found n_found""".split()


class GivenCavs(NamedTuple):
    """What a given concept is scored by in one class.

    Attributes
    ----------
    own : Cavs
        The concept's vectors (1, sets, d), and distances (1, sets) along them.
    null : Cavs
        Those of concepts of random videos, of as many members as there are examples or as they have.
    random : Cavs or None
        Those of a random subset, which the test ``paired_t`` alone needs.
    accuracy : float
        Held-out, of the concept's CAVs, mean over random sets.
    n_examples : int
    n_null_members : float
        Of the concepts of random videos, mean.
    """

    own: Cavs
    null: Cavs
    random: Cavs | None
    accuracy: float
    n_examples: int
    n_null_members: float


class Direction(NamedTuple):
    """What a class's clips are steered by: way (d,) to the concept, ways (n, d) to random ones, and where from (d,)."""

    way: np.ndarray
    random_ways: np.ndarray
    baseline: np.ndarray


class Scored(NamedTuple):
    """A given concept's rows of one layer, its directions by source and class, and classes with too few examples."""

    table: pd.DataFrame
    directions: dict[tuple[str, str], Direction]
    few: dict[str, list[str]]


def score_members(
    members: Mapping[str, Mapping[str, list[np.ndarray]]], place: FinishedLayer, *, name: str, whole: bool
) -> Scored:
    """Score a given concept and its control at a layer whose concepts are scored, by what these were scored by.

    Parameters
    ----------
    members : mapping of str to mapping of str to list of (d,) float
        Activations by source (given, control) and class.
    place : FinishedLayer
    name : str
        What the concept is called, for errors.
    whole : bool
        Examples are whole clips, and not what lies under masks.

    Returns
    -------
    Scored
        table: model, seed, layer, source, and the columns of `score_given`, a row per source and class.

    Raises
    ------
    ConfigError
        Fewer than three examples in every class.
    """
    made, activations = place.params("random_cavs.h5"), place.activations
    drawn, scored = place.params("random_sets.h5"), place.params("scored_concepts.parquet")["options"]
    seed = seed_of(made["random_sets_seed"], "random_concepts", place.model, place.layer)
    with open_h5(place.folder / "random_gradients.h5", "random_gradients") as file:
        null_gradients = dict(zip(file["class"].asstr()[()], file["gradients"][()], strict=True))
    others = read_table(place.folder / "scored_concepts.parquet", "scored_concepts")
    enough_of = {source: enough(by_class) for source, by_class in members.items()}
    given = enough_of["given"][0] if "given" in enough_of else {}
    if not given:
        raise ConfigError(
            f"{name} has fewer than three examples in every class, and a CAV takes three: give more."
        )
    if whole:
        # One set more is the random subset of the authors' test.
        (*random_sets, subset), null_members = whole_clips(
            read_activations(activations, place.layer, max_supervoxels=0),
            examples=len(next(iter(given.values()))),
            sets=drawn["options"]["random_sets"] + 1,
            size=drawn["options"]["set_size"],
            clusterings=made["clusterings"],
            **{name: made["options"][name] for name in ("normalize", "components", "restarts")},
            seed=seed,
        )
        random_sets = np.stack(random_sets)
    else:
        with open_h5(place.folder / "random_sets.h5", "random_sets") as file:
            random_sets, subset = file["sets"][()], file["subset"][()]
        null_members = list(
            random_concepts(
                activations, place.layer, clusterings=made["clusterings"], seed=seed, **made["options"]
            )
        )
    gradients, units = read_gradients(activations, place.layer), defaultdict(list)
    for (video, _), class_name in read_classes(activations).items():
        units[class_name].append(video)
    parts, directions = [], {}
    for source, (some, _) in enough_of.items():
        if not some:
            continue
        cavs = given_cavs(some, random_sets, null_members, subset=subset, cavs=made["cavs"], seed=seed)
        table = score_cavs(cavs, gradients, null_gradients, others, units=units, **scored)
        parts.append(table.assign(model=place.model, seed=place.seed, layer=place.layer, source=source))
        baseline = random_sets.mean(axis=(0, 1))
        for class_name, found in cavs.items():
            way, random_ways = ways_to(*found.own)[0], ways_to(*found.null)
            directions[source, class_name] = Direction(way, random_ways, baseline)
    few = {source: names for source, (_, names) in enough_of.items() if names}
    return Scored(pd.concat(parts), directions, few)


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
    seed: int = 0,
    **how: Any,
) -> pd.DataFrame:
    """Score one given concept for several classes; parameters as for `given_cavs` and `score_cavs`."""
    own = given_cavs(members, random_sets, null_members, subset=subset, cavs=cavs, seed=seed)
    return score_cavs(own, gradients, null_gradients, found, **how)


def given_cavs(
    members: Mapping[str, np.ndarray],
    random_sets: np.ndarray,
    null_members: Sequence[np.ndarray],
    *,
    subset: np.ndarray | None = None,
    cavs: Mapping[str, Any],
    seed: int = 0,
) -> dict[str, GivenCavs]:
    """CAVs of a given concept for several classes, and of concepts of random videos of as many members, or as they have.

    Parameters
    ----------
    members : mapping of str to (n, d) float
        Activations of the concept's examples, by class.
    random_sets : (sets, m, d) float
    null_members : sequence of (members, d) float
        Concepts of random videos, from `voxplain.concepts.random_sets.null_concepts`.
    subset : (m, d) float, optional
        Random samples of none of the sets, which the test ``paired_t`` alone needs.
    cavs : mapping
        classifier and options of `voxplain.concepts.cavs.train_cavs`.
    seed : int

    Raises
    ------
    VoxplainError
        A class has fewer than 3 examples.
    """
    result, nulls = {}, {}
    for class_name, examples in members.items():
        count = len(examples)
        own, accuracies = _cavs([examples], random_sets, cavs, seed)
        if count not in nulls:
            rng = np.random.default_rng(seed)
            some = [null[rng.permutation(len(null))[:count]] for null in null_members]
            random = None if subset is None else _cavs([subset[:count]], random_sets, cavs, seed)[0]
            sizes = float(np.mean([len(its) for its in some]))
            nulls[count] = _cavs(some, random_sets, cavs, seed)[0], random, sizes
        null, random, sizes = nulls[count]
        result[class_name] = GivenCavs(own, null, random, accuracies.mean(), count, sizes)
    return result


def score_cavs(
    cavs: Mapping[str, GivenCavs],
    gradients: Callable[[str], np.ndarray],
    null_gradients: Mapping[str, np.ndarray],
    found: pd.DataFrame,
    *,
    units: Mapping[str, Sequence[str]] | None = None,
    test: str = "clusters_and_gradients",
    rank_by: str = "effect",
) -> pd.DataFrame:
    """Score a given concept's CAVs for several classes.

    Parameters
    ----------
    cavs : mapping of str to GivenCavs
    gradients : callable
        From a class to the gradients (clips, d) of its clips' own logit.
    null_gradients : mapping of str to (draws, d) float
        By class, of networks that are random above the layer.
    found : DataFrame
        class, effect and score of the concepts that were found.
    units : mapping of str to (clips,) sequence, optional
        By class, the video of each clip: intervals are over videos. By default each clip is of its own.
    test, rank_by
        As for `voxplain.concepts.scores.score_concepts`.

    Returns
    -------
    DataFrame, one row per class
        class, n_examples, n_null_members, the columns of `score_concepts` but concept and rank, effect_ci_low and effect_ci_high (95 %,
        over videos, the direction taken as given), cav_accuracy (held-out, mean over random sets), rank_among_found
        (place that the concept would have among the class's found ones) and n_found (how many these are).
    """
    rows = []
    for class_name, own in cavs.items():
        its = gradients(class_name)
        row = score_concepts(
            its,
            own.own,
            own.null,
            null_gradients[class_name],
            subset=own.random,
            test=test,
            rank_by=rank_by,
        )
        others = found.loc[found["class"] == class_name, rank_by]
        per_clip = its @ ways_to(*own.own)[0]
        low, high = mean_interval(group_values(per_clip, None if units is None else units[class_name]))
        rows.append(
            row.assign(
                **{"class": class_name},
                n_examples=own.n_examples,
                n_null_members=own.n_null_members,
                effect_ci_low=low,
                effect_ci_high=high,
                cav_accuracy=own.accuracy,
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
    seed: int = 0,
    **clustering: Any,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Random sets and null concepts for examples that are whole clips.

    Null concepts are clusters of whole clips in random videos of all classes: as many clusters as a class's clips make of
    the examples' size, in more videos than a class has where clusters of that size take more. A choice is at most half of
    the run's videos, since larger ones would be much the same; clusters are smaller where half is too few.

    Parameters
    ----------
    known : LayerActivations
        Of the discovery clips of all classes.
    examples : int
    sets, size : int
        Of random sets.
    clusterings, **clustering
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
    classes = dict(zip(videos, known.clip_table["class"], strict=True))
    per_class, per_video = _median_count(known.clip_table["class"]), _median_count(videos)
    clusters = max(2, round(per_class / examples))
    # Clusters differ in size, and of twice as many clips as they would need most are large enough.
    wanted = min(ceil(2 * clusters * examples / per_video), len(classes) // 2)
    per_choice = max(int(_median_count(classes.values())), wanted)
    least = min(examples, int(per_choice * per_video / (2 * clusters)))

    def read(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows = np.isin(videos, chosen)
        return known.clips[rows], videos[rows]

    found = list(
        null_concepts(
            read,
            classes,
            clusterings=clusterings,
            seed=seed,
            per_choice=per_choice,
            clusters=clusters,
            min_supervoxels=FEWEST - 1,
            max_members=len(videos),
            cutoff=None,
            **clustering,
        )
    )
    large = [null for null in found if len(null) >= least]
    return draw_sets(known.clips, sets=sets, size=size, seed=seed), large or found


def _median_count(names: Iterable[str]) -> float:
    """How often a name is there, in the median."""
    return float(np.median(list(Counter(names).values())))
