//! Copies of whole graphs on another device, and comparing two devices node by node.

use std::collections::HashMap;

use super::Status;
use super::buffer::Buffer;
use super::device::{Backend, tensor_copy, view_init};
use super::galloc::alloc_tensors;
use crate::error::Result;
use crate::graph::{Context, Graph, Op, Tensor, graph_overhead};
use crate::{bail, ensure};

/// A graph with all its tensors and their data on some device.
pub struct GraphCopy {
    pub graph: Graph,
    pub buffer: Box<Buffer>,
    /// Holds the tensors that have memory of their own, and the graph.
    pub allocated: Context,
    /// Holds the views.
    pub unallocated: Context,
}

impl GraphCopy {
    /// Copies an allocated graph to a device.
    pub fn new(backend: &Backend, graph: Graph) -> Result<GraphCopy> {
        let order = tensors_of(graph);
        // A view of a graph says that it has no room of its own.
        let size = graph.size().max(graph.n_nodes());
        let overhead = graph_overhead(size, false);
        let allocated = Context::for_tensors(order.len(), overhead)?;
        let unallocated = Context::for_tensors(order.len(), 0)?;
        let mut copies: HashMap<Tensor, Tensor> = HashMap::with_capacity(order.len());
        for &t in &order {
            ensure!(!t.data().is_null(), "tensor {t} is not allocated");
            let arena = if t.is_view() {
                &unallocated
            } else {
                &allocated
            };
            let copy = arena.dup_tensor(t)?;
            copy.set_nb(t.nb());
            copy.set_op(t.op());
            copy.set_op_params(t.op_params());
            copy.set_flags(t.flags());
            copy.set_name(t.name());
            copies.insert(t, copy);
        }
        for (&t, &copy) in &copies {
            for i in 0..crate::graph::MAX_SRC {
                copy.set_src(i, t.src(i).and_then(|s| copies.get(&s)).copied());
            }
            copy.set_view_src(t.view_src().and_then(|s| copies.get(&s)).copied());
            copy.set_view_offs(t.view_offs());
        }
        let new: Vec<Tensor> = allocated.tensors().collect();
        let Some(buffer) = alloc_tensors(new.iter().copied(), backend.default_buffer_type())?
        else {
            bail!("a graph without tensors cannot be copied");
        };
        for &t in &order {
            let copy = copies[&t];
            if copy.is_view() {
                view_init(copy)?;
            } else {
                tensor_copy(t, copy)?;
            }
        }
        let copied = allocated.new_graph(size, false)?;
        for node in graph.nodes() {
            copied.push_node(copies[node])?;
        }
        Ok(GraphCopy {
            graph: copied,
            buffer,
            allocated,
            unallocated,
        })
    }
}

/// All tensors that a graph's nodes reach, each once, viewed ones before their views.
fn tensors_of(graph: Graph) -> Vec<Tensor> {
    let mut seen = std::collections::HashSet::new();
    let mut order = Vec::new();
    let mut stack: Vec<Tensor> = graph.nodes().iter().rev().copied().collect();
    while let Some(t) = stack.pop() {
        if !seen.insert(t) {
            continue;
        }
        stack.extend(t.srcs().chain(t.view_src()));
        order.push(t);
    }
    order.sort_by_key(|t| t.is_view());
    order
}

/// Computes a graph node by node on both devices and calls back with number and results of each, until it answers `false`.
pub fn compare_graph_backend(
    a: &Backend,
    b: &Backend,
    graph: Graph,
    mut callback: impl FnMut(usize, Tensor, Tensor) -> bool,
) -> Result<()> {
    let copy = GraphCopy::new(b, graph)?;
    for (i, (&x, &y)) in graph.nodes().iter().zip(copy.graph.nodes()).enumerate() {
        for (device, node) in [(a, x), (b, y)] {
            let status = device.compute(&[node]);
            device.synchronize();
            ensure!(
                status == Status::Success,
                "device {} failed to compute {node}",
                device.name().to_string_lossy()
            );
        }
        let view = matches!(x.op(), Op::View | Op::Reshape | Op::Permute | Op::Transpose);
        if !view && !callback(i, x, y) {
            break;
        }
    }
    Ok(())
}
