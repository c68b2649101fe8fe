//! Row-interleaved types: what the reference makes by quantizing to one is, byte for byte, what we make by interleaving the rows
//! that it quantized to the plain type.

use std::ffi::c_void;
use std::ptr::null;

use ffi_tests::libs::Lib;
use ikrs::quant::{TYPES, Type};

type Chunk = unsafe extern "C" fn(i32, *const f32, *mut c_void, i64, i64, i64, *const f32) -> usize;

const N: usize = 512;
const ROWS: usize = 16;

/// Rows with outliers, of all magnitudes.
fn values() -> Vec<f32> {
    let mut state = 12345u64;
    (0..ROWS * N)
        .map(|i| {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let v = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            v * v * v * (1 + i / N) as f32
        })
        .collect()
}

#[test]
fn packed_rows_are_the_reference_s() {
    let lib = Lib::reference();
    // SAFETY: the signatures in ggml.h; the reference fills its tables when a context is made.
    let (chunk, row_size) = unsafe {
        #[repr(C)]
        struct InitParams(usize, *mut c_void, bool);
        let init: unsafe extern "C" fn(InitParams) -> *mut c_void = lib.get("ggml_init");
        init(InitParams(1024, std::ptr::null_mut(), false));
        let row_size: unsafe extern "C" fn(i32, i64) -> usize = lib.get("ggml_row_size");
        (lib.get::<Chunk>("ggml_quantize_chunk"), row_size)
    };
    let values = values();
    let weights = vec![1f32; N];
    let quantize = |ty: Type, weights: *const f32| {
        // SAFETY: as many values and bytes as rows of this type have.
        unsafe {
            let mut out = vec![0u8; row_size(ty.raw(), N as i64) * ROWS];
            chunk(
                ty.raw(),
                values.as_ptr(),
                out.as_mut_ptr().cast(),
                0,
                ROWS as i64,
                N as i64,
                weights,
            );
            out
        }
    };
    let mut n = 0;
    for i in TYPES.iter().filter_map(|info| (info.interleaved)()) {
        // Some have rows that no plain type has, or that the plain type rounds to in another way.
        if i.plain
            .ty
            .info()
            .is_none_or(|info| info.rows > 1 || !info.quantized)
        {
            continue;
        }
        n += 1;
        let weights = match i.ty {
            // The reference cannot weigh these.
            Type::Q4_0_4_4 | Type::Q4_0_4_8 | Type::Q4_0_8_8 => null(),
            _ => weights.as_ptr(),
        };
        let plain = quantize(i.plain.ty, weights);
        let expected = quantize(i.ty, weights);
        let group = plain.len() / ROWS * i.rows;
        let mut packed = vec![0; group];
        for (plain, expected) in plain.chunks_exact(group).zip(expected.chunks_exact(group)) {
            i.pack(plain, &mut packed);
            assert!(packed == expected, "{:?}", i.ty);
        }
    }
    assert!(n >= 26, "only {n} types were compared");
}
