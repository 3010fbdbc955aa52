"""Makes an open_clip model and loads a checkpoint into it, safely."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from mmsearch.errors import ModelUnavailableError
from mmsearch.retrieval.encoders.openclip.config import ModelConfig
from mmsearch.retrieval.encoders.runtime import device_kind
from mmsearch.retrieval.encoders.safe_load import check_safe, first_lines


def load_model(config: ModelConfig, device: str, precision: str) -> Any:
    """The torch module in evaluation mode, on the device, all weights in the precision.

    Raises:
        ModelUnavailableError: the checkpoint cannot be read, holds code, or does not fit the architecture.
    """
    import torch
    from open_clip import load_checkpoint

    check_safe(config.weights)
    model = _make_model(config)
    try:
        load_checkpoint(model, str(config.weights), weights_only=True)
    except Exception as error:  # the state of a stranger's file can break open_clip's conversions in any way
        raise ModelUnavailableError(f"{config.weights} does not fit the architecture: {first_lines(error)}") from None
    model = model.requires_grad_(False).eval().to(device, getattr(torch, precision))
    # Pixels come with the colours of a point side by side, and so do the weights that meet them.
    return model.to(memory_format=torch.channels_last) if device_kind(device) == "cuda" else model


def _make_model(config: ModelConfig) -> Any:
    """The module that open_clip's factory would make, without fetching pretrained weights of its parts."""
    from open_clip import CLIP, CoCa, CustomTextCLIP

    model = deepcopy(config.model)
    text, vision = model["text_cfg"], model["vision_cfg"]
    if "timm_model_name" in vision:
        vision["timm_model_pretrained"] = False
    if "hf_model_name" in text:
        text["hf_model_pretrained"] = False
        text["hf_model_name"] = str(config.text_files or text["hf_model_name"])
    custom = model.pop("custom_text", False) or "hf_model_name" in text
    kind = (CoCa if "multimodal_cfg" in model else CustomTextCLIP) if custom else CLIP
    try:
        return kind(**model)
    except Exception as error:  # timm, transformers and open_clip each raise their own
        raise ModelUnavailableError(f"the architecture cannot be made: {first_lines(error)}") from None
