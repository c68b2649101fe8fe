//! Plain numbers: types whose block is one value.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::{Bhalf, Half, blocks, blocks_mut};
use super::{BlockFormat, Encode, Type};

/// Defines a type of plain numbers by its conversions to and from `f32`.
macro_rules! plain {
    ($ty:ident, $name:literal, $block:ty, activation: $activation:expr,
     decode: $decode:expr, encode: $encode:expr, valid: $valid:expr) => {
        pub struct $ty;
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = 1;
            type Block = $block;
            const QUANTIZED: bool = false;
            const ACTIVATION: Option<Type> = $activation;

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                for (value, o) in blocks::<Self>(row).iter().zip(out) {
                    *o = $decode(*value);
                }
            }

            fn valid(row: &[u8]) -> bool {
                blocks::<Self>(row).iter().all($valid)
            }
        }
        impl Encode for $ty {
            #[inline(always)]
            fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
                for (o, value) in blocks_mut::<Self>(out).iter_mut().zip(values) {
                    *o = $encode(*value);
                }
            }
        }
    };
}

plain!(F32, "f32", [u8; 4], activation: Some(Type::F32),
    decode: f32::from_le_bytes,
    encode: f32::to_le_bytes,
    valid: |b| f32::from_le_bytes(*b).is_finite());
plain!(Bf16, "bf16", Bhalf, activation: Some(Type::Bf16),
    decode: Bhalf::get,
    encode: Bhalf::new,
    valid: |b| b.is_finite());
plain!(F64, "f64", [u8; 8], activation: None,
    decode: |b| f64::from_le_bytes(b) as f32,
    encode: |v: f32| f64::from(v).to_le_bytes(),
    valid: |b| f64::from_le_bytes(*b).is_finite());
plain!(I8, "i8", [u8; 1], activation: None,
    decode: |b| f32::from(i8::from_le_bytes(b)),
    encode: |v: f32| (v as i8).to_le_bytes(),
    valid: |_| true);
plain!(I16, "i16", [u8; 2], activation: None,
    decode: |b| f32::from(i16::from_le_bytes(b)),
    encode: |v: f32| (v as i16).to_le_bytes(),
    valid: |_| true);
plain!(I32, "i32", [u8; 4], activation: None,
    decode: |b| i32::from_le_bytes(b) as f32,
    encode: |v: f32| (v as i32).to_le_bytes(),
    valid: |_| true);
plain!(I64, "i64", [u8; 8], activation: None,
    decode: |b| i64::from_le_bytes(b) as f32,
    encode: |v: f32| (v as i64).to_le_bytes(),
    valid: |_| true);

/// Half floats, converted in runs so that the `half` crate can use vector instructions.
pub struct F16;
const RUN: usize = 64;
impl BlockFormat for F16 {
    const TYPE: Type = Type::F16;
    const NAME: &'static str = "f16";
    const BLOCK: usize = 1;
    type Block = Half;
    const QUANTIZED: bool = false;
    const ACTIVATION: Option<Type> = Some(Type::F16);

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        let mut run = [f16::ZERO; RUN];
        for (bytes, o) in row.chunks(2 * RUN).zip(out.chunks_mut(RUN)) {
            for (h, b) in run.iter_mut().zip(bytes.as_chunks().0) {
                *h = f16::from_le_bytes(*b);
            }
            run[..o.len()].convert_to_f32_slice(o);
        }
    }

    fn valid(row: &[u8]) -> bool {
        blocks::<Self>(row).iter().all(|h| h.is_finite())
    }
}
impl Encode for F16 {
    #[inline(always)]
    fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
        let mut run = [f16::ZERO; RUN];
        for (v, bytes) in values.chunks(RUN).zip(out.chunks_mut(2 * RUN)) {
            run[..v.len()].convert_from_f32_slice(v);
            for (h, b) in run.iter().zip(bytes.as_chunks_mut().0) {
                *b = h.to_le_bytes();
            }
        }
    }
}
