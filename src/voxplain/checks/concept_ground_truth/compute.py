"""How much of every concept lies on what is known to matter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ...videos.store import SupervoxelStore
from ...videos.truth import Truth


def concept_shares(
    members: pd.DataFrame,
    truth_of: Callable[[str, int], Truth | None],
    supervoxels: SupervoxelStore,
) -> pd.DataFrame:
    """Share of the voxels of each concept's members on every target.

    Parameters
    ----------
    members : DataFrame
        variant, class, concept, video, clip, level, supervoxel.
    truth_of : callable
        Maps a video and the number of a clip to what is known of it.
    supervoxels : SupervoxelStore

    Returns
    -------
    DataFrame
        variant, class, concept, n_members (of clips of which something is known), and a column per target and
        background: fractions of 1 of the voxels that are known. Concepts without any are left out.
    """
    key, parts = ["variant", "class", "concept"], []
    for (video, clip), rows in members.groupby(["video", "clip"]):
        truth = truth_of(video, clip)
        if truth is None or not truth.targets:
            continue
        levels, known, masks = supervoxels.labels(video, clip), truth.known, truth.masks()
        masks["background"] = known & ~np.any(list(masks.values()), axis=0)
        once = rows[["level", "supervoxel"]].drop_duplicates()
        shown = [known & (levels[row.level] == row.supervoxel) for row in once.itertuples()]
        counts = once.assign(
            **{name: [np.count_nonzero(mask[own]) for own in shown] for name, mask in masks.items()},
            n_voxels=[np.count_nonzero(own) for own in shown],
        )
        parts.append(rows[[*key, "level", "supervoxel"]].merge(counts).drop(columns=["level", "supervoxel"]))
    if not parts:
        return pd.DataFrame(columns=[*key, "n_members", "evidence", "background"])
    table = pd.concat(parts).assign(n_members=1).groupby(key, as_index=False).sum()
    table = table[table["n_voxels"] > 0]
    voxels = table.pop("n_voxels")
    targets = table.columns.difference([*key, "n_members"], sort=False)
    return table.assign(**table[targets].div(voxels, axis=0))
