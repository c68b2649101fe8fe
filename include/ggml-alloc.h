// Part of ikrs: the C interface of libikrs.so, source-compatible with the header of this name in ik_llama.cpp.
// Generated from the Rust source by `make generate`; not edited by hand.

#pragma once

#include "ggml.h"

// A graph allocator with one buffer for each of some buffer types.
struct ggml_gallocr;

typedef struct ggml_backend_buffer *ggml_backend_buffer_t;

// Places tensors in a buffer one after the other; laid out as `struct ggml_tallocr`, which C callers hold by value.
struct ggml_tallocr {
    ggml_backend_buffer_t buffer;
    void *base;
    size_t alignment;
    size_t offset;
};

typedef struct ggml_gallocr *ggml_gallocr_t;

typedef struct ggml_backend_buffer_type *ggml_backend_buffer_type_t;

typedef struct ggml_backend *ggml_backend_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Begins to fill a buffer with tensors.
GGML_API struct ggml_tallocr ggml_tallocr_new(ggml_backend_buffer_t buffer);

// Places the next tensor. If there is no room, the tensor stays as it is, and a line is logged.
GGML_API void ggml_tallocr_alloc(struct ggml_tallocr *talloc, struct ggml_tensor *tensor);

// An allocator of graphs over one buffer.
GGML_API ggml_gallocr_t ggml_gallocr_new(ggml_backend_buffer_type_t buft);

// An allocator of graphs over several buffers.
GGML_API ggml_gallocr_t ggml_gallocr_new_n(ggml_backend_buffer_type_t *bufts, int n_bufs);

// Frees an allocator and its buffers; tensors of its graphs must not be used any more.
GGML_API void ggml_gallocr_free(ggml_gallocr_t galloc);

// Makes the buffers large enough for a graph; changes no tensor.
GGML_API bool ggml_gallocr_reserve(ggml_gallocr_t galloc, struct ggml_cgraph *graph);

// As `ggml_gallocr_reserve` with the number of the buffer for each node and leaf; null for all in the first.
GGML_API
bool ggml_gallocr_reserve_n(ggml_gallocr_t galloc,
                            struct ggml_cgraph *graph,
                            const int *node_buffer_ids,
                            const int *leaf_buffer_ids);

// Places all tensors of a graph that have no memory, enlarging a single buffer if need be. `false` if there is no memory, or if there
// are several buffers and the graph is not like the one reserved for.
GGML_API
bool ggml_gallocr_alloc_graph(ggml_gallocr_t galloc,
                              struct ggml_cgraph *graph);

// Bytes of a buffer of the allocator.
GGML_API size_t ggml_gallocr_get_buffer_size(ggml_gallocr_t galloc, int buffer_id);

// Makes a buffer for all tensors of a context that have no memory. Null if there is none or no memory for it.
GGML_API
struct ggml_backend_buffer *ggml_backend_alloc_ctx_tensors_from_buft(struct ggml_context *ctx,
                                                                      ggml_backend_buffer_type_t buft);

// As `ggml_backend_alloc_ctx_tensors_from_buft` in the memory that a backend prefers.
GGML_API struct ggml_backend_buffer *ggml_backend_alloc_ctx_tensors(struct ggml_context *ctx, ggml_backend_t backend);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
