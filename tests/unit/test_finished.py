"""Which files of a finished run commands take: those that the run's own were made from, wherever they lie."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from voxplain import artifacts
from voxplain.artifacts import create_h5, input_identities, made_from, open_h5, write_table
from voxplain.errors import ArtifactError
from voxplain.finished import FinishedLayer, finished_clips, finished_test_clips, finished_videos
from voxplain.provenance import record
from voxplain.videos.store import clips_of

CLIPS = {"frames": 2, "step": 1, "size": 4, "sampling": "center", "per_video": 1, "crop": "center"}
SAME = np.full((1, 2, 4, 4, 3), 7, np.uint8)  # the first clip of either folder


def made(rule: str, inputs=(), wildcards=None, **params) -> dict:
    return record(
        rule=rule, params=params, code="0", wildcards=wildcards, inputs=input_identities(map(str, inputs))
    )


def make_clips(folder: Path, shard: str, videos: dict[str, str], **options) -> Path:
    path, split = folder / f"{shard}.h5", shard.partition("-")[0]
    listed = {
        "rows": [[v, f"{folder.parents[1].name}/{v}.mp4", of, split, None, None] for v, of in videos.items()]
    }
    by = made("cache_clips", wildcards={"shard": shard}, options=CLIPS | options, listed=listed)
    with create_h5(path, kind="clips", made_by=by) as file:
        for number, (video, of) in enumerate(videos.items()):
            group = file.create_group(video)
            group["clips"], group["frames"] = SAME + number, np.arange(2)[None]
            group.attrs["class"] = of
    return path


def make_supervoxels(folder: Path, clips: Path) -> Path:
    path = folder / clips.name
    with create_h5(path, kind="supervoxels", made_by=made("segment_supervoxels", [clips])):
        return path


def make_activations(network: Path, clips: Path, supervoxels: Path) -> Path:
    path, shard = network / "activations" / clips.name, clips.stem
    by = made("extract_activations", [clips, supervoxels], {"shard": shard}, options={}, preset="corrected")
    with create_h5(path, kind="activations", made_by=by) as file, open_h5(clips, "clips") as known:
        for video in known:
            group = file.create_group(f"{video}#0")
            group.attrs["video"], group.attrs["clip"], group.attrs["class"] = (
                video,
                0,
                known[video].attrs["class"],
            )
    return path


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """A run whose clips lie in the second of two folders that start alike; the first lacks a class, and tests others."""
    monkeypatch.chdir(tmp_path)
    shared, network = Path("results/shared"), Path("results/demo/models/r3d/seed0")
    other, own = shared / "a-1/clips-1", shared / "b-2/clips-2"
    make_clips(other / "clips", "train-000", {"v0": "wave"}, step=2)
    make_clips(other / "clips", "test-000", {"t0": "wave", "t9": "wave"}, step=2)
    make_clips(own / "clips", "test-001", {"t5": "wave"}, size=8)  # which another plan has left
    for folder in (other, own):
        table = pd.DataFrame({"video": ["t0"], "group": [folder.name], "subset": [""]})
        write_table(
            folder.parent / "videos.parquet",
            table,
            kind="videos",
            made_by=made("list_videos", data=folder.name),
        )
    train = make_clips(own / "clips", "train-000", {"v0": "wave", "v1": "nod"})
    tests = make_clips(own / "clips", "test-000", {"t0": "wave", "t1": "nod"})
    make_supervoxels(other / "supervoxels-3", other / "clips/train-000.h5")
    activations = make_activations(network, train, make_supervoxels(own / "supervoxels-3", train))
    late = make_clips(own / "clips", "train-001", {"v7": "wave"})
    make_activations(network, late, make_supervoxels(own / "supervoxels-3", late))
    with create_h5(
        network / "layer3/random_sets.h5", kind="random_sets", made_by=made("draw_random_sets", [activations])
    ):
        pass
    predictions = made("test_model", [tests])
    write_table(network / "predictions.parquet", pd.DataFrame(), kind="predictions", made_by=predictions)
    tables = made("tabulate_networks", [network / "predictions.parquet", own.parent / "videos.parquet"])
    write_table(
        Path("results/demo/tables/model_accuracy.parquet"),
        pd.DataFrame(),
        kind="model_accuracy",
        made_by=tables,
    )
    return Path("results/demo")


def layer_of(run: Path) -> FinishedLayer:
    return FinishedLayer("r3d", 0, "layer3", run / "models/r3d/seed0/layer3")


@pytest.mark.parametrize("results", ["results", "elsewhere"])
def test_files_are_those_that_the_run_was_made_from(run, results):
    if results != "results":
        run.parent.rename(results)
        run = Path(results, "demo").absolute()
    own = run.parent / "shared/b-2/clips-2"
    place = layer_of(run)
    assert place.activations == [place.network / "activations/train-000.h5"]  # and no shard of an older plan
    found = finished_clips(run, place)
    assert found.paths == [own / "clips/train-000.h5"] and found.options == CLIPS
    assert found.supervoxels == [own / "supervoxels-3/train-000.h5"]
    assert found.videos["class"].to_dict() == {"v0": "wave", "v1": "nod"}
    assert [key[:2] for key in found.clips({("v0", 0), ("v1", 0)})] == [("v0", 0), ("v1", 0)]
    assert finished_test_clips(run, place.network) == [own / "clips/test-000.h5"]
    assert finished_videos(run) == run.parent / "shared/b-2/videos.parquet"


def test_files_of_another_run_are_not_taken_for_those_that_are_gone(run):
    own, place = Path("results/shared/b-2"), layer_of(run)
    for name in ("train-000", "test-000"):
        (own / f"clips-2/clips/{name}.h5").unlink()
    (own / "videos.parquet").unlink()
    with pytest.raises(ArtifactError, match="are not beside results/demo any more"):
        finished_clips(run, place)
    with pytest.raises(ArtifactError, match="Of 1 files .* 1 are no more"):
        finished_test_clips(run, place.network)
    with pytest.raises(ArtifactError, match="is not beside it any more"):
        finished_videos(run)
    (place.network / "activations/train-000.h5").unlink()
    with pytest.raises(ArtifactError, match="Of 1 files .* 1 are no more"):
        _ = layer_of(run).activations


def test_supervoxels_of_other_clips_are_none(run):
    Path("results/shared/b-2/clips-2/supervoxels-3/train-000.h5").unlink()
    assert finished_clips(run, layer_of(run)).supervoxels is None


def test_what_was_made_again_with_other_options_is_not_what_the_run_was_made_from(run):
    make_clips(
        Path("results/shared/b-2/clips-2/clips"), "train-000", {"v0": "wave", "v1": "nod"}, crop="squash"
    )
    with pytest.raises(ArtifactError, match="or were made again"):
        finished_clips(run, layer_of(run))


def test_what_does_not_say_what_it_was_made_from_says_so(run):
    path = layer_of(run).folder / "random_sets.h5"
    with h5py.File(path, "r+") as file:
        said = json.loads(file.attrs["voxplain"]) | {"inputs": {}}
        del said["seal"]
        file.attrs["voxplain"] = json.dumps(artifacts._sealed(said))
    with pytest.raises(
        ArtifactError, match="does not say what it was made from.*--forcerun draw_random_sets"
    ):
        _ = layer_of(run).activations


def test_of_files_that_hold_the_same_one_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first, second = (make_clips(Path(name, "data/clips"), "test-000", {}) for name in ("a", "b"))
    write_table("p.parquet", pd.DataFrame(), kind="predictions", made_by=made("test_model", [second]))
    assert made_from("p.parquet", [first, second], all_of_them=True) == [first]


def test_clips_that_were_asked_for_and_are_not_there_are_an_error(run):
    paths = [Path("results/shared/b-2/clips-2/clips/train-000.h5")]
    for lacking in (("v0", 1), ("v9", 0)):
        with pytest.raises(
            ArtifactError, match=f"1 of 2 clips, number {lacking[1]} of {lacking[0]} among them"
        ):
            list(clips_of(paths, {("v0", 0), lacking}))
