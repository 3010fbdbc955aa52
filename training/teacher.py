"""Sentence vectors of MiniLM-L6 for every caption, prompt and word that the text tower is trained on.

    python -m training.teacher --model FOLDER --sources FOLDER --work FOLDER

Writes `texts.txt` (one text a line) and `texts.npy`, float16 [n, 384], unit rows.
"""

from __future__ import annotations

import argparse
import html
import json
import random
import re
from pathlib import Path

import numpy as np
import torch

from mmsearch.retrieval.encoders.mini.text_tower import MiniTextTower

FORMS = ("{}", "a photo of a {}", "a picture of the {}", "there is a {} here")
BATCH = 128


def textbook_sentences(sources: Path, count: int) -> list[str]:
    """Short sentences of the textbooks, for words that captions lack."""
    found: set[str] = set()
    for module in sorted((sources / "openstax").rglob("*.cnxml")):
        text = html.unescape(re.sub(r"<[^>]+>", " ", module.read_text(encoding="utf-8")))
        for sentence in re.split(r"(?<=[.!?])\s+", re.sub(r"\s+", " ", text)):
            if 4 <= len(sentence.split()) <= 18 and sentence.isascii():
                found.add(sentence.strip())
    return random.Random(1).sample(sorted(found), min(count, len(found)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "sources", "work"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(1)
    rows = [json.loads(line) for line in (given.work / "photos.jsonl").read_text().splitlines()]
    captions = [t for r in rows if r["part"] == "train" for t in r.get("texts", ())]
    labels = sorted({r["label"] for r in rows if "label" in r})
    package = Path(__file__).parent.parent / "mmsearch/retrieval/encoders/mini"
    vocabulary = MiniTextTower(package).tokenizer.get_vocab()
    words = sorted(w for w in vocabulary if w.isalpha() and len(w) > 2)
    texts = [
        *captions,
        *(f.format(n) for n in labels for f in FORMS),
        *words,
        *textbook_sentences(given.sources, 12000),
    ]
    texts = list(dict.fromkeys(t.replace("\n", " ") for t in texts))
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    model = AutoModel.from_pretrained(given.model).to(torch.bfloat16).eval()
    vectors = np.zeros((len(texts), 384), np.float16)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        batch = tokenizer([texts[i] for i in chosen], padding=True, truncation=True, max_length=64, return_tensors="pt")
        with torch.no_grad():
            states = model(**batch).last_hidden_state.float()
        there = batch["attention_mask"][..., None].float()
        mean = (states * there).sum(1) / there.sum(1)
        vectors[chosen] = torch.nn.functional.normalize(mean, dim=-1).numpy()
        if start // BATCH % 40 == 0:
            print(start, len(order), flush=True)
    np.save(given.work / "texts.npy", vectors)
    (given.work / "texts.txt").write_text("\n".join(texts))


if __name__ == "__main__":
    main()
