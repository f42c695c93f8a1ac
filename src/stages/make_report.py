"""One page with the run's answer, tables, pictures and provenance (rule make_report)."""

from pathlib import Path

import pandas as pd
from _stage import run

from voxplain.artifacts import atomic_path, attributes_of, read_table
from voxplain.provenance import git_revision
from voxplain.report.builder import Picture, Provenance, build_report
from voxplain.videos.table import safe_name


def main(stage):
    paths = {Path(path).stem: path for path in stage.input.tables}
    tables = {name: read_table(path, name) for name, path in paths.items()}
    classes = {safe_name(label): label for label in stage.params.classes}
    page = build_report(
        tables,
        [_picture(path, Path(stage.params.figures), classes) for path in stage.input.figures],
        Provenance(
            stage.params.config,
            git_revision(),
            {name: attributes_of(path) for name, path in paths.items()},
            _stages(
                [path for folder in stage.params.folders for path in sorted(Path(folder).glob("**/*.tsv"))]
            ),
        ),
    )
    with atomic_path(stage.output[0]) as path:
        path.write_text(page, encoding="utf-8")


def _picture(path, folder, classes):
    """A picture, with what its place says of it: concepts/{model}/seed{seed}/{layer}/{label}.png."""
    match Path(path).relative_to(folder).with_suffix("").parts:
        case "concepts", model, seed, layer, label:
            about = {
                "model": model,
                "seed": int(seed.removeprefix("seed")),
                "layer": layer,
                "class": classes[label],
            }
            return Picture(path, "concepts", about)
        case kind, *_:
            return Picture(path, kind)


def _stages(benchmarks):
    """Time and memory of each rule, from Snakemake's benchmark files."""
    rows = [pd.read_csv(path, sep="\t").assign(rule=path.name.partition(".")[0]) for path in benchmarks]
    if not rows:
        return pd.DataFrame(columns=["rule", "jobs", "seconds", "max_rss"])
    groups = pd.concat(rows).groupby("rule", sort=False)
    return groups.agg(jobs=("s", "size"), seconds=("s", "sum"), max_rss=("max_rss", "max")).reset_index()


if __name__ == "__main__":
    run(main, globals())
