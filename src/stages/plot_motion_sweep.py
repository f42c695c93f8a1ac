"""Curves over the thresholds of selection and of motion (rule plot_motion_sweep)."""

from _stage import run

from voxplain.artifacts import atomic_path, read_table
from voxplain.motion.figures import motion_sweep_figure


def main(stage):
    table = read_table(stage.input[0], "motion_sweep")
    figure = motion_sweep_figure(table, sigma=stage.params.sigma, **stage.params.moving)
    with atomic_path(stage.output[0]) as path:
        figure.savefig(path, dpi=120)


if __name__ == "__main__":
    run(main, globals())
