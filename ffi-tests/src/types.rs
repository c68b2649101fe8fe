//! `docs/types.md` and its plot: what each tensor type costs in bits and in error. Made by `measure types`, since the errors
//! follow the encoders.

use std::fmt::Write;

use ikrs::quant::{TYPES, Type, TypeInfo};

use crate::acceptance::{Matrix, is_measured, matrices};

/// A type's bits per weight and root mean square errors, relative to the root mean square of the values.
struct Line {
    ty: &'static TypeInfo,
    bits: f64,
    gaussian: f64,
    /// Of the padded SmolLM2's matrices, columns weighing as the importance matrix says.
    model: f64,
}

/// Rows that errors on a Gaussian are measured on, and their length.
const ROWS: usize = 256;
const ROW: usize = 4096;
/// Every so-manieth row of the model's matrices is measured.
const STEP: usize = 64;

/// Normally distributed numbers.
fn gaussian(n: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    (0..n)
        .map(|_| {
            let radius = (-2.0 * uniform().ln()).sqrt();
            (radius * (std::f64::consts::TAU * uniform()).cos()) as f32
        })
        .collect()
}

/// Weighted squares: of the error of rows encoded and decoded again, and of the values.
fn squares(ty: &TypeInfo, values: &[f32], n: usize, weights: Option<&[f32]>) -> Option<(f64, f64)> {
    let encode = ty.encode?;
    let mut bytes = vec![0; ty.row_size(n)];
    let mut back = vec![0.0; n];
    let (mut error, mut square) = (0.0, 0.0);
    for row in values.chunks_exact(n) {
        encode(row, weights, &mut bytes);
        (ty.decode)(&bytes, &mut back);
        for (i, (x, y)) in row.iter().zip(&back).enumerate() {
            let w = weights.map_or(1.0, |w| f64::from(w[i]));
            error += w * f64::from(x - y).powi(2);
            square += w * f64::from(*x).powi(2);
        }
    }
    Some((error, square))
}

fn line(ty: &'static TypeInfo, noise: &[f32], matrices: &[Matrix]) -> Option<Line> {
    let (error, square) = squares(ty, noise, ROW, None)?;
    let gaussian = (error / square).sqrt();
    // Each matrix counts the same, whatever the size of its values and weights.
    let mut sum = 0.0;
    for m in matrices {
        let (error, square) = squares(ty, &m.values, m.weights.len(), Some(&m.weights))?;
        sum += error / square;
    }
    Some(Line {
        ty,
        bits: 8.0 * ty.row_size(ROW) as f64 / ROW as f64,
        gaussian,
        model: (sum / matrices.len() as f64).sqrt(),
    })
}

/// What a type is made for.
fn advice(name: &str) -> &'static str {
    match name {
        "q4_0" | "q4_1" | "q5_0" | "q5_1" => "for programs that know nothing else; fast to make",
        "q6_0" => "where rows are no multiple of 256",
        "q8_0" => "as good as F16; token embeddings and outputs; a KV cache",
        "q8_KV" => "as good as F16; the fastest KV cache",
        "q2_K" | "q3_K" => "the iq2_k and iq3_k families are better at the same size",
        "q4_K" | "q5_K" | "q6_K" => "the usual choice: read everywhere, fast everywhere",
        "iq4_nl" => "four bits where rows are no multiple of 256",
        "iq4_xs" => "four bits for programs that don't know iq4_ks",
        "iq2_xxs" | "iq2_xs" | "iq2_s" | "iq3_xxs" | "iq3_s" => {
            "small files for programs that don't know the iq2_k and iq3_k families"
        }
        "iq1_s" | "iq1_m" => "hardly holds a small model; large mixtures of experts only",
        "iq4_kss" => "four bits exactly: the best of that size that is fast to multiply",
        "iq4_ks" | "iq5_ks" => "a scale per row: the default for four and five bits",
        "iq2_ks" | "iq3_ks" | "iq2_kl" => "a scale per row: the default for two to three bits",
        "iq2_k" | "iq3_k" | "iq4_k" | "iq5_k" | "iq6_k" => {
            "somewhat better than its _ks sibling, somewhat larger"
        }
        "iq1_kt" | "iq2_kt" | "iq3_kt" | "iq4_kt" => {
            "trellis: the least error of its size; slow to make"
        }
        "mxfp4" => "for models trained in it",
        "iq1_bn" | "iq2_bn" | "i2_s" | "q1_0_g128" => "for models trained with so few values",
        _ => "",
    }
}

fn markdown(lines: &[Line]) -> String {
    let mut out = String::from(
        "# Tensor types\n\n\
         Written by `measure types` (see `ffi-tests/src/types.rs`) from the table in `src/quant/mod.rs`. Bits per weight are for rows of 4096 values. \
         Errors are root mean squares relative to that of the values, in percent: of independent normally distributed values without weights, and of every 64th row of \
         the matrices of SmolLM2-135M (rows padded to 768), with the importance matrix, in its weights. That model was published as Q4_1: types with a scale and a minimum per 32 values can hold it almost without loss, which says \
         nothing of other models. How fast types are multiplied: [performance.md](performance.md).\n\n\
         ![error against bits](types.svg)\n\n\
         ## Types for weights\n\n\
         | type | bits | block | bytes | per row | Gaussian | SmolLM2 | interleaved | when |\n\
         |---|---:|---:|---:|---:|---:|---:|---|---|\n",
    );
    for l in lines {
        let t = l.ty;
        let _ = writeln!(
            out,
            "| {} | {:.3} | {} | {} | {} | {:.3} | {:.3} | {} | {}{} |",
            t.name,
            l.bits,
            t.block,
            t.block_bytes,
            t.row_meta,
            100.0 * l.gaussian,
            100.0 * l.model,
            t.repacked.map_or("", Type::name),
            advice(t.name),
            if t.needs_imatrix {
                "; needs an importance matrix"
            } else {
                ""
            }
        );
    }
    out.push_str(
        "\n## Types with interleaved rows\n\n\
         The bits of some rows of a plain type in another order (`src/quant/interleave/`): the same error, the same size. A file gets them by their file types or by \
         `llama-quantize --repack`. ikrs takes rows apart again when it multiplies them, so they are for files that other programs run.\n\n\
         | type | rows | bits | plain type | |\n|---|---:|---:|---|---|\n",
    );
    for t in TYPES.iter().filter(|t| t.rows > 1) {
        let own = (t.interleaved)().is_some_and(|i| i.plain.ty == t.ty);
        let _ = writeln!(
            out,
            "| {} | {} | {:.3} | {} | {} |",
            t.name,
            t.rows,
            8.0 * t.row_size(ROW) as f64 / ROW as f64,
            t.plain.map_or("", Type::name),
            match own {
                true => "not its bits: a format of its own, nearly as the plain type",
                false => "",
            }
        );
    }
    out.push_str(
        "\n## Types for the other side of products, numbers, and models of few values\n\n\
         | type | bits | block | bytes | per row | |\n|---|---:|---:|---:|---:|---|\n",
    );
    let listed = |t: &TypeInfo| lines.iter().any(|l| l.ty.ty == t.ty);
    for t in TYPES.iter().filter(|t| t.rows == 1 && !listed(t)) {
        let _ = writeln!(
            out,
            "| {} | {:.3} | {} | {} | {} | {} |",
            t.name,
            8.0 * t.row_size(ROW) as f64 / ROW as f64,
            t.block,
            t.block_bytes,
            t.row_meta,
            advice(t.name)
        );
    }
    out
}

/// The colour of a type's family.
fn colour(name: &str) -> &'static str {
    match name {
        _ if name.ends_with("_kt") => "#9c27b0",
        _ if name.ends_with("_ks") || name.ends_with("_kss") || name.ends_with("_kl") => "#d32f2f",
        _ if name.starts_with("iq") && name.ends_with("_k") => "#f57c00",
        _ if name.starts_with("iq") => "#388e3c",
        _ if name.ends_with("_K") => "#1976d2",
        _ => "#616161",
    }
}

/// Error on SmolLM2 against bits, with the least that any code could leave of normally distributed values.
fn plot(lines: &[Line]) -> String {
    const WIDTH: f64 = 960.0;
    const HEIGHT: f64 = 640.0;
    const LEFT: f64 = 64.0;
    const BOTTOM: f64 = 48.0;
    let (low, high) = (1.0, 9.0);
    let x = |bits: f64| LEFT + (bits - low) / (high - low) * (WIDTH - LEFT - 16.0);
    // From 2^-9 to 1.
    let y = |error: f64| 16.0 - error.log2() / 9.0 * (HEIGHT - BOTTOM - 16.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for bits in 1..=9 {
        let at = x(f64::from(bits));
        let _ = writeln!(
            out,
            "<path d=\"M{at:.1} 16V{:.1}\" stroke=\"#e0e0e0\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{bits}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 18.0
        );
    }
    for halvings in 0..=9 {
        let error = f64::from(-halvings).exp2();
        let at = y(error);
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#e0e0e0\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.3} %</text>",
            WIDTH - 16.0,
            LEFT - 6.0,
            at + 4.0,
            100.0 * error
        );
    }
    let _ = writeln!(
        out,
        "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"#9e9e9e\" stroke-dasharray=\"4 4\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\">bits per weight</text>\n\
         <text x=\"{:.1}\" y=\"34\">error on SmolLM2, weighted, relative; dashed: the least possible for normally distributed values</text>",
        x(1.0),
        y(0.5),
        x(9.0),
        y((-9f64).exp2()),
        WIDTH / 2.0 - 40.0,
        HEIGHT - 8.0,
        LEFT + 8.0
    );
    // Labels go where no other is yet.
    let mut taken: Vec<(f64, f64, f64)> = Vec::new();
    for l in lines {
        let (cx, cy, fill) = (x(l.bits), y(l.model), colour(l.ty.name));
        let width = 7.0 * l.ty.name.len() as f64;
        let free = |tx: f64, ty: f64, taken: &[(f64, f64, f64)]| {
            taken
                .iter()
                .all(|&(a, b, w)| (b - ty).abs() > 11.0 || tx > a + w || a > tx + width)
        };
        let places = (0..8).flat_map(|k| {
            let dy = 12.0 * f64::from((k + 1) / 2) * if k % 2 == 0 { 1.0 } else { -1.0 };
            [(cx + 6.0, cy + 4.0 + dy), (cx - 6.0 - width, cy + 4.0 + dy)]
        });
        let (tx, ty) = places
            .into_iter()
            .find(|&(tx, ty)| free(tx, ty, &taken))
            .unwrap_or((cx + 6.0, cy + 4.0));
        taken.push((tx, ty, width));
        let _ = writeln!(
            out,
            "<circle cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\" fill=\"{fill}\"/><text x=\"{tx:.1}\" y=\"{ty:.1}\" fill=\"{fill}\">{}</text>",
            l.ty.name
        );
    }
    out.push_str("</svg>\n");
    out
}

/// The page and its plot.
pub fn page() -> (String, String) {
    let noise = gaussian(ROWS * ROW);
    let matrices = matrices(STEP);
    let mut lines: Vec<Line> = TYPES
        .iter()
        .filter(|ty| is_measured(ty))
        .filter_map(|ty| line(ty, &noise, &matrices))
        .collect();
    lines.sort_by(|a, b| a.bits.total_cmp(&b.bits).then(b.model.total_cmp(&a.model)));
    (markdown(&lines), plot(&lines))
}
