"""`siren decode`: a `.srn` file to a recording."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from siren_cli.console import note, show_json, show_rows, working
from siren_cli.errors import UsageError
from siren_cli.options import (
    Device,
    DeviceOption,
    ForceOption,
    JsonOption,
    ModelOption,
    QuietOption,
    ThreadsOption,
    default_output,
    is_report_talk,
    speed,
)


def decode(
    source: Annotated[
        str,
        typer.Argument(metavar="IN.srn", help="File to decode, file or folder of packets, or - for standard input."),
    ],
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.wav",
            help="Where to write: .wav, .flac or .ogg, - for WAV on standard output; IN.wav if not given.",
        ),
    ] = None,
    sample_rate: Annotated[
        str,
        typer.Option(
            "--sample-rate",
            metavar="model|source|HZ",
            help="Rate of the output: the model's 16000 Hz, that of the encoded recording, or a number.",
        ),
    ] = "model",
    voice: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--voice",
            metavar="VOICE",
            help="Speak with another voice: a .voice file, its text, a packaged voice's name, a recording, a .srn "
            "file, or default.",
        ),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    model: ModelOption = None,
) -> None:
    """Decode a .srn file to a recording of exactly the same duration, or packets to what of it arrived."""
    import os
    from time import perf_counter

    from siren_cli.files import STREAM
    from siren_cli.manifest import model_for
    from siren_cli.packet_files import is_packets
    from siren_cli.srn_file import facts_of, read_srn, refusal, voice_text
    from siren_format.errors import FormatError

    destination = default_output(source.rstrip("/") or source, ".wav") if output is None else output
    as_talk = is_report_talk([destination], as_json=as_json)
    data = b"" if source != STREAM and os.path.isdir(source) else read_srn(source)
    if is_packets(source, data):
        _decode_packets(
            source, data, destination, sample_rate, voice, model, device.value, threads,
            force=force, as_json=as_json, as_talk=as_talk, quiet=quiet,
        )  # fmt: skip
        return
    try:
        facts = facts_of(data)
    except FormatError as error:
        raise refusal(source, error) from error

    from siren_cli.audio import require_audio_destination, resample, write_audio

    rate_hz = _rate_hz(sample_rate, source_rate_hz=int(facts["source_rate_hz"]))
    require_audio_destination(destination, force=force, source=source)
    if facts["voice"] == "none" and voice is None:
        note("the file carries no voice; decoding with the default voice", quiet=quiet)

    from siren_cli.codec import load_codec
    from siren_cli.voices import voices_for

    with working("decoding", quiet=quiet):
        chosen = model_for(str(facts["model_id"]), model)
        codec = load_codec(chosen, device=device.value, threads=threads)
        started_s = perf_counter()
        try:
            coded = codec.from_bytes(data)
        except FormatError as error:
            raise refusal(source, error) from error
        voices = voices_for(codec, chosen, lambda text: note(text, quiet=quiet))
        wav = codec.decode(voices.speak(coded, voice, source))
        elapsed_s = perf_counter() - started_s
    wav = resample(wav, codec.sample_rate_hz, rate_hz)
    write_audio(destination, wav, rate_hz, force=force)

    duration_s = float(facts["duration_s"])
    if as_json:
        sound = {"output_rate_hz": rate_hz, "output_samples": len(wav), "spoken_by": voice}
        timing = {"decode_s": elapsed_s, "decode_real_time_factor": duration_s / elapsed_s}
        show_json({"input": source, "output": destination, **facts, **sound, **timing})
    elif not quiet:
        rows = [
            ("duration", f"{duration_s:.3f} s, {len(wav)} samples at {rate_hz} Hz"),
            ("voice", voice_text(facts) + ("" if voice is None else f"; spoken by {voice}")),
            ("decoding", speed(duration_s, elapsed_s)),
        ]
        show_rows(rows, as_talk=as_talk)


def _decode_packets(
    source: str,
    data: bytes,
    destination: str,
    sample_rate: str,
    voice: str | None,
    model: str | None,
    device: str,
    threads: int | None,
    *,
    force: bool,
    as_json: bool,
    as_talk: bool,
    quiet: bool,
) -> None:
    """Decodes a packet file, a packet, or the packets of a folder, which has no data."""
    from siren_cli.audio import require_audio_destination, resample, write_audio
    from siren_cli.config import SAMPLE_RATE_HZ
    from siren_cli.files import STREAM

    rate_hz = _rate_hz(sample_rate, source_rate_hz=SAMPLE_RATE_HZ)
    require_audio_destination(destination, force=force, source=source if data else STREAM)

    from siren_cli.codec import load_codec
    from siren_cli.manifest import model_for
    from siren_cli.packet_files import read_packets
    from siren_cli.packet_speech import decode_packets, decoded_packet_rows, speech_facts
    from siren_cli.srn_file import refusal
    from siren_cli.voices import voices_for
    from siren_format.errors import FormatError, OtherModel
    from siren_format.packet_file import MODEL_ID_OFFSET

    with working("decoding", quiet=quiet):
        try:
            model_id, packets = read_packets(source, data)
            wanted = model if model_id is None else model_for(model_id.hex(), model)
            codec = load_codec(wanted, device=device, threads=threads)
            if model_id is not None and model_id != codec.model_id:
                raise OtherModel(model_id, codec.model_id, offset=MODEL_ID_OFFSET)
            voices = voices_for(codec, wanted, lambda text: note(text, quiet=quiet))
            speech = decode_packets(codec, packets, lambda coded: voices.speak(coded, voice, source))
        except FormatError as error:
            raise refusal(source, error) from error
    wav = resample(speech.wav, SAMPLE_RATE_HZ, rate_hz)
    write_audio(destination, wav, rate_hz, force=force)

    facts = speech_facts(speech)
    for text in facts["refused"]:
        note(f"left out {text}", quiet=quiet)
    if as_json:
        sound = {"output_rate_hz": rate_hz, "output_samples": len(wav)}
        show_json({"input": source, "output": destination, **facts, **sound})
    elif not quiet:
        show_rows(decoded_packet_rows(facts), as_talk=as_talk)


def _rate_hz(wanted: str, *, source_rate_hz: int) -> int:
    from siren_cli.audio import MAX_RATE_HZ, MIN_RATE_HZ
    from siren_cli.config import SAMPLE_RATE_HZ

    if wanted == "model":
        return SAMPLE_RATE_HZ
    if wanted == "source":
        # A header can say what no recording has; such a rate would ask for an absurd amount of memory.
        return min(max(source_rate_hz, MIN_RATE_HZ), MAX_RATE_HZ)
    if wanted.isascii() and wanted.isdecimal() and MIN_RATE_HZ <= int(wanted) <= MAX_RATE_HZ:
        return int(wanted)
    raise UsageError(
        f"--sample-rate is {wanted!r}, expected model, source or a number of Hz; give one of them, "
        f"a number from {MIN_RATE_HZ} to {MAX_RATE_HZ}"
    )
