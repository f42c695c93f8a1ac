"""What reruns after an edit of the library, and what does not when a config is written in another way."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_config
from tests.workflow import planning

from voxplain.checks.presets.variants import VARIANTS
from voxplain.config import load_config
from voxplain.plan import canonical, named_plugins
from voxplain.provenance import LIBRARIES, PACKAGE, library_versions
from voxplain.sources import Place, library
from voxplain.tables import all_tables

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests/workflow/tiny.yaml"
# Both papers and the checks; of networks r3d_18 and c3d, of explainers five, of flow estimators two.
CONFIG = yaml.safe_load((ROOT / "tests/workflow/tiny_relevance.yaml").read_text())


class Checkout:
    """A copy of the project, one line of which is changed at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("workflow", "src", "config", "envs"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored, dirs_exist_ok=True)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / "src/voxplain" / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}: choose another line"
        path.write_text(text.replace(old, new))

    def restore(self, name: str) -> None:
        shutil.copyfile(ROOT / "src/voxplain" / name, self.folder / "src/voxplain" / name)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Function from a config to all jobs of its run: what they use and how, by rule and output."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings import types

    home = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("plans"))

    def jobs(config: dict, root: Path = ROOT, arguments: list[str] | None = None) -> dict:
        quiet = types.OutputSettings(quiet={types.Quietness.ALL}, enable_file_logging=False)
        with SnakemakeApi(quiet) as api:
            workflow = api.workflow(
                resource_settings=types.ResourceSettings(cores=2),
                config_settings=types.ConfigSettings(config=copy.deepcopy(config), config_args=arguments),
                snakefile=root / "workflow/Snakefile",
            )._workflow
            workflow.dag_settings = types.DAGSettings(targets={"all"})
            workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True, nolock=True)
            workflow._build_dag()
            return {
                (job.rule.name, *job.output): {
                    # As Snakemake compares them.
                    "input": sorted(job.input),
                    "params": {name: repr(value) for name, value in job.params.items()},
                    "runs a network": "device" in job.resources.keys(),
                    "explains": isinstance(named := job.params.get("explainers"), dict) and "dtd" in named,
                }
                for job in workflow.dag.jobs
                if job.output
            }

    yield jobs
    os.chdir(home)


@pytest.fixture(scope="module")
def before(plan, checkout):
    return plan(CONFIG, checkout.folder)


# Which rules an edit reruns of itself; what uses their results follows. A word stands for the rules of jobs that
# have this in the plan: a network is used by what runs one, an explainer by what is told how to explain.
EDITS = {
    "a network that the config names": (
        "models/networks/r3d.py", ".flatten(1))", ".flatten(1) + 0)", "runs a network",
    ),
    "a network that it does not name": (
        "models/networks/i3d.py", "width: PositiveFloat = 1.0", "width: PositiveFloat = 2.0", set(),
    ),
    "the adapter that the config names": (
        "videos/adapters/embedded.py", "enumerate(splits)", "enumerate(splits, 0)",
        {"make_embedded_videos", "list_videos"},
    ),
    "an adapter that it does not name": (
        "videos/adapters/folder.py", '"validation", "valid"', '"valid", "validation"', set(),
    ),
    "an explainer that the config names": (
        "explainers/dtd.py", "Rules(first, z_plus, z_plus", "Rules(first, z_plus, first", "explains",
    ),
    "what such an explainer calls": (
        "explainers/bounds.py", "slack = 1e-4", "slack = 1e-5", "explains",
    ),
    "an explainer that it does not name": (
        "explainers/gradients.py", "generator = torch.Generator().manual_seed(seed)",
        "generator = torch.Generator().manual_seed(seed + 1)", set(),
    ),
    "the flow estimator": (
        "motion/flow/dis.py", '= "medium"', '= "fast"', {"estimate_flow", "compare_flows"},
    ),
    "one that is only compared": (
        "motion/flow/farneback.py", "winsize: int = 15", "winsize: int = 13", {"compare_flows"},
    ),
    "an error message": ("errors.py", 'return f"; did you mean', 'return f"; do you mean', set()),
    "a message where it is raised": ("models/build.py", "}, not of {name}.", "} and not of {name}.", set()),
    "a line of the log": ("models/build.py", "is new and untrained", "is untrained", set()),
    "a docstring": ("models/trained.py", "Names (N,) of the classes", "Words (N,) of the classes", set()),
    "the report's prose": ("report/words.py", " Of {total} comparisons", " Of all {total} comparisons", {"report"}),
    "a table function": ("concepts/tables.py", "def editing_table(", "def editing_table(*, _=0, **__):\n    ...\n\n\ndef editing_table(", {"tabulate_concepts"}),
    "what is said of a table": ("concepts/tables.py", "over all numbers of concepts.", "over all k.", set()),
    "one more kind": ("artifacts.py", '"cavs": 2,', '"cavs": 2,\n    "cavities": 1,', set()),
    "a new version of a kind": (
        "artifacts.py", '"cavs": 2,', '"cavs": 3,',
        {"find_concepts", "score_concepts", "steer_concepts", "vary_choices", "follow_concepts"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
def test_an_edit_reruns_what_it_computes_for_and_nothing_else(what, plan, checkout, before):
    name, old, new, expected = EDITS[what]
    checkout.edit(name, old, new)
    try:
        after = plan(CONFIG, checkout.folder)
    finally:
        checkout.restore(name)
    assert before.keys() == after.keys()
    changed = {job for job in before if before[job] != after[job]}
    assert all(
        key == "code"
        for job in changed
        for key in before[job]["params"]
        if before[job]["params"][key] != after[job]["params"][key]
    )
    if isinstance(expected, str):
        expected = {job[0] for job in before if before[job][expected]}
        assert len(expected) > 2
    assert {job[0] for job in changed} == expected


def test_a_network_reruns_its_own_jobs_only(plan, checkout, before):
    checkout.edit("models/networks/r3d.py", ".flatten(1))", ".flatten(1) + 0)")
    after = plan(CONFIG, checkout.folder)
    checkout.restore("models/networks/r3d.py")
    changed = {job for job in before if before[job] != after[job]}
    assert changed == {job for job in before if before[job]["runs a network"] and "/models/r3d/" in job[1]}


def test_a_new_plugin_reruns_nothing_before_a_config_names_it(plan, checkout, before):
    path = checkout.folder / "src/voxplain/explainers/mine.py"
    path.write_text(
        (checkout.folder / "src/voxplain/explainers/control.py").read_text().replace('"random"', '"mine"')
    )
    assert plan(CONFIG, checkout.folder) == before
    path.unlink()


def written_otherwise() -> dict[str, dict]:
    """The same config in other words."""

    def reordered(value):
        return {key: reordered(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    def floats(value):
        match value:
            case dict():
                return {key: floats(item) for key, item in value.items()}
            case list():
                return [floats(item) for item in value]
            case int() if not isinstance(value, bool):
                return float(value)
        return value

    defaults = copy.deepcopy(CONFIG)
    defaults["data"] |= {"seed": 0, "classes": None}
    defaults["data"]["options"] |= {"variant": "standard", "noise": 4.0, "seed": 0}
    defaults["clips"] |= {"step": 1, "sampling": "center"}
    defaults["models"]["c3d"]["options"] |= {"frames": 16}
    defaults["models"]["r3d"] |= {"head": "keep", "weights": None}
    defaults["cavs"] = {"classifier": "ridge", "options": {"shrinkage": 1}}
    defaults["explainers"]["dtd"] = {"method": "dtd", "options": {"pooling": "proportional", "low": None}}
    defaults["explainers"]["occlusion"]["options"] |= {"fill": 0, "batch": 8}
    defaults["flow"]["options"] = {"preset": "medium"}
    defaults["supervoxels"]["options"] = {}
    return {
        "another order": reordered(CONFIG),
        "8.0 for 8": floats(CONFIG),
        "defaults written out": defaults,
    }


@pytest.mark.parametrize("way", written_otherwise())
def test_the_same_config_in_other_words_reruns_nothing(way, plan, before, checkout):
    otherwise = written_otherwise()[way]
    assert list(map(str, otherwise.items())) != list(map(str, CONFIG.items()))
    after = plan(otherwise, checkout.folder)
    assert after.keys() == before.keys()  # the names of folders among them
    assert [job for job in before if before[job] != after[job]] == []


def test_its_own_values_by_config_rerun_nothing(plan, before, checkout):
    given = [
        f"{key}={yaml.safe_dump(value, default_flow_style=True, width=10_000)}"
        for key, value in CONFIG.items()
    ]
    given = [text.removesuffix("\n").removesuffix("\n...") for text in given]
    config = parse_config(given)
    assert (
        config["models"]["r3d"]["options"]["depth"] == ["1"] * 4
    )  # as Snakemake reads what stands in braces
    assert plan(config, checkout.folder, given) == before


def test_the_seed_of_the_data_is_not_overridden_by_the_adapters_default(plan, before, checkout):
    other = copy.deepcopy(CONFIG)
    other["data"]["seed"] = 1
    after = plan(other, checkout.folder)
    listing = next(after[job]["params"] for job in after if job[0] == "list_videos")
    assert "'seed': 1" in listing["data"] and "'seed': 0" not in listing["data"]
    assert not {job for job in before if job[0] == "list_videos"} & after.keys()


def dry_run(folder: Path, *arguments, path: Path):
    """Rules that Snakemake would run in a folder, with another one on Python's path."""
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2", "--configfile", TINY]
    command += ["--directory", folder, "--snakefile", ROOT / "workflow/Snakefile", "concepts", *arguments]
    environment = os.environ | {"PYTHONPATH": str(path)}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    lines = done.stdout.partition("Job stats:")[2].partition("total")[0].splitlines()[3:]
    return {line.split()[0] for line in lines if line.strip()} - {"concepts"}


RUNS = {"tiny": "concept_run", "tiny_relevance": "relevance_run", "tiny_checks": "checks_run"}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_hash_covers_every_function_that_its_stage_ran(name, request):
    """What the sources say is reached, against what really ran."""
    folder = request.getfixturevalue(RUNS[name])
    config = canonical(load_config(yaml.safe_load((ROOT / f"tests/workflow/{name}.yaml").read_text())))
    named = named_plugins(config)
    # Rules name what they use beside their section's own.
    named["flows"] += config.flow.compare
    named["explainers"] += config.checks.perturbed_explainers
    named["classifiers"] += [variant.classifier for variant in VARIANTS.values()]
    sources = library(PACKAGE)
    machinery = sources.reach(ROOT / "src/stages/_stage.py").places  # runs every stage, and computes nothing
    stages = set()
    for path in (folder / "ran").iterdir():
        stage = path.stem
        stages.add(stage)
        # Final tables are found by their entries.
        tables = [place for entry in all_tables().values() for place in entry.definitions]
        also = tables if stage == "make_tables" else ()
        covered = sources.reach(ROOT / f"src/stages/{stage}.py", also, named).places | machinery
        for line in path.read_text().splitlines():
            file, function = line.split("\t")
            if not file.endswith(".py"):  # templates, which the report's rule hashes
                continue
            parts = Path(file).relative_to(PACKAGE.parent).with_suffix("").parts
            place = Place(".".join(part for part in parts if part != "__init__"), function)
            assert place in covered or function == "<lambda>", f"{stage} ran {place}"
    assert len(stages) > 12


@pytest.mark.slow
def test_a_finished_run_after_an_edit(concept_run, checkout):
    assert planning.planned(concept_run, "concepts", configfile="tiny", root=checkout.folder) <= {
        "tabulate_concepts"
    }  # published cells lie elsewhere
    checkout.edit("errors.py", 'return f"; did you mean', 'return f"; do you mean')
    assert planning.planned(concept_run, "concepts", configfile="tiny", root=checkout.folder) <= {
        "tabulate_concepts"
    }
    checkout.restore("errors.py")
    checkout.edit(
        "concepts/classifiers.py", "n, k = centred.shape[1:]", "n, k = centred.shape[1], centred.shape[2]"
    )
    rerun = planning.planned(concept_run, "concepts", configfile="tiny", root=checkout.folder)
    checkout.restore("concepts/classifiers.py")
    assert rerun == {
        "find_random_concepts", "find_concepts", "measure_controls", "score_concepts", "edit_concepts", "steer_concepts", "show_concepts",
        "score_given", "tabulate_concepts",
    }  # fmt: skip


@pytest.mark.slow
def test_a_finished_run_with_its_config_in_other_words(concept_run, tmp_path):
    config = yaml.safe_load(TINY.read_text())
    config = {key: config[key] for key in reversed(config)}
    config["models"] = {key: config["models"][key] for key in reversed(config["models"])}
    config["models"]["i3d"]["options"] = {"small_input": True, "dropout": 0.5, "width": 0.0625}
    config["clips"] = {"size": 32.0, "frames": 8.0}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    own = [
        "run=tiny",
        "clips={frames: 8, size: 32}",
        "cavs={random_sets: 4, set_size: 12}",
        "seeds=[0]",
    ]
    own += ["models={r3d: {options: {width: 4, depth: [1, 1, 1, 1]}}}"]
    assert planning.planned(concept_run, "concepts", configfile=tmp_path / "other.yaml") == set()
    assert planning.planned(concept_run, "concepts", configfile="tiny", config=own) == set()


@pytest.mark.slow
def test_results_of_another_version_of_a_library_can_be_kept(concept_run, tmp_path):
    """A folder on the path says that torch and OpenCV are of other versions than they are."""
    for name in ("torch", "opencv-python-headless"):
        info = tmp_path / f"{name.replace('-', '_')}-99.1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.1.2\n")
    rerun = dry_run(concept_run, path=tmp_path)
    assert {
        "train_model",
        "test_model",
        "extract_activations",
        "cache_clips",
        "make_embedded_videos",
    } <= rerun
    installed = library_versions()
    accepted = ", ".join(f'{name}: "{installed[name]}"' for name in ("torch", "opencv-python-headless"))
    assert dry_run(concept_run, "--config", f"accept_versions={{{accepted}}}", path=tmp_path) == set()
    assert set(installed) == set(LIBRARIES)
