"""The lines of docs/howto/frameworks.md that make the kernels a function of JAX and of PyTorch."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import cisreg.numpy
from cisreg.oracle import occupancy_oracle, occupancy_oracle_gradient

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "frameworks.md"
TRAINED = ("log_kd", "log_concentration", "position_weight")
OPTIONS = {"padding": "valid", "reduction": "log_unbound"}


def lines(heading):
    """The names that the Python of a section of the page defines."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    code = re.search(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code[1], f"{PAGE.name}: {heading}", "exec"), names)
    return names


def example(weighted=True):
    random = np.random.default_rng(0)
    arrays = {
        "sequence": random.integers(0, 5, (6, 20)).astype(np.uint8),
        "log_kd": random.normal(size=(5, 4, 7)).astype(np.float32),
        "log_concentration": random.normal(size=7).astype(np.float32),
        "position_weight": random.normal(size=(2, 16, 7)).astype(np.float32),
    }
    return arrays if weighted else {**arrays, "position_weight": None}


def upstream(weighted):
    """Gradients that come in, and the oracle's of the parameters."""
    arrays = example(weighted)
    random = np.random.default_rng(1)
    incoming = [random.normal(size=(6, 2, 7)).astype(np.float32) for _ in range(1 + weighted)]
    truth = occupancy_oracle_gradient(
        **arrays,
        **OPTIONS,
        grad_bound=incoming[0],
        grad_weighted=incoming[1] if weighted else None,
    )
    return incoming, truth


def check(outputs, gradients, weighted):
    """Compares with the oracle, and to the bit with the kernels."""
    arrays = example(weighted)
    oracle = occupancy_oracle(**arrays, **OPTIONS)
    kernels = cisreg.numpy.occupancy(**arrays, **OPTIONS)
    for actual, same, expected in zip(outputs, kernels, oracle, strict=True):
        if expected is None:
            assert actual is None
            continue
        np.testing.assert_array_equal(actual, same)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)
    truth = upstream(weighted)[1]
    assert len(gradients) == len(truth)
    for name, actual in zip(TRAINED, gradients, strict=False):
        np.testing.assert_allclose(actual, truth[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def jax():
    return pytest.importorskip("jax", reason="JAX is not installed")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def test_numpy_lines():
    names = lines("NumPy")
    assert names["bound"].shape == (2, 2, 16)
    assert names["gradient"].log_kd.shape == (20, 4, 16)


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "jit"])
@pytest.mark.parametrize("weighted", [False, True], ids=["no weights", "weights"])
def test_jax_values_and_gradients(jax, weighted, compiled):
    occupancy = lines("JAX")["make_occupancy"](**OPTIONS)
    arrays = example(weighted)

    def run(sequence, *trained):
        outputs, pull = jax.vjp(lambda *each: occupancy(sequence, *each), *trained)
        given = upstream(weighted)[0]
        return outputs, pull(type(outputs)(given[0], given[1] if weighted else None))

    outputs, gradients = (jax.jit(run) if compiled else run)(*arrays.values())
    check(outputs, [each for each in gradients if each is not None], weighted)


def test_jax_vmap(jax):
    occupancy = lines("JAX")["make_occupancy"](**OPTIONS)
    arrays = example()
    sequence, *trained = arrays.values()

    def total(sequence, log_kd):
        outputs = occupancy(sequence, log_kd, *trained[1:])
        return outputs.bound.sum() + outputs.weighted.sum()

    both = np.stack([sequence, sequence[::-1]])
    kd = np.stack([trained[0], 2 * trained[0]])
    mapped = jax.jit(jax.vmap(jax.value_and_grad(total, 1)))(both, kd)
    for index in range(2):
        alone = jax.value_and_grad(total, 1)(both[index], kd[index])
        np.testing.assert_array_equal(mapped[0][index], alone[0])
        np.testing.assert_array_equal(mapped[1][index], alone[1])


def test_jax_refuses_what_there_is_not(jax):
    occupancy = lines("JAX")["make_occupancy"](**OPTIONS)
    sequence, *trained = example(weighted=False).values()

    def total(log_kd):
        return occupancy(sequence, log_kd, *trained[1:]).bound.sum()

    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(total, trained[:1], trained[:1])
    with pytest.raises(ValueError, match="JVP"):
        jax.hessian(total)(trained[0])


def test_jax_says_what_the_kernels_say(jax):
    occupancy = lines("JAX")["make_occupancy"](**OPTIONS)
    arrays = example(weighted=False)
    arrays["sequence"][3, 2] = 9
    with pytest.raises(Exception, match=r"sequence: expected base codes .* got 9 in sequence 3"):
        jax.block_until_ready(occupancy(*arrays.values()))


@pytest.mark.parametrize("weighted", [False, True], ids=["no weights", "weights"])
def test_torch_values_and_gradients(torch, weighted):
    occupancy = lines("PyTorch")["Occupancy"]
    sequence, *trained = (
        None if each is None else torch.from_numpy(each) for each in example(weighted).values()
    )
    given = [each.requires_grad_() for each in trained if each is not None]
    outputs = occupancy.apply(sequence, *trained, OPTIONS)
    incoming = [torch.from_numpy(each) for each in upstream(weighted)[0]]
    torch.autograd.backward([each for each in outputs if each is not None], incoming)
    check(
        [None if each is None else each.detach().numpy() for each in outputs],
        [each.grad.numpy() for each in given],
        weighted,
    )


def test_torch_gradcheck(torch):
    """Differences of float32 sums: with steps of 0.01 they are good to about 1e-3."""
    occupancy = lines("PyTorch")["Occupancy"]
    sequence, *trained = (torch.from_numpy(each) for each in example().values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it expects float64
        assert torch.autograd.gradcheck(
            lambda *each: occupancy.apply(sequence, *each, OPTIONS),
            [each.requires_grad_() for each in trained],
            eps=1e-2,
            atol=3e-3,
            rtol=3e-3,
        )


def test_torch_refuses_what_there_is_not(torch):
    occupancy = lines("PyTorch")["Occupancy"]
    sequence, *trained = example(weighted=False).values()
    log_kd = torch.from_numpy(trained[0]).requires_grad_()
    rest = [torch.from_numpy(sequence), log_kd, torch.from_numpy(trained[1]), None, OPTIONS]
    bound, _ = occupancy.apply(*rest)
    (gradient,) = torch.autograd.grad(bound.square().sum(), log_kd, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        gradient.sum().backward()
    with pytest.raises(RuntimeError, match="functorch"):
        torch.func.grad(lambda each: occupancy.apply(rest[0], each, *rest[2:])[0].sum())(
            log_kd.detach()
        )


def test_torch_says_what_the_kernels_say(torch):
    occupancy = lines("PyTorch")["Occupancy"]
    sequence, *trained = example(weighted=False).values()
    with pytest.raises(ValueError, match="log_concentration: expected shape"):
        occupancy.apply(
            *(torch.from_numpy(sequence), torch.from_numpy(trained[0])),
            *(torch.zeros(6), None, OPTIONS),
        )
