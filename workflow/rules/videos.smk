rule make_embedded_videos:
    output:
        table=f"{DATA}/embedded/videos.csv",
        truth=f"{DATA}/embedded/ground_truth.h5",
    log:
        f"{DATA}/logs/make_embedded_videos.log",
    benchmark:
        f"{DATA}/benchmarks/make_embedded_videos.tsv"
    conda:
        "../../envs/voxplain.yaml"
    threads: 2
    resources:
        **needs(2000, 60),
    params:
        options=CONFIG.data.options,
        seed=CONFIG.data.seed,
        code=code("make_embedded_videos"),
    script:
        "../../src/stages/make_embedded_videos.py"


rule list_videos:
    input:
        source_file(CONFIG.data.path, CONFIG.data.adapter, f"{DATA}/embedded/videos.csv"),
    output:
        at("videos"),
    log:
        f"{DATA}/logs/list_videos.log",
    benchmark:
        f"{DATA}/benchmarks/list_videos.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(3000, 30),
    params:
        data=part("data"),
        listed=listed(TABLE),  # a folder has no date that tells of its files
        code=code("list_videos"),
    script:
        "../../src/stages/list_videos.py"


rule cache_clips:
    input:
        made=MADE,
    output:
        clips=made("clips"),
        set_aside=at("set_aside_videos"),
    log:
        f"{CLIPS}/logs/cache_clips.{{shard}}.log",
    benchmark:
        f"{CLIPS}/benchmarks/cache_clips.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(2000, 120),
    params:
        options=part("clips"),
        listed=listed_in_shard,
        code=code("cache_clips"),
    script:
        "../../src/stages/cache_clips.py"


rule cache_truth:
    input:
        embedded=[f"{DATA}/embedded/ground_truth.h5"] if EMBEDDED else [],
        clips=at("clips"),
    output:
        at("truth"),
    log:
        f"{TRUTH}/logs/cache_truth.{{shard}}.log",
    benchmark:
        f"{TRUTH}/benchmarks/cache_truth.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(2000, 60),
    params:
        truth=part("truth"),
        fit=part("clips", "size", "crop"),
        listed=truth_in_shard,
        code=code("cache_truth"),
    script:
        "../../src/stages/cache_truth.py"
