"""``styleapp ablate train``: a grid of short trainings, one process a cell."""

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json, print_notes, print_table, progress

if TYPE_CHECKING:
    from styleapp.lab.grid import Cell, Grid
    from styleapp.lab.grid_run import CellResult

DESCRIPTION = """Train the cells of a grid: one recipe, once for each choice of normalizer, batch size and the like.

Each cell is a process of its own (`python train.py fit`). What is done is skipped, an interrupted cell goes on from its
last checkpoint, and several of these commands may run side by side: each takes the cells that no other is training.
When a cell is trained its network is scored. --collect then joins the results into tables."""

EXAMPLES = """  styleapp ablate train --grid configs/ablation/grids/first.yaml --list
  styleapp ablate train --grid configs/ablation/grids/first.yaml
  styleapp ablate train --grid configs/ablation/grids/first.yaml --only 'batch--*'
  styleapp ablate train --grid configs/ablation/grids/first.yaml --task-id $SLURM_ARRAY_TASK_ID --tasks 12
  styleapp ablate train --grid configs/ablation/grids/first.yaml --collect

exit status: 0 fine, 1 a cell could not be trained, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--grid", required=True, metavar="FILE", help="YAML, such as those in configs/ablation/grids")
    parser.add_argument("--list", action="store_true", help="list the cells and what is done, and train nothing")
    parser.add_argument("--only", metavar="CELL", help="cells of this name; * and ? stand for others")
    parser.add_argument("--task-id", type=int, metavar="N", help="number of this process among --tasks, from 0")
    parser.add_argument("--tasks", type=int, metavar="M", help="number of processes that share the grid")
    parser.add_argument("--collect", action="store_true", help="join the results that there are, and train nothing")
    parser.add_argument(
        "--runs", default="runs/ablation", metavar="FOLDER", help="where cells are trained (default: runs/ablation)"
    )
    parser.add_argument(
        "--results",
        metavar="FOLDER",
        help="for --collect: where tables and networks go (default: checkpoints/ablation)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    from styleapp.lab.grid import chosen_cells, read_grid

    if arguments.results and not arguments.collect:
        raise ValueError("--results says where --collect writes: give both")
    grid = read_grid(arguments.grid)
    cells = chosen_cells(grid, arguments.only, arguments.task_id, arguments.tasks)
    if arguments.collect:
        return _collect(arguments, grid)
    return _list(arguments, grid, cells) if arguments.list else _train(arguments, grid, cells)


def _list(arguments: argparse.Namespace, grid: "Grid", cells: tuple["Cell", ...]) -> int:
    from styleapp.lab.grid_run import result_of

    rows = [(cell, result_of(arguments.runs, grid, cell)) for cell in cells]
    if arguments.json:
        print_json({"grid": grid.name, "cells": [{"cell": cell.name, "done": one is not None} for cell, one in rows]})
        return 0
    print_table([["cell", "result"], *([cell.name, "to do" if one is None else _said(one)] for cell, one in rows)])
    print(f"{sum(one is not None for _, one in rows)} of {len(rows)} cells are done")
    return 0


def _said(result: "CellResult") -> str:
    return result.problem or ", ".join(f"{name} {value:.4f}" for name, value in result.scores.items())


def _train(arguments: argparse.Namespace, grid: "Grid", cells: tuple["Cell", ...]) -> int:
    from styleapp.lab.grid_run import run_cells

    outcomes = []
    with _ended_by_sigterm(), progress(len(cells), "cells") as advance:
        for outcome in run_cells(grid, cells, arguments.runs):
            outcomes.append(outcome)
            advance(1)
    trained = [
        {"cell": one.cell.name, "new": one.new, **_facts(one.result)} for one in outcomes if one.result is not None
    ]
    left = [one.reason for one in outcomes if one.result is None]
    if arguments.json:
        print_json({"grid": grid.name, "cells": trained, "problems": left})
    else:
        for one in outcomes:
            if one.result is not None:
                print(f"{one.cell.name}: {_said(one.result)}{'' if one.new else ' (was done)'}")
    print_notes(left)
    return 1 if any(one.reason and not one.elsewhere for one in outcomes) else 0


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM acts like Ctrl-C, so that the process that trains ends as well."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _facts(result: "CellResult") -> dict[str, Any]:
    return {
        "seed": result.seed,
        "steps": result.steps,
        "scores": dict(result.scores),
        "processor_seconds": result.processor_seconds,
        "problem": result.problem,
    }


def _collect(arguments: argparse.Namespace, grid: "Grid") -> int:
    from styleapp.lab.grid_results import collect

    found = collect(grid, arguments.runs, arguments.results)
    if arguments.json:
        print_json(
            {
                "grid": grid.name,
                "results": str(found.results),
                "curves": str(found.curves),
                "networks": [str(path) for path in found.networks],
                "missing": list(found.missing),
            }
        )
    else:
        print(f"{found.results}, {found.curves.name} and {len(found.networks)} networks")
        if found.missing:
            print(f"not done yet: {', '.join(found.missing)}")
    return 0
