"""A shard none of whose chosen clips is usable ends in a table without rows, and the others' tables stand."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import make_tables
import numpy as np
import pandas as pd
import pytest
import time_explanations

from voxplain.artifacts import create_h5, read_table, write_table
from voxplain.errors import VoxplainError
from voxplain.explaining import segmented_by
from voxplain.models.build import build_model
from voxplain.models.weights import save_weights


class Any(SimpleNamespace):
    """Settings, of which those that nobody reads are empty."""

    def __getattr__(self, name):
        return []

    def get(self, name, default=None):
        return getattr(self, name)

    def items(self):
        return self.__dict__.items()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Any:
    """What a shard's stage is given: artifacts without a clip, and two classes' concepts."""
    folder, made = tmp_path_factory.mktemp("empty"), {}
    for kind in ("clips", "supervoxels", "activations", "flow", "explanations", "selective", "truth"):
        with create_h5(
            made.setdefault(kind, folder / f"{kind}.h5"), kind=kind.replace("selective", "selective_maps")
        ):
            pass
    save_weights(
        build_model("r3d_18", None, 2, seed=0, width=4, depth=[1, 1, 1, 1]),
        made.setdefault("weights", folder / "weights.safetensors"),
        {"classes": ["a", "b"], "frames": 4, "size": 16},
    )
    for name, arrays in {
        "concepts": {"centres": np.ones((3, 4)), "cutoffs": np.ones(3)},
        "cavs": {"vectors": np.ones((3, 5, 4)), "distances": np.ones((3, 5))},
        "random_cavs": {"clusters/vectors": np.ones((3, 5, 4)), "clusters/distances": np.ones((3, 5))},
        "random_sets": {"sets": np.ones((3, 2, 4))},
    }.items():
        path = folder / f"{name}.h5"
        with create_h5(path, kind=name) as file:
            for key, values in arrays.items():
                file[key] = values.astype(np.float32)
        made[name] = [path, path] if name in ("concepts", "cavs") else path
    rows = pd.DataFrame({"class": list("aaabbb"), "concept": [0, 1, 2] * 2, "rank": [1, 2, 3] * 2})
    rows = rows.assign(score=0.5, effect=0.1, derivative=0.2, significant=False)
    for name, kind in {"scores": "scored_concepts", "controls": "concept_controls"}.items():
        made[name] = folder / f"{name}.parquet"
        write_table(made[name], rows.assign(size=1.0), kind=kind)
    return Any(**made, discovered=[made["activations"]])


@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        ("edit_concepts", "edits"),
        ("steer_concepts", "steered_concepts"),
        ("select_variants", "variant_selections"),
        ("perturb_supervoxels", "perturbation_curves"),
        ("ablate_concepts", "concept_ablations"),
        ("measure_frames", "frame_scores"),
    ],
)
def test_a_shard_without_a_usable_clip_has_a_table_without_rows(stage, kind, inputs, tmp_path):
    params = Any(draws_seed=0, draws=2, rank_by="effect", batch=2, fill="mean", videos=[], grid=None)
    job = Any(
        input=inputs,
        output=[tmp_path / "out.parquet"],
        params=params,
        wildcards=SimpleNamespace(model="m", seed="3", layer="layer4"),
        networks=None,
        precision="float32",
        made_by={},
        measured=dict,
    )
    importlib.import_module(stage).main(job)
    assert len(read_table(tmp_path / "out.parquet", kind)) == 0


def test_a_shard_without_rows_changes_no_type_of_the_others_columns(tmp_path, monkeypatch):
    paths = [tmp_path / "train-000.parquet", tmp_path / "train-001.parquet"]
    rows = pd.DataFrame({"clip": [0, 1], "share": [0.5, 0.25], "seed": [3, 3]})
    write_table(paths[0], rows, kind="edits")
    write_table(paths[1], pd.DataFrame(columns=["clip", "share"]).assign(seed=3), kind="edits")
    write_table(tmp_path / "videos.parquet", pd.DataFrame({"video": ["v"], "group": ["v"]}), kind="videos")
    seen = []
    entry = SimpleNamespace(inputs={"edits": "edits"}, function=lambda edits: seen.append(edits) or edits)
    monkeypatch.setattr(make_tables, "all_tables", lambda: {"editing": entry})
    for given in (paths, paths[1:]):  # some have rows, none has
        inputs = Any(edits=given, videos=[tmp_path / "videos.parquet"])
        params = SimpleNamespace(tables={"editing": {}}, figures={}, names={})
        output = {"editing": tmp_path / "editing.parquet"}
        make_tables.main(SimpleNamespace(input=inputs, params=params, output=output, made_by={}))
    pd.testing.assert_frame_equal(seen[0], rows)
    assert seen[1].empty and list(seen[1]) == list(rows)


def test_explanations_are_timed_on_the_first_usable_clips_by_the_run_s_own_supervoxels(
    inputs, tmp_path, monkeypatch
):
    clips = np.random.default_rng(0).integers(0, 256, (1, 4, 16, 16, 3), dtype=np.uint8)
    with create_h5(tmp_path / "clips.h5", kind="clips") as file:
        file["later/clips"] = clips
    segmentation = {
        "method": "grid",
        "options": {},
        "n_segments": [4],
        "compactness": None,
        "sigma": None,
    }
    seen = []
    monkeypatch.setattr(
        time_explanations, "explain", lambda _, clips, *__, **options: seen.append((len(clips), options))
    )
    monkeypatch.setattr(time_explanations, "time_steps", lambda first, *_, **__: (first(), ([1.0], [2.0]))[1])
    job = Any(
        input=Any(weights=inputs.weights, clips=[inputs.clips, tmp_path / "clips.h5"]),
        output=[tmp_path / "timings.parquet"],
        params=Any(
            videos=[["lost"], ["later", "gone"]],
            explainers={"coarse": {"method": "occlusion", "options": {"n_segments": [2]}}},
            timing={"batch": 2, "repeats": 1, "warmup": 0},
            segmentation=segmentation,
        ),
        wildcards=SimpleNamespace(model="m", seed="3"),
        networks=None,
        made_by={},
        measured=dict,
    )
    time_explanations.main(job)
    ((n, options),) = seen
    expected = segmented_by("occlusion", {"n_segments": [2]}, segmentation)
    assert n == 1 and options == expected and options["segmenter"] == "grid"
    job.input.clips, job.params.videos = [inputs.clips], [["lost"]]
    with pytest.raises(VoxplainError, match="No clip to explain is usable; see tables/set_aside.csv"):
        time_explanations.main(job)
