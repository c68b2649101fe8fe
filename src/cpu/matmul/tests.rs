//! Products at every level against f64 products of the decoded weights.

use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;

use super::core::Core;
use super::job::Job;
use super::kernels::WIDE;
use super::{pairs, tiles};
use crate::cpu::task::{Cursors, Task};
use crate::graph::{Context, Tensor, UnaryOp};
use crate::quant::{TYPES, Type, TypeInfo};
use crate::simd::Level;

/// Runs a node with a team of threads.
fn compute(node: Tensor, nth: usize, level: Level) {
    let job = Job::new(node, nth, level).expect("supported");
    // As strict as the executor's: aligned, and filled with what would hurt if it were used.
    let size = job.work_size();
    let mut work = vec![0xffu8; size + 64];
    let work = work.as_mut_ptr().wrapping_add(63) as usize & !63;
    let (counter, barrier) = (AtomicUsize::new(0), Barrier::new(nth));
    let cursors: Vec<Cursors> = (0..nth).map(|_| Cursors::default()).collect();
    let wait = || {
        barrier.wait();
    };
    std::thread::scope(|scope| {
        for ith in 0..nth {
            let (job, counter, cursors, wait) = (&job, &counter, &cursors, &wait);
            scope.spawn(move || {
                let task = Task {
                    ith,
                    nth,
                    work: work as *mut u8,
                    work_size: size,
                    counter,
                    cursors,
                    slot: 3,
                    tag: 7,
                    wait,
                };
                // SAFETY: the tensors have data, the work buffer is as large as asked for.
                unsafe { job.run(&task) }
            });
        }
    });
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|l| l.supported())
}

/// Reproducible values, about normal.
struct Random(u64);
impl Random {
    fn next(&mut self) -> f32 {
        let mut sum = 0.0;
        for _ in 0..4 {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            sum += (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
        }
        sum * 1.7
    }
    fn fill(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.next()).collect()
    }
}

fn n_values(t: Tensor) -> usize {
    t.ne().iter().product::<i64>() as usize
}

/// Writes values to a contiguous tensor, encoded in its type; or any valid rows, if the type is only read.
fn put(t: Tensor, values: &[f32]) {
    let info = t.ty().info().unwrap();
    let k = t.ne()[0] as usize;
    let size = info.group_size(k);
    for (i, row) in values.chunks(k * info.rows).enumerate() {
        let mut bytes = vec![0; size];
        if let Some(encode) = info.encode {
            encode(row, None, &mut bytes);
        } else {
            let mut random = Random(i as u64);
            loop {
                bytes.fill_with(|| (random.next() * 4096.0) as i32 as u8);
                if (info.valid)(&bytes) {
                    break;
                }
            }
        }
        // SAFETY: the context allocated the tensor's rows one after the other.
        unsafe { std::ptr::copy(bytes.as_ptr(), t.data().cast::<u8>().add(i * size), size) };
    }
}

/// Reads a contiguous tensor.
fn get(t: Tensor) -> Vec<f32> {
    let info = t.ty().info().unwrap();
    let k = t.ne()[0] as usize;
    let size = info.group_size(k);
    let mut out = vec![0.0; n_values(t)];
    for (i, row) in out.chunks_mut(k * info.rows).enumerate() {
        // SAFETY: as in `put`.
        let bytes =
            unsafe { std::slice::from_raw_parts(t.data().cast::<u8>().add(i * size), size) };
        (info.decode)(bytes, row);
    }
    out
}

/// Activations as a product of `m` columns with a type sees them: rounded to 8 bits per 32 values, or more, if it has a kernel on codes; to
/// bf16 if that is in tiles.
fn seen(x: &[f32], ty: Type, k: usize, m: usize, level: Level) -> Vec<f64> {
    if in_tiles(ty, k, m, level) && plain(ty) != Type::F16 {
        return in_bf16(x);
    }
    if is_decoded(ty) {
        return x.iter().map(|&x| f64::from(x)).collect();
    }
    let in_panels = in_panels(ty, k, m, level);
    let group = if in_panels && is_wide(ty) { WIDE } else { 32 };
    let by = super::core::groups(plain(ty), level).expect("it has a kernel");
    let tight = by[usize::from(in_panels) + usize::from(m >= many(ty, k, level))].1;
    let rounded = |x| rounded_by(x, group, tight);
    x.chunks(k).flat_map(rounded).collect()
}

fn in_bf16(x: &[f32]) -> Vec<f64> {
    x.iter()
        .map(|&x| half::bf16::from_f32(x).to_f64())
        .collect()
}

/// Whether weights are unpacked to panels for so many columns.
fn in_panels(ty: Type, k: usize, m: usize, level: Level) -> bool {
    let core = Core::new(level, ty, k).expect("it can be multiplied");
    m > core.direct()
}

/// Columns from which on products are in tiles, or groups share scales.
fn many(ty: Type, k: usize, level: Level) -> usize {
    let core = Core::new(level, ty, k).expect("it can be multiplied");
    core.many()
}

fn in_tiles(ty: Type, k: usize, m: usize, level: Level) -> bool {
    let ty = plain(ty);
    let many = m >= many(ty, k, level) || ty == Type::Bf16 && in_panels(ty, k, m, level);
    let takes = matches!(ty, Type::Bf16 | Type::F16) || !is_decoded(ty);
    many && takes && tiles::suit(level, k)
}

/// Rounded to 8 bits per `group` values, with sums of neighbours times `tight` as further values.
fn rounded_by(x: &[f32], group: usize, tight: f32) -> Vec<f64> {
    let mut out = Vec::new();
    for block in x.chunks(group) {
        let top = block.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let sums = block.as_chunks().0.iter().map(|[a, b]| (a + b).abs());
        let top = sums.fold(top, |m, sum| m.max(tight * sum));
        let inverse = if top > 0.0 { 127.0 / top } else { 0.0 };
        let scale = f64::from(top / 127.0);
        out.extend(
            block
                .iter()
                .map(|x| f64::from((x * inverse).round_ties_even()) * scale),
        );
    }
    out
}

/// Exact dot product, and the sum of the products' sizes.
fn dot(w: &[f32], x: &[f64]) -> (f64, f64) {
    let products = w.iter().zip(x).map(|(&w, &x)| f64::from(w) * x);
    products.fold((0.0, 0.0), |(sum, size), p| (sum + p, size + p.abs()))
}

/// Types that matmul takes: quantized ones and floats. (A row of `I2_s` is a whole tensor.)
fn types() -> impl Iterator<Item = &'static TypeInfo> {
    let wanted =
        |t: &&TypeInfo| t.quantized || matches!(plain(t.ty), Type::F32 | Type::F16 | Type::Bf16);
    TYPES.iter().filter(wanted).filter(|t| t.ty != Type::I2_s)
}

/// The type of a type's rows.
fn plain(ty: Type) -> Type {
    let interleaved = ty.info().and_then(|i| (i.interleaved)());
    interleaved.map_or(ty, |i| i.plain.ty)
}

/// Types without a kernel of their own, whose activations are not rounded.
fn is_decoded(ty: Type) -> bool {
    super::core::groups(plain(ty), Level::Scalar).is_none()
}

/// Types for which many activations share a scale, if there are many columns.
fn is_wide(ty: Type) -> bool {
    super::core::groups(plain(ty), Level::Scalar).is_some_and(|[_, panel, _]| panel.0 == WIDE)
}

#[track_caller]
fn check(what: &str, got: f32, exact: (f64, f64)) {
    check_within(what, got, exact, 4e-6);
}

/// Whether groups share scales if there are many columns.
fn shares(ty: Type, level: Level) -> bool {
    let groups = super::core::groups(plain(ty), level);
    groups.is_some_and(|[_, few, many]| few.0 != many.0)
}

/// How far products of a type with `m` columns may be from those of its decoded values.
fn tolerance(ty: Type, k: usize, m: usize, level: Level) -> f64 {
    // Groups that share a scale are rounded to eight bits, of which half the groups keep all.
    match ty {
        _ if shares(ty, level) && m >= many(ty, k, level) && !in_tiles(ty, k, m, level) => 5e-3,
        // Its values are rounded to whole numbers, as the reference multiplies them.
        Type::Iq6_k => 2e-2,
        // Bf16 are as they are. Of others half of what the last of 8 bits stands for is lost or, of f16 and activations, of 16 bits each.
        _ if plain(ty) == Type::Bf16 || !in_tiles(ty, k, m, level) => 4e-6,
        _ if plain(ty) == Type::F16 => 8e-6,
        _ => 1.0 / 256.0,
    }
}

#[track_caller]
fn check_within(what: &str, got: f32, (want, size): (f64, f64), tolerance: f64) {
    let error = (f64::from(got) - want).abs();
    assert!(
        error <= tolerance * size + 1e-30,
        "{what}: {got}, not {want} (error {error:e} of {size:e})"
    );
}

#[test]
fn each_column_is_in_one_block() {
    for level in levels() {
        let core = Core::new(level, Type::Q8_0, 64).unwrap();
        for core in [core, core.of_many()] {
            for n in 1..100 {
                let mut next = 0;
                for b in 0..core.blocks(n) {
                    let columns = core.columns(n, b);
                    assert_eq!(columns.start, next);
                    assert!((1..=core.cols).contains(&columns.len()), "{level:?}, {n}");
                    for c in columns.clone() {
                        assert_eq!(core.block_of(n, c), (b, columns.clone()));
                    }
                    next = columns.end;
                }
                assert_eq!(next, n);
            }
        }
    }
}

#[test]
fn every_type_at_every_level_and_odd_shapes() {
    let mut random = Random(1);
    for info in types() {
        let long = info.block.max(32);
        for (k, n) in [
            (long, 1usize),
            (2 * long, 5),
            (3 * long, 37),
            (18 * 32, 16),
            (13 * 8, 19),
            (tiles::DEPTH + long, 37),
        ] {
            if k % info.width() != 0 {
                continue;
            }
            let n = n.next_multiple_of(info.rows);
            let (weights, most) = (random.fill(k * n), 86);
            let input = random.fill(k * most);
            for m in [1usize, 2, 3, 4, 5, 7, 9, 12, 13, 18, 40, 69, 86] {
                let ctx = Context::new(4 << 20, false).unwrap();
                let w = ctx.new_tensor(info.ty, &[k as i64, n as i64]).unwrap();
                let x = ctx.new_tensor(Type::F32, &[k as i64, m as i64]).unwrap();
                put(w, &weights);
                put(x, &input[..k * m]);
                let y = ctx.mul_mat(w, x).unwrap();
                let w = get(w);
                let in_bf16 = in_bf16(&input[..k * m]);
                for level in levels() {
                    // Only tiles are for rows in pieces, and they or shared scales for so many columns.
                    let shares = shares(info.ty, level);
                    if (m > 64 && !shares || k > tiles::DEPTH) && level != Level::Amx {
                        continue;
                    }
                    let x = seen(&input[..k * m], info.ty, k, m, level);
                    let result = || {
                        compute(y, 1, level);
                        let is_bf16 = plain(info.ty) == Type::Bf16;
                        (
                            get(y),
                            is_bf16 && in_panels(info.ty, k, m, level) && pairs::suit(level, k),
                        )
                    };
                    let here = result();
                    let mut there = here.clone();
                    crate::simd::disguised(|| there = result());
                    assert!(
                        here.0 == there.0 || here.1 != there.1,
                        "{} {level:?} on another CPU",
                        info.name
                    );
                    for (got, in_pairs) in [here, there] {
                        let x = if in_pairs { &in_bf16 } else { &x };
                        for (i, &got) in got.iter().enumerate() {
                            let (row, col) = (i % n, i / n);
                            let want = dot(&w[row * k..][..k], &x[col * k..][..k]);
                            let what =
                                format!("{} {level:?} k={k} n={n} m={m} [{row},{col}]", info.name);
                            check_within(&what, got, want, tolerance(info.ty, k, m, level));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn extreme_codes_do_not_saturate() {
    // All codes and activations as large as they get, of equal signs.
    for info in types().filter(|t| t.quantized && t.rows == 1) {
        let k = 256;
        let ctx = Context::new(1 << 20, false).unwrap();
        let w = ctx.new_tensor(info.ty, &[k, 3]).unwrap();
        let rows: Vec<f32> = (0..3 * k)
            .map(|i| if (i / k) % 2 == 0 { -1.0 } else { 1.0 } * if i % 7 == 0 { 0.1 } else { 1.0 })
            .collect();
        put(w, &rows);
        for m in [1, 2, 13, 128] {
            let x = ctx.new_tensor(Type::F32, &[k, m]).unwrap();
            // Columns of either sign.
            let columns = (0..k * m).map(|i| if i / k % 2 == 0 { -1.0 } else { 1.0 });
            put(x, &columns.collect::<Vec<_>>());
            let y = ctx.mul_mat(w, x).unwrap();
            let (w, input) = (get(w), get(x));
            for level in levels() {
                let x = seen(&input, info.ty, k as usize, m as usize, level);
                compute(y, 1, level);
                for (i, &got) in get(y).iter().enumerate() {
                    let (w, x) = (&w[i % 3 * k as usize..], &x[i / 3 * k as usize..]);
                    let want = dot(&w[..k as usize], &x[..k as usize]);
                    let what = format!("{} {level:?} m={m} [{i}]", info.name);
                    let tolerance = tolerance(info.ty, k as usize, m as usize, level);
                    check_within(&what, got, want, tolerance);
                }
            }
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let mut random = Random(2);
    for ty in [
        Type::Q4_0,
        Type::Q6_k,
        Type::F16,
        Type::Q8_1,
        Type::Q8_k_r16,
    ] {
        for m in [1, 3, 150] {
            let ctx = Context::new(8 << 20, false).unwrap();
            let w = ctx.new_tensor(ty, &[512, 208]).unwrap();
            let x = ctx.new_tensor(Type::F32, &[512, m]).unwrap();
            put(w, &random.fill(n_values(w)));
            put(x, &random.fill(n_values(x)));
            let y = ctx.mul_mat(w, x).unwrap();
            for level in levels() {
                compute(y, 1, level);
                let want = get(y);
                for nth in [2, 3, 8] {
                    put(y, &vec![0.0; want.len()]);
                    compute(y, nth, level);
                    assert!(get(y) == want, "{ty:?} m={m} {level:?} {nth} threads");
                }
            }
        }
    }
}

#[test]
fn a_result_does_not_depend_on_how_many_there_are() {
    let mut random = Random(11);
    let k = tiles::DEPTH + 256;
    for ty in [Type::Q8_0, Type::F16, Type::Bf16] {
        let row = ty.info().unwrap().row_size(k);
        let ctx = Context::new(8 << 20, false).unwrap();
        let w = ctx.new_tensor(ty, &[k as i64, 64]).unwrap();
        let x = ctx.new_tensor(Type::F32, &[k as i64, 96]).unwrap();
        put(w, &random.fill(n_values(w)));
        put(x, &random.fill(n_values(x)));
        let y = ctx.mul_mat(w, x).unwrap();
        // Neither whole panels nor whole blocks.
        let few = ctx.view(w, &[k as i64, 41], &[row], 0).unwrap();
        let some = ctx.view(x, &[k as i64, 75], &[4 * k], 0).unwrap();
        let part = ctx.mul_mat(few, some).unwrap();
        for level in levels() {
            compute(y, 1, level);
            compute(part, 1, level);
            let all = get(y);
            for (part, all) in get(part).chunks(41).zip(all.chunks(64)) {
                assert!(part == &all[..41], "{ty:?} {level:?}");
            }
        }
    }
}

#[test]
fn matrices_are_repeated_and_strided() {
    let mut random = Random(3);
    for ty in [Type::F16, Type::F32, Type::Q8_0] {
        // Four heads of 64 values share a row, as in a KV cache; twelve heads of queries, three for each.
        let (head, n_kv, heads, group, tokens, seqs) = (64, 21, 4, 3, 7, 2);
        let ctx = Context::new(8 << 20, false).unwrap();
        let cache = ctx.new_tensor(ty, &[head * heads, n_kv, seqs]).unwrap();
        put(cache, &random.fill(n_values(cache)));
        let info = ty.info().unwrap();
        let row = info.row_size((head * heads) as usize);
        let ne = [head, n_kv, heads, seqs];
        let nb = [row, info.row_size(head as usize), row * n_kv as usize];
        let k = ctx.view(cache, &ne, &nb, 0).unwrap();
        for tokens in [1, tokens] {
            // Queries as permuted views of [head, heads, tokens, seqs].
            let q = ctx
                .new_tensor(Type::F32, &[head, heads * group, tokens, seqs])
                .unwrap();
            put(q, &random.fill(n_values(q)));
            let q_view = ctx.permute(q, [0, 2, 1, 3]).unwrap();
            let y = ctx.mul_mat(k, q_view).unwrap();
            let (kv, queries) = (get(cache), get(q));
            let head = head as usize;
            for level in levels() {
                let m = (tokens * group) as usize;
                let qv = seen(&queries, ty, head, m, level);
                let tolerance = tolerance(ty, head, m, level);
                compute(y, 2, level);
                for (i, &got) in get(y).iter().enumerate() {
                    let (row, i) = (i % n_kv as usize, i / n_kv as usize);
                    let (token, i) = (i % tokens as usize, i / tokens as usize);
                    let n_heads = (heads * group) as usize;
                    let (h, seq) = (i % n_heads, i / n_heads);
                    let w =
                        ((seq * n_kv as usize + row) * heads as usize + h / group as usize) * head;
                    let x = ((seq * tokens as usize + token) * n_heads + h) * head;
                    let want = dot(&kv[w..][..head], &qv[x..][..head]);
                    let what = format!("{ty:?} {level:?} {row} {token} {h} {seq}");
                    check_within(&what, got, want, tolerance);
                }
            }
        }
    }
}

#[test]
fn f16_activations() {
    let mut random = Random(4);
    for m in [1, 9] {
        let ctx = Context::new(1 << 20, false).unwrap();
        let w = ctx.new_tensor(Type::F16, &[45, 6]).unwrap();
        let x = ctx.new_tensor(Type::F16, &[45, m]).unwrap();
        put(w, &random.fill(n_values(w)));
        put(x, &random.fill(n_values(x)));
        let y = ctx.mul_mat(w, x).unwrap();
        let (w, x) = (get(w), get(x));
        let x: Vec<_> = x.into_iter().map(f64::from).collect();
        for level in levels() {
            compute(y, 1, level);
            for (i, &got) in get(y).iter().enumerate() {
                check(
                    &format!("{level:?} {i}"),
                    got,
                    dot(&w[i % 6 * 45..][..45], &x[i / 6 * 45..][..45]),
                );
            }
        }
    }
}

/// The gate function in f64.
fn act(op: UnaryOp, gate: f64, up: f64) -> f64 {
    match op {
        UnaryOp::Relu => gate.max(0.0) * up,
        UnaryOp::Gelu => {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (gate + 0.044715 * gate.powi(3));
            0.5 * gate * (1.0 + u.tanh()) * up
        }
        UnaryOp::Swiglu_oai => {
            let x = gate.min(7.0);
            x / (1.0 + (-1.702 * x).exp()) * (1.0 + up.clamp(-7.0, 7.0))
        }
        _ => gate / (1.0 + (-gate).exp()) * up,
    }
}

#[test]
fn gates_are_fused() {
    let mut random = Random(5);
    let ops = [
        UnaryOp::Silu,
        UnaryOp::Gelu,
        UnaryOp::Relu,
        UnaryOp::Swiglu_oai,
    ];
    for (ty, op) in [Type::Q4_0, Type::Q5_k, Type::Iq4_ks_r4, Type::Iq4_xs]
        .into_iter()
        .zip(ops)
    {
        for (m, k) in [(1, 256), (2, 256), (30, 256), (130, 256), (130, 2560)] {
            let n = 76;
            let ctx = Context::new(8 << 20, false).unwrap();
            let up = ctx.new_tensor(ty, &[k, n]).unwrap();
            let gate = ctx.new_tensor(ty, &[k, n]).unwrap();
            let x = ctx.new_tensor(Type::F32, &[k, m]).unwrap();
            for t in [up, gate] {
                put(
                    t,
                    &random
                        .fill(n_values(t))
                        .iter()
                        .map(|x| x / 16.0)
                        .collect::<Vec<_>>(),
                );
            }
            put(x, &random.fill(n_values(x)));
            let y = ctx.fused_up_gate(up, gate, x, op).unwrap();
            let (up, gate, input) = (get(up), get(gate), get(x));
            let (k, n, m) = (k as usize, n as usize, m as usize);
            for level in levels() {
                let x = seen(&input, ty, k, m, level);
                compute(y, 2, level);
                for (i, &got) in get(y).iter().enumerate() {
                    let (row, col) = (i % n, i / n);
                    let x = &x[col * k..][..k];
                    let (u, su) = dot(&up[row * k..][..k], x);
                    let (g, sg) = dot(&gate[row * k..][..k], x);
                    let size = (1.0 + su) * (1.0 + sg);
                    let what = format!("{ty:?} {op:?} {level:?} k={k} {row} {col}");
                    let want = (act(op, g, u), size);
                    check_within(&what, got, want, tolerance(ty, k, m, level));
                }
            }
        }
    }
}

#[test]
fn scales_below_the_normal_numbers_count_as_zero() {
    // Blocks of zeros have them, and products of such numbers take a hundred times as long.
    let (k, n) = (256usize, 3usize);
    let ctx = Context::new(1 << 20, false).unwrap();
    let w = ctx.new_tensor(Type::Mxfp4, &[k as i64, n as i64]).unwrap();
    // Row `e` has the powers 2^(e - 128), as often as it has blocks, and the codes of 1/2, which is one step.
    let bytes: Vec<u8> = (0..n)
        .flat_map(|e| (0..k / 32).flat_map(move |_| [vec![e as u8], vec![0x11; 16]].concat()))
        .collect();
    // SAFETY: the tensor has as many bytes.
    unsafe { std::ptr::copy(bytes.as_ptr(), w.data().cast(), bytes.len()) };
    for m in [1usize, 13] {
        let x = ctx.new_tensor(Type::F32, &[k as i64, m as i64]).unwrap();
        put(x, &vec![1.0; k * m]);
        let y = ctx.mul_mat(w, x).unwrap();
        for level in levels() {
            compute(y, 1, level);
            for column in get(y).chunks(n) {
                assert_eq!(&column[..2], [0.0, 0.0], "{level:?}");
                // Sums of scales and activations are below the normal numbers here, which costs some digits.
                let want = k as f32 * f32::MIN_POSITIVE;
                assert!(
                    (column[2] / want - 1.0).abs() < 1e-3,
                    "{level:?} {}",
                    column[2]
                );
            }
        }
    }
}

#[test]
fn experts_are_chosen_by_token() {
    let mut random = Random(6);
    let (k, n, n_expert, used) = (256usize, 40usize, 5, 2usize);
    for (ty, per_choice, tokens) in [
        (Type::Q4_k, false, 1usize),
        (Type::Q4_k, true, 1),
        (Type::Q8_0, true, 3),
        (Type::Q4_1, false, 50),
        // Some experts have many tokens, some have not.
        (Type::Q4_1, true, 400),
        (Type::F32, true, 20),
        (Type::Q5_k_r4, true, 3),
        (Type::Iq2_k_r4, false, 50),
        (Type::Iq4_k, true, 250),
    ] {
        let ctx = Context::new(8 << 20, false).unwrap();
        let w = ctx.new_tensor(ty, &[k as i64, n as i64, n_expert]).unwrap();
        let n1 = if per_choice { used } else { 1 };
        let x = ctx
            .new_tensor(Type::F32, &[k as i64, n1 as i64, tokens as i64])
            .unwrap();
        let ids = ctx
            .new_tensor(Type::I32, &[used as i64, tokens as i64])
            .unwrap();
        put(w, &random.fill(n_values(w)));
        put(x, &random.fill(n_values(x)));
        // Expert 3 is never used, most tokens have expert 0, and some choices name none.
        let id = |pair: usize| match pair % 7 {
            0 | 3 => 0,
            1 => 4,
            2 | 5 => 1 + (pair / 7 % 2) as i32,
            4 => -1,
            _ => 99,
        };
        let chosen: Vec<i32> = (0..used * tokens).map(id).collect();
        // SAFETY: the tensor has as many values.
        unsafe { std::ptr::copy(chosen.as_ptr(), ids.data().cast(), chosen.len()) };
        let plain = ctx.mul_mat_id(w, x, ids).unwrap();
        let bias = ctx.new_tensor(Type::F32, &[n as i64, n_expert]).unwrap();
        put(bias, &random.fill(n_values(bias)));
        let halves = ctx
            .moe_up_gate(w, None, x, ids, Some(bias), None, UnaryOp::Silu)
            .unwrap();
        let (w, input, bias) = (get(w), get(x), get(bias));
        for level in levels() {
            let by_expert: Vec<_> = (0..n_expert as i32)
                .map(|id| {
                    let m = chosen.iter().filter(|&&c| c == id).count();
                    let x = seen(&input, ty, k, m, level);
                    (x, tolerance(ty, k, m, level))
                })
                .collect();
            for nth in [1, 3] {
                for y in [plain, halves] {
                    put(y, &vec![7.0; n_values(y)]);
                    compute(y, nth, level);
                }
                let (plain, halves) = (get(plain), get(halves));
                for (pair, &id) in chosen.iter().enumerate() {
                    let (choice, token) = (pair % used, pair / used);
                    let what = format!("{ty:?} {level:?} {nth} threads, pair {pair}");
                    if !(0..n_expert as i32).contains(&id) {
                        assert!(plain[pair * n..][..n].iter().all(|&y| y == 0.0), "{what}");
                        assert!(
                            halves[pair * n / 2..][..n / 2].iter().all(|&y| y == 0.0),
                            "{what}"
                        );
                        continue;
                    }
                    let (x, tolerance) = &by_expert[id as usize];
                    let (x, tolerance) = (&x[(token * n1 + choice % n1) * k..][..k], *tolerance);
                    let row = |r: usize| dot(&w[(id as usize * n + r) * k..][..k], x);
                    for r in 0..n {
                        check_within(&what, plain[pair * n + r], row(r), tolerance);
                    }
                    for r in 0..n / 2 {
                        let bias = |r: usize| f64::from(bias[id as usize * n + r]);
                        let ((g, sg), (u, su)) = (row(r), row(r + n / 2));
                        let want = act(UnaryOp::Silu, g + bias(r), u + bias(r + n / 2));
                        check_within(
                            &what,
                            halves[pair * n / 2 + r],
                            (want, (1.0 + sg) * (1.0 + su)),
                            tolerance,
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_not_supported() {
    let ctx = Context::new(1 << 20, false).unwrap();
    let x = ctx.new_tensor(Type::F32, &[64, 3]).unwrap();
    for ty in [Type::I32, Type::F64, Type::I8] {
        let w = ctx.new_tensor(ty, &[64, 2]).unwrap();
        let y = ctx.mul_mat(w, x).unwrap();
        assert_eq!(super::work_size(y, 4), None, "{ty:?}");
    }
    let (w, half) = (
        ctx.new_tensor(Type::Q4_0, &[64, 2]).unwrap(),
        ctx.new_tensor(Type::F16, &[64, 3]).unwrap(),
    );
    assert!(super::work_size(ctx.mul_mat(w, x).unwrap(), 4).is_some());
    assert!(super::work_size(ctx.mul_mat(w, half).unwrap(), 4).is_none());
    // Interleaved rows that are not whole groups.
    for (n, fits) in [(16, true), (18, false)] {
        let w = ctx.new_tensor(Type::Q8_0_r8, &[64, n]).unwrap();
        let y = ctx.mul_mat(w, x).unwrap();
        assert_eq!(super::work_size(y, 4).is_some(), fits, "{n} rows");
    }
    let tanh = ctx.fused_up_gate(w, w, x, UnaryOp::Tanh).unwrap();
    assert!(super::work_size(tanh, 4).is_none());
}
