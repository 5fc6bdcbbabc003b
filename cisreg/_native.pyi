"""Types of the compiled module.

`cuda_devices` is always there; it gives an empty list without a GPU, a driver or a CUDA build. The
other functions of CUDA are there where the kernels were built: `build_info()["cuda"]` is not "off".
They copy to the device, launch on a stream of their own and copy back; RuntimeError is CUDA's.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Buffer = bytes | memoryview

def build_info() -> dict[str, str]: ...

class PairSurvey:
    @property
    def pairs(self) -> int: ...
    @property
    def pairs_by_overlap(self) -> list[int]: ...
    @property
    def compared(self) -> int: ...
    @property
    def different(self) -> int: ...
    @property
    def extra_error(self) -> float: ...

def survey_pairs(
    forward: Buffer,
    reverse: Buffer,
    *,
    overlap: int,
    slack: int,
    minimum_overlap: int,
    minimum_identity: float,
) -> PairSurvey: ...
def merge_pairs(
    forward: Buffer,
    reverse: Buffer,
    *,
    overlap: int,
    slack: int,
    minimum_overlap: int,
    minimum_identity: float,
    minimum_length: int,
    maximum_unknown: int,
    format: str,
    survey: PairSurvey | None = None,
) -> tuple[bytes, dict[str, int], tuple[str, int, int] | None]: ...
def encode(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    length: int,
    pad_left: bool,
    rows: NDArray[np.int64] | None = None,
    out: NDArray[np.uint8] | None = None,
) -> tuple[NDArray[np.uint8], int, int]: ...
def sequence_faults(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.uint8]: ...
def sequence_hashes(codes: NDArray[np.uint8], seed: int) -> NDArray[np.uint64]: ...
def text_hashes(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], seed: int
) -> NDArray[np.uint64]: ...
def encode_fasta(
    text: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    begin: int,
    filled: int,
    place: int,
    masked_unknown: bool,
) -> tuple[int, int, int, int, int, list[tuple[int, int, int, int]]]: ...
def format_one_hot(
    label_data: NDArray[np.uint8], label_offsets: NDArray[np.int64], codes: NDArray[np.uint8]
) -> bytes: ...
def format_lines(
    columns: list[NDArray[Any] | tuple[NDArray[np.int32], list[bytes]]],
    after: list[bytes],
    count: int,
) -> bytes: ...
def parse_one_hot(text: bytes, length: int) -> dict[str, Any]: ...
def cluster_parents(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    candidates: NDArray[np.uint32],
    *,
    differences: int,
    threads: int = 1,
    progress: Callable[[float], None] | None = None,
) -> tuple[NDArray[np.int64], int, int]: ...
def edit_distance(a: str, b: str, limit: int) -> int: ...
def instruction_sets() -> list[str]: ...
def selected_instruction_set() -> str: ...
def occupancy_forward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    position_weight: NDArray[np.float32] | None = None,
    *,
    column_range: NDArray[np.int32] | None = None,
    span: NDArray[np.int32] | None = None,
    length: NDArray[np.int32] | None = None,
    condition: NDArray[np.int32] | None = None,
    reduction: str = "expected",
    padding: str = "same",
    compute_dtype: str = "float32",
    instruction_set: str = "",
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]: ...
def occupancy_backward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    position_weight: NDArray[np.float32] | None,
    bound_gradient: NDArray[np.float32],
    weighted_gradient: NDArray[np.float32] | None = None,
    *,
    column_range: NDArray[np.int32] | None = None,
    span: NDArray[np.int32] | None = None,
    length: NDArray[np.int32] | None = None,
    condition: NDArray[np.int32] | None = None,
    reduction: str = "expected",
    padding: str = "same",
    compute_dtype: str = "float32",
    instruction_set: str = "",
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]: ...
def exclusive_forward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    position_weight: NDArray[np.float32] | None = None,
    *,
    column_range: NDArray[np.int32] | None = None,
    footprint: NDArray[np.int32] | None = None,
    competitor_width: NDArray[np.int32] | None = None,
    competitor_log_odds: NDArray[np.float32] | None = None,
    span: NDArray[np.int32] | None = None,
    length: NDArray[np.int32] | None = None,
    padding: str = "same",
    competitor_sites: bool = False,
    instruction_set: str = "",
    threads: int = 1,
) -> tuple[
    NDArray[np.float32],
    NDArray[np.float32] | None,
    NDArray[np.float32],
    NDArray[np.float32] | None,
    NDArray[np.float32] | None,
]: ...
def exclusive_backward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    position_weight: NDArray[np.float32] | None,
    bound_gradient: NDArray[np.float32],
    weighted_gradient: NDArray[np.float32] | None,
    log_partition_gradient: NDArray[np.float32],
    competitor_gradient: NDArray[np.float32] | None = None,
    *,
    column_range: NDArray[np.int32] | None = None,
    footprint: NDArray[np.int32] | None = None,
    competitor_width: NDArray[np.int32] | None = None,
    competitor_log_odds: NDArray[np.float32] | None = None,
    span: NDArray[np.int32] | None = None,
    length: NDArray[np.int32] | None = None,
    padding: str = "same",
    instruction_set: str = "",
    threads: int = 1,
) -> tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.float32] | None,
    NDArray[np.float32] | None,
]: ...
def pair_forward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    effect: NDArray[np.float32],
    pair: NDArray[np.int32],
    *,
    distance: int,
    column_range: NDArray[np.int32] | None = None,
    span: NDArray[np.int32] | None = None,
    padding: str = "same",
    instruction_set: str = "",
    threads: int = 1,
) -> NDArray[np.float32]: ...
def pair_backward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    effect: NDArray[np.float32],
    pair: NDArray[np.int32],
    score_gradient: NDArray[np.float32],
    *,
    distance: int,
    column_range: NDArray[np.int32] | None = None,
    span: NDArray[np.int32] | None = None,
    padding: str = "same",
    instruction_set: str = "",
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]: ...
def mutation_sums(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    bound_factor: NDArray[np.float32],
    acting_factor: NDArray[np.float32],
    position_weight: NDArray[np.float32] | None = None,
    *,
    column_range: NDArray[np.int32] | None = None,
    span: NDArray[np.int32] | None = None,
    reduction: str = "expected",
    padding: str = "same",
    instruction_set: str = "",
    threads: int = 1,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def mutation_changes(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    position_weight: NDArray[np.float32] | None = None,
    *,
    column_range: NDArray[np.int32] | None = None,
    span: NDArray[np.int32] | None = None,
    reduction: str = "expected",
    padding: str = "same",
    instruction_set: str = "",
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]: ...
def cuda_devices() -> list[dict[str, Any]]: ...
def cuda_limits(device: int = 0) -> tuple[int, int, int]: ...
def cuda_refusal(
    limits: tuple[int, int, int],
    sizes: tuple[int, int, int, int],
    *,
    weight_sets: int = 0,
    condition_count: int = 1,
    assigned: bool = False,
    padding: str = "same",
    compute_dtype: str = "float32",
) -> str: ...
def cuda_occupancy_forward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    position_weight: NDArray[np.float32] | None = None,
    *,
    column_range: NDArray[np.int32] | None = None,
    span: NDArray[np.int32] | None = None,
    length: NDArray[np.int32] | None = None,
    condition: NDArray[np.int32] | None = None,
    reduction: str = "expected",
    padding: str = "same",
    compute_dtype: str = "float32",
    device: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]: ...
def cuda_occupancy_backward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    position_weight: NDArray[np.float32] | None,
    bound_gradient: NDArray[np.float32],
    weighted_gradient: NDArray[np.float32] | None = None,
    *,
    column_range: NDArray[np.int32] | None = None,
    span: NDArray[np.int32] | None = None,
    length: NDArray[np.int32] | None = None,
    condition: NDArray[np.int32] | None = None,
    reduction: str = "expected",
    padding: str = "same",
    compute_dtype: str = "float32",
    device: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]: ...
def cuda_time(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    position_weight: NDArray[np.float32] | None = None,
    *,
    column_range: NDArray[np.int32] | None = None,
    span: NDArray[np.int32] | None = None,
    length: NDArray[np.int32] | None = None,
    condition: NDArray[np.int32] | None = None,
    reduction: str = "expected",
    padding: str = "same",
    compute_dtype: str = "float32",
    direction: str = "forward",
    repeats: int = 20,
    cold: bool = False,
    device: int = 0,
) -> list[float]: ...
def cuda_pair_refusal(
    limits: tuple[int, int, int],
    sizes: tuple[int, int, int, int],
    effects: tuple[int, int],
    *,
    distance: int,
    padding: str = "same",
) -> str: ...
def cuda_pair_forward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    effect: NDArray[np.float32],
    pair: NDArray[np.int32],
    *,
    distance: int,
    column_range: NDArray[np.int32] | None = None,
    span: NDArray[np.int32] | None = None,
    padding: str = "same",
    device: int = 0,
) -> NDArray[np.float32]: ...
def cuda_pair_backward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    effect: NDArray[np.float32],
    pair: NDArray[np.int32],
    score_gradient: NDArray[np.float32],
    *,
    distance: int,
    column_range: NDArray[np.int32] | None = None,
    span: NDArray[np.int32] | None = None,
    padding: str = "same",
    device: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]: ...
def cuda_exclusive_refusal(
    limits: tuple[int, int, int],
    sizes: tuple[int, int, int, int],
    *,
    weighted: bool = False,
    padding: str = "same",
) -> str: ...
def cuda_exclusive_forward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    position_weight: NDArray[np.float32] | None = None,
    *,
    column_range: NDArray[np.int32] | None = None,
    footprint: NDArray[np.int32] | None = None,
    competitor_width: NDArray[np.int32] | None = None,
    competitor_log_odds: NDArray[np.float32] | None = None,
    span: NDArray[np.int32] | None = None,
    length: NDArray[np.int32] | None = None,
    padding: str = "same",
    device: int = 0,
) -> tuple[
    NDArray[np.float32],
    NDArray[np.float32] | None,
    NDArray[np.float32],
    NDArray[np.float32] | None,
]: ...
def cuda_exclusive_backward(
    sequence: NDArray[np.uint8],
    log_kd: NDArray[np.float32],
    log_concentration: NDArray[np.float32],
    position_weight: NDArray[np.float32] | None,
    bound_gradient: NDArray[np.float32],
    weighted_gradient: NDArray[np.float32] | None,
    log_partition_gradient: NDArray[np.float32],
    competitor_gradient: NDArray[np.float32] | None = None,
    *,
    column_range: NDArray[np.int32] | None = None,
    footprint: NDArray[np.int32] | None = None,
    competitor_width: NDArray[np.int32] | None = None,
    competitor_log_odds: NDArray[np.float32] | None = None,
    span: NDArray[np.int32] | None = None,
    length: NDArray[np.int32] | None = None,
    padding: str = "same",
    device: int = 0,
) -> tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.float32] | None,
    NDArray[np.float32] | None,
]: ...

class ScoreDistributions:
    def __init__(
        self,
        log_kd: NDArray[np.float32],
        column_range: NDArray[np.int32],
        background: NDArray[np.float64],
        *,
        p_value: float = 1.0,
        limit: NDArray[np.float32] | None = None,
        threads: int = 1,
    ) -> None: ...
    def thresholds(self) -> NDArray[np.float64]: ...
    def limits(self) -> NDArray[np.float32]: ...

class SiteScanner:
    def __init__(
        self,
        log_kd: NDArray[np.float32],
        column_range: NDArray[np.int32],
        limits: NDArray[np.float32],
        *,
        distributions: ScoreDistributions | None = None,
        unknown: str = "skip",
        instruction_set: str = "",
    ) -> None: ...
    def hits(
        self,
        codes: NDArray[np.uint8],
        bounds: NDArray[np.int64],
        *,
        first: int = 0,
        end: int | None = None,
        enough: int,
        threads: int = 1,
        stop: Callable[[], bool] | None = None,
    ) -> tuple[
        NDArray[np.int64],
        NDArray[np.int64],
        NDArray[np.int8],
        NDArray[np.int32],
        NDArray[np.float32],
        NDArray[np.float64] | None,
        int,
    ]: ...

def best_sites(
    codes: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    log_kd: NDArray[np.float32],
    column_range: NDArray[np.int32],
    *,
    unknown: str = "skip",
    threads: int = 1,
    instruction_set: str = "",
) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.float32]]: ...
def scan_instruction_sets() -> list[str]: ...
