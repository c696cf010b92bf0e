"""``styleapp ablate run``: pictures without and with a switch, side by side."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json, print_table

if TYPE_CHECKING:
    from styleapp.lab.ablation import Ablation, Outcome
    from styleapp.lab.switches import LayerSwitch

DESCRIPTION = """Make pictures with a network as it is and with a switch for some of its layers, and compare them.

One switch is made of options; a configuration file has any number of them. What is written: the grid original,
switched, difference (grid.png), statistics of every channel (layers.csv), scores (scores.csv, scores.json), and the
configuration with copies of its pictures (ablation.yaml, input-…), which makes the same pictures again. Without -o
nothing is written."""

EXAMPLES = """  styleapp ablate run --photo a.jpg b.jpg --style munch-the_scream --normalizer batch -o out/
  styleapp ablate run --checkpoint adain --photo a.jpg --style s.jpg --removed mean --modulation shift
  styleapp ablate run --checkpoint facades --mask palace --layers "stages.5.*" --modulation map_mean -o out/
  styleapp ablate run --checkpoint multistyle --photo a.jpg --style munch-the_scream --layers "blocks.*" \\
      --weight-norm bounded_weight_norm
  styleapp ablate run --preset "the missing ingredient" --photo a.jpg b.jpg -o out/
  styleapp ablate run --config out/ablation.yaml -o again/

exit status: 0 fine, 2 bad input"""

INPUTS = {
    "checkpoint": "checkpoint",
    "photo": "photos",
    "style": "styles",
    "weights": "weights",
    "style_picture": "style_pictures",
    "mask": "masks",
    "seed": "seed",
    "strength": "strength",
    "size": "size",
}
"""Options, and the fields of an ablation that they fill."""

SWITCHES = {
    "layers": "layers",
    "normalizer": "normalizer",
    "set": "options",
    "removed": "removed",
    "statistics": "statistics",
    "modulation": "modulation",
    "layer_strength": "strength",
    "weight_norm": "weight_norm",
}
"""Options, and the fields of a switch that they fill."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    several: dict[str, Any] = {"nargs": "+", "action": "extend"}
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--config", metavar="FILE", help="begin with this file; what else is given goes over it")
    start.add_argument("--preset", metavar="NAME", help="begin with one of `styleapp ablate presets`")
    parser.add_argument("--checkpoint", metavar="NAME", help="a name of `styleapp checkpoints`, or a file")
    parser.add_argument("--photo", **several, metavar="PHOTO", help="files; several pass the network as one batch")
    parser.add_argument("--style", **several, metavar="STYLE", help="names or pictures, as the checkpoint takes them")
    parser.add_argument("--weights", **several, type=float, metavar="W", help="how much of each style")
    parser.add_argument(
        "--style-picture", **several, metavar="FILE", help="what named styles look like, for the style distance"
    )
    parser.add_argument("--mask", **several, metavar="MASK", help="of a mask-to-image network: files, or layouts")
    parser.add_argument("--seed", type=int, metavar="N", help="of a mask-to-image network's style (default: 0)")
    parser.add_argument("--strength", type=float, metavar="S", help="of the style (default: 1)")
    parser.add_argument("--size", type=int, metavar="PIXELS", help="side of the pictures (default: 256)")
    _add_switch(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="a folder for pictures, tables and configuration")
    parser.add_argument("--memory", action="store_true", help="also measure the peak of memory")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def _add_switch(parser: argparse.ArgumentParser) -> None:
    switch = parser.add_argument_group("the switch")
    switch.add_argument(
        "--layers", metavar="PATTERN", help="of `styleapp ablate layers`, with * and ? (default: all of them)"
    )
    switch.add_argument("--normalizer", metavar="NAME", help="of `styleapp norms`")
    switch.add_argument("--weight-norm", metavar="NAME", help="of the convolutions that --layers names")
    switch.add_argument(
        "--set", nargs="+", action="extend", metavar="OPTION=VALUE", help="e.g. groups=8, k=10, deviation=l1, eps=0.001"
    )
    switch.add_argument("--removed", metavar="WHAT", help="what is taken away: both, mean or deviation")
    switch.add_argument("--statistics", metavar="WHICH", help="running, or batch: the pictures' own")
    switch.add_argument(
        "--modulation",
        metavar="WHAT",
        help="what is given back: both, scale, shift, none; of masks class_mean, map_mean",
    )
    switch.add_argument("--layer-strength", type=float, metavar="S", help="how much of it, 0 to 1.5")


def run(arguments: argparse.Namespace) -> int:
    ablation = _ablation(arguments)
    from styleapp.lab.ablation import run as run_ablation
    from styleapp.lab.ablation_files import export, record

    outcome = run_ablation(ablation, memory=arguments.memory)
    files = export(outcome, arguments.output) if arguments.output else {}
    names = {kind: str(path) for kind, path in files.items()}
    if arguments.json:
        print_json({**record(outcome), "files": names})
        return 0
    _tell(outcome)
    for name in names.values():
        print(name)
    return 0


def _ablation(arguments: argparse.Namespace) -> "Ablation":
    from dataclasses import replace

    given = {field: value for option, field in INPUTS.items() if (value := getattr(arguments, option)) is not None}
    given = {field: tuple(value) if isinstance(value, list) else value for field, value in given.items()}
    switch = _switch(arguments)
    base = _base(arguments, given)
    if switch is not None:
        given["switches"] = (switch,)
    ablation = replace(base, **given)
    if not ablation.switches:
        raise ValueError("name a switch, such as --normalizer or --modulation, or begin with --preset or --config")
    return ablation


def _base(arguments: argparse.Namespace, given: dict[str, Any]) -> "Ablation":
    from styleapp.lab.ablation import Ablation
    from styleapp.lab.presets import preset

    if arguments.preset is not None:
        return preset(arguments.preset).ablation
    if arguments.config is not None:
        return Ablation.load(Path(arguments.config))
    return Ablation(given.get("checkpoint", "multistyle"))


def _switch(arguments: argparse.Namespace) -> "LayerSwitch | None":
    from styleapp.lab.switches import LayerSwitch

    given = {field: value for option, field in SWITCHES.items() if (value := getattr(arguments, option)) is not None}
    if "options" in given:
        given["options"] = dict(_setting(words) for words in given["options"])
    if given.keys() == {"layers"}:
        raise ValueError("--layers says where: a switch needs --normalizer, --modulation or the like, too")
    return LayerSwitch(**given) if given else None


def _setting(words: str) -> tuple[str, Any]:
    import yaml

    name, sign, value = words.partition("=")
    if not (name and sign and value):
        raise ValueError(f"--set takes OPTION=VALUE, such as groups=8, got {words!r}")
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {words}: {value!r} is no number, word or list") from error


def _tell(outcome: "Outcome") -> None:
    for change in outcome.changes:
        print(f"{change.layer}: {change.summary}")
    rows = [["", "original", "switched"]]
    for name, value in outcome.original.scores.items():
        rows.append([name.replace("_", " "), f"{value:.4f}", f"{outcome.switched.scores[name]:.4f}"])
    for name, value in outcome.change.items():
        rows.append([f"switched from original: {name.replace('_', ' ')}", "", f"{value:.4f}"])
    rows.append(["seconds", f"{outcome.original.seconds:.3f}", f"{outcome.switched.seconds:.3f}"])
    if outcome.original.peak_mib is not None and outcome.switched.peak_mib is not None:
        rows.append(["peak MiB", f"{outcome.original.peak_mib:.0f}", f"{outcome.switched.peak_mib:.0f}"])
    print_table(rows)
