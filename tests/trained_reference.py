"""The trained models that lie beside the repository, read from the original's own files."""

from __future__ import annotations

import gzip

import numpy as np
import tensorflow as tf
from shared_data import shared_data

from cisreg.model import ModelSpec

MOTIFS, WIDTH, LENGTH = 250, 30, 110


def positional_stranded() -> tuple[ModelSpec, dict[str, np.ndarray]]:
    """The model of all three stages, from its text files."""
    folder = shared_data("trained_reference")
    spec = ModelSpec(MOTIFS, WIDTH, LENGTH, stranded=True, positional=True)
    lines = (folder / "positional_stranded.params").read_text().splitlines()
    (_, _, bias, potentiation_bias, _), *motifs = (line.split("\t") for line in lines[1:])
    _, log_concentration, activity, potentiation, difference = np.array(motifs, np.float32).T
    lines = (folder / "positional_stranded.pkdms").read_text().splitlines()
    rows = [line.split("\t") for line in lines if line.split("\t")[0] in ("#A", "#C", "#G", "#T")]
    log_kd = np.array([row[1:] for row in rows], np.float32).reshape(MOTIFS, 4, WIDTH)
    with gzip.open(folder / "positional_stranded.positional.gz", "rt") as file:
        weights = np.loadtxt(file, np.float32, skiprows=1, usecols=(2, 3))
    return spec, {
        "log_kd": log_kd.transpose(2, 1, 0),
        "log_concentration": log_concentration,
        "potentiation": potentiation,
        "potentiation_bias": np.float32(potentiation_bias),
        "position_weight": weights.reshape(MOTIFS, LENGTH, 2).transpose(2, 1, 0),
        "activity": activity,
        "activity_difference": difference,
        "bias": np.float32(bias),
    }


def second_stage() -> tuple[ModelSpec, dict[str, np.ndarray]]:
    """The model after two stages, from its checkpoint."""
    reader = tf.train.load_checkpoint(str(shared_data("trained_reference") / "stage2.ckpt"))
    return ModelSpec(MOTIFS, WIDTH, LENGTH), {
        "log_kd": reader.get_tensor("motifs").transpose(1, 0, 2),
        "log_concentration": reader.get_tensor("concentrations").ravel(),
        "potentiation": reader.get_tensor("potents"),
        "potentiation_bias": reader.get_tensor("constantPot")[0],
        "activity": reader.get_tensor("activities"),
        "bias": reader.get_tensor("constant")[0],
    }


def predictions() -> np.ndarray:
    """What the original software predicts with `positional_stranded`, float64 [9982]."""
    with gzip.open(shared_data("trained_reference") / "positional_stranded.pred.gz", "rt") as file:
        return np.loadtxt(file, skiprows=1, usecols=1)
