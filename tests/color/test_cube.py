import numpy as np
import pytest
import torch
from cubes import read_cube

from diff_harmonization.color import ColorLUT, apply_lut
from diff_harmonization.color.cube import save_cube
from diff_harmonization.color.lut import grid_colors


def warm(size: int = 33) -> ColorLUT:
    """Different in every channel, so that a wrong order of the axes shows."""
    r, g, b = grid_colors(size).unbind(-1)
    return ColorLUT(torch.stack((r.sqrt(), 0.8 * g + 0.1 * r, 0.6 * b * b), -1), "warm dusk")


def test_round_trip(tmp_path):
    path = save_cube(warm(), tmp_path / "warm.cube")
    read = read_cube(path)
    assert read.title == "warm dusk"
    torch.testing.assert_close(read.table, warm().table, atol=1e-6, rtol=0)


def test_the_file_is_size_33_over_the_unit_domain_with_red_fastest(tmp_path):
    lines = save_cube(warm(), tmp_path / "warm.cube").read_text().splitlines()
    assert "LUT_3D_SIZE 33" in lines
    assert not any(line.startswith("DOMAIN") for line in lines)  # 0-1 is the format's default
    rows = [line for line in lines if line and (line[0].isdigit() or line[0] == "-")]
    assert len(rows) == 33**3
    assert [float(x) for x in rows[1].split()] == pytest.approx(warm().table[1, 0, 0].tolist(), abs=1e-6)


def test_another_library_reads_it_and_gives_the_same_picture(tmp_path):
    pillow_lut = pytest.importorskip("pillow_lut", reason="pillow-lut is a development dependency")
    from PIL import Image

    path = save_cube(warm(), tmp_path / "warm.cube")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(pixels).filter(pillow_lut.load_cube_file(str(path)))).astype(float)
    ours = apply_lut(torch.from_numpy(pixels).float()[None] / 255, warm())[0].numpy() * 255
    assert np.abs(ours - theirs).max() < 1.01  # they round to 8 bits


def test_a_title_with_quotes_and_line_breaks_is_readable(tmp_path):
    lut = ColorLUT(warm(5).table, 'a "dusk"\nlook')
    assert read_cube(save_cube(lut, tmp_path / "quoted.cube")).title == "a 'dusk' look"


def test_other_places_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.cube"):
        save_cube(warm(5), tmp_path / "warm.txt")
    with pytest.raises(FileNotFoundError, match="folder"):
        save_cube(warm(5), tmp_path / "missing" / "warm.cube")
