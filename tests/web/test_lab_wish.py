"""What the controls of the tab *Lab* stand for, without a page."""

import inspect
from fnmatch import fnmatchcase
from random import Random

import pytest

from styleapp.lab.ablation import LayerInfo, layers_of
from styleapp.lab.presets import PRESETS
from styleapp.lab.subjects import subject
from styleapp.lab.switches import LayerSwitch
from styleapp.norms import NORMALIZERS, WEIGHT_NORMS
from styleapp.web.lab_wish import (
    OPTIONS,
    USUAL,
    Switchboard,
    Wish,
    fitting,
    known_pictures,
    known_style,
    patterns,
    shown_options,
)
from styleapp.web.layer_map import shown_layers

NAMES = ["entry_norm", "blocks.0.first", "blocks.0.second", "blocks.1.first", "blocks.1.second", "head.0.norm"]
LAYERS = [*(LayerInfo(name, "norm", (8,), "instance", "styles") for name in NAMES)] + [
    LayerInfo("entry", "convolution", (8, 3, 3, 3), weight_norm="none")
]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (NAMES, ["*"]),
        ([], []),
        (NAMES[1:5], ["blocks.*"]),
        (NAMES[1:3], ["blocks.0.*"]),
        ([NAMES[0], *NAMES[1:5]], ["entry_norm", "blocks.*"]),
        ([NAMES[1], NAMES[4]], ["blocks.0.first", "blocks.1.second"]),
        ([NAMES[5]], ["head.0.norm"]),
        (["elsewhere"], []),
    ],
)
def test_patterns(chosen: list[str], expected: list[str]) -> None:
    assert patterns(chosen, NAMES) == expected


def test_patterns_fit_what_was_chosen_and_nothing_else() -> None:
    random, among = Random(0), [layer.name for layer in layers_of("multistyle")]
    for _ in range(50):
        chosen = random.sample(among, random.randrange(len(among) + 1))
        found = patterns(chosen, among)
        assert {name for name in among if any(fnmatchcase(name, one) for one in found)} == set(chosen)


def test_options_that_have_a_control_are_those_of_the_constructors() -> None:
    for option, systems in OPTIONS.items():
        for name in systems:
            known = inspect.signature({**NORMALIZERS, **WEIGHT_NORMS}[name]).parameters
            assert option in known
            assert option not in USUAL or known[option].default == USUAL[option]
    assert {name for name in NORMALIZERS if "eps" in inspect.signature(NORMALIZERS[name]).parameters} == {
        *OPTIONS["eps"]
    }


@pytest.mark.parametrize(
    ("system", "deviation", "expected"),
    [
        ("power", "l2", ("eps", "group_scale")),
        ("bounded_weight_norm", "l2", ("mode",)),
        ("weight_standardization", "l2", ("convention",)),
        ("group", "l2", ("groups", "eps")),
        ("instance", "l2", ("deviation", "eps")),
        ("instance", "topk", ("deviation", "k", "eps")),
        ("topk_batch", "l2", ("k", "constant", "eps")),
        ("none", "l2", ()),
        ("", "l2", ()),
    ],
)
def test_options_that_are_shown(system: str, deviation: str, expected: tuple[str, ...]) -> None:
    assert shown_options(system, deviation) == expected


def test_options_of_weight_normalizations_are_for_convolutions() -> None:
    board = Switchboard("power", group_scale=True, weight_norm="bounded_weight_norm", mode="frobenius")
    assert board.switches(LAYERS, [layer.name for layer in LAYERS]) == (
        LayerSwitch("*", "power", {"group_scale": True}),
        LayerSwitch("*", weight_norm="bounded_weight_norm", options={"mode": "frobenius"}),
    )


def test_controls_as_they_begin_switch_nothing() -> None:
    assert Switchboard().switches(LAYERS, NAMES) == ()


def test_controls_make_a_switch_for_each_kind_of_layer() -> None:
    board = Switchboard("group", groups=4.0, eps=0.01, k=3, modulation="shift", weight_norm="spectral_norm")
    assert board.switches(LAYERS, [*NAMES[1:5], "entry"]) == (
        LayerSwitch("blocks.*", "group", {"groups": 4, "eps": 0.01}, modulation="shift"),
        LayerSwitch("*", weight_norm="spectral_norm"),
    )


@pytest.mark.parametrize(
    ("board", "kind"),
    [(Switchboard("batch"), "normalization layer"), (Switchboard(weight_norm="weight_norm"), "convolution")],
)
def test_nothing_is_ticked(board: Switchboard, kind: str) -> None:
    with pytest.raises(ValueError, match=f"tick at least one {kind} in the layer map"):
        board.switches(LAYERS, [])


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_what_their_controls_stand_for(name: str) -> None:
    """Layer by layer: patterns may be written in another way."""
    (switch,) = PRESETS[name].ablation.switches
    layers = layers_of(PRESETS[name].ablation.checkpoint)
    made = Switchboard.of(switch).switches(layers, fitting(switch, layers))
    kind = "convolution" if switch.weight_norm else "norm"
    names = [layer.name for layer in layers if layer.kind == kind]
    told = {one: made_one for one in names for made_one in made if fnmatchcase(one, made_one.layers)}
    assert {*told} == {one for one in names if fnmatchcase(one, switch.layers)}
    expected = {key: value for key, value in switch.record().items() if key != "layers"}
    for one in told.values():
        assert {key: value for key, value in one.record().items() if key != "layers"} == expected


def wish(**changes: object) -> Wish:
    """Of the network of named styles as it is, with these changes."""
    values: dict[str, object] = {
        "network": "multistyle",
        "pictures": ["tower"],
        "files": None,
        "style": "munch-the_scream",
        "style_file": None,
        "second": "",
        "seed": 0,
        "share": 0.5,
        "overall": 1.0,
        "size": 64,
        "kept": [],
        "layers": shown_layers(layers_of("multistyle")),
        **Switchboard()._asdict(),
    }
    assert {*changes} <= {*values}
    return Wish.of(*{**values, **changes}.values())


def test_wish_becomes_an_ablation() -> None:
    found = wish(kept=[{"layers": "entry_norm", "normalizer": "batch"}], strength=0.5, files=["a.png"]).ablation()
    assert (found.checkpoint, found.photos, found.styles) == ("multistyle", ("tower", "a.png"), ("munch-the_scream",))
    assert found.switches == (LayerSwitch("entry_norm", "batch"), LayerSwitch(strength=0.5))
    assert (found.masks, found.size) == ((), 64)


def test_a_second_style_is_mixed_and_strength_is_of_the_style() -> None:
    found = wish(second="hokusai-great_wave", share=0.25, overall=0.5).ablation()
    assert found.styles == ("munch-the_scream", "hokusai-great_wave")
    assert (found.weights, found.strength, found.switches) == ((0.75, 0.25), 0.5, ())
    assert wish(share=0.25).ablation().weights == ()  # nothing is mixed
    with pytest.raises(ValueError, match="unknown style 'nobody' of multistyle"):
        wish(second="nobody").ablation()


def test_same_wishes_have_the_same_key() -> None:
    assert wish().key == wish().key
    for change in ({"normalizer": "batch"}, {"seed": 3}, {"files": ["a.png"]}, {"layers": shown_layers([])}):
        assert wish(**change).key != wish().key


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pictures": []}, "Choose at least one photo first"),
        ({"pictures": ["/etc/hostname"]}, "unknown sample photo '/etc/hostname'; known are tower"),
        ({"style": "dawn"}, "unknown style 'dawn' of multistyle; known are"),
        ({"style": None}, "unknown style None"),
        ({"network": "moon"}, "unknown network 'moon'"),
        ({"normalizer": "sum"}, "sum"),
        ({"normalizer": "group", "groups": 5}, "groups"),
        ({"statistics": "running", "normalizer": "layer"}, "running"),
    ],
)
def test_bad_wishes_get_one_sentence(changes: dict[str, object], sentence: str) -> None:
    from styleapp.lab.ablation import run

    with pytest.raises(ValueError, match=sentence) as caught:
        run(wish(**changes).ablation())
    assert "\n" not in str(caught.value)


def test_names_are_never_files() -> None:
    facades = subject("facades")
    assert known_pictures(facades, ["palace"]) == ("palace",)
    with pytest.raises(ValueError, match="unknown label map 'tower'"):
        known_pictures(facades, ["tower"])
    assert known_style(subject("adain"), "oil") == "oil"
    with pytest.raises(ValueError, match="unknown style 'pyproject.toml' of adain"):
        known_style(subject("adain"), "pyproject.toml")
