"""The catalogue names what there is, and its switches work."""

import dataclasses
import re
from typing import Any

import pytest
import torch
from torch import nn

import styleapp.training.rules as rules
from styleapp.lab.probes import probe
from styleapp.lab.probes.landscape import probe_landscape
from styleapp.lab.probes.signals import probe_signals
from styleapp.norms import MODULATORS, NORMALIZERS, build_norm, switch_norms
from styleapp.norms.catalogue import Entry, behaviour, catalogue, entry
from styleapp.norms.initialisation import InputNorm, learning_rate_groups, revisit
from styleapp.norms.memory import SecondForward
from styleapp.norms.weight_switch import switch_weight_norm
from styleapp.norms.weights import WEIGHT_NORMS

NORMALIZER_NAMES = {
    *["none", "batch", "sync_batch", "layer", "instance", "group", "l1_batch", "linf_batch", "topk_batch"],
    *["revisited_batch", "moving_batch", "power", "memorized_batch", "unified_batch", "adaptive_batch"],
}
WEIGHT_NAMES = {
    *["none", "weight_norm", "bounded_weight_norm", "weight_standardization", "conv_norm", "spectral_norm"],
}
CONDITIONAL_NAMES = {"conditional_instance", "adain", "spade"}
OTHER_NAMES = {
    *["bn_preconditioning", "mimic_norm", "sam_on", "decay_rate_correction", "input_norm"],
    *["landscape_probe", "beyond_bn_probe"],
}

ROWS = {
    "BN": ["batch"],
    "SyncBN": ["sync_batch"],
    "LN": ["layer"],
    "IN": ["instance"],
    "GN": ["group"],
    "WN": ["weight_norm"],
    "WS": ["weight_standardization"],
    "CIN": ["conditional_instance"],
    "AdaIN": ["adain"],
    "SPADE": ["spade"],
    "RBN init / groups / input BN": ["revisited_batch", "input_norm"],
    "UBN gate": ["unified_batch"],
    "Adaptive-threshold BN": ["adaptive_batch"],
    "BNP": ["bn_preconditioning"],
    "MimicNorm": ["mimic_norm"],
    "MBN": ["memorized_batch"],
    "PowerNorm": ["power"],
    "MABN + CenConv": ["moving_batch"],
    "L1 BN": ["l1_batch"],
    "L∞ / Top(k) BN": ["linf_batch", "topk_batch"],
    "Bounded WN": ["bounded_weight_norm"],
    "WD↔LR correction": ["decay_rate_correction"],
    "SAM-ON": ["sam_on"],
    "ConvNorm": ["conv_norm"],
    "Beyond BatchNorm probes": ["beyond_bn_probe"],
    "Loss-landscape probe": ["landscape_probe"],
}
"""The specification's table of systems, section 8, without the two that are out of scope."""

every_entry = pytest.mark.parametrize("known", catalogue(), ids=lambda known: known.name)


def test_names_of_the_design() -> None:
    names = [known.name for known in catalogue()]
    assert len(names) == len(set(names))
    assert set(names) == NORMALIZER_NAMES | WEIGHT_NAMES | CONDITIONAL_NAMES | OTHER_NAMES


def test_every_row_of_the_specification() -> None:
    listed = [name for names in ROWS.values() for name in names]
    assert sorted([*listed, "none", "spectral_norm"]) == sorted(known.name for known in catalogue())


def test_status() -> None:
    status = {
        kind: {known.name for known in catalogue() if known.status == kind} for kind in ("experimental", "planned")
    }
    assert status == {
        "experimental": {"unified_batch", "adaptive_batch"},
        "planned": set(),
    }


def test_layers_and_entries_are_the_same() -> None:
    """What the tables of layers hold is in the catalogue, and the other way round."""
    by_kind = {kind: {known.name for known in catalogue() if known.kind == kind} for kind in ("activation", "weight")}
    assert by_kind["activation"] == set(NORMALIZERS)
    switches = " ".join(switch for known in catalogue() for switch in known.switches)
    assert set(re.findall(r'switch_weight_norm\(network, "(\w+)"', switches)) == set(WEIGHT_NORMS)
    assert by_kind["weight"] | {"none"} <= set(WEIGHT_NORMS)
    assert {"none", "affine", *re.findall(r'modulator="(\w+)"', switches)} == set(MODULATORS)


@every_entry
def test_switches_work(known: Entry) -> None:
    """Each expression runs as it stands on a network with convolutions and normalization layers."""
    assert bool(known.switches) == (known.status != "planned")
    for expression in known.switches:
        network = nn.Sequential(nn.Conv2d(3, 64, 3), build_norm("batch", 64), nn.ReLU(), nn.Conv2d(64, 3, 3))
        names: dict[str, Any] = {
            "network": network,
            "optimizer": torch.optim.SGD(network.parameters(), lr=0.1),
            "build_norm": build_norm,
            "switch_norms": switch_norms,
            "switch_weight_norm": switch_weight_norm,
            "revisit": revisit,
            "learning_rate_groups": learning_rate_groups,
            "SecondForward": SecondForward,
            "InputNorm": InputNorm,
            "loss": lambda network=network: network(torch.rand(2, 3, 8, 8)).square().sum(),
            "probe": probe,
            "probe_landscape": probe_landscape,
            "probe_signals": probe_signals,
            **{name: getattr(rules, name) for name in rules.__all__},
        }
        assert eval(expression, names)
        assert network(torch.rand(2, 3, 8, 8)).isfinite().all()


@every_entry
def test_every_field_says_something(known: Entry) -> None:
    assert all([known.title, known.kind, known.paper, known.formula])
    assert all(dataclasses.asdict(behaviour(known.name)).values())
    assert known.name == "none" or re.search(r"19\d\d|20\d\d|NORM", known.paper)


def test_an_entry_is_frozen_and_prints_all_of_itself() -> None:
    first = Entry("a", "A", "rule", "planned", "b", "c")
    assert repr(first) == (
        "Entry(name='a', title='A', kind='rule', status='planned', paper='b', formula='c', switches=())"
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.name = "b"  # type: ignore[misc]


def test_one_entry() -> None:
    assert entry("group").title == "Group normalization"
    assert behaviour("layer").axes.startswith("C, H, W")


@pytest.mark.parametrize("look_up", [entry, behaviour])
def test_an_unknown_name_lists_the_known(look_up: Any) -> None:
    with pytest.raises(ValueError, match=r"unknown normalization 'grup'; known are none, batch, .*beyond_bn_probe"):
        look_up("grup")
