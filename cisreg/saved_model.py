"""Writes trained models as SavedModels: for TensorFlow's servers, C and C++, TFLite and ONNX."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from cisreg.devices import for_any_device
from cisreg.files import replace_file
from cisreg.occupancy import Implementation
from cisreg.prediction import predicted, scanned_columns
from cisreg.reference import hold_columns
from cisreg.saved_model_folder import DESCRIPTION, check_saved_model_folder, fill_saved_model_folder
from cisreg.sequence_codes import sequence_codes
from cisreg.spec import check_finite
from cisreg.storage import description_text, model_description
from cisreg.trained_model import Model


def export_saved_model(
    folder: str | os.PathLike[str],
    model: Model,
    *,
    standard_ops: bool = False,
    overwrite: bool = False,
) -> None:
    """Writes a model as a SavedModel, which TensorFlow loads without the code that made it.

    It computes what `Model.predict` does. Its signatures:

    - `serving_default`: of `sequence`, string [N], `expression` [N] and `accessibility` [N];
    - `binding`: the same, and `binding` [N, 2, M];
    - `codes`: of `codes`, uint8 [N, L] base codes, what `serving_default` gives;
    - `codes_binding`: of `codes`, what `binding` gives.

    Of a model of T outputs, `expression` and `accessibility` are [N, T], and `binding` is
    [N, T, 2, M], in the order of `output_names` in assets/model.json.

    Text is read as `Model.predict` reads it: sequences that are shorter or longer than the model's
    are padded or trimmed on the side of the training sequences, upper and lower case are alike,
    and letters that are no nucleotide codes are an error that names the row. Outputs are float32.
    `accessibility` is there if the model has that layer; `binding` is the
    accessible binding of each motif to each strand (0 forward, 1 reverse complement). The file
    assets/model.json holds the spec, the names of the motifs in the order of `binding`, units, and
    the origin of the model. The loaded object has the parameters as variables, by name:
    `loaded.parameters["log_kd"]`. The columns of motifs that training could not change have no
    gradient there either.

    A new folder appears when it is complete. In a folder that exists, the files get their names
    together, and others in it stay.

    Args:
        folder: where it is written, created if missing.
        model: the model.
        standard_ops: scan motifs by standard TensorFlow operations, so that programs can load it
            that do not have cisreg's operation; it is several times slower, needs memory for every
            site, and its predictions differ by rounding.
        overwrite: whether the files of an earlier export may be replaced.

    Raises:
        FileExistsError: one of the files exists, and `overwrite` is False.
        ValueError: a parameter is not finite, or something in the folder is no file of an export.
        LibraryError: the compiled operation does not load, and `standard_ops` is False.

    Example:
        >>> cisreg.export_saved_model("served/1", model)  # doctest: +SKIP
        >>> loaded = tf.saved_model.load("served/1")  # doctest: +SKIP
        >>> loaded.signatures["codes"](codes=codes)["expression"]  # doctest: +SKIP
    """
    check_finite(model.parameters, model.motif_names)
    check_saved_model_folder(folder, overwrite=overwrite)
    module = _Exported(model, "standard" if standard_ops else "fused")
    with fill_saved_model_folder(folder, overwrite=overwrite) as beside:
        _save(beside, module, _description(model, standard_ops))


class _Exported(tf.Module):
    """What is saved: parameters as variables, and functions of codes."""

    def __init__(self, model: Model, implementation: Implementation):
        super().__init__(name="cisreg")
        self._spec, self._columns = model.spec, model.column_range
        self._padding_side = model.padding_side
        self._implementation: Implementation = implementation
        self.parameters = {
            name: tf.Variable(model.parameters[name], name=name)
            for name in model.spec.parameter_shapes
        }

    def signatures(self) -> dict[str, Any]:
        """The functions that are saved, by the names of their signatures."""
        sequence = tf.TensorSpec([None], tf.string, name="sequence")
        codes = tf.TensorSpec([None, self._spec.sequence_length], tf.uint8, name="codes")

        def of_text(binding: bool) -> Any:
            def predict(sequence: tf.Tensor) -> dict[str, tf.Tensor]:
                length = self._spec.sequence_length
                encoded = sequence_codes(sequence, length, side=self._padding_side)
                return self._predict(encoded.codes, binding)

            return tf.function(predict, input_signature=[sequence], autograph=False)

        def of_codes(binding: bool) -> Any:
            def predict(codes: tf.Tensor) -> dict[str, tf.Tensor]:
                return self._predict(codes, binding)

            return tf.function(predict, input_signature=[codes], autograph=False)

        return {
            "serving_default": of_text(False),
            "binding": of_text(True),
            "codes": of_codes(False),
            "codes_binding": of_codes(True),
        }

    def _predict(self, codes: tf.Tensor, binding: bool) -> dict[str, tf.Tensor]:
        spec = self._spec
        # Servers and programs in C feed any shape: TensorFlow compares it with the signature in
        # Python only.
        codes = tf.ensure_shape(codes, [None, spec.sequence_length])
        if self._implementation == "standard":
            # TFLite and ONNX Runtime have few operations on uint8.
            codes = tf.cast(codes, tf.int32)
        parameters: dict[str, Any] = dict(self.parameters)
        if self._columns is not None:
            parameters["log_kd"] = hold_columns(
                tf.convert_to_tensor(parameters["log_kd"]), tf.constant(self._columns)
            )
        return predicted(
            *(spec, parameters, codes),
            column_range=scanned_columns(spec, self._columns),
            binding=binding,
            implementation=self._implementation,
        )


def _description(model: Model, standard_ops: bool) -> dict[str, Any]:
    """What assets/model.json says: what model this is, and what goes in and comes out."""
    kinds = {"expected": "bound sites", "probability": "probability of at least one bound site"}
    rows = ["sequence", *(["output_names"] if model.output_names else [])]
    outputs = {
        "expression": {"axes": rows, "unit": model.unit},
        "accessibility": {"axes": rows, "unit": "accessible fraction, 0 to 1"},
        "binding": {
            "axes": [*rows, "strand: forward, reverse complement", "motif_names"],
            "unit": f"{kinds[model.spec.binding]}, times accessibility",
        },
    }
    if not model.spec.potentiation:
        del outputs["accessibility"]
    return {
        **model_description(model),
        "operations": "standard" if standard_ops else "fused",
        "inputs": {
            "sequence": {
                "axes": ["sequence"],
                "letters": "DNA in upper or lower case; others than A, C, G, T and U are unknown",
                "length": model.spec.sequence_length,
                "padding_side": model.padding_side,
            },
            "codes": {
                "axes": ["sequence", "base"],
                "codes": ["A", "C", "G", "T", "unknown or padding"],
                "length": model.spec.sequence_length,
            },
        },
        "outputs": outputs,
    }


def _save(folder: Path, module: _Exported, description: dict[str, Any]) -> None:
    """Has TensorFlow write a SavedModel into a folder, with the description as an asset."""
    # TensorFlow copies it into assets, by its name.
    asset = folder.with_name(DESCRIPTION)
    _write(asset, description)
    module.description = tf.saved_model.Asset(str(asset))
    with for_any_device(), _without_notices():
        tf.saved_model.save(module, str(folder), signatures=module.signatures())
    # Programs in C look tensors up by name; which names they have is known now.
    _write(folder / "assets" / DESCRIPTION, {**description, "signatures": _signatures_in(folder)})


@contextmanager
def _without_notices() -> Iterator[None]:
    """Within it TensorFlow does not tell where it writes: the folder gets its name later."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def _write(path: Path, description: Mapping[str, Any]) -> None:
    with replace_file(path) as file:
        file.write(description_text(description))


def _signatures_in(folder: Path) -> dict[str, Any]:
    """The signatures of a SavedModel: inputs and outputs, each with the name of its tensor."""
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    return {
        name: {
            "inputs": {key: value.name for key, value in sorted(each.inputs.items())},
            "outputs": {key: value.name for key, value in sorted(each.outputs.items())},
        }
        for name, each in sorted(saved.meta_graphs[0].signature_def.items())
        if not name.startswith("__")
    }
