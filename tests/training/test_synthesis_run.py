"""A run on masks from its recipe: what it logs and keeps, an interruption, and the file that comes out."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from styleapp.checkpoint import load_network
from styleapp.data.labels import LabelSet
from styleapp.data.mask_pairs import LabelledCrop
from styleapp.models.spade import SpadeGenerator
from styleapp.training.callbacks import TrainingRecord
from styleapp.training.export import export_run
from styleapp.training.label_data import LabelData
from styleapp.training.synthesis import paint

STEPS, SAVED_AT = 6, 3
GENERATOR_LOSSES = {"train/adversarial", "train/feature_matching", "train/perceptual", "train/kl"}
LOSSES = GENERATOR_LOSSES | {"train/discriminator"}

Logged = Callable[[Path], dict[str, dict[int, float]]]
CheckpointAt = Callable[[Path, int], Path]
State = dict[str, Tensor]


def _moved(before: State, after: State) -> set[str]:
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


def _load(path: Path) -> dict[str, Any]:
    return torch.load(path, map_location="cpu", weights_only=True)


def _network(state: State, prefix: str = "network.") -> State:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


class Weights(pl.Callback):
    """The weights after each step."""

    seen: list[State] = []

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        self.seen.append({name: value.detach().clone() for name, value in module.network.named_parameters()})


@pytest.fixture(scope="module")
def run(
    train: Callable[..., Any], label_recipe: Any, segmenter_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[State]]:
    """The folder of a run of six steps that nothing interrupted, and the weights after each."""
    folder, Weights.seen = tmp_path_factory.mktemp("synthesis"), []
    path = label_recipe("facades", folder, model=_options(segmenter_file))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("styleapp.training.callbacks.Throughput.on_train_batch_end", Weights.on_train_batch_end)
        patch.setattr("styleapp.training.callbacks.Throughput.seen", Weights.seen, raising=False)
        train("fit", f"--config={path}")
    return folder, Weights.seen


def _options(segmenter_file: Path) -> dict[str, Any]:
    changed = ["colour", "translation", "cutout"]
    return {
        "segmenter": str(segmenter_file), "augmentations": changed, "r1_weight": 1.0, "r1_every": 4,
        "kl_free": 0.0, "generator_rate": 2e-3, "statistics_batches": 3,
    }  # fmt: skip


@pytest.fixture(scope="module")
def scalars(run: tuple[Path, list[State]], logged: Logged) -> dict[str, dict[int, float]]:
    return logged(run[0])


@pytest.fixture(scope="module")
def saved(run: tuple[Path, list[State]], checkpoint_at: CheckpointAt) -> dict[str, Any]:
    return _load(checkpoint_at(run[0], STEPS))


def test_a_step_counts_once(scalars: dict[str, dict[int, float]], saved: dict[str, Any]) -> None:
    assert saved["global_step"] == STEPS
    for name in (*LOSSES, "train/loss"):
        assert list(scalars[name]) == list(range(STEPS)), name
        assert all(math.isfinite(value) for value in scalars[name].values()), name
    penalties = list(scalars["train/r1"].values())  # of steps 0 and 4; Lightning repeats the last value
    assert penalties[:4] == penalties[:1] * 4 and penalties[4:] == penalties[4:5] * 2 and penalties[0] != penalties[4]


def test_logged_losses_are_weighted(scalars: dict[str, dict[int, float]]) -> None:
    for step, total in scalars["train/loss"].items():
        assert sum(scalars[name][step] for name in GENERATOR_LOSSES) == pytest.approx(total, rel=1e-5)


def test_learning_rates_are_two(scalars: dict[str, dict[int, float]]) -> None:
    assert list(scalars["lr-network"].values()) == pytest.approx([2e-3 * s for s in (1, 1, 1, 1, 2 / 3, 1 / 3)])
    assert list(scalars["lr-discriminator"].values()) == pytest.approx([4e-4 * s for s in (1, 1, 1, 1, 2 / 3, 1 / 3)])


def test_scores_after_each_epoch(scalars: dict[str, dict[int, float]], saved: dict[str, Any]) -> None:
    names = {name.removeprefix("score/") for name in scalars if name.startswith("score/")}
    agreement = {"pixel_accuracy", "mean_iou", "photo_pixel_accuracy", "photo_mean_iou"}
    assert names == {"statistics_distance", "colour_error"} | agreement
    (point,) = saved["callbacks"]["TrainingRecord"]["curve"]
    assert set(point) == names | {"step"} and point["step"] == 4


def test_frozen_networks_are_not_in_the_checkpoint(saved: dict[str, Any]) -> None:
    for which in ("state_dict", "current_model_state"):
        assert {name.split(".")[0] for name in saved[which]} == {"network", "discriminator"}


def test_average_by_hand(run: tuple[Path, list[State]], saved: dict[str, Any]) -> None:
    """Once a step, from the weights after the first."""
    steps = run[1]
    assert len(steps) == STEPS and saved["averaging_state"]["n_averaged"] == STEPS
    averaged = _network(saved["state_dict"])
    for name, first in steps[0].items():
        expected = first
        for later in steps[1:]:
            expected = 0.995 * expected + 0.005 * later[name]
        torch.testing.assert_close(averaged[name], expected, rtol=1e-5, atol=1e-7)
        assert torch.equal(_network(saved["current_model_state"])[name], steps[-1][name])


def test_statistics_are_those_of_the_averaged_weights(
    saved: dict[str, Any], label_folder: Path, crops: LabelledCrop
) -> None:
    """The first norm sees the map's features plus the style: worked out from the averaged weights."""
    averaged = _network(saved["state_dict"])
    network = SpadeGenerator(**saved["architecture"]["options"])
    network.load_state_dict(averaged)
    network.eval()
    options = {"crop": 32, "smallest_side": 32, "largest_side": 48, "seed": 6}
    data = LabelData(str(label_folder), **options)  # type: ignore[arg-type]
    data.setup("fit")
    seen: list[Tensor] = []
    network.stages[0][0].first_norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    random = torch.Generator().manual_seed((0 * 1_000_003 + 2**42 - 1) % 2**63)
    with torch.no_grad():
        for number in range(3):
            batch = [data.training[index] for index in range(4 * number, 4 * number + 4)]
            photo, mask = (torch.stack(parts) for parts in zip(*batch, strict=True))
            planes = (mask[:, None] == torch.arange(3).view(1, 3, 1, 1)).float()
            paint(network, photo, planes, torch.randn(4, 4, generator=random))
    for name, statistic in (("running_mean", Tensor.mean), ("running_var", Tensor.var)):
        expected = torch.stack([statistic(features, (0, 2, 3)) for features in seen]).mean(0)
        key = f"stages.0.0.first_norm.normalizer.{name}"
        torch.testing.assert_close(averaged[key], expected, rtol=1e-4, atol=1e-6)
        assert not torch.allclose(averaged[key], _network(saved["current_model_state"])[key], rtol=1e-3)


def test_scoring_and_saving_change_nothing(
    train: Callable[..., Any], label_recipe: Any, segmenter_file: Path, tmp_path: Path, saved: dict[str, Any],
    checkpoint_at: CheckpointAt,
) -> None:  # fmt: skip
    """The same run without either ends with the same weights."""
    path = label_recipe("facades", tmp_path, model=_options(segmenter_file), trainer={"limit_val_batches": 0})
    train("fit", f"--config={path}", "--trainer.max_steps=6")
    other = _load(checkpoint_at(tmp_path, STEPS))["current_model_state"]
    assert other.keys() == saved["current_model_state"].keys()
    assert not _moved(saved["current_model_state"], other)


def test_resumed_run_equals_an_uninterrupted_one(
    train: Callable[..., Any],
    label_recipe: Any,
    segmenter_file: Path,
    tmp_path: Path,
    logged: Logged,
    scalars: dict[str, dict[int, float]],
    saved: dict[str, Any],
    checkpoint_at: CheckpointAt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cut off in step 5 of 6, started again from the checkpoint of step 3: in the middle of an epoch."""

    def power_cut(self: TrainingRecord, trainer: Any, *_: Any) -> None:
        if trainer.global_step == 5:
            raise OSError("power cut")

    path = label_recipe("facades", tmp_path, model=_options(segmenter_file))
    with monkeypatch.context() as patch:
        patch.setattr(TrainingRecord, "on_train_batch_end", power_cut)
        with pytest.raises(OSError, match="power cut"):
            train("fit", f"--config={path}")
    train("fit", f"--config={path}", "--ckpt_path=last")
    resumed = logged(tmp_path)
    for name in (*LOSSES, "train/loss", "train/r1", "lr-network", "lr-discriminator"):
        assert resumed[name] == scalars[name], name
    for name in (name for name in scalars if name.startswith("score/")):
        assert resumed[name] == pytest.approx(scalars[name], rel=1e-4), name
    again = _load(checkpoint_at(tmp_path, STEPS))
    for which in ("state_dict", "current_model_state"):
        assert again[which].keys() == saved[which].keys()
        assert not _moved(saved[which], again[which]), which


# The file that comes out


@pytest.fixture(scope="module")
def exported(run: tuple[Path, list[State]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_run(run[0], tmp_path_factory.mktemp("exported") / "facades.safetensors")


def test_exported_network_is_the_averaged_one(exported: Path, saved: dict[str, Any], crops: LabelledCrop) -> None:
    """With ordinary convolutions, up to half precision."""
    network, _, _ = load_network(exported)
    assert not any("parametrizations" in name for name in network.state_dict())
    averaged = SpadeGenerator(**saved["architecture"]["options"])
    averaged.load_state_dict(_network(saved["state_dict"]))
    assert any("parametrizations" in name for name in averaged.state_dict())
    planes = torch.nn.functional.one_hot(crops.mask.long(), 3).permute(0, 3, 1, 2).float()
    noise = torch.zeros(2, 4)
    with torch.no_grad():
        ours, theirs = (paint(one, crops.photo, planes, noise)[0] for one in (network, averaged.eval()))  # type: ignore[arg-type]
    assert theirs.std() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)


def test_card_names_the_labels_and_the_data(exported: Path, label_folder: Path) -> None:
    _, card, _ = load_network(exported)
    assert card.architecture == "spade" and card.encoder is None
    assert card.options["weight_norm"] == "none" and card.options["num_labels"] == 3
    assert LabelSet.from_record(card.record["labels"]) == LabelSet.load(label_folder / "classes.json")
    assert card.record["sides"] == [32, 48] and card.record["crop"] == 32
    assert card.record["folder"] == label_folder.name
    assert (card.record["steps"], card.record["seed"], card.record["batch_size"]) == (STEPS, 6, 4)
