"""Registers the operation with TensorFlow: at a call, or as soon as TensorFlow is imported.

Where there is no TensorFlow, the modules of cisreg that import it say how to install it.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from cisreg.library import NO_TENSORFLOW, load_ops

# Keras comes with TensorFlow; what imports it needs both.
_WANTED = ("tensorflow", "keras")


def register_ops() -> None:
    """Registers the operation with TensorFlow, and its gradient: all that a saved graph needs.

    `import cisreg` does the same as soon as TensorFlow is imported, be it before or after cisreg.
    Call this where it is an error if the operation cannot be had.

    Raises:
        LibraryError: there is no TensorFlow, or the library for it is missing or damaged; the
            message says what to do.

    Example:
        >>> cisreg.register_ops()
        >>> model = tf.saved_model.load("model")
    """
    load_ops()
    import cisreg.exclusive
    import cisreg.occupancy
    import cisreg.pair_operation  # noqa: F401, all register gradients


def register_with_tensorflow() -> None:
    """Registers the operation now if TensorFlow is imported already, else once it is.

    Where the operation cannot be had, `cisreg.occupancy` says so once and uses standard operations.
    """
    if "tensorflow" in sys.modules:
        _register()
    elif not any(isinstance(finder, _TensorFlowWatch) for finder in sys.meta_path):
        sys.meta_path.insert(0, _TensorFlowWatch())


def _register() -> None:
    try:
        import cisreg.exclusive
        import cisreg.occupancy
        import cisreg.pair_operation  # noqa: F401
    except Exception as error:
        # Whoever imports TensorFlow gets it, whatever is wrong here.
        warnings.warn(
            f"cisreg could not register its operation: {error}", RuntimeWarning, stacklevel=2
        )


class _TensorFlowWatch(threading.local):
    """Finds nothing itself: adds the registration to whatever loads TensorFlow.

    Where a module of cisreg does, that module and those that import it are whole before.
    """

    # Of this thread; another's import is watched meanwhile.
    searching = False
    loading = 0  # modules of cisreg, one within another
    pending = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find; when it is executed, the operation is registered."""
        own = fullname.startswith("cisreg.")
        if not (own or fullname in _WANTED) or self.searching:
            return None
        self.searching = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.searching = False
        if spec is None and not own and _importer().startswith("cisreg."):
            raise ModuleNotFoundError(NO_TENSORFLOW, name=fullname)
        loader: Any = spec and spec.loader
        if fullname != "keras" and hasattr(loader, "exec_module"):
            # Of this loader alone, which was made for this import.
            loader.exec_module = self._registering(loader.exec_module, own)
        return spec

    def _registering(
        self, execute: Callable[[ModuleType], None], own: bool
    ) -> Callable[[ModuleType], None]:
        def execute_and_register(module: ModuleType) -> None:
            self.loading += own
            try:
                execute(module)
            finally:
                self.loading -= own
            if not own:
                self.pending = True
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
            if self.pending and not self.loading:
                self.pending = False
                _register()

        return execute_and_register


def _importer() -> str:
    """The module whose import statement is being executed; no module that only searches."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals["__name__"] == "importlib._bootstrap":
        frame = frame.f_back
    return frame.f_globals.get("__name__", "")
