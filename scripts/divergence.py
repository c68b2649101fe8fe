#!/usr/bin/env python3
"""How far files of a model diverge from one of them: KL(BASE || MODEL), mean over tokens, and perplexity over BASE's.

Run by the reference's Python, whose binding takes the library that IK_LLAMA_CPP_LIB_PATH names (the wheel's own without it).
The text is that of TEXT, or Python's help from character 200000 on, which the importance matrix has not seen.

usage: [TEXT=FILE] [THREADS=2] divergence.py CHUNKS BASE MODEL...
"""
import os, pydoc_data.topics, sys
import numpy as np
import ik_llama_cpp._ctypes_api as C

CTX, FROM = 512, 256
chunks, paths = int(sys.argv[1]), sys.argv[2:]
C.llama_backend_init()
models, contexts = [], []
for path in paths:
    mp = C.llama_model_default_params(); mp.n_gpu_layers = 0
    models.append(C.llama_model_load_from_file(path.encode(), mp))
    p = C.llama_context_default_params()
    p.n_ctx = p.n_batch = p.n_ubatch = CTX
    p.n_threads = p.n_threads_batch = int(os.environ.get("THREADS", "2")); p.flash_attn = True
    contexts.append(C.llama_init_from_model(models[-1], p))
vocab = C.llama_vocab_n_tokens(C.llama_model_get_vocab(models[0]))
text = os.environ.get("TEXT")
raw = open(text, "rb").read() if text else "\n\n".join(pydoc_data.topics.topics.values())[200000:].encode()
n = -C.llama_tokenize(models[0], raw, len(raw), None, 0, True, False)
tokens = (C.llama_token * n)()
tokens = list(tokens[:C.llama_tokenize(models[0], raw, len(raw), tokens, n, True, False)])


def log_probabilities(ctx, chunk):
    C.llama_kv_cache_clear(ctx)
    b = C.llama_batch_init(CTX, 0, 1); b.n_tokens = CTX
    for i, token in enumerate(chunk):
        b.token[i], b.pos[i], b.n_seq_id[i], b.seq_id[i][0], b.logits[i] = token, i, 1, 0, i >= FROM
    assert C.llama_decode(ctx, b) == 0
    C.llama_batch_free(b)
    rows = range(FROM, CTX - 1, 2)
    x = np.stack([np.ctypeslib.as_array(C.llama_get_logits_ith(ctx, i), shape=(vocab,)) for i in rows])
    x -= x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


divergences, losses = [[] for _ in paths], [[] for _ in paths]
for c in range(min(chunks, len(tokens) // CTX)):
    chunk = tokens[c * CTX:(c + 1) * CTX]
    expected = chunk[FROM + 1::2]
    for k, ctx in enumerate(contexts):
        logs = log_probabilities(ctx, chunk)
        if k == 0: base = logs
        divergences[k].append((np.exp(base) * (base - logs)).sum(1))
        losses[k].append(-logs[np.arange(len(expected)), expected])
for k, path in enumerate(paths[1:], 1):
    d = np.concatenate(divergences[k]); more = np.concatenate(losses[k]) - np.concatenate(losses[0])
    e = len(d) ** 0.5
    print(f"{os.path.basename(path):30s} divergence {d.mean():.6f} +- {d.std() / e:.6f}  perplexity {np.exp(more.mean()):.4f} x +- {more.std() / e:.4f}")
