"""Training of a segmenter: class weights, that only the head learns, and from a recipe to a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from styleapp.checkpoint import load_network
from styleapp.data.labels import LabelSet
from styleapp.data.mask_pairs import LabelledCrop
from styleapp.models.segmenter import Segmenter
from styleapp.models.vgg import VGG19
from styleapp.training.export import export_run
from styleapp.training.segmentation import SegmentationTraining, class_weights

Logged = Callable[[Path], dict[str, dict[int, float]]]


def test_class_weights_by_hand() -> None:
    """Shares 0.8 and 0.2: before scaling √(1/0.8) and √(1/0.2), of which the mean over pixels is taken out."""
    weights = class_weights(torch.tensor([80, 20, 0]), 0.5)
    raw = torch.tensor([0.8**-0.5, 0.2**-0.5])
    mean = 0.8 * raw[0] + 0.2 * raw[1]
    torch.testing.assert_close(weights, torch.tensor([*(raw / mean), 1.0]))


@pytest.mark.parametrize(("balance", "ratio"), [(0.0, 1.0), (0.5, 2.0), (1.0, 4.0)])
def test_balance(balance: float, ratio: float) -> None:
    weights = class_weights(torch.tensor([80, 20]), balance)
    assert (weights[1] / weights[0]).item() == pytest.approx(ratio)
    assert (weights @ torch.tensor([0.8, 0.2])).item() == pytest.approx(1)


@pytest.mark.parametrize("balance", [-0.1, 1.1])
def test_balance_out_of_range(vgg: VGG19, balance: float) -> None:
    with pytest.raises(ValueError, match="balance must be between 0 and 1"):
        SegmentationTraining(Segmenter(3, 8, vgg), balance)


@pytest.fixture(scope="module")
def run(
    train: Callable[..., Any], label_recipe: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, SegmentationTraining]:
    """A run of 24 steps."""
    folder = tmp_path_factory.mktemp("segmenter")
    path = label_recipe(
        "facades_segmenter", folder, trainer={"max_steps": 24}, data={"steps_per_epoch": 12}, model={"warmup_steps": 2}
    )
    return folder, train("fit", f"--config={path}").model


def test_it_learns(run: tuple[Path, SegmentationTraining], logged: Logged) -> None:
    scalars = logged(run[0])
    losses = list(scalars["train/loss"].values())
    assert sum(losses[-4:]) < sum(losses[:4])
    assert list(scalars["score/pixel_accuracy"]) == list(scalars["score/mean_iou"]) == [11, 23]
    assert 0 < scalars["score/mean_iou"][23] <= scalars["score/pixel_accuracy"][23] <= 1


def test_only_the_head_is_trained_and_kept(run: tuple[Path, SegmentationTraining], vgg: VGG19) -> None:
    folder, module = run
    torch.testing.assert_close(module.network.encoder.state_dict(), vgg.state_dict(), rtol=1e-6, atol=0)
    assert not module.network.encoder.training
    saved = torch.load(folder / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
    for which in ("state_dict", "current_model_state"):
        assert {name.split(".")[1] for name in saved[which]} == {"entries", "convs", "to_labels"}


def test_scores_are_of_all_pictures_together(run: tuple[Path, SegmentationTraining]) -> None:
    """Two pictures, one wholly right, one of a quarter of the pixels wholly wrong."""
    module = run[1]
    module.log_dict = lambda *_, **__: None  # type: ignore[method-assign]
    answers = iter([torch.zeros(1, 8, 8), torch.ones(1, 4, 4)])

    class Oracle(torch.nn.Module):
        num_labels = 3

        def forward(self, photo: Tensor) -> Tensor:
            return torch.nn.functional.one_hot(next(answers).long(), 3).permute(0, 3, 1, 2).float()

    kept, module.network = module.network, Oracle()  # type: ignore[assignment]
    module.on_validation_epoch_start()
    for side in (8, 4):
        module.validation_step(LabelledCrop(torch.zeros(1, 3, side, side), torch.zeros(1, side, side)), 0)
    module.network = kept
    assert module.confusion.tolist() == [[64, 16, 0], [0, 0, 0], [0, 0, 0]]


def test_export(run: tuple[Path, SegmentationTraining], tmp_path: Path) -> None:
    folder, module = run
    path = export_run(folder, tmp_path / "segmenter.safetensors")
    network, card, _ = load_network(path)
    assert card.architecture == "segmenter" and card.options == {"num_labels": 3, "width": 8}
    assert card.encoder == module.network.encoder.identity
    assert LabelSet.from_record(card.record["labels"]).names == ("sky", "tree", "house")
    assert card.record["steps"] == 24 and card.record["curve"][-1]["step"] == 12  # the last is scored once it is saved
    photo = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(photo), module.network.eval()(photo), rtol=0.02, atol=0.02)
