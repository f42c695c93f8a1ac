"""Train a network from scratch, or take given weights as they are (rule train_model)."""

import pandas as pd
import torch
from _stage import run

from voxplain.artifacts import atomic_path, partial_path, write_table
from voxplain.device import choose_device
from voxplain.models.build import build_model
from voxplain.models.training import hold_out, train
from voxplain.models.weights import save_weights
from voxplain.videos.store import ClipStore


def main(stage):
    settings, classes, seed = stage.params.model, stage.params.classes, int(stage.wildcards.seed)
    recipe = dict(settings["training"])
    share = recipe.pop("validation_share")
    model = build_model(
        settings["network"], settings["weights"], len(classes), seed=seed, **settings["options"]
    ).to(choose_device())
    partial = partial_path(stage.output.weights, made_by=stage.made_by, inputs=stage.input)
    history = pd.DataFrame({"epoch": []})
    if settings["weights"] is None:
        with ClipStore(stage.input.clips) as store:
            table = store.table
            print(f"training on {len(table)} clips of {len(classes)} classes")
            history = train(
                model,
                store.fetch,
                table["label"].map(classes.index).to_numpy(),
                hold_out(table["video"], table["label"], share=share, seed=seed),
                seed=seed,
                state=torch.load(partial, weights_only=False) if partial.exists() else None,
                on_epoch=lambda state: _keep(state, partial),
                **recipe,
            )
    save_weights(
        model, stage.output.weights, {"classes": classes, "made_by": stage.made_by | stage.measured()}
    )
    write_table(stage.output.history, history, kind="training", made_by=stage.made_by)
    partial.unlink(missing_ok=True)


def _keep(state, path):
    """Keep what an interrupted training goes on from."""
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


if __name__ == "__main__":
    run(main, globals())
