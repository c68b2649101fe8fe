//! Grids: the values that the codes of a type stand for, even or denser around zero, as weights are.

use std::sync::LazyLock;

use super::search::{LANES, Lanes, limit, round_product};
use crate::simd::Simd;

/// The values that codes stand for, ascending.
pub trait Grid: Copy {
    const CODES: usize;
    /// Whether each value may have any code, whatever its neighbours have.
    const FREE: bool = true;
    /// Whether [`Grid::shift`] may be other than 0.
    const SHIFTED: bool = false;
    fn value(&self, code: u8) -> f32;
    /// The grid value nearest to `a * b`.
    fn nearest(&self, a: f32, b: f32) -> f32;
    /// The code of the grid value nearest to `t`.
    fn code(&self, t: f32) -> u8;

    /// What is added to all values.
    fn shift(&self) -> f32 {
        0.0
    }

    /// The value, less the shift, nearest to each of some numbers.
    fn round<S: Simd>(s: S, t: S::F) -> S::F;

    /// The code of the grid value nearest to `a * b`.
    #[inline(always)]
    fn code_of(&self, a: f32, b: f32) -> u8 {
        self.code(a * b)
    }

    /// Positions in a group of the `i`-th four values that are coded together.
    #[inline(always)]
    fn quad(i: usize) -> [usize; 4] {
        [4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3]
    }

    /// The grid values for eight times four scaled numbers that are coded together.
    #[inline(always)]
    fn quad_values(&self, t: &[Lanes; 4], _w: &[Lanes; 4]) -> [Lanes; 4] {
        let mut values = [[0.0; LANES]; 4];
        for k in 0..4 {
            for l in 0..LANES {
                values[k][l] = self.nearest(t[k][l], 1.0);
            }
        }
        values
    }
}

/// `-2^(BITS-1) ..= 2^(BITS-1) - 1`; code 0 is the least.
#[derive(Clone, Copy)]
pub struct Signed<const BITS: u32>;

impl<const BITS: u32> Grid for Signed<BITS> {
    const CODES: usize = 1 << BITS;
    #[inline(always)]
    fn value(&self, code: u8) -> f32 {
        f32::from(i16::from(code) - (1 << (BITS - 1)))
    }
    #[inline(always)]
    fn nearest(&self, a: f32, b: f32) -> f32 {
        let half = (1 << (BITS - 1)) as f32;
        limit(round_product(a, b), -half, half - 1.0)
    }
    #[inline(always)]
    fn round<S: Simd>(s: S, t: S::F) -> S::F {
        let half = (1 << (BITS - 1)) as f32;
        s.min(s.max(s.round(t), s.splat(-half)), s.splat(half - 1.0))
    }
    #[inline(always)]
    fn code(&self, t: f32) -> u8 {
        self.code_of(t, 1.0)
    }
    #[inline(always)]
    fn code_of(&self, a: f32, b: f32) -> u8 {
        (self.nearest(a, b) as i32 + (1 << (BITS - 1))) as u8
    }
}

/// For each half unit from -128 on, the index of the nearest of the values (which are whole, so that halves separate them).
const fn index<const N: usize>(values: &[i8; N]) -> [u8; 512] {
    let mut index = [0; 512];
    let mut code = 0;
    let mut i = 0;
    while i < 512 {
        // The interval from (i - 256) / 2 to (i - 255) / 2; `values[code] + values[code + 1]` is twice the border.
        while code + 1 < N && values[code] as i32 + values[code + 1] as i32 <= i as i32 - 256 {
            code += 1;
        }
        index[i] = code as u8;
        i += 1;
    }
    index
}

const fn floats<const N: usize>(values: &[i8; N]) -> [f32; N] {
    let mut out = [0.0; N];
    let mut i = 0;
    while i < N {
        out[i] = values[i] as f32;
        i += 1;
    }
    out
}

const fn nearest_values<const N: usize>(values: &[i8; N]) -> [f32; 512] {
    let index = index(values);
    let mut out = [0.0; 512];
    let mut i = 0;
    while i < 512 {
        out[i] = values[index[i] as usize] as f32;
        i += 1;
    }
    out
}

/// The half unit in which `t` lies.
#[inline(always)]
fn half_unit(t: f32) -> usize {
    limit(t.mul_add(2.0, 256.0), 0.0, 511.0) as i32 as usize & 511
}

/// [`half_unit`] of each number, looked up in a table.
#[inline(always)]
fn look_up<S: Simd>(s: S, t: S::F, table: &[f32; 512]) -> S::F {
    let at = s.fma(t, s.splat(2.0), s.splat(255.5));
    let at = s.to_i32(s.min(s.max(at, s.zero()), s.splat(511.0)));
    let mut lanes = [0f32; 16];
    s.store_at(&mut lanes, 0, s.cast_f(at));
    for lane in &mut lanes {
        *lane = table[lane.to_bits() as usize & 511];
    }
    s.load_at(&lanes, 0)
}

/// Defines a grid by its values; `shift` is added to all of them.
macro_rules! grid {
    ($(#[$doc:meta])* $name:ident, $n:literal, $values:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name {
            pub shift: f32,
        }
        impl $name {
            pub const VALUES: [i8; $n] = $values;
            pub const PLAIN: $name = $name { shift: 0.0 };
        }
        impl Grid for $name {
            const CODES: usize = $n;
            #[inline(always)]
            fn value(&self, code: u8) -> f32 {
                const FLOATS: [f32; $n] = floats(&$name::VALUES);
                FLOATS[usize::from(code) % $n] + self.shift
            }
            #[inline(always)]
            fn nearest(&self, a: f32, b: f32) -> f32 {
                const FLOATS: [f32; $n] = floats(&$name::VALUES);
                static NEAREST: [f32; 512] = nearest_values(&$name::VALUES);
                let t = a.mul_add(b, -self.shift);
                if $n > 16 {
                    return NEAREST[half_unit(t)] + self.shift;
                }
                // Few steps are faster taken one by one, in all lanes at once.
                let mut v = FLOATS[0];
                for k in 1..$n {
                    let border = 0.5 * (FLOATS[k - 1] + FLOATS[k]);
                    v += if t >= border { FLOATS[k] - FLOATS[k - 1] } else { 0.0 };
                }
                v + self.shift
            }
            const SHIFTED: bool = true;
            #[inline(always)]
            fn shift(&self) -> f32 {
                self.shift
            }
            #[inline(always)]
            fn round<S: Simd>(s: S, t: S::F) -> S::F {
                const FLOATS: [f32; $n] = floats(&$name::VALUES);
                static NEAREST: [f32; 512] = nearest_values(&$name::VALUES);
                if $n > 16 {
                    return look_up(s, t, &NEAREST);
                }
                let mut v = s.splat(FLOATS[0]);
                for k in 1..$n {
                    let border = s.splat(0.5 * (FLOATS[k - 1] + FLOATS[k]));
                    v = s.select(s.lt(t, border), v, s.splat(FLOATS[k]));
                }
                v
            }
            #[inline(always)]
            fn code(&self, t: f32) -> u8 {
                static INDEX: [u8; 512] = index(&$name::VALUES);
                INDEX[half_unit(t - self.shift)]
            }
        }
    };
}

grid!(
    /// Of iq2_k and iq2_ks.
    Iq2, 4, [-31, -13, 1, 17]);
grid!(
    /// Of iq3_k and iq3_ks.
    Iq3, 8, [-63, -40, -23, -10, 1, 13, 28, 47]);
grid!(
    /// Of iq4_nl, iq4_xs, iq4_k, iq4_ks; levels of iq1_kt and iq2_kt.
    Iq4, 16, [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]);
grid!(
/// Of iq5_k and iq5_ks.
Iq5, 32, [
    -126, -114, -103, -92, -83, -74, -65, -57, -50, -43, -36, -30, -24, -18, -12, -6, -1, 5, 11, 17, 23, 29, 36, 43,
    51, 59, 68, 77, 87, 97, 109, 121,
]);

/// Of iq6_k, whose values are a polynomial of the code. Borders are those of the values rounded to whole numbers.
#[derive(Clone, Copy)]
pub struct Iq6 {
    pub shift: f32,
}

impl Iq6 {
    /// The values as whole numbers, as products take them.
    pub const WHOLE: [i8; 64] = [
        -127, -121, -115, -109, -104, -98, -93, -88, -84, -79, -74, -70, -66, -62, -58, -54, -51,
        -47, -44, -40, -37, -34, -31, -28, -25, -22, -19, -16, -13, -11, -8, -5, -2, 0, 3, 6, 9,
        12, 14, 17, 20, 23, 27, 30, 33, 36, 40, 44, 47, 51, 55, 59, 63, 68, 72, 77, 82, 87, 92, 98,
        103, 109, 115, 121,
    ];

    #[inline(always)]
    pub fn polynomial(code: u8) -> f32 {
        let q = f32::from(code);
        q.mul_add(q.mul_add(q.mul_add(0.0011972, -0.11218), 6.2568), -127.0)
    }
}

static IQ6_INDEX: [u8; 512] = index(&Iq6::WHOLE);

impl Grid for Iq6 {
    const CODES: usize = 64;
    const SHIFTED: bool = true;
    #[inline(always)]
    fn shift(&self) -> f32 {
        self.shift
    }
    #[inline(always)]
    fn round<S: Simd>(s: S, t: S::F) -> S::F {
        static NEAREST: LazyLock<[f32; 512]> = LazyLock::new(|| IQ6_INDEX.map(Iq6::polynomial));
        look_up(s, t, &NEAREST)
    }
    #[inline(always)]
    fn value(&self, code: u8) -> f32 {
        Iq6::polynomial(code) + self.shift
    }
    #[inline(always)]
    fn nearest(&self, a: f32, b: f32) -> f32 {
        self.value(self.code(a * b))
    }
    #[inline(always)]
    fn code(&self, t: f32) -> u8 {
        IQ6_INDEX[half_unit(t - self.shift)]
    }
}
