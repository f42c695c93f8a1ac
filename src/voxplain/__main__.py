"""``python -m voxplain``: what there is to choose from, checks before any work, and clips and streams explained.

Commands import what they need when they run, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from .errors import VoxplainError, system_fault


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code; what the user can mend is told without a traceback."""
    given = _parser().parse_args(arguments)
    try:
        return importlib.import_module(f"voxplain.cli.{given.module}").main(given)
    except VoxplainError as error:
        print(f"voxplain: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        told = system_fault(error)
        if told is None:
            raise
        print(f"voxplain: {told}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="voxplain", description="Explain what 3D ConvNets look at in videos."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("list", help="networks, their layers, and every other kind of plug-in")
    command.set_defaults(module="listing")
    command.add_argument(
        "kind",
        choices=["models", "layers", "explainers", "segmenters", "flows", "classifiers", "datasets"],
        help="what to list",
    )
    command.add_argument(
        "network", nargs="?", help="for layers: a registered network or package.module:function"
    )
    command.add_argument("options", nargs="*", metavar="KEY=VALUE", help="for layers: options of the network")
    command.add_argument(
        "--frames", type=int, default=16, help="length of the clip that shapes are given for"
    )
    command.add_argument("--size", type=int, default=112, help="its height and width, in pixels")

    command = commands.add_parser("check", help="find what would fail later in a config and its videos")
    command.set_defaults(module="check")
    command.add_argument(
        "config", nargs="+", metavar="CONFIG", help="YAML file; of several each is laid over those before"
    )
    command.add_argument(
        "--config", dest="changes", nargs="+", default=[], metavar="KEY=VALUE", help="as for snakemake"
    )
    command.add_argument("--directory", default=".", metavar="DIR", help="where results/ will lie")
    command.add_argument(
        "--trust-networks",
        action="store_true",
        help="import and call functions of your own (package.module:function) that it names as networks",
    )

    command = commands.add_parser("init", help="write a config and a video table for a folder of clips")
    command.set_defaults(module="init")
    command.add_argument(
        "folder", metavar="FOLDER", help="a folder of videos per class, or with a videos.csv"
    )
    command.add_argument("--into", metavar="DIR", help="where to write config.yaml and videos.csv (FOLDER)")
    command.add_argument("--classes", nargs="+", metavar="CLASS", help="classes to use (default: all)")
    command.add_argument(
        "--labels", metavar="REGEX", help="of a flat folder: finds the class in a file's name"
    )
    command.add_argument("--run", metavar="NAME", help="results/NAME (default: the folder's name)")
    command.add_argument(
        "--test-fraction", type=float, default=0.25, help="share of a class's videos to test with (0.25)"
    )
    command.add_argument("--seed", type=int, default=0, help="of the split (default: 0)")
    command.add_argument("--force", action="store_true", help="write over what is there")

    command = commands.add_parser("explain", help="show what a network looks at in a video or a live stream")
    command.set_defaults(module="explain")
    command.add_argument(
        "source", metavar="SOURCE", help="video file, number of a camera, or address (rtsp://, http://)"
    )
    command.add_argument(
        "--weights", required=True, help="weights.safetensors of a run, or what the network knows"
    )
    command.add_argument(
        "--network", help="which one, where the weights do not say, or say a function of your own"
    )
    command.add_argument("--method", default="dtd", help="explainer (default: dtd)")
    command.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of the explainer"
    )
    command.add_argument(
        "--target", help="class to explain, by name or number (default: the network's answer)"
    )
    command.add_argument(
        "--frames",
        type=_count,
        help="frames that the network is shown (default: as its run's clips, else 16)",
    )
    command.add_argument(
        "--size",
        type=_count,
        help="their height and width, in pixels (default: as its run's clips, else the size next to 112 of which its "
        "windows lie evenly; I3D: next to 224)",
    )
    command.add_argument(
        "--step", type=_count, help="distance of these frames (default: as in its run's clips, else 1)"
    )
    command.add_argument(
        "--concepts",
        nargs="?",
        const="",
        metavar="LAYER",
        help="by the concepts of the finished run that the weights lie in (of one layer), in place of an explainer",
    )
    command.add_argument(
        "--selective", type=float, metavar="SIGMA", help="only relevance that changes in time, above SIGMA"
    )
    command.add_argument(
        "--preset", choices=["corrected", "official", "paper"], default="corrected", help="of the selection"
    )
    command.add_argument(
        "--output", "--out", metavar="FILE", help="video to write (of one clip: explanation.mp4)"
    )
    command.add_argument(
        "--live", action="store_true", help="play a whole file as it would come from a camera"
    )
    command.add_argument("--repeat", action="store_true", help="live, and from the beginning at a file's end")
    command.add_argument("--window", action="store_true", help="live, in a window")
    command.add_argument("--serve", type=int, metavar="PORT", help="live, as a page on this machine")
    command.add_argument(
        "--shown", type=_count, default=256, help="live: height and width shown, in pixels (default: 256)"
    )
    command.add_argument(
        "--statistics",
        metavar="FILE",
        help="live: JSON to write of frame rate and latency (explanation.json)",
    )

    command = commands.add_parser("study", help="ask people about a run's concepts, on a page of its own")
    command.set_defaults(module="study")
    command.add_argument("run", metavar="RUN", help="results/<run>, finished, with concepts")
    command.add_argument(
        "--answers", nargs="+", metavar="FILE", help="files that people saved: what they tell"
    )
    command.add_argument("--output", metavar="DIR", help="folder of page and key (default: RUN/study)")
    command.add_argument("--model", help="network to ask about (default: the first)")
    command.add_argument("--layer", help="its layer (default: the first)")
    command.add_argument(
        "--concepts",
        type=_count,
        default=8,
        help="concepts asked about, and as many random sets (default: 8)",
    )
    command.add_argument("--examples", type=_count, default=4, help="shown of each (default: 4)")
    command.add_argument(
        "--seed", type=int, default=0, help="of the choice and order of questions (default: 0)"
    )
    command.add_argument(
        "--keep-inattentive", action="store_true", help="count people who failed the checks of attention, too"
    )

    command = commands.add_parser(
        "test-concept", help="test an idea of your own on a finished run, as the concepts that it found are"
    )
    command.set_defaults(module="test_concept")
    command.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="example clips (videos) of the idea; without it the run's own",
    )
    command.add_argument("--run", required=True, metavar="results/RUN", help="folder of the finished run")
    command.add_argument(
        "--masks",
        metavar="FILE",
        help="HDF5 of label volumes, as the video table's column masks names it: what is under the label is the example",
    )
    command.add_argument(
        "--label", type=int, nargs="+", metavar="N", help="label, or labels, that the idea has"
    )
    command.add_argument(
        "--control",
        metavar="LABEL or FOLDER",
        help="what the idea is compared with: another label, or a folder of clips without it (of the run's own clips with "
        "masks, random supervoxels of equal volume)",
    )
    command.add_argument("--name", help="what to call it (default: the folder's name, or the label)")
    command.add_argument("--model", help="only this network, by its name in the config")
    command.add_argument("--layer", help="only this layer")
    command.add_argument("--seed", type=int, help="only this seed")
    command.add_argument("--class", dest="classes", nargs="+", metavar="CLASS", help="only for these classes")
    command.add_argument("--network", help="function of your own that the weights may name as their network")
    command.add_argument("--output", metavar="FILE", help="table to write: .csv, or .json with a summary")

    command = commands.add_parser(
        "repair",
        help="switch concepts off in a run's network, and see what it answers to the test videos then",
    )
    command.set_defaults(module="repair")
    command.add_argument("run", metavar="RUN", help="results/<run>, finished, with concepts")
    command.add_argument(
        "--concept",
        nargs="+",
        metavar="CLASS/NUMBER",
        help="concepts to switch off, as concept_scores names them",
    )
    command.add_argument(
        "--target",
        help="in place of names: all concepts that lie mostly on this target of the ground truth, such as cue",
    )
    command.add_argument(
        "--share", type=float, default=0.5, help="of a concept's voxels that is mostly (default: 0.5)"
    )
    command.add_argument("--model", help="only this network, by its name in the config")
    command.add_argument("--layer", help="only this layer")
    command.add_argument("--seed", type=int, help="only this seed")
    command.add_argument(
        "--draws", type=_count, default=20, help="random directions, and random concepts (default: 20)"
    )
    command.add_argument("--network", help="function of your own that the weights may name as their network")
    command.add_argument("--output", metavar="FILE", help="table to write: .csv")

    command = commands.add_parser(
        "config", help="write config/README.md and the config's JSON schema from the code"
    )
    command.set_defaults(module="config_docs")
    command.add_argument("--directory", default=".", metavar="DIR", help="the project's root")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


if __name__ == "__main__":
    sys.exit(main())
