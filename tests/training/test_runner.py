import copy
import logging
import math
import re

import pytest
import torch
from torch import nn

from diff_harmonization.training.runner import Run, RunSettings, parameter_count, rising_average, train, training_device
from diff_harmonization.training.schedules import warmup_then_cosine

SETTINGS = {
    "steps": 12,
    "schedule": warmup_then_cosine(12, warmup=4, floor=0.1),
    "average_decay": 0.5,
    "gradient_norm": 1.0,
    "log_every": 5,
    "save_every": 4,
}


def new_run(**changes):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    groups = [{"params": network[0].parameters(), "lr": 0.1}, {"params": network[2].parameters(), "lr": 0.3}]
    return Run(network, torch.optim.AdamW(groups), RunSettings(**SETTINGS | changes))


def losses_of(run):
    def losses(step):
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        y = run.network(x)
        return {"fit": (y - x.sum(1, keepdim=True)).square().mean(), "size": 0.01 * y.square().mean()}

    return losses


def finish(run, folder, exported=None):
    train(run, losses_of(run), folder / "checkpoint.pt", (exported if exported is not None else []).append)
    return run


def flat(value, path=""):
    """(path, tensor or number) of everything in a nested state."""
    if isinstance(value, (dict, list, tuple)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, item in items for k, v in flat(item, f"{path}/{key}").items()}
    return {path: value}


def test_a_run_that_was_stopped_at_every_step_ends_as_one_that_was_not(tmp_path):
    (tmp_path / "whole").mkdir(), (tmp_path / "parts").mkdir()
    whole = finish(new_run(), tmp_path / "whole")
    for step in range(1, 13):
        part = finish(new_run(minutes=0), tmp_path / "parts")
        assert part.step == step
    first, second = (
        flat(torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)) for name in ("whole", "parts")
    )
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]) if isinstance(value, torch.Tensor) else value == second[name], name
    assert whole.average.n_averaged == part.average.n_averaged == 13


def test_the_numbers_are_those_of_the_plain_formulas(tmp_path):
    """Against a loop by hand: rates of the schedule, clipped gradients, decay min(D, (step + 1) / (step + 10))."""
    run = new_run(average_decay=0.3)
    network = copy.deepcopy(run.network)
    groups = [{"params": network[0].parameters(), "lr": 0.1}, {"params": network[2].parameters(), "lr": 0.3}]
    optimizer, average, decays = torch.optim.AdamW(groups), copy.deepcopy(network), []
    for step in range(12):
        for group, rate in zip(optimizer.param_groups, (0.1, 0.3), strict=True):
            group["lr"] = rate * SETTINGS["schedule"](step)
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        y = network(x)
        optimizer.zero_grad()
        ((y - x.sum(1, keepdim=True)).square().mean() + 0.01 * y.square().mean()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        decays.append(min(0.3, (step + 1) / (step + 10)))
        with torch.no_grad():
            for smooth, value in zip(average.parameters(), network.parameters(), strict=True):
                smooth.lerp_(value, 1 - decays[-1])
    assert decays[0] == 0.1 and decays[-1] == 0.3
    finish(run, tmp_path)
    for ours, theirs in ((run.network, network), (run.average.module, average)):
        for got, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(got, expected, rtol=1e-6, atol=1e-7)


def test_the_average_counts_what_came_before_more_and_more():
    for count, decay in ((1, 0.1), (2, 2 / 11), (9, 0.5), (10**6, 0.9)):
        averaged = [torch.zeros(2)]
        rising_average(0.9)(averaged, [torch.ones(2)], torch.tensor(count))
        assert averaged[0].tolist() == pytest.approx([1 - decay] * 2)


def test_the_average_has_no_gradient_and_is_not_the_network():
    run = new_run()
    before = run.average.module[0].weight.clone()
    with torch.no_grad():
        run.network[0].weight.fill_(5.0)
    assert torch.equal(run.average.module[0].weight, before)
    assert not any(parameter.requires_grad for parameter in run.average.parameters())


def test_a_long_gradient_is_shortened():
    run = new_run(gradient_norm=1e-3)
    run.learn({"loss": 1e6 * run.network(torch.ones(1, 3)).sum()})
    norm = torch.stack([parameter.grad.norm() for parameter in run.network.parameters()]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)


def test_a_finished_run_is_left_as_it_is(tmp_path):
    finish(new_run(), tmp_path)
    before, exported = (tmp_path / "checkpoint.pt").read_bytes(), []
    finish(new_run(), tmp_path, exported)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert exported == []


def test_what_is_exported_is_the_average_at_every_checkpoint(tmp_path, caplog):
    exported, saves = [], []
    run = new_run()
    run.save = lambda path: saves.append(run.step)
    with caplog.at_level(logging.INFO, "diff_harmonization"):
        finish(run, tmp_path, exported)
    assert saves == [4, 8, 12]
    assert all(network is run.average.module for network in exported) and len(exported) == 3
    for step, record in zip((5, 10), caplog.records, strict=True):
        assert re.fullmatch(rf"step {step} fit \d\.\d{{4}} size \d\.\d{{4}} \d\.\d\d s/step", record.getMessage())


def test_a_line_of_the_log_tells_the_mean_since_the_last(tmp_path, caplog):
    run, values = new_run(steps=10), iter(range(10))
    losses = losses_of(run)
    with caplog.at_level(logging.INFO, "diff_harmonization"):
        train(
            run,
            lambda step: {"loss": 0 * losses(step)["fit"] + next(values)},
            tmp_path / "checkpoint.pt",
            lambda network: None,
        )
    assert [record.getMessage().split(" s/")[0].rpartition(" ")[0] for record in caplog.records] == [
        "step 5 loss 2.0000",
        "step 10 loss 7.0000",
    ]


def test_a_learning_rate_of_now_and_not_of_the_checkpoint(tmp_path):
    finish(new_run(steps=6), tmp_path)
    run = new_run()
    for group in run.optimizer.param_groups:
        group["lr"] = 7.0
    again = Run(run.network, run.optimizer, RunSettings(**SETTINGS))
    again.load(tmp_path / "checkpoint.pt")
    assert again.step == 6
    assert [group["lr"] for group in again.optimizer.param_groups] == pytest.approx([7.0 * SETTINGS["schedule"](6)] * 2)


@pytest.mark.parametrize("damage", ["another network", "no step", "other groups"])
def test_a_checkpoint_of_something_else_is_refused(tmp_path, damage):
    path = tmp_path / "checkpoint.pt"
    run = new_run()
    run.save(path)
    state = torch.load(path, weights_only=True)
    if damage == "another network":
        state["network"] = nn.Linear(2, 2).state_dict()
    elif damage == "no step":
        del state["step"]
    else:
        state["optimizer"]["param_groups"].pop()
    torch.save(state, path)
    with pytest.raises(ValueError, match="checkpoint.pt is no checkpoint of this network; give another folder"):
        new_run().load(path)


def test_a_run_knows_no_limit_of_time_unless_told():
    assert RunSettings(**SETTINGS).minutes == math.inf


def test_networks_go_to_the_gpu_where_there_is_one():
    assert training_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_parameters_are_counted_in_millions():
    assert parameter_count(nn.Linear(1000, 1500)) == "1.5M parameters"
