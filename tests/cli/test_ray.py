"""`siren encode --engine ray` on a real cluster of two workers on this machine, one of which is killed at work."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import soundfile

from tests.cli.conftest import Siren, environment
from tests.tools.crash.killing import results

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a cluster of two nodes with one CPU each."""
    from ray.cluster_utils import Cluster

    for name, value in {**environment(tiny_model), "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}.items():
        monkeypatch.setenv(name, value)  # what Ray starts sees the sources and the model
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    found.add_node(num_cpus=1)
    yield found.address
    found.shutdown()


@pytest.fixture
def tree(tmp_path: Path, short_clips: list[Path]) -> Path:
    """Twelve recordings of half a second, cut from real ones."""
    folder = tmp_path / "recordings"
    for number in range(12):
        path = folder / f"{number % 3}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        wav, rate_hz = soundfile.read(short_clips[number % 3], start=8_000 * (number // 3), frames=8_000)
        soundfile.write(path, wav, rate_hz)
    (folder / "broken.wav").write_bytes(b"RIFF")
    return folder


def test_a_cluster_makes_the_same_and_outlives_a_death(
    siren: Siren, cluster: str, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from siren_cli.batch import report

    killed: list[int] = []
    take = report.Totals.take

    def take_and_kill(totals: report.Totals, outcome: object) -> None:
        # When the first result of the work is in, the workers are at the next ones.
        if not killed and "broken" not in str(outcome):
            killed.extend(workers())
            for number in killed:
                os.kill(number, signal.SIGKILL)
        take(totals, outcome)  # type: ignore[arg-type]

    monkeypatch.setattr(report.Totals, "take", take_and_kill)
    words = ("encode", tree, "-q", "-o")
    outcome = siren(*words, tmp_path / "cluster", "--engine", "ray", "--ray-address", cluster)
    monkeypatch.setattr(report.Totals, "take", take)
    assert outcome.status == 5
    assert outcome.err.startswith(f"siren: error: {tree}/broken.wav: not readable as audio")
    assert outcome.err.count("\n") == 1
    assert killed, "no worker was there to be killed"
    assert siren(*words, tmp_path / "local", "--jobs", "1").status == 5
    expected = results(tmp_path / "local")
    assert len(expected) == 12
    assert results(tmp_path / "cluster") == expected

    # Ray's own variable does as well as the option.
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    assert siren("encode", tree / "0", "-o", tmp_path / "again", "-q", "--engine", "ray").status == 0
    assert len(results(tmp_path / "again")) == 4


def test_a_worker_that_dies_after_it_wrote_is_no_error_and_replaces_nothing_of_others(
    cluster: str, tmp_path: Path
) -> None:
    from siren_cli.batch.plan import Task
    from siren_cli.batch.ray_engine import run_on_ray

    @dataclass(frozen=True)
    class Dying:
        """Writes its result and dies before it can say so, at the first try of each."""

        force: bool = False
        resume: bool = False
        suffix: str = ".srn"

        def is_done(self, task: Task) -> bool:
            return True

        def run(self, task: Task, *, force: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
            first = Path(task.destination + ".first")
            was_tried = first.exists()
            first.touch()
            Path(task.destination).write_text("again" if was_tried else "first")
            if not was_tried:
                os._exit(1)
            return {}, ()

    theirs = tmp_path / "1.srn"
    theirs.write_text("theirs")
    tasks = [Task(number, str(tmp_path / f"{number}.wav"), str(tmp_path / f"{number}.srn")) for number in range(2)]
    for task in tasks:
        Path(task.source).touch()
    found = {outcome.number: outcome for outcome in run_on_ray(Dying(), tasks, cluster)}
    assert found[0].status == "done" and (tmp_path / "0.srn").read_text() == "again"
    assert "exists already" in found[1].message and theirs.read_text() == "theirs"


def test_what_is_wrong_with_ray_is_said(
    siren: Siren, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("encode", tree, "-o", tmp_path / "out", "--engine", "ray")
    outcome = siren(*words, "--ray-address", "nonsense")
    assert (outcome.status, outcome.out) == (2, "")
    assert "no Ray cluster at 'nonsense'" in outcome.err and outcome.err.count("\n") == 1
    monkeypatch.setitem(sys.modules, "ray", None)
    outcome = siren(*words)
    assert outcome.status == 2
    assert "--engine ray needs Ray" in outcome.err and "pip install 'siren-codec[ray]'" in outcome.err


def workers() -> list[int]:
    """Processes of Ray that do our work at this moment."""
    found = []
    for process in psutil.process_iter(["name", "cmdline"]):
        words = " ".join(process.info["cmdline"] or [])
        if words.startswith("ray::do_task") or (process.info["name"] or "").startswith("ray::do_task"):
            found.append(process.pid)
    return found
