"""The color transform that the network gives out: a global one in Lab, and a map of local affine ones in sRGB.

This form needs a look-up and a bilinear upsampling at full resolution, whatever the network's own size, and keeps every
detail. PCT-Net (Guerreiro et al. 2023) found affine maps to be the best in accuracy for their size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...core.lab import lab_to_rgb, rgb_to_lab

UNIT = 25.0  # of Lab, in which the transform is written
TERMS = 8  # of the polynomial that each channel's change is
APART = 0.7  # of the distance between two of the object's hues, the least that a change leaves
LOCAL = 12  # numbers of an affine change: a matrix [3,3], then an offset [3]


@dataclass(frozen=True)
class ColorTransform:
    """A change of colors for each picture of a batch; all zeros change nothing."""

    center: Tensor  # [B,3,1,1], the object's mean in Lab: the terms are about it
    curve: Tensor  # [B,3,TERMS]
    local: Tensor  # [B,LOCAL,h,w], over the square that the network saw

    def scaled(self, strength: float) -> ColorTransform:
        """The same change, by another amount: 0 changes nothing, 1 is as it was, more goes beyond."""
        return replace(self, curve=self.curve * strength, local=self.local * strength)

    def hues_apart(self, least: float = APART) -> ColorTransform:
        """The same change, but hues that differ stay different: no light makes gray of a red and green costume.

        The change of a and b by a and b is linear at the object's mean. Its singular values are at least `least`.
        """
        curve, own = self.curve.clone(), torch.eye(2)
        left, lengths, right = torch.linalg.svd(own + curve[:, 1:, 2:4].float().cpu())  # not every device has it
        held = (left * lengths.clamp_min(least)[:, None]) @ right - own
        narrow = (lengths[:, -1] < least).to(curve.device)
        curve[:, 1:, 2:4] = torch.where(narrow[:, None, None], held.to(curve), curve[:, 1:, 2:4])
        return replace(self, curve=curve)

    def everywhere(self, image: Tensor) -> Tensor:
        """The global change of images [B,3,H,W], sRGB in 0-1."""
        lab = rgb_to_lab(image)
        change = torch.einsum("bck,bkhw->bchw", self.curve, _terms((lab - self.center) / UNIT))
        return _to_rgb(lab + UNIT * change)

    def in_place(self, image: Tensor) -> Tensor:
        """The local change of images [B,3,H,W], sRGB in 0-1, that show the network's square."""
        return local_change(image, interpolate(self.local, image.shape[-2:], mode="bilinear", align_corners=False))

    def __call__(self, image: Tensor) -> Tensor:
        """Both changes of images [B,3,H,W] that show the network's square."""
        return self.in_place(self.everywhere(image))


def local_change(image: Tensor, local: Tensor) -> Tensor:
    """Each pixel of images [B,3,H,W] changed by its own affine numbers [B,LOCAL,H,W]."""
    matrix, offset = local[:, :9].unflatten(1, (3, 3)), local[:, 9:]
    return (image + (matrix * (image - 0.5)[:, None]).sum(2) + offset).clamp(0, 1)


def _terms(offset: Tensor) -> Tensor:
    """The polynomial's terms [B,TERMS,H,W] at offsets [B,3,H,W] from the center, in units of UNIT.

    Powers are of a squashed lightness, so that far from the object's mean the change stays as straight as it was.
    """
    light, a, b = offset.unbind(1)
    bent = light.tanh()
    return torch.stack((torch.ones_like(light), light, a, b, bent**2, bent**3, bent * a, bent * b), dim=1)


def _to_rgb(lab: Tensor) -> Tensor:
    return lab_to_rgb(torch.cat((lab[:, :1].clamp(0, 100), lab[:, 1:].clamp(-128, 128)), dim=1)).clamp(0, 1)
