"""The format of a registry: what it says is taken, what it should not say is an error."""

from __future__ import annotations

import pytest

from cisreg.data import Columns
from cisreg.datasets import available, describe, fetch, read_registry
from cisreg.datasets.registry_file import parse_registry
from tests.datasets.served_files import entry, registry

GOOD = registry(
    entry(
        "my_mpra-2.0",
        {"train.tsv.gz": b"1", "test.tsv.gz": b"22"},
        more='citation = "Some\\n and others"\nunit = "log2"\n'
        '[dataset.columns]\nsequence = "insert"\nexpression = ["a", "b"]\nweight = "w"\n',
    ),
    entry("model-1", {"model.json": b"{}", "parameters-0123456789ab.npz": b"1"}, kind="model"),
)


def test_what_it_says():
    data, model = parse_registry(GOOD, "https://lab.org/x/registry.toml")
    assert (data.name, data.kind, data.parts, data.size) == (
        *("my_mpra-2.0", "dataset", ("train", "test")),
        3,
    )
    assert data.columns == Columns("insert", ("a", "b"), "w", True)
    assert data.to_dict()["citation"] == "Some and others"
    assert data.files[0].urls == ("https://lab.org/x/train.tsv.gz",)
    assert (model.kind, model.parts, model.columns) == ("model", ("",), None)
    assert data.digest != model.digest


@pytest.mark.parametrize(
    ("place", "url", "expected"),
    [
        ("https://a.org/x/r.toml?v=2", "f", "https://a.org/x/f"),
        ("https://a.org/x/r.toml", "../f", "https://a.org/f"),
        ("https://a.org/x/r.toml", "s3://b/f", "s3://b/f"),
        ("s3://b/x/r.toml", "y/f", "s3://b/x/y/f"),
        ("/lab/r.toml", "y/f", "/lab/y/f"),
        ("/lab/r.toml", "https://a.org/f", "https://a.org/f"),
    ],
)
def test_urls_are_relative_to_the_registry(place, url, expected):
    text = registry(entry("a", {"f": b"1"}, urls={"f": [url]}))
    assert parse_registry(text, place)[0].files[0].urls == (expected,)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format_version = 1", "format_version = 2", "expected kind = .* got .* and 2; a newer"),
        ("cisreg registry", "other", "got 'other' and 1"),
        ('version = "1"', "", "dataset 'my_mpra-2.0': expected .*, got none of version"),
        ('version = "1"', "version = 1", "expected text as version, got '1'"),
        ('version = "1"', 'version = "1"\nurl = "x"', "got 'url' too"),
        ('"my_mpra-2.0"', '"../x"', "expected text such as my_mpra-2 as name"),
        ('"train.tsv.gz"', '"../train"', r"expected a name such as train.tsv.gz \(without folders"),
        ('"train.tsv.gz"', '"x/train"', "without folders"),
        ('"train.tsv.gz"', '".lock"', "without folders"),
        ('"train.tsv.gz"', '"TEST.tsv.gz"', "expected files with names of their own"),
        ("size = 1", "size = -1", "expected the size in bytes, got '-1'"),
        ("size = 1", "size = true", "expected the size in bytes, got 'True'"),
        ("size = 1", "size = 1e3", "expected the size in bytes"),
        ("['train.tsv.gz']", "[]", "expected a URL, or a list of URLs"),
        ("['train.tsv.gz']", "'file:///etc/passwd'", "expected a URL of one file that others can"),
        ("['train.tsv.gz']", "'file:/etc/passwd'", "expected a URL of one file that others can"),
        ("size = 1", f"size = {'1' * 5000}", "expected a registry in TOML"),
        ("['train.tsv.gz']", "'zip://a::https://b'", "expected a URL of one file that others can"),
        ('part = "train"', 'part = "a b"', "expected text such as train as part"),
        ('sequence = "insert"', 'sequence = ["insert"]', "columns: expected a name as sequence"),
        ('sequence = "insert"', 'insert = "x"', "columns: expected sequence, .* got 'insert' too"),
        ('sequence = "insert"', 'sequence = "a"', "expected another column for each role"),
        ('"model.json"', '"model.txt"', "expected the files of a model with model.json"),
        ('"A test."', '"A \\u001b[31m test."', "remove these characters"),
        ("[[model]]", "[model]", r"expected tables \[\[model\]\]"),
        ("[[dataset]]", "[[dataset", "expected a registry in TOML"),
    ],
)
def test_what_it_should_not_say(old, new, message):
    assert old in GOOD
    with pytest.raises(ValueError, match=f"https://lab.org/r.toml: .*{message}"):
        parse_registry(GOOD.replace(old, new, 1), "https://lab.org/r.toml")


@pytest.mark.parametrize("sha256", ["0", "A" * 64, "g" * 64])
def test_a_checksum_has_64_digits(sha256):
    text = registry(entry("a", {"f": b"1"}))
    start = text.index("sha256 = ") + 10
    with pytest.raises(ValueError, match="the 64 digits that sha256sum prints as sha256"):
        parse_registry(text[:start] + sha256 + text[start + 64 :], "r.toml")


def test_files_that_are_no_registries(tmp_path):
    (tmp_path / "r.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"r.toml: expected a registry in UTF-8"):
        read_registry(tmp_path / "r.toml")
    (tmp_path / "r.toml").write_bytes(b"#" * (5 << 20))
    with pytest.raises(ValueError, match=r"r.toml: expected a registry of 4,194,304 bytes at most"):
        read_registry(tmp_path / "r.toml")
    with pytest.raises(FileNotFoundError, match=r"q.toml: no such registry"):
        read_registry(tmp_path / "q.toml")


def test_registries_of_the_environment_and_names_that_several_have(tmp_path, monkeypatch):
    for name, content in (("one", b"1"), ("two", b"2"), ("same", b"1")):
        (tmp_path / f"{name}.toml").write_text(
            registry(entry("mpra", {"f": content}), entry("demo", {"f": content}))
        )
    places = [str(tmp_path / f"{name}.toml") for name in ("one", "same")]
    monkeypatch.setenv("CISREG_REGISTRIES", " ".join(places))
    assert describe("mpra").source == places[0]
    assert [each.name for each in available()][:2] == ["yeast_gpra_demo", "demo"]
    # What comes with cisreg has its name; a registry that is given has the others.
    assert describe("demo").kind == "model"
    assert describe("demo", registry=places).kind == "dataset"
    with pytest.raises(ValueError, match=r"one entry 'mpra', got a dataset of .*one.toml, .*two"):
        describe("mpra", registry=[places[0], tmp_path / "two.toml"])
    with pytest.raises(ValueError, match="expected a model among demo, got 'mpra'"):
        describe("mpra", "model")
    with pytest.raises(ValueError, match="expected one of mpra: , got 'test'"):
        fetch("mpra", "test")
