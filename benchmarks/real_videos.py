"""Put the tables of finished runs on real videos into docs/real_videos.md, so that none is typed.

snakemake --cores 2 --configfile config/pasted.yaml --config data='{path: FOLDER}'    # and gestures.yaml, actions.yaml
python -m benchmarks.real_videos --page docs/real_videos.md

A block of the page is ``<!-- measured: RUN TABLE -->`` to ``<!-- end -->``. Blocks of runs that are not there stay as
they are. Without ``--page`` the tables are printed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

BLOCK = re.compile(r"(<!-- measured: (\w+) (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
RANKINGS = "effect score control_saturation control_redness control_blueness_least control_frame_difference control_motion "
RANKINGS += "control_size control_center control_pool_distance control_member_logit"
GAPS = "random random_volume other_class control_saturation control_redness control_blueness_least "
GAPS += "control_frame_difference control_motion control_size control_center control_pool_distance control_member_logit score"
NETWORK_FREE = 4  # of the best controls, as many rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.real_videos", description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--runs", nargs="+", default=["pasted", "gestures", "actions"], metavar="NAME")
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="put them into this page; else they are printed"
    )
    given = parser.parse_args(arguments)
    found = {run: given.results / run / "tables" for run in given.runs}
    found = {run: folder for run, folder in found.items() if (folder / "claims.csv").exists()}
    if not found:
        raise SystemExit(
            f"No run of {', '.join(given.runs)} in {given.results} has tables: run their configs first."
        )
    if given.page is not None:
        given.page.write_text(filled(given.page.read_text(), found))
        return
    for run, folder in found.items():
        for name in TABLES:
            print(f"\n{run} {name}\n\n{table(name, folder)}")


def filled(page: str, folders: dict[str, Path]) -> str:
    """The page with the blocks of these runs' tables made anew."""

    def anew(block: re.Match) -> str:
        begun, run, name, before, end = block.groups()
        if name not in TABLES:
            raise SystemExit(f"The page has a block {name}; there are {', '.join(TABLES)}.")
        return begun + (table(name, folders[run]) if run in folders else before) + end

    return BLOCK.sub(anew, page)


def table(name: str, folder: Path) -> str:
    """One of `TABLES` as Markdown, from the folder of a run's final tables; empty where the run has not what it needs."""
    source, make = TABLES[name]
    path = folder / f"{source}.parquet"
    if not path.exists():
        return ""
    found = make(pd.read_parquet(path))
    head = ["", *found.columns]
    lines = [head, ["---"] * len(head), *([row, *found.loc[row]] for row in found.index)]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def interval(value: float, low: float, high: float, *, percent: bool = False, signed: bool = False) -> str:
    """A value with its interval, to two digits, in percent or points to one; empty for NaN."""
    if np.isnan(value):
        return ""
    sign, digits, times = "+" if signed else "", 1 if percent else 2, 100 if percent else 1
    text = f"{value * times:{sign}.{digits}f}"
    if not np.isnan(low):
        text += f" ({low * times:.{digits}f} to {high * times:.{digits}f})"
    return text


def cells(
    rows: pd.DataFrame, index: str, columns: str, value: str = "value", ends: str = "ci", **form: bool
) -> pd.DataFrame:
    """Values with their intervals, one row and column per name, in the order in which the names come."""
    texts = [
        interval(*row, **form) for row in rows[[value, f"{ends}_low", f"{ends}_high"]].to_numpy(dtype=float)
    ]
    wide = (
        rows.assign(text=texts)
        .drop_duplicates([index, columns])
        .pivot(index=index, columns=columns, values="text")
    )
    return wide.reindex(rows[index].unique())[list(rows[columns].unique())].fillna("")


def words(name: str) -> str:
    """A control's or a strategy's name in words."""
    plain = name.removeprefix("control_")
    if plain.endswith("_least"):
        return words(plain.removesuffix("_least")) + ", least first"
    return plain.replace("_", " ")


def accuracy(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows[rows["class"] == "all"]
    several = rows["seed"].nunique() > 1
    network = rows["model"] + (", seed " + rows["seed"].astype(str) if several else "")
    wide = cells(
        rows.assign(network=network, right="right for, %"), "network", "right", "accuracy", percent=True
    )
    return wide.assign(videos=rows["n_videos"].tolist())


def maps(measure: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Explainers of each network and the best controls, over subsets; beside them another class's map and a random head's."""

    def make(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows[(rows["measure"] == measure) & (rows["map"] == "whole")].copy()
        rows = rows[~rows["subset"].str.contains(" - ")]
        known = rows["control_of"].fillna("") != ""
        free = rows["method"].str.startswith("control_") & ~known
        every = rows[free & (rows["subset"] == "all")].groupby("method")["value"].mean()
        own = rows[~free & ~known].sort_values(["model", "subset"])
        own = own.assign(row=own["model"] + ": " + own["method"])
        best = every.map(lambda value: max(value, 1 - value)).nlargest(NETWORK_FREE).index
        others = rows[free & rows["method"].isin(best)].sort_values("subset")
        # What looks at pixels alone is the same for all networks: those of the first.
        others = others[others["model"] == others["model"].iloc[0]] if len(others) else others
        least = others["method"].map(every) < 0.5  # read from the other end
        turned = {name: 1 - others[name] for name in ("value", "ci_high", "ci_low")}
        turned["ci_low"], turned["ci_high"] = turned["ci_high"], turned["ci_low"]
        others = others.assign(**{name: others[name].mask(least, values) for name, values in turned.items()})
        names = others["method"].map(words) + least.map({True: ", least first", False: ""})
        others = others.assign(row="no network: " + names)
        others = others.set_index("method", drop=False).loc[[*best]] if len(others) else others
        kept = pd.concat([own, others], ignore_index=True)
        kept = kept.sort_values("subset", key=lambda names: names != "all", kind="stable")
        wide = cells(kept, "row", "subset").reindex(kept["row"].unique())
        for kind, head in {"other_class": "another class, all", "random_head": "random head, all"}.items():
            of = rows[known & (rows["method"] == f"control_{kind}") & (rows["subset"] == "all")]
            if len(of):
                names = of["model"] + ": " + of["control_of"]
                wide[head] = wide.index.map(
                    dict(zip(names, of["value"].map("{:.2f}".format), strict=True))
                ).fillna("")
        return wide

    return make


def interventions(rows: pd.DataFrame) -> pd.DataFrame:
    """What networks answer, and where Grad-CAM's maps and two rivals' lie, under every intervention."""
    rows = rows[rows["subset"] == "all"]
    right = rows[rows["measure"] == "accuracy"]
    right = right.assign(column=right["model"] + " right, %")
    wide = cells(right, "intervention", "column", percent=True)
    auroc = rows[(rows["measure"] == "auroc") & (rows["method"] == "gradcam")]
    if len(auroc):
        wide = wide.join(
            cells(auroc.assign(column=auroc["model"] + ", Grad-CAM's AUROC"), "intervention", "column")
        )
    best = rows[
        (rows["measure"] == "auroc")
        & rows["method"].isin(["control_blurred_frame_difference", "control_activation"])
    ]
    if len(best):
        best = best.assign(column=best["model"] + ", " + best["method"].map(words))
        best = best.drop_duplicates(["intervention", "column"])
        wide = wide.join(cells(best, "intervention", "column"))
    return wide.fillna("")


def classes(rows: pd.DataFrame) -> pd.DataFrame:
    """Maps asked for either of two classes whose evidence is shown, beside rivals that know a class."""
    rows = rows[(rows["measure"] == "class_auroc") & (rows["subset"] == "all")]
    rows = rows.assign(
        row=rows["model"] + ": " + rows["method"].map(words),
        column=rows["intervention"].str.replace("_", " "),
    )
    return cells(rows, "row", "column").assign(
        p=[f"{value:.4f}" for value in rows.drop_duplicates("row")["p_value"]]
        if rows["intervention"].nunique() == 1
        else ""
    )


def selection(rows: pd.DataFrame) -> pd.DataFrame:
    """Shares of selective maps less those of whole ones."""
    rows = rows[(rows["map"] == "selective - whole") & rows["measure"].isin(["evidence", "distractor"])]
    rows = rows[~rows["subset"].str.contains(" - ") & ~rows["method"].str.startswith("control_")]
    rows = rows.assign(
        row=rows["model"] + ": " + rows["method"], column=rows["measure"] + ", " + rows["subset"]
    )
    return cells(rows.sort_values(["model", "method"]), "row", "column", signed=True)


def selection_controls(rows: pd.DataFrame) -> pd.DataFrame:
    """Precision of selective maps on the evidence, less that of as many voxels kept in another way."""
    target = "evidence" if (rows["target"] == "evidence").any() else "flow"
    rows = rows[(rows["target"] == target) & (rows["measure"] == "precision")]
    rows = rows.assign(row=rows["model"] + ": " + rows["method"], column="less " + rows["control"].map(words))
    return cells(rows, "row", "column", "difference", signed=True)


def concepts(rows: pd.DataFrame) -> pd.DataFrame:
    """How well rankings find the evidence, and what the run's own has beyond them."""
    rows = rows[
        (rows["variant"] == "run") & (rows["target"] == "evidence") & rows["ranking"].isin(RANKINGS.split())
    ]
    rows = in_order(rows, "ranking", RANKINGS)
    wide = cells(
        rows.assign(row=rows["ranking"].map(words), column=rows["model"]),
        "row",
        "column",
        "voxel_auroc",
        "voxel_ci",
    )
    beyond = rows.assign(row=rows["ranking"].map(words), column=rows["model"] + ", effect less it")
    return wide.join(cells(beyond, "row", "column", "voxel_difference", "voxel_difference_ci", signed=True))


def gaps(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy with the first concepts shown alone or hidden, less that with others, in points."""
    rows = in_order(rows[(rows["better"] == "top") & rows["worse"].isin(GAPS.split())], "worse", GAPS)
    done = rows["experiment"].map({"concept_addition": "shown alone, ", "concept_removal": "hidden, "})
    rows = rows.assign(row=rows["worse"].map(words), column=done + rows["model"])
    return cells(rows, "row", "column", "gap", percent=True, signed=True)


def steering(rows: pd.DataFrame) -> pd.DataFrame:
    """How many times as much as directions of a kind a concept's changes the logit."""
    rows = rows[(rows["subset"] == "all") & (rows["measure"] == "absolute_logit") & rows["times"].notna()]
    rows = rows[rows["norm"] == "matched"]
    rows = rows.assign(
        row=rows["model"] + ", " + rows["steering"] + ", " + rows["concepts"],
        column="times " + rows["control"].map(words),
    )
    return cells(rows.sort_values(["model", "steering", "concepts"]), "row", "column", "times", "times_ci")


def given(rows: pd.DataFrame) -> pd.DataFrame:
    """What given concepts and their controls are worth."""
    rows = rows[rows["measure"].isin(["effect", "removal", "removal_beyond_random_concept"])]
    of = rows["n_significant"].fillna(-1).astype(int).astype(str) + " of " + rows["n"].astype(int).astype(str)
    rows = rows.assign(
        row=rows["model"] + ": " + rows["name"] + ", " + rows["source"],
        column=rows["measure"].map(words),
        of=of,
    )
    effects = rows[(rows["measure"] == "effect") & (rows["n_significant"] >= 0)]
    return (
        cells(rows, "row", "column").join(effects.set_index("row")["of"].rename("significant in")).fillna("")
    )


def position(rows: pd.DataFrame) -> pd.DataFrame:
    """Relevance of the left half over that of the right one."""
    rows = rows[rows["axis"] == "width"]
    return cells(rows, "method", "model", "halves", "halves_ci")


def stability(rows: pd.DataFrame) -> pd.DataFrame:
    """Kendall's tau with what other choices give."""
    rows = rows[rows["what"].isin(["clusters", "random_sets", "draws", "videos", "seeds"])]
    rows = rows.assign(row=rows["what"].map(words) + ", " + rows["value"].astype(str))
    return cells(rows, "row", "model", "tau", "tau_ci")


def claims(rows: pd.DataFrame) -> pd.DataFrame:
    """How many claims of each name have which verdict."""
    counts = rows.groupby(["claim", "verdict"], sort=False).size().unstack(fill_value=0)
    counts.loc["all"] = counts.sum()
    return counts.reindex(columns=[name for name in ["yes", "no", "opposite", "too few"] if name in counts])


def in_order(rows: pd.DataFrame, column: str, order: str) -> pd.DataFrame:
    places = {name: place for place, name in enumerate(order.split())}
    return rows.sort_values(column, key=lambda names: names.map(places), kind="stable")


TABLES = {
    "accuracy": ("model_accuracy", accuracy),
    "maps": ("evidence_or_motion", maps("evidence AUROC")),
    "maps_stratified": ("evidence_or_motion", maps("evidence stratified AUROC")),
    "maps_among_objects": ("evidence_or_motion", maps("evidence among objects AUROC")),
    "interventions": ("interventions", interventions),
    "classes": ("interventions", classes),
    "selection": ("evidence_or_motion", selection),
    "selection_controls": ("selection_controls", selection_controls),
    "concepts": ("concept_ground_truth", concepts),
    "gaps": ("concept_gaps", gaps),
    "steering": ("steering_gaps", steering),
    "given": ("given_summary", given),
    "position": ("position_bias", position),
    "stability": ("stability", stability),
    "claims": ("claims", claims),
}


if __name__ == "__main__":
    main()
