"""One page with the run's answer, tables, clips and provenance (rule report)."""

from pathlib import Path

import pandas as pd
from _stage import run

from voxplain.artifacts import atomic_path, attributes_of, read_json, read_table
from voxplain.provenance import git_revision
from voxplain.report.builder import Found, Meaning, Provenance, build_report, merge_clips


def main(stage):
    paths = {Path(path).stem: path for path in stage.input.tables}
    figures = {Path(path).stem: path for path in stage.input.figures}
    about = {name: Meaning(**words, figure=figures.get(name)) for name, words in stage.params.tables.items()}
    found = Found(
        {name: read_table(path, name) for name, path in paths.items()},
        merge_clips([read_json(path, "concept_clips") for path in stage.input.concepts]),
        merge_clips([read_json(path, "relevance_clips") for path in stage.input.relevance]),
        about,
        next(iter(stage.input.given), None),
    )
    benchmarks = [path for folder in stage.params.folders for path in sorted(Path(folder).glob("**/*.tsv"))]
    page = build_report(
        found,
        Provenance(
            stage.params.config,
            git_revision(),
            {name: attributes_of(path) for name, path in paths.items()},
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
