//! Vector instructions: the levels of CPUs we know, the trait [`Simd`] over which kernels are written once, and
//! [`kernels!`](crate::kernels), which compiles a kernel for every level and collects the results in one table per level.
//! No kernel lives here: matmul, attention, the operators and the encoders of tensor types have their own.
//!
//! A kernel is an `#[inline(always)]` function, generic over `S: Simd`, whose first argument is the *token* `s: S`.
//! Having a token proves that the CPU has the level's instructions; so arithmetic on vectors is safe, and only loads
//! and stores through pointers are not. Everything a kernel calls must be `#[inline(always)]` too (no closures, no `map`),
//! or it would be compiled without the vector instructions.
//!
//! ```
//! use ikrs::simd::Simd;
//!
//! ikrs::kernels! {
//!     /// Kernels on rows.
//!     pub struct Rows {
//!         /// Sum of the products of `n` pairs.
//!         fn dot(n: usize, a: *const f32, b: *const f32) -> f32 = dot_generic;
//!     }
//! }
//!
//! /// # Safety
//! /// `a` and `b` point to `n` values.
//! #[inline(always)]
//! unsafe fn dot_generic<S: Simd>(s: S, n: usize, a: *const f32, b: *const f32) -> f32 {
//!     let mut sum = s.zero();
//!     let mut i = 0;
//!     while i < n {
//!         let part = (n - i).min(S::N);
//!         // SAFETY: `part` values from `i` on are inside both rows.
//!         let (x, y) = unsafe { (s.load_part(a.add(i), part), s.load_part(b.add(i), part)) };
//!         sum = s.fma(x, y, sum);
//!         i += S::N;
//!     }
//!     s.sum(sum)
//! }
//!
//! let row = [1.0f32; 21];
//! // SAFETY: both rows have 21 values.
//! let d = unsafe { Rows::get().dot(21, row.as_ptr(), row.as_ptr()) };
//! assert_eq!(d, 21.0);
//! ```

pub mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod element;
mod scalar;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use half::{bf16, f16};

#[cfg(target_arch = "x86_64")]
pub use avx2::Ymm;
#[cfg(target_arch = "x86_64")]
pub use avx512::Zmm;
pub use element::Element;
pub use scalar::Scalar;

/// What instructions a kernel is compiled for, the faster later. Each level includes the ones before it, but for
/// [`Level::AvxVnni`]: the first CPUs with AVX-512 VNNI have no AVX-VNNI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Plain Rust, for any CPU.
    Scalar = 0,
    /// AVX2, FMA, F16C: 256 bits.
    X86_64V3 = 1,
    /// 256 bits with AVX-VNNI, as in CPUs of laptops and desktops without AVX-512.
    AvxVnni = 2,
    /// AVX-512 F, BW, DQ, VL: 512 bits.
    Avx512 = 3,
    /// AVX-512 with VNNI and VBMI.
    Avx512Vnni = 4,
    /// The same, and products of tiles of bf16: [`amx`].
    Amx = 5,
}

impl Level {
    pub const ALL: [Level; 6] = [
        Level::Scalar,
        Level::X86_64V3,
        Level::AvxVnni,
        Level::Avx512,
        Level::Avx512Vnni,
        Level::Amx,
    ];

    /// The name that `IKRS_CPU` takes.
    pub fn name(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::X86_64V3 => "x86_64_v3",
            Level::AvxVnni => "avx_vnni",
            Level::Avx512 => "avx512",
            Level::Avx512Vnni => "avx512_vnni",
            Level::Amx => "amx",
        }
    }

    /// f32 values per vector, see [`Simd::N`].
    pub fn lanes(self) -> usize {
        match self {
            Level::Scalar | Level::X86_64V3 | Level::AvxVnni => 8,
            Level::Avx512 | Level::Avx512Vnni | Level::Amx => 16,
        }
    }

    /// Whether [`Simd::dot`] is one instruction.
    pub const fn vnni(self) -> bool {
        matches!(self, Level::AvxVnni | Level::Avx512Vnni | Level::Amx)
    }

    /// Whether this CPU has the level's instructions.
    pub fn supported(self) -> bool {
        detected() >> self as u32 & 1 == 1
    }

    /// This level if the CPU has it, otherwise the highest that the CPU has.
    #[inline]
    pub fn or_supported(self) -> Level {
        if self.supported() { self } else { supported() }
    }
}

/// The highest level this CPU has.
pub fn supported() -> Level {
    let of_cpu = Level::ALL.into_iter().rev().find(|l| l.supported());
    of_cpu.unwrap_or(Level::Scalar)
}

/// The levels this CPU has: a bit each.
#[inline]
fn detected() -> u32 {
    static LEVELS: OnceLock<u32> = OnceLock::new();
    *LEVELS.get_or_init(detect)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> u32 {
    macro_rules! has {
        ($($f:tt),+) => { $(std::is_x86_feature_detected!($f))&&+ };
    }
    let v3 = has!(
        "avx", "avx2", "fma", "f16c", "bmi1", "bmi2", "lzcnt", "popcnt"
    );
    let avx512 = v3 && has!("avx512f", "avx512bw", "avx512dq", "avx512vl");
    let vnni = avx512 && has!("avx512vnni", "avx512vbmi");
    [
        (Level::Scalar, true),
        (Level::X86_64V3, v3),
        (Level::AvxVnni, v3 && has!("avxvnni")),
        (Level::Avx512, avx512),
        (Level::Avx512Vnni, vnni),
        (Level::Amx, vnni && has!("avx512bf16") && amx::usable()),
    ]
    .iter()
    .fold(0, |bits, (level, has)| {
        bits | u32::from(*has) << *level as u32
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> u32 {
    1 << Level::Scalar as u32
}

/// The level in use: the CPU's, or a lower one that the environment variable `IKRS_CPU` names. Chosen once.
pub fn level() -> Level {
    #[cfg(test)]
    if let Some(level) = FORCED.get() {
        return level;
    }
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let Some(name) = std::env::var_os("IKRS_CPU") else {
            return supported();
        };
        match Level::ALL.into_iter().find(|l| name == l.name()) {
            Some(l) if l.supported() => l,
            Some(l) => {
                crate::log_warn!("IKRS_CPU={}: not on this CPU", l.name());
                supported()
            }
            None => {
                crate::log_warn!(
                    "IKRS_CPU={}: unknown, not one of {}",
                    name.to_string_lossy(),
                    Level::ALL.map(Level::name).join(", ")
                );
                supported()
            }
        }
    })
}

#[cfg(test)]
thread_local! {
    static FORCED: std::cell::Cell<Option<Level>> = const { std::cell::Cell::new(None) };
}
/// The CPU passes for another maker's.
#[cfg(test)]
static DISGUISED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Calls `f` on each level of this CPU, which is in use on this thread meanwhile.
#[cfg(test)]
pub fn at_all_levels(mut f: impl FnMut(Level)) {
    for level in Level::ALL.into_iter().filter(|level| level.supported()) {
        FORCED.set(Some(level));
        f(level);
    }
    FORCED.set(None);
}

/// Calls `f`, to which the CPU passes for another maker's, as to whatever runs meanwhile: only products of bf16 may depend on it (see
/// [`multiplies_bf16_in_pairs`]).
#[cfg(test)]
pub fn disguised(f: impl FnOnce()) {
    use std::sync::atomic::Ordering::Relaxed;
    DISGUISED.store(true, Relaxed);
    f();
    DISGUISED.store(false, Relaxed);
}

/// Vectors of one level. The value is a token: it can only be made (unsafely) where the instructions are known to be there.
///
/// `F` holds `N` f32; `I` is as wide and holds `N` i32, `2N` 16-bit or `4N` 8-bit integers, as the operation says.
/// Operations on 128-bit lanes are named so. Every operation gives the same bits at every level, except that `fma` may be
/// two roundings at the scalar level, and that `sum` adds in an order that depends on `N`.
pub trait Simd: Copy + Send + Sync + 'static {
    /// f32 values per vector: 8 or 16.
    const N: usize;
    /// 256-bit halves per vector: 1 or 2.
    const HALVES: usize = Self::N / 8;
    /// Whether [`Simd::dot`] is one instruction.
    const VNNI: bool;
    /// Whether [`Simd::lookup64`] is one instruction and [`Simd::lookup256`] a few: AVX-512 VBMI.
    const BYTE_TABLES: bool;
    /// Whether [`Simd::deposit`] is one fast instruction: it is not on all CPUs that have it.
    const DEPOSITS: bool;
    /// Whether [`Simd::fma`] rounds once.
    const FUSED: bool;

    type F: Copy;
    type I: Copy;
    /// One truth value per f32 lane.
    type M: Copy;
    /// The same instructions on 256 bits.
    type Half: Simd<Half = Self::Half>;

    fn half(self) -> Self::Half;

    // f32

    fn splat(self, x: f32) -> Self::F;
    /// # Safety
    /// `p` points to `N` readable values, at any alignment.
    unsafe fn load(self, p: *const f32) -> Self::F;
    /// The first `n.min(N)` values, then zeros.
    /// # Safety
    /// `p` points to `n.min(N)` readable values.
    unsafe fn load_part(self, p: *const f32, n: usize) -> Self::F;
    /// # Safety
    /// `p` points to `N` writable values, at any alignment.
    unsafe fn store(self, p: *mut f32, v: Self::F);
    /// Stores the first `n.min(N)` values.
    /// # Safety
    /// `p` points to `n.min(N)` writable values.
    unsafe fn store_part(self, p: *mut f32, v: Self::F, n: usize);
    /// # Safety
    /// `p` points to `N` readable values.
    unsafe fn load_f16(self, p: *const f16) -> Self::F;
    /// Rounds to nearest even.
    /// # Safety
    /// `p` points to `N` writable values.
    unsafe fn store_f16(self, p: *mut f16, v: Self::F);
    /// # Safety
    /// `p` points to `N` readable values.
    unsafe fn load_bf16(self, p: *const bf16) -> Self::F;
    /// Rounds to nearest even; a NaN stays one.
    /// # Safety
    /// `p` points to `N` writable values.
    unsafe fn store_bf16(self, p: *mut bf16, v: Self::F);

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a * b + c`, rounded once at every level: where bits must be the same.
    #[inline(always)]
    fn fused(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        self.fma(a, b, c)
    }
    /// `c - a * b`
    fn fnma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The greater; `b` if either is a NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The lesser; `b` if either is a NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn sqrt(self, a: Self::F) -> Self::F;
    /// To the nearest integer, ties to even.
    fn round(self, a: Self::F) -> Self::F;
    fn sum(self, a: Self::F) -> f32;
    fn max_of(self, a: Self::F) -> f32;
    /// `a < b`; false for NaN.
    fn lt(self, a: Self::F, b: Self::F) -> Self::M;
    /// A bit per lane, from the lowest on.
    fn bits_of(self, m: Self::M) -> u32;
    /// `m ? a : b`
    fn select(self, m: Self::M, a: Self::F, b: Self::F) -> Self::F;

    // i32

    fn splat_i32(self, x: i32) -> Self::I;
    fn splat_i8(self, x: i8) -> Self::I;
    /// # Safety
    /// `p` points to `4 N` readable bytes, at any alignment.
    unsafe fn load_int(self, p: *const u8) -> Self::I;
    /// # Safety
    /// `p` points to `4 N` writable bytes, at any alignment.
    unsafe fn store_int(self, p: *mut u8, v: Self::I);
    /// The same 16 bytes in every 128-bit lane.
    /// # Safety
    /// `p` points to 16 readable bytes.
    unsafe fn load_128(self, p: *const u8) -> Self::I;
    /// 16 bytes from each pointer, one per 128-bit lane; pointers beyond the vector's lanes are not read.
    /// # Safety
    /// Each of the first `2 HALVES` pointers points to 16 readable bytes.
    unsafe fn load_lanes(self, p: [*const u8; 4]) -> Self::I;
    /// 32 bytes from each pointer, one per half; `hi` is not read if there is only one half.
    /// # Safety
    /// Each of the first `HALVES` pointers points to 32 readable bytes.
    unsafe fn load_halves(self, lo: *const u8, hi: *const u8) -> Self::I;
    /// 8 bytes from each pointer, one per 64-bit lane; pointers beyond the vector's lanes are not read.
    /// # Safety
    /// Each of the first `4 HALVES` pointers points to 8 readable bytes.
    unsafe fn load_quads(self, p: [*const u8; 8]) -> Self::I;
    /// As [`Simd::load_quads`], the first `4 HALVES` of these entries of a table of eight-byte entries; for numbers in scalar
    /// registers.
    /// # Safety
    /// The table has them.
    #[inline(always)]
    unsafe fn quads_at(self, table: *const u8, numbers: [u32; 8]) -> Self::I {
        let mut at = [table; 8];
        for l in 0..4 * Self::HALVES {
            at[l] = table.wrapping_add(8 * numbers[l] as usize);
        }
        // SAFETY: the caller's promise.
        unsafe { self.load_quads(at) }
    }
    /// Four bytes from `table + 4 idx` for each 32-bit lane of `idx`.
    /// # Safety
    /// There are four readable bytes for every index.
    unsafe fn gather_i32(self, table: *const u8, idx: Self::I) -> Self::I;
    /// As [`Simd::gather_i32`], by one load each; for `N` numbers in memory.
    /// # Safety
    /// The numbers are there, and the entries.
    #[inline(always)]
    unsafe fn words_at<T: Copy + Into<usize>>(
        self,
        table: *const u8,
        numbers: *const T,
    ) -> Self::I {
        let mut words = [0u32; 16];
        for (l, word) in words[..Self::N].iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *word = unsafe {
                let number: usize = numbers.add(l).read().into();
                table.cast::<u32>().add(number).read_unaligned()
            };
        }
        // SAFETY: a vector has no more than 64 bytes.
        unsafe { self.load_int(words.as_ptr().cast()) }
    }
    /// `N` bytes, each extended with its sign to 32 bits.
    /// # Safety
    /// `p` points to `N` readable bytes.
    unsafe fn load_i8(self, p: *const i8) -> Self::I;
    /// `N` bytes, each extended with zeros to 32 bits.
    /// # Safety
    /// `p` points to `N` readable bytes.
    unsafe fn load_u8(self, p: *const u8) -> Self::I;
    /// Stores each 32-bit value as a byte, saturating to -128..=127.
    /// # Safety
    /// `p` points to `N` writable bytes.
    unsafe fn store_i8(self, p: *mut i8, v: Self::I);

    fn add_i32(self, a: Self::I, b: Self::I) -> Self::I;
    fn sub_i32(self, a: Self::I, b: Self::I) -> Self::I;
    fn mul_i32(self, a: Self::I, b: Self::I) -> Self::I;
    fn sum_i32(self, a: Self::I) -> i32;
    fn shl_i32<const BITS: u32>(self, a: Self::I) -> Self::I;
    /// Shifts zeros in.
    fn shr_i32<const BITS: u32>(self, a: Self::I) -> Self::I;
    /// Shifts each value left by its own count, 0..32.
    fn shlv_i32(self, a: Self::I, counts: Self::I) -> Self::I;
    /// Shifts each value right by its own count, 0..32; zeros come in.
    fn shrv_i32(self, a: Self::I, counts: Self::I) -> Self::I;
    /// Shifts 16-bit values left.
    fn shl_i16<const BITS: u32>(self, a: Self::I) -> Self::I;
    /// Shifts 16-bit values right, zeros come in.
    fn shr_i16<const BITS: u32>(self, a: Self::I) -> Self::I;
    fn and(self, a: Self::I, b: Self::I) -> Self::I;
    fn or(self, a: Self::I, b: Self::I) -> Self::I;
    fn xor(self, a: Self::I, b: Self::I) -> Self::I;
    fn add_i8(self, a: Self::I, b: Self::I) -> Self::I;
    fn sub_i8(self, a: Self::I, b: Self::I) -> Self::I;
    fn add_i16(self, a: Self::I, b: Self::I) -> Self::I;
    /// All ones in the bytes that are equal, zeros in the others.
    fn eq_i8(self, a: Self::I, b: Self::I) -> Self::I;
    fn abs_i8(self, a: Self::I) -> Self::I;
    /// `a` in the bytes where `mask` has its top bit set, `b` in the others.
    fn select_i8(self, mask: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// `a` in the 64-bit lanes whose bit (counted from the lowest) is set, `b` in the others.
    fn select_i64(self, bits: u32, a: Self::I, b: Self::I) -> Self::I;
    /// All ones in the bytes whose bit (counted from the lowest) is set, zeros in the others.
    fn mask_of_bits(self, bits: u64) -> Self::I;
    /// Negates the bytes whose bit (counted from the lowest) is set.
    fn negate_by_bits(self, a: Self::I, bits: u64) -> Self::I;
    /// Negates the bytes in which `bits` has the single bit that `of` has.
    fn negate_where(self, a: Self::I, bits: Self::I, of: Self::I) -> Self::I;
    /// The top bits of the bytes, the first lowest.
    fn top_bits_i8(self, a: Self::I) -> u64;
    /// The top bits of the 16-bit values, the first lowest.
    fn top_bits_i16(self, a: Self::I) -> u32;
    /// The 16-bit values of `a`, then of `b`, as bytes; they must be 0..=255.
    fn narrow_i16(self, a: Self::I, b: Self::I) -> Self::I;
    /// In each 128-bit lane: the four 32-bit values of `a`, then those of `b`, as 16-bit ones, the nearest that there are.
    fn pack_i32(self, a: Self::I, b: Self::I) -> Self::I;
    /// The 32-bit values of `a` and then `b` with even numbers, and those with odd numbers.
    fn unzip_i32(self, a: Self::I, b: Self::I) -> (Self::I, Self::I);
    /// Deals the 32-bit values out to the 128-bit lanes in turn.
    fn deal_i32(self, a: Self::I) -> Self::I;
    /// Bytes of `a` and `b` in turn: the first half of them, and the second.
    fn zip_i8(self, a: Self::I, b: Self::I) -> (Self::I, Self::I);
    /// Signed bytes times `up`, which gives signed bytes, times the 16-bit fractions `by` (of 32768), rounded. Fractions are the
    /// same in all of a 128-bit lane.
    fn scale_i8(self, a: Self::I, up: i16, by: Self::I) -> Self::I;
    /// Lanes 1, 0, 3, 2 and so on.
    fn swap_neighbours(self, a: Self::F) -> Self::F;
    /// The lower halves of `a` and `b`, or `a` where there is only one half.
    fn join_lower(self, a: Self::I, b: Self::I) -> Self::I;
    /// Pairs of bits: byte `8 j + l` of the result has bits `2 (l % 4)` and up of a byte as its lowest two, and anything above
    /// them. That byte is number `N i / 2 + j` of `a`'s lower half if `l` is less than 4, else of its upper half.
    /// Slow unless [`Simd::BYTE_TABLES`].
    #[inline(always)]
    fn pairs_of_halves(self, a: Self::I, i: usize) -> Self::I {
        pairs_of_halves(self, a, i)
    }
    /// Nibbles of the lower or the upper half of the 32-bit lanes: byte `8 j + l` of the result has nibble `l` of lane `j` as its lowest,
    /// and anything above. Slow unless [`Simd::BYTE_TABLES`].
    #[inline(always)]
    fn nibbles_of_words(self, a: Self::I, upper: bool) -> Self::I {
        nibbles_of_words(self, a, upper)
    }
    /// The word at `p` in the first eight lanes, the one after it in the next eight: over one vector (twice) or two.
    /// # Safety
    /// `p` points to 8 readable bytes.
    unsafe fn two_words(self, p: *const u8) -> [Self::I; 2];
    /// `a` in the lanes whose bit (counted from bit `first`) is set, `b` in the others.
    fn select_by_bits(self, bits: u32, first: usize, a: Self::F, b: Self::F) -> Self::F;
    /// The f16 value at `p`, in all lanes.
    /// # Safety
    /// `p` points to 2 readable bytes, at any alignment.
    unsafe fn splat_f16(self, p: *const u8) -> Self::F;
    /// The f16 value at `p` in all lanes, and the one after it.
    /// # Safety
    /// `p` points to 4 readable bytes, at any alignment.
    unsafe fn splat_two_f16(self, p: *const u8) -> [Self::F; 2];
    /// In each 128-bit lane: the first bytes of the four, then the second ones, and so on; over four vectors.
    fn zip4_i8(self, a: [Self::I; 4]) -> [Self::I; 4];
    /// In each 128-bit lane: byte `i` of the result is byte `idx[i] & 15` of `table`'s lane; 0 where `idx[i]` has its top bit set.
    fn lookup16(self, table: Self::I, idx: Self::I) -> Self::I;

    /// Adds to each i32 of `acc` the four products of its unsigned bytes in `u` and signed bytes in `a`.
    /// Without [`Simd::VNNI`] each two products must fit into 16 bits together.
    fn dot(self, acc: Self::I, u: Self::I, a: Self::I) -> Self::I;
    /// Adds the [`Simd::dot`]s of four vectors of unsigned bytes from each of two places and as many words for each of eight columns: word
    /// `j` of column `c` is number `8 j + c`.
    ///
    /// # Safety
    /// The level has [`Simd::VNNI`]; there are as many vectors and words to read.
    #[inline(always)]
    unsafe fn dots_2x8(
        self,
        mut acc: [[Self::I; 8]; 2],
        u: [*const u8; 2],
        words: *const i32,
    ) -> [[Self::I; 8]; 2] {
        for (acc, &u) in acc.iter_mut().zip(&u) {
            for j in 0..4 {
                // SAFETY: the caller's promise.
                let u = unsafe { self.load_int(u.add(4 * Self::N * j)) };
                for (c, acc) in acc.iter_mut().enumerate() {
                    // SAFETY: the caller's promise.
                    let word = unsafe { words.add(8 * j + c).read() };
                    *acc = self.dot(*acc, u, self.splat_i32(word));
                }
            }
        }
        acc
    }
    /// The 16-bit sums of the products of two unsigned bytes in `u` and two signed bytes in `a`, which must fit.
    fn pairs(self, u: Self::I, a: Self::I) -> Self::I;
    /// Adds to each i32 of `acc` the two 16-bit values of `pairs`.
    fn add_pairs(self, acc: Self::I, pairs: Self::I) -> Self::I;

    /// Bit pattern of the floats.
    fn cast_i(self, a: Self::F) -> Self::I;
    /// Floats of these bit patterns.
    fn cast_f(self, a: Self::I) -> Self::F;
    /// To the nearest integer, ties to even; values must fit.
    fn to_i32(self, a: Self::F) -> Self::I;
    fn to_f32(self, a: Self::I) -> Self::F;

    /// The lowest bits of `x`, one for each bit of the mask, at the places of those. Slow unless [`Simd::DEPOSITS`].
    #[inline(always)]
    fn deposit(self, mut x: u64, mask: u64) -> u64 {
        let (mut out, mut left) = (0, mask);
        while left != 0 {
            let lowest = left & left.wrapping_neg();
            if x & 1 == 1 {
                out |= lowest;
            }
            (left, x) = (left ^ lowest, x >> 1);
        }
        out
    }

    /// Vector `i` of the sequence in which each value of a table is repeated `EACH` times: lane `l` is
    /// `table[(i N + l) / EACH]`. The table is 16 values in one or two vectors; `EACH` is 4 or 8.
    fn spread<const EACH: usize>(self, table: [Self::F; 2], i: usize) -> Self::F;
    /// Of [`Simd::spread`], vectors `i` and `i + 1` (`i` is even), as far as the values differ: in each 128-bit lane, the first one's value twice, then the
    /// second one's twice.
    fn spread_two<const EACH: usize>(self, table: [Self::F; 2], i: usize) -> Self::F;
    /// Lane `l` is value `idx[l] & 15` of a table of 16 values in one or two vectors.
    fn lookup16_f32(self, table: [Self::F; 2], idx: Self::I) -> Self::F;
    /// The f16 value at `p`.
    /// # Safety
    /// `p` points to 2 readable bytes, at any alignment.
    unsafe fn f16_at(self, p: *const u8) -> f32;
    /// Eight f16 values that lie `STRIDE` bytes apart, in the first eight lanes; zeros in the others.
    /// # Safety
    /// `p` points to eight times `STRIDE` readable bytes (less what is in front of the value in its stride).
    unsafe fn gather_f16<const STRIDE: usize>(self, p: *const u8) -> Self::F;
    /// The same for pairs of neighbours: the first ones, and the second ones.
    /// # Safety
    /// `p` points to eight times `STRIDE` readable bytes (less what is in front of the pair in its stride).
    unsafe fn gather_f16_pairs<const STRIDE: usize>(self, p: *const u8) -> [Self::F; 2];
    /// Eight bytes that lie `STRIDE` bytes apart, extended with zeros to 32 bits.
    /// # Safety
    /// `p` points to eight times `STRIDE` readable bytes (less what is in front of the byte in its stride).
    #[inline(always)]
    unsafe fn gather_u8<const STRIDE: usize>(self, p: *const u8) -> <Self::Half as Simd>::I {
        let mut bytes = 0u64;
        for i in 0..8 {
            // SAFETY: the caller's promise.
            bytes |= u64::from(unsafe { p.add(STRIDE * i).read() }) << (8 * i);
        }
        // SAFETY: a word has eight bytes.
        unsafe { self.half().load_u8((&raw const bytes).cast()) }
    }
    /// `lo` extended with zeros.
    fn widen(self, lo: <Self::Half as Simd>::F) -> Self::F;
    /// `lo`, followed by `hi` if a vector has two halves.
    fn join(self, lo: <Self::Half as Simd>::I, hi: <Self::Half as Simd>::I) -> Self::I;
    /// In each 256-bit half: takes the eight vectors as the rows of an 8 x 8 matrix of i32 and transposes it.
    fn transpose8(self, m: [Self::I; 8]) -> [Self::I; 8];
    /// Eight words of each of `N` rows that are `stride` bytes apart: vector `j` has their `j`-th ones.
    /// # Safety
    /// At each row are 32 readable bytes.
    #[inline(always)]
    unsafe fn load_transposed(self, rows: *const u8, stride: usize) -> [Self::I; 8] {
        let mut m = [self.splat_i32(0); 8];
        for (r, m) in m.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *m = unsafe {
                self.load_halves(rows.add(stride * r), rows.add(stride * ((r + 8) % Self::N)))
            };
        }
        self.transpose8(m)
    }

    /// Byte `i` of the result is `table[idx[i]]`; indices must be less than 32.
    #[inline(always)]
    fn lookup32(self, table: &'static [i8; 32], idx: Self::I) -> Self::I {
        let p = table.as_ptr().cast::<u8>();
        // SAFETY: the table has twice 16 bytes.
        let (lo, hi) = unsafe { (self.load_128(p), self.load_128(p.add(16))) };
        let second = self.shl_i16::<3>(idx);
        self.select_i8(second, self.lookup16(hi, idx), self.lookup16(lo, idx))
    }
    /// Byte `i` of the result is `table[idx[i]]`; indices must be less than 64.
    #[inline(always)]
    fn lookup64(self, table: &'static [i8; 64], idx: Self::I) -> Self::I {
        let [lo, hi] = bytemuck::cast_ref::<_, [[i8; 32]; 2]>(table);
        let upper = self.shl_i16::<2>(idx);
        self.select_i8(upper, self.lookup32(hi, idx), self.lookup32(lo, idx))
    }
    /// Byte `i` of the result is `table[idx[i]]`. Slow unless [`Simd::BYTE_TABLES`].
    #[inline(always)]
    fn lookup256(self, table: &'static [u8; 256], idx: Self::I) -> Self::I {
        let mut bytes = [0u8; 64];
        // SAFETY: a vector has no more than 64 bytes.
        unsafe {
            self.store_int(bytes.as_mut_ptr(), idx);
            for b in &mut bytes {
                *b = table[usize::from(*b)];
            }
            self.load_int(bytes.as_ptr())
        }
    }

    // built from the above

    #[inline(always)]
    fn zero(self) -> Self::F {
        self.splat(0.0)
    }
    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        self.cast_f(self.and(self.cast_i(a), self.splat_i32(i32::MAX)))
    }
    #[inline(always)]
    fn neg(self, a: Self::F) -> Self::F {
        self.cast_f(self.xor(self.cast_i(a), self.splat_i32(i32::MIN)))
    }
    /// The first `n.min(N)` values, then zeros.
    /// # Safety
    /// `p` points to `n.min(N)` readable values.
    #[inline(always)]
    unsafe fn load_f16_part(self, p: *const f16, n: usize) -> Self::F {
        let mut buf = [f16::ZERO; 16];
        // SAFETY: the caller's promise; the buffer has at least N values.
        unsafe {
            std::ptr::copy_nonoverlapping(p, buf.as_mut_ptr(), n.min(Self::N));
            self.load_f16(buf.as_ptr())
        }
    }
    /// Stores the first `n.min(N)` values.
    /// # Safety
    /// `p` points to `n.min(N)` writable values.
    #[inline(always)]
    unsafe fn store_f16_part(self, p: *mut f16, v: Self::F, n: usize) {
        let mut buf = [f16::ZERO; 16];
        // SAFETY: the caller's promise; the buffer has at least N values.
        unsafe {
            self.store_f16(buf.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(buf.as_ptr(), p, n.min(Self::N));
        }
    }
    /// The first `n.min(N)` values, then zeros.
    /// # Safety
    /// `p` points to `n.min(N)` readable values.
    #[inline(always)]
    unsafe fn load_bf16_part(self, p: *const bf16, n: usize) -> Self::F {
        let mut buf = [bf16::ZERO; 16];
        // SAFETY: the caller's promise; the buffer has at least N values.
        unsafe {
            std::ptr::copy_nonoverlapping(p, buf.as_mut_ptr(), n.min(Self::N));
            self.load_bf16(buf.as_ptr())
        }
    }
    /// Stores the first `n.min(N)` values.
    /// # Safety
    /// `p` points to `n.min(N)` writable values.
    #[inline(always)]
    unsafe fn store_bf16_part(self, p: *mut bf16, v: Self::F, n: usize) {
        let mut buf = [bf16::ZERO; 16];
        // SAFETY: the caller's promise; the buffer has at least N values.
        unsafe {
            self.store_bf16(buf.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(buf.as_ptr(), p, n.min(Self::N));
        }
    }

    /// Values `at..at + N` of an array. Panics if there are less.
    #[inline(always)]
    fn load_at(self, x: &[f32], at: usize) -> Self::F {
        let x = &x[at..at + Self::N];
        // SAFETY: the slice has N values.
        unsafe { self.load(x.as_ptr()) }
    }
    /// Bytes `at..at + N` of an array as floats. Panics if there are less.
    #[inline(always)]
    fn load_i8_at(self, x: &[i8], at: usize) -> Self::F {
        self.to_f32(self.load_i8_int_at(x, at))
    }
    /// Bytes `at..at + N` of an array, extended to 32 bits. Panics if there are less.
    #[inline(always)]
    fn load_i8_int_at(self, x: &[i8], at: usize) -> Self::I {
        let x = &x[at..at + Self::N];
        // SAFETY: the slice has N values.
        unsafe { self.load_i8(x.as_ptr()) }
    }
    /// Stores 32-bit values as bytes `at..at + N` of an array, saturating to -128..=127. Panics if there are less.
    #[inline(always)]
    fn store_i8_at(self, x: &mut [i8], at: usize, v: Self::I) {
        let x = &mut x[at..at + Self::N];
        // SAFETY: the slice has N bytes.
        unsafe { self.store_i8(x.as_mut_ptr(), v) }
    }
    /// Stores at values `at..at + N` of an array. Panics if there are less.
    #[inline(always)]
    fn store_at(self, x: &mut [f32], at: usize, v: Self::F) {
        let x = &mut x[at..at + Self::N];
        // SAFETY: the slice has N values.
        unsafe { self.store(x.as_mut_ptr(), v) }
    }
    /// `m ? a : b`
    #[inline(always)]
    fn select_i32(self, m: Self::M, a: Self::I, b: Self::I) -> Self::I {
        self.cast_i(self.select(m, self.cast_f(a), self.cast_f(b)))
    }

    /// e^x to about 1 ulp: 0 below -104, infinity above 88.8, NaN stays.
    #[inline(always)]
    fn exp(self, x: Self::F) -> Self::F {
        let x = self.max(self.splat(-104.0), self.min(self.splat(89.0), x));
        let n = self.round(self.mul(x, self.splat(std::f32::consts::LOG2_E)));
        // ln 2 in two parts, the first exact when multiplied by n (Cody and Waite).
        let r = self.fnma(n, self.splat(0.693_359_4), x);
        let r = self.fnma(n, self.splat(-2.121_944_4e-4), r);
        // Minimax polynomial of e^r on +-ln2/2 (Cephes expf).
        let mut p = self.splat(1.987_569_1e-4);
        p = self.fma(p, r, self.splat(1.398_2e-3));
        p = self.fma(p, r, self.splat(8.333_452e-3));
        p = self.fma(p, r, self.splat(4.166_579_6e-2));
        p = self.fma(p, r, self.splat(1.666_666_5e-1));
        p = self.fma(p, r, self.splat(5.0e-1));
        let p = self.add(self.fma(p, self.mul(r, r), r), self.splat(1.0));
        self.scale_2n(p, n)
    }

    /// `x 2^n`, for whole `n` of -252..=254.
    #[inline(always)]
    fn scale_2n(self, x: Self::F, n: Self::F) -> Self::F {
        // In two factors, since n may lie outside the exponents of normal numbers.
        let n = self.to_i32(n);
        let bias = self.splat_i32(127 << 1);
        let low = self.shr_i32::<1>(self.add_i32(n, bias));
        let high = self.sub_i32(self.add_i32(n, bias), low);
        let x = self.mul(x, self.cast_f(self.shl_i32::<23>(low)));
        self.mul(x, self.cast_f(self.shl_i32::<23>(high)))
    }
}

/// Safe code over vectors, see [`dispatch`].
pub trait Task {
    type Output;
    /// `#[inline(always)]`, as everything it calls.
    fn run<S: Simd>(self, s: S) -> Self::Output;
}

/// A cache of one core.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    First,
    Second,
}

/// Starts to bring `bytes` from `at` on into a cache, by lines. Any address is allowed.
#[inline(always)]
pub fn prefetch(at: *const u8, bytes: usize, cache: Cache) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..bytes.div_ceil(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        let line = at.wrapping_add(64 * line).cast();
        // SAFETY: a prefetch of any address is allowed; every x86-64 CPU has it.
        unsafe {
            match cache {
                Cache::First => _mm_prefetch::<_MM_HINT_T0>(line),
                Cache::Second => _mm_prefetch::<_MM_HINT_T1>(line),
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (at, bytes, cache);
}

/// Starts to bring the lines of `bytes` from `at` on into the first cache, and away from other cores', since they are about to be
/// written. Any address is allowed.
#[inline(always)]
pub fn prefetch_to_write(at: *const u8, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..=bytes.div_ceil(64) {
        let line = at.wrapping_add((64 * line).min(bytes.saturating_sub(1)));
        // SAFETY: a prefetch of any address is allowed; 64-bit CPUs without this one do nothing. (The intrinsic becomes one to read.)
        unsafe {
            std::arch::asm!("prefetchw [{}]", in(reg) line, options(readonly, nostack, preserves_flags));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (at, bytes);
}

/// Whether memory that is read once, in order, comes sooner in two steps, and only a little ahead: Intel's cores have few places for
/// lines on their way to the first cache and more for those to the second. AMD's have enough of the first.
pub fn fetches_in_two_steps() -> bool {
    is_intel()
}

/// Whether [`Simd::gather_i32`] takes no longer than as many loads. AMD's cores do it in many steps.
#[inline(always)]
pub fn gathers_fast() -> bool {
    is_intel()
}

/// Whether the CPU multiplies pairs of bf16 (AVX512-BF16) as quickly as single f32. Intel's cores begin that only every second cycle.
#[inline(always)]
pub fn multiplies_bf16_in_pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = std::is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    let has = false;
    has && !is_intel()
}

/// Bytes of the cache that each core has behind its first; a guess if the CPU does not say.
pub fn second_cache() -> usize {
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::__cpuid;
            const LEAF: u32 = 0x8000_0006;
            // In KiB.
            if __cpuid(0x8000_0000).eax >= LEAF
                && let size @ 1.. = __cpuid(LEAF).ecx >> 16
            {
                return (size as usize) << 10;
            }
        }
        1 << 20
    })
}

/// Levels say what a CPU has; this, what it is good at.
#[inline(always)]
fn is_intel() -> bool {
    static INTEL: OnceLock<bool> = OnceLock::new();
    let intel = *INTEL.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        {
            let id = std::arch::x86_64::__cpuid(0);
            [id.ebx, id.edx, id.ecx]
                .map(u32::to_le_bytes)
                .as_flattened()
                == b"GenuineIntel"
        }
        #[cfg(not(target_arch = "x86_64"))]
        false
    });
    #[cfg(test)]
    let intel = intel != DISGUISED.load(std::sync::atomic::Ordering::Relaxed);
    intel
}

/// Runs a task compiled for the level in use.
pub fn dispatch<T: Task>(task: T) -> T::Output {
    match level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the level.
        Level::X86_64V3 | Level::AvxVnni => unsafe { avx2::run_task(task) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the level.
        Level::Avx512 | Level::Avx512Vnni | Level::Amx => unsafe { avx512::run_task(task) },
        // SAFETY: any CPU has this level.
        _ => task.run(unsafe { Scalar::new() }),
    }
}

/// Byte by byte: `place` says for each which byte of `a` it is and by how many bits that is shifted right.
#[inline(always)]
fn bytes_of<S: Simd>(s: S, a: S::I, place: impl Fn(usize) -> (usize, usize)) -> S::I {
    let (mut bytes, mut out) = ([0u8; 64], [0u8; 64]);
    // SAFETY: a vector has no more than 64 bytes.
    unsafe {
        s.store_int(bytes.as_mut_ptr(), a);
        for (b, o) in out[..4 * S::N].iter_mut().enumerate() {
            let (from, shift) = place(b);
            *o = bytes[from % 64] >> shift;
        }
        s.load_int(out.as_ptr())
    }
}

/// [`Simd::pairs_of_halves`] byte by byte.
#[inline(always)]
fn pairs_of_halves<S: Simd>(s: S, a: S::I, i: usize) -> S::I {
    bytes_of(s, a, |b| {
        let from = S::N / 2 * i + b / 8 + 2 * S::N * (b % 8 / 4);
        (from, 2 * (b % 4))
    })
}

/// [`Simd::nibbles_of_words`] byte by byte.
#[inline(always)]
fn nibbles_of_words<S: Simd>(s: S, a: S::I, upper: bool) -> S::I {
    let first = if upper { 2 * S::N } else { 0 };
    bytes_of(s, a, |b| (first + b / 2, 4 * (b % 2)))
}

/// A kernel as a type, for tables that are themselves generic; otherwise [`kernels!`](crate::kernels) is simpler.
pub trait Kernel: 'static {
    type Args: Copy;

    /// # Safety
    /// What the kernel says of its arguments.
    unsafe fn run<S: Simd>(s: S, args: Self::Args);
}

/// Has the frame of the function that this becomes part of begin at a multiple of 64 bytes. Vectors that a kernel puts aside would cross lines
/// elsewhere, depending on the thread: the compiler only aligns them in frames that it knows to be aligned before it hands out registers.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn align_frame() {
    #[repr(align(64))]
    struct Line(#[allow(dead_code)] [u8; 64]);
    let mut line = std::mem::MaybeUninit::<Line>::uninit();
    std::hint::black_box(line.as_mut_ptr());
}

/// A kernel compiled for every level, in the order of [`Level::ALL`].
pub struct Compiled<A>([unsafe fn(A); 6]);

impl<A: Copy + 'static> Compiled<A> {
    pub const fn new<K: Kernel<Args = A>>() -> Compiled<A> {
        Compiled::by_dot::<K, K>()
    }

    /// With a kernel of its own for levels with [`Simd::VNNI`].
    #[cfg(target_arch = "x86_64")]
    pub const fn by_dot<K: Kernel<Args = A>, V: Kernel<Args = A>>() -> Compiled<A> {
        Compiled([
            scalar::run::<K>,
            avx2::run::<K>,
            avx2::run_vnni::<V>,
            avx512::run::<K>,
            avx512::run_vnni::<V>,
            avx512::run_vnni::<V>,
        ])
    }
    #[cfg(not(target_arch = "x86_64"))]
    pub const fn by_dot<K: Kernel<Args = A>, V: Kernel<Args = A>>() -> Compiled<A> {
        Compiled([scalar::run::<K>; 6])
    }

    /// Runs the kernel at a level, or at the highest the CPU has if that is lower.
    ///
    /// # Safety
    /// What the kernel says of its arguments.
    #[inline]
    pub unsafe fn run(&self, level: Level, args: A) {
        // SAFETY: the CPU has the level; the rest is the caller's promise.
        unsafe { self.0[level.or_supported() as usize](args) }
    }
}

/// Compiles generic kernels for every level and collects them in a table: see the [module](crate::simd).
///
/// `fn name(arguments) -> result = generic;` calls `generic(token, arguments)`, where `generic` is an expression, so that
/// it may carry further generic arguments (`generic::<_, Q4_0>`). The table has `at(level)`, `get()` for
/// the level in use, and an unsafe method per kernel, whose contract is the generic function's.
///
/// [`Level::AvxVnni`] has the kernels of [`Level::X86_64V3`]: those with dot products of bytes are [`Compiled`].
#[macro_export]
macro_rules! kernels {
    (
        $(#[$meta:meta])*
        $vis:vis struct $table:ident {
            $( $(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? = $generic:expr; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy)]
        $vis struct $table {
            $( $name: unsafe fn($($ty),*) $(-> $ret)?, )*
        }

        const _: () = {
            $crate::kernels!(@level scalar, $table, $crate::simd::Scalar, [],
                $( $name, [$($arg: $ty),*], [$($ret)?], $generic; )*);
            #[cfg(target_arch = "x86_64")]
            $crate::kernels!(@level v3, $table, $crate::simd::Ymm<false>,
                ["avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt"],
                $( $name, [$($arg: $ty),*], [$($ret)?], $generic; )*);
            #[cfg(target_arch = "x86_64")]
            $crate::kernels!(@level avx512, $table, $crate::simd::Zmm<false>,
                ["avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl"],
                $( $name, [$($arg: $ty),*], [$($ret)?], $generic; )*);
            #[cfg(target_arch = "x86_64")]
            $crate::kernels!(@level vnni, $table, $crate::simd::Zmm<true>,
                ["avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi"],
                $( $name, [$($arg: $ty),*], [$($ret)?], $generic; )*);

            #[cfg(target_arch = "x86_64")]
            static TABLES: [$table; 6] = [scalar::TABLE, v3::TABLE, v3::TABLE, avx512::TABLE, vnni::TABLE, vnni::TABLE];
            #[cfg(not(target_arch = "x86_64"))]
            static TABLES: [$table; 1] = [scalar::TABLE];

            impl $table {
                /// The kernels of a level, or of the highest the CPU has if that is lower.
                #[inline]
                $vis fn at(level: $crate::simd::Level) -> &'static $table {
                    &TABLES[level.or_supported() as usize]
                }
                /// The kernels of the level in use.
                #[inline]
                $vis fn get() -> &'static $table {
                    $table::at($crate::simd::level())
                }
                $(
                    $(#[$doc])*
                    ///
                    /// # Safety
                    /// As the generic function says.
                    #[inline(always)]
                    $vis unsafe fn $name(&self, $($arg: $ty),*) $(-> $ret)? {
                        // SAFETY: the caller's promise; `at` only hands out tables of levels that the CPU has.
                        unsafe { (self.$name)($($arg),*) }
                    }
                )*
            }
        };
    };
    (@level $mod:ident, $table:ident, $token:ty, $features:tt,
        $( $name:ident, [$($arg:ident: $ty:ty),*], [$($ret:ty)?], $generic:expr; )*) => {
        #[allow(non_camel_case_types)]
        struct $mod;
        impl $mod {
            const TABLE: $table = $table { $( $name: Self::$name, )* };
            $( $crate::kernels!(@function $features, $token, $name, [$($arg: $ty),*], [$($ret)?], $generic); )*
        }
    };
    (@function [$($features:literal)?], $token:ty, $name:ident, [$($arg:ident: $ty:ty),*], [$($ret:ty)?],
        $generic:expr) => {
        $( #[target_feature(enable = $features)] )?
        unsafe fn $name($($arg: $ty),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            $crate::simd::align_frame();
            // SAFETY: only called through the table of this level.
            let token = unsafe { <$token>::new() };
            let kernel = $generic;
            // SAFETY: the caller's promise.
            unsafe { kernel(token, $($arg),*) }
        }
    };
}
