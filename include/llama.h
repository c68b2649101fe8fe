// Part of ikrs: the C interface of libikrs.so, source-compatible with the header of this name in ik_llama.cpp.
// Generated from the Rust source by `make generate`; not edited by hand.

#pragma once

#include "ggml.h"
#include "ggml-backend.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef LLAMA_SHARED
#    define LLAMA_API __attribute__((visibility("default")))
#else
#    define LLAMA_API
#endif

#ifdef __GNUC__
#    define DEPRECATED(func, hint) func __attribute__((deprecated(hint)))
#else
#    define DEPRECATED(func, hint) func
#endif

#define LLAMA_DEFAULT_SEED 0xFFFFFFFF
#define LLAMA_TOKEN_NULL   -1

#define LLAMA_FILE_MAGIC_GGLA 0x67676c61u
#define LLAMA_FILE_MAGIC_GGSN 0x6767736eu
#define LLAMA_FILE_MAGIC_GGSQ 0x67677371u

#define LLAMA_SESSION_MAGIC   LLAMA_FILE_MAGIC_GGSN
#define LLAMA_SESSION_VERSION 9

#define LLAMA_STATE_SEQ_MAGIC   LLAMA_FILE_MAGIC_GGSQ
#define LLAMA_STATE_SEQ_VERSION 3

#define LLAMA_SERVER_MAGIC   0x6c6d7376u
#define LLAMA_SERVER_VERSION 1

// A state of llama_state_seq_* without what a recurrent model can recompute.
#define LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY 1

struct llama_sampler;

// How a model is split over several devices (`enum llama_split_mode`).
enum llama_split_mode {
    LLAMA_SPLIT_MODE_NONE = 0,
    LLAMA_SPLIT_MODE_LAYER = 1,
    LLAMA_SPLIT_MODE_ATTN = 2,
    LLAMA_SPLIT_MODE_GRAPH = 3,
};

// How positions beyond the training context are squeezed (`enum llama_rope_scaling_type`).
enum llama_rope_scaling_type {
    LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED = -1,
    LLAMA_ROPE_SCALING_TYPE_NONE = 0,
    LLAMA_ROPE_SCALING_TYPE_LINEAR = 1,
    LLAMA_ROPE_SCALING_TYPE_YARN = 2,
    LLAMA_ROPE_SCALING_TYPE_LONGROPE = 3,
    LLAMA_ROPE_SCALING_TYPE_MAX_VALUE = 3,
};

// How the embeddings of a sequence become one (`enum llama_pooling_type`).
enum llama_pooling_type {
    LLAMA_POOLING_TYPE_UNSPECIFIED = -1,
    LLAMA_POOLING_TYPE_NONE = 0,
    LLAMA_POOLING_TYPE_MEAN = 1,
    LLAMA_POOLING_TYPE_CLS = 2,
    LLAMA_POOLING_TYPE_LAST = 3,
};

// Whether a token attends to later ones (`enum llama_attention_type`).
enum llama_attention_type {
    LLAMA_ATTENTION_TYPE_UNSPECIFIED = -1,
    LLAMA_ATTENTION_TYPE_CAUSAL = 0,
    LLAMA_ATTENTION_TYPE_NON_CAUSAL = 1,
};

// What a context does with the layers that predict further tokens (`enum llama_mtp_op_type`).
enum llama_mtp_op_type {
    MTP_OP_NONE = 0,
    MTP_OP_WARMUP = 1,
    MTP_OP_UPDATE_ACCEPTED = 2,
    MTP_OP_DRAFT_GEN = 3,
};

// File types, numbered as `enum llama_ftype`.
enum llama_ftype {
    LLAMA_FTYPE_ALL_F32 = 0,
    LLAMA_FTYPE_MOSTLY_F16 = 1,
    LLAMA_FTYPE_MOSTLY_Q4_0 = 2,
    LLAMA_FTYPE_MOSTLY_Q4_1 = 3,
    LLAMA_FTYPE_MOSTLY_Q8_0 = 7,
    LLAMA_FTYPE_MOSTLY_Q5_0 = 8,
    LLAMA_FTYPE_MOSTLY_Q5_1 = 9,
    LLAMA_FTYPE_MOSTLY_Q2_K = 10,
    LLAMA_FTYPE_MOSTLY_Q3_K_S = 11,
    LLAMA_FTYPE_MOSTLY_Q3_K_M = 12,
    LLAMA_FTYPE_MOSTLY_Q3_K_L = 13,
    LLAMA_FTYPE_MOSTLY_Q4_K_S = 14,
    LLAMA_FTYPE_MOSTLY_Q4_K_M = 15,
    LLAMA_FTYPE_MOSTLY_Q5_K_S = 16,
    LLAMA_FTYPE_MOSTLY_Q5_K_M = 17,
    LLAMA_FTYPE_MOSTLY_Q6_K = 18,
    LLAMA_FTYPE_MOSTLY_IQ2_XXS = 19,
    LLAMA_FTYPE_MOSTLY_IQ2_XS = 20,
    LLAMA_FTYPE_MOSTLY_Q2_K_S = 21,
    LLAMA_FTYPE_MOSTLY_IQ3_XS = 22,
    LLAMA_FTYPE_MOSTLY_IQ3_XXS = 23,
    LLAMA_FTYPE_MOSTLY_IQ1_S = 24,
    LLAMA_FTYPE_MOSTLY_IQ4_NL = 25,
    LLAMA_FTYPE_MOSTLY_IQ3_S = 26,
    LLAMA_FTYPE_MOSTLY_IQ3_M = 27,
    LLAMA_FTYPE_MOSTLY_IQ2_S = 28,
    LLAMA_FTYPE_MOSTLY_IQ2_M = 29,
    LLAMA_FTYPE_MOSTLY_IQ4_XS = 30,
    LLAMA_FTYPE_MOSTLY_IQ1_M = 31,
    LLAMA_FTYPE_MOSTLY_BF16 = 32,
    LLAMA_FTYPE_MOSTLY_Q4_0_4_4 = 33,
    LLAMA_FTYPE_MOSTLY_Q4_0_4_8 = 34,
    LLAMA_FTYPE_MOSTLY_Q4_0_8_8 = 35,
    LLAMA_FTYPE_MOSTLY_MXFP4 = 38,
    LLAMA_FTYPE_MOSTLY_Q1_0_G128 = 41,
    LLAMA_FTYPE_MOSTLY_Q6_0 = 135,
    LLAMA_FTYPE_MOSTLY_IQ1_BN = 136,
    LLAMA_FTYPE_MOSTLY_IQ2_BN = 137,
    LLAMA_FTYPE_MOSTLY_IQ2_K = 138,
    LLAMA_FTYPE_MOSTLY_IQ3_K = 139,
    LLAMA_FTYPE_MOSTLY_IQ4_K = 140,
    LLAMA_FTYPE_MOSTLY_IQ5_K = 141,
    LLAMA_FTYPE_MOSTLY_IQ6_K = 142,
    LLAMA_FTYPE_MOSTLY_IQ4_KS = 145,
    LLAMA_FTYPE_MOSTLY_IQ3_KL = 146,
    LLAMA_FTYPE_MOSTLY_IQ2_KS = 147,
    LLAMA_FTYPE_MOSTLY_IQ4_KSS = 148,
    LLAMA_FTYPE_MOSTLY_Q8_KV = 149,
    LLAMA_FTYPE_MOSTLY_IQ5_KS = 150,
    LLAMA_FTYPE_MOSTLY_IQ2_KT = 151,
    LLAMA_FTYPE_MOSTLY_IQ3_KT = 152,
    LLAMA_FTYPE_MOSTLY_IQ4_KT = 153,
    LLAMA_FTYPE_MOSTLY_IQ3_KS = 154,
    LLAMA_FTYPE_MOSTLY_IQ2_KL = 155,
    LLAMA_FTYPE_MOSTLY_IQ1_KT = 156,
    LLAMA_FTYPE_MOSTLY_Q4_0_R8 = 202,
    LLAMA_FTYPE_MOSTLY_Q8_0_R8 = 207,
    LLAMA_FTYPE_MOSTLY_Q5_0_R4 = 208,
    LLAMA_FTYPE_MOSTLY_Q2_K_R4 = 210,
    LLAMA_FTYPE_MOSTLY_Q3_K_R4 = 211,
    LLAMA_FTYPE_MOSTLY_Q4_K_R4 = 214,
    LLAMA_FTYPE_MOSTLY_Q5_K_R4 = 216,
    LLAMA_FTYPE_MOSTLY_Q6_K_R4 = 218,
    LLAMA_FTYPE_MOSTLY_IQ2_XXS_R4 = 219,
    LLAMA_FTYPE_MOSTLY_IQ2_XS_R4 = 220,
    LLAMA_FTYPE_MOSTLY_IQ3_XXS_R4 = 223,
    LLAMA_FTYPE_MOSTLY_IQ1_S_R4 = 224,
    LLAMA_FTYPE_MOSTLY_IQ4_NL_R4 = 225,
    LLAMA_FTYPE_MOSTLY_IQ3_S_R4 = 226,
    LLAMA_FTYPE_MOSTLY_IQ2_M_R4 = 229,
    LLAMA_FTYPE_MOSTLY_IQ4_XS_R8 = 230,
    LLAMA_FTYPE_MOSTLY_IQ1_M_R4 = 231,
    LLAMA_FTYPE_MOSTLY_Q6_0_R4 = 335,
    LLAMA_FTYPE_MOSTLY_BF16_R16 = 232,
    LLAMA_FTYPE_MOSTLY_IQ2_BN_R4 = 337,
    LLAMA_FTYPE_MOSTLY_IQ2_K_R4 = 338,
    LLAMA_FTYPE_MOSTLY_IQ3_K_R4 = 339,
    LLAMA_FTYPE_MOSTLY_IQ4_K_R4 = 340,
    LLAMA_FTYPE_MOSTLY_IQ5_K_R4 = 341,
    LLAMA_FTYPE_MOSTLY_IQ4_KS_R4 = 345,
    LLAMA_FTYPE_MOSTLY_IQ5_KS_R4 = 350,
    LLAMA_FTYPE_MOSTLY_Q8_KV_R8 = 398,
    LLAMA_FTYPE_MOSTLY_Q8_K_R8 = 399,
    // A flag: not written in the file but guessed from its tensors.
    LLAMA_FTYPE_GUESSED = 1024,
};

// How positions are rotated (`enum llama_rope_type`; beyond -1 these are the modes of `ggml_rope`).
enum llama_rope_type {
    LLAMA_ROPE_TYPE_NONE = -1,
    LLAMA_ROPE_TYPE_NORM = 0,
    LLAMA_ROPE_TYPE_NEOX = 2,
    LLAMA_ROPE_TYPE_MROPE = 8,
    LLAMA_ROPE_TYPE_IMROPE = 40,
    LLAMA_ROPE_TYPE_VISION = 24,
};

// How a model's vocabulary makes tokens of text.
enum llama_vocab_type {
    // The model has none.
    LLAMA_VOCAB_TYPE_NONE = 0,
    // SentencePiece: merges by score, bytes as fallback.
    LLAMA_VOCAB_TYPE_SPM = 1,
    // Byte-pair encoding: merges by rank.
    LLAMA_VOCAB_TYPE_BPE = 2,
    // WordPiece, of BERT.
    LLAMA_VOCAB_TYPE_WPM = 3,
    // Unigram, of T5.
    LLAMA_VOCAB_TYPE_UGM = 4,
    // Greedy, of RWKV.
    LLAMA_VOCAB_TYPE_RWKV = 5,
    // PLaMo 2.
    LLAMA_VOCAB_TYPE_PLAMO2 = 6,
};

// Properties of a token: bits.
enum llama_token_attr {
    LLAMA_TOKEN_ATTR_UNDEFINED = 0,
    LLAMA_TOKEN_ATTR_UNKNOWN = 1,
    LLAMA_TOKEN_ATTR_UNUSED = 2,
    LLAMA_TOKEN_ATTR_NORMAL = 4,
    LLAMA_TOKEN_ATTR_CONTROL = 8,
    LLAMA_TOKEN_ATTR_USER_DEFINED = 16,
    LLAMA_TOKEN_ATTR_BYTE = 32,
    LLAMA_TOKEN_ATTR_NORMALIZED = 64,
    // Takes the white space on its left.
    LLAMA_TOKEN_ATTR_LSTRIP = 128,
    // Takes the white space on its right.
    LLAMA_TOKEN_ATTR_RSTRIP = 256,
    LLAMA_TOKEN_ATTR_SINGLE_WORD = 512,
};

// The kind of a token, as in model files.
enum llama_token_type {
    LLAMA_TOKEN_TYPE_UNDEFINED = 0,
    LLAMA_TOKEN_TYPE_NORMAL = 1,
    LLAMA_TOKEN_TYPE_UNKNOWN = 2,
    LLAMA_TOKEN_TYPE_CONTROL = 3,
    LLAMA_TOKEN_TYPE_USER_DEFINED = 4,
    LLAMA_TOKEN_TYPE_UNUSED = 5,
    LLAMA_TOKEN_TYPE_BYTE = 6,
};

// `enum llama_flash_attn_type`.
enum llama_flash_attn_type {
    LLAMA_FLASH_ATTN_TYPE_AUTO = -1,
    LLAMA_FLASH_ATTN_TYPE_DISABLED = 0,
    LLAMA_FLASH_ATTN_TYPE_ENABLED = 1,
};

// Which field of a `llama_model_kv_override` holds the value (`enum llama_model_kv_override_type`).
enum llama_model_kv_override_type {
    LLAMA_KV_OVERRIDE_TYPE_INT = 0,
    LLAMA_KV_OVERRIDE_TYPE_FLOAT = 1,
    LLAMA_KV_OVERRIDE_TYPE_BOOL = 2,
    LLAMA_KV_OVERRIDE_TYPE_STR = 3,
};

// What C callers know as `struct llama_context`.
struct llama_context;

// What C callers know as `struct llama_grammar`.
struct llama_grammar;

// What C callers know as `struct llama_lora_adapter`.
struct llama_lora_adapter;

// What C callers know as `struct llama_model`.
struct llama_model;

// Replaces or adds a metadata value of the model file. A list of them ends with an empty key.
struct llama_model_kv_override;

// What C callers know as `struct llama_sampler_adaptive_p`.
struct llama_sampler_adaptive_p;

// What C callers know as `struct llama_sampler_dry`.
struct llama_sampler_dry;

struct llama_sampler_grammar;

// What C callers know as `struct llama_vocab`.
struct llama_vocab;

// Called with the fraction that is loaded; returning false cancels.
typedef bool (*llama_progress_callback)(float progress, void *user_data);

// Puts the tensors whose names match the regular expression `pattern` into buffers of type `buft`. A list ends with a null pattern.
struct llama_model_tensor_buft_override {
    const char *pattern;
    // A `ggml_backend_buffer_type_t`.
    void *buft;
};

// How to load a model.
struct llama_model_params {
    // Comma-separated names of the devices to use.
    const char *devices;
    // How many layers to put on accelerators.
    int32_t n_gpu_layers;
    // The variant of multi-head latent attention.
    int32_t mla;
    enum llama_split_mode split_mode;
    int32_t main_gpu;
    int32_t max_gpu;
    int32_t ncmoe;
    enum ggml_type type_k;
    enum ggml_type type_v;
    uint32_t max_ctx_size;
    int32_t n_seq_max;
    int32_t n_ubatch;
    int32_t amb;
    int32_t fit_margin;
    bool fit;
    int32_t worst_graph_tokens;
    enum ggml_type type_k_first;
    enum ggml_type type_k_last;
    enum ggml_type type_v_first;
    enum ggml_type type_v_last;
    int32_t n_k_first;
    int32_t n_k_last;
    int32_t n_v_first;
    int32_t n_v_last;
    // The share of each device, `llama_max_devices()` values, or null.
    const float *tensor_split;
    // Comma-separated list of RPC servers.
    const char *rpc_servers;
    llama_progress_callback progress_callback;
    void *progress_callback_user_data;
    const struct llama_model_kv_override *kv_overrides;
    const struct llama_model_tensor_buft_override *tensor_buft_overrides;
    // Load the metadata and the vocabulary only.
    bool vocab_only;
    // Use the weights in place in the mapped file.
    bool use_mmap;
    // Keep the weights in RAM.
    bool use_mlock;
    // Refuse tensors with invalid values.
    bool check_tensors;
    bool repack_tensors;
    // Use transparent huge pages.
    bool use_thp;
    // Refuse quantized tensors with scales that are not numbers.
    bool validate_quants;
    bool merge_qkv;
    bool merge_up_gate_exps;
    bool mtp;
    // Skip loading the tensors.
    bool dry_run;
    bool flash_attn;
};

// How to run a model.
struct llama_context_params {
    // Of the context's random numbers; `LLAMA_DEFAULT_SEED` for a random one.
    uint32_t seed;
    // Cells of the KV cache; 0 for the model's training context.
    uint32_t n_ctx;
    // The largest batch that `llama_decode` takes.
    uint32_t n_batch;
    // The largest batch that is computed at once.
    uint32_t n_ubatch;
    uint32_t n_seq_max;
    // Threads for single tokens.
    uint32_t n_threads;
    // Threads for batches.
    uint32_t n_threads_batch;
    int32_t max_extra_alloc;
    int32_t worst_case_tokens;
    enum llama_rope_scaling_type rope_scaling_type;
    enum llama_pooling_type pooling_type;
    enum llama_attention_type attention_type;
    // 0 for the model's.
    float rope_freq_base;
    // 0 for the model's.
    float rope_freq_scale;
    // YaRN's extrapolation mix; negative for the model's.
    float yarn_ext_factor;
    // YaRN's magnitude scaling; negative for the model's.
    float yarn_attn_factor;
    // YaRN's low correction dimension; negative for the model's.
    float yarn_beta_fast;
    // YaRN's high correction dimension; negative for the model's.
    float yarn_beta_slow;
    // 0 for the model's.
    uint32_t yarn_orig_ctx;
    // Defragment the KV cache when more than this share of it is holes; negative never.
    float defrag_thold;
    ggml_backend_sched_eval_callback cb_eval;
    void *cb_eval_user_data;
    enum ggml_type type_k;
    enum ggml_type type_v;
    enum ggml_type type_reduce;
    enum ggml_type type_k_first;
    enum ggml_type type_k_last;
    enum ggml_type type_v_first;
    enum ggml_type type_v_last;
    int32_t n_k_first;
    int32_t n_k_last;
    int32_t n_v_first;
    int32_t n_v_last;
    bool logits_all;
    // Give embeddings instead of logits.
    bool embeddings;
    bool offload_kqv;
    bool flash_attn;
    int32_t mla_attn;
    int32_t attn_max_batch;
    bool fused_moe_up_gate;
    bool grouped_expert_routing;
    bool fused_up_gate;
    bool fused_mmad;
    bool rope_cache;
    bool graph_reuse;
    int32_t min_experts;
    float thresh_experts;
    bool only_active_experts;
    bool k_cache_hadamard;
    bool v_cache_hadamard;
    bool split_mode_graph_scheduling;
    bool scheduler_async;
    bool mtp;
    enum llama_mtp_op_type mtp_op_type;
    ggml_abort_callback abort_callback;
    void *abort_callback_data;
    void *offload_policy;
    void *cuda_params;
};

// How to quantize a model file. A tensor type of `TYPE_COUNT` leaves the choice to `ftype`.
struct llama_model_quantize_params {
    // Threads; all of the machine's if not positive.
    int32_t nthread;
    enum llama_ftype ftype;
    enum ggml_type output_tensor_type;
    enum ggml_type token_embedding_type;
    enum ggml_type attn_q_type;
    enum ggml_type attn_k_type;
    enum ggml_type attn_v_type;
    enum ggml_type attn_qkv_type;
    enum ggml_type attn_output_type;
    enum ggml_type ffn_gate_type;
    enum ggml_type ffn_down_type;
    enum ggml_type ffn_up_type;
    enum ggml_type ffn_gate_inp_type;
    bool allow_requantize;
    bool quantize_output_tensor;
    bool only_copy;
    bool pure;
    bool keep_split;
    bool ignore_imatrix_rules;
    bool only_repack;
    bool dry_run;
    bool partial_requant;
    void *imatrix;
    void *kv_overrides;
    void *custom_quants;
    void *repack_pattern;
};

typedef int32_t llama_token;

typedef int32_t llama_pos;

typedef int32_t llama_seq_id;

// The input of `llama_decode`: `n_tokens` tokens or embeddings, their positions and sequences.
struct llama_batch {
    int32_t n_tokens;
    // Token numbers, if `embd` is null.
    llama_token *token;
    // `n_embd` values per token, if `token` is null.
    float *embd;
    // Positions; null means `all_pos_0 + i * all_pos_1`.
    llama_pos *pos;
    // How many sequences each token belongs to.
    int32_t *n_seq_id;
    // The sequences of each token; null means the one sequence `all_seq_id`.
    llama_seq_id **seq_id;
    // Whether a token's logits (or embedding) are wanted; null means only the last token's.
    int8_t *logits;
    llama_pos all_pos_0;
    llama_pos all_pos_1;
    llama_seq_id all_seq_id;
};

// Where the time of a context went, in milliseconds.
struct llama_timings {
    double t_start_ms;
    double t_end_ms;
    double t_load_ms;
    double t_sample_ms;
    // Of batches.
    double t_p_eval_ms;
    // Of single tokens.
    double t_eval_ms;
    int32_t n_sample;
    int32_t n_p_eval;
    int32_t n_eval;
};

// A candidate for the next token.
struct llama_token_data {
    llama_token id;
    // Log-odds.
    float logit;
    // Probability, once it has been computed.
    float p;
};

// The candidates for the next token, which the samplers thin out and reorder.
struct llama_token_data_array {
    struct llama_token_data *data;
    size_t size;
    // An index into `data`, not a token.
    int64_t selected;
    // By descending logit.
    bool sorted;
};

// A cell of a `llama_kv_cache_view`.
struct llama_kv_cache_view_cell {
    // Negative if the cell is empty.
    llama_pos pos;
};

// A picture of the KV cache, for debugging.
struct llama_kv_cache_view {
    int32_t n_cells;
    // Sequences shown per cell.
    int32_t n_seq_max;
    // Sequences of all cells together.
    int32_t token_count;
    int32_t used_cells;
    // The longest run of empty cells.
    int32_t max_contiguous;
    // Where it begins; negative if the cache is full.
    int32_t max_contiguous_idx;
    struct llama_kv_cache_view_cell *cells;
    // `n_seq_max` per cell.
    llama_seq_id *cells_sequences;
};

// The functions of a `llama_sampler`.
struct llama_sampler_i {
    const char *(*name)(const struct llama_sampler*);
    void (*accept)(struct llama_sampler*, llama_token);
    // The only one that must not be null.
    void (*apply)(struct llama_sampler*, struct llama_token_data_array*);
    void (*reset)(struct llama_sampler*);
    struct llama_sampler *(*clone)(const struct llama_sampler*);
    void (*free)(struct llama_sampler *smpl);
};

// What a caller's own sampler keeps.
typedef void *llama_sampler_context_t;

// A sampler of the caller's own: its functions and what they keep.
struct llama_sampler {
    struct llama_sampler_i *iface;
    llama_sampler_context_t ctx;
};

// Bits that say what `llama_state_seq_*` save.
typedef uint32_t llama_state_seq_flags;

// A message of a chat.
struct llama_chat_message {
    const char *role;
    const char *content;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

LLAMA_API struct llama_model_params llama_model_default_params(void);

LLAMA_API struct llama_context_params llama_context_default_params(void);

LLAMA_API struct llama_model_quantize_params llama_model_quantize_default_params(void);

// Starts the library. There is nothing to do; the clock starts here.
LLAMA_API void llama_backend_init(void);

// Ends the use of the library: the worker threads are stopped until they are needed again.
LLAMA_API void llama_backend_free(void);

// As `ggml_numa_init`, unless it is `GGML_NUMA_STRATEGY_DISABLED`.
LLAMA_API void llama_numa_init(enum ggml_numa_strategy numa);

// Microseconds by a clock that never goes back.
LLAMA_API int64_t llama_time_us(void);

// Devices that a model can be split over.
LLAMA_API size_t llama_max_devices(void);

LLAMA_API bool llama_supports_mmap(void);

LLAMA_API bool llama_supports_mlock(void);

LLAMA_API bool llama_supports_gpu_offload(void);

// The processor's features that this library knows of, as `AVX = 1 | AVX2 = 1 | ...`.
LLAMA_API const char *llama_print_system_info(void);

// Sends all messages to `log_callback` from now on; to stderr again if it is null.
//
// # Safety
// The callback can be called with `user_data` until it is replaced.
LLAMA_API void llama_log_set(ggml_log_callback log_callback, void *user_data);

// The path of part `split_no` of `split_count`, counted from 0. Returns its length.
//
// # Safety
// The pointers are as C's `snprintf` wants them.
LLAMA_API
int llama_split_path(char *split_path_out,
                     size_t maxlen,
                     const char *path_prefix,
                     int split_no,
                     int split_count);

// The prefix of `split_path` if it is the path of part `split_no` of `split_count`. Returns its length, 0 if it is not.
//
// # Safety
// As for `llama_split_path`.
LLAMA_API
int llama_split_prefix(char *split_prefix_out,
                       size_t maxlen,
                       const char *split_path,
                       int split_no,
                       int split_count);

// Loads a LoRA adapter for a model from a GGUF file. It is freed with the model, if not before. Null, with a line in the log, if
// that fails.
//
// # Safety
// `model` is null or a model, `path_lora` null or a C string.
LLAMA_API
struct llama_lora_adapter *llama_lora_adapter_init(struct llama_model *model,
                                                   const char *path_lora);

// Uses an adapter in a context from the next batch on, or changes how strongly it is used. Returns 0, or -1 if it is not an
// adapter of the context's model.
//
// # Safety
// `ctx` is null or a context that nothing else uses now, `adapter` null or an adapter.
LLAMA_API
int32_t llama_lora_adapter_set(struct llama_context *ctx,
                               struct llama_lora_adapter *adapter,
                               float scale);

// Uses an adapter in a context no more. Returns 0, or -1 if it was not in use.
//
// # Safety
// `ctx` is null or a context that nothing else uses now, `adapter` null or an adapter.
LLAMA_API int32_t llama_lora_adapter_remove(struct llama_context *ctx, struct llama_lora_adapter *adapter);

// Uses no adapter in a context any more.
//
// # Safety
// `ctx` is null or a context that nothing else uses now.
LLAMA_API void llama_lora_adapter_clear(struct llama_context *ctx);

// Frees an adapter. Contexts that use it go on using it.
//
// # Safety
// The pointer is null or to an adapter that is not used any more, whose model is not freed.
LLAMA_API void llama_lora_adapter_free(struct llama_lora_adapter *adapter);

// Adds directions to the outputs of the layers `il_start..=il_end` from the next batch on; with `data` null, none. `data` has
// `n_embd` values for each layer from layer 1 on, `len` in all. Returns 0, or another number, with a line in the log, if
// `n_embd` is not the model's.
//
// # Safety
// `lctx` is null or a context that nothing else uses now, `data` null or to `len` values.
LLAMA_API
int32_t llama_control_vector_apply(struct llama_context *lctx,
                                   const float *data,
                                   size_t len,
                                   int32_t n_embd,
                                   int32_t il_start,
                                   int32_t il_end);

// A batch of tokens of one sequence from position `pos_0` on. It points to the caller's tokens.
LLAMA_API
struct llama_batch llama_batch_get_one(llama_token *tokens,
                                       int32_t n_tokens,
                                       llama_pos pos_0,
                                       llama_seq_id seq_id);

// Allocates the arrays of a batch of up to `n_tokens` tokens (embeddings of `embd` values if that is not 0), each in up to `n_seq_max`
// sequences. On failure all pointers are null.
LLAMA_API
struct llama_batch llama_batch_init(int32_t n_tokens,
                                    int32_t embd,
                                    int32_t n_seq_max);

// Frees a batch from `llama_batch_init`.
//
// # Safety
// The pointers are null or as `llama_batch_init` gave them.
LLAMA_API void llama_batch_free(struct llama_batch batch);

// Makes a context for a model. Null, with a line in the log, if that fails.
//
// # Safety
// `model` is null or a model; the callbacks in `params` are as the header says.
LLAMA_API struct llama_context *llama_init_from_model(struct llama_model *model, struct llama_context_params params);

// Frees a context.
//
// # Safety
// The pointer is null or from `llama_init_from_model`, and not used any more.
LLAMA_API void llama_free(struct llama_context *ctx);

// The model that the context was made for.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API const struct llama_model *llama_get_model(const struct llama_context *ctx);

// Cells of the KV cache.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API uint32_t llama_n_ctx(const struct llama_context *ctx);

// The largest batch for `llama_decode`.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API uint32_t llama_n_batch(const struct llama_context *ctx);

// The largest batch that is computed at once.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API uint32_t llama_n_ubatch(const struct llama_context *ctx);

//
// # Safety
// The pointer is null or to a context.
LLAMA_API uint32_t llama_n_seq_max(const struct llama_context *ctx);

// How the embeddings of a sequence become one.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API enum llama_pooling_type llama_pooling_type(const struct llama_context *ctx);

// Threads for single tokens.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API uint32_t llama_n_threads(struct llama_context *ctx);

// Threads for batches.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API uint32_t llama_n_threads_batch(struct llama_context *ctx);

// Sets the threads for single tokens and for batches; at least one each.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API void llama_set_n_threads(struct llama_context *ctx, uint32_t n_threads, uint32_t n_threads_batch);

// Whether batches give embeddings instead of logits.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API void llama_set_embeddings(struct llama_context *ctx, bool embeddings);

// Whether tokens see only earlier positions.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API void llama_set_causal_attn(struct llama_context *ctx, bool causal_attn);

// Sets what is asked between the nodes of a computation; when it answers true, `llama_decode` stops and returns 2.
//
// # Safety
// The pointer is null or to a context; the callback is valid until it is replaced.
LLAMA_API
void llama_set_abort_callback(struct llama_context *ctx,
                              ggml_abort_callback callback,
                              void *abort_callback_data);

// Waits for computations. They are done when `llama_decode` returns, so there is nothing to wait for.
LLAMA_API void llama_synchronize(struct llama_context *ctx);

// Takes a batch through the model. 0: done; 1: the KV cache has no room for it; 2: stopped by the abort callback; -1: the
// batch is invalid; -2: the computation failed; -3: stopped by the reference's `llama_decode_stop`. The log says more.
//
// # Safety
// The pointer is null or to a context; the batch's arrays are as the header says.
LLAMA_API
int32_t llama_decode(struct llama_context *ctx,
                     struct llama_batch batch);

// Takes a batch through the model's encoder. -1, since no model here has one.
//
// # Safety
// As for `llama_decode`.
LLAMA_API int32_t llama_encode(struct llama_context *ctx, struct llama_batch batch);

// The logits of all outputs of the last batch, one row after the other; null if it gave none.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API float *llama_get_logits(struct llama_context *ctx);

// The logits of token `i` of the last batch, or for negative `i` of an output counted from the last; null if there are none.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API
float *llama_get_logits_ith(struct llama_context *ctx,
                            int32_t i);

// The embeddings of all outputs of the last batch, one row after the other; null if it gave none, or pooled ones.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API float *llama_get_embeddings(struct llama_context *ctx);

// The embedding of token `i` of the last batch, or for negative `i` of an output counted from the last; null if there is none.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API
float *llama_get_embeddings_ith(struct llama_context *ctx,
                                int32_t i);

// The pooled embedding of a sequence of the last batch; null if there is none.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API float *llama_get_embeddings_seq(struct llama_context *ctx, llama_seq_id seq_id);

// Where the time of the context went.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API struct llama_timings llama_get_timings(struct llama_context *ctx);

// Logs where the time of the context went.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API void llama_print_timings(struct llama_context *ctx);

// Begins to count anew.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API void llama_reset_timings(struct llama_context *ctx);

// Writes the timings to an open file, as lines of YAML.
//
// # Safety
// `stream` is null or an open file, `ctx` null or a context.
LLAMA_API void llama_dump_timing_info_yaml(FILE *stream, const struct llama_context *ctx);

// Whether nodes of an operator may be computed away from their weights; a number that is no operator stands for all.
//
// # Safety
// The pointer is null or to a context that nothing else uses now.
LLAMA_API void llama_set_offload_policy(struct llama_context *lctx, int32_t op, bool on_or_off);

// Makes a sampler that penalizes tokens which would continue a repetition of `dry_allowed_length` tokens or more, by
// `dry_multiplier * dry_base^(length - dry_allowed_length)`, among the last `dry_penalty_last_n` tokens (-1: as many as the
// vocabulary has). Repetitions end at the sequence breakers.
//
// # Safety
// `vocab` is null or a vocabulary; `seq_breakers` is null or has `num_breakers` C strings or nulls.
LLAMA_API
struct llama_sampler_dry *llama_sampler_init_dry(const struct llama_vocab *vocab,
                                                 float dry_multiplier,
                                                 float dry_base,
                                                 int32_t dry_allowed_length,
                                                 int32_t dry_penalty_last_n,
                                                 const char **seq_breakers,
                                                 size_t num_breakers);

// Penalizes candidates that would continue a repetition. The context may be null.
//
// # Safety
// The pointers are null or to what their types say.
LLAMA_API
void llama_sample_dry(struct llama_context *ctx,
                      struct llama_sampler_dry *smpl,
                      struct llama_token_data_array *candidates_p);

// Forgets the accepted tokens.
//
// # Safety
// The pointer is null or from `llama_sampler_init_dry`.
LLAMA_API void llama_sampler_dry_reset(struct llama_sampler_dry *smpl);

// Takes note of a token that was chosen.
//
// # Safety
// The pointer is null or from `llama_sampler_init_dry`.
LLAMA_API void llama_sampler_dry_accept(struct llama_sampler_dry *smpl, llama_token token);

// A copy of a sampler with all it knows; null for null.
//
// # Safety
// The pointer is null or from `llama_sampler_init_dry`.
LLAMA_API struct llama_sampler_dry *llama_sampler_dry_clone(struct llama_sampler_dry *smpl);

// Frees a sampler.
//
// # Safety
// The pointer is null or from `llama_sampler_init_dry`, and not used any more.
LLAMA_API void llama_sampler_dry_free(struct llama_sampler_dry *smpl);

// Makes a grammar from its rules in GBNF, beginning at the rule `grammar_root`. Null, with a line in the log, if they are wrong.
//
// # Safety
// The pointers are null or to what their types say; the vocabulary outlives the grammar.
LLAMA_API
struct llama_grammar *llama_sampler_init_grammar(const struct llama_vocab *vocab,
                                                 const char *grammar_str,
                                                 const char *grammar_root);

// Makes a grammar that waits until one of the words has been generated, or one of the tokens.
//
// # Safety
// As for `llama_sampler_init_grammar`; the lists have as many elements as said.
LLAMA_API
__attribute__((deprecated("use llama_sampler_init_grammar_lazy_patterns instead")))
struct llama_grammar *llama_sampler_init_grammar_lazy(const struct llama_vocab *vocab,
                                                      const char *grammar_str,
                                                      const char *grammar_root,
                                                      const char **trigger_words,
                                                      size_t num_trigger_words,
                                                      const llama_token *trigger_tokens,
                                                      size_t num_trigger_tokens);

// Makes a grammar that waits until the generated text matches one of the regular expressions, from whose first group that
// matched on the text has to follow the grammar; or until one of the tokens was generated.
//
// # Safety
// As for `llama_sampler_init_grammar`; the lists have as many elements as said.
LLAMA_API
struct llama_grammar *llama_sampler_init_grammar_lazy_patterns(const struct llama_vocab *vocab,
                                                               const char *grammar_str,
                                                               const char *grammar_root,
                                                               const char **trigger_patterns,
                                                               size_t num_trigger_patterns,
                                                               const llama_token *trigger_tokens,
                                                               size_t num_trigger_tokens);

// Frees a grammar.
//
// # Safety
// The pointer is null or a grammar that is not used any more.
LLAMA_API void llama_grammar_free(struct llama_grammar *grammar);

// A copy of a grammar and of how far it has been followed.
//
// # Safety
// The pointer is null or to a grammar.
LLAMA_API struct llama_grammar *llama_grammar_copy(const struct llama_grammar *grammar);

// Makes the candidates impossible that the grammar doesn't allow next.
//
// # Safety
// The pointers are null or to what their types say.
LLAMA_API
void llama_grammar_sample(const struct llama_grammar *grammar,
                          const struct llama_context *ctx,
                          struct llama_token_data_array *candidates);

// As `llama_grammar_sample`.
//
// # Safety
// As for `llama_grammar_sample`.
LLAMA_API
__attribute__((deprecated("use llama_grammar_sample instead")))
void llama_sample_grammar(struct llama_context *ctx,
                          struct llama_token_data_array *candidates,
                          const struct llama_grammar *grammar);

// Follows the grammar over a token that was chosen. A token that it doesn't allow changes nothing and leaves a line in the log.
//
// # Safety
// The pointers are null or to what their types say.
LLAMA_API
void llama_grammar_accept_token(struct llama_grammar *grammar,
                                struct llama_context *ctx,
                                llama_token token);

// The sequences of all cells together.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API int32_t llama_get_kv_cache_token_count(const struct llama_context *ctx);

// Cells in use.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API int32_t llama_get_kv_cache_used_cells(const struct llama_context *ctx);

// Empties the cache and zeroes its data.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API void llama_kv_cache_clear(struct llama_context *ctx);

// Takes a sequence (any if negative) out of the cells with positions in `p0..p1`; negative ends are open.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API bool llama_kv_cache_seq_rm(struct llama_context *ctx, llama_seq_id seq_id, llama_pos p0, llama_pos p1);

// Puts the cells of one sequence with positions in `p0..p1` into another, too.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API
void llama_kv_cache_seq_cp(struct llama_context *ctx,
                           llama_seq_id seq_id_src,
                           llama_seq_id seq_id_dst,
                           llama_pos p0,
                           llama_pos p1);

// Drops all sequences but one.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API void llama_kv_cache_seq_keep(struct llama_context *ctx, llama_seq_id seq_id);

// Adds `delta` to the sequence's positions in `p0..p1`; the keys follow before the next batch.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API
void llama_kv_cache_seq_add(struct llama_context *ctx,
                            llama_seq_id seq_id,
                            llama_pos p0,
                            llama_pos p1,
                            llama_pos delta);

// Divides the sequence's positions in `p0..p1` by `d`, which is above 1; the keys follow before the next batch.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API
void llama_kv_cache_seq_div(struct llama_context *ctx,
                            llama_seq_id seq_id,
                            llama_pos p0,
                            llama_pos p1,
                            int32_t d);

// The largest position of a sequence; 0 if it has none.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API llama_pos llama_kv_cache_seq_pos_max(struct llama_context *ctx, llama_seq_id seq_id);

// The smallest position of a sequence; -1 if it has none.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API llama_pos llama_kv_cache_seq_pos_min(struct llama_context *ctx, llama_seq_id seq_id);

// Asks for holes in the cache to be closed before the next batch.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API void llama_kv_cache_defrag(struct llama_context *ctx);

// Does now what is due before the next batch: rotating shifted keys, closing holes. 0: done; else as `llama_decode`.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API int32_t llama_kv_cache_update(struct llama_context *ctx);

// A picture of the cache, still empty.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API struct llama_kv_cache_view llama_kv_cache_view_init(const struct llama_context *ctx, int32_t n_seq_max);

// Frees what a picture of the cache holds.
//
// # Safety
// The pointer is null or to a view from `llama_kv_cache_view_init`.
LLAMA_API void llama_kv_cache_view_free(struct llama_kv_cache_view *view);

// Brings a picture of the cache up to date.
//
// # Safety
// The pointers are null or to a context and to a view from `llama_kv_cache_view_init`.
LLAMA_API void llama_kv_cache_view_update(const struct llama_context *ctx, struct llama_kv_cache_view *view);

// Loads a model. Null, with a line in the log, if that fails or the progress callback cancels it.
//
// # Safety
// `path_model` is null or a C string; the pointers in `params` are as the header says.
LLAMA_API struct llama_model *llama_model_load_from_file(const char *path_model, struct llama_model_params params);

// Frees a model. Contexts that still use it keep what they need.
//
// # Safety
// The pointer is null or from `llama_model_load_from_file`, and not used any more.
LLAMA_API void llama_free_model(struct llama_model *model);

// How positions are rotated.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API enum llama_rope_type llama_rope_type(const struct llama_model *model);

// The context that the model was trained on.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API int32_t llama_n_ctx_train(const struct llama_model *model);

// Values per embedding.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API int32_t llama_model_n_embd(const struct llama_model *model);

// Values per embedding that is given as input.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API int32_t llama_model_n_embd_inp(const struct llama_model *model);

//
// # Safety
// The pointer is null or to a model.
LLAMA_API int32_t llama_n_layer(const struct llama_model *model);

// Layers that predict further tokens.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API int32_t llama_model_n_nextn_layer(const struct llama_model *model);

// The scale of the rotation's frequencies in training.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API float llama_rope_freq_scale_train(const struct llama_model *model);

// Bytes of all tensors.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API uint64_t llama_model_size(const struct llama_model *model);

// Values of all tensors.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API uint64_t llama_model_n_params(const struct llama_model *model);

// Whether the model has an encoder, for `llama_encode`.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API bool llama_model_has_encoder(const struct llama_model *model);

// Whether the model has a decoder, for `llama_decode`.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API bool llama_model_has_decoder(const struct llama_model *model);

// The token that a decoder begins with, -1 for models without an encoder.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API llama_token llama_model_decoder_start_token(const struct llama_model *model);

//
// # Safety
// The pointer is null or to a model.
LLAMA_API bool llama_model_is_recurrent(const struct llama_model *model);

//
// # Safety
// The pointer is null or to a model.
LLAMA_API bool llama_model_is_hybrid(const struct llama_model *model);

//
// # Safety
// The pointer is null or to a model.
LLAMA_API bool llama_model_has_recurrent(const struct llama_model *model);

// How many keys the functions below go through: those whose values are not arrays.
//
// # Safety
// The pointer is null or to a model.
LLAMA_API int32_t llama_model_meta_count(const struct llama_model *model);

// The value of a key as text. Returns its length, or -1 if there is none.
//
// # Safety
// The pointers are null or as their types say; `buf` is writable for `buf_size` bytes.
LLAMA_API
int32_t llama_model_meta_val_str(const struct llama_model *model,
                                 const char *key,
                                 char *buf,
                                 size_t buf_size);

// The `i`-th key. Returns its length, or -1 if there is none.
//
// # Safety
// As for `llama_model_meta_val_str`.
LLAMA_API int32_t llama_model_meta_key_by_index(const struct llama_model *model, int32_t i, char *buf, size_t buf_size);

// The `i`-th value as text. Returns its length, or -1 if there is none.
//
// # Safety
// As for `llama_model_meta_val_str`.
LLAMA_API
int32_t llama_model_meta_val_str_by_index(const struct llama_model *model,
                                          int32_t i,
                                          char *buf,
                                          size_t buf_size);

// Architecture, size and quantization, as `llama 7B Q4_0`. Returns the length.
//
// # Safety
// As for `llama_model_meta_val_str`.
LLAMA_API int32_t llama_model_desc(const struct llama_model *model, char *buf, size_t buf_size);

// A tensor of the model by name, or null.
//
// # Safety
// The pointers are null or as their types say.
LLAMA_API struct ggml_tensor *llama_get_model_tensor(struct llama_model *model, const char *name);

// Sorts by descending logit and computes the probabilities.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates.
LLAMA_API void llama_sample_softmax(struct llama_context *ctx, struct llama_token_data_array *candidates);

// As `llama_sample_softmax`, but the probabilities are relative to the largest.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates.
LLAMA_API void llama_sample_dist(struct llama_context *ctx, struct llama_token_data_array *candidates);

// Keeps the `k` most probable (all if `k` is not positive), at least `min_keep`.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates.
LLAMA_API
void llama_sample_top_k(struct llama_context *ctx,
                        struct llama_token_data_array *candidates,
                        int32_t k,
                        size_t min_keep);

// Keeps the most probable whose probabilities add up to `p`: nucleus sampling, <https://arxiv.org/abs/1904.09751>.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates.
LLAMA_API
void llama_sample_top_p(struct llama_context *ctx,
                        struct llama_token_data_array *candidates,
                        float p,
                        size_t min_keep);

// Keeps those at least `p` times as probable as the most probable one.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates.
LLAMA_API
void llama_sample_min_p(struct llama_context *ctx,
                        struct llama_token_data_array *candidates,
                        float p,
                        size_t min_keep);

// Cuts the tail where the curvature of the sorted probabilities has been spent up to `z`.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates.
LLAMA_API
void llama_sample_tail_free(struct llama_context *ctx,
                            struct llama_token_data_array *candidates,
                            float z,
                            size_t min_keep);

// Keeps those whose surprise is nearest to the expected one: <https://arxiv.org/abs/2202.00666>.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates.
LLAMA_API
void llama_sample_typical(struct llama_context *ctx,
                          struct llama_token_data_array *candidates,
                          float p,
                          size_t min_keep);

// Divides the logits by a temperature that depends on the entropy: <https://arxiv.org/abs/2309.02772>.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates.
LLAMA_API
void llama_sample_entropy(struct llama_context *ctx,
                          struct llama_token_data_array *candidates,
                          float min_temp,
                          float max_temp,
                          float exponent_val);

// Divides the logits by the temperature.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates.
LLAMA_API void llama_sample_temp(struct llama_context *ctx, struct llama_token_data_array *candidates, float temp);

// Keeps those within `top_n_sigma` standard deviations of the largest logit: <https://arxiv.org/abs/2411.07641>.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates.
LLAMA_API
void llama_sample_top_n_sigma(struct llama_context *ctx,
                              struct llama_token_data_array *candidates,
                              float top_n_sigma);

// With some probability, excludes the most probable tokens above the threshold but the last of them.
//
// # Safety
// `ctx` is a context; `candidates` is null or an array of candidates.
LLAMA_API
void llama_sample_xtc(struct llama_context *ctx,
                      struct llama_token_data_array *candidates_p,
                      float probability,
                      float threshold,
                      size_t min_keep);

// Makes the last tokens less likely: `penalty_repeat` divides their logits (multiplies negative ones,
// <https://arxiv.org/abs/1909.05858>), `penalty_freq` is subtracted per occurrence, `penalty_present` once.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates; there are `penalty_last_n` last tokens.
LLAMA_API
void llama_sample_repetition_penalties(struct llama_context *ctx,
                                       struct llama_token_data_array *candidates,
                                       const llama_token *last_tokens,
                                       size_t penalty_last_n,
                                       float penalty_repeat,
                                       float penalty_freq,
                                       float penalty_present);

// Moves logits away from those of a negative prompt: <https://arxiv.org/abs/2306.17806>. Both become log-probabilities.
//
// # Safety
// `ctx` is null or a context; there is a logit for each token of its model behind both other pointers unless they are null.
LLAMA_API
void llama_sample_apply_guidance(struct llama_context *ctx,
                                 float *logits,
                                 float *logits_guidance,
                                 float scale);

// Seeds the random numbers of a context; with `LLAMA_DEFAULT_SEED` by the clock.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API void llama_set_rng_seed(struct llama_context *ctx, uint32_t seed);

// Picks a token by mirostat, version 1: <https://arxiv.org/abs/2007.14966>.
//
// # Safety
// `ctx` is a context; `candidates` is null or an array of candidates; `mu` is null or a number.
LLAMA_API
llama_token llama_sample_token_mirostat(struct llama_context *ctx,
                                        struct llama_token_data_array *candidates,
                                        float tau,
                                        float eta,
                                        int32_t m,
                                        float *mu);

// Picks a token by mirostat, version 2.
//
// # Safety
// `ctx` is a context; `candidates` is null or an array of candidates; `mu` is null or a number.
LLAMA_API
llama_token llama_sample_token_mirostat_v2(struct llama_context *ctx,
                                           struct llama_token_data_array *candidates,
                                           float tau,
                                           float eta,
                                           float *mu);

// Picks the token of the largest logit. The context may be null.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates.
LLAMA_API llama_token llama_sample_token_greedy(struct llama_context *ctx, struct llama_token_data_array *candidates);

// Picks a token by the probabilities that the logits mean, with the context's random numbers.
//
// # Safety
// `ctx` is a context; `candidates` is null or an array of candidates.
LLAMA_API llama_token llama_sample_token(struct llama_context *ctx, struct llama_token_data_array *candidates);

// Makes an adaptive-p sampler for a vocabulary: it selects tokens near the probability `target` (negative turns it off), which
// adapts by `decay` (0 to 1).
LLAMA_API
struct llama_sampler_adaptive_p *llama_init_adaptive_p(int32_t n_vocab,
                                                       float target,
                                                       float decay,
                                                       bool updt_w_cur,
                                                       uint32_t seed);

// Takes down the probabilities before any other sampler.
//
// # Safety
// `ctx` is null or a context; `candidates` is null or an array of candidates; `adapt_p_ctx` is null or from
// `llama_init_adaptive_p`.
LLAMA_API
void llama_prep_adaptive_p(struct llama_context *ctx,
                           struct llama_token_data_array *candidates,
                           struct llama_sampler_adaptive_p *adapt_p_ctx);

// Replaces the logits by how near the probabilities are to the adapted target.
//
// # Safety
// As for `llama_prep_adaptive_p`.
LLAMA_API
void llama_sample_adaptive_p(struct llama_context *ctx,
                             struct llama_token_data_array *candidates,
                             struct llama_sampler_adaptive_p *adapt_p_ctx);

// Picks a token after `llama_sample_adaptive_p`.
//
// # Safety
// As for `llama_prep_adaptive_p`.
LLAMA_API
llama_token llama_sample_token_adaptive_p(struct llama_context *ctx,
                                          struct llama_token_data_array *candidates,
                                          struct llama_sampler_adaptive_p *adapt_p_ctx);

// Shortens the sampler's history once tokens were sent to the user, or taken back.
//
// # Safety
// The pointer is null or from `llama_init_adaptive_p`.
LLAMA_API
void llama_review_adaptive_p(struct llama_sampler_adaptive_p *adapt_p_ctx,
                             size_t n_unsent,
                             bool rewind_status);

// Calls the `reset` function of a caller's own sampler.
//
// # Safety
// The pointer is null or to a sampler whose functions are what they say.
LLAMA_API void llama_sampler_reset(struct llama_sampler *smpl);

// Bytes that the state takes now.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API size_t llama_state_get_size(struct llama_context *ctx);

// Copies the state to `dst`. Returns how many bytes, 0 if they are more than `size`.
//
// # Safety
// The pointers are null or to a context and `size` bytes.
LLAMA_API size_t llama_state_get_data(struct llama_context *ctx, uint8_t *dst, size_t size);

// Restores a state. Returns how many bytes were read, 0 on failure.
//
// # Safety
// The pointers are null or to a context and `size` bytes.
LLAMA_API size_t llama_state_set_data(struct llama_context *ctx, const uint8_t *src, size_t size);

// Restores the state and the tokens that led to it from a file.
//
// # Safety
// The pointers are null or as their types say; `tokens_out` has room for `n_token_capacity`.
LLAMA_API
bool llama_state_load_file(struct llama_context *ctx,
                           const char *path_session,
                           llama_token *tokens_out,
                           size_t n_token_capacity,
                           size_t *n_token_count_out);

// Saves the state and the tokens that led to it to a file.
//
// # Safety
// The pointers are null or as their types say.
LLAMA_API
bool llama_state_save_file(struct llama_context *ctx,
                           const char *path_session,
                           const llama_token *tokens_in,
                           size_t n_token_count);

// Bytes that the state of a sequence takes now.
//
// # Safety
// The pointer is null or to a context.
LLAMA_API size_t llama_state_seq_get_size(struct llama_context *ctx, llama_seq_id seq_id, llama_state_seq_flags flags);

// Copies the state of a sequence to `dst`. Returns how many bytes, 0 if they are more than `size`.
//
// # Safety
// The pointers are null or to a context and `size` bytes.
LLAMA_API
size_t llama_state_seq_get_data(struct llama_context *ctx,
                                uint8_t *dst,
                                size_t size,
                                llama_seq_id seq_id,
                                llama_state_seq_flags flags);

// Replaces a sequence by a saved one. Returns how many bytes were read, 0 on failure.
//
// # Safety
// The pointers are null or to a context and `size` bytes.
LLAMA_API
size_t llama_state_seq_set_data(struct llama_context *ctx,
                                const uint8_t *src,
                                size_t size,
                                llama_seq_id dest_seq_id,
                                llama_state_seq_flags flags);

// Saves a sequence and its tokens to a file. Returns the file's size, 0 on failure.
//
// # Safety
// The pointers are null or as their types say.
LLAMA_API
size_t llama_state_seq_save_file(struct llama_context *ctx,
                                 const char *filepath,
                                 llama_seq_id seq_id,
                                 const llama_token *tokens_in,
                                 size_t n_token_count);

// Replaces a sequence by that of a file. Returns how many bytes were read, 0 on failure.
//
// # Safety
// The pointers are null or as their types say; `tokens_out` has room for `n_token_capacity`.
LLAMA_API
size_t llama_state_seq_load_file(struct llama_context *ctx,
                                 const char *filepath,
                                 llama_seq_id dest_seq_id,
                                 llama_token *tokens_out,
                                 size_t n_token_capacity,
                                 size_t *n_token_count_out);

// The old name of `llama_state_get_size`.
//
// # Safety
// As for `llama_state_get_size`.
LLAMA_API
__attribute__((deprecated("use llama_state_get_size instead")))
size_t llama_get_state_size(struct llama_context *ctx);

// As `llama_state_get_data`, with as much room as it needs.
//
// # Safety
// As for `llama_state_get_data`.
LLAMA_API
__attribute__((deprecated("use llama_state_get_data instead")))
size_t llama_copy_state_data(struct llama_context *ctx,
                             uint8_t *dst);

// The old name of `llama_state_load_file`.
//
// # Safety
// As for `llama_state_load_file`.
LLAMA_API
__attribute__((deprecated("use llama_state_load_file instead")))
bool llama_load_session_file(struct llama_context *ctx,
                             const char *path_session,
                             llama_token *tokens_out,
                             size_t n_token_capacity,
                             size_t *n_token_count_out);

// The old name of `llama_state_save_file`.
//
// # Safety
// As for `llama_state_save_file`.
LLAMA_API
__attribute__((deprecated("use llama_state_save_file instead")))
bool llama_save_session_file(struct llama_context *ctx,
                             const char *path_session,
                             const llama_token *tokens_in,
                             size_t n_token_count);

// Quantizes a model file. Returns 0 on success, 1 on failure, with the reason in the log; a failure leaves no output file.
LLAMA_API
uint32_t llama_model_quantize(const char *fname_inp,
                              const char *fname_out,
                              const struct llama_model_quantize_params *params);

// How the vocabulary makes tokens.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API enum llama_vocab_type llama_vocab_type(const struct llama_vocab *vocab);

// The number of tokens.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API int32_t llama_vocab_n_tokens(const struct llama_vocab *vocab);

//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API int32_t llama_n_vocab(const struct llama_model *model);

// The text of a token as the vocabulary writes it; null if there is no such token.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API const char *llama_vocab_get_text(const struct llama_vocab *vocab, llama_token token);

//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API const char *llama_token_get_text(const struct llama_model *model, llama_token token);

// The score of a token.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API float llama_token_get_score(const struct llama_model *model, llama_token token);

// The attributes of a token.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API enum llama_token_attr llama_token_get_attr(const struct llama_model *model, llama_token token);

// Whether a generation ends with this token.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API bool llama_token_is_eog(const struct llama_model *model, llama_token token);

//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API bool llama_vocab_is_eog(const struct llama_vocab *vocab, llama_token token);

// Whether this is a control token, which is not shown.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API bool llama_token_is_control(const struct llama_model *model, llama_token token);

// The token of the beginning of a text.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API llama_token llama_token_bos(const struct llama_model *model);

//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API llama_token llama_vocab_bos(const struct llama_vocab *vocab);

// The token of the end of a text.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API llama_token llama_token_eos(const struct llama_model *model);

//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API llama_token llama_vocab_eos(const struct llama_vocab *vocab);

// The token that separates sentences.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API llama_token llama_token_sep(const struct llama_model *model);

// The token of the end of a line.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API llama_token llama_token_nl(const struct llama_model *model);

// The token that fills up.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API llama_token llama_token_pad(const struct llama_model *model);

// The token in front of the text before a gap that is to be filled.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API llama_token llama_token_prefix(const struct llama_model *model);

// The token in front of the filling.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API llama_token llama_token_middle(const struct llama_model *model);

// The token in front of the text behind the gap.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API llama_token llama_token_suffix(const struct llama_model *model);

// The token of the end of a turn.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API llama_token llama_token_eot(const struct llama_model *model);

// Whether `llama_tokenize` begins a text with BOS: 1 or 0, -1 if unknown.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API int32_t llama_add_bos_token(const struct llama_model *model);

// Whether `llama_tokenize` ends a text with EOS: 1 or 0, -1 if unknown.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API int32_t llama_add_eos_token(const struct llama_model *model);

//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API bool llama_vocab_get_add_bos(const struct llama_vocab *vocab);

//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API bool llama_vocab_get_add_eos(const struct llama_vocab *vocab);

// The vocabulary of a model, which lives as long as the model.
//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API const struct llama_vocab *llama_model_get_vocab(const struct llama_model *model);

//
// # Safety
// The pointer is null or to what its type says, not freed.
LLAMA_API const struct llama_vocab *llama_get_model_vocab(const struct llama_model *model);

// Tokenizes a text. Returns the number of tokens, negated if they do not fit into `n_tokens_max`.
//
// # Safety
// `model` is null or a model; `text` is readable for `text_len` bytes and `tokens` writable for `n_tokens_max` tokens.
LLAMA_API
int32_t llama_tokenize(const struct llama_model *model,
                       const char *text,
                       int32_t text_len,
                       llama_token *tokens,
                       int32_t n_tokens_max,
                       bool add_special,
                       bool parse_special);

// As `llama_tokenize`, with a vocabulary.
//
// # Safety
// `vocab` is null or a vocabulary; the rest as for `llama_tokenize`.
LLAMA_API
int32_t llama_vocab_tokenize(const struct llama_vocab *vocab,
                             const char *text,
                             int32_t text_len,
                             llama_token *tokens,
                             int32_t n_tokens_max,
                             bool add_special,
                             bool parse_special);

// What a token reads as, without a null byte at its end. Returns its length, negated if it does not fit into `length`.
//
// # Safety
// `model` is null or a model; `buf` is writable for `length` bytes.
LLAMA_API
int32_t llama_token_to_piece(const struct llama_model *model,
                             llama_token token,
                             char *buf,
                             int32_t length,
                             int32_t lstrip,
                             bool special);

// As `llama_token_to_piece`, with a vocabulary.
//
// # Safety
// `vocab` is null or a vocabulary; `buf` is writable for `length` bytes.
LLAMA_API
int32_t llama_token_to_piece_vocab(const struct llama_vocab *vocab,
                                   llama_token token,
                                   char *buf,
                                   int32_t length,
                                   int32_t lstrip,
                                   bool special);

// The text of tokens, without a null byte at its end. Returns its length; if it does not fit into `text_len_max`, the
// negated length that is enough.
//
// # Safety
// `vocab` is null or a vocabulary; `tokens` is readable for `n_tokens` tokens and `text` writable for `text_len_max` bytes.
LLAMA_API
int32_t llama_detokenize(const struct llama_vocab *vocab,
                         const llama_token *tokens,
                         int32_t n_tokens,
                         char *text,
                         int32_t text_len_max,
                         bool remove_special,
                         bool unparse_special);

// The chat template of a model: the default one, or the one with this name. Null if it has none.
//
// # Safety
// `model` is null or a model; `name` is null or a C string. The result lives as long as the model.
LLAMA_API const char *llama_model_chat_template(const struct llama_model *model, const char *name);

// Writes a chat as a template has it. Returns the length of the text, of which at most `length` bytes are written; -1 if
// the template is not known.
//
// # Safety
// `tmpl` is null or a C string, the name of a built-in template or the text of a model's; `chat` has `n_msg` messages of C
// strings; `buf` is null or writable for `length` bytes.
LLAMA_API
int32_t llama_chat_apply_template(const char *tmpl,
                                  const struct llama_chat_message *chat,
                                  size_t n_msg,
                                  bool add_ass,
                                  char *buf,
                                  int32_t length);

// The names of the built-in chat templates: stores the first `len` of them, returns how many there are.
//
// # Safety
// `output` is writable for `len` pointers.
LLAMA_API int32_t llama_chat_builtin_templates(const char **output, size_t len);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

// A metadata value that replaces or adds to the model file's; an array of them ends with an empty key.
struct llama_model_kv_override {
    enum llama_model_kv_override_type tag;

    char key[128];

    union {
        int64_t val_i64;
        double val_f64;
        bool val_bool;
        char val_str[128];
    };
};

typedef struct llama_batch llama_batch;
typedef struct llama_chat_message llama_chat_message;
typedef struct llama_model_quantize_params llama_model_quantize_params;
typedef struct llama_token_data llama_token_data;
typedef struct llama_token_data_array llama_token_data_array;

// C++ functions for programs that look inside.
#if defined(__cplusplus) && defined(LLAMA_API_INTERNAL)

#include <random>
#include <string>
#include <utility>
#include <vector>

// The model's tensors with their names. It lives as long as the context.
const std::vector<std::pair<std::string, struct ggml_tensor *>> & llama_internal_get_tensor_map(struct llama_context *ctx);

// Picks a token by the probabilities of the candidates with the caller's own random numbers.
llama_token llama_sample_token_with_rng(struct llama_context *ctx, llama_token_data_array *candidates, std::mt19937 &rng);

#endif
