"""Files are written, replaced and removed in one place, and programs are never started by a shell.

A new module that writes in its own way brings back what `cisreg.files` guards against: shared
temporary names, links that are followed, files of the user that are removed.
"""

from __future__ import annotations

import ast
from pathlib import Path

import cisreg

ROOT = Path(cisreg.__file__).parent
# The writer and the locks.
GUARDED = ("files.py", "locks.py")
# What else may change the disk, and why it is safe.
EXCEPTIONS = {
    # Descriptors 0, 1 and 2, on /dev/null.
    "cli/standard_streams.py": {"os.open"},
    # Only what this conversion made, by the names in its journal and by their sizes.
    "data/conversion/state.py": {"path.unlink", "path.rmdir"},
    # A folder of its own, filled before it gets its name.
    "motifs/writing.py": {"path.unlink", "path.rename", "path.rmdir"},
    # Only the names that runs make, and empty folders.
    "run_folder.py": {"path.unlink", "path.rename", "path.rmdir"},
    # A folder of its own, filled before it gets its name; TensorFlow writes into a temporary one.
    "saved_model_folder.py": {"path.rename"},
    # Only the parameters that the replaced model.json named.
    "storage.py": {"path.unlink"},
    # Only checkpoints of the same run.
    "training/checkpoint.py": {"path.unlink"},
    # Temporary files and folders whose names tempfile makes up.
    "data/formats/sources.py": {"tempfile.NamedTemporaryFile"},
    "genome/sequence_files.py": {"tempfile.NamedTemporaryFile"},
    "prepare/bowtie2.py": {"open w"},
    "delayed_signals.py": {"tempfile.TemporaryDirectory"},
}
OF_MODULES = {
    "os": {
        *("open", "replace", "rename", "renames", "link", "symlink", "unlink", "remove", "rmdir"),
        *("removedirs", "truncate", "ftruncate", "mkfifo", "mknod", "system", "popen"),
    },
    "shutil": {"rmtree", "move", "copy", "copy2", "copyfile", "copytree"},
    "tempfile": {"mkdtemp", "mkstemp", "mktemp", "NamedTemporaryFile", "TemporaryDirectory"},
}
# Methods of paths; `replace` is that of a path where it has one argument.
OF_PATHS = {
    *("write_text", "write_bytes", "unlink", "rmdir", "rename", "touch", "symlink_to"),
    *("hardlink_to", "chmod"),
}


def changes_of(path):
    """The calls in a file that change the disk or start a shell."""
    return {
        name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and (name := change_of(node))
    }


def change_of(call):
    if any(each.arg == "shell" for each in call.keywords):
        return "shell"
    function = call.func
    if isinstance(function, ast.Name):
        return f"open {mode_of(call, 1)}" if function.id == "open" and writes(call, 1) else None
    if not isinstance(function, ast.Attribute):
        return None
    name, owner = function.attr, function.value
    if isinstance(owner, ast.Name) and owner.id in OF_MODULES:
        return f"{owner.id}.{name}" if name in OF_MODULES[owner.id] else None
    if name == "open" and writes(call, 0):
        return f"open {mode_of(call, 0)}"
    if name == "replace" and len(call.args) == 1 and not call.keywords:
        return "path.replace"
    return f"path.{name}" if name in OF_PATHS else None


def mode_of(call, position):
    given = [each.value for each in call.keywords if each.arg == "mode"]
    node = (given or call.args[position : position + 1] or [ast.Constant("r")])[0]
    return node.value if isinstance(node, ast.Constant) else "unknown"  # a reader's other argument


def writes(call, position):
    mode = mode_of(call, position)
    return mode != "unknown" and bool(set(mode) & set("wax+"))


def test_files_change_in_one_place():
    found = {
        path.relative_to(ROOT).as_posix(): changes
        for path in ROOT.rglob("*.py")
        if path.name not in GUARDED and (changes := changes_of(path))
    }
    assert found == EXCEPTIONS


def test_every_way_to_write_is_found(tmp_path):
    path = tmp_path / "module.py"
    lines = {
        "open(path, 'w')": "open w",
        "open(path, mode='ab')": "open ab",
        "path.open('x')": "open x",
        "path.write_text(text)": "path.write_text",
        "path.replace(other)": "path.replace",
        "os.replace(one, other)": "os.replace",
        "shutil.rmtree(path)": "shutil.rmtree",
        "tempfile.mkstemp()": "tempfile.mkstemp",
        "subprocess.run(text, shell=True)": "shell",
        "os.system(text)": "os.system",
    }
    path.write_text("\n".join(lines))
    assert changes_of(path) == set(lines.values())
    path.write_text("open(path)\npath.open('rb')\ntext.replace('a', 'b')\nreplace(spec, a=1)\n")
    assert changes_of(path) == set()
