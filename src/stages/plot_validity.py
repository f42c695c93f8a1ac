"""Pictures of the checks of validity (rules plot_presets, plot_randomization and so on)."""

from importlib import import_module

from _stage import run

from voxplain.artifacts import atomic_path, read_table


def main(stage):
    check = stage.rule.removeprefix("plot_")
    tables = [read_table(path, kind) for path, kind in zip(stage.input, stage.params.kinds, strict=True)]
    figure = getattr(import_module(f"voxplain.checks.{check}.figure"), f"{check}_figure")(*tables)
    with atomic_path(stage.output[0]) as path:
        figure.savefig(path, dpi=110)


if __name__ == "__main__":
    run(main, globals())
