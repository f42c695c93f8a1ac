"""A finished run, as commands find it in its folder: networks and layers, how they were made, and what on.

Artifacts say what made them and from what, so that nothing but the run's folder need be named: of clips, which lie in
folders that runs share, and of shards, which an older plan may have left, those are taken that the run's are made from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .artifacts import attributes_of, made_from
from .errors import ArtifactError, ConfigError, nearest
from .videos.plan import table_of_rows
from .videos.store import clips_of

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
        """Artifacts of kind activations that hold the discovery videos: those known, else those of the random sets."""
        if self.shards:
            return [Path(path) for path in self.shards]
        there = sorted((self.network / "activations").glob("*.h5"))
        if not there:
            raise ArtifactError(
                f"{self.network} has no activations any more: leave activations out of the config's temporary, and run again."
            )
        return made_from(self.folder / "random_sets.h5", there, all_of_them=True)

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


def seed_of_folder(network: Path) -> int | None:
    """The seed of a network's folder ``seed<number>``; None of another's, such as a copy that lies beside it."""
    start, _, number = network.name.partition("seed")
    return int(number) if not start and number.isdecimal() else None


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
        if (number := seed_of_folder(home)) is not None:
            layers = [path.parent for path in sorted(home.glob("*/random_sets.h5"))]
            known += [FinishedLayer(home.parent.name, number, path.name, path) for path in layers]
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
    """The clips of a run's videos, and their supervoxels.

    Attributes
    ----------
    paths : list of Path
        Artifacts of kind clips that hold the discovery videos, a shard each.
    supervoxels : list of Path, or None
        Artifacts of kind supervoxels, of the same shards; None where they are no more.
    options : dict
        How clips were cut: the config's section ``clips``.
    videos : DataFrame
        The video table of the discovery videos, by video; paths are absolute.
    """

    paths: list[Path]
    supervoxels: list[Path] | None
    options: dict[str, Any]
    videos: pd.DataFrame

    def clips(self, keys: set[tuple[str, int]]) -> Iterator[tuple[str, int, np.ndarray, np.ndarray]]:
        """video, number, clip (T, H, W, 3) uint8 and its frames' numbers in the file (T,), one clip at a time."""
        yield from clips_of(self.paths, keys)


def finished_clips(run: str | Path, place: FinishedLayer) -> FinishedClips:
    """The clips that a network's activations were made from.

    Raises
    ------
    ArtifactError
        They are no more, or were made again since.
    """
    run = Path(run)
    paths = _sources(place.activations, run, "clips-*/clips")
    if paths is None:
        raise ArtifactError(
            f"The clips that {place.network} was shown are not beside {run} any more, or were made again: leave clips out of "
            "the config's temporary, and run again."
        )
    supervoxels = _sources(place.activations, run, "clips-*/supervoxels-*", "supervoxels-*")
    made = [attributes_of(path)["params"] for path in paths]
    videos = pd.concat([table_of_rows(one["listed"]["rows"]) for one in made])
    # Paths are as seen from the folder that results/ lies in.
    videos["path"] = [str((run.absolute().parents[1] / path).resolve()) for path in videos["path"]]
    return FinishedClips(paths, supervoxels, made[0]["options"], videos.set_index("video", drop=False))


def finished_test_clips(run: str | Path, network: Path) -> list[Path]:
    """Artifacts of kind clips that hold the test videos of a run: those that a network's predictions are of.

    Raises
    ------
    ArtifactError
        Some are no more, or were made again since.
    """
    weights = network / "weights.safetensors"
    there = _beside(Path(run), ["clips-*/clips"], "test-*.h5")
    found = made_from(network / "predictions.parquet", [weights, *there], all_of_them=True)
    return [path for path in found if path != weights]


def finished_videos(run: str | Path) -> Path:
    """The artifact of kind videos that a run's tables were made from.

    Raises
    ------
    ArtifactError
        It is no more, or was made again since.
    """
    run = Path(run)
    found = made_from(run / "tables/model_accuracy.parquet", run.parent.glob("shared/*/videos.parquet"))
    if not found:
        raise ArtifactError(
            f"The table of the videos of {run} is not beside it any more: run its config again."
        )
    return found[0]


def tabulated(run: str | Path, files: Iterable[str | Path]) -> list[Path]:
    """Those of a run's files of one kind, such as all shards that lie there, that a final table of it was made from.

    All of them where none of its tables was, as before there are tables.
    """
    files = [Path(file) for file in files]
    for table in sorted((Path(run) / "tables").glob("*.parquet")):
        with suppress(ArtifactError):  # such as one that does not say what it was made from
            if found := made_from(table, files):
                return found
    return files


def _sources(shards: list[Path], run: Path, *folders: str) -> list[Path] | None:
    """What each of some shards was made from, of that name in folders of the run or shared; None where one lacks."""
    found = [made_from(shard, _beside(run, folders, shard.name)) for shard in shards]
    return [own[0] for own in found] if all(found) else None


def _beside(run: Path, folders: Iterable[str], name: str) -> list[Path]:
    """Files of a name, or of names like it, in folders of the run's own or in those of data that runs share."""
    homes = [*run.parent.glob("shared/*"), run / "own"]
    return sorted(path for home in homes for folder in folders for path in home.glob(f"{folder}/{name}"))
