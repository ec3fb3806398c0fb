"""Words: what a recogniser hears, and how far that is from what was said."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import UsageError

Samples = NDArray[np.float32]

POCKETSPHINX = "pocketsphinx"
_PIECE_S = 25.0  # Whisper hears 30 s at most


def normalised(text: str) -> str:
    """Lower case, words apart by one space, no punctuation but apostrophes inside words.

    Args:
        text: A transcript.

    Returns:
        The same words, comparable.
    """
    words = re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'"))
    return " ".join(words)


def edit_distance(found: Sequence[str], wanted: Sequence[str], *, substitution: int = 1) -> int:
    """Least number of insertions, deletions and substitutions (Levenshtein 1966).

    Args:
        found: Words or letters.
        wanted: Words or letters.
        substitution: What one substitution counts.

    Returns:
        How many make the one into the other.
    """
    row = list(range(len(wanted) + 1))
    for number, item in enumerate(found, 1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(wanted, 1):
            diagonal, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, diagonal + substitution * (item != other)),
            )
    return row[-1]


def word_errors(found: str, wanted: str) -> tuple[int, int]:
    """Wrong words and words wanted, of normalised texts; their ratio is the word error rate."""
    return edit_distance(found.split(), wanted.split()), len(wanted.split())


def letter_errors(found: str, wanted: str) -> tuple[int, int]:
    """Wrong letters and letters wanted, spaces included; their ratio is the character error rate."""
    return edit_distance(found, wanted), len(wanted)


def require_recogniser(asr: str) -> None:
    """Refuses, before any work is done, what cannot be a recogniser.

    Args:
        asr: `pocketsphinx`, or the folder of a transformers model.

    Raises:
        UsageError: If it is neither, or transformers is not installed.
    """
    if asr == POCKETSPHINX:
        return
    if not (Path(asr) / "config.json").is_file():
        raise UsageError(f"{asr}: no config.json there; give --asr {POCKETSPHINX} or a transformers model's folder")
    if importlib.util.find_spec("transformers") is None:
        raise UsageError("--asr with a folder needs transformers; pip install transformers")


def recogniser_of_words(asr: str) -> Callable[[Samples], str]:
    """Loads a recogniser.

    Args:
        asr: `pocketsphinx`, or the folder of a transformers model: CTC or Whisper-like.

    Returns:
        Samples [T] at 16 kHz to normalised text.

    Raises:
        UsageError: If it is neither.
    """
    return _pocketsphinx() if asr == POCKETSPHINX else _transformers(Path(asr))


def _pocketsphinx() -> Callable[[Samples], str]:
    from pocketsphinx import Decoder

    # Cepstral means of each clip by itself: what came before must not change what is heard.
    # A twentieth of the usual number of hypotheses, and no second pass over the words that the first one found: on
    # six clips of the public test set this took two thirds of the time of the narrow search with both passes, and 28
    # words of 100 went wrong in the originals instead of 34, 76 instead of 82 after two stages, 51 instead of 54 after
    # Opus, 80 both times after Codec 2 700C. Half the Gaussians and a look ahead at phones took another sixth off; on
    # six other clips 41 words of 130 went wrong in the originals instead of 39, 83 instead of 88 after two stages, 85
    # instead of 86 after Opus.
    decoder = Decoder(
        samprate=SAMPLE_RATE_HZ, loglevel="FATAL", cmn="batch", maxhmmpf=1_500, fwdflat=False, topn=2, pl_window=5
    )

    def hear(wav: Samples) -> str:
        pcm = np.round(np.clip(wav, -1, 1) * 32767).astype("<i2").tobytes()
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return normalised(re.sub(r"\(\d+\)", "", "" if hypothesis is None else hypothesis.hypstr))

    return hear


def _transformers(folder: Path) -> Callable[[Samples], str]:
    import torch

    require_recogniser(str(folder))
    from transformers import AutoConfig, AutoModelForCTC, AutoModelForSpeechSeq2Seq, AutoProcessor

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        is_ctc = any(name.endswith("ForCTC") for name in config.architectures or ())
        loader: Any = AutoModelForCTC if is_ctc else AutoModelForSpeechSeq2Seq
        model = loader.from_pretrained(folder, local_files_only=True).eval()
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"{folder}: not a speech recogniser of transformers ({reason}); give another") from error

    def hear_piece(wav: Samples) -> str:
        inputs = processor(wav, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        with torch.inference_mode():
            if is_ctc:
                tokens = model(**inputs).logits.argmax(-1)
                return str(processor.batch_decode(tokens)[0])
            tokens = model.generate(**inputs, do_sample=False, num_beams=1)
            return str(processor.batch_decode(tokens, skip_special_tokens=True)[0])

    def hear(wav: Samples) -> str:
        count = max(1, -(-len(wav) // int(_PIECE_S * SAMPLE_RATE_HZ)))
        return normalised(" ".join(hear_piece(piece) for piece in np.array_split(wav, count)))

    return hear
