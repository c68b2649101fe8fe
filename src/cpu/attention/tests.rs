//! Attention against its definition in f64.

use super::{FEW_ROWS, tiles};
use crate::cpu::testing::*;
use crate::graph::{Context, Tensor};
use crate::quant::Type;
use crate::simd;

struct Case {
    dk: i64,
    dv: i64,
    queries: i64,
    keys: i64,
    heads: i64,
    heads_kv: i64,
    seqs: i64,
    k: Type,
    v: Type,
    mask: Option<Type>,
    max_bias: f32,
    softcap: f32,
    sinks: bool,
}

const PLAIN: Case = Case {
    dk: 64,
    dv: 64,
    queries: 1,
    keys: 100,
    heads: 6,
    heads_kv: 2,
    seqs: 1,
    k: Type::F16,
    v: Type::F16,
    mask: Some(Type::F16),
    max_bias: 0.0,
    softcap: 0.0,
    sinks: false,
};

/// A tensor [d, n, heads, seqs] that is a view of [d, heads, n, seqs], as a KV cache and permuted queries are.
fn permuted(ctx: &Context, ty: Type, ne: [i64; 4], seed: u64) -> Tensor {
    let [d, n, heads, seqs] = ne;
    let t = random(ctx, ty, &[d, heads, n, seqs], 1.0, seed);
    ctx.permute(t, [0, 2, 1, 3]).unwrap()
}

fn check(c: &Case) {
    let ctx = context();
    let q = permuted(&ctx, Type::F32, [c.dk, c.queries, c.heads, c.seqs], 1);
    let k = permuted(&ctx, c.k, [c.dk, c.keys, c.heads_kv, c.seqs], 2);
    let v = permuted(&ctx, c.v, [c.dv, c.keys, c.heads_kv, c.seqs], 3);
    let past = c.keys - c.queries;
    let mask = c.mask.map(|ty| {
        let mask = ctx
            .new_tensor(ty, &[c.keys, (c.queries + 15) / 16 * 16])
            .unwrap();
        // Causal, with ALiBi's distances; the third query sees nothing.
        let values: Vec<f32> = (0..mask.nelements())
            .map(|i| (i % c.keys, i / c.keys))
            .map(|(key, query)| match key > past + query || query == 2 {
                true => f32::NEG_INFINITY,
                false => -((past + query - key) as f32) / 16.0,
            })
            .collect();
        set(mask, &values);
        mask
    });
    let scale = 0.3;
    let y = ctx
        .flash_attn_ext(q, k, v, mask, scale, c.max_bias, c.softcap)
        .unwrap();
    let sinks = random(&ctx, Type::F32, &[c.heads], 2.0, 4);
    if c.sinks {
        y.set_src(4, Some(sinks));
    }
    let (mut vq, vk, vv, vs) = (values(q), values(k), values(v), values(sinks));
    if c.k.is_quantized() {
        // Queries are then multiplied as q8_0.
        let info = Type::Q8_0.info().unwrap();
        let mut row: Vec<f32> = vq.iter().map(|&x| x as f32).collect();
        let mut blocks = vec![0; info.row_size(row.len())];
        info.encode_fast.unwrap()(&row, &mut blocks);
        (info.decode)(&blocks, &mut row);
        vq = row.iter().map(|&x| x.into()).collect();
    }
    let m = mask.map(values);
    let per_key = c.heads / c.heads_kv;
    let at = |d: i64, n: i64, heads: i64, i: i64, row: i64, head: i64, seq: i64| {
        (((seq * heads + head) * n + row) * d + i) as usize
    };
    let mut want = Vec::new();
    for seq in 0..c.seqs {
        for query in 0..c.queries {
            for head in 0..c.heads {
                let kv = head / per_key;
                let floor = 1i64 << c.heads.ilog2();
                let slope = match c.max_bias > 0.0 {
                    false => 1.0,
                    true if head < floor => {
                        (-c.max_bias as f64 / floor as f64 * (head + 1) as f64).exp2()
                    }
                    true => (-c.max_bias as f64 / 2.0 / floor as f64
                        * (2 * (head - floor) + 1) as f64)
                        .exp2(),
                };
                let weights: Vec<f64> = (0..c.keys)
                    .map(|key| {
                        let dot: f64 = (0..c.dk)
                            .map(|i| {
                                vq[at(c.dk, c.queries, c.heads, i, query, head, seq)]
                                    * vk[at(c.dk, c.keys, c.heads_kv, i, key, kv, seq)]
                            })
                            .sum();
                        let mut s = dot * scale as f64;
                        if c.softcap != 0.0 {
                            s = c.softcap as f64 * (s / c.softcap as f64).tanh();
                        }
                        (s + m
                            .as_ref()
                            .map_or(0.0, |m| slope * m[(query * c.keys + key) as usize]))
                        .exp()
                    })
                    .collect();
                let sum: f64 = weights.iter().sum::<f64>()
                    + if c.sinks {
                        vs[head as usize].exp()
                    } else {
                        0.0
                    };
                for i in 0..c.dv {
                    let x: f64 = (0..c.keys)
                        .map(|key| {
                            weights[key as usize]
                                * vv[at(c.dv, c.keys, c.heads_kv, i, key, kv, seq)]
                        })
                        .sum();
                    want.push(if sum > 0.0 { x / sum } else { 0.0 });
                }
            }
        }
    }
    let rows = c.queries * per_key;
    let sizes = [c.dk, c.dv].map(|d| d as usize);
    // Of 16 significant bits each, there.
    let in_tiles = tiles::suit(simd::level(), sizes[0], sizes[1]) && rows > FEW_ROWS as i64;
    close(&result(y), &want, if in_tiles { 2e-5 } else { 5e-6 });
}

#[test]
fn one_query() {
    check(&PLAIN);
    check(&Case { keys: 1, ..PLAIN });
    check(&Case {
        keys: 1000,
        ..PLAIN
    });
    check(&Case {
        keys: 1000,
        heads: 9,
        heads_kv: 3,
        mask: None,
        ..PLAIN
    });
    check(&Case {
        keys: 20_000,
        heads: 4,
        heads_kv: 1,
        ..PLAIN
    });
}

#[test]
fn few_queries_with_one_that_sees_nothing() {
    check(&Case {
        queries: 3,
        keys: 700,
        ..PLAIN
    });
    check(&Case {
        queries: 8,
        keys: 300,
        heads: 8,
        heads_kv: 8,
        ..PLAIN
    });
}

#[test]
fn many_queries() {
    check(&Case {
        queries: 100,
        keys: 100,
        ..PLAIN
    });
    check(&Case {
        queries: 130,
        keys: 333,
        heads: 3,
        heads_kv: 1,
        mask: Some(Type::F32),
        ..PLAIN
    });
    check(&Case {
        queries: 33,
        keys: 70,
        heads: 200,
        heads_kv: 1,
        dk: 40,
        dv: 24,
        ..PLAIN
    });
    check(&Case {
        queries: 20,
        keys: 65,
        mask: None,
        seqs: 2,
        ..PLAIN
    });
}

#[test]
fn head_sizes() {
    for (dk, dv) in [
        (32, 32),
        (72, 80),
        (96, 96),
        (128, 128),
        (192, 128),
        (256, 256),
        (576, 512),
        (7, 5),
    ] {
        check(&Case {
            dk,
            dv,
            heads: 3,
            heads_kv: 1,
            ..PLAIN
        });
        check(&Case {
            dk,
            dv,
            queries: 40,
            keys: 50,
            heads: 3,
            heads_kv: 1,
            ..PLAIN
        });
    }
}

#[test]
fn types_of_keys_and_values() {
    for k in [
        Type::F32,
        Type::F16,
        Type::Bf16,
        Type::Q8_0,
        Type::Q4_0,
        Type::Q4_1,
        Type::Q6_0,
    ] {
        for v in [Type::F32, Type::F16, k] {
            check(&Case { k, v, ..PLAIN });
            check(&Case {
                k,
                v,
                queries: 40,
                ..PLAIN
            });
        }
    }
}

#[test]
fn slopes_caps_and_sinks() {
    for queries in [1, 20] {
        check(&Case {
            queries,
            max_bias: 8.0,
            ..PLAIN
        });
        check(&Case {
            queries,
            softcap: 5.0,
            ..PLAIN
        });
        check(&Case {
            queries,
            sinks: true,
            ..PLAIN
        });
        check(&Case {
            queries,
            sinks: true,
            keys: 600,
            softcap: 5.0,
            max_bias: 8.0,
            ..PLAIN
        });
    }
}
