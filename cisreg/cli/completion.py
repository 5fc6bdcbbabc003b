"""Values that a shell completes, beside those of options with fixed choices."""

from __future__ import annotations

# Groups of organisms in the JASPAR database.
_GROUPS = (
    *("cnidaria", "diatoms", "dictyostelium", "fungi", "insects", "nematodes", "oomycota"),
    *("plants", "trematodes", "urochordates", "vertebrates"),
)


def recipe_names(incomplete: str) -> list[str]:
    """The recipes that come with cisreg and begin with this; for other words a shell lists files.

    Example:
        >>> recipe_names("q")
        ['quick']
    """
    from cisreg.recipes.reading import RECIPES

    return [name for name in RECIPES if name.startswith(incomplete)]


def motif_sources(incomplete: str) -> list[str]:
    """The motifs that need no file and begin with this.

    Example:
        >>> motif_sources("jaspar:f")
        ['jaspar:fungi']
    """
    sources = ["demo", *(f"jaspar:{group}" for group in _GROUPS)]
    return [source for source in sources if source.startswith(incomplete)]
