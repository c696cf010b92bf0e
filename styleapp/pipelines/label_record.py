"""What a checkpoint says of its labels."""

from styleapp.checkpoint import Card, CheckpointError
from styleapp.data.labels import LabelSet

__all__ = ["labels_of_card"]


def labels_of_card(card: Card, num_labels: int) -> LabelSet:
    """The label set in the record of a checkpoint.

    Args:
        num_labels: how many classes its network has.

    Raises:
        CheckpointError: there is none, or one of another number of classes.
        LabelError: it cannot be used.
    """
    if "labels" not in card.record:
        raise CheckpointError("the checkpoint does not say what its labels mean: its record has no 'labels'")
    labels = LabelSet.from_record(card.record["labels"], "the checkpoint's label set")
    if len(labels) != num_labels:
        raise CheckpointError(f"the checkpoint names {len(labels)} labels for {num_labels} planes")
    return labels
