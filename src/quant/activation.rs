//! Types made only of what a model computes, to be multiplied with weights: signed bytes with scales and sums in the layouts that
//! the reference's kernels want: q8_0_x4, q8_1_x4, q8_2_x4 (four 32-wide blocks with their scales first), q8_K32, q8_KR8, q8_K128,
//! and, with the scales of a whole row in front of it, q8_K16, q8_K64, q8_KV.

use super::kquant::Q8_kBlock;
use super::superblock::BLOCK;
use super::{Bhalf, BlockFormat, Encode, Half, Type, blocks, blocks_mut, search};

/// Bytes for a group of values under one scale: the scale and how many multiples of it each value is, -127 to 127.
#[inline(always)]
fn scale_of(amax: f32) -> (f32, f32) {
    // 127 times the scale must not round to infinity, nor its inverse.
    let d = amax.min(3.4e38) / 127.0;
    (d, over(1.0, d))
}

/// `a / b`; 0 where that would be too large.
#[inline(always)]
fn over(a: f32, b: f32) -> f32 {
    if b > a * 1e-38 { a / b } else { 0.0 }
}

#[inline(always)]
fn amax(x: &[f32]) -> f32 {
    search::magnitude(x)
}

#[inline(always)]
fn byte(v: f32, inverse: f32) -> i8 {
    search::byte(v * inverse)
}

/// Defines a type of 32-wide blocks of which each four lie together: their scales, then their sums, then their bytes. What is
/// left at the end of a row are single blocks.
macro_rules! by_four {
    ($ty:ident, $name:literal, header: $header:literal, scale: $scale:ty,
     inverse: $inverse:expr, sum: $sum:expr) => {
        pub struct $ty;
        impl $ty {
            /// Where the scale, the sum and the bytes of block `i` of `n` lie.
            #[inline(always)]
            fn places(i: usize, n: usize) -> (usize, usize, usize) {
                let size = $header + 32;
                if i < n / 4 * 4 {
                    let (start, k) = (i / 4 * 4 * size, i % 4);
                    (
                        start + 2 * k,
                        start + 8 + 2 * k,
                        start + 4 * $header + 32 * k,
                    )
                } else {
                    (i * size, i * size + 2, i * size + $header)
                }
            }
        }
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = 32;
            type Block = [u8; $header + 32];

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                let n = out.len() / 32;
                for (i, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
                    let (scale, _, bytes) = Self::places(i, n);
                    let d = bytemuck::pod_read_unaligned::<$scale>(&row[scale..scale + 2]).get();
                    for (o, b) in out.iter_mut().zip(&row[bytes..bytes + 32]) {
                        *o = d * f32::from(*b as i8);
                    }
                }
            }

            fn valid(row: &[u8]) -> bool {
                let n = row.len() / Self::BLOCK_BYTES;
                (0..n).all(|i| {
                    let (scale, _, _) = Self::places(i, n);
                    bytemuck::pod_read_unaligned::<$scale>(&row[scale..scale + 2]).is_finite()
                })
            }
        }
        impl Encode for $ty {
            #[inline(always)]
            fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
                let n = values.len() / 32;
                for (i, x) in values.as_chunks::<32>().0.iter().enumerate() {
                    let (scale, sum_at, bytes) = Self::places(i, n);
                    let top = amax(x);
                    let stored = <$scale>::saturating(top / 127.0);
                    out[scale..scale + 2].copy_from_slice(bytemuck::bytes_of(&stored));
                    let inverse: fn(f32, $scale) -> f32 = $inverse;
                    let inverse = inverse(top, stored);
                    let mut total = 0;
                    for (b, v) in out[bytes..bytes + 32].iter_mut().zip(x) {
                        let q = byte(*v, inverse);
                        total += i32::from(q);
                        *b = q as u8;
                    }
                    let store_sum: Option<fn(i32, f32) -> [u8; 2]> = $sum;
                    if let Some(store_sum) = store_sum {
                        out[sum_at..sum_at + 2].copy_from_slice(&store_sum(total, top / 127.0));
                    }
                }
            }
        }
    };
}

by_four!(Q8_0_x4, "q8_0_x4", header: 2, scale: Half, inverse: |top, _| over(127.0, top), sum: None);
// The sum is in units of the values.
by_four!(Q8_1_x4, "q8_1_x4", header: 4, scale: Half, inverse: |top, _| over(1.0, top / 127.0),
    sum: Some(|sum, d| bytemuck::cast(Half::saturating(sum as f32 * d))));
// The sum is in units of the scale; the bytes are for the scale as it is stored.
by_four!(Q8_2_x4, "q8_2_x4", header: 4, scale: Bhalf, inverse: |_, stored| over(1.0, stored.get()),
    sum: Some(|sum, _| (sum as i16).to_le_bytes()));

/// Defines a type with the blocks of q8_K.
macro_rules! like_q8_k {
    ($ty:ident, $name:literal, $encode:expr) => {
        pub struct $ty;
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = BLOCK;
            type Block = Q8_kBlock;

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                super::kquant::Q8_k::decode(row, out);
            }

            fn valid(row: &[u8]) -> bool {
                super::kquant::Q8_k::valid(row)
            }
        }
        impl Encode for $ty {
            #[inline(always)]
            fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
                let encode: fn(&[f32; BLOCK]) -> Q8_kBlock = $encode;
                for (block, x) in blocks_mut::<Self>(out)
                    .iter_mut()
                    .zip(values.as_chunks::<BLOCK>().0)
                {
                    *block = encode(x);
                }
            }
        }
    };
}

like_q8_k!(Q8_kr8, "q8_KR8", Q8_kBlock::new);
// Instead of the sums of 16 bytes the products of scale and sums of 32.
like_q8_k!(Q8_k32, "q8_K32", |x| {
    let mut block = Q8_kBlock::new(x);
    let d = f32::from_le_bytes(block.d);
    let mut total = 0.0;
    for (to, bytes) in block
        .bsums
        .as_chunks_mut::<2>()
        .0
        .iter_mut()
        .zip(block.qs.as_chunks::<32>().0)
    {
        let sum = d * bytes.iter().map(|q| i32::from(*q)).sum::<i32>() as f32;
        total += sum;
        *to = bytemuck::cast(sum.to_le_bytes());
    }
    block.sum = total.to_le_bytes();
    block
});

/// 128 bytes, their scale and their sums by 32.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Q8_k128Block {
    pub d: [u8; 4],
    pub bsums: [[u8; 2]; 4],
    pub qs: [i8; 128],
}

pub struct Q8_k128;
impl BlockFormat for Q8_k128 {
    const TYPE: Type = Type::Q8_k128;
    const NAME: &'static str = "q8_K128";
    const BLOCK: usize = 128;
    type Block = Q8_k128Block;

    #[inline(always)]
    fn decode(row: &[u8], out: &mut [f32]) {
        for (block, out) in blocks::<Self>(row).iter().zip(out.as_chunks_mut::<128>().0) {
            let d = f32::from_le_bytes(block.d);
            for (o, q) in out.iter_mut().zip(&block.qs) {
                *o = d * f32::from(*q);
            }
        }
    }

    fn valid(row: &[u8]) -> bool {
        blocks::<Self>(row)
            .iter()
            .all(|b| f32::from_le_bytes(b.d).is_finite())
    }
}
impl Encode for Q8_k128 {
    #[inline(always)]
    fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
        for (block, x) in blocks_mut::<Self>(out)
            .iter_mut()
            .zip(values.as_chunks::<128>().0)
        {
            let top = amax(x);
            block.d = scale_of(top).0.to_le_bytes();
            let inverse = over(127.0, top);
            for (q, v) in block.qs.iter_mut().zip(x) {
                *q = byte(*v, inverse);
            }
            for (sum, qs) in block.bsums.iter_mut().zip(block.qs.as_chunks::<32>().0) {
                *sum = qs.iter().map(|q| i16::from(*q)).sum::<i16>().to_le_bytes();
            }
        }
    }
}

/// Which scale value `j` of a row has: runs of values take them in turn.
#[inline(always)]
fn lane(j: usize, run: usize, lanes: usize) -> usize {
    j / run % lanes
}

/// Defines a type with the scales of a whole row in front of it: `$lanes` of them, of which value `j` has number `j / $run % $lanes`.
/// `$finish` writes what else is there, given the scales and the sums of their bytes.
macro_rules! by_row {
    ($ty:ident, $name:literal, block: $block:literal of $bytes:literal, meta: $meta:literal, header: $header:literal,
     lanes: $lanes:literal by $run:literal,
     activation: $activation:expr, $finish:expr) => {
        pub struct $ty;
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = $block;
            type Block = [u8; $bytes];
            const ROW_META: usize = $meta;
            const ACTIVATION: Option<Type> = $activation;

            #[inline(always)]
            fn decode(row: &[u8], out: &mut [f32]) {
                // Rows too short for the scales hold nothing.
                if row.len() < $header + out.len() {
                    return out.fill(0.0);
                }
                let (scales, bytes) = row.split_at($header);
                let mut d = [0f32; $lanes];
                for (d, b) in d.iter_mut().zip(scales.as_chunks().0) {
                    *d = f32::from_le_bytes(*b);
                }
                for (j, (o, b)) in out.iter_mut().zip(bytes).enumerate() {
                    *o = d[lane(j, $run, $lanes)] * f32::from(*b as i8);
                }
            }
        }
        impl Encode for $ty {
            #[inline(always)]
            fn encode(values: &[f32], _weights: Option<&[f32]>, out: &mut [u8]) {
                if out.len() < $header + values.len() {
                    return out.fill(0);
                }
                let (header, bytes) = out.split_at_mut($header);
                let mut top = [0f32; $lanes];
                if $lanes == 1 {
                    top[0] = amax(values);
                } else {
                    for (j, v) in values.iter().enumerate() {
                        let top = &mut top[lane(j, $run, $lanes)];
                        *top = top.max(v.abs());
                    }
                }
                let mut scales = [(0.0, 0.0); $lanes];
                for (scale, top) in scales.iter_mut().zip(top) {
                    *scale = scale_of(top);
                }
                let mut sums = [0i32; $lanes];
                for (j, (b, v)) in bytes.iter_mut().zip(values).enumerate() {
                    // Of a whole number, which needs no sign extended, to be added up.
                    let q = search::whole(*v * scales[lane(j, $run, $lanes)].1);
                    sums[lane(j, $run, $lanes)] += q;
                    // Held within a byte, which it is anyway, so that vectors are narrowed by saturation, the cheapest way.
                    *b = q.clamp(-128, 127) as u8;
                }
                for (b, (d, _)) in header.as_chunks_mut().0.iter_mut().zip(scales) {
                    *b = d.to_le_bytes();
                }
                let finish: fn(&mut [u8], [(f32, f32); $lanes], [i32; $lanes]) = $finish;
                finish(&mut header[4 * $lanes..], scales, sums);
            }
        }
    };
}

// Behind the four scales: the sum of all values.
by_row!(Q8_k16, "q8_K16", block: 64 of 64, meta: 20, header: 20, lanes: 4 by 16, activation: None, |rest, scales, sums| {
    let sum: f32 = (0..4).map(|k| scales[k].0 * sums[k] as f32).sum();
    rest.copy_from_slice(&sum.to_le_bytes());
});
// Behind the four scales: the sums of their values. The room for both is counted as part of the blocks.
by_row!(Q8_k64, "q8_K64", block: 64 of 68, meta: 0, header: 32, lanes: 4 by 4, activation: None, |rest, scales, sums| {
    for (k, b) in rest.as_chunks_mut().0.iter_mut().enumerate() {
        *b = (scales[k].0 * sums[k] as f32).to_le_bytes();
    }
});
// Behind the scale: the sum of the bytes.
by_row!(Q8_kv, "q8_KV", block: 32 of 32, meta: 8, header: 8, lanes: 1 by 32,
    activation: Some(Type::Q8_kv), |rest, _, sums| {
    rest.copy_from_slice(&sums[0].to_le_bytes());
});
