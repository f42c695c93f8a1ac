"""Adding and removing concepts, and the tables made of it: by hand, and under hypotheses that hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.concepts import UNEDITED
from voxplain.concepts.clustering import cluster_concepts, nearest_concepts
from voxplain.concepts.figures import concept_curves_figure
from voxplain.concepts.rankings import rankings
from voxplain.concepts.tables import curve_table, editing_table, gap_table
from voxplain.editing import (
    RankedConcepts,
    edit_answers,
    edits,
    first_position,
    random_rankings,
    reverse_of,
)
from voxplain.models.tables import accuracy_table
from voxplain.statistics import chosen_p_value, mean_interval
from voxplain.streams import stream


def two_levels():
    """A clip of 2 x 2 x 4 voxels: level 0 halves it left and right, level 1 is one column each."""
    coarse = np.tile(np.array([1, 1, 2, 2], dtype=np.uint16), (2, 2, 1))
    fine = np.tile(np.array([1, 2, 3, 4], dtype=np.uint16), (2, 2, 1))
    return np.stack([coarse, fine])


KEPT = np.array([[0, 1], [0, 2], [1, 2], [1, 4]])
CONCEPTS = np.array([2, 0, 1, 1])
# Activations on a line, a concept at 0, 10 and 20.
PLACES = np.array([[0.0], [10.0], [20.0]]), np.full(3, 3.0)
ACTIVATIONS = np.array([[20.0], [0.0], [10.0], [11.0]])


def ranked(ranking=(1, 2, 0), draws=2, **more):
    orders = random_rankings(len(ranking), draws, np.random.default_rng(0))
    return RankedConcepts(*PLACES, {"top": np.array(ranking), **more}, orders)


def all_edits(labels, kept, concepts, known, distances=None, **options):
    distances = np.zeros(len(kept)) if distances is None else distances
    found = edits(labels, kept, concepts, distances, known, rng=np.random.default_rng(0), **options)
    return {(e.strategy, e.draw, e.k, None if np.isnan(e.share) else e.share): e.mask for e in found}


def columns(mask):
    return "".join("-x"[int(inside)] for inside in mask[0, 0])


def test_first_position_is_the_earliest_of_overlapping_supervoxels():
    first = first_position(two_levels(), KEPT, np.array([2, 0, 1, 1]))
    assert first[0, 0].tolist() == [2, 1, 0, 0]


def test_voxels_of_no_kept_supervoxel_are_never_covered():
    first = first_position(two_levels()[1:], np.array([[0, 2]]), np.array([0]))
    assert (first[0, 0] == 0).tolist() == [False, True, False, False]


def test_edits_by_hand():
    known = ranked(control_size=np.array([2, 0, 1]))
    found = all_edits(two_levels(), KEPT, CONCEPTS, known)
    shown = {(s, k): columns(mask) for (s, _, k, _), mask in found.items() if s != "random"}
    assert (shown["top", 1], shown["top", 2], shown["least", 1]) == ("-x-x", "xx-x", "--xx")
    assert shown["control_size", 1] == "xx--" and shown["control_size_least", 1] == "-x-x"
    assert (
        shown["top", 3] == shown["least", 3] == shown["top", 5] == "xxxx"
    )  # three concepts are all there are
    for draw, order in enumerate(known.draws):
        assert columns(found["random", draw, 1, None]) == {0: "--xx", 1: "-x-x", 2: "xx--"}[order[0]]


def test_what_belongs_to_no_concept_is_not_shown_and_not_hidden():
    far = np.where(np.arange(4) == 1, -1, CONCEPTS)  # the right half is remainder
    found = all_edits(two_levels(), KEPT, far, ranked(), clip_draws=1)
    assert columns(found["top", 0, 5, None]) == columns(found["least", 0, 5, None]) == "xx-x"
    none = all_edits(two_levels(), KEPT, np.full(4, -1), ranked(), shares=[0.5], clip_draws=1)
    assert not any(mask.any() for (strategy, *_), mask in none.items() if strategy != "random_volume")
    assert none["random_volume", 0, 0, 0.5].any()


def test_volume_is_taken_from_the_first_concept_nearest_to_its_centre_first():
    labels = np.arange(1, 9, dtype=np.uint16).reshape(1, 1, 1, 8)
    kept = np.array([[0, label] for label in range(1, 9)])
    concepts, distances = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([4.0, 3, 2, 1, 1, 2, 3, 4])
    places = RankedConcepts(
        np.zeros((2, 1)), np.ones(2), {"top": np.array([1, 0])}, np.array([[0, 1], [1, 0]])
    )
    shares = [0.25, 0.5, 0.625, 1.0]
    found = all_edits(labels, kept, concepts, places, distances, shares=shares, clip_draws=2)
    assert [columns(found["top", 0, 0, share]) for share in shares] == [
        "----xx--",
        "----xxxx",
        "---xxxxx",
        "xxxxxxxx",
    ]
    assert columns(found["least", 0, 0, 0.25]) == "--xx----" == columns(found["random", 0, 0, 0.25])
    assert columns(found["random", 1, 0, 0.25]) == "----xx--"


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_edits_grow_along_a_ranking_and_the_control_matches_the_volume(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(1, 9, size=(2, 4, 6, 6)).astype(np.uint16)
    kept = np.array([(level, label) for level in range(2) for label in range(1, 9)])
    concepts = rng.integers(-1, 5, size=len(kept))
    known = RankedConcepts(
        np.zeros((5, 1)), np.ones(5), {"top": rng.permutation(5)}, random_rankings(5, 4, rng)
    )
    options = {"shares": [0.1, 0.4], "clip_draws": 2}
    found = all_edits(labels, kept, concepts, known, rng.random(len(kept)), **options)
    largest = max(np.count_nonzero(labels[level] == label) for level, label in kept)
    for (strategy, draw, k, share), mask in found.items():
        if k > 1 and strategy != "random_volume":
            assert not (found[strategy, draw, k - 1, None] & ~mask).any()
        if share == 0.4:
            assert not (found[strategy, draw, 0, 0.1] & ~mask).any()
        if strategy == "random_volume" and share is None:
            top = np.count_nonzero(found["top", 0, k, None])
            assert abs(np.count_nonzero(mask) - top) <= largest / 2 + 1


def test_random_rankings_are_pairs_of_a_ranking_and_its_reverse():
    orders = random_rankings(6, 19, stream(0, "r3d", "layer3", "a"))
    assert orders.shape == (20, 6) and (np.sort(orders) == np.arange(6)).all()
    assert np.array_equal(orders[::2], orders[1::2, ::-1])
    assert len({tuple(order) for order in orders}) > 15


def test_rankings_by_hand():
    scores = pd.DataFrame(
        {
            "concept": [0, 1, 2],
            "score": [1.0, 0.5, 1.0],
            "derivative": [0.1, 0.9, 0.3],
            "rank": [3, 1, 2],
        }
    )
    controls = pd.DataFrame({"class": "a", "concept": [2, 1, 0], "size": [5.0, 5.0, 7.0]})
    found = rankings(scores, controls)
    assert {name: order.tolist() for name, order in found.items()} == {
        "top": [1, 2, 0],
        "score": [2, 0, 1],
        "control_size": [0, 1, 2],
    }
    assert list(rankings(scores, rank_by="score")) == ["top"]


def test_supervoxels_beyond_the_cut_off_belong_to_no_concept():
    points = np.array([[0.0], [2.9], [3.1], [7.5], [20.0], [100.0]])
    assert nearest_concepts(points, *PLACES).tolist() == [0, 0, -1, 1, 2, -1]
    assert nearest_concepts(points, PLACES[0]).tolist() == [0, 0, 0, 1, 2, 2]


def test_the_cut_off_is_a_quantile_of_the_clusters_own_distances():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(at, 1, (200, 3)) for at in (0, 50)]).astype(np.float32)
    videos = np.tile(np.arange(100), 4)
    for share in (0.5, 0.95, 1.0):
        found = cluster_concepts(points, videos, clusters=2, cutoff=share)
        nearest = nearest_concepts(
            points, np.stack([c.centre for c in found]), np.array([c.cutoff for c in found])
        )
        assert (nearest >= 0).mean() == pytest.approx(share, abs=0.01)
    assert all(np.isinf(c.cutoff) for c in cluster_concepts(points, videos, clusters=2, cutoff=None))


def answered(classify, classes=None, **options):
    clip = np.full((2, 2, 4, 3), 200, dtype=np.uint8)
    classes = {"a": ranked()} if classes is None else classes
    return edit_answers(
        classify, clip, two_levels(), KEPT, ACTIVATIONS, "a", classes,
        fill=(0, 0, 0), rng=np.random.default_rng(0), batch=4, **options,
    )  # fmt: skip


def test_answers_are_to_shown_and_hidden_voxels_and_equal_masks_are_classified_once():
    seen = []

    def classify(clips):
        seen.extend(clip[0, 0, :, 0].tobytes() for clip in clips)
        return np.array(["a" if clip.mean() > 60 else "z" for clip in clips])

    table = answered(classify, clip_draws=1)
    rows = table.set_index(["experiment", "strategy", "k"])
    assert rows.loc[("none", UNEDITED, 0), ["shown", "correct"]].tolist() == [1, True]
    assert rows.loc[("concept_addition", "top", 1), ["shown", "answer"]].tolist() == [0.5, "a"]
    assert rows.loc[("concept_removal", "top", 2), ["shown", "answer"]].tolist() == [0.25, "z"]
    assert rows.loc[("concept_removal", "top", 3), ["shown", "answer"]].tolist() == [0, "z"]
    assert (table["blank"] == "z").all() and (table["n_concepts"] == 3).all()
    assert len(seen) == len(set(seen)) <= 16 < len(table)


def test_other_classes_and_the_predicted_class_have_their_own_concepts():
    other = RankedConcepts(np.array([[0.0]]), np.array([1.0]), {"top": np.array([0])}, np.array([[0], [0]]))
    classes = {"a": ranked(), "b": other}
    table = answered(lambda clips: np.full(len(clips), "b"), classes, clip_draws=3)
    for strategy in ("other_class", "predicted"):
        rows = table[(table["strategy"] == strategy) & (table["experiment"] == "concept_addition")]
        # One of four supervoxels lies within b's only concept: the right half.
        assert (rows["other"] == "b").all() and (rows["n_concepts"] == 1).all()
        assert rows["shown"].tolist() == [0.5] * 5 and (rows["assigned"] == 0.25).all()
    assert table.loc[table["strategy"] == "top", "other"].isna().all()


def test_a_predicted_class_without_concepts_shows_nothing():
    table = answered(lambda clips: np.full(len(clips), "elsewhere"))
    rows = table[table["strategy"] == "predicted"]
    assert set(rows.loc[rows["experiment"] == "concept_addition", "shown"]) == {0}
    assert set(rows.loc[rows["experiment"] == "concept_removal", "shown"]) == {1}


SAME = {"model": "r3d", "layer": "layer3", "shown": 0.25, "n_concepts": 4.0, "assigned": 0.5}
PUBLISHED = pd.DataFrame(
    {"model": ["r3d"], "strategy": ["top"], "k": [1], "published": [0.1167], "published_baseline": [0.7562]}
)


def answers():
    """Two seeds, three videos of as many classes, k = 1; top is right at 5 of 6, least at 1 of 6."""
    rows = []

    def add(seed, video, strategy, draw, correct, experiment="concept_addition", other=None):
        name = f"class{video}"
        row = {"seed": seed, "video": f"v{video}", "class": name, "strategy": strategy, "draw": draw}
        row |= {"k": int(strategy != UNEDITED), "experiment": experiment, "share": np.nan, "other": other}
        answer = name if correct else other or "class2"
        rows.append({**SAME, **row, "correct": correct, "answer": answer, "blank": "class2"})

    for seed, top, least in [(0, (1, 1, 1), (0, 0, 1)), (1, (1, 1, 0), (0, 0, 0))]:
        for video in range(3):
            add(seed, video, UNEDITED, 0, True, "none")
            add(seed, video, "top", 0, bool(top[video]))
            add(seed, video, "least", 0, bool(least[video]))
            add(seed, video, "other_class", 0, video == 0, other=f"class{(video + 1) % 3}")
            for draw in range(2):
                add(seed, video, "random", draw, draw == 0)
                add(seed, video, "random_volume", draw, draw == 0)
    return pd.DataFrame(rows)


def test_editing_table_by_hand():
    table = editing_table(answers(), PUBLISHED).set_index("strategy")
    assert table["accuracy"].to_dict() == pytest.approx(
        {"top": 5 / 6, "least": 1 / 6, "other_class": 1 / 3, "random": 0.5, "random_volume": 0.5}
    )
    assert (table["n_videos"] == 3).all() and (table["n_seeds"] == 2).all() and (table["baseline"] == 1).all()
    assert (table["k_share"] == 0.25).all() and (table["n_concepts"] == 4).all()
    # Of top all answers of class 2 are the fill's, right or (once) not; without that class it is right 4 of 4 times.
    assert table.loc["top", ["drift", "accuracy_without_blank"]].tolist() == pytest.approx([2 / 6, 1])
    assert table.loc["least", ["drift", "accuracy_without_blank"]].tolist() == pytest.approx([1, 0])
    assert table.loc["other_class", "answered_other"] == pytest.approx(2 / 3)
    assert table["answered_other"].notna().sum() == 1
    assert table.loc["top", "published"] == 0.1167 and np.isnan(table.loc["least", "published"])
    assert np.isnan(table.loc["top", "p_value"]) and 0 < table.loc["least", "p_value"] <= 1
    assert (table["p_adjusted"].dropna() >= table["p_value"].dropna()).all()
    assert (table["ci_low"] <= table["accuracy"]).all() and (table["accuracy"] <= table["ci_high"]).all()


def test_one_seed_without_draws_has_a_wilson_interval():
    one = answers().query("seed == 0")
    row = editing_table(one, PUBLISHED).set_index("strategy").loc["top"]
    assert (row["accuracy"], row["ci_high"]) == (1, 1)
    assert row["ci_low"] == pytest.approx(3 / (3 + 1.959964**2))


def test_gap_table_by_hand():
    gaps = gap_table(answers()).set_index(["better", "worse"])
    assert gaps.loc[("top", "least"), "gap"] == pytest.approx(4 / 6)
    assert gaps.loc[("top", "random"), "gap"] == pytest.approx(1 / 3)
    assert gaps.loc[("top", "least"), ["n_videos", "n_classes", "n_seeds"]].tolist() == [3, 3, 2]
    # Per class and seed 1, 1, 0 and 1, 1, 0: classes are the units.
    expected = mean_interval(np.array([[1, 1, 0], [1, 1, 0]]))
    assert gaps.loc[("top", "least"), ["ci_low", "ci_high"]].tolist() == pytest.approx(expected)
    assert set(gaps.index) == {
        ("top", "random"),
        ("random", "least"),
        ("top", "least"),
        ("top", "random_volume"),
        ("top", "other_class"),
    }


def test_gaps_of_other_rankings_are_to_top_and_to_their_own_reverse():
    known = answers()
    renamed = known[known["strategy"].isin(["top", "least"])].replace(
        {"strategy": {"top": "control_size", "least": reverse_of("control_size")}}
    )
    gaps = gap_table(pd.concat([known, renamed])).set_index(["better", "worse"])
    assert gaps.loc[("top", "control_size"), "gap"] == 0
    own = gaps.loc[("control_size", "control_size_least")]
    assert own["gap"] == pytest.approx(4 / 6)
    assert own["p_value"] == gaps.loc[("top", "least"), "p_value"]
    # And how much more top differs from least than the control from its reverse, read either way.
    for worse, gap in (
        ("control_size - control_size_least", 0),
        ("control_size_least - control_size", 8 / 6),
    ):
        row = gaps.loc[("top - least", worse)]
        assert row["gap"] == pytest.approx(gap)
    # Per class and seed twice 1, 1, 0: classes are the units.
    expected = mean_interval(2 * np.array([[1, 1, 0], [1, 1, 0]]))
    assert row[["ci_low", "ci_high"]].tolist() == pytest.approx(expected)


def test_classes_weigh_the_same_in_gaps_and_videos_in_accuracies():
    known = answers()
    more = known[known["video"] == "v2"].assign(video="v3")
    both = pd.concat([known, more])
    gaps = gap_table(both).set_index(["better", "worse"])
    assert gaps.loc[("top", "least"), "gap"] == pytest.approx(4 / 6)
    table = editing_table(both, PUBLISHED).set_index("strategy")
    assert table.loc["top", "accuracy"] == pytest.approx(6 / 8)


def test_the_p_value_of_what_was_chosen_by_enumeration():
    values = np.array([[5.0, 1, 2], [4.0, 0, 1], [9.0, 3, 3]])
    # Of 27 choices one has the largest sum: twice 1/27.
    assert chosen_p_value(values) == pytest.approx(2 / 27, abs=0.01)
    assert chosen_p_value(np.ones((4, 3))) == 1 and np.isnan(chosen_p_value(np.empty((0, 3))))


def by_volume(experiment, right):
    """Shares 0.2 and 0.6 of one strategy, four videos of two classes; the fill is answered by class a."""
    rows = []
    for video, name in enumerate("aabb"):
        row = {"model": "r3d", "layer": "layer3", "seed": 0, "video": f"v{video}", "class": name, "draw": 0}
        row |= {"blank": "a", "k": 0}
        rows.append({**row, "experiment": "none", "strategy": UNEDITED, "share": np.nan, "shown": 1.0})
        for share, correct in zip((0.2, 0.6), right, strict=True):
            shown = share if experiment == "concept_addition" else 1 - share
            more = {"experiment": experiment, "strategy": "top", "share": share, "shown": shown}
            rows.append({**row, **more, "correct": correct})
    return pd.DataFrame(rows).fillna({"correct": True})


@pytest.mark.parametrize(
    ("experiment", "area"),
    [
        # From the fill (right for class a) over 0 and 1 to the whole clip, which is right for all.
        ("concept_addition", (0.05 + 0.2 + 0.4)),
        ("concept_removal", (0.1 + 0.2 + 0.3)),
    ],
)
def test_curves_by_hand(experiment, area):
    table = curve_table(by_volume(experiment, (False, True)))
    for column in ("share", "covered"):
        assert table[column].tolist() == pytest.approx([0.2, 0.6])
    assert table["accuracy"].tolist() == [0, 1]
    assert table["area"].tolist() == pytest.approx([area] * 2)
    assert (table["area_ci_low"] <= table["area"]).all() and (table["n_videos"] == 4).all()
    assert concept_curves_figure(table).axes


# Simulations: 6 classes of 12 videos, 3 seeds. All videos of a class share its rankings.
CLASSES, VIDEOS, SEEDS, DRAWS, K_MAX = 6, 12, 3, 8, 2
NAMES = ["top", "least", "control_x", "control_x_least", *["random"] * DRAWS]


def shell():
    """Rows of all edits, in the order of (seed, class, video, ranking, k), without the outcome."""
    index = pd.MultiIndex.from_product(
        [range(SEEDS), range(CLASSES), range(VIDEOS), range(len(NAMES)), range(1, K_MAX + 1)],
        names=["seed", "class", "video", "ranking", "k"],
    )
    rows = index.to_frame(index=False)
    names = np.array([f"c{number}" for number in range(CLASSES)], dtype=object)[rows["class"]]
    return rows.assign(
        strategy=np.array(NAMES, dtype=object)[rows["ranking"]],
        draw=np.maximum(rows["ranking"] - 4, 0),
        video=names + rows["video"].astype(str),
        **{**SAME, "class": names, "answer": "c0", "blank": "c0", "other": None, "experiment": "concept_addition"},
    )  # fmt: skip


SHELL = shell()
WHOLE = SHELL[(SHELL["ranking"] == 0) & (SHELL["k"] == 1)]
WHOLE = WHOLE.assign(strategy=UNEDITED, k=0, experiment="none", correct=True)
UNPUBLISHED = PUBLISHED.iloc[:0]


def simulated(rng, *, worth=1.5, gain=0.0, spread=0.0):
    """Outcomes of random rankings, and of top ones that lie above by `gain` logits, more or less by class."""
    use = rng.normal(0, worth, size=(SEEDS, CLASSES, 5))  # what the network makes of each concept
    easy = rng.normal(0, 1, size=(1, CLASSES, VIDEOS)) + rng.normal(0, 0.5, size=(SEEDS, 1, 1))
    own = gain + spread * rng.normal(size=CLASSES)
    logit = np.empty((SEEDS, CLASSES, len(NAMES), K_MAX))
    for seed in range(SEEDS):
        for number in range(CLASSES):
            top, control = rng.permutation(5), rng.permutation(5)
            orders = [top, top[::-1], control, control[::-1], *random_rankings(5, DRAWS, rng)]
            logit[seed, number] = [np.cumsum(use[seed, number, order])[:K_MAX] for order in orders]
            logit[seed, number, 0] += own[number]
    chance = 1 / (1 + np.exp(-(easy[..., None, None] + logit[:, :, None])))
    return SHELL.assign(correct=(rng.random(chance.shape) < chance).ravel())


def test_random_rankings_are_rejected_as_often_as_the_level_says():
    rejected = {}
    for trial in range(400):
        found = simulated(np.random.default_rng(trial))
        gaps = gap_table(found)
        table = editing_table(pd.concat([found, WHOLE]), UNPUBLISHED)
        for row in gaps.itertuples():
            rejected.setdefault((row.better, row.worse), []).append(row.p_value <= 0.05)
        for row in table[table["strategy"].isin(["random", "least"])].itertuples():
            rejected.setdefault((row.strategy, row.k), []).append(row.p_value <= 0.05)
    rates = {key: np.mean(values) for key, values in rejected.items()}
    # Two rankings, and their gaps, are compared over classes and seeds; few of these make it cautious.
    for worse, last in (("control_x", "control_x_least"), ("control_x_least", "control_x")):
        assert rates.pop(("top", worse)) <= 0.07
        assert rates.pop(("top - least", f"{worse} - {last}")) <= 0.07
    # Of 400 trials .02 to .08 is what a rate of .05 gives; of all comparisons together it is known better.
    assert len(rates) == 8 and all(0.02 < rate < 0.08 for rate in rates.values()), rates
    assert 0.03 < np.mean(list(rates.values())) < 0.07, rates


@pytest.mark.parametrize("seeds", [1, 3])
def test_intervals_of_gaps_cover_what_classes_and_seeds_give(seeds):
    """What a ranking is worth differs by class; the truth is the mean over all classes."""
    found = [simulated(np.random.default_rng([1, n]), worth=0.5, gain=1.0, spread=1.5) for n in range(250)]
    gaps = pd.concat([gap_table(one[one["seed"] < seeds]) for one in found])
    gaps = gaps[gaps["better"].isin(["top", "top - least"])]
    truth = gaps.groupby("worse")["gap"].transform("mean")
    covered = (gaps["ci_low"] <= truth) & (truth <= gaps["ci_high"])
    # Above .97 where seeds add nothing to what chance gives them.
    assert 0.92 <= covered.mean() <= 0.985


@pytest.mark.parametrize("seeds", [1, 3])
def test_intervals_of_accuracies_cover_what_videos_and_seeds_give(seeds):
    rng, covered = np.random.default_rng(0), []
    shell = SHELL[(SHELL["ranking"] == 0) & (SHELL["k"] == 1) & (SHELL["seed"] < seeds)]
    whole = WHOLE[WHOLE["seed"] < seeds]
    skills = 0.3 * np.random.default_rng(1).normal(size=(300 if seeds > 1 else 1, seeds, 1))

    def chances(skill, videos):
        return 1 / (1 + np.exp(-(1 + rng.normal(0, 1.5, size=(1, videos)) + skill)))

    # One seed is asked about that seed, several about all.
    truth = np.mean([chances(skill, 1000).mean() for skill in np.resize(skills, (300, seeds, 1))])
    for skill in np.resize(skills, (300, seeds, 1)):
        chance = chances(skill, CLASSES * VIDEOS)
        correct = (rng.random(chance.shape) < chance).ravel()
        row = editing_table(pd.concat([shell.assign(correct=correct), whole]), UNPUBLISHED).iloc[0]
        covered.append(row["ci_low"] <= truth <= row["ci_high"])
    assert 0.92 <= np.mean(covered) <= 0.985


def test_intervals_rest_on_groups_of_videos():
    """Twins of every video are no more videos: accuracies stay, and so do their intervals."""
    one = answers().query("seed == 0")
    twins = pd.concat(
        [one.assign(group=one["video"]), one.assign(group=one["video"], video=one["video"] + "b")]
    )
    columns = ["accuracy", "ci_low", "ci_high"]
    pd.testing.assert_frame_equal(
        editing_table(twins, PUBLISHED)[columns], editing_table(one, PUBLISHED)[columns]
    )
    shown = by_volume("concept_addition", (False, True))
    both = pd.concat(
        [shown.assign(group=shown["video"]), shown.assign(group=shown["video"], video=shown["video"] + "b")]
    )
    columns = ["accuracy", "ci_low", "ci_high", "area", "area_ci_low", "area_ci_high"]
    pd.testing.assert_frame_equal(curve_table(both)[columns], curve_table(shown)[columns])


def test_accuracy_table_by_hand():
    predictions = pd.DataFrame(
        {
            "model": "i3d",
            "seed": 0,
            "video": list("abcd"),
            "class": ["x", "x", "y", "y"],
            "predicted": ["x", "y", "y", "y"],
        }
    )
    table = accuracy_table(predictions).set_index("class")
    assert table["accuracy"].to_dict() == {"all": 0.75, "x": 0.5, "y": 1.0}
    assert table["n_videos"].to_dict() == {"all": 4, "x": 2, "y": 2}
    # Of twins one is enough: the interval is Wilson's of four, the accuracy that of all videos.
    grouped = predictions.assign(group=predictions["video"])
    twins = pd.concat([grouped, grouped.assign(video=grouped["video"] + "b")])
    assert accuracy_table(twins).iloc[0, 3:7].tolist() == [*accuracy_table(predictions).iloc[0, 3:6], 8]
