"""Makes sentencepiece/ beside it: a tiny Unigram and a tiny BPE with byte fallback, trained by SentencePiece itself, the
same as transformers turns them into a tokenizer.json and as a GGUF file holds them, and what each of them says.

    pip install sentencepiece==0.2.0 protobuf==5.28.3 transformers==4.46.3 gguf==0.10.0
    python make_sentencepiece.py
"""
import json
import shutil
from pathlib import Path

import gguf
import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as proto
from transformers import LlamaTokenizer, T5Tokenizer
from transformers.convert_slow_tokenizer import convert_slow_tokenizer

HERE = Path(__file__).resolve().parent / "sentencepiece"
shutil.rmtree(HERE, ignore_errors=True)
HERE.mkdir()

WORDS = ("the key to old doors was made of iron and gold she took it from her father's house at night when snow fell over "
         "the quiet town every window had a light behind which people read stories about kings ships storms far islands "
         "Ключ от старой двери был сделан из железа 鍵 は 古い 扉 の もの です Ärger über größere Straßen déjà vu naïve café "
         "1 2 3 10 100 1789 2024 , . ! ? ; : - ( ) don't it's we've").split()
state = 12345


def step(n):
    """A small generator of our own, the same everywhere (Knuth's MMIX numbers)."""
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
    return (state >> 33) % n


corpus = HERE / "corpus.txt"
corpus.write_text("\n".join(" ".join(WORDS[step(len(WORDS))] for _ in range(5 + step(12))) for _ in range(3000)) + "\n")
# A map of its own, a thousandth of nmt_nfkc: one to one, one to many, many to one, to nothing, to a space.
rules = HERE / "rules.tsv"
rules.write_text("FF21\t41\nFF22\t42\nFB01\t66 69\n2160 2160\t49 49\nAD\t\n3000\t20\nA0\t20\n9\t20\nA\t20\n33A2\t6B 6D 32\n"
                 "64 7A\t1C6\n")
common = dict(input=str(corpus), minloglevel=2, num_threads=1, character_coverage=0.995, hard_vocab_limit=False)
spm.SentencePieceTrainer.train(model_prefix=str(HERE / "unigram"), model_type="unigram", vocab_size=400,
                               normalization_rule_tsv=str(rules), pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
                               user_defined_symbols=["<sep>", "▁of▁the"], **common)
spm.SentencePieceTrainer.train(model_prefix=str(HERE / "bpe"), model_type="bpe", vocab_size=700, byte_fallback=True,
                               normalization_rule_name="identity", remove_extra_whitespaces=False,
                               split_digits=True, allow_whitespace_only_pieces=True, **common)
for junk in ("corpus.txt", "rules.tsv", "unigram.vocab", "bpe.vocab"):
    (HERE / junk).unlink()

TEXTS = ["", " ", "  ", "the key", " the key", "the  key ", "the key   to\tthe\nold\n\ndoors", "Ключ от двери", "鍵は古い扉のものです",
         "größere Straßen", "naïve café", "nai\u0308ve", "ＡＢ ﬁre ⅠⅠ so\u00adft a\u3000b a\u00a0b 5㎢ adz dz", "don't it's we've",
         "1789 2024 12,345.67", "🙂", "a🙂b🙂🙂c", "👩‍👩‍👧 family", "unknown words: xylophone zzz", "\u2581the\u2581key", "of the of▁the",
         "a<sep>b", "<sep>", "<sep> the <sep>key ", "a <sep> <sep>  b", "</s> <unk> <s>", "tab\tand\rreturn", "\u0000nul", "é" * 20,
         "the" * 30, "ab" * 50, "    indented", "trailing    ", "\u200b\u200d", "Ǆ ǆ", "ﬁﬁ", "𝕬 math", "a\u0301\u0323", "¿Qué?", "<0x0A> <0x41>"]


def pieces_of(path):
    model = proto.ModelProto()
    model.ParseFromString(path.read_bytes())
    return model


def write_gguf(name, kind):
    """As convert_hf_to_gguf.py writes a vocabulary."""
    model = pieces_of(HERE / f"{name}.model")
    writer = gguf.GGUFWriter(HERE / f"{name}.gguf", kind)
    writer.add_tokenizer_model(kind)
    writer.add_token_list([p.piece.encode() for p in model.pieces])
    writer.add_token_scores([p.score for p in model.pieces])
    writer.add_token_types([int(p.type) for p in model.pieces])
    spec = model.trainer_spec
    writer.add_unk_token_id(spec.unk_id)
    writer.add_eos_token_id(spec.eos_id)
    if spec.bos_id >= 0:
        writer.add_bos_token_id(spec.bos_id)
    writer.add_add_space_prefix(model.normalizer_spec.add_dummy_prefix)
    writer.add_remove_extra_whitespaces(model.normalizer_spec.remove_extra_whitespaces)
    if model.normalizer_spec.precompiled_charsmap:
        writer.add_precompiled_charsmap(model.normalizer_spec.precompiled_charsmap)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


golden = {}
for name, kind, slow in (("unigram", "t5", T5Tokenizer), ("bpe", "llama", LlamaTokenizer)):
    own = spm.SentencePieceProcessor(model_file=str(HERE / f"{name}.model"))
    settings = dict(extra_ids=3) if slow is T5Tokenizer else dict(legacy=False)
    fast = convert_slow_tokenizer(slow(str(HERE / f"{name}.model"), **settings))
    fast.save(str(HERE / f"{name}.tokenizer.json"), pretty=False)
    write_gguf(name, kind)
    golden[name] = [{"text": t, "ids": own.encode(t), "decoded": own.decode(own.encode(t)),
                     "hf_ids": fast.encode(t, add_special_tokens=False).ids, "hf_wrapped": fast.encode(t).ids,
                     "hf_decoded": fast.decode(fast.encode(t, add_special_tokens=False).ids, skip_special_tokens=False)}
                    for t in TEXTS]
(HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=True, indent=0) + "\n")
