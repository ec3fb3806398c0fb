"""The processes that share the work: on one thread each, and gone when the work is, however it ends."""

from __future__ import annotations

import multiprocessing
import os

import pytest

from siren_cli.errors import DataError
from siren_cli.evaluation.workers.pool import worker_pool
from siren_cli.evaluation.workers.worker import EvaluationPlan
from tests.conftest import HUNG_AFTER_S


def no_child_is_left() -> bool:
    for child in multiprocessing.active_children():
        child.join(HUNG_AFTER_S)
    return not multiprocessing.active_children()


def test_an_interrupted_pool_is_gone_and_each_was_on_one_thread(
    plan: EvaluationPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    seen: list[str] = []

    def be_interrupted() -> None:
        with worker_pool(plan, 2) as map_tasks:
            seen.extend(map_tasks(os.getenv, ["OMP_NUM_THREADS", "MKL_NUM_THREADS"]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    assert seen == ["1", "1"]
    assert no_child_is_left()
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_a_process_that_is_killed_is_told_and_the_others_end(plan: EvaluationPlan) -> None:
    with (
        pytest.raises(DataError, match=r"ended from outside.*what was done is kept"),
        worker_pool(plan, 2) as map_tasks,
    ):
        list(map_tasks(os._exit, [1, 1]))
    assert no_child_is_left()
