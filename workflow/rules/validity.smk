from voxplain.validity.variants import SELECTIONS, VARIANTS, chosen

# Can the explanations be trusted? Each check is a table and a figure of the same name.

# Fewer videos make smaller clusters.
FEWER = len(TRIED) / len(DISCOVERY)
CLUSTERING = part("concepts", "clusters", "min_supervoxels", "max_members")
VIEW = {
    "form": CONFIG.activations.form,
    "box": CONFIG.supervoxels.preset,
    "fill": CONFIG.activations.fill,
}
MAP_EXPLAINERS = {name: EXPLAINERS[name] for name in CONFIG.validity.explainers or EXPLAINERS}


rule try_variants:
    input:
        weights=f"{NETWORK}/weights.safetensors",
        clips=expand(f"{CLIPS}/clips/{{shard}}.h5", shard=DISCOVERY_SHARDS + EVALUATION_SHARDS),
        labels=expand(f"{SEGMENTS}/labels/{{shard}}.h5", shard=DISCOVERY_SHARDS + EVALUATION_SHARDS),
        activations=expand(
            f"{NETWORK}/activations/{{shard}}.h5",
            shard=DISCOVERY_SHARDS + EVALUATION_SHARDS,
            allow_missing=True,
        ),
    output:
        scores=f"{NETWORK}/variants/scores.parquet",
        members=f"{NETWORK}/variants/members.parquet",
        edits=f"{NETWORK}/variants/edits.parquet",
        agreement=f"{NETWORK}/variants/agreement.parquet",
    log:
        f"{NETWORK}/logs/try_variants.log",
    benchmark:
        f"{NETWORK}/benchmarks/try_variants.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(6000),
        runtime=grows(480),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        variants=list(chosen(CONFIG.validity.variants, VARIANTS)),
        discovery=videos_of(TRIED),
        evaluation=videos_of(EDITED),
        layer=first_layer,
        grid=CONFIG.activations.pooling,
        view=VIEW,
        clustering=CLUSTERING | {"min_supervoxels": round(CLUSTERING["min_supervoxels"] * FEWER)},
        sets={"sets": CONFIG.validity.random_sets, "size": CONFIG.cavs.set_size},
        batch=CONFIG.activations.batch,
        code=code(
            "try_variants",
            classifiers={VARIANTS[name].classifier for name in chosen(CONFIG.validity.variants, VARIANTS)},
        ),
    script:
        "../../src/stages/try_variants.py"


rule select_variants:
    input:
        clips=f"{CLIPS}/clips/{{shard}}.h5",
        flow=f"{FLOW}/{{shard}}.h5",
        explanations=f"{NETWORK}/explanations/{{shard}}.h5",
    output:
        f"{NETWORK}/variants/selections/{{shard}}.parquet",
    log:
        f"{NETWORK}/logs/select_variants.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/select_variants.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(120),
    params:
        variants=list(chosen(CONFIG.validity.variants, SELECTIONS)),
        explainers=list(EXPLAINERS),
        sigma=CONFIG.selective.sigma,
        relevant=part("relevance", "relevant")["relevant"],
        moving=MOVING,
        code=code("select_variants"),
    script:
        "../../src/stages/select_variants.py"


rule tabulate_presets:
    input:
        scores=expand_checked(f"{NETWORK}/variants/scores.parquet"),
        edits=expand_checked(f"{NETWORK}/variants/edits.parquet"),
        agreement=expand_checked(f"{NETWORK}/variants/agreement.parquet"),
        selections=expand(
            f"{NETWORK}/variants/selections/{{shard}}.parquet",
            model=CHECKED,
            seed=CONFIG.seeds,
            shard=RELEVANT_SHARDS,
        ),
    output:
        f"{TABLES}/presets.parquet",
    log:
        f"{RUN}/logs/tabulate_presets.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_presets.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("tabulate_presets"),
    script:
        "../../src/stages/tabulate_presets.py"


rule match_concepts:
    input:
        truth=TRUTH_SOURCE,
        members=expand(f"{LAYER}/members/{{label}}.parquet", label=list(LABELS), allow_missing=True),
        scores=expand(f"{LAYER}/scores/{{label}}.parquet", label=list(LABELS), allow_missing=True),
        variant_members=f"{NETWORK}/variants/members.parquet",
        variant_scores=f"{NETWORK}/variants/scores.parquet",
        clips=expand(f"{CLIPS}/clips/{{shard}}.h5", shard=DISCOVERY_SHARDS),
        labels=expand(f"{SEGMENTS}/labels/{{shard}}.h5", shard=DISCOVERY_SHARDS),
    output:
        f"{LAYER}/concept_shares.parquet",
    log:
        f"{LAYER}/logs/match_concepts.log",
    benchmark:
        f"{LAYER}/benchmarks/match_concepts.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        truth=TRUTH,
        layer=first_layer,
        code=code("match_concepts"),
    script:
        "../../src/stages/match_concepts.py"


rule tabulate_concept_ground_truth:
    input:
        expand_layers(f"{LAYER}/concept_shares.parquet"),
    output:
        concept_ground_truth=f"{TABLES}/concept_ground_truth.parquet",
        concept_shares=f"{TABLES}/concept_shares.parquet",
    log:
        f"{RUN}/logs/tabulate_concept_ground_truth.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_concept_ground_truth.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("tabulate_concept_ground_truth"),
    script:
        "../../src/stages/tabulate_concept_ground_truth.py"


rule randomize_network:
    input:
        weights=f"{NETWORK}/weights.safetensors",
        members=of_first_layer(f"{LAYER}/members/{{label}}.parquet"),
        scores=of_first_layer(f"{LAYER}/scores/{{label}}.parquet"),
        supervoxels=expand(f"{RUN}/supervoxels/{{shard}}.parquet", shard=DISCOVERY_SHARDS),
        clips=expand(f"{CLIPS}/clips/{{shard}}.h5", shard=DISCOVERY_SHARDS),
        labels=expand(f"{SEGMENTS}/labels/{{shard}}.h5", shard=DISCOVERY_SHARDS),
        test=expand(f"{CLIPS}/clips/{{shard}}.h5", shard=EVALUATION_SHARDS),
        test_labels=expand(f"{SEGMENTS}/labels/{{shard}}.h5", shard=EVALUATION_SHARDS),
    output:
        scores=f"{NETWORK}/randomized/scores.parquet",
        maps=f"{NETWORK}/randomized/maps.parquet",
    log:
        f"{NETWORK}/logs/randomize_network.log",
    benchmark:
        f"{NETWORK}/benchmarks/randomize_network.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(6000),
        runtime=grows(720),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        **part("validity", "members", "levels", "draws"),
        discovery=videos_of(TRIED),
        explained=videos_of(MAPPED),
        explainers=MAP_EXPLAINERS,
        segmentation=SEGMENTATION,
        layer=first_layer,
        grid=CONFIG.activations.pooling,
        view=VIEW,
        cavs=part("cavs", "classifier", "options"),
        rank_by=CONFIG.scores.rank_by,
        sets=CONFIG.validity.random_sets,
        pool=200,
        batch=CONFIG.activations.batch,
        map_batch=CONFIG.relevance.batch,
        code=code("randomize_network", explainers=[given["method"] for given in MAP_EXPLAINERS.values()]),
    script:
        "../../src/stages/randomize_network.py"


rule tabulate_randomization:
    input:
        scores=expand_checked(f"{NETWORK}/randomized/scores.parquet"),
        maps=expand_checked(f"{NETWORK}/randomized/maps.parquet"),
        shares=[
            path
            for model in (CONCEPT_MODELS if KNOWN else [])
            for path in expand(
                f"{LAYER}/concept_shares.parquet",
                model=model,
                seed=CONFIG.seeds,
                layer=CONFIG.models[model].layers[0],
            )
        ],
        gaps=f"{TABLES}/concept_gaps.parquet",
    output:
        f"{TABLES}/randomization.parquet",
    log:
        f"{RUN}/logs/tabulate_randomization.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_randomization.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        limit=CONFIG.validity.limit,
        code=code("tabulate_randomization"),
    script:
        "../../src/stages/tabulate_randomization.py"


rule vary_choices:
    input:
        activations=expand(f"{NETWORK}/activations/{{shard}}.h5", shard=DISCOVERY_SHARDS, allow_missing=True),
        cavs=expand(f"{LAYER}/cavs/{{label}}.h5", label=list(LABELS), allow_missing=True),
    output:
        choices=f"{LAYER}/choices.parquet",
        importance=f"{LAYER}/importance.parquet",
    log:
        f"{LAYER}/logs/vary_choices.log",
    benchmark:
        f"{LAYER}/benchmarks/vary_choices.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(240),
    params:
        **part("validity", "clusters", "repeats"),
        labels=list(LABELS.values()),
        clustering=CLUSTERING,
        sets={"sets": CONFIG.cavs.random_sets, "size": CONFIG.cavs.set_size},
        cavs=part("cavs", "classifier", "options"),
        negatives=CONFIG.cavs.negatives,
        rank_by=CONFIG.scores.rank_by,
        code=code("vary_choices"),
    script:
        "../../src/stages/vary_choices.py"


rule tabulate_stability:
    input:
        choices=expand_layers(f"{LAYER}/choices.parquet"),
        importance=expand_layers(f"{LAYER}/importance.parquet"),
        variants=expand_checked(f"{NETWORK}/variants/agreement.parquet"),
    output:
        f"{TABLES}/stability.parquet",
    log:
        f"{RUN}/logs/tabulate_stability.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_stability.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("tabulate_stability"),
    script:
        "../../src/stages/tabulate_stability.py"


rule plot_presets:
    input:
        f"{TABLES}/presets.parquet",
    output:
        report(f"{FIGURES}/presets.png", caption="../report/validity.rst", category="Validity"),
    log:
        f"{RUN}/logs/plot_presets.log",
    benchmark:
        f"{RUN}/benchmarks/plot_presets.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        kinds=["presets"],
        code=code("plot_validity"),
    script:
        "../../src/stages/plot_validity.py"


use rule plot_presets as plot_concept_ground_truth with:
    input:
        f"{TABLES}/concept_shares.parquet",
        f"{TABLES}/concept_ground_truth.parquet",
    output:
        report(f"{FIGURES}/concept_ground_truth.png", caption="../report/validity.rst", category="Validity"),
    log:
        f"{RUN}/logs/plot_concept_ground_truth.log",
    benchmark:
        f"{RUN}/benchmarks/plot_concept_ground_truth.tsv"
    params:
        kinds=["concept_shares", "concept_ground_truth"],
        code=code("plot_validity"),


use rule plot_presets as plot_randomization with:
    input:
        f"{TABLES}/randomization.parquet",
    output:
        report(f"{FIGURES}/randomization.png", caption="../report/validity.rst", category="Validity"),
    log:
        f"{RUN}/logs/plot_randomization.log",
    benchmark:
        f"{RUN}/benchmarks/plot_randomization.tsv"
    params:
        kinds=["randomization"],
        code=code("plot_validity"),


use rule plot_presets as plot_stability with:
    input:
        f"{TABLES}/stability.parquet",
    output:
        report(f"{FIGURES}/stability.png", caption="../report/validity.rst", category="Validity"),
    log:
        f"{RUN}/logs/plot_stability.log",
    benchmark:
        f"{RUN}/benchmarks/plot_stability.tsv"
    params:
        kinds=["stability"],
        code=code("plot_validity"),
