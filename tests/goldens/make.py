"""Makes the golden files beside it (README.md says what is in them).

    python make.py            every random-weight case and the tokenizer's
    python make.py --zoo      the goldens of the trained models of assets/models as well

Versions: ../../assets/zoo/requirements.txt. Every case has its seed; a second run writes the same ids and weights, and
results equal to rounding.
"""
import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import (BertConfig, BertForMaskedLM, BertModel, DeepseekV3ForCausalLM, GPT2Config, GPT2LMHeadModel,
                          LlamaForCausalLM)

import families
import oracle_nanogpt
from answers import random_ids, randomise, stored, trace, write_case

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parent.parent / "assets"
sys.path.insert(0, str(ASSETS / "zoo"))
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)

GPT2_KEYS = ("model_type", "vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "n_inner", "activation_function",
             "layer_norm_epsilon", "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "tie_word_embeddings")
BERT_KEYS = ("model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
             "hidden_act", "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id")


def plain_config(config, keys, **more):
    return {k: v for k, v in config.to_dict().items() if k in keys} | more


def gpt2_case(name, seed, T, dtype=torch.float32, shards=1, names=lambda n: n, buffers=False, **shape):
    config = GPT2Config(attn_implementation="eager", bos_token_id=0, eos_token_id=0, **shape)
    model = GPT2LMHeadModel(config).eval()
    randomise(model, seed)
    weights = stored(model, dtype)
    golden = trace(model, model.transformer.h, random_ids(config.vocab_size, T, seed + 1))
    weights = {names(n): t for n, t in weights.items()}
    if buffers:                          # old hub files hold the causal mask as h.{i}.attn.bias
        n = config.n_positions
        for i in range(config.n_layer):
            weights[names(f"transformer.h.{i}.attn.bias")] = torch.ones(n, n).tril().view(1, 1, n, n)
            weights[names(f"transformer.h.{i}.attn.masked_bias")] = torch.tensor(-1e4)
    write_case(name, plain_config(config, GPT2_KEYS, architectures=["GPT2LMHeadModel"]), weights, golden, shards)


def gpt2_cases():
    base = dict(vocab_size=97, n_positions=64, n_embd=32, n_layer=2, n_head=4)
    gpt2_case("gpt2-plain", 10, 17, **base)
    gpt2_case("gpt2-odd-max", 20, 33, vocab_size=61, n_positions=33, n_embd=40, n_layer=3, n_head=5, n_inner=72)
    gpt2_case("gpt2-one-token", 30, 1, vocab_size=300, n_positions=16, n_embd=24, n_layer=2, n_head=3)
    gpt2_case("gpt2-inverse-layer", 40, 21, scale_attn_by_inverse_layer_idx=True, vocab_size=101, n_positions=40,
              n_embd=30, n_layer=4, n_head=6)
    gpt2_case("gpt2-untied", 50, 12, tie_word_embeddings=False, vocab_size=83, n_positions=32, n_embd=28, n_layer=2,
              n_head=2, n_inner=50, layer_norm_epsilon=1e-3)
    gpt2_case("gpt2-one-head", 60, 5, vocab_size=61, n_positions=9, n_embd=7, n_layer=1, n_head=1, n_inner=11)
    gpt2_case("gpt2-unscaled", 65, 9, scale_attn_weights=False, vocab_size=67, n_positions=20, n_embd=20, n_layer=2, n_head=4)
    gpt2_case("gpt2-f16", 70, 19, dtype=torch.float16, **base)
    gpt2_case("gpt2-bf16", 80, 19, dtype=torch.bfloat16, **base)
    gpt2_case("gpt2-sharded", 90, 14, shards=2, **base)
    gpt2_case("gpt2-hub-names", 95, 11, names=lambda n: n.removeprefix("transformer."), buffers=True,
              vocab_size=97, n_positions=24, n_embd=32, n_layer=2, n_head=4)


def nanogpt_weights(config, seed, std=0.15):
    D, V, g = config["n_embd"], config["vocab_size"], torch.Generator().manual_seed(seed)
    shapes = {"transformer.wte": (V, D), "transformer.wpe": (config["block_size"], D)}
    for i in range(config["n_layer"]):
        shapes |= {f"transformer.h.{i}.{n}": s for n, s in {
            "ln_1": (D,), "attn.c_attn": (3 * D, D), "attn.c_proj": (D, D), "ln_2": (D,), "mlp.c_fc": (4 * D, D),
            "mlp.c_proj": (D, 4 * D)}.items()}
    shapes["transformer.ln_f"] = (D,)
    w = {}
    for name, shape in shapes.items():
        w[name + ".weight"] = torch.randn(shape, generator=g) * std + (1.0 if len(shape) == 1 else 0.0)
        if config["bias"] and not name.endswith(("wte", "wpe")):
            w[name + ".bias"] = torch.randn(shape[0], generator=g) * std
    return w


def nanogpt_cases():
    def shape(**k):
        return {"model_type": "nanogpt", "n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 48, "bias": True, "vocab_size": 65} | k

    for name, seed, T, config in [("nanogpt-bias", 100, 18, shape()), ("nanogpt-no-bias", 110, 48, shape(bias=False)),
                                  ("nanogpt-odd", 120, 7, shape(n_layer=3, n_head=3, n_embd=21, block_size=13, bias=False))]:
        w, ids = nanogpt_weights(config, seed), random_ids(config["vocab_size"], T, seed + 1)
        golden = oracle_nanogpt.forward(w, config, ids) | {"input_ids": ids}
        if name == "nanogpt-bias":                     # as nanoGPT's state dict has it: the tied tensor twice
            w = w | {"lm_head.weight": w["transformer.wte.weight"].clone()}
        write_case(name, config, w, golden, note="oracle_nanogpt.py")
    check_oracle_against_gpt2()
    check_converter(shape(n_embd=16, block_size=12))


def check_oracle_against_gpt2():
    """Our forward is worth as much as this: with GPT-2's weights transposed and the exact GELU, transformers agrees."""
    config = GPT2Config(vocab_size=71, n_positions=20, n_embd=24, n_layer=2, n_head=3, activation_function="gelu",
                        attn_implementation="eager")
    model = GPT2LMHeadModel(config).eval()
    randomise(model, 130)
    ids = random_ids(71, 20, 131)
    w = {n: t.T.contiguous() if t.ndim == 2 and ".h." in n else t for n, t in stored(model).items()}
    ours = oracle_nanogpt.forward(w, {"n_embd": 24, "n_head": 3, "n_layer": 2}, ids)
    for n, t in trace(model, model.transformer.h, ids).items():
        if n != "input_ids":
            assert (ours[n] - t).abs().max() < 1e-5 * max(1, t.abs().max()), n


def check_converter(config):
    """nanogpt_to_safetensors.py on a made-up ckpt.pt with every oddity: compile prefix, mask buffers, tied twice."""
    from nanogpt_to_safetensors import convert
    w = nanogpt_weights(config, 140)
    n = config["block_size"]
    odd = {"_orig_mod." + k: t for k, t in w.items()} | {"_orig_mod.lm_head.weight": w["transformer.wte.weight"]}
    odd |= {f"_orig_mod.transformer.h.{i}.attn.bias": torch.ones(1, 1, n, n).tril() for i in range(config["n_layer"])}
    args = {k: v for k, v in config.items() if k != "model_type"} | {"dropout": 0.0}
    with tempfile.TemporaryDirectory() as tmp:
        torch.save({"model": odd, "model_args": args, "iter_num": 5, "best_val_loss": torch.tensor(1.5), "config": {}}, f"{tmp}/ckpt.pt")
        convert(f"{tmp}/ckpt.pt", f"{tmp}/out")
        back = load_file(f"{tmp}/out/model.safetensors")
        read = json.loads(Path(f"{tmp}/out/config.json").read_text())
    assert back.keys() == w.keys() and all(torch.equal(back[k], w[k]) for k in w)
    assert read == config | {"tie_word_embeddings": True}
    print("converter: ok")


def bert_case(name, seed, T, names=lambda n: n, extra=False, **shape):
    config = BertConfig(attn_implementation="eager", **shape)
    model = BertForMaskedLM(config).eval()
    randomise(model, seed)
    golden = trace(model, model.bert.encoder.layer, random_ids(config.vocab_size, T, seed + 1))
    weights = {names(n): t for n, t in stored(model).items()}
    if extra:                            # what BertForPreTraining files hold besides
        D, g = config.hidden_size, torch.Generator().manual_seed(seed + 2)
        weights |= {"bert.pooler.dense.weight": torch.randn(D, D, generator=g), "bert.pooler.dense.bias": torch.zeros(D),
                    "cls.seq_relationship.weight": torch.randn(2, D, generator=g), "cls.seq_relationship.bias": torch.zeros(2),
                    "bert.embeddings.position_ids": torch.arange(config.max_position_embeddings)[None]}
    write_case(name, plain_config(config, BERT_KEYS, architectures=["BertForMaskedLM"]), weights, golden)


def old_names(n):
    if "LayerNorm" in n:
        n = n.replace(".weight", ".gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    return n


def bert_cases():
    bert_case("bert-plain", 200, 16, vocab_size=97, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
              intermediate_size=128, max_position_embeddings=64)
    bert_case("bert-odd-max", 210, 27, vocab_size=61, hidden_size=30, num_hidden_layers=3, num_attention_heads=3,
              intermediate_size=50, max_position_embeddings=27, layer_norm_eps=1e-5)
    bert_case("bert-one-token", 220, 1, vocab_size=300, hidden_size=20, num_hidden_layers=2, num_attention_heads=5,
              intermediate_size=33, max_position_embeddings=8, type_vocab_size=1)
    bert_case("bert-old-names", 230, 13, names=old_names, extra=True, vocab_size=83, hidden_size=24, num_hidden_layers=2,
              num_attention_heads=2, intermediate_size=64, max_position_embeddings=20)


def sentence_case():
    """Like all-MiniLM: BertModel without a prefix, mean over the tokens, length 1. The pooler's weights are not used."""
    config = BertConfig(attn_implementation="eager", vocab_size=89, hidden_size=36, num_hidden_layers=2, num_attention_heads=6,
                        intermediate_size=72, max_position_embeddings=32)
    model = BertModel(config).eval()
    randomise(model, 240)
    golden = trace(model, model.encoder.layer, random_ids(89, 15, 241))
    pooled = golden.pop("last").mean(0)
    golden |= {"pooled": pooled, "embedding": pooled / pooled.norm().clamp(min=1e-12)}
    folder = write_case("sentence-encoder", plain_config(config, BERT_KEYS, architectures=["BertModel"]), stored(model), golden)
    modules = [{"idx": i, "name": str(i), "path": p, "type": f"sentence_transformers.models.{t}"}
               for i, (p, t) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])]
    (folder / "modules.json").write_text(json.dumps(modules, indent=2) + "\n")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({
        "word_embedding_dimension": 36, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False}, indent=2) + "\n")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24, "do_lower_case": False}, indent=2) + "\n")


# -- tokenizer --------------------------------------------------------------------------------------------------------

STRINGS = [
    "", " ", "  ", "   a", "a   ", "\n", "\n\n", "\t", "\r\n", " \n ", "a\n\n\nb", "\t\ttab", "Hello world", "hello", " hello", "  hello",
    "The key to the old doors", "The robot picked up the red key because it needed to open the old door.",
    "\"Where is the red key?\" the robot asked.", "It's don't we'll they're I've I'd I'm", "IT'S DON'T", "it’s “quoted”",
    "In the beginning God created the heaven and the earth.", "Coosbonox and Rujusx met Bezhasail; Coosbonox sang.",
    "4 7 1 9", "1234567890", "3.14159", "1,000,000", "٣٤٥", "Ⅷ ½ ²", "a1b2c3", "x=y+z;", "for (int i = 0; i < n; ++i) {", "...", "!!!???", "a.b.c",
    "#hashtag @name", "e-mail: someone at example", "C:\\path", "<pad>", "<eos>", "<mask>", "<cls><sep>", "a<mask>b", "The <mask> opened the door.", "two  <mask>\n<mask>",
    " <mask> ", "<extra_id_0>", "<extra_id_63>", "<extra_id_64>", "< mask >", "<mask", "<MASK>", "mask>", "<extra_id_1><extra_id_10>",
    "café", "cafe\u0301", "e\u0301\u0323", "ñandú", "naïve", "Straße", "ÄÖÜ äöü ß", "Привет, мир!", "Ελληνικά", "עברית", "العربية", "हिन्दी", "ไทย",
    "你好,世界。", "日本語のテキスト", "한국어", "你 好", "𠀀𠀁", "😀", "😀😃 😄", "👨‍👩‍👧‍👦", "🇩🇪🇫🇷", "👍🏽", "a😀b", "❤️", "\u200b", "a\u200bb", "\u00a0", "a\u00a0b",
    "\u3000", "a\u3000b", "\u2028", "\u0085", "\ufeffbom", "\u0000", "a\u0000b", "\u0007bell", "\u007f", "\ufffd", "\ue000", "\U0010ffff",
    "Z̸̢̛͔a̵͈̓l̷̰͝g̸̱̈o̴͇͝", "ﬁ ligature", "ＡＢＣ full width", "a" * 60, "abcdefghijklmnopqrstuvwxyz", " " * 33 + "x", "the the the the", "\n \n \n", "a \t b",
    "'s", "' s", "''", "\"\"", "((()))", "日本 nihon 日本", "Ġ", "Ċ", "ĠHello", "aĠb",
]


def tokenizer_cases():
    gpt = Tokenizer.from_file(str(ASSETS / "models/mini-gpt/tokenizer.json"))
    bert = Tokenizer.from_file(str(ASSETS / "models/mini-bert/tokenizer.json"))
    cases = []
    for text in dict.fromkeys(STRINGS):
        ids = gpt.encode(text).ids
        assert ids == bert.encode(text, add_special_tokens=False).ids
        cases.append({"text": text, "ids": ids, "ids_mini_bert": bert.encode(text).ids,
                      "decoded": gpt.decode(ids, skip_special_tokens=False), "decoded_plain": gpt.decode(ids, skip_special_tokens=True)})
    assert all(c["decoded"] == re.sub(r"\s+<mask>", "<mask>", c["text"]) for c in cases)
    (HERE / "tokenizer-mini.json").write_text(json.dumps(cases, indent=0, ensure_ascii=True) + "\n")
    print(f"tokenizer-mini.json: {len(cases)} strings")


# -- the trained ones -------------------------------------------------------------------------------------------------

PROMPTS = {"mini-bert": "The robot picked up the red <mask> because it needed to open the old door."}
PROMPT = "The robot picked up the red key because it needed to open the"
ZOO = {"mini-gpt": GPT2LMHeadModel, "mini-bert": BertForMaskedLM, "mini-llama": LlamaForCausalLM, "mini-llama-gqa": LlamaForCausalLM,
       "mini-llama-mqa": LlamaForCausalLM, "mini-llama-mla": DeepseekV3ForCausalLM, "mini-prefix": LlamaForCausalLM}


def zoo_cases():
    """Last row of logits, ten best and (but for mini-bert) 20 greedy tokens, from the committed fp16 weights computed in fp32.
    mini-prefix is asked with prefix 0, as a causal model."""
    for name, kind in ZOO.items():
        if not (ASSETS / f"models/{name}").exists():
            continue
        text = PROMPTS.get(name, PROMPT)
        tok = Tokenizer.from_file(str(ASSETS / f"models/{name}/tokenizer.json"))
        model = kind.from_pretrained(ASSETS / f"models/{name}", attn_implementation="eager", dtype=torch.float32).eval()
        ids = torch.tensor(tok.encode(text).ids)
        layers = families.body(model)
        golden = trace(model, layers, ids)
        masked = name == "mini-bert"
        at = ids.tolist().index(tok.token_to_id("<mask>")) if masked else len(ids) - 1
        best = golden["logits"][at].log_softmax(-1).topk(10)
        facts = {"prompt": text, "input_ids": ids.tolist(), "position": at, "top_ids": best.indices.tolist(),
                 "top_pieces": [tok.id_to_token(i) for i in best.indices.tolist()],
                 "top_logprobs": [round(v, 6) for v in best.values.tolist()]}
        if not masked:
            with torch.no_grad():
                out = model.generate(ids[None], attention_mask=torch.ones_like(ids[None]), do_sample=False, min_new_tokens=20,
                                     max_new_tokens=20, pad_token_id=0, eos_token_id=None, use_cache=True)[0]
                gaps = model(out[None]).logits[0, len(ids) - 1:-1].topk(2).values
            facts |= {"greedy_ids": out[len(ids):].tolist(), "greedy_text": tok.decode(out[len(ids):].tolist()),
                      "smallest_gap": round(float((gaps[:, 0] - gaps[:, 1]).min()), 4)}
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        keep = {"input_ids": ids.int(), "logits": golden["logits"][at:at + 1]} | {
            n: t for n, t in golden.items() if n.startswith("layers.") or n in ("hidden.embed", f"hidden.{len(layers) - 1}")}
        save_file({n: t.contiguous().clone() for n, t in keep.items()}, folder / "golden.safetensors",
                  metadata={"note": f"logits: row {at} alone; weights: assets/models/{name}"})
        (folder / "golden.json").write_text(json.dumps(facts, indent=1) + "\n")
        print(name, facts.get("greedy_text", facts["top_pieces"]), facts.get("smallest_gap"))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--zoo", action="store_true")
    args = ap.parse_args()
    gpt2_cases()
    nanogpt_cases()
    bert_cases()
    sentence_case()
    families.all_cases()
    if (ASSETS / "models/mini-bert/tokenizer.json").exists():
        tokenizer_cases()
    if args.zoo:
        zoo_cases()


if __name__ == "__main__":
    main()
