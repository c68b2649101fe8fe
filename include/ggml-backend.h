// Part of ikrs: the C interface of libikrs.so, source-compatible with the header of this name in ik_llama.cpp.
// Generated from the Rust source by `make generate`; not edited by hand.

#pragma once

#include "ggml.h"
#include "ggml-alloc.h"

// What buffers are for, numbered as `enum ggml_backend_buffer_usage`.
enum ggml_backend_buffer_usage {
    GGML_BACKEND_BUFFER_USAGE_ANY = 0,
    GGML_BACKEND_BUFFER_USAGE_WEIGHTS = 1,
    GGML_BACKEND_BUFFER_USAGE_COMPUTE = 2,
};

// Marks a point in a device's work.
struct ggml_backend_event;

// A scheduler over some backends; what C callers know as `ggml_backend_sched_t` points to one.
struct ggml_backend_sched;

typedef struct ggml_backend_sched *ggml_backend_sched_t;

typedef struct ggml_backend_event *ggml_backend_event_t;

typedef void *ggml_backend_graph_plan_t;

// A graph copied to another backend.
struct ggml_backend_graph_copy {
    ggml_backend_buffer_t buffer;
    struct ggml_context *ctx_allocated;
    struct ggml_context *ctx_unallocated;
    struct ggml_cgraph *graph;
};

// Compares a node's results on two backends; stops the comparison when it returns false.
typedef bool (*ggml_backend_eval_callback)(int node_index,
                                           struct ggml_tensor *t1,
                                           struct ggml_tensor *t2,
                                           void *user_data);

// Called for each tensor of a graph: first (`ask`) whether its value is wanted, then with the value; the answer false
// to the second call stops the computation.
typedef bool (*ggml_backend_sched_eval_callback)(struct ggml_tensor *t, bool ask, void *user_data);
