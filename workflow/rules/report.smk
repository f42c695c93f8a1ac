from voxplain.report import templates_hash


rule animate_concepts:
    input:
        members=expand_layers(f"{LAYER}/members/{{label}}.parquet", label=list(LABELS)),
        clips=expand(f"{CLIPS}/clips/{{shard}}.h5", shard=DISCOVERY_SHARDS),
        labels=expand(f"{SEGMENTS}/labels/{{shard}}.h5", shard=DISCOVERY_SHARDS),
    output:
        f"{RUN}/report/concept_clips.json",
    log:
        f"{RUN}/logs/animate_concepts.log",
    benchmark:
        f"{RUN}/benchmarks/animate_concepts.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(120),
    params:
        places=[
            {"model": model, "seed": seed, "layer": layer, "class": label}
            for model in CONCEPT_MODELS
            for seed in CONFIG.seeds
            for layer in CONFIG.models[model].layers
            for label in LABELS.values()
        ],
        examples=CONFIG.figures.examples,
        code=code("animate_concepts"),
    script:
        "../../src/stages/animate_concepts.py"


rule animate_relevance:
    input:
        scores=expand_first_explained(f"{NETWORK}/motion_scores/{{shard}}.parquet"),
        clips=expand(f"{CLIPS}/clips/{{shard}}.h5", shard=RELEVANT_SHARDS),
        flow=expand(f"{FLOW}/{{shard}}.h5", shard=RELEVANT_SHARDS),
        explanations=expand_first_explained(f"{NETWORK}/explanations/{{shard}}.h5"),
    output:
        f"{RUN}/report/relevance_clips.json",
    log:
        f"{RUN}/logs/animate_relevance.log",
    benchmark:
        f"{RUN}/benchmarks/animate_relevance.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(120),
    params:
        **part("selective", "preset", "options", "sigma"),
        sigmas=sorted({*CONFIG.selective.sweep, CONFIG.selective.sigma}),
        places={
            model: [place for place, (name, _) in enumerate(FIRST_EXPLAINED) if name == model]
            for model in RELEVANCE_MODELS
        },
        seed=CONFIG.seeds[0],
        explainers=list(EXPLAINERS),
        moving=MOVING,
        clips=CONFIG.figures.relevance,
        videos=CONFIG.figures.videos,
        code=code("animate_relevance"),
    script:
        "../../src/stages/animate_relevance.py"


rule make_report:
    input:
        tables=list(dict.fromkeys(path for path in REPORTED if path.endswith(".parquet"))),
        figures=[path for path in REPORTED if path.endswith(".png") and Path(path).stem in CHECKS],
        concepts=rules.animate_concepts.output if "concepts" in CONFIG.parts else [],
        relevance=rules.animate_relevance.output if "relevance" in CONFIG.parts else [],
    output:
        report(
            f"{RUN}/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"page": "the whole run"},
        ),
    log:
        f"{RUN}/logs/make_report.log",
    benchmark:
        f"{RUN}/benchmarks/make_report.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    params:
        config=CONFIG.model_dump(mode="json"),
        validity=CHECKS,
        folders=[RUN, f"{CLIPS}/benchmarks", f"{SEGMENTS}/benchmarks", f"{FLOW}/benchmarks"],
        templates=templates_hash(),
        code=code("make_report"),
    script:
        "../../src/stages/make_report.py"


rule report:
    input:
        f"{RUN}/report.html",
