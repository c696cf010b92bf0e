"""Every kind of file that people drop on the page: read as upright RGB, or refused in one sentence."""

import io
import struct
import warnings
import zlib
from hashlib import sha1
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from styleapp.data.pictures import PictureError, evenly, held_out, list_pictures, max_pixels, read_picture


@pytest.fixture
def gradient() -> Image.Image:
    """6 wide, 4 high; red grows to the right, green downwards."""
    y, x = np.mgrid[0:4, 0:6]
    return Image.fromarray(np.stack([x * 40, y * 60, np.full_like(x, 9)], axis=-1).astype(np.uint8))


def _values(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


# What is read


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_lossless_files_come_back(gradient: Image.Image, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    gradient.save(path, **({"lossless": True} if suffix == ".webp" else {}))
    picture = read_picture(path)
    assert picture.rgb.mode == "RGB"
    assert picture.alpha is None
    assert (_values(picture.rgb) == _values(gradient)).all()


@pytest.mark.parametrize("suffix", [".jpg", ".avif"])
def test_lossy_files_come_back_roughly(tmp_path: Path, draw_photo, suffix: str) -> None:
    photo = draw_photo(64, 48)
    photo.save(tmp_path / f"x{suffix}", quality=95)
    assert np.abs(_values(read_picture(tmp_path / f"x{suffix}").rgb) - _values(photo)).mean() < 5


def test_opened_image_and_path_as_text(gradient: Image.Image, tmp_path: Path) -> None:
    gradient.save(tmp_path / "x.png")
    for source in (gradient, str(tmp_path / "x.png")):
        assert (_values(read_picture(source).rgb) == _values(gradient)).all()


UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", sorted(UPRIGHT))
def test_exif_rotation_is_applied(gradient: Image.Image, tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    gradient.save(tmp_path / "x.png", exif=exif)
    assert (_values(read_picture(tmp_path / "x.png").rgb) == UPRIGHT[orientation](_values(gradient))).all()


def test_transparency_is_composited_on_white_and_kept(gradient: Image.Image, tmp_path: Path) -> None:
    alpha = np.full((4, 6), 255, np.uint8)
    alpha[:, 0], alpha[:, 1] = 0, 128
    see_through = gradient.copy()
    see_through.putalpha(Image.fromarray(alpha))
    see_through.save(tmp_path / "x.png")
    picture = read_picture(tmp_path / "x.png")
    assert picture.alpha is not None
    assert (_values(picture.alpha) == alpha).all()
    rgb = _values(picture.rgb)
    assert (rgb[:, 0] == 255).all()
    assert np.abs(rgb[:, 1] - (_values(gradient)[:, 1] + 255) / 2).max() <= 1
    assert (rgb[:, 2:] == _values(gradient)[:, 2:]).all()


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "x.png", transparency=1)
    picture = read_picture(tmp_path / "x.png")
    assert _values(picture.rgb).tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]
    assert picture.alpha is not None
    assert _values(picture.alpha).tolist() == [[255, 0, 255]]


def test_palette_without_transparency(tmp_path: Path, gradient: Image.Image) -> None:
    gradient.quantize(24).save(tmp_path / "x.gif")
    assert read_picture(tmp_path / "x.gif").alpha is None


def test_colour_made_transparent_with_a_profile(tmp_path: Path, gradient: Image.Image) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gradient.save(tmp_path / "x.png", transparency=(0, 0, 9), icc_profile=profile)
    picture = read_picture(tmp_path / "x.png")
    assert picture.alpha is not None
    assert (_values(picture.alpha) == 0).sum() == 1
    assert _values(picture.rgb)[0, 0].tolist() == [255, 255, 255]


def test_16_bit_greyscale_is_scaled(tmp_path: Path) -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "x.png")
    assert _values(read_picture(tmp_path / "x.png").rgb)[..., 0].tolist() == [[0, 1, 128, 255]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 100.4, 300.0]], np.float32), [0, 100, 255]),
        (np.array([[0.0, np.nan, 1.0]], np.float32), [0, 0, 255]),
        (np.array([[0, 32896, 70000]], np.int32), [0, 128, 255]),
    ],
)
def test_wide_values(values: np.ndarray, expected: list[int]) -> None:
    assert _values(read_picture(Image.fromarray(values)).rgb)[0, :, 1].tolist() == expected


@pytest.mark.parametrize("mode", ["1", "L", "LA", "CMYK", "YCbCr", "HSV", "RGBX"])
def test_other_modes_become_rgb(gradient: Image.Image, mode: str) -> None:
    picture = read_picture(gradient.convert("L").convert("1") if mode == "1" else gradient.convert("RGB").convert(mode))
    assert picture.rgb.mode == "RGB"
    assert picture.rgb.size == (6, 4)
    assert (picture.alpha is not None) == (mode == "LA")


def test_cmyk_jpeg_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (200, 30, 90)).convert("CMYK").save(tmp_path / "x.jpg", quality=100)
    assert np.abs(_values(read_picture(tmp_path / "x.jpg").rgb) - [200, 30, 90]).max() < 6


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "green")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert _values(read_picture(tmp_path / "x.gif").rgb).reshape(-1, 3).tolist() == [[255, 0, 0]] * 16


def test_files_are_closed(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    # An animation keeps its file open for the frames to come; a warning about it would fail this test.
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    read_picture(tmp_path / "x.gif")
    (tmp_path / "x.gif").rename(tmp_path / "y.gif")
    (tmp_path / "thin.png").write_bytes(_png_header(5000, 10))
    with pytest.raises(PictureError):
        read_picture(tmp_path / "thin.png")
    assert not recwarn.list


# Colour profiles


def _profile(exchanged: bool) -> bytes:
    """sRGB, or sRGB with the red and blue primaries exchanged: a mistake in its use shows at once."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    if exchanged:
        data = bytearray(bytes(data).replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ"))
    return bytes(data)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_profile_is_converted_to_srgb(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (4, 4), (250, 20, 10)).convert(mode).save(tmp_path / "x.png", icc_profile=_profile(True))
    red, green, blue = _values(read_picture(tmp_path / "x.png").rgb)[0, 0]
    assert blue > 230
    assert red < 40
    assert green < 40


def test_srgb_profile_changes_nothing(tmp_path: Path, gradient: Image.Image) -> None:
    gradient.save(tmp_path / "x.png", icc_profile=_profile(False))
    assert np.abs(_values(read_picture(tmp_path / "x.png").rgb) - _values(gradient)).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_broken_profile_is_passed_over(tmp_path: Path, gradient: Image.Image, mode: str) -> None:
    gradient.convert(mode).save(tmp_path / "x.png", icc_profile=b"broken" * 40)
    expected = _values(gradient.convert(mode).convert("RGB"))
    assert (_values(read_picture(tmp_path / "x.png").rgb) == expected).all()


# What is refused


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.jpg", b"", r"empty\.jpg is empty \(0 bytes\)"),
        ("text.png", b"Dear Sir or Madam", r"text\.png is not a picture that can be read; known kinds are avif, bmp"),
        ("page.jpg", b"<html><body>404</body></html>", r"page\.jpg is not a picture"),
        ("thin.png", _png_header(40_000, 10), r"thin\.png is 40000×10: more than 100 times as long as wide"),
        ("tall.png", _png_header(10, 1001), r"tall\.png is 10×1001: more than 100"),
        ("bomb.png", _png_header(60_000, 60_000), r"bomb\.png is too large: at most 80,000,000 pixels"),
        ("large.png", _png_header(10_000, 9_000), r"large\.png is 10000×9000 pixels; at most 80,000,000 are read"),
        ("header.png", _png_header(50, 50), r"header\.png is damaged and cannot be decoded"),
        ("start.png", _png_header(50, 50)[:20], r"start\.png"),
    ],
)
def test_refused_with_one_sentence_and_no_warning(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(PictureError, match=message) as refused:
            read_picture(tmp_path / name)
    assert not caught
    assert "\n" not in str(refused.value)


def test_between_our_limit_and_pillows_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.png").write_bytes(_png_header(20_000, 10_000))
    monkeypatch.setenv("STYLEAPP_MAX_PIXELS", "300000000")
    with pytest.raises(PictureError, match="at most 178,956,970 pixels"):  # what Pillow allows, not what was asked for
        read_picture(tmp_path / "x.png")


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"nowhere\.png does not exist"):
        read_picture(tmp_path / "nowhere.png")
    with pytest.raises(PictureError, match="is a folder, not a picture"):
        read_picture(tmp_path)


def test_messages_use_the_given_name(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(PictureError, match="^the photo is empty"):
        read_picture(tmp_path / "x.png", name="the photo")
    with pytest.raises(PictureError, match="^the picture is 1×101"):
        read_picture(Image.new("L", (1, 101)))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif", ".tif", ".avif"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_truncated_files(tmp_path: Path, draw_photo, suffix: str, share: float) -> None:
    whole = tmp_path / f"whole{suffix}"
    draw_photo(96, 64).save(whole)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: int(share * whole.stat().st_size)])
    with pytest.raises(PictureError, match=f"cut{suffix}"):
        read_picture(cut)


@pytest.fixture(scope="module")
def encoded() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112], exif[0x9286] = 6, b"hello"
    image = Image.effect_noise((20, 16), 60).convert("RGB")
    files = {}
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF", "BMP"):
        buffer = io.BytesIO()
        image.save(buffer, kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}))
        files[kind] = buffer.getvalue()
    return files


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF", "BMP"]),
    places=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_any_damage_is_read_or_refused(
    tmp_path: Path, encoded: dict[str, bytes], kind: str, places: list[tuple[float, int]]
) -> None:
    """Whatever bytes are changed: a picture or a PictureError, no other error and no warning."""
    data = bytearray(encoded[kind])
    for place, value in places:
        data[int(place * len(data))] = value
    (tmp_path / "x").write_bytes(data)
    try:
        assert read_picture(tmp_path / "x").rgb.mode == "RGB"
    except PictureError as error:
        assert str(error).startswith(str(tmp_path / "x"))


def test_one_pixel_is_a_picture(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "x.png")
    assert _values(read_picture(tmp_path / "x.png").rgb).tolist() == [[[1, 2, 3]]]


# The limit


def test_limit_is_read_from_the_environment(gradient: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEAPP_MAX_PIXELS", "24")
    assert read_picture(gradient).rgb.size == (6, 4)
    monkeypatch.setenv("STYLEAPP_MAX_PIXELS", "23")
    with pytest.raises(PictureError, match="6×4 pixels; at most 23 are read"):
        read_picture(gradient)
    monkeypatch.delenv("STYLEAPP_MAX_PIXELS")
    assert max_pixels() == 80_000_000


@pytest.mark.parametrize("text", ["0", "-5", "many", "1e6", ""])
def test_limit_that_is_no_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("STYLEAPP_MAX_PIXELS", text)
    with pytest.raises(PictureError, match="STYLEAPP_MAX_PIXELS must be a whole number above 0"):
        max_pixels()


# Lists of pictures


def test_sub_folders_and_upper_case(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("b/c/two.JPG", "one.png", "notes.txt", "b/three.WebP"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.png").mkdir()
    found = [str(path.relative_to(tmp_path)) for path in list_pictures(tmp_path)]
    assert found == ["b/c/two.JPG", "b/three.WebP", "one.png"]


def test_no_folder_and_no_picture(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="is not a folder"):
        list_pictures(tmp_path / "nowhere")
    with pytest.raises(PictureError, match=r"holds no picture \(.avif, .bmp, .*not even in sub-folders"):
        list_pictures(tmp_path)


# Held out


@pytest.mark.parametrize("stem", ["photo0", "photo7", "a picture", "Sternennacht", "画"])
def test_held_out_rule(stem: str) -> None:
    expected = int(sha1(stem.encode("utf-8")).hexdigest(), 16) % 20 == 0
    assert held_out(f"/any/folder/{stem}.jpg") == held_out(f"{stem}.PNG") == expected


def test_held_out_by_known_stems() -> None:
    # Worked out with `printf %s 53 | sha1sum` and `bc`. Were the rule to move, trained pictures would count as unseen.
    assert [number for number in range(60) if held_out(str(number))] == [53]


def test_held_out_is_one_in_twenty() -> None:
    assert 0.04 < sum(held_out(f"picture{number}") for number in range(4000)) / 4000 < 0.06


def test_held_out_of_a_name_that_is_no_text() -> None:
    # Linux allows any bytes in a file name; Python holds them as lone surrogates, which cannot be encoded as UTF-8.
    assert held_out("caf\udce9.jpg") in (True, False)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, [0]), (2, [0, 5]), (3, [0, 3, 6]), (4, [0, 2, 5, 7]), (10, [*range(10)]), (None, [*range(10)])],
)
def test_evenly_over_a_list(count: int | None, expected: list[int]) -> None:
    assert evenly(range(10), count) == expected
