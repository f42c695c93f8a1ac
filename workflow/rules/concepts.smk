rule segment_supervoxels:
    input:
        clips=f"{CLIPS}/clips/{{shard}}.h5",
    output:
        intermediate("supervoxels", f"{SEGMENTS}/labels/{{shard}}.h5"),
    log:
        f"{SEGMENTS}/logs/segment_supervoxels.{{shard}}.log",
    benchmark:
        f"{SEGMENTS}/benchmarks/segment_supervoxels.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(240),
    params:
        options=SEGMENTATION,
        videos=lambda wildcards: EXPLAINED[wildcards.shard],
        code=code("segment_supervoxels"),
    script:
        "../../src/stages/segment_supervoxels.py"


rule distinct_supervoxels:
    input:
        labels=f"{SEGMENTS}/labels/{{shard}}.h5",
    output:
        f"{RUN}/supervoxels/{{shard}}.parquet",
    log:
        f"{RUN}/logs/distinct_supervoxels.{{shard}}.log",
    benchmark:
        f"{RUN}/benchmarks/distinct_supervoxels.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        preset=CONFIG.supervoxels.preset,
        options=CONFIG.supervoxels.options,
        code=code("distinct_supervoxels"),
    script:
        "../../src/stages/distinct_supervoxels.py"


rule extract_activations:
    input:
        weights=f"{NETWORK}/weights.safetensors",
        clips=f"{CLIPS}/clips/{{shard}}.h5",
        labels=f"{SEGMENTS}/labels/{{shard}}.h5",
        supervoxels=f"{RUN}/supervoxels/{{shard}}.parquet",
    output:
        intermediate("activations", f"{NETWORK}/activations/{{shard}}.h5"),
    log:
        f"{NETWORK}/logs/extract_activations.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/extract_activations.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(480),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        layers=lambda wildcards: CONFIG.models[wildcards.model].layers,
        options=part("activations"),
        preset=CONFIG.supervoxels.preset,
        code=code("extract_activations"),
    script:
        "../../src/stages/extract_activations.py"


rule draw_random_sets:
    input:
        activations=expand(f"{NETWORK}/activations/{{shard}}.h5", shard=DISCOVERY_SHARDS, allow_missing=True),
    output:
        f"{LAYER}/random_sets.h5",
    log:
        f"{LAYER}/logs/draw_random_sets.log",
    benchmark:
        f"{LAYER}/benchmarks/draw_random_sets.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        options=part("cavs", "random_sets", "set_size", "negatives"),
        concepts=CONFIG.scores.random_concepts,
        max_supervoxels=CONFIG.concepts.max_supervoxels,
        code=code("draw_random_sets"),
    script:
        "../../src/stages/draw_random_sets.py"


rule cluster_concepts:
    input:
        activations=shards_of_class(f"{NETWORK}/activations/{{shard}}.h5"),
    output:
        concepts=f"{LAYER}/concepts/{{label}}.h5",
        members=f"{LAYER}/members/{{label}}.parquet",
    log:
        f"{LAYER}/logs/cluster_concepts.{{label}}.log",
    benchmark:
        f"{LAYER}/benchmarks/cluster_concepts.{{label}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        label=lambda wildcards: LABELS[wildcards.label],
        options=part("concepts", "clusters", "min_supervoxels", "max_members", "max_supervoxels"),
        code=code("cluster_concepts"),
    script:
        "../../src/stages/cluster_concepts.py"


rule train_cavs:
    input:
        concepts=f"{LAYER}/concepts/{{label}}.h5",
        random_sets=f"{LAYER}/random_sets.h5",
    output:
        f"{LAYER}/cavs/{{label}}.h5",
    log:
        f"{LAYER}/logs/train_cavs.{{label}}.log",
    benchmark:
        f"{LAYER}/benchmarks/train_cavs.{{label}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        options=part("cavs", "classifier", "options"),
        code=code("train_cavs"),
    script:
        "../../src/stages/train_cavs.py"


use rule train_cavs as train_random_cavs with:
    input:
        random_sets=f"{LAYER}/random_sets.h5",
    output:
        f"{LAYER}/random_cavs.h5",
    log:
        f"{LAYER}/logs/train_random_cavs.log",
    benchmark:
        f"{LAYER}/benchmarks/train_random_cavs.tsv"


rule score_concepts:
    input:
        cavs=f"{LAYER}/cavs/{{label}}.h5",
        random_cavs=f"{LAYER}/random_cavs.h5",
        concepts=f"{LAYER}/concepts/{{label}}.h5",
        activations=shards_of_class(f"{NETWORK}/activations/{{shard}}.h5"),
    output:
        f"{LAYER}/scores/{{label}}.parquet",
    log:
        f"{LAYER}/logs/score_concepts.{{label}}.log",
    benchmark:
        f"{LAYER}/benchmarks/score_concepts.{{label}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        label=lambda wildcards: LABELS[wildcards.label],
        options=part("scores", "test", "rank_by"),
        code=code("score_concepts"),
    script:
        "../../src/stages/score_concepts.py"


rule tabulate_concept_scores:
    input:
        expand_layers(f"{LAYER}/scores/{{label}}.parquet", label=list(LABELS)),
    output:
        f"{TABLES}/concept_scores.parquet",
    log:
        f"{RUN}/logs/tabulate_concept_scores.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_concept_scores.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        alpha=CONFIG.scores.alpha,
        code=code("tabulate_concept_scores"),
    script:
        "../../src/stages/tabulate_concept_scores.py"


rule plot_concepts:
    input:
        videos=f"{DATA}/videos.parquet",
        scores=f"{LAYER}/scores/{{label}}.parquet",
        members=f"{LAYER}/members/{{label}}.parquet",
        clips=shards_of_class(f"{CLIPS}/clips/{{shard}}.h5"),
        labels=shards_of_class(f"{SEGMENTS}/labels/{{shard}}.h5"),
    output:
        report(
            f"{FIGURES}/concepts/{{model}}/seed{{seed}}/{{layer}}/{{label}}.png",
            caption="../report/concepts.rst",
            category="Concepts",
            subcategory="{model}, {layer}, seed {seed}",
            labels={"class": "{label}"},
        ),
    log:
        f"{LAYER}/logs/plot_concepts.{{label}}.log",
    benchmark:
        f"{LAYER}/benchmarks/plot_concepts.{{label}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    params:
        label=lambda wildcards: LABELS[wildcards.label],
        options=part("figures", "concepts", "examples"),
        code=code("plot_concepts"),
    script:
        "../../src/stages/plot_concepts.py"
