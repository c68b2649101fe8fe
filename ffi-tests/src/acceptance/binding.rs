//! The unmodified PyPI binding, and vocabularies, over either library.

use serde_json::Value;

use super::Row;
use crate::drive::{Who, binding};
use crate::{models, paths, stdout};

fn python(who: Who, script: &str, argument: &std::path::Path) -> Value {
    let mut command = binding(who);
    command
        .arg(paths::root().join("ffi-tests/python").join(script))
        .arg(argument);
    let text = stdout(&mut command);
    serde_json::from_str(text.lines().last().unwrap_or_default())
        .unwrap_or_else(|e| panic!("{script} printed {text:?}: {e}"))
}

fn numbers(value: &Value) -> Vec<f64> {
    let array = value.as_array().expect("an array");
    array.iter().filter_map(Value::as_f64).collect()
}

/// The binding's own `IkLlama` class loads SmolLM2, generates, chats and embeds.
pub fn ik_llama() -> Vec<Row> {
    let [ours, theirs] = [Who::Ikrs, Who::Reference]
        .map(|who| python(who, "binding.py", &models::model("smollm2-q4_1")));

    // Rounding may tip the balance between two tokens that are equally likely, later and later ones rather.
    let (a, b) = (numbers(&ours["tokens"]), numbers(&theirs["tokens"]));
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let chat = |v: &Value| v["chat"]["choices"][0]["message"]["content"].to_string();

    let embeddings = |v: &Value| -> Vec<Vec<f64>> {
        let rows = v["embeddings"].as_array().expect("an array");
        rows.iter().map(numbers).collect()
    };
    let least = embeddings(&ours)
        .iter()
        .zip(&embeddings(&theirs))
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>())
        .fold(f64::INFINITY, f64::min);

    vec![
        Row {
            what: "IkLlama: greedy tokens".into(),
            figure: format!("{same} of {} as the reference's", b.len()),
            target: "the first 8".into(),
            holds: ours["prompt"] == theirs["prompt"]
                && ours["prompt_text"] == theirs["prompt_text"]
                && same >= 8,
        },
        Row {
            what: "IkLlama: chat".into(),
            figure: chat(&ours).chars().take(40).collect(),
            target: "an answer".into(),
            holds: chat(&ours).len() > 10
                && ours["sampled"].is_string()
                && ours["chat"]["usage"]["prompt_tokens"]
                    == theirs["chat"]["usage"]["prompt_tokens"],
        },
        Row {
            what: "IkLlama: embeddings".into(),
            figure: format!("cosine with the reference's {least:.6}"),
            // Both quantize activations to 8 bits, each in its own way; with f32 weights this is 0.999999.
            target: "at least 0.98".into(),
            holds: least >= 0.98,
        },
    ]
}

/// The published pairs of texts and tokens of every BPE and SPM vocabulary, and back.
pub fn vocabularies() -> Vec<Row> {
    let folder = paths::shared().join("data/vocab");
    let [ours, theirs] = [Who::Ikrs, Who::Reference].map(|who| python(who, "vocab.py", &folder));
    let vocabularies = theirs.as_object().expect("an object");
    let mut rows = Vec::new();
    for (name, theirs) in vocabularies {
        let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
        let ours = &ours[name];
        let texts = list(&ours["texts"]);
        let wrong = list(&ours["mismatches"]).len();
        // Some vocabularies drop spaces before punctuation; their texts come back as the reference gives them.
        let back = texts
            .iter()
            .zip(list(&ours["back"]))
            .zip(list(&theirs["back"]))
            .filter(|((text, ours), theirs)| ours == *text || ours == theirs)
            .count();
        rows.push(Row {
            what: format!("vocabulary {}", name.trim_start_matches("ggml-vocab-")),
            figure: format!("{} tokenized, {back} back", texts.len() - wrong),
            target: format!("{0}, {0}", list(&theirs["texts"]).len()),
            holds: !texts.is_empty()
                && wrong == 0
                && back == texts.len()
                && texts == list(&theirs["texts"]),
        });
    }
    rows
}
