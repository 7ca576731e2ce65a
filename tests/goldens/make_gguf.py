"""Makes gguf/ beside it: golden folders as GGUF files, so that their answers hold for both.

    pip install gguf==0.10.0 numpy safetensors torch
    python make_gguf.py

Names come from ggml's own table (gguf.tensor_mapping). What a file holds otherwise than a folder is done as
convert_hf_to_gguf.py does it: Llama's queries and keys with neighbouring pairs, GPT-2's linears turned round, Gemma's
gains with their 1, Falcon's queries before keys before values, Llama 3's stretching as a divisor of each frequency.
"""
import json
import math
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import MODEL_ARCH as A
from safetensors.torch import load_file

HERE = Path(__file__).resolve().parent
OUT = HERE / "gguf"
shutil.rmtree(OUT, ignore_errors=True)
OUT.mkdir()
CASES = {"gpt2-plain": A.GPT2, "gpt2-one-head": A.GPT2, "bert-plain": A.BERT, "llama-gqa": A.LLAMA, "llama-bias": A.LLAMA,
         "llama-mha-tied": A.LLAMA, "llama-rope-llama3": A.LLAMA, "llama-rope-linear": A.LLAMA, "qwen2-plain": A.QWEN2,
         "gemma2-three-layers": A.GEMMA2, "gpt-bigcode-mqa": A.STARCODER, "falcon-multi-query": A.FALCON,
         "falcon-new-decoder": A.FALCON, "deepseek-v3-lora-q": A.DEEPSEEK2}


def permuted(w, heads):
    """(k, k + half) to (2k, 2k + 1), head by head."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def llama3_divisors(c, dim):
    s, out = c["rope_scaling"], []
    for k in range(0, dim, 2):
        f = c.get("rope_theta", 10000.0) ** (-k / dim)
        wavelength, old = 2 * math.pi / f, s["original_max_position_embeddings"]
        low, high, factor = s["low_freq_factor"], s["high_freq_factor"], s["factor"]
        if wavelength < old / high:
            out.append(1.0)
        elif wavelength > old / low:
            out.append(factor)
        else:
            smooth = (old / wavelength - low) / (high - low)
            out.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(out, dtype=np.float32)


def stored(arch, name, w, c, H, Hkv):
    if arch == A.LLAMA and ".q_proj." in name:
        return permuted(w, H)
    if arch == A.LLAMA and ".k_proj." in name:
        return permuted(w, Hkv)
    if arch == A.GPT2 and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return w.T
    if arch == A.GEMMA2 and name.endswith("norm.weight"):
        return w + 1
    if arch == A.FALCON and "query_key_value" in name:
        Dh = c["hidden_size"] // H
        qkv = w.reshape(Hkv, H // Hkv + 2, Dh, *w.shape[1:])
        flat = lambda part: part.reshape(-1, *w.shape[1:])
        return np.concatenate([flat(qkv[:, :-2]), flat(qkv[:, -2]), flat(qkv[:, -1])])
    return w


def convert(case, arch):
    c = json.loads((HERE / case / "config.json").read_text())
    tensors = load_file(HERE / case / "model.safetensors")
    first = lambda *keys: next((c[k] for k in keys if c.get(k) is not None), None)
    L, H, D = first("num_hidden_layers", "n_layer"), first("num_attention_heads", "n_head"), first("hidden_size", "n_embd")
    Hkv = first("num_key_value_heads", "num_kv_heads") or H
    if arch == A.STARCODER:
        Hkv = 1 if c["multi_query"] else H
    if arch == A.FALCON:
        Hkv = Hkv if c["new_decoder_architecture"] else 1 if c["multi_query"] else H
    w = gguf.GGUFWriter(OUT / f"{case}.gguf", gguf.MODEL_ARCH_NAMES[arch])
    w.add_block_count(L)
    w.add_embedding_length(D)
    w.add_head_count(H)
    w.add_head_count_kv(Hkv)
    w.add_context_length(first("max_position_embeddings", "n_positions"))
    w.add_feed_forward_length(first("intermediate_size", "ffn_hidden_size", "n_inner") or 4 * D)
    if "rms_norm_eps" in c:
        w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    else:
        w.add_layer_norm_eps(first("layer_norm_epsilon", "layer_norm_eps"))
    if arch in (A.LLAMA, A.QWEN2, A.GEMMA2, A.DEEPSEEK2, A.FALCON):
        w.add_rope_freq_base(float(c.get("rope_theta", 10000.0)))
    if arch == A.DEEPSEEK2:
        w.add_q_lora_rank(c["q_lora_rank"])
        w.add_kv_lora_rank(c["kv_lora_rank"])
        w.add_key_length(c["qk_nope_head_dim"] + c["qk_rope_head_dim"])
        w.add_value_length(c["v_head_dim"])
        w.add_rope_dimension_count(c["qk_rope_head_dim"])
        w.add_leading_dense_block_count(L)
    elif c.get("head_dim"):
        w.add_key_length(c["head_dim"])
        w.add_value_length(c["head_dim"])
    if arch == A.GEMMA2:
        w.add_attn_logit_softcapping(c["attn_logit_softcapping"])
        w.add_final_logit_softcapping(c["final_logit_softcapping"])
        w.add_sliding_window(c["sliding_window"])
    scaling = c.get("rope_scaling") or {}
    if scaling.get("type") == "linear":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(scaling["factor"])
    if scaling.get("rope_type") == "llama3":
        w.add_tensor("rope_freqs.weight", llama3_divisors(c, c.get("head_dim") or D // H))
    names = gguf.get_tensor_name_map(arch, L)
    for name, tensor in tensors.items():
        if name.startswith("cls.") or ".pooler." in name or name.endswith((".attn.bias", ".masked_bias", "position_ids")):
            continue  # the converter leaves the heads of BERT and the mask buffers out
        own = names.get_name(name.removeprefix("bert."), try_suffixes=(".weight", ".bias")) or names.get_name(
            name, try_suffixes=(".weight", ".bias"))
        assert own, name
        w.add_tensor(own, np.ascontiguousarray(stored(arch, name, tensor.to(torch.float32).numpy(), c, H, Hkv)))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


for case, arch in CASES.items():
    convert(case, arch)
