"""What a finished run says on the console: what was made and where, and what it comes to."""

from __future__ import annotations

from pathlib import Path

SHOWN = 12
PLACES = {"Tables": "tables/*.csv", "Figures": "figures/**/*.[pg][ni][gf]", "Report": "report.html"}


def summary(run: str | Path) -> str:
    """Lines about a run's folder: tables, figures and report; how many claims hold, and how sure its rankings are.

    Parameters
    ----------
    run : path
        ``results/<run>``.
    """
    lines = []
    for kind, pattern in PLACES.items():
        found = sorted(Path(run).glob(pattern))
        lines.append(f"{kind + ':':<9}" + "\n         ".join(map(str, found[:SHOWN])))
        if len(found) > SHOWN:
            lines.append(f"         and {len(found) - SHOWN} more under {run}")
    return "\n".join([*lines, *_claims(Path(run)), *_rankings(Path(run))])


def _claims(run: Path) -> list[str]:
    path = run / "tables/claims.parquet"
    if not path.is_file():
        return []
    from ..artifacts import read_table  # the Snakefile reads this module, and pandas takes a while

    verdicts = read_table(path, "claims")["verdict"]
    return [f"Claims:  {(verdicts == 'yes').sum()} of {len(verdicts)} beat chance and every control"]


def _rankings(run: Path) -> list[str]:
    path = run / "tables/stability.parquet"
    if not path.is_file():
        return []
    from ..artifacts import read_table
    from .words import stability_sentences

    return stability_sentences(read_table(path, "stability"))
