"""Training that begins with the weights of a checkpoint instead of random ones."""

from torch import nn

from styleapp.checkpoint import CheckpointError, architecture_of, load_network
from styleapp.norms import switch_weight_norm
from styleapp.norms.weights import weight_norm_name

__all__ = ["copy_weights"]


def copy_weights(checkpoint: str, network: nn.Module) -> None:
    """Gives a network the weights of a checkpoint of the same architecture and encoder, in place.

    Files have plain weights (:func:`styleapp.training.export.export_run`); where the network computes its own from
    others, these are found from the plain ones: its weight normalizations stay.

    Raises:
        CheckpointError: it cannot be loaded, or was trained with another encoder, or fits another network.
    """
    trained, card, _ = load_network(checkpoint, architecture=architecture_of(network))
    identity = getattr(getattr(network, "encoder", None), "identity", None)
    if card.encoder != identity:
        raise CheckpointError(f"{checkpoint} was trained with {card.encoder}, the network has {identity}")
    try:
        for name, module in network.named_modules():
            wanted = weight_norm_name(module) if isinstance(module, nn.Conv2d) else "none"
            if wanted != "none":
                switch_weight_norm(trained, wanted, pattern=name)
        network.load_state_dict(trained.state_dict())
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]  # torch lists every tensor on lines of their own
        raise CheckpointError(f"{checkpoint} does not fit the network of this training: {reason}") from error
