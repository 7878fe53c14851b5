"""What users ran into in trials of the pack, and what they see now, on the real host."""

import re
from functools import partial

import numpy as np
import pytest
from checkpoints import write_sd1
from graphs import (
    DESCRIPTION,
    add,
    diffharmony_graph,
    edit_graph,
    one_box_graph,
    refusal,
    routed_graph,
    saved_picture,
)
from PIL import Image

BACKGROUND = "(foreground) bright & (background) dusk cold"


@pytest.fixture
def one_box(composite_name, mask_name):
    """The loop in one box, one short pass; `inputs` change it."""
    return partial(one_box_graph, composite_name, mask_name)


def shown(server, graph, node="apply"):
    """The text on a node after a run."""
    return "\n".join(server.run(graph)[node]["text"])


def logged(server_log, run):
    """What a run adds to the server's log."""
    before = server_log.stat().st_size
    run()
    return server_log.read_bytes()[before:].decode(errors="replace")


# Models


@pytest.mark.parametrize("node", ["DDIMInvert", "RefineEmbedding", "Harmonize"])
def test_a_clip_of_another_model(server, server_base, server_log, one_box, composite_name, mask_name, node):
    folder = server_base / "models" / "checkpoints"
    if not (folder / "tiny_sd1.ckpt").exists():
        write_sd1(folder / "tiny_sd1.ckpt")
    graph = one_box() if node == "Harmonize" else edit_graph(composite_name, mask_name)
    add(graph, "other", "CheckpointLoaderSimple", ckpt_name="tiny_sd1.ckpt")
    (target,) = (entry for entry in graph.values() if entry["class_type"] == node)
    target["inputs"]["clip"] = ["other", 1]
    told = []
    log = logged(server_log, lambda: told.append(refusal(server, graph)))
    assert re.search(rf"{node}.* input clip: it gives texts \d+ numbers wide, and the model reads 256", told[0])
    assert "one loader box" in told[0] and "mat1" not in log
    assert len(log.splitlines()) < 60


def test_an_embedding_of_another_model(server, server_base, composite_name, mask_name):
    folder = server_base / "models" / "checkpoints"
    if not (folder / "tiny_sd1.ckpt").exists():
        write_sd1(folder / "tiny_sd1.ckpt")
    graph = edit_graph(composite_name, mask_name, steps=1, per_timestep=0)
    add(graph, "other", "CheckpointLoaderSimple", ckpt_name="tiny_sd1.ckpt")
    graph["edit"]["inputs"]["model"] = ["other", 0]
    assert "AttentionControlledEdit, input refined: it gives texts 256 numbers wide" in refusal(server, graph)


# Words


def test_a_word_that_stands_for_another_is_told_once_and_on_the_node(server, server_log, one_box):
    said = []
    graph = one_box(f"cat & {BACKGROUND}", f"kitten & {BACKGROUND}", k=2, max_passes=2)
    log = logged(server_log, lambda: said.append(shown(server, graph)))
    sentence = "The embedded model has no word of its own for 'cat': it reads 'horse', its word for all animals."
    assert said[0].count(f"Note: {sentence}") == 1 and "'kitten'" in said[0]
    assert log.count(sentence) == 1


def test_an_object_of_61_words(server, server_log, one_box):
    told = []
    log = logged(server_log, lambda: told.append(refusal(server, one_box(f"{'big ' * 60}cat & {BACKGROUND}"))))
    assert "DescribePicker, input text: line 1: A description's object is one name of 8 words at most" in told[0]
    assert len(log.splitlines()) < 60


def test_a_weight_in_a_description(server, one_box):
    message = refusal(server, one_box("cat & (foreground) (bright:1.3) & (background) dusk"))
    assert "Weights such as '(bright:1.3)' are not taken" in message


@pytest.mark.parametrize("name", ["кот", "गाय", "猫", "قطة", "แมว", "éléphant"])
def test_names_in_any_script(server, one_box, name):
    assert f"'{name}': it reads" in shown(server, one_box(f"{name} & {BACKGROUND}"))


def test_an_object_that_is_named_like_an_embedding_file(server, server_base, one_box):
    """The host would read `embedding:NAME` as a file; the parser takes no colon."""
    folder = server_base / "models" / "embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "style.safetensors").write_bytes(b"nothing")
    message = refusal(server, one_box(f"embedding:style & {BACKGROUND}"))
    assert "object is one name in words" in message


@pytest.mark.parametrize("strict", [True, False])
def test_a_word_that_is_named_like_an_embedding_file(server, one_box, strict):
    graph = one_box("cat & (foreground) embedding:style & (background) dusk")
    graph["describe"]["inputs"]["strict"] = strict
    message = refusal(server, graph)
    assert message.startswith("DescribePicker, input text: line 1: ") and "\n" not in message.strip()


def test_a_description_by_text_goes_straight_into_harmonize(server, one_box):
    graph = one_box()
    add(graph, "describe", "TextDescribe", description=DESCRIPTION)
    assert DESCRIPTION in shown(server, graph)


def test_fewer_descriptions_than_trials(server, one_box):
    text = shown(server, one_box(k=3, max_passes=3))
    assert "Note: There is only 1 description for k = 3: each is tried once." in text
    assert text.count("-> trial") <= 1


# Pictures and masks


@pytest.fixture
def odd(one_box):
    """The loop in one box with another node in place of its composite's or its mask's loader."""

    def odd(key, kind, output=0, **inputs):
        graph = one_box()
        add(graph, "odd", kind, **inputs)
        graph["apply"]["inputs"][key] = ["odd", output]
        return graph

    return odd


def test_a_batch_of_pictures(server, one_box, composite_name):
    graph = one_box()
    add(graph, "batch", "RepeatImageBatch", image=["composite", 0], amount=3)
    graph["apply"]["inputs"]["image"] = ["batch", 0]
    message = refusal(server, graph)
    assert message.startswith("Harmonize, input image: got a batch of 3 pictures, expected one.")
    assert "Get Image from Batch" in message and "mask" not in message


def test_a_batch_of_masks(server, one_box):
    graph = one_box()
    add(graph, "masks", "BatchMasksNode", **{f"masks.mask{n}": ["mask", 0] for n in range(3)})
    graph["apply"]["inputs"]["mask"] = ["masks", 0]
    message = refusal(server, graph)
    assert message.startswith("Harmonize, input mask: got 3 masks for one picture") and "Harmonize Instances" in message


def test_an_inverted_mask_is_told_on_the_node(server, tmp_path, one_box, example):
    with Image.open(example[0]) as composite:
        mask = Image.new("RGB", composite.size, "white")
    mask.paste((0, 0, 0), (100, 80, 240, 200))
    mask.save(tmp_path / "inverted.png")
    graph = one_box()
    graph["mask"]["inputs"]["image"] = server.upload(tmp_path / "inverted.png")
    assert re.search(r"Note: The mask covers \d+% of the picture. Is it inverted\?", shown(server, graph))


def test_a_picture_without_a_mask_says_how_to_paint_one(server, one_box):
    graph = one_box()
    graph["apply"]["inputs"]["mask"] = ["composite", 1]
    message = refusal(server, graph)
    assert "input mask: there is no mask" in message and "Open in Mask Editor" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("key", ["image", "mask"])
def test_numbers_that_are_none(server, odd, key, value):
    kind = "ScriptedPicture" if key == "image" else "ScriptedMask"
    graph = odd(key, kind, like=["composite", 0] if key == "image" else ["mask", 0], value=str(value))
    assert f"Harmonize, input {key}: it holds values that are no numbers" in refusal(server, graph)


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("key", ["image", "mask"])
@pytest.mark.parametrize("make", [routed_graph, diffharmony_graph])
def test_numbers_that_are_none_in_the_other_methods(server, composite_name, mask_name, make, key, value):
    graph = make(composite_name, mask_name)
    kind, like = ("ScriptedPicture", "composite") if key == "image" else ("ScriptedMask", "mask")
    add(graph, "odd", kind, like=[like, 0], value=value)
    graph["apply"]["inputs"][key] = ["odd", 0]
    assert f"{graph['apply']['class_type']}, input {key}: it holds values that are no numbers" in refusal(server, graph)


def test_a_gray_picture(server, odd):
    graph = odd("image", "ScriptedPicture", like=["composite", 0], value="gray")
    assert "Harmonize, input image: got shape (1, " in refusal(server, graph)


def test_an_empty_batch(server, odd):
    graph = odd("image", "ScriptedPicture", like=["composite", 0], value="none")
    assert "Harmonize, input image: got" in refusal(server, graph)


def test_a_mask_of_truth_values(server, odd):
    assert "pass 1" in shown(server, odd("mask", "ScriptedMask", like=["mask", 0], value="bool"))


@pytest.mark.parametrize(("width", "height"), [(20000, 40), (40, 800), (3, 400)])
@pytest.mark.parametrize("make", [one_box_graph, routed_graph, diffharmony_graph])
def test_pictures_of_extreme_sizes(server, tmp_path, make, width, height):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    mask[height // 3 : height // 2, width // 3 : width // 2 + 1] = 255
    Image.fromarray(pixels).save(tmp_path / f"wide{width}.png")
    Image.fromarray(mask).convert("RGB").save(tmp_path / f"wide_mask{width}.png")
    graph = make(*(server.upload(tmp_path / f"{name}{width}.png") for name in ("wide", "wide_mask")))
    result = saved_picture(server, server.run(graph), "save")
    assert result.shape == pixels.shape and (result[mask == 0] == pixels[mask == 0]).all()


def test_a_strength_that_is_no_number(server, composite_name, mask_name):
    graph = edit_graph(composite_name, mask_name, steps=1, per_timestep=0)
    add(graph, "nan", "ScriptedNumber", value="nan")
    graph["edit"]["inputs"]["strength"] = ["nan", 0]
    assert "AttentionControlledEdit, input strength: got nan, expected a number" in refusal(server, graph)


def test_a_view_that_is_too_large_for_the_model_is_told_on_the_node(server, composite_name, mask_name):
    graph = edit_graph(composite_name, mask_name, steps=1, per_timestep=0)
    graph["view"]["inputs"]["size"] = 136
    text = shown(server, graph, "invert")
    assert "Note: The model sees 136x136 latents, more than it was made for" in text and "64 for the embedded" in text


# Files


def test_a_temp_folder_that_takes_no_files(server, server_base, one_box):
    """The passes are kept as a courtesy; a full disk costs that copy alone."""
    folder = server_base / "temp" / "harmonize_passes"
    if folder.exists():
        folder.rename(folder.with_name(f"before{folder.stat().st_ino}"))
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file in the folder's place")
    try:
        outputs = server.run(one_box(f"dog & {BACKGROUND}"))
    finally:
        folder.unlink()
    text = "\n".join(outputs["apply"]["text"])
    assert "Note: A pass could not be saved" in text and "pass 1: " in text
    assert outputs["save"]["images"]


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("", "expected a name inside the output folder"),
        ("folder/", "expected a name inside the output folder"),
        ("../outside", "expected a name inside the output folder"),
        (".hidden", "expected a name inside the output folder"),
        ("nul\0byte", "expected a name inside the output folder"),
        ("x" * 300, "longer than 200 bytes"),
    ],
)
def test_names_of_luts_that_are_none(server, composite_name, prefix, message):
    told = refusal(server, lut_graph(composite_name, prefix))
    assert told.startswith("SaveColorLUT, input filename_prefix: ") and message in told


def test_a_place_that_takes_no_file(server, server_base, composite_name):
    (server_base / "output").mkdir(exist_ok=True)
    (server_base / "output" / "taken").write_text("a file where the folder should be")
    told = refusal(server, lut_graph(composite_name, "taken/lut"))
    assert told.startswith("SaveColorLUT, input filename_prefix: cannot write") and "space on the disk" in told


def test_a_list_of_luts_that_is_empty(server, composite_name):
    graph = lut_graph(composite_name, "tests/list")
    add(graph, "some", "ScriptedLUTs", lut=["fit", 0], count=0)
    graph["cube"]["inputs"]["lut"] = ["some", 0]
    assert refusal(server, graph).startswith("SaveColorLUT, input lut: got an empty list, expected a LUT.")
    graph["some"]["inputs"]["count"] = 2
    add(graph, "paths", "PreviewAny", source=["cube", 0])
    outputs = server.run(graph)
    names = [file["filename"] for file in outputs["cube"]["cube"]]
    assert len(set(names)) == 2 and outputs["cube"]["text"] == names
    assert all(path.endswith(name) for path, name in zip(outputs["paths"]["text"], names, strict=True))


def lut_graph(composite, prefix):
    graph = add({}, "load", "LoadImage", image=composite)
    add(graph, "other", "ImageInvert", image=["load", 0])
    numbers = {"size": 5, "smoothness": 1e-4, "identity_weight": 1e-3}
    add(graph, "fit", "FitColorLUT", before=["load", 0], after=["other", 0], **numbers)
    return add(graph, "cube", "SaveColorLUT", lut=["fit", 0], filename_prefix=prefix)


def test_an_evaluator_with_weights_that_are_no_numbers(server, server_base, one_box):
    import torch
    from safetensors.torch import load_file, save_file

    from diff_harmonization.core.weights import shipped_weights
    from diff_harmonization.evaluator.checkpoint import MANIFEST

    weights = load_file(shipped_weights(MANIFEST))
    name = next(iter(weights))
    weights[name] = torch.full_like(weights[name], torch.nan)
    folder = server_base / "models" / "harmony_evaluator"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "broken.safetensors")
    graph = one_box()
    graph["evaluator"]["inputs"]["name"] = "broken.safetensors"
    message = refusal(server, graph)
    assert "LoadHarmonyEvaluator, input name: broken.safetensors is damaged" in message and "no numbers" in message


# Errors


def test_the_users_mistake_takes_few_lines_of_the_log_and_no_path_in_the_box(server, server_log, one_box):
    graph = one_box()
    graph["apply"]["inputs"]["mask"] = ["composite", 1]
    log = logged(server_log, lambda: refusal(server, graph))
    assert log.count("Traceback") == 1 and len(log.splitlines()) < 40
    assert "direct cause" not in log
