"""Waits for the other workers before TensorFlow does, which then hears no signal.

Every worker listens at its own address and greets all others, until each has answered each and is
still there. Then it says farewell, its address is free again, and TensorFlow connects all workers
within seconds.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from cisreg.processes.cluster import TF_CONFIG, Cluster
from cisreg.processes.signals import waiting_for

logger = logging.getLogger("cisreg.processes")

# Who greets: a mark, the SHA-256 of all addresses, the worker's number, and who it is: a worker
# that was started again is another one.
_GREETING = struct.Struct("!8s32sI16s")
_MARK = b"cisreg 1"
_FAREWELL = b"!"
_ANSWER_SECONDS = 2.0
_RETRY_SECONDS = 0.25
_POLL_SECONDS = 0.1
# Another process may still be ending that listened at the same address.
_ADDRESS_SECONDS = 10.0
_SILENT_SECONDS = 10.0
_SHOWN_PARTNERS = 5
_BACKLOG = 1000


def wait_for_partners(cluster: Cluster, *, seconds: float = 3600.0) -> None:
    """Returns when all workers of a cluster wait for each other in this function.

    Python's signal handlers run meanwhile. Who is missing is logged after some time, and is part of
    the message of `stop_at_once`.

    Args:
        cluster: the workers, and which of them this process is.
        seconds: how long to wait.

    Raises:
        TimeoutError: some did not come; the message names them.
        ValueError: this process cannot listen at its address, or another worker has other
            addresses.

    Example:
        >>> wait_for_partners(read_cluster("workers"))  # doctest: +SKIP
    """
    if len(cluster.addresses) == 1:
        return
    meeting = _Meeting(cluster)
    with (
        waiting_for(meeting.missing),
        _listening(cluster) as listener,
        meeting.threads(listener),
    ):
        _wait(meeting, seconds)


def _wait(meeting: _Meeting, seconds: float) -> None:
    began = time.monotonic()
    show_at, shown = began + _SILENT_SECONDS, ""
    while not meeting.is_complete():
        now = time.monotonic()
        if now - began > seconds:
            raise TimeoutError(f"waited {seconds:g} seconds for {meeting.missing()}")
        missing = meeting.missing()
        if now > show_at and missing != shown:
            shown, show_at = missing, now + _SILENT_SECONDS
            logger.warning("waiting for %s", missing)
        time.sleep(_POLL_SECONDS)


@contextmanager
def _listening(cluster: Cluster) -> Iterator[socket.socket]:
    """Listens at this worker's port on all interfaces, as TensorFlow will."""
    port = int(cluster.addresses[cluster.number].rpartition(":")[2])
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    deadline = time.monotonic() + _ADDRESS_SECONDS
    while True:
        try:
            listener = socket.create_server(
                ("", port), family=family, dualstack_ipv6=both, backlog=_BACKLOG
            )
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                # Not error.strerror, to which Python adds the address.
                reason = os.strerror(error.errno or 0)
                raise ValueError(
                    f"{cluster.name_of(cluster.number)}: expected a port at which this process can "
                    f"listen, got {port} ({reason}); end the process that uses it, or give another "
                    "port"
                ) from None
        time.sleep(_POLL_SECONDS)
    with listener:
        yield listener


class _Meeting:
    """Who has greeted this worker and who has answered it."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._addresses = hashlib.sha256("\n".join(cluster.addresses).encode()).digest()
        self._own = os.urandom(16)
        self._partners = [
            number for number in range(len(cluster.addresses)) if number != cluster.number
        ]
        # By number: the other worker's `_own`, and why one could not be reached.
        self._came: dict[int, bytes] = {}
        self._answered: dict[int, bytes] = {}
        self._reasons: dict[int, str] = {}
        self._disagreeing: int | None = None
        self._over = threading.Event()
        self._goes_on = False

    @contextmanager
    def threads(self, listener: socket.socket) -> Iterator[None]:
        """Threads that greet and answer."""
        greeters = [
            threading.Thread(target=self._greet, args=(number,), daemon=True)
            for number in self._partners
        ]
        host = threading.Thread(target=self._answer, args=(listener,), daemon=True)
        for thread in (host, *greeters):
            thread.start()
        try:
            yield
            self._goes_on = True
        finally:
            self._over.set()
            # The others may hang in a look-up of a name; they hold nothing.
            host.join()

    def _is_here(self, number: int) -> bool:
        return number in self._came and self._came[number] == self._answered.get(number)

    def is_complete(self) -> bool:
        """Whether all have come and answered.

        Raises:
            ValueError: another worker has other addresses.
        """
        if self._disagreeing is not None:
            raise ValueError(
                f"{TF_CONFIG}: expected the same addresses in all workers, but worker "
                f"{self._disagreeing + 1} has others than worker {self._cluster.number + 1}"
            )
        return all(map(self._is_here, self._partners))

    def missing(self) -> str:
        """Names of those that are not here, with the reasons."""
        names = [self._described(each) for each in self._partners if not self._is_here(each)]
        more = len(names) - _SHOWN_PARTNERS
        shown = names[:_SHOWN_PARTNERS] + ([f"{more} more"] if more > 0 else [])
        return ", ".join(shown)

    def _described(self, number: int) -> str:
        reason = self._reasons.get(number)
        if number in self._answered and number not in self._came:
            reason = "it does not reach this worker"
        return self._cluster.name_of(number) + (f": {reason}" if reason else "")

    def _greeting(self) -> bytes:
        return _GREETING.pack(_MARK, self._addresses, self._cluster.number, self._own)

    def _greet(self, number: int) -> None:
        """Greets one worker until it answers, and again when it has ended and was started again."""
        host, _, port = self._cluster.addresses[number].rpartition(":")
        address = (host.strip("[]"), int(port))
        while not self._over.is_set():
            try:
                with socket.create_connection(address, _ANSWER_SECONDS) as connection:
                    connection.sendall(self._greeting())
                    self._note(connection, self._answered, number)
                    self._reasons.pop(number, None)
                    self._stay(connection, number)
            except OSError as error:
                self._answered.pop(number, None)
                self._reasons[number] = error.strerror or str(error)
            self._over.wait(_RETRY_SECONDS)

    def _stay(self, connection: socket.socket, number: int) -> None:
        """Returns when this worker goes on; raises OSError when the other one is not there."""
        connection.settimeout(_RETRY_SECONDS)
        while not self._over.is_set():
            try:
                if connection.recv(1) == _FAREWELL:
                    self._over.wait()
                    return
                raise OSError("it has ended")
            except TimeoutError:
                if self._came.get(number, self._answered[number]) != self._answered[number]:
                    raise OSError("it was started again") from None

    def _answer(self, listener: socket.socket) -> None:
        """Answers all that greet; they stay connected until this worker goes on or ends."""
        listener.settimeout(_POLL_SECONDS)
        with ExitStack() as stay:
            answered: list[socket.socket] = []
            while not self._over.is_set():
                with suppress(OSError), ExitStack() as here:
                    connection = here.enter_context(listener.accept()[0])
                    connection.settimeout(_ANSWER_SECONDS)
                    self._note(connection, self._came)
                    connection.sendall(self._greeting())
                    answered.append(connection)
                    stay.push(here.pop_all())
            for connection in answered if self._goes_on else ():
                with suppress(OSError):
                    connection.sendall(_FAREWELL)

    def _note(
        self, connection: socket.socket, known: dict[int, bytes], expected: int | None = None
    ) -> None:
        """Reads a greeting and notes who sent it."""
        content = b""
        while len(content) < _GREETING.size:
            block = connection.recv(_GREETING.size - len(content))
            if not block:
                break
            content += block
        if len(content) < _GREETING.size or not content.startswith(_MARK):
            raise OSError("what listens there is no worker that waits")
        _, addresses, number, own = _GREETING.unpack(content)
        if addresses != self._addresses:
            self._disagreeing = number
        elif expected is not None and number != expected:
            raise OSError(f"worker {number + 1} listens there")
        elif number in self._partners:
            known[number] = own
