"""What works where TensorFlow is not installed; run in a process of its own, whose folder it uses.

Prints, by name, what became of each public name, function and command: "" or the error.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from importlib.machinery import PathFinder
from pathlib import Path


class WithoutTensorFlow(PathFinder):
    """Finds everything but TensorFlow and Keras."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] not in ("tensorflow", "keras"):
            return super().find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutTensorFlow

import numpy as np  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import cisreg  # noqa: E402
from cisreg.cli.app import app  # noqa: E402


def outcome(function):
    """ "" or the error."""
    try:
        function()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def command(text):
    """ "" or what the command wrote to standard error."""
    done = CliRunner().invoke(app, text.split())
    if done.exit_code:
        return f"{done.exit_code}: {done.stderr.strip() or done.exception}"
    return ""


def use_a_model():
    motifs = cisreg.motifs.demo_motifs(width=17)
    spec = cisreg.ModelSpec(len(motifs), motifs.width, 40)
    parameters = cisreg.init_parameters(spec, motifs.log_kd, np.zeros(len(motifs)))
    cisreg.save_model("new", cisreg.Model(spec, parameters, motifs.names))
    model = cisreg.load_model("new")
    assert model.to_frame()["motif"].tolist() == list(motifs.names)
    assert model.encode(["ACGT"]).shape == (1, 40)
    assert len(model.motifs) == len(motifs)
    assert "Model" in model._repr_html_()


def compute():
    sequence = cisreg.encode(["ACGTACGTTT"])
    motifs = cisreg.motifs.demo_motifs(width=17)
    arguments = sequence, motifs.log_kd, np.zeros(len(motifs))
    bound = cisreg.numpy.occupancy(*arguments).bound
    assert (cisreg.numpy.occupancy_gradient(*arguments, bound).log_concentration > 0).all()
    assert len(cisreg.scan(sequence, motifs, threshold=5.0)) > 0


def read_recipes():
    recipe = cisreg.read_recipe("default").override(epochs=1)
    text = cisreg.recipes.format_recipe(recipe)
    Path("recipe.toml").write_text(text)
    assert cisreg.read_recipe("recipe.toml") == recipe
    cisreg.Stage(("bias",), epochs=1, schedule=cisreg.training.CosineWarmup())


def ask_a_model():
    cisreg.load_model("new").predict(["ACGT"])


found = {name: outcome(lambda name=name: getattr(cisreg, name)) for name in dir(cisreg)}
found |= {each.__name__: outcome(each) for each in (use_a_model, compute, read_recipes)}
found["a prediction"] = outcome(ask_a_model)
found["a loss"] = outcome(lambda: cisreg.losses.mean_squared_error([0.0], [1.0]))
with contextlib.redirect_stderr(io.StringIO()):
    for words in (
        *("--help", "train --help", "predict --help", "evaluate --help", "simulate --help"),
        *("import --help", "export --help", "encode --help", "convert --help", "doctor --help"),
        *("prepare --help", "prepare collapse --help"),
        "simulate --motifs demo --output data --train 20 --test 20 --length 40 --motif-width 17",
        "export data/truth --output old",
        "import old --binding expected --length 40 --output imported",
        "encode data/train.tsv.gz --length 40 --output codes.txt",
        "convert data/train.tsv.gz --output converted",
        "train data/train.tsv.gz --motifs demo --output model",
        "predict data/truth data/test.tsv.gz --output predicted.tsv",
        "predict missing data/test.tsv.gz --output predicted.tsv",
        "evaluate data/truth data/test.tsv.gz",
        "doctor",
    ):
        found[words] = command(words)
assert "tensorflow" not in sys.modules
print(json.dumps(found))
