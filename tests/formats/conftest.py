"""Fixtures of the format's tests."""

from __future__ import annotations

import pytest
from safetensors.numpy import load_file

from siren_format.prior import NeuralPrior
from tests.formats.vector_material import VECTORS


@pytest.fixture(scope="session")
def prior() -> NeuralPrior:
    """The neural prior that the vectors are coded with, as committed."""
    return NeuralPrior.from_arrays(load_file(VECTORS / "prior.safetensors"))
