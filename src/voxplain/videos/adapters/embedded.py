"""The embedded benchmark's table, known before its videos are made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from . import DATASETS

# (actor look, motion, context cue) of each class; looks and cues are numbered in `scenes`.
_STANDARD = (
    "disk_slide",
    "square_bounce",
    "star_spin",
    "ring_pulse",
    "triangle_orbit",
    "cross_shake",
    "crescent_rock",
    "hexagon_tumble",
)
_CONTEXT = ("planks", "bands", "slants", "tiles", "bubbles", "ripples", "net", "mist")
CLASS_NAMES = {
    "standard": _STANDARD,
    "motion_only": tuple(name.partition("_")[2] for name in _STANDARD),
    "context_only": _CONTEXT,
}

Probability = Annotated[float, Field(ge=0, le=1)]


@DATASETS("embedded")
def embedded(
    source: str | Path,
    *,
    seed: Annotated[int, Field(ge=0)] = 0,
    variant: Literal["standard", "motion_only", "context_only"] = "standard",
    classes: Annotated[int, Field(ge=2, le=len(_STANDARD))] = 6,
    train_per_class: Annotated[int, Field(ge=1)] = 60,
    test_per_class: Annotated[int, Field(ge=1)] = 20,
    frames: Annotated[int, Field(ge=2)] = 20,
    size: Annotated[int, Field(ge=16, multiple_of=2)] = 64,
    fps: Annotated[int, Field(ge=1)] = 12,
    cue_probability_train: Probability = 0.6,
    cue_probability_test: Probability = 0.6,
    noise: Annotated[float, Field(ge=0)] = 4.0,
) -> pd.DataFrame:
    """Moving shapes made by the project itself, with exact ground truth.

    Parameters
    ----------
    source : path
        Folder of the videos, made by `voxplain.videos.embedded.make_embedded_videos`.
    seed : int
    variant : {"standard", "motion_only", "context_only"}
        What tells the classes apart: the actor's shape, pattern and motion (and, by
        `cue_probability_*`, a context cue); its motion alone; or the cue alone. What does not tell
        them apart is drawn at random.
    classes, train_per_class, test_per_class : int
    frames, size, fps : int
        Length, side in pixels (even, as H.264 wants it) and frames per second.
    cue_probability_train, cue_probability_test : float
        In variant "standard", probability that a video shows its own class's context cue; otherwise
        it shows another class's. Chance is ``1 / classes``.
    noise : float
        Standard deviation of the sensor noise in gray levels of 255.

    Returns
    -------
    DataFrame
        path, class, split; the same whether the videos have been made or not.
    """
    splits = ["train"] * train_per_class + ["test"] * test_per_class
    return pd.DataFrame(
        [
            (str(Path(source).absolute() / class_name / f"{class_name}_{i:03d}.mp4"), class_name, split)
            for class_name in CLASS_NAMES[variant][:classes]
            for i, split in enumerate(splits)
        ],
        columns=["path", "class", "split"],
    )
