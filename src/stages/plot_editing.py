"""Curves of accuracy against the number of concepts added or removed (rule plot_editing)."""

from _stage import run

from voxplain.artifacts import atomic_path, read_table
from voxplain.figures import editing_figure

WORDS = {"concept_addition": ("Adding concepts", "shown"), "concept_removal": ("Removing concepts", "hidden")}


def main(stage):
    experiment = stage.wildcards.experiment
    title, verb = WORDS[experiment]
    figure = editing_figure(read_table(stage.input[0], experiment), title=title, verb=verb)
    with atomic_path(stage.output[0]) as path:
        figure.savefig(path, dpi=150)


if __name__ == "__main__":
    run(main, globals())
