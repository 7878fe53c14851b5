"""UNets out of GGUF files, with what the loaders that users have for them do to a MODEL.

The bytes are real: written, read and unpacked with the package of the format's makers. The rest is a stand-in with the
traits by which such a loader differs from the host's own:

- a weight is a tensor class of its own: its memory holds bytes, its shape is the one of the numbers they stand for, and
  `clone` and `detach` give the weight itself;
- the layers have no weights before a file is read, unpack them whenever they are called, and give the host a state
  dict of tensors without memory;
- the patcher hangs patches on a weight of bytes, and the layer applies them once the weight is unpacked.
"""

from __future__ import annotations

from pathlib import Path

import comfy.lora
import comfy.ops
import comfy.sd
import comfy.utils
import gguf
import torch
from checkpoints import SD1, Weights, unet_shapes
from comfy.model_patcher import ModelPatcher
from gguf import GGMLQuantizationType as Kind
from safetensors.torch import save_file
from torch import Tensor, nn

PLAIN = (Kind.F32, Kind.F16)
SHAPE = "comfy.gguf.orig_shape."  # under which a file tells the shape of a weight whose rows are no whole blocks


class Packed(Tensor):
    """Bytes of a kind of GGUF, with the shape of the numbers that they stand for."""

    kind: Kind
    numbers: torch.Size
    patches: list

    @classmethod
    def of(cls, data: Tensor, kind: Kind, numbers: torch.Size, patches: list) -> Packed:
        packed = data.as_subclass(cls)
        packed.kind, packed.numbers, packed.patches = kind, numbers, patches
        return packed

    @property
    def shape(self) -> torch.Size:
        return getattr(self, "numbers", None) or self.size()

    def to(self, *args, **kwargs):
        return self.of(super().to(*args, **kwargs), self.kind, self.numbers, list(self.patches))

    def clone(self, *args, **kwargs):
        return self

    def detach(self):
        return self

    def new_empty(self, size, *args, **kwargs):
        """By which a tensor of its own kind can be copied."""
        return self.of(super().new_empty(size, *args, **kwargs), self.kind, torch.Size(size), [])


class Sealed(Packed):
    """Bytes that cannot be copied."""

    def new_empty(self, *args, **kwargs):
        raise NotImplementedError("No.")


def is_bytes(weight: Tensor | None) -> bool:
    return isinstance(weight, Packed) and weight.kind not in PLAIN


def unpacked(weight: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    if not isinstance(weight, Packed):
        return weight if weight is None else weight.to(dtype)
    held = weight.as_subclass(Tensor)
    if not is_bytes(weight):
        return held.to(dtype)
    numbers = torch.from_numpy(gguf.quants.dequantize(held.numpy(), weight.kind)).reshape(weight.shape).to(dtype)
    for patches, key in weight.patches:
        numbers = comfy.lora.calculate_weight(patches, numbers, key)
    return numbers


class Unpacking(nn.Module):
    """A layer of the host whose weights may be bytes."""

    comfy_cast_weights = True

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, *others):
        for name in ("weight", "bias"):
            if (found := state_dict.get(prefix + name)) is not None:
                setattr(self, name, nn.Parameter(found, requires_grad=False))
            elif name == "weight":
                missing_keys.append(prefix + name)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        for name in ("weight", "bias"):
            if (held := getattr(self, name)) is not None:
                destination[prefix + name] = torch.zeros_like(held.as_subclass(Tensor), device="meta")

    def forward_comfy_cast_weights(self, values, *args, **kwargs):
        return self.compute(values, unpacked(self.weight, values.dtype), unpacked(self.bias, values.dtype))


class Operations(comfy.ops.manual_cast):
    class Linear(Unpacking, comfy.ops.manual_cast.Linear):
        def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
            nn.Module.__init__(self)
            self.in_features, self.out_features, self.weight, self.bias = in_features, out_features, None, None

        def compute(self, values, weight, bias):
            return nn.functional.linear(values, weight, bias)

    class Conv2d(Unpacking, comfy.ops.manual_cast.Conv2d):
        def compute(self, values, weight, bias):
            return self._conv_forward(values, weight, bias)


class Patcher(ModelPatcher):
    """Hangs patches on weights of bytes instead of adding them."""

    def patch_weight_to_device(self, key, device_to=None, inplace_update=False, **others):
        weight = comfy.utils.get_attr(self.model, key)
        if key not in self.patches or not is_bytes(weight):
            return super().patch_weight_to_device(key, device_to, inplace_update, **others)
        moved = weight.to(device_to)
        moved.patches = [(self.patches[key], key)]
        return comfy.utils.set_attr_param(self.model, key, moved)

    def unpatch_model(self, device_to=None, unpatch_weights=True):
        for weight in self.model.parameters() if unpatch_weights else ():
            if is_bytes(weight):
                weight.patches = []
        return super().unpatch_model(device_to, unpatch_weights)

    def load(self, *args, force_patch_weights=False, **kwargs):
        return super().load(*args, force_patch_weights=True, **kwargs)

    def clone(self, *args, **kwargs):
        own, self.__class__ = self.__class__, Patcher
        cloned = super().clone(*args, **kwargs)
        self.__class__, cloned.__class__ = own, Patcher
        return cloned


def gguf_and_plain(folder: Path, kind: Kind, tensors: type[Packed] = Packed) -> tuple[ModelPatcher, ModelPatcher]:
    """A narrow SD1 UNet from a GGUF file, and one of the numbers that its bytes stand for, loaded by the host.

    Args:
        folder: for their files.
        kind: of the matrices and kernels; all else is F32.
        tensors: the class of the first one's weights.
    """
    make, plain = Weights(), {}
    writer = gguf.GGUFWriter(folder / "unet.gguf", "sd1")
    for name, shape in unet_shapes(**SD1).items():
        weight = make(name, shape).float().numpy()
        rows = weight.reshape(-1, 320) if weight.size % 320 == 0 else weight
        whole = len(shape) == 1 or rows is weight
        data = weight if whole else gguf.quants.quantize(rows, kind)
        numbers = weight if whole else gguf.quants.dequantize(data, kind).reshape(shape)
        plain[name] = torch.from_numpy(numbers).contiguous().clone()
        writer.add_tensor(name, data, raw_dtype=Kind.F32 if whole else kind)
        writer.add_array(SHAPE + name, list(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(plain, folder / "unet.safetensors")
    with torch.inference_mode():
        weights = read(folder / "unet.gguf", tensors)
        loaded = comfy.sd.load_diffusion_model_state_dict(weights, model_options={"custom_operations": Operations})
        return Patcher.clone(loaded), comfy.sd.load_diffusion_model(str(folder / "unet.safetensors"))


def read(file: Path, tensors: type[Packed]) -> dict[str, Tensor]:
    """The weights of a file, in the memory that is mapped on it."""
    reader, found = gguf.GGUFReader(file, "c"), {}
    for entry in reader.tensors:
        field = reader.get_field(SHAPE + entry.name)
        shape = torch.Size(int(field.parts[index][0]) for index in field.data)
        data = torch.from_numpy(entry.data)
        data = data.reshape(shape) if entry.tensor_type in PLAIN else data
        found[entry.name] = tensors.of(data, entry.tensor_type, shape, [])
    return found
