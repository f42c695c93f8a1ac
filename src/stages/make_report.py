"""One page with the run's answer, tables, clips and provenance (rule make_report)."""

from pathlib import Path

import pandas as pd
from _stage import run

from voxplain.artifacts import atomic_path, attributes_of, read_json, read_table
from voxplain.provenance import git_revision
from voxplain.report.builder import Check, Found, Provenance, build_report


def main(stage):
    paths = {Path(path).stem: path for path in stage.input.tables}
    figures = {Path(path).stem: path for path in stage.input.figures}
    clips = {Path(path).stem: path for path in (*stage.input.concepts, *stage.input.relevance)}
    found = Found(
        {name: read_table(path, name) for name, path in paths.items()},
        *(
            read_json(clips[kind], kind) if kind in clips else None
            for kind in ("concept_clips", "relevance_clips")
        ),
        [Check(name, *about, figures.get(name)) for name, about in stage.params.validity.items()],
    )
    benchmarks = [path for folder in stage.params.folders for path in sorted(Path(folder).glob("**/*.tsv"))]
    page = build_report(
        found,
        Provenance(
            stage.params.config,
            git_revision(),
            {name: attributes_of(path) for name, path in {**paths, **clips}.items()},
            _stages(benchmarks),
        ),
    )
    with atomic_path(stage.output[0]) as path:
        path.write_text(page, encoding="utf-8")


def _stages(benchmarks):
    """Time and memory of each rule, from Snakemake's benchmark files."""
    rows = [pd.read_csv(path, sep="\t").assign(rule=path.name.partition(".")[0]) for path in benchmarks]
    if not rows:
        return pd.DataFrame(columns=["rule", "jobs", "seconds", "max_rss"])
    groups = pd.concat(rows).groupby("rule", sort=False)
    return groups.agg(jobs=("s", "size"), seconds=("s", "sum"), max_rss=("max_rss", "max")).reset_index()


if __name__ == "__main__":
    run(main, globals())
