rule train_model:
    input:
        videos=f"{DATA}/videos.parquet",
        clips=expand(f"{CLIPS}/clips/{{shard}}.h5", shard=TRAIN_SHARDS),
        given=weights_file,
    output:
        weights=f"{NETWORK}/weights.safetensors",
        history=f"{NETWORK}/training.parquet",
    log:
        f"{NETWORK}/logs/train_model.log",
    benchmark:
        f"{NETWORK}/benchmarks/train_model.tsv"
    wildcard_constraints:
        model=one_of(name for name, model in CONFIG.models.items() if model.head == "keep"),
    conda:
        "../../envs/voxplain.yaml"
    # Sums over more threads differ in their last bits, and training magnifies that: numbers must not hang on
    # --cores. Where one network is to have more, --set-threads train_model=N.
    threads: 1
    resources:
        mem_mb=grows(6000),
        runtime=grows(1440),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        model=network_params("network", "options", "weights", "training"),
        classes=CLASSES,
        code=code("train_model"),
    script:
        "../../src/stages/train_model.py"


rule extract_features:
    input:
        clips=expand(f"{CLIPS}/clips/{{shard}}.h5", shard=TRAIN_SHARDS),
        given=weights_file,
    output:
        f"{RUN}/models/{{model}}/features.h5",
    log:
        f"{RUN}/models/{{model}}/logs/extract_features.log",
    benchmark:
        f"{RUN}/models/{{model}}/benchmarks/extract_features.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(6000),
        runtime=grows(240),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        model=network_params("network", "options", "weights", "head_views"),
        code=code("extract_features"),
    script:
        "../../src/stages/extract_features.py"


rule fit_head:
    input:
        features=f"{RUN}/models/{{model}}/features.h5",
        given=weights_file,
    output:
        weights=f"{NETWORK}/weights.safetensors",
        history=f"{NETWORK}/training.parquet",
    log:
        f"{NETWORK}/logs/fit_head.log",
    benchmark:
        f"{NETWORK}/benchmarks/fit_head.tsv"
    wildcard_constraints:
        model=one_of(name for name, model in CONFIG.models.items() if model.head == "new"),
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        model=network_params("network", "options", "weights"),
        classes=CLASSES,
        code=code("fit_head"),
    script:
        "../../src/stages/fit_head.py"


rule test_model:
    input:
        videos=f"{DATA}/videos.parquet",
        clips=expand(f"{CLIPS}/clips/{{shard}}.h5", shard=TEST_SHARDS),
        weights=f"{NETWORK}/weights.safetensors",
    output:
        f"{NETWORK}/predictions.parquet",
    log:
        f"{NETWORK}/logs/test_model.log",
    benchmark:
        f"{NETWORK}/benchmarks/test_model.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(120),
        device=device_of_attempt,
        jobs_per_gpu=CONFIG.device.jobs_per_gpu,
    params:
        code=code("test_model"),
    script:
        "../../src/stages/test_model.py"


rule tabulate_model_accuracy:
    input:
        expand(f"{NETWORK}/predictions.parquet", model=list(CONFIG.models), seed=CONFIG.seeds),
    output:
        f"{TABLES}/model_accuracy.parquet",
    log:
        f"{RUN}/logs/tabulate_model_accuracy.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_model_accuracy.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(15),
    params:
        code=code("tabulate_model_accuracy"),
    script:
        "../../src/stages/tabulate_model_accuracy.py"
