"""`python -m tests.tools.crash.copying IN OUT JOBS`: a batch that copies files, through plan, engine and writing
of `siren encode`, but without a model, so that it can be killed a thousand times.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siren_cli.batch.plan import Task
from siren_cli.batch.run import BatchOptions, run_batch
from siren_cli.errors import SrnUnreadable
from siren_cli.files.streams import write_bytes


@dataclass(frozen=True)
class CopyWork:
    """Copies a file."""

    force: bool = False
    resume: bool = True
    suffix: str = ".copy"

    def is_done(self, task: Task) -> bool:
        return Path(task.destination).read_bytes() == Path(task.source).read_bytes()

    def run(self, task: Task, *, force: bool) -> tuple[dict[str, Any], tuple[str, ...]]:
        data = Path(task.source).read_bytes()
        write_bytes(task.destination, data, force=force)
        return {"duration_s": 1.0, "file_bytes": len(data)}, ()


def main(source: str, output: str, jobs: str) -> int:
    return run_batch(CopyWork(), [source], frozenset((".bin",)), SrnUnreadable, BatchOptions(output, None, int(jobs)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
