"""Time of forward passes in bfloat16 beside float32, and what it changes, of full and of small networks.

python -m benchmarks.precision FOLDER 4    # I3D with its released weights and others, on 4 real videos of a folder

Without a folder the clips are made up and all weights are random: that tells of the time, and little of decisions.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import voxplain
from voxplain.device import choose_device, has_bfloat16
from voxplain.models.precision import LEAST_SPEED, Sample, compare_precisions, timed
from voxplain.models.trained import TrainedModel
from voxplain.supervoxels import distinct_supervoxels, segment_supervoxels
from voxplain.videos.clips import read_clips
from voxplain.videos.files import walk_videos

from .supervoxels import synthetic_video

# With the height of their clips, and the layer that concepts are found at.
NETWORKS: dict[str, tuple[str, int, str, dict[str, Any]]] = {
    "i3d": ("i3d", 113, "mixed_5b", {}),
    "r3d of width 8": ("r3d", 113, "layer3", {"width": 8, "depth": [1, 1, 1, 1]}),
    "c3d": ("c3d", 112, "pool5", {"num_classes": 101}),
}
QUICK: dict[str, tuple[str, int, str, dict[str, Any]]] = {
    "r3d of width 4": ("r3d", 32, "layer3", {"width": 4, "depth": [1, 1, 1, 1]}),
}


def run(
    *, quick: bool = False, videos: Sequence[Path] = (), weights: dict[str, str] | None = None
) -> list[dict]:
    """Rows of part, against, ratio, low, high, goal, met: float32's time over bfloat16's, above 1 is faster."""
    rows = []
    for name, (network, size, layer, options) in (QUICK if quick else NETWORKS).items():
        given = (weights or {}).get(name)
        model = voxplain.build_model(
            network, given, **({"num_classes": 5} | options if not given else options)
        )
        device = choose_device()
        model = model.eval().to(device, memory_format=torch.channels_last_3d)
        if not given:
            with torch.no_grad():  # so that not all answers are the same
                model.get_submodule(model.spec.head).weight.normal_(0, 0.05)
        trained = TrainedModel(model, [str(number) for number in range(model.spec.num_classes)], device)
        clips = [read_clips(path, step=2, size=size)[0][0] for path in videos] or [
            synthetic_video(8 if quick else 16, size)
        ]
        samples = [sample_of(trained, clip) for clip in clips]
        rows.append(measure(name if not given else f"{name}, {given}", trained, samples, layer))
    return rows


def sample_of(model: TrainedModel, clip: np.ndarray) -> Sample:
    """A clip with its supervoxels, of the class that the network takes it for."""
    labels = segment_supervoxels(clip, n_segments=(10, 25, 45))
    return Sample(clip, labels, distinct_supervoxels(labels, "corrected"), model.predict(clip[None])[0])


def measure(name: str, model: TrainedModel, samples: list[Sample], layer: str) -> dict:
    seconds: list[float] = []

    def noted(*given: Any) -> tuple[Any, float]:
        found, took = timed(*given)
        seconds.append(took)
        return found, took

    found = compare_precisions(model, samples, [layer], rng=np.random.default_rng(0), timed=noted)
    exact, rounded = np.array(seconds[2:]).reshape(-1, 2).T  # the first batch warms up
    ratios = exact / rounded
    lacking = "" if has_bfloat16(model.device) else ", which the hardware lacks"
    return {
        "part": f"{name} in bfloat16{lacking}: of {found['n_inputs']} decisions {found['changed']:.1%} change, "
        f"{found['changed_clearly']:.1%} clearly; tau alone {found['tau_alone']:.3f}, hidden {found['tau_hidden']:.3f}; "
        f"cosine {found['cosine']:.4f}",
        "against": "float32",
        "ratio": found["speed"],
        "low": float(ratios.min()),
        "high": float(ratios.max()),
        "goal": LEAST_SPEED,
        "met": bool(found["speed"] >= LEAST_SPEED),
    }


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    found = sorted(walk_videos(Path(sys.argv[1]))) if len(sys.argv) > 1 else []
    chosen = [Path(path) for path in found[:: max(1, len(found) // count)][:count]]
    for line in run(videos=chosen, weights={"i3d": "kinetics400"} if chosen else {}):
        print(line)
