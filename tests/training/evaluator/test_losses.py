import pytest
import torch

from diff_harmonization.training.evaluator.losses import order_loss, soft_label_loss


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
