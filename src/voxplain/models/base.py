"""The registry of networks, and the facts about one network that other parts need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..registry import Registry

MODELS = Registry("model", "voxplain.models.networks")


@dataclass(frozen=True)
class ModelSpec:
    """Facts about a network, kept as its attribute ``spec``.

    Attributes
    ----------
    name : str
        What `voxplain.build_model` was called with.
    num_classes : int
    options : dict
        Options of the network, defaults filled in; JSON can hold them.
    mean, std : (3,) float
        Of the input's channels, RGB in 0..255: the network is shown ``(clip - mean) / std``.
    frames, size : int or None
        The only clip length, and height and width, that the network takes; None where any will do.
    concept_layers : tuple of str
        Layers whose concepts are worth explaining, the default first. Under global average pooling and
        a linear head, the gradient of a logit at the last block is the same for every clip, so the
        default lies one block deeper.
    last_conv : str
        Last convolutional block, Grad-CAM's layer.
    head : str
        The last linear layer.
    """

    name: str
    num_classes: int
    options: dict[str, Any]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    frames: int | None
    size: int | None
    concept_layers: tuple[str, ...]
    last_conv: str
    head: str
