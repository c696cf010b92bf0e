"""Presets: each fits its network, names a page of the catalogue, and says something of its own."""

from pathlib import Path

import pytest

from styleapp.checkpoint import load_network, manifest
from styleapp.lab.presets import PRESETS, Preset, preset
from styleapp.lab.switches import switched_copy
from styleapp.norms.catalogue import entry


@pytest.mark.parametrize("known", PRESETS.values(), ids=PRESETS)
def test_fits_its_network(known: Preset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STYLEAPP_CHECKPOINTS", raising=False)
    if known.ablation.checkpoint not in manifest():
        pytest.skip("its checkpoint is not shipped")
    network, _, _ = load_network(known.ablation.checkpoint)
    _, changes = switched_copy(network, known.ablation.switches)
    assert changes
    assert known.ablation.photos or known.ablation.masks


@pytest.mark.parametrize("known", PRESETS.values(), ids=PRESETS)
def test_tells_more(known: Preset) -> None:
    assert entry(known.system).status != "planned"
    assert known.claim.endswith(".") and known.look.endswith(".")
    assert (Path(__file__).parents[2] / "docs" / "norms" / f"{known.system}.md").is_file()


def test_no_two_are_the_same() -> None:
    assert len({one.look for one in PRESETS.values()}) == len(PRESETS)
    assert len({one.ablation.to_yaml() for one in PRESETS.values()}) == len(PRESETS)


def test_by_name() -> None:
    assert preset("THE missing ingredient").name == "The missing ingredient"
    with pytest.raises(ValueError, match="unknown preset 'nothing'; known are The missing ingredient, "):
        preset("nothing")
