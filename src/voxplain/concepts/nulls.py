"""What the effects of concepts are compared with, as it lies in artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..artifacts import open_h5
from .scores import Cavs


@dataclass(frozen=True)
class Nulls:
    """Both nulls of `voxplain.concepts.scores.score_concepts`, and the random subset of the authors' code.

    Attributes
    ----------
    clusters : (concepts, sets, d) float and (concepts, sets) float
        CAVs of concepts found in random videos, and distances along them.
    subset : (1, sets, d) float and (1, sets) float
        The same of a random subset.
    gradients : mapping of str to (draws, d) float
        By class, of networks that are random above the layer.
    """

    clusters: Cavs
    subset: Cavs
    gradients: Mapping[str, np.ndarray]


def read_nulls(random_cavs: str | Path, random_gradients: str | Path) -> Nulls:
    """Read artifacts of the kinds ``random_cavs`` and ``random_gradients``."""
    with open_h5(random_cavs, "random_cavs") as file:
        found = [(file[of]["vectors"][()], file[of]["distances"][()]) for of in ("clusters", "subset")]
    with open_h5(random_gradients, "random_gradients") as file:
        gradients = dict(zip(file["class"].asstr()[()], file["gradients"][()], strict=True))
    return Nulls(*found, gradients)
