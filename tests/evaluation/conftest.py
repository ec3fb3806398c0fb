"""A small evaluation of bundled clips with a tiny random model, run once; its cache is shared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import list_material
from siren_cli.evaluation.codecs.damage import Damage
from siren_cli.evaluation.run import evaluate
from siren_cli.evaluation.workers.worker import EvaluationPlan

MANIFEST = Path(__file__).resolve().parent.parent / "data" / "manifest.jsonl"


@pytest.fixture(scope="session")
def clips() -> list[Clip]:
    """The bundled recordings with words and alignments, the long one left out."""
    return list_material(MANIFEST, "test", None)[1:]


@pytest.fixture(scope="session")
def speech(short_clips: list[Path]) -> np.ndarray:
    """A real recording, [T] at 16 kHz."""
    return soundfile.read(short_clips[1], dtype="float32")[0]


@pytest.fixture(scope="session")
def plan(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluationPlan:
    """Settings without the slow metrics and without programs from outside pip."""
    return EvaluationPlan(
        model=str(tiny_model), stages=(1, 2), baselines=(), has_other_speaker=True, asr=("pocketsphinx",),
        cache=tmp_path_factory.mktemp("store"), threads=1, damages=(Damage("ber", 0.05), Damage("drop", 0.3)),
        packet_bytes=20, skip=("words", "dnsmos", "cost"),
    )  # fmt: skip


@pytest.fixture(scope="session")
def record(plan: EvaluationPlan, clips: list[Clip]) -> dict[str, Any]:
    """What `evaluate` makes of two clips."""
    return evaluate(plan, clips[:2], 1, lambda text: None)


@pytest.fixture(scope="session")
def ctc_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random CTC recogniser as transformers keeps one."""
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder = tmp_path_factory.mktemp("asr")
    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefgh"]
    (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"))
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(letters), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=[16] * 7, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, pad_token_id=0,
    )  # fmt: skip
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


def save_whisper(folder: Path, languages: tuple[str, ...] = ()) -> Path:
    """Saves a tiny random recogniser of Whisper's kind, of several languages or of English alone."""
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizer,
    )

    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in languages), "<|transcribe|>",
               "<|translate|>", "<|notimestamps|>"]  # fmt: skip
    letters = [*"abcdefgh", *special]
    place = {letter: number for number, letter in enumerate(letters)}
    folder.mkdir(exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(place))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = WhisperTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=len(letters), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_target_positions=16, pad_token_id=8,
        bos_token_id=8, eos_token_id=8, decoder_start_token_id=9, begin_suppress_tokens=None,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    settings = {
        "suppress_tokens": [place[token] for token in special],
        "no_timestamps_token_id": place["<|notimestamps|>"],
        "max_length": 10,
        "is_multilingual": bool(languages),
        "decoder_start_token_id": place["<|startoftranscript|>"],
        **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), place["<|endoftext|>"]),
    }
    if languages:
        settings["lang_to_id"] = {f"<|{code}|>": place[f"<|{code}|>"] for code in languages}
        settings["task_to_id"] = {name: place[f"<|{name}|>"] for name in ("transcribe", "translate")}
    model.generation_config = GenerationConfig(**settings)
    model.save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Whisper of English alone as transformers keeps one."""
    return save_whisper(tmp_path_factory.mktemp("asr") / "tiny-whisper.en")


@pytest.fixture(scope="session")
def multilingual_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Whisper of three languages."""
    return save_whisper(tmp_path_factory.mktemp("asr") / "tiny-whisper", ("en", "de", "pl"))
