"""Fixtures that several test modules share: where the project and its recordings lie."""

from __future__ import annotations

import signal
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from siren_cli.codec import Codec, load_codec
from siren_cli.config import ModelConfig
from siren_cli.model.siren import build, weights_of
from siren_cli.registry.weights import save_model

ROOT = Path(__file__).resolve().parent.parent

HUNG_AFTER_S = 900
"""Time after which a process that a test waits for counts as hung, however busy the machine is."""

# No test depends on the clock: neither one example nor the making of examples has a time limit.
hypothesis.settings.register_profile(
    "siren", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("siren")


DEAR_FIXTURES = frozenset({"trained", "recordings", "plan", "record", "ctc_folder", "whisper_folder"})
"""Fixtures that train, evaluate or make a recogniser: a test that asks for one of them is slow."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests that ask for a dear fixture as slow."""
    for item in items:
        if DEAR_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


def pytest_sessionstart() -> None:
    """Has tests and what they start hear an interruption, which a shell tells its background jobs to ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _packaged_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every test, and every process that it starts, use the packaged model unless told otherwise."""
    monkeypatch.delenv("SIREN_MODEL", raising=False)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def demo_clip() -> Path:
    """A real recording of exactly 10 s, 16 kHz, one channel (see tests/data/README.md)."""
    return ROOT / "tests" / "data" / "4446-2271-0016.flac"


@pytest.fixture(scope="session")
def short_clips() -> list[Path]:
    """Real recordings of 3.7 to 4.5 s, each of another speaker."""
    names = ("5105-28233-0001", "1580-141083-0021", "5142-36377-0015")
    return [ROOT / "tests" / "data" / f"{name}.flac" for name in names]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a complete model with random weights and prior."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return write_model(folder, seed=1)


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model with other weights than `tiny_model`."""
    folder = tmp_path_factory.mktemp("models") / "other"
    return write_model(folder, seed=2)


def write_model(folder: Path, *, seed: int) -> Path:
    """Writes a model's folder, random but for the seed."""
    import torch

    from siren_cli.training.prior.network import PriorNet, PriorSize
    from siren_cli.training.prior.voice import fit_voice

    torch.manual_seed(seed)
    config = ModelConfig.tiny()
    tensors = {name: tensor.numpy() for name, tensor in weights_of(build(config)).items()}
    net = PriorNet(PriorSize(width=8, block_width=8, head_width=8, dilations=(1, 2)))
    prior = net.to_integers(fit_voice(np.empty((0, 28), np.int64)))
    save_model(folder, config.to_json(), {**tensors, **prior.to_arrays()})
    return folder


@pytest.fixture(scope="session")
def codec(tiny_model: Path) -> Codec:
    """The codec of `tiny_model`, loaded once."""
    return load_codec(tiny_model, device="cpu")
