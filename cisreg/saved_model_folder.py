"""The folder of a SavedModel: checked before the work, filled when all of it is there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cisreg.delayed_signals import temporary_folder
from cisreg.file_checks import check_own_folder, check_target
from cisreg.files import publish_together, read_regular_file, replace_file
from cisreg.locks import check_locks

DESCRIPTION = "model.json"
# What TensorFlow writes, by its path in the folder.
FILES = (
    "saved_model.pb",
    "fingerprint.pb",
    "variables/variables.index",
    "variables/variables.data-00000-of-00001",
    f"assets/{DESCRIPTION}",
)
_FOLDERS = ("variables", "assets")
# So that the name of a temporary folder beside it is not too long.
_LONGEST_NAME = 50


def check_saved_model_folder(folder: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Checks where a SavedModel is to be written, before the work.

    Raises:
        FileExistsError: it holds one of the files, and `overwrite` is False; or it is a link that
            leads nowhere.
        ValueError: what has the name of it, or of something in it, is no folder or file.

    Example:
        >>> check_saved_model_folder("a new folder", overwrite=False)
    """
    if Path(folder).is_symlink() and not Path(folder).exists():
        raise FileExistsError(
            f"{folder}: expected a folder, or a new name for one, got a link that leads nowhere"
        )
    folder = Path(os.path.realpath(folder))
    for name in ("", *_FOLDERS):
        check_own_folder(folder / name)
    for name in FILES:
        check_target(folder / name, overwrite)


@contextmanager
def fill_saved_model_folder(folder: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """A name beside a folder, for a SavedModel that moves into the folder when it is complete.

    A new folder appears when all files in it are on disk. In one that exists, the files get their
    names together, and others stay.

    Args:
        folder: see `check_saved_model_folder`; folders above it are created if missing.
        overwrite: whether the files of an earlier SavedModel may be replaced.

    Yields:
        The path of a new folder, beside which files may be made for the time.

    Raises:
        FileExistsError: another process made one of the files meanwhile, and it may not be
            replaced.
        OSError: the folder, or one above it, cannot be made.

    Example:
        >>> with fill_saved_model_folder("served/1", overwrite=False) as made:  # doctest: +SKIP
        ...     tf.saved_model.save(module, str(made))
    """
    # A link to a folder leads to the one that is filled.
    target = Path(os.path.realpath(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{target.name[:_LONGEST_NAME]}."
    with temporary_folder(prefix, target.parent, ".partial") as beside:
        made = Path(beside, "saved")
        yield made
        _publish(made, target, overwrite)


def _publish(made: Path, target: Path, overwrite: bool) -> None:
    """Moves what TensorFlow wrote, in a folder beside `target`, to its place."""
    check_locks(target)
    if not os.path.lexists(target):
        complete = made.with_name("complete")
        _copy(made, complete, overwrite=False)
        try:
            complete.rename(target)
            return
        except OSError:
            # Somebody may have made the folder meanwhile.
            if not os.path.lexists(target):
                raise
    with publish_together():
        _copy(made, target, overwrite)


def _copy(made: Path, folder: Path, overwrite: bool) -> None:
    """Copies a SavedModel; every file is on disk afterwards."""
    for path in sorted(made.rglob("*")):
        copied = folder / path.relative_to(made)
        if path.is_file():
            copied.parent.mkdir(parents=True, exist_ok=True)
            with replace_file(copied, overwrite=overwrite) as file:
                file.write(read_regular_file(path))
