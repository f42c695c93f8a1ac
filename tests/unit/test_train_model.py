"""The stage train_model: what it does with weights that are given."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import train_model

from voxplain.artifacts import create_h5, store
from voxplain.config import load_config
from voxplain.errors import ConfigError
from voxplain.models import head
from voxplain.models.build import build_model
from voxplain.models.weights import load_weights, save_weights

SMALL = {"width": 4, "depth": [1, 1, 1, 1]}
RECIPE = {"epochs": 2, "batch": 8, "learning_rate": 0.01, "validation_share": 0.25}
CLASSES = ["dark", "light"]
CLIPS = {"frames": 4, "step": 2, "size": 16, "crop": "squash"}


class Files(list):
    """Paths by number and by name, as Snakemake has them."""

    def __init__(self, **named: Path | list[Path]) -> None:
        super().__init__(
            path for given in named.values() for path in ([given] if isinstance(given, Path) else given)
        )
        self.__dict__.update(named)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "train-0.h5"
    rng = np.random.default_rng(0)
    with create_h5(path, kind="clips") as file:
        for number in range(16):
            group = file.create_group(f"v{number:02d}")
            group.attrs["class"] = CLASSES[number % 2]
            frames = rng.integers(0, 60, (1, 4, 16, 16, 3)) + 150 * (number % 2)
            store(group, "clips", frames.astype(np.uint8))
    return path


def weights_file(folder, n_classes: int, **about) -> Path:
    path = folder / "given.safetensors"
    save_weights(build_model("r3d_18", None, n_classes, seed=3, **SMALL), path, about)
    return path


def run(folder, clips, *, weights_seed=0, split_seed=0, groups=None, layers=("layer3",), **model):
    """The stage's weights, with the settings as the workflow gives them."""
    given = {"network": "r3d_18", "layers": ["layer3"], "options": SMALL, **model}
    settings = load_config({"models": {"r3d": given}}).models["r3d"].model_dump(mode="json")
    output = Files(weights=folder / "weights.safetensors", history=folder / "training.parquet")
    params = SimpleNamespace(
        model=settings,
        classes=CLASSES,
        clips=CLIPS,
        weights_seed=weights_seed,
        split_seed=split_seed,
        groups=groups or {},
    )
    inputs = Files(samples=[clips])
    stage = SimpleNamespace(params=params, input=inputs, output=output, made_by={}, measured=dict)
    stage.layers = layers
    train_model.main(stage)
    state, _, about = load_weights(output.weights)
    assert about["classes"] == CLASSES and about["clips"] == CLIPS  # from which explain cuts others alike
    return state


def test_given_weights_are_fine_tuned_where_training_is_given(tmp_path, clips):
    path = weights_file(tmp_path, 5)
    start = load_weights(path)[0]
    found = run(tmp_path, clips, weights=str(path), training=RECIPE)
    assert found["fc.weight"].shape[0] == 2  # the head for five classes was replaced
    assert not torch.equal(found["layer1.0.conv1.0.weight"], start["layer1.0.conv1.0.weight"])
    # Near where it started, as no network drawn anew is.
    near = (found["layer1.0.conv1.0.weight"] - start["layer1.0.conv1.0.weight"]).abs().mean()
    assert near < 0.5 * start["layer1.0.conv1.0.weight"].abs().mean()
    found = run(tmp_path, clips, weights=str(path), training={**RECIPE, "from_layer": "layer3"})
    assert torch.equal(found["layer1.0.conv1.0.weight"], start["layer1.0.conv1.0.weight"])
    assert not torch.equal(found["layer3.0.conv1.0.weight"], start["layer3.0.conv1.0.weight"])


def test_given_weights_are_taken_as_they_are_where_they_fit(tmp_path, clips):
    path = weights_file(tmp_path, 2, classes=CLASSES)
    found, start = run(tmp_path, clips, weights=str(path)), load_weights(path)[0]
    assert all(torch.equal(found[name], start[name]) for name in start)
    found = run(tmp_path, clips, weights=str(path), weights_seed=9)
    assert all(torch.equal(found[name], start[name]) for name in start)


@pytest.mark.parametrize(
    "classes, about, says",
    [
        (
            5,
            {},
            r"answer in 5 classes, and the data has 2 \(dark, light\). Write head: new, .* or training: {}",
        ),
        (2, {"classes": ["light", "dark"]}, r"answer in 2 classes \(light, dark\), and the data has 2"),
        (3, {"classes": ["a", "b", "c"]}, r"answer in 3 classes \(a, b, c\), and"),
    ],
)
def test_given_weights_with_other_classes_are_never_taken_silently(tmp_path, clips, classes, about, says):
    path = weights_file(tmp_path, classes, **about)
    with pytest.raises(ConfigError, match=says):
        run(tmp_path, clips, weights=str(path))
    assert not (tmp_path / "weights.safetensors").exists()


def test_weights_and_split_have_seeds_of_their_own(tmp_path, clips, monkeypatch):
    """The split changes which clips are held out and nothing else, the weights all else."""
    seen = []

    def train(model, fetch, targets, validation, *, seed, **_):
        seen.append((model.state_dict()["fc.weight"].clone(), validation.copy(), seed))
        return pd.DataFrame({"epoch": []})

    monkeypatch.setattr(train_model, "train", train)
    for seeds in ({}, {"split_seed": 1}, {"weights_seed": 1}):
        run(tmp_path, clips, training=RECIPE, **seeds)
    (weights, split, seed), (weights_1, split_1, seed_1), (weights_2, split_2, seed_2) = seen
    assert torch.equal(weights, weights_1) and seed == seed_1 and not np.array_equal(split, split_1)
    assert not torch.equal(weights, weights_2) and seed != seed_2 and np.array_equal(split, split_2)
    assert (seed, seed_2) == (0, 1)


def test_groups_of_videos_stay_together(tmp_path, clips, monkeypatch):
    """Held out, of eight videos a class in four groups, is one group; a head's folds have them in one each."""
    seen, groups = [], {f"v{n:02d}": f"g{n % 8}" for n in range(16)}
    monkeypatch.setattr(
        train_model, "train", lambda model, fetch, targets, held, **_: seen.append(held) or pd.DataFrame()
    )
    run(tmp_path, clips, training=RECIPE, groups=groups)
    held = np.flatnonzero(seen[0])
    assert len(held) == 4 and len({number % 8 for number in held}) == 2
    monkeypatch.setattr(
        head,
        "fit_head",
        lambda f, t, videos, units, seed: seen.append((videos, units)) or (np.zeros((2, 2)), np.zeros(2)),
    )
    with create_h5(tmp_path / "features.h5", kind="features") as file:
        store(file, "features", np.zeros((1, 16, 2), np.float32))
        store(file, "video", np.array([f"v{n:02d}" for n in range(16)], dtype=object))
        store(file, "class", np.array([CLASSES[n % 2] for n in range(16)], dtype=object))
    head.fit_stored_features(tmp_path / "features.h5", CLASSES, {"v01": "g", "v03": "g"})
    videos, units = seen[1]
    assert [(v, u) for v, u in zip(videos, units, strict=True) if u != v] == [("v01", "g"), ("v03", "g")]


def test_a_layer_that_is_not_there_is_told_before_training(tmp_path, clips, monkeypatch):
    monkeypatch.setattr(train_model, "train", None)
    with pytest.raises(ConfigError, match="no layer 'layr3'; did you mean 'layer3'"):
        run(tmp_path, clips, training=RECIPE, layers=("layer4", "layr3"))
