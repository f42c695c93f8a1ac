"""Training: it learns, repeats, resumes, and says what is wrong."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from voxplain.errors import VoxplainError
from voxplain.models.build import build_model
from voxplain.models.head import fit_head, view_features
from voxplain.models.inputs import normalize
from voxplain.models.layers import head_features, replace_head
from voxplain.models.training import augment, hold_out, predict, random_boxes, train


@pytest.fixture(scope="module")
def bright_and_dark():
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 2
    clips = rng.integers(0, 60, size=(24, 4, 16, 16, 3)) + 150 * labels[:, None, None, None, None]
    return clips.astype(np.uint8), labels


def tiny(seed=0):
    return build_model("r3d_18", None, 2, width=4, depth=(1, 1, 1, 1), seed=seed)


RECIPE = {"epochs": 4, "batch": 8, "learning_rate": 0.01, "brightness": 0.0, "shift": 1, "masked": 0.2}


def fit(data, model, **options):
    clips, labels = data
    return train(model, lambda rows: clips[rows], labels, np.arange(24) >= 20, **{**RECIPE, **options})


def test_it_learns(bright_and_dark):
    clips, labels = bright_and_dark
    model = tiny()
    history = fit(bright_and_dark, model)
    assert list(history["epoch"]) == [0, 1, 2, 3]
    logits = predict(model, lambda rows: clips[rows], np.arange(24), batch=7)
    assert (logits.argmax(axis=1) == labels).mean() > 0.9
    assert not model.training


def test_training_repeats_with_its_seed_and_goes_on_where_it_stopped(bright_and_dark):
    whole, states = tiny(), []
    history = fit(bright_and_dark, whole, on_epoch=lambda state: states.append(copy.deepcopy(state)))
    resumed = tiny(seed=5)
    rest = fit(bright_and_dark, resumed, state=states[1])
    pd.testing.assert_frame_equal(history, rest)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_patience_stops_and_the_best_epoch_stays(bright_and_dark):
    history = fit(bright_and_dark, tiny(), epochs=30, patience=2, learning_rate=1e-12, schedule="plateau")
    assert len(history) < 30


@pytest.mark.parametrize(("epochs_without", "drops"), [(0, True), (30, False)])
def test_plateau_divides_the_rate(bright_and_dark, epochs_without, drops):
    history = fit(bright_and_dark, tiny(), optimizer="sgd", schedule="plateau", plateau_epochs=epochs_without,
                  learning_rate=1e-6, epochs=6)  # fmt: skip
    assert (history["learning_rate"].iloc[-1] < 0.5e-6) == drops


def test_nothing_to_train_on_says_the_mend(bright_and_dark):
    clips, labels = bright_and_dark
    with pytest.raises(VoxplainError, match="split column"):
        train(tiny(), lambda rows: clips[rows], labels, np.ones(24, dtype=bool))


def test_hold_out_takes_whole_videos_of_every_class():
    videos = pd.Series([f"v{i // 2}" for i in range(80)])
    labels = pd.Series(["a"] * 40 + ["b"] * 40)
    held = hold_out(videos, labels, share=0.1, seed=0)
    assert pd.Series(held).groupby(videos).nunique().max() == 1
    assert pd.Series(held).groupby(labels).sum().tolist() == [4, 4]
    assert not hold_out(videos, labels, share=0.0, seed=0).any()


def test_augmentation_leaves_clips_alone_when_all_is_off():
    clips = np.random.default_rng(0).integers(0, 256, size=(3, 4, 8, 8, 3)).astype(np.uint8)
    off = {"flip": False, "shift": 0, "brightness": 0.0, "masked": 0.0, "fill": (1, 2, 3)}
    assert np.array_equal(augment(clips, np.random.default_rng(0), **off), clips)
    masked = augment(clips, np.random.default_rng(0), **{**off, "masked": 1.0})
    changed = (masked != clips).any(axis=-1)
    assert changed.any() and np.all(masked[changed] == (1, 2, 3))
    flipped = augment(clips, np.random.default_rng(0), **{**off, "flip": True})
    for old, new in zip(clips, flipped, strict=True):
        assert np.array_equal(new, old) or np.array_equal(new, old[:, :, ::-1])


def test_random_boxes_hide_something_but_rarely_all():
    masks = [random_boxes((16, 64, 64), np.random.default_rng(seed)).mean() for seed in range(50)]
    assert min(masks) > 0 and np.median(masks) < 0.9


@pytest.mark.parametrize("classes", [2, 4])
def test_head_is_scikit_learns(classes):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), 30)
    features = rng.normal(size=(30 * classes, 5)) * 3 + 7
    features[np.arange(len(labels)), labels] += 6
    weight, bias = fit_head(features[None], labels, np.arange(len(labels)))
    assert weight.shape == (classes, 5) and bias.shape == (classes,)
    oracle = LogisticRegression(max_iter=5000).fit(features, labels).predict(features)
    assert ((features @ weight.T + bias).argmax(axis=1) == oracle).mean() > 0.9


def test_a_new_head_answers_in_the_new_classes(bright_and_dark):
    clips, labels = bright_and_dark
    model = build_model("r3d_18", None, 9, width=4, depth=(1, 1, 1, 1))
    features = view_features(model, lambda rows: clips[rows], 24, views=1)
    assert features.shape == (2, 24, 32)
    with torch.no_grad():
        expected = head_features(model, normalize(torch.from_numpy(clips), model.spec)).numpy()
    np.testing.assert_allclose(features[0], expected, rtol=1e-4, atol=1e-5)
    weight, bias = fit_head(features, labels, np.arange(24))
    replace_head(model, 2, weight=weight, bias=bias)
    logits = predict(model, lambda rows: clips[rows], np.arange(24))
    np.testing.assert_allclose(logits, features[0] @ weight.T + bias, rtol=1e-3, atol=1e-3)
    assert (logits.argmax(axis=1) == labels).mean() > 0.9
