"""Pooled features that a new head is fitted to (rule extract_features)."""

from _stage import run

from voxplain.artifacts import create_h5, store
from voxplain.device import choose_device
from voxplain.models.build import build_model
from voxplain.models.head import view_features
from voxplain.videos.store import ClipStore


def main(stage):
    settings = stage.params.model
    model = build_model(settings["network"], settings["weights"], **settings["options"]).to(choose_device())
    with ClipStore(stage.input.clips) as clips:
        views = {"views": settings["head_views"], "flip": settings["head_flip"]}
        features = view_features(model, clips.fetch, len(clips.table), **views)
        with create_h5(stage.output[0], kind="features", made_by=stage.made_by, attrs=stage.measured) as file:
            store(file, "features", features)
            store(file, "video", clips.table["video"].to_numpy())
            store(file, "class", clips.table["class"].to_numpy())


if __name__ == "__main__":
    run(main, globals())
