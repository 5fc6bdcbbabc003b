"""The recipe that corresponds to a command line of CisRegModels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cisreg.legacy.arguments import OldCommand
from cisreg.losses import Penalty
from cisreg.number_text import parse_float
from cisreg.recipes import Recipe
from cisreg.training.schedules import Constant, ExponentialDecay, Schedule, TriangularCycle
from cisreg.training.stages import Stage, steps_per_epoch

# CisRegModels' defaults.
_BATCH, _MOTIF_WIDTH, _LEARNING_RATE, _RUNS = 1000, 20, 0.01, 1
_ADAM = {"adam_beta_1": 0.9, "adam_beta_2": 0.999, "adam_epsilon": 1e-8}
_RMSPROP = {"rmsprop_decay": 0.9, "rmsprop_epsilon": 1e-10}
# Steps per decay of its learning rate.
_DECAY_STEPS = 175


def make_recipe(old: OldCommand, notes: list[str], count_sequences: Callable[[], int]) -> Recipe:
    """Layers, penalties and the single stage of an old training command.

    Args:
        old: a command that trains a model.
        notes: differences from CisRegModels are added here.
        count_sequences: returns the number of sequences; called only if a schedule counts in steps.

    Raises:
        ValueError: options exclude each other or are out of range.

    Example:
        >>> make_recipe(parse_command("-i a -sl 110 -ntm"), [], lambda: 9000).stages
    """
    return Recipe(
        stages=(_stage(old, notes, count_sequences),),
        model=_layers(old, notes),
        motif_width=old["motif_width"] or _MOTIF_WIDTH,
        motif_flank=None,
        validation=0.0,
        penalty=_penalty(old, notes),
        # CisRegModels' learning rates, penalties and initial values are in the measurements' unit.
        standardize=False,
    )


def _layers(old: OldCommand, notes: list[str]) -> dict[str, Any]:
    positional, stranded = bool(old["positional"]), bool(old["stranded"])
    if positional != stranded:
        notes.append(
            f"{'-posa' if positional else '-stra'} without {'-stra' if positional else '-posa'} "
            "crashed in the original; here each works alone"
        )
    for option, name in (("-bl", "binding_limits"), ("-aisa", "accessibility_activity")):
        if old[name]:
            notes.append(f"{option}: the original crashed when it saved such a model")
    return {
        "binding": "expected" if old["expected_binding"] else "probability",
        "potentiation": bool(old["potentiation"]),
        "accessibility_activity": bool(old["accessibility_activity"]),
        "binding_limit": bool(old["binding_limits"]),
        "positional": positional,
        "stranded": stranded,
        # CisRegModels counts every window, and its files have no field for constant ends.
        "constant_ends": "keep",
    }


def _trainable(old: OldCommand) -> tuple[str, ...]:
    """Parameters to train: those of the layers, without those that -nt... options hold constant."""
    layers = {
        "potentiation": bool(old["potentiation"]),
        "potentiation_bias": bool(old["potentiation"]),
        "accessibility_activity": bool(old["accessibility_activity"]),
        "log_binding_limit": bool(old["binding_limits"]),
        "position_weight": bool(old["positional"]),
        "activity_difference": bool(old["stranded"]),
    }
    held = {
        "log_kd": old["hold_motifs"],
        "log_concentration": old["hold_concentrations"],
        "activity": old["hold_activities"],
        "potentiation": old["hold_potentiations"],
        "log_binding_limit": old["hold_binding_limits"],
    }
    names = ("log_kd", "log_concentration", "activity", *layers, "bias")
    return tuple(name for name in names if layers.get(name, True) and not held.get(name, 0))


def _penalty(old: OldCommand, notes: list[str]) -> Penalty:
    l1, l2, smooth = old["l1"] or 0.0, old["l2"] or 0.0, old["l2_positional"] or 0.0
    if l1:
        notes.append("-l1: the original crashed where it logged this penalty (-v -v and more)")
    if l1 and (old["stranded"] or old["positional"] or old["accessibility_activity"]):
        notes.append(
            "-l1 also counted activity differences, weights of the first position and the "
            "activity of accessibility; here the activities of both strands count alike, and the "
            "others do not"
        )
    if smooth and old["positional"]:
        notes.append(
            "-l2Pos squared the steps between positions on the reverse strand alone and took their "
            "size on the forward one; here both are squared"
        )
    return Penalty(
        activity_l1=l1,
        potentiation_l1=l1 if old["potentiation"] else 0.0,
        motif_l2=0.0 if old["hold_motifs"] else l2,
        # CisRegModels penalizes half the sum of squares, cisreg the sum.
        position_smoothness=smooth / 2 if old["positional"] else 0.0,
    )


def _stage(old: OldCommand, notes: list[str], count_sequences: Callable[[], int]) -> Stage:
    batch = old["batch"] or _BATCH
    rate, schedule = _schedule(old, notes, lambda: steps_per_epoch(count_sequences(), batch))
    return Stage(
        trainable=_trainable(old),
        epochs=old["runs"] or _RUNS,
        learning_rate=rate,
        schedule=schedule,
        batch_size=batch,
        **_optimizer(old, notes),
    )


def _optimizer(old: OldCommand, notes: list[str]) -> dict[str, Any]:
    if old["momentum_optimizer"] and old["rmsprop"]:
        raise ValueError("-mo, -rms: expected one of them, got both")
    momentum = old["momentum"] or 0.0
    if old["momentum_optimizer"] or old["rmsprop"]:
        notes.append(
            f"{'-mo' if old['momentum_optimizer'] else '-rms'}: the original crashed with it "
            "under Python 3"
        )
    if old["momentum_optimizer"]:
        return {"optimizer": "sgd", "momentum": momentum, "nesterov": _nesterov(old, notes)}
    if old["rmsprop"]:
        given = _given(old, _RMSPROP)
        return {
            "optimizer": "rmsprop",
            "momentum": momentum,
            "rho": given["rmsprop_decay"],
            "epsilon": given["rmsprop_epsilon"],
        }
    given = _given(old, _ADAM)
    return {
        "optimizer": "adam",
        "beta_1": given["adam_beta_1"],
        "beta_2": given["adam_beta_2"],
        "epsilon": given["adam_epsilon"],
    }


def _nesterov(old: OldCommand, notes: list[str]) -> bool:
    if old["nesterov"] and not old["momentum"]:
        notes.append("-mon: without -mom there is no momentum for it to act on")
    return bool(old["nesterov"] and old["momentum"])


def _given(old: OldCommand, defaults: dict[str, float]) -> dict[str, float]:
    return {name: value if old[name] is None else old[name] for name, value in defaults.items()}


def _schedule(
    old: OldCommand, notes: list[str], steps: Callable[[], int]
) -> tuple[float, Schedule]:
    """The learning rate where the schedule's factor is 1, and the schedule."""
    rate = _LEARNING_RATE if old["learning_rate"] is None else old["learning_rate"]
    cycle, decay = old["learning_rate_cycle"], old["learning_rate_decay"]
    if cycle is not None:
        notes.append("-clr: the original computed this cycle and never used it")
        low, high, period = _cycle(cycle)
        # Its period is half a cycle, in steps.
        return high, TriangularCycle(low=low / high, epochs=2 * period / steps())
    if decay is not None and decay != 1.0:
        notes.append("-lred: the original computed this decay and never used it")
        return rate, ExponentialDecay(rate=decay, epochs=_DECAY_STEPS / steps())
    return rate, Constant()


def _cycle(text: str) -> tuple[float, float, float]:
    try:
        low, high, period = map(parse_float, text.split(","))
    except ValueError:
        low = high = period = 0.0
    if not (0 <= low < high and period > 0):
        raise ValueError(
            f"-clr: expected LOW,HIGH,PERIOD, two learning rates and a number of steps, got {text}"
        )
    return low, high, period
