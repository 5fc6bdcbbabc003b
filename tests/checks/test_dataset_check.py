"""Each finding on data that were made with the fault, and on data that were made without it."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest

import cisreg
from cisreg.checks import check_dataset
from cisreg.checks.families import Sketcher, find_relatives
from cisreg.data import Columns, Dataset, HoldOut
from cisreg.metrics import pearson_correlation

LETTERS = np.array(list("ACGT"))


def texts(codes):
    return ["".join(LETTERS[row]) for row in codes]


def random_codes(count=600, length=60, seed=0):
    return np.random.default_rng(seed).integers(0, 4, (count, length), np.uint8)


def normal(count=600, seed=1):
    return np.random.default_rng(seed).normal(9.0, 2.0, count)


def found(data, check, **settings):
    """The findings of one check."""
    every = check_dataset(data, **settings).findings
    return [each for each in every if each.check == check]


def only(data, check, **settings):
    (finding,) = found(data, check, **settings)
    return finding


def test_sound_data_are_in_order_but_for_what_is_always_said():
    result = check_dataset(Dataset(texts(random_codes()), normal()))
    assert not result.errors and not result.warnings
    assert {each.check for each in result.findings if each.state != "ok"} <= {"size"}
    assert result.count == 600
    assert repr(result).startswith("DatasetCheck(600 rows: 0 errors, 0 warnings")
    assert result.to_table().num_rows == len(result)
    assert "<td>" in result._repr_html_()


def test_lengths():
    codes = texts(random_codes())
    mixed = [text[: 40 + row % 21] for row, text in enumerate(codes)]
    finding = only(Dataset(mixed, normal()), "length")
    assert finding.state == "note"
    assert "40 to 60 bases, half of them at most 50" in finding.sentence
    one_long = [*codes[:-1], "ACGT" * 300]
    assert only(Dataset(one_long, normal()), "length").state == "warning"
    assert only(Dataset(codes, normal()), "length").sentence == "All sequences have 60 bases."


def test_constant_ends_are_those_that_train_would_find():
    codes = random_codes()
    codes[:, :7], codes[:, -5:] = [0, 1, 2, 3, 3, 2, 1], [2, 2, 0, 1, 0]
    finding = only(Dataset(texts(codes), normal()), "constant ends")
    assert "begin with ACGTTGC (7 bases)" in finding.sentence
    assert "end with GGACA (5 bases)" in finding.sentence
    assert "--constant-left 7 --constant-right 5" in finding.advice
    # Of sequences of several lengths, the last bases are at different columns.
    mixed = ["".join(LETTERS[row[: 40 + at % 9]]) + "GGACA" for at, row in enumerate(codes)]
    assert "end with GGACA" in only(Dataset(mixed, normal()), "constant ends").sentence


def test_unknown_bases_are_counted_but_padding_is_not():
    codes = texts(random_codes(length=50))
    codes[0], codes[1] = "N" * 10 + codes[0][10:], codes[1][:20] + "RYKM" + codes[1][24:]
    codes[2] = codes[2][:30]
    finding = only(Dataset(codes, normal()), "unknown bases")
    # At the ends of a row in memory, an unknown base cannot be told from padding.
    assert finding.number == pytest.approx(4 / (600 * 50 - 20 - 10))


def test_unknown_bases_of_a_file(tmp_path):
    codes = texts(random_codes(length=50))
    codes[0] = "N" * 10 + codes[0][10:]
    table = write(tmp_path / "t.tsv", codes, normal())
    assert only(table, "unknown bases").number == pytest.approx(10 / (600 * 50))


def test_the_r_of_base_composition_is_that_of_least_squares():
    codes = random_codes()
    shares = np.stack([(codes == base).mean(axis=1) for base in range(4)], axis=1)
    expression = 8 * shares[:, 3] - 5 * shares[:, 1] + 0.3 * normal(seed=5)
    finding = only(Dataset(texts(codes), expression), "base composition")
    design = np.column_stack([np.ones(600), shares])
    fit = design @ np.linalg.lstsq(design, expression, rcond=None)[0]
    assert finding.number == pytest.approx(pearson_correlation(fit, expression), abs=1e-5)
    content = pearson_correlation(shares[:, 1] + shares[:, 2], expression)
    assert f"its r with expression is {content:.2f}" in finding.sentence
    assert finding.state == "note"
    assert only(Dataset(texts(codes), normal()), "base composition").state == "ok"


def test_low_complexity():
    codes = texts(random_codes())
    assert only(Dataset(codes, normal()), "low complexity").number == 0
    for row in range(12):
        codes[row] = ("CA" * 30)[: 60 - row] + codes[row][60 - row :]
    finding = only(Dataset(codes, normal()), "low complexity")
    assert finding.number == pytest.approx(12 / 600)


def reverse_complement(text):
    return text[::-1].translate(str.maketrans("ACGT", "TGCA"))


def test_equal_sequences_are_counted_in_both_orientations():
    codes = texts(random_codes())
    data = codes + codes[:30] + [reverse_complement(each) for each in codes[20:25]]
    finding = only(Dataset(data, normal(len(data))), "equal sequences")
    canonical = [min(each, reverse_complement(each)) for each in data]
    repeating = sum(canonical.count(each) > 1 for each in canonical)
    assert finding.number == repeating == 65
    assert "30 sequences, of which 5 are there in both orientations" in finding.sentence


def mutated(codes, changes, seed):
    random = np.random.default_rng(seed)
    others = codes.copy()
    for row in others:
        place = random.choice(len(row), changes, replace=False)
        row[place] = (row[place] + random.integers(1, 4, changes)) % 4
    return others


def jaccard(one, other):
    words = [{text[at : at + 16] for at in range(len(text) - 15)} for text in (one, other)]
    return len(words[0] & words[1]) / len(words[0] | words[1])


def test_similar_sequences_are_found_as_often_as_their_words_say():
    codes = random_codes(1000, 100)
    others = mutated(codes, 3, seed=2)
    data = Dataset(texts(np.concatenate([codes, others])), normal(2000))
    alike = np.array([jaccard(*pair) for pair in zip(texts(codes), texts(others), strict=True)])
    expected = np.mean(1 - (1 - alike) ** 4 - 4 * alike * (1 - alike) ** 3)
    share = check_dataset(data).survey.relatives.related / 2000
    # Four standard deviations of a share of 1,000 pairs.
    assert share == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 1000) ** 0.5)
    assert only(data, "similar sequences").state == "warning"
    assert only(Dataset(texts(codes), normal(1000)), "similar sequences").number == 0


def test_random_sequences_share_words_by_chance_but_are_no_relatives():
    """Words that are too short would be shared by many: among 2 million, by a seventh with 12."""
    codes = random_codes(150_000, 80, seed=11)
    sketch = Sketcher().add(codes, np.full(len(codes), 80))
    side = np.zeros(len(codes), np.uint8)
    # Pairs grow with the square of the number: as 0.5 % of two million.
    assert find_relatives(sketch, side).related <= 0.005 * len(codes) * 150_000 / 2e6


def test_a_few_sequences_are_compared_too():
    codes = random_codes(10, 60, seed=5)
    data = Dataset(texts(np.concatenate([codes, mutated(codes[:1], 1, seed=1)])), normal(11))
    assert check_dataset(data).survey.relatives.related == 2


def test_constant_parts_make_no_relatives():
    codes = random_codes(1000, 80)
    codes[:, :20] = np.arange(20) % 4
    codes[:, 40:60] = np.arange(20) % 3
    for data in (texts(codes), [text[: 70 + at % 10] for at, text in enumerate(texts(codes))]):
        survey = check_dataset(Dataset(data, normal(1000))).survey
        assert survey.relatives.related <= 10
    # But variants of one promoter hardly vary anywhere, and are relatives.
    same = np.repeat(random_codes(1, 80), 1000, axis=0)
    data = Dataset(texts(mutated(same, 2, seed=3)), normal(1000))
    assert check_dataset(data).survey.relatives.related > 900


def test_a_column_of_groups_keeps_relatives_on_one_side(tmp_path):
    codes = random_codes(400, 80)
    data = texts(np.concatenate([codes, mutated(codes, 2, seed=4)]))
    loci = [f"locus{at % 400}" for at in range(800)]
    table = tmp_path / "t.tsv"
    rows = enumerate(zip(data, normal(800), loci, strict=True))
    lines = [f"{text}\t{value:.4f}\t{locus}\t{at // 400}\n" for at, (text, value, locus) in rows]
    table.write_text("sequence\texpression\tlocus\thalf\n" + "".join(lines))
    assert only(table, "similar sequences").state == "warning"
    grouped = only(table, "similar sequences", validation=HoldOut(0.1, groups="locus"))
    assert (grouped.state, grouped.number) == ("ok", 0)
    apart = only(table, "similar sequences", validation=HoldOut(folds="half", fold=1))
    assert apart.state == "warning"
    assert apart.number == pytest.approx(check_dataset(table).survey.relatives.related / 800)


def test_the_split_that_is_tried_is_that_of_training():
    codes = random_codes(500)
    data = Dataset(texts(np.concatenate([codes, codes[:50]])), normal(550))
    _, held_out = cisreg.data.split(data, 0.3, 0)
    survey = check_dataset(data, validation=0.3).survey
    assert survey.rows_by_side.tolist() == [550 - len(held_out), len(held_out), 0]


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (HoldOut(folds="fold", fold="x"), "fold: expected one of a (60 rows), b (40 rows), got x"),
        (HoldOut(folds="all", fold="1"), "expected rows to train on"),
        (HoldOut(folds="fold"), "expected train, validation and test"),
        (HoldOut(0.1, groups="all"), "got the same group in all rows"),
    ],
)
def test_a_split_that_training_would_refuse_is_an_error(tmp_path, split, said):
    table = tmp_path / "t.tsv"
    lines = [
        f"{text}\t{at}\t{'ab'[at >= 60]}\t1\n" for at, text in enumerate(texts(random_codes(100)))
    ]
    table.write_text("sequence\texpression\tfold\tall\n" + "".join(lines))
    finding = only(table, "split", validation=split)
    assert finding.state == "error" and said in finding.sentence
    # It says what training says.
    extra = Columns(extra=(split.column,))
    with pytest.raises(ValueError, match=re.escape(said)):
        split.split(cisreg.read_dataset(table, columns=extra), 0)
    sound = only(table, "split", validation=HoldOut(folds="fold", fold="b"))
    assert (sound.state, sound.number) == ("ok", 40)


def test_few_rows_leave_one_side_of_the_split_nearly_empty():
    finding = only(Dataset(texts(random_codes(3)), normal(3)), "split", validation=0.001)
    assert finding.state == "warning"


def test_a_table_without_rows_is_an_error(tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text("sequence\texpression\n")
    assert [each.check for each in check_dataset(table).errors] == ["reading"]


def test_a_table_without_known_bases_is_an_error(tmp_path):
    table = write(tmp_path / "t.tsv", ["N" * 30] * 100, normal(100))
    for source in (table, {"sequence": ["N" * 30] * 100, "expression": normal(100)}):
        finding = only(source, "base composition")
        assert finding.state == "error" and "nan" not in finding.sentence


def test_rows_of_one_sequence_on_both_sides_are_a_warning(tmp_path):
    codes = texts(random_codes(100))
    table = tmp_path / "t.tsv"
    lines = [f"{text}\t{at}\t{at // 100}\n" for at, text in enumerate(codes + codes[:9])]
    table.write_text("sequence\texpression\tfold\n" + "".join(lines))
    split = HoldOut(folds="fold", fold="1")
    finding = only(table, "equal sequences", validation=split)
    assert finding.state == "warning"
    assert finding.number == 9


@pytest.mark.parametrize(
    ("values", "state", "said"),
    [
        (np.full(600, 3.0), "error", "All measurements are 3"),
        (np.arange(600) % 4, "note", "4 values only"),
        (np.random.default_rng(2).negative_binomial(1, 0.01, 600) ** 2, "note", "like counts"),
        (np.exp(normal()), "note", "no logarithms"),
        (normal() - 9, "ok", "logarithms or differences"),
        (normal(), "ok", "spread evenly enough"),
    ],
)
def test_the_scale_of_expression(values, state, said):
    finding = only(Dataset(texts(random_codes()), values), "expression")
    assert finding.state == state
    assert said in finding.sentence


def test_saturation_at_both_ends():
    values = np.clip(normal(), 7.0, 12.0)
    low, high = found(Dataset(texts(random_codes()), values), "saturation")
    assert low.number == pytest.approx((values == 7).mean())
    assert high.number == pytest.approx((values == 12).mean())
    assert low.state == ("warning" if low.number >= 0.1 else "note")
    assert only(Dataset(texts(random_codes()), normal()), "saturation").state == "ok"


def test_outliers():
    values = normal()
    assert only(Dataset(texts(random_codes()), values), "outliers").number == 0
    values[[3, 40]] = 30.0, 500.0
    finding = only(Dataset(texts(random_codes()), values), "outliers")
    assert (finding.state, finding.number) == ("warning", 2)
    values[3] = 1e38
    assert len(only(Dataset(texts(random_codes()), values), "outliers").sentence) < 120


def test_the_ceiling_of_r_is_the_r_of_the_truth_with_replicate_columns(tmp_path):
    random = np.random.default_rng(7)
    codes, truth = texts(random_codes(4000)), random.normal(0, 1, 4000)
    measured = truth[:, None] + random.normal(0, 0.9, (4000, 3))
    finding = only(Dataset(codes, measured), "replicates")
    expected = pearson_correlation(truth, measured.mean(axis=1))
    assert finding.number == pytest.approx(expected, abs=0.02)
    table = tmp_path / "t.tsv"
    rows = [f"{text}\t{a}\t{b}\n" for text, (a, b, _) in zip(codes, measured, strict=True)]
    table.write_text("sequence\tone\tother\n" + "".join(rows))
    two = only(table, "replicates", columns=Columns(expression=("one", "other")))
    expected = pearson_correlation(truth, measured[:, :2].mean(axis=1))
    assert two.number == pytest.approx(expected, abs=0.02)


def test_the_ceiling_of_r_is_the_r_of_the_truth_with_rows_of_one_sequence():
    random = np.random.default_rng(8)
    codes, truth = texts(random_codes(3000)), random.normal(0, 1, 3000)
    which = np.concatenate([np.arange(3000), random.integers(0, 3000, 2000)])
    measured = truth[which] + random.normal(0, 0.7, 5000)
    finding = only(Dataset([codes[row] for row in which], measured), "replicates")
    assert finding.number == pytest.approx(pearson_correlation(truth[which], measured), abs=0.02)


def test_a_measurement_that_does_not_vary_is_named():
    measured = np.stack([normal(), np.full(600, 2.0)], axis=1)
    finding = only(Dataset(texts(random_codes()), measured), "replicates")
    assert finding.state == "error"
    assert "expression_2" in finding.sentence
    # In a table, by its name there.
    columns = {"sequence": texts(random_codes()), "first": measured[:, 0], "other": measured[:, 1]}
    asked = Columns("sequence", ("first", "other"))
    assert "'other'" in only(columns, "replicates", columns=asked).sentence


def test_rows_left_out_are_counted_by_reason(tmp_path):
    codes = texts(random_codes())
    codes[4], codes[5] = "", "ACGX" * 15
    values = [f"{value:.4f}" for value in normal()]
    values[9] = "NA"
    finding = only(write(tmp_path / "t.tsv", codes, values), "rows left out")
    assert (finding.state, finding.number) == ("note", 3)
    assert "t.tsv:6" in finding.sentence and "no finite number" in finding.sentence
    nothing = check_dataset(write(tmp_path / "n.tsv", codes[:3], ["x"] * 3))
    assert nothing.errors[0].check == "rows left out"
    assert nothing.count == 0


def test_a_column_asked_for_by_its_number_is_said_to_be_asked_for(tmp_path):
    table = write(tmp_path / "t.tsv", texts(random_codes()), map(str, normal()))
    for columns in (Columns(0, (1,)), Columns("sequence", ("expression",))):
        said = only(table, "columns", columns=columns).sentence
        assert said.count("(as asked)") == 2


def test_rows_that_lack_one_of_two_replicates_are_used_and_counted(tmp_path):
    table = tmp_path / "t.csv"
    pairs = [("1.5", "NA"), ("", "2.5"), *[("1.25", "1.75"), ("3.5", "3.25")] * 40]
    rows = zip(texts(random_codes()), pairs, strict=False)
    lines = "".join(f"{text};{one};{two}\n" for text, (one, two) in rows)
    table.write_text(f"sequence;expression_1;expression_2\n{lines}")
    assert only(table, "rows left out").number == 0
    found = only(table, "replicates")
    assert "2 of 82 rows (2.4 %) lack some of them: the mean of the others counts" in found.sentence
    single = only(table, "rows left out", columns=Columns(expression=("expression_1",)))
    assert single.number == 1


@pytest.mark.parametrize("complete", [0, 2, 19, 20])
def test_few_rows_that_have_both_replicates_leave_no_highest_r(complete):
    values = normal()[:60, None] + 0.1 * normal()[60:180].reshape(60, 2)
    values[complete:, 1] = np.nan
    data = Dataset(random_codes()[:60], values)
    found = only(data, "replicates")
    assert np.isfinite(found.number) == (complete == 20)
    if complete < 20:
        assert f"{complete} row" in found.sentence and "of the 20 that are needed" in found.sentence
        assert f"{60 - complete} of 60 rows" in found.sentence


def write(path, codes, values):
    rows = zip(codes, values, strict=True)
    lines = "".join(f"{text}\t{value}\n" for text, value in rows)
    path.write_text(f"sequence\texpression\n{lines}")
    return path


def test_columns_are_said_with_the_reason(tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text("seq\ty\nACGT\t1\nTTGC\t2\n")
    finding = only(table, "columns")
    assert "Sequence from 'seq' (by its name), expression from 'y' (by what it holds)" in (
        finding.sentence
    )
    asked = only(table, "columns", columns=Columns(expression="y"))
    assert "expression from 'y' (as asked)" in asked.sentence


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (",sequence,y\n0,ACGTACGTAC,5.1\n1,ACGATTGCAC,7.2\n", "--expression-column"),
        ("sequence;expression\nACGTACGTAC;5,1\nACGATTGCAC;7,2\n", "--decimal-comma"),
        ("set\tx\ty\ta\t1\tb\n", "--sequence-column"),
        ("", "expected"),
    ],
)
def test_what_a_reader_refuses_is_the_finding(tmp_path, content, said):
    table = tmp_path / "t.csv"
    table.write_text(content)
    result = check_dataset(table)
    assert [each.state for each in result.findings] == ["error"]
    assert said in result.findings[0].sentence
    assert result.survey is None


def test_a_file_that_is_cut_is_the_finding(tmp_path):
    table = write(tmp_path / "t.tsv", texts(random_codes()), normal())
    import gzip

    cut = tmp_path / "cut.tsv.gz"
    cut.write_bytes(gzip.compress(table.read_bytes())[:-2000])
    assert check_dataset(cut).errors


def test_fasta_without_measurements_is_an_error_beside_its_other_findings(tmp_path):
    fasta = tmp_path / "t.fa"
    fasta.write_text("".join(f">{at}\n{text}\n" for at, text in enumerate(texts(random_codes()))))
    result = check_dataset(fasta)
    assert [each.check for each in result.errors] == ["columns"]
    assert any(each.check == "length" for each in result.findings)


def test_size_counts_the_parameters_of_the_model_that_train_makes():
    from cisreg.motifs import demo_motifs
    from cisreg.recipes import read_recipe

    motifs = demo_motifs()
    data = Dataset(texts(random_codes(700)), normal(700))
    finding = only(data, "size", motifs=motifs)
    recipe = read_recipe("quick")
    spec = recipe.spec(len(motifs), 60)
    columns = np.minimum(motifs.widths + 2, 30).sum()
    numbers = sum(int(np.prod(shape)) for shape in spec.parameter_shapes.values())
    numbers += 4 * int(columns) - 30 * 4 * len(motifs)
    assert f"{numbers:,} in the recipe quick" in finding.sentence
    assert finding.state == "note"
    few = only(Dataset(texts(random_codes(100)), normal(100)), "size", motifs=motifs)
    assert few.state == "warning"
    short = Dataset(["ACGTAC", "TTGCAA"] * 300, normal())
    assert "position_knots" in only(short, "size").sentence


def test_files_frames_and_memory_give_the_same_findings(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    codes, values = texts(random_codes()), np.round(normal(), 3).astype(np.float32)
    codes += codes[:20]
    values = np.append(values, values[:20] + 1)
    table = write(tmp_path / "t.tsv", codes, values)
    cisreg.data.convert(cisreg.open_dataset(table), tmp_path / "parquet", seed=1)

    def rest(source):
        findings = check_dataset(source).findings
        return {
            each.sentence for each in findings if each.check not in ("columns", "rows left out")
        }

    expected = rest(Dataset(codes, values))
    assert rest(table) == expected
    assert rest(cisreg.open_dataset(table)) == expected
    assert rest(tmp_path / "parquet") == expected
    assert rest({"sequence": codes, "expression": values}) == expected


def test_a_missing_file_is_no_finding(tmp_path):
    with pytest.raises(FileNotFoundError):
        check_dataset(tmp_path / "none.tsv")
