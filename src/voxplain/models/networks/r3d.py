"""3D ResNets of basic blocks: torchvision's r3d_18 at any width and depth."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import nn

from ..base import MODELS
from ..layers import AddingBlock, make_hookable
from ..weights import torchvision_weights

Depth = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]


class R3D(nn.Module):
    """R3D (Tran et al. 2018, section 3.2), with torchvision's module names.

    torchvision's own class fixes the width at 64.
    """

    def __init__(self, num_classes: int, *, width: int, depth: Depth) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, width, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(),
        )
        self.layer1 = _stage(width, width, depth[0], stride=1)
        self.layer2 = _stage(width, 2 * width, depth[1], stride=2)
        self.layer3 = _stage(2 * width, 4 * width, depth[2], stride=2)
        self.layer4 = _stage(4 * width, 8 * width, depth[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(8 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, T, H, W) to logits (N, classes)."""
        features = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(clips)))))
        return self.fc(self.avgpool(features).flatten(1))


def _stage(inputs: int, planes: int, blocks: int, *, stride: int) -> nn.Sequential:
    """Basic blocks, the first of which widens and, with a stride of 2, halves time and space."""
    shortcut = None
    if stride != 1 or inputs != planes:
        convolution = nn.Conv3d(inputs, planes, 1, stride=stride, bias=False)
        shortcut = nn.Sequential(convolution, nn.BatchNorm3d(planes))
    first = AddingBlock(inputs, planes, stride, shortcut)
    return nn.Sequential(first, *(AddingBlock(planes, planes) for _ in range(blocks - 1)))


def _kinetics400() -> dict[str, torch.Tensor]:
    from torchvision.models.video import R3D_18_Weights

    return torchvision_weights(R3D_18_Weights.KINETICS400_V1)


_FACTS = {
    "mean": tuple(255 * value for value in (0.43216, 0.394666, 0.37645)),
    "std": tuple(255 * value for value in (0.22803, 0.22145, 0.216989)),
    "concept_layers": ("layer3", "layer2", "layer4"),
    "last_conv": "layer4",
    "head": "fc",
    "weights": {"default": _kinetics400, "kinetics400": _kinetics400},
}


@MODELS("r3d", **_FACTS)
@MODELS("r3d_18", **_FACTS)
def r3d_18(num_classes: int, *, width: PositiveInt = 64, depth: Depth = (2, 2, 2, 2)) -> nn.Module:
    """R3D-18: a residual network of 3 x 3 x 3 convolutions; takes clips of any size.

    Parameters
    ----------
    width : int
        Channels of the stem; 64 is torchvision's, 10 makes a small CPU version.
    depth : four int
        Blocks of each stage.
    """
    return make_hookable(R3D(num_classes, width=width, depth=depth))
