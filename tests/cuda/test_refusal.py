"""What the CUDA kernels refuse, asked by sizes alone, without a GPU."""

from __future__ import annotations

import pytest

from cisreg import _native
from cisreg.library import build_info

pytestmark = pytest.mark.skipif(
    build_info()["cuda"] == "off", reason="this build has no CUDA kernels"
)
T4, L4, H100 = (75, 40, 65536), (89, 58, 101376), (90, 132, 232448)


def refusal(limits, width=30, *, count=1024, length=110, motifs=245, **options):
    return _native.cuda_refusal(limits, (count, length, width, motifs), **options)


@pytest.mark.parametrize("limits", [T4, L4, H100])
@pytest.mark.parametrize("compute_dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("weight_sets", [0, 1])
def test_usual_sizes_are_computed(limits, compute_dtype, weight_sets):
    options = {"weight_sets": weight_sets, "compute_dtype": compute_dtype}
    for padding in ("same", "valid"):
        for count, length in ((0, 110), (1, 110), (8192, 110), (3, 40), (2, 5000)):
            sizes = {"count": count, "length": length}
            assert refusal(limits, **sizes, padding=padding, **options) == ""


# Activity and potentiation by position, some conditions, both; a condition for each sequence.
@pytest.mark.parametrize("limits", [T4, L4, H100])
@pytest.mark.parametrize(
    "axes",
    [
        {"weight_sets": 2},
        {"condition_count": 4},
        {"weight_sets": 2, "condition_count": 4},
        {"weight_sets": 2, "condition_count": 1024, "assigned": True},
    ],
    ids=str,
)
def test_a_few_sets_and_conditions_are_computed(limits, axes):
    for length in (1, 40, 110, 330):
        for compute_dtype in ("float32", "float16"):
            assert refusal(limits, length=length, compute_dtype=compute_dtype, **axes) == ""


@pytest.mark.parametrize("limits", [T4, L4, H100])
def test_too_many_sets_and_conditions_are_refused(limits):
    assert refusal(limits, length=5000, weight_sets=1) == ""
    for options, words in (
        ({"length": 5000, "weight_sets": 2}, "position_weight: K = 2 sets of weights of P = 5000"),
        ({"weight_sets": 60}, "position_weight: K = 60 sets of weights of P = 110 windows, with"),
        (
            {"condition_count": 1000},
            "log_concentration: C = 1000 conditions of each sequence, with",
        ),
        (
            {"weight_sets": 2, "condition_count": 1000},
            "position_weight, log_concentration: K = 2 sets of weights of P = 110 windows under",
        ),
    ):
        message = refusal(limits, **options)
        assert message.startswith(words)
        assert "of shared memory of this GPU; use fewer of them" in message


def test_gpus_older_than_turing_are_refused():
    assert refusal((70, 80, 98304)).startswith(
        "GPU: expected compute capability 7.5 or later, got 7.0"
    )


def test_motifs_that_are_too_wide_or_too_many_are_refused():
    for limits in (T4, L4, H100):
        assert "columns do not fit into the" in refusal(limits, 4096, length=6000)
        assert "at most 262140 motifs of 4096 columns" in refusal(limits, 4097, length=6000)
    assert "got 300000 of 30" in refusal(H100, motifs=300_000)


def test_what_fits_on_a_larger_gpu_is_refused_on_a_smaller_one_alone():
    assert refusal(H100, 400) == ""
    assert "columns do not fit" in refusal(T4, 400)


def exclusive_refusal(limits, width=30, *, length=110, motifs=245, **options):
    return _native.cuda_exclusive_refusal(limits, (1024, length, width, motifs), **options)


def test_what_is_refused_of_sites_that_exclude_each_other():
    for limits in (L4, H100):
        for weighted in (False, True):
            for length, padding in ((1, "same"), (110, "same"), (5000, "valid")):
                options = {"length": length, "weighted": weighted, "padding": padding}
                assert exclusive_refusal(limits, **options) == ""
    assert "columns do not fit into the" in exclusive_refusal(L4, 4096)
    assert "at most 262140 motifs of 4096 columns" in exclusive_refusal(H100, 4097)
    assert "expected compute capability 8.0 or later" in exclusive_refusal(T4)
