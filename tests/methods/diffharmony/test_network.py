import pytest
import torch
from harmony_vaes import fresh_network, lively_network
from tiny_models import tiny_vae

from diff_harmonization.host.diffharmony.vae import empty_network


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(1, 1, 32, 48)
    mask[..., 8:24, 8:30] = 1
    return torch.randn(1, 4, 4, 6, generator=generator), torch.rand(1, 3, 32, 48, generator=generator) * 2 - 1, mask


def test_at_the_start_it_is_the_plain_decoder(inputs):
    plain = tiny_vae()
    network = fresh_network(plain)
    with torch.inference_mode():
        assert torch.equal(network(*inputs), plain.first_stage_model.decode(inputs[0]))
    new = [network.mask_conv, network.mid_skip, network.latent_skip, *network.skips]
    assert all(not weight.any() for part in new for weight in part.parameters())


def test_features_have_the_sizes_at_which_the_decoder_takes_them():
    network = empty_network()
    sizes = [tuple(x.shape[1:]) for x in network.descend(torch.zeros(1, 3, 64, 64, device="meta"),
                                                         torch.zeros(1, 1, 64, 64, device="meta"))]  # fmt: skip
    assert sizes == [
        *[(128, 64, 64)] * 3, (128, 32, 32), *[(256, 32, 32)] * 2, (256, 16, 16), *[(512, 16, 16)] * 2,
        (512, 8, 8), *[(512, 8, 8)] * 2,
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(8))
def test_each_skip_goes_where_it_belongs(number, inputs):
    """A constant through one skip alone is what adding it behind its block gives."""
    plain = tiny_vae()
    network = fresh_network(plain)
    decoder = plain.first_stage_model.decoder
    level, block = number // 2, 1 - number % 2  # two blocks on each level of the small decoder, in reverse
    with torch.inference_mode():
        network.skips[number].bias.fill_(0.7)
        handle = decoder.up[level].block[block].register_forward_hook(lambda *parts: parts[-1] + 0.7)
        expected = plain.first_stage_model.decode(inputs[0])
        handle.remove()
        assert torch.equal(network(*inputs), expected)


def test_the_middle_s_and_the_latent_s_skip(inputs):
    plain = tiny_vae()
    network, stage = fresh_network(plain), plain.first_stage_model
    latent, condition, mask = inputs
    with torch.inference_mode():
        network.latent_skip.weight.copy_(torch.eye(4)[:, :, None, None])
        network.mid_skip.bias.fill_(0.7)
        both = latent + stage.encode(condition)  # the host takes the mode
        handle = stage.decoder.mid.block_2.register_forward_hook(lambda *parts: parts[-1] + 0.7)
        start = stage.post_quant_conv(latent) + stage.post_quant_conv(both - latent)
        expected = stage.decoder(start)
        handle.remove()
        torch.testing.assert_close(network(*inputs), expected)


def test_the_mask_is_added_behind_the_first_convolution(inputs):
    network = lively_network()
    latent, condition, mask = inputs
    with torch.inference_mode():
        first = network.descend(condition, mask)[0]
        expected = network.conditional_encoder.conv_in(condition) + network.mask_conv(mask)
    assert torch.equal(first, expected)


def test_every_weight_learns_but_the_frozen(inputs):
    """Away from the start, gradients reach encoder, skips and decoder."""
    network = lively_network()
    network(*inputs).square().mean().backward()
    still = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert still == []
