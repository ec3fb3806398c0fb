"""Recordings from folders, tars, manifests and data sets; broken ones are named, the others are used."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from siren_cli.corpus.clip import Clip
from siren_cli.corpus.sources import read_source
from siren_cli.errors import DataError
from siren_cli.phones import phone_track
from siren_cli.training.config import RunConfig
from siren_cli.training.data.batches import Cache
from siren_cli.training.data.prepare import hold_out
from siren_cli.training.data.units import phone_sequence, units_of
from siren_cli.training.pipeline import TrainRequest, train
from tests.training.conftest import said_nothing


def clips_of(source: str) -> dict[str, Clip]:
    """The clips of a source whose audio soundfile can open."""
    found = {}
    for clip, audio in read_source(source):
        if not isinstance(audio, DataError):
            assert soundfile.info(audio).frames > 16_000
            found[clip.clip_id] = clip
    return found


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Adds a file to a tar."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


@pytest.fixture
def tar(tmp_path: Path, short_clips: list[Path]) -> Path:
    """A tar with two recordings, one with its companions."""
    path = tmp_path / "speech.tar"
    with tarfile.open(path, "w") as archive:
        add(archive, "ann/one.flac", short_clips[0].read_bytes())
        add(archive, "ann/one.json", json.dumps({"language": "en", "phones": "HH AW"}).encode())
        add(archive, "ann/one.txt", b"how\n")
        add(archive, "bob/two.flac", short_clips[1].read_bytes())
    return path


def test_a_tar_is_a_source(tar: Path) -> None:
    one, two = clips_of(str(tar)).values()
    assert one == Clip("speech/ann/one", "ann", "en", phones="HH AW", text="how")
    assert (two.speaker, two.text) == ("bob", None)


def test_a_folder_may_hold_files_and_tars(tar: Path, short_clips: list[Path]) -> None:
    (tar.parent / "carl").mkdir()
    shutil.copy(short_clips[2], tar.parent / "carl" / "three.flac")
    assert {clip.speaker for clip in clips_of(str(tar.parent)).values()} == {"ann", "bob", "carl"}


def test_a_damaged_tar_is_named_and_the_rest_used(tar: Path, tmp_path: Path, short_clips: list[Path]) -> None:
    tar.write_bytes(tar.read_bytes()[:300_00])
    shutil.copy(short_clips[2], tmp_path / "three.flac")
    said: list[str] = []
    train(TrainRequest(tmp_path / "run", (str(tmp_path),), ("prepare",), config="tiny", device="cpu"), said.append)
    assert any("left out speech.tar: not a whole tar" in line for line in said)
    assert "prepared 1 clips" in said[-1]


def test_a_damaged_shard_is_named_clip_by_clip(tar: Path, tmp_path: Path) -> None:
    tar.write_bytes(b"no tar at all")
    manifest = tmp_path / "m.jsonl"
    manifest.write_text('{"file": "ann/one.flac", "shard": "speech.tar"}\n{"file": "x.flac", "shard": "none.tar"}\n')
    reasons = [str(audio) for _, audio in read_source(str(manifest))]
    assert len(reasons) == 2 and all("is not a whole tar" in reason for reason in reasons)


def test_data_sets_on_disk_are_sources(tmp_path: Path, short_clips: list[Path]) -> None:
    from datasets import Audio, Dataset, DatasetDict

    def rows(clips: list[Path]) -> Dataset:
        columns = {
            "audio": [{"bytes": clip.read_bytes(), "path": None} for clip in clips],
            "speaker_id": [7, 8][: len(clips)],
            "sentence": ["ONE", "TWO"][: len(clips)],
            "locale": ["pl", "en"][: len(clips)],
        }
        return Dataset.from_dict(columns).cast_column("audio", Audio(decode=False))

    DatasetDict(train=rows(short_clips[:2]), validation=rows(short_clips[2:])).save_to_disk(tmp_path / "set")
    clips = list(clips_of(f"hf-disk:{tmp_path / 'set'}").values())
    assert [clip.split for clip in clips] == ["train", "train", "dev"]
    assert clips[0] == Clip("train/0", "7", "pl", "train", text="ONE")
    rows(short_clips[:2]).save_to_disk(tmp_path / "plain")
    assert [clip.split for clip in clips_of(f"hf-disk:{tmp_path / 'plain'}").values()] == ["", ""]
    rows(short_clips[:1]).remove_columns("audio").save_to_disk(tmp_path / "mute")
    for source, said in (("mute", "no column 'audio'"), ("nowhere", "not a data set that can be opened")):
        with pytest.raises(DataError, match=said):
            list(read_source(f"hf-disk:{tmp_path / source}"))


def test_several_sources_share_one_cache(tar: Path, tmp_path: Path, short_clips: list[Path]) -> None:
    (tmp_path / "more").mkdir()
    shutil.copy(short_clips[2], tmp_path / "more")
    order = TrainRequest(
        tmp_path / "run", (str(tar), str(tmp_path / "more")), ("prepare",), config="tiny", device="cpu"
    )
    train(order, said_nothing)
    entries = json.loads((tmp_path / "run" / "cache" / "clips.json").read_text())
    assert [entry["speaker"] for entry in entries] == ["ann", "bob", short_clips[2].stem]
    assert (entries[0]["text"], entries[0]["phones"]) == ("how", "HH AW")


def entries(speakers: int, clips: int) -> list[dict[str, object]]:
    pairs = [(speaker, clip) for speaker in range(speakers) for clip in range(clips)]
    return [{"id": f"{s}/{c}", "speaker": f"s{s}", "split": "", "frames": 100} for s, c in pairs]


def test_whole_speakers_are_held_out() -> None:
    many = entries(20, 5)
    hold_out(many, 0.1)
    dev = {entry["speaker"] for entry in many if entry["split"] == "dev"}
    assert len(dev) == 2
    assert not dev & {entry["speaker"] for entry in many if entry["split"] == "train"}
    more = entries(20, 7)
    hold_out(more, 0.1)
    assert {entry["speaker"] for entry in more if entry["split"] == "dev"} == dev


def test_one_speaker_is_split_by_recording_and_given_splits_stay() -> None:
    one = entries(1, 40)
    hold_out(one, 0.05)
    assert sum(entry["split"] == "dev" for entry in one) == 2
    single = entries(1, 1)
    hold_out(single, 0.05)
    assert single[0]["split"] == "train"
    told = entries(2, 2)
    told[0]["split"] = "test"
    hold_out(told, 0.5)
    assert [entry["split"] for entry in told] == ["test", "train", "train", "train"]


def test_labels_with_and_without_times() -> None:
    timed, plain = "SIL:3 HH:2 AW:1", "SIL HH AW1"
    assert phone_sequence(timed) == phone_sequence(plain) == "HH AW"
    assert phone_track(timed, 8).tolist() == [0, 0, 0, 16, 16, 5, 255, 255]
    assert set(phone_track(plain, 8).tolist()) == {255}
    assert units_of("HH AW", "phones") == [16, 5]
    assert units_of("Że", "text") == [byte + 1 for byte in "że".encode()]


def test_an_interrupted_preparation_leaves_the_old_cache(
    tmp_path: Path, short_clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    for clip in short_clips[:2]:
        shutil.copy(clip, tmp_path / "data")
    order = TrainRequest(tmp_path / "run", (str(tmp_path / "data"),), ("prepare",), config="tiny", device="cpu")
    train(order, said_nothing)
    cache = tmp_path / "run" / "cache"
    before = {path.name: path.read_bytes() for path in cache.iterdir()}
    calls = []

    def interrupted(phones: str | None, frames: int) -> np.ndarray:
        calls.append(phones)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return phone_track(phones, frames)

    monkeypatch.setattr("siren_cli.training.data.prepare.phone_track", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(order, said_nothing)
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == before
    assert Cache(cache, RunConfig().model.mel_bins).split("train")
