//! The scheduler of `ggml-backend.h`.

// Parameters have their C names.
#![allow(non_snake_case)]

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

use super::ggml::{report, tensor};
use super::ggml_alloc::buffer_types;
use super::ggml_backend::{UserData, backend_ref, buffer_ref};
use super::ggml_graph::graph_ref;
use super::ggml_types::{
    ggml_backend_buffer_t, ggml_backend_buffer_type_t, ggml_backend_sched_t, ggml_backend_t,
};
use super::guard;
use super::raw::{ggml_op, ggml_status};
use crate::backend::{Backend, EvalCallback, Sched, Status};
use crate::error::Result;
use crate::graph::{Graph, Op, Tensor, ggml_cgraph, ggml_tensor};
use crate::llama::params::ggml_backend_sched_eval_callback;
use crate::log_error;

/// A scheduler over backends in order of preference, the last of them the CPU. `bufts` are the memories for their intermediate
/// results, null for those they prefer. Null if that does not fit together.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_new(
    backends: *mut ggml_backend_t,
    bufts: *mut ggml_backend_buffer_type_t,
    n_backends: c_int,
    graph_size: usize,
    _parallel: bool,
) -> ggml_backend_sched_t {
    guard("ggml_backend_sched_new", null_mut(), || {
        // SAFETY: the caller gives as many backends.
        let Some(shares) = (unsafe { shares(backends, n_backends) }) else {
            log_error!("ggml_backend_sched_new: a backend is null");
            return null_mut();
        };
        // SAFETY: null or as many buffer types.
        let types = unsafe { buffer_types(bufts, n_backends) };
        if types.is_none() && !bufts.is_null() {
            log_error!("ggml_backend_sched_new: a buffer type is null");
            return null_mut();
        }
        match Sched::new(shares, types, graph_size) {
            Ok(sched) => Box::into_raw(Box::new(sched)),
            Err(e) => {
                log_error!("ggml_backend_sched_new: {e}");
                null_mut()
            }
        }
    })
}

/// Shares in backends that C owns; `None` if one is null.
///
/// # Safety
/// `backends` is null or points to `n` pointers, each null or a live backend.
unsafe fn shares(backends: *const ggml_backend_t, n: c_int) -> Option<Vec<Arc<Backend>>> {
    if backends.is_null() {
        return None;
    }
    (0..usize::try_from(n).ok()?)
        .map(|i| {
            // SAFETY: as the caller promises.
            let ptr = unsafe { *backends.add(i) }.cast_const();
            if ptr.is_null() {
                return None;
            }
            // SAFETY: backends are given to C as shares of an `Arc`, of which this takes another.
            unsafe {
                Arc::increment_strong_count(ptr);
                Some(Arc::from_raw(ptr))
            }
        })
        .collect()
}

/// Frees a scheduler and its buffers; tensors of its last graph must not be used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_free(sched: ggml_backend_sched_t) {
    guard("ggml_backend_sched_free", (), || {
        if !sched.is_null() {
            // SAFETY: made by a box in `ggml_backend_sched_new`, and freed once.
            drop(unsafe { Box::from_raw(sched) });
        }
    })
}

/// # Safety
/// The pointers are null or a live scheduler and graph.
unsafe fn with_graph<T>(
    name: &str,
    sched: ggml_backend_sched_t,
    cgraph: *mut ggml_cgraph,
    otherwise: T,
    f: impl FnOnce(&mut Sched, Graph) -> T,
) -> T
where
    T: Copy,
{
    guard(name, otherwise, || {
        // SAFETY: as the caller promises.
        match unsafe { (sched.as_mut(), graph_ref(cgraph)) } {
            (Some(sched), Some(graph)) => f(sched, graph),
            _ => {
                log_error!("{name}: the scheduler or the graph is null");
                otherwise
            }
        }
    })
}

fn succeeded(name: &str, result: Result<()>) -> bool {
    let done = result.is_ok();
    report(name, result);
    done
}

/// Makes the buffers large enough for a graph; `false` if there is no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_reserve(
    sched: ggml_backend_sched_t,
    measure_graph: *mut ggml_cgraph,
) -> bool {
    const NAME: &str = "ggml_backend_sched_reserve";
    // SAFETY: a scheduler and a graph from C.
    unsafe {
        with_graph(NAME, sched, measure_graph, false, |s, g| {
            succeeded(NAME, s.reserve(g))
        })
    }
}

/// Gives the tensors of a graph their memory, so that inputs can be set; `false` if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_alloc_graph(
    sched: ggml_backend_sched_t,
    graph: *mut ggml_cgraph,
) -> bool {
    const NAME: &str = "ggml_backend_sched_alloc_graph";
    // SAFETY: a scheduler and a graph from C.
    unsafe {
        with_graph(NAME, sched, graph, false, |s, g| {
            succeeded(NAME, s.alloc_graph(g))
        })
    }
}

/// Computes a graph, allocating it first if need be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_graph_compute(
    sched: ggml_backend_sched_t,
    graph: *mut ggml_cgraph,
) -> ggml_status {
    const NAME: &str = "ggml_backend_sched_graph_compute";
    // SAFETY: a scheduler and a graph from C.
    unsafe { with_graph(NAME, sched, graph, Status::Failed, Sched::graph_compute) as ggml_status }
}

/// Begins to compute a graph, allocating it first if need be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_graph_compute_async(
    sched: ggml_backend_sched_t,
    graph: *mut ggml_cgraph,
) -> ggml_status {
    const NAME: &str = "ggml_backend_sched_graph_compute_async";
    // SAFETY: a scheduler and a graph from C.
    let status = unsafe {
        with_graph(
            NAME,
            sched,
            graph,
            Status::Failed,
            Sched::graph_compute_async,
        )
    };
    status as ggml_status
}

/// Waits for the work begun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_synchronize(sched: ggml_backend_sched_t) {
    guard("ggml_backend_sched_synchronize", (), || {
        // SAFETY: null or a live scheduler.
        if let Some(s) = unsafe { sched.as_ref() } {
            s.synchronize();
        }
    })
}

/// Forgets the graph at hand, and where its tensors were to be computed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_reset(sched: ggml_backend_sched_t) {
    guard("ggml_backend_sched_reset", (), || {
        // SAFETY: null or a live scheduler.
        if let Some(s) = unsafe { sched.as_mut() } {
            s.reset();
        }
    })
}

/// Asks about each node whether the user wants to see it (`ask`), and shows those when they are computed; showing ends the computation
/// when the callback returns false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_set_eval_callback(
    sched: ggml_backend_sched_t,
    callback: ggml_backend_sched_eval_callback,
    user_data: *mut c_void,
) {
    let data = UserData::new(user_data);
    let callback = callback.map(|f| -> EvalCallback {
        // SAFETY: the caller's function with the caller's data.
        Arc::new(move |t: Tensor, ask| unsafe { f(t.as_ptr(), ask, data.get()) })
    });
    // SAFETY: null or a live scheduler.
    if let Some(s) = unsafe { sched.as_mut() } {
        s.set_eval_callback(callback);
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_get_n_backends(sched: ggml_backend_sched_t) -> c_int {
    // SAFETY: null or a live scheduler.
    unsafe { sched.as_ref() }.map_or(0, |s| s.backends().len() as c_int)
}

/// The `i`-th backend, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_get_backend(
    sched: ggml_backend_sched_t,
    i: c_int,
) -> ggml_backend_t {
    // SAFETY: null or a live scheduler.
    unsafe { sched.as_ref() }
        .and_then(|s| s.backends().get(usize::try_from(i).ok()?))
        .map_or(null_mut(), |b| Arc::as_ptr(b).cast_mut())
}

/// The number of the first backend that can use a buffer; -1 if none can.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_get_backend_idx(
    sched: ggml_backend_sched_t,
    buffer: ggml_backend_buffer_t,
) -> c_int {
    // SAFETY: null, or a live scheduler and buffer.
    let (s, b) = unsafe { (sched.as_ref(), buffer_ref(buffer)) };
    s.zip(b)
        .and_then(|(s, b)| s.backend_of_buffer(b))
        .map_or(-1, |i| i as c_int)
}

/// How many parts the last graph had.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_get_n_splits(sched: ggml_backend_sched_t) -> c_int {
    // SAFETY: null or a live scheduler.
    unsafe { sched.as_ref() }.map_or(0, |s| s.n_splits() as c_int)
}

/// How many copies of inputs are kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_get_n_copies(sched: ggml_backend_sched_t) -> c_int {
    // SAFETY: null or a live scheduler.
    unsafe { sched.as_ref() }.map_or(0, |s| s.n_copies() as c_int)
}

/// Bytes of the buffer for intermediate results on a backend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_get_buffer_size(
    sched: ggml_backend_sched_t,
    backend: ggml_backend_t,
) -> usize {
    // SAFETY: null, or a live scheduler and backend.
    let (s, b) = unsafe { (sched.as_ref(), backend_ref(backend)) };
    s.zip(b).map_or(0, |(s, b)| s.buffer_size(b))
}

/// Wants a node to be computed by a backend, until the next reset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_set_tensor_backend(
    sched: ggml_backend_sched_t,
    node: *mut ggml_tensor,
    backend: ggml_backend_t,
) {
    guard("ggml_backend_sched_set_tensor_backend", (), || {
        // SAFETY: null, or a live scheduler, tensor and backend.
        let all = unsafe { (sched.as_mut(), tensor(node), backend_ref(backend)) };
        if let (Some(s), Some(t), Some(b)) = all {
            report(
                "ggml_backend_sched_set_tensor_backend",
                s.set_tensor_backend(t, b),
            );
        }
    })
}

/// The backend that computes a tensor of the last graph, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_get_tensor_backend(
    sched: ggml_backend_sched_t,
    node: *mut ggml_tensor,
) -> ggml_backend_t {
    // SAFETY: null, or a live scheduler and tensor.
    let (s, t) = unsafe { (sched.as_ref(), tensor(node)) };
    s.zip(t)
        .and_then(|(s, t)| s.tensor_backend(t))
        .map_or(null_mut(), |b| Arc::as_ptr(b).cast_mut())
}

/// Whether nodes of an operator may be computed away from their weights; a number that is no operator stands for all.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_sched_set_op_offload(
    sched: ggml_backend_sched_t,
    op: ggml_op,
    on_or_off: bool,
) {
    guard("ggml_backend_sched_set_op_offload", (), || {
        // SAFETY: null or a live scheduler.
        if let Some(s) = unsafe { sched.as_mut() } {
            s.set_op_offload(Op::from_raw(op), on_or_off);
        }
    })
}

/// Whether only the experts in use are sent to devices that compute away from their weights. The CPU never does.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_sched_set_only_active_experts(
    _sched: ggml_backend_sched_t,
    _on_or_off: bool,
) {
}

/// Whether several devices with memory of their own compute parts of the same operators. The CPU is one device.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_sched_set_split_mode_graph(
    _sched: ggml_backend_sched_t,
    _on_or_off: bool,
    _async: bool,
) {
}

/// Mebibytes beside the compute buffers for inputs of several devices with memory of their own. The CPU needs none.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_sched_set_max_extra_alloc(
    _sched: ggml_backend_sched_t,
    _extra_alloc_MiB: c_int,
) {
}
