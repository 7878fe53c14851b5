import pytest
import torch
from published import published
from routed_networks import ARCHITECTURES, lively_network
from safetensors.torch import load_file, save_file

from diff_harmonization.core.efficientnet import EfficientNetLite0
from diff_harmonization.core.weights import shipped_weights
from diff_harmonization.methods.routed.checkpoint import read_network
from diff_harmonization.methods.routed.network import Architecture, RoutedNetwork
from diff_harmonization.training.files import write_weights
from diff_harmonization.training.routed import train
from diff_harmonization.training.routed.crops import training_photos
from diff_harmonization.training.routed.losses import losses
from diff_harmonization.training.routed.sampler import Sampler
from diff_harmonization.training.settings import RoutedSettings

OPTIONS = {"steps": 2, "batch": 2, "per_photo": 1}


def run(photos, work, **changes):
    train.train(photos, work, RoutedSettings(**OPTIONS | changes))


@pytest.fixture(scope="module")
def work(photo_set, tmp_path_factory):
    """Two steps in one go, and two steps with an interruption after the first."""
    whole, halves = (tmp_path_factory.mktemp(name) for name in ("whole", "halves"))
    run(photo_set, whole)
    run(photo_set, halves, minutes=0)
    assert state(halves)["step"] == 1
    run(photo_set, halves)
    return whole, halves


def state(work):
    return torch.load(work / "checkpoint.pt", weights_only=True)


def test_a_resumed_run_ends_in_the_state_of_an_uninterrupted_one(work):
    whole, halves = map(state, work)
    assert whole["step"] == halves["step"] == 2
    for part in ("network", "average"):
        assert all(torch.equal(value, halves[part][name]) for name, value in whole[part].items())


def test_the_export_is_the_average_and_is_read_as_a_harmonizer(work):
    path = work[0] / "routed.safetensors"
    network, average = read_network(path), state(work[0])["average"]
    assert {value.dtype for value in load_file(path).values()} == {torch.float16}
    for name, value in network.state_dict().items():
        assert torch.allclose(value.float(), average[name].float(), rtol=1e-3, atol=1e-4), name


def test_every_weight_learns(work):
    """Weight decay alone would change the weights too, so a gradient must have come to each of them."""
    network, checkpoint = train.start(RoutedSettings()), state(work[0])
    groups = train.parameter_groups(network, 1.0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    ordered = [names[id(parameter)] for group in groups for parameter in group["params"]]
    moments = checkpoint["optimizer"]["state"]
    assert len(moments) == len(ordered) == len([*network.parameters()])
    still = [name for index, name in enumerate(ordered) if moments[index]["exp_avg_sq"].max() == 0]
    assert still == []


def test_the_statistics_of_the_normalizations_stay(work):
    before, after = train.start(RoutedSettings()).state_dict(), state(work[0])["network"]
    assert all(torch.equal(after[name].cpu(), value) for name, value in before.items() if "running" in name)


def test_the_encoder_learns_more_slowly():
    network = RoutedNetwork()
    body, rest = train.parameter_groups(network, 0.1)
    assert body["lr"] == pytest.approx(0.1 * train.BODY_PACE) and rest["lr"] == 0.1
    assert {id(parameter) for parameter in body["params"]} == {id(parameter) for parameter in network.body.parameters()}
    assert len(body["params"]) + len(rest["params"]) == len([*network.parameters()])


def test_a_finished_run_is_left_as_it_is(photo_set, work):
    before = (work[0] / "checkpoint.pt").read_bytes()
    run(photo_set, work[0])
    assert (work[0] / "checkpoint.pt").read_bytes() == before


def test_training_starts_from_the_evaluators_encoder():
    judge, network = load_file(shipped_weights(train.EVALUATOR)), train.start(RoutedSettings())
    for name, value in network.body.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(value, judge[f"body.{name}"].float()), name
    assert network.head[-1].weight.abs().max() == network.local_head.weight.abs().max() == 0


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_each_part_of_the_ablation_can_be_trained(architecture, routed_crops):
    settings = RoutedSettings(importance=architecture.importance, transformer=architecture.transformer)
    network = train.start(settings)
    assert network.architecture == architecture
    batch = Sampler(routed_crops, seed=0).batch(0, 2)
    learning, before = train.start_run(network, settings), network.head[-1].bias.clone()
    learning.learn(losses(network(batch.seen, batch.seen_mask, batch.importance), batch))
    assert not torch.equal(network.head[-1].bias, before)


def test_the_loss_of_a_batch_falls(routed_crops):
    torch.manual_seed(0)
    settings = RoutedSettings(learning_rate=2e-2)  # the first steps are a warm-up
    learning, batch = train.start_run(train.start(settings), settings), Sampler(routed_crops, seed=0).batch(0, 4)
    values = []
    for _ in range(8):
        transform = learning.network(batch.seen, batch.seen_mask, batch.importance)
        values.append(learning.learn(losses(transform, batch))["whole"])
    assert values[-1] < 0.9 * values[0]


def test_training_goes_on_from_exported_weights(photo_set, work, tmp_path):
    exported = work[0] / "routed.safetensors"
    run(photo_set, tmp_path, steps=1, learning_rate=0.0, initial=exported)
    before, after = load_file(exported), load_file(tmp_path / "routed.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_initial_weights_of_another_model(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="a.safetensors is no routed harmonizer"):
        train.start(RoutedSettings(initial=tmp_path / "a.safetensors"))


def test_initial_weights_of_another_architecture(tmp_path):
    path = tmp_path / "bare.safetensors"
    write_weights(train.weights_of(lively_network(Architecture(importance=False))), path)
    with pytest.raises(ValueError, match="^`initial`: bare.safetensors is of .*importance=False.*, expected "):
        train.start(RoutedSettings(initial=path))
    own = train.start(RoutedSettings(initial=path, importance=False))
    assert all(parameter.requires_grad for parameter in own.parameters())


def test_one_half_is_learned_from_without_an_encoder_that_knows_both(photo_set, tmp_path):
    rgb = EfficientNetLite0(3).state_dict()
    torch.save(published(rgb), tmp_path / "lite0.pth")
    backbone = {"half": 1, "initial_backbone": tmp_path / "lite0.pth"}
    network = train.start(RoutedSettings(**backbone))
    assert torch.equal(network.body.conv_stem.weight[:, :3], rgb["conv_stem.weight"])
    assert network.body.conv_stem.weight[:, 3].abs().max() == 0
    run(photo_set, tmp_path, steps=1, **backbone)
    squares = torch.load(tmp_path / "squares-1.pt", weights_only=True)
    assert set(squares["ids"]) == {photo.id for photo in training_photos(photo_set, 1)}
