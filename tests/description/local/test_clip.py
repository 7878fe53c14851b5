import pytest
import torch

from diff_harmonization.core.pretrained import load
from diff_harmonization.description.local.clip import (
    category_scores,
    describe_by_clip,
    differing_categories,
    most_likely,
    object_alone,
    scene_alone,
)
from diff_harmonization.description.parser import parse
from diff_harmonization.description.pictures import to_picture
from diff_harmonization.description.vocabulary import CATEGORIES, WORDS


def scores(*favored, second=None):
    """Category -> log-probabilities, with the favored words most likely and one word next to them."""
    level = dict.fromkeys(favored, 3.0) | ({second: 2.5} if second else {})
    return {c: torch.tensor([level.get(w, 0.0) for w in words]).log_softmax(0) for c, words in CATEGORIES.items()}


@pytest.fixture(scope="module")
def clip(clip_folder):
    return load(clip_folder, "clip")


def test_the_two_views_share_no_pixel(composite):
    image, mask = composite
    thing, scene = object_alone(image, mask), scene_alone(image, mask)
    assert torch.equal(thing, image[10:40, 20:50])
    assert (scene[10:40, 20:50] == 0.5).all()
    assert torch.equal(scene[mask == 0], image[mask == 0])


def test_the_objects_box_is_gray_around_it(composite):
    image, mask = composite
    mask[12:20, 22:30] = 0
    thing = object_alone(image, mask)
    assert thing.shape == (30, 30, 3)
    assert (thing[2:10, 2:10] == 0.5).all()


def test_a_model_gives_distinct_descriptions(offline, clip, composite):
    found = describe_by_clip(*clip, *composite, "dog", 3)
    assert len(found) == len(set(found)) == 3
    texts = list(map(str, found))
    assert [str(parse(text)) for text in texts] == texts
    assert list(map(str, describe_by_clip(*clip, *composite, "dog", 3))) == texts


def test_every_word_has_a_score(clip, composite):
    found = category_scores(*clip, composite[0], "a photo of the dog")
    assert {category: len(values) for category, values in found.items()} == {c: len(w) for c, w in CATEGORIES.items()}
    torch.testing.assert_close(torch.stack([values.exp().sum() for values in found.values()]), torch.ones(len(found)))


def test_scores_are_the_models_own(clip, composite):
    """The library's logits for the same texts, in the vocabulary's order."""
    model, processor = clip
    found = category_scores(model, processor, composite[0], "a photo of the dog")
    time = [f"a photo of the dog, {word}" for word in CATEGORIES["time"]]
    inputs = processor(text=time, images=to_picture(composite[0]), return_tensors="pt", padding=True)
    with torch.no_grad():
        expected = model(**inputs).logits_per_image[0].log_softmax(0)
    torch.testing.assert_close(found["time"], expected, rtol=1e-4, atol=1e-4)


def test_categories_in_which_the_regions_differ_are_described():
    foreground, background = scores("sunny", "hot", "night"), scores("rainy", "hot", "dawn")
    assert set(differing_categories(foreground, background)) == {"weather", "time"}


def test_the_most_different_come_first_and_there_are_few():
    foreground = scores("sunny", "hot", "night", "bright", "city")
    background = scores("rainy", "cold", "dawn", "dim", "lake", second="sunny")
    chosen = differing_categories(foreground, background)
    assert len(chosen) == 3
    assert "weather" not in chosen


def test_regions_that_look_alike_are_described_by_one_word():
    same = scores("sunny", "hot")
    assert len(differing_categories(same, same)) == 1


def test_alternatives_come_in_order_of_likelihood():
    likely = most_likely(scores("rainy", "cold", second="stormy"), ["weather", "temperature"], 3)
    assert likely[:2] == [("rainy", "cold"), ("stormy", "cold")]
    assert len(set(likely)) == 3


def test_no_alternative_gives_the_object_its_own_words(clip, composite, monkeypatch):
    views = iter([scores("sunny"), scores("rainy", second="sunny")])
    monkeypatch.setattr("diff_harmonization.description.local.clip.category_scores", lambda *_: next(views))
    found = describe_by_clip(*clip, *composite, "dog", 3)
    assert found[0].background == ("rainy",)
    assert all(description.foreground == ("sunny",) != description.background for description in found)


def test_it_can_be_cancelled(clip, composite):
    def cancel(step, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        describe_by_clip(*clip, *composite, "dog", 3, cancel)


def test_words_are_all_asked_for(clip, composite):
    asked = []

    def processor(text, **options):
        asked.extend(text)
        return clip[1](text=text, **options)

    category_scores(clip[0], processor, composite[0], "a photo of the dog")
    assert len(asked) == len(WORDS)
    assert all(word in text for word, text in zip(WORDS, asked, strict=True))
