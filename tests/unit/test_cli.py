"""``python -m voxplain``: lists, checks with a mend for each failure, and one clip explained."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.torch import save_file

import voxplain
from voxplain.__main__ import main
from voxplain.cli import check as checks
from voxplain.cli.explain import overlay, write_video
from voxplain.cli.listing import REGISTRIES, registry, type_words
from voxplain.cli.values import key_values, merge, read_yaml
from voxplain.config import load_config
from voxplain.errors import ConfigError, VideoError, VoxplainError
from voxplain.models.build import build_model, find_network
from voxplain.models.trained import load_trained
from voxplain.models.weights import save_weights, write_safetensors
from voxplain.videos.clips import read_clips
from voxplain.videos.decode import VideoInfo, probe, read_chosen_frames
from voxplain.videos.plan import discovery_videos, evaluation_videos, plan_videos


def read_frames(path, **how) -> np.ndarray:
    """All frames of a video, or the chosen ones."""
    return read_chosen_frames(path, **{"choose": np.arange} | how)[0]


ROOT = Path(__file__).resolve().parents[2]


def call(*arguments, code=0, capsys=None) -> str:
    """Run a command in this process; return what it prints."""
    assert main([str(argument) for argument in arguments]) == code
    captured = capsys.readouterr()
    return captured.err if code and captured.err else captured.out


def moving_square(frames=8, size=32) -> np.ndarray:
    clip = np.full((frames, size, size, 3), 90, dtype=np.uint8)
    for t in range(frames):
        clip[t, 8:16, 4 + t : 12 + t] = (220, 40, 40)
    return clip


# The command line itself


def test_help_is_there_at_once():
    script = "import sys, voxplain.__main__ as m\ntry: m.main(['--help'])\nfinally: print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    before = os.times().children_user
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    # Processor time, as others may be using this machine.
    assert os.times().children_user - before < 0.5
    assert "list" in done.stdout and "check" in done.stdout
    assert not {"torch", "numpy", "pandas", "pydantic"} & set(done.stdout.split())


def test_mistakes_have_no_traceback_and_exit_with_1():
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-m", "voxplain", "check", "nothing.yaml"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert (
        done.stderr
        == "voxplain: The config nothing.yaml cannot be read (No such file or directory). Correct its path.\n"
    )


def test_key_values():
    assert key_values(["width=10", "path=a=b", "depth=[1, 1]", "flag=true", "none="]) == {
        "width": 10, "path": "a=b", "depth": [1, 1], "flag": True, "none": None,
    }  # fmt: skip
    for bad in ("width", "=3", "a={"):
        with pytest.raises(ConfigError):
            key_values([bad])
    assert merge({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "d": {"e": 5}}) == {
        "a": {"b": 1, "c": 4},
        "d": {"e": 5},
    }


# list


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_plugin_is_listed_with_its_options(kind, capsys):
    text = call("list", kind, capsys=capsys)
    for plugin in registry(kind):
        assert f"{plugin.name}: {plugin.summary}" in text and plugin.summary
        for option in plugin.schema.model_fields:
            assert f"    {option}: " in text


def test_what_is_listed_of_an_option(capsys):
    text = call("list", "datasets", capsys=capsys)
    assert "    classes: integer, at least 2, at most 8 (default 6)\n" in text
    variants = (
        '"standard" or "motion_only" or "context_only" or "two_actors" or "which_motion" or "static_evidence"'
    )
    assert f'    variant: {variants} (default "standard")\n' in text
    assert type_words(list[int] | None) == "list of integer or null"


def test_layers_have_types_and_shapes(capsys):
    lines = call(
        "list", "layers", "r3d_18", "width=4", "--frames", 8, "--size", 32, capsys=capsys
    ).splitlines()
    found = {line.split()[0]: " ".join(line.split()[1:]) for line in lines}
    # Strides of 2 in space at the stem, and in space and time from layer2 on.
    assert found["layer3"].startswith("Sequential 16 x 2 x 4 x 4")
    assert found["fc"] == "Linear 400"
    assert sum("default for concepts" in line for line in lines) == 1
    small = ["list", "layers", "torchvision:swin3d_t", "--frames", 4, "--size", 32]
    (line,) = [line for line in call(*small, capsys=capsys).splitlines() if line.startswith("features.4 ")]
    assert "2 x 2 x 2 x 384  T x H x W x C" in line
    # A network without a pooling that fits is told so.
    assert "cannot be shown clips of 4 x 32 x 32" in call(
        "list", "layers", "torchvision:s3d", *small[3:], code=1, capsys=capsys
    )


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["layers", "r3d_19"], "did you mean 'r3d_18'?"),
        (["layers", "r3d_18", "widht=4"], "did you mean 'width'?"),
        (["layers", "r3d_18", "width=-4"], "option 'width' cannot be -4"),
        (["layers", "r3d_18", "width"], "is not KEY=VALUE"),
        (["layers"], "list layers NETWORK"),
        (["layers", "nowhere:network"], "cannot be imported"),
        (["models", "r3d_18"], "list models"),
    ],
)
def test_wrong_lists_say_the_mend(arguments, says, capsys):
    assert says in call("list", *arguments, code=1, capsys=capsys)


# check


@pytest.fixture
def project(tmp_path, capsys):
    """A small good config and its videos, and a function that changes and checks it."""
    source = tmp_path / "square.mp4"
    write_video(source, moving_square(), 8)
    for class_name in ("kick", "punch"):
        for split, count in (("train", 3), ("test", 2)):
            (tmp_path / "videos" / split / class_name).mkdir(parents=True)
            for number in range(count):
                os.link(source, tmp_path / "videos" / split / class_name / f"{class_name}{number}.mp4")
    config = {
        "run": "small",
        "data": {"adapter": "folder", "path": str(tmp_path / "videos")},
        "clips": {"frames": 8, "size": 32},
        "models": {"r3d": {"network": "r3d_18", "options": {"width": 4}, "layers": ["layer3"]}},
        "supervoxels": {"n_segments": [8, 16]},
        "concepts": {"clusters": 4, "min_supervoxels": 4},
        "cavs": {"set_size": 20},
        "editing": {"k_max": 2},
    }

    class Project:
        folder = tmp_path / "videos"

        def check(self, changes=None, *arguments, code=1):
            path = tmp_path / "config.yaml"
            path.write_text(yaml.safe_dump(merge(config, changes or {})))
            return call("check", path, "--directory", tmp_path, *arguments, code=code, capsys=capsys)

    return Project()


def test_a_good_config_has_a_short_summary(project):
    text = project.check(code=0)
    assert "no problems. 10 videos (6 to train with, 4 to test with) of 2 classes; networks r3d" in text
    note, last = text.splitlines()
    # Of 32 pixels, as of all even sizes, r3d_18's windows lie half of 1 + 2 + 4 + 8 too far up and to the left.
    assert "7.5 pixels too high and 7.5 too far to the left" in note and "clips.size 33 is even" in note
    assert "no problems" in last


def test_the_demo_is_good_before_its_videos_are_made(capsys, tmp_path):
    text = call("check", ROOT / "config/config.yaml", "--directory", tmp_path, capsys=capsys)
    assert "no problems. 480 videos" in text and not list(tmp_path.iterdir())


def test_tables_of_two_runs_are_no_problem_where_the_other_run_is(capsys, tmp_path):
    """same_pixels takes the tables of the run that relevance.compare_with names."""
    (tmp_path / "results/first_actor").mkdir(parents=True)
    text = call("check", ROOT / "config/second_actor.yaml", "--directory", tmp_path, capsys=capsys)
    assert "no problems" in text
    alone = [
        ROOT / "config/second_actor.yaml",
        "--directory",
        tmp_path,
        "--config",
        "relevance={compare_with: null}",
    ]
    assert "checks.tables: same_pixels cannot be made" in call("check", *alone, code=1, capsys=capsys)


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"clip": {}}, ["clip: unknown key; did you mean 'clips'?"]),
        (
            {"models": {"r3d": {"network": "r3d_81"}}},
            ["models.r3d: No model is called 'r3d_81'; did you mean 'r3d_18'?"],
        ),
        ({"models": {"r3d": {"options": {"widht": 4}}}}, ["has no option 'widht'; did you mean 'width'?"]),
        ({"models": {"r3d": {"options": {"depth": [1, 1]}}}}, ["models.r3d: model 'r3d_18': option 'depth"]),
        (
            {"models": {"r3d": {"options": {"weights": "x"}}}},
            ["models.r3d.options.weights", "one level higher"],
        ),
        (
            {"models": {"r3d": {"layers": ["layer9"]}}},
            ["no layer 'layer9'; did you mean", "list layers r3d_18 width=4"],
        ),
        (
            {"models": {"r3d": {"layers": ["layer9"], "options": {"depth": [1, 1, 1, 1]}}}},
            ["list layers r3d_18 'depth=[1, 1, 1, 1]' width=4."],  # as a shell takes it
        ),
        (
            {"models": {"r3d": {"weights": "kinetic400"}}},
            ["models.r3d.weights", "did you mean 'kinetics400'?"],
        ),
        (
            {"models": {"r3d": {"weights": "lost.safetensors"}}},
            ["models.r3d.weights: 'lost.safetensors' is neither a file"],
        ),
        (
            {"models": {"r3d": {"weights": "kinetics400"}}},
            ["models.r3d.head", "400 classes, the data has 2", "head: new"],
        ),
        (
            {
                "models": {
                    "c3d": {
                        "network": "c3d",
                        "options": {"width": 2, "fc_width": 2, "frames": 16, "size": 112},
                        "layers": ["conv4b"],
                    }
                }
            },
            ["takes clips of frames 16 only, and clips.frames is 8", "models.c3d.options.size"],
        ),
        (
            {"models": {"c3d": {"network": "c3d", "options": {"width": 2}, "layers": ["conv4b"]}}},
            ["models.c3d: ", "option 'frames' cannot be 8"],
        ),
        (
            {"models": {"s3d": {"network": "torchvision:s3d", "layers": ["features.14"]}}},
            [
                "models.s3d: torchvision:s3d cannot be shown clips of 8 x 32 x 32",
                "Choose another length or size",
            ],
        ),
        (
            {"models": {"slow": {"network": "pytorchvideo:slow_r50", "layers": ["blocks.3"]}}},
            ["models.slow: pytorchvideo:slow_r50 cannot be shown clips of 8 x 32 x 32"],
        ),
        (
            {
                "models": {"slow": {"network": "pytorchvideo:slow_r50", "layers": ["blocks.3"]}},
                "clips": {"size": 112},
            },
            ["models.slow: pytorchvideo:slow_r50 cannot be shown clips of 8 x 112 x 112"],
        ),
        (
            {
                "models": {"s3d": {"network": "torchvision:s3d", "layers": ["features.14"]}},
                "clips": {"frames": 16, "size": 208},
            },
            ["models.s3d: torchvision:s3d cannot be shown clips of 16 x 208 x 208"],
        ),
        (
            {"models": {"mvit": {"network": "torchvision:mvit_v2_s", "layers": ["blocks.3"]}}},
            ["models.mvit: torchvision:mvit_v2_s cannot be shown clips of 8 x 32 x 32"],
        ),
        (
            {"models": {"slow": {"network": "pytorchvideo:slowfast_r50", "layers": ["blocks.3"]}}},
            ["models.slow: pytorchvideo:slowfast_r50 cannot be shown clips of 8 x 32 x 32"],
        ),
        (
            {
                "models": {
                    "mvit": {
                        "network": "pytorchvideo:create_multiscale_vision_transformers",
                        "options": {"spatial_size": 32, "temporal_size": 8, "depth": 2},
                        "layers": ["norm_embed"],
                    }
                },
                "explainers": {"dtd": {}, "attnlrp": {}, "gradcam": {"options": {"layer": "patch_embed"}}},
            },
            [
                "models.mvit.layers: Layer 'norm_embed' gives no features",
                "such as 'blocks.0'",
                "explainers.dtd, of models.mvit: Relevance has no rule for operations of this network: bmm, native_layer_norm",
                "explainers.gradcam.options.layer, of models.mvit: Layer 'patch_embed' gives no",
            ],
        ),
        (
            {"explainers": {"gradcam": {"options": {"layer": "fc"}}}},
            ["explainers.gradcam.options.layer, of models.r3d: Layer 'fc' gives no features", "but (N, 2)"],
        ),
        (
            {"cavs": {"classifier": "rigde"}},
            ["No concept classifier is called 'rigde'; did you mean 'ridge'?"],
        ),
        ({"cavs": {"options": {"shrink": 1}}}, ["did you mean 'shrinkage'?"]),
        ({"cavs": {"options": {"shrinkage": "much"}}}, ["option 'shrinkage' cannot be 'much'"]),
        ({"supervoxels": {"options": {"min_volum": 1}}}, ["did you mean 'min_volume'?"]),
        ({"supervoxels": {"options": {"max_overlap": 2}}}, ["'max_overlap' cannot be 2"]),
        ({"supervoxels": {"method": "grit"}}, ["No segmenter is called 'grit'", "did you mean 'grid'?"]),
        (
            {"supervoxels": {"method": "agglomerative", "method_options": {"fien": 9}}},
            ["no option 'fien'", "did you mean 'fine'?"],
        ),
        ({"supervoxels": {"method_options": {"sigma": 2}}}, ["write 'sigma' one level higher"]),
        (
            {"supervoxels": {"options": {"preset": "official"}}},
            ["supervoxels.options.preset", "one level higher"],
        ),
        ({"supervoxels": {"preset": "official"}}, ["must last 16 frames, but clips.frames is 8"]),
        ({"data": {"adapter": "foldr"}}, ["did you mean 'folder'?"]),
        ({"data": {"options": {"test_fraction": 1.5}}}, ["option 'test_fraction' cannot be 1.5"]),
        ({"data": {"path": "/nowhere"}}, ["There is no folder /nowhere"]),
        ({"data": {"adapter": "csv", "path": "/nowhere.csv"}}, ["/nowhere.csv cannot be read"]),
        ({"data": {"adapter": "csv", "path": None}}, ["data.path: missing"]),
        ({"data": {"classes": ["kick", "pnuch"]}}, ["did you mean 'punch'?"]),
        ({"explainers": {"dtb": {}}}, ["No explainer is called 'dtb'; did you mean 'dtd'?"]),
        ({"explainers": {"mine": {"method": "dtd", "options": {"pool": 1}}}}, ["has no option 'pool'"]),
        ({"flow": {"method": "tvl2"}}, ["did you mean 'tvl1'?"]),
        ({"flow": {"compare": ["dsi"]}}, ["did you mean 'dis'?"]),
        ({"selective": {"options": {"pading": "zero"}}}, ["did you mean 'padding'?"]),
        ({"selective": {"options": {"preset": "paper"}}}, ["selective.options.preset", "one level higher"]),
        ({"seeds": [0, 0]}, ["seeds: Value error, 0 stands in the list twice"]),
        ({"seeds": [-1]}, ["seeds.0: Input should be greater than or equal to 0"]),
        (
            {"concepts": {"clusters": 50}},
            ["The class 'kick' has 3 usable training videos", "Give it 11 videos or more"],
        ),
        ({"cavs": {"set_size": 500}}, ["set_size is 500, but random sets are drawn from 144 supervoxels"]),
        ({"cavs": {"negatives": "clips"}}, ["set_size is 20, but random sets are drawn from 6 clips"]),
        (
            {"relevance": {"relevant": {"threshold": 1}}},
            ["relevance.relevant.threshold is 1, but no voxel has more than 1"],
        ),
        ({"flow": {"moving": {"threshold": 300, "unit": "rendered"}}}, ["flow.moving.threshold: 300"]),
        ({"flow": {"moving": {"sweep": [1, 50]}}}, ["flow.moving.sweep: 50 is more than anything can move"]),
        # 8 x 32 x 32 voxels: one that differs from all others lies sqrt(8191) = 90.5 deviations off.
        ({"selective": {"sigma": 91}}, ["selective.sigma: no voxel of 8192 can lie 91 standard deviations"]),
        (
            {"scores": {"null_gradients": 38}},
            ["p-values are at least 0.0513", "scores.alpha is 0.05", "Raise it to 39 or more"],
        ),
        (
            {"data": {"adapter": "embedded"}},
            ["data.adapter is embedded, which makes its own videos", "init FOLDER"],
        ),
        (
            {"data": {"adapter": None, "options": {"classes": 6, "train_per_class": 60}}},
            ["data.options: classes, train_per_class are options of the embedded data", "real_clips.yaml"],
        ),
        ({"editing": {"k_max": 5}}, ["k_max is 5, but a class has at most 4 concepts"]),
        (
            {"relevance": {"relevant": {"unit": "official", "threshold": 255}}},
            ["relevance.relevant.threshold is 255, but no voxel has more than 255 (official)"],
        ),
        ({"relevance": {"compare_with": "another"}}, ["there is no run", "results/another"]),
        (
            {"models": {"r3d": {"options": {"width": 10**6}}}},
            ["models.r3d.options: the weights of r3d_18", "choose a smaller network"],
        ),
        (
            {"models": {"r3d": {"weights": "kinetics400", "head": "new"}}},
            ["models.r3d.options: the weights 'kinetics400' are of r3d_18 as it is by default"],
        ),
        ({"models": {"r3d": {"network": ":x"}}}, ["models.r3d.network: there is no module ''"]),
        (
            {"models": {"r3d": {"network": "no_such_module:x"}}},
            ["models.r3d.network: there is no module 'no_such_module'"],
        ),
        ({"models": {"r3d": {"weights": __file__}}}, ["models.r3d.weights", f"{__file__} cannot be read"]),
    ],
    ids=str,
)
def test_each_failure_is_named_with_its_mend(project, changes, says):
    text = project.check(changes)
    for words in says:
        assert words in text
    assert "Traceback" not in text


OWN = """
from pathlib import Path
from torch import nn
Path({imported!r}).touch()
def build(num_classes, last="linear"):
    Path({called!r}).touch()
    first = nn.Conv3d(3, 4, 3, stride=4)
    if last == "pair":
        return nn.Sequential(first, nn.LSTM(4, 4), nn.Linear(4, num_classes))
    return nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, num_classes))
def sizes(num_classes, reads=False):
    import torch
    assert not reads or torch.empty(1).fill_(3).item() == 3
    return nn.Sequential(nn.Conv3d(3, 4, 2, stride=2), nn.Flatten(), nn.Linear(4 * 4 * 16 * 16, num_classes))
class Plain(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.body, self.head = nn.Conv3d(3, 4, 3), nn.Linear(4, num_classes)
    def forward(self, x):
        return self.head(self.body(x).mean((2, 3, 4)))
class FramesFirst(Plain):  # (N, T, C, H, W)
    def forward(self, x):
        return super().forward(x.transpose(1, 2))
class Two(Plain):
    def forward(self, slow, fast):
        return super().forward(slow) + super().forward(fast)
class Pathways(Plain):
    def forward(self, x):
        return super().forward(x[0]) + super().forward(x[1])
class Pair(Plain):
    def forward(self, x):
        return super().forward(x), x
class Named(Plain):
    def forward(self, x):
        return dict(logits=super().forward(x))
class Normed(Plain):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.body = nn.Sequential(self.body, nn.BatchNorm3d(4, track_running_stats=False))
"""


def test_weights_of_another_network_are_found(project, tmp_path):
    network = build_model("r3d_18", num_classes=5, width=8)
    save_weights(network, tmp_path / "wide.safetensors")
    write_safetensors(network.state_dict(), tmp_path / "plain.safetensors")
    plain = {"models": {"r3d": {"weights": "plain.safetensors", "head": "new"}}}
    assert "models.r3d.weights: The weights plain.safetensors do not fit" in project.check(plain)
    wide = {"models": {"r3d": {"weights": "wide.safetensors", "head": "new"}}}
    assert (
        "models.r3d.weights: wide.safetensors holds weights of r3d_18 with width: 8, and the options say width: 4: leave "
        "width out, or write width: 8." in project.check(wide)
    )
    for options in ({"width": 8}, {"width": None}):  # null is what is not given, and the file says it
        wide["models"]["r3d"]["options"] = options
        assert "no problems" in project.check(wide, code=0)


@pytest.mark.parametrize("named", [True, False])
def test_weights_of_other_classes_are_found(project, tmp_path, named):
    """Else the run would stop after its clips are decoded."""
    for number, classes in enumerate([["kick", "punch"], ["a", "b", "c"]]):
        network = build_model("r3d_18", num_classes=len(classes), width=4)
        if named:
            save_weights(network, tmp_path / f"{number}.safetensors", {"classes": classes})
        else:
            write_safetensors(network.state_dict(), tmp_path / f"{number}.safetensors")
    assert "no problems" in project.check({"models": {"r3d": {"weights": "0.safetensors"}}}, code=0)
    other = {"models": {"r3d": {"weights": "1.safetensors"}}}
    assert "1.safetensors answer in 3 classes" in project.check(other)
    for mend in ({"head": "new"}, {"training": {}}):
        other["models"]["r3d"] |= mend
        assert "no problems" in project.check(other, code=0)
        del other["models"]["r3d"][next(iter(mend))]


def test_more_cells_than_clips_have_positions_are_told(project):
    text = project.check({"activations": {"pooling": [1, 100, 1]}}, code=0)
    assert "activations.pooling is [1, 100, 1], more than the [8, 32, 32] that clips have" in text


def test_functions_that_a_config_names_are_run_with_trust_alone(project, tmp_path, monkeypatch):
    imported, called = tmp_path / "imported", tmp_path / "called"
    (tmp_path / "network_to_check.py").write_text(OWN.format(imported=str(imported), called=str(called)))
    monkeypatch.syspath_prepend(tmp_path)
    mine = {"network": "network_to_check:build", "options": {}, "layers": ["0"]}
    text = project.check({"models": {"mine": mine}}, code=0)
    assert "note: models.mine.network: network_to_check:build is code of its own, which was not run" in text
    nothing = {**mine, "network": "network_to_check:bulid"}
    text = project.check({"models": {"mine": nothing}})
    assert "models.mine.network: 'network_to_check' defines no 'bulid'." in text
    assert not imported.exists() and not called.exists()
    assert "no problems" in project.check({"models": {"mine": mine}}, "--trust-networks", code=0)
    assert called.exists()
    pair = {**mine, "options": {"last": "pair"}}
    assert "cannot be shown clips of 8 x 32 x 32" in project.check(
        {"models": {"mine": pair}}, "--trust-networks"
    )
    # Also one whose constructor reads values.
    reads = {**mine, "network": "network_to_check:sizes", "options": {"reads": True}}
    assert "no problems" in project.check({"models": {"mine": reads}}, "--trust-networks", code=0)
    text = project.check({"models": {"mine": reads}, "clips": {"size": 36}}, "--trust-networks")
    assert "models.mine: network_to_check:sizes cannot be shown clips of 8 x 36 x 36" in text
    wrong = {**mine, "network": "math:sqrt"}
    assert "models.mine: " in project.check({"models": {"mine": wrong}}, "--trust-networks")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("FramesFirst", "cannot be shown clips of 8 x 32 x 32"),
        ("Two", "cannot be shown clips of 8 x 32 x 32"),
        ("Pathways", "cannot be shown clips of 8 x 32 x 32"),
        ("Pair", "it answers with a tuple, not with logits"),
        ("Named", "it answers with a dict, not with logits"),
    ],
)
def test_networks_that_take_or_give_something_else_are_told(project, tmp_path, monkeypatch, name, says):
    module = f"network_that_is_{name}"
    (tmp_path / f"{module}.py").write_text(
        OWN.format(imported=str(tmp_path / "a"), called=str(tmp_path / "b"))
    )
    monkeypatch.syspath_prepend(tmp_path)
    mine = {"network": f"{module}:{name}", "options": {}, "layers": ["body"]}
    text = project.check({"models": {"mine": mine}}, "--trust-networks")
    assert f"problem: models.mine: {module}:{name}" in text and says in text and "Traceback" not in text


def test_a_norm_of_the_batch_alone_is_told_of_explainers_by_rules(project, tmp_path, monkeypatch):
    (tmp_path / "network_of_the_batch.py").write_text(
        OWN.format(imported=str(tmp_path / "a"), called=str(tmp_path / "b"))
    )
    monkeypatch.syspath_prepend(tmp_path)
    mine = {"network": "network_of_the_batch:Normed", "options": {}, "layers": ["body"]}
    explainers = {"dtd": {}, "lrp_gamma": {}, "attnlrp": {}, "gradient": {}}
    text = project.check({"models": {"mine": mine}, "explainers": explainers}, "--trust-networks")
    for method in ("dtd", "lrp_gamma", "attnlrp"):
        assert f"problem: explainers.{method}, of models.mine: Relevance has no rule for operations" in text
    assert text.count("problem: ") == 3 and text.count("native_batch_norm") == 3


def test_all_problems_are_told_at_once(project):
    text = project.check(
        {"cavs": {"classifier": "rigde"}, "editing": {"k_max": 5}, "data": {"classes": ["kick", "pnuch"]}}
    )
    assert text.count("problem: ") == 3 and "3 problems to mend" in text
    for words in ("did you mean 'ridge'?", "k_max is 5", "did you mean 'punch'?"):
        assert words in text


def test_files_that_cannot_be_used(project):
    videos = project.folder
    (videos / "train/kick/kick0.mp4").unlink()  # may be linked: truncating it would empty all
    (videos / "train/kick/kick0.mp4").touch()
    (videos / "train/punch/punch1.mp4").unlink()
    (videos / "train/punch/punch1.mp4").write_bytes(b"no video at all" * 50)
    text = project.check()
    assert (
        "1 of 10 videos are empty files: copy them again" in text and "kick0.mp4: the file is empty" in text
    )
    assert "1 of 10 videos cannot be decoded" in text and "punch1.mp4: not a readable video" in text


def test_rows_whose_files_are_missing_or_too_short(project, tmp_path):
    rows = ["path,label,split,start,end"]
    for class_name in ("kick", "punch"):
        rows += [f"videos/train/{class_name}/{class_name}{n}.mp4,{class_name},train,," for n in range(3)]
        rows += [f"videos/test/{class_name}/{class_name}0.mp4,{class_name},test,,"]
    rows += ["videos/train/kick/lost.mp4,kick,train,,", "videos/train/kick/kick1.mp4,kick,train,5,6"]
    rows += ["videos/train/kick/kick2.mp4,kick,train,0,0.5", "lost.mp4,slap,train,,", "lost2.mp4,slap,test,,"]
    # One that declares no duration, and a name that no file can have.
    rows += ["raw.h264,kick,train,5,6", f"{'x' * 5000}.mp4,kick,train,,"]
    with av.open(str(tmp_path / "square.mp4")) as source, av.open(str(tmp_path / "raw.h264"), "w") as raw:
        stream = raw.add_stream("libx264", rate=25)
        stream.width = stream.height = 32
        for frame in source.decode(video=0):
            frame.pts = None
            raw.mux(stream.encode(frame))
        raw.mux(stream.encode())
    (tmp_path / "videos.csv").write_text("\n".join(rows))
    text = project.check({"data": {"adapter": "csv", "path": str(tmp_path / "videos.csv")}})
    assert (
        "3 of 15 videos are missing: correct their paths, or remove their rows." in text
        and "lost.mp4: no such file" in text
    )
    assert "kick1.mp4: starts at 5 s of 1.00 s" in text and "raw.h264: starts at 5 s of 0.32 s" in text
    assert "File name too long" in text and "Traceback" not in text
    assert "note: 1 videos are shorter than a clip" in text
    assert "The class 'slap' has no usable video to train with" in text
    assert "The class 'slap' has no usable video to test with" in text


RATES = (
    "note: Videos have 12 to 60 frames per second, and a clip of 8 of them, 2 apart, spans 1.25 to 0.25 s: the same motion has "
    "another speed in it. By medians of classes: punch 12, kick 60. A network can tell these by the frame rate. Convert all "
    "videos to one rate, such as with `ffmpeg -i VIDEO -r 12 CONVERTED`."
)


def of_two_rates(folder):
    """Make the videos of kick anew at 60 frames per second, and those of punch at 12."""
    for path in folder.rglob("*.mp4"):
        path.unlink()
        write_video(path, moving_square(40), 60 if path.parent.name == "kick" else 12)


def test_classes_of_different_frame_rates(project):
    of_two_rates(project.folder)
    assert RATES in project.check({"clips": {"step": 2}}, code=0).splitlines()


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        ({"a": [25] * 10, "b": [30] * 10}, None),
        ({"a": [24] * 10, "b": [30] * 10}, "24 to 30 .* By medians of classes: a 24, b 30"),
        ({"a": [10, *[30] * 39], "b": [60, *[30] * 39]}, None),  # unusual ones
        ({"a": [12, 60] * 10, "b": [60, 12] * 10}, "12 to 60 (?!.*By medians)"),
        (
            {name: [rate] * 3 for name, rate in zip("abcdefg", (30, 25, 30, 30, 50, 30, 30), strict=True)},
            "25 to 50 .* By medians of classes: b 25, e 50",
        ),
        ({"a": [0, 30], "b": [30, np.nan]}, None),  # not known
        ({"a": [np.nan], "b": [np.nan]}, None),
    ],
)
def test_frame_rates_that_are_worth_a_word(rates, says):
    rows = [(name, rate) for name, many in rates.items() for rate in many]
    table = pd.DataFrame(rows, columns=["class", "fps"])
    notes = [note.text for note in checks.uneven_rates(table, frames=16, step=4)]
    assert re.search(says, *notes) if says else not notes


def test_a_class_folder_without_videos(project):
    (project.folder / "train/slap").mkdir()
    (project.folder / "train/slap/notes.txt").touch()
    assert "train/slap names a class but holds no videos" in project.check()


def test_a_class_without_a_split(project):
    shutil.rmtree(project.folder / "test/kick")
    assert "These classes have no videos in a split: kick (test)" in project.check()


def test_classes_that_tables_would_mix_up(project):
    for split in ("train", "test"):
        (project.folder / split / "kick").rename(project.folder / split / "high kick")
        (project.folder / split / "punch").rename(project.folder / split / "high_kick")
    assert "'high kick' and 'high_kick' would get the same file name" in project.check()
    for split in ("train", "test"):
        (project.folder / split / "high kick").rename(project.folder / split / "all")
    assert "A class is called 'all'" in project.check()


def test_a_disk_that_is_too_small(project, monkeypatch):
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    assert "GB are free: make room" in project.check()


def test_a_gpu_that_is_asked_for_and_not_there(project, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "float32 is used" in project.check(
        {"models": {"r3d": {"training": {"precision": "bfloat16"}}}}, code=0
    )
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert "CUDA_VISIBLE_DEVICES asks for GPU 0, and there is none" in project.check()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # hides all: the CPU is asked for
    project.check(code=0)


def test_impossible_thresholds_are_told_only_beyond_the_edge(project):
    edge = {
        "selective": {"sigma": 90},
        "scores": {"null_gradients": 39},
        "relevance": {"relevant": {"threshold": 0.99}},
        "flow": {"moving": {"sweep": [45]}},  # a square of 32 pixels has a diagonal of 45.25
    }
    project.check(edge, code=0)


def test_a_thousand_videos_take_less_than_ten_seconds(project, tmp_path):
    rows = ["path,label,split"]
    (tmp_path / "many").mkdir()
    for number in range(1000):
        os.link(tmp_path / "square.mp4", tmp_path / f"many/{number}.mp4")
        rows.append(
            f"many/{number}.mp4,{'kick' if number % 2 else 'punch'},{'test' if number % 5 == 0 else 'train'}"
        )
    (tmp_path / "many/777.mp4").unlink()
    (tmp_path / "videos.csv").write_text("\n".join(rows))
    started = time.monotonic()
    text = project.check({"data": {"adapter": "csv", "path": str(tmp_path / "videos.csv")}})
    assert time.monotonic() - started < 10
    assert "1 of 1000 videos are missing" in text and "777.mp4" in text


def test_slow_files_are_sampled_and_the_rest_looked_up(tmp_path):
    paths = [str(tmp_path / f"{n}.mp4") for n in range(200)]
    for path in paths[:-1]:
        Path(path).write_bytes(b"x")

    def slow(path):
        time.sleep(0.02)
        if not Path(path).exists():
            raise VideoError(f"{path}: no such file")
        return VideoInfo(8, 8.0, 32, 32, 1.0, "h264")

    found = checks.probe_all(paths, seconds=0.1, probe=slow)
    assert isinstance(found[paths[-1]], VideoError)  # told however late it comes
    assert 1 < len(found) < 200


# init


def test_init_then_check_of_a_folder_per_class(project, tmp_path, capsys):
    shutil.rmtree(tmp_path / "videos/test")
    (tmp_path / "videos/train").rename(tmp_path / "mine")
    text = call("init", tmp_path / "mine", capsys=capsys)
    assert f"wrote {tmp_path / 'mine/videos.csv'}" in text and "kick: 2 to train with, 1 to test with" in text
    # The next commands can be copied as they stand.
    commands = text.partition("Next:\n")[2].split("\n")
    assert commands[0].split() == ["python", "-m", "voxplain", "check", str(tmp_path / "mine/config.yaml")]
    found = call("check", tmp_path / "mine/config.yaml", "--directory", tmp_path, capsys=capsys)
    assert "no problems. 6 videos (4 to train with, 2 to test with) of 2 classes" in found
    first = (tmp_path / "mine/videos.csv").read_text()
    assert first.splitlines()[0] == "path,label,split" and str(tmp_path) not in first  # can be moved


@pytest.mark.parametrize("more", [0, 40])
def test_init_uses_every_video_of_uneven_classes(tmp_path, capsys, more):
    """Not as many of each class as the smallest has; caps are for classes with plenty alone."""
    write_video(tmp_path / "square.mp4", moving_square(), 8)
    counts = {"clap": (3, 2), "jump": (5, 6), "kick": (8, 4), "run": (14 + more, 3 + more), "wave": (4, 9)}
    for class_name, numbers in counts.items():
        for split, count in zip(("train", "test"), numbers, strict=True):
            (tmp_path / "mine" / split / class_name).mkdir(parents=True)
            for number in range(count):
                os.link(tmp_path / "square.mp4", tmp_path / "mine" / split / class_name / f"{number}.mp4")
    call("init", tmp_path / "mine", capsys=capsys)
    text = (tmp_path / "mine/config.yaml").read_text()
    config = load_config(yaml.safe_load(text))
    assert "no problems" in call("check", tmp_path / "mine/config.yaml", capsys=capsys)
    table = plan_videos(tmp_path, **dict(config.data))

    def used(rows):
        return rows["class"].value_counts().to_dict()

    for section in (config.editing, config.relevance):
        found = used(evaluation_videos(table, section.videos_per_class))
        # 21 + 39 make 60.
        assert found == {class_name: n_test for class_name, (_, n_test) in counts.items()} | (
            {"run": 39} if more else {}
        )
    assert ("60 of 64 test videos" if more else "all 24 test videos") in text
    found = used(discovery_videos(table, config.concepts.videos_per_class))
    assert found == {"clap": 3, "jump": 5, "kick": 8, "run": 8, "wave": 4}
    # The smallest class still has enough supervoxels for its concepts, at about two fifths kept.
    assert config.concepts.clusters * (config.concepts.min_supervoxels + 1) <= 3 * 145 * 0.4


def test_init_keeps_a_split_in_capital_letters(project, capsys):
    for split in ("train", "test"):
        (project.folder / split).rename(project.folder / f"{split}ing".upper())
    text = call("init", project.folder, capsys=capsys)
    assert "    kick: 3 to train with, 2 to test with\n    punch: 3 to train with, 2 to test with\n" in text
    assert "no problems. 10 videos (6 to train" in call(
        "check", project.folder / "config.yaml", capsys=capsys
    )
    shutil.rmtree(project.folder / "TESTING")
    text = call("init", project.folder, "--force", code=1, capsys=capsys)
    assert "has no folders of videos but TRAINING, " in text and "no folder to test with" in text


def test_init_tells_different_frame_rates(project, capsys):
    assert "per second" not in call("init", project.folder, capsys=capsys)
    of_two_rates(project.folder)
    text = call("init", project.folder, "--force", capsys=capsys)
    # Two seconds are 24 frames of punch, and more than the 40 of kick: 32 in the middle.
    assert "\nnote: Videos have 12 to 60 frames per second" in text
    assert "a clip of 16 of them, 2 apart, spans 2.58 to 0.517 s" in text
    assert "punch 12, kick 60" in text and "-r 12" in text


def test_init_does_not_overwrite_a_config(project, tmp_path, capsys):
    call("init", project.folder, "--into", tmp_path / "new", capsys=capsys)
    before = (tmp_path / "new/config.yaml").read_bytes()
    text = call("init", project.folder, "--into", tmp_path / "new", "--run", "other", code=1, capsys=capsys)
    assert "is there already: add --force" in text and (tmp_path / "new/config.yaml").read_bytes() == before
    call("init", project.folder, "--into", tmp_path / "new", "--run", "other", "--force", capsys=capsys)
    assert yaml.safe_load((tmp_path / "new/config.yaml").read_text())["run"] == "other"


def test_init_of_a_flat_folder_needs_a_hint(tmp_path, capsys):
    (tmp_path / "flat").mkdir()
    write_video(tmp_path / "square.mp4", moving_square(), 8)
    for class_name in ("kick", "punch"):
        for number in range(8):
            os.link(tmp_path / "square.mp4", tmp_path / f"flat/{class_name}_{number}.mp4")
    assert "--labels" in call("init", tmp_path / "flat", code=1, capsys=capsys)
    assert "no regular" in call("init", tmp_path / "flat", "--labels", "(", code=1, capsys=capsys)
    for share in (25, 0, -3, "nan"):
        told = call(
            "init",
            tmp_path / "flat",
            "--labels",
            "^[a-z]+",
            f"--test-fraction={share}",
            code=1,
            capsys=capsys,
        )
        assert f"--test-fraction is {share}: give a share between 0 and 1" in told
    assert "finds no class in" in call("init", tmp_path / "flat", "--labels", "^kick", code=1, capsys=capsys)
    call("init", tmp_path / "flat", "--labels", "^([a-z]+)_", capsys=capsys)
    rows = [line.split(",") for line in (tmp_path / "flat/videos.csv").read_text().splitlines()[1:]]
    assert {(class_name, path.split("_")[0]) for path, class_name, _ in rows} == {
        ("kick", "kick"),
        ("punch", "punch"),
    }
    tests = [sum(row[1:] == [class_name, "test"] for row in rows) for class_name in ("kick", "punch")]
    assert all(1 <= n <= 3 for n in tests)  # by a chance of each name: a quarter of 8, give or take one


def test_names_that_are_no_text_have_no_traceback(project, tmp_path, capsys, caplog):
    folder = os.fsencode(tmp_path) + b"/flat"
    os.mkdir(folder)
    for name in (b"a1.mp4", b"a2.mp4", b"b1.mp4", b"b2.mp4", b"a\xff.mp4"):
        os.link(tmp_path / "square.mp4", os.path.join(folder, name))
    call("init", tmp_path / "flat", "--labels", "^[a-z]", capsys=capsys)
    assert len((tmp_path / "flat/videos.csv").read_text().splitlines()) == 1 + 4
    assert "udcff.mp4' is passed over, as its name is no text" in caplog.text
    own = os.fsdecode(folder + b"\xff")
    os.rename(folder, own)
    again = ["init", own, "--labels", "^[a-z]", "--force"]
    assert "A name is no text in UTF-8, in '" in call(*again, code=1, capsys=capsys)


def test_init_keeps_a_table_and_says_what_is_wrong(project, tmp_path, capsys):
    table = tmp_path / "videos/videos.csv"
    rows = [f"{split}/{class_name}/{class_name}{n}.mp4,{class_name},{split}" for class_name in ("kick", "punch")
            for split, n in (("train", 0), ("train", 1), ("test", 0))]  # fmt: skip
    table.write_text("\n".join(["path,label,split", *rows, "train/kick/kick2.mp4,slap,train"]))
    assert "'slap' has 1 video, none to test with" in call("init", project.folder, code=1, capsys=capsys)
    text = call("init", project.folder, "--classes", "kick", "punch", capsys=capsys)
    assert f"kept {table}" in text
    config = yaml.safe_load((project.folder / "config.yaml").read_text())
    assert config["data"]["classes"] == ["kick", "punch"] and config["data"]["path"] == str(table)
    assert "two classes or more" in call(
        "init", project.folder, "--classes", "kick", "--force", code=1, capsys=capsys
    )
    assert "There is no folder" in call("init", tmp_path / "nowhere", code=1, capsys=capsys)


def test_init_never_destroys_a_table(project, tmp_path, capsys):
    table = tmp_path / "videos/videos.csv"
    call("init", project.folder, capsys=capsys)
    made = table.read_text()
    call("init", project.folder, "--force", capsys=capsys)  # init's own is written anew
    assert table.read_text() == made
    mine = (
        made.replace("path,label,split", "path,label,split,start,end")
        .replace("train\n", "train,,\n")
        .replace("test\n", "test,0,0.5\n")
    )
    table.write_text(mine)
    for _ in range(2):
        text = call("init", project.folder, "--force", capsys=capsys)
        assert f"kept {table}" in text and table.read_text() == mine
    # Nor one where the folder that it is to be written into has one of its own.
    (tmp_path / "into").mkdir()
    (tmp_path / "into/videos.csv").write_text("mine")
    (project.folder / "videos.csv").unlink()
    text = call("init", project.folder, "--into", tmp_path / "into", "--force", code=1, capsys=capsys)
    assert "not by init" in text and (tmp_path / "into/videos.csv").read_text() == "mine"


def test_init_leaves_out_what_cannot_be_used_and_says_so(project, tmp_path, capsys):
    shutil.rmtree(tmp_path / "videos/test")
    (tmp_path / "videos/train").rename(tmp_path / "20240611 mine")
    folder = tmp_path / "20240611 mine"
    (folder / "single").mkdir()
    shutil.copy(tmp_path / "square.mp4", folder / "single/1.mp4")
    (folder / "emptyclass").mkdir()
    (folder / "punch").rename(folder / "no")
    odd = folder / "no" / "a\rb.m4v"
    shutil.copy(tmp_path / "square.mp4", odd)
    text = call("init", folder, capsys=capsys)
    assert "left out 'single': it has 1 video" in text
    assert f"check '{folder}/config.yaml'" in text  # as a shell takes it
    config = load_config(yaml.safe_load((folder / "config.yaml").read_text()))
    assert config.run == "20240611_mine" and config.data.classes == ["kick", "no"]
    table = plan_videos(tmp_path, **dict(config.data))
    assert str(odd) in set(table["path"]) and table["class"].value_counts().to_dict() == {"kick": 3, "no": 4}
    text = call("check", folder / "config.yaml", capsys=capsys)
    assert "the same file" in text and "no problems" in text


@pytest.mark.parametrize("name", ["2024", "no", "1e5", "null"])
def test_folders_named_as_other_types_are_runs(project, tmp_path, capsys, name):
    project.folder.rename(tmp_path / name)
    call("init", tmp_path / name, capsys=capsys)
    assert load_config(yaml.safe_load((tmp_path / name / "config.yaml").read_text())).run == name


@pytest.mark.parametrize(("ending", "kept"), [(".mp4", 0.5), (".mkv", 0.7), (".webm", 0.7)])
def test_check_finds_files_that_are_cut(project, tmp_path, ending, kept):
    (tmp_path / "videos/train/kick/kick0.mp4").unlink()
    path = tmp_path / f"videos/train/kick/kick0{ending}"
    frames = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    faststart = {"movflags": "faststart"} if ending == ".mp4" else {}
    with av.open(str(path), "w", options=faststart) as container:
        stream = container.add_stream("libvpx-vp9" if ending == ".webm" else "libx264", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    text = project.check()
    assert "1 of 10 videos cannot be decoded" in text and f"kick0{ending}: cut short" in text


def test_paths_are_those_of_the_folder_that_a_run_is_made_in(project, tmp_path, capsys, monkeypatch):
    """As Snakemake takes them with --directory; the command that follows says it, too."""
    (tmp_path / "else where").mkdir()
    shutil.move(tmp_path / "videos", tmp_path / "else where/clips")
    relative = {"data": {"path": "clips"}}
    assert "There is no folder" in project.check(relative)  # in the folder of the config
    found = call("check", tmp_path / "config.yaml", "--directory", tmp_path / "else where", capsys=capsys)
    assert "no problems. 10 videos" in found
    assert found.rstrip().endswith(f"--directory '{tmp_path}/else where'")
    monkeypatch.chdir(tmp_path / "else where")
    assert "no problems" in call("check", tmp_path / "config.yaml", capsys=capsys)


def test_check_and_the_planning_refuse_the_same(project, tmp_path):
    from voxplain.plan import plan_run

    text = project.check({"checks": {"tables": ["no_such_table"]}})
    assert "no_such_table" in text
    wrong = {
        "flow": {"method": "diss"},
        "explainers": {"gradcan": {}},
        "models": {"r3d": {"network": "r3d_81"}},
        "cavs": {"classifier": "svm2"},
    }
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    options = {"explainers": {"dtd": {"options": {"pool": 1}}}, "cavs": {"options": {"shrink": 1}}}
    for key, value in options.items():
        with pytest.raises(ConfigError, match="has no option"):
            plan_run(load_config(merge(config, {"checks": {"tables": None}, key: value})))
        assert "has no option" in project.check({key: value})
    for (key, value), name in zip(wrong.items(), ("diss", "gradcan", "r3d_81", "svm2"), strict=True):
        with pytest.raises(ConfigError, match=f"'{name}' is not known"):
            plan_run(load_config(merge(config, {"checks": {"tables": None}, key: value})))
        assert f"is called '{name}'" in project.check({key: value})


@pytest.mark.parametrize(("size", "told"), [(112, 193), (192, 193), (193, None), (90, 193)])
def test_clips_smaller_than_a_swins_windows_are_told(size, told):
    """torchvision 0.29.2 takes other offsets' biases there (findings/torchvision_swin3d_of_small_clips_mistakes_offsets.sh)."""
    from voxplain.cli.check import check_windows
    from voxplain.models.build import build_shapes

    config = SimpleNamespace(clips=SimpleNamespace(frames=16, size=size))
    notes = [note.text for note in check_windows("swin", build_shapes("torchvision:swin3d_t", 2), config)]
    assert [f"From clips.size {told} on" in note for note in notes] == ([] if told is None else [True])
    assert not list(check_windows("r3d", build_shapes("r3d_18", 2), config))


def test_keys_that_stand_twice_are_refused(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("run: a\ndata:\n  path: x\nrun: b\n")
    text = call("check", tmp_path / "config.yaml", code=1, capsys=capsys)
    assert "'run' stands twice, in lines 1 and 4" in text
    # All in one go: a second one, and a key that is not known.
    (tmp_path / "config.yaml").write_text("run: a\ndata:\n  path: x\n  path: y\nrun: b\ncopy: {}\n")
    text = call("check", tmp_path / "config.yaml", code=1, capsys=capsys)
    assert "'run' stands twice, in lines 1 and 5" in text and "'path' stands twice, in lines 3 and 4" in text
    assert text.strip().endswith("Unknown keys besides: 'copy'.")


def test_merged_keys_stand_once(tmp_path):
    """What ``<<`` brings is no key of the mapping's own, whether it stands deeper than where it came from or not."""
    (tmp_path / "config.yaml").write_text(
        "models:\n"
        "  r3d: &small {network: r3d, options: {width: 8}, layers: [layer3]}\n"
        "  other: &large\n"
        "    <<: *small\n"
        "    options: {width: 16}\n"
        "x: {<<: *large}\n"
    )
    found = read_yaml(tmp_path / "config.yaml")
    assert found["x"] == found["models"]["other"] == found["models"]["r3d"] | {"options": {"width": 16}}


def test_few_training_clips_are_told(project, tmp_path):
    for number in (1, 2):
        (tmp_path / f"videos/train/kick/kick{number}.mp4").unlink()
    text = project.check({"models": {"r3d": {"head": "new", "weights": "kinetics400"}}})
    assert "problem: The class 'kick' has 1 usable training video, which is few: a new head (of r3d)" in text


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_head_is_fitted_to_few_videos_of_each_class(n):
    from voxplain.models.head import fit_head

    targets = np.repeat([0, 1], n)
    features = np.random.default_rng(0).normal(size=(1, 2 * n, 4)) + 5 * targets[None, :, None]
    weight, bias = fit_head(features, targets, np.arange(2 * n))
    assert ((features[0] @ weight.T + bias).argmax(axis=1) == targets).all()
    with pytest.raises(VoxplainError, match="one training video alone"):
        fit_head(features[:, : n + 1], targets[: n + 1], np.arange(n + 1))


def test_parts_that_overlap_in_both_splits_are_told(project, tmp_path):
    rows = [f"{split}/{c}/{c}0.mp4,{c},{split},," for c in ("kick", "punch") for split in ("train", "test")]
    rows += ["train/kick/kick1.mp4,kick,train,0,0.6", "train/kick/kick1.mp4,kick,test,0.3,0.9"]
    (tmp_path / "videos/videos.csv").write_text("\n".join(["path,label,split,start,end", *rows]))
    assert "overlap in the training and in the test split" in project.check(
        {"data": {"adapter": None}}, code=0
    )


# explain


@pytest.fixture
def trained(tmp_path):
    from voxplain.models.build import build_model
    from voxplain.models.weights import save_weights

    path = tmp_path / "weights.safetensors"
    save_weights(build_model("r3d_18", None, 3, width=4), path, {"classes": ["kick", "punch", "slap"]})
    write_video(tmp_path / "square.mp4", moving_square(), 8)
    return path


def test_one_video_is_explained(trained, tmp_path, capsys):
    out = tmp_path / "overlay.mp4"
    arguments = [
        "explain",
        tmp_path / "square.mp4",
        "--weights",
        trained,
        "--frames",
        8,
        "--size",
        32,
        "--out",
        out,
    ]
    text = call(*arguments, "--method", "gradient", "--target", "slap", capsys=capsys)
    assert text.startswith("The network's answer is ") and text.endswith("shows the relevance for slap.\n")
    assert probe(out).fps == 8 and read_frames(out).shape == (8, 32, 32, 3)


def test_what_is_no_number_in_tens_is_told_without_a_traceback(trained, tmp_path, capsys):
    """Superscripts are digits to Python, and a copy of a network's folder has no seed."""
    start = [
        "explain",
        tmp_path / "square.mp4",
        "--frames",
        8,
        "--size",
        32,
        "--method",
        "gradient",
        "--weights",
    ]
    assert "The network has no class '²'" in call(*start, trained, "--target", "²", code=1, capsys=capsys)
    assert "²: no such file" in call("explain", "²", "--weights", trained, code=1, capsys=capsys)
    copy = tmp_path / "models/r3d/seed0_old/weights.safetensors"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(trained.read_bytes())
    assert "--concepts are those of a finished run" in call(*start, copy, "--concepts", code=1, capsys=capsys)


def test_a_clip_is_cut_as_those_of_the_networks_run(trained, tmp_path, capsys, monkeypatch):
    written = []
    monkeypatch.setattr("voxplain.cli.explain.write_video", lambda *given: written.append(given))
    out, path = tmp_path / "out.mp4", tmp_path / "run.safetensors"
    start = [
        "explain",
        tmp_path / "square.mp4",
        "--method",
        "gradient",
        "--target",
        "b",
        "--out",
        out,
        "--weights",
    ]
    about = {"classes": ["a", "b"], "clips": {"frames": 3, "step": 4, "size": 24, "crop": "squash"}}
    save_weights(build_model("r3d_18", None, 2, width=4), path, about)
    assert "(3 frames of 24 pixels, 4 apart)" in call(*start, path, capsys=capsys)
    video = read_clips(tmp_path / "square.mp4", **about["clips"])[0][0]
    relevance = voxplain.explain(load_trained(path).network, video[None], 1, "gradient")[0].numpy()
    ((_, shown, fps),) = written
    assert fps == 2  # one frame of four, of eight a second
    np.testing.assert_array_equal(shown, overlay(video, relevance))
    # What is asked for goes before.
    assert "(2 frames of 32 pixels, 1 apart)" in call(
        *start, path, "--frames", 2, "--size", 32, "--step", 1, capsys=capsys
    )
    # A file that says nothing of clips: the windows of its network lie evenly over 113 pixels, not over 112.
    save_weights(build_model("r3d_18", None, 2, width=4), path, {"classes": ["a", "b"]})
    assert "(16 frames of 113 pixels, 1 apart)" in call(*start, path, capsys=capsys)
    # I3D's weights are of 224 pixels, near which 209 lie evenly.
    save_weights(build_model("i3d", None, 2, width=0.125), path, {"classes": ["a", "b"]})
    assert "(16 frames of 209 pixels, 1 apart)" in call(*start, path, capsys=capsys)
    # Of a Video Swin, whose attention mistakes offsets in smaller ones, the published size.
    assert find_network("torchvision:swin3d_t").traits["published_size"] == 224
    # One clip size only.
    options = {"width": 2, "fc_width": 2, "frames": 16, "size": 32}
    save_weights(build_model("c3d", None, 2, **options), path, {"classes": ["a", "b"]})
    assert "(16 frames of 32 pixels, 1 apart)" in call(*start, path, capsys=capsys)
    told = call(*start, path, "--size", 64, code=1, capsys=capsys)
    assert "--size is 64: c3d takes clips of 32 only; leave it out." in told


def test_published_weights_of_c3d_get_clips_that_its_windows_lie_evenly_over(
    trained, tmp_path, capsys, monkeypatch
):
    """The same weights fit clips of 96 to 127 pixels; of the published 112, the last pooling sees more of one side."""

    def small(*given, **options):
        return build_model(*given, width=2, fc_width=2, **options)

    monkeypatch.setattr("voxplain.cli.explain.build_model", small)
    path = tmp_path / "c3d.safetensors"
    save_file(small("c3d", None, 7).state_dict(), path)
    start = ["explain", tmp_path / "square.mp4", "--method", "gradient", "--target", 1, "--network", "c3d"]
    start += ["--weights", path, "--output", tmp_path / "out.mp4"]
    assert "(16 frames of 96 pixels, 1 apart)" in call(*start, capsys=capsys)
    assert "(16 frames of 112 pixels, 1 apart)" in call(*start, "--size", 112, capsys=capsys)


def test_a_clip_of_a_whole_video_is_explained_as_one(trained, tmp_path, capsys, monkeypatch):
    written, streamed = [], []
    monkeypatch.setattr("voxplain.cli.explain.write_video", lambda *given: written.append(given))
    source, path = tmp_path / "long.mp4", tmp_path / "run.safetensors"
    write_video(source, np.resize(moving_square(), (40, *moving_square().shape[1:])), 20)
    start = ["explain", source, "--method", "gradient", "--target", "b", "--weights", path]

    def explained(clips, *more):
        save_weights(build_model("r3d_18", None, 2, width=4), path, {"classes": ["a", "b"], "clips": clips})
        written.clear()
        text = call(*start, "--out", tmp_path / "out.mp4", *more, capsys=capsys)
        network = load_trained(path).network
        ((_, shown, fps),) = written

        def is_of(video):
            relevance = voxplain.explain(network, video[None], 1, "gradient")[0].numpy()
            return np.array_equal(shown, overlay(video, relevance))

        return text, fps, is_of

    whole = {"frames": 4, "size": 24, "sampling": "whole"}
    text, fps, is_of = explained(whole)
    video, numbers = (one[0] for one in read_clips(source, **whole))
    assert numbers.tolist() == [5, 15, 25, 35] and is_of(video)
    assert fps == 2 and "(4 frames of 24 pixels, spread over the whole video);" in text
    # With a step, a part of the video is asked for.
    text, fps, is_of = explained(whole, "--step", 5)
    video, numbers = (one[0] for one in read_clips(source, frames=4, size=24, step=5))
    assert numbers.tolist() == [12, 17, 22, 27] and is_of(video)
    assert fps == 4 and "(4 frames of 24 pixels, 5 apart);" in text
    consecutive = {"frames": 4, "size": 24, "step": 2, "sampling": "consecutive"}
    text, fps, is_of = explained(consecutive)
    videos, numbers = read_clips(source, **consecutive)
    assert numbers[2].tolist() == [16, 18, 20, 22] and len(videos) == 5 and is_of(videos[2])
    assert fps == 10 and "(4 frames of 24 pixels, 2 apart, clip 3 of 5);" in text
    # A stream has no whole.
    explained(whole)
    monkeypatch.setattr("voxplain.cli.explain.Player", lambda stream, *_: streamed.append(stream))
    with pytest.raises(AttributeError):  # which shows nothing
        main([str(part) for part in [*start, "--live"]])
    streamed[0].close()
    told = capsys.readouterr().out
    assert "trained on clips of whole videos; of a stream it is shown windows" in told
    assert f"Explaining {source} by 4 frames of 24 pixels, 1 apart" in told


@pytest.mark.parametrize(
    "clips", [{"size": 10**9}, {"size": "large"}, {"frames": 0}, {"color": 3}, [1], {"size": True}]
)
def test_a_file_that_says_wrongly_how_clips_are_cut(trained, tmp_path, capsys, clips):
    path = tmp_path / "run.safetensors"
    save_weights(build_model("r3d_18", None, 2, width=4), path, {"classes": ["a", "b"], "clips": clips})
    told = call("explain", tmp_path / "square.mp4", "--weights", path, code=1, capsys=capsys)
    assert "how the clips of its run were cut" in told or "--size is 1000000000: give 8 to 4096." in told


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--method", "gradcan"], "did you mean 'gradcam'?"),
        (["--target", "slab"], "did you mean 'slap'?"),
        (["--target", "3"], "The network has no class '3'"),
        (["--option", "foo=1"], "has no option 'foo'"),
        (["--out", "overlay.txt"], "ends in .mp4"),
        (["--weights", "kinetics400"], "add --network"),
    ],
)
def test_wrong_explanations_say_the_mend(trained, tmp_path, capsys, arguments, says, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = ["explain", tmp_path / "square.mp4", "--weights", trained, "--frames", 8, "--size", 32]
    assert says in call(*start, *arguments, code=1, capsys=capsys)
    assert not (tmp_path / "explanation.mp4").exists()


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--out", "square.mp4"], "would write over the video"),
        (["--out", "link.mp4"], "would write over the video"),
        (["--out", "weights.safetensors"], "would write over the weights"),
        (["--live", "--out", "x.mp4", "--statistics", "x.mp4"], "are both x.mp4"),
        (["--live", "--statistics", "square.mp4"], "--statistics square.mp4 would write over the video"),
        (["--out", "x.gif"], "ends in .mp4"),
        (["--out", "x.webm"], "ends in .mp4"),
        (["--out", "/proc/none/x.mp4"], "cannot be written"),
        (["--out", "."], "it is a folder"),
        (["--size", "1"], "--size is 1: give 8 to 4096"),
        (["--size", "100000"], "--size is 100000"),
        (["--frames", "100000000"], "--frames is 100000000"),
        (["--live", "--shown", "1"], "--shown is 1"),
    ],
)
def test_explain_writes_over_nothing_and_refuses_the_impossible(
    trained, tmp_path, capsys, arguments, says, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    os.symlink("square.mp4", "link.mp4")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    start = ["explain", "square.mp4", "--weights", "weights.safetensors", "--frames", 8, "--size", 32]
    assert says in call(*start, *arguments, code=1, capsys=capsys)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_source_called_as_the_default_output_is_kept(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.rename("square.mp4", "explanation.mp4")
    start = ["explain", "explanation.mp4", "--weights", trained, "--frames", 8, "--size", 32]
    assert "would write over the video" in call(*start, code=1, capsys=capsys)


def test_a_full_disk_leaves_no_half_video(tmp_path):
    path = tmp_path / "x.mp4"

    def full(self, data):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(ConfigError, match="No space left on device"):
            write_video(path, moving_square(), 8)
    assert not list(tmp_path.iterdir())


def test_a_function_that_weights_name_is_called_once_the_user_names_it(tmp_path, capsys, monkeypatch):
    from voxplain.models.build import build_model
    from voxplain.models.weights import save_weights

    (tmp_path / "network_of_mine.py").write_text(
        "import voxplain\n"
        "from pathlib import Path\n"
        "def build(num_classes):\n"
        f"    Path({str(tmp_path / 'called')!r}).touch()\n"
        "    float(voxplain.build_model('r3d_18', None, 2, width=4).fc.weight.norm())  # wants values\n"
        "    return voxplain.build_model('r3d_18', None, num_classes, width=4)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    save_weights(
        build_model("network_of_mine:build", None, 2), tmp_path / "w.safetensors", {"classes": ["a", "b"]}
    )
    (tmp_path / "called").unlink()
    write_video(tmp_path / "square.mp4", moving_square(), 8)
    start = [
        "explain",
        tmp_path / "square.mp4",
        "--weights",
        tmp_path / "w.safetensors",
        "--frames",
        8,
        "--size",
        32,
    ]
    start += ["--method", "gradient", "--out", tmp_path / "out.mp4"]
    for more in ([], ["--network", "r3d_18"]):
        assert "--network network_of_mine:build" in call(*start, *more, code=1, capsys=capsys)
    assert not (tmp_path / "called").exists() and not (tmp_path / "out.mp4").exists()
    call(*start, "--network", "network_of_mine:build", capsys=capsys)
    assert (tmp_path / "called").exists() and (tmp_path / "out.mp4").exists()


def test_a_video_that_is_missing(trained, capsys):
    assert "nothing.mp4: no such file" in call(
        "explain", "nothing.mp4", "--weights", trained, code=1, capsys=capsys
    )


def test_the_overlay_marks_what_is_relevant():
    clip = np.full((2, 10, 10, 3), 200, dtype=np.uint8)
    relevance = np.zeros((2, 10, 10))
    relevance[:, 3:5, 3:5] = [[-2.0, 2.0], [2.0, -2.0]]
    drawn = overlay(clip, relevance)
    assert (drawn[relevance == 0] == 120).all()  # gray and darkened
    marked = drawn[relevance != 0]
    assert (
        (marked == marked[0]).all() and marked[0, 0] > 200 and marked[0, 2] < marked[0, 0]
    )  # yellow, whatever the sign
    assert (overlay(clip, np.zeros((2, 10, 10))) == 120).all()
