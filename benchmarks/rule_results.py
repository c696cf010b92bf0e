"""What runs with and without a rule say together: cost, losses after equal steps and equal time, and a table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from benchmarks.taking_turns import Record
from styleapp.data.files import write_whole

__all__ = ["Row", "cost", "curve_ends", "loss_at", "markdown", "row", "tidy", "with_table"]

MARK = "<!-- measured by benchmarks/training_rules.py -->"
HEADS = (
    "rule", "network", "cost of a step", "start", "plain, equal steps", "plain, equal time", "with the rule", "curve",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A rule beside the plain run of the same network, means over the seeds.

    Attributes:
        rule, training: what was compared, and on which network.
        bound: largest cost that is aimed at.
        cost: CPU time of its steps, as a multiple of that of plain steps.
        start, plain, plain_longer, ruled: losses on the same crops: before training, of the plain run after as many
            steps and after as much time, and of the run with the rule. ``plain_longer`` is ``None`` where the plain run
            was not long enough.
        validation: what its validations cost more, in plain steps.
        curve: name of what it logs, with the means over its first and its last steps.
    """

    rule: str
    training: str
    bound: float
    cost: float
    start: float
    plain: float
    plain_longer: float | None
    ruled: float
    validation: float
    curve: tuple[str, float, float]


def cost(plain: Sequence[float], ruled: Sequence[float]) -> float:
    """Median over the turns of the quotient of CPU times; the first turn, which sets things up, does not count."""
    pairs = list(zip(plain, ruled, strict=False))[1:]
    if not pairs:
        raise ValueError("two turns of each run are the least that a cost can be measured from")
    return median(theirs / ours for ours, theirs in pairs)


def loss_at(steps: Sequence[int], losses: Sequence[float], step: float) -> float | None:
    """A curve of losses at any step, on straight lines between the steps; ``None`` beyond its end."""
    for left, right, before, after in zip(steps, steps[1:], losses, losses[1:], strict=False):
        if left <= step <= right:
            return before + (after - before) * (step - left) / (right - left)
    return None


def curve_ends(curves: Mapping[str, Sequence[float]], name: str, count: int = 10) -> tuple[str, float, float]:
    """The means of a curve over its first and its last steps; ``name`` is that behind the last ``/``."""
    for full, values in curves.items():
        if full.rpartition("/")[2] == name and values:
            return full, fmean(values[:count]), fmean(values[-count:])
    raise ValueError(f"the run logged no curve {name!r}, only {', '.join(curves) or 'nothing'}")


def row(rule: str, training: str, bound: float, curve: str, plain: Sequence[Record], ruled: Sequence[Record]) -> Row:
    """A line of the table, from a plain run and one with the rule for each seed."""
    found = median(cost(one.blocks[other.waited :], other.blocks) for one, other in zip(plain, ruled, strict=True))
    ends = [curve_ends(one.curves, curve) for one in ruled]
    longer = [loss_at(one.steps, one.losses, found * other.steps[-1]) for one, other in zip(plain, ruled, strict=True)]
    reached = [value for value in longer if value is not None]
    extra = [
        (median(other.validations) - median(one.validations)) / median(one.blocks)
        for one, other in zip(plain, ruled, strict=True)
    ]
    return Row(
        rule, training, bound, found,
        start=fmean(one.losses[0] for one in plain),
        plain=fmean(one.losses[one.steps.index(other.steps[-1])] for one, other in zip(plain, ruled, strict=True)),
        plain_longer=fmean(reached) if len(reached) == len(longer) else None,
        ruled=fmean(one.losses[-1] for one in ruled),
        validation=fmean(extra),
        curve=(ends[0][0], fmean(first for _, first, _ in ends), fmean(last for _, _, last in ends)),
    )  # fmt: skip


def markdown(rows: Sequence[Row]) -> str:
    """The table as it stands in docs/training-rules.md."""
    lines = [HEADS, ("---",) * 2 + ("---:",) * 5 + ("---",), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cells(one: Row) -> tuple[str, ...]:
    name, first, last = one.curve
    longer = "–" if one.plain_longer is None else f"{one.plain_longer:.3g}"
    spent = f"{one.cost:.2f}" if one.cost <= one.bound else f"**{one.cost:.2f}**"
    return (
        one.rule, one.training, f"{spent} (≤ {one.bound:g})", f"{one.start:.3g}", f"{one.plain:.3g}", longer,
        f"{one.ruled:.3g}", f"`{name}` {first:.2g} → {last:.2g}",
    )  # fmt: skip


def tidy(training: str, rule: str, seed: int, record: Record) -> list[tuple[str, str, int, str, int, float]]:
    """Everything that was measured of a run, a number a line: training, rule, seed, what, where, number.

    CPU times of steps stand at the turn that they were taken in, so that those of one turn can be compared; losses at
    their step.
    """
    series = {"cpu_seconds_a_step": record.blocks, "validation_cpu_seconds": record.validations, **record.curves}
    first = {"cpu_seconds_a_step": record.waited}
    lines = [
        (training, rule, seed, what, place, value)
        for what, values in series.items()
        for place, value in enumerate(values, first.get(what, 0))
    ]
    return [(training, rule, seed, "loss", *one) for one in zip(record.steps, record.losses, strict=True)] + lines


def with_table(page: Path, table: str) -> None:
    """Puts a table between the two marks of a page, in the place of the one that is there.

    Raises:
        ValueError: the page does not have the mark twice.
    """
    text = page.read_text(encoding="utf-8")
    if text.count(MARK) != 2:
        raise ValueError(f"{page} must have the line {MARK} twice, around the table")
    filled = re.sub(f"{MARK}.*{MARK}", lambda _: f"{MARK}\n{table}\n{MARK}", text, flags=re.DOTALL)
    write_whole(page, filled.encode())
