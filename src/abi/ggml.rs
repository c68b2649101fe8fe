//! The part of `ggml.h` about contexts and tensors: arenas, new tensors, shapes, elements, names.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::null_mut;

use super::ggml_types::ggml_init_params;
use super::guard;
use super::raw::{ggml_glu_op, ggml_op, ggml_status, ggml_type, ggml_unary_op};
use crate::error::{Error, Result};
use crate::graph::params::GluOp;
use crate::graph::{
    Context, MAX_DIMS, MEM_ALIGN, Op, TENSOR_FLAG_INPUT, TENSOR_FLAG_OUTPUT, Tensor, UnaryOp,
    ggml_context, ggml_object, ggml_scratch, ggml_tensor, tensor_overhead,
};
use crate::log_error;
use crate::quant::Type;

/// The tensor behind a pointer from C.
///
/// # Safety
/// The pointer is null or points to an initialized tensor that lives as long as the handle is used.
pub(super) unsafe fn tensor(ptr: *const ggml_tensor) -> Option<Tensor> {
    // SAFETY: as the caller promises.
    unsafe { Tensor::from_ptr(ptr.cast_mut()) }
}

/// A tensor for C: null and a log line for an error.
pub(super) fn give(name: &str, result: Result<Tensor>) -> *mut ggml_tensor {
    match result {
        Ok(t) => t.as_ptr(),
        Err(e) => {
            log_error!("{name}: {e}");
            null_mut()
        }
    }
}

/// Logs an error of a function that has no way to return it.
pub(super) fn report(name: &str, result: Result<()>) {
    if let Err(e) = result {
        log_error!("{name}: {e}");
    }
}

/// The bytes of a string from C; empty for null.
///
/// # Safety
/// The pointer is null or points to a string that ends in a null byte and lives as long as the result is used.
pub(super) unsafe fn bytes<'a>(text: *const c_char) -> &'a [u8] {
    if text.is_null() {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_bytes()
}

/// Runs a builder on a context from C.
///
/// # Safety
/// The pointer is null or a live context that no other thread uses meanwhile.
pub(super) unsafe fn in_context(
    name: &str,
    ctx: *const ggml_context,
    build: impl FnOnce(&Context) -> Result<Tensor>,
) -> *mut ggml_tensor {
    guard(name, null_mut(), || {
        // SAFETY: as the caller promises.
        match unsafe { ctx.as_ref() } {
            Some(ctx) => give(name, build(ctx)),
            None => {
                log_error!("{name}: the context is null");
                null_mut()
            }
        }
    })
}

pub(super) fn type_of(raw: ggml_type) -> Result<Type> {
    Type::from_raw(raw).ok_or_else(|| Error(format!("there is no tensor type {raw}")))
}

pub(super) fn unary_of(raw: ggml_unary_op) -> Result<UnaryOp> {
    UnaryOp::from_raw(raw).ok_or_else(|| Error(format!("there is no unary operator {raw}")))
}

pub(super) fn glu_of(raw: ggml_glu_op) -> Result<GluOp> {
    usize::try_from(raw)
        .ok()
        .and_then(|r| GluOp::from_repr(r as _))
        .ok_or_else(|| Error(format!("there is no gated linear unit {raw}")))
}

// Contexts.

/// Makes an arena of `mem_size` bytes, in `mem_buffer` if that is not null. Null if there is no memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_init(params: ggml_init_params) -> *mut ggml_context {
    guard("ggml_init", null_mut(), || {
        let ctx = match params.mem_buffer.is_null() {
            true => Context::new(params.mem_size, params.no_alloc),
            // SAFETY: the caller gives the buffer to the context until `ggml_free`.
            false => unsafe {
                Context::in_buffer(params.mem_buffer.cast(), params.mem_size, params.no_alloc)
            },
        };
        match ctx {
            Ok(ctx) => Box::into_raw(Box::new(ctx)),
            Err(e) => {
                log_error!("ggml_init: {e}");
                null_mut()
            }
        }
    })
}

/// Frees an arena and everything in it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_free(ctx: *mut ggml_context) {
    guard("ggml_free", (), || {
        if !ctx.is_null() {
            // SAFETY: made by a box in `ggml_init`, and freed once.
            drop(unsafe { Box::from_raw(ctx) });
        }
    })
}

/// Bytes of the arena in use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_used_mem(ctx: *const ggml_context) -> usize {
    // SAFETY: null or a live context.
    unsafe { ctx.as_ref() }.map_or(0, Context::used_mem)
}

/// Sends the data of new tensors to `scratch` (to the arena again if its `data` is null). Returns how much of the scratch memory
/// before was in use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_scratch(ctx: *mut ggml_context, scratch: ggml_scratch) -> usize {
    // SAFETY: null or a live context.
    unsafe { ctx.as_ref() }.map_or(0, |ctx| ctx.set_scratch(scratch))
}

/// Whether new tensors get no data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_no_alloc(ctx: *mut ggml_context) -> bool {
    // SAFETY: null or a live context.
    unsafe { ctx.as_ref() }.is_some_and(Context::no_alloc)
}

/// Whether new tensors shall get no data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_no_alloc(ctx: *mut ggml_context, no_alloc: bool) {
    // SAFETY: null or a live context.
    if let Some(ctx) = unsafe { ctx.as_ref() } {
        ctx.set_no_alloc(no_alloc);
    }
}

/// The arena's memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_mem_buffer(ctx: *const ggml_context) -> *mut c_void {
    // SAFETY: null or a live context.
    unsafe { ctx.as_ref() }.map_or(null_mut(), |ctx| ctx.mem_buffer().cast())
}

/// Bytes of the arena.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_mem_size(ctx: *const ggml_context) -> usize {
    // SAFETY: null or a live context.
    unsafe { ctx.as_ref() }.map_or(0, Context::mem_size)
}

/// Bytes of the largest tensor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_max_tensor_size(ctx: *const ggml_context) -> usize {
    // SAFETY: null or a live context.
    unsafe { ctx.as_ref() }.map_or(0, Context::max_tensor_size)
}

/// Bytes that a tensor without data takes in an arena.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_tensor_overhead() -> usize {
    tensor_overhead()
}

/// Prints the header of an object in an arena.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_print_object(obj: *const ggml_object) {
    guard("ggml_print_object", (), || {
        // SAFETY: null or an object of a live context.
        if let Some(obj) = unsafe { obj.as_ref() } {
            println!(
                " - ggml_object: type = {}, offset = {}, size = {}, next = {:p}",
                obj.type_ as i32, obj.offs, obj.size, obj.next
            );
        }
    })
}

/// Prints the headers of all objects of an arena.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_print_objects(ctx: *const ggml_context) {
    guard("ggml_print_objects", (), || {
        // SAFETY: null or a live context.
        if let Some(context) = unsafe { ctx.as_ref() } {
            println!("ggml_print_objects: objects in context {ctx:p}:");
            for object in context.objects() {
                // SAFETY: an object of the context.
                unsafe { ggml_print_object(object.as_ptr()) };
            }
            println!("ggml_print_objects: --- end ---");
        }
    })
}

// New tensors.

/// A tensor of `n_dims` dimensions, `ne` elements each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_new_tensor(
    ctx: *mut ggml_context,
    type_: ggml_type,
    n_dims: c_int,
    ne: *const i64,
) -> *mut ggml_tensor {
    let n = usize::try_from(n_dims).ok();
    let n = n.filter(|n| (1..=MAX_DIMS).contains(n) && !ne.is_null());
    let sizes = match n {
        // SAFETY: the caller gives as many sizes as dimensions.
        Some(n) => unsafe { std::slice::from_raw_parts(ne, n) },
        None => &[],
    };
    // SAFETY: a context from C.
    unsafe {
        in_context("ggml_new_tensor", ctx, |ctx| {
            ctx.new_tensor(type_of(type_)?, sizes)
        })
    }
}

/// A vector.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_new_tensor_1d(
    ctx: *mut ggml_context,
    type_: ggml_type,
    ne0: i64,
) -> *mut ggml_tensor {
    // SAFETY: a context from C.
    unsafe {
        in_context("ggml_new_tensor_1d", ctx, |ctx| {
            ctx.new_tensor(type_of(type_)?, &[ne0])
        })
    }
}

/// A matrix.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_new_tensor_2d(
    ctx: *mut ggml_context,
    type_: ggml_type,
    ne0: i64,
    ne1: i64,
) -> *mut ggml_tensor {
    // SAFETY: a context from C.
    unsafe {
        in_context("ggml_new_tensor_2d", ctx, |ctx| {
            ctx.new_tensor(type_of(type_)?, &[ne0, ne1])
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_new_tensor_3d(
    ctx: *mut ggml_context,
    type_: ggml_type,
    ne0: i64,
    ne1: i64,
    ne2: i64,
) -> *mut ggml_tensor {
    // SAFETY: a context from C.
    unsafe {
        in_context("ggml_new_tensor_3d", ctx, |ctx| {
            ctx.new_tensor(type_of(type_)?, &[ne0, ne1, ne2])
        })
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_new_tensor_4d(
    ctx: *mut ggml_context,
    type_: ggml_type,
    ne0: i64,
    ne1: i64,
    ne2: i64,
    ne3: i64,
) -> *mut ggml_tensor {
    // SAFETY: a context from C.
    unsafe {
        in_context("ggml_new_tensor_4d", ctx, |ctx| {
            ctx.new_tensor(type_of(type_)?, &[ne0, ne1, ne2, ne3])
        })
    }
}

/// A tensor of one number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_new_i32(ctx: *mut ggml_context, value: i32) -> *mut ggml_tensor {
    // SAFETY: a context from C.
    unsafe { in_context("ggml_new_i32", ctx, |ctx| ctx.new_i32(value)) }
}

/// A tensor of one number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_new_f32(ctx: *mut ggml_context, value: f32) -> *mut ggml_tensor {
    // SAFETY: a context from C.
    unsafe { in_context("ggml_new_f32", ctx, |ctx| ctx.new_f32(value)) }
}

/// A tensor of the type and shape of `src`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_dup_tensor(
    ctx: *mut ggml_context,
    src: *const ggml_tensor,
) -> *mut ggml_tensor {
    // SAFETY: a tensor and a context from C.
    unsafe {
        match tensor(src) {
            Some(src) => in_context("ggml_dup_tensor", ctx, |ctx| ctx.dup_tensor(src)),
            None => null_mut(),
        }
    }
}

/// A tensor that looks at the data of `src`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_view_tensor(
    ctx: *mut ggml_context,
    src: *mut ggml_tensor,
) -> *mut ggml_tensor {
    // SAFETY: a tensor and a context from C.
    unsafe {
        match tensor(src) {
            Some(src) => in_context("ggml_view_tensor", ctx, |ctx| ctx.view_tensor(src)),
            None => null_mut(),
        }
    }
}

/// The first tensor of an arena, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_first_tensor(ctx: *const ggml_context) -> *mut ggml_tensor {
    guard("ggml_get_first_tensor", null_mut(), || {
        // SAFETY: null or a live context.
        let first = unsafe { ctx.as_ref() }.and_then(|ctx| ctx.tensors().next());
        first.map_or(null_mut(), Tensor::as_ptr)
    })
}

/// The tensor made after `tensor`, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_next_tensor(
    ctx: *const ggml_context,
    tensor: *mut ggml_tensor,
) -> *mut ggml_tensor {
    guard("ggml_get_next_tensor", null_mut(), || {
        // SAFETY: null, or a live context and a tensor in it.
        let (ctx, t) = unsafe { (ctx.as_ref(), Tensor::from_ptr(tensor)) };
        ctx.zip(t)
            .and_then(|(ctx, t)| ctx.next_tensor(t))
            .map_or(null_mut(), Tensor::as_ptr)
    })
}

/// The tensor of this name, or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_tensor(
    ctx: *mut ggml_context,
    name: *const c_char,
) -> *mut ggml_tensor {
    guard("ggml_get_tensor", null_mut(), || {
        // SAFETY: null or a live context, and a string.
        let (ctx, name) = unsafe { (ctx.as_ref(), bytes(name)) };
        ctx.and_then(|ctx| ctx.get_tensor(name))
            .map_or(null_mut(), Tensor::as_ptr)
    })
}

/// Marks a parameter to be trained.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_param(ctx: *mut ggml_context, tensor: *mut ggml_tensor) {
    guard("ggml_set_param", (), || {
        // SAFETY: null, or a live context and tensor.
        if let (Some(ctx), Some(t)) = unsafe { (ctx.as_ref(), Tensor::from_ptr(tensor)) } {
            report("ggml_set_param", ctx.set_param(t));
        }
    })
}

/// Marks an input: it is allocated first, so that it can be set before the graph is computed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_input(tensor: *mut ggml_tensor) {
    // SAFETY: null or a live tensor.
    if let Some(t) = unsafe { Tensor::from_ptr(tensor) } {
        t.set_flags(t.flags() | TENSOR_FLAG_INPUT);
    }
}

/// Marks an output: its memory is not used for anything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_output(tensor: *mut ggml_tensor) {
    // SAFETY: null or a live tensor.
    if let Some(t) = unsafe { Tensor::from_ptr(tensor) } {
        t.set_flags(t.flags() | TENSOR_FLAG_OUTPUT);
    }
}

// Shapes. The macro keeps the pattern in one place: a question about a tensor, and the answer for null.

macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident -> $result:ty = $null:expr, $ask:expr;)*) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name(tensor: *const ggml_tensor) -> $result {
                guard(stringify!($name), $null, || {
                    // SAFETY: null or a live tensor.
                    match unsafe { Tensor::from_ptr(tensor.cast_mut()) } {
                        Some(t) => ($ask)(t),
                        None => $null,
                    }
                })
            }
        )*
    };
}

questions! {
    ggml_nelements -> i64 = 0, |t: Tensor| t.nelements();
    ggml_nrows -> i64 = 0, |t: Tensor| t.nrows();
    /// Bytes from the first element to the last.
    ggml_nbytes -> usize = 0, |t: Tensor| t.nbytes();
    /// As `ggml_nbytes`, rounded up to the alignment of arenas.
    ggml_nbytes_pad -> usize = 0, |t: Tensor| t.nbytes().saturating_add(MEM_ALIGN - 1) & !(MEM_ALIGN - 1);
    /// Bytes per block of the type.
    ggml_element_size -> usize = 0, |t: Tensor| t.type_size();
    /// Whether computing it does nothing.
    ggml_is_noop -> bool = true, |t: Tensor| t.is_noop();
    ggml_is_transposed -> bool = false, |t: Tensor| t.is_transposed();
    /// Whether strides do not grow with the dimension.
    ggml_is_permuted -> bool = false, |t: Tensor| t.is_permuted();
    ggml_is_empty -> bool = true, |t: Tensor| t.is_empty();
    ggml_is_scalar -> bool = false, |t: Tensor| t.is_scalar();
    ggml_is_vector -> bool = false, |t: Tensor| t.is_vector();
    ggml_is_matrix -> bool = false, |t: Tensor| t.is_matrix();
    ggml_is_3d -> bool = false, |t: Tensor| t.is_3d();
    /// Dimensions up to the last that is not 1, at least one.
    ggml_n_dims -> c_int = 1, |t: Tensor| t.n_dims() as c_int;
    /// Whether there are no gaps between elements.
    ggml_is_contiguous -> bool = false, |t: Tensor| t.is_contiguous();
    /// The same as `ggml_is_contiguous`.
    ggml_is_contiguous_0 -> bool = false, |t: Tensor| t.is_contiguous();
    /// Contiguous for dimensions from 1 on.
    ggml_is_contiguous_1 -> bool = false, |t: Tensor| t.is_contiguous_1();
    /// Contiguous for dimensions from 2 on.
    ggml_is_contiguous_2 -> bool = false, |t: Tensor| t.is_contiguous_2();
    /// Whether there are no gaps, though perhaps another order of dimensions.
    ggml_is_contiguously_allocated -> bool = false, |t: Tensor| t.is_contiguously_allocated();
    /// Whether it is stored as C×W×H×N and seen as W×H×C×N.
    ggml_is_contiguous_channels -> bool = false, |t: Tensor| t.is_contiguous_channels();
    /// Whether neighbours of a row are neighbours in memory.
    ggml_is_contiguous_rows -> bool = false, |t: Tensor| t.is_contiguous_rows();
    ggml_get_data -> *mut c_void = null_mut(), |t: Tensor| t.data();
    /// The data of a tensor of type f32.
    ggml_get_data_f32 -> *mut f32 = null_mut(), |t: Tensor| if t.ty() == Type::F32 { t.data().cast() } else { null_mut() };
    /// The unary operator that a tensor is computed with.
    ggml_get_unary_op -> ggml_unary_op = -1, |t: Tensor| if t.op() == Op::Unary { t.param(0) } else { -1 };
    /// The gated linear unit that a tensor is computed with.
    ggml_get_glu_op -> ggml_glu_op = -1, |t: Tensor| if t.op() == Op::Glu { t.param(0) } else { -1 };
    /// The name of the operator, or of the unary operator.
    ggml_op_desc -> *const c_char = c"NONE".as_ptr(), |t: Tensor| t.op_desc().as_ptr();
}

/// Answers a question about two tensors; `false` for null.
unsafe fn ask_both(
    name: &str,
    t0: *const ggml_tensor,
    t1: *const ggml_tensor,
    ask: impl FnOnce(Tensor, Tensor) -> bool,
) -> bool {
    guard(name, false, || {
        // SAFETY: null or live tensors.
        unsafe { tensor(t0).zip(tensor(t1)) }.is_some_and(|(a, b)| ask(a, b))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_are_same_shape(
    t0: *const ggml_tensor,
    t1: *const ggml_tensor,
) -> bool {
    // SAFETY: null or live tensors.
    unsafe { ask_both("ggml_are_same_shape", t0, t1, Tensor::same_shape) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_are_same_stride(
    t0: *const ggml_tensor,
    t1: *const ggml_tensor,
) -> bool {
    // SAFETY: null or live tensors.
    unsafe { ask_both("ggml_are_same_stride", t0, t1, Tensor::same_stride) }
}

/// Whether repeating `t0` gives the shape of `t1`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_can_repeat(t0: *const ggml_tensor, t1: *const ggml_tensor) -> bool {
    // SAFETY: null or live tensors.
    unsafe { ask_both("ggml_can_repeat", t0, t1, Tensor::can_repeat) }
}

/// The coordinates of the `i`-th element; pointers may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_unravel_index(
    tensor: *const ggml_tensor,
    i: i64,
    i0: *mut i64,
    i1: *mut i64,
    i2: *mut i64,
    i3: *mut i64,
) {
    guard("ggml_unravel_index", (), || {
        // SAFETY: null or a live tensor; pointers null or writable.
        unsafe {
            let Some(t) = Tensor::from_ptr(tensor.cast_mut()) else {
                return;
            };
            for (to, at) in [i0, i1, i2, i3].into_iter().zip(t.unravel(i)) {
                if let Some(to) = to.as_mut() {
                    *to = at;
                }
            }
        }
    })
}

// Elements.

/// Reads an element; 0 and a log line if there is none.
unsafe fn read(
    name: &str,
    tensor: *const ggml_tensor,
    at: impl FnOnce(Tensor) -> [i64; MAX_DIMS],
) -> f64 {
    guard(name, 0.0, || {
        // SAFETY: null or a live tensor.
        let t = unsafe { Tensor::from_ptr(tensor.cast_mut()) };
        let value = t
            .ok_or_else(|| Error("the tensor is null".into()))
            .and_then(|t| t.get(at(t)));
        value.unwrap_or_else(|e| {
            log_error!("{name}: {e}");
            0.0
        })
    })
}

/// Writes an element; a log line if there is none.
unsafe fn write(
    name: &str,
    tensor: *const ggml_tensor,
    at: impl FnOnce(Tensor) -> [i64; MAX_DIMS],
    value: f64,
) {
    guard(name, (), || {
        // SAFETY: null or a live tensor.
        if let Some(t) = unsafe { Tensor::from_ptr(tensor.cast_mut()) } {
            report(name, t.set(at(t), value));
        }
    })
}

fn nd(i0: c_int, i1: c_int, i2: c_int, i3: c_int) -> [i64; MAX_DIMS] {
    [i0, i1, i2, i3].map(i64::from)
}

/// The `i`-th element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_i32_1d(tensor: *const ggml_tensor, i: c_int) -> i32 {
    // SAFETY: a tensor from C.
    unsafe { read("ggml_get_i32_1d", tensor, |t| t.unravel(i.into())) as i32 }
}

/// Sets the `i`-th element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_i32_1d(tensor: *const ggml_tensor, i: c_int, value: i32) {
    // SAFETY: a tensor from C.
    unsafe {
        write(
            "ggml_set_i32_1d",
            tensor,
            |t| t.unravel(i.into()),
            value.into(),
        )
    }
}

/// The element with these coordinates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_i32_nd(
    tensor: *const ggml_tensor,
    i0: c_int,
    i1: c_int,
    i2: c_int,
    i3: c_int,
) -> i32 {
    // SAFETY: a tensor from C.
    unsafe { read("ggml_get_i32_nd", tensor, |_| nd(i0, i1, i2, i3)) as i32 }
}

/// Sets the element with these coordinates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_i32_nd(
    tensor: *const ggml_tensor,
    i0: c_int,
    i1: c_int,
    i2: c_int,
    i3: c_int,
    value: i32,
) {
    // SAFETY: a tensor from C.
    unsafe {
        write(
            "ggml_set_i32_nd",
            tensor,
            |_| nd(i0, i1, i2, i3),
            value.into(),
        )
    }
}

/// The `i`-th element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_f32_1d(tensor: *const ggml_tensor, i: c_int) -> f32 {
    // SAFETY: a tensor from C.
    unsafe { read("ggml_get_f32_1d", tensor, |t| t.unravel(i.into())) as f32 }
}

/// Sets the `i`-th element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_f32_1d(tensor: *const ggml_tensor, i: c_int, value: f32) {
    // SAFETY: a tensor from C.
    unsafe {
        write(
            "ggml_set_f32_1d",
            tensor,
            |t| t.unravel(i.into()),
            value.into(),
        )
    }
}

/// The element with these coordinates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_f32_nd(
    tensor: *const ggml_tensor,
    i0: c_int,
    i1: c_int,
    i2: c_int,
    i3: c_int,
) -> f32 {
    // SAFETY: a tensor from C.
    unsafe { read("ggml_get_f32_nd", tensor, |_| nd(i0, i1, i2, i3)) as f32 }
}

/// Sets the element with these coordinates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_f32_nd(
    tensor: *const ggml_tensor,
    i0: c_int,
    i1: c_int,
    i2: c_int,
    i3: c_int,
    value: f32,
) {
    // SAFETY: a tensor from C.
    unsafe {
        write(
            "ggml_set_f32_nd",
            tensor,
            |_| nd(i0, i1, i2, i3),
            value.into(),
        )
    }
}

unsafe fn change(
    name: &str,
    tensor: *mut ggml_tensor,
    f: impl FnOnce(Tensor) -> Result<()>,
) -> *mut ggml_tensor {
    guard(name, tensor, || {
        // SAFETY: null or a live tensor.
        if let Some(t) = unsafe { Tensor::from_ptr(tensor) } {
            report(name, f(t));
        }
        tensor
    })
}

/// Sets all bytes to zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_zero(tensor: *mut ggml_tensor) -> *mut ggml_tensor {
    // SAFETY: a tensor from C.
    unsafe { change("ggml_set_zero", tensor, Tensor::set_zero) }
}

/// Sets every element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_i32(tensor: *mut ggml_tensor, value: i32) -> *mut ggml_tensor {
    // SAFETY: a tensor from C.
    unsafe { change("ggml_set_i32", tensor, |t| t.fill_with(value.into())) }
}

/// Sets every element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_f32(tensor: *mut ggml_tensor, value: f32) -> *mut ggml_tensor {
    // SAFETY: a tensor from C.
    unsafe { change("ggml_set_f32", tensor, |t| t.fill_with(value.into())) }
}

// Names.

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_get_name(tensor: *const ggml_tensor) -> *const c_char {
    if tensor.is_null() {
        return c"".as_ptr();
    }
    // SAFETY: a live tensor.
    unsafe { (&raw const (*tensor).name).cast() }
}

/// Sets the name, cut to 63 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_set_name(
    tensor: *mut ggml_tensor,
    name: *const c_char,
) -> *mut ggml_tensor {
    guard("ggml_set_name", tensor, || {
        // SAFETY: null or a live tensor, and a string.
        if let (Some(t), name) = unsafe { (Tensor::from_ptr(tensor), bytes(name)) } {
            t.set_name(name);
        }
        tensor
    })
}

/// The name of an operator, like `MUL_MAT`.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_op_name(op: ggml_op) -> *const c_char {
    Op::from_raw(op).map_or(c"?", Op::name).as_ptr()
}

/// A formula for an operator, like `X*Y`.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_op_symbol(op: ggml_op) -> *const c_char {
    Op::from_raw(op).map_or(c"?", Op::symbol).as_ptr()
}

/// The name of a unary operator, like `SILU`.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_unary_op_name(op: ggml_unary_op) -> *const c_char {
    UnaryOp::from_raw(op).map_or(c"?", UnaryOp::name).as_ptr()
}

/// The name of a gated linear unit, like `SWIGLU`.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_glu_op_name(op: ggml_glu_op) -> *const c_char {
    let name = match glu_of(op) {
        Ok(GluOp::Reglu) => c"REGLU",
        Ok(GluOp::Geglu) => c"GEGLU",
        Ok(GluOp::Swiglu) => c"SWIGLU",
        Ok(GluOp::Swiglu_oai) => c"SWIGLU_OAI",
        Ok(GluOp::Geglu_erf) => c"GEGLU_ERF",
        Ok(GluOp::Geglu_quick) => c"GEGLU_QUICK",
        Err(_) => c"?",
    };
    name.as_ptr()
}

/// What a status means.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_status_to_string(status: ggml_status) -> *const c_char {
    let text = match status {
        -2 => c"GGML status: error (failed to allocate memory)",
        -1 => c"GGML status: error (operation failed)",
        0 => c"GGML status: success",
        1 => c"GGML status: warning (operation aborted)",
        _ => c"GGML status: unknown",
    };
    text.as_ptr()
}
