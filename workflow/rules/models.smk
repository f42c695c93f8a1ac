# Of training videos that are not independent, by video; those alone have one of their own.
TRAINED_GROUPS = TABLE[(TABLE["split"] == "train") & (TABLE["group"] != TABLE["video"])]
TRAINED_GROUPS = dict(zip(TRAINED_GROUPS["video"], TRAINED_GROUPS["group"]))


rule extract_features:
    input:
        clips=at("clips", shard=shards_of(TABLE, "train")),
        given=weights_file,
    output:
        at("features"),
    log:
        f"{RUN}/models/{{model}}/logs/extract_features.log",
    benchmark:
        f"{RUN}/models/{{model}}/benchmarks/extract_features.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(6000, 240, network=True),
    params:
        model=model_params("network", "options", "weights", "head_views", "head_flip"),
        code=code("extract_features"),
    script:
        "../../src/stages/extract_features.py"


rule train_model:
    input:
        samples=training_input,
        given=weights_file,
    output:
        weights=at("weights"),
        history=f"{NETWORK}/training.parquet",
    log:
        f"{NETWORK}/logs/train_model.log",
    benchmark:
        f"{NETWORK}/benchmarks/train_model.tsv"
    conda:
        "../../envs/voxplain.yaml"
    # Sums over more threads differ in their last bits, and training magnifies that: numbers must not hang on
    # --cores. Where one network is to have more, --set-threads train_model=N.
    threads: 1
    resources:
        **needs(6000, 1440, network=True),
    params:
        model=model_params("network", "options", "weights", "head", "training"),
        classes=CLASSES,
        clips=CONFIG.clips.model_dump(mode="json"),
        weights_seed=stream("weights"),
        split_seed=stream("split"),
        groups=TRAINED_GROUPS,
        code=code("train_model"),
    script:
        "../../src/stages/train_model.py"


rule test_model:
    input:
        clips=at("clips", shard=shards_of(TABLE, "test")),
        weights=at("weights"),
    output:
        at("predictions"),
    log:
        f"{NETWORK}/logs/test_model.log",
    benchmark:
        f"{NETWORK}/benchmarks/test_model.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 120, network=True),
    params:
        code=code("test_model"),
    script:
        "../../src/stages/test_model.py"


rule choose_precision:
    input:
        weights=at("weights"),
        clips=at("clips", shard=shards_of(COMPARED)),
        supervoxels=at("supervoxels", shard=shards_of(COMPARED)),
    output:
        at("chosen_precision"),
    log:
        f"{NETWORK}/logs/choose_precision.log",
    benchmark:
        f"{NETWORK}/benchmarks/choose_precision.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(4000, 60, network=True),
    params:
        asked=CONFIG.device.precision,
        layers=lambda wildcards: CONFIG.models[wildcards.model].layers,
        videos=COMPARED["video"].tolist(),
        options=part("activations", "fill", "batch"),
        preset=CONFIG.supervoxels.preset,
        criteria=CONFIG.supervoxels.options,
        code=code("choose_precision"),
    script:
        "../../src/stages/choose_precision.py"
