"""Writes motif sets to folders that `read_motifs` can read."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cisreg.delayed_signals import delayed_signals
from cisreg.files import give_new_name, replace_file
from cisreg.locks import check_locks, hold_for_a_moment
from cisreg.motifs.motif_set import MotifSet
from cisreg.motifs.pkdm import SUFFIX, write_pkdm
from cisreg.names import file_stems, is_cut, join_fields

logger = logging.getLogger("cisreg.motifs")

LIST_NAME = "motif_list.txt"
# So that a number and an ending can be added, also in an encoding of 4 bytes a letter.
_LONGEST_NAME = 50
_PARTIAL = ".partial"


def write_motifs(folder: str | os.PathLike[str], motif_set: MotifSet) -> Path:
    """Writes a motif set to a new folder: one .pkdm file per motif, and motif_list.txt.

    The list keeps the order. `read_motifs` of the list, with the width of the set, gives the same
    names and bit for bit the same numbers. Motifs are centred when they are read, so motifs that
    are not centred in the set come back shifted; the log says so.

    A new folder appears only once it is complete. Until then its files are in a folder beside it,
    whose name ends in 16 digits and .partial. An empty folder stays the same, with its mode; its
    files are in such a folder within it until they are complete. Of two processes that write the
    same folder, one fails and leaves nothing.

    Args:
        folder: a new or empty folder; parent folders are created if needed.
        motif_set: the motifs. Each name becomes a file name, in which characters that a file name
            cannot hold are escaped ("Sox2/Oct4" is Sox2%2FOct4.pkdm). A name that is too long, or
            that differs from an earlier one only in case, is cut and gets a hash; the name itself
            is then in a comment of the file.

    Returns:
        The path of motif_list.txt, for `read_motifs`.

    Raises:
        FileExistsError: the folder is not empty, or another process filled it meanwhile.
        OSError: the folder cannot be written.

    Example:
        >>> from cisreg.motifs import demo_motifs, read_motifs
        >>> motifs = demo_motifs()
        >>> read = read_motifs(write_motifs("demo_motifs", motifs), width=20)
        >>> read.names == motifs.names and bool((read.log_kd == motifs.log_kd).all())
        True
    """
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and next(folder.iterdir(), None) is None):
        raise FileExistsError(
            f"{folder}: expected a new or an empty folder, but it holds something; choose another "
            "or remove it"
        )
    centred = (motif_set.width - motif_set.widths) // 2
    shifted = int((motif_set.first_column != centred).sum())
    if shifted:
        logger.warning(
            "%d of %d motifs are not centred in their columns, and will be when they are read",
            *(shifted, len(motif_set)),
        )
    # A link to an empty folder leads to the one that is filled.
    target = Path(os.path.realpath(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    # It may be a mount, somebody's current folder, or one in a folder that cannot be written.
    is_there = target.is_dir()
    place = target if is_there else target.parent
    partial = place / f"{target.name[:_LONGEST_NAME]}.{secrets.token_hex(8)}{_PARTIAL}"
    stems = file_stems(motif_set.names)
    names = [*(f"{stem}{SUFFIX}" for stem in stems), LIST_NAME]
    try:
        with delayed_signals():
            partial.mkdir()
        _write_files(partial, motif_set, stems)
        check_locks(place)
        if is_there:
            _fill(partial, target, names)
        else:
            _publish(partial, target)
    except BaseException:
        _remove(partial, names)
        raise
    return folder / LIST_NAME


def _publish(partial: Path, target: Path) -> None:
    """Gives a finished folder its name, which nothing or an empty folder may have."""
    try:
        partial.rename(target)
    except OSError as error:
        if os.path.lexists(target):
            raise _filled(target) from None
        raise error from None


def _fill(partial: Path, target: Path, names: Sequence[str]) -> None:
    """Moves finished files out of a folder within `target`, which must hold nothing else."""
    given: list[str] = []
    with hold_for_a_moment(target):
        if any(path.suffix != _PARTIAL for path in target.iterdir()):
            raise _filled(target)
        try:
            for name in names:
                if not give_new_name(partial / name, target / name):
                    raise _filled(target)
                given.append(name)
        except BaseException:
            _remove(target, given)
            raise
    _remove(partial, [])


def _filled(target: Path) -> FileExistsError:
    return FileExistsError(
        f"{target}: expected a new or an empty folder, but it was filled meanwhile; choose another"
    )


def _remove(folder: Path, names: Sequence[str]) -> None:
    """Removes these files, and the folder if it is of a set; what else is there is kept."""
    with suppress(OSError):
        for name in names:
            (folder / name).unlink(missing_ok=True)
        if folder.suffix == _PARTIAL:
            folder.rmdir()


def _write_files(folder: Path, motif_set: MotifSet, stems: Sequence[str]) -> None:
    for name, stem, matrix in zip(motif_set.names, stems, motif_set.matrices(), strict=True):
        # A file name that was cut does not say the name, so that the file does.
        write_pkdm(folder / f"{stem}{SUFFIX}", matrix, name=name if is_cut(stem) else None)
    with replace_file(folder / LIST_NAME) as file:
        lines = (join_fields([f"{stem}{SUFFIX}"]) + "\n" for stem in stems)
        file.write("".join(lines).encode())
