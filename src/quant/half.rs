//! 16-bit floats as they lie in blocks: two bytes, no alignment.

use bytemuck::{Pod, Zeroable};
use half::f16;

/// An IEEE half float.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Half([u8; 2]);

impl Half {
    /// Rounds to nearest, ties to even; overflows to infinity.
    #[inline(always)]
    pub fn new(value: f32) -> Half {
        Half(f16::from_f32(value).to_le_bytes())
    }

    /// Rounds like [`Half::new`], but gives the largest finite number instead of infinity: for scales, where an infinity
    /// would turn a whole block into NaN.
    #[inline(always)]
    pub fn saturating(value: f32) -> Half {
        Half::new(value.clamp(-65504.0, 65504.0))
    }

    #[inline(always)]
    pub fn get(self) -> f32 {
        f16::from_le_bytes(self.0).to_f32()
    }

    #[inline(always)]
    pub fn is_finite(self) -> bool {
        u16::from_le_bytes(self.0) & 0x7c00 != 0x7c00
    }

    /// The finite number of the same sign that is so many numbers further from zero.
    #[inline(always)]
    pub fn away(self, steps: i32) -> Half {
        let bits = i32::from(u16::from_le_bytes(self.0));
        let magnitude = ((bits & 0x7fff) + steps).clamp(0, 0x7bff);
        Half((((bits & 0x8000) | magnitude) as u16).to_le_bytes())
    }
}

/// A bfloat16: the upper half of an `f32`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Bhalf([u8; 2]);

impl Bhalf {
    /// Rounds to nearest, ties to even; keeps NaN a (quiet) NaN.
    #[inline(always)]
    pub fn new(value: f32) -> Bhalf {
        let bits = value.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        let quiet = (bits >> 16) | 64;
        let is_nan = bits & 0x7fff_ffff > 0x7f80_0000;
        Bhalf((if is_nan { quiet } else { rounded } as u16).to_le_bytes())
    }

    /// Rounds like [`Bhalf::new`], but gives the largest finite number instead of infinity.
    #[inline(always)]
    pub fn saturating(value: f32) -> Bhalf {
        Bhalf::new(value.clamp(-3.38e38, 3.38e38))
    }

    #[inline(always)]
    pub fn get(self) -> f32 {
        f32::from_bits((u16::from_le_bytes(self.0) as u32) << 16)
    }

    #[inline(always)]
    pub fn is_finite(self) -> bool {
        u16::from_le_bytes(self.0) & 0x7f80 != 0x7f80
    }

    #[inline(always)]
    pub fn to_bits(self) -> u16 {
        u16::from_le_bytes(self.0)
    }
}
