"""The page for blind votes, used as a voter would, from its file and without a server."""

import re

import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from diff_harmonization.benchmarks.vote_page import Shown, vote_page
from diff_harmonization.benchmarks.votes import read_votes, standings

COLORS = {"gradual": (200, 0, 0), "routed_two": (0, 200, 0), "unaltered": (0, 0, 200)}
SIDES = {"left": Keys.ARROW_LEFT, "right": Keys.ARROW_RIGHT, "none": Keys.ARROW_DOWN}
# The picture on a side, and its color as the page draws it.
PIXEL = """const [picture] = document.querySelectorAll('#' + arguments[0] + ' .result')
const canvas = document.createElement('canvas').getContext('2d')
canvas.drawImage(picture, 0, 0)
return [...canvas.getImageData(1, 1, 1, 1).data].slice(0, 3)"""
DRAWN = "return [...document.querySelectorAll('.result')].every(picture => picture.complete && picture.naturalWidth)"
OUTLINES = "return [...document.querySelectorAll('.outline')].map(picture => picture.checkVisibility())"

# What else of the page may be read out or shown: every attribute but the pictures themselves.
ATTRIBUTES = """return [...document.querySelectorAll('body, body *')].flatMap(element =>
    [...element.attributes].filter(attribute => attribute.name != 'src').map(attribute => attribute.value))"""


@pytest.fixture
def voting(chromium, tmp_path):
    """The page on two composites, each method in a color of its own; files are saved to tmp_path."""
    mask = Image.new("L", (40, 30))
    mask.paste(255, (10, 10, 20, 20))
    pictures = {name: Image.new("RGB", (40, 30), color) for name, color in COLORS.items()}
    page = vote_page([Shown(name, word, pictures, mask) for name, word in (("011", "boy"), ("003", "house"))], seed=0)
    (tmp_path / "votes.html").write_text(page, encoding="utf-8")
    chromium.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    chromium.get((tmp_path / "votes.html").as_uri())
    yield chromium
    chromium.get("about:blank")


def press(page, *keys):
    ActionChains(page).send_keys(*keys).perform()


def press_button(page, name):
    page.find_element(By.ID, name).click()


def shown_method(page, side):
    """The method whose picture is on a side, by its color."""
    WebDriverWait(page, 120).until(lambda _: page.execute_script(DRAWN))
    pixel = page.execute_script(PIXEL, side)
    return min(COLORS, key=lambda name: sum(abs(a - b) for a, b in zip(COLORS[name], pixel, strict=True)))


def position(page):
    return page.find_element(By.ID, "position").text


def saved_votes(page, path):
    press(page, "s")
    WebDriverWait(page, 120).until(lambda _: path.exists())
    return read_votes(path)


def test_a_voter_prefers_by_keys_and_saves_what_was_seen(voting, tmp_path):
    ranks, seen = list(COLORS), []
    for number in range(6):
        assert position(voting) == f"{number} of 6 votes"
        left, right = (shown_method(voting, side) for side in ("left", "right"))
        object_ = voting.find_element(By.ID, "object").text
        better = "left" if ranks.index(left) < ranks.index(right) else "right"
        choice = better if number < 5 else "none"
        seen.append(({"boy": "011", "house": "003"}[object_], left, right, choice))
        press(voting, SIDES[choice])
    assert position(voting) == "6 of 6 votes"
    assert "You have voted on every pair" in voting.find_element(By.TAG_NAME, "body").text
    votes = saved_votes(voting, tmp_path / "votes.json")
    assert [(vote.composite, vote.left, vote.right, vote.choice) for vote in votes] == seen
    assert len({(vote.composite, frozenset((vote.left, vote.right))) for vote in votes}) == 6
    assert standings(votes)[0].method == "gradual"


def test_a_voter_prefers_by_clicks_and_takes_a_vote_back(voting, tmp_path):
    for button in ("left", "none", "back", "right", "none"):
        press_button(voting, button)
    assert position(voting) == "3 of 6 votes"
    press(voting, Keys.ARROW_UP)
    assert [vote.choice for vote in saved_votes(voting, tmp_path / "votes.json")] == ["left", "right"]


def test_the_page_names_no_method(voting):
    texts = []
    for _ in range(7):
        texts.append(voting.find_element(By.TAG_NAME, "body").text + voting.title)
        texts += voting.execute_script(ATTRIBUTES)
        press(voting, Keys.ARROW_DOWN)
    assert not re.search("|".join(COLORS), "\n".join(texts))
    assert "In which picture does the object fit better?" in texts[0]


def test_the_outline_is_shown_while_its_key_is_held(voting):
    assert voting.execute_script(OUTLINES) == [False, False]
    ActionChains(voting).key_down("o").perform()
    assert voting.execute_script(OUTLINES) == [True, True]
    ActionChains(voting).key_up("o").perform()
    assert voting.execute_script(OUTLINES) == [False, False]
    button = voting.find_element(By.ID, "show")
    ActionChains(voting).click_and_hold(button).perform()
    assert voting.execute_script(OUTLINES) == [True, True]
    ActionChains(voting).release().perform()
    assert voting.execute_script(OUTLINES) == [False, False]


def test_nothing_is_saved_before_the_first_vote(voting):
    assert not voting.find_element(By.ID, "save").is_enabled()
    assert not voting.find_element(By.ID, "back").is_enabled()
    press(voting, SIDES["left"])
    assert voting.find_element(By.ID, "save").is_enabled()


def test_every_button_has_a_name_and_both_pictures_one_size(voting):
    names = [button.accessible_name for button in voting.find_elements(By.TAG_NAME, "button")]
    assert all(names) and "Left picture" in names[0] and "Right picture" in names[1]
    assert voting.find_element(By.TAG_NAME, "progress").accessible_name == "0 of 6 votes"
    left, right = voting.find_elements(By.CSS_SELECTOR, ".result")
    assert left.size == right.size and left.size["width"] > 300


def test_the_page_logs_no_error(voting):
    press(voting, SIDES["left"], "o", SIDES["right"])
    assert [entry for entry in voting.get_log("browser") if "votes.html" in entry["message"]] == []
