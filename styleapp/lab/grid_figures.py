"""Results of grids as people look at them: curves with bands, scores over an axis of numbers, and a table of means."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from styleapp.checkpoint import read_card
from styleapp.lab.grid_results import CURVES, Row, read_rows, results_folder, summarized
from styleapp.lab.plots import Panel, Scale, Series, series_of

__all__ = [
    "PLAIN",
    "Trained",
    "heading",
    "numbers_of",
    "panels",
    "summary_lines",
    "title_of",
    "trained",
    "trained_grids",
]

PLAIN = "none"
"""The choice on an axis that goes without saying: ``group`` is short for ``group--none``."""

HEADINGS = {
    "loss": "training loss",
    "style_distance": "style distance",
    "content_distance": "content distance",
    "statistics_distance": "statistics distance",
    "pixel_accuracy": "label accuracy",
    "mean_iou": "label mean IoU",
}
"""Columns as people call them; others by their name."""

UNTOLD = ("seconds", "processor_seconds", "steps", "samples")
"""Numbers of a result that say how it was trained, not how good it is."""


@dataclass(frozen=True)
class Trained:
    """What was collected of a grid.

    Attributes:
        name: of the grid.
        results, curves: lines of its two tables, see :func:`styleapp.lab.grid_results.collect`.
        files: the two tables.
        networks: by setting, those that were kept.
    """

    name: str
    results: tuple[Row, ...]
    curves: tuple[Row, ...]
    files: tuple[Path, Path]
    networks: dict[str, Path]

    @property
    def title(self) -> str:
        """What was varied: ``Normalizer × weight norm``."""
        return " × ".join(axis.replace("_", " ") for axis in self.results[0].choices).capitalize()

    @property
    def settings(self) -> dict[str, str]:
        """What people call each setting, by its name, in the table's order."""
        return {row.setting: title_of(row.choices) for row in self.results}

    @property
    def styles(self) -> tuple[str, ...]:
        """Named styles of its networks; none where no networks were kept, or they paint other pictures.

        Raises:
            ValueError: the first network's file cannot be read.
        """
        first = next(iter(self.networks.values()), None)
        return tuple(read_card(first).options.get("styles", ())) if first else ()

    @property
    def seeds(self) -> int:
        return len({row.seed for row in self.results})


def trained_grids(folder: str | Path | None = None) -> tuple[str, ...]:
    """Names of the grids whose results were collected in a folder, see :func:`results_folder`."""
    folder = results_folder() if folder is None else Path(folder)
    return tuple(sorted(path.name.removesuffix(CURVES) for path in folder.glob(f"*{CURVES}")))


def trained(name: str, folder: str | Path | None = None) -> Trained:
    """What was collected of a grid.

    Raises:
        ValueError: nothing was, or a table cannot be read or is empty.
    """
    folder = results_folder() if folder is None else Path(folder)
    known = trained_grids(folder)
    if name not in known:
        raise ValueError(f"no results of a grid {name!r} were collected; there are those of {', '.join(known) or 'no'}")
    files = folder / f"{name}.csv", folder / f"{name}{CURVES}"
    networks = {path.stem: path for path in sorted((folder / name).glob("*.safetensors"))}
    found = Trained(name, read_rows(files[0]), read_rows(files[1]), files, networks)
    if not found.results or not numbers_of(found.curves):
        raise ValueError(f"{files[0] if not found.results else files[1]} holds no results of a training")
    return found


def title_of(choices: Mapping[str, str]) -> str:
    """What people call a setting: ``group + weight_standardization``, ``none``, ``batch_size 4 + group``."""
    told = [f"{axis} {name}" if _is_number(name) else name for axis, name in choices.items() if name != PLAIN]
    return " + ".join(told) or PLAIN


def numbers_of(rows: Iterable[Row]) -> tuple[str, ...]:
    """Columns that can be compared, in the table's order."""
    found = dict.fromkeys(name for row in rows for name in row.numbers)
    return tuple(name for name in found if name not in UNTOLD and name != "step")


def heading(number: str) -> str:
    """What people call a column."""
    return HEADINGS.get(number, number.replace("_", " "))


def panels(grid: Trained, loss: str = "loss", settings: Sequence[str] | None = None) -> tuple[Panel, ...]:
    """The curve of a loss; where an axis has numbers, such as batch sizes, then each score over this axis.

    Args:
        loss: a column of the curves.
        settings: those that are shown; all by default.

    Raises:
        ValueError: the curves have no such loss, or no such setting.
    """
    known = numbers_of(grid.curves)
    if loss not in known:
        raise ValueError(f"the curves of {grid.name} have no {loss!r}; they have {', '.join(known)}")
    names = grid.settings if settings is None else settings
    unknown = [name for name in names if name not in grid.settings]
    if unknown or not names:
        what = f"no setting {unknown[0]!r}" if unknown else "a figure only for at least one setting"
        raise ValueError(f"the grid {grid.name} has {what}; its settings are {', '.join(grid.settings)}")
    rows = [row for row in grid.curves if row.setting in names]
    # on a linear scale the first losses leave no room for the others; a critic's may be below 0
    scale: Scale = "log" if all(row.numbers.get(loss, 1.0) > 0 for row in rows) else "linear"
    label = f"{heading(loss)} (training crops)"
    curve = Panel("While it is trained", "step", label, _curves(rows, loss), y_scale=scale)
    return (curve, *_over_numbers([row for row in grid.results if row.setting in names]))


def _curves(rows: Sequence[Row], loss: str) -> tuple[Series, ...]:
    return series_of(
        (title_of(row.choices), row.seed, row.numbers["step"], row.numbers.get(loss, math.nan)) for row in rows
    )


def _over_numbers(rows: Sequence[Row]) -> tuple[Panel, ...]:
    axes = [axis for axis in rows[0].choices if all(_is_number(row.choices[axis]) for row in rows)]
    if not axes or len({row.choices[axes[0]] for row in rows}) < 2:
        return ()
    scores = [name for name in numbers_of(rows) if name != "loss" and not name.startswith("photo_itself")]
    return tuple(_over_axis(rows, axes[0], score) for score in scores)


def _over_axis(rows: Sequence[Row], axis: str, score: str) -> Panel:
    """A score after the training, one series for what else was chosen."""
    series = series_of(
        (
            title_of({name: choice for name, choice in row.choices.items() if name != axis}),
            row.seed,
            float(row.choices[axis]),
            row.numbers.get(score, math.nan),
        )
        for row in rows
    )
    return Panel("Afterwards", axis.replace("_", " "), heading(score), series, "log")


def summary_lines(grid: Trained, settings: Sequence[str] | None = None) -> list[list[str]]:
    """Headings, then a line a setting: its title, how many seeds, and each number as mean ± deviation over them.

    Seeds that failed are told as ``2 of 3``; where all did, the reason stands in the place of the first number.
    """
    numbers = [name for name in numbers_of(grid.results) if not name.startswith("photo_itself")]
    table = [["trained with", "seeds", *map(heading, numbers)]]
    for setting, title in grid.settings.items():
        if settings is not None and setting not in settings:
            continue
        rows = [row for row in grid.results if row.setting == setting]
        means = [summarized(rows, number) for number in numbers]
        told = ["–" if mean is None else str(mean) for mean in means]
        good = [row for row in rows if not row.problem]
        if not good:
            told = [rows[0].problem, *told[1:]]
        table.append([title, f"{len(good)} of {len(rows)}" if len(good) < len(rows) else str(len(rows)), *told])
    return table


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
