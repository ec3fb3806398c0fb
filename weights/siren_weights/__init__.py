"""The trained models that come with SIREN, as data: `manifest.json` and one folder per model.

The manifest names every model, its id and release, and the size and sha256 of its files:

```
{"default": "siren-v1",
 "models": [{"name": "siren-v1", "id": "3f2a", "release": "0.1.0",
             "files": {"config.json": {"sha256": "...", "bytes": 731},
                       "model.safetensors": {"sha256": "...", "bytes": 12345678}}}]}
```

`siren_cli.registry.weights.register_model` writes the manifest.

The id is the first two bytes of the weights' hash; a `.srn` file carries it. `siren_cli.registry.weights` checks all.
"""

from __future__ import annotations

import os

FOLDER = os.path.dirname(os.path.abspath(__file__))
"""Folder of the manifest and of the models' folders."""

MANIFEST_PATH = os.path.join(FOLDER, "manifest.json")
"""The list of the models."""

VOICES_PATH = os.path.join(FOLDER, "voices.json")
"""Recipe of the packaged voices: `make voices` reads it and writes `<model>/voices/NAME.voice`."""
