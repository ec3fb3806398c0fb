"""One coded recording of a batch to audio."""

from __future__ import annotations

import os
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from siren_cli.batch.plan import Task
from siren_cli.batch.work import codec_of
from siren_cli.errors import SirenError
from siren_cli.manifest import model_for
from siren_cli.srn_file import facts_of, read_srn
from siren_format.errors import FormatError
from siren_format.packet_file import PACKET_FILE_MAGIC, file_to_packets


@dataclass(frozen=True)
class DecodeWork:
    """`.srn` and packet files to WAV. Attributes are the command's options; `rate_hz` is None for the source's."""

    model: str | None
    device: str
    threads: int | None
    rate_hz: int | None
    force: bool = False
    resume: bool = False
    suffix: str = ".wav"

    def is_done(self, task: Task) -> bool:
        """Whether a recording of the right length and rate is there.

        Args:
            task: The file.
        """
        import soundfile

        from siren_cli.audio import resampled_count
        from siren_cli.config import SAMPLE_RATE_HZ

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
        """Decodes one file.

        Args:
            task: The file.
            force: Whether an existing file may be replaced.

        Returns:
            Facts of the coded file, and what is odd about it.

        Raises:
            SirenError: If it cannot be decoded or the recording not be written.
            FormatError: If it is not a readable file.
        """
        from siren_cli.audio import resample, write_audio
        from siren_cli.config import SAMPLE_RATE_HZ

        data = read_srn(task.source)
        notes: tuple[str, ...] = ()
        started_s = perf_counter()
        if data.startswith(PACKET_FILE_MAGIC):
            from siren_cli.packets import decode_packets, speech_facts
            from siren_format.errors import OtherModel
            from siren_format.packet_file import MODEL_ID_OFFSET

            model_id, packets = file_to_packets(data)
            codec = codec_of(model_for(model_id.hex(), self.model), self.device, self.threads)
            if model_id != codec.model_id:
                raise OtherModel(model_id, codec.model_id, offset=MODEL_ID_OFFSET)
            speech = decode_packets(codec, packets)
            wav, facts = speech.wav, speech_facts(speech)
            rate_hz = self._rate_hz(SAMPLE_RATE_HZ)
            notes = tuple("packets are missing or damaged" for _ in [*facts["missing"], *facts["refused"]][:1])
        else:
            facts = facts_of(data)
            rate_hz = self._rate_hz(facts["source_rate_hz"])
            codec = codec_of(model_for(facts["model_id"], self.model), self.device, self.threads)
            wav = codec.decode(data)
            notes = ("the file carries no voice; decoded with the default voice",) * (facts["voice"] == "none")
        elapsed_s = perf_counter() - started_s
        wav = resample(wav, SAMPLE_RATE_HZ, rate_hz)
        sound = {"output_rate_hz": rate_hz, "output_samples": len(wav), "file_bytes": len(data)}
        timing = {"decode_s": elapsed_s, "decode_real_time_factor": facts["duration_s"] / elapsed_s}
        write_audio(task.destination, wav, rate_hz, force=force)
        return {**facts, **sound, **timing}, notes

    def _rate_hz(self, source_rate_hz: int) -> int:
        from siren_cli.audio import MAX_RATE_HZ, MIN_RATE_HZ

        # As in `siren decode`: a header can say what no recording has.
        return min(max(source_rate_hz, MIN_RATE_HZ), MAX_RATE_HZ) if self.rate_hz is None else self.rate_hz
