"""Towers exported to ONNX: the same tokens and vectors as their source, in its space, without torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmsearch.errors import ModelUnavailableError, UsageError
from mmsearch.retrieval.encoders.cleaning import clean
from mmsearch.retrieval.encoders.load import load_encoder
from mmsearch.retrieval.encoders.onnx import OnnxEncoder, find_export, models_folder
from mmsearch.retrieval.encoders.runtime import Runtime

pytest.importorskip("open_clip", reason="needs the extra `clip`")
pytest.importorskip("onnxscript", reason="needs the extra `export`")
pytestmark = pytest.mark.clip

TEXTS = ["a dog", "It's 2 o'clock — ﬁne…", "日本語 😀", "", "a_b <b>x</b> &amp; &lt;", "long " * 100, "ÅNGSTRÖM's"]


def load(folder: Path, *, throughput: bool = False, **options):
    runtime = Runtime(**{"device": "cpu", "precision": "float32", **options})
    return load_encoder(f"open_clip:tiny@{folder}", runtime, throughput=throughput)


def export(encoder, folder: Path | None = None) -> Path:
    from mmsearch.retrieval.encoders.openclip.export import export_onnx

    return export_onnx(encoder, folder or models_folder() / encoder.space.key)


def torch_rows(encoder, texts):
    return encoder.tokenizer.ids(texts).tolist()


def portable_tokenizer(encoder):
    from mmsearch.retrieval.encoders.openclip.export import portable_tokenizer

    return portable_tokenizer(encoder.tokenizer)


def portable_ids(encoder):
    tokenizer, form = portable_tokenizer(encoder)
    return lambda text: form.row(tokenizer.encode(clean(text, form.cleaning), add_special_tokens=False).ids)


def portable_rows(encoder, texts):
    return list(map(portable_ids(encoder), texts))


def test_towers_give_the_sources_vectors_in_its_space(make_checkpoint, tmp_path):
    source = load(make_checkpoint(preprocess={"mean": [0.5] * 3, "std": [0.25] * 3}))
    exported = OnnxEncoder(export(source, tmp_path / "out"))
    pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    assert exported.space == source.space
    assert exported.image_transform == source.image_transform
    assert exported.max_tokens == source.max_tokens
    np.testing.assert_allclose(exported.encode_texts(TEXTS), source.encode_texts(TEXTS), atol=1e-5)
    np.testing.assert_allclose(exported.encode_images(pixels), source.encode_images(pixels), atol=1e-5)
    np.testing.assert_array_equal(exported.count_tokens(TEXTS), source.count_tokens(TEXTS))


def test_clips_tokenizer_has_an_equal_without_torch(make_checkpoint):
    encoder = load(make_checkpoint())
    texts = st.one_of(st.text(max_size=50), st.sampled_from(TEXTS))
    portable = portable_ids(encoder)

    @settings(max_examples=200, deadline=None)
    @given(st.lists(texts, min_size=1, max_size=4))
    @example([":\u00d6\x8b"])  # ftfy makes U+058B of it, which is a letter since Unicode 17
    @example(["a\u0345b", "it'\u017f"])
    def equal(texts):
        assert [portable(text) for text in texts] == torch_rows(encoder, texts)

    equal()


def test_every_character_is_split_as_open_clip_splits_it(make_checkpoint):
    encoder = load(make_checkpoint())
    tokenizer = portable_tokenizer(encoder)[0]
    for code in [*range(0xD800), *range(0xE000, 0x110000, 1)]:
        if code >= 0x30000 and code % 97:  # no letters up there: a sample is enough
            continue
        for text in (f":{chr(code)}:", f"a{chr(code)}b"):
            original = encoder.tokenizer.open_clip
            words = original.pat.findall(text)
            found = [text[start:end] for _, (start, end) in tokenizer.pre_tokenizer.pre_tokenize_str(text)]
            assert found == words, hex(code)


def test_a_hugging_face_tokenizer_has_an_equal_without_torch(make_checkpoint, write_hf_tokenizer):
    text = {"hf_tokenizer_name": "some/where", "tokenizer_kwargs": {"clean": "canonicalize"}, "vocab_size": 10}
    folder = make_checkpoint(text=text)
    write_hf_tokenizer(folder)
    encoder = load(folder)
    texts = ["A dog on the BEACH!", "a_cat & the unicorn", "", "the " * 99]
    assert portable_rows(encoder, texts) == torch_rows(encoder, texts)


@pytest.mark.parametrize("kind", ["lower", "whitespace", "canonicalize"])
def test_texts_are_cleaned_as_open_clip_cleans_them(kind):
    from open_clip.tokenizer import get_clean_fn

    @settings(max_examples=200, deadline=None)
    @given(st.one_of(st.text(max_size=60), st.text("a&;<>_'\"lt#39 \t", max_size=30)))
    def equal(text):
        assert clean(text, kind) == get_clean_fn(kind)(text)

    equal()


def test_plain_ascii_needs_no_ftfy_and_other_texts_say_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "ftfy", None)
    assert clean("A  dog &amp; a cat", "lower") == "a dog & a cat"
    with pytest.raises(ModelUnavailableError, match="pip install ftfy"):
        clean("“a dog”", "lower")


def test_an_export_is_preferred_for_queries_and_torch_for_throughput(make_checkpoint):
    folder = make_checkpoint()
    export(load(folder))
    assert isinstance(load(folder, precision="auto"), OnnxEncoder)
    assert not isinstance(load(folder, precision="auto", throughput=True), OnnxEncoder)
    assert not isinstance(load(folder, precision="bfloat16"), OnnxEncoder)


def test_an_export_of_older_weights_is_passed_over(make_checkpoint):
    folder = make_checkpoint(seed=1)
    space = load(folder).space
    export(load(folder))
    assert find_export(space.model, space.weights) is not None
    make_checkpoint(seed=2)
    assert not isinstance(load(folder), OnnxEncoder)


def test_exporting_again_replaces_the_folder_and_leaves_nothing_beside_it(make_checkpoint, tmp_path):
    source = load(make_checkpoint())
    for _ in range(2):
        folder = export(source, tmp_path / "out" / "tiny")
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]


def test_a_text_query_on_an_export_loads_no_torch(make_checkpoint, tmp_path, root):
    folder = export(load(make_checkpoint()), tmp_path / "out")
    program = (
        "import sys; from pathlib import Path; from mmsearch.retrieval.encoders.onnx import OnnxEncoder;"
        "OnnxEncoder(Path(sys.argv[1])).encode_texts(['a dog', 'naïve']);"
        "print(sorted({'torch', 'open_clip', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"


def test_another_precision_is_not_exported(make_checkpoint, tmp_path):
    with pytest.raises(UsageError, match="float32"):
        export(load(make_checkpoint(), precision="bfloat16"), tmp_path / "out")


@pytest.mark.parametrize("facts", ["", "{}", json.dumps({"format": 99})])
def test_a_folder_of_another_format_is_one_line(tmp_path, facts):
    (tmp_path / "config.json").write_text(facts)
    with pytest.raises(ModelUnavailableError, match="export it again"):
        OnnxEncoder(tmp_path)
