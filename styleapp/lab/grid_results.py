"""Results of grids as tables: one line a cell, the curves, and means over seeds with their deviations."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from styleapp.checkpoint import checkpoint_folder
from styleapp.data.files import write_whole
from styleapp.lab.grid import Cell, Grid
from styleapp.lab.grid_run import NETWORK, CellResult, folder_of, result_of

__all__ = [
    "Collected",
    "Mean",
    "Row",
    "collect",
    "curves_to_csv",
    "per_seed",
    "read_rows",
    "results_folder",
    "results_to_csv",
    "summarized",
]

LARGEST = 6_000_000
"""Bytes of the networks of all grids together: they are part of the repository."""

CURVES = "-curves.csv"

FIXED = ("seed", "steps", "samples", "loss", "seconds", "processor_seconds", "device", "commit", "problem")
"""Columns of the table of results; the axes stand before them, the scores behind."""


WORDS = ("device", "commit", "problem")
"""Columns of :data:`FIXED` that hold no numbers."""


@dataclass(frozen=True)
class Collected:
    """What :func:`collect` wrote: the two tables, the networks, and the names of cells that are not done."""

    results: Path
    curves: Path
    networks: tuple[Path, ...]
    missing: tuple[str, ...]


def results_folder() -> Path:
    """Where results and networks of grids are kept: ``ablation`` in the checkpoint folder."""
    return checkpoint_folder() / "ablation"


def collect(grid: Grid, runs: str | Path, folder: str | Path | None = None) -> Collected:
    """Joins the results of the cells that are done: ``GRID.csv``, ``GRID-curves.csv`` and ``GRID/SETTING.safetensors``.

    Networks are those of the grid's ``kept_seed``; they load by their path, whatever the manifest says. What was
    collected before of cells that are not done here stays: a grid can be trained in several places.

    Args:
        folder: see :func:`results_folder`.

    Raises:
        ValueError: no cell is done, or a cell was trained with other settings than the grid has now, or what was
            collected before is of another grid, or the networks of all grids together would be larger than 6 MB.
    """
    folder = results_folder() if folder is None else Path(folder)
    found = [(cell, result_of(runs, grid, cell)) for cell in grid.cells()]
    results = [result for _, result in found if result is not None]
    if not results:
        raise ValueError(f"no cell of the grid {grid.name} is done in {runs}: train first")
    networks = {
        folder / grid.name / f"{cell.setting}.safetensors": (folder_of(runs, grid, cell) / NETWORK).read_bytes()
        for cell, result in found
        if result is not None and not result.problem and cell.seed == grid.kept_seed
    }
    _require_small(folder, networks)
    away = [cell for cell, result in found if result is None]
    tables = folder / f"{grid.name}.csv", folder / f"{grid.name}{CURVES}"
    texts = [
        _joined(results_to_csv(results), tables[0], grid, away, SAME),
        _joined(curves_to_csv(results), tables[1], grid, away),
    ]
    for table, text in zip(tables, texts, strict=True):
        write_whole(table, text.encode())
    for target, content in networks.items():
        write_whole(target, content)
    there = {(row.setting, row.seed) for row in read_rows(tables[0])}
    missing = tuple(cell.name for cell in away if (cell.setting, cell.seed) not in there)
    return Collected(*tables, networks=tuple(networks), missing=missing)


SAME = ("steps", "samples")
"""Columns in which all cells of a setting agree."""


def _joined(text: str, table: Path, grid: Grid, away: Sequence[Cell], same: Sequence[str] = ()) -> str:
    """Lines of a table, and those that its file has already of cells which are away, in the order of the grid's cells.

    Raises:
        ValueError: the file has other axes, or lines that differ from the new ones of their setting in a column that
            shall be the same.
    """
    if not away or not table.is_file():
        return text
    order, new = grid.cells(), list(csv.DictReader(io.StringIO(text)))
    with table.open(encoding="utf-8", newline="") as file:
        old = list(csv.DictReader(file))
    axes = list(order[0].choices)
    if any(not {*axes, "seed", *same} <= {*line} for line in old):
        raise ValueError(f"{table} was collected from a grid with other axes: delete it first")

    def cell_of(line: Mapping[str, str]) -> Cell:
        return Cell({axis: line[axis] for axis in axes}, int(line["seed"]), ())

    places, wanted = {cell.name: place for place, cell in enumerate(order)}, {cell.name for cell in away}
    kept = [line for line in old if cell_of(line).name in wanted]
    trained = {cell_of(line).setting: [line[column] for column in same] for line in new}
    for line in kept:
        if [line[column] for column in same] != trained.get(cell_of(line).setting, [line[column] for column in same]):
            raise ValueError(f"{table} has cells of other {' or '.join(same)} than the grid has now: delete it first")
    lines = sorted([*new, *kept], key=lambda line: places[cell_of(line).name])
    columns = list(dict.fromkeys(column for line in lines for column in line))
    return _text([columns, *([line.get(column, "") for column in columns] for line in lines)])


def _require_small(folder: Path, networks: Mapping[Path, bytes]) -> None:
    kept = sum(path.stat().st_size for path in folder.rglob("*.safetensors") if path not in networks)
    size = kept + sum(map(len, networks.values()))
    if size > LARGEST:
        raise ValueError(
            f"the networks in {folder} would take {size / 1e6:.1f} MB, and {LARGEST / 1e6:.0f} MB are allowed: "
            "set kept_seed of the grid to null"
        )


# Tables


def results_to_csv(results: Sequence[CellResult]) -> str:
    """One line a cell: its choice on every axis, the columns :data:`FIXED`, and its scores."""
    axes, scores = list(results[0].choices), list(dict.fromkeys(name for one in results for name in one.scores))
    rows: list[list[Any]] = [[*axes, *FIXED, *scores]]
    for one in results:
        loss = one.curve[-1]["loss"] if one.curve else None
        fixed = (one.seed, one.steps, one.samples, loss, one.seconds, one.processor_seconds)
        words = (one.device, one.commit, one.problem)
        measured = (round(one.scores[name], 6) if name in one.scores else None for name in scores)
        rows.append([*one.choices.values(), *fixed, *words, *measured])
    return _text(rows)


def curves_to_csv(results: Sequence[CellResult]) -> str:
    """One line a point: the choices, the seed, the step, and the losses."""
    losses = list(dict.fromkeys(name for one in results for point in one.curve for name in point if name != "step"))
    rows: list[list[Any]] = [[*results[0].choices, "seed", "step", *losses]]
    for one in results:
        for point in one.curve:
            rows.append([*one.choices.values(), one.seed, point["step"], *(point.get(name) for name in losses)])
    return _text(rows)


def _text(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


@dataclass(frozen=True)
class Row:
    """A line of a table of results, or of curves.

    Attributes:
        choices: on each axis.
        numbers: all other columns that hold a finite number in this line: scores, ``loss``, ``seconds``, ``steps``.
        problem: why there are no scores; empty where there are, and in curves.
    """

    choices: Mapping[str, str]
    seed: int
    numbers: Mapping[str, float]
    problem: str = ""

    @property
    def setting(self) -> str:
        return "--".join(self.choices.values())


def read_rows(table: str | Path) -> tuple[Row, ...]:
    """The lines of a table that :func:`collect` wrote, of either kind, or of ``styleapp probe … --csv``.

    What stands before the column ``seed`` are choices; the others are numbers, but for :data:`WORDS`.

    Raises:
        ValueError: it cannot be read, or is no such table.
    """
    try:
        with Path(table).open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        return tuple(_row(line) for line in lines)
    except OSError as error:
        raise ValueError(f"{table} cannot be read: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{table} is no table of a grid's results: {error}") from error


def _row(line: Mapping[str, str]) -> Row:
    if None in line or None in line.values():
        raise ValueError("its lines have different lengths")
    names = list(line)
    axes = names[: names.index("seed")]
    rest = [name for name in names[len(axes) + 1 :] if name not in WORDS and line[name]]
    numbers = {name: value for name in rest if math.isfinite(value := float(line[name]))}
    return Row({axis: line[axis] for axis in axes}, int(line["seed"]), numbers, line.get("problem", ""))


# Means over seeds

SMALLEST = -3
"""Power of ten below which figures are told with an exponent."""


@dataclass(frozen=True)
class Mean:
    """Over seeds: mean, deviation of a sample (n − 1; 0 for one seed) and number of seeds."""

    value: float
    deviation: float
    seeds: int

    def __str__(self) -> str:
        """To three digits, as ``0.0812 ± 0.0031``; the deviation to the same place."""
        size = math.floor(math.log10(abs(self.value))) if self.value else 0
        if size < SMALLEST:
            return f"{self.value:.2e}" + (f" ± {self.deviation:.1e}" if self.seeds > 1 else "")
        decimals = min(max(2 - size, 0), 5)
        spread = f" ± {self.deviation:.{decimals}f}" if self.seeds > 1 else ""
        return f"{self.value:.{decimals}f}{spread}"


def per_seed(rows: Iterable[Row], number: str, average: Callable[[list[float]], float] = fmean) -> dict[int, float]:
    """By seed the average of a number over its rows; a seed whose rows do not have it is left out."""
    by_seed: dict[int, list[float]] = {}
    for row in rows:
        if number in row.numbers:
            by_seed.setdefault(row.seed, []).append(row.numbers[number])
    return {seed: average(values) for seed, values in by_seed.items()}


def summarized(rows: Iterable[Row], number: str, average: Callable[[list[float]], float] = fmean) -> Mean | None:
    """Of each seed the average over its rows, then over seeds; ``None`` where no row has the number."""
    values = [*per_seed(rows, number, average).values()]
    if not values:
        return None
    return Mean(fmean(values), stdev(values) if len(values) > 1 else 0.0, len(values))
