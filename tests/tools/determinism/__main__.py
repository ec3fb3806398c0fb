"""`python -m tests.tools.determinism`: compares the digests of this process with those of others."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tools.determinism.mutation import outcomes

ROOT = Path(__file__).resolve().parents[3]
OLDEST_PYTHON = (3, 10)
NUMPYS = ("1.26.4", "2.2.6", "2.4.6")
"""The oldest NumPy that SIREN allows, and those of constraints.txt."""

OTHER_PACKAGES = ("constriction==0.5.0", "safetensors==0.8.0")
VARIATIONS: tuple[dict[str, str], ...] = (
    {"OPENBLAS_NUM_THREADS": "1"},
    {"OPENBLAS_NUM_THREADS": "2"},
    {"OPENBLAS_NUM_THREADS": "4"},
    {"OPENBLAS_CORETYPE": "Prescott"},
    {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"},
)
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Place:
    """One way to compute: an interpreter, where its packages lie, and variables of its environment."""

    interpreter: str
    packages: str = ""
    variables: dict[str, str] = field(default_factory=dict)


def main() -> int:
    """Prints a line for every way of computing; returns 1 if one differs, or if changed weights give other indices."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.determinism", description=__doc__)
    parser.add_argument("--here", action="store_true", help="only this Python and NumPy: no network, half a minute")
    parser.add_argument("--every", type=int, default=1, help="change every n-th number of the weights only (default 1)")
    options = parser.parse_args()
    if options.every < 1:
        parser.error(f"--every is {options.every}, expected 1 or more")
    with tempfile.TemporaryDirectory() as folder:
        places = [Place(sys.executable), *(Place(sys.executable, "", variables) for variables in VARIATIONS)]
        if not options.here:
            places += other_places(Path(folder))
        reference: dict[str, str] | None = None
        differing = 0
        seen = set()
        for place in places:
            said = digests_in(place)
            reference = reference or said["digests"]
            different = [name for name, digest in said["digests"].items() if digest != reference[name]]
            differing += bool(different)
            seen.add((said["python"], said["numpy"]))
            how = " ".join(f"{name}={value}" for name, value in place.variables.items())
            result = f"differs: {', '.join(different)}" if different else "the same"
            print(f"Python {said['python']:<8} NumPy {said['numpy']:<7} {how:<36} {result}", flush=True)
    for name, digest in (reference or {}).items():
        print(f"{digest}  {name}")
    pythons, numpys = ({pair[k] for pair in seen} for k in (0, 1))
    print(f"{len(places)} ways, {len(pythons)} versions of Python, {len(numpys)} of NumPy: "
          f"{'all the same' if not differing else f'{differing} DIFFER'}")  # fmt: skip
    found = outcomes(options.every)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(found.items()))
    print(f"one number of the prior changed by one, and a golden file read: {counts}")
    return 1 if differing or found["OTHER"] else 0


def digests_in(place: Place) -> dict[str, Any]:
    """Runs `tests.tools.determinism.digest` elsewhere.

    Args:
        place: Where.

    Returns:
        What it printed.

    Raises:
        RuntimeError: If it failed.
    """
    paths = [place.packages, *(str(ROOT / name) for name in ("", "formats", "weights"))]
    environment = {name: value for name, value in os.environ.items() if name not in (*_THREADS, "SIREN_MODEL")}
    environment |= {"PYTHONPATH": os.pathsep.join(filter(None, paths)), **place.variables}
    result = subprocess.run(
        [place.interpreter, "-m", "tests.tools.determinism.digest"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    if result.returncode:
        raise RuntimeError(f"{place.interpreter} {place.variables}: {result.stderr.strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def other_places(folder: Path) -> list[Place]:
    """Installs NumPy in other versions for this Python, and the newest that fits for every other one.

    Args:
        folder: Where to put the packages.

    Returns:
        One place for each that could be had; what could not is said on standard error.
    """
    places = []
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version, interpreter in {here: sys.executable, **other_pythons()}.items():
        for numpy in NUMPYS if version == here else NUMPYS[-1:] + NUMPYS[-2:-1]:
            target = folder / f"{version}-{numpy}"
            result = subprocess.run(
                [sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet", "--only-binary", ":all:",
                 "--disable-pip-version-check", "--target", str(target), f"numpy=={numpy}", *OTHER_PACKAGES],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if result.returncode:
                said = (result.stderr.strip().splitlines() or ["pip failed"])[-1]
                print(f"left out: Python {version} with NumPy {numpy} ({said[:100]})", file=sys.stderr)
                continue
            places.append(Place(interpreter, str(target)))
            if version != here:
                break
    return places


def other_pythons() -> dict[str, str]:
    """Finds interpreters of other minor versions than this one.

    Returns:
        Path by version, such as `3.12`.
    """
    homes = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/bin", "/usr/local/bin"]
    candidates = [Path(home) / f"python3.{minor}" for home in homes for minor in range(OLDEST_PYTHON[1], 20)]
    candidates += sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    candidates += sorted(Path.home().glob(".local/share/uv/python/*/bin/python3"))
    found: dict[str, str] = {}
    for candidate in filter(Path.exists, candidates):
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        result = subprocess.run([candidate, "-c", code], capture_output=True, text=True, check=False)
        version = result.stdout.strip()
        if result.returncode or tuple(map(int, version.split("."))) < OLDEST_PYTHON:
            continue
        if tuple(map(int, version.split("."))) != sys.version_info[:2]:
            found.setdefault(version, str(candidate))
    return found


if __name__ == "__main__":
    sys.exit(main())
