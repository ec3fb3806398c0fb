"""From a trained model to the folder that `siren encode --model` loads: indices, tables, prior, weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from siren_cli.chunks import CHUNK_FRAMES
from siren_cli.config import SAMPLE_RATE_HZ, ModelConfig
from siren_cli.loudness import NOMINAL_LEVEL_DB
from siren_cli.model.build import SirenModel, weights_of
from siren_cli.model.compact import widen
from siren_cli.pitch import HOP_SAMPLES
from siren_cli.training.card import CARD_NAME, model_card
from siren_cli.training.config import TrainConfig
from siren_cli.training.data import Cache, Span
from siren_cli.training.indices import indices_of, wav_of
from siren_cli.training.prior_fit import fit_prior
from siren_cli.training.prior_report import compare_coders
from siren_cli.training.probe import speaker_leakage
from siren_cli.training.settings import write_run_file
from siren_cli.training.voice_fit import fit_voice
from siren_cli.weights import save_model
from siren_format.fitting import fit_tables
from siren_format.limits import FRAME_SAMPLES, MAX_STAGES
from siren_format.prior import NeuralPrior
from siren_format.prior_voice import voice_bits
from siren_format.tables import Tables, cross_entropy_bits
from siren_format.voice import voice_to_bytes

FIT_HOURS = 12.0
"""Speech that tables and prior are fitted to, hours: about five minutes of encoding on one core."""

_JUDGED = 200
_MIN_SAMPLES = 2 * FRAME_SAMPLES
_SILENT_EVERY = 6
_SILENCE_SAMPLES = (SAMPLE_RATE_HZ // 2, 4 * SAMPLE_RATE_HZ)


def export_model(
    model: SirenModel,
    cache: Cache,
    run: Path,
    device: torch.device,
    config: TrainConfig,
    report: Callable[[str], None],
) -> Path:
    """Fits the tables and the neural prior to the indices of the training split and writes the model.

    The weights are rounded to what is stored, so that both fit the indices that users will get. Every recording of
    the training split begins a random part of a frame late, since nothing aligns speech to frames of 160 ms, and
    some have digital silence before or after them, which should cost next to nothing.

    Args:
        model: Trained.
        cache: Its training data.
        run: Run folder; the model goes to its subfolder `model`.
        device: Where to run the factorizer.
        config: How to train the prior.
        report: Called with lines about progress, rate and voice.

    Returns:
        The model's folder.

    Raises:
        OutputUnwritable: If it cannot be written.
    """
    folder = run / "model"
    said: list[str] = []
    tensors = weights_of(model)
    model.load_state_dict(widen(tensors))
    model.to(device).eval()
    rng = np.random.default_rng(config.seed)
    spans = _evenly(cache.split("train"), FIT_HOURS)
    train, voices = [], []
    for number, span in enumerate(spans):
        wav = wav_of(cache, span)
        train.append(indices_of(model, _varied(wav, number, rng), device))
        voices.append(_voice_of(model, wav, device))
    report(f"encoded {len(train)} recordings of the training split, {sum(map(len, train))} frames")
    tables = fit_tables([_of_all_stages(indices) for indices in train])
    arrays = {**{name: tensor.numpy() for name, tensor in tensors.items()}, **tables.to_arrays()}
    seen = {
        split: [indices_of(model, wav_of(cache, span), device) for span in cache.spans.get(split, [])[:_JUDGED]]
        for split in ("train", "dev", "test")
    }
    if model.config.stages == MAX_STAGES:
        net = fit_prior(train, config, report)
        prior = net.to_integers(fit_voice(np.stack(voices)))
        arrays.update(prior.to_arrays())
        for split, judged in seen.items():
            if judged:
                said += [f"{split}: {line}" for line in compare_coders(judged, train, tables, net, prior)]
                said.append(f"{split}: {_voice_cost(model, cache.spans[split][:_JUDGED], cache, prior, device)}")
    else:
        said += [f"{split}: {_table_bits(judged, tables):.3f} bits a frame" for split, judged in seen.items() if judged]
    leakage = speaker_leakage(model, cache, device)
    for line in (*said, "speaker from the indices: " + "  ".join(f"{k} {v:.3g}" for k, v in leakage.items())):
        report(line)
    config_json = _own_config(model).to_json()
    model_id = save_model(folder, config_json, arrays)
    write_run_file(folder / CARD_NAME, model_card(run, model, cache, model_id.hex(), said, leakage))
    report(f"wrote {folder}, model id {model_id.hex()}")
    return folder


def _own_config(model: SirenModel) -> ModelConfig:
    """The config of a model that depends on nothing outside its folder."""
    if model.front_end is None:
        return model.config
    return replace(model.config, hubert_path=model.front_end.description)


def _of_all_stages(indices: NDArray[np.int16]) -> NDArray[np.int16]:
    """Indices [F, Q] → [F, 2], which the tables are fitted to; a stage that the model lacks is all zeros."""
    return np.pad(indices, ((0, 0), (0, MAX_STAGES - indices.shape[1])))


def _table_bits(recordings: list[NDArray[np.int16]], tables: Tables) -> float:
    """Bits a frame of recordings under the tables."""
    return sum(cross_entropy_bits(indices, tables) for indices in recordings) / sum(map(len, recordings))


@torch.inference_mode()
def _voice_of(model: SirenModel, wav: NDArray[np.float32], device: torch.device) -> NDArray[np.int64]:
    """Digits [28] of the voice of a recording of the cache, where all are at the nominal level."""
    encoder = model.factorizer.voice
    heard = wav[: CHUNK_FRAMES * FRAME_SAMPLES]
    samples = torch.from_numpy(np.pad(heard, (0, -len(heard) % FRAME_SAMPLES)))[None].to(device)
    digits: NDArray[np.int64] = encoder.fsq.codes_to_digits(encoder(model.mel(samples)))[0].cpu().numpy()
    return digits


def _voice_cost(model: SirenModel, spans: list[Span], cache: Cache, prior: NeuralPrior, device: torch.device) -> str:
    """What the voices of recordings cost when the prior codes them, in words."""
    heard = [_voice_of(model, wav_of(cache, span), device) for span in spans]
    bits = [voice_bits(voice_to_bytes(NOMINAL_LEVEL_DB, digits.tolist()), prior) for digits in heard]
    return f"{np.mean(bits):.1f} bits a voice, {np.quantile(bits, 0.95):.1f} for 1 in 20"


def _evenly(spans: list[Span], hours: float) -> list[Span]:
    """Every n-th recording, so that about `hours` remain."""
    total_hours = sum(span.frames for span in spans) * HOP_SAMPLES / SAMPLE_RATE_HZ / 3600
    return spans[:: max(1, round(total_hours / hours))]


def _varied(wav: NDArray[np.float32], number: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A recording begun a part of a frame late; every sixth has silence before or after it."""
    if len(wav) >= _MIN_SAMPLES:
        wav = wav[int(rng.integers(FRAME_SAMPLES)) :]
    if number % _SILENT_EVERY == 0:
        silence = int(rng.integers(*_SILENCE_SAMPLES))
        wav = np.pad(wav, (silence, 0) if rng.random() < 0.5 else (0, silence))
    return wav
