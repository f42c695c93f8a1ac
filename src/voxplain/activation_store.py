"""Read activations of supervoxels and clips from the artifacts of several shards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
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
        video, class, clip, level, supervoxel: one row per supervoxel.
    supervoxels : (n, d) float32
    clip_table : DataFrame
        video, class, clip: one row per clip.
    clips : (clips, d) float32
        Activations of whole clips.
    gradients : (clips, d) float32
        Gradient of the logit of each clip's own class.
    n_supervoxels : int
        Of how many the table's rows are all, or a sample.
    """

    table: pd.DataFrame
    supervoxels: np.ndarray
    clip_table: pd.DataFrame
    clips: np.ndarray
    gradients: np.ndarray
    n_supervoxels: int = 0


def read_activations(
    paths: Sequence[str | Path],
    layer: str,
    *,
    class_name: str | None = None,
    videos: Collection[str] | None = None,
    max_supervoxels: int | None = None,
    seed: int = 0,
) -> LayerActivations:
    """Read one layer's activations, of some videos or of all.

    Parameters
    ----------
    paths : sequence of path
        Artifacts of kind ``activations``.
    layer : str
    class_name : str, optional
        Only videos of this class.
    videos : collection of str, optional
        Only these.
    max_supervoxels : int, optional
        Of more, a sample of this size is read, drawn without repetition, and the rest never comes into
        memory; 0 reads none.
    seed : int
        Of the sample.

    Raises
    ------
    VoxplainError
        There are none.
    """
    counts = [len(group["kept"]) for path in paths for group in _groups_of(path, class_name, videos)]
    rows_of = iter(_sampled_rows(counts, max_supervoxels, seed))
    tables, supervoxels, clip_rows, clips, gradients = [], [], [], [], []
    for path in paths:
        for group in _groups_of(path, class_name, videos):
            row = {
                "video": group.attrs["video"],
                "class": group.attrs["class"],
                "clip": int(group.attrs["clip"]),
            }
            rows = next(rows_of)
            tables.append(
                pd.DataFrame(group["kept"][()][rows], columns=["level", "supervoxel"]).assign(**row)
            )
            # Float32 at once: activations may be kept in less.
            supervoxels.append(group[f"supervoxels/{layer}"][()][rows].astype(np.float32))
            clip_rows.append(row)
            clips.append(group[f"clip/{layer}"][()])
            gradients.append(group[f"gradient/{layer}"][()])
    if not clips:
        raise VoxplainError(
            f"No clip of {class_name or 'any class'} is usable; see tables/set_aside.csv for the reasons. "
            "Give the class videos that can be decoded, or leave it out by data.classes."
        )
    return LayerActivations(
        pd.concat(tables, ignore_index=True),
        np.concatenate(supervoxels),
        pd.DataFrame(clip_rows),
        np.stack(clips).astype(np.float32),
        np.stack(gradients).astype(np.float32),
        sum(counts),
    )


def read_gradients(paths: Sequence[str | Path], layer: str) -> Callable[[str], np.ndarray]:
    """A function from a class to the gradients (clips, d) float32 of its clips' own logit, read when asked for.

    Parameters
    ----------
    paths : sequence of path
        Artifacts of kind ``activations``.
    layer : str
    """
    names: dict[str, dict[str | Path, list[str]]] = {}
    for path in paths:
        with open_h5(path, "activations") as file:
            for name, group in file.items():
                names.setdefault(group.attrs["class"], {}).setdefault(path, []).append(name)

    def read(class_name: str) -> np.ndarray:
        found = []
        for path, groups in names[class_name].items():
            with open_h5(path, "activations") as file:
                found += [file[name][f"gradient/{layer}"][()] for name in groups]
        return np.stack(found).astype(np.float32)

    return read


def read_classes(paths: Sequence[str | Path]) -> dict[tuple[str, int], str]:
    """The class of each clip by (video, clip), those of a class in the order of `read_gradients`.

    Parameters
    ----------
    paths : sequence of path
        Artifacts of kind ``activations``.
    """
    found = {}
    for path in paths:
        with open_activations(path) as groups:
            found |= {key: group.attrs["class"] for key, group in groups.items()}
    return found


def read_logits(paths: Sequence[str | Path], members: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """The logit of a member's own class of every member shown alone, as it was for its activations.

    Parameters
    ----------
    paths : sequence of path
        Artifacts of kind ``activations``, which hold all members.
    members : DataFrame
        class, video, clip, level, supervoxel.
    classes : sequence of str
        Names of the classes in the order of the logits.

    Returns
    -------
    (members,) float32

    Raises
    ------
    VoxplainError
        They lack some.
    """
    found, there = np.zeros(len(members), np.float32), np.zeros(len(members), dtype=bool)
    own = pd.Index(classes).get_indexer(members["class"])
    places = pd.MultiIndex.from_frame(members[["level", "supervoxel"]])
    of_clip = members.groupby(["video", "clip"]).indices
    for path in paths:
        with open_activations(path) as groups:
            for key in groups.keys() & of_clip.keys():
                kept = pd.MultiIndex.from_arrays(groups[key]["kept"][()].T)
                at = kept.get_indexer(places[of_clip[key]])
                rows = of_clip[key][at >= 0]
                found[rows] = groups[key]["supervoxel_logits"][()][at[at >= 0], own[rows]]
                there[rows] = True
    if not there.all():
        raise VoxplainError(
            f"Activations lack {(~there).sum()} of {len(members)} members of concepts: run the config again."
        )
    return found


def read_kept(paths: Sequence[str | Path], videos: Sequence[str]) -> pd.DataFrame:
    """video, clip, level, supervoxel of the kept supervoxels of some videos, in order.

    Parameters
    ----------
    paths : sequence of path
        Artifacts of kind ``activations``.
    videos : sequence of str
    """
    tables = [pd.DataFrame(columns=["video", "clip", "level", "supervoxel"])]
    for path in paths:
        with open_activations(path) as groups:
            for video, clip in sorted(key for key in groups if key[0] in set(videos)):
                kept = pd.DataFrame(groups[video, clip]["kept"][()], columns=["level", "supervoxel"])
                tables.append(kept.assign(video=video, clip=clip)[tables[0].columns])
    return pd.concat(tables, ignore_index=True).astype({"clip": int, "level": int, "supervoxel": int})


def _groups_of(
    path: str | Path, class_name: str | None, videos: Collection[str] | None
) -> Iterator[h5py.Group]:
    with open_h5(path, "activations") as file:
        for group in file.values():
            of_class = class_name is None or group.attrs["class"] == class_name
            if of_class and (videos is None or group.attrs["video"] in videos):
                yield group


def _sampled_rows(counts: Sequence[int], size: int | None, seed: int) -> list[np.ndarray]:
    """Rows to read of groups with the given numbers of rows: all, or a sample of `size` in their order."""
    total = sum(counts)
    chosen = np.arange(total)
    if size is not None and size < total:
        chosen = np.sort(np.random.default_rng(seed).choice(total, size, replace=False))
    ends = np.cumsum(counts)
    parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
    return (
        [part - (end - count) for part, end, count in zip(parts, ends, counts, strict=True)] if counts else []
    )


@contextmanager
def open_activations(path: str | Path) -> Iterator[dict[tuple[str, int], h5py.Group]]:
    """Open a shard's activations as groups by (video, clip)."""
    with open_h5(path, "activations") as file:
        yield {(group.attrs["video"], int(group.attrs["clip"])): group for group in file.values()}
