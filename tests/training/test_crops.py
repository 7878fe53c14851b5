from dataclasses import dataclass

import pytest
import torch

from diff_harmonization.training.crops import Crops, batch_seed, cached_crops, collect_crops, with_moved_edge


@dataclass(frozen=True)
class Plain:
    """A photo without a file, all of one level."""

    id: str
    natural: bool
    level: float
    object: str = "tree"

    def image(self):
        return torch.full((4, 4, 3), self.level)

    def foreground(self):
        return torch.ones(4, 4)


def whole(image, mask):
    yield image.movedim(-1, 0)[None], mask[None, None]


def test_every_square_is_kept_with_what_it_is():
    def twice(image, mask):
        if image[0, 0, 0] > 0:
            yield from (*whole(image, mask), *whole(image, mask))

    crops = collect_crops([Plain("a", True, 0.2), Plain("b", True, 0.0), Plain("c", False, 1.0)], twice)
    assert crops.ids == ["a", "a", "c", "c"] and crops.objects == ["tree"] * 4
    assert crops.natural.tolist() == [True, True, False, False]
    assert crops.images.dtype == crops.masks.dtype == torch.uint8
    assert crops.images[:, 0, 0, 0].tolist() == [51, 51, 255, 255]
    assert (crops.masks == 255).all()
    images, masks = crops.squares([1, 2])
    assert images.shape == (2, 3, 4, 4) and masks.shape == (2, 1, 4, 4)
    assert images[:, 0, 0, 0].tolist() == pytest.approx([0.2, 1.0])


def test_photos_without_a_square_are_an_error():
    with pytest.raises(ValueError, match="The photos give no square with a fair share"):
        collect_crops([Plain("a", True, 0.2)], lambda image, mask: [])


def test_half_the_side():
    images = torch.arange(16, dtype=torch.uint8).reshape(1, 1, 4, 4).expand(1, 3, 4, 4)
    halved = Crops(images, images[:, :1], ["tree"], torch.tensor([True]), ["a"]).halved()
    assert halved.images.shape == (1, 3, 2, 2) and halved.images.dtype == torch.uint8
    assert halved.images[0, 0].tolist() == [[2, 4], [10, 12]]  # means of 2.5, 4.5, ... rounded to even


def test_squares_are_cut_once(tmp_path):
    path, made = tmp_path / "squares.pt", []

    def cut():
        made.append(collect_crops([Plain("a", True, 0.2)], whole))
        return made[-1]

    first, second = cached_crops(path, cut), cached_crops(path, cut)
    assert len(made) == 1
    assert torch.equal(first.images, second.images) and first.ids == second.ids == ["a"]
    assert second.natural.dtype == torch.bool


def test_batches_of_different_steps_have_different_seeds():
    assert len({batch_seed(seed, step) for seed in range(5) for step in range(1000)}) == 5000


@pytest.mark.parametrize(
    ("chance", "low", "high"), [(0.0, 3, 9), (0.39, 5, 7), (0.41, 4, 8), (0.61, 4, 8), (1.0, 4, 8)]
)
def test_an_edge_moves_by_a_pixel_or_softens_or_stays(chance, low, high):
    mask = torch.zeros(2, 1, 12, 12)
    mask[0, :, 4:8, 4:8] = 1
    moved = with_moved_edge(mask, chance)
    assert moved.shape == mask.shape and moved[1].max() == 0
    if 0.4 <= chance < 0.6:
        assert 0 < moved[0, 0, 3, 6] < 0.5 < moved[0, 0, 4, 6] < 1
        assert moved.sum().item() == pytest.approx(16, rel=1e-3)
    else:
        assert torch.equal(moved[0, 0], torch.zeros(12, 12).index_put_(box(low, high), torch.tensor(1.0)))


def box(low, high):
    rows = torch.arange(low, high)
    return rows[:, None], rows[None]
