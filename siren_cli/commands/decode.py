"""`siren decode`: a `.srn` file to a recording."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from siren_cli.console import note, show_json, show_rows, working
from siren_cli.errors import UsageError
from siren_cli.options import (
    Device,
    DeviceOption,
    FilesFromOption,
    ForceOption,
    JobsOption,
    JsonOption,
    ModelOption,
    QuietOption,
    ResumeOption,
    ThreadsOption,
    default_output,
    is_report_talk,
    speed,
)


def decode(
    sources: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="IN.srn...",
            help="File to decode, file or folder of packets, folders of .srn files, or - for standard input.",
        ),
    ] = None,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.wav|DIR",
            help="Where to write: .wav, .flac or .ogg, - for WAV on standard output, a folder for many files; "
            "IN.wav if not given.",
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
    files_from: FilesFromOption = None,
    jobs: JobsOption = None,
    resume: ResumeOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    model: ModelOption = None,
) -> None:
    """Decode a .srn file to a recording of exactly the same duration, or packets to what of it arrived; or a folder of
    .srn files, keeping its tree.
    """
    import os
    from time import perf_counter

    from siren_cli.batch.plan import CODED_SUFFIXES, holds_coded_files
    from siren_cli.batch.run import BatchOptions, is_batch, run_batch
    from siren_cli.errors import SrnUnreadable
    from siren_cli.files import STREAM
    from siren_cli.manifest import model_for
    from siren_cli.srn_file import facts_of, read_srn, refusal, voice_text
    from siren_format.errors import FormatError
    from siren_format.packet_file import PACKET_FILE_MAGIC

    batch = BatchOptions(output, files_from, jobs, as_json=as_json, quiet=quiet)
    # One folder is a recording in packets, unless there are .srn or .srp files in it.
    packets = [folder for folder in (sources or [])[:1] if os.path.isdir(folder) and not holds_coded_files(folder)]
    if is_batch(sources or [], batch, resume=resume, folder_is_one=bool(packets)):
        from siren_cli.batch.decoding import DecodeWork

        rate_hz = None if sample_rate == "source" else _rate_hz(sample_rate, source_rate_hz=0)
        work = DecodeWork(model, device.value, threads, rate_hz, force=force, resume=resume)
        raise typer.Exit(run_batch(work, sources or [], CODED_SUFFIXES, SrnUnreadable, batch))
    (source,) = sources or []
    destination = default_output(source.rstrip("/") or source, ".wav") if output is None else output
    as_talk = is_report_talk([destination], as_json=as_json)
    is_folder = source != STREAM and os.path.isdir(source)
    data = b"" if is_folder else read_srn(source)
    if is_folder or data.startswith(PACKET_FILE_MAGIC):
        _decode_packets(
            source, None if is_folder else data, destination, sample_rate, model, device.value, threads,
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
    if facts["voice"] == "none":
        note("the file carries no voice; decoding with the default voice", quiet=quiet)

    from siren_cli.codec import load_codec

    with working("decoding", quiet=quiet):
        codec = load_codec(model_for(str(facts["model_id"]), model), device=device.value, threads=threads)
        started_s = perf_counter()
        try:
            coded = codec.from_bytes(data)
        except FormatError as error:
            raise refusal(source, error) from error
        wav = codec.decode(coded)
        elapsed_s = perf_counter() - started_s
    wav = resample(wav, codec.sample_rate_hz, rate_hz)
    write_audio(destination, wav, rate_hz, force=force)

    duration_s = float(facts["duration_s"])
    if as_json:
        sound = {"output_rate_hz": rate_hz, "output_samples": len(wav)}
        timing = {"decode_s": elapsed_s, "decode_real_time_factor": duration_s / elapsed_s}
        show_json({"input": source, "output": destination, **facts, **sound, **timing})
    elif not quiet:
        rows = [
            ("duration", f"{duration_s:.3f} s, {len(wav)} samples at {rate_hz} Hz"),
            ("voice", voice_text(facts)),
            ("decoding", speed(duration_s, elapsed_s)),
        ]
        show_rows(rows, as_talk=as_talk)


def _decode_packets(
    source: str,
    data: bytes | None,
    destination: str,
    sample_rate: str,
    model: str | None,
    device: str,
    threads: int | None,
    *,
    force: bool,
    as_json: bool,
    as_talk: bool,
    quiet: bool,
) -> None:
    """Decodes a packet file, or the packets of a folder if there are no data."""
    from siren_cli.audio import require_audio_destination, resample, write_audio
    from siren_cli.config import SAMPLE_RATE_HZ
    from siren_cli.files import STREAM

    rate_hz = _rate_hz(sample_rate, source_rate_hz=SAMPLE_RATE_HZ)
    require_audio_destination(destination, force=force, source=STREAM if data is None else source)

    from siren_cli.codec import load_codec
    from siren_cli.manifest import model_for
    from siren_cli.packets import decode_packets, decoded_packet_rows, read_packet_folder, speech_facts
    from siren_cli.srn_file import refusal
    from siren_format.errors import FormatError, OtherModel
    from siren_format.packet_file import MODEL_ID_OFFSET, file_to_packets

    with working("decoding", quiet=quiet):
        try:
            model_id, packets = (None, read_packet_folder(source)) if data is None else file_to_packets(data)
            wanted = model if model_id is None else model_for(model_id.hex(), model)
            codec = load_codec(wanted, device=device, threads=threads)
            if model_id is not None and model_id != codec.model_id:
                raise OtherModel(model_id, codec.model_id, offset=MODEL_ID_OFFSET)
            speech = decode_packets(codec, packets)
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
