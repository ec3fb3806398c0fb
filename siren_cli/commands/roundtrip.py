"""`siren roundtrip`: a recording to bytes and back, with what it cost and how close it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from siren_cli.terminal.console import note, show_json, show_rows, working
from siren_cli.terminal.options import (
    AudioInput,
    Device,
    DeviceOption,
    EffortOption,
    ForceOption,
    JsonOption,
    ModelOption,
    RateWeightOption,
    StagesOption,
    ThreadsOption,
    is_report_talk,
    speed,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def roundtrip(
    source: AudioInput,
    output: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--output",
            "-o",
            metavar="RECON.wav",
            help="Where to write the decoded recording: .wav, .flac or .ogg, or - for standard output.",
        ),
    ] = None,
    keep: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--keep", metavar="OUT.srn", help="Where to write the .srn file as well."),
    ] = None,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Judge the result as 'siren eval' does. Needs the extra 'eval'.")
    ] = False,
    stages: StagesOption = 1,
    rate_weight: RateWeightOption = 0.0,
    effort: EffortOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the report only, no notes.")] = False,
    device: DeviceOption = Device.AUTO,
    threads: ThreadsOption = None,
    model: ModelOption = None,
) -> None:
    """Encode a recording, decode those bytes, and tell what it cost and how close it came."""
    from time import perf_counter

    from siren_cli.audio.level import speech_level_db
    from siren_cli.audio.reading import open_audio
    from siren_cli.audio.resampling import mono_16_khz
    from siren_cli.audio.writing import require_audio_destination, write_audio
    from siren_cli.evaluation.metrics.roundtrip import model_mel_distance_db, short_time_intelligibility
    from siren_cli.files.streams import require_writable, write_bytes
    from siren_cli.srn.file import cost_rows, facts_of, voice_text

    as_talk = is_report_talk([path for path in (output, keep) if path is not None], as_json=as_json)
    if output is not None:
        require_audio_destination(output, force=force, source=source)
    if keep is not None:
        require_writable(keep, force=force, source=source)
    with open_audio(source) as recording:
        wav, rate_hz, notes = recording.mono(), recording.rate_hz, recording.notes
    for text in notes:
        note(text, quiet=quiet)

    from siren_cli.codec import load_codec

    with working("encoding and decoding", quiet=quiet):
        codec = load_codec(model, device=device.value, threads=threads).thrifty(rate_weight).searching(effort)
        started_s = perf_counter()
        data = codec.encode(wav, rate_hz, stages=stages).to_bytes()
        encoded_s = perf_counter()
        decoded = codec.decode(data)
        decoded_s = perf_counter()
        reference = mono_16_khz(wav, rate_hz)
        stoi, why_no_stoi = short_time_intelligibility(reference, decoded, codec.sample_rate_hz)
        closeness = {
            "mel_distance_db": model_mel_distance_db(codec.networks, reference, decoded),
            "level_change_db": speech_level_db(decoded) - speech_level_db(reference),
            "stoi": stoi,
        }
        judged, words, missing = _judge(reference, decoded, codec.sample_rate_hz) if metrics else ({}, None, [])
    if keep is not None:
        write_bytes(keep, data, force=force)
    if output is not None:
        write_audio(output, decoded, codec.sample_rate_hz, force=force)

    facts = facts_of(data)
    duration_s = float(facts["duration_s"])
    encode_s, decode_s = encoded_s - started_s, decoded_s - encoded_s
    for text in missing:
        note(text, quiet=quiet)
    if stoi is None and not metrics:
        note(why_no_stoi, quiet=quiet)
    if as_json:
        timing = {
            "encode_s": encode_s,
            "encode_real_time_factor": duration_s / encode_s,
            "decode_s": decode_s,
            "decode_real_time_factor": duration_s / decode_s,
        }
        extra = {"metrics": judged, "words_heard": words} if metrics else {}
        own = {"notes": notes} if notes else {}
        show_json({"input": source, "output": output, "kept": keep, **facts, **closeness, **timing, **extra, **own})
        return
    rows = [
        ("duration", f"{duration_s:.3f} s"),
        *cost_rows(facts),
        ("voice", voice_text(facts)),
        ("encoding", speed(duration_s, encode_s)),
        ("decoding", speed(duration_s, decode_s)),
    ]
    if not judged:  # `siren eval` has a mel distance of its own, which no model decides
        rows.append(("mel distance", f"{closeness['mel_distance_db']:.2f} dB"))
    rows.append(("level change", f"{closeness['level_change_db']:+.2f} dB"))
    if metrics:
        from siren_cli.evaluation.single import single_table

        rows += single_table(judged, words)
    elif stoi is not None:
        rows.append(("STOI", f"{stoi:.3f}"))
    show_rows(rows, as_talk=as_talk)


def _judge(
    reference: NDArray[np.float32], decoded: NDArray[np.float32], rate_hz: int
) -> tuple[dict[str, float], str | None, list[str]]:
    from siren_cli.evaluation.single import single_figures

    return single_figures(reference, decoded, rate_hz)
