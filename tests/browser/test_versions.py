"""The pages in a real browser: nothing complains, everything works, and it can be read everywhere."""

from __future__ import annotations

import dataclasses
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mnist_bench.show.page import write_run_page
from mnist_bench.timing.history import collect_history, judge_history
from mnist_bench.timing.history_page import write_history_page
from mnist_bench.timing.records import convert_run
from mnist_bench.versions.records import Failure, VersionRecord, update_record
from mnist_bench.versions.report.collection import make_collection
from mnist_bench.versions.report.findings import collect_findings
from mnist_bench.versions.report.page import format_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mnist_bench.records.training import TrainingRecord

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: dependency group browser")

CHROMIUM = os.environ.get("MNIST_BENCH_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the path, nor in MNIST_BENCH_CHROMIUM")

NARROW = {"width": 400, "height": 800}
# Of each element that has text of its own and can be seen: how much it stands out from the ground below it, by WCAG 2.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const read = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (colour) => read(colour).slice(0, 3).map((it) => it / 255)
    .map((it) => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4)
    .reduce((sum, it, place) => sum + it * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (it) => { for (; it; it = it.parentElement) { const colour = getComputedStyle(it).backgroundColor;
    if (read(colour)[3] === 255) return colour; } return "white"; };
  return [...document.querySelectorAll("body *")]
    .filter((it) => [...it.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
    .filter((it) => !it.matches("script, style") && it.checkVisibility())
    .map((it) => { const style = getComputedStyle(it), svg = it instanceof SVGElement;
      const [a, b] = [light(svg ? style.fill : style.color), light(ground(it))].sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), it.tagName, it.textContent.trim().slice(0, 40)]; });
}"""


@pytest.fixture(scope="module")
def address(make_versions: Callable[..., dict[str, VersionRecord]], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page of the whole matrix; one version failed, and one is a plan."""
    records = make_versions(seeds=5)
    bare = [VersionRecord(version=records[name].version) for name in ("py312-tf218-keras310", "py313-tf221-keras315")]
    failure = Failure(layer="install", what="environment", reason="uv ended", lines=["no wheel"])
    records |= {bare[0].version.name: update_record(bare[0], failures=[failure]), bare[1].version.name: bare[1]}
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(format_page(collect_findings(make_collection(records.values()))), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window, as a container runs it."""
    with playwright.sync_playwright() as driver:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """A function that opens the page; what a page complains of or loads in a test fails that test."""
    complaints: list[str] = []
    contexts = []

    def open_page(part: str = "", **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: request.url.startswith((address, "data:")) or complaints.append(request.url))
        page.goto(address + part)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def test_a_complaint_is_heard(browser: Any) -> None:
    """The other tests rely on this: an error of a script and a warning reach the listener."""
    page, heard = browser.new_page(), []
    page.on("console", lambda message: heard.append(message.type))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.set_content("<script>console.warn('x'); nothing();</script>")
    page.close()
    assert heard == ["warning", "nothing is not defined"]


def test_every_link_leads_somewhere(visit: Callable[..., Any]) -> None:
    """Each link has one target, which is visible after the click: a folded part opens."""
    page = visit()
    parts = page.eval_on_selector_all("a[href^='#']", "all => all.map((it) => it.getAttribute('href'))")
    assert len(parts) > 150
    for part in dict.fromkeys(parts):
        assert page.evaluate("(part) => document.querySelectorAll(part).length", part) == 1, part
        page.evaluate("(part) => { location.hash = part; }", part)
        page.wait_for_function("(part) => document.querySelector(part).checkVisibility()", arg=part)


def test_a_verdict_leads_to_its_evidence(visit: Callable[..., Any]) -> None:
    """A click on a field opens the version's part, at that group; so does its address."""
    page = visit()
    evidence = page.locator("#v-py312-tf216-contracts")
    assert not evidence.is_visible()
    page.click("a[href='#v-py312-tf216-contracts']")
    evidence.wait_for(state="visible")
    page = visit("#v-py312-tf217-bits")
    page.locator("#v-py312-tf217-bits").wait_for(state="visible")


def test_everything_that_folds_unfolds(visit: Callable[..., Any]) -> None:
    """A click unfolds each folded part, and another click folds it."""
    page = visit()
    for box in page.locator("main > section > details").all():
        for state in (True, False):
            box.locator("> summary").click()
            assert box.evaluate("(it) => it.open") is state
    assert page.locator("details").count() > 24


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(visit: Callable[..., Any], scheme: str) -> None:
    """The page follows the reader's system; a click changes the colours, and the button says what a click does."""
    page = visit(color_scheme=scheme)
    grounds = []
    for _ in range(3):
        grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.click("#theme")
    light, dark = "rgb(255, 255, 255)", "rgb(21, 25, 29)"
    assert grounds == ([light, dark, light] if scheme == "light" else [dark, light, dark])
    assert page.locator("#theme").inner_text() == scheme


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(visit: Callable[..., Any], scheme: str) -> None:
    """Text has a contrast of 4.5 at least, also in the pictures and in folded parts."""
    page = visit(color_scheme=scheme)
    page.eval_on_selector_all("details", "all => all.forEach((it) => { it.open = true; })")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 1000
    keys = "●◆■"  # each next to a word, so WCAG asks of them what it asks of graphics
    assert [contrast for contrast in contrasts if contrast[0] < (3 if contrast[2] in keys else 4.5)] == []


def test_rows_can_be_chosen(visit: Callable[..., Any]) -> None:
    """Rows are chosen by words and by verdict; an axis without rows loses its heading, too."""
    page = visit()
    rows = page.locator("[data-row]:visible")
    whole = rows.count()
    page.fill("#find", "keras 3.6")
    assert rows.count() == 1
    assert page.locator("#shown").inner_text() == f"1 of {whole}"
    assert page.locator(".grid tbody:visible").count() == 1
    page.fill("#find", "")
    page.select_option("#show", "moved")
    assert {row.get_attribute("data-tones") for row in rows.all()} == {"good known moved open none"}
    page.select_option("#show", "")
    assert (rows.count(), page.locator("#shown").inner_text()) == (whole, "")


def test_two_versions_can_be_chosen(visit: Callable[..., Any]) -> None:
    """The first pair leads to the newest TensorFlow; another choice has another sentence, and an address of its own."""
    page = visit()
    said = page.locator("#choice-said")
    assert said.inner_text().startswith("From TensorFlow 2.15 with Keras 2.15 to TensorFlow 2.21 with Keras 3.13: ")
    assert page.locator("#choice-facts dt").all_inner_texts() == ["bits", "accuracy", "loss", "time", "checks"]
    page.select_option("#from", "py312-tf216")
    page.select_option("#to", "py312-tf218-keras38")
    chosen = said.inner_text()
    assert chosen.startswith("From TensorFlow 2.16 with Keras 3.0 to TensorFlow 2.18 with Keras 3.8: nothing is shown")
    assert page.locator("#choice-command").inner_text() == "mnist-bench compare py312-tf216 py312-tf218-keras38"
    assert page.locator("#choice-facts .word").first.inner_text() == "✓ IDENTICAL"
    assert page.evaluate("location.hash") == "#choice~py312-tf216~py312-tf218-keras38"
    assert visit("#choice~py312-tf216~py312-tf218-keras38").locator("#choice-said").inner_text() == chosen
    page.select_option("#to", "py312-tf216")
    assert said.inner_text() == "This is one version: choose another one."
    assert page.locator("#choice-facts dt").count() == 0


def test_an_address_of_no_two_versions_is_no_error(visit: Callable[..., Any]) -> None:
    """A version that the page does not have leaves the first choice."""
    page = visit("#choice~py312-tf216~nothing")
    assert page.locator("#to").input_value() == "py313-tf221"


def test_every_pair_has_an_answer(visit: Callable[..., Any]) -> None:
    """Each two versions that were measured: 22 of the 24, in both directions."""
    page = visit()
    names = page.eval_on_selector_all("#from option", "all => all.map((it) => it.value)")
    assert len(names) == 22
    page.evaluate("""() => { window.told = new Set();
      for (const a of from.options) for (const b of to.options) { a.selected = true; b.selected = true; tellChoice();
        told.add(document.getElementById("choice-said").textContent); } }""")
    assert page.evaluate("told.size") == 22 * 21 + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_telephone_has_no_page_to_push(visit: Callable[..., Any], scheme: str) -> None:
    """At 400 pixels the page is no wider, whatever is unfolded: its tables scroll in boxes of their own."""
    page = visit(viewport=NARROW, color_scheme=scheme)
    page.eval_on_selector_all("details", "all => all.forEach((it) => { it.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]
    assert page.evaluate("document.querySelector('.scroll').scrollWidth") > NARROW["width"]


def test_a_telephone_shows_the_news(visit: Callable[..., Any]) -> None:
    """At 400 pixels the columns that are compared with the predecessor can be seen without scrolling sideways."""
    page = visit(viewport=NARROW)
    # On the first screen the largest effect, and the choice of two versions; below it their news.
    for place in ("h1", "#from", "#to"):
        assert page.locator(place).bounding_box()["y"] < NARROW["height"]
    assert page.locator("#choice-facts dt").all_inner_texts()[:4] == ["bits", "accuracy", "loss", "time"]
    for name in ("bits", "accuracy", "loss", "time"):
        head = page.locator(".grid thead th", has_text=name).bounding_box()
        assert head["x"] + head["width"] <= NARROW["width"], name
    assert page.locator(".grid td .word.good").first.inner_text().startswith("✓")


def test_the_table_of_a_run_fits(browser: Any, record: TrainingRecord, tmp_path: Path) -> None:
    """At 1,280 pixels every column can be seen, with the longest names, words and figures."""
    config = dataclasses.replace(record.config, seed=4_294_967_295)
    dataset = dataclasses.replace(record.dataset, source="mnist")
    wide = dataclasses.replace(record, config=config, dataset=dataset, test_accuracy=0.1, test_loss=123.4567)
    path = write_run_page([wide], tmp_path, image=np.zeros((28, 28), np.uint8), label=0)
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(path.as_uri())
    page.eval_on_selector("td strong", "it => { it.textContent = 'INCONCLUSIVE'; }")
    assert page.evaluate("(it => it.scrollWidth - it.clientWidth)(document.querySelector('.scroll'))") == 0
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_history_can_be_read(
    browser: Any, scheme: str, make_timing_run: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """No part is wider than a phone, every text stands out, and each benchmark leads to its picture."""
    pytest.importorskip("ruptures")
    runs = []
    for day in range(1, 9):
        content = make_timing_run(*((1 + day // 5) * (1 + place / 100) for place in range(4)))
        runs.append(convert_run({**content, "datetime": f"2026-01-0{day}T00:00:00+00:00"}, "memory"))
    histories = collect_history(runs)
    path = tmp_path / "history.html"
    write_history_page(histories, [judge_history(history) for history in histories], runs[0].machine, path)
    page = browser.new_page(viewport=NARROW, color_scheme=scheme)
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert [entry for entry in page.evaluate(CONTRASTS) if entry[0] < 4.5] == []
    page.locator("tbody a").first.click()
    assert page.locator("section:target svg").is_visible()
    page.close()


def test_without_scripts_the_page_is_whole(visit: Callable[..., Any]) -> None:
    """What needs a script is not offered; verdicts, pictures and parts are visible."""
    page = visit(java_script_enabled=False)
    assert not page.locator("#theme").is_visible()
    assert not page.locator("#find").is_visible()
    assert not page.locator("#choice").is_visible()
    assert page.locator("[data-row]").count() == 24
    page.locator("#versions ~ details > summary", has_text="TensorFlow 2.16 with Keras 3.0").click()
    assert page.locator("#v-py312-tf216-contracts").is_visible()


def test_the_keyboard_finds_its_way(visit: Callable[..., Any]) -> None:
    """The first tab stop skips to the verdicts; every tab stop can be seen."""
    page = visit()
    for _ in range(12):
        page.keyboard.press("Tab")
        focused = "document.activeElement"
        page.wait_for_function(f"{focused} !== document.body")
        assert page.evaluate(f"getComputedStyle({focused}).outlineStyle") == "solid"
        assert page.evaluate(f"{focused}.getBoundingClientRect().x") >= 0
    page = visit()
    page.keyboard.press("Tab")
    page.wait_for_function("document.activeElement.matches('.skip')")
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash === '#matrix'")


def test_it_prints(visit: Callable[..., Any]) -> None:
    """A printed page is light, leaves out what needs a screen, and cuts off no table."""
    page = visit(color_scheme="dark", viewport={"width": 1050, "height": 700})
    content = page.pdf(prefer_css_page_size=True, print_background=True)
    assert content.startswith(b"%PDF-")
    assert content.count(b"/Type /Page\n") > 2
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for name in ("nav", ".controls", "#theme"):
        assert not page.locator(name).first.is_visible()
    assert page.evaluate("document.querySelector('.grid').scrollWidth <= document.body.clientWidth")
