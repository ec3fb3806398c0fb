"""The ``.srn`` format, version 1: bytes in, indices out, and the reverse. ``SRN1.md`` is the normative text."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {"FormatError": "errors", "parse_header": "header", "parse_layout": "layout"}
_MODULES |= dict.fromkeys(("Stream", "bytes_to_stream", "stream_to_bytes"), "stream")


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
