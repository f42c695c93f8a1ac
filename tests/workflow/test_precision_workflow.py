"""One decision on precision for each network, which every stage reads that shows it many clips."""

from __future__ import annotations

import pytest
from tests.workflow import planning

from voxplain.artifacts import attributes_of, read_table

READS = {
    "extract_activations", "edit_concepts", "steer_concepts", "try_variants", "perturb_supervoxels",
    "ablate_concepts", "follow_concepts", "measure_concept_motion", "score_given",
}  # fmt: skip


def jobs(folder, *config):
    """Inputs and parameters of all jobs of the whole run, by rule and outputs."""
    found = planning.jobs(folder, "all", configfile="tiny_checks", config=config)
    return {
        (job.rule.name, str(job.output[0])): (set(map(str, job.input)), {**dict(job.params.items())})
        for job in found
        if job.output
    }


@pytest.fixture
def given(tmp_path):
    """A folder with the weights that the config names."""
    from voxplain.models.build import build_model
    from voxplain.models.weights import save_weights

    network = build_model("r3d_18", None, 5, seed=0, width=4, depth=[1, 1, 1, 1])
    save_weights(network, tmp_path / "weights.safetensors", {"classes": list("abcde")})
    return tmp_path


def test_float32_adds_nothing_and_auto_one_decision_a_network(given):
    plain, auto = jobs(given), jobs(given, "device={precision: auto}")
    assert "choose_precision" not in {rule for rule, _ in plain}
    added = auto.keys() - plain.keys()
    assert {rule for rule, _ in added} == {"choose_precision"} and plain.keys() < auto.keys()
    decisions = {path for _, path in added}
    for (rule, output), (inputs, params) in plain.items():
        more, same = auto[rule, output][0] - inputs, auto[rule, output][1] == params
        if rule in READS:
            # The one of its own network and seed, whatever the shard; nothing else changes.
            (own,) = more
            assert own in decisions and output.startswith(own.rpartition("/")[0]) and same, rule
        elif not rule.startswith("tabulate") and rule != "report":
            assert not more and same, rule
    assert READS <= {rule for rule, _ in plain}


@pytest.mark.slow
def test_a_run_says_at_which_precision_it_was_made(tmp_path):
    network = "results/tiny/models/r3d/seed0"
    shards = [f"{network}/activations/{shard}.h5" for shard in ("train-000", "test-000")]
    config = ["device={precision: bfloat16}"]
    planning.run_here(tmp_path, *shards, configfile="tiny", config=config, threads=1)
    (row,) = read_table(tmp_path / network / "chosen_precision.parquet", "chosen_precision").to_dict(
        "records"
    )
    assert row["asked"] == "bfloat16"
    said = [attributes_of(tmp_path / path)["precision"] for path in shards]
    assert said == [row["precision"]] * 2
