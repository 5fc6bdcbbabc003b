"""Standard input, output and error of the commands.

Standard error is a log: what cannot be written to it is lost, and no error. Standard output has
results: what cannot be written to it is an error that names it. Text appears in every encoding.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, TextIO

from cisreg.progress import LogStream

_NAMES = ("standard input", "standard output", "standard error")
_INPUT, _OUTPUT, _ERROR = range(3)
# Without them, the size of a terminal is asked of the terminal.
_SIZES = ("COLUMNS", "LINES", "TERMINAL_WIDTH")
_SIZE = re.compile(r"0*[1-9][0-9]{0,2}")

_SPELLED_OUT = {"²": "2", "→": "->", "…": "...", "─": "-", "━": "-", "µ": "u"}
_READABLE = "cisreg.readable"
# Errors of a stream that was closed at the start, or has no reader any more.
_KNOWN = (errno.EBADF, errno.EPIPE)


class _StandardStream(io.FileIO):
    """The bytes of a standard stream, the file descriptor of which stays open.

    Args:
        number: the file descriptor: 0, 1 or 2.

    Attributes:
        is_log: whether what cannot be written is lost without an error.
        lost: why something was lost.
        is_said: whether that was said.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number, "r" if number == _INPUT else "w", closefd=False)
        self._number = number
        self.is_log = number == _ERROR
        self.lost: OSError | None = None
        self.is_said = False

    def readinto(self, buffer: Any) -> int:
        """Reads into the buffer; waits where the stream does not wait by itself."""
        with self._named():
            while (size := super().readinto(buffer)) is None:
                select.select([self._number], [], [])
            return size

    def readall(self) -> bytes:
        """Reads all that is left."""
        blocks = bytearray()
        block = bytearray(io.DEFAULT_BUFFER_SIZE)
        while size := self.readinto(block):
            blocks += memoryview(block)[:size]
        return bytes(blocks)

    def write(self, content: Any) -> int:
        """Writes some of the content, or loses it."""
        try:
            with self._named():
                while (size := super().write(content)) is None:
                    select.select([], [self._number], [])
                return size
        except OSError as error:
            if not self.is_log:
                raise
            self.lost = self.lost or error
            return memoryview(content).nbytes

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Makes errors name the stream."""
        try:
            yield
        except OSError as error:
            # A file descriptor that is open, but not for this, stands for one that was closed.
            what = "it is closed" if error.errno == errno.EBADF else error.strerror
            # Readers name what they read.
            name = () if self._number == _INPUT else (_NAMES[self._number],)
            raise OSError(error.errno, what, *name) from None


def open_standard_streams() -> None:
    """Makes the standard streams of this process those that this module describes.

    Streams that were closed are opened at /dev/null: a file that is opened later must not get
    their numbers, to which TensorFlow writes messages. Reading from standard input and writing to
    standard output stay errors.
    """
    for name in _SIZES:
        if not _SIZE.fullmatch(os.environ.get(name, "1")):
            del os.environ[name]
    for number in range(3):
        _occupy(number)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(_StandardStream(_INPUT)))
    sys.stdout = _text_stream(_OUTPUT, sys.stdout, line_buffering=os.isatty(_OUTPUT))
    sys.stderr = _text_stream(_ERROR, sys.stderr, line_buffering=True)


def _occupy(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        # Input and output for the wrong direction, so that using them fails as if they were closed.
        opened = os.open(os.devnull, os.O_RDONLY if number == _OUTPUT else os.O_WRONLY)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)


def _text_stream(number: int, before: TextIO | None, *, line_buffering: bool) -> TextIO:
    errors = getattr(before, "errors", "strict")
    raw = _StandardStream(number)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None),
        # Others were asked for by PYTHONIOENCODING, and raise no errors either.
        errors=_READABLE if errors in ("strict", "surrogateescape", "backslashreplace") else errors,
        line_buffering=line_buffering,
    )


def _readable(error: UnicodeError) -> tuple[str, int]:
    """Handler of errors for codecs: characters that an encoding lacks are spelled in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(map(_in_ascii, lacking)), error.end


def _in_ascii(character: str) -> str:
    return _SPELLED_OUT.get(character) or character.encode("unicode_escape").decode()


def spelled(text: str, stream: TextIO) -> str:
    """The text as it will be read in the encoding of a stream.

    Example:
        >>> spelled("mean", sys.stdout)
        'mean'
    """
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, _READABLE).decode(encoding)


codecs.register_error(_READABLE, _readable)


def is_of_output(error: OSError) -> bool:
    """Whether the error is one of writing to standard output."""
    return error.filename == _NAMES[_OUTPUT]


@contextmanager
def log_to(stream: IO[str] | None) -> Iterator[LogStream]:
    """The stream for text that is no result: in the block, no error is raised if it is lost.

    Args:
        stream: standard output or standard error.

    Example:
        >>> with log_to(sys.stdout) as log:
        ...     _ = log.write("model written")
        model written
    """
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    if isinstance(raw, _StandardStream) and stream is not None:
        # What was written before may be results.
        stream.flush()
        before, raw.is_log = raw.is_log, True
        try:
            yield LogStream(stream)
            stream.flush()
        finally:
            raw.is_log = before
        _say_lost(raw)
    else:
        log = LogStream(stream)
        yield log
        log.flush()


def _say_lost(raw: _StandardStream) -> None:
    """Says once that standard output takes no text, unless whoever started the command knows it."""
    if raw.is_log or raw.is_said or raw.lost is None or raw.lost.errno in _KNOWN:
        return
    raw.is_said = True
    text = f"warning: {_NAMES[_OUTPUT]}: {raw.lost.strerror}; the files of the command are whole\n"
    LogStream(sys.stderr).write(text)


def give_up_output() -> None:
    """Drops what is still to be written to standard output, which would be the same error again."""
    with suppress(OSError, ValueError):
        number = sys.stdout.fileno()
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, number)
        os.close(handle)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
