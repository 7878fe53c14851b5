import comfy.model_sampling
import comfy.sd
import pytest
import torch
from checkpoints import write_refiner_unet
from tiny_models import CONTEXT_DIM, SDXL, SDXL_CONTEXT, tiny_model, tiny_transformer

from diff_harmonization.host.diffharmony.harmonizer import require_unet
from diff_harmonization.host.sampling.model import family, require_text_width, sigmas_for

MODELS = [(1, "EPS"), (2, "EPS"), (2, "V_PREDICTION"), (SDXL, "EPS"), (SDXL, "V_PREDICTION")]


@pytest.mark.parametrize(("version", "prediction"), MODELS)
def test_family_is_recognized(version, prediction):
    model = tiny_model(version, prediction)
    assert family(model) is model.model.diffusion_model


def test_other_networks_are_refused(model):
    model.add_object_patch("diffusion_model", torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"^`model`: got Linear.*SD1\.5, SD2 or SDXL"):
        family(model)


def test_other_pooled_conditioning_than_sdxls_is_refused(model):
    model.model.diffusion_model.num_classes = "sequential"
    with pytest.raises(ValueError, match="SDXL Refiner's or unCLIP's"):
        family(model)


@pytest.mark.parametrize("name", ["SD3", "Flux"])
def test_transformers_are_refused_in_one_sentence(name):
    with pytest.raises(ValueError, match=rf"got \w+ \({name}\), expected a UNet of SD1\.5, SD2 or SDXL") as error:
        family(tiny_transformer(name))
    assert "\n" not in str(error.value)


def test_sdxls_refiner_is_refused(tmp_path):
    model = comfy.sd.load_diffusion_model(str(write_refiner_unet(tmp_path / "refiner.ckpt")))
    with pytest.raises(ValueError, match=r"SDXL Refiner's or unCLIP's \(SDXLRefiner\), expected a UNet"):
        family(model)


def test_texts_of_another_family_are_refused():
    require_text_width(tiny_model(SDXL), SDXL_CONTEXT)
    with pytest.raises(ValueError, match=f"^`clip`: it gives texts {CONTEXT_DIM} numbers wide.* {SDXL_CONTEXT}"):
        require_text_width(tiny_model(SDXL), CONTEXT_DIM)


def test_diffharmony_has_no_use_for_sdxl():
    with pytest.raises(ValueError, match="^`model`: got SDXL's UNet, expected DiffHarmony's"):
        require_unet(tiny_model(SDXL, channels=9))


def test_flow_prediction_is_refused(model):
    class Flow(comfy.model_sampling.ModelSamplingDiscreteFlow, comfy.model_sampling.CONST):
        pass

    model.add_object_patch("model_sampling", Flow())
    with pytest.raises(ValueError, match="neither eps nor v.*CONST"):
        family(model)


def test_sigmas_are_the_hosts_ddim_uniform(model):
    sigmas = sigmas_for(model, 50)
    table = model.model.model_sampling.sigmas
    assert sigmas[-1] == 0 and sigmas[-2] == table[1] and sigmas[0] == table[981] and len(sigmas) == 51
    assert (sigmas[:-1] > sigmas[1:]).all()
    with pytest.raises(ValueError, match="at least 1"):
        sigmas_for(model, 0)
