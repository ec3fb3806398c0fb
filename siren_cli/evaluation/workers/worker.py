"""Work on one clip: run every codec, then compute every metric and transcript of the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.corpus.clip import Clip
from siren_cli.corpus.clips import read_clip, read_joined
from siren_cli.errors import SirenError
from siren_cli.evaluation.codecs.damage import Damage, damaged_codec2, damaged_siren
from siren_cli.evaluation.codecs.transcript_coding import transcript_bytes, transcript_name
from siren_cli.evaluation.codecs.under_test import CodecUnderTest, baseline, noise_anchor, original, siren, wrong_voice
from siren_cli.evaluation.metrics.asr import available, load_recogniser
from siren_cli.evaluation.metrics.catalogue import Metric, available_metrics
from siren_cli.evaluation.metrics.words import base_language, normalised
from siren_cli.evaluation.report.figures import Pairs, clip_figures
from siren_cli.evaluation.workers.result_cache import ResultCache, digest_of, digest_of_model

RATE_S = 10.0
"""Length of the recordings for comparing rates."""


@dataclass(frozen=True)
class EvaluationPlan:
    """Settings of an evaluation.

    Attributes:
        model: The model's folder or name; None for the default.
        stages: Numbers of stages of SIREN.
        baselines: Names of installed baselines.
        has_other_speaker: Whether there are two speakers, as the wrong voice needs.
        asr: Recognisers (see `siren_cli.evaluation.metrics.asr`); the first one's transcripts are compressed as well.
        asr_language: Language of clips without one; empty if unknown.
        cache: Folder of the result cache.
        device: Device of the codec.
        threads: Threads of torch; None for its default.
        damages: Transmission errors in packets of SIREN and Codec 2.
        packet_bytes: Size of the largest of these packets; 51 is the smallest payload of LoRaWAN.
        skip: Names of metrics to leave out.
        recogniser: Weights of the phone recogniser; None for the packaged ones.
        efforts: Efforts of SIREN; those above 0 apply only to models with a guide.
    """

    model: str | None
    stages: tuple[int, ...]
    baselines: tuple[str, ...]
    has_other_speaker: bool
    asr: tuple[str, ...]
    cache: Path
    device: str = "cpu"
    threads: int | None = None
    damages: tuple[Damage, ...] = ()
    packet_bytes: int = 51
    skip: tuple[str, ...] = ()
    recogniser: Path | None = None
    efforts: tuple[int, ...] = (0,)
    asr_language: str = ""

    def language_of(self, clip: Clip) -> str:
        """Tag of a clip's language; empty if unknown."""
        return clip.language or self.asr_language

    def recognisers(self) -> tuple[tuple[str, ...], list[str]]:
        """List usable recognisers and missing packages (`metrics.asr.available`); none if words are skipped."""
        return ((), []) if "words" in self.skip else available(self.asr)


class Worker:
    """Codecs, metrics and recognisers, loaded once per process.

    `codec` has the default settings of `siren encode`. `siren_codecs` are SIREN's settings among the `systems`.
    """

    def __init__(self, plan: EvaluationPlan) -> None:
        from siren_cli.codec import load_codec

        self.plan = plan
        self.results = ResultCache(plan.cache)
        self.codec = codec = load_codec(plan.model, device=plan.device, threads=plan.threads).searching()
        self.weights = weights = digest_of_model(plan.model)
        self.systems: list[CodecUnderTest] = [original()]
        efforts = [effort for effort in plan.efforts if not effort or codec.networks.guide is not None]
        self.siren_codecs = [
            siren(codec.searching(effort), weights, stages) for effort in efforts for stages in plan.stages
        ]
        self.systems += self.siren_codecs
        self.systems += [wrong_voice(codec, weights, self._own_bytes)] if plan.has_other_speaker else []
        self.systems += [baseline(name) for name in plan.baselines]
        self.systems.append(noise_anchor())
        for damage in plan.damages:
            self.systems += [
                damaged_siren(codec.searching(efforts[-1]), weights, stages, damage, plan.packet_bytes)
                for stages in plan.stages
            ]
            self.systems += [
                damaged_codec2(name, damage, plan.packet_bytes) for name in plan.baselines if name.startswith("codec2")
            ]
        self.metrics, _ = available_metrics(plan.skip, plan.recogniser)
        self.recognisers = [load_recogniser(source) for source in plan.recognisers()[0]]

    def _own_bytes(self, wav: NDArray[np.float32]) -> bytes:
        """File of a clip [T] with one stage, as written by `siren encode`."""
        _, coded = self.results.coded(siren(self.codec, self.weights, 1), wav, None)
        return Path(coded["file"]).read_bytes()

    def work(self, clip: Clip, other_speaker: Clip | None) -> dict[str, Any]:
        """Measure one clip.

        Args:
            clip: The clip.
            other_speaker: Clip of another speaker, or None.

        Returns:
            `{"id", "left_out"}` with the reason, or `{"id", "speaker", "duration_s", "text", "embedding",
            "systems"}`. The last is codec to `{"figures", "transcripts", "file", "decoded", "file_bytes"}`.
        """
        try:
            wav = read_clip(clip)
        except SirenError as error:
            return {"id": clip.clip_id, "left_out": str(error)}
        duration_s = len(wav) / SAMPLE_RATE_HZ
        other = None if other_speaker is None else read_clip(other_speaker)
        language = self.plan.language_of(clip)
        recordings = [self.results.coded(system, wav, other) for system in self.systems]
        transcripts = self.transcripts([decoded for decoded, _ in recordings], language)
        references = self.references(clip)
        original_metrics: dict[str, Any] = {}
        found: dict[str, Any] = {}
        for system, (decoded, coded), texts in zip(self.systems, recordings, transcripts, strict=True):
            metrics = {**self.compute_metrics(decoded, wav, clip.phones), "transcripts": texts}
            original_metrics = original_metrics or metrics
            found[system.name] = {
                "figures": clip_figures(metrics, original_metrics, coded, duration_s, references),
                "transcripts": texts,
                **{key: coded[key] for key in ("file", "decoded", "file_bytes")},
            }
        return {
            "id": clip.clip_id,
            "speaker": clip.speaker,
            "duration_s": duration_s,
            "text": clip.text,
            "embedding": original_metrics.get("embedding"),
            "systems": {**found, **self._coded_transcripts(found["original"], language, duration_s)},
        }

    def _coded_transcripts(self, original: dict[str, Any], language: str, duration_s: float) -> dict[str, Any]:
        """Results of the first recogniser's compressed transcript of the original: the rate of speech to text."""
        texts: dict[str, str] = original["transcripts"]
        if not texts:
            return {}
        recogniser = next(iter(texts))
        words = {name: pair for name, pair in original["figures"].items() if name.endswith(f":{recogniser}")}
        return {
            transcript_name(method): {
                "figures": {"file_bps": (8.0 * size, duration_s), **words},
                "transcripts": {recogniser: texts[recogniser]},
                "file": None,
                "decoded": None,
                "file_bytes": size,
            }
            for method, size in transcript_bytes(texts[recogniser], base_language(language)).items()
        }

    def rates_at_10_s(self, clips: list[Clip]) -> dict[str, Pairs]:
        """File bps of 10 s of a speaker, independent of the length of clips.

        Args:
            clips: Readable clips of one speaker; the first 10 s of them, joined, are coded.

        Returns:
            Codec to the column `file_bps_10s`; empty with less than 10 s.
        """
        joined = read_joined(clips, RATE_S)
        if len(joined) < RATE_S * SAMPLE_RATE_HZ:
            return {}
        found: dict[str, Pairs] = {}
        for system in self.systems:
            if system.suffix and not system.needs_other_speaker and " " not in system.name:
                _, coded = self.results.coded(system, joined, None)
                found[system.name] = {"file_bps_10s": (8.0 * coded["file_bytes"], RATE_S)}
        language = self.plan.language_of(clips[0])
        (texts,) = self.transcripts([joined], language)
        if texts:
            sizes = transcript_bytes(next(iter(texts.values())), base_language(language))
            found |= {transcript_name(method): {"file_bps_10s": (8.0 * size, RATE_S)} for method, size in sizes.items()}
        return found

    def compute_metrics(
        self, decoded: Any, wav: Any, phones: str | None, names: tuple[str, ...] | None = None
    ) -> dict[str, Any]:
        """Compute the metrics of a decoded clip, or read them from the cache.

        Args:
            decoded: Samples [T] at 16 kHz.
            wav: Original [T].
            phones: Alignment of the original; None if unknown.
            names: Names of the metrics to compute; None for all.

        Returns:
            Values by name.
        """
        metrics: dict[str, Any] = {}
        for metric in self.metrics:
            if (names is None or metric.name in names) and (not metric.needs_phones or phones is not None):
                metrics.update(self._cached_metric(metric, decoded, wav, phones))
        return metrics

    def transcripts(self, wavs: Sequence[NDArray[np.float32]], language: str) -> list[dict[str, str]]:
        """Transcribe recordings with every recogniser, or read the transcripts from the cache.

        Args:
            wavs: Recordings, each [T] at 16 kHz.
            language: Tag of their language; empty if unknown.

        Returns:
            For each recording, recogniser to normalised text; recognisers without the language are absent.
        """
        found: list[dict[str, str]] = [{} for _ in wavs]
        for recogniser in self.recognisers:
            code = recogniser.language_for(language)
            if code is None:
                continue
            keys = [digest_of(recogniser.identity, code, wav.tobytes()) for wav in wavs]
            kept = {key: self.results.read("transcripts", key) for key in keys}
            lacking = {key: wav for key, wav in zip(keys, wavs, strict=True) if kept[key] is None}
            texts = recogniser.transcribe(list(lacking.values()), code) if lacking else []
            for key, text in zip(lacking, texts, strict=True):
                self.results.write("transcripts", key, text)
            kept.update(zip(lacking, texts, strict=True))
            for own, key in zip(found, keys, strict=True):
                own.update(self._normalised({recogniser.name: kept[key]}, language))
        return found

    def _normalised(self, texts: dict[str, str], language: str) -> dict[str, str]:
        """Normalise the text of each recogniser for its language."""
        codes = {recogniser.name: recogniser.language_for(language) or "" for recogniser in self.recognisers}
        return {name: normalised(text, codes[name]) for name, text in texts.items()}

    def references(self, clip: Clip) -> dict[str, str]:
        """Reference transcript of a clip, normalised for each recogniser; empty if unknown."""
        language = self.plan.language_of(clip)
        names = [r.name for r in self.recognisers if r.language_for(language) is not None]
        return {} if clip.text is None else self._normalised(dict.fromkeys(names, clip.text), language)

    def _cached_metric(self, metric: Metric, decoded: Any, wav: Any, phones: str | None) -> dict[str, Any]:
        beside = (wav.tobytes(), phones or "") if metric.compares else ()
        key = digest_of(metric.name, metric.identity, decoded.tobytes(), *beside)
        kept: dict[str, Any] | None = self.results.read(metric.name, key)
        if kept is None:
            kept = metric.compute(decoded, wav, phones)
            self.results.write(metric.name, key, kept)
        return kept


_worker: list[Worker] = []


def start_process(plan: EvaluationPlan) -> None:
    """Load the worker of this process."""
    _worker[:] = [Worker(plan)]


def this_worker() -> Worker:
    """Worker of this process, loaded by `start_process`."""
    return _worker[0]


def work_on(task: tuple[Clip, Clip | None]) -> dict[str, Any]:
    """Run `Worker.work` in a process after `start_process`."""
    return _worker[0].work(*task)


def rates_on(clips: list[Clip]) -> dict[str, Pairs]:
    """Run `Worker.rates_at_10_s` in a process after `start_process`."""
    return _worker[0].rates_at_10_s(clips)
