"""Enlargement by sub-pixel convolution that cannot draw a grid (after Shi et al., CVPR 2016)."""

import torch
from torch import Tensor, nn

from styleapp.models.blocks import reflect_conv

__all__ = ["SubpixelConv2d", "picture_head"]


class SubpixelConv2d(nn.Module):
    """A 3×3 convolution to r² phases of each output channel, which are then laid side by side: r times as large.

    Args:
        in_channels: C.
        out_channels: C'.
        factor: r.

    Note:
        In the original every phase has filters of its own, so that even a flat area becomes a grid of period r. Here a
        phase is bilinear interpolation at its place with weights that all phases share, plus a detail of its own that
        answers to neither flat areas nor ramps: those stay flat and straight by construction, whatever is learned.
    """

    def __init__(self, in_channels: int, out_channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.smooth = nn.Parameter(torch.randn(out_channels, in_channels) / in_channels**0.5)
        self.detail = nn.Parameter(torch.randn(out_channels, factor**2, in_channels, 9) / (9 * in_channels) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.interpolation: Tensor
        self.without_ramps: Tensor
        self.register_buffer("interpolation", bilinear_phases(factor), persistent=False)
        self.register_buffer("without_ramps", ramp_free(), persistent=False)

    def weight(self) -> Tensor:
        """The filters that are applied, r²·C'×C×3×3, ordered by phase and then by output channel, channels-last."""
        smooth = torch.einsum("oc,pk->pokc", self.smooth, self.interpolation)
        detail = torch.einsum("opck,kl->polc", self.detail, self.without_ramps)  # r²×C'×9×C
        return (smooth + detail).flatten(0, 1).unflatten(1, (3, 3)).permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        phases = reflect_conv(x, self.weight(), self.bias.repeat(self.factor**2))  # N×r²·C'×H×W
        cells = phases.permute(0, 2, 3, 1).unflatten(3, (self.factor, -1))  # N×H×W×r×r·C'
        rows = cells.transpose(2, 3).flatten(1, 2)  # N×rH×W×r·C': in runs of r·C' numbers, unlike pixel_shuffle
        return rows.unflatten(3, (self.factor, -1)).flatten(2, 3).permute(0, 3, 1, 2)  # N×C'×rH×rW, channels-last


def picture_head(in_channels: int, factor: int) -> SubpixelConv2d:
    """One that begins with pictures near mid grey: its first output is in range."""
    head = SubpixelConv2d(in_channels, 3, factor)
    nn.init.constant_(head.bias, 0.5)
    for weight in (head.smooth, head.detail):
        nn.init.normal_(weight, std=0.02)
    return head


def bilinear_phases(factor: int) -> Tensor:
    """3×3 filters (r²×9) that interpolate between cell centres at the centre of each of the r×r parts of a cell."""
    places = (torch.arange(factor) + 0.5) / factor - 0.5  # from the cell's own centre, in cells
    near = torch.stack([(-places).clamp_min(0), 1 - places.abs(), places.clamp_min(0)], dim=1)  # r×3
    return torch.einsum("ai,bj->abij", near, near).reshape(factor**2, 9)


def ramp_free() -> Tensor:
    """The projection (9×9) of 3×3 filters on those that give 0 on flat areas and on ramps."""
    rows, columns = torch.meshgrid(torch.arange(-1.0, 2.0), torch.arange(-1.0, 2.0), indexing="ij")
    affine = torch.stack([torch.ones(9) / 3, rows.flatten() / 6**0.5, columns.flatten() / 6**0.5])  # orthonormal
    return torch.eye(9) - affine.T @ affine
