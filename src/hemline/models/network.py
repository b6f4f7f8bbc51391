"""What every network shares: the input rule, normalisation, and the size check."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hemline.errors import ShapeError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

Stages = list[dict[str, Tensor]]
"""Raw outputs of each supervised stage, the final one last; see `Network`."""


class Network(nn.Module, ABC):
    """A keypoint network: photos in, raw outputs of all stages out.

    A subclass builds its layers, sets the two strides, and writes `stages`.

    Outputs by name, for K keypoints and maps of (h, w) = (H, W) / output_stride:
        heatmaps   (B, K, h, w)   map values, or logits of beliefs: the loss and codec decide
        background (B, 1, h, w)   the map of "no keypoint here"
        paf        (B, 2L, h, w)  part affinity fields, x and y of each limb in turn; or (B, L, h, w) their lengths
        near       (B, K, h, w)   logits of "this cell is near the keypoint"
        offsets    (B, 2K, h, w)  from cell centre to keypoint in radii of the codec, x of all keypoints, then y
        simcc_x    (B, K, W * bins), simcc_y (B, K, H * bins)  logits along each axis
        coordinates (B, K, 2)     x and y as shares of the crop, 0 to 1

    Args:
        mean, std: of the RGB channels, on a scale of 0 to 1.

    Attributes:
        output_stride: input pixels per output cell.
        size_multiple: input height and width must be multiples of this.
        only_size: side of the only square input that fits, for networks with layers that depend on it.
    """

    output_stride: int
    size_multiple: int
    only_size: int | None = None
    mean: Tensor
    std: Tensor

    def __init__(self, *, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, images: Tensor) -> Stages:
        """Run all stages.

        Args:
            images: (B, 3, H, W) RGB, 0 to 255, any dtype.
        Returns:
            one dict of named outputs per stage, the final one last.
        Raises:
            ShapeError: H or W is not a multiple of `size_multiple`, or not `only_size`; names the size that fits.
        """
        height, width = images.shape[-2:]
        if self.only_size is not None and (height, width) != (self.only_size, self.only_size):
            raise ShapeError(
                f"this {type(self).__name__} was built for {self.only_size} x {self.only_size} input, "
                f"got {height} x {width}; crop to {self.only_size}, or build and train it with another input.size"
            )
        check_multiple(height, width, self.size_multiple, subject=type(self).__name__)
        return self.stages((images.to(self.mean.dtype) - self.mean) / self.std)

    @abstractmethod
    def stages(self, images: Tensor) -> Stages:
        """Map normalised images (B, 3, H, W) to the outputs of all stages."""

    def backbone_parameters(self) -> list[nn.Parameter]:
        """List the parameters that came pretrained, for a learning rate of their own."""
        backbone = getattr(self, "backbone", None)
        return list(backbone.parameters()) if backbone is not None else []

    def freeze_backbone_norm(self) -> None:
        """Make the backbone's batch norm use its stored statistics until `train` is called again."""
        fix_norm(getattr(self, "backbone", nn.Module()))


def check_multiple(height: int, width: int, multiple: int, *, subject: str) -> None:
    """Make sure that an input fits a network's strides.

    Raises:
        ShapeError: a side is not a multiple; names the size that fits.
    """
    if height % multiple or width % multiple:
        fitting = [-(-side // multiple) * multiple for side in (height, width)]
        raise ShapeError(
            f"{subject} needs a height and width that are multiples of {multiple}, "
            f"got {height} x {width}; use {fitting[0]} x {fitting[1]}"
        )


def fix_norm(part: nn.Module) -> None:
    """Make a part's batch norm use its stored statistics until `train` is called again."""
    for module in part.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
