"""Concepts that are found again with the run's own choices are the run's, where it sampled the supervoxels, too."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.unit.test_stage import Named
from tests.workflow.planning import keeping_threads

from voxplain.activation_store import read_activations
from voxplain.artifacts import create_h5, open_h5, read_table, store
from voxplain.checks.findings import KEY
from voxplain.concepts.scores import rank_concepts

STAGES = Path(__file__).resolve().parents[2] / "src/stages"
CLUSTERING = {"clusters": 4, "min_supervoxels": 5, "max_members": 12, "restarts": 3}
MOST = 100  # of 240 supervoxels of a class


def run_stage(folder, name, inputs, outputs, params, **wildcards):
    stage = SimpleNamespace(
        input=Named(inputs),
        output=Named({key: str(folder / path) for key, path in outputs.items()}),
        params=Named(params),
        wildcards=Named({"model": "r3d", "seed": "0", "layer": "l"} | wildcards),
        threads=1, resources=Named(), log=[], config={}, rule=name,
    )  # fmt: skip
    with keeping_threads():
        runpy.run_path(str(STAGES / f"{name}.py"), {"snakemake": stage}, run_name="__main__")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Folder of activations of two classes and of what the run finds in them."""
    folder, rng = tmp_path_factory.mktemp("run") / "r3d/seed0/l", np.random.default_rng(0)
    centres = 4 * rng.normal(size=(2, 4, 6))
    with create_h5(folder / "activations.h5", kind="activations") as file:
        for number, class_name in enumerate("ab"):
            for video in range(12):
                group = file.create_group(f"{class_name}{video}#0")
                group.attrs.update({"video": f"{class_name}{video}", "clip": 0, "class": class_name})
                store(group, "kept", np.stack([np.zeros(20, int), np.arange(20)], axis=1))
                shown = centres[number][np.arange(20) % 4] + rng.normal(size=(20, 6))
                store(group, "supervoxels/l", shown.astype(np.float32))
                store(group, "clip/l", rng.normal(size=6).astype(np.float32))
                store(group, "gradient/l", rng.normal(size=6).astype(np.float32))
    seen = {"activations": [str(folder / "activations.h5")]}
    options = {"random_sets": 4, "set_size": 12, "negatives": "supervoxels"}
    params = {"options": options, "max_supervoxels": MOST, "random_sets_seed": 5}
    run_stage(folder, "draw_random_sets", seen, {"sets": "sets.h5"}, params)
    cavs = {"classifier": "ridge", "options": {}}
    for name in "ab":
        outputs = {
            "concepts": f"concepts/{name}.h5",
            "members": f"members/{name}.parquet",
            "cavs": f"cavs/{name}.h5",
        }
        params = {"class_name": name, "clustering_seed": 3, "cavs": cavs}
        params["options"] = CLUSTERING | {"max_supervoxels": MOST}
        inputs = seen | {"random_sets": str(folder / "sets.h5")}
        run_stage(folder, "find_concepts", inputs, outputs, params, class_name=name)
    params = {
        "classes": list("ab"), "clusters": [3], "repeats": 1, "halves": 2, "clustering": CLUSTERING, "cavs": cavs,
        "sets": {"sets": 4, "size": 12}, "negatives": "supervoxels", "max_supervoxels": MOST, "rank_by": "effect",
        "seeds": {"clustering": 3, "random_sets": 5}, "groups": {f"{c}{n}": f"{c}{n}" for c in "ab" for n in range(12)},
    }  # fmt: skip
    for classes in ("ab", "b"):
        outputs = {name: f"{name}_{classes}.parquet" for name in ("choices", "importance")}
        inputs = seen | {"cavs": [str(folder / f"cavs/{name}.h5") for name in classes]}
        run_stage(folder, "vary_choices", inputs, outputs, params | {"classes": list(classes)})
    return folder


def test_the_run_s_own_concepts_are_found_again(run):
    importance = read_table(run / "importance_ab.parquet", "supervoxel_importance")
    for name in "ab":
        seen = read_activations([run / "activations.h5"], "l", class_name=name, max_supervoxels=MOST, seed=3)
        own = importance[importance["class"] == name].drop(columns="class")
        assert len(own) == MOST and len(own.merge(seen.table, on=KEY)) == MOST
        with open_h5(run / f"cavs/{name}.h5", "cavs") as file:
            ranks = rank_concepts(seen.gradients, file["vectors"][()], file["distances"][()])
        ranks["expected"] = 1 - (ranks["rank"] - 1) / (len(ranks) - 1)
        members = read_table(run / f"members/{name}.parquet", "concept_members").merge(ranks, on="concept")
        both = members.merge(own, on=KEY)
        assert len(both) == len(members) > 20 and len(ranks) > 1
        assert both["importance"].to_numpy() == pytest.approx(both["expected"].to_numpy())


def test_every_choice_is_compared(run):
    choices = read_table(run / "choices_ab.parquet", "choices")
    found = choices.groupby(["what", "value"], sort=False)["class"].apply(list)
    expected = {("clusters", "3"), ("draws", "other seeds"), ("random_sets", "1"), ("random_sets", "2")}
    expected |= {("videos", "2"), ("videos", "4")}
    assert set(found.index) == expected and all(set(classes) == {"a", "b"} for classes in found)
    assert pd.notna(choices["tau"]).all()


def test_what_is_drawn_for_a_class_does_not_hang_on_the_others(run):
    both, alone = (read_table(run / f"choices_{classes}.parquet", "choices") for classes in ("ab", "b"))
    both = both[both["class"] == "b"].reset_index(drop=True)
    pd.testing.assert_frame_equal(both, alone)
