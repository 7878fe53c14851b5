import pickle

import pytest
import torch
from safetensors.torch import save_file

from diff_harmonization.evaluator.checkpoint import NETWORKS, read_network, read_state
from diff_harmonization.evaluator.networks import SIDE, RegionNetwork, ResNet50


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    return ResNet50().eval()


def reference_layout(state):
    """A ResNet-50's weights under the names of the authors' evaluator: parts are numbered from the one after conv1."""
    numbers = {"bn1": "0", "layer1": "3", "layer2": "4", "layer3": "5", "layer4": "6"}

    def name(key):
        part, _, rest = key.partition(".")
        if part in numbers:
            return f"encoder.{numbers[part]}.{rest}"
        return {"conv1": "inp_encoder", "fc": "classify_fc"}[part] + f".{rest}"

    return {name(key): value for key, value in state.items()}


class Reference(torch.nn.Module):
    """The authors' evaluator in its published shape, built from the parts of a ResNet-50."""

    def __init__(self, resnet):
        super().__init__()
        parts = (resnet.bn1, resnet.relu, resnet.maxpool, resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4)
        self.inp_encoder, self.encoder, self.classify_fc = resnet.conv1, torch.nn.Sequential(*parts), resnet.fc

    def forward(self, image, mask):
        x = self.encoder(self.inp_encoder(torch.cat((image, mask), dim=1)))
        return self.classify_fc(x.mean((2, 3)))


def test_the_reference_layout_is_that_of_its_shape(resnet):
    assert Reference(resnet).state_dict().keys() == reference_layout(resnet.state_dict()).keys()


@pytest.mark.parametrize("wrap", [dict, lambda state: {"state_dict": state, "epoch": 7}])
def test_a_reference_checkpoint_scores_as_the_reference(resnet, tmp_path, wrap):
    path = tmp_path / "bestModel.pth"
    reference = Reference(resnet)
    torch.save(wrap(reference.state_dict()), path)
    network, view = read_network(read_state(path), path.name)
    assert view == "whole"
    square = torch.rand(1, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(network(square), reference(square[:, :3], square[:, 3:]), atol=1e-5)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_exports_are_read_back(architecture, tmp_path):
    network, path = NETWORKS[architecture]().eval(), tmp_path / "own.safetensors"
    state = {name: value.half() for name, value in network.state_dict().items() if value.is_floating_point()}
    save_file(state, path)
    again, view = read_network(read_state(path), path.name)
    assert type(again) is type(network)
    assert view == "crop"
    assert not again.training
    assert all(torch.equal(value, state[name].float()) for name, value in again.state_dict().items() if name in state)


def test_a_resnet_of_three_channels_is_refused(resnet):
    state = resnet.state_dict() | {"conv1.weight": torch.zeros(64, 3, 7, 7)}
    message = r"plain.pth is not a harmony evaluator: conv1.weight is \(64, 3, 7, 7\) where \(64, 4, 7, 7\) is expected"
    with pytest.raises(ValueError, match=f"^`(path|state)`: {message}"):
        read_network(state, "plain.pth")


def test_another_model_is_refused():
    with pytest.raises(ValueError, match=r"other.pth is not a harmony evaluator: .*inp_encoder, encoder, classify_fc"):
        read_network({"model.diffusion_model.out.0.weight": torch.zeros(3)}, "other.pth")


def test_a_damaged_reference_is_refused(resnet):
    state = reference_layout(resnet.state_dict())
    del state["encoder.4.0.conv1.weight"]
    with pytest.raises(ValueError, match="layer2.0.conv1.weight is missing"):
        read_network(state, "bestModel.pth")


@pytest.mark.parametrize("name", ["noise.pth", "noise.safetensors"])
@pytest.mark.parametrize("content", [bytes(range(256)), b"", b"a page that says that the file has moved"])
def test_a_file_that_is_no_weights_file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^`path`: {name} cannot be read as weights") as error:
        read_state(path)
    assert "\n" not in str(error.value) and "weights_only" not in str(error.value)


def test_code_in_a_file_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (tmp_path.joinpath("harmed").touch, ())

    path = tmp_path / "harm.pth"
    torch.save({"a": torch.zeros(1), "b": Harm()}, path)
    with pytest.raises(ValueError, match="harm.pth cannot be read as weights"):
        read_state(path)
    path.write_bytes(pickle.dumps(Harm(), protocol=2))
    with pytest.raises(ValueError, match="harm.pth cannot be read as weights"):
        read_state(path)
    assert not (tmp_path / "harmed").exists()


def test_a_file_of_something_else(tmp_path):
    path = tmp_path / "list.pth"
    torch.save([torch.zeros(1)], path)
    with pytest.raises(ValueError, match="list.pth holds a list, not a table of weights"):
        read_state(path)


def test_counters_may_be_missing(resnet):
    state = {name: value for name, value in resnet.state_dict().items() if "num_batches" not in name}
    assert read_network(state, "old.pth")[1] == "crop"
    assert isinstance(read_network(RegionNetwork().state_dict(), "x")[0], RegionNetwork)
