import pytest
import torch
import typer
from published import published
from safetensors.torch import load_file, save_file

from diff_harmonization.evaluator.checkpoint import read_network, read_state
from diff_harmonization.evaluator.networks import EfficientNetLite0, RegionNetwork, ResNet50
from diff_harmonization.training.evaluator import train

OPTIONS = {"steps": 2, "groups": 1, "per_photo": 1}


@pytest.fixture(scope="module")
def work(photo_set, tmp_path_factory):
    """Two steps in one go, and two steps with an interruption after the first."""
    whole, halves = (tmp_path_factory.mktemp(name) for name in ("whole", "halves"))
    train.main(photo_set, whole, **OPTIONS)
    train.main(photo_set, halves, **OPTIONS, minutes=0)
    assert state(halves)["step"] == 1
    train.main(photo_set, halves, **OPTIONS)
    return whole, halves


def state(work):
    return torch.load(work / "checkpoint.pt", weights_only=True)


def test_a_resumed_run_ends_in_the_state_of_an_uninterrupted_one(work):
    whole, halves = map(state, work)
    assert whole["step"] == halves["step"] == 2
    for part in ("network", "average"):
        assert all(torch.equal(value, halves[part][name]) for name, value in whole[part].items())


def test_the_export_is_the_average_and_is_read_as_an_evaluator(work):
    path = work[0] / "evaluator.safetensors"
    network, view = read_network(read_state(path), path.name)
    assert isinstance(network, RegionNetwork) and view == "crop"
    average = state(work[0])["average"]
    assert {value.dtype for value in load_file(path).values()} == {torch.float16}
    assert torch.allclose(network.state_dict()["head.3.weight"], average["head.3.weight"], atol=1e-3)


def test_every_weight_learns(work):
    torch.manual_seed(0)
    before, after = RegionNetwork().state_dict(), state(work[0])["network"]
    assert all(not torch.equal(before[name], value) for name, value in after.items() if name.endswith("weight"))


def test_a_finished_run_is_left_as_it_is(photo_set, work):
    before = (work[0] / "checkpoint.pt").read_bytes()
    train.main(photo_set, work[0], **OPTIONS)
    assert (work[0] / "checkpoint.pt").read_bytes() == before


def test_training_goes_on_from_exported_weights(photo_set, work, tmp_path):
    exported = work[0] / "evaluator.safetensors"
    options = OPTIONS | {"steps": 1, "learning_rate": 0.0, "initial": exported}
    train.main(photo_set, tmp_path, **options)
    before, after = load_file(exported), load_file(tmp_path / "evaluator.safetensors")
    assert all(torch.equal(after[name], value) for name, value in before.items() if "running" not in name)


def test_training_starts_from_a_pretrained_backbone(tmp_path):
    rgb = EfficientNetLite0(3).state_dict()
    torch.save(published(rgb), tmp_path / "lite0.pth")
    network = train.start("lite0", None, tmp_path / "lite0.pth")
    assert torch.equal(network.body.conv_stem.weight[:, :3], rgb["conv_stem.weight"])
    assert network.body.conv_stem.weight[:, 3].abs().max() == 0
    with pytest.raises(typer.BadParameter, match="not for resnet50"):
        train.start("resnet50", None, tmp_path / "lite0.pth")


def test_the_papers_network_can_be_trained():
    assert isinstance(train.start("resnet50", None, None), ResNet50)


def test_an_unknown_architecture(photo_set, tmp_path):
    with pytest.raises(typer.BadParameter, match="vgg: expected one of lite0, resnet50"):
        train.main(photo_set, tmp_path, architecture="vgg")


def test_initial_weights_of_another_model(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="a.safetensors is no harmony evaluator"):
        train.start("lite0", tmp_path / "a.safetensors", None)


def test_the_label_loss_is_least_at_the_label():
    labels = torch.tensor([0.0, 0.3, 1.0])
    best = torch.tensor([-20.0, torch.logit(torch.tensor(0.3)), 20.0])
    logits = torch.stack((torch.zeros(3), best), dim=1).requires_grad_()
    train.soft_label_loss(logits, labels).backward()
    assert logits.grad.abs().max() < 1e-6


def logits_of(margins):
    return torch.stack((torch.zeros(len(margins)), torch.tensor(margins)), dim=1)


def test_the_order_loss_falls_as_versions_come_into_order():
    labels = torch.tensor([1.0, 0.2, 0.3, 0.9])
    ordered, reverse = logits_of([2.0, -2.0, -1.0, 1.0]), logits_of([-2.0, 2.0, 1.0, -1.0])
    assert train.order_loss(ordered, labels) < 0.3 < 1 < train.order_loss(reverse, labels)


def test_the_order_loss_compares_a_photo_with_itself_alone():
    labels, logits = torch.tensor([1.0, 0.2, 0.3, 0.9]), logits_of([2.0, -2.0, -1.0, 1.0])
    elsewhere = logits + logits_of([0.0, 0.0, 50.0, 50.0])
    assert torch.allclose(train.order_loss(elsewhere, labels), train.order_loss(logits, labels), atol=1e-5)


def test_equal_labels_want_equal_scores():
    labels = torch.tensor([0.5, 0.5])
    losses = [train.order_loss(logits_of(margins), labels) for margins in ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0])]
    assert losses[0] < losses[1]
    assert losses[1].item() == pytest.approx(losses[2].item())


def test_calibration_measures_the_data_and_then_stays(photo_set, tmp_path):
    crops = train.load_crops(photo_set, tmp_path, 4, 1)
    torch.manual_seed(0)
    network, sampler = RegionNetwork(), train.Sampler(crops, seed=0)
    train.calibrate(network, sampler, groups=4, batches=2)
    norm, seen = network.head[0], []
    norm.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    network.eval()
    with torch.no_grad():
        for step in range(2):
            network.classify(sampler.batch(step, 4)[0])
    # the first layer's norms differ a little between the passes, and so do the maps behind them
    assert torch.allclose(norm.running_mean[:12], torch.cat(seen).mean(0)[:12], atol=1e-4)
    before = norm.running_mean.clone()
    train.Training(network, 1e-3).learn(*sampler.batch(2, 4), 1.0)
    assert torch.equal(norm.running_mean, before)


def test_the_schedule_warms_up_and_falls_to_zero():
    rates = [train.schedule(step, 1000) for step in range(1001)]
    assert rates[0] == pytest.approx(0.02)
    assert max(rates) == max(rates[40:60])
    assert all(a > b for a, b in zip(rates[60:-1], rates[61:], strict=True))
    assert rates[-1] == pytest.approx(0)


def test_the_average_follows_the_weights():
    network, average = RegionNetwork(), RegionNetwork()
    for model, value in ((network, 1.0), (average, 0.0)):
        for parameter in model.parameters():
            parameter.data.fill_(value)
    train.follow(average, network, 10**6)
    assert average.head[3].weight.mean().item() == pytest.approx(1 - train.EMA_DECAY, rel=1e-3)
