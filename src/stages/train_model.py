"""Train a network or fine-tune it, fit a new head, or take given weights as they are (rule train_model)."""

import pandas as pd
import torch
from _stage import run

from voxplain.artifacts import atomic_path, partial_path, write_table
from voxplain.device import choose_device
from voxplain.models.build import build_model, check_classes
from voxplain.models.head import fit_stored_features
from voxplain.models.layers import replace_head
from voxplain.models.training import hold_out, train
from voxplain.models.weights import save_weights
from voxplain.videos.store import ClipStore


def main(stage):
    params, settings, classes = stage.params, stage.params.model, stage.params.classes
    partial = partial_path(stage.output.weights, made_by=stage.made_by, inputs=stage.input)
    recipe, history = settings["training"], pd.DataFrame({"epoch": []})
    model = build_model(
        settings["network"],
        settings["weights"],
        None if recipe is None else len(classes),
        seed=params.weights_seed,
        **settings["options"],
    )
    if settings["head"] == "new":
        weight, bias, accuracy = fit_stored_features(stage.input.samples, classes, seed=params.weights_seed)
        replace_head(model, len(classes), weight=weight, bias=bias)
        history = pd.DataFrame({"epoch": [0], "train_accuracy": [accuracy]})
    elif recipe is None:
        check_classes(model, settings["weights"], classes)
    else:
        seeds = params.weights_seed, params.split_seed
        history = _train(
            model.to(choose_device()), stage.input.samples, classes, seeds, dict(recipe), partial
        )
    save_weights(
        model, stage.output.weights, {"classes": classes, "made_by": stage.made_by | stage.measured()}
    )
    write_table(stage.output.history, history, kind="training", made_by=stage.made_by)
    partial.unlink(missing_ok=True)


def _train(model, paths, classes, seeds, recipe, partial):
    """Train, going on from what an interrupted training left."""

    def keep(state):
        with atomic_path(partial) as temporary:
            torch.save(state, temporary)

    seed, split_seed = seeds
    share = recipe.pop("validation_share")
    state = torch.load(partial, weights_only=False) if partial.exists() else None
    with ClipStore(paths) as store:
        table = store.table
        print(f"training on {len(table)} clips of {len(classes)} classes")
        targets = table["class"].map(classes.index).to_numpy()
        held_out = hold_out(table["video"], table["class"], share=share, seed=split_seed)
        return train(model, store.fetch, targets, held_out, seed=seed, state=state, on_epoch=keep, **recipe)


if __name__ == "__main__":
    run(main, globals())
