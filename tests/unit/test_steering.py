"""Steering by concepts: what is removed and added, against hand-made networks, and tables that a null does not fool."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from voxplain import build_model
from voxplain.activations import average_to_grid, layer_activations, logit_gradients, on_positions
from voxplain.claims.table import claims_table
from voxplain.concepts.scores import rank_concepts, ways_to
from voxplain.concepts.steering.compute import PLAN, changes, edit_clip, mark_first, plan_steering, steer_clip
from voxplain.concepts.steering.figure import concept_steering_figure
from voxplain.concepts.steering.table import (
    concept_steering_table,
    steering_agreement_table,
    steering_gaps_table,
)
from voxplain.models.layers import hooked
from voxplain.models.upper import Upper
from voxplain.report.words import steering_sentences
from voxplain.statistics import ratio_values
from voxplain.tables import all_tables

CLIP = (2, 4, 4)


def linear_network(channels=3, classes=3, seed=0, rectify=False):
    """Logits are linear in the layer's mean over positions; or in that of its rectified values."""
    torch.manual_seed(seed)
    model = nn.Sequential()
    model.add_module("layer", nn.Conv3d(3, channels, 1))
    model.add_module("rectify", nn.ReLU() if rectify else nn.Identity())
    model.add_module("pool", nn.AdaptiveAvgPool3d(1))
    model.add_module("flatten", nn.Flatten())
    model.add_module("head", nn.Linear(channels, classes))
    return model.eval()


def example(seed=0, clip=CLIP):
    return torch.randn(1, 3, *clip, generator=torch.manual_seed(seed))


def plan_of(*rows):
    return pd.DataFrame(rows, columns=PLAN)


def test_in_a_linear_network_all_is_known():
    model, inputs, rng = linear_network(), example(), np.random.default_rng(0)
    ways, baseline = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=3)
    plan = plan_of(
        (1, "removal", "none", "own", 0, 0, 0), (1, "addition", "none", "own", 0, 0, 0),
        (1, "removal", "other_class", "matched", 0, 1, 0), (1, "addition", "other_class", "matched", 0, 1, 0),
    )  # fmt: skip
    found = steer_clip(Upper(model, "layer", inputs), inputs, 1, plan, ways, baseline)
    weights = model.head.weight.detach().numpy().astype(float)
    activation = model.layer(inputs).detach().numpy()[0].reshape(3, -1)
    (unit, length), (other, _) = [(way / np.linalg.norm(way), np.linalg.norm(way)) for way in ways]
    along = unit @ (activation - baseline[:, None])
    steps = [-unit * along.mean(), ways[0], -other * along.mean(), other * length]
    for row, step in zip(found.to_dict("records"), steps, strict=True):
        logits = weights @ step
        assert row["change_of_logit"] == pytest.approx(logits[1], rel=1e-4, abs=1e-6)
        assert row["change_of_other_logits"] == pytest.approx((logits[0] + logits[2]) / 2, rel=1e-4, abs=1e-6)
    sizes = np.array([np.linalg.norm(along), length * np.sqrt(32)] * 2) / np.linalg.norm(activation)
    assert found["size"].to_numpy() == pytest.approx(sizes, rel=1e-5)
    assert set(found["space"]) == {"layer"}


def test_a_layer_of_vectors_is_steered_too():
    model, inputs, rng = linear_network(), example(), np.random.default_rng(3)
    ways, baseline = rng.normal(size=(1, 3)), rng.normal(size=3)
    plan = plan_of((1, "removal", "none", "own", 0, 0, 0), (1, "addition", "none", "own", 0, 0, 0))
    found = steer_clip(Upper(model, "flatten", inputs), inputs, 0, plan, ways, baseline)
    weights = model.head.weight.detach().numpy().astype(float)
    unit = ways[0] / np.linalg.norm(ways[0])
    activation = model.layer(inputs).detach().numpy()[0].reshape(3, -1).mean(axis=1)
    steps = [-unit * (unit @ (activation - baseline)), ways[0]]
    expected = [(weights @ step)[0] for step in steps]
    assert found["change_of_logit"].to_numpy() == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_what_addition_changes_is_the_effect_where_the_logit_is_linear():
    model, inputs, rng = linear_network(), example(), np.random.default_rng(1)
    vectors, distances = rng.normal(size=(4, 5, 3)), rng.random((4, 5))
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    gradients = logit_gradients(model, inputs, torch.tensor([2]), ["layer"])["layer"].numpy()
    effects = rank_concepts(gradients, vectors, distances)["effect"]
    ways = ways_to(vectors, distances)
    plan = plan_of(*[(n + 1, "addition", "none", "own", 0, n, n) for n in range(4)])
    found = steer_clip(Upper(model, "layer", inputs), inputs, 2, plan, ways, np.zeros(3))
    assert found["change_of_logit"].to_numpy() == pytest.approx(effects.to_numpy(), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("grid", [(1, 1, 1), (2, 1, 2), None])
def test_nothing_is_left_along_a_removed_direction_at_any_position(grid):
    """And nothing else is touched: what is orthogonal to it stays. Of several cells each has its part."""
    model, inputs, rng, seen = linear_network(), example(), np.random.default_rng(2), []
    activation = model.layer(inputs).detach()
    size = average_to_grid(activation, grid).shape[1]
    ways, baseline = rng.normal(size=(2, size)), rng.normal(size=size)
    plan = plan_of((1, "removal", "none", "own", 0, 0, 0), (1, "removal", "other_class", "matched", 0, 1, 0))
    upper = Upper(model, "layer", inputs)
    with hooked(upper.network, ["rectify"], lambda _, output: seen.append(output)):
        found = steer_clip(upper, inputs, 0, plan, ways, baseline, grid=grid)
    (both,) = (output for output in seen if len(output) == 2)
    way, other, base = (
        on_positions(torch.tensor(vector[None], dtype=torch.float32), activation, grid)
        for vector in (ways[0], ways[1], baseline)
    )
    steered = both[:1]
    assert torch.allclose((steered * way).sum(1), (base * way).sum(1).expand(1, *CLIP), atol=1e-4)
    unit = way / way.norm(dim=1, keepdim=True)
    rest = [values - (values * unit).sum(1, keepdim=True) * unit for values in (steered, activation)]
    assert torch.allclose(*rest, atol=1e-5)
    # As much at every position, along the other direction.
    steps = [(both[[n]] - activation) for n in (0, 1)]
    assert torch.allclose(steps[0].norm(dim=1), steps[1].norm(dim=1), atol=1e-5)
    cosine = torch.cosine_similarity(steps[1], other.expand_as(steps[1]), dim=1)
    assert torch.allclose(cosine.abs(), torch.ones(1), atol=1e-4)
    assert found["size"][0] == pytest.approx(found["size"][1], rel=1e-5)


@pytest.mark.parametrize("layer", ["layer3", "layer3.0.conv1"])
def test_a_network_is_steered_as_a_hook_in_the_whole_of_it_does(layer):
    """Also within a residual block, above which the layer's features are not all that the rest is given."""
    model = build_model("r3d_18", None, 3, seed=0, width=4, depth=[1, 1, 1, 1]).eval()
    inputs, rng = example(clip=(8, 16, 16)), np.random.default_rng(0)
    start, logits = layer_activations(model, inputs, [layer])
    ways = rng.normal(size=(7, start[layer].shape[1]))
    plan = plan_of(*[(1, "addition", "none", "own", 0, n, n) for n in range(7)])
    found = steer_clip(Upper(model, layer, inputs), inputs, 1, plan, ways, np.zeros(ways.shape[1]), batch=3)
    for number, way in enumerate(ways):
        step = torch.tensor(way, dtype=torch.float32).view(1, -1, 1, 1, 1)
        with torch.no_grad(), hooked(model, [layer], lambda _, output, step=step: output + step):
            expected = model(inputs) - logits
        assert found["change_of_logit"][number] == pytest.approx(expected[0, 1].item(), rel=1e-3, abs=1e-4)


def test_a_plan_has_every_control_of_both_amounts():
    rng = np.random.default_rng(0)
    ways, others = rng.normal(size=(3, 5)), {"b": rng.normal(size=(2, 5)), "c": rng.normal(size=(3, 5))}
    random_ways = rng.normal(size=(2, 5))
    plan, found = plan_steering(ways, random_ways, others, draws=4, rng=np.random.default_rng(3))
    counts = plan.groupby(["rank", "steering", "control", "norm"]).size().unstack("rank")
    assert (counts.nunique(axis=1) == 1).all()
    expected = {
        ("none", "own"): 1, ("random_direction", "own"): 4, ("random_direction", "matched"): 4, ("random_concept", "own"): 2,
        ("random_concept", "matched"): 2, ("other_class", "own"): 2, ("other_class", "matched"): 2,
    }  # fmt: skip
    assert counts[1]["removal"].to_dict() == expected
    assert counts[1]["addition"].to_dict() == {
        key: n for key, n in expected.items() if key != ("random_direction", "own")
    }
    assert np.allclose(found[:3], ways)
    own = plan[plan["norm"] == "own"]
    assert (own["direction"] == own["amount"]).all()
    matched = plan[plan["norm"] == "matched"]
    assert (matched["amount"] == matched["rank"] - 1).all()
    random = plan[plan["control"] == "random_direction"]["direction"].unique()
    assert len(random) == 12 and np.allclose(np.linalg.norm(found[random], axis=1), 1)
    # Each concept of random videos once; of a class with fewer concepts the last.
    rows = plan[(plan["control"] == "random_concept") & (plan["rank"] == 2)]["direction"].unique()
    assert np.allclose(np.sort(found[rows], axis=0), np.sort(random_ways, axis=0))
    rows = plan[(plan["control"] == "other_class") & (plan["rank"] == 3)]["direction"].unique()
    assert np.allclose(np.sort(found[rows], axis=0), np.sort([others["b"][1], others["c"][2]], axis=0))
    again = plan_steering(ways, random_ways, others, draws=4, rng=np.random.default_rng(3))
    assert plan.equals(again[0]) and np.array_equal(found, again[1])


def test_the_first_control_is_chosen_as_the_first_concept_is():
    rng = np.random.default_rng(1)
    gradients = rng.normal(size=(7, 5))
    ways = rng.normal(size=(3, 5))
    ways = ways[np.argsort(-(ways @ gradients.mean(axis=0)))]  # by effect
    others = {name: rng.normal(size=(3, 5)) for name in "bc"}
    plan, found = plan_steering(ways, rng.normal(size=(4, 5)), others, draws=2, rng=rng)
    marked = mark_first(plan, found, gradients)
    assert marked[PLAN].equals(plan)
    own = marked[marked["control"] == "none"]
    assert (own["first"] == (own["rank"] == 1)).all()
    lengths = np.linalg.norm(found, axis=1)
    derivative = found @ gradients.mean(axis=0) / lengths
    for _, draw in marked[marked["control"] != "none"].groupby(["steering", "control", "norm", "draw"]):
        assert draw["direction"].nunique() == len(np.unique(found[draw["direction"]], axis=0)) == 3
        effects = derivative[draw["direction"]] * lengths[draw["amount"]]
        assert len(draw) == 3 and draw["first"].tolist() == (effects == effects.max()).tolist()
    # The score is the share of clips whose logit rises; among equals the derivative decides.
    marked = mark_first(plan, found, gradients, rank_by="score")
    score = (gradients @ found.T > 0).mean(axis=0)
    for _, draw in marked[marked["control"] != "none"].groupby(["steering", "control", "norm", "draw"]):
        rows = draw["direction"].to_numpy()
        best = max(rows, key=lambda row: (score[row], derivative[row]))
        assert draw["first"].tolist() == (rows == best).tolist()


def test_the_best_of_several_directions_is_not_told_from_the_best_of_as_many():
    """Clusters of noise, ranked by the gradients of a network that has learned nothing: the first is the best of five."""
    rng, p_values, times, names = np.random.default_rng(0), [], [], "abc"
    for _ in range(12):
        heads = dict(zip(names, rng.normal(size=(len(names), 8)), strict=True))
        ways = {name: rng.normal(size=(5, 8)) for name in names}
        ways = {name: own[np.argsort(-(own @ heads[name]))] for name, own in ways.items()}
        pool, parts = rng.normal(size=(40, 8)), []
        for name in names:
            others = {other: own for other, own in ways.items() if other != name}
            plan, found = plan_steering(ways[name], pool, others, draws=6, rng=rng)
            plan = mark_first(plan, found, heads[name][None])
            lengths = np.linalg.norm(found, axis=1)
            units = found / lengths[:, None]
            along, amount, removed = plan["direction"], plan["amount"], plan["steering"] == "removal"
            there = units @ rng.normal(size=8)
            size = np.where(removed, -there[amount], lengths[amount])
            change = {"change_of_logit": size * (units[along] @ heads[name])}
            parts.append(plan.assign(**{"class": name}, video=name, **change))
        steered = pd.concat(parts, ignore_index=True).assign(
            model="net", seed=0, layer="mid", clip=0, space="layer", concept=lambda t: t["rank"] - 1,
            change_of_other_logits=0.0, change_of_accuracy=0.0, size=0.1,
        )  # fmt: skip
        gaps = steering_gaps_table(steered, *ranked(steered))
        drawn = gaps[
            gaps["control"].isin(["random_direction", "random_concept"]) & (gaps["concepts"] == "first")
        ]
        # Of a direction that is removed nobody knows its sign, nor how much of it there is.
        p_values.append(drawn[drawn["measure"] == "logit"]["p_value"].to_numpy())
        times.append(drawn[(drawn["control"] == "random_concept") & drawn["times"].notna()]["times"].mean())
    p_values = np.stack(p_values)
    # Seven p-values of a network hang together. Beside single directions two fifths are below, and times is 2.2.
    assert (p_values <= 0.05).mean() <= 0.2
    assert 0.35 < p_values.mean() < 0.65 and 0.8 < np.median(times) < 1.25


def test_changes_by_hand():
    found = changes(np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 5.0]]), np.array([[2.0, 1.0, 3.0]]), 0)
    assert found["change_of_logit"].tolist() == [1, -2]
    assert found["change_of_other_logits"].tolist() == [-1.5, 1.5]
    assert found["change_of_accuracy"].tolist() == [1, 0]
    assert np.isnan(changes(np.ones((1, 1)), np.ones((1, 1)), 0)["change_of_other_logits"]).all()


def test_a_concepts_voxels_are_shown_and_hidden_alone():
    clip = np.full((1, 2, 4, 3), 100, np.uint8)
    labels = np.array([[[[1, 1, 2, 2], [1, 1, 2, 2]]], [[[1, 2, 2, 2], [1, 2, 2, 2]]]], np.uint16)
    supervoxels, concepts = np.array([[0, 1], [1, 1], [0, 2]]), np.array([1, 1, -1])

    def logits(clips):
        shown = (clips[..., 0] == 100).mean(axis=(1, 2, 3))
        return np.stack([10 * shown, -shown], axis=1)

    found = edit_clip(
        logits, clip, 0, labels, supervoxels, concepts, np.array([1, 0]), fill=np.zeros(3, np.uint8)
    )
    rows = found.set_index(["rank", "steering"])
    assert rows["change_of_logit"].to_dict() == {
        (1, "removal"): -5, (1, "addition"): 5, (2, "removal"): 0, (2, "addition"): 0,
    }  # fmt: skip
    assert rows["size"].to_list() == [0.5, 0.5, 0, 0]
    assert set(found["space"]) == {"pixels"} and set(found["control"]) == {"none"}


KEYS = [
    "model",
    "seed",
    "layer",
    "class",
    "concept",
    "rank",
    "video",
    "space",
    "steering",
    "control",
    "norm",
    "draw",
]


def steered_rows(value, *, classes=4, concepts=3, videos=3, draws=5, seeds=1):
    """Rows whose change of the logit is ``value(seed, class, concept, video, space, steering, control, norm, draw)``."""
    kinds = [("layer", s, "none", "own", 0) for s in ("removal", "addition")]
    kinds += [("pixels", s, "none", "own", 0) for s in ("removal", "addition")]
    for control, draw in product(("random_direction", "random_concept", "other_class"), range(draws)):
        kinds += [("layer", s, control, "matched", draw) for s in ("removal", "addition")]
        kinds.append(("layer", "removal", control, "own", draw))
    rows = [
        ("net", seed, "mid", f"c{c}", n, n + 1, f"c{c}v{v}", *kind, value(seed, c, n, v, *kind))
        for seed, c, n, v in product(range(seeds), range(classes), range(concepts), range(videos))
        for kind in kinds
    ]
    table = pd.DataFrame(rows, columns=[*KEYS, "change_of_logit"])
    first = table["rank"] == 1  # nothing is chosen: the direction that stands beside the first concept
    return table.assign(clip=0, first=first, change_of_other_logits=0.0, change_of_accuracy=0.0, size=0.1)


def ranked(steered):
    """Scores and controls of concepts, where the effect ranks as the numbers do."""
    place = steered[["model", "seed", "layer", "class", "concept", "rank"]].drop_duplicates()
    order = -place["concept"].astype(float)
    scores = place.assign(score=order, derivative=order, effect=order)
    return scores, place.drop(columns="rank").assign(saturation=order, size=-order)


def test_tables_by_hand():
    steered = steered_rows(
        lambda seed, c, n, v, space, steering, control, norm, draw: {
            "none": -(3 - n) - v, "random_direction": 0.5 * (-1) ** draw, "random_concept": -1.0, "other_class": 1.0
        }[control] * (1 if steering == "removal" else -1),
        draws=4,
    )  # fmt: skip
    table = concept_steering_table(steered)
    row = table[(table["class"] == "c1") & (table["rank"] == 2) & (table["control"] == "none")]
    row = row[(row["space"] == "layer") & (row["steering"] == "removal")].iloc[0]
    assert (row["change_of_logit"], row["n_videos"], row["n_draws"]) == (-3, 3, 1)
    assert row["ci_low"] < -3 < row["ci_high"]
    assert list(table.columns) == list(all_tables()["concept_steering"].columns)

    gaps = steering_gaps_table(steered, *ranked(steered))
    assert list(gaps.columns) == list(all_tables()["steering_gaps"].columns)
    cells = gaps.set_index(["steering", "concepts", "measure", "control", "norm"]).sort_index()
    first = cells.loc["removal", "first", "logit"]
    assert first["value"].unique() == [4] and first["n_classes"].unique() == [4]
    differences = {
        ("random_direction", "own"): 4, ("random_concept", "matched"): 3, ("other_class", "own"): 5, ("random", "own"): 1,
        ("least", "own"): 2, ("control_saturation", "own"): 0, ("control_size", "own"): 2, ("score", "own"): 0,
    }  # fmt: skip
    for key, expected in differences.items():
        assert first.loc[key, "difference"] == pytest.approx(expected), key
    assert cells.loc[
        ("removal", "first", "absolute_logit", "random_direction", "own"), "times"
    ] == pytest.approx(8)
    assert cells.loc[
        ("removal", "all", "absolute_logit", "random_concept", "matched"), "times"
    ] == pytest.approx(3)
    assert cells.loc[("addition", "first", "logit", "random_concept", "matched"), "difference"] == 3
    assert ("addition", "first", "accuracy") not in {key[:3] for key in cells.index}

    agreement = steering_agreement_table(steered, *ranked(steered)).set_index(["steering", "other"])
    assert list(agreement.reset_index().columns) == ["steering", "other", *[
        name for name in all_tables()["steering_agreement"].columns if name not in ("steering", "other")
    ]]  # fmt: skip
    assert agreement["tau"].to_dict() == {
        (s, o): -1.0 if o in ("control_size", "absolute_effect") else 1.0
        for s, o in product(("removal", "addition"), "effect score derivative absolute_effect addition hiding showing control_saturation control_size".split())
        if s != o
    }  # fmt: skip
    assert agreement.loc[("removal", "control_size"), "difference"] == 2
    assert np.isnan(agreement.loc[("removal", "effect"), "difference"])
    figure = concept_steering_figure(table, gaps, agreement.reset_index())
    assert len(figure.axes) == 4
    (sentence,) = steering_sentences(gaps, agreement.reset_index())
    assert "8.00 times" in sentence and "a tau of 1.00" in sentence


def test_videos_of_one_group_count_as_videos_and_are_one_unit():
    steered = steered_rows(lambda *key: -4.0 if key[3] == 0 else -1.0, videos=5)
    steered["group"] = steered["class"] + steered["video"].str[-1].isin(["0", "1", "2"]).map(
        {True: "a", False: ""}
    )
    steered["group"] = steered["group"].where(steered["group"].str.endswith("a"), steered["video"])
    row = concept_steering_table(steered).iloc[0]
    assert row["n_videos"] == 5 and row["change_of_logit"] == pytest.approx(-8 / 5)
    alone = concept_steering_table(steered.drop(columns="group")).iloc[0]
    assert alone["change_of_logit"] == row["change_of_logit"]
    assert row["ci_high"] - row["ci_low"] != alone["ci_high"] - alone["ci_low"]
    gaps = [steering_gaps_table(rows, *ranked(rows)) for rows in (steered, steered.drop(columns="group"))]
    assert gaps[0]["value"].tolist() == gaps[1]["value"].tolist()


def test_subsets_are_told_apart():
    steered = steered_rows(lambda *key: -1.0 if key[3] == 0 else -2.0)
    steered["subset"] = np.where(steered["video"].str.endswith("v0"), "clean", "biased")
    gaps = steering_gaps_table(steered, *ranked(steered))
    own = gaps[(gaps["measure"] == "logit") & (gaps["steering"] == "removal")]
    assert own.groupby("subset")["value"].first().to_dict() == pytest.approx(
        {"all": 5 / 3, "biased": 2, "clean": 1}
    )


def test_directions_that_are_drawn_as_random_ones_are_rarely_told_from_them():
    """From the steering of a network with rectifiers to the table: concepts whose ways are those of the controls."""
    rng, p_values, times = np.random.default_rng(0), [], []
    torch.manual_seed(0)
    model = linear_network(channels=6, rectify=True)
    clips = {(c, v): torch.randn(1, 3, *CLIP) for c in range(3) for v in range(2)}
    upper = Upper(model, "layer", clips[0, 0])
    for repetition in range(40):
        parts = []
        for c in range(3):
            # Lengths differ, directions do not; a concept of random videos is drawn as a class's own.
            ways = rng.normal(size=(2, 6))
            plan, found = plan_steering(
                ways, rng.normal(size=(9, 6)), {"x": rng.normal(size=(2, 6))}, draws=9, rng=rng
            )
            for v in range(2):
                part = steer_clip(upper, clips[c, v], c, plan, found, np.zeros(6), batch=200)
                parts.append(part.assign(**{"class": f"c{c}"}, video=f"c{c}v{v}", clip=0))
        steered = pd.concat(parts).assign(
            model="net", seed=0, layer="mid", concept=lambda t: t["rank"] - 1, first=lambda t: t["rank"] == 1
        )
        gaps = steering_gaps_table(steered, *ranked(steered))
        drawn = gaps[
            gaps["control"].isin(["random_direction", "random_concept"]) & (gaps["measure"] == "logit")
        ]
        # A random direction has no way of its own; what it removes does not hang on its length.
        p_values += [drawn["p_value"].to_numpy()]
        times.append(gaps[gaps["control"] == "random_concept"]["times"].mean())
    p_values = np.stack(p_values)
    assert 0.0 <= (p_values <= 0.05).mean() <= 0.1
    assert 0.3 < p_values.mean() < 0.65 and 0.8 < np.median(times) < 1.25


def gaps_simulated(rng, effect, classes=6, draws=9):
    """Gaps of concepts whose change goes `effect` beyond what directions give."""
    levels = rng.normal(size=(classes, 3))
    noise = {}

    def value(seed, c, n, v, space, steering, control, norm, draw):
        sign = -1 if steering == "removal" else 1
        own = levels[c, n] + (effect if n == 0 else 0)
        other = noise.setdefault((c, n, steering, control, norm, draw), rng.normal())
        return sign * (own if control == "none" else other) + 0.3 * rng.normal()

    steered = steered_rows(value, classes=classes, videos=2, draws=draws)
    steered["change_of_other_logits"] = 0.1 * rng.normal(size=len(steered))
    scores, controls = ranked(steered)
    return steering_gaps_table(steered, scores, controls.assign(saturation=rng.random(len(controls))))


def test_claims_hold_where_there_is_an_effect_and_hardly_where_there_is_none():
    rng = np.random.default_rng(0)
    none = pd.concat([claims_table(steered=gaps_simulated(rng, 0.0)) for _ in range(12)])
    assert set(none["claim"]) == {"removing_direction", "adding_direction"}
    assert (none["verdict"] == "yes").mean() <= 0.05 and (none["verdict"] != "too few").all()
    one = gaps_simulated(rng, 6.0)
    # An order that puts the same concept first cannot be beaten.
    strong = claims_table(steered=one[~one["control"].str.startswith("control_")]).set_index(
        ["claim", "measure"]
    )
    assert strong.loc[("removing_direction", "logit"), "verdict"] == "yes"
    assert strong.loc[("removing_direction", "margin"), "verdict"] == "yes"
    assert strong.loc[("removing_direction", "accuracy"), "verdict"] == "no"
    row = strong.loc[("removing_direction", "logit")]
    assert row["n_controls"] == 4 and row["unit"] == "classes" and row["n"] == 6
    assert row["ci_low"] < row["value"] < row["ci_high"]


def test_the_interval_of_a_ratio_covers_it():
    """Of six classes, whose changes differ, and of controls that vary less, as averages over draws do."""
    rng, inside = np.random.default_rng(0), []
    from voxplain.statistics import mean_interval

    for _ in range(1000):
        numerator = 8 * rng.gamma(4, 1 / 4, size=(1, 6))
        denominator = rng.gamma(16, 1 / 16, size=(1, 6))
        low, high = mean_interval(ratio_values(numerator, denominator))
        inside.append(low <= 8 <= high)
    assert 0.89 <= np.mean(inside) <= 0.98
