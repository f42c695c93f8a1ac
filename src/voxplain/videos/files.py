"""Which files of a data set are videos or lists, and which of them go to the test split."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from voxplain.errors import ConfigError

ENDINGS = {
    ".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ts", ".m2ts", ".ogv",
    ".gif",
}  # fmt: skip
IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}

log = logging.getLogger(__name__)


def walk_videos(folder: str | Path, endings: Collection[str] = frozenset(ENDINGS)) -> Iterator[str]:
    """Paths of the videos in a folder and in those below it, in order of name; hidden ones do not count.

    Links are followed, but no folder is entered twice. `endings` are those of what is looked for, in small letters.

    Raises
    ------
    ConfigError
        A folder cannot be read.
    """
    seen, todo = set(), [str(folder)]
    while todo:
        place = todo.pop()
        entries = list_folder(place)
        state = os.stat(place)
        if (state.st_dev, state.st_ino) in seen:
            continue
        seen.add((state.st_dev, state.st_ino))
        for entry in entries:
            if os.path.isdir(entry.path):
                todo.append(entry.path)
                if os.path.splitext(entry.name)[1].lower() in endings and not list_folder(entry.path):
                    yield entry.path  # is named as a video, and told of when it is opened
            elif os.path.splitext(entry.name)[1].lower() in endings:
                yield entry.path


def example_files(folder: str | Path) -> list[str]:
    """Paths of the videos and images in a folder and in those below it.

    Raises
    ------
    ConfigError
        There is no such folder, or neither video nor image in it.
    """
    if not Path(folder).is_dir():
        raise ConfigError(f"There is no folder {folder}: give one that holds example clips.")
    found = list(walk_videos(Path(folder).resolve(), ENDINGS | IMAGES))
    if not found:
        raise ConfigError(
            f"{folder} holds no videos ({', '.join(sorted(ENDINGS))}) and no images ({', '.join(sorted(IMAGES))}): put "
            "example clips into it."
        )
    return found


def list_folder(folder: str | Path) -> list[os.DirEntry]:
    """Entries of a folder by name, without hidden ones and those whose names are no text, of which it tells.

    A `ConfigError` where the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted((e for e in entries if not e.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise ConfigError(
            f"The folder {folder} cannot be read ({error.strerror}). Change its permissions, or take it away."
        ) from None
    for entry in found:
        if not _is_text(entry.name):
            log.warning("%a is passed over, as its name is no text in UTF-8: rename it.", entry.path)
    return [entry for entry in found if _is_text(entry.name)]


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_text(path: str | Path) -> str:
    """A list's text in UTF-8, with or without a byte order mark.

    Raises
    ------
    ConfigError
        It cannot be read, or is no text in UTF-8.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8: save it in UTF-8, or unpack it again.") from None


def read_lines(path: str | Path) -> list[str]:
    """Lines of a list; see `read_text`."""
    return read_text(path).splitlines()


def absolute(path: str, home: str | Path) -> str:
    """A path of a list, which may be relative to the list's folder."""
    return os.path.abspath(os.path.join(home, path.strip()))


def by_stem(folder: str | Path) -> dict[str, str]:
    """Videos in a folder and below it, by their names in small letters without ending."""
    return {os.path.splitext(os.path.basename(path))[0].lower(): path for path in walk_videos(folder)}


def draw_splits(
    names: Sequence[str], class_name: str, test_fraction: float, seed: int, empty: set[str] = frozenset()
) -> list[str]:
    """Split of each of a class's videos, by a chance that hangs on its name and the seed.

    Another file moves none of the others as long as the test split has between half and one and a half times its
    share, and not at all where it is empty.

    Parameters
    ----------
    names : sequence of str
    class_name : str
    test_fraction : float
    seed : int
    empty : set of str
        Names of empty files, which cannot be used.

    Returns
    -------
    list of str
        "train" or "test": at least one of either, where there are two videos.
    """
    chance = {name: _chance(seed, class_name, name) for name in names}
    usable = sorted((name for name in names if name not in empty), key=chance.get)
    expected, most = test_fraction * len(usable), len(usable) - 1
    n = sum(chance[name] < test_fraction for name in usable)
    n = min(max(n, math.floor(expected / 2), 1), max(round(1.5 * expected), 1), max(most, 0))
    chosen = set(usable[:n]) | {name for name in empty if chance[name] < test_fraction}
    return ["test" if name in chosen else "train" for name in names]


def _chance(seed: int, class_name: str, name: str) -> float:
    text = f"{seed}/{class_name}/{name}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64
