"""HDF5 files that tell what goes wrong: writing errors are raised, and reading errors name the file.

HDF5 writes much of its data when a dataset or file closes. h5py says nothing of an error there, so that a file without
data would look whole, and goes on with a library that is in no known state. So HDF5 writes here through a file of
Python's, which keeps the first error to itself until all is closed.

Text in attributes is of fixed length. That of variable length lies in a heap without a checksum: a flipped bit there
changes it, and zeros make HDF5 read for ever.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np

Report = Callable[[Exception], Exception]
# How text of attributes becomes bytes; names of files may hold bytes that are no UTF-8.
_TEXT = {"encoding": "utf-8", "errors": "surrogateescape"}


class RecordingFile(io.RawIOBase):
    """A file to write to whose first error is kept, and raised by `raise_error` and at the end of the block.

    Parameters
    ----------
    path : path
        Created, or emptied.

    Attributes
    ----------
    name : str
        The path, from which libraries tell the format.
    error : OSError or None
        What went wrong first. From there on nothing is written.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        super().__init__()
        self.error: OSError | None = None
        self.name = os.fspath(path)
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115 (closed by close)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int | None:
        return self._file.readinto(buffer)

    def truncate(self, size: int | None = None) -> int:
        with self._recorded():
            self._file.truncate(size)
        return self._file.tell() if size is None else size

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        with self._recorded():
            while len(left) and self.error is None:  # a system may take less at a time
                left = left[self._file.write(left) :]
        if len(left):  # the caller's idea of the place stays right
            self._file.seek(len(left), os.SEEK_CUR)
        return size

    def close(self) -> None:
        if not self.closed:
            with self._recorded():
                self._file.close()
        super().close()

    def raise_error(self) -> None:
        """Raise the first error, if there was one."""
        if self.error is not None:
            raise self.error

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self.close()
        if kind is None or issubclass(kind, Exception):  # what came after the first error is its consequence
            self.raise_error()

    @contextmanager
    def _recorded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self.error is None:
                self.error = OSError(error.errno, error.strerror, self.name)


@contextmanager
def new_h5(path: str | os.PathLike) -> Iterator[h5py.File]:
    """Create an HDF5 file; errors of writing are raised, at the latest when the block ends.

    Raises
    ------
    OSError
        What the system says, such as that no space is left on the device.
    """
    # Version 1.10 of the format has checksums on its own structures too. Locks are not needed, as nobody else knows
    # the name, and cluster file systems often have none.
    with RecordingFile(path) as target:
        with _File(target, "w", locking=False, libver=("v110", "v110")) as file:
            yield file


@contextmanager
def open_reporting(path: str | os.PathLike, report: Report) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; what it holds cannot be read without saying so in the words of `report`.

    Parameters
    ----------
    path : path
    report : callable
        Maps h5py's error to one that names this file. It is raised where the read fails, whatever other files are
        open around it.
    """
    with _told(report):
        file = _File(path, "r", locking=False)
    file._report = report
    with file:
        yield file


@contextmanager
def _told(report: Report | None) -> Iterator[None]:
    try:
        yield
    except (KeyError, OSError, RuntimeError, UnicodeDecodeError) as error:
        # A name that nobody wrote is no damage.
        if report is None or re.search("doesn't exist|can't locate attribute", str(error)):
            raise
        raise report(error) from error


class _Attributes(h5py.AttributeManager):
    _report: Report | None = None

    def __getitem__(self, name: str) -> Any:
        with _told(self._report):
            found = super().__getitem__(name)
        return found.decode(**_TEXT) if isinstance(found, bytes) else found

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(value, str):
            text = value.encode(**_TEXT)
            value = np.array(text, dtype=h5py.string_dtype("utf-8", max(1, len(text))))
        super().__setitem__(name, value)

    def __iter__(self) -> Iterator[str]:
        with _told(self._report):
            names = list(super().__iter__())
        return iter(names)


class _Reporting:
    """Attributes of a group, file or dataset."""

    _report: Report | None = None

    @property
    def attrs(self) -> _Attributes:
        with _told(self._report):
            found = _Attributes(self)
        found._report = self._report
        return found


class _Dataset(_Reporting, h5py.Dataset):
    def __getitem__(self, *arguments: Any, **options: Any) -> Any:
        with _told(self._report):
            return super().__getitem__(*arguments, **options)

    def read_direct(self, *arguments: Any, **options: Any) -> None:
        with _told(self._report):
            super().read_direct(*arguments, **options)


class _Members(_Reporting):
    """What a group holds, or a file."""

    def __getitem__(self, name: str) -> Any:
        with _told(self._report):
            return self._own(super().__getitem__(name))

    def create_group(self, *arguments: Any, **options: Any) -> _Group:
        return self._own(super().create_group(*arguments, **options))

    def _own(self, found: Any) -> Any:
        """A group or dataset of the classes here; h5py's own know nothing of reports and text."""
        found = (_Dataset if isinstance(found, h5py.Dataset) else _Group)(found.id)
        found._report = self._report
        return found

    def get(self, name: str, default: Any = None) -> Any:  # what values() and items() call
        try:
            return self[name]
        except KeyError:
            return default

    def __iter__(self) -> Iterator[str]:
        with _told(self._report):
            names = list(super().__iter__())
        return iter(names)

    def __len__(self) -> int:
        with _told(self._report):
            return super().__len__()

    def __contains__(self, name: str) -> bool:
        with _told(self._report):
            return super().__contains__(name)


class _Group(_Members, h5py.Group):
    pass


class _File(_Members, h5py.File):
    pass
