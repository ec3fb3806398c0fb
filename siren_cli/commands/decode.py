"""`siren decode`: a `.srn` file to a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from siren_cli.errors import ExitStatus, UsageError
from siren_cli.terminal.console import note, show_json, show_rows, working
from siren_cli.terminal.options import (
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

if TYPE_CHECKING:
    from siren_cli.audio.pcm import PcmFormat
    from siren_cli.coded import Coded
    from siren_cli.srn.source import SrnSource


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
    raw: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--raw",
            metavar="FORMAT",
            help="Write bare samples without a header: u8, s16le, s16be, s24le, s32le, f32le or f64le.",
        ),
    ] = None,
    ignore_damage: Annotated[
        bool,
        typer.Option(
            "--ignore-damage",
            help="Decode what is undamaged of a long file, the rest is silent; decode damaged packets for what they "
            "seem to say. All of it is listed, and the exit status is 9.",
        ),
    ] = False,
    as_hex: Annotated[
        bool, typer.Option("--hex", help="IN is text: one packet a line in hexadecimal, as copied out of a chat.")
    ] = False,
    as_base64: Annotated[bool, typer.Option("--base64", help="The same in base64.")] = False,
    check_bytes: Annotated[
        int,
        typer.Option("--check", min=0, max=2, metavar="N", help="Refuse packets with a check of fewer bytes than N."),
    ] = 0,
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
    """Decode a .srn file to a recording of exactly the same duration, or packets to what of it arrived; or a folder of
    .srn files, keeping its tree.
    """
    import os

    from siren_cli.audio.pcm import parse_pcm
    from siren_cli.batch.run import BatchOptions, is_batch, run_batch
    from siren_cli.errors import SrnUnreadable
    from siren_cli.files.finding import CODED_SUFFIXES, holds_coded_files
    from siren_cli.files.streams import STREAM
    from siren_cli.packets.files import is_packets
    from siren_cli.srn.source import open_srn

    batch = BatchOptions(output, files_from, jobs, as_json=as_json, quiet=quiet)
    # One folder is a recording in packets, unless there are .srn or .srp files in it.
    packets = [folder for folder in (sources or [])[:1] if os.path.isdir(folder) and not holds_coded_files(folder)]
    if is_batch(sources or [], batch, resume=resume, folder_is_one=bool(packets)):
        if raw is not None:
            raise UsageError("--raw is about one file, many were given; leave it out or decode them one by one")
        from siren_cli.batch.decode import DecodeWork

        rate_hz = None if sample_rate == "source" else _rate_hz(sample_rate, source_rate_hz=0)
        work = DecodeWork(model, device.value, threads, rate_hz, ignore_damage, voice, force=force, resume=resume)
        raise typer.Exit(run_batch(work, sources or [], CODED_SUFFIXES, SrnUnreadable, batch))
    (source,) = sources or []
    destination = default_output(source.rstrip("/") or source, ".wav") if output is None else output
    as_talk = is_report_talk([destination], as_json=as_json)
    pcm = None if raw is None else parse_pcm(raw)
    kind = "hex" if as_hex else "base64" if as_base64 else None
    if as_hex and as_base64:
        raise UsageError("--hex and --base64 exclude each other; give one of them")
    if source != STREAM and os.path.isdir(source):
        if kind is not None:
            raise UsageError(f"{source}: is a folder, --{kind} is about a file or standard input; leave it out")
        is_lossy = _decode_packets(
            source, b"", destination, sample_rate, voice, pcm, model, device.value, threads, None, check_bytes,
            ignore_damage=ignore_damage, force=force, as_json=as_json, as_talk=as_talk, quiet=quiet,
        )  # fmt: skip
        if is_lossy:
            raise typer.Exit(ExitStatus.PARTLY_LOST)
        return
    with open_srn(source, is_whole=ignore_damage) as srn:
        if kind is not None or (not srn.is_live and is_packets(source, srn.data)):
            is_lossy = _decode_packets(
                source, srn.data, destination, sample_rate, voice, pcm, model, device.value, threads, kind,
                check_bytes,
                ignore_damage=ignore_damage, force=force, as_json=as_json, as_talk=as_talk, quiet=quiet,
            )  # fmt: skip
        else:
            is_lossy = _decode_file(
                source, srn, destination, sample_rate, voice, pcm, model, device.value, threads,
                ignore_damage=ignore_damage, force=force, as_json=as_json, as_talk=as_talk, quiet=quiet,
            )  # fmt: skip
    if is_lossy:
        raise typer.Exit(ExitStatus.PARTLY_LOST)


def _decode_file(
    source: str,
    srn: SrnSource,
    destination: str,
    sample_rate: str,
    voice: str | None,
    pcm: PcmFormat | None,
    model: str | None,
    device: str,
    threads: int | None,
    *,
    ignore_damage: bool,
    force: bool,
    as_json: bool,
    as_talk: bool,
    quiet: bool,
) -> bool:
    """Decodes a `.srn` file group by group; tells whether part of it is lost."""
    from time import perf_counter

    from siren_cli.registry.manifest import model_for
    from siren_cli.srn.file import facts_of, header_facts, refusal, voice_text
    from siren_format.errors import FormatError
    from siren_format.header import parse_header

    try:
        is_known = not srn.is_live and not ignore_damage
        facts = facts_of(srn.data) if is_known else header_facts(parse_header(srn.data)[0])
    except FormatError as error:
        raise refusal(source, error) from error

    from siren_cli.audio.resampling import resampled_count
    from siren_cli.audio.writing import open_audio_output, require_audio_destination

    rate_hz = _rate_hz(sample_rate, source_rate_hz=int(facts["source_rate_hz"]))
    require_audio_destination(destination, force=force, source=source, raw=pcm)
    if facts["voice"] == "none" and voice is None:
        note("the file carries no voice; decoding with the default voice", quiet=quiet)

    from siren_cli.audio.resampling import resampled
    from siren_cli.codec import load_codec
    from siren_cli.streaming.salvage import loss_facts, loss_rows, speak_salvage
    from siren_cli.voices.library import voices_for

    with working("decoding", quiet=quiet):
        chosen = model_for(str(facts["model_id"]), model)
        codec = load_codec(chosen, device=device, threads=threads)
        voices = voices_for(codec, chosen, lambda text: note(text, quiet=quiet))

        def spoken_by(coded: Coded) -> Coded:
            return voices.speak(coded, voice, source)

        started_s = perf_counter()
        try:
            left = codec.salvage(srn.data) if ignore_damage else None
            sample_count = facts.get("sample_count") if left is None else left.sample_count
            wanted = None if sample_count is None else resampled_count(sample_count, codec.sample_rate_hz, rate_hz)
            pieces = (
                codec.decode_stream(srn.pieces(), spoken_by=spoken_by)
                if left is None
                else speak_salvage(codec, left, spoken_by)
            )
            with open_audio_output(destination, rate_hz, wanted, raw=pcm, force=force) as writer:
                written = 0
                for wav in resampled(pieces, codec.sample_rate_hz, rate_hz):
                    writer.write(wav)
                    written += len(wav)
        except FormatError as error:
            raise refusal(source, error) from error
        elapsed_s = perf_counter() - started_s

    if left is None:
        facts, lost = facts_of(srn.data), []
    else:
        losses = loss_facts(left)
        facts, lost = {**facts, **losses, "file_bytes": len(srn.data)}, loss_rows(losses)
    duration_s = float(facts["duration_s"])
    if as_json:
        sound = {"output_rate_hz": rate_hz, "output_samples": written, "spoken_by": voice}
        timing = {"decode_s": elapsed_s, "decode_real_time_factor": duration_s / elapsed_s}
        show_json({"input": source, "output": destination, **facts, **sound, **timing})
    elif not quiet:
        rows = [
            ("duration", f"{duration_s:.3f} s, {written} samples at {rate_hz} Hz"),
            *lost,
            ("voice", voice_text(facts) + ("" if voice is None else f"; spoken by {voice}")),
            ("decoding", speed(duration_s, elapsed_s)),
        ]
        show_rows(rows, as_talk=as_talk)
    return left is not None and left.is_lossy


def _decode_packets(
    source: str,
    data: bytes,
    destination: str,
    sample_rate: str,
    voice: str | None,
    pcm: PcmFormat | None,
    model: str | None,
    device: str,
    threads: int | None,
    kind: str | None,
    check_bytes: int,
    *,
    ignore_damage: bool,
    force: bool,
    as_json: bool,
    as_talk: bool,
    quiet: bool,
) -> bool:
    """Decodes a packet file, a packet, texts, or the packets of a folder, which has no data; tells whether part of what
    was sent is lost. Recordings after the first go to files of their own.
    """
    from siren_cli.audio.resampling import resample
    from siren_cli.audio.writing import open_audio_output, require_audio_destination
    from siren_cli.config import SAMPLE_RATE_HZ
    from siren_cli.files.streams import STREAM

    rate_hz = _rate_hz(sample_rate, source_rate_hz=SAMPLE_RATE_HZ)
    require_audio_destination(destination, force=force, source=source if data else STREAM, raw=pcm)

    from siren_cli.codec import load_codec
    from siren_cli.packets.conceal import decoded_packet_rows, speak_recording, speech_facts
    from siren_cli.packets.files import destinations_of, read_packets
    from siren_cli.packets.receive import receive
    from siren_cli.registry.manifest import model_for
    from siren_cli.srn.file import refusal
    from siren_cli.voices.library import voices_for
    from siren_format.errors import FormatError, OtherModel
    from siren_format.packet_file import MODEL_ID_OFFSET

    with working("decoding", quiet=quiet):
        try:
            model_id, packets = read_packets(source, data, kind)
            wanted = model if model_id is None else model_for(model_id.hex(), model)
            codec = load_codec(wanted, device=device, threads=threads)
            if model_id is not None and model_id != codec.model_id:
                raise OtherModel(model_id, codec.model_id, offset=MODEL_ID_OFFSET)
            voices = voices_for(codec, wanted, lambda text: note(text, quiet=quiet))
            reception = receive(
                packets, codec.packet_source, check_bytes=check_bytes, ignore_damage=ignore_damage,
                is_alone=bool(data) and model_id is None and len(packets) == 1,
            )  # fmt: skip
        except FormatError as error:
            raise refusal(source, error) from error
        destinations = destinations_of(destination, len(reception.recordings))
        for further in destinations[1:]:
            require_audio_destination(further, force=force, source=source if data else STREAM, raw=pcm)
        speeches = [
            speak_recording(codec, own, reception, lambda coded: voices.speak(coded, voice, source))
            for own in reception.recordings
        ]
    for text in reception.refused:
        note(f"left out {text}", quiet=quiet)
    for number, (speech, own_destination) in enumerate(zip(speeches, destinations, strict=True)):
        wav = resample(speech.wav, SAMPLE_RATE_HZ, rate_hz)
        with open_audio_output(own_destination, rate_hz, len(wav), raw=pcm, force=force) as writer:
            writer.write(wav)
        facts = speech_facts(speech)
        if as_json:
            sound = {"output_rate_hz": rate_hz, "output_samples": len(wav)}
            show_json({"input": source, "output": own_destination, **facts, **sound})
        elif not quiet:
            named = [("output", own_destination)] * (len(destinations) > 1)
            show_rows([*named, *decoded_packet_rows(facts)], as_talk=as_talk, blank_before=number > 0)
    return any(speech.is_lossy for speech in speeches)


def _rate_hz(wanted: str, *, source_rate_hz: int) -> int:
    from siren_cli.audio.samples import MAX_RATE_HZ, MIN_RATE_HZ
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
