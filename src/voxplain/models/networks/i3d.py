"""I3D: Inception-v1 inflated to three dimensions, as released for Kinetics-400."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import nn
from torch.nn import functional as F

from ..base import MODELS
from ..kinetics import i3d_kinetics400

# Output channels of the branches 1x1; 1x1 then 3x3; 1x1 then 3x3; pooling then 1x1 (Szegedy et al. 2015,
# table 1; mixed_4d and mixed_4e as released).
MIXED = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}

Padding = Literal["zeros", "replicate", "auto"]
# Least frames, height and width at which padding of zeros is used with the released weights: those of the
# clips that it was trained and tested on.
RELEASED = (32, 224, 224)


def same_padding(sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> list[int]:
    """TensorFlow's SAME padding, in the order of `torch.nn.functional.pad`.

    The output has ``ceil(size / stride)`` positions; an odd amount pads one more at the end.
    """
    padding = []
    for size, width, step in zip(reversed(sizes), reversed(kernel), reversed(stride), strict=True):
        total = max((-(-size // step) - 1) * step + width - size, 0)
        padding += [total // 2, total - total // 2]
    return padding


class SameConv3d(nn.Conv3d):
    """Convolution that pads its input by as much as TensorFlow's SAME does, with zeros or its border's values."""

    replicate = False  # set by `I3D`, for a whole forward pass

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if not self.replicate and set(self.stride) == {1}:  # torch's own padding, with the same zeros
            return super().forward(inputs)
        around = same_padding(inputs.shape[2:], self.kernel_size, self.stride)
        if any(around):
            inputs = F.pad(inputs, around, mode="replicate" if self.replicate else "constant")
        return F.conv3d(inputs, self.weight, self.bias, self.stride)


class SamePad3d(nn.Module):
    """Zero padding as TensorFlow's SAME, before a pooling.

    Zeros serve where the input comes from a ReLU. A module of its own, so that the pooling is a stock
    one: rules for pooling layers then need not know how it was padded.
    """

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return F.pad(inputs, same_padding(inputs.shape[2:], self.kernel, self.stride))


class ClippedAvgPool3d(nn.AvgPool3d):
    """Average pooling whose window shrinks to the input where that is smaller."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        window = [min(pair) for pair in zip(self.kernel_size, inputs.shape[2:], strict=True)]
        return F.avg_pool3d(inputs, window, self.stride)


class CenteredBatchNorm3d(nn.BatchNorm3d):
    """Batch normalization with an offset but no scale, as in the release."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-3)
        del self.weight
        # A constant, not a parameter; tools that merge normalization into convolutions look for it.
        self.register_buffer("weight", torch.ones(channels), persistent=False)

    def reset_parameters(self) -> None:
        self.reset_running_stats()
        nn.init.zeros_(self.bias)


class Unit(nn.Sequential):
    """Convolution, normalization, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        # With stride 1 and odd kernels, SAME is torch's own symmetric padding.
        around = kernel // 2 if stride == 1 else 0
        conv = SameConv3d(inputs, outputs, kernel, stride=stride, padding=around, bias=False)
        super().__init__(OrderedDict(conv=conv, bn=CenteredBatchNorm3d(outputs), relu=nn.ReLU()))


class Inception(nn.Module):
    """Four branches whose outputs are put side by side."""

    def __init__(self, inputs: int, channels: Sequence[int]) -> None:
        super().__init__()
        one, reduce_1, three_1, reduce_2, three_2, pooled = channels
        self.branch_0 = _named(conv_0a=Unit(inputs, one))
        self.branch_1 = _named(conv_0a=Unit(inputs, reduce_1), conv_0b=Unit(reduce_1, three_1, 3))
        self.branch_2 = _named(conv_0a=Unit(inputs, reduce_2), conv_0b=Unit(reduce_2, three_2, 3))
        self.branch_3 = _named(pool_0a=nn.MaxPool3d(3, stride=1, padding=1), conv_0b=Unit(inputs, pooled))
        self.channels = one + three_1 + three_2 + pooled

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        branches = (self.branch_0, self.branch_1, self.branch_2, self.branch_3)
        return torch.cat([branch(inputs) for branch in branches], dim=1)


def _named(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def _pool(kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> nn.Sequential:
    return _named(pad=SamePad3d(kernel, stride), max=nn.MaxPool3d(kernel, stride))


class I3D(nn.Sequential):
    """I3D (Carreira and Zisserman 2017, figure 3).

    The release averages logits over positions; the head here takes the averaged features, which is the
    same, since it is linear.
    """

    def __init__(
        self, num_classes: int, *, width: float, dropout: float, small_input: bool, padding: Padding
    ) -> None:
        def scaled(channels: int) -> int:
            return max(1, round(channels * width))

        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = scaled(192)
        layers["conv_1a"] = Unit(3, scaled(64), 7, stride=2)
        if not small_input:
            layers["pool_2a"] = _pool((1, 3, 3), (1, 2, 2))
        layers["conv_2b"] = Unit(scaled(64), scaled(64))
        layers["conv_2c"] = Unit(scaled(64), channels, 3)
        layers["pool_3a"] = _pool((1, 3, 3), (1, 2, 2))
        for name, branches in MIXED.items():
            if name == "4b":
                layers["pool_4a"] = _pool((3, 3, 3), (2, 2, 2))
            if name == "5b":
                layers["pool_5a"] = _pool((2, 2, 2), (2, 2, 2))
            layers[f"mixed_{name}"] = block = Inception(channels, [scaled(c) for c in branches])
            channels = block.channels
        layers["avgpool"] = ClippedAvgPool3d((2, 7, 7), stride=1)
        layers["average"] = nn.AdaptiveAvgPool3d(1)
        layers["flatten"] = nn.Flatten()
        layers["dropout"] = nn.Dropout(dropout)
        layers["head"] = nn.Linear(channels, num_classes)
        super().__init__(layers)
        self.padding = padding
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        smaller = any(length < least for length, least in zip(inputs.shape[2:], RELEASED, strict=True))
        for module in self.modules():
            if isinstance(module, SameConv3d):
                module.replicate = self.padding == "replicate" or (self.padding == "auto" and smaller)
        return super().forward(inputs)


@MODELS(
    "i3d",
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
    concept_layers=("mixed_4f", "mixed_5b", "mixed_5c"),
    last_conv="mixed_5c",
    head="head",
    weights={"default": i3d_kinetics400, "kinetics400": i3d_kinetics400},
    weights_options={"padding": "auto"},
    published_size=224,  # of the clips that the weights were trained on; at half of it answers are others
)
def i3d(
    num_classes: int,
    *,
    width: PositiveFloat = 1.0,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    small_input: bool = False,
    padding: Padding | None = None,
) -> I3D:
    """I3D: Inception-v1 inflated; takes clips of any size; Kinetics-400 weights can be had.

    Parameters
    ----------
    width : float
        Factor on all channels; 1 is the paper's, 0.125 makes a small CPU version.
    dropout : float
        Before the head; 0 suits a small CPU version, which has few features to spare.
    small_input : bool
        Leave out the first pooling, so that frames of 64 x 64 end at 4 x 4 rather than 2 x 2 positions.
    padding : {"zeros", "replicate", "auto"}, optional
        What convolutions see around their input: zeros, as released, or its border's values. The released
        weights took the zeros as a sign of the border, and on clips that are smaller or shorter than those
        they were trained on, whatever is shown, units at the right border and at the end answer to it more
        strongly than to the clip. ``auto``, the default with these weights, is zeros for clips of 32 frames of
        224 pixels or more, and replicate for others. Without them the default is zeros.
    """
    return I3D(num_classes, width=width, dropout=dropout, small_input=small_input, padding=padding or "zeros")
