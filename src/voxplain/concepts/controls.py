"""What orders concepts without their scores: controls of the ranking.

A ranking explains a network only where it does better than orders that never ask what the network does with a
concept: by the color, the motion, the size or the place of what a concept shows, or by how unusual it is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..pixel_maps import PIXEL_MAPS
from ..videos.store import ClipStore, SupervoxelStore

# Maps of the pixels, of whose means over members blurring changes little.
OF_PIXELS = tuple(name for name in PIXEL_MAPS if name != "blurred_frame_difference")
CONTROLS = (*OF_PIXELS, "size", "pool_distance", "member_logit")


def member_controls(
    members: pd.DataFrame,
    logits: np.ndarray,
    clips: ClipStore,
    supervoxels: SupervoxelStore,
) -> pd.DataFrame:
    """Controls of concepts, of which a greater value ranks first.

    Parameters
    ----------
    members : DataFrame
        class, concept, video, clip, level, supervoxel.
    logits : (members,) float
        Of the members' own class, as of `voxplain.activation_store.read_logits`.
    clips, supervoxels
        Of all videos in `members`.

    Returns
    -------
    DataFrame, one row per concept, in order: means over its members
        class, concept, `OF_PIXELS` (see `voxplain.pixel_maps`), size (voxels), member_logit (the class's logit of the member alone, shown as it was for its activation).
    """
    parts = []
    members = members.assign(member_logit=logits)
    for (video, number), rows in members.groupby(["video", "clip"], sort=False):
        clip, levels = clips.clip(video, number), supervoxels.labels(video, number)
        maps = {name: PIXEL_MAPS[name](clip) for name in OF_PIXELS}
        masks = [levels[row.level] == row.supervoxel for row in rows.itertuples()]
        found = {name: [values[mask].mean() for mask in masks] for name, values in maps.items()}
        found["size"] = [mask.sum() for mask in masks]
        parts.append(rows[["class", "concept", "member_logit"]].assign(**found))
    return pd.concat(parts).groupby(["class", "concept"], as_index=False).mean()


def pool_distances(members: list[np.ndarray], random_sets: np.ndarray) -> np.ndarray:
    """How far the mean of each concept's members lies from the mean of the random sets.

    The effect is a derivative times a way; this is the way, without any derivative.

    Parameters
    ----------
    members : list of (n, d) float
        Activations of each concept's members.
    random_sets : (sets, m, d) float

    Returns
    -------
    (concepts,) float : in units of the activation
    """
    pool = np.mean(random_sets, axis=(0, 1), dtype=np.float64)
    return np.array([np.linalg.norm(np.mean(part, axis=0, dtype=np.float64) - pool) for part in members])
