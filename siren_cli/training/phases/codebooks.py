"""Codebook fitting: codewords, rate biases and weights of `ResidualCodebooks` from the latents of recordings."""

from __future__ import annotations

import torch
from torch import Tensor

from siren_cli.config import FSQ_LEVELS
from siren_cli.model.quantizer import POINTS, ResidualCodebooks
from siren_cli.model.siren import SirenModel
from siren_cli.training.config import TrainConfig
from siren_cli.training.data.batches import Crops
from siren_cli.training.phases.semantic import latent_parts

_BATCHES = 300
_ROUNDS = 25
"""Rounds of Lloyd's algorithm."""

_BIASED_FROM = 6
"""First round with rate biases; earlier frequencies mean little."""

_REFIT_ROUNDS = 6
"""Rounds for codewords that were fitted to similar latents."""

_FEWEST = 8
"""Least number of latents of a codeword; a codeword with fewer is moved to a random latent."""

_CHUNK = 20_000


@torch.inference_mode()
def latents_of(model: SirenModel, crops: Crops, config: TrainConfig) -> Tensor:
    """Encode clean crops of recordings to latents [N, K]."""
    device = next(model.parameters()).device
    latents = []
    for step in range(_BATCHES):
        batch = crops.batch(step, config.batch, config.crop_frames, 4, 0.0)
        latents.append(model.factorizer.semantic(batch.mel.to(device))[1].flatten(0, 1).cpu())
    return torch.cat(latents)


def fit_codebooks(quantizer: ResidualCodebooks, latents: Tensor, config: TrainConfig, seed: int = 1) -> list[float]:
    """Fit a residual vector quantiser to latents, one stage after the other.

    The input of a stage is scaled to total variances: 1 of the phone latents, `codebook_spectrum` of the spectral
    latents, `codebook_pitch` of the pitch latents. A bit counts `codebook_rate` (entropy-constrained vector
    quantisation, Chou, Lookabaugh & Gray 1989).

    Args:
        quantizer: Its buffers are filled.
        latents: [N, K], on the CPU.
        config: Settings of phase `semantic`.
        seed: Seed of the first codewords.

    Returns:
        Entropy of each stage's indices in bits.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = latent_parts(latents.shape[-1])
    residual, entropies = latents.float(), []
    for stage in range(len(quantizer.places)):
        weights = torch.ones(latents.shape[-1])
        shares = (1.0, config.codebook_spectrum[stage], config.codebook_pitch[stage])
        for part, share in zip(parts, shares, strict=True):
            weights[part] = (share / residual[:, part].var(0).sum().clamp_min(1e-9)).sqrt()
        codewords, biases, points = _lloyd(residual * weights, config.codebook_rate[stage], generator)
        order = _lattice_order(codewords, _frequencies(points))
        entropies.append(_entropy_bits(points))
        distortion = (residual * weights - codewords[points]).square().sum(1).mean()
        residual = residual - (codewords / weights)[points]
        for name, values in (
            ("places", (codewords / weights)[order]),
            ("prices", biases[order]),
            ("weights", weights),
            ("steps", 3.0 * distortion),
        ):
            getattr(quantizer, name)[stage].copy_(values)
    with torch.no_grad():
        quantizer.widen.weight.normal_(0.0, latents.shape[-1] ** -0.5, generator=generator).div_(latents.std(0) + 1e-6)
    return entropies


def refit_codebooks(quantizer: ResidualCodebooks, latents: Tensor, config: TrainConfig) -> list[float]:
    """Move fitted codewords to new latents; each keeps its index, so that a trained decoder stays valid.

    The weights stay. A codeword with too few latents stays too.

    Args:
        quantizer: Fitted to latents of an earlier state of the semantic branch.
        latents: [N, K], on the CPU.
        config: Settings of phase `semantic`.

    Returns:
        Entropy of each stage's indices in bits.
    """
    residual, entropies = latents.float(), []
    for stage, rate in enumerate(config.codebook_rate[: len(quantizer.places)]):
        weights = quantizer.weights[stage].float().cpu()
        scaled, codewords = residual * weights, quantizer.places[stage].float().cpu() * weights
        biases = quantizer.prices[stage].float().cpu()
        for _ in range(_REFIT_ROUNDS):
            points = _quantize(scaled, codewords, biases)
            counts, means = _means(scaled, points, len(codewords))
            codewords = torch.where((counts >= _FEWEST)[:, None], means, codewords)
            biases = _rate_biases(counts, rate)
        points = _quantize(scaled, codewords, biases)
        entropies.append(_entropy_bits(points))
        residual = residual - (codewords / weights)[points]
        quantizer.places[stage].copy_(codewords / weights)
        quantizer.prices[stage].copy_(biases - biases.min())
        quantizer.steps[stage] = 3.0 * (scaled - codewords[points]).square().sum(1).mean()
    return entropies


def _lloyd(latents: Tensor, rate: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Run Lloyd's algorithm on latents [N, K]; return codewords [1000, K], rate biases [1000] and indices [N]."""
    count = len(latents)
    codewords = latents[torch.randint(count, (POINTS,), generator=generator)].clone()
    biases = torch.zeros(POINTS)
    for number in range(_ROUNDS + 1):
        points = _quantize(latents, codewords, biases)
        if number == _ROUNDS:
            break
        counts, codewords = _means(latents, points, POINTS)
        rare = counts < min(_FEWEST, count / POINTS / 4)
        codewords[rare] = latents[torch.randint(count, (int(rare.sum()),), generator=generator)]
        if number >= _BIASED_FROM:
            biases = _rate_biases(counts, rate)
    return codewords, biases - biases.min(), points


def _quantize(latents: Tensor, codewords: Tensor, biases: Tensor) -> Tensor:
    """Find the codeword [P, K] of least distance plus rate bias for each of the latents [N, K]."""
    offset = codewords.square().sum(1) + biases
    return torch.cat([(offset - 2 * some @ codewords.T).argmin(1) for some in latents.split(_CHUNK)])


def _means(latents: Tensor, points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Count the latents [N, K] of each codeword [P], and average them [P, K]."""
    counts = torch.bincount(points, minlength=count).float()
    total = torch.zeros(count, latents.shape[1]).index_add_(0, points, latents)
    return counts, total / counts.clamp_min(1)[:, None]


def _rate_biases(counts: Tensor, rate: float) -> Tensor:
    """Rate biases [P] of codewords with these counts [P]; a bit counts `rate`."""
    return -rate * (counts.clamp_min(_FEWEST) / counts.sum()).log2()


def _frequencies(points: Tensor) -> Tensor:
    """Relative frequencies of codebook indices [1000]."""
    return torch.bincount(points, minlength=POINTS) / len(points)


def _entropy_bits(points: Tensor) -> float:
    """Order-0 entropy of codebook indices [N], in bits."""
    frequencies = _frequencies(points)
    return float(-(frequencies * frequencies.clamp_min(1e-9).log2()).sum())


def _lattice_order(codewords: Tensor, frequencies: Tensor) -> Tensor:
    """Choose a codeword for each lattice point [1000]: digits follow the first four principal axes.

    So neighbouring values of a digit have similar codewords, and the prior can model digits. Some codewords are
    swapped, so that all values of a digit have similar frequencies.
    """
    centred = codewords - codewords.mean(0)
    along = centred @ torch.linalg.svd(centred, full_matrices=False).Vh[: len(FSQ_LEVELS)].T
    of_point = torch.empty(POINTS, dtype=torch.long)

    def spread(some: Tensor, digit: int, first: int, stride: int) -> None:
        if digit == len(FSQ_LEVELS):
            of_point[first] = some[0]
            return
        parts = list(some[along[some, digit].argsort()].chunk(FSQ_LEVELS[digit]))
        _balance(parts, frequencies)
        for level, part in enumerate(parts):
            spread(part, digit + 1, first + level * stride, stride * FSQ_LEVELS[digit])

    spread(torch.arange(POINTS), 0, 0, 1)
    return of_point


def _balance(parts: list[Tensor], frequencies: Tensor) -> None:
    """Swap members of the most and the least frequent part while that reduces their difference."""
    for _ in range(10 * len(parts)):
        masses = torch.stack([frequencies[part].sum() for part in parts])
        high, low = int(masses.argmax()), int(masses.argmin())
        gap = masses[high] - masses[low]
        gains = frequencies[parts[high]][:, None] - frequencies[parts[low]]
        after = (gap - 2 * gains).abs()
        from_high, from_low = divmod(int(after.argmin()), after.shape[1])
        if not float(after[from_high, from_low]) < 0.9 * float(gap):
            return
        swapped = parts[high][from_high].clone()
        parts[high][from_high] = parts[low][from_low]
        parts[low][from_low] = swapped
