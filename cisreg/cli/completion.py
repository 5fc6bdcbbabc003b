"""Values that a shell completes, beside those of options with fixed choices."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping

# Groups of organisms in the JASPAR database.
_GROUPS = (
    *("cnidaria", "diatoms", "dictyostelium", "fungi", "insects", "nematodes", "oomycota"),
    *("plants", "trematodes", "urochordates", "vertebrates"),
)

# What of the word that is completed stands before the part that bash replaces, such as "jaspar:".
_BEFORE = "_CISREG_BEFORE_WORD"


def join_split_words(environment: MutableMapping[str, str]) -> None:
    """Undoes that bash takes the colon in `jaspar:fungi`, and = in `--motifs=demo`, for words.

    Bash splits words at the characters of COMP_WORDBREAKS before it asks for completions, and
    replaces the last part alone. Words before the one that is completed are joined again. Of that
    one only the last part is left, as bash expects it in the answer; what stands before it is kept
    for `motif_sources`.

    Args:
        environment: of the process; COMP_WORDS and COMP_CWORD, as the script of
            `cisreg --show-completion` sets them, are replaced.

    Example:
        >>> asked = {"_CISREG_COMPLETE": "complete_bash"}
        >>> asked |= {"COMP_WORDS": "cisreg motifs info jaspar : f", "COMP_CWORD": "5"}
        >>> join_split_words(asked)
        >>> asked["COMP_WORDS"], asked["COMP_CWORD"]
        ('cisreg motifs info f', '3')
    """
    if environment.get("_CISREG_COMPLETE") != "complete_bash":
        return
    given, number = environment.get("COMP_WORDS", ""), environment.get("COMP_CWORD", "")
    separator = "\n" if "\n" in given else " "
    words = given.split(separator)
    if not number.isdecimal() or int(number) > len(words):
        return
    joined = [""]
    # Whether the next word is a part of the one before.
    goes_on = False
    for word in (*words, "")[: int(number) + 1]:
        is_colon = re.fullmatch(":+", word) is not None
        if word == "=" and joined[-1].startswith("--"):
            joined.append("")
            goes_on = True
        elif is_colon or goes_on:
            joined[-1] += word
            goes_on = is_colon
        else:
            joined.append(word)
    before, colon, last = joined[-1].rpartition(":")
    environment[_BEFORE] = before + colon
    environment["COMP_WORDS"] = separator.join([*joined[1:-1], last])
    environment["COMP_CWORD"] = str(len(joined) - 2)


def recipe_names(incomplete: str) -> list[str]:
    """The recipes that come with cisreg and begin with this; for other words a shell lists files.

    Example:
        >>> recipe_names("q")
        ['quick']
    """
    from cisreg.recipes.reading import RECIPES

    return [name for name in RECIPES if name.startswith(incomplete)]


def motif_sources(incomplete: str) -> list[str]:
    """The motifs that need no file and begin with this, or what a shell adds behind their colon.

    Example:
        >>> motif_sources("jaspar:f")
        ['jaspar:fungi']
    """
    sources = ["demo", *(f"jaspar:{group}" for group in _GROUPS)]
    before = os.environ.get(_BEFORE, "")
    found = [source for source in sources if source.startswith(before + incomplete)]
    return [source.removeprefix(before) for source in found]
