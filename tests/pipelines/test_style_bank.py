"""A user's own styles on disk: what comes back, what is refused, and that nothing is half-written."""

from pathlib import Path

import numpy as np
import pytest
import torch

from styleapp.checkpoint import load_network
from styleapp.models.multistyle import MultiStyleNetwork, NamedStylizer
from styleapp.norms import Code
from styleapp.pipelines.style_bank import BankError, StyleBank, bank_folder, fingerprint
from styleapp.thumbnails import thumbnail


@pytest.fixture
def network(named_checkpoint: Path) -> NamedStylizer:
    loaded, _, _ = load_network(named_checkpoint)
    assert isinstance(loaded, NamedStylizer)
    return loaded


@pytest.fixture
def code(network: NamedStylizer) -> Code:
    width = sum(norm.num_features for norm in network.norms)
    return Code(torch.rand(1, width, 1, 1), torch.rand(1, width, 1, 1))


@pytest.fixture
def bank(tmp_path: Path) -> StyleBank:
    return StyleBank(tmp_path / "styles")


def test_round_trip(bank: StyleBank, network: NamedStylizer, code: Code) -> None:
    path = bank.save("Grandma's garden", code, network, {"steps": 7})
    assert path.stat().st_size <= 50_000
    again = StyleBank(bank.folder)  # as after a restart
    assert again.names() == ["Grandma's garden"]
    found = again.load("Grandma's garden", network)
    assert torch.equal(found.gamma, code.gamma) and torch.equal(found.beta, code.beta)
    assert again.entry("Grandma's garden").record == {"steps": 7}
    drawn, painted = (
        np.asarray(one).astype(int) for one in (again.thumbnail("Grandma's garden"), thumbnail(network, code))
    )
    assert drawn.shape == painted.shape and np.abs(drawn - painted).mean() < 8  # of 255: JPEG
    again.remove("Grandma's garden")
    assert again.names() == []


def test_no_folder_is_an_empty_bank(bank: StyleBank) -> None:
    assert bank.names() == []


def test_same_name_replaces(bank: StyleBank, network: NamedStylizer, code: Code) -> None:
    bank.save("dawn", code, network)
    bank.save("dawn", Code(code.beta, code.gamma), network)
    assert bank.names() == ["dawn"]
    assert torch.equal(bank.load("dawn", network).gamma, code.beta)


def test_network_with_more_styles_is_the_same_network(network: NamedStylizer) -> None:
    more = MultiStyleNetwork([*network.styles, "dawn"], width=8, blocks=1)
    more.load_state_dict({k: v for k, v in network.state_dict().items() if ".modulator." not in k}, strict=False)
    assert fingerprint(more) == fingerprint(network)


def test_style_of_another_network_is_refused(bank: StyleBank, network: NamedStylizer, code: Code) -> None:
    bank.save("dawn", code, network)
    other = MultiStyleNetwork(network.styles, width=8, blocks=1)
    with pytest.raises(BankError, match=r"'dawn' was learned for another network .* learn it again"):
        bank.load("dawn", other)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a\\b", "x" * 90, " dawn", "dawn.", "da\nwn"])
def test_names_that_are_no_files(bank: StyleBank, network: NamedStylizer, code: Code, name: str) -> None:
    with pytest.raises(BankError, match="cannot be the name of a style"):
        bank.save(name, code, network)
    assert not bank.folder.exists()


def test_name_of_the_network(bank: StyleBank, network: NamedStylizer, code: Code) -> None:
    with pytest.raises(BankError, match="has a style called 'wave' from the beginning"):
        bank.save("wave", code, network)


@pytest.mark.parametrize("action", ["load", "remove", "entry"])
def test_unknown_style(bank: StyleBank, network: NamedStylizer, code: Code, action: str) -> None:
    bank.save("dawn", code, network)
    arguments = (network,) if action == "load" else ()
    with pytest.raises(BankError, match=r"there is no style 'dusk' in .*; there are: dawn"):
        getattr(bank, action)("dusk", *arguments)


def test_damaged_file_is_named(bank: StyleBank, network: NamedStylizer, code: Code) -> None:
    path = bank.save("dawn", code, network)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BankError, match=r"dawn\.safetensors is missing, damaged or no style"):
        bank.load("dawn", network)


def test_what_cannot_be_written_leaves_nothing(
    bank: StyleBank, network: NamedStylizer, code: Code, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.save("dawn", code, network)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BankError, match="cannot be written: No space left on device"):
        bank.save("dawn", Code(code.beta, code.gamma), network)
    assert torch.equal(bank.load("dawn", network).gamma, code.gamma)
    assert [path.name for path in bank.folder.iterdir()] == ["dawn.safetensors"]


def test_where_the_bank_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STYLEAPP_STYLES", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert bank_folder() == tmp_path / "styleapp" / "styles"
    monkeypatch.setenv("STYLEAPP_STYLES", str(tmp_path / "mine"))
    assert bank_folder() == StyleBank().folder == tmp_path / "mine"


def test_styles_are_passed_on(bank: StyleBank, network: NamedStylizer, code: Code, tmp_path: Path) -> None:
    path = bank.save("dawn", code, network, {"steps": 7})
    other = StyleBank(tmp_path / "other")
    assert other.take(path.rename(tmp_path / "sent.safetensors")).name == "dawn"
    assert torch.equal(other.load("dawn", network).beta, code.beta)
    (tmp_path / "notes.txt").write_text("no style")
    for wrong in ("notes.txt", "missing.safetensors"):
        with pytest.raises(BankError, match=f"{wrong} is missing, damaged or no style"):
            other.take(tmp_path / wrong)
    other.take(tmp_path / "sent.safetensors")  # the same once more changes nothing
    bank.save("dawn", Code(code.beta, code.gamma), network)
    with pytest.raises(BankError, match="there is another style called 'dawn' already: remove it first"):
        other.take(bank.path("dawn"))
    assert other.names() == ["dawn"]
    assert torch.equal(other.load("dawn", network).beta, code.beta)
