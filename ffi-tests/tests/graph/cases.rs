//! Graphs of every operator of a decoder and its neighbours.

use std::ffi::c_void;
use std::ptr::null_mut;

use ikrs::graph::ggml_tensor;
use ikrs::quant::Type;

use super::api::{Ggml, T, floats};

pub type Case = (&'static str, fn(&Ggml) -> T);

/// Graphs of every operator of a decoder and its neighbours.
pub const CASES: &[Case] = &[
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

/// Operators that make the reference end the process when they are computed.
pub const REFERENCE_ABORTS: &[&str] = &["gelu_erf"];

/// The user's operator of the case `map_custom2`: each task has some of the elements.
pub unsafe extern "C" fn weighted_sum(
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

/// How far results may be apart, relative to their size.
pub fn tolerance(case: &str) -> f64 {
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

/// A decoder of some layers without data, as llama's graphs are built; its output, and its leafs that are inputs.
pub fn decoder(g: &Ggml, n_layer: usize, n_tokens: i64) -> (T, Vec<T>) {
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
