"""Time of supervoxels and of the removal of near-duplicates, beside the plainest way to get them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.segmentation import slic

from voxplain.patches import supervoxel_inputs
from voxplain.supervoxels import distinct_supervoxels, segment_supervoxels

from .side_by_side import compare

GOLDEN = Path(__file__).parents[2] / "shared" / "golden"


def run(*, quick: bool = False) -> list[dict]:
    """Rows of part, against, ratio, low, high, goal, met: peer's time over ours, above 1 is faster."""
    repeats = 2 if quick else 5
    videos = {"synthetic_16": synthetic_video(side=32 if quick else 112)}
    for path in [] if quick else sorted(GOLDEN.glob("supervoxels_*.npz")):
        with np.load(path) as arrays:
            videos[path.stem.removeprefix("supervoxels_")] = arrays["video"]
    rows = []
    for name, video in videos.items():
        rows += [step(name, video, repeats) for step in (whole_step, near_duplicates)]
    return rows


def whole_step(name: str, video: np.ndarray, repeats: int) -> dict:
    """Segmentation, filters, near-duplicates and first patch, against the three SLIC calls alone."""

    def ours() -> None:
        labels = segment_supervoxels(video)
        kept = distinct_supervoxels(labels, "official")
        next(supervoxel_inputs(video, labels, kept[:1], form="crop", preset="official"))

    def peer() -> None:
        values = video.astype(float)
        for n_segments in (15, 50, 80):
            slic(values, n_segments, compactness=20, sigma=1.0)

    return compare(
        f"supervoxels, whole step, {name}",
        "the three SLIC calls alone",
        ours,
        peer,
        goal=1 / 1.5,
        repeats=repeats,
    )


def near_duplicates(name: str, video: np.ndarray, repeats: int) -> dict:
    """Filters and near-duplicates, against a boolean mask for each supervoxel."""
    labels = segment_supervoxels(video)

    def peer() -> None:
        seen: list[np.ndarray] = []
        for level in labels:
            masks = [level == label for label in range(1, level.max() + 1)]
            seen += [m for m in masks if m.mean() > 0.001 and all(_jaccard(m, s) <= 0.5 for s in seen)]

    return compare(
        f"distinct supervoxels, {name}",
        "a boolean mask each",
        lambda: distinct_supervoxels(labels),
        peer,
        goal=1.0,
        repeats=repeats,
    )


def synthetic_video(frames: int = 16, side: int = 112) -> np.ndarray:
    """A smooth random texture that moves to the right by a pixel per frame."""
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(side, side + frames, 3)), (4, 4, 0))
    texture = np.interp(noise, (noise.min(), noise.max()), (0, 255)).astype(np.uint8)
    return np.stack([texture[:, t : t + side] for t in range(frames)])


def _jaccard(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


if __name__ == "__main__":
    for line in run():
        print(line)
