"""SIREN: speech in very few bytes.

```python
import siren_cli

codec = siren_cli.load()
coded = codec.encode(wav, sample_rate_hz=48_000)
wav_again = codec.decode(coded.to_bytes())
```

Importing this package imports nothing heavy; the names below bring in torch when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from siren_cli.codec import Codec as Codec
    from siren_cli.codec import load_codec as load
    from siren_cli.coded import Coded as Coded

__version__ = "0.1.0"

__all__ = ["Codec", "Coded", "__version__", "load"]

_NAME_IN_CODEC = {"Codec": "Codec", "Coded": "Coded", "load": "load_codec"}


def __getattr__(name: str) -> Any:
    if name not in _NAME_IN_CODEC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from siren_cli import codec

    return getattr(codec, _NAME_IN_CODEC[name])
