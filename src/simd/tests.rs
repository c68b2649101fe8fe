//! Every level against plain Rust.

use half::{bf16, f16};

use super::{Level, Simd};

crate::kernels! {
    struct Ops {
        fn exp(x: *const f32, y: *mut f32) = exp_32;
        fn floats(x: *const f32, y: *const f32, out: &mut Vec<Vec<f32>>) = floats_16;
        fn ints(x: *const i8, y: *const i8, out: &mut Vec<Vec<u8>>) = ints_64;
        fn halves(x: *const f32, f: *mut f16, b: *mut bf16) = halves_16;
        fn parts(n: usize, x: *const f32, y: *mut f32) = parts_16;
        fn transpose(m: *mut u8) = transpose_bytes;
        fn load_transposed(rows: *const u8, out: *mut u8) = load_transposed;
        fn moves(x: *const u8, out: &mut Vec<Vec<u8>>) = moves_256;
    }
}

#[inline(always)]
unsafe fn exp_32<S: Simd>(s: S, x: *const f32, y: *mut f32) {
    for i in (0..32).step_by(S::N) {
        // SAFETY: the tests pass 32 values.
        unsafe { s.store(y.add(i), s.exp(s.load(x.add(i)))) }
    }
}

#[inline(always)]
unsafe fn floats_16<S: Simd>(s: S, x: *const f32, y: *const f32, out: &mut Vec<Vec<f32>>) {
    for i in (0..16).step_by(S::N) {
        // SAFETY: the tests pass 16 values.
        let (a, b) = unsafe { (s.load(x.add(i)), s.load(y.add(i))) };
        // SAFETY: as above; the second half, if vectors are halves.
        let table = unsafe { [s.load(x), s.load(x.add(16 - S::N))] };
        let results = [
            s.add(a, b),
            s.sub(a, b),
            s.mul(a, b),
            s.div(a, b),
            s.max(a, b),
            s.min(a, b),
            s.abs(a),
            s.neg(a),
            s.sqrt(s.abs(a)),
            s.round(a),
            s.select(s.lt(a, b), a, b),
            // Each lane's bit, in its place.
            s.select_by_bits(s.bits_of(s.lt(a, b)), 0, a, b),
            s.select_by_bits(s.bits_of(s.lt(a, b)) << 8, 8, a, b),
            s.to_f32(s.to_i32(a)),
            s.cast_f(s.shl_i32::<4>(s.shr_i32::<5>(s.cast_i(a)))),
            s.lookup16_f32(table, s.to_i32(s.mul(b, s.splat(1.6)))),
            s.splat(s.max_of(a)),
        ];
        out.resize(results.len(), Vec::new());
        for (o, r) in out.iter_mut().zip(results) {
            let mut buf = [0.0; 16];
            // SAFETY: a vector has no more than 16 values.
            unsafe { s.store(buf.as_mut_ptr(), r) };
            o.extend_from_slice(&buf[..S::N]);
        }
    }
}

#[inline(always)]
unsafe fn ints_64<S: Simd>(s: S, x: *const i8, y: *const i8, out: &mut Vec<Vec<u8>>) {
    for i in (0..64).step_by(4 * S::N) {
        // SAFETY: the tests pass 64 bytes (and read at most N from the start of each vector).
        let (a, b, dup, sx, zx) = unsafe {
            (
                s.load_int(x.add(i).cast()),
                s.load_int(y.add(i).cast()),
                s.load_128(x.cast()),
                s.load_i8(x.add(i)),
                s.load_u8(x.add(i).cast()),
            )
        };
        let u7 = s.and(b, s.splat_i8(0x7f));
        let results = [
            s.add_i32(a, b),
            s.sub_i32(a, b),
            s.mul_i32(a, b),
            s.and(a, b),
            s.or(a, b),
            s.xor(a, b),
            s.add_i8(a, b),
            s.sub_i8(a, b),
            s.eq_i8(a, dup),
            s.lookup16(dup, b),
            s.shl_i16::<3>(a),
            s.shr_i16::<3>(a),
            s.dot(b, u7, a),
            s.add_i16(a, b),
            s.pairs(u7, a),
            s.add_pairs(b, a),
            s.pack_i32(s.shr_i32::<12>(a), b),
            s.scale_i8(a, 1, s.splat_i32(0x6543_6543)),
            s.scale_i8(s.and(a, s.splat_i8(31)), 4, s.splat_i32(-0x5431_5431)),
            s.splat_i8(-3),
            s.abs_i8(a),
            s.select_i8(b, a, dup),
            s.select_i64(0b1001_0110 >> (i / 8), a, b),
            s.mask_of_bits(BITS >> i),
            s.negate_by_bits(a, BITS >> i),
            s.negate_where(a, b, s.splat_i8(4)),
            s.lookup32(&TABLE32, s.and(b, s.splat_i8(31))),
            s.lookup64(&TABLE64, s.and(b, s.splat_i8(63))),
            s.lookup256(&TABLE256, b),
        ];
        out.resize(results.len() + 2, Vec::new());
        let mut buf = [0; 64];
        for (o, r) in out.iter_mut().zip(results) {
            // SAFETY: a vector has no more than 64 bytes.
            unsafe { s.store_int(buf.as_mut_ptr(), r) };
            o.extend_from_slice(&buf[..4 * S::N]);
        }
        // Widened bytes, narrowed again: the first 8 of each 32 so that both widths can be compared.
        for (o, r) in out[results.len()..].iter_mut().zip([sx, zx]) {
            // SAFETY: as above.
            unsafe { s.store_int(buf.as_mut_ptr(), r) };
            o.extend_from_slice(&buf[..32]);
            // SAFETY: as above.
            unsafe { s.store_i8(buf.as_mut_ptr().cast(), r) };
            o.extend_from_slice(&buf[..8]);
        }
    }
}

const BITS: u64 = 0x8421_dead_beef_1234;
static TABLE256: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = (i as u8).wrapping_mul(77);
        i += 1;
    }
    table
};
static TABLE64: [i8; 64] = first();
static TABLE32: [i8; 32] = first();

const fn first<const N: usize>() -> [i8; N] {
    let mut table = [0; N];
    let mut i = 0;
    while i < N {
        table[i] = TABLE256[i] as i8;
        i += 1;
    }
    table
}

/// What moves values between lanes: results of N and of 2 N lanes differ, so each level is compared with plain Rust.
#[inline(always)]
unsafe fn moves_256<S: Simd>(s: S, x: *const u8, out: &mut Vec<Vec<u8>>) {
    // SAFETY: the test passes 256 bytes, and indices of 32-bit values among them.
    unsafe {
        let v = [0, 1, 2, 3].map(|i| x.add(4 * S::N * i));
        let v = [
            s.load_int(v[0]),
            s.load_int(v[1]),
            s.load_int(v[2]),
            s.load_int(v[3]),
        ];
        let quads: [*const u8; 8] = std::array::from_fn(|i| x.add(11 * i));
        let zipped = s.zip4_i8(v);
        let (even, odd) = s.unzip_i32(v[0], v[1]);
        let idx = s.and(v[2], s.splat_i32(63));
        let results = [
            zipped[0],
            zipped[1],
            zipped[2],
            zipped[3],
            even,
            odd,
            s.deal_i32(v[0]),
            s.zip_i8(v[0], v[1]).0,
            s.zip_i8(v[0], v[1]).1,
            s.cast_i(s.swap_neighbours(s.cast_f(v[0]))),
            s.load_quads(quads),
            s.quads_at(x, [3, 0, 31, 7, 7, 12, 30, 1]),
            s.splat_i32(s.deposit(0b1101, 0xff00_0000_8000_0111) as i32),
            s.gather_i32(x, idx),
            s.and(s.pairs_of_halves(v[1], 1), s.splat_i8(3)),
            s.and(s.nibbles_of_words(v[1], false), s.splat_i8(15)),
            s.and(s.nibbles_of_words(v[1], true), s.splat_i8(15)),
            s.narrow_i16(s.shr_i16::<8>(v[0]), s.shr_i16::<8>(v[1])),
            s.splat_i32(s.top_bits_i16(v[0]) as i32),
            s.splat_i32(s.top_bits_i8(v[0]) as i32),
        ];
        let mut buf = [0; 64];
        for r in results {
            s.store_int(buf.as_mut_ptr(), r);
            out.push(buf[..4 * S::N].to_vec());
        }
    }
}

#[inline(always)]
unsafe fn halves_16<S: Simd>(s: S, x: *const f32, f: *mut f16, b: *mut bf16) {
    for i in (0..16).step_by(S::N) {
        // SAFETY: the tests pass 16 values.
        unsafe {
            let v = s.load(x.add(i));
            s.store_f16(f.add(i), v);
            s.store_bf16(b.add(i), v);
            // And through the loads once more: nothing may change.
            s.store_f16(f.add(i), s.load_f16(f.add(i)));
            s.store_bf16(b.add(i), s.load_bf16(b.add(i)));
        }
    }
}

#[inline(always)]
unsafe fn parts_16<S: Simd>(s: S, n: usize, x: *const f32, y: *mut f32) {
    let mut i = 0;
    while i < n {
        // SAFETY: the tests pass n values.
        unsafe { s.store_part(y.add(i), s.load_part(x.add(i), n - i), n - i) };
        i += S::N;
    }
}

#[inline(always)]
unsafe fn transpose_bytes<S: Simd>(s: S, m: *mut u8) {
    let h = s.half();
    // SAFETY: the test passes eight rows of two halves.
    unsafe {
        let mut rows = [s.splat_i32(0); 8];
        for (i, r) in rows.iter_mut().enumerate() {
            *r = s.join(h.load_int(m.add(64 * i)), h.load_int(m.add(64 * i + 32)));
        }
        for (i, r) in s.transpose8(rows).into_iter().enumerate() {
            s.store_int(m.add(64 * i), r);
        }
    }
}

/// From `N` rows of 40 bytes to eight vectors.
#[inline(always)]
unsafe fn load_transposed<S: Simd>(s: S, rows: *const u8, out: *mut u8) {
    // SAFETY: the test passes sixteen rows, and room for eight vectors.
    unsafe {
        for (i, r) in s.load_transposed(rows, 40).into_iter().enumerate() {
            s.store_int(out.add(64 * i), r);
        }
    }
}

#[test]
fn the_level_in_use_is_one_of_the_cpu() {
    assert!(super::level().supported());
    let (x, mut y) = ([1.0; 32], [0.0; 32]);
    // SAFETY: 32 values each.
    unsafe { Ops::get().exp(x.as_ptr(), y.as_mut_ptr()) };
    assert!((y[31] - std::f32::consts::E).abs() < 1e-6);
}

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|l| l.supported())
}

#[test]
fn exp_is_close_and_defined_everywhere() {
    for level in levels() {
        let mut worst = 0.0f64;
        for start in (-110..95).step_by(1) {
            let x: [f32; 32] = std::array::from_fn(|i| start as f32 + i as f32 / 32.0);
            let mut y = [0.0; 32];
            // SAFETY: 32 values each.
            unsafe { Ops::at(level).exp(x.as_ptr(), y.as_mut_ptr()) };
            for (x, y) in x.into_iter().zip(y) {
                let exact = f64::from(x).exp();
                if exact > f64::from(f32::MAX) {
                    assert_eq!(y, f32::INFINITY, "e^{x}");
                } else if exact > 1.2e-38 {
                    worst = worst.max((f64::from(y) - exact).abs() / exact);
                } else {
                    assert!((f64::from(y) - exact).abs() < 3e-45, "e^{x} = {y}");
                }
            }
        }
        assert!(worst < 2.0e-7, "{level:?}: relative error {worst}");
        let mut x = [0.0; 32];
        x[0] = f32::NEG_INFINITY;
        x[1] = f32::INFINITY;
        x[2] = f32::NAN;
        let mut y = [0.0; 32];
        // SAFETY: 32 values each.
        unsafe { Ops::at(level).exp(x.as_ptr(), y.as_mut_ptr()) };
        assert_eq!((y[0], y[1], y[3]), (0.0, f32::INFINITY, 1.0));
        assert!(y[2].is_nan());
    }
}

#[test]
fn arithmetic_is_the_same_at_every_level() {
    let x: [f32; 16] = std::array::from_fn(|i| (i as f32 - 7.3) * 1.7);
    let y: [f32; 16] = std::array::from_fn(|i| ((i * 7 % 16) as f32 - 8.5) * 1.1);
    let run = |level| {
        let mut out = Vec::new();
        // SAFETY: 16 values each.
        unsafe { Ops::at(level).floats(x.as_ptr(), y.as_ptr(), &mut out) };
        out.pop(); // max_of is over a vector, whose width differs
        out
    };
    let want = run(Level::Scalar);
    assert_eq!(want[0][3], x[3] + y[3]);
    assert_eq!(want[9][0], x[0].round_ties_even());
    // -8.5 * 1.1 * 1.6 is -15, whose last four bits are 1.
    assert_eq!(want[15][0], x[1]);
    assert_eq!(want[10], want[11]);
    assert_eq!(want[10], want[12]);
    for level in levels() {
        assert_eq!(run(level), want, "{level:?}");
    }
}

#[test]
fn integers_are_the_same_at_every_level() {
    let x: [i8; 64] = std::array::from_fn(|i| (i as i8).wrapping_mul(37).max(-127));
    let y: [i8; 64] = std::array::from_fn(|i| (i as i8).wrapping_mul(91).wrapping_add(5));
    let run = |level| {
        let mut out = Vec::new();
        // SAFETY: 64 bytes each.
        unsafe { Ops::at(level).ints(x.as_ptr(), y.as_ptr(), &mut out) };
        let n = out.len();
        out[n - 2].truncate(40);
        out[n - 1].truncate(40);
        out
    };
    let want = run(Level::Scalar);
    for level in levels() {
        for (i, (got, want)) in run(level).iter().zip(&want).enumerate() {
            assert_eq!(got, want, "{level:?}, operation {i}");
        }
    }
}

#[test]
fn lanes_move_to_their_places() {
    let x: [u8; 256] = std::array::from_fn(|i| (i as u8).wrapping_mul(167).wrapping_add(13));
    for level in levels() {
        let mut out = Vec::new();
        // SAFETY: 256 bytes, that is 64 values of 32 bits.
        unsafe { Ops::at(level).moves(x.as_ptr(), &mut out) };
        let n = level.lanes();
        let dword = |i: usize| <[u8; 4]>::try_from(&x[4 * i..4 * i + 4]).unwrap();
        let dwords =
            |f: &dyn Fn(usize) -> usize| -> Vec<u8> { (0..n).flat_map(|l| dword(f(l))).collect() };
        let mut want: Vec<Vec<u8>> = (0..4)
            .map(|v| {
                let byte = |b: usize| x[4 * n * (b % 4) + b / 16 * 16 + 4 * v + b % 16 / 4];
                (0..4 * n).map(byte).collect()
            })
            .collect();
        want.push(dwords(&|l| 2 * l));
        want.push(dwords(&|l| 2 * l + 1));
        want.push(dwords(&|l| l % 4 * (n / 4) + l / 4));
        for half in [0, 2 * n] {
            let zipped = |b: usize| x[4 * n * (b % 2) + half + b / 2];
            want.push((0..4 * n).map(zipped).collect());
        }
        want.push(dwords(&|l| l ^ 1));
        want.push((0..4 * n).map(|b| x[b / 8 * 11 + b % 8]).collect());
        let numbers = [3, 0, 31, 7, 7, 12, 30, 1];
        want.push((0..4 * n).map(|b| x[8 * numbers[b / 8] + b % 8]).collect());
        // Bits 1, 0, 1, 1 to places 0, 4, 8 and 31.
        want.push(0x8000_0101u32.to_le_bytes().repeat(n));
        want.push(dwords(&|l| usize::from(dword(2 * n + l)[0] & 63)));
        let pair = |b: usize| {
            let from = n / 2 + b / 8 + 2 * n * (b % 8 / 4);
            // Beyond a vector of one half there are zeros.
            let byte = if from < 4 * n { x[4 * n + from] } else { 0 };
            byte >> (2 * (b % 4)) & 3
        };
        want.push((0..4 * n).map(pair).collect());
        for first in [4 * n, 6 * n] {
            let nibble = |b: usize| x[first + b / 2] >> (4 * (b % 2)) & 15;
            want.push((0..4 * n).map(nibble).collect());
        }
        want.push((0..4 * n).map(|b| x[2 * b + 1]).collect());
        let top = |step: usize| {
            let bits = (0..(4 * n / step).min(32))
                .map(|i| u32::from(x[step * i + step - 1] >> 7) << i)
                .sum::<u32>();
            bits.to_le_bytes().repeat(n)
        };
        want.push(top(2));
        want.push(top(1));
        for (i, (got, want)) in out.iter().zip(&want).enumerate() {
            assert_eq!(got, want, "{level:?}, operation {i}");
        }
    }
}

#[test]
fn halves_round_to_nearest() {
    let x: [f32; 16] = [
        0.0,
        -0.0,
        1.0,
        1.000_488_3,
        -1.003_906_3,
        65504.0,
        1e-7,
        f32::INFINITY,
        f32::NAN,
        3.0e38,
        1.011_718_8,
        -2.5e-3,
        7.0,
        1e9,
        -1e-40,
        0.333_333_34,
    ];
    for level in levels() {
        let (mut f, mut b) = ([f16::ZERO; 16], [bf16::ZERO; 16]);
        // SAFETY: 16 values each.
        unsafe { Ops::at(level).halves(x.as_ptr(), f.as_mut_ptr(), b.as_mut_ptr()) };
        for i in 0..16 {
            if x[i].is_nan() {
                assert!(f[i].is_nan() && b[i].is_nan());
            } else {
                assert_eq!(
                    f[i].to_bits(),
                    f16::from_f32(x[i]).to_bits(),
                    "{level:?} {}",
                    x[i]
                );
                assert_eq!(
                    b[i].to_bits(),
                    bf16::from_f32(x[i]).to_bits(),
                    "{level:?} {}",
                    x[i]
                );
            }
        }
    }
}

#[test]
fn parts_touch_nothing_else() {
    for level in levels() {
        for n in 0..40 {
            // Exactly as long as promised, so that memcheck sees a read beyond.
            let x: Vec<f32> = (0..n).map(|i| i as f32 + 1.0).collect();
            let mut y = vec![0.0; n + 16];
            // SAFETY: n values each.
            unsafe { Ops::at(level).parts(n, x.as_ptr(), y.as_mut_ptr()) };
            assert_eq!(y[..n], x[..]);
            assert!(y[n..].iter().all(|&v| v == 0.0));
        }
    }
}

#[test]
fn transposes() {
    for level in levels() {
        let mut m: Vec<u8> = (0..8 * 16u32)
            .flat_map(|i| ((i / 16) * 1000 + i % 16).to_le_bytes())
            .collect();
        // SAFETY: eight rows of 64 bytes.
        unsafe { Ops::at(level).transpose(m.as_mut_ptr()) };
        let width = if level >= Level::Avx512 { 16 } else { 8 };
        for i in 0..8 {
            for j in 0..width {
                let at = 64 * i + 4 * j;
                let got = u32::from_le_bytes(m[at..at + 4].try_into().unwrap());
                let want = (j % 8) * 1000 + i + (j / 8) * 8;
                assert_eq!(got as usize, want, "{level:?} row {i} lane {j}");
            }
        }
    }
}

#[test]
fn loads_transposed() {
    const STRIDE: usize = 40;
    let rows: Vec<u8> = (0..16 * STRIDE as u32 / 4)
        .flat_map(u32::to_le_bytes)
        .collect();
    for level in levels() {
        let mut out = [0u8; 8 * 64];
        // SAFETY: sixteen rows, and room for eight vectors.
        unsafe { Ops::at(level).load_transposed(rows.as_ptr(), out.as_mut_ptr()) };
        for (word, vector) in out.as_chunks::<64>().0.iter().enumerate() {
            for (row, got) in vector.as_chunks().0[..level.lanes()].iter().enumerate() {
                let want = row * STRIDE / 4 + word;
                assert_eq!(u32::from_le_bytes(*got) as usize, want, "{level:?}");
            }
        }
    }
}
