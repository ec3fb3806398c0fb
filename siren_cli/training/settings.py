"""Settings of a run: presets, YAML files, saved settings and `--set`.

```
RUN/config.json    sizes of the model, fixed when the run begins
RUN/training.json  settings of its phases, as last given
```
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from siren_cli.config import ModelConfig
from siren_cli.errors import ConfigError
from siren_cli.files.streams import write_bytes_atomic
from siren_cli.training.config import PHASE_DEFAULTS, SECTIONS, RunConfig, parse_settings, run_config

PRESETS = Path(__file__).with_name("presets")
"""Folder of the configs that come with the program."""

MODEL_NAME, TRAINING_NAME = "config.json", "training.json"

_Sections = dict[str, dict[str, Any]]


def presets() -> list[str]:
    """List the names of the configs that come with the program."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def read_config(name: str) -> _Sections:
    """Read a config: YAML with the sections of `RunConfig`, each with the values that differ from its defaults.

    `training` holds values for every phase of training. `extends` names the config that this one changes: a preset, or
    a file beside this one.

    Args:
        name: A preset's name, or the path of a YAML file.

    Returns:
        Section → values.

    Raises:
        ConfigError: If there is no such config, it is not YAML of this form, or it extends itself.
    """
    return _read(name, Path(), ())


def _read(name: str, beside: Path, before: tuple[Path, ...]) -> _Sections:
    import yaml

    path = PRESETS / f"{name}.yaml" if name in presets() else beside / name
    if path in before:
        raise ConfigError(f"{path}: extends itself; remove 'extends' from one of the files")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        raise ConfigError(f"config {name!r} is neither a file nor one of {', '.join(presets())}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not readable YAML ({' '.join(str(error).split())[:160]}); correct it") from error
    known = ("extends", "training", *SECTIONS)
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: holds {type(values).__name__}, expected sections: {', '.join(known)}")
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{path}: unknown section {key!r}; known sections: {', '.join(known)}")
        if key != "extends" and not isinstance(value, dict):
            raise ConfigError(f"{path}: section {key!r} is {value!r}, expected keys and values; correct it")
    base = _read(str(values["extends"]), path.parent, (*before, path)) if "extends" in values else {}
    shared = values.get("training", {})
    return {
        section: {
            **base.get(section, {}),
            **(shared if section in PHASE_DEFAULTS else {}),
            **values.get(section, {}),
        }
        for section in SECTIONS
    }


def settings_of_run(
    run: Path, config: str | None, settings: list[str], start: ModelConfig | None = None, *, write: bool = True
) -> RunConfig:
    """Build the settings of a run and save them in its folder.

    Args:
        run: Run folder, made if missing.
        config: Preset or file; None for the saved settings, or else the defaults.
        settings: Settings from the command line, which win.
        start: Config of the model that a fine-tuning run starts from. The run takes over its sizes; only feedback
            blocks may be added.
        write: False if another process writes them.

    Raises:
        ConfigError: If a setting is wrong, or would change the model of a run that has begun.
        OutputUnwritable: If the run folder cannot be written.
    """
    sections = read_config(config) if config else _saved_settings(run / TRAINING_NAME)
    path = run / MODEL_NAME
    fixed = ModelConfig.from_json(path) if path.exists() else start
    if fixed is not None:
        given = sections.get("model", {})
        # A preset names only differences, so all other values are the defaults.
        base = {"name": fixed.name} if given and start is None else asdict(fixed)
        asked = run_config({"model": {**base, **given}}, settings).model
        if start is not None and not path.exists():
            fixed = replace(fixed, name=asked.name, heard_again=fixed.heard_again or asked.heard_again)
        if asked != fixed:
            changed = next(k for k, v in asdict(asked).items() if v != getattr(fixed, k))
            where = path if path.exists() else "the model to start from"
            raise ConfigError(f"{where} fixes the model of this run; leave out model.{changed} or give another --out")
        sections = {**sections, "model": asdict(fixed)}
        settings = [text for text in settings if not parse_settings([text], "model")]
    whole = run_config(sections, settings)
    if not write:
        return whole
    if not path.exists():
        write_run_file(path, whole.model.to_json())
    phases = {name: asdict(getattr(whole, name)) for name in SECTIONS if name != "model"}
    write_run_file(run / TRAINING_NAME, json.dumps(phases, indent=2) + "\n")
    return whole


def write_run_file(path: Path, text: str) -> None:
    """Write a small file of a run atomically; make its folder if missing.

    Raises:
        OutputUnwritable: If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path.parent}: cannot be made ({error.strerror}); give another --out") from error
    write_bytes_atomic(str(path), text.encode("utf-8"))


def _saved_settings(path: Path) -> _Sections:
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not readable JSON ({error}); remove it or give --config") from error
    return {name: dict(values[name]) for name in SECTIONS if name in values}
