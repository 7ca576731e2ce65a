"""Writes models without meaning for `./dev bench`, in shapes whose decoding is worth a comparison: GQA (as Llama's) and
MLA (as DeepSeek's), with their matrices in Q8_0, and GQA in F32. Weights are one random pattern over and over: what a
product costs does not depend on its numbers. Needs the standard library alone.

  python3 make_models.py FOLDER        gives FOLDER/{gqa-q8_0,mla-q8_0,gqa-f32}.gguf, 770 MB together
"""
import array
import os
import random
import struct
import sys

LAYERS, WIDTH, FFN, VOCAB, CONTEXT = 12, 768, 2048, 32000, 2048
HEADS, KV_HEADS, HEAD = 12, 4, 64
RANK, NOPE, ROPE = 256, 64, 32

U32, F32, BOOL, TEXT = 4, 6, 7, 8  # value types of GGUF
TYPES = {"f32": 0, "q8_0": 8}


def gqa():
    values = {"attention.head_count_kv": (U32, KV_HEADS), "rope.dimension_count": (U32, HEAD)}
    layer = {"attn_q": (HEADS * HEAD, WIDTH), "attn_k": (KV_HEADS * HEAD, WIDTH), "attn_v": (KV_HEADS * HEAD, WIDTH),
             "attn_output": (WIDTH, HEADS * HEAD)}
    return "llama", values, layer, {}


def mla():
    values = {"attention.head_count_kv": (U32, HEADS), "attention.kv_lora_rank": (U32, RANK),
              "attention.key_length": (U32, NOPE + ROPE), "attention.value_length": (U32, NOPE),
              "rope.dimension_count": (U32, ROPE), "leading_dense_block_count": (U32, LAYERS),
              "expert_count": (U32, 0), "expert_used_count": (U32, 0), "expert_feed_forward_length": (U32, FFN),
              "expert_shared_count": (U32, 0), "expert_weights_scale": (F32, 1.0)}
    layer = {"attn_q": (HEADS * (NOPE + ROPE), WIDTH), "attn_kv_a_mqa": (RANK + ROPE, WIDTH),
             "attn_kv_b": (HEADS * 2 * NOPE, RANK), "attn_output": (WIDTH, HEADS * NOPE)}
    return "deepseek2", values, layer, {"attn_kv_a_norm": RANK}


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key, kind, value):
    packed = text(value) if kind == TEXT else struct.pack({U32: "<I", F32: "<f", BOOL: "<?"}[kind], value)
    return text(key) + struct.pack("<I", kind) + packed


def pattern(dtype):
    """32768 weights near 0.02, of whole blocks."""
    draw = random.Random(1)
    if dtype == "f32":
        return array.array("f", [draw.gauss(0, 0.02) for _ in range(32768)]).tobytes()
    return b"".join(struct.pack("<e", 2.5e-4) + draw.randbytes(32) for _ in range(1024))


def tensors_of(dtype, layer, norms):
    """Name, shape (rows, columns) or (n,), type."""
    yield "token_embd.weight", (VOCAB, WIDTH), dtype
    yield "output.weight", (VOCAB, WIDTH), dtype
    yield "output_norm.weight", (WIDTH,), "f32"
    ffn = {"ffn_gate": (FFN, WIDTH), "ffn_up": (FFN, WIDTH), "ffn_down": (WIDTH, FFN)}
    for i in range(LAYERS):
        for name, n in {"attn_norm": WIDTH, "ffn_norm": WIDTH, **norms}.items():
            yield f"blk.{i}.{name}.weight", (n,), "f32"
        for name, shape in {**layer, **ffn}.items():
            yield f"blk.{i}.{name}.weight", shape, dtype


def write(path, kind, dtype):
    name, values, layer, norms = kind()
    keys = entry("general.architecture", TEXT, name) + entry("tokenizer.ggml.model", TEXT, "no_vocab")
    values = {"block_count": (U32, LAYERS), "context_length": (U32, CONTEXT), "embedding_length": (U32, WIDTH),
              "feed_forward_length": (U32, FFN), "attention.head_count": (U32, HEADS), "vocab_size": (U32, VOCAB),
              "attention.layer_norm_rms_epsilon": (F32, 1e-5), "rope.freq_base": (F32, 10000.0), **values}
    for key, (type_, value) in values.items():
        keys += entry(f"{name}.{key}", type_, value)
    blocks = {which: pattern(which) for which in TYPES}
    infos, sizes, at = b"", [], 0
    for tensor, shape, which in tensors_of(dtype, layer, norms):
        n = shape[0] * (shape[1] if len(shape) > 1 else 1)
        size = n * 4 if which == "f32" else n // 32 * 34
        infos += text(tensor) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape))
        infos += struct.pack("<IQ", TYPES[which], at)
        sizes.append((which, size, -size % 32, len(shape)))
        at += size + -size % 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(sizes), len(values) + 2) + keys + infos
    with open(path + ".part", "wb") as file:
        file.write(head + bytes(-len(head) % 32))
        for which, size, padding, sides in sizes:
            if sides == 1:
                file.write(array.array("f", [1.0] * (size // 4)).tobytes())
            else:
                whole = blocks[which]
                file.write(whole * (size // len(whole)) + whole[:size % len(whole)])
            file.write(bytes(padding))
    os.replace(path + ".part", path)


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for kind, dtype in ((gqa, "q8_0"), (mla, "q8_0"), (gqa, "f32")):
        path = os.path.join(folder, f"{kind.__name__}-{dtype}.gguf")
        if not os.path.exists(path):
            write(path, kind, dtype)
        print(path)


if __name__ == "__main__":
    main()
