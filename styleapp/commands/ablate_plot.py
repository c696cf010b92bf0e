"""``styleapp ablate plot``: the results of a grid as a figure and a table."""

import argparse

from styleapp.commands.console import print_json, print_table

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
    from styleapp.lab.grid_figures import panels, summary_lines, trained, trained_grids
    from styleapp.lab.plots import check_suffix, draw, write_figure

    if arguments.grid is None:
        found = [trained(name, arguments.results) for name in trained_grids(arguments.results)]
        if arguments.json:
            print_json({"grids": {grid.name: list(grid.settings) for grid in found}})
        else:
            print_table(
                [
                    ["grid", "of", "settings", "seeds"],
                    *([g.name, g.title, str(len(g.settings)), str(g.seeds)] for g in found),
                ]
            )
        return 0
    if arguments.output:
        check_suffix(arguments.output)
    grid = trained(arguments.grid, arguments.results)
    drawn = panels(grid, arguments.loss, arguments.settings)
    if arguments.output:
        write_figure(draw(drawn, f"{grid.title}, trained from scratch"), arguments.output)
    headings, *lines = summary_lines(grid, arguments.settings)
    if arguments.json:
        print_json({"grid": grid.name, "settings": [dict(zip(headings, line, strict=True)) for line in lines]})
    else:
        print_table([headings, *lines])
    return 0
