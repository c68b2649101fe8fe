//! `llama.h`: contexts: making them, setting them, taking batches through the model, and what came out.

use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, OnceLock};

use super::cxx::TensorMap;
use super::llama::{llama_time_us, time_us};
use super::llama_model::llama_model;
use super::raw::llama_pooling_type;
use super::{guard, llama_batch as batches};
use crate::backend::{AbortCallback, EvalCallback};
use crate::error::Result;
use crate::graph::Op;
use crate::llama::context::{Context, DecodeError, stop};
use crate::llama::params::{
    ggml_abort_callback, ggml_backend_sched_eval_callback, llama_batch, llama_context_params,
    llama_seq_id, llama_timings,
};
use crate::{log_error, log_info};

/// What C callers know as `struct llama_context`.
#[allow(non_camel_case_types)]
pub struct llama_context {
    pub(super) context: Context,
    model: *const llama_model,
    tensors: OnceLock<TensorMap>,
}

/// The context behind a pointer.
///
/// # Safety
/// The pointer is null or from `llama_init_from_model`, not freed, and nothing else uses the context now.
pub(super) unsafe fn context<'a>(ptr: *mut llama_context) -> Option<&'a mut Context> {
    // SAFETY: as the caller promised.
    unsafe { ptr.as_mut() }.map(|c| &mut c.context)
}

/// As [`context`], for reading.
///
/// # Safety
/// As for [`context`].
pub(super) unsafe fn context_ref<'a>(ptr: *const llama_context) -> Option<&'a Context> {
    // SAFETY: as the caller promised.
    unsafe { ptr.as_ref() }.map(|c| &c.context)
}

/// Makes a context for a model. Null, with a line in the log, if that fails.
///
/// # Safety
/// `model` is null or a model; the callbacks in `params` are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_init_from_model(
    model: *mut llama_model,
    params: llama_context_params,
) -> *mut llama_context {
    guard("llama_init_from_model", ptr::null_mut(), || {
        // SAFETY: as the caller promised.
        let Some(m) = (unsafe { model.as_ref() }) else {
            log_error!("llama_init_from_model: no model given");
            return ptr::null_mut();
        };
        let eval = eval_callback(params.cb_eval, params.cb_eval_user_data);
        let abort = abort_callback(params.abort_callback, params.abort_callback_data);
        match Context::new(m.model.clone(), &params, eval, abort) {
            Ok(context) => Box::into_raw(Box::new(llama_context {
                context,
                model,
                tensors: OnceLock::new(),
            })),
            Err(e) => {
                log_error!("failed to create a context: {e}");
                ptr::null_mut()
            }
        }
    })
}

/// A caller's evaluation callback. Its data crosses threads as a number: what it points to is the caller's business.
fn eval_callback(f: ggml_backend_sched_eval_callback, data: *mut c_void) -> Option<EvalCallback> {
    let f = f?;
    let data = data.expose_provenance();
    Some(Arc::new(move |t, ask| {
        // SAFETY: the caller gave the function for this use.
        unsafe { f(t.as_ptr(), ask, ptr::with_exposed_provenance_mut(data)) }
    }))
}

/// A caller's abort callback, as [`eval_callback`].
fn abort_callback(f: ggml_abort_callback, data: *mut c_void) -> Option<AbortCallback> {
    let f = f?;
    let data = data.expose_provenance();
    Some(Arc::new(move || {
        // SAFETY: the caller gave the function for this use.
        unsafe { f(ptr::with_exposed_provenance_mut(data)) }
    }))
}

/// Frees a context.
///
/// # Safety
/// The pointer is null or from `llama_init_from_model`, and not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_free(ctx: *mut llama_context) {
    guard("llama_free", (), || {
        if !ctx.is_null() {
            // SAFETY: made by `Box::into_raw` in `llama_init_from_model`.
            drop(unsafe { Box::from_raw(ctx) });
        }
    });
}

/// The model that the context was made for.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_get_model(ctx: *const llama_context) -> *const llama_model {
    // SAFETY: as the caller promised.
    unsafe { ctx.as_ref() }.map_or(ptr::null(), |c| c.model)
}

/// The model's tensors with their names: a C++ function of the reference, whose result it calls a
/// `const std::vector<std::pair<std::string, ggml_tensor *>> &`. It lives as long as the context.
///
/// cbindgen:ignore
///
/// # Safety
/// The pointer is to a context.
#[unsafe(export_name = "_Z29llama_internal_get_tensor_mapB5cxx11P13llama_context")]
pub unsafe extern "C" fn internal_get_tensor_map(ctx: *mut llama_context) -> *const TensorMap {
    guard("llama_internal_get_tensor_map", ptr::null(), || {
        // SAFETY: as the caller promised.
        let Some(c) = (unsafe { ctx.as_ref() }) else {
            log_error!("llama_internal_get_tensor_map: no context given");
            return ptr::null();
        };
        ptr::from_ref(c.tensors.get_or_init(|| {
            let body = c.context.model().body.as_ref();
            TensorMap::of(body.map_or(&[], |b| &b.weights.tensors))
        }))
    })
}

/// Defines getters of numbers: the value without a context, and the value with one.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident($ptr:ty) -> $t:ty = $none:expr, $get:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// The pointer is null or to a context.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(ctx: $ptr) -> $t {
            // SAFETY: as the caller promised.
            unsafe { context_ref(ctx) }.map_or($none, $get)
        }
    )*};
}

getters! {
    /// Cells of the KV cache.
    llama_n_ctx(*const llama_context) -> u32 = 0, |c| c.cparams().n_ctx;
    /// The largest batch for `llama_decode`.
    llama_n_batch(*const llama_context) -> u32 = 0, |c| c.cparams().n_batch;
    /// The largest batch that is computed at once.
    llama_n_ubatch(*const llama_context) -> u32 = 0, |c| c.cparams().n_ubatch;
    llama_n_seq_max(*const llama_context) -> u32 = 0, |c| c.cparams().n_seq_max;
    /// How the embeddings of a sequence become one.
    llama_pooling_type(*const llama_context) -> llama_pooling_type = -1, |c| c.cparams().pooling as llama_pooling_type;
    /// Threads for single tokens.
    llama_n_threads(*mut llama_context) -> u32 = 0, |c| c.cparams().n_threads;
    /// Threads for batches.
    llama_n_threads_batch(*mut llama_context) -> u32 = 0, |c| c.cparams().n_threads_batch;
}

/// Sets the threads for single tokens and for batches; at least one each.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_set_n_threads(
    ctx: *mut llama_context,
    n_threads: u32,
    n_threads_batch: u32,
) {
    // SAFETY: as the caller promised.
    if let Some(c) = unsafe { context(ctx) } {
        c.set_n_threads(n_threads, n_threads_batch);
    }
}

/// Whether batches give embeddings instead of logits.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_set_embeddings(ctx: *mut llama_context, embeddings: bool) {
    // SAFETY: as the caller promised.
    if let Some(c) = unsafe { context(ctx) } {
        c.set_embeddings(embeddings);
    }
}

/// Whether tokens see only earlier positions.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_set_causal_attn(ctx: *mut llama_context, causal_attn: bool) {
    // SAFETY: as the caller promised.
    if let Some(c) = unsafe { context(ctx) } {
        c.set_causal_attn(causal_attn);
    }
}

/// Sets what is asked between the nodes of a computation; when it answers true, `llama_decode` stops and returns 2.
///
/// # Safety
/// The pointer is null or to a context; the callback is valid until it is replaced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_set_abort_callback(
    ctx: *mut llama_context,
    callback: ggml_abort_callback,
    abort_callback_data: *mut c_void,
) {
    // SAFETY: as the caller promised.
    if let Some(c) = unsafe { context(ctx) } {
        c.set_abort_callback(abort_callback(callback, abort_callback_data));
    }
}

/// Waits for computations. They are done when `llama_decode` returns, so there is nothing to wait for.
#[unsafe(no_mangle)]
pub extern "C" fn llama_synchronize(_ctx: *mut llama_context) {}

/// Takes a batch through the model. 0: done; 1: the KV cache has no room for it; 2: stopped by the abort callback; -1: the
/// batch is invalid; -2: the computation failed; -3: stopped by the reference's `llama_decode_stop`. The log says more.
///
/// # Safety
/// The pointer is null or to a context; the batch's arrays are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_decode(ctx: *mut llama_context, batch: llama_batch) -> i32 {
    guard("llama_decode", -2, || {
        // SAFETY: as the caller promised.
        let Some(c) = (unsafe { context(ctx) }) else {
            log_error!("llama_decode: no context given");
            return -1;
        };
        let n_embd = c.model().hparams.n_embd as usize;
        // SAFETY: as the caller promised.
        let result = unsafe { batches::read(&batch, n_embd) }
            .map_err(DecodeError::Invalid)
            .and_then(|batch| c.decode(&batch));
        report("llama_decode", result)
    })
}

/// Takes a batch through the model's encoder. -1, since no model here has one.
///
/// # Safety
/// As for [`llama_decode`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_encode(_ctx: *mut llama_context, _batch: llama_batch) -> i32 {
    log_error!("llama_encode: the model has no encoder");
    -1
}

/// Has all contexts stop before the next piece of a batch, and refuse batches until `llama_decode_reset`: a C++ function of the
/// reference, which its server calls when the client has gone.
///
/// cbindgen:ignore
#[unsafe(export_name = "_Z17llama_decode_stopv")]
pub extern "C" fn decode_stop() {
    stop(true);
}

/// Lets contexts decode again.
///
/// cbindgen:ignore
#[unsafe(export_name = "_Z18llama_decode_resetv")]
pub extern "C" fn decode_reset() {
    stop(false);
}

/// The number for a result, and a line in the log if it is not 0.
pub(super) fn report(what: &str, result: std::result::Result<(), DecodeError>) -> i32 {
    let (code, why) = match result {
        Ok(()) => return 0,
        Err(DecodeError::NoSlot(e)) => (1, e.0),
        Err(DecodeError::Aborted) => (2, "stopped by the abort callback".into()),
        Err(DecodeError::Invalid(e)) => (-1, e.0),
        Err(DecodeError::Failed(e)) => (-2, e.0),
        Err(DecodeError::Stopped) => (-3, "stopped by llama_decode_stop".into()),
    };
    log_error!("{what}: {why}");
    code
}

/// A pointer to floats, or null and a line in the log.
fn floats(what: &str, found: Result<&mut [f32]>) -> *mut f32 {
    match found {
        Ok(row) => row.as_mut_ptr(),
        Err(e) => {
            log_error!("{what}: {e}");
            ptr::null_mut()
        }
    }
}

/// The logits of all outputs of the last batch, one row after the other; null if it gave none.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_get_logits(ctx: *mut llama_context) -> *mut f32 {
    // SAFETY: as the caller promised.
    let rows = unsafe { context(ctx) }.and_then(|c| c.output.logits.all());
    rows.map_or(ptr::null_mut(), <[f32]>::as_mut_ptr)
}

/// The logits of token `i` of the last batch, or for negative `i` of an output counted from the last; null if there are none.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_get_logits_ith(ctx: *mut llama_context, i: i32) -> *mut f32 {
    guard("llama_get_logits_ith", ptr::null_mut(), || {
        // SAFETY: as the caller promised.
        let context = unsafe { context(ctx) };
        context.map_or(ptr::null_mut(), |c| {
            floats("llama_get_logits_ith", c.output.logits_of(i))
        })
    })
}

/// The embeddings of all outputs of the last batch, one row after the other; null if it gave none, or pooled ones.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_get_embeddings(ctx: *mut llama_context) -> *mut f32 {
    // SAFETY: as the caller promised.
    let rows = unsafe { context(ctx) }.and_then(|c| c.output.embd.all());
    rows.map_or(ptr::null_mut(), <[f32]>::as_mut_ptr)
}

/// The embedding of token `i` of the last batch, or for negative `i` of an output counted from the last; null if there is none.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_get_embeddings_ith(ctx: *mut llama_context, i: i32) -> *mut f32 {
    guard("llama_get_embeddings_ith", ptr::null_mut(), || {
        // SAFETY: as the caller promised.
        let context = unsafe { context(ctx) };
        context.map_or(ptr::null_mut(), |c| {
            floats("llama_get_embeddings_ith", c.output.embd_of(i))
        })
    })
}

/// The pooled embedding of a sequence of the last batch; null if there is none.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_get_embeddings_seq(
    ctx: *mut llama_context,
    seq_id: llama_seq_id,
) -> *mut f32 {
    // SAFETY: as the caller promised.
    let row = unsafe { context(ctx) }.and_then(|c| c.output.by_sequence.get_mut(&seq_id));
    row.map_or(ptr::null_mut(), |r| r.values.as_mut_ptr())
}

const NO_TIMINGS: llama_timings = llama_timings {
    t_start_ms: 0.0,
    t_end_ms: 0.0,
    t_load_ms: 0.0,
    t_sample_ms: 0.0,
    t_p_eval_ms: 0.0,
    t_eval_ms: 0.0,
    n_sample: 1,
    n_p_eval: 0,
    n_eval: 1,
};

fn timings(c: &Context) -> llama_timings {
    let t = &c.timings;
    let ms = |us: i64| us as f64 * 1e-3;
    llama_timings {
        t_start_ms: ms(time_us(t.start)),
        t_end_ms: ms(llama_time_us()),
        t_load_ms: ms(t.load_us),
        t_sample_ms: ms(c.sampler.t_sample_us),
        t_p_eval_ms: ms(t.prompt_us),
        t_eval_ms: ms(t.eval_us),
        n_sample: c.sampler.n_sample.max(1),
        n_p_eval: t.n_prompt.max(0),
        n_eval: t.n_eval.max(1),
    }
}

/// Where the time of the context went.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_get_timings(ctx: *mut llama_context) -> llama_timings {
    // SAFETY: as the caller promised.
    unsafe { context_ref(ctx) }.map_or(NO_TIMINGS, timings)
}

/// Logs where the time of the context went.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_print_timings(ctx: *mut llama_context) {
    guard("llama_print_timings", (), || {
        // SAFETY: as the caller promised.
        let Some(t) = (unsafe { context_ref(ctx) }).map(timings) else {
            return;
        };
        let line = |what: &str, ms: f64, n: i32, unit: &str| {
            log_info!(
                "llama_print_timings: {what:>11} time = {ms:10.2} ms / {n:5} {unit:6} ({:8.2} ms per token, {:8.2} tokens per second)",
                ms / f64::from(n),
                1e3 / ms * f64::from(n)
            );
        };
        log_info!(
            "llama_print_timings:        load time = {:10.2} ms",
            t.t_load_ms
        );
        line("sample", t.t_sample_ms, t.n_sample, "runs");
        line("prompt eval", t.t_p_eval_ms, t.n_p_eval, "tokens");
        line("eval", t.t_eval_ms, t.n_eval, "runs");
        log_info!(
            "llama_print_timings:       total time = {:10.2} ms / {:5} tokens",
            t.t_end_ms - t.t_start_ms,
            t.n_p_eval + t.n_eval
        );
    });
}

/// Begins to count anew.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_reset_timings(ctx: *mut llama_context) {
    // SAFETY: as the caller promised.
    if let Some(c) = unsafe { context(ctx) } {
        c.reset_timings();
    }
}

/// Writes the timings to an open file, as lines of YAML.
///
/// # Safety
/// `stream` is null or an open file, `ctx` null or a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_dump_timing_info_yaml(
    stream: *mut libc::FILE,
    ctx: *const llama_context,
) {
    guard("llama_dump_timing_info_yaml", (), || {
        // SAFETY: as the caller promised.
        let Some(t) = (unsafe { context_ref(ctx) }).map(timings) else {
            return;
        };
        if stream.is_null() {
            return;
        }
        let parts = [
            ("eval", t.t_eval_ms, t.n_eval, "during generation"),
            (
                "p_eval",
                t.t_p_eval_ms,
                t.n_p_eval,
                "during prompt processing",
            ),
            ("sample", t.t_sample_ms, t.n_sample, "during sampling"),
        ];
        let mut text = String::from("\n###########\n# Timings #\n###########\n\n");
        for (name, ms, n, when) in parts {
            let (each, rate) = (ms / f64::from(n), 1e3 * f64::from(n) / ms);
            text += &format!(
                "mst_{name}: {each:.2}  # ms / token {when}\nn_{name}: {n}  # number of tokens {when}\n\
                 t_{name}_us: {:.0}  # total microseconds {when}\nts_{name}: {rate:.2}  # tokens / second {when}\n",
                1e3 * ms
            );
        }
        text += &format!(
            "t_load_us: {:.0}  # total microseconds spent loading the model\n",
            1e3 * t.t_load_ms
        );
        // SAFETY: the file is open, and so many bytes are there.
        unsafe { libc::fwrite(text.as_ptr().cast(), 1, text.len(), stream) };
    });
}

/// Whether nodes of an operator may be computed away from their weights; a number that is no operator stands for all.
///
/// # Safety
/// The pointer is null or to a context that nothing else uses now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_set_offload_policy(
    lctx: *mut llama_context,
    op: i32,
    on_or_off: bool,
) {
    guard("llama_set_offload_policy", (), || {
        // SAFETY: as the caller promised.
        if let Some(c) = unsafe { context(lctx) } {
            c.set_offload_policy(Op::from_raw(op as _), on_or_off);
        }
    });
}
