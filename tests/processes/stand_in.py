"""A process that stands in for a worker, without TensorFlow: stand_in.py WHAT [OPTION=VALUE...].

WHAT: meet waits for the other workers; the others wait in C code, where Python runs no handler of a
signal: command as any other command, strict as before training, patient as in training, together as
with other workers.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import nullcontext

import cisreg.processes.partners as partners
import cisreg.processes.watch as watch
from cisreg.processes.cluster import read_cluster
from cisreg.processes.signals import (
    StopRequest,
    end_by_signals,
    handlers_kept,
    stop_at_once,
    stop_signals,
)


def wait_in_c() -> None:
    """Waits for ever; a signal does not end it."""
    system = ctypes.CDLL(None)
    mutex = ctypes.create_string_buffer(256)
    system.pthread_mutex_init(mutex, None)
    system.pthread_mutex_lock(mutex)
    print("ready", flush=True)
    system.pthread_mutex_lock(mutex)


def compute_for(seconds: float) -> None:
    while watch.time.process_time() < seconds:
        pass
    print("computed", flush=True)


def replace_handler() -> None:
    """What TensorFlow does while it connects workers."""
    ctypes.CDLL(None).signal(signal.SIGTERM, ctypes.c_void_p(1))


def main(what: str, *options: str) -> None:
    given = dict(option.split("=") for option in options)
    watch._STRICT_SECONDS = float(given.get("strict", 0.2))
    watch._IDLE_SECONDS = float(given.get("idle", 0.5))
    watch._IDLE_CPU_SECONDS = 0.05
    watch._POLL_SECONDS = 0.05
    partners._ADDRESS_SECONDS = 0.2
    partners._SILENT_SECONDS = float(given.get("silent", 100))
    if what == "command":
        with end_by_signals():
            wait_in_c()
    with stop_at_once(stop_signals()):
        if what == "meet":
            cluster = read_cluster("workers")
            print("ready", flush=True)
            partners.wait_for_partners(cluster, seconds=float(given.get("seconds", 100)))
            print("together", flush=True)
            return
        with handlers_kept():
            if "replaced" in given:
                replace_handler()
        if "busy" in given:
            threading.Thread(target=compute_for, args=[float(given["busy"])], daemon=True).start()
        request = StopRequest(stop_signals(), others=what == "together")
        with nullcontext() if what == "strict" else request:
            wait_in_c()


if __name__ == "__main__":
    # The process that runs the tests may ignore it, for example under nohup.
    for each in (signal.SIGHUP, signal.SIGINT):
        if os.environ.get("IGNORED") != each.name:
            signal.signal(each, signal.SIG_DFL)
    main(*sys.argv[1:])
