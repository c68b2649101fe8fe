//! Tensor types: the one table of them, and a file per family that decodes and encodes its blocks.
//! Knows nothing but bytes, floats and vector instructions: no tensors, no threads, no devices.
//!
//! A family's file holds the `repr(C)` blocks (bytes only, so that they lie anywhere in memory) and one zero-sized struct per
//! type that implements [`BlockFormat`] and [`Encode`]. What several families search for (scales, mins, codes) is in `search`.

// Types are called what the field calls them.
#![allow(non_camel_case_types)]
// Loops over indices become vector code where iterators' closures would be compiled for the baseline, see `search`.
#![allow(clippy::needless_range_loop)]

pub mod activation;
pub mod codebook;
mod float;
mod ftype;
pub mod grid;
mod half;
pub mod interleave;
pub mod iqk;
pub mod iqkss;
pub mod kquant;
mod ladder;
pub mod legacy;
pub mod nonlinear;
pub mod search;
mod shifted_search;
mod superblock;
pub mod ternary;
#[cfg(test)]
mod tests;
mod tiles;
pub mod trellis;
mod trellis_search;
mod vector_search;

use std::marker::PhantomData;

use bytemuck::Pod;
use multiversion::multiversion;
use strum::{FromRepr, VariantArray};

use crate::simd::{self, Simd};

pub use ftype::FileType;
pub use half::{Bhalf, Half};
pub use interleave::Interleaved;

/// A tensor type: how a row of floats lies in memory. One zero-sized struct per type implements it.
///
/// A row of `n` values (`n` a multiple of `BLOCK`) is `ROW_META` bytes of per-row metadata, then `n / BLOCK` blocks of
/// `BLOCK_BYTES` bytes. Types that interleave rows ([`interleave`]) are described by the sizes of their plain rows; what they
/// decode, check and encode are groups of [`BlockFormat::ROWS`] rows.
pub trait BlockFormat {
    const TYPE: Type;
    /// The name that `ggml_type_name` gives.
    const NAME: &'static str;
    /// Values per block.
    const BLOCK: usize;
    /// A block as it lies in memory: made of bytes, so that it needs no alignment.
    type Block: Pod;
    const BLOCK_BYTES: usize = size_of::<Self::Block>();
    /// Bytes in front of each row.
    const ROW_META: usize = 0;
    const QUANTIZED: bool = true;
    /// Quantizing without an importance matrix gives unusable results.
    const NEEDS_IMATRIX: bool = false;
    /// The type into which the other operand of a matrix product is converted (`vec_dot_type` in the reference);
    /// `None` for types that are not multiplied.
    const ACTIVATION: Option<Type> = None;
    /// The type that holds the same numbers with rows interleaved.
    const REPACKED: Option<Type> = None;
    /// Rows that are interleaved with each other.
    const ROWS: usize = 1;
    /// The type that takes the place of one with interleaved rows where rows cannot be interleaved.
    const PLAIN: Option<Type> = None;

    /// How rows are interleaved, for types with more than one of [`BlockFormat::ROWS`].
    fn interleaved() -> Option<&'static Interleaved> {
        None
    }

    /// Decodes one row: `row.len()` is the row size of `out.len()` values.
    fn decode(row: &[u8], out: &mut [f32]);

    /// Whether every scale of the row is finite.
    fn valid(_row: &[u8]) -> bool {
        true
    }
}

/// A type into which floats can be converted.
pub trait Encode: BlockFormat {
    /// Where the reference makes no difference between the quick way and the way that files are made when it has no weights, in
    /// `from_float_ref`, which callers take for the definition of a type.
    const REFERENCE_IS_FAST: bool = false;

    /// Encodes one row of finite values as well as the format allows; `weights`, if given, are the importance of each column (as
    /// many as values, none negative).
    fn encode(values: &[f32], weights: Option<&[f32]>, out: &mut [u8]);

    /// Encodes one row quickly, for data that is made while a model runs (a KV cache).
    fn encode_fast(values: &[f32], out: &mut [u8]) {
        Self::encode(values, None, out);
    }
}

/// A type whose encoder is written over vectors of any level; see [`Encode::encode`].
pub trait EncodeVectors: BlockFormat {
    /// [`Encode::REFERENCE_IS_FAST`].
    const REFERENCE_IS_FAST: bool = false;

    /// `#[inline(always)]`, as everything it calls.
    fn encode<S: Simd>(s: S, values: &[f32], weights: Option<&[f32]>, out: &mut [u8]);

    /// See [`Encode::encode_fast`].
    fn encode_fast(values: &[f32], out: &mut [u8])
    where
        Self: Sized,
    {
        <Self as Encode>::encode(values, None, out);
    }
}

impl<F: EncodeVectors> Encode for F {
    const REFERENCE_IS_FAST: bool = F::REFERENCE_IS_FAST;

    fn encode_fast(values: &[f32], out: &mut [u8]) {
        F::encode_fast(values, out);
    }

    fn encode(values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
        let format = PhantomData::<F>;
        simd::dispatch(EncodeTask {
            format,
            values,
            weights,
            out,
        });
    }
}

/// A call of [`EncodeVectors::encode`].
struct EncodeTask<'a, F> {
    format: PhantomData<F>,
    values: &'a [f32],
    weights: Option<&'a [f32]>,
    out: &'a mut [u8],
}

impl<F: EncodeVectors> simd::Task for EncodeTask<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        F::encode(s, self.values, self.weights, self.out);
    }
}

/// The blocks of a row (what follows its metadata).
#[inline(always)]
pub fn blocks<F: BlockFormat>(row: &[u8]) -> &[F::Block] {
    bytemuck::cast_slice(&row[F::ROW_META..])
}

/// The blocks of a row to be written.
#[inline(always)]
pub fn blocks_mut<F: BlockFormat>(row: &mut [u8]) -> &mut [F::Block] {
    bytemuck::cast_slice_mut(&mut row[F::ROW_META..])
}

/// Decodes a row, see [`BlockFormat::decode`].
pub type DecodeFn = fn(&[u8], &mut [f32]);
/// Encodes a row, see [`Encode::encode`].
pub type EncodeFn = fn(&[f32], Option<&[f32]>, &mut [u8]);
/// Encodes a row quickly, see [`Encode::encode_fast`].
pub type EncodeFastFn = fn(&[f32], &mut [u8]);

/// A line of the table of types: a [`BlockFormat`] as values.
#[derive(Clone, Copy)]
pub struct TypeInfo {
    pub ty: Type,
    pub name: &'static str,
    pub block: usize,
    pub block_bytes: usize,
    pub row_meta: usize,
    pub quantized: bool,
    pub needs_imatrix: bool,
    pub activation: Option<Type>,
    pub repacked: Option<Type>,
    /// [`BlockFormat::ROWS`]: `decode`, `encode`, `encode_fast` and `valid` take groups of so many rows.
    pub rows: usize,
    pub plain: Option<Type>,
    pub interleaved: fn() -> Option<&'static Interleaved>,
    pub decode: DecodeFn,
    /// `None` for types that are only read.
    pub encode: Option<EncodeFn>,
    pub encode_fast: Option<EncodeFastFn>,
    /// [`Encode::REFERENCE_IS_FAST`].
    pub reference_is_fast: bool,
    /// Whether every scale of a row is finite.
    pub valid: fn(&[u8]) -> bool,
}

// The codecs are plain Rust; these wrappers compile each of them once for the baseline and once for x86-64-v3, and choose at
// run time. Fused multiply-adds are spelled out (`mul_add`), so both give the same bits.

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+f16c+fma+lzcnt+movbe"))]
fn decode_row<F: BlockFormat>(row: &[u8], out: &mut [f32]) {
    F::decode(row, out);
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+f16c+fma+lzcnt+movbe"))]
fn encode_row<F: Encode>(values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
    F::encode(values, weights, out);
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+f16c+fma+lzcnt+movbe"))]
fn encode_row_fast<F: Encode>(values: &[f32], out: &mut [u8]) {
    F::encode_fast(values, out);
}

impl TypeInfo {
    /// A type that can be read and written.
    const fn codec<F: Encode>() -> TypeInfo {
        TypeInfo {
            encode: Some(encode_row::<F>),
            encode_fast: Some(encode_row_fast::<F>),
            reference_is_fast: F::REFERENCE_IS_FAST,
            ..TypeInfo::decoder::<F>()
        }
    }

    /// A type that can only be read.
    const fn decoder<F: BlockFormat>() -> TypeInfo {
        TypeInfo {
            ty: F::TYPE,
            name: F::NAME,
            block: F::BLOCK,
            block_bytes: F::BLOCK_BYTES,
            row_meta: F::ROW_META,
            quantized: F::QUANTIZED,
            needs_imatrix: F::NEEDS_IMATRIX,
            activation: F::ACTIVATION,
            repacked: F::REPACKED,
            rows: F::ROWS,
            plain: F::PLAIN,
            interleaved: F::interleaved,
            decode: decode_row::<F>,
            encode: None,
            encode_fast: None,
            reference_is_fast: false,
            valid: F::valid,
        }
    }

    /// Bytes of a row of `n` values. Saturates instead of overflowing.
    pub const fn row_size(&self, n: usize) -> usize {
        (n / self.block)
            .saturating_mul(self.block_bytes)
            .saturating_add(self.row_meta)
    }

    /// Bytes of a group of rows of `n` values each: what the codecs take. Saturates instead of overflowing.
    pub const fn group_size(&self, n: usize) -> usize {
        self.row_size(n).saturating_mul(self.rows)
    }

    /// Rows hold multiples of so many values: those of a block, or more where rows are interleaved.
    pub fn width(&self) -> usize {
        (self.interleaved)().map_or(self.block, Interleaved::width)
    }
}

/// The types that are implemented, one line each.
pub const TYPES: &[TypeInfo] = &[
    TypeInfo::codec::<float::F32>(),
    TypeInfo::codec::<float::F16>(),
    TypeInfo::codec::<float::Bf16>(),
    TypeInfo::codec::<float::F64>(),
    TypeInfo::codec::<float::I8>(),
    TypeInfo::codec::<float::I16>(),
    TypeInfo::codec::<float::I32>(),
    TypeInfo::codec::<float::I64>(),
    TypeInfo::codec::<legacy::Q4_0>(),
    TypeInfo::codec::<legacy::Q4_1>(),
    TypeInfo::codec::<legacy::Q5_0>(),
    TypeInfo::codec::<legacy::Q5_1>(),
    TypeInfo::codec::<legacy::Q6_0>(),
    TypeInfo::codec::<legacy::Q8_0>(),
    TypeInfo::codec::<legacy::Q8_1>(),
    TypeInfo::codec::<kquant::Q2_k>(),
    TypeInfo::codec::<kquant::Q3_k>(),
    TypeInfo::codec::<kquant::Q4_k>(),
    TypeInfo::codec::<kquant::Q5_k>(),
    TypeInfo::codec::<kquant::Q6_k>(),
    TypeInfo::codec::<kquant::Q8_k>(),
    TypeInfo::codec::<nonlinear::Iq4_nl>(),
    TypeInfo::codec::<nonlinear::Iq4_xs>(),
    TypeInfo::codec::<iqk::Iq2_k>(),
    TypeInfo::codec::<iqk::Iq3_k>(),
    TypeInfo::codec::<iqk::Iq4_k>(),
    TypeInfo::codec::<iqk::Iq5_k>(),
    TypeInfo::codec::<iqk::Iq6_k>(),
    TypeInfo::codec::<iqk::Iq2_ks>(),
    TypeInfo::codec::<iqk::Iq3_ks>(),
    TypeInfo::codec::<iqk::Iq4_ks>(),
    TypeInfo::codec::<iqk::Iq5_ks>(),
    TypeInfo::codec::<iqkss::Iq4_kss>(),
    TypeInfo::codec::<iqkss::Iq2_kl>(),
    TypeInfo::codec::<nonlinear::Mxfp4>(),
    TypeInfo::codec::<ternary::Iq1_bn>(),
    TypeInfo::codec::<ternary::Iq2_bn>(),
    TypeInfo::codec::<ternary::Q1_0_g128>(),
    TypeInfo::codec::<activation::Q8_0_x4>(),
    TypeInfo::codec::<activation::Q8_1_x4>(),
    TypeInfo::codec::<activation::Q8_2_x4>(),
    TypeInfo::codec::<activation::Q8_k16>(),
    TypeInfo::codec::<activation::Q8_k32>(),
    TypeInfo::codec::<activation::Q8_k64>(),
    TypeInfo::codec::<activation::Q8_k128>(),
    TypeInfo::codec::<activation::Q8_kr8>(),
    TypeInfo::codec::<activation::Q8_kv>(),
    TypeInfo::decoder::<ternary::I2_s>(),
    TypeInfo::codec::<codebook::Iq2_xxs>(),
    TypeInfo::codec::<codebook::Iq2_xs>(),
    TypeInfo::codec::<codebook::Iq2_s>(),
    TypeInfo::codec::<codebook::Iq3_xxs>(),
    TypeInfo::codec::<codebook::Iq3_s>(),
    TypeInfo::codec::<codebook::Iq1_s>(),
    TypeInfo::codec::<codebook::Iq1_m>(),
    TypeInfo::codec::<trellis::Iq1_kt>(),
    TypeInfo::codec::<trellis::Iq2_kt>(),
    TypeInfo::codec::<trellis::Iq3_kt>(),
    TypeInfo::codec::<trellis::Iq4_kt>(),
    TypeInfo::codec::<interleave::types::Q4_0_4_4>(),
    TypeInfo::codec::<interleave::types::Q4_0_4_8>(),
    TypeInfo::codec::<interleave::types::Q4_0_8_8>(),
    TypeInfo::codec::<interleave::types::Q4_0_r8>(),
    TypeInfo::codec::<interleave::types::Q5_0_r4>(),
    TypeInfo::codec::<interleave::types::Q6_0_r4>(),
    TypeInfo::codec::<interleave::types::Q8_0_r8>(),
    TypeInfo::codec::<interleave::types::Iq4_nl_r4>(),
    TypeInfo::codec::<interleave::types::Q2_k_r4>(),
    TypeInfo::codec::<interleave::types::Q3_k_r4>(),
    TypeInfo::codec::<interleave::types::Q4_k_r4>(),
    TypeInfo::codec::<interleave::types::Q5_k_r4>(),
    TypeInfo::codec::<interleave::types::Q6_k_r4>(),
    TypeInfo::codec::<interleave::types::Iq4_xs_r8>(),
    TypeInfo::codec::<interleave::types::Iq4_ks_r4>(),
    TypeInfo::codec::<interleave::types::Iq5_ks_r4>(),
    TypeInfo::codec::<interleave::types::Iq2_k_r4>(),
    TypeInfo::codec::<interleave::types::Iq3_k_r4>(),
    TypeInfo::codec::<interleave::types::Iq4_k_r4>(),
    TypeInfo::codec::<interleave::types::Iq5_k_r4>(),
    TypeInfo::codec::<interleave::types::Iq2_xxs_r4>(),
    TypeInfo::codec::<interleave::types::Iq2_xs_r4>(),
    TypeInfo::codec::<interleave::types::Iq2_s_r4>(),
    TypeInfo::codec::<interleave::types::Iq3_xxs_r4>(),
    TypeInfo::codec::<interleave::types::Iq3_s_r4>(),
    TypeInfo::codec::<interleave::types::Iq2_bn_r4>(),
    TypeInfo::codec::<interleave::types::Q8_k_r8>(),
    TypeInfo::codec::<interleave::types::Q8_k_r16>(),
    TypeInfo::codec::<interleave::types::Q8_kv_r8>(),
    TypeInfo::codec::<interleave::types::Bf16_r16>(),
    TypeInfo::codec::<interleave::types::Iq1_s_r4>(),
    TypeInfo::codec::<interleave::types::Iq1_m_r4>(),
];

const fn index_by_number() -> [u8; 512] {
    let mut index = [u8::MAX; 512];
    let mut i = 0;
    while i < TYPES.len() {
        index[TYPES[i].ty as usize] = i as u8;
        i += 1;
    }
    index
}
const INDEX: [u8; 512] = index_by_number();

/// Tensor types, numbered as `enum ggml_type` at the ABI level; `Type::from_raw` refuses unknown numbers.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromRepr, VariantArray)]
pub enum Type {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q8_1 = 9,
    Q2_k = 10,
    Q3_k = 11,
    Q4_k = 12,
    Q5_k = 13,
    Q6_k = 14,
    Q8_k = 15,
    Iq2_xxs = 16,
    Iq2_xs = 17,
    Iq3_xxs = 18,
    Iq1_s = 19,
    Iq4_nl = 20,
    Iq3_s = 21,
    Iq2_s = 22,
    Iq4_xs = 23,
    I8 = 24,
    I16 = 25,
    I32 = 26,
    I64 = 27,
    F64 = 28,
    Iq1_m = 29,
    Bf16 = 30,
    Q4_0_4_4 = 31,
    Q4_0_4_8 = 32,
    Q4_0_8_8 = 33,
    I2_s = 36,
    Mxfp4 = 39,
    Q1_0_g128 = 41,
    Q8_0_x4 = 97,
    Q8_1_x4 = 98,
    Q8_2_x4 = 99,
    Q6_0 = 133,
    Iq1_bn = 134,
    Iq2_bn = 135,
    Q8_k64 = 136,
    Iq2_k = 137,
    Iq3_k = 138,
    Iq4_k = 139,
    Iq5_k = 140,
    Iq6_k = 141,
    Iq4_ks = 144,
    Iq2_ks = 145,
    Iq4_kss = 146,
    Q8_k16 = 147,
    Q8_k32 = 148,
    Q8_kr8 = 149,
    Q8_k128 = 150,
    Q8_kv = 151,
    Iq5_ks = 152,
    Iq2_kt = 153,
    Iq3_kt = 154,
    Iq4_kt = 155,
    Iq3_ks = 156,
    Iq2_kl = 157,
    Iq1_kt = 158,
    Q4_0_r8 = 202,
    Q5_0_r4 = 206,
    Q8_0_r8 = 208,
    Q2_k_r4 = 210,
    Q3_k_r4 = 211,
    Q4_k_r4 = 212,
    Q5_k_r4 = 213,
    Q6_k_r4 = 214,
    Iq2_xxs_r4 = 216,
    Iq2_xs_r4 = 217,
    Iq3_xxs_r4 = 218,
    Iq1_s_r4 = 219,
    Iq4_nl_r4 = 220,
    Iq3_s_r4 = 221,
    Iq2_s_r4 = 222,
    Iq4_xs_r8 = 223,
    Iq1_m_r4 = 229,
    Bf16_r16 = 230,
    Q6_0_r4 = 233,
    Iq2_bn_r4 = 335,
    Iq2_k_r4 = 337,
    Iq3_k_r4 = 338,
    Iq4_k_r4 = 339,
    Iq5_k_r4 = 340,
    Iq4_ks_r4 = 344,
    Iq5_ks_r4 = 352,
    Q8_k_r16 = 397,
    Q8_kv_r8 = 398,
    Q8_k_r8 = 399,
}

impl Type {
    /// The type with this number of `enum ggml_type`, if there is one.
    pub fn from_raw(raw: i32) -> Option<Type> {
        usize::try_from(raw)
            .ok()
            .and_then(|r| Type::from_repr(r as _))
    }

    /// The type's line in the table; `None` for types this build does not implement.
    #[inline]
    pub fn info(self) -> Option<&'static TypeInfo> {
        TYPES.get(INDEX[self as usize] as usize)
    }

    /// The place of the type in [`TYPES`]; `None` for types this build does not implement.
    pub const fn index(self) -> Option<usize> {
        let index = INDEX[self as usize] as usize;
        if index < TYPES.len() {
            Some(index)
        } else {
            None
        }
    }

    /// Values per block; 1 for types that are not implemented.
    pub fn block(self) -> usize {
        self.info().map_or(1, |info| info.block)
    }

    /// Bytes per block; 0 for types that are not implemented.
    pub fn block_bytes(self) -> usize {
        self.info().map_or(0, |info| info.block_bytes)
    }

    /// Bytes of a row of `n` values, metadata included; 0 for types that are not implemented.
    pub fn row_size(self, n: usize) -> usize {
        self.info().map_or(0, |info| info.row_size(n))
    }

    /// The name that `ggml_type_name` gives; "unknown" for types that are not implemented.
    pub fn name(self) -> &'static str {
        self.info().map_or("unknown", |info| info.name)
    }

    /// Whether values are packed in blocks with scales; false for types that are not implemented.
    pub fn is_quantized(self) -> bool {
        self.info().is_some_and(|info| info.quantized)
    }

    /// The number of this type in `enum ggml_type`.
    pub fn raw(self) -> i32 {
        self as i32
    }
}
