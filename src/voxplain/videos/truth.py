"""Ground truth that comes with videos: which voxels of a clip are evidence, distractor or neither.

Label volumes and boxes go through the same choice of frames, scaling and cropping as the frames themselves.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pandas as pd

from ..errors import ConfigError, nearest
from .clips import Crop, fitted_size
from .decode import probe

IGNORED = 255  # voxels of which the truth is not known
Targets = Mapping[str, Sequence[int | str]]


def fit_labels(labels: np.ndarray, *, size: int | tuple[int, int], crop: Crop = "center") -> np.ndarray:
    """Bring a label volume to a clip's size, as `voxplain.videos.clips.fit_frame` brings its frames.

    Parameters
    ----------
    labels : (T, H, W) uint8 array
    size, crop
        As for `fit_frame`.

    Returns
    -------
    (T, *size) uint8 array
        Of the label in the middle of each pixel: labels are never mixed.
    """
    scaled, top, left = fitted_size(labels.shape[1:], size=size, crop=crop)
    height, width = (size, size) if isinstance(size, int) else size
    # INTER_NEAREST takes a pixel's corner, which shifts what is shrunk by half a pixel of the result.
    frames = [cv2.resize(frame, scaled[::-1], interpolation=cv2.INTER_NEAREST_EXACT) for frame in labels]
    return np.stack(frames)[:, top : top + height, left : left + width]


def read_labels(
    video: Mapping[str, Any], frame_indices: np.ndarray, targets: Targets, ignore: Sequence[int | str] = ()
) -> tuple[np.ndarray, list[str]] | None:
    """Labels of some frames of a video, from its file of masks or boxes.

    Parameters
    ----------
    video : row of a video table
        Columns video, path, masks and boxes.
    frame_indices : (n,) int array
        Numbers of the frames in the file.
    targets : mapping of str to sequence of int or str
        What is what: names of targets with the labels of the masks (int), or with the words of the boxes'
        column what (str), that belong to it. The first target that a pixel belongs to counts.
    ignore : sequence of int or str
        Labels or words of which the truth is not known.

    Returns
    -------
    labels : (n, H, W) uint8 array
        0 for none, 1 and so on for the targets in order, `IGNORED`.
    names : list of str
        The targets.
        None where the video has no ground truth.

    Raises
    ------
    ConfigError
        The file cannot be read, or it has fewer frames than the video.
    """
    names = list(targets)
    if video["masks"]:
        found = _masks(video, frame_indices)
    elif video["boxes"]:
        found = _boxes(video, frame_indices)
    else:
        found = None
    if found is None:
        return None
    volume, words = found
    labels = np.zeros(volume.shape, np.uint8)
    for word in ignore:
        labels[volume == words(word)] = IGNORED
    for number, name in reversed(list(enumerate(names, start=1))):
        for word in targets[name]:
            labels[volume == words(word)] = number
    return labels, names


def _masks(video: Mapping[str, Any], frame_indices: np.ndarray) -> tuple[np.ndarray, Any] | None:
    """A label volume from HDF5: a data set per video, named as its path beside the file, or as the video."""
    try:
        with h5py.File(video["masks"]) as file:
            known = (os.path.relpath(video["path"], Path(video["masks"]).parent), video["video"])
            name = next((name for name in known if isinstance(file.get(name), h5py.Dataset)), None)
            if name is None:
                return None
            volume = file[name]
            if volume.ndim != 3 or volume.dtype.kind not in "ui":
                raise ConfigError(
                    f"{video['masks']}: {name} is {volume.dtype} of {volume.shape}, and should be labels, (frames, H, W) "
                    "of whole numbers."
                )
            if frame_indices.max() >= len(volume):
                raise ConfigError(
                    f"{video['masks']}: {name} has {len(volume)} frames, and the video at least "
                    f"{frame_indices.max() + 1}. Frame i of the masks is decoded frame i of the video."
                )
            # Clips that are filled up repeat frames, which HDF5 does not.
            frames, places = np.unique(frame_indices, return_inverse=True)
            return volume[frames][places], int
    except OSError as error:
        raise ConfigError(
            f"The masks {video['masks']} cannot be read ({error}). Correct the column masks of the video table, or "
            "data.options."
        ) from None


def _boxes(video: Mapping[str, Any], frame_indices: np.ndarray) -> tuple[np.ndarray, Any] | None:
    """A label volume drawn from a table of boxes: path or video, frame, x0, y0, x1, y1 in pixels (x1, y1 not in), what."""
    place = Path(video["boxes"])
    try:
        table = pd.read_parquet(place) if place.suffix == ".parquet" else pd.read_csv(place)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The boxes {place} cannot be read ({error}). Correct the column boxes of the video table, or data.options."
        ) from None
    for column in ("video", "frame", "x0", "y0", "x1", "y1", "what"):
        if column not in table:
            raise ConfigError(f"{place} has no column {column!r}{nearest(column, map(str, table))}")
    known = (os.path.relpath(video["path"], place.parent), video["video"])
    table = table[table["video"].isin(known)]
    if table.empty:
        return None
    kinds = {what: number for number, what in enumerate(sorted(table["what"].unique()), start=1)}
    shown = probe(video["path"])
    volume = np.zeros((len(frame_indices), shown.height, shown.width), np.uint8)
    for row in table.itertuples():
        top, left = max(round(row.y0), 0), max(round(row.x0), 0)
        for frame in np.flatnonzero(frame_indices == row.frame):
            volume[frame, top : max(round(row.y1), 0), left : max(round(row.x1), 0)] = kinds[row.what]
    return volume, lambda word: kinds.get(word, -1)
