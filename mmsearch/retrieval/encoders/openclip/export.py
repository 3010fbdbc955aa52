"""Exports an open_clip model to ONNX, with a tokenizer that needs no torch; `OnnxEncoder` runs it."""

from __future__ import annotations

import importlib.util
import itertools
import logging
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

from mmsearch.errors import ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.onnx import IMAGE_TOWER, TEXT_TOWER, TOKENIZER, ExportConfig, TextFormat
from mmsearch.retrieval.encoders.openclip.encoder import OpenClipEncoder
from mmsearch.retrieval.encoders.openclip.tokenizer import ClipTokenizer

_OPSET = 18


def export_onnx(encoder: OpenClipEncoder, folder: Path) -> Path:
    """Write both networks, the tokenizer and ``config.json`` to a folder; an earlier one of that name is replaced.

    Args:
        encoder: a model on the CPU in float32, so that the vectors of the export differ from its own by less than 1e-5.
        folder: where to write.

    Raises:
        UsageError: the encoder is in another precision, or its tokenizer has no counterpart without torch.
        ModelUnavailableError: the extra `export` is not installed.
    """
    if encoder.precision != "float32" or encoder.device != "cpu":
        raise UsageError("only a model on the CPU in float32 is exported: load it with device cpu, precision float32")
    if not (importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxscript")):
        raise ModelUnavailableError('exporting needs more packages: pip install "mmsearch[clip,export]"')
    tokenizer, text_format = portable_tokenizer(encoder.tokenizer)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        tokenizer.save(str(work / TOKENIZER))
        _export_text(encoder, work / TEXT_TOWER)
        _export_images(encoder, work / IMAGE_TOWER)
        ExportConfig(encoder.space, text_format, encoder.image_transform).write(work)
        work.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        return work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def portable_tokenizer(tokenizer: ClipTokenizer) -> tuple[Tokenizer, TextFormat]:
    """A tokenizer of the package tokenizers with the ids of open_clip's, and how ids become the network's input.

    Raises:
        UsageError: the tokenizer does something that cannot be expressed so.
    """
    original = tokenizer.open_clip
    if hasattr(original, "tokenizer"):
        return _from_hugging_face(original, tokenizer.context_length)
    if original.reduction_fn is not None:
        raise UsageError("a tokenizer that drops tokens at random cannot be exported")
    text_format = TextFormat(
        cleaning=_cleaning(original),
        length=tokenizer.context_length,
        prefix=(original.sot_token_id,),
        suffix=(original.eot_token_id,),
        padding=0,
    )
    return _from_clip_bpe(original), text_format


def _from_clip_bpe(original: Any) -> Tokenizer:
    """open_clip's `SimpleTokenizer` as a `tokenizers` one.

    Classes of characters are written out, since the two libraries have Unicode tables of different versions. The ids
    differ in one rare case: a special token that a text spells out right after punctuation is one token here, and
    several of its characters there.
    """
    tokenizer = Tokenizer(
        models.BPE(vocab=original.encoder, merges=list(original.bpe_ranks), end_of_word_suffix="</w>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_clip_words()), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    specials = [original.decoder[number] for number in original.all_special_ids]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in specials])
    return tokenizer


def _clip_words() -> str:
    """The pattern by which open_clip's `SimpleTokenizer` splits a cleaned text, with the classes of characters of the
    package regex, which open_clip uses. Case is ignored as there: U+0345 is then a letter, and U+017F an s."""
    import regex

    characters = "".join(map(chr, itertools.chain(range(0xD800), range(0xE000, 0x110000))))

    def written_out(pattern: str) -> str:
        found = regex.finditer(f"{pattern}+", characters, regex.IGNORECASE)
        return "".join(rf"\x{{{ord(run[0][0]):x}}}-\x{{{ord(run[0][-1]):x}}}" for run in found)

    def in_any_case(ending: str) -> str:
        return "'" + "".join(f"[{written_out(letter)}]" for letter in ending)

    endings = "|".join(map(in_any_case, ("s", "t", "re", "ve", "m", "ll", "d")))
    letters, numbers, others = map(written_out, (r"[\p{L}]", r"[\p{N}]", r"[^\s\p{L}\p{N}]"))
    return f"{endings}|[{letters}]+|[{numbers}]|[{others}]+"


def _from_hugging_face(original: Any, length: int) -> tuple[Tokenizer, TextFormat]:
    fast = original.tokenizer
    if original.tokenizer_mode or original.strip_sep_token or not getattr(fast, "is_fast", False):
        raise UsageError("this model's tokenizer has no counterpart without torch; use the model as it is")
    if fast.padding_side != "right" or fast.truncation_side != "right":
        raise UsageError("a tokenizer that pads or cuts on the left cannot be exported")
    bare, full = (fast("a", add_special_tokens=special)["input_ids"] for special in (False, True))
    start = next(i for i in range(len(full)) if full[i : i + len(bare)] == bare)
    tokenizer = Tokenizer.from_str(fast.backend_tokenizer.to_str())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    text_format = TextFormat(
        cleaning=_cleaning(original),
        length=length,
        prefix=tuple(full[:start]),
        suffix=tuple(full[start + len(bare) :]),
        padding=fast.pad_token_id,
    )
    return tokenizer, text_format


def _cleaning(original: Any) -> Any:
    from open_clip.tokenizer import get_clean_fn

    kinds = ("lower", "whitespace", "canonicalize")
    return next(kind for kind in kinds if original.clean_fn is get_clean_fn(kind))


def _export_text(encoder: OpenClipEncoder, path: Path) -> None:
    import torch

    class TextTower(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = encoder.model()

        def forward(self, ids: Any) -> Any:
            return self.model.encode_text(ids)

    _export(TextTower(), encoder.tokenizer.ids(["a dog", "two cats on a sofa"]), path)


def _export_images(encoder: OpenClipEncoder, path: Path) -> None:
    import torch

    mean, std = (torch.tensor(encoder.config.preprocess[key]).view(1, 3, 1, 1) for key in ("mean", "std"))

    class ImageTower(torch.nn.Module):  # type: ignore[misc]
        """Takes uint8 pixels; mean and deviation are part of the graph."""

        def __init__(self) -> None:
            super().__init__()
            self.model = encoder.model()
            self.register_buffer("mean", mean)
            self.register_buffer("std", std)

        def forward(self, pixels: Any) -> Any:
            return self.model.encode_image((pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std)

    size = (encoder.image_transform.height, encoder.image_transform.width, 3)
    _export(ImageTower(), torch.zeros((2, *size), dtype=torch.uint8), path)


def _export(tower: Any, example: Any, path: Path) -> None:
    """Export for any number of rows. Weights are a file of their own, since an ONNX file holds at most 2 GB."""
    import torch

    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused attention has no ONNX counterpart
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                tower.eval(),
                (example,),
                str(path),
                input_names=["input"],
                output_names=["output"],
                dynamic_shapes=({0: torch.export.Dim("n")},),
                opset_version=_OPSET,
                dynamo=True,
                external_data=True,
                verbose=False,
            )
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
