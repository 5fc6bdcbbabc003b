"""Runs tangermeme's saturation mutagenesis on the law of a model, for mutagenesis.py.

It needs PyTorch and tangermeme, and nothing of cisreg.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np


def make_module(law: Any) -> Any:
    """The law as a module: convolution, occupancy, accessibility, expression."""
    import torch

    class Law(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in law.files:
                if name != "codes":
                    self.register_buffer(name, torch.tensor(law[name], dtype=torch.float32))

        def forward(self, sequence: Any) -> Any:
            width = self.kernel.shape[2]
            padded = torch.nn.functional.pad(sequence, ((width - 1) // 2, width // 2))
            energy = torch.nn.functional.conv1d(padded, self.kernel)
            site = torch.sigmoid(self.log_concentration[:, None] - energy) * self.counts
            opening = site.sum(dim=2) @ self.potentiation
            acting = (site * self.weight).sum(dim=2) @ self.activity
            share = torch.sigmoid(self.potentiation_bias + opening)
            return (self.bias + share * acting)[:, None]

    return Law().eval()


def main() -> None:
    """Prints the effects and the time as JSON."""
    import torch
    from tangermeme.saturation_mutagenesis import saturation_mutagenesis

    path, threads, fast = sys.argv[1:]
    torch.set_num_threads(int(threads))
    law = np.load(path)
    codes = law["codes"]
    module = make_module(law)
    one_hot = torch.tensor(np.eye(4, dtype=np.int8)[codes].transpose(0, 2, 1).copy())
    options = {"raw_outputs": True, "device": "cpu", "batch_size": 64, "fast": fast == "1"}
    with torch.no_grad():
        module(one_hot[:1].float())
        begin = time.perf_counter()
        before, after = saturation_mutagenesis(module, one_hot, **options)
        seconds = time.perf_counter() - begin
    # [N, 1] and [N, 4, L, 1]
    effect = after[..., 0].numpy().transpose(0, 2, 1) - before.numpy()[:, :, None]
    np.put_along_axis(effect, codes[:, :, None].astype(np.int64), 0, axis=2)
    print(json.dumps({"effect": effect.tolist(), "seconds": seconds}))


if __name__ == "__main__":
    main()
