"""What the controls of the tab *Lab* hold, and the ablation that it stands for."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from styleapp.lab.ablation import Ablation, LayerInfo, layers_of
from styleapp.lab.subjects import Subject, subject
from styleapp.lab.switches import LayerSwitch
from styleapp.pipelines.samples import sample_photos, sample_styles

__all__ = [
    "AS_IT_IS",
    "OPTIONS",
    "Switchboard",
    "Wish",
    "fitting",
    "known_pictures",
    "known_style",
    "patterns",
    "shown_options",
]

AS_IT_IS = ""
"""What a list holds where nothing is switched."""

WITH_EPS = (
    *("batch", "sync_batch", "layer", "instance", "group", "l1_batch", "linf_batch", "topk_batch", "revisited_batch"),
    *("moving_batch", "power", "memorized_batch", "unified_batch", "adaptive_batch"),
)
OPTIONS: dict[str, tuple[str, ...]] = {
    "groups": ("group",),
    "deviation": ("instance",),
    "k": ("instance", "topk_batch"),
    "constant": ("linf_batch", "topk_batch"),
    "eps": WITH_EPS,
    "group_scale": ("power",),
    "mode": ("bounded_weight_norm",),
    "convention": ("weight_standardization",),
}
"""Options that have a control, and the systems that they are for; files and ``/ablate`` take the others, too."""

LARGEST_K = "topk"


class Switchboard(NamedTuple):
    """The controls that make a switch, in the page's order; the defaults switch nothing."""

    normalizer: str = AS_IT_IS
    groups: float = 8
    deviation: str = "l2"
    k: float = 10
    constant: str = "paper"
    eps: float = 1e-5
    group_scale: bool = False
    removed: str = "both"
    statistics: str = AS_IT_IS
    modulation: str = "both"
    strength: float = 1.0
    weight_norm: str = AS_IT_IS
    mode: str = "channel"
    convention: str = "official"

    @classmethod
    def of(cls, switch: LayerSwitch) -> "Switchboard":
        """What the controls must hold for a switch."""
        record = {name: value for name, value in switch.record().items() if name not in ("layers", "options")}
        return cls(**{**switch.options, **record})

    def options(self, system: str) -> dict[str, Any]:
        """Of the normalizer or weight normalization, where they are not its defaults."""
        given = {name: getattr(self, name) for name in shown_options(system, self.deviation)}
        whole = {name: _whole(value) if name in ("groups", "k") else value for name, value in given.items()}
        return {name: value for name, value in whole.items() if value != USUAL.get(name)}

    def for_norms(self) -> dict[str, Any]:
        """Fields of the switch for normalization layers, but for which; empty where nothing is switched."""
        fields = {"normalizer": self.normalizer or None, "statistics": self.statistics or None}
        plain = {"removed": self.removed, "modulation": self.modulation, "strength": self.strength}
        made = LayerSwitch(**fields, **plain, options=self.options(self.normalizer))  # type: ignore[arg-type]
        return made.record()

    def for_convolutions(self) -> dict[str, Any]:
        """The same of the switch for convolutions."""
        made = LayerSwitch(weight_norm=self.weight_norm or None, options=self.options(self.weight_norm))
        return made.record()

    def switches(self, layers: Sequence[LayerInfo], chosen: Iterable[str]) -> tuple[LayerSwitch, ...]:
        """What the controls switch in the chosen layers.

        Raises:
            ValueError: no layer of the kind that is switched is chosen; or see :class:`LayerSwitch`.
        """
        made: list[LayerSwitch] = []
        for kind, fields in (("norm", self.for_norms()), ("convolution", self.for_convolutions())):
            names = [layer.name for layer in layers if layer.kind == kind]
            ticked = [name for name in names if name in set(chosen)]
            if fields and not ticked:
                what = "normalization layer" if kind == "norm" else "convolution"
                raise ValueError(f"Nothing to switch: tick at least one {what} in the layer map.")
            made += [LayerSwitch(pattern, **fields) for pattern in patterns(ticked, names) if fields]
        return tuple(made)


USUAL = {
    **{"deviation": "l2", "constant": "paper", "eps": 1e-5, "group_scale": False},
    **{"mode": "channel", "convention": "official"},
}
"""Values of options that the systems have anyway."""


def _whole(value: float | None) -> float | int | None:
    """A number of things; what is none is left to those who say so."""
    return int(value) if value is not None and float(value).is_integer() else value


def shown_options(system: str, deviation: str) -> tuple[str, ...]:
    """Names of the options that a system has; k of the instance normalizer only with the k largest deviations."""
    shown = tuple(name for name, systems in OPTIONS.items() if system in systems)
    with_k = system != "instance" or deviation == LARGEST_K
    return shown if with_k else tuple(name for name in shown if name != "k")


def patterns(chosen: Sequence[str], among: Sequence[str]) -> list[str]:
    """Patterns as in file names that fit the chosen ones among some names, and no other: ``*`` for all of them,
    ``blocks.*`` where all of that part are chosen, else the names themselves.
    """
    return _covering("", set(chosen), list(among))


def _covering(prefix: str, chosen: set[str], among: Sequence[str]) -> list[str]:
    """The same for names that begin with this prefix."""
    wanted = [name for name in among if name in chosen]
    if wanted and len(wanted) == len(among):
        return [f"{prefix}*"] if len(wanted) > 1 or not prefix else wanted
    parts: dict[str, list[str]] = {}
    for name in among:
        head, dot, _ = name.removeprefix(prefix).partition(".")
        parts.setdefault(f"{prefix}{head}{dot}", []).append(name)
    found: list[str] = []
    for part, names in parts.items():
        found += _covering(part, chosen, names) if part.endswith(".") else [one for one in names if one in chosen]
    return found


@dataclass(frozen=True)
class Wish:
    """What the page's controls hold.

    Attributes:
        pictures: names of sample photos or of ready-made label maps.
        files: photos or masks of the visitor's own.
        second: a style that is mixed with the first; :data:`AS_IT_IS` for none.
        share: of the second style, 0 to 1.
        overall: strength of the style.
        kept: switches from before, as records.
        chosen: names of the layers that are ticked.
    """

    network: str
    pictures: tuple[str, ...]
    files: tuple[str, ...]
    style: str | None
    style_file: str | None
    second: str
    seed: int
    share: float
    overall: float
    size: int
    kept: tuple[Mapping[str, Any], ...]
    chosen: tuple[str, ...]
    board: Switchboard

    @classmethod
    def of(cls, *values: Any) -> "Wish":
        """From values in the order in which the page gives them."""
        network, pictures, files, style, style_file, second, seed, share, overall, size, *rest = values
        kept, layer_map, *board = rest
        layers = layer_map if isinstance(layer_map, dict) else {}
        return cls(
            network,
            tuple(pictures or ()),
            tuple(files or ()),
            style,
            style_file,
            second or AS_IT_IS,
            int(seed or 0),
            float(share),
            float(overall),
            int(size),
            tuple(kept or ()),
            tuple(layers.get("chosen", ())),
            Switchboard(*board),
        )

    @property
    def paths(self) -> tuple[str | None, ...]:
        """Of all files."""
        return *self.files, self.style_file

    @property
    def key(self) -> str:
        """The same for the same wishes."""
        return json.dumps([*vars(self).values()], default=str)

    def switches(self) -> tuple[LayerSwitch, ...]:
        """Those that were kept, then those of the controls.

        Raises:
            ValueError: a network or layer is missing, or see :class:`LayerSwitch`.
        """
        kept = tuple(LayerSwitch(**record) for record in self.kept)
        return (*kept, *self.board.switches(layers_of(subject(self.network).name), self.chosen))

    def ablation(self) -> Ablation:
        """What is wished for.

        Raises:
            ValueError: something is missing, unknown or does not fit together.
        """
        one = subject(self.network)
        pictures = (*known_pictures(one, self.pictures), *self.files)
        if not pictures:
            raise ValueError(f"Choose at least one {'label map' if one.of_masks else 'photo'} first.")
        plain = Ablation(one.name, self.switches(), strength=self.overall, size=self.size)
        own = (self.style_file,) if self.style_file and one.takes_pictures else ()
        if one.of_masks:
            return replace(plain, masks=pictures, styles=own, seed=self.seed)
        styles = own or (known_style(one, self.style),)
        if not self.second:
            return replace(plain, photos=pictures, styles=styles)
        mixed = (*styles, known_style(one, self.second))
        return replace(plain, photos=pictures, styles=mixed, weights=(1 - self.share, self.share))


def known_pictures(one: Subject, names: Sequence[str]) -> tuple[str, ...]:
    """Names of samples for a network, as given.

    A name is never taken for a file of the server.

    Raises:
        ValueError: there is no sample of a name.
    """
    known = one.masks if one.of_masks else tuple(sample.name for sample in sample_photos())
    for name in names:
        if name not in known:
            what = "label map" if one.of_masks else "sample photo"
            raise ValueError(f"unknown {what} {name!r}; known are {', '.join(known) or 'none'}")
    return tuple(names)


def known_style(one: Subject, name: str | None) -> str:
    """A style of a network, or a sample style where it takes pictures.

    Raises:
        ValueError: there is none of this name.
    """
    known = one.styles or tuple(sample.name for sample in sample_styles())
    if name not in known:
        raise ValueError(f"unknown style {name!r} of {one.name}; known are {', '.join(known) or 'none'}")
    return str(name)


def fitting(switch: LayerSwitch, layers: Sequence[LayerInfo]) -> list[str]:
    """Names of the layers that a switch is for, and of all layers of the other kind."""
    kind = "convolution" if switch.weight_norm else "norm"
    return [layer.name for layer in layers if layer.kind != kind or fnmatchcase(layer.name, switch.layers)]
