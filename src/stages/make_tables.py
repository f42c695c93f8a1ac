"""The final tables of a part, and their figures (rules tabulate_networks to tabulate_checks)."""

from pathlib import Path

import pandas as pd
from _stage import run

from voxplain.artifacts import atomic_path, check_settings, read_table, write_table
from voxplain.concepts.names import with_names
from voxplain.tables import all_tables, with_groups


def main(stage):
    entries, known = all_tables(), {}

    def given(inputs):
        """What a table or figure takes; None of a kind that this run has not."""
        for kind in set(inputs.values()) - set(known):
            own, paths = kind.removeprefix("other_"), stage.input.get(kind, [])
            if own != kind:
                check_settings(stage.input[own], paths)
            parts = [read_table(path, own) for path in paths]
            # A shard none of whose chosen clips is usable has no rows, and no types of columns.
            parts = [part for part in parts if len(part)] or parts[:1]
            whole = pd.concat(parts, ignore_index=True) if parts else None
            if parts and "concept" in whole:  # no number hangs on names of found concepts
                whole = whole.drop(columns="name", errors="ignore")
            known[kind] = with_groups(whole, videos) if parts else None
        return {name: known[kind] for name, kind in inputs.items()}

    videos = read_table(stage.input.videos[0], "videos")
    published = {Path(path).stem: path for path in stage.input.published}
    for name, options in stage.params.tables.items():
        more = {}
        if name in published:
            more["published"] = pd.read_csv(published[name], keep_default_na=False, na_values=[""])
        known[name] = entries[name].function(**given(entries[name].inputs), **options, **more)
        print(f"{name}: {len(known[name])} rows")
        table = with_names(known[name], stage.params.names)
        write_table(stage.output[name], table, kind=name, made_by=stage.made_by, csv=True)
    for name, options in stage.params.figures.items():
        figure = entries[name].draw(**given(entries[name].figure.inputs), **options)
        with atomic_path(stage.output[f"{name}_figure"]) as path:
            figure.savefig(path, dpi=130)


if __name__ == "__main__":
    run(main, globals())
