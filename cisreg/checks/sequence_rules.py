"""What is odd about the sequences of a data set."""

from __future__ import annotations

import numpy as np

from cisreg.checks.families import SHORTEST, WORD
from cisreg.checks.findings import Finding, State, percent
from cisreg.checks.survey import Survey
from cisreg.data import HoldOut
from cisreg.data.ends import describe_ends
from cisreg.display import counted
from cisreg.limits import LONGEST_SEQUENCE

# A sequence so many times longer than the median makes most of the bases padding.
_FAR_ABOVE_MEDIAN = 10
# Constant ends are told from so many different sequences on, see `find_constant_ends`.
_FEWEST_FOR_ENDS = 50
_MANY_UNKNOWN = 0.05
# Words of three bases, see `cisreg.checks.measured.complexity`; random sequences have above 30.
_SIMPLE_WORDS, _MANY_SIMPLE = 8, 0.01
_STRONG_COMPOSITION = 0.3
_SOME_RELATED, _MANY_LEAKED = 0.01, 0.1


def check_lengths(survey: Survey) -> Finding:
    """Whether all sequences have one length."""
    lengths = sorted(survey.lengths)
    longest, median = lengths[-1], _median(survey)
    if longest > LONGEST_SEQUENCE:
        return Finding(
            "length",
            "error",
            f"The longest sequence has {longest:,} bases; a model takes {LONGEST_SEQUENCE:,}.",
            longest,
            "--length trims longer sequences.",
        )
    if len(lengths) == 1:
        return Finding("length", "ok", f"All sequences have {counted(longest, 'base')}.", longest)
    text = f"Sequences have {lengths[0]:,} to {longest:,} bases, half of them at most {median:,}."
    advice = "Shorter ones are padded on the left: --side right pads on the right, --length trims."
    if longest > _FAR_ABOVE_MEDIAN * median:
        text += " The longest makes most of what is computed padding."
        return Finding("length", "warning", text, longest, f"{advice} Or take the longest out.")
    return Finding("length", "note", text, longest, advice)


def _median(survey: Survey) -> int:
    lengths = np.array(sorted(survey.lengths))
    below = np.cumsum([survey.lengths[length] for length in lengths.tolist()])
    return int(lengths[np.searchsorted(below, survey.count / 2)])


def check_ends(survey: Survey) -> Finding:
    """Which ends all sequences share."""
    left, right = (0 if end is None else len(end.sequence) for end in survey.ends)
    if left or right:
        return Finding(
            "constant ends",
            "note",
            _sentence(describe_ends(survey.ends)),
            left + right,
            f"train finds them, and no site inside counts: --constant-left {left} "
            f"--constant-right {right}. --constant-ends keep takes them for bases like any other.",
        )
    if len(survey.sample) < _FEWEST_FOR_ENDS:
        text = f"Too few different sequences to find constant ends: {len(survey.sample)}."
        return Finding(
            "constant ends", "note", text, 0, "--constant-left and --constant-right give them."
        )
    return Finding("constant ends", "ok", "The sequences share no constant ends.", 0)


def check_unknown(survey: Survey) -> Finding:
    """How many bases are unknown."""
    bases = survey.composition.bases
    unknown, rows = int(bases[4]), survey.composition.with_unknown
    if not unknown:
        return Finding("unknown bases", "ok", "All bases are A, C, G or T.", 0)
    share = unknown / int(bases.sum())
    return Finding(
        "unknown bases",
        "warning" if share >= _MANY_UNKNOWN else "note",
        f"Of the bases, {percent(share)}, in {percent(rows, survey.count)} of the sequences, are N "
        "or another code for several bases.",
        share,
        "They count as unknown, and no site covers them: take such sequences out if there are "
        "many.",
    )


def check_composition(survey: Survey) -> Finding:
    """GC content, and how well base composition alone predicts expression."""
    composition = survey.composition
    if np.isnan(composition.gc_content):
        return Finding(
            "base composition",
            "error",
            "No base of any sequence is known: there is nothing to learn.",
            advice="--sequence-column names another column.",
        )
    text = f"GC content is {percent(composition.gc_content)}"
    r = composition.r
    if np.isnan(r):
        return Finding("base composition", "ok", f"{text}.", composition.gc_content)
    if np.isfinite(composition.gc_correlation):
        text += f"; its r with expression is {composition.gc_correlation:.2f}"
    text += f". The shares of A, C, G and T alone predict expression with r = {r:.2f}."
    if r < _STRONG_COMPOSITION:
        return Finding("base composition", "ok", text, r)
    return Finding(
        "base composition",
        "note",
        text,
        r,
        "Compare the r of a model with this one: what is above it is what sites explain.",
    )


def check_complexity(survey: Survey) -> Finding:
    """How many sequences are repeats of a few words."""
    known = survey.sample_complexity[np.isfinite(survey.sample_complexity)]
    if not len(known):
        return Finding("low complexity", "ok", "The sequences are too short to be repetitive.")
    share = float((known < _SIMPLE_WORDS).mean())
    text = (
        f"Of the sequences, {percent(share)} consist of a few short words, such as a run of A or a "
        "repeat of CA."
    )
    if share < _MANY_SIMPLE:
        return Finding("low complexity", "ok", text, share)
    return Finding(
        "low complexity",
        "note",
        text,
        share,
        "Are they meant? Repeats of a genome, or faults of synthesis, bind factors by chance.",
    )


def check_repeats(survey: Survey) -> Finding:
    """Rows of the same sequence."""
    repeats = survey.repeats
    if not repeats.repeating:
        return Finding("equal sequences", "ok", "Every sequence is there once.", 0)
    of = "" if survey.kept_share == 1 else f" in a sample of {percent(survey.kept_share)}"
    text = (
        f"{repeats.repeating:,} of {repeats.rows:,} rows{of} have the sequence of another row, or "
        f"its reverse complement: {counted(repeats.repeated, 'sequence')}, of which "
        f"{repeats.reversed:,} are there in both orientations."
    )
    if repeats.across:
        return Finding(
            "equal sequences",
            "warning",
            f"{text} {repeats.across:,} rows to train on have the sequence of a row that is held "
            "out.",
            repeats.across,
            "Validation looks better than it is: leave these rows out, or hold out a share with "
            "--validation, which keeps equal sequences together.",
        )
    return Finding(
        "equal sequences",
        "note",
        text,
        repeats.repeating,
        "Each row counts in training. Rows of one sequence stay on one side of the split.",
    )


def check_relatives(survey: Survey, hold_out: HoldOut) -> Finding:
    """Sequences that are alike, and whether a split takes them apart."""
    name, found = "similar sequences", survey.relatives
    if found is None:
        return Finding(name, "ok", "Not looked for.")
    if not found.compared:
        return Finding(name, "ok", f"The sequences are too short: below {SHORTEST} bases.")
    of = (
        ""
        if survey.compared_rows == survey.count
        else f" of the first {survey.compared_rows:,} rows"
    )
    share = found.related / found.compared
    leaked = found.leaked / found.held_out if found.held_out else 0.0
    text = (
        f"Of the sequences{of}, {percent(share)} are variants of another, or overlap with it: they "
        f"share about half of its words of {WORD} bases, or more."
    )
    if share < _SOME_RELATED:
        return Finding(name, "ok", text, share)
    text += f" {percent(leaked)} of those that are held out have such a relative to train on."
    state: State = "warning" if leaked >= _MANY_LEAKED else "note"
    if state == "note" and hold_out.column is not None:
        return Finding(name, "ok", text, leaked)
    return Finding(
        name,
        state,
        text,
        leaked,
        "The r of held-out sequences then says how well a model interpolates. --group-column with "
        "a column of loci, or --split-column with one of folds, keeps relatives together.",
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
