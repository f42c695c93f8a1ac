"""The embedded benchmark's table, known before its videos are made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from ...errors import ConfigError
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
# Of the variants in which nothing else tells classes apart: see `voxplain.videos.matched`.
CLASS_MOTIONS = ("right", "down", "left", "up")
CLASS_PATTERNS = ("halves", "spokes", "rings", "dots", "stripes", "checks")
CLASS_NAMES = {
    "standard": _STANDARD,
    "motion_only": tuple(name.partition("_")[2] for name in _STANDARD),
    "context_only": _CONTEXT,
    "two_actors": CLASS_MOTIONS,
    "which_motion": CLASS_MOTIONS,
    "static_evidence": CLASS_PATTERNS,
}

Probability = Annotated[float, Field(ge=0, le=1)]


@DATASETS("embedded")
def embedded(
    source: str | Path,
    *,
    seed: Annotated[int, Field(ge=0)] = 0,
    variant: Literal[
        "standard", "motion_only", "context_only", "two_actors", "which_motion", "static_evidence"
    ] = "standard",
    labels: Literal["first", "second"] | None = None,
    classes: Annotated[int, Field(ge=2, le=len(_STANDARD))] = 6,
    train_per_class: Annotated[int, Field(ge=1)] = 60,
    test_per_class: Annotated[int, Field(ge=1)] = 20,
    frames: Annotated[int, Field(ge=2)] = 20,
    size: Annotated[int, Field(ge=16, multiple_of=2)] = 64,
    fps: Annotated[int, Field(ge=1)] = 12,
    cue_probability_train: Probability = 0.6,
    cue_probability_test: Probability = 0.6,
    noise: Annotated[float, Field(ge=0)] = 4.0,
    subset: Literal["cue"] | None = None,
) -> pd.DataFrame:
    """Moving shapes made by the project itself, with exact ground truth.

    Parameters
    ----------
    source : path
        Folder of the videos, made by `voxplain.videos.embedded.make_embedded_videos`.
    seed : int
    variant : str
        What tells the classes apart: in "standard" the actor's shape, pattern and motion (and, by
        `cue_probability_*`, a context cue); in "motion_only" its motion alone; in "context_only" the cue
        alone. What does not tell them apart is drawn at random.
        In the others the evidence does not stand out: objects and background have colors, sizes, textures
        and amounts of motion of the same distributions. "two_actors": two objects, each with a motion of its
        own, of which `labels` says whose is the class. "which_motion": three objects, of which one makes the
        motion of a class and the others motions of none. "static_evidence": three objects, of which the one
        that does not move has the pattern of a class; patterns differ a little in brightness.
    labels : {"first", "second"}, optional
        In variant "two_actors", whose motion is the class: that of the first actor, which has a warm color (default), or
        of the second, which has a cold one. The videos and their names are the same.
    classes : int
        At most 8; of "static_evidence" 6, of the others in which the evidence does not stand out 4.
    train_per_class, test_per_class : int
    frames, size, fps : int
        Length, side in pixels (even, as H.264 wants it) and frames per second.
    cue_probability_train, cue_probability_test : float
        In variant "standard", probability that a video shows its own class's context cue; otherwise
        it shows another class's. Chance is ``1 / classes``.
    noise : float
        Standard deviation of the sensor noise in gray levels of 255.
    subset : {"cue"}, optional
        In variant "standard", tell videos apart by whether they show their own class's cue: own_cue, other_cue.

    Returns
    -------
    DataFrame
        path, class, split, and with `subset` that; the same whether the videos have been made or not.
    """
    options = dict(locals())
    names = CLASS_NAMES[variant][:classes]
    if len(names) < classes:
        raise ConfigError(
            f"data.options.classes: variant {variant!r} has {len(names)} classes at most, not {classes}."
        )
    if labels and variant != "two_actors":
        raise ConfigError(f"data.options.labels: variant {variant!r} has no two actors to choose from.")
    if subset and variant != "standard":
        raise ConfigError(
            f"data.options.subset: videos of variant {variant!r} have no cue beside their class."
        )
    splits = ["train"] * train_per_class + ["test"] * test_per_class
    if variant == "two_actors":
        # One folder for all: neither the pixels nor the names of videos hang on the labels.
        splits = [split for split in splits for _ in names]
        acts = two_acts(classes, train_per_class) + two_acts(classes, test_per_class)
        rows = [
            (f"{variant}/{variant}_{i:04d}", names[act[labels == "second"]], split)
            for i, (act, split) in enumerate(zip(acts, splits, strict=True))
        ]
    else:
        rows = [(f"{name}/{name}_{i:03d}", name, split) for name in names for i, split in enumerate(splits)]
    folder = Path(source).absolute()
    table = pd.DataFrame(
        [(str(folder / f"{path}.mp4"), name, split) for path, name, split in rows],
        columns=["path", "class", "split"],
    )
    if subset is None:
        return table
    from ..embedded import draws_of_videos  # which imports this module

    cues = [parts["cue"] for _, parts in draws_of_videos(options)]
    own = [names[cue] == name for cue, name in zip(cues, table["class"], strict=True)]
    return table.assign(subset=np.where(own, "own_cue", "other_cue"))


def two_acts(classes: int, per_class: int) -> list[tuple[int, int]]:
    """Numbers of the motions of both actors in each video of a split: every class as often for either.

    All pairs are as frequent where `classes` divides `per_class`; neither tells anything of the other.
    """
    return [(i % classes, (i + i // classes) % classes) for i in range(classes * per_class)]
