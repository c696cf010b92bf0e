"""What rules are measured with: turns, the meter, losses after equal time, the table."""

from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import styleapp.training.rules as rules
from benchmarks.rule_results import MARK, Row, cost, curve_ends, loss_at, markdown, row, tidy, with_table
from benchmarks.taking_turns import InTurns, Meter, Record, in_rounds
from benchmarks.training_rules import GROUPS
from styleapp.training.rules.base import TrainingRule

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training-rules.md"
CURVE = [(0, 8.0), (10, 4.0), (20, 3.0)]


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 8.0), (5, 6.0), (10, 4.0), (12.5, 3.75), (20, 3.0), (20.1, None), (-1, None)]
)
def test_losses_between_two_steps_lie_on_a_straight_line(step: float, expected: float | None) -> None:
    assert loss_at(*zip(*CURVE, strict=True), step) == expected  # type: ignore[arg-type]


def test_cost_is_the_median_over_turns_and_the_first_does_not_count() -> None:
    """Quotients 2, 1.5 and 10 behind the first."""
    assert cost([1, 1, 2, 1], [100, 2, 3, 10]) == 2
    assert cost([1, 1, 1, 1, 1], [1, 3]) == 3  # the plain run goes on longer
    with pytest.raises(ValueError, match="two turns"):
        cost([1, 1], [1])


def test_ends_of_a_curve() -> None:
    curves = {"sharpness/rise": [1.0, 3.0, 5.0, 9.0], "sharpness/gradient_norm": [0.0]}
    assert curve_ends(curves, "rise", 2) == ("sharpness/rise", 2.0, 7.0)
    with pytest.raises(ValueError, match="no curve 'norm', only sharpness/rise, sharpness/gradient_norm"):
        curve_ends(curves, "norm")


def _records() -> tuple[Record, Record]:
    plain = Record([0, 10, 20, 30], [8.0, 4.0, 3.0, 2.0], [9.0] + [1.0] * 14, [2.0] * 4)
    ruled = Record([0, 10, 20], [8.0, 3.0, 1.0], [9.0] + [1.25] * 9, [5.0] * 3, {"mimic/largest_mean": [0.5] * 20})
    return plain, ruled


def test_a_row_by_hand() -> None:
    """20 steps of 1.25 are 25 plain ones, of which the loss is half-way between those of steps 20 and 30."""
    plain, ruled = _records()
    found = row("MimicNorm", "tiny", 1.1, "largest_mean", [plain], [ruled])
    expected = Row("MimicNorm", "tiny", 1.1, 1.25, 8.0, 3.0, 2.5, 1.0, 3.0, ("mimic/largest_mean", 0.5, 0.5))
    assert found == expected


def test_turns_before_a_rule_began_do_not_count() -> None:
    """Its turns are compared with those that the plain run had at the same time."""
    plain, ruled = _records()
    plain.blocks[1:6], ruled.waited = [50.0] * 5, 5
    found = row("MimicNorm", "tiny", 1.1, "largest_mean", [plain], [ruled])
    assert found.cost == 1.25


def test_seeds_are_averaged() -> None:
    plain, ruled = _records()
    better = Record(plain.steps, [value - 1 for value in plain.losses], plain.blocks, plain.validations)
    found = row("MimicNorm", "tiny", 1.1, "largest_mean", [plain, better], [ruled, ruled])
    assert (found.cost, found.start, found.plain, found.plain_longer, found.ruled) == (1.25, 7.5, 2.5, 2.0, 1.0)


def test_a_plain_run_that_was_too_short_has_no_loss_after_equal_time() -> None:
    plain, ruled = _records()
    ruled.blocks[1:] = [2.0] * 9
    found = row("MimicNorm", "tiny", 1.1, "largest_mean", [plain], [ruled])
    assert found.plain_longer is None
    last = markdown([found]).splitlines()[-1]
    assert last == "| MimicNorm | tiny | **2.00** (≤ 1.1) | 8 | 3 | – | 1 | `mimic/largest_mean` 0.5 → 0.5 |"


def test_a_table_has_a_cell_for_each_head() -> None:
    plain, ruled = _records()
    lines = markdown([row("MimicNorm", "tiny", 1.3, "largest_mean", [plain], [ruled])]).splitlines()
    assert {line.count("|") for line in lines} == {9}
    assert "| 1.25 (≤ 1.3) |" in lines[-1]


def test_every_number_is_kept() -> None:
    ruled = _records()[1]
    ruled.waited = 4
    lines = tidy("tiny", "MimicNorm", 3, ruled)
    assert ("tiny", "MimicNorm", 3, "loss", 20, 1.0) in lines
    assert ("tiny", "MimicNorm", 3, "cpu_seconds_a_step", 5, 1.25) in lines
    assert len(lines) == 3 + 10 + 3 + 20


def test_the_table_of_a_page_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARK}\nold | \\1\n{MARK}\nbehind\n", encoding="utf-8")
    for table in ("| new \\1 |", "| newer |"):
        with_table(page, table)
        assert page.read_text(encoding="utf-8") == f"before\n{MARK}\n{table}\n{MARK}\nbehind\n"
    page.write_text("no mark", encoding="utf-8")
    with pytest.raises(ValueError, match=r"page\.md must have the line"):
        with_table(page, "")


def test_players_take_turns_until_all_are_done() -> None:
    seen: list[str] = []

    def player(name: str, turns: int) -> InTurns:
        def work(turn: InTurns) -> None:
            for number in range(turns):
                seen.append(f"{name}{number}")
                turn.give_back()

        return InTurns(work)

    in_rounds({"a": player("a", 3), "b": player("b", 1), "c": player("c", 2)})
    assert seen == ["a0", "b0", "c0", "a1", "c1", "a2"]


def test_what_a_player_raises_arrives() -> None:
    def work(turn: InTurns) -> None:
        turn.give_back()
        raise ValueError("no kernel")

    with pytest.raises(ValueError, match="no kernel"):
        in_rounds({"a": InTurns(work)})


class Tiny(pl.LightningModule):
    """One weight, whose loss falls."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Conv2d(1, 1, 2))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.network(batch[0]).square().mean()

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.network(batch[0]).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def test_a_metered_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that ticks whenever it is looked at: 6 steps in turns of 2, validations every 2."""
    ticks = iter(range(10**6))
    monkeypatch.setattr("time.process_time", lambda: float(next(ticks)))
    torch.manual_seed(0)
    turns: list[int] = []
    meter = Meter(6, 2, "mimic", lambda: turns.append(meter.step))
    loader = DataLoader(TensorDataset(torch.randn(4, 1, 3, 3)), batch_size=2)
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(
        accelerator="cpu", devices=1, max_steps=100, callbacks=[rules.MimicNorm(), meter], logger=False,
        enable_checkpointing=False, num_sanity_val_steps=-1, **quiet,
    )  # fmt: skip
    trainer.fit(Tiny(), loader, loader)
    record = meter.record
    assert trainer.global_step == 6 and turns == [2, 4]
    assert record.steps == [0, 2, 4, 6]
    assert record.losses[1:] == sorted(record.losses[1:], reverse=True)  # the first is that before kernels are centred
    assert record.validations == [1.0] * 4
    # Two steps of a tick each; behind a validation, one more tick from the end of the turn to its beginning.
    assert record.blocks == [1.0, 1.5, 1.5]
    assert list(record.curves) == ["mimic/largest_mean"] and len(record.curves["mimic/largest_mean"]) == 6


def test_every_rule_is_measured(tmp_path: Path) -> None:
    cases = [case for group in GROUPS.values() for case in group.cases.values()]
    made = [case.rule(tmp_path) for case in cases]
    assert {type(one).__name__ for one in made} == set(rules.__all__)
    for one, case in zip(made, cases, strict=True):
        assert case.bound == _bound(one)


def test_rules_wait_for_others_of_their_group_only() -> None:
    for group in GROUPS.values():
        names = list(group.cases)
        for name, case in group.cases.items():
            assert case.after is None or names.index(case.after) < names.index(name)


def _bound(rule: TrainingRule) -> float:
    return {rules.SharpnessAware: 2.1, rules.BatchNormPreconditioning: 1.3}.get(type(rule), 1.1)  # type: ignore[call-overload]


def test_the_page_has_a_line_for_every_case() -> None:
    _, table, _ = PAGE.read_text(encoding="utf-8").split(MARK)
    named = [tuple(line.split(" | ")[:2]) for line in table.splitlines() if "(≤" in line]
    assert named == [(f"| {rule}", name) for name, group in GROUPS.items() for rule in group.cases]
