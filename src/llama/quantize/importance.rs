//! How much the columns of a tensor matter: what the importance matrix says, and what is known without it.

use std::borrow::Cow;

use super::convert;
use super::rules::interleaved;
use super::{Imatrix, Options};
use crate::error::Result;
use crate::gguf::{SplitFile, TensorInfo};
use crate::quant::Type;
use crate::{bail, ensure, log_info};

/// Fails if an importance matrix holds what is not a number.
pub fn check(imatrix: &Imatrix) -> Result<()> {
    log_info!(
        "================================ Have weights data with {} entries",
        imatrix.len()
    );
    for (name, values) in imatrix {
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            bail!(
                "imatrix: the value {} at {i} of '{name}' is not finite",
                values[i]
            );
        }
    }
    Ok(())
}

/// Tensors of the vocabulary's size, which importance matrices seldom know.
pub fn is_of_vocabulary(name: &str) -> bool {
    matches!(name, "token_embd.weight" | "output.weight")
}

/// The importance matrix's entry for a tensor: its own, or that of a tensor that sees the same activations (merged and separate
/// up/gate experts; the parts of the compressed KV projection).
pub fn find<'a>(info: &TensorInfo, options: &'a Options) -> Result<Option<&'a [f32]>> {
    let Some(imatrix) = &options.imatrix else {
        return Ok(None);
    };
    let name = &*info.name;
    const SAME_INPUT: [(&str, &[&str]); 5] = [
        ("ffn_up_exps.weight", &["ffn_gate_up_exps.weight"]),
        (
            "ffn_gate_exps.weight",
            &["ffn_gate_up_exps.weight", "ffn_up_exps.weight"],
        ),
        ("ffn_gate_up_exps.weight", &["ffn_up_exps.weight"]),
        ("attn_v_b.weight", &["attn_kv_b.weight"]),
        ("attn_kv_b.weight", &["attn_v_b.weight"]),
    ];
    let alternative = || {
        let (prefix, others) = SAME_INPUT
            .iter()
            .find_map(|(own, others)| Some((name.strip_suffix(own)?, *others)))?;
        others
            .iter()
            .find_map(|other| imatrix.get(&format!("{prefix}{other}")))
    };
    let Some(weights) = imatrix.get(name).or_else(alternative) else {
        return Ok(None);
    };
    let expected = info.ne[0] as usize * info.ne[2] as usize;
    if weights.len() == expected {
        return Ok(Some(weights));
    }
    // The token embedding is not multiplied with, so what the matrix says of it means nothing.
    ensure!(
        name == "token_embd.weight",
        "imatrix size {} is different from tensor size {expected} for {name}",
        weights.len()
    );
    Ok(None)
}

/// The importance of the columns of a tensor that is to be of type `ty`: what [`find`] finds. Where that is nothing, embeddings and
/// the output know something of their own. What the output is multiplied with are normalized states, whose mean square is about
/// that of the normalization's weights times that of the output's own columns: states and their tokens' vectors point the same way.
/// For embeddings that are only looked up, large columns matter by their root mean square. Both were found by measuring
/// (docs/performance.md, "Embeddings and output").
pub fn of_columns<'a>(
    file: &SplitFile,
    info: &TensorInfo,
    data: &[u8],
    ty: Type,
    found: Option<&'a [f32]>,
    n_threads: usize,
) -> Option<Cow<'a, [f32]>> {
    // What these types make of values without an importance matrix is the same everywhere.
    let by_rule = matches!(
        interleaved(ty).0,
        Type::Q4_0 | Type::Q4_1 | Type::Q5_0 | Type::Q5_1 | Type::Q6_0 | Type::Q8_0
    );
    if found.is_some() || by_rule || !is_of_vocabulary(&info.name) {
        return found.map(Cow::Borrowed);
    }
    let mut squares = convert::square_sums(info, data, n_threads)?;
    if &*info.name == "output.weight" || file.find_tensor("output.weight").is_none() {
        let norm = values_of(file, "output_norm.weight");
        if norm.len() == squares.len() {
            squares
                .iter_mut()
                .zip(norm)
                .for_each(|(square, w)| *square *= f64::from(w) * f64::from(w));
        }
    } else {
        squares
            .iter_mut()
            .for_each(|square| *square = square.sqrt());
    }
    let largest = squares.iter().copied().fold(0.0, f64::max);
    let relative = || squares.iter().map(|square| (square / largest) as f32);
    (largest > 0.0 && largest.is_finite()).then(|| relative().collect())
}

/// The values of a small tensor; none if there is no such.
fn values_of(file: &SplitFile, name: &str) -> Vec<f32> {
    let Some((part, i)) = file.find_tensor(name) else {
        return Vec::new();
    };
    let info = &part.tensors()[i];
    let Some(ty) = info.ty.info().filter(|ty| !ty.quantized) else {
        return Vec::new();
    };
    let mut values = vec![0f32; part.tensor_data(i).len() / ty.block_bytes];
    (ty.decode)(part.tensor_data(i), &mut values);
    values
}
