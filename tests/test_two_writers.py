"""Two processes that write the same output at the same moment, again and again, for every kind.

Whatever they write, the files that are there afterwards are those of one of them, whole.
"""

from __future__ import annotations

import os
import signal
import traceback
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from test_killed_writer import simulated
from typer.testing import CliRunner

from cisreg import Model, open_dataset
from cisreg.cli import app
from cisreg.cli.outputs import fill_folder
from cisreg.data.conversion.convert import convert
from cisreg.data.formats.manifest import verify
from cisreg.files import append_to_file, replace_file
from cisreg.legacy import export_model
from cisreg.locks import hold_folder
from cisreg.motifs import demo_motifs, write_motifs, write_pkdm
from cisreg.prepare.cluster import cluster_file
from cisreg.report import plot_evaluation
from cisreg.saved_model_folder import FILES as SAVED_MODEL
from cisreg.saved_model_folder import fill_saved_model_folder
from cisreg.spec import ModelSpec
from cisreg.start import init_parameters
from cisreg.storage import save_model
from cisreg.streams import open_output
from cisreg.training.checkpoint import Checkpoints
from cisreg.training.state import TrainingState
from cisreg.writing import ENDINGS, open_table

# One of the contents is much shorter, as a mixture of two files would show.
SIZES = (10_000, 100)
LETTERS = b"ACGT"


def table(name):
    def write(folder, which):
        with open_table(folder / name, overwrite=True) as rows:
            numbers = np.arange(SIZES[which])
            rows({"name": pa.array([f"row {each}" for each in numbers]), "number": numbers})

    return write


def text(name):
    def write(folder, which):
        with open_output(folder / name, overwrite=True) as stream:
            stream.write((b"TGCA\n" if which else b"ACGT\n") * SIZES[which])

    return write


def encoded(folder, which):
    source = folder.parent / f"source{which}"
    if not source.exists():
        source.write_text("".join(f"ACGTACGTTT\t{each}\n" for each in range(SIZES[which] // 10)))
    words = ["encode", source, "--length", 10, "--output", folder / "x", "--overwrite"]
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == 0, result.output


def clustered(folder, which):
    source = folder.parent / f"counts{which}"
    if not source.exists():
        random = np.random.default_rng(which)
        lines = {bytes(random.choice([*LETTERS], 12).tolist()).decode() for _ in range(500)}
        source.write_text("".join(f"{line}\t1\n" for line in sorted(lines)[: 400 - 390 * which]))
    cluster_file(source, folder / "merged", folder / "map", progress=False, overwrite=True)


def simulation(folder, which):
    with fill_folder(folder / "data", [], overwrite=True):
        simulated(folder / "data", which, overwrite=True)


def plotted(folder, which):
    numbers = np.arange(5.0 + which)
    plot_evaluation(folder / "x.png", numbers, numbers, overwrite=True)


def model(which):
    spec = ModelSpec(motif_count=2, motif_width=6, sequence_length=12, potentiation=not which)
    log_kd = np.full((6, 4, 2), 1.0 + which, np.float32)
    return Model(spec, init_parameters(spec, log_kd, np.zeros(2, np.float32)), ("a", "b"))


def saved(folder, which):
    save_model(folder / "model", model(which))


def exported(folder, which):
    export_model(folder / "old", model(which), overwrite=True)


def motif(folder, which):
    write_pkdm(folder / "x.pkdm", np.full((300 - 290 * which, 4), which), overwrite=True)


def motif_folder(folder, which):
    motifs = demo_motifs()
    write_motifs(folder / "motifs", motifs[list(motifs.names[: 8 - which])])


def recipe(folder, which):
    with replace_file(folder / "recipe.toml") as file:
        file.write(b"epochs = %d\n" % which * SIZES[which])


def saved_model(folder, which):
    with fill_saved_model_folder(folder / "served", overwrite=True) as made:
        for name in SAVED_MODEL:
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            with replace_file(made / name) as file:
                file.write(b"%d" % which * SIZES[which])


def checkpoint(folder, which):
    state = TrainingState({"bias": np.zeros(SIZES[which], np.float32)}, step=1)
    with hold_folder(folder / "run"):
        Checkpoints(folder / "run" / "checkpoint", {"seed": str(which)}).save(state)


def converted(folder, which):
    source = folder.parent / f"rows{which}.tsv"
    if not source.exists():
        source.write_text("".join(f"ACGTACGTTT\t{each}\n" for each in range(SIZES[which] // 10)))
    convert(open_dataset(source), folder / "data", overwrite=True, progress=False)


KINDS = {
    **{f"table{ending}": table(f"x{ending}") for ending in ENDINGS},
    **{f"text{ending}": text(f"x{ending}") for ending in ("", ".gz", ".zst")},
    "recipe": recipe,
    "encode": encoded,
    "cluster": clustered,
    "simulate": simulation,
    "plot": plotted,
    "model": saved,
    "export": exported,
    "saved model": saved_model,
    "checkpoint": checkpoint,
    "convert": converted,
    "pkdm": motif,
    "motifs": motif_folder,
}
# A kind of output whose second writer may be refused.
REFUSED = ("motifs", "simulate", "checkpoint", "convert")


class Writer:
    """A process that writes when it is told to, and says how that went."""

    def __init__(self, write, which):
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        self._child = os.fork()
        if self._child:
            os.close(orders)
            os.close(answers)
            return
        try:
            while folder := os.read(orders, 10_000).decode():
                try:
                    write(Path(folder), which)
                    os.write(answers, b"written")
                except (ValueError, OSError) as error:
                    os.write(answers, f"{type(error).__name__}: {error}".encode()[:4000])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)

    def start(self, folder):
        os.write(self._orders, str(folder).encode())

    def answer(self):
        return os.read(self._answers, 10_000).decode()

    def end(self):
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        os.close(self._orders)
        os.close(self._answers)


def files_in(folder):
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in found.items() if name.name != ".lock"}


def checked_dataset(folder):
    """The number of rows: names of files that replace others are chosen anew."""
    manifest = verify(folder / "data", progress=False)
    names = {f"data/{file.name}" for file in manifest.files}
    assert {*files_in(folder)} == names | {"data/manifest.json"}
    return manifest.rows


def written_alone(kind, folder, which):
    folder.mkdir()
    KINDS[kind](folder, which)
    return VIEWS.get(kind, files_in)(folder)


VIEWS = {"convert": checked_dataset}
SLOW = ("plot", "encode", "convert")


def write_at_once(kind, tmp_path, rounds):
    expected = [written_alone(kind, tmp_path / f"alone{which}", which) for which in range(2)]
    assert expected[0] != expected[1]
    writers = [Writer(KINDS[kind], which) for which in range(2)]
    try:
        for number in range(rounds):
            folder = tmp_path / f"round{number // 4}"  # three of four rounds replace files
            folder.mkdir(exist_ok=True)
            for writer in writers:
                writer.start(folder)
            answers = [writer.answer() for writer in writers]
            assert "written" in answers or (number % 4 and kind in REFUSED), answers
            assert kind in REFUSED or answers == ["written"] * 2, answers
            assert VIEWS.get(kind, files_in)(folder) in expected, (number, answers)
    finally:
        for writer in writers:
            writer.end()


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_those_of_one_of_two_writers(tmp_path, kind):
    write_at_once(kind, tmp_path, 5 if kind in SLOW else 12)  # more than 200 times in all


def test_lines_that_two_processes_append_stay_whole(tmp_path):
    def write(path, which):
        for _ in range(100):
            append_to_file(path, b"%d" % which * 20_000 + b"\n")

    writers = [Writer(write, which) for which in range(2)]
    try:
        for writer in writers:
            writer.start(tmp_path / "lines")
        assert [writer.answer() for writer in writers] == ["written"] * 2
    finally:
        for writer in writers:
            writer.end()
    lines = (tmp_path / "lines").read_bytes().splitlines()
    assert sorted(lines) == [b"0" * 20_000] * 100 + [b"1" * 20_000] * 100


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_files_are_those_of_one_of_two_writers_200_times(tmp_path, kind):
    write_at_once(kind, tmp_path, 200)
