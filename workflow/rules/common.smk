import functools
import re
import sys
from glob import glob
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError

ROOT = Path(str(workflow.current_basedir)).parents[1]
sys.path.insert(0, str(ROOT / "src"))

from voxplain.cli.values import read_yaml, with_types
from voxplain.concepts.given.plan import given_files, given_problems, under_masks
from voxplain.concepts.names import read_names
from voxplain.config import digest, load_config
from voxplain.errors import VoxplainError, killed_job
from voxplain.explainers import BY_SUPERVOXELS
from voxplain.finished import tabulated
from voxplain.plan import named_plugins, plan_run, what_is_there, with_defaults
from voxplain.provenance import code_hash
from voxplain.report.summary import summary
from voxplain.tables import choose_tables
from voxplain.videos.plan import (
    decoded_rows,
    discovery_videos,
    evaluation_videos,
    file_states,
    listed_rows,
    other_videos,
    source_file,
    truth_rows,
    what_is_known,
)
from voxplain.videos.table import FILES, safe_name

try:
    # As a module of another workflow, this one has no --config of its own.
    for path in workflow.config_settings.configfiles:
        if Path(path).suffix != ".json":
            read_yaml(path)  # Snakemake drops keys that stand twice
    given = workflow.config_settings.config_args if config is workflow.globals["config"] else []
    CONFIG, DATA, TABLE = plan_run(load_config(with_types(config, given or [])))
except VoxplainError as error:
    raise WorkflowError(str(error)) from None

DISCOVERY = discovery_videos(TABLE, CONFIG.concepts.videos_per_class)
EVALUATION = evaluation_videos(TABLE, CONFIG.editing.videos_per_class)
RELEVANCE_VIDEOS = evaluation_videos(TABLE, CONFIG.relevance.videos_per_class)
COMMON = EVALUATION.merge(RELEVANCE_VIDEOS[["video"]], on="video")
TRIED = discovery_videos(DISCOVERY, CONFIG.checks.videos_per_class)
COMPARED = DISCOVERY.iloc[:: max(1, -(-len(DISCOVERY) // 8))]  # at most 8, spread over classes and shards
EDITED = evaluation_videos(EVALUATION, CONFIG.checks.edited_per_class)
PERTURBED = evaluation_videos(EVALUATION, CONFIG.checks.perturbed_per_class)
MAPPED = evaluation_videos(EVALUATION, CONFIG.checks.maps_per_class)
MIRRORED = evaluation_videos(RELEVANCE_VIDEOS, CONFIG.checks.mirrored_per_class)
INTERVENED = evaluation_videos(RELEVANCE_VIDEOS, CONFIG.checks.intervened_per_class)
# Whose evidence is added to these: of videos apart from them, where there are.
DONORS = other_videos(TABLE, INTERVENED, CONFIG.checks.intervened_per_class)
CONCEPT_MODELS = CONFIG.concepts.models or list(CONFIG.models)
RELEVANCE_MODELS = CONFIG.relevance.models or list(CONFIG.models)
COMMON_MODELS = [name for name in CONCEPT_MODELS if name in RELEVANCE_MODELS]
EXPLAINERS = CONFIG.model_dump(mode="json")["explainers"]
GIVEN = CONFIG.model_dump(mode="json")["concepts"]["given"]
CONTROLLED = CONFIG.controlled_explainers()
USES_SUPERVOXELS = any((given["method"] or name) in BY_SUPERVOXELS for name, given in EXPLAINERS.items())
EMBEDDED = CONFIG.data.path is None
KNOWN, FLOW_KNOWN = (what_is_known(TABLE, embedded=EMBEDDED)[name] for name in ("known", "flow_known"))
CLASS_NAMES = {safe_name(name): name for name in sorted(TABLE["class"].unique())}  # by wildcards
CLASSES = lambda wildcards: list(CLASS_NAMES.values())  # in a list, braces would be wildcards


def videos_by_shard(table):
    """Videos of each shard, made once: a job's parameters name its own videos only."""
    return {shard: rows["video"].tolist() for shard, rows in table.groupby("shard")}


def shards_of(table, split=""):
    return [shard for shard in sorted(table["shard"].unique()) if shard.startswith(split)]


def listed(table):
    """Digest of rows of the video table: what hangs on these reruns when they change, and not with other rows."""
    return digest(listed_rows(table))


def decoded(table):
    """What decoding needs of rows of the video table, and a digest of the state of their files where they are the user's."""
    table = table.sort_values("video")
    return {"rows": decoded_rows(table), "files": None if EMBEDDED else digest(file_states(table["path"]))}


def listed_in_shard(wildcards):
    """Params function: what decoding needs of a shard's rows.

    Not the video table as an input, which changes with rows of other shards. (Behind an input that is ``ancient`` and made
    again Snakemake looks at no other reason to run a job, nor any job that follows.)
    """
    return decoded(TABLE[TABLE["shard"] == wildcards.shard])


def truth_in_shard(wildcards):
    """Params function: what ground truth a shard's videos have, and a digest of the state of its files."""
    rows = TABLE[TABLE["shard"] == wildcards.shard]
    if EMBEDDED:
        return {"rows": rows[["video"]].sort_values("video").to_dict("records"), "files": None}
    files = {row[name] for row in truth_rows(rows) for name in FILES if row[name]}
    return {"rows": truth_rows(rows), "files": digest(file_states(sorted(files)))}


segmented = [DISCOVERY, EVALUATION, *([RELEVANCE_VIDEOS] if USES_SUPERVOXELS else [])]
TRUTH_SHARDS = shards_of(pd.concat([DISCOVERY, RELEVANCE_VIDEOS]))
LOOKED_AT = videos_by_shard(pd.concat([DISCOVERY, EVALUATION]).drop_duplicates("video"))
SEGMENTED = videos_by_shard(pd.concat(segmented).drop_duplicates("video"))
RELEVANT = videos_by_shard(RELEVANCE_VIDEOS)
DISCOVERY_SHARDS, EVALUATION_SHARDS = shards_of(DISCOVERY), shards_of(EVALUATION)
SHARDS_OF_CLASS = {name: shards_of(rows) for name, rows in DISCOVERY.groupby("class")}


def part(name, *keys):
    """A section of the config, or some of its keys, as params that rerun a stage when they change."""
    values = getattr(CONFIG, name).model_dump(mode="json")
    return {key: values[key] for key in keys} if keys else values


def settings(*places):
    """Values by place in the config, as params by which what is compared with another run's says that it was made alike."""
    return {place: CONFIG.value(place) for place in places}


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


CLUSTERING = part(
    "concepts",
    *["clusters", "min_supervoxels", "max_members", "cutoff"],
    *["popularity", "normalize", "components", "restarts"],
)
SEGMENTATION = CONFIG.supervoxels.segmentation()
CLIP_SETTINGS = settings(
    *[f"clips.{key}" for key in ("frames", "step", "size", "sampling", "per_video", "crop")]
)
SEGMENT_SETTINGS = {f"supervoxels.{key}": value for key, value in SEGMENTATION.items()}
CONCEPT_SETTINGS = CLIP_SETTINGS | SEGMENT_SETTINGS
CONCEPT_SETTINGS |= settings(
    *[f"supervoxels.{key}" for key in ("preset", "options")],
    *[f"activations.{key}" for key in ("form", "fill", "pooling")],
    *[f"concepts.{key}" for key in (*CLUSTERING, "max_supervoxels")],
    *[f"cavs.{key}" for key in part("cavs")],
)
FLOW_OPTIONS = part("flow", "method", "options", "camera")
MOVING = {"unit": CONFIG.flow.moving.unit, "threshold": CONFIG.flow.moving.threshold}

RUN = f"results/{CONFIG.run}"


def place_of(kind, folder, key):
    """Folder of a kind that runs share, or the run's own where it throws the kind away: others may need theirs."""
    return f"{RUN}/own/{kind}-{key}" if kind in CONFIG.temporary else f"{folder}/{kind}-{key}"


CLIPS = place_of("clips", DATA, digest(CONFIG.clips))
SEGMENTS = place_of("supervoxels", CLIPS, digest(SEGMENTATION, SEGMENTED))
FLOW = place_of("flow", CLIPS, digest(FLOW_OPTIONS, RELEVANT))
NETWORK = f"{RUN}/models/{{model}}/seed{{seed}}"
LAYER = f"{NETWORK}/{{layer}}"
TABLES = f"{RUN}/tables"
FIGURES = f"{RUN}/figures"
MADE = [f"{DATA}/embedded/videos.csv"] if EMBEDDED else []
TRUTH = place_of("truth", CLIPS, digest(CONFIG.truth, EMBEDDED))


def networks(models):
    """Networks and their seeds, as wildcards."""
    return [{"model": model, "seed": seed} for model in models for seed in CONFIG.seeds]


def layers(models, most=None):
    """Networks, seeds and layers, or the first layers of each network."""
    return [
        {**network, "layer": layer}
        for network in networks(models)
        for layer in CONFIG.models[network["model"]].layers[:most]
    ]


PRECISION_IS_CHOSEN = CONFIG.device.precision != "float32"
ONE, TRAINED = [{}], networks(CONFIG.models)
FOUND, FIRST, CHECKED = layers(CONCEPT_MODELS), layers(CONCEPT_MODELS, 1), networks(CONCEPT_MODELS)
EXPLAINED, BOTH, FIRST_OF_BOTH = networks(RELEVANCE_MODELS), networks(COMMON_MODELS), layers(COMMON_MODELS, 1)
FIRST_SEED = EXPLAINED[:: len(CONFIG.seeds)]
OF_CLASS = {"class_name": list(CLASS_NAMES)}
ALL_SHARDS, EDITED_SHARDS = {"shard": shards_of(TABLE)}, {"shard": EVALUATION_SHARDS}
SEGMENTED_SHARDS, RELEVANT_SHARDS = {"shard": list(SEGMENTED)}, {"shard": list(RELEVANT)}
PERTURBED_SHARDS, COMMON_SHARDS = {"shard": shards_of(PERTURBED)}, {"shard": shards_of(COMMON)}
# Kinds of artifact: where they lie, for which networks or layers, and for which shards or classes of each.
ARTIFACTS = {
    "videos": (f"{DATA}/videos.parquet", ONE, {}),
    "clips": (f"{CLIPS}/clips/{{shard}}.h5", ONE, ALL_SHARDS),
    "set_aside_videos": (f"{CLIPS}/set_aside_videos/{{shard}}.parquet", ONE, ALL_SHARDS),
    "truth": (f"{TRUTH}/{{shard}}.h5", ONE if KNOWN or FLOW_KNOWN else [], {"shard": TRUTH_SHARDS}),
    "features": (f"{RUN}/models/{{model}}/features.h5", [], {}),
    "weights": (f"{NETWORK}/weights.safetensors", TRAINED, {}),
    "predictions": (f"{NETWORK}/predictions.parquet", TRAINED, {}),
    "chosen_precision": (f"{NETWORK}/chosen_precision.parquet", CHECKED if PRECISION_IS_CHOSEN else [], {}),
    "supervoxels": (f"{SEGMENTS}/{{shard}}.h5", ONE, SEGMENTED_SHARDS),
    "activations": (f"{NETWORK}/activations/{{shard}}.h5", CHECKED, SEGMENTED_SHARDS),
    "random_sets": (f"{LAYER}/random_sets.h5", FOUND, {}),
    "random_cavs": (f"{LAYER}/random_cavs.h5", FOUND, {}),
    "random_gradients": (f"{LAYER}/random_gradients.h5", FOUND, {}),
    "concepts": (f"{LAYER}/concepts/{{class_name}}.h5", FOUND, OF_CLASS),
    "concept_members": (f"{LAYER}/concept_members/{{class_name}}.parquet", FOUND, OF_CLASS),
    "cavs": (f"{LAYER}/cavs/{{class_name}}.h5", FOUND, OF_CLASS),
    "scored_concepts": (f"{LAYER}/scored_concepts.parquet", FOUND, {}),
    "concept_controls": (f"{LAYER}/concept_controls.parquet", FOUND, {}),
    "edits": (f"{LAYER}/edits/{{shard}}.parquet", FOUND, EDITED_SHARDS),
    "steered_concepts": (f"{LAYER}/steered_concepts/{{shard}}.parquet", FOUND, EDITED_SHARDS),
    "given_scores": (f"{LAYER}/given_scores.parquet", FOUND if GIVEN else [], {}),
    "steered_given": (f"{LAYER}/steered_given.parquet", FOUND if GIVEN else [], {}),
    "concept_clips": (f"{LAYER}/concept_clips.json", FOUND, {}),
    "flow": (f"{FLOW}/{{shard}}.h5", ONE, RELEVANT_SHARDS),
    "flow_errors": (f"{RUN}/flow_errors.parquet", ONE if FLOW_KNOWN else [], {}),
    "explanations": (f"{NETWORK}/explanations/{{shard}}.h5", EXPLAINED, RELEVANT_SHARDS),
    "selective_maps": (f"{NETWORK}/selective_maps/{{shard}}.h5", EXPLAINED, RELEVANT_SHARDS),
    "motion_scores": (f"{NETWORK}/motion_scores/{{shard}}.parquet", EXPLAINED, RELEVANT_SHARDS),
    "map_agreement": (f"{NETWORK}/map_agreement/{{shard}}.parquet", EXPLAINED, RELEVANT_SHARDS),
    "ground_truth_scores": (f"{NETWORK}/ground_truth_scores/{{shard}}.parquet", EXPLAINED, RELEVANT_SHARDS),
    "sweep_scores": (f"{NETWORK}/sweep_scores/{{shard}}.parquet", EXPLAINED, RELEVANT_SHARDS),
    "timings": (f"{NETWORK}/timings.parquet", FIRST_SEED, {}),
    "relevance_clips": (f"{NETWORK}/relevance_clips.json", FIRST_SEED, {}),
    "variant_scores": (f"{NETWORK}/variant_scores.parquet", CHECKED, {}),
    "variant_members": (f"{NETWORK}/variant_members.parquet", CHECKED, {}),
    "variant_edits": (f"{NETWORK}/variant_edits.parquet", CHECKED, {}),
    "variant_agreement": (f"{NETWORK}/variant_agreement.parquet", CHECKED, {}),
    "variant_selections": (f"{NETWORK}/variant_selections/{{shard}}.parquet", BOTH, RELEVANT_SHARDS),
    "matched_concepts": (f"{LAYER}/matched_concepts.parquet", FOUND if KNOWN else [], {}),
    "randomized_scores": (f"{NETWORK}/randomized_scores.parquet", CHECKED, {}),
    "map_similarity": (f"{NETWORK}/map_similarity.parquet", CHECKED, {}),
    "position_shares": (f"{NETWORK}/position_shares.parquet", EXPLAINED, {}),
    "intervention_scores": (f"{NETWORK}/intervention_scores.parquet", EXPLAINED, {}),
    "probe_scores": (f"{NETWORK}/probe_scores.parquet", TRAINED if KNOWN and FLOW_KNOWN else [], {}),
    "frame_scores": (f"{NETWORK}/frame_scores/{{shard}}.parquet", EXPLAINED, RELEVANT_SHARDS),
    "choices": (f"{LAYER}/choices.parquet", FOUND, {}),
    "supervoxel_importance": (f"{LAYER}/supervoxel_importance.parquet", FOUND, {}),
    "perturbation_curves": (f"{LAYER}/perturbation_curves/{{shard}}.parquet", FIRST, PERTURBED_SHARDS),
    "concept_ablations": (f"{LAYER}/concept_ablations/{{shard}}.parquet", FIRST, PERTURBED_SHARDS),
    "concept_clip_motion": (f"{LAYER}/concept_clip_motion/{{shard}}.parquet", FIRST_OF_BOTH, COMMON_SHARDS),
    "clip_motion": (f"{LAYER}/clip_motion/{{shard}}.parquet", FIRST_OF_BOTH, COMMON_SHARDS),
    "concept_windows": (f"{LAYER}/concept_windows.parquet", FIRST, {}),
    "window_frames": (f"{LAYER}/window_frames.parquet", FIRST, {}),
}


wildcard_constraints:
    model="|".join(CONFIG.models),
    seed=r"\d+",
    layer="|".join({re.escape(layer) for model in CONFIG.models.values() for layer in model.layers}),
    shard=r"(train|test)-\d+",
    class_name=r"[A-Za-z0-9_.-]+",


def at(kind, **values):
    """Path of a kind of artifact, with its wildcards; or paths, with these wildcards expanded."""
    path = ARTIFACTS[kind][0]
    return expand(path, allow_missing=True, **values) if values else path


def of_other_run(kind):
    """Paths of a kind for this run's networks in the run that it is compared with, whose shards need not be the same."""
    (path, places, more), run = ARTIFACTS[kind], CONFIG.relevance.compare_with
    path, found = path.replace(f"{RUN}/", f"results/{run}/"), []
    if run is None:
        return found
    for place in places:
        # Without shards that an older plan left; where there are none, Snakemake says what is missing.
        there = tabulated(f"results/{run}", sorted(glob(path.format(**place, **dict.fromkeys(more, "*")))))
        found += [*map(str, there)] or expand(path, **place, **more)
    return found


def every(kind):
    """Paths of all artifacts of a kind, or of a final table; with ``other_`` before it those of another run."""
    if kind.startswith("other_"):
        return of_other_run(kind.removeprefix("other_"))
    if kind not in ARTIFACTS:
        return [f"{TABLES}/{kind}.parquet"]
    path, places, more = ARTIFACTS[kind]
    return [found for place in places for found in expand(path, **place, **more)]


def made(kind):
    """Output path of an artifact, temporary where the config says so."""
    return temp(at(kind)) if kind.removesuffix("_maps") in CONFIG.temporary else at(kind)


def of_class(kind):
    """Input function: a kind's files of the shards that hold discovery videos of the wildcard's class."""
    return lambda wildcards: expand(
        at(kind), shard=SHARDS_OF_CLASS[CLASS_NAMES[wildcards.class_name]], **dict(wildcards.items())
    )


def if_made(kind, **values):
    """Input function: a kind's files where the run has it."""
    return at(kind, **values) if ARTIFACTS[kind][1] else []


# The decision that stages which show a network many clips read, so that no shard differs from another.
CHOSEN = {"precision": at("chosen_precision")} if PRECISION_IS_CHOSEN else {}
# What it takes to place concepts in a shard's clips and show these to the network; and what concepts were found in.
PLACED = {kind: at(kind) for kind in ("weights", "clips", "supervoxels", "activations")}
PLACED |= CHOSEN | {"concepts": at("concepts", **OF_CLASS), "scores": at("scored_concepts")}
DISCOVERED = {kind: at(kind, shard=DISCOVERY_SHARDS) for kind in ("clips", "supervoxels")}


def of_first_layer(kind):
    """Input function: a kind's files of the network's first layer."""
    more = ARTIFACTS[kind][2]
    return lambda wildcards: expand(at(kind), layer=first_layer(wildcards), **more, **dict(wildcards.items()))


def first_layer(wildcards):
    """Params function: the layer that the checks look at."""
    return CONFIG.models[wildcards.model].layers[0]


def model_params(*keys):
    """Params function: some keys of the wildcard's network in the config."""
    return lambda wildcards: CONFIG.models[wildcards.model].model_dump(mode="json", include=set(keys))


def stream(name):
    """Params function: the seed of a part of the run, by default the network's."""
    given = getattr(CONFIG.streams, name)
    return lambda wildcards: int(wildcards.seed) if given is None else given


def streams(*names):
    """Params function: the seeds of several parts of the run."""
    return lambda wildcards: {name: stream(name)(wildcards) for name in names}


def weights_file(wildcards):
    """Input function: the file of given weights, whose change reruns what was made with it."""
    weights = CONFIG.models[wildcards.model].weights
    return [weights] if weights and Path(weights).is_file() else []


def training_input(wildcards):
    """Input function: what the head is fitted to where it is new, else the clips that the network is trained on."""
    if CONFIG.models[wildcards.model].head == "new":
        return at("features")
    return at("clips", shard=shards_of(TABLE, "train"))


def explainers_of(names):
    """Explainers of the config by their names; others are those of the method's name."""
    return {name: EXPLAINERS.get(name, {"method": name, "options": {}}) for name in names}


def needs(mb, minutes, network=False):
    """Resources: memory and time, twice as much in the second attempt, and so on; where a network runs, a device."""
    found = {"mem_mb": lambda wildcards, attempt: mb * attempt}
    found["runtime"] = lambda wildcards, attempt: minutes * attempt
    if network:
        found |= {"device": device_of_attempt, "jobs_per_gpu": CONFIG.device.jobs_per_gpu}
    return found


def device_of_attempt(wildcards, attempt):
    """Resource function: where a job runs. A resource, because what a stage computes does not hang on it."""
    return "cpu" if attempt > 1 and CONFIG.device.cpu_after_failure else CONFIG.device.use


# Names of concepts, and of the final tables (voxplain.tables) those that the data, the networks and the config allow.
try:
    NAMES = read_names(CONFIG.concepts.names, FOUND, list(CLASS_NAMES.values()))
    FINAL = choose_tables(**what_is_there(CONFIG, TABLE), checks=CONFIG.checks.tables)
    masks, known = EMBEDDED or bool((TABLE["masks"] != "").any()), {row["name"] for row in NAMES}
    for problem in given_problems(CONFIG, masks=masks, known=KNOWN, names=known):
        raise VoxplainError(problem)
except VoxplainError as error:
    raise WorkflowError(str(error)) from None


def tables_of(*parts):
    """Paths of the final tables of some parts, and of their CSV, which is made again only where a target asks for it."""
    names = [name for name, entry in FINAL.items() if entry.part in parts]
    return expand(f"{TABLES}/{{name}}.{{ending}}", name=names, ending=["parquet", "csv"])


def inputs_of(wanting):
    """Kinds that go into a table or figure; of what it can do without only those that the run makes anyway."""
    kinds = wanting.inputs.values()
    if not getattr(wanting, "optional", False):
        return list(kinds)
    made_here = ("networks", *CONFIG.parts)
    return [kind for kind in kinds if kind in ARTIFACTS or (kind in FINAL and FINAL[kind].part in made_here)]


def figures_of(*parts):
    """Paths of the figures of their final tables."""
    return [f"{FIGURES}/{name}.png" for name, entry in FINAL.items() if entry.part in parts and entry.figure]


def options_of(entry):
    """Options of a table or figure, with their values in the config."""
    return {name: CONFIG.value(place) for name, place in entry.options.items()}


GIVEN_EXAMPLES = [
    f"{FIGURES}/given/{{model}}/seed{{seed}}/{{layer}}.png".format(**place)
    for place in (FOUND if GIVEN else [])
]
PARTS = {
    "concepts": tables_of("networks", "concepts")
    + figures_of("concepts")
    + [
        f"{FIGURES}/concepts/{{model}}/seed{{seed}}/{{layer}}/{name}.png".format(**place)
        for place in FOUND
        for name in CLASS_NAMES
    ],
    "relevance": tables_of("networks", "relevance")
    + figures_of("relevance")
    + [f"{FIGURES}/relevance/{{model}}/seed{{seed}}.png".format(**place) for place in EXPLAINED],
    "checks": tables_of("checks") + figures_of("checks"),
}


def print_killed(logs):
    """Say which signal ended a job, where one did, and what to do, from Snakemake's logs."""
    if told := killed_job("\n".join(Path(log).read_text(errors="replace") for log in logs)):
        print(f"voxplain: {told}", file=sys.stderr)
