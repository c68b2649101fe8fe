#!/usr/bin/env python3
"""gguf.py LIBIKRS.so MODEL.gguf: what is in a model file, read through the C interface with nothing but Python's ctypes.

ctypes opens the library and calls its functions; we only have to say what they take and return. Pointers to structs that we
never look into are c_void_p.
"""
import ctypes as c
import sys
from collections import Counter

lib = c.CDLL(sys.argv[1])


class InitParams(c.Structure):
    """struct gguf_init_params: whether to leave out the tensors' data, and where to put a ggml_context with them (or null)."""
    _fields_ = [("no_alloc", c.c_bool), ("ctx", c.c_void_p)]


def function(name, result, *arguments):
    f = getattr(lib, name)
    f.restype, f.argtypes = result, arguments
    return f


open_file = function("gguf_init_from_file", c.c_void_p, c.c_char_p, InitParams)
close_file = function("gguf_free", None, c.c_void_p)
n_kv = function("gguf_get_n_kv", c.c_int, c.c_void_p)
key = function("gguf_get_key", c.c_char_p, c.c_void_p, c.c_int)
kv_type = function("gguf_get_kv_type", c.c_int, c.c_void_p, c.c_int)
array_length = function("gguf_get_arr_n", c.c_int, c.c_void_p, c.c_int)
n_tensors = function("gguf_get_n_tensors", c.c_int, c.c_void_p)
tensor_name = function("gguf_get_tensor_name", c.c_char_p, c.c_void_p, c.c_int)
tensor_type = function("gguf_get_tensor_type", c.c_int, c.c_void_p, c.c_int)
type_name = function("ggml_type_name", c.c_char_p, c.c_int)

# A value is read by the function for its type: the numbers of enum gguf_type in ggml.h.
READERS = {
    4: function("gguf_get_val_u32", c.c_uint32, c.c_void_p, c.c_int),
    5: function("gguf_get_val_i32", c.c_int32, c.c_void_p, c.c_int),
    6: function("gguf_get_val_f32", c.c_float, c.c_void_p, c.c_int),
    7: function("gguf_get_val_bool", c.c_bool, c.c_void_p, c.c_int),
    8: function("gguf_get_val_str", c.c_char_p, c.c_void_p, c.c_int),
}
ARRAY = 9

file = open_file(sys.argv[2].encode(), InitParams(no_alloc=True, ctx=None))
if not file:
    sys.exit("cannot read " + sys.argv[2])

for i in range(n_kv(file)):
    kind = kv_type(file, i)
    if kind == ARRAY:
        value = f"array of {array_length(file, i)}"
    elif kind in READERS:
        value = READERS[kind](file, i)
        value = repr(value.decode()[:70]) if isinstance(value, bytes) else value
    else:
        value = "..."
    print(f"{key(file, i).decode():45} {value}")

types = Counter(type_name(tensor_type(file, i)).decode() for i in range(n_tensors(file)))
print(f"{n_tensors(file)} tensors, the first is {tensor_name(file, 0).decode()}:", dict(types))
close_file(file)
