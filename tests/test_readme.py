"""The README's Python example runs as it stands."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import numpy as np
from shared_data import shared_data

README = Path(__file__).parents[1] / "README.md"


def test_python_examples(tmp_path, monkeypatch):
    folder = shared_data("gpra_example")
    shutil.copytree(folder / "motifs", tmp_path / "motifs")
    shutil.copy(folder / "motif_list.txt", tmp_path)
    with gzip.open(folder / "train.tsv.gz", "rt") as table:
        lines = [next(table) for _ in range(200)]
    with gzip.open(tmp_path / "train.tsv.gz", "wt") as table:
        table.writelines(lines)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(blocks[0].replace("epochs=8", "epochs=1").replace("epochs=20", "epochs=1"), names)
    assert names["prediction"].expression.shape == (1,)
    names |= {"sequence": names["data"].sequence, "log_kd": names["motifs"].log_kd}
    names["log_concentration"] = names["motifs"].lowest_log_kd()
    exec(blocks[1], names)
    assert names["bound"].shape == (200, 2, 245)
    assert np.isfinite(names["bound"]).all()
    exec(blocks[2], names)
    assert names["hits"].num_rows > 200
