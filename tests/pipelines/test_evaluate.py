"""Scores against direct computation, and against what must hold by definition."""

import csv
import io
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from styleapp.data.pairs import centre_crop
from styleapp.data.pictures import PictureError
from styleapp.models.adain import AdaINStylizer
from styleapp.models.vgg import VGG19
from styleapp.norms import Code
from styleapp.pipelines.evaluate import Evaluation, evaluate, peak_signal_to_noise, to_csv
from styleapp.scores import stylization_scores

SIZE = 32
Lists = tuple[list[Path], list[Path]]


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory, draw_photo: Callable, draw_style: Callable) -> Lists:
    folder = tmp_path_factory.mktemp("lists")
    photos, styles = [folder / f"p{index}.png" for index in range(2)], [folder / f"s{index}.png" for index in range(2)]
    for seed, (photo, style) in enumerate(zip(photos, styles, strict=True)):
        draw_photo(50, 40, seed).save(photo)
        draw_style(36, 44, seed).save(style)
    return photos, styles


def crop(path: Path) -> Tensor:
    with Image.open(path) as image:
        return centre_crop(image.convert("RGB"), SIZE)[None]


class Copying:
    """Strength 0 gives the photo, 1 the style picture itself (kept in the code), between them the mean."""

    stride = 8
    bytes_per_pixel = 100

    def code(self, style: Tensor) -> Code:
        return Code(gamma=style, beta=style)

    def render(self, photo: Tensor, code: Code, strength: float = 1.0) -> Tensor:
        return photo.lerp(code.gamma, strength)


class Overshooting(Copying):
    """Leaves the range of a picture and its 256 steps."""

    def render(self, photo: Tensor, code: Code, strength: float = 1.0) -> Tensor:
        return photo * 1.7 - 0.3


def test_is_the_mean_of_the_scores_of_all_pairs(network: AdaINStylizer, vgg: VGG19, lists: Lists) -> None:
    result = evaluate(network, vgg, *lists, strengths=(0.5, 1.0), size=SIZE)
    for row in result.rows:
        expected = []
        for photo in map(crop, lists[0]):
            for style in map(crop, lists[1]):
                with torch.inference_mode():
                    output = network.render(photo, network.code(style), row.strength).clamp(0, 1)
                expected.append(stylization_scores(vgg, (output * 255).round() / 255, photo, style))
        style_distance, content_distance = (sum(values) / 4 for values in zip(*expected, strict=True))
        assert row.style_distance == pytest.approx(style_distance, rel=1e-4)
        assert row.content_distance == pytest.approx(content_distance, rel=1e-4)
        assert 0 < row.seconds < 60
    assert (result.photos, result.styles, result.pairs) == (2, 2, 4)
    assert result.style_seconds > 0


def test_photo_itself_and_style_itself_are_the_two_ends(vgg: VGG19, lists: Lists) -> None:
    result = evaluate(Copying(), vgg, *lists, strengths=(0.0, 1.0), size=SIZE)
    keeps, copies = result.rows
    assert keeps.content_distance == result.photo_itself.content_distance == 0
    assert keeps.style_distance == pytest.approx(result.photo_itself.style_distance, rel=1e-6)
    assert result.photo_itself.style_distance > 0.01
    assert copies.style_distance == pytest.approx(0, abs=1e-6)
    assert copies.content_distance > 0.1
    assert result.psnr == math.inf


def test_a_photo_as_its_own_style_is_no_distance_away(vgg: VGG19, lists: Lists) -> None:
    result = evaluate(Copying(), vgg, lists[0][:1], lists[0][:1], size=SIZE)
    assert result.photo_itself == pytest.approx((0, 0), abs=1e-9)
    assert result.rows[0].style_distance == pytest.approx(0, abs=1e-9)


def test_scores_what_a_saved_picture_would_hold(vgg: VGG19, lists: Lists) -> None:
    result = evaluate(Overshooting(), vgg, *(paths[:1] for paths in lists), size=SIZE)
    photo, style = crop(lists[0][0]), crop(lists[1][0])
    saved = ((photo * 1.7 - 0.3).clamp(0, 1) * 255).round() / 255
    assert result.rows[0].style_distance == pytest.approx(stylization_scores(vgg, saved, photo, style)[0], rel=1e-4)
    assert result.psnr == pytest.approx(peak_signal_to_noise(saved, photo))


@pytest.mark.parametrize(("error", "expected"), [(1.0, 0.0), (0.1, 20.0), (0.01, 40.0), (0.0, math.inf)])
def test_psnr_by_hand(error: float, expected: float) -> None:
    photo = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    assert peak_signal_to_noise(photo + error, photo) == pytest.approx(expected)


def test_each_file_is_read_once(vgg: VGG19, lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    from styleapp.pipelines import evaluate as module

    seen: list[Path] = []
    original = module.read_picture
    monkeypatch.setattr(module, "read_picture", lambda path: (seen.append(path), original(path))[1])
    done: list[float] = []
    evaluate(Copying(), vgg, *lists, size=SIZE, advance=done.append)
    assert sorted(seen) == sorted([*lists[0], *lists[1]])
    assert sum(done) == 4


def test_damaged_files_are_left_out_and_named(vgg: VGG19, lists: Lists, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    result = evaluate(Copying(), vgg, [bad, *lists[0]], [*lists[1], bad], size=SIZE)
    assert (result.photos, result.styles) == (2, 2)
    assert all("bad.png" in problem for problem in result.problems)
    without = evaluate(Copying(), vgg, *lists, size=SIZE)
    assert result.rows[0].style_distance == pytest.approx(without.rows[0].style_distance)
    for photos, styles, what in (([bad], lists[1], "photo"), (lists[0], [bad], "style")):
        with pytest.raises(PictureError, match=f"no {what} can be read.*bad"):
            evaluate(Copying(), vgg, photos, styles, size=SIZE)


@pytest.mark.parametrize("strengths", [(), (-0.1,), (1.0, 1.6), (math.nan,)])
def test_strengths_are_checked_first(vgg: VGG19, strengths: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="strength"):
        evaluate(Copying(), vgg, [Path("missing.png")], [Path("missing.png")], strengths)


def test_csv_has_a_line_a_strength(vgg: VGG19, lists: Lists) -> None:
    result: Evaluation = evaluate(Copying(), vgg, *lists, strengths=(0.25, 0.75), size=SIZE)
    lines = list(csv.DictReader(io.StringIO(to_csv(result, "some, name"))))
    assert [line["checkpoint"] for line in lines] == ["photo itself", "some, name", "some, name"]
    assert [line["strength"] for line in lines] == ["", "0.25", "0.75"]
    assert [float(line["style_distance"]) for line in lines[1:]] == [row.style_distance for row in result.rows]
    assert {line["pairs"] for line in lines} == {"4"}
    assert lines[1]["hardware"] == result.hardware


class Named(Copying):
    """Knows the style pictures by their files' names."""

    names = ("s0", "s1")

    def __init__(self, pictures: list[Path]) -> None:
        self.pictures = {path.stem: crop(path) for path in pictures}

    def code(self, style: str) -> Code:  # type: ignore[override]
        return super().code(self.pictures[style])


def test_named_styles_are_asked_for_by_the_names_of_files(vgg: VGG19, lists: Lists) -> None:
    by_name = evaluate(Named(lists[1]), vgg, *lists, size=SIZE)
    by_picture = evaluate(Copying(), vgg, *lists, size=SIZE)
    assert by_name.rows[0].style_distance == by_picture.rows[0].style_distance
    assert by_name.by_style == by_picture.by_style


def test_each_style_has_a_row(network: AdaINStylizer, vgg: VGG19, lists: Lists) -> None:
    together = evaluate(network, vgg, *lists, strengths=(0.3, 1.0), size=SIZE)
    assert [row.style for row in together.by_style] == ["s0", "s1"]
    for index, row in enumerate(together.by_style):
        alone = evaluate(network, vgg, lists[0], lists[1][index : index + 1], size=SIZE)
        assert row.style_distance == pytest.approx(alone.rows[0].style_distance)
        assert row.content_distance == pytest.approx(alone.rows[0].content_distance)
        assert row.photo_itself == pytest.approx(alone.photo_itself.style_distance)
