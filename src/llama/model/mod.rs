//! Models: the file's metadata and hyper-parameters, the tensors, and the architecture that makes graphs of them.
//! How a model is run, with caches and batches, is the business of `context`.

pub mod arch;
pub mod blocks;
pub mod build;
pub mod hparams;
pub mod load;

use std::path::Path;
use std::time::Instant;

use self::arch::{Architecture, Page};
use self::hparams::{Hparams, Keys};
use self::load::{Loader, Options, Progress, Weights};
use super::ftype::Ftype;
use super::params::llama_token;
use super::vocab::{Vocab, VocabType};
use crate::error::{Error, Result};
use crate::gguf::{Metadata, Override, SplitFile};
use crate::graph::Tensor;
use crate::quant::Type;
use crate::{bail, ensure, log_info};

/// What to load, and how.
#[derive(Clone, Debug)]
pub struct LoadParams {
    /// Only the metadata and the vocabulary.
    pub vocab_only: bool,
    pub overrides: Vec<Override>,
    pub options: Options,
}

/// A model.
pub struct Model {
    pub vocab: Vocab,
    pub metadata: Metadata,
    pub page: &'static Page,
    pub hparams: Hparams,
    /// `None` if only the vocabulary was loaded.
    pub body: Option<Body>,
    /// How the file says it is quantized, for people.
    ftype: String,
    /// When loading began, and how long it took.
    pub t_start: Instant,
    pub t_load_us: i64,
}

/// The tensors of a model and the graphs they make.
pub struct Body {
    pub arch: Box<dyn Architecture>,
    pub weights: Weights,
    /// Values of all tensors together.
    pub n_params: u64,
    /// Bytes of all tensors together.
    pub size: u64,
}

impl Model {
    /// Loads a model; `None` if `progress` cancels.
    pub fn load(path: &Path, params: LoadParams, progress: Progress) -> Result<Option<Model>> {
        let t_start = Instant::now();
        let mut file = SplitFile::open(path)?;
        file.first_mut()
            .metadata_mut()
            .add_overrides(params.overrides);
        let metadata = file.first().metadata();
        let name: &str = metadata.require("general.architecture")?;
        let page = match arch::find(name) {
            Some(page) => page,
            None if params.vocab_only => &arch::UNKNOWN,
            None => bail!("unknown model architecture: '{name}'"),
        };
        let keys = Keys {
            metadata,
            arch: name,
        };
        let ftype = describe_ftype(&file)?;
        let vocab = Vocab::load(metadata).map_err(|e| Error(format!("invalid vocabulary: {e}")))?;
        let n_vocab = n_vocab(keys, &vocab)?;
        let mut model = Model {
            vocab,
            metadata: metadata.clone(),
            page,
            hparams: Hparams::vocab_only(n_vocab),
            body: None,
            ftype,
            t_start,
            t_load_us: 0,
        };
        if !params.vocab_only {
            let invalid = |e: Error| Error(format!("invalid hyper-parameters: {e}"));
            model.hparams = Hparams::read(&keys, n_vocab, page.rope_type).map_err(invalid)?;
            (page.hparams)(&keys, &mut model.hparams).map_err(invalid)?;
            let mut loader = Loader::new(&file)?;
            let arch = (page.load)(&mut loader, &model.hparams)?;
            let Some(weights) = loader.finish(params.options, progress)? else {
                return Ok(None);
            };
            model.body = Some(Body::new(arch, weights));
            model.log();
        }
        model.t_load_us = t_start.elapsed().as_micros() as i64;
        Ok(Some(model))
    }

    /// As `llama 7B Q4_0`.
    pub fn description(&self) -> String {
        let size = (self.page.size)(&self.hparams);
        format!("{} {size} {}", self.page.name, self.ftype)
    }

    fn log(&self) {
        let hp = &self.hparams;
        log_info!("arch             = {}", self.page.name);
        log_info!("n_ctx_train      = {}", hp.n_ctx_train);
        log_info!("n_embd           = {}", hp.n_embd);
        log_info!("n_layer          = {}", hp.n_layer);
        log_info!("n_head           = {}", hp.n_head[0]);
        log_info!("n_head_kv        = {}", hp.n_head_kv[0]);
        log_info!("n_ff             = {}", hp.n_ff[0]);
        log_info!("n_expert         = {}", hp.n_expert);
        log_info!("n_expert_used    = {}", hp.n_expert_used);
        log_info!("freq_base_train  = {:.1}", hp.rope_freq_base);
        log_info!("freq_scale_train = {}", hp.rope_freq_scale);
        log_info!("n_ctx_orig_yarn  = {}", hp.n_ctx_orig_yarn);
        log_info!("model type       = {}", (self.page.size)(hp));
        log_info!("model ftype      = {}", self.ftype);
        if let Some(body) = &self.body {
            log_info!("model params     = {:.3} M", body.n_params as f64 * 1e-6);
            log_info!(
                "model size       = {:.3} MiB ({:.3} BPW)",
                body.size as f64 / 1048576.0,
                body.size as f64 * 8.0 / body.n_params.max(1) as f64
            );
        }
    }

    /// Whether a batch of this token alone is what programs warm up with: the beginning of text, or where there is none, its end.
    pub fn is_warmup_token(&self, token: llama_token) -> bool {
        let special = self.vocab.special();
        let begin = if special.bos >= 0 {
            special.bos
        } else {
            special.eos
        };
        token == begin
    }

    /// A tensor by name.
    pub fn tensor(&self, name: &str) -> Option<Tensor> {
        let mut tensors = self.body.as_ref()?.weights.tensors.iter().copied();
        tensors.find(|t| t.has_name(name.as_bytes()))
    }
}

impl Body {
    fn new(arch: Box<dyn Architecture>, weights: Weights) -> Body {
        let tensors = || weights.tensors.iter();
        Body {
            n_params: tensors().map(|t| t.nelements() as u64).sum(),
            size: tensors().map(|t| t.nbytes() as u64).sum(),
            arch,
            weights,
        }
    }
}

/// How many tokens the model knows: as many as the vocabulary, if there is one.
fn n_vocab(keys: Keys, vocab: &Vocab) -> Result<u32> {
    let stated = keys.u32("vocab_size")?;
    let there = vocab.n_tokens() as u32;
    if vocab.ty() == VocabType::None {
        return Ok(stated.unwrap_or(there));
    }
    ensure!(
        stated.is_none_or(|n| n == there),
        "'{}' is {}, but the vocabulary has {there} tokens",
        keys.name("vocab_size"),
        stated.unwrap_or(0)
    );
    Ok(there)
}

/// What the file says it is quantized to, or what most of its tensors are.
fn describe_ftype(file: &SplitFile) -> Result<String> {
    let stated = file.first().metadata().get_u32("general.file_type")?;
    if let Some(raw) = stated {
        return Ok(Ftype::from_raw(raw)
            .unwrap_or(Ftype::Guessed)
            .description()
            .to_owned());
    }
    let mut counts: Vec<(Type, usize)> = Vec::new();
    for tensor in file.parts.iter().flat_map(|p| p.tensors()) {
        match counts.iter_mut().find(|(ty, _)| *ty == tensor.ty) {
            Some((_, n)) => *n += 1,
            None => counts.push((tensor.ty, 1)),
        }
    }
    let most = counts
        .iter()
        .max_by_key(|(_, n)| *n)
        .map(|(ty, _)| ty.name());
    Ok(format!(
        "{} (guessed)",
        most.unwrap_or("unknown").to_uppercase()
    ))
}
