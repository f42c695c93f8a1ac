"""How numbers are written in the report. Files hold fractions, the report percent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"


def percent(value: float, digits: int = 1) -> str:
    """A fraction in percent, without the sign: ``0.8167`` is ``81.7``."""
    return number(100 * value, digits)


def points(value: float, digits: int = 1) -> str:
    """A difference of fractions in percentage points, with its sign: ``-0.02`` is ``−2.0``."""
    if _missing(value):
        return NOTHING
    text = number(100 * value, digits)
    return text if text.startswith(MINUS) or not float(text) else f"+{text}"


def number(value: float, digits: int = 2) -> str:
    """A number with a fixed number of digits, and a dash for a missing one."""
    if _missing(value):
        return NOTHING
    text = f"{value:.{digits}f}"
    if not float(text):  # no minus before a zero
        text = text.removeprefix("-")
    return text.replace("-", MINUS)


def p_value(value: float) -> str:
    """A p-value: three digits, and below that only a bound."""
    if _missing(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def whole(value: float) -> str:
    """A number without decimals."""
    return number(value, 0)


def milliseconds(value: float) -> str:
    """Milliseconds, with decimals only where they count."""
    return number(value, 1 if abs(value) < 100 else 0)


def compact(value: float) -> str:
    """A number of unknown size, with three digits that count."""
    return NOTHING if _missing(value) else f"{value:.3g}".replace("-", MINUS)


def yes_no(value: bool | None) -> str:
    """A truth value, and a dash for a missing one."""
    return NOTHING if _missing(value) else "yes" if value else "no"


def written(value: Any, form: Callable[[Any], Any] | None = None) -> Any:
    """A cell of a table as `form` writes it, as it is without one, and a dash for a missing one."""
    return NOTHING if _missing(value) else form(value) if form else value


def duration(seconds: float) -> str:
    """Seconds as hours, minutes and seconds: ``3725`` is ``1 h 2 min 5 s``."""
    whole = round(seconds)
    parts = {"h": whole // 3600, "min": whole // 60 % 60, "s": whole % 60}
    return " ".join(f"{n} {unit}" for unit, n in parts.items() if n) or f"{seconds:.1f} s"


def listing(words: list[str]) -> str:
    """Words as an enumeration: ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _missing(value: Any) -> bool:
    return bool(pd.isna(value))  # None, NaN, and the NA of nullable columns
