"""From a checkpoint of train.py to a folder in Hugging Face layout: fp16 weights, config.json, tokenizer.json.

    python export.py WORKDIR [--to FOLDER] [mini-gpt mini-bert ...]
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
# said even where they are transformers' defaults
SAID = {"gpt2": "n_positions n_embd n_layer n_head n_inner activation_function layer_norm_epsilon tie_word_embeddings",
        "bert": "hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings type_vocab_size hidden_act "
                "layer_norm_eps tie_word_embeddings pad_token_id",
        "llama": "hidden_size num_hidden_layers num_attention_heads num_key_value_heads intermediate_size max_position_embeddings hidden_act "
                 "rms_norm_eps rope_theta tie_word_embeddings pad_token_id",
        "deepseek_v3": "hidden_size num_hidden_layers num_attention_heads num_key_value_heads intermediate_size max_position_embeddings "
                       "hidden_act rms_norm_eps rope_theta rope_interleave tie_word_embeddings pad_token_id q_lora_rank kv_lora_rank "
                       "qk_nope_head_dim qk_rope_head_dim v_head_dim first_k_dense_replace",
        "t5": "d_model d_kv d_ff num_layers num_decoder_layers num_heads relative_attention_num_buckets relative_attention_max_distance "
              "layer_norm_epsilon feed_forward_proj tie_word_embeddings pad_token_id eos_token_id decoder_start_token_id is_encoder_decoder",
        "marian": "d_model encoder_layers decoder_layers encoder_attention_heads decoder_attention_heads encoder_ffn_dim decoder_ffn_dim "
                  "max_position_embeddings activation_function scale_embedding share_encoder_decoder_embeddings tie_word_embeddings "
                  "pad_token_id eos_token_id decoder_start_token_id is_encoder_decoder decoder_vocab_size"}
UNSAID = {"transformers_version", "attn_implementation", "_attn_implementation", "_attn_implementation_autoset", "reorder_and_upcast_attn", "head_dim",
          "dtype", "use_cache", "pretraining_tp", "qk_head_dim", "n_routed_experts",
          "n_shared_experts", "n_group", "topk_group", "norm_topk_prob", "routed_scaling_factor", "num_experts_per_tok", "moe_intermediate_size"}
# what the class does not ask for: Marian's own words for post-LN with sinusoids, ours for a mask
MORE = {"mini-prefix": {"prefix_lm": True}, "mini-t5": {"n_positions": models.N_CTX},
        "mini-transformer": {"normalize_before": False, "static_position_embeddings": True}}


def weights_of(kind, state):
    """Tied tensors once, under the first of their names; sinusoids not at all."""
    weights, seen = {}, set()
    for name, t in state.items():
        if t.data_ptr() not in seen and not (kind == "mini-transformer" and "embed_positions" in name):
            weights[name] = t.half().contiguous()
        seen.add(t.data_ptr())
    assert all(torch.isfinite(t).all() for t in weights.values())
    return weights


def config_of(kind):
    config = models.config(kind)
    keys = {k: v for k, v in config.to_diff_dict().items() if k not in UNSAID and not k.startswith("summary")}
    keys |= {k: getattr(config, k) for k in SAID[config.model_type].split()} | MORE.get(kind, {})
    return keys | {"model_type": config.model_type, "architectures": [models.CLASSES[type(config)].__name__], "torch_dtype": "float16"}


def tokenizer_of(kind, workdir):
    tok = Tokenizer.from_file(str(workdir / ("joint.json" if kind == "mini-transformer" else "tokenizer.json")))
    if kind == "mini-bert":
        return corpus.with_cls_sep(tok)
    return corpus.with_eos(tok) if kind in ("mini-t5", "mini-transformer") else tok


def export(kind, workdir, to):
    state = torch.load(workdir / f"{kind}.ckpt", map_location="cpu", weights_only=True)
    folder = to / kind
    folder.mkdir(parents=True, exist_ok=True)
    weights = weights_of(kind, state["model"])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    (folder / "config.json").write_text(json.dumps(config_of(kind), indent=2, sort_keys=True) + "\n")
    tokenizer_of(kind, workdir).save(str(folder / "tokenizer.json"))
    sizes = json.loads((workdir / ("verses.json" if kind == "mini-transformer" else "corpus.json")).read_text())
    card = {"training": {"steps": state["step"], "tokens": state["tokens"], "minutes": round(state["seconds"] / 60, 1),
                         "budget_tokens": int(float(state["args"]["tokens"])), "batch_tokens": int(state["args"]["batch_tokens"]),
                         "lr": float(state["args"]["lr"]), "muon_lr": float(state["args"]["muon_lr"])},
            "corpus": sizes,
            "parameters": sum(t.numel() for n, t in weights.items() if n != "final_logits_bias"),
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
