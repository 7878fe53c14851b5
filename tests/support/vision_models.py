"""Tiny vision-language models of the transformers library, random weights, written as model folders."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXTS = ["the pasted dog & (foreground) bright summer & (background) winter dull", "a photo of the tree, golden tones"]
CHAT = """{% for message in messages %}{{ message.role }}: {% for part in message.content %}\
{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}{% endfor %}<end>{% endfor %}\
{% if add_generation_prompt %}assistant: {% endif %}"""
SIDE = 32  # of the square that the models see, pixels
# Of the segmenters.
TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_dim": 32, "initializer_range": 0.2}
SQUARE = {"image_size": 64, "patch_size": 16}
PROMPTS = SQUARE | {"hidden_size": 32, "mask_input_channels": 4}
DECODER = {"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_depth": 2, "iou_head_hidden_dim": 8}


def tokenizer(**tokens: str) -> transformers.PreTrainedTokenizerFast:
    """Byte-level BPE: any text has tokens, and words of the vocabulary have several."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<pad>", "<start>", "<end>", "<image>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    core.train_from_iterator(
        TEXTS, trainers.BpeTrainer(vocab_size=300, special_tokens=special, initial_alphabet=alphabet)
    )
    names = {"pad_token": "<pad>", "bos_token": "<start>", "eos_token": "<end>"} | tokens
    return transformers.PreTrainedTokenizerFast(tokenizer_object=core, **names)


def write_clip(folder: Path, seed: int = 0) -> Path:
    """CLIP of two small towers."""
    words = tokenizer()
    words.model_max_length = 64
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = tower | {"vocab_size": len(words), "max_position_embeddings": 64, "eos_token_id": words.eos_token_id}
    torch.manual_seed(seed)
    config = transformers.CLIPConfig(
        text_config=text, vision_config=tower | {"image_size": SIDE, "patch_size": 8}, projection_dim=16
    )
    return _write(folder, transformers.CLIPModel(config), transformers.CLIPProcessor(_eye(), words))


def write_llava(folder: Path, seed: int = 0) -> Path:
    """Llava: a CLIP tower's patches among the tokens of a small Llama."""
    words = tokenizer()
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(seed)
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**tower, image_size=SIDE, patch_size=8),
        text_config=transformers.LlamaConfig(**tower, vocab_size=len(words), eos_token_id=words.eos_token_id),
        image_token_index=words.convert_tokens_to_ids("<image>"),
    )
    processor = transformers.LlavaProcessor(
        _eye(),
        words,
        patch_size=8,
        vision_feature_select_strategy="default",
        chat_template=CHAT,
        num_additional_image_tokens=1,
    )
    return _write(folder, transformers.LlavaForConditionalGeneration(config), processor)


def _eye() -> Any:
    return transformers.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def _write(folder: Path, model: Any, processor: Any) -> Path:
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def write_qwen2_vl(folder: Path, seed: int = 0) -> Path:
    """Qwen2-VL: pictures of any size, positions along three axes."""
    marks = {
        "image_token": "<image>",
        "video_token": "<video>",
        "vision_start_token": "<see>",
        "vision_end_token": "<seen>",
    }
    words = tokenizer(extra_special_tokens=marks)
    ids = {f"{name}_id": words.convert_tokens_to_ids(mark) for name, mark in marks.items()}
    torch.manual_seed(seed)
    config = transformers.Qwen2VLConfig(
        text_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "vocab_size": len(words),
            "eos_token_id": words.eos_token_id,
            "bos_token_id": None,
            "rope_parameters": {"type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4},
        },
        vision_config={"depth": 2, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "patch_size": 4, "mlp_ratio": 2},
        **ids,
    )
    pixels = {"patch_size": 4, "min_pixels": 64, "max_pixels": SIDE**2}
    processor = transformers.Qwen2VLProcessor(
        transformers.Qwen2VLImageProcessor(**pixels),
        words,
        transformers.Qwen2VLVideoProcessor(**pixels),
        chat_template=CHAT.replace("<image>", "<see><image><seen>"),
    )
    return _write(folder, transformers.Qwen2VLForConditionalGeneration(config), processor)


def write_idefics3(folder: Path, seed: int = 0) -> Path:
    """Idefics3, the family of SmolVLM."""
    words = tokenizer(extra_special_tokens={"image_token": "<image>"})
    words.add_tokens(["<fake_token_around_image>", "<global-img>", "<end_of_utterance>"], special_tokens=True)
    torch.manual_seed(seed)
    config = transformers.Idefics3Config(
        vision_config={
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "patch_size": 8,
        },
        text_config={
            "model_type": "llama",
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "vocab_size": len(words),
            "eos_token_id": words.eos_token_id,
            "bos_token_id": 1,
            "pad_token_id": 0,
        },
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        pad_token_id=0,
    )
    eyes = transformers.Idefics3ImageProcessor(
        size={"longest_edge": SIDE}, max_image_size={"longest_edge": SIDE}, do_image_splitting=False
    )
    processor = transformers.Idefics3Processor(eyes, words, image_seq_len=4, chat_template=CHAT)
    return _write(folder, transformers.Idefics3ForConditionalGeneration(config), processor)


def write_sam(folder: Path, seed: int = 0, sure: bool = True) -> Path:
    """SAM, whose masks follow its random weights; it is sure of every one, or of none."""
    torch.manual_seed(seed)
    config = transformers.SamConfig(
        vision_config=TOWER
        | SQUARE
        | {"output_channels": 32, "num_pos_feats": 16, "window_size": 2, "global_attn_indexes": [1]},
        prompt_encoder_config=PROMPTS | {"image_embedding_size": 4},
        mask_decoder_config=DECODER,
    )
    eyes = transformers.SamImageProcessor(
        size={"longest_edge": 64}, pad_size={"height": 64, "width": 64}, mask_size={"longest_edge": 16}
    )
    return _write(folder, _opinionated(transformers.SamModel(config), sure), eyes)


def write_sam2(folder: Path, seed: int = 0) -> Path:
    """SAM 2, likewise."""
    torch.manual_seed(seed)
    hiera = transformers.Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[64, 64],
        blocks_per_stage=[1, 1, 1, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 2],
        global_attention_blocks=[],
    )
    return _write(
        folder, _opinionated(transformers.Sam2Model(_fused(transformers.Sam2Config, hiera.to_dict()))), _eyes2()
    )


def write_edgetam(folder: Path, seed: int = 0) -> Path:
    """EdgeTAM, whose body comes from the timm library; likewise."""
    torch.manual_seed(seed)
    body = {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]}
    body |= {"embed_dim": [8, 16, 32, 64], "depth": [1, 1, 1, 1]}
    timm = transformers.TimmWrapperConfig(architecture="repvit_m1", do_pooling=False, model_args=body)
    return _write(folder, _opinionated(transformers.EdgeTamModel(_fused(transformers.EdgeTamConfig, timm))), _eyes2())


def _fused(kind: Any, body: Any) -> Any:
    """A configuration of the SAM 2 family: four maps of a body, joined."""
    vision = {
        "backbone_config": body,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        "fpn_hidden_size": 32,
    }
    return kind(vision_config=vision, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER)


def _eyes2() -> Any:
    return transformers.Sam2ImageProcessor(size={"height": 64, "width": 64}, mask_size={"height": 16, "width": 16})


def _opinionated(model: Any, sure: bool = True) -> Any:
    """Masks of clear edges, each said to be perfect, or each said to be wrong."""
    decoder = model.mask_decoder
    torch.nn.init.zeros_(decoder.iou_prediction_head.proj_out.weight)
    torch.nn.init.constant_(decoder.iou_prediction_head.proj_out.bias, 9.0 if sure else -9.0)
    for network in decoder.output_hypernetworks_mlps:
        network.proj_out.weight.data *= 1e7
    return model


@pytest.fixture
def offline(monkeypatch):
    """No connection can be opened."""

    def refuse(*_):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture(scope="session")
def llava_folder(tmp_path_factory):
    return write_llava(tmp_path_factory.mktemp("models") / "llava")


@pytest.fixture(scope="session")
def sam_folder(tmp_path_factory):
    return write_sam(tmp_path_factory.mktemp("models") / "sam")
