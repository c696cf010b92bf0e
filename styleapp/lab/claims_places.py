"""Where the figures of claims are: places in the tables of grids and probes, and the commands that write these."""

from styleapp.lab.claims import At, Measure, rises

__all__ = [
    "FIRST",
    "FURTHER",
    "MASKS",
    "SIZES",
    "STYLE",
    "drift_at",
    "first_at",
    "further_at",
    "grid_command",
    "masks_at",
    "probe_command",
    "signals",
    "sized_at",
    "workers_at",
]

STYLE = "style distance"
GRIDS = "configs/ablation/grids"
FIRST, SIZES = f"{GRIDS}/first.yaml", f"{GRIDS}/batch_size.yaml"
FURTHER, MASKS = f"{GRIDS}/further.yaml", f"{GRIDS}/masks.yaml"


def grid_command(file: str, only: str = "") -> str:
    chosen = f" --only '{only}'" if only else ""
    return f"styleapp ablate train --grid {file}{chosen}"


def probe_command(name: str) -> str:
    return f"styleapp probe {name} --csv checkpoints/ablation/probe-{name}.csv"


def first_at(label: str, normalizer: str, weight_norm: str = "none", number: str = "style_distance") -> At:
    return At(label, "first", number, {"normalizer": normalizer, "weight_norm": weight_norm})


def further_at(system: str) -> At:
    return At(system, "further", "style_distance", {"system": system})


def sized_at(normalizer: str, size: int) -> At:
    choices = {"normalizer": normalizer, "batch_size": str(size)}
    return At(f"{normalizer}, batch of {size}", "batch_size", "style_distance", choices)


def masks_at(label: str, number: str, critic: str = "plain", kind: str = "spade") -> At:
    return At(label, "masks", number, {"map": kind, "normalizer": "batch", "critic": critic})


def signals(number: str, falls: bool = False, depth: int = 20) -> Measure:
    """From instance statistics to layer statistics, by the size of the groups."""
    sizes = (1, 4, 16, 64)
    places = [At(f"groups of {n}", "probe-signals", number, {}, {"group_size": n, "depth": depth}) for n in sizes]
    return rises(f"{number} at layer {depth}", places, falls)


def drift_at(case: str, size: int) -> At:
    return At(f"{case}, {size} at once", "probe-drift", "accuracy", {"case": case}, {"batch": size})


def workers_at(case: str, count: int) -> At:
    return At(f"{case}, {count} workers", "probe-workers", "difference", {"case": case}, {"workers": count})
