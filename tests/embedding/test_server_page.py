"""The server in Python of the page on serving, as it is printed there."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from pathlib import Path

import numpy as np

import cisreg

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "serve.md"


def test_the_server_of_the_page_answers_what_predict_says(tmp_path, monkeypatch):
    model = cisreg.load_model("demo")
    cisreg.export_saved_model(tmp_path / "plain" / "1", model, standard_ops=True)
    (code,) = re.findall(r"^```python\n(import json\n.+?)^```", PAGE.read_text(), re.M | re.S)
    assert code.endswith("server.serve_forever()\n")
    assert not re.search(r"^ *(import|from) cisreg", code, re.M)
    code = code.removesuffix("server.serve_forever()\n").replace("8501", "0")  # any free port
    monkeypatch.chdir(tmp_path)
    namespace: dict = {"__name__": "server"}
    exec(compile(code, str(PAGE), "exec"), namespace)
    sequences = ["ACGTTGCATTACGGTTACCCGTTGCATT", "ttgacattacggattgcatn"]
    with namespace["server"] as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.server_port}", json.dumps({"instances": sequences}).encode()
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)["predictions"]
        thread.join()
    expected = model.predict(sequences).expression
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert abs(expected[0] - expected[1]) > 1e-3
