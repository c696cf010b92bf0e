"""The shipped network with named styles: its names, what a mixture does, and what it must not draw."""

from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from styleapp.checkpoint import manifest
from styleapp.data.pairs import centre_crop
from styleapp.losses import style_loss
from styleapp.models.multistyle import NamedStylizer
from styleapp.models.vgg import STYLE_TAPS, VGG19
from styleapp.norms import Moments
from styleapp.pipelines.gallery import gallery
from styleapp.pipelines.samples import sample_photos
from styleapp.pipelines.style_bank import StyleBank
from styleapp.pipelines.stylize import StylizePipeline
from styleapp.scores import style_moments

SIDE = 256
PAIRS = [("hokusai-great_wave", "munch-the_scream"), ("vangogh-starry_night", "mondrian-composition")]


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> StylizePipeline:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STYLEAPP_CHECKPOINTS", raising=False)
        if "multistyle" not in manifest():
            pytest.skip("no network with named styles is shipped")
        pipe = StylizePipeline.from_checkpoint("multistyle", device="cpu")
    return pipe.with_bank(StyleBank(tmp_path_factory.mktemp("bank")))  # whatever this machine's user has learned


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return centre_crop(Image.open(sample_photos()[0].path).convert("RGB"), SIDE)[None]


def test_it_has_17_paintings_with_their_facts(named: StylizePipeline) -> None:
    shown = gallery(named)
    assert len(shown) == len({entry.name for entry in shown}) == 17
    for entry in shown:
        assert entry.title and entry.artist and entry.year and entry.licence == "public domain"
        assert np.asarray(entry.thumbnail).std() > 10


def test_card_holds_the_scores_of_every_style(named: StylizePipeline) -> None:
    assert set(named.card.scores["by_style"]) == set(named.styles)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_mixture_goes_evenly_from_one_style_to_the_other(
    named: StylizePipeline, photo: Tensor, vgg: VGG19, pair: tuple[str, str]
) -> None:
    def moments(mixture: dict[str, float]) -> tuple[Moments, ...]:
        network = cast(NamedStylizer, named.network)
        return style_moments(vgg(network.render(photo, network.code(mixture)).clamp(0, 1), STYLE_TAPS))

    with torch.inference_mode():
        line = [moments({pair[0]: 1 - share, pair[1]: share}) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
        from_first = [style_loss(one, line[0]).item() for one in line]
        from_second = [style_loss(one, line[-1]).item() for one in line]
    assert all(earlier < later for earlier, later in pairwise(from_first))
    assert all(earlier > later for earlier, later in pairwise(from_second))


def test_a_corner_of_the_mixture_is_the_style_bit_for_bit(named: StylizePipeline, photo: Tensor) -> None:
    first, second = PAIRS[0]
    picture = Image.fromarray(photo[0].mul(255).byte().permute(1, 2, 0).numpy())
    assert named(picture, {first: 1.0, second: 0.0}).tobytes() == named(picture, first).tobytes()


@pytest.mark.parametrize("grey", [0.2, 0.5, 0.8])
def test_flat_picture_gets_no_grid_in_any_style(named: StylizePipeline, grey: float) -> None:
    """Waves of 4 and of 2 pixels, the periods of the cells, are below one step of 256."""
    network = cast(NamedStylizer, named.network)
    for name in network.styles:
        with torch.inference_mode():
            output = network.render(torch.full((1, 3, SIDE, SIDE), grey), network.code(name))
        middle = output.mean(1)[0, 32:-32, 32:-32]  # 192×192, away from the border
        waves = 2 * torch.fft.fft2(middle - middle.mean()).abs() / middle.numel()
        for period in (2, 4):
            step = middle.shape[0] // period
            assert max(waves[step, 0], waves[0, step], waves[step, step]) < 1 / 255, name


def test_a_style_of_ones_own_is_one_row_more(named: StylizePipeline, tmp_path: Path) -> None:
    """A style of one's own lies in the bank; the network that has it is the same one with a row more."""
    network = cast(NamedStylizer, named.network)
    bank = StyleBank(tmp_path)
    bank.save("mine", network.code({name: 1.0 for name in PAIRS[0]}), network)
    own = named.with_bank(bank)
    assert own.styles == (*named.styles, "mine")
    assert bank.path("mine").stat().st_size <= 50_000
