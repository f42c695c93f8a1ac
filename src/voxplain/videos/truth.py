"""Ground truth that comes with videos: which voxels of a clip are evidence, distractor or neither, and how they move.

Label volumes, boxes and flow go through the same choice of frames, scaling and cropping as the frames themselves.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pandas as pd

from ..errors import ConfigError, VideoError, nearest
from .clips import Crop, fitted_size
from .decode import probe

IGNORED = 254  # voxels of which the truth is not known; the embedded videos' cue is 255
BACKGROUND = 0
UNKNOWN = 1e9  # Middlebury's mark for pixels whose flow is not known
_TAG = 202021.25  # first float of a Middlebury file
_TEXT = {"video": str, "what": str}  # columns of boxes, in which 007 is no number
Targets = Mapping[str, Sequence[int | str]]


@dataclass(frozen=True)
class Truth:
    """What is known of a clip's voxels.

    Attributes
    ----------
    labels : (T, H, W) uint8 array
        0 for the background, `IGNORED` where the truth is not known.
    targets : dict of str to sequence of int
        Names of what may be looked for, such as evidence and distractor, with its labels. Targets may overlap.
    flow : (T-1, H, W, 2) float32 array or None
        Displacements in pixels of the clip from each frame to the next; NaN where they are not known, such as
        between frames that do not follow each other in the video.
    drift : (2,) float array or None
        What of the flow is the camera's, where that is known.
    """

    labels: np.ndarray
    targets: dict[str, Sequence[int]] = field(default_factory=dict)
    flow: np.ndarray | None = None
    drift: np.ndarray | None = None

    def masks(self) -> dict[str, np.ndarray]:
        """Where each target is seen, (T, H, W) bool."""
        return {name: np.isin(self.labels, labels) for name, labels in self.targets.items()}

    @property
    def known(self) -> np.ndarray:
        """Voxels of which the truth is known, (T, H, W) bool."""
        return self.labels != IGNORED


def read_truth(
    video: Mapping[str, Any],
    frame_indices: np.ndarray,
    *,
    size: int | tuple[int, int],
    crop: Crop = "center",
    targets: Targets | None = None,
    ignore: Sequence[int | str] = (),
) -> Truth | None:
    """What files of masks, boxes and flow say of a clip.

    Parameters
    ----------
    video : row of a video table
        Columns video, path, masks, boxes and flow.
    frame_indices, targets, ignore
        As for `read_labels`.
    size, crop
        As for `voxplain.videos.clips.fit_frame`.

    Returns
    -------
    Truth or None
        None where the video has no ground truth. Where flow alone is known, no voxel is.

    Raises
    ------
    ConfigError
        A file cannot be read, has fewer frames than the video, or frames of another shape.
    """
    found = read_labels(video, frame_indices, targets, ignore)
    flow = _read_flow(video, frame_indices, size=size, crop=crop) if video["flow"] else None
    if found is None and flow is None:
        return None
    if found is None:
        return Truth(np.full((len(frame_indices), *flow.shape[1:3]), IGNORED, np.uint8), {}, flow)
    labels, named = found
    return Truth(fit_labels(labels, size=size, crop=crop), named, flow)


def read_flo(path: str | Path) -> np.ndarray:
    """Read a flow field in Middlebury's ``.flo`` format.

    Returns
    -------
    (H, W, 2) float32 array
        (dx, dy) in pixels; unknown pixels hold values above 1e9.

    Raises
    ------
    VideoError
        The file is not in that format or is cut short.
    """
    data = Path(path).read_bytes()
    tag = np.frombuffer(data[:4], "<f4")
    if len(data) < 12 or tag[0] != np.float32(_TAG):
        raise VideoError(f"{path} is not a Middlebury flow file (its first number is not {_TAG}).")
    width, height = (int(side) for side in np.frombuffer(data[4:12], "<i4"))
    values = np.frombuffer(data[12:], np.uint8)
    if len(values) != 8 * width * height:
        raise VideoError(
            f"{path} should hold {height} x {width} displacements ({12 + 8 * width * height} bytes) but has "
            f"{len(data)} bytes: copy it again."
        )
    return values.view("<f4").reshape(height, width, 2).astype(np.float32)


def _read_flow(
    video: Mapping[str, Any], frame_indices: np.ndarray, *, size: int | tuple[int, int], crop: Crop
) -> np.ndarray:
    """Flow between a clip's frames, brought to its size, from a folder of .flo files: file i is from frame i to i + 1."""
    files = sorted(Path(video["flow"]).glob("*.flo"), key=_natural)
    if not files:
        raise ConfigError(
            f"{video['flow']} has no .flo files. Correct the column flow of the video table: the folder whose i-th file, by the "
            "numbers in its name, is the flow from frame i to frame i + 1."
        )
    height, width = (size, size) if isinstance(size, int) else size
    found = np.full((len(frame_indices) - 1, height, width, 2), np.nan, np.float32)
    for pair, (frame, following) in enumerate(zip(frame_indices, frame_indices[1:])):
        if following != frame + 1 or frame >= len(files):
            continue
        try:
            flow = read_flo(files[frame])
        except (OSError, VideoError) as error:
            raise ConfigError(f"{error} Correct the column flow of the video table.") from None
        if np.isnan(found).all():  # the first that is read
            _check_shape(video, f"{files[frame]} has", flow.shape[:2], "flow")
        flow[(np.abs(flow) >= UNKNOWN).any(axis=-1)] = np.nan
        found[pair] = fit_flow(flow, size=size, crop=crop)
    return found


def _natural(path: Path) -> tuple[list[str | int], str]:
    """What sorts names by the numbers in them, and by text where those are equal."""
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], path.name


def flow_scale(
    shape: tuple[int, int], *, size: int | tuple[int, int], crop: Crop = "center"
) -> tuple[float, float]:
    """How many pixels of a clip a pixel of its video's frames (height, width) becomes: along x and y."""
    (rows, columns), _, _ = fitted_size(shape, size=size, crop=crop)
    return columns / shape[1], rows / shape[0]


def fit_flow(flow: np.ndarray, *, size: int | tuple[int, int], crop: Crop = "center") -> np.ndarray:
    """Bring a flow field to a clip's size, as `voxplain.videos.clips.fit_frame` brings its frames.

    Parameters
    ----------
    flow : (H, W, 2) float32 array
        In pixels of the video.
    size, crop
        As for `fit_frame`.

    Returns
    -------
    (*size, 2) float32 array
        In pixels of the clip, of the displacement in the middle of each pixel.
    """
    scaled, top, left = fitted_size(flow.shape[:2], size=size, crop=crop)
    height, width = (size, size) if isinstance(size, int) else size
    times = np.float32(flow_scale(flow.shape[:2], size=size, crop=crop))
    flow = cv2.resize(flow, scaled[::-1], interpolation=cv2.INTER_NEAREST_EXACT) * times
    return flow[top : top + height, left : left + width]


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
    video: Mapping[str, Any],
    frame_indices: np.ndarray,
    targets: Targets | None = None,
    ignore: Sequence[int | str] = (),
) -> tuple[np.ndarray, dict[str, list[int]]] | None:
    """Labels of some frames of a video, from its file of masks or boxes.

    Parameters
    ----------
    video : row of a video table
        Columns video, path, masks and boxes.
    frame_indices : (n,) int array
        Numbers of the frames in the file.
    targets : mapping of str to sequence of int or str, optional
        What is what: names of targets with the labels of the masks (int), or with the words of the boxes'
        column what (str), that belong to it; one label may belong to several. By default all that is labeled, but for
        what is ignored, is evidence.
    ignore : sequence of int or str
        Labels or words of which the truth is not known.

    Returns
    -------
    labels : (n, H, W) uint8 array
        0 for the background, `IGNORED` where the truth is not known.
    targets : dict of str to list of int
        Each target's labels. Instead of both None where the video has no ground truth.

    Raises
    ------
    ConfigError
        The file cannot be read, or it has fewer frames than the video, or frames of another shape (its masks may be
        smaller or larger by the same factor in height and width).
    """
    if video["masks"]:
        found = _masks(video, frame_indices)
    elif video["boxes"]:
        found = _boxes(video, frame_indices)
    else:
        found = None
    if found is None:
        return None
    volume, words = found
    ignored = np.isin(volume, [words(word) for word in ignore])
    counted = volume[~ignored]
    if counted.min(initial=0) < 0 or counted.max(initial=0) >= IGNORED:
        lowest, highest = counted.min(initial=0), counted.max(initial=0)
        raise ConfigError(
            f"{video['masks'] or video['boxes']}: the labels of {video['video']} go from {lowest} to {highest}, and may go "
            f"from 0 to {IGNORED - 1}. What is not known is named in truth.ignore."
        )
    labels = np.where(ignored, IGNORED, volume).astype(np.uint8)
    if targets is None:
        return labels, {"evidence": list(range(1, IGNORED))}
    return labels, {name: [words(word) for word in given] for name, given in targets.items()}


def _masks(video: Mapping[str, Any], frame_indices: np.ndarray) -> tuple[np.ndarray, Any] | None:
    """A label volume from HDF5: a data set per video, named as its path beside the file, or as the video."""
    try:
        with h5py.File(video["masks"]) as file:
            name = _volume_of(file, video)
            if name is None:
                return None
            volume = file[name]
            if volume.ndim != 3 or volume.dtype.kind not in "ui":
                raise ConfigError(
                    f"{video['masks']}: {name} is {volume.dtype} of {volume.shape}, and should be labels, (frames, H, W) "
                    "of whole numbers."
                )
            _check_shape(video, f"{video['masks']}: {name} has", volume.shape[1:], "masks")
            if frame_indices.max() >= len(volume):
                raise ConfigError(
                    f"{video['masks']}: {name} has {len(volume)} frames, and the video at least "
                    f"{frame_indices.max() + 1}. Frame i of the masks is decoded frame i of the video."
                )
            # Clips that are filled up repeat frames, which HDF5 does not.
            frames, places = np.unique(frame_indices, return_inverse=True)
            return volume[frames][places], lambda word: word if isinstance(word, int) else -1
    except OSError as error:
        raise ConfigError(
            f"The masks {video['masks']} cannot be read ({error}). Correct the column masks of the video table, or "
            "data.options."
        ) from None


def _volume_of(file: h5py.File, video: Mapping[str, Any]) -> str | None:
    """Name of a video's label volume in an open file of masks."""
    known = (os.path.relpath(video["path"], Path(video["masks"]).parent), video["video"])
    return next((name for name in known if isinstance(file.get(name), h5py.Dataset)), None)


def _check_shape(video: Mapping[str, Any], what: str, shape: tuple[int, int], column: str) -> None:
    """Stop where a file's frames cannot be the video's, since what is cut or turned would lie in the wrong place."""
    try:
        shown = probe(video["path"])
    except VideoError:
        return  # told where its frames are wanted; `test-concept` goes without
    height, width = shape
    # The same shape, or smaller or larger by one factor, within a pixel.
    if abs(height * shown.width - width * shown.height) > max(shown.width, shown.height):
        raise ConfigError(
            f"{what} frames of {height} x {width} (height x width), and the video {video['video']} has {shown.height} x "
            f"{shown.width}: give the whole frame as it is shown, in the same shape or scaled by one factor, in the column "
            f"{column} of the video table."
        )


def known_words(video: Mapping[str, Any]) -> set[int | str]:
    """Labels that the masks of a video have in any frame, or words that its boxes have; none where they cannot be read.

    Parameters
    ----------
    video : row of a video table
        Columns video, path, masks and boxes.
    """
    try:
        if video["masks"]:
            with h5py.File(video["masks"]) as file:
                name = _volume_of(file, video)
                return set() if name is None else set(np.unique(file[name][()]).tolist())
        return set(_boxes_of(video)["what"]) if video["boxes"] else set()
    except (OSError, ConfigError):
        return set()


def frames_without_boxes(video: Mapping[str, Any]) -> int:
    """Frames between the first and the last of a video's boxes that have none."""
    frames = _boxes_of(video)["frame"] if video["boxes"] and not video["masks"] else []
    return int(max(frames) - min(frames) + 1 - len(set(frames))) if len(frames) else 0


def _boxes(video: Mapping[str, Any], frame_indices: np.ndarray) -> tuple[np.ndarray, Any] | None:
    """A label volume drawn from a table of boxes: path or video, frame, x0, y0, x1, y1 in pixels (x1, y1 not in), what.

    Where boxes overlap the smaller one counts, in whatever order they stand.
    """
    table = _boxes_of(video)
    if table.empty:
        return None
    kinds = {what: number for number, what in enumerate(sorted(table["what"].unique()), start=1)}
    shown = probe(video["path"])
    volume = np.zeros((len(frame_indices), shown.height, shown.width), np.uint16)
    # The smaller of two that overlap is drawn last, and stays whole.
    areas = (table["x1"] - table["x0"]) * (table["y1"] - table["y0"])
    for row in table.assign(area=areas).sort_values(["area", "what"], ascending=[False, True]).itertuples():
        top, left = max(round(row.y0), 0), max(round(row.x0), 0)
        for frame in np.flatnonzero(frame_indices == row.frame):
            volume[frame, top : max(round(row.y1), 0), left : max(round(row.x1), 0)] = kinds[row.what]
    return volume, lambda word: kinds.get(word, -1)


def _boxes_of(video: Mapping[str, Any]) -> pd.DataFrame:
    """A video's rows of its table of boxes."""
    place = Path(video["boxes"])
    table = _read_boxes(place)
    return table[table["video"].isin([os.path.relpath(video["path"], place.parent), video["video"]])]


@functools.lru_cache(maxsize=1)  # one for all videos, as a rule
def _read_boxes(place: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(place) if place.suffix == ".parquet" else pd.read_csv(place, dtype=_TEXT)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The boxes {place} cannot be read ({error}). Correct the column boxes of the video table, or data.options."
        ) from None
    for column in ("video", "frame", "x0", "y0", "x1", "y1", "what"):
        if column not in table:
            raise ConfigError(f"{place} has no column {column!r}{nearest(column, list(map(str, table)))}")
    numbers = ["frame", "x0", "y0", "x1", "y1"]
    found = table[[*numbers]].apply(pd.to_numeric, errors="coerce").replace([np.inf, -np.inf], np.nan)
    found["frame"] = found["frame"].where((found["frame"] >= 0) & (found["frame"] % 1 == 0))
    for name in _TEXT:
        text = table[name]
        found[name] = text.where(text.isna(), text.astype(str).str.strip()).replace("", None)
    wrong = found.isna()
    if wrong.any(axis=None):
        row = int(wrong.any(axis=1).to_numpy().argmax())
        column = wrong.columns[wrong.iloc[row]][0]
        said = table[column].iloc[row]
        raise ConfigError(
            f"{place}, row {row + 1}: {column} is {'empty' if pd.isna(said) or said == '' else repr(said)}, and should be "
            f"{'text' if column in _TEXT else 'a whole number from 0 on' if column == 'frame' else 'a number of pixels'}."
        )
    kinds = found["what"].nunique()
    if kinds >= IGNORED:
        raise ConfigError(f"{place} has {kinds} words in its column what, and may have {IGNORED - 1}.")
    return found
