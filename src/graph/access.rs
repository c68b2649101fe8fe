//! Single elements of tensors in host memory, of the plain types, as numbers.

use half::{bf16, f16};

use super::tensor::{MAX_DIMS, Tensor};
use crate::error::Result;
use crate::quant::Type;
use crate::{bail, ensure};

/// A plain element type.
trait Element: Copy {
    fn from_number(v: f64) -> Self;
    fn number(self) -> f64;
}

macro_rules! elements {
    ($($t:ty),*) => {
        $(impl Element for $t {
            fn from_number(v: f64) -> $t {
                v as $t
            }
            fn number(self) -> f64 {
                self as f64
            }
        })*
    };
}
elements!(i8, i16, i32, i64, f32, f64);

impl Element for f16 {
    fn from_number(v: f64) -> f16 {
        f16::from_f32(v as f32)
    }
    fn number(self) -> f64 {
        self.to_f32().into()
    }
}

impl Element for bf16 {
    fn from_number(v: f64) -> bf16 {
        bf16::from_f32(v as f32)
    }
    fn number(self) -> f64 {
        self.to_f32().into()
    }
}

/// Evaluates the body with `$T` as the Rust type of the elements of type `$ty`; fails for block types.
macro_rules! with_element {
    ($t:expr, $T:ident => $body:expr) => {
        match $t.ty() {
            Type::I8 => {
                type $T = i8;
                $body
            }
            Type::I16 => {
                type $T = i16;
                $body
            }
            Type::I32 => {
                type $T = i32;
                $body
            }
            Type::I64 => {
                type $T = i64;
                $body
            }
            Type::F16 => {
                type $T = f16;
                $body
            }
            Type::Bf16 => {
                type $T = bf16;
                $body
            }
            Type::F32 => {
                type $T = f32;
                $body
            }
            Type::F64 => {
                type $T = f64;
                $body
            }
            _ => bail!("{} has no single elements", $t),
        }
    };
}

impl Tensor {
    /// The address of an element; fails outside of the tensor and without data.
    fn element(self, at: [i64; MAX_DIMS]) -> Result<*mut u8> {
        let (ne, nb) = (self.ne(), self.nb());
        ensure!(!self.data().is_null(), "{self} has no data");
        let inside = (0..MAX_DIMS).all(|d| (0..ne[d]).contains(&at[d]));
        ensure!(inside, "element {at:?} is not in {self}");
        let offset: usize = (0..MAX_DIMS).map(|d| at[d] as usize * nb[d]).sum();
        Ok(self.data().cast::<u8>().wrapping_add(offset))
    }

    /// The element with these coordinates.
    pub fn get(self, at: [i64; MAX_DIMS]) -> Result<f64> {
        let ptr = self.element(at)?;
        with_element!(self, T => {
            // SAFETY: the element lies inside the tensor, and so in its data; it may be at any address.
            Ok(unsafe { ptr.cast::<T>().read_unaligned() }.number())
        })
    }

    /// Sets the element with these coordinates, rounded to the type.
    pub fn set(self, at: [i64; MAX_DIMS], value: f64) -> Result<()> {
        let ptr = self.element(at)?;
        with_element!(self, T => {
            // SAFETY: as in `get`.
            unsafe { ptr.cast::<T>().write_unaligned(T::from_number(value)) }
        });
        Ok(())
    }

    /// Sets every element, rounded to the type.
    pub fn fill_with(self, value: f64) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let ne = self.ne();
        for row in 0..self.nrows() {
            let [i1, i2, i3] = [row % ne[1], row / ne[1] % ne[2], row / ne[1] / ne[2]];
            let start = self.element([0, i1, i2, i3])?;
            let step = self.nb()[0];
            with_element!(self, T => {
                let v = T::from_number(value);
                for i in 0..ne[0] as usize {
                    // SAFETY: elements of a row lie `nb[0]` apart, all inside the tensor.
                    unsafe { start.wrapping_add(i * step).cast::<T>().write_unaligned(v) };
                }
            });
        }
        Ok(())
    }

    /// Sets all bytes of the data to zero.
    pub fn set_zero(self) -> Result<()> {
        ensure!(
            self.is_empty() || !self.data().is_null(),
            "{self} has no data"
        );
        // SAFETY: the data of a tensor has `nbytes` bytes.
        unsafe { std::ptr::write_bytes(self.data().cast::<u8>(), 0, self.nbytes()) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::Context;
    use crate::quant::Type;

    #[test]
    fn elements_follow_the_strides() {
        let ctx = Context::new(1 << 16, false).unwrap();
        let a = ctx.new_tensor(Type::F32, &[3, 2]).unwrap();
        for i in 0..6 {
            a.set(a.unravel(i), i as f64).unwrap();
        }
        let t = ctx.transpose(a).unwrap();
        assert_eq!(t.get([1, 2, 0, 0]), Ok(5.0));
        assert_eq!(t.get(t.unravel(1)), Ok(3.0));
        assert!(t.get([2, 0, 0, 0]).is_err());
        a.fill_with(-2.5).unwrap();
        assert_eq!(t.get([1, 1, 0, 0]), Ok(-2.5));
        a.set_zero().unwrap();
        assert_eq!(a.get([2, 1, 0, 0]), Ok(0.0));
    }

    #[test]
    fn elements_round_to_their_type() {
        let ctx = Context::new(1 << 16, false).unwrap();
        for (ty, there) in [(Type::I8, 3.0), (Type::F16, 3.6992188), (Type::I64, 3.0)] {
            if ty.info().is_none() {
                continue;
            }
            let a = ctx.new_tensor(ty, &[2]).unwrap();
            a.set([1, 0, 0, 0], 3.7).unwrap();
            let got = a.get([1, 0, 0, 0]).unwrap();
            assert!((got - there).abs() < 1e-6, "{ty:?}: {got}");
        }
    }
}
