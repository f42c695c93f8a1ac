"""Concepts, CAVs and scores: analytic cases, oracles and properties."""

from __future__ import annotations

from types import SimpleNamespace

import find_concepts
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import adjusted_rand_score

from voxplain.concepts.cavs import cav_arrays, concept_distances, train_cavs
from voxplain.concepts.classifiers import CLASSIFIERS
from voxplain.concepts.clustering import cluster_concepts, is_popular, nearest_concepts
from voxplain.concepts.random_sets import draw_sets, null_concepts
from voxplain.concepts.scores import (
    directional_derivatives,
    effects,
    gradient_effects,
    importance,
    rank_concepts,
    score_concepts,
)
from voxplain.concepts.tables import concept_scores_table
from voxplain.errors import ConfigError, VoxplainError


def blobs(seed=0, per_blob=60):
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0, 0, 9], [9, 0, 0, 0], [0, 9, 0, 0]], dtype=float)
    points = np.concatenate([centre + rng.normal(size=(per_blob, 4)) for centre in centres])
    return centres, points, np.tile(np.arange(20), 3 * per_blob // 20)


def test_clusters_are_the_blobs_and_members_the_nearest():
    centres, points, videos = blobs()
    concepts = cluster_concepts(points, videos, clusters=3, min_supervoxels=20, max_members=10)
    found = np.array([concept.centre for concept in concepts])
    assert np.abs(found[:, None] - centres).max(axis=2).min(axis=1).max() < 0.5
    for concept in concepts:
        distance = np.linalg.norm(points - concept.centre, axis=1)
        assert set(concept.members) == set(np.argsort(distance)[:10])
        assert np.all(np.diff(distance[concept.members]) >= 0)
        assert (concept.n_supervoxels, concept.n_videos) == (60, 20)


def test_directions_that_hardly_stir_are_told_apart():
    """Three far blobs, and two near the mean: as they are, the near ones make one cluster; by their roots two."""
    rng = np.random.default_rng(0)
    far = np.concatenate([centre + 9 * rng.normal(size=(60, 3)) for centre in 60 * np.eye(3)])
    middle = far.mean(axis=0)
    near = np.concatenate(
        [middle + side * np.array([3, -3, 0]) + 0.2 * rng.normal(size=(60, 3)) for side in (1, -1)]
    )
    points, blob = np.concatenate([far, near]), np.repeat(np.arange(5), 60)
    videos = np.tile(np.arange(20), 15)

    def told_apart(normalize):
        concepts = cluster_concepts(points, videos, clusters=5, normalize=normalize, max_members=300)
        return {tuple(np.unique(blob[concept.members])) for concept in concepts}

    assert {(3,), (4,)} <= told_apart("root")
    assert not {(3,), (4,)} & told_apart("none")
    for concept in cluster_concepts(points, videos, clusters=5):
        own = np.linalg.norm(points - concept.centre, axis=1)[concept.members]
        assert (np.diff(own) >= 0).all()  # centres and distances are of activations as they are


def clusters_of(concepts, n):
    labels = np.full(n, -1)
    for number, concept in enumerate(concepts):
        labels[concept.members] = number
    return labels


def test_what_is_clustered_are_the_principal_components_of_rooted_deviations():
    """Against scikit-learn's k-means of what numpy's singular vectors give."""
    rng = np.random.default_rng(1)
    points, videos = rng.normal(size=(200, 30)).astype(np.float32), np.arange(200) % 20
    deviations = points - points.mean(axis=0)
    rooted = deviations / np.sqrt(np.linalg.norm(deviations, axis=1, keepdims=True))
    left, values, _ = np.linalg.svd(rooted - rooted.mean(axis=0), full_matrices=False)
    expected = KMeans(4, n_init=20, random_state=3).fit_predict(left[:, :3] * values[:3])
    how = {"clusters": 4, "min_supervoxels": 3, "max_members": 200, "restarts": 20, "seed": 3}
    found = clusters_of(cluster_concepts(points, videos, components=3, **how), 200)
    assert adjusted_rand_score(expected, found) == 1
    whole = clusters_of(cluster_concepts(points, videos, components=30, **how), 200)  # all: a rotation
    assert adjusted_rand_score(KMeans(4, n_init=20, random_state=3).fit_predict(rooted), whole) > 0.99
    few = cluster_concepts(points[:25], videos[:25], components=100, **how)  # more than there are
    assert sum(len(concept.members) for concept in few) <= 25


def test_seeds_agree_where_clusters_lie_in_few_of_many_dimensions():
    rng = np.random.default_rng(0)
    blob = np.repeat(np.arange(12), 40)
    points = np.concatenate([20 * rng.normal(size=(12, 5))[blob], np.zeros((480, 795))], axis=1)
    points += 3 * rng.normal(size=points.shape)
    videos = np.tile(np.arange(20), 24)

    def agreement(**how):
        found = [
            clusters_of(
                cluster_concepts(
                    points, videos, min_supervoxels=3, max_members=480, clusters=12, seed=seed, **how
                ),
                480,
            )
            for seed in (0, 1)
        ]
        return adjusted_rand_score(*found)

    assert agreement() > 0.95 > agreement(components=None, restarts=3)


@pytest.mark.parametrize("how", [{}, {"normalize": "none"}, {"components": None}])
@pytest.mark.parametrize("rounding", [0, 1e-7])
@pytest.mark.parametrize("value", [1.0, 0.1, 1e4])
def test_what_differs_by_rounding_alone_is_one_cluster(value, rounding, how):
    noise = np.random.default_rng(0).choice([-1, 0, 1], size=(200, 64))
    points = (value * (1 + rounding * noise)).astype(np.float32)
    found = cluster_concepts(points, np.repeat(np.arange(10), 20), clusters=10, min_supervoxels=5, **how)
    assert [(concept.n_supervoxels, concept.n_videos) for concept in found] == [(200, 10)]
    np.testing.assert_allclose(found[0].centre, value, rtol=1e-5)


@pytest.mark.parametrize("how", [{}, {"normalize": "none"}, {"components": None}])
@pytest.mark.parametrize("seed", range(3))
def test_equal_activations_are_of_one_cluster(seed, how):
    rng = np.random.default_rng(seed)
    kind = rng.permutation(np.repeat(np.arange(8), 20))
    points = rng.exponential(size=(8, 64)).astype(np.float32)[kind]
    found = cluster_concepts(
        points, np.tile(np.arange(10), 16), clusters=10, min_supervoxels=1, max_members=160, seed=seed, **how
    )
    assert sorted(concept.n_supervoxels for concept in found) == [20] * 8
    assert all(len(np.unique(kind[concept.members])) == 1 for concept in found)


def test_a_single_activation_that_varies_is_clustered():
    points = np.full((200, 64), 0.1, np.float32)
    points[:, 7] *= 1 + 1e-4 * np.repeat([0, 1], 100)
    found = cluster_concepts(points, np.tile(np.arange(10), 20), clusters=2, max_members=100)
    assert sorted(sorted(concept.members) for concept in found) == [list(range(100)), list(range(100, 200))]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_activations_that_are_not_finite_are_told_before_they_are_clustered(value):
    _, points, videos = blobs()
    points[7, 2] = value
    with pytest.raises(VoxplainError, match="Activations are not finite: check the network's weights"):
        cluster_concepts(points, videos, clusters=3)

    def read(chosen):
        rows = np.isin(videos, chosen)
        return points[rows], videos[rows]

    # Of the other choices of videos alone, random concepts would not be of all.
    classes = {int(video): "a" if video < 10 else "b" for video in np.unique(videos)}
    with pytest.raises(VoxplainError, match="Activations are not finite: check the network's weights"):
        list(null_concepts(read, classes, clusterings=20, seed=0, clusters=3, min_supervoxels=3))


def test_clustering_repeats_with_its_seed():
    _, points, videos = blobs()
    first, second = (
        cluster_concepts(points, videos, clusters=5, min_supervoxels=3, seed=7) for _ in range(2)
    )
    assert all(np.array_equal(a.members, b.members) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("supervoxels", "videos", "popular"),
    [
        (100, 41, True),
        (100, 40, True),
        (1000, 101, True),
        (1000, 99, False),
        (1000, 100, False),
        (1000, 85, False),
    ],
)
def test_popularity_filters(supervoxels, videos, popular):
    assert is_popular(supervoxels, videos, discovery_videos=300, popularity="official") == popular


def test_what_is_in_half_of_the_videos_is_popular_however_large():
    assert is_popular(1000, 4, discovery_videos=8) and not is_popular(1000, 3, discovery_videos=8)
    assert not is_popular(1000, 8, discovery_videos=8, popularity="official")


def test_clusters_from_few_videos_are_dropped():
    _, points, videos = blobs()
    videos = videos.copy()
    videos[:60] = 0  # the first blob comes from one video of 20: a spread of 1/60, a coverage of 1/20
    assert len(cluster_concepts(points, videos, clusters=3, popularity="official")) == 2
    concepts = cluster_concepts(points, videos, clusters=3)
    assert [(concept.n_videos, concept.popular) for concept in concepts] == [
        (20, True),
        (20, True),
        (1, False),
    ]
    assert len(cluster_concepts(points, videos, clusters=5, min_supervoxels=1000)) == 3


def test_too_few_supervoxels_say_the_mend():
    with pytest.raises(VoxplainError, match="concepts.clusters"):
        cluster_concepts(np.zeros((3, 2)), np.arange(3), clusters=5)
    with pytest.raises(VoxplainError, match="min_supervoxels"):
        cluster_concepts(
            np.random.default_rng(0).random((30, 2)),
            np.arange(30),
            clusters=5,
            min_supervoxels=50,
            popularity="official",
        )


def test_clusters_of_few_videos_are_not_told_to_be_made_larger():
    points, one = np.random.default_rng(0).random((90, 2)), np.repeat([0, 1], 45)
    with pytest.raises(
        VoxplainError, match="spread over enough videos: raise concepts.clusters.*coverage"
    ) as raised:
        cluster_concepts(points, one, clusters=2, min_supervoxels=3, popularity="official")
    assert "lower" not in str(raised.value)
    assert cluster_concepts(points, one, clusters=2, min_supervoxels=3, popularity="coverage")


@pytest.mark.parametrize("options", [{"clusters": 50}, {"clusters": 3, "min_supervoxels": 50}])
def test_a_class_without_concepts_is_named(monkeypatch, options):
    table = pd.DataFrame({"video": np.arange(30)})
    found = SimpleNamespace(
        supervoxels=np.random.default_rng(0).random((30, 2)), table=table, n_supervoxels=30
    )
    monkeypatch.setattr(find_concepts, "read_activations", lambda *_, **__: found)
    options = {"max_supervoxels": 100, "popularity": "official", **options}
    params = SimpleNamespace(options=options, clustering_seed=0, class_name="high kick")
    stage = SimpleNamespace(
        params=params, input=SimpleNamespace(activations=[]), wildcards=SimpleNamespace(layer="a")
    )
    with pytest.raises(VoxplainError, match="The class 'high kick': .*concepts.clusters"):
        find_concepts.main(stage)


def test_nearest_concepts_by_brute_force():
    rng = np.random.default_rng(0)
    points, centres = rng.normal(size=(50, 6)), rng.normal(size=(7, 6))
    expected = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert np.array_equal(nearest_concepts(points, centres), expected)


def pairs(n=3, size=30, d=5, shift=2.0, seed=0):
    rng = np.random.default_rng(seed)
    positives = rng.normal(size=(n, size, d))
    positives[..., 0] += shift
    return positives, rng.normal(size=(n, size, d))


def test_ridge_without_shrinkage_is_fishers_discriminant():
    positives, negatives = pairs()
    directions, _ = CLASSIFIERS["ridge"].function(positives, negatives, 5, shrinkage=1e-9)
    for direction, positive, negative in zip(directions, positives, negatives, strict=True):
        fisher = LinearDiscriminantAnalysis().fit(np.r_[positive, negative], np.r_[np.ones(30), np.zeros(30)])
        expected = fisher.coef_[0] / np.linalg.norm(fisher.coef_[0])
        assert direction / np.linalg.norm(direction) == pytest.approx(expected, abs=1e-6)


# Steps of gradient descent grow with what it is shown: at means above 20 its answer hangs on the last bit of the input.
FAR = {"ridge": 100, "sgd": 10, "mean_difference": 100}


@settings(deadline=None, max_examples=10)
@given(st.sampled_from(list(FAR)), st.integers(0, 99), st.floats(0, 1))
def test_many_dimensions_are_as_few_that_hold_the_same(classifier, seed, far):
    """Turned into a space of more dimensions than samples, with some that occur twice, activations have the same CAVs."""
    mean = max(0.5, far * FAR[classifier])
    rng = np.random.default_rng(seed)
    sets = np.maximum(rng.normal(mean, 1, size=(3, 7, 10)), 0)
    concepts = [np.maximum(rng.normal(mean + 0.5, 1, size=(n, 10)), 0) for n in (5, 9, 7)]
    sets[0, 1] = sets[0, 2] = concepts[1][0]
    turn = np.linalg.qr(rng.normal(size=(40, 10)))[0].T
    options = {"ridge": {"shrinkage": 0.1}, "sgd": {"alpha": 0.01}}.get(classifier, {})
    how = {"classifier": classifier, "seed": seed}
    few = cav_arrays(concepts, sets, **how, options=options)
    if classifier == "ridge":  # of the mean variance, which is over more dimensions
        options = {"shrinkage": 0.1 * 40 / 10}
    many = cav_arrays([one @ turn for one in concepts], sets @ turn, **how, options=options)
    assert many["vectors"] @ turn.T == pytest.approx(few["vectors"], abs=1e-5)
    assert many["accuracies"] == pytest.approx(few["accuracies"])
    assert many["distances"] == pytest.approx(few["distances"], rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("classifier", ["ridge", "sgd", "mean_difference"])
def test_cavs_are_the_same_however_many_are_trained_at_once(classifier, monkeypatch):
    rng = np.random.default_rng(0)
    concepts, sets = [rng.normal(1, 1, size=(n, 60)) for n in (6, 9, 4, 12, 8)], rng.normal(size=(5, 8, 60))
    together = cav_arrays(concepts, sets, classifier=classifier)
    for name in ("AT_ONCE", "SETS_AT_ONCE"):
        monkeypatch.setattr(f"voxplain.concepts.cavs.{name}", 2)
    for name, few in cav_arrays(concepts, list(sets), classifier=classifier).items():
        assert few == pytest.approx(together[name], abs=1e-5)
    for number, one in enumerate(concepts):
        vectors, accuracies = train_cavs(one, list(sets), classifier=classifier)
        assert together["vectors"][number] == pytest.approx(vectors, abs=1e-5)
        assert together["accuracies"][number].tolist() == accuracies.tolist()


@pytest.mark.parametrize("dimensions", [12, 60])  # fewer and more than a pair has samples
def test_cavs_hold_where_the_mean_dwarfs_the_spread(dimensions):
    rng = np.random.default_rng(0)
    concept, sets = rng.normal(1, 1, size=(9, dimensions)), rng.normal(size=(3, 9, dimensions))
    for classifier in ("ridge", "mean_difference"):
        vectors, accuracies = train_cavs(concept, sets, classifier=classifier)
        far, same = train_cavs(concept + 1e5, sets + 1e5, classifier=classifier)
        assert far == pytest.approx(vectors, abs=1e-4) and same.tolist() == accuracies.tolist()


@pytest.mark.parametrize("classifier", ["ridge", "sgd", "mean_difference"])
def test_cavs_find_the_direction_and_have_unit_length(classifier):
    positives, negatives = pairs(n=4, size=60, shift=6.0)
    vectors, accuracies = train_cavs(positives[0], negatives, classifier=classifier)
    assert vectors.shape == (4, 5) and accuracies.shape == (4,)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    assert np.all(vectors[:, 0] > 0.9) and np.all(accuracies > 0.95)


def test_cavs_of_random_positives_have_chance_accuracy():
    rng = np.random.default_rng(0)
    sets = rng.normal(size=(200, 40, 20))
    accuracies = [
        train_cavs(rng.normal(size=(40, 20)), sets[i : i + 20], seed=i)[1].mean() for i in range(0, 200, 20)
    ]
    assert np.mean(accuracies) == pytest.approx(0.5, abs=0.04)


def test_cavs_without_direction_or_samples_say_the_mend():
    with pytest.raises(VoxplainError, match="no direction"):
        train_cavs(np.ones((9, 3)), np.ones((2, 9, 3)))
    for classifier in ("ridge", "mean_difference"):
        with pytest.raises(VoxplainError, match="no direction"):  # of more dimensions than samples
            train_cavs(np.full((9, 50), 0.1), np.full((2, 9, 50), 0.1), classifier=classifier)
    sets = [np.zeros((9, 50)), np.r_[np.ones((9, 50)), np.full((2, 50), np.inf)]]
    with pytest.raises(VoxplainError, match="not finite"):  # also where a set is longer than others
        train_cavs(np.ones((9, 50)), sets)
    for dimensions in (3, 50):
        with pytest.raises(VoxplainError, match="not finite"):
            train_cavs(
                np.full((9, dimensions), np.nan), np.random.default_rng(0).normal(size=(2, 9, dimensions))
            )
    with pytest.raises(VoxplainError, match="at least 3"):
        train_cavs(np.ones((2, 3)), np.ones((2, 9, 3)))
    with pytest.raises(ConfigError, match="shrinkage"):
        train_cavs(np.ones((9, 3)), np.ones((2, 9, 3)), options={"shrinkag": 1})


def test_random_sets_are_seeded_subsets():
    pool = np.arange(50.0)[:, None]
    sets = draw_sets(pool, sets=6, size=10, seed=3)
    assert sets.shape == (6, 10, 1)
    assert all(len(np.unique(s)) == 10 for s in sets)
    assert np.array_equal(sets, draw_sets(pool, sets=6, size=10, seed=3))
    assert not np.array_equal(sets, draw_sets(pool, sets=6, size=10, seed=4))


def test_scores_by_hand():
    gradients = np.array([[1.0, 0.0], [1.0, -2.0], [-1.0, 1.0]])
    along_x, along_y = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert directional_derivatives(gradients, along_y) == pytest.approx([0, -2, 1])
    derivatives = directional_derivatives(gradients, np.stack([along_x, along_y, -along_x]))
    assert importance(derivatives) == pytest.approx([2 / 3, 1 / 3, 1 / 3])
    vectors = np.stack([[along_y, along_y], [along_x, along_y], [along_x, along_x]])
    distances = np.array([[1.0, 1.0], [9.0, 3.0], [1.0, 4.0]])
    cavs = vectors, distances
    null = (vectors[:1], distances[:1]), gradients
    table = score_concepts(gradients, cavs, *null, rank_by="score")
    assert table["score"].tolist() == pytest.approx([1 / 3, 1 / 2, 2 / 3])
    assert table["rank"].tolist() == [3, 2, 1]
    # Mean derivatives: 1/3 along x, -1/3 along y.
    assert table["effect"].tolist() == pytest.approx([-1 / 3, (9 - 3) / 3 / 2, (1 + 4) / 3 / 2])
    table = score_concepts(gradients, cavs, *null)
    assert table["rank"].tolist() == [3, 1, 2]


def test_ties_of_the_score_are_ranked_by_the_derivative():
    gradients = np.tile([[1.0, 1.0]], (4, 1))
    weak, strong = np.array([0.6, -0.5]), np.array([1.0, 0.0])
    cavs = np.stack([[weak], [strong]]), np.ones((2, 1))
    table = score_concepts(gradients, cavs, cavs, gradients, rank_by="score")
    assert table["score"].tolist() == [1.0, 1.0]
    assert table["rank"].tolist() == [2, 1]


def test_equal_scores_are_ties_with_and_without_a_test():
    """Of 24 clips a mean of means tells equal shares apart by rounding."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        gradients, vectors = rng.normal(size=(24, 3)), rng.normal(size=(12, 20, 3))
        cavs = vectors, np.ones((12, 20))
        tested = score_concepts(gradients, cavs, cavs, gradients, rank_by="score")
        plain = rank_concepts(gradients, vectors, cavs[1], rank_by="score")
        columns = ["score", "rank"]
        pd.testing.assert_frame_equal(tested[columns], plain[columns], check_exact=True)


def test_concepts_are_ranked_by_score_then_by_derivative():
    gradients = np.array([[1.0, 0.0], [1.0, -1.0]])
    vectors = np.array([[[0.0, 1.0]], [[1.0, 0.0]], [[2.0, 0.0]]])
    table = rank_concepts(gradients, vectors, np.array([[1.0], [3.0], [1.0]]), rank_by="score")
    assert table["score"].tolist() == [0.0, 1.0, 1.0]
    assert table["derivative"].tolist() == [-0.5, 1.0, 2.0]
    assert table["rank"].tolist() == [3, 2, 1]
    table = rank_concepts(gradients, vectors, np.array([[1.0], [3.0], [1.0]]))
    assert table["effect"].tolist() == [-0.5, 3.0, 2.0]
    assert table["rank"].tolist() == [3, 1, 2]


def test_equal_shares_over_sets_and_clips_are_tied():
    # Shares of two random sets: (1/3, 2/3) and (1, 0). Their means may differ in the last digit, their sums not.
    derivatives = np.array([[[1.0, -1, -1], [1, 1, -1]], [[1, 1, 1], [-1, -1, -1]]])
    found = importance(derivatives, axis=(1, 2))
    assert found.tolist() == [0.5, 0.5]
    assert importance(derivatives) == pytest.approx(np.array([[1 / 3, 2 / 3], [1, 0]]))


def test_distance_is_that_of_the_means_along_the_cav():
    positives = np.array([[3.0, 1.0], [5.0, 9.0]])
    sets = [np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([[0.0, 5.0]])]
    assert concept_distances(positives, sets, np.eye(2)).tolist() == [3.0, 0.0]


def test_effect_is_exact_where_the_logit_is_linear():
    rng = np.random.default_rng(0)
    weights, positives, negatives = rng.normal(size=6), rng.normal(size=(20, 6)), rng.normal(size=(3, 20, 6))
    vectors, _ = train_cavs(positives, negatives, classifier="mean_difference")
    derivatives = directional_derivatives(np.tile(weights, (4, 1)), vectors)
    found = effects(derivatives, concept_distances(positives, negatives, vectors))
    assert found.mean() == pytest.approx((positives.mean(0) - negatives.mean((0, 1))) @ weights, rel=1e-5)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_scores_do_not_depend_on_the_length_of_gradients(seed, factor):
    rng = np.random.default_rng(seed)
    gradients, vectors = rng.normal(size=(8, 4)), rng.normal(size=(3, 5, 4))
    once, again = (directional_derivatives(g, vectors) for g in (gradients, factor * gradients))
    assert np.array_equal(importance(once), importance(again))


def test_p_values_are_ranks_among_clusters_and_among_gradients_of_equal_length():
    gradients = np.array([[2.0, 1.0], [4.0, -1.0]])  # mean (3, 0)
    concept = np.array([[[1.0, 0.0]]]), np.array([[2.0]])
    clusters = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[-1.0, 0.0]]]), np.array([[3.0], [9.0], [1.0]])
    turned = np.array([[0.0, 5.0], [-0.1, 0.0], [0.6, 0.8], [0.0, 0.0]])
    # Scaled to length 3: (0, 3), (-3, 0), (1.8, 2.4); one that vanishes stays.
    assert gradient_effects(gradients, turned, concept) == pytest.approx(np.array([[0, -6, 3.6, 0]]))
    table = score_concepts(gradients, concept, clusters, turned)
    assert table["effect"].item() == 6
    # Effects of clusters: 9, 0, -3. One of three is as large; of four random gradients, none.
    assert table["p_clusters"].item() == 2 * (1 + 1) / (1 + 3)
    assert table["p_gradients"].item() == 2 * (1 + 0) / (1 + 4)
    assert table["p_value"].item() == 1.0


def supervoxels(rng, *, shape=(6, 16, 24), d=10, of_class=0.0, of_video=0.7):
    """Activations (classes, videos, supervoxels, d); what a class or a video has in common adds to noise."""
    classes, videos, _ = shape
    shared = of_class * rng.normal(size=(classes, 1, 1, d)) + of_video * rng.normal(
        size=(classes, videos, 1, d)
    )
    return (shared + rng.normal(size=(*shape, d))).astype(np.float32)


def find_everything(activations, *, seed, clusterings=12):
    """Concepts of every class and of random videos with their CAVs, by the functions of the stages."""
    how = {"clusters": 8, "min_supervoxels": 12, "max_members": 20}
    pool = activations.reshape(-1, activations.shape[-1])
    sets = draw_sets(pool, sets=4, size=20, seed=seed)
    videos = {f"{c}-{v}": (c, v) for c in range(len(activations)) for v in range(activations.shape[1])}

    def read(names):
        names = sorted(names)
        parts = [activations[videos[name]] for name in names]
        return np.concatenate(parts), np.repeat(names, activations.shape[2])

    def cavs_of(members):
        found = cav_arrays(members, sets, seed=seed)
        return found["vectors"], found["distances"]

    classes = {name: str(place[0]) for name, place in videos.items()}
    null = cavs_of(null_concepts(read, classes, clusterings=clusterings, seed=seed, **how))
    own = []
    for number in range(len(activations)):
        found, sources = read([name for name, place in videos.items() if place[0] == number])
        own.append(cavs_of([found[c.members] for c in cluster_concepts(found, sources, seed=seed, **how)]))
    return own, null


def final(found):
    """The final table of a layer, from the scores of each class."""
    rows = pd.concat(found, keys=map(str, range(len(found))), names=["class", "row"]).reset_index("class")
    others = dict.fromkeys(["seed", "n_supervoxels", "n_videos", "popular", "cav_accuracy"], 1)
    return concept_scores_table(rows.assign(model="m", layer="l", **others))


def test_concepts_of_structureless_data_are_rarely_significant():
    """6 classes of 16 videos, nothing in them: both nulls reject as often as they say, the two together less."""
    rng, tables = np.random.default_rng(0), []
    for dataset in range(5):
        own, null = find_everything(supervoxels(rng), seed=dataset)
        for _ in range(20):
            nulls = rng.normal(size=(6, 40, 10))
            gradients = nulls[:, :1] + rng.normal(size=(6, 16, 10))  # of clips, around their class's
            gradients += nulls[:, :1] - gradients.mean(axis=1, keepdims=True)
            found = [score_concepts(gradients[c], own[c], null, nulls[c, 1:]) for c in range(6)]
            tables.append(final(found))
    table = pd.concat(tables)
    assert len(table) > 1500
    assert 0.03 <= (table["p_clusters"] <= 0.05).mean() <= 0.07
    assert 0.03 <= (table["p_gradients"] <= 0.05).mean() <= 0.07
    assert (table["p_value"] <= 0.05).mean() <= 0.05 and table["significant"].mean() <= 0.01


def test_random_gradients_make_few_concepts_of_structured_data_significant():
    """Clusters are real here, and one class has what others lack: only the gradient is random."""
    rng, tables = np.random.default_rng(1), []
    own, null = find_everything(supervoxels(rng, of_class=1.5), seed=0)
    for _ in range(100):
        nulls = rng.normal(size=(6, 40, 10))
        tables.append(final([score_concepts(nulls[c, :1], own[c], null, nulls[c, 1:]) for c in range(6)]))
    table = pd.concat(tables)
    assert 0.03 <= (table["p_gradients"] <= 0.05).mean() <= 0.07
    assert table["significant"].mean() <= 0.07


def test_a_concept_that_the_logit_follows_is_significant():
    rng = np.random.default_rng(2)
    activations = supervoxels(rng, of_class=0.3)
    activations[0, :, :6, 0] += 6.0  # in every video of class 0, and in no other's
    own, null = find_everything(activations, seed=0, clusterings=30)
    gradient = np.r_[1.0, 0.05 * rng.normal(size=9)]
    table = score_concepts(np.tile(gradient, (16, 1)), own[0], null, rng.normal(size=(199, 10)))
    first = table[table["rank"] == 1]
    assert first["p_gradients"].item() == 0.01 and first["p_clusters"].item() < 0.1
    assert table["p_value"].min() == first["p_value"].item()


def test_official_test_calls_equal_scores_no_difference():
    gradients = np.ones((5, 2))
    vectors = np.tile(np.array([1.0, 0.0]), (2, 4, 1))
    cavs = vectors, np.ones((2, 4))
    table = score_concepts(
        gradients, cavs, cavs, gradients, subset=(vectors[:1], np.ones((1, 4))), test="paired_t"
    )
    assert table["p_value"].tolist() == [1.0, 1.0]
