"""Text embedding refinement, training style: random timesteps, one embedding."""

from dataclasses import replace

import pytest
import torch

from diff_harmonization.attention.maps import record_maps
from diff_harmonization.core.masks import mask_on_grid
from diff_harmonization.methods.zero_shot.embedding_loss import embedding_loss
from diff_harmonization.methods.zero_shot.refinement import encode_pair
from diff_harmonization.methods.zero_shot.text_rows import fuse_target
from diff_harmonization.methods.zero_shot.training_refinement import TrainingSettings, refine_by_training
from diff_harmonization.methods.zero_shot.types import Trajectory
from diff_harmonization.methods.zero_shot.word_optimizer import WordOptimizer

EAGER = TrainingSettings(learning_rate=0.05, regularization_weight=0.0)


def test_retraced_with_plain_autograd(loss, denoiser, encoder, trajectory, description, mask, rows):
    """An AdamW step on the mean of a batch's losses, in one backward; what is kept after the last."""
    settings = TrainingSettings(
        epochs=3,
        batch_size=4,
        learning_rate=0.01,
        regularization_weight=3.0,
        weight_decay=0.05,
        weight_learning_rate=0.2,
        seed=9,
    )
    refined = refine_by_training(denoiser, encoder, trajectory, description, mask, settings)
    words = [row.conditions.clone().requires_grad_() for row in rows]
    logits = torch.zeros(len(rows[1].tokens), dtype=torch.float64, requires_grad=True)
    groups = [{"params": words, "lr": 0.01}, {"params": [logits], "lr": 0.2}]
    optimizer, losses = torch.optim.AdamW(groups, weight_decay=0.05), []
    generator = torch.Generator().manual_seed(9)
    for _ in range(3):
        batch = torch.randint(trajectory.steps, (4,), generator=generator).tolist()
        optimizer.zero_grad()
        value = torch.stack([loss(timestep, *words, logits) for timestep in batch]).mean()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    source, other = (row.context(encoder, x)[0] for row, x in zip(rows, words, strict=True))
    target = fuse_target(
        source, other, logits.softmax(0), rows[0].tokens, rows[1].tokens, *(r.prompt.end for r in rows)
    )
    for step in range(trajectory.steps):
        for image in range(2):
            torch.testing.assert_close(refined.source[step, image], source)
            torch.testing.assert_close(refined.background[step, image], other)
            torch.testing.assert_close(refined.target[step, image], target)
    assert refined.losses == pytest.approx(losses)
    torch.testing.assert_close(refined.weights, logits.softmax(0))


def test_a_batch_is_its_timesteps_one_by_one(denoiser, encoder, trajectory, description, mask):
    """The gradient of a batch is the mean of those that its timesteps have alone."""

    def gradients(*timesteps):
        words = WordOptimizer(denoiser, encoder, trajectory, description, mask, TrainingSettings())
        loss = sum(words.accumulate(timestep, 1 / len(timesteps)) for timestep in timesteps)
        return loss, [parameter.grad for parameter in words.parameters]

    together, batch = gradients(0, 3, 3, 1)
    apart = [gradients(timestep) for timestep in (0, 3, 3, 1)]
    assert together == pytest.approx(sum(loss for loss, _ in apart) / 4)
    for index, gradient in enumerate(batch):
        torch.testing.assert_close(gradient, torch.stack([each[index] for _, each in apart]).mean(0))
        assert gradient.abs().max() > 1e-5


def test_a_seed_repeats_bit_for_bit_and_another_differs(denoiser, encoder, trajectory, description, mask):
    first, again, other = (
        refine_by_training(denoiser, encoder, trajectory, description, mask, replace(EAGER, epochs=4, seed=seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first.target, again.target) and first.losses == again.losses
    assert not torch.equal(first.target, other.target)


def test_training_lowers_the_loss_of_all_timesteps(denoiser, encoder, trajectory, description, mask, rows):
    share = mask_on_grid(mask, (2, 2))

    def mean_loss(epochs):
        refined = refine_by_training(denoiser, encoder, trajectory, description, mask, replace(EAGER, epochs=epochs))
        alphas = torch.ones(len(rows[0].tokens)), refined.weights
        contexts = refined.source, refined.background
        total = 0.0
        for row, alpha, where, context in zip(rows, alphas, (share, 1 - share), contexts, strict=True):
            for latent, sigma, words in zip(trajectory.latents, trajectory.sigmas, context, strict=False):
                maps, _ = record_maps(denoiser, latent, sigma, words, (2, 2))
                total += embedding_loss(maps[:, list(row.tokens)], alpha, where, alpha, alpha, 0.0).item()
        return total / trajectory.steps

    assert mean_loss(30) < 0.9 * mean_loss(0)


def test_importance_that_is_1_everywhere_changes_no_bit(denoiser, encoder, trajectory, description, mask):
    plain, same, half = (
        refine_by_training(denoiser, encoder, trajectory, description, mask, EAGER, importance=importance)
        for importance in (None, torch.ones(1, 64, 64), torch.ones(1, 64, 64).triu())
    )
    assert torch.equal(plain.target, same.target) and plain.losses == same.losses
    assert not torch.allclose(plain.background, half.background, rtol=1e-3)


def test_callback_counts_evaluations_and_may_cancel(denoiser, encoder, trajectory, description, mask):
    class Cancelled(Exception):
        pass

    calls = []

    def callback(step, total, preview=None):
        calls.append((step, total))
        if step == 6:
            raise Cancelled

    settings = TrainingSettings(epochs=5, batch_size=3)
    with pytest.raises(Cancelled):
        refine_by_training(denoiser, encoder, trajectory, description, mask, settings, callback)
    assert calls == [(n, 15) for n in range(1, 7)]
    # One to learn the last layer that matters, then two rows an image, a timestep at a time.
    assert denoiser.rows == [1] + [4] * 6


def test_zero_epochs_take_the_words_as_they_are(denoiser, encoder, trajectory, description, mask):
    settings = TrainingSettings(epochs=0)
    refined = refine_by_training(denoiser, encoder, trajectory, description, mask, settings)
    plain = encode_pair(encoder, description, trajectory)
    assert denoiser.rows == [] and refined.losses == () and settings.evaluations(5) == 0
    assert torch.equal(refined.source, plain.source) and torch.equal(refined.background, plain.background)
    torch.testing.assert_close(refined.target, plain.target)


def test_a_batch_may_be_larger_than_the_trajectory(denoiser, encoder, trajectory, description, mask):
    short = Trajectory(trajectory.latents[-2:], trajectory.sigmas[-2:])
    settings = TrainingSettings(epochs=2, batch_size=8)
    assert len(refine_by_training(denoiser, encoder, short, description, mask, settings).losses) == 2


def test_refuses_what_cannot_be(denoiser, encoder, trajectory, description, mask):
    with pytest.raises(ValueError, match="`batch_size`: got 0, expected 1 or more"):
        TrainingSettings(batch_size=0)
    with pytest.raises(ValueError, match="`epochs`: got -1, expected 0 or more"):
        TrainingSettings(epochs=-1)
    with pytest.raises(ValueError, match="^`mask`: the mask is empty"):
        refine_by_training(denoiser, encoder, trajectory, description, 0 * mask)
    with pytest.raises(ValueError, match="^`description`: it has no background words"):
        refine_by_training(denoiser, encoder, trajectory, replace(description, background=()), mask)
    with torch.inference_mode(), pytest.raises(RuntimeError, match=r"inference_mode\(False\)"):
        refine_by_training(denoiser, encoder, trajectory, description, mask)
