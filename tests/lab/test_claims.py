"""Claims: what figures say about them, and that the page has a row for every system and is what was written last."""

from pathlib import Path
from statistics import fmean, median

import pytest

from styleapp.lab.claims import At, Claim, Finding, Results, alike, of_card, ordered, provided, rises
from styleapp.lab.claims_page import claims_page, findings
from styleapp.lab.claims_table import CLAIMS
from styleapp.lab.grid import chosen_cells, read_grid
from styleapp.lab.grid_results import results_folder
from styleapp.norms.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[2]
FIRST, SECOND = (At(name, "table", "score", {"kind": name}) for name in ("first", "second"))


def _table(folder: Path, first: list[object], second: list[object]) -> Results:
    sides = {"first": first, "second": second}
    cells = [(kind, seed, value) for kind, values in sides.items() for seed, value in enumerate(values)]
    lines = [f"{kind},{seed},{'' if value is None else value}," for kind, seed, value in cells]
    (folder / "table.csv").write_text("\n".join(["kind,seed,score,problem", *lines]) + "\n")
    return Results(folder)


@pytest.mark.parametrize(
    ("first", "second", "highest", "verdict"),
    [
        ([1.0, 1.2], [2.0, 2.2], False, "confirmed"),
        ([2.0, 2.2], [1.0, 1.2], False, "contradicted"),
        ([2.0, 2.2], [1.0, 1.2], True, "confirmed"),
        ([1.0, 1.4], [1.3, 1.9], False, "not at this scale"),
        ([1.0], [2.0], False, "open"),
        ([1.0, 1.2], [None, None], False, "confirmed"),
        ([None, None], [1.0, 1.2], False, "contradicted"),
        ([1.0, None], [2.0, 2.2], False, "not at this scale"),
        ([1.0, 1.2, None], [None, None], False, "not at this scale"),
        ([1.0, 1.2], [2.0, None], False, "confirmed"),
        ([1.0, 1.2], [None], False, "open"),
        ([None, None], [None, None], False, None),
    ],
)
def test_order(tmp_path: Path, first: list[object], second: list[object], highest: bool, verdict: str | None) -> None:
    """Deviations are √2·0.1 and the like; a difference counts if it is above their sum."""
    measure = ordered("score", FIRST, SECOND, highest)
    results = _table(tmp_path, first, second)
    if verdict is None:
        with pytest.raises(ValueError, match="has no column 'score' with numbers"):
            measure(results)
    else:
        found = measure(results)
        assert found is not None and found.verdict == verdict


def test_words(tmp_path: Path) -> None:
    found = ordered("score", FIRST, SECOND)(_table(tmp_path, [1.0, 1.2, 1.1], [2.0, 2.2, None]))
    words = "score: first 1.10 ± 0.10, second 2.10 ± 0.14 (1 further seeds diverged) (2 seeds)"
    assert found == Finding(words, "confirmed")


@pytest.mark.parametrize(
    ("second", "verdict"),
    [
        ([1.05, 1.05], "confirmed"),
        ([1.05, None], "not at this scale"),
        ([None, None], "contradicted"),
        ([0.9, 1.3], "not at this scale"),
        ([1.02, 1.03], "confirmed"),
        ([1.2, 1.2], "contradicted"),
        ([1.1, 1.3], "not at this scale"),
        ([1.3, 1.4], "contradicted"),
        ([0.8, 1.6], "not at this scale"),
        ([1.0], "open"),
    ],
)
def test_likeness(tmp_path: Path, second: list[object], verdict: str) -> None:
    found = alike("score", FIRST, SECOND)(_table(tmp_path, [1.0, 1.0], second))
    assert found is not None and found.verdict == verdict


@pytest.mark.parametrize(
    ("values", "falls", "verdict"),
    [
        ([[1, 2, 3], [2, 4, 6]], False, "confirmed"),
        ([[1, 2, 3]], False, "open"),
        ([[1, 2, 3], [1, 3, 2]], False, "not at this scale"),
        ([[1, 2, 3], [3, 2, 1]], False, "not at this scale"),
        ([[3, 2, 1], [3, 4, 1]], False, "contradicted"),
        ([[3, 2, 1], [9, 8, 7]], True, "confirmed"),
        ([[1, 2, 3], [1, 2, 3]], True, "contradicted"),
    ],
)
def test_series(tmp_path: Path, values: list[list[int]], falls: bool, verdict: str) -> None:
    cells = [(seed, size, value) for seed, series in enumerate(values) for size, value in enumerate(series)]
    lines = [f"any,{seed},{size},7,{value}" for seed, size, value in cells]
    (tmp_path / "table.csv").write_text("\n".join(["case,seed,size,depth,score", *lines, "any,0,0,8,99"]) + "\n")
    places = [At(str(size), "table", "score", {}, {"size": size, "depth": 7}) for size in range(3)]
    found = rises("score", places, falls)(Results(tmp_path))
    assert found is not None and found.verdict == verdict


def test_a_median_is_not_moved_by_one_row(tmp_path: Path) -> None:
    lines = [f"first,0,{value}" for value in (1, 2, 99)] + [f"second,0,{value}" for value in (3, 3, 3)]
    (tmp_path / "table.csv").write_text("\n".join(["kind,seed,score", *lines]) + "\n")
    sides = [
        At("first", "table", "score", {"kind": "first"}, average=one).read(Results(tmp_path)) for one in (fmean, median)
    ]
    assert [side.mean.value for side in sides if side and side.mean] == [34, 2]


def test_what_has_not_learned_is_not_compared(tmp_path: Path) -> None:
    results = _table(tmp_path, [1.0, 1.2], [2.0, 2.2])
    plain = ordered("score", FIRST, SECOND)
    assert provided(SECOND, 2.0, plain)(results) == plain(results)
    found = provided(SECOND, 2.5, plain)(results)
    assert found is not None and found.verdict == "not at this scale"
    assert found.measured.endswith("; it has not learned the task: second 2.10 ± 0.14")
    assert provided(At("third", "none", "score"), 0.0, plain)(results) == plain(results)


def test_without_tables_nothing_is_said(tmp_path: Path) -> None:
    assert ordered("score", FIRST, SECOND)(Results(tmp_path)) is None
    (tmp_path / "table.csv").write_text("kind,seed,score\nfirst,0,1.0\n")
    assert alike("score", FIRST, SECOND)(Results(tmp_path)) is None  # the second is not there yet
    assert rises("score", [FIRST, SECOND])(Results(tmp_path)) is None


def test_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = of_card("adain")(Results(tmp_path))
    assert found is not None and found.verdict == "confirmed"
    assert found.measured.startswith("style distance: adain 0.0")
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(tmp_path))
    assert of_card("adain")(Results(tmp_path)) is None


# The page


def test_every_system_has_a_row_and_no_row_is_of_another() -> None:
    assert {claim.system for claim in CLAIMS} == {known.name for known in catalogue()}


def test_experimental_systems_say_why_there_is_no_figure(tmp_path: Path) -> None:
    said = {claim.system: finding.measured for claim, finding in findings(tmp_path)}
    for known in catalogue():
        if known.status == "experimental":
            assert said[known.name].startswith("no figure: ")


def test_the_page_is_what_the_generator_writes() -> None:
    """`styleapp ablate claims` writes it again after new results."""
    assert (ROOT / "docs" / "ablations.md").read_text(encoding="utf-8") == claims_page()


def test_without_results_only_what_needs_none_is_measured(tmp_path: Path) -> None:
    rows = findings(tmp_path)
    assert {claim.system for claim, finding in rows if finding.verdict != "open"} == {"adain"}
    assert sum(finding.measured == "not measured yet" for _, finding in rows) >= 25
    assert claims_page(tmp_path).count("\n| `") == len(CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.system}: {claim.claim[:20]}")
def test_commands_name_cells_that_exist(claim) -> None:  # type: ignore[no-untyped-def]
    words = claim.command.split()
    if words[:3] != ["styleapp", "ablate", "train"]:
        return
    grid = read_grid(ROOT / words[words.index("--grid") + 1])
    only = words[words.index("--only") + 1].strip("'") if "--only" in words else None
    assert chosen_cells(grid, only)


def test_every_claim_reads_what_its_grids_write(tmp_path: Path) -> None:
    """With a table for every grid and probe, all claims of them have a figure; so no axis or column is misspelt."""
    scores = {"masks": ("pixel_accuracy", "statistics_distance")}
    for path in (ROOT / "configs" / "ablation" / "grids").glob("*.yaml"):
        grid = read_grid(path)
        columns = scores.get(grid.name, ("style_distance", "photo_itself_style_distance"))
        lines = [",".join([*grid.axes, "seed", "loss", *columns])]
        lines += [
            ",".join([*cell.choices.values(), str(cell.seed), "1", *("1" for _ in columns)]) for cell in grid.cells()
        ]
        (tmp_path / f"{grid.name}.csv").write_text("\n".join(lines) + "\n")
    for claim, finding in findings(tmp_path):
        if claim.command.startswith("styleapp ablate train"):
            assert finding.measured != "not measured yet", claim
            assert "1.00 ± 0.00" in finding.measured and "(3 seeds)" in finding.measured


@pytest.mark.parametrize(
    "claim", [one for one in CLAIMS if one.command.startswith("styleapp probe")], ids=lambda one: one.claim[:30]
)
def test_every_claim_of_a_probe_reads_what_comes_with_the_app(claim: Claim) -> None:
    found = claim.measure(Results(results_folder()))
    assert found is not None and "(3 seeds)" in found.measured
