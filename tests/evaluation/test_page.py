"""The page in a real browser, from disk: it plays, keeps the position when the codec changes, and gives scores out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from siren_cli.evaluation.page import write_page
from siren_cli.evaluation.report.spectrogram import peak_of, spectrogram_png
from tests.conftest import HUNG_AFTER_S

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser_path() -> str:
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    assert found, "no Chromium on the PATH; 'make programs' installs it on Debian"
    return found


@pytest.fixture(scope="module")
def folder(record: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page, moved after it was written: nothing in it may point elsewhere."""
    written = tmp_path_factory.mktemp("written") / "page"
    write_page(written, record, 5, force=False)
    return Path(shutil.move(written, tmp_path_factory.mktemp("moved") / "page"))


@pytest.fixture
def page(folder: Path, browser_path: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        page = browser.new_page()
        page.set_default_timeout(1_000 * HUNG_AFTER_S)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("requestfailed", lambda request: said.append(request.url))
        page.goto((folder / "index.html").as_uri())
        yield page
        assert [line for line in said if "ERR_ABORTED" not in line and not line.endswith(".flac")] == []
        browser.close()


def test_it_works_from_a_static_server_and_asks_no_other(folder: Path, browser_path: str) -> None:
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    requested: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        page = browser.new_page()
        page.set_default_timeout(1_000 * HUNG_AFTER_S)
        page.on("request", lambda request: requested.append(request.url))
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.keyboard.press("Space")
        page.wait_for_function("document.querySelector('audio').currentTime > 0.2")
        browser.close()
    server.shutdown()
    server.server_close()
    assert any(path.endswith(".flac") for path in asked)
    assert [url for url in requested if not url.startswith((f"http://127.0.0.1:{server.server_port}/", "data:"))] == []


PLAYING = "[...document.querySelectorAll('audio')].map((a, i) => a.paused ? null : [i, a.currentTime]).filter(Boolean)"


def test_space_plays_and_arrows_change_the_codec_at_the_same_position(page: Page) -> None:
    assert page.evaluate(PLAYING) == []
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('audio').currentTime > 0.7")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("!document.querySelectorAll('audio')[1].paused")
    [[place, position_s]] = page.evaluate(PLAYING)
    assert place == 1
    assert position_s >= 0.65
    page.wait_for_function(f"document.querySelectorAll('audio')[1].currentTime > {position_s + 0.2}")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("!document.querySelector('audio').paused")
    [[place, position_s]] = page.evaluate(PLAYING)
    assert place == 0
    assert position_s >= 0.85
    page.keyboard.press("Space")
    page.wait_for_function("[...document.querySelectorAll('audio')].every(a => a.paused)")


def test_another_clip_is_chosen_with_the_arrows_and_only_one_plays(page: Page, record: dict[str, Any]) -> None:
    count = len(record["rows"])
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('audio').currentTime > 0.1")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.wait_for_function(f"document.querySelectorAll('audio')[{count}].currentTime > 0.1")
    assert [place for place, _ in page.evaluate(PLAYING)] == [count]


def test_every_recording_and_picture_is_there(page: Page, record: dict[str, Any]) -> None:
    count = len(record["rows"]) * len(record["clips"])
    page.wait_for_function(f"[...document.querySelectorAll('audio')].filter(a => a.duration > 3).length === {count}")
    page.evaluate("document.querySelectorAll('img').forEach(i => i.loading = 'eager')")
    page.wait_for_function(f"[...document.images].filter(i => i.naturalWidth === 480).length === {count}")
    assert page.locator(".codec").first.inner_text().startswith("Original")
    size_bytes = record["clips"][0]["systems"]["siren-1"]["file_bytes"]
    assert f"{size_bytes} bytes" in page.locator(".codec").nth(1).inner_text()
    assert page.locator("table tbody tr").count() == len(record["rows"])
    plots = page.locator("figure img")
    assert plots.count() >= 4
    assert all(plots.nth(place).evaluate("i => i.naturalWidth > 0") for place in range(plots.count()))


def test_blind_scores_hide_the_names_and_come_out(page: Page, record: dict[str, Any], tmp_path: Path) -> None:
    page.check("#blind")
    text = page.inner_text("main")
    assert "Sample A" in text
    assert not [word for word in ("SIREN", "Original", "Noise", "bytes", record["clips"][0]["id"]) if word in text]
    assert page.locator("main img").count() == 0
    assert "SIREN, 1 stage" not in page.inner_text("body")
    page.keyboard.press("4")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("2")
    page.keyboard.press("5")
    page.locator(".clip").nth(1).locator("[data-score='1']").first.click()
    with page.expect_download() as download:
        page.click("#export")
    download.value.save_as(tmp_path / "scores.json")
    scores = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert [score["score"] for score in scores] == [4, 5, 1]
    assert [score["clip"] for score in scores] == [record["clips"][number]["id"] for number in (0, 0, 1)]
    systems = {row["system"] for row in record["rows"]}
    assert {score["system"] for score in scores} <= systems
    assert scores[0]["system"] != scores[1]["system"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")


def test_the_keyboard_reaches_the_box_above_the_clips(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.is_checked("#blind")


def test_a_spectrogram_is_a_picture_with_its_loudest_part_where_the_sound_is() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000).astype(np.float32)
    data = spectrogram_png(tone, peak_of(tone))
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert data[16:24] == (480).to_bytes(4, "big") + (120).to_bytes(4, "big")
