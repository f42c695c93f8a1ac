"""Segmenters on videos with hand-made masks of an object, at equal numbers of supervoxels.

    python -m benchmarks.segmenters FOLDER

FOLDER has videos and ``masks.h5``, which holds under each video's name the masks of its frames, (frames, H, W)
uint8, 1 on the object. Of each video the clip of 16 frames of 112 x 112 in its middle is taken. Segmenters are asked
for as many supervoxels as SLIC gives; beside those of the project stands scikit-image's compact watershed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time

import h5py
import numpy as np
import pandas as pd
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.segmentation import find_boundaries, watershed

from voxplain.supervoxels import distinct_supervoxels, segment_supervoxels
from voxplain.videos.clips import fit_frame, read_clips

from .side_by_side import compare
from .supervoxels import synthetic_video

LEVELS = (15, 50, 80)
SIZE = 112
COMPACTNESS = (0.0, 0.01, 0.1, 1.0)  # of the watershed


def run(*, quick: bool = False) -> list[dict]:
    """Time alone, which needs no masks: merged supervoxels at three levels, against SLIC at as many."""
    video = synthetic_video(side=32 if quick else SIZE)
    return [
        compare(
            "merged supervoxels, three levels",
            "SLIC, three levels",
            lambda: segment_supervoxels(video, LEVELS, method="agglomerative"),
            lambda: segment_supervoxels(video, LEVELS),
            goal=1 / 1.5,
            repeats=2 if quick else 5,
        )
    ]


def read_masked_clips(folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The middle clip of each video, (T, H, W, 3) uint8, and its object's mask, (T, H, W) bool."""
    with h5py.File(folder / "masks.h5") as masks:
        for name in sorted(masks):
            clips, indices = read_clips(folder / name, size=SIZE)
            frames = 255 * (masks[name][()][indices[0]] == 1).astype(np.uint8)
            fitted = [fit_frame(frame[..., None].repeat(3, axis=2), size=SIZE) for frame in frames]
            yield clips[0], np.stack(fitted)[..., 0] > 127


def measure(level: np.ndarray, clip: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Measures of one level of labels (T, H, W).

    Returns
    -------
    dict
        supervoxels: how many. recall: share of the object's boundary that is within a pixel of a supervoxel's.
        undersegmentation: voxels that are wrong when each supervoxel is given to what most of it is, object or
        not, over those of the object (Neubert and Protzel 2012). explained: share of the variance of color that
        the supervoxels' means explain (Moore et al. 2008). boundary: share of voxels beside a boundary, which
        recall must be read with.
    """
    index = np.unique(level, return_inverse=True)[1].reshape(level.shape)
    sizes, inside = np.bincount(index.ravel()), np.bincount(index.ravel(), mask.ravel())
    color = clip.reshape(-1, 3).astype(float)
    means = np.stack([np.bincount(index.ravel(), channel) / sizes for channel in color.T], axis=1)
    truth, found = (np.stack([find_boundaries(frame) for frame in labels]) for labels in (mask, index))
    near = ndimage.binary_dilation(found, np.ones((1, 3, 3)))
    return {
        "supervoxels": len(sizes),
        "recall": near[truth].mean(),
        "undersegmentation": np.minimum(inside, sizes - inside).sum() / mask.sum(),
        "explained": (sizes @ (means - color.mean(axis=0)) ** 2).sum() / color.var(axis=0).sum() / len(color),
        "boundary": found.mean(),
    }


def compact_watershed(clip: np.ndarray, n_segments: tuple[int, ...], compactness: float) -> np.ndarray:
    """Neubert and Protzel's compact watershed of the gradient of color, from seeds on a grid."""
    lab = rgb2lab(clip)
    slopes = [ndimage.gaussian_gradient_magnitude(lab[..., channel], 1.0) for channel in range(3)]
    edges = np.linalg.norm(slopes, axis=0)
    return np.stack([watershed(edges, n, compactness=compactness) for n in n_segments])


def compare_segmenters(clips: list[tuple[np.ndarray, np.ndarray]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Means over clips: measures of each segmenter and level, and its seconds of CPU and kept supervoxels per clip."""
    segmenters: dict[str, Callable] = {
        name: lambda clip, n, name=name: segment_supervoxels(clip, n, method=name)
        for name in ("slic", "agglomerative", "grid")
    }
    for weight in COMPACTNESS:
        name = f"compact watershed, {weight:g}"
        segmenters[name] = lambda clip, n, weight=weight: compact_watershed(clip, n, weight)
    rows, costs = [], []
    for clip, mask in clips:
        counts = LEVELS
        for name, segment in segmenters.items():
            start = process_time()
            levels = segment(clip, counts)
            seconds = process_time() - start
            kept = len(distinct_supervoxels(levels.astype(np.uint16)))
            costs.append({"segmenter": name, "seconds": seconds, "kept": kept})
            rows += [
                {"segmenter": name, "level": n, **measure(level, clip, mask)}
                for n, level in zip(LEVELS, levels, strict=True)
            ]
            if name == "slic":
                counts = tuple(len(np.unique(level)) for level in levels)
    measures = pd.DataFrame(rows).groupby(["segmenter", "level"], sort=False).mean()
    return measures, pd.DataFrame(costs).groupby("segmenter", sort=False).mean()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "masks.h5").is_file():
        sys.exit("Give the folder of the videos and their masks.h5: python -m benchmarks.segmenters FOLDER.")
    for table in compare_segmenters(list(read_masked_clips(Path(sys.argv[1])))):
        print(table.round(3).to_string(), end="\n\n")
