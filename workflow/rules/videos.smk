rule make_embedded_videos:
    output:
        f"{DATA}/embedded/videos.csv",
    log:
        f"{DATA}/logs/make_embedded_videos.log",
    benchmark:
        f"{DATA}/benchmarks/make_embedded_videos.tsv"
    conda:
        "../../envs/voxplain.yaml"
    threads: 2
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
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
        f"{DATA}/videos.parquet",
    log:
        f"{DATA}/logs/list_videos.log",
    benchmark:
        f"{DATA}/benchmarks/list_videos.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    params:
        data=part("data"),
        code=code("list_videos"),
    script:
        "../../src/stages/list_videos.py"


rule cache_clips:
    input:
        videos=f"{DATA}/videos.parquet",
    output:
        clips=intermediate("clips", f"{CLIPS}/clips/{{shard}}.h5"),
        set_aside=f"{CLIPS}/set_aside/{{shard}}.parquet",
    log:
        f"{CLIPS}/logs/cache_clips.{{shard}}.log",
    benchmark:
        f"{CLIPS}/benchmarks/cache_clips.{{shard}}.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(120),
    params:
        options=part("clips"),
        code=code("cache_clips"),
    script:
        "../../src/stages/cache_clips.py"


rule tabulate_set_aside:
    input:
        expand(f"{CLIPS}/set_aside/{{shard}}.parquet", shard=SHARDS),
    output:
        f"{TABLES}/set_aside.parquet",
    log:
        f"{RUN}/logs/tabulate_set_aside.log",
    benchmark:
        f"{RUN}/benchmarks/tabulate_set_aside.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        mem_mb=grows(2000),
        runtime=grows(10),
    params:
        code=code("tabulate_set_aside"),
    script:
        "../../src/stages/tabulate_set_aside.py"
