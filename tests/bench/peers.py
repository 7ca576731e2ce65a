"""The peers of `./dev bench`: GPT-2's 124M shape with random weights in PyTorch and in ONNX Runtime, and a GGUF file in
llama.cpp (llama-cpp-python, whose Llama.eval() is that of 0.3).

Answers the same lines as cutaway_bench (prefill T, decode N P), one line of JSON to each, so that the driver
takes turns between them. Measured with torch 2.5.1, onnxruntime 1.32.0 and onnx 1.17.0; other versions may do.

  python3 peers.py torch 2        python3 peers.py onnx 2        python3 peers.py llama 2 FILE.gguf
"""
import json
import os
import sys
import tempfile
import time

LAYERS, HEADS, WIDTH, FFN, VOCAB, POSITIONS = 12, 12, 768, 3072, 50257, 2048


def make_model(torch):
    from torch import nn
    from torch.nn import functional as F

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, FFN), nn.Linear(FFN, WIDTH)

        def forward(self, x, past):
            tokens = x.shape[1]
            split = lambda y: y.view(1, tokens, HEADS, WIDTH // HEADS).transpose(1, 2)
            q, k, v = (split(y) for y in self.qkv(self.ln_1(x)).split(WIDTH, dim=2))
            if past is not None:
                k, v = torch.cat((past[0], k), dim=2), torch.cat((past[1], v), dim=2)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=past is None)
            x = x + self.out(y.transpose(1, 2).reshape(1, tokens, WIDTH))
            return x + self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh")), (k, v)

    class Gpt2(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(VOCAB, WIDTH), nn.Embedding(POSITIONS, WIDTH)
            self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
            self.ln_f = nn.LayerNorm(WIDTH)

        def forward(self, ids, positions, pasts=None):
            x, cache = self.wte(ids) + self.wpe(positions), []
            for i, block in enumerate(self.blocks):
                x, kv = block(x, None if pasts is None else (pasts[2 * i], pasts[2 * i + 1]))
                cache.extend(kv)
            return F.linear(self.ln_f(x[:, -1]), self.wte.weight), cache   # logits of the last position only

    torch.manual_seed(1)
    model = Gpt2().eval()
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.02)
    return model


class Torch:
    def __init__(self, threads):
        import torch
        torch.set_num_threads(threads)
        self.torch, self.model, self.version = torch, make_model(torch), "torch " + torch.__version__

    def run(self, ids, past):
        with self.torch.inference_mode():
            begin = 0 if past is None else past[0].shape[2]
            positions = self.torch.arange(begin, begin + len(ids)).unsqueeze(0)
            logits, cache = self.model(self.torch.tensor([ids]), positions, past)
            return int(logits.argmax()), cache


class Onnx:
    def __init__(self, threads):
        import numpy
        import onnxruntime
        self.numpy, self.ort, self.version = numpy, onnxruntime, "onnxruntime " + onnxruntime.__version__
        with tempfile.TemporaryDirectory() as folder:
            self.export(folder)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            self.first, self.next = (
                onnxruntime.InferenceSession(os.path.join(folder, name), options, ["CPUExecutionProvider"])
                for name in ("first.onnx", "next.onnx"))

    def export(self, folder):
        import torch
        model = make_model(torch)
        cache = [f"{kind}{i}" for i in range(LAYERS) for kind in "kv"]
        past = [torch.zeros(1, HEADS, 5, WIDTH // HEADS) for _ in cache]
        out = {name: {2: "seen"} for name in cache}
        torch.onnx.export(model, (torch.zeros(1, 5, dtype=torch.long), torch.zeros(1, 5, dtype=torch.long)),
                          os.path.join(folder, "first.onnx"), input_names=["ids", "positions"],
                          output_names=["logits"] + cache, dynamic_axes={"ids": {1: "t"}, "positions": {1: "t"}, **out})
        torch.onnx.export(model, (torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, 1, dtype=torch.long), past),
                          os.path.join(folder, "next.onnx"),
                          input_names=["ids", "positions"] + ["past_" + name for name in cache],
                          output_names=["logits"] + cache,
                          dynamic_axes={**{"past_" + name: {2: "past"} for name in cache}, **out})

    def run(self, ids, past):
        session, begin = (self.first, 0) if past is None else (self.next, past[0].shape()[2])
        binding = session.io_binding()   # the cache stays where it is: no copy between steps
        binding.bind_cpu_input("ids", self.numpy.array([ids], dtype=self.numpy.int64))
        binding.bind_cpu_input("positions", self.numpy.arange(begin, begin + len(ids), dtype=self.numpy.int64)[None])
        for value, given in zip(past or [], session.get_inputs()[2:]):
            binding.bind_ortvalue_input(given.name, value)
        for output in session.get_outputs():
            binding.bind_output(output.name, "cpu")
        session.run_with_iobinding(binding)
        values = binding.get_outputs()
        return int(values[0].numpy().argmax()), values[1:]


class Llama:
    """llama.cpp reads and generates through its Python binding's eval(); logits of the last token only."""

    def __init__(self, threads):
        import llama_cpp
        self.model = llama_cpp.Llama(sys.argv[3], n_ctx=POSITIONS, n_batch=512, n_threads=threads,
                                     n_threads_batch=threads, n_gpu_layers=0, verbose=False)
        self.vocab = self.model.n_vocab()
        self.version = "llama.cpp (llama-cpp-python " + llama_cpp.__version__ + ")"
        self.llama_cpp, self.numpy = llama_cpp, __import__("numpy")

    def run(self, ids, past):
        if past is None:
            self.model.reset()
        self.model.eval(ids)
        logits = self.llama_cpp.llama_get_logits_ith(self.model.ctx, -1)
        return int(self.numpy.ctypeslib.as_array(logits, shape=(self.vocab,)).argmax()), True


def answer(peer, words):
    counts = [int(word) for word in words[1:]]
    tokens = counts[0] if words[0] == "prefill" else counts[1]
    begin = time.perf_counter()
    best, cache = peer.run([i * 7919 % getattr(peer, "vocab", VOCAB) for i in range(tokens)], None)
    if words[0] == "decode":
        begin = time.perf_counter()
        for _ in range(counts[0]):
            best, cache = peer.run([best], cache)
    return {"seconds": time.perf_counter() - begin}


def main():
    peer = {"torch": Torch, "onnx": Onnx, "llama": Llama}[sys.argv[1]](int(sys.argv[2]))
    print(json.dumps({"device": peer.version}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(peer, line.split())), flush=True)


if __name__ == "__main__":
    main()
