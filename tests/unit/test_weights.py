"""Files of weights: damage, checkpoints of other trainers, what is none, and what must not run."""

from __future__ import annotations

import argparse
import json
import pickle
import re
import shlex
import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from voxplain.errors import ArtifactError, ConfigError
from voxplain.models.build import build_model, load_model, model_options
from voxplain.models.layers import get_layer
from voxplain.models.weights import (
    check_weights_place,
    load_weights,
    read_training,
    save_weights,
    with_own_names,
    write_safetensors,
    write_training,
)
from voxplain.provenance import record


@pytest.fixture(scope="module")
def model():
    return build_model("r3d", num_classes=3, width=4, seed=4)


def same(found, model):
    torch.testing.assert_close(found.state_dict(), model.state_dict(), rtol=0, atol=0)


def test_a_changed_weight_is_noticed(model, tmp_path):
    for name, write in {
        "run.safetensors": lambda path: save_weights(model, path),
        "plain.safetensors": lambda path: write_safetensors(model.state_dict(), path),
    }.items():
        path = tmp_path / name
        write(path)
        whole = path.read_bytes()
        (header,) = struct.unpack("<Q", whole[:8])
        for at in np.random.default_rng(0).integers(8 + header, len(whole), 25):
            changed = bytearray(whole)
            changed[at] ^= 2
            path.write_bytes(changed)
            with pytest.raises(ConfigError, match=f"{name} is damaged.*--forcerun .*{name}"):
                load_weights(path)
        path.write_bytes(whole)
        torch.testing.assert_close(load_weights(path)[0], dict(model.state_dict()), rtol=0, atol=0)


def test_a_flipped_bit_anywhere_is_told_or_changes_nothing(model, tmp_path):
    path = tmp_path / "a.safetensors"
    save_weights(model, path, {"classes": ["a", "b", "c"]})
    whole = path.read_bytes()
    (header,) = struct.unpack("<Q", whole[:8])
    for at in np.random.default_rng(1).integers(0, 8 + header, 60):
        changed = bytearray(whole)
        changed[at] ^= 1 << (at % 8)
        path.write_bytes(changed)
        try:
            found = load_model(path)
        except ConfigError as error:
            assert "a.safetensors" in str(error)
        else:
            for name, tensor in model.state_dict().items():
                assert torch.equal(found.state_dict()[name], tensor)


def test_files_without_a_checksum_are_read(model, tmp_path):
    write_safetensors(model.state_dict(), tmp_path / "a.safetensors", {})
    same(build_model("r3d", tmp_path / "a.safetensors", width=4), model)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model": state, "args": argparse.Namespace(lr=0.1), "epoch": 3},
        lambda state: {"model_state_dict": state, "optimizer_state_dict": {"state": {}}, "loss": 0.3},
        lambda state: {"model_state_dict": state, "best_accuracy": np.float64(0.5), "curve": np.arange(3.0)},
        lambda state: {
            "state_dict": {f"model.{k}": v for k, v in state.items()},
            "pytorch-lightning_version": "2.4",
            "hyper_parameters": {"lr": 0.1},
        },
        lambda state: {f"_orig_mod.{k}": v for k, v in state.items()},
        lambda state: {f"module._orig_mod.{k}": v for k, v in state.items()},
        lambda state: {f"_orig_mod.module.{k}": v for k, v in state.items()},
        lambda state: {k.replace("stem.", "stem._orig_mod."): v for k, v in state.items()},
        lambda state: {"state_dict": {f"net.model.{k}": v for k, v in state.items()}},
        lambda state: {"epoch": 1, "network": {"state_dict": state}},
    ],
)
def test_checkpoints_of_common_trainers_are_read(model, tmp_path, wrap):
    torch.save(wrap(dict(model.state_dict())), tmp_path / "a.pt")
    same(build_model("r3d", tmp_path / "a.pt", width=4), model)


def test_names_are_changed_only_where_that_fits_better():
    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = torch.nn.Linear(2, 2)
            self.net = torch.nn.Linear(2, 2)

    own = Wrapped()
    state = own.state_dict()
    assert with_own_names(own, state) is state
    prefixed = {f"module.{name}": tensor for name, tensor in state.items()}
    assert set(with_own_names(own, prefixed)) == set(state)
    foreign = {"model.a": torch.zeros(1), "net.a": torch.ones(1)}  # both would get one name
    assert with_own_names(own, foreign) is foreign


class Runs:
    """A pickle that would make a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def pickled(value) -> bytes:
    return pickle.dumps(value)


@pytest.mark.parametrize(
    "name, content, says",
    [
        ("a.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n", "git lfs pull"),
        ("a.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n", "git lfs pull"),
        ("a.pth", b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        ("a.safetensors", b"<html><head></head></html>", "web page"),
        ("a.pt", b"", "empty"),
        ("a.safetensors", b"", "empty"),
        ("a.csv", b"path,class\na.mp4,kick\n", "state_dict"),
        ("a.safetensors", pickled({"a": 1}), "Rename it to .pt"),
        ("a.pt", b"\x10\0\0\0\0\0\0\0{\"a\":{}}        ", "Rename it to .safetensors"),
        ("a.bin", bytes(1000), "state_dict"),
    ],
)  # fmt: skip
def test_what_is_no_weights_is_named(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=f"{name} cannot be read as weights.*{says}") as caught:
        load_weights(tmp_path / name)
    assert "likely succeed" not in str(caught.value)  # torch's own advice, which runs what a file says


def test_commands_can_be_typed_as_they_are_told(model, tmp_path):
    """Also where a folder's name has blanks; and their rules are there."""
    path = tmp_path / "my run" / "w.safetensors"
    save_weights(model, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ConfigError) as raised:
        load_weights(path)
    command = re.search(r"snakemake --cores all --forcerun ('.*')\.", str(raised.value))
    assert shlex.split(command[1]) == [str(path)]
    root = Path(__file__).resolve().parents[2]
    rules = "\n".join(file.read_text() for file in root.glob("workflow/rules/*.smk"))
    told = [file.read_text() for file in (root / "src").rglob("*.py")]
    named = [
        word
        for text in told
        for words in re.findall(r"--cores all --forcerun ((?:[a-z_]+ ?)+)", text)
        for word in words.split()
    ]
    assert len(named) >= 2 and [name for name in named if f"rule {name}:" not in rules] == []


def test_whole_networks_and_pickles_are_refused_with_the_mend(model, tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pt")
    torch.save({"a": Runs(tmp_path / "ran")}, tmp_path / "evil.pt")
    for name in ("whole.pt", "evil.pt"):
        with pytest.raises(ConfigError, match=r"more than tensors.*If you trust it.*torch.save\("):
            load_weights(tmp_path / name)
    assert not (tmp_path / "ran").exists()
    torch.save({"epoch": 3, "lr": 0.1}, tmp_path / "none.pt")
    with pytest.raises(ConfigError, match="no dict of tensors.*but epoch, lr"):
        load_weights(tmp_path / "none.pt")


# --- the state of a training ---


STATE = {
    "model": {"a": torch.arange(500.0)},
    "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
    "schedule": {"last_epoch": 3},
    "history": [{"epoch": 0, "train_loss": 0.5}],
    "best": {"loss": float("inf"), "epoch": -1, "weights": {"a": torch.zeros(3)}},
}


def test_a_training_goes_on_from_what_was_kept(tmp_path):
    path = tmp_path / "w.partial-0"
    assert read_training(path) is None
    write_training(STATE, path)
    found = read_training(path)
    assert torch.equal(found["model"]["a"], STATE["model"]["a"]) and found["best"]["loss"] == float("inf")
    assert found["history"] == STATE["history"]


def test_a_damaged_state_is_put_away_and_nothing_in_it_runs(tmp_path, capsys):
    path = tmp_path / "w.partial-0"
    write_training(STATE, path)
    whole = path.read_bytes()
    at = whole.index(struct.pack("<f", 300.0))
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    evil = tmp_path / "evil.pt"
    torch.save(STATE | {"model": Runs(tmp_path / "ran")}, evil)
    torch.save({"model": {}}, tmp_path / "other.pt")
    other = (tmp_path / "other.pt").read_bytes()
    for content in (b"", b"text", whole[:-30], whole[: len(whole) // 2], flipped, evil.read_bytes(), other):
        path.write_bytes(content)
        assert read_training(path) is None
        assert "w.partial-0, left by a training that was cut short, is damaged" in capsys.readouterr().out
        assert not path.exists()
    assert not (tmp_path / "ran").exists()


# --- weights of another network ---


def test_weights_in_another_networks_place_are_refused(model, tmp_path):
    made_by = record(rule="train_model", params={}, code="", wildcards={"model": "i3d", "seed": "0"})
    right, wrong = (tmp_path / f"models/{name}/seed0/weights.safetensors" for name in ("i3d", "r3d"))
    for path in (right, wrong):
        save_weights(model, path, {"classes": ["a", "b", "c"], "made_by": made_by})
    check_weights_place(right)
    with pytest.raises(ArtifactError, match="r3d/seed0.*made for model i3d, seed 0.*--forcerun train_model"):
        check_weights_place(wrong)
    write_safetensors(model.state_dict(), wrong)  # says nothing of it
    check_weights_place(wrong)
    load_model(right)


# Options that a network was saved with


@pytest.fixture(scope="module")
def unusual(tmp_path_factory):
    """An i3d whose options change its answers, and no tensor's shape; its file."""
    network = build_model(
        "i3d", num_classes=3, width=0.05, seed=2, dropout=0.1, small_input=True, padding="replicate"
    )
    path = tmp_path_factory.mktemp("unusual") / "i3d.safetensors"
    save_weights(network, path)
    return network, path


def test_a_network_is_built_with_the_options_that_its_weights_were_saved_with(unusual):
    network, path = unusual
    clips = torch.randn(1, 3, 8, 32, 32, generator=torch.Generator().manual_seed(0))
    wanted = network(clips)
    for options in ({}, {"small_input": True}, {"padding": None}, {"dropout": 0.3}):
        found = build_model("i3d", path, **options)
        torch.testing.assert_close(found(clips), wanted, rtol=0, atol=0)
        assert found.spec.options == network.spec.options | {
            k: v for k, v in options.items() if k == "dropout"
        }
    # Without what the file says of it, the same tensors are another network.
    write_safetensors(network.state_dict(), path.with_name("plain.safetensors"))
    other = build_model("i3d", path.with_name("plain.safetensors"), width=0.05)
    assert not torch.allclose(other(clips), wanted, rtol=0.01)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"small_input": False}, "with small_input: true, and the options say small_input: false: leave small_input out, or write small_input: true"),
        ({"padding": "zeros"}, 'with padding: "replicate", and the options say padding: "zeros"'),
        ({"width": 1}, "with width: 0.05, and the options say width: 1.0"),
    ],
)  # fmt: skip
def test_options_that_contradict_the_weights_are_refused(unusual, given, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        build_model("i3d", unusual[1], **given)
    with pytest.raises(ConfigError, match=re.escape(told)):
        model_options("i3d", given, unusual[1])


def test_an_option_that_a_file_does_not_know_has_its_default(unusual, tmp_path):
    """As of an older version, or of a function whose options were not given."""
    network, path = unusual
    state, spec, _ = load_weights(path)
    del spec["options"]["small_input"], spec["options"]["padding"]
    about = {"kind": "weights", "version": 1, "spec": spec}
    write_safetensors(state, tmp_path / "old.safetensors", {"voxplain": json.dumps(about)})
    found = build_model("i3d", tmp_path / "old.safetensors", small_input=False)
    assert found.spec.options == network.spec.options | {"small_input": False, "padding": None}
    with pytest.raises(ConfigError, match="with small_input: false, and the options say small_input: true"):
        build_model("i3d", tmp_path / "old.safetensors", small_input=True)


def test_functions_of_the_users_own_are_built_as_they_were_saved(tmp_path, monkeypatch):
    def build(num_classes, *, scale=1.0, **more):
        head = torch.nn.Linear(3, num_classes)
        head.register_buffer("scale", torch.tensor(scale), persistent=False)
        return torch.nn.Sequential(
            torch.nn.Conv3d(3, 3, 1), torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten(), head
        )

    monkeypatch.setitem(sys.modules, "own_network", SimpleNamespace(build=build))
    save_weights(build_model("own_network:build", num_classes=2, scale=3.0), tmp_path / "own.safetensors")
    found = build_model("own_network:build", tmp_path / "own.safetensors")
    assert get_layer(found, found.spec.head).scale == 3 and found.spec.options == {"scale": 3.0}
    with pytest.raises(ConfigError, match="with scale: 3.0, and the options say scale: 1.0"):
        build_model("own_network:build", tmp_path / "own.safetensors", scale=1.0)
    with pytest.raises(ConfigError, match="with no depth, and the options say depth: 2: leave depth out.$"):
        build_model("own_network:build", tmp_path / "own.safetensors", depth=2)
