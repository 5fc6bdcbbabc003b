"""The operation is registered by `import cisreg`, before or after TensorFlow."""

from __future__ import annotations

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

import cisreg
from cisreg import registration
from cisreg.library import LibraryError, load_ops

BEFORE_TENSORFLOW = """
import importlib.util, sys
import cisreg
assert "tensorflow" not in sys.modules
importlib.util.find_spec("tensorflow")
assert not {"tensorflow", "cisreg.occupancy"} & set(sys.modules)
import tensorflow as tf
from tensorflow.python.framework import op_def_registry, ops
print(*(op_def_registry.get("Cisreg>Occupancy" + what).name for what in ("", "Grad")))
print(ops.gradient_registry.lookup("Cisreg>Occupancy").__module__)
print([type(finder).__name__ for finder in sys.meta_path if "cisreg" in type(finder).__module__])
"""
AFTER_TENSORFLOW = """
import tensorflow
from tensorflow.python.framework import op_def_registry
assert op_def_registry.get("Cisreg>Occupancy") is None
import cisreg
print(op_def_registry.get("Cisreg>Occupancy").name)
import importlib, sys
importlib.reload(cisreg)
importlib.reload(sys.modules["cisreg.occupancy"])
for name in [each for each in sys.modules if each.partition(".")[0] == "cisreg"]:
    del sys.modules[name]
import cisreg
print(cisreg.register_ops(), cisreg.occupancy([[0]], [[[0.0]] * 4], [0.0]).bound.shape)
"""


FROM_WITHIN = """
from cisreg.contract import as_inputs
from tensorflow.python.framework import op_def_registry, ops
print(*(op_def_registry.get("Cisreg>Occupancy" + what).name for what in ("", "Grad")))
print(ops.gradient_registry.lookup("Cisreg>Occupancy").__module__)
"""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (
            BEFORE_TENSORFLOW,
            ["Cisreg>Occupancy Cisreg>OccupancyGrad", "cisreg.occupancy", "[]"],
        ),
        (AFTER_TENSORFLOW, ["Cisreg>Occupancy", "None (1, 2, 1)"]),
        (FROM_WITHIN, ["Cisreg>Occupancy Cisreg>OccupancyGrad", "cisreg.occupancy"]),
    ],
    ids=["cisreg first", "tensorflow first, cisreg again", "a module of cisreg imports it"],
)
def test_the_order_of_imports_does_not_matter(program, said):
    done = subprocess.run(
        [sys.executable, "-W", "error:cisreg", "-c", program],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == said


@pytest.fixture
def not_imported(monkeypatch):
    """As before TensorFlow and Keras are imported."""
    for name in ("tensorflow", "keras"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    watch = registration._TensorFlowWatch()
    monkeypatch.setattr(sys, "meta_path", [watch, *sys.meta_path])
    return watch


@pytest.fixture
def no_tensorflow(not_imported, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [not_imported])


def import_in(module, name):
    exec(f"import {name}", {"__name__": module})


@pytest.mark.parametrize("name", ["tensorflow", "keras"])
def test_modules_of_cisreg_say_what_to_install(no_tensorflow, name):
    with pytest.raises(
        ModuleNotFoundError, match=r"needs TensorFlow.* run pip install 'cisreg\[tensorflow\]'$"
    ) as caught:
        import_in("cisreg.training", name)
    assert caught.value.name == name


def test_modules_of_others_see_what_they_always_do(no_tensorflow):
    for module in ("some.module", "cisreg_of_others"):
        with pytest.raises(ModuleNotFoundError, match=r"^No module named 'tensorflow'$"):
            import_in(module, "tensorflow")


def test_what_is_asked_for_without_tensorflow_says_what_to_install(no_tensorflow, monkeypatch):
    load_ops.cache_clear()
    for call in (cisreg.register_ops, cisreg.ops_library):
        with pytest.raises(LibraryError, match=r"run pip install 'cisreg\[tensorflow\]'"):
            call()


def test_a_tensorflow_that_fails_is_its_own_error(not_imported, monkeypatch, tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('of TensorFlow itself')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registration, "_register", lambda: pytest.fail("it was not imported"))
    with pytest.raises(ImportError, match=r"^of TensorFlow itself$"):
        import_in("some.module", "tensorflow")
    assert not_imported in sys.meta_path


def test_what_fails_in_the_registration_does_not_fail_the_import(
    not_imported, monkeypatch, tmp_path
):
    (tmp_path / "tensorflow.py").write_text("is_whole = True")
    monkeypatch.syspath_prepend(tmp_path)
    # Its import fails, as that of a damaged installation does.
    monkeypatch.setitem(sys.modules, "cisreg.occupancy", None)
    with pytest.warns(RuntimeWarning, match="could not register its operation"):
        import_in("some.module", "tensorflow")
    assert sys.modules["tensorflow"].is_whole
    assert not_imported not in sys.meta_path


def test_an_import_in_another_thread_is_watched_meanwhile(not_imported):
    not_imported.searching = True  # as while this thread looks for Keras
    with ThreadPoolExecutor(1) as threads:
        spec = threads.submit(not_imported.find_spec, "tensorflow", None).result()
    assert spec.loader.exec_module.__name__ == "execute_and_register"


def test_the_watch_is_set_once(not_imported, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        registration.register_with_tensorflow()
    watches = [each for each in sys.meta_path if isinstance(each, registration._TensorFlowWatch)]
    assert watches == [not_imported]
