"""Examples of an idea that a user brings: clips of a folder, or what lies under masks."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..activations import layer_activations, supervoxel_activations
from ..editing import covering
from ..errors import ConfigError
from ..models.trained import TrainedModel
from ..videos.clips import decode_shard
from ..videos.files import ENDINGS, walk_videos
from ..videos.truth import read_truth

log = logging.getLogger(__name__)


def folder_clips(
    folder: str | Path, options: Mapping[str, Any]
) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Clips of the videos in a folder, cut as a run's are; what cannot be used is told of and passed over.

    Parameters
    ----------
    folder : path
        Of videos, or with folders of videos.
    options : mapping
        The config's section ``clips``.

    Yields
    ------
    video (str, its path in the folder), path, clip (T, H, W, 3) uint8, frames (T,) int64 : one clip at a time

    Raises
    ------
    ConfigError
        There is no such folder, or no video in it.
    """
    if not Path(folder).is_dir():
        raise ConfigError(f"There is no folder {folder}: give one that holds example clips.")
    paths = list(walk_videos(Path(folder).resolve()))
    if not paths:
        raise ConfigError(
            f"{folder} holds no videos ({', '.join(sorted(ENDINGS))}): put example clips into it."
        )
    names = [os.path.relpath(path, Path(folder).resolve()) for path in paths]
    table = pd.DataFrame({"video": names, "path": paths, "start": np.nan, "end": np.nan})
    for found, path in zip(decode_shard(table, **options), paths, strict=True):
        if found.clips is None:
            log.warning("%s is passed over: %s", found.video, found.reason)
            continue
        for clip, frames in zip(found.clips, found.indices, strict=True):
            yield found.video, path, clip, frames


def masks_of(
    video: str,
    path: str,
    frames: np.ndarray,
    masks: str | Path,
    labels: Mapping[str, Sequence[int]],
    options: Mapping[str, Any],
) -> dict[str, np.ndarray]:
    """Where a clip has some labels.

    Parameters
    ----------
    video, path : str
    frames : (T,) int
        Numbers of the clip's frames in the file.
    masks : path
        HDF5 of label volumes, as `voxplain.videos.truth` reads them.
    labels : mapping of str to sequence of int
    options : mapping
        The config's section ``clips``.

    Returns
    -------
    dict of (T, H, W) bool
        By name; without those that are nowhere in the clip.
    """
    row = {"video": video, "path": path, "masks": str(masks), "boxes": "", "flow": ""}
    truth = read_truth(row, frames, size=options["size"], crop=options["crop"], targets=labels)
    found = {} if truth is None else truth.masks()
    return {name: mask for name, mask in found.items() if mask.any()}


def equal_volume(
    labels: np.ndarray, kept: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Random supervoxels of a clip that together have about as many voxels as a mask.

    Parameters
    ----------
    labels : (levels, T, H, W) uint16
    kept : (n, 2) int
        (level, label) of the supervoxels to draw from.
    mask : (T, H, W) bool
    rng : Generator

    Returns
    -------
    (T, H, W) bool
    """
    return covering(labels, kept, rng.permutation(len(kept)))(np.count_nonzero(mask))


def example_activations(
    model: TrainedModel,
    clip: np.ndarray,
    masks: Mapping[str, np.ndarray] | None,
    layers: Sequence[str],
    **shown: Any,
) -> dict[str, dict[str, np.ndarray]]:
    """Activations of a clip as it is, or of what lies under masks, shown as supervoxels are.

    Parameters
    ----------
    model : TrainedModel
    clip : (T, H, W, 3) uint8
    masks : mapping of str to (T, H, W) bool, or None
        By name, at least one. None: the whole clip, called "given".
    layers : names of modules
    **shown
        Options of `voxplain.activations.supervoxel_activations`.

    Returns
    -------
    dict of dict of (d,) float32, by name and layer
    """
    if masks is None:
        grid = shown["pooling"] and tuple(shown["pooling"])
        found = layer_activations(model.network, model.inputs(clip[None]), layers, grid=grid)[0]
        return {"given": {layer: found[layer][0].float().cpu().numpy() for layer in layers}}
    levels = np.stack(list(masks.values())).astype(np.uint16)
    kept = np.array([(level, 1) for level in range(len(levels))])
    found = supervoxel_activations(model, clip, levels, kept, layers, **shown)
    return {name: {layer: found[layer][row] for layer in layers} for row, name in enumerate(masks)}
