"""Frozen networks in a training module: their mode, and what a checkpoint has of them."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from styleapp.models.segmenter import Segmenter
from styleapp.models.spade import SpadeGenerator
from styleapp.models.vgg import VGG19
from styleapp.training.frozen import FrozenPartsModule


class Training(FrozenPartsModule):
    FROZEN = ("network.encoder", "helper", "absent")

    def __init__(self, network: Segmenter, helper: torch.nn.Module | None) -> None:
        super().__init__()
        self.network, self.helper = network, helper

    def record(self) -> dict[str, Any]:
        return {"told": 3}


@pytest.fixture(params=[True, False], ids=["helper", "alone"])
def module(vgg: VGG19, request: pytest.FixtureRequest) -> Training:
    return Training(Segmenter(2, 4, vgg), torch.nn.BatchNorm2d(2) if request.param else None)


def test_frozen_parts_stay_in_evaluation(module: Training) -> None:
    for mode in (True, False, True):
        module.train(mode)
        assert module.network.training is module.network.convs.training is mode
        assert not module.network.encoder.training
        assert module.helper is None or not module.helper.training


@pytest.mark.parametrize("averaged", [True, False])
def test_checkpoint_without_them_is_loaded_strictly(module: Training, averaged: bool) -> None:
    saved: dict[str, Any] = {"state_dict": module.state_dict()}
    if averaged:
        saved["current_model_state"] = module.state_dict()
    module.on_save_checkpoint(saved)
    for name in {"state_dict", "current_model_state"} & set(saved):
        assert {key.split(".")[1] for key in saved[name]} == {"entries", "convs", "to_labels"}
    assert saved["architecture"] == {"name": "segmenter", "options": {"num_labels": 2, "width": 4}}
    assert saved["encoder"] == vars(module.network.encoder.identity)
    assert saved["record"] == {"told": 3}
    module.on_load_checkpoint(saved)
    for name in {"state_dict", "current_model_state"} & set(saved):
        module.load_state_dict(saved[name])
        torch.testing.assert_close(saved[name], dict(module.state_dict()))


def test_network_without_an_encoder() -> None:
    network = SpadeGenerator(2, ((4,), (4,)), hidden=2, latent=0, style_widths=())
    module = FrozenPartsModule()
    module.network = network
    saved: dict[str, Any] = {"state_dict": module.state_dict()}
    module.on_save_checkpoint(saved)
    assert saved["encoder"] is None and saved["record"] == {}
    assert len(saved["state_dict"]) == len(network.state_dict())
    assert SimpleNamespace(**saved["architecture"]).name == "spade"
