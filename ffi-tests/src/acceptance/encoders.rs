//! Encoders beside the reference's, on the matrices of the padded SmolLM2: weighted squared error and time.

use std::collections::HashMap;
use std::ffi::c_void;

use half::f16;
use ikrs::gguf;
use ikrs::quant::{TYPES, Type, TypeInfo};

use super::Row;
use crate::libs::Lib;
use crate::models;

/// Types without a search: without weights they have the reference's bytes.
pub const SAME_BYTES: [Type; 6] = [
    Type::Q4_0,
    Type::Q4_1,
    Type::Q5_0,
    Type::Q5_1,
    Type::Q6_0,
    Type::Q8_0,
];

/// Types for which the reference takes long, so that half its time is the target; `facts/speed.tsv` over 15 s.
const SLOW: [&str; 17] = [
    "iq4_kss", "iq4_ks", "iq4_kt", "iq2_xxs", "iq3_s", "iq3_xxs", "iq1_s", "iq2_k", "iq5_k",
    "iq6_k", "iq5_ks", "iq2_ks", "iq3_ks", "iq2_kl", "iq2_kt", "iq3_kt", "iq1_kt",
];

/// Rows of a matrix, and the importance of its columns.
pub struct Matrix {
    pub values: Vec<f32>,
    pub weights: Vec<f32>,
}

impl Matrix {
    fn rows(&self) -> usize {
        self.values.len() / self.weights.len()
    }
}

/// The importance of the columns of each matrix, from a file in the `.dat` format: the number of entries; for each its name, the
/// number of calls, and the sums over them.
fn importance(bytes: &[u8]) -> HashMap<String, Vec<f32>> {
    let mut rest = bytes;
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at(n);
        rest = tail;
        head
    };
    let word = |bytes: &[u8]| i32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let mut out = HashMap::new();
    for _ in 0..word(take(4)) {
        let length = word(take(4)) as usize;
        let name = String::from_utf8_lossy(take(length)).into_owned();
        let calls = word(take(4)).max(1) as f32;
        let n = word(take(4)) as usize;
        let sums = take(4 * n).as_chunks::<4>().0;
        let mean = sums.iter().map(|v| f32::from_le_bytes(*v) / calls);
        out.insert(name, mean.collect());
    }
    out
}

/// Every `step`-th row of each matrix of the padded SmolLM2 that the importance matrix knows.
pub fn matrices(step: usize) -> Vec<Matrix> {
    let file = gguf::File::open(models::model("pad-f16")).expect("a model");
    let importance = importance(&std::fs::read(models::imatrix()).expect("the importance matrix"));
    let mut out = Vec::new();
    for (i, tensor) in file.tensors().iter().enumerate() {
        let Some(weights) = importance.get(&*tensor.name) else {
            continue;
        };
        assert!(tensor.ty == Type::F16, "{} is not F16", &*tensor.name);
        let halves = file.tensor_data(i).as_chunks::<2>().0;
        let mut values = Vec::new();
        for row in halves.chunks_exact(weights.len()).step_by(step) {
            values.extend(row.iter().map(|v| f16::from_le_bytes(*v).to_f32()));
        }
        out.push(Matrix {
            values,
            weights: weights.clone(),
        });
    }
    assert!(!out.is_empty(), "the importance matrix is of another model");
    out
}

type Chunk = unsafe extern "C" fn(i32, *const f32, *mut c_void, i64, i64, i64, *const f32) -> usize;

/// Seconds that this thread has computed: other processes, which make either library wait, do not count.
fn thread_seconds() -> f64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to `now`.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// A library's `ggml_quantize_chunk`.
struct Encoder(Chunk);

impl Encoder {
    fn of(lib: &Lib) -> Encoder {
        #[repr(C)]
        struct InitParams(usize, *mut c_void, bool);
        if lib.name == "reference" {
            // SAFETY: the signature in ggml.h. The reference fills its conversion tables when a context is made.
            unsafe {
                let init: unsafe extern "C" fn(InitParams) -> *mut c_void = lib.get("ggml_init");
                init(InitParams(1024, std::ptr::null_mut(), false));
            }
        }
        // SAFETY: the signature in ggml.h.
        Encoder(unsafe { lib.get("ggml_quantize_chunk") })
    }

    /// Encodes some rows; returns their bytes and the seconds that it took.
    fn encode(
        &self,
        ty: &TypeInfo,
        values: &[f32],
        n: usize,
        weights: Option<&[f32]>,
    ) -> (Vec<u8>, f64) {
        let rows = values.len() / n;
        let mut out = vec![0u8; rows * ty.row_size(n)];
        let weights = weights.map_or(std::ptr::null(), <[f32]>::as_ptr);
        let begin = thread_seconds();
        // SAFETY: whole rows on both sides, and a weight per column.
        let size = unsafe {
            let to = out.as_mut_ptr().cast();
            (self.0)(
                ty.ty.raw(),
                values.as_ptr(),
                to,
                0,
                rows as i64,
                n as i64,
                weights,
            )
        };
        let seconds = thread_seconds() - begin;
        assert_eq!(size, out.len(), "{}", ty.name);
        (out, seconds)
    }
}

/// The squared error of encoded rows, each column weighing as given.
fn squared_error(ty: &TypeInfo, matrix: &Matrix, bytes: &[u8], weighted: bool) -> f64 {
    let n = matrix.weights.len();
    let mut back = vec![0f32; n];
    let mut sum = 0.0;
    let rows = matrix
        .values
        .chunks_exact(n)
        .zip(bytes.chunks_exact(ty.row_size(n)));
    for (x, row) in rows {
        (ty.decode)(row, &mut back);
        for ((x, y), w) in x.iter().zip(&back).zip(&matrix.weights) {
            let w = if weighted { f64::from(*w) } else { 1.0 };
            sum += w * f64::from(x - y).powi(2);
        }
    }
    sum
}

/// Of one type, with or without importance: our squared error and time over the reference's, its seconds, and whether the bytes
/// are the same.
struct Measured {
    error: f64,
    time: f64,
    seconds: f64,
    same: bool,
}

fn measure(
    ty: &TypeInfo,
    encoders: &[Encoder; 2],
    matrices: &[Matrix],
    weighted: bool,
    rounds: usize,
) -> Measured {
    let mut errors = [0.0; 2];
    let mut seconds = [0.0; 2];
    let mut same = true;
    // Again, if it was too quick to be measured, but at most so many rounds.
    let mut round = 0;
    while round == 0 || (round < rounds && seconds[1] < 0.1) {
        for (i, matrix) in matrices.iter().enumerate() {
            let n = matrix.weights.len();
            let weights = weighted.then_some(matrix.weights.as_slice());
            if i == 0 {
                // Tables are made at the first use.
                for encoder in encoders {
                    encoder.encode(ty, &matrix.values[..n], n, weights);
                }
            }
            let mut bytes = [Vec::new(), Vec::new()];
            for turn in 0..2 {
                let who = (i + turn) % 2;
                let (out, time) = encoders[who].encode(ty, &matrix.values, n, weights);
                seconds[who] += time;
                if round == 0 {
                    errors[who] += squared_error(ty, matrix, &out, weighted);
                }
                bytes[who] = out;
            }
            same &= bytes[0] == bytes[1];
        }
        round += 1;
    }
    Measured {
        error: errors[0] / errors[1],
        time: seconds[0] / seconds[1],
        seconds: seconds[1],
        same,
    }
}

/// Whether a type is made for stored weights and has an encoder: not the partners of other types in products.
pub fn is_measured(ty: &TypeInfo) -> bool {
    let partner = ty.name.starts_with("q8_") && ty.ty != Type::Q8_0 && ty.ty != Type::Q8_kv;
    // Types with interleaved rows are encoded by their plain partners.
    let plain = ty.rows == 1;
    ty.quantized && ty.block > 1 && ty.encode.is_some() && plain && !partner
}

/// Each type's encoder beside the reference's on every `step`-th row of the model's matrices, one thread each, in turns. `names`,
/// if there are any, choose types; if not `timed`, only errors count.
pub fn encoders(step: usize, names: &[String], timed: bool, mut report: impl FnMut(Row)) {
    let encoders = Lib::both().map(|lib| Encoder::of(&lib));
    let matrices = matrices(step);
    let rows: usize = matrices.iter().map(Matrix::rows).sum();
    let mut logs = Vec::new();
    for ty in TYPES.iter().filter(|ty| is_measured(ty)) {
        if !names.is_empty() && !names.iter().any(|name| name == ty.name) {
            continue;
        }
        for weighted in [false, true] {
            if ty.needs_imatrix && !weighted {
                continue;
            }
            let m = measure(
                ty,
                &encoders,
                &matrices,
                weighted,
                if timed { 64 } else { 1 },
            );
            let same_bytes = SAME_BYTES.contains(&ty.ty) && !weighted;
            let time = if SLOW.contains(&ty.name) { 0.5 } else { 1.0 };
            if !same_bytes {
                logs.push(m.error.ln());
            }
            let [same, error] = [
                ("the same bytes", m.same),
                ("error <= 1.01 x", m.error <= 1.01),
            ];
            let promised = if same_bytes { same } else { error };
            let with = if weighted { "weighted" } else { "plain" };
            report(Row {
                what: format!("encoding {rows} rows as {}, {with}", ty.name),
                figure: format!(
                    "error {:.4} x, time {:.2} x of {:.2} s",
                    m.error, m.time, m.seconds
                ),
                target: format!("{}, time <= {time} x", promised.0),
                holds: promised.1 && (m.time <= time || !timed),
            });
        }
    }
    let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
    report(Row {
        what: "errors of encoders, geometric mean".into(),
        figure: format!("{mean:.4} x"),
        target: "error <= 0.995 x".into(),
        holds: mean <= 0.995,
    });
}
