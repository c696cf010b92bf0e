"""Every rule with every way to train: it acts and says so in the log, or refuses with one sentence."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint

import styleapp.training.rules as rules
from styleapp.training.rules.base import TrainingRule

Make = Callable[..., Any]
Fit = Callable[..., pl.Trainer]


class Case(NamedTuple):
    """A rule, and the modules that it suits.

    Attributes:
        rule: its options.
        tiny: options of the module with automatic optimization.
        by_hand: options of the rule in the module with manual optimization, beside these.
        synthesis: options of that module.
    """

    rule: dict[str, Any] = {}
    tiny: dict[str, Any] = {}
    by_hand: dict[str, Any] = {}
    synthesis: dict[str, Any] = {}


CRITIC = {"part": "discriminator"}
LOG, WRITTEN = "log.safetensors", "written.safetensors"
PLAIN_KERNELS = {"critic": {"weight_norm": "none"}}

CASES = {
    "AdaptiveClipping": Case(tiny={"normalizer": "none"}),
    "BatchNormPreconditioning": Case(tiny={"normalizer": "none"}, by_hand=CRITIC),
    "DecayLog": Case({"file": WRITTEN, "decay": 0.1}, by_hand=CRITIC, synthesis=PLAIN_KERNELS),
    "DecayRateCorrection": Case({"file": LOG}, by_hand=CRITIC, synthesis=PLAIN_KERNELS),
    "MimicNorm": Case(by_hand={"last_norm": True, **CRITIC}),
    "PreciseStatistics": Case({"batches": 1}),
    "RepeatedForward": Case(tiny={"normalizer": "memorized_batch"}, synthesis={"normalizer": "memorized_batch"}),
    "RevisitedBatchNorm": Case(by_hand={"input_norm": True, **CRITIC}),
    "SharpnessAware": Case(by_hand={"masks": True}),
}

REFUSED = {
    ("PreciseStatistics", "manual, averaged"): "SynthesisTraining does this by itself where weights are averaged: "
    "leave the rule out",
}

AUTOMATIC: dict[str, dict[str, Any]] = {
    "automatic": {},
    "accumulated": {"accumulate_grad_batches": 2, "batch_size": 3},
    "averaged": {"averaged": True},
    "clipped": {"gradient_clip_val": 0.1},
    "scored": {"limit_val_batches": 1},
    "bfloat16": {"precision": "bf16-mixed"},
    "Adam": {"tiny": {"optimizer": "Adam", "lr": 0.01}},
}
MANUAL: dict[str, dict[str, Any]] = {
    "manual": {},
    "manual, averaged": {"averaged": True, "limit_val_batches": 1},
}

every_rule = pytest.mark.parametrize("name", list(CASES))


def test_every_rule_is_here() -> None:
    assert set(CASES) == set(rules.__all__)


def _rule(name: str, folder: Path, **options: Any) -> TrainingRule:
    if "file" in options:
        options["file"] = str(folder / options["file"])
    return getattr(rules, name)(**options)


def _callbacks(rule: TrainingRule, averaged: bool) -> list[pl.Callback]:
    """In the order that suits the rule; whether others are refused is tested where each rule is."""
    average: list[pl.Callback] = [EMAWeightAveraging(decay=0.5, use_buffers=False)] if averaged else []
    return [*average, rule] if isinstance(rule, rules.PreciseStatistics) else [rule, *average]


def _check(name: str, way: str, run: Callable[[], pl.Trainer], title: str) -> None:
    if (name, way) in REFUSED:
        with pytest.raises(ValueError, match=re.escape(REFUSED[name, way])):
            run()
        return
    metrics = run().callback_metrics
    own = {key: value for key, value in metrics.items() if key.startswith(title)}
    assert own or (name == "PreciseStatistics" and "score" not in metrics)  # that one shows at scores
    assert all(bool(value.isfinite()) for value in metrics.values())


@pytest.mark.parametrize("way", list(AUTOMATIC))
@every_rule
def test_automatic_optimization(name: str, way: str, tiny: Make, fit: Fit, tmp_path: Path) -> None:
    case, options = CASES[name], dict(AUTOMATIC[way])
    made = {"double": way != "bfloat16", **case.tiny, **options.pop("tiny", {})}
    if name == "DecayRateCorrection":
        fit(tiny(**{**made, "double": True}), rules.DecayLog(str(tmp_path / LOG), decay=0.1))
    rule = _rule(name, tmp_path, **case.rule)
    callbacks = _callbacks(rule, options.pop("averaged", False))
    module, plain = tiny(**made), tiny(**made)
    _check(name, way, lambda: fit(module, *callbacks, **options), rule.title)
    fit(plain, **options)
    weights = [torch.cat([one.detach().flatten() for one in one.network.parameters()]) for one in (module, plain)]
    if name != "PreciseStatistics" and way != "averaged":
        assert not torch.allclose(*weights, rtol=1e-9, atol=0), "the rule does nothing"


@pytest.mark.parametrize("way", ["manual", pytest.param("manual, averaged", marks=pytest.mark.slow)])
@every_rule
def test_manual_optimization(name: str, way: str, synthesis: Make, fit_masks: Fit, tmp_path: Path) -> None:
    case, options = CASES[name], dict(MANUAL[way])
    if name == "DecayRateCorrection":
        log = rules.DecayLog(str(tmp_path / LOG), decay=0.1, part="discriminator")
        fit_masks(synthesis(**case.synthesis), log)
    rule = _rule(name, tmp_path, **case.rule, **case.by_hand)
    callbacks = _callbacks(rule, options.pop("averaged", False))
    keep = ModelCheckpoint(tmp_path / "kept", every_n_train_steps=2)
    made = synthesis(**case.synthesis)
    run = lambda: fit_masks(made, *callbacks, keep, enable_checkpointing=True, **options)  # noqa: E731
    _check(name, way, run, rule.title)


@pytest.mark.filterwarnings("ignore:The dirpath has changed:UserWarning")
@every_rule
def test_a_resumed_run_equals_an_uninterrupted_one(name: str, tiny: Make, fit: Fit, tmp_path: Path) -> None:
    """Bit by bit, from the end of the first of two epochs of three steps."""
    case = CASES[name]
    if name == "DecayRateCorrection":
        fit(tiny(optimizer="Adam", **case.tiny), rules.DecayLog(str(tmp_path / LOG), decay=0.1), steps=6)

    def run(folder: str, **options: Any) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        keep = ModelCheckpoint(tmp_path / folder, every_n_train_steps=3, save_top_k=-1, filename="{step}")
        module, rule = tiny(optimizer="Adam", **case.tiny), _rule(name, tmp_path, **case.rule)
        fit(module, rule, keep, steps=6, enable_checkpointing=True, **options)
        return dict(module.state_dict()), rule.state_dict()

    whole, kept = run("whole")
    resumed, again = run("resumed", ckpt_path=tmp_path / "whole" / "step=3.ckpt")
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)
    again.pop("kernels", None), kept.pop("kernels", None)
    torch.testing.assert_close(again, kept, rtol=0, atol=0)
