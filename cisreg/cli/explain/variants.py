"""cisreg explain variants."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cisreg.cli import options
from cisreg.cli.explain.tables import check_results
from cisreg.cli.outputs import check_files
from cisreg.cli.prepare.step_options import destination, tell
from cisreg.display import counted

if TYPE_CHECKING:
    from cisreg.interpret import VariantEffects
    from cisreg.trained_model import Model

EXAMPLE = (
    "cisreg explain variants model strain.vcf.gz --genome yeast.fa --constructs promoters.bed "
    "--output effects.tsv"
)


def variants(
    context: typer.Context,
    model: options.ModelFolder,
    vcf: Annotated[
        str | None,
        typer.Argument(metavar="VARIANTS", help="VCF or BCF; - is standard input."),
    ] = None,
    genome: Annotated[
        str | None,
        typer.Option(metavar="FASTA", help="Genome that the variants were called on: FASTA, 2bit."),
    ] = None,
    constructs: Annotated[
        Path | None,
        typer.Option(
            metavar="BED",
            help="Stretches of the genome that the model reads, each on its strand; default: a "
            "window around each variant.",
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="LENGTH",
            help="Bases of that window; default: what the model reads between constant ends.",
        ),
    ] = None,
    left: Annotated[
        str | None,
        typer.Option(
            metavar="BASES",
            help="Constant bases before each construct, '' for none; default: those that the model "
            "knows of its training sequences.",
        ),
    ] = None,
    right: Annotated[
        str | None, typer.Option(metavar="BASES", help="The same behind each construct.")
    ] = None,
    mismatch: Annotated[
        Literal["error", "skip"],
        typer.Option(
            metavar="NAME",
            help="Records whose reference allele is not that of the genome: **error**, or **skip** "
            "and count them.",
        ),
    ] = "error",
    unusable: Annotated[
        Literal["skip", "error"],
        typer.Option(
            metavar="NAME",
            help="Alleles without bases (*, <DEL>, breakends, .): **skip** and count them, or "
            "**error**.",
        ),
    ] = "skip",
    together: Annotated[
        bool,
        typer.Option("--together", help="All variants of a construct at once; none may overlap."),
    ] = False,
    sample: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Only the variants of this sample, by haplotype (phased 0|1)."
        ),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE",
            help="Instead of VARIANTS: a table with a pair of sequences in each row, and their "
            "name, if there is a column called name or id.",
        ),
    ] = None,
    reference_column: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of --pairs without the variant.")
    ] = "reference",
    alternative_column: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of --pairs with the variant.")
    ] = "alternative",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table to write, .tsv or .csv (.gz) or .parquet; default: standard output, as "
            "tab-separated text.",
        ),
    ] = None,
    by_factor: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Table to write with a row for each variant and factor."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the variant of the largest effect: .png, .pdf or .svg (needs matplotlib).",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="COUNT",
            help="Variants that are computed at a time; default: as many as take a few hundred "
            "megabytes.",
        ),
    ] = None,
    threads: options.Threads = None,
    model_output: options.ModelOutput = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Predict what variants do to expression, and say which factors and sites have part in it.

    The table has a row for each alternative allele and construct that holds it: where it is
    (positions from 1, as in VCF), expression without and with it, the effect, and the largest parts
    of it, such as "loses a Reb1 site at 34-42 (+): -1.8".
    """
    _check_options(context, vcf, genome, pairs, constructs, window)
    check_files(
        [output, by_factor, plot],
        inputs=[model, vcf, genome, constructs, pairs],
        overwrite=overwrite,
    )
    check_results(output, plot)
    check_results(by_factor, None)

    learned = options.read_model(model, model_output)
    shared = {"batch_size": batch_size, "threads": threads}
    if pairs is not None:
        batches = _of_pairs(learned, pairs, reference_column, alternative_column, shared)
    else:
        from cisreg.interpret import genome_variant_effects

        assert vcf is not None
        assert genome is not None
        batches = genome_variant_effects(
            *(learned, vcf, genome),
            constructs=constructs,
            window=window,
            left=left,
            right=right,
            mismatch=mismatch,
            unusable=unusable,
            together=together,
            sample=sample,
            progress=True,
            **shared,
        )
    written = Path("-") if output is None else output
    count, largest = _write(batches, written, by_factor, overwrite)
    others = [by_factor]
    if plot is not None and largest is not None:
        from cisreg.report.variant_plot import plot_variant

        plot_variant(plot, largest, 0, overwrite=overwrite)
        others.append(plot)
    files = " and ".join(destination(each) for each in (written, *filter(None, others)))
    tell(written, f"{counted(count, 'variant')} written to {files}")


def _check_options(
    context: typer.Context,
    vcf: str | None,
    genome: str | None,
    pairs: str | None,
    constructs: Path | None,
    window: int | None,
) -> None:
    if (vcf is None) == (pairs is None):
        raise typer.BadParameter("expected VARIANTS or --pairs, got both or neither", ctx=context)
    if (vcf is None) != (genome is None):
        raise typer.BadParameter("expected --genome where there are VARIANTS", ctx=context)
    if constructs is not None and window is not None:
        raise typer.BadParameter("expected --constructs or --window, got both", ctx=context)


def _of_pairs(
    model: Model, table: str, reference: str, alternative: str, settings: dict[str, Any]
) -> Iterator[VariantEffects]:
    """The effects of pairs of a table, a block of the table at a time."""
    import dataclasses

    import numpy as np
    import pyarrow as pa

    from cisreg.data.formats.columns import ColumnNameError
    from cisreg.interpret import variant_effect_batches

    asked = {
        "sequence": options.column(reference),
        "extra": (options.column(alternative),),
        "expression": (),
        "weight": False,
        "name": True,
    }
    try:
        files = options.open_files(table, asked, strict=True)
    except ColumnNameError as error:
        raise ColumnNameError(
            f"{error}; --reference-column and --alternative-column name the sequences of a pair"
        ) from None
    first = 0
    for rows in files.blocks():
        after = next(iter(rows.extra.values())).cast(pa.string())
        begin = first
        for found in variant_effect_batches(model, rows.sequence, after, **settings):
            names = pa.array(np.arange(first, first + len(found)))
            if rows.name is not None:
                names = rows.name.slice(first - begin, len(found))
            yield dataclasses.replace(found, places=pa.table({"sequence": names}))
            first += len(found)
    if not first:
        raise ValueError(files.unusable.none_left(table))


def _write(
    batches: Iterator[VariantEffects], output: Path, by_factor: Path | None, overwrite: bool
) -> tuple[int, VariantEffects | None]:
    """Writes all batches; returns their number of variants, and the one with the largest effect."""
    from cisreg.writing import open_table

    count, largest = 0, None
    with ExitStack() as stack:
        write = stack.enter_context(open_table(output, overwrite=overwrite))
        write_factors = None
        if by_factor is not None:
            write_factors = stack.enter_context(open_table(by_factor, overwrite=overwrite))
        for batch in batches:
            write(batch.columns())
            if write_factors is not None:
                table = batch.factor_table()
                write_factors({name: table[name].combine_chunks() for name in table.column_names})
            count += len(batch)
            if len(batch):
                best = batch.row(int(abs(batch.effect).argmax()))
                if largest is None or abs(best.effect[0]) > abs(largest.effect[0]):
                    largest = best
    return count, largest
