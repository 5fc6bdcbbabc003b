"""How large is the report of a run, how long does it take, and how does it look?

    python -m benchmarks.interpret.report_pages RUN OTHER --figures docs/images

RUN and OTHER are folders that `cisreg train` wrote, beside tables that are still there. The script
writes the page of RUN and that of both, prints times and sizes, and shows them in Chromium, which
must be installed, as report_begin.png, report_factors.png (dark) and report_two_runs.png.
With --sequences it also times a report of RUN with so many random sequences.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

import cisreg
from benchmarks.shared.suite import print_table
from cisreg.report import Report, write_report
from cisreg.report.page import Run

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Colours of a picture that is kept: enough for pages, and a quarter of the size.
COLORS = 96


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("other", type=Path, help="folder of another run")
    parser.add_argument("--figures", type=Path, help="folder for the pictures")
    parser.add_argument("--sequences", type=int, help="random sequences of a further report")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(arguments.run, arguments.other, Path(folder), arguments.sequences)
        print_table("Reports", ("page", "seconds", "of them predicting", "megabytes"), rows)
        if arguments.figures is not None:
            take_pictures(Path(folder), arguments.figures)


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


def take_pictures(folder: Path, figures: Path) -> None:
    """Shows the pages in Chromium, and keeps what is seen.

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
            _keep(tab.screenshot(), figures / f"{name}.png")
        browser.close()


def _keep(picture: bytes, path: Path) -> None:
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
