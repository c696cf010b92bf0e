"""What is shown of named styles: what the checkpoint says, what is painted where it says nothing, one's own."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from styleapp.norms import Code
from styleapp.pipelines.gallery import gallery
from styleapp.pipelines.style_bank import StyleBank
from styleapp.pipelines.stylize import StylizePipeline
from styleapp.thumbnails import SIDE, to_text


@pytest.fixture
def named(named_checkpoint: Path, tmp_path: Path) -> StylizePipeline:
    return StylizePipeline.from_checkpoint(named_checkpoint, device="cpu").with_bank(StyleBank(tmp_path))


def test_facts_of_the_card_come_first(named: StylizePipeline) -> None:
    red = Image.new("RGB", (SIDE, SIDE), "red")
    facts = {
        "title": "Wave",
        "artist": "Hokusai",
        "year": "1831",
        "licence": "public domain",
        "thumbnail": to_text(red),
    }
    named.card = replace(named.card, styles={"wave": facts})
    wave, night, _ = gallery(named)
    assert (wave.name, wave.year, wave.licence, wave.own) == ("wave", "1831", "public domain", False)
    assert wave.caption == "Wave · Hokusai"
    assert wave.thumbnail.getpixel((80, 80))[0] > 250
    assert night.caption == night.title == "night"  # nobody said more
    assert night.thumbnail.size == (SIDE, SIDE) and night.thumbnail.getextrema() != wave.thumbnail.getextrema()


def test_own_styles_come_last(named: StylizePipeline, tmp_path: Path) -> None:
    code = named.network.code("night")
    StyleBank(tmp_path).save("dawn", Code(code.beta, code.gamma), named.network)  # type: ignore[arg-type]
    shown = gallery(named.with_bank(StyleBank(tmp_path)))
    assert [(entry.name, entry.own) for entry in shown[-2:]] == [("scream", False), ("dawn", True)]
    assert shown[-1].caption == "dawn"
    assert len(gallery(named)) == 3


def test_banks_do_not_know_of_each_other(named: StylizePipeline, tmp_path: Path, draw_photo) -> None:
    banks = [StyleBank(tmp_path / name) for name in "ab"]
    for bank, name in zip(banks, ("wave", "night"), strict=True):
        bank.save("mine", named.network.code(name), named.network)  # type: ignore[arg-type]
    first, second = (named.with_bank(bank) for bank in banks)
    photo = draw_photo(45, 35)
    assert first(photo, "mine").tobytes() == named(photo, "wave").tobytes()
    assert second(photo, "mine").tobytes() == named(photo, "night").tobytes()
    assert named.styles == ("wave", "night", "scream")
    weights = [next(one.network.parameters()).data_ptr() for one in (named, first)]  # type: ignore[attr-defined]
    assert weights[0] == weights[1]
