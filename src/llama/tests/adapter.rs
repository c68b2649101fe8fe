//! Adapters and control vectors: what they do to a model's logits, and which files are refused.

use super::*;
use crate::llama::adapter::{ControlVector, LoraAdapter};

const RANK: usize = 3;
const ALPHA: f32 = 6.0;

/// Matrices that the adapter adds to.
fn is_adapted(name: &str) -> bool {
    ["attn_q", "attn_v", "attn_output", "ffn_up", "ffn_down"]
        .iter()
        .any(|part| name.contains(part))
}

fn factor(name: &str, n: usize) -> Vec<f32> {
    PLAIN.values(name, n)
}

/// Writes an adapter for a model of the recipe.
fn write(
    recipe: &Recipe,
    dir: &Path,
    change: impl FnOnce(&mut Metadata, &mut Vec<(String, Vec<i64>)>),
) -> PathBuf {
    let path = dir.join("adapter.gguf");
    let mut m = Metadata::default();
    let mut set = |key: &str, value| m.set(Name::new(key.as_bytes()).unwrap(), value);
    set("general.type", text("adapter"));
    set("general.architecture", text("llama"));
    set("adapter.type", text("lora"));
    set("adapter.lora.alpha", Value::F32(ALPHA));
    let mut tensors = Vec::new();
    for (name, ne) in recipe.shapes().iter().filter(|(name, _)| is_adapted(name)) {
        let (mut a, mut b) = (ne.clone(), ne.clone());
        a[1] = RANK as i64;
        b[0] = RANK as i64;
        tensors.push((format!("{name}.lora_a"), a));
        tensors.push((format!("{name}.lora_b"), b));
    }
    change(&mut m, &mut tensors);
    let info = |(name, ne): &(String, Vec<i64>)| {
        let mut shape = [1; 4];
        shape[..ne.len()].copy_from_slice(ne);
        TensorInfo::new(
            Name::new(name.as_bytes()).unwrap(),
            Type::F32,
            ne.len(),
            shape,
        )
        .unwrap()
    };
    let mut writer = Writer::create(&path, &m, tensors.iter().map(info).collect()).unwrap();
    for (name, ne) in &tensors {
        let values = factor(name, ne.iter().product::<i64>() as usize);
        writer.write(bytemuck::cast_slice(&values)).unwrap();
    }
    writer.finish().unwrap();
    path
}

/// The model with the adapter's products added to its weights.
fn merged(recipe: &Recipe, dir: &Path, scale: f32) -> Arc<Model> {
    let shapes = recipe.shapes();
    let path = recipe.write_changed(dir, |name, w| {
        if !is_adapted(name) {
            return;
        }
        let ne = &shapes.iter().find(|(n, _)| n == name).unwrap().1;
        let (n_in, n_out) = (ne[0] as usize, ne[1] as usize);
        let experts = w.len() / (n_in * n_out);
        let a = factor(&format!("{name}.lora_a"), n_in * RANK * experts);
        let b = factor(&format!("{name}.lora_b"), RANK * n_out * experts);
        for (i, w) in w.iter_mut().enumerate() {
            let (col, row, x) = (i % n_in, i / n_in % n_out, i / n_in / n_out);
            let products =
                (0..RANK).map(|r| b[(x * n_out + row) * RANK + r] * a[(x * RANK + r) * n_in + col]);
            *w += scale * ALPHA / RANK as f32 * products.sum::<f32>();
        }
    });
    load(&path, MAPPED, &[]).unwrap()
}

#[test]
fn an_adapter_acts_as_if_merged_into_the_weights() {
    let tokens = tokens(20);
    for n_expert in [0, 4] {
        let recipe = Recipe { n_expert, ..PLAIN };
        let dir = tempfile::tempdir().unwrap();
        let model = recipe.model();
        let adapter =
            Arc::new(LoraAdapter::load(&model, &write(&recipe, dir.path(), |_, _| ())).unwrap());
        for flash_attn in [false, true] {
            let p = llama_context_params {
                flash_attn,
                ..params()
            };
            let plain = logits(&mut context(&model, p), &tokens, 0, 0);
            let mut c = context(&model, p);
            assert_eq!(logits(&mut c, &tokens, 0, 0), plain);
            for scale in [0.5, -0.25] {
                c.clear_cache();
                c.set_adapter(&adapter, scale).unwrap();
                let want = logits(
                    &mut context(&merged(&recipe, dir.path(), scale), p),
                    &tokens,
                    0,
                    0,
                );
                assert!(error(&want, &plain) > 1e-3, "the adapter does something");
                let e = error(&logits(&mut c, &tokens, 0, 0), &want);
                assert!(e < 1e-8, "{e}");
            }
            c.clear_cache();
            assert!(c.remove_adapter(&adapter).unwrap());
            assert!(!c.remove_adapter(&adapter).unwrap());
            assert_eq!(logits(&mut c, &tokens, 0, 0), plain);
        }
    }
}

#[test]
fn adapters_that_do_not_fit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let model = PLAIN.model();
    type Change = fn(&mut Metadata, &mut Vec<(String, Vec<i64>)>);
    let cases: [(Change, &str); 7] = [
        (
            |m, _| m.set(Name::new(b"general.type").unwrap(), text("model")),
            "general.type",
        ),
        (
            |m, _| m.set(Name::new(b"general.architecture").unwrap(), text("falcon")),
            "falcon",
        ),
        (|m, _| m.remove("adapter.type"), "adapter.type"),
        (|_, t| t[0].0 = "blk.0.attn_q.weight".into(), ".lora_a"),
        (|_, t| drop(t.remove(1)), "factors"),
        (|_, t| t[1].1[1] += 1, "fit"),
        (|_, t| t[1].1[0] += 1, "ranks"),
    ];
    for (change, why) in cases {
        let e = LoraAdapter::load(&model, &write(&PLAIN, dir.path(), change))
            .err()
            .unwrap();
        assert!(e.0.contains(why), "{e} does not mention {why}");
    }
    let adapter =
        Arc::new(LoraAdapter::load(&model, &write(&PLAIN, dir.path(), |_, _| ())).unwrap());
    let other = context(&PLAIN.model(), params()).set_adapter(&adapter, 1.0);
    assert!(other.is_err());
}

#[test]
fn a_control_vector_moves_the_layers_it_names() {
    let recipe = Recipe {
        n_layer: 3,
        ..PLAIN
    };
    let (model, tokens) = (recipe.model(), tokens(10));
    let plain = logits(&mut context(&model, params()), &tokens, 0, 0);
    let n = N_EMBD as usize;
    let data: Vec<f32> = (0..2 * n).map(|i| (i % 7) as f32 * 0.1).collect();
    let run = |layers| {
        let mut c = context(&model, params());
        let control = ControlVector::new(&data, n, 3, layers).unwrap();
        c.set_control_vector(Some(control)).unwrap();
        let moved = logits(&mut c, &tokens, 0, 0);
        c.set_control_vector(None).unwrap();
        c.clear_cache();
        assert_eq!(logits(&mut c, &tokens, 0, 0), plain);
        moved
    };
    let [all, first, last, none] = [1..=2, 1..=1, 2..=2, 3..=9].map(run);
    assert_eq!(none, plain);
    assert!(error(&first, &plain) > 1e-4 && error(&last, &plain) > 1e-4);
    assert!(error(&all, &first) > 1e-4 && error(&all, &last) > 1e-4);
}
