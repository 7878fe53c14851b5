import pytest
import torch

from diff_harmonization.color import ColorLUT, fit_lut
from diff_harmonization.color.lut import grid_colors
from diff_harmonization.core.errors import InputError


def uniform(count: int = 4096, low: float = 0.0, high: float = 1.0, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(seed)) * (high - low) + low


def affine(x: torch.Tensor) -> torch.Tensor:
    matrix = torch.tensor([[0.7, 0.1, 0.0], [0.05, 0.75, 0.05], [0.0, 0.1, 0.8]])
    return x @ matrix.T + torch.tensor([0.02, 0.03, 0.08])


def gamma(x: torch.Tensor) -> torch.Tensor:
    return (x * torch.tensor([0.75, 0.85, 1.0])).pow(1.3)


@pytest.mark.parametrize("change", [affine, gamma])
def test_recovers_a_known_change_inside_the_data(change):
    x = uniform(low=0.15, high=0.7)
    lut = fit_lut(x, change(x))
    unseen = uniform(500, 0.2, 0.65, seed=1)
    assert lut.size == 33
    assert (lut.sample(unseen) - change(unseen)).abs().max() < 0.012


def test_noise_averages_out():
    x = uniform(low=0.2, high=0.7)
    noisy = affine(x) + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    inside = uniform(500, 0.3, 0.6, seed=1)
    assert (fit_lut(x, noisy).sample(inside) - affine(inside)).abs().mean() < 0.01


def test_unchanged_pairs_give_the_identity():
    x = uniform(low=0.2, high=0.6)
    torch.testing.assert_close(fit_lut(x, x).table, grid_colors(33), atol=1e-6, rtol=0)


def test_a_darkening_goes_on_into_highlights_and_shadows():
    x = uniform(low=0.3, high=0.6)
    lut = fit_lut(x, 0.7 * x)
    grays = torch.linspace(0, 1, 41)[:, None].expand(-1, 3)
    out = lut.sample(grays)
    assert (out[32:] < grays[32:] - 0.12).all()  # highlights never seen are darkened as well
    assert (out <= grays + 1e-3).all()
    assert (out.diff(dim=0) > 0).all()  # no tone reversal, no crushed shadow
    torch.testing.assert_close(out, 0.7 * grays, atol=0.15, rtol=0)


def test_far_colors_change_less_than_near_ones():
    x = uniform(low=0.0, high=0.25)
    lut = fit_lut(x, x + 0.1)
    shift = (
        lut.sample(torch.tensor([[0.2, 0.2, 0.2], [1.0, 0.9, 0.9]])) - torch.tensor([[0.2] * 3, [1.0, 0.9, 0.9]])
    ).abs()
    assert (shift[1] < shift[0]).all()


def test_identity_weight_pulls_unseen_colors_home():
    x = uniform(low=0.2, high=0.3)
    far = torch.tensor([[0.6, 0.6, 0.6]])
    weak, strong = (fit_lut(x, x + 0.1, identity_weight=w).sample(far) - far for w in (1e-4, 1.0))
    assert strong.abs().max() < 0.3 * weak.abs().max()


def test_the_residual_is_smooth():
    x = uniform(low=0.2, high=0.7)
    noisy = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    roughness = [
        (fit_lut(x, noisy, smoothness=s).table - grid_colors(33)).diff(n=2, dim=0).abs().mean() for s in (1e-6, 1e-2)
    ]
    assert roughness[1] < 0.1 * roughness[0]


def test_values_stay_in_range():
    x = uniform()
    lut = fit_lut(x, (x * 1.8 - 0.4).clamp(0, 1))
    assert lut.table.min() >= 0 and lut.table.max() <= 1


def test_images_and_mask_equal_the_masked_pairs():
    before = uniform(64).reshape(1, 8, 8, 3)
    after = before.clone()
    mask = torch.zeros(1, 8, 8)
    mask[:, 2:6, 2:6] = 1
    after[mask > 0] *= 0.8
    after[mask == 0] = 1.0
    pairs = fit_lut(before[mask > 0], after[mask > 0])
    torch.testing.assert_close(fit_lut(before, after, mask).table, pairs.table)


def test_weights_count_as_repetitions():
    x = uniform(300)
    y = affine(x) + 0.02 * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    weights = torch.ones(300)
    weights[:100] = 2
    repeated = fit_lut(torch.cat((x, x[:100])), torch.cat((y, y[:100])))
    torch.testing.assert_close(fit_lut(x, y, weights).table, repeated.table, atol=1e-4, rtol=0)


def test_one_mask_serves_a_batch():
    before = uniform(128).reshape(2, 8, 8, 3)
    after = affine(before)
    mask = torch.ones(1, 8, 8)
    torch.testing.assert_close(fit_lut(before, after, mask).table, fit_lut(before, after).table)


def test_deterministic_and_sized():
    x = uniform(1000)
    first, second = fit_lut(x, gamma(x), size=17, title="one"), fit_lut(x, gamma(x), size=17, title="one")
    assert torch.equal(first.table, second.table)
    assert (first.size, first.title, first.table.dtype) == (17, "one", torch.float32)
    assert isinstance(first, ColorLUT)


def test_one_color_shifts_its_neighbors():
    x = torch.full((1, 3), 0.5)
    out = fit_lut(x, x + 0.1).sample(torch.tensor([[0.5, 0.5, 0.5], [0.6, 0.5, 0.4]]))
    torch.testing.assert_close(out, torch.tensor([[0.6, 0.6, 0.6], [0.7, 0.6, 0.5]]), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("before", "after", "mask", "match"),
    [
        (torch.rand(1, 4, 4, 3), torch.rand(1, 5, 5, 3), None, "one size"),
        (torch.rand(1, 4, 4, 4), torch.rand(1, 4, 4, 4), None, "RGB"),
        (torch.rand(1, 4, 4, 3), torch.rand(1, 4, 4, 3), torch.ones(1, 5, 5), r"`mask`: got shape \(1, 5, 5\)"),
        (torch.rand(1, 4, 4, 3), torch.rand(1, 4, 4, 3), torch.zeros(1, 4, 4), "`mask`: no weight is above 0"),
        (torch.full((4, 3), float("nan")), torch.rand(4, 3), None, "`before`: got NaN"),
        (torch.rand(4, 3), torch.full((4, 3), float("inf")), None, "`after`: got NaN or infinite"),
        (torch.rand(4, 3), torch.rand(4, 3), torch.full((4,), float("inf")), "`mask`: got NaN or infinite"),
    ],
)
def test_bad_input_is_refused(before, after, mask, match):
    with pytest.raises(ValueError, match=match):
        fit_lut(before, after, mask)


@pytest.mark.parametrize("bad", [{"size": 1}, {"smoothness": 0.0}, {"identity_weight": 0.0}, {"slope_weight": -1.0}])
def test_bad_parameters_are_refused(bad):
    with pytest.raises(InputError) as caught:
        fit_lut(uniform(10), uniform(10), **bad)
    assert caught.value.parameter in bad
