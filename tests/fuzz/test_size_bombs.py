"""Small files that declare impossible sizes: an error names the file, with little memory used."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
import zstandard
from legacy.bundles import bundle_of, entry, write_bundle
from legacy.original_graph import save_original
from tensorflow.core.protobuf import saved_model_pb2
from tiny_model import SPEC, start_parameters

import cisreg
from cisreg.storage import save_model
from cisreg.trained_model import Model
from cisreg.training.checkpoint import _header

TESTS = Path(__file__).parents[1]
# Memory that a reader may use beyond the imported modules; the files declare far more.
ROOM = 400 << 20
BOMB = 600 << 20
HUGE = "(1000000, 1000000000)"
DEEP = "[" * 10**6


def npz(member: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        file.writestr("bias.npy", member)
    return buffer.getvalue()


def npy(shape: str, data: bytes = b"") -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def zip_bomb() -> bytes:
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("bias.npy", "w") as member,
    ):
        member.write(npy(f"({BOMB // 4},)"))
        for _ in range(BOMB >> 20):
            member.write(bytes(1 << 20))
    return buffer.getvalue()


def write_checkpoint(folder: Path, body: bytes) -> str:
    (folder / "checkpoint-000000000001.ckpt").write_bytes(_header(3, body) + body)
    return "checkpoint_parameters(folder)"


def write_model(folder: Path, content: bytes) -> str:
    save_model(folder, Model(SPEC, start_parameters(), ("a", "b", "c")))
    digest = hashlib.sha256(content).hexdigest()
    (folder / f"parameters-{digest[:12]}.npz").write_bytes(content)
    path = folder / "model.json"
    described = json.loads(path.read_text())
    described["parameters"] = {"file": f"parameters-{digest[:12]}.npz", "sha256": digest}
    path.write_text(json.dumps(described))
    return "load_model(folder)"


def write_file(folder: Path, name: str, content: str | bytes, call: str) -> str:
    content = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(content)
    return call


def write_original(folder: Path, shape: tuple[int, ...]) -> str:
    write_bundle(folder / "model.ckpt", bundle_of(entry(shape, size=8)))
    return "import_model(folder + '/model.ckpt', binding='expected', sequence_length=9)"


def write_graph(folder: Path) -> str:
    """A constant in which a single number stands for 10^15 numbers."""
    values = start_parameters()
    variables = {"activities": values["activity"], "motifs": values["log_kd"].transpose(1, 0, 2)}
    constants = {"concentrations": values["log_concentration"].reshape(1, 1, 1, -1)}
    _, saved = save_original(folder, variables, constants, length=9, expected=True)
    path = Path(saved) / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    (node,) = [
        each for each in model.meta_graphs[0].graph_def.node if each.name == "concentrations"
    ]
    tensor = node.attr["value"].tensor
    tensor.Clear()
    tensor.dtype = 1
    tensor.float_val.append(0.0)
    for _ in range(3):
        tensor.tensor_shape.dim.add(size=10**5)
    path.write_bytes(model.SerializeToString())
    return "import_model(folder + '/model.Model')"


def write_pkdms(folder: Path, compressor) -> str:
    """One line of many megabytes."""
    content = compressor.compress(b"#Motif 0\n#A\t")
    for _ in range(BOMB >> 20):
        content += compressor.compress(bytes(1 << 20))
    content += compressor.flush()
    return write_file(folder, "m.pkdms", content, "read_pkdms(folder + '/m.pkdms')")


BOMBS = {
    "array of 10^15 numbers in a checkpoint": lambda at: write_checkpoint(at, npz(npy(HUGE))),
    "array of 10^15 numbers in a model": lambda at: write_model(at, npz(npy(HUGE))),
    "zip bomb in a checkpoint": lambda at: write_checkpoint(at, zip_bomb()),
    "zip bomb in a model": lambda at: write_model(at, zip_bomb()),
    "deep brackets in a checkpoint's first line": lambda at: write_file(
        at, "checkpoint-000000000001.ckpt", DEEP, "checkpoint_parameters(folder)"
    ),
    "deep brackets in a model": lambda at: write_file(
        at, "model.json", '{"format_version": 1, "spec": ' + DEEP, "load_model(folder)"
    ),
    "deep brackets in a recipe": lambda at: write_file(
        at, "recipe.toml", "validation = " + DEEP, "read_recipe(folder + '/recipe.toml')"
    ),
    "original's tensor of 10^15 numbers": lambda at: write_original(at, (10**6, 10**9)),
    "original's tensor of a negative shape": lambda at: write_original(at, (-(2**40),)),
    "original's constant of 10^15 numbers": write_graph,
    "gzip of one line": lambda at: write_pkdms(at, zlib.compressobj(1, zlib.DEFLATED, 31)),
    "zstd of one line": lambda at: write_pkdms(at, zstandard.ZstdCompressor().compressobj()),
}
READ = """
import json, resource, sys
import tensorflow as tf
from cisreg.legacy import import_model
from cisreg.legacy.text import read_pkdms
from cisreg.recipes import read_recipe
from cisreg.storage import load_model
from cisreg.training import checkpoint_parameters
tf.constant(1.0)  # starts TensorFlow's threads, whose stacks are large
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv[1]),) * 2)
for name, folder, call in json.load(sys.stdin):
    try:
        result = repr(eval(call))
    except Exception as error:
        named = isinstance(error, (ValueError, OSError)) and folder in str(error)
        result = "said by name" if named else repr(error)[:1000]
    print(json.dumps([name, result]), flush=True)
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The messages of one process with little memory, for each file until the process ends."""
    calls = []
    for name, write in BOMBS.items():
        folder = tmp_path_factory.mktemp("bomb")
        calls.append((name, str(folder), write(folder)))
    paths = [str(Path(cisreg.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    process = subprocess.run(
        [sys.executable, "-c", READ, str(ROOM)],
        input=json.dumps(calls),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
    )
    said = dict(map(json.loads, process.stdout.splitlines()))
    return lambda name: said.get(name, f"the process ended: {process.stderr[-2000:]}")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as Linux does it")
@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_speaks_of_huge_sizes_is_said(results, name):
    assert results(name) == "said by name"
