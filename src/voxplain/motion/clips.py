"""Everything that a clip's motion is judged by, read together from its artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..artifacts import open_h5
from ..explanation_store import scaled_maps
from .controls import pixel_controls


@dataclass(frozen=True)
class MotionClip:
    """A clip's explanations and its flow.

    Attributes
    ----------
    video, class_name : str
    target : str
        The class that is explained.
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
    controls : dict of (control, method) to (T, H, W) float32 array
        Maps that every explanation must beat, with "" for the method (see `voxplain.motion.controls`), and maps of a
        method for another class and of a network with a random head; empty where these were not asked for.
    """

    video: str
    class_name: str
    target: str
    number: int
    indices: np.ndarray
    pairs: np.ndarray
    flow: np.ndarray
    maps: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    controls: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)


class MotionClips:
    """Clips that have explanations and flow, one video in memory at a time."""

    def __init__(
        self,
        files: Mapping[str, Mapping[str, h5py.Group]],
        methods: Sequence[str],
        controlled: Sequence[str] | None = None,
    ) -> None:
        self._files, self._methods, self._controlled = files, methods, controlled
        self._videos = [video for video in files["explanations"] if video in files["flow"]]

    def __len__(self) -> int:
        return sum(len(self._files["flow"][video]["flow"]) for video in self._videos)

    def __iter__(self) -> Iterator[MotionClip]:
        for video in self._videos:
            yield from self._clips_of(video)

    def clip(self, video: str, number: int) -> MotionClip:
        """One clip."""
        return self._clips_of(video)[number]

    def frames(self, video: str, number: int) -> np.ndarray:
        """One clip's frames, (T, H, W, 3) uint8."""
        return self._files["clips"][video]["clips"][number]

    def _clips_of(self, video: str) -> list[MotionClip]:
        explanations = self._files["explanations"][video]
        flows = self._files["flow"][video]["flow"][()].astype(np.float32)
        maps = {name: scaled_maps(explanations, name) for name in self._methods}
        targets = explanations["target"].asstr()[()]
        masks = {}
        if "selective" in self._files:
            masks = {name: self._files["selective"][video][name][()] for name in self._methods}
        controls = self._controls_of(video)
        return [
            MotionClip(
                video,
                explanations.attrs["class"],
                targets[number],
                number,
                indices,
                np.diff(indices) > 0,
                flows[number],
                {name: values[number] for name, values in maps.items()},
                {name: values[number] for name, values in masks.items()},
                {key: values[number] for key, values in controls.items()},
            )
            for number, indices in enumerate(self._files["clips"][video]["frames"][()])
        ]

    def _controls_of(self, video: str) -> dict[tuple[str, str], Sequence[np.ndarray]]:
        if self._controlled is None:
            return {}
        labels = self._files.get("supervoxels", {}).get(video)
        found: dict[tuple[str, str], list[np.ndarray]] = {}
        for number, frames in enumerate(self._files["clips"][video]["clips"][()]):
            level = None if labels is None else labels["labels"][number]
            for key, values in pixel_controls(frames, level, video=video, number=number).items():
                if key[0] not in self._methods:
                    found.setdefault(key, []).append(values)
        stored = self._files["explanations"][video].get("controls", {})
        for control in [name for name in stored if name not in ("maps", "peaks")]:
            found |= {(control, name): scaled_maps(stored[control], name) for name in self._controlled}
        for control in stored.get("maps", ()):  # of no method
            found[control, ""] = scaled_maps(stored, control)
        return found


@contextmanager
def open_motion(
    paths: Any, methods: Sequence[str], controlled: Sequence[str] | None = None
) -> Iterator[MotionClips]:
    """Open the artifacts of a shard or of several.

    Parameters
    ----------
    paths : object
        Attributes clips, flow, explanations and, where selective maps matter, selective: a path, or a list of them.
        Where controls matter, supervoxels too, if there are any.
    methods : sequence of str
        Explainers by name.
    controlled : sequence of str
        Those whose maps have controls of their own; None: no controls are wanted at all.
    """
    kinds = {"clips": "clips", "flow": "flow", "explanations": "explanations", "selective": "selective_maps"}
    if controlled is not None:
        kinds["supervoxels"] = "supervoxels"
    with ExitStack() as stack:
        files: dict[str, dict[str, h5py.Group]] = {}
        for name, kind in kinds.items():
            given = getattr(paths, name, [])
            for path in [given] if isinstance(given, (str, Path)) else given:
                files.setdefault(name, {}).update(stack.enter_context(open_h5(Path(path), kind)))
        yield MotionClips(files, list(methods), controlled)
