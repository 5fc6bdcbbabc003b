"""How large is the report of a run, how long does it take, and how does it look?

    python -m benchmarks.interpret.report_pages RUN OTHER --figures docs/images

RUN and OTHER are folders that `cisreg train` wrote, beside tables that are still there. The script
writes the page of RUN and that of both, prints times and sizes, and shows them in Chromium, which
must be installed, as report_begin.png, report_factors.png (dark), report_two_runs.png, and
report_widths.png: at 400, 1,000 and 1,600 pixels, light and dark. With --site, the folder of
`make docs`, site_widths.png shows the first page of the site in the same way. With --sequences it
also times a report of RUN with so many random sequences.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import cisreg
from benchmarks.shared.suite import print_table
from cisreg.report import Report, write_report
from cisreg.report.page import Run

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Colours of a picture that is kept: enough for pages, and a quarter of the size.
COLORS = 96
WIDTHS = (400, 1000, 1600)
HEIGHT = 900
# Of the pictures beside each other.
SCALE = 0.4


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("other", type=Path, help="folder of another run")
    parser.add_argument("--figures", type=Path, help="folder for the pictures")
    parser.add_argument("--site", type=Path, help="folder of the built pages, such as build/docs")
    parser.add_argument("--sequences", type=int, help="random sequences of a further report")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(arguments.run, arguments.other, Path(folder), arguments.sequences)
        print_table("Reports", ("page", "seconds", "of them predicting", "megabytes"), rows)
        if arguments.figures is not None:
            take_pictures(Path(folder), arguments.figures, arguments.site)


def measure(run: Path, other: Path, folder: Path, count: int | None) -> list[list[str]]:
    """Writes the pages into a folder; returns their times and sizes."""
    # What is loaded at the first use is no part of a report.
    cisreg.load_model(run).predict(["ACGT"])
    rows = []
    for name, asked in (("run", (run,)), ("two_runs", (run, other))):
        began = time.perf_counter()
        report = write_report(folder / f"{name}.html", *asked)
        rows.append(_row(name.replace("_", " "), time.perf_counter() - began, None, report))
    if count is not None:
        rows.append(_measure_large(run, folder, count))
    return rows


def _measure_large(run: Path, folder: Path, count: int) -> list[str]:
    model = cisreg.load_model(run)
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (count, model.spec.sequence_length), dtype=np.uint8)
    began = time.perf_counter()
    expression = model.predict(codes).expression
    predicting = time.perf_counter() - began
    measured = expression + random.normal(0, 1, count).astype(np.float32)
    data = cisreg.Dataset(codes, measured)
    held_out = count // 10
    given = {"training": data[held_out:], "held out": data[:held_out]}
    began = time.perf_counter()
    report = write_report(folder / "large.html", Run("large", model, given=given))
    seconds = time.perf_counter() - began
    return _row(f"{count:,} sequences", seconds, predicting, report)


def _row(name: str, seconds: float, predicting: float | None, report: Report) -> list[str]:
    known = "" if predicting is None else f"{predicting:.1f}"
    return [name, f"{seconds:.1f}", known, f"{report.bytes / 1e6:.2f}"]


def take_pictures(folder: Path, figures: Path, site: Path | None) -> None:
    """Shows the pages, and those of the site if it is given, in Chromium; keeps what is seen.

    Raises:
        FileNotFoundError: Chromium is not installed.
    """
    from playwright.sync_api import sync_playwright

    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        raise FileNotFoundError("expected Chromium, found none: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for name, page, theme, part in (
            ("report_begin", "run", "light", "header"),
            ("report_factors", "run", "dark", "#factors"),
            ("report_two_runs", "two_runs", "light", "header"),
        ):
            tab = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme=theme)
            tab.goto((folder / f"{page}.html").as_uri())
            tab.evaluate(
                "part => document.querySelector(part).scrollIntoView({behavior: 'instant'})", part
            )
            _keep(_image(tab.screenshot()), figures / f"{name}.png")
        _keep(_at_all_widths(browser, folder / "run.html"), figures / "report_widths.png")
        if site is not None:
            _keep(_at_all_widths(browser, site / "index.html"), figures / "site_widths.png")
        browser.close()


def _at_all_widths(browser: Any, page: Path) -> Any:
    """What is seen first at each width, light above dark, reduced to one picture."""
    from PIL import Image

    widths = [round(width * SCALE) for width in WIDTHS]
    height, gap = round(HEIGHT * SCALE), 10
    sheet = Image.new("RGB", (sum(widths) + gap * 2, height * 2 + gap), "gray")
    for row, theme in enumerate(("light", "dark")):
        for column, width in enumerate(WIDTHS):
            tab = browser.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme=theme)
            tab.goto(page.resolve().as_uri())
            seen = _image(tab.screenshot()).resize(
                (widths[column], height), Image.Resampling.LANCZOS
            )
            sheet.paste(seen, (sum(widths[:column]) + gap * column, row * (height + gap)))
    return sheet


def _image(picture: bytes) -> Any:
    from PIL import Image

    return Image.open(io.BytesIO(picture)).convert("RGB")


def _keep(image: Any, path: Path) -> None:
    from PIL import Image

    image.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
