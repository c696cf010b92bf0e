"""The switches of the tab *Lab*: what is removed from features, and what is given back."""

from typing import Any, NamedTuple

import gradio as gr

from styleapp.lab.switches import STRONGEST
from styleapp.norms.catalogue import catalogue
from styleapp.web.controls import NameList, TabControls
from styleapp.web.lab_handlers import MODULATIONS
from styleapp.web.lab_wish import AS_IT_IS, OPTIONS

__all__ = ["SWITCHBOARD_TIPS", "SwitchControls", "switchboard"]

SWITCHBOARD_TIPS = {
    "lab-normalizer": "What removes mean and deviation in the layers that are ticked.",
    "lab-groups": "How many groups of channels share statistics; a divisor of the number of channels.",
    "lab-deviation": "Which deviation the features are divided by.",
    "lab-k": "How many of the largest deviations count.",
    "lab-constant": "The factor that makes it comparable to L2: the paper's, or one that is exact for Gaussians.",
    "lab-eps": "What is added to the variance before the root.",
    "lab-group_scale": "Before that, divide each place by the quadratic mean of its channels.",
    "lab-removed": "What the normalizer takes away.",
    "lab-statistics": "Averages from training, or the batch's own; only where a normalizer keeps averages.",
    "lab-modulation": "Which of scale γ and shift β are given back.",
    "lab-strength": "How much of scale and shift: 0 is none, 1 is as trained, above 1 exaggerates.",
    "lab-weight-norm": "How the filters of the ticked convolutions are normalized.",
    "lab-mode": "One length for every filter of a layer, or for the whole weight.",
    "lab-convention": "Whose ε, and where it stands: papers and libraries differ.",
}
"""What every control says when one points at it, by the id of its element."""

MODES = [("Each filter", "channel"), ("The whole weight", "frobenius")]
CONVENTIONS = [("Official", "official"), ("TensorFlow", "tensorflow"), ("timm", "timm")]
DEVIATIONS = [("L2", "l2"), ("L1", "l1"), ("L∞", "linf"), ("Top-k", "topk")]


class SwitchControls(NamedTuple):
    """The controls, in the order of :class:`styleapp.web.lab_wish.Switchboard`."""

    normalizer: NameList
    groups: gr.Number
    deviation: gr.Radio
    k: gr.Number
    constant: gr.Radio
    eps: gr.Number
    group_scale: gr.Checkbox
    removed: gr.Radio
    statistics: gr.Radio
    modulation: gr.Radio
    strength: gr.Slider
    weight_norm: NameList
    mode: gr.Radio
    convention: gr.Radio

    @property
    def options(self) -> list[Any]:
        """Those of :data:`OPTIONS`."""
        return [getattr(self, name) for name in OPTIONS]

    @property
    def changes(self) -> list[Any]:
        """Their events."""
        numbers = [self.groups, self.k, self.eps]
        lists: list[Any] = [self.normalizer, self.deviation, self.constant, self.weight_norm]
        lists += [self.removed, self.statistics, self.modulation, self.group_scale, self.mode, self.convention]
        typed = [event for number in numbers for event in (number.submit, number.blur)]
        return [*(one.input for one in lists), *typed, self.strength.release]


def switchboard(controls: TabControls) -> SwitchControls:
    """Builds the controls into the Gradio context that is open."""
    normalizer = controls.name_list("normalizer", "Normalizer", _entries("activation"), AS_IT_IS)
    with gr.Row(elem_classes="pair switch-options"):
        groups = _number(controls, "groups", "Groups", 8, precision=0)
        deviation = _hidden_radio(controls, "deviation", "Deviation", DEVIATIONS)
        k = _number(controls, "k", "k", 10, precision=0)
        constant = _hidden_radio(controls, "constant", "Factor", [("Paper", "paper"), ("Calibrated", "calibrated")])
        eps = _number(controls, "eps", "ε", 1e-5)
        group_scale = gr.Checkbox(False, label="Scale places first", visible=False, **controls.told("group_scale"))
    removed = gr.Radio(
        [("Mean and deviation", "both"), ("Only the mean", "mean"), ("Only the deviation", "deviation")],
        value="both",
        label="Removed",
        **controls.told("removed"),
    )
    statistics = gr.Radio(
        [("As it comes", AS_IT_IS), ("Running", "running"), ("Of the batch", "batch")],
        value=AS_IT_IS,
        label="Statistics",
        **controls.told("statistics"),
    )
    modulation = gr.Radio(list(MODULATIONS.items()), value="both", label="Given back", **controls.told("modulation"))
    strength = controls.slider("strength", "Strength of scale and shift", 0, STRONGEST, 1.0, 0.05)
    weight_norm = controls.name_list("weight-norm", "Weight normalization", _entries("weight"), AS_IT_IS)
    mode = _hidden_radio(controls, "mode", "Length", MODES)
    convention = _hidden_radio(controls, "convention", "Convention", CONVENTIONS)
    return SwitchControls(
        *(normalizer, groups, deviation, k, constant, eps, group_scale),
        *(removed, statistics, modulation, strength, weight_norm, mode, convention),
    )


def _entries(kind: str) -> list[tuple[str, str]]:
    """Systems of the catalogue that can be switched to."""
    found = [(one.title, one.name) for one in catalogue() if one.kind == kind and one.status != "planned"]
    return [("as it is", AS_IT_IS), *found]


def _number(controls: TabControls, part: str, label: str, value: float, **options: Any) -> gr.Number:
    return gr.Number(value, label=label, visible=False, min_width=90, **options, **controls.told(part))


def _hidden_radio(controls: TabControls, part: str, label: str, choices: list[tuple[str, str]]) -> gr.Radio:
    return gr.Radio(choices, value=choices[0][1], label=label, visible=False, min_width=90, **controls.told(part))
