import functools
import sys
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError

ROOT = Path(str(workflow.current_basedir)).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from voxplain.config import digest, load_config
from voxplain.errors import VoxplainError
from voxplain.faithfulness import FAITHFULNESS_TABLES
from voxplain.plan import named_plugins, plan_run
from voxplain.provenance import code_hash
from voxplain.validity import VALIDITY_TABLES
from voxplain.videos.plan import discovery_videos, evaluation_videos, source_file
from voxplain.videos.table import safe_name

try:
    CONFIG, DATA, TABLE = plan_run(load_config(config))
except VoxplainError as error:
    raise WorkflowError(str(error)) from None

DISCOVERY = discovery_videos(TABLE, CONFIG.concepts.videos_per_class)
EVALUATION = evaluation_videos(TABLE, CONFIG.editing.videos_per_class)
RELEVANCE_VIDEOS = evaluation_videos(TABLE, CONFIG.relevance.videos_per_class)
TRIED = discovery_videos(DISCOVERY, CONFIG.validity.videos_per_class)
EDITED = evaluation_videos(EVALUATION, CONFIG.validity.edited_per_class)
PERTURBED = evaluation_videos(EVALUATION, CONFIG.faithfulness.videos_per_class)
MAPPED = evaluation_videos(EVALUATION, CONFIG.validity.maps_per_class)
CONCEPT_MODELS = CONFIG.concepts.models or list(CONFIG.models)
RELEVANCE_MODELS = CONFIG.relevance.models or list(CONFIG.models)
EXPLAINERS = CONFIG.model_dump(mode="json")["explainers"]
USES_SUPERVOXELS = any((given["method"] or name) == "occlusion" for name, given in EXPLAINERS.items())
SEGMENTATION = {
    "n_segments": CONFIG.supervoxels.n_segments,
    "compactness": CONFIG.supervoxels.compactness,
    "sigma": CONFIG.supervoxels.sigma,
}


def videos_by_shard(table):
    """Videos of each shard, made once: a job's parameters name its own videos only."""
    return {shard: rows["video"].tolist() for shard, rows in table.groupby("shard")}


EXPLAINED = videos_by_shard(
    pd.concat([DISCOVERY, EVALUATION, *([RELEVANCE_VIDEOS] if USES_SUPERVOXELS else [])]).drop_duplicates(
        "video"
    )
)
RELEVANT = videos_by_shard(RELEVANCE_VIDEOS)
FLOW_OPTIONS = {"method": CONFIG.flow.method, "options": CONFIG.flow.options, "camera": CONFIG.flow.camera}
MOVING = {"unit": CONFIG.flow.moving.unit, "threshold": CONFIG.flow.moving.threshold}

RUN = f"results/{CONFIG.run}"
CLIPS = f"{DATA}/clips-{digest(CONFIG.clips)}"
SEGMENTS = f"{CLIPS}/supervoxels-{digest(SEGMENTATION, EXPLAINED)}"
FLOW = f"{CLIPS}/flow-{digest(FLOW_OPTIONS, RELEVANT)}"
NETWORK = f"{RUN}/models/{{model}}/seed{{seed}}"
OTHER = CONFIG.relevance.compare_with
OTHER_NETWORK = OTHER and NETWORK.replace(RUN, f"results/{OTHER}")
LAYER = f"{NETWORK}/{{layer}}"
TABLES = f"{RUN}/tables"
FIGURES = f"{RUN}/figures"

SHARDS = TABLE["shard"].unique().tolist()
TRAIN_SHARDS = [shard for shard in SHARDS if shard.startswith("train")]
TEST_SHARDS = [shard for shard in SHARDS if shard.startswith("test")]
DISCOVERY_SHARDS = DISCOVERY["shard"].unique().tolist()
EVALUATION_SHARDS = EVALUATION["shard"].unique().tolist()
CLASSES = sorted(TABLE["label"].unique())
LABELS = {safe_name(label): label for label in CLASSES}  # as wildcards: as labels
SHARDS_OF_CLASS = {label: rows["shard"].unique().tolist() for label, rows in DISCOVERY.groupby("label")}
RELEVANT_SHARDS = list(RELEVANT)
# Places of the first seed's explanations, which are all networks' and shards' one after the other.
FIRST_EXPLAINED = [(model, shard) for model in RELEVANCE_MODELS for shard in RELEVANT_SHARDS]
# Of the embedded videos it is known what moves.
KNOWN = CONFIG.data.path is None
TRUTH_SOURCE = [f"{DATA}/embedded/videos.csv"] if KNOWN else []
TRUTH = f"{DATA}/embedded/ground_truth.h5" if KNOWN else None


wildcard_constraints:
    model="|".join(CONFIG.models),
    seed=r"\d+",
    layer=r"[A-Za-z0-9_.-]+",
    shard=r"(train|test)-\d+",
    label=r"[A-Za-z0-9_.-]+",


def expand_layers(pattern, **fixed):
    """Expand a pattern over the networks that concepts are found in, seeds and layers."""
    return [
        path
        for name in CONCEPT_MODELS
        for path in expand(pattern, model=name, seed=CONFIG.seeds, layer=CONFIG.models[name].layers, **fixed)
    ]


def expand_first_layer(pattern, models=CONCEPT_MODELS, **fixed):
    """Expand a pattern over networks, seeds and each network's first layer."""
    return [
        path
        for name in models
        for path in expand(
            pattern, model=name, seed=CONFIG.seeds, layer=CONFIG.models[name].layers[0], **fixed
        )
    ]


def expand_explained(pattern):
    """Expand a pattern over the networks whose relevance is explained, seeds and shards."""
    return expand(pattern, model=RELEVANCE_MODELS, seed=CONFIG.seeds, shard=RELEVANT_SHARDS)


def expand_first_explained(pattern):
    """Expand a pattern over networks and shards, for the first seed."""
    return [
        path
        for model, shard in FIRST_EXPLAINED
        for path in expand(pattern, model=model, seed=CONFIG.seeds[0], shard=shard)
    ]


def first_layer(wildcards):
    """Params function: the layer that the checks look at."""
    return CONFIG.models[wildcards.model].layers[0]


def of_first_layer(pattern):
    """Input function: a file of the first layer, for every class."""
    return lambda wildcards: expand(
        pattern, layer=first_layer(wildcards), label=list(LABELS), **dict(wildcards.items())
    )


def expand_checked(pattern, models=CONCEPT_MODELS):
    """Expand a pattern over networks and seeds."""
    return expand(pattern, model=models, seed=CONFIG.seeds)


def videos_of(table):
    return table["video"].tolist()


def shards_of_class(pattern):
    """Input function: the shards that hold discovery videos of the wildcard's class."""
    return lambda wildcards: expand(
        pattern, shard=SHARDS_OF_CLASS[LABELS[wildcards.label]], **dict(wildcards.items())
    )


def grows(first):
    """Resource function: `first` (MB or minutes), twice as much in the second attempt, and so on."""
    return lambda wildcards, attempt: first * attempt


def device_of_attempt(wildcards, attempt):
    """Resource function: where a job runs. A resource, because what a stage computes does not hang on it."""
    return "cpu" if attempt > 1 and CONFIG.device.cpu_after_failure else CONFIG.device.use


def weights_file(wildcards):
    """Input function: the file of given weights, whose change reruns what was made with it."""
    weights = CONFIG.models[wildcards.model].weights
    return [weights] if weights and Path(weights).is_file() else []


def intermediate(name, path):
    """Output path of an intermediate result, temporary where the config says so."""
    return temp(path) if name in CONFIG.temporary else path


def one_of(names):
    """Wildcard constraint that matches these names and no others."""
    return "|".join(names) or "(?!)"


def network_params(*keys):
    """Params function: some keys of the wildcard's network in the config."""
    return lambda wildcards: CONFIG.models[wildcards.model].model_dump(mode="json", include=set(keys))


def part(name, *keys):
    """A section of the config, or some of its keys, as params that rerun a stage when they change."""
    values = getattr(CONFIG, name).model_dump(mode="json")
    return {key: values[key] for key in keys} if keys else values


@functools.cache
def code_of(stage, model, also, plugins):
    named = named_plugins(CONFIG, model) | dict(plugins)
    script, package = ROOT / "src/stages" / f"{stage}.py", ROOT / "src/voxplain"
    return code_hash(script, *also, plugins=named, accepted=CONFIG.accept_versions, package=package)


def code(stage, *also, **plugins):
    """Params function: hash of what computes for a stage, with the plug-ins that the config names.

    Of networks that is the wildcard's. `also` names definitions that the script's code does not
    (``voxplain.module:name``), `plugins` those of a registry where they are others than the section's own.
    """
    plugins = tuple((registry, tuple(sorted(names))) for registry, names in plugins.items())
    return lambda wildcards: code_of(stage, wildcards.get("model"), also, plugins)


TABLES_1 = [
    "concept_scores",
    "concept_addition",
    "concept_removal",
    "concept_gaps",
    "model_accuracy",
    "set_aside",
]
CONCEPTS = [
    *[f"{TABLES}/{name}.parquet" for name in TABLES_1],
    *[f"{FIGURES}/{name}.png" for name in ("concept_addition", "concept_removal")],
    *expand_layers(f"{FIGURES}/concepts/{{model}}/seed{{seed}}/{{layer}}/{{label}}.png", label=list(LABELS)),
]

TABLES_2 = ["motion_precision", "baseline_agreement", "selectivity", "explanation_overhead", "selected_share"]
TABLES_2 += ["motion_sweep", "model_accuracy", "set_aside"]
TABLES_2 += ["ground_truth_precision", "flow_error"] if KNOWN else []
RELEVANCE = [
    *[f"{TABLES}/{name}.parquet" for name in TABLES_2],
    f"{FIGURES}/motion_sweep.png",
    *expand(f"{FIGURES}/relevance/{{model}}/seed{{seed}}.png", model=RELEVANCE_MODELS, seed=CONFIG.seeds),
]

# Checks of what the methods find: can it be trusted? Each is a table and, but for the agreement, a figure.
CHECKED = [name for name in CONCEPT_MODELS if name in RELEVANCE_MODELS]
BOTH = bool(CHECKED) and bool(set(EVALUATION["video"]) & set(RELEVANCE_VIDEOS["video"]))
CHECKS = VALIDITY_TABLES | FAITHFULNESS_TABLES
for name in [] if KNOWN else ["concept_ground_truth"]:
    del CHECKS[name]
for name in [] if BOTH else ["concept_motion", "motion_reliance"]:
    del CHECKS[name]
if set(CONFIG.validity.checks or []) - set(CHECKS):
    raise WorkflowError(
        f"validity.checks: {', '.join(sorted(set(CONFIG.validity.checks) - set(CHECKS)))} cannot be made of "
        f"this data and these networks. Known: {', '.join(CHECKS)}."
    )
CHECKS = {name: CHECKS[name] for name in CONFIG.validity.checks or CHECKS}
VALIDITY = [f"{TABLES}/{name}.parquet" for name in CHECKS]
VALIDITY += [f"{FIGURES}/{name}.png" for name in CHECKS if name != "concept_ablation_agreement"]
PARTS = {"concepts": CONCEPTS, "relevance": RELEVANCE, "validity": VALIDITY}

REPORTED = [path for part in CONFIG.parts for path in PARTS[part]]


def print_summary():
    """Say what was made and where."""
    patterns = {"Tables": "tables/*.csv", "Figures": "figures/**/*.[pg][ni][gf]", "Report": "report.html"}
    for kind, pattern in patterns.items():
        found = sorted(Path(RUN).glob(pattern))
        print(f"{kind + ':':<9}" + "\n         ".join(map(str, found[:12])))
        if len(found) > 12:
            print(f"         and {len(found) - 12} more under {RUN}")
