"""UNets whose weights are no plain numbers: the host's own quantized tensors, and bytes as GGUF files hold them."""

from __future__ import annotations

import json
from pathlib import Path

import comfy.ops
import comfy.quant_ops
import comfy.sd
import torch
from checkpoints import SD1, Weights, unet_shapes
from comfy.model_patcher import ModelPatcher
from safetensors.torch import save_file
from torch import Tensor, nn

SCALE = 4  # bytes of a row's scale


def quantized_and_plain(folder: Path, algorithm: str) -> tuple[ModelPatcher, ModelPatcher]:
    """A narrow SD1 UNet whose attention is quantized, as the host loads it, and one of the numbers they stand for.

    Args:
        folder: for their files.
        algorithm: a name in the host's QUANT_ALGOS.
    """
    layout = comfy.quant_ops.QUANT_ALGOS[algorithm]["comfy_tensor_layout"]
    told = torch.tensor(list(json.dumps({"format": algorithm}).encode()), dtype=torch.uint8)
    make, quantized, plain = Weights(), {}, {}
    for name, shape in unet_shapes(**SD1).items():
        weight = make(name, shape).contiguous().clone()
        if len(shape) == 2 and "attn" in name:
            packed = comfy.quant_ops.QuantizedTensor.from_float(weight.float(), layout)
            quantized |= packed.state_dict(name) | {f"{name.removesuffix('weight')}comfy_quant": told.clone()}
            plain[name] = packed.dequantize()
        else:
            quantized[name] = weight
            plain[name] = weight
    with torch.inference_mode():
        loaded = []
        for kind, weights in (("quantized", quantized), ("plain", plain)):
            save_file(weights, folder / f"{kind}.safetensors")
            loaded.append(comfy.sd.load_diffusion_model(str(folder / f"{kind}.safetensors")))
    return loaded[0], loaded[1]


class Packed(Tensor):
    """Bytes [rows, columns + 4] that stand for numbers: a byte for each, and a scale for each row."""

    @classmethod
    def of(cls, weight: Tensor) -> Packed:
        scale = weight.abs().amax(1, keepdim=True) / 127
        numbers = (weight / scale).round().to(torch.int8).view(torch.uint8)
        return torch.cat((numbers, scale.view(torch.uint8)), 1).as_subclass(cls)

    def new_empty(self, *args, **kwargs):
        """By which a tensor of its own kind can be copied."""
        return super().new_empty(*args, **kwargs).as_subclass(type(self))


class Sealed(Packed):
    """Bytes that cannot be copied."""

    def new_empty(self, *args, **kwargs):
        raise NotImplementedError("No.")


def unpacked(weight: Tensor) -> Tensor:
    held = weight.as_subclass(Tensor)
    return held[:, :-SCALE].contiguous().view(torch.int8) * held[:, -SCALE:].contiguous().view(torch.float32)


class PackedLinear(comfy.ops.manual_cast.Linear):
    """Unpacks its weight whenever it is called."""

    def forward(self, values: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(values)
        return nn.functional.linear(values, unpacked(self.weight).to(values), bias)


def pack(patcher: ModelPatcher, plain: ModelPatcher, kind: type[Packed] = Packed) -> None:
    """Packs the attention's weights of a model, and gives another the numbers that they stand for."""
    twins = dict(plain.model.diffusion_model.named_modules())
    with torch.inference_mode():
        for name, module in patcher.model.diffusion_model.named_modules():
            if isinstance(module, nn.Linear) and "attn" in name:
                weight = kind.of(module.weight.float())
                twins[name].weight.copy_(unpacked(weight))
                module.__class__ = PackedLinear
                module.weight = nn.Parameter(weight, requires_grad=False)
