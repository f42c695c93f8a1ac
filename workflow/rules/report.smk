from voxplain.report import templates_hash


rule report:
    input:
        tables=[
            path
            for path in dict.fromkeys(sum((PARTS[part] for part in CONFIG.parts), []) + tables_of("claims"))
            if path.endswith(".parquet")
        ],
        figures=[path for part in ("concepts", "checks") if part in CONFIG.parts for path in figures_of(part)],
        concepts=every("concept_clips") if "concepts" in CONFIG.parts else [],
        # Of the first network and layer: examples are the same for all.
        given=GIVEN_EXAMPLES[:1] if "concepts" in CONFIG.parts else [],
        relevance=every("relevance_clips") if "relevance" in CONFIG.parts else [],
    output:
        report(
            f"{RUN}/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"page": "the whole run"},
        ),
    log:
        f"{RUN}/logs/report.log",
    benchmark:
        f"{RUN}/benchmarks/report.tsv"
    conda:
        "../../envs/voxplain.yaml"
    resources:
        **needs(3000, 60),
    params:
        config=CONFIG.model_dump(mode="json"),
        tables={
            name: {
                "part": entry.part,
                "title": entry.title,
                "meaning": entry.meaning,
                "columns": entry.columns,
            }
            for name, entry in FINAL.items()
        },
        folders=[RUN, f"{CLIPS}/logs", f"{SEGMENTS}/logs", f"{FLOW}/logs"],
        templates=templates_hash(),
        code=code("report"),
    script:
        "../../src/stages/report.py"
