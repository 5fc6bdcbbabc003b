"""Downloads: what breaks goes on, what is wrong is said, and nothing wrong is ever used."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import logging
import os
import shutil
import threading
from collections import namedtuple

import numpy as np
import pytest

import cisreg
from cisreg.datasets import fetch, load
from cisreg.datasets.cache import entry_folder
from cisreg.datasets.registries import read_registry
from tests.datasets.served_files import entry, registry

TRAIN = b"x\ty\nACGT\t1\nACGA\t2\n"
TEST = b"x\ty\nTTTT\t3\n"
COLUMNS = '[dataset.columns]\nsequence = "x"\nexpression = "y"\n'
LARGE = np.random.default_rng(0).bytes(3_000_000)


def publish(server, name="mpra", files=None, **options):
    """Serves an entry; returns the registry's URL."""
    files = files or {"train.tsv": TRAIN, "test.tsv": TEST}
    server.files |= files
    server.files["registry.toml"] = registry(entry(name, files, **options)).encode()
    return server.url + "registry.toml"


def publish_large(server, **options):
    return publish(server, "large", {"large.bin": LARGE}, **options)


def partial(url):
    (found,) = read_registry(url)
    return entry_folder(found) / f"{found.files[0].sha256}.partial"


def test_a_data_set_is_downloaded_once_and_then_needs_no_network(server, cache, caplog):
    url = publish(server, more='unit = "log2"\n' + COLUMNS)
    data = load("mpra", registry=url)
    assert data.expression.tolist() == [1, 2]
    assert data.columns_used["sequence"] == "x"
    assert load("mpra", "test", registry=url).expression.tolist() == [3]
    names = [name for name, _ in server.asked]
    assert names.count("train.tsv") == names.count("test.tsv") == 1
    server.files.clear()
    assert load("mpra", registry=url, check=True).expression.tolist() == [1, 2]
    assert "registry.toml cannot be reached" in caplog.text
    assert "a copy of 20" in caplog.text
    shutil.rmtree(cache)
    with pytest.raises(OSError, match=r"registry.toml: the registry cannot be reached .* no copy"):
        load("mpra", registry=url)


def test_a_model_is_loaded_by_its_name(server, tmp_path):
    folder = tmp_path / "model"
    cisreg.save_model(folder, cisreg.load_model("demo"))
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    url = publish(server, "yeast", files, kind="model")
    model = cisreg.load_model("yeast", registry=url)
    assert model.motif_names == cisreg.load_model("demo").motif_names
    # The registry says what the parameters must be; so does model.json.
    name = next(name for name in files if name.endswith(".npz"))
    server.files[name] = server.files[name][:-1] + b"?"
    shutil.rmtree(os.environ["CISREG_CACHE"])
    with pytest.raises(ValueError, match=f"{name}: expected .* got .*the sha256"):
        cisreg.load_model("yeast", registry=url)


def test_other_filesystems_have_registries_too(cache):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    text = registry(entry("mpra", {"train.tsv": TRAIN}, more=COLUMNS))
    memory.pipe({"/lab/registry.toml": text.encode(), "/lab/train.tsv": TRAIN})
    assert load("mpra", registry="memory://lab/registry.toml").expression.tolist() == [1, 2]


def test_a_registry_on_this_machine_has_paths_beside_it(tmp_path):
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "train.tsv").write_bytes(TRAIN)
    (tmp_path / "lab" / "registry.toml").write_text(registry(entry("mpra", {"train.tsv": TRAIN})))
    (path,) = fetch("mpra", registry=tmp_path / "lab" / "registry.toml")
    assert path.read_bytes() == TRAIN


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_broken_connection_is_taken_up_again(server, ranges, caplog):
    caplog.set_level(logging.INFO)
    url = publish_large(server)
    read_registry(url)
    server.ranges, server.break_after = ranges, [1_200_000, 700_000]
    (path,) = fetch("large", registry=url)
    assert path.read_bytes() == LARGE
    assert "the connection broke, trying again" in caplog.text
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_what_was_there_is_not_downloaded_again(server):
    url = publish_large(server)
    kept = partial(url)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(LARGE[:2_900_000])
    server.sent = 0
    (path,) = fetch("large", registry=url)
    assert path.read_bytes() == LARGE
    # fsspec also asks for one byte, to learn the size.
    assert server.sent - len(server.files["registry.toml"]) <= 100_002
    assert not kept.exists()


def test_a_connection_that_breaks_every_time_leaves_what_came(server):
    url = publish_large(server)
    kept = partial(url)
    server.break_after = [1_500_000] + [0] * 9
    server.ranges = False
    with pytest.raises(OSError, match=r"large.bin: cannot be downloaded: .*try again"):
        fetch("large", registry=url)
    there = kept.read_bytes()
    assert there == LARGE[: len(there)]
    server.break_after = []
    assert fetch("large", registry=url)[0].read_bytes() == LARGE


def test_the_next_url_is_tried(server):
    url = publish(server, files={"train.tsv": TRAIN}, urls={"train.tsv": ["gone.tsv", "train.tsv"]})
    assert fetch("mpra", registry=url)[0].read_bytes() == TRAIN
    url = publish(server, "other", {"train.tsv": TEST}, urls={"train.tsv": ["gone.tsv"]})
    with pytest.raises(OSError, match=r"train.tsv: cannot be downloaded: .*gone.tsv: no such file"):
        fetch("other", registry=url)


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (TRAIN[:-1] + b"?", "got .*train.tsv: the sha256 [0-9a-f]{64}; the file or the registry"),
        (TRAIN + b"more", "got .*train.tsv: more than 18 bytes"),
    ],
)
def test_another_file_is_refused_and_nothing_of_it_is_kept(server, served, message):
    url = publish(server, files={"train.tsv": TRAIN})
    server.files["train.tsv"] = served
    digest = hashlib.sha256(TRAIN).hexdigest()
    with pytest.raises(ValueError, match=f"expected 18 bytes with the sha256 {digest}, {message}"):
        fetch("mpra", registry=url)
    assert partial(url).stat().st_size == 0
    server.files["train.tsv"] = TRAIN
    assert fetch("mpra", registry=url)[0].read_bytes() == TRAIN


def test_a_file_that_is_too_short_is_no_file(server):
    url = publish(server, files={"train.tsv": TRAIN})
    server.files["train.tsv"] = TRAIN[:10]
    with pytest.raises(OSError, match=r"train.tsv: it ended|cannot be downloaded"):
        fetch("mpra", registry=url)


def test_a_beginning_of_another_file_is_downloaded_once_more(server):
    url = publish_large(server)
    kept = partial(url)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"?" * 1_000_000)
    assert fetch("large", registry=url)[0].read_bytes() == LARGE


def test_there_must_be_space_before_anything_is_written(server, monkeypatch):
    url = publish_large(server)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(OSError, match=r"expected space for 3,000,000 bytes of large.bin, got 1;"):
        fetch("large", registry=url)


def test_a_disk_that_is_full_ends_the_download_at_once(server, monkeypatch):
    url = publish_large(server, urls={"large.bin": ["large.bin", "mirror.bin"]})
    read_registry(url)
    kept, real = partial(url), os.open

    class Full(io.FileIO):
        def write(self, block):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def opened(path):
        return Full(real(path, os.O_RDWR | os.O_CREAT), "r+b")

    monkeypatch.setattr("cisreg.datasets.remote.open_own_file", opened)
    with pytest.raises(OSError, match="No space left on device") as raised:
        fetch("large", registry=url)
    assert raised.value.filename == str(kept.with_name("large.bin"))
    assert not any("mirror" in name for name, _ in server.asked)


def test_what_is_in_the_cache_is_used_only_if_it_is_right(server):
    url = publish(server, files={"train.tsv": TRAIN})
    (path,) = fetch("mpra", registry=url)
    path.write_bytes(TRAIN[:-1] + b"?")
    with pytest.raises(ValueError, match=r"train.tsv: expected the sha256 .* delete it"):
        fetch("mpra", registry=url, check=True)
    path.write_bytes(TRAIN[:-1])
    with pytest.raises(ValueError, match=r"expected 18 bytes as the registry says, got 17"):
        fetch("mpra", registry=url)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="expected a regular file"):
        fetch("mpra", registry=url)


def test_a_cache_that_cannot_be_written_keeps_no_copy_of_a_registry(server, cache, caplog):
    url = publish(server, files={"train.tsv": TRAIN}, more=COLUMNS)
    (path,) = fetch("mpra", registry=url)
    shutil.rmtree(cache / "registries")
    # A file where the folder should be: nobody, root neither, can make one there.
    (cache / "registries").write_text("")
    assert fetch("mpra", registry=url) == (path,)
    assert "no copy of the registry is kept" in caplog.text
    server.files.clear()
    with pytest.raises(OSError, match="there is no copy of it"):
        fetch("mpra", registry=url)


def test_two_at_once_download_it_once(server):
    url = publish_large(server)
    read_registry(url)
    server.asked.clear()
    found, go = [], threading.Barrier(2)

    def want():
        go.wait()
        found.append(fetch("large", registry=url)[0].read_bytes())

    threads = [threading.Thread(target=want) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [LARGE, LARGE]
    # Each range once: the second waited for the first.
    ranges = [asked for name, asked in server.asked if name == "large.bin"]
    assert len(ranges) == len(set(ranges))


def test_without_fsspec_the_error_says_what_to_install(server, monkeypatch):
    import importlib

    real = importlib.import_module

    def missing(name, *arguments):
        if name.startswith("fsspec"):
            raise ImportError("No module named 'fsspec'")
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError, match=r"pip install 'cisreg\[remote\]'"):
        fetch("mpra", registry=server.url + "registry.toml")


def test_who_waits_for_a_download_says_so(server, cache, caplog):
    caplog.set_level(logging.INFO)
    url = publish(server, files={"train.tsv": TRAIN})
    (path,) = fetch("mpra", registry=url)
    assert "waiting" not in caplog.text
    path.unlink()
    # Another process has the folder of the data set.
    held = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    waiting = threading.Thread(target=fetch, args=("mpra",), kwargs={"registry": url})
    waiting.start()
    while "another process downloads mpra: waiting until it is done" not in caplog.text:
        waiting.join(0.05)
        assert waiting.is_alive()
    os.close(held)
    waiting.join()
    assert path.read_bytes() == TRAIN
    assert caplog.text.count("waiting") == 1
