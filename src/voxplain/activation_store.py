"""Read activations of supervoxels and clips from the artifacts of several shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from .artifacts import open_h5
from .errors import VoxplainError


@dataclass(frozen=True)
class LayerActivations:
    """Activations at one layer.

    Attributes
    ----------
    table : DataFrame
        video, label, clip, level, supervoxel: one row per supervoxel.
    supervoxels : (n, d) float32
    clip_table : DataFrame
        video, label, clip: one row per clip.
    clips : (clips, d) float32
        Activations of whole clips.
    gradients : (clips, d) float32
        Gradient of the logit of each clip's own class.
    """

    table: pd.DataFrame
    supervoxels: np.ndarray
    clip_table: pd.DataFrame
    clips: np.ndarray
    gradients: np.ndarray


def read_activations(paths: Sequence[str | Path], layer: str, *, label: str | None = None) -> LayerActivations:
    """Read one layer's activations, of one class or of all.

    Parameters
    ----------
    paths : sequence of path
        Artifacts of kind ``activations``.
    layer : str
    label : str, optional
        Only videos of this class.

    Raises
    ------
    VoxplainError
        There are none.
    """
    tables, supervoxels, clip_rows, clips, gradients = [], [], [], [], []
    for path in paths:
        with open_h5(path, "activations") as file:
            for name, group in file.items():
                if label is not None and group.attrs["label"] != label:
                    continue
                row = {"video": group.attrs["video"], "label": group.attrs["label"], "clip": int(group.attrs["clip"])}
                tables.append(pd.DataFrame(group["kept"][()], columns=["level", "supervoxel"]).assign(**row))
                supervoxels.append(group[f"supervoxels/{layer}"][()])
                clip_rows.append(row)
                clips.append(group[f"clip/{layer}"][()])
                gradients.append(group[f"gradient/{layer}"][()])
    if not clips:
        raise VoxplainError(
            f"No clip of {label or 'any class'} is usable; see tables/set_aside.csv for the reasons. "
            "Give the class videos that can be decoded, or leave it out by data.classes."
        )
    return LayerActivations(
        pd.concat(tables, ignore_index=True),
        np.concatenate(supervoxels).astype(np.float32),
        pd.DataFrame(clip_rows),
        np.stack(clips).astype(np.float32),
        np.stack(gradients).astype(np.float32),
    )


@contextmanager
def open_activations(path: str | Path) -> Iterator[dict[tuple[str, int], h5py.Group]]:
    """Open a shard's activations as groups by (video, clip)."""
    with open_h5(path, "activations") as file:
        yield {(group.attrs["video"], int(group.attrs["clip"])): group for group in file.values()}
