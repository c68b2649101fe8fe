//! The part of `ggml.h` about graphs: building, copying, computing and printing them; and the sets of tensors they use.

use std::ffi::{c_char, c_int};
use std::ptr::null_mut;

use super::ggml::{bytes, report};
use super::ggml_backend::UserData;
use super::ggml_types::ggml_cplan;
use super::guard;
use super::raw::ggml_status;
use crate::cpu::{self, Status};
use crate::error::Result;
use crate::graph::{
    Context, DEFAULT_GRAPH_SIZE, Graph, Tensor, ggml_cgraph, ggml_context, ggml_hash_set,
    ggml_tensor, graph_overhead, hash_size,
};
use crate::log_error;

/// Threads when the caller says none (`GGML_DEFAULT_N_THREADS`).
const DEFAULT_N_THREADS: c_int = 4;

/// The graph behind a pointer from C.
///
/// # Safety
/// The pointer is null or points to an initialized graph that lives as long as the handle is used.
pub(super) unsafe fn graph_ref(ptr: *const ggml_cgraph) -> Option<Graph> {
    // SAFETY: as the caller promises.
    unsafe { Graph::from_ptr(ptr.cast_mut()) }
}

/// # Safety
/// The pointer is null or a live context.
unsafe fn in_context(
    name: &str,
    ctx: *const ggml_context,
    build: impl FnOnce(&Context) -> Result<Graph>,
) -> *mut ggml_cgraph {
    guard(name, null_mut(), || {
        // SAFETY: as the caller promises.
        match unsafe { ctx.as_ref() }.map(build) {
            Some(Ok(graph)) => graph.as_ptr(),
            Some(Err(e)) => {
                log_error!("{name}: {e}");
                null_mut()
            }
            None => {
                log_error!("{name}: the context is null");
                null_mut()
            }
        }
    })
}

/// An empty graph for `GGML_DEFAULT_GRAPH_SIZE` nodes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_new_graph(ctx: *mut ggml_context) -> *mut ggml_cgraph {
    // SAFETY: a context from C.
    unsafe { ggml_new_graph_custom(ctx, DEFAULT_GRAPH_SIZE, false) }
}

/// An empty graph for `size` nodes, and their gradients if `grads`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_new_graph_custom(
    ctx: *mut ggml_context,
    size: usize,
    grads: bool,
) -> *mut ggml_cgraph {
    // SAFETY: a context from C.
    unsafe { in_context("ggml_new_graph", ctx, |ctx| ctx.new_graph(size, grads)) }
}

/// A copy of a graph (not of its tensors).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_dup(
    ctx: *mut ggml_context,
    cgraph: *mut ggml_cgraph,
) -> *mut ggml_cgraph {
    // SAFETY: a graph and a context from C.
    unsafe {
        match graph_ref(cgraph) {
            Some(g) => in_context("ggml_graph_dup", ctx, |ctx| ctx.dup_graph(g)),
            None => null_mut(),
        }
    }
}

/// Bytes that a graph takes in an arena.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_graph_overhead() -> usize {
    graph_overhead(DEFAULT_GRAPH_SIZE, false)
}

/// Bytes that a graph for `size` nodes takes in an arena.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_graph_overhead_custom(size: usize, grads: bool) -> usize {
    graph_overhead(size, grads)
}

/// Adds a tensor and everything it is computed from.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_build_forward_expand(
    cgraph: *mut ggml_cgraph,
    tensor: *mut ggml_tensor,
) {
    guard("ggml_build_forward_expand", (), || {
        // SAFETY: null, or a live graph and tensor.
        if let (Some(g), Some(t)) = unsafe { (graph_ref(cgraph), Tensor::from_ptr(tensor)) } {
            report("ggml_build_forward_expand", g.build_forward_expand(t));
        }
    })
}

/// The nodes `i0` to `i1 - 1` as a graph that shares the arrays of `cgraph`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_view(
    cgraph: *mut ggml_cgraph,
    i0: c_int,
    i1: c_int,
) -> ggml_cgraph {
    let index = |i: c_int| usize::try_from(i).unwrap_or(0);
    // SAFETY: null or a live graph.
    match unsafe { graph_ref(cgraph) } {
        Some(g) => g.view(index(i0), index(i1)),
        None => ggml_cgraph::empty(),
    }
}

/// Copies a graph into one that is large enough.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_cpy(src: *mut ggml_cgraph, dst: *mut ggml_cgraph) {
    guard("ggml_graph_cpy", (), || {
        // SAFETY: null or live graphs.
        if let (Some(src), Some(dst)) = unsafe { (graph_ref(src), graph_ref(dst)) } {
            report("ggml_graph_cpy", src.copy_to(dst));
        }
    })
}

/// Sets the gradients to zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_reset(cgraph: *mut ggml_cgraph) {
    guard("ggml_graph_reset", (), || {
        // SAFETY: null or a live graph.
        let Some(g) = (unsafe { graph_ref(cgraph) }) else {
            return;
        };
        for grad in (0..g.n_nodes()).filter_map(|i| g.grad(i)) {
            report("ggml_graph_reset", grad.set_zero());
        }
    })
}

/// Takes all nodes and leafs out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_clear(cgraph: *mut ggml_cgraph) {
    // SAFETY: null or a live graph.
    if let Some(g) = unsafe { graph_ref(cgraph) } {
        g.clear();
    }
}

/// Most nodes that it can hold.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_size(cgraph: *mut ggml_cgraph) -> c_int {
    // SAFETY: null or a live graph.
    unsafe { graph_ref(cgraph) }.map_or(0, |g| g.size() as c_int)
}

/// The `i`-th node, counted from the end if negative; null if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_node(cgraph: *mut ggml_cgraph, i: c_int) -> *mut ggml_tensor {
    // SAFETY: null or a live graph.
    unsafe { graph_ref(cgraph) }
        .and_then(|g| g.node(i.into()))
        .map_or(null_mut(), Tensor::as_ptr)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_nodes(cgraph: *mut ggml_cgraph) -> *mut *mut ggml_tensor {
    // SAFETY: null or a live graph.
    unsafe { cgraph.as_ref() }.map_or(null_mut(), |g| g.nodes)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_n_nodes(cgraph: *mut ggml_cgraph) -> c_int {
    // SAFETY: null or a live graph.
    unsafe { graph_ref(cgraph) }.map_or(0, |g| g.n_nodes() as c_int)
}

/// The leaf or node of this name, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_get_tensor(
    cgraph: *mut ggml_cgraph,
    name: *const c_char,
) -> *mut ggml_tensor {
    guard("ggml_graph_get_tensor", null_mut(), || {
        // SAFETY: null or a live graph, and a string.
        let (g, name) = unsafe { (graph_ref(cgraph), bytes(name)) };
        g.and_then(|g| g.get_tensor(name))
            .map_or(null_mut(), Tensor::as_ptr)
    })
}

/// Says how to compute a graph: the caller provides `work_size` bytes at `work_data`, unless that is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_plan(
    cgraph: *const ggml_cgraph,
    n_threads: c_int,
) -> ggml_cplan {
    let n_threads = if n_threads > 0 {
        n_threads
    } else {
        DEFAULT_N_THREADS
    };
    let work_size = guard("ggml_graph_plan", 0, || {
        // SAFETY: null or a live graph.
        unsafe { graph_ref(cgraph) }.map_or(0, |g| cpu::plan(g.nodes(), n_threads as usize))
    });
    ggml_cplan {
        work_size,
        work_data: null_mut(),
        n_threads,
        abort_callback: None,
        abort_callback_data: null_mut(),
    }
}

/// Computes a graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_compute(
    cgraph: *mut ggml_cgraph,
    cplan: *mut ggml_cplan,
) -> ggml_status {
    guard("ggml_graph_compute", Status::Failed as ggml_status, || {
        // SAFETY: null, or a live graph and plan.
        let (Some(g), Some(plan)) = (unsafe { (graph_ref(cgraph), cplan.as_ref()) }) else {
            log_error!("ggml_graph_compute: the graph or the plan is null");
            return Status::Failed as ggml_status;
        };
        if plan.n_threads <= 0 || (plan.work_size > 0 && plan.work_data.is_null()) {
            log_error!("ggml_graph_compute: the plan has no threads or no work buffer");
            return Status::Failed as ggml_status;
        }
        let data = UserData::new(plan.abort_callback_data);
        let callback = plan.abort_callback;
        let abort = move || {
            // SAFETY: the caller's function with the caller's data.
            callback.is_some_and(|f| unsafe { f(data.get()) })
        };
        let abort: Option<&(dyn Fn() -> bool + Sync)> = callback.is_some().then_some(&abort);
        // SAFETY: the caller provides the work buffer, and allocated tensors that nobody else writes meanwhile.
        let status = unsafe {
            cpu::compute(
                g.nodes(),
                plan.n_threads as usize,
                plan.work_data,
                plan.work_size,
                abort,
            )
        };
        status as ggml_status
    })
}

/// Computes a graph with a work buffer in the arena.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_compute_with_ctx(
    ctx: *mut ggml_context,
    cgraph: *mut ggml_cgraph,
    n_threads: c_int,
) -> ggml_status {
    guard(
        "ggml_graph_compute_with_ctx",
        Status::Failed as ggml_status,
        || {
            // SAFETY: null, or a live graph and context.
            let (mut plan, ctx) = unsafe { (ggml_graph_plan(cgraph, n_threads), ctx.as_ref()) };
            let Some(ctx) = ctx else {
                log_error!("ggml_graph_compute_with_ctx: the context is null");
                return Status::Failed as ggml_status;
            };
            match ctx.work_buffer(plan.work_size) {
                Ok(work) => plan.work_data = work,
                Err(e) => {
                    log_error!("ggml_graph_compute_with_ctx: {e}");
                    return Status::AllocFailed as ggml_status;
                }
            }
            // SAFETY: a graph from C, and the plan just made.
            unsafe { ggml_graph_compute(cgraph, &mut plan) }
        },
    )
}

/// Prints a line for each node and leaf.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_print(cgraph: *const ggml_cgraph) {
    guard("ggml_graph_print", (), || {
        // SAFETY: null or a live graph.
        if let Some(g) = unsafe { graph_ref(cgraph) } {
            print!("{}", g.list());
        }
    })
}

/// Writes a drawing of `gb` for Graphviz; nodes that are in `gf` too, which may be null, are green.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_graph_dump_dot(
    gb: *const ggml_cgraph,
    gf: *const ggml_cgraph,
    filename: *const c_char,
) {
    guard("ggml_graph_dump_dot", (), || {
        // SAFETY: null or live graphs, and a string.
        let (gb, gf, filename) = unsafe { (graph_ref(gb), graph_ref(gf), bytes(filename)) };
        let Some(gb) = gb else { return };
        let file = String::from_utf8_lossy(filename);
        match std::fs::write(&*file, gb.dot(gf)) {
            Ok(()) => {
                println!("ggml_graph_dump_dot: dot -Tpng {file} -o {file}.png && open {file}.png")
            }
            Err(e) => log_error!("ggml_graph_dump_dot: {file}: {e}"),
        }
    })
}

/// Slots of a set for at least `min_sz` tensors.
///
/// cbindgen:ignore
#[unsafe(no_mangle)]
pub extern "C" fn ggml_hash_size(min_sz: usize) -> usize {
    hash_size(min_sz)
}

/// An empty set for at least `size` tensors, on the heap of C.
///
/// cbindgen:ignore
#[unsafe(no_mangle)]
pub extern "C" fn ggml_hash_set_new(size: usize) -> ggml_hash_set {
    let size = hash_size(size);
    // SAFETY: plain allocation; keys need not be set while their bits are not.
    unsafe {
        ggml_hash_set {
            size,
            used: libc::calloc(size.div_ceil(32), size_of::<u32>()).cast(),
            keys: libc::calloc(size, size_of::<*mut ggml_tensor>()).cast(),
        }
    }
}

/// Frees the memory of a set made by `ggml_hash_set_new`.
///
/// cbindgen:ignore
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_hash_set_free(hash_set: *mut ggml_hash_set) {
    // SAFETY: null, or a set whose arrays came from `calloc`.
    unsafe {
        if let Some(set) = hash_set.as_ref() {
            libc::free(set.used.cast());
            libc::free(set.keys.cast());
        }
    }
}

/// Empties a set.
///
/// cbindgen:ignore
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_hash_set_reset(hash_set: *mut ggml_hash_set) {
    // SAFETY: null, or a set with a bit for each key.
    unsafe {
        if let Some(set) = hash_set.as_ref()
            && !set.used.is_null()
        {
            std::ptr::write_bytes(set.used, 0, set.size.div_ceil(32));
        }
    }
}
