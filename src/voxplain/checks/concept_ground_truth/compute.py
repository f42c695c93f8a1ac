"""How much of every concept lies on what is known to matter (embedded data)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from ...videos.scenes import ACTOR, BACKGROUND, CUE, Scene
from ...videos.store import SupervoxelStore

PARTS = ["evidence", "distractor", "cue", "background"]  # of a clip, as the figure shows them


def scene_masks(scene: Scene) -> dict[str, np.ndarray]:
    """Masks (T, H, W) bool of what concepts may lie on: evidence, distractor, actor, cue and background."""
    codes = {"actor": ACTOR, "cue": CUE, "background": BACKGROUND}
    return scene.masks() | {name: scene.objects == code for name, code in codes.items()}


def concept_shares(
    members: pd.DataFrame,
    masks_of: Callable[[str, int], Mapping[str, np.ndarray]],
    supervoxels: SupervoxelStore,
) -> pd.DataFrame:
    """Share of the voxels of each concept's members on every target.

    Parameters
    ----------
    members : DataFrame
        variant, class, concept, video, clip, level, supervoxel.
    masks_of : callable
        Maps a video and the number of a clip to masks (T, H, W) bool, by target.
    supervoxels : SupervoxelStore

    Returns
    -------
    DataFrame
        variant, class, concept, n_members, and a column per target: fractions of 1.
    """
    key, parts = ["variant", "class", "concept"], []
    for (video, clip), rows in members.groupby(["video", "clip"]):
        masks, levels = masks_of(video, clip), supervoxels.labels(video, clip)
        once = rows[["level", "supervoxel"]].drop_duplicates()
        shown = [levels[row.level] == row.supervoxel for row in once.itertuples()]
        counts = once.assign(
            **{name: [np.count_nonzero(mask[own]) for own in shown] for name, mask in masks.items()},
            n_voxels=[np.count_nonzero(own) for own in shown],
        )
        parts.append(rows[[*key, "level", "supervoxel"]].merge(counts).drop(columns=["level", "supervoxel"]))
    table = pd.concat(parts).assign(n_members=1).groupby(key, as_index=False).sum()
    voxels = table.pop("n_voxels")
    targets = table.columns.difference([*key, "n_members"], sort=False)
    return table.assign(**table[targets].div(voxels, axis=0))
