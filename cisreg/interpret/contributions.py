"""The expression of a sequence as a sum of parts: by factor, strand and accessibility.

Expression is a product: bias + accessibility * (sum of what factors do) + direct effect of
accessibility. There are two rules by which it becomes a sum. In a model with a link, all this is
about the score, of which expression is the link.

"at value": at the accessibility that the sequence has. A factor has accessibility * activity *
binding, for each strand. It says nothing about which factor opened the chromatin.

"shapley": compared with the absence of all factors, as a game of three players (Shapley, 1953,
Contributions to the Theory of Games 2, 307-317): what factors do, the opening of chromatin and its
closing. Each has its mean effect over the six orders in which the three can come. What factors do
is a sum over factors and strands. Opening is divided among the factors that open in proportion to
the log odds that they add, and closing likewise: the Aumann-Shapley value (Aumann and Shapley,
1974, Values of Non-Atomic Games) of a function of a sum. Opening and closing are kept apart, since
their log odds may cancel each other, and shares of a small sum would be large without a limit.

Parts add up to the prediction, equal factors have equal parts, and a factor that neither acts nor
opens nor closes has 0. Where accessibility is a linear function of the log odds, and where one
factor opens and one closes at most, these are the Shapley values of the game in which each factor
is a player (Lundberg and Lee, 2017, NeurIPS 30, 4765-4774), which take 2^M predictions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from cisreg.choices import check_choice
from cisreg.display import counted, html_table
from cisreg.interpret.any_model import AnyModel
from cisreg.interpret.batches import batches, encode_some, sequence_column, sequence_names
from cisreg.interpret.factor_changes import absent
from cisreg.interpret.read_out import (
    ModelScan,
    read_out,
    scan_model,
    strand_contribution,
)
from cisreg.limits import check_memory
from cisreg.links import of_score, sigmoid
from cisreg.spec import Link

if TYPE_CHECKING:
    import pandas as pd

AccessibilityRule = Literal["at value", "shapley"]

BOTH = "."
WEIGHTS = (1 / 3, 1 / 6, 1 / 6, 1 / 3)


class Parts(NamedTuple):
    """The parts of some expressions; they add up to expression minus baseline.

    Attributes:
        activity: float64 [N, S, M], what factors do through each strand.
        opening: float64 [N, M], what they do through accessibility.
        direct: float64 [N], the direct effect of accessibility, where it is a part of its own.
    """

    activity: np.ndarray
    opening: np.ndarray
    direct: np.ndarray


@dataclass(frozen=True, eq=False)
class Contributions:
    """N scores as sums: baseline + activity + opening + direct, over strands and M factors.

    The score is expression itself, unless the model has another link than "identity": expression
    is then the link of the score, and the parts are on the scale of the score.

    Attributes:
        expression: float64 [N], as `Model.predict` gives it.
        baseline: float64 [N], where the sum begins: the bias ("at value"), the score without any
            factor ("shapley"), or that of the first sequence of a difference.
        activity: float64 [N, S, M], what each factor does to the score through each strand.
        opening: float64 [N, M], what it does by opening or closing chromatin for all that acts;
            0 where accessibility is taken at its value.
        direct: float64 [N], the direct effect of accessibility, of models that have it; 0 where it
            is divided among the factors that open (in `opening`).
        accessibility: float64 [N], the accessibility of the sequences; 1 without that layer.
        strands: names of the strands: "+" and "-", or "." if the model does not tell them apart.
        motif_names: M names of the factors.
        rule: "at value", "shapley" or "difference".
        name: names of the sequences, Arrow strings [N]; None if they have none.
        unit: the unit of expression; empty if it is not known.
        begin: the place of the first of these sequences among all that were asked about.
        link: how expression follows from the score, see `cisreg.ModelSpec`.
    """

    expression: np.ndarray
    baseline: np.ndarray
    activity: np.ndarray
    opening: np.ndarray
    direct: np.ndarray
    accessibility: np.ndarray
    strands: tuple[str, ...]
    motif_names: tuple[str, ...]
    rule: str
    name: pa.Array | None = None
    unit: str = ""
    begin: int = 0
    link: Link = "identity"

    def __len__(self) -> int:
        """N, the number of sequences."""
        return len(self.expression)

    def __repr__(self) -> str:
        return f"Contributions({self._title()})"

    def _title(self) -> str:
        return (
            f"{counted(len(self), 'sequence')}, {counted(len(self.motif_names), 'factor')}, "
            f"{self.rule}{of_score(self.link)}"
        )

    def _repr_html_(self) -> str:
        table = self.to_table(largest=5)
        columns = {name: table[name].to_pylist() for name in table.column_names}
        return html_table(self._title(), columns, len(table))

    @property
    def score(self) -> np.ndarray:
        """What the parts add up to, float64 [N]: expression before the link."""
        return self.baseline + self.by_factor.sum(axis=1) + self.direct

    @property
    def by_factor(self) -> np.ndarray:
        """What each factor does in all, float64 [N, M]: activity on all strands, and opening."""
        return self.activity.sum(axis=1) + self.opening

    def to_table(self, largest: int | None = None) -> pa.Table:
        """An Arrow table with a row for each part; the effects of a sequence add up to its score.

        Columns: `sequence`, a name or a place from 0; `part`: "bias", "no factors" or "first
        sequence" (the baseline), "activity", "accessibility"; `factor`, null for parts that are of
        no factor; `strand`; `effect`.

        Args:
            largest: rows only for so many factors of each sequence, those with the largest effect;
                the others are together in a row with the part "other factors". None: all.

        Raises:
            ValueError: `largest` is below 1.

        Example:
            >>> contributions(model, data).to_table(largest=10)  # doctest: +SKIP
        """
        if largest is not None and largest < 1:
            raise ValueError(f"largest: expected 1 or more factors, got {largest}")
        return pa.concat_tables(self._rows(row, largest) for row in range(len(self)))

    def _rows(self, row: int, largest: int | None) -> pa.Table:
        """The parts of one sequence."""
        by_factor = self.by_factor[row]
        order = np.argsort(-np.abs(by_factor), kind="stable")[:largest]
        names = [self.motif_names[place] for place in order]
        has_opening = self.rule != "at value"
        kinds = [("activity", strand) for strand in self.strands]
        kinds += [("accessibility", BOTH)] if has_opening else []
        effects = [*self.activity[row][:, order]]
        effects += [self.opening[row, order]] if has_opening else []
        part, strand = ([each[place] for _ in order for each in kinds] for place in (0, 1))
        factor = [name for name in names for _ in kinds]
        effect = list(np.stack(effects, axis=1).ravel())
        alone = {_BASELINES[self.rule]: self.baseline[row]}
        if len(order) < len(self.motif_names):
            alone["other factors"] = by_factor.sum() - by_factor[order].sum()
        if self.direct.any():
            alone["accessibility"] = self.direct[row]
        count = len(alone)
        return pa.table(
            {
                "sequence": sequence_column(
                    self.name, np.full(count + len(factor), row), self.begin
                ),
                "part": pa.array([*alone, *part], pa.string()),
                "factor": pa.array([None] * count + factor, pa.string()),
                "strand": pa.array([None] * count + strand, pa.string()),
                "effect": pa.array([*alone.values(), *effect], pa.float64()),
            }
        )

    def to_frame(self, largest: int | None = None) -> pd.DataFrame:
        """`to_table` as a pandas DataFrame.

        Raises:
            ImportError: pandas is not installed.
        """
        return self.to_table(largest).to_pandas()


_BASELINES = {"at value": "bias", "shapley": "no factors", "difference": "first sequence"}


def contributions(
    model: AnyModel,
    sequences: Any,
    *,
    accessibility: AccessibilityRule = "at value",
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Contributions:
    """The expression of each sequence as a sum of what each factor does.

    Args:
        model: a trained model.
        sequences: whatever `Model.predict` takes.
        accessibility: "at value": factors act at the accessibility of the sequence, and nothing is
            said about where it comes from. "shapley": compared with the absence of all factors,
            also what factors do by opening or closing chromatin. The rule is described at the top
            of the module `cisreg.interpret.contributions`.
        batch_size: sequences scanned at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core.
        progress: whether to show a progress bar.

    Raises:
        ValueError: no sequences, more than fit into memory (take `contribution_batches`), or
            sequences as `predict` refuses them.

    Example:
        >>> found = contributions(model, ["ACGT" * 27], accessibility="shapley")  # doctest: +SKIP
        >>> found.to_frame(largest=5)  # doctest: +SKIP
    """
    count = len(encode_some(model, sequences))
    check_contributions_memory(model, count, "take contribution_batches")
    parts = contribution_batches(
        *(model, sequences),
        accessibility=accessibility,
        batch_size=batch_size,
        threads=threads,
        progress=progress,
    )
    return join_contributions(list(parts))


def contribution_batches(
    model: AnyModel,
    sequences: Any,
    *,
    accessibility: AccessibilityRule = "at value",
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Iterator[Contributions]:
    """Like `contributions`, but yields batch after batch, in the order of the sequences.

    Example:
        >>> for batch in contribution_batches(model, data):  # doctest: +SKIP
        ...     print(batch.by_factor.mean(axis=0))
    """
    check_choice("accessibility", accessibility, AccessibilityRule)
    codes, names = encode_some(model, sequences), sequence_names(sequences)
    how: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    for rows, part in batches(model, codes, description="contributions", **how):
        scan = scan_model(model, part, threads=threads)
        name = None if names is None else names[rows]
        yield replace(explain_scan(model, scan, accessibility, name), begin=rows.start)


def explain_scan(
    model: AnyModel,
    scan: ModelScan,
    accessibility: AccessibilityRule = "at value",
    name: pa.Array | None = None,
) -> Contributions:
    """`contributions` of sequences that are scanned.

    Args:
        model: the model.
        scan: from `scan_model`.
        accessibility: as for `contributions`.
        name: names of the sequences.
    """
    found = read_out(model, scan)
    if accessibility == "shapley":
        nothing = absent(scan)
        baseline = read_out(model, nothing).score
        parts = change_parts(model, nothing, scan)
    else:
        baseline = np.full(len(found.expression), float(model.parameters["bias"]))
        activity = strand_contribution(model, scan, found.accessibility)
        parts = Parts(activity, np.zeros_like(scan.opening), found.direct)
    return Contributions(
        *(found.expression, baseline, *parts, found.accessibility),
        strands=_strands(model),
        motif_names=tuple(model.motif_names),
        rule=accessibility,
        name=name,
        unit=model.unit,
        link=model.spec.link,
    )


def explain_difference(
    model: AnyModel,
    first: Any,
    second: Any,
    *,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Contributions:
    """Why expression differs between pairs of sequences: what each factor has to do with it.

    The rule is "shapley" of `contributions`, from the first sequence of a pair to the second: the
    three players are the change of what factors do, all changes of log odds that open chromatin,
    and all that close it.

    Args:
        model: a trained model.
        first: sequences, whatever `Model.predict` takes.
        second: as many: each is compared with the first one at the same place. If either is a
            single sequence, it is compared with all of the other.
        batch_size: sequences scanned at a time; None: as many as take a few hundred megabytes.
        threads: how many threads compute; None: one for each core.
        progress: whether to show a progress bar.

    Returns:
        Contributions of the second sequences, whose baseline is the score of the first: all other
        parts add up to the difference.

    Raises:
        ValueError: no sequences, other numbers of sequences, or more than fit into memory (take
            `difference_batches`).

    Example:
        >>> explain_difference(model, [wild_type], [mutant]).to_frame(largest=5)  # doctest: +SKIP
    """
    count = max(len(encode_some(model, each)) for each in (first, second))
    check_contributions_memory(model, count, "take difference_batches")
    how: dict[str, Any] = {"batch_size": batch_size, "threads": threads, "progress": progress}
    return join_contributions(list(difference_batches(model, first, second, **how)))


def difference_batches(
    model: AnyModel,
    first: Any,
    second: Any,
    *,
    batch_size: int | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> Iterator[Contributions]:
    """Like `explain_difference`, but yields batch after batch, in the order of the pairs.

    Example:
        >>> for batch in difference_batches(model, [wild_type], mutants):  # doctest: +SKIP
        ...     print(batch.by_factor.mean(axis=0))
    """
    codes, others = encode_some(model, first), encode_some(model, second)
    if len(codes) != len(others) and 1 not in (len(codes), len(others)):
        raise ValueError(
            f"second: expected {counted(len(codes), 'sequence')}, as many as there are first ones, "
            f"or 1, got {len(others)}"
        )
    names = sequence_names(second if len(others) >= len(codes) else first)
    shape = np.broadcast_shapes(codes.shape, others.shape)
    codes, others = np.broadcast_to(codes, shape), np.broadcast_to(others, shape)
    how: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    for rows, part in batches(model, codes, description="differences", **how):
        scans = [
            scan_model(model, np.ascontiguousarray(each), threads=threads)
            for each in (part, others[rows])
        ]
        before, after = (read_out(model, scan) for scan in scans)
        yield Contributions(
            *(after.expression, before.score, *change_parts(model, *scans)),
            accessibility=after.accessibility,
            strands=_strands(model),
            motif_names=tuple(model.motif_names),
            rule="difference",
            name=None if names is None else names[rows],
            unit=model.unit,
            begin=rows.start,
            link=model.spec.link,
        )


def check_contributions_memory(model: AnyModel, count: int, remedy: str) -> None:
    """Refuses contributions of so many sequences that do not fit into memory.

    Args:
        model: the model.
        count: number of sequences.
        remedy: what to do, for the error.

    Raises:
        ValueError: they do not fit.
    """
    numbers = count * (len(_strands(model)) + 1) * model.spec.motif_count
    check_memory(f"contributions of {count:,} sequences", 8 * numbers, remedy)


def change_parts(model: AnyModel, before: ModelScan, after: ModelScan) -> Parts:
    """The parts of the change of expression from one binding to another, by the rule "shapley".

    Args:
        model: the model.
        before: N sequences, or `absent(after)`.
        after: N sequences.
    """
    levels = accessibility_levels(model, before, after)
    acts = [
        tuple(strand_contribution(model, scan, level) for scan in (before, after))
        for level in levels
    ]
    activity = sum(
        weight * (second - first) for weight, (first, second) in zip(WEIGHTS, acts, strict=True)
    )
    opening = np.zeros_like(after.opening)
    if model.spec.potentiation:
        direct = float(model.parameters.get("accessibility_activity", 0.0))
        # Without and with the change of what factors do.
        worth = [
            [each.sum(axis=(1, 2)) + direct * level for each in pair]
            for level, pair in zip(levels, acts, strict=True)
        ]
        added = (after.opening - before.opening) * model.parameters["potentiation"].astype(float)
        for is_opening in (True, False):
            own = np.maximum(added, 0.0) if is_opening else np.minimum(added, 0.0)
            opening += _gain(worth, is_opening)[:, np.newaxis] * _shares(own)
    return Parts(np.asarray(activity), opening, np.zeros(len(opening)))


def accessibility_levels(
    model: AnyModel, before: ModelScan, after: ModelScan
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Accessibility [N] before; with all that opens; with all that closes; and after, with both.

    What factors do counts at their mean, weighted by `WEIGHTS`: of the six orders of three players,
    two have it first, two last, and one each behind opening and behind closing alone.
    """
    if not model.spec.potentiation:
        return (np.ones(len(after.opening)),) * 4
    potentiation = model.parameters["potentiation"].astype(np.float64)
    added = (after.opening - before.opening) * potentiation
    signal = model.parameters["potentiation_bias"] + before.opening @ potentiation
    opened, closed = (part(added, 0.0).sum(axis=1) for part in (np.maximum, np.minimum))
    low, open_only, closed_only = (sigmoid(signal + each) for each in (0.0, opened, closed))
    return low, open_only, closed_only, read_out(model, after).accessibility


def _gain(worth: list[list[np.ndarray]], is_opening: bool) -> np.ndarray:
    """The Shapley value of opening, or of closing, float64 [N].

    Args:
        worth: by level of accessibility (as `accessibility_levels` orders them), without and with
            the change of what factors do.
        is_opening: whether of opening.
    """
    alone, other = (1, 2) if is_opening else (2, 1)
    first = [worth[alone][each] - worth[0][each] for each in (0, 1)]
    last = [worth[3][each] - worth[other][each] for each in (0, 1)]
    return first[0] / 3 + first[1] / 6 + last[0] / 6 + last[1] / 3


def _shares(added: np.ndarray) -> np.ndarray:
    """Log odds [N, M] of one sign as shares of their sum; 0 where that is 0."""
    total = added.sum(axis=1, keepdims=True)
    return np.divide(added, total, out=np.zeros_like(added), where=total != 0)


def _strands(model: AnyModel) -> tuple[str, ...]:
    """The strands that the parts of a model are of."""
    is_one = model.spec.binding == "probability" and not model.spec.stranded
    return (BOTH,) if is_one and not model.spec.positional else ("+", "-")


def join_contributions(parts: list[Contributions]) -> Contributions:
    """Contributions of several batches as one, in their order."""
    names = [part.name for part in parts if part.name is not None]
    arrays = ("expression", "baseline", "activity", "opening", "direct", "accessibility")
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in arrays
    }
    name = pa.chunked_array(names).combine_chunks() if names else None
    return replace(parts[0], **joined, name=name)
