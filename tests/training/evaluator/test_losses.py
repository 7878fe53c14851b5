import pytest
import torch

from diff_harmonization.training.evaluator.losses import CHOICE_WEIGHT, choice_loss, order_loss, soft_label_loss


def test_the_label_loss_is_least_at_the_label():
    labels = torch.tensor([0.0, 0.3, 1.0])
    best = torch.tensor([-20.0, torch.logit(torch.tensor(0.3)), 20.0])
    logits = torch.stack((torch.zeros(3), best), dim=1).requires_grad_()
    soft_label_loss(logits, labels).backward()
    assert logits.grad.abs().max() < 1e-6


def logits_of(margins):
    return torch.stack((torch.zeros(len(margins)), torch.tensor(margins)), dim=1)


def test_the_order_loss_falls_as_versions_come_into_order():
    labels = torch.tensor([1.0, 0.2, 0.3, 0.9])
    ordered, reverse = logits_of([2.0, -2.0, -1.0, 1.0]), logits_of([-2.0, 2.0, 1.0, -1.0])
    assert order_loss(ordered, labels) < 0.3 < 1 < order_loss(reverse, labels)


def test_the_order_loss_compares_a_photo_with_itself_alone():
    labels, logits = torch.tensor([1.0, 0.2, 0.3, 0.9]), logits_of([2.0, -2.0, -1.0, 1.0])
    elsewhere = logits + logits_of([0.0, 0.0, 50.0, 50.0])
    assert torch.allclose(order_loss(elsewhere, labels), order_loss(logits, labels), atol=1e-5)


def test_equal_labels_want_equal_scores():
    labels = torch.tensor([0.5, 0.5])
    losses = [order_loss(logits_of(margins), labels) for margins in ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0])]
    assert losses[0] < losses[1]
    assert losses[1].item() == pytest.approx(losses[2].item())


def test_the_choice_loss_is_what_the_wrong_choice_costs_more():
    costs = torch.tensor([[0.5, 0.2, 0.9], [0.0, 0.3, 0.1]])
    right, wrong = logits_of([0.0, 9.0, 0.0, 9.0, 0.0, 0.0]), logits_of([0.0, 0.0, 9.0, 0.0, 9.0, 0.0])
    assert choice_loss(right, costs).item() == pytest.approx(0, abs=1e-5)
    assert choice_loss(wrong, costs).item() == pytest.approx(CHOICE_WEIGHT * (0.7 + 0.3) / 2, abs=1e-5)


def test_the_choice_loss_compares_the_versions_of_one_composite_alone():
    costs = torch.tensor([[0.5, 0.2], [0.0, 0.3]])
    margins = [0.3, 0.1, -0.2, 0.1]
    elsewhere = logits_of(margins) + logits_of([0.0, 0.0, 50.0, 50.0])
    assert torch.allclose(choice_loss(elsewhere, costs), choice_loss(logits_of(margins), costs), atol=1e-5)


def test_versions_that_cost_the_same_teach_nothing():
    logits = logits_of([0.4, -0.3]).requires_grad_()
    choice_loss(logits, torch.tensor([[0.2, 0.2]])).backward()
    assert logits.grad.abs().max() < 1e-7
