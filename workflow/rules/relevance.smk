rule estimate_flow:
    input:
        clips=f"{CLIPS}/clips/{{shard}}.h5",
    output:
        intermediate("flow", f"{FLOW}/{{shard}}.h5"),
    log:
        f"{FLOW}/logs/estimate_flow.{{shard}}.log",
    benchmark:
        f"{FLOW}/benchmarks/estimate_flow.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(240),
    params:
        options=FLOW_OPTIONS,
        videos=lambda wildcards: RELEVANT[wildcards.shard],
        code=code("estimate_flow"),
    script:
        "../../src/stages/estimate_flow.py"


rule explain_clips:
    input:
        weights=f"{NETWORK}/weights.safetensors",
        clips=f"{CLIPS}/clips/{{shard}}.h5",
        labels=[f"{SEGMENTS}/labels/{{shard}}.h5"] if USES_SUPERVOXELS else [],
    output:
        intermediate("explanations", f"{NETWORK}/explanations/{{shard}}.h5"),
    log:
        f"{NETWORK}/logs/explain_clips.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/explain_clips.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(6000),
        runtime=grows(480),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        explainers=EXPLAINERS,
        options=part("relevance", "target", "batch", "precision"),
        segmentation=SEGMENTATION,
        videos=lambda wildcards: RELEVANT[wildcards.shard],
        code=code("explain_clips"),
    script:
        "../../src/stages/explain_clips.py"


rule select_relevance:
    input:
        explanations=f"{NETWORK}/explanations/{{shard}}.h5",
    output:
        intermediate("selective", f"{NETWORK}/selective/{{shard}}.h5"),
    log:
        f"{NETWORK}/logs/select_relevance.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/select_relevance.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        **part("selective", "preset", "sigma", "options"),
        explainers=list(EXPLAINERS),
        code=code("select_relevance"),
    script:
        "../../src/stages/select_relevance.py"


rule measure_motion:
    input:
        truth=TRUTH_SOURCE,
        clips=f"{CLIPS}/clips/{{shard}}.h5",
        flow=f"{FLOW}/{{shard}}.h5",
        explanations=f"{NETWORK}/explanations/{{shard}}.h5",
        selective=f"{NETWORK}/selective/{{shard}}.h5",
    output:
        f"{NETWORK}/motion_scores/{{shard}}.parquet",
        f"{NETWORK}/map_agreement/{{shard}}.parquet",
        f"{NETWORK}/ground_truth/{{shard}}.parquet",
    log:
        f"{NETWORK}/logs/measure_motion.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/measure_motion.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(120),
    params:
        explainers=list(EXPLAINERS),
        relevant=part("relevance", "relevant")["relevant"],
        moving=MOVING,
        camera=CONFIG.flow.camera != "none",
        truth=TRUTH,
        code=code("measure_motion"),
    script:
        "../../src/stages/measure_motion.py"


rule sweep_motion:
    input:
        clips=f"{CLIPS}/clips/{{shard}}.h5",
        flow=f"{FLOW}/{{shard}}.h5",
        explanations=f"{NETWORK}/explanations/{{shard}}.h5",
    output:
        f"{NETWORK}/sweeps/{{shard}}.parquet",
    log:
        f"{NETWORK}/logs/sweep_motion.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/sweep_motion.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(120),
    params:
        explainers=list(EXPLAINERS),
        unit=MOVING["unit"],
        options={
            "relevant": part("relevance", "relevant")["relevant"],
            "sigmas": CONFIG.selective.sweep,
            "thresholds": CONFIG.flow.moving.sweep,
            **part("selective", "preset", "options"),
        },
        code=code("sweep_motion"),
    script:
        "../../src/stages/sweep_motion.py"


rule time_explanations:
    input:
        weights=f"{NETWORK}/weights.safetensors",
        clips=f"{CLIPS}/clips/{RELEVANT_SHARDS[0]}.h5",
        labels=[f"{SEGMENTS}/labels/{RELEVANT_SHARDS[0]}.h5"] if USES_SUPERVOXELS else [],
    output:
        f"{NETWORK}/timings.parquet",
    log:
        f"{NETWORK}/logs/time_explanations.log",
    benchmark:
        f"{NETWORK}/benchmarks/time_explanations.tsv"
    conda:
        "../../envs/voxplain.yaml"
    # All cores, so that nothing else runs beside it.
    threads: workflow.resource_settings.cores or 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        **part("selective", "preset", "options"),
        explainers=EXPLAINERS,
        segmentation=SEGMENTATION,
        timing=part("relevance", "timing")["timing"],
        videos=RELEVANT[RELEVANT_SHARDS[0]],
        code=code("time_explanations"),
    script:
        "../../src/stages/time_explanations.py"


rule tabulate_motion_precision:
    input:
        found=expand_explained(f"{NETWORK}/motion_scores/{{shard}}.parquet"),
        published=str(ROOT / "config/published/motion_precision.csv"),
    output:
        f"{TABLES}/motion_precision.parquet",
    log:
        f"{RUN}/logs/tabulate_motion_precision.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_motion_precision.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        empty=CONFIG.relevance.empty,
        code=code("tabulate_motion_precision"),
    script:
        "../../src/stages/tabulate_motion_precision.py"


rule tabulate_baseline_agreement:
    input:
        found=expand_explained(f"{NETWORK}/map_agreement/{{shard}}.parquet"),
        published=str(ROOT / "config/published/baseline_agreement.csv"),
    output:
        f"{TABLES}/baseline_agreement.parquet",
    log:
        f"{RUN}/logs/tabulate_baseline_agreement.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_baseline_agreement.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("tabulate_baseline_agreement"),
    script:
        "../../src/stages/tabulate_baseline_agreement.py"


rule tabulate_selectivity:
    input:
        found=expand_explained(f"{NETWORK}/motion_scores/{{shard}}.parquet"),
        published=str(ROOT / "config/published/selectivity.csv"),
    output:
        f"{TABLES}/selectivity.parquet",
    log:
        f"{RUN}/logs/tabulate_selectivity.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_selectivity.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        sigma=CONFIG.selective.sigma,
        code=code("tabulate_selectivity"),
    script:
        "../../src/stages/tabulate_selectivity.py"


rule tabulate_selected_share:
    input:
        found=expand_explained(f"{NETWORK}/motion_scores/{{shard}}.parquet"),
        other=expand_explained(f"{OTHER_NETWORK}/motion_scores/{{shard}}.parquet") if OTHER_NETWORK else [],
    output:
        f"{TABLES}/selected_share.parquet",
    log:
        f"{RUN}/logs/tabulate_selected_share.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_selected_share.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        compare_with=CONFIG.relevance.compare_with,
        code=code("tabulate_selected_share"),
    script:
        "../../src/stages/tabulate_selected_share.py"


rule tabulate_explanation_overhead:
    input:
        found=expand(f"{NETWORK}/timings.parquet", model=RELEVANCE_MODELS, seed=CONFIG.seeds[:1]),
        published=str(ROOT / "config/published/explanation_overhead.csv"),
    output:
        f"{TABLES}/explanation_overhead.parquet",
    log:
        f"{RUN}/logs/tabulate_explanation_overhead.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_explanation_overhead.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("tabulate_explanation_overhead"),
    script:
        "../../src/stages/tabulate_explanation_overhead.py"


rule tabulate_motion_sweep:
    input:
        found=expand_explained(f"{NETWORK}/sweeps/{{shard}}.parquet"),
    output:
        f"{TABLES}/motion_sweep.parquet",
    log:
        f"{RUN}/logs/tabulate_motion_sweep.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_motion_sweep.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("tabulate_motion_sweep"),
    script:
        "../../src/stages/tabulate_motion_sweep.py"


rule tabulate_ground_truth_precision:
    input:
        found=expand_explained(f"{NETWORK}/ground_truth/{{shard}}.parquet"),
    output:
        f"{TABLES}/ground_truth_precision.parquet",
    log:
        f"{RUN}/logs/tabulate_ground_truth_precision.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_ground_truth_precision.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("tabulate_ground_truth_precision"),
    script:
        "../../src/stages/tabulate_ground_truth_precision.py"


rule tabulate_flow_error:
    input:
        truth=TRUTH_SOURCE,
        clips=f"{CLIPS}/clips/{RELEVANT_SHARDS[0]}.h5",
    output:
        f"{TABLES}/flow_error.parquet",
    log:
        f"{RUN}/logs/tabulate_flow_error.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_flow_error.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        truth=TRUTH,
        methods={
            name: CONFIG.flow.options if name == CONFIG.flow.method else {} for name in CONFIG.flow.compare
        },
        videos=RELEVANT[RELEVANT_SHARDS[0]],
        clips=24,
        code=code("tabulate_flow_error", flows=CONFIG.flow.compare),
    script:
        "../../src/stages/tabulate_flow_error.py"


rule plot_relevance:
    input:
        scores=expand(f"{NETWORK}/motion_scores/{{shard}}.parquet", shard=RELEVANT_SHARDS, allow_missing=True),
        clips=expand(f"{CLIPS}/clips/{{shard}}.h5", shard=RELEVANT_SHARDS),
        flow=expand(f"{FLOW}/{{shard}}.h5", shard=RELEVANT_SHARDS),
        explanations=expand(f"{NETWORK}/explanations/{{shard}}.h5", shard=RELEVANT_SHARDS, allow_missing=True),
        selective=expand(f"{NETWORK}/selective/{{shard}}.h5", shard=RELEVANT_SHARDS, allow_missing=True),
    output:
        sheet=report(
            f"{FIGURES}/relevance/{{model}}/seed{{seed}}.png",
            caption="../report/relevance.rst",
            category="Relevance",
            labels={"network": "{model}, seed {seed}"},
        ),
        animation=f"{FIGURES}/relevance/{{model}}/seed{{seed}}.gif",
    log:
        f"{NETWORK}/logs/plot_relevance.log",
    benchmark:
        f"{NETWORK}/benchmarks/plot_relevance.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        explainers=list(EXPLAINERS),
        moving=MOVING,
        sigma=CONFIG.selective.sigma,
        options=part("figures", "relevance", "animated", "videos"),
        code=code("plot_relevance"),
    script:
        "../../src/stages/plot_relevance.py"


rule plot_motion_sweep:
    input:
        f"{TABLES}/motion_sweep.parquet",
    output:
        report(
            f"{FIGURES}/motion_sweep.png",
            caption="../report/motion_sweep.rst",
            category="Relevance",
            labels={"network": "all, over thresholds"},
        ),
    log:
        f"{RUN}/logs/plot_motion_sweep.log",
    benchmark:
        f"{RUN}/benchmarks/plot_motion_sweep.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        sigma=CONFIG.selective.sigma,
        moving=MOVING,
        code=code("plot_motion_sweep"),
    script:
        "../../src/stages/plot_motion_sweep.py"
