//! The parameter structs and enumerations of `llama.h` that say how to load, run and quantize a model, with their
//! defaults. They are laid out as in C, since callers fill them in.
//!
//! Fields that hold an enumerator have the type of a raw number (`Raw...`), since C may put anything into them; they are
//! read with the enumeration's `from_raw`.

#![allow(non_camel_case_types)]

use std::ffi::{c_char, c_void};

use strum::VariantArray;

use super::ftype::Ftype;
use crate::graph::ggml_tensor;
use crate::quant::Type;

pub type llama_pos = i32;
pub type llama_token = i32;
pub type llama_seq_id = i32;

/// The seed that asks for a random one.
pub const LLAMA_DEFAULT_SEED: u32 = 0xFFFF_FFFF;
/// No token.
pub const LLAMA_TOKEN_NULL: llama_token = -1;

/// A number of [`Type`].
pub type RawType = i32;
/// A number of [`RopeScalingType`].
pub type RawRopeScalingType = i32;
/// A number of [`PoolingType`].
pub type RawPoolingType = i32;
/// A number of [`AttentionType`].
pub type RawAttentionType = i32;
/// A number of [`SplitMode`].
pub type RawSplitMode = u32;
/// A number of [`MtpOpType`].
pub type RawMtpOpType = u32;
/// A number of [`KvOverrideType`].
pub type RawKvOverrideType = u32;
/// A number of [`Ftype`].
pub type RawFtype = u32;

/// One past the largest tensor type: "as the file type says" in [`llama_model_quantize_params`].
pub const TYPE_COUNT: RawType = 400;

/// The number of threads of a context whose creator did not choose.
const DEFAULT_N_THREADS: u32 = 4;

macro_rules! from_raw {
    ($($name:ident: $raw:ty),*) => {$(
        impl $name {
            /// The enumerator with this number, if there is one.
            pub fn from_raw(raw: $raw) -> Option<$name> {
                $name::VARIANTS.iter().copied().find(|v| *v as $raw == raw)
            }
        }
    )*};
}
from_raw!(
    RopeScalingType: RawRopeScalingType, PoolingType: RawPoolingType, AttentionType: RawAttentionType,
    SplitMode: RawSplitMode, MtpOpType: RawMtpOpType, KvOverrideType: RawKvOverrideType, Ftype: RawFtype
);

/// How positions are rotated (`enum llama_rope_type`; beyond -1 these are the modes of `ggml_rope`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeType {
    None = -1,
    Norm = 0,
    Neox = 2,
    Mrope = 8,
    Imrope = 40,
    Vision = 24,
}

/// How positions beyond the training context are squeezed (`enum llama_rope_scaling_type`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum RopeScalingType {
    Unspecified = -1,
    None = 0,
    Linear = 1,
    Yarn = 2,
    Longrope = 3,
}

/// How the embeddings of a sequence become one (`enum llama_pooling_type`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum PoolingType {
    Unspecified = -1,
    None = 0,
    Mean = 1,
    Cls = 2,
    Last = 3,
}

/// Whether a token attends to later ones (`enum llama_attention_type`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum AttentionType {
    Unspecified = -1,
    Causal = 0,
    NonCausal = 1,
}

/// `enum llama_flash_attn_type`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum FlashAttnType {
    Auto = -1,
    Disabled = 0,
    Enabled = 1,
}

/// How a model is split over several devices (`enum llama_split_mode`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum SplitMode {
    None = 0,
    Layer = 1,
    Attn = 2,
    Graph = 3,
}

/// What a context does with the layers that predict further tokens (`enum llama_mtp_op_type`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum MtpOpType {
    None = 0,
    Warmup = 1,
    UpdateAccepted = 2,
    DraftGen = 3,
}

/// Which field of a [`llama_model_kv_override`] holds the value (`enum llama_model_kv_override_type`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum KvOverrideType {
    Int = 0,
    Float = 1,
    Bool = 2,
    Str = 3,
}

/// A candidate for the next token.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct llama_token_data {
    pub id: llama_token,
    /// Log-odds.
    pub logit: f32,
    /// Probability, once it has been computed.
    pub p: f32,
}

/// The candidates for the next token, which the samplers thin out and reorder.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct llama_token_data_array {
    pub data: *mut llama_token_data,
    pub size: usize,
    /// An index into `data`, not a token.
    pub selected: i64,
    /// By descending logit.
    pub sorted: bool,
}

/// Called with the fraction that is loaded; returning false cancels.
pub type llama_progress_callback =
    Option<unsafe extern "C" fn(progress: f32, user_data: *mut c_void) -> bool>;
/// Called between nodes; returning true stops the computation.
pub type ggml_abort_callback = Option<unsafe extern "C" fn(data: *mut c_void) -> bool>;
/// Called for each tensor of a graph: first (`ask`) whether its value is wanted, then with the value; the answer false
/// to the second call stops the computation.
pub type ggml_backend_sched_eval_callback =
    Option<unsafe extern "C" fn(t: *mut ggml_tensor, ask: bool, user_data: *mut c_void) -> bool>;

/// The input of `llama_decode`: `n_tokens` tokens or embeddings, their positions and sequences.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct llama_batch {
    pub n_tokens: i32,
    /// Token numbers, if `embd` is null.
    pub token: *mut llama_token,
    /// `n_embd` values per token, if `token` is null.
    pub embd: *mut f32,
    /// Positions; null means `all_pos_0 + i * all_pos_1`.
    pub pos: *mut llama_pos,
    /// How many sequences each token belongs to.
    pub n_seq_id: *mut i32,
    /// The sequences of each token; null means the one sequence `all_seq_id`.
    pub seq_id: *mut *mut llama_seq_id,
    /// Whether a token's logits (or embedding) are wanted; null means only the last token's.
    pub logits: *mut i8,
    pub all_pos_0: llama_pos,
    pub all_pos_1: llama_pos,
    pub all_seq_id: llama_seq_id,
}

/// The value of a [`llama_model_kv_override`]; its tag says which field.
#[repr(C)]
#[derive(Clone, Copy)]
pub union llama_model_kv_override_value {
    pub val_i64: i64,
    pub val_f64: f64,
    pub val_bool: bool,
    pub val_str: [c_char; 128],
}

/// Replaces or adds a metadata value of the model file. A list of them ends with an empty key.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct llama_model_kv_override {
    pub tag: RawKvOverrideType,
    pub key: [c_char; 128],
    pub value: llama_model_kv_override_value,
}

/// Puts the tensors whose names match the regular expression `pattern` into buffers of type `buft`. A list ends with a null pattern.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct llama_model_tensor_buft_override {
    pub pattern: *const c_char,
    /// A `ggml_backend_buffer_type_t`.
    pub buft: *mut c_void,
}

/// How to load a model.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct llama_model_params {
    /// Comma-separated names of the devices to use.
    pub devices: *const c_char,
    /// How many layers to put on accelerators.
    pub n_gpu_layers: i32,
    /// The variant of multi-head latent attention.
    pub mla: i32,
    pub split_mode: RawSplitMode,
    pub main_gpu: i32,
    pub max_gpu: i32,
    pub ncmoe: i32,
    pub type_k: RawType,
    pub type_v: RawType,
    pub max_ctx_size: u32,
    pub n_seq_max: i32,
    pub n_ubatch: i32,
    pub amb: i32,
    pub fit_margin: i32,
    pub fit: bool,
    pub worst_graph_tokens: i32,
    pub type_k_first: RawType,
    pub type_k_last: RawType,
    pub type_v_first: RawType,
    pub type_v_last: RawType,
    pub n_k_first: i32,
    pub n_k_last: i32,
    pub n_v_first: i32,
    pub n_v_last: i32,
    /// The share of each device, `llama_max_devices()` values, or null.
    pub tensor_split: *const f32,
    /// Comma-separated list of RPC servers.
    pub rpc_servers: *const c_char,
    pub progress_callback: llama_progress_callback,
    pub progress_callback_user_data: *mut c_void,
    pub kv_overrides: *const llama_model_kv_override,
    pub tensor_buft_overrides: *const llama_model_tensor_buft_override,
    /// Load the metadata and the vocabulary only.
    pub vocab_only: bool,
    /// Use the weights in place in the mapped file.
    pub use_mmap: bool,
    /// Keep the weights in RAM.
    pub use_mlock: bool,
    /// Refuse tensors with invalid values.
    pub check_tensors: bool,
    pub repack_tensors: bool,
    /// Use transparent huge pages.
    pub use_thp: bool,
    /// Refuse quantized tensors with scales that are not numbers.
    pub validate_quants: bool,
    pub merge_qkv: bool,
    pub merge_up_gate_exps: bool,
    pub mtp: bool,
    /// Skip loading the tensors.
    pub dry_run: bool,
    pub flash_attn: bool,
}

impl Default for llama_model_params {
    fn default() -> llama_model_params {
        let f16 = Type::F16.raw();
        llama_model_params {
            devices: std::ptr::null(),
            n_gpu_layers: 0,
            mla: 0,
            split_mode: SplitMode::Layer as RawSplitMode,
            main_gpu: 0,
            max_gpu: 0,
            ncmoe: 0,
            type_k: f16,
            type_v: f16,
            max_ctx_size: 0,
            n_seq_max: 1,
            n_ubatch: 512,
            amb: 0,
            fit_margin: 0,
            fit: false,
            worst_graph_tokens: 0,
            type_k_first: f16,
            type_k_last: f16,
            type_v_first: f16,
            type_v_last: f16,
            n_k_first: -1,
            n_k_last: -1,
            n_v_first: -1,
            n_v_last: -1,
            tensor_split: std::ptr::null(),
            rpc_servers: std::ptr::null(),
            progress_callback: None,
            progress_callback_user_data: std::ptr::null_mut(),
            kv_overrides: std::ptr::null(),
            tensor_buft_overrides: std::ptr::null(),
            vocab_only: false,
            use_mmap: true,
            use_mlock: false,
            check_tensors: false,
            repack_tensors: false,
            use_thp: false,
            validate_quants: false,
            merge_qkv: false,
            merge_up_gate_exps: false,
            mtp: false,
            dry_run: false,
            flash_attn: true,
        }
    }
}

/// How to run a model.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct llama_context_params {
    /// Of the context's random numbers; [`LLAMA_DEFAULT_SEED`] for a random one.
    pub seed: u32,
    /// Cells of the KV cache; 0 for the model's training context.
    pub n_ctx: u32,
    /// The largest batch that `llama_decode` takes.
    pub n_batch: u32,
    /// The largest batch that is computed at once.
    pub n_ubatch: u32,
    pub n_seq_max: u32,
    /// Threads for single tokens.
    pub n_threads: u32,
    /// Threads for batches.
    pub n_threads_batch: u32,
    pub max_extra_alloc: i32,
    pub worst_case_tokens: i32,
    pub rope_scaling_type: RawRopeScalingType,
    pub pooling_type: RawPoolingType,
    pub attention_type: RawAttentionType,
    /// 0 for the model's.
    pub rope_freq_base: f32,
    /// 0 for the model's.
    pub rope_freq_scale: f32,
    /// YaRN's extrapolation mix; negative for the model's.
    pub yarn_ext_factor: f32,
    /// YaRN's magnitude scaling; negative for the model's.
    pub yarn_attn_factor: f32,
    /// YaRN's low correction dimension; negative for the model's.
    pub yarn_beta_fast: f32,
    /// YaRN's high correction dimension; negative for the model's.
    pub yarn_beta_slow: f32,
    /// 0 for the model's.
    pub yarn_orig_ctx: u32,
    /// Defragment the KV cache when more than this share of it is holes; negative never.
    pub defrag_thold: f32,
    pub cb_eval: ggml_backend_sched_eval_callback,
    pub cb_eval_user_data: *mut c_void,
    pub type_k: RawType,
    pub type_v: RawType,
    pub type_reduce: RawType,
    pub type_k_first: RawType,
    pub type_k_last: RawType,
    pub type_v_first: RawType,
    pub type_v_last: RawType,
    pub n_k_first: i32,
    pub n_k_last: i32,
    pub n_v_first: i32,
    pub n_v_last: i32,
    pub logits_all: bool,
    /// Give embeddings instead of logits.
    pub embeddings: bool,
    pub offload_kqv: bool,
    pub flash_attn: bool,
    pub mla_attn: i32,
    pub attn_max_batch: i32,
    pub fused_moe_up_gate: bool,
    pub grouped_expert_routing: bool,
    pub fused_up_gate: bool,
    pub fused_mmad: bool,
    pub rope_cache: bool,
    pub graph_reuse: bool,
    pub min_experts: i32,
    pub thresh_experts: f32,
    pub only_active_experts: bool,
    pub k_cache_hadamard: bool,
    pub v_cache_hadamard: bool,
    pub split_mode_graph_scheduling: bool,
    pub scheduler_async: bool,
    pub mtp: bool,
    pub mtp_op_type: RawMtpOpType,
    pub abort_callback: ggml_abort_callback,
    pub abort_callback_data: *mut c_void,
    pub offload_policy: *mut c_void,
    pub cuda_params: *mut c_void,
}

impl Default for llama_context_params {
    fn default() -> llama_context_params {
        let f16 = Type::F16.raw();
        llama_context_params {
            seed: LLAMA_DEFAULT_SEED,
            n_ctx: 512,
            n_batch: 2048,
            n_ubatch: 512,
            n_seq_max: 1,
            n_threads: DEFAULT_N_THREADS,
            n_threads_batch: DEFAULT_N_THREADS,
            max_extra_alloc: 256,
            worst_case_tokens: 0,
            rope_scaling_type: RopeScalingType::Unspecified as RawRopeScalingType,
            pooling_type: PoolingType::Unspecified as RawPoolingType,
            attention_type: AttentionType::Unspecified as RawAttentionType,
            rope_freq_base: 0.0,
            rope_freq_scale: 0.0,
            yarn_ext_factor: -1.0,
            yarn_attn_factor: -1.0,
            yarn_beta_fast: -1.0,
            yarn_beta_slow: -1.0,
            yarn_orig_ctx: 0,
            defrag_thold: -1.0,
            cb_eval: None,
            cb_eval_user_data: std::ptr::null_mut(),
            type_k: f16,
            type_v: f16,
            type_reduce: f16,
            type_k_first: f16,
            type_k_last: f16,
            type_v_first: f16,
            type_v_last: f16,
            n_k_first: -1,
            n_k_last: -1,
            n_v_first: -1,
            n_v_last: -1,
            logits_all: false,
            embeddings: false,
            offload_kqv: true,
            flash_attn: true,
            mla_attn: 3,
            attn_max_batch: 0,
            fused_moe_up_gate: true,
            grouped_expert_routing: false,
            fused_up_gate: true,
            fused_mmad: true,
            rope_cache: false,
            graph_reuse: true,
            min_experts: -1,
            thresh_experts: 0.0,
            only_active_experts: false,
            k_cache_hadamard: false,
            v_cache_hadamard: false,
            split_mode_graph_scheduling: false,
            scheduler_async: false,
            mtp: false,
            mtp_op_type: MtpOpType::None as RawMtpOpType,
            abort_callback: None,
            abort_callback_data: std::ptr::null_mut(),
            offload_policy: std::ptr::null_mut(),
            cuda_params: std::ptr::null_mut(),
        }
    }
}

/// How to quantize a model file. A tensor type of [`TYPE_COUNT`] leaves the choice to `ftype`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct llama_model_quantize_params {
    /// Threads; all of the machine's if not positive.
    pub nthread: i32,
    pub ftype: RawFtype,
    pub output_tensor_type: RawType,
    pub token_embedding_type: RawType,
    pub attn_q_type: RawType,
    pub attn_k_type: RawType,
    pub attn_v_type: RawType,
    pub attn_qkv_type: RawType,
    pub attn_output_type: RawType,
    pub ffn_gate_type: RawType,
    pub ffn_down_type: RawType,
    pub ffn_up_type: RawType,
    pub ffn_gate_inp_type: RawType,
    pub allow_requantize: bool,
    pub quantize_output_tensor: bool,
    pub only_copy: bool,
    pub pure_: bool,
    pub keep_split: bool,
    pub ignore_imatrix_rules: bool,
    pub only_repack: bool,
    pub dry_run: bool,
    pub partial_requant: bool,
    pub imatrix: *mut c_void,
    pub kv_overrides: *mut c_void,
    pub custom_quants: *mut c_void,
    pub repack_pattern: *mut c_void,
}

impl Default for llama_model_quantize_params {
    fn default() -> llama_model_quantize_params {
        llama_model_quantize_params {
            nthread: 0,
            ftype: Ftype::MostlyQ5_1 as RawFtype,
            output_tensor_type: TYPE_COUNT,
            token_embedding_type: TYPE_COUNT,
            attn_q_type: TYPE_COUNT,
            attn_k_type: TYPE_COUNT,
            attn_v_type: TYPE_COUNT,
            attn_qkv_type: TYPE_COUNT,
            attn_output_type: TYPE_COUNT,
            ffn_gate_type: TYPE_COUNT,
            ffn_down_type: TYPE_COUNT,
            ffn_up_type: TYPE_COUNT,
            ffn_gate_inp_type: TYPE_COUNT,
            allow_requantize: false,
            quantize_output_tensor: true,
            only_copy: false,
            pure_: false,
            keep_split: false,
            ignore_imatrix_rules: false,
            only_repack: false,
            dry_run: false,
            partial_requant: false,
            imatrix: std::ptr::null_mut(),
            kv_overrides: std::ptr::null_mut(),
            custom_quants: std::ptr::null_mut(),
            repack_pattern: std::ptr::null_mut(),
        }
    }
}

/// Where the time of a context went, in milliseconds.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct llama_timings {
    pub t_start_ms: f64,
    pub t_end_ms: f64,
    pub t_load_ms: f64,
    pub t_sample_ms: f64,
    /// Of batches.
    pub t_p_eval_ms: f64,
    /// Of single tokens.
    pub t_eval_ms: f64,
    pub n_sample: i32,
    pub n_p_eval: i32,
    pub n_eval: i32,
}

/// A cell of a [`llama_kv_cache_view`].
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct llama_kv_cache_view_cell {
    /// Negative if the cell is empty.
    pub pos: llama_pos,
}

/// A picture of the KV cache, for debugging.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct llama_kv_cache_view {
    pub n_cells: i32,
    /// Sequences shown per cell.
    pub n_seq_max: i32,
    /// Sequences of all cells together.
    pub token_count: i32,
    pub used_cells: i32,
    /// The longest run of empty cells.
    pub max_contiguous: i32,
    /// Where it begins; negative if the cache is full.
    pub max_contiguous_idx: i32,
    pub cells: *mut llama_kv_cache_view_cell,
    /// `n_seq_max` per cell.
    pub cells_sequences: *mut llama_seq_id,
}
