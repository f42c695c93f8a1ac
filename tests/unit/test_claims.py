"""Claims: one verdict, from comparisons with chance and with every control."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from voxplain.claims import evidence
from voxplain.claims.evidence import CHANCE, COMPARISON, NETWORK, PIXELS
from voxplain.claims.table import COLUMNS, CONTROLLED, STATEMENTS, claims_table, judge
from voxplain.motion.controls import pixel_controls
from voxplain.motion.tables import COMPARED, explanation_controls_table, selection_controls_table
from voxplain.statistics import mean_interval, mean_p_value
from voxplain.tables import all_tables

NAN = np.nan


def comparison(control="", kind=CHANCE, difference=0.2, half=0.1, p=0.001, sign=1, **more):
    return {
        "claim": "adding", "model": "r3d", "layer": "layer3", "method": "effect", "measure": "first - last",
        "control": control, "kind": kind, "sign": sign, "value": 0.3, "ci_low": 0.2, "ci_high": 0.4,
        "control_value": 0.3 - difference, "difference": difference, "difference_ci_low": difference - half,
        "difference_ci_high": difference + half, "p_value": p, "unit": "classes", "n": 6, "n_seeds": 1, **more,
    }  # fmt: skip


def verdict(*rows):
    (row,) = judge(pd.DataFrame(rows, columns=COMPARISON)).to_dict("records")
    return row


BEATEN = comparison("control_size", PIXELS)


@pytest.mark.parametrize(
    "rows, expected",
    [
        ([comparison(), BEATEN], "yes"),
        ([comparison(), BEATEN, comparison("other_class", NETWORK)], "yes"),
        ([comparison(), comparison("control_size", PIXELS, 0.05)], "no"),  # not told from a control
        (
            [comparison(), BEATEN, comparison("other_class", NETWORK, -0.3)],
            "no",
        ),  # worse than one that knows the network
        ([comparison(difference=0.05), BEATEN], "no"),  # not told from chance
        ([comparison(difference=-0.3), BEATEN], "opposite"),
        ([comparison(p=0.2), BEATEN], "no"),  # its interval excludes 0, its test does not reject
        ([comparison(), comparison("control_size", PIXELS, p=0.2)], "no"),
        ([comparison(p=NAN), comparison("control_size", PIXELS, p=0.01)], "too few"),  # chance has no test
        ([comparison(p=NAN), comparison("control_size", PIXELS, p=NAN)], "too few"),
        ([comparison(p=0.01), comparison("control_size", PIXELS, p=NAN)], "yes"),  # has its interval
        ([comparison(difference=-0.3, p=0.2), BEATEN], "no"),  # nor is that it is opposite
        ([comparison()], "too few"),  # without a control nothing is beaten
        ([BEATEN], "too few"),  # and without chance neither
        ([comparison(), comparison("control_size", PIXELS, half=NAN)], "too few"),
        ([comparison(difference=-0.3, sign=-1), comparison("control_size", PIXELS, -0.2, sign=-1)], "yes"),
        (
            [comparison(difference=0.3, sign=-1), comparison("control_size", PIXELS, -0.2, sign=-1)],
            "opposite",
        ),
        ([comparison(claim="concepts_significant")], "yes"),  # has chance alone to beat
    ],
)
def test_yes_needs_chance_and_every_control(rows, expected):
    assert verdict(*rows)["verdict"] == expected


def test_the_best_control_is_the_best_of_those_that_know_no_network():
    rows = [
        comparison(), comparison("control_size", PIXELS, 0.25), comparison("control_center", PIXELS, 0.15, 0.2),
        comparison("other_class", NETWORK, -0.1, 0.2),
    ]  # fmt: skip
    row = verdict(*rows)
    assert row["best_control"] == "control_center" and row["control_value"] == pytest.approx(0.15)
    assert (row["difference"], row["difference_ci_low"], row["n_controls"]) == (0.15, pytest.approx(-0.05), 3)
    assert row["not_beaten"] == "control_center, other_class"
    # Where less is better, the best is the least.
    rows = [comparison(sign=-1)] + [comparison(n, PIXELS, d, sign=-1) for n, d in (("a", -0.1), ("b", -0.3))]
    assert verdict(*rows)["best_control"] == "a"
    assert verdict(comparison(), comparison("other_class", NETWORK))["best_control"] == "other_class"


def test_the_p_value_is_the_greatest_and_is_corrected_over_the_table():
    rows = [comparison(p=0.001), comparison("control_size", PIXELS, p=0.03)]
    more = [row | {"method": "score", "p_value": 0.04} for row in rows]
    found = judge(pd.DataFrame([*rows, *more], columns=COMPARISON))
    assert found["p_value"].tolist() == [0.03, 0.04] and found["p_adjusted"].tolist() == [0.04, 0.04]
    assert found["verdict"].tolist() == ["yes", "yes"]
    found = judge(pd.DataFrame([*rows, *(row | {"p_value": 0.5} for row in more)], columns=COMPARISON))
    assert found["verdict"].tolist() == ["no", "no"]  # 0.03 twice is 0.06


def test_what_lies_on_the_wrong_side_is_no_discovery():
    """Of a control that is surely better the p-value is 1, so that it does not make others' corrected ones less."""
    worse = comparison("other_class", NETWORK, -0.3, p=0.0001)
    row = verdict(comparison(p=0.002), BEATEN, worse)
    assert (row["p_value"], row["p_chance"], row["verdict"]) == (1.0, 0.002, "no")
    assert (row["best_network_control"], row["network_control_value"]) == ("other_class", 0.6)
    rows = [comparison(p=0.03), BEATEN, *(r | {"method": "score"} for r in (comparison(p=0.0001), worse))]
    found = judge(pd.DataFrame(rows, columns=COMPARISON))
    assert found["p_adjusted"].tolist() == [0.06, 1.0] and found["verdict"].tolist() == ["no", "no"]
    # Where less is better the wrong side is above.
    assert verdict(comparison(sign=-1, difference=0.2))["p_value"] == 1
    # That a method is worse than chance stays what the verdict says.
    assert verdict(comparison(difference=-0.3), BEATEN)["verdict"] == "opposite"


def simulated(rng, *, units, seeds, controls, effect=0.0):
    """Comparisons of one method whose values differ from chance and from each control by `effect` on average."""

    def against(control, kind, values):
        low, high = mean_interval(values)
        mean = values.mean()
        return comparison(control, kind, mean, p=mean_p_value(values), value=mean) | {
            "difference_ci_low": low, "difference_ci_high": high, "n": units, "n_seeds": seeds,
        }  # fmt: skip

    # Of one seed the claim is about that network alone.
    network = 0.1 * rng.normal(size=(seeds, 1)) if seeds > 1 else 0.0
    own = effect + network + 0.2 * rng.normal(size=(1, units)) + 0.2 * rng.normal(size=(seeds, units))
    rows = [against("", CHANCE, own)]
    for number in range(controls):
        its = 0.2 * rng.normal(size=(seeds, units)) + 0.1 * rng.normal(size=(1, units))
        rows.append(against(f"control_{number}", PIXELS, own - its))
    return rows


@pytest.mark.parametrize("units, seeds", [(6, 1), (12, 3), (12, 1)])
def test_without_an_effect_few_claims_hold(units, seeds):
    """At most 7 % before the table's correction, also of claims that have chance alone to beat, and next to none after."""
    rng = np.random.default_rng(units + seeds)
    claims = []
    for number in range(250):
        first, *others = simulated(rng, units=units, seeds=seeds, controls=number % 3)
        claims += [row | {"method": f"{number}, {len(others)}"} for row in (first, *others)]
    claims = pd.DataFrame(claims, columns=COMPARISON).assign(claim="concepts_significant")
    found = judge(claims)
    assert (found["verdict"] == "yes").mean() <= 0.01
    hold = (found["not_beaten"] == "") & (found["p_value"] <= 0.05)
    assert hold.groupby(found["n_controls"]).mean().max() <= 0.07
    beyond_chance = found["p_chance"] <= 0.05  # on either side
    error = 2 * np.sqrt(0.05 * 0.95 / 250)
    assert (0.03 if seeds == 1 else 0) - error <= beyond_chance.mean() <= 0.07 + error


def test_maps_of_noise_beat_nothing():
    """From the scores of clips through the motion tables to the claims: explainers and controls drawn alike."""
    rng, seeds = np.random.default_rng(0), 3
    entries = [
        ("dtd", "", False),
        ("random", "", False),
        ("control_center", "", False),
        ("control_other_class", "dtd", False),
    ]
    entries += [("dtd", "", True), ("control_same_size", "dtd", True)]
    places = pd.MultiIndex.from_product(
        [range(25), range(seeds), range(12), range(len(entries))], names=["model", "seed", "video", "entry"]
    )
    scores = pd.DataFrame(
        {name: 0.5 + 0.1 * rng.normal(size=len(places)) for name in COMPARED}, index=places
    ).reset_index()
    for column, values in zip(("method", "control_of", "selective"), zip(*entries, strict=True), strict=True):
        scores[column] = scores["entry"].map(dict(enumerate(values)))
    maps, selections = explanation_controls_table(scores), selection_controls_table(scores)
    found = claims_table(maps=maps, selections=selections)
    assert found["claim"].value_counts().to_dict() == {"maps_on_motion": 25, "selection_on_motion": 25}
    assert (found["verdict"] == "yes").mean() <= 0.07 and (found["verdict"] == "too few").sum() == 0


def test_with_an_effect_claims_hold():
    rng = np.random.default_rng(0)
    claims = [
        row | {"method": str(n)}
        for n in range(50)
        for row in simulated(rng, units=12, seeds=3, controls=3, effect=1.0)
    ]
    assert (judge(pd.DataFrame(claims, columns=COMPARISON))["verdict"] == "yes").mean() > 0.9


def gaps_table():
    columns = ["experiment", "better", "worse", "gap", "ci_low", "ci_high", "p_value"]
    rows = [
        ("concept_addition", "top", "random", 0.4, 0.3, 0.5, 0.001),
        ("concept_addition", "top", "least", 0.5, 0.4, 0.6, 0.001),
        ("concept_addition", "random", "least", 0.1, 0.0, 0.2, 0.2),
        ("concept_addition", "top", "random_volume", 0.2, 0.1, 0.3, 0.01),
        ("concept_addition", "top", "control_size", 0.3, 0.2, 0.4, 0.002),
        ("concept_addition", "top", "control_saturation", 0.05, -0.1, 0.2, 0.4),
        ("concept_addition", "control_size", "control_size_least", 0.1, 0.0, 0.2, 0.3),
        ("concept_addition", "score", "score_least", 0.2, 0.1, 0.3, 0.01),
        ("concept_removal", "top", "random", -0.4, -0.5, -0.3, 0.001),
        ("concept_removal", "top", "least", -0.5, -0.6, -0.4, 0.001),
        ("concept_removal", "top", "control_size", -0.1, -0.4, 0.2, 0.3),
        ("concept_removal", "top - least", "control_size - control_size_least", -0.3, -0.4, -0.2, 0.002),
        ("concept_removal", "top - least", "control_size_least - control_size", -0.7, -0.8, -0.6, 0.002),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).assign(
        model="r3d", layer="layer3", p_adjusted=0.01, n_videos=24, n_classes=6, n_seeds=1
    )


def test_editing_is_told_from_the_gaps():
    found = claims_table(gaps=gaps_table())
    assert list(found.columns) == COLUMNS
    rows = found.set_index(["claim", "method", "measure"])
    adding = rows.loc["adding", "effect", "first - random"]
    assert (adding["value"], adding["best_control"], adding["verdict"]) == (0.4, "control_saturation", "no")
    assert adding["n_controls"] == 3  # supervoxels of equal volume are one
    assert adding["control_value"] == pytest.approx(0.35) and adding["not_beaten"] == "control_saturation"
    assert (adding["p_value"], adding["unit"], adding["n"], adding["data"]) == (0.4, "classes", 6, "standard")
    removing = rows.loc["removing", "effect", "first - last"]
    # A control has its own gap to its own last ones; read backwards it is one more.
    assert (removing["value"], removing["verdict"], removing["n_controls"]) == (-0.5, "yes", 2)
    assert (removing["best_control"], removing["control_value"]) == ("control_size", pytest.approx(-0.2))
    assert rows.loc["removing", "effect", "first - random"]["verdict"] == "no"
    # The paper's S has no control beside it here.
    assert rows.loc["adding_by_score", "score", "first - last"]["verdict"] == "too few"
    # Where it is the run's own ranking, it stands there.
    assert set(claims_table(gaps=gaps_table(), rank_by="score")["claim"]) == {"adding", "removing"}


def truth_table(**own):
    rows = [
        {"ranking": "effect", "auroc": 0.9, "ci_low": 0.8, "ci_high": 0.95, "difference": 0.0, "p_value": 0.001},
        {"ranking": "score", "auroc": 0.7, "ci_low": 0.5, "ci_high": 0.8, "difference": 0.2, "p_value": 0.02},
        {"ranking": "control_size", "auroc": 0.5, "ci_low": 0.4, "ci_high": 0.6, "difference": 0.4, "p_value": 0.01},
        {"ranking": "control_member_logit", "auroc": 0.8, "ci_low": 0.7, "ci_high": 0.9, "difference": 0.1, "p_value": 0.04},
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    return table.assign(
        model="r3d", layer="layer3", target="evidence", difference_ci_low=table["difference"] - 0.05,
        difference_ci_high=table["difference"] + 0.05, n_classes=6, n_seeds=3, voxel_auroc=table["auroc"] / 2,
        voxel_ci_low=table["ci_low"] / 2, voxel_ci_high=table["ci_high"] / 2, voxel_difference=table["difference"] / 2,
        voxel_difference_ci_low=-0.01, voxel_difference_ci_high=0.3, voxel_n_classes=10, voxel_p_value=0.001,
        difference_p_value=0.002, voxel_difference_p_value=0.003, **own,
    )  # fmt: skip


def test_concepts_are_told_from_their_ground_truth():
    others = truth_table().assign(target="actor", auroc=0.1)
    row, voxels = claims_table(truth=pd.concat([others, truth_table()])).to_dict("records")
    assert (voxels["measure"], voxels["value"], voxels["n"]) == ("voxel AUROC", 0.45, 10)
    assert (
        voxels["verdict"] == "opposite"
        and voxels["not_beaten"] == "chance, control_size, control_member_logit"
    )
    assert (row["claim"], row["value"], row["best_control"], row["n_controls"]) == (
        "concepts_on_evidence", 0.9, "control_size", 2,
    )  # fmt: skip
    # The greatest of chance's and of the differences from controls.
    assert row["verdict"] == "yes" and row["p_value"] == 0.002 and row["n_seeds"] == 3
    assert voxels["p_value"] == 1 and voxels["p_chance"] == 0.001  # below chance, which is no discovery
    row, _ = claims_table(truth=others).to_dict("records")
    assert row["value"] == 0.1  # the actor, where no evidence is known


def map_rows(control, difference, *, target="evidence", measure="auroc", p=0.001, method="dtd"):
    return {
        "model": "r3d", "method": method, "control": control, "target": target, "measure": measure, "value": 0.8,
        "control_value": 0.8 - difference, "difference": difference, "ci_low": difference - 0.05,
        "ci_high": difference + 0.05, "p_value": p, "n_videos": 24, "n_units": 24, "n_seeds": 2,
    }  # fmt: skip


def test_what_is_independent_is_told_where_videos_have_groups():
    rows = pd.DataFrame([map_rows("random", 0.3), map_rows("control_saturation", 0.2)])
    for units, named in ((24, ("videos", 24)), (5, ("groups", 5))):
        row = claims_table(maps=rows.assign(n_units=units)).iloc[0]
        assert (row["unit"], row["n"]) == named


def test_maps_and_selection_are_told_from_their_controls():
    controls = pd.DataFrame(
        [
            map_rows("random", 0.3), map_rows("control_saturation", 0.2), map_rows("control_other_class", 0.01, p=0.5),
            map_rows("random", 0.2, target="moving"), map_rows("control_center", 0.1, target="moving"),
            map_rows("random", 0.5, target="flow"), map_rows("random", 0.5, measure="average_precision"),
            map_rows("random", 0.3, target="evidence_among_objects"), map_rows("control_redness_least", 0.25, target="evidence_among_objects"),
            map_rows("random", 0.3, measure="stratified_auroc"), map_rows("control_size", 0.2, measure="stratified_auroc"),
            *(map_rows(name, 0.1, target="evidence_among_objects") for name in ("control_other_class", "control_random_head")),
        ]
    )  # fmt: skip
    truth = pd.DataFrame(
        [{"model": "r3d", "method": "dtd", "selective": False, "target": "evidence", "auroc": 0.8, "auroc_ci_low": 0.7, "auroc_ci_high": 0.9,
          "stratified_auroc": 0.8, "stratified_auroc_ci_low": 0.75, "stratified_auroc_ci_high": 0.85}]
    )  # fmt: skip
    selections = pd.DataFrame(
        [
            map_rows("whole", 0.3, measure="precision", target="moving"),
            map_rows("control_same_size", -0.2, measure="precision", target="moving"),
        ]
    )
    found = claims_table(maps=controls, map_truth=truth, selections=selections).set_index("claim")
    assert found.index.tolist() == [
        *["maps_on_evidence", "maps_beyond_pixels", "maps_among_objects", "maps_on_motion"],
        "selection_on_motion",
    ]
    row = found.loc["maps_among_objects"]
    assert (row["measure"], row["best_control"], row["verdict"]) == (
        *("AUROC, evidence_among_objects", "control_redness_least", "yes"),
    )
    alike = found.loc["maps_beyond_pixels"]
    assert (alike["measure"], alike["best_control"], alike["verdict"]) == (
        # All that is there is beaten, but another class's map and a random head's were not drawn.
        *("stratified AUROC, evidence", "control_size", "too few"),
    )
    assert (alike["ci_low"], alike["ci_high"]) == (0.75, 0.85)
    row = found.loc["maps_on_evidence"]
    assert (row["best_control"], row["not_beaten"], row["verdict"]) == (
        "control_saturation",
        "control_other_class",
        "no",
    )
    assert (row["ci_low"], row["ci_high"], row["n"], row["measure"]) == (0.7, 0.9, 24, "AUROC, evidence")
    row = found.loc["maps_on_motion"]
    assert (row["best_control"], row["verdict"], row["measure"]) == (
        "control_center",
        "too few",
        "AUROC, moving",
    )
    row = found.loc["selection_on_motion"]
    assert (row["best_control"], row["not_beaten"], row["verdict"]) == (
        "control_same_size",
        "control_same_size",
        "no",
    )


def test_concepts_of_noise_are_not_more_than_chance():
    rng = np.random.default_rng(0)
    columns = pd.MultiIndex.from_product(
        [range(2), list("abcdef"), range(5)], names=["seed", "class", "concept"]
    )

    def scores(p_values, effect=1.0):
        return (
            pd.DataFrame(
                {"p_clusters": p_values, "p_gradients": 0.5 * p_values, "effect": effect}, index=columns
            )
            .reset_index()
            .assign(model="r3d", layer="layer3")
        )

    words = [claims_table(scores=scores(rng.random(60)))["verdict"][0] for _ in range(60)]
    assert np.mean([word == "yes" for word in words]) <= 0.07
    (row,) = claims_table(scores=scores(0.1 * rng.random(60))).to_dict("records")
    assert row["verdict"] == "yes" and row["n"] == 6 and row["n_seeds"] == 2
    # Concepts that speak against their class do not raise it.
    (row,) = claims_table(scores=scores(0.1 * rng.random(60), -1.0)).to_dict("records")
    assert row["value"] == 0 and row["verdict"] != "yes"


def pixels_table():
    rows = [
        ("dtd", "", "auroc", 0.2, 0.1, 0.3, 0.001), ("gradcam", "", "auroc", 0.01, -0.1, 0.12, 0.8),
        ("dtd", "", "share", 0.9, 0.8, 1.0, 0.001), ("control_saturation", "", "auroc", 0.0, 0.0, 0.0, 1.0),
        ("control_other_class", "dtd", "auroc", 0.1, 0.0, 0.2, 0.04), ("random", "", "auroc", 0.0, 0.0, 0.0, 1.0),
        ("control_activation", "", "auroc", 0.05, 0.0, 0.1, 0.04),
    ]  # fmt: skip
    columns = ["method", "control_of", "measure", "difference", "ci_low", "ci_high", "p_value"]
    return pd.DataFrame(rows, columns=columns).assign(
        model="r3d", layer="", selective=False, unit="video", n_videos=24, n_classes=6, n_seeds=3
    )


def pixel_controls_table(*rows, method="dtd", **same):
    columns = ["control", "difference", "ci_low", "ci_high", "p_value"]
    same = {"layer": "", "measure": "auroc", "unit": "video", "n_videos": 24} | same
    return pd.DataFrame(rows, columns=columns).assign(
        model="r3d", method=method, n_classes=6, n_seeds=3, **same
    )


def test_following_the_network_is_more_than_what_else_follows_it():
    rows = [
        ("control_saturation", 0.2, 0.1, 0.3, 0.001), ("random", 0.2, 0.1, 0.3, 0.001),
        ("control_other_class", 0.1, 0.01, 0.2, 0.02), ("control_random_head", 0.12, 0.02, 0.2, 0.02),
    ]  # fmt: skip
    known = pixels_table()
    found = claims_table(pixels=known, pixel_controls=pixel_controls_table(*rows)).set_index("method")
    assert found.index.tolist() == ["dtd", "gradcam"]  # the norm of the activation is a control
    assert found["verdict"].tolist() == ["yes", "too few"] and found.loc["dtd", "control_value"] == 0
    assert found.loc["dtd", "best_control"] == "control_saturation" and found.loc["dtd", "model"] == "r3d"
    # The norm of the activation follows the network as well.
    rows.append(("control_activation", -0.01, -0.1, 0.08, 0.9))
    found = claims_table(pixels=known, pixel_controls=pixel_controls_table(*rows)).set_index("method")
    assert found.loc["dtd", ["verdict", "not_beaten"]].tolist() == ["no", "control_activation"]
    # Without the map for another class it is not known.
    found = claims_table(pixels=known, pixel_controls=pixel_controls_table(*rows[:2])).set_index("method")
    assert found.loc["dtd", "verdict"] == "too few"


def test_concepts_follow_the_network_beyond_other_orders_of_the_same_concepts():
    rows = [("concepts_top_1", "", 0.5, 0.4, 0.6), ("concepts_all", "", 0.05, 0.01, 0.09)]
    columns = ["method", "control_of", "difference", "ci_low", "ci_high"]
    place = {"layer": "layer3", "measure": "share", "unit": "class", "n_videos": NAN}
    table = pd.DataFrame(rows, columns=columns).assign(
        model="r3d", selective=False, p_value=0.001, n_classes=6, n_seeds=3, **place
    )
    rivals = pixel_controls_table(
        ("control_size", 0.4, 0.3, 0.5, 0.001), ("control_member_logit", 0.2, -0.05, 0.4, 0.2),
        ("concepts_all", 0.45, 0.3, 0.6, 0.001), method="concepts_top_1", **place,
    )  # fmt: skip
    found = claims_table(pixels=table, pixel_controls=rivals).set_index("method")
    row = found.loc["concepts_top_1"]
    assert (row["best_control"], row["not_beaten"], row["verdict"]) == (
        "control_size",
        "control_member_logit",
        "no",
    )
    assert [row["control_value"], row["difference_ci_low"], row["n"]] == pytest.approx([0.1, 0.3, 6])
    # Against orders that are all exceeded it is yes: concepts have no map of their own for another class.
    found = claims_table(pixels=table, pixel_controls=rivals[rivals["control"] != "control_member_logit"])
    assert found.set_index("method")["verdict"].to_dict() == {
        "concepts_top_1": "yes",
        "concepts_all": "too few",
    }


def curves_table():
    return pd.DataFrame(
        {
            "model": "r3d", "layer": "layer3", "fill": ["mean", "mean", "blur", "mean"],
            "outcome": ["margin", "margin", "margin", "probability"], "method": ["dtd", "control_saturation", "dtd", "dtd"],
            "curve": "deletion", "area": 0.2, "area_ci_low": 0.1, "area_ci_high": 0.3, "random_difference": -0.3,
            "random_difference_ci_low": -0.4, "random_difference_ci_high": -0.2, "random_p_value": 0.001, "difference": 0.01,
            "best_control": ["control_saturation", None, "control_center", "control_center"],
            "difference_ci_low": -0.05, "difference_ci_high": 0.07, "p_value": 0.7, "n_videos": 12, "n_units": 12, "n_seeds": 1,
        }
    )  # fmt: skip


def randomization_table():
    return pd.DataFrame(
        {
            "model": "r3d", "check": "weights", "part": ["fc", "layer1", "fc"], "depth": [1, 5, 1],
            "method": ["dtd", "dtd", "gradcam"], "measure": "spearman", "left": [0.9, 0.1, 0.1],
            "left_ci_low": [0.8, 0.0, 0.0], "left_ci_high": [1.0, 0.2, 0.2], "left_p_value": 0.02, "n_units": 6, "n_seeds": 1,
        }
    )  # fmt: skip


def curve_controls_table(*rows):
    columns = ["control", "difference", "difference_ci_low", "difference_ci_high", "p_value"]
    return pd.DataFrame(rows, columns=columns).assign(
        model="r3d", layer="layer3", fill="mean", outcome="margin", method="dtd", curve="deletion", n_videos=12, n_units=12,
        n_seeds=1,
    )  # fmt: skip


def test_hiding_is_compared_with_every_control():
    rows = [
        ("random", -0.3, -0.4, -0.2, 0.001),
        ("control_saturation", -0.1, -0.2, -0.02, 0.02),
        ("control_other_class", 0.01, -0.05, 0.07, 0.7),
    ]
    (row,) = claims_table(curves=curves_table(), curve_controls=curve_controls_table(*rows)).to_dict(
        "records"
    )
    assert (row["claim"], row["method"], row["best_control"], row["verdict"]) == (
        "faithful",
        "dtd",
        "control_saturation",
        "no",
    )
    assert (row["not_beaten"], row["n_controls"]) == ("control_other_class", 2)
    assert row["control_value"] == pytest.approx(0.3) and row["measure"] == "area under deletion, margin"
    found = claims_table(curves=curves_table(), curve_controls=curve_controls_table(*rows[:2]))
    assert found["verdict"].tolist() == ["yes"]


def test_randomization():
    found = claims_table(random=randomization_table()).set_index("method")["verdict"]
    assert found.to_dict() == {"dtd": "opposite", "gradcam": "yes"}


def test_nothing_but_the_head_tells_whether_a_random_head_is_noticed():
    """What is left with all of the network random is no answer where that of the head is not known."""
    table = randomization_table()
    number = ["left", "left_ci_low", "left_ci_high", "left_p_value"]
    table.loc[(table["method"] == "dtd") & (table["depth"] == 1), number] = NAN
    intact = table.assign(depth=0, left=0.0, part="none")
    found = claims_table(random=pd.concat([intact, table])).set_index("method")
    assert found["verdict"].to_dict() == {"dtd": "too few", "gradcam": "yes"}
    assert np.isnan(found.loc["dtd", "value"]) and found.loc["dtd", "n"] == 6


def test_a_run_without_any_of_the_tables_has_no_claims():
    found = claims_table()
    assert found.empty and list(found.columns) == COLUMNS


@pytest.mark.parametrize(
    "adapter, options, expected",
    [("embedded", {"variant": "cue"}, "cue"), ("csv", {}, "real"), ("embedded", {}, "standard")],
)
def test_the_data_is_named(adapter, options, expected):
    assert set(claims_table(truth=truth_table(), adapter=adapter, options=options)["data"]) == {expected}


def test_claims_read_only_what_the_tables_say_that_they_have():
    """The made-up tables here have no other columns than the real ones."""
    entries, tables = all_tables(), {"concept_gaps": gaps_table(), "concept_ground_truth": truth_table()}
    tables |= {
        "explanation_controls": pd.DataFrame([map_rows("random", 0.1)]),
        "selection_controls": pd.DataFrame([map_rows("whole", 0.1)]),
    }
    tables |= {
        "faithfulness": curves_table(),
        "randomization": randomization_table(),
        "faithfulness_controls": curve_controls_table(("random", -0.3, -0.4, -0.2, 0.001)),
        "same_pixels": pixels_table(),
        "same_pixels_controls": pixel_controls_table(("random", 0.2, 0.1, 0.3, 0.001)),
    }
    for name, table in tables.items():
        assert set(table.columns) <= set(entries[name].columns), name


def test_every_map_of_the_pixels_counts_as_one_that_knows_no_network():
    names = {name for name, _ in pixel_controls(np.zeros((2, 4, 4, 3), np.uint8), np.ones((1, 2, 4, 4), int))}
    assert (
        {evidence.kind_of(name) for name in names}
        == {evidence.kind_of(f"{name}_least") for name in names}
        == {PIXELS}
    )
    assert evidence.kind_of("control_activation") == NETWORK


def test_every_claim_says_what_it_says_and_every_column_what_it_means():
    assert set(CONTROLLED) < set(STATEMENTS)
    assert list(all_tables()["claims"].columns) == COLUMNS or set(all_tables()["claims"].columns) == set(
        COLUMNS
    )
    assert (
        evidence.kind_of("control_saturation") == evidence.kind_of("control_blueness_least") == PIXELS
        and evidence.kind_of("control_pool_distance") == NETWORK
    )
