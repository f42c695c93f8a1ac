from voxplain.report import templates_hash


rule make_report:
    input:
        tables=[path for path in CONCEPTS if path.endswith(".parquet")],
        figures=[path for path in CONCEPTS if path.endswith(".png")],
    output:
        report(f"{RUN}/report.html", caption="../report/report.rst", category="Report"),
    log:
        f"{RUN}/logs/make_report.log",
    params:
        config=CONFIG.model_dump(mode="json"),
        classes=CLASSES,
        figures=FIGURES,
        folders=[RUN, f"{CLIPS}/benchmarks", f"{SEGMENTS}/benchmarks"],
        templates=templates_hash(),
        code=code("make_report"),
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    conda:
        "../../envs/voxplain.yaml"
    script:
        "../../src/stages/make_report.py"


rule report:
    input:
        f"{RUN}/report.html",
