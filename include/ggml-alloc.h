// Part of ikrs: the C interface of libikrs.so, source-compatible with the header of this name in ik_llama.cpp.
// Generated from the Rust source by `make generate`; not edited by hand.

#pragma once

#include "ggml.h"

// A graph allocator with one buffer for each of some buffer types.
struct ggml_gallocr;

typedef struct ggml_backend *ggml_backend_t;

typedef struct ggml_backend_buffer *ggml_backend_buffer_t;

typedef struct ggml_backend_buffer_type *ggml_backend_buffer_type_t;

typedef struct ggml_gallocr *ggml_gallocr_t;

// Places tensors in a buffer one after the other; laid out as `struct ggml_tallocr`, which C callers hold by value.
struct ggml_tallocr {
    ggml_backend_buffer_t buffer;
    void *base;
    size_t alignment;
    size_t offset;
};
