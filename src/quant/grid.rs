//! The uneven grids of the non-linear types: denser around zero, as weights are.

use super::search::Grid;

/// The values of a grid as floats, with `shift` added.
const fn floats<const N: usize>(values: [i8; N], shift: i8) -> [f32; N] {
    let mut out = [0.0; N];
    let mut i = 0;
    while i < N {
        out[i] = (values[i] + shift) as f32;
        i += 1;
    }
    out
}

/// Defines a grid by its values.
macro_rules! grid {
    ($(#[$doc:meta])* $name:ident, $n:literal, $shift:expr, $values:expr) => {
        $(#[$doc])*
        pub struct $name;
        impl $name {
            pub const VALUES: [f32; $n] = floats($values, $shift);
        }
        impl Grid for $name {
            const CODES: usize = $n;
            #[inline(always)]
            fn value(code: u8) -> f32 {
                Self::VALUES[usize::from(code) % $n]
            }
            #[inline(always)]
            fn nearest(a: f32, b: f32) -> f32 {
                let t = a * b;
                let mut v = Self::VALUES[0];
                for pair in Self::VALUES.array_windows::<2>() {
                    v += if t > 0.5 * (pair[0] + pair[1]) { pair[1] - pair[0] } else { 0.0 };
                }
                v
            }
            #[inline(always)]
            fn code(t: f32) -> u8 {
                let pairs = Self::VALUES.array_windows::<2>();
                pairs.map(|pair| u8::from(t > 0.5 * (pair[0] + pair[1]))).sum()
            }
        }
    };
}

const IQ4: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

grid!(
    /// Of iq4_nl, iq4_xs and the first of iq4_k, iq4_ks, iq4_kss.
    Iq4, 16, 0, IQ4);
