"""Training from files, streamed or cached: which way is chosen, and that no row is lost."""

from __future__ import annotations

import logging
import os
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_model import LENGTH, STAGES, assert_same_bits, fit_tiny, make_dataset

from cisreg import limits
from cisreg.data import Columns, Dataset, HoldOut, open_dataset, split
from cisreg.data.feeding import held_out
from cisreg.data.feeding.feed import MemoryFeed, Steps
from cisreg.data.feeding.stream import FileFeed
from cisreg.data.splitting import sequence_hashes
from cisreg.sequences import decode, reverse_complement
from cisreg.training import Stage, StoppedError, feeds
from cisreg.training.feeds import make_feed
from cisreg.training.stages import steps_per_epoch

LEARNING = {"stages": STAGES[:1], "validation": None}


def write(path, dataset, *, group=20, expression=None, **columns):
    table = pa.table(
        {
            "sequence": decode(dataset.sequence),
            "expression": dataset.expression if expression is None else expression,
            **columns,
        }
    )
    pq.write_table(table, path, row_group_size=group, write_page_checksum=True)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("files") / "train.parquet", make_dataset())


def opened(path, **options):
    return open_dataset(path, **{"length": LENGTH, "lanes": 3} | options)


def test_cached_files_train_as_the_same_data_in_memory(path):
    for cache in ("auto", "host", "device"):
        assert_same_bits(
            fit_tiny(opened(path), cache=cache).parameters, fit_tiny(make_dataset()).parameters
        )


def test_streamed_files_give_the_same_bits_again_and_others_with_another_seed(path):
    first, again, other = (
        fit_tiny(opened(path), cache="none", seed=seed).parameters for seed in (0, 0, 1)
    )
    assert_same_bits(first, again)
    assert not np.array_equal(first["activity"], other["activity"])


def test_files_whose_weights_are_all_zero_are_refused(tmp_path):
    weight = np.zeros(200)
    zero = opened(write(tmp_path / "zero.parquet", make_dataset(), weight=weight))
    for cache in ("none", "host"):
        with pytest.raises(ValueError, match="dataset: expected weights of which some are above 0"):
            fit_tiny(zero, cache=cache, **LEARNING)
    weight[199] = 1.0
    some = opened(write(tmp_path / "some.parquet", make_dataset(), weight=weight))
    assert fit_tiny(some, cache="none", stages=(Stage(("bias",), 1),), validation=None).history


def test_streamed_training_learns_as_cached_training_does(path):
    streamed, cached = (
        fit_tiny(opened(path), cache=cache, **LEARNING).history[-1].loss
        for cache in ("none", "host")
    )
    start = fit_tiny(opened(path), cache="none", **LEARNING).history[0].loss
    assert streamed == pytest.approx(cached, rel=0.1)
    assert streamed < 0.6 * start


@pytest.mark.parametrize("stops", [[1], [2, 5], [3, 4, 9]])
def test_a_streamed_run_stopped_anywhere_goes_on_to_the_same_bits(tmp_path, path, stops):
    unbroken = fit_tiny(opened(path), cache="none")
    options = {"cache": "none", "checkpoint_directory": tmp_path, "steps_per_call": 1}
    for stop in stops:
        with pytest.raises(StoppedError):
            stop_after(stop, path, options)
        options["resume"] = True
    resumed = fit_tiny(opened(path), **options)
    assert_same_bits(resumed.parameters, unbroken.parameters)


def stop_after(calls, path, options):
    """Asks a run to stop after this number of calls of its compiled steps."""
    from cisreg.training.training_run import TrainingRun

    run_steps, count = TrainingRun._run_steps, 0

    def run_and_stop(self, batches, last):
        nonlocal count
        count += 1
        return run_steps(self, batches, last) or count == calls

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingRun, "_run_steps", run_and_stop)
        fit_tiny(opened(path), **options)


def test_a_run_from_a_stream_is_not_resumed_from_a_cache(tmp_path, path):
    fit_tiny(opened(path), cache="none", checkpoint_directory=tmp_path, **LEARNING)
    with pytest.raises(ValueError, match="another training set;"):
        fit_tiny(opened(path), cache="host", checkpoint_directory=tmp_path, resume=True, **LEARNING)
    with pytest.raises(ValueError, match="another training set;"):
        fit_tiny(
            opened(path, lanes=4),
            cache="none",
            checkpoint_directory=tmp_path,
            resume=True,
            **LEARNING,
        )


def test_files_that_changed_are_not_resumed(tmp_path, path):
    own = write(tmp_path / "train.parquet", make_dataset())
    options = {"cache": "none", "checkpoint_directory": tmp_path / "run"} | LEARNING
    fit_tiny(opened(own), **options)
    write(own, make_dataset(seed=1))
    with pytest.raises(ValueError, match="another training set;"):
        fit_tiny(opened(own), resume=True, **options)


def several_files(folder):
    folder.mkdir()
    data = make_dataset()
    for number in range(5):
        rows = np.arange(40 * number, 40 * number + 40)
        write(folder / f"part-{number}.parquet", data.take(rows))
    return folder


@pytest.mark.parametrize("fault", ["vanished", "cut", "flipped"])
def test_a_file_lost_in_the_middle_of_a_run_ends_it_and_the_work_is_kept(tmp_path, fault):
    folder, stages = several_files(tmp_path / "files"), [replace(STAGES[0], epochs=6)]
    options = {"cache": "none", "stages": stages, "validation": None}
    unbroken = fit_tiny(opened(folder), **options)
    options |= {"checkpoint_directory": tmp_path / "run", "checkpoint_every": 1}
    path = folder / "part-3.parquet"
    content, files = path.read_bytes(), opened(folder)

    def lose(self, record, *arguments):
        if record.total_epoch == 2:
            damaged = bytearray(content)
            damaged[len(content) // 3] ^= 255
            if fault == "vanished":
                path.unlink()
            else:
                path.write_bytes(content[:-50] if fault == "cut" else damaged)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cisreg.training.monitor.Monitor.end_epoch", lose)
        with pytest.raises((ValueError, OSError), match=r"part-3.parquet"):
            fit_tiny(files, **options)
    path.write_bytes(content)
    resumed = fit_tiny(opened(folder), resume=True, **options)
    assert_same_bits(resumed.parameters, unbroken.parameters)


def test_rows_that_cannot_be_used_are_left_out_and_reported_once(tmp_path, caplog):
    data = make_dataset()
    expression = data.expression.copy()
    expression[[3, 50, 51, 199]] = np.nan
    own = write(tmp_path / "train.parquet", data, expression=expression)
    with caplog.at_level(logging.WARNING, "cisreg.data"):
        result = fit_tiny(opened(own), cache="none", **LEARNING)
    assert len([each for each in caplog.messages if "4 rows were left out" in each]) == 1
    assert all(np.isfinite(record.loss) for record in result.history)
    with pytest.raises(ValueError, match=r"train.parquet, row 3: expected a finite number"):
        fit_tiny(opened(own, strict=True), cache="none", **LEARNING)


def test_a_batch_of_which_no_row_can_be_used_is_said(tmp_path):
    data = make_dataset()
    for usable, message in (
        (20, "usable rows in each batch, got none in the one"),
        (0, "got none;"),
    ):
        expression = np.where(np.arange(200) >= 200 - usable, data.expression, np.nan)
        own = write(tmp_path / "train.parquet", data, expression=expression)
        with pytest.raises(ValueError, match=f"dataset: expected .*{message}"):
            fit_tiny(opened(own), cache="none", **LEARNING)


@pytest.mark.parametrize("cache", ["none", "host"])
def test_weights_and_several_measurements_are_trained_on(tmp_path, cache):
    data = make_dataset()
    two = {"second": data.expression + 1, "weight": np.ones(200, np.float32)}
    own = write(tmp_path / "train.parquet", data, **two)
    columns = Columns("sequence", ("expression", "second"), "weight")
    both = fit_tiny(opened(own, columns=columns), cache=cache, **LEARNING)
    # Two measurements have the same gradient as their mean, half a unit above the first.
    shifted = write(tmp_path / "shifted.parquet", data, expression=data.expression + 0.5)
    one = fit_tiny(opened(shifted), cache=cache, **LEARNING)
    for name, value in one.parameters.items():
        np.testing.assert_allclose(both.parameters[name], value, rtol=1e-4, atol=1e-5)
    assert both.history[-1].loss == pytest.approx(one.history[-1].loss + 0.25, rel=1e-4)


def test_a_weight_of_zero_is_a_row_that_is_not_there(tmp_path):
    data = make_dataset()
    weight = (np.arange(200) % 2).astype(np.float32)
    wrong = np.where(weight > 0, data.expression, 1000.0)
    own = write(tmp_path / "train.parquet", data, expression=wrong, weight=weight)
    result = fit_tiny(opened(own), cache="host", **LEARNING)
    assert result.history[-1].loss < 10


def with_replicates(copies=4):
    """Each sequence several times, every second time as its reverse complement, in random order."""
    single = make_dataset(100)
    pair = (single.sequence, reverse_complement(single.sequence))
    data = Dataset(
        np.concatenate([pair[copy % 2] for copy in range(copies)]),
        np.tile(single.expression, copies),
    )
    return data.take(np.random.default_rng(0).permutation(100 * copies))


def trained_rows(feed, epoch=1, workers=1):
    """The sequences in the batches of an epoch, of all workers together."""
    steps = steps_per_epoch(feed.count, 30)
    chunks = [
        chunk
        for worker in range(workers)
        for chunk in feed.chunks(Steps(epoch, steps, 0, 4, worker, workers))
    ]
    return np.concatenate([chunk.sequence for chunk in chunks])


def counts_of(sequence):
    return Counter(row.tobytes() for row in sequence)


@pytest.mark.parametrize("workers", [1, 3])
def test_rows_held_out_of_a_stream_are_those_held_out_in_memory(tmp_path, workers, caplog):
    data = with_replicates()
    own = write(tmp_path / "train.parquet", data, group=37)
    with caplog.at_level(logging.INFO, "cisreg.data"):
        feed, unseen = make_feed(opened(own), 0.2, seed=5, cache="none")
    memory, expected = make_feed(opened(own), 0.2, seed=5, cache="host")
    assert isinstance(feed, FileFeed)
    np.testing.assert_array_equal(unseen.sequence, expected.sequence)
    np.testing.assert_array_equal(unseen.expression, expected.expression)
    assert feed.count == memory.count == 400 - len(unseen)
    assert f"held out: {len(unseen)} of 400 rows" in caplog.text
    assert "chosen by a hash of the sequence and seed 5; " in caplog.text
    assert f"of which {len(unseen)} share their sequence" in caplog.text
    for epoch in (1, 2):
        seen = trained_rows(feed, epoch, workers)
        assert counts_of(seen) == counts_of(memory.dataset.sequence)
        hashes = sequence_hashes(seen)
        assert not np.isin(hashes, sequence_hashes(unseen.sequence)).any()
    assert not np.isin(
        sequence_hashes(feed.sample().sequence), sequence_hashes(unseen.sequence)
    ).any()


def test_a_stream_with_replicates_stopped_anywhere_goes_on_to_the_same_bits(tmp_path):
    own = write(tmp_path / "train.parquet", with_replicates(), group=37)
    options = {"cache": "none", "validation": 0.2, **{"stages": STAGES[:1]}}
    unbroken = fit_tiny(opened(own), **options)
    options |= {"checkpoint_directory": tmp_path / "run", "steps_per_call": 1}
    for stop in (2, 15):
        with pytest.raises(StoppedError):
            stop_after(stop, own, options)
        options["resume"] = True
    assert_same_bits(fit_tiny(opened(own), **options).parameters, unbroken.parameters)


def test_another_share_or_seed_is_another_training_set(tmp_path, path):
    options = {"cache": "none", "checkpoint_directory": tmp_path, "stages": STAGES[:1]}
    fit_tiny(opened(path), **options)
    with pytest.raises(ValueError, match="another training set"):
        fit_tiny(opened(path), resume=True, **options | {"validation": 0.3})


def test_validation_of_a_stream_takes_bounded_memory(path, monkeypatch, caplog):
    """If there are too many rows, those with the lowest hashes are used, for any row groups."""
    whole = make_feed(opened(path), 0.9, seed=0, cache="none")[1]
    monkeypatch.setattr(held_out, "_MOST_ROWS", 30)
    with caplog.at_level(logging.INFO, "cisreg.data"):
        feed, few = make_feed(opened(path), 0.9, seed=0, cache="none")
    assert 0 < len(few) <= 30
    assert f"held out: {len(whole)} of 200 rows" in caplog.text
    assert f"validation reads {len(few)} of them" in caplog.text
    # Held-out rows that validation does not read are not trained on.
    assert feed.count == 200 - len(whole) == len(trained_rows(feed))
    limit = sequence_hashes(few.sequence, 0).max()
    lowest = sequence_hashes(whole.sequence, 0) <= limit
    np.testing.assert_array_equal(few.sequence, whole.sequence[lowest])
    monkeypatch.setattr(held_out, "_MOST_BYTES", 10 * LENGTH)
    assert 0 < len(make_feed(opened(path), 0.9, seed=0, cache="none")[1]) <= 10


def test_a_stream_has_a_row_on_each_side(tmp_path):
    data = make_dataset(3)
    own = write(tmp_path / "train.parquet", data, group=2)
    for share in (0.0001, 0.9999):
        feed, unseen = make_feed(opened(own), share, seed=0, cache="none")
        memory, expected = make_feed(data, share, seed=0)
        np.testing.assert_array_equal(unseen.sequence, expected.sequence)
        assert (feed.count, memory.count) == (3 - len(unseen),) * 2
    same = data.take(np.array([0, 0, 0]))
    with pytest.raises(ValueError, match="at least 2 different sequences"):
        make_feed(opened(write(own, same)), 0.5, seed=0, cache="none")


@pytest.mark.parametrize("cache", ["none", "host"])
def test_a_validation_set_that_shares_sequences_is_said_once(path, cache, caplog):
    shared = make_dataset().take(np.array([3, 4, 199]))
    other = replace(shared, sequence=reverse_complement(shared.sequence))
    for validation, count in ((other, 3), (make_dataset(50, seed=9), 0)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            fit_tiny(opened(path), cache=cache, stages=STAGES[:1], validation=validation)
        said = [each for each in caplog.messages if "rows to train on have the sequence" in each]
        assert len(said) == bool(count)
        assert all(each.startswith(f"{count} rows") for each in said)


def with_columns(folder, **columns):
    """Files of 200 rows in row groups of 37, with further columns of text or numbers."""
    path = write(folder / "columns.parquet", make_dataset(), group=37, **columns)
    asked = Columns("sequence", ("expression",), extra=tuple(columns))
    return opened(path, columns=asked)


@pytest.mark.parametrize("cache", ["none", "host"])
@pytest.mark.parametrize("kind", [str, int, float])
def test_groups_of_files_stay_together(tmp_path, cache, kind):
    files = with_columns(tmp_path, clone=[kind(row % 20) for row in range(200)])
    feed, unseen = make_feed(files, HoldOut(0.3, groups="clone"), seed=0, cache=cache)
    # The same rows as for a Dataset with these groups: 3, 3.0 and "3" are the same group.
    _, expected = split(make_dataset(), 0.3, seed=0, groups=np.arange(200) % 20)
    np.testing.assert_array_equal(unseen.sequence, expected.sequence)
    assert len(unseen) % 10 == 0
    assert feed.count == 200 - len(unseen)


@pytest.mark.parametrize("cache", ["none", "host"])
def test_a_hold_out_may_have_a_seed_of_its_own(path, cache):
    _, unseen = make_feed(opened(path), HoldOut(0.3, seed=5), seed=0, cache=cache)
    _, expected = split(make_dataset(), 0.3, seed=5)
    np.testing.assert_array_equal(unseen.sequence, expected.sequence)
    for wrong in (-1, 1.5, True):
        with pytest.raises(ValueError, match="seed: expected an integer of 0 or more"):
            HoldOut(0.3, seed=wrong)
    with pytest.raises(ValueError, match="seed: expected none with folds"):
        HoldOut(folds="part", seed=1)


@pytest.mark.parametrize("cache", ["none", "host"])
def test_folds_of_files_say_what_is_held_out(tmp_path, cache):
    data = make_dataset()
    names = np.array(["train"] * 120 + ["Validation"] * 50 + ["test"] * 30)
    part = names[np.arange(200) * 7 % 200]
    files = with_columns(tmp_path, part=part)
    feed, unseen = make_feed(files, HoldOut(folds="part"), seed=0, cache=cache)
    np.testing.assert_array_equal(unseen.sequence, data.sequence[part == "Validation"])
    assert feed.count == 120
    if cache == "none":
        assert counts_of(trained_rows(feed)) == counts_of(data.sequence[part == "train"])
    fold = np.arange(200) % 4
    files = with_columns(tmp_path, fold=fold)
    feed, unseen = make_feed(files, HoldOut(folds="fold", fold=2), seed=0, cache=cache)
    np.testing.assert_array_equal(unseen.sequence, data.sequence[fold == 2])
    with pytest.raises(ValueError, match=r"got 0 \(50 rows\), 1 .*; where these are folds, say"):
        make_feed(files, HoldOut(folds="fold"), seed=0, cache=cache)
    with pytest.raises(ValueError, match=r"fold: expected one of 0 .*got 9"):
        make_feed(files, HoldOut(folds="fold", fold=9), seed=0, cache=cache)
    with pytest.raises(ValueError, match=r"expected a column among fold, .*got 'part'"):
        make_feed(files, HoldOut(folds="part"), seed=0, cache=cache)


@pytest.mark.parametrize("cache", ["none", "host"])
def test_groups_that_share_sequences_are_said_once(tmp_path, cache, caplog):
    data = make_dataset().take(np.arange(200) % 100)
    path = write(tmp_path / "twice.parquet", data, group=37, clone=np.arange(200))
    files = opened(path, columns=Columns("sequence", ("expression",), extra=("clone",)))
    with caplog.at_level(logging.WARNING, "cisreg.data"):
        options = {"cache": cache, "stages": STAGES[:1]}
        fit_tiny(files, validation=HoldOut(0.3, groups="clone"), **options)
    assert len([each for each in caplog.messages if "rows to train on have the" in each]) == 1


def test_a_validation_set_in_files_is_read(path):
    feed, unseen = make_feed(opened(path), opened(path), seed=0)
    np.testing.assert_array_equal(unseen.sequence, make_dataset().sequence)
    assert feed.count == 200


def test_auto_streams_what_memory_does_not_hold(path, tmp_path, monkeypatch):
    assert isinstance(make_feed(opened(path), None, 0)[0], MemoryFeed)
    # The currently free memory must not decide this: a resumed run could decide differently.
    sysconf = os.sysconf
    monkeypatch.setattr(
        "os.sysconf", lambda name: 0 if name == "SC_AVPHYS_PAGES" else sysconf(name)
    )
    assert isinstance(make_feed(opened(path), None, 0)[0], MemoryFeed)
    limit = tmp_path / "memory.max"
    for text, kind in (("max", MemoryFeed), ("4000", FileFeed), ("100000", MemoryFeed)):
        limit.write_text(text)
        monkeypatch.setattr(limits, "_LIMITS", (str(limit), str(tmp_path / "missing")))
        assert isinstance(make_feed(opened(path), None, 0)[0], kind)
    monkeypatch.setattr(feeds, "_HOST_SHARE", 0.0)
    assert isinstance(make_feed(opened(path), None, 0)[0], FileFeed)


def test_what_cannot_be_cached_so_is_refused(path, tmp_path):
    with pytest.raises(
        ValueError, match='cache: expected "host", "device" or "auto" for a Dataset'
    ):
        make_feed(make_dataset(), None, 0, "none")
    with pytest.raises(ValueError, match="cache: expected one of"):
        make_feed(make_dataset(), None, 0, "disk")
    text = tmp_path / "train.tsv"
    text.write_text("ACGT\t1\nACGG\t2\n")
    with pytest.raises(ValueError, match="run cisreg convert first"):
        make_feed(open_dataset(text, length=4), None, 0, "none")


def test_as_tf_gives_the_shuffled_batches(path):
    files = opened(path)
    batches = list(files.as_tf(32, seed=3, epochs=2))
    assert len(batches) == 2 * 7
    assert all(batch[0].shape[1] == LENGTH for batch in batches)
    expression = np.concatenate([batch[1].numpy() for batch in batches])
    for epoch in (expression[:200], expression[200:]):
        np.testing.assert_array_equal(np.sort(epoch), np.sort(make_dataset().expression))
    assert not np.array_equal(expression[:200], expression[200:])
