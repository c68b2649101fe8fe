//! Hyper-parameters: the numbers in a file's metadata that give a model its shape.

use crate::error::Result;
use crate::gguf::{Array, Metadata, Value};
use crate::llama::params::{PoolingType, RopeScalingType, RopeType};
use crate::{bail, ensure};

/// More layers or experts than any model has are taken for a broken file (`LLAMA_MAX_LAYERS`, `LLAMA_MAX_EXPERTS`).
const MAX_LAYERS: u32 = 512;
const MAX_EXPERTS: u32 = 512;
/// No dimension of a model comes near this. It keeps products of three dimensions inside 64 bits.
const MAX_DIM: u32 = 1 << 21;

/// The metadata keys of one architecture: `get("block_count")` reads `llama.block_count`.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    pub metadata: &'a Metadata,
    pub arch: &'a str,
}

impl Keys<'_> {
    pub fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.arch)
    }

    pub fn u32(&self, key: &str) -> Result<Option<u32>> {
        self.metadata.get_u32(&self.name(key))
    }

    /// A number that must be there and be in `1..=max`.
    pub fn size(&self, key: &str, max: u32) -> Result<u32> {
        match self.u32(key)? {
            Some(n) => self.check_size(key, n, max),
            None => bail!("key '{}' is missing from the metadata", self.name(key)),
        }
    }

    /// As [`Keys::size`], with a default for when the key is not there.
    pub fn size_or(&self, key: &str, default: u32, max: u32) -> Result<u32> {
        self.check_size(key, self.u32(key)?.unwrap_or(default), max)
    }

    fn check_size(&self, key: &str, n: u32, max: u32) -> Result<u32> {
        ensure!(
            (1..=max).contains(&n),
            "'{}' is {n}, but must be in 1..={max}",
            self.name(key)
        );
        Ok(n)
    }

    /// A number that is finite.
    pub fn f32(&self, key: &str) -> Result<Option<f32>> {
        let value = self.metadata.get_f32(&self.name(key))?;
        if let Some(v) = value {
            ensure!(v.is_finite(), "'{}' is {v}", self.name(key));
        }
        Ok(value)
    }

    pub fn require_f32(&self, key: &str) -> Result<f32> {
        match self.f32(key)? {
            Some(v) => Ok(v),
            None => bail!("key '{}' is missing from the metadata", self.name(key)),
        }
    }

    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.metadata.get(&self.name(key))
    }

    pub fn str(&self, key: &str) -> Result<Option<&str>> {
        self.metadata.get(&self.name(key))
    }

    /// One number per layer: the key holds either one for all or an array.
    pub fn per_layer(&self, key: &str, n_layer: u32) -> Result<Option<Vec<u32>>> {
        let name = self.name(key);
        let all: Vec<u32> = match self.metadata.value(&name) {
            Some(Value::Array(Array::U32(all))) => all.clone(),
            Some(Value::Array(Array::I32(all))) => {
                let all: std::result::Result<_, _> =
                    all.iter().map(|&n| u32::try_from(n)).collect();
                match all {
                    Ok(all) => all,
                    Err(_) => bail!("'{name}' has a negative element"),
                }
            }
            _ => {
                let one = self.metadata.get_u32(&name)?;
                return Ok(one.map(|n| vec![n; n_layer as usize]));
            }
        };
        ensure!(
            all.len() >= n_layer as usize,
            "'{name}' has {} elements, but there are {n_layer} layers",
            all.len()
        );
        Ok(Some(all[..n_layer as usize].to_vec()))
    }
}

/// The shape of a model. Per-layer numbers have `n_layer` elements.
#[derive(Clone, Debug)]
pub struct Hparams {
    pub n_vocab: u32,
    /// The context that the model was trained on.
    pub n_ctx_train: u32,
    pub n_embd: u32,
    pub n_layer: u32,
    /// How many dimensions of a head are rotated.
    pub n_rot: u32,
    pub n_embd_head_k: u32,
    pub n_embd_head_v: u32,
    pub n_head: Vec<u32>,
    pub n_head_kv: Vec<u32>,
    pub n_ff: Vec<u32>,
    pub n_expert: u32,
    /// Experts that each token uses.
    pub n_expert_used: u32,
    pub norm_rms_eps: f32,
    pub rope_type: RopeType,
    pub rope_scaling: RopeScalingType,
    pub rope_freq_base: f32,
    /// The inverse of the file's scaling factor.
    pub rope_freq_scale: f32,
    pub rope_attn_factor: f32,
    /// The context before YaRN's extension.
    pub n_ctx_orig_yarn: u32,
    pub causal_attn: bool,
    pub pooling: PoolingType,
}

impl Hparams {
    /// Those of a model of which only the vocabulary is loaded.
    pub fn vocab_only(n_vocab: u32) -> Hparams {
        Hparams {
            n_vocab,
            n_ctx_train: 0,
            n_embd: 0,
            n_layer: 0,
            n_rot: 0,
            n_embd_head_k: 0,
            n_embd_head_v: 0,
            n_head: Vec::new(),
            n_head_kv: Vec::new(),
            n_ff: Vec::new(),
            n_expert: 0,
            n_expert_used: 0,
            norm_rms_eps: 0.0,
            rope_type: RopeType::None,
            rope_scaling: RopeScalingType::None,
            rope_freq_base: 1.0,
            rope_freq_scale: 1.0,
            rope_attn_factor: 1.0,
            n_ctx_orig_yarn: 0,
            causal_attn: true,
            pooling: PoolingType::None,
        }
    }

    /// Reads what all architectures with attention have in common. The architecture's own page completes it.
    pub fn read(keys: &Keys, n_vocab: u32, rope_type: RopeType) -> Result<Hparams> {
        let n_layer = keys.size("block_count", MAX_LAYERS)?;
        let n_ctx_train = keys.size("context_length", i32::MAX as u32)?;
        let n_embd = keys.size("embedding_length", MAX_DIM)?;
        let n_expert = keys.u32("expert_count")?.unwrap_or(0);
        let n_expert_used = keys.u32("expert_used_count")?.unwrap_or(0);
        ensure!(
            n_expert <= MAX_EXPERTS,
            "'{}' is {n_expert}, more than {MAX_EXPERTS}",
            keys.name("expert_count")
        );
        ensure!(
            n_expert_used <= n_expert && (n_expert == 0 || n_expert_used > 0),
            "{n_expert_used} of {n_expert} experts used"
        );

        let layers = |key, default: Option<&[u32]>| -> Result<Vec<u32>> {
            let all = match (keys.per_layer(key, n_layer)?, default) {
                (Some(all), _) => all,
                (None, Some(all)) => all.to_vec(),
                (None, None) => bail!("key '{}' is missing from the metadata", keys.name(key)),
            };
            for &n in &all {
                keys.check_size(key, n, MAX_DIM)?;
            }
            Ok(all)
        };
        let n_ff = layers("feed_forward_length", None)?;
        let n_head = layers("attention.head_count", None)?;
        let n_head_kv = layers("attention.head_count_kv", Some(&n_head))?;
        for (n, n_kv) in n_head.iter().zip(&n_head_kv) {
            ensure!(
                n % n_kv == 0,
                "{n} heads cannot share {n_kv} key-value heads"
            );
        }

        let head_default = n_embd / n_head[0];
        let n_embd_head_k = keys.size_or("attention.key_length", head_default, MAX_DIM)?;
        let n_embd_head_v = keys.size_or("attention.value_length", head_default, MAX_DIM)?;
        for &n in n_head.iter().chain(&n_head_kv) {
            let widest = n_embd_head_k.max(n_embd_head_v);
            ensure!(
                n.checked_mul(widest).is_some_and(|all| all <= MAX_DIM),
                "{n} heads of {widest} values are more than {MAX_DIM} values"
            );
        }
        let n_rot = keys.size_or("rope.dimension_count", n_embd_head_k, n_embd_head_k)?;
        ensure!(
            n_rot % 2 == 0,
            "an odd number of dimensions ({n_rot}) cannot be rotated"
        );

        let rope_scaling = match keys.str("rope.scaling.type")? {
            None | Some("linear") => RopeScalingType::Linear,
            Some("none") => RopeScalingType::None,
            Some("yarn") => RopeScalingType::Yarn,
            Some(other) => bail!("unknown rope scaling type '{other}'"),
        };
        let factor = match keys.f32("rope.scaling.factor")? {
            Some(factor) => factor,
            // the key's name in old files
            None => keys.f32("rope.scale_linear")?.unwrap_or(0.0),
        };
        let rope_freq_scale = if factor == 0.0 { 1.0 } else { 1.0 / factor };
        let rope_freq_base = keys.f32("rope.freq_base")?.unwrap_or(10000.0);
        ensure!(
            rope_freq_base > 0.0 && rope_freq_scale.is_finite(),
            "rope frequency base {rope_freq_base}, scaling factor {factor}"
        );

        Ok(Hparams {
            n_vocab,
            n_ctx_train,
            n_embd,
            n_layer,
            n_rot,
            n_embd_head_k,
            n_embd_head_v,
            n_head,
            n_head_kv,
            n_ff,
            n_expert,
            n_expert_used,
            norm_rms_eps: 0.0,
            rope_type,
            rope_scaling,
            rope_freq_base,
            rope_freq_scale,
            rope_attn_factor: keys.f32("rope.scaling.attn_factor")?.unwrap_or(1.0),
            n_ctx_orig_yarn: keys
                .u32("rope.scaling.original_context_length")?
                .unwrap_or(n_ctx_train),
            causal_attn: true,
            pooling: PoolingType::None,
        })
    }

    /// Values of all key heads of a layer together.
    pub fn n_embd_k_gqa(&self, il: usize) -> u32 {
        self.n_head_kv[il] * self.n_embd_head_k
    }

    /// Values of all value heads of a layer together.
    pub fn n_embd_v_gqa(&self, il: usize) -> u32 {
        self.n_head_kv[il] * self.n_embd_head_v
    }
}
