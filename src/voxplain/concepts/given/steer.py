"""Steer a network by concepts that a user brings, on clips of the classes whose logits they are scored by."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from ...activations import Grid
from ...models.trained import TrainedModel
from ...models.upper import Upper
from ...videos.store import ClipStore
from ..steering.compute import plan_steering, steer_clip
from .compute import Direction


def steer_directions(
    model: TrainedModel,
    clips: ClipStore,
    directions: Mapping[tuple[str, str], Direction],
    layer: str,
    *,
    draws: int,
    rng: Callable[[str, str], np.random.Generator],
    grid: Grid | None = (1, 1, 1),
    batch: int = 16,
) -> pd.DataFrame:
    """Remove the directions of a given concept and its control from a layer, and add them, beside random ones.

    Parameters
    ----------
    model : TrainedModel
    clips : ClipStore
        Those of a class are steered by the directions of this class.
    directions : mapping of (str, str) to Direction
        By source and class.
    layer : str
    draws : int
        Random directions, and random concepts: as for `voxplain.concepts.steering.compute.plan_steering`.
    rng : callable
        From source and class to the generator of the draws.
    grid, batch
        As for `voxplain.concepts.steering.compute.steer_clip`.

    Returns
    -------
    DataFrame, one row per steered version of a clip
        source, class, video, clip, and the columns of `steer_clip` but space and rank.
    """
    plans = {
        key: plan_steering(found.way[None], found.random_ways, {}, draws=draws, rng=rng(*key))
        for key, found in directions.items()
    }
    upper, parts = None, []
    for row, place in clips.table.iterrows():
        wanted = [key for key in plans if key[1] == place["class"]]
        if not wanted:
            continue
        inputs, target = model.inputs(clips.fetch(np.array([row]))), model.classes.index(place["class"])
        upper = upper or Upper(model.network, layer, inputs)
        for key in wanted:
            steered = steer_clip(
                upper, inputs, target, *plans[key], directions[key].baseline, grid=grid, batch=batch
            ).drop(columns=["space", "rank"])
            names = {"source": key[0], "class": key[1], "video": place["video"], "clip": place["clip"]}
            parts.append(steered.assign(**names))
    return pd.concat(parts, ignore_index=True)
