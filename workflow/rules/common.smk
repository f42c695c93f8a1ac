import sys
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError

ROOT = Path(str(workflow.current_basedir)).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from voxplain.config import digest, load_config
from voxplain.errors import VoxplainError
from voxplain.provenance import code_hash
from voxplain.videos.plan import discovery_videos, evaluation_videos, plan_videos, source_file
from voxplain.videos.table import safe_name

try:
    CONFIG = load_config(config)
    # Videos, clips and supervoxels depend on few settings, and runs that agree in them share them.
    DATA = f"results/shared/{Path(CONFIG.data.path or 'embedded').stem}-{digest(CONFIG.data)}"
    TABLE = plan_videos(f"{DATA}/embedded", **dict(CONFIG.data))
except VoxplainError as error:
    raise WorkflowError(str(error)) from None

DISCOVERY = discovery_videos(TABLE, CONFIG.concepts.videos_per_class)
EVALUATION = evaluation_videos(TABLE, CONFIG.editing.videos_per_class)
SEGMENTATION = {
    "n_segments": CONFIG.supervoxels.n_segments,
    "compactness": CONFIG.supervoxels.compactness,
    "sigma": CONFIG.supervoxels.sigma,
}

RUN = f"results/{CONFIG.run}"
CLIPS = f"{DATA}/clips-{digest(CONFIG.clips)}"
SEGMENTS = f"{CLIPS}/supervoxels-{digest(SEGMENTATION, CONFIG.concepts.videos_per_class, CONFIG.editing.videos_per_class)}"
NETWORK = f"{RUN}/models/{{model}}/seed{{seed}}"
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
EXPLAINED = {
    shard: rows["video"].tolist() for shard, rows in pd.concat([DISCOVERY, EVALUATION]).groupby("shard")
}


wildcard_constraints:
    model="|".join(CONFIG.models),
    seed=r"\d+",
    layer=r"[A-Za-z0-9_.-]+",
    shard=r"(train|test)-\d+",
    label=r"[A-Za-z0-9_.-]+",


def expand_layers(pattern, **fixed):
    """Expand a pattern over all networks, seeds and layers."""
    return [
        path
        for name, model in CONFIG.models.items()
        for path in expand(pattern, model=name, seed=CONFIG.seeds, layer=model.layers, **fixed)
    ]


def shards_of_class(pattern):
    """Input function: the shards that hold discovery videos of the wildcard's class."""
    return lambda wildcards: expand(
        pattern, shard=SHARDS_OF_CLASS[LABELS[wildcards.label]], **dict(wildcards.items())
    )


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


def code(stage, *plugins):
    """Hash of a stage's script and of the library modules that it calls."""
    return code_hash(ROOT / "src/stages" / f"{stage}.py", *plugins)


TABLES_1 = ["concept_scores", "concept_addition", "concept_removal", "concept_gaps", "model_accuracy", "set_aside"]
CONCEPTS = [
    *[f"{TABLES}/{name}.parquet" for name in TABLES_1],
    *[f"{FIGURES}/{name}.png" for name in ("concept_addition", "concept_removal")],
    *expand_layers(f"{FIGURES}/concepts/{{model}}/seed{{seed}}/{{layer}}/{{label}}.png", label=list(LABELS)),
]


def print_summary():
    """Say what was made and where."""
    for kind, pattern in [("Tables", "tables/*.csv"), ("Figures", "figures/**/*.png"), ("Report", "report.html")]:
        found = sorted(Path(RUN).glob(pattern))
        print(f"{kind + ':':<9}" + "\n         ".join(map(str, found[:12])))
        if len(found) > 12:
            print(f"         and {len(found) - 12} more under {RUN}")
