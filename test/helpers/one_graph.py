"""Capture separators by ``torch.compile``: ``python one_graph.py cases.json``; prints a line for each.

A process of its own, because capturing leaves PyTorch with other kernels, whose results differ in the last bit.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import _dynamo as dynamo

from espnet_codecse.causal.separator import SEPARATORS as CAUSAL
from espnet_codecse.enh.separator.choices import separator_class


def count_graphs(name: str, conf: dict[str, Any], train: bool) -> int:
    """Compare a captured separator with itself at three lengths, and return the number of graphs."""
    torch.manual_seed(0)
    num_channels = 257 if name in CAUSAL else 32
    separator = CAUSAL[name](num_channels, **conf) if name in CAUSAL else separator_class(name)(num_channels, **conf)
    separator.train(train)
    graphs = []

    def keep(graph, inputs):
        graphs.append(graph)
        return graph.forward

    # PyTorch would leave LSTMs to their own kernels.
    with dynamo.config.patch(allow_rnn=True), torch.set_grad_enabled(train):
        dynamo.reset()
        compiled = torch.compile(separator, backend=keep, fullgraph=True, dynamic=True)
        for num_frames in (12, 11, 9):
            values = torch.randn(2, num_frames, num_channels, dtype=torch.complex64 if name in CAUSAL else None)
            lengths = torch.tensor([num_frames, num_frames - 3])
            torch.manual_seed(1)
            expected = separator(values, lengths, {})[0]
            torch.manual_seed(1)
            for own, other in zip(compiled(values, lengths, {})[0], expected):
                torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5)
    return len(graphs)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, conf in json.loads(Path(sys.argv[1]).read_text("utf-8")):
        for train in (True, False):
            print(json.dumps([name, train, count_graphs(name, conf, train)]), flush=True)
