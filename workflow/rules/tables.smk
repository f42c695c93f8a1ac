# All final tables of a part in one job, with their figures: what they are is said beside the functions that
# compute them (voxplain.tables).
for name in ("networks", "concepts", "relevance", "checks", "claims"):

    entries = {table: entry for table, entry in FINAL.items() if entry.part == name}
    figures = {table: entry.figure for table, entry in entries.items() if entry.figure}
    kinds = {kind for wants in (*entries.values(), *figures.values()) for kind in inputs_of(wants)}

    rule:
        name:
            f"tabulate_{name}"
        input:
            **{kind: every(kind) for kind in sorted({"videos", *kinds} - set(entries))},
            published=[
                str(ROOT / f"config/published/{table}.csv")
                for table, entry in entries.items()
                if entry.published
            ],
        output:
            **{table: f"{TABLES}/{table}.parquet" for table in entries},
            **{f"{table}_csv": f"{TABLES}/{table}.csv" for table in entries},
            **{
                f"{table}_figure": report(
                    f"{FIGURES}/{table}.png",
                    caption=f"../report/{name}_tables.rst",
                    category=name.capitalize(),
                    labels={"figure": entries[table].title},
                )
                for table in figures
            },
        log:
            f"{RUN}/logs/tabulate_{name}.log",
        benchmark:
            f"{RUN}/benchmarks/tabulate_{name}.tsv"
        conda:
            "../../envs/voxplain.yaml"
        resources:
            **needs(4000, 60),
        params:
            tables={table: options_of(entry) for table, entry in entries.items()},
            names=NAMES if any("concept" in entry.columns for entry in entries.values()) else [],
            figures={table: options_of(figure) for table, figure in figures.items()},
            code=code("make_tables", *[place for entry in entries.values() for place in entry.definitions]),
        script:
            "../../src/stages/make_tables.py"
