"""Everything that a clip's motion is judged by, read together from its artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..artifacts import open_h5
from ..explanation_store import scaled_maps


@dataclass(frozen=True)
class MotionClip:
    """A clip's explanations and its flow.

    Attributes
    ----------
    video, label : str
    number : int
        Of the clip within its video.
    indices : (T,) int array
        Its frames in the video.
    pairs : (T-1,) bool array
        Which frames are followed by a later one: loop padding makes a clip jump back.
    flow : (T-1, H, W, 2) float32 array
    maps : dict of str to (T, H, W) float32 array
        Relevance by method, at most 1 in size.
    masks : dict of str to (T, H, W) bool array
        What the selective maps keep; empty where these were not asked for.
    """

    video: str
    label: str
    number: int
    indices: np.ndarray
    pairs: np.ndarray
    flow: np.ndarray
    maps: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]


class MotionClips:
    """Clips of a shard that have explanations and flow, one video in memory at a time."""

    def __init__(self, files: dict[str, h5py.File], methods: Sequence[str]) -> None:
        self._files, self._methods = files, methods
        self._videos = [video for video in files["explanations"] if video in files["flow"]]

    def __len__(self) -> int:
        return sum(len(self._files["flow"][video]["flow"]) for video in self._videos)

    def __iter__(self) -> Iterator[MotionClip]:
        for video in self._videos:
            explanations = self._files["explanations"][video]
            flows = self._files["flow"][video]["flow"][()].astype(np.float32)
            maps = {name: scaled_maps(explanations, name) for name in self._methods}
            masks = {}
            if "selective" in self._files:
                masks = {name: self._files["selective"][video][name][()] for name in self._methods}
            for number, indices in enumerate(self._files["clips"][video]["frames"][()]):
                yield MotionClip(
                    video,
                    explanations.attrs["label"],
                    number,
                    indices,
                    np.diff(indices) > 0,
                    flows[number],
                    {name: values[number] for name, values in maps.items()},
                    {name: values[number] for name, values in masks.items()},
                )


@contextmanager
def open_motion(paths: Any, methods: Sequence[str]) -> Iterator[MotionClips]:
    """Open a shard's artifacts.

    Parameters
    ----------
    paths : object
        Attributes clips, flow, explanations and, where selective maps matter, selective: paths.
    methods : sequence of str
        Explainers by name.
    """
    kinds = {"clips": "clips", "flow": "flow", "explanations": "explanations", "selective": "selective_maps"}
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(open_h5(Path(getattr(paths, name)), kind))
            for name, kind in kinds.items()
            if hasattr(paths, name)
        }
        yield MotionClips(files, list(methods))
