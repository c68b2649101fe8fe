//! Each operator against its definition in f64: all types and layouts it takes, several team sizes.

use crate::cpu::testing::*;
use crate::graph::params::{Rope, SoftcapMax};
use crate::graph::{Context, Op, Tensor, UnaryOp};
use crate::quant::Type;

const FLOATS: [Type; 3] = [Type::F32, Type::F16, Type::Bf16];

fn shape(t: Tensor) -> [usize; 4] {
    t.ne().map(|n| n as usize)
}

/// Indices of all elements in order.
fn indices(ne: [usize; 4]) -> impl Iterator<Item = [usize; 4]> {
    let [n0, n1, n2, n3] = ne;
    (0..n0 * n1 * n2 * n3).map(move |i| [i % n0, i / n0 % n1, i / n0 / n1 % n2, i / n0 / n1 / n2])
}

fn offset(ne: [usize; 4], i: [usize; 4]) -> usize {
    ((i[3] * ne[2] + i[2]) * ne[1] + i[1]) * ne[0] + i[0]
}

/// `a` itself, and the same values seen through other strides.
fn layouts(ctx: &Context, a: Tensor) -> [Tensor; 2] {
    let swapped = ctx.cont(ctx.transpose(a).unwrap()).unwrap();
    assert_eq!(run(&[swapped], 1), crate::cpu::Status::Success);
    [a, ctx.transpose(swapped).unwrap()]
}

#[test]
fn arithmetic_repeats_the_second_source() {
    let shapes: [&[i64]; 6] = [
        &[70, 6, 2, 2],
        &[1, 6, 2, 2],
        &[70, 1, 1, 1],
        &[1],
        &[35, 3, 1, 2],
        &[70, 6, 1, 2],
    ];
    for (k, op) in [Op::Add, Op::Sub, Op::Mul, Op::Div].into_iter().enumerate() {
        for (j, b_shape) in shapes.iter().enumerate() {
            for ty in FLOATS {
                let ctx = context();
                let a = random(&ctx, ty, &[70, 6, 2, 2], 1.0, k as u64);
                let b = random(
                    &ctx,
                    if j % 2 == 0 { ty } else { Type::F32 },
                    b_shape,
                    1.0,
                    9 + j as u64,
                );
                for a in layouts(&ctx, a) {
                    let y = match op {
                        Op::Add => ctx.add(a, b),
                        Op::Sub => ctx.sub(a, b),
                        Op::Mul => ctx.mul(a, b),
                        _ => ctx.div(a, b),
                    };
                    let Ok(y) = y else { continue };
                    let (va, vb, nb) = (values(a), values(b), shape(b));
                    let want: Vec<f64> = indices(shape(y))
                        .map(|i| {
                            let x = va[offset(shape(a), i)];
                            let z = vb[offset(nb, std::array::from_fn(|d| i[d] % nb[d]))];
                            match op {
                                Op::Add => x + z,
                                Op::Sub => x - z,
                                Op::Mul => x * z,
                                _ => x / z,
                            }
                        })
                        .collect();
                    close(
                        &result(y),
                        &want,
                        if y.ty() == Type::F32 { 1e-6 } else { 1e-2 },
                    );
                }
            }
        }
    }
}

#[test]
fn large_rows_are_shared_in_pieces() {
    let ctx = context();
    let a = random(&ctx, Type::F32, &[100_003], 1.0, 1);
    let b = random(&ctx, Type::F16, &[100_003], 1.0, 2);
    let y = ctx.add(ctx.cast(b, Type::F32).unwrap(), a).unwrap();
    assert_eq!(run(&[y.src(0).unwrap()], 2), crate::cpu::Status::Success);
    let want: Vec<f64> = values(a)
        .iter()
        .zip(values(b))
        .map(|(x, z)| x + z)
        .collect();
    close(&result(y), &want, 1e-6);
}

fn erf(x: f64) -> f64 {
    libm::erf(x)
}

#[test]
fn unary_operators() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let hardsigmoid = |x: f64| ((x + 3.0) / 6.0).clamp(0.0, 1.0);
    let all: [(UnaryOp, &dyn Fn(f64) -> f64); 16] = [
        (UnaryOp::Abs, &|x| x.abs()),
        (UnaryOp::Sgn, &|x| if x == 0.0 { 0.0 } else { x.signum() }),
        (UnaryOp::Neg, &|x| -x),
        (UnaryOp::Step, &|x| if x > 0.0 { 1.0 } else { 0.0 }),
        (UnaryOp::Tanh, &|x| x.tanh()),
        (UnaryOp::Elu, &|x| if x > 0.0 { x } else { x.exp_m1() }),
        (UnaryOp::Relu, &|x| x.max(0.0)),
        (UnaryOp::Sigmoid, &sigmoid),
        (UnaryOp::Gelu_erf, &|x| {
            0.5 * x * (1.0 + erf(x / 2f64.sqrt()))
        }),
        (UnaryOp::Gelu_quick, &|x| x * sigmoid(1.702 * x)),
        (UnaryOp::Silu, &|x| x * sigmoid(x)),
        (UnaryOp::Hardswish, &|x| x * hardsigmoid(x)),
        (UnaryOp::Hardsigmoid, &hardsigmoid),
        (UnaryOp::Gelu, &|x| {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            0.5 * x * (1.0 + u.tanh())
        }),
        (UnaryOp::Exp, &|x| x.exp()),
        (UnaryOp::Softplus, &|x| x.exp().ln_1p()),
    ];
    for (op, f) in all {
        for scale in [0.1, 3.0, 12.0] {
            let ctx = context();
            let a = random(&ctx, Type::F32, &[67, 33, 3], scale, 5);
            for a in layouts(&ctx, a) {
                let want: Vec<f64> = values(a).into_iter().map(f).collect();
                let y = ctx.cont(a).unwrap();
                y.set_op(Op::Unary);
                y.set_param(0, op as i32);
                close(&result(y), &want, 1e-6);
            }
        }
    }
}

#[test]
fn functions_with_parameters() {
    let ctx = context();
    let a = random(&ctx, Type::F32, &[50, 7, 3], 4.0, 6);
    let x = values(a);
    let map = |f: &dyn Fn(f64) -> f64| x.iter().map(|&v| f(v)).collect::<Vec<f64>>();
    close(
        &result(ctx.scale_bias(a, 3.0, -1.0).unwrap()),
        &map(&|v| 3.0 * v - 1.0),
        1e-6,
    );
    close(
        &result(ctx.softcap(a, 0.5, 30.0).unwrap()),
        &map(&|v| 30.0 * (0.5 * v).tanh()),
        1e-6,
    );
    close(&result(ctx.sqr(a).unwrap()), &map(&|v| v * v), 1e-6);
    let slope = ctx.leaky_relu(a, 0.1, false).unwrap();
    close(
        &result(slope),
        &map(&|v| if v > 0.0 { v } else { 0.1 * v }),
        1e-6,
    );
    let positive = ctx.sqr(a).unwrap();
    result(positive);
    close(
        &result(ctx.sqrt(positive).unwrap()),
        &map(&|v| v.abs()),
        1e-6,
    );
    close(
        &result(ctx.log(positive).unwrap()),
        &map(&|v| 2.0 * v.abs().ln()),
        1e-6,
    );
    let b = random(&ctx, Type::F32, &[1], 1.0, 1);
    let z = values(b)[0];
    close(&result(ctx.add1(a, b).unwrap()), &map(&|v| v + z), 1e-6);
    // In place.
    close(
        &result(ctx.clamp(a, -1.0, 2.0).unwrap()),
        &map(&|v| v.clamp(-1.0, 2.0)),
        1e-6,
    );
}

#[test]
fn gates() {
    let ctx = context();
    let silu = |x: f64| x / (1.0 + (-x).exp());
    let a = random(&ctx, Type::F32, &[96, 5, 2], 3.0, 7);
    let b = random(&ctx, Type::F32, &[96, 5, 2], 3.0, 8);
    let (va, vb) = (values(a), values(b));
    let pairs = |f: &dyn Fn(f64, f64) -> f64| {
        va.iter()
            .zip(&vb)
            .map(|(&x, &y)| f(x, y))
            .collect::<Vec<_>>()
    };
    let y = ctx.fused_mul_unary(a, b, UnaryOp::Silu).unwrap();
    close(&result(y), &pairs(&|x, y| silu(x) * y), 1e-6);
    y.set_param(1, 1.5f32);
    close(
        &result(y),
        &pairs(&|x, y| silu(x).min(1.5) * y.clamp(-1.5, 1.5)),
        1e-6,
    );
    let y = ctx.fused_mul_unary(a, b, UnaryOp::Relu).unwrap();
    close(&result(y), &pairs(&|x, y| x.max(0.0) * y), 1e-6);
    let y = ctx.swiglu_oai(a, Some(b), 1.702, 2.0).unwrap();
    let oai = |x: f64, y: f64| {
        let x = x.min(2.0);
        x / (1.0 + (-1.702 * x).exp()) * (y.clamp(-2.0, 2.0) + 1.0)
    };
    close(&result(y), &pairs(&oai), 1e-6);
    let narrow = random(&ctx, Type::F32, &[1, 5, 2], 3.0, 9);
    let y = ctx.fused_mul_unary(narrow, b, UnaryOp::Sigmoid).unwrap();
    let gate = values(narrow);
    let want: Vec<f64> = vb
        .iter()
        .enumerate()
        .map(|(i, y)| y / (1.0 + (-gate[i / 96]).exp()))
        .collect();
    close(&result(y), &want, 1e-6);
    // The halves of one source.
    let y = ctx.swiglu(a).unwrap();
    let halves = |i: [usize; 4]| {
        (
            va[offset([96, 5, 2, 1], i)],
            va[offset([96, 5, 2, 1], [i[0] + 48, i[1], i[2], 0])],
        )
    };
    let want: Vec<f64> = indices([48, 5, 2, 1])
        .map(|i| silu(halves(i).0) * halves(i).1)
        .collect();
    close(&result(y), &want, 1e-6);
    for ty in [Type::F32, Type::F16] {
        let a = ctx.cast(a, ty).unwrap();
        result(a);
        let y = ctx
            .glu(a, None, crate::graph::params::GluOp::Swiglu, true)
            .unwrap();
        let want: Vec<f64> = indices([48, 5, 2, 1])
            .map(|i| silu(halves(i).1) * halves(i).0)
            .collect();
        close(&result(y), &want, if ty == Type::F32 { 1e-6 } else { 2e-3 });
    }
}

#[test]
fn norms() {
    for ty in FLOATS {
        let ctx = context();
        let a = random(&ctx, ty, &[200, 9, 3], 2.0, 10);
        let w = random(&ctx, Type::F32, &[200], 1.0, 11);
        let (x, weights) = (values(a), values(w));
        let eps = 1e-5;
        let normed = |center: bool, weighted: bool| -> Vec<f64> {
            x.chunks(200)
                .flat_map(|row| {
                    let mean = if center {
                        row.iter().sum::<f64>() / 200.0
                    } else {
                        0.0
                    };
                    let var = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 200.0;
                    let scale = 1.0 / (var + eps).sqrt();
                    let weights = &weights;
                    row.iter().enumerate().map(move |(i, v)| {
                        (v - mean) * scale * if weighted { weights[i] } else { 1.0 }
                    })
                })
                .collect()
        };
        let eps = eps as f32;
        close(
            &result(ctx.norm(a, eps).unwrap()),
            &normed(true, false),
            1e-5,
        );
        close(
            &result(ctx.fused_norm(a, Some(w), eps).unwrap()),
            &normed(true, true),
            1e-5,
        );
        close(
            &result(ctx.fused_rms_norm(a, Some(w), eps).unwrap()),
            &normed(false, true),
            1e-5,
        );
        if ty == Type::F32 {
            close(
                &result(ctx.rms_norm(a, eps).unwrap()),
                &normed(false, false),
                1e-5,
            );
            let b = random(&ctx, ty, &[200, 9, 3], 2.0, 10);
            let y = ctx.fused_rms_rms_add(a, w, b, w, eps).unwrap();
            let twice: Vec<f64> = normed(false, true).iter().map(|v| 2.0 * v).collect();
            close(&result(y), &twice, 1e-5);
            let y = ctx.l2_norm(a, eps, false).unwrap();
            let want: Vec<f64> = x
                .chunks(200)
                .flat_map(|row| {
                    let length = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                    row.iter().map(move |v| v / length)
                })
                .collect();
            close(&result(y), &want, 1e-5);
            let y = ctx.group_norm(a, 1, eps, false).unwrap();
            let (mean, n) = (x.iter().sum::<f64>() / x.len() as f64, x.len() as f64);
            let var = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            let want: Vec<f64> = x.iter().map(|v| (v - mean) / (var + 1e-5).sqrt()).collect();
            close(&result(y), &want, 1e-5);
        }
    }
}

#[test]
fn soft_max_with_mask_slopes_cap_and_sinks() {
    let (n, rows, heads) = (83, 5, 6);
    for (ty, max_bias, cap, sunk) in [
        (None, 0.0, false, false),
        (Some(Type::F32), 0.0, false, false),
        (Some(Type::F16), 8.0, false, false),
        (Some(Type::F16), 0.0, true, false),
        (Some(Type::F32), 8.0, false, true),
    ] {
        let ctx = context();
        let a = random(&ctx, Type::F32, &[n, rows, heads], 6.0, 12);
        let mask = ty.map(|ty| {
            let mask = random(&ctx, ty, &[n, 16], 1.0, 13);
            let mut m: Vec<f32> = values(mask).iter().map(|&v| v as f32).collect();
            for (i, m) in m.iter_mut().enumerate() {
                // The last row sees nothing.
                if i % n as usize > 40 + i / n as usize || i / n as usize == 4 {
                    *m = f32::NEG_INFINITY;
                }
            }
            set(mask, &m);
            mask
        });
        let scale = 0.3f32;
        let y = if cap {
            let p = SoftcapMax {
                scale,
                max_bias,
                before: 0.2,
                after: 5.0,
            };
            ctx.softcap_max(a, mask, p, false).unwrap()
        } else {
            ctx.soft_max_ext(a, mask, scale, max_bias).unwrap()
        };
        let sinks = random(&ctx, Type::F32, &[heads], 2.0, 14);
        if sunk {
            y.set_src(2, Some(sinks));
        }
        let (x, m, s) = (values(a), mask.map(values), values(sinks));
        let slopes = [1u32, 2, 3, 4].map(|h| (-max_bias as f64 / 4.0 * h as f64).exp2());
        let odd = [1u32, 3].map(|h| (-max_bias as f64 / 8.0 * h as f64).exp2());
        let want: Vec<f64> = x
            .chunks(n as usize)
            .enumerate()
            .flat_map(|(r, row)| {
                let (i1, head) = (r % rows as usize, r / rows as usize);
                let slope = if max_bias > 0.0 {
                    if head < 4 {
                        slopes[head]
                    } else {
                        odd[head - 4]
                    }
                } else {
                    1.0
                };
                let score = |k: usize| {
                    let v = if cap {
                        5.0 * (0.2 * row[k]).tanh()
                    } else {
                        row[k]
                    };
                    v * scale as f64 + m.as_ref().map_or(0.0, |m| slope * m[i1 * n as usize + k])
                };
                let mut sum: f64 = (0..row.len()).map(|k| score(k).exp()).sum();
                if sunk {
                    sum += s[head].exp();
                }
                (0..row.len())
                    .map(move |k| if sum > 0.0 { score(k).exp() / sum } else { 0.0 })
                    .collect::<Vec<_>>()
            })
            .collect();
        close(&result(y), &want, 2e-6);
    }
}

#[test]
fn copies_between_types_and_layouts() {
    let types = [
        Type::F32,
        Type::F16,
        Type::Bf16,
        Type::Q8_0,
        Type::Q4_0,
        Type::Q4_1,
        Type::Q5_0,
        Type::Q6_0,
    ];
    for from in types {
        for to in types {
            let ctx = context();
            let a = random(&ctx, from, &[128, 12, 3], 1.0, 15);
            let tolerance = match to {
                Type::F32 => 1e-7,
                Type::F16 => 1e-3,
                _ => 1e-2,
            };
            let tolerance = if to == Type::Q4_0 || to == Type::Q4_1 || to == Type::Q5_0 {
                0.14
            } else if to == Type::Q6_0 {
                0.04
            } else {
                tolerance
            };
            let y = ctx
                .cpy(a, ctx.new_tensor(to, &[128, 12, 3]).unwrap())
                .unwrap();
            close(&result(y), &values(a), tolerance);
            // Into a window of something larger, and in another shape.
            let large = ctx.new_tensor(to, &[256, 20, 3]).unwrap();
            let nb = large.nb();
            let window = ctx.view_3d(large, 128, 12, 3, nb[1], nb[2], nb[1]).unwrap();
            close(&result(ctx.cpy(a, window).unwrap()), &values(a), tolerance);
            let flat = ctx.new_tensor(to, &[32, 4, 36]).unwrap();
            close(&result(ctx.cpy(a, flat).unwrap()), &values(a), tolerance);
        }
    }
}

#[test]
fn copies_of_transposed_and_permuted_tensors() {
    for from in FLOATS {
        for to in FLOATS {
            let ctx = context();
            let a = random(&ctx, from, &[37, 70, 2, 3], 1.0, 16);
            let t = ctx.transpose(a).unwrap();
            let y = ctx
                .cpy(t, ctx.new_tensor(to, &[70, 37, 2, 3]).unwrap())
                .unwrap();
            close(&result(y), &values(t), 1e-2);
            let p = ctx.permute(a, [2, 0, 3, 1]).unwrap();
            let ne = p.ne();
            let y = ctx.cpy(p, ctx.new_tensor(to, &ne).unwrap()).unwrap();
            close(&result(y), &values(p), 1e-2);
            // To a strided destination of another shape.
            let y = ctx.new_tensor(to, &[6, 37, 70]).unwrap();
            let y = ctx.cpy(p, ctx.permute(y, [1, 0, 2, 3]).unwrap()).unwrap();
            close(&result(y), &values(p), 1e-2);
        }
    }
    let ctx = context();
    let q = random(&ctx, Type::Q8_0, &[64, 96], 1.0, 17);
    let y = ctx.new_tensor(Type::Q8_0, &[96, 64]).unwrap();
    let want: Vec<f64> = {
        let v = values(q);
        (0..64)
            .flat_map(|i| (0..96).map(|j| v[j * 64 + i]).collect::<Vec<_>>())
            .collect()
    };
    close(
        &result(ctx.cpy(ctx.transpose(q).unwrap(), y).unwrap()),
        &want,
        1e-2,
    );
}

#[test]
fn rows_by_index() {
    for ty in [
        Type::F32,
        Type::F16,
        Type::Bf16,
        Type::Q8_0,
        Type::Q4_1,
        Type::I32,
    ] {
        let ctx = context();
        let scale = if ty == Type::I32 { 1000.0 } else { 1.0 };
        let a = random(&ctx, ty, &[64, 10, 2], scale, 18);
        let ids = ctx.new_tensor(Type::I32, &[5, 2]).unwrap();
        set_ids(ids, &[3, 0, 9, -1, 3, 1, 10, 2, 8, 7]);
        let y = ctx.get_rows(a, ids).unwrap();
        let x = values(a);
        let want: Vec<f64> = [3, 0, 9, -1, 3, 1, 10, 2, 8, 7]
            .iter()
            .enumerate()
            .flat_map(|(k, &id)| {
                (0..64)
                    .map(|i| match id {
                        0..10 => x[((k / 5) * 10 + id as usize) * 64 + i],
                        _ => 0.0,
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
        close(&result(y), &want, 1e-7);
    }
    for ty in [Type::F32, Type::F16, Type::Q8_0] {
        for id_type in [Type::I32, Type::I64] {
            let ctx = context();
            let a = random(&ctx, ty, &[64, 10, 2], 1.0, 19);
            let rows = random(&ctx, Type::F32, &[64, 3, 2], 1.0, 20);
            let ids = ctx.new_tensor(id_type, &[3]).unwrap();
            set(ids, &[7.0, 2.0, 9.0]);
            let (mut want, from) = (values(a), values(rows));
            for z in 0..2 {
                for (k, id) in [7, 2, 9].into_iter().enumerate() {
                    for i in 0..64 {
                        want[(z * 10 + id) * 64 + i] = from[(z * 3 + k) * 64 + i];
                    }
                }
            }
            close(&result(ctx.set_rows(a, rows, ids).unwrap()), &want, 1e-2);
        }
    }
}

#[test]
fn windows() {
    let ctx = context();
    let a = random(&ctx, Type::F32, &[16, 8, 3], 1.0, 21);
    let b = random(&ctx, Type::F32, &[5, 4, 2], 1.0, 22);
    let nb = a.nb();
    for (add, y) in [
        (
            true,
            ctx.acc(a, b, [nb[1], nb[2], nb[3]], nb[1] * 2 + 8, false)
                .unwrap(),
        ),
        (
            false,
            ctx.set(a, b, [nb[1], nb[2], nb[3]], nb[1] * 2 + 8, false)
                .unwrap(),
        ),
    ] {
        let (mut want, from) = (values(a), values(b));
        for i in indices([5, 4, 2, 1]) {
            let at = &mut want[offset([16, 8, 3, 1], [i[0] + 2, i[1] + 2, i[2], 0])];
            *at = from[offset([5, 4, 2, 1], i)] + if add { *at } else { 0.0 };
        }
        close(&result(y), &want, 1e-6);
    }
}

#[test]
fn repeat_concat_pad() {
    for ty in [Type::F32, Type::F16, Type::I32] {
        let ctx = context();
        let a = random(&ctx, ty, &[3, 4, 2], 100.0, 23);
        let x = values(a);
        let y = ctx.repeat_4d(a, [9, 8, 2, 2]).unwrap();
        let want: Vec<f64> = indices([9, 8, 2, 2])
            .map(|i| x[offset([3, 4, 2, 1], [i[0] % 3, i[1] % 4, i[2] % 2, 0])])
            .collect();
        close(&result(y), &want, 0.0);
        for dim in 0..4 {
            let mut ne = [3i64, 4, 2, 1];
            ne[dim] += 2;
            let b = random(&ctx, ty, &ne, 100.0, 24);
            let b_shape = shape(b);
            let z = values(b);
            for b in [b, ctx.permute(layouts(&ctx, b)[1], [0, 1, 2, 3]).unwrap()] {
                let Ok(y) = ctx.concat(a, b, dim) else {
                    continue;
                };
                let first = [3, 4, 2, 1][dim];
                let want: Vec<f64> = indices(shape(y))
                    .map(|mut i| {
                        if i[dim] < first {
                            return x[offset([3, 4, 2, 1], i)];
                        }
                        i[dim] -= first;
                        z[offset(b_shape, i)]
                    })
                    .collect();
                close(&result(y), &want, 0.0);
            }
        }
        let y = ctx.pad(a, [2, 1, 0, 1]).unwrap();
        let want: Vec<f64> = indices([5, 5, 2, 2])
            .map(|i| {
                if i[0] < 3 && i[1] < 4 && i[3] < 1 {
                    x[offset([3, 4, 2, 1], i)]
                } else {
                    0.0
                }
            })
            .collect();
        close(&result(y), &want, 0.0);
    }
}

#[test]
fn sums_means_places() {
    let ctx = context();
    let a = random(&ctx, Type::F32, &[333, 7, 2], 1.0, 25);
    let x = values(a);
    let sums: Vec<f64> = x.chunks(333).map(|r| r.iter().sum()).collect();
    close(&result(ctx.sum(a).unwrap()), &[sums.iter().sum()], 1e-5);
    close(&result(ctx.sum_rows(a).unwrap()), &sums, 1e-5);
    let means: Vec<f64> = sums.iter().map(|s| s / 333.0).collect();
    close(&result(ctx.mean(a).unwrap()), &means, 1e-5);
    let running: Vec<f64> = x
        .chunks(333)
        .flat_map(|r| {
            r.iter()
                .scan(0.0, |s, v| {
                    *s += v;
                    Some(*s)
                })
                .collect::<Vec<_>>()
        })
        .collect();
    close(&result(ctx.cumsum(a).unwrap()), &running, 1e-5);
    let b = random(&ctx, Type::F32, &[333, 7], 1.0, 26);
    let places: Vec<f64> = values(b)
        .chunks(333)
        .map(|r| (0..333).max_by(|&i, &j| r[i].total_cmp(&r[j])).unwrap() as f64)
        .collect();
    close(&result(ctx.argmax(b).unwrap()), &places, 0.0);
}

#[test]
fn orders() {
    use crate::graph::params::SortOrder;
    let ctx = context();
    let a = random(&ctx, Type::F32, &[64, 9], 1.0, 27);
    let x = values(a);
    let sorted = |down: bool| -> Vec<f64> {
        x.chunks(64)
            .flat_map(|r| {
                let mut p: Vec<usize> = (0..64).collect();
                p.sort_by(|&i, &j| r[i].total_cmp(&r[j]));
                if down {
                    p.reverse();
                }
                p.into_iter().map(|i| i as f64).collect::<Vec<_>>()
            })
            .collect()
    };
    close(
        &result(ctx.argsort(a, SortOrder::Asc).unwrap()),
        &sorted(false),
        0.0,
    );
    close(
        &result(ctx.argsort(a, SortOrder::Desc).unwrap()),
        &sorted(true),
        0.0,
    );
    let top = ctx.top_k(a, 6).unwrap();
    assert_eq!(run(&[top.src(0).unwrap()], 2), crate::cpu::Status::Success);
    let want: Vec<f64> = sorted(true)
        .chunks(64)
        .flat_map(|r| r[..6].to_vec())
        .collect();
    close(&values(top), &want, 0.0);
    // Four groups of 16, the two with the greatest sums of their best three, the best five of these.
    let want: Vec<f64> = x
        .chunks(64)
        .flat_map(|r| {
            let best = |g: usize, n: usize| {
                let mut v = r[g * 16..][..16].to_vec();
                v.sort_by(|a, b| b.total_cmp(a));
                v[..n].iter().sum::<f64>()
            };
            let mut groups: Vec<usize> = (0..4).collect();
            groups.sort_by(|&i, &j| best(j, 3).total_cmp(&best(i, 3)));
            let mut p: Vec<usize> = groups[..2]
                .iter()
                .flat_map(|g| g * 16..g * 16 + 16)
                .collect();
            p.sort_by(|&i, &j| r[j].total_cmp(&r[i]));
            p[..5].iter().map(|&i| i as f64).collect::<Vec<_>>()
        })
        .collect();
    close(
        &result(ctx.grouped_topk(a, 4, 2, 3, 5).unwrap()),
        &want,
        0.0,
    );
}

/// The rotation by its definition.
fn rotated(x: &[f64], ne: [usize; 4], pos: &[i32], p: &Rope, factors: Option<&[f64]>) -> Vec<f64> {
    let (n, half) = (p.n_dims as usize, p.n_dims as usize / 2);
    let mut y = x.to_vec();
    let turns = |t: f64| {
        n as f64 * (p.n_ctx_orig as f64 / (t * 2.0 * std::f64::consts::PI)).ln()
            / (2.0 * (p.freq_base as f64).ln())
    };
    let (low, high) = (
        turns(p.beta_fast as f64).floor().max(0.0),
        turns(p.beta_slow as f64).ceil().min(n as f64 - 1.0),
    );
    for i in indices(ne) {
        let pair = i[0];
        if pair >= half {
            continue;
        }
        let mut theta = pos[i[2]] as f64 * (p.freq_base as f64).powf(-2.0 * pair as f64 / n as f64);
        theta /= factors.map_or(1.0, |f| f[pair]);
        let (mut angle, mut magnitude) = (theta * p.freq_scale as f64, p.attn_factor as f64);
        if p.ext_factor != 0.0 {
            let mix = 1.0 - ((pair as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
            let mix = mix * p.ext_factor as f64;
            angle = angle * (1.0 - mix) + theta * mix;
            magnitude *= 1.0 + 0.1 * (1.0 / p.freq_scale as f64).ln();
        }
        let places = if p.mode == 2 {
            [pair, pair + half]
        } else {
            [2 * pair, 2 * pair + 1]
        };
        let at = places.map(|k| offset(ne, [k, i[1], i[2], i[3]]));
        let (c, s) = (angle.cos() * magnitude, angle.sin() * magnitude);
        y[at[0]] = x[at[0]] * c - x[at[1]] * s;
        y[at[1]] = x[at[0]] * s + x[at[1]] * c;
    }
    y
}

#[test]
fn rope() {
    let plain = Rope {
        n_dims: 64,
        mode: 0,
        n_ctx_orig: 2048,
        freq_base: 10000.0,
        freq_scale: 1.0,
        ext_factor: 0.0,
        attn_factor: 1.0,
        beta_fast: 32.0,
        beta_slow: 1.0,
        sections: [0; 4],
    };
    let pos = [0, 1, 17, 511, 100_000];
    for mode in [0, 2] {
        for p in [
            plain,
            Rope {
                n_dims: 40,
                ..plain
            },
            Rope {
                freq_scale: 0.25,
                ext_factor: 1.0,
                attn_factor: 1.1,
                ..plain
            },
            Rope {
                freq_base: 500_000.0,
                freq_scale: 0.5,
                ..plain
            },
        ] {
            for (ty, with_factors) in [(Type::F32, false), (Type::F32, true), (Type::F16, false)] {
                let p = Rope { mode, ..p };
                let ctx = context();
                let a = random(&ctx, ty, &[64, 3, 5], 1.0, 28);
                let positions = ctx.new_tensor(Type::I32, &[5]).unwrap();
                set_ids(positions, &pos);
                let factors = random(&ctx, Type::F32, &[32], 0.4, 29);
                set(
                    factors,
                    &values(factors)
                        .iter()
                        .map(|v| 1.0 + v.abs() as f32)
                        .collect::<Vec<_>>(),
                );
                let used = with_factors.then_some(factors);
                let y = ctx.rope_ext(a, positions, used, p).unwrap();
                let want = rotated(
                    &values(a),
                    [64, 3, 5, 1],
                    &pos,
                    &p,
                    used.map(values).as_deref(),
                );
                close(&result(y), &want, if ty == Type::F32 { 3e-6 } else { 2e-3 });
                if ty == Type::F32 {
                    let cache = ctx.rope_cache(positions, used, 64, p).unwrap();
                    result(cache);
                    close(&result(ctx.rope_fast(a, cache).unwrap()), &want, 3e-6);
                    result(y);
                    if !with_factors && p.ext_factor == 0.0 {
                        let back = ctx.rope_back(y, positions, p).unwrap();
                        close(&result(back), &values(a), 1e-6);
                    }
                }
            }
        }
    }
}

#[test]
fn rope_of_several_positions() {
    let ctx = context();
    let a = random(&ctx, Type::F32, &[64, 2, 3], 1.0, 30);
    let pos: [i32; 12] = [5, 6, 7, 1, 2, 3, 9, 8, 7, 0, 0, 0];
    let positions = ctx.new_tensor(Type::I32, &[12]).unwrap();
    set_ids(positions, &pos);
    let sections = [8, 12, 12, 0];
    let p = Rope {
        n_dims: 64,
        mode: 8,
        n_ctx_orig: 2048,
        freq_base: 10000.0,
        freq_scale: 1.0,
        ext_factor: 0.0,
        attn_factor: 1.0,
        beta_fast: 32.0,
        beta_slow: 1.0,
        sections,
    };
    let y = ctx.rope_ext(a, positions, None, p).unwrap();
    let x = values(a);
    let mut want = x.clone();
    for i in indices([64, 2, 3, 1]).filter(|i| i[0] < 32) {
        let stream = if i[0] < 8 {
            0
        } else if i[0] < 20 {
            1
        } else {
            2
        };
        let angle = pos[stream * 3 + i[2]] as f64 * 10000f64.powf(-2.0 * i[0] as f64 / 64.0);
        let at = [i[0], i[0] + 32].map(|k| offset([64, 2, 3, 1], [k, i[1], i[2], 0]));
        want[at[0]] = x[at[0]] * angle.cos() - x[at[1]] * angle.sin();
        want[at[1]] = x[at[0]] * angle.sin() + x[at[1]] * angle.cos();
    }
    close(&result(y), &want, 3e-6);
}

#[test]
fn values_from_indices() {
    use crate::graph::params::TriType;
    let ctx = context();
    let a = random(&ctx, Type::F32, &[12, 12, 2], 1.0, 31);
    let x = values(a);
    let by = |f: &dyn Fn([usize; 4], f64) -> f64| {
        indices([12, 12, 2, 1])
            .map(|i| f(i, x[offset([12, 12, 2, 1], i)]))
            .collect::<Vec<_>>()
    };
    let y = ctx.diag_mask_inf(a, 3, false).unwrap();
    close(
        &result(y),
        &by(&|i, v| {
            if i[0] > 3 + i[1] {
                f64::NEG_INFINITY
            } else {
                v
            }
        }),
        0.0,
    );
    let y = ctx.diag_mask_zero(a, 3, false).unwrap();
    close(
        &result(y),
        &by(&|i, v| if i[0] > 3 + i[1] { 0.0 } else { v }),
        0.0,
    );
    let y = ctx.tri(a, TriType::Upper_diag).unwrap();
    close(
        &result(y),
        &by(&|i, v| if i[0] >= i[1] { v } else { 0.0 }),
        0.0,
    );
    close(
        &result(ctx.fill(a, 2.5, false).unwrap()),
        &by(&|_, _| 2.5),
        0.0,
    );
    let row = random(&ctx, Type::F32, &[9, 1, 2], 1.0, 32);
    let r = values(row);
    let want: Vec<f64> = indices([9, 9, 2, 1])
        .map(|i| {
            if i[0] == i[1] {
                r[i[2] * 9 + i[0]]
            } else {
                0.0
            }
        })
        .collect();
    close(&result(ctx.diag(row).unwrap()), &want, 0.0);
    let h = random(&ctx, Type::F32, &[64, 3], 1.0, 33);
    let v = values(h);
    let want: Vec<f64> = (0..192)
        .map(|i| {
            let (from, k) = (i / 32 * 32, i % 32);
            let sum: f64 = (0..32usize)
                .map(|j| {
                    v[from + j]
                        * if (j & k).count_ones() % 2 == 0 {
                            1.0
                        } else {
                            -1.0
                        }
                })
                .sum();
            sum / 32f64.sqrt()
        })
        .collect();
    close(&result(ctx.hadamard(h, 32).unwrap()), &want, 1e-6);
}

#[test]
fn sums_of_experts() {
    let ctx = context();
    let a = random(&ctx, Type::F32, &[50, 4, 6], 1.0, 34);
    let w = random(&ctx, Type::F32, &[1, 4, 6], 1.0, 35);
    let y = ctx.mul_multi_add(a, w).unwrap();
    let (x, weights) = (values(a), values(w));
    let want: Vec<f64> = (0..300)
        .map(|i| {
            (0..4)
                .map(|k| x[(i / 50 * 4 + k) * 50 + i % 50] * weights[i / 50 * 4 + k])
                .sum()
        })
        .collect();
    close(&result(y), &want, 1e-6);
    let first = ctx.view_2d(a, 50, 6, a.nb()[2], 0).unwrap();
    let y = ctx.multi_add(first, 4).unwrap();
    let want: Vec<f64> = (0..300)
        .map(|i| (0..4).map(|k| x[(i / 50 * 4 + k) * 50 + i % 50]).sum())
        .collect();
    close(&result(y), &want, 1e-6);
    let bias = random(&ctx, Type::F32, &[50, 8], 1.0, 36);
    let ids = ctx.new_tensor(Type::I32, &[4, 6]).unwrap();
    let mut random = Random(37);
    let chosen: Vec<i32> = (0..24).map(|_| random.below(8) as i32).collect();
    set_ids(ids, &chosen);
    let b = values(bias);
    let want: Vec<f64> = x
        .iter()
        .enumerate()
        .map(|(i, v)| v + b[chosen[i / 50] as usize * 50 + i % 50])
        .collect();
    close(&result(ctx.add_id(a, bias, ids).unwrap()), &want, 1e-6);
}

#[test]
fn outer_products_and_systems() {
    let ctx = context();
    let a = random(&ctx, Type::Q8_0, &[64, 7, 2], 1.0, 40);
    let b = random(&ctx, Type::F32, &[5, 7, 2], 1.0, 41);
    let (va, vb) = (values(a), values(b));
    let want: Vec<f64> = indices([64, 5, 2, 1])
        .map(|i| {
            (0..7)
                .map(|k| va[(i[2] * 7 + k) * 64 + i[0]] * vb[(i[2] * 7 + k) * 5 + i[1]])
                .sum()
        })
        .collect();
    let y = ctx.new_tensor(Type::F32, &[64, 5, 2]).unwrap();
    y.set_op(Op::Out_prod);
    y.set_src(0, Some(a));
    y.set_src(1, Some(b));
    close(&result(y), &want, 1e-6);
    // A lower triangle times the solution is the right side.
    let a = random(&ctx, Type::F32, &[9, 9, 2], 1.0, 42);
    let mut lower: Vec<f32> = values(a).iter().map(|&v| v as f32).collect();
    for i in 0..2 * 9 {
        lower[i * 9 + i % 9] = 2.0 + i as f32 / 9.0;
    }
    set(a, &lower);
    let b = random(&ctx, Type::F32, &[70, 9, 2], 1.0, 43);
    let x = result(ctx.solve_tri(a, b).unwrap());
    let back: Vec<f64> = indices([70, 9, 2, 1])
        .map(|i| {
            (0..=i[1])
                .map(|t| lower[(i[2] * 9 + i[1]) * 9 + t] as f64 * x[(i[2] * 9 + t) * 70 + i[0]])
                .sum()
        })
        .collect();
    close(&back, &values(b), 1e-5);
}

#[test]
fn gradients_are_the_slopes() {
    let ctx = context();
    let x = random(&ctx, Type::F32, &[30, 4], 2.0, 44);
    let dy = random(&ctx, Type::F32, &[30, 4], 1.0, 45);
    let (vx, vd) = (values(x), values(dy));
    // The slope of the sum of `f(row) * dy` along each value.
    let slopes = |f: &dyn Fn(&[f64]) -> Vec<f64>| -> Vec<f64> {
        let total = |row: &[f64], d: &[f64]| f(row).iter().zip(d).map(|(a, b)| a * b).sum::<f64>();
        (0..120)
            .map(|i| {
                let (r, k, h) = (i / 30 * 30, i % 30, 1e-5);
                let (mut up, mut down) = (vx[r..r + 30].to_vec(), vx[r..r + 30].to_vec());
                up[k] += h;
                down[k] -= h;
                (total(&up, &vd[r..r + 30]) - total(&down, &vd[r..r + 30])) / (2.0 * h)
            })
            .collect()
    };
    let silu = |row: &[f64]| row.iter().map(|v| v / (1.0 + (-v).exp())).collect();
    close(&result(ctx.silu_back(x, dy).unwrap()), &slopes(&silu), 1e-5);
    let norm = |row: &[f64]| {
        let mean = row.iter().map(|v| v * v).sum::<f64>() / 30.0;
        row.iter().map(|v| v / (mean + 1e-5).sqrt()).collect()
    };
    close(
        &result(ctx.rms_norm_back(x, dy, 1e-5).unwrap()),
        &slopes(&norm),
        1e-5,
    );
    let soft_max = |row: &[f64]| {
        let sum: f64 = row.iter().map(|v| v.exp()).sum();
        row.iter().map(|v| v.exp() / sum).collect()
    };
    let p = ctx.soft_max(x).unwrap();
    result(p);
    close(
        &result(ctx.soft_max_back(dy, p, false).unwrap()),
        &slopes(&soft_max),
        1e-5,
    );
}
