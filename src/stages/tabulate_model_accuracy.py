"""Test accuracy of every network, overall and per class (rule tabulate_model_accuracy)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import read_table, write_table
from voxplain.evaluation import accuracy_table


def main(stage):
    predictions = pd.concat([read_table(path, "predictions") for path in stage.input], ignore_index=True)
    write_table(
        stage.output[0], accuracy_table(predictions), kind="model_accuracy", made_by=stage.made_by, csv=True
    )


if __name__ == "__main__":
    run(main, globals())
