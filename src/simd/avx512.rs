//! 512-bit vectors: AVX-512 F, BW, DQ, VL; with `VNNI` also VNNI and VBMI.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{Kernel, Simd, Task, Ymm};

/// 512-bit vectors.
#[derive(Clone, Copy)]
pub struct Zmm<const VNNI: bool>(());

impl<const VNNI: bool> Zmm<VNNI> {
    /// # Safety
    /// The CPU has AVX-512 F, BW, DQ and VL and what `Ymm` needs, with `VNNI` also AVX-512 VNNI and VBMI.
    #[inline(always)]
    pub unsafe fn new() -> Self {
        Zmm(())
    }
}

/// A kernel compiled for this level.
///
/// # Safety
/// The CPU has the level; and what the kernel says.
#[target_feature(
    enable = "avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl"
)]
pub(super) unsafe fn run<K: Kernel>(args: K::Args) {
    super::align_frame();
    // SAFETY: the caller's promise.
    unsafe { K::run(Zmm::<false>::new(), args) }
}

/// A kernel compiled for this level.
///
/// # Safety
/// The CPU has the level; and what the kernel says.
#[target_feature(
    enable = "avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi"
)]
pub(super) unsafe fn run_vnni<K: Kernel>(args: K::Args) {
    super::align_frame();
    // SAFETY: the caller's promise.
    unsafe { K::run(Zmm::<true>::new(), args) }
}

/// A task compiled for this level.
///
/// # Safety
/// The CPU has the level.
#[target_feature(
    enable = "avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl"
)]
pub(super) unsafe fn run_task<T: Task>(task: T) -> T::Output {
    super::align_frame();
    // SAFETY: the caller's promise.
    task.run(unsafe { Zmm::<false>::new() })
}

/// Methods that are some intrinsics.
macro_rules! ops {
    ($token:ident; $( fn $name:ident($($a:ident: $t:ty),*) -> $r:ty = $e:expr; )*) => { $(
        #[inline(always)]
        fn $name(self, $($a: $t),*) -> $r {
            let $token = self;
            let _ = $token;
            // SAFETY: the token proves that the CPU has the instructions.
            unsafe { $e }
        }
    )* };
}

/// Methods through pointers that are some intrinsics.
macro_rules! mem_ops {
    ($token:ident; $( fn $name:ident($($a:ident: $t:ty),*) $(-> $r:ty)? = $e:expr; )*) => { $(
        #[inline(always)]
        unsafe fn $name(self, $($a: $t),*) $(-> $r)? {
            let $token = self;
            let _ = $token;
            // SAFETY: the token proves that the CPU has the instructions; the caller promised the memory.
            unsafe { $e }
        }
    )* };
}

/// The first `n` lanes.
#[inline(always)]
fn part_mask(n: usize) -> __mmask16 {
    if n >= 16 { !0 } else { (1 << n) - 1 }
}

/// Whether [`gather_words`] takes this stride.
const fn gathers(stride: usize) -> bool {
    stride >= 16 && stride <= 30 && stride.is_multiple_of(2)
}

/// Eight words that lie `STRIDE` bytes apart, then the eight words behind them.
///
/// # Safety
/// The CPU has AVX-512 F, BW and VL, `p` points to eight times `STRIDE` readable bytes, for which [`gathers`] holds.
#[inline(always)]
unsafe fn gather_words<const STRIDE: usize>(p: *const u8) -> __m256i {
    // Vectors begin at 0, at stride `next`, and if that is not enough, 64 bytes before the end of the eighth.
    let (few, next) = const { (STRIDE <= 20, if STRIDE <= 20 { 4 } else { 3 }) };
    let indices: [[i16; 16]; 2] = const {
        let (few, next) = (STRIDE <= 20, if STRIDE <= 20 { 4 } else { 3 });
        let mut from = [[0; 16]; 2];
        let mut i = 0;
        while i < 16 {
            let (stride, word) = (i % 8, i / 8);
            let mut at = stride * STRIDE / 2;
            if stride >= next {
                at = 32 + (stride - next) * STRIDE / 2;
            }
            // What the third vector has may be beyond the second.
            from[0][i] = ((at + word) % 64) as i16;
            from[1][i] = i as i16;
            if !few && stride >= 6 {
                from[1][i] = (64 + word) as i16 - ((8 - stride) * STRIDE / 2) as i16;
            }
            i += 1;
        }
        from
    };
    // What else the caller loads from here would be cut out of these vectors with shuffles if the compiler knew of both.
    let p = std::hint::black_box(p);
    // SAFETY: the caller's promise. 64 bytes from the fourth (of strides from 16 bytes on) or third (of more than 20) are inside
    // eight strides.
    unsafe {
        let index = [
            _mm512_castsi256_si512(_mm256_loadu_si256(indices[0].as_ptr().cast())),
            _mm512_castsi256_si512(_mm256_loadu_si256(indices[1].as_ptr().cast())),
        ];
        let a = _mm512_loadu_si512(p.cast());
        let b = _mm512_loadu_si512(p.add(next * STRIDE).cast());
        let mut words = _mm512_permutex2var_epi16(a, index[0], b);
        if !few {
            let c = _mm512_loadu_si512(p.add(8 * STRIDE - 64).cast());
            words = _mm512_permutex2var_epi16(words, index[1], c);
        }
        _mm512_castsi512_si256(words)
    }
}

impl<const VNNI: bool> Simd for Zmm<VNNI> {
    const N: usize = 16;
    const VNNI: bool = VNNI;
    const BYTE_TABLES: bool = VNNI;
    const DEPOSITS: bool = true;
    const FUSED: bool = true;
    type F = __m512;
    type I = __m512i;
    type M = __mmask16;
    type Half = Ymm<VNNI>;

    #[inline(always)]
    fn half(self) -> Ymm<VNNI> {
        // SAFETY: this token's instructions include the half's.
        unsafe { Ymm::new() }
    }

    mem_ops! {
        s;
        fn load(p: *const f32) -> __m512 = _mm512_loadu_ps(p);
        fn load_part(p: *const f32, n: usize) -> __m512 = _mm512_maskz_loadu_ps(part_mask(n), p);
        fn store(p: *mut f32, v: __m512) = _mm512_storeu_ps(p, v);
        fn store_part(p: *mut f32, v: __m512, n: usize) = _mm512_mask_storeu_ps(p, part_mask(n), v);
        fn load_f16(p: *const f16) -> __m512 = _mm512_cvtph_ps(_mm256_loadu_si256(p.cast()));
        fn store_f16(p: *mut f16, v: __m512) =
            _mm256_storeu_si256(p.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v));
        fn load_bf16(p: *const bf16) -> __m512 = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(
            _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()))
        ));
        fn store_bf16(p: *mut bf16, v: __m512) = {
            let bits = _mm512_castps_si512(v);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
            let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            let r = _mm512_srli_epi32::<16>(_mm512_mask_blend_epi32(nan, up, quiet));
            _mm256_storeu_si256(p.cast(), _mm512_cvtepi32_epi16(r))
        };
        fn f16_at(p: *const u8) -> f32 = s.half().f16_at(p);
        fn splat_f16(p: *const u8) -> __m512 =
            _mm512_cvtph_ps(_mm256_set1_epi16(p.cast::<i16>().read_unaligned()));
        fn splat_two_f16(p: *const u8) -> [__m512; 2] = {
            let both = _mm512_cvtph_ps(_mm256_set1_epi32(p.cast::<i32>().read_unaligned()));
            [_mm512_moveldup_ps(both), _mm512_movehdup_ps(both)]
        };
        fn two_words(p: *const u8) -> [__m512i; 2] = {
            let [lo, hi] = p.cast::<[i32; 2]>().read_unaligned();
            [_mm512_mask_set1_epi32(_mm512_set1_epi32(lo), 0xff00, hi); 2]
        };
        fn load_int(p: *const u8) -> __m512i = _mm512_loadu_si512(p.cast());
        fn store_int(p: *mut u8, v: __m512i) = _mm512_storeu_si512(p.cast(), v);
        fn load_128(p: *const u8) -> __m512i = _mm512_broadcast_i32x4(_mm_loadu_si128(p.cast()));
        fn load_lanes(p: [*const u8; 4]) -> __m512i = {
            let lo = s.half().load_lanes([p[0], p[1], p[0], p[1]]);
            let hi = s.half().load_lanes([p[2], p[3], p[2], p[3]]);
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(lo), hi)
        };
        fn load_halves(lo: *const u8, hi: *const u8) -> __m512i = _mm512_inserti64x4::<1>(
            _mm512_castsi256_si512(_mm256_loadu_si256(lo.cast())),
            _mm256_loadu_si256(hi.cast())
        );
        fn load_quads(p: [*const u8; 8]) -> __m512i = {
            let lo = s.half().load_quads([p[0], p[1], p[2], p[3], p[0], p[1], p[2], p[3]]);
            let hi = s.half().load_quads([p[4], p[5], p[6], p[7], p[4], p[5], p[6], p[7]]);
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(lo), hi)
        };
        fn gather_i32(table: *const u8, idx: __m512i) -> __m512i =
            _mm512_i32gather_epi32::<4>(idx, table.cast());
        fn load_i8(p: *const i8) -> __m512i = _mm512_cvtepi8_epi32(_mm_loadu_si128(p.cast()));
        fn load_u8(p: *const u8) -> __m512i = _mm512_cvtepu8_epi32(_mm_loadu_si128(p.cast()));
        fn store_i8(p: *mut i8, v: __m512i) = _mm_storeu_si128(p.cast(), _mm512_cvtsepi32_epi8(v));
    }

    ops! {
        s;
        fn splat(x: f32) -> __m512 = _mm512_set1_ps(x);
        fn add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        fn sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        fn mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        fn div(a: __m512, b: __m512) -> __m512 = _mm512_div_ps(a, b);
        fn fma(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        fn fnma(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fnmadd_ps(a, b, c);
        fn max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
        fn min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
        fn sqrt(a: __m512) -> __m512 = _mm512_sqrt_ps(a);
        fn round(a: __m512) -> __m512 = _mm512_roundscale_ps::<0>(a);
        fn scale_2n(a: __m512, n: __m512) -> __m512 = _mm512_scalef_ps(a, n);
        fn sum(a: __m512) -> f32 =
            s.half().sum(_mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a)));
        fn max_of(a: __m512) -> f32 =
            s.half().max_of(_mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a)));
        fn lt(a: __m512, b: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b);
        fn select(m: __mmask16, a: __m512, b: __m512) -> __m512 = _mm512_mask_blend_ps(m, b, a);
        fn splat_i32(x: i32) -> __m512i = _mm512_set1_epi32(x);
        fn splat_i8(x: i8) -> __m512i = _mm512_set1_epi8(x);
        fn add_i32(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32(a, b);
        fn sub_i32(a: __m512i, b: __m512i) -> __m512i = _mm512_sub_epi32(a, b);
        fn mul_i32(a: __m512i, b: __m512i) -> __m512i = _mm512_mullo_epi32(a, b);
        fn sum_i32(a: __m512i) -> i32 = s.half().sum_i32(_mm256_add_epi32(
            _mm512_castsi512_si256(a),
            _mm512_extracti64x4_epi64::<1>(a)
        ));
        fn shlv_i32(a: __m512i, counts: __m512i) -> __m512i = _mm512_sllv_epi32(a, counts);
        fn shrv_i32(a: __m512i, counts: __m512i) -> __m512i = _mm512_srlv_epi32(a, counts);
        fn and(a: __m512i, b: __m512i) -> __m512i = _mm512_and_si512(a, b);
        fn or(a: __m512i, b: __m512i) -> __m512i = _mm512_or_si512(a, b);
        fn xor(a: __m512i, b: __m512i) -> __m512i = _mm512_xor_si512(a, b);
        fn add_i8(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi8(a, b);
        fn sub_i8(a: __m512i, b: __m512i) -> __m512i = _mm512_sub_epi8(a, b);
        fn add_i16(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi16(a, b);
        fn eq_i8(a: __m512i, b: __m512i) -> __m512i = _mm512_movm_epi8(_mm512_cmpeq_epi8_mask(a, b));
        fn abs_i8(a: __m512i) -> __m512i = _mm512_abs_epi8(a);
        fn select_i8(mask: __m512i, a: __m512i, b: __m512i) -> __m512i =
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(mask), b, a);
        fn select_i64(bits: u32, a: __m512i, b: __m512i) -> __m512i =
            _mm512_mask_blend_epi64(bits as u8, b, a);
        fn mask_of_bits(bits: u64) -> __m512i = _mm512_movm_epi8(bits);
        fn negate_by_bits(a: __m512i, bits: u64) -> __m512i =
            _mm512_mask_sub_epi8(a, bits, _mm512_setzero_si512(), a);
        fn negate_where(a: __m512i, bits: __m512i, of: __m512i) -> __m512i =
            _mm512_mask_sub_epi8(a, _mm512_test_epi8_mask(bits, of), _mm512_setzero_si512(), a);
        fn top_bits_i8(a: __m512i) -> u64 = _mm512_movepi8_mask(a);
        fn top_bits_i16(a: __m512i) -> u32 = _mm512_movepi16_mask(a);
        fn pack_i32(a: __m512i, b: __m512i) -> __m512i = _mm512_packs_epi32(a, b);
        fn narrow_i16(a: __m512i, b: __m512i) -> __m512i = _mm512_permutexvar_epi64(
            _mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0),
            _mm512_packus_epi16(a, b)
        );
        fn unzip_i32(a: __m512i, b: __m512i) -> (__m512i, __m512i) = {
            let even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
            let odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
            (_mm512_permutex2var_epi32(a, even, b), _mm512_permutex2var_epi32(a, odd, b))
        };
        fn zip_i8(a: __m512i, b: __m512i) -> (__m512i, __m512i) = {
            let (lo, hi) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
            let first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
            let second = _mm512_add_epi64(first, _mm512_set1_epi64(4));
            (_mm512_permutex2var_epi64(lo, first, hi), _mm512_permutex2var_epi64(lo, second, hi))
        };
        fn scale_i8(a: __m512i, up: i16, by: __m512i) -> __m512i = {
            let zero = _mm512_setzero_si512();
            let up = _mm512_set1_epi16(up);
            // The bytes as the upper ones of 16 bits.
            let lo = _mm512_mullo_epi16(_mm512_unpacklo_epi8(zero, a), up);
            let hi = _mm512_mullo_epi16(_mm512_unpackhi_epi8(zero, a), up);
            let half = _mm512_set1_epi16(128);
            let lo = _mm512_add_epi16(_mm512_mulhrs_epi16(lo, by), half);
            let hi = _mm512_add_epi16(_mm512_mulhrs_epi16(hi, by), half);
            _mm512_packs_epi16(_mm512_srai_epi16::<8>(lo), _mm512_srai_epi16::<8>(hi))
        };
        fn swap_neighbours(a: __m512) -> __m512 = _mm512_permute_ps::<0b10_11_00_01>(a);
        fn select_by_bits(bits: u32, first: usize, a: __m512, b: __m512) -> __m512 =
            _mm512_mask_blend_ps((bits >> first) as u16, b, a);
        fn join_lower(a: __m512i, b: __m512i) -> __m512i =
            _mm512_inserti64x4::<1>(a, _mm512_castsi512_si256(b));
        fn deal_i32(a: __m512i) -> __m512i = _mm512_permutexvar_epi32(
            _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0),
            a
        );
        fn zip4_i8(a: [__m512i; 4]) -> [__m512i; 4] = {
            let (x, y) = (_mm512_unpacklo_epi8(a[0], a[1]), _mm512_unpacklo_epi8(a[2], a[3]));
            let (z, w) = (_mm512_unpackhi_epi8(a[0], a[1]), _mm512_unpackhi_epi8(a[2], a[3]));
            [
                _mm512_unpacklo_epi16(x, y),
                _mm512_unpackhi_epi16(x, y),
                _mm512_unpacklo_epi16(z, w),
                _mm512_unpackhi_epi16(z, w),
            ]
        };
        fn lookup16(table: __m512i, idx: __m512i) -> __m512i = _mm512_shuffle_epi8(table, idx);
        fn dot(acc: __m512i, u: __m512i, a: __m512i) -> __m512i = if VNNI {
            _mm512_dpbusd_epi32(acc, u, a)
        } else {
            s.add_pairs(acc, s.pairs(u, a))
        };
        fn pairs(u: __m512i, a: __m512i) -> __m512i = _mm512_maddubs_epi16(u, a);
        fn add_pairs(acc: __m512i, pairs: __m512i) -> __m512i =
            _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
        fn cast_i(a: __m512) -> __m512i = _mm512_castps_si512(a);
        fn cast_f(a: __m512i) -> __m512 = _mm512_castsi512_ps(a);
        fn to_i32(a: __m512) -> __m512i = _mm512_cvtps_epi32(a);
        fn to_f32(a: __m512i) -> __m512 = _mm512_cvtepi32_ps(a);
        fn join(lo: __m256i, hi: __m256i) -> __m512i =
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(lo), hi);

    }

    #[inline(always)]
    fn bits_of(self, m: __mmask16) -> u32 {
        u32::from(m)
    }
    #[inline(always)]
    fn shl_i32<const BITS: u32>(self, a: __m512i) -> __m512i {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe { _mm512_slli_epi32::<BITS>(a) }
    }
    #[inline(always)]
    fn shr_i32<const BITS: u32>(self, a: __m512i) -> __m512i {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe { _mm512_srli_epi32::<BITS>(a) }
    }
    #[inline(always)]
    fn shl_i16<const BITS: u32>(self, a: __m512i) -> __m512i {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe { _mm512_slli_epi16::<BITS>(a) }
    }
    #[inline(always)]
    fn shr_i16<const BITS: u32>(self, a: __m512i) -> __m512i {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe { _mm512_srli_epi16::<BITS>(a) }
    }

    #[inline(always)]
    fn lookup32(self, table: &'static [i8; 32], idx: __m512i) -> __m512i {
        // SAFETY: the token proves that the CPU has the instructions; tables are as long as they say.
        unsafe {
            let p = table.as_ptr();
            if VNNI {
                let half = _mm256_loadu_si256(p.cast());
                // The upper half is not looked up.
                return _mm512_permutexvar_epi8(idx, _mm512_castsi256_si512(half));
            }
            let (lo, hi) = (self.load_128(p.cast()), self.load_128(p.add(16).cast()));
            let second = _mm512_test_epi8_mask(idx, _mm512_set1_epi8(16));
            _mm512_mask_shuffle_epi8(_mm512_shuffle_epi8(lo, idx), second, hi, idx)
        }
    }
    #[inline(always)]
    fn lookup64(self, table: &'static [i8; 64], idx: __m512i) -> __m512i {
        // SAFETY: the token proves that the CPU has the instructions; tables are as long as they say.
        unsafe {
            if VNNI {
                return _mm512_permutexvar_epi8(idx, _mm512_loadu_si512(table.as_ptr().cast()));
            }
            let [lo, hi] = bytemuck::cast_ref::<_, [[i8; 32]; 2]>(table);
            let upper = _mm512_test_epi8_mask(idx, _mm512_set1_epi8(32));
            _mm512_mask_blend_epi8(upper, self.lookup32(lo, idx), self.lookup32(hi, idx))
        }
    }
    #[inline(always)]
    fn lookup256(self, table: &'static [u8; 256], idx: __m512i) -> __m512i {
        let p: *const u8 = table.as_ptr();
        // SAFETY: the token proves that the CPU has the instructions (VBMI with `VNNI`); the table has four vectors.
        unsafe {
            if !VNNI {
                let mut bytes = [0u8; 64];
                self.store_int(bytes.as_mut_ptr(), idx);
                for b in &mut bytes {
                    *b = table[usize::from(*b)];
                }
                return self.load_int(bytes.as_ptr());
            }
            let part = [
                self.load_int(p),
                self.load_int(p.add(64)),
                self.load_int(p.add(128)),
                self.load_int(p.add(192)),
            ];
            let lo = _mm512_permutex2var_epi8(part[0], idx, part[1]);
            let hi = _mm512_permutex2var_epi8(part[2], idx, part[3]);
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(idx), lo, hi)
        }
    }

    #[inline(always)]
    fn pairs_of_halves(self, a: __m512i, i: usize) -> __m512i {
        if !VNNI {
            return super::pairs_of_halves(self, a, i);
        }
        // SAFETY: the token proves that the CPU has the instructions, VBMI with `VNNI`.
        unsafe {
            let each = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
            let each = _mm512_add_epi64(each, _mm512_set1_epi64(8 * i as i64));
            let lowest = _mm512_set4_epi32(0x0808_0808, 0x0808_0808, 0, 0);
            let upper = _mm512_set1_epi64(0x2020_2020_0000_0000);
            let from = _mm512_or_si512(_mm512_shuffle_epi8(each, lowest), upper);
            let bytes = _mm512_permutexvar_epi8(from, a);
            // Eight bits from each of these bits on, of 64.
            let bits = _mm512_set1_epi64(0x3e34_2a20_1e14_0a00);
            _mm512_multishift_epi64_epi8(bits, bytes)
        }
    }

    #[inline(always)]
    fn nibbles_of_words(self, a: __m512i, upper: bool) -> __m512i {
        if !VNNI {
            return super::nibbles_of_words(self, a, upper);
        }
        // SAFETY: the token proves that the CPU has the instructions, VBMI with `VNNI`.
        unsafe {
            let half = if upper {
                _mm512_extracti64x4_epi64::<1>(a)
            } else {
                _mm512_castsi512_si256(a)
            };
            let bits = _mm512_set1_epi64(0x1c18_1410_0c08_0400);
            _mm512_multishift_epi64_epi8(bits, _mm512_cvtepu32_epi64(half))
        }
    }

    #[inline(always)]
    fn deposit(self, x: u64, mask: u64) -> u64 {
        // SAFETY: the token proves that the CPU has the instruction.
        unsafe { _pdep_u64(x, mask) }
    }
    #[inline(always)]
    unsafe fn quads_at(self, table: *const u8, n: [u32; 8]) -> __m512i {
        // SAFETY: the token proves that the CPU has the instructions; the caller's promise.
        unsafe {
            let h = self.half();
            let lo = h.quads_at(table, [n[0], n[1], n[2], n[3], 0, 0, 0, 0]);
            let hi = h.quads_at(table, [n[4], n[5], n[6], n[7], 0, 0, 0, 0]);
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(lo), hi)
        }
    }
    #[inline(always)]
    fn spread<const EACH: usize>(self, table: [__m512; 2], i: usize) -> __m512 {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe {
            let lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
            let lane = _mm512_add_epi32(lane, _mm512_set1_epi32(16 * i as i32));
            let from = if EACH == 8 {
                _mm512_srli_epi32::<3>(lane)
            } else {
                _mm512_srli_epi32::<2>(lane)
            };
            _mm512_permutexvar_ps(from, table[0])
        }
    }
    #[inline(always)]
    fn spread_two<const EACH: usize>(self, table: [__m512; 2], i: usize) -> __m512 {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe {
            // Values of the first vector for lanes 0, 4, 8 and 12, one or two to 128 bits; of the second, as many further.
            let from = match EACH {
                8 => _mm512_set_epi32(3, 3, 1, 1, 3, 3, 1, 1, 2, 2, 0, 0, 2, 2, 0, 0),
                _ => _mm512_set_epi32(7, 7, 3, 3, 6, 6, 2, 2, 5, 5, 1, 1, 4, 4, 0, 0),
            };
            let at = _mm512_set1_epi32((16 / EACH * i) as i32);
            _mm512_permutexvar_ps(_mm512_add_epi32(at, from), table[0])
        }
    }
    #[inline(always)]
    fn lookup16_f32(self, table: [__m512; 2], idx: __m512i) -> __m512 {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe { _mm512_permutexvar_ps(idx, table[0]) }
    }
    #[inline(always)]
    unsafe fn gather_f16<const STRIDE: usize>(self, p: *const u8) -> __m512 {
        // SAFETY: the caller's promise; the token proves that the CPU has the instructions.
        unsafe {
            if gathers(STRIDE) {
                let words = gather_words::<STRIDE>(p);
                self.widen(_mm256_cvtph_ps(_mm256_castsi256_si128(words)))
            } else {
                self.widen(self.half().gather_f16::<STRIDE>(p))
            }
        }
    }
    #[inline(always)]
    unsafe fn gather_f16_pairs<const STRIDE: usize>(self, p: *const u8) -> [__m512; 2] {
        // SAFETY: the caller's promise; the token proves that the CPU has the instructions.
        unsafe {
            if gathers(STRIDE) {
                let words = gather_words::<STRIDE>(p);
                let second = _mm256_extracti128_si256::<1>(words);
                [
                    self.widen(_mm256_cvtph_ps(_mm256_castsi256_si128(words))),
                    self.widen(_mm256_cvtph_ps(second)),
                ]
            } else {
                let [first, second] = self.half().gather_f16_pairs::<STRIDE>(p);
                [self.widen(first), self.widen(second)]
            }
        }
    }
    #[inline(always)]
    unsafe fn gather_u8<const STRIDE: usize>(self, p: *const u8) -> __m256i {
        if !VNNI || !(16..=20).contains(&STRIDE) {
            // SAFETY: the caller's promise.
            return unsafe { self.half().gather_u8::<STRIDE>(p) };
        }
        let from: [i8; 16] = const {
            let (mut from, mut i) = ([0; 16], 0);
            while i < 8 {
                from[i] = (i % 4 * STRIDE + i / 4 * 64) as i8;
                i += 1;
            }
            from
        };
        // See `gather_words`.
        let p = std::hint::black_box(p);
        // SAFETY: the token proves that the CPU has the instructions; four strides are at least 64 bytes, three less.
        unsafe {
            let (a, b) = (self.load_int(p), self.load_int(p.add(4 * STRIDE)));
            let from = _mm512_castsi128_si512(_mm_loadu_si128(from.as_ptr().cast()));
            let bytes = _mm512_permutex2var_epi8(a, from, b);
            _mm256_cvtepu8_epi32(_mm512_castsi512_si128(bytes))
        }
    }
    #[inline(always)]
    fn widen(self, lo: __m256) -> __m512 {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe { _mm512_zextps256_ps512(lo) }
    }

    #[inline(always)]
    fn transpose8(self, m: [__m512i; 8]) -> [__m512i; 8] {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe {
            let a = [
                _mm512_unpacklo_epi32(m[0], m[1]),
                _mm512_unpackhi_epi32(m[0], m[1]),
                _mm512_unpacklo_epi32(m[2], m[3]),
                _mm512_unpackhi_epi32(m[2], m[3]),
                _mm512_unpacklo_epi32(m[4], m[5]),
                _mm512_unpackhi_epi32(m[4], m[5]),
                _mm512_unpacklo_epi32(m[6], m[7]),
                _mm512_unpackhi_epi32(m[6], m[7]),
            ];
            let b = [
                _mm512_unpacklo_epi64(a[0], a[2]),
                _mm512_unpackhi_epi64(a[0], a[2]),
                _mm512_unpacklo_epi64(a[1], a[3]),
                _mm512_unpackhi_epi64(a[1], a[3]),
                _mm512_unpacklo_epi64(a[4], a[6]),
                _mm512_unpackhi_epi64(a[4], a[6]),
                _mm512_unpacklo_epi64(a[5], a[7]),
                _mm512_unpackhi_epi64(a[5], a[7]),
            ];
            // 128-bit lanes 0 and 2 of both, or lanes 1 and 3 of both, so that halves stay halves.
            let even = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0);
            let odd = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
            [
                _mm512_permutex2var_epi64(b[0], even, b[4]),
                _mm512_permutex2var_epi64(b[1], even, b[5]),
                _mm512_permutex2var_epi64(b[2], even, b[6]),
                _mm512_permutex2var_epi64(b[3], even, b[7]),
                _mm512_permutex2var_epi64(b[0], odd, b[4]),
                _mm512_permutex2var_epi64(b[1], odd, b[5]),
                _mm512_permutex2var_epi64(b[2], odd, b[6]),
                _mm512_permutex2var_epi64(b[3], odd, b[7]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn dots_2x8(
        self,
        acc: [[__m512i; 8]; 2],
        u: [*const u8; 2],
        words: *const i32,
    ) -> [[__m512i; 8]; 2] {
        // SAFETY: the caller promised VNNI, which the token then proves, and the memory.
        unsafe { dots_2x8(acc, u, words) }
    }
}

/// Text for four vectors of a panel times words of eight columns.
macro_rules! dots_2x8 {
    ($($j:literal)*) => { concat!($(
        "vmovdqu64 {x:z}, [{u} + 64*", $j, "]\n",
        "vmovdqu64 {y:z}, [{v} + 64*", $j, "]\n",
        dots_2x8!($j: 0 "a0" "b0"), dots_2x8!($j: 1 "a1" "b1"), dots_2x8!($j: 2 "a2" "b2"), dots_2x8!($j: 3 "a3" "b3"),
        dots_2x8!($j: 4 "a4" "b4"), dots_2x8!($j: 5 "a5" "b5"), dots_2x8!($j: 6 "a6" "b6"), dots_2x8!($j: 7 "a7" "b7"),
    )*) };
    ($j:literal: $c:literal $a:literal $b:literal) => {
        concat!(
            "vpbroadcastd {w:z}, [{words} + 32*", $j, "+ 4*", $c, "]\n",
            "vpdpbusd {", $a, "}, {x:z}, {w:z}\n",
            "vpdpbusd {", $b, "}, {y:z}, {w:z}\n",
        )
    };
}

/// [`Simd::dots_2x8`]. In assembly language: sixteen sums, what is multiplied and what waits meanwhile are more than there are registers, and the compiler
/// would move sums to and fro between products.
///
/// # Safety
/// The CPU has AVX-512 VNNI; and as there.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
unsafe fn dots_2x8(
    mut acc: [[__m512i; 8]; 2],
    u: [*const u8; 2],
    words: *const i32,
) -> [[__m512i; 8]; 2] {
    let [
        [a0, a1, a2, a3, a4, a5, a6, a7],
        [b0, b1, b2, b3, b4, b5, b6, b7],
    ] = &mut acc;
    // Registers for a while; those without a type would have no size.
    let (_x, _y, _w): (__m512i, __m512i, __m512i);
    // SAFETY: only reads what the caller promises.
    unsafe {
        std::arch::asm!(
            dots_2x8!(0 1 2 3),
            u = in(reg) u[0],
            v = in(reg) u[1],
            words = in(reg) words,
            x = out(zmm_reg) _x,
            y = out(zmm_reg) _y,
            w = out(zmm_reg) _w,
            a0 = inout(zmm_reg) *a0,
            a1 = inout(zmm_reg) *a1,
            a2 = inout(zmm_reg) *a2,
            a3 = inout(zmm_reg) *a3,
            a4 = inout(zmm_reg) *a4,
            a5 = inout(zmm_reg) *a5,
            a6 = inout(zmm_reg) *a6,
            a7 = inout(zmm_reg) *a7,
            b0 = inout(zmm_reg) *b0,
            b1 = inout(zmm_reg) *b1,
            b2 = inout(zmm_reg) *b2,
            b3 = inout(zmm_reg) *b3,
            b4 = inout(zmm_reg) *b4,
            b5 = inout(zmm_reg) *b5,
            b6 = inout(zmm_reg) *b6,
            b7 = inout(zmm_reg) *b7,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    acc
}
