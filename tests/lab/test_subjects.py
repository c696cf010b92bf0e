"""Which networks ablations can be of, and what each is given."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from styleapp.lab.subjects import Subject, subject, subjects


@pytest.fixture
def folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    checkpoint: Path,
    named_checkpoint: Path,
    spade_checkpoint: Path,
    segmenter_checkpoint: Path,
) -> Path:
    """Four networks, one of which makes no pictures, a name whose file is gone, and one whose file is damaged."""
    entries = {}
    for name, file in {
        "any": checkpoint,
        "named": named_checkpoint,
        "town": spade_checkpoint,
        "town_segmenter": segmenter_checkpoint,
    }.items():
        shutil.copy(file, tmp_path / f"{name}.safetensors")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        entries[name] = {"file": f"{name}.safetensors", "sha256": digest, "title": name.title()}
    (tmp_path / "damaged.safetensors").write_text("no network")
    entries |= {name: {"file": f"{name}.safetensors"} for name in ("gone", "damaged")}
    (tmp_path / "manifest.json").write_text(json.dumps(entries))
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(tmp_path))
    return tmp_path


def test_networks_that_make_pictures(folder: Path) -> None:
    assert subjects() == (
        Subject("any", "Any", of_masks=False),
        Subject("named", "Named", of_masks=False, styles=("wave", "night", "scream"), takes_pictures=False),
        Subject("town", "Town", of_masks=True),
    )


def test_by_name(folder: Path) -> None:
    assert subject("town").of_masks
    for name in ("town_segmenter", "../town", str(folder / "town.safetensors")):
        with pytest.raises(ValueError, match="unknown network .*; known are any, named, town"):
            subject(name)


def test_shipped_networks() -> None:
    named, facades = subject("multistyle"), subject("facades")
    assert "vangogh-starry_night" in named.styles and not named.takes_pictures
    assert "palace" in facades.masks and facades.styles == ()
    assert subject("adain").takes_pictures and subject("micro").takes_pictures
