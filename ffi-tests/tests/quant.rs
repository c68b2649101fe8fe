//! Tensor types against the reference: the same properties, the same floats from the same bytes, the same bytes where promised,
//! and elsewhere no larger error.

use std::ffi::{CStr, c_void};

use ffi_tests::acceptance;
use ffi_tests::libs::Lib;
use ikrs::abi::quant::ggml_type_traits_t;
use ikrs::quant::{TYPES, Type, TypeInfo};

/// The functions of a library that are under test.
struct Quant {
    traits: unsafe extern "C" fn(i32) -> ggml_type_traits_t,
    row_size: unsafe extern "C" fn(i32, i64) -> usize,
    chunk: unsafe extern "C" fn(i32, *const f32, *mut c_void, i64, i64, i64, *const f32) -> usize,
}

impl Quant {
    fn of(lib: &Lib) -> Quant {
        #[repr(C)]
        struct InitParams {
            size: usize,
            buffer: *mut c_void,
            no_alloc: bool,
        }
        if lib.name == "reference" {
            // SAFETY: the signature in ggml.h. The reference fills its conversion tables when a context is made.
            unsafe {
                let init: unsafe extern "C" fn(InitParams) -> *mut c_void = lib.get("ggml_init");
                init(InitParams {
                    size: 1024,
                    buffer: std::ptr::null_mut(),
                    no_alloc: false,
                });
            }
        }
        // SAFETY: the signatures in ggml.h.
        unsafe {
            Quant {
                traits: lib.get("ggml_internal_get_type_traits"),
                row_size: lib.get("ggml_row_size"),
                chunk: lib.get("ggml_quantize_chunk"),
            }
        }
    }

    fn both() -> [Quant; 2] {
        Lib::both().map(|lib| Quant::of(&lib))
    }

    fn traits(&self, ty: Type) -> ggml_type_traits_t {
        // SAFETY: takes any number.
        unsafe { (self.traits)(ty.raw()) }
    }

    fn row_size(&self, ty: Type, n: usize) -> usize {
        // SAFETY: takes any number.
        unsafe { (self.row_size)(ty.raw(), n as i64) }
    }

    /// Bytes of `n` values in a row, or in a group of rows where they are interleaved.
    fn size(&self, ty: Type, n: usize) -> usize {
        let rows = ty.info().unwrap().rows;
        rows * self.row_size(ty, n / rows)
    }

    fn decode(&self, ty: Type, row: &[u8], n: usize) -> Option<Vec<f32>> {
        assert_eq!(row.len(), self.size(ty, n));
        let mut out = vec![0f32; n];
        // SAFETY: a row (or group of rows) of `n` values on both sides.
        unsafe { self.traits(ty).to_float?(row.as_ptr().cast(), out.as_mut_ptr(), n as i64) };
        Some(out)
    }

    fn encode(&self, ty: Type, values: &[f32], weights: Option<&[f32]>) -> Vec<u8> {
        let n_rows = ty.info().unwrap().rows as i64;
        let n = values.len();
        let mut row = vec![0u8; self.size(ty, n)];
        let weights = weights.map_or(std::ptr::null(), <[f32]>::as_ptr);
        // SAFETY: one row (or group of rows) of `n` values on both sides, and as many weights.
        let size = unsafe {
            let out = row.as_mut_ptr().cast();
            let n_per_row = n as i64 / n_rows;
            (self.chunk)(
                ty.raw(),
                values.as_ptr(),
                out,
                0,
                n_rows,
                n_per_row,
                weights,
            )
        };
        assert_eq!(size, row.len(), "{}", ty.name());
        row
    }
}

/// A stream of numbers that look random.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
    }

    fn uniform(&mut self) -> f64 {
        (self.bits() as f64 + 0.5) / (1u64 << 48) as f64
    }

    fn normal(&mut self) -> f32 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        (radius * (std::f64::consts::TAU * self.uniform()).cos()) as f32
    }
}

/// Values of a row, or of a group of rows where they are interleaved.
fn row_of(info: &TypeInfo) -> usize {
    1024.max(256 * info.rows)
}

/// Types whose rows the reference's own `to_float` misreads: it takes the scale in front of them for codes.
const MISREAD: [Type; 2] = [Type::Iq1_bn, Type::Iq2_bn];

#[test]
fn types_have_the_reference_s_properties() {
    let [ikrs, reference] = Quant::both();
    for info in TYPES {
        let (ours, theirs) = (ikrs.traits(info.ty), reference.traits(info.ty));
        // SAFETY: names are static strings.
        let name = unsafe { CStr::from_ptr(theirs.type_name) };
        assert_eq!(info.name, name.to_str().unwrap());
        assert_eq!(ours.blck_size, theirs.blck_size, "{}", info.name);
        assert_eq!(ours.type_size, theirs.type_size, "{}", info.name);
        assert_eq!(ours.is_quantized, theirs.is_quantized, "{}", info.name);
        assert_eq!(ours.row_meta_size, theirs.row_meta_size, "{}", info.name);
        assert_eq!(
            ikrs.row_size(info.ty, 4096),
            reference.row_size(info.ty, 4096),
            "{}",
            info.name
        );
        if theirs.vec_dot.is_some() {
            assert_eq!(ours.vec_dot_type, theirs.vec_dot_type, "{}", info.name);
        }
    }
}

#[test]
fn any_bytes_decode_to_the_reference_s_floats() {
    let [ikrs, reference] = Quant::both();
    let mut random = Random(42);
    for info in TYPES.iter().filter(|info| !MISREAD.contains(&info.ty)) {
        let n = row_of(info);
        for _ in 0..64 {
            let mut row: Vec<u8> = (0..info.group_size(n / info.rows))
                .map(|_| random.bits() as u8)
                .collect();
            // Scales of rows are kept finite, so that there is something to compare.
            for r in 0..info.rows {
                let scale = &mut row[r * info.row_meta..];
                if info.row_meta >= 4 {
                    scale[..4].copy_from_slice(&(random.normal() * 0.01).to_le_bytes());
                } else if info.row_meta == 2 {
                    scale[..2].copy_from_slice(&half::f16::from_f32(random.normal()).to_le_bytes());
                }
            }
            let Some(theirs) = reference.decode(info.ty, &row, n) else {
                break;
            };
            let ours = ikrs.decode(info.ty, &row, n).expect(info.name);
            for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                // Where rows are interleaved, the reference adds the offset after scaling: another zero, or NaN for infinity.
                let same = match info.rows {
                    1 => ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan(),
                    _ => ours == theirs || !ours.is_finite() && !theirs.is_finite(),
                };
                assert!(
                    same,
                    "{}: value {i} is {ours}, should be {theirs}",
                    info.name
                );
            }
        }
    }
}

#[test]
fn types_without_a_search_encode_to_the_reference_s_bytes() {
    let [ikrs, reference] = Quant::both();
    let mut random = Random(43);
    use Type::*;
    for ty in [
        F16, Bf16, Q4_0, Q4_1, Q5_0, Q5_1, Q6_0, Q8_0, Q8_kv, Q4_0_r8, Q5_0_r4, Q6_0_r4, Q8_0_r8,
        Q4_0_4_4, Q4_0_4_8, Q4_0_8_8, Q8_k_r8, Q8_kv_r8, Bf16_r16,
    ] {
        let n = row_of(ty.info().unwrap());
        for _ in 0..64 {
            let values: Vec<f32> = (0..n).map(|_| random.normal() * 0.02).collect();
            let (ours, theirs) = (
                ikrs.encode(ty, &values, None),
                reference.encode(ty, &values, None),
            );
            assert!(
                ours == theirs,
                "{}: other bytes than the reference",
                ty.name()
            );
        }
    }
}

#[test]
fn a_real_model_encodes_with_no_larger_error() {
    acceptance::encoders(2048, &[], false, |row| acceptance::check(&row));
}

/// How rows and the importance of their columns are made.
#[derive(Clone, Copy, Debug)]
enum Rows {
    /// Columns of uneven magnitude and importance, as in models.
    Uneven,
    /// Equal columns, of which few are important.
    Sparse,
    /// Heavy tails, and no importance for some columns.
    Tails,
}

impl Rows {
    fn value(self, random: &mut Random, i: usize) -> f32 {
        let v = random.normal();
        0.01 * match self {
            Rows::Uneven => v * (1.0 + (i % 7) as f32),
            Rows::Sparse => v,
            Rows::Tails => v / random.uniform().max(0.01).powf(0.4) as f32,
        }
    }

    fn weight(self, random: &mut Random) -> f32 {
        let (v, u) = (random.normal().exp(), random.uniform());
        match self {
            Rows::Uneven => v,
            Rows::Sparse => v * if u < 0.03 { 100.0 } else { 0.1 },
            Rows::Tails => v * if u < 0.2 { 0.0 } else { 1.0 },
        }
    }
}

/// The squared error of each library over that of the reference on some rows of `n` values, each of `16`.
fn error_ratio(libs: &[Quant; 2], ty: Type, rows: Rows, weighted: bool) -> f64 {
    let n = row_of(ty.info().unwrap());
    let mut random = Random(44);
    let mut errors = [0f64; 2];
    for _ in 0..16 {
        let values: Vec<f32> = (0..n).map(|i| rows.value(&mut random, i)).collect();
        let weights: Vec<f32> = (0..n).map(|_| rows.weight(&mut random)).collect();
        let given = weighted.then_some(weights.as_slice());
        for (lib, error) in libs.iter().zip(&mut errors) {
            let row = lib.encode(ty, &values, given);
            let back = libs[1].decode(ty, &row, n).unwrap();
            for ((x, y), w) in values.iter().zip(&back).zip(&weights) {
                let w = if weighted { f64::from(*w) } else { 1.0 };
                *error += w * f64::from(x - y).powi(2);
            }
        }
    }
    errors[0] / errors[1]
}

#[test]
fn other_types_encode_with_no_larger_error() {
    let libs = Quant::both();
    let mut log_ratios = Vec::new();
    let mut misses = Vec::new();
    for info in TYPES
        .iter()
        .filter(|info| info.quantized && !MISREAD.contains(&info.ty))
        .filter(|info| info.plain.is_none())
    {
        let ty = info.ty;
        if libs[0].traits(ty).from_float.is_none() || libs[1].traits(ty).to_float.is_none() {
            continue;
        }
        for weighted in [false, true] {
            if !weighted && info.needs_imatrix {
                continue;
            }
            for rows in [Rows::Uneven, Rows::Sparse, Rows::Tails] {
                let ratio = error_ratio(&libs, ty, rows, weighted);
                let line = format!(
                    "{} (weighted: {weighted}, {rows:?}): {ratio:.4} x",
                    ty.name()
                );
                println!("{line}");
                if ratio > 1.01 {
                    misses.push(line);
                }
                log_ratios.push(ratio.ln());
            }
        }
    }
    let mean = (log_ratios.iter().sum::<f64>() / log_ratios.len() as f64).exp();
    assert!(
        misses.is_empty(),
        "errors over the reference's: {misses:#?}"
    );
    assert!(
        mean <= 0.995,
        "errors are {mean} × the reference's in the mean"
    );
}
