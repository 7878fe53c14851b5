import pytest
import torch

from diff_harmonization.data.recoloring.extremes import EXTREMES
from diff_harmonization.data.recoloring.lab import mean_distance, to_lab


@pytest.fixture
def image():
    return 0.15 + 0.7 * torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("amount", [0.0, 0.5, 1.0])
def test_each_is_far_from_the_picture(image, name, amount):
    made = EXTREMES[name](image, torch.full((2, 1, 1, 1), amount))
    assert made.shape == image.shape and made.min() >= 0 and made.max() <= 1
    assert (mean_distance(image, made, torch.ones(2, 1, 16, 16)) > 15).all()


def test_what_they_are(image):
    amount = torch.full((2, 1, 1, 1), 1.0)
    made = {name: extreme(image, amount) for name, extreme in EXTREMES.items()}
    assert made["black"].max() == 0 and made["blown out"].min() == 1
    assert torch.allclose(made["inverted"], 1 - image)
    faint = 0.5 + 0.05 * (image - 0.5)
    before, chroma = (to_lab(x)[:, 1:].norm(dim=1) for x in (faint, EXTREMES["oversaturated"](faint, amount)))
    assert torch.allclose(chroma, 6 * before, atol=0.2)
    turned = to_lab(EXTREMES["other hues"](faint, amount))[:, 1:]
    assert torch.allclose(turned, -2 * to_lab(faint)[:, 1:], atol=0.2)


def test_the_amount_of_each_picture(image):
    amounts = torch.tensor([0.0, 1.0])[:, None, None, None]
    for extreme in EXTREMES.values():
        both = extreme(image, amounts)
        alone = torch.cat([extreme(image[row : row + 1], amounts[row : row + 1]) for row in range(2)])
        assert torch.allclose(both, alone, atol=1e-6)
