import pytest
import torch
from kornia.color import rgb_to_lab
from routed_networks import ARCHITECTURES, lively_network, squares

from diff_harmonization.core.weights import shipped_weights
from diff_harmonization.methods.routed import instances
from diff_harmonization.methods.routed.network import (
    HIDDEN,
    LEVELS,
    LOCAL_SCALE,
    SIDE,
    Architecture,
    RoutedNetwork,
    region_means,
)
from diff_harmonization.methods.routed.transform import LOCAL, TERMS
from diff_harmonization.training.files import weights_of, write_weights


def numbers_of(network, *seen):
    with torch.no_grad():
        transform = network(*seen)
    return torch.cat((transform.curve.flatten(1), transform.local.flatten(1)), dim=1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_new_network_proposes_no_change(architecture):
    image, mask, importance = squares()
    with torch.no_grad():
        transform = RoutedNetwork(architecture).eval()(image, mask, importance)
    assert transform.curve.abs().max() == 0 and transform.local.abs().max() == 0
    assert torch.allclose(transform(image), image, atol=5e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_squares_become_a_transform(architecture):
    image, mask, importance = squares(batch=3)
    with torch.no_grad():
        transform = lively_network(architecture)(image, mask, importance)
    assert transform.center.shape == (3, 3, 1, 1)
    assert transform.curve.shape == (3, 3, TERMS)
    assert transform.local.shape == (3, LOCAL, SIDE // 8, SIDE // 8)
    assert (transform(image) - image).abs().mean() > 0.005


def test_the_center_is_the_objects_mean_in_lab():
    image, mask, importance = squares()
    with torch.no_grad():
        transform = RoutedNetwork().eval()(image, mask, importance)
    expected = rgb_to_lab(image)[:, :, 40:90, 30:100].mean((2, 3))
    assert torch.allclose(transform.center.flatten(1), expected, atol=0.01)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_pictures_of_a_batch_do_not_meet(architecture):
    network, (image, mask, importance) = lively_network(architecture), squares()
    both = numbers_of(network, image, mask, importance)
    for row in range(2):
        alone = numbers_of(network, *(values[row : row + 1] for values in (image, mask, importance)))
        assert torch.allclose(alone[0], both[row], atol=1e-5)
    assert not torch.allclose(both[0], both[1], atol=1e-3)


def test_the_object_is_told_from_the_scene():
    network, (image, mask, importance) = lively_network(), squares()
    moved = numbers_of(network, image, mask.roll(20, -1), importance)
    assert not torch.allclose(moved, numbers_of(network, image, mask, importance), atol=1e-3)


@pytest.mark.parametrize("transformer", [True, False])
def test_who_looks_like_the_object_matters(transformer):
    """In the blocks, and in one more average over the scene: without blocks that route, the average is left."""
    network = lively_network(Architecture(importance=True, transformer=transformer))
    image, mask, importance = squares()
    elsewhere = torch.maximum(mask, importance.flip(-1))
    first, second = (numbers_of(network, image, mask, planes) for planes in (importance, elsewhere))
    assert not torch.allclose(first, second, atol=1e-4)
    local = slice(3 * TERMS, None)
    assert torch.equal(first[:, local], second[:, local]) == (not transformer)


@pytest.mark.parametrize("transformer", [True, False])
def test_without_importance_it_is_not_looked_at(transformer):
    network = lively_network(Architecture(importance=False, transformer=transformer))
    image, mask, importance = squares()
    first, second = (numbers_of(network, image, mask, planes) for planes in (importance, 0.3 * mask))
    assert torch.equal(first, second)


def test_each_part_of_the_ablation_has_weights_of_its_own():
    whole, bare, plain, neither = (
        {name: tuple(value.shape) for name, value in RoutedNetwork(architecture).state_dict().items()}
        for architecture in (
            Architecture(),
            Architecture(importance=False),
            Architecture(transformer=False),
            Architecture(importance=False, transformer=False),
        )
    )
    changed = {name for name in whole if whole[name] != bare[name]}
    assert whole.keys() == bare.keys() and changed == {"head.0.weight", "head.0.bias", "head.1.weight"}
    assert bare["head.1.weight"][1] * 3 == whole["head.1.weight"][1] * 2 and whole["head.1.weight"][0] == HIDDEN
    assert {name.split(".")[0] for name in whole.keys() ^ plain.keys()} == {"levels"}
    assert not any("attention" in name for name in plain)
    assert neither.keys() == plain.keys() and neither["head.1.weight"] == bare["head.1.weight"]


def test_the_decoder_goes_up_level_by_level():
    network, seen = lively_network(), []
    for level in network.levels:
        level[-1].register_forward_hook(lambda _, __, output: seen.append(tuple(output.shape[1:])))
    numbers_of(network, *squares())
    assert seen == [(width, 4 * 2**step, 4 * 2**step) for step, (_, width, _) in enumerate(LEVELS)]
    assert [len(level) for level in network.levels] == [depth for *_, depth in LEVELS]


def test_a_local_change_starts_small():
    network, image = lively_network(), squares()
    before = numbers_of(network, *image)[:, 3 * TERMS :]
    network.local_head.weight.mul_(2)
    assert torch.allclose(numbers_of(network, *image)[:, 3 * TERMS :], 2 * before, atol=1e-5)
    network.local_head.weight.zero_(), network.local_head.bias.fill_(1.0)
    assert torch.allclose(numbers_of(network, *image)[:, 3 * TERMS :], torch.tensor(LOCAL_SCALE))


def test_region_means_by_hand():
    values = torch.arange(16.0).reshape(1, 1, 4, 4)
    top = torch.zeros(1, 1, 8, 8)
    top[..., :4, :] = 1
    assert region_means(values, [top, 1 - top]).tolist() == [[3.5, 11.5]]
    weights = torch.zeros(1, 1, 4, 4)
    weights[..., 0, 1], weights[..., 3, 3] = 0.5, 0.25
    assert region_means(values, [weights]).item() == pytest.approx((0.5 * 1 + 0.25 * 15) / 0.75)
    assert region_means(values, [0 * top, top]).tolist() == [[0.0, 3.5]]
    two = torch.cat((values, 10 * values), dim=1)
    assert region_means(two, [top, 1 - top]).tolist() == [[3.5, 35.0, 11.5, 115.0]]


def test_what_ships_is_small(tmp_path):
    write_weights(weights_of(RoutedNetwork()), tmp_path / "routed.safetensors")
    embedder = shipped_weights(instances.MANIFEST)
    assert (tmp_path / "routed.safetensors").stat().st_size + embedder.stat().st_size <= 20e6
