"""Time of deep Taylor decomposition on a full C3D beside zennit alone with the same rules."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np
import torch
from zennit.composites import SpecialFirstLayerMapComposite
from zennit.rules import Pass, ZBox, ZPlus
from zennit.types import Activation, Convolution, Linear

import voxplain
from voxplain.models import normalize

GOAL = 1 / 1.2  # at most 1.2 times zennit's time


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
            start = perf_counter()
            method()
            times[name][index] = perf_counter() - start
    return [_row(name, times["zennit"], times[name]) for name in ("winner", "proportional")]


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


def _row(pooling: str, theirs: np.ndarray, ours: np.ndarray) -> dict:
    ratio = float(np.median(theirs) / np.median(ours))
    return {
        "part": f"dtd on a C3D, {pooling} pooling, {np.median(ours) * 1e3:.0f} ms a clip",
        "against": "zennit alone, winner pooling",
        "ratio": ratio,
        "low": float((theirs / ours).min()),
        "high": float((theirs / ours).max()),
        "goal": GOAL,
        "met": ratio >= GOAL,
    }


if __name__ == "__main__":
    for line in run():
        print(line)
