"""Time of explanations: deep Taylor decomposition on a full C3D beside zennit alone, and explainers beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
import yaml
from zennit.composites import SpecialFirstLayerMapComposite
from zennit.rules import Pass, ZBox, ZPlus
from zennit.types import Activation, Convolution, Linear

import voxplain
from voxplain.config import load_config
from voxplain.explaining import explain_by_all
from voxplain.models.inputs import normalize
from voxplain.models.trained import TrainedModel
from voxplain.supervoxels import segment_supervoxels

from .side_by_side import compare, row, seconds
from .supervoxels import synthetic_video

DEMO = Path(__file__).resolve().parents[1] / "config/config.yaml"

GOAL = 2.0  # against zennit alone
TOGETHER = 0.6  # of what ten explainers take one by one, that they may take together
GAMMA = 1.5  # times deep Taylor decomposition, that the gamma rule may take


def run(*, quick: bool = False) -> list[dict]:
    """Rows of part, against, ratio, low, high, goal, met: peer's median time over ours, above 1 is faster."""
    options, repeats = ({"width": 4, "fc_width": 16, "size": 32}, 2) if quick else ({}, 3)
    model = voxplain.build_model("c3d", num_classes=101, **options)
    shape = (1, model.spec.frames, model.spec.size, model.spec.size, 3)
    clips = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    methods: dict[str, Callable[[], torch.Tensor]] = {
        pooling: lambda pooling=pooling: voxplain.explain(model, clips, 7, "dtd", pooling=pooling)
        for pooling in ("winner", "proportional")
    } | {"zennit": lambda: by_zennit_alone(model, normalize(clips, model.spec), 7)}
    results = {name: method() for name, method in methods.items()}  # warms up, too
    torch.testing.assert_close(results["winner"], results["zennit"], rtol=1e-3, atol=1e-7)
    times = {name: np.empty(repeats) for name in methods}
    for index in range(repeats):
        for name, method in methods.items():
            times[name][index] = seconds(method)
    return [
        *(
            row(
                f"dtd on a C3D, {name} pooling",
                "zennit alone, winner pooling",
                times["zennit"],
                times[name],
                goal=GOAL,
            )
            for name in ("winner", "proportional")
        ),
        compare(
            "lrp_gamma on a C3D",
            "dtd with winner pooling",
            lambda: voxplain.explain(model, clips, 7, "lrp_gamma"),
            methods["winner"],
            goal=1 / GAMMA,
            repeats=repeats,
        ),
        all_of_a_clip(repeats, quick=quick),
    ]


def all_of_a_clip(repeats: int, *, quick: bool) -> dict:
    """The demo's ten explainers of one clip as a stage makes them, against a call for each alone."""
    config = load_config(yaml.safe_load(DEMO.read_text()))
    explainers = {name: {"options": one.options} for name, one in config.explainers.items()}
    network = voxplain.build_model("r3d_18", num_classes=6, width=2 if quick else 8).eval()
    model = TrainedModel(network, list("abcdef"), torch.device("cpu"))
    clip = synthetic_video(16, 32 if quick else 64)
    frames = torch.from_numpy(clip[None])
    labels = segment_supervoxels(clip, n_segments=config.supervoxels.n_segments)[None]
    how = {"labels": labels, "segmentation": {"n_segments": config.supervoxels.n_segments}}

    def some(names: Mapping[str, Mapping]) -> None:
        explain_by_all(model, clip[None], torch.tensor([3]), names, **how)

    return compare(
        f"{len(explainers)} explainers of a clip together, r3d",
        "voxplain.explain for each, from the clip",
        lambda: some(explainers),
        lambda: [
            voxplain.explain(network, frames, 3, name, **one["options"]) for name, one in explainers.items()
        ],
        goal=1 / TOGETHER,
        repeats=repeats,
    )


def by_zennit_alone(model: torch.nn.Module, inputs: torch.Tensor, target: int) -> torch.Tensor:
    """Deep Taylor decomposition as zennit's user would write it; its max pooling is winner takes all."""
    z_plus = ZPlus(zero_params=["bias"])
    low, high = (
        torch.tensor(
            [(value - mean) / std for mean, std in zip(model.spec.mean, model.spec.std, strict=True)]
        )
        for value in (0, 255)
    )
    composite = SpecialFirstLayerMapComposite(
        layer_map=[(Activation, Pass()), (Convolution, z_plus), (Linear, z_plus)],
        first_map=[(Convolution, ZBox(low.view(1, 3, 1, 1, 1), high.view(1, 3, 1, 1, 1)))],
    )
    inputs = inputs.clone().requires_grad_()
    with composite.context(model) as explained:
        scores = explained(inputs)
        start = torch.zeros_like(scores)
        start[:, target] = 1
        return torch.autograd.grad(scores, inputs, start)[0].sum(1)


if __name__ == "__main__":
    for line in run():
        print(line)
