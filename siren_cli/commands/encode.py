"""`siren encode`: a recording to a `.srn` file."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from siren_cli.errors import UsageError
from siren_cli.terminal.console import note, show_json, show_rows, working
from siren_cli.terminal.options import (
    Device,
    DeviceOption,
    EffortOption,
    Engine,
    EngineOption,
    FilesFromOption,
    ForceOption,
    JobsOption,
    JsonOption,
    ManyInputs,
    ModelOption,
    PacketStagesOption,
    Profile,
    QuietOption,
    RateWeightOption,
    RayAddressOption,
    ResumeOption,
    ThreadsOption,
    default_output,
    is_report_talk,
    speed,
)

_LORAWAN_BYTES = 51
"""Smallest largest payload of LoRaWAN, at its slowest data rates in Europe."""


def encode(
    sources: ManyInputs = None,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--output",
            "-o",
            metavar="OUT.srn|DIR",
            help="Where to write, - for standard output, a folder for many files; IN with another suffix if not given.",
        ),
    ] = None,
    stages: PacketStagesOption = "1",
    profile: Annotated[
        Profile, typer.Option("--profile", help="A .srn file, or packets for a link that frames and checks.")
    ] = Profile.FILE,
    max_bytes: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--max-bytes",
            metavar="N",
            help="Size to fit a .srn file of up to a minute into, as faithfully as possible; or the largest packet, 16 "
            "to 500, 51 if not given.",
        ),
    ] = None,
    rate_weight: RateWeightOption = 0.0,
    effort: EffortOption = None,
    max_packets: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--max-packets", min=1, metavar="N", help="Packets to fit the recording into."),
    ] = None,
    voice: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--voice", metavar="each|once|none", help="Which packets carry the voice; each if not given."),
    ] = None,
    check_bytes: Annotated[
        int,
        typer.Option("--check", min=0, max=2, metavar="N", help="Bytes of a check in each packet, for links without."),
    ] = 0,
    recording_id: Annotated[
        int,
        typer.Option(
            "--recording-id",
            min=0,
            max=31,
            metavar="N",
            help="Number of the recording in each packet, 1 to 31, where several are sent at once; 0 for none.",
        ),
    ] = 0,
    fec: Annotated[
        bool,
        typer.Option("--fec", help="Send the first stage of each packet again in the next one."),
    ] = False,
    files_from: FilesFromOption = None,
    jobs: JobsOption = None,
    resume: ResumeOption = False,
    engine: EngineOption = Engine.LOCAL,
    ray_address: RayAddressOption = None,
    no_voice: Annotated[
        bool, typer.Option("--no-voice", help="Leave the voice out: heard in the default voice, and anonymous.")
    ] = False,
    voice_ref: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--voice-ref",
            metavar="VOICE",
            help="Name a voice that the receiver has (2 bytes): a .voice file, its text or a packaged voice's name.",
        ),
    ] = None,
    packet_folder: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--packet-folder", metavar="DIR", help="Write every packet as a file of its own in DIR, too."),
    ] = None,
    raw: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--raw",
            metavar="RATE[:FORMAT[:CHANNELS]]",
            help="IN is bare samples without a header, e.g. 16000:s16le:1. Formats: u8, s16le, s16be, s24le, s32le, "
            "f32le, f64le.",
        ),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    model: ModelOption = None,
) -> None:
    """Encode a recording to a .srn file, or to packets; or a folder of recordings, keeping its tree."""
    import os
    from time import perf_counter

    from siren_cli.batch.run import BatchOptions, is_batch
    from siren_cli.files.streams import STREAM, require_writable, write_bytes, write_pieces
    from siren_cli.packets.files import require_packet_folder, write_packet_folder
    from siren_cli.voices.library import name_of_voice

    is_packets = profile == Profile.PACKET
    if not is_packets and (max_packets is not None or voice is not None or packet_folder is not None):
        raise UsageError("--max-packets, --voice and --packet-folder are about packets; give --profile packet as well")
    if not is_packets and (check_bytes or recording_id or fec):
        raise UsageError("--check, --recording-id and --fec are about packets; give --profile packet as well")
    stage_count = _stage_count(stages, is_packets=is_packets)
    if no_voice + (voice_ref is not None) + (voice is not None) > 1:
        raise UsageError("--no-voice, --voice-ref and --voice exclude each other; give one of them")
    if is_packets and voice_ref is not None:
        raise UsageError("--voice-ref is about files, packets name no voice; give --no-voice or --voice")
    named = None if voice_ref is None else name_of_voice(voice_ref, model)
    batch = BatchOptions(output, files_from, jobs, engine.value, ray_address, as_json=as_json, quiet=quiet)
    if is_batch(sources or [], batch, resume=resume):
        for name, value in (("--raw", raw), ("--packet-folder", packet_folder)):
            if value is not None:
                raise UsageError(f"{name} is about one recording, many were given; leave it out")
        from siren_cli.batch.encode import EncodeWork
        from siren_cli.batch.run import run_batch
        from siren_cli.errors import AudioUnreadable
        from siren_cli.files.finding import AUDIO_SUFFIXES
        from siren_cli.registry.weights import find_model

        work = EncodeWork(
            model, find_model(model).model_id, device.value, threads, stage_count,
            is_packets, (max_bytes or _LORAWAN_BYTES) if is_packets else max_bytes, max_packets, rate_weight,
            effort, "none" if no_voice else voice or "each", named, check_bytes, recording_id, fec,
            force=force, resume=resume,
        )  # fmt: skip
        raise typer.Exit(run_batch(work, sources or [], AUDIO_SUFFIXES, AudioUnreadable, batch))
    (source,) = sources or []
    destination = default_output(source, ".srp" if is_packets else ".srn") if output is None else output
    as_talk = is_report_talk([destination], as_json=as_json)
    require_writable(destination, force=force, source=source)
    if packet_folder is not None:
        if destination != STREAM and os.path.dirname(os.path.realpath(destination)) == os.path.realpath(packet_folder):
            raise UsageError(f"{destination}: lies in the packet folder, which holds packets alone; write it elsewhere")
        require_packet_folder(packet_folder, force=force)

    from siren_cli.audio.pcm import parse_raw
    from siren_cli.audio.reading import open_audio
    from siren_cli.srn.file import cost_rows, facts_of

    raw_audio = None if raw is None else parse_raw(raw)
    with open_audio(source, raw_audio) as recording:
        rate_hz = recording.rate_hz
        if is_packets or max_bytes is not None:
            wav = recording.mono()
        else:
            from siren_cli.streaming.encoder import level_db_of

            # A file is heard once for its level, and for what may be wrong with it, before anything is done.
            level_db = level_db_of(recording.mono_blocks(), rate_hz) if recording.can_rewind else None
        told = recording.notes
        for text in told:
            note(text, quiet=quiet)

        from siren_cli.codec import load_codec
        from siren_cli.packets.packetize import PacketOptions, encode_packets, packet_facts, packet_rows
        from siren_cli.streaming.rate_control import fit_file
        from siren_format.packet_file import packets_to_file

        with working("encoding", quiet=quiet):
            codec = load_codec(model, device=device.value, threads=threads).thrifty(rate_weight).searching(effort)
            started_s = perf_counter()
            if is_packets:
                packets = encode_packets(
                    codec, wav, rate_hz, stages=stage_count, max_bytes=max_bytes or _LORAWAN_BYTES,
                    voice="none" if no_voice else voice or "each", max_packets=max_packets,
                    options=PacketOptions("each", check_bytes, recording_id, fec),
                )  # fmt: skip
                data = packets_to_file(packets, codec.model_id)
                elapsed_s = perf_counter() - started_s
                if packet_folder is not None:
                    write_packet_folder(packet_folder, packets, force=force)
                write_bytes(destination, data, force=force)
            elif max_bytes is not None:
                data = fit_file(
                    codec, wav, rate_hz, stages=stage_count, max_bytes=max_bytes,
                    has_voice=not no_voice and named is None, voice_id=named,
                )  # fmt: skip
                elapsed_s = perf_counter() - started_s
                write_bytes(destination, data, force=force)
            else:
                coded = codec.encode_stream(
                    recording.mono_blocks(), rate_hz, stages=stage_count, level_db=level_db,
                    has_voice=not no_voice and named is None, voice_id=named,
                )  # fmt: skip
                data = write_pieces(destination, coded, force=force)
                elapsed_s = perf_counter() - started_s

        notes = recording.notes
    for text in notes:
        if text not in told:
            note(text, quiet=quiet)
    facts = packet_facts(packets, len(wav) / rate_hz) if is_packets else facts_of(data)
    duration_s = float(facts["duration_s"])
    if as_json:
        timing = {"encode_s": elapsed_s, "encode_real_time_factor": duration_s / elapsed_s}
        show_json({"input": source, "output": destination, **facts, **timing, **({"notes": notes} if notes else {})})
    elif not quiet:
        rows = [
            ("duration", f"{duration_s:.3f} s"),
            *(packet_rows(facts) if is_packets else cost_rows(facts)),
            ("encoding", speed(duration_s, elapsed_s)),
        ]
        show_rows(rows, as_talk=as_talk)


def _stage_count(stages: str, *, is_packets: bool) -> int:
    """Stages as a number, 0 for `auto`."""
    if stages in ("1", "2"):
        return int(stages)
    if stages != "auto":
        raise UsageError(f"--stages is {stages!r}, expected 1, 2 or auto; see 'siren encode --help'")
    if not is_packets:
        raise UsageError("--stages auto is about packets; give --profile packet as well, or 1 or 2")
    return 0
