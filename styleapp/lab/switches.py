"""What an ablation changes in a network: one switch for some of its layers, and how switches are applied."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import torch
from torch import nn

from styleapp.lab.partial import MODULATIONS, REMOVED, BatchStatistics, PartialModulator, PartialNormalizer
from styleapp.models.vgg import VGG19
from styleapp.norms import (
    NORMALIZERS,
    WEIGHT_NORMS,
    NormConfig,
    NormLayer,
    Switched,
    SwitchedWeight,
    switch_norms,
    switch_weight_norm,
    switched_weight_norm,
)
from styleapp.norms.modulators import MaskModulator, NoModulator
from styleapp.norms.switch import STARTED_ANEW
from styleapp.norms.weights import require_known

__all__ = [
    "STATISTICS",
    "STRONGEST",
    "Change",
    "LayerSwitch",
    "convolutions_of",
    "norm_layers_of",
    "switched",
    "switched_copy",
]

STATISTICS = ("running", "batch")
STRONGEST = 1.5
LARGEST = {"batches": 1024, "n_power_iterations": 1024}
"""Options that memory or time grow with, and what a switch may ask for: it can come from a stranger."""

_RANDOM = threading.Lock()

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class LayerSwitch:
    """What is changed in some layers. Where several switches fit a layer, the last of them counts, whole.

    Attributes:
        layers: which normalization layers, by qualified name, with ``*``, ``?`` and ``[…]`` as in file names; with a
            ``weight_norm`` which convolutions.
        normalizer: a name of :data:`styleapp.norms.NORMALIZERS`; ``None`` keeps the one that is there.
        options: of the new normalizer or weight normalization, such as ``groups``, ``k``, ``eps``.
        removed: what the normalizer takes away: ``both``, only the ``mean`` or only the ``deviation``; see
            :class:`styleapp.lab.partial.PartialNormalizer`.
        statistics: of normalizers that keep running statistics: ``running`` uses them, ``batch`` the pictures' own, as
            in training. Without one it is ``running`` where these are known (the layer was trained with them, or they
            moved over from its old normalizer) and ``batch`` where they would start anew: an evaluation with statistics
            that have seen nothing says nothing. A layer without running statistics stays as it is.
        modulation: what of γ and β is given back: ``both``, ``scale``, ``shift``, ``none``, and for label maps
            ``class_mean`` and ``map_mean``; see :data:`styleapp.lab.partial.MODULATIONS`.
        strength: of the modulation, from 0 (γ = 1, β = 0) over 1 (as it is) to 1.5.
        weight_norm: a name of :data:`styleapp.norms.WEIGHT_NORMS`; then only ``layers`` and ``options`` matter.

    Raises:
        ValueError: a name or option is unknown, a number out of range, or two fields do not go together.
    """

    layers: str = "*"
    normalizer: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    removed: Literal["both", "mean", "deviation"] = "both"
    statistics: Literal["running", "batch"] | None = None
    modulation: Literal["both", "scale", "shift", "none", "class_mean", "map_mean"] = "both"
    strength: float = 1.0
    weight_norm: str | None = None

    def __post_init__(self) -> None:
        _require_one_of("removed", self.removed, REMOVED)
        _require_one_of("modulation", self.modulation, MODULATIONS)
        if self.statistics is not None:
            _require_one_of("statistics", self.statistics, STATISTICS)
        if not isinstance(self.strength, int | float) or not 0 <= self.strength <= STRONGEST:
            raise ValueError(f"the strength of a layer must be between 0 and {STRONGEST}, got {self.strength}")
        if self.weight_norm is not None:
            self._check_weight_norm(self.weight_norm)
        elif self.normalizer is not None:
            NormConfig(self.normalizer, "none", options=self.options)  # raises where an option is unknown
            _require_kinds(self.normalizer, self.options, NORMALIZERS[self.normalizer].__init__)
        elif self.options:
            raise ValueError(f"options {', '.join(self.options)} need a normalizer or a weight_norm that has them")

    def _check_weight_norm(self, name: str) -> None:
        ours = {"layers", "options", "weight_norm"}
        others = [one.name for one in fields(self) if one.name not in ours and getattr(self, one.name) != one.default]
        if others:
            raise ValueError(f"a switch of weight_norm is for convolutions: it cannot have {', '.join(others)}")
        require_known(name, self.options)
        _require_kinds(name, self.options, WEIGHT_NORMS[name])

    def record(self) -> dict[str, Any]:
        """What differs from the defaults, as plain data; ``LayerSwitch(**record)`` is the same switch."""
        return {
            one.name: dict(value) if one.name == "options" else value
            for one in fields(self)
            if (value := getattr(self, one.name)) != one.default and value != {}
        }


def _require_one_of(what: str, name: Any, known: Mapping[str, Any] | Sequence[str]) -> None:
    if name not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, got {name!r}")


def _require_kinds(owner: str, options: Mapping[str, Any], constructor: Callable[..., Any]) -> None:
    """Refuses values that are not of the kind that the constructor names: options may come from a file."""
    kinds = get_type_hints(constructor)
    for name, value in options.items():
        if not _is_of(value, kinds[name]):
            raise ValueError(f"option {name} of {owner} must be {_in_words(kinds[name])}, got {value!r}")
        if name in LARGEST and value > LARGEST[name]:
            raise ValueError(f"option {name} of {owner} must be at most {LARGEST[name]} in a switch, got {value}")


def _in_words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    return " or ".join(_in_words(one) for one in get_args(kind)) or WORDS.get(kind, str(kind))


WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", type(None): "nothing"}


def _is_of(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_args(kind):  # one of several
        return any(_is_of(value, one) for one in get_args(kind))
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, int | float if kind is float else kind)


@dataclass(frozen=True)
class Change:
    """What happened to one layer.

    Attributes:
        layer: its qualified name.
        normalizer: of a layer that has another normalizer now.
        weight: of a convolution that has another weight normalization now.
        notes: what else is different, in words.
    """

    layer: str
    normalizer: Switched | None = None
    weight: SwitchedWeight | None = None
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """All of it in one line."""
        both = (self.normalizer, self.weight)
        names = [f"{one.before} → {one.after}" for one in both if one is not None]
        return "; ".join([*names, *self.notes]) or "as it was"


def norm_layers_of(network: nn.Module) -> dict[str, NormLayer]:
    """The normalization layers by qualified name, in the network's order."""
    return {name: module for name, module in network.named_modules() if isinstance(module, NormLayer)}


def convolutions_of(network: nn.Module) -> dict[str, nn.Conv2d]:
    """The convolutions whose weight normalization can be switched, by qualified name.

    Not those of a VGG-19 encoder, whose features the network was made for, and not those that make γ and β of a label
    map, which are no layers of their own.
    """
    apart = [name for name, module in network.named_modules() if isinstance(module, VGG19 | NormLayer)]
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and not any(name.startswith(f"{part}.") for part in apart)
    }


@contextmanager
def switched(network: nn.Module, switches: Sequence[LayerSwitch]) -> Iterator[tuple[Change, ...]]:
    """A network with switches for the length of a ``with`` block; then the very modules from before are back.

    This changes the network itself, so it is for whoever has it alone; :func:`switched_copy` is for a network that
    several threads share.

    Raises:
        ValueError: a switch fits no layer, or some layer cannot have it; the network is as it was.
    """
    norms, convs = _planned(network, switches)
    kept = [(layer, layer.normalizer, layer.modulator) for layer in norm_layers_of(network).values()]
    with ExitStack() as stack:
        stack.callback(_put_back, kept)
        weights: list[SwitchedWeight] = []
        with _own_random_numbers():
            for name, switch in convs.items():
                context = switched_weight_norm(network, str(switch.weight_norm), name, **switch.options)
                weights += stack.enter_context(context)
        yield (*_switch_all(network, norms), *(Change(one.layer, weight=one) for one in weights))


def switched_copy(network: Module, switches: Sequence[LayerSwitch] = ()) -> tuple[Module, tuple[Change, ...]]:
    """A copy of a network with switches, for one caller; the network itself is not touched, not even for a moment.

    Modules and running statistics are copied; parameters, which nothing changes, and the VGG-19 encoder are shared, but
    for convolutions whose weight normalization is switched. So a copy takes some milliseconds and next to no memory,
    and any number of visitors can have one of the same network at the same time. A lock around one switched network
    would make them wait for each other, and a whole copy for each would cost as much as the network.

    Returns:
        The copy and what was changed in it.

    Raises:
        ValueError: see :func:`switched`.
    """
    norms, convs = _planned(network, switches)
    own = {id(parameter) for name in convs for parameter in network.get_submodule(name).parameters()}
    shared: dict[int, Any] = {id(one): one for one in network.parameters() if id(one) not in own}
    shared |= {id(module): module for module in network.modules() if isinstance(module, VGG19)}
    shared |= {id(code): code for code in getattr(network, "learned", {}).values()}
    twin = deepcopy(network, shared)
    weights: list[SwitchedWeight] = []
    with _own_random_numbers():
        for name, switch in convs.items():
            weights += switch_weight_norm(twin, str(switch.weight_norm), name, **switch.options)
    return twin, (*_switch_all(twin, norms), *(Change(one.layer, weight=one) for one in weights))


@contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Spectral norm starts its estimate at random: here always the same, and nobody else's numbers change."""
    with _RANDOM, torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def _put_back(kept: Sequence[tuple[NormLayer, Any, Any]]) -> None:
    for layer, normalizer, modulator in kept:
        layer.normalizer, layer.modulator = normalizer.train(layer.training), modulator.train(layer.training)


def _planned(
    network: nn.Module, switches: Sequence[LayerSwitch]
) -> tuple[dict[str, LayerSwitch], dict[str, LayerSwitch]]:
    """The switch of each normalization layer and of each convolution that has one."""
    norms: dict[str, LayerSwitch] = {}
    convs: dict[str, LayerSwitch] = {}
    layers, convolutions = norm_layers_of(network), convolutions_of(network)
    for switch in switches:
        if switch.weight_norm is None:
            chosen = _fitting(switch.layers, layers, "normalization layer")
            _check_effect(switch, [layers[name] for name in chosen])
            norms |= dict.fromkeys(chosen, switch)
        else:
            convs |= dict.fromkeys(_fitting(switch.layers, convolutions, "convolution"), switch)
    return {name: norms[name] for name in layers if name in norms}, convs


def _fitting(pattern: str, names: Mapping[str, Any], what: str) -> list[str]:
    chosen = [name for name in names if fnmatchcase(name, pattern)]
    if not chosen:
        raise ValueError(f"no {what} fits the pattern {pattern!r}; the network has {', '.join(names) or 'none at all'}")
    return chosen


def _check_effect(switch: LayerSwitch, layers: Sequence[NormLayer]) -> None:
    """Refuses what would be without effect in all the layers."""
    by_map = switch.modulation in ("class_mean", "map_mean")
    if by_map and not any(isinstance(layer.modulator, MaskModulator) for layer in layers):
        raise ValueError(
            f"modulation {switch.modulation} averages what a label map gives, and none of the layers "
            f"{switch.layers!r} sees one"
        )
    changed = switch.modulation != "both" or switch.strength != 1
    if changed and all(isinstance(layer.modulator, NoModulator) for layer in layers):
        raise ValueError(f"the layers {switch.layers!r} have no scale and shift that could be switched")
    known = NORMALIZERS[switch.normalizer](1) if switch.normalizer else None
    normalizers = [known] if known is not None else [layer.normalizer for layer in layers]
    if switch.statistics is not None and not any(True for one in normalizers for _ in one.buffers()):
        raise ValueError(
            f"statistics {switch.statistics} is for normalizers that keep running statistics; "
            f"{switch.normalizer or 'what the layers have'} keeps none"
        )


def _switch_all(network: nn.Module, plan: Mapping[str, LayerSwitch]) -> list[Change]:
    return [_switch_one(network, name, switch) for name, switch in plan.items()]


def _switch_one(network: nn.Module, name: str, switch: LayerSwitch) -> Change:
    layer = network.get_submodule(name)
    assert isinstance(layer, NormLayer)
    notes: list[str] = []
    record = None
    if switch.normalizer is not None:
        try:
            (record,) = switch_norms(network, switch.normalizer, pattern=name, **switch.options)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    anew = record is not None and record.state == STARTED_ANEW
    if _by_batch(name, layer, switch, anew):
        layer.normalizer = BatchStatistics(layer.normalizer).train(layer.training)
        notes.append("statistics of the batch itself")
    if switch.removed != "both":
        layer.normalizer = PartialNormalizer(layer.normalizer, switch.removed).train(layer.training)
        notes.append(f"takes only the {switch.removed} away")
    if switch.modulation != "both" or switch.strength != 1:
        layer.modulator = PartialModulator(layer.modulator, switch.modulation, switch.strength).train(layer.training)
        notes.append(f"modulation {switch.modulation}, strength {switch.strength:g}")
    return Change(name, record, notes=tuple(notes))


def _by_batch(name: str, layer: NormLayer, switch: LayerSwitch, anew: bool) -> bool:
    """Whether a layer takes the batch's own statistics."""
    if not any(True for _ in layer.normalizer.buffers()):
        return False
    if switch.statistics == "running" and anew:
        raise ValueError(
            f"{name}: {switch.normalizer} has no running statistics yet, they come from training; "
            "statistics must be batch, or left out"
        )
    return switch.statistics == "batch" or (switch.statistics is None and anew)
