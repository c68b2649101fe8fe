//! Builders refuse what the operators cannot do, and lay out what they can.

use super::params::{FlashAttn, Rope, View};
use super::*;
use crate::quant::Type;

fn context() -> Context {
    Context::new(1 << 20, true).unwrap()
}

impl Context {
    fn f32(&self, ne: &[i64]) -> Tensor {
        self.new_tensor(Type::F32, ne).unwrap()
    }
}

const ROPE: Rope = Rope {
    n_dims: 64,
    mode: 0,
    n_ctx_orig: 2048,
    freq_base: 10000.0,
    freq_scale: 1.0,
    ext_factor: 0.0,
    attn_factor: 1.0,
    beta_fast: 32.0,
    beta_slow: 1.0,
    sections: [1, 2, 3, 4],
};

#[test]
fn shapes_that_do_not_fit_are_errors() {
    let c = context();
    let (a, b) = (c.f32(&[8, 3]), c.f32(&[7, 3]));
    assert!(c.add(a, b).is_err());
    assert!(c.sub(a, c.f32(&[8])).is_err());
    assert!(c.mul_mat(a, b).is_err());
    assert!(c.mul_mat(c.transpose(a).unwrap(), c.f32(&[3, 2])).is_err());
    assert!(c.concat(a, b, 1).is_err());
    assert!(c.concat(a, a, 4).is_err());
    assert!(c.repeat(a, b).is_err());
    assert!(c.reshape_1d(a, 25).is_err());
    assert!(c.reshape(a, &[i64::MAX, 4]).is_err());
    assert!(c.reshape_1d(c.transpose(a).unwrap(), 24).is_err());
    assert!(c.permute(a, [0, 1, 2, 2]).is_err());
    assert!(c.permute(a, [0, 1, 2, 4]).is_err());
    assert!(c.get_rows(a, b).is_err());
    assert!(c.top_k(a, 9).is_err());
    assert!(c.top_k(a, -1).is_err());
    assert!(c.grouped_topk(a, 0, 0, 1, 1).is_err());
    assert!(c.soft_max_ext(a, None, 1.0, 8.0).is_err());
    assert!(c.hadamard(a, 3).is_err());
    assert!(c.arange(1.0, f32::INFINITY, 1.0).is_err());
    assert!(c.win_part(c.f32(&[4, 4, 4]), 0).is_err());
    let empty = c.f32(&[0, 3]);
    assert!(c.add(a, empty).is_err());
    assert!(c.mul_mat(c.f32(&[8, 3, 0]), c.f32(&[8, 3, 2])).is_err());
}

#[test]
fn views_stay_inside() {
    let c = context();
    let a = c.f32(&[8, 4]);
    let last = c.view_2d(a, 4, 2, 32, 32 * 2 + 16).unwrap();
    assert_eq!(View::load(last).offset, 80);
    assert!(c.view_2d(a, 4, 2, 32, 32 * 2 + 20).is_err());
    assert!(c.view_2d(a, 8, 5, 32, 0).is_err());
    assert!(c.view_1d(a, 1, usize::MAX).is_err());
    assert!(c.view_2d(a, 1, 2, usize::MAX, 0).is_err());
    assert!(c.view_1d(a, -1, 0).is_err());
    // A view of a view counts from the first tensor.
    let inner = c.view_1d(last, 2, 8).unwrap();
    assert_eq!((inner.view_src(), inner.view_offs()), (Some(a), 88));
    // Windows that overlap are views too.
    let windows = c.view_2d(a, 4, 5, 4, 0).unwrap();
    assert_eq!(windows.nb()[..2], [4, 4]);
    assert!(c.view_1d(a, 0, 128).is_ok());
}

#[test]
fn heads_of_a_row_are_views_with_strides() {
    let c = context();
    let k = c.new_tensor(Type::F16, &[64 * 3, 32]).unwrap();
    let heads = c.view_3d(k, 64, 32, 3, 384, 128, 0).unwrap();
    assert!(!heads.is_contiguous() && heads.is_contiguous_rows());
    let q = c.permute(c.f32(&[64, 9, 5]), [0, 2, 1, 3]).unwrap();
    assert_eq!(q.ne(), [64, 5, 9, 1]);
    assert_eq!(q.nb(), [4, 64 * 9 * 4, 64 * 4, 64 * 9 * 5 * 4]);
    let kq = c.mul_mat(heads, q).unwrap();
    assert_eq!(kq.ne(), [32, 5, 9, 1]);
    let out = c.flash_attn_ext(q, heads, heads, None, 0.125, 0.0, 30.0);
    let out = out.unwrap();
    assert_eq!(out.ne(), [64, 9, 5, 1]);
    assert_eq!(FlashAttn::load(out).softcap, 30.0);
    let mask = c.new_tensor(Type::F16, &[32, 5]).unwrap();
    assert!(
        c.flash_attn_ext(q, heads, heads, Some(mask), 1.0, 0.0, 0.0)
            .is_err()
    );
}

#[test]
fn rope_has_one_position_per_token_or_four() {
    let c = context();
    let a = c.f32(&[64, 2, 5]);
    let pos = c.new_tensor(Type::I32, &[5]).unwrap();
    let t = c.rope_ext(a, pos, None, ROPE).unwrap();
    assert_eq!(
        Rope::load(t),
        Rope {
            sections: [0; 4],
            ..ROPE
        }
    );
    let multi = Rope {
        mode: rope_mode::MROPE,
        ..ROPE
    };
    assert!(c.rope_ext(a, pos, None, multi).is_err());
    let pos4 = c.new_tensor(Type::I32, &[20]).unwrap();
    let t = c.rope_ext(a, pos4, None, multi).unwrap();
    assert_eq!(Rope::load(t).sections, [1, 2, 3, 4]);
    assert!(c.rope_ext(a, pos4, None, ROPE).is_err());
    assert!(c.rope_ext(a, pos, Some(c.f32(&[31])), ROPE).is_err());
    assert!(c.rope_ext(a, pos, Some(c.f32(&[32])), ROPE).is_ok());
}

#[test]
fn sinks_belong_to_heads() {
    let c = context();
    let t = c.soft_max(c.f32(&[8, 2, 3])).unwrap();
    assert!(t.add_sinks(Some(c.f32(&[2]))).is_err());
    t.add_sinks(Some(c.f32(&[3]))).unwrap();
    assert!(t.add_sinks(Some(c.f32(&[3]))).is_err());
    t.add_sinks(None).unwrap();
    assert_eq!(t.src(2), None);
    assert!(c.f32(&[2]).add_sinks(None).is_err());
}

#[test]
fn contiguity_of_parts() {
    let c = context();
    let a = c.f32(&[8, 4, 2]);
    assert!(a.is_contiguous() && !a.is_permuted() && !a.is_transposed());
    let t = c.transpose(a).unwrap();
    assert!(t.is_transposed() && t.is_permuted() && !t.is_contiguous());
    assert!(t.is_contiguously_allocated());
    let rows = c.view_3d(a, 4, 4, 2, 32, 128, 0).unwrap();
    assert!(!rows.is_contiguous() && rows.is_contiguous_1());
    let planes = c.view_3d(a, 8, 2, 2, 32, 128, 0).unwrap();
    assert!(!planes.is_contiguous_1() && planes.is_contiguous_2());
    assert_eq!(rows.nbytes(), 4 * 4 + 3 * 32 + 128);
    assert_eq!(c.f32(&[8, 0, 2]).nbytes(), 0);
    let q = c.new_tensor(Type::Q4_0, &[64, 3]).unwrap();
    assert_eq!((q.nbytes(), q.nb()[1], q.row_size()), (108, 36, 36));
    assert!(c.new_tensor(Type::Q4_0, &[33]).is_err());
}

#[test]
fn building_takes_little_time() {
    // A generous bound, since tests run on busy machines: building is some tens of nanoseconds per node.
    let c = Context::for_tensors(3000, graph_overhead(2048, false)).unwrap();
    let start = std::time::Instant::now();
    let x = c.f32(&[64, 4]);
    let mut t = x;
    for _ in 0..450 {
        t = c.add(c.rms_norm(t, 1e-5).unwrap(), x).unwrap();
    }
    let graph = c.new_graph(2048, false).unwrap();
    graph.build_forward_expand(t).unwrap();
    assert_eq!(graph.n_nodes(), 900);
    assert!(start.elapsed().as_millis() < 100);
}
