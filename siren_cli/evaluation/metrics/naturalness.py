"""Predicted naturalness: DNSMOS P.835 (Reddy et al. 2022), with the network of the package `speechmos`.

The package's own function also runs a second network that no column needs, with one thread per core. This module runs
only the needed network, on one thread. A test compares both.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from siren_cli.config import SAMPLE_RATE_HZ

VERSION = 1
"""Raise it when a change here may change values; cached ones of the old version are then unused."""

_WINDOW_SAMPLES = round(9.01 * SAMPLE_RATE_HZ)
_HOP_SAMPLES = SAMPLE_RATE_HZ
# Polynomials from network outputs to the opinion scale, as in the authors' program: highest power first.
_OVERALL = (-0.06766283, 1.11546468, 0.04602535)
_SIGNAL = (-0.08397278, 1.22083953, 0.0052439)


class Dnsmos:
    """DNSMOS network, loaded once."""

    def __init__(self) -> None:
        from onnxruntime import InferenceSession, SessionOptions

        package = importlib.util.find_spec("speechmos")
        if package is None or package.origin is None:
            raise ImportError("speechmos is not installed")
        model = Path(package.origin).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
        options = SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def __call__(self, wav: NDArray[np.float32]) -> dict[str, float]:
        """Predict the mean opinion score of a recording.

        The network takes windows of 9.01 s at a hop of 1 s. A shorter recording is repeated to exactly one window. The
        package repeats it further, so that several windows have the same content.

        Args:
            wav: Samples [T] at 16 kHz.

        Returns:
            `{"dnsmos_ovrl", "dnsmos_sig"}`: scores of 1 to 5, means over the windows.
        """
        if len(wav) < _WINDOW_SAMPLES:
            wav = np.resize(wav, _WINDOW_SAMPLES)
        count = int(len(wav) // _HOP_SAMPLES - _WINDOW_SAMPLES / _HOP_SAMPLES) + 1
        scores = np.array([self._window(wav[start * _HOP_SAMPLES :][:_WINDOW_SAMPLES]) for start in range(count)])
        return {
            "dnsmos_ovrl": float(np.polyval(_OVERALL, scores[:, 2]).mean()),
            "dnsmos_sig": float(np.polyval(_SIGNAL, scores[:, 0]).mean()),
        }

    def _window(self, wav: NDArray[np.float32]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = self._session.run(None, {"input_1": wav[None].astype(np.float32)})[0][0]
        return scores
