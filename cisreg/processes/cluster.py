"""The number of this process among those that train together, from TF_CONFIG or Slurm."""

from __future__ import annotations

import json
import os

TF_CONFIG = "TF_CONFIG"
_SLURM_VARIABLE = "SLURM_PROCID"


def this_worker(strategy: str = "auto") -> int:
    """The number of this process among those that train together; 0 is the chief.

    Args:
        strategy: "slurm": the number of the Slurm task; "none" or "mirrored": 0, as this process
            trains alone; otherwise from TF_CONFIG, or 0 without it.

    Raises:
        ValueError: TF_CONFIG is invalid, or with "slurm" this is not a Slurm task.

    Example:
        >>> this_worker()
        0
    """
    if strategy == "slurm":
        task = os.environ.get(_SLURM_VARIABLE, "")
        if not task.isdecimal():
            raise ValueError(
                f"strategy: expected a Slurm task with 'slurm', got {_SLURM_VARIABLE}={task!r}; "
                "start it with srun"
            )
        return int(task)
    if strategy in ("none", "mirrored"):
        return 0
    text = os.environ.get(TF_CONFIG)
    if not text:
        return 0
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        chiefs = len(cluster.get("chief", ()))
        return int(task.get("index", 0)) + (0 if task.get("type") == "chief" else chiefs)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{TF_CONFIG}: expected JSON with cluster and task, got {text!r} ({error}); see "
            "docs/scaling.md"
        ) from None


def cluster_size() -> int:
    """Number of processes in TF_CONFIG; 1 without it.

    Example:
        >>> cluster_size()
        1
    """
    text = os.environ.get(TF_CONFIG)
    if not text:
        return 1
    this_worker()  # raises if TF_CONFIG is invalid
    jobs = json.loads(text).get("cluster", {})
    return max(1, sum(len(addresses) for addresses in jobs.values()))
