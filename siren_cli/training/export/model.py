"""Model export: a trained model → the folder for `siren encode --model`, with prior and weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from siren_cli.audio.level import NOMINAL_LEVEL_DB
from siren_cli.config import ModelConfig
from siren_cli.model.int8 import widen
from siren_cli.model.siren import SirenModel, weights_of
from siren_cli.model.spectral_correction import TONE_LEVELS
from siren_cli.registry.weights import save_model
from siren_cli.training.config import TrainConfig
from siren_cli.training.data.batches import Cache, Span
from siren_cli.training.data.indices import indices_of, wav_of
from siren_cli.training.export.model_card import CARD_NAME, model_card
from siren_cli.training.export.spectral_correction import fit_spectral_correction
from siren_cli.training.export.voice_levels import apply_level_map, fit_level_map
from siren_cli.training.initialisation import initial_prior
from siren_cli.training.prior.fit import fit_prior
from siren_cli.training.prior.material import fitting_material, voice_of, voices_of
from siren_cli.training.prior.network import PriorNet
from siren_cli.training.prior.report import compare_coders
from siren_cli.training.prior.voice import fit_voice
from siren_cli.training.settings import write_run_file
from siren_cli.training.tools.speaker_probe import speaker_leakage
from siren_format.limits import MAX_STAGES
from siren_format.prior import NeuralPrior
from siren_format.prior_voice import voice_bits
from siren_format.voice import voice_to_bytes

_JUDGED = 200
_MOST_LEVELS = 16


def export_model(
    model: SirenModel,
    cache: Cache,
    run: Path,
    device: torch.device,
    config: TrainConfig,
    report: Callable[[str], None],
) -> Path:
    """Fit the neural prior to the indices of the training split, and write the model.

    The weights are rounded to their stored precision first; so the prior fits the indices of the exported model. A run
    with `--from` starts from the prior of that model, which was fitted to more speech. A model of one stage gets no
    prior; its indices are packed.

    Args:
        model: Trained.
        cache: Its training data.
        run: Run folder; the model is written to its subfolder `model`.
        device: Device of the model.
        config: Settings of phase `prior`.
        report: Called with lines about progress, rate and voice.

    Returns:
        The model's folder.

    Raises:
        OutputUnwritable: If it cannot be written.
    """
    folder = run / "model"
    rates: list[str] = []
    tensors = weights_of(model)
    model.load_state_dict(widen(tensors))
    model.to(device).eval()
    fine, used = model.config.voice_fine, model.config.voice_used
    tone, model.tone = model.tone, None  # it is fitted after the level map
    is_refitted = bool(config.voice_rate_weight) or (tone is not None and not used)
    if is_refitted:
        model.factorizer.voice.use(())
    train, voices = fitting_material(model, cache, device, seed=config.seed, bf16=config.bf16, report=report)
    if is_refitted:
        most = _MOST_LEVELS if tone is None else TONE_LEVELS
        used = fit_level_map(model, cache, voices, config.voice_rate_weight, device, most)
    model.factorizer.voice.use(used)
    if tone is not None:
        model.tone = tone
        if is_refitted or not bool(tone.synthesis.any()):
            fit_spectral_correction(model, cache, device)
        tensors |= {f"tone.{name}": buffer.cpu().half() for name, buffer in tone.state_dict().items()}
        voices = voices_of(model, cache, device)
    elif is_refitted:
        voices = apply_level_map(voices, fine, used)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    seen = {
        split: [indices_of(model, wav_of(cache, span), device) for span in cache.spans.get(split, [])[:_JUDGED]]
        for split in ("train", "dev", "test")
    }
    if model.config.stages == MAX_STAGES:
        start = initial_prior(run)
        net = fit_prior(train, config, report, start=None if start is None else PriorNet.from_integers(start))
        known = start if used == model.config.voice_used else None  # other levels have other frequencies
        prior = net.to_integers(fit_voice(voices, known))
        arrays.update(prior.to_arrays())
        for split, judged in seen.items():
            if judged:
                rates += [f"{split}: {line}" for line in compare_coders(judged, train, net, prior)]
                rates.append(f"{split}: {_voice_cost(model, cache.spans[split][:_JUDGED], cache, prior, device)}")
    leakage = speaker_leakage(model, cache, device)
    for line in (*rates, "speaker from the indices: " + "  ".join(f"{k} {v:.3g}" for k, v in leakage.items())):
        report(line)
    config_json = replace(_own_config(model), voice_used=used).to_json()
    model_id = save_model(folder, config_json, arrays)
    write_run_file(folder / CARD_NAME, model_card(run, model, cache, model_id.hex(), rates, leakage))
    report(f"wrote {folder}, model id {model_id.hex()}")
    return folder


def _own_config(model: SirenModel) -> ModelConfig:
    """Return the config of the model without references to files outside its folder."""
    if model.front_end is None:
        return model.config
    return replace(model.config, hubert_path=model.front_end.description)


def _voice_cost(model: SirenModel, spans: list[Span], cache: Cache, prior: NeuralPrior, device: torch.device) -> str:
    """Report the bits of the voices of recordings under the prior: mean and 95th percentile."""
    voices = [voice_of(model, wav_of(cache, span), device) for span in spans]
    bits = [voice_bits(voice_to_bytes(NOMINAL_LEVEL_DB, digits.tolist()), prior) for digits in voices]
    return f"{np.mean(bits):.1f} bits a voice, {np.quantile(bits, 0.95):.1f} for 1 in 20"
