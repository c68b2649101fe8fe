//! Types of `ggml.h` that callers may name but that no room works with: numbers of options, the optimizer's records,
//! callbacks. Enumerators have their C names here, since nothing inside uses them.

#![allow(non_camel_case_types)]

use std::ffi::{c_char, c_int, c_void};

use super::raw::ggml_log_level;
use crate::backend::{
    ggml_backend, ggml_backend_buffer, ggml_backend_buffer_type, ggml_backend_sched, ggml_gallocr,
};
use crate::graph::{ggml_cgraph, ggml_context, ggml_tensor};
use crate::llama::params::ggml_abort_callback;

/// How exactly an operator accumulates.
#[repr(C)]
pub enum ggml_prec {
    GGML_PREC_DEFAULT = 0,
    /// In f32.
    GGML_PREC_F32 = 1,
}

/// Where a tensor was kept before there were buffers; unused.
#[repr(C)]
pub enum ggml_backend_type {
    GGML_BACKEND_TYPE_CPU = 0,
    GGML_BACKEND_TYPE_GPU = 10,
    GGML_BACKEND_TYPE_GPU_SPLIT = 20,
}

/// How memory is spread over the nodes of a NUMA machine.
#[repr(C)]
pub enum ggml_numa_strategy {
    GGML_NUMA_STRATEGY_DISABLED = 0,
    GGML_NUMA_STRATEGY_DISTRIBUTE = 1,
    GGML_NUMA_STRATEGY_ISOLATE = 2,
    GGML_NUMA_STRATEGY_NUMACTL = 3,
    GGML_NUMA_STRATEGY_MIRROR = 4,
    GGML_NUMA_STRATEGY_COUNT = 5,
}

/// How `ggml_upscale` interpolates.
#[repr(C)]
pub enum ggml_scale_mode {
    GGML_SCALE_MODE_NEAREST = 0,
    GGML_SCALE_MODE_BILINEAR = 1,
    GGML_SCALE_MODE_BICUBIC = 2,
    GGML_SCALE_MODE_COUNT = 3,
}

/// Bits beside a `ggml_scale_mode`.
#[repr(C)]
pub enum ggml_scale_flag {
    /// The corner samples of both images coincide.
    GGML_SCALE_FLAG_ALIGN_CORNERS = 256,
}

/// The optimizers of `ggml_opt`.
#[repr(C)]
pub enum ggml_opt_type {
    GGML_OPT_TYPE_ADAM = 0,
    GGML_OPT_TYPE_LBFGS = 1,
}

/// Line searches of L-BFGS.
#[repr(C)]
pub enum ggml_linesearch {
    GGML_LINESEARCH_BACKTRACKING_ARMIJO = 0,
    GGML_LINESEARCH_BACKTRACKING_WOLFE = 1,
    GGML_LINESEARCH_BACKTRACKING_STRONG_WOLFE = 2,
}

/// How an optimization ended.
#[repr(C)]
pub enum ggml_opt_result {
    GGML_OPT_RESULT_OK = 0,
    GGML_OPT_RESULT_DID_NOT_CONVERGE = 1,
    GGML_OPT_RESULT_NO_CONTEXT = 2,
    GGML_OPT_RESULT_INVALID_WOLFE = 3,
    GGML_OPT_RESULT_FAIL = 4,
    GGML_OPT_RESULT_CANCEL = 5,
    GGML_LINESEARCH_FAIL = -128,
    GGML_LINESEARCH_MINIMUM_STEP = -127,
    GGML_LINESEARCH_MAXIMUM_STEP = -126,
    GGML_LINESEARCH_MAXIMUM_ITERATIONS = -125,
    GGML_LINESEARCH_INVALID_PARAMETERS = -124,
}

/// Called before each step of an optimization; sets the learning rate's factor and may cancel.
pub type ggml_opt_callback = Option<
    unsafe extern "C" fn(data: *mut c_void, accum_step: c_int, sched: *mut f32, cancel: *mut bool),
>;

/// How to optimize.
#[repr(C)]
pub struct ggml_opt_params {
    pub type_: ggml_opt_type,
    pub graph_size: usize,
    pub n_threads: c_int,
    /// How many steps back the loss is compared with; 0 for no such test.
    pub past: c_int,
    /// The relative change of the loss since then that counts as converged.
    pub delta: f32,
    /// Steps without improvement that count as converged; 0 for no such test.
    pub max_no_improvement: c_int,
    pub print_forward_graph: bool,
    pub print_backward_graph: bool,
    pub n_gradient_accumulation: c_int,
    pub adam: ggml_opt_params_adam,
    pub lbfgs: ggml_opt_params_lbfgs,
}

/// Parameters of Adam.
#[repr(C)]
pub struct ggml_opt_params_adam {
    pub n_iter: c_int,
    /// Factor of the learning rate.
    pub sched: f32,
    /// Weight decay (AdamW); 0 for none.
    pub decay: f32,
    /// Tensors of fewer dimensions don't decay.
    pub decay_min_ndim: c_int,
    /// Learning rate.
    pub alpha: f32,
    pub beta1: f32,
    pub beta2: f32,
    pub eps: f32,
    /// Convergence by the loss.
    pub eps_f: f32,
    /// Convergence by the gradient.
    pub eps_g: f32,
    /// Gradient clipping; 0 for none.
    pub gclip: f32,
}

/// Parameters of L-BFGS.
#[repr(C)]
pub struct ggml_opt_params_lbfgs {
    /// Corrections kept of the inverse Hessian.
    pub m: c_int,
    pub n_iter: c_int,
    pub max_linesearch: c_int,
    pub eps: f32,
    /// Tolerance of the line search.
    pub ftol: f32,
    pub wolfe: f32,
    pub min_step: f32,
    pub max_step: f32,
    pub linesearch: ggml_linesearch,
}

/// The state of an optimization.
#[repr(C)]
pub struct ggml_opt_context {
    pub ctx: *mut ggml_context,
    pub params: ggml_opt_params,
    pub iter: c_int,
    /// Number of parameters.
    pub nx: i64,
    pub just_initialized: bool,
    pub loss_before: f32,
    pub loss_after: f32,
    pub adam: ggml_opt_context_adam,
    pub lbfgs: ggml_opt_context_lbfgs,
}

/// What Adam remembers.
#[repr(C)]
pub struct ggml_opt_context_adam {
    /// Gradient.
    pub g: *mut ggml_tensor,
    /// First moment.
    pub m: *mut ggml_tensor,
    /// Second moment.
    pub v: *mut ggml_tensor,
    /// Past losses.
    pub pf: *mut ggml_tensor,
    pub fx_best: f32,
    pub fx_prev: f32,
    pub n_no_improvement: c_int,
}

/// What L-BFGS remembers.
#[repr(C)]
pub struct ggml_opt_context_lbfgs {
    /// Parameters.
    pub x: *mut ggml_tensor,
    /// Previous parameters.
    pub xp: *mut ggml_tensor,
    /// Gradient.
    pub g: *mut ggml_tensor,
    /// Previous gradient.
    pub gp: *mut ggml_tensor,
    /// Direction of the search.
    pub d: *mut ggml_tensor,
    /// Past losses.
    pub pf: *mut ggml_tensor,
    /// The memory: alpha, `y·s`, s and y.
    pub lmal: *mut ggml_tensor,
    pub lmys: *mut ggml_tensor,
    pub lms: *mut ggml_tensor,
    pub lmy: *mut ggml_tensor,
    pub fx_best: f32,
    pub step: f32,
    pub j: c_int,
    pub k: c_int,
    pub end: c_int,
    pub n_no_improvement: c_int,
}

/// A tensor cut into parts, one per device.
#[repr(C)]
pub struct ggml_split_tensor_t {
    pub n_device: c_int,
    pub split_dim: c_int,
    pub tensor: *mut ggml_tensor,
    pub splits: *mut *mut ggml_tensor,
}

/// Bits of `ggml_tensor::flags`.
#[repr(C)]
pub enum ggml_tensor_flag {
    GGML_TENSOR_FLAG_INPUT = 1,
    GGML_TENSOR_FLAG_OUTPUT = 2,
    /// A parameter that is trained.
    GGML_TENSOR_FLAG_PARAM = 4,
    /// A loss that is minimized; several add up.
    GGML_TENSOR_FLAG_LOSS = 8,
}

/// A word of a bit set.
pub type ggml_bitset_t = u32;

/// What `ggml_init` makes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ggml_init_params {
    /// Bytes of the arena.
    pub mem_size: usize,
    /// The arena's memory, or null to have it allocated.
    pub mem_buffer: *mut c_void,
    /// Leave out the tensors' data.
    pub no_alloc: bool,
}

/// How to compute a graph, made by `ggml_graph_plan`.
#[repr(C)]
pub struct ggml_cplan {
    /// Bytes of `work_data` that the caller has to provide.
    pub work_size: usize,
    pub work_data: *mut u8,
    pub n_threads: c_int,
    /// Called between nodes, unless null; stops the computation when it returns true.
    pub abort_callback: ggml_abort_callback,
    pub abort_callback_data: *mut c_void,
}

/// Names a kind of backend.
pub type ggml_guid = [u8; 16];
pub type ggml_guid_t = *mut ggml_guid;

/// Receives log messages.
pub type ggml_log_callback = Option<
    unsafe extern "C" fn(level: ggml_log_level, text: *const c_char, user_data: *mut c_void),
>;

/// How `gguf_init_from_file` reads.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct gguf_init_params {
    /// Leave out the tensors' data.
    pub no_alloc: bool,
    /// If not null, receives an arena with the file's tensors.
    pub ctx: *mut *mut ggml_context,
}

/// A function of a row's elements: their number, the result, the argument.
pub type ggml_unary_op_f32_t = Option<unsafe extern "C" fn(c_int, *mut f32, *const f32)>;
/// A function of two rows' elements: their number, the result, the arguments.
pub type ggml_binary_op_f32_t =
    Option<unsafe extern "C" fn(c_int, *mut f32, *const f32, *const f32)>;

/// Computes its first tensor from the others.
pub type ggml_custom1_op_f32_t = Option<unsafe extern "C" fn(*mut ggml_tensor, *const ggml_tensor)>;
pub type ggml_custom2_op_f32_t =
    Option<unsafe extern "C" fn(*mut ggml_tensor, *const ggml_tensor, *const ggml_tensor)>;
pub type ggml_custom3_op_f32_t = Option<
    unsafe extern "C" fn(
        *mut ggml_tensor,
        *const ggml_tensor,
        *const ggml_tensor,
        *const ggml_tensor,
    ),
>;

/// Computes task `ith` of `nth` of `dst`.
pub type ggml_custom1_op_t = Option<
    unsafe extern "C" fn(
        dst: *mut ggml_tensor,
        a: *const ggml_tensor,
        ith: c_int,
        nth: c_int,
        userdata: *mut c_void,
    ),
>;
pub type ggml_custom2_op_t = Option<
    unsafe extern "C" fn(
        dst: *mut ggml_tensor,
        a: *const ggml_tensor,
        b: *const ggml_tensor,
        ith: c_int,
        nth: c_int,
        userdata: *mut c_void,
    ),
>;
pub type ggml_custom3_op_t = Option<
    unsafe extern "C" fn(
        dst: *mut ggml_tensor,
        a: *const ggml_tensor,
        b: *const ggml_tensor,
        c: *const ggml_tensor,
        ith: c_int,
        nth: c_int,
        userdata: *mut c_void,
    ),
>;

pub type ggml_backend_t = *mut ggml_backend;
pub type ggml_backend_buffer_t = *mut ggml_backend_buffer;
pub type ggml_backend_buffer_type_t = *mut ggml_backend_buffer_type;
pub type ggml_backend_sched_t = *mut ggml_backend_sched;
pub type ggml_gallocr_t = *mut ggml_gallocr;

/// Marks a point in a device's work.
pub struct ggml_backend_event;
pub type ggml_backend_event_t = *mut ggml_backend_event;
pub type ggml_backend_graph_plan_t = *mut c_void;

/// A graph copied to another backend.
#[repr(C)]
pub struct ggml_backend_graph_copy {
    pub buffer: ggml_backend_buffer_t,
    pub ctx_allocated: *mut ggml_context,
    pub ctx_unallocated: *mut ggml_context,
    pub graph: *mut ggml_cgraph,
}

/// Compares a node's results on two backends; stops the comparison when it returns false.
pub type ggml_backend_eval_callback = Option<
    unsafe extern "C" fn(
        node_index: c_int,
        t1: *mut ggml_tensor,
        t2: *mut ggml_tensor,
        user_data: *mut c_void,
    ) -> bool,
>;
