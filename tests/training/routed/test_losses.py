from dataclasses import replace

import pytest
import torch
from routed_networks import random_transform

from diff_harmonization.data.recoloring.lab import to_lab, to_rgb
from diff_harmonization.methods.routed.transform import LOCAL
from diff_harmonization.training.routed.losses import (
    GLOBAL_SHARE,
    HARM,
    LAB_UNIT,
    SMOOTHNESS,
    SQUARE_UNIT,
    losses,
    object_errors,
    roughness,
)
from diff_harmonization.training.routed.sampler import Batch


@pytest.fixture
def batch():
    """Two gray-green pictures whose object, a large and a small box, is too dark."""
    truth = torch.full((2, 3, 16, 16), 0.5) + 0.1 * torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(2, 1, 16, 16)
    mask[0, :, 2:12, 3:13], mask[1, :, 4:8, 4:8] = 1, 1
    composite = torch.lerp(truth, 0.8 * truth, mask)
    return Batch(composite, mask, mask, composite, mask, truth)


def test_the_truth_has_no_error(batch):
    assert object_errors(batch.truth, batch).tolist() == [0, 0]


def test_the_error_by_hand(batch):
    """One object 6 of Lab's lightness off, the other 3 of its b; their squares in levels of 255 on top."""
    lab = to_lab(batch.truth)
    shift = torch.zeros(2, 3, 1, 1)
    shift[0, 0], shift[1, 2] = 6.0, 3.0
    image = to_rgb(lab + shift)
    squared = (255 * (image - batch.truth)).square().mean(1)
    objects = squared[0, 2:12, 3:13].mean().item(), squared[1, 4:8, 4:8].mean().item()
    expected = [6 / LAB_UNIT + objects[0] / SQUARE_UNIT, 3 / LAB_UNIT + objects[1] / SQUARE_UNIT]
    assert object_errors(image, batch).tolist() == pytest.approx(expected, rel=1e-3)


def test_the_scene_does_not_count(batch):
    elsewhere = torch.lerp(torch.rand_like(batch.truth), batch.truth, batch.mask)
    assert object_errors(elsewhere, batch).tolist() == [0, 0]


def test_how_large_an_object_is_does_not_count(batch):
    flat = replace(batch, truth=torch.full_like(batch.truth, 0.5))
    large, small = object_errors(0.9 * flat.truth, flat).tolist()
    assert large == pytest.approx(small, rel=1e-5) and large > 0


def test_an_object_of_less_than_a_pixel_does_not_blow_up(batch):
    speck = torch.zeros_like(batch.mask)
    speck[:, :, 5, 5] = 0.01
    faint = replace(batch, mask=speck)
    errors = object_errors(0.5 * batch.truth, faint)
    assert (errors > 0).all() and (errors < 0.1).all()


def test_roughness_by_hand():
    local = torch.zeros(1, 1, 2, 3)
    local[0, 0, 0, 1] = 1.0
    assert roughness(local).item() == pytest.approx(2 / 4 + 1 / 3)
    assert roughness(torch.full((2, LOCAL, 4, 4), 0.7)).item() == 0


def test_terms(batch):
    transform = random_transform(2, size=(4, 4))
    terms = losses(transform, batch)
    assert terms.keys() == {"whole", "global", "harm", "smoothness"}
    everywhere = transform.everywhere(batch.composite)
    assert terms["whole"].item() == pytest.approx(object_errors(transform(batch.composite), batch).mean().item())
    assert terms["global"].item() == pytest.approx(GLOBAL_SHARE * object_errors(everywhere, batch).mean().item())
    assert terms["smoothness"].item() == pytest.approx(SMOOTHNESS * roughness(transform.local).item())


def test_only_what_comes_out_worse_is_harm(batch):
    """The first object is too dark and stays so; the second one fitted, and is moved."""
    composite = torch.cat((batch.composite[:1], batch.truth[1:]))
    fitting = replace(batch, composite=composite, seen=composite)
    transform = random_transform(2, size=(4, 4))
    transform.curve[0], transform.local[0] = 0, 0
    moved = object_errors(transform(composite), fitting)[1].item()
    assert losses(transform, fitting)["harm"].item() == pytest.approx(HARM * moved / 2, rel=1e-3) and moved > 0.01


def test_what_the_network_sees_is_not_what_counts(batch):
    """The transform is applied to the clean composite."""
    transform = random_transform(2, size=(4, 4))
    seen = replace(batch, seen=torch.rand_like(batch.seen), seen_mask=torch.zeros_like(batch.mask))
    for name, value in losses(transform, seen).items():
        assert value.item() == losses(transform, batch)[name].item()


def test_the_error_has_a_gradient_towards_the_truth(batch):
    """A step against the gradient of a lightness shift brightens the dark objects."""
    transform = random_transform(2, size=(4, 4), amount=0.0)
    transform.curve.requires_grad_()
    sum(losses(transform, batch).values()).backward()
    assert (transform.curve.grad[:, 0, 0] < 0).all()
