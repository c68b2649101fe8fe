//! Contexts: a model being run, with its KV cache, its outputs and its random numbers. `decode` takes batches through the
//! model; the other files here are its parts.

pub mod batch;
pub mod cells;
mod decode;
mod inputs;
mod kv;
pub mod output;
pub mod state;

use std::sync::Arc;
use std::time::Instant;

use decode::Runner;
pub use decode::{DecodeError, stop};

use super::adapter::{ControlVector, LoraAdapter, Overlay};
use super::cparams::Cparams;
use super::model::Model;
use super::params::llama_context_params;
use super::sampling::Sampler;
use crate::backend::{AbortCallback, EvalCallback};
use crate::error::Result;
use crate::graph::Op;
use crate::{ensure, log_error, log_info};
use cells::Cells;
use output::Output;

/// Where the time went.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    pub start: Instant,
    /// Loading the model, and until the first batch was computed: the weights are read then.
    pub load_us: i64,
    /// Batches, and how many tokens they had.
    pub prompt_us: i64,
    pub n_prompt: i32,
    /// Single tokens.
    pub eval_us: i64,
    pub n_eval: i32,
}

pub struct Context {
    model: Arc<Model>,
    cp: Cparams,
    pub output: Output,
    pub sampler: Sampler,
    pub timings: Timings,
    has_decoded: bool,
    overlay: Overlay,
    /// `None` if the model is only a vocabulary.
    pub(super) runner: Option<Runner>,
}

impl Context {
    pub fn new(
        model: Arc<Model>,
        params: &llama_context_params,
        eval: Option<EvalCallback>,
        abort: Option<AbortCallback>,
    ) -> Result<Context> {
        let cp = Cparams::resolve(params, &model.hparams)?;
        let runner = match &model.body {
            Some(body) => Some(Runner::new(&model.hparams, body, &cp, eval)?),
            None => None,
        };
        log_info!("n_ctx         = {}", cp.n_ctx);
        log_info!("n_batch       = {}", cp.n_batch);
        log_info!("n_ubatch      = {}", cp.n_ubatch);
        log_info!("flash_attn    = {}", i32::from(cp.flash_attn));
        log_info!("freq_base     = {:.1}", cp.rope_freq_base);
        log_info!("freq_scale    = {}", cp.rope_freq_scale);
        let mut context = Context {
            timings: Timings {
                start: model.t_start,
                load_us: model.t_load_us,
                prompt_us: 0,
                n_prompt: 0,
                eval_us: 0,
                n_eval: 0,
            },
            has_decoded: false,
            overlay: Overlay::default(),
            output: Output::default(),
            sampler: Sampler::new(params.seed),
            model,
            cp,
            runner,
        };
        context.set_abort_callback(abort);
        Ok(context)
    }

    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    pub fn cparams(&self) -> &Cparams {
        &self.cp
    }

    /// The cells of the KV cache; none if the model is only a vocabulary.
    pub fn cells(&self) -> Option<&Cells> {
        self.runner.as_ref().map(|r| &r.cache.cells)
    }

    pub fn cells_mut(&mut self) -> Option<&mut Cells> {
        self.runner.as_mut().map(|r| &mut r.cache.cells)
    }

    pub fn clear_cache(&mut self) {
        if let Some(runner) = &mut self.runner {
            runner.cache.clear();
        }
    }

    /// Asks for holes in the cache to be closed before the next batch.
    pub fn defrag(&mut self) {
        if let Some(runner) = &mut self.runner {
            runner.cache.do_defrag = true;
        }
    }

    /// Zero is taken for one, with a line in the log.
    pub fn set_n_threads(&mut self, single: u32, batch: u32) {
        if single == 0 || batch == 0 {
            log_error!("n_threads ({single}) and n_threads_batch ({batch}) must not be zero");
        }
        self.cp.n_threads = single.max(1);
        self.cp.n_threads_batch = batch.max(1);
    }

    pub fn set_embeddings(&mut self, embeddings: bool) {
        self.cp.embeddings = embeddings;
        self.graph_changed();
    }

    pub fn set_causal_attn(&mut self, causal: bool) {
        self.cp.causal_attn = causal;
    }

    pub fn set_abort_callback(&mut self, abort: Option<AbortCallback>) {
        if let Some(runner) = &self.runner {
            runner.set_abort_callback(abort);
        }
    }

    /// Uses an adapter, or changes how strongly it is used. Fails if it is another model's.
    pub fn set_adapter(&mut self, adapter: &Arc<LoraAdapter>, scale: f32) -> Result<()> {
        ensure!(
            Arc::ptr_eq(adapter.model(), &self.model),
            "the adapter was loaded for another model"
        );
        let adapters = &mut self.overlay.adapters;
        match adapters.iter_mut().find(|(a, _)| Arc::ptr_eq(a, adapter)) {
            Some((_, old)) => *old = scale,
            None => adapters.push((adapter.clone(), scale)),
        }
        self.overlay_changed()
    }

    /// Uses an adapter no more; false if it was not in use.
    pub fn remove_adapter(&mut self, adapter: &Arc<LoraAdapter>) -> Result<bool> {
        let adapters = &mut self.overlay.adapters;
        let before = adapters.len();
        adapters.retain(|(a, _)| !Arc::ptr_eq(a, adapter));
        let removed = adapters.len() < before;
        self.overlay_changed()?;
        Ok(removed)
    }

    pub fn clear_adapters(&mut self) -> Result<()> {
        self.overlay.adapters.clear();
        self.overlay_changed()
    }

    pub fn set_control_vector(&mut self, control: Option<ControlVector>) -> Result<()> {
        self.overlay.control = control;
        self.overlay_changed()
    }

    fn overlay_changed(&mut self) -> Result<()> {
        match &mut self.runner {
            Some(runner) => runner.make_room(&self.model.hparams, self.overlay.n_nodes()),
            None => Ok(()),
        }
    }

    /// Whether nodes of an operator (all, if `None`) may be computed away from their weights.
    pub fn set_offload_policy(&mut self, op: Option<Op>, allowed: bool) {
        if let Some(runner) = &mut self.runner {
            runner.set_offload_policy(op, allowed);
        }
    }

    fn graph_changed(&mut self) {
        if let Some(runner) = &mut self.runner {
            runner.forget_graph();
        }
    }

    /// Begins to count time and tokens anew.
    pub fn reset_timings(&mut self) {
        self.timings = Timings {
            start: Instant::now(),
            load_us: self.timings.load_us,
            prompt_us: 0,
            n_prompt: 0,
            eval_us: 0,
            n_eval: 0,
        };
        self.sampler.t_sample_us = 0;
        self.sampler.n_sample = 0;
    }
}
