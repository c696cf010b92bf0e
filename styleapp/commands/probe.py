"""``styleapp probe``: measurements that show what normalizations do to signals, gradients, rates and statistics."""

import argparse
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json, print_table, progress, write_text

if TYPE_CHECKING:
    from styleapp.lab.probes import Probe
    from styleapp.lab.probes.base import Row

DESCRIPTION = """Measure what normalizations do to signals, gradients, effective learning rates and statistics.

Networks and data are small and made on the spot; everything depends on the seed alone. The table shows mean ± standard
deviation over the seeds, at some layers or steps; the file of --csv has a line for each of them and each seed."""

EXAMPLES = """  styleapp probe --list
  styleapp probe signals
  styleapp probe landscape --cases none batch --csv landscape.csv --plot landscape.svg
  styleapp probe growth --seeds 5 --json

exit status: 0 fine, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="which probe; --list names them")
    parser.add_argument("--list", action="store_true", help="name the probes, what they measure and their cases")
    parser.add_argument("--cases", nargs="+", metavar="CASE", help="only these cases, e.g. batch (default: all)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds 0 to N−1, at least 1 (default: 3)")
    parser.add_argument("--csv", metavar="FILE", help="write all rows as CSV")
    parser.add_argument("--plot", metavar="FILE", help="draw a figure: .png, .svg or .pdf")
    parser.add_argument("--json", action="store_true", help="print one JSON document with all rows")


def run(arguments: argparse.Namespace) -> int:
    from styleapp.lab.plots import check_suffix
    from styleapp.lab.probes import PROBES, probe
    from styleapp.lab.probes.base import check_cases, run_probe
    from styleapp.lab.probes.state import one_thread

    if arguments.list:
        _list(arguments)
        return 0
    if arguments.name is None:
        raise ValueError(f"name a probe: {', '.join(PROBES)}; `styleapp probe --list` explains them")
    chosen = probe(arguments.name)
    cases = check_cases(chosen, arguments.cases)
    if arguments.seeds < 1:
        raise ValueError(f"--seeds must be at least 1, got {arguments.seeds}")
    if arguments.plot:
        check_suffix(arguments.plot)
    seeds = range(arguments.seeds)
    rows: list[Row] = []
    with one_thread(), progress(len(cases) * len(seeds), "runs") as advance:
        for found in run_probe(chosen, seeds, cases):
            rows.extend(found)
            advance(1)
    _tell(arguments, chosen, rows)
    return 0


def _tell(arguments: argparse.Namespace, chosen: "Probe[Any]", rows: list["Row"]) -> None:
    """Files first: a table that is printed must not be followed by an error."""
    from styleapp.lab.plots import draw, write_figure
    from styleapp.lab.probes.base import as_csv, summary_table

    if arguments.csv:
        write_text(arguments.csv, as_csv(rows))
    if arguments.plot:
        write_figure(draw(chosen.panels(rows), chosen.heading), arguments.plot)
    if arguments.json:
        print_json({"probe": chosen.name, "source": chosen.source, "rows": [_record(row) for row in rows]})
        return
    print_table(summary_table(chosen, rows))
    print(f"{chosen.title}; mean ± deviation of {arguments.seeds} seeds")


def _record(row: "Row") -> dict[str, Any]:
    """JSON has no infinity: what is not finite is null."""
    finite = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in asdict(row).items()
    }
    return finite


def _list(arguments: argparse.Namespace) -> None:
    from styleapp.lab.probes import PROBES

    if arguments.json:
        known = [
            {"name": p.name, "title": p.title, "source": p.source, "cases": list(p.cases)} for p in PROBES.values()
        ]
        print_json({"probes": known})
        return
    for one in PROBES.values():
        print(f"{one.name}\n  {one.title}\n  cases: {', '.join(one.cases)}\n  {one.source}")
