"""Training of the frame phone recogniser on the labelled training clips, independent of the codec.

`python -m siren_cli.evaluation.metrics.recogniser_training CACHE OUT.safetensors [SECONDS]`, where CACHE is the output
of `siren train --stage prepare`. Ten minutes on one core are enough.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from siren_cli.evaluation.metrics.recogniser import MEL_BINS, MEL_FLOOR, MEL_MEAN, MEL_STD, SILENCE, PhoneRecogniser
from siren_cli.phones import NO_PHONE
from siren_cli.terminal.console import progress_line
from siren_cli.training.data.augment import augment_timbre
from siren_cli.training.data.batches import Batch, Cache, Crops, Span, phones_at_50_hz

_CROPS = 16
_CROP_FRAMES = 400
_PEAK_RATE = 2e-3
_WARM_UP_STEPS = 100
_SEED = 7
_ENVELOPE_SHARE = 0.25
_PERTURBED_SHARE = 0.7
_BLURRED_SHARE = 0.6


def labelled(cache: Cache, split: str) -> list[Span]:
    """List the clips of a split that have phone labels."""
    return [
        span
        for span in cache.split(split)
        if (cache.phones[span.first_frame : span.first_frame + span.frames] != NO_PHONE).any()
    ]


def augmented_mel(batch: Batch) -> Tensor:
    """Augment a batch: clean speech and codec-like distortions of it.

    A share of the crops has its harmonics removed, is blurred along time and frequency, and gets another vocal tract,
    tilt, noise or band (`siren_cli.training.data.augment.augment_timbre`).

    Args:
        batch: Crops of training clips.

    Returns:
        Normalised log-mel [B, F100, M].
    """
    count = len(batch.mel)
    plain = torch.rand(count, 1, 1) < _ENVELOPE_SHARE
    mel = torch.where(plain, batch.envelope, batch.mel)
    blurred = torch.stack([_blur(item) if torch.rand(1) < _BLURRED_SHARE else item for item in mel])
    return augment_timbre(blurred, _PERTURBED_SHARE, MEL_MEAN, MEL_STD, MEL_FLOOR)


def _blur(mel: Tensor) -> Tensor:
    """Blur [F, M] with Gaussians of up to 40 ms and three bins."""
    for size in (4.0 * float(torch.rand(1)) + 0.1, 3.0 * float(torch.rand(1)) + 0.1):
        reach = int(3 * size) + 1
        offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (offsets / size) ** 2)
        padded = F.pad(mel.T[:, None], (reach, reach), mode="replicate")
        mel = F.conv1d(padded, (kernel / kernel.sum())[None, None])[
            :, 0
        ]  # the output is transposed; the second pass restores the order
    return mel


def train_recogniser(cache_folder: Path, seconds: float, report: Callable[[str], None]) -> PhoneRecogniser:
    """Train the recogniser for a given time.

    Args:
        cache_folder: Output of `siren train --stage prepare`.
        seconds: Training time; the learning rate falls to zero.
        report: Called with lines of progress.

    Returns:
        The recogniser.

    Raises:
        DataError: If the cache cannot be read.
    """
    torch.manual_seed(_SEED)
    cache = Cache(cache_folder, MEL_BINS)
    cache.spans = {split: labelled(cache, split) for split in ("train", "dev")}
    crops = Crops(cache, "train", _SEED)
    model = PhoneRecogniser()
    optimiser = torch.optim.AdamW(model.parameters(), lr=_PEAK_RATE, betas=(0.9, 0.98), weight_decay=0.02)
    started_s = time.monotonic()
    step = 0
    while (done := (time.monotonic() - started_s) / seconds) < 1.0:
        rate = _PEAK_RATE * min(1.0, (step + 1) / _WARM_UP_STEPS) * (1.0 - done)
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = crops.batch(step, _CROPS, _CROP_FRAMES, voice_frames=4)
        with torch.autocast("cpu", torch.bfloat16):
            scores = model(augmented_mel(batch))
        labels = phones_at_50_hz(batch.phones)
        loss = F.cross_entropy(scores.float().flatten(0, 1), labels.flatten(), ignore_index=-1, label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimiser.step()
        step += 1
        if step % 50 == 0:
            report(f"step {step}  {100 * done:.0f} %  loss {loss.item():.3f}")
    report(f"{step} steps; frame accuracy on the development clips {accuracy_on(model.eval(), cache, 'dev'):.4f}")
    return model


@torch.inference_mode()
def accuracy_on(model: PhoneRecogniser, cache: Cache, split: str) -> float:
    """Phone accuracy over the labelled speech frames of a split."""
    right = total = 0
    for span in cache.split(split):
        frames = slice(span.first_frame, span.first_frame + span.frames)
        mel = torch.from_numpy(cache.mel[frames].astype(np.float32))[None]
        labels = phones_at_50_hz(torch.from_numpy(cache.phones[frames].astype(np.int64))[None])[0]
        spoken = labels > SILENCE
        right += int((model(mel)[0].argmax(-1) == labels)[spoken].sum())
        total += int(spoken.sum())
    return right / max(1, total)


def main(arguments: list[str]) -> None:
    """Train the recogniser and write its weights in half precision."""
    torch.set_num_threads(1)
    seconds = float(arguments[2]) if len(arguments) > 2 else 600.0
    model = train_recogniser(Path(arguments[0]), seconds, lambda text: progress_line(text, quiet=False))
    save_file({name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}, arguments[1])


if __name__ == "__main__":
    main(sys.argv[1:])
