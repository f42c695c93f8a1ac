"""What all kinds of tries share: a child with limits for each, and what its end counts as.

A try ends as one of
    ok       told clearly, or used rightly
    lost     finished work or other files were lost, or nothing goes on (a crash, a hang, a rerun that fails)
    changed  other numbers or bytes, and nothing says so
    unclear  stopped, but with a traceback, without the file, or without a reason
    unsafe   code or files of the user were reached
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

OUTCOMES = ("lost", "changed", "unclear", "unsafe")


@dataclass(frozen=True)
class Try:
    """A fault to try: `call` gets an empty folder, and raises `Wrong` where something is not as it should be."""

    name: str
    call: Callable[[Path], None]
    seconds: float = 30.0


@dataclass(frozen=True)
class Ended:
    """How a try ended: "ok" or one of `OUTCOMES`, and what happened."""

    kind: str
    name: str
    outcome: str
    happened: str
    seconds: float = 0.0


class Wrong(Exception):
    """What a try finds wrong, by its outcome."""

    def __init__(self, outcome: str, happened: str) -> None:
        assert outcome in OUTCOMES
        super().__init__(f"{outcome}: {happened}")


def run_all(kinds: dict[str, Iterable[Try]], *, parts: int = 2, told: bool = False) -> Iterator[Ended]:
    """Run each kind's tries in children, `parts` at a time; give how they ended, in their order."""
    tries = [(kind, one) for kind, some in kinds.items() for one in some]
    running: dict[int, tuple[int, Path, float]] = {}
    ended: dict[int, Ended] = {}
    start = 0
    while len(ended) < len(tries):
        while start < len(tries) and len(running) < parts:
            folder = Path(tempfile.mkdtemp(prefix="voxplain-torture-"))
            running[start] = (_started(tries[start][1], folder), folder, time.monotonic())
            start += 1
        for number, (child, folder, began) in list(running.items()):
            done, status = os.waitpid(child, os.WNOHANG)
            kind, one = tries[number]
            late = time.monotonic() - began > one.seconds
            if not done and not late:
                continue
            if not done:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
            told_by_child = (folder / ".ended").read_text() if (folder / ".ended").exists() else ""
            shutil.rmtree(folder, ignore_errors=True)
            del running[number]
            outcome, happened = _judged(one, None if not done else status, told_by_child)
            ended[number] = Ended(kind, one.name, outcome, happened, round(time.monotonic() - began, 2))
            if told and ended[number].outcome != "ok":
                print(
                    f"[{kind}] {ended[number].outcome} {one.name}: {ended[number].happened[-600:]}",
                    flush=True,
                )
        time.sleep(0.002)
    yield from (ended[number] for number in range(len(tries)))


def _judged(one: Try, status: int | None, said: str) -> tuple[str, str]:
    if status is None:
        return "lost", f"hangs for {one.seconds:g} s"
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return "lost", f"dies by signal {-code}"
    outcome, _, happened = said.partition(": ")
    return (outcome, happened) if outcome else ("lost", f"ends with {code}, without a word")


def _started(one: Try, folder: Path) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    said = "ok"
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.dup2(null, 2)
        (folder / "work").mkdir()
        one.call(folder / "work")
    except Wrong as wrong:
        said = str(wrong)
    except BaseException:
        said = f"unclear: {traceback.format_exc()}"
    with contextlib.suppress(Exception):
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        (folder / ".ended").write_text(said)
    os._exit(0)


@contextlib.contextmanager
def room(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes, as on a disk that is full."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@contextlib.contextmanager
def memory(more: int) -> Iterator[None]:
    """So many bytes more than the process has now, and no others."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    have = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (have + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def in_child(call: Callable[[], None]) -> int:
    """Run a function in a child of this child; its exit code, negative for a signal."""
    child = os.fork()
    if not child:
        code = 1
        try:
            call()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def told(text: str, *words: str) -> None:
    """See that a message names all of `words`, and is no traceback."""
    missing = [word for word in words if word.lower() not in text.lower()]
    if missing or "Traceback (most recent call last)" in text:
        raise Wrong("unclear", f"does not say {missing}: {text[-500:]}")
