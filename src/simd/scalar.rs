//! Vectors as arrays of the size of a 256-bit register, for CPUs of which we know nothing. Also what the other levels are
//! tested against.

use half::{bf16, f16};

use super::{Kernel, Simd};

/// The level without vector instructions.
#[derive(Clone, Copy)]
pub struct Scalar(());

const N: usize = 8;

impl Scalar {
    /// # Safety
    /// None needed; unsafe because the other tokens are.
    #[inline(always)]
    pub unsafe fn new() -> Scalar {
        Scalar(())
    }
}

/// A kernel compiled for this level.
///
/// # Safety
/// The CPU has the level; and what the kernel says.
pub(super) unsafe fn run<K: Kernel>(args: K::Args) {
    // SAFETY: the caller's promise.
    unsafe { K::run(Scalar::new(), args) }
}

#[inline(always)]
fn bytes(v: [i32; N]) -> [u8; 4 * N] {
    let mut out = [0; 4 * N];
    for i in 0..N {
        let b = v[i].to_le_bytes();
        out[4 * i..4 * i + 4].copy_from_slice(&b);
    }
    out
}

#[inline(always)]
fn ints(b: [u8; 4 * N]) -> [i32; N] {
    let mut out = [0; N];
    for i in 0..N {
        out[i] = i32::from_le_bytes([b[4 * i], b[4 * i + 1], b[4 * i + 2], b[4 * i + 3]]);
    }
    out
}

/// Methods that apply an expression to each lane.
macro_rules! lanes {
    ($( fn $name:ident($($a:ident),+: $t:ty) -> $r:ty = $e:expr; )*) => { $(
        #[inline(always)]
        fn $name(self, $($a: [$t; N]),+) -> [$r; N] {
            let mut out = [Default::default(); N];
            for (i, o) in out.iter_mut().enumerate() {
                $( let $a = $a[i]; )+
                *o = $e;
            }
            out
        }
    )* };
}

/// Methods that apply an expression to each byte.
macro_rules! byte_lanes {
    ($( fn $name:ident($($a:ident),+) = $e:expr; )*) => { $(
        #[inline(always)]
        fn $name(self, $($a: [i32; N]),+) -> [i32; N] {
            $( let $a = bytes($a); )+
            let mut out = [0u8; 4 * N];
            for (i, o) in out.iter_mut().enumerate() {
                $( let $a = $a[i]; )+
                *o = $e;
            }
            ints(out)
        }
    )* };
}

/// Methods that load one element per lane and convert it.
macro_rules! loads {
    ($( fn $name:ident($t:ty) -> $r:ty = $convert:expr; )*) => { $(
        #[inline(always)]
        unsafe fn $name(self, p: *const $t) -> [$r; N] {
            // SAFETY: the caller promised N readable values; arrays have their element's layout.
            let v = unsafe { p.cast::<[$t; N]>().read_unaligned() };
            let mut out: [$r; N] = [Default::default(); N];
            for (o, x) in out.iter_mut().zip(v) {
                *o = $convert(x);
            }
            out
        }
    )* };
}

/// Methods that convert one element per lane and store it.
macro_rules! stores {
    ($( fn $name:ident($t:ty) -> $r:ty = $convert:expr; )*) => { $(
        #[inline(always)]
        unsafe fn $name(self, p: *mut $r, v: [$t; N]) {
            let mut out: [$r; N] = [Default::default(); N];
            for (o, x) in out.iter_mut().zip(v) {
                *o = $convert(x);
            }
            // SAFETY: the caller promised N writable values; arrays have their element's layout.
            unsafe { p.cast::<[$r; N]>().write_unaligned(out) }
        }
    )* };
}

impl Simd for Scalar {
    const N: usize = N;
    const VNNI: bool = false;
    const BYTE_TABLES: bool = false;
    const DEPOSITS: bool = false;
    const FUSED: bool = false;
    type F = [f32; N];
    type I = [i32; N];
    type M = [bool; N];
    type Half = Scalar;

    #[inline(always)]
    fn half(self) -> Scalar {
        self
    }

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; N] {
        [x; N]
    }
    loads! {
        fn load(f32) -> f32 = std::convert::identity;
        fn load_f16(f16) -> f32 = f16::to_f32;
        fn load_bf16(bf16) -> f32 = bf16::to_f32;
        fn load_i8(i8) -> i32 = i32::from;
        fn load_u8(u8) -> i32 = i32::from;
    }
    stores! {
        fn store(f32) -> f32 = std::convert::identity;
        fn store_f16(f32) -> f16 = f16::from_f32;
        fn store_bf16(f32) -> bf16 = bf16::from_f32;
        fn store_i8(i32) -> i8 = (|x: i32| x.clamp(-128, 127) as i8);
    }
    #[inline(always)]
    unsafe fn load_part(self, p: *const f32, n: usize) -> [f32; N] {
        let mut v = [0.0; N];
        // SAFETY: the caller promised min(n, N) readable values.
        unsafe { std::ptr::copy_nonoverlapping(p, v.as_mut_ptr(), n.min(N)) };
        v
    }
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, v: [f32; N], n: usize) {
        // SAFETY: the caller promised min(n, N) writable values.
        unsafe { std::ptr::copy_nonoverlapping(v.as_ptr(), p, n.min(N)) };
    }

    lanes! {
        fn add(a, b: f32) -> f32 = a + b;
        fn sub(a, b: f32) -> f32 = a - b;
        fn mul(a, b: f32) -> f32 = a * b;
        fn div(a, b: f32) -> f32 = a / b;
        fn fma(a, b, c: f32) -> f32 = a * b + c;
        fn fused(a, b, c: f32) -> f32 = a.mul_add(b, c);
        fn fnma(a, b, c: f32) -> f32 = c - a * b;
        fn max(a, b: f32) -> f32 = if a > b { a } else { b };
        fn min(a, b: f32) -> f32 = if a < b { a } else { b };
        fn sqrt(a: f32) -> f32 = a.sqrt();
        fn round(a: f32) -> f32 = a.round_ties_even();
        fn lt(a, b: f32) -> bool = a < b;
        fn cast_i(a: f32) -> i32 = a.to_bits() as i32;
        fn cast_f(a: i32) -> f32 = f32::from_bits(a as u32);
        fn to_i32(a: f32) -> i32 = a.round_ties_even() as i32;
        fn to_f32(a: i32) -> f32 = a as f32;
        fn add_i32(a, b: i32) -> i32 = a.wrapping_add(b);
        fn sub_i32(a, b: i32) -> i32 = a.wrapping_sub(b);
        fn mul_i32(a, b: i32) -> i32 = a.wrapping_mul(b);
        fn shlv_i32(a, counts: i32) -> i32 = a << counts;
        fn shrv_i32(a, counts: i32) -> i32 = (a as u32 >> counts) as i32;
        fn and(a, b: i32) -> i32 = a & b;
        fn or(a, b: i32) -> i32 = a | b;
        fn xor(a, b: i32) -> i32 = a ^ b;
    }
    byte_lanes! {
        fn add_i8(a, b) = a.wrapping_add(b);
        fn sub_i8(a, b) = a.wrapping_sub(b);
        fn eq_i8(a, b) = if a == b { 0xff } else { 0 };
        fn abs_i8(a) = (a as i8).unsigned_abs();
        fn select_i8(mask, a, b) = if mask & 0x80 != 0 { a } else { b };
        fn negate_where(a, bits, of) = if bits & of != 0 { a.wrapping_neg() } else { a };
    }
    #[inline(always)]
    fn select_i64(self, bits: u32, a: [i32; N], b: [i32; N]) -> [i32; N] {
        let mut out = b;
        for l in 0..N {
            if bits >> (l / 2) & 1 == 1 {
                out[l] = a[l];
            }
        }
        out
    }
    #[inline(always)]
    fn mask_of_bits(self, bits: u64) -> [i32; N] {
        let mut out = [0; 4 * N];
        for (i, o) in out.iter_mut().enumerate() {
            *o = ((bits >> i & 1) as u8).wrapping_neg();
        }
        ints(out)
    }
    #[inline(always)]
    fn negate_by_bits(self, a: [i32; N], bits: u64) -> [i32; N] {
        let mut out = bytes(a);
        for (i, o) in out.iter_mut().enumerate() {
            if bits >> i & 1 == 1 {
                *o = o.wrapping_neg();
            }
        }
        ints(out)
    }
    #[inline(always)]
    fn bits_of(self, m: [bool; N]) -> u32 {
        let mut bits = 0;
        for (i, m) in m.into_iter().enumerate() {
            bits |= u32::from(m) << i;
        }
        bits
    }
    #[inline(always)]
    fn top_bits_i8(self, a: [i32; N]) -> u64 {
        let mut out = 0;
        for (i, b) in bytes(a).into_iter().enumerate() {
            out |= u64::from(b >> 7) << i;
        }
        out
    }
    #[inline(always)]
    fn top_bits_i16(self, a: [i32; N]) -> u32 {
        let mut out = 0;
        for (i, x) in a.into_iter().enumerate() {
            out |= ((x as u32 >> 15 & 1) | (x as u32 >> 31) << 1) << (2 * i);
        }
        out
    }
    #[inline(always)]
    fn pack_i32(self, a: [i32; N], b: [i32; N]) -> [i32; N] {
        let narrow = |x: i32| i32::from(x.clamp(i16::MIN.into(), i16::MAX.into()) as u16);
        let mut out = a;
        for (i, o) in out.iter_mut().enumerate() {
            let (from, at) = (if i % 4 < 2 { &a } else { &b }, i / 4 * 4 + i % 2 * 2);
            *o = narrow(from[at]) | narrow(from[at + 1]) << 16;
        }
        out
    }
    #[inline(always)]
    fn narrow_i16(self, a: [i32; N], b: [i32; N]) -> [i32; N] {
        let (a, b) = (bytes(a), bytes(b));
        let mut out = [0; 4 * N];
        for i in 0..2 * N {
            out[i] = a[2 * i];
            out[2 * N + i] = b[2 * i];
        }
        ints(out)
    }
    #[inline(always)]
    fn unzip_i32(self, a: [i32; N], b: [i32; N]) -> ([i32; N], [i32; N]) {
        let (mut even, mut odd) = (a, a);
        for i in 0..N {
            let from = if i < N / 2 { &a } else { &b };
            even[i] = from[2 * i % N];
            odd[i] = from[2 * i % N + 1];
        }
        (even, odd)
    }
    #[inline(always)]
    fn zip_i8(self, a: [i32; N], b: [i32; N]) -> ([i32; N], [i32; N]) {
        let (a, b) = (bytes(a), bytes(b));
        let mut out = [[0; 4 * N]; 2];
        for i in 0..4 * N {
            let (half, at) = (i / (2 * N), 2 * i % (4 * N));
            (out[half][at], out[half][at + 1]) = (a[i], b[i]);
        }
        (ints(out[0]), ints(out[1]))
    }
    #[inline(always)]
    fn scale_i8(self, a: [i32; N], up: i16, by: [i32; N]) -> [i32; N] {
        let (a, by) = (bytes(a), bytes(by));
        let mut out = [0; 4 * N];
        for i in 0..4 * N {
            let lane = i / 16 * 16;
            let by = i32::from(i16::from_le_bytes([by[lane], by[lane + 1]]));
            let x = 256 * i32::from(a[i] as i8) * i32::from(up);
            let product = (x * by + 0x4000) >> 15;
            out[i] = ((product + 128) >> 8).clamp(-128, 127) as u8;
        }
        ints(out)
    }
    #[inline(always)]
    fn swap_neighbours(self, a: [f32; N]) -> [f32; N] {
        let mut out = a;
        for i in 0..N {
            out[i] = a[i ^ 1];
        }
        out
    }
    #[inline(always)]
    fn join_lower(self, a: [i32; N], _b: [i32; N]) -> [i32; N] {
        a
    }
    #[inline(always)]
    unsafe fn two_words(self, p: *const u8) -> [[i32; N]; 2] {
        // SAFETY: the caller's promise.
        let [lo, hi] = unsafe { p.cast::<[i32; 2]>().read_unaligned() };
        [[lo; N], [hi; N]]
    }
    #[inline(always)]
    fn select_by_bits(self, bits: u32, first: usize, a: [f32; N], b: [f32; N]) -> [f32; N] {
        let mut out = b;
        for i in 0..N {
            if bits >> (first + i) & 1 == 1 {
                out[i] = a[i];
            }
        }
        out
    }
    #[inline(always)]
    unsafe fn splat_two_f16(self, p: *const u8) -> [[f32; N]; 2] {
        // SAFETY: the caller's promise.
        unsafe { [self.splat_f16(p), self.splat_f16(p.add(2))] }
    }
    #[inline(always)]
    unsafe fn splat_f16(self, p: *const u8) -> [f32; N] {
        // SAFETY: the caller's promise.
        [unsafe { self.f16_at(p) }; N]
    }
    #[inline(always)]
    fn deal_i32(self, a: [i32; N]) -> [i32; N] {
        let mut out = a;
        for i in 0..N {
            out[i % 2 * 4 + i / 2] = a[i];
        }
        out
    }
    #[inline(always)]
    fn zip4_i8(self, a: [[i32; N]; 4]) -> [[i32; N]; 4] {
        let mut out = [[0; 4 * N]; 4];
        for (j, a) in a.into_iter().enumerate() {
            for (i, b) in bytes(a).into_iter().enumerate() {
                let (lane, i) = (i / 16, i % 16);
                out[i / 4][16 * lane + 4 * (i % 4) + j] = b;
            }
        }
        let mut zipped = [[0; N]; 4];
        for (z, o) in zipped.iter_mut().zip(out) {
            *z = ints(o);
        }
        zipped
    }
    #[inline(always)]
    fn select(self, m: [bool; N], a: [f32; N], b: [f32; N]) -> [f32; N] {
        let mut out = b;
        for i in 0..N {
            if m[i] {
                out[i] = a[i];
            }
        }
        out
    }
    #[inline(always)]
    fn sum(self, a: [f32; N]) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
    #[inline(always)]
    fn max_of(self, a: [f32; N]) -> f32 {
        a.into_iter().fold(a[0], |m, x| if m > x { m } else { x })
    }

    #[inline(always)]
    fn splat_i32(self, x: i32) -> [i32; N] {
        [x; N]
    }
    #[inline(always)]
    fn splat_i8(self, x: i8) -> [i32; N] {
        [i32::from_le_bytes([x as u8; 4]); N]
    }
    #[inline(always)]
    unsafe fn load_int(self, p: *const u8) -> [i32; N] {
        // SAFETY: the caller promised 4 N readable bytes.
        ints(unsafe { p.cast::<[u8; 4 * N]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store_int(self, p: *mut u8, v: [i32; N]) {
        // SAFETY: the caller promised 4 N writable bytes.
        unsafe { p.cast::<[u8; 4 * N]>().write_unaligned(bytes(v)) }
    }
    #[inline(always)]
    unsafe fn load_128(self, p: *const u8) -> [i32; N] {
        let mut b = [0; 4 * N];
        // SAFETY: the caller promised 16 readable bytes.
        b[..16].copy_from_slice(&unsafe { p.cast::<[u8; 16]>().read_unaligned() });
        b.copy_within(..16, 16);
        ints(b)
    }
    #[inline(always)]
    unsafe fn load_lanes(self, p: [*const u8; 4]) -> [i32; N] {
        let mut b = [0; 4 * N];
        // SAFETY: the caller promised 16 readable bytes each.
        unsafe {
            b[..16].copy_from_slice(&p[0].cast::<[u8; 16]>().read_unaligned());
            b[16..].copy_from_slice(&p[1].cast::<[u8; 16]>().read_unaligned());
        }
        ints(b)
    }
    #[inline(always)]
    unsafe fn load_quads(self, p: [*const u8; 8]) -> [i32; N] {
        let mut b = [0; 4 * N];
        for i in 0..N / 2 {
            // SAFETY: the caller promised 8 readable bytes each.
            let x = unsafe { p[i].cast::<[u8; 8]>().read_unaligned() };
            b[8 * i..8 * i + 8].copy_from_slice(&x);
        }
        ints(b)
    }
    #[inline(always)]
    unsafe fn gather_i32(self, table: *const u8, idx: [i32; N]) -> [i32; N] {
        let mut out = [0; N];
        for (o, i) in out.iter_mut().zip(idx) {
            // SAFETY: the caller promised four readable bytes for every index.
            *o = unsafe { table.offset(4 * i as isize).cast::<i32>().read_unaligned() };
        }
        out
    }
    #[inline(always)]
    unsafe fn load_halves(self, lo: *const u8, _hi: *const u8) -> [i32; N] {
        // SAFETY: the caller's promise.
        unsafe { self.load_int(lo) }
    }
    #[inline(always)]
    fn spread<const EACH: usize>(self, table: [[f32; N]; 2], i: usize) -> [f32; N] {
        let mut out = [0.0; N];
        for (l, o) in out.iter_mut().enumerate() {
            let at = (i * N + l) / EACH;
            *o = table[at / N][at % N];
        }
        out
    }
    #[inline(always)]
    fn spread_two<const EACH: usize>(self, table: [[f32; N]; 2], i: usize) -> [f32; N] {
        let each = [0, 1].map(|k| self.spread::<EACH>(table, i + k));
        let mut out = each[0];
        for l in 0..N {
            out[l] = each[l % 4 / 2][l];
        }
        out
    }
    #[inline(always)]
    fn lookup16_f32(self, table: [[f32; N]; 2], idx: [i32; N]) -> [f32; N] {
        let mut out = [0.0; N];
        for (o, i) in out.iter_mut().zip(idx) {
            let at = i as usize % (2 * N);
            *o = table[at / N][at % N];
        }
        out
    }
    #[inline(always)]
    unsafe fn f16_at(self, p: *const u8) -> f32 {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<f16>().read_unaligned() }.to_f32()
    }
    #[inline(always)]
    unsafe fn gather_f16<const STRIDE: usize>(self, p: *const u8) -> [f32; N] {
        let mut out = [0.0; N];
        for (l, o) in out.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *o = unsafe { p.add(l * STRIDE).cast::<f16>().read_unaligned() }.to_f32();
        }
        out
    }
    #[inline(always)]
    unsafe fn gather_f16_pairs<const STRIDE: usize>(self, p: *const u8) -> [[f32; N]; 2] {
        // SAFETY: the caller's promise.
        unsafe {
            [
                self.gather_f16::<STRIDE>(p),
                self.gather_f16::<STRIDE>(p.add(2)),
            ]
        }
    }
    #[inline(always)]
    fn widen(self, lo: [f32; N]) -> [f32; N] {
        lo
    }
    #[inline(always)]
    fn sum_i32(self, a: [i32; N]) -> i32 {
        a.into_iter().fold(0, i32::wrapping_add)
    }
    #[inline(always)]
    fn shl_i32<const BITS: u32>(self, a: [i32; N]) -> [i32; N] {
        let mut out = a;
        for x in &mut out {
            *x <<= BITS;
        }
        out
    }
    #[inline(always)]
    fn shr_i32<const BITS: u32>(self, a: [i32; N]) -> [i32; N] {
        let mut out = a;
        for x in &mut out {
            *x = (*x as u32 >> BITS) as i32;
        }
        out
    }
    #[inline(always)]
    fn shl_i16<const BITS: u32>(self, a: [i32; N]) -> [i32; N] {
        let mask = (0xffffu32 << BITS) & 0xffff;
        let mut out = a;
        for x in &mut out {
            *x = (((*x as u32) << BITS) & (mask | mask << 16)) as i32;
        }
        out
    }
    #[inline(always)]
    fn shr_i16<const BITS: u32>(self, a: [i32; N]) -> [i32; N] {
        let mask = 0xffffu32 >> BITS;
        let mut out = a;
        for x in &mut out {
            *x = ((*x as u32 >> BITS) & (mask | mask << 16)) as i32;
        }
        out
    }
    #[inline(always)]
    fn lookup16(self, table: [i32; N], idx: [i32; N]) -> [i32; N] {
        let (table, idx) = (bytes(table), bytes(idx));
        let mut out = [0; 4 * N];
        for (i, o) in out.iter_mut().enumerate() {
            if idx[i] & 0x80 == 0 {
                *o = table[(i & 16) + (idx[i] & 15) as usize];
            }
        }
        ints(out)
    }
    #[inline(always)]
    fn pairs(self, u: [i32; N], a: [i32; N]) -> [i32; N] {
        let (u, a) = (bytes(u), bytes(a));
        let mut out = [0; N];
        for (i, o) in out.iter_mut().enumerate() {
            let pair = |i: usize| {
                let products = [0, 1].map(|j| i32::from(u[i + j]) * i32::from(a[i + j] as i8));
                i32::from((products[0] + products[1]) as u16)
            };
            *o = pair(4 * i) | pair(4 * i + 2) << 16;
        }
        out
    }
    #[inline(always)]
    fn add_pairs(self, acc: [i32; N], pairs: [i32; N]) -> [i32; N] {
        let mut out = acc;
        for (o, p) in out.iter_mut().zip(pairs) {
            *o += i32::from(p as i16) + (p >> 16);
        }
        out
    }
    #[inline(always)]
    fn add_i16(self, a: [i32; N], b: [i32; N]) -> [i32; N] {
        let mut out = a;
        for (o, b) in out.iter_mut().zip(b) {
            let low = (*o as u16).wrapping_add(b as u16);
            let high = ((*o >> 16) as u16).wrapping_add((b >> 16) as u16);
            *o = i32::from(low) | i32::from(high) << 16;
        }
        out
    }
    #[inline(always)]
    fn dot(self, acc: [i32; N], u: [i32; N], a: [i32; N]) -> [i32; N] {
        let (u, a) = (bytes(u), bytes(a));
        let mut out = acc;
        for i in 0..4 * N {
            out[i / 4] += i32::from(u[i]) * i32::from(a[i] as i8);
        }
        out
    }
    #[inline(always)]
    fn join(self, lo: [i32; N], _hi: [i32; N]) -> [i32; N] {
        lo
    }
    #[inline(always)]
    fn transpose8(self, m: [[i32; N]; 8]) -> [[i32; N]; 8] {
        let mut out = m;
        for (i, row) in m.iter().enumerate() {
            for (j, &x) in row.iter().enumerate() {
                out[j][i] = x;
            }
        }
        out
    }
}
