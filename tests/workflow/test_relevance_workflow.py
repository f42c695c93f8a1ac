"""The second paper's workflow as a whole, on tiny videos: tables, pictures, reruns."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.workflow import planning

from voxplain.artifacts import attributes_of, open_h5, read_table, write_table
from voxplain.explanation_store import scaled_maps
from voxplain.motion.controls import is_control

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "workflow" / "tiny_relevance.yaml"
METHODS = ["dtd", "gradcam", "guided_backprop", "guided_gradcam", "occlusion"]
pytestmark = pytest.mark.slow


planned = partial(planning.planned, configfile="tiny_relevance")


@pytest.fixture(scope="module")
def finished(relevance_run):
    return relevance_run


def table(folder, name):
    return read_table(folder / f"results/tiny/tables/{name}.parquet", name)


COLUMNS = {
    "motion_precision": "method control_of selective mean_exact base_rate_exact auroc average_precision mean sd base_rate lift n_clips n_videos published_mean"
    " published_sd",
    "baseline_agreement": "method_a method_b mean sd published_mean published_sd",
    "selectivity": "method sigma area_mean area_sd relevance_mean relevance_sd published_area_mean"
    " published_relevance_mean",
    "explanation_overhead": "method selective mean_ms sd_ms device batch n published_mean_ms published_sd_ms",
    "selected_share": "method share mean mean_ci_low mean_ci_high n_videos",
    "motion_sweep": "method sigma flow_threshold precision base_rate lift area_share relevance_share",
    "ground_truth_precision": "method control_of selective target precision recall iou auroc average_precision"
    " precision_equal_area base_rate n_groups",
    "explanation_controls": "method control target measure value control_value difference ci_low ci_high p_value"
    " p_adjusted n_videos n_seeds",
    "selection_controls": "method control target measure value control_value difference ci_low ci_high p_value"
    " p_adjusted n_videos n_seeds",
}


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_have_the_promised_columns_and_all_methods(finished, name):
    found = table(finished, name)
    assert {"model", *COLUMNS[name].split()} <= set(found.columns)
    written = pd.read_csv(finished / f"results/tiny/tables/{name}.csv")
    pd.testing.assert_frame_equal(found.replace("", np.nan), written, check_dtype=False, rtol=1e-9)
    for model in ("r3d", "c3d"):
        rows = found[(found["model"] == model) & ~found.get("method", found["model"]).map(is_control)]
        seen = set(rows["method"]) if "method" in rows else {*rows["method_a"], *rows["method_b"]}
        assert seen == set(METHODS)
    for column in {"mean", "base_rate", "area_mean", "relevance_mean", "precision", "recall", "iou", "auroc"}:
        if column in found:
            assert found[column].dropna().between(0, 1).all(), column


def test_the_papers_cells_stand_beside_ours(finished):
    def cells(name, column, *keys):
        return table(finished, name).query("model == 'c3d'").set_index(list(keys))[column]

    precision = cells("motion_precision", "published_mean", "method", "selective")
    assert precision["dtd", False] == 0.2779 and precision["dtd", True] == 0.4109
    assert precision["guided_backprop", False] == 0.4748 and np.isnan(precision["guided_backprop", True])
    assert np.isnan(precision["occlusion", False])
    assert cells("baseline_agreement", "published_mean", "method_a", "method_b")["dtd", "gradcam"] == 0.3661
    assert cells("selectivity", "published_relevance_mean", "method")["guided_gradcam"] == 0.369
    assert cells("explanation_overhead", "published_mean_ms", "method", "selective")["gradcam", True] == 137


def test_the_precision_is_that_of_the_maps_on_disk(finished):
    """From flow and maps to the table's figure, once more and without the library."""
    home = finished / "results/tiny/models/c3d/seed0"
    flow = next(finished.glob("results/shared/*/clips-*/flow-*/test-000.h5"))
    found, bases = [], []
    with h5py.File(home / "explanations/test-000.h5") as maps, h5py.File(flow) as flows:
        assert len(maps) == 6  # two of each class
        for video in maps:
            relevance = maps[video]["maps/dtd"][0, :-1].astype(float)
            moving = np.linalg.norm(flows[video]["flow"][0].astype(np.float32), axis=-1) > 0.5
            relevant = relevance > 0.05 * maps[video]["maps/dtd"][0].astype(float).max()
            found.append((relevant & moving).sum() / relevant.sum())
            bases.append(moving.mean())
    row = (
        table(finished, "motion_precision")
        .query("model == 'c3d' and method == 'dtd' and not selective")
        .iloc[0]
    )
    assert row["mean"] == pytest.approx(np.mean(found), abs=1e-6) and row["sd"] == pytest.approx(
        np.std(found, ddof=1)
    )
    assert row["lift"] == pytest.approx(np.mean(found) / np.mean(bases))
    assert (row["n_clips"], row["n_videos"], row["n_empty"]) == (6, 6, 0)


@pytest.mark.parametrize("model", ["r3d", "c3d"])
def test_relevance_is_conserved_and_selections_are_parts_of_it(finished, model):
    home = finished / f"results/tiny/models/{model}/seed0"
    with (
        open_h5(home / "explanations/test-000.h5", "explanations") as maps,
        open_h5(home / "selective_maps/test-000.h5", "selective_maps") as masks,
    ):
        for video in maps:
            assert set(maps[video]["maps"]) == set(METHODS)  # controls lie apart
            controls = maps[video]["controls"]
            for control in ("control_other_class", "control_random_head"):
                assert set(controls[control]["maps"]) == set(METHODS) - {"occlusion"}
            other = controls["control_other_class/target"].asstr()[()]
            assert (other != maps[video]["target"].asstr()[()]).all()
            assert (scaled_maps(maps[video], "dtd") * maps[video]["peaks/dtd"][0]).sum() == pytest.approx(
                1, abs=0.01
            )
            for method in METHODS:
                selected = masks[video][method][()]
                assert selected.shape == (1, 16, 32, 32) and selected.dtype == bool and selected.mean() < 0.5


def test_flow_is_compared_with_what_moves(finished):
    error = table(finished, "flow_error").set_index("method")
    assert set(error.index) == {"farneback", "dis"} and error["best"].sum() == 1
    assert (
        error["epe"].between(0, 2).all()
        and (error["ms_per_frame"] > 0).all()
        and (error["n_clips"] == 6).all()
    )


def test_pictures_are_there_and_move(finished):
    for model in ("r3d", "c3d"):
        place = finished / f"results/tiny/figures/relevance/{model}"
        with Image.open(place / "seed0.png") as sheet:
            assert sheet.width > 700 and sheet.height > 700
        with Image.open(place / "seed0.gif") as animation:
            assert animation.n_frames == 16 and animation.info["loop"] == 0
    assert (finished / "results/tiny/figures/motion_sweep.png").stat().st_size > 10_000


def test_it_builds_what_it_needs_alone(finished, tmp_path):
    rules = planned(tmp_path, "relevance")
    assert {"train_model", "explain_clips", "estimate_flow", "measure_motion", "show_relevance"} <= rules
    assert rules.isdisjoint({"extract_activations", "find_concepts", "edit_concepts", "tabulate_concepts"})
    assert planned(finished, "relevance") == set()
    concepts = planned(tmp_path, "concepts")
    assert concepts.isdisjoint({"explain_clips", "estimate_flow"})


def test_another_sigma_reruns_the_selection_and_what_follows(finished):
    rerun = planned(finished, "relevance", config=["selective={sigma: 1}"])
    assert rerun == {"select_relevance", "measure_motion", "tabulate_relevance", "show_relevance"}


def test_another_explainer_reruns_explanations_alone(finished):
    rerun = planned(finished, "relevance", config=["explainers={random: {}}"])
    assert {"explain_clips", "select_relevance"} <= rerun
    assert rerun.isdisjoint({"estimate_flow", "train_model", "segment_supervoxels", "cache_clips"})


def test_another_threshold_of_motion_keeps_maps_and_flow(finished):
    rerun = planned(finished, "relevance", config=["flow={moving: {threshold: 0.7}}"])
    assert "measure_motion" in rerun
    assert rerun == {"measure_motion", "tabulate_relevance", "show_relevance"}


def test_curves_have_the_run_s_own_thresholds(tmp_path):
    config = ["selective={sigma: 2.5, sweep: [0, 3]}", "flow={moving: {threshold: 0.4, sweep: [1, 0.25]}}"]
    target = "results/tiny/models/r3d/seed0/sweep_scores/test-000.parquet"
    jobs = planning.jobs(tmp_path, target, configfile="tiny_relevance", config=config)
    (sweep,) = [job.params.sweep for job in jobs if job.rule.name == "measure_motion"]
    assert (sweep["sigmas"], sweep["thresholds"]) == ([0, 2.5, 3], [0.25, 0.4, 1])


def test_another_run_s_shards_are_taken_as_they_are(tmp_path):
    """Of other videos it has others."""
    there = {
        f"results/first/models/{model}/seed0/motion_scores/test-{shard:03d}.parquet"
        for model in ("r3d", "c3d")
        for shard in (0, 7)
    }
    for path in there:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    target, config = "results/tiny/tables/selected_share.parquet", ["relevance={compare_with: first}"]
    jobs = planning.jobs(tmp_path, target, configfile="tiny_relevance", config=config)
    (job,) = [job for job in jobs if job.rule.name == "tabulate_relevance"]
    assert set(job.input.other_motion_scores) == there


def test_a_run_is_compared_with_one_of_the_same_settings_alone(finished, tmp_path, capfd):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    shutil.copytree(tmp_path / "results/tiny", tmp_path / "results/first")
    for home in (tmp_path / "results/first/models").glob("*/seed0"):  # of an older plan, with other rows
        for kind in ("motion_scores", "ground_truth_scores"):
            stale = read_table(home / kind / "test-000.parquet", kind).assign(**{"class": "stale"})
            made = attributes_of(home / kind / "test-000.parquet")
            of = [*made["wildcards"][:-1], "test-009"]
            write_table(home / kind / "test-009.parquet", stale, kind=kind, made_by=made | {"wildcards": of})
    compare = partial(planning.run_here, tmp_path, configfile="tiny_relevance")
    target, compared = (
        "results/tiny/tables/selected_share.parquet",
        "{videos_per_class: 2, compare_with: first}",
    )
    jobs = planning.jobs(tmp_path, target, configfile="tiny_relevance", config=[f"relevance={compared}"])
    (job,) = [job for job in jobs if job.rule.name == "tabulate_relevance"]
    taken = {Path(path).name for path in job.input.other_motion_scores}
    assert taken and "test-009.parquet" not in taken
    compare(target, config=[f"relevance={compared}"])
    assert (table(tmp_path, "selected_share")["difference"].abs() < 1e-12).all()
    with pytest.raises(SystemExit):
        compare(target, config=[f"relevance={compared}", "selective={sigma: 1, sweep: [0, 1, 2]}"])
    assert "selective.sigma is 1.0 in this run and 2.0 in results/first/" in capfd.readouterr().err
