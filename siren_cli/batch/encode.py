"""Encoding work of a batch: recording → `.srn` file or packet file."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from siren_cli.batch.plan import Task
from siren_cli.batch.work import codec_of
from siren_cli.errors import OutputExists, SirenError
from siren_cli.files.streams import write_bytes, write_pieces
from siren_cli.srn.file import facts_of, read_srn
from siren_format.errors import FormatError
from siren_format.packet_file import file_to_packets, packets_to_file

if TYPE_CHECKING:
    from siren_cli.audio.reading import Recording
    from siren_cli.codec import Codec


@dataclass(frozen=True)
class EncodeWork:
    """Encoding work; its attributes are the command's options."""

    model: str | None
    model_id: bytes
    device: str
    threads: int | None
    stages: int
    is_packets: bool = False
    max_bytes: int | None = None
    max_packets: int | None = None
    rate_weight: float = 0.0
    effort: int | None = None
    voice: str = "each"
    voice_id: bytes | None = None
    check_bytes: int = 0
    recording_id: int = 0
    has_copies: bool = False
    force: bool = False
    resume: bool = False

    @property
    def suffix(self) -> str:
        """Suffix of the results."""
        return ".srp" if self.is_packets else ".srn"

    def is_done(self, task: Task) -> bool:
        """Return True if a complete file of these settings exists.

        Args:
            task: The file.

        Raises:
            OutputExists: If a complete file of other settings exists.
        """
        try:
            data = read_srn(task.destination)
            if self.is_packets:
                model_id, stages = file_to_packets(data)[0], self.stages
            else:
                facts = facts_of(data)
                model_id, stages = bytes.fromhex(facts["model_id"]), facts["stages"]
        except (SirenError, FormatError):
            return False
        if (model_id, stages) != (self.model_id, self.stages):
            raise OutputExists(
                f"{task.destination}: is of model {model_id.hex()} with {stages} stages, "
                f"expected {self.model_id.hex()} with {self.stages}; give --force to replace it"
            )
        return True

    def run(self, task: Task, *, force: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Encode one recording.

        Args:
            task: The file.
            force: Replace an existing file.

        Returns:
            Facts of the coded file, and notes on conversions of the recording.

        Raises:
            SirenError: If it cannot be encoded or written.
        """
        from siren_cli.audio.reading import open_audio

        with open_audio(task.source) as recording:
            started_s = perf_counter()
            codec = codec_of(self.model, self.device, self.threads)
            codec = codec.thrifty(self.rate_weight).searching(self.effort)
            make = self._packets if self.is_packets else self._file
            facts = make(codec, recording, task.destination, force=force)
            elapsed_s = perf_counter() - started_s
            notes = tuple(recording.notes)
        timing = {"encode_s": elapsed_s, "encode_real_time_factor": facts["duration_s"] / elapsed_s}
        return {**facts, **timing}, notes

    def _file(self, codec: Codec, recording: Recording, destination: str, *, force: bool) -> dict[str, Any]:
        from siren_cli.streaming.encoder import level_db_of
        from siren_cli.streaming.rate_control import fit_file

        rate_hz = recording.rate_hz
        if self.max_bytes is not None:
            data = fit_file(
                codec, recording.mono(), rate_hz, stages=self.stages, max_bytes=self.max_bytes,
                has_voice=self.voice != "none" and self.voice_id is None, voice_id=self.voice_id,
            )  # fmt: skip
            write_bytes(destination, data, force=force)
            return facts_of(data)
        level_db = level_db_of(recording.mono_blocks(), rate_hz) if recording.can_rewind else None
        coded = codec.encode_stream(
            recording.mono_blocks(), rate_hz, stages=self.stages, level_db=level_db,
            has_voice=self.voice != "none", voice_id=self.voice_id,
        )  # fmt: skip
        return facts_of(write_pieces(destination, coded, force=force))

    def _packets(self, codec: Codec, recording: Recording, destination: str, *, force: bool) -> dict[str, Any]:
        from siren_cli.packets.packetize import PacketOptions, encode_packets, packet_facts

        wav, rate_hz = recording.mono(), recording.rate_hz
        packets = encode_packets(
            codec, wav, rate_hz, stages=self.stages, max_bytes=self.max_bytes or 0, voice=self.voice,
            max_packets=self.max_packets,
            options=PacketOptions("each", self.check_bytes, self.recording_id, self.has_copies),
        )  # fmt: skip
        data = packets_to_file(packets, codec.model_id)
        write_bytes(destination, data, force=force)
        return {**packet_facts(packets, len(wav) / rate_hz), "file_bytes": len(data)}
