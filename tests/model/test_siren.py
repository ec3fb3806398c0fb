"""Building models from configs: what fits loads exactly, what does not is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from siren_cli.config import ModelConfig
from siren_cli.errors import ConfigError, WeightsDamaged, WeightsMissing
from siren_cli.model.decoder import Speech, SpeechDecoder
from siren_cli.model.excitation import training_source
from siren_cli.model.layers import ConvNeXtBlock, LocalAttention
from siren_cli.model.siren import build, weights_of


def random_weights(config: ModelConfig, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return weights_of(build(config))


def test_weights_survive_export_and_build() -> None:
    config = ModelConfig.tiny()
    tensors = random_weights(config, seed=5)
    model = build(config, tensors)
    again = build(config, weights_of(model))
    for before, after in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert before[0] == after[0]
        torch.testing.assert_close(before[1], after[1], rtol=1e-5, atol=1e-8)
    assert not any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()])


def test_a_missing_a_foreign_and_a_misshapen_tensor_are_refused() -> None:
    config = ModelConfig.tiny()
    tensors = random_weights(config, seed=5)
    name = next(iter(tensors))
    for wrong in (
        {k: v for k, v in tensors.items() if k != name},
        {**tensors, "stranger": torch.zeros(1)},
        {**tensors, name: torch.zeros(3, 3)},
    ):
        with pytest.raises(WeightsDamaged, match="do not fit"):
            build(config, wrong)


@pytest.mark.parametrize("vocoder", ["vocos", "hifigan"])
def test_vocoders_give_exactly_the_hop_for_every_frame(vocoder: str) -> None:
    torch.manual_seed(0)
    model = build(ModelConfig.tiny(vocoder=vocoder))
    speech = Speech(torch.randn(2, 48, 80), torch.full((2, 48), 4.9), torch.full((2, 48), 5.0))
    wav = model.vocoder(speech, training_source(speech.pitch, speech.voicing, 160))
    assert wav.shape == (2, 48 * 160)
    assert bool(wav.isfinite().all())
    wav.square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.vocoder.parameters())


def test_attention_looks_no_further_than_its_reach() -> None:
    torch.manual_seed(0)
    attention = LocalAttention(16, 2, reach=4)
    x = torch.randn(1, 40, 16)
    changed = x.clone()
    changed[:, 20] += torch.randn(16)
    moved = (attention(changed) - attention(x)).abs().amax(-1)[0] > 1e-6
    assert moved.nonzero().flatten().tolist() == list(range(16, 25))


@pytest.mark.parametrize("frames", [1, 4, 5, 6, 40])
def test_what_attention_adds_hangs_on_the_distance_alone(frames: int) -> None:
    attention = LocalAttention(8, 2, reach=4)
    torch.nn.init.normal_(attention.bias)
    with torch.no_grad():
        added = attention._bias(frames)
    assert added.shape == (2, frames, frames)
    for query in range(frames):
        for key in range(frames):
            distance = key - query
            expected = attention.bias[:, distance + 4] if abs(distance) <= 4 else torch.full((2,), -torch.inf)
            assert torch.equal(added[:, query, key], expected)


def test_a_decoder_leaves_parts_out_while_it_learns_and_never_later() -> None:
    torch.manual_seed(0)
    decoder = SpeechDecoder(ModelConfig.tiny())
    latents, voice = torch.randn(1, 4, ModelConfig.tiny().widths[-1]), torch.randn(1, ModelConfig.tiny().voice_width)
    told = decoder(latents, voice)[1].mel
    assert torch.equal(decoder(latents, voice)[1].mel, told), "nothing is left out unasked"
    decoder.leave_out(0.3)
    first, second = (decoder(latents, voice)[1].mel for _ in range(2))
    assert not torch.equal(first, second) and not torch.equal(first, told)
    assert torch.equal(decoder.eval()(latents, voice)[1].mel, told)
    blocks = [module for module in decoder.stacks[0].modules() if isinstance(module, ConvNeXtBlock)]
    assert blocks and all(block.dropout == 0.0 for block in blocks), "at 50 Hz every part counts"


def test_unknown_keys_and_impossible_values_of_a_config_are_refused(tmp_path: Path) -> None:
    for values, said in (
        ({"widht": 3}, "unknown key 'widht'"),
        ({"vocoder": "tin can"}, "tin can"),
        ({"stages": 3}, "stages is 3"),
        ({"stages": "two"}, "expected a int"),
        ({"widths": [1, 2]}, "4 numbers"),
    ):
        path = tmp_path / "config.json"
        path.write_text(json.dumps(values))
        with pytest.raises(ConfigError, match=said):
            ModelConfig.from_json(path)
    path.write_text("{")
    with pytest.raises(ConfigError, match="not a readable JSON"):
        ModelConfig.from_json(path)


def test_a_config_survives_its_json(tmp_path: Path) -> None:
    config = ModelConfig.tiny(stages=1, vocoder="hifigan")
    path = tmp_path / "config.json"
    path.write_text(config.to_json())
    assert ModelConfig.from_json(path) == config


@pytest.fixture(scope="module")
def tiny_hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HuBERT of DistilHuBERT's kind on disk, small and random, written by transformers itself."""
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        vocab_size=8,
    )
    folder = tmp_path_factory.mktemp("hubert")
    HubertModel(config).save_pretrained(folder)
    return folder


def test_hubert_front_end_gives_50_frames_a_second_and_its_own_weights(tiny_hubert: Path) -> None:
    from transformers import HubertModel

    model = build(ModelConfig.tiny(front_end="hubert", hubert_path=str(tiny_hubert)))
    assert model.front_end is not None
    model.front_end.load_pretrained(str(tiny_hubert))
    model.eval()
    wav = 0.1 * torch.randn(1, 5 * 2560)
    with torch.no_grad():
        features = model.front_end(wav)
        assert features.shape == (1, 40, 24)
        _, latents = model.factorizer.semantic(features)
        padded = torch.nn.functional.pad(wav, (40, 120))
        expected = HubertModel.from_pretrained(tiny_hubert).eval()(padded).last_hidden_state
    assert latents.shape[1] == 5
    torch.testing.assert_close(features, expected[:, :40])


def test_hubert_model_survives_export(tiny_hubert: Path) -> None:
    config = ModelConfig.tiny(front_end="hubert", hubert_path=str(tiny_hubert))
    tensors = random_weights(config, seed=1)
    model = build(config, tensors)
    with torch.no_grad():
        assert model.front_end is not None
        assert bool(model.front_end(0.1 * torch.randn(1, 2560)).isfinite().all())


def test_a_missing_hubert_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="nowhere"):
        build(ModelConfig.tiny(front_end="hubert", hubert_path=str(tmp_path / "nowhere")))
