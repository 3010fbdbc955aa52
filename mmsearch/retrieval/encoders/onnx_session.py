"""The one place that imports ONNX Runtime: opens a network for inference on the CPU."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import onnxruntime

    Session: TypeAlias = onnxruntime.InferenceSession

_ERRORS_ONLY = 3


def open_session(network: Path | bytes, threads: int | None = None, *, floats: bool = False) -> Session:
    """A session on the CPU that says nothing but errors.

    Args:
        network: the file, or what is in it.
        threads: threads inside one operator; None lets ONNX Runtime take one for each physical core.
        floats: weights that are stored as integers become floats once, as it loads. Otherwise ONNX Runtime keeps them,
            as is right where the network computes with integers, and unpacks them in every run where it does not.
    """
    # The library reads this as it loads; later it has sent what it had and left files below HOME.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    loaded_before = "onnxruntime" in sys.modules
    import onnxruntime

    if loaded_before and hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()  # an application loaded it first: what is still possible
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = _ERRORS_ONLY
    # Threads that wait by spinning take the cores from the decoding workers: on two busy cores, half the speed.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = network if isinstance(network, bytes) else str(network)
    if floats:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
