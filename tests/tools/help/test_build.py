"""The nodes' help and locales are what the builder makes of the server's nodes, and the host serves them."""

import copy
import json
import re

import httpx
import pytest

from diff_harmonization.tools.help import build
from diff_harmonization.tools.help.language import Language

LANGUAGES = ("en", "zh")
HAN = re.compile("[\u4e00-\u9fff]")
NAMES = {"CLIP", "LUT", "Harmony-VAE", "Latent", "Sigmas", "VAE"}  # which Chinese users write like this, too


@pytest.fixture(scope="module")
def built(info):
    return build.files(info)


def get(server, path):
    return httpx.get(f"{server.url}{path}", trust_env=False)


def locale(language, name="nodeDefs"):
    return json.loads((build.ROOT / "locales" / language / f"{name}.json").read_text(encoding="utf-8"))


def inputs(said):
    """The tooltip of every input by its name; what a choice brings is named as in the frontend, `provider_model`."""
    found = {}
    for section in ("required", "optional"):
        for name, (kind, options) in said["input"].get(section, {}).items():
            found[name] = options["tooltip"]
            if kind == "COMFY_DYNAMICCOMBO_V3":
                for brought in (inputs({"input": option["inputs"]}) for option in options["options"]):
                    found |= {f"{name}_{inner}": tooltip for inner, tooltip in brought.items()}
    return found


def test_the_files_are_what_the_builder_writes(built):
    """Run `python -m diff_harmonization.tools.help URL` where this fails."""
    for path, content in built.items():
        assert (build.ROOT / path).read_text(encoding="utf-8") == content, path


def test_no_file_is_left_over(built):
    found = [*build.ROOT.glob("web/docs/**/*.md"), *build.ROOT.glob("locales/**/*.json")]
    assert {path.relative_to(build.ROOT).as_posix() for path in found} == set(built)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_node_and_socket_has_words(ours, language):
    said = locale(language)
    assert set(said) == set(ours) and len(ours) > 30
    for node, schema in ours.items():
        words = said[node]
        assert words["display_name"] and len(words["description"]) > 10, node
        assert set(words["inputs"]) == set(inputs(schema)), node
        assert list(words["outputs"]) == [str(index) for index in range(len(schema["output"]))], node
        for name, socket in (words["inputs"] | words["outputs"]).items():
            assert socket["name"] and len(socket["tooltip"]) > 3, (node, name)


def test_the_chinese_words_are_chinese(ours):
    for node, words in locale("zh").items():
        assert HAN.search(words["display_name"]) and HAN.search(words["description"]), node
        for name, socket in (words["inputs"] | words["outputs"]).items():
            assert HAN.search(socket["tooltip"]), (node, name)
            assert HAN.search(socket["name"]) or socket["name"] in NAMES, (node, name)
    assert all(map(HAN.search, locale("zh", "main")["nodeCategories"].values()))


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_and_descriptions_are_plain_to_the_frontend(language):
    """It reads braces, bars and at signs in them as instructions; tooltips it shows as they are."""
    for node, words in locale(language).items():
        sockets = (words["inputs"] | words["outputs"]).values()
        for text in (words["display_name"], words["description"], *(socket["name"] for socket in sockets)):
            assert not re.search(r"[{}|@]", text), (node, text)


def test_the_english_words_are_the_schemas(ours):
    for node, words in locale("en").items():
        assert (words["display_name"], words["description"]) == (ours[node]["display_name"], ours[node]["description"])


def test_categories_have_words_in_every_language(ours):
    parts = {part for schema in ours.values() for part in schema["category"].split("/")}
    assert all(set(locale(language, "main")["nodeCategories"]) == parts for language in LANGUAGES)


def test_the_host_serves_the_locales(server):
    served = server.get_json("/i18n")
    for language in LANGUAGES:
        assert served[language]["nodeDefs"] == locale(language)
        assert served[language]["nodeCategories"] == locale(language, "main")["nodeCategories"]


def test_the_host_serves_every_help_page(server, ours):
    for node in ours:
        for path in (f"{node}.md", f"{node}/zh.md"):
            reply = get(server, f"/extensions/diff_harmonization/docs/{path}")
            assert reply.status_code == 200 and "html" not in reply.headers["content-type"], path
            assert reply.content == (build.ROOT / "web" / "docs" / path).read_bytes()


def test_a_page_tells_every_input_and_output(built, ours):
    for node, schema in ours.items():
        page = built[f"web/docs/{node}.md"]
        assert page.startswith(f"# {schema['display_name']}\n\n{schema['description']}\n")
        assert all(tooltip in page for tooltip in (*inputs(schema).values(), *schema["output_tooltips"])), node
        assert re.findall("^## (.+)", page, re.MULTILINE)[:2] == ["When to use it", "Good to know"]
        assert page.rsplit("## ", 1)[1].startswith("Paper\n\n")


def test_a_node_without_help_is_told(info):
    later = info | {"LaterNode": copy.deepcopy(info["WorkingView"])}
    with pytest.raises(FileNotFoundError, match=r"LaterNode has no help text\. Write .*LaterNode\.md"):
        build.files(later)


def test_an_input_without_translation_is_told(info):
    later = copy.deepcopy(info)
    later["WorkingView"]["input"]["optional"]["later"] = ["INT", {"tooltip": "A later input."}]
    with pytest.raises(ValueError, match=r"zh has no names: later\nzh has no texts: A later input\."):
        build.files(later)


def test_a_changed_text_is_told(info):
    changed = copy.deepcopy(info)
    changed["WorkingView"]["description"] = "Another text."
    old = re.escape(info["WorkingView"]["description"])
    with pytest.raises(ValueError, match=f"zh has no texts: Another text.\nzh has left over texts: {old}"):
        build.files(changed)


def test_a_text_without_its_sections_is_told(info, tmp_path, monkeypatch):
    (tmp_path / "ApplyColorLUT.md").write_text("## When to use it\n\nOften.\n", encoding="utf-8")
    monkeypatch.setattr("diff_harmonization.tools.help.pages.TEXTS", tmp_path)
    with pytest.raises(ValueError, match=r"ApplyColorLUT\.md must have these sections: .*## Paper"):
        build.files(info)


def test_a_name_can_mean_something_else_on_one_node():
    language = Language("xx", {"names": {"source": "one", "FindInstances.source": "other"}})
    assert (language.name("RefineEmbedding", "source"), language.name("FindInstances", "source")) == ("one", "other")
    assert language.left_over() == [] and not language.missing
