"""The page of a report in a browser: nothing fails, nothing overflows, the table works by keys."""

from __future__ import annotations

import csv
import shutil

import pytest
from report_cases import EVIL, FORMULA

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="drives the browser: pip install 'cisreg[browser]'"
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = (400, 1000, 1600)
THEMES = ("light", "dark")
FACTOR, IMPORTANCE = 0, 3


@pytest.fixture(scope="module")
def browser():
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed (in Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser, page):
    """The page of a run; console errors, dialogs and requests fail the test."""
    yield from _open(browser, page[0])


def _open(browser, path):
    faults = []
    context = browser.new_context(viewport={"width": 1000, "height": 800}, accept_downloads=True)
    tab = context.new_page()
    tab.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("dialog", lambda dialog: (faults.append("dialog"), dialog.dismiss()))
    tab.on("request", lambda sent: faults.append(sent.url) if sent.url[:5] == "http:" else None)
    tab.goto(path.as_uri())
    yield tab
    context.close()
    assert faults == []


def first_cells(tab, column):
    script = """column => [...document.querySelectorAll('[data-table] tbody tr')]
        .filter(row => !row.hidden)
        .map(row => row.cells[column].dataset.value ?? row.cells[column].textContent)"""
    return tab.evaluate(script, column)


@pytest.mark.parametrize("kind", ["page", "comparison"])
def test_nothing_overflows_and_every_figure_has_a_size(browser, kind, request):
    for tab in _open(browser, request.getfixturevalue(kind)[0]):
        for theme in THEMES:
            tab.emulate_media(color_scheme=theme)
            for width in WIDTHS:
                tab.set_viewport_size({"width": width, "height": 800})
                assert tab.evaluate("document.documentElement.scrollWidth") <= width, (theme, width)
                boxes = tab.evaluate(
                    """[...document.querySelectorAll('svg.plot')].map(each => {
                        const box = each.getBoundingClientRect();
                        const frame = each.parentElement.getBoundingClientRect();
                        const scrolls = each.parentElement.classList.contains('scroll');
                        return [box.width, box.height, scrolls || box.right <= frame.right + 1];
                    })"""
                )
                assert len(boxes) > 8
                for box in boxes:
                    assert box[0] > 200 and box[1] > 100 and box[2], (theme, width, box)


def test_themes_change_paper_and_figures(opened):
    script = """() => [getComputedStyle(document.body).backgroundColor,
        getComputedStyle(document.querySelector('svg.plot text')).fill]"""
    opened.emulate_media(color_scheme="light")
    light = opened.evaluate(script)
    opened.emulate_media(color_scheme="dark")
    dark = opened.evaluate(script)
    assert light[0] != dark[0] and light[1] != dark[1]


def test_names_do_not_act_in_a_browser(opened):
    assert opened.locator("th", has_text=EVIL).count() >= 1
    assert opened.evaluate("document.scripts.length") == 1


def test_the_table_sorts_by_mouse(opened):
    numbers = first_cells(opened, IMPORTANCE)
    head = opened.locator("[data-table] thead th").nth(IMPORTANCE)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert first_cells(opened, IMPORTANCE) == sorted(numbers, key=float, reverse=True)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert first_cells(opened, IMPORTANCE) == sorted(numbers, key=float)


def test_the_table_sorts_and_filters_by_keyboard(opened):
    names = first_cells(opened, FACTOR)
    opened.locator("[data-table] thead th").nth(FACTOR).locator("button").focus()
    opened.keyboard.press("Enter")
    shown = first_cells(opened, FACTOR)
    assert shown != names and sorted(shown) == sorted(names)
    opened.keyboard.press("Space")
    assert first_cells(opened, FACTOR) == shown[::-1]
    opened.locator("[data-table] input").focus()
    opened.keyboard.type("<SCRIPT>")
    assert first_cells(opened, FACTOR) == [EVIL]
    assert opened.locator("[data-table] output").inner_text() == f"1 of {len(names)} factors"
    opened.keyboard.press("Control+A")
    opened.keyboard.press("Delete")
    assert sorted(first_cells(opened, FACTOR)) == sorted(names)


def test_all_tools_are_reached_by_the_tabulator(opened):
    opened.locator("[data-table] input").focus()
    reached = []
    for _ in range(4):
        reached.append(opened.evaluate("document.activeElement.tagName"))
        opened.keyboard.press("Tab")
    assert reached[:3] == ["INPUT", "SELECT", "BUTTON"]


def test_verdicts_filter(opened, page):
    content = page[1].content
    check, factors = next(
        (each.check, each.factors)
        for each in content.diagnosis.findings
        if each.state != "ok" and each.factors
    )
    opened.locator("[data-table] select").select_option(check)
    expected = {name for name in content.effects.factor if check in dict(content.verdicts(name))}
    assert set(first_cells(opened, FACTOR)) == expected >= set(factors)


def test_the_csv_is_what_is_shown(opened, tmp_path):
    opened.locator("[data-table] thead th").nth(FACTOR).locator("button").click()
    with opened.expect_download() as waited:
        opened.get_by_role("button", name="Save as CSV").click()
    waited.value.save_as(tmp_path / "factors.csv")
    with (tmp_path / "factors.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # In a spreadsheet a name is no formula.
    names = [f"'{name}" if name == FORMULA else name for name in first_cells(opened, FACTOR)]
    assert f"'{FORMULA}" in names and [row["factor"] for row in rows] == names
    assert [row["importance"] for row in rows] == first_cells(opened, IMPORTANCE)
    assert {"effect", "site_occupancy", "consensus", "verdicts"} <= set(rows[0])
