"""Train a network from scratch, fit a new head, or take given weights as they are (rule train_model)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import partial_path, write_table
from voxplain.device import choose_device
from voxplain.models.build import build_model
from voxplain.models.head import fit_stored_features
from voxplain.models.layers import replace_head
from voxplain.models.training import hold_out, train
from voxplain.models.weights import read_training, save_weights, write_training
from voxplain.videos.store import ClipStore


def main(stage):
    settings, classes, seed = stage.params.model, stage.params.classes, int(stage.wildcards.seed)
    partial = partial_path(stage.output.weights, made_by=stage.made_by, inputs=stage.input)
    if settings["head"] == "new":
        weight, bias, accuracy = fit_stored_features(stage.input.samples, classes, seed=seed)
        model = build_model(settings["network"], settings["weights"], **settings["options"])
        replace_head(model, len(classes), weight=weight, bias=bias)
        history = pd.DataFrame({"epoch": [0], "train_accuracy": [accuracy]})
    else:
        model = build_model(
            settings["network"], settings["weights"], len(classes), seed=seed, **settings["options"]
        ).to(choose_device())
        history = pd.DataFrame({"epoch": []})
        if settings["weights"] is None:
            history = _train(model, stage.input.samples, classes, seed, settings["training"], partial)
    save_weights(
        model, stage.output.weights, {"classes": classes, "made_by": stage.made_by | stage.measured()}
    )
    write_table(stage.output.history, history, kind="training", made_by=stage.made_by)
    partial.unlink(missing_ok=True)


def _train(model, paths, classes, seed, recipe, partial):
    """Train from scratch, going on from what an interrupted training left."""

    def keep(state):
        write_training(state, partial)

    recipe = dict(recipe)
    share = recipe.pop("validation_share")
    state = read_training(partial)
    with ClipStore(paths) as store:
        table = store.table
        print(f"training on {len(table)} clips of {len(classes)} classes")
        targets = table["class"].map(classes.index).to_numpy()
        held_out = hold_out(table["video"], table["class"], share=share, seed=seed)
        return train(model, store.fetch, targets, held_out, seed=seed, state=state, on_epoch=keep, **recipe)


if __name__ == "__main__":
    run(main, globals())
