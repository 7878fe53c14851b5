"""Nodes for tests of the loop, installed beside the pack in the tests' servers. Kept free of the pack's modules."""

import os
import time

import torch
from comfy.model_management import unload_all_models
from comfy.patcher_extension import WrappersMP
from comfy_execution.graph_utils import GraphBuilder

ANY = "*"
INT = ("INT", {"forceInput": True})


class ScriptedScore:
    """The number that the script has for this pass; the word "fail" fails."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", ("FLOAT",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "pass_index": INT, "script": ("STRING", {})}}

    def run(self, image, pass_index, script):
        word = script.split()[pass_index]
        if word == "fail":
            raise RuntimeError(f"The script fails pass {pass_index}.")
        return (float(word),)


class ScriptedTint:
    """The picture, a little brighter on its mask; how much goes by the seed."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "mask": ("MASK",), "seed": INT}}

    def run(self, image, mask, seed):
        return (image + mask[..., None] * 0.001 * (1 + seed),)


class ScriptedPick:
    """One of three, by the seed."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", (ANY,)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"seed": INT} | {f"choice{i}": (ANY, {}) for i in range(3)}}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):
        return True

    def run(self, seed, **choices):
        return (choices[f"choice{seed % 3}"],)


class ScriptedDescriptions(ScriptedPick):
    """Three descriptions in one."""

    RETURN_TYPES = ("DIFFHARM_DESCRIPTIONS",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {f"choice{i}": ("DIFFHARM_DESCRIPTION", {}) for i in range(3)}}

    def run(self, **choices):
        return (tuple(choices.values()),)


class DescriptionAsList:
    """One description as all there are."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", ("DIFFHARM_DESCRIPTIONS",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"description": ("DIFFHARM_DESCRIPTION", {})}}

    def run(self, description):
        return ((description,),)


class ScriptedLoop:
    """A loop of two passes that a node expands to: all of its nodes are shown as this one."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "mask": ("MASK",)}}

    def run(self, image, mask):
        graph = GraphBuilder()
        loop = graph.node("IterateLoop", image=image, mask=mask, seed=0)
        tints = [graph.node("ScriptedTint", image=loop.out(1), mask=loop.out(2), seed=loop.out(3))]
        tints.append(graph.node("ScriptedTint", image=tints[0].out(0), mask=loop.out(2), seed=loop.out(3)))
        score = graph.node("ScriptedScore", image=tints[1].out(0), pass_index=loop.out(4), script="0.1 0.2 0.3")
        limits = {"first_score": 0.1, "k": 1, "max_passes": 2, "new_descriptions": "next seed"}
        end = graph.node("IterateLoopEnd", flow=loop.out(0), image=tints[1].out(0), score=score.out(0), **limits)
        return {"result": (end.out(0),), "expand": graph.finalize()}


class ScriptedList:
    """Two of the same, as a list."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_IS_LIST = "Tests", "run", ("IMAGE",), (True,)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    def run(self, image):
        return ([image, image],)


class ScriptedLUTs:
    """The first so many of two LUTs, as a list."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_IS_LIST = "Tests", "run", ("DIFFHARM_COLOR_LUT",), (True,)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"lut": ("DIFFHARM_COLOR_LUT",), "count": ("INT", {})}}

    def run(self, lut, count):
        return ([lut, lut][:count],)


class ImageAsLatent:
    """For SaveLatent, which keeps every bit."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", ("LATENT",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    def run(self, image):
        return ({"samples": image.clone().to(torch.float32)},)


class ScriptedEnd:
    """Ends the server's process, as the system does when memory runs out."""

    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "Tests", "run", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",)}}

    def run(self, image):
        time.sleep(0.5)  # the server's messages of the run so far go out
        os._exit(9)


class ScriptedTrouble:
    """A MODEL whose network is "slow", or runs out of memory once, at a call of its own: of the "device"'s as a GPU
    does, or of "main" memory as a CPU does."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", ("MODEL",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "way": ("STRING", {}), "call": ("INT", {})}}

    def run(self, model, way, call):
        left = [call]

        def trouble(executor, *args, **kwargs):
            left[0] -= 1
            if way == "slow":
                time.sleep(0.5)
            elif left[0] == 0 and way == "device":
                raise torch.OutOfMemoryError("Allocation on device 0 would exceed allowed memory. (out of memory)")
            elif left[0] == 0:
                torch.empty(2**60, dtype=torch.uint8)
            return executor(*args, **kwargs)

        troubled = model.clone()
        troubled.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "tests", trouble)
        return (troubled,)


class ScriptedPatch:
    """A MODEL as another pack gives it: the cross-attention of the middle block says nothing."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", ("MODEL",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}}

    def run(self, model):
        patched = model.clone()
        patched.set_model_attn2_replace(lambda q, k, v, options: torch.zeros_like(q), "middle", 0)
        return (patched,)


class ScriptedUnload:
    """Hands a value on and lets the host take all models off the device."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", (ANY,)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (ANY, {})}}

    @classmethod
    def VALIDATE_INPUTS(cls, input_types):
        return True

    def run(self, value):
        unload_all_models()
        return (value,)


class ScriptedPicture:
    """A picture like another with a flaw: a number that is none in one pixel, one channel, or no picture at all."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"like": ("IMAGE",), "value": ("STRING", {})}}

    def run(self, like, value):
        if value == "gray":
            return (like[..., :1],)
        if value == "none":
            return (like[:0],)
        flawed = like.clone()
        flawed[0, 0, 0, 0] = float(value)
        return (flawed,)


class ScriptedMask:
    """A mask like another with a number that is none outside of the object, or of truth values."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", ("MASK",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"like": ("MASK",), "value": ("STRING", {})}}

    def run(self, like, value):
        if value == "bool":
            return (like > 0.5,)
        flawed = like.clone()
        flawed[0, 0, 0] = float(value)
        return (flawed,)


class ScriptedNumber:
    """A number that no widget takes, such as nan."""

    CATEGORY, FUNCTION, RETURN_TYPES = "Tests", "run", ("FLOAT",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("STRING", {})}}

    def run(self, value):
        return (float(value),)


KINDS = (
    ScriptedScore,
    ScriptedTint,
    ScriptedPick,
    ScriptedDescriptions,
    DescriptionAsList,
    ScriptedLoop,
    ScriptedList,
    ScriptedLUTs,
    ImageAsLatent,
    ScriptedEnd,
    ScriptedTrouble,
    ScriptedPatch,
    ScriptedUnload,
    ScriptedPicture,
    ScriptedMask,
    ScriptedNumber,
)
NODE_CLASS_MAPPINGS = {kind.__name__: kind for kind in KINDS}
