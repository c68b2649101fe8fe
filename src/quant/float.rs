//! Plain numbers: types whose block is one value.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::{BlockFormat, Type};

pub struct F32;
impl BlockFormat for F32 {
    const TYPE: Type = Type::F32;
    const NAME: &'static str = "f32";
    const BLOCK: usize = 1;
    const BLOCK_BYTES: usize = 4;
    const QUANTIZED: bool = false;
    fn decode(row: &[u8], out: &mut [f32]) {
        for (o, b) in out.iter_mut().zip(row.chunks_exact(4)) {
            *o = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        }
    }
    fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
        for (v, b) in values.iter().zip(out.chunks_exact_mut(4)) {
            b.copy_from_slice(&v.to_le_bytes());
        }
    }
}

pub struct F16;
impl BlockFormat for F16 {
    const TYPE: Type = Type::F16;
    const NAME: &'static str = "f16";
    const BLOCK: usize = 1;
    const BLOCK_BYTES: usize = 2;
    const QUANTIZED: bool = false;
    fn decode(row: &[u8], out: &mut [f32]) {
        for (o, b) in out.iter_mut().zip(row.chunks_exact(2)) {
            *o = f16::from_le_bytes([b[0], b[1]]).to_f32();
        }
    }
    fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
        let mut half = [f16::ZERO; 64];
        for (v, b) in values.chunks(64).zip(out.chunks_mut(128)) {
            half[..v.len()].convert_from_f32_slice(v);
            for (h, b) in half.iter().zip(b.chunks_exact_mut(2)) {
                b.copy_from_slice(&h.to_le_bytes());
            }
        }
    }
}
