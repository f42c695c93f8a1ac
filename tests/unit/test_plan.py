"""The canonical form of a config, and the folder of its videos."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from voxplain.cli.check import check
from voxplain.cli.listing import REGISTRIES, registry
from voxplain.cli.values import merge
from voxplain.config import load_config
from voxplain.errors import ConfigError
from voxplain.models.build import model_options
from voxplain.plan import canonical, named_plugins, plan_run, what_is_there, with_defaults
from voxplain.provenance import PACKAGE
from voxplain.sources import library
from voxplain.supervoxels import segmenter_options

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
NETWORK = {"r3d": {"network": "r3d_18", "layers": ["layer3"]}}


def test_final_tables_are_known_without_torch():
    """Snakemake reads their entries whenever it is called, and torch takes as long as all else."""
    script = "import sys, voxplain.tables as t\nt.all_tables()\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "torch" not in done.stdout.split()


def settled(**sections):
    return canonical(load_config({"models": NETWORK, **sections}))


def test_defaults_are_those_of_the_plugins_own_schemas():
    """The plan reads them from the sources, as importing torch would slow every job's start down."""
    sources = library(PACKAGE)
    places = {str(place): place for place in sources.registries().values()}
    assert len(places) == len(REGISTRIES)
    for kind, home in REGISTRIES.items():
        module, _, name = home.partition(":")
        found = sources.plugins(places[f"Place(module={module!r}, name={name!r})"])
        assert list(found) and set(found) == {plugin.name for plugin in registry(kind)}
        for plugin in registry(kind):
            assert dict(found[plugin.name].defaults) == plugin.defaults, plugin.name
            assert found[plugin.name].place == (plugin.module, plugin.function.__name__)


def test_what_tables_need_is_told_by_config_and_videos():
    videos = pd.DataFrame(
        {
            "video": ["a", "b"],
            "class": "run",
            "split": ["train", "test"],
            "masks": "",
            "boxes": "",
            "flow": "",
        }
    )
    own = {"data": {"path": "somewhere"}}
    none = {
        "known": False,
        "flow_known": False,
        "common": True,
        "shared": False,
        "precision": False,
        "given": False,
    }
    assert what_is_there(load_config({"models": NETWORK, **own}), videos) == none
    masked = videos.assign(masks=["", "m.h5"], flow=["f.h5", ""])
    assert what_is_there(load_config({"models": NETWORK, **own}), masked) == none | {
        "known": True,
        "flow_known": True,
    }
    assert what_is_there(load_config({"models": NETWORK, **own}), videos[:1]) == none | {"common": False}
    actors = {
        "data": {"options": {"variant": "two_actors"}},
        "relevance": {"compare_with": "other"},
        "device": {"precision": "auto"},
        "concepts": {"given": {"hand": {"labels": [1]}}},
    }
    everything = dict.fromkeys(none, True)
    assert what_is_there(load_config({"models": NETWORK, **actors}), videos) == everything
    assert what_is_there(load_config({"models": NETWORK, **actors}), None) == everything
    two = {"r3d": NETWORK["r3d"], "other": NETWORK["r3d"]}
    apart = {"concepts": {"models": ["r3d"]}, "relevance": {"models": ["other"]}}
    assert not what_is_there(load_config({"models": two, **apart}), videos)["common"]


def test_what_a_file_of_weights_says_is_not_filled_in(tmp_path):
    """Else a default would count as given, and contradict the file."""
    (tmp_path / "own.safetensors").touch()
    given = {"network": "i3d", "layers": ["mixed_5b"], "options": {"dropout": 0, "padding": None}}
    from_scratch = settled(models={"i3d": given}).models["i3d"]
    assert from_scratch.options == {"dropout": 0, "small_input": False, "width": 1}
    own = settled(models={"i3d": given | {"weights": str(tmp_path / "own.safetensors")}}).models["i3d"]
    assert own.options == {"dropout": 0}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_plugins_take_the_canonical_options_and_it_is_a_fixed_point(path):
    given = yaml.safe_load(path.read_text())
    if "models" not in given:  # laid over another file
        given = merge(yaml.safe_load((ROOT / "config/config.yaml").read_text()), given)
    if given.get("data", {}).get("adapter", "embedded") != "embedded":
        given["data"]["path"] = "somewhere"
    config = canonical(load_config(given))
    assert canonical(config) == config == load_config(config.model_dump(mode="json"))
    for model in config.models.values():
        model_options(model.network, model.options)
    for explainer in config.explainers.values():
        registry("explainers")[explainer.method].options(explainer.options)
    registry("flows")[config.flow.method].options(config.flow.options)
    registry("classifiers")[config.cavs.classifier].options(config.cavs.options)
    assert segmenter_options(**{"method": "slic", **config.supervoxels.segmentation()})
    registry("datasets")[config.data.adapter].options(config.data.options)


@pytest.mark.parametrize(
    "one, other",
    [
        ({"cavs": {}}, {"cavs": {"options": {"shrinkage": 1}}}),
        ({"explainers": {"dtd": {}}}, {"explainers": {"dtd": {"method": "dtd", "options": {"high": None}}}}),
        (
            {"explainers": {"lrp_gamma": {"options": {"epsilon": "1e-9"}}}},  # how YAML reads 1e-9
            {"explainers": {"lrp_gamma": {}}},
        ),
        ({"flow": {"method": "dis"}}, {"flow": {"options": {"preset": "medium"}, "method": "dis"}}),
        ({"explainers": {"dtd": {}, "gradcam": {}}}, {"explainers": {"gradcam": {}, "dtd": {}}}),
        ({"data": {}}, {"data": {"adapter": "embedded", "options": {"size": 64.0, "seed": 0}}}),
        ({"data": {"seed": 3}}, {"data": {"seed": 3, "options": {"seed": 3}}}),
        (
            {"supervoxels": {"method": "agglomerative"}},
            {"supervoxels": {"method": "agglomerative", "method_options": {"fine": 600.0, "sigma": 1}}},
        ),
        ({"supervoxels": {"options": {"min_frames": 2}}}, {"supervoxels": {"options": {"min_frames": 2.0}}}),
        ({"supervoxels": {}}, {"supervoxels": {"options": {"min_frames": 1}}}),  # as its preset, corrected
        (
            {"selective": {"preset": "official"}},
            {"selective": {"preset": "official", "options": {"padding": "zero", "normalize": "none"}}},
        ),
    ],
)
def test_configs_that_mean_the_same_are_the_same(one, other):
    assert repr(settled(**one)) == repr(settled(**other))


@pytest.mark.parametrize(
    "one, other",
    [
        ({"cavs": {}}, {"cavs": {"options": {"shrinkage": 2}}}),
        ({"data": {}}, {"data": {"seed": 1}}),
        ({"data": {"seed": 1}}, {"data": {"seed": 1, "options": {"seed": 0}}}),
        ({"explainers": {"dtd": {}}}, {"explainers": {"dtd": {"options": {"high": 1}}}}),
        ({"selective": {}}, {"selective": {"options": {"padding": "zero"}}}),  # corrected has replicate
        (
            {"supervoxels": {"preset": "official"}},
            {"supervoxels": {"preset": "official", "options": {"min_frames": 1}}},
        ),
        # Not a default: by default they are the run's own.
        (
            {"explainers": {"occlusion": {}}},
            {"explainers": {"occlusion": {"options": {"n_segments": [15, 50, 80]}}}},
        ),
    ],
)
def test_configs_that_differ_stay_different(one, other):
    assert settled(**one) != settled(**other)


def test_unknown_plugins_and_options_are_left_to_the_check():
    assert with_defaults("models", "mine:build", {"b": 1.0, "a": None}) == {"a": None, "b": 1}
    assert with_defaults("explainers", "dtd", {"colour": "red"})["colour"] == "red"


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"explainers": {"dtd": {"options": {"pool": 1}}}}, "explainers.dtd.options: 'dtd' has no option 'pool'"),
        ({"explainers": {"mine": {"method": "gradcam", "options": {"layr": "x"}}}}, "did you mean 'layer'"),
        ({"flow": {"options": {"winsiz": 3}}}, "flow.options: 'farneback' has no option 'winsiz'; did you mean 'winsize'"),
        ({"cavs": {"options": {"shrink": 1}}}, "cavs.options: 'ridge' has no option 'shrink'"),
        ({"models": {"r3d": {**NETWORK["r3d"], "options": {"widht": 4}}}}, "models.r3d.options: 'r3d_18' has no"),
        ({"supervoxels": {"method": "agglomerative", "method_options": {"fien": 9}}}, "did you mean 'fine'"),
        ({"supervoxels": {"options": {"min_volum": 1}}}, "supervoxels.options: 'corrected' has no option 'min_volum'"),
        ({"supervoxels": {"options": {"max_overlap": 2}}}, "supervoxels.options.max_overlap cannot be 2"),
        ({"selective": {"options": {"center": True}}}, "selective.options: 'corrected' has no option 'center'; did you mean 'centre'"),
        ({"selective": {"options": {"centre": "false"}}}, "'centre' cannot be 'false'"),
        ({"data": {"options": {"clases": 3}}}, "did you mean 'classes'"),
    ],
    ids=str,
)  # fmt: skip
def test_options_that_a_plugin_does_not_have_end_the_planning(sections, says):
    """Else they would end the run, after training."""
    with pytest.raises(ConfigError, match=says):
        plan_run(load_config({"models": NETWORK, **sections}))


def test_videos_that_are_not_there_end_the_planning(tmp_path):
    """Else they would end the run after its explanations, or be left out without a word."""
    every = plan_run(load_config({"models": NETWORK})).videos
    of_class = every[(every["split"] == "test") & (every["class"] == every["class"].iloc[0])][
        "video"
    ].tolist()
    first, last, lost = of_class[0], of_class[-1], "no_such_video"
    plan_run(load_config({"models": NETWORK, "figures": {"videos": [first]}, "checks": {"followed": [last]}}))
    for sections, says in (
        ({"figures": {"videos": [lost]}}, f"figures.videos: '{lost}' is no test video that is explained"),
        ({"checks": {"followed": [first, lost]}}, f"checks.followed: '{lost}' is no video"),
        ({"figures": {"videos": [first, last]}, "relevance": {"videos_per_class": 1}}, f"'{last}' is no test video"),
    ):  # fmt: skip
        config = load_config({"models": NETWORK, **sections})
        with pytest.raises(ConfigError, match=says):
            plan_run(config)
        (problem,) = check(config, tmp_path)[0].problems
        assert says in problem


def test_common_options_and_functions_of_ones_own_pass_the_planning():
    mine = {"network": "mine:build", "layers": ["a"], "options": {"anything": 1}}
    plain = {**NETWORK["r3d"], "options": {"mean": [1, 2, 3], "std": [1, 2, 3], "width": 4}}
    plan_run(load_config({"models": {"mine": mine, "r3d": plain}}))


def test_the_check_and_the_workflow_look_for_the_videos_in_one_place(tmp_path):
    config = load_config({"models": NETWORK, "data": {"options": {"classes": 3}}})
    plan = plan_run(config, str(tmp_path / "results"))
    findings, table = check(config, tmp_path)
    assert findings.problems == [] and table["path"].tolist() == plan.videos["path"].tolist()
    assert Path(table["path"][0]).is_relative_to(plan.data)
    assert Path(plan.data).parent == tmp_path / "results/shared" and plan.data.rpartition("/")[2].startswith(
        "embedded-"
    )


def test_the_folder_hangs_on_what_the_data_is_and_not_on_how_it_is_written(tmp_path):
    for label in ("kick", "punch"):
        for number in range(5):
            video = tmp_path / "clips" / label / f"{number}.mp4"
            video.parent.mkdir(parents=True, exist_ok=True)
            video.write_bytes(b"x")

    def folder(**data):
        return plan_run(
            load_config({"models": NETWORK, "data": {"path": str(tmp_path / "clips"), **data}})
        ).data

    same = [
        folder(),
        folder(adapter="folder"),
        folder(shard_size=250),
        folder(options={"test_fraction": 0.25}),
    ]
    assert len(set(same)) == 1 and same[0].startswith("results/shared/clips-")
    others = [
        folder(seed=1),
        folder(shard_size=4),
        folder(classes=["kick", "punch"]),
        folder(options={"test_fraction": 0.5}),
    ]
    assert len({*same, *others}) == 5
    shutil.rmtree(tmp_path / "clips")
    with pytest.raises(ConfigError, match="There is no folder"):
        folder()


def test_named_plugins_are_the_sections_own():
    config = load_config(
        {
            "models": {**NETWORK, "own": {"network": "mine:build", "layers": ["a"]}},
            "explainers": {"fast": {"method": "gradcam"}, "dtd": {}},
            "flow": {"method": "tvl1"},
            "supervoxels": {"method": "grid"},
        }
    )
    assert named_plugins(config) == {
        "datasets": ["embedded"],
        "models": ["mine:build", "r3d_18"],
        "explainers": ["dtd", "gradcam"],
        "segmenters": ["grid", "slic"],
        "flows": ["tvl1"],
        "classifiers": ["ridge"],
    }
    assert named_plugins(config, "own")["models"] == ["mine:build"]
    assert set(named_plugins(config)) <= set(library(PACKAGE).registries())
