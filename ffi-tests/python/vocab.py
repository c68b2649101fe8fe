"""vocab.py FOLDER: every published vocabulary with texts (.inp) and tokens (.out) in the folder that is BPE or SPM, through the
library that IK_LLAMA_CPP_LIB_PATH names. Prints one JSON object: per vocabulary the texts, which tokenize to other tokens than
the published ones, and what each is after detokenizing."""
import ctypes
import json
import pathlib
import sys

import gguf
import ik_llama_cpp._ctypes_api as C

C.llama_backend_init()
C._lib.llama_detokenize.argtypes = [ctypes.c_void_p, ctypes.POINTER(C.llama_token), ctypes.c_int32, ctypes.c_char_p,
                                    ctypes.c_int32, ctypes.c_bool, ctypes.c_bool]
C._lib.llama_detokenize.restype = ctypes.c_int32
out = {}
for file in sorted(pathlib.Path(sys.argv[1]).glob("*.gguf")):
    if gguf.GGUFReader(file).fields["tokenizer.ggml.model"].contents() not in ("gpt2", "llama"):
        continue  # neither BPE nor SPM
    params = C.llama_model_default_params()
    params.vocab_only = True
    model = C.llama_model_load_from_file(str(file).encode(), params)
    if not model:
        sys.exit(f"cannot load {file}")
    vocab = C.llama_model_get_vocab(model)
    texts = file.with_name(file.name + ".inp").read_text(encoding="utf-8").split("\n__ggml_vocab_test__\n")
    wanted = file.with_name(file.name + ".out").read_text().split("\n")
    mismatches, back = [], []
    for text, ids in zip(texts, wanted):
        raw = text.encode()
        buf = (C.llama_token * (len(raw) + 8))()
        n = C.llama_tokenize(model, raw, len(raw), buf, len(buf), False, False)
        if list(buf[:n]) != [int(i) for i in ids.split()]:
            mismatches.append(text)
        chars = ctypes.create_string_buffer(4 * len(raw) + 64)
        n = C._lib.llama_detokenize(vocab, buf, n, chars, len(chars), False, False)
        back.append(chars.raw[:max(n, 0)].decode("utf-8", "replace"))
    C.llama_free_model(model)
    out[file.stem] = {"texts": texts, "mismatches": mismatches, "back": back}
print(json.dumps(out))
