"""A finished run, as commands find it in its folder: networks and layers, how they were made, and what on.

Artifacts say what made them, so that nothing but the run's folder need be named. Clips lie in a folder that runs share;
which of several are the run's is told by the network, which answers to them as the run says that it did.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .activation_store import open_activations
from .artifacts import attributes_of, open_h5
from .errors import ArtifactError, ConfigError, nearest
from .models.trained import TrainedModel
from .supervoxels import distinct_supervoxels
from .videos.plan import table_of_rows
from .videos.store import SupervoxelStore, clips_of

SCORED = ("random_sets.h5", "random_cavs.h5", "random_gradients.h5", "scored_concepts.parquet")


@dataclass(frozen=True)
class FinishedLayer:
    """A layer whose concepts are scored.

    Attributes
    ----------
    model, layer : str
    seed : int
    folder : Path
        Of the layer's artifacts.
    shards : tuple of path
        Artifacts of kind activations that hold the discovery videos, where they are known.
    """

    model: str
    seed: int
    layer: str
    folder: Path
    shards: tuple[str | Path, ...] = ()

    @property
    def network(self) -> Path:
        """Folder of the network."""
        return self.folder.parent

    @cached_property
    def activations(self) -> list[Path]:
        """Artifacts of kind activations that hold the discovery videos: those known, else all of the network's."""
        found = [Path(path) for path in self.shards] or sorted(
            (self.network / "activations").glob("train-*.h5")
        )
        if not found:
            raise ArtifactError(
                f"{self.network} has no activations any more: leave activations out of the config's temporary, and run again."
            )
        return found

    def params(self, name: str) -> dict[str, Any]:
        """Parameters that made an artifact of the layer."""
        return attributes_of(self.folder / name)["params"]

    @cached_property
    def shown(self) -> dict[str, Any]:
        """How supervoxels were shown: options of `voxplain.activations.supervoxel_activations`."""
        made = attributes_of(self.activations[0])["params"]
        return made["options"] | {"preset": made["preset"]}

    @property
    def precision(self) -> str:
        """At which the network was shown them: float32 or bfloat16."""
        return attributes_of(self.activations[0]).get("precision", "float32")


def finished_layers(
    run: str | Path, *, model: str | None = None, layer: str | None = None, seed: int | None = None
) -> list[FinishedLayer]:
    """Layers of a run whose concepts are scored, of all networks and seeds or of those named.

    Raises
    ------
    ConfigError
        There is no such run, network, layer or seed, or none is finished.
    """
    run, known = Path(run), []
    for weights in sorted(run.glob("models/*/seed*/weights.safetensors")):
        home = weights.parent
        place = home.parent.name, int(home.name.removeprefix("seed"))
        layers = [path.parent for path in sorted(home.glob("*/random_sets.h5"))]
        known += [FinishedLayer(*place, path.name, path) for path in layers]
    if not known:
        raise ConfigError(
            f"{run} is no run with concepts: give the folder of one, such as results/demo, and run "
            "`snakemake --cores all concepts` first."
        )
    wanted = {"model": model, "layer": layer, "seed": seed}
    for name, value in wanted.items():
        there = sorted({str(getattr(place, name)) for place in known})
        if value is not None and str(value) not in there:
            raise ConfigError(
                f"{run} has no {name} {value} with concepts{nearest(str(value), there)} Known: {', '.join(there)}."
            )
    chosen = [
        place
        for place in known
        if all(value is None or getattr(place, name) == value for name, value in wanted.items())
    ]
    lacking = {place: [name for name in SCORED if not (place.folder / name).exists()] for place in chosen}
    whole = [place for place, missing in lacking.items() if not missing]
    if not whole:
        told = "; ".join(f"{place.folder} has no {', '.join(names)}" for place, names in lacking.items())
        raise ConfigError(
            f"{told or f'{run} has none of these together'}: run `snakemake --cores all concepts` with the run's config."
        )
    return whole


@dataclass(frozen=True)
class FinishedClips:
    """The clips of a run's discovery videos.

    Attributes
    ----------
    paths : list of Path
        Artifacts of kind clips, a shard each.
    options : dict
        How they were cut: the config's section ``clips``.
    videos : DataFrame
        The video table, by video; paths are absolute.
    """

    paths: list[Path]
    options: dict[str, Any]
    videos: pd.DataFrame

    def clips(self, keys: set[tuple[str, int]]) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
        """video, number, clip (T, H, W, 3) uint8 and its frames' numbers in the file (T,), one clip at a time."""
        yield from clips_of(self.paths, keys)

    def supervoxels(self, place: FinishedLayer) -> list[Path] | None:
        """Artifacts of kind supervoxels that the run's activations are of; None where they are no more."""
        made = attributes_of(place.activations[0])["params"]
        with open_activations(place.activations[0]) as groups:
            (video, number), group = next(iter(groups.items()))
            kept = group["kept"][()]
        for folder in sorted(self.paths[0].parents[1].glob("supervoxels-*")):
            paths = [folder / path.name for path in place.activations]
            if not all(path.exists() for path in paths):
                continue
            with SupervoxelStore(paths[0]) as store:
                labels = store.of_videos([video])
                found = (
                    None
                    if labels is None
                    else distinct_supervoxels(labels[number], made["preset"], **made["criteria"])
                )
            if np.array_equal(found, kept):
                return paths
        return None


def finished_clips(run: str | Path, place: FinishedLayer, model: TrainedModel) -> FinishedClips:
    """The clips that a network's activations are of.

    Of folders with clips of the run's videos the first is taken on which the network gives the run's logits.

    Raises
    ------
    ArtifactError
        There is none: it was removed, or is of another run.
    """
    run = Path(run)
    with open_activations(place.activations[0]) as groups:
        (video, number), group = next(iter(groups.items()))
        logits = group["logits"][()]
    for folder in sorted([*run.parent.glob("shared/*/clips-*/clips"), *run.glob("own/clips-*/clips")]):
        paths = [folder / path.name for path in place.activations]
        if not all(path.exists() for path in paths):
            continue
        with open_h5(paths[0], "clips") as file:
            if video not in file or "clips" not in file[video] or number >= len(file[video]["clips"]):
                continue
            clip = file[video]["clips"][number]
        if _answers(model, clip, logits):
            made = [attributes_of(path)["params"] for path in paths]
            videos = pd.concat([table_of_rows(one["listed"]["rows"]) for one in made])
            # Paths are as seen from the folder that results/ lies in.
            videos["path"] = [str((run.absolute().parents[1] / path).resolve()) for path in videos["path"]]
            return FinishedClips(paths, made[0]["options"], videos.set_index("video", drop=False))
    raise ArtifactError(
        f"The clips that {place.network} was shown are not beside {run} any more: leave clips out of the config's temporary, "
        "and run again."
    )


def _answers(model: TrainedModel, clip: np.ndarray, logits: np.ndarray) -> bool:
    """Whether a network answers so to a clip, up to what devices differ by."""
    try:
        found = model.logits(clip[None])[0]
    except RuntimeError:  # of a length or size that it does not take
        return False
    return np.allclose(found, logits, rtol=1e-2, atol=1e-2 * np.ptp(logits))
