"""With effort, indices are looked for that decode to more of what was said; everything else stays what it was."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

import siren_cli
from siren_cli.__main__ import main
from siren_cli.codec import Codec
from siren_cli.config import DEFAULT_EFFORT, ModelConfig
from siren_cli.errors import ExitStatus, UsageError
from siren_cli.evaluation.metrics.roundtrip import model_mel_distance_db, short_time_intelligibility
from siren_cli.model.siren import SirenModel, build
from siren_cli.model.speaker_coding import speak
from siren_cli.search import analysis_by_synthesis
from siren_cli.search.analysis_by_synthesis import AnalysisBySynthesis, SearchTarget, noise_estimate
from siren_cli.search.phone_predictor import PhoneClassifier, PhonePredictor, load_phone_predictor
from siren_cli.search.whisper_encoder import WhisperEncoder
from siren_format.packet_file import file_to_packets
from siren_format.prior_rows import prior_digit_bits

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "effort.md"
Wav = NDArray[np.float32]


@pytest.fixture(scope="module")
def packaged() -> Codec:
    return siren_cli.load(threads=1)


@pytest.fixture(scope="module")
def talk(short_clips: list[Path]) -> Wav:
    wav, _ = soundfile.read(short_clips[0], dtype="float32")
    return wav


@pytest.mark.slow
@pytest.mark.parametrize(("stages", "less_stoi"), [(1, 0.01), (2, 0.0)])
def test_more_of_what_was_said_comes_back(
    stages: int, less_stoi: float, packaged: Codec, short_clips: list[Path]
) -> None:
    """On average the decoded sound has more of the phones that the search aims at. Spectra may pay 0.2 dB for them."""
    predictor = load_phone_predictor(torch.device("cpu"))
    means = []
    for codec in (packaged, packaged.searching(12)):
        figures = []
        for clip in short_clips:
            talk, _ = soundfile.read(clip, dtype="float32")
            coded = codec.encode(talk, 16_000, stages=stages)
            decoded = codec.decode(coded)
            stoi, why_not = short_time_intelligibility(talk, decoded, 16_000)
            assert stoi is not None, why_not
            whole = len(talk) // 2_560 * 2_560
            with torch.inference_mode():
                aimed, found = (predictor(torch.from_numpy(x[None, :whole])).argmax(-1) for x in (talk, decoded))
            same = (aimed == found).float()
            distance_db = model_mel_distance_db(codec.networks, talk, decoded)
            figures.append((stoi, distance_db, len(coded.to_bytes()), float(same.mean())))
        means.append(np.mean(figures, axis=0))
    (stoi_before, mel_db_before, bytes_before, same_before), (stoi_after, mel_db_after, bytes_after, same_after) = means
    assert same_after > same_before + 0.02
    assert stoi_after > stoi_before - less_stoi
    assert mel_db_after < mel_db_before + 0.2
    assert bytes_after <= 1.08 * bytes_before


def test_the_files_are_as_any_others(packaged: Codec, talk: Wav) -> None:
    searching = packaged.searching(3)
    coded = searching.encode(talk, 16_000)
    plain = packaged.encode(talk, 16_000)
    assert coded.voice == plain.voice
    assert (coded.indices != plain.indices).any()
    assert (packaged.from_bytes(coded.to_bytes()).indices == coded.indices).all()
    assert (packaged.decode(coded.to_bytes()) == searching.decode(coded)).all()
    assert (searching.encode(talk, 16_000).indices == coded.indices).all()


@pytest.mark.parametrize("has_voice", [True, False])
def test_a_stream_gives_the_same_bytes(has_voice: bool, packaged: Codec, talk: Wav) -> None:
    codec = packaged.searching(2)
    pieces = [talk[:10_000], talk[10_000:]]
    streamed = b"".join(codec.encode_stream(pieces, 16_000, has_voice=has_voice))
    if has_voice:
        assert streamed == codec.encode(talk, 16_000).to_bytes()
    else:
        assert codec.from_bytes(streamed).voice is None


def test_no_effort_is_no_search(packaged: Codec, talk: Wav) -> None:
    codec = packaged.searching(5).searching(0)
    assert codec.effort == 0
    assert (codec.encode(talk, 16_000).indices == packaged.encode(talk, 16_000).indices).all()


@pytest.mark.slow
@pytest.mark.parametrize("stages", [1, 2])
def test_a_search_saves_bits_and_amplitudes_pay_little(stages: int, packaged: Codec, short_clips: list[Path]) -> None:
    """Bits and intelligibility are those of all recordings; of one they are a matter of the processor's rounding."""
    codecs = [packaged, *(packaged.searching(8).thrifty(weight) for weight in (0.0, 0.2, 1.0))]
    bits, stois = np.zeros(len(codecs)), np.zeros(len(codecs))
    assert packaged._prior is not None
    for clip in short_clips:
        talk, _ = soundfile.read(clip, dtype="float32")
        for number, codec in enumerate(codecs):
            coded = codec.encode(talk, 16_000, stages=stages)
            bits[number] += prior_digit_bits(coded.indices, packaged._prior).sum()
            stois[number] += short_time_intelligibility(talk, codec.decode(coded), 16_000)[0] or 0.0
    assert bits[1] > bits[2] > bits[3]
    assert stois[2] > stois[0] - 0.1  # of three clips: words gain, and amplitudes pay for them


def test_order_of_effort_and_rate_does_not_matter(packaged: Codec, talk: Wav) -> None:
    one, other = packaged.searching(2).thrifty(0.5), packaged.thrifty(0.5).searching(2)
    assert (one.effort, one.rate_weight) == (other.effort, other.rate_weight) == (2, 0.5)
    assert one.encode(talk, 16_000).to_bytes() == other.encode(talk, 16_000).to_bytes()
    assert one.searching(0).encode(talk, 16_000).to_bytes() == packaged.thrifty(0.5).encode(talk, 16_000).to_bytes()
    assert one.thrifty(0.0).encode(talk, 16_000).to_bytes() == packaged.searching(2).encode(talk, 16_000).to_bytes()


@pytest.mark.parametrize("samples", [1, 160, 2_560, 2_561, 8_000])
def test_recordings_shorter_than_a_segment_are_searched_too(samples: int, packaged: Codec, talk: Wav) -> None:
    coded = packaged.searching(2).encode(talk[:samples], 16_000)
    assert coded.indices.shape == (-(-samples // 2_560), 1)
    assert packaged.decode(coded.to_bytes()).shape == (samples,)


def test_silence_stays_silent(packaged: Codec) -> None:
    decoded = packaged.decode(packaged.searching(4).encode(np.zeros(32_000, np.float32), 16_000))
    assert np.abs(decoded).max() < 1e-3


@pytest.mark.slow
def test_the_commands_of_the_document_work(
    short_clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("talk.wav", "note.wav"):
        soundfile.write(name, *soundfile.read(short_clips[0]))
    found = re.search(r"```sh\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    for line in found[1].splitlines():
        assert main(shlex.split(line, comments=True)[1:]) == 0, (line, capfd.readouterr().err)
    assert len(file_to_packets(Path("note.srp").read_bytes())[1]) == 1
    assert Path("quick.srn").read_bytes() != Path("talk.srn").read_bytes()


@pytest.mark.slow
def test_many_files_are_searched_as_one_is(short_clips: list[Path], packaged: Codec, talk: Wav, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for clip in short_clips[:2]:
        shutil.copy(clip, tmp_path / "in" / clip.name)
    assert main(["encode", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--effort", "1", "--threads", "1"]) == 0
    data = (tmp_path / "out" / short_clips[0].with_suffix(".srn").name).read_bytes()
    assert data == packaged.searching(1).encode(talk, 16_000).to_bytes()


def test_points_of_a_lattice_are_as_far_apart_as_their_digits() -> None:
    torch.manual_seed(3)
    quantizer = SirenModel(ModelConfig.tiny()).quantizer
    with torch.inference_mode():
        left = quantizer.first_left(torch.randn(9, 16))
        indices = quantizer.nearest(left, 0)
        assert torch.equal(quantizer.point_distances(left, 0).argmin(-1), indices)
        apart = quantizer.point_distances(left[0], 0)
        codes = quantizer.fsq(quantizer.narrow[0](left[0]), rounded=False)
        there = codes * (quantizer.fsq.levels // 2) + quantizer.fsq.levels // 2
        beyond = (there - torch.tensor([5, 2, 3, 1])).square().sum()
        assert float(apart[5 + 8 * 2 + 40 * 3 + 200 * 1]) == pytest.approx(float(beyond), rel=1e-4)


def tiny_phones() -> PhonePredictor:
    """A phone predictor with random weights."""
    torch.manual_seed(4)
    return PhonePredictor(WhisperEncoder(16, 1, 2), PhoneClassifier(16, 8)).eval()


def begin(networks: SirenModel, talk: Wav) -> tuple[Tensor, Tensor, Tensor, Tensor, SearchTarget]:
    """Ten frames of samples, their log-mel, phonetic features and latents, and the target of a search."""
    wav = torch.from_numpy(talk[: 10 * 2_560])[None]
    mel = networks.mel(wav)
    phonetic, latents = networks.factorizer.semantic(mel)
    search = AnalysisBySynthesis(networks, None, tiny_phones(), 1)
    return wav, mel, phonetic, latents, search._target(wav, mel, phonetic, latents, speak(networks, None))


@pytest.mark.parametrize("stages", [1, 2])
@pytest.mark.parametrize("effort", [8, 40])
def test_what_is_found_decodes_nearer_to_what_is_wanted(
    effort: int, stages: int, other_model: Path, talk: Wav, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a model that rounds four numbers and has no prior, however far from its guess."""
    monkeypatch.setattr(analysis_by_synthesis, "DISTANCE_WEIGHT", 0.0)
    networks = siren_cli.load(other_model).networks
    search = AnalysisBySynthesis(networks, None, tiny_phones(), effort)
    with torch.inference_mode():
        wav, mel, phonetic, latents, wanted = begin(networks, talk)
        guess = networks.quantizer.latents_to_indices(latents, stages)
        found = search.find(wav, mel, phonetic, latents, wanted.voice, stages)
        before, after = (float(search._costs(indices, wanted).mean()) for indices in (guess, found))
    assert found.shape == (1, 10, stages)
    assert after < before


def test_slopes_tell_what_a_small_change_would_cost(
    tiny_model: Path, talk: Wav, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        analysis_by_synthesis, "bfloat16_is_faster", lambda device: False
    )  # too coarse for a small change
    networks = siren_cli.load(tiny_model).networks
    search = AnalysisBySynthesis(networks, None, tiny_phones(), 1)
    with torch.inference_mode():
        _, _, _, latents, wanted = begin(networks, talk)
        indices = networks.quantizer.latents_to_indices(latents, 2)
        slopes = search._slopes(indices, 1, wanted)
        other = indices.clone()
        other[0, 4, 1] = (indices[0, 4, 1] + 340) % 1_000
        here, there = (networks.quantizer.indices_to_latents(some) for some in (indices, other))
        share = 1e-2
        costs = [float(search._costs_of(some, 2, wanted).sum()) for some in (here, here + share * (there - here))]
    assert float(slopes[4, indices[0, 4, 1]]) == 0.0
    assert (costs[1] - costs[0]) / share == pytest.approx(float(slopes[4, other[0, 4, 1]]), rel=0.1, abs=0.02)


@pytest.mark.slow
def test_who_does_not_say_how_much_gets_the_usual(
    packaged: Codec, talk: Wav, short_clips: list[Path], tmp_path: Path
) -> None:
    files: dict[str, Path] = {}
    for name, words in (("usual", list[str]()), ("none", ["--effort", "0"])):
        files[name] = tmp_path / f"{name}.srn"
        assert main(["encode", str(short_clips[0]), *words, "-o", str(files[name]), "--threads", "1"]) == 0
    assert files["usual"].read_bytes() == packaged.searching(DEFAULT_EFFORT).encode(talk, 16_000).to_bytes()
    assert files["none"].read_bytes() == packaged.encode(talk, 16_000).to_bytes()


def test_a_model_without_a_guide_is_not_asked_to_search() -> None:
    blind = Codec(build(replace(ModelConfig.tiny(), guide_width=0)), b"\0\0", torch.device("cpu"))
    assert blind.searching().effort == 0


def test_noise_is_told_from_speech(packaged: Codec, short_clips: list[Path]) -> None:
    for clip in short_clips:
        talk, _ = soundfile.read(clip, dtype="float32")
        hiss = np.random.default_rng(1).standard_normal(len(talk)).astype(np.float32) * talk.std()
        found = []
        for share in (0.0, 10 ** (-15 / 20), 10 ** (-10 / 20)):
            with torch.inference_mode():
                mel = packaged.networks.mel(torch.from_numpy((talk + share * hiss)[: len(talk) // 2_560 * 2_560])[None])
                phonetic, _ = packaged.networks.factorizer.semantic(mel)
                found.append(noise_estimate(mel, packaged.networks.guide(mel, phonetic).mel, packaged.config.mel_std))
        assert found == [0.0, 1.0, 1.0]


def test_words_count_more_in_noise(tiny_model: Path, talk: Wav) -> None:
    networks = siren_cli.load(tiny_model).networks
    with torch.inference_mode():
        _, _, _, latents, wanted = begin(networks, talk)
        indices = networks.quantizer.latents_to_indices(latents, 1)
        misheard = replace(wanted, phones=wanted.phones.flip(-1))
        more = [
            AnalysisBySynthesis(networks, None, tiny_phones(), 1)._costs(indices, replace(misheard, noise=noise)).mean()
            - AnalysisBySynthesis(networks, None, tiny_phones(), 1)._costs(indices, replace(wanted, noise=noise)).mean()
            for noise in (0.0, 0.5, 1.0)
        ]
    assert more[1] / more[0] == pytest.approx(1.25, rel=0.01)
    assert more[2] / more[0] == pytest.approx(1.5, rel=0.01)


@pytest.mark.parametrize(("noise", "share"), [(0.0, 0.15), (0.5, 0.325), (1.0, 0.5)])
def test_what_latents_decode_to_is_wanted_too(
    noise: float, share: float, tiny_model: Path, talk: Wav, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis_by_synthesis, "noise_estimate", lambda *heard: noise)
    networks = siren_cli.load(tiny_model).networks
    assert networks.guide is not None
    with torch.inference_mode():
        wav, mel, phonetic, latents, wanted = begin(networks, talk)
        heard = networks.guide(mel, phonetic)
        unrounded, _ = networks.quantizer.latents_to_codes(latents, torch.tensor([2]), rounded=False)
        _, meant = networks.decoder(unrounded, wanted.voice.vector)
        phones = tiny_phones()(wav).softmax(-1)
    assert wanted.noise == noise
    for ours, theirs, found in zip((heard.mel, heard.pitch), (meant.mel, meant.pitch), wanted.speech[:2], strict=True):
        assert torch.allclose(found, (1 - share) * ours + share * theirs, atol=1e-4)
    voiced = (1 - share) * heard.voicing.sigmoid() + share * meant.voicing.sigmoid()
    assert torch.allclose(wanted.speech.voicing.sigmoid(), voiced, atol=1e-4)
    assert torch.allclose(wanted.phones, phones, atol=1e-4)


def test_what_cannot_be_is_refused(packaged: Codec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for effort in (-1, 101):
        with pytest.raises(UsageError, match=f"effort {effort} is out of range, expected 0 to 100"):
            packaged.searching(effort)
    config = replace(ModelConfig.tiny(), guide_width=0)
    blind = Codec(build(config), b"\0\0", torch.device("cpu"))
    with pytest.raises(UsageError, match="has no guide"):
        blind.searching(1)
    words = ["encode", "tests/data/5105-28233-0001.flac", "-o", str(tmp_path / "a.srn"), "--effort", "101"]
    assert main(words) == ExitStatus.USAGE
    assert "'--effort': Input should be less than or equal to 100" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
