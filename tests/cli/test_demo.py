"""The demo's own steps: choosing pictures, filling in the workflow, writing what came back."""

import copy
import json
from pathlib import Path

import pytest
import typer
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from diff_harmonization.cli.demo import (
    COMPARED,
    WORKFLOWS,
    WRITTEN,
    Example,
    clear,
    compare,
    main,
    run_example,
    safe_name,
    shipped_example,
    with_inputs,
)

DESCRIPTION = "dog & (foreground) bright summer & (background) winter dull"
OTHER = "dog & (foreground) warm & (background) icy"


def test_pictures_go_into_the_titled_nodes(inverting):
    before = copy.deepcopy(inverting)
    filled = with_inputs(inverting, "a.png", "b.png")
    assert filled["1"]["inputs"] == {"image": "a.png"}
    assert filled["2"]["inputs"] == {"image": "b.png", "channel": "red"}
    assert filled["3"] == before["3"]
    assert inverting == before


def test_descriptions_take_the_describing_nodes_place(inverting):
    inverting["3"]["inputs"]["seed"] = ["9", 3]
    node = with_inputs(inverting, "a.png", "b.png", [DESCRIPTION, OTHER])["3"]
    assert node["class_type"] == "DescribePicker"
    assert node["inputs"] == {"text": f"{DESCRIPTION}\n{OTHER}", "index": ["9", 3]}


@pytest.mark.parametrize(
    ("descriptions", "max_passes", "k"), [((), 10, 3), ((), 3, 2), ((), 1, 1), ((DESCRIPTION, OTHER), 10, 2)]
)
def test_a_loop_has_a_trial_a_description_and_a_pass_to_go_on_with(descriptions, max_passes, k):
    loop = json.loads(WORKFLOWS[""].read_text(encoding="utf-8"))
    end = with_inputs(loop, "a.png", "b.png", descriptions, max_passes)["end"]["inputs"]
    assert (end["k"], end["max_passes"]) == (k, max_passes)


def test_a_workflow_without_the_titles_is_refused(inverting):
    del inverting["2"]
    with pytest.raises(ValueError, match="no node titled 'Mask'"):
        with_inputs(inverting, "a.png", "b.png")


def test_the_first_example_is_the_default():
    first = shipped_example(None)
    assert shipped_example(first.name) == first
    with pytest.raises(ValueError, match=f"no example 'nothing'.*{first.name}"):
        shipped_example("nothing")


def test_a_missing_picture_is_named(tmp_path, pictures):
    with pytest.raises(FileNotFoundError, match=r"no mask .*absent\.png"):
        Example("dog", pictures[0], tmp_path / "absent.png")


def test_a_workflow_that_saves_too_little_fails_loudly(host_path, inverting, pictures, tmp_path, used):
    folder, kept = used
    with pytest.raises(ValueError, match=r"did not save lut\.cube, side_by_side\.png; it saved"):
        run_example(host_path, Example("dog", *pictures), {"": inverting}, tmp_path / "out", Console(quiet=True))
    assert {path.name for path in folder.iterdir()} == kept | {"edit.png", "result.png"}  # none of an earlier run
    with Image.open(folder / "edit.png") as edit:
        assert edit.size == (40, 24)
    log = (tmp_path / "out" / "server.log").read_text(errors="replace")
    assert "Starting server" in log
    assert "ERROR" not in log


@pytest.fixture
def used(tmp_path):
    """A folder with an earlier run's files and the user's own."""
    written = {"pass_9.png", "attention_9.png", "edit.png", "lut_1.cube", "lutregion2.cube", "result.png"}
    written |= {"filmstrip.png", "side_by_side.png", "composite.jpg", "composite.png"}
    kept = {"pass_9.psd", "pass_final.png", "my_pass_9.png", "notes.txt", "result.png.bak", "composite.xcf"}
    folder = tmp_path / "out" / "dog"
    (folder / "pass_8.png").mkdir(parents=True)
    for name in written | kept:
        (folder / name).write_bytes(b"old")
    return folder, kept | {"pass_8.png"}


def test_only_an_earlier_runs_files_are_cleared(used, pictures):
    folder, kept = used
    clear(folder, Example("dog", *pictures))
    assert {path.name for path in folder.iterdir()} == kept


def test_the_pictures_that_are_asked_about_are_never_cleared(used):
    folder, kept = used
    clear(folder, Example("dog", folder / "result.png", folder / "pass_9.png"))
    assert {path.name for path in folder.iterdir()} == kept | {"result.png", "pass_9.png"}


def test_every_file_of_the_shipped_workflows_is_known_as_the_demos():
    prefixes = {
        Path(node["inputs"]["filename_prefix"]).name
        for file in WORKFLOWS[""].parent.glob("*.json")
        for node in json.loads(file.read_text(encoding="utf-8")).values()
        if "filename_prefix" in node["inputs"]
    }
    assert {"pass", "result", "lut"} <= prefixes
    ends = ".png", "_3.png", ".cube"
    names = [f"{start}{prefix}{end}" for start in WORKFLOWS for prefix in prefixes for end in ends]
    assert all(WRITTEN.fullmatch(name) for name in (*names, COMPARED))


def test_a_turned_photograph_is_compared_upright(tmp_path):
    """A camera that is held upright stores the picture lying and says so in its EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    lying = Image.new("RGB", (80, 40), "red")
    lying.paste("blue", (0, 0, 40, 40))
    lying.save(tmp_path / "composite.png", exif=exif)
    Image.new("RGB", (40, 80)).save(tmp_path / "result.png")
    compare(tmp_path / "composite.png", [tmp_path / "result.png"], tmp_path / COMPARED)
    with Image.open(tmp_path / COMPARED) as compared:
        assert compared.size == (2 * 400 + 8, 800)
        assert compared.getpixel((200, 100)) == (0, 0, 255) and compared.getpixel((200, 700)) == (255, 0, 0)


CLOSING_HOST = """
import sys
from aiohttp import web

async def answer(request):
    return web.json_response({"name": "a.png", "subfolder": "", "prompt_id": "1", "node_errors": {}})

async def messages(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str('{"type": "status", "data": {}}')
    await socket.close()
    return socket

app = web.Application()
app.router.add_get("/system_stats", answer)
app.router.add_get("/ws", messages)
app.router.add_post("/upload/image", answer)
app.router.add_post("/prompt", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[sys.argv.index("--port") + 1]))
"""


def test_a_server_that_is_lost_is_told_with_its_log(tmp_path, pictures, inverting):
    """A host that closes the connection in the middle of a run, which the real one does when it is stopped."""
    (tmp_path / "main.py").write_text(CLOSING_HOST)
    (tmp_path / "workflow.json").write_text(json.dumps(inverting))
    app = typer.Typer()
    app.command()(main)
    files = {"image": pictures[0], "mask": pictures[1], "workflow": tmp_path / "workflow.json"}
    options = [f"--{name}={path}" for name, path in (files | {"host": tmp_path, "output": tmp_path / "out"}).items()]
    result = CliRunner().invoke(app, options, env={"COLUMNS": "1000"})
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    end = result.output.splitlines()[-1]
    assert end.startswith("The demo failed. Lost the ComfyUI server while the workflow ran.")
    assert end.endswith(f"See the server's log, {tmp_path / 'out' / 'server.log'}")


def test_the_folder_holds_every_pass_and_what_came_of_them(host_path, pictures, tmp_path):
    workflows = {prefix: json.loads(path.read_text(encoding="utf-8")) for prefix, path in WORKFLOWS.items()}
    loop = workflows[""]
    loop["invert"]["inputs"]["steps"], loop["refine"]["inputs"]["steps_per_timestep"] = 2, 1
    dog = Example("dog", *pictures, (DESCRIPTION, OTHER))
    folder = run_example(host_path, dog, workflows, tmp_path / "out", Console(quiet=True))
    passes = {f"pass_{number}.png" for number in range(4)} | {f"attention_{number}.png" for number in range(1, 4)}
    whole = {"composite.png", "filmstrip.png", "result.png", "lut.cube", "side_by_side.png"}
    routed = {f"routed_{name}" for name in ("result.png", "lut.cube", "side_by_side.png", "who_looks_like_it.png")}
    assert {path.name for path in folder.iterdir()} == passes | whole | routed | {COMPARED}
    with Image.open(folder / COMPARED) as compared, Image.open(folder / "composite.png") as composite:
        assert compared.width > 2.9 * compared.height * composite.width / composite.height
    with Image.open(folder / "result.png") as result, Image.open(folder / "composite.png") as composite:
        assert result.size == composite.size


@pytest.mark.parametrize(("name", "folder"), [("cat.png", "cat"), ("...png", "picture"), (". .jpg", "picture")])
def test_a_pictures_name_does_not_lead_out_of_the_output_folder(name, folder):
    assert safe_name(Path(name)) == folder
