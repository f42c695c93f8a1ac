"""The same seed gives the same tables, however the work is cut into shards, batches and threads."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
import yaml
from tests.workflow import planning

pytestmark = pytest.mark.slow
CONFIG = {
    "run": "small",
    "data": {
        "adapter": "embedded",
        "options": {"classes": 2, "train_per_class": 4, "test_per_class": 2, "frames": 10, "size": 32},
    },
    "clips": {"frames": 8, "size": 32},
    "models": {
        "r3d": {
            "network": "r3d_18",
            "options": {"width": 4, "depth": [1, 1, 1, 1]},
            "layers": ["layer3"],
            "training": {"epochs": 2},
        }
    },
    "supervoxels": {"n_segments": [5, 9]},
    "concepts": {"clusters": 3, "min_supervoxels": 2, "max_members": 8},
    "cavs": {"random_sets": 3, "set_size": 8},
    "scores": {"null_clusterings": 2, "null_gradients": 3},
    "editing": {"k_max": 2, "draws": 2, "clip_draws": 1, "shares": [0.5]},
    "explainers": {"dtd": {}, "occlusion": {"options": {"n_segments": [5]}}},
    "flow": {"compare": ["dis"]},
    "selective": {"sigma": 2, "sweep": [0, 2]},
    "relevance": {"timing": {"repeats": 2}},
}
CONCEPTS = [
    "model_accuracy",
    "concept_scores",
    "concept_addition",
    "concept_removal",
    "concept_gaps",
    "concept_curves",
]
TABLES = [*CONCEPTS, "motion_precision", "selected_share", "baseline_agreement", "ground_truth_precision", "motion_sweep",
          "selection_controls", "explanation_controls"]  # fmt: skip
# Said in docs/usage.md.
TOLERANCE = 1e-5
AGAIN = ["segment_supervoxels", "test_model", "extract_activations", "explain_clips", "estimate_flow"]


def run(folder, **changes):
    """The final tables of a run in a folder."""
    threads, again = changes.pop("threads", None), changes.pop("again", ())
    config = {
        name: {**CONFIG.get(name, {}), **changes.get(name, {})}
        for name in {**CONFIG, **changes}
        if name != "run"
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"run": CONFIG["run"], **config}))
    targets = [f"results/small/tables/{name}.parquet" for name in TABLES]
    ran = planning.run_here(folder, *targets, configfile=path, threads=threads, forcerun=again)
    return ran, {name: pd.read_parquet(folder / target) for name, target in zip(TABLES, targets, strict=True)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    ran, tables = run(folder)
    assert ran.count("cache_clips") == 2 and {"train_model", "edit_concepts", "measure_motion"} <= set(ran)
    return folder, tables


def check_same(tables, others, exact=()):
    for name, table in tables.items():
        atol = 0 if name in exact else TOLERANCE
        pd.testing.assert_frame_equal(others[name], table, rtol=0, atol=atol, obj=name)


def test_shards_change_no_number(whole, tmp_path):
    ran, tables = run(tmp_path, data={"shard_size": 3})
    assert ran.count("cache_clips") == 5
    check_same(whole[1], tables, exact=CONCEPTS)


def test_batches_and_threads_change_no_number_by_more_than_the_docs_say(whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole[0], folder)
    ran, tables = run(folder, again=AGAIN, threads=2, activations={"batch": 3}, relevance={"batch": 3})
    assert set(AGAIN) | {"edit_concepts", "measure_motion"} <= set(ran) and "train_model" not in ran
    check_same(whole[1], tables)
