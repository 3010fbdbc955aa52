"""Opens a network in ONNX Runtime, on the CPU. No other module imports ONNX Runtime."""

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
    """A session on the CPU that logs nothing but errors.

    Args:
        network: the file, or its contents.
        threads: threads inside one operator; None lets ONNX Runtime take one for each physical core.
        floats: whether weights that are stored as integers become floats when the network loads. If not, they stay
            integers: right for a network that computes with integers; another would convert them in every run.
    """
    import_runtime()
    import onnxruntime

    options = session_options(threads)
    model = network if isinstance(network, bytes) else str(network)
    if floats:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def import_runtime() -> None:
    """Import ONNX Runtime without its telemetry; what loads it for itself is to be imported after that."""
    # Read once, when the library loads; after that it has already sent data, and written files below HOME.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    loaded_before = "onnxruntime" in sys.modules
    import onnxruntime

    if loaded_before and hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()  # the app loaded it first: later events are still prevented


def session_options(threads: int | None) -> onnxruntime.SessionOptions:
    """Options of a session that logs nothing but errors; ``threads`` as in `open_session`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = _ERRORS_ONLY
    # Spinning threads take processor time from the decoding workers: on two busy cores that halves the speed.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def providers(device: str) -> list[str]:
    """What networks of others run on: a GPU if there is one and it is not forbidden, else the CPU."""
    import onnxruntime

    wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    return [name for name in wanted if name in onnxruntime.get_available_providers()]
