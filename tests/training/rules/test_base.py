"""What all rules share: their part and its optimizer, curves, refusals, and that nothing of them is left behind."""

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import FSDPStrategy
from torch import nn

from styleapp.training.rules import AdaptiveClipping, BatchNormPreconditioning, MimicNorm, SharpnessAware
from styleapp.training.rules.base import TrainingRule, in_second_pass, second_pass, silent

Make = Callable[..., Any]
Fit = Callable[..., pl.Trainer]


class Counting(TrainingRule):
    title = "counting"

    def __init__(self, part: Any = "network") -> None:
        super().__init__(part)
        self.steps: list[tuple[str, int]] = []

    def before_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.steps.append(("before", self.step))
        self.weights = [one.detach().clone() for one in self.target.parameters()]

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        moved = sum(
            not torch.equal(one, other) for one, other in zip(self.target.parameters(), self.weights, strict=True)
        )
        self.steps.append(("after", self.step))
        self.curves["moved"] = float(moved)


def test_steps_of_automatic_optimization(tiny: Make, fit: Fit) -> None:
    """One a step, also of several batches, with gradients there before and weights changed after."""
    rule, module = Counting(), tiny()
    trainer = fit(module, rule, steps=2, batch_size=3, accumulate_grad_batches=2)
    assert rule.steps == [("before", 0), ("after", 0), ("before", 1), ("after", 1)]
    assert trainer.callback_metrics["counting/moved"] == len(list(module.network.parameters()))


def test_steps_of_manual_optimization(synthesis: Make, fit_masks: Fit) -> None:
    """Of both networks, and each sees its own optimizer; Lightning counts one step."""
    counted = [Counting(part) for part in ("network", "discriminator")]
    trainer = fit_masks(synthesis(), *counted, steps=2)
    assert trainer.global_step == 2
    for rule in counted:
        assert rule.steps == [("before", 0), ("after", 0), ("before", 1), ("after", 1)]
    assert counted[0].optimizer is trainer.optimizers[0]
    assert counted[1].optimizer is trainer.optimizers[1]
    assert trainer.callback_metrics["counting/moved"] > 0
    assert trainer.callback_metrics["counting_discriminator/moved"] > 0


def test_two_parts_have_states_of_their_own() -> None:
    keys = {
        rule(part=part).state_key for rule in (MimicNorm, AdaptiveClipping) for part in ("network", "discriminator")
    }
    assert len(keys) == 4


@pytest.mark.parametrize("broken", [False, True])
def test_nothing_is_left_behind(broken: bool, tiny: Make, fit: Fit) -> None:
    """After the fit, and after an error in it."""
    module, seen = tiny("none", norm={"modulator": "affine"}), []

    class Breaks(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            seen.append(trainer)
            if broken:
                raise OSError("power cut")

    callbacks = [SharpnessAware(), BatchNormPreconditioning(), MimicNorm(), Breaks()]
    if broken:
        with pytest.raises(OSError, match="power cut"):
            fit(module, *callbacks)
    else:
        fit(module, *callbacks)
    assert not any(one._forward_pre_hooks for one in module.modules())
    assert not seen[0].optimizers or not seen[0].optimizers[0]._optimizer_step_post_hooks
    assert "log" not in vars(module)


def test_silence_ends(tiny: Make) -> None:
    module = tiny()
    with silent(module):
        module.log("anything", 1.0)  # would be an error outside a fit
        with silent(module):
            module.log_dict({"anything": 1.0})
        module.log("anything", 1.0)
    assert "log" not in vars(module)


def test_second_pass_ends() -> None:
    with pytest.raises(OSError), second_pass():
        assert in_second_pass()
        raise OSError
    assert not in_second_pass()


# What is refused


def test_a_part_that_is_not_there(tiny: Make, fit: Fit) -> None:
    with pytest.raises(ValueError, match="Counting for the discriminator: TinyTraining has no discriminator: set part"):
        fit(tiny(), Counting("discriminator"))


def test_a_rule_that_stands_twice(tiny: Make, fit: Fit) -> None:
    with pytest.raises(
        ValueError, match="MimicNorm for the network: it stands twice in trainer.callbacks: leave one out"
    ):
        fit(tiny(), MimicNorm(), MimicNorm())


def test_weights_that_are_divided_up(tiny: Make, fit: Fit) -> None:
    """What FSDP would be refused for, without the processes that it wants."""
    rule, module = Counting(), tiny()
    trainer = pl.Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, callbacks=[rule])
    trainer.strategy.__class__ = FSDPStrategy
    with pytest.raises(
        ValueError, match="every process needs all weights, which FSDPStrategy divides up: use strategy ddp"
    ):
        rule.setup(trainer, module, "fit")


def test_a_part_with_several_optimizers(tiny: Make, fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tiny()
    network: nn.Module = module.network
    module.automatic_optimization = False
    pair = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (network.conv, network.norm_conv)]
    monkeypatch.setattr(module, "configure_optimizers", lambda: pair)
    with pytest.raises(ValueError, match="it wants one optimizer that trains this part, and there are 2"):
        fit(module, Counting())


def test_validation_alone_needs_no_rule(tiny: Make, samples: Any) -> None:
    """``trainer.validate`` neither checks nor acts."""
    quiet = {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "logger": False,
    }
    trainer = pl.Trainer(accelerator="cpu", precision="64-true", callbacks=[Counting("discriminator")], **quiet)
    assert trainer.validate(tiny(), torch.utils.data.DataLoader(samples, batch_size=6), verbose=False)[0]["score"] > 0
