"""UNets whose weights are the host's own quantized tensors."""

from __future__ import annotations

import json
from pathlib import Path

import comfy.quant_ops
import comfy.sd
import torch
from checkpoints import SD1, Weights, unet_shapes
from comfy.model_patcher import ModelPatcher
from safetensors.torch import save_file


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
