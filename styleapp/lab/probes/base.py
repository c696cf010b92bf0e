"""What a probe is: cases that are measured with several seeds, rows that come out, and how they are told."""

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, Generic, TypeVar, get_type_hints

from styleapp.lab.plots import Panel, Series, series_of

__all__ = [
    "Probe",
    "Row",
    "Spread",
    "as_csv",
    "check_cases",
    "curves",
    "read_csv",
    "run_probe",
    "spread",
    "summary_table",
]


@dataclass(frozen=True)
class Row:
    """What was measured once. Probes add where (layer, step, batch size) and the figures.

    Attributes:
        case: which of the probe's cases, e.g. the name of a normalization.
        seed: of weights and data.
    """

    case: str
    seed: int


R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Probe(Generic[R]):
    """A measurement with its cases.

    Attributes:
        name: of ``styleapp probe``.
        title: what it measures, in one line.
        heading: over its figure.
        source: the paper.
        cases: what is compared; all of them share a seed's weights and data as far as their shapes allow.
        row: the type of its rows.
        measure: the rows of a case and a seed.
        axis: the field of a row that is its place: ``depth``, ``step`` or ``batch``.
        shown: the places that :func:`summary_table` shows.
        overall: whether it also shows the median and the largest over all places, because single ones are noisy.
        columns: the figures that it shows, and their headings.
        panels: what :func:`styleapp.lab.plots.draw` makes of all rows.
    """

    name: str
    title: str
    heading: str
    source: str
    cases: tuple[str, ...]
    row: type[R]
    measure: Callable[[str, int], Sequence[R]]
    axis: str
    shown: tuple[int, ...]
    columns: Mapping[str, str]
    panels: Callable[[Sequence[R]], tuple[Panel, ...]]
    overall: bool = False


@dataclass(frozen=True)
class Spread:
    """A figure over seeds: mean and (unbiased) standard deviation; the latter is 0 for a single seed.

    Both are infinite where a run diverged.
    """

    mean: float
    deviation: float

    def __str__(self) -> str:
        return f"{_figure(self.mean, 3)} ± {_figure(self.deviation, 2)}"


def _figure(value: float, digits: int) -> str:
    """So many digits, without an exponent where a reader needs none."""
    if not 1e-4 <= abs(value) < 1e5:
        return f"{value:.{digits}g}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, decimals):.{max(0, decimals)}f}"


def check_cases(probe: Probe[Any], cases: Sequence[str] | None) -> tuple[str, ...]:
    """The named cases, each once, or all of the probe.

    Raises:
        ValueError: the probe has no such case.
    """
    for case in cases or ():
        if case not in probe.cases:
            raise ValueError(f"probe {probe.name} has no case {case!r}; it has {', '.join(probe.cases)}")
    return tuple(dict.fromkeys(cases)) if cases else probe.cases


def run_probe(probe: Probe[R], seeds: Sequence[int], cases: Sequence[str] | None = None) -> Iterator[tuple[R, ...]]:
    """Measures case by case and seed by seed, and gives the rows of each.

    Raises:
        ValueError: there is no seed, or the probe has no such case.
    """
    if not seeds:
        raise ValueError("a probe needs at least one seed")
    for case in check_cases(probe, cases):
        for seed in seeds:
            yield tuple(probe.measure(case, seed))


def as_csv(rows: Sequence[Row]) -> str:
    """A line a row under a line of field names, with all digits."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [field.name for field in fields(rows[0])], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return stream.getvalue()


def read_csv(probe: Probe[R], path: str | Path) -> tuple[R, ...]:
    """The rows of a probe that :func:`as_csv` wrote into a file.

    Raises:
        ValueError: it cannot be read, or holds no rows of this probe.
    """
    types = get_type_hints(probe.row)
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        return tuple(probe.row(**{name: types[name](text) for name, text in line.items()}) for line in lines)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has no rows of the probe {probe.name}: {error}") from error


def spread(values: Sequence[float]) -> Spread:
    """Mean and standard deviation over seeds."""
    if not all(map(math.isfinite, values)):
        return Spread(math.inf, math.inf)
    return Spread(mean(values), stdev(values) if len(values) > 1 else 0.0)


def summary_table(probe: Probe[R], rows: Sequence[R]) -> list[list[str]]:
    """Headings, then a line a case and shown place: each figure as mean ± standard deviation over the seeds."""
    table = [["case", probe.axis, *probe.columns.values()]]
    for case in dict.fromkeys(row.case for row in rows):
        own = [row for row in rows if row.case == case]
        for place in probe.shown:
            if here := [row for row in own if getattr(row, probe.axis) == place]:
                spreads = [spread([getattr(row, figure) for row in here]) for figure in probe.columns]
                table.append([case, str(place), *map(str, spreads)])
        if probe.overall:
            for name, pick in OVERALL.items():
                table.append([case, name, *(str(spread(_of_seeds(own, figure, pick))) for figure in probe.columns)])
    return table


OVERALL: dict[str, Callable[[list[float]], float]] = {"median": median, "largest": max}


def _of_seeds(rows: Sequence[Row], figure: str, pick: Callable[[list[float]], float]) -> list[float]:
    """One value a seed, of all its rows."""
    of_seeds: dict[int, list[float]] = {}
    for row in rows:
        of_seeds.setdefault(row.seed, []).append(getattr(row, figure))
    return [pick(values) for values in of_seeds.values()]


def curves(rows: Sequence[Row], axis: str, figure: str, **looks: Any) -> tuple[Series, ...]:
    """A series a case: a figure over the places of an axis, a line a seed; NaN where a run had ended.

    Args:
        looks: by field of :class:`Series`, a function of the case's name.
    """
    return series_of(((row.case, row.seed, getattr(row, axis), getattr(row, figure)) for row in rows), **looks)
