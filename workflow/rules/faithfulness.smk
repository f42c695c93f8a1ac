# Do explanations name what the network uses? Each check is a table and a figure; the first layer is looked at.

PERTURBED_VIDEOS = videos_by_shard(PERTURBED)
COMMON_VIDEOS = videos_by_shard(EVALUATION.merge(RELEVANCE_VIDEOS[["video"]], on="video"))
PERTURBED_BY = {
    name: EXPLAINERS.get(name, {"method": name, "options": {}}) for name in CONFIG.faithfulness.explainers
}
SCORED = expand_first_layer(f"{LAYER}/scores/{{label}}.parquet", label=list(LABELS))
WINDOW = {
    "frames": CONFIG.clips.frames,
    "between": CONFIG.clips.step,
    "size": CONFIG.clips.size,
    "crop": CONFIG.clips.crop,
}


rule perturb_supervoxels:
    input:
        weights=f"{NETWORK}/weights.safetensors",
        clips=f"{CLIPS}/clips/{{shard}}.h5",
        labels=f"{SEGMENTS}/labels/{{shard}}.h5",
        activations=f"{NETWORK}/activations/{{shard}}.h5",
        concepts=expand(f"{LAYER}/concepts/{{label}}.h5", label=list(LABELS), allow_missing=True),
        scores=expand(f"{LAYER}/scores/{{label}}.parquet", label=list(LABELS), allow_missing=True),
    output:
        f"{LAYER}/curves/{{shard}}.parquet",
    log:
        f"{LAYER}/logs/perturb_supervoxels.{{shard}}.log",
    benchmark:
        f"{LAYER}/benchmarks/perturb_supervoxels.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(6000),
        runtime=grows(480),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        **part("faithfulness", "fills", "steps", "masks"),
        videos=lambda wildcards: PERTURBED_VIDEOS[wildcards.shard],
        explainers=PERTURBED_BY,
        segmentation=SEGMENTATION,
        fill=CONFIG.activations.fill,
        code=code("perturb_supervoxels", explainers=[given["method"] for given in PERTURBED_BY.values()]),
    script:
        "../../src/stages/perturb_supervoxels.py"


rule ablate_concepts:
    input:
        weights=f"{NETWORK}/weights.safetensors",
        clips=f"{CLIPS}/clips/{{shard}}.h5",
        labels=f"{SEGMENTS}/labels/{{shard}}.h5",
        activations=f"{NETWORK}/activations/{{shard}}.h5",
        concepts=expand(f"{LAYER}/concepts/{{label}}.h5", label=list(LABELS), allow_missing=True),
        scores=expand(f"{LAYER}/scores/{{label}}.parquet", label=list(LABELS), allow_missing=True),
    output:
        f"{LAYER}/ablations/{{shard}}.parquet",
    log:
        f"{LAYER}/logs/ablate_concepts.{{shard}}.log",
    benchmark:
        f"{LAYER}/benchmarks/ablate_concepts.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(480),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        videos=lambda wildcards: PERTURBED_VIDEOS[wildcards.shard],
        subsets=CONFIG.faithfulness.subsets,
        hidden=CONFIG.faithfulness.fills[0],
        fill=CONFIG.activations.fill,
        code=code("ablate_concepts"),
    script:
        "../../src/stages/ablate_concepts.py"


rule measure_concept_motion:
    input:
        weights=f"{NETWORK}/weights.safetensors",
        clips=f"{CLIPS}/clips/{{shard}}.h5",
        labels=f"{SEGMENTS}/labels/{{shard}}.h5",
        activations=f"{NETWORK}/activations/{{shard}}.h5",
        concepts=expand(f"{LAYER}/concepts/{{label}}.h5", label=list(LABELS), allow_missing=True),
        scores=expand(f"{LAYER}/scores/{{label}}.parquet", label=list(LABELS), allow_missing=True),
        flow=f"{FLOW}/{{shard}}.h5",
        explanations=f"{NETWORK}/explanations/{{shard}}.h5",
        selective=f"{NETWORK}/selective/{{shard}}.h5",
    output:
        shares=f"{LAYER}/concept_motion/{{shard}}.parquet",
        clips=f"{LAYER}/clip_motion/{{shard}}.parquet",
    log:
        f"{LAYER}/logs/measure_concept_motion.{{shard}}.log",
    benchmark:
        f"{LAYER}/benchmarks/measure_concept_motion.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(240),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        videos=lambda wildcards: COMMON_VIDEOS[wildcards.shard],
        explainers=list(EXPLAINERS),
        moving=MOVING,
        code=code("measure_concept_motion"),
    script:
        "../../src/stages/measure_concept_motion.py"


rule follow_concepts:
    input:
        videos=f"{DATA}/videos.parquet",
        weights=f"{NETWORK}/weights.safetensors",
        concepts=expand(f"{LAYER}/concepts/{{label}}.h5", label=list(LABELS), allow_missing=True),
        scores=expand(f"{LAYER}/scores/{{label}}.parquet", label=list(LABELS), allow_missing=True),
        cavs=expand(f"{LAYER}/cavs/{{label}}.h5", label=list(LABELS), allow_missing=True),
    output:
        f"{LAYER}/windows.parquet",
    log:
        f"{LAYER}/logs/follow_concepts.log",
    benchmark:
        f"{LAYER}/benchmarks/follow_concepts.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(240),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        videos=CONFIG.faithfulness.followed or EVALUATION["video"].tolist(),
        longest=None if CONFIG.faithfulness.followed else CONFIG.faithfulness.followed_classes,
        window_step=CONFIG.faithfulness.window_step,
        clips=WINDOW,
        segmentation=SEGMENTATION,
        preset=CONFIG.supervoxels.preset,
        criteria=CONFIG.supervoxels.options,
        pooling=CONFIG.activations.pooling,
        view=part("activations", "form", "fill", "batch"),
        code=code("follow_concepts"),
    script:
        "../../src/stages/follow_concepts.py"


rule tabulate_faithfulness:
    input:
        curves=expand_first_layer(f"{LAYER}/curves/{{shard}}.parquet", shard=list(PERTURBED_VIDEOS)),
    output:
        f"{TABLES}/faithfulness.parquet",
    log:
        f"{RUN}/logs/tabulate_faithfulness.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_faithfulness.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        kinds={"curves": "perturbation_curves"},
        code=code("tabulate_faithfulness"),
    script:
        "../../src/stages/tabulate_faithfulness.py"


rule tabulate_concept_ablation:
    input:
        ablations=expand_first_layer(f"{LAYER}/ablations/{{shard}}.parquet", shard=list(PERTURBED_VIDEOS)),
        scores=SCORED,
    output:
        f"{TABLES}/concept_ablation.parquet",
    log:
        f"{RUN}/logs/tabulate_concept_ablation.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_concept_ablation.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        kinds={"ablations": "concept_ablations", "scores": "class_scores"},
        code=code("tabulate_faithfulness"),
    script:
        "../../src/stages/tabulate_faithfulness.py"


rule tabulate_concept_ablation_agreement:
    input:
        ablations=expand_first_layer(f"{LAYER}/ablations/{{shard}}.parquet", shard=list(PERTURBED_VIDEOS)),
        scores=SCORED,
    output:
        f"{TABLES}/concept_ablation_agreement.parquet",
    log:
        f"{RUN}/logs/tabulate_concept_ablation_agreement.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_concept_ablation_agreement.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        kinds={"ablations": "concept_ablations", "scores": "class_scores"},
        code=code("tabulate_faithfulness"),
    script:
        "../../src/stages/tabulate_faithfulness.py"


rule tabulate_concept_motion:
    input:
        shares=expand_first_layer(
            f"{LAYER}/concept_motion/{{shard}}.parquet", CHECKED, shard=list(COMMON_VIDEOS)
        ),
        scores=SCORED,
    output:
        f"{TABLES}/concept_motion.parquet",
    log:
        f"{RUN}/logs/tabulate_concept_motion.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_concept_motion.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        kinds={"shares": "concept_clip_shares", "scores": "class_scores"},
        code=code("tabulate_faithfulness"),
    script:
        "../../src/stages/tabulate_faithfulness.py"


rule tabulate_motion_reliance:
    input:
        clips=expand_first_layer(f"{LAYER}/clip_motion/{{shard}}.parquet", CHECKED, shard=list(COMMON_VIDEOS)),
        concepts=[f"{TABLES}/concept_motion.parquet"],
    output:
        f"{TABLES}/motion_reliance.parquet",
    log:
        f"{RUN}/logs/tabulate_motion_reliance.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_motion_reliance.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        kinds={"clips": "clip_motion", "concepts": "concept_motion"},
        code=code("tabulate_faithfulness"),
    script:
        "../../src/stages/tabulate_faithfulness.py"


rule tabulate_concept_over_time:
    input:
        parts=expand_first_layer(f"{LAYER}/windows.parquet"),
    output:
        f"{TABLES}/concept_over_time.parquet",
    log:
        f"{RUN}/logs/tabulate_concept_over_time.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_concept_over_time.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        kinds={"parts": "concept_windows"},
        code=code("tabulate_faithfulness"),
    script:
        "../../src/stages/tabulate_faithfulness.py"


rule plot_faithfulness:
    input:
        table=[f"{TABLES}/faithfulness.parquet"],
        curves=expand_first_layer(f"{LAYER}/curves/{{shard}}.parquet", shard=list(PERTURBED_VIDEOS)),
    output:
        report(f"{FIGURES}/faithfulness.png", caption="../report/faithfulness.rst", category="Validity"),
    log:
        f"{RUN}/logs/plot_faithfulness.log",
    benchmark:
        f"{RUN}/benchmarks/plot_faithfulness.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        kinds={"table": "faithfulness", "curves": "perturbation_curves"},
        code=code("plot_faithfulness"),
    script:
        "../../src/stages/plot_faithfulness.py"


rule plot_concept_ablation:
    input:
        table=[f"{TABLES}/concept_ablation.parquet"],
        agreement=[f"{TABLES}/concept_ablation_agreement.parquet"],
    output:
        report(f"{FIGURES}/concept_ablation.png", caption="../report/faithfulness.rst", category="Validity"),
    log:
        f"{RUN}/logs/plot_concept_ablation.log",
    benchmark:
        f"{RUN}/benchmarks/plot_concept_ablation.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        kinds={"table": "concept_ablation", "agreement": "concept_ablation_agreement"},
        code=code("plot_faithfulness"),
    script:
        "../../src/stages/plot_faithfulness.py"


rule plot_concept_motion:
    input:
        table=[f"{TABLES}/concept_motion.parquet"],
    output:
        report(f"{FIGURES}/concept_motion.png", caption="../report/faithfulness.rst", category="Validity"),
    log:
        f"{RUN}/logs/plot_concept_motion.log",
    benchmark:
        f"{RUN}/benchmarks/plot_concept_motion.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        kinds={"table": "concept_motion"},
        code=code("plot_faithfulness"),
    script:
        "../../src/stages/plot_faithfulness.py"


rule plot_motion_reliance:
    input:
        table=[f"{TABLES}/motion_reliance.parquet"],
    output:
        report(f"{FIGURES}/motion_reliance.png", caption="../report/faithfulness.rst", category="Validity"),
    log:
        f"{RUN}/logs/plot_motion_reliance.log",
    benchmark:
        f"{RUN}/benchmarks/plot_motion_reliance.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        kinds={"table": "motion_reliance"},
        code=code("plot_faithfulness"),
    script:
        "../../src/stages/plot_faithfulness.py"


rule plot_concept_over_time:
    input:
        table=[f"{TABLES}/concept_over_time.parquet"],
        videos=[f"{DATA}/videos.parquet"],
    output:
        report(f"{FIGURES}/concept_over_time.png", caption="../report/faithfulness.rst", category="Validity"),
    log:
        f"{RUN}/logs/plot_concept_over_time.log",
    benchmark:
        f"{RUN}/benchmarks/plot_concept_over_time.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        kinds={"table": "concept_over_time", "videos": "videos"},
        window_step=CONFIG.faithfulness.window_step,
        clips=WINDOW,
        code=code("plot_faithfulness"),
    script:
        "../../src/stages/plot_faithfulness.py"
