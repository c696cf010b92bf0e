"""A weight that is computed from others (torch's parametrizations): attach, read, take away, and one guard."""

from contextlib import suppress
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["compute_weight", "computation", "effective_weight", "forget_computation", "guard_weight", "require_plain"]


def computation(conv: nn.Module) -> nn.Module | None:
    """What computes ``conv.weight``: its children are the parametrizations. ``None`` if the weight is a parameter."""
    if not parametrize.is_parametrized(conv, "weight"):
        return None
    return cast(nn.Module, conv.parametrizations).get_submodule("weight")


def require_plain(conv: nn.Conv2d) -> nn.Conv2d:
    """The convolution itself, if its weight is a parameter.

    Raises:
        ValueError: the weight is computed already.
    """
    if computation(conv) is not None:
        raise ValueError("this convolution already has a computed weight; apply_weight_norm replaces it")
    return conv


def compute_weight(conv: nn.Conv2d, parametrization: nn.Module) -> nn.Conv2d:
    """Registers a parametrization of the weight, guarded by :func:`guard_weight`.

    Raises:
        ValueError: the weight is computed already.
    """
    parametrize.register_parametrization(require_plain(conv), "weight", parametrization)
    return guard_weight(conv)


def guard_weight(conv: nn.Conv2d) -> nn.Conv2d:
    """Makes it an error to change a computed weight in place, as ``nn.init`` does.

    The change would be lost without a word, because the next use computes the weight anew; so that next use is a
    ``RuntimeError``.
    """
    computing = cast(nn.Module, computation(conv)).train(conv.training)
    computing.register_forward_hook(_refuse_lost_change)
    return conv


_handed_out: WeakKeyDictionary[nn.Module, tuple[Tensor, int]] = WeakKeyDictionary()


def _refuse_lost_change(computing: nn.Module, _: Any, weight: Tensor) -> None:
    if torch.compiler.is_compiling():
        return
    counter, version = _handed_out.pop(computing, (None, 0))
    if counter is not None and counter._version != version:
        raise RuntimeError(
            "a computed weight was changed in place, and the change is lost: initialise before a weight normalization "
            "is attached, or assign conv.weight = tensor under torch.no_grad()"
        )
    if weight.is_inference():
        return
    counter = weight.detach()  # shares the weight's counter of changes in place,
    with suppress(RuntimeError):  # which torch.func raises: inside its transforms there is no guard
        counter.data = weight.new_empty(0)  # and now no memory
        _handed_out[computing] = counter, counter._version


def effective_weight(conv: nn.Conv2d) -> Tensor:
    """A copy of the weight that a convolution computes with; the running estimate of spectral norm stays as it is."""
    computing = computation(conv)
    with torch.no_grad():
        if computing is None:
            return conv.weight.detach().clone()
        training = computing.training
        weight = cast(Tensor, computing.eval()()).clone()
        computing.train(training)
    return weight


def forget_computation(conv: nn.Conv2d) -> nn.Conv2d:
    """Makes a computed weight an ordinary parameter with the value that it has."""
    computing = computation(conv)
    if computing is None:
        return conv
    weight = effective_weight(conv)
    trained = any(parameter.requires_grad for parameter in computing.parameters())
    computing.eval()  # reading the weight in training mode would move an estimate of spectral norm
    _own_class(conv)
    parametrize.remove_parametrizations(conv, "weight")
    if not isinstance(conv.weight, nn.Parameter):  # torch makes a buffer of a weight that is not trained
        del conv.weight
        conv.weight = nn.Parameter(weight)
    conv.weight.requires_grad_(trained)
    bias = cast("nn.Parameter | None", conv.bias)
    del conv.bias
    conv.register_parameter("bias", bias)  # behind the weight again, as optimizers and state dicts count
    return conv


def _own_class(conv: nn.Conv2d) -> None:
    """Parts a convolution from its deep copies.

    torch gives a parametrized module a class of its own, which its copies share, and removing the parametrization
    from one of them takes ``weight`` out of that class: the others would have none any more.
    """
    shared = type(conv)
    conv.__class__ = type(shared.__name__, shared.__bases__, dict(vars(shared)))
