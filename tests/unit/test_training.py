"""Training: it learns, repeats, resumes, and says what is wrong."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV

from voxplain.config import Training
from voxplain.errors import ConfigError, VoxplainError
from voxplain.models.build import build_model
from voxplain.models.head import fit_head, view_features
from voxplain.models.inputs import normalize
from voxplain.models.layers import head_features, layers_before, replace_head
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


def fine_tuned(data, model, **options):
    """Values before and after, by name."""
    before = copy.deepcopy(model.state_dict())
    fit(data, model, weight_decay=0.1, **options)
    return before, model.state_dict()


def test_layers_before_one_stay_as_they_are_bit_for_bit(bright_and_dark):
    """Statistics of batch norm too, which a forward pass in training mode would change."""
    model = tiny()
    before, after = fine_tuned(bright_and_dark, model, from_layer="layer3")
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {name for name in before if name.startswith(("stem", "layer1", "layer2"))}
    assert any(name.endswith("running_mean") for name in same) and all(
        parameter.requires_grad for parameter in model.parameters()
    )
    assert not model.training
    # Without it all is trained.
    before, after = fine_tuned(bright_and_dark, tiny())
    assert not [name for name in before if torch.equal(before[name], after[name])]


def test_within_a_block_only_what_has_worked_before_is_frozen(bright_and_dark):
    before, after = fine_tuned(bright_and_dark, tiny(), from_layer="layer4.0.conv2")
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert not [name for name in same if name.startswith("fc")]
    # The shortcut works before both convolutions, though it stands behind them.
    assert {name.split(".")[2] for name in same if name.startswith("layer4")} == {"conv1", "downsample"}
    assert {name.split(".")[2] for name in set(before) - same if name.startswith("layer4")} == {"conv2"}


def test_fine_tuning_goes_on_where_it_stopped(bright_and_dark):
    whole, states = tiny(), []
    options = {"from_layer": "layer3", "optimizer": "sgd", "schedule": "plateau"}
    fit(bright_and_dark, whole, on_epoch=lambda state: states.append(copy.deepcopy(state)), **options)
    resumed = tiny()
    fit(bright_and_dark, resumed, state=states[1], **options)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_an_unknown_layer_to_train_from_says_the_nearest(bright_and_dark):
    with pytest.raises(ConfigError, match="no layer 'layer33'; did you mean 'layer3'"):
        fit(bright_and_dark, tiny(), from_layer="layer33")


@pytest.mark.parametrize("network", ["c3d", "i3d", "r3d_18"])
def test_layers_before_one_are_those_that_the_forward_pass_needs_for_it(network):
    options = {
        "c3d": {"size": 32, "fc_width": 8, "width": 4},
        "i3d": {"width": 0.0625},
        "r3d_18": {"width": 4},
    }
    model = build_model(network, None, 3, **options[network])
    inputs = torch.zeros(1, 3, 16, 32, 32)
    layer = model.spec.concept_layers[0]
    before = layers_before(model, layer, inputs)
    own = model.get_submodule(layer)
    names = {module: name for name, module in model.named_modules()}
    assert own not in before and not [name for name in map(names.get, before) if layer.startswith(f"{name}.")]
    # What gradients of the layer's input reach is before it; the rest is not.
    given = []
    handle = own.register_forward_pre_hook(lambda _module, arguments: given.append(arguments[0]))
    model(inputs)
    handle.remove()
    gradients = torch.autograd.grad(given[0].sum(), list(model.parameters()), allow_unused=True)
    reached = {
        name
        for (name, _), gradient in zip(model.named_parameters(), gradients, strict=True)
        if gradient is not None
    }
    frozen = {f"{names[module]}.{name}" for module in before for name, _ in module.named_parameters()}
    assert frozen == reached


def test_patience_stops_and_the_best_epoch_stays(bright_and_dark):
    seen, model = [], tiny()
    history = fit(bright_and_dark, model, epochs=30, patience=2, learning_rate=1e-12, schedule="plateau",
                  on_epoch=lambda state: seen.append(copy.deepcopy(state["model"])))  # fmt: skip
    assert len(seen) == len(history) < 30
    final, best = model.state_dict(), history["validation_loss"].idxmin()
    assert best < len(history) - 1 and all(torch.equal(final[name], seen[best][name]) for name in final)
    assert not all(torch.equal(final[name], seen[-1][name]) for name in final)


@pytest.mark.parametrize(("epochs_without", "drops"), [(0, True), (30, False)])
def test_plateau_divides_the_rate(bright_and_dark, epochs_without, drops):
    history = fit(bright_and_dark, tiny(), optimizer="sgd", schedule="plateau", plateau_epochs=epochs_without,
                  learning_rate=1e-6, epochs=6)  # fmt: skip
    assert (history["learning_rate"].iloc[-1] < 0.5e-6) == drops


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_momentum_goes_as_the_config_says(bright_and_dark, optimizer):
    assert "from 0.95 down to 0.85 and back" in Training.model_fields["schedule"].description
    seen = []

    def note(state):
        (group,) = state["optimizer"]["param_groups"]
        if "max_momentum" in group:
            assert (group["max_momentum"], group["base_momentum"]) == (0.95, 0.85)
        seen.append(group["momentum"] if optimizer == "sgd" else group["betas"][0])

    fit(bright_and_dark, tiny(), epochs=10, batch=10, optimizer=optimizer, on_epoch=note)
    # After every second of twenty steps, at the second of which the rate is highest.
    assert seen[0] == pytest.approx(0.85, abs=0.005) and seen[-1] == pytest.approx(0.95, abs=0.005)
    assert (np.diff(seen) > -1e-9).all()
    seen.clear()
    fit(bright_and_dark, tiny(), optimizer=optimizer, schedule="plateau", on_epoch=note)
    assert seen == [0.9] * 4


@pytest.mark.parametrize("epochs", range(1, 7))
def test_a_training_may_have_few_steps(bright_and_dark, epochs):
    assert len(fit(bright_and_dark, tiny(), epochs=epochs, batch=10)) == epochs  # of two steps each


def test_a_batch_of_one_says_the_mend(bright_and_dark):
    clips, labels = bright_and_dark
    small = clips[:, :1, :8, :8]  # so that the last block has one position
    with pytest.raises(VoxplainError, match="several values of each channel.*raise training.batch to 2"):
        train(tiny(), lambda rows: small[rows], labels, np.arange(24) >= 20, **{**RECIPE, "batch": 1})


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
    # The same videos for the same seed as ever.
    assert sorted(set(videos[held])) == ["v12", "v31", "v36", "v9"]


def test_every_class_of_two_videos_has_one_held_out_and_the_log_names_the_others(capsys):
    videos = pd.Series([f"v{i}" for i in range(31)])
    labels = pd.Series(["large"] * 19 + ["nine"] * 9 + ["two"] * 2 + ["one"])
    held = hold_out(videos, labels, share=0.1, seed=3)
    assert pd.Series(held).groupby(labels).sum().to_dict() == {"large": 1, "nine": 1, "two": 1, "one": 0}
    assert "no video of one:" in capsys.readouterr().out
    hold_out(videos, labels, share=0.0, seed=3)
    hold_out(videos[:30], labels[:30], share=0.1, seed=3)
    assert capsys.readouterr().out == ""  # none was to be held out; every class has one


@pytest.mark.parametrize("seed", range(20))
def test_hold_out_takes_whole_groups_and_leaves_every_class_one_to_train_on(seed, capsys):
    """Twelve scenes of a with three videos each; b in two of them alone; c in one of its own."""
    rows = [(f"a{n}", "a", f"scene{n // 3}") for n in range(36)]
    rows += [(f"b{n}", "b", f"scene{n % 2}") for n in range(10)] + [
        (f"c{n}", "c", "scene99") for n in range(5)
    ]
    videos, labels, groups = (pd.Series(column) for column in zip(*rows, strict=True))
    held = pd.Series(hold_out(videos, labels, dict(zip(videos, groups, strict=True)), share=0.25, seed=seed))
    assert held.groupby(groups).nunique().max() == 1
    scenes = groups[held].groupby(labels[held]).nunique()
    # Of a int(0.25 * 12) scenes; one of b's may be a fourth, where none of a's three is among b's.
    assert scenes["a"] in (3, 4) and scenes["b"] == 1 and set(scenes.index) == {"a", "b"}
    assert "no video of c:" in capsys.readouterr().out


def test_folds_of_a_head_go_by_group_and_by_video_where_a_class_has_one_group(monkeypatch, capsys):
    rng, seen = np.random.default_rng(0), []
    targets = np.repeat([0, 1], 12)
    features = rng.normal(size=(2, 24, 3)) + 4 * targets[None, :, None]
    videos = np.array([f"v{n}" for n in range(24)])
    real = LogisticRegressionCV
    monkeypatch.setattr(
        "voxplain.models.head.LogisticRegressionCV", lambda **how: seen.append(how["cv"]) or real(**how)
    )

    def parted(groups):
        """Groups whose clips lie in several folds, and the number of folds."""
        fit_head(features, targets, videos, groups)
        fold = np.empty(48, int)
        for number, (_, test) in enumerate(seen[-1]):
            fold[test] = number
        of = pd.Series(fold).groupby(np.tile(groups, 2)).nunique()
        return set(of.index[of > 1]), len(seen[-1])

    scenes = np.array([f"s{n // 2}" for n in range(24)])
    assert parted(scenes) == (set(), 5)
    assert parted(np.array([f"s{n // 4}" for n in range(24)])) == (set(), 3)
    assert capsys.readouterr().out == ""
    assert parted(np.where(targets == 0, "studio", scenes)) == ({"studio"}, 5)
    assert "one group" in capsys.readouterr().out
    by_video = [fit_head(features, targets, videos, groups)[0] for groups in (None, videos)]
    np.testing.assert_array_equal(*by_video)
    with pytest.raises(VoxplainError, match="one training video alone"):
        fit_head(features[:, :13], targets[:13], videos[:13], scenes[:13])


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


def test_views_for_a_new_head_are_mirrored_where_asked_for_alone(monkeypatch):
    """Else classes that differ in direction would be one to it, as training.flip says of training."""
    halves = lambda model, inputs: torch.stack(  # noqa: E731
        [half.mean(dim=(1, 2, 3, 4)) for half in inputs.chunk(2, dim=-1)], dim=1
    )
    monkeypatch.setattr("voxplain.models.head.head_features", halves)
    clips = np.zeros((10, 4, 32, 32, 3), np.uint8)
    clips[:, :, :, :16] = 200  # bright on the left
    model = build_model("r3d_18", None, 2, width=4, depth=(1, 1, 1, 1))
    left = {}
    for flip in (False, True):
        features = view_features(model, lambda rows: clips[rows], 10, views=3, flip=flip)
        left[flip] = features[..., 0] > features[..., 1]
    default = view_features(model, lambda rows: clips[rows], 10, views=3)
    assert left[False].all() and (default[..., 0] > default[..., 1]).all()
    assert left[True][0].all() and 5 < left[True][1:].sum() < 25


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
