"""Makes corpus_hashes.json beside it: what other people's tokenizers make of 2,000 lines of made-up Unicode, as one hash
each (spec D18). The lines are made again by the test, from the same numbers.

    pip install sentencepiece==0.2.0 tokenizers==0.20.3
    python make_corpus_hashes.py [FOLDER]     # FOLDER: where the real vocabularies lie (../../../shared/data)
"""
import hashlib
import json
import struct
import sys
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DATA = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
state = 20240917


def step(n):
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
    return (state >> 33) % n


RUNS = [(0x61, 26, 8), (0x61, 26, 3), (0x41, 26, 4), (0x20, 1, 1), (0x20, 1, 4), (0x30, 10, 5), (0x21, 15, 3), (0xC0, 23, 5),
        (0x410, 64, 7), (0x4E00, 2000, 4), (0x300, 40, 2), (0x1F600, 60, 2), (0xAC00, 2000, 4), (0x9, 2, 2), (0x627, 20, 5),
        (0x3B1, 17, 6), (0x905, 40, 4), (0x2010, 20, 2), (0xFF21, 26, 3), (0x27, 1, 1)]


def line():
    out = []
    for _ in range(1 + step(24)):
        first, width, most = RUNS[step(len(RUNS))]
        out += [chr(first + step(width)) for _ in range(1 + step(most))]
    return "".join(out)


lines = [line() for _ in range(2000)]


def hashed(encode):
    ids = []
    for one in lines:
        ids += encode(one) + [-1]
    return hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()


hashes = {"": hashlib.sha256("\n".join(lines).encode()).hexdigest()}
files = [ROOT / "assets/models/mini-gpt/tokenizer.json", ROOT / "assets/models/mini-bert/tokenizer.json",
         HERE / "sentencepiece/unigram.tokenizer.json", HERE / "sentencepiece/bpe.tokenizer.json"]
files += [DATA / f"vocab-{name}.tokenizer.json" for name in ("gpt-2", "bert-bge", "llama3", "qwen3")]
for file in files:
    tokenizer = Tokenizer.from_file(str(file))
    name = file.name if file.name.startswith("vocab-") else str(file.relative_to(ROOT))
    hashes[name] = hashed(lambda text: tokenizer.encode(text, add_special_tokens=False).ids)
for name in ("unigram", "bpe"):
    own = sentencepiece.SentencePieceProcessor(model_file=str(HERE / f"sentencepiece/{name}.model"))
    hashes[f"tests/goldens/sentencepiece/{name}.model"] = hashed(lambda text: own.encode(text))
(HERE / "corpus_hashes.json").write_text(json.dumps(hashes, indent=1) + "\n")
