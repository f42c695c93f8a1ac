"""Grad-CAM and its kin, guided backpropagation, and the product of the two."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import scipy.ndimage
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ConfigError, nearest
from ..models.layers import hooked
from ..models.shapes import FeatureView, feature_view
from . import EXPLAINERS
from .backward import Interception, OwnDerivative, at_targets, frozen, input_gradient

Pool = Literal["clip", "frame"]
Upsampling = Literal["trilinear", "spline"]


@EXPLAINERS("gradcam", conservative=False, signed=False, needs=())
def gradcam(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    pool: Pool = "clip",
    upsampling: Upsampling = "trilinear",
) -> Tensor:
    """Grad-CAM: feature maps weighted by their pooled gradients, positive part, upsampled to the clip.

    Parameters
    ----------
    layer : str, optional
        Layer whose features are weighted, ``(N, C, t, h, w)``, with channels last, or tokens beside their grid. By default the
        network's last block (``model.spec.last_conv``) or, where it names none, its last convolution that still sees space.
    pool : {"clip", "frame"}
        Pool gradients over space and time, or over space alone, as mmaction2 does.
    upsampling : {"trilinear", "spline"}
        ``spline`` is the order-3 zoom of Hiley et al.'s code; it undershoots zero, and stretches maps outward, by half a cell at
        the borders (`findings/grad_cam_moves_maps_of_3d_networks_outward.sh`).

    References
    ----------
    Selvaraju et al., Grad-CAM, ICCV (2017), equations (1) and (2).
    """
    features, gradients = _features_and_gradients(model, inputs, targets, layer)
    weights = gradients.mean((2, 3, 4) if pool == "clip" else (3, 4), keepdim=True)
    return _upsampled((weights * features).sum(1).relu(), inputs, upsampling)


@EXPLAINERS("hirescam", conservative=False, signed=False, needs=())
def hirescam(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    upsampling: Upsampling = "trilinear",
) -> Tensor:
    """HiRes-CAM: feature maps times their gradients, place by place, positive part of the sum, upsampled to the clip.

    Without pooling gradients, which makes Grad-CAM show places that the score does not depend on.

    Parameters
    ----------
    layer, upsampling
        As for Grad-CAM.

    References
    ----------
    Draelos and Carin, Use HiResCAM instead of Grad-CAM, arXiv:2011.08891 (2020), equation (3).
    """
    features, gradients = _features_and_gradients(model, inputs, targets, layer)
    terms = gradients * features
    sums = terms.sum(1)
    # A norm over channels takes their scale away, so that at every place the products sum to 0 (Euler's theorem).
    if sums.abs().max() < 1e-4 * terms.abs().sum(1).max():
        raise ConfigError(
            "HiRes-CAM is 0 everywhere, whatever the clip shows: what follows the layer does not depend on the size of its "
            "features, as a layer norm does not. Take gradcam or layercam, or another layer as option 'layer'."
        )
    return _upsampled(sums.relu(), inputs, upsampling)


@EXPLAINERS("layercam", conservative=False, signed=False, needs=())
def layercam(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    upsampling: Upsampling = "trilinear",
) -> Tensor:
    """Layer-CAM: feature maps times the positive part of their gradients, place by place, positive part of the sum, upsampled to the clip.

    Parameters
    ----------
    layer, upsampling
        As for Grad-CAM. Made for early layers, too.

    References
    ----------
    Jiang et al., LayerCAM, IEEE Transactions on Image Processing 30 (2021), equations (5) and (6).
    """
    features, gradients = _features_and_gradients(model, inputs, targets, layer)
    return _upsampled((gradients.relu() * features).sum(1).relu(), inputs, upsampling)


def activation_norm(model: nn.Module, inputs: Tensor, *, layer: str | None = None) -> Tensor:
    """Norm over channels of the features that Grad-CAM weights, upsampled to the clip: a control, and no explainer.

    It knows the network, and neither the class nor any gradient: what an explanation shows beyond it is the explanation's own.

    Parameters
    ----------
    model, inputs, layer
        As for `gradcam`.

    Returns
    -------
    Tensor, (N, T, H, W)
    """
    with frozen(model):
        features = _features_and_scores(model, inputs, layer)[0].detach()
    return _upsampled(features.norm(dim=1), inputs, "trilinear")


@EXPLAINERS("guided_backprop", conservative=False, signed=True, needs=())
def guided_backprop(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Guided backpropagation: gradient that passes a ReLU only where it is positive.

    Warns
    -----
    UserWarning
        The network has no ReLU.

    References
    ----------
    Springenberg et al., Striving for simplicity: the all convolutional net, ICLR workshop (2015).
    """
    rectified: list[str] = []

    def guided(*args: Any, **kwargs: Any) -> Tensor:
        rectified.append("relu")
        return _guided(*args, **kwargs)

    with Interception({"relu": guided}):
        relevance = input_gradient(model, inputs, targets).sum(1)
    if not rectified:
        warnings.warn(
            "Nothing in the network is rectified (it has no ReLU), so that guided backpropagation is the plain gradient. "
            "Choose the explainer gradient, and say so, or another.",
            stacklevel=3,
        )
    return relevance


@EXPLAINERS("guided_gradcam", conservative=False, signed=True, needs=())
def guided_gradcam(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    *,
    layer: str | None = None,
    pool: Pool = "clip",
    upsampling: Upsampling = "trilinear",
) -> Tensor:
    """Guided Grad-CAM: guided backpropagation times Grad-CAM, whose options it takes.

    References
    ----------
    Selvaraju et al., Grad-CAM, ICCV (2017), section 3.2.
    """
    heat = gradcam(model, inputs, targets, layer=layer, pool=pool, upsampling=upsampling)
    return guided_backprop(model, inputs, targets) * heat


def _guided(function: Callable, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    def rule(upper: Tensor, input: Tensor) -> tuple[Tensor]:
        return (upper.clamp(min=0) * (input > 0),)

    return OwnDerivative.apply(lambda x: function(x, *args, **kwargs), rule, input)


def _features_and_gradients(
    model: nn.Module, inputs: Tensor, targets: Tensor, layer: str | None
) -> tuple[Tensor, Tensor]:
    """Output of the layer and its gradient, both ``(N, C, t, h, w)``."""
    with frozen(model):
        features, scores, layer, view = _features_and_scores(model, inputs, layer)
        gradients = torch.autograd.grad(at_targets(scores, targets).sum(), features)[0]
    view.check_effect(layer, gradients)
    return features.detach(), gradients


def _upsampled(heat: Tensor, inputs: Tensor, upsampling: Upsampling) -> Tensor:
    """Maps ``(N, t, h, w)`` on the grid of the clips."""
    if upsampling == "spline":
        return torch.stack([_spline(clip, inputs.shape[2:]) for clip in heat])
    return F.interpolate(heat[:, None], inputs.shape[2:], mode="trilinear", align_corners=False)[:, 0]


def _features_and_scores(
    model: nn.Module, inputs: Tensor, layer: str | None
) -> tuple[Tensor, Tensor, str | None, FeatureView]:
    """Features of the layer to weight and the scores made from it, whose graph begins there; its name and view."""
    features: Tensor | None = None

    def keep(_name: str, output: Any) -> Any:
        nonlocal features
        if layer is None and features is not None and output.shape[-2:] == (1, 1):
            return output
        features = view.features(output).detach().requires_grad_()
        return view.replaced(output, features.clone())  # what follows may work in place

    layer = layer or getattr(getattr(model, "spec", None), "last_conv", None)
    view = FeatureView(tuple(range(5))) if layer is None else feature_view(model, layer, inputs.shape[2:])
    with hooked(model, _candidates(model, layer), keep):
        scores = model(inputs)
    if features is None:
        raise ConfigError("The network has no convolution whose features could be weighted.")
    return features, scores, layer, view


def _candidates(model: nn.Module, layer: str | None) -> list[str]:
    """The named layer, or all convolutions, by name."""
    modules = dict(model.named_modules())
    if layer is None:
        return [name for name, module in modules.items() if name and isinstance(module, nn.Conv3d)]
    if layer not in modules:
        raise ConfigError(
            f"The network has no layer {layer!r}{nearest(layer, modules)} Give another as option 'layer'."
        )
    return [layer]


def _spline(heat: Tensor, shape: tuple[int, ...]) -> Tensor:
    factors = [size / length for size, length in zip(shape, heat.shape, strict=True)]
    return torch.from_numpy(scipy.ndimage.zoom(heat.cpu().numpy(), factors, order=3)).to(heat)
