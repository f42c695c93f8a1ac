"""Clips, and what belongs to them: one HDF5 file per shard, one group per video."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import h5py
import numpy as np
import pandas as pd

from ..artifacts import open_h5, store
from ..errors import ArtifactError
from .truth import Truth


def _listed(paths: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    return [paths] if isinstance(paths, str | Path) else paths


class ClipStore:
    """Clips of several shards by number.

    Parameters
    ----------
    paths : path or sequence of path
        Artifacts of kind ``clips``.
    videos : collection of str, optional
        Only the clips of these videos.
    memory : int
        Bytes up to which all clips are held in memory; above, they are read when asked for.

    Attributes
    ----------
    table : DataFrame
        One row per clip: video, class, clip (number within the video), path, in the order of the videos' names,
        whatever shards they are in. Its index is the clip's number.
    """

    def __init__(
        self,
        paths: str | Path | Sequence[str | Path],
        videos: Sequence[str] | None = None,
        *,
        memory: int = 2 * 1024**3,
    ) -> None:
        self._stack = ExitStack()
        wanted = None if videos is None else set(videos)
        found, size = [], 0
        for path in _listed(paths):
            file = self._stack.enter_context(open_h5(path, "clips"))
            for video, group in file.items():
                if "clips" not in group or (wanted is not None and video not in wanted):
                    continue
                data = group["clips"]
                size += data.nbytes
                for number in range(len(data)):
                    found.append((video, number, group.attrs["class"], str(path), file))
        found.sort(key=lambda clip: clip[:2])
        self._sources = [(file, video, number) for video, number, _, _, file in found]
        rows = [(video, class_name, number, path) for video, number, class_name, path, _ in found]
        self.table = pd.DataFrame(rows, columns=["video", "class", "clip", "path"])
        self._held = None
        if size <= memory and rows:
            self._held = np.stack([self._read(row) for row in range(len(rows))])

    def fetch(self, rows: np.ndarray) -> np.ndarray:
        """Clips with the given numbers as (n, T, H, W, 3) uint8."""
        if self._held is not None:
            return self._held[rows]
        return np.stack([self._read(row) for row in rows])

    def _read(self, row: int) -> np.ndarray:
        # Looked up each time: HDF5 keeps some kilobytes for every array that is held open.
        file, video, number = self._sources[row]
        return file[video]["clips"][number]

    def clip(self, video: str, number: int) -> np.ndarray:
        """One clip as (T, H, W, 3) uint8."""
        found = self.table.index[(self.table["video"] == video) & (self.table["clip"] == number)]
        return self.fetch(found.to_numpy())[0]

    def __enter__(self) -> ClipStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def clips_of(
    paths: Sequence[str | Path], keys: Collection[tuple[str, int]]
) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
    """Some clips of several shards, one at a time: shard after shard, and in one by name and number.

    Parameters
    ----------
    paths : sequence of path
        Artifacts of kind ``clips``.
    keys : collection of (str, int)
        Video and number of each.

    Yields
    ------
    video, number, clip (T, H, W, 3) uint8, frames (T,) int64 : these are the frames' numbers in the file

    Raises
    ------
    ArtifactError
        Some are in none of the shards; told when those that are there have come.
    """
    left = set(keys)
    for path in paths:
        with open_h5(path, "clips") as file:
            counts = {
                video: len(file[video]["clips"])
                for video in {video for video, _ in left}
                if video in file and "clips" in file[video]
            }
            for video, number in sorted(key for key in left if key[1] < counts.get(key[0], 0)):
                left.remove((video, number))
                yield video, number, file[video]["clips"][number], file[video]["frames"][number]
    if left:
        video, number = min(left)
        raise ArtifactError(
            f"{len(left)} of {len(keys)} clips, number {number} of {video} among them, are not in {', '.join(map(str, paths))}: "
            "these are of another run, or were made again. Run the config again."
        )


def groups_of(counts: Mapping[str, int], size: int) -> list[list[str]]:
    """Put videos into groups that have up to `size` clips together, or one video that has more."""
    groups: list[list[str]] = []
    total = size
    for video, count in counts.items():
        if total + count > size:
            groups.append([])
            total = 0
        groups[-1].append(video)
        total += count
    return groups


class _Groups:
    """Groups by video of the artifacts of one kind of several shards, open until the block ends."""

    kind: str

    def __init__(self, paths: str | Path | Sequence[str | Path]) -> None:
        self._stack = ExitStack()
        self._groups: dict[str, h5py.Group] = {}
        for path in _listed(paths):
            self._groups.update(self._stack.enter_context(open_h5(path, self.kind)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class SupervoxelStore(_Groups):
    """Supervoxel labels of several shards by video and clip.

    Parameters
    ----------
    paths : path or sequence of path
        Artifacts of kind ``supervoxels``.
    """

    kind = "supervoxels"

    def labels(self, video: str, clip: int) -> np.ndarray:
        """Labels of one clip as (levels, T, H, W) uint16."""
        return self._groups[video]["labels"][clip]

    def of_videos(self, videos: Sequence[str]) -> np.ndarray | None:
        """Labels of all clips of some videos as (n, levels, T, H, W) uint16, or None if any are missing."""
        if not set(videos) <= set(self._groups):
            return None
        return np.concatenate([self._groups[video]["labels"][()] for video in videos])


def store_truth(group: h5py.Group, clips: Sequence[Truth]) -> None:
    """Put what is known of a video's clips, of the same targets, into its group of an artifact of kind ``truth``."""
    store(group, "labels", np.stack([clip.labels for clip in clips]))
    group.attrs["targets"] = json.dumps({name: list(labels) for name, labels in clips[0].targets.items()})
    if clips[0].flow is not None:
        # Half precision: 0.002 pixels at the fastest motion of the embedded videos.
        store(group, "flow", np.stack([clip.flow for clip in clips]).astype(np.float16))
    if clips[0].drift is not None:
        group.attrs["drift"] = clips[0].drift


class TruthStore(_Groups):
    """What is known of the clips of several shards.

    Parameters
    ----------
    paths : path or sequence of path
        Artifacts of kind ``truth``.
    """

    kind = "truth"

    def clip(self, video: str, number: int) -> Truth | None:
        """What is known of one clip; None where nothing is."""
        group = self._groups.get(video)
        if group is None:
            return None
        return Truth(
            group["labels"][number],
            json.loads(group.attrs["targets"]),
            group["flow"][number].astype(np.float32) if "flow" in group else None,
            group.attrs.get("drift"),
        )
