"""Functions that write files: what exists stays, unless it may be overwritten and is no input."""

from __future__ import annotations

import os

import numpy as np
import pytest
from test_two_writers import model

from cisreg.legacy import export_model
from cisreg.legacy.checkpoint import write_checkpoint
from cisreg.motifs import write_pkdm
from cisreg.prepare.cluster import cluster_file
from cisreg.prepare.collapse import collapse
from cisreg.prepare.expression import expression
from cisreg.prepare.merge_pairs import merge_pairs
from cisreg.prepare.translate import translate, translate_counts
from cisreg.report import plot_evaluation
from cisreg.streams import open_output
from cisreg.writing import open_table

NUMBERS = np.arange(3.0)


def written(writer):
    with writer:
        raise AssertionError("not reached")


WRITERS = {
    "open_table": ("x.tsv", lambda path, **how: written(open_table(path, **how))),
    "open_output": ("x", lambda path, **how: written(open_output(path, **how))),
    "write_pkdm": ("x.pkdm", lambda path, **how: write_pkdm(path, [[0, 1, 2, 3]], **how)),
    "plot": ("x.png", lambda path, **how: plot_evaluation(path, NUMBERS, NUMBERS, **how)),
    "export, text": ("x.pkdms", lambda path, **how: export_model(path[:-6], model(0), **how)),
    "export, graph": (
        "x.ckpt.meta",
        lambda path, **how: export_model(path[:-10], model(0), checkpoint=True, **how),
    ),
    "checkpoint": (
        "x.ckpt.index",
        lambda path, **how: write_checkpoint(path[:-6], model(0).parameters, **how),
    ),
}
STEPS = {
    "collapse": lambda read, out, **how: collapse([read], out, **how),
    "cluster": lambda read, out, **how: cluster_file(read, out, **how),
    "cluster, map": lambda read, out, **how: cluster_file(read, f"{out}.new", out, **how),
    "expression": lambda read, out, **how: expression([read], out, **how),
    "merge_pairs, reads 1": lambda read, out, **how: merge_pairs(
        read, f"{read}2", out, overlap=4, **how
    ),
    "merge_pairs, reads 2": lambda read, out, **how: merge_pairs(
        f"{read}1", read, out, overlap=4, **how
    ),
    "translate": lambda read, out, **how: translate(read, f"{read}.map", out, **how),
    "translate, map": lambda read, out, **how: translate(f"{read}.lines", read, out, **how),
    "translate_counts": lambda read, out, **how: translate_counts(read, f"{read}.map", out, **how),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_what_exists_is_not_overwritten_unasked(tmp_path, kind):
    name, write = WRITERS[kind]
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write(str(tmp_path / name))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: b"mine"}


@pytest.mark.parametrize("kind", STEPS)
def test_steps_of_preparation_keep_what_exists_and_what_they_read(tmp_path, kind):
    read, out = tmp_path / "read", tmp_path / "out"
    read.write_text("ACGT\t1\n")
    os.link(read, out)
    for how, refused in (({}, (FileExistsError, ValueError)), ({"overwrite": True}, ValueError)):
        with pytest.raises(refused, match=r"same file as the input|overwrite=True"):
            STEPS[kind](read, out, **how)
    assert out.samefile(read)
    out.unlink()
    out.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        STEPS[kind](read, out)
    assert out.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"read", "out"}


def test_a_checkpoint_is_written_through_no_link(tmp_path):
    parts = (".index", ".data-00000-of-00001", ".meta")
    for part in parts:
        (tmp_path / f"precious{part}").write_bytes(b"precious")
        (tmp_path / f"x.ckpt{part}").symlink_to(f"precious{part}")
    export_model(tmp_path / "x", model(0), checkpoint=True, overwrite=True)
    for part in parts:
        assert (tmp_path / f"precious{part}").read_bytes() == b"precious"
        assert not (tmp_path / f"x.ckpt{part}").is_symlink()
    assert not (tmp_path / "x.ckpt.meta").is_symlink()


def test_no_checkpoint_of_another_model_stays_beside_the_text_of_a_new_one(tmp_path):
    export_model(tmp_path / "x", model(0), checkpoint=True)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=r"x\.ckpt\.index: expected no checkpoint of an earlier"):
        export_model(tmp_path / "x", model(1), overwrite=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    export_model(tmp_path / "x", model(1), checkpoint=True, overwrite=True)
    assert all(path.read_bytes() != content for path, content in before.items())
