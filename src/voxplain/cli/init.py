"""``init``: a config and a video table for a folder of clips."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
from csv import QUOTE_ALL, QUOTE_MINIMAL
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from ..artifacts import atomic_path
from ..config import load_config
from ..errors import ConfigError, VideoError
from ..videos.adapters.folder import folder
from ..videos.decode import probe
from ..videos.files import ENDINGS, draw_splits, list_folder
from ..videos.table import check_class_names, read_video_table, safe_name
from .check import uneven_rates

TABLE = "its video table: "
PROBED = 24  # videos whose length and rate decide clips.step
SIZE = 145  # of which I3D sees left and right alike (docs/position_bias.csv), and which two cores can do
SECONDS = 2.0  # that a clip is to span
SUPERVOXELS = 145  # of a clip, at the default levels; about two fifths are kept
MINIMUM = 20  # supervoxels of a concept
DISCOVERY = 8  # training videos of a class that concepts are looked for in
EVALUATED = 60  # test videos in all that are explained and edited, or as many as give each class 8

CONFIG = """\
# Made by `python -m voxplain init`{table}. Every key is explained in config/README.md.
run: {run}

data:
  path: {path}
{classes}  shard_size: 40  # several shards, so that all cores have work

clips:
  step: {step}  # {frames}
  size: {size}  # 145, 177, 209 and 241 are padded evenly by I3D; larger shows more, and takes longer

models:
  i3d:
    network: i3d
    weights: kinetics400
    head: new
    layers: [mixed_5b]

supervoxels:
  options: {{min_duration: 0.5}}

# These numbers suit two cores, and classes of {least} training videos or more. Raise the caps where there is more time.
concepts:
  videos_per_class: {discovery}
  clusters: {clusters}
  min_supervoxels: {minimum}
  max_members: {members}
cavs:
  set_size: {members}
explainers:
  dtd: {{}}
  gradcam: {{}}
  guided_backprop: {{}}
  input_x_gradient: {{}}
flow:
  method: dis
  camera: homography
relevance:
  videos_per_class: {evaluation}
  timing: {{repeats: 3}}
editing:
  videos_per_class: {evaluation}
  k_max: {k_max}
  clip_draws: 2

# How sure the ranking of concepts is, and whether maps lean to one side. `tables: null` makes all checks, on few clips
# each, and takes as long again; with variants: [official, gradient_loss, negatives_clips] the authors' form, too.
checks:
  tables: [stability, position_bias]
  variants: []
  clusters: []
  mirrored_per_class: 2
  mirrored_explainers: [dtd, gradcam]
  videos_per_class: 4
  edited_per_class: 1
  random_sets: 5
  members: 5
  levels: 3
  draws: 1
  maps_per_class: 1
  perturbed_per_class: 1
  perturbed_explainers: [dtd, gradcam]
  fills: [mean]
  steps: 5
  masks: 32
  subsets: 6
  followed_classes: 1
"""


def main(arguments: argparse.Namespace) -> int:
    root, into = Path(arguments.folder), Path(arguments.into or arguments.folder)
    table_path, config_path = into / "videos.csv", into / "config.yaml"
    given = root / "videos.csv"
    # A table that init did not write, or that was changed since, is the user's.
    own = table_path.is_file() and not _is_of_init(table_path, config_path)
    keep_table = given.is_file() and (given.absolute() != table_path.absolute() or own or not arguments.force)
    if own and not keep_table:
        raise ConfigError(
            f"{table_path} is there, and not by init: move it away, or --into another folder; it is not written over."
        )
    written = [config_path] if keep_table else [table_path, config_path]
    for path in written:
        if path.exists() and not arguments.force:
            kept = f" ({given} is kept)" if keep_table else ""
            raise ConfigError(
                f"{path} is there already: add --force to write it anew{kept}, or --into another folder."
            )
    if keep_table:
        table_path = given
        table = read_video_table(given)
    else:
        table = find_videos(
            root, labels=arguments.labels, test_fraction=arguments.test_fraction, seed=arguments.seed
        )
    check_class_names(table["class"])
    # Of a table that somebody wrote, a class that cannot be used may be a mistake.
    classes = arguments.classes or (None if keep_table else _usable_classes(table))
    listed, table = table, _only(table, classes)
    csv = "" if keep_table else _csv(listed if not arguments.classes else table, into)
    probed = _probed(table)
    step = _step(probed)
    text = config_text(
        table,
        table_path,
        step=step,
        run=safe_name(arguments.run or root.absolute().name),
        classes=classes,
        digest="" if keep_table else _digest(csv.encode("utf-8")),
    )
    try:
        if not keep_table:
            with atomic_path(table_path) as temporary:
                temporary.write_bytes(csv.encode("utf-8"))
        with atomic_path(config_path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{into} cannot be written to ({error.strerror}): add --into DIR.") from None
    for path in written:
        print(f"wrote {path}")
    if keep_table:
        print(f"kept {given}: it says which video is of which class and split")
    counts = table.groupby("class")["split"].value_counts().unstack(fill_value=0)
    for class_name, row in counts.iterrows():
        print(f"    {class_name}: {row.get('train', 0)} to train with, {row.get('test', 0)} to test with")
    for note in uneven_rates(probed, frames=16, step=step):
        print(f"note: {note.text}")
    print(
        "Next:\n"
        f"    python -m voxplain check {shlex.quote(str(config_path))}\n"
        f"    snakemake --cores {os.cpu_count()} --configfile {shlex.quote(str(config_path))}"
    )
    return 0


def find_videos(root: Path, *, labels: str | None, test_fraction: float, seed: int) -> pd.DataFrame:
    """Videos of a folder with a folder per class, or of a flat one, split by class.

    Parameters
    ----------
    root : path
        Holds a folder of videos per class (optionally below train/ and test/), or the videos themselves.
    labels : str, optional
        Of a flat folder: regular expression that finds a file's class in its name, as the first group or as
        the whole match.
    test_fraction, seed
        See `voxplain.videos.adapters.folder.folder`.

    Returns
    -------
    DataFrame
        path (absolute), class, split.

    Raises
    ------
    ConfigError
        There is no such folder, no video in it, or no class to be found; the fraction is no share.
    """
    if not root.is_dir():
        raise ConfigError(f"There is no folder {root}. Correct its path.")
    if not 0 < test_fraction < 1:
        raise ConfigError(
            f"--test-fraction is {test_fraction:g}: give a share between 0 and 1, such as 0.25."
        )
    flat = [
        Path(entry.path).absolute()
        for entry in list_folder(root)
        if os.path.isfile(entry.path) and Path(entry.name).suffix.lower() in ENDINGS
    ]
    if labels is None:
        if flat:
            raise ConfigError(
                f"{root} holds videos itself, such as {flat[0].name}: put each class's videos into a folder named "
                "after it, or say how names tell classes, such as --labels '^[a-z]+' for kick_01.mp4."
            )
        return folder(root, test_fraction=test_fraction, seed=seed)
    try:
        pattern = re.compile(labels)
    except re.error as error:
        raise ConfigError(f"--labels {labels!r} is no regular expression ({error}).") from None
    rows: dict[str, list[Path]] = {}
    for path in flat:
        match = pattern.search(path.stem)
        class_name = match and next((group for group in match.groups() if group), match.group())
        if not class_name:
            raise ConfigError(f"--labels {labels!r} finds no class in {path.name}: correct the expression.")
        rows.setdefault(class_name, []).append(path)
    if not rows:
        raise ConfigError(f"{root} holds no videos ({', '.join(sorted(ENDINGS))}).")
    found = []
    for class_name, paths in sorted(rows.items()):
        empty = {path.name for path in paths if not path.stat().st_size}
        splits = draw_splits([path.name for path in paths], class_name, test_fraction, seed, empty)
        found += [(str(path), class_name, split) for path, split in zip(paths, splits, strict=True)]
    return pd.DataFrame(found, columns=["path", "class", "split"])


def config_text(
    table: pd.DataFrame, table_path: Path, *, step: int, run: str, classes: list[str] | None, digest: str = ""
) -> str:
    """A config whose numbers fit the videos, as YAML.

    Raises
    ------
    ConfigError
        A class has too few videos, or a name that cannot be used.
    """
    counts = table.groupby("class")["split"].value_counts().unstack(fill_value=0)
    for class_name, row in counts.iterrows():
        for split in ("train", "test"):
            if not row.get(split, 0):
                raise ConfigError(
                    f"The class {class_name!r} has {int(row.sum())} video{'s' if row.sum() != 1 else ''}, none to {split} with: "
                    "add videos (8 or more are better), or leave it out with --classes."
                )
    # Numbers of supervoxels that are kept: of the class with the fewest, and of all.
    used = counts["train"].clip(upper=DISCOVERY)
    kept, pool = int(used.min() * SUPERVOXELS * 0.4), int(used.sum() * SUPERVOXELS * 0.4)
    clusters = int(np.clip(kept // (MINIMUM + 1), 2, 10))
    minimum = min(MINIMUM, kept // clusters - 1)
    members = int(np.clip(pool // 4, 3, 30))
    text = CONFIG.format(
        run=_quoted(run),
        table=f" ({TABLE}{digest})" if digest else "",
        path=_quoted(str(table_path.absolute())),
        classes=f"  classes: [{', '.join(map(_quoted, classes))}]\n" if classes else "",
        step=step,
        size=SIZE,
        frames=f"16 frames, {step} apart" if step > 1 else "16 frames in a row",
        least=counts["train"].min(),
        discovery=_cap(counts["train"], DISCOVERY, "training"),
        evaluation=_cap(counts["test"], _share(counts["test"]), "test"),
        clusters=clusters,
        minimum=minimum,
        members=members,
        k_max=max(min(5, clusters // 2), 1),
    )
    load_config(yaml.safe_load(text))  # a run's name can be impossible
    return text


def _share(counts: pd.Series) -> int:
    """Most videos of a class with which no more than `EVALUATED` are used in all, but 8 where they are there."""
    caps = range(8, max(8, counts.max()) + 1)
    return max((cap for cap in caps if counts.clip(upper=cap).sum() <= EVALUATED), default=8)


def _cap(counts: pd.Series, cap: int, kind: str) -> str:
    """A cap per class as YAML, with what it leaves: null where every video is used."""
    used, total = counts.clip(upper=cap).sum(), counts.sum()
    return (
        f"{cap}  # {used} of {total} {kind} videos" if used < total else f"null  # all {total} {kind} videos"
    )


def _probed(table: pd.DataFrame) -> pd.DataFrame:
    """class, fps and frames (0 where not known) of some of the videos, spread over the table."""
    found = []
    for i in np.linspace(0, len(table) - 1, min(PROBED, len(table))).astype(int):
        try:
            info = probe(table["path"].iloc[i])
        except VideoError:  # check tells of it
            continue
        found.append((table["class"].iloc[i], info.fps, info.frames))
    return pd.DataFrame(found, columns=["class", "fps", "frames"])


def _step(probed: pd.DataFrame) -> int:
    """Distance of a clip's 16 frames, so that it spans two seconds, or all of most videos if shorter."""
    wanted = probed["fps"] * SECONDS
    frames = np.minimum(probed["frames"].where(probed["frames"] > 0, wanted), wanted)
    return max(int(np.median(frames if len(frames) else [16]) // 16), 1)


def _only(table: pd.DataFrame, classes: list[str] | None) -> pd.DataFrame:
    known = sorted(table["class"].unique())
    for name in classes or []:
        if name not in known:
            raise ConfigError(f"--classes: no video is of the class {name!r}. Known: {', '.join(known)}.")
    table = table[table["class"].isin(classes)] if classes else table
    if table["class"].nunique() < 2:
        raise ConfigError("All videos are of one class; explaining a classifier needs two classes or more.")
    return table


def _usable_classes(table: pd.DataFrame) -> list[str] | None:
    """The classes with videos in both splits, where some have none in one of them; None for all."""
    counts = table.groupby("class")["split"].nunique()
    usable = counts.index[counts == 2].tolist()
    if len(usable) == len(counts) or len(usable) < 2:
        return None
    for class_name in counts.index[counts < 2]:
        n = int((table["class"] == class_name).sum())
        print(
            f"left out {class_name!r}: it has {n} video{'s' * (n != 1)}, and needs one to train and one to test with at "
            "least"
        )
    return usable


def _csv(table: pd.DataFrame, into: Path) -> str:
    """The table with paths inside `into` relative to it, so that both can be moved together."""
    home = str(into.absolute()) + os.sep
    # The column's name is the one that every version reads.
    table = table.rename(columns={"class": "label"})
    table = table[["path", "label", "split"]].assign(path=table["path"].str.removeprefix(home))
    # A reader takes a carriage return outside quotes for the end of a line.
    odd = table["path"].str.contains("\r").any()
    return table.to_csv(index=False, lineterminator="\n", quoting=QUOTE_ALL if odd else QUOTE_MINIMAL)


def _is_of_init(table: Path, config: Path) -> bool:
    """Whether init wrote a video table, as the config beside it says by a digest."""
    try:
        return (
            f"{TABLE}{_digest(table.read_bytes())}" in config.read_text(encoding="utf-8").partition("\n")[0]
        )
    except (OSError, UnicodeDecodeError):
        return False


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
