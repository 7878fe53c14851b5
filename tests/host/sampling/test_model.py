import comfy.model_sampling
import pytest
import torch
from tiny_models import tiny_model

from diff_harmonization.host.sampling.model import family, sigmas_for


@pytest.mark.parametrize(("version", "prediction"), [(1, "EPS"), (2, "EPS"), (2, "V_PREDICTION")])
def test_family_is_recognized(version, prediction):
    model = tiny_model(version, prediction)
    assert family(model) is model.model.diffusion_model


def test_other_networks_are_refused(model):
    model.add_object_patch("diffusion_model", torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match=r"^`model`: got Linear.*SD1\.5, SD2 or SDXL"):
        family(model)


def test_pooled_conditioning_is_refused(model):
    model.model.diffusion_model.num_classes = "sequential"
    with pytest.raises(ValueError, match="SDXL"):
        family(model)


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
