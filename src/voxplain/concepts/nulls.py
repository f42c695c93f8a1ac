"""What the effects of concepts are compared with, from and in artifacts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..activation_store import open_activations, read_activations
from .random_sets import null_concepts


def random_concepts(
    activations: Sequence[str | Path],
    layer: str,
    *,
    clusterings: int,
    seed: int,
    max_supervoxels: int | None = None,
    **clustering: Any,
) -> Iterator[np.ndarray]:
    """Concepts of random discovery videos of all classes.

    Parameters
    ----------
    activations : sequence of path
        Artifacts of kind ``activations``, of all discovery videos.
    layer : str
    clusterings, seed, **clustering
        As for `voxplain.concepts.random_sets.null_concepts`, and so are the errors.
    max_supervoxels : int, optional
        Of each random choice of videos, as for `read_activations`.

    Yields
    ------
    (members, d) float32 : one concept
    """

    def read(videos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = read_activations(
            activations, layer, videos=set(videos), max_supervoxels=max_supervoxels, seed=seed
        )
        return found.supervoxels, found.table["video"].to_numpy()

    classes = {}
    for path in activations:
        with open_activations(path) as groups:
            classes |= {video: group.attrs["class"] for (video, _), group in groups.items()}
    yield from null_concepts(read, classes, clusterings=clusterings, seed=seed, **clustering)
