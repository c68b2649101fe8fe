//! The interleaved types, one line each.

use super::engine::Interleaved;
use super::{layouts, rows};
use crate::quant::{
    BlockFormat, Encode, Type, TypeInfo, codebook, iqk, kquant, legacy, nonlinear, ternary,
};

/// Defines a type that interleaves `$rows` rows of the format `$row`, `$unit` blocks of each at a time, in the order that `$layout`
/// says, after `$fix` has changed the blocks. Where rows cannot be interleaved, `$plain` takes its place.
macro_rules! interleaved {
    ($ty:ident, $name:literal, $rows:literal rows of $row:ty, $unit:literal blocks by $layout:ident $(::<$($n:literal),+>)?,
     fix: $fix:expr, plain: $plain:ident, activation: $activation:ident) => {
        pub struct $ty;
        impl $ty {
            fn this() -> &'static Interleaved {
                static THIS: Interleaved = Interleaved::new(
                    Type::$ty,
                    TypeInfo::codec::<$row>(),
                    $rows,
                    $unit,
                    layouts::$layout$(::<$($n),+>)?,
                    $fix,
                );
                &THIS
            }
        }
        impl BlockFormat for $ty {
            const TYPE: Type = Type::$ty;
            const NAME: &'static str = $name;
            const BLOCK: usize = <$row>::BLOCK;
            type Block = <$row as BlockFormat>::Block;
            const ROW_META: usize = <$row>::ROW_META;
            const QUANTIZED: bool = <$row>::QUANTIZED;
            const ROWS: usize = $rows;
            const PLAIN: Option<Type> = Some(Type::$plain);
            const ACTIVATION: Option<Type> = Some(Type::$activation);

            fn interleaved() -> Option<&'static Interleaved> {
                Some(Self::this())
            }
            fn decode(group: &[u8], out: &mut [f32]) {
                Self::this().decode(group, out);
            }
            fn valid(group: &[u8]) -> bool {
                Self::this().valid(group)
            }
        }
        impl Encode for $ty {
            const REFERENCE_IS_FAST: bool = <$row>::REFERENCE_IS_FAST;

            fn encode(values: &[f32], weights: Option<&[f32]>, out: &mut [u8]) {
                Self::this().encode(values, weights, out);
            }
            fn encode_fast(values: &[f32], out: &mut [u8]) {
                Self::this().encode_fast(values, out);
            }
        }
    };
}

interleaved!(Q4_0_4_4, "q4_0_4x4", 4 rows of legacy::Q4_0, 1 blocks by q4_0_runs::<4, 4>, fix: Some(layouts::xor_nibbles),
    plain: Q4_0, activation: Q8_0);
interleaved!(Q4_0_4_8, "q4_0_4x8", 4 rows of legacy::Q4_0, 1 blocks by q4_0_runs::<4, 8>, fix: Some(layouts::xor_nibbles),
    plain: Q4_0, activation: Q8_0);
interleaved!(Q4_0_8_8, "q4_0_8x8", 8 rows of legacy::Q4_0, 1 blocks by q4_0_runs::<8, 8>, fix: Some(layouts::xor_nibbles),
    plain: Q4_0, activation: Q8_0);
interleaved!(Q4_0_r8, "q4_0_r8", 8 rows of legacy::Q4_0, 1 blocks by q4_0, fix: None,
    plain: Q4_0, activation: Q8_2_x4);
interleaved!(Q5_0_r4, "q5_0_r4", 4 rows of legacy::Q5_0, 1 blocks by q5_0, fix: None,
    plain: Q5_0, activation: Q8_2_x4);
interleaved!(Q6_0_r4, "q6_0_r4", 4 rows of legacy::Q6_0, 1 blocks by q6_0, fix: None,
    plain: Q6_0, activation: Q8_2_x4);
interleaved!(Q8_0_r8, "q8_0_r8", 8 rows of legacy::Q8_0, 1 blocks by q8_0, fix: None,
    plain: Q8_0, activation: Q8_2_x4);
interleaved!(Iq4_nl_r4, "iq4_nl_r4", 4 rows of nonlinear::Iq4_nl, 1 blocks by iq4_nl, fix: None,
    plain: Iq4_nl, activation: Q8_2_x4);
interleaved!(Q2_k_r4, "q2_k_r4", 4 rows of kquant::Q2_k, 1 blocks by q2_k, fix: None,
    plain: Q2_k, activation: Q8_k);
interleaved!(Q3_k_r4, "q3_k_r4", 4 rows of kquant::Q3_k, 1 blocks by q3_k, fix: None,
    plain: Q3_k, activation: Q8_k);
interleaved!(Q4_k_r4, "q4_k_r4", 4 rows of kquant::Q4_k, 1 blocks by q4_k, fix: None,
    plain: Q4_k, activation: Q8_k32);
interleaved!(Q5_k_r4, "q5_k_r4", 4 rows of kquant::Q5_k, 1 blocks by q5_k, fix: None,
    plain: Q5_k, activation: Q8_k32);
interleaved!(Q6_k_r4, "q6_k_r4", 4 rows of kquant::Q6_k, 1 blocks by q6_k, fix: None,
    plain: Q6_k, activation: Q8_k);
interleaved!(Iq4_xs_r8, "iq4_xs_r8", 8 rows of nonlinear::Iq4_xs, 1 blocks by iq4_xs, fix: None,
    plain: Iq4_xs, activation: Q8_k32);
interleaved!(Iq4_ks_r4, "iq4_ks_r4", 4 rows of iqk::Iq4_ks, 1 blocks by iq4_ks, fix: None,
    plain: Iq4_ks, activation: Q8_k32);
interleaved!(Iq5_ks_r4, "iq5_ks_r4", 4 rows of iqk::Iq5_ks, 1 blocks by iq5_ks, fix: None,
    plain: Iq5_ks, activation: Q8_k32);
interleaved!(Iq2_k_r4, "iq2_k_r4", 4 rows of iqk::Iq2_k, 1 blocks by iq2_k, fix: None,
    plain: Iq2_k, activation: Q8_k);
interleaved!(Iq3_k_r4, "iq3_k_r4", 4 rows of iqk::Iq3_k, 1 blocks by iq3_k, fix: None,
    plain: Iq3_k, activation: Q8_k);
interleaved!(Iq4_k_r4, "iq4_k_r4", 4 rows of iqk::Iq4_k, 1 blocks by iq4_k, fix: None,
    plain: Iq4_k, activation: Q8_k);
interleaved!(Iq5_k_r4, "iq5_k_r4", 4 rows of iqk::Iq5_k, 1 blocks by iq5_k, fix: None,
    plain: Iq5_k, activation: Q8_k);
interleaved!(Iq2_xxs_r4, "iq2_xxs_r4", 4 rows of codebook::Iq2_xxs, 1 blocks by iq2_xxs, fix: Some(layouts::iq2_xxs_signs),
    plain: Iq2_xxs, activation: Q8_k);
interleaved!(Iq2_xs_r4, "iq2_xs_r4", 4 rows of codebook::Iq2_xs, 1 blocks by iq2_xs, fix: Some(layouts::iq2_xs_signs),
    plain: Iq2_xs, activation: Q8_k);
interleaved!(Iq2_s_r4, "iq2_s_r4", 4 rows of codebook::Iq2_s, 1 blocks by iq2_s, fix: None,
    plain: Iq2_s, activation: Q8_k);
interleaved!(Iq3_xxs_r4, "iq3_xxs_r4", 4 rows of codebook::Iq3_xxs, 1 blocks by iq3_xxs, fix: Some(layouts::iq3_xxs_signs),
    plain: Iq3_xxs, activation: Q8_k);
interleaved!(Iq3_s_r4, "iq3_s_r4", 4 rows of codebook::Iq3_s, 1 blocks by iq3_s, fix: None,
    plain: Iq3_s, activation: Q8_k);
interleaved!(Iq2_bn_r4, "iq2_bn_r4", 4 rows of ternary::Iq2_bn, 1 blocks by iq2_bn, fix: None,
    plain: Iq2_bn, activation: Q8_k16);
interleaved!(Q8_k_r8, "q8_k_r8", 8 rows of rows::Q8_k_r8Row, 1 blocks by q8_k::<8>, fix: None,
    plain: Q8_0, activation: Q8_k);
interleaved!(Q8_k_r16, "q8_k_r16", 16 rows of rows::Q8_k_r16Row, 1 blocks by q8_k::<16>, fix: Some(layouts::xor_signs),
    plain: Q8_0, activation: Q8_k);
interleaved!(Q8_kv_r8, "q8_KV_r8", 8 rows of rows::Q8_kv_r8Row, 1 blocks by q8_kv, fix: None,
    plain: Q8_kv, activation: Q8_kv);
interleaved!(Bf16_r16, "bf16_r16", 16 rows of rows::Bf16_r16Row, 2 blocks by bf16, fix: None,
    plain: Bf16, activation: Bf16);
interleaved!(Iq1_s_r4, "iq1_s_r4", 4 rows of rows::Iq1_s_r4Row, 1 blocks by iq1_s, fix: None,
    plain: Iq1_s, activation: Q8_k128);
interleaved!(Iq1_m_r4, "iq1_m_r4", 4 rows of rows::Iq1_m_r4Row, 1 blocks by iq1_m, fix: None,
    plain: Iq1_m, activation: Q8_k128);
