"""Whether concept scores rank concepts by what is known to matter (embedded data)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from ...videos.embedded import read_ground_truth
from ...videos.scenes import ACTOR, BACKGROUND, CUE
from ...videos.store import SupervoxelStore

PARTS = ["actor", "distractors", "background", "cue"]


def part_counts(objects: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How many voxels of a supervoxel lie on each of `PARTS`.

    Parameters
    ----------
    objects : (T, H, W) uint8
        What is visible: see `voxplain.videos.scenes.Scene`.
    mask : (T, H, W) bool

    Returns
    -------
    (4,) int
    """
    counts = np.bincount(objects[mask], minlength=256)
    actor, background, cue = counts[[ACTOR, BACKGROUND, CUE]]
    return np.array([actor, counts.sum() - actor - background - cue, background, cue])


def concept_shares(
    members: pd.DataFrame, truth: str | Path, frames: Mapping[str, np.ndarray], supervoxels: SupervoxelStore
) -> pd.DataFrame:
    """Share of each concept's members' voxels on the actor, distractors, background and cue.

    Parameters
    ----------
    members : DataFrame
        variant, class, concept, video, clip, level, supervoxel.
    truth : path
        The ground truth of the embedded videos.
    frames : mapping of str to (clips, T) int array
        The clips' frames in each video.
    supervoxels : SupervoxelStore

    Returns
    -------
    DataFrame : variant, class, concept, actor, distractors, background, cue (fractions of 1), n_members
    """
    parts = []
    for (video, clip), rows in members.groupby(["video", "clip"]):
        objects = read_ground_truth(truth, video, frames[video][clip]).objects
        levels = supervoxels.labels(video, clip)
        once = {
            key: part_counts(objects, levels[key[0]] == key[1])
            for key in set(zip(rows["level"], rows["supervoxel"], strict=True))
        }
        counts = [once[key] for key in zip(rows["level"], rows["supervoxel"], strict=True)]
        parts.append(
            rows[["variant", "class", "concept"]].assign(
                **dict(zip(PARTS, np.transpose(counts), strict=True))
            )
        )
    table = pd.concat(parts).assign(n_members=1)
    table = table.groupby(["variant", "class", "concept"], as_index=False).sum()
    table[PARTS] = table[PARTS].div(table[PARTS].sum(axis=1), axis=0)
    return table
