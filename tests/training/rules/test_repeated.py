"""The second forward pass of memorized batch normalization in training runs."""

from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.nn.functional import mse_loss
from torch.utils.data import TensorDataset

from styleapp.norms.memory import MemorizedBatchNormalizer, SecondForward
from styleapp.training.rules import RepeatedForward

Make = Callable[..., Any]
Fit = Callable[..., pl.Trainer]


@pytest.mark.parametrize("accumulated", [1, 2])
def test_newest_slot_is_that_of_a_fresh_forward(accumulated: int, tiny: Make, fit: Fit, samples: TensorDataset) -> None:
    """Of the last batch, with the weights after the step."""
    module = tiny("memorized_batch", norm={"batches": 3})
    trainer = fit(module, RepeatedForward(), steps=1, batch_size=3, accumulate_grad_batches=accumulated)
    layer = module.network.act.normalizer
    assert int(layer.num_batches_tracked) == accumulated
    x = samples.tensors[0][3 * (accumulated - 1) : 3 * accumulated]
    with torch.no_grad():
        features = module.network.conv(x)
    torch.testing.assert_close(layer.memory_mean[accumulated - 1], features.mean((0, 2, 3)))
    torch.testing.assert_close(layer.memory_var[accumulated - 1], features.var((0, 2, 3), correction=0))
    assert trainer.callback_metrics["repeated/moved"] > 0


def test_same_as_by_hand(tiny: Make, fit: Fit, samples: TensorDataset) -> None:
    """SecondForward of the library in a plain loop."""
    module, twin = (tiny("memorized_batch", norm={"batches": 2}) for _ in range(2))
    fit(module, RepeatedForward(), steps=3)
    optimizer = torch.optim.SGD(twin.network.parameters(), lr=0.1)
    SecondForward(twin.network, optimizer)
    x, y = samples.tensors
    for step in range(3):
        part = slice(4 * step, 4 * step + 4)
        optimizer.param_groups[0]["lr"] = 0.1 * 0.9**step
        optimizer.zero_grad()
        mse_loss(twin.network(x[part]), y[part]).backward()
        optimizer.step()
    torch.testing.assert_close(dict(module.network.state_dict()), dict(twin.network.state_dict()))
    plain = tiny("memorized_batch", norm={"batches": 2})
    fit(plain, steps=3)
    assert not torch.allclose(plain.network.conv.weight, module.network.conv.weight, rtol=1e-6, atol=0)


@pytest.mark.parametrize("accumulated", [1, 2])
def test_what_lies_behind_the_memory_is_not_computed_again(accumulated: int, tiny: Make, fit: Fit) -> None:
    module, calls = tiny("memorized_batch"), {"conv": 0, "norm_conv": 0}

    def counted(name: str) -> None:
        module.network.get_submodule(name).register_forward_hook(lambda *_: calls.update({name: calls[name] + 1}))

    counted("conv"), counted("norm_conv")
    fit(module, RepeatedForward(), steps=2, batch_size=3, accumulate_grad_batches=accumulated)
    assert calls == {"conv": 2 * accumulated + 2, "norm_conv": 2 * accumulated}


def test_every_call_of_a_memory_is_repeated(tiny: Make, fit: Fit, samples: TensorDataset) -> None:
    """Of a module that calls its network twice in a step, the newest slot has the second call, with changed weights."""
    module = tiny("memorized_batch", norm={"batches": 2})
    plain = module.training_step

    def training_step(batch: Any, batch_idx: int) -> Any:
        return plain(batch, batch_idx) + plain([batch[0] + 1, batch[1]], batch_idx)

    vars(module)["training_step"] = training_step
    fit(module, RepeatedForward(), steps=1)
    layer = module.network.act.normalizer
    assert int(layer.num_batches_tracked) == 2
    with torch.no_grad():
        features = module.network.conv(samples.tensors[0][:4] + 1)
    torch.testing.assert_close(layer.memory_mean[1], features.mean((0, 2, 3)))


def test_second_pass_is_not_logged(tiny: Make, fit: Fit) -> None:
    losses = []
    for rules in ([], [RepeatedForward()]):
        trainer = fit(tiny("memorized_batch"), *rules, steps=1)
        losses.append(float(trainer.callback_metrics["train/loss"]))
    assert losses[0] == losses[1]


def test_manual_optimization(synthesis: Make, fit_masks: Fit) -> None:
    """The first norm's newest slot is what the label map's features and the style are for the changed weights."""
    module, seen = synthesis("memorized_batch"), []

    class Probe(pl.Callback):
        def on_fit_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
            first = pl_module.network.stages[0][0].first_norm.normalizer
            first.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].detach()))

    trainer = fit_masks(module, Probe(), RepeatedForward(), steps=1)
    layer = module.network.stages[0][0].first_norm.normalizer
    assert isinstance(layer, MemorizedBatchNormalizer)
    assert len(seen) == 2 and int(layer.num_batches_tracked) == 1
    torch.testing.assert_close(layer.memory_mean[0], seen[1].mean((0, 2, 3)), rtol=1e-5, atol=1e-6)
    assert not torch.equal(seen[0], seen[1])
    assert trainer.callback_metrics["repeated/moved"] > 0


def test_hooks_are_gone_afterwards(synthesis: Make, fit_masks: Fit) -> None:
    module = synthesis("memorized_batch")
    trainer = fit_masks(module, RepeatedForward(), steps=1)
    assert not module.network._forward_pre_hooks
    assert not any(optimizer._optimizer_step_post_hooks for optimizer in trainer.optimizers)


def test_a_network_that_remembers_nothing_is_refused(tiny: Make, fit: Fit) -> None:
    with pytest.raises(
        ValueError, match="network: nothing in it remembers batches: set its normalizer to memorized_batch"
    ):
        fit(tiny(), RepeatedForward())
