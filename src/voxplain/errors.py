"""Errors that a user can mend: each says what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
import errno
import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class VoxplainError(Exception):
    """Something the user can mend. Stages print its text without a traceback."""


class ConfigError(VoxplainError):
    """The config, or a table it names, has an unknown key or an impossible value."""


class VideoError(VoxplainError):
    """A video file cannot be used; the text is the reason listed in the report."""


class ArtifactError(VoxplainError):
    """An artifact is missing, cut short, or of another schema version."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """End a sentence: ``"; did you mean 'x'?"`` with the closest of `choices`, or ``"."`` if none is close."""
    close = difflib.get_close_matches(str(word), [str(c) for c in choices], n=1)
    return f"; did you mean {close[0]!r}?" if close else "."


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SYSTEM = {
    FULL: "Make room for it (or raise the quota or `ulimit -f`)",
    (errno.EROFS, errno.EACCES, errno.EPERM): "Give yourself the permission (`ls -l` shows who has it)",
    (errno.EMFILE, errno.ENFILE): "Raise the number of files that may be open (`ulimit -n`)",
    (
        errno.EIO,
        errno.ESTALE,
        errno.ENXIO,
        errno.ENODEV,
    ): "See that the disk or network share is there and whole",
    (errno.ENOTDIR, errno.EISDIR, errno.EEXIST): "Move away what lies there",
}
_MENDS = {number: mend for numbers, mend in _SYSTEM.items() for number in numbers}
# Libraries have no errors of their own for memory, or many: NumPy, torch, OpenCV, Arrow, HDF5, FFmpeg and C++.
_MEMORY = re.compile(
    r"out of memory|outofmemory|insufficient memory|bad_alloc|memory allocation failed|(un|not |n't )\w* ?"
    r"(able to )?(allocate|get) .*memory|unable to allocate|failed to allocate|malloc of size|realloc of size",
    re.IGNORECASE,
)


@contextmanager
def naming(path: object) -> Iterator[None]:
    """Name the file that is written in the block where the disk is full: the system names none."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL and error.filename is None:
            error.filename = str(path)
        raise


def system_fault(error: BaseException) -> str | None:
    """Say in a sentence what the machine lacks (room, permission, memory, open files, names in UTF-8), and what to do.

    Looks at what led to the error, too.

    Returns
    -------
    str or None
        None where it is nothing of the kind.
    """
    for found in _chain(error):
        number = getattr(found, "errno", None)
        if isinstance(found, MemoryError) or number == errno.ENOMEM or _MEMORY.search(str(found)):
            reason = " ".join(str(found).split())[:300]
            return (
                f"The memory does not suffice{f' ({reason})' if reason else ''}. Let fewer jobs run at once (--cores), "
                "lower batch sizes or the size of clips in the config, or take a machine with more; then run the same "
                "command again."
            )
        if "start new thread" in str(found):
            return (
                f"No more threads can be started ({found}). Raise `ulimit -u`, or let fewer jobs run at once."
            )
        if isinstance(found, UnicodeEncodeError) and "surrogates" in found.reason:
            around = found.object[max(found.start - 60, 0) : found.end + 60]
            return f"A name is no text in UTF-8, in {around!a}: rename the file or folder."
        if isinstance(found, OSError) and number in _MENDS:
            place = " -> ".join(str(name) for name in (found.filename, found.filename2) if name is not None)
            return (
                f"{place or 'A file'} cannot be read or written ({found.strerror or found}). {_MENDS[number]}, then run "
                "the same command again: what is finished is kept."
            )
    return None


_KILLED = {
    "SIGKILL": "mostly because it needed more memory than there is, or than a container or scheduler allows",
    "SIGBUS": "mostly because memory or the room in /dev/shm ran out",
    "SIGSEGV": "a crash in a library, often for want of memory",
    "SIGABRT": "a crash in a library, often for want of memory",
    "SIGXCPU": "as its time was up",
}


def killed_job(words: str) -> str | None:
    """Say in a sentence which signal ended a job, and what to do, from Snakemake's words; None where none did."""
    for name, code in re.findall(r"died with <Signals\.(SIG\w+)|returned non-zero exit status (\d+)", words):
        # A shell says it by a number above 128.
        name = name or next((s.name for s in signal.Signals if s + 128 == int(code)), "")
        if name in _KILLED:
            return (
                f"A job was ended by {name}, {_KILLED[name]}. Let fewer jobs run at once (--cores, or --resources "
                "mem_mb=8000), lower batch sizes or the size of clips in the config, or take a machine with more; then "
                "run the same command again: what is finished is kept."
            )
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that led to it."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__
