"""Concepts that users give, and names for those that were found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.__main__ import main
from voxplain.activation_store import LayerActivations
from voxplain.activations import logit_gradients, supervoxel_activations
from voxplain.concepts.explain import explain_by_concepts
from voxplain.concepts.given.compute import enough, score_given, whole_clips
from voxplain.concepts.given.examples import equal_volume, example_activations, folder_clips, masks_of
from voxplain.concepts.given.summary import summarize_given
from voxplain.concepts.names import read_names, with_names
from voxplain.errors import ConfigError
from voxplain.finished import SCORED, finished_layers
from voxplain.models.build import build_model
from voxplain.models.trained import TrainedModel

NO_FOUND = pd.DataFrame({"class": ["a", "a", "a"], "effect": [9.0, 5.0, 1.0], "score": [1.0, 0.5, 0.0]})


def scored(members, gradients, random_sets, null_members, null_gradients, **how):
    how = {"cavs": {"classifier": "mean_difference"}, "found": NO_FOUND} | how
    found = how.pop("found")
    return score_given(
        {"a": members}, lambda name: gradients, random_sets, null_members, {"a": null_gradients}, found, **how
    )


def test_scores_by_hand():
    """Examples 4 along the first axis from random samples at 0; null concepts at 1 to 9; the logit rises by 2 there."""
    at = lambda place: np.tile(np.array([place, 0.0]), (4, 1))  # noqa: E731
    null = [at(place) for place in (1.0, 2.0, 3.0, 5.0, 6.0, 7.0, 8.0, 9.0)]
    gradients = np.array([[3.0, 1.0], [1.0, -1.0]])
    turned = np.array([[0.0, 1.0], [0.0, -5.0], [-1.0, 0.0]])
    row = scored(at(4.0), gradients, np.stack([at(0.0)] * 2), null, turned).iloc[0]
    assert (row["score"], row["derivative"], row["effect"], row["cav_accuracy"]) == (1.0, 2.0, 8.0, 1.0)
    assert row["p_clusters"] == pytest.approx(2 * (1 + 3) / 9)  # three of eight lie below
    assert row["p_gradients"] == pytest.approx(2 * 1 / 4)  # beyond all three
    assert row["p_value"] == row["p_clusters"]
    assert (row["rank_among_found"], row["n_found"], row["n_examples"]) == (2, 3, 4)
    assert row["n_null_members"] == 4


def test_null_concepts_have_as_many_members_as_there_are_examples(monkeypatch):
    from voxplain.concepts.given import compute as module

    seen, own = [], module.cav_arrays
    monkeypatch.setattr(
        module,
        "cav_arrays",
        lambda some, *a, **k: (seen.append([len(x) for x in some]), own(some, *a, **k))[1],
    )
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=(*shape, 3))  # noqa: E731
    members = {"a": draw(5), "b": draw(7), "c": draw(5)}
    found = score_given(
        members, lambda _: draw(2), draw(2, 9), [draw(20), draw(6)], dict.fromkeys("abc", draw(3)), NO_FOUND,
        subset=draw(9), cavs={},
    )  # fmt: skip
    assert seen == [[5], [5], [5, 5], [7], [7], [7, 6], [5]]  # idea, subset, null concepts
    assert found["n_null_members"].tolist() == [5, 6.5, 5]


def test_structureless_examples_are_rarely_significant():
    """Few examples that are nothing, among null concepts that are nothing: both nulls reject as often as they say."""
    rng, tables = np.random.default_rng(0), []
    for _ in range(400):
        pool = rng.normal(size=(200, 8))
        null = [pool[rng.choice(200, 30, replace=False)] for _ in range(39)]
        sets = np.stack([pool[rng.choice(200, 20, replace=False)] for _ in range(3)])
        nulls = rng.normal(size=(40, 8))
        tables.append(scored(pool[rng.choice(200, 6, replace=False)], nulls[:1], sets, null, nulls[1:]))
    table = pd.concat(tables)
    for name in ("p_clusters", "p_gradients"):
        assert 0.02 <= (table[name] <= 0.05).mean() <= 0.08, name
    assert (table["p_value"] <= 0.05).mean() <= 0.05


def test_what_the_logit_follows_is_significant_and_a_control_is_not():
    rng = np.random.default_rng(1)
    pool = rng.normal(size=(300, 8))
    null = [pool[rng.choice(300, 30, replace=False)] + rng.normal(size=8) for _ in range(99)]
    sets = np.stack([pool[:30], pool[30:60]])
    gradient, nulls = np.eye(8)[:1], rng.normal(size=(99, 8))
    idea, control = (pool[60:70] + 6 * np.eye(8)[axis] for axis in (0, 1))
    assert scored(idea, gradient, sets, null, nulls)["p_value"].item() <= 0.05
    assert scored(control, gradient, sets, null, nulls)["p_value"].item() > 0.05


def test_classes_with_few_examples_are_told():
    rows = [np.zeros(2)] * 3
    found, few = enough({"a": rows, "b": rows[:2]})
    assert list(found) == ["a"] and found["a"].shape == (3, 2) and few == ["b"]


def test_whole_clips_are_compared_with_whole_clips():
    rng = np.random.default_rng(0)
    videos = [f"v{number:02}" for number in range(24)]
    clips = rng.normal(size=(24, 4)).astype(np.float32)
    table = pd.DataFrame({"video": videos, "class": np.repeat(["a", "b"], 12), "clip": 0})
    known = LayerActivations(pd.DataFrame(), np.zeros((0, 4)), table, clips, clips)
    sets, null = whole_clips(known, examples=4, sets=3, size=10, clusterings=5, seed=0)
    assert sets.shape == (3, 10, 4) and len(null) >= 5
    own = {row.tobytes() for row in clips}
    assert all(row.tobytes() in own for part in [*sets.astype(np.float32), *null] for row in part)
    assert all(len(part) >= 3 for part in null)


@pytest.mark.parametrize(("examples", "same"), [(3, True), (8, True), (40, False)])
def test_clusters_of_whole_clips_are_as_large_as_the_examples_are_many_where_videos_suffice(examples, same):
    """Six classes of 20 videos: a class's clips do not make two clusters of 20, and all of them none of 40."""
    rng = np.random.default_rng(0)
    clips = rng.normal(size=(120, 4)).astype(np.float32)
    names = [f"{number:03}" for number in range(120)]
    table = pd.DataFrame({"video": names, "class": np.repeat(list("abcdef"), 20), "clip": 0})
    known = LayerActivations(pd.DataFrame(), np.zeros((0, 4)), table, clips, clips)
    how = {"sets": 3, "size": 10, "clusterings": 6, "restarts": 2, "seed": 0}
    sets, null = whole_clips(known, examples=examples, **how)
    assert len(null) >= 6 and (min(map(len, null)) >= examples) == same
    members, gradients = rng.normal(size=(examples, 4)), rng.normal(size=(2, 4))
    row = scored(members, gradients, sets, null, rng.normal(size=(3, 4))).iloc[0]
    assert row["n_examples"] == examples and (row["n_null_members"] == examples) == same
    assert same or row["n_null_members"] == np.mean([min(len(part), examples) for part in null])


def test_summary_pairs_idea_and_control_by_class():
    rows = [
        ("given", "a", 3.0, True), ("given", "b", 5.0, True), ("given", "c", -4.0, True),
        ("control", "a", 1.0, False), ("control", "b", 2.0, True),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["source", "class", "effect", "significant"])
    found = summarize_given(table.assign(model="m", seed=0, layer="l")).set_index("source")
    assert found.loc["given", "effect"] == pytest.approx(4 / 3) and found.loc["given", "n_significant"] == 2
    assert found.loc["given less control", "effect"] == pytest.approx(2.5)
    assert found.loc["given less control", "n"] == 2 and np.isnan(found.loc["given less control", "ci_low"])


# Examples


@pytest.fixture(scope="module")
def model():
    network = build_model("r3d_18", None, 2, seed=0, width=4, depth=[1, 1, 1, 1]).eval()
    return TrainedModel(network, ["a", "b"], next(network.parameters()).device)


def test_what_is_under_a_mask_is_shown_in_its_place(model):
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    masks = {"given": np.zeros((8, 32, 32), bool), "control": np.zeros((8, 32, 32), bool)}
    masks["given"][2:6, 4:20, 4:20], masks["control"][:, 10:, 10:] = True, True  # which overlap
    shown = {"form": "in_place", "fill": "mean", "pooling": [1, 1, 1], "batch": 8, "preset": "corrected"}
    found = example_activations(model, clip, masks, ["layer2", "layer3"], **shown)
    for name, mask in masks.items():
        alone = np.where(mask[..., None], clip, model.fill("mean"))
        whole = example_activations(model, alone.astype(np.uint8), None, ["layer2", "layer3"], **shown)[
            "given"
        ]
        for layer, activation in found[name].items():
            np.testing.assert_allclose(activation, whole[layer], rtol=1e-4, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 600))
def test_controls_have_about_the_volume_of_the_mask(seed, volume):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(1, 65), 12).reshape(1, 8, 8, 12).astype(np.uint16)  # 64 of 12 voxels
    mask = (rng.permutation(768) < volume).reshape(8, 8, 12)
    kept = np.array([(0, label) for label in range(1, 65)])
    found = equal_volume(labels, kept, mask, rng)
    assert abs(np.count_nonzero(found) - volume) <= 12 and np.count_nonzero(found) % 12 == 0


def test_masks_name_what_is_there(tmp_path):
    import h5py

    labels = np.zeros((4, 8, 8), np.uint8)
    labels[:, :4] = 2
    with h5py.File(tmp_path / "masks.h5", "w") as file:
        file["video.mp4"] = labels
    options = {"size": 4, "crop": "squash"}

    def at(video):
        wanted = {"given": [2], "control": [5]}
        return masks_of(
            video, str(tmp_path / video), np.array([0, 2]), tmp_path / "masks.h5", wanted, options
        )

    assert list(at("video.mp4")) == ["given"] and at("other.mp4") == {}
    assert at("video.mp4")["given"].tolist() == [[[True] * 4] * 2 + [[False] * 4] * 2] * 2


def test_folders_without_videos_say_the_mend(tmp_path):
    with pytest.raises(ConfigError, match="holds no videos"):
        list(folder_clips(tmp_path, {}))
    with pytest.raises(ConfigError, match="no folder"):
        list(folder_clips(tmp_path / "none", {}))


def test_a_clip_is_explained_by_the_concepts_it_has(model):
    """Two halves, each at the centre of a concept; a third concept is nowhere in the clip."""
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    labels = np.ones((1, 8, 32, 32), np.uint16)
    labels[0, :, :, 12:] = 2
    kept, shown = np.array([(0, 1), (0, 2)]), {"pooling": [1, 1, 1], "batch": 8}
    own = supervoxel_activations(model, clip, labels, kept, ["layer3"], **shown)[0]["layer3"]
    centres = np.concatenate([own, own[:1] + 100])
    vectors, distances = rng.normal(size=(3, 2, own.shape[1])), rng.uniform(1, 2, (3, 2))
    table, effect = explain_by_concepts(
        model, clip, "b", "layer3", labels, kept, (centres, np.full(3, 1e-3)), (vectors, distances), **shown
    )
    gradient = logit_gradients(model.network, model.inputs(clip[None]), model.targets(["b"]), ["layer3"])
    ways = (vectors * distances[..., None]).mean(axis=1)
    np.testing.assert_allclose(table["effect"], ways @ gradient["layer3"][0].numpy(), rtol=1e-4)
    assert table["n_supervoxels"].tolist() == [1, 1, 0]
    assert table["volume_share"].tolist() == [12 / 32, 20 / 32, 0]
    np.testing.assert_allclose(effect, table["effect"].to_numpy()[labels[0] - 1], rtol=1e-6)


# The command


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "folder of example clips, or masks"),
        (["--masks", "masks.h5"], "give both"),
        (["--masks", "none.h5", "--label", "1"], "no file of masks"),
        (["--masks", "masks.h5", "--label", "1", "--control", "arm"], "another label"),
        (["--masks", "masks.h5", "--label", "1", "--control", "²"], "another label"),
        (["none"], "There is no folder"),
        (["clips", "--output", "found.txt"], ".csv or .json"),
        (["clips"], "is no run with concepts"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_mend(tmp_path, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    (tmp_path / "masks.h5").touch()
    assert main(["test-concept", "--run", "results/none", *arguments]) == 1
    assert told in capsys.readouterr().err


def test_layers_of_a_run_that_is_not_finished_are_told(tmp_path):
    def touch(*names):
        for name in names:
            path = tmp_path / "models/r3d/seed0" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    touch("weights.safetensors", "layer2/random_sets.h5")
    with pytest.raises(
        ConfigError, match="has no random_cavs.h5, random_gradients.h5, scored_concepts.parquet"
    ):
        finished_layers(tmp_path)
    touch(*(f"layer3/{name}" for name in SCORED))
    # A copy beside it has no seed.
    touch(*(f"../seed0_old/{name}" for name in ("weights.safetensors", "layer3/random_sets.h5")))
    assert [(place.seed, place.layer) for place in finished_layers(tmp_path)] == [(0, "layer3")]
    with pytest.raises(ConfigError, match="no model i3d with concepts"):
        finished_layers(tmp_path, model="i3d")
    with pytest.raises(ConfigError, match="no seed 3"):
        finished_layers(tmp_path, seed=3)


# Names

PLACES = [{"model": "r3d", "seed": 0, "layer": "layer3"}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.csv", "class,concept,name\nwave,1,hand\nNA,0,=sum\n"),
        ("names.yaml", "- {class: wave, concept: 1, name: hand}\n- {class: 'NA', concept: 0, name: =sum}\n"),
    ],
)
def test_names_from_either_form(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = read_names(tmp_path / name, PLACES, ["wave", "NA"])
    assert found == [
        PLACES[0] | {"class": "wave", "concept": 1, "name": "hand"},
        PLACES[0] | {"class": "NA", "concept": 0, "name": "=sum"},
    ]


def test_no_file_is_no_names():
    assert read_names(None, PLACES, []) == []


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{class: wave, concept: 1}", "has no name"),
        ("{class: wav, concept: 1, name: x}", "did you mean 'wave'"),
        ("{class: wave, concept: one, name: x}", "are whole numbers"),
        ("{class: wave, concept: 1.7, name: x}", "are whole numbers"),
        ("{class: wave, concept: -1, name: x}", "are whole numbers"),
        ("{class: wave, concept: 1, nam: x}", "unknown key 'nam'"),
        ("{class: wave, concept: 1, name: x}", "several concepts"),
        ("{class: wave, concept: 1, name: x, layer: layer9, seed: 0, model: r3d}", "no concept of the run"),
        ("{class: wave, concept: 1, name: x, layer: layer3}\n- {class: wave, concept: 1, name: y, layer: layer3}", "twice"),
    ],
)  # fmt: skip
def test_wrong_names_say_the_mend(tmp_path, row, told):
    (tmp_path / "names.yaml").write_text(f"- {row}\n")
    with pytest.raises(ConfigError, match=told):
        read_names(tmp_path / "names.yaml", [*PLACES, PLACES[0] | {"layer": "layer2"}], ["wave"])


@pytest.mark.parametrize("text", ["a: [", "wave", "{class: wave}"])
def test_what_is_no_list_says_so(tmp_path, text):
    (tmp_path / "names.yaml").write_text(text)
    with pytest.raises(ConfigError, match="concepts.names"):
        read_names(tmp_path / "names.yaml", PLACES, ["wave"])


def test_names_change_no_other_column():
    names = [PLACES[0] | {"class": "wave", "concept": 1, "name": "hand"}]
    table = pd.DataFrame(
        {"model": "r3d", "seed": 0, "layer": "layer3", "class": "wave", "concept": [1, 0, 1], "effect": [2.0, 1.0, 3.0]},
        index=[7, 3, 5],
    ).assign(variant=["run", "run", "other"])  # fmt: skip
    found = with_names(table, names)
    assert found["name"].tolist() == ["hand", "", ""]
    pd.testing.assert_frame_equal(found.drop(columns="name"), table)
    assert list(found.columns).index("name") == list(found.columns).index("concept") + 1
    # Where the seed is not told, one name for both is right, and two are none.
    other = names[0] | {"seed": 1, "name": "arm"}
    assert with_names(table.drop(columns="seed"), names)["name"].iloc[0] == "hand"
    assert with_names(table.drop(columns="seed"), [*names, other])["name"].iloc[0] == ""


def test_a_number_that_no_concept_has_is_told():
    table = pd.DataFrame(PLACES[0] | {"class": "wave", "concept": [0, 1]})
    names = [PLACES[0] | {"class": "wave", "concept": concept, "name": "hand"} for concept in (1, 9)]
    assert with_names(table, names[:1], complete=True)["name"].tolist() == ["", "hand"]
    with pytest.raises(ConfigError, match="r3d 0 layer3 wave has no concept 9"):
        with_names(table, names, complete=True)
    elsewhere = with_names(table, [names[0], names[1] | {"layer": "layer2"}], complete=True)
    assert elsewhere["name"].tolist() == ["", "hand"]


def test_tables_of_no_concepts_stay_as_they_are():
    table = pd.DataFrame({"class": ["wave"]})
    names = [PLACES[0] | {"class": "wave", "concept": 1, "name": "hand"}]
    assert with_names(table, names) is table and with_names(table, []) is table
