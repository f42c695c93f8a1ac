"""Which explainer is right on which network: every video network of the libraries, measured.

python -m benchmarks.networks                     # writes the tables of docs/networks.md; minutes
python -m benchmarks.networks torchvision:s3d     # prints one network's rows

Every cell is measured with random weights and a short clip, against something that does not use what it tests:
differences of the score for gradients, a copy in double precision with hooks for maps, conservation for propagation. A
cell is right, refused with a message, or absent; anything else is a fault, and the command ends with exit code 1.
"""

from __future__ import annotations

import argparse
import copy
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxplain import build_model, explain
from voxplain.activations import layer_activations, logit_gradients
from voxplain.errors import VoxplainError
from voxplain.explainers import EXPLAINERS
from voxplain.models.base import MODELS
from voxplain.models.external import library_networks

TOLERANCE = 0.01
TARGET, CLASSES = 3, 5
Clip = tuple[int, int, int]


class Case(NamedTuple):
    """How a network is built and shown a clip here: as small as it allows."""

    clip: Clip
    options: dict[str, Any] = {}


NARROW = {"stem_dim_out": 8}
VIT = {"spatial_size": 64, "temporal_size": 8, "patch_embed_dim": 16}
CASES = {
    "c3d": Case((16, 112, 112), {"width": 4}),
    "i3d": Case((16, 64, 64)),
    "r3d": Case((8, 32, 32), {"width": 8, "depth": [1, 1, 1, 1]}),
    "r3d_18": Case((8, 32, 32), {"width": 8}),
    "torchvision:mc3_18": Case((4, 32, 32)),
    "torchvision:mvit_v1_b": Case((8, 64, 64), {"spatial_size": (64, 64), "temporal_size": 8}),
    "torchvision:mvit_v2_s": Case((8, 64, 64), {"spatial_size": (64, 64), "temporal_size": 8}),
    "torchvision:r2plus1d_18": Case((4, 32, 32)),
    "torchvision:r3d_18": Case((4, 32, 32)),
    "torchvision:s3d": Case((14, 197, 197)),
    "torchvision:swin3d_b": Case((4, 64, 64)),
    "torchvision:swin3d_s": Case((4, 64, 64)),
    "torchvision:swin3d_t": Case((4, 64, 64)),
    "pytorchvideo:c2d_r50": Case((4, 193, 193), NARROW),
    "pytorchvideo:create_csn": Case((8, 193, 193), NARROW | {"model_depth": 50}),
    "pytorchvideo:create_multiscale_vision_transformers": Case(
        (8, 32, 32), {"spatial_size": 32, "temporal_size": 8, "patch_embed_dim": 16, "depth": 2}
    ),
    "pytorchvideo:create_r2plus1d": Case((8, 97, 97), NARROW),
    "pytorchvideo:create_resnet": Case((4, 193, 193), NARROW),
    "pytorchvideo:create_slowfast": Case((32, 193, 193), {"stem_dim_outs": (16, 2)}),
    "pytorchvideo:create_x3d": Case(
        (4, 64, 64), {"input_clip_length": 4, "input_crop_size": 64, "depth_factor": 1.0}
    ),
    "pytorchvideo:csn_r101": Case((8, 193, 193), NARROW),
    "pytorchvideo:efficient_x3d_s": Case((13, 160, 160)),
    "pytorchvideo:efficient_x3d_xs": Case((4, 160, 160)),
    "pytorchvideo:i3d_r50": Case((8, 193, 193), NARROW),
    "pytorchvideo:mvit_base_16": Case((1, 64, 64), VIT | {"temporal_size": 1}),
    "pytorchvideo:mvit_base_16x4": Case((8, 64, 64), VIT),
    "pytorchvideo:mvit_base_32x3": Case((8, 64, 64), VIT),
    "pytorchvideo:r2plus1d_r50": Case((8, 97, 97), NARROW),
    "pytorchvideo:slow_r50": Case((8, 193, 193), NARROW),
    "pytorchvideo:slow_r50_detection": Case((4, 193, 193)),
    "pytorchvideo:slowfast_16x8_r101_50_50": Case((64, 193, 193), {"stem_dim_outs": (16, 2)}),
    "pytorchvideo:slowfast_r101": Case((32, 193, 193), {"stem_dim_outs": (16, 2)}),
    "pytorchvideo:slowfast_r50": Case((32, 193, 193), {"stem_dim_outs": (16, 2)}),
    "pytorchvideo:slowfast_r50_detection": Case((32, 193, 193)),
    "pytorchvideo:x3d_l": Case((16, 289, 289), {"width_factor": 1.0}),
    "pytorchvideo:x3d_m": Case((16, 193, 193), {"width_factor": 1.0}),
    "pytorchvideo:x3d_s": Case((13, 129, 129)),
    "pytorchvideo:x3d_xs": Case((4, 129, 129)),
}
OPTIONS = {"integrated_gradients": {"steps": 2}, "smoothgrad": {"samples": 2}}


class Cell(NamedTuple):
    """What was found of one explainer, or of concepts, on one network at one layer."""

    network: str
    explainer: str
    layer: str
    state: str
    text: str
    warned: str = ""


def all_networks() -> list[str]:
    """The project's own networks and those that the libraries register today."""
    return [plugin.name for plugin in MODELS] + library_networks()


def survey(name: str, explainers: Iterable[str] | None = None) -> Iterator[Cell]:
    """Measure the cells of one network; `explainers` are all, and ``concepts``, by default."""
    explainers = list(explainers or [*(plugin.name for plugin in EXPLAINERS), "concepts"])
    case = CASES.get(name, Case((8, 64, 64)))
    found = _measured(lambda: _built(name, case))
    if not isinstance(found[1], Subject):
        yield Cell(name, "", "", *_state(found))
        return
    subject = found[1]
    layers = list(dict.fromkeys((subject.model.spec.last_conv, *subject.model.spec.concept_layers)))
    for explainer in explainers:
        if explainer == "concepts":
            for layer in layers:
                yield Cell(name, explainer, layer, *_state(_measured(lambda: concepts(subject, layer))))
        elif "layer" in EXPLAINERS[explainer].schema.model_fields:
            for layer in layers:
                yield Cell(
                    name,
                    explainer,
                    layer,
                    *_state(_measured(lambda: LAWS[explainer](subject, explainer, layer))),
                )
        else:
            law = LAWS.get(explainer, conserved)
            yield Cell(name, explainer, "", *_state(_measured(lambda: law(subject, explainer))))


def _measured(work: Callable[[], Any]) -> tuple[str, Any, str]:
    """State, what was found, and the text of warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            result: tuple[str, Any] = ("", work())
        except VoxplainError as error:
            result = ("refused", str(error))
        except Exception:
            result = ("failed", traceback.format_exc(limit=-1).strip().splitlines()[-1])
    said = [
        str(w.message)
        for w in told
        if issubclass(w.category, UserWarning) and w.filename.find("voxplain") >= 0
    ]
    return *result, " ".join(dict.fromkeys(said))


def _state(found: tuple[str, Any, str]) -> tuple[str, str, str]:
    state, result, warned = found
    if state:
        return state, result, warned
    error, law = result
    return ("right" if error <= TOLERANCE else "wrong"), f"{law}: {error:.1g}", warned


class Subject:
    """A network, its copy in double precision, and a clip."""

    def __init__(self, model: nn.Module, clip: Clip) -> None:
        generator = torch.Generator().manual_seed(0)
        for module in model.modules():  # statistics as after training, lest norms do nothing
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
        self.model, self.exact = model, copy.deepcopy(model).double()
        coarse = torch.randn(1, 3, *(-(-length // 4) for length in clip), generator=generator)
        self.clip = F.interpolate(coarse, clip, mode="trilinear").clamp(-2, 2)
        self.generator = generator
        with torch.no_grad():
            score = self.model(self.clip)
            torch.testing.assert_close(score, self.exact(self.clip.double()).float(), rtol=1e-2, atol=1e-3)
        if score.shape != (1, CLASSES):
            raise AssertionError(f"logits are {tuple(score.shape)}")

    @torch.no_grad()
    def score(self, clip: Tensor) -> float:
        return float(self.exact(clip)[0, TARGET])

    def slope(self, clip: Tensor, direction: Tensor, step: float = 1e-5) -> float:
        """Change of the score along a direction, by differences."""
        clip, direction = clip.double(), direction.double()
        up, down = self.score(clip + step * direction), self.score(clip - step * direction)
        return (up - down) / (2 * step)


def _built(name: str, case: Case) -> Subject:
    model = build_model(name, None, CLASSES, seed=1, **case.options)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(2)
        for key, parameter in model.named_parameters():
            # Heads and gates that start at zero would make anything right.
            if parameter.abs().max() < 1e-3 or key.startswith(model.spec.head):
                parameter.normal_(0, 0.05, generator=generator)
    return Subject(model, case.clip)


def _relative(found: Sequence[float], expected: Sequence[float]) -> float:
    found, expected = torch.tensor(found).double(), torch.tensor(expected).double()
    size = expected.abs().max()
    if not size > 1e-12:
        raise AssertionError(f"nothing to compare: {expected.tolist()}")
    return float((found - expected).abs().max() / size)


def _directions(subject: Subject) -> list[Tensor]:
    """Same in all channels, as maps are summed over these: ``(1, 1, T, H, W)``."""
    return [torch.randn(1, 1, *subject.clip.shape[2:], generator=subject.generator) for _ in range(3)]


def gradients(subject: Subject, explainer: str) -> tuple[float, str]:
    """Explanations made of gradients against differences of the score."""
    options = OPTIONS.get(explainer, {})
    relevance = explain(subject.model, subject.clip, TARGET, explainer, **options)[:, None]
    clip, found, expected = subject.clip, [], []
    for direction in _directions(subject):
        if explainer == "gradient":
            slope = subject.slope(clip, direction.expand_as(clip))
        elif explainer == "input_x_gradient":
            slope = subject.slope(clip, direction * clip)
        elif explainer == "integrated_gradients":  # two points of Gauss and Legendre, baseline 0
            points = [(1 - 3**-0.5) / 2, (1 + 3**-0.5) / 2]
            slope = sum(subject.slope(point * clip, direction * clip) for point in points) / 2
        else:
            noise = torch.Generator().manual_seed(0)
            width = 0.15 * (clip.max() - clip.min())
            copies = [clip + width * torch.randn(clip.shape[1:], generator=noise) for _ in range(2)]
            slope = sum(subject.slope(each, direction.expand_as(clip)) for each in copies) / 2
        found.append(float((relevance * direction).sum()))
        expected.append(slope)
    return _relative(found, expected), "differences of the score"


def occlusions(subject: Subject, explainer: str) -> tuple[float, str]:
    """Two halves of the clip, each painted over by hand."""
    halves = torch.ones(subject.clip.shape[2:], dtype=torch.int64)
    halves[..., halves.shape[-1] // 3 :] = 2
    relevance = explain(subject.model, subject.clip, TARGET, explainer, labels=halves[None, None])[0]
    clip = subject.clip.double()
    whole = subject.score(clip)
    expected = [whole - subject.score(clip * (halves != label)) for label in (1, 2)]
    return _relative(
        [float(relevance[halves == label][0]) for label in (1, 2)], expected
    ), "clips painted over"


def noise(subject: Subject, explainer: str) -> tuple[float, str]:
    """Uniform, and without regard to the network."""
    relevance = explain(subject.model, subject.clip, TARGET, explainer)
    fair = 0 <= relevance.min() and relevance.max() < 1
    return abs(float(relevance.mean()) - 0.5) * (1 if fair else 1e9) / 10, "uniform noise"


def _tokens(output: tuple[Tensor, Any], clip_tokens: int = 1) -> Tensor:
    tokens, grid = output
    return tokens[:, -_product(grid) :].mT.unflatten(2, tuple(int(n) for n in grid))


def _product(numbers: Iterable[Any]) -> int:
    total = 1
    for number in numbers:
        total *= int(number)
    return total


def by_hand(name: str, output: Any) -> Tensor:
    """A layer's output as (N, C, T, H, W), by what each network's paper and code say of its axes."""
    if isinstance(output, tuple | list):
        return _tokens(output)
    if name.startswith("torchvision:swin3d"):
        return output.movedim(-1, 1)
    return output


@torch.enable_grad()
def _map(subject: Subject, layer: str) -> Tensor:
    """Grad-CAM on the copy, by plain hooks."""
    kept: list[Tensor] = []
    network = subject.exact

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        features = by_hand(subject.model.spec.name, output)
        features.retain_grad()
        kept.append(features)

    # The features by hand are a view beside the path to the score, so that their gradient comes from the output's.
    outputs: list[Any] = []
    handle = network.get_submodule(layer).register_forward_hook(lambda _m, _i, output: outputs.append(output))
    try:
        score = network(subject.clip.double().requires_grad_())[0, TARGET]
    finally:
        handle.remove()
    output = outputs[-1]
    tensor = output[0] if isinstance(output, tuple | list) else output
    slope = torch.autograd.grad(score, tensor)[0]
    name = subject.model.spec.name
    features = by_hand(name, output)
    slopes = by_hand(name, (slope, *output[1:]) if isinstance(output, tuple | list) else slope)
    heat = (slopes.mean((2, 3, 4), keepdim=True) * features).sum(1, keepdim=True).relu()
    return F.interpolate(heat, subject.clip.shape[2:], mode="trilinear").detach()[:, 0]


def cams(subject: Subject, explainer: str, layer: str) -> tuple[float, str]:
    """Grad-CAM by hand."""
    found = explain(subject.model, subject.clip, TARGET, explainer, layer=layer)
    expected = _map(subject, layer)
    if not expected.abs().max() > 1e-12:
        expected, found = expected + 1, found + 1  # a map of zeros is one, too
    return _far(found, expected), "hooks on a copy, axes by hand"


def _far(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@torch.enable_grad()
def _guided(subject: Subject) -> tuple[Tensor, int]:
    """Guided backpropagation on the copy by hooks, and how many rectifiers it met."""
    rectifiers = [module for module in subject.exact.modules() if isinstance(module, nn.ReLU)]
    met: list[None] = []

    def positive(_module: nn.Module, lower: tuple[Tensor], _upper: tuple[Tensor]) -> tuple[Tensor]:
        met.append(None)
        return (lower[0].clamp(min=0),)

    handles = [module.register_full_backward_hook(positive) for module in rectifiers]
    try:
        clip = subject.clip.double().requires_grad_()
        slope = torch.autograd.grad(subject.exact(clip)[0, TARGET], clip)[0]
    finally:
        for handle in handles:
            handle.remove()
    return slope.sum(1), len(met)


def guided(subject: Subject, explainer: str) -> tuple[float, str]:
    """Guided backpropagation by hooks."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = explain(subject.model, subject.clip, TARGET, explainer)
    for warning in told:
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    expected, met = _guided(subject)
    if not met and not any("rectif" in str(warning.message) for warning in told):
        return torch.inf, "nothing is rectified, and no warning says so"
    return _far(found, expected), "hooks on a copy" if met else "the gradient, as nothing is rectified"


def guided_cams(subject: Subject, explainer: str, layer: str) -> tuple[float, str]:
    """The product of the two by hand."""
    found = explain(subject.model, subject.clip, TARGET, explainer, layer=layer)
    expected = _guided(subject)[0] * _map(subject, layer)
    if not expected.abs().max() > 1e-12:
        expected, found = expected + 1, found + 1
    return _far(found, expected), "hooks on a copy, axes by hand"


def conserved(subject: Subject, explainer: str) -> tuple[float, str]:
    """Relevance sums to the 1 that starts at the target."""
    relevance = explain(subject.model, subject.clip, TARGET, explainer)
    return abs(float(relevance.sum()) - 1), "sum is 1 to"


@torch.no_grad()
def concepts(subject: Subject, layer: str) -> tuple[float, str]:
    """A layer's mean activation, and the slope of the score along a shift of its channels."""
    clip, name = subject.clip, subject.model.spec.name
    found = layer_activations(subject.model, clip, [layer])[0][layer]
    slopes = logit_gradients(subject.model, clip, torch.tensor([TARGET]), [layer])[layer]
    outputs: list[Any] = []
    shift: Tensor | None = None

    def on_copy(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        outputs.append(output)
        if shift is None:
            return None
        if isinstance(output, tuple | list):
            moved = output[0].clone()
            moved[:, -_product(output[1]) :] += shift
            return (moved, *output[1:])
        return output + (shift if name.startswith("torchvision:swin3d") else shift.view(-1, 1, 1, 1))

    handle = subject.exact.get_submodule(layer).register_forward_hook(on_copy)
    try:
        subject.exact(clip.double())
        mean = by_hand(name, outputs[0]).mean((2, 3, 4))
        error = _far(found, mean)
        for _ in range(2):
            direction, scores = torch.randn(mean.shape[1], generator=subject.generator).double(), []
            for step in (1e-6, -1e-6):
                shift = step * direction
                scores.append(subject.score(clip.double()))
            slope = (scores[0] - scores[1]) / 2e-6
            error = max(error, abs(float(slopes[0].double() @ direction) - slope) / float(slopes.norm()))
    finally:
        handle.remove()
    return error, "means and differences on a copy, axes by hand"


LAWS: dict[str, Callable[..., tuple[float, str]]] = {
    **dict.fromkeys(("gradient", "input_x_gradient", "integrated_gradients", "smoothgrad"), gradients),
    "gradcam": cams,
    "guided_backprop": guided,
    "guided_gradcam": guided_cams,
    "occlusion": occlusions,
    "random": noise,
}


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="default: all, and the page is written")
    parser.add_argument("--explainers", nargs="*")
    arguments = parser.parse_args(given)
    for name in arguments.networks or all_networks():
        for cell in survey(name, arguments.explainers):
            print(*cell, sep=" | ", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
