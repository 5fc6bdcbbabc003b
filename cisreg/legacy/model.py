"""Import of models from CisRegModels, and export to it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from cisreg.file_checks import check_outputs
from cisreg.files import publish_together
from cisreg.legacy.text import (
    DATA,
    INDEX,
    META,
    PARAMS,
    PKDMS,
    POSITIONAL,
    SAVED_MODEL,
    Arrays,
    read_params,
    read_pkdms,
    read_positional,
    write_params,
    write_pkdms,
    write_positional,
)
from cisreg.motifs import MotifSet
from cisreg.outputs import check_one_output
from cisreg.spec import Binding, ModelSpec, check_finite
from cisreg.spline import spline_basis
from cisreg.trained_model import Model

_Fact = TypeVar("_Fact")

CHECKPOINT = ".ckpt"
# Parameters that each layer requires; the presence of the first one shows that a model has the
# layer.
_LAYERS = {
    "potentiation": ("potentiation", "potentiation_bias"),
    "accessibility_activity": ("accessibility_activity",),
    "binding_limit": ("log_binding_limit",),
    "positional": ("position_weight",),
    "stranded": ("activity_difference",),
}


class LegacyParameters(NamedTuple):
    """Parameters and properties read from the files of a CisRegModels model.

    Attributes:
        arrays: float32 arrays by our names, as far as the files contain them.
        binding: how binding is computed; None if the files do not say.
        sequence_length: L; None if the files do not say.
    """

    arrays: Arrays
    binding: Binding | None
    sequence_length: int | None


def read_parameters(source: str | os.PathLike[str]) -> LegacyParameters:
    """Reads the parameters of a CisRegModels model from any of its output files.

    Args:
        source: one of
            PREFIX (or PREFIX.params): the text files PREFIX.params and, where they exist,
            PREFIX.pkdms and PREFIX.positional.gz;
            PREFIX.ckpt: a checkpoint, with PREFIX.ckpt.meta where it exists;
            PREFIX.Model: the folder of a SavedModel.

    Returns:
        The parameters, with binding and length if the files contain them.

    Raises:
        FileNotFoundError: none of these files exists.
        ValueError: a file is damaged, files belong to different models, or a parameter is not
            finite; the message names the file.

    Example:
        >>> read_parameters("model.APCM").arrays["log_kd"].shape  # doctest: +SKIP
        (30, 4, 250)
    """
    found = _read_parameters(os.fspath(source))
    try:
        check_finite(found.arrays)
    except ValueError as error:
        raise ValueError(f"{os.fspath(source)}: {error}") from None
    return found


def is_binary(source: str | os.PathLike[str]) -> bool:
    """Whether these are not text but a checkpoint or SavedModel, which TensorFlow reads.

    Example:
        >>> is_binary("no model there")
        False
    """
    path = os.fspath(source)
    return (Path(path) / SAVED_MODEL).is_file() or Path(_checkpoint(path) + INDEX).is_file()


def _checkpoint(path: str) -> str:
    return path.removesuffix(INDEX).removesuffix(META)


def _read_parameters(path: str) -> LegacyParameters:
    if is_binary(path):
        return _read_binary(path)
    prefix = path.removesuffix(PARAMS)
    if Path(prefix + PARAMS).is_file():
        arrays = _read_text(prefix)
        return LegacyParameters(arrays, None, _window_count(arrays))
    raise FileNotFoundError(
        f"{path}: expected PREFIX of PREFIX{PARAMS}, a checkpoint PREFIX{CHECKPOINT} or a folder "
        f"with {SAVED_MODEL}, found none of them; check the path"
    )


def _read_binary(path: str) -> LegacyParameters:
    from cisreg.legacy.checkpoint import read_checkpoint, read_saved_model

    if (Path(path) / SAVED_MODEL).is_file():
        arrays, graph = read_saved_model(path)
        return LegacyParameters(arrays, graph.binding, graph.sequence_length)
    arrays, facts = read_checkpoint(_checkpoint(path))
    if facts is not None:
        return LegacyParameters(arrays, facts.binding, facts.sequence_length)
    return LegacyParameters(arrays, None, _window_count(arrays))


def _read_text(prefix: str) -> Arrays:
    arrays = read_params(prefix + PARAMS)
    count = len(arrays["activity"])
    if Path(prefix + PKDMS).is_file():
        arrays["log_kd"] = read_pkdms(prefix + PKDMS)
        _check_count(prefix, PKDMS, arrays["log_kd"].shape[2], count)
    if Path(prefix + POSITIONAL).is_file():
        weight = arrays["position_weight"] = read_positional(prefix + POSITIONAL)
        _check_count(prefix, POSITIONAL, weight.shape[2], count)
        if (len(weight) == 2) != ("activity_difference" in arrays):
            raise ValueError(
                f"{prefix}{POSITIONAL}: expected {'two' if len(weight) == 1 else 'one'} column(s) "
                f"of weights, as {prefix}{PARAMS} has "
                f"{'a' if 'activity_difference' in arrays else 'no'} column activityDiffs, got "
                f"{len(weight)}; are both of one model?"
            )
    return arrays


def _check_count(prefix: str, suffix: str, count: int, expected: int) -> None:
    if count != expected:
        raise ValueError(
            f"{prefix}{suffix}: expected {expected} motifs as in {prefix}{PARAMS}, got {count}; "
            "are both of one model?"
        )


def _window_count(arrays: Arrays) -> int | None:
    """L, if there are position weights: CisRegModels scans as many windows as there are bases."""
    return arrays["position_weight"].shape[1] if "position_weight" in arrays else None


def import_model(
    source: str | os.PathLike[str],
    *,
    binding: Binding | None = None,
    sequence_length: int | None = None,
    motif_set: MotifSet | None = None,
    log_concentration: np.ndarray | None = None,
    motif_names: Sequence[str] | None = None,
) -> Model:
    """Reads a trained model of CisRegModels.

    Its layers are inferred from its parameters. Binding and sequence length must be given if the
    files do not contain them (those with a graph do), and must not contradict the files.

    Args:
        source: see `read_parameters`.
        binding: "expected" if CisRegModels was run with -eb, otherwise "probability".
        sequence_length: L, bases per sequence (-sl).
        motif_set: the motifs (-dm), for models that held them constant (-ntm) and therefore did not
            save them.
        log_concentration: float32 [M], the concentrations (-ic), for models that held them constant
            (-ntc).
        motif_names: M names; None: those of `motif_set`, otherwise motif_0, motif_1, ...

    Returns:
        The model.

    Raises:
        FileNotFoundError: there is no such model.
        ValueError: files are damaged or belong to different models, or something is missing; the
            message says how to give it.

    Example:
        >>> model = import_model("model.APCM", binding="expected", sequence_length=110)
    """
    found = read_parameters(source)
    name = os.fspath(source)
    arrays = dict(found.arrays)
    if "log_kd" not in arrays and motif_set is not None:
        arrays["log_kd"] = motif_set.log_kd
    if "log_concentration" not in arrays and log_concentration is not None:
        arrays["log_concentration"] = np.asarray(log_concentration, np.float32)
    _check_complete(name, arrays)
    layers: dict[str, Any] = {layer: names[0] in arrays for layer, names in _LAYERS.items()}
    told_length = _told(
        name, "sequence_length", found.sequence_length, sequence_length, "--length (-sl)"
    )
    told_binding: Binding = _told(
        name,
        "binding",
        found.binding,
        binding,
        "--binding expected where CisRegModels was run with -eb, --binding probability where not",
    )
    sizes = (len(arrays["activity"]), len(arrays["log_kd"]), told_length)
    try:
        spec = ModelSpec(*sizes, binding=told_binding, **layers)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    _check_shapes(name, spec, arrays)
    names = motif_names or (motif_set.names if motif_set else None) or ()
    rest = [f"motif_{index}" for index in range(len(names), spec.motif_count)]
    return Model(
        spec,
        {name: np.asarray(arrays[name], np.float32) for name in spec.parameter_shapes},
        (*names, *rest),
        {"imported_from": name, "padding_side": "left"},
    )


def _check_complete(name: str, arrays: Arrays) -> None:
    advice = {
        "log_kd": "the model held its motifs constant; give them with --motifs (-dm)",
        "log_concentration": "the model held them constant; give them with --concentrations (-ic)",
        "activity": "the model held them constant; import its SavedModel folder or its text files",
        "bias": "is it the checkpoint of a model?",
    }
    for parameter, hint in advice.items():
        if parameter not in arrays:
            raise ValueError(f"{name}: expected {parameter}, found none; {hint}")
    for layer, parameters in _LAYERS.items():
        missing = [each for each in parameters if each not in arrays]
        if missing and len(missing) < len(parameters):
            raise ValueError(
                f"{name}: expected {', '.join(parameters)} for the layer {layer}, found no "
                f"{', '.join(missing)}; import the SavedModel folder or the text files"
            )


def _told(name: str, what: str, found: _Fact | None, given: _Fact | None, how: str) -> _Fact:
    """The value from the files or, if they have none, from the caller; they must not differ."""
    if found is None and given is None:
        raise ValueError(f"{name}: expected {what}, which these files do not contain; give {how}")
    if found is not None and given is not None and found != given:
        raise ValueError(f"{name}: expected {what} {found}, as its files say, got {given}")
    fact = given if found is None else found
    assert fact is not None  # or the first error was raised
    return fact


def _check_shapes(name: str, spec: ModelSpec, arrays: Arrays) -> None:
    for parameter, shape in spec.parameter_shapes.items():
        if arrays[parameter].shape != shape:
            raise ValueError(
                f"{name}: expected {parameter} of shape {shape} beside {spec.motif_count} "
                f"activities, got {arrays[parameter].shape}; are all files of one model?"
            )


def export_model(
    prefix: str | os.PathLike[str],
    model: Model,
    *,
    checkpoint: bool = False,
    overwrite: bool = False,
) -> list[str]:
    """Writes a model in the files of CisRegModels.

    The files get their names together, when all of them are on disk.

    Args:
        prefix: PREFIX of PREFIX.params, PREFIX.pkdms and, with position weights,
            PREFIX.positional.gz.
        model: the model; position weights on knots are written for each position.
        checkpoint: also write the checkpoint PREFIX.ckpt, which has full float32 precision and can
            be restored with CisRegModels' option -res.
        overwrite: replace the files of an earlier model; those that the new one does not have are
            deleted.

    Returns:
        The paths of the files written.

    Raises:
        ValueError: CisRegModels has no such model: `padding="valid"`, constant ends, positional
            potentiation, competition, pairs, several outputs, or a link; a number is not finite, or
            a binding limit beyond float32; or the prefix has a checkpoint of an earlier model,
            which would stay beside the new files.
        FileExistsError: there are such files, and `overwrite` is False.
        OSError: a file cannot be written.

    Example:
        >>> export_model("model.APCM", cisreg.load_model("model"))  # doctest: +SKIP
    """
    check_one_output(model)
    if model.spec.padding != "same":
        raise ValueError(
            f'padding: expected "same", as CisRegModels pads, got {model.spec.padding!r}; train '
            "the model with it to export it"
        )
    if model.spec.has_span:
        raise ValueError(
            "constant_ends: expected a model in which every window counts, as in CisRegModels, got "
            f"{model.spec.constant_ends!r} with ends of {model.spec.constant_left} and "
            f"{model.spec.constant_right} bases; train it with --constant-ends keep to export it"
        )
    if model.spec.positional_potentiation:
        raise ValueError(
            "positional_potentiation: expected a model without it, since CisRegModels has no "
            "position weights of potentiation, got one with it; train the model without it to "
            "export it"
        )
    if model.spec.competition:
        raise ValueError(
            "competition: expected a model without it, since the sites of CisRegModels are "
            "independent, got one with it; train the model without it to export it"
        )
    if model.spec.pairs:
        raise ValueError(
            "pairs: expected a model without them, since the factors of CisRegModels act alone, "
            f"got {len(model.spec.pairs)}; train the model without them to export it"
        )
    if model.spec.link != "identity":
        raise ValueError(
            'link: expected "identity", the only one of CisRegModels, got '
            f"{model.spec.link!r}; train the model with it to export it"
        )
    stem = os.fspath(prefix)
    _check_files(stem, checkpoint, overwrite)
    if checkpoint:
        from cisreg.legacy.checkpoint import write_checkpoint
    arrays = _for_each_window(model.spec, model.parameters)
    check_finite(arrays, model.motif_names)
    _check_limits(arrays)
    written = [stem + PARAMS, stem + PKDMS]
    # A file left by an earlier model would be read as part of this one.
    with publish_together([] if "position_weight" in arrays else [stem + POSITIONAL]):
        write_params(stem + PARAMS, arrays, overwrite=overwrite)
        write_pkdms(stem + PKDMS, arrays["log_kd"], overwrite=overwrite)
        if "position_weight" in arrays:
            write_positional(stem + POSITIONAL, arrays["position_weight"], overwrite=overwrite)
            written.append(stem + POSITIONAL)
        if checkpoint:
            write_checkpoint(stem + CHECKPOINT, arrays, overwrite=overwrite)
            written.append(stem + CHECKPOINT)
    return written


def _check_limits(arrays: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError for a binding limit that float32 cannot hold: it could not be read back."""
    log_limits = arrays.get("log_binding_limit", np.zeros(0))
    with np.errstate(over="ignore"):
        limits = np.exp(log_limits.astype(np.float64)).astype(np.float32)
    bad = np.flatnonzero(~(np.isfinite(limits) & (limits > 0)))
    if bad.size:
        raise ValueError(
            "log_binding_limit: expected the logarithm of a number that CisRegModels' float32 can "
            f"hold, about -87 to 88, got {log_limits[bad[0]]:g} at {bad[:1].tolist()} ({bad.size} "
            "such)"
        )


def _check_files(stem: str, checkpoint: bool, overwrite: bool) -> None:
    """Raises an error if a file of an earlier model may not be replaced, or would stay."""
    own = [stem + CHECKPOINT + ending for ending in (INDEX, META, DATA)]
    texts = [stem + ending for ending in (PARAMS, PKDMS, POSITIONAL)]
    check_outputs([*texts, *own], overwrite=overwrite)
    if not checkpoint and (left := [path for path in own if os.path.lexists(path)]):
        raise ValueError(
            f"{left[0]}: expected no checkpoint of an earlier model, which would stay beside the "
            "new files; give --checkpoint (checkpoint=True) to replace it too, or another prefix"
        )


def _for_each_window(
    spec: ModelSpec, parameters: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    arrays = dict(parameters)
    if spec.position_knots is not None:
        basis = spline_basis(spec.window_count, spec.position_knots)
        with np.errstate(over="ignore", invalid="ignore"):  # checked by the caller
            arrays["position_weight"] = basis @ arrays["position_weight"]
    return arrays
