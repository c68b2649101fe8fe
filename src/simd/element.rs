//! Types of floats in memory.

use half::{bf16, f16};

use super::Simd;

/// A type of floats that vectors are loaded from and stored as.
pub trait Element: Copy + Default + 'static {
    /// The first `n.min(N)` values, then zeros.
    ///
    /// # Safety
    /// `p` points to `n.min(N)` readable values.
    unsafe fn load<S: Simd>(s: S, p: *const Self, n: usize) -> S::F;

    /// Stores the first `n.min(N)` lanes.
    ///
    /// # Safety
    /// `p` points to `n.min(N)` writable values.
    unsafe fn store<S: Simd>(s: S, p: *mut Self, v: S::F, n: usize);
}

macro_rules! element {
    ($t:ty, $load:ident, $load_part:ident, $store:ident, $store_part:ident) => {
        impl Element for $t {
            #[inline(always)]
            unsafe fn load<S: Simd>(s: S, p: *const $t, n: usize) -> S::F {
                // SAFETY: the caller's promise.
                unsafe {
                    if n >= S::N {
                        s.$load(p)
                    } else {
                        s.$load_part(p, n)
                    }
                }
            }

            #[inline(always)]
            unsafe fn store<S: Simd>(s: S, p: *mut $t, v: S::F, n: usize) {
                // SAFETY: the caller's promise.
                unsafe {
                    if n >= S::N {
                        s.$store(p, v)
                    } else {
                        s.$store_part(p, v, n)
                    }
                }
            }
        }
    };
}
element!(f32, load, load_part, store, store_part);
element!(f16, load_f16, load_f16_part, store_f16, store_f16_part);
element!(bf16, load_bf16, load_bf16_part, store_bf16, store_bf16_part);
