#!/usr/bin/env python3
"""Derives src/quant/codebooks/*.bin from the reference library.

Each entry of a codebook is read by decoding a block that points to it, and stored packed: for each coordinate the number of its
value among the values that the codebook has, lowest bits first, in little-endian words.

usage: codebooks.py path/to/libggml.so   (of the PyPI wheel ik-llama-cpp-python 0.1.5)
"""

import ctypes
import pathlib
import struct
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "src/quant/codebooks"
ONE = struct.pack("<e", 1.0)


class Traits(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("block", ctypes.c_int64),
        ("interleave", ctypes.c_int64),
        ("size", ctypes.c_size_t),
        ("quantized", ctypes.c_bool),
        ("to_float", ctypes.c_void_p),
        ("rest", ctypes.c_void_p * 10),
    ]


class InitParams(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool)]


lib = ctypes.CDLL(sys.argv[1])
lib.ggml_internal_get_type_traits.restype = Traits
lib.ggml_init.argtypes = [InitParams]
lib.ggml_init(InitParams(1024, None, False))


def decode(type_number, block):
    """The 256 floats of a block."""
    to_float = lib.ggml_internal_get_type_traits(type_number).to_float
    function = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.POINTER(ctypes.c_float), ctypes.c_int64)(to_float)
    out = (ctypes.c_float * 256)()
    function(bytes(block), out, 256)
    return list(out)


def codebook(name, values, width, bits, word, entries):
    """`entries` are lists of `width` numbers out of `values`."""
    data = b""
    for entry in entries:
        assert len(entry) == width
        packed = sum(values.index(v) << (bits * i) for i, v in enumerate(entry))
        data += struct.pack(word, packed)
    OUT.mkdir(exist_ok=True)
    (OUT / f"{name}.bin").write_bytes(data)
    print(f"{name}: {len(data)} bytes")


def iq2_xxs(i):
    return [v / 0.125 for v in decode(16, ONE + bytes([i] + [0] * 63))[:8]]


def iq2_xs(i):
    return [v / 0.125 for v in decode(17, ONE + struct.pack("<H", i) + bytes(70))[:8]]


def iq2_s(i):
    return [v / 0.125 for v in decode(22, ONE + bytes([i & 255]) + bytes(63) + bytes([i >> 8]) + bytes(15))[:8]]


def iq3_xxs(i):
    return [v / 0.25 for v in decode(18, ONE + bytes([i]) + bytes(95))[:4]]


def iq3_s(i):
    return decode(21, ONE + bytes([i & 255]) + bytes(63) + bytes([i >> 8]) + bytes(43))[:4]


def iq1_s(i):
    return [v - 0.125 for v in decode(19, ONE + bytes([i & 255]) + bytes(31) + struct.pack("<H", i >> 8) + bytes(14))[:8]]


TWO = [8, 25, 43]
codebook("iq2_xxs", TWO, 8, 2, "<H", map(iq2_xxs, range(256)))
codebook("iq2_xs", TWO, 8, 2, "<H", map(iq2_xs, range(512)))
codebook("iq2_s", TWO, 8, 2, "<H", map(iq2_s, range(1024)))
codebook("iq3_xxs", [4, 12, 20, 28, 36, 44, 52, 62], 4, 4, "<H", map(iq3_xxs, range(256)))
codebook("iq3_s", [1, 3, 5, 7, 9, 11, 13, 15], 4, 4, "<H", map(iq3_s, range(512)))
codebook("iq1_s", [-1, 0, 1], 8, 2, "<H", map(iq1_s, range(2048)))
