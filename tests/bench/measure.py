"""Drives `./dev bench`: takes turns between Cutaway's CPU backend and its peers and prints medians and ratios.

Each part is measured in the same round as the limits that it is held against (reading memory, Eigen's own product), one
process at a time: A B C A B C. Nothing here is a test: these machines are noisy, and no test asserts a time.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Program:
    """A process that answers a line of JSON to each line."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL)
        first = self.process.stdout.readline()
        self.version = json.loads(first)["device"] if first else None

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def start_all(args, threads):
    programs = [Program("cutaway", [args.program, "--threads", str(threads)])]
    for peer in args.peers.split(",") if args.peers else []:
        program = Program(peer, [args.python, os.path.join(HERE, "peers.py"), peer, str(threads)])
        if program.version:
            programs.append(program)
        else:
            print(f"  {peer} is left out: {args.python} can't run it (see peers.py)")
    return programs


def measure_files(args, threads):
    """Decoding of GQA and MLA, weights in Q8_0 and in fp32, beside llama.cpp on the same file."""
    middle = statistics.median
    for model in args.models.split(","):
        path = os.path.join(args.folder, model + ".gguf")
        programs = [Program("cutaway", [args.program, "--threads", str(threads), "--model", path])]
        peer = Program("llama", [args.python, os.path.join(HERE, "peers.py"), "llama", str(threads), path])
        if peer.version:
            programs.append(peer)
        else:
            print(f"  llama.cpp is left out: {args.python} has no llama_cpp that opens {model}.gguf (see peers.py)")
        rates, of_reading = {p.name: [] for p in programs}, []
        for program in programs:
            program.ask(f"decode 4 {args.prefill}")                   # warm
        weight_bytes = programs[0].ask("memory")["weight_bytes"]
        for _ in range(args.repeat):
            reading = programs[0].ask("read")["gb_per_s"]
            for program in programs:
                rates[program.name].append(args.decode / program.ask(f"decode {args.decode} {args.prefill}")["seconds"])
            of_reading.append(weight_bytes * rates["cutaway"][-1] / 1e9 / reading)
        said = "   ".join(f"{p} {middle(r):.1f} tok/s" for p, r in rates.items())
        if len(programs) > 1:
            said += f"   {middle([a / b for a, b in zip(rates['cutaway'], rates['llama'])]):.2f} of llama.cpp"
        print(f"  {model:9} decode, {threads} thread{'s' if threads > 1 else ''}: {said}   "
              f"{middle(of_reading):.2f} of reading memory ({weight_bytes / 1e6:.0f} MB of weights)")
        for program in programs:
            program.close()


def measure(args, threads):
    programs = start_all(args, threads)
    ours = programs[0]
    print(f"\n{threads} thread{'s' if threads > 1 else ''}: " + ", ".join(p.version for p in programs))
    prefill, decode = {p.name: [] for p in programs}, {p.name: [] for p in programs}
    of_product, of_reading, products, readings = [], [], [], []
    multiply_adds = 12 * (4 * 768 * 768 + 2 * 768 * 3072)            # weights of the stack, used once a token
    attention = 12 * 2 * 768 * args.prefill * (args.prefill + 1) // 2  # q k^T and the weighted sum, causal
    flops = 2 * (multiply_adds * args.prefill + attention + 768 * 50257)
    for program in programs:
        program.ask(f"decode {args.decode} {args.prefill}")           # warm
    memory = ours.ask("memory")                                       # before the limits take memory of their own
    weight_bytes = memory["weight_bytes"]
    for _ in range(args.repeat):
        products.append(ours.ask("product")["gflops"])
        for program in programs:
            prefill[program.name].append(args.prefill / program.ask(f"prefill {args.prefill}")["seconds"])
        of_product.append(flops / args.prefill * prefill["cutaway"][-1] / 1e9 / products[-1])
        readings.append(ours.ask("read")["gb_per_s"])
        for program in programs:
            decode[program.name].append(args.decode / program.ask(f"decode {args.decode} {args.prefill}")["seconds"])
        of_reading.append(weight_bytes * decode["cutaway"][-1] / 1e9 / readings[-1])
    middle = statistics.median
    for name, rates in (("prefill", prefill), ("decode", decode)):
        print(f"  {name:8}" + "   ".join(f"{p} {middle(r):.1f} tok/s" for p, r in rates.items()))
    print(f"  prefill is {middle(of_product):.2f} of Eigen's product ({middle(products):.0f} GFLOP/s)")
    print(f"  decode is {middle(of_reading):.2f} of reading memory ({middle(readings):.1f} GB/s; "
          f"{weight_bytes / 1e6:.0f} MB of weights a token)")
    for tokens in (128, 512, 2048):
        times = [ours.ask(f"map {tokens}")["ms"] for _ in range(args.repeat if tokens < 2048 else 1)]
        print(f"  first map of 12 heads at {tokens} tokens: {middle(times):.1f} ms")
    held = memory["peak_bytes"], weight_bytes + memory["cache_bytes"]
    print(f"  memory: at most {held[0] / 1e6:.0f} MB, {held[0] / held[1]:.2f} of weights and cache")
    for program in programs:
        program.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="the built cutaway_bench")
    parser.add_argument("--python", default=os.environ.get("CUTAWAY_PEERS_PYTHON", sys.executable),
                        help="a Python with torch and onnxruntime")
    parser.add_argument("--peers", default="torch,onnx", help="'torch,onnx', one of them, or ''")
    parser.add_argument("--folder", default=os.path.join("build", "bench"), help="where make_models.py wrote")
    parser.add_argument("--models", default="gqa-q8_0,mla-q8_0,gqa-f32", help="of that folder, or ''")
    parser.add_argument("--only-models", action="store_true", help="leaves GPT-2's shape out")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    for threads in args.threads.split(","):
        if not args.only_models:
            measure(args, int(threads))
        if args.models:
            measure_files(args, int(threads))


if __name__ == "__main__":
    main()
