//! Taking a batch through the model.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::Context;
use super::batch::{Batch, Input, Ubatch};
use super::inputs::{Scratch, pooled_sequences};
use super::kv::Cache;
use super::output::{Output, Pooled, Widths};
use crate::backend::{
    AbortCallback, Backend, Cpu, EvalCallback, Sched, Status, cpu_backend, tensor_get, tensor_set,
};
use crate::cpu::GraphId;
use crate::error::{Error, Result};
use crate::graph::{Context as Arena, Graph, Op, graph_overhead};
use crate::llama::adapter::Overlay;
use crate::llama::cparams::Cparams;
use crate::llama::model::build::{BatchShape, Builder, CacheStore, Inputs, Results};
use crate::llama::model::hparams::Hparams;
use crate::llama::model::{Body, Model};
use crate::llama::params::PoolingType;
use crate::{bail, ensure, log_info};

/// Why a batch was not decoded.
#[derive(Debug)]
pub enum DecodeError {
    /// Something is wrong with the batch; nothing has changed.
    Invalid(Error),
    /// The cache has no room for it. What came before the piece that did not fit is in the cache.
    NoSlot(Error),
    /// The caller's callback stopped it; the piece being computed is not in the cache.
    Aborted,
    /// [`stop`] was called; what came before is in the cache.
    Stopped,
    /// The computation failed; the piece being computed is not in the cache.
    Failed(Error),
}

static STOP: AtomicBool = AtomicBool::new(false);

/// From now on until it is told otherwise, no context of the process begins another piece of a batch.
pub fn stop(stop: bool) {
    STOP.store(stop, Ordering::Relaxed);
}

type Decoded<T> = std::result::Result<T, DecodeError>;

impl From<Error> for DecodeError {
    fn from(e: Error) -> DecodeError {
        DecodeError::Failed(e)
    }
}

/// What a graph was built for. The same graph does for another batch where this is equal.
#[derive(Clone, Copy, PartialEq, Eq)]
struct GraphKey {
    batch: BatchShape,
    n_kv: usize,
    warmup: bool,
}

/// A graph that is built and allocated.
struct Built {
    key: GraphKey,
    id: GraphId,
    graph: Graph,
    inputs: Inputs,
    results: Results,
    stores: Vec<CacheStore>,
}

/// What computes the model: the cache, the device, the scheduler and the memory of graphs.
pub(in crate::llama) struct Runner {
    pub(in crate::llama) cache: Cache,
    backend: Arc<Backend>,
    sched: Sched,
    arena: Arena,
    max_nodes: usize,
    built: Option<Built>,
    scratch: Scratch,
    out_ids: Vec<i32>,
}

impl Runner {
    pub(super) fn new(
        hp: &Hparams,
        body: &Body,
        cp: &Cparams,
        eval: Option<EvalCallback>,
    ) -> Result<Runner> {
        let max_nodes = Runner::max_nodes(hp, 0);
        let backend = cpu_backend();
        let cache = Cache::new(hp, cp)?;
        let (k, v) = cache.bytes();
        log_info!(
            "KV self size  = {:.2} MiB, K ({}): {:.2} MiB, V ({}): {:.2} MiB",
            (k + v) as f64 / 1048576.0,
            cp.type_k.ty.name(),
            k as f64 / 1048576.0,
            cp.type_v.ty.name(),
            v as f64 / 1048576.0
        );
        let mut runner = Runner {
            cache,
            sched: Sched::new(vec![backend.clone()], None, max_nodes)?,
            backend,
            arena: Arena::for_tensors(max_nodes, graph_overhead(max_nodes, false))?,
            max_nodes,
            built: None,
            scratch: Scratch::default(),
            out_ids: Vec::new(),
        };
        runner.reserve(hp, body, cp)?;
        runner.sched.set_eval_callback(eval);
        Ok(runner)
    }

    /// Makes room for the largest batch, which also tells whether all tensors fit each other.
    fn reserve(&mut self, hp: &Hparams, body: &Body, cp: &Cparams) -> Result<()> {
        let n_tokens = cp.n_ubatch.min(cp.n_ctx) as usize;
        let size = self.cache.cells.size();
        let key = GraphKey {
            batch: BatchShape {
                n_tokens,
                n_outputs: n_tokens,
                embd: false,
            },
            n_kv: size,
            warmup: false,
        };
        let overlay = Overlay::default();
        let built = self.build(hp, body, cp, &overlay, key, size - n_tokens, Vec::new())?;
        if let Some(node) = built
            .graph
            .nodes()
            .iter()
            .find(|n| !self.backend.supports_op(**n))
        {
            let sources: Vec<_> = node.srcs().map(|s| s.ty().name()).collect();
            bail!(
                "the CPU has no operator {:?} for '{}' of {} from {}",
                node.op(),
                node.name(),
                node.ty().name(),
                sources.join(", ")
            );
        }
        self.sched.reserve(built.graph)?;
        log_info!(
            "compute buffer size = {:.2} MiB, graph nodes = {}",
            self.sched.buffer_size(&self.backend) as f64 / 1048576.0,
            built.graph.n_nodes()
        );
        Ok(())
    }

    pub(super) fn set_abort_callback(&self, abort: Option<AbortCallback>) {
        if let Some(cpu) = self.backend.downcast::<Cpu>() {
            cpu.set_abort_callback(abort);
        }
    }

    /// Nodes of a graph, at most, with `more` that are not the model's own.
    fn max_nodes(hp: &Hparams, more: usize) -> usize {
        1024 + 100 * hp.n_layer as usize + more
    }

    /// Has the next graph built anew, with room for `more` nodes that are not the model's own.
    pub(super) fn make_room(&mut self, hp: &Hparams, more: usize) -> Result<()> {
        self.built = None;
        let max_nodes = Runner::max_nodes(hp, more);
        if max_nodes > self.max_nodes {
            self.sched.reset();
            self.arena = Arena::for_tensors(max_nodes, graph_overhead(max_nodes, false))?;
            self.max_nodes = max_nodes;
        }
        Ok(())
    }

    pub(super) fn set_offload_policy(&mut self, op: Option<Op>, allowed: bool) {
        self.sched.set_op_offload(op, allowed);
        self.built = None;
    }

    pub(super) fn forget_graph(&mut self) {
        self.built = None;
    }

    fn new_graph(&mut self) -> Result<Graph> {
        self.built = None;
        self.sched.reset();
        self.arena.clear();
        self.arena.new_graph(self.max_nodes, false)
    }

    /// Builds a graph whose stores to the cache begin at cell `head`; `stores` is the list that they are written to.
    fn build(
        &mut self,
        hp: &Hparams,
        body: &Body,
        cp: &Cparams,
        overlay: &Overlay,
        key: GraphKey,
        head: usize,
        mut stores: Vec<CacheStore>,
    ) -> Result<Built> {
        stores.clear();
        let graph = self.new_graph()?;
        let mut b = Builder {
            ctx: &self.arena,
            graph,
            hp,
            cp,
            kv: self.cache.view(head, key.n_kv),
            overlay,
            batch: key.batch,
            warmup: key.warmup,
            inputs: Inputs::default(),
            results: Results::default(),
            stores,
        };
        body.arch.build(&mut b)?;
        Ok(Built {
            key,
            id: GraphId::new(),
            graph,
            inputs: b.inputs,
            results: b.results,
            stores: b.stores,
        })
    }

    /// Graphs with an `id` are computed again as they are.
    fn compute(&mut self, graph: Graph, id: Option<GraphId>, n_threads: u32) -> Decoded<()> {
        if let Some(cpu) = self.backend.downcast::<Cpu>() {
            cpu.set_n_threads(n_threads as usize);
            cpu.set_graph(id);
        }
        match self.sched.graph_compute(graph) {
            Status::Success => Ok(()),
            Status::Aborted => Err(DecodeError::Aborted),
            Status::AllocFailed => {
                Err(Error("not enough memory for the computation".into()).into())
            }
            Status::Failed => Err(Error("the computation failed".into()).into()),
        }
    }

    /// As [`Runner::compute`], but not to be stopped halfway: for what changes data in place.
    fn compute_whole(&mut self, graph: Graph, n_threads: u32) -> Decoded<()> {
        let backend = self.backend.clone();
        let cpu = backend.downcast::<Cpu>();
        let abort = cpu.and_then(|cpu| cpu.set_abort_callback(None));
        let result = self.compute(graph, None, n_threads);
        if let Some(cpu) = cpu {
            cpu.set_abort_callback(abort);
        }
        result
    }

    /// Brings the cache's data in step with its cells.
    fn update_cache(&mut self, hp: &Hparams, body: &Body, cp: &Cparams) -> Decoded<()> {
        if self.cache.cells.has_shift {
            let graph = self.new_graph()?;
            let arch = &*body.arch;
            let shift = self.cache.build_shift(&self.arena, graph, hp, cp, arch)?;
            self.sched.alloc_graph(graph)?;
            let cells = self.cache.cells.cells();
            let deltas: Vec<i32> = cells.iter().map(|c| c.delta).collect();
            tensor_set(shift, bytemuck::cast_slice(&deltas), 0)?;
            self.compute_whole(graph, cp.n_threads)?;
            self.cache.cells.shift_done();
        }
        if self.cache.do_defrag {
            let max_moves = (self.max_nodes / self.cache.nodes_per_move().max(1)).max(1);
            loop {
                let moves = self.cache.cells.defrag(max_moves);
                if moves.is_empty() {
                    break;
                }
                let graph = self.new_graph()?;
                self.cache.build_moves(&self.arena, graph, hp, &moves)?;
                self.compute_whole(graph, cp.n_threads)?;
            }
            self.cache.do_defrag = false;
        }
        Ok(())
    }

    /// Computes a piece of a batch. Its cells are taken; on an error the caller frees them.
    fn run(
        &mut self,
        model: &Model,
        body: &Body,
        cp: &Cparams,
        overlay: &Overlay,
        ubatch: &Ubatch,
        head: usize,
        warmup: bool,
    ) -> Decoded<Results> {
        let hp = &model.hparams;
        let size = self.cache.cells.size();
        let padding = cp.kv_padding() as usize;
        let n_kv = self
            .cache
            .cells
            .end()
            .next_multiple_of(padding)
            .max(padding)
            .min(size);
        let key = GraphKey {
            batch: BatchShape {
                n_tokens: ubatch.n_tokens(),
                n_outputs: self.out_ids.len(),
                embd: ubatch.batch.is_embd(),
            },
            n_kv,
            warmup,
        };
        let built = match self.built.take() {
            Some(built) if cp.graph_reuse && built.key == key => {
                self.redirect_stores(&built, head);
                built
            }
            old => {
                // The list's memory is used again.
                let stores = old.map_or_else(Vec::new, |old| old.stores);
                let built = self.build(hp, body, cp, overlay, key, head, stores)?;
                self.sched.alloc_graph(built.graph)?;
                built
            }
        };
        let cells = &self.cache.cells;
        self.scratch
            .fill(&built.inputs, ubatch, &self.out_ids, cells, n_kv, cp)?;
        let n_threads = if ubatch.n_tokens() == 1 {
            cp.n_threads
        } else {
            cp.n_threads_batch
        };
        self.compute(built.graph, Some(built.id), n_threads)?;
        let results = built.results;
        self.built = Some(built);
        Ok(results)
    }

    /// Makes a graph store to other cells than it was built for.
    fn redirect_stores(&self, built: &Built, head: usize) {
        for (i, store) in built.stores.iter().enumerate() {
            let offset = store.step * head;
            let target = self.cache.store_target(i);
            let data = target.data().cast::<u8>().wrapping_add(offset).cast();
            for t in [Some(store.copy), store.copy.src(1)].into_iter().flatten() {
                t.set_view_offs(offset);
                t.set_data(data);
            }
        }
    }
}

/// Copies the results of a piece to where the caller finds them; its outputs begin at row `at`.
fn take_results(
    output: &mut Output,
    results: &Results,
    ubatch: &Ubatch,
    at: usize,
    n_outputs: usize,
    n_embd: usize,
    pooling: PoolingType,
) -> Result<()> {
    if let Some(t) = results.logits {
        output.logits.store(at, n_outputs, t)?;
    }
    if let Some(t) = results.pooled {
        for (row, (id, tokens)) in pooled_sequences(ubatch).into_iter().enumerate() {
            let mut values = vec![0.0f32; n_embd];
            let bytes = bytemuck::cast_slice_mut(&mut values);
            tensor_get(t, bytes, row * n_embd * size_of::<f32>())?;
            let pos = tokens.iter().map(|&i| ubatch.pos(i));
            let next = Pooled {
                values,
                n_tokens: tokens.len(),
                first: pos.clone().min().unwrap_or(0),
                last: pos.max().unwrap_or(0),
            };
            match output.by_sequence.entry(id) {
                Entry::Vacant(free) => drop(free.insert(next)),
                Entry::Occupied(mut old) => old.get_mut().extend(next, pooling),
            }
        }
    } else if let Some(t) = results.embd {
        output.embd.store(at, n_outputs, t)?;
    }
    Ok(())
}

impl Context {
    /// Brings the KV cache's data in step with the sequence operations since the last batch.
    pub fn update_cache(&mut self) -> Decoded<()> {
        let (Some(runner), Some(body)) = (&mut self.runner, &self.model.body) else {
            return Ok(());
        };
        runner.update_cache(&self.model.hparams, body, &self.cp)
    }

    /// Computes a batch: its tokens get into the KV cache, and the outputs it asks for into [`Context::output`].
    pub fn decode(&mut self, batch: &Batch) -> Decoded<()> {
        let start = Instant::now();
        self.check(batch).map_err(DecodeError::Invalid)?;
        let result = self.decode_pieces(batch);
        if result.is_err() {
            self.output.fail();
        }
        let us = start.elapsed().as_micros() as i64;
        let n = batch.n_tokens as i32;
        let t = &mut self.timings;
        if !self.has_decoded {
            t.load_us = t.start.elapsed().as_micros() as i64;
            self.has_decoded = true;
        }
        if n == 1 {
            t.eval_us += us;
            t.n_eval += 1;
        } else {
            t.prompt_us += us;
            t.n_prompt += n;
        }
        result
    }

    fn check(&self, batch: &Batch) -> Result<()> {
        ensure!(
            self.runner.is_some(),
            "only the vocabulary of this model is loaded"
        );
        let (n, cp) = (batch.n_tokens, &self.cp);
        ensure!(
            n <= cp.n_batch as usize,
            "the batch has {n} tokens, more than n_batch ({})",
            cp.n_batch
        );
        ensure!(
            cp.causal_attn || n <= cp.n_ubatch as usize,
            "without causal attention all {n} tokens of a batch must fit n_ubatch ({})",
            cp.n_ubatch
        );
        batch.check(self.model.hparams.n_vocab)
    }

    fn decode_pieces(&mut self, batch: &Batch) -> Decoded<()> {
        let Context {
            model,
            cp,
            overlay,
            output,
            runner,
            timings,
            ..
        } = self;
        let (Some(runner), Some(body)) = (runner, &model.body) else {
            return Ok(());
        };
        let hp = &model.hparams;
        let n_embd = hp.n_embd as usize;
        let wanted = |i: usize| match batch.wanted {
            _ if cp.is_pooled() => true,
            Some(wanted) => wanted[i] != 0,
            None => cp.logits_all || i + 1 == batch.n_tokens,
        };
        let widths = Widths {
            logits: (!cp.embeddings).then_some(hp.n_vocab as usize),
            embd: (cp.embeddings && cp.pooling == PoolingType::None).then_some(n_embd),
        };
        output.begin(batch.n_tokens, wanted, widths)?;
        // Programs send a lone first token after loading, to have all weights read.
        let warmup = timings.n_eval == 0
            && hp.n_expert > 0
            && matches!(batch.input, Input::Tokens([token]) if model.is_warmup_token(*token));

        let mut first = 0;
        let mut n_done = 0;
        while first < batch.n_tokens {
            let end = batch.n_tokens.min(first + cp.n_ubatch as usize);
            let ubatch = Ubatch {
                batch,
                range: first..end,
            };
            let n = ubatch.n_tokens();
            output.tokens_in(first..end, &mut runner.out_ids);
            let n_outputs = runner.out_ids.len();
            if STOP.load(Ordering::Relaxed) {
                return Err(DecodeError::Stopped);
            }
            runner.update_cache(hp, body, cp)?;
            let cells = &mut runner.cache.cells;
            if !cells.find_slot(n) {
                return Err(DecodeError::NoSlot(Error(format!(
                    "no room for {n} tokens in the KV cache: {} of {} cells are in use",
                    cells.used(),
                    cells.size()
                ))));
            }
            let head = cells.head;
            for i in 0..n {
                cells.occupy(head + i, ubatch.pos(i), ubatch.seqs(i).iter().copied());
            }
            let results = runner
                .run(model, body, cp, overlay, &ubatch, head, warmup)
                .inspect_err(|_| runner.cache.cells.free_range(head, n))?;
            runner.cache.cells.head = (head + n) % runner.cache.cells.size();
            take_results(
                output, &results, &ubatch, n_done, n_outputs, n_embd, cp.pooling,
            )?;
            n_done += n_outputs;
            first = end;
        }
        let cells = &runner.cache.cells;
        if cp.defrag_thold >= 0.0 && cells.end() >= 128 {
            let holes = 1.0 - cells.used() as f32 / cells.end() as f32;
            runner.cache.do_defrag |= holes > cp.defrag_thold;
        }
        Ok(())
    }
}
