"""`python -m tests.tools.crash`: kills real batches on real recordings, fills a disk, and reports what was left."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import soundfile

from tests.cli.conftest import ROOT, environment
from tests.tools.crash.killing import kill_at_random, results

CLIPS = sorted((ROOT / "tests" / "data").glob("*.flac"))
SIREN = [sys.executable, "-m", "siren_cli"]
_PIECE_S = 1.5


def main() -> int:
    """Runs everything; returns 1 if a file was wrong or lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=60, help="of each of encode and decode (default 60)")
    parser.add_argument("--copy-kills", type=int, default=1_000, help="of a batch without a model (default 1000)")
    options = parser.parse_args()
    is_good = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recordings = folder / "recordings"
        pieces = cut(recordings)
        print(f"{pieces} recordings of up to {_PIECE_S} s, cut from {len(CLIPS)} clips")
        coded, decoded = folder / "coded", folder / "decoded"
        siren("encode", recordings, "-o", coded, "--jobs", "2")
        siren("decode", coded, "-o", decoded, "--jobs", "2")
        for what, source, reference in (("encode", recordings, coded), ("decode", coded, decoded)):
            output = folder / "out"
            output.mkdir()
            command = [*SIREN, what, str(source), "-o", str(output), "--resume", "--jobs", "2"]
            figures = kill_at_random(
                command, output, results(reference), kills=options.kills, longest_s=2.0, seed=1,
                environment=environment(),
            )  # fmt: skip
            print(f"siren {what}, killed at random: {figures}", flush=True)
            is_good &= not (figures.wrong or figures.lost)
            shutil.rmtree(output)
        is_good &= _kill_copies(folder, options.copy_kills)
        is_good &= _fill_a_disk(folder, recordings, results(coded))
        is_good &= _two_at_once(folder, recordings, results(coded))
    print("never a half file, never a lost one" if is_good else "SOMETHING WAS WRONG OR LOST")
    return 0 if is_good else 1


def cut(folder: Path) -> int:
    """Cuts the bundled clips into short recordings in a tree, and returns how many."""
    count = 0
    for clip in CLIPS:
        wav, rate_hz = soundfile.read(clip, dtype="int16")
        step = int(_PIECE_S * rate_hz)
        for start in range(0, len(wav), step):
            path = folder / clip.stem / f"{start // step:02}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, wav[start : start + step], rate_hz)
            count += 1
    return count


def siren(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a command that must succeed."""
    command = [*SIREN, *map(str, words)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)


def _kill_copies(folder: Path, kills: int) -> bool:
    source, output = folder / "in", folder / "copies"
    source.mkdir()
    output.mkdir()
    for number in range(60):
        (source / f"{number}.bin").write_bytes(os.urandom(1 + number * 20_000))
    expected = {f"{path.stem}.copy": path.read_bytes() for path in source.iterdir()}
    command = [sys.executable, "-m", "tests.tools.crash.copying", str(source), str(output), "2"]
    figures = kill_at_random(command, output, expected, kills=kills, longest_s=0.1, seed=2, environment=environment())
    print(f"batches without a model, killed at random: {figures}", flush=True)
    return not (figures.wrong or figures.lost)


def _fill_a_disk(folder: Path, recordings: Path, expected: dict[str, bytes]) -> bool:
    """Encodes to a file system too small for the results, then to the same one with more room."""
    output = folder / "small"
    with _small_disk(output, blocks=len(expected) // 2) as enlarge:
        if enlarge is None:
            print("no small disk: mounting a tmpfs needs root; not measured")
            return True
        full = subprocess.run(
            [*SIREN, "encode", str(recordings), "-o", str(output)], env=environment(), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        found = results(output)
        is_good = full.returncode == 7 and all(expected[name] == data for name, data in found.items())
        subprocess.run(enlarge, check=True)
        siren("encode", recordings, "-o", output, "--resume")
        is_good &= results(output) == expected
        print(
            f"disk full: exit status {full.returncode}, {len(found)} of {len(expected)} files written and whole, "
            f"{full.stderr.count('no space left on device')} errors that say so; "
            f"with more room and --resume all whole: {results(output) == expected}"
        )
        subprocess.run(["mount", "-o", "remount,ro", str(output)], check=True)
        closed = subprocess.run(
            [*SIREN, "encode", str(recordings), "-o", str(output / "new")], env=environment(), capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        print(f"read-only disk: exit status {closed.returncode}: {closed.stderr.strip().replace(str(folder), '')}")
        return is_good and closed.returncode == 7


@contextmanager
def _small_disk(folder: Path, blocks: int) -> Iterator[list[str] | None]:
    """Mounts a tmpfs with room for so many small files, and yields the command that enlarges it; None without root."""
    folder.mkdir()
    size = f"size={4096 * blocks}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, check=False
    )
    try:
        yield ["mount", "-o", "remount,size=64m", str(folder)] if mounted.returncode == 0 else None
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", str(folder)], check=True)


def _two_at_once(folder: Path, recordings: Path, expected: dict[str, bytes]) -> bool:
    output = folder / "shared"
    command = [*SIREN, "encode", str(recordings), "-o", str(output), "--resume", "--quiet"]
    both = [subprocess.Popen(command, env=environment()) for _ in range(2)]
    statuses = [process.wait() for process in both]
    is_good = statuses == [0, 0] and results(output) == expected
    print(f"two processes, one folder: exit statuses {statuses}, all files whole: {results(output) == expected}")
    return is_good


if __name__ == "__main__":
    sys.exit(main())
