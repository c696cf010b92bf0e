"""What probes share: the table, runs, CSV, and figures over seeds."""

import csv
import dataclasses
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean, stdev

import pytest

from styleapp.lab.plots import Panel
from styleapp.lab.probes import PROBES, probe
from styleapp.lab.probes.base import Probe, Row, as_csv, curves, read_csv, run_probe, spread, summary_table


@dataclass(frozen=True)
class Weight(Row):
    day: int
    kilos: float


def _weigh(case: str, seed: int) -> tuple[Weight, ...]:
    heavy = {"cat": 4.0, "dog": 20.0}[case]
    return tuple(Weight(case, seed, day, heavy + seed + day / 10) for day in (0, 1, 2))


SCALE = Probe(
    "scale", "animals", "Animals", "a paper", ("cat", "dog"), Weight, _weigh, "day", (0, 2), {"kilos": "kg"},
    lambda rows: (Panel("", "day", "kg", curves(rows, "day", "kilos")),),
)  # fmt: skip


def _rows(seeds: Sequence[int] = (0, 1)) -> list[Weight]:
    return [row for found in run_probe(SCALE, seeds) for row in found]


class TestTable:
    def test_names(self) -> None:
        assert list(PROBES) == ["signals", "growth", "landscape", "rates", "drift", "workers"]
        assert all(probe(name).name == name for name in PROBES)

    def test_an_unknown_name_lists_the_known(self) -> None:
        with pytest.raises(
            ValueError, match="unknown probe 'signal'; known are signals, growth, landscape, rates, drift, workers"
        ):
            probe("signal")

    @pytest.mark.parametrize("known", PROBES.values(), ids=lambda known: known.name)
    def test_what_is_shown_is_in_the_rows(self, known: Probe[Row]) -> None:
        types = {field.name: field.type for field in fields(known.row)}
        assert types[known.axis] is int
        assert {*known.columns} <= {name for name, kind in types.items() if kind is float}
        assert known.cases and known.shown and known.title and known.heading and known.source


class TestRuns:
    def test_case_by_case_and_seed_by_seed(self) -> None:
        found = [(rows[0].case, rows[0].seed, len(rows)) for rows in run_probe(SCALE, [3, 5])]
        assert found == [("cat", 3, 3), ("cat", 5, 3), ("dog", 3, 3), ("dog", 5, 3)]

    def test_named_cases_once(self) -> None:
        assert [rows[0].case for rows in run_probe(SCALE, [0], ["dog", "dog"])] == ["dog"]

    def test_refusals(self) -> None:
        with pytest.raises(ValueError, match="probe scale has no case 'cow'; it has cat, dog"):
            list(run_probe(SCALE, [0], ["cat", "cow"]))
        with pytest.raises(ValueError, match="at least one seed"):
            list(run_probe(SCALE, []))


class TestTelling:
    def test_csv_comes_back(self) -> None:
        rows = _rows()
        read = list(csv.DictReader(io.StringIO(as_csv(rows))))
        assert [Weight(r["case"], int(r["seed"]), int(r["day"]), float(r["kilos"])) for r in read] == rows

    def test_table_has_mean_and_deviation_of_the_shown_places(self) -> None:
        assert summary_table(SCALE, _rows((0, 1, 2))) == [
            ["case", "day", "kg"],
            ["cat", "0", "5.00 ± 1.0"],
            ["cat", "2", "5.20 ± 1.0"],
            ["dog", "0", "21.0 ± 1.0"],
            ["dog", "2", "21.2 ± 1.0"],
        ]

    def test_median_and_largest_over_all_places(self) -> None:
        _, _, _, middle, largest, *_ = summary_table(dataclasses.replace(SCALE, overall=True), _rows((0, 1, 2)))
        assert middle == ["cat", "median", "5.10 ± 1.0"]
        assert largest == ["cat", "largest", "5.20 ± 1.0"]

    def test_spread(self) -> None:
        values = [1.0, 2.0, 4.5]
        assert asdict(spread(values)) == {"mean": mean(values), "deviation": stdev(values)}
        assert spread([2.5]).deviation == 0
        assert spread([1.0, math.nan]).mean == math.inf

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ([325.4, 263.1], "294 ± 44"),
            ([0.01234, 0.01238], "0.0124 ± 2.8e-05"),
            ([0.5], "0.500 ± 0"),
            ([2e5, 4e5], "3e+05 ± 1.4e+05"),
            ([99999.0, 99999.0], "100000 ± 0"),
            ([math.inf], "inf ± inf"),
        ],
    )
    def test_figures_are_written_for_readers(self, values: list[float], said: str) -> None:
        assert str(spread(values)) == said

    def test_curves(self) -> None:
        first, second = curves(_rows(), "day", "kilos", dashed=lambda case: case == "dog")
        assert (first.name, first.x, first.dashed) == ("cat", (0, 1, 2), False)
        assert first.values == ((4.0, 4.1, 4.2), (5.0, 5.1, 5.2))
        assert (second.name, second.dashed) == ("dog", True)

    def test_curves_of_runs_that_ended_early(self) -> None:
        """They end: what is missing is not finite."""
        rows = [row for row in _rows() if (row.seed, row.day) != (1, 2)]
        assert math.isnan(curves(rows, "day", "kilos")[0].values[1][2])


class TestReading:
    def test_rows_are_read_again_with_all_digits(self, tmp_path: Path) -> None:
        rows = [*_rows(), Weight("cat", 2, 0, math.inf), Weight("cat", 2, 1, 1 / 3)]
        (tmp_path / "scale.csv").write_text(as_csv(rows))
        assert read_csv(SCALE, tmp_path / "scale.csv") == tuple(rows)

    @pytest.mark.parametrize(
        "text",
        ["case,seed,day\ncat,0,1\n", "case,seed,day,kilos\ncat,0,1,heavy\n", "case,seed,day,kilos,cm\ncat,0,1,2,3\n"],
    )
    def test_a_table_of_something_else_is_named(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "other.csv").write_text(text)
        with pytest.raises(ValueError, match=r"other\.csv has no rows of the probe scale"):
            read_csv(SCALE, tmp_path / "other.csv")
        with pytest.raises(ValueError, match=r"none\.csv cannot be read: No such file"):
            read_csv(SCALE, tmp_path / "none.csv")
