"""Runs an engine stage inside the host's sampling, so that LoRA, ControlNet, hooks and wrappers stay in effect."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import Any, TypeVar

import comfy.conds
import comfy.model_management
import comfy.sampler_helpers
import comfy.samplers
import torch
from comfy.model_patcher import ModelPatcher, create_model_options_clone
from comfy.patcher_extension import WrappersMP, add_wrapper_with_key
from torch import Tensor

from ...attention.control import AttentionControl, Kind, kinds_of
from ...core.errors import InputError
from ...methods.zero_shot.contexts import Context, PooledContext, tokens_of
from ...methods.zero_shot.types import Denoiser
from .attention import ControlledAttention, Options, differentiable_attention, plain_attention
from .gradients import differentiable, engine_boundary, owned
from .saved import RESERVE, can_spare, sparing
from .shared_rows import shared_rows

T = TypeVar("T")
Conditioning = list[list[Any]]  # the host's CONDITIONING: [[text tensor, options], ...]
ROWS_PER_IMAGE = 3  # an edit evaluates up to three rows for each image in one call; memory is reserved for them
# With gradients, in the same unit: a backward pass keeps 2.7 GiB for an image at SD2's size, and the host counts
# 0.16 GiB for a row where its attention is fused.
ROWS_WITH_GRADIENTS = 18
LATENT_SCALE = 8  # pixels to a latent's cell: with it the host tells SDXL the size of the picture
_KEY = "diff_harmonization"


def with_denoiser(
    model: ModelPatcher,
    latent: Tensor,
    stage: Callable[[Denoiser, Tensor], T],
    sigmas: Tensor,
    conditioning: Conditioning | None = None,
    gradients: bool = False,
    reserve: int = RESERVE,
) -> T:
    """Calls `stage(denoise, latent)` with the model loaded and prepared as for the host's own samplers.

    Args:
        model: the host's MODEL, of the SD1, SD2 or SDXL family (see `model.family`).
        latent: LATENT samples [B,C,h,w] as the host hands them around; the stage gets them in model space.
        stage: gets a `Denoiser` and the latent.
        sigmas: [N+1], the noise levels that the stage will visit; hooks and ControlNets are scheduled on them.
        conditioning: its non-text entries (ControlNet, hooks, areas) apply to every row of every call.
        gradients: whether the stage differentiates. The model is then a private copy in float32; gradients
            flow to latent and context, not through a ControlNet.
        reserve: bytes of the device that stay free of what a backward pass keeps of the model; the rest goes to the
            CPU's memory.

    Returns:
        What the stage returned.

    Raises:
        InputError: when the latent does not fit the model.
    """
    channels = model.get_model_object("latent_format").latent_channels
    if latent.ndim != 4 or latent.shape[1] != channels:
        raise InputError(
            "latent",
            f"the model works on latents [B,{channels},h,w], got shape {tuple(latent.shape)}. Encode the picture with "
            f"the VAE that belongs to this model.",
        )
    with ExitStack() as stack:
        if gradients:
            stack.enter_context(engine_boundary())
            model = stack.enter_context(differentiable(model))
            latent, sigmas, conditioning = owned(latent), owned(sigmas), owned(conditioning)
        else:
            stack.enter_context(torch.no_grad())
        sampler = _StageSampler(stage, gradients, reserve)
        guider = _StageGuider(model, conditioning, gradients)
        try:
            guider.sample(torch.zeros_like(latent), latent, sampler, sigmas, disable_pbar=True)
        except BaseException:
            guider.abandon()
            raise
        return sampler.result


def to_latent_out(model: ModelPatcher, latent: Tensor) -> Tensor:
    """A latent in model space as LATENT samples, on the host's intermediate device."""
    out = model.model.process_latent_out(latent.detach().to(torch.float32))
    return out.to(comfy.model_management.intermediate_device())


class _StageGuider(comfy.samplers.CFGGuider):
    """Prepares model and conditioning; the stage itself decides what to evaluate."""

    def __init__(self, model: ModelPatcher, conditioning: Conditioning | None, gradients: bool) -> None:
        super().__init__(model)
        entries = conditioning or [[None, {}]]
        # The host asks SDXL's entries for a pooled output beforehand; each call brings its own.
        pooled = {"pooled_output": torch.zeros(1, 1)}
        self.inner_set_conds({"positive": [[None, pooled | options] for _, options in entries]})
        self.model_options = create_model_options_clone(self.model_patcher.model_options)
        # Another node may reach into the network by these: what it does to a row is not ours to know.
        self.alone = not self.model_options.get("transformer_options") and not any("hooks" in o for _, o in entries)
        if gradients:
            self.model_options = differentiable_attention(self.model_options)
        else:
            self.model_options = plain_attention(self.model_options, model.load_device)

        def prepare(executor, patcher, noise_shape, *args, **kwargs):
            if gradients:
                kwargs["force_full_load"] = True
            rows = ROWS_WITH_GRADIENTS if gradients else ROWS_PER_IMAGE
            # The host itself counts two rows for each image.
            return executor(patcher, [-(-noise_shape[0] * rows // 2), *noise_shape[1:]], *args, **kwargs)

        add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, _KEY, prepare, self.model_options, is_model_options=True)

    def abandon(self) -> None:
        """What the host would have done after sampling, had the stage not raised."""
        if hasattr(self, "loaded_models"):
            comfy.sampler_helpers.cleanup_models(self.conds, self.loaded_models)


class _StageSampler(comfy.samplers.Sampler):
    def __init__(self, stage: Callable[[Denoiser, Tensor], Any], gradients: bool, reserve: int) -> None:
        self.stage, self.gradients, self.reserve = stage, gradients, reserve
        self.result: Any = None

    def sample(self, *args: Any, **kwargs: Any) -> Any:
        """As the host calls it: (guider, sigmas, extra_args, callback, noise, latent_image, mask, no_bar)."""
        guider, _, extra_args, _, _, latent = args[:6]
        denoise = _HostDenoiser(guider, extra_args["model_options"], self.gradients, self.reserve)
        with shared_rows(guider.inner_model.diffusion_model) if guider.alone else nullcontext():
            self.result = self.stage(denoise, latent)
        return latent


class _HostDenoiser:
    """The engine's `Denoiser` over the host's `calc_cond_batch`.

    A call is one conditioning entry that holds all rows, so the host cannot split them when memory is tight.
    """

    def __init__(self, guider: _StageGuider, options: Options, gradients: bool, reserve: int) -> None:
        self.model, self.device, self.options = guider.inner_model, guider.model_patcher.load_device, options
        self.controlled: dict[tuple[Kind, ...], ControlledAttention] = {}
        self.gradients, self.reserve = gradients, reserve
        self.spares = gradients and can_spare(self.model.diffusion_model, self.device)
        self.entries = [_gradient_free(entry) if gradients else entry for entry in guider.conds["positive"]]
        self.sigma_min = float(self.model.model_sampling.sigma_min)

    def __call__(
        self, latent: Tensor, sigma: Tensor | float, context: Context, control: AttentionControl | None = None
    ) -> Tensor:
        if len(context) != len(latent):
            raise InputError(
                "context", f"got {len(context)} rows, expected a context row for each of {len(latent)} latents."
            )
        if control is None:
            return self._eps(latent, sigma, context, self.options)
        kinds = kinds_of(control)
        if kinds not in self.controlled:
            unet = self.model.diffusion_model
            self.controlled[kinds] = ControlledAttention(unet, self.options, self.gradients, kinds)
        controlled = self.controlled[kinds]
        controlled.control = control
        try:
            return self._eps(latent, sigma, context, controlled.options)
        finally:
            controlled.control = None

    def _eps(self, latent: Tensor, sigma: Tensor | float, context: Context, options: Options) -> Tensor:
        # At sigma 0 the denoised latent says nothing of the noise: predict it at the schedule's least level.
        level = max(float(sigma), self.sigma_min)
        x = latent.to(self.device, torch.float32)
        timestep = torch.full((len(x),), level, device=self.device, dtype=torch.float32)
        context = context.to(self.device, torch.float32)
        entries = [
            {**entry, "model_conds": {**entry["model_conds"], **self._text(entry, context, x)}}
            for entry in self.entries
            if entry.get("timestep_end", 0.0) <= level <= entry.get("timestep_start", float("inf"))
        ]
        # Outside every entry's range of timesteps, the text stands alone.
        entries = entries or [{"model_conds": self._text({}, context, x), "uuid": uuid.uuid4()}]
        with sparing(self.reserve) if self.spares and torch.is_grad_enabled() else nullcontext():
            denoised = comfy.samplers.calc_cond_batch(self.model, [entries], x, timestep, options)[0]
        return ((x - denoised) / level).to(latent.device)

    def _text(self, entry: dict[str, Any], context: Context, x: Tensor) -> dict[str, Any]:
        """What an entry's rows read of their texts: a context each, and SDXL's pooled output with the picture's size.

        The entry's own size, from a node such as CLIPTextEncodeSDXL, wins over that of the latents x [B,C,h,w].
        """
        conds: dict[str, Any] = {"c_crossattn": comfy.conds.CONDCrossAttn(tokens_of(context))}
        if isinstance(context, PooledContext):
            size = {"width": x.shape[3] * LATENT_SCALE, "height": x.shape[2] * LATENT_SCALE}
            given = size | entry | {"pooled_output": context.pooled, "device": self.device}
            conds["y"] = comfy.conds.CONDRegular(self.model.encode_adm(**given))
        return conds


class _FrozenControl:
    """A ControlNet evaluated without gradients: its weights are the host's, which autograd refuses."""

    def __init__(self, control: Any) -> None:
        self.control = control

    @torch.no_grad()
    def get_control(self, x_noisy: Tensor, t: Tensor, cond: dict, batched_number: int, *args: Any) -> Any:
        cond = {key: value.detach() if torch.is_tensor(value) else value for key, value in cond.items()}
        control = self.control.get_control(x_noisy.detach(), t, cond, batched_number, *args)
        return control and {place: list(map(_beside, outputs)) for place, outputs in control.items()}


class _Beside(Tensor):
    """A ControlNet's output. The host adds it in place to what autograd may have kept; this gives the sum instead."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        func = Tensor.add if func in (Tensor.add_, Tensor.__iadd__) else func
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs or {})


def _beside(output: Tensor | None) -> Tensor | None:
    return None if output is None else output.as_subclass(_Beside)


def _gradient_free(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "control": _FrozenControl(entry["control"])} if entry.get("control") is not None else entry
