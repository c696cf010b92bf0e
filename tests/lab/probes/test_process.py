"""Probes in a process of their own: the same rows, and an end when nobody listens any more."""

import multiprocessing
from typing import Any

import pytest

from styleapp.lab.probes import PROBES
from styleapp.lab.probes.base import run_probe
from styleapp.lab.probes.process import in_process


def test_rows_are_those_of_this_process_and_stopping_ends_the_other() -> None:
    here = list(run_probe(PROBES["growth"], (0, 1), ["batch"]))
    steps = in_process("growth", (0, 1), ["batch", "none"])
    found: list[Any] = []
    for rows in steps:
        if rows is not None:
            found.append(rows)
        if len(found) == 2:
            break
    assert [[row.block for row in rows] for rows in found] == [[row.block for row in rows] for rows in here]
    for ours, theirs in zip(here, found, strict=True):
        assert [row.variance for row in theirs] == pytest.approx([row.variance for row in ours], rel=1e-4)
    assert len(multiprocessing.active_children()) == 1
    steps.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("name", "seeds", "cases", "message"),
    [
        ("growths", (0,), None, "unknown probe 'growths'"),
        ("growth", (), None, "needs at least one seed"),
        ("growth", (0,), ["btch"], "probe growth has no case 'btch'"),
    ],
)
def test_what_is_wrong_is_said_before_a_process_starts(
    name: str, seeds: tuple[int, ...], cases: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        next(in_process(name, seeds, cases))
    assert multiprocessing.active_children() == []
