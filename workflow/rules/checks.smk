from voxplain.checks.presets.variants import SELECTIONS, VARIANTS, chosen

# What the checks compute; their tables and figures are made by tables.smk.
FEWER = len(TRIED) / len(DISCOVERY)  # fewer videos make smaller clusters
VIEW = {"form": CONFIG.activations.form, "box": CONFIG.supervoxels.preset, "fill": CONFIG.activations.fill}
PERTURBED_VIDEOS, COMMON_VIDEOS = videos_by_shard(PERTURBED), videos_by_shard(COMMON)
INTERVENED_VIDEOS, SHOWN = videos_by_shard(INTERVENED), pd.concat([INTERVENED, DONORS])
SEARCHED = DISCOVERY_SHARDS + EVALUATION_SHARDS
by_supervoxels = lambda named: any(given["method"] in BY_SUPERVOXELS for given in named.values())
RANDOMIZED_BY = explainers_of(CONFIG.checks.randomized_explainers or EXPLAINERS)
FOLLOWED = TABLE[TABLE["video"].isin(CONFIG.checks.followed or EVALUATION["video"])]
MIRRORED_BY = explainers_of([name for name in CONFIG.checks.mirrored_explainers if name in EXPLAINERS])
INTERVENED_BY = explainers_of([name for name in CONFIG.checks.intervened_explainers if name in EXPLAINERS])
PERTURBED_BY = explainers_of(CONFIG.checks.perturbed_explainers)
try:
    TRIED_VARIANTS = list(chosen(CONFIG.checks.variants, VARIANTS))
    TRIED_SELECTIONS = list(chosen(CONFIG.checks.variants, SELECTIONS))
except VoxplainError as error:
    raise WorkflowError(str(error)) from None


rule try_variants:
    input:
        **CHOSEN,
        weights=at("weights"),
        clips=at("clips", shard=SEARCHED),
        supervoxels=at("supervoxels", shard=SEARCHED),
        activations=at("activations", shard=SEARCHED),
    output:
        scores=at("variant_scores"),
        members=at("variant_members"),
        edits=at("variant_edits"),
        agreement=at("variant_agreement"),
    log:
        f"{NETWORK}/logs/try_variants.log",
    benchmark:
        f"{NETWORK}/benchmarks/try_variants.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(6000, 480, network=True),
    params:
        variants=TRIED_VARIANTS,
        discovery=TRIED["video"].tolist(),
        evaluation=EDITED["video"].tolist(),
        layer=first_layer,
        grid=CONFIG.activations.pooling,
        view=VIEW,
        clustering=CLUSTERING | {"min_supervoxels": round(CLUSTERING["min_supervoxels"] * FEWER)},
        sets={"sets": CONFIG.checks.random_sets, "size": CONFIG.cavs.set_size},
        editing={"k_max": CONFIG.checks.edited_concepts, "clip_draws": CONFIG.checks.edited_draws},
        batch=CONFIG.activations.batch,
        seeds=streams("clustering", "random_sets", "draws"),
        code=code("try_variants", classifiers=[VARIANTS[name].classifier for name in TRIED_VARIANTS]),
    script:
        "../../src/stages/try_variants.py"


rule select_variants:
    input:
        clips=at("clips"),
        flow=at("flow"),
        explanations=at("explanations"),
    output:
        at("variant_selections"),
    log:
        f"{NETWORK}/logs/select_variants.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/select_variants.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 120),
    params:
        variants=TRIED_SELECTIONS,
        explainers=list(EXPLAINERS),
        sigma=CONFIG.selective.sigma,
        relevant=CRITERIA,
        moving=MOVING,
        code=code("select_variants"),
    script:
        "../../src/stages/select_variants.py"


rule match_concepts:
    input:
        **DISCOVERED,
        truth=at("truth", shard=DISCOVERY_SHARDS),
        members=at("concept_members", **OF_CLASS),
        scores=at("scored_concepts"),
        variant_members=at("variant_members"),
        variant_scores=at("variant_scores"),
    output:
        at("matched_concepts"),
    log:
        f"{LAYER}/logs/match_concepts.log",
    benchmark:
        f"{LAYER}/benchmarks/match_concepts.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(2000, 60),
    params:
        layer=first_layer,
        settings=CONCEPT_SETTINGS | settings("scores.rank_by", "scores.test"),
        code=code("match_concepts"),
    script:
        "../../src/stages/match_concepts.py"


rule randomize_network:
    input:
        **DISCOVERED,
        weights=at("weights"),
        members=of_first_layer("concept_members"),
        scores=of_first_layer("scored_concepts"),
        activations=at("activations", shard=DISCOVERY_SHARDS),
        test=at("clips", shard=EVALUATION_SHARDS),
        test_supervoxels=at("supervoxels", shard=EVALUATION_SHARDS),
    output:
        scores=at("randomized_scores"),
        similarity=at("map_similarity"),
    log:
        f"{NETWORK}/logs/randomize_network.log",
    benchmark:
        f"{NETWORK}/benchmarks/randomize_network.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(6000, 720, network=True),
    params:
        **part("checks", "members", "levels", "draws", "pool", "unrelated"),
        discovery=TRIED["video"].tolist(),
        explained=MAPPED["video"].tolist(),
        explainers=RANDOMIZED_BY,
        segmentation=SEGMENTATION,
        layer=first_layer,
        grid=CONFIG.activations.pooling,
        view=VIEW,
        cavs=part("cavs", "classifier", "options"),
        rank_by=CONFIG.scores.rank_by,
        sets=CONFIG.checks.random_sets,
        batch=CONFIG.activations.batch,
        map_batch=CONFIG.relevance.batch,
        code=code("randomize_network", explainers=[given["method"] for given in RANDOMIZED_BY.values()]),
    script:
        "../../src/stages/randomize_network.py"


rule measure_position:
    input:
        weights=at("weights"),
        clips=at("clips", shard=shards_of(MIRRORED)),
    output:
        at("position_shares"),
    log:
        f"{NETWORK}/logs/measure_position.log",
    benchmark:
        f"{NETWORK}/benchmarks/measure_position.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(6000, 240, network=True),
    params:
        videos=MIRRORED["video"].tolist(),
        explainers=MIRRORED_BY,
        segmentation=SEGMENTATION if by_supervoxels(MIRRORED_BY) else None,
        batch=CONFIG.relevance.batch,
        code=code("measure_position", explainers=[given["method"] for given in MIRRORED_BY.values()]),
    script:
        "../../src/stages/measure_position.py"


rule intervene_clips:
    input:
        weights=at("weights"),
        truth=if_made("truth", shard=shards_of(SHOWN)),
        clips=at("clips", shard=shards_of(SHOWN)),
    output:
        at("intervention_scores"),
    log:
        f"{NETWORK}/logs/intervene_clips.log",
    benchmark:
        f"{NETWORK}/benchmarks/intervene_clips.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(6000, 240, network=True),
    params:
        videos=INTERVENED["video"].tolist(),
        groups=dict(zip(SHOWN["video"], SHOWN["group"] if "group" in SHOWN else SHOWN["video"])),
        explainers=INTERVENED_BY,
        segmentation=SEGMENTATION if by_supervoxels(INTERVENED_BY) else None,
        batch=CONFIG.relevance.batch,
        seed=stream("draws"),
        code=code("intervene_clips", explainers=[given["method"] for given in INTERVENED_BY.values()]),
    script:
        "../../src/stages/intervene_clips.py"


rule measure_frames:
    input:
        weights=at("weights"),
        clips=at("clips"),
        flow=at("flow"),
        explanations=at("explanations"),
        selective=at("selective_maps"),
    output:
        at("frame_scores"),
    log:
        f"{NETWORK}/logs/measure_frames.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/measure_frames.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 240, network=True),
    params:
        videos=lambda wildcards: INTERVENED_VIDEOS.get(wildcards.shard, []),
        explainers=list(EXPLAINERS),
        controls=CONTROLLED,
        batch=CONFIG.relevance.batch,
        code=code("measure_frames"),
    script:
        "../../src/stages/measure_frames.py"


rule probe_layers:
    input:
        weights=at("weights"),
        truth=if_made("truth", shard=TRUTH_SHARDS),
        train=at("clips", shard=DISCOVERY_SHARDS),
        test=at("clips", shard=shards_of(RELEVANCE_VIDEOS)),
    output:
        at("probe_scores"),
    log:
        f"{NETWORK}/logs/probe_layers.log",
    benchmark:
        f"{NETWORK}/benchmarks/probe_layers.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(6000, 240, network=True),
    params:
        train=DISCOVERY["video"].tolist(),
        test=RELEVANCE_VIDEOS["video"].tolist(),
        layers=CONFIG.checks.probed_layers,
        grid=CONFIG.activations.pooling,
        batch=CONFIG.relevance.batch,
        seed=stream("random_sets"),
        code=code("probe_layers"),
    script:
        "../../src/stages/probe_layers.py"


rule vary_choices:
    input:
        activations=at("activations", shard=DISCOVERY_SHARDS),
        cavs=at("cavs", **OF_CLASS),
    output:
        choices=at("choices"),
        importance=at("supervoxel_importance"),
    log:
        f"{LAYER}/logs/vary_choices.log",
    benchmark:
        f"{LAYER}/benchmarks/vary_choices.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 240),
    params:
        **part("checks", "clusters", "repeats", "halves"),
        classes=CLASSES,
        clustering=CLUSTERING,
        sets={"sets": CONFIG.cavs.random_sets, "size": CONFIG.cavs.set_size},
        cavs=part("cavs", "classifier", "options"),
        negatives=CONFIG.cavs.negatives,
        max_supervoxels=CONFIG.concepts.max_supervoxels,
        rank_by=CONFIG.scores.rank_by,
        seeds=streams("clustering", "random_sets"),
        groups=lambda wildcards: dict(zip(DISCOVERY["video"], DISCOVERY["group"])),
        code=code("vary_choices"),
    script:
        "../../src/stages/vary_choices.py"


rule perturb_supervoxels:
    input:
        **PLACED,
    output:
        at("perturbation_curves"),
    log:
        f"{LAYER}/logs/perturb_supervoxels.{{shard}}.log",
    benchmark:
        f"{LAYER}/benchmarks/perturb_supervoxels.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(6000, 480, network=True),
    params:
        options=part("checks", "fills", "steps", "masks", "orders"),
        videos=lambda wildcards: PERTURBED_VIDEOS[wildcards.shard],
        explainers=PERTURBED_BY,
        segmentation=SEGMENTATION,
        code=code("perturb_supervoxels", explainers=[given["method"] for given in PERTURBED_BY.values()]),
    script:
        "../../src/stages/perturb_supervoxels.py"


rule ablate_concepts:
    input:
        **PLACED,
    output:
        at("concept_ablations"),
    log:
        f"{LAYER}/logs/ablate_concepts.{{shard}}.log",
    benchmark:
        f"{LAYER}/benchmarks/ablate_concepts.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 480, network=True),
    params:
        videos=lambda wildcards: PERTURBED_VIDEOS[wildcards.shard],
        subsets=CONFIG.checks.subsets,
        hidden=CONFIG.checks.fills[0],
        code=code("ablate_concepts"),
    script:
        "../../src/stages/ablate_concepts.py"


rule measure_concept_motion:
    input:
        **PLACED,
        flow=at("flow"),
        explanations=at("explanations"),
        selective=at("selective_maps"),
    output:
        concept_clip_motion=at("concept_clip_motion"),
        clip_motion=at("clip_motion"),
    log:
        f"{LAYER}/logs/measure_concept_motion.{{shard}}.log",
    benchmark:
        f"{LAYER}/benchmarks/measure_concept_motion.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 240, network=True),
    params:
        videos=lambda wildcards: COMMON_VIDEOS[wildcards.shard],
        explainers=list(EXPLAINERS),
        moving=MOVING,
        code=code("measure_concept_motion"),
    script:
        "../../src/stages/measure_concept_motion.py"


rule follow_concepts:
    input:
        **CHOSEN,
        made=MADE,
        weights=at("weights"),
        concepts=at("concepts", **OF_CLASS),
        scores=at("scored_concepts"),
        cavs=at("cavs", **OF_CLASS),
    output:
        windows=at("concept_windows"),
        frames=at("window_frames"),
    log:
        f"{LAYER}/logs/follow_concepts.log",
    benchmark:
        f"{LAYER}/benchmarks/follow_concepts.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 240, network=True),
    params:
        listed=lambda wildcards: decoded(FOLLOWED),
        longest=None if CONFIG.checks.followed else CONFIG.checks.followed_classes,
        windows={
            "step": CONFIG.checks.window_step,
            "most": CONFIG.checks.windows,
            "frames": CONFIG.clips.frames,
            "between": CONFIG.clips.step,
            **part("clips", "sampling", "size", "crop"),
        },
        options={
            "segmentation": SEGMENTATION,
            "preset": CONFIG.supervoxels.preset,
            "criteria": CONFIG.supervoxels.options,
            "pooling": CONFIG.activations.pooling,
            "view": part("activations", "form", "fill", "batch"),
        },
        code=code("follow_concepts"),
    script:
        "../../src/stages/follow_concepts.py"
