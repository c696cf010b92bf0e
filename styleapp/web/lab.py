"""The tab *Lab*: normalizations switched in trained networks, networks trained with others, probes, and the
catalogue of all systems.
"""

from typing import NamedTuple

import gradio as gr

from styleapp.web.controls import TabControls
from styleapp.web.lab_catalogue import CATALOGUE_TIPS, PageLinks, catalogue_part, connect_catalogue
from styleapp.web.lab_handlers import LabHandlers
from styleapp.web.lab_probes import PROBE_TIPS, connect_probes, probe_part
from styleapp.web.lab_probes_handlers import ProbeHandlers
from styleapp.web.lab_switches import SWITCH_TIPS, SwitchPart, connect_switches, switch_part
from styleapp.web.lab_trained import TRAINED_TIPS, connect_trained, trained_part
from styleapp.web.lab_trained_handlers import TrainedHandlers

__all__ = ["TIPS", "LabPage", "build", "connect_tab"]

TIPS = {**SWITCH_TIPS, **TRAINED_TIPS, **PROBE_TIPS, **CATALOGUE_TIPS}
"""What every control says when one points at it, by the id of its element."""


class LabPage(NamedTuple):
    """What the tab's own event is connected with."""

    switches: SwitchPart


def build(handlers: LabHandlers) -> LabPage:
    """Puts the tab's controls into the Gradio context that is open, and wires them."""
    controls = TabControls("lab", TIPS)
    links = PageLinks()
    with gr.Tabs() as parts:
        with gr.Tab("Switch", id="lab-switch"):
            switches = switch_part(controls, handlers)
        with gr.Tab("Trained", id="lab-trained") as place:
            connect_trained(trained_part(controls), TrainedHandlers(), place)
        with gr.Tab("Probes", id="lab-probes") as place:
            connect_probes(probe_part(controls), ProbeHandlers(), place)
        with gr.Tab("Catalogue", id="lab-catalogue") as place:
            connect_catalogue(catalogue_part(controls), links, parts, place)
    return LabPage(switches)


def connect_tab(page: LabPage, tab: gr.Tab) -> None:
    """Wires the tab itself: when it is shown for the first time, there is a first result."""
    connect_switches(page.switches, tab)
