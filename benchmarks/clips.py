"""Time of cutting clips out of videos, beside PyAV and OpenCV in the plainest way."""

from __future__ import annotations

import tempfile
from pathlib import Path

import av
import cv2
import numpy as np

from voxplain.videos.clips import clip_indices, read_clips

from .side_by_side import compare
from .supervoxels import synthetic_video

SIZE = 112


def run(*, quick: bool = False) -> list[dict]:
    """Rows of part, against, ratio, low, high, goal, met: the peer's time over ours, above 1 is faster."""
    frames, side, repeats = (40, 64, 2) if quick else (250, 320, 7)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        write_video(path, synthetic_video(frames, side))
        ours, theirs = read_clips(path, size=SIZE)[0], by_pyav(path)
        assert np.abs(ours.astype(int) - theirs).max() <= 1
        return [
            compare(
                f"a clip cut out of a video of {frames} frames, {side} pixels",
                "PyAV and OpenCV, every frame converted and resized",
                lambda: read_clips(path, size=SIZE),
                lambda: by_pyav(path),
                goal=1.7,
                repeats=repeats,
            )
        ]


def by_pyav(path: Path) -> np.ndarray:
    """The middle clip, (1, 16, SIZE, SIZE, 3) uint8, of a square video."""
    with av.open(str(path)) as container:
        frames = [
            cv2.resize(frame.to_ndarray(format="rgb24"), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
            if frame.width > SIZE
            else cv2.resize(frame.to_ndarray(format="rgb24"), (SIZE, SIZE))
            for frame in container.decode(video=0)
        ]
    return np.stack(frames)[clip_indices(len(frames))]


def write_video(path: Path, frames: np.ndarray) -> None:
    """Write (T, H, W, 3) uint8 as H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    for line in run():
        print(line)
