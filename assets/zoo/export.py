"""From a checkpoint of train.py to a folder in Hugging Face layout: fp16 weights, config.json, tokenizer.json.

    python export.py WORKDIR [--to FOLDER] [mini-gpt mini-bert]
"""
import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

import corpus
import models

MODELS = Path(__file__).resolve().parent.parent / "models"
TIED = {"lm_head.weight", "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}      # held once

# What the committed weights' runs did otherwise than the recipe as it stands. Empty these when training again.
NOTES = {
    "mini-gpt": ["- The committed run was not one clean call: up to 3.06 million tokens Muon's peak was 2e-3 (6e-3 since); up to 5.0 "
                 "million torch's fused attention; every fourth row told twice from 5.0 million, every second from 6.3 million."],
    "mini-bert": ["- The committed run was resumed twice; torch's fused attention up to 5.1 million tokens."],
}


def export(kind, workdir, to):
    state = torch.load(workdir / f"{kind}.ckpt", map_location="cpu", weights_only=True)
    folder = to / kind
    folder.mkdir(parents=True, exist_ok=True)

    weights = {n: t.half().contiguous() for n, t in state["model"].items() if n not in TIED}
    assert all(torch.isfinite(t).all() for t in weights.values())
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)

    config = models.config(kind)
    config.architectures = ["GPT2LMHeadModel" if kind == "mini-gpt" else "BertForMaskedLM"]
    config.torch_dtype = "float16"
    keys = {k: v for k, v in config.to_diff_dict().items() if k not in ("transformers_version", "attn_implementation", "reorder_and_upcast_attn") and not k.startswith("summary")}
    keys |= {k: getattr(config, k) for k in (            # said even where they are transformers' defaults
        ("n_positions", "n_embd", "n_layer", "n_head", "n_inner", "activation_function", "layer_norm_epsilon", "tie_word_embeddings")
        if kind == "mini-gpt" else
        ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings",
         "type_vocab_size", "hidden_act", "layer_norm_eps", "tie_word_embeddings", "pad_token_id"))}
    (folder / "config.json").write_text(json.dumps(keys, indent=2, sort_keys=True) + "\n")

    tok = Tokenizer.from_file(str(workdir / "tokenizer.json"))
    (corpus.with_cls_sep(tok) if kind == "mini-bert" else tok).save(str(folder / "tokenizer.json"))

    sizes = json.loads((workdir / "corpus.json").read_text())
    card = {"training": {"steps": state["step"], "tokens": state["tokens"], "minutes": round(state["seconds"] / 60, 1),
                         "budget_tokens": int(float(state["args"]["tokens"])), "batch_tokens": int(state["args"]["batch_tokens"]),
                         "lr": float(state["args"]["lr"])},
            "notes": NOTES[kind],
            "corpus": sizes,
            "parameters": sum(t.numel() for t in weights.values()),
            "file_bytes": (folder / "model.safetensors").stat().st_size}
    (folder / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    print(kind, card["parameters"], "parameters,", card["file_bytes"], "bytes")


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("workdir", type=Path)
    ap.add_argument("kinds", nargs="*", default=["mini-gpt", "mini-bert"])
    ap.add_argument("--to", type=Path, default=MODELS)
    args = ap.parse_args()
    for kind in args.kinds:
        export(kind, args.workdir, args.to)
