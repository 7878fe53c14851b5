import math

import pytest

from diff_harmonization.training.schedules import warmup_on_cosine, warmup_then_cosine


def test_a_warmup_then_a_cosine_to_the_floor():
    factor = warmup_then_cosine(1000, warmup=100, floor=0.01)
    rates = [factor(step) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[99] == rates[100] == 1
    assert rates[550] == pytest.approx(0.505)
    assert all(a < b for a, b in zip(rates[:99], rates[1:100], strict=True))
    assert all(a > b for a, b in zip(rates[100:-1], rates[101:], strict=True))
    assert math.isclose(rates[-1], 0.01) and factor(1500) == rates[-1]


def test_a_training_shorter_than_its_warmup():
    factor = warmup_then_cosine(50, warmup=100, floor=0.01)
    assert [factor(step) for step in (0, 49)] == pytest.approx([0.01, 0.5])


def test_a_warmup_on_a_cosine_to_zero():
    factor = warmup_on_cosine(1000, warmup=50)
    rates = [factor(step) for step in range(1001)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[24] == pytest.approx(0.5 * 0.5 * (1 + math.cos(math.pi * 0.024)))
    assert max(rates) == max(rates[40:60])
    assert all(a > b for a, b in zip(rates[60:-1], rates[61:], strict=True))
    assert rates[-1] == pytest.approx(0)
