//! What holds for every line of the table: rows of any bytes decode, rows of any finite values encode to blocks that decode to
//! finite values, and ordinary values come back about as well as their bits allow.

use proptest::prelude::*;

use super::{TYPES, Type, TypeInfo};
use crate::simd::{self, Level};

/// A row length that every type can hold.
const ROW: usize = 1024;

/// Independent numbers of a normal distribution.
fn gaussian(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    let mut normal = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
    (0..n).map(|_| normal() as f32).collect()
}

/// Encodes a row, or a group of such rows.
fn encode(info: &TypeInfo, values: &[f32], weights: Option<&[f32]>) -> Option<Vec<u8>> {
    let mut group = vec![0; info.group_size(values.len())];
    info.encode?(&values.repeat(info.rows), weights, &mut group);
    Some(group)
}

/// Decodes rows of `n` values; returns the last.
fn decode(info: &TypeInfo, group: &[u8], n: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; n * info.rows];
    (info.decode)(group, &mut out);
    out.split_off(n * (info.rows - 1))
}

/// Types that are not another type's rows interleaved.
fn is_original(info: &&TypeInfo) -> bool {
    (info.interleaved)().is_none_or(|i| i.plain.ty == info.ty)
}

/// A recipe for a row as broken models have them.
#[derive(Clone, Copy, Debug)]
struct Row {
    magnitude: f32,
    kind: u8,
    at: usize,
    seed: u64,
}

impl Row {
    fn any() -> impl Strategy<Value = Row> {
        let magnitudes = [
            0.0,
            1e-45,
            1e-38,
            1e-20,
            1e-15,
            1e-8,
            1.0,
            1e6,
            1e20,
            1e30,
            f32::MAX,
        ];
        let magnitude = prop::sample::select(magnitudes.to_vec());
        (magnitude, 0..7u8, 0..ROW, any::<u64>()).prop_map(|(magnitude, kind, at, seed)| Row {
            magnitude,
            kind,
            at,
            seed,
        })
    }

    fn values(self) -> Vec<f32> {
        let noise = gaussian(self.seed, ROW);
        let limited = |v: f32| (v * self.magnitude).clamp(f32::MIN, f32::MAX);
        let mut row: Vec<f32> = match self.kind {
            0 => vec![self.magnitude; ROW],
            1 => vec![-self.magnitude; ROW],
            2 => vec![0.0; ROW],
            3 => noise.iter().map(|v| limited(v.signum())).collect(),
            4 => noise.iter().map(|v| limited(*v * 0.25)).collect(),
            // From denormals to the largest numbers.
            5 => noise
                .iter()
                .map(|v| limited(v * (120.0 * (1e4 * v).sin()).exp2()))
                .collect(),
            _ => noise.iter().map(|v| v * 1e-3).collect(),
        };
        row[self.at] = if self.seed.is_multiple_of(2) {
            self.magnitude
        } else {
            -self.magnitude
        };
        row
    }

    /// Importance of the columns as unlucky matrices have it; the recipe's magnitude does not matter.
    fn weights(self) -> Option<Vec<f32>> {
        let noise = gaussian(self.seed, ROW);
        Some(match self.kind {
            0 => return None,
            1 => vec![0.0; ROW],
            2 => (0..ROW)
                .map(|i| if i == self.at { 1.0 } else { 0.0 })
                .collect(),
            3 => noise.iter().map(|v| v.abs() * 1e30).collect(),
            4 => noise.iter().map(|v| v.abs() * 1e-40).collect(),
            5 => noise
                .iter()
                .map(|v| v.signum().max(0.0) * f32::MAX)
                .collect(),
            _ => noise.iter().map(|v| v.max(0.0)).collect(),
        })
    }
}

/// Every encoder makes blocks of a row that decode to finite values.
fn encodes_to_finite_blocks(row: &[f32], weights: Option<&[f32]>, level: Level) {
    let finite = |values: &[f32]| values.iter().all(|v| v.is_finite());
    for info in TYPES
        .iter()
        .filter(is_original)
        .filter(|info| info.quantized)
    {
        let Some(bytes) = encode(info, row, weights) else {
            continue;
        };
        let name = format!("{} at level {}", info.name, level.name());
        assert!((info.valid)(&bytes), "{name}: a scale is not finite");
        assert!(finite(&decode(info, &bytes, ROW)), "{name}: not finite");
        if let Some(encode_fast) = info.encode_fast {
            let mut fast = vec![0; bytes.len()];
            encode_fast(&row.repeat(info.rows), &mut fast);
            assert!(
                finite(&decode(info, &fast, ROW)),
                "{name}: not finite, fast"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_rows_encode_to_finite_blocks(row in Row::any(), weights in Row::any()) {
        let (row, weights) = (row.values(), weights.weights());
        simd::at_all_levels(|level| encodes_to_finite_blocks(&row, weights.as_deref(), level));
    }

    #[test]
    fn any_bytes_decode(seed in any::<u64>()) {
        for info in TYPES {
            let noise = gaussian(seed, info.group_size(ROW));
            let bytes: Vec<u8> = noise.iter().map(|v| v.to_bits() as u8).collect();
            decode(info, &bytes, ROW);
            (info.valid)(&bytes);
        }
    }
}

/// The root mean square error of `b`, relative to the root mean square of `a`.
fn relative_error(a: &[f32], b: &[f32]) -> f64 {
    let square = |v: f64| v * v;
    let error: f64 = a.iter().zip(b).map(|(a, b)| square(f64::from(a - b))).sum();
    let power: f64 = a.iter().map(|v| square(f64::from(*v))).sum();
    (error / power).sqrt()
}

#[test]
fn ordinary_values_come_back() {
    let values = gaussian(7, ROW);
    for info in TYPES.iter().filter(is_original).filter(|i| i.quantized) {
        let Some(bytes) = encode(info, &values, None) else {
            continue;
        };
        let error = relative_error(&values, &decode(info, &bytes, ROW));
        // The best that any code of so many bits can do is 2^-bits; scales and even steps cost something,
        // the more so the more bits there are.
        let bits = 8.0 * info.row_size(ROW) as f64 / ROW as f64;
        assert!(
            error < 3.0 * (-bits).exp2() + 0.006,
            "{}: {error} at {bits} bits",
            info.name
        );
    }
}

#[test]
fn ternary_rows_come_back_exactly() {
    // Few that are not zero, and many; weights that say nothing of them.
    for (seed, share) in [(1, 0.01), (2, 0.7), (3, 2.0)] {
        let scale = 0.013_671_875 * (1.0 + seed as f32 / 7.0);
        let row: Vec<f32> = gaussian(seed, ROW)
            .iter()
            .map(|v| {
                if v.abs() < share {
                    scale.copysign(*v)
                } else {
                    0.0
                }
            })
            .collect();
        let weights: Vec<f32> = gaussian(9, ROW).iter().map(|v| v.abs()).collect();
        let iq2_bn = Type::Iq2_bn.info().unwrap();
        for weights in [None, Some(&*weights), Some(&[0.0; ROW])] {
            let bytes = encode(iq2_bn, &row, weights).unwrap();
            assert!(decode(iq2_bn, &bytes, ROW) == row, "{share}");
        }
    }
}

#[test]
fn types_without_a_search_have_the_same_bytes_at_every_level() {
    use Type::*;
    let mut values = gaussian(13, ROW);
    // Both signs of the largest magnitude, ties, and a block of zeros.
    values[3] = 5.0;
    values[20] = -5.0;
    values[64..96].fill(0.0);
    for (i, v) in values[96..224].iter_mut().enumerate() {
        *v = i as f32 / 127.0 - 0.5;
    }
    for ty in [Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q8_1] {
        let info = ty.info().unwrap();
        let mut bytes = Vec::new();
        simd::at_all_levels(|_| bytes.push(encode(info, &values, None)));
        assert!(
            bytes.iter().all(|b| *b == bytes[0]),
            "{}: other bytes at another level",
            info.name
        );
    }
}

#[test]
fn weights_move_the_error_to_other_columns() {
    let values = gaussian(11, ROW);
    let weights: Vec<f32> = (0..ROW)
        .map(|i| if i % 2 == 0 { 1.0 } else { 0.01 })
        .collect();
    let half = |v: &[f32]| v.iter().copied().step_by(2).collect::<Vec<_>>();
    for info in TYPES
        .iter()
        .filter(is_original)
        .filter(|info| info.quantized && !info.name.starts_with("q8"))
    {
        let Some(plain) = encode(info, &values, None) else {
            continue;
        };
        let weighted = encode(info, &values, Some(&weights)).unwrap_or_default();
        let plain = relative_error(&half(&values), &half(&decode(info, &plain, ROW)));
        let weighted = relative_error(&half(&values), &half(&decode(info, &weighted, ROW)));
        assert!(
            weighted < plain,
            "{}: {weighted} with weights, {plain} without",
            info.name
        );
    }
}

#[test]
fn names_and_numbers_are_unique() {
    for (i, a) in TYPES.iter().enumerate() {
        assert_eq!(a.ty.index(), Some(i));
        assert!(
            TYPES[..i].iter().all(|b| b.name != a.name && b.ty != a.ty),
            "{}",
            a.name
        );
    }
}
