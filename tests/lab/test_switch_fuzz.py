"""Random switches on every kind of network: a picture or one sentence, and the shared network stays as it was."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from styleapp.checkpoint import manifest, read_card
from styleapp.lab import ablation as module
from styleapp.lab.ablation import Ablation, run
from styleapp.lab.benches import Look, StylizingBench
from styleapp.lab.mask_bench import MaskBench
from styleapp.lab.partial import MODULATIONS, REMOVED
from styleapp.lab.switches import STATISTICS, LayerSwitch, convolutions_of, norm_layers_of
from styleapp.norms import NORMALIZERS, WEIGHT_NORMS

FAST, SLOW = 30, 300
NUMBERS: dict[str, list[Any]] = {
    "groups": [1, 2, 3, 4, 8, 32],
    "k": [0, 1, 5, 1000],
    "eps": [1e-5, 1e-2, 0.0],
    "deviation": ["l1", "linf", "topk", "l3"],
    "batches": [1, 4, 10**9],
    "mode": ["channel", "frobenius"],
    "unbiased": [True],
    "momentum": [0.1],
    "group_scale": [True],
    "depthwise": [False],
    "n_power_iterations": [0, 3, 10**12],
    "convention": ["timm"],
}
USUAL = ["both", "scale", "shift", "none"]
"""Modulations that need no label map."""


@dataclass(frozen=True)
class Case:
    """A network with pictures to try it on."""

    ablation: Ablation
    bench: Any


def options(random: Random, constructor: Any) -> dict[str, Any]:
    known = [name for name in inspect.signature(constructor).parameters if name in NUMBERS]
    chosen = random.sample(known, random.randint(0, min(2, len(known))))
    return {name: random.choice(NUMBERS[name]) for name in chosen}


def pattern(random: Random, names: list[str]) -> str:
    name = random.choice(names)
    return random.choice(["*", "*", name, name, f"{name[: len(name) // 2]}*", f"*{name[-3:]}"] * 3 + ["nowhere*"])


def random_switch(random: Random, network: torch.nn.Module) -> LayerSwitch:
    if random.random() < 0.3:
        name = random.choice([*WEIGHT_NORMS])
        chosen = options(random, WEIGHT_NORMS[name])
        return LayerSwitch(pattern(random, [*convolutions_of(network)]), weight_norm=name, options=chosen)
    name = random.choice([None, *NORMALIZERS])
    return LayerSwitch(
        pattern(random, [*norm_layers_of(network)]),
        normalizer=name,
        options=options(random, NORMALIZERS[name]) if name else {},
        removed=random.choice([*REMOVED]),  # type: ignore[arg-type]
        statistics=random.choice([None] * 8 + [*STATISTICS]),  # type: ignore[arg-type]
        modulation=random.choice([*MODULATIONS, *USUAL * 3]),  # type: ignore[arg-type]
        strength=random.choice([1.0, 1.0, 0.0, 0.4, 1.5]),
    )


def tensors(network: torch.nn.Module) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()


def fuzz(cases: list[Case], count: int, seed: int) -> tuple[int, int]:
    """How many of the combinations gave a picture, and how many a sentence."""
    random, made, refused = Random(seed), 0, 0
    kept = [[tensor.clone() for tensor in tensors(case.bench.network)] for case in cases]
    expected = [run(case.ablation).switched.pictures for case in cases]
    for number in range(count):
        index = number % len(cases)
        case = cases[index]
        try:
            switches = [random_switch(random, case.bench.network) for _ in range(random.randint(1, 3))]
            outcome = run(replace(case.ablation, switches=tuple(switches)))
        except ValueError as error:
            refused += 1
            assert str(error).strip()
            assert "\n" not in str(error)
        else:
            made += 1
            assert len(outcome.switched.pictures) == len(outcome.original.pictures)
        now = tensors(case.bench.network)
        assert all(torch.equal(tensor, before) for tensor, before in zip(now, kept[index], strict=True)), number
    module._reference.cache_clear()
    for case, pictures in zip(cases, expected, strict=True):
        again = run(case.ablation).original.pictures
        assert all(np.array_equal(one, other) for one, other in zip(again, pictures, strict=True))
    return made, refused


@pytest.fixture
def unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores have tests of their own, and take longer than pictures of 64×64."""
    nothing = Look((), torch.zeros(()))
    monkeypatch.setattr(Look, "at", classmethod(lambda cls, picture: nothing))
    monkeypatch.setattr(StylizingBench, "change", lambda self, original, switched: {})
    monkeypatch.setattr("styleapp.lab.benches._scores", lambda looks, inputs: {})
    monkeypatch.setattr(MaskBench, "_scores", lambda self, pictures, inputs: {})
    module._reference.cache_clear()


def case(checkpoint: str, **inputs: Any) -> Case:
    return Case(Ablation(checkpoint, **inputs), module._bench(checkpoint))


@pytest.mark.usefixtures("unscored")
def test_thirty_combinations(
    named_checkpoint: Path, micro_checkpoint: Path, spade_checkpoint: Path, photo_folder: Path, labelled_photos: Path
) -> None:
    photos = tuple(str(path) for path in sorted(photo_folder.iterdir())[:2])
    cases = [
        case(str(named_checkpoint), photos=photos, styles=("night",), size=64),
        case(str(micro_checkpoint), photos=photos, styles=photos[:1], size=64),
        case(str(spade_checkpoint), masks=(str(labelled_photos / "masks" / "0.png"),), styles=photos[:1], size=64),
    ]
    made, refused = fuzz(cases, FAST, seed=1)
    assert made > FAST / 4
    assert refused > 0


@pytest.mark.slow
@pytest.mark.usefixtures("unscored")
def test_three_hundred_combinations_over_all_shipped_networks(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STYLEAPP_CHECKPOINTS", raising=False)
    photos = tuple(str(path) for path in sorted(photo_folder.iterdir())[:2])
    cases = []
    for name in manifest():
        card = read_card(module.find_checkpoint(name))
        if card.architecture == "segmenter":
            continue
        if card.architecture == "spade":
            layout = "palace" if "window" in str(card.record["labels"]) else "lake"
            cases.append(case(name, masks=(layout,), styles=photos[:1], size=64))
            continue
        styles = tuple(card.options.get("styles", ())[:1]) or photos[:1]
        cases.append(case(name, photos=photos, styles=styles, size=64))
    if not cases:
        pytest.skip("no checkpoint is shipped")
    made, refused = fuzz(cases, SLOW, seed=2)
    assert made > SLOW / 4
    assert refused > 0
