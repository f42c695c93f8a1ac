"""The config names every mistake with the mend; its documentation does not drift; keys rerun what is said."""

from __future__ import annotations

import copy
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import cv2
import jsonschema
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from voxplain.cli.config_docs import RERUNS, generated, keys, readme
from voxplain.cli.values import key_values, merge, with_types
from voxplain.config import Config, json_schema, load_config
from voxplain.errors import ConfigError
from voxplain.provenance import library_versions

ROOT = Path(__file__).resolve().parents[2]
BASE = {"models": {"r3d": {"network": "r3d_18", "layers": ["layer3"]}}}


def changed(place: str, value: Any, base: dict = BASE) -> dict:
    """`base` with one key set; dots go a level deeper."""
    config = copy.deepcopy(base)
    *sections, last = place.split(".")
    inner = config
    for section in sections:
        inner = inner.setdefault(section, {})
    inner[last] = value
    return config


@pytest.mark.parametrize("path", sorted(ROOT.glob("config/*.yaml")), ids=lambda path: path.name)
def test_the_projects_configs_are_good(path):
    given_ = yaml.safe_load(path.read_text())
    if "models" not in given_:  # laid over another file
        given_ = merge(yaml.safe_load((ROOT / "config/config.yaml").read_text()), given_)
    load_config(given_)
    jsonschema.validate(given_, json.loads(json_schema()))


@pytest.mark.parametrize(
    "place, value, says",
    [
        ("model", {}, "model: unknown key; did you mean 'models'?"),
        ("run", "shared", "results/shared is the folder that runs share"),
        ("run", "x" * 101, "run"),
        ("activations.fill", [300, 0, 0], "activations.fill"),
        ("activations.fill", [-1, 0, 0], "activations.fill"),
        ("data.classes", ["kick", False], "put its name in quotes"),
        ("data.classes", [2024, "kick"], "put its name in quotes"),
        ("clips.damaged", "drop", "clips.damaged"),
        ("clips.damaged_share", 1.5, "clips.damaged_share"),
        ("clip", {}, "clip: unknown key; did you mean 'clips'?"),
        ("clips.frame", 16, "clips.frame: unknown key; did you mean 'frames'?"),
        ("models.r3d.layer", ["layer3"], "models.r3d.layer: unknown key; did you mean 'layers'?"),
        ("models.r3d.training.epoch", 3, "models.r3d.training.epoch: unknown key; did you mean 'epochs'?"),
        ("scores.zzz", 1, "Known keys here: null_clusterings, null_gradients, rank_by, test, alpha"),
        ("run", "a/b", "run: "),
        ("run", "", "run: "),
        ("seeds", [], "seeds: "),
        ("seeds", ["x"], "seeds.0: "),
        ("seeds", 3, "seeds: "),
        ("data.shard_size", 0, "data.shard_size: "),
        ("data.classes", "kick", "data.classes: "),
        ("data.videos_per_class", -1, "data.videos_per_class: "),
        ("clips.size", 4, "clips.size: "),
        ("clips.frames", 0, "clips.frames: "),
        ("clips.frames", 1.5, "clips.frames: "),
        ("clips.sampling", "centre", "clips.sampling: "),
        ("clips.crop", None, "clips.crop: "),
        ("models", None, "models: "),
        ("models.r3d", "r3d_18", "models.r3d: "),
        ("models.r3d.network", None, "models.r3d.network: "),
        ("models.r3d.weights", "my {x}.safetensors", "rename the file or its folder, or link to it"),
        ("models.r3d.layers", [], "models.r3d.layers: "),
        ("models.r3d.layers", "layer3", "models.r3d.layers: "),
        ("models.r3d.layers", ["../layer3"], "models.r3d.layers.0: "),
        ("models.r3d.head", "new", "models.r3d: Value error, head: new needs weights"),
        ("models.r3d.training.learning_rate", 0, "models.r3d.training.learning_rate: "),
        ("models.r3d.training.optimizer", "adam", "models.r3d.training.optimizer: "),
        ("models.r3d.training.validation_share", 1, "models.r3d.training.validation_share: "),
        ("models.r3d.training.masked", 1.1, "models.r3d.training.masked: "),
        ("models.a b", {"network": "r3d_18", "layers": ["layer3"]}, "models.a b"),
        ("supervoxels.n_segments", [], "supervoxels.n_segments: "),
        ("supervoxels.n_segments", [15, 0], "supervoxels.n_segments.1: "),
        ("supervoxels.compactness", 0, "supervoxels.compactness: "),
        ("supervoxels.preset", "offical", "supervoxels.preset: "),
        (
            "supervoxels",
            {"method": "grid", "sigma": 2},
            "supervoxels: Value error, sigma is an option of slic",
        ),
        ("activations.fill", "gray", "activations.fill"),
        ("activations.pooling", [1, 1], "activations.pooling"),
        ("activations.form", "box", "activations.form: "),
        ("concepts.clusters", 1, "concepts.clusters: "),
        ("concepts.clusters", "many", "concepts.clusters: "),
        ("cavs", None, "cavs: "),
        ("cavs.random_sets", 1, "cavs.random_sets: "),
        ("cavs.negatives", "videos", "cavs.negatives: "),
        ("scores.alpha", 1, "scores.alpha: "),
        ("scores.test", "t", "scores.test: "),
        ("editing.k_max", 0, "editing.k_max: "),
        ("figures.examples", 0, "figures.examples: "),
        ("concepts.models", ["i3d"], "concepts: Value error, models: there is no 'i3d'"),
        ("relevance.models", ["rd3"], "did you mean 'r3d'?"),
        ("explainers", {}, "explainers: "),
        ("explainers.dtd.option", {}, "explainers.dtd.option: unknown key; did you mean 'options'?"),
        ("selective.sigma", -1, "selective.sigma: "),
        ("flow.moving.unit", "pixel", "flow.moving.unit: "),
        ("relevance.timing.repeats", 1, "relevance.timing.repeats: "),
        # What no run would end with, or that would be counted twice.
        ("supervoxels.compactness", math.inf, "supervoxels.compactness: Input should be a finite number"),
        (
            "models.r3d.training.weight_decay",
            math.inf,
            "training.weight_decay: Input should be a finite number",
        ),
        ("models.r3d.training.learning_rate", math.inf, "training.learning_rate: Input should be a finite"),
        ("supervoxels.sigma", math.inf, "supervoxels.sigma: "),
        ("supervoxels.sigma", 1e308, "supervoxels.sigma: "),
        ("supervoxels.sigma", 1e6, "supervoxels.sigma: "),
        ("models.r3d.training.shift", 10**4, "models.r3d.training.shift: "),
        ("cavs.random_sets", 10**6, "cavs.random_sets: "),
        ("editing.draws", 10**9, "editing.draws: "),
        ("seeds", [10**30], "seeds.0: "),
        ("streams.weights", 2**32, "streams.weights: "),
        ("truth.targets", {"hand": [1]}, "truth.targets: Value error, name what decides the class evidence"),
        ("truth.targets", {"evidence": [1], "score": [2]}, "'score' means something else in the tables"),
        ("seeds", [0, 0], "seeds: Value error, 0 stands in the list twice"),
        ("models.r3d.layers", ["layer3", "layer3"], "layers: Value error, 'layer3' stands in the list twice"),
        ("concepts.models", ["r3d", "r3d"], "concepts.models: Value error, 'r3d' stands in the list twice"),
    ],
)
def test_mistakes_are_named_by_place(place, value, says):
    with pytest.raises(ConfigError) as raised:
        load_config(changed(place, value))
    text = str(raised.value)
    assert says in text
    # What was written is shown, so that it can be found.
    assert "unknown key" in text or "missing; add it" in text or "; it is " in text


def test_keys_with_dots_are_told_in_the_form_that_is_read():
    """Snakemake's --config takes what stands before = for one key."""
    given_ = {**BASE, **key_values(["data.path=my clips", "models.r3d.weights=w.pt"])}
    with pytest.raises(ConfigError) as raised:
        load_config(given_)
    text = str(raised.value)
    assert "data.path: " in text and "--config 'data={path: my clips}'" in text
    assert "models: {r3d: {weights: w.pt}}" in text
    (word,) = re.findall(r"--config '(data=.*?)'", text)
    assert merge(BASE, key_values([word])) == changed("data.path", "my clips")


def test_all_mistakes_are_told_at_once():
    config = changed("clips.frame", 3, changed("seeds", [], changed("models.r3d.head", "old")))
    with pytest.raises(ConfigError) as raised:
        load_config(config)
    lines = str(raised.value).splitlines()[1:]
    assert sorted(line.split(":")[0].strip() for line in lines) == ["clips.frame", "models.r3d.head", "seeds"]


@pytest.mark.parametrize("given_", [None, [], "text", {}, {"models": {"r3d": {}}}])
def test_configs_that_are_none(given_):
    with pytest.raises(ConfigError):
        load_config(given_)


PLACES = [key.place.replace("NAME", "r3d") for key in keys()]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=3,
)


@given(st.sampled_from(PLACES), ANYTHING)
@settings(deadline=None, max_examples=300)
def test_any_value_is_taken_or_named_by_its_key(place, value):
    config = changed(place, value)
    try:
        taken = load_config(config)
    except ConfigError as error:
        parts = place.split(".")
        sections = [f"  {'.'.join(parts[:count])}:" for count in range(1, len(parts))]
        assert f"  {place}" in str(error) or any(section in str(error) for section in sections)
    else:
        # What was taken is whole: filled in, it can be taken again, and says the same.
        assert load_config(taken.model_dump()) == taken


@given(
    st.sampled_from([place.rpartition(".")[0] for place in PLACES]),
    st.text("abcdefgh_", min_size=1, max_size=12),
)
@settings(deadline=None, max_examples=100)
def test_any_unknown_key_is_named_with_the_known_ones(section, key):
    place = f"{section}.{key}".lstrip(".")
    if (
        place in PLACES
        or place in {known.partition(".")[0] for known in PLACES}
        or section.endswith("options")
    ):
        return
    if any(known.startswith(f"{place}.") for known in PLACES):
        return
    with pytest.raises(ConfigError) as raised:
        load_config(changed(place, 1))
    assert f"  {place}: unknown key" in str(raised.value) and "Known keys here:" in str(raised.value)


@pytest.mark.parametrize("path, text", generated(ROOT).items())
def test_generated_files_do_not_drift(path, text):
    assert (ROOT / path).read_text() == text, "run `python -m voxplain config` and commit what it writes"


def test_every_key_is_documented():
    text = readme()
    for key in keys():
        assert key.field.description, f"{key.place} has no description in voxplain.config"
        assert f"| `{key.place.rpartition('.')[2]}` | " in text
    assert set(RERUNS) <= {key.place for key in keys()} | {key.place.rpartition(".")[0] for key in keys()} | {
        key.place.partition(".")[0] for key in keys()
    }, "RERUNS names a key that is no more"


def test_given_weights_are_trained_where_training_is_given_and_only_there():
    def model(**more):
        return load_config({"models": {"r3d": {**BASE["models"]["r3d"], **more}}}).models["r3d"]

    assert model().training.epochs == model(training={}).training.epochs == 40
    assert model(weights="kinetics400").training is None
    assert model(weights="kinetics400", training={}).training == model().training
    assert model(weights="a.pt", training={"from_layer": "layer4"}).training.from_layer == "layer4"
    for wrong, says in (
        ({"training": {"from_layer": "layer4"}}, "give weights, or leave it out"),
        (
            {"weights": "kinetics400", "head": "new", "training": {}},
            "leave out training, or head to fine-tune",
        ),
    ):
        with pytest.raises(ConfigError, match=says):
            model(**wrong)


@pytest.mark.parametrize(
    ("networks", "given", "size", "own"),
    [
        (["r3d_18", "r3d"], None, 113, {}),
        (["r3d_18", "i3d"], None, 145, {}),
        (["c3d"], None, 96, {"frames": 32, "size": 96}),
        (["c3d"], 64, 64, {"frames": 32, "size": 64}),
        (["r3d_18", "c3d"], None, 112, {"frames": 32, "size": 112}),
        (["torchvision:mc3_18"], None, 112, {}),
        (["r3d_18", "torchvision:swin3d_t"], None, 224, {}),  # which takes no fewer
    ],
)
def test_networks_decide_the_size_of_clips_where_none_is_given(networks, given, size, own):
    models = {f"m{number}": {"network": name, "layers": ["a"]} for number, name in enumerate(networks)}
    config = load_config({"clips": {"frames": 32, "size": given}, "models": models})
    assert config.clips.size == size
    assert list(config.models.values())[-1].options == own


def test_networks_of_one_size_decide_it_by_their_options_and_a_file_of_weights_for_itself():
    c3d = {"network": "c3d", "layers": ["pool4"]}
    config = load_config({"models": {"a": c3d | {"options": {"size": 80}}}})
    assert config.clips.size == config.models["a"].options["size"] == 80
    config = load_config({"models": {"a": c3d | {"weights": "a.safetensors"}}})
    assert config.clips.size == 112 and not config.models["a"].options


def test_the_schema_agrees_with_the_models():
    validator = jsonschema.Draft202012Validator(json.loads(json_schema()))
    for good in (BASE, changed("seeds", [1, 2]), changed("activations.pooling", None)):
        assert validator.is_valid(good)
    for bad in ({}, changed("model", {}), changed("clips.frame", 3), changed("concepts.clusters", 1)):
        assert not validator.is_valid(bad)


def test_the_older_name_of_the_true_class_means_the_same():
    wanted = load_config(changed("relevance.target", "class"))
    assert load_config(changed("relevance.target", "label")) == wanted == load_config(BASE)
    assert wanted.model_dump(mode="json")["relevance"]["target"] == "class"


# What the workflow would run for another value of each key, against what config/README.md says.
EMBEDDED = {
    "run": "a",
    "data": {"options": {"classes": 3, "train_per_class": 5, "test_per_class": 4, "size": 32}},
    "models": {
        "r3d": {"network": "r3d_18", "layers": ["layer3"]},
        "i3d": {"network": "i3d", "layers": ["mixed_4f"]},
    },
    "concepts": {"given": {"actor": {"target": "evidence"}}},
}
OTHERS = {
    "accept_versions": {"torch": library_versions()["torch"]},
    "checks.tables": ["stability"],
    "clips.size": 80,
    "run": "b",
    "parts": ["concepts"],
    "seeds": [0, 1],
    "data.adapter": None,  # changes with data.path
    "data.path": "other.csv",
    "data.options": {"classes": 3, "train_per_class": 4, "test_per_class": 4, "size": 32},
    "data.classes": ["disk_slide", "star_spin"],
    "data.videos_per_class": 2,
    "truth.targets": {"evidence": [1]},
    "truth.ignore": [3],
    "models.NAME.network": "r3d",
    "models.NAME.options": {"width": 8},
    "models.NAME.weights": "kinetics400",
    "models.NAME.head": "new",
    "models.NAME.layers": ["layer3", "layer4"],
    "supervoxels.n_segments": [20],
    "supervoxels.method": "grid",
    "supervoxels.method_options": {"compactness": 30.0},
    "data.shard_size": 7,
    "temporary": ["clips"],
    "supervoxels.options": {"min_volume": 0.01},
    "activations.fill": (0, 0, 0),
    "activations.pooling": (2, 1, 1),
    "concepts.videos_per_class": 2,
    "editing.videos_per_class": 2,
    "editing.shares": [0.3],
    "concepts.models": ["r3d"],
    "concepts.names": "names.csv",
    "concepts.given.NAME.folder": "examples",
    "concepts.given.NAME.labels": [1],
    "concepts.given.NAME.target": "actor",
    # They need what they are the control of.
    **{f"concepts.given.NAME.control.{name}": None for name in ("folder", "labels", "target")},
    "explainers.NAME.method": "random",
    "explainers.NAME.options": {"pooling": "winner"},
    "selective.options": {"padding": "zero"},
    "selective.sweep": [1.0],
    "flow.method": "dis",
    "flow.options": {"winsize": 13},
    "flow.moving.sweep": [1.0],
    "flow.compare": ["dis"],
    "relevance.controls": [],
    "relevance.models": ["r3d"],
    "relevance.videos_per_class": 2,
    "relevance.compare_with": None,  # needs another run
    "figures.videos": ["disk_slide_007"],
    "checks.variants": ["paper"],
    "checks.videos_per_class": 2,
    "checks.edited_per_class": 2,
    "checks.randomized_explainers": ["dtd"],
    "checks.mirrored_explainers": ["dtd"],
    "checks.intervened_explainers": ["dtd"],
    "checks.clusters": [5],
    "checks.perturbed_explainers": ["dtd"],
    "checks.mirrored_per_class": 1,
    "checks.intervened_per_class": 1,
    "checks.perturbed_per_class": 1,
    "checks.fills": ["blur"],
    "checks.followed": ["disk_slide_007"],
    "cavs.classifier": "sgd",
    "cavs.options": {"shrinkage": 0.2},
    "models.NAME.training.from_layer": "layer3",
    **{f"streams.{name}": 7 for name in ("weights", "split", "clustering", "random_sets", "draws")},
}
WANT_WEIGHTS = ("models.NAME.head", "models.NAME.training.from_layer")
ONLY = {"data.path": "csv", "data.options": "embedded", "data.classes": "embedded"}  # data that a value fits
CSV = "path,label,split\n" + "".join(
    f"{class_name}{i}.mp4,{class_name},{'train' if i < 3 else 'test'}\n"
    for class_name in ("kick", "punch")
    for i in range(5)
)


def another(key) -> Any:
    """Another value for a key: a neighbor of its default."""
    if key.place in OTHERS:
        return OTHERS[key.place]
    default = key.field.get_default(call_default_factory=True)
    choices = getattr(key.field.annotation, "__args__", ())
    match default:
        case bool():
            return not default
        case str() if choices:
            return next(choice for choice in choices if choice != default)
        case int():
            return default + 1
        case float():
            return default / 2 or 0.1
    raise AssertionError(f"add another value for {key.place} to OTHERS")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """Function from a config to all jobs of its run, as Snakemake plans them in an empty folder."""
    from snakemake.api import SnakemakeApi
    from snakemake.cli import parse_config
    from snakemake.settings import types

    folder = tmp_path_factory.mktemp("plans")
    for name in ("own.csv", "other.csv"):
        (folder / name).write_text(CSV)
    (folder / "names.csv").write_text("class,concept,name,model\ndisk_slide,0,disk,r3d\n")
    (folder / "examples").mkdir()
    cv2.imwrite(str(folder / "examples/one.png"), np.zeros((8, 8, 3), np.uint8))
    home = os.getcwd()
    os.chdir(folder)

    def plan(config, arguments=()):
        """Jobs of a config file, and of arguments of --config laid over it."""
        Path("config.yaml").write_text(yaml.safe_dump(config))
        quiet = types.OutputSettings(quiet={types.Quietness.ALL}, enable_file_logging=False)
        with SnakemakeApi(quiet) as api:
            workflow = api.workflow(
                resource_settings=types.ResourceSettings(cores=2),
                config_settings=types.ConfigSettings(
                    config=parse_config(arguments), config_args=arguments, configfiles=[Path("config.yaml")]
                ),
                snakefile=ROOT / "workflow/Snakefile",
            )._workflow
            workflow.dag_settings = types.DAGSettings(targets={"all", "relevance"})
            workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True, nolock=True)
            workflow._build_dag()
            plan.targets = {path for job in workflow.dag.jobs if not job.output for path in job.input}
            return {
                (job.rule.name, tuple(job.output)): (
                    set(job.input),
                    {k: repr(v) for k, v in job.params.items()},
                )
                for job in workflow.dag.jobs
                # The report shows the whole config; targets have nothing of their own.
                if job.output and job.rule.name != "report"
            }

    yield plan
    os.chdir(home)


def first_rules(before: dict, after: dict) -> set[str]:
    """Rules whose jobs differ although nothing that they use is made by a job that differs."""
    differing = {job for job, made_from in after.items() if before.get(job) != made_from}
    made = {path for _, outputs in differing for path in outputs}
    # What is made from changed files changes with them.
    while more := {job for job, (inputs, _) in after.items() if inputs & made} - differing:
        differing |= more
        made |= {path for _, outputs in more for path in outputs}
    return {rule for rule, outputs in differing if not after[rule, outputs][0] & made}


def test_keys_rerun_what_the_documentation_says(jobs):
    bases = {
        "embedded": EMBEDDED,
        "csv": {**EMBEDDED, "concepts": {}, "data": {"adapter": "csv", "path": "own.csv"}},
    }
    before = {kind: jobs(base) for kind, base in bases.items()}
    rules = {rule for plan in before.values() for rule, _ in plan} | {"extract_features", "choose_precision"}
    wrong = {}
    for key in keys():
        value = another(key)
        if value is None:
            continue
        found = set()
        # Other keys than the data's are the same for all data; a plan takes a second.
        every = [ONLY[key.place]] if key.place in ONLY else list(bases)
        kinds = every if key.place.startswith("data") or key.place in ONLY else ["embedded"]
        for kind in kinds:
            base, plan = bases[kind], before[kind]
            if key.place in WANT_WEIGHTS:
                base = changed("models.r3d.weights", "kinetics400", base)
            if key.place.startswith("models.NAME.head_"):
                base = changed("models.r3d.head", "new", changed("models.r3d.weights", "kinetics400", base))
                plan = jobs(base)
            name = "dtd" if key.place.startswith("explainers") else "r3d"
            found |= first_rules(plan, jobs(changed(key.place.replace("NAME", name), value, base)))
        said = {word for word in re.findall(r"\w+", key.reruns) if word in rules}
        if kinds == ["embedded"]:
            said -= {"list_videos"}
        if found != said:
            wrong[key.place] = f"says {sorted(said)}, reruns {sorted(found)}"
    assert not wrong, json.dumps(wrong, indent=1)


# What is given, and where its values lie in the config.
GIVEN = [
    (["models={r3d: {options: {batch_norm: false}}}"], "models.r3d.options.batch_norm", False),
    (["selective={options: {centre: no}}"], "selective.options", {"centre": False}),
    (["data={videos_per_class: null, classes: ['no', '20240611']}"], "data.classes", ["no", "20240611"]),
    (["data={videos_per_class: null}"], "data.videos_per_class", None),
    (["cavs={options: {shrinkage: 0.5}}", "cavs={set_size: 12}"], "cavs.options", {"shrinkage": 0.5}),
    (["flow={options: {levels: 3, scale: 1e-3}}"], "flow.options", {"levels": 3, "scale": "1e-3"}),
    (["seeds=[0, 1]", "run=other"], "seeds", [0, 1]),
    (["activations={pooling: [1, 2, 2]}"], "activations.pooling", [1, 2, 2]),
    (["explainers={no: {method: dtd, options: {pooling: winner}}}"], "explainers.no.method", "dtd"),
]  # fmt: skip


@pytest.mark.parametrize("arguments, place, value", GIVEN, ids=str)
def test_nested_values_on_the_command_line_are_those_of_check(arguments, place, value):
    """Snakemake reads them as text."""
    from snakemake.cli import parse_config

    file = changed("models.r3d.options", {"quoted": "false", "depth": [1, 1]})
    checked = merge(file, key_values(arguments))
    # As snakemake lays them over its files: section by section.
    planned = with_types(merge(file, parse_config(arguments)), arguments)
    assert planned == checked
    assert planned["models"]["r3d"]["options"]["quoted"] == "false"
    for key in place.split("."):
        planned = planned[key]
    assert planned == value and type(planned) is type(value)


def test_several_files_are_laid_over_each_other_as_snakemake_does(tmp_path, capsys):
    """Sections are merged, lists replaced, and the command line comes last."""
    from snakemake.settings.types import ConfigSettings

    from voxplain.__main__ import main

    files = [ROOT / "config/config.yaml", ROOT / "config/confirm.yaml"]
    planned = ConfigSettings(configfiles=files, config={"run": "confirm_demo"}).overwrite_config
    first, second = (yaml.safe_load(file.read_text()) for file in files)
    assert planned == merge(merge(first, second), {"run": "confirm_demo"})
    config = load_config(planned)
    assert (config.data.seed, config.seeds) == (second["data"]["seed"], second["seeds"])
    assert config.run == "confirm_demo"
    assert config.data.options["classes"] == 6 and list(config.models) == list(first["models"])
    arguments = ["check", *map(str, files), "--directory", str(tmp_path), "--config", "run=b"]
    assert main(arguments) == 0
    assert f"--configfile {files[0]} {files[1]}" in capsys.readouterr().out


def test_jobs_get_nested_values_as_they_were_meant(jobs):
    """False is no text, which would be true; and a file's own values, given again, rerun nothing."""
    base = {"models": {"i3d": {"network": "i3d", "layers": ["mixed_4f"]}}}
    base = changed("models.i3d.options", {"width": 0.25, "small_input": True, "mean": [1, 2, 3]}, base)
    again = [
        "models={i3d: {network: i3d, layers: [mixed_4f], options: {width: 0.25, small_input: true, mean: [1, 2, 3]}}}",
        "data={videos_per_class: null}",
        "seeds=[0]",
    ]
    before = jobs(base)
    assert jobs(base, again) == before
    after = jobs(base, ["models={i3d: {options: {small_input: false}}}"])
    assert first_rules(before, after) == {"train_model"}
    (trained,) = {params["model"] for (rule, _), (_, params) in after.items() if rule == "train_model"}
    assert "'small_input': False" in trained and "'width': 0.25" in trained


def test_braces_in_the_names_of_classes_are_no_wildcards(jobs):
    Path("braces.csv").write_text(CSV.replace(f",{CSV.splitlines()[1].split(',')[1]},", ",{label},"))
    planned = jobs(
        {**EMBEDDED, "concepts": {}, "parts": ["concepts"], "data": {"adapter": "csv", "path": "braces.csv"}}
    )
    classes = {params["classes"] for _, params in planned.values() if "classes" in params}
    assert len(classes) == 1 and "'{label}'" in classes.pop()


def test_braces_in_the_name_of_the_table_are_no_wildcards(jobs):
    Path("my {shard} {x}.csv").write_text(CSV)
    table = {"adapter": "csv", "path": "my {shard} {x}.csv"}

    def listing():
        planned = jobs({**EMBEDDED, "concepts": {}, "parts": ["concepts"], "data": table})
        return [made_from for (rule, _), made_from in planned.items() if rule == "list_videos"]

    ((read, params),) = listing()
    assert read == set() and "my {shard} {x}.csv" in params["data"]
    Path("my {shard} {x}.csv").write_text(CSV.replace("0.mp4", "7.mp4"))
    assert listing()[0][1]["listed"] != params["listed"]  # which lists the videos anew


def test_a_table_whose_csv_was_deleted_is_made_again(jobs):
    """What no rule reads is missed only where a target asks for it."""
    made = {path for _, outputs in jobs(EMBEDDED) for path in outputs}
    tables = {path for path in made if Path(path).parent.name == "tables" and path.endswith(".parquet")}
    assert len(tables) > 10
    assert {str(Path(path).with_suffix(".csv")) for path in tables} <= made & jobs.targets


def test_another_value_is_another_value():
    defaults = Config.model_validate(BASE)
    for key in keys():
        value = another(key)
        if value is not None and key.place not in WANT_WEIGHTS:
            assert load_config(changed(key.place.replace("NAME", "r3d"), value)) != defaults, key.place
