"""The embedded benchmark: real H.264 files of moving shapes, with exact ground truth.

Each class is an actor with a shape, a pattern and a motion of its own. Distractors, the background's
texture and drift, sizes, places, colors and noise say nothing about the class; a context cue, a
patterned strip of the background, says as much as the options let it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pandas as pd

from ..artifacts import atomic_file, atomic_path
from ..hdf5 import RecordingFile
from .adapters import DATASETS
from .adapters.embedded import CLASS_NAMES, embedded
from .scenes import MOTIONS, Scene, draw_scene
from .table import check_video_table

TABLE, GROUND_TRUTH = "videos.csv", "ground_truth.h5"


def make_embedded_videos(folder: str | Path, *, workers: int = 1, **options: Any) -> pd.DataFrame:
    """Write the benchmark's videos, their table and their ground truth.

    The same options give the same bytes. Each video has a random stream of its own, so that another
    number of videos leaves those in common as they are.

    Parameters
    ----------
    folder : path
        Gets ``<class>/<class>_000.mp4`` and so on, ``ground_truth.h5`` and, last, ``videos.csv``.
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
    # Of this process alone until it is whole: two runs may make one folder at the same time.
    with (
        atomic_path(truth_file) as unfinished,
        RecordingFile(unfinished) as file,
        h5py.File(file, "w") as truth,
        ThreadPoolExecutor(workers) as pool,
    ):
        truth.attrs.update(options)
        for class_name, rows in table.groupby("class", sort=False):
            (folder / class_name).mkdir(exist_ok=True)
            draws = _draw_class(CLASS_NAMES[options["variant"]].index(class_name), options)
            jobs = [pool.submit(_make_video, path, draw, options) for path, draw in zip(rows["path"], draws)]
            for row, job in zip(rows.itertuples(), jobs):
                _store(truth.create_group(row.video), job.result(), class_name=class_name, split=row.split)
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
    """
    with h5py.File(path) as file:
        group = file[video]
        objects, flow = group["objects"][:], group["flow"][:].astype(np.float32)
        attributes = dict(group.attrs)
    if frame_indices is not None:
        indices = np.asarray(frame_indices)
        follows = np.diff(indices) == 1
        # A frame before a jump may be the video's last, which has no flow of its own.
        flow = flow[np.minimum(indices[:-1], len(flow) - 1)]
        flow[~follows] = np.nan
        objects = objects[indices]
    return Scene(np.empty((0, *objects.shape[1:], 3), np.uint8), objects, flow, attributes)


def _draw_class(number: int, options: dict[str, Any]) -> Iterator[tuple[np.random.Generator, dict]]:
    """Random stream and the class-dependent part of each video of a class, train before test."""
    classes, variant = options["classes"], options["variant"]
    for split, name in enumerate(("train", "test")):
        for index in range(options[f"{name}_per_class"]):
            rng = np.random.default_rng([options["seed"], number, split, index])
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


def _make_video(path: str, draw: tuple[np.random.Generator, dict], options: dict[str, Any]) -> Scene:
    rng, parts = draw
    scene = draw_scene(rng, **parts, **{key: options[key] for key in ("frames", "size", "noise")})
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
    # Half precision: 0.002 pixels at the fastest motion.
    arrays = {"objects": scene.objects, "flow": scene.flow.astype(np.float16)}
    for name, array in arrays.items():
        group.create_dataset(
            name, data=array, chunks=array.shape, compression="gzip", compression_opts=1, shuffle=True
        )
    group.attrs.update(scene.attributes, split=split, **{"class": class_name})
