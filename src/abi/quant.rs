//! The part of `ggml.h` about tensor types: sizes and names, conversions of numbers, the table of type traits, quantization.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null;
use std::slice::{from_raw_parts, from_raw_parts_mut};

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};

use super::guard;
use super::raw::{ggml_ftype, ggml_type};
use crate::quant::{Bhalf, FileType, TYPES, Type, TypeInfo};
use crate::{bail, ensure, error::Result, log_error};

/// The number one past the last tensor type.
const TYPE_COUNT: i32 = Type::Q8_k_r8 as i32 + 1;

/// A half float, as `ggml_fp16_t`.
#[allow(non_camel_case_types)]
pub type ggml_fp16_t = u16;

/// A bfloat16, as `ggml_bf16_t`.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ggml_bf16_t {
    pub bits: u16,
}

/// The elements behind a pointer from C; empty if it is null or `n` is negative.
///
/// # Safety
/// If not null, the pointer is valid for reading `n` elements for as long as the result is used.
unsafe fn input<'a, T>(ptr: *const T, n: i64) -> &'a [T] {
    match usize::try_from(n) {
        // SAFETY: not null, and the caller promised `n` elements.
        Ok(n) if !ptr.is_null() => unsafe { from_raw_parts(ptr, n) },
        _ => &[],
    }
}

/// The elements behind a pointer from C; empty if it is null or `n` is negative.
///
/// # Safety
/// If not null, the pointer is valid for writing `n` elements for as long as the result is used, and nothing else uses them.
unsafe fn output<'a, T>(ptr: *mut T, n: i64) -> &'a mut [T] {
    match usize::try_from(n) {
        // SAFETY: not null, and the caller promised `n` elements.
        Ok(n) if !ptr.is_null() => unsafe { from_raw_parts_mut(ptr, n) },
        _ => &mut [],
    }
}

fn info(ty: i32) -> Option<&'static TypeInfo> {
    Type::from_raw(ty).and_then(Type::info)
}

#[unsafe(no_mangle)]
pub extern "C" fn ggml_fp16_to_fp32(x: ggml_fp16_t) -> f32 {
    f16::from_bits(x).to_f32()
}

#[unsafe(no_mangle)]
pub extern "C" fn ggml_fp32_to_fp16(x: f32) -> ggml_fp16_t {
    f16::from_f32(x).to_bits()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_fp16_to_fp32_row(x: *const ggml_fp16_t, y: *mut f32, n: i64) {
    guard("ggml_fp16_to_fp32_row", (), || {
        // SAFETY: the header asks for `n` elements behind each pointer.
        let (x, y) = unsafe { (input(x, n), output(y, n)) };
        if x.len() == y.len() {
            x.reinterpret_cast::<f16>().convert_to_f32_slice(y);
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_fp32_to_fp16_row(x: *const f32, y: *mut ggml_fp16_t, n: i64) {
    guard("ggml_fp32_to_fp16_row", (), || {
        // SAFETY: the header asks for `n` elements behind each pointer.
        let (x, y) = unsafe { (input(x, n), output(y, n)) };
        if x.len() == y.len() {
            y.reinterpret_cast_mut::<f16>().convert_from_f32_slice(x);
        }
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn ggml_fp32_to_bf16(x: f32) -> ggml_bf16_t {
    ggml_bf16_t {
        bits: Bhalf::new(x).to_bits(),
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn ggml_bf16_to_fp32(x: ggml_bf16_t) -> f32 {
    f32::from_bits(u32::from(x.bits) << 16)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_bf16_to_fp32_row(x: *const ggml_bf16_t, y: *mut f32, n: i64) {
    guard("ggml_bf16_to_fp32_row", (), || {
        // SAFETY: the header asks for `n` elements behind each pointer.
        let (x, y) = unsafe { (input(x, n), output(y, n)) };
        for (x, y) in x.iter().zip(y) {
            *y = ggml_bf16_to_fp32(*x);
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_fp32_to_bf16_row(x: *const f32, y: *mut ggml_bf16_t, n: i64) {
    guard("ggml_fp32_to_bf16_row", (), || {
        // SAFETY: the header asks for `n` elements behind each pointer.
        let (x, y) = unsafe { (input(x, n), output(y, n)) };
        for (x, y) in x.iter().zip(y) {
            *y = ggml_fp32_to_bf16(*x);
        }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_fp32_to_bf16_row_ref(x: *const f32, y: *mut ggml_bf16_t, n: i64) {
    // SAFETY: the same contract.
    unsafe { ggml_fp32_to_bf16_row(x, y, n) }
}

/// Values per block; 0 for numbers that no type has.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_blck_size(ty: ggml_type) -> i64 {
    info(ty).map_or(0, |info| info.block as i64)
}

/// Bytes per block; 0 for numbers that no type has.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_type_size(ty: ggml_type) -> usize {
    info(ty).map_or(0, |info| info.block_bytes)
}

/// Bytes per value, without metadata of rows.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_type_sizef(ty: ggml_type) -> f64 {
    info(ty).map_or(0.0, |info| info.block_bytes as f64 / info.block as f64)
}

/// Bytes of a row of `ne` values.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_row_size(ty: ggml_type, ne: i64) -> usize {
    match (info(ty), usize::try_from(ne)) {
        (Some(info), Ok(ne)) => info.row_size(ne),
        _ => 0,
    }
}

/// The type's name; null for numbers that no type has.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_type_name(ty: ggml_type) -> *const c_char {
    traits(ty).type_name
}

#[unsafe(no_mangle)]
pub extern "C" fn ggml_is_quantized(ty: ggml_type) -> bool {
    info(ty).is_some_and(|info| info.quantized)
}

/// The tensor type of a file type (`enum ggml_ftype`). `GGML_TYPE_COUNT`, with an error in the log, where there is not one.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_ftype_to_ggml_type(ftype: ggml_ftype) -> ggml_type {
    guard(
        "ggml_ftype_to_ggml_type",
        TYPE_COUNT,
        || match FileType::from_raw(ftype).and_then(FileType::ty) {
            Some(ty) => ty.raw(),
            None => {
                log_error!("ggml_ftype_to_ggml_type: file type {ftype} has no single tensor type");
                TYPE_COUNT
            }
        },
    )
}

/// Nothing to do: what encoders need is made at its first use.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_quantize_init(_ty: ggml_type) {}

/// Nothing to do, see [`ggml_quantize_init`].
#[unsafe(no_mangle)]
pub extern "C" fn ggml_quantize_free() {}

#[unsafe(no_mangle)]
pub extern "C" fn ggml_quantize_requires_imatrix(ty: ggml_type) -> bool {
    info(ty).is_some_and(|info| info.needs_imatrix)
}

/// Quantizes `nrows` rows of `n_per_row` values, beginning at value `start` of `src`, to the corresponding rows of `dst`.
/// `imatrix`, if not null, has `n_per_row` weights. Returns the bytes written; 0, with an error in the log, if that is impossible.
///
/// # Safety
/// The pointers are valid for all rows up to and including the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_quantize_chunk(
    ty: ggml_type,
    src: *const f32,
    dst: *mut c_void,
    start: i64,
    nrows: i64,
    n_per_row: i64,
    imatrix: *const f32,
) -> usize {
    guard("ggml_quantize_chunk", 0, || {
        // SAFETY: the same contract.
        unsafe { quantize_chunk(ty, src, dst, start, nrows, n_per_row, imatrix) }.unwrap_or_else(
            |e| {
                log_error!("ggml_quantize_chunk: {e}");
                0
            },
        )
    })
}

/// # Safety
/// As [`ggml_quantize_chunk`].
unsafe fn quantize_chunk(
    ty: i32,
    src: *const f32,
    dst: *mut c_void,
    start: i64,
    nrows: i64,
    n_per_row: i64,
    imatrix: *const f32,
) -> Result<usize> {
    let Some(info) = info(ty) else {
        bail!("no tensor type has the number {ty}");
    };
    let Some(encode) = info.encode else {
        bail!("type {} cannot be written", info.name);
    };
    ensure!(!src.is_null() && !dst.is_null(), "null pointer");
    ensure!(
        start >= 0 && nrows >= 0 && n_per_row > 0 && start % n_per_row == 0,
        "{nrows} rows of {n_per_row} values from value {start} on are not rows"
    );
    let n = n_per_row as usize;
    ensure!(
        n.is_multiple_of(info.width()),
        "rows of {n} values are not made of {} blocks, which have {}",
        info.name,
        info.width()
    );
    let rows = info.rows as i64;
    ensure!(
        nrows % rows == 0 && start / n_per_row % rows == 0,
        "{nrows} rows from row {} on are not groups of {rows}, which {} interleaves",
        start / n_per_row,
        info.name
    );
    ensure!(
        !(info.needs_imatrix && imatrix.is_null()),
        "type {} needs an importance matrix",
        info.name
    );
    let bytes = info.row_size(n);
    let size = (nrows as usize).checked_mul(bytes);
    let values = (nrows as usize).checked_mul(n);
    let (Some(size), Some(values)) = (size, values) else {
        bail!("{nrows} rows of {n} values are more than memory can hold");
    };
    let first = (start / n_per_row) as usize;
    // SAFETY: the caller promised all rows up to the last, and `n` weights.
    let (src, dst, weights) = unsafe {
        (
            from_raw_parts(src.add(start as usize), values),
            from_raw_parts_mut(dst.cast::<u8>().add(first * bytes), size),
            (!imatrix.is_null()).then(|| from_raw_parts(imatrix, n)),
        )
    };
    let groups = src.chunks_exact(n * info.rows);
    for (group, out) in groups.zip(dst.chunks_exact_mut(info.group_size(n))) {
        encode(group, weights, out);
    }
    Ok(size)
}

/// Whether `nbytes` of data of this type hold only finite scales; says what is wrong in the log.
///
/// # Safety
/// `data` is valid for reading `nbytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_validate_row_data(
    ty: ggml_type,
    data: *const c_void,
    nbytes: usize,
) -> bool {
    guard("ggml_validate_row_data", false, || {
        let Some(info) = info(ty) else {
            log_error!("ggml_validate_row_data: no tensor type has the number {ty}");
            return false;
        };
        // SAFETY: as the caller promised.
        let data = unsafe { input(data.cast::<u8>(), nbytes.try_into().unwrap_or(-1)) };
        let valid = info.row_meta > 0
            || (data.len().is_multiple_of(info.group_size(info.width())) && (info.valid)(data));
        if !valid {
            log_error!(
                "ggml_validate_row_data: {nbytes} bytes are not blocks of {} with finite numbers",
                info.name
            );
        }
        valid
    })
}

#[allow(non_camel_case_types)]
pub type ggml_to_float_t = Option<unsafe extern "C" fn(*const c_void, *mut f32, i64)>;
#[allow(non_camel_case_types)]
pub type ggml_from_float_t = Option<unsafe extern "C" fn(*const f32, *mut c_void, i64)>;
#[allow(non_camel_case_types)]
pub type ggml_from_float_to_mat_t =
    Option<unsafe extern "C" fn(*const f32, *mut c_void, i64, i64, i64)>;
#[allow(non_camel_case_types)]
pub type ggml_vec_dot_t = Option<
    unsafe extern "C" fn(
        n: c_int,
        s: *mut f32,
        bs: usize,
        x: *const c_void,
        bx: usize,
        y: *const c_void,
        by: usize,
        nrc: c_int,
    ),
>;
#[allow(non_camel_case_types)]
pub type ggml_gemv_t = Option<
    unsafe extern "C" fn(c_int, *mut f32, usize, *const c_void, *const c_void, c_int, c_int),
>;
#[allow(non_camel_case_types)]
pub type ggml_gemm_t = ggml_gemv_t;

/// What a type can do, as `ggml_type_traits_t`.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ggml_type_traits_t {
    pub type_name: *const c_char,
    pub blck_size: i64,
    pub blck_size_interleave: i64,
    pub type_size: usize,
    pub is_quantized: bool,
    pub to_float: ggml_to_float_t,
    pub from_float: ggml_from_float_t,
    pub from_float_ref: ggml_from_float_t,
    pub from_float_to_mat: ggml_from_float_to_mat_t,
    pub vec_dot: ggml_vec_dot_t,
    /// A number of [`Type`].
    pub vec_dot_type: i32,
    pub nrows: i64,
    pub ncols: i64,
    pub gemv: ggml_gemv_t,
    pub gemm: ggml_gemm_t,
    pub row_meta_size: i64,
}

/// A type's name and functions for C.
struct Entry {
    name: *const c_char,
    to_float: ggml_to_float_t,
    from_float: ggml_from_float_t,
    from_float_ref: ggml_from_float_t,
    vec_dot: ggml_vec_dot_t,
}
// SAFETY: the names are constants.
unsafe impl Sync for Entry {}

/// The longest name of a type, with its terminator.
const NAME_SIZE: usize = 16;

const fn c_names() -> [[u8; NAME_SIZE]; TYPES.len()] {
    let mut names = [[0; NAME_SIZE]; TYPES.len()];
    let mut i = 0;
    while i < TYPES.len() {
        let name = TYPES[i].name.as_bytes();
        assert!(name.len() < NAME_SIZE);
        let mut j = 0;
        while j < name.len() {
            names[i][j] = name[j];
            j += 1;
        }
        i += 1;
    }
    names
}
static NAMES: [[u8; NAME_SIZE]; TYPES.len()] = c_names();

/// Bytes of `k` values as a row, or as a group of rows where they are interleaved; `None` if they are not whole blocks.
fn span(info: &TypeInfo, k: i64) -> Option<i64> {
    let k = usize::try_from(k).ok()?;
    k.is_multiple_of(info.rows * info.width())
        .then(|| info.group_size(k / info.rows).try_into().ok())?
}

/// For the types that interleave q4_0 in runs: bytes of a run, and rows.
fn runs(ty: Type) -> (i64, i64) {
    match ty {
        Type::Q4_0_4_4 => (4, 4),
        Type::Q4_0_4_8 => (8, 4),
        Type::Q4_0_8_8 => (8, 8),
        _ => (0, 0),
    }
}

unsafe extern "C" fn to_float<const I: usize>(x: *const c_void, y: *mut f32, k: i64) {
    guard("to_float", (), || {
        let info = &TYPES[I];
        if let (Some(bytes), false, false) = (span(info, k), x.is_null(), y.is_null()) {
            // SAFETY: the header asks for a row of `k` values behind each pointer.
            let (x, y) = unsafe { (input(x.cast::<u8>(), bytes), output(y, k)) };
            (info.decode)(x, y);
        }
    })
}

unsafe extern "C" fn from_float<const I: usize>(x: *const f32, y: *mut c_void, k: i64) {
    guard("from_float", (), || {
        let info = &TYPES[I];
        let (Some(bytes), Some(encode)) = (span(info, k), info.encode_fast) else {
            return;
        };
        if !x.is_null() && !y.is_null() {
            // SAFETY: the header asks for a row of `k` values behind each pointer.
            let (x, y) = unsafe { (input(x, k), output(y.cast::<u8>(), bytes)) };
            encode(x, y);
        }
    })
}

unsafe extern "C" fn from_float_ref<const I: usize>(x: *const f32, y: *mut c_void, k: i64) {
    guard("from_float_ref", (), || {
        let info = &TYPES[I];
        let (Some(bytes), Some(encode)) = (span(info, k), info.encode) else {
            return;
        };
        if !x.is_null() && !y.is_null() {
            // SAFETY: the header asks for a row of `k` values behind each pointer.
            let (x, y) = unsafe { (input(x, k), output(y.cast::<u8>(), bytes)) };
            encode(x, None, y);
        }
    })
}

/// The product of a row of this type with a row of its activation type.
unsafe extern "C" fn vec_dot<const I: usize>(
    n: c_int,
    s: *mut f32,
    _bs: usize,
    x: *const c_void,
    _bx: usize,
    y: *const c_void,
    _by: usize,
    _nrc: c_int,
) {
    let info = &TYPES[I];
    if let Some(other) = info.activation {
        // SAFETY: the same contract.
        unsafe { product(info.ty, other, n, s, x, y) }
    }
}

/// The product of rows of two types, through floats.
///
/// # Safety
/// The pointers are null, or to a float and to rows of `n` values.
unsafe fn product(
    x_type: Type,
    y_type: Type,
    n: c_int,
    s: *mut f32,
    x: *const c_void,
    y: *const c_void,
) {
    guard("vec_dot", (), || {
        let n = i64::from(n);
        let (Some(a), Some(b)) = (x_type.info(), y_type.info()) else {
            return;
        };
        let (Some(x_bytes), Some(y_bytes)) = (span(a, n), span(b, n)) else {
            return;
        };
        if s.is_null() || x.is_null() || y.is_null() {
            return;
        }
        // SAFETY: not null, so rows of `n` values and a float.
        unsafe {
            let mut values = vec![0.0; 2 * n as usize];
            let (left, right) = values.split_at_mut(n as usize);
            (a.decode)(input(x.cast::<u8>(), x_bytes), left);
            (b.decode)(input(y.cast::<u8>(), y_bytes), right);
            let products = left.iter().zip(&*right);
            *s = products
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum::<f64>() as f32;
        }
    })
}

/// Exports products of rows under the names that the reference's libraries have for them, in no public header. Of the arguments
/// only the number of values, the result and the rows count: products of several rows at once are not for these types.
macro_rules! vec_dots {
    ($($name:ident = $x:ident * $y:ident;)*) => {$(
        /// cbindgen:ignore
        ///
        /// # Safety
        /// The pointers are null, or to a float and to rows of `n` values.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            n: c_int,
            s: *mut f32,
            _bs: usize,
            x: *const c_void,
            _bx: usize,
            y: *const c_void,
            _by: usize,
            _nrc: c_int,
        ) {
            // SAFETY: as the caller promised.
            unsafe { product(Type::$x, Type::$y, n, s, x, y) }
        }
    )*};
}
vec_dots! {
    ggml_vec_dot_iq1_bn_q8_K64 = Iq1_bn * Q8_k64;
    ggml_vec_dot_iq1_m_q8_K = Iq1_m * Q8_k;
    ggml_vec_dot_iq1_s_q8_K = Iq1_s * Q8_k;
    ggml_vec_dot_iq2_s_q8_K = Iq2_s * Q8_k;
    ggml_vec_dot_iq2_xs_q8_K = Iq2_xs * Q8_k;
    ggml_vec_dot_iq2_xxs_q8_K = Iq2_xxs * Q8_k;
    ggml_vec_dot_iq3_s_q8_K = Iq3_s * Q8_k;
    ggml_vec_dot_iq3_xxs_q8_K = Iq3_xxs * Q8_k;
    ggml_vec_dot_iq4_nl_q8_0 = Iq4_nl * Q8_0;
    ggml_vec_dot_iq4_xs_q8_K = Iq4_xs * Q8_k;
    ggml_vec_dot_q2_K_q8_K = Q2_k * Q8_k;
    ggml_vec_dot_q3_K_q8_K = Q3_k * Q8_k;
    ggml_vec_dot_q4_0_q8_0 = Q4_0 * Q8_0;
    ggml_vec_dot_q4_1_q8_1 = Q4_1 * Q8_1;
    ggml_vec_dot_q4_K_q8_K = Q4_k * Q8_k;
    ggml_vec_dot_q5_0_q8_0 = Q5_0 * Q8_0;
    ggml_vec_dot_q5_1_q8_1 = Q5_1 * Q8_1;
    ggml_vec_dot_q5_K_q8_K = Q5_k * Q8_k;
    ggml_vec_dot_q6_0_q8_0 = Q6_0 * Q8_0;
    ggml_vec_dot_q6_K_q8_K = Q6_k * Q8_k;
    ggml_vec_dot_q8_0_q8_0 = Q8_0 * Q8_0;
}

/// The value of each half float: a table of the reference, in no public header.
///
/// cbindgen:ignore
#[unsafe(no_mangle)]
#[allow(long_running_const_eval)]
pub static ggml_table_f32_f16: [f32; 1 << 16] = {
    let mut table = [0.0; 1 << 16];
    let mut i = 0;
    while i < table.len() {
        table[i] = f16::from_bits(i as u16).to_f32_const();
        i += 1;
    }
    table
};

/// Whether the type's partner in products is there.
const fn multiplies(info: &TypeInfo) -> bool {
    match info.activation {
        Some(other) => other.index().is_some(),
        None => false,
    }
}

const fn entry<const I: usize>() -> Entry {
    if I >= TYPES.len() {
        return Entry {
            name: null(),
            to_float: None,
            from_float: None,
            from_float_ref: None,
            vec_dot: None,
        };
    }
    let info = &TYPES[I];
    // Numbers that are not packed have no conversions of their own, except the 16-bit floats.
    let converts = info.quantized || matches!(info.ty, Type::F16 | Type::Bf16 | Type::Bf16_r16);
    let writes = converts && info.encode.is_some();
    Entry {
        name: NAMES[I].as_ptr().cast(),
        to_float: if converts { Some(to_float::<I>) } else { None },
        from_float: if writes { Some(from_float::<I>) } else { None },
        from_float_ref: match writes {
            true if info.reference_is_fast => Some(from_float::<I>),
            true => Some(from_float_ref::<I>),
            false => None,
        },
        vec_dot: if multiplies(info) {
            Some(vec_dot::<I>)
        } else {
            None
        },
    }
}

/// One entry per line of [`TYPES`], in its order, and some to spare.
static ENTRIES: [Entry; 96] = seq_macro::seq!(I in 0..96 { [ #( entry::<I>(), )* ] });
const _: () = assert!(TYPES.len() <= 96);

fn traits(ty: i32) -> ggml_type_traits_t {
    let mut traits = ggml_type_traits_t {
        type_name: null(),
        blck_size: 0,
        blck_size_interleave: 0,
        type_size: 0,
        is_quantized: false,
        to_float: None,
        from_float: None,
        from_float_ref: None,
        from_float_to_mat: None,
        vec_dot: None,
        vec_dot_type: 0,
        nrows: 1,
        ncols: 0,
        gemv: None,
        gemm: None,
        row_meta_size: 0,
    };
    let Some(index) = Type::from_raw(ty).and_then(Type::index) else {
        return traits;
    };
    let (info, entry) = (&TYPES[index], &ENTRIES[index]);
    traits.type_name = entry.name;
    traits.blck_size = info.block as i64;
    (traits.blck_size_interleave, traits.ncols) = runs(info.ty);
    traits.type_size = info.block_bytes;
    traits.is_quantized = info.quantized;
    traits.to_float = entry.to_float;
    traits.from_float = entry.from_float;
    traits.from_float_ref = entry.from_float_ref;
    traits.vec_dot = entry.vec_dot;
    traits.vec_dot_type = info.activation.map_or(0, Type::raw);
    traits.row_meta_size = info.row_meta as i64;
    traits
}

/// What a type can do; all null and zero for numbers that no type has.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_internal_get_type_traits(ty: ggml_type) -> ggml_type_traits_t {
    traits(ty)
}
