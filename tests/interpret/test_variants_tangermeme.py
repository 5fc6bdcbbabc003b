"""Effects of variants against tangermeme's functions, on a PyTorch model of the same law.

They need PyTorch and tangermeme, but no TensorFlow.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from interpret_models import LENGTH, make_model

from cisreg.genome import Variant, open_genome, variant_pairs
from cisreg.interpret import variant_effects
from cisreg.numpy import occupancy

torch = pytest.importorskip("torch", reason="runs tangermeme")
tangermeme = pytest.importorskip("tangermeme.variant_effect", reason="a rival's variant effects")

RANDOM = np.random.default_rng(3)
KINDS = {
    "default": {},
    "probability": {"binding": "probability"},
    "stranded": {"stranded": True},
    "positional": {"positional": True, "stranded": True},
    "accessibility activity": {"accessibility_activity": True},
}


class Expression(torch.nn.Module):
    """The model of docs/explanation/model.md in PyTorch; only occupancy comes from cisreg."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        for name, value in model.parameters.items():
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))

    def forward(self, one_hot):
        known = one_hot.sum(dim=1) > 0
        codes = torch.where(known, one_hot.argmax(dim=1), 4).numpy().astype(np.uint8)
        spec, parameters = self.model.spec, self.model.parameters
        weight = parameters["position_weight"] if spec.positional else None
        if weight is not None:
            weight = np.broadcast_to(weight, (2, *weight.shape[1:]))
        bound, weighted = occupancy(
            *(codes, parameters["log_kd"], parameters["log_concentration"]),
            position_weight=weight,
            reduction="probability" if spec.binding == "probability" else "expected",
        )
        bound = torch.tensor(bound, dtype=torch.float64)
        total = bound if bound.ndim == 2 else bound.sum(dim=1)
        acting = bound if weighted is None else torch.tensor(weighted, dtype=torch.float64)
        signal = self.potentiation_bias + (self.potentiation * total).sum(dim=1)
        accessibility = torch.sigmoid(signal)
        if spec.stranded:
            by_strand = torch.stack([self.activity, self.activity + self.activity_difference])
            effect = (acting * by_strand).sum(dim=(1, 2))
        else:
            effect = (self.activity * total).sum(dim=1)
        expression = self.bias + accessibility * effect
        if spec.accessibility_activity:
            expression = expression + self.accessibility_activity * accessibility
        return expression[:, None]


def one_hot(texts):
    codes = np.array([["ACGT".index(base) for base in text] for text in texts])
    return torch.tensor(np.eye(4)[codes].transpose(0, 2, 1), dtype=torch.float64)


def change(result):
    return (result.y_after - result.y_before)[:, 0].numpy()


def random_texts(count, length):
    return ["".join(RANDOM.choice(list("ACGT"), length)) for _ in range(count)]


def compare(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6)
    assert np.abs(theirs).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_substitutions(kind):
    """Several in one sequence, as in a construct with several variants."""
    model = make_model(**KINDS[kind])
    before = random_texts(20, LENGTH)
    rows, after = [], []
    for number, text in enumerate(before):
        new = list(text)
        for place in RANDOM.choice(LENGTH, 1 + number % 3, replace=False):
            new[place] = RANDOM.choice([base for base in "ACGT" if base != text[place]])
            rows.append([number, place, "ACGT".index(new[place])])
        after.append("".join(new))
    theirs = tangermeme.substitution_effect(
        Expression(model), one_hot(before), torch.tensor(rows), device="cpu"
    )
    compare(variant_effects(model, before, after).effect, change(theirs))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_deletions_in_windows_of_a_genome(tmp_path, kind, side):
    """tangermeme takes bases beyond the window, and fills it up from them, as windows do."""
    model = make_model(**KINDS[kind])
    model.metadata["padding_side"] = side
    texts = random_texts(20, 3 * LENGTH)
    sizes = [1 + number % 4 for number in range(len(texts))]
    variants = [
        Variant(f"c{number}", LENGTH + 12, ".", text[LENGTH + 11 :][: size + 1], text[LENGTH + 11])
        for number, (text, size) in enumerate(zip(texts, sizes, strict=True))
    ]
    ours = effects_in_windows(tmp_path, model, texts, variants, side)
    theirs = []
    for text, size, variant in zip(texts, sizes, variants, strict=True):
        begin, end, _ = variant.change
        start = (begin + end) // 2 - LENGTH // 2
        first = start - size if side == "left" else start
        part = text[first : first + LENGTH + size]
        rows = [[0, place - first] for place in range(begin, end)]
        result = tangermeme.deletion_effect(
            Expression(model),
            one_hot([part]),
            torch.tensor(rows),
            left=side == "left",
            device="cpu",
        )
        theirs.append(change(result)[0])
    compare(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_insertions_in_windows_of_a_genome(tmp_path, kind, side):
    model = make_model(**KINDS[kind])
    model.metadata["padding_side"] = side
    texts = random_texts(20, 3 * LENGTH)
    inserted = random_texts(20, 4)
    variants = [
        Variant(f"c{number}", LENGTH + 12, ".", text[LENGTH + 11], text[LENGTH + 11] + more)
        for number, (text, more) in enumerate(zip(texts, inserted, strict=True))
    ]
    ours = effects_in_windows(tmp_path, model, texts, variants, side)
    theirs = []
    for text, variant in zip(texts, variants, strict=True):
        place, _, bases = variant.change
        start = place - LENGTH // 2
        # Rows of one position are inserted in reverse of their order.
        rows = [[0, place - start, "ACGT".index(base)] for base in reversed(bases)]
        result = tangermeme.insertion_effect(
            Expression(model),
            one_hot([text[start : start + LENGTH]]),
            torch.tensor(rows),
            left=side == "left",
            device="cpu",
        )
        theirs.append(change(result)[0])
    compare(ours, theirs)


def effects_in_windows(folder, model, texts, variants, side):
    path = folder / "genome.fa"
    path.write_text("".join(f">c{number}\n{text}\n" for number, text in enumerate(texts)))
    with open_genome(path) as genome:
        (pairs,) = variant_pairs(variants, genome, window=LENGTH, padding_side=side)
    assert pairs.places.schema.field("position").type == pa.int64()
    return variant_effects(model, pairs.reference, pairs.alternative).effect
