"""``styleapp norms``: the list, the explanation of a system, JSON, and refusals."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from styleapp.cli import main
from styleapp.norms.catalogue import Entry, behaviour, catalogue

Captured = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]


def test_all_are_listed(capsys: Captured) -> None:
    assert main(["norms"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["name", "kind", "status", "title"]
    assert [line.split(maxsplit=3) for line in lines] == [[e.name, e.kind, e.status, e.title] for e in catalogue()]


@pytest.mark.parametrize("known", catalogue(), ids=lambda known: known.name)
def test_one_is_explained(known: Entry, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["norms", known.name]) == 0
    out, acts = capsys.readouterr().out, behaviour(known.name)
    assert out.startswith(f"{known.name}: {known.title}\n")
    for fact in (known.formula, acts.axes, acts.training, acts.evaluation, known.paper, *known.switches):
        assert f" {fact}\n" in out
    assert known.switches or "switches    none yet\n" in out
    page = out.split()[-1]
    assert (ROOT / page).is_file()


def test_several_are_explained(capsys: Captured) -> None:
    assert main(["norms", "group", "power"]) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    assert first.startswith("group: ")
    assert second.startswith("power: ")


def test_lines_fit_the_terminal(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert main(["norms", "moving_batch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 72
    assert sum(line.startswith(" " * 14) for line in lines) >= 3


def test_json(document: Callable[[], Any]) -> None:
    assert main(["norms", "--json"]) == 0
    records = document()["norms"]
    assert [record["name"] for record in records] == [known.name for known in catalogue()]
    assert main(["norms", "spade", "--json"]) == 0
    (record,) = document()["norms"]
    spade = next(known for known in catalogue() if known.name == "spade")
    facts = {**dataclasses.asdict(spade), **dataclasses.asdict(behaviour("spade"))}
    assert record == {**facts, "switches": list(spade.switches), "page": "docs/norms/spade.md"}


@pytest.mark.parametrize("words", [["grup"], ["group", "grup"], ["grup", "--json"]])
def test_an_unknown_name(words: list[str], refused: Callable[..., str]) -> None:
    said = refused("norms", *words)
    assert "unknown normalization 'grup'; known are none, batch, sync_batch" in said
    assert "beyond_bn_probe" in said
