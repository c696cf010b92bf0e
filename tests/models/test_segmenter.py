"""Labels of photos: sizes, that VGG-19 stays outside and frozen, and that the head can learn."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from styleapp.models.segmenter import SEGMENTER_TAPS, Segmenter
from styleapp.models.vgg import VGG19
from styleapp.pipelines.images import to_tensor


@pytest.fixture
def segmenter(vgg: VGG19) -> Segmenter:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Segmenter(4, width=16, encoder=vgg)


@pytest.mark.parametrize("labels", [12, 14])
def test_file_is_small(vgg: VGG19, labels: int) -> None:
    stored = {k: v for k, v in Segmenter(labels, encoder=vgg).state_dict().items() if not k.startswith("encoder.")}
    assert 2 * sum(tensor.numel() for tensor in stored.values()) < 0.7e6  # bytes in half precision


@pytest.mark.parametrize("size", [(64, 48), (33, 50), (16, 16)])
def test_one_logit_a_label_and_pixel(segmenter: Segmenter, size: tuple[int, int]) -> None:
    logits = segmenter(torch.rand(2, 3, *size))
    assert logits.shape == (2, 4, *size)
    assert logits.isfinite().all()


def test_logits_from_features(segmenter: Segmenter, photo: Tensor) -> None:
    small = segmenter.classify(segmenter.encoder(photo, SEGMENTER_TAPS))
    assert small.shape == (1, 4, 24, 32)
    assert torch.equal(interpolate(small, size=(48, 64), mode="bilinear"), segmenter(photo))


def test_encoder_stays_frozen_and_outside(segmenter: Segmenter) -> None:
    segmenter.train()
    assert segmenter.training and not segmenter.encoder.training
    trained = [name for name, parameter in segmenter.named_parameters() if parameter.requires_grad]
    assert trained and not any(name.startswith("encoder.") for name in trained)
    own = {name for name in segmenter.state_dict() if not name.startswith("encoder.")}
    assert own == set(trained)


def test_options_build_the_same_network(segmenter: Segmenter, vgg: VGG19, photo: Tensor) -> None:
    other = Segmenter(**segmenter.options(), encoder=vgg)
    other.load_state_dict(segmenter.state_dict())
    assert torch.equal(other(photo), segmenter(photo))


def test_head_learns_what_is_left_and_right(segmenter: Segmenter, draw_photo, draw_style) -> None:
    """Half a photo, half stripes: every tap tells them apart."""
    halves = [to_tensor(image)[..., :32] for image in (draw_photo(64, 64), draw_style(64, 64))]
    picture = torch.cat(halves, dim=-1)
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    labels[..., 32:] = 2
    features = segmenter.encoder(picture, SEGMENTER_TAPS)
    head = [parameter for parameter in segmenter.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(head, 3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        cross_entropy(interpolate(segmenter.classify(features), size=(64, 64), mode="bilinear"), labels).backward()
        optimizer.step()
    assert (segmenter(picture).argmax(1) == labels).float().mean() > 0.95
