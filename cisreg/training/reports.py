"""Reports within an epoch: the mean loss of the last steps, and a trace of some of them."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from cisreg.files import read_regular_file, replace_file
from cisreg.run_folder import TRACES, check_trace_folders

TRACE_FILE = "trace.json.gz"
_PICOSECONDS = 1e-6  # in microseconds, the unit of trace files


@dataclass(frozen=True)
class StepRecord:
    """The mean loss of the steps since the previous record; one line of steps.jsonl.

    Attributes:
        stage: counted from 1.
        epoch: of the stage, counted from 1.
        step: the last step of this record, counted from 1 over the whole run.
        steps: number of steps in this record.
        loss: mean over their sequences, penalties excluded.
        learning_rate: of the last step.
    """

    stage: int
    epoch: int
    step: int
    steps: int
    loss: float
    learning_rate: float


class StepWindow:
    """Adds up losses over a window of a given number of steps.

    Args:
        every: steps in a window; None: windows are never full.
        steps, sequences, loss_sum: of a partly filled window, when a run is resumed. If that window
            is already full, since `every` was larger before, an empty one is started.

    Attributes:
        steps: number of steps in the window so far.
        sequences: number of sequences in these steps.
        loss_sum: sum of the loss over these sequences.
    """

    def __init__(
        self, every: int | None, steps: int = 0, sequences: int = 0, loss_sum: float = 0.0
    ) -> None:
        self._every = every
        self.steps, self.sequences, self.loss_sum = steps, sequences, loss_sum
        if every is None or steps >= every:
            self._clear()

    def _clear(self) -> None:
        self.steps, self.sequences, self.loss_sum = 0, 0, 0.0

    @property
    def room(self) -> int | None:
        """Steps until the window is full; None: windows are never full."""
        return None if self._every is None else self._every - self.steps

    def add(self, steps: int, sequences: int, loss_sum: float) -> float | None:
        """Adds at most `room` steps; returns the mean loss if the window is now full, else None."""
        if self._every is None:
            return None
        self.steps += steps
        self.sequences += sequences
        self.loss_sum += loss_sum
        if self.steps < self._every:
            return None
        mean = self.loss_sum / self.sequences
        self._clear()
        return mean


class Trace:
    """Traces one call of the compiled steps with TensorFlow's profiler, the second if there is one.

    The folder gets the profiler's own files, for TensorBoard, and trace.json.gz, for Chromium
    browsers (chrome://tracing) and ui.perfetto.dev.

    Args:
        directory: the folder; None: no trace.
        calls: how many calls the run will make.

    Raises:
        ValueError: a folder within `directory` that the profiler writes to is a link.
    """

    def __init__(self, directory: str | os.PathLike[str] | None, calls: int) -> None:
        self._directory = None if directory is None else Path(directory)
        if self._directory is not None:
            check_trace_folders(self._directory)
        # The first call is slower than all others, since it loads and sets up libraries.
        self._traced_call = min(1, calls - 1)
        self._call = 0

    @contextmanager
    def watch(self) -> Iterator[None]:
        """A context for each call."""
        traced = self._directory is not None and self._call == self._traced_call
        self._call += 1
        if not traced:
            yield
            return
        assert self._directory is not None
        self._directory.mkdir(parents=True, exist_ok=True)
        before = set(_profiles(self._directory))
        tf.profiler.experimental.start(str(self._directory))
        try:
            yield
        finally:
            tf.profiler.experimental.stop()
        for path in set(_profiles(self._directory)) - before:
            _write_trace(self._directory, path)


def _profiles(directory: Path) -> Iterator[Path]:
    """The files that TensorFlow's profiler wrote, in a folder named by the time of each trace."""
    return directory.joinpath(*TRACES).glob("*/*.xplane.pb")


def _write_trace(directory: Path, profile: Path) -> None:
    """Converts a file of the profiler to the trace format of browsers."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(read_regular_file(profile))
    events = [
        event for process, plane in enumerate(space.planes) for event in _events(process, plane)
    ]
    with (
        replace_file(directory / TRACE_FILE) as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed,
    ):
        compressed.write(json.dumps({"traceEvents": events}).encode())


def _events(process: int, plane: Any) -> Iterator[dict[str, Any]]:
    """The plane's name and events in the trace event format; times in microseconds."""
    yield {"ph": "M", "pid": process, "name": "process_name", "args": {"name": plane.name}}
    for line in plane.lines:
        thread = {"pid": process, "tid": line.id}
        yield {"ph": "M", "name": "thread_name", "args": {"name": line.name}, **thread}
        began = line.timestamp_ns * 1e-3
        for event in line.events:
            yield {
                "ph": "X",
                "name": plane.event_metadata[event.metadata_id].name,
                "ts": began + event.offset_ps * _PICOSECONDS,
                "dur": event.duration_ps * _PICOSECONDS,
                **thread,
            }
