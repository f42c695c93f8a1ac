"""C3D: plain 3 x 3 x 3 convolutions, pooling, and three fully connected layers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

import torch
from pydantic import Field, PositiveInt
from torch import nn

from ...errors import ConfigError
from ..base import MODELS

# Convolutions of each stage, with their channels in units of the width.
STAGES = [("1a", 1)], [("2a", 2)], [("3a", 4), ("3b", 4)], [("4a", 8), ("4b", 8)], [("5a", 8), ("5b", 8)]


class C3D(nn.Sequential):
    """C3D (Tran et al. 2015, section 3.2): 8 convolutions, 5 poolings, fc6 to fc8."""

    def __init__(
        self,
        num_classes: int,
        *,
        width: int,
        fc_width: int,
        dropout: float,
        batch_norm: bool,
        frames: int,
        size: int,
    ) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        channels = 3
        for number, stage in enumerate(STAGES, start=1):
            for name, factor in stage:
                layers[f"conv{name}"] = nn.Conv3d(channels, width * factor, 3, padding=1)
                channels = width * factor
                if batch_norm:
                    layers[f"bn{name}"] = nn.BatchNorm3d(channels)
                layers[f"relu{name}"] = nn.ReLU()
            # The first pooling keeps the frames apart, the last one takes odd borders in.
            window = (1, 2, 2) if number == 1 else (2, 2, 2)
            layers[f"pool{number}"] = nn.MaxPool3d(window, padding=(0, 1, 1) if number == 5 else 0)
        features = channels * (frames // 16) * (size // 32 + 1) ** 2
        layers["flatten"] = nn.Flatten()
        for number in (6, 7):
            layers[f"fc{number}"] = nn.Linear(features, fc_width)
            layers[f"relu{number}"] = nn.ReLU()
            layers[f"dropout{number}"] = nn.Dropout(dropout)
            features = fc_width
        layers["fc8"] = nn.Linear(features, num_classes)
        super().__init__(layers)
        self.frames, self.size = frames, size
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.fc8.weight, std=0.01)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Map (N, 3, frames, size, size) to logits (N, classes)."""
        if clips.shape[2:] != (self.frames, self.size, self.size):
            raise ConfigError(
                f"This c3d takes clips of {self.frames} x {self.size} x {self.size}, not "
                f"{' x '.join(map(str, clips.shape[2:]))}: set its options frames and size to the clips'."
            )
        return super().forward(clips)


@MODELS(
    "c3d",
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
    concept_layers=("pool5", "relu5b", "pool4"),
    last_conv="relu5b",
    head="fc8",
    weights={},
)
def c3d(
    num_classes: int,
    *,
    width: PositiveInt = 64,
    fc_width: PositiveInt = 4096,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    batch_norm: bool = False,
    frames: Annotated[int, Field(ge=16)] = 16,
    size: Annotated[int, Field(ge=16)] = 112,
) -> C3D:
    """C3D: 8 convolutions of 3 x 3 x 3 and 3 fully connected layers; takes one clip size only.

    Parameters
    ----------
    width : int
        Channels of the first convolution; 64 in the paper, 8 makes a small CPU version.
    fc_width : int
        Units of fc6 and fc7.
    dropout : float
        After fc6 and fc7.
    batch_norm : bool
        Normalize after each convolution. The paper does not; small versions learn faster with it.
    frames, size : int
        Clip length, height and width; at least 16.
    """
    return C3D(
        num_classes,
        width=width,
        fc_width=fc_width,
        dropout=dropout,
        batch_norm=batch_norm,
        frames=frames,
        size=size,
    )
