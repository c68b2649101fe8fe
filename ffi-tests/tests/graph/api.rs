//! One library with a context: calling builders, filling tensors, describing what was made.

use std::ffi::{CStr, CString, c_void};
use std::ptr::null_mut;

use ffi_tests::libs::Lib;
use ikrs::abi::ggml_types::ggml_init_params;
use ikrs::graph::{Op, ggml_cgraph, ggml_tensor};
use ikrs::quant::Type;

pub type T = *mut ggml_tensor;

/// A builder with every argument it could have. In the C calling conventions of Linux, integers and pointers count apart from
/// floats, and a function does not see arguments behind its own, so this type calls all of them.
pub type Builder = unsafe extern "C" fn(
    *mut c_void,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    usize,
    f32,
    f32,
    f32,
    f32,
    f32,
    f32,
) -> T;

/// One library with a context.
pub struct Ggml<'a> {
    pub lib: &'a Lib,
    pub ctx: *mut c_void,
}

impl<'a> Ggml<'a> {
    pub fn new(lib: &'a Lib, size: usize, no_alloc: bool) -> Ggml<'a> {
        // SAFETY: the signature in ggml.h.
        let ctx = unsafe {
            let init: unsafe extern "C" fn(ggml_init_params) -> *mut c_void = lib.get("ggml_init");
            init(ggml_init_params {
                mem_size: size,
                mem_buffer: null_mut(),
                no_alloc,
            })
        };
        assert!(!ctx.is_null());
        Ggml { lib, ctx }
    }

    /// Calls a builder: tensors first, then integers; floats apart.
    pub fn call(&self, name: &str, tensors: &[T], ints: &[i64], floats: &[f32]) -> T {
        let mut words = [0usize; 10];
        let all = tensors
            .iter()
            .map(|t| t.addr())
            .chain(ints.iter().map(|&i| i as usize));
        for (word, value) in words.iter_mut().zip(all) {
            *word = value;
        }
        let mut f = [0f32; 6];
        f[..floats.len()].copy_from_slice(floats);
        let [a, b, c, d, e, g, h, i, j, k] = words;
        // SAFETY: see `Builder`; the arguments are those that the function takes.
        unsafe {
            let build: Builder = self.lib.get(name);
            build(
                self.ctx, a, b, c, d, e, g, h, i, j, k, f[0], f[1], f[2], f[3], f[4], f[5],
            )
        }
    }

    pub fn tensor(&self, ty: Type, ne: &[i64]) -> T {
        // SAFETY: the signature in ggml.h.
        unsafe {
            let new: unsafe extern "C" fn(*mut c_void, i32, i32, *const i64) -> T =
                self.lib.get("ggml_new_tensor");
            new(self.ctx, ty.raw(), ne.len() as i32, ne.as_ptr())
        }
    }

    /// A tensor of numbers between -1 and 1 that depend on the seed.
    pub fn x(&self, seed: u32, ne: &[i64]) -> T {
        let t = self.tensor(Type::F32, ne);
        let n = ne.iter().product::<i64>() as usize;
        let mut state = seed.wrapping_mul(2654435761).wrapping_add(12345);
        for i in 0..n {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            let value = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            // SAFETY: the tensor was made with data for as many values.
            unsafe { (*t).data.cast::<f32>().add(i).write(value) };
        }
        t
    }

    /// The numbers of `x`, moved to between 0.1 and 2.1.
    pub fn positive(&self, seed: u32, ne: &[i64]) -> T {
        let t = self.x(seed, ne);
        for v in floats(t) {
            *v += 1.1;
        }
        t
    }

    pub fn ints(&self, values: &[i32], ne: &[i64]) -> T {
        let t = self.tensor(Type::I32, ne);
        for (i, &v) in values.iter().enumerate() {
            // SAFETY: the tensor was made with data for as many values.
            unsafe { (*t).data.cast::<i32>().add(i).write(v) };
        }
        t
    }

    /// The numbers of `x` as another type.
    pub fn typed(&self, seed: u32, ty: Type, ne: &[i64]) -> T {
        let from = self.x(seed, ne);
        let to = self.tensor(ty, ne);
        let rows = ne[1..].iter().product::<i64>();
        // SAFETY: the signature in ggml.h; both tensors have data.
        unsafe {
            let chunk: unsafe extern "C" fn(
                i32,
                *const f32,
                *mut c_void,
                i64,
                i64,
                i64,
                *const f32,
            ) -> usize = self.lib.get("ggml_quantize_chunk");
            chunk(
                ty.raw(),
                (*from).data.cast(),
                (*to).data,
                0,
                rows,
                ne[0],
                std::ptr::null(),
            );
        }
        to
    }

    /// A mask in half floats: token `i` of `rows` sees the first `columns - rows + i + 1` columns.
    pub fn causal(&self, columns: i64, rows: i64) -> T {
        let t = self.tensor(Type::F16, &[columns, rows]);
        for i in 0..columns * rows {
            let seen = i % columns <= columns - rows + i / columns;
            let value = half::f16::from_f32(if seen { 0.0 } else { f32::NEG_INFINITY });
            // SAFETY: the tensor was made with data for as many values.
            unsafe { (*t).data.cast::<half::f16>().add(i as usize).write(value) };
        }
        t
    }

    pub fn one(&self, name: &str, a: T) -> T {
        self.call(name, &[a], &[], &[])
    }
    pub fn two(&self, name: &str, a: T, b: T) -> T {
        self.call(name, &[a, b], &[], &[])
    }

    pub fn graph(&self, outputs: &[T]) -> *mut ggml_cgraph {
        // SAFETY: the signatures in ggml.h.
        unsafe {
            let new: unsafe extern "C" fn(*mut c_void, usize, bool) -> *mut ggml_cgraph =
                self.lib.get("ggml_new_graph_custom");
            let expand: unsafe extern "C" fn(*mut ggml_cgraph, T) =
                self.lib.get("ggml_build_forward_expand");
            let graph = new(self.ctx, 4096, false);
            assert!(!graph.is_null());
            for &t in outputs {
                expand(graph, t);
            }
            graph
        }
    }

    pub fn compute(&self, t: T, n_threads: i32) -> i32 {
        let graph = self.graph(&[t]);
        // SAFETY: the signature in ggml.h.
        unsafe {
            let compute: unsafe extern "C" fn(*mut c_void, *mut ggml_cgraph, i32) -> i32 =
                self.lib.get("ggml_graph_compute_with_ctx");
            compute(self.ctx, graph, n_threads)
        }
    }

    pub fn used(&self) -> usize {
        // SAFETY: the signature in ggml.h.
        unsafe {
            let used: unsafe extern "C" fn(*mut c_void) -> usize = self.lib.get("ggml_used_mem");
            used(self.ctx)
        }
    }

    pub fn set_name(&self, t: T, name: &str) -> T {
        let name = CString::new(name).expect("no zero inside");
        // SAFETY: the signature in ggml.h.
        unsafe {
            let set: unsafe extern "C" fn(T, *const std::ffi::c_char) -> T =
                self.lib.get("ggml_set_name");
            set(t, name.as_ptr())
        }
    }
}

impl Drop for Ggml<'_> {
    fn drop(&mut self) {
        // SAFETY: the signature in ggml.h.
        unsafe {
            let free: unsafe extern "C" fn(*mut c_void) = self.lib.get("ggml_free");
            free(self.ctx);
        }
    }
}

/// The data of a contiguous f32 tensor.
pub fn floats<'a>(t: T) -> &'a mut [f32] {
    // SAFETY: the caller has a tensor with data.
    unsafe {
        let n = (*t).ne.iter().product::<i64>() as usize;
        std::slice::from_raw_parts_mut((*t).data.cast(), n)
    }
}

pub fn name(t: T) -> String {
    // SAFETY: names end in a null byte.
    unsafe { CStr::from_ptr((&raw const (*t).name).cast()) }
        .to_string_lossy()
        .into_owned()
}

/// What a builder made, as text: the tensor, and what it is computed from.
pub fn describe(t: T) -> String {
    fn one(t: T, depth: usize, out: &mut String) {
        // SAFETY: tensors of a live context.
        let tensor = unsafe { &*t };
        let mut params = tensor.op_params;
        if (Op::Map_custom1 as i32..=Op::Map_custom3 as i32).contains(&tensor.op) {
            // Padding of a C struct, which the reference leaves as it was.
            params[3] = 0;
        }
        let view = match tensor.view_src.is_null() {
            true => String::new(),
            false => format!(" view of {} at {}", name(tensor.view_src), tensor.view_offs),
        };
        *out += &format!(
            "{:indent$}{} op {} type {} ne {:?} nb {:?} params {:?} flags {}{view}\n",
            "",
            name(t),
            tensor.op,
            tensor.type_,
            tensor.ne,
            tensor.nb,
            params,
            tensor.flags,
            indent = depth
        );
        // A cast is its own second source.
        for (i, &src) in tensor.src.iter().enumerate() {
            if !src.is_null() && src != t {
                *out += &format!("{:indent$}source {i}:\n", "", indent = depth);
                one(src, depth + 1, out);
            }
        }
    }
    let mut out = String::new();
    one(t, 0, &mut out);
    out
}
