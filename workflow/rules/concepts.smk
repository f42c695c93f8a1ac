rule segment_supervoxels:
    input:
        clips=at("clips"),
    output:
        made("supervoxels"),
    log:
        f"{SEGMENTS}/logs/segment_supervoxels.{{shard}}.log",
    benchmark:
        f"{SEGMENTS}/benchmarks/segment_supervoxels.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(2000, 240),
    params:
        options=SEGMENTATION,
        videos=lambda wildcards: SEGMENTED[wildcards.shard],
        code=code("segment_supervoxels"),
    script:
        "../../src/stages/segment_supervoxels.py"


rule extract_activations:
    input:
        **CHOSEN,
        weights=at("weights"),
        clips=at("clips"),
        supervoxels=at("supervoxels"),
    output:
        made("activations"),
    log:
        f"{NETWORK}/logs/extract_activations.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/extract_activations.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 480, network=True),
    params:
        layers=lambda wildcards: CONFIG.models[wildcards.model].layers,
        # Of clips that are explained alone, whose supervoxels an explainer wants, nobody asks for them.
        videos=lambda wildcards: LOOKED_AT.get(wildcards.shard, []),
        options=part("activations"),
        preset=CONFIG.supervoxels.preset,
        criteria=CONFIG.supervoxels.options,
        code=code("extract_activations"),
    script:
        "../../src/stages/extract_activations.py"


rule draw_random_sets:
    input:
        activations=at("activations", shard=DISCOVERY_SHARDS),
    output:
        at("random_sets"),
    log:
        f"{LAYER}/logs/draw_random_sets.log",
    benchmark:
        f"{LAYER}/benchmarks/draw_random_sets.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 60),
    params:
        options=part("cavs", "random_sets", "set_size", "negatives"),
        max_supervoxels=CONFIG.concepts.max_supervoxels,
        random_sets_seed=stream("random_sets"),
        code=code("draw_random_sets"),
    script:
        "../../src/stages/draw_random_sets.py"


rule find_random_concepts:
    input:
        activations=at("activations", shard=DISCOVERY_SHARDS),
        random_sets=at("random_sets"),
    output:
        at("random_cavs"),
    log:
        f"{LAYER}/logs/find_random_concepts.log",
    benchmark:
        f"{LAYER}/benchmarks/find_random_concepts.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 120),
    params:
        clusterings=CONFIG.scores.null_clusterings,
        options=CLUSTERING | part("concepts", "max_supervoxels"),
        cavs=part("cavs", "classifier", "options"),
        random_sets_seed=stream("random_sets"),
        code=code("find_random_concepts"),
    script:
        "../../src/stages/find_random_concepts.py"


rule draw_random_gradients:
    input:
        weights=at("weights"),
        clips=at("clips", shard=DISCOVERY_SHARDS),
        activations=at("activations", shard=DISCOVERY_SHARDS),
    output:
        at("random_gradients"),
    log:
        f"{LAYER}/logs/draw_random_gradients.log",
    benchmark:
        f"{LAYER}/benchmarks/draw_random_gradients.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 240, network=True),
    params:
        draws=CONFIG.scores.null_gradients,
        grid=CONFIG.activations.pooling,
        batch=CONFIG.activations.batch,
        random_sets_seed=stream("random_sets"),
        code=code("draw_random_gradients"),
    script:
        "../../src/stages/draw_random_gradients.py"


rule find_concepts:
    input:
        activations=of_class("activations"),
        random_sets=at("random_sets"),
    output:
        concepts=at("concepts"),
        members=at("concept_members"),
        cavs=at("cavs"),
    log:
        f"{LAYER}/logs/find_concepts.{{class_name}}.log",
    benchmark:
        f"{LAYER}/benchmarks/find_concepts.{{class_name}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 60),
    params:
        class_name=lambda wildcards: CLASS_NAMES[wildcards.class_name],
        options=CLUSTERING | part("concepts", "max_supervoxels"),
        cavs=part("cavs", "classifier", "options"),
        clustering_seed=stream("clustering"),
        code=code("find_concepts"),
    script:
        "../../src/stages/find_concepts.py"


rule score_concepts:
    input:
        activations=at("activations", shard=DISCOVERY_SHARDS),
        concepts=at("concepts", **OF_CLASS),
        cavs=at("cavs", **OF_CLASS),
        random_cavs=at("random_cavs"),
        random_gradients=at("random_gradients"),
    output:
        at("scored_concepts"),
    log:
        f"{LAYER}/logs/score_concepts.log",
    benchmark:
        f"{LAYER}/benchmarks/score_concepts.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 120),
    params:
        classes=CLASSES,
        options=part("scores", "test", "rank_by"),
        code=code("score_concepts"),
    script:
        "../../src/stages/score_concepts.py"


rule measure_controls:
    input:
        **DISCOVERED,
        weights=at("weights"),
        activations=at("activations", shard=DISCOVERY_SHARDS),
        random_sets=at("random_sets"),
        concepts=at("concepts", **OF_CLASS),
        members=at("concept_members", **OF_CLASS),
    output:
        at("concept_controls"),
    log:
        f"{LAYER}/logs/measure_controls.log",
    benchmark:
        f"{LAYER}/benchmarks/measure_controls.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 120),
    params:
        classes=CLASSES,
        settings=CONCEPT_SETTINGS,
        code=code("measure_controls"),
    script:
        "../../src/stages/measure_controls.py"


rule edit_concepts:
    input:
        **PLACED,
        controls=at("concept_controls"),
    output:
        at("edits"),
    log:
        f"{LAYER}/logs/edit_concepts.{{shard}}.log",
    benchmark:
        f"{LAYER}/benchmarks/edit_concepts.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 480, network=True),
    params:
        options=part("editing", "k_max", "shares", "clip_draws"),
        draws=CONFIG.editing.draws,
        rank_by=CONFIG.scores.rank_by,
        fill=CONFIG.activations.fill,
        batch=CONFIG.activations.batch,
        draws_seed=stream("draws"),
        code=code("edit_concepts"),
    script:
        "../../src/stages/edit_concepts.py"


rule steer_concepts:
    input:
        **PLACED,
        cavs=at("cavs", **OF_CLASS),
        random_sets=at("random_sets"),
        random_cavs=at("random_cavs"),
        discovered=at("activations", shard=DISCOVERY_SHARDS),
    output:
        at("steered_concepts"),
    log:
        f"{LAYER}/logs/steer_concepts.{{shard}}.log",
    benchmark:
        f"{LAYER}/benchmarks/steer_concepts.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 480, network=True),
    params:
        **part("activations", "fill", "batch"),
        draws=CONFIG.steering.draws,
        rank_by=CONFIG.scores.rank_by,
        grid=CONFIG.activations.pooling,
        draws_seed=stream("draws"),
        code=code("steer_concepts"),
    script:
        "../../src/stages/steer_concepts.py"


rule score_given:
    input:
        **CHOSEN,
        **DISCOVERED,
        weights=at("weights"),
        truth=at("truth", shard=DISCOVERY_SHARDS) if under_masks(GIVEN) else [],
        activations=at("activations", shard=DISCOVERY_SHARDS),
        sets=[at(kind) for kind in ("random_sets", "random_cavs", "random_gradients")],
        scores=at("scored_concepts"),
        test_clips=at("clips", shard=EVALUATION_SHARDS),
    output:
        scores=at("given_scores"),
        steered=at("steered_given"),
        examples=f"{FIGURES}/given/{{model}}/seed{{seed}}/{{layer}}.png",
    log:
        f"{LAYER}/logs/score_given.log",
    benchmark:
        f"{LAYER}/benchmarks/score_given.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 480, network=True),
    params:
        given=GIVEN,
        files=digest(file_states(given_files(GIVEN))),
        clips=part("clips"),
        videos=EVALUATION["video"].tolist(),
        draws=CONFIG.steering.draws,
        grid=CONFIG.activations.pooling,
        batch=CONFIG.activations.batch,
        draws_seed=stream("draws"),
        code=code("score_given"),
    script:
        "../../src/stages/score_given.py"


rule show_concepts:
    input:
        **DISCOVERED,
        scores=at("scored_concepts"),
        members=at("concept_members", **OF_CLASS),
    output:
        clips=at("concept_clips"),
        figures=report(
            [f"{FIGURES}/concepts/{{model}}/seed{{seed}}/{{layer}}/{name}.png" for name in CLASS_NAMES],
            caption="../report/concepts.rst",
            category="Concepts",
            subcategory="{model}, {layer}, seed {seed}",
        ),
    log:
        f"{LAYER}/logs/show_concepts.log",
    benchmark:
        f"{LAYER}/benchmarks/show_concepts.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 120),
    params:
        classes=CLASSES,
        options=part("figures", "concepts", "examples"),
        names=NAMES,
        code=code("show_concepts"),
    script:
        "../../src/stages/show_concepts.py"
