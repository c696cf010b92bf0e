"""Trainings that take turns in one process, a few steps each, so that what they cost can be compared.

Another program on the machine is slow for whoever has the turn; over many rounds it is slow for all alike.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

__all__ = ["InTurns", "Meter", "Record", "in_rounds"]


@dataclass
class Record:
    """What a meter saw of a training.

    Attributes:
        steps, losses: of each validation; the first is that before the first step.
        blocks: CPU seconds a step, one number a turn.
        validations: CPU seconds of each.
        curves: by its name, what a rule logged after each step.
        waited: turns that went by before it began.
    """

    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    blocks: list[float] = field(default_factory=list)
    validations: list[float] = field(default_factory=list)
    curves: dict[str, list[float]] = field(default_factory=dict)
    waited: int = 0


class InTurns:
    """Work in a thread of its own, which goes on only while :meth:`resume` waits for it.

    Args:
        work: called with this object; it may call :meth:`give_back` as often as it likes.
    """

    def __init__(self, work: Callable[["InTurns"], None]) -> None:
        self.done = False
        self._work, self._error = work, None
        self._ours, self._theirs = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._run, daemon=True).start()

    def resume(self) -> None:
        """Lets the work go on until it gives the turn back or ends; raises what it raised."""
        self._ours.release()
        self._theirs.acquire()
        if self._error is not None:
            raise self._error

    def give_back(self) -> None:
        """Called by the work: waits for its next turn."""
        self._theirs.release()
        self._ours.acquire()

    def _run(self) -> None:
        self._ours.acquire()
        try:
            self._work(self)
        except BaseException as error:  # belongs to whoever resumed
            self._error = error
        self.done = True
        self._theirs.release()


def in_rounds(players: Mapping[str, InTurns]) -> None:
    """Resumes each in turn until all are done."""
    while waiting := [player for player in players.values() if not player.done]:
        for player in waiting:
            player.resume()


class Meter(pl.Callback):
    """Counts the CPU time of training steps and of validations apart, ends the run, and keeps losses and curves.

    It must be the last callback, so that all others are counted. A validation step must return its loss. Rates do not
    fall when the run ends: the trainer is given more steps, and stopped.

    Args:
        steps: after which the run ends.
        block: steps a turn.
        title: of the curves that are kept, such as ``"sharpness"``; empty for none.
        give_back: called after each turn, see :class:`InTurns`.
    """

    def __init__(self, steps: int, block: int, title: str, give_back: Callable[[], None]) -> None:
        self.steps, self.block, self.title, self.give_back = steps, block, title, give_back
        self.record, self.step = Record(), 0
        self._spent = self._since = self._validating = 0.0
        self._losses: list[Tensor] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._spent, self._since = 0.0, time.process_time()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        self._spent += time.process_time() - self._since
        self.step += 1
        for name, value in trainer.callback_metrics.items():
            if self.title and name.partition("/")[0] in (self.title, f"{self.title}_discriminator"):
                self.record.curves.setdefault(name, []).append(float(value))
        if self.step % self.block == 0:
            self.record.blocks.append(self._spent / self.block)
            self._spent = 0.0
            trainer.should_stop = self.step >= self.steps
            if not trainer.should_stop:
                self.give_back()
        self._since = time.process_time()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validating = time.process_time()
        self._spent += self._validating - self._since
        self._losses = []

    def on_validation_batch_end(  # type: ignore[override]
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Tensor, *_: Any
    ) -> None:
        self._losses.append(outputs)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since = time.process_time()
        self.record.steps.append(self.step)
        self.record.losses.append(sum(map(float, self._losses)) / len(self._losses))
        self.record.validations.append(self._since - self._validating)
