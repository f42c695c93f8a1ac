"""Videos of one's own with masks: the tables say of them what they say of the embedded ones, whose truth is the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import pandas as pd
import pytest
import yaml

from voxplain.artifacts import read_table
from voxplain.videos.embedded import read_ground_truth

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def test_masks_give_the_same_tables_as_the_embedded_truth_and_so_do_other_shards(relevance_run, tmp_path):
    (home,) = relevance_run.glob("results/shared/embedded-*/embedded")
    videos = pd.read_csv(home / "videos.csv", keep_default_na=False)
    videos["odd"] = [("even", "odd")[int(name[-5]) % 2] for name in videos["path"]]
    with h5py.File(tmp_path / "masks.h5", "w") as masks:
        for path in videos["path"]:
            objects = read_ground_truth(home / "ground_truth.h5", Path(path).stem).objects
            objects[objects == 255] = 200
            masks[Path(path).stem] = objects
    videos["path"] = [str(home / path) for path in videos["path"]]
    videos.to_csv(tmp_path / "own.csv", index=False)
    config = yaml.safe_load((ROOT / "tests/workflow/tiny_relevance.yaml").read_text())
    config |= {
        "run": "own",
        "parts": ["relevance", "checks"],
        "data": {"adapter": "csv", "path": "own.csv", "shard_size": 9,
                 "options": {"masks": str(tmp_path / "masks.h5"), "subset": "odd"}},
        "truth": {"targets": {"evidence": [1], "distractor": list(range(2, 200)), "cue": [200]}},
        "models": {"c3d": config["models"]["c3d"]},
        "checks": {"tables": ["evidence_or_motion"]},
    }  # fmt: skip
    config["concepts"]["models"] = ["c3d"]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(config))
    tables = [
        f"results/own/tables/{name}.parquet" for name in ("ground_truth_precision", "evidence_or_motion")
    ]
    command = [sys.executable, "-m", "snakemake", "--configfile", tmp_path / "own.yaml", "--cores", "2"]
    command += ["--directory", tmp_path, "--snakefile", ROOT / "workflow/Snakefile", "--", *tables]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]

    keys = ["method", "control_of", "selective", "target"]
    own, embedded = (
        read_table(folder / f"results/{run}/tables/ground_truth_precision.parquet", "ground_truth_precision")
        for folder, run in ((tmp_path, "own"), (relevance_run, "tiny"))
    )
    targets = ["evidence", "distractor", "cue", "evidence_among_objects"]
    embedded = embedded[(embedded["model"] == "c3d") & embedded["target"].isin(targets)]
    assert set(own["target"]) == set(embedded["target"])
    measures = [name for name in own if not name.endswith(("_low", "_high")) and name not in (*keys, "model")]
    found = own.set_index(keys).loc[pd.MultiIndex.from_frame(embedded[keys]), measures].reset_index()
    pd.testing.assert_frame_equal(found, embedded[[*keys, *measures]].reset_index(drop=True))

    shares = read_table(tmp_path / tables[1], "evidence_or_motion")
    assert {"all", "even", "odd"} == set(shares["subset"])  # no group has both
    dtd = shares[(shares["method"] == "dtd") & (shares["measure"] == "evidence") & (shares["map"] == "whole")]
    whole = own.set_index(keys).loc["dtd", "", False, "evidence"]["relevance_on_target"]
    assert dtd.set_index("subset").loc["all", "value"] == pytest.approx(whole)
