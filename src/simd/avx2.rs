//! 256-bit vectors: AVX2, FMA and F16C; with `VNNI` dot products of bytes, by AVX-VNNI or by what the level `avx512_vnni` has.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{Kernel, Simd, Task};

/// 256-bit vectors. `VEX`: dot products are encoded as AVX-VNNI has them.
#[derive(Clone, Copy)]
pub struct Ymm<const VNNI: bool, const VEX: bool = false>(());

impl<const VNNI: bool, const VEX: bool> Ymm<VNNI, VEX> {
    /// # Safety
    /// The CPU has AVX2, FMA and F16C, with `VNNI` also AVX-512 F, BW, DQ, VL, VNNI and VBMI, or with `VEX` AVX-VNNI.
    #[inline(always)]
    pub unsafe fn new() -> Self {
        Ymm(())
    }
}

/// A kernel compiled for this level.
///
/// # Safety
/// The CPU has the level; and what the kernel says.
#[target_feature(enable = "avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
pub(super) unsafe fn run<K: Kernel>(args: K::Args) {
    super::align_frame();
    // SAFETY: the caller's promise.
    unsafe { K::run(Ymm::<false>::new(), args) }
}

/// A kernel compiled for this level and AVX-VNNI.
///
/// # Safety
/// The CPU has them; and what the kernel says.
#[target_feature(enable = "avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,avxvnni")]
pub(super) unsafe fn run_vnni<K: Kernel>(args: K::Args) {
    super::align_frame();
    // SAFETY: the caller's promise.
    unsafe { K::run(Ymm::<true, true>::new(), args) }
}

/// A task compiled for this level.
///
/// # Safety
/// The CPU has the level.
#[target_feature(enable = "avx,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
pub(super) unsafe fn run_task<T: Task>(task: T) -> T::Output {
    super::align_frame();
    // SAFETY: the caller's promise.
    task.run(unsafe { Ymm::<false>::new() })
}

/// `_mm256_permutevar8x32_ps`, of which the compiler makes two shuffles if it knows the indices.
///
/// # Safety
/// The CPU has AVX2.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn permute(x: __m256, idx: __m256i) -> __m256 {
    let out;
    // SAFETY: the instruction only reads and writes these registers; the caller's promise.
    unsafe {
        std::arch::asm!(
            "vpermps {out}, {idx}, {x}",
            out = lateout(ymm_reg) out,
            idx = in(ymm_reg) idx,
            x = in(ymm_reg) x,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    out
}

/// `_mm256_blendv_ps`: `m ? a : b`. Of the intrinsic the compiler would make a masked store where the result goes back to where `b` came
/// from, which AMD's cores take dozens of cycles for; and it would find a longer way to the mask.
///
/// # Safety
/// The CPU has AVX.
#[target_feature(enable = "avx")]
#[inline]
unsafe fn blend(m: __m256, a: __m256, b: __m256) -> __m256 {
    let out;
    // SAFETY: the instruction only reads and writes these registers; the caller's promise.
    unsafe {
        std::arch::asm!(
            "vblendvps {out}, {b}, {a}, {m}",
            out = lateout(ymm_reg) out,
            m = in(ymm_reg) m,
            a = in(ymm_reg) a,
            b = in(ymm_reg) b,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    out
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
    ($( fn $name:ident($($a:ident: $t:ty),*) $(-> $r:ty)? = $e:expr; )*) => { $(
        #[inline(always)]
        unsafe fn $name(self, $($a: $t),*) $(-> $r)? {
            // SAFETY: the token proves that the CPU has the instructions; the caller promised the memory.
            unsafe { $e }
        }
    )* };
}

/// The first `n` lanes.
#[inline(always)]
fn part_mask(n: usize) -> __m256i {
    static ONES_THEN_ZEROS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: the offset is 0..=8, so eight values follow it; callers have AVX.
    unsafe { _mm256_loadu_si256(ONES_THEN_ZEROS.as_ptr().add(8 - n.min(8)).cast()) }
}

impl<const VNNI: bool, const VEX: bool> Simd for Ymm<VNNI, VEX> {
    const N: usize = 8;
    const VNNI: bool = VNNI;
    const BYTE_TABLES: bool = false;
    const DEPOSITS: bool = false;
    const FUSED: bool = true;
    type F = __m256;
    type I = __m256i;
    type M = __m256;
    type Half = Self;

    #[inline(always)]
    fn half(self) -> Self {
        self
    }

    mem_ops! {
        fn load(p: *const f32) -> __m256 = _mm256_loadu_ps(p);
        fn load_part(p: *const f32, n: usize) -> __m256 = _mm256_maskload_ps(p, part_mask(n));
        fn store(p: *mut f32, v: __m256) = _mm256_storeu_ps(p, v);
        fn store_part(p: *mut f32, v: __m256, n: usize) = {
            // AMD's cores take dozens of cycles for a masked store.
            if n >= 8 { _mm256_storeu_ps(p, v) } else { _mm256_maskstore_ps(p, part_mask(n), v) }
        };
        fn load_f16(p: *const f16) -> __m256 = _mm256_cvtph_ps(_mm_loadu_si128(p.cast()));
        fn store_f16(p: *mut f16, v: __m256) =
            _mm_storeu_si128(p.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v));
        fn load_bf16(p: *const bf16) -> __m256 = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(
            _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()))
        ));
        fn store_bf16(p: *mut bf16, v: __m256) = {
            let bits = _mm256_castps_si256(v);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
            let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
            let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(v, v);
            let r = _mm256_blendv_ps(_mm256_castsi256_ps(up), _mm256_castsi256_ps(quiet), nan);
            let r = _mm256_srli_epi32::<16>(_mm256_castps_si256(r));
            let r = _mm_packus_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256::<1>(r));
            _mm_storeu_si128(p.cast(), r)
        };
        fn f16_at(p: *const u8) -> f32 = {
            let bits = p.cast::<u16>().read_unaligned();
            _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits))))
        };
        fn splat_f16(p: *const u8) -> __m256 =
            _mm256_cvtph_ps(_mm_set1_epi16(p.cast::<i16>().read_unaligned()));
        fn splat_two_f16(p: *const u8) -> [__m256; 2] = {
            let both = _mm256_cvtph_ps(_mm_set1_epi32(p.cast::<i32>().read_unaligned()));
            [_mm256_moveldup_ps(both), _mm256_movehdup_ps(both)]
        };
        fn two_words(p: *const u8) -> [__m256i; 2] = {
            // Two loads, which repeat a word for nothing; of one, the second word would have to be taken out.
            let words = p.cast::<i32>();
            [
                _mm256_set1_epi32(words.read_unaligned()),
                _mm256_set1_epi32(words.add(1).read_unaligned()),
            ]
        };
        fn load_int(p: *const u8) -> __m256i = _mm256_loadu_si256(p.cast());
        fn store_int(p: *mut u8, v: __m256i) = _mm256_storeu_si256(p.cast(), v);
        fn load_128(p: *const u8) -> __m256i = _mm256_broadcastsi128_si256(_mm_loadu_si128(p.cast()));
        fn load_lanes(p: [*const u8; 4]) -> __m256i = _mm256_inserti128_si256::<1>(
            _mm256_castsi128_si256(_mm_loadu_si128(p[0].cast())),
            _mm_loadu_si128(p[1].cast())
        );
        fn load_halves(lo: *const u8, _hi: *const u8) -> __m256i = _mm256_loadu_si256(lo.cast());
        fn load_quads(p: [*const u8; 8]) -> __m256i = {
            let lo = _mm_castsi128_pd(_mm_loadl_epi64(p[0].cast()));
            let hi = _mm_castsi128_pd(_mm_loadl_epi64(p[2].cast()));
            _mm256_castpd_si256(_mm256_insertf128_pd::<1>(
                _mm256_castpd128_pd256(_mm_loadh_pd(lo, p[1].cast())),
                _mm_loadh_pd(hi, p[3].cast())
            ))
        };
        fn quads_at(table: *const u8, n: [u32; 8]) -> __m256i =
            four_quads_at(table, [n[0], n[1], n[2], n[3]]);
        fn gather_i32(table: *const u8, idx: __m256i) -> __m256i =
            _mm256_i32gather_epi32::<4>(table.cast(), idx);
        fn load_i8(p: *const i8) -> __m256i = _mm256_cvtepi8_epi32(_mm_loadl_epi64(p.cast()));
        fn load_u8(p: *const u8) -> __m256i = _mm256_cvtepu8_epi32(_mm_loadl_epi64(p.cast()));
        fn store_i8(p: *mut i8, v: __m256i) = {
            let w = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
            _mm_storel_epi64(p.cast(), _mm_packs_epi16(w, w))
        };
    }

    ops! {
        s;
        fn splat(x: f32) -> __m256 = _mm256_set1_ps(x);
        fn add(a: __m256, b: __m256) -> __m256 = _mm256_add_ps(a, b);
        fn sub(a: __m256, b: __m256) -> __m256 = _mm256_sub_ps(a, b);
        fn mul(a: __m256, b: __m256) -> __m256 = _mm256_mul_ps(a, b);
        fn div(a: __m256, b: __m256) -> __m256 = _mm256_div_ps(a, b);
        fn fma(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps(a, b, c);
        fn fnma(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fnmadd_ps(a, b, c);
        fn max(a: __m256, b: __m256) -> __m256 = _mm256_max_ps(a, b);
        fn min(a: __m256, b: __m256) -> __m256 = _mm256_min_ps(a, b);
        fn sqrt(a: __m256) -> __m256 = _mm256_sqrt_ps(a);
        fn round(a: __m256) -> __m256 =
            _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
        fn sum(a: __m256) -> f32 = {
            let h = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let h = _mm_add_ps(h, _mm_movehl_ps(h, h));
            _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)))
        };
        fn max_of(a: __m256) -> f32 = {
            let h = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let h = _mm_max_ps(h, _mm_movehl_ps(h, h));
            _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)))
        };
        fn lt(a: __m256, b: __m256) -> __m256 = _mm256_cmp_ps::<_CMP_LT_OQ>(a, b);
        fn bits_of(m: __m256) -> u32 = _mm256_movemask_ps(m) as u32;
        fn select(m: __m256, a: __m256, b: __m256) -> __m256 = blend(m, a, b);
        fn splat_i32(x: i32) -> __m256i = _mm256_set1_epi32(x);
        fn splat_i8(x: i8) -> __m256i = _mm256_set1_epi8(x);
        fn add_i32(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi32(a, b);
        fn sub_i32(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi32(a, b);
        fn mul_i32(a: __m256i, b: __m256i) -> __m256i = _mm256_mullo_epi32(a, b);
        fn sum_i32(a: __m256i) -> i32 = {
            let h = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
            let h = _mm_add_epi32(h, _mm_unpackhi_epi64(h, h));
            _mm_cvtsi128_si32(_mm_add_epi32(h, _mm_shuffle_epi32::<0b01>(h)))
        };
        fn shlv_i32(a: __m256i, counts: __m256i) -> __m256i = _mm256_sllv_epi32(a, counts);
        fn shrv_i32(a: __m256i, counts: __m256i) -> __m256i = _mm256_srlv_epi32(a, counts);
        fn and(a: __m256i, b: __m256i) -> __m256i = _mm256_and_si256(a, b);
        fn or(a: __m256i, b: __m256i) -> __m256i = _mm256_or_si256(a, b);
        fn xor(a: __m256i, b: __m256i) -> __m256i = _mm256_xor_si256(a, b);
        fn add_i8(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi8(a, b);
        fn sub_i8(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi8(a, b);
        fn add_i16(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi16(a, b);
        fn eq_i8(a: __m256i, b: __m256i) -> __m256i = _mm256_cmpeq_epi8(a, b);
        fn abs_i8(a: __m256i) -> __m256i = _mm256_abs_epi8(a);
        fn select_i8(mask: __m256i, a: __m256i, b: __m256i) -> __m256i =
            _mm256_blendv_epi8(b, a, mask);
        fn select_i64(bits: u32, a: __m256i, b: __m256i) -> __m256i = {
            let bits = _mm256_set1_epi64x(i64::from(bits));
            let top = _mm256_sllv_epi64(bits, _mm256_set_epi64x(60, 61, 62, 63));
            let x = _mm256_blendv_pd(
                _mm256_castsi256_pd(b),
                _mm256_castsi256_pd(a),
                _mm256_castsi256_pd(top)
            );
            _mm256_castpd_si256(x)
        };
        fn mask_of_bits(bits: u64) -> __m256i = {
            let from = _mm256_set_epi64x(
                0x0303_0303_0303_0303,
                0x0202_0202_0202_0202,
                0x0101_0101_0101_0101,
                0
            );
            let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201u64 as i64);
            let bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(bits as i32), from);
            _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit)
        };
        fn negate_by_bits(a: __m256i, bits: u64) -> __m256i = {
            let mask = s.mask_of_bits(bits);
            _mm256_sub_epi8(_mm256_xor_si256(a, mask), mask)
        };
        fn negate_where(a: __m256i, bits: __m256i, of: __m256i) -> __m256i = {
            let mask = _mm256_cmpeq_epi8(_mm256_and_si256(bits, of), of);
            _mm256_sub_epi8(_mm256_xor_si256(a, mask), mask)
        };
        fn top_bits_i8(a: __m256i) -> u64 = u64::from(_mm256_movemask_epi8(a) as u32);
        fn top_bits_i16(a: __m256i) -> u32 = {
            let bytes = _mm_packs_epi16(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
            _mm_movemask_epi8(bytes) as u32
        };
        fn pack_i32(a: __m256i, b: __m256i) -> __m256i = _mm256_packs_epi32(a, b);
        fn narrow_i16(a: __m256i, b: __m256i) -> __m256i =
            _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi16(a, b));
        fn unzip_i32(a: __m256i, b: __m256i) -> (__m256i, __m256i) = {
            let (a, b) = (_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
            let even = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_11_01>(a, b));
            (
                _mm256_castpd_si256(_mm256_permute4x64_pd::<0b11_01_10_00>(even)),
                _mm256_castpd_si256(_mm256_permute4x64_pd::<0b11_01_10_00>(odd)),
            )
        };
        fn zip_i8(a: __m256i, b: __m256i) -> (__m256i, __m256i) = {
            let (lo, hi) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
            (_mm256_permute2x128_si256::<0x20>(lo, hi), _mm256_permute2x128_si256::<0x31>(lo, hi))
        };
        fn scale_i8(a: __m256i, up: i16, by: __m256i) -> __m256i = {
            let zero = _mm256_setzero_si256();
            let up = _mm256_set1_epi16(up);
            // The bytes as the upper ones of 16 bits.
            let lo = _mm256_mullo_epi16(_mm256_unpacklo_epi8(zero, a), up);
            let hi = _mm256_mullo_epi16(_mm256_unpackhi_epi8(zero, a), up);
            let half = _mm256_set1_epi16(128);
            let lo = _mm256_add_epi16(_mm256_mulhrs_epi16(lo, by), half);
            let hi = _mm256_add_epi16(_mm256_mulhrs_epi16(hi, by), half);
            _mm256_packs_epi16(_mm256_srai_epi16::<8>(lo), _mm256_srai_epi16::<8>(hi))
        };
        fn swap_neighbours(a: __m256) -> __m256 = _mm256_permute_ps::<0b10_11_00_01>(a);
        fn select_by_bits(bits: u32, first: usize, a: __m256, b: __m256) -> __m256 = {
            let top = _mm256_sub_epi32(
                _mm256_set_epi32(24, 25, 26, 27, 28, 29, 30, 31),
                _mm256_set1_epi32(first as i32)
            );
            let bits = _mm256_sllv_epi32(_mm256_set1_epi32(bits as i32), top);
            _mm256_blendv_ps(b, a, _mm256_castsi256_ps(bits))
        };
        fn deal_i32(a: __m256i) -> __m256i =
            _mm256_permutevar8x32_epi32(a, _mm256_set_epi32(7, 5, 3, 1, 6, 4, 2, 0));
        fn zip4_i8(a: [__m256i; 4]) -> [__m256i; 4] = {
            let (x, y) = (_mm256_unpacklo_epi8(a[0], a[1]), _mm256_unpacklo_epi8(a[2], a[3]));
            let (z, w) = (_mm256_unpackhi_epi8(a[0], a[1]), _mm256_unpackhi_epi8(a[2], a[3]));
            [
                _mm256_unpacklo_epi16(x, y),
                _mm256_unpackhi_epi16(x, y),
                _mm256_unpacklo_epi16(z, w),
                _mm256_unpackhi_epi16(z, w),
            ]
        };
        fn lookup16(table: __m256i, idx: __m256i) -> __m256i = _mm256_shuffle_epi8(table, idx);
        fn dot(acc: __m256i, u: __m256i, a: __m256i) -> __m256i = if VEX {
            _mm256_dpbusd_avx_epi32(acc, u, a)
        } else if VNNI {
            _mm256_dpbusd_epi32(acc, u, a)
        } else {
            s.add_pairs(acc, s.pairs(u, a))
        };
        fn pairs(u: __m256i, a: __m256i) -> __m256i = _mm256_maddubs_epi16(u, a);
        fn add_pairs(acc: __m256i, pairs: __m256i) -> __m256i =
            _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
        fn cast_i(a: __m256) -> __m256i = _mm256_castps_si256(a);
        fn cast_f(a: __m256i) -> __m256 = _mm256_castsi256_ps(a);
        fn to_i32(a: __m256) -> __m256i = _mm256_cvtps_epi32(a);
        fn to_f32(a: __m256i) -> __m256 = _mm256_cvtepi32_ps(a);

    }

    // The intrinsics take the count as i32, which a const parameter of type u32 cannot be turned into on stable Rust.
    #[inline(always)]
    fn shl_i32<const BITS: u32>(self, a: __m256i) -> __m256i {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe { _mm256_sll_epi32(a, _mm_cvtsi32_si128(BITS as i32)) }
    }
    #[inline(always)]
    fn shr_i32<const BITS: u32>(self, a: __m256i) -> __m256i {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe { _mm256_srl_epi32(a, _mm_cvtsi32_si128(BITS as i32)) }
    }
    #[inline(always)]
    fn shl_i16<const BITS: u32>(self, a: __m256i) -> __m256i {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe { _mm256_sll_epi16(a, _mm_cvtsi32_si128(BITS as i32)) }
    }
    #[inline(always)]
    fn shr_i16<const BITS: u32>(self, a: __m256i) -> __m256i {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe { _mm256_srl_epi16(a, _mm_cvtsi32_si128(BITS as i32)) }
    }

    #[inline(always)]
    fn spread<const EACH: usize>(self, table: [__m256; 2], i: usize) -> __m256 {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe {
            if EACH == 8 {
                permute(table[0], _mm256_set1_epi32(i as i32))
            } else {
                let at = (2 * i % 8) as i32;
                let from = _mm256_add_epi32(
                    _mm256_set1_epi32(at),
                    _mm256_set_epi32(1, 1, 1, 1, 0, 0, 0, 0),
                );
                permute(table[i / 4], from)
            }
        }
    }
    #[inline(always)]
    fn spread_two<const EACH: usize>(self, table: [__m256; 2], i: usize) -> __m256 {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe {
            let from = match EACH {
                8 => _mm256_set_epi32(1, 1, 0, 0, 1, 1, 0, 0),
                _ => _mm256_set_epi32(3, 3, 1, 1, 2, 2, 0, 0),
            };
            // The number of the first value, and its table.
            let first = 8 / EACH * i;
            let at = _mm256_set1_epi32((first % 8) as i32);
            permute(table[first / 8], _mm256_add_epi32(at, from))
        }
    }
    #[inline(always)]
    fn lookup16_f32(self, table: [__m256; 2], idx: __m256i) -> __m256 {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe {
            let upper = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(idx));
            blend(
                upper,
                _mm256_permutevar8x32_ps(table[1], idx),
                _mm256_permutevar8x32_ps(table[0], idx),
            )
        }
    }
    #[inline(always)]
    unsafe fn gather_f16<const STRIDE: usize>(self, p: *const u8) -> __m256 {
        // SAFETY: the token proves that the CPU has the instructions; the caller promised the memory.
        unsafe {
            let mut x = [0i16; 8];
            for (i, x) in x.iter_mut().enumerate() {
                *x = p.add(i * STRIDE).cast::<i16>().read_unaligned();
            }
            _mm256_cvtph_ps(_mm_set_epi16(
                x[7], x[6], x[5], x[4], x[3], x[2], x[1], x[0],
            ))
        }
    }
    #[inline(always)]
    unsafe fn gather_f16_pairs<const STRIDE: usize>(self, p: *const u8) -> [__m256; 2] {
        // SAFETY: the token proves that the CPU has the instructions; the caller promised the memory.
        unsafe {
            let mut x = [0i32; 8];
            for (i, x) in x.iter_mut().enumerate() {
                *x = p.add(i * STRIDE).cast::<i32>().read_unaligned();
            }
            let pairs = _mm256_set_epi32(x[7], x[6], x[5], x[4], x[3], x[2], x[1], x[0]);
            let first = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff));
            let both = _mm256_packus_epi32(first, _mm256_srli_epi32::<16>(pairs));
            let both = _mm256_permute4x64_epi64::<0b11_01_10_00>(both);
            [
                _mm256_cvtph_ps(_mm256_castsi256_si128(both)),
                _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(both)),
            ]
        }
    }
    #[inline(always)]
    fn widen(self, lo: __m256) -> __m256 {
        lo
    }
    #[inline(always)]
    fn join_lower(self, a: __m256i, _b: __m256i) -> __m256i {
        a
    }
    #[inline(always)]
    fn join(self, lo: __m256i, _hi: __m256i) -> __m256i {
        lo
    }

    /// With halves of rows that are loaded to where they belong, so that a third less is shuffled.
    #[inline(always)]
    unsafe fn load_transposed(self, rows: *const u8, stride: usize) -> [__m256i; 8] {
        let mut out = [self.splat_i32(0); 8];
        for half in 0..2 {
            // SAFETY: the caller's promise; the token proves that the CPU has the instructions.
            unsafe {
                let mut m = [self.splat_i32(0); 4];
                for (r, m) in m.iter_mut().enumerate() {
                    let (p, q) = (rows.add(16 * half + stride * r), stride * 4);
                    *m = self.load_lanes([p, p.add(q), p, p]);
                }
                let a = [
                    _mm256_unpacklo_epi32(m[0], m[1]),
                    _mm256_unpackhi_epi32(m[0], m[1]),
                    _mm256_unpacklo_epi32(m[2], m[3]),
                    _mm256_unpackhi_epi32(m[2], m[3]),
                ];
                out[4 * half] = _mm256_unpacklo_epi64(a[0], a[2]);
                out[4 * half + 1] = _mm256_unpackhi_epi64(a[0], a[2]);
                out[4 * half + 2] = _mm256_unpacklo_epi64(a[1], a[3]);
                out[4 * half + 3] = _mm256_unpackhi_epi64(a[1], a[3]);
            }
        }
        out
    }
    #[inline(always)]
    fn transpose8(self, m: [__m256i; 8]) -> [__m256i; 8] {
        // SAFETY: the token proves that the CPU has the instructions.
        unsafe {
            let a = [
                _mm256_unpacklo_epi32(m[0], m[1]),
                _mm256_unpackhi_epi32(m[0], m[1]),
                _mm256_unpacklo_epi32(m[2], m[3]),
                _mm256_unpackhi_epi32(m[2], m[3]),
                _mm256_unpacklo_epi32(m[4], m[5]),
                _mm256_unpackhi_epi32(m[4], m[5]),
                _mm256_unpacklo_epi32(m[6], m[7]),
                _mm256_unpackhi_epi32(m[6], m[7]),
            ];
            let b = [
                _mm256_unpacklo_epi64(a[0], a[2]),
                _mm256_unpackhi_epi64(a[0], a[2]),
                _mm256_unpacklo_epi64(a[1], a[3]),
                _mm256_unpackhi_epi64(a[1], a[3]),
                _mm256_unpacklo_epi64(a[4], a[6]),
                _mm256_unpackhi_epi64(a[4], a[6]),
                _mm256_unpacklo_epi64(a[5], a[7]),
                _mm256_unpackhi_epi64(a[5], a[7]),
            ];
            [
                _mm256_permute2x128_si256::<0x20>(b[0], b[4]),
                _mm256_permute2x128_si256::<0x20>(b[1], b[5]),
                _mm256_permute2x128_si256::<0x20>(b[2], b[6]),
                _mm256_permute2x128_si256::<0x20>(b[3], b[7]),
                _mm256_permute2x128_si256::<0x31>(b[0], b[4]),
                _mm256_permute2x128_si256::<0x31>(b[1], b[5]),
                _mm256_permute2x128_si256::<0x31>(b[2], b[6]),
                _mm256_permute2x128_si256::<0x31>(b[3], b[7]),
            ]
        }
    }
}

/// Four of a table's eight-byte entries. In assembly language: the compiler would work on the numbers in vectors, and to take
/// them out of those takes longer than all else.
///
/// # Safety
/// The CPU has AVX2; the table has them.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn four_quads_at(table: *const u8, numbers: [u32; 4]) -> __m256i {
    let (lo, hi): (__m128i, __m128i);
    // SAFETY: only reads the entries.
    unsafe {
        std::arch::asm!(
            "vmovq {lo}, [{table} + 8*{a}]",
            "vmovhps {lo}, {lo}, [{table} + 8*{b}]",
            "vmovq {hi}, [{table} + 8*{c}]",
            "vmovhps {hi}, {hi}, [{table} + 8*{d}]",
            a = in(reg) u64::from(numbers[0]),
            b = in(reg) u64::from(numbers[1]),
            c = in(reg) u64::from(numbers[2]),
            d = in(reg) u64::from(numbers[3]),
            table = in(reg) table,
            lo = out(xmm_reg) lo,
            hi = out(xmm_reg) hi,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(lo), hi)
}
