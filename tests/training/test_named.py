"""Training with named styles: which style a number is, what the targets are, and that it runs from a recipe."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from styleapp.checkpoint import load_network
from styleapp.data.folder import PictureFolder
from styleapp.data.pairs import CropSampler, centre_crop
from styleapp.losses import gram_loss, gram_matrix
from styleapp.models.multistyle import MultiStyleNetwork
from styleapp.models.vgg import STYLE_TAPS, VGG19
from styleapp.norms import mean_deviation
from styleapp.training.export import export_run
from styleapp.training.named import (
    NamedPair,
    NamedSample,
    NamedSamples,
    NamedScoringPairs,
    NamedStyleTraining,
    PhotoCrops,
)

MODULE = "styleapp.training.named"


@pytest.fixture
def names(style_folder: Path) -> list[str]:
    return [path.stem for path in PictureFolder(style_folder, "all").paths]


@pytest.fixture
def module(style_folder: Path, names: list[str]) -> NamedStyleTraining:
    torch.manual_seed(0)
    network = MultiStyleNetwork(names, width=8, blocks=1)
    for norm in network.norms:
        torch.nn.init.normal_(norm.modulator.weight)
    module = NamedStyleTraining(network, str(style_folder), sides=(40, 48))
    module.setup("fit")
    return module


@pytest.fixture(scope="module")
def photos() -> Tensor:
    return torch.rand(4, 3, 32, 32)


def test_targets_are_the_statistics_of_the_pictures(
    module: NamedStyleTraining, names: list[str], style_folder: Path, vgg: VGG19
) -> None:
    """First each picture as it is scored, then each at the first side, then at the second."""
    assert [gram.shape for gram in module.grams] == [(21, width, width) for width in (64, 128, 256, 512)]
    picture = PictureFolder(style_folder, "all").read(2)
    with torch.no_grad():
        scored = vgg(centre_crop(picture, 256)[None], STYLE_TAPS)
    for tap, moments, gram in zip(STYLE_TAPS, module.moments, module.grams, strict=True):
        torch.testing.assert_close(moments.mean[2:3], mean_deviation(scored[tap]).mean)
        torch.testing.assert_close(gram[2:3], gram_matrix(scored[tap]))
        assert not torch.allclose(gram[2], gram[9]) and not torch.allclose(gram[9], gram[16])


def test_numbers_choose_style_and_size(module: NamedStyleTraining, photos: Tensor) -> None:
    sample = NamedSample(photos, torch.empty(4, 0), torch.tensor([2, 9, 16, 21 + 2]))
    encoded = module.encode(sample)
    assert encoded.style.tolist() == [2, 9, 16, 2]
    with torch.no_grad():
        output = module.paint(encoded, torch.ones(4, 1, 1, 1))
        expected = module.network.render(photos, module.network.code(module.network.styles[2]))
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(encoded.moments[0].mean[3], encoded.moments[0].mean[0])
    assert not torch.equal(encoded.moments[0].mean[1], encoded.moments[0].mean[0])


def test_losses(module: NamedStyleTraining, photos: Tensor, vgg: VGG19) -> None:
    """One photo of four is reconstructed; the Gram matrices of the others are compared with their styles'."""
    sample = module.encode(NamedSample(photos, torch.empty(4, 0), torch.tensor([0, 1, 2, 10])))
    losses = module.losses(sample)
    assert set(losses) == {"smoothness", "content", "pixel", "feature", "style", "gram"}
    with torch.no_grad():
        output = module.paint(sample, torch.tensor([0.0, 1.0, 1.0, 1.0]).view(4, 1, 1, 1))
        encoded = vgg(output[1:], STYLE_TAPS)
        expected = gram_loss(
            [gram_matrix(encoded[tap]) for tap in STYLE_TAPS], [gram[[1, 2, 10]] for gram in module.grams]
        )
    assert losses["gram"].item() == pytest.approx(10 * expected.item(), rel=1e-3)
    torch.stack(list(losses.values())).sum().backward()
    touched = module.network.entry_norm.modulator.weight.grad.abs().sum(1) > 0
    assert touched.tolist() == [False, True, True, True, False, False, False]  # styles 1, 2 and 10 − 7


def test_tables_learn_faster(module: NamedStyleTraining) -> None:
    shared, tables = module.parameter_groups()
    assert tables["lr"] == 5 * module.learning_rate and "lr" not in shared
    assert len(tables["params"]) == 2 * len(module.network.norms)
    assert len(shared["params"]) + len(tables["params"]) == len(list(module.network.parameters()))


def test_pictures_must_be_those_of_the_network(style_folder: Path) -> None:
    module = NamedStyleTraining(MultiStyleNetwork(["one", "two"], width=8, blocks=1), str(style_folder))
    with pytest.raises(ValueError, match=r"holds style.*; the network has one, two"):
        module.setup("fit")


def test_pictures_that_the_network_does_not_name_are_left_out(
    names: list[str], style_folder: Path, module: NamedStyleTraining
) -> None:
    """In the order of the network."""
    chosen = [names[4], names[1]]
    some = NamedStyleTraining(MultiStyleNetwork(chosen, width=8, blocks=1), str(style_folder), sides=())
    some.setup("fit")
    for ours, every in zip(some.grams, module.grams, strict=True):
        assert torch.equal(ours, every[[4, 1]])


@pytest.mark.parametrize("normalizer", ["instance", "revisited_batch"])
def test_scales_begin_where_they_are_told(style_folder: Path, names: list[str], normalizer: str) -> None:
    network = MultiStyleNetwork(names, width=8, blocks=1, normalizer=normalizer)
    NamedStyleTraining(network, str(style_folder), start_scale=0.1)
    scales = torch.cat([norm.modulator.weight.flatten() for norm in network.norms])
    assert torch.equal(scales, torch.full_like(scales, 0.1))


def test_samples(photo_folder: Path) -> None:
    crops = PhotoCrops(PictureFolder(photo_folder), CropSampler(32, (40, 48)))
    one, same, other = NamedSamples(crops, 3), NamedSamples(crops, 3), NamedSamples(crops, 4)
    assert all(torch.equal(one[index].photo, same[index].photo) for index in (5, 2))
    assert any(not torch.equal(one[index].photo, other[index].photo) for index in range(4))
    assert one[0].photo.shape == (3, 32, 32)
    assert len({int(one[index].number) % 7 for index in range(60)}) == 7


def test_every_style_is_scored(photo_folder: Path, style_folder: Path) -> None:
    pairs = NamedScoringPairs(PictureFolder(photo_folder), PictureFolder(style_folder, "all"), 32, 2, 7)
    assert len(pairs) == 14
    assert [int(pairs[index].number) for index in range(14)] == [*range(7), *range(7)]
    assert isinstance(pairs[3], NamedPair)
    with Image.open(PictureFolder(style_folder, "all").paths[3]) as picture:
        assert torch.equal(pairs[3].style, centre_crop(picture.convert("RGB"), 32))


@pytest.mark.parametrize("cached", [True, False])
def test_a_run_and_its_export(
    train: Any, recipe: Any, style_folder: Path, names: list[str], tmp_path: Path, cached: bool
) -> None:
    """From a recipe to a file that paints by name."""
    path = recipe(
        tmp_path,
        classes={"model": f"{MODULE}.NamedStyleTraining", "data": f"{MODULE}.NamedStyleData"},
        model={
            "network": {
                "class_path": "styleapp.models.multistyle.MultiStyleNetwork",
                "init_args": {"styles": names, "width": 8, "blocks": 1},
            },
            "styles": str(style_folder),
            "sides": [40],
        },
        data={"cache": str(tmp_path / "cache") if cached else None, "crops_per_photo": 2, "score_photos": 1},
        trainer={"max_steps": 3},
    )
    train("fit", f"--config={path}")
    exported = export_run(tmp_path, tmp_path / "multistyle.safetensors")
    network, card, _ = load_network(exported)
    assert card.architecture == "multistyle" and network.styles == tuple(names)
    assert network.render(torch.rand(1, 3, 32, 32), network.code(names[0])).shape == (1, 3, 32, 32)
