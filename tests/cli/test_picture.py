"""`harmonize` and `score` on real files."""

import json

import numpy as np
import pytest
import torch
from cubes import read_cube
from graphs import EXAMPLE
from PIL import Image
from typer.testing import CliRunner

from diff_harmonization.cli.__main__ import app
from diff_harmonization.cli.methods import METHODS, MethodName, Settings, described, make_method
from diff_harmonization.cli.picture import read_pair
from diff_harmonization.data.pictures import Picture, decode_picture, encode_picture
from diff_harmonization.host.diffharmony import harmonizer as diffharmony
from diff_harmonization.host.evaluator import EMBEDDED, load_evaluator
from diff_harmonization.host.routed.harmonizer import harmonize, load_harmonizer
from diff_harmonization.mini.diffharmony.loader import SEEDS, SETTINGS, load_diffharmony


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A small composite of 16 bits with alpha and a profile, and its mask."""
    folder = tmp_path_factory.mktemp("pair")
    with Image.open(EXAMPLE / "composite.jpg") as image, Image.open(EXAMPLE / "mask.png") as mask:
        pixels = np.asarray(image.resize((120, 90))).astype(np.uint16) * 257
        mask.convert("L").resize((120, 90)).save(folder / "mask.png")
    alpha = np.arange(120 * 90, dtype=np.uint16).reshape(90, 120)
    picture = Picture(pixels, alpha, profile=b"\0" * 16 + b"RGB " + b"\0" * 108)
    (folder / "dog.tif").write_bytes(encode_picture(picture, ".tif"))
    return folder / "dog.tif", folder / "mask.png"


def run(*arguments):
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout)


def test_a_picture_of_16_bits_keeps_everything_but_its_objects_colors(pair):
    code, told = run("harmonize", *pair, "--cube")
    place = pair[0].with_name("dog_harmonized.tif")
    assert code == 0 and told["result"] == str(place)
    before, mask = read_pair(*pair)
    after = decode_picture(place.read_bytes())
    assert after.deep and after.profile == before.profile and (after.alpha == before.alpha).all()
    outside = (mask == 0).numpy()
    assert (after.pixels[outside] == before.pixels[outside]).all()
    assert (after.pixels[~outside] != before.pixels[~outside]).any()
    assert len(np.unique(after.pixels[~outside] % 257)) > 100  # finer than 8 bits
    assert read_cube(told["cube"]).size == 33
    assert told["after"] >= told["before"]
    assert run("score", place, pair[1]) == (0, {"score": pytest.approx(told["after"], abs=1e-3)})


def test_it_is_what_the_node_makes(pair):
    picture, mask = read_pair(*pair)
    done = make_method(Settings("auto", strength=0.9))(picture.colors(), mask)
    node = harmonize(
        load_harmonizer(EMBEDDED), picture.colors()[None], mask, judge=load_evaluator(EMBEDDED), strength=0.9
    )
    assert torch.equal(done.image, node.image[0]) and torch.equal(done.lut.table, node.luts[0].table)
    assert done.told == node.summary() and done.before == node.scores[0][0] and done.after in node.scores[0]


def test_diffharmony_is_what_its_node_makes(pair):
    picture, mask = read_pair(*pair)
    blue = torch.tensor([0.4, 0.6, 1.0])  # so that the judge finds something to mend
    image = torch.lerp(picture.colors(), picture.colors() * blue, mask[..., None])
    done = make_method(Settings("diffharmony"))(image, mask)
    with torch.inference_mode():
        judge = load_evaluator(EMBEDDED)
        node = diffharmony.harmonize(
            load_diffharmony(), image[None], mask, SETTINGS, count=SEEDS, judge=judge, carry="lut"
        )
    torch.testing.assert_close(done.image, node.image[0])
    assert not torch.equal(done.image, image) and torch.equal(done.lut.table, node.luts[0].table)
    assert done.told == node.summary() and "% of the change; scores" in done.told
    assert done.before == node.scores[0][0] and min(abs(done.after - score) for score in node.scores[0][1:]) < 1e-4
    half = make_method(Settings("diffharmony", strength=0.5))(image, mask)
    middle = torch.lerp(image, done.image, 0.5)
    assert (half.image - middle).abs().max() < 1e-5 and torch.equal(half.lut.table, done.lut.scaled(0.5).table)


def test_no_strength_changes_nothing(pair, tmp_path):
    for method in ("auto", "routed", "diffharmony"):
        code, told = run("harmonize", *pair, "--method", method, "--strength", 0, "--out", tmp_path / "a.tif")
        assert code == 0 and told["before"] == told["after"]
        assert (decode_picture((tmp_path / "a.tif").read_bytes()).pixels == read_pair(*pair)[0].pixels).all()


def test_words_steer_the_loop(pair, tmp_path):
    told = [
        run("harmonize", *pair, "--method", "words", "--describe", words, "--out", tmp_path / "a.png")[1]["told"]
        for words in ("tree bright, tree dusk", "tree")
    ]
    assert "tree & (foreground) bright & (background) dusk" in told[0]
    assert "tree & (foreground)" in told[1] and "proposal 1" in told[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "a.jpg"), "cannot hold 16 bits"),
        (("--out", "a.exr"), "cannot write '.exr' files"),
        (("--describe", "dog 7"), "one name in words"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(pair, options, message):
    code, told = run("harmonize", *pair, *options)
    assert code == 1 and message in told["error"]


def test_files_that_are_missing_or_damaged_are_named(pair, tmp_path):
    (tmp_path / "torn.png").write_bytes(b"torn")
    assert f"{tmp_path / 'none.png'}" in run("score", tmp_path / "none.png", pair[1])[1]["error"]
    assert run("score", tmp_path / "torn.png", pair[1])[1]["error"].startswith(f"{tmp_path / 'torn.png'}: it is no pic")
    Image.new("L", (5, 5), 255).save(tmp_path / "small.png")
    assert "the mask is 5x5, expected 120x90" in run("score", pair[0], tmp_path / "small.png")[1]["error"]


def test_errors_go_to_standard_error_for_people(pair):
    result = CliRunner().invoke(app, ["harmonize", *map(str, pair), "--out", "a.exr"])
    assert result.exit_code == 1 and result.stdout == "" and "cannot write '.exr' files" in result.stderr


def test_wrong_usage_has_its_own_code(pair):
    assert CliRunner().invoke(app, ["harmonize", *map(str, pair), "--method", "magic"]).exit_code == 2


def test_every_method_that_is_offered_is_there():
    from typing import get_args

    assert get_args(MethodName) == tuple(METHODS)


def test_captions_come_before_what_is_said_of_all():
    settings = Settings(describe="dog")
    assert described("", settings) == "dog" and described("", Settings()) == "object"
    (caption,) = described("cat bright, cat dusk", settings)
    assert caption.object == "cat"


def test_other_settings_have_another_mark():
    marks = {Settings().mark(), Settings("routed").mark(), Settings(strength=0.5).mark(), Settings(describe="a").mark()}
    assert len(marks) == 4 and Settings().mark() == Settings().mark()
