from pathlib import Path
from typing import get_args

import pytest

from diff_harmonization.core.errors import InputError
from diff_harmonization.evaluator.checkpoint import NETWORKS
from diff_harmonization.training.settings import Architecture, EvaluatorSettings, RoutedSettings


def test_the_architectures_are_those_that_can_be_read():
    assert set(get_args(Architecture)) == set(NETWORKS)


def test_an_unknown_architecture():
    with pytest.raises(InputError, match="`architecture`: got vgg, expected one of lite0, resnet50"):
        EvaluatorSettings(architecture="vgg")


def test_a_backbone_for_another_architecture():
    with pytest.raises(InputError, match="`initial_backbone`: .* not for resnet50"):
        EvaluatorSettings(architecture="resnet50", initial_backbone=Path("a.pth"))


def test_a_batch_needs_both_kinds_of_versions():
    with pytest.raises(InputError, match="`groups`: got 1, expected at least 2"):
        EvaluatorSettings(groups=1)


def test_a_half_does_not_begin_with_an_encoder_that_knows_both():
    with pytest.raises(InputError, match="`half`: .*initial_backbone"):
        RoutedSettings(half=0)
    assert RoutedSettings(half=1, initial_backbone=Path("a.pth")).half == 1
