"""Experiments against tangermeme on the same model in PyTorch; skipped where that is missing.

The model in PyTorch is made of the lines of docs/howto/frameworks.md and the law of
docs/explanation/model.md, without `cisreg.interpret`. No TensorFlow is needed.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from experiment_models import half_open_model
from interpret_models import LENGTH, make_codes

from cisreg.interpret import ablate, dinucleotide_shuffle, marginalize, space
from cisreg.interpret import delete as own_delete
from cisreg.interpret import insert as own_insert
from cisreg.interpret import shuffle as own_shuffle
from cisreg.interpret import substitute as own_substitute
from cisreg.sequences import decode

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
tangermeme = pytest.importorskip("tangermeme", reason="tangermeme is not installed")

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "frameworks.md"
KINDS = {
    "plain": {},
    "positional, stranded": {"positional": True, "stranded": True},
    "constant ends": {"constant_left": 3, "constant_right": 4},
}
# Expression is a float32 in PyTorch; the binding of both comes from the same kernels.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def occupancy_function():
    """The function of PyTorch that the page defines."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## PyTorch\n")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code[1], PAGE.name, "exec"), names)
    return names["Occupancy"]


class TorchModel(torch.nn.Module):
    """A model of cisreg as a module: one-hot [N, 4, L] in, expression [N, 1] out."""

    def __init__(self, model):
        super().__init__()
        self.spec, self.occupancy = model.spec, occupancy_function()
        self.options = {"column_range": model.column_range, "padding": model.spec.padding}
        if model.spec.has_span:
            spec = model.spec
            inside = [spec.constant_left, spec.sequence_length - spec.constant_right]
            self.options["span"] = np.array(inside, np.int32)
        for name, value in model.parameters.items():
            self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(np.array(value))))

    def forward(self, one_hot):
        codes = torch.where(one_hot.sum(dim=1) > 0, one_hot.argmax(dim=1), 4).to(torch.uint8)
        weight = None
        if self.spec.positional:
            weight = self.position_weight.expand(2, -1, -1).contiguous()
        bound, weighted = self.occupancy.apply(
            *(codes, self.log_kd, self.log_concentration, weight, self.options)
        )
        opening = bound.sum(dim=1) @ self.potentiation
        accessible = torch.sigmoid(self.potentiation_bias + opening)
        activity = torch.stack([self.activity, self.activity])
        if self.spec.stranded:
            activity = activity + torch.stack([self.activity * 0, self.activity_difference])
        acting = ((bound if weight is None else weighted) * activity).sum(dim=(1, 2))
        return (self.bias + accessible * acting)[:, None]


@pytest.fixture(params=KINDS)
def models(request):
    model = half_open_model(**KINDS[request.param])
    return model, TorchModel(model)


def one_hot(codes):
    """Base codes [N, L] as a float tensor [N, 4, L]; code 4 is a column of zeros."""
    return torch.from_numpy(np.eye(5, dtype=np.float32)[codes][..., :4]).transpose(1, 2)


def codes_of(tensor):
    """Base codes of a tensor [..., 4, L]."""
    return torch.where(tensor.sum(dim=-2) > 0, tensor.argmax(dim=-2), 4).numpy()


CODES = make_codes(6, unknown=False)


@pytest.mark.parametrize("start", [None, 0, 5, 16])
def test_verbs_that_change_sequences_give_the_same(start):
    from tangermeme import ersatz

    for motif in ("ACGT", "GATTACA"):
        for own, theirs in ((own_substitute, ersatz.substitute), (own_insert, ersatz.insert)):
            expected = codes_of(theirs(one_hot(CODES), motif, start=start))
            np.testing.assert_array_equal(own(CODES, motif, start), expected)
    begin = start or 0
    expected = codes_of(ersatz.delete(one_hot(CODES), begin, begin + 3))
    np.testing.assert_array_equal(own_delete(CODES, begin, begin + 3), expected)


@pytest.mark.parametrize("start", [None, 6])
@pytest.mark.parametrize("motif", ["ACGT", "GATTACA"])
def test_marginalize(models, start, motif):
    from tangermeme.marginalize import marginalize as theirs

    model, module = models
    found = marginalize(model, CODES, motif, start)
    before, after = theirs(module, one_hot(CODES), motif, start=start, device="cpu")[:2]
    np.testing.assert_allclose(found.before, before[:, 0].numpy(), **CLOSE)
    np.testing.assert_allclose(found.after, after.numpy(), **CLOSE)
    assert np.abs(found.effect).max() > 1e-2


@pytest.mark.parametrize("name", ["shuffle", "dinucleotide_shuffle"])
def test_ablate_with_the_shuffles_of_tangermeme(models, name):
    from tangermeme import ersatz
    from tangermeme.ablate import ablate as theirs

    model, module = models
    verb = getattr(ersatz, name)

    def their_shuffle(codes, start, end, n, seed):
        return codes_of(verb(one_hot(codes), start=start, end=end, n=n, random_state=seed))

    found = ablate(model, CODES, 4, 18, n=5, shuffle_fn=their_shuffle, seed=3)
    before, after = theirs(
        *(module, one_hot(CODES), 4, 18),
        n=5,
        shuffle_fn=verb,
        random_state=3,
        device="cpu",
    )[:2]
    np.testing.assert_allclose(found.before, before[:, 0].numpy(), **CLOSE)
    np.testing.assert_allclose(found.after, after[..., 0].numpy(), **CLOSE)
    assert np.abs(found.effect).max() > 1e-2


def test_ablate_with_the_shuffles_of_cisreg(models):
    from tangermeme.ablate import ablate as theirs

    model, module = models

    def shuffled(tensor, start, end, n, random_state):
        rows = own_shuffle(codes_of(tensor).astype(np.uint8), start, end, n, seed=random_state)
        return one_hot(rows.reshape(-1, LENGTH)).reshape(len(rows), n, 4, LENGTH)

    found = ablate(model, CODES, 4, 18, n=5, seed=3)
    _, after = theirs(
        *(module, one_hot(CODES), 4, 18),
        n=5,
        shuffle_fn=shuffled,
        random_state=3,
        device="cpu",
    )[:2]
    np.testing.assert_allclose(found.after, after[..., 0].numpy(), **CLOSE)


@pytest.mark.parametrize("start", [None, 4])
def test_space(models, start):
    from tangermeme.space import space as theirs

    model, module = models
    distances = [0, 1, 4, 7]
    found = space(model, CODES, ["ACGT", "GGACA"], distances, start, orientations=["++"])
    before, after = theirs(
        *(module, one_hot(CODES), ["ACGT", "GGACA"], [[each] for each in distances]),
        start=start,
        device="cpu",
    )[:2]
    np.testing.assert_allclose(found.before, before[:, 0].numpy(), **CLOSE)
    np.testing.assert_allclose(found.after, after[..., 0].numpy(), **CLOSE)
    assert np.ptp(found.after, axis=1).min() > 1e-3


def test_dinucleotide_shuffles_of_tangermeme_are_among_those_of_cisreg():
    """They keep the last way out of each base, so they are a part of all that are possible."""
    from tangermeme.ersatz import dinucleotide_shuffle as theirs

    text = "ACAGATACGT"
    codes = np.array([["ACGT".index(base) for base in text]], np.uint8)
    rows = theirs(one_hot(codes), n=2000, random_state=0)[0]
    found = Counter(decode(codes_of(rows).astype(np.uint8)))
    own = Counter(decode(dinucleotide_shuffle(codes, n=2000)[0]))
    assert set(found) < set(own)
