//! The scheduler: decides which device computes which node of a graph, splits the graph where the device changes, copies what
//! a split needs from other devices, allocates it all, and runs it.
//!
//! Devices are given in order of preference; the last one (the CPU) can compute everything. A node goes
//! 1. where the caller put it, or where the memory it writes to is fixed;
//! 2. where its weights are (unless a preferred device asks to have them sent);
//! 3. where its neighbours are, preferred devices first;
//! 4. where most of its sources are.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Status;
use super::buffer::{Buffer, BufferType, BufferUsage, buffer_of};
use super::device::{Backend, is_noop, tensor_copy};
use super::galloc::{Gallocr, Step};
use crate::error::Result;
use crate::graph::{Context, Graph, Op, TENSOR_FLAG_INPUT, Tensor};
use crate::{bail, ensure, log_error};

/// Observes nodes. Asked with `true`: is this node of interest? Told with `false`: it is computed; returning false stops.
pub type EvalCallback = Arc<dyn Fn(Tensor, bool) -> bool + Send + Sync>;

/// Consecutive nodes on one device.
struct Split {
    backend: usize,
    nodes: std::ops::Range<usize>,
    /// What it needs from other devices: source and copy.
    inputs: Vec<(Tensor, Tensor)>,
}

/// A scheduler over some backends; what C callers know as `ggml_backend_sched_t` points to one.
#[allow(non_camel_case_types)]
pub struct ggml_backend_sched {
    backends: Vec<Arc<Backend>>,
    bufts: Vec<BufferType>,
    galloc: Gallocr,
    /// Which of `galloc`'s buffers a backend uses: devices that share a buffer type share a buffer.
    pool: Vec<usize>,
    graph_size: usize,
    callback: Option<EvalCallback>,
    /// Operators that stay where their weights are although a device asks for them.
    no_offload: Vec<bool>,
    /// The caller's wishes.
    wanted: FxHashMap<Tensor, usize>,
    /// Where each tensor of the last graph is computed.
    assigned: FxHashMap<Tensor, usize>,
    /// The arena of the copies between devices.
    copies: Option<Context>,
    splits: Vec<Split>,
    /// What the last graph that was split needs memory for: its leafs, and its nodes and copies in order. Kept for their memory.
    leafs: Vec<Step>,
    steps: Vec<Step>,
    is_allocated: bool,
}
pub type Sched = ggml_backend_sched;

impl Sched {
    /// A scheduler over `backends`, the preferred ones first, that uses memory of types `bufts` (by default each backend's
    /// own) for graphs of up to `graph_size` nodes.
    pub fn new(
        backends: Vec<Arc<Backend>>,
        bufts: Option<Vec<BufferType>>,
        graph_size: usize,
    ) -> Result<Sched> {
        ensure!(!backends.is_empty(), "scheduler: no backend given");
        let bufts =
            bufts.unwrap_or_else(|| backends.iter().map(|b| b.default_buffer_type()).collect());
        ensure!(
            bufts.len() == backends.len(),
            "scheduler: as many buffer types as backends are needed"
        );
        for (backend, &buft) in backends.iter().zip(&bufts) {
            ensure!(
                backend.supports_buffer_type(buft),
                "scheduler: backend {} cannot use buffers of type {}",
                backend.name().to_string_lossy(),
                buft.name().to_string_lossy()
            );
        }
        let mut pools: Vec<BufferType> = Vec::new();
        let pool = bufts
            .iter()
            .map(|&buft| {
                pools.iter().position(|&p| p == buft).unwrap_or_else(|| {
                    pools.push(buft);
                    pools.len() - 1
                })
            })
            .collect();
        Ok(Sched {
            galloc: Gallocr::new(pools),
            pool,
            backends,
            bufts,
            graph_size,
            callback: None,
            no_offload: vec![false; Op::Fused_rms_rms_add as usize + 1],
            wanted: FxHashMap::default(),
            assigned: FxHashMap::default(),
            copies: None,
            splits: Vec::new(),
            leafs: Vec::new(),
            steps: Vec::new(),
            is_allocated: false,
        })
    }

    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }
    pub fn n_splits(&self) -> usize {
        self.splits.len()
    }
    /// Copies of the inputs that are kept for pipelined evaluation.
    pub fn n_copies(&self) -> usize {
        1
    }
    pub fn set_eval_callback(&mut self, callback: Option<EvalCallback>) {
        self.callback = callback;
    }
    /// Whether nodes of this operator may be computed away from their weights.
    pub fn set_op_offload(&mut self, op: Option<Op>, allowed: bool) {
        match op {
            Some(op) => self.no_offload[op as usize] = !allowed,
            None => self.no_offload.fill(!allowed),
        }
    }

    fn index_of(&self, backend: &Backend) -> Option<usize> {
        self.backends
            .iter()
            .position(|b| std::ptr::eq(&**b, backend))
    }

    /// The preferred backend that can use a buffer.
    pub fn backend_of_buffer(&self, buffer: &Buffer) -> Option<usize> {
        let buft = buffer.buffer_type();
        self.backends
            .iter()
            .position(|b| b.supports_buffer_type(buft))
    }

    /// Bytes of compute buffer in use for a backend; counted once where backends share one.
    pub fn buffer_size(&self, backend: &Backend) -> usize {
        match self.index_of(backend) {
            Some(i) if self.pool[..i].contains(&self.pool[i]) => 0,
            Some(i) => self.galloc.buffer_size(self.pool[i]),
            None => 0,
        }
    }

    /// Asks for a tensor to be computed by a backend. Holds until `reset`.
    pub fn set_tensor_backend(&mut self, tensor: Tensor, backend: &Backend) -> Result<()> {
        let Some(i) = self.index_of(backend) else {
            bail!(
                "scheduler: tensor '{}' is put on a backend of another scheduler",
                tensor.name()
            );
        };
        self.wanted.insert(tensor, i);
        Ok(())
    }

    /// Where a tensor of the last graph is computed.
    pub fn tensor_backend(&self, tensor: Tensor) -> Option<&Arc<Backend>> {
        let i = self
            .assigned
            .get(&tensor)
            .or_else(|| self.wanted.get(&tensor));
        match i {
            Some(&i) => self.backends.get(i),
            // A single backend computes everything, without keeping a list of it.
            None if self.backends.len() == 1 && self.is_allocated => self.backends.first(),
            None => None,
        }
    }

    /// Forgets assignments and allocations; tensors of the last graph must not be used any more.
    pub fn reset(&mut self) {
        self.wanted.clear();
        self.assigned.clear();
        self.is_allocated = false;
    }

    /// Makes the compute buffers large enough for a graph; computes nothing and leaves the graph as it was.
    pub fn reserve(&mut self, graph: Graph) -> Result<()> {
        self.split(graph)?;
        let result = self.galloc.reserve_steps(&self.leafs, &self.steps);
        self.unsplit(graph);
        self.reset();
        result
    }

    /// Allocates a graph. Inputs can be set afterwards, before `graph_compute`.
    pub fn alloc_graph(&mut self, graph: Graph) -> Result<()> {
        self.split(graph)?;
        self.galloc.alloc_steps(&self.leafs, &self.steps)?;
        self.is_allocated = true;
        Ok(())
    }

    /// Computes a graph, allocating it first unless `alloc_graph` did. After that the same graph can be computed again with
    /// new inputs; for another one, call `reset` first.
    pub fn graph_compute(&mut self, graph: Graph) -> Status {
        let status = self.graph_compute_async(graph);
        self.synchronize();
        status
    }

    /// As `graph_compute`, but devices may still be at work when it returns.
    pub fn graph_compute_async(&mut self, graph: Graph) -> Status {
        if !self.is_allocated
            && let Err(e) = self.alloc_graph(graph)
        {
            log_error!("scheduler: {e}");
            return Status::AllocFailed;
        }
        let graph_nodes = graph;
        let nodes = graph_nodes.nodes();
        for split in &self.splits {
            let backend = &self.backends[split.backend];
            for &(from, to) in &split.inputs {
                if let Some(i) = self.assigned.get(&from) {
                    self.backends[*i].synchronize();
                }
                if let Err(e) = tensor_copy(from, to) {
                    log_error!("scheduler: {e}");
                    return Status::Failed;
                }
            }
            let nodes = nodes.get(split.nodes.clone()).unwrap_or_default();
            let status = match &self.callback {
                None => backend.compute(nodes),
                Some(callback) => compute_observed(backend, nodes, &**callback),
            };
            if status != Status::Success {
                return status;
            }
        }
        Status::Success
    }

    pub fn synchronize(&self) {
        for backend in &self.backends {
            backend.synchronize();
        }
    }

    /// Splits the graph, and finds out in which order it needs memory.
    fn split(&mut self, graph: Graph) -> Result<()> {
        self.splits.clear();
        self.leafs.clear();
        self.steps.clear();
        let (leafs, nodes) = (graph.leafs(), graph.nodes());
        if self.backends.len() == 1 {
            self.splits.push(Split {
                backend: 0,
                nodes: 0..nodes.len(),
                inputs: Vec::new(),
            });
            self.leafs.extend(leafs.iter().map(|&t| Step::new(t, 0)));
            self.steps.extend(nodes.iter().map(|&t| Step::new(t, 0)));
            return Ok(());
        }
        self.assign(leafs, nodes)?;
        self.cut(nodes);
        self.copy_inputs(nodes)?;

        let buffer = |t: &Tensor| {
            self.pool[self
                .assigned
                .get(t)
                .copied()
                .unwrap_or(self.backends.len() - 1)]
        };
        self.leafs
            .extend(leafs.iter().map(|&t| Step::new(t, buffer(&t))));
        for split in &self.splits {
            for &(from, to) in &split.inputs {
                self.steps.push(Step {
                    tensor: to,
                    reads: Some(from),
                    buffer: self.pool[split.backend],
                });
            }
            self.steps.extend(
                nodes[split.nodes.clone()]
                    .iter()
                    .map(|&t| Step::new(t, buffer(&t))),
            );
        }
        Ok(())
    }

    /// Gives the nodes their sources back where `copy_inputs` had put copies.
    fn unsplit(&mut self, graph: Graph) {
        for split in self.splits.drain(..) {
            for &node in &graph.nodes()[split.nodes] {
                for j in 0..crate::graph::MAX_SRC {
                    if let Some(src) = node.src(j)
                        && let Some(&(from, _)) = split.inputs.iter().find(|&&(_, to)| to == src)
                    {
                        node.set_src(j, Some(from));
                    }
                }
            }
        }
    }

    /// Where memory or the caller fixes a tensor to be.
    fn fixed(&self, tensor: Tensor) -> Option<usize> {
        if let Some(&i) = self.wanted.get(&tensor) {
            return Some(i);
        }
        let holder = tensor.view_src().unwrap_or(tensor);
        self.backend_of_buffer(buffer_of(holder)?)
    }

    /// Where the weights of a node put it.
    fn at_weights(&self, node: Tensor) -> Option<usize> {
        let buffer = node
            .srcs()
            .filter_map(buffer_of)
            .find(|b| b.usage() == BufferUsage::Weights)?;
        let at = self.backend_of_buffer(buffer)?;
        let last = self.backends.len() - 1;
        if at == last && !self.no_offload[node.op() as usize] {
            let taker = self.backends[..last]
                .iter()
                .position(|b| b.supports_op(node) && b.offload_op(node));
            return taker.or(Some(at));
        }
        Some(at)
    }

    fn assign(&mut self, leafs: &[Tensor], nodes: &[Tensor]) -> Result<()> {
        self.assigned.clear();
        let last = self.backends.len() - 1;
        for &tensor in leafs.iter().chain(nodes) {
            let fixed = self.fixed(tensor).or_else(|| self.at_weights(tensor));
            let input = (tensor.flags() & TENSOR_FLAG_INPUT != 0).then_some(last);
            if let Some(i) = fixed.or(input) {
                self.assigned.insert(tensor, i);
            }
        }
        // Spread to neighbours: preferred devices first, then all.
        for include_last in [false, true] {
            self.spread(nodes.iter(), include_last);
            self.spread(nodes.iter().rev(), include_last);
        }
        for &node in nodes {
            if self.assigned.contains_key(&node) {
                continue;
            }
            let n_near = |i: usize| {
                node.srcs()
                    .filter(|s| self.assigned.get(s) == Some(&i))
                    .count()
            };
            // Of equals the preferred one: `max_by_key` takes the last.
            let best = (0..=last)
                .rev()
                .filter(|&i| self.backends[i].supports_op(node))
                .max_by_key(|&i| n_near(i));
            let Some(best) = best.or(is_noop(node).then_some(last)) else {
                bail!(
                    "scheduler: no backend can compute '{}' ({:?})",
                    node.name(),
                    node.op()
                );
            };
            self.assigned.insert(node, best);
        }
        for &node in nodes {
            let at = self.assigned[&node];
            if let Some(src) = node.view_src()
                && let Some(&i) = self.assigned.get(&src)
            {
                self.assigned.insert(node, i);
            }
            for src in node.srcs() {
                self.assigned.entry(src).or_insert(at);
            }
        }
        Ok(())
    }

    fn spread<'a>(&mut self, nodes: impl Iterator<Item = &'a Tensor>, include_last: bool) {
        let last = self.backends.len() - 1;
        let mut current = None;
        for &node in nodes {
            if is_noop(node) {
                continue;
            }
            match self.assigned.get(&node) {
                Some(&i) => current = Some(i).filter(|&i| include_last || i != last),
                None => {
                    if let Some(i) = current
                        && self.backends[i].supports_op(node)
                    {
                        self.assigned.insert(node, i);
                    }
                }
            }
        }
    }

    /// Cuts the nodes where the backend changes; nodes that compute nothing go with the split they are in.
    fn cut(&mut self, nodes: &[Tensor]) {
        let (mut start, mut current) = (0, None);
        for (i, &node) in nodes.iter().enumerate() {
            if is_noop(node) {
                continue;
            }
            let at = self.assigned[&node];
            match current {
                Some(backend) if backend != at => {
                    self.splits.push(Split {
                        backend,
                        nodes: start..i,
                        inputs: Vec::new(),
                    });
                    (start, current) = (i, Some(at));
                }
                _ => current = Some(at),
            }
        }
        let backend = current.unwrap_or(self.backends.len() - 1);
        self.splits.push(Split {
            backend,
            nodes: start..nodes.len(),
            inputs: Vec::new(),
        });
    }

    /// Replaces the sources that a split's device can't reach by copies.
    fn copy_inputs(&mut self, nodes: &[Tensor]) -> Result<()> {
        let copies = match self.copies.take() {
            Some(mut context) => {
                context.clear();
                context
            }
            None => {
                let most = self
                    .graph_size
                    .max(nodes.len())
                    .saturating_mul(self.backends.len());
                Context::for_tensors(most, 0)?
            }
        };
        for split in &mut self.splits {
            let backend = &self.backends[split.backend];
            let mut copy_of: FxHashMap<Tensor, Tensor> = FxHashMap::default();
            for &node in &nodes[split.nodes.clone()] {
                for j in 0..crate::graph::MAX_SRC {
                    let Some(src) = node.src(j) else { continue };
                    let at = self.assigned.get(&src).copied().unwrap_or(split.backend);
                    let buft = buffer_of(src).map_or(self.bufts[at], |b| b.buffer_type());
                    if at == split.backend || backend.supports_buffer_type(buft) {
                        continue;
                    }
                    let copy = match copy_of.get(&src) {
                        Some(&copy) => copy,
                        None => {
                            let copy = copies.dup_tensor(src)?;
                            copy.set_nb(src.nb());
                            copy.set_name(format!(
                                "{}#{}",
                                backend.name().to_string_lossy(),
                                src.name()
                            ));
                            self.assigned.insert(copy, split.backend);
                            split.inputs.push((src, copy));
                            copy_of.insert(src, copy);
                            copy
                        }
                    };
                    node.set_src(j, Some(copy));
                }
            }
        }
        self.copies = Some(copies);
        Ok(())
    }
}

/// Computes nodes in runs that end at the nodes the callback wants to see.
fn compute_observed(
    backend: &Backend,
    nodes: &[Tensor],
    callback: &dyn Fn(Tensor, bool) -> bool,
) -> Status {
    let mut start = 0;
    while start < nodes.len() {
        let wanted = nodes[start..].iter().position(|&node| callback(node, true));
        let end = wanted.map_or(nodes.len(), |n| start + n + 1);
        let status = backend.compute(&nodes[start..end]);
        if status != Status::Success {
            return status;
        }
        if wanted.is_some() {
            backend.synchronize();
            if !callback(nodes[end - 1], false) {
                break;
            }
        }
        start = end;
    }
    Status::Success
}
