"""Fit a new linear head to a network with given weights (rule fit_head)."""

import numpy as np
import pandas as pd
from _stage import run

from voxplain.artifacts import open_h5, write_table
from voxplain.models.build import build_model
from voxplain.models.head import fit_head
from voxplain.models.layers import replace_head
from voxplain.models.weights import save_weights


def main(stage):
    settings, classes = stage.params.model, stage.params.classes
    with open_h5(stage.input.features, "features") as file:
        features, videos, names = file["features"][()], file["video"].asstr()[()], file["label"].asstr()[()]
    labels = np.array([classes.index(name) for name in names])
    weight, bias = fit_head(features, labels, videos, seed=int(stage.wildcards.seed))
    accuracy = ((features[0] @ weight.T + bias).argmax(axis=1) == labels).mean()
    model = build_model(settings["network"], settings["weights"], **settings["options"])
    replace_head(model, len(classes), weight=weight, bias=bias)
    save_weights(model, stage.output.weights, {"classes": classes, "made_by": stage.made_by})
    history = pd.DataFrame({"epoch": [0], "train_accuracy": [accuracy]})
    write_table(stage.output.history, history, kind="training", made_by=stage.made_by)


if __name__ == "__main__":
    run(main, globals())
