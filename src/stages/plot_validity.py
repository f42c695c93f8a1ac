"""Pictures of the checks of validity (rules plot_presets, plot_randomization and so on)."""

from _stage import run

from voxplain.artifacts import atomic_path, read_table
from voxplain.validity import figures


def main(stage):
    check = stage.rule.removeprefix("plot_")
    tables = [read_table(path, kind) for path, kind in zip(stage.input, stage.params.kinds, strict=True)]
    figure = getattr(figures, f"{check}_figure")(*tables)
    with atomic_path(stage.output[0]) as path:
        figure.savefig(path, dpi=110)


if __name__ == "__main__":
    run(main, globals())
