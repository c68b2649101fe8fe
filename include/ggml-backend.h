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

typedef void *ggml_backend_graph_plan_t;

typedef struct ggml_backend_event *ggml_backend_event_t;

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

typedef struct ggml_backend_sched *ggml_backend_sched_t;

// Called for each tensor of a graph: first (`ask`) whether its value is wanted, then with the value; the answer false
// to the second call stops the computation.
typedef bool (*ggml_backend_sched_eval_callback)(struct ggml_tensor *t, bool ask, void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

GGML_API const char *ggml_backend_buft_name(ggml_backend_buffer_type_t buft);

// A buffer of `size` bytes; null if there is no memory.
GGML_API ggml_backend_buffer_t ggml_backend_buft_alloc_buffer(ggml_backend_buffer_type_t buft, size_t size);

// What the addresses of tensors are multiples of.
GGML_API size_t ggml_backend_buft_get_alignment(ggml_backend_buffer_type_t buft);

// Most bytes of one buffer.
GGML_API size_t ggml_backend_buft_get_max_size(ggml_backend_buffer_type_t buft);

// Bytes that a tensor takes in a buffer.
GGML_API size_t ggml_backend_buft_get_alloc_size(ggml_backend_buffer_type_t buft, const struct ggml_tensor *tensor);

// Whether the CPU can use the memory.
GGML_API bool ggml_backend_buft_is_host(ggml_backend_buffer_type_t buft);

GGML_API const char *ggml_backend_buffer_name(ggml_backend_buffer_t buffer);

// Frees a buffer; tensors in it must not be used any more.
GGML_API void ggml_backend_buffer_free(ggml_backend_buffer_t buffer);

// The address that its tensors' addresses count from.
GGML_API void *ggml_backend_buffer_get_base(ggml_backend_buffer_t buffer);

GGML_API size_t ggml_backend_buffer_get_size(ggml_backend_buffer_t buffer);

// Prepares a tensor that was placed in the buffer by its fields.
GGML_API void ggml_backend_buffer_init_tensor(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor);

GGML_API size_t ggml_backend_buffer_get_alignment(ggml_backend_buffer_t buffer);

GGML_API size_t ggml_backend_buffer_get_max_size(ggml_backend_buffer_t buffer);

GGML_API size_t ggml_backend_buffer_get_alloc_size(ggml_backend_buffer_t buffer, const struct ggml_tensor *tensor);

// Sets every byte.
GGML_API void ggml_backend_buffer_clear(ggml_backend_buffer_t buffer, uint8_t value);

GGML_API bool ggml_backend_buffer_is_host(ggml_backend_buffer_t buffer);

// Says what a buffer is for: operators prefer to run where their weights are.
GGML_API void ggml_backend_buffer_set_usage(ggml_backend_buffer_t buffer, enum ggml_backend_buffer_usage usage);

GGML_API enum ggml_backend_buffer_usage ggml_backend_buffer_get_usage(ggml_backend_buffer_t buffer);

GGML_API ggml_backend_buffer_type_t ggml_backend_buffer_get_type(ggml_backend_buffer_t buffer);

// Forgets what was kept for its tensors.
GGML_API void ggml_backend_buffer_reset(ggml_backend_buffer_t buffer);

// The kind of backend; null for null.
GGML_API ggml_guid_t ggml_backend_guid(ggml_backend_t backend);

GGML_API const char *ggml_backend_name(ggml_backend_t backend);

GGML_API void ggml_backend_free(ggml_backend_t backend);

// The memory it prefers.
GGML_API ggml_backend_buffer_type_t ggml_backend_get_default_buffer_type(ggml_backend_t backend);

// A buffer of `size` bytes in the memory it prefers.
GGML_API ggml_backend_buffer_t ggml_backend_alloc_buffer(ggml_backend_t backend, size_t size);

GGML_API size_t ggml_backend_get_alignment(ggml_backend_t backend);

GGML_API size_t ggml_backend_get_max_size(ggml_backend_t backend);

// As `ggml_backend_tensor_set`, after the work begun on the backend.
GGML_API
void ggml_backend_tensor_set_async(ggml_backend_t backend,
                                   struct ggml_tensor *tensor,
                                   const void *data,
                                   size_t offset,
                                   size_t size);

// As `ggml_backend_tensor_get`, after the work begun on the backend.
GGML_API
void ggml_backend_tensor_get_async(ggml_backend_t backend,
                                   const struct ggml_tensor *tensor,
                                   void *data,
                                   size_t offset,
                                   size_t size);

// Writes `size` bytes into a tensor's data from `offset` on. Outside of it nothing is written, and a line is logged.
GGML_API void ggml_backend_tensor_set(struct ggml_tensor *tensor, const void *data, size_t offset, size_t size);

// Reads `size` bytes of a tensor's data from `offset` on. Outside of it nothing is read, and a line is logged.
GGML_API void ggml_backend_tensor_get(const struct ggml_tensor *tensor, void *data, size_t offset, size_t size);

// Waits for the work begun.
GGML_API void ggml_backend_synchronize(ggml_backend_t backend);

// Keeps the nodes of a graph, to compute them often.
GGML_API ggml_backend_graph_plan_t ggml_backend_graph_plan_create(ggml_backend_t backend, struct ggml_cgraph *cgraph);

GGML_API void ggml_backend_graph_plan_free(ggml_backend_t backend, ggml_backend_graph_plan_t plan);

GGML_API enum ggml_status ggml_backend_graph_plan_compute(ggml_backend_t backend, ggml_backend_graph_plan_t plan);

// Computes a graph.
GGML_API enum ggml_status ggml_backend_graph_compute(ggml_backend_t backend, struct ggml_cgraph *cgraph);

// Begins to compute a graph.
GGML_API enum ggml_status ggml_backend_graph_compute_async(ggml_backend_t backend, struct ggml_cgraph *cgraph);

// Whether the backend can compute a node.
GGML_API bool ggml_backend_supports_op(ggml_backend_t backend, const struct ggml_tensor *op);

// Whether the backend can use tensors in such memory.
GGML_API bool ggml_backend_supports_buft(ggml_backend_t backend, ggml_backend_buffer_type_t buft);

// Whether the backend wants to compute a node although its weights are in host memory.
GGML_API bool ggml_backend_offload_op(ggml_backend_t backend, const struct ggml_tensor *op);

// Copies the data of a tensor to another of the same layout, wherever they are.
GGML_API void ggml_backend_tensor_copy(struct ggml_tensor *src, struct ggml_tensor *dst);

// As `ggml_backend_tensor_copy`, after the work begun on both backends.
GGML_API
void ggml_backend_tensor_copy_async(ggml_backend_t backend_src,
                                    ggml_backend_t backend_dst,
                                    struct ggml_tensor *src,
                                    struct ggml_tensor *dst);

// A mark in the work of a backend; null if the backend has none.
GGML_API ggml_backend_event_t ggml_backend_event_new(ggml_backend_t backend);

// Frees an event; null is ignored.
GGML_API void ggml_backend_event_free(ggml_backend_event_t event);

// Marks the work begun so far; null is ignored.
GGML_API void ggml_backend_event_record(ggml_backend_event_t event);

// Waits for the mark; null is ignored.
GGML_API void ggml_backend_event_synchronize(ggml_backend_event_t event);

// Lets a backend wait for a mark in the work of another; null is ignored.
GGML_API void ggml_backend_event_wait(ggml_backend_t backend, ggml_backend_event_t event);

// A CPU backend.
GGML_API ggml_backend_t ggml_backend_cpu_init(void);

GGML_API bool ggml_backend_is_cpu(ggml_backend_t backend);

GGML_API void ggml_backend_cpu_set_n_threads(ggml_backend_t backend_cpu, int n_threads);

// Called between nodes, unless null; stops the computation when it returns true.
GGML_API
void ggml_backend_cpu_set_abort_callback(ggml_backend_t backend_cpu,
                                         ggml_abort_callback abort_callback,
                                         void *abort_callback_data);

// A buffer over memory that stays the caller's.
GGML_API ggml_backend_buffer_t ggml_backend_cpu_buffer_from_ptr(void *ptr, size_t size);

// Host memory.
GGML_API ggml_backend_buffer_type_t ggml_backend_cpu_buffer_type(void);

// Places a tensor at an address in a buffer.
GGML_API void ggml_backend_tensor_alloc(ggml_backend_buffer_t buffer, struct ggml_tensor *tensor, void *addr);

// Gives a view the buffer and address of what it views.
GGML_API void ggml_backend_view_init(struct ggml_tensor *tensor);

// Copies a graph with all its tensors and their data to another backend. All fields are null if that fails.
GGML_API struct ggml_backend_graph_copy ggml_backend_graph_copy(ggml_backend_t backend, struct ggml_cgraph *graph);

// Frees a copy of a graph.
GGML_API void ggml_backend_graph_copy_free(struct ggml_backend_graph_copy copy);

// Computes a graph node by node on two backends, and calls back with both results of each until that returns false.
GGML_API
bool ggml_backend_compare_graph_backend(ggml_backend_t backend1,
                                        ggml_backend_t backend2,
                                        struct ggml_cgraph *graph,
                                        ggml_backend_eval_callback callback,
                                        void *user_data);

// How many kinds of backends there are.
GGML_API size_t ggml_backend_reg_get_count(void);

// The number of the backend with this name, in upper or lower case; `SIZE_MAX` if there is none.
GGML_API size_t ggml_backend_reg_find_by_name(const char *name);

// Opens a backend by `name` or `name:parameters`.
GGML_API ggml_backend_t ggml_backend_reg_init_backend_from_str(const char *backend_str);

// The name of the `i`-th backend; null if there is none.
GGML_API const char *ggml_backend_reg_get_name(size_t i);

// Opens the `i`-th backend; the meaning of `params` is its own.
GGML_API ggml_backend_t ggml_backend_reg_init_backend(size_t i, const char *params);

// The memory that the `i`-th backend prefers.
GGML_API ggml_backend_buffer_type_t ggml_backend_reg_get_default_buffer_type(size_t i);

// A buffer of `size` bytes in the memory that the `i`-th backend prefers.
GGML_API ggml_backend_buffer_t ggml_backend_reg_alloc_buffer(size_t i, size_t size);

// A scheduler over backends in order of preference, the last of them the CPU. `bufts` are the memories for their intermediate
// results, null for those they prefer. Null if that does not fit together.
GGML_API
ggml_backend_sched_t ggml_backend_sched_new(ggml_backend_t *backends,
                                            ggml_backend_buffer_type_t *bufts,
                                            int n_backends,
                                            size_t graph_size,
                                            bool parallel);

// Frees a scheduler and its buffers; tensors of its last graph must not be used any more.
GGML_API void ggml_backend_sched_free(ggml_backend_sched_t sched);

// Makes the buffers large enough for a graph; `false` if there is no memory.
GGML_API bool ggml_backend_sched_reserve(ggml_backend_sched_t sched, struct ggml_cgraph *measure_graph);

// Gives the tensors of a graph their memory, so that inputs can be set; `false` if there is none.
GGML_API bool ggml_backend_sched_alloc_graph(ggml_backend_sched_t sched, struct ggml_cgraph *graph);

// Computes a graph, allocating it first if need be.
GGML_API enum ggml_status ggml_backend_sched_graph_compute(ggml_backend_sched_t sched, struct ggml_cgraph *graph);

// Begins to compute a graph, allocating it first if need be.
GGML_API
enum ggml_status ggml_backend_sched_graph_compute_async(ggml_backend_sched_t sched,
                                                         struct ggml_cgraph *graph);

// Waits for the work begun.
GGML_API void ggml_backend_sched_synchronize(ggml_backend_sched_t sched);

// Forgets the graph at hand, and where its tensors were to be computed.
GGML_API void ggml_backend_sched_reset(ggml_backend_sched_t sched);

// Asks about each node whether the user wants to see it (`ask`), and shows those when they are computed; showing ends the computation
// when the callback returns false.
GGML_API
void ggml_backend_sched_set_eval_callback(ggml_backend_sched_t sched,
                                          ggml_backend_sched_eval_callback callback,
                                          void *user_data);

GGML_API int ggml_backend_sched_get_n_backends(ggml_backend_sched_t sched);

// The `i`-th backend, or null.
GGML_API ggml_backend_t ggml_backend_sched_get_backend(ggml_backend_sched_t sched, int i);

// The number of the first backend that can use a buffer; -1 if none can.
GGML_API int ggml_backend_sched_get_backend_idx(ggml_backend_sched_t sched, ggml_backend_buffer_t buffer);

// How many parts the last graph had.
GGML_API int ggml_backend_sched_get_n_splits(ggml_backend_sched_t sched);

// How many copies of inputs are kept.
GGML_API int ggml_backend_sched_get_n_copies(ggml_backend_sched_t sched);

// Bytes of the buffer for intermediate results on a backend.
GGML_API size_t ggml_backend_sched_get_buffer_size(ggml_backend_sched_t sched, ggml_backend_t backend);

// Wants a node to be computed by a backend, until the next reset.
GGML_API
void ggml_backend_sched_set_tensor_backend(ggml_backend_sched_t sched,
                                           struct ggml_tensor *node,
                                           ggml_backend_t backend);

// The backend that computes a tensor of the last graph, or null.
GGML_API ggml_backend_t ggml_backend_sched_get_tensor_backend(ggml_backend_sched_t sched, struct ggml_tensor *node);

// Whether nodes of an operator may be computed away from their weights; a number that is no operator stands for all.
GGML_API void ggml_backend_sched_set_op_offload(ggml_backend_sched_t sched, enum ggml_op op, bool on_or_off);

// Whether only the experts in use are sent to devices that compute away from their weights. The CPU never does.
GGML_API void ggml_backend_sched_set_only_active_experts(ggml_backend_sched_t sched, bool on_or_off);

// Whether several devices with memory of their own compute parts of the same operators. The CPU is one device.
GGML_API void ggml_backend_sched_set_split_mode_graph(ggml_backend_sched_t sched, bool on_or_off, bool async_);

// Mebibytes beside the compute buffers for inputs of several devices with memory of their own. The CPU needs none.
GGML_API void ggml_backend_sched_set_max_extra_alloc(ggml_backend_sched_t sched, int extra_alloc_MiB);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus
