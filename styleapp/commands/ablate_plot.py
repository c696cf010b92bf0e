"""``styleapp ablate plot``: the results of a grid as a figure and a table."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json, print_table

if TYPE_CHECKING:
    from styleapp.lab.grid_figures import Trained

DESCRIPTION = """Draw what was collected of a grid: losses over the training, and scores where an axis has numbers.

Lines are means over the seeds, bands go from the smallest to the largest. The table has means ± deviation."""

EXAMPLES = """  styleapp ablate plot
  styleapp ablate plot first -o first.svg
  styleapp ablate plot first --loss style --settings batch--none instance--none -o style.pdf

exit status: 0 fine, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("grid", nargs="?", metavar="GRID", help="name of a grid (default: list those with results)")
    parser.add_argument("-o", "--output", metavar="FILE", help="the figure: .png, .svg or .pdf")
    parser.add_argument("--loss", default="loss", metavar="NAME", help="a column of the curves (default: loss)")
    parser.add_argument("--settings", nargs="+", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--results", metavar="FOLDER", help="where the tables are (default: checkpoints/ablation)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    from styleapp.lab.grid_figures import panels, summary_lines, trained
    from styleapp.lab.plots import check_suffix, draw, write_figure

    if arguments.grid is None:
        return _list(arguments)
    if arguments.output:
        check_suffix(arguments.output)
    grid = trained(arguments.grid, arguments.results)
    drawn = panels(grid, arguments.loss, arguments.settings)
    if arguments.output:
        write_figure(draw(drawn, f"{grid.title}, trained from scratch"), arguments.output)
    if arguments.json:
        print_json({"grid": grid.name, "settings": _means(grid, arguments.settings)})
    else:
        print_table(summary_lines(grid, arguments.settings))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from styleapp.lab.grid_figures import trained, trained_grids

    if arguments.output or arguments.settings:
        known = ", ".join(trained_grids(arguments.results)) or "none"
        raise ValueError(f"name the grid that is to be drawn; those with results are {known}")
    found = [trained(name, arguments.results) for name in trained_grids(arguments.results)]
    if arguments.json:
        print_json({"grids": {grid.name: list(grid.settings) for grid in found}})
        return 0
    lines = [[grid.name, grid.title, str(len(grid.settings)), str(grid.seeds)] for grid in found]
    print_table([["grid", "of", "settings", "seeds"], *lines])
    return 0


def _means(grid: "Trained", settings: Sequence[str] | None) -> list[dict[str, Any]]:
    """Of each setting: how many seeds there were, why some have no scores, and each number as mean and deviation."""
    from styleapp.lab.grid_figures import numbers_of
    from styleapp.lab.grid_results import summarized

    means = []
    for setting, title in grid.settings.items():
        if settings is None or setting in settings:
            rows = [row for row in grid.results if row.setting == setting]
            found = {name: summarized(rows, name) for name in numbers_of(rows)}
            numbers = {name: asdict(mean) for name, mean in found.items() if mean is not None}
            problems = [row.problem for row in rows if row.problem]
            means.append({"setting": setting, "title": title, "seeds": len(rows), "problems": problems, **numbers})
    return means
