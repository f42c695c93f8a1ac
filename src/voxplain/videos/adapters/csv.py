"""A CSV file as a data set."""

from __future__ import annotations

import csv as csv_reader
from pathlib import Path

import pandas as pd

from voxplain.errors import ConfigError

from . import DATASETS


@DATASETS("csv")
def csv(source: str | Path) -> pd.DataFrame:
    """A CSV file with the columns path, label (or class), split and optionally start and end.

    Parameters
    ----------
    source : path
        The file, in UTF-8. Paths in it may be relative to its folder.

    Returns
    -------
    DataFrame
        The columns as text, indexed by line.

    Raises
    ------
    ConfigError
        The file is missing, is no text, or a line has too many or too few fields.
    """
    try:
        # "-sig" because spreadsheets put a mark before the first column's name.
        with open(source, newline="", encoding="utf-8-sig") as file:
            reader = csv_reader.reader(file)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, fields) for fields in reader if fields]
    except OSError as error:
        raise ConfigError(
            f"The video table {source} cannot be read ({error.strerror}). Correct its path in the config."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{source} is not text in UTF-8. Save it as CSV in UTF-8.") from None
    for line, fields in lines:
        if len(fields) != len(header):
            raise ConfigError(
                f"{source}, line {line} has {len(fields)} fields, but the header names {len(header)}. "
                "Put a text that contains a comma in quotes, and fill in or remove what is missing."
            )
    index = pd.Index([line for line, _ in lines], name="line")
    return pd.DataFrame([fields for _, fields in lines], columns=header, index=index, dtype=object)
