//! `ggml-alloc.h`: placing tensors in buffers, one by one, by context, or by graph.

use std::ffi::c_int;
use std::ptr::null_mut;

use super::ggml::report;
use super::ggml_backend::{backend_ref, buffer_ref, buffer_type, give_buffer};
use super::ggml_graph::graph_ref;
use super::ggml_types::{
    ggml_backend_buffer_t, ggml_backend_buffer_type_t, ggml_backend_t, ggml_gallocr_t,
};
use super::guard;
use crate::backend::{BufferType, Gallocr, alloc_tensors, ggml_backend_buffer, ggml_tallocr};
use crate::error::{Error, Result};
use crate::graph::{Tensor, ggml_cgraph, ggml_context, ggml_tensor};
use crate::log_error;

/// Begins to fill a buffer with tensors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_tallocr_new(buffer: ggml_backend_buffer_t) -> ggml_tallocr {
    // SAFETY: null or a live buffer.
    match unsafe { buffer_ref(buffer) } {
        Some(b) => ggml_tallocr::new(b),
        None => ggml_tallocr {
            buffer: null_mut(),
            base: null_mut(),
            alignment: 1,
            offset: 0,
        },
    }
}

/// Places the next tensor. If there is no room, the tensor stays as it is, and a line is logged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_tallocr_alloc(talloc: *mut ggml_tallocr, tensor: *mut ggml_tensor) {
    guard("ggml_tallocr_alloc", (), || {
        // SAFETY: null, or a live allocator, its buffer, and a tensor.
        unsafe {
            if let (Some(talloc), Some(t)) = (talloc.as_mut(), Tensor::from_ptr(tensor))
                && let Some(b) = buffer_ref(talloc.buffer)
            {
                report("ggml_tallocr_alloc", talloc.alloc(b, t));
            }
        }
    })
}

/// An allocator of graphs over one buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_gallocr_new(buft: ggml_backend_buffer_type_t) -> ggml_gallocr_t {
    let mut buft = buft;
    // SAFETY: one buffer type from C.
    unsafe { ggml_gallocr_new_n(&mut buft, 1) }
}

/// An allocator of graphs over several buffers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_gallocr_new_n(
    bufts: *mut ggml_backend_buffer_type_t,
    n_bufs: c_int,
) -> ggml_gallocr_t {
    guard("ggml_gallocr_new_n", null_mut(), || {
        // SAFETY: the caller gives as many buffer types.
        match unsafe { buffer_types(bufts, n_bufs) } {
            Some(types) if !types.is_empty() => Box::into_raw(Box::new(Gallocr::new(types))),
            _ => {
                log_error!("ggml_gallocr_new_n: a buffer type is null, or there is none");
                null_mut()
            }
        }
    })
}

/// `n` buffer types from C; `None` if one is null.
///
/// # Safety
/// `bufts` is null or points to `n` pointers, each null or a buffer type.
pub(super) unsafe fn buffer_types(
    bufts: *const ggml_backend_buffer_type_t,
    n: c_int,
) -> Option<Vec<BufferType>> {
    if bufts.is_null() {
        return None;
    }
    (0..usize::try_from(n).ok()?)
        // SAFETY: as the caller promises.
        .map(|i| unsafe { buffer_type(*bufts.add(i)) })
        .collect()
}

/// Frees an allocator and its buffers; tensors of its graphs must not be used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_gallocr_free(galloc: ggml_gallocr_t) {
    guard("ggml_gallocr_free", (), || {
        if !galloc.is_null() {
            // SAFETY: made by a box in `ggml_gallocr_new_n`, and freed once.
            drop(unsafe { Box::from_raw(galloc) });
        }
    })
}

/// Makes the buffers large enough for a graph; changes no tensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_gallocr_reserve(
    galloc: ggml_gallocr_t,
    graph: *mut ggml_cgraph,
) -> bool {
    // SAFETY: an allocator and a graph from C.
    unsafe { ggml_gallocr_reserve_n(galloc, graph, std::ptr::null(), std::ptr::null()) }
}

/// As `ggml_gallocr_reserve` with the number of the buffer for each node and leaf; null for all in the first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_gallocr_reserve_n(
    galloc: ggml_gallocr_t,
    graph: *mut ggml_cgraph,
    node_buffer_ids: *const c_int,
    leaf_buffer_ids: *const c_int,
) -> bool {
    // SAFETY: null or a live allocator and graph; lists null or as long as the graph's.
    unsafe {
        with("ggml_gallocr_reserve_n", galloc, graph, |galloc, graph| {
            let nodes = buffer_ids(node_buffer_ids, graph.n_nodes())?;
            let leafs = buffer_ids(leaf_buffer_ids, graph.n_leafs())?;
            galloc.reserve(graph, &nodes, &leafs)
        })
    }
}

/// # Safety
/// `ids` is null or points to `n` numbers.
unsafe fn buffer_ids(ids: *const c_int, n: usize) -> Result<Vec<usize>> {
    if ids.is_null() {
        return Ok(Vec::new());
    }
    (0..n)
        // SAFETY: as the caller promises.
        .map(|i| unsafe { *ids.add(i) })
        .map(|id| usize::try_from(id).map_err(|_| Error(format!("there is no buffer {id}"))))
        .collect()
}

/// Places all tensors of a graph that have no memory, enlarging a single buffer if need be. `false` if there is no memory, or if there
/// are several buffers and the graph is not like the one reserved for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_gallocr_alloc_graph(
    galloc: ggml_gallocr_t,
    graph: *mut ggml_cgraph,
) -> bool {
    // SAFETY: null or a live allocator and graph.
    unsafe {
        with(
            "ggml_gallocr_alloc_graph",
            galloc,
            graph,
            Gallocr::alloc_graph,
        )
    }
}

/// # Safety
/// The pointers are null or a live allocator and graph.
unsafe fn with(
    name: &str,
    galloc: ggml_gallocr_t,
    cgraph: *mut ggml_cgraph,
    f: impl FnOnce(&mut Gallocr, crate::graph::Graph) -> Result<()>,
) -> bool {
    guard(name, false, || {
        // SAFETY: as the caller promises.
        let (Some(galloc), Some(graph)) = (unsafe { (galloc.as_mut(), graph_ref(cgraph)) }) else {
            log_error!("{name}: the allocator or the graph is null");
            return false;
        };
        let result = f(galloc, graph);
        let done = result.is_ok();
        report(name, result);
        done
    })
}

/// Bytes of a buffer of the allocator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_gallocr_get_buffer_size(
    galloc: ggml_gallocr_t,
    buffer_id: c_int,
) -> usize {
    guard("ggml_gallocr_get_buffer_size", 0, || {
        let id = usize::try_from(buffer_id).unwrap_or(usize::MAX);
        // SAFETY: null or a live allocator.
        unsafe { galloc.as_ref() }.map_or(0, |g| g.buffer_size(id))
    })
}

/// Makes a buffer for all tensors of a context that have no memory. Null if there is none or no memory for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_alloc_ctx_tensors_from_buft(
    ctx: *mut ggml_context,
    buft: ggml_backend_buffer_type_t,
) -> *mut ggml_backend_buffer {
    const NAME: &str = "ggml_backend_alloc_ctx_tensors_from_buft";
    guard(NAME, null_mut(), || {
        // SAFETY: null, or a live context and a buffer type.
        let (Some(ctx), Some(buft)) = (unsafe { (ctx.as_ref(), buffer_type(buft)) }) else {
            log_error!("{NAME}: the context or the buffer type is null");
            return null_mut();
        };
        let tensors: Vec<Tensor> = ctx.tensors().collect();
        match alloc_tensors(tensors.iter().copied(), buft) {
            Ok(Some(buffer)) => give_buffer(NAME, Ok(buffer)),
            Ok(None) => null_mut(),
            Err(e) => give_buffer(NAME, Err(e)),
        }
    })
}

/// As `ggml_backend_alloc_ctx_tensors_from_buft` in the memory that a backend prefers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_alloc_ctx_tensors(
    ctx: *mut ggml_context,
    backend: ggml_backend_t,
) -> *mut ggml_backend_buffer {
    // SAFETY: null or a live backend; a context from C.
    unsafe {
        let buft = backend_ref(backend).map_or(null_mut(), |b| {
            std::ptr::from_ref(b.default_buffer_type()).cast_mut()
        });
        ggml_backend_alloc_ctx_tensors_from_buft(ctx, buft)
    }
}
