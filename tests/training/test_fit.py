"""A recipe runs from the training script; what it logs and keeps; and an interruption changes nothing."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from styleapp.training.callbacks import TrainingRecord

STEPS, SAVED_AT = 6, 3
LOSSES = {"train/content", "train/style", "train/pixel", "train/feature", "train/smoothness"}

Logged = Callable[[Path], dict[str, dict[int, float]]]
CheckpointAt = Callable[[Path, int], Path]


def _load(path: Path) -> dict[str, Any]:
    return torch.load(path, map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def scalars(finished_run: Path, logged: Logged) -> dict[str, dict[int, float]]:
    return logged(finished_run)


@pytest.fixture(scope="module")
def saved(finished_run: Path, checkpoint_at: CheckpointAt) -> dict[str, Any]:
    return _load(checkpoint_at(finished_run, STEPS))


# What a run logs


def test_losses_are_logged_at_every_step(scalars: dict[str, dict[int, float]]) -> None:
    assert set(scalars) >= LOSSES | {"train/loss", "score/style_distance", "score/content_distance", "images/s"}
    for name in (*LOSSES, "train/loss"):
        assert list(scalars[name]) == list(range(STEPS))
        assert all(math.isfinite(value) and value > 0 for value in scalars[name].values()), name


def test_logged_losses_are_weighted(scalars: dict[str, dict[int, float]]) -> None:
    for step, total in scalars["train/loss"].items():
        assert sum(scalars[name][step] for name in LOSSES) == pytest.approx(total, rel=1e-5)


def test_scores_are_logged_after_each_epoch(scalars: dict[str, dict[int, float]]) -> None:
    assert list(scalars["score/style_distance"]) == [3]  # the fourth step, counted from 0
    assert all(value > 0 for value in scalars["score/content_distance"].values())


def test_learning_rate_warms_up(scalars: dict[str, dict[int, float]]) -> None:
    rates = scalars["lr-Adam"]
    assert rates[0] < rates[1] < rates[2]
    assert max(rates.values()) <= 5e-4 + 1e-9


# What a checkpoint holds


@pytest.mark.parametrize("which", ["state_dict", "current_model_state"])
def test_encoder_is_not_in_the_checkpoint(saved: dict[str, Any], which: str) -> None:
    assert {name.split(".")[1] for name in saved[which]} == {"decoder"}


def test_checkpoint_is_the_averaged_network(saved: dict[str, Any]) -> None:
    averaged, current = saved["state_dict"], saved["current_model_state"]
    assert any(not torch.equal(averaged[name], current[name]) for name in current)


def test_checkpoint_says_what_it_is_of(saved: dict[str, Any], network: Any) -> None:
    assert saved["architecture"] == {"name": "adain", "options": {"feature_scale": 880.0}}
    assert saved["encoder"] == vars(network.encoder.identity)
    assert saved["global_step"] == STEPS


def test_only_the_decoder_is_trained(finished_run: Path, checkpoint_at: CheckpointAt, saved: dict[str, Any]) -> None:
    before = _load(checkpoint_at(finished_run, SAVED_AT))["current_model_state"]
    after = saved["current_model_state"]
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    assert moved == set(after)
    (group,) = saved["optimizer_states"][0]["param_groups"]
    assert len(group["params"]) == len(after)


@pytest.mark.parametrize("averaged", [False, True])
def test_encoder_stays_frozen(train: Callable[..., Any], recipe: Any, tmp_path: Path, vgg: Any, averaged: bool) -> None:
    path = recipe(
        tmp_path,
        without="no callback" if averaged else "EMAWeightAveraging",
        trainer={"max_steps": 2, "limit_val_batches": 0},
        model={"learning_rate": 1.0},
    )
    trained = train("fit", f"--config={path}").model.network
    assert not trained.encoder.training
    assert not any(parameter.requires_grad for parameter in trained.encoder.parameters())
    # At the end of a run Lightning puts the averaged weights in place; the mean of equal numbers is off by rounding.
    tolerance = 1e-6 if averaged else 0
    torch.testing.assert_close(dict(trained.encoder.state_dict()), dict(vgg.state_dict()), rtol=tolerance, atol=0)


# Interruptions


def _same_weights(one: dict[str, Any], other: dict[str, Any]) -> None:
    for which in ("state_dict", "current_model_state"):
        assert one[which].keys() == other[which].keys()
        for name, value in one[which].items():
            assert torch.equal(value, other[which][name]), f"{which}: {name}"


def test_resumed_run_equals_an_uninterrupted_one(
    train: Callable[..., Any],
    recipe: Any,
    tmp_path: Path,
    logged: Logged,
    scalars: dict[str, dict[int, float]],
    checkpoint_at: CheckpointAt,
    saved: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cut off in step 5 of 6, started again from the checkpoint of step 3: in the middle of an epoch."""

    def power_cut(self: TrainingRecord, trainer: Any, *_: Any) -> None:
        if trainer.global_step == 5:
            raise OSError("power cut")

    path = recipe(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRecord, "on_train_batch_end", power_cut)
        with pytest.raises(OSError, match="power cut"):
            train("fit", f"--config={path}")
    train("fit", f"--config={path}", "--ckpt_path=last")

    resumed = logged(tmp_path)
    for name in (*LOSSES, "train/loss", "lr-Adam"):
        assert resumed[name] == scalars[name], name
    for name in ("score/style_distance", "score/content_distance"):
        assert resumed[name] == pytest.approx(scalars[name], rel=1e-5), name
    again = _load(checkpoint_at(tmp_path, STEPS))
    _same_weights(again, saved)
    assert again["callbacks"]["TrainingRecord"]["curve"] == saved["callbacks"]["TrainingRecord"]["curve"]


@pytest.mark.filterwarnings("ignore:The dirpath has changed:UserWarning")
def test_resumed_at_the_end_of_an_epoch(
    train: Callable[..., Any],
    recipe: Any,
    tmp_path: Path,
    finished_run: Path,
    logged: Logged,
    scalars: dict[str, dict[int, float]],
    checkpoint_at: CheckpointAt,
) -> None:
    path = recipe(tmp_path, data={"steps_per_epoch": 3}, trainer={"limit_val_batches": 0})
    train("fit", f"--config={path}", f"--ckpt_path={checkpoint_at(finished_run, SAVED_AT)}")
    resumed = logged(tmp_path)["train/loss"]
    assert resumed == {step: scalars["train/loss"][step] for step in range(SAVED_AT, STEPS)}


def test_time_adds_up_over_interruptions() -> None:
    record = TrainingRecord()
    record.load_state_dict({"seconds": 100.0, "curve": [{"step": 1}], "facts": {}})
    state = record.state_dict()
    assert 100.0 <= state["seconds"] < 101.0
    assert state["curve"] == [{"step": 1}]


# With a cache


def test_cached_run_learns_too(train: Callable[..., Any], recipe: Any, tmp_path: Path, logged: Logged) -> None:
    path = recipe(
        tmp_path,
        data={"cache": str(tmp_path / "cache"), "crops_per_photo": 2},
        trainer={"max_steps": 3, "limit_val_batches": 0},
    )
    train("fit", f"--config={path}")
    files = {file.name for file in (tmp_path / "cache").glob("*/*")}
    assert files == {"photos.npy", "features.npy", "styles.npy", "styles.safetensors"}
    losses = logged(tmp_path)
    assert set(losses) >= LOSSES
    assert all(math.isfinite(value) for value in losses["train/loss"].values())


def test_recipe_is_kept_beside_the_logs(finished_run: Path) -> None:
    (kept,) = (finished_run / "lightning_logs").rglob("config.yaml")
    assert yaml.safe_load(kept.read_text(encoding="utf-8"))["trainer"]["max_steps"] == STEPS
