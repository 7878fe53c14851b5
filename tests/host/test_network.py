import comfy.model_management
import pytest
import torch
from torch import nn

from diff_harmonization.host.network import HostNetwork


class Sum(nn.Module):
    """Several inputs and a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0), requires_grad=False)

    def forward(self, *inputs):
        return self.weight * sum(inputs)


@pytest.fixture
def network():
    return HostNetwork(Sum())


def test_it_computes_on_the_hosts_device_what_the_network_computes(network, executor):
    inputs = [torch.full((2, 3), float(number)) for number in (1, 2, 3)]
    out = network(*inputs)
    assert out.device == network.patcher.load_device
    assert torch.equal(out.cpu(), torch.full((2, 3), 12.0))
    assert all(values.device.type == "cpu" for values in inputs)


def test_the_host_knows_that_it_is_loaded_and_can_take_it_away(network, executor):
    network(torch.ones(1))
    loaded = [entry.model for entry in comfy.model_management.current_loaded_models]
    assert network.patcher in loaded
    comfy.model_management.unload_all_models()
    assert network.patcher.model.weight.device.type == network.patcher.offload_device.type
    assert network(torch.ones(1)).item() == 2  # it comes back when it is called again
