"""mini-transformer's corpus: the Bible's verses in English (Debian package bible-kjv) and Spanish (sword-text-sparv: Reina-Valera
1909, read by diatheke), both in the public domain.

    python parallel.py WORKDIR

writes WORKDIR/verses.{train,held}.tsv (English, tab, Spanish), WORKDIR/joint.json, a byte-level BPE of 4,096 entries for both
languages, and WORKDIR/verses.json. The chapters that corpus.py holds out (every 25th) are held out here too.
"""
import argparse
import json
import re
import subprocess
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

import corpus
from batches import shifted
from corpus import EOS, PAD
from models import JOINT_VOCAB_SIZE


def lines(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout.splitlines()


def read_verses():
    """[(book and chapter, verse, English, Spanish)]; both programs tell the same 31,102 verses in the same order."""
    english = [re.match(r"([1-3]?[A-Za-z]+\d+):(\d+) (.*)", line).groups() for line in lines("bible", "-f", "Gen1:1-Rev22:21")]
    spanish = [re.match(r".* (\d+):(\d+): *(.*)", line).groups() for line in lines("diatheke", "-b", "spaRV1909eb", "-f", "plain", "-k", "Gen-Rev")[:-1]]
    assert len(english) == len(spanish) == 31102
    verses = []
    for (chapter, verse, en), (c, v, es) in zip(english, spanish):
        assert chapter.endswith(c) and verse == v
        es = " ".join(re.sub(r" *<[GH]\d*>", "", es).split())
        if es:                                           # 18 Spanish verses are empty
            verses.append((chapter, verse, en.strip(), es))
    return verses


def words(text):
    return re.findall(r"\w+|[^\w\s]", text)


class Dictionary:
    """Word for word: for every English word the Spanish one that IBM's first model of translation (Brown et al. 1993, five
    rounds of expectation and maximisation over the training verses) finds likeliest."""

    def __init__(self, pairs, rounds=5):
        self.entries = {}
        english = {w: i for i, w in enumerate(sorted({w for en, _ in pairs for w in words(en.lower())}))}
        spanish = {w: i for i, w in enumerate(sorted({w for _, es in pairs for w in words(es.lower())}))}
        keys, groups, n = [], [], 0
        for en, es in pairs:
            e = np.array([english[w] for w in words(en.lower())], dtype=np.int64)
            s = np.array([spanish[w] for w in words(es.lower())], dtype=np.int64)
            keys.append((s[:, None] + e * len(spanish)).ravel())             # every word of the one with every word of the other
            groups.append(np.repeat(np.arange(n, n + len(s)), len(e)))       # one group a Spanish word: it has one origin
            n += len(s)
        keys, at = np.unique(np.concatenate(keys), return_inverse=True)
        groups, origin = np.concatenate(groups), keys // len(spanish)
        t = np.ones(len(keys))
        for _ in range(rounds):
            p = t[at]
            p /= np.bincount(groups, p, n)[groups]
            count = np.bincount(at, p, len(keys))
            t = count / np.bincount(origin, count, len(english))[origin]
        back = list(spanish)
        for word, i in english.items():
            a, b = np.searchsorted(origin, [i, i + 1])
            self.entries[word] = back[keys[a + np.argmax(t[a:b])] % len(spanish)]

    def translate(self, text):
        out = ""
        for word in words(text):
            new = self.entries.get(word.lower(), word)
            if word[0].isupper():
                new = new.capitalize()
            out += new if not out or not re.match(r"\w", new) else " " + new
        return out


def encode(tok, pairs):
    both = [tok.encode_batch([p[i] for p in pairs], add_special_tokens=False) for i in (0, 1)]
    return [tuple(np.array(e.ids + [EOS]) for e in pair) for pair in zip(*both)]


def padded(rows):
    out = np.full((len(rows), max(map(len, rows))), PAD)
    for i, row in enumerate(rows):
        out[i, :len(row)] = row
    return torch.from_numpy(out)


class Verses:
    """Pairs of verses about as long, batched: what streams are to the other kinds."""

    def __init__(self, workdir, split):
        pairs = [line.split("\t") for line in (workdir / f"verses.{split}.tsv").read_text().splitlines()]
        self.pairs = encode(Tokenizer.from_file(str(workdir / "joint.json")), pairs)
        self.lengths = np.array([max(len(a), len(b)) for a, b in self.pairs])

    def make(self, chosen, smoothing=0.0):
        ids, targets = (padded([self.pairs[i][side] for i in chosen]) for side in (0, 1))
        mask = (ids != PAD).long()
        targets[targets == PAD] = -1
        return {"ids": ids, "targets": targets, "decoder_ids": shifted(targets), "mask": mask, "smoothing": smoothing,
                "tokens": int(mask.sum() + (targets >= 0).sum())}

    def batch(self, rng, kind, tokens, progress):
        order = np.argsort(self.lengths + 4 * rng.random(len(self.lengths)))
        at = int(rng.integers(len(order)))
        n = max(1, int(tokens // (2 * self.lengths[order[at]])))
        return self.make(order[max(0, at + 1 - n):at + 1], smoothing=0.1)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("workdir", type=Path)
    workdir = ap.parse_args().workdir
    verses = read_verses()
    chapters = list(dict.fromkeys(v[0] for v in verses))
    held = set(chapters[::25])
    parts = {split: [(en, es) for chapter, _, en, es in verses if (chapter in held) == (split == "held")] for split in ("train", "held")}
    tok = corpus.train_tokenizer([text for pair in parts["train"] for text in pair], JOINT_VOCAB_SIZE)
    tok.save(str(workdir / "joint.json"))
    sizes = {}
    for split, pairs in parts.items():
        (workdir / f"verses.{split}.tsv").write_text("".join(f"{en}\t{es}\n" for en, es in pairs))
        ids = encode(tok, pairs)
        sizes[split] = {"verses": len(pairs), "english_tokens": sum(len(a) for a, _ in ids), "spanish_tokens": sum(len(b) for _, b in ids)}
    (workdir / "verses.json").write_text(json.dumps(sizes, indent=1))
    print(sizes)


if __name__ == "__main__":
    main()
