"""Trains one sibling.

    OMP_NUM_THREADS=1 python train.py mini-gpt WORKDIR --tokens 12e6 --minutes 60

The learning rate follows a cosine over the token budget; --minutes is a guard: where the clock is ahead of the tokens,
the cosine follows the clock, so that a slow machine still ends with a finished model. Every few minutes the state
goes to WORKDIR/<kind>.ckpt, and a second call resumes there. WORKDIR/<kind>.log has one line per 20 steps.
"""
import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch

import batches
import models
import optimiser
import parallel


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("kind", choices=models.KINDS)
    ap.add_argument("workdir", type=Path)
    ap.add_argument("--tokens", type=float, default=12e6)
    ap.add_argument("--minutes", type=float, default=1e9)
    ap.add_argument("--stop", type=float, default=1e9, help="stop after so many minutes, whatever the schedule (for trials)")
    ap.add_argument("--batch-tokens", type=int, default=4096)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--muon-lr", type=float, default=6e-3, help="the matrices inside the blocks; the rest takes --lr")
    ap.add_argument("--warmup", type=int, default=100)
    ap.add_argument("--adamw", action="store_true", help="AdamW for all parameters")
    ap.add_argument("--name", help="name of checkpoint and log, if not the kind's")
    ap.add_argument("--seed", type=int, default=1)
    args = ap.parse_args()
    kind, name = args.kind, args.name or args.kind
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)

    model = models.new_model(kind).to(device).train()
    opts = optimiser.optimisers(model, args.lr, None if args.adamw else args.muon_lr)
    train = (parallel.Verses if kind == "mini-transformer" else batches.Streams)(args.workdir, "train")
    ckpt, log = args.workdir / f"{name}.ckpt", open(args.workdir / f"{name}.log", "a", buffering=1)
    step, seen, seconds = 0, 0, 0.0
    if ckpt.exists():
        state = torch.load(ckpt, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        for o, s in zip(opts, state["opts"]):
            o.load_state_dict(s)
        step, seen, seconds = state["step"], state["tokens"], state["seconds"]
        print(f"resumed at step {step}", file=log)

    def save():
        torch.save({"model": model.state_dict(), "opts": [o.state_dict() for o in opts], "step": step, "tokens": seen,
                    "seconds": seconds, "args": {k: str(v) for k, v in vars(args).items() if k != "workdir"}}, ckpt)

    started, saved, mean = time.time() - seconds, time.time(), None
    while True:
        seconds = time.time() - started
        progress = max(seen / args.tokens, seconds / 60 / args.minutes)
        if progress >= 1 or seconds / 60 > args.stop:
            break
        lr = args.lr * min(1, (step + 1) / args.warmup) * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)
        for o in opts:
            for group in o.param_groups:
                group["lr"] = lr * group.get("scale", 1)
        rng = np.random.default_rng([args.seed, step])           # a step's data depend on its number alone
        batch = train.batch(rng, kind, args.batch_tokens, progress)
        batch = {k: v.to(device) if torch.is_tensor(v) else v for k, v in batch.items()}
        with torch.autocast(device, torch.bfloat16):
            loss = models.loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for o in opts:
            o.step()
            o.zero_grad()
        step, seen = step + 1, seen + batch["tokens"]
        mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
        if step % 20 == 0:
            print(f"step {step} tokens {seen} minutes {seconds / 60:.2f} lr {lr:.2e} loss {mean:.4f}", file=log)
        if time.time() - saved > 180:
            save()
            saved = time.time()
    save()
    print(f"done: step {step} tokens {seen} minutes {seconds / 60:.2f} loss {mean:.4f}", file=log)


if __name__ == "__main__":
    main()
