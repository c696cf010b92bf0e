"""Statistics of the weights that are scored, saved and left behind; training goes on with its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from styleapp.training.rules import PreciseStatistics

Make = Callable[..., Any]
Fit = Callable[..., pl.Trainer]
StateOf = Callable[[nn.Module], dict[str, Tensor]]

MEAN, VARIANCE = (f"network.act.normalizer.running_{name}" for name in ("mean", "var"))
averaging = pytest.mark.parametrize("averaged", [False, True], ids=["plain", "averaged"])


def _average(averaged: bool) -> list[pl.Callback]:
    return [EMAWeightAveraging(decay=0.5, use_buffers=False)] if averaged else []


def _expected(state: dict[str, Tensor], samples: TensorDataset, batches: int = 2) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance of the convolution's output, the mean over the first batches of four."""
    x = samples.tensors[0]
    found = []
    for number in range(batches):
        part = x[4 * number : 4 * number + 4]
        features = nn.functional.conv2d(part, state["network.conv.weight"], state["network.conv.bias"])
        found.append((features.mean((0, 2, 3)), features.var((0, 2, 3))))
    means, variances = zip(*found, strict=True)
    return torch.stack(means).mean(0), torch.stack(variances).mean(0)


def _assert_precise(state: dict[str, Tensor], samples: TensorDataset) -> None:
    mean, variance = _expected(state, samples)
    torch.testing.assert_close(state[MEAN], mean)
    torch.testing.assert_close(state[VARIANCE], variance)


@averaging
def test_at_the_end_of_training(averaged: bool, tiny: Make, fit: Fit, samples: TensorDataset) -> None:
    module, plain = tiny(), tiny()
    fit(module, *_average(averaged), PreciseStatistics(batches=2), steps=3)
    fit(plain, *_average(averaged), steps=3)
    _assert_precise(dict(module.state_dict()), samples)
    assert torch.equal(module.network.conv.weight, plain.network.conv.weight)
    assert not torch.allclose(module.state_dict()[MEAN], plain.state_dict()[MEAN], rtol=1e-2)


@averaging
def test_in_validation(averaged: bool, tiny: Make, fit: Fit, samples: TensorDataset) -> None:
    """Scored with precise statistics of the weights that are there; afterwards training has its own back."""

    class Probe(pl.Callback):
        def __init__(self) -> None:
            self.scored: list[dict[str, Tensor]] = []
            self.trained: list[Tensor] = []

        def on_validation_batch_start(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
            self.scored.append({name: value.clone() for name, value in module.state_dict().items()})

        def on_train_batch_start(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
            self.trained.append(module.state_dict()[MEAN].clone())

    probe, plain = Probe(), Probe()
    options = {"steps": 3, "limit_val_batches": 1, "val_check_interval": 1}
    fit(tiny(), *_average(averaged), PreciseStatistics(batches=2), probe, **options)
    fit(tiny(), *_average(averaged), plain, **options)
    assert len(probe.scored) == 3
    for state in probe.scored:
        _assert_precise(state, samples)
    torch.testing.assert_close(probe.trained, plain.trained, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:The dirpath has changed:UserWarning")
@averaging
def test_in_checkpoints(averaged: bool, tiny: Make, fit: Fit, samples: TensorDataset, tmp_path: Path) -> None:
    """A saved state is precise; a run that goes on from it equals one that nothing interrupted, bit by bit."""

    def run(folder: str, module: Any, steps: int, ckpt_path: Path | None = None) -> None:
        keep = ModelCheckpoint(tmp_path / folder, every_n_train_steps=3, save_top_k=-1, filename="{step}")
        callbacks = [*_average(averaged), PreciseStatistics(batches=2), Live(), keep]
        fit(module, *callbacks, steps=steps, enable_checkpointing=True, ckpt_path=ckpt_path)

    class Live(pl.Callback):
        """The statistics that training has."""

        seen: dict[int, Tensor] = {}

        def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
            Live.seen[trainer.global_step] = module.state_dict()[MEAN].clone()

    whole = tiny()
    run("whole", whole, 6)
    uninterrupted, Live.seen = Live.seen, {}
    saved = tmp_path / "whole" / "step=3.ckpt"
    checkpoint = torch.load(saved, weights_only=True)
    _assert_precise(checkpoint["state_dict"], samples)
    resumed = tiny()
    run("resumed", resumed, 6, saved)
    assert set(Live.seen) == {4, 5, 6}
    for step, mean in Live.seen.items():
        assert torch.equal(mean, uninterrupted[step])
    torch.testing.assert_close(dict(resumed.state_dict()), dict(whole.state_dict()), rtol=0, atol=0)


def test_saving_changes_nothing(tiny: Make, fit: Fit, tmp_path: Path, state_of: StateOf) -> None:
    states = []
    for every in (1, 10):
        module = tiny()
        keep = ModelCheckpoint(tmp_path / str(every), every_n_train_steps=every, save_top_k=-1)
        fit(module, PreciseStatistics(batches=1), keep, steps=3, enable_checkpointing=True)
        states.append(state_of(module))
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_a_small_data_set_goes_round(tiny: Make, fit: Fit, samples: TensorDataset) -> None:
    """Six batches of four from twelve samples are each of the three twice."""
    module = tiny()
    fit(module, PreciseStatistics(batches=6))
    mean, _ = _expected(dict(module.state_dict()), samples, batches=3)
    torch.testing.assert_close(module.state_dict()[MEAN], mean)


def test_log_says_how_far_they_moved(tiny: Make, fit: Fit) -> None:
    trainer = fit(tiny(), PreciseStatistics(batches=1), steps=3, limit_val_batches=1, val_check_interval=1)
    assert trainer.callback_metrics["precise/moved"] > 0
    assert "train/loss" in trainer.callback_metrics


def test_manual_optimization(synthesis: Make, fit_masks: Fit) -> None:
    """Without an average, what the module would do with one."""
    module, plain = synthesis(), synthesis()
    fit_masks(module, PreciseStatistics())
    trainer = fit_masks(plain)
    plain.trainer = trainer
    plain.collect_statistics(plain.network)
    torch.testing.assert_close(
        dict(module.network.state_dict()), dict(plain.network.state_dict()), rtol=1e-6, atol=1e-8
    )


def test_refusals(tiny: Make, fit: Fit, synthesis: Make, fit_masks: Fit) -> None:
    average = EMAWeightAveraging(use_buffers=False)
    with pytest.raises(ValueError, match="batches must be at least 1, got 0"):
        PreciseStatistics(batches=0)
    with pytest.raises(ValueError, match="network: nothing in it keeps running statistics: leave the rule out"):
        fit(tiny("instance"), PreciseStatistics())
    with pytest.raises(ValueError, match="it must see averaged weights: put it behind EMAWeightAveraging"):
        fit(tiny(), PreciseStatistics(), average)
    with pytest.raises(ValueError, match="SynthesisTraining does this by itself where weights are averaged"):
        fit_masks(synthesis(), average, PreciseStatistics())
    with pytest.raises(ValueError, match="SynthesisTraining takes its steps by hand, and has no collect_statistics"):
        fit_masks(synthesis(critic={"normalizer": "batch"}), PreciseStatistics(part="discriminator"))


def test_what_is_saved_after_the_end_goes_on_with_its_own(tiny: Make, fit: Fit, tmp_path: Path) -> None:
    """The end of training leaves precise statistics behind; a resumed run must not begin with them."""
    module, plain = tiny(), tiny()
    trainer = fit(module, PreciseStatistics(batches=2), steps=3)
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    fit(plain, steps=3)
    saved = torch.load(tmp_path / "end.ckpt", weights_only=True)
    live = saved["live_statistics"]["network"][MEAN.removeprefix("network.")]
    torch.testing.assert_close(live, plain.state_dict()[MEAN])
    torch.testing.assert_close(saved["state_dict"][MEAN], module.state_dict()[MEAN])
