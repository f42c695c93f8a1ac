"""How well maps of the pixels find the evidence, by a column of the data's details: no network is asked.

::

    python -m benchmarks.pixel_controls config/pasted.yaml FOLDER --details clips.csv --by background_video

prints, for the test videos, the mean AUROC of every control (`voxplain.motion.controls.pixel_controls`) for the evidence against
all other voxels that are known, and against the distractor's, by the subsets of the video table and by the column.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from voxplain.cli.values import read_yaml
from voxplain.config import Config, load_config
from voxplain.motion.controls import pixel_controls
from voxplain.plan import plan_run
from voxplain.statistics import auroc
from voxplain.videos.clips import read_clips
from voxplain.videos.truth import read_truth


def measure(config: Config, videos: pd.DataFrame) -> pd.DataFrame:
    """Rows of video, control, evidence and distractor: AUROC of the evidence against all else, and against the distractor.

    Parameters
    ----------
    config : Config
    videos : DataFrame
        Rows of the video table. Videos without evidence are passed over.
    """
    cut, rows = config.clips.cut(), []
    fitted = {name: cut[name] for name in ("size", "crop")}
    for row in tqdm(videos.to_dict("records"), unit="video", mininterval=10):
        clips, indices = read_clips(row["path"], **cut)
        truth = read_truth(row, np.asarray(indices)[0], **fitted, **config.truth.model_dump())
        masks = {} if truth is None else truth.masks()
        if "evidence" not in masks or not masks["evidence"].any():
            continue
        evidence, known = masks["evidence"], truth.known
        both = evidence | masks.get("distractor", evidence)
        for (name, _), values in pixel_controls(clips[0]).items():
            found = {"evidence": auroc(values[known], evidence[known]), "distractor": np.nan}
            if (both & ~evidence).any():
                found["distractor"] = auroc(values[both], evidence[both])
            rows.append({"video": row["video"], "control": name, **found})
    return pd.DataFrame(rows, columns=["video", "control", "evidence", "distractor"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.pixel_controls", description=__doc__.partition("\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("folder", type=Path, help="the data's")
    parser.add_argument(
        "--details", required=True, metavar="FILE", help="CSV in the folder, with a column path"
    )
    parser.add_argument("--by", required=True, metavar="COLUMN")
    given = parser.parse_args(arguments)
    text = read_yaml(given.config)
    text["data"]["path"] = str(given.folder)
    config, _, table = plan_run(load_config(text))
    details = pd.read_csv(given.folder / given.details)
    by = {str((given.folder / row.path).resolve()): getattr(row, given.by) for row in details.itertuples()}
    videos = table[table["split"] == "test"]
    places = videos["path"].map(lambda path: by.get(str(Path(path).resolve())))
    known = videos.assign(**{given.by: places}).set_index("video")[["subset", given.by]]
    found = measure(config, videos).join(known, on="video")
    for target in ("evidence", "distractor"):
        for columns in ("subset", ["subset", given.by]):
            shown = found.pivot_table(index="control", columns=columns, values=target)
            print(f"\nevidence against {'all else' if target == 'evidence' else 'the distractor'}")
            print(shown.to_string(float_format="{:.2f}".format))


if __name__ == "__main__":
    main()
