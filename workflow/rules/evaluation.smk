rule edit_concepts:
    input:
        weights=f"{NETWORK}/weights.safetensors",
        clips=f"{CLIPS}/clips/{{shard}}.h5",
        labels=f"{SEGMENTS}/labels/{{shard}}.h5",
        activations=f"{NETWORK}/activations/{{shard}}.h5",
        concepts=expand(f"{LAYER}/concepts/{{label}}.h5", label=list(LABELS), allow_missing=True),
        scores=expand(f"{LAYER}/scores/{{label}}.parquet", label=list(LABELS), allow_missing=True),
    output:
        f"{LAYER}/edits/{{shard}}.parquet",
    log:
        f"{LAYER}/logs/edit_concepts.{{shard}}.log",
    benchmark:
        f"{LAYER}/benchmarks/edit_concepts.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(480),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        options=part("editing", "k_max", "draws"),
        fill=CONFIG.activations.fill,
        batch=CONFIG.activations.batch,
        code=code("edit_concepts"),
    script:
        "../../src/stages/edit_concepts.py"


rule tabulate_editing:
    input:
        edits=expand_layers(f"{LAYER}/edits/{{shard}}.parquet", shard=EVALUATION_SHARDS),
        published=str(ROOT / "config/published/{experiment}.csv"),
    output:
        f"{TABLES}/{{experiment}}.parquet",
    log:
        f"{RUN}/logs/tabulate_editing.{{experiment}}.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_editing.{{experiment}}.tsv"
    wildcard_constraints:
        experiment="concept_addition|concept_removal",
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("tabulate_editing"),
    script:
        "../../src/stages/tabulate_editing.py"


rule tabulate_concept_gaps:
    input:
        expand_layers(f"{LAYER}/edits/{{shard}}.parquet", shard=EVALUATION_SHARDS),
    output:
        f"{TABLES}/concept_gaps.parquet",
    log:
        f"{RUN}/logs/tabulate_concept_gaps.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_concept_gaps.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("tabulate_concept_gaps"),
    script:
        "../../src/stages/tabulate_concept_gaps.py"


rule plot_editing:
    input:
        f"{TABLES}/{{experiment}}.parquet",
    output:
        report(
            f"{FIGURES}/{{experiment}}.png",
            caption="../report/editing.rst",
            category="Accuracy of edited clips",
            labels={"experiment": "{experiment}"},
        ),
    log:
        f"{RUN}/logs/plot_editing.{{experiment}}.log",
    benchmark:
        f"{RUN}/benchmarks/plot_editing.{{experiment}}.tsv"
    wildcard_constraints:
        experiment="concept_addition|concept_removal",
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("plot_editing"),
    script:
        "../../src/stages/plot_editing.py"
