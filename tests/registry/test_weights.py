"""Models on disk: found, checked, written."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siren_cli.errors import OutputUnwritable, WeightsDamaged, WeightsMissing
from siren_cli.registry.manifest import model_for, model_release_of, read_manifest
from siren_cli.registry.weights import ModelFiles, find_model, read_networks, read_prior, register_model, save_model
from siren_format.prior_rows import largest_sum
from tests.conftest import HUNG_AFTER_S
from tests.formats.vector_material import vector_prior


def write_model(folder: Path, value: float = 1.0) -> bytes:
    tensors: dict[str, Any] = {"layer.weight": np.full((3, 2), value, np.float16), **vector_prior().to_arrays()}
    return save_model(folder, '{"name": "test"}\n', tensors)


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two packaged models, `first` (the default) and `second`."""
    folder = tmp_path / "siren_weights"
    monkeypatch.setattr("siren_weights.FOLDER", str(folder))
    monkeypatch.setattr("siren_weights.MANIFEST_PATH", str(folder / "manifest.json"))
    monkeypatch.delenv("SIREN_MODEL", raising=False)
    write_model(folder / "second", 2.0)
    register_model("second", "0.2.0", is_default=False)
    write_model(folder / "first", 1.0)
    register_model("first", "0.1.0", is_default=True)
    return folder


def test_manifest_says_what_lies_there(packaged: Path) -> None:
    entries = []
    for name, release in (("first", "0.1.0"), ("second", "0.2.0")):
        files = {}
        for file in ("config.json", "model.safetensors"):
            data = (packaged / name / file).read_bytes()
            files[file] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        model_id = files["model.safetensors"]["sha256"][:4]
        entries.append({"name": name, "id": model_id, "release": release, "files": files})
    assert read_manifest() == {"default": "first", "models": entries}


def test_registering_again_renews_the_entry(packaged: Path) -> None:
    model_id = write_model(packaged / "first", 4.0)
    register_model("first", "0.3.0", is_default=False)
    assert [entry["name"] for entry in read_manifest()["models"]] == ["first", "second"]
    assert (find_model().model_id, find_model().release) == (model_id, "0.3.0")
    assert model_release_of(model_id) == ("first", "0.3.0")


def test_id_is_the_beginning_of_the_weights_hash(tmp_path: Path) -> None:
    model_id = write_model(tmp_path / "mine")
    weights = tmp_path / "mine" / "model.safetensors"
    assert model_id == hashlib.sha256(weights.read_bytes()).digest()[:2]
    assert find_model(tmp_path / "mine") == ModelFiles(
        tmp_path / "mine" / "config.json", weights, model_id, "mine", None
    )


def test_default_is_the_packaged_default(packaged: Path) -> None:
    found = find_model()
    assert (found.name, found.release) == ("first", "0.1.0")
    assert found.weights_path == packaged / "first" / "model.safetensors"


def test_packaged_models_go_by_name(packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "second", 3.0)
    monkeypatch.chdir(tmp_path)
    assert find_model("second").release == "0.2.0"
    assert find_model("./second").release is None


def test_option_goes_before_variable_before_default(
    packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "mine", 3.0)
    monkeypatch.setenv("SIREN_MODEL", str(tmp_path / "mine"))
    assert find_model().name == "mine"
    assert find_model("second").name == "second"
    monkeypatch.setenv("SIREN_MODEL", "")
    assert find_model().name == "first"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 1])])
def test_packaged_file_that_changed(packaged: Path, name: str, change: Any) -> None:
    path = packaged / "first" / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(WeightsDamaged) as caught:
        find_model()
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith("; reinstall SIREN")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_file_that_is_missing(packaged: Path, name: str) -> None:
    (packaged / "first" / name).unlink()
    with pytest.raises(WeightsMissing) as caught:
        find_model()
    assert str(caught.value) == f"{packaged / 'first' / name}: no such file, a model needs it; restore it"


def test_installation_without_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIREN_MODEL", raising=False)
    monkeypatch.setattr("siren_weights.MANIFEST_PATH", str(tmp_path / "absent.json"))
    with pytest.raises(WeightsMissing, match="this installation holds no model"):
        find_model()
    assert model_release_of(b"\x00\x00") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"models": []}', "\x00"])
def test_manifest_that_cannot_be_read(packaged: Path, text: str) -> None:
    (packaged / "manifest.json").write_text(text)
    with pytest.raises(WeightsDamaged, match="reinstall SIREN"):
        find_model()


def test_ids_are_looked_up(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = find_model("second").model_id
    assert model_release_of(second) == ("second", "0.2.0")
    assert model_release_of(b"\x00\x00") is None
    assert model_for(second.hex(), None) == "second"
    assert model_for(second.hex(), "mine") == "mine"
    assert model_for("0000", None) is None
    monkeypatch.setenv("SIREN_MODEL", "mine")
    assert model_for(second.hex(), None) is None


def test_the_real_manifest_describes_the_real_files() -> None:
    for entry in read_manifest()["models"]:
        found = find_model(entry["name"])
        assert found.model_id.hex() == entry["id"]
        assert model_release_of(found.model_id) == (entry["name"], entry["release"])
        assert read_prior(found.weights_path) is not None


def test_a_model_may_have_no_prior(tmp_path: Path) -> None:
    save_model(tmp_path, "{}", {"layer.weight": np.zeros(3, np.float32)})
    assert read_prior(tmp_path / "model.safetensors") is None


def test_arrays_of_a_coder_that_is_gone_are_no_networks(tmp_path: Path) -> None:
    layer = {"layer.weight": np.zeros(3, np.float32)}
    save_model(tmp_path, "{}", {**layer, **vector_prior().to_arrays(), "tables.stage1.digit0": np.zeros(8, np.uint16)})
    assert read_networks(tmp_path / "model.safetensors").keys() == layer.keys()


def test_the_packaged_prior_is_exact_in_float32() -> None:
    prior = read_prior(find_model(None).weights_path)
    assert prior is not None and largest_sum(prior) <= 2**24


def test_a_prior_travels_with_the_weights(tmp_path: Path) -> None:
    arrays = vector_prior().to_arrays()
    with_prior = save_model(tmp_path, "{}", arrays)
    found = read_prior(tmp_path / "model.safetensors")
    assert found is not None
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.to_arrays()[name], array)
    # One entry changed makes another model: its id is that of the whole file.
    for name, array in arrays.items():
        changed = np.array(array)
        changed.flat[0] += 1
        assert save_model(tmp_path, "{}", {**arrays, name: changed}) != with_prior


def test_impossible_prior(tmp_path: Path) -> None:
    save_model(tmp_path, "{}", {"prior.embed": np.zeros((46, 4), np.int8)})
    with pytest.raises(WeightsDamaged, match="prior not readable"):
        read_prior(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").write_bytes(b"no safetensors")
    with pytest.raises(WeightsDamaged, match="prior not readable"):
        read_prior(tmp_path / "model.safetensors")


def test_saved_tensors_keep_shape_and_order(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    save_model(tmp_path, "{}", {"turned": matrix.T, "single": np.array(7.0, np.float32)})
    found = load_file(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(found["turned"], matrix.T)
    assert found["single"].shape == ()


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputUnwritable):
        save_model(tmp_path / "file", "{}", {})


def test_needs_no_torch(root: Path, tmp_path: Path) -> None:
    write_model(tmp_path)
    program = (
        f"import sys; sys.path[:0] = {[str(root), str(root / 'formats'), str(root / 'weights')]}; "
        "sys.modules['torch'] = None; from siren_cli.registry.weights import find_model, read_prior; "
        f"print(read_prior(find_model({str(tmp_path)!r}).weights_path) is not None)"
    )
    outcome = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=HUNG_AFTER_S, check=False
    )
    assert outcome.stdout == "True\n", outcome.stderr
