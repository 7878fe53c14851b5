import pytest
import torch
from published import published
from routed_networks import lively_network
from safetensors.torch import load_file, save_file

from diff_harmonization.core.efficientnet import EfficientNetLite0
from diff_harmonization.evaluator.checkpoint import read_network, read_state
from diff_harmonization.evaluator.networks import RegionNetwork, ResNet50
from diff_harmonization.training.evaluator import train
from diff_harmonization.training.files import weights_of, write_weights
from diff_harmonization.training.routed.crops import training_photos
from diff_harmonization.training.settings import EvaluatorSettings

OPTIONS = {"steps": 2, "groups": 2, "per_photo": 2}


def run(photos, work, **changes):
    train.train(photos, work, EvaluatorSettings(**OPTIONS | changes))


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


def test_the_export_is_the_average_and_is_read_as_an_evaluator(work):
    path = work[0] / "evaluator.safetensors"
    network, view = read_network(read_state(path), path.name)
    assert isinstance(network, RegionNetwork) and view == "crop"
    average = state(work[0])["average"]
    assert {value.dtype for value in load_file(path).values()} == {torch.float16}
    assert torch.allclose(network.state_dict()["head.3.weight"], average["head.3.weight"], atol=1e-3)


def test_every_weight_learns(work):
    """Weight decay alone would change the weights too, so a gradient must have come to each of them."""
    torch.manual_seed(0)
    network, checkpoint = RegionNetwork(), state(work[0])
    before, after = network.state_dict(), checkpoint["network"]
    assert all(not torch.equal(before[name], value) for name, value in after.items() if name.endswith("weight"))
    groups = train.parameter_groups(network, 1.0)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    ordered = [names[id(parameter)] for group in groups for parameter in group["params"]]
    moments = checkpoint["optimizer"]["state"]
    assert len(moments) == len(ordered)
    still = [name for index, name in enumerate(ordered) if moments[index]["exp_avg_sq"].max() == 0]
    assert still == []


def test_new_layers_learn_faster():
    network = RegionNetwork()
    rest, new = train.parameter_groups(network, 0.1)
    assert new["lr"] == pytest.approx(0.1 * train.NEW_LAYERS_PACE) and rest["lr"] == 0.1
    assert any(parameter is network.body.conv_stem.weight for parameter in new["params"])
    assert len(new["params"]) + len(rest["params"]) == len([*network.parameters()])


def test_a_finished_run_is_left_as_it_is(photo_set, work):
    before = (work[0] / "checkpoint.pt").read_bytes()
    run(photo_set, work[0])
    assert (work[0] / "checkpoint.pt").read_bytes() == before


def test_training_goes_on_from_exported_weights(photo_set, work, tmp_path):
    exported = work[0] / "evaluator.safetensors"
    run(photo_set, tmp_path, steps=1, learning_rate=0.0, initial=exported)
    before, after = load_file(exported), load_file(tmp_path / "evaluator.safetensors")
    assert all(torch.equal(after[name], value) for name, value in before.items() if "running" not in name)


def test_training_starts_from_a_pretrained_backbone(tmp_path):
    rgb = EfficientNetLite0(3).state_dict()
    torch.save(published(rgb), tmp_path / "lite0.pth")
    network = train.start(EvaluatorSettings(initial_backbone=tmp_path / "lite0.pth"))
    assert torch.equal(network.body.conv_stem.weight[:, :3], rgb["conv_stem.weight"])
    assert network.body.conv_stem.weight[:, 3].abs().max() == 0


def test_the_papers_network_can_be_trained():
    assert isinstance(train.start(EvaluatorSettings(architecture="resnet50")), ResNet50)


def test_initial_weights_of_another_model(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="a.safetensors is not a harmony evaluator"):
        train.start(EvaluatorSettings(initial=tmp_path / "a.safetensors"))


def test_calibration_measures_the_data_and_then_stays(photo_set, tmp_path):
    crops = train.read_crops(photo_set, tmp_path, 4, 1)
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
    train.start_run(network, EvaluatorSettings()).learn(train.losses_of(network, *sampler.batch(2, 4)))
    assert torch.equal(norm.running_mean, before)


@pytest.fixture(scope="module")
def proposers(tmp_path_factory):
    """Files of two networks that differ."""
    folder = tmp_path_factory.mktemp("proposers")
    files = folder / "0.safetensors", folder / "1.safetensors"
    for file, scale in zip(files, (1.0, 0.5), strict=True):
        state = weights_of(lively_network())
        write_weights(state | {"head.5.weight": scale * state["head.5.weight"]}, file)
    return files


def test_a_judge_of_choices_can_be_trained(photo_set, tmp_path, proposers, work):
    run(photo_set, tmp_path, proposers=proposers)
    before, after = state(work[0])["network"], state(tmp_path)["network"]
    assert not torch.equal(before["head.3.weight"], after["head.3.weight"])
    for half in (0, 1):
        squares = torch.load(tmp_path / f"half-{half}-squares-2.pt", weights_only=True)
        assert set(squares["ids"]) == {photo.id for photo in training_photos(photo_set, half)}


def test_each_proposer_is_tried_on_the_other_half(photo_set, tmp_path, proposers):
    choices = train.open_choices(photo_set, tmp_path, EvaluatorSettings(**OPTIONS, proposers=proposers))
    for half, sampler in enumerate(choices.samplers):
        assert set(sampler.crops.ids) == {photo.id for photo in training_photos(photo_set, half)}
    asked = [network.state_dict()["head.5.weight"] for network in choices.networks]
    written = [load_file(file)["head.5.weight"].float() for file in proposers]
    assert torch.equal(asked[0], written[1]) and torch.equal(asked[1], written[0])
    assert not torch.equal(*written)


def test_without_proposers_there_are_no_choices(photo_set, tmp_path):
    assert train.open_choices(photo_set, tmp_path, EvaluatorSettings(**OPTIONS)) is None
