"""Recognisers of transformers: greedy decoding, no timestamps, pieces of at most 30 s, explicit language."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import UsageError

Samples = NDArray[np.float32]

Transcribe = Callable[[Sequence[Samples], str], list[str]]
"""Function from recordings, each [T] at 16 kHz, and their language code to one text each."""

LONGEST_S = 30.0
"""Longest piece for a recogniser: Whisper's window."""

_SHORTEST_S = 1.0
_WINDOW_S = 0.2
_HOP_S = 0.01
_BATCH = 8
_VERSION = 1
"""Raise it when a change here may change transcripts."""


def cut_at_pauses(wav: Samples, longest_s: float = LONGEST_S) -> list[Samples]:
    """Cut a recording into pieces, each cut in the quietest 0.2 s of the second half of the longest piece.

    Args:
        wav: Samples [T] at 16 kHz.
        longest_s: Longest piece, in seconds; at least 4.

    Returns:
        Pieces [t] in order, none longer than `longest_s`; the recording alone if it is short enough.
    """
    longest, shortest = round(longest_s * SAMPLE_RATE_HZ), round(_SHORTEST_S * SAMPLE_RATE_HZ)
    window, hop = round(_WINDOW_S * SAMPLE_RATE_HZ), round(_HOP_S * SAMPLE_RATE_HZ)
    pieces = []
    while len(wav) > longest:
        start, stop = longest // 2, min(longest, len(wav) - shortest)
        energy = np.concatenate([[0.0], np.cumsum(np.square(wav[start:stop], dtype=np.float64))])
        power = (energy[window:] - energy[:-window])[::hop]
        quietest = len(power) - 1 - int(np.argmin(power[::-1]))  # the last one, for the fewest pieces
        cut = start + quietest * hop + window // 2
        pieces.append(wav[:cut])
        wav = wav[cut:]
    return [*pieces, wav]


def is_multilingual(source: str) -> bool:
    """Test whether a recogniser needs a language.

    Args:
        source: Folder of a transformers model, or its name on a hub.

    Raises:
        UsageError: If it is no recogniser.
    """
    from transformers import GenerationConfig

    try:
        settings = GenerationConfig.from_pretrained(source, **_where(source))
    except (OSError, ValueError):  # a CTC model generates nothing
        return False
    return bool(_languages(settings)[1:])


def load_transformers(source: str) -> tuple[str, tuple[str, ...], Transcribe]:
    """Load a CTC model, a Whisper model or another sequence-to-sequence recogniser.

    Args:
        source: Its folder, or its name on a hub. transformers downloads it unless its cache has the model.

    Returns:
        Identity, language codes (empty if the model lists none), and the transcription function. It computes in float32
        for any stored type of weights.

    Raises:
        UsageError: If transformers cannot load a recogniser from there.
    """
    import torch
    from transformers import (
        AutoConfig,
        AutoFeatureExtractor,
        AutoModelForCTC,
        AutoModelForSpeechSeq2Seq,
        AutoTokenizer,
    )

    where = _where(source)
    try:
        config = AutoConfig.from_pretrained(source, **where)
        is_ctc = any(architecture.endswith("ForCTC") for architecture in config.architectures or ())
        loader: Any = AutoModelForCTC if is_ctc else AutoModelForSpeechSeq2Seq
        model = loader.from_pretrained(source, **where).float().eval()
        extractor: Any = AutoFeatureExtractor.from_pretrained(source, **where)
        tokenizer: Any = AutoTokenizer.from_pretrained(source, **where)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{source}: not a speech recogniser of transformers ({reason}); give another") from error
    languages = () if is_ctc else _languages(model.generation_config)
    pads_to_window = config.model_type == "whisper"
    longest_s = min(LONGEST_S, extractor.chunk_length) if pads_to_window else LONGEST_S

    @torch.inference_mode()
    def transcribe_batch(pieces: list[Samples], language: str) -> list[str]:
        inputs = extractor(pieces, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt", return_attention_mask=True)
        if is_ctc:
            tokens = model(**inputs).logits.argmax(-1)
        else:
            options: dict[str, Any] = {"return_timestamps": False} if pads_to_window else {}
            if len(languages) > 1:
                options |= {"language": language, "task": "transcribe"}
            tokens = model.generate(**inputs, do_sample=False, num_beams=1, **options)
        return [str(text) for text in tokenizer.batch_decode(tokens, skip_special_tokens=True)]

    def transcribe(wavs: Sequence[Samples], language: str) -> list[str]:
        cut = [(number, piece) for number, wav in enumerate(wavs) for piece in cut_at_pauses(wav, longest_s)]
        texts = [""] * len(cut)
        for batch in _batches([len(piece) for _, piece in cut], needs_equal=not pads_to_window):
            found = transcribe_batch([cut[place][1] for place in batch], language)
            for place, text in zip(batch, found, strict=True):
                texts[place] = text
        return [
            " ".join(text for (other, _), text in zip(cut, texts, strict=True) if other == number)
            for number in range(len(wavs))
        ]

    identity = f"transformers {importlib.metadata.version('transformers')} {_content(source, config)}"
    return f"{identity} version {_VERSION}", languages, transcribe


def _batches(lengths: Sequence[int], *, needs_equal: bool) -> Iterator[list[int]]:
    """Batch the indices of pieces by length, shortest first; with `needs_equal`, a batch has one length."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        is_other = bool(batch) and needs_equal and lengths[place] != lengths[batch[0]]
        if is_other or len(batch) == _BATCH:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _languages(settings: Any) -> tuple[str, ...]:
    """Codes of the languages in a Whisper model's generation config; English for its models of English alone."""
    known = getattr(settings, "lang_to_id", None)
    if known:
        return tuple(token.strip("<|>") for token in known)
    return ("en",) if getattr(settings, "is_multilingual", None) is False else ()


def _where(source: str) -> dict[str, Any]:
    return {"local_files_only": True} if Path(source).is_dir() else {}


def _content(source: str, config: Any) -> str:
    """Digest of a folder's files; revision of a model on a hub."""
    folder = Path(source)
    if not folder.is_dir():
        return f"{source} {getattr(config, '_commit_hash', None)}"
    digest = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(folder)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]
