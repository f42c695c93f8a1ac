"""Time of selective relevance beside the official convolution, and what each flow method is worth."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
import torch

from voxplain.errors import VoxplainError
from voxplain.motion.flow.base import FLOWS, estimate_flow
from voxplain.motion.flow.endpoint import endpoint_error
from voxplain.motion.selective import selective_relevance, selective_sweep
from voxplain.videos.scenes import MOTIONS, draw_scene
from voxplain.videos.truth import read_flo

from .side_by_side import compare, seconds

KNOWN_FLOW = Path(__file__).parents[2] / "shared" / "data" / "flow"
FRAMES, SIDE = 16, 112
BUDGET = 2e-3  # seconds per clip


def run(*, quick: bool = False) -> list[dict]:
    """Rows of part, against, ratio, low, high, goal, met: peer's median time over ours, above 1 is faster."""
    clips, side, repeats = (2, 32, 2) if quick else (8, SIDE, 9)
    relevance = np.random.default_rng(0).normal(size=(clips, FRAMES, side, side)).astype(np.float32)
    sigmas = (1, 2, 3, 4)
    peer = partial(official_selection, relevance)
    rows = []
    for preset in ("official", "corrected"):
        ours = partial(selective_relevance, relevance, 3, preset)
        part = f"selective relevance ({preset}), batch of {clips}"
        rows += [
            compare(part, "the official convolution", ours, peer, goal=3.0, repeats=repeats),
            compare(part, f"{BUDGET * 1e3:g} ms a clip", ours, BUDGET * clips, goal=1.0, repeats=repeats),
        ]
    rows.append(
        compare(
            f"sweep over {len(sigmas)} thresholds",
            "one call a threshold",
            partial(selective_sweep, relevance, sigmas),
            lambda: [selective_relevance(relevance, sigma) for sigma in sigmas],
            goal=1.0,
            repeats=repeats,
        )
    )
    return rows


def official_selection(relevance: np.ndarray, sigma: float = 3) -> torch.Tensor:
    """What the official code does, for a batch: a dense 3D convolution over three identical channels."""
    clips = torch.from_numpy(relevance)[:, None]
    time, space = torch.tensor([1.0, 0, -1]), torch.tensor([1.0, 2, 1])
    kernel = torch.einsum("t,y,x->tyx", time, space, space).expand(1, 3, 3, 3, 3)
    change = torch.nn.functional.conv3d(clips.expand(-1, 3, -1, -1, -1), kernel, padding=1).abs()
    deviation = change.flatten(1).std(1).view(-1, 1, 1, 1, 1)
    return clips * (change > sigma * deviation)


def flow_table(*, scenes: int = 4) -> list[dict]:
    """Rows of method, data, epe (pixels), epe_of_no_motion, and ms_per_frame at 112 x 112.

    The data are scenes of the embedded benchmark at 112 x 112, whose flow is exact, and the Middlebury-format
    pair beside the checkout, if it is there. A method without its weights is left out.
    """
    drawn = [
        draw_scene(np.random.default_rng(i), look=i, motion=motion, cue=i, frames=4, size=SIDE)
        for i, motion in enumerate(list(MOTIONS)[:scenes])
    ]
    data = {"embedded": [(scene.frames, scene.flow) for scene in drawn]}
    if KNOWN_FLOW.is_dir():
        frames = [cv2.imread(str(KNOWN_FLOW / f"00001_img{i}.ppm"))[..., ::-1] for i in (1, 2)]
        data["known pair"] = [(np.stack(frames), read_flo(KNOWN_FLOW / "00001_flow.flo")[None])]
    clip = drawn[0].frames
    rows = []
    for plugin in FLOWS:
        estimate = partial(estimate_flow, method=plugin.name)
        try:
            taken = min(seconds(partial(estimate, clip)) for _ in range(3)) / (len(clip) - 1)
        except VoxplainError as error:
            print(f"{plugin.name} is left out: {error}")
            continue
        for name, cases in data.items():
            rows.append(
                {
                    "method": plugin.name,
                    "data": name,
                    "epe": fmean(endpoint_error(estimate(frames), truth) for frames, truth in cases),
                    "epe_of_no_motion": fmean(endpoint_error(0 * truth, truth) for _, truth in cases),
                    "ms_per_frame": 1e3 * taken,
                }
            )
    return rows


if __name__ == "__main__":
    for line in run() + flow_table():
        print(line)
