"""Something-Something-v2 as it is distributed."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pandas as pd

from voxplain.errors import ConfigError

from ..files import by_stem
from . import DATASETS

log = logging.getLogger(__name__)
PREFIX = "something-something-v2"


@DATASETS("something_v2")
def something_v2(source: str | Path, *, videos: str = "20bn-something-something-v2") -> pd.DataFrame:
    """Something-Something-v2: ``ID.webm`` in one folder, and its lists as JSON. The validation split is the test split.

    Parameters
    ----------
    source : path
        Folder of ``something-something-v2-train.json`` and ``-validation.json``; or the same names without
        ``something-something-v2-``.
    videos : path
        Folder of the videos, relative to `source`.

    Returns
    -------
    DataFrame
        path, class (the template, its brackets removed), split of the listed videos that are there, whatever their
        ending. How many are missing is logged.

    Raises
    ------
    ConfigError
        A list is missing or is not what it should be, or no video is there.
    """
    source, rows, missing = Path(source).absolute(), [], 0
    present = by_stem(source / videos) if (source / videos).is_dir() else {}
    for name, split in (("train", "train"), ("validation", "test")):
        places = [source / f"{PREFIX}-{name}.json", source / f"{name}.json"]
        path = next((path for path in places if path.is_file()), None)
        if path is None:
            raise ConfigError(f"{source} has no {places[0].name} or {places[1].name}. Put the lists there.")
        try:
            entries = [(str(entry["id"]), entry["template"]) for entry in json.loads(path.read_text("utf-8"))]
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                f"{path} is not a list of entries with id and template. Download it again."
            ) from None
        for video, template in entries:
            file = present.get(video.lower())
            missing += file is None
            if file is not None:
                class_name = template.replace("[", "").replace("]", "").replace("/", " or ")
                rows.append((file, class_name, split))
    if not rows:
        raise ConfigError(
            f"No listed video is in {source / videos}. Name their folder in data.options.videos."
        )
    if missing:
        log.warning(
            "%d of the %d listed videos are not in %s.", missing, missing + len(rows), source / videos
        )
    return pd.DataFrame(rows, columns=["path", "class", "split"])
