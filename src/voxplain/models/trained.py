"""A trained network with all that is needed to show it clips."""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..device import Precision, choose_device, has_bfloat16, passes_in
from ..errors import ConfigError
from .base import ModelSpec
from .build import in_fastest_order, load_model
from .inputs import normalize
from .weights import load_weights

log = logging.getLogger(__name__)
MOST_TRIED = 1000  # frames or pixels of clips on which a network is tried


@dataclass(frozen=True)
class TrainedModel:
    """A network, its classes and its device.

    Attributes
    ----------
    network : Module in evaluation mode
    classes : list of str
        Names of the classes in the order of the logits.
    device : torch.device
    precision : {"float32", "bfloat16"}
        At which many edited clips are shown to it: of `logits`, `predict` and activations of supervoxels, and of nothing
        else. Gradients and explainers are float32 whatever it is.
    clips : dict
        How the clips of its run were cut: the config's section ``clips``, as the file of weights says it; empty where
        that says nothing of it.
    """

    network: nn.Module
    classes: list[str]
    device: torch.device
    precision: Precision = "float32"
    clips: dict[str, Any] = field(default_factory=dict)

    @property
    def spec(self) -> ModelSpec:
        """Facts about the network."""
        return self.network.spec

    def inputs(self, clips: np.ndarray) -> torch.Tensor:
        """Network input (N, 3, T, H, W) of uint8 clips (N, T, H, W, 3)."""
        return normalize(torch.from_numpy(clips).to(self.device), self.spec)

    def targets(self, names: list[str]) -> torch.Tensor:
        """Class numbers (N,) of class names."""
        return torch.tensor([self.classes.index(name) for name in names], device=self.device)

    def fill(self, color: str | tuple[int, int, int]) -> np.ndarray:
        """Color (3,) uint8 for hidden voxels: the input mean for ``"mean"``, which is 0 to the network."""
        return np.rint(self.spec.mean if color == "mean" else color).astype(np.uint8)

    def passes(self) -> AbstractContextManager:
        """Context in which the network is shown clips at its precision."""
        return passes_in(self.device, self.precision)

    @torch.no_grad()
    def logits(self, clips: np.ndarray) -> np.ndarray:
        """Logits (N, classes) float32 of uint8 clips (N, T, H, W, 3)."""
        inputs = self.inputs(clips)
        with self.passes():
            return self.network(inputs).float().cpu().numpy()

    def predict(self, clips: np.ndarray) -> np.ndarray:
        """Names (N,) of the classes with the largest logits."""
        return np.array(self.classes)[self.logits(clips).argmax(axis=1)]


def load_trained(
    path: str | Path, *, trust: Collection[str] = (), precision: Precision = "float32"
) -> TrainedModel:
    """Load a network that a training stage saved, onto the machine's device.

    Parameters
    ----------
    path, trust
        As for `voxplain.models.load_model`, and so are the errors.
    precision : {"float32", "bfloat16"}
        As of `TrainedModel`.
    """
    device = choose_device()
    if precision == "bfloat16" and not has_bfloat16(device):
        log.warning(
            "%s has no bfloat16 of its own, which was chosen on another machine: it takes longer.", device
        )
    _, spec, about = load_weights(path)
    classes = about.get("classes")
    named = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    if not named or not len(classes) == len(set(classes)) == spec.get("num_classes"):
        raise ConfigError(
            f"{path} does not name the classes of its network, one name each: it is no file of a run, or damaged. "
            "Train or fit the network again: snakemake --cores all --forcerun train_model."
        )
    clips = about.get("clips") or {}
    network = load_model(path, trust=trust).to(device)
    # What a file says may be anything; whoever cuts clips tells it.
    cut = clips if isinstance(clips, dict) else {}
    shape = network.spec.frames or cut.get("frames"), *[network.spec.size or cut.get("size")] * 2
    possible = all(type(one) is int and 1 <= one <= MOST_TRIED for one in shape)
    in_fastest_order(network, shape if possible else None)
    return TrainedModel(network, classes, device, precision, clips)
