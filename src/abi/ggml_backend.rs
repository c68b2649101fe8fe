//! `ggml-backend.h` without the scheduler: buffer types, buffers, backends, the moving tensor data.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use super::ggml::{report, tensor};
use super::ggml_graph::graph_ref;
use super::ggml_types::{
    ggml_backend_buffer_t, ggml_backend_buffer_type_t, ggml_backend_eval_callback,
    ggml_backend_event_t, ggml_backend_graph_copy, ggml_backend_graph_plan_t, ggml_backend_t,
    ggml_guid_t,
};
use super::guard;
use super::raw::{ggml_backend_buffer_usage, ggml_status};
use crate::backend::{
    AbortCallback, Backend, Buffer, BufferType, BufferUsage, Cpu, GraphCopy, Status, buffer_of,
    compare_graph_backend as compare, cpu_backend, cpu_buffer_type, host_buffer_from_ptr,
    multi_buffer, same_layout, tensor_alloc, tensor_copy, tensor_get, tensor_set, view_init,
};
use crate::error::{Error, Result};
use crate::graph::{Tensor, ggml_cgraph, ggml_tensor};
use crate::llama::params::ggml_abort_callback;
use crate::log_error;

/// # Safety
/// The pointer is null or a buffer type of this library.
pub(super) unsafe fn buffer_type(ptr: ggml_backend_buffer_type_t) -> Option<BufferType> {
    // SAFETY: buffer types live forever.
    unsafe { ptr.as_ref() }
}

/// # Safety
/// The pointer is null or a buffer that lives as long as the reference is used.
pub(super) unsafe fn buffer_ref<'a>(ptr: ggml_backend_buffer_t) -> Option<&'a Buffer> {
    // SAFETY: as the caller promises.
    unsafe { ptr.as_ref() }
}

/// # Safety
/// The pointer is null or a backend that lives as long as the reference is used.
pub(super) unsafe fn backend_ref<'a>(ptr: ggml_backend_t) -> Option<&'a Backend> {
    // SAFETY: as the caller promises.
    unsafe { ptr.as_ref() }
}

pub(super) fn give_type(buft: BufferType) -> ggml_backend_buffer_type_t {
    std::ptr::from_ref(buft).cast_mut()
}

/// A buffer for C: null and a log line for an error.
pub(super) fn give_buffer(name: &str, result: Result<Box<Buffer>>) -> ggml_backend_buffer_t {
    match result {
        Ok(buffer) => Box::into_raw(buffer),
        Err(e) => {
            log_error!("{name}: {e}");
            null_mut()
        }
    }
}

pub(super) fn give_backend(backend: Option<Arc<Backend>>) -> ggml_backend_t {
    backend.map_or(null_mut(), |b| Arc::into_raw(b).cast_mut())
}

// Buffer types.

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buft_name(buft: ggml_backend_buffer_type_t) -> *const c_char {
    // SAFETY: null or a buffer type.
    unsafe { buffer_type(buft) }
        .map_or(c"NULL", |b| b.name())
        .as_ptr()
}

/// A buffer of `size` bytes; null if there is no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buft_alloc_buffer(
    buft: ggml_backend_buffer_type_t,
    size: usize,
) -> ggml_backend_buffer_t {
    const NAME: &str = "ggml_backend_buft_alloc_buffer";
    guard(NAME, null_mut(), || {
        // SAFETY: null or a buffer type.
        match unsafe { buffer_type(buft) } {
            Some(buft) => give_buffer(NAME, buft.new_buffer(size)),
            None => null_mut(),
        }
    })
}

/// What the addresses of tensors are multiples of.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buft_get_alignment(
    buft: ggml_backend_buffer_type_t,
) -> usize {
    // SAFETY: null or a buffer type.
    unsafe { buffer_type(buft) }.map_or(1, |b| b.alignment())
}

/// Most bytes of one buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buft_get_max_size(buft: ggml_backend_buffer_type_t) -> usize {
    // SAFETY: null or a buffer type.
    unsafe { buffer_type(buft) }.map_or(0, |b| b.max_size())
}

/// Bytes that a tensor takes in a buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buft_get_alloc_size(
    buft: ggml_backend_buffer_type_t,
    tensor: *const ggml_tensor,
) -> usize {
    guard("ggml_backend_buft_get_alloc_size", 0, || {
        // SAFETY: null, or a buffer type and a live tensor.
        match unsafe { (buffer_type(buft), Tensor::from_ptr(tensor.cast_mut())) } {
            (Some(buft), Some(t)) => buft.alloc_size(t),
            _ => 0,
        }
    })
}

/// Whether the CPU can use the memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buft_is_host(buft: ggml_backend_buffer_type_t) -> bool {
    // SAFETY: null or a buffer type.
    unsafe { buffer_type(buft) }.is_some_and(|b| b.is_host())
}

// Buffers.

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_name(buffer: ggml_backend_buffer_t) -> *const c_char {
    // SAFETY: null or a live buffer.
    unsafe { buffer.as_ref() }
        .map_or(c"NULL", |b| b.buffer_type().name())
        .as_ptr()
}

/// Frees a buffer; tensors in it must not be used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_free(buffer: ggml_backend_buffer_t) {
    guard("ggml_backend_buffer_free", (), || {
        if !buffer.is_null() {
            // SAFETY: given to C by `give_buffer`, and freed once.
            drop(unsafe { Box::from_raw(buffer) });
        }
    })
}

/// The address that its tensors' addresses count from.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_get_base(
    buffer: ggml_backend_buffer_t,
) -> *mut c_void {
    // SAFETY: null or a live buffer.
    unsafe { buffer.as_ref() }.map_or(null_mut(), |b| b.base().cast())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_get_size(buffer: ggml_backend_buffer_t) -> usize {
    // SAFETY: null or a live buffer.
    unsafe { buffer.as_ref() }.map_or(0, Buffer::size)
}

/// Prepares a tensor that was placed in the buffer by its fields.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_init_tensor(
    buffer: ggml_backend_buffer_t,
    tensor: *mut ggml_tensor,
) {
    guard("ggml_backend_buffer_init_tensor", (), || {
        // SAFETY: null, or a live buffer and tensor.
        if let (Some(b), Some(t)) = unsafe { (buffer.as_ref(), Tensor::from_ptr(tensor)) } {
            report("ggml_backend_buffer_init_tensor", b.memory().init_tensor(t));
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_get_alignment(buffer: ggml_backend_buffer_t) -> usize {
    // SAFETY: null or a live buffer.
    unsafe { buffer.as_ref() }.map_or(1, |b| b.buffer_type().alignment())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_get_max_size(buffer: ggml_backend_buffer_t) -> usize {
    // SAFETY: null or a live buffer.
    unsafe { buffer.as_ref() }.map_or(0, |b| b.buffer_type().max_size())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_get_alloc_size(
    buffer: ggml_backend_buffer_t,
    tensor: *const ggml_tensor,
) -> usize {
    // SAFETY: null, or a live buffer and tensor.
    unsafe { ggml_backend_buft_get_alloc_size(ggml_backend_buffer_get_type(buffer), tensor) }
}

/// Sets every byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_clear(buffer: ggml_backend_buffer_t, value: u8) {
    // SAFETY: null or a live buffer.
    if let Some(b) = unsafe { buffer.as_ref() } {
        b.memory().clear(value);
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_is_host(buffer: ggml_backend_buffer_t) -> bool {
    // SAFETY: null or a live buffer.
    unsafe { buffer.as_ref() }.is_some_and(Buffer::is_host)
}

/// Says what a buffer is for: operators prefer to run where their weights are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_set_usage(
    buffer: ggml_backend_buffer_t,
    usage: ggml_backend_buffer_usage,
) {
    let usage = u32::try_from(usage).ok().and_then(BufferUsage::from_raw);
    // SAFETY: null or a live buffer.
    if let (Some(b), Some(usage)) = (unsafe { buffer.as_ref() }, usage) {
        b.set_usage(usage);
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_get_usage(
    buffer: ggml_backend_buffer_t,
) -> ggml_backend_buffer_usage {
    // SAFETY: null or a live buffer.
    unsafe { buffer.as_ref() }.map_or(BufferUsage::Any, Buffer::usage) as _
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_get_type(
    buffer: ggml_backend_buffer_t,
) -> ggml_backend_buffer_type_t {
    // SAFETY: null or a live buffer.
    unsafe { buffer.as_ref() }.map_or(null_mut(), |b| give_type(b.buffer_type()))
}

/// Forgets what was kept for its tensors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_reset(buffer: ggml_backend_buffer_t) {
    // SAFETY: null or a live buffer.
    if let Some(b) = unsafe { buffer.as_ref() } {
        b.memory().reset();
    }
}

/// Several buffers as one, which frees them with itself. In no public header.
///
/// cbindgen:ignore
///
/// # Safety
/// `buffers` is null or to `n_buffers` buffers, each there once; they belong to the new buffer from now on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_multi_buffer_alloc_buffer(
    buffers: *mut ggml_backend_buffer_t,
    n_buffers: usize,
) -> ggml_backend_buffer_t {
    const NAME: &str = "ggml_backend_multi_buffer_alloc_buffer";
    guard(NAME, null_mut(), || {
        let all = match buffers.is_null() {
            true => &[],
            // SAFETY: as the caller promised.
            false => unsafe { std::slice::from_raw_parts(buffers, n_buffers) },
        };
        if all.iter().any(|b| b.is_null()) {
            log_error!("{NAME}: a buffer is null");
            return null_mut();
        }
        // SAFETY: given to C by `give_buffer`, and the caller gives them back.
        let parts = all.iter().map(|b| unsafe { Box::from_raw(*b) });
        give_buffer(NAME, multi_buffer(parts.collect()))
    })
}

/// Whether a buffer consists of others. In no public header.
///
/// cbindgen:ignore
///
/// # Safety
/// The pointer is null or a live buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_is_multi_buffer(
    buffer: ggml_backend_buffer_t,
) -> bool {
    // SAFETY: null or a live buffer.
    unsafe { buffer.as_ref() }.is_some_and(|b| b.memory().parts().is_some())
}

/// Says what the buffers of a buffer are for, as `ggml_backend_buffer_set_usage` does. In no public header.
///
/// cbindgen:ignore
///
/// # Safety
/// The pointer is null or a live buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_multi_buffer_set_usage(
    buffer: ggml_backend_buffer_t,
    usage: ggml_backend_buffer_usage,
) {
    // SAFETY: null or a live buffer.
    unsafe { ggml_backend_buffer_set_usage(buffer, usage) }
}

/// Copies between tensors of equal layout if the buffer of `dst` can reach `src`; false if not. In no public header.
///
/// cbindgen:ignore
///
/// # Safety
/// The pointers are null or to live tensors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_buffer_copy_tensor(
    src: *const ggml_tensor,
    dst: *mut ggml_tensor,
) -> bool {
    guard("ggml_backend_buffer_copy_tensor", false, || {
        // SAFETY: as the caller promised.
        let both = unsafe { (Tensor::from_ptr(src.cast_mut()), Tensor::from_ptr(dst)) };
        match both {
            (Some(src), Some(dst)) if same_layout(src, dst) => {
                buffer_of(dst).is_some_and(|b| b.memory().copy_from(src, dst))
            }
            _ => false,
        }
    })
}

// Backends.

/// The kind of backend; null for null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_guid(backend: ggml_backend_t) -> ggml_guid_t {
    // SAFETY: null or a live backend.
    unsafe { backend_ref(backend) }.map_or(null_mut(), |b| std::ptr::from_ref(b.guid()).cast_mut())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_name(backend: ggml_backend_t) -> *const c_char {
    // SAFETY: null or a live backend.
    unsafe { backend_ref(backend) }
        .map_or(c"NULL", |b| b.name())
        .as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_free(backend: ggml_backend_t) {
    guard("ggml_backend_free", (), || {
        if !backend.is_null() {
            // SAFETY: given to C by `give_backend`, and freed once; schedulers keep their own share.
            drop(unsafe { Arc::from_raw(backend.cast_const()) });
        }
    })
}

/// The memory it prefers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_get_default_buffer_type(
    backend: ggml_backend_t,
) -> ggml_backend_buffer_type_t {
    // SAFETY: null or a live backend.
    unsafe { backend_ref(backend) }.map_or(null_mut(), |b| give_type(b.default_buffer_type()))
}

/// A buffer of `size` bytes in the memory it prefers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_alloc_buffer(
    backend: ggml_backend_t,
    size: usize,
) -> ggml_backend_buffer_t {
    // SAFETY: null or a live backend.
    unsafe { ggml_backend_buft_alloc_buffer(ggml_backend_get_default_buffer_type(backend), size) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_get_alignment(backend: ggml_backend_t) -> usize {
    // SAFETY: null or a live backend.
    unsafe { ggml_backend_buft_get_alignment(ggml_backend_get_default_buffer_type(backend)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_get_max_size(backend: ggml_backend_t) -> usize {
    // SAFETY: null or a live backend.
    unsafe { ggml_backend_buft_get_max_size(ggml_backend_get_default_buffer_type(backend)) }
}

/// As `ggml_backend_tensor_set`, after the work begun on the backend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_tensor_set_async(
    backend: ggml_backend_t,
    tensor: *mut ggml_tensor,
    data: *const c_void,
    offset: usize,
    size: usize,
) {
    // SAFETY: pointers from C.
    unsafe {
        ggml_backend_synchronize(backend);
        ggml_backend_tensor_set(tensor, data, offset, size);
    }
}

/// As `ggml_backend_tensor_get`, after the work begun on the backend.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_tensor_get_async(
    backend: ggml_backend_t,
    tensor: *const ggml_tensor,
    data: *mut c_void,
    offset: usize,
    size: usize,
) {
    // SAFETY: pointers from C.
    unsafe {
        ggml_backend_synchronize(backend);
        ggml_backend_tensor_get(tensor, data, offset, size);
    }
}

/// Writes `size` bytes into a tensor's data from `offset` on. Outside of it nothing is written, and a line is logged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_tensor_set(
    tensor: *mut ggml_tensor,
    data: *const c_void,
    offset: usize,
    size: usize,
) {
    guard("ggml_backend_tensor_set", (), || {
        // SAFETY: null or a live tensor.
        let t = unsafe { Tensor::from_ptr(tensor) };
        if let (Some(t), false) = (t, data.is_null() || size == 0) {
            // SAFETY: the caller gives as many bytes.
            let data = unsafe { std::slice::from_raw_parts(data.cast(), size) };
            report("ggml_backend_tensor_set", tensor_set(t, data, offset));
        }
    })
}

/// Reads `size` bytes of a tensor's data from `offset` on. Outside of it nothing is read, and a line is logged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_tensor_get(
    tensor: *const ggml_tensor,
    data: *mut c_void,
    offset: usize,
    size: usize,
) {
    guard("ggml_backend_tensor_get", (), || {
        // SAFETY: null or a live tensor.
        let t = unsafe { Tensor::from_ptr(tensor.cast_mut()) };
        if let (Some(t), false) = (t, data.is_null() || size == 0) {
            // SAFETY: the caller gives room for as many bytes.
            let data = unsafe { std::slice::from_raw_parts_mut(data.cast(), size) };
            report("ggml_backend_tensor_get", tensor_get(t, data, offset));
        }
    })
}

/// Waits for the work begun.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_synchronize(backend: ggml_backend_t) {
    guard("ggml_backend_synchronize", (), || {
        // SAFETY: null or a live backend.
        if let Some(b) = unsafe { backend_ref(backend) } {
            b.synchronize();
        }
    })
}

/// Keeps the nodes of a graph, to compute them often.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_graph_plan_create(
    backend: ggml_backend_t,
    cgraph: *mut ggml_cgraph,
) -> ggml_backend_graph_plan_t {
    guard("ggml_backend_graph_plan_create", null_mut(), || {
        // SAFETY: null or a live graph.
        match unsafe { graph_ref(cgraph) } {
            Some(g) if !backend.is_null() => Box::into_raw(Box::new(g.nodes().to_vec())).cast(),
            _ => null_mut(),
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_graph_plan_free(
    _backend: ggml_backend_t,
    plan: ggml_backend_graph_plan_t,
) {
    guard("ggml_backend_graph_plan_free", (), || {
        if !plan.is_null() {
            // SAFETY: made by a box in `ggml_backend_graph_plan_create`, and freed once.
            drop(unsafe { Box::from_raw(plan.cast::<Vec<Tensor>>()) });
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_graph_plan_compute(
    backend: ggml_backend_t,
    plan: ggml_backend_graph_plan_t,
) -> ggml_status {
    // SAFETY: null or a plan made by `ggml_backend_graph_plan_create`.
    let nodes = unsafe { plan.cast::<Vec<Tensor>>().as_ref() }.map(Vec::as_slice);
    // SAFETY: null or a live backend.
    unsafe { compute("ggml_backend_graph_plan_compute", backend, nodes, true) }
}

/// Computes a graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_graph_compute(
    backend: ggml_backend_t,
    cgraph: *mut ggml_cgraph,
) -> ggml_status {
    // SAFETY: null, or a live backend and graph.
    unsafe {
        let graph = graph_ref(cgraph);
        let nodes = graph.as_ref().map(|g| g.nodes());
        compute("ggml_backend_graph_compute", backend, nodes, true)
    }
}

/// Begins to compute a graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_graph_compute_async(
    backend: ggml_backend_t,
    cgraph: *mut ggml_cgraph,
) -> ggml_status {
    // SAFETY: null, or a live backend and graph.
    unsafe {
        let graph = graph_ref(cgraph);
        let nodes = graph.as_ref().map(|g| g.nodes());
        compute("ggml_backend_graph_compute_async", backend, nodes, false)
    }
}

/// # Safety
/// The pointer is null or a live backend, the nodes are allocated, and nobody else touches them.
unsafe fn compute(
    name: &str,
    backend: ggml_backend_t,
    nodes: Option<&[Tensor]>,
    wait: bool,
) -> ggml_status {
    guard(name, Status::Failed as ggml_status, || {
        // SAFETY: as the caller promises.
        let (Some(b), Some(nodes)) = (unsafe { backend_ref(backend) }, nodes) else {
            log_error!("{name}: the backend or the graph is null");
            return Status::Failed as ggml_status;
        };
        let status = b.compute(nodes);
        if wait {
            b.synchronize();
        }
        status as ggml_status
    })
}

/// Whether the backend can compute a node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_supports_op(
    backend: ggml_backend_t,
    op: *const ggml_tensor,
) -> bool {
    guard("ggml_backend_supports_op", false, || {
        // SAFETY: null, or a live backend and tensor.
        match unsafe { (backend_ref(backend), tensor(op)) } {
            (Some(b), Some(t)) => b.supports_op(t),
            _ => false,
        }
    })
}

/// Whether the backend can use tensors in such memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_supports_buft(
    backend: ggml_backend_t,
    buft: ggml_backend_buffer_type_t,
) -> bool {
    // SAFETY: null, or a live backend and a buffer type.
    match unsafe { (backend_ref(backend), buffer_type(buft)) } {
        (Some(b), Some(buft)) => b.supports_buffer_type(buft),
        _ => false,
    }
}

/// Whether the backend wants to compute a node although its weights are in host memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_offload_op(
    backend: ggml_backend_t,
    op: *const ggml_tensor,
) -> bool {
    guard("ggml_backend_offload_op", false, || {
        // SAFETY: null, or a live backend and tensor.
        match unsafe { (backend_ref(backend), tensor(op)) } {
            (Some(b), Some(t)) => b.offload_op(t),
            _ => false,
        }
    })
}

/// Copies the data of a tensor to another of the same layout, wherever they are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_tensor_copy(src: *mut ggml_tensor, dst: *mut ggml_tensor) {
    guard("ggml_backend_tensor_copy", (), || {
        // SAFETY: null or live tensors.
        if let (Some(src), Some(dst)) = unsafe { (tensor(src), tensor(dst)) } {
            report("ggml_backend_tensor_copy", tensor_copy(src, dst));
        }
    })
}

/// As `ggml_backend_tensor_copy`, after the work begun on both backends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_tensor_copy_async(
    backend_src: ggml_backend_t,
    backend_dst: ggml_backend_t,
    src: *mut ggml_tensor,
    dst: *mut ggml_tensor,
) {
    // SAFETY: pointers from C.
    unsafe {
        ggml_backend_synchronize(backend_src);
        ggml_backend_synchronize(backend_dst);
        ggml_backend_tensor_copy(src, dst);
    }
}

// Events. Devices whose work is done when they return, like the CPU, have none.

/// A mark in the work of a backend; null if the backend has none.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_event_new(_backend: ggml_backend_t) -> ggml_backend_event_t {
    null_mut()
}

/// Frees an event; null is ignored.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_event_free(_event: ggml_backend_event_t) {}

/// Marks the work begun so far; null is ignored.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_event_record(_event: ggml_backend_event_t) {}

/// Waits for the mark; null is ignored.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_event_synchronize(_event: ggml_backend_event_t) {}

/// Lets a backend wait for a mark in the work of another; null is ignored.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_event_wait(_backend: ggml_backend_t, _event: ggml_backend_event_t) {}

// The CPU.

/// A CPU backend.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_cpu_init() -> ggml_backend_t {
    guard("ggml_backend_cpu_init", null_mut(), || {
        give_backend(Some(cpu_backend()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_is_cpu(backend: ggml_backend_t) -> bool {
    // SAFETY: null or a live backend.
    unsafe { cpu(backend) }.is_some()
}

/// # Safety
/// The pointer is null or a live backend.
unsafe fn cpu<'a>(backend: ggml_backend_t) -> Option<&'a Cpu> {
    // SAFETY: as the caller promises.
    unsafe { backend_ref(backend) }.and_then(Backend::downcast::<Cpu>)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_cpu_set_n_threads(
    backend_cpu: ggml_backend_t,
    n_threads: c_int,
) {
    // SAFETY: null or a live backend.
    if let Some(cpu) = unsafe { cpu(backend_cpu) } {
        cpu.set_n_threads(usize::try_from(n_threads).unwrap_or(1));
    }
}

/// A pointer of the caller's that is handed back to the caller's function.
pub(super) struct UserData(*mut c_void);

// SAFETY: the pointer is only passed on; C's contract is that the function may be called from the computing thread.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    pub(super) fn new(ptr: *mut c_void) -> UserData {
        UserData(ptr)
    }
    pub(super) fn get(&self) -> *mut c_void {
        self.0
    }
}

/// Called between nodes, unless null; stops the computation when it returns true.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_cpu_set_abort_callback(
    backend_cpu: ggml_backend_t,
    abort_callback: ggml_abort_callback,
    abort_callback_data: *mut c_void,
) {
    let data = UserData::new(abort_callback_data);
    let callback = abort_callback.map(|f| -> AbortCallback {
        // SAFETY: the caller's function with the caller's data.
        Arc::new(move || unsafe { f(data.get()) })
    });
    // SAFETY: null or a live backend.
    if let Some(cpu) = unsafe { cpu(backend_cpu) } {
        cpu.set_abort_callback(callback);
    }
}

/// A buffer over memory that stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_cpu_buffer_from_ptr(
    ptr: *mut c_void,
    size: usize,
) -> ggml_backend_buffer_t {
    const NAME: &str = "ggml_backend_cpu_buffer_from_ptr";
    /// All that a mapped file promises.
    const ALIGNMENT: usize = 32;
    guard(NAME, null_mut(), || match NonNull::new(ptr.cast::<u8>()) {
        Some(at) if at.addr().get() % ALIGNMENT == 0 => {
            // SAFETY: the caller leaves the memory there until the buffer is freed.
            give_buffer(NAME, Ok(unsafe { host_buffer_from_ptr(at, size) }))
        }
        _ => {
            log_error!("{NAME}: {ptr:p} is not a multiple of {ALIGNMENT}");
            null_mut()
        }
    })
}

/// Host memory.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_cpu_buffer_type() -> ggml_backend_buffer_type_t {
    give_type(cpu_buffer_type())
}

// Placing tensors, copying graphs.

/// Places a tensor at an address in a buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_tensor_alloc(
    buffer: ggml_backend_buffer_t,
    tensor: *mut ggml_tensor,
    addr: *mut c_void,
) {
    guard("ggml_backend_tensor_alloc", (), || {
        // SAFETY: null, or a live buffer and tensor.
        if let (Some(b), Some(t)) = unsafe { (buffer.as_ref(), Tensor::from_ptr(tensor)) } {
            report("ggml_backend_tensor_alloc", tensor_alloc(b, t, addr.cast()));
        }
    })
}

/// Gives a view the buffer and address of what it views.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_view_init(tensor: *mut ggml_tensor) {
    guard("ggml_backend_view_init", (), || {
        // SAFETY: null or a live tensor.
        if let Some(t) = unsafe { Tensor::from_ptr(tensor) } {
            report("ggml_backend_view_init", view_init(t));
        }
    })
}

/// Copies a graph with all its tensors and their data to another backend. All fields are null if that fails.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_graph_copy(
    backend: ggml_backend_t,
    graph: *mut ggml_cgraph,
) -> ggml_backend_graph_copy {
    let none = || ggml_backend_graph_copy {
        buffer: null_mut(),
        ctx_allocated: null_mut(),
        ctx_unallocated: null_mut(),
        graph: null_mut(),
    };
    guard("ggml_backend_graph_copy", none(), || {
        // SAFETY: null, or a live backend and graph.
        let (Some(b), Some(g)) = (unsafe { (backend_ref(backend), graph_ref(graph)) }) else {
            return none();
        };
        match GraphCopy::new(b, g) {
            Ok(copy) => ggml_backend_graph_copy {
                graph: copy.graph.as_ptr(),
                buffer: Box::into_raw(copy.buffer),
                ctx_allocated: Box::into_raw(Box::new(copy.allocated)),
                ctx_unallocated: Box::into_raw(Box::new(copy.unallocated)),
            },
            Err(e) => {
                log_error!("ggml_backend_graph_copy: {e}");
                none()
            }
        }
    })
}

/// Frees a copy of a graph.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_graph_copy_free(copy: ggml_backend_graph_copy) {
    // SAFETY: made by `ggml_backend_graph_copy`, and freed once.
    unsafe {
        ggml_backend_buffer_free(copy.buffer);
        super::ggml::ggml_free(copy.ctx_allocated);
        super::ggml::ggml_free(copy.ctx_unallocated);
    }
}

/// Computes a graph node by node on two backends, and calls back with both results of each until that returns false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_compare_graph_backend(
    backend1: ggml_backend_t,
    backend2: ggml_backend_t,
    graph: *mut ggml_cgraph,
    callback: ggml_backend_eval_callback,
    user_data: *mut c_void,
) -> bool {
    const NAME: &str = "ggml_backend_compare_graph_backend";
    guard(NAME, false, || {
        // SAFETY: null, or live backends and a graph.
        let all = unsafe {
            (
                backend_ref(backend1),
                backend_ref(backend2),
                graph_ref(graph),
            )
        };
        let ((Some(a), Some(b), Some(g)), Some(callback)) = (all, callback) else {
            report(NAME, Err(Error("a pointer is null".into())));
            return false;
        };
        let result = compare(a, b, g, |i, x, y| {
            // SAFETY: the caller's function with the caller's data.
            unsafe { callback(i as c_int, x.as_ptr(), y.as_ptr(), user_data) }
        });
        let done = result.is_ok();
        report(NAME, result);
        done
    })
}
