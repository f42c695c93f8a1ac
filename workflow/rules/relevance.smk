CRITERIA = part("relevance", "relevant")["relevant"]
# Of the curves, and the run's own.
SIGMAS = sorted({*CONFIG.selective.sweep, CONFIG.selective.sigma})
MOTION_THRESHOLDS = sorted({*CONFIG.flow.moving.sweep, CONFIG.flow.moving.threshold})
MAP_SETTINGS = CLIP_SETTINGS | (SEGMENT_SETTINGS if USES_SUPERVOXELS else {})
MAP_SETTINGS |= settings(
    *["selective.preset", "selective.sigma", "selective.options", "relevance.target", "relevance.relevant"],
    *["flow.method", "flow.options", "flow.camera", "flow.moving.unit", "flow.moving.threshold"],
)
MAP_SETTINGS |= {f"explainers.{name}": given for name, given in EXPLAINERS.items()}


rule estimate_flow:
    input:
        clips=at("clips"),
    output:
        made("flow"),
    log:
        f"{FLOW}/logs/estimate_flow.{{shard}}.log",
    benchmark:
        f"{FLOW}/benchmarks/estimate_flow.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(2000, 240),
    params:
        options=FLOW_OPTIONS,
        videos=lambda wildcards: RELEVANT[wildcards.shard],
        code=code("estimate_flow"),
    script:
        "../../src/stages/estimate_flow.py"


rule compare_flows:
    input:
        truth=at("truth", shard=list(RELEVANT)[:1]),
        clips=at("clips", shard=list(RELEVANT)[:1]),
    output:
        at("flow_errors"),
    log:
        f"{RUN}/logs/compare_flows.log",
    benchmark:
        f"{RUN}/benchmarks/compare_flows.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 60),
    params:
        methods={
            name: CONFIG.flow.options if name == CONFIG.flow.method else with_defaults("flows", name, {})
            for name in CONFIG.flow.compare
        },
        videos=list(RELEVANT.values())[0],
        clips=CONFIG.flow.compared_clips,
        code=code("compare_flows", flows=CONFIG.flow.compare),
    script:
        "../../src/stages/compare_flows.py"


rule explain_clips:
    input:
        weights=at("weights"),
        clips=at("clips"),
        supervoxels=[at("supervoxels")] if USES_SUPERVOXELS else [],
    output:
        made("explanations"),
    log:
        f"{NETWORK}/logs/explain_clips.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/explain_clips.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(6000, 480, network=True),
    params:
        explainers=EXPLAINERS,
        controls=CONTROLLED,
        options=part("relevance", "target", "batch", "precision"),
        segmentation=SEGMENTATION,
        videos=lambda wildcards: RELEVANT[wildcards.shard],
        code=code("explain_clips"),
    script:
        "../../src/stages/explain_clips.py"


rule time_explanations:
    input:
        weights=at("weights"),
        clips=at("clips", shard=list(RELEVANT)),
        supervoxels=at("supervoxels", shard=list(RELEVANT)) if USES_SUPERVOXELS else [],
    output:
        at("timings"),
    log:
        f"{NETWORK}/logs/time_explanations.log",
    benchmark:
        f"{NETWORK}/benchmarks/time_explanations.tsv"
    conda:
        "../../envs/voxplain.yaml"
    # All cores, so that nothing else runs beside it.
    threads: workflow.resource_settings.cores or 1
    resources:
        **needs(4000, 60, network=True),
    params:
        **part("selective", "preset", "options"),
        explainers=EXPLAINERS,
        segmentation=SEGMENTATION,
        timing=part("relevance", "timing")["timing"],
        videos=list(RELEVANT.values()),
        code=code("time_explanations"),
    script:
        "../../src/stages/time_explanations.py"


rule select_relevance:
    input:
        explanations=at("explanations"),
    output:
        made("selective_maps"),
    log:
        f"{NETWORK}/logs/select_relevance.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/select_relevance.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(2000, 60),
    params:
        **part("selective", "preset", "sigma", "options"),
        explainers=list(EXPLAINERS),
        code=code("select_relevance"),
    script:
        "../../src/stages/select_relevance.py"


rule measure_motion:
    input:
        truth=if_made("truth"),
        clips=at("clips"),
        flow=at("flow"),
        explanations=at("explanations"),
        selective=at("selective_maps"),
        supervoxels=[at("supervoxels")] if USES_SUPERVOXELS else [],
    output:
        motion_scores=at("motion_scores"),
        map_agreement=at("map_agreement"),
        ground_truth_scores=at("ground_truth_scores"),
        sweep_scores=at("sweep_scores"),
    log:
        f"{NETWORK}/logs/measure_motion.{{shard}}.log",
    benchmark:
        f"{NETWORK}/benchmarks/measure_motion.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 240),
    params:
        explainers=list(EXPLAINERS),
        controls=CONTROLLED,
        relevant=CRITERIA,
        moving=MOVING,
        camera=CONFIG.flow.camera,
        sweep={
            "sigmas": SIGMAS,
            "thresholds": MOTION_THRESHOLDS,
            **part("selective", "preset", "options"),
        },
        settings=MAP_SETTINGS,
        code=code("measure_motion"),
    script:
        "../../src/stages/measure_motion.py"


rule show_relevance:
    input:
        scores=at("motion_scores", **RELEVANT_SHARDS),
        clips=at("clips", **RELEVANT_SHARDS),
        flow=at("flow", **RELEVANT_SHARDS),
        explanations=at("explanations", **RELEVANT_SHARDS),
        selective=at("selective_maps", **RELEVANT_SHARDS),
        truth=if_made("truth", **RELEVANT_SHARDS),
    output:
        clips=at("relevance_clips"),
        sheet=report(
            f"{FIGURES}/relevance/{{model}}/seed{{seed}}.png",
            caption="../report/relevance.rst",
            category="Relevance",
            labels={"network": "{model}, seed {seed}"},
        ),
        animation=f"{FIGURES}/relevance/{{model}}/seed{{seed}}.gif",
    log:
        f"{NETWORK}/logs/show_relevance.log",
    benchmark:
        f"{NETWORK}/benchmarks/show_relevance.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 120),
    params:
        **part("selective", "preset", "options", "sigma"),
        sigmas=SIGMAS,
        explainers=list(EXPLAINERS),
        moving=MOVING,
        figures=part("figures", "relevance", "animated", "videos"),
        code=code("show_relevance"),
    script:
        "../../src/stages/show_relevance.py"
