"""Memory-maps a safetensors file, so that only the rows in use are read from disk.

The format: a little-endian uint64 with the length of a JSON header, the header, then the tensors' bytes
(https://github.com/huggingface/safetensors#format).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPES = {"I8": np.int8, "F16": np.float16, "F32": np.float32}


def map_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """All tensors of the file by name, read-only, in their stored dtype and shape."""
    data = np.memmap(path, np.uint8, "r").view(np.ndarray)
    start = 8 + int(data[:8].view("<u8")[0])
    header = json.loads(data[8:start].tobytes())
    header.pop("__metadata__", None)
    return {
        name: data[start + facts["data_offsets"][0] : start + facts["data_offsets"][1]]
        .view(_DTYPES[facts["dtype"]])
        .reshape(facts["shape"])
        for name, facts in header.items()
    }
