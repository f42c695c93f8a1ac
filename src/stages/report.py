"""One page with the run's answer, tables, clips and provenance (rule report)."""

from pathlib import Path

from _stage import run

from voxplain.artifacts import atomic_path, attributes_of, read_json, read_table
from voxplain.provenance import git_revision
from voxplain.report.builder import Found, Meaning, Provenance, build_report, merge_clips
from voxplain.spent import read_spent


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
    logs = [path for folder in stage.params.folders for path in sorted(Path(folder).glob("**/*.log"))]
    page = build_report(
        found,
        Provenance(
            stage.params.config,
            git_revision(),
            {name: attributes_of(path) for name, path in paths.items()},
            _stages(logs),
        ),
    )
    with atomic_path(stage.output[0]) as path:
        path.write_text(page, encoding="utf-8")


def _stages(logs):
    """Time and memory of each rule, from what its jobs' logs end with."""
    groups = read_spent(logs).groupby("rule", sort=False)
    spent = groups.agg(jobs=("seconds", "size"), seconds=("seconds", "sum"), max_rss=("peak_mb", "max"))
    return spent.reset_index()


if __name__ == "__main__":
    run(main, globals())
