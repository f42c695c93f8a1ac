"""Train a network or fine-tune it, fit a new head, or take given weights as they are (rule train_model)."""

import pandas as pd
from _stage import run

from voxplain.artifacts import partial_path, write_table
from voxplain.device import choose_device
from voxplain.models.build import build_model, check_classes
from voxplain.models.head import fit_stored_features
from voxplain.models.layers import get_layer, replace_head
from voxplain.models.training import hold_out, train
from voxplain.models.weights import read_training, save_weights, write_training
from voxplain.videos.store import ClipStore


def main(stage):
    params, settings, classes = stage.params, stage.params.model, stage.params.classes
    partial = partial_path(stage.output.weights, made_by=stage.made_by, inputs=stage.input)
    recipe, history = settings["training"], pd.DataFrame({"epoch": []})
    n_classes = None if recipe is None else len(classes)
    options = {"seed": params.weights_seed, **settings["options"]}
    model = build_model(settings["network"], settings["weights"], n_classes, **options)
    for layer in stage.layers:  # one that is not there is told before hours of training
        get_layer(model, layer)
    if settings["head"] == "new":
        fitted = fit_stored_features(stage.input.samples, classes, params.groups, seed=params.weights_seed)
        weight, bias, accuracy = fitted
        replace_head(model, len(classes), weight=weight, bias=bias)
        history = pd.DataFrame({"epoch": [0], "train_accuracy": [accuracy]})
    elif recipe is None:
        check_classes(model, settings["weights"], classes)
    else:
        model.to(choose_device())
        history = _train(model, stage.input.samples, classes, params, dict(recipe), partial)
    about = {"classes": classes, "clips": params.clips, "made_by": stage.made_by | stage.measured()}
    save_weights(model, stage.output.weights, about)
    write_table(stage.output.history, history, kind="training", made_by=stage.made_by)
    partial.unlink(missing_ok=True)


def _train(model, paths, classes, params, recipe, partial):
    """Train, going on from what an interrupted training left."""

    def keep(state):
        write_training(state, partial)

    split = {"share": recipe.pop("validation_share"), "seed": params.split_seed}
    recipe |= {"seed": params.weights_seed, "on_epoch": keep}
    state = read_training(partial)
    with ClipStore(paths) as store:
        table = store.table
        print(f"training on {len(table)} clips of {len(classes)} classes")
        targets = table["class"].map(classes.index).to_numpy()
        held_out = hold_out(table["video"], table["class"], params.groups, **split)
        return train(model, store.fetch, targets, held_out, state=state, **recipe)


if __name__ == "__main__":
    run(main, globals())
