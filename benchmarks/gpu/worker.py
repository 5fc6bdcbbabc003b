"""A process that holds a device and answers requests: ended where it does not answer in time.

A kernel that never ends, or an error after which CUDA refuses all further calls, must not end the
whole script: the process is ended, and another one begins with the next request.

As a program it runs some cases forward and backward, for compute-sanitizer:

    compute-sanitizer --tool memcheck python -m benchmarks.gpu.worker LIBRARY CASE ...
"""

from __future__ import annotations

import contextlib
import importlib.util
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

import cisreg
from benchmarks.gpu.budget import TaskError

ROOT = Path(__file__).parents[2]
SECONDS_TO_START = 60.0
# A process that the GPU's driver does not let go is left alone after so many.
SECONDS_TO_END = 10.0


class Worker:
    """Calls methods of an object that lives in a process of its own.

    Args:
        make: makes the object there, a function of a module or a partial of one; what it raises is
            the answer to the first request.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Any = None

    def ask(self, method: str, *arguments: Any, seconds: float, **keywords: Any) -> Any:
        """What a method returns.

        Raises:
            TaskError: it raised an error, its process ended, or it took longer than `seconds`,
                those to begin not counted.
        """
        self.begin()
        return self._answer((method, arguments, keywords), seconds)

    def begin(self) -> None:
        """Starts the process, unless it runs.

        Raises:
            TaskError: the object cannot be made.
        """
        if self._process is None:
            self._start()

    def end(self) -> None:
        """Ends the process, if there is one."""
        if self._process is None:
            return
        self._process.kill()
        self._exit_status()
        self._connection.close()
        self._process = self._connection = None

    def _exit_status(self) -> int | None:
        """That of the process, once it has ended; None where it does not end in time."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(SECONDS_TO_END)
        return self._process.returncode

    def _start(self) -> None:
        self._connection, theirs = multiprocessing.Pipe()
        command = [sys.executable, "-m", "benchmarks.gpu.worker", "--serve", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
        )
        theirs.close()
        self._answer(self._make, SECONDS_TO_START)

    def _answer(self, request: Any, seconds: float) -> Any:
        assert self._process is not None
        try:
            self._connection.send(request)
            if not self._connection.poll(seconds):
                self.end()
                raise TaskError(f"no answer within {seconds:.0f} s: its process was ended")
            right, answer = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            code = self._exit_status()
            self.end()
            raise TaskError(f"its process ended with {code}") from None
        if not right:
            # CUDA refuses all calls after some errors.
            self.end()
            raise TaskError(answer)
        return answer


def _serve(connection: Connection) -> None:
    """Makes the object, then calls its methods, until the other side closes."""
    served: Any = None
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        try:
            if served is None:
                served, answer = request(), (True, None)
            else:
                method, arguments, keywords = request
                answer = True, getattr(served, method)(*arguments, **keywords)
        except Exception as error:
            answer = False, _line(error)
        connection.send(answer)


def _line(error: Exception) -> str:
    lines = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def device(library: str | None) -> Any:
    """The kernels on the first GPU.

    Args:
        library: the file of `_native` as `launchers` builds it; None for the one of the package.
    """
    if library is not None:
        native = load("cisreg._native", Path(library))
        sys.modules["cisreg._native"] = native
        cisreg._native = native  # type: ignore[attr-defined]
    from benchmarks.shared.executors import Device

    return Device()


def pytorch() -> Any:
    """The same law in PyTorch on the first GPU."""
    from benchmarks.shared.rivals_torch import OnGpu

    return OnGpu()


def tensorflow(*, stand_in: bool, limited: bool = False) -> Any:
    """The operation within TensorFlow, see `OnTensorFlow`."""
    from benchmarks.gpu.tensorflow_tasks import OnTensorFlow

    return OnTensorFlow(stand_in=stand_in, limited=limited)


def stand_in() -> Any:
    """The kernels on this machine's processor."""
    from benchmarks.shared.executors import Shim

    return Shim(900)


def load(name: str, path: Path) -> ModuleType:
    """Imports a module from its file, without its package."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_cases(library: str, names: Sequence[str]) -> None:
    """Runs the cases that are named, forward and backward; an empty library is the package's."""
    from benchmarks.shared.cuda_cases import CASES

    found = device(library or None)
    cases = {str(case): case for case in CASES}
    for name in names:
        found.forward(cases[name])
        found.backward(cases[name])
        print(name)


def main() -> None:
    """Serves a worker, or runs cases."""
    if sys.argv[1] == "--serve":
        _serve(Connection(int(sys.argv[2])))
    else:
        run_cases(sys.argv[1], sys.argv[2:])


if __name__ == "__main__":
    main()
