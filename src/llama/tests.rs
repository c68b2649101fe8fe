//! Small random models, loaded and run: what must hold for every model, and what happens to bad files and batches.

mod adapter;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::context::batch::{Batch, Input, Positions, Sequences};
use super::context::{Context, DecodeError};
use super::model::load::Options;
use super::model::{LoadParams, Model};
use super::params::{AttentionType, PoolingType, llama_context_params};
use crate::error::Result;
use crate::gguf::{Metadata, Name, Override, OverrideValue, TensorInfo, Value, Writer};
use crate::graph::Tensor;
use crate::quant::Type;

const N_VOCAB: u32 = 48;
const N_EMBD: u32 = 64;

/// A recipe for a model file.
#[derive(Clone)]
struct Recipe {
    n_layer: u32,
    n_expert: u32,
    /// A tensor for each expert, as old files have.
    split_experts: bool,
    keys: Vec<(&'static str, Value)>,
    without: Option<&'static str>,
    reshaped: Option<&'static str>,
    /// A tensor of another type than F32.
    retyped: Option<(&'static str, Type)>,
    extra: Option<&'static str>,
    /// Added to all weights' random seed.
    seed: u32,
}

const PLAIN: Recipe = Recipe {
    n_layer: 2,
    n_expert: 0,
    split_experts: false,
    keys: Vec::new(),
    without: None,
    reshaped: None,
    retyped: None,
    extra: None,
    seed: 0,
};

fn text(s: &str) -> Value {
    Value::Str(crate::gguf::Text::new(s.as_bytes()))
}

impl Recipe {
    fn metadata(&self) -> Metadata {
        let mut m = Metadata::default();
        let mut set = |key: &str, value| m.set(Name::new(key.as_bytes()).unwrap(), value);
        set("general.architecture", text("llama"));
        set("tokenizer.ggml.model", text("no_vocab"));
        let numbers = [
            ("vocab_size", N_VOCAB),
            ("block_count", self.n_layer),
            ("context_length", 512),
            ("embedding_length", N_EMBD),
            ("feed_forward_length", 96),
            ("attention.head_count", 2),
            ("attention.head_count_kv", 1),
        ];
        for (key, n) in numbers {
            set(&format!("llama.{key}"), Value::U32(n));
        }
        set("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
        if self.n_expert > 0 {
            set("llama.expert_count", Value::U32(self.n_expert));
            set("llama.expert_used_count", Value::U32(2));
        }
        for (key, value) in &self.keys {
            set(key, value.clone());
        }
        m
    }

    fn shapes(&self) -> Vec<(String, Vec<i64>)> {
        let (d, ff) = (i64::from(N_EMBD), 96);
        let mut all = vec![
            ("token_embd.weight".into(), vec![d, N_VOCAB.into()]),
            ("output_norm.weight".into(), vec![d]),
        ];
        for il in 0..self.n_layer {
            let mut add =
                |name: &str, ne: &[i64]| all.push((format!("blk.{il}.{name}.weight"), ne.to_vec()));
            add("attn_norm", &[d]);
            add("attn_q", &[d, d]);
            add("attn_k", &[d, d / 2]);
            add("attn_v", &[d, d / 2]);
            add("attn_output", &[d, d]);
            add("ffn_norm", &[d]);
            let n = i64::from(self.n_expert);
            for (part, a, b) in [("gate", d, ff), ("up", d, ff), ("down", ff, d)] {
                match (n, self.split_experts) {
                    (0, _) => add(&format!("ffn_{part}"), &[a, b]),
                    (_, false) => add(&format!("ffn_{part}_exps"), &[a, b, n]),
                    (_, true) => (0..n).for_each(|x| add(&format!("ffn_{part}.{x}"), &[a, b])),
                }
            }
            if n > 0 {
                add("ffn_gate_inp", &[d, n]);
            }
        }
        all.retain(|(name, _)| Some(name.as_str()) != self.without);
        all.extend(self.extra.map(|name| (name.into(), vec![d])));
        for (name, ne) in &mut all {
            if Some(name.as_str()) == self.reshaped {
                ne[0] += 1;
            }
        }
        all
    }

    /// Random weights; those of an expert do not depend on whether experts are split.
    fn values(&self, name: &str, n: usize) -> Vec<f32> {
        let mut state = name.bytes().fold(self.seed ^ 0x9e37_79b9, |h, b| {
            (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
        });
        let scale = if name.contains("norm") { 0.0 } else { 0.25 };
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let x = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            x * scale + if scale == 0.0 { 1.0 } else { 0.0 }
        };
        (0..n).map(next).collect()
    }

    fn write(&self, dir: &Path) -> PathBuf {
        self.write_changed(dir, |_, _| ())
    }

    /// Writes the model after `change` went over each tensor's values.
    fn write_changed(&self, dir: &Path, change: impl Fn(&str, &mut [f32])) -> PathBuf {
        let path = dir.join("model.gguf");
        let shapes = self.shapes();
        let info = |(name, ne): &(String, Vec<i64>)| {
            let mut shape = [1; 4];
            shape[..ne.len()].copy_from_slice(ne);
            let retyped = self.retyped.filter(|(other, _)| other == name);
            TensorInfo::new(
                Name::new(name.as_bytes()).unwrap(),
                retyped.map_or(Type::F32, |(_, ty)| ty),
                ne.len(),
                shape,
            )
            .unwrap()
        };
        let infos = shapes.iter().map(info).collect();
        let mut writer = Writer::create(&path, &self.metadata(), infos).unwrap();
        for (name, ne) in &shapes {
            let n: i64 = ne.iter().product();
            let mut values: Vec<f32> = match name.strip_suffix("_exps.weight") {
                Some(part) => {
                    let each = n as usize / self.n_expert as usize;
                    let one = |x| self.values(&format!("{part}.{x}.weight"), each);
                    (0..self.n_expert).flat_map(one).collect()
                }
                None => self.values(name, n as usize),
            };
            change(name, &mut values);
            match self.retyped {
                Some((other, ty)) if other == name => {
                    let n = values.len() / ne[0] as usize;
                    let size = ty.row_size(ne[0] as usize) * n;
                    writer.write(&vec![0; size]).unwrap();
                }
                _ => writer.write(bytemuck::cast_slice(&values)).unwrap(),
            }
        }
        writer.finish().unwrap();
        path
    }

    fn load(&self) -> Result<Arc<Model>> {
        let dir = tempfile::tempdir().unwrap();
        load(&self.write(dir.path()), MAPPED, &[])
    }

    fn model(&self) -> Arc<Model> {
        self.load().unwrap()
    }
}

const MAPPED: Options = Options {
    use_mmap: true,
    use_thp: false,
    use_mlock: false,
    check_tensors: true,
    dry_run: false,
};

fn load(path: &Path, options: Options, overrides: &[Override]) -> Result<Arc<Model>> {
    let params = LoadParams {
        vocab_only: false,
        overrides: overrides.to_vec(),
        options,
    };
    Ok(Arc::new(Model::load(path, params, &mut |_| true)?.unwrap()))
}

/// Parameters for small contexts of one thread.
fn params() -> llama_context_params {
    llama_context_params {
        n_ctx: 256,
        n_threads: 1,
        n_threads_batch: 1,
        n_seq_max: 4,
        ..Default::default()
    }
}

fn context(model: &Arc<Model>, p: llama_context_params) -> Context {
    Context::new(model.clone(), &p, None, None).unwrap()
}

/// Tokens of one sequence from a position on, all with outputs.
fn batch<'a>(tokens: &'a [i32], pos: i32, seq: i32, wanted: &'a [i8]) -> Batch<'a> {
    Batch {
        n_tokens: tokens.len(),
        input: Input::Tokens(tokens),
        positions: Positions::Steps(pos, 1),
        sequences: Sequences::All([seq]),
        wanted: Some(&wanted[..tokens.len()]),
    }
}

const ALL: [i8; 256] = [1; 256];
const NONE: [i8; 256] = [0; 256];

/// Decodes and gives the logits of all tokens.
fn logits(c: &mut Context, tokens: &[i32], pos: i32, seq: i32) -> Vec<f32> {
    c.decode(&batch(tokens, pos, seq, &ALL)).unwrap();
    c.output.logits.values().to_vec()
}

fn tokens(n: usize) -> Vec<i32> {
    (0..n as i32)
        .map(|i| (i * i * 7 + 3 * i + 1) % N_VOCAB as i32)
        .collect()
}

/// The squared difference relative to the squares of `b`.
fn error(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(b.iter().all(|v| v.is_finite()));
    let squares = |it: &mut dyn Iterator<Item = f32>| it.map(|v| v * v).sum::<f32>();
    let difference = squares(&mut a.iter().zip(b).map(|(a, b)| a - b));
    difference / squares(&mut b.iter().copied())
}

const ROW: usize = N_VOCAB as usize;

#[test]
fn pieces_of_a_batch_give_what_the_whole_gives() {
    let model = PLAIN.model();
    let tokens = tokens(40);
    for flash_attn in [true, false] {
        let p = llama_context_params {
            flash_attn,
            ..params()
        };
        let whole = logits(&mut context(&model, p), &tokens, 0, 0);
        let p = llama_context_params { n_ubatch: 7, ..p };
        let by_seven = logits(&mut context(&model, p), &tokens, 0, 0);
        assert!(error(&by_seven, &whole) < 1e-6);
        let mut c = context(&model, p);
        let mut single = Vec::new();
        for (i, t) in tokens.iter().enumerate() {
            single.extend(logits(&mut c, &[*t], i as i32, 0));
        }
        assert!(error(&single, &whole) < 1e-6);
    }
}

#[test]
fn flash_attention_and_soft_max_agree_in_every_cache_type() {
    let model = PLAIN.model();
    let tokens = tokens(50);
    let reference = {
        let p = llama_context_params {
            flash_attn: false,
            type_k: Type::F32.raw(),
            type_v: Type::F32.raw(),
            ..params()
        };
        logits(&mut context(&model, p), &tokens, 0, 0)
    };
    let types = [
        (Type::F32, 1e-6),
        (Type::F16, 1e-5),
        (Type::Bf16, 1e-4),
        (Type::Q8_0, 1e-3),
        (Type::Q6_0, 1e-2),
        (Type::Q4_1, 0.1),
        (Type::Q4_0, 0.1),
        (Type::Iq4_nl, 0.1),
    ];
    for (ty, tolerance) in types {
        let p = llama_context_params {
            type_k: ty.raw(),
            type_v: ty.raw(),
            ..params()
        };
        let e = error(&logits(&mut context(&model, p), &tokens, 0, 0), &reference);
        assert!(e < tolerance, "{ty:?}: {e}");
    }
}

#[test]
fn transformed_caches_are_worth_the_same() {
    let model = PLAIN.model();
    let tokens = tokens(50);
    for flash_attn in [true, false] {
        let plain = llama_context_params {
            flash_attn,
            type_k: Type::F32.raw(),
            type_v: Type::F32.raw(),
            ..params()
        };
        let run = |p| {
            let mut c = context(&model, p);
            let mut all = logits(&mut c, &tokens, 0, 0);
            c.cells_mut().unwrap().seq_add(0, -1, -1, 3);
            all.extend(logits(&mut c, &[9], 53, 0));
            all
        };
        let want = run(plain);
        for (k_cache_hadamard, v_cache_hadamard) in [(true, false), (false, true), (true, true)] {
            let transformed = run(llama_context_params {
                k_cache_hadamard,
                v_cache_hadamard,
                ..plain
            });
            assert!(error(&transformed, &want) < 1e-6);
        }
    }
}

#[test]
fn first_and_last_layers_have_their_own_cache_types() {
    let model = PLAIN.model();
    let c = context(
        &model,
        llama_context_params {
            type_k: Type::Q8_0.raw(),
            type_v: Type::Q8_0.raw(),
            type_k_first: Type::F32.raw(),
            n_k_first: 1,
            type_v_last: Type::Q4_0.raw(),
            n_v_last: 1,
            // Asked for no layer, so that it does not matter.
            type_k_last: 9999,
            ..params()
        },
    );
    let types = |all: &[Tensor]| all.iter().map(|t| t.ty()).collect::<Vec<_>>();
    let cache = &c.runner.as_ref().unwrap().cache;
    let (k, v) = (types(cache.k()), types(cache.v()));
    let n = k.len();
    assert_eq!((k[0], v[0]), (Type::F32, Type::Q8_0));
    assert_eq!((k[n - 1], v[n - 1]), (Type::Q8_0, Type::Q4_0));
}

#[test]
fn threads_do_not_change_a_bit() {
    let model = PLAIN.model();
    let tokens = tokens(33);
    let run = |n| {
        let p = llama_context_params {
            n_threads: n,
            n_threads_batch: n,
            ..params()
        };
        let mut c = context(&model, p);
        let mut all = logits(&mut c, &tokens, 0, 0);
        all.extend(logits(&mut c, &[5], 33, 0));
        all
    };
    let one = run(1);
    for n in [2, 3, 8] {
        assert!(
            run(n)
                .iter()
                .zip(&one)
                .all(|(a, b)| a.to_bits() == b.to_bits()),
            "{n} threads"
        );
    }
}

#[test]
fn sequences_do_not_see_each_other() {
    let model = PLAIN.model();
    let (a, b) = (tokens(9), tokens(14)[5..].to_vec());
    let alone = |t: &[i32]| logits(&mut context(&model, params()), t, 0, 0);
    let mut c = context(&model, params());
    let mixed: Vec<i32> = a.iter().zip(&b).flat_map(|(a, b)| [*a, *b]).collect();
    let pos: Vec<i32> = (0..18).map(|i| i / 2).collect();
    let ids: Vec<[i32; 1]> = (0..18).map(|i| [i % 2]).collect();
    let both = Batch {
        positions: Positions::Each(&pos),
        sequences: Sequences::Each(ids.iter().map(|s| &s[..]).collect()),
        ..batch(&mixed, 0, 0, &ALL)
    };
    c.decode(&both).unwrap();
    let rows: Vec<&[f32]> = c.output.logits.values().chunks(ROW).collect();
    for (first, t) in [(0, &a), (1, &b)] {
        let of_one: Vec<f32> = rows
            .iter()
            .skip(first)
            .step_by(2)
            .flat_map(|r| r.to_vec())
            .collect();
        assert!(error(&of_one, &alone(t)) < 1e-6);
    }
    // A copied sequence goes on like its origin.
    c.cells_mut().unwrap().seq_cp(0, 3, -1, -1);
    let copied = logits(&mut c, &[7], 9, 3);
    let mut longer = a.clone();
    longer.push(7);
    assert!(error(&copied, &alone(&longer)[9 * ROW..]) < 1e-6);
}

#[test]
fn shifted_keys_are_those_of_the_new_positions() {
    let model = PLAIN.model();
    let tokens = tokens(20);
    for ty in [Type::F32, Type::Bf16, Type::Q8_0] {
        let p = llama_context_params {
            type_k: ty.raw(),
            ..params()
        };
        // The same tokens at positions 3 on, and moved there. Keys do not depend on what came before in the first layer only,
        // so attention must see nothing else.
        let mut there = context(&model, p);
        there.decode(&batch(&tokens, 3, 0, &NONE)).unwrap();
        let mut moved = context(&model, p);
        moved.decode(&batch(&tokens, 0, 0, &NONE)).unwrap();
        moved.cells_mut().unwrap().seq_add(0, -1, -1, 3);
        let (a, b) = (
            logits(&mut moved, &[9], 23, 0),
            logits(&mut there, &[9], 23, 0),
        );
        let tolerance = if ty == Type::F32 { 1e-6 } else { 1e-3 };
        assert!(error(&a, &b) < tolerance, "{ty:?}: {}", error(&a, &b));
    }
}

#[test]
fn closing_holes_changes_nothing() {
    let model = PLAIN.model();
    let tokens = tokens(30);
    for flash_attn in [true, false] {
        let p = llama_context_params {
            flash_attn,
            ..params()
        };
        let run = |defrag: bool| {
            let mut c = context(&model, p);
            c.decode(&batch(&tokens, 0, 0, &NONE)).unwrap();
            c.decode(&batch(&tokens, 0, 1, &NONE)).unwrap();
            c.cells_mut().unwrap().seq_rm(0, 3, 20);
            c.cells_mut().unwrap().seq_rm(0, 25, 27);
            if defrag {
                c.defrag();
                c.update_cache().unwrap();
                assert_eq!(c.cells().unwrap().end(), c.cells().unwrap().used());
            }
            logits(&mut c, &[11], 30, 1)
        };
        assert!(error(&run(true), &run(false)) < 1e-6);
    }
}

#[test]
fn a_restored_state_goes_on_alike() {
    let model = PLAIN.model();
    for flash_attn in [true, false] {
        let p = llama_context_params {
            flash_attn,
            ..params()
        };
        let mut c = context(&model, p);
        let before = logits(&mut c, &tokens(12), 0, 2);
        let mut state = vec![0; c.state_size().unwrap()];
        assert_eq!(c.save(&mut state).unwrap(), state.len());
        let mut one = vec![0; c.seq_state_size(2, 0).unwrap()];
        c.save_seq(&mut one, 2, 0).unwrap();
        let next = logits(&mut c, &[4], 12, 2);

        let mut other = context(&model, p);
        assert_eq!(other.restore(&state).unwrap(), state.len());
        assert_eq!(other.output.logits.values(), before);
        assert_eq!(logits(&mut other, &[4], 12, 2), next);
        let mut other = context(&model, p);
        other.decode(&batch(&tokens(5), 0, 0, &NONE)).unwrap();
        assert_eq!(other.restore_seq(&one, 1, 0).unwrap(), one.len());
        assert!(error(&logits(&mut other, &[4], 12, 1), &next) < 1e-6);

        // Cut short at any byte, or altered, it is an error, and the context can go on.
        for end in (0..state.len()).step_by(97) {
            assert!(other.restore(&state[..end]).is_err());
        }
        for at in (0..state.len().min(3000)).step_by(13) {
            let mut altered = state.clone();
            altered[at] ^= 0xff;
            let _ = other.restore(&altered);
        }
        other.clear_cache();
        assert!(error(&logits(&mut other, &tokens(12), 0, 2), &before) < 1e-6);
    }
}

#[test]
fn experts_may_be_in_one_tensor_or_in_many() {
    let merged = Recipe {
        n_expert: 4,
        ..PLAIN
    };
    let split = Recipe {
        split_experts: true,
        ..merged.clone()
    };
    let run = |r: &Recipe, fused_moe_up_gate, fused_mmad| {
        let p = llama_context_params {
            fused_moe_up_gate,
            fused_mmad,
            ..params()
        };
        logits(&mut context(&r.model(), p), &tokens(17), 0, 0)
    };
    let plain = run(&merged, false, false);
    assert_eq!(run(&split, false, false), plain);
    assert!(error(&run(&merged, true, true), &plain) < 1e-6);
}

#[test]
fn pooling_takes_the_right_tokens() {
    let model = PLAIN.model();
    let tokens = tokens(6);
    let embedded = |pooling: PoolingType| {
        let p = llama_context_params {
            embeddings: true,
            pooling_type: pooling as i32,
            attention_type: AttentionType::NonCausal as i32,
            ..params()
        };
        let mut c = context(&model, p);
        c.decode(&batch(&tokens, 0, 2, &ALL)).unwrap();
        match pooling {
            PoolingType::None => c.output.embd.values().to_vec(),
            _ => c.output.by_sequence[&2].values.clone(),
        }
    };
    let all = embedded(PoolingType::None);
    let width = N_EMBD as usize;
    assert_eq!(all.len(), 6 * width);
    let mean: Vec<f32> = (0..width)
        .map(|j| all.iter().skip(j).step_by(width).sum::<f32>() / 6.0)
        .collect();
    assert!(error(&embedded(PoolingType::Mean), &mean) < 1e-6);
    assert!(error(&embedded(PoolingType::Cls), &all[..width]) < 1e-9);
    assert!(error(&embedded(PoolingType::Last), &all[5 * width..]) < 1e-9);
}

#[test]
fn pooling_covers_all_pieces_of_a_batch() {
    let model = PLAIN.model();
    let tokens = tokens(11);
    for pooling in [PoolingType::Mean, PoolingType::Cls, PoolingType::Last] {
        let embedded = |n_ubatch| {
            let p = llama_context_params {
                embeddings: true,
                pooling_type: pooling as i32,
                n_ubatch,
                ..params()
            };
            let mut c = context(&model, p);
            c.decode(&batch(&tokens, 0, 3, &NONE)).unwrap();
            c.output.by_sequence[&3].values.clone()
        };
        let (whole, pieces) = (embedded(64), embedded(4));
        let e = error(&pieces, &whole);
        assert!(e < 1e-6, "{pooling:?}: {e}");
    }
}

#[test]
fn outputs_are_found_by_token_and_from_the_end() {
    let mut c = context(&PLAIN.model(), params());
    let tokens = tokens(4);
    c.decode(&batch(&tokens, 0, 0, &[0, 1, 0, 1])).unwrap();
    let rows = c.output.logits.values().to_vec();
    assert_eq!(rows.len(), 2 * ROW);
    assert_eq!(c.output.logits_of(1).unwrap(), &rows[..ROW]);
    assert_eq!(c.output.logits_of(3).unwrap(), &rows[ROW..]);
    assert_eq!(c.output.logits_of(-2).unwrap(), &rows[..ROW]);
    for i in [0, 2, 4, -3, i32::MAX, i32::MIN] {
        assert!(c.output.logits_of(i).is_err(), "{i}");
    }
    assert!(c.output.embd_of(1).is_err());
    // No output asked for: that is fine, and there is none.
    c.decode(&batch(&tokens, 4, 0, &NONE)).unwrap();
    assert!(c.output.logits_of(-1).is_err());
}

#[test]
fn bad_batches_are_refused_and_change_nothing() {
    let model = PLAIN.model();
    let mut c = context(&model, params());
    let good = tokens(8);
    let before = logits(&mut c, &good, 0, 0);
    c.clear_cache();
    let long = tokens(257);
    let many = [1i8; 257];
    let bad = [
        batch(&[1, N_VOCAB as i32], 0, 0, &ALL),
        batch(&[1, -1], 0, 0, &ALL),
        batch(&[], 0, 0, &ALL),
        batch(&[1, 2], -1, 0, &ALL),
        batch(&[1, 2], 0, -1, &ALL),
        batch(&[1, 2], i32::MAX, 0, &ALL),
        // a sequence's positions are below the largest number
        batch(&[1], i32::MAX, 0, &ALL),
        batch(&long, 0, 0, &many),
        Batch {
            sequences: Sequences::Each(vec![&[0], &[]]),
            ..batch(&[1, 2], 0, 0, &ALL)
        },
    ];
    for b in &bad {
        assert!(matches!(c.decode(b), Err(DecodeError::Invalid(_))), "{b:?}");
    }
    assert_eq!(c.cells().unwrap().used(), 0);
    assert_eq!(logits(&mut c, &good, 0, 0), before);
}

#[test]
fn a_full_cache_is_reported_and_can_be_emptied() {
    let mut c = context(&PLAIN.model(), params());
    for i in 0..32 {
        c.decode(&batch(&tokens(8), 8 * i, 0, &NONE)).unwrap();
    }
    assert!(matches!(
        c.decode(&batch(&[1], 256, 0, &ALL)),
        Err(DecodeError::NoSlot(_))
    ));
    assert_eq!(c.cells().unwrap().used(), 256);
    c.cells_mut().unwrap().seq_rm(0, 0, 100);
    c.decode(&batch(&[1], 256, 0, &ALL)).unwrap();
}

#[test]
fn aborting_leaves_the_cache_as_it_was() {
    let model = PLAIN.model();
    let mut c = context(&model, params());
    c.decode(&batch(&tokens(4), 0, 0, &NONE)).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    c.set_abort_callback(Some(Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed) >= 2
    })));
    assert!(matches!(
        c.decode(&batch(&[1, 2], 4, 0, &ALL)),
        Err(DecodeError::Aborted)
    ));
    assert!(asked.load(Ordering::Relaxed) > 2);
    assert_eq!(c.cells().unwrap().used(), 4);
    c.set_abort_callback(None);
    let again = logits(&mut c, &[1, 2], 4, 0);
    let mut fresh = context(&model, params());
    fresh.decode(&batch(&tokens(4), 0, 0, &NONE)).unwrap();
    assert_eq!(again, logits(&mut fresh, &[1, 2], 4, 0));
}

#[test]
fn upkeep_of_the_cache_is_not_aborted_halfway() {
    let model = PLAIN.model();
    let run = |abort: bool| {
        let mut c = context(&model, params());
        c.decode(&batch(&tokens(20), 0, 0, &NONE)).unwrap();
        c.cells_mut().unwrap().seq_rm(0, 0, 5);
        c.cells_mut().unwrap().seq_add(0, 5, -1, -5);
        c.defrag();
        if abort {
            c.set_abort_callback(Some(Arc::new(|| true)));
            let next = [1];
            let aborted = c.decode(&batch(&next, 15, 0, &ALL));
            assert!(matches!(aborted, Err(DecodeError::Aborted)));
            c.set_abort_callback(None);
        }
        logits(&mut c, &[1], 15, 0)
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn graphs_are_reused_without_a_difference() {
    let model = PLAIN.model();
    let run = |graph_reuse| {
        let mut c = context(
            &model,
            llama_context_params {
                graph_reuse,
                ..params()
            },
        );
        c.decode(&batch(&tokens(5), 0, 0, &NONE)).unwrap();
        let mut all = Vec::new();
        for i in 0..6 {
            all.extend(logits(&mut c, &[i * 3], 5 + i, 0));
            // something else in between
            if i == 3 {
                c.cells_mut().unwrap().seq_add(0, -1, -1, 1);
                c.update_cache().unwrap();
                c.cells_mut().unwrap().seq_add(0, -1, -1, -1);
            }
        }
        all
    };
    assert!(error(&run(true), &run(false)) < 1e-9);
}

#[test]
fn ways_of_loading_give_the_same_model() {
    let dir = tempfile::tempdir().unwrap();
    let path = PLAIN.write(dir.path());
    let mapped = load(&path, MAPPED, &[]).unwrap();
    let read = Options {
        use_mmap: false,
        use_mlock: true,
        ..MAPPED
    };
    let read = load(&path, read, &[]).unwrap();
    let huge = Options {
        use_thp: true,
        ..MAPPED
    };
    let huge = load(&path, huge, &[]).unwrap();
    let run = |m: &Arc<Model>| logits(&mut context(m, params()), &tokens(9), 0, 0);
    assert_eq!(run(&mapped), run(&read));
    assert_eq!(run(&mapped), run(&huge));
    let body = mapped.body.as_ref().unwrap();
    assert_eq!(body.size, 4 * body.n_params);
    assert_eq!(mapped.description(), "llama ?B F32 (guessed)");
    // An override changes what the file says.
    let scaled = Override {
        key: "llama.rope.freq_base".into(),
        value: OverrideValue::Float(500.0),
    };
    let scaled = load(&path, MAPPED, &[scaled]).unwrap();
    assert_eq!(scaled.hparams.rope_freq_base, 500.0);
    // Cancelling is not an error.
    let params = LoadParams {
        vocab_only: false,
        overrides: Vec::new(),
        options: MAPPED,
    };
    assert!(
        Model::load(&path, params, &mut |f| f < 0.5)
            .unwrap()
            .is_none()
    );
}

#[test]
fn bad_models_are_refused_with_the_reason() {
    let key = |key, value| Recipe {
        keys: vec![(key, value)],
        ..PLAIN
    };
    let cases = [
        (
            key("general.architecture", text("marvin")),
            "unknown model architecture: 'marvin'",
        ),
        (
            Recipe {
                without: Some("blk.1.attn_k.weight"),
                ..PLAIN
            },
            "'blk.1.attn_k.weight' is missing",
        ),
        (
            Recipe {
                reshaped: Some("blk.0.ffn_up.weight"),
                ..PLAIN
            },
            "'blk.0.ffn_up.weight' has the wrong shape",
        ),
        (
            Recipe {
                extra: Some("blk.0.attn_q_norm.weight"),
                ..PLAIN
            },
            "'blk.0.attn_q_norm.weight'",
        ),
        (
            Recipe {
                retyped: Some(("output_norm.weight", Type::F16)),
                ..PLAIN
            },
            "'output_norm.weight' is f16",
        ),
        (
            Recipe {
                retyped: Some(("blk.1.attn_q.weight", Type::I32)),
                ..PLAIN
            },
            "'blk.1.attn_q.weight' is i32",
        ),
        (key("llama.block_count", Value::U32(0)), "block_count"),
        (
            key("llama.block_count", Value::U32(u32::MAX)),
            "block_count",
        ),
        (key("llama.block_count", text("two")), "block_count"),
        (
            key("llama.attention.head_count", Value::U32(0)),
            "head_count",
        ),
        (key("llama.attention.head_count", Value::U32(3)), "rotated"),
        (
            key("llama.attention.head_count_kv", Value::U32(5)),
            "cannot share",
        ),
        (
            key("llama.embedding_length", Value::U32(1 << 30)),
            "embedding_length",
        ),
        (key("llama.vocab_size", Value::U32(7)), "wrong shape"),
        (
            key(
                "llama.attention.layer_norm_rms_epsilon",
                Value::F32(f32::NAN),
            ),
            "rms_epsilon",
        ),
        (key("llama.rope.scaling.type", text("warp")), "warp"),
        (key("llama.expert_count", Value::U32(1000)), "expert_count"),
        (key("llama.expert_used_count", Value::U32(2)), "experts"),
    ];
    for (recipe, why) in cases {
        let message = recipe.load().err().map_or("loaded".into(), |e| e.0);
        assert!(message.contains(why), "expected {why:?}: {message}");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = PLAIN.write(dir.path());
    let bytes = std::fs::read(&path).unwrap();
    for end in (0..bytes.len()).step_by(501) {
        std::fs::write(&path, &bytes[..end]).unwrap();
        assert!(load(&path, MAPPED, &[]).is_err(), "cut at {end}");
    }
    assert!(load(Path::new("/nowhere/model.gguf"), MAPPED, &[]).is_err());
}

#[test]
fn bad_parameters_are_refused_with_the_reason() {
    let model = PLAIN.model();
    let cases = [
        (
            llama_context_params {
                n_threads: 0,
                ..params()
            },
            "n_threads",
        ),
        (
            llama_context_params {
                n_threads: -1i32 as u32,
                ..params()
            },
            "n_threads",
        ),
        (
            llama_context_params {
                type_v: Type::Q4_0_4_4.raw(),
                ..params()
            },
            "V cache",
        ),
        (
            llama_context_params {
                n_batch: 0,
                n_ubatch: 0,
                ..params()
            },
            "n_batch",
        ),
        (
            llama_context_params {
                n_ctx: u32::MAX,
                ..params()
            },
            "n_ctx",
        ),
        (
            llama_context_params {
                type_k: 9999,
                ..params()
            },
            "K cache",
        ),
        (
            llama_context_params {
                type_k: Type::Q4_k.raw(),
                ..params()
            },
            "whole blocks",
        ),
        (
            llama_context_params {
                flash_attn: false,
                type_v: Type::Q8_0.raw(),
                ..params()
            },
            "flash attention",
        ),
        (
            llama_context_params {
                pooling_type: 77,
                ..params()
            },
            "pooling",
        ),
        (
            llama_context_params {
                attention_type: 77,
                ..params()
            },
            "attention type",
        ),
        (
            llama_context_params {
                rope_scaling_type: 77,
                ..params()
            },
            "rope scaling",
        ),
    ];
    for (p, why) in cases {
        let message = Context::new(model.clone(), &p, None, None)
            .err()
            .map_or("created".into(), |e| e.0);
        assert!(message.contains(why), "expected {why:?}: {message}");
    }
}
