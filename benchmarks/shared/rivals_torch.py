"""The same law in PyTorch; see `rivals`."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.shared.rivals import LEARNING_RATE, EpochEnd, Functions, initial_parameters

if TYPE_CHECKING:
    from benchmarks.shared.problem import Problem

Parameters = dict[str, torch.Tensor]


def _occupancy(
    sequence: torch.Tensor,
    log_kd: torch.Tensor,
    log_concentration: torch.Tensor,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Windows times motifs as one matrix product, then the sigmoid; [N, L] to [N, 2, M].

    On CPUs faster than conv1d and conv2d, in either layout, eager and compiled.
    """
    width, _, motif_count = log_kd.shape
    one_hot = torch.eye(5, 4, dtype=dtype, device=sequence.device)[sequence.int()]
    one_hot = torch.nn.functional.pad(one_hot, (0, 0, (width - 1) // 2, width // 2))
    windows = one_hot.unfold(1, width, 1).reshape(-1, 4 * width)
    both_strands = torch.cat([log_kd, log_kd.flip(0, 1)], dim=2)
    energies = both_strands.transpose(0, 1).reshape(4 * width, 2 * motif_count)
    logit = torch.addmm(
        log_concentration.repeat(2).to(dtype), windows, energies.to(dtype), alpha=-1
    )
    occupied = torch.sigmoid(logit).unflatten(0, sequence.shape)
    return occupied.sum(dim=1, dtype=torch.float32).unflatten(1, (2, -1))


def _loss(
    parameters: Parameters, sequence: torch.Tensor, expression: torch.Tensor, dtype: torch.dtype
) -> torch.Tensor:
    bound = _occupancy(sequence, parameters["log_kd"], parameters["log_concentration"], dtype)
    binding = bound.sum(dim=1)
    signal = parameters["potentiation_bias"] + binding @ parameters["potentiation"]
    accessibility = torch.sigmoid(signal)
    predicted = parameters["bias"] + accessibility * (binding @ parameters["activity"])
    return torch.nn.functional.mse_loss(predicted, expression)


def _functions(
    problem: Problem, occupancy: Callable[..., torch.Tensor], loss: Callable[..., torch.Tensor]
) -> Functions:
    # Gradients of weak sites are subnormal numbers, with which steps take three times as long.
    torch.set_flush_denormal(True)
    torch.set_num_threads(_cores())
    dtype = getattr(torch, problem.dtype)
    sequence = torch.from_numpy(problem.sequence)
    parameters = [torch.from_numpy(problem.log_kd), torch.from_numpy(problem.log_concentration)]
    watched = [parameter.clone().requires_grad_() for parameter in parameters]

    def forward() -> np.ndarray:
        with torch.inference_mode():
            return occupancy(sequence, *parameters, dtype).numpy()

    def forward_backward() -> list[np.ndarray]:
        total = (occupancy(sequence, *watched, dtype) ** 2).sum()
        return [gradient.numpy() for gradient in torch.autograd.grad(total, watched)]

    def train(epochs: int, at_epoch_end: EpochEnd) -> list[float]:
        return _train(problem, loss, epochs, at_epoch_end)

    return Functions(forward, forward_backward, train)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _train(
    problem: Problem,
    loss: Callable[..., torch.Tensor],
    epochs: int,
    at_epoch_end: EpochEnd,
) -> list[float]:
    parameters = {
        name: torch.from_numpy(np.array(value)).requires_grad_()
        for name, value in initial_parameters(problem).items()
    }
    optimizer = torch.optim.Adam(parameters.values(), LEARNING_RATE, fused=True)
    sequence, expression = torch.from_numpy(problem.sequence), torch.from_numpy(problem.expression)
    dtype, batch, seconds = getattr(torch, problem.dtype), problem.batch, []
    for _ in range(epochs):
        began = time.perf_counter()
        for start in range(0, len(sequence) - batch + 1, batch):
            rows = slice(start, start + batch)
            optimizer.zero_grad()
            value = loss(parameters, sequence[rows], expression[rows], dtype)
            value.backward()
            optimizer.step()
            value.item()
        seconds.append(time.perf_counter() - began)
        at_epoch_end()
    return seconds


def eager(problem: Problem) -> Functions:
    """PyTorch as it runs by itself."""
    return _functions(problem, _occupancy, _loss)


@functools.cache
def _compiled(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    return torch.compile(function, dynamic=False)


def compiled(problem: Problem) -> Functions:
    """PyTorch through torch.compile."""
    return _functions(problem, _compiled(_occupancy), _compiled(_loss))


class OnGpu:
    """The same law on the first GPU, timed by events of its stream.

    Raises:
        RuntimeError: PyTorch finds no GPU.
    """

    def __init__(self) -> None:
        if not torch.cuda.is_available():
            raise RuntimeError("PyTorch finds no GPU")

    def describe(self) -> dict[str, str]:
        """Versions."""
        return {"torch": torch.__version__, "torch_cuda": str(torch.version.cuda)}

    def sums(self, arguments: dict[str, np.ndarray], *, tf32: bool) -> np.ndarray:
        """Expected occupancy [N, 2, M]."""
        torch.backends.cuda.matmul.allow_tf32 = tf32
        with torch.inference_mode():
            return _occupancy(*_on_gpu(arguments), torch.float32).cpu().numpy()

    def time(
        self,
        arguments: dict[str, np.ndarray],
        task: str,
        repeats: int,
        *,
        dtype: str = "float32",
        tf32: bool = False,
        compiled: bool = False,
    ) -> list[float]:
        """Milliseconds of each call of "forward" or "forward_backward", after one that compiles."""
        torch.backends.cuda.matmul.allow_tf32 = tf32
        sequence, *parameters = _on_gpu(arguments)
        occupancy = _compiled(_occupancy) if compiled else _occupancy
        watched = [parameter.requires_grad_() for parameter in parameters]

        def call() -> object:
            if task == "forward":
                with torch.inference_mode():
                    return occupancy(sequence, *parameters, getattr(torch, dtype))
            total = (occupancy(sequence, *watched, getattr(torch, dtype)) ** 2).sum()
            return torch.autograd.grad(total, watched)

        call()
        events = [
            tuple(torch.cuda.Event(enable_timing=True) for _ in range(2)) for _ in range(repeats)
        ]
        for begin, end in events:
            begin.record()
            call()
            end.record()
        torch.cuda.synchronize()
        return [begin.elapsed_time(end) for begin, end in events]


def _on_gpu(arguments: dict[str, np.ndarray]) -> list[torch.Tensor]:
    names = ("sequence", "log_kd", "log_concentration")
    return [torch.from_numpy(arguments[name]).cuda() for name in names]
