"""Scores of a run's concepts on other networks, for other classes, and along random directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from ...concepts.cavs import concept_distances, train_cavs
from ...concepts.random_sets import draw_sets
from ...concepts.scores import rank_concepts
from ...models.trained import TrainedModel
from ...streams import seed_of, stream
from ...videos.store import ClipStore, SupervoxelStore
from ..findings import KEY
from ..looking import Place, clip_gradients, look_at_supervoxels, same_activations
from ..presets.variants import View
from . import INTACT

Cav = tuple[np.ndarray, np.ndarray]


def member_cavs(
    model: TrainedModel,
    clips: ClipStore,
    supervoxels: SupervoxelStore,
    members: pd.DataFrame,
    pool: pd.DataFrame,
    place: Place,
    *,
    view: View,
    sets: int,
    cavs: Mapping[str, Any],
    batch: int = 16,
    seed: int = 0,
) -> dict[tuple[str, int], Cav]:
    """CAVs of given concepts on a network, which may be another than they were found on.

    Parameters
    ----------
    members : DataFrame
        class, concept, video, clip, level, supervoxel.
    pool : DataFrame
        video, clip, level, supervoxel: negatives are drawn from these.
    place : (layer, grid)
    sets : int
        Random sets.
    cavs : mapping
        classifier and options.

    Returns
    -------
    dict of CAVs (sets, d) and distances (sets,) float32 by (class, concept)
    """
    rows = pd.concat([members[KEY], pool[KEY]]).drop_duplicates().reset_index(drop=True)
    activations = look_at_supervoxels(model, clips, supervoxels, rows, [place], view=view, batch=batch)[place]
    number_of = pd.Series(rows.index, pd.MultiIndex.from_frame(rows))
    of = lambda part: activations[number_of.loc[pd.MultiIndex.from_frame(part[KEY])].to_numpy()]  # noqa: E731
    size = int(members.groupby(["class", "concept"]).size().max())
    random_sets = draw_sets(of(pool), sets=sets, size=size, seed=seed)
    found = {}
    for key, part in members.groupby(["class", "concept"]):
        vectors, _ = train_cavs(of(part), random_sets, seed=seed_of(seed, "held_out", *key), **cavs)
        found[key] = vectors, concept_distances(of(part), random_sets, vectors)
    return found


def rescore(
    model: TrainedModel,
    clips: np.ndarray,
    classes: Sequence[str],
    cavs: Mapping[tuple[str, int], Cav],
    place: Place,
    *,
    shift: int = 0,
    rank_by: str = "effect",
    batch: int = 16,
) -> pd.DataFrame:
    """Scores of concepts given their CAVs.

    Parameters
    ----------
    model : TrainedModel
    clips : (N, T, H, W, 3) uint8
    classes : (N,) str
        Of the clips.
    cavs : mapping of (class, concept) to CAVs (sets, d) and distances (sets,) float
    place : (layer, grid)
    shift : int
        Explain another class: the one that many places further in the order of the logits.

    Returns
    -------
    DataFrame : class, concept, score, derivative, effect, rank
    """
    names = model.classes
    targets = [names[(names.index(class_name) + shift) % len(names)] for class_name in classes]
    gradients = clip_gradients(model, clips, targets, [place], batch=batch)[place]
    classes = np.asarray(classes)
    parts = []
    for class_name in sorted({class_name for class_name, _ in cavs}):
        concepts = sorted(concept for name, concept in cavs if name == class_name)
        vectors, distances = (
            np.stack(parts_) for parts_ in zip(*(cavs[class_name, c] for c in concepts), strict=True)
        )
        table = rank_concepts(gradients[classes == class_name], vectors, distances, rank_by=rank_by)
        parts.append(table.assign(concept=concepts, **{"class": class_name}))
    return pd.concat(parts, ignore_index=True)


def random_directions(cavs: Mapping[tuple[str, int], Cav], *, seed: int) -> dict[tuple[str, int], Cav]:
    """As many directions of unit length as there are CAVs, uniform on the sphere, each with the CAV's distance."""
    found = {}
    for key, (values, distances) in cavs.items():
        drawn = stream(seed, *key).standard_normal(values.shape)
        found[key] = (drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)).astype(np.float32), distances
    return found


def rescore_networks(
    model: TrainedModel,
    networks: Mapping[tuple[str, str, int], tuple[int, TrainedModel]],
    clips: ClipStore,
    supervoxels: SupervoxelStore,
    members: pd.DataFrame,
    pool: pd.DataFrame,
    place: Place,
    *,
    videos: Sequence[str],
    draws: int,
    rank_by: str,
    view: View,
    sets: int,
    cavs: Mapping[str, Any],
    batch: int = 16,
    seed: int = 0,
) -> pd.DataFrame:
    """Scores of a network's concepts on random networks, for other classes, and along random directions.

    Parameters
    ----------
    model : TrainedModel
    networks : mapping
        From `voxplain.checks.randomization.compute.randomized_networks`.
    clips, supervoxels, members, pool, place, view, sets, cavs, batch, seed
        As for `member_cavs`.
    videos : sequence of str
        Whose clips the scores are of.
    draws : int
        Other classes, and sets of random directions.
    rank_by : {"effect", "score"}

    Returns
    -------
    DataFrame : check, part, depth, draw, and the columns of `rescore`
    """
    whole = clips.table[clips.table["video"].isin(videos)]
    shown, names = clips.fetch(whole.index.to_numpy()), whole["class"].tolist()
    look = dict(view=view, sets=sets, cavs=cavs, batch=batch, seed=seed)
    intact = member_cavs(model, clips, supervoxels, members, pool, place, **look)
    tables = []

    def note(network: TrainedModel, vectors: Mapping, *, shift: int = 0, **what: Any) -> None:
        found = rescore(network, shown, names, vectors, place, shift=shift, rank_by=rank_by, batch=batch)
        tables.append(found.assign(**what))

    for (check, part, draw), (depth, network) in tqdm(networks.items(), unit="network", mininterval=10):
        # Weights above the layer do not change what a supervoxel's activation is.
        above = part == INTACT or same_activations(model, network, shown[:1], place)
        own = intact if above else member_cavs(network, clips, supervoxels, members, pool, place, **look)
        note(network, own, check=check, part=part, depth=depth, draw=draw)
    for draw in range(draws):
        known = {"depth": 0, "draw": draw}
        if draw + 1 < len(model.classes):
            note(model, intact, shift=draw + 1, check="shuffled_targets", part="another class", **known)
        along = random_directions(intact, seed=seed_of(seed, "directions", draw))
        note(model, along, check="random_directions", part="random CAVs", **known)
    return pd.concat(tables, ignore_index=True)
