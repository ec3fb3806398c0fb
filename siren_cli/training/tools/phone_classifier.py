"""Phone classifier of the encoder's search, trained on labelled recordings (`make phone-classifier`).

`python -m siren_cli.training.tools.phone_classifier DATA WHISPER CACHE`: DATA is a manifest whose recordings have
phones, WHISPER a folder of transformers with a Whisper model, CACHE a folder for the features. It replaces two files of
the package: Whisper's encoder in 8 bits, and the classifier on its features.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from siren_cli.corpus.sources import read_source
from siren_cli.errors import DataError
from siren_cli.model.int8 import compact, widen
from siren_cli.phones import NO_PHONE, phone_track
from siren_cli.registry.weights import write_encoder_file
from siren_cli.search.phone_predictor import CLASSIFIER_NAME, ENCODER_NAME, PhoneClassifier
from siren_cli.search.whisper_encoder import FEATURE_SAMPLES, WhisperEncoder
from siren_cli.terminal.console import progress_line
from siren_cli.training.data.prepare import CacheWriter, read_training_wav

_FEATURES, _LABELS = "whisper.float16", "phones.uint8"
_CROP_STEPS, _CROPS = 320, 24
_PEAK_RATE, _WARM_UP_STEPS = 2e-3, 50
_LABEL_SMOOTHING, _FEATURE_DROPOUT = 0.05, 0.1
_SEED = 7

_PARTS = {
    "self_attn_layer_norm": "attention_norm",
    "self_attn.q_proj": "query",
    "self_attn.k_proj": "key",
    "self_attn.v_proj": "value",
    "self_attn.out_proj": "out",
    "final_layer_norm": "mlp_norm",
    "fc1": "expand",
    "fc2": "contract",
}
"""Names in transformers → names in `WhisperEncoder`, inside a layer."""


def encoder_tensors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the encoder of a Whisper checkpoint of transformers.

    Args:
        tensors: Name → tensor of `WhisperModel` or `WhisperForConditionalGeneration`.

    Returns:
        Name → float32 tensor of `WhisperEncoder`. Positions are left out: they are sinusoids.

    Raises:
        DataError: If there is no encoder among them.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        _, found, rest = name.partition("encoder.")
        if not found or rest.startswith("embed_positions"):
            continue
        for theirs, ours in _PARTS.items():
            rest = rest.replace(theirs, ours)
        renamed[rest.replace("layer_norm.", "norm.") if rest.startswith("layer_norm.") else rest] = tensor.float()
    if "conv1.weight" not in renamed:
        raise DataError("no Whisper encoder among the tensors; give a folder of transformers with a Whisper model")
    return renamed


def read_whisper_encoder(folder: Path) -> dict[str, Tensor]:
    """Read Whisper's encoder from a folder of transformers, quantised as in the package.

    Args:
        folder: Folder with `model.safetensors`.

    Returns:
        Name → int8 tensor and scale, or float16 tensor (`siren_cli.model.int8`).

    Raises:
        DataError: If the file is not there or holds no Whisper encoder.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise DataError(f"{folder}: no readable model.safetensors ({error}); give a folder of transformers") from error
    return compact(encoder_tensors({k: v for k, v in tensors.items() if "decoder." not in k}))


def cache_features(data: str, cache: Path, encoder: WhisperEncoder, report: Callable[[str], None]) -> None:
    """Write Whisper features and phones of all labelled recordings, unless the cache has them.

    Args:
        data: Source of recordings (`siren_cli.corpus.sources.read_source`).
        cache: Folder: features float16 [F50, D] and phone numbers uint8 [F50], all recordings end to end.
        encoder: Whisper's encoder.
        report: Called with a line for every recording left out.

    Raises:
        DataError: If no recording has phones.
        OutputUnwritable: If the cache cannot be written.
    """
    if (cache / "phones.json").exists():
        return
    clips: list[str] = []
    with CacheWriter(cache, [_FEATURES, _LABELS]) as writer:
        for clip, audio in read_source(data):
            if not clip.phones or ":" not in clip.phones or clip.split not in ("", "train"):
                continue
            try:
                wav = read_training_wav(audio)
            except DataError as error:
                report(f"left out {clip.clip_id}: {error}")
                continue
            steps = len(wav) // FEATURE_SAMPLES
            with torch.inference_mode():
                features = encoder(torch.from_numpy(wav)[None])[0].numpy().astype("<f2")
            writer.append([features, phone_track(clip.phones, 2 * steps)[::2]])
            clips.append(clip.clip_id)
        if not clips:
            raise DataError(f"{data}: no recording has phones; give a manifest with a phones.tsv beside it")
        writer.finish({"phones.json": clips})


def fit_classifier(
    features: NDArray[np.float16], labels: NDArray[np.uint8], steps: int, report: Callable[[str], None]
) -> PhoneClassifier:
    """Train the classifier by cross-entropy, with a cosine learning rate schedule.

    Args:
        features: Whisper features [F50, D].
        labels: Phone numbers [F50], `NO_PHONE` if unknown.
        steps: Number of optimisation steps, each on 24 crops of 6.4 s.
        report: Called with lines of progress.

    Returns:
        The classifier.

    Raises:
        DataError: If there are less than 6.4 s.
    """
    if len(features) < _CROP_STEPS:
        raise DataError(f"{len(features) / 50:.1f} s of labelled speech, expected at least {_CROP_STEPS / 50} s")
    torch.manual_seed(_SEED)
    random = np.random.default_rng(_SEED)
    model = PhoneClassifier(features.shape[1])
    optimiser = torch.optim.AdamW(model.parameters(), _PEAK_RATE, weight_decay=0.05, fused=True)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = _PEAK_RATE * min(1.0, (step + 1) / _WARM_UP_STEPS) * (1.0 + np.cos(np.pi * step / steps)) / 2
        starts = random.integers(0, len(features) - _CROP_STEPS + 1, _CROPS)
        x = torch.from_numpy(np.stack([features[start : start + _CROP_STEPS] for start in starts]).astype(np.float32))
        y = torch.from_numpy(np.stack([labels[start : start + _CROP_STEPS] for start in starts]).astype(np.int64))
        loss = F.cross_entropy(
            model(F.dropout(x, _FEATURE_DROPOUT)).flatten(0, 1),
            y.flatten(),
            ignore_index=NO_PHONE,
            label_smoothing=_LABEL_SMOOTHING,
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if (step + 1) % 50 == 0:
            report(f"step {step + 1} of {steps}  loss {loss.item():.3f}")
    return model.eval()


def read_cache(cache: Path, width: int) -> tuple[NDArray[np.float16], NDArray[np.uint8]]:
    """Open features [F50, width] and labels [F50] of `cache_features`, as memory maps."""
    features = np.memmap(cache / _FEATURES, "<f2", "r").reshape(-1, width)
    return features, np.memmap(cache / _LABELS, np.uint8, "r")


def main(arguments: list[str]) -> None:
    """Write both files into the package."""
    from safetensors.torch import save

    data, whisper, cache = arguments[:3]
    steps = int(arguments[3]) if len(arguments) > 3 else 1_000

    def report(text: str) -> None:
        progress_line(text, quiet=False)

    stored = read_whisper_encoder(Path(whisper))
    encoder = WhisperEncoder()
    encoder.load_state_dict(widen(stored))
    cache_features(data, Path(cache), encoder.eval(), report)
    classifier = fit_classifier(*read_cache(Path(cache), encoder.width), steps, report)
    for name, tensors in ((ENCODER_NAME, stored), (CLASSIFIER_NAME, compact(dict(classifier.state_dict())))):
        write_encoder_file(name, save(tensors))


if __name__ == "__main__":
    main(sys.argv[1:])
