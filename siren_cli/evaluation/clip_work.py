"""The work on one clip: every system codes it, every judge listens. Runs in as many processes as asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ
from siren_cli.errors import SirenError
from siren_cli.evaluation.damage import Damage, damaged_codec2, damaged_siren
from siren_cli.evaluation.figures import Pairs, clip_figures
from siren_cli.evaluation.judges import Judge, judges
from siren_cli.evaluation.material import read_clip, read_joined
from siren_cli.evaluation.store import Store, digest_of, digest_of_model
from siren_cli.evaluation.systems import System, baseline, floor, original, siren, wrong_voice
from siren_cli.training.sources import Clip

RATE_S = 10.0
"""The length that rates are compared at."""


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes:
        model: The model's folder or name; None for the default.
        stages: Numbers of stages to measure.
        baselines: Names of installed baselines.
        has_strangers: Whether there are two speakers, so that a wrong voice can be given.
        asr: `pocketsphinx` or a folder.
        cache: Folder of the store.
        device: For the codec.
        threads: For torch; None for its choice.
        damages: What to do to packets of SIREN and Codec 2, beside leaving them whole.
        packet_bytes: Size of the largest of these packets; 51 is the smallest payload of LoRaWAN.
        skip: Names of judges that are not wanted.
        recogniser: The phone recogniser's weights; None for those of the package.
        efforts: Efforts to measure SIREN with; those above 0 only if the model has a guide.
    """

    model: str | None
    stages: tuple[int, ...]
    baselines: tuple[str, ...]
    has_strangers: bool
    asr: str
    cache: Path
    device: str = "cpu"
    threads: int | None = None
    damages: tuple[Damage, ...] = ()
    packet_bytes: int = 51
    skip: tuple[str, ...] = ()
    recogniser: Path | None = None
    efforts: tuple[int, ...] = (0,)


class Worker:
    """Everything that is loaded once per process.

    `codec` encodes as `siren encode` does if nothing is said; `own` are SIREN's settings among the `systems`.
    """

    def __init__(self, plan: Plan) -> None:
        from siren_cli.codec import load_codec

        self.store = Store(plan.cache)
        self.codec = codec = load_codec(plan.model, device=plan.device, threads=plan.threads).searching()
        self.weights = weights = digest_of_model(plan.model)
        self.systems: list[System] = [original()]
        efforts = [effort for effort in plan.efforts if not effort or codec.networks.guide is not None]
        self.own = [siren(codec.searching(effort), weights, stages) for effort in efforts for stages in plan.stages]
        self.systems += self.own
        self.systems += [wrong_voice(codec, weights, self._own_bytes)] if plan.has_strangers else []
        self.systems += [baseline(name) for name in plan.baselines]
        self.systems.append(floor())
        for damage in plan.damages:
            self.systems += [
                damaged_siren(codec.searching(efforts[-1]), weights, stages, damage, plan.packet_bytes)
                for stages in plan.stages
            ]
            self.systems += [
                damaged_codec2(name, damage, plan.packet_bytes) for name in plan.baselines if name.startswith("codec2")
            ]
        self.judges, _ = judges(plan.asr, plan.skip, plan.recogniser)

    def _own_bytes(self, wav: NDArray[np.float32]) -> bytes:
        """The file of a clip [T] with one stage, as `siren encode` writes it."""
        _, coded = self.store.coded(siren(self.codec, self.weights, 1), wav, None)
        return Path(coded["file"]).read_bytes()

    def work(self, clip: Clip, stranger: Clip | None) -> dict[str, Any]:
        """Measures one clip.

        Args:
            clip: The clip.
            stranger: A clip of another speaker.

        Returns:
            `{"id", "left_out"}` with the reason, or `{"id", "speaker", "duration_s", "text", "embedding",
            "systems"}`, the last system by system: `{"figures", "transcript", "file", "decoded", "file_bytes"}`.
        """
        try:
            wav = read_clip(clip)
        except SirenError as error:
            return {"id": clip.clip_id, "left_out": str(error)}
        duration_s = len(wav) / SAMPLE_RATE_HZ
        other = None if stranger is None else read_clip(stranger)
        heard_original: dict[str, Any] = {}
        found: dict[str, Any] = {}
        for system in self.systems:
            decoded, coded = self.store.coded(system, wav, other)
            heard = self.hear(decoded, wav, clip.phones)
            heard_original = heard_original or heard
            found[system.name] = {
                "figures": clip_figures(heard, heard_original, coded, duration_s, clip.text),
                "transcript": heard.get("transcript"),
                **{key: coded[key] for key in ("file", "decoded", "file_bytes")},
            }
        return {
            "id": clip.clip_id,
            "speaker": clip.speaker,
            "duration_s": duration_s,
            "text": clip.text,
            "embedding": heard_original.get("embedding"),
            "systems": found,
        }

    def rates_at_10_s(self, clips: list[Clip]) -> dict[str, Pairs]:
        """What 10 s of a speaker cost, so that rates of clips of other lengths can be compared.

        Args:
            clips: Readable clips of one speaker; the first 10 s of them, joined, are coded.

        Returns:
            System to the column `file_bps_10s`; nothing if there is less than 10 s.
        """
        joined = read_joined(clips, RATE_S)
        if len(joined) < RATE_S * SAMPLE_RATE_HZ:
            return {}
        found: dict[str, Pairs] = {}
        for system in self.systems:
            if system.suffix and not system.needs_stranger and " " not in system.name:
                _, coded = self.store.coded(system, joined, None)
                found[system.name] = {"file_bps_10s": (8.0 * coded["file_bytes"], RATE_S)}
        return found

    def hear(self, decoded: Any, wav: Any, phones: str | None, names: tuple[str, ...] | None = None) -> dict[str, Any]:
        """What the judges say of a decoded clip, or said of it before.

        Args:
            decoded: Samples [T] at 16 kHz.
            wav: The original [T].
            phones: Its alignment; None where unknown.
            names: Of the judges to ask; None for all.

        Returns:
            Their figures by name.
        """
        heard: dict[str, Any] = {}
        for judge in self.judges:
            if (names is None or judge.name in names) and (not judge.needs_phones or phones is not None):
                heard.update(self._ask(judge, decoded, wav, phones))
        return heard

    def _ask(self, judge: Judge, decoded: Any, wav: Any, phones: str | None) -> dict[str, Any]:
        beside = (wav.tobytes(), phones or "") if judge.compares else ()
        key = digest_of(judge.name, judge.identity, decoded.tobytes(), *beside)
        kept: dict[str, Any] | None = self.store.read(judge.name, key)
        if kept is None:
            kept = judge.hear(decoded, wav, phones)
            self.store.write(judge.name, key, kept)
        return kept


_worker: list[Worker] = []


def start_process(plan: Plan) -> None:
    """Loads what `work_on` needs, once in each process."""
    _worker[:] = [Worker(plan)]


def worker() -> Worker:
    """What `start_process` made ready in this process."""
    return _worker[0]


def work_on(task: tuple[Clip, Clip | None]) -> dict[str, Any]:
    """`Worker.work` in a process that `start_process` made ready."""
    return _worker[0].work(*task)


def rates_on(clips: list[Clip]) -> dict[str, Pairs]:
    """`Worker.rates_at_10_s` in a process that `start_process` made ready."""
    return _worker[0].rates_at_10_s(clips)
