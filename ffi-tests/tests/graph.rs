//! Graphs against the reference: sizes of arenas, what builders make, the order of nodes, the results of operators, how much memory
//! a graph takes, and in which order the scheduler shows nodes.

use std::ffi::{CStr, CString, c_void};
use std::ptr::null_mut;

use ffi_tests::libs::Lib;
use ikrs::abi::ggml_types::ggml_init_params;
use ikrs::graph::{Op, ggml_cgraph, ggml_tensor};
use ikrs::quant::Type;

type T = *mut ggml_tensor;

/// A builder with every argument it could have. In the C calling conventions of Linux, integers and pointers count apart from
/// floats, and a function does not see arguments behind its own, so this type calls all of them.
type Builder = unsafe extern "C" fn(
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
struct Ggml<'a> {
    lib: &'a Lib,
    ctx: *mut c_void,
}

impl<'a> Ggml<'a> {
    fn new(lib: &'a Lib, size: usize, no_alloc: bool) -> Ggml<'a> {
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
    fn call(&self, name: &str, tensors: &[T], ints: &[i64], floats: &[f32]) -> T {
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

    fn tensor(&self, ty: Type, ne: &[i64]) -> T {
        // SAFETY: the signature in ggml.h.
        unsafe {
            let new: unsafe extern "C" fn(*mut c_void, i32, i32, *const i64) -> T =
                self.lib.get("ggml_new_tensor");
            new(self.ctx, ty.raw(), ne.len() as i32, ne.as_ptr())
        }
    }

    /// A tensor of numbers between -1 and 1 that depend on the seed.
    fn x(&self, seed: u32, ne: &[i64]) -> T {
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
    fn positive(&self, seed: u32, ne: &[i64]) -> T {
        let t = self.x(seed, ne);
        for v in floats(t) {
            *v += 1.1;
        }
        t
    }

    fn ints(&self, values: &[i32], ne: &[i64]) -> T {
        let t = self.tensor(Type::I32, ne);
        for (i, &v) in values.iter().enumerate() {
            // SAFETY: the tensor was made with data for as many values.
            unsafe { (*t).data.cast::<i32>().add(i).write(v) };
        }
        t
    }

    /// The numbers of `x` as another type.
    fn typed(&self, seed: u32, ty: Type, ne: &[i64]) -> T {
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
    fn causal(&self, columns: i64, rows: i64) -> T {
        let t = self.tensor(Type::F16, &[columns, rows]);
        for i in 0..columns * rows {
            let seen = i % columns <= columns - rows + i / columns;
            let value = half::f16::from_f32(if seen { 0.0 } else { f32::NEG_INFINITY });
            // SAFETY: the tensor was made with data for as many values.
            unsafe { (*t).data.cast::<half::f16>().add(i as usize).write(value) };
        }
        t
    }

    fn one(&self, name: &str, a: T) -> T {
        self.call(name, &[a], &[], &[])
    }
    fn two(&self, name: &str, a: T, b: T) -> T {
        self.call(name, &[a, b], &[], &[])
    }

    fn graph(&self, outputs: &[T]) -> *mut ggml_cgraph {
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

    fn compute(&self, t: T, n_threads: i32) -> i32 {
        let graph = self.graph(&[t]);
        // SAFETY: the signature in ggml.h.
        unsafe {
            let compute: unsafe extern "C" fn(*mut c_void, *mut ggml_cgraph, i32) -> i32 =
                self.lib.get("ggml_graph_compute_with_ctx");
            compute(self.ctx, graph, n_threads)
        }
    }

    fn used(&self) -> usize {
        // SAFETY: the signature in ggml.h.
        unsafe {
            let used: unsafe extern "C" fn(*mut c_void) -> usize = self.lib.get("ggml_used_mem");
            used(self.ctx)
        }
    }

    fn set_name(&self, t: T, name: &str) -> T {
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
fn floats<'a>(t: T) -> &'a mut [f32] {
    // SAFETY: the caller has a tensor with data.
    unsafe {
        let n = (*t).ne.iter().product::<i64>() as usize;
        std::slice::from_raw_parts_mut((*t).data.cast(), n)
    }
}

fn name(t: T) -> String {
    // SAFETY: names end in a null byte.
    unsafe { CStr::from_ptr((&raw const (*t).name).cast()) }
        .to_string_lossy()
        .into_owned()
}

/// What a builder made, as text: the tensor, and what it is computed from.
fn describe(t: T) -> String {
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

type Case = (&'static str, fn(&Ggml) -> T);

/// Graphs of every operator of a decoder and its neighbours.
const CASES: &[Case] = &[
    ("add", |g| {
        g.two("ggml_add", g.x(1, &[8, 3, 2]), g.x(2, &[8, 1, 2]))
    }),
    ("add_inplace", |g| {
        g.two("ggml_add_inplace", g.x(1, &[8, 3]), g.x(2, &[8, 3]))
    }),
    ("add1", |g| {
        g.two("ggml_add1", g.x(1, &[8, 3]), g.x(2, &[1]))
    }),
    ("add_id", |g| {
        let ids = g.ints(&[1, 0, 2, 1], &[2, 2]);
        g.call(
            "ggml_add_id",
            &[g.x(1, &[8, 2, 2]), g.x(2, &[8, 3]), ids],
            &[],
            &[],
        )
    }),
    ("sub", |g| {
        g.two("ggml_sub", g.x(1, &[8, 3]), g.x(2, &[8, 3]))
    }),
    ("mul", |g| {
        g.two("ggml_mul", g.x(1, &[8, 3, 2]), g.x(2, &[8]))
    }),
    ("div", |g| {
        g.two("ggml_div", g.x(1, &[8, 3]), g.positive(2, &[8, 3]))
    }),
    ("sqr", |g| g.one("ggml_sqr", g.x(1, &[8, 3]))),
    ("sqrt", |g| g.one("ggml_sqrt", g.positive(1, &[8, 3]))),
    ("log", |g| g.one("ggml_log", g.positive(1, &[8, 3]))),
    ("abs", |g| g.one("ggml_abs", g.x(1, &[8, 3]))),
    ("sgn", |g| g.one("ggml_sgn", g.x(1, &[8, 3]))),
    ("neg", |g| g.one("ggml_neg", g.x(1, &[8, 3]))),
    ("step", |g| g.one("ggml_step", g.x(1, &[8, 3]))),
    ("tanh", |g| g.one("ggml_tanh", g.x(1, &[8, 3]))),
    ("elu", |g| g.one("ggml_elu", g.x(1, &[8, 3]))),
    ("relu", |g| g.one("ggml_relu", g.x(1, &[8, 3]))),
    ("sigmoid", |g| g.one("ggml_sigmoid", g.x(1, &[8, 3]))),
    ("gelu", |g| g.one("ggml_gelu", g.x(1, &[32, 3]))),
    ("gelu_erf", |g| g.one("ggml_gelu_erf", g.x(1, &[32, 3]))),
    ("gelu_quick", |g| g.one("ggml_gelu_quick", g.x(1, &[32, 3]))),
    ("silu", |g| g.one("ggml_silu", g.x(1, &[32, 3]))),
    ("silu_inplace", |g| {
        g.one("ggml_silu_inplace", g.x(1, &[32, 3]))
    }),
    ("hardswish", |g| g.one("ggml_hardswish", g.x(1, &[8, 3]))),
    ("hardsigmoid", |g| {
        g.one("ggml_hardsigmoid", g.x(1, &[8, 3]))
    }),
    ("exp", |g| g.one("ggml_exp", g.x(1, &[8, 3]))),
    ("softplus", |g| g.one("ggml_softplus", g.x(1, &[8, 3]))),
    ("leaky_relu", |g| {
        g.call("ggml_leaky_relu", &[g.x(1, &[8, 3])], &[0], &[0.1])
    }),
    ("swiglu", |g| g.one("ggml_swiglu", g.x(1, &[64, 3]))),
    ("swiglu_oai", |g| {
        g.call(
            "ggml_swiglu_oai",
            &[g.x(1, &[32, 3]), g.x(2, &[32, 3])],
            &[],
            &[1.702, 0.5],
        )
    }),
    ("fused_mul_unary", |g| {
        g.call(
            "ggml_fused_mul_unary",
            &[g.x(1, &[32, 3]), g.x(2, &[32, 3])],
            &[10],
            &[],
        )
    }),
    ("fused_mul_unary by row", |g| {
        g.call(
            "ggml_fused_mul_unary",
            &[g.x(1, &[1, 3]), g.x(2, &[32, 3])],
            &[7],
            &[],
        )
    }),
    ("multi_add", |g| {
        let a = g.x(1, &[32, 4, 3]);
        let view = g.call("ggml_view_2d", &[a], &[32, 3, 4 * 32 * 4, 0], &[]);
        g.call("ggml_multi_add", &[view], &[4], &[])
    }),
    ("mul_multi_add", |g| {
        g.two(
            "ggml_mul_multi_add",
            g.x(1, &[32, 4, 3]),
            g.x(2, &[1, 4, 3]),
        )
    }),
    ("hadamard", |g| {
        g.call("ggml_hadamard", &[g.x(1, &[128, 3])], &[64], &[])
    }),
    ("scale", |g| {
        g.call("ggml_scale", &[g.x(1, &[8, 3])], &[], &[0.7])
    }),
    ("scale_bias", |g| {
        g.call("ggml_scale_bias", &[g.x(1, &[8, 3])], &[], &[0.7, -0.2])
    }),
    ("softcap", |g| {
        g.call("ggml_softcap", &[g.x(1, &[32, 3])], &[], &[0.5, 3.0])
    }),
    ("clamp", |g| {
        g.call("ggml_clamp", &[g.x(1, &[8, 3])], &[], &[-0.3, 0.4])
    }),
    ("fill", |g| {
        g.call("ggml_fill", &[g.x(1, &[8, 3])], &[], &[2.5])
    }),
    ("sum", |g| g.one("ggml_sum", g.x(1, &[8, 3]))),
    ("sum_rows", |g| g.one("ggml_sum_rows", g.x(1, &[8, 3, 2]))),
    ("mean", |g| g.one("ggml_mean", g.x(1, &[8, 3, 2]))),
    ("cumsum", |g| g.one("ggml_cumsum", g.x(1, &[8, 3, 2]))),
    ("argmax", |g| g.one("ggml_argmax", g.x(1, &[33, 3]))),
    ("argsort", |g| {
        g.call("ggml_argsort", &[g.x(1, &[33, 3])], &[0], &[])
    }),
    ("top_k", |g| {
        let top = g.call("ggml_top_k", &[g.x(1, &[33, 3])], &[5], &[]);
        g.one("ggml_cont", top)
    }),
    ("grouped_topk", |g| {
        g.call("ggml_grouped_topk", &[g.x(1, &[32, 3])], &[4, 2, 2, 6], &[])
    }),
    ("norm", |g| {
        g.call("ggml_norm", &[g.x(1, &[64, 3])], &[], &[1e-5])
    }),
    ("rms_norm", |g| {
        g.call("ggml_rms_norm", &[g.x(1, &[64, 3, 2])], &[], &[1e-5])
    }),
    ("fused_rms_norm", |g| {
        g.call(
            "ggml_fused_rms_norm",
            &[g.x(1, &[64, 3]), g.x(2, &[64])],
            &[],
            &[1e-5],
        )
    }),
    ("fused_rms_norm without weights", |g| {
        g.call(
            "ggml_fused_rms_norm",
            &[g.x(1, &[64, 3]), null_mut()],
            &[],
            &[1e-5],
        )
    }),
    ("fused_norm", |g| {
        g.call(
            "ggml_fused_norm",
            &[g.x(1, &[64, 3]), g.x(2, &[64])],
            &[],
            &[1e-5],
        )
    }),
    ("fused_rms_rms_add", |g| {
        let x = [
            g.x(1, &[64, 3]),
            g.x(2, &[64]),
            g.x(3, &[64, 3]),
            g.x(4, &[64]),
        ];
        g.call("ggml_fused_rms_rms_add", &x, &[], &[1e-5])
    }),
    ("group_norm", |g| {
        g.call("ggml_group_norm", &[g.x(1, &[8, 4, 6])], &[3], &[1e-5])
    }),
    ("l2_norm", |g| {
        g.call("ggml_l2_norm", &[g.x(1, &[64, 3])], &[], &[1e-5])
    }),
    ("mul_mat f32", |g| {
        g.two("ggml_mul_mat", g.x(1, &[64, 9]), g.x(2, &[64, 5]))
    }),
    ("mul_mat f16, heads", |g| {
        g.two(
            "ggml_mul_mat",
            g.typed(1, Type::F16, &[64, 9, 2]),
            g.x(2, &[64, 5, 4]),
        )
    }),
    ("mul_mat q4_0", |g| {
        g.two(
            "ggml_mul_mat",
            g.typed(1, Type::Q4_0, &[256, 16]),
            g.x(2, &[256, 5]),
        )
    }),
    ("mul_mat q8_0, one column", |g| {
        g.two(
            "ggml_mul_mat",
            g.typed(1, Type::Q8_0, &[256, 16]),
            g.x(2, &[256, 1]),
        )
    }),
    ("mul_mat_id", |g| {
        let ids = g.ints(&[2, 0, 1, 2, 0, 1], &[2, 3]);
        let w = g.typed(1, Type::Q8_0, &[64, 16, 3]);
        g.call("ggml_mul_mat_id", &[w, g.x(2, &[64, 1, 3]), ids], &[], &[])
    }),
    ("fused_up_gate", |g| {
        let (up, gate) = (
            g.typed(1, Type::Q8_0, &[64, 32]),
            g.typed(2, Type::Q8_0, &[64, 32]),
        );
        g.call(
            "ggml_fused_up_gate",
            &[up, gate, g.x(3, &[64, 5])],
            &[10],
            &[],
        )
    }),
    ("fused_up_gate of f16", |g| {
        let (up, gate) = (
            g.typed(1, Type::F16, &[64, 32]),
            g.typed(2, Type::F16, &[64, 32]),
        );
        g.call(
            "ggml_fused_up_gate",
            &[up, gate, g.x(3, &[64, 5])],
            &[10],
            &[],
        )
    }),
    ("moe_up_gate", |g| {
        let ids = g.ints(&[2, 0, 1, 2, 0, 1], &[2, 3]);
        let up = g.typed(1, Type::Q8_0, &[64, 32, 3]);
        let gate = g.typed(2, Type::Q8_0, &[64, 32, 3]);
        g.call(
            "ggml_moe_up_gate",
            &[up, gate, g.x(3, &[64, 1, 3]), ids],
            &[10],
            &[],
        )
    }),
    ("out_prod", |g| {
        g.two("ggml_out_prod", g.x(1, &[6, 5]), g.x(2, &[7, 5]))
    }),
    ("acc", |g| {
        g.call(
            "ggml_acc",
            &[g.x(1, &[8, 6]), g.x(2, &[4, 2])],
            &[32, 192, 192, 40],
            &[],
        )
    }),
    ("set", |g| {
        g.call(
            "ggml_set",
            &[g.x(1, &[8, 6]), g.x(2, &[4, 2])],
            &[32, 192, 192, 40],
            &[],
        )
    }),
    ("set_1d", |g| {
        g.call("ggml_set_1d", &[g.x(1, &[8, 6]), g.x(2, &[4])], &[40], &[])
    }),
    ("cpy to f16 and back", |g| {
        let half = g.two("ggml_cpy", g.x(1, &[8, 3]), g.tensor(Type::F16, &[24]));
        g.call("ggml_cast", &[half], &[0], &[])
    }),
    ("cpy to q8_0", |g| {
        let to = g.tensor(Type::Q8_0, &[64, 3]);
        let copied = g.two("ggml_cpy", g.x(1, &[64, 3]), to);
        g.call("ggml_cast", &[copied], &[0], &[])
    }),
    ("cont of a transpose", |g| {
        g.one("ggml_cont", g.one("ggml_transpose", g.x(1, &[8, 3, 2])))
    }),
    ("cont of a permutation", |g| {
        let p = g.call("ggml_permute", &[g.x(1, &[8, 3, 2])], &[1, 2, 0, 3], &[]);
        g.one("ggml_cont", p)
    }),
    ("cont_2d", |g| {
        let p = g.call("ggml_permute", &[g.x(1, &[8, 3, 2])], &[0, 2, 1, 3], &[]);
        g.call("ggml_cont_2d", &[p], &[16, 3], &[])
    }),
    ("reshape_3d", |g| {
        let r = g.call("ggml_reshape_3d", &[g.x(1, &[8, 6])], &[4, 2, 6], &[]);
        g.one("ggml_sum_rows", r)
    }),
    ("views", |g| {
        let a = g.set_name(g.x(1, &[8, 6, 2]), "a");
        let outer = g.call("ggml_view_3d", &[a], &[4, 3, 2, 32, 192, 64], &[]);
        let inner = g.call("ggml_view_2d", &[outer], &[2, 3, 32, 8], &[]);
        g.one("ggml_cont", inner)
    }),
    ("view_1d and 4d", |g| {
        let a = g.x(1, &[8, 6, 2]);
        let row = g.call("ggml_view_1d", &[a], &[8, 96], &[]);
        let all = g.call("ggml_view_4d", &[a], &[8, 2, 3, 2, 32, 64, 192, 0], &[]);
        g.two("ggml_add", g.one("ggml_cont", all), row)
    }),
    ("get_rows f32", |g| {
        g.two("ggml_get_rows", g.x(1, &[8, 6]), g.ints(&[5, 0, 3], &[3]))
    }),
    ("get_rows q4_0", |g| {
        g.two(
            "ggml_get_rows",
            g.typed(1, Type::Q4_0, &[64, 6]),
            g.ints(&[5, 0, 3], &[3]),
        )
    }),
    ("set_rows", |g| {
        // Into half floats: the reference has no conversion from f32 to f32.
        let x = [
            g.typed(1, Type::F16, &[8, 6]),
            g.x(2, &[8, 2]),
            g.ints(&[4, 1], &[2]),
        ];
        g.call("ggml_set_rows", &x, &[], &[])
    }),
    ("diag", |g| g.one("ggml_diag", g.x(1, &[5, 1, 2]))),
    ("concat 0", |g| {
        g.call(
            "ggml_concat",
            &[g.x(1, &[8, 3]), g.x(2, &[4, 3])],
            &[0],
            &[],
        )
    }),
    ("concat 2", |g| {
        g.call(
            "ggml_concat",
            &[g.x(1, &[8, 3, 1]), g.x(2, &[8, 3, 2])],
            &[2],
            &[],
        )
    }),
    ("repeat", |g| {
        g.two("ggml_repeat", g.x(1, &[4, 1, 2]), g.x(2, &[8, 3, 2]))
    }),
    ("repeat_4d", |g| {
        g.call("ggml_repeat_4d", &[g.x(1, &[4, 1])], &[4, 3, 2, 1], &[])
    }),
    ("repeat_back", |g| {
        g.two("ggml_repeat_back", g.x(1, &[8, 4]), g.x(2, &[4, 2]))
    }),
    ("pad", |g| {
        g.call("ggml_pad", &[g.x(1, &[4, 3])], &[2, 1, 0, 0], &[])
    }),
    ("diag_mask_inf", |g| {
        let masked = g.call("ggml_diag_mask_inf", &[g.x(1, &[6, 4])], &[2], &[]);
        g.one("ggml_soft_max", masked)
    }),
    ("diag_mask_zero", |g| {
        g.call("ggml_diag_mask_zero", &[g.x(1, &[6, 4])], &[2], &[])
    }),
    ("soft_max", |g| g.one("ggml_soft_max", g.x(1, &[33, 3, 2]))),
    ("soft_max_ext", |g| {
        let mask = g.x(2, &[32, 4]);
        g.call(
            "ggml_soft_max_ext",
            &[g.x(1, &[32, 4, 3]), mask],
            &[],
            &[0.3, 0.0],
        )
    }),
    ("soft_max_ext with ALiBi", |g| {
        let mask = g.typed(2, Type::F16, &[32, 4]);
        g.call(
            "ggml_soft_max_ext",
            &[g.x(1, &[32, 4, 3]), mask],
            &[],
            &[0.3, 8.0],
        )
    }),
    ("softcap_max", |g| {
        let mask = g.x(2, &[32, 4]);
        g.call(
            "ggml_softcap_max",
            &[g.x(1, &[32, 4, 3]), mask],
            &[],
            &[0.3, 0.0, 0.5, 2.0],
        )
    }),
    ("rope", |g| {
        g.call(
            "ggml_rope",
            &[g.x(1, &[64, 3, 4]), g.ints(&[0, 7, 100, 3], &[4])],
            &[64, 0],
            &[],
        )
    }),
    ("rope_ext neox, yarn, factors", |g| {
        let x = [
            g.x(1, &[64, 3, 4]),
            g.ints(&[0, 7, 1000, 3], &[4]),
            g.positive(3, &[24]),
        ];
        let f = [50000.0, 0.25, 1.0, 1.1, 32.0, 1.0];
        g.call("ggml_rope_ext", &x, &[48, 2, 512], &f)
    }),
    ("rope_cache and rope_fast", |g| {
        let pos = g.ints(&[0, 7, 100, 3], &[4]);
        let f = [10000.0, 1.0, 0.0, 1.0, 32.0, 1.0];
        let cache = g.call("ggml_rope_cache", &[pos, null_mut()], &[64, 64, 2, 512], &f);
        g.two("ggml_rope_fast", g.x(1, &[64, 3, 4]), cache)
    }),
    ("flash_attn_ext", |g| {
        let (k, v) = (
            g.typed(2, Type::F16, &[64, 32, 2]),
            g.typed(3, Type::F16, &[64, 32, 2]),
        );
        let mask = g.causal(32, 16);
        let x = [g.x(1, &[64, 5, 4]), k, v, mask];
        g.call("ggml_flash_attn_ext", &x, &[], &[0.125, 0.0, 0.0])
    }),
    ("im2col", |g| {
        let kernel = g.typed(1, Type::F16, &[3, 3, 2, 4]);
        let x = [kernel, g.x(2, &[8, 6, 2])];
        g.call("ggml_im2col", &x, &[1, 1, 1, 1, 1, 1, 1, 0], &[])
    }),
    ("conv_1d", |g| {
        let kernel = g.typed(1, Type::F16, &[3, 2, 4]);
        g.call("ggml_conv_1d", &[kernel, g.x(2, &[8, 2])], &[1, 1, 1], &[])
    }),
    ("pool_1d", |g| {
        g.call("ggml_pool_1d", &[g.x(1, &[8, 3])], &[1, 2, 2, 0], &[])
    }),
    ("pool_2d", |g| {
        g.call(
            "ggml_pool_2d",
            &[g.x(1, &[8, 6, 2])],
            &[0, 2, 2, 2, 2],
            &[0.0, 0.0],
        )
    }),
    ("upscale", |g| {
        g.call("ggml_upscale", &[g.x(1, &[4, 3, 2])], &[2, 0], &[])
    }),
    ("arange", |g| {
        g.call("ggml_arange", &[], &[], &[1.0, 7.5, 0.5])
    }),
    ("timestep_embedding", |g| {
        g.call(
            "ggml_timestep_embedding",
            &[g.positive(1, &[3])],
            &[16, 1000],
            &[],
        )
    }),
    ("tri", |g| {
        g.call("ggml_tri", &[g.x(1, &[5, 5, 2])], &[2], &[])
    }),
    ("solve_tri", |g| {
        let a = g.positive(1, &[5, 5]);
        g.call("ggml_solve_tri", &[a, g.x(2, &[3, 5])], &[1, 1, 0], &[])
    }),
    ("map_custom2", |g| {
        let x = [g.x(1, &[33, 3]), g.x(2, &[33, 3])];
        let fun = weighted_sum as *const () as i64;
        g.call("ggml_map_custom2", &x, &[fun, 2, 3], &[])
    }),
    ("reglu", |g| g.one("ggml_reglu", g.x(1, &[64, 3]))),
    ("geglu_split", |g| {
        g.two("ggml_geglu_split", g.x(1, &[32, 3]), g.x(2, &[32, 3]))
    }),
];

/// Operators that are built, but that the CPU cannot compute yet: computing them fails, and does nothing worse.
const NO_KERNEL: &[&str] = &[
    "out_prod",
    "repeat_back",
    "im2col",
    "conv_1d",
    "pool_1d",
    "pool_2d",
    "solve_tri",
];

/// Operators that make the reference end the process when they are computed.
const REFERENCE_ABORTS: &[&str] = &["gelu_erf"];

/// The user's operator of the case `map_custom2`: each task has some of the elements.
unsafe extern "C" fn weighted_sum(
    dst: T,
    a: *const ggml_tensor,
    b: *const ggml_tensor,
    ith: i32,
    nth: i32,
    userdata: *mut c_void,
) {
    let n = floats(dst).len();
    for i in (ith as usize..n).step_by(nth as usize) {
        // SAFETY: all three have as many elements; tasks write different ones.
        unsafe {
            let [a, b] = [a, b].map(|t| (*t).data.cast::<f32>().add(i).read());
            let sum = a + b * userdata.addr() as f32;
            (*dst).data.cast::<f32>().add(i).write(sum);
        }
    }
}

#[test]
fn arenas_and_graphs_take_the_same_memory() {
    let [ours, theirs] = Lib::both();
    for lib in [&ours, &theirs] {
        Ggml::new(lib, 1024, true);
    }
    // SAFETY: the signatures in ggml.h and ggml-impl.h.
    unsafe {
        let tensor =
            |lib: &Lib| lib.get::<unsafe extern "C" fn() -> usize>("ggml_tensor_overhead")();
        assert_eq!(tensor(&ours), tensor(&theirs));
        let plain = |lib: &Lib| lib.get::<unsafe extern "C" fn() -> usize>("ggml_graph_overhead")();
        assert_eq!(plain(&ours), plain(&theirs));
        type Custom = unsafe extern "C" fn(usize, bool) -> usize;
        let custom: [Custom; 2] = [&ours, &theirs].map(|l| l.get("ggml_graph_overhead_custom"));
        type Hash = unsafe extern "C" fn(usize) -> usize;
        let hash: [Hash; 2] = [&ours, &theirs].map(|l| l.get("ggml_hash_size"));
        for size in (1..200).chain([1000, 2048, 8192, 65536, 100_000, 1 << 25]) {
            for grads in [false, true] {
                assert_eq!(
                    custom[0](size, grads),
                    custom[1](size, grads),
                    "{size} {grads}"
                );
            }
            assert_eq!(hash[0](size), hash[1](size), "{size}");
        }
        assert_eq!(hash[0](1 << 40), hash[1](1 << 40));
    }
}

#[test]
fn operators_have_the_same_names() {
    let libs = Lib::both();
    for function in ["ggml_op_name", "ggml_op_symbol"] {
        for op in 0..=Op::Fused_rms_rms_add as i32 {
            let [ours, theirs] = [&libs[0], &libs[1]].map(|lib| {
                // SAFETY: the signature in ggml.h.
                unsafe {
                    let name: unsafe extern "C" fn(i32) -> *const std::ffi::c_char =
                        lib.get(function);
                    CStr::from_ptr(name(op)).to_string_lossy().into_owned()
                }
            });
            // The reference's formula of gated linear units ends in a comma.
            assert_eq!(ours, theirs.trim_end_matches(','), "{function}({op})");
        }
    }
}

#[test]
fn builders_make_the_same_tensors() {
    let [ours, theirs] = Lib::both();
    let mut wrong = Vec::new();
    for (case, build) in CASES {
        let [a, b] = [&ours, &theirs].map(|lib| {
            let g = Ggml::new(lib, 1 << 20, false);
            let t = build(&g);
            assert!(!t.is_null(), "{case}: {} refused it", lib.name);
            (describe(t), g.used())
        });
        if a != b {
            wrong.push(format!(
                "{case}:\nours {} {}theirs {} {}",
                a.1, a.0, b.1, b.0
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn operators_give_the_same_results() {
    let [ours, theirs] = Lib::both();
    let mut wrong = Vec::new();
    for (case, build) in CASES {
        // Seen with --nocapture: which one made the reference end the process.
        println!("{case}");
        if NO_KERNEL.contains(case) {
            let g = Ggml::new(&ours, 16 << 20, false);
            assert_eq!(g.compute(build(&g), 2), -1, "{case}");
            continue;
        }
        let theirs = match REFERENCE_ABORTS.contains(case) {
            true => &ours,
            false => &theirs,
        };
        let results = [(theirs, 1), (&ours, 1), (&ours, 3)].map(|(lib, n_threads)| {
            let g = Ggml::new(lib, 16 << 20, false);
            let t = build(&g);
            let status = g.compute(t, n_threads);
            // SAFETY: a tensor of a live context.
            match unsafe { (*t).type_ } {
                _ if status != 0 => Err(status),
                0 => Ok(floats(t).to_vec()),
                26 => Ok(floats(t).iter().map(|v| v.to_bits() as f32).collect()),
                1 => Ok(halves(t)),
                other => panic!("{case}: results of type {other}"),
            }
        });
        let [Ok(reference), Ok(one), Ok(three)] = results else {
            wrong.push(format!("{case}: status {:?}", results.map(|r| r.err())));
            continue;
        };
        let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        if bits(&one) != bits(&three) {
            wrong.push(format!("{case}: depends on the number of threads"));
        }
        let error = distance(&reference, &one);
        if !(error < tolerance(case)) {
            wrong.push(format!(
                "{case}: relative error {error}\n  ours   {:?}\n  theirs {:?}",
                &one[..one.len().min(12)],
                &reference[..reference.len().min(12)]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How far results may be apart, relative to their size.
fn tolerance(case: &str) -> f64 {
    match case {
        // Both libraries round the other operand to 8 bits, each in its own way.
        "mul_mat q4_0"
        | "mul_mat q8_0, one column"
        | "mul_mat_id"
        | "fused_up_gate"
        | "moe_up_gate" => 1e-2,
        // The reference looks these up in a table of half floats.
        "gelu_quick" | "geglu_split" => 1e-3,
        _ => 1e-4,
    }
}

fn halves(t: T) -> Vec<f32> {
    // SAFETY: a contiguous tensor of half floats with data.
    unsafe {
        let n = (*t).ne.iter().product::<i64>() as usize;
        std::slice::from_raw_parts((*t).data.cast::<half::f16>(), n)
    }
    .iter()
    .map(|h| h.to_f32())
    .collect()
}

/// The root of the normalized squared error; infinities and NaNs must agree.
fn distance(reference: &[f32], ours: &[f32]) -> f64 {
    assert_eq!(reference.len(), ours.len());
    let (mut error, mut norm) = (0.0, 1e-12);
    for (&r, &o) in reference.iter().zip(ours) {
        if !r.is_finite() || !o.is_finite() {
            if r.to_bits() != o.to_bits() {
                return f64::INFINITY;
            }
            continue;
        }
        error += f64::from(r - o).powi(2);
        norm += f64::from(r).powi(2);
    }
    (error / norm).sqrt()
}

/// A decoder of some layers without data, as llama's graphs are built; its output, and its leafs that are inputs.
fn decoder(g: &Ggml, n_layer: usize, n_tokens: i64) -> (T, Vec<T>) {
    let (n_embd, n_head, n_head_kv, n_ff, n_vocab, n_kv) =
        (576i64, 9i64, 3i64, 1536i64, 49152i64, 512i64);
    let head = n_embd / n_head;
    let rope = [10000.0, 1.0, 0.0, 1.0, 32.0, 1.0];
    let w = |ne: &[i64]| g.tensor(Type::Q8_0, ne);
    let input = |ty, ne: &[i64]| {
        let t = g.tensor(ty, ne);
        // SAFETY: the signature in ggml.h.
        unsafe { g.lib.get::<unsafe extern "C" fn(T)>("ggml_set_input")(t) };
        t
    };
    let tokens = input(Type::I32, &[n_tokens]);
    let pos = input(Type::I32, &[n_tokens]);
    let mask = input(Type::F32, &[n_kv, n_tokens]);
    let norm = |x: T| {
        let scale = g.tensor(Type::F32, &[n_embd]);
        g.call("ggml_fused_rms_norm", &[x, scale], &[], &[1e-5])
    };
    let mut x = g.two("ggml_get_rows", w(&[n_embd, n_vocab]), tokens);
    for layer in 0..n_layer {
        let h = norm(x);
        let heads = |t: T, n: i64| {
            let t = g.call("ggml_reshape_3d", &[t], &[head, n, n_tokens], &[]);
            g.call(
                "ggml_rope_ext",
                &[t, pos, null_mut()],
                &[head, 0, 2048],
                &rope,
            )
        };
        let q = heads(g.two("ggml_mul_mat", w(&[n_embd, n_embd]), h), n_head);
        let k = heads(
            g.two("ggml_mul_mat", w(&[n_embd, head * n_head_kv]), h),
            n_head_kv,
        );
        let v = g.two("ggml_mul_mat", w(&[n_embd, head * n_head_kv]), h);
        let q = g.call("ggml_permute", &[q], &[0, 2, 1, 3], &[]);
        let k = g.call("ggml_permute", &[k], &[0, 2, 1, 3], &[]);
        let cache = g.tensor(Type::F16, &[head, n_kv, n_head_kv]);
        let kq = g.two("ggml_mul_mat", cache, q);
        let kq = g.call("ggml_soft_max_ext", &[kq, mask], &[], &[0.125, 0.0]);
        let cache_v = g.tensor(Type::F16, &[n_kv, head, n_head_kv]);
        let kqv = g.two("ggml_mul_mat", cache_v, kq);
        let kqv = g.call("ggml_permute", &[kqv], &[0, 2, 1, 3], &[]);
        let kqv = g.call("ggml_cont_2d", &[kqv], &[n_embd, n_tokens], &[]);
        let out = g.two("ggml_mul_mat", w(&[n_embd, n_embd]), kqv);
        // Keep the new keys and values alive, as copies into a cache would.
        let kv = g.two(
            "ggml_add",
            g.one("ggml_cont", k),
            g.call("ggml_reshape_3d", &[v], &[head, n_tokens, n_head_kv], &[]),
        );
        let out = g.two(
            "ggml_add",
            out,
            g.two("ggml_repeat", g.one("ggml_sum", kv), out),
        );
        x = g.two("ggml_add", out, x);
        g.set_name(x, &format!("ffn_inp-{layer}"));
        let h = norm(x);
        let (up, gate) = (w(&[n_embd, n_ff]), w(&[n_embd, n_ff]));
        let h = g.call("ggml_fused_up_gate", &[up, gate, h], &[10], &[]);
        let h = g.two("ggml_mul_mat", w(&[n_ff, n_embd]), h);
        x = g.two("ggml_add", h, x);
        g.set_name(x, &format!("l_out-{layer}"));
    }
    let out = g.two("ggml_mul_mat", w(&[n_embd, n_vocab]), norm(x));
    (g.set_name(out, "result"), vec![tokens, pos, mask])
}

#[test]
fn graphs_have_the_same_order() {
    let libs = Lib::both();
    let [ours, theirs] = [&libs[0], &libs[1]].map(|lib| {
        let g = Ggml::new(lib, 16 << 20, true);
        let (out, _) = decoder(&g, 4, 32);
        let graph = g.graph(&[out]);
        // SAFETY: a graph of a live context.
        unsafe {
            let graph = &*graph;
            let list =
                |p: *mut T, n: i32| (0..n as usize).map(|i| name(*p.add(i))).collect::<Vec<_>>();
            (
                list(graph.nodes, graph.n_nodes),
                list(graph.leafs, graph.n_leafs),
            )
        }
    });
    assert_eq!(ours, theirs);
}

#[test]
fn graphs_take_no_more_memory() {
    let libs = Lib::both();
    for n_tokens in [1, 32, 512] {
        let [ours, theirs] = [&libs[0], &libs[1]].map(|lib| {
            let g = Ggml::new(lib, 16 << 20, true);
            let (out, _) = decoder(&g, 12, n_tokens);
            let graph = g.graph(&[out]);
            let weights = unallocated_leafs(&g, graph);
            // SAFETY: the signatures in ggml-backend.h and ggml-alloc.h.
            unsafe {
                let buft: unsafe extern "C" fn() -> *mut c_void =
                    lib.get("ggml_backend_cpu_buffer_type");
                let new: unsafe extern "C" fn(*mut c_void) -> *mut c_void =
                    lib.get("ggml_gallocr_new");
                let reserve: unsafe extern "C" fn(*mut c_void, *mut ggml_cgraph) -> bool =
                    lib.get("ggml_gallocr_reserve");
                let size: unsafe extern "C" fn(*mut c_void, i32) -> usize =
                    lib.get("ggml_gallocr_get_buffer_size");
                let free: unsafe extern "C" fn(*mut c_void) = lib.get("ggml_gallocr_free");
                let galloc = new(buft());
                assert!(reserve(galloc, graph));
                let bytes = size(galloc, 0);
                free(galloc);
                drop(weights);
                bytes
            }
        });
        assert!(
            ours <= theirs,
            "{n_tokens} tokens: {ours} bytes, the reference {theirs}"
        );
    }
}

/// Gives the weights of a graph (leafs that are no inputs) an address, so that the allocator leaves them alone.
fn unallocated_leafs(_g: &Ggml, graph: *mut ggml_cgraph) -> Vec<u8> {
    let mut somewhere = vec![0u8; 64];
    // SAFETY: a graph of a live context; nothing is computed.
    unsafe {
        for i in 0..(*graph).n_leafs as usize {
            let leaf = *(*graph).leafs.add(i);
            if (*leaf).flags == 0 {
                (*leaf).data = somewhere.as_mut_ptr().cast();
            }
        }
    }
    somewhere
}

/// What a callback was told.
struct Seen {
    log: Vec<String>,
    wanted: fn(&str) -> bool,
    stop_at: &'static str,
}

unsafe extern "C" fn observe(t: T, ask: bool, data: *mut c_void) -> bool {
    // SAFETY: the pointer that `show` gave.
    let seen = unsafe { &mut *data.cast::<Seen>() };
    let name = name(t);
    seen.log
        .push(format!("{} {name}", if ask { "ask" } else { "see" }));
    if ask {
        (seen.wanted)(&name)
    } else {
        name != seen.stop_at
    }
}

/// Runs a small graph through a scheduler with a callback; what it was told.
fn show(lib: &Lib, wanted: fn(&str) -> bool, stop_at: &'static str) -> Vec<String> {
    let g = Ggml::new(lib, 1 << 20, true);
    let a = g.set_name(g.tensor(Type::F32, &[8, 4]), "a");
    let b = g.set_name(g.one("ggml_sqr", a), "b");
    let c = g.set_name(g.two("ggml_add", b, a), "c");
    let v = g.set_name(g.call("ggml_reshape_1d", &[c], &[32], &[]), "v");
    let d = g.set_name(g.one("ggml_sum", v), "d");
    let graph = g.graph(&[d]);
    let mut seen = Seen {
        log: Vec::new(),
        wanted,
        stop_at,
    };
    // SAFETY: the signatures in ggml-backend.h.
    unsafe {
        let init: unsafe extern "C" fn() -> *mut c_void = lib.get("ggml_backend_cpu_init");
        let new: unsafe extern "C" fn(
            *mut *mut c_void,
            *mut *mut c_void,
            i32,
            usize,
            bool,
        ) -> *mut c_void = lib.get("ggml_backend_sched_new");
        let set: unsafe extern "C" fn(
            *mut c_void,
            unsafe extern "C" fn(T, bool, *mut c_void) -> bool,
            *mut c_void,
        ) = lib.get("ggml_backend_sched_set_eval_callback");
        let compute: unsafe extern "C" fn(*mut c_void, *mut ggml_cgraph) -> i32 =
            lib.get("ggml_backend_sched_graph_compute");
        let free: unsafe extern "C" fn(*mut c_void) = lib.get("ggml_backend_sched_free");
        let free_backend: unsafe extern "C" fn(*mut c_void) = lib.get("ggml_backend_free");
        let mut backend = init();
        let sched = new(&mut backend, null_mut(), 1, 64, false);
        set(sched, observe, (&raw mut seen).cast());
        assert_eq!(compute(sched, graph), 0);
        free(sched);
        free_backend(backend);
    }
    seen.log
}

#[test]
fn the_scheduler_shows_the_same_nodes() {
    let [ours, theirs] = Lib::both();
    let choices: [fn(&str) -> bool; 3] = [|_| true, |_| false, |name| name == "c"];
    for wanted in choices {
        for stop_at in ["", "c"] {
            assert_eq!(show(&ours, wanted, stop_at), show(&theirs, wanted, stop_at));
        }
    }
}
