#!/usr/bin/env python3
"""Speed of libraries that take turns within one process, so that a machine's slow spells hit them alike.

usage: target/reference/venv/bin/python scripts/turns.py LIB LIB.. -- MODEL.gguf..

LIB is the path of a libikrs.so (absolute; copies of one file are loaded once) or `wheel`. For each model: the median tokens/s of
generation and of prompts, and in brackets how many times as fast the first library is. IKRS_CPU holds all of ikrs to a level. Also from
the environment: TURNS (12), TOKENS generated in a turn (24), PROMPT (512), PROMPTS (0: only one, whose figure says little), THREADS (2), CACHE (a
ggml type), THP (1: weights in huge pages).
"""
import ctypes
import importlib
import os
import random
import statistics
import sys
import time


def setting(name, default):
    return int(os.environ.get(name, default))


def load(lib):
    """The published binding on this library; each has a copy of the module."""
    os.environ.pop("IK_LLAMA_CPP_LIB_PATH", None)
    if lib != "wheel":
        os.environ["IK_LLAMA_CPP_LIB_PATH"] = lib
    for name in [name for name in sys.modules if name.startswith("ik_llama_cpp")]:
        del sys.modules[name]
    api = importlib.import_module("ik_llama_cpp._ctypes_api")
    api.llama_backend_init()
    return api


class Side:
    def __init__(self, api, path):
        self.api = api
        self.prompt_tokens, self.generated = setting("PROMPT", 512), setting("TOKENS", 24)
        p = api.llama_model_default_params()
        p.n_gpu_layers, p.use_thp = 0, bool(setting("THP", 0))
        self.model = api.llama_model_load_from_file(path.encode(), p)
        p = api.llama_context_default_params()
        p.n_ctx = p.n_batch = self.prompt_tokens + self.generated + 8
        p.n_ubatch, p.flash_attn = 512, True
        p.n_threads = p.n_threads_batch = setting("THREADS", 2)
        if "CACHE" in os.environ:
            p.type_k = p.type_v = setting("CACHE", 1)
        self.context = api.llama_init_from_model(self.model, p)
        self.tokens = random.Random(1).choices(range(1000, 30000), k=self.prompt_tokens)
        self.prompts, self.generations = [], []

    def decode(self, tokens, at):
        """Seconds."""
        api = self.api
        batch = api.llama_batch_init(len(tokens), 0, 1)
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0] = token, at + i, 1, 0
            batch.logits[i] = i == len(tokens) - 1
        begin = time.perf_counter()
        if api.llama_decode(self.context, batch):
            sys.exit("llama_decode fails")
        api.llama_get_logits_ith(self.context, -1)
        seconds = time.perf_counter() - begin
        api.llama_batch_free(batch)
        return seconds

    def prompt(self):
        self.api.llama_kv_cache_clear(self.context)
        self.prompts.append(self.prompt_tokens / self.decode(self.tokens, 0))

    def generate(self):
        at = self.prompt_tokens
        self.api._lib.llama_kv_cache_seq_rm(ctypes.c_void_p(self.context), 0, at, -1)
        # The first token finds caches that the other library has used.
        self.decode(self.tokens[:1], at)
        n = self.generated - 1
        seconds = sum(self.decode([self.tokens[k % at]], at + 1 + k) for k in range(n))
        self.generations.append(n / seconds)

    def free(self):
        self.api._lib.llama_free(ctypes.c_void_p(self.context))
        self.api._lib.llama_free_model(ctypes.c_void_p(self.model))


def figures(sides, of):
    medians = [statistics.median(of(side)) for side in sides]
    return " ".join(f"{m:.1f}" + (f" ({medians[0] / m:.3f})" if i else "") for i, m in enumerate(medians))


if "--" not in sys.argv:
    sys.exit(__doc__)
cut = sys.argv.index("--")
apis = [load(lib) for lib in sys.argv[1:cut]]
for path in sys.argv[cut + 1:]:
    sides = [Side(api, path) for api in apis]
    for side in sides:
        side.prompt()
        side.generate()
        side.prompts, side.generations = [], []
        side.prompt()
    for _ in range(setting("TURNS", 12)):
        for side in sides:
            side.generate()
        if setting("PROMPTS", 1):
            for side in sides:
                side.prompt()
    print(os.path.basename(path), "generation", figures(sides, lambda s: s.generations),
          "prompt", figures(sides, lambda s: s.prompts), flush=True)
    for side in sides:
        side.free()
