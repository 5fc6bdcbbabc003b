"""Settings, versions and data of a run as rows of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cisreg.data import Columns
from cisreg.display import counted
from cisreg.pairs import pair_names
from cisreg.report.page.run import Run
from cisreg.spec import LINK_PARAMETERS
from cisreg.version import __version__


def settings_of(run: Run) -> tuple[tuple[str, str], ...]:
    """Rows of (what, value): command, data, layers, seed, versions."""
    model, metadata = run.model, run.model.metadata
    spec = model.spec.to_dict()
    spec["pairs"] = [" and ".join(each) for each in pair_names(model.spec, model.motif_names)]
    rows: list[tuple[str, str]] = []
    if run.folder is not None:
        rows.append(("folder", str(run.folder)))
    for name in ("command", "working_folder", "table", "validation_table", "motifs"):
        if metadata.get(name):
            rows.append((name.replace("_", " "), _text(metadata[name])))
    rows += _data_rows(metadata.get("data"))
    rows += [
        ("columns", _columns(model.table_columns)),
        ("unit of expression", model.unit or "not given: that of the table"),
        ("factors", f"{spec.pop('motif_count'):,}"),
    ]
    rows += [(name.replace("_", " "), _text(value)) for name, value in spec.items()]
    if LINK_PARAMETERS[model.spec.link]:
        values = {
            name: f"{float(model.parameters[name]):.4g}"
            for name in LINK_PARAMETERS[model.spec.link]
        }
        rows.append(("the link as trained", _text(values)))
    if model.spec.nucleosome:
        log_odds = float(model.parameters["nucleosome_log_odds"])
        rows.append(("log odds of a nucleosome as trained", f"{log_odds:.4g}"))
    if metadata.get("constant_ends"):
        rows.append(("constant ends found", _ends(metadata["constant_ends"])))
    if "seed" in metadata:
        rows.append(("seed", _text(metadata["seed"])))
    versions = metadata.get("versions")
    if isinstance(versions, Mapping):
        rows.append(("trained with", _text(versions)))
    return (*rows, ("report by", f"cisreg {__version__}"))


def _data_rows(record: Any) -> list[tuple[str, str]]:
    if not isinstance(record, Mapping):
        return []
    rows = []
    for role in ("training", "validation"):
        part = record.get(role)
        if isinstance(part, Mapping):
            digest = part.get("fingerprint")
            known = f", SHA-256 {digest}" if digest else ", streamed: no checksum"
            rows.append((f"rows of {role}", f"{counted(part.get('rows', 0), 'row')}{known}"))
    held_out = record.get("held_out")
    if isinstance(held_out, Mapping):
        given = {name: value for name, value in held_out.items() if value is not None}
        rows.append(("held out by", _text(given)))
    return rows


def _columns(columns: Mapping[str, Any]) -> str:
    return Columns(**columns).described if columns else "not known"


def _ends(ends: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{side}: {counted(end.get('bases', 0), 'base')} {end.get('sequence') or ''}".rstrip()
        for side, end in ends.items()
        if isinstance(end, Mapping)
    )


def _text(value: Any) -> str:
    """A JSON value as one line."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name}: {_text(each)}" for name, each in value.items() if each not in (None, [], {})
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
