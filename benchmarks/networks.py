"""Which explainer is right on which network: every video network of the libraries, measured.

python -m benchmarks.networks                             # writes docs/networks.csv and docs/networks.md; half an hour
python -m benchmarks.networks --missing                   # those that the page lacks, such as new ones
python -m benchmarks.networks torchvision:s3d --write     # measures one network again

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
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from voxplain import build_model, explain
from voxplain.activations import layer_activations, logit_gradients
from voxplain.cli.table_docs import with_block
from voxplain.errors import VoxplainError
from voxplain.explainers import EXPLAINERS
from voxplain.explainers.attnlrp import attention_relevance
from voxplain.explainers.coalitions import shown_in_half
from voxplain.models.base import MODELS
from voxplain.models.external import library_networks
from voxplain.models.shapes import calls_in_order

CELLS = Path(__file__).parents[1] / "docs/networks.csv"
PAGE = CELLS.with_suffix(".md")
STATES = ("right", "refused")
TOLERANCE = 0.01
# Whole networks of pytorchvideo that are no functions of one clip, and why they cannot be named.
ABSENT = {
    "create_acoustic_resnet": "takes spectrograms",
    "create_audio_visual_slowfast": "takes sound, too",
    "create_resnet_with_roi_head": "takes boxes, too",
    "create_slowfast_with_roi_head": "takes boxes, too",
}
TARGET, CLASSES = 3, 5
Clip = tuple[int, int, int]


class Case(NamedTuple):
    """How a network is built and shown a clip here: as small as it allows."""

    clip: Clip
    options: dict[str, Any] = {}
    prepare: Callable[[nn.Module], None] = lambda model: None


def cut_positions(model: nn.Module) -> None:
    """Give torchvision's mvit, whose function knows no other clips, positions for 4 x 16 x 16 tokens."""
    positions = model.pos_encoding
    positions.temporal_size, positions.spatial_size = 4, (16, 16)
    if positions.spatial_pos is not None:
        positions.spatial_pos = nn.Parameter(positions.spatial_pos[:256].detach().clone())
        positions.temporal_pos = nn.Parameter(positions.temporal_pos[:4].detach().clone())


def cut_pools(model: nn.Module) -> None:
    """Let the poolings before a head, which are made for frames of 224 pixels, take those of 64."""
    for module in model.modules():
        if isinstance(module, nn.AvgPool3d) and not isinstance(module.kernel_size, int):
            frames, height, _ = module.kernel_size
            if height > 4:
                module.kernel_size = (frames, 2, 2)


NARROW = {"stem_dim_out": 8}
VIT = {"spatial_size": 64, "temporal_size": 8, "patch_embed_dim": 16}
SMALL = (8, 64, 64)
CASES = {
    "c3d": Case((16, 48, 48), {"width": 8, "fc_width": 64, "size": 48}),
    "i3d": Case((16, 64, 64), {"width": 0.25, "small_input": True}),
    "r3d": Case((8, 32, 32), {"width": 8, "depth": [1, 1, 1, 1]}),
    "r3d_18": Case((8, 32, 32), {"width": 8}),
    "torchvision:mc3_18": Case((4, 32, 32)),
    "torchvision:mvit_v1_b": Case(SMALL, prepare=cut_positions),
    "torchvision:mvit_v2_s": Case(SMALL, prepare=cut_positions),
    "torchvision:r2plus1d_18": Case((4, 32, 32)),
    "torchvision:r3d_18": Case((4, 32, 32)),
    "torchvision:s3d": Case((16, 64, 64), prepare=cut_pools),
    "torchvision:swin3d_b": Case((4, 64, 64)),
    "torchvision:swin3d_s": Case((4, 64, 64)),
    "torchvision:swin3d_t": Case((4, 64, 64)),
    "pytorchvideo:c2d_r50": Case(SMALL, NARROW, cut_pools),
    "pytorchvideo:create_csn": Case((32, 64, 64), NARROW, cut_pools),
    "pytorchvideo:create_multiscale_vision_transformers": Case(
        (8, 32, 32), {"spatial_size": 32, "temporal_size": 8, "patch_embed_dim": 16, "depth": 3}
    ),
    "pytorchvideo:create_r2plus1d": Case((16, 64, 64), NARROW, cut_pools),
    "pytorchvideo:create_resnet": Case(SMALL, NARROW, cut_pools),
    "pytorchvideo:create_slowfast": Case((32, 64, 64), {"stem_dim_outs": (16, 2)}, cut_pools),
    "pytorchvideo:create_x3d": Case(
        (4, 64, 64), {"input_clip_length": 4, "input_crop_size": 64, "depth_factor": 1.0}
    ),
    "pytorchvideo:csn_r101": Case((32, 64, 64), NARROW, cut_pools),
    "pytorchvideo:efficient_x3d_s": Case((13, 64, 64), prepare=cut_pools),
    "pytorchvideo:efficient_x3d_xs": Case((4, 64, 64), prepare=cut_pools),
    "pytorchvideo:i3d_r50": Case(SMALL, NARROW, cut_pools),
    "pytorchvideo:mvit_base_16": Case((1, 64, 64), VIT | {"temporal_size": 1}),
    "pytorchvideo:mvit_base_16x4": Case(SMALL, VIT),
    "pytorchvideo:mvit_base_32x3": Case(SMALL, VIT),
    "pytorchvideo:r2plus1d_r50": Case((16, 64, 64), NARROW, cut_pools),
    "pytorchvideo:slow_r50": Case(SMALL, NARROW, cut_pools),
    "pytorchvideo:slow_r50_detection": Case(SMALL, NARROW),
    "pytorchvideo:slowfast_16x8_r101_50_50": Case((64, 64, 64), {"stem_dim_outs": (16, 2)}, cut_pools),
    "pytorchvideo:slowfast_r101": Case((32, 64, 64), {"stem_dim_outs": (16, 2)}, cut_pools),
    "pytorchvideo:slowfast_r50": Case((32, 64, 64), {"stem_dim_outs": (16, 2)}, cut_pools),
    "pytorchvideo:slowfast_r50_detection": Case((32, 64, 64), {"stem_dim_outs": (16, 2)}),
    "pytorchvideo:x3d_l": Case((16, 64, 64), {"width_factor": 1.0}, cut_pools),
    "pytorchvideo:x3d_m": Case((16, 64, 64), prepare=cut_pools),
    "pytorchvideo:x3d_s": Case((13, 64, 64), prepare=cut_pools),
    "pytorchvideo:x3d_xs": Case((4, 64, 64), prepare=cut_pools),
}
BOX = {"low": -2.5, "high": 2.5}
OPTIONS = {"integrated_gradients": {"steps": 2}, "smoothgrad": {"samples": 2}, "dtd": BOX, "lrp_gamma": BOX}


class Cell(NamedTuple):
    """What was found of one explainer, or of concepts, on one network at one layer."""

    network: str
    explainer: str
    layer: str
    state: str
    text: str  # what it was measured against, or what it was refused with
    error: str = ""  # relative
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
            for layer in (
                layers if explainer == "gradcam" else layers[:1]
            ):  # the others go by the same features
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
        if issubclass(w.category, UserWarning) and ("voxplain" in w.filename or w.filename == __file__)
    ]
    return *result, " ".join(dict.fromkeys(said))


def _state(found: tuple[str, Any, str]) -> tuple[str, str, str, str]:
    state, result, warned = found
    if state:
        return state, result, "", warned
    error, law = result
    return ("right" if error <= TOLERANCE else "wrong"), law, f"{error:.1g}", warned


class Subject:
    """A network, its copy in double precision, and a clip."""

    def __init__(self, model: nn.Module, clip: Clip) -> None:
        generator = torch.Generator().manual_seed(0)
        calls_in_order(model, clip)  # refuses what it cannot be shown, as ``check`` does
        for module in model.modules():  # statistics as after training, lest norms do nothing
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
        self.model = model
        coarse = torch.randn(1, 3, *(-(-length // 4) for length in clip), generator=generator)
        fine = torch.randn(
            1, 3, *clip, generator=generator
        )  # lest maxima be ties, where nothing is a derivative
        self.clip = (F.interpolate(coarse, clip, mode="trilinear") + fine / 10).tanh() * 2
        self.generator = generator
        with torch.no_grad():
            moves = (model(self.clip) - model(0 * self.clip)).abs().max() / model(self.clip).abs().max()
        if moves < 1e-3:
            _train_norms(model, self.clip, generator)
        self.exact = copy.deepcopy(model).double()
        with torch.no_grad():
            score = self.model(self.clip)
            torch.testing.assert_close(score, self.exact(self.clip.double()).float(), rtol=1e-2, atol=1e-3)
        if score.shape != (1, CLASSES):
            raise AssertionError(f"logits are {tuple(score.shape)}")

    @torch.no_grad()
    def score(self, clip: Tensor) -> float:
        return float(self.exact(clip)[0, TARGET])

    def slope(self, clip: Tensor, direction: Tensor, step: float = 1e-6) -> float:
        """Change of the score along a direction, by differences."""
        clip, direction = clip.double(), direction.double()
        up, down = self.score(clip + step * direction), self.score(clip - step * direction)
        return (up - down) / (2 * step)


@torch.no_grad()
def _train_norms(model: nn.Module, clip: Tensor, generator: torch.Generator) -> None:
    """Statistics near what the clip gives: of random ones the signal vanishes in s3d, and with it all differences."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().momentum = 1.0
    model(clip)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum
        spread = norm.running_var.sqrt()
        norm.running_mean += 0.1 * spread * torch.randn(spread.shape, generator=generator)
        norm.running_var *= torch.empty_like(spread).uniform_(0.5, 1.5, generator=generator)


def _built(name: str, case: Case) -> Subject:
    model = build_model(name, None, CLASSES, seed=1, **case.options)
    case.prepare(model)
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
    return [torch.randn(1, 1, *subject.clip.shape[2:], generator=subject.generator) for _ in range(2)]


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
    # Along a random direction a slope is as large as the map's norm, or by chance much smaller.
    error = np.abs(np.subtract(found, expected)).max() / float(relevance.norm())
    return float(error), "differences of the score"


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


def asked(subject: Subject, explainer: str) -> tuple[float, str]:
    """Two halves of the clip, and what the scores of their four sets come to by the method's definition."""
    halves = torch.ones(subject.clip.shape[2:], dtype=torch.int64)
    halves[..., halves.shape[-1] // 3 :] = 2
    options = {"labels": halves[None, None], "samples": 16, "agreement": -1.0}
    relevance = explain(subject.model, subject.clip, TARGET, explainer, **options)[0]
    clip = subject.clip.double()
    score = {
        (a, b): subject.score(clip * torch.where(halves == 1, float(a), float(b)))
        for a, b in product((False, True), repeat=2)
    }
    sets = shown_in_half(np.random.default_rng([0, 2]), 2, 16)
    scores = np.array([score[tuple(shown)] for shown in sets.tolist()])
    if explainer == "kernel_shap":  # what each adds, alone and to the other
        alone = np.array([score[True, False], score[False, True]]) - score[False, False]
        added = score[True, True] - np.array([score[False, True], score[True, False]])
        expected = (alone + added) / 2
    elif explainer == "rise":
        expected = [scores[shown].mean() - scores[~shown].mean() for shown in sets.T]
    else:
        weight = np.exp(-(((1 - np.sqrt(sets.mean(axis=1))) / 0.25) ** 2))
        design = np.column_stack([np.ones(len(sets)), sets])
        penalty = np.diag([0.0, 1.0, 1.0])
        expected = np.linalg.solve(design.T * weight @ design + penalty, design.T * weight @ scores)[1:]
    return _relative(
        [float(relevance[halves == label][0]) for label in (1, 2)], list(expected)
    ), "scores of halves"


def noise(subject: Subject, explainer: str) -> tuple[float, str]:
    """Uniform, and without regard to the network."""
    relevance = explain(subject.model, subject.clip, TARGET, explainer)
    fair = 0 <= relevance.min() and relevance.max() < 1
    return abs(float(relevance.mean()) - 0.5) * (1 if fair else 1e9) / 10, "uniform noise"


def _tokens(output: tuple[Tensor, Any]) -> Tensor:
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
def _map(subject: Subject, layer: str, target: int, explainer: str = "gradcam") -> Tensor:
    """Grad-CAM or one of its kin on the copy, by plain hooks: the features' gradient comes from the output's."""
    network, outputs = subject.exact, []
    handle = network.get_submodule(layer).register_forward_hook(lambda _m, _i, output: outputs.append(output))
    try:
        score = network(subject.clip.double().requires_grad_())[0, target]
    finally:
        handle.remove()
    output = outputs[-1]
    tensor = output[0] if isinstance(output, tuple | list) else output
    slope = torch.autograd.grad(score, tensor)[0]
    name = subject.model.spec.name
    features = by_hand(name, output)
    slopes = by_hand(name, (slope, *output[1:]) if isinstance(output, tuple | list) else slope)
    weights = {
        "gradcam": lambda: slopes.mean((2, 3, 4), keepdim=True),
        "hirescam": lambda: slopes,
        "layercam": lambda: slopes.clamp(min=0),
    }[explainer]()
    terms = weights * features
    heat = terms.sum(1, keepdim=True).relu()
    if heat.max() < 1e-3 * terms.abs().sum(1).max():  # nothing but what rounding leaves of it
        heat = torch.zeros_like(heat)
    return F.interpolate(heat, subject.clip.shape[2:], mode="trilinear").detach()[:, 0]


def _maps(subject: Subject, layer: str, explainer: str = "gradcam") -> tuple[int, Tensor]:
    """The first class whose map has something positive, and its map by hand."""
    for target in (TARGET, *range(CLASSES)):
        heat = _map(subject, layer, target, explainer)
        if heat.any():
            return target, heat
    raise AssertionError("no class has a map")


def cams(subject: Subject, explainer: str, layer: str) -> tuple[float, str]:
    """Grad-CAM or one of its kin by hand."""
    explain(subject.model, subject.clip, TARGET, explainer, layer=layer)  # refuses what is no features
    target, expected = _maps(subject, layer, explainer)
    found = explain(subject.model, subject.clip, target, explainer, layer=layer)
    return _far(found, expected), "hooks on a copy, axes by hand"


def _far(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@torch.enable_grad()
def _guided(subject: Subject, target: int = TARGET) -> tuple[Tensor, int]:
    """Guided backpropagation on the copy by hooks, and how many rectifiers it met."""
    rectifiers = [module for module in subject.exact.modules() if isinstance(module, nn.ReLU)]
    met: list[None] = []

    def positive(_module: nn.Module, lower: tuple[Tensor], _upper: tuple[Tensor]) -> tuple[Tensor]:
        met.append(None)
        return (lower[0].clamp(min=0),)

    handles = [module.register_full_backward_hook(positive) for module in rectifiers]
    try:
        clip = subject.clip.double().requires_grad_()
        slope = torch.autograd.grad(subject.exact(clip)[0, target], clip)[0]
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
    target, heat = _maps(subject, layer)
    found = explain(subject.model, subject.clip, target, explainer, layer=layer)
    return _far(found, _guided(subject, target)[0] * heat), "hooks on a copy, axes by hand"


def conserved(subject: Subject, explainer: str) -> tuple[float, str]:
    """Relevance sums to the 1 that starts at the target."""
    relevance = explain(subject.model, subject.clip, TARGET, explainer, **OPTIONS.get(explainer, {}))
    return abs(float(relevance.sum()) - 1), "sums to 1"


def accounted(subject: Subject, explainer: str) -> tuple[float, str]:
    """Relevance and what constants absorb sum to the score, and `explain` gives that relevance."""
    relevance, absorbed = attention_relevance(subject.model, subject.clip, torch.tensor([TARGET]), **BOX)
    same = torch.equal(explain(subject.model, subject.clip, TARGET, explainer, **BOX), relevance)
    score = subject.score(subject.clip.double())
    shares = ", ".join(f"{kind} {share / score:.2f}" for kind, share in sorted(absorbed.items()))
    error = abs(float(relevance.double().sum()) + sum(absorbed.values()) - score) / abs(score)
    return error if same else torch.inf, f"sums to the score with what is absorbed ({shares or 'nothing'})"


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
    "attnlrp": accounted,
    **dict.fromkeys(("gradient", "input_x_gradient", "integrated_gradients", "smoothgrad"), gradients),
    **dict.fromkeys(("gradcam", "hirescam", "layercam"), cams),
    **dict.fromkeys(("rise", "lime", "kernel_shap"), asked),
    "guided_backprop": guided,
    "guided_gradcam": guided_cams,
    "occlusion": occlusions,
    "random": noise,
}


def read_cells(path: Path = CELLS) -> list[Cell]:
    """Cells as they were measured last."""
    if not path.exists():
        return []
    return [Cell(*row) for row in pd.read_csv(path, keep_default_na=False, dtype=str).itertuples(index=False)]


def page_block(cells: Sequence[Cell]) -> str:
    """The tables of docs/networks.md: explainers by network, layers by network, and what refusals and warnings say."""
    texts: dict[str, int] = {}

    def word(cell: Cell) -> str:
        said = [text for text in ((cell.text if cell.state == "refused" else ""), cell.warned) if text]
        marks = "".join(f" [{texts.setdefault(_anonymous(text, cell), len(texts) + 1)}]" for text in said)
        return cell.state + marks

    explainers = [plugin.name for plugin in EXPLAINERS] + ["concepts"]
    names = list(dict.fromkeys(cell.network for cell in cells))
    first = {(cell.network, cell.explainer): cell for cell in reversed(cells)}
    rows = []
    for name in names:
        found = [first.get((name, ""), first.get((name, explainer))) for explainer in explainers]
        rows.append([f"`{name}`", *(word(cell) if cell else "absent" for cell in found)])
    rows += [[f"`{name}`", *["absent"] * len(explainers)] for name in ABSENT]
    layers: dict[tuple[str, str], dict[str, str]] = {}
    for cell in cells:
        if cell.layer:
            layers.setdefault((cell.network, cell.layer), {})[cell.explainer] = word(cell)
    looking = ("gradcam", "guided_gradcam", "concepts")
    inner = [
        [f"`{name}`", f"`{layer}`", *(found.get(each, "absent") for each in looking)]
        for (name, layer), found in layers.items()
    ]
    errors = [float(cell.error) for cell in cells if cell.error]
    lines = [
        f"{len(names)} networks; the largest error of a cell that is right is {max(errors):.1g}.\n",
        *_table(["network", *(f"`{name}`" for name in explainers)], rows),
        "\nAbsent networks: " + "; ".join(f"`{name}` ({why})" for name, why in ABSENT.items()) + ".\n",
        "Layers: the default of Grad-CAM first, then those for concepts.\n",
        *_table(["network", "layer", *(f"`{name}`" for name in looking)], inner),
        "\nWhat is said:\n",
        *(f"{number}. {text}" for text, number in texts.items()),
    ]
    return "\n".join(lines) + "\n"


def _anonymous(text: str, cell: Cell) -> str:
    """A message without the names of this network and layer, so that the same trouble is one."""
    text = text.replace(f"'{cell.layer}'", "LAYER") if cell.layer else text
    return text.replace(cell.network, "NETWORK")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def main(given: Sequence[str] | None = None) -> int:
    """Measure networks, and with none named all of them, and write the table and the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", help="measure these only; without --write nothing is written")
    parser.add_argument("--write", action="store_true", help="replace their rows, and write the page")
    parser.add_argument(
        "--missing", action="store_true", help="measure those that the page lacks, and write it"
    )
    arguments = parser.parse_args(given)
    write, fine = arguments.write or not arguments.networks, True
    known = {cell.network for cell in read_cells()} if arguments.missing else ()
    for name in arguments.networks or [name for name in all_networks() if name not in known]:
        cells = []
        for cell in survey(name):
            print(*cell, sep=" | ", flush=True)
            cells.append(cell)
        fine &= all(cell.state in STATES for cell in cells)
        if write:  # at once, as all of them take long
            write_cells([cell for cell in read_cells() if cell.network != name] + cells)
    return int(not fine)


def write_cells(cells: Sequence[Cell]) -> None:
    """Write the table beside the page, and the page; networks that are registered no more are left out."""
    order = {name: place for place, name in enumerate(all_networks())}
    rows = sorted((cell for cell in cells if cell.network in order), key=lambda cell: order[cell.network])
    pd.DataFrame(rows, columns=Cell._fields).to_csv(CELLS, index=False)
    PAGE.write_text(with_block(PAGE.read_text(), "networks", page_block(rows)))


if __name__ == "__main__":
    sys.exit(main())
