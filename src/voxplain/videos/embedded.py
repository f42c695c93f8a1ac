"""The embedded benchmark: real H.264 files of moving shapes, with exact ground truth.

In the standard variant each class is an actor with a shape, a pattern and a motion of its own. Distractors, the
background's texture and drift, sizes, places, colors and noise say nothing about the class; a context cue, a
patterned strip of the background, says as much as the options let it. What the other variants are is said by the
data set `voxplain.videos.adapters.embedded.embedded`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pandas as pd

from ..artifacts import atomic_file, atomic_path, create_h5, open_h5, store
from .adapters import DATASETS
from .adapters.embedded import CLASS_NAMES, embedded, two_acts
from .clips import Crop
from .matched import draw_static_evidence, draw_two_actors, draw_which_motion
from .scenes import ACTOR, BACKGROUND, CUE, FIRST_DISTRACTOR, MOTIONS, Scene, draw_scene
from .table import check_video_table
from .truth import IGNORED, Truth, fit_flow, fit_labels, flow_scale

TABLE, GROUND_TRUTH = "videos.csv", "ground_truth.h5"
MADE_BY = {"rule": "make_embedded_videos"}
AT_ONCE = 64  # scenes in memory
SCENES: dict[str, Callable[..., Scene]] = {
    "two_actors": draw_two_actors,
    "which_motion": draw_which_motion,
    "static_evidence": draw_static_evidence,
}  # the others are drawn by draw_scene


def make_embedded_videos(folder: str | Path, *, workers: int = 1, **options: Any) -> pd.DataFrame:
    """Write the benchmark's videos, their table and their ground truth.

    The same options give the same bytes. Each video has a random stream of its own, so that another
    number of videos leaves those in common as they are.

    Parameters
    ----------
    folder : path
        Gets ``<class>/<class>_000.mp4`` and so on (of the variant "two_actors", whose videos have no class of their
        own, ``two_actors/two_actors_0000.mp4``), ``ground_truth.h5`` and, last, ``videos.csv``.
    workers : int
        Threads; the result does not depend on it.
    **options
        Those of the data set `voxplain.videos.adapters.embedded.embedded`.

    Returns
    -------
    DataFrame
        The video table (see `voxplain.videos.table`).

    Raises
    ------
    ConfigError
        An option is unknown or has an impossible value.
    """
    options = DATASETS["embedded"].options(options)
    folder = Path(folder)
    plan = embedded(folder, **options)
    table = check_video_table(plan)
    truth_file = folder / GROUND_TRUTH
    folder.mkdir(parents=True, exist_ok=True)
    for parent in {Path(path).parent for path in table["path"]}:
        parent.mkdir(exist_ok=True)
    # Of this process alone until it is whole: two runs may make one folder at the same time.
    given = {name: value for name, value in options.items() if value is not None}
    with (
        create_h5(truth_file, kind="ground_truth", made_by=MADE_BY, attrs=given) as truth,
        ThreadPoolExecutor(workers) as pool,
    ):
        draws = draws_of_videos(options)
        for start in range(0, len(table), AT_ONCE):
            rows = table.iloc[start : start + AT_ONCE]
            jobs = [pool.submit(_make_video, path, *draw, options) for path, draw in zip(rows["path"], draws)]
            for (_, row), job in zip(rows.iterrows(), jobs):
                group = truth.create_group(row["video"])
                _store(group, job.result(), class_name=row["class"], split=row["split"])
    relative = plan.assign(path=[os.path.relpath(path, folder.absolute()) for path in plan["path"]])
    with atomic_path(folder / TABLE) as temporary:
        relative.to_csv(temporary, index=False)
    return table


def read_ground_truth(path: str | Path, video: str, frame_indices: np.ndarray | None = None) -> Scene:
    """Read what a video of the benchmark really shows.

    Parameters
    ----------
    path : path
        The ``ground_truth.h5`` of the videos' folder.
    video : str
        Its id in the video table.
    frame_indices : (n,) int array, optional
        Frames of a clip; by default all of the video.

    Returns
    -------
    Scene
        `frames` is empty, since the video has them. Where two frames of the clip do not follow each
        other in the video, the flow from the one to the other is NaN.

    Raises
    ------
    ArtifactError
        The file is missing or damaged.
    """
    with open_h5(path, "ground_truth") as file:
        group = file[video]
        objects, flow = group["objects"][:], group["flow"][:].astype(np.float32)
        attributes, options = dict(group.attrs), dict(file.attrs)
    if frame_indices is not None:
        indices = np.asarray(frame_indices)
        follows = np.diff(indices) == 1
        # A frame before a jump may be the video's last, which has no flow of its own.
        flow = flow[np.minimum(indices[:-1], len(flow) - 1)]
        flow[~follows] = np.nan
        objects = objects[indices]
    evidence = ACTOR
    if options["variant"] == "context_only":
        evidence = CUE
    elif options.get("labels") == "second":
        evidence = FIRST_DISTRACTOR
    frames = np.empty((0, *objects.shape[1:], 3), np.uint8)
    return Scene(frames, objects, flow, attributes, evidence)


def embedded_truth(
    path: str | Path,
    video: str,
    frame_indices: np.ndarray,
    *,
    size: int | tuple[int, int],
    crop: Crop = "center",
) -> Truth:
    """What is known of a clip of the benchmark.

    Parameters
    ----------
    path, video, frame_indices
        As for `read_ground_truth`.
    size, crop
        As for `voxplain.videos.clips.fit_frame`: of the clip.

    Returns
    -------
    Truth
        The evidence is what decides the class: the actor; of variant context_only the cue; of two_actors the one that
        labels follow. Other objects are distractors; actor and cue are targets of their own.
    """
    scene = read_ground_truth(path, video, frame_indices)
    # Whatever is seen in this clip, the targets are those of all of the video's.
    others = [code for code in range(BACKGROUND + 1, IGNORED) if code != scene.evidence]
    targets = {"evidence": [scene.evidence], "distractor": others, "actor": [ACTOR], "cue": [CUE]}
    drift = np.asarray(scene.attributes["background_velocity"], np.float32)
    drift = drift * np.float32(flow_scale(scene.objects.shape[1:], size=size, crop=crop))
    labels = fit_labels(scene.objects, size=size, crop=crop)
    flow = np.empty((len(scene.flow), *labels.shape[1:], 2), np.float32)
    for pair, found in zip(scene.flow, flow, strict=True):
        found[:] = fit_flow(pair.astype(np.float32), size=size, crop=crop)
    return Truth(labels, targets, flow, drift)


def draws_of_videos(options: dict[str, Any]) -> Iterator[tuple[np.random.Generator, dict]]:
    """Random stream and what hangs on the class of each video, in the order of the table."""
    classes, names = options["classes"], CLASS_NAMES[options["variant"]]
    if options["variant"] != "two_actors":
        for number in range(classes):
            yield from _draw_class(number, options)
        return
    for split, name in enumerate(("train", "test")):
        for index, (first, second) in enumerate(two_acts(classes, options[f"{name}_per_class"])):
            rng = np.random.default_rng([options["seed"], split, index])
            yield rng, {"first": names[first], "second": names[second]}


def _draw_class(number: int, options: dict[str, Any]) -> Iterator[tuple[np.random.Generator, dict]]:
    """Random stream and the class-dependent part of each video of a class, train before test."""
    classes, variant = options["classes"], options["variant"]
    for split, name in enumerate(("train", "test")):
        for index in range(options[f"{name}_per_class"]):
            rng = np.random.default_rng([options["seed"], number, split, index])
            if variant in SCENES:
                word = "pattern" if variant == "static_evidence" else "motion"
                yield rng, {word: CLASS_NAMES[variant][number]}
                continue
            look, motion, cue = rng.integers(classes, size=3)
            if variant == "standard":
                look = motion = number
                own = rng.uniform() < options[f"cue_probability_{name}"]
                cue = number if own else (number + rng.integers(1, classes)) % classes
            elif variant == "motion_only":
                motion = number
            else:
                cue = number
            yield rng, {"look": int(look), "motion": list(MOTIONS)[motion], "cue": int(cue)}


def _make_video(path: str, rng: np.random.Generator, parts: dict, options: dict[str, Any]) -> Scene:
    draw = SCENES.get(options["variant"], draw_scene)
    scene = draw(rng, **parts, **{key: options[key] for key in ("frames", "size", "noise")})
    write_video(path, scene.frames, fps=options["fps"])
    return scene


def write_video(path: str | Path, frames: np.ndarray, *, fps: int = 12, crf: int = 12) -> None:
    """Write frames as H.264 in yuv420p, the same bytes for the same frames.

    Parameters
    ----------
    path : path
        The ending names the container, such as ``.mp4``.
    frames : (T, H, W, 3) uint8 array
        RGB, of even height and width.
    fps : int
    crf : int
        Quality of x264; smaller is better.
    """
    height, width = frames.shape[1:3]
    # With small frames x264's lookahead now and then decides differently in a second run: leave it out.
    params = "threads=1:bframes=0:mbtree=0:rc-lookahead=0"
    options = {"crf": str(crf), "preset": "veryfast", "x264-params": params}
    with atomic_file(path) as file, av.open(file, "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _store(group: h5py.Group, scene: Scene, *, class_name: str, split: str) -> None:
    store(group, "objects", scene.objects)
    # Half precision: 0.002 pixels at the fastest motion.
    store(group, "flow", scene.flow.astype(np.float16))
    group.attrs.update(scene.attributes, split=split, **{"class": class_name})
