"""The first paper's workflow as a whole, on tiny videos: tables, reruns, faults."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.exceptions import WorkflowError
from tests.workflow import planning

from voxplain.__main__ import main
from voxplain.videos.clips import read_middle_clip

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "workflow" / "tiny.yaml"
pytestmark = pytest.mark.slow


def command(folder, *arguments, configfile=TINY):
    # Options that take several values stand before others, so that they do not take the targets.
    base = [
        sys.executable,
        "-m",
        "snakemake",
        "--configfile",
        configfile,
        "--cores",
        "2",
        "--directory",
        folder,
    ]
    if "--snakefile" not in arguments:
        base += ["--snakefile", ROOT / "workflow" / "Snakefile"]
    return [str(part) for part in [*base, *arguments]]


def snakemake(folder, *arguments, configfile=TINY, check=True):
    done = subprocess.run(command(folder, *arguments, configfile=configfile), capture_output=True, text=True)
    if check:
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done


def planned(folder, *config):
    """Names of the rules that a run would execute."""
    return planning.planned(folder, "concepts", configfile="tiny", config=config)


@pytest.fixture(scope="module")
def finished(concept_run):
    return concept_run


COLUMNS = {
    "concept_addition": "model layer strategy k accuracy ci_low ci_high n_videos baseline p_value published",
    "concept_removal": "model layer strategy k accuracy ci_low ci_high n_videos baseline p_value published",
    "concept_scores": "model layer class concept score score_sd p_value p_adjusted significant n_supervoxels"
    " n_videos cav_accuracy rank",
}


@pytest.mark.parametrize("name", COLUMNS)
def test_tables_have_the_promised_columns_and_fractions(finished, name):
    table = pd.read_parquet(finished / f"results/tiny/tables/{name}.parquet")
    assert set(COLUMNS[name].split()) <= set(table.columns)
    pd.testing.assert_frame_equal(
        table, pd.read_csv(finished / f"results/tiny/tables/{name}.csv"), check_dtype=False, rtol=1e-9
    )
    for column in {"accuracy", "ci_low", "ci_high", "score", "p_value", "cav_accuracy"} & set(table.columns):
        assert table[column].dropna().between(0, 1).all()
    assert set(zip(table["model"], table["layer"], strict=True)) == {
        ("r3d", "layer2"), ("r3d", "layer3"), ("i3d", "mixed_4b")
    }  # fmt: skip


def test_the_papers_cells_stand_beside_ours(finished):
    table = pd.read_parquet(finished / "results/tiny/tables/concept_addition.parquet")
    cell = table.query("model == 'r3d' and layer == 'layer3' and strategy == 'top' and k == 1")
    assert cell["published"].item() == pytest.approx(0.1167)
    assert table.loc[table["strategy"] == "random_volume", "published"].isna().all()


def test_every_number_can_be_had_from_the_answers_per_video(finished):
    table = pd.read_parquet(finished / "results/tiny/tables/concept_removal.parquet")
    edits = pd.concat(
        [
            pd.read_parquet(path)
            for path in finished.glob("results/tiny/models/r3d/seed0/layer3/edits/*.parquet")
        ]
    )
    least = edits.query("experiment == 'concept_removal' and strategy == 'least' and k == 2")
    row = table.query("model == 'r3d' and layer == 'layer3' and strategy == 'least' and k == 2")
    assert row["accuracy"].item() == pytest.approx(least["correct"].mean())
    assert row["n_videos"].item() == len(least) == 9


def test_steering_stands_beside_its_controls(finished):
    table = pd.read_parquet(finished / "results/tiny/tables/concept_steering.parquet")
    promised = "model layer class concept control change_of_logit change_of_accuracy ci_low ci_high n_videos"
    assert set(promised.split()) <= set(table.columns)
    assert set(table["control"]) == {"none", "random_direction", "random_concept", "other_class"}
    place = "model == 'r3d' and layer == 'layer3'"
    steered = pd.concat(
        pd.read_parquet(path)
        for path in finished.glob("results/tiny/models/r3d/seed0/layer3/steered_concepts/*.parquet")
    )
    version = (
        "space == 'layer' and steering == 'removal' and control == 'random_direction' and norm == 'matched'"
    )
    first = f"{version} and `class` == 'disk_slide' and rank == 1"
    row, own = table.query(f"{place} and {first}"), steered.query(first)
    assert row["change_of_logit"].item() == pytest.approx(own["change_of_logit"].mean())
    assert row["n_draws"].item() == 20 and row["n_videos"].item() == 3 and len(own) == 60
    # As large as the concept's own change.
    sizes = steered.query(
        "space == 'layer' and steering == 'removal' and norm == 'matched' or control == 'none'"
    )
    sizes = sizes[(sizes["space"] == "layer") & (sizes["steering"] == "removal")]
    spread = sizes.groupby(["video", "concept"])["size"].agg(np.ptp)
    assert spread.max() < 1e-4 and sizes["size"].max() > 0.01


def test_a_given_concept_is_steered_beside_its_control_and_drawn(finished):
    home = finished / "results/tiny"
    table = pd.read_parquet(home / "tables/given_concepts.parquet")
    steered = pd.read_parquet(home / "models/r3d/seed0/layer3/steered_given.parquet")
    place = "model == 'r3d' and layer == 'layer3' and `class` == 'disk_slide' and source == 'control'"
    for control, norm, column in (
        ("none", "own", "removal"), ("random_direction", "matched", "removal_random_direction"),
    ):  # fmt: skip
        own = steered.query(f"{place} and steering == 'removal' and control == @control and norm == @norm")
        assert table.query(place)[column].item() == pytest.approx(own["change_of_logit"].mean())
    assert table.query(place)["n_videos"].item() == 3
    summary = pd.read_parquet(home / "tables/given_summary.parquet")
    assert set(summary["source"]) == {"given", "control", "given less control"} and len(summary) == 3 * 3 * 7
    assert (home / "figures/given_concepts.png").stat().st_size > 0
    assert (home / "figures/given/r3d/seed0/layer3.png").stat().st_size > 0


def test_an_idea_of_the_users_is_tested_as_found_concepts_are(finished, tmp_path, capsys):
    """The actor by its masks, and clips of a folder; a found concept's own members give its own score."""
    run, data = finished / "results/tiny", next(finished.glob("results/shared/embedded-*/embedded"))
    with h5py.File(data / "ground_truth.h5") as truth, h5py.File(tmp_path / "masks.h5", "w") as masks:
        for video in truth:
            masks[video] = np.where(truth[video]["objects"][()] == 255, 9, truth[video]["objects"][()])
    asked = ["test-concept", "--run", run, "--masks", tmp_path / "masks.h5", "--label", 1, "--name", "actor"]
    out = tmp_path / "actor.csv"
    assert main([str(part) for part in [*asked, "--output", out]]) == 0
    told = capsys.readouterr().out
    assert "r3d, layer3, given less control" in told and "no control" not in told
    table = pd.read_csv(out)
    classes = pd.read_parquet(run / "tables/concept_scores.parquet")["class"].unique()
    assert len(table) == 3 * 2 * len(classes) == 18 and set(table["concept"]) == {"actor"}
    assert (table["n_examples"] == 8).all() and (table["n_found"] >= 3).all()
    assert (table["p_value"] == table[["p_clusters", "p_gradients"]].max(axis=1)).all()
    assert (table["p_adjusted"] >= table["p_value"] - 1e-12).all()
    # The config gives the actor too, by the ground truth.
    given = pd.read_parquet(run / "tables/given_concepts.parquet")
    assert set(given["name"]) == {"actor"} and len(given) == len(table)
    keys = ["model", "seed", "layer", "source", "class"]
    same = "n_examples score score_sd derivative effect effect_ci_low effect_ci_high p_clusters p_gradients p_value"
    same = f"{same} p_adjusted significant cav_accuracy rank_among_found n_found".split()
    mine, its = (one.set_index(keys).sort_index()[same] for one in (given, table))
    pd.testing.assert_frame_equal(mine, its, check_dtype=False, rtol=1e-5)
    # As often as it is asked, the same; of one layer and class the same numbers.
    more = ["--layer", "layer3", "--class", classes[0], "--control", 2, "--output", tmp_path / "again.json"]
    assert main([str(part) for part in [*asked, *more]]) == 0
    again = pd.DataFrame(json.loads((tmp_path / "again.json").read_text())["rows"])
    keys = {"layer": "layer3", "class": classes[0], "source": "given"}
    row, whole = (one[(one[list(keys)] == pd.Series(keys)).all(axis=1)].iloc[0] for one in (again, table))
    assert row["effect"] == pytest.approx(whole["effect"]) and row["p_value"] == pytest.approx(
        whole["p_value"]
    )
    # Whole clips, with others as control.
    folders = [data / classes[0], data / classes[1]]
    if not folders[0].is_dir():
        folders = [data, data]
    whole = [
        "test-concept",
        folders[0],
        "--run",
        run,
        "--model",
        "r3d",
        "--layer",
        "layer3",
        "--control",
        folders[1],
    ]
    assert main([str(part) for part in whole]) == 0
    assert "r3d, layer3, control" in capsys.readouterr().out
    for wrong, mend in [
        (["--model", "i3"], "did you mean 'i3d'"), (["--class", "wave"], "no class 'wave'"),
        (["--label", 77], "No clip has an example"), (["--control", "x"], "another label"),
    ]:  # fmt: skip
        assert main([str(part) for part in [*asked, *wrong]]) == 1
        assert mend in capsys.readouterr().err


def test_concepts_of_the_run_are_switched_off(finished, tmp_path, capsys):
    """What the run's accuracy was stays what it was; the rest is beside as many other directions."""
    run = finished / "results/tiny"
    scores = pd.read_parquet(run / "models/r3d/seed0/layer3/scored_concepts.parquet")
    first = scores.sort_values(["class", "rank"]).iloc[0]
    asked = ["repair", run, "--model", "r3d", "--layer", "layer3", "--draws", 3]
    named = ["--concept", f"{first['class']}/{first['concept']}"]
    assert main([str(part) for part in [*asked, *named, "--output", tmp_path / "off.csv"]]) == 0
    assert f"without {named[1]}" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "off.csv").set_index("what")
    predictions = pd.read_parquet(run / "models/r3d/seed0/predictions.parquet")
    right = predictions["class"] == predictions["predicted"]
    assert table.loc["as it is", "accuracy"] == pytest.approx(right.mean())
    assert (table["n_videos"] == len(predictions)).all() and set(table["subset"]) == {"all"}
    # Few random directions of many tell little, and another draw of them is another number; the concept's is its own.
    assert (
        main([str(part) for part in [*asked, *named, "--draws", 1, "--output", tmp_path / "again.csv"]]) == 0
    )
    again = pd.read_csv(tmp_path / "again.csv").set_index("what")
    assert again.loc["concepts off", "accuracy"] == table.loc["concepts off", "accuracy"]
    for wrong, mend in [
        (["--concept", "wave/1"], "no concept wave/1"), ([*named, "--target", "cue"], "Say which concepts"),
        (["--target", "cue"], "name them by --concept"), ([*named, "--output", "x.json"], "ends in .csv"),
    ]:  # fmt: skip
        assert main([str(part) for part in [*asked, *wrong]]) == 1
        assert mend in capsys.readouterr().err


def test_a_new_clip_is_explained_by_the_concepts_of_the_run(finished, tmp_path, capsys, monkeypatch):
    """A clip that concepts were found in, which has them where the run says; of other weights there are none."""
    cut = []
    monkeypatch.setattr(
        "voxplain.cli.explain.read_middle_clip",
        lambda path, **how: cut.append(how) or read_middle_clip(path, **how),
    )
    video = sorted(finished.glob("results/shared/embedded-*/embedded/**/*.mp4"))[0]
    weights = finished / "results/tiny/models/r3d/seed0/weights.safetensors"
    asked = ["explain", video, "--weights", weights, "--concepts", "layer3", "--output", tmp_path / "out.mp4"]
    scores = pd.read_parquet(finished / "results/tiny/models/r3d/seed0/layer3/scored_concepts.parquet")
    name = scores["class"].iloc[0]
    assert main([str(part) for part in [*asked, "--target", name]]) == 0
    told = capsys.readouterr().out
    assert f"the concepts of {name} at layer3" in told and (tmp_path / "out.mp4").stat().st_size > 0
    ranks = [int(line.split()[1]) for line in told.splitlines()[1:] if line.split()[0].isdigit()]
    assert ranks == sorted(scores.loc[scores["class"] == name, "rank"])
    plain = [*asked[:4], "--method", "gradient", "--output", tmp_path / "plain.mp4"]
    assert main([str(part) for part in plain]) == 0 and len(cut) == 2 and cut[0] == cut[1]  # the same clip
    shutil.copy(weights, tmp_path / "weights.safetensors")
    asked[3] = tmp_path / "weights.safetensors"
    assert main([str(part) for part in asked]) == 1 and "of a finished run" in capsys.readouterr().err


def test_names_of_concepts_are_a_column_and_change_no_number(finished, tmp_path):
    home = finished / "results/tiny/tables"
    before = pd.read_parquet(home / "concept_scores.parquet")
    row = before.iloc[0][["model", "seed", "layer", "class", "concept"]].to_dict() | {"name": "=hand"}
    pd.DataFrame([row]).to_csv(tmp_path / "names.csv", index=False)
    names = f"concepts={{names: {tmp_path / 'names.csv'}}}"
    assert planned(finished, names) == {"tabulate_concepts", "show_concepts"}
    again = tmp_path / "again"
    shutil.copytree(finished, again, symlinks=True)
    table = "results/tiny/tables/concept_scores.parquet"
    snakemake(again, "--config", names, "--", table)
    after = pd.read_parquet(again / table)
    assert after["name"].tolist() == ["=hand", *[""] * (len(before) - 1)]
    pd.testing.assert_frame_equal(after.drop(columns="name"), before)
    with pytest.raises(WorkflowError, match="concepts.names"):
        planned(finished, f"concepts={{names: {tmp_path / 'none.csv'}}}")


def test_nothing_changed_runs_nothing(finished):
    assert planned(finished) == set()
    # Nor do the file's own values, given again.
    again = [
        "models={r3d: {options: {width: 4, depth: [1, 1, 1, 1]}, training: {epochs: 3}}}",
        "concepts={clusters: 4}",
    ]
    assert planned(finished, *again) == set()


def test_snakemakes_own_report_has_captions_categories_and_labels(concept_report, finished):
    snakemake(finished, "all", "--report", "snakemake.html", "--config", "parts=[concepts]")
    text = (finished / "snakemake.html").read_text(encoding="utf-8")
    for words in (
        "Concepts",  # a category
        "r3d, layer3, seed 0",  # a subcategory
        "Removing concepts (3D-ACE, table 2)",  # a label
        "one supervoxel of the concept",  # a caption
        "What the networks of run",
    ):
        assert words in text


def test_a_changed_number_of_clusters_reruns_clustering_and_what_follows(finished):
    rerun = planned(finished, "concepts={clusters: 3}")
    assert rerun == {
        "find_random_concepts", "find_concepts", "measure_controls", "score_concepts", "edit_concepts", "steer_concepts", "show_concepts",
        "score_given", "tabulate_concepts",
    }  # fmt: skip


def test_a_killed_run_ends_with_the_same_numbers(finished, tmp_path):
    """Kill -9 whatever runs at several moments, then let it go on; of one network and layer."""
    rng = np.random.default_rng(0)
    config = yaml.safe_load(TINY.read_text())
    config["models"] = {"r3d": config["models"]["r3d"] | {"layers": ["layer3"]}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    again = command(
        tmp_path, "concepts", "--rerun-incomplete", "--nolock", configfile=tmp_path / "config.yaml"
    )
    for _ in range(3):
        run = subprocess.Popen(
            again, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        time.sleep(rng.uniform(4, 12))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    done = subprocess.run(again, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    home = "results/tiny/models/r3d/seed0"
    for kind in ("predictions", "layer3/scored_concepts", "layer3/edits/test-000"):
        mine, whole = (pd.read_parquet(folder / f"{home}/{kind}.parquet") for folder in (tmp_path, finished))
        pd.testing.assert_frame_equal(mine, whole, check_exact=True)
    assert len(list((tmp_path / "results/tiny/tables").glob("*.csv"))) >= 6


def test_a_job_that_is_killed_is_told_with_the_mend(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if any('.make_embedded_videos.py' in word for word in sys.orig_argv):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    done = snakemake(tmp_path, "--until", "make_embedded_videos", "--", "concepts", check=False)
    assert done.returncode == 1
    assert "voxplain: A job was ended by SIGKILL, mostly because it needed more memory" in done.stderr


def test_bad_videos_are_set_aside_and_listed(finished, tmp_path):
    source = next(finished.glob("results/shared/embedded-*/embedded"))
    videos = pd.read_csv(source / "videos.csv")
    videos["path"] = [str(source / path) for path in videos["path"]]
    broken = {"empty": b"", "text": b"no video", "cut": Path(videos["path"][0]).read_bytes()[:600]}
    for name, data in broken.items():
        (tmp_path / f"{name}.mp4").write_bytes(data)
    extra = pd.DataFrame(
        {"path": [str(tmp_path / f"{name}.mp4") for name in (*broken, "missing")],
         "class": videos["class"][0], "split": ["train", "test", "train", "test"]}
    )  # fmt: skip
    pd.concat([videos, extra]).to_csv(tmp_path / "videos.csv", index=False)
    config = yaml.safe_load(TINY.read_text()) | {"data": {"path": str(tmp_path / "videos.csv")}}
    del config["concepts"]["given"]  # these videos have no ground truth
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    snakemake(tmp_path, "results/tiny/tables/set_aside.parquet", configfile=tmp_path / "config.yaml")
    aside = pd.read_csv(tmp_path / "results/tiny/tables/set_aside.csv")
    assert {Path(path).stem for path in aside["path"]} == {*broken, "missing"}
    assert aside["reason"].str.len().gt(10).all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("clusters=5", "unknown key"),
        ("concepts={cluster: 5}", "did you mean 'clusters'"),
        ("clips={frames: 0}", "clips.frames"),
        ("data={adapter: csv}", "data.path"),
    ],
)
def test_a_wrong_config_says_the_mend(tmp_path, setting, message):
    with pytest.raises(WorkflowError, match=message):  # of which Snakemake shows no traceback
        planned(tmp_path, setting)


def test_a_single_value_of_a_network_changes_the_default_config(tmp_path):
    (tmp_path / "config").symlink_to(ROOT / "config")  # it is looked for where the results go
    arguments = command(
        tmp_path, "-n", "-p", "--config", "models={r3d: {training: {epochs: 1}}}", "--", "concepts"
    )
    at = arguments.index("--configfile")
    del arguments[at : at + 2]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "model=i3d" in done.stdout


def test_a_config_that_names_a_function_trusts_weights_that_name_it(tmp_path, monkeypatch):
    """Only the config's word has it imported; later stages load weights that name it."""
    (tmp_path / "network_of_a_config.py").write_text(
        "import voxplain\n"
        "def build(num_classes, width):\n"
        "    return voxplain.build_model('r3d_18', None, num_classes, width=width, depth=(1, 1, 1, 1))\n"
    )
    config = yaml.safe_load(TINY.read_text())
    mine = {
        "network": "network_of_a_config:build",
        "options": {"width": 4},
        "layers": ["layer3"],
        "training": {"epochs": 1},
    }
    config["models"] = {"mine": mine}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    snakemake(
        tmp_path, "results/tiny/models/mine/seed0/predictions.parquet", configfile=tmp_path / "config.yaml"
    )
    table = pd.read_parquet(tmp_path / "results/tiny/models/mine/seed0/predictions.parquet")
    assert len(table) == 9 and set(table["model"]) == {"mine"}
