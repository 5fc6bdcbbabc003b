"""What a reader has before each page, what is made smaller there, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from page_blocks import Block, Reader, commands_of, needs_shell
from page_folder import LENGTH

import cisreg
from cisreg.motifs import demo_motifs

# Everywhere: fewer epochs, members and sequences, and motifs from a file that is here.
SMALLER = (
    (r"\bepochs=\d+", "epochs=1"),
    ('"default"', '"small.toml"'),
    (r"\bmembers=\d+, folder=\"ensemble\", processes=\d", 'members=2, folder="ensemble"'),
    (r"--members \d+(?: --processes \d)?", "--members 2"),
    ("--motifs jaspar:(vertebrates|fungi)", "--motifs motif_list.txt"),
    ("https://example.org/lab/", "lab/"),
)
# Options that commands get where the page has none of the kind.
APPENDED = {
    "train": "--epochs 1",
    "ensemble train": "--epochs 1",
    "simulate": "--train 120 --test 40",
}
# Blocks that other tests run, which compare the results: page, beginning of the blocks, test.
ELSEWHERE = (
    ("docs/howto/genomes.md", "", "tests/test_newcomer.py"),
    ("docs/howto/motif_files.md", "cisreg", "tests/test_newcomer.py"),
    ("docs/howto/motif_files.md", ">>>", "tests/motifs/test_motif_examples.py"),
    ("docs/explanation/matrices.md", ">>>", "tests/motifs/test_motif_examples.py"),
    ("docs/howto/serve.md", "TF=", "tests/embedding/test_saved_models.py"),
    ("docs/howto/serve.md", "import json", "tests/embedding/test_server_page.py"),
    ("docs/howto/scripts.md", "cisreg --install", "tests/cli/test_completion.py"),
)
# Pages whose blocks start processes of their own, or train several models.
SLOW = {
    f"docs/howto/{name}.md"
    for name in ("certainty", "report", "scripts", "serve", "several_machines")
}
# Blocks and commands that cannot run in CI, by their beginning, and why.
NOT_RUN = {
    "pip install": "installs packages from the network; `make install-matrix` does it",
    "make ": "builds an environment of its own; CI begins with it",
    "python -m benchmarks.": "takes minutes, and data that are not here; tests/benchmarks try each",
    "python -m tf2onnx": "tf2onnx is not installed with the tests",
    "tensorflow_model_server": "needs TensorFlow Serving",
    "curl": "needs the server of the lines above; tests/embedding/test_server_page.py asks it",
    "#!/bin/bash\n#SBATCH": "needs Slurm and 16 machines with GPUs",
    "export TF_CONFIG": "needs two machines",
    "import cisreg\nimport tensorflow as tf\n\ncisreg.register_ops()\nserver": (
        "waits for other machines for ever; tests/embedding has parameter servers"
    ),
    "import jax": "JAX is not installed in CI; tests/embedding/test_frameworks.py, where it is",
    "import torch": "PyTorch is not installed in CI; the same test, where it is",
}

# Keras counts layers over all pages of this process, and puts the number into their names.
NAMES_FROM_0 = """
import keras
keras.utils.clear_session()
"""


@dataclass(frozen=True)
class Plan:
    """What belongs to one page.

    Attributes:
        before: Python that its reader has run already, such as that of another page.
        smaller: as `SMALLER`, only here.
        after: checks what came of the page.
    """

    before: str = ""
    smaller: tuple[tuple[str, str], ...] = ()
    after: Callable[[Reader], None] = lambda reader: None


def runner_of(block: Block) -> str | None:
    """The test that runs a block, if it is another one than that of all pages."""
    for page, start, test in ELSEWHERE:
        if block.page == page and block.text.startswith(start) and reason_of(block) is None:
            return test
    return None


def reason_of(block: Block) -> str | None:
    """Why no part of a block can run; None: it can."""
    whole = block.kind == "python" or needs_shell(block.text)
    texts = [block.text] if whole else commands_of(block.text)
    reasons = [
        next((NOT_RUN[start] for start in NOT_RUN if text.startswith(start)), None)
        for text in texts
    ]
    return None if None in reasons else "; ".join(dict.fromkeys(filter(None, reasons)))


MODEL = """
import cisreg
model = cisreg.load_model("model")
data = cisreg.read_dataset("test.tsv.gz", length=model.spec.sequence_length)
motifs = cisreg.read_motifs("motif_list.txt")
"""
FIT = f"""{MODEL}
spec, start = model.spec, dict(model.parameters)
stages = [cisreg.Stage(("activity", "bias"), epochs=1, learning_rate=0.01, batch_size=32)]
"""
ARRAYS = f"""{MODEL}
import keras
import numpy as np
import tensorflow as tf
sequence, measured = data.sequence, data.expression
length = np.full(len(sequence), sequence.shape[1], np.int32)
log_kd, log_concentration = tf.Variable(motifs.log_kd), motifs.lowest_log_kd()
activity = tf.Variable(tf.ones(len(motifs)))
variables, optimizer = [log_kd, activity], keras.optimizers.Adam(0.1)
"""
CONVERT = f"""{FIT}
from cisreg.keras import ThermodynamicModel
import numpy as np
import pandas
model = ThermodynamicModel.from_model(model)
model.compile("adam", "mse")
frame = pandas.DataFrame({{"insert": ["ACGT", "GGCC"], "log2_ratio": [1.0, 2.0]}})
sequences, measured = ["ACGT"] * 8, np.arange(8.0)
"""
OLD = f"""{MODEL}
from dataclasses import replace
import numpy as np
from typer.testing import CliRunner
from cisreg.cli import app
encode = "encode train.tsv.gz --length 110 --output train.OHC.gz"
assert CliRunner().invoke(app, encode.split()).exit_code == 0
spec = replace(model.spec, positional=True)
weights = np.ones(spec.parameter_shapes["position_weight"], np.float32)
values = {{**model.parameters, "position_weight": weights}}
cisreg.legacy.export_model("old.APCM.pos", cisreg.Model(spec, values, model.motif_names))
"""
REPORT = f"""{MODEL}
import shutil
import numpy as np
for name in ("first", "second"):
    cisreg.train("train.tsv.gz", motifs, "small.toml", output=name, seed=len(name))
shutil.rmtree("model")
shutil.copytree("first", "model")
model = cisreg.load_model("model")
measured, predicted = data.expression, model.predict(data).expression
gc = np.isin(data.sequence, (1, 2)).mean(axis=1)
"""
LIBRARY = """
import cisreg
cisreg.data.convert(cisreg.open_dataset("train.tsv.gz"), "library")
data = cisreg.open_dataset("library", length=110)
"""


def _check_factors(reader: Reader) -> None:
    assert (reader.folder / "factors.png").exists() and (reader.folder / "Reb1.png").exists()


def _check_contributions(reader: Reader) -> None:
    found, model = reader.names["found"], reader.names["model"]
    parts = found.activity.sum(axis=(1, 2)) + found.baseline
    expression = model.predict(reader.names["data"]).expression
    np.testing.assert_allclose(parts, expression, rtol=1e-4, atol=1e-4)


def _check_variants(reader: Reader) -> None:
    before, after = (
        reader.names["model"].predict(reader.names[each]).expression for each in ("before", "after")
    )
    found = reader.names["found"].effect
    np.testing.assert_allclose(found, after - before, rtol=1e-3, atol=1e-4)


def _check_mutations(reader: Reader) -> None:
    assert reader.names["found"].effect.shape == (2, LENGTH, 4)


def _check_design(reader: Reader) -> None:
    frame = reader.names["found"].to_frame()
    assert len(frame) == 3
    assert not frame["sequence"].str.contains("GAATTC|GGTCTC").any()


def _check_certainty(reader: Reader) -> None:
    certainty, ensemble = reader.names["certainty"], reader.names["ensemble"]
    assert len(certainty.predict(reader.names["sequences"], 0.9).to_frame()) == 3
    assert ensemble.expression(reader.names["sequences"]).shape == (2, 3)


def _check_embed(reader: Reader) -> None:
    names = reader.names
    assert names["bound"].shape == (len(names["sequence"]), 2, 3) and names["weighted"] is None
    losses = [float(names["step"](names["sequence"], names["measured"])) for _ in range(3)]
    assert losses[2] < losses[0]


def _check_convert(reader: Reader) -> None:
    assert len(reader.names["data"]) == 8
    assert reader.names["result"].history and len(reader.names["dataset"]) == 80


def _check_keras(reader: Reader) -> None:
    assert cisreg.load_model(reader.folder / "tuned").motif_names == ("Abf1", "Rap1", "Reb1")


def _check_first_model(reader: Reader) -> None:
    lines = (reader.folder / "predictions.tsv").read_text().splitlines()
    assert len(lines) == 41
    assert reader.names["trained"].model.motif_names == demo_motifs().names


def _check_experiments(reader: Reader) -> None:
    assert reader.names["pairs"].interaction.shape == (100, 4 * 51)
    assert reader.names["found"].after.shape == (100, 1)


def _check_scan(reader: Reader) -> None:
    names = reader.names
    assert names["hits"] is not None and names["table"].num_rows > 0
    assert names["best"].position.shape == (2, len(names["motifs"]))


def _check_arrays(reader: Reader) -> None:
    model = cisreg.load_model(reader.folder / "model")
    np.testing.assert_array_equal(reader.names["log_kd"], model.parameters["log_kd"])


def _check_registry(reader: Reader) -> None:
    assert len(reader.names["data"]) == 80 and reader.names["model"].spec.motif_count == 3


def _check_python(reader: Reader) -> None:
    names = reader.names
    assert names["bound"].shape == (len(names["sequence"]), 2, 3)
    np.testing.assert_array_equal(names["sums"].bound, names["bound"])
    assert sorted(names["effects"]["factor"]) == sorted(names["motifs"].names)


PLANS = {
    "docs/explanation/sites.md": Plan(MODEL),
    "docs/howto/certainty.md": Plan(after=_check_certainty),
    "docs/howto/check.md": Plan(MODEL),
    "docs/howto/cisregmodels.md": Plan(OLD, smaller=(("-nm 250", "-nm 3"), ("-r 20", "-r 1"))),
    "docs/howto/contributions.md": Plan(MODEL, after=_check_contributions),
    "docs/howto/convert.md": Plan(CONVERT, after=_check_convert),
    "docs/howto/datasets.md": Plan(MODEL),
    "docs/howto/design.md": Plan(
        MODEL, smaller=((r"design\(model, 20,", "design(model, 3,"),), after=_check_design
    ),
    "docs/howto/embed.md": Plan(ARRAYS, after=_check_embed),
    "docs/howto/experiments.md": Plan(after=_check_experiments),
    "docs/howto/factors.md": Plan(after=_check_factors),
    "docs/howto/keras.md": Plan(NAMES_FROM_0 + LIBRARY, after=_check_keras),
    "docs/howto/mutations.md": Plan(MODEL, after=_check_mutations),
    "docs/howto/pairs.md": Plan(f"{MODEL}\ntraining = held_out = data"),
    "docs/howto/python.md": Plan(ARRAYS, after=_check_python),
    "docs/howto/report.md": Plan(REPORT),
    "docs/howto/scan.md": Plan(after=_check_scan),
    "docs/howto/serve.md": Plan("import tensorflow as tf"),
    "docs/howto/several_machines.md": Plan(FIT),
    "docs/howto/variants.md": Plan(MODEL, after=_check_variants),
    "docs/reference/formats.md": Plan(
        "import shutil\nfrom pathlib import Path\n"
        'shutil.copy(next(Path("model").glob("parameters-*.npz")), "model/parameters-page.npz")',
        smaller=((r"parameters-\w+\.npz", "parameters-page.npz"),),
        after=_check_arrays,
    ),
    "docs/reference/registries.md": Plan("import cisreg", after=_check_registry),
    "docs/start/first_model.md": Plan(after=_check_first_model),
}
