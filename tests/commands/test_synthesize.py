"""``styleapp synthesize``: variants, the way between styles, layouts, and every kind of bad mask."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from styleapp.checkpoint import Card, load_network, save_network
from styleapp.cli import main
from styleapp.data.labels import IGNORED, LabelSet
from styleapp.data.mask_colours import paint_mask
from styleapp.data.masks import read_mask, save_mask
from styleapp.data.synthetic.layouts import layout, layouts_for
from styleapp.models.spade import SpadeGenerator
from styleapp.pipelines.synthesize import SynthesizePipeline

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is: a progress bar would come between the messages."""
    monkeypatch.setattr("styleapp.commands.console.PATIENCE", 3600.0)


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of sky, grass and water, for which there are layouts."""
    names = ("sky", "grass", "water")
    entries = [{"index": i, "name": name, "rgb": [90 * i, 100, 200]} for i, name in enumerate(names)]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SpadeGenerator(3, ((4,), (4,)), hidden=4, latent=2, style_planes=1, style_widths=(4,))
    card = Card("spade", network.options(), record={"labels": {"classes": entries}, "sides": [32, 48]})
    return save_network(tmp_path_factory.mktemp("spade") / "land.safetensors", network.state_dict(), card)


@pytest.fixture
def numbers() -> np.ndarray:
    """40×32 in sky, tree and house; a corner without label."""
    mask = np.zeros((32, 40), dtype=np.uint8)
    mask[20:] = 1
    mask[12:26, 10:30] = 2
    mask[:3, :3] = IGNORED
    return mask


@pytest.fixture
def easel(desk: Path, numbers: np.ndarray, spade_checkpoint: Path) -> Path:
    """The desk with ``mask.png``, and ``masks/`` with one in numbers and one in colours."""
    labels = SynthesizePipeline.from_checkpoint(spade_checkpoint).labels
    save_mask("mask.png", numbers, labels)
    save_mask("masks/a.png", numbers[:, ::-1], labels)
    (desk / "masks" / "sub").mkdir()
    Image.fromarray(paint_mask(numbers[::-1], labels)).save("masks/sub/b.png")
    return desk


def _files(folder: str | Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def _pixels(source: str | Path | Image.Image) -> np.ndarray:
    return np.asarray(source if isinstance(source, Image.Image) else Image.open(source).convert("RGB")).astype(int)


# What is made


def test_one_mask(easel: Path, spade_checkpoint: Path, capsys: Captured) -> None:
    assert main(["synthesize", "mask.png", "--checkpoint", str(spade_checkpoint)]) == 0
    assert capsys.readouterr().out.startswith("synthesized/mask--seed0.png  40×32  ")
    pipe = SynthesizePipeline.from_checkpoint(spade_checkpoint, device="cpu")
    assert np.abs(_pixels("synthesized/mask--seed0.png") - _pixels(pipe("mask.png", seed=0))).max() <= 1


def test_seeds_of_a_folder(easel: Path, spade_checkpoint: Path, document: Callable[[], Any]) -> None:
    words = ["synthesize", "masks", "--seed", "3", "--seeds", "2", "-o", "out", "--json"]
    assert main([*words, "--checkpoint", str(spade_checkpoint)]) == 0
    assert _files("out") == ["a--seed3.png", "a--seed4.png", "b--seed3.png", "b--seed4.png"]
    records = document()["pictures"]
    assert {(record["input"], record["seed"]) for record in records} == {
        (name, seed) for name in ("masks/a.png", "masks/sub/b.png") for seed in (3, 4)
    }
    assert all(set(record) == {"input", "output", "seconds", "size", "seed"} for record in records)
    pipe = SynthesizePipeline.from_checkpoint(spade_checkpoint, device="cpu")
    assert np.abs(_pixels("out/b--seed4.png") - _pixels(pipe("masks/sub/b.png", seed=4))).max() <= 1


def test_style_picture(easel: Path, spade_checkpoint: Path) -> None:
    words = ["synthesize", "mask.png", "--style", "photo.png", "--checkpoint", str(spade_checkpoint), "-o", "out/"]
    assert main(words) == 0
    assert main([*words, "--style-strength", "0.5", "--seed", "2", "--seeds", "2", "--size", "20"]) == 0
    assert _files("out") == ["mask--photo-seed2.png", "mask--photo-seed3.png", "mask--photo.png"]
    pipe = SynthesizePipeline.from_checkpoint(spade_checkpoint, device="cpu")
    expected = _pixels(pipe("mask.png", seed=3, style="photo.png", style_strength=0.5, size=20))
    assert np.abs(_pixels("out/mask--photo-seed3.png") - expected).max() <= 1


def test_between_two_pictures(easel: Path, spade_checkpoint: Path) -> None:
    words = ["synthesize", "mask.png", "--interpolate", "s1.png", "s2.png", "--checkpoint", str(spade_checkpoint)]
    assert main([*words, "--frames", "3", "-o", "out"]) == 0
    assert _files("out") == [f"mask--s1-to-s2-{number}.png" for number in range(3)]
    pipe = SynthesizePipeline.from_checkpoint(spade_checkpoint, device="cpu")
    for number, style in ((0, "s1.png"), (2, "s2.png")):
        difference = _pixels(f"out/mask--s1-to-s2-{number}.png") - _pixels(pipe("mask.png", style=style))
        assert np.abs(difference).max() <= 1
    assert main([*words, "-o", "eight"]) == 0
    assert len(_files("eight")) == 8


def test_between_two_seeds(easel: Path, spade_checkpoint: Path, document: Callable[[], Any]) -> None:
    words = ["synthesize", "mask.png", "--interpolate-seeds", "1", "5", "--frames", "3", "--json"]
    assert main([*words, "--checkpoint", str(spade_checkpoint)]) == 0
    assert [(record["between"], record["share"]) for record in document()["pictures"]] == [
        ([1, 5], 0.0), ([1, 5], 0.5), ([1, 5], 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["result.jpg", "new/result.webp"])
def test_one_file(name: str, easel: Path, spade_checkpoint: Path) -> None:
    assert main(["synthesize", "mask.png", "-o", name, "--checkpoint", str(spade_checkpoint)]) == 0
    with Image.open(name) as image:
        assert image.size == (40, 32)


@pytest.mark.parametrize("size", [(1, 1), (37, 45), (64, 50), (101, 33)])
def test_sizes_that_are_no_multiples(size: tuple[int, int], easel: Path, spade_checkpoint: Path) -> None:
    Image.fromarray(np.ones(size[::-1], np.uint8)).save("odd.png")
    assert main(["synthesize", "odd.png", "-o", "odd-result.png", "--checkpoint", str(spade_checkpoint)]) == 0
    with Image.open("odd-result.png") as image:
        assert image.size == size


def test_resume(easel: Path, spade_checkpoint: Path, capsys: Captured) -> None:
    words = ["synthesize", "masks", "-o", "masks/out", "--checkpoint", str(spade_checkpoint)]
    assert main(words) == 0
    (easel / "masks/out/b--seed0.png").unlink()
    (easel / "masks/out/a--seed0.png").write_bytes(b"stays")
    capsys.readouterr()
    assert main([*words, "--resume", "--seeds", "2"]) == 0
    out, err = capsys.readouterr()
    assert sorted(Path(line.split()[0]).name for line in out.splitlines()) == [
        "a--seed1.png", "b--seed0.png", "b--seed1.png",
    ]  # fmt: skip
    assert "1 pictures were there already" in err and "were left alone: results go there" in err
    assert (easel / "masks/out/a--seed0.png").read_bytes() == b"stays"


# Layouts and labels


def test_layouts(desk: Path, land: Path, document: Callable[[], Any]) -> None:
    words = ["synthesize", "--layout", "lake", "river valley", "--size", "48", "--layout-seed", "4", "--json"]
    assert main([*words, "--checkpoint", str(land), "--save-masks", "kept", "-o", "out"]) == 0
    assert _files("out") == ["lake--seed0.png", "river_valley--seed0.png"]
    assert _files("kept") == ["labels.yaml", "lake.png", "river_valley.png"]
    records = document()["pictures"]
    assert [record["layout"] for record in records] == ["lake", "river valley"]
    assert [record["size"] for record in records] == [[48, 48], [48, 48]]
    labels = LabelSet.load("kept/labels.yaml")
    assert np.array_equal(read_mask("kept/lake.png", labels), layout("lake", labels, (48, 48), 4))
    assert main(["synthesize", "kept", "--checkpoint", str(land), "-o", "again"]) == 0
    assert np.array_equal(_pixels("again/lake--seed0.png"), _pixels("out/lake--seed0.png"))


@pytest.mark.parametrize(("output", "kept"), [("out", "masks"), ("masks/lake.png", "masks")])
def test_kept_masks_take_no_other_place(
    output: str, kept: str, desk: Path, land: Path, refused: Any, capsys: Captured
) -> None:
    words = ["synthesize", "--layout", "lake", "--size", "32", "--checkpoint", str(land)]
    assert main([*words, "--save-masks", "masks"]) == 0
    capsys.readouterr()
    before = Path("masks/lake.png").read_bytes()
    masks = ["masks"] if output == "out" else []
    said = refused("synthesize", *masks, *words[1:], "--save-masks", kept, "-o", output)
    assert "--save-masks would write masks/lake.png, which is another mask or picture of this run" in said
    assert Path("masks/lake.png").read_bytes() == before


def test_random_layout_of_any_label_set(desk: Path, spade_checkpoint: Path) -> None:
    assert main(["synthesize", "--layout", "random", "--size", "32", "--checkpoint", str(spade_checkpoint)]) == 0
    assert _files("synthesized") == ["random--seed0.png"]


def test_lists(desk: Path, land: Path, capsys: Captured, spade_checkpoint: Path) -> None:
    assert main(["synthesize", "--list-layouts", "--checkpoint", str(land)]) == 0
    assert capsys.readouterr().out.splitlines() == ["lake", "meadow", "river valley", "random"]
    assert main(["synthesize", "--labels", "--checkpoint", str(spade_checkpoint)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1] == ["sky", "0", "#5a96dc", "90", "150", "220"]
    assert rows[4][0] == "unknown" and rows[4][3] == "255" and rows[4][4] == "#000000"
    assert main(["synthesize", "--labels", "--json", "--checkpoint", str(land)]) == 0
    report = json.loads(capsys.readouterr().out)
    network, card, _ = load_network(land)
    labels = LabelSet.from_record(card.record["labels"])
    assert LabelSet.from_record({"classes": report["labels"]}) == labels
    assert tuple(report["layouts"]) == layouts_for(labels)


def test_far_from_what_was_trained_on_is_told_once(desk: Path, land: Path, capsys: Captured) -> None:
    words = ["synthesize", "--layout", "lake", "--size", "128", "--seeds", "3", "--checkpoint", str(land)]
    assert main(words) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("styleapp: the mask's short side is 128 pixels, the network was trained on 32 to 48")
    assert line.endswith("(3 times)")


# Bad masks


def _float(path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.float32)).save(path)


def _ids(value: int) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(np.full((8, 8), value, np.uint8)).save(path)


def _colours(path: Path) -> None:
    rgb = np.zeros((10, 10, 3), np.uint8) + np.array([90, 150, 220], np.uint8)
    rgb[:5] = (255, 0, 255)
    Image.fromarray(rgb).save(path)


def _photo(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(path)


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "void.png": (lambda path: path.write_bytes(b""), "bad/void.png is empty (0 bytes)"),
    "cut.png": (
        lambda path: path.write_bytes(Path("photo.png").read_bytes()[:90]), "bad/cut.png is damaged and cannot be",
    ),
    "float.tif": (
        _float, "bad/float.tif has values of type float32: label numbers and colours are whole numbers",
    ),
    "beyond.png": (_ids(7), "bad/beyond.png has the label 7 (64 pixels); known are 0 to 2 and 255 (unknown)"),
    "ignored.png": (_ids(255), "bad/ignored.png has no pixel with a label: there is nothing to paint"),
    "colours.png": (
        _colours,
        "bad/colours.png has colours that are not in its label set: (255, 0, 255) in 50 pixels, nearest is",
    ),
    "photo.png": (_photo, "bad/photo.png has colours that are not in its label set: "),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_masks(name: str, easel: Path, spade_checkpoint: Path, refused: Callable[..., str]) -> None:
    write, said = BAD[name]
    (easel / "bad").mkdir()
    write(Path("bad") / name)
    message = refused("synthesize", f"bad/{name}", "--checkpoint", spade_checkpoint)
    assert message.startswith(f"styleapp: error: {said}")
    assert not Path("synthesized").exists()


def test_goes_on_after_bad_masks(easel: Path, spade_checkpoint: Path, capsys: Captured) -> None:
    for name, (write, _) in BAD.items():
        write(Path("masks") / name)
    assert main(["synthesize", "masks", "missing.png", "-o", "out", "--checkpoint", str(spade_checkpoint)]) == 1
    err = capsys.readouterr().err
    assert _files("out") == ["a--seed0.png", "b--seed0.png"]
    for _, said in BAD.values():
        assert said.replace("bad/", "masks/") in err
    assert "missing.png does not exist" in err
    assert f"2 of {len(BAD) + 3} pictures were made" in err


def test_mask_for_the_label_set_of_another_network(
    easel: Path, spade_checkpoint: Path, land: Path, refused: Callable[..., str], capsys: Captured
) -> None:
    """Colours tell by themselves; numbers that both sets have need the legend; others are beyond the set."""
    message = refused("synthesize", "masks/sub/b.png", "--checkpoint", land)
    assert "masks/sub/b.png has colours that are not in its label set: (90, 150, 220)" in message
    SynthesizePipeline.from_checkpoint(spade_checkpoint).labels.save("masks/labels.yaml")
    message = refused("synthesize", "masks/a.png", "--checkpoint", land)
    expected = "masks/a.png is of another label set than the network: its legend masks/labels.yaml has tree, house"
    assert expected in message
    assert main(["synthesize", "masks/a.png", "--checkpoint", str(spade_checkpoint)]) == 0
    capsys.readouterr()
    message = refused("synthesize", "mask.png", "--checkpoint", land)
    assert "mask.png has the label 255 (9 pixels); known are 0 to 2" in message


def test_mask_of_no_size(easel: Path, spade_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, refused: Any) -> None:
    """No file of a usual kind can have it, so a decoder stands in."""
    monkeypatch.setattr("styleapp.data.masks.open_picture", lambda path, label: Image.new("L", (0, 4)))
    message = refused("synthesize", "mask.png", "--checkpoint", spade_checkpoint)
    assert "mask.png has no pixel: it is 0×4" in message


def test_too_large_a_mask_names_its_file(
    easel: Path, spade_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    monkeypatch.setattr("styleapp.pipelines.synthesize.free_memory", lambda device: 1000)
    message = refused("synthesize", "mask.png", "--checkpoint", spade_checkpoint)
    assert message.startswith("styleapp: error: mask.png: painting 40×32 pixels takes about")


# Other bad input


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "name masks or folders of masks, or a --layout"),
        ("mask.png --seed -1", "seed must be a whole number from 0 to"),
        ("mask.png --seeds 0", "seeds must be at least 1, got 0"),
        ("mask.png --size 0", "size must be at least 1, got 0"),
        ("mask.png --style photo.png --style-strength 2", "style_strength must be between 0 and 1, got 2.0"),
        ("mask.png --style bad.jpg", "bad.jpg is not a picture"),
        ("mask.png --style-strength 0.5", "--style-strength says how much of a style picture is taken: it needs --st"),
        ("mask.png --style photo.png --seeds 3", "3 seeds make 3 times the same picture"),
        ("mask.png --style s1.png --interpolate s1.png s2.png", "--style and --interpolate each say which styles"),
        ("mask.png --interpolate s1.png s2.png --seeds 2", "give one of them"),
        ("mask.png --interpolate s1.png s2.png --frames 1", "frames must be at least 2"),
        ("mask.png --interpolate s1.png missing.png", "missing.png does not exist"),
        ("mask.png --interpolate-seeds 1 -2", "seed must be a whole number"),
        ("mask.png --frames 4", "--frames says how many pictures lie between two styles: it needs --interpolate"),
        ("mask.png --save-masks kept", "--save-masks keeps ready-made masks: it needs --layout"),
        ("masks -o one.png", "one.png is one file, but there are 2 results"),
        ("mask.png -o mask.png", "mask.png is one of the inputs and would be overwritten"),
        ("mask.png --style photo.png -o photo.png", "photo.png is one of the inputs and would be overwritten"),
        ("masks -o masks", "read from and written to"),
        ("empty", "empty holds no picture"),
        ("--layout palace", "this network has no layout 'palace'; it has random"),
        ("--layout random --size 20", "a layout must be at least 32 pixels a side, got 20×20"),
        ("--layout random --layout-seed -1", "the seed of a layout must be 0 or more, got -1"),
    ],
)
def test_refuses_bad_input(
    words: str, said: str, easel: Path, spade_checkpoint: Path, refused: Callable[..., str]
) -> None:
    Path("empty").mkdir()
    before = _files(".")
    assert said in refused("synthesize", *words.split(), "--checkpoint", spade_checkpoint)
    assert _files(".") == before


def test_refuses_another_network(easel: Path, micro_checkpoint: Path, refused: Callable[..., str]) -> None:
    message = refused("synthesize", "mask.png", "--checkpoint", micro_checkpoint)
    assert "holds a network of architecture 'micro'; spade is needed" in message


def test_a_full_disk_ends_it_and_leaves_nothing(
    easel: Path, spade_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
) -> None:
    def full(image: Image.Image, file: Any, **options: Any) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    message = refused("synthesize", "masks", "-o", "out", "--checkpoint", spade_checkpoint)
    assert message.count("No space left on device") == 1
    assert _files("out") == []


def test_a_folder_that_cannot_be_made(easel: Path, spade_checkpoint: Path, refused: Callable[..., str]) -> None:
    message = refused("synthesize", "mask.png", "-o", "mask.png/out", "--checkpoint", spade_checkpoint)
    assert "the folder mask.png/out cannot be made" in message
