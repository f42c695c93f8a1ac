"""Time of the activations of a clip's supervoxels, beside the network alone and the official sliding windows."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

import voxplain
from voxplain.activations import layer_activations, supervoxel_activations
from voxplain.models.trained import TrainedModel
from voxplain.patches import supervoxel_inputs
from voxplain.supervoxels import distinct_supervoxels, segment_supervoxels

from .side_by_side import compare, seconds
from .supervoxels import synthetic_video

FRAMES = 16
BATCHES = (4, 8, 16, 32, 64)
SMALL = 8  # clips at once, that may fit still better into a cache


def run(*, quick: bool = False) -> list[dict]:
    """Rows of part, against, ratio, low, high, goal, met: the peer's time over ours, above 1 is faster."""
    side, width, frames, repeats, most = (32, 4, 24, 2, 4) if quick else (112, 8, 64, 7, 64)
    network = voxplain.build_model("r3d_18", num_classes=5, width=width).eval()
    network = network.to(memory_format=torch.channels_last_3d)
    model = TrainedModel(network, list("abcde"), torch.device("cpu"))
    video = synthetic_video(frames, side)
    clip = video[:FRAMES]
    labels = segment_supervoxels(clip)
    kept = distinct_supervoxels(labels)[:most]
    ours = partial(supervoxel_activations, model, clip, labels, kept, ["layer3"])
    batches = [size for size in BATCHES if size <= len(kept)]
    return [
        compare(
            f"activations of {len(kept)} supervoxels of a clip, r3d of width {width}",
            f"the network alone at its best batch of {', '.join(map(str, batches))}",
            ours,
            partial(alone, network, len(kept), best_batch(network, side, batches), side),
            goal=0.85,
            repeats=repeats,
        ),
        compare(
            f"the same, {SMALL} at once",
            "16 at once, the default",
            partial(ours, batch=SMALL),
            ours,
            goal=1.0,
            repeats=repeats,
        ),
        compare(
            f"activations of a supervoxel of a video of {frames} frames: {frames // FRAMES} clips",
            f"the official way, one supervoxel at a time: {frames - FRAMES + 1} windows of {FRAMES} frames",
            lambda: [supervoxel_activations(model, part, labels, kept, ["layer3"]) for part in split(video)],
            partial(by_windows, model, video, len(kept[:2])),
            goal=20.0,
            repeats=repeats,
            times=len(kept) / len(kept[:2]),
        ),
    ]


def split(video: np.ndarray) -> list[np.ndarray]:
    """Clips one after the other."""
    return [video[start : start + FRAMES] for start in range(0, len(video) - FRAMES + 1, FRAMES)]


def best_batch(network: torch.nn.Module, side: int, sizes: list[int]) -> int:
    """The batch at which a clip takes the least time."""
    taken = {
        size: min(seconds(partial(alone, network, size, size, side)) for _ in range(2)) / size
        for size in sizes
    }
    return min(taken, key=taken.__getitem__)


@torch.no_grad()
def alone(network: torch.nn.Module, clips: int, batch: int, side: int) -> None:
    """The network's forward passes of so many clips, whose inputs cost nothing."""
    inputs = torch.zeros(batch, 3, FRAMES, side, side).to(memory_format=torch.channels_last_3d)
    for start in range(0, clips, batch):
        network(inputs[: clips - start])


def by_windows(model: TrainedModel, video: np.ndarray, supervoxels: int) -> list[np.ndarray]:
    """Mean activation over all windows of each of some supervoxels that last all of a video, one clip at a time."""
    height, width = video.shape[1:3]
    labels = np.broadcast_to(
        (1 + np.arange(supervoxels).repeat(-(-width // supervoxels))[:width]).astype(np.uint16),
        (1, len(video), height, width),
    )
    kept = np.array([(0, number) for number in range(1, supervoxels + 1)])
    means = []
    for patch in supervoxel_inputs(video, labels, kept, form="crop", batch=1):
        windows = [patch[0, start : start + FRAMES] for start in range(len(video) - FRAMES + 1)]
        parts = [np.stack(windows[start : start + 16]) for start in range(0, len(windows), 16)]
        found = [
            layer_activations(model.network, model.inputs(part), ["layer3"])[0]["layer3"] for part in parts
        ]
        means.append(torch.cat(found).mean(0).numpy())
    return means


if __name__ == "__main__":
    for line in run():
        print(line)
