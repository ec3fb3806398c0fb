"""One slice of fuzzing in its own process: `python -m tests.tools.fuzz.child TARGET [libFuzzer's options] CORPUS`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["siren_format"]):
    from tests.tools.fuzz.targets import TARGETS, Target

    if sys.argv[1] not in ("layout", "packet-file", "voice-file"):  # the others do without NumPy
        from siren_format import entropy, packet, reader, salvage, stream  # noqa: F401 - they are instrumented


def main(name: str, options: list[str]) -> None:
    """Runs libFuzzer, which ends the process; its status is not 0 if there is a finding."""
    target = TARGETS[name]

    def run(data: bytes) -> None:
        target.run(data)

    mutator = {} if target.mutate is None else {"custom_mutator": _mutator(target)}
    atheris.Setup([sys.argv[0], *options], run, **mutator)
    atheris.Fuzz()


def _mutator(target: Target):  # type: ignore[no-untyped-def] # atheris names no types
    assert target.mutate is not None
    mutate = target.mutate

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        spoilt = atheris.Mutate(data, max_size)
        return spoilt if seed % 4 == 0 else mutate(bytes(spoilt))[:max_size]

    return mutated


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
