"""Makes blocks.gguf and blocks.safetensors beside it: block-quantised tensors written by ggml's own Python package, and
what its numpy dequantiser makes of them.

    pip install gguf==0.10.0 numpy safetensors
    python make_blocks.py
"""
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

HERE = Path(__file__).resolve().parent
rng = np.random.default_rng(20240917)


def random_blocks(rows, blocks, size, halves):
    """Bytes of any pattern, but for scales that are finite halves of both signs, subnormal ones among them."""
    raw = rng.integers(0, 256, (rows, blocks, size), dtype=np.uint8)
    for at in halves:
        scale = (rng.standard_normal((rows, blocks)) * 10.0 ** rng.integers(-7, 2, (rows, blocks))).astype(np.float16)
        raw[:, :, at:at + 2] = scale[:, :, None].view(np.uint8)
    return raw.reshape(rows, blocks * size)


writer = gguf.GGUFWriter(HERE / "blocks.gguf", "blocks")
writer.add_uint32("blocks.seven", 7)
writer.add_array("blocks.words", ["one", "zwei", "три"])
writer.add_array("blocks.numbers", [1.5, -2.0])
golden = {}
x = rng.standard_normal((3, 96)).astype(np.float32) * np.float32(0.3)
x[1, :32] = 0                      # a block of nothing
x[2, 32:64] = np.float32(1e-7)     # a scale that is a subnormal half
golden["floats"] = x
for kind in (T.Q8_0, T.Q4_0):
    raw = quantize(x, kind)
    writer.add_tensor(kind.name, raw, raw_dtype=kind)
    golden[kind.name], golden[f"{kind.name}.bytes"] = dequantize(raw, kind), raw
for kind, size, halves in ((T.Q4_K, 144, (0, 2)), (T.Q6_K, 210, (208,))):
    raw = random_blocks(2, 3, size, halves)
    writer.add_tensor(kind.name, raw, raw_dtype=kind)
    golden[kind.name] = dequantize(raw, kind)
for dtype in (np.float32, np.float16):
    name = f"plain.{np.dtype(dtype).name}"
    writer.add_tensor(name, x.astype(dtype))
    golden[name] = x.astype(dtype).astype(np.float32)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(golden, HERE / "blocks.safetensors")
