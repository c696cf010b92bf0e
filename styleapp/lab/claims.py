"""Claims of papers beside what grids and probes measured: how a figure is read from their tables, and what it says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Literal

from styleapp.checkpoint import CheckpointError, find_checkpoint, read_card
from styleapp.lab.grid_results import Mean, Row, per_seed, read_rows, summarized

__all__ = [
    "At",
    "Claim",
    "Finding",
    "Results",
    "Verdict",
    "alike",
    "of_card",
    "ordered",
    "provided",
    "rises",
    "why_not",
]

Verdict = Literal["confirmed", "not at this scale", "contradicted", "open"]


@dataclass(frozen=True)
class Finding:
    """What was measured, in words with figures, and what that says about the claim."""

    measured: str
    verdict: Verdict


class Results:
    """The tables in a folder, each read once; one that is not there has no rows."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._rows: dict[str, tuple[Row, ...]] = {}

    def rows(self, table: str) -> tuple[Row, ...]:
        """Of ``TABLE.csv``; see :func:`styleapp.lab.grid_results.read_rows`."""
        if table not in self._rows:
            path = self.folder / f"{table}.csv"
            self._rows[table] = read_rows(path) if path.is_file() else ()
        return self._rows[table]


Measure = Callable[[Results], Finding | None]
"""``None`` where the tables do not have what is needed."""


@dataclass(frozen=True)
class Claim:
    """One row of the page.

    Attributes:
        system: a name of the catalogue.
        claim: what the paper says, in our words.
        experiment: what we compare.
        command: to repeat it.
        measure: reads the figure.
    """

    system: str
    claim: str
    experiment: str
    command: str
    measure: Measure


@dataclass(frozen=True)
class At:
    """A place in a table: all rows with these choices and numbers; of each seed an average over its rows is taken.

    Attributes:
        label: what the figure is called on the page.
        table: without its suffix.
        number: the column.
        choices: on the axes; of a probe, its ``case``.
        where: numbers that the rows must have, such as a depth.
        average: over the rows of a seed; the median where a few of them would decide.
    """

    label: str
    table: str
    number: str
    choices: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, float] = field(default_factory=dict)
    average: Callable[[list[float]], float] = fmean

    def rows(self, results: Results) -> list[Row]:
        return [
            row
            for row in results.rows(self.table)
            if self.choices.items() <= row.choices.items() and self.where.items() <= row.numbers.items()
        ]

    def read(self, results: Results) -> "Side | None":
        """``None`` where no row fits; a seed whose rows do not have the number diverged.

        Raises:
            ValueError: no row of the table has it.
        """
        rows = self.rows(results)
        if not rows:
            return None
        if not any(self.number in row.numbers for row in results.rows(self.table)):
            raise ValueError(f"{results.folder / self.table}.csv has no column {self.number!r} with numbers")
        seeds = {row.seed for row in rows} - {row.seed for row in rows if self.number in row.numbers}
        return Side(self.label, summarized(rows, self.number, self.average), len(seeds))


@dataclass(frozen=True)
class Side:
    """One of the things that are compared; without a mean all of its seeds diverged."""

    label: str
    mean: Mean | None
    diverged: int = 0

    @property
    def seeds(self) -> int:
        """Of all trainings, those that diverged too."""
        return self.diverged + (self.mean.seeds if self.mean else 0)

    def __str__(self) -> str:
        if self.mean is None:
            return f"{self.label} diverged with all {self.diverged} seeds"
        lost = f" ({self.diverged} further seeds diverged)" if self.diverged else ""
        return f"{self.label} {self.mean}{lost}"


def _read(results: Results, places: Sequence[At]) -> list[Side] | None:
    sides = [place.read(results) for place in places]
    found = [side for side in sides if side is not None and (side.mean is not None or side.diverged)]
    return found if len(found) == len(places) else None


def ordered(what: str, better: At, worse: At, highest: bool = False) -> Measure:
    """One figure is better than another: by more than the deviations of both over their seeds together.

    What diverged with all seeds is worse than what did not; where only some seeds of the better one did, its figure is
    that of the others and confirms nothing. Fewer than two seeds say nothing.

    Args:
        what: the figure, in words.
        highest: whether more is better.
    """

    def measure(results: Results) -> Finding | None:
        sides = _read(results, (better, worse))
        if sides is None:
            return None
        return Finding(f"{what}: {sides[0]}, {sides[1]}{_seeds(sides)}", _order(sides[0], sides[1], highest))

    return measure


def _order(better: Side, worse: Side, highest: bool) -> Verdict:
    if min(better.seeds, worse.seeds) < 2 or better.mean is worse.mean:
        return "open"
    if better.mean is None or (worse.mean is not None and better.diverged):
        return "contradicted" if better.mean is None else "not at this scale"
    if worse.mean is None:
        return "not at this scale" if better.diverged else "confirmed"
    gap = worse.mean.value - better.mean.value
    noise = worse.mean.deviation + better.mean.deviation
    gap = -gap if highest else gap
    return "confirmed" if gap > noise else ("contradicted" if gap < -noise else "not at this scale")


def alike(what: str, first: At, second: At, within: float = 0.1) -> Measure:
    """Two figures are the same: they differ by no more than a share of the second, both deviations added.

    They are not where they differ by more than that with the deviations taken off; in between nothing can be told.
    """

    def measure(results: Results) -> Finding | None:
        sides = _read(results, (first, second))
        if sides is None:
            return None
        return Finding(f"{what}: {sides[0]}, {sides[1]}{_seeds(sides)}", _likeness(sides[0], sides[1], within))

    return measure


def _likeness(first: Side, second: Side, within: float) -> Verdict:
    if min(first.seeds, second.seeds) < 2 or first.mean is second.mean:
        return "open"
    if first.mean is None or second.mean is None:
        return "contradicted"
    apart, noise = abs(first.mean.value - second.mean.value), first.mean.deviation + second.mean.deviation
    if apart + noise <= within * abs(second.mean.value) and not first.diverged + second.diverged:
        return "confirmed"
    return "contradicted" if apart - noise > within * abs(second.mean.value) else "not at this scale"


def provided(place: At, least: float, measure: Measure) -> Measure:
    """The measure, but ``not at this scale`` where a figure does not reach what makes the comparison worth anything."""

    def measured(results: Results) -> Finding | None:
        side, found = place.read(results), measure(results)
        if side is None or found is None or (side.mean is not None and side.mean.value >= least):
            return found
        return Finding(f"{found.measured}; it has not learned the task: {side}", "not at this scale")

    return measured


def rises(what: str, places: Sequence[At], falls: bool = False) -> Measure:
    """Each figure is above the one before, or below where they shall fall: with every seed, of which there are several.

    It is the other way round where with every seed the last figure is on the wrong side of the first.
    """

    def measure(results: Results) -> Finding | None:
        sides = _read(results, places)
        if sides is None or any(side.mean is None for side in sides):
            return None
        found = [per_seed(place.rows(results), place.number, place.average) for place in places]
        seeds = {*found[0]}.intersection(*found[1:])
        series = [[values[seed] * (-1 if falls else 1) for values in found] for seed in sorted(seeds)]
        return Finding(f"{what}: {', '.join(map(str, sides))}{_seeds(sides)}", _rise(series))

    return measure


def _rise(series: Sequence[Sequence[float]]) -> Verdict:
    """Of a series for each seed."""
    if len(series) < 2:
        return "open"
    if all(later > sooner for one in series for sooner, later in zip(one, one[1:], strict=False)):
        return "confirmed"
    return "contradicted" if all(one[-1] < one[0] for one in series) else "not at this scale"


def _seeds(sides: Sequence[Side]) -> str:
    counts = {side.mean.seeds for side in sides if side.mean is not None}
    if not counts:
        return ""
    fewest = min(counts)
    return f" ({fewest} {'seed' if fewest == 1 else 'seeds'})"


def of_card(checkpoint: str) -> Measure:
    """The style distance on the card of a shipped checkpoint: confirmed where it is below half of the photos' own.

    One training gave it; many photos and styles stand for the seeds.
    """

    def measure(results: Results) -> Finding | None:
        try:
            scores = read_card(find_checkpoint(checkpoint)).scores
            ours, photos = float(scores["style_distance"]), float(scores["photo_itself_style_distance"])
        except (CheckpointError, KeyError):
            return None
        words = f"style distance: {checkpoint} {ours:.3f}, the photos themselves {photos:.3f} (one training)"
        return Finding(words, "confirmed" if ours < photos / 2 else "contradicted")

    return measure


def why_not(reason: str) -> Measure:
    """No figure, for a reason."""
    return lambda results: Finding(reason, "open")
