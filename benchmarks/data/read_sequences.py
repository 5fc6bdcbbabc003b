"""Only reading, encoding and shuffling: how many sequences a second, and how much memory.

    python -m benchmarks.data.read_sequences --folder scratch --json read_sequences.json

Random sequences of 110 bases with random numbers are written to one Parquet file and converted with
`cisreg convert`. One epoch is then read in batches: streamed from the files and from memory, with
tf.data's own reader of lines and one-hot encoding in TensorFlow, and as CisRegModels read its text,
both on fewer sequences, since they are slow. Every row is a separate process from start to
end; rates leave out the seconds that a process takes to start, which are measured on one batch.
What reading is for is measured beside it: training steps and predictions with 245 motifs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.shared.processes import run
from benchmarks.shared.suite import (
    Row,
    machine,
    median,
    number,
    print_machine,
    print_table,
    write_json,
)

LENGTH = 110
CISREG = "from cisreg.cli import main; main()"
STREAM, CACHE, TF_DATA, ORIGINAL = "streamed", "in memory", "tf.data, one-hot", "CisRegModels"
ROWS_PER_GROUP = 1 << 16


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="for the data, which stay")
    parser.add_argument("--sequences", type=int, default=20_000_000, help="(default %(default)s)")
    parser.add_argument("--lines", type=int, default=2_000_000, help="for tf.data (%(default)s)")
    parser.add_argument("--slow", type=int, default=200_000, help="for CisRegModels (%(default)s)")
    parser.add_argument("--batch", type=int, default=1024, help="(default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="processes per row (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does the script work?")
    parser.add_argument("--json", type=Path, help="write the measurements here")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sequences, arguments.lines, arguments.slow = 3000, 500, 500
        arguments.batch, arguments.rounds = 64, 1
    return arguments


def write_source(path: Path, count: int) -> None:
    """Random bases and numbers, a row group at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(0)
    schema = pa.schema([("sequence", pa.string()), ("expression", pa.float32())])
    letters = np.frombuffer(b"ACGT", np.uint8)
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False) as writer:
        for begin in range(0, count, ROWS_PER_GROUP):
            rows = min(ROWS_PER_GROUP, count - begin)
            text = letters[random.integers(0, 4, (rows, LENGTH), dtype=np.uint8)].tobytes()
            offsets = np.arange(rows + 1, dtype=np.int32) * LENGTH
            sequence = pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text))
            expression = pa.array(random.normal(8, 3, rows).astype(np.float32))
            writer.write_table(pa.table([sequence, expression], schema=schema))


def first_rows(source: Path, count: int):
    """The first sequences, and their numbers as text, as Arrow arrays."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    batches = pq.ParquetFile(source).iter_batches(count)
    rows = pa.Table.from_batches([next(batches)]).combine_chunks()
    return rows["sequence"].chunk(0), rows["expression"].cast("string").chunk(0)


def write_lines(source: Path, path: Path, count: int) -> None:
    """The first sequences as a table, for the reader of lines."""
    sequence, label = first_rows(source, count)
    rows = zip(sequence.to_pylist(), label.to_pylist(), strict=True)
    path.write_text("".join(f"{text}\t{number}\n" for text, number in rows))


def write_one_hot(source: Path, path: Path, count: int) -> None:
    """The first sequences as one-hot text, as CisRegModels reads it."""
    from cisreg.data.formats.one_hot import format_one_hot
    from cisreg.sequences import encode

    sequence, label = first_rows(source, count)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(format_one_hot(encode(sequence, LENGTH), label))


def stream(path: Path, batch: int, limit: int | None) -> int:
    """An epoch straight from the files."""
    from cisreg.data import open_dataset

    return consume(open_dataset(path), batch, limit, cached=False)


def cache(path: Path, batch: int, limit: int | None) -> int:
    """All into memory, and an epoch from there."""
    from cisreg.data import open_dataset

    return consume(open_dataset(path), batch, limit, cached=True)


def consume(files, batch: int, limit: int | None, *, cached: bool) -> int:
    """Reads all batches of an epoch, or this many sequences."""
    from cisreg.data.feeding.feed import MemoryFeed, Steps
    from cisreg.data.feeding.stream import FileFeed

    if cached:
        feed = MemoryFeed(files.load(), seed=0)
    else:
        feed = FileFeed(files, np.arange(len(files.group_rows)), 0, files.lanes)
    steps, count = -(-feed.count // batch), 0
    for chunk in feed.chunks(Steps(epoch=1, steps=steps, first=0, per_chunk=64)):
        count += len(chunk.sequence)
        if limit is not None and count >= limit:
            break
    return count


def tf_data(path: Path, batch: int, limit: int | None) -> int:
    """Lines of a table, split and one-hot encoded by TensorFlow's operations."""
    import tensorflow as tf

    alphabet = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant(list("ACGT")), tf.range(4)), 4
    )

    def parse(lines):
        fields = tf.strings.split(lines, "\t").to_tensor()
        codes = alphabet.lookup(tf.strings.bytes_split(fields[:, 0]).to_tensor())
        return tf.one_hot(codes, 4), tf.strings.to_number(fields[:, 1])

    lines = tf.data.TextLineDataset(str(path)).shuffle(10_000, seed=0).batch(batch)
    count = 0
    for one_hot, _ in lines.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2):
        count += one_hot.shape[0]
        if limit is not None and count >= limit:
            break
    return count


def original(path: Path, batch: int, limit: int | None) -> int:
    """One-hot text as CisRegModels reads it: line by line into arrays of a batch; no shuffling."""
    count = 0
    sequences, measured = np.zeros((batch, 4, LENGTH, 1)), np.zeros(batch)
    with gzip.open(path, "rt") as lines:
        for line in lines:
            values = np.array(line.rstrip().split("\t"), dtype=np.float32)
            sequences[count % batch, :, :, 0] = values[1:].reshape(4, LENGTH)
            measured[count % batch] = values[0]
            count += 1
            if limit is not None and count >= limit:
                break
    return count


READERS = {STREAM: stream, CACHE: cache, TF_DATA: tf_data, ORIGINAL: original}


def read_in_child(specification: str) -> None:
    """The work of a measured process."""
    reader, path, batch, limit = json.loads(specification)
    print(READERS[reader](Path(path), batch, limit))


def measure_reader(reader: str, path: Path, count: int, arguments: argparse.Namespace) -> Row:
    """Sequences a second without the start of the process, and the peak of its memory."""

    def command(limit: int | None) -> list[str]:
        child = json.dumps([reader, str(path), arguments.batch, limit])
        own = [sys.executable, "-m", "benchmarks.data.read_sequences"]
        return [*own, "--folder", str(arguments.folder), "--child", child]

    # A cache is loaded before its first batch: both rows use the start of a stream.
    starter = STREAM if reader == CACHE else reader
    child = json.dumps([starter, str(path), arguments.batch, 1])
    start = median([run([*command(None)[:-1], child])[0] for _ in range(arguments.rounds)])
    whole = [run(command(None)) for _ in range(arguments.rounds)]
    seconds = median([each[0] for each in whole])
    return {
        "what": reader,
        "sequences": count,
        "seconds": seconds,
        "start": start,
        "per_second": count / max(seconds - start, 1e-9),
        "peak_mib": max(each[1] for each in whole),
    }


def measure_kernels(quick: bool) -> list[Row]:
    """Sequences per second of training steps and of predictions, in this process."""
    import tensorflow as tf

    import cisreg
    from cisreg.training.feeds import make_feed

    random = np.random.default_rng(0)
    motifs, count = (4, 200) if quick else (245, 40_000)
    spec = cisreg.ModelSpec(motifs, 30, LENGTH)
    log_kd = random.normal(0, 1.5, (30, 4, motifs)).astype(np.float32)
    start = cisreg.init_parameters(spec, log_kd, np.full(motifs, -20.0, np.float32))
    sequence = random.integers(0, 4, (count, LENGTH), dtype=np.uint8)
    data = cisreg.Dataset(sequence, random.normal(8, 3, count).astype(np.float32))
    stage = cisreg.Stage(
        ("activity", "bias", "log_kd", "log_concentration"), epochs=2, batch_size=1024
    )
    feed, _ = make_feed(data, None, 0)
    history = cisreg.fit(spec, start, feed, [stage], progress=False).history
    seconds = []
    compiled = tf.function(lambda codes: cisreg.predict(spec, start, codes).expression)
    for _ in range(4):
        began = time.perf_counter()
        for begin in range(0, count, 1024):
            compiled(tf.constant(sequence[begin : begin + 1024]))
        seconds.append(time.perf_counter() - began)
    return [
        {"what": "training", "per_second": history[-1].sequences_per_second},
        {"what": "prediction", "per_second": count / median(seconds[1:])},
    ]


def convert(source: Path, target: Path, arguments: argparse.Namespace) -> Row:
    """The whole command, once."""
    command = [sys.executable, "-c", CISREG, "convert", str(source), "--output", str(target)]
    seconds, peak = run([*command, "--overwrite"])
    return {
        "what": "cisreg convert",
        "sequences": arguments.sequences,
        "seconds": seconds,
        "start": 0.0,
        "per_second": arguments.sequences / seconds,
        "peak_mib": peak,
    }


def main() -> None:
    """Writes the data where they are missing, measures, prints the table."""
    arguments = parse_arguments()
    if arguments.child is not None:
        read_in_child(arguments.child)
        return
    facts = machine()
    print_machine(facts)
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    source, shards = folder / "source.parquet", folder / "shards"
    table, one_hot = folder / "some.tsv", folder / "some.ohc.gz"
    if not source.exists():
        write_source(source, arguments.sequences)
    write_lines(source, table, arguments.lines)
    write_one_hot(source, one_hot, arguments.slow)
    rows = [convert(source, shards, arguments)]
    for reader, path, count in (
        (STREAM, shards, arguments.sequences),
        (CACHE, shards, arguments.sequences),
        (TF_DATA, table, arguments.lines),
        (ORIGINAL, one_hot, arguments.slow),
    ):
        rows.append(measure_reader(reader, path, count, arguments))
    kernels = measure_kernels(arguments.quick)
    training = kernels[0]["per_second"]
    print_table(
        f"Reading, batches of {arguments.batch}",
        ["", "sequences", "seconds", "sequences/s", "times training", "peak MiB"],
        [
            [
                *(row["what"], f"{row['sequences']:,}", number(row["seconds"])),
                *(number(row["per_second"]), number(row["per_second"] / training)),
                number(row["peak_mib"]),
            ]
            for row in rows
        ],
    )
    for row in kernels:
        print(f"{row['what']}, 245 motifs: {row['per_second']:,.0f} sequences/s")
    size = sum(each.stat().st_size for each in shards.iterdir())
    print(f"shards: {size / 2**20:,.0f} MiB, {size / arguments.sequences:.1f} bytes a sequence")
    write_json(arguments.json, facts, [*rows, *kernels])


if __name__ == "__main__":
    main()
