"""Decoding work of a batch: coded recording → audio."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from siren_cli.batch.plan import Task
from siren_cli.batch.work import PARTLY_LOST, codec_of, voices_of
from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import SirenError
from siren_cli.registry.manifest import model_for
from siren_cli.srn.file import facts_of, header_facts, read_srn
from siren_format.errors import FormatError, OtherModel
from siren_format.header import parse_header
from siren_format.packet_file import MODEL_ID_OFFSET, PACKET_FILE_MAGIC, file_to_packets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from siren_cli.coded import Coded


@dataclass(frozen=True)
class DecodeWork:
    """Decoding work; its attributes are the command's options. `rate_hz` is None for the source's rate."""

    model: str | None
    device: str
    threads: int | None
    rate_hz: int | None
    ignore_damage: bool = False
    voice: str | None = None
    force: bool = False
    resume: bool = False
    suffix: str = ".wav"

    def is_done(self, task: Task) -> bool:
        """Return True if a recording of the right length and rate exists.

        Args:
            task: The file.
        """
        import soundfile

        from siren_cli.audio.resampling import resampled_count

        try:
            found = soundfile.info(task.destination if os.name == "nt" else os.fsencode(task.destination))
            data = read_srn(task.source)
            if data.startswith(PACKET_FILE_MAGIC):
                return bool(found.frames > 0 and found.samplerate == (self.rate_hz or SAMPLE_RATE_HZ))
            facts = facts_of(data)
        except (soundfile.SoundFileError, SirenError, FormatError):
            return False
        rate_hz = self._rate_hz(facts["source_rate_hz"])
        expected = resampled_count(facts["sample_count"], SAMPLE_RATE_HZ, rate_hz)
        return (found.samplerate, found.frames) == (rate_hz, expected)

    def run(self, task: Task, *, force: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Decode one file.

        Args:
            task: The file.
            force: Replace an existing file.

        Returns:
            Facts of the coded file, and notes on losses and a missing voice.

        Raises:
            SirenError: If the file cannot be decoded or the recording cannot be written.
            FormatError: If it is not a readable coded file.
        """
        data = read_srn(task.source)
        started_s = perf_counter()
        make = self._packets if data.startswith(PACKET_FILE_MAGIC) else self._file
        facts, notes = make(data, task.source, task.destination, force=force)
        elapsed_s = perf_counter() - started_s
        timing = {"decode_s": elapsed_s, "decode_real_time_factor": facts["duration_s"] / elapsed_s}
        return {**facts, "file_bytes": len(data), **timing}, notes

    def _file(
        self, data: bytes, source: str, destination: str, *, force: bool
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        from siren_cli.audio.resampling import resampled_count
        from siren_cli.streaming.salvage import loss_facts, speak_salvage

        facts = header_facts(parse_header(data)[0]) if self.ignore_damage else facts_of(data)
        codec = codec_of(model_for(facts["model_id"], self.model), self.device, self.threads)
        spoken_by = self._spoken_by(facts["model_id"], source)
        rate_hz = self._rate_hz(facts["source_rate_hz"])
        is_default = facts["voice"] == "none" and self.voice is None
        notes = ("the file carries no voice; decoded with the default voice",) * is_default
        if self.ignore_damage:
            left = codec.salvage(data)
            sample_count, pieces = left.sample_count, speak_salvage(codec, left, spoken_by)
            facts = {**facts, **loss_facts(left)}
            notes += (PARTLY_LOST,) * left.is_lossy
        else:
            sample_count, pieces = facts["sample_count"], codec.decode_stream([data], spoken_by=spoken_by)
        wanted = resampled_count(sample_count, SAMPLE_RATE_HZ, rate_hz)
        written = _write(destination, pieces, rate_hz, wanted, force=force)
        return {**facts, "output_rate_hz": rate_hz, "output_samples": written}, notes

    def _packets(
        self, data: bytes, source: str, destination: str, *, force: bool
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        from siren_cli.audio.resampling import resampled_count
        from siren_cli.packets.conceal import decode_packets, speech_facts

        model_id, packets = file_to_packets(data)
        codec = codec_of(model_for(model_id.hex(), self.model), self.device, self.threads)
        if model_id != codec.model_id:
            raise OtherModel(model_id, codec.model_id, offset=MODEL_ID_OFFSET)
        speech = decode_packets(codec, packets, self._spoken_by(model_id.hex(), source))
        facts, rate_hz = speech_facts(speech), self._rate_hz(SAMPLE_RATE_HZ)
        wanted = resampled_count(len(speech.wav), SAMPLE_RATE_HZ, rate_hz)
        written = _write(destination, [speech.wav], rate_hz, wanted, force=force)
        notes = ("packets are missing or damaged", PARTLY_LOST) * speech.is_lossy
        return {**facts, "output_rate_hz": rate_hz, "output_samples": written}, notes

    def _spoken_by(self, model_id: str, source: str) -> Callable[[Coded], Coded]:
        """Build the function that resolves the voice of a recording."""
        voices = voices_of(model_for(model_id, self.model), self.device, self.threads)
        return lambda coded: voices.speak(coded, self.voice, source)

    def _rate_hz(self, source_rate_hz: int) -> int:
        from siren_cli.audio.samples import MAX_RATE_HZ, MIN_RATE_HZ

        # As in `siren decode`: a damaged header can have an impossible rate.
        return min(max(source_rate_hz, MIN_RATE_HZ), MAX_RATE_HZ) if self.rate_hz is None else self.rate_hz


def _write(destination: str, pieces: Iterable[NDArray[np.float32]], rate_hz: int, wanted: int, *, force: bool) -> int:
    """Resample samples at 16 kHz and write them; return the number of written samples."""
    from siren_cli.audio.resampling import resampled
    from siren_cli.audio.writing import open_audio_output

    written = 0
    with open_audio_output(destination, rate_hz, wanted, force=force) as writer:
        for wav in resampled(pieces, SAMPLE_RATE_HZ, rate_hz):
            writer.write(wav)
            written += len(wav)
    return written
