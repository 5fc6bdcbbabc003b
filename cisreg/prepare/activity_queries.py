"""The queries of `cisreg.prepare.activity`, step after step; see there for the formulas.

Sums of counts are whole numbers and exact; what is computed from them has a fixed order. So the
activities have the same bits whatever the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from cisreg.prepare.moderation import Prior

# A ratio of variances is taken for at least this where its logarithm is.
_SMALLEST_RATIO = 1e-5
_GROUPS = 20
# Median absolute deviation of a normal distribution to its standard deviation.
_MAD = 1.4826
_LN2 = math.log(2)


def add_up(minimum_dna: int, minimum_rna: int) -> str:
    """The counts of each barcode in each replicate, without barcodes that several names have."""
    return (
        "CREATE TABLE used AS SELECT name, unit, number, sum(dna)::BIGINT AS dna, "
        "sum(rna)::BIGINT AS rna, max(barcodes) AS barcodes "
        "FROM raw JOIN labels USING (replicate) ANTI JOIN shared USING (unit) "
        "GROUP BY name, unit, number "
        f"HAVING sum(dna) >= {minimum_dna} AND sum(rna) >= {minimum_rna}"
    )


def without_outliers(times: float, pseudocount: float) -> str:
    """Leaves out of the table `used` barcodes that are far from the others of their sequence.

    They are compared with barcodes whose ratio should be as noisy by counting. RNA is expected from
    their DNA and the median: an outlier would otherwise be compared with other outliers.
    """
    p = pseudocount
    return (
        "CREATE OR REPLACE TABLE used AS WITH scored AS (SELECT *, "
        f"log2((rna + {p}) / (dna + {p})) AS ratio FROM used), "
        "centred AS (SELECT *, median(ratio) OVER (PARTITION BY name, number) AS centre "
        "FROM scored), compared AS (SELECT *, ratio - centre AS deviation, "
        f"ntile({_GROUPS}) OVER (PARTITION BY number ORDER BY (1 + 2 ** -centre) / (dna + {p}), "
        "name, unit) AS noise FROM centred), judged AS (SELECT *, "
        "median(abs(deviation)) OVER (PARTITION BY number, noise) AS spread FROM compared) "
        "SELECT name, unit, number, dna, rna, barcodes FROM judged "
        f"WHERE spread = 0 OR abs(deviation) <= {times * _MAD} * spread"
    )


def activities(barcodes: str, minimum_barcodes: int, pseudocount: float) -> str:
    """The activity of each sequence in each replicate, with its error by counting.

    Args:
        barcodes: the number of barcodes of a group of rows, in SQL.
        minimum_barcodes: fewer are left out.
        pseudocount: p.
    """
    p = pseudocount
    return (
        "CREATE TABLE activities AS WITH totals AS (SELECT number, sum(dna)::DOUBLE AS all_dna, "
        "sum(rna)::DOUBLE AS all_rna FROM used GROUP BY number), "
        "sums AS (SELECT name, number, sum(dna)::BIGINT AS dna, sum(rna)::BIGINT AS rna, "
        f"{barcodes} AS barcodes FROM used GROUP BY name, number "
        f"HAVING coalesce({barcodes}, {minimum_barcodes}) >= {minimum_barcodes}) "
        "SELECT name, number, dna, rna, barcodes, "
        f"log2((rna + {p}) / (all_rna + {2 * p})) - log2((dna + {p}) / (all_dna + {2 * p})) "
        "AS activity FROM sums JOIN totals USING (number)"
    )


def _each(replicates: int, form: str) -> list[str]:
    return [form.format(k=k) for k in range(replicates)]


def summary(replicates: int, pseudocount: float, *, shares_dna: bool) -> str:
    """Mean activity of each sequence over its replicates, and its variance by counting."""
    p = pseudocount
    columns = [
        *_each(replicates, "max(activity) FILTER (number = {k}) AS activity_{k}"),
        *_each(replicates, f"sum(1 / (rna + {p})) FILTER (number = {{k}}) AS rna_{{k}}"),
        *_each(replicates, f"sum(1 / (dna + {p})) FILTER (number = {{k}}) AS dna_{{k}}"),
        "count(*) AS replicates",
        f"{'max' if shares_dna else 'sum'}(dna)::BIGINT AS dna",
        "sum(rna)::BIGINT AS rna",
        "max(barcodes) AS barcodes",
    ]
    mean, by_rna, by_dna = (
        " + ".join(_each(replicates, f"coalesce({name}_{{k}}, 0)"))
        for name in ("activity", "rna", "dna")
    )
    # Counts that all replicates have in common are counted once.
    dna = "replicates" if shares_dna else "replicates ** 2"
    squares = " + ".join(_each(replicates, "coalesce((activity_{k} - expression) ** 2, 0)"))
    kept = ", ".join(_each(replicates, "activity_{k}"))
    return (
        f"CREATE TABLE summary AS WITH wide AS (SELECT name, {', '.join(columns)} FROM activities "
        f"GROUP BY name), means AS (SELECT *, ({mean}) / replicates AS expression, "
        f"(({by_rna}) / replicates ** 2 + ({by_dna}) / ({dna})) / {_LN2**2} AS counting FROM wide) "
        f"SELECT name, {kept}, replicates, dna, rna, barcodes, expression, counting, "
        f"({squares}) / nullif(replicates - 1, 0) / replicates AS variance_of_replicates, "
        "replicates - 1 AS freedom_of_replicates FROM means"
    )


def spread_of_barcodes(pseudocount: float) -> str:
    """How the barcodes of a sequence differ, and their number; each counts with all its replicates.

    Args:
        pseudocount: p.
    """
    p = pseudocount
    return (
        "CREATE OR REPLACE TABLE summary AS WITH influence AS (SELECT used.name AS name, unit, "
        f"sum(used.rna / (a.rna + {p}) - used.dna / (a.dna + {p})) AS pull, "
        f"sum(used.dna / (a.dna + {p})) AS share "
        "FROM used JOIN activities AS a ON used.name = a.name AND used.number = a.number "
        "GROUP BY used.name, unit), spread AS (SELECT name, count(*) AS units, "
        "sum(pull ** 2 / (1 - share / replicates)) AS squares "
        "FROM influence JOIN summary USING (name) GROUP BY name) "
        "SELECT summary.* REPLACE (spread.units AS barcodes), "
        f"squares / replicates ** 2 / {_LN2**2} AS variance_of_barcodes, "
        "spread.units - 1 AS freedom_of_barcodes FROM summary JOIN spread USING (name)"
    )


def log_ratios(source: str) -> str:
    """Sums of the logarithm of observed variances over those by counting, by degrees of freedom.

    Args:
        source: what differs, "barcodes" or "replicates".
    """
    return (
        "SELECT freedom, count(*), sum(ratio), sum(ratio * ratio) FROM (SELECT "
        f"freedom_of_{source} AS freedom, ln(greatest(variance_of_{source} / counting, "
        f"{_SMALLEST_RATIO})) AS ratio FROM summary WHERE freedom_of_{source} > 0) "
        "GROUP BY freedom ORDER BY freedom"
    )


def _moderated(source: str, prior: Prior) -> str:
    """The ratio of an observed variance to that by counting, drawn to the usual one; 1 or more."""
    usual, freedom = prior.variance, f"freedom_of_{source}"
    if math.isinf(prior.freedom):
        return f"greatest(1, {usual})"
    # One barcode, or one replicate, tells nothing.
    seen = f"CASE WHEN {freedom} > 0 THEN variance_of_{source} / counting ELSE 0 END"
    sums = f"{prior.freedom} * {usual} + {freedom} * ({seen})"
    return f"greatest(1, ({sums}) / ({prior.freedom} + {freedom}))"


def results(
    replicates: int,
    priors: Mapping[str, Prior],
    *,
    sequence: str,
    weights: bool,
    barcodes: bool,
) -> str:
    """The rows of the output, by name.

    Args:
        replicates: their number.
        priors: for "barcodes" and "replicates", as far as their differences count, what is known of
            the ratio of a variance to that by counting.
        sequence: "design" where the sequences are in that table, "raw" where they are in the
            counts, "" where there are none.
        weights: whether to compute weights.
        barcodes: whether the number of barcodes is known.
    """
    # Each source of variance has the part by counting in it, which is added once.
    parts = [f"{_moderated(source, prior)} - 1" for source, prior in priors.items()]
    ratio = " + ".join(["1", *parts])
    columns = ["name", *(["sequence"] if sequence else []), "expression"]
    columns += ["sqrt(counting * ratio)::FLOAT AS standard_error"]
    if weights:
        columns.append(
            "(1 / (counting * ratio) / avg(1 / (counting * ratio)) OVER ())::FLOAT AS weight"
        )
    columns += ["replicates", *(["barcodes"] if barcodes else [])]
    columns += ["dna AS dna_count", "rna AS rna_count"]
    columns += [f"activity_{k}" for k in range(replicates)]
    source = "summary"
    if sequence == "design":
        source = "summary JOIN design USING (name)"
    elif sequence:
        source = (
            "summary JOIN (SELECT name, min(upper(sequence)) AS sequence FROM raw GROUP BY name) "
            "USING (name)"
        )
    return (
        f"SELECT {', '.join(columns)} FROM (SELECT *, {ratio} AS ratio FROM {source}) ORDER BY name"
    )
