"""Places, prices and weights of `ResidualCodebooks`, fitted to the latents of recordings."""

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
_PRICED_FROM = 6
"""Rounds of Lloyd's algorithm; prices count once frequencies mean something."""

_ROUNDS_MORE = 6
"""Rounds for places that were fitted to much the same latents."""

_FEWEST = 8
"""Latents that a point must be the nearest of; others are put somewhere else."""

_CHUNK = 20_000


@torch.inference_mode()
def latents_of(model: SirenModel, crops: Crops, config: TrainConfig) -> Tensor:
    """Latents [N, K] of crops of recordings, as they are heard without noise."""
    device = next(model.parameters()).device
    found = []
    for step in range(_BATCHES):
        batch = crops.batch(step, config.batch, config.crop_frames, 4, 0.0)
        found.append(model.factorizer.semantic(batch.mel.to(device))[1].flatten(0, 1).cpu())
    return torch.cat(found)


def fit_codebooks(quantizer: ResidualCodebooks, latents: Tensor, config: TrainConfig, seed: int = 1) -> list[float]:
    """Fits a quantiser to latents, one stage after the other.

    What a stage has to say varies by 1 in all that speaks of phones, by `codebook_spectrum` in what speaks of spectra
    and `codebook_pitch` in melody; the bit by which a point is rarer than another counts `codebook_rate`
    (entropy-constrained vector quantisation, Chou, Lookabaugh & Gray 1989).

    Args:
        quantizer: Filled.
        latents: [N, K], on the CPU.
        config: Of stage `semantic`.
        seed: Of the first places.

    Returns:
        Entropy of each stage's indices in bits.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = latent_parts(latents.shape[-1])
    left, entropies = latents.float(), []
    for stage in range(len(quantizer.places)):
        weights = torch.ones(latents.shape[-1])
        shares = (1.0, config.codebook_spectrum[stage], config.codebook_pitch[stage])
        for part, share in zip(parts, shares, strict=True):
            weights[part] = (share / left[:, part].var(0).sum().clamp_min(1e-9)).sqrt()
        places, prices, points = _lloyd(left * weights, config.codebook_rate[stage], generator)
        order = _on_lattice(places, _frequencies(points))
        entropies.append(_entropy_bits(points))
        apart = (left * weights - places[points]).square().sum(1).mean()
        left = left - (places / weights)[points]
        for name, values in (
            ("places", (places / weights)[order]),
            ("prices", prices[order]),
            ("weights", weights),
            ("steps", 3.0 * apart),
        ):
            getattr(quantizer, name)[stage].copy_(values)
    with torch.no_grad():
        quantizer.widen.weight.normal_(0.0, latents.shape[-1] ** -0.5, generator=generator).div_(latents.std(0) + 1e-6)
    return entropies


def refit_codebooks(quantizer: ResidualCodebooks, latents: Tensor, config: TrainConfig) -> list[float]:
    """Moves places to where latents are now, from where they were, so that a decoder still knows what they say.

    What counts how much stays as it was fitted; a point that hardly any latent is nearest to stays where it is.

    Args:
        quantizer: Fitted to latents of a branch that has learned on since.
        latents: [N, K], on the CPU.
        config: Of stage `semantic`.

    Returns:
        Entropy of each stage's indices in bits.
    """
    left, entropies = latents.float(), []
    for stage, rate in enumerate(config.codebook_rate[: len(quantizer.places)]):
        weights = quantizer.weights[stage].float().cpu()
        wanted, places = left * weights, quantizer.places[stage].float().cpu() * weights
        prices = quantizer.prices[stage].float().cpu()
        for _ in range(_ROUNDS_MORE):
            points = _nearest(wanted, places, prices)
            near, means = _means(wanted, points, len(places))
            places = torch.where((near >= _FEWEST)[:, None], means, places)
            prices = _prices(near, rate)
        points = _nearest(wanted, places, prices)
        entropies.append(_entropy_bits(points))
        left = left - (places / weights)[points]
        quantizer.places[stage].copy_(places / weights)
        quantizer.prices[stage].copy_(prices - prices.min())
        quantizer.steps[stage] = 3.0 * (wanted - places[points]).square().sum(1).mean()
    return entropies


def _lloyd(latents: Tensor, rate: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Places [1000, K], prices [1000], and the nearest point of each of the latents [N, K]."""
    count = len(latents)
    places = latents[torch.randint(count, (POINTS,), generator=generator)].clone()
    prices = torch.zeros(POINTS)
    for number in range(_ROUNDS + 1):
        points = _nearest(latents, places, prices)
        if number == _ROUNDS:
            break
        near, places = _means(latents, points, POINTS)
        lonely = near < min(_FEWEST, count / POINTS / 4)
        places[lonely] = latents[torch.randint(count, (int(lonely.sum()),), generator=generator)]
        if number >= _PRICED_FROM:
            prices = _prices(near, rate)
    return places, prices - prices.min(), points


def _nearest(latents: Tensor, places: Tensor, prices: Tensor) -> Tensor:
    """Which of the places [P, K] each of the latents [N, K] takes, prices included."""
    bias = places.square().sum(1) + prices
    return torch.cat([(bias - 2 * some @ places.T).argmin(1) for some in latents.split(_CHUNK)])


def _means(latents: Tensor, points: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """How many of the latents [N, K] take each point [P], and their means [P, K]."""
    near = torch.bincount(points, minlength=count).float()
    total = torch.zeros(count, latents.shape[1]).index_add_(0, points, latents)
    return near, total / near.clamp_min(1)[:, None]


def _prices(near: Tensor, rate: float) -> Tensor:
    """What points cost that so many latents take [P], a bit being worth `rate`."""
    return -rate * (near.clamp_min(_FEWEST) / near.sum()).log2()


def _frequencies(points: Tensor) -> Tensor:
    """Which share of latents takes each of the points, [1000]."""
    return torch.bincount(points, minlength=POINTS) / len(points)


def _entropy_bits(points: Tensor) -> float:
    """Entropy of points that latents take [N]."""
    frequencies = _frequencies(points)
    return float(-(frequencies * frequencies.clamp_min(1e-9).log2()).sum())


def _on_lattice(places: Tensor, frequencies: Tensor) -> Tensor:
    """Which place each point of the lattice gets [1000]: digits count along the first four principal axes.

    So neighbours in a digit say similar things, which the prior's numbers for digits live on; some change places so
    that all values of a digit are about as frequent.
    """
    centred = places - places.mean(0)
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
    """Swaps members of the most and the least frequent part as long as that brings them nearer to each other."""
    for _ in range(10 * len(parts)):
        masses = torch.stack([frequencies[part].sum() for part in parts])
        high, low = int(masses.argmax()), int(masses.argmin())
        gap = masses[high] - masses[low]
        gains = frequencies[parts[high]][:, None] - frequencies[parts[low]]
        after = (gap - 2 * gains).abs()
        one, other = divmod(int(after.argmin()), after.shape[1])
        if not float(after[one, other]) < 0.9 * float(gap):
            return
        swapped = parts[high][one].clone()
        parts[high][one] = parts[low][other]
        parts[low][other] = swapped
