//! The graph allocator: gives every tensor of a graph an address such that memory is used again as soon as what was in it
//! is no longer needed.
//!
//! Planning walks the nodes in order of computation. A *storage* is a tensor that is not a view; it is needed from its
//! first writer to the last node that reads it or a view of it. Storages that nothing reads, and those marked as
//! outputs, are kept to the end. A node that works element by element takes over the storage of a source that it is the
//! last to read. Leafs and tensors marked as inputs are placed first, so that they can be filled before the graph runs.

use std::ffi::c_void;

use rustc_hash::{FxHashMap, FxHashSet};

use super::buffer::{Buffer, BufferType, BufferUsage};
use super::device::view_init;
use crate::ensure;
use crate::error::Result;
use crate::graph::{Graph, Op, TENSOR_FLAG_INPUT, TENSOR_FLAG_OUTPUT, Tensor};

/// Hands out offsets of a range that grows at its end; best fit. Lists rather than trees: there are few holes, and lists keep
/// their memory.
#[derive(Default)]
struct Offsets {
    /// Holes, as (offset, size) and as (size, offset), each in order.
    by_offset: Vec<(usize, usize)>,
    by_size: Vec<(usize, usize)>,
    end: usize,
}

impl Offsets {
    fn clear(&mut self) {
        self.by_offset.clear();
        self.by_size.clear();
        self.end = 0;
    }
    fn insert(&mut self, offset: usize, size: usize) {
        let add = |list: &mut Vec<(usize, usize)>, pair| {
            let at = list.partition_point(|&old| old < pair);
            list.insert(at, pair);
        };
        add(&mut self.by_offset, (offset, size));
        add(&mut self.by_size, (size, offset));
    }
    fn remove(&mut self, offset: usize, size: usize) {
        let drop = |list: &mut Vec<(usize, usize)>, pair| {
            if let Ok(at) = list.binary_search(&pair) {
                list.remove(at);
            }
        };
        drop(&mut self.by_offset, (offset, size));
        drop(&mut self.by_size, (size, offset));
    }

    fn take(&mut self, size: usize) -> usize {
        let fits = self.by_size.partition_point(|&hole| hole < (size, 0));
        if let Some(&(hole, offset)) = self.by_size.get(fits) {
            self.remove(offset, hole);
            if hole > size {
                self.insert(offset + size, hole - size);
            }
            return offset;
        }
        // No hole is large enough: grow, from the last hole if it touches the end.
        let offset = match self.by_offset.last() {
            Some(&(offset, hole)) if offset + hole == self.end => {
                self.remove(offset, hole);
                offset
            }
            _ => self.end,
        };
        self.end = offset + size;
        offset
    }

    fn give_back(&mut self, mut offset: usize, mut size: usize) {
        let after = self.by_offset.partition_point(|hole| hole.0 < offset);
        let near = |i: usize| self.by_offset.get(i).copied();
        let (before, after) = (after.checked_sub(1).and_then(near), near(after));
        if let Some((next, n)) = after
            && next == offset + size
        {
            self.remove(next, n);
            size += n;
        }
        if let Some((last, n)) = before
            && last + n == offset
        {
            self.remove(last, n);
            (offset, size) = (last, size + n);
        }
        self.insert(offset, size);
    }
}

/// One step of the order in which a graph needs memory.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Written in this step, reading its sources.
    pub tensor: Tensor,
    /// Read in this step too (the scheduler's copies between devices have no source of their own).
    pub reads: Option<Tensor>,
    /// In which of the allocator's buffers the tensor goes.
    pub buffer: usize,
}

impl Step {
    pub fn new(tensor: Tensor, buffer: usize) -> Step {
        Step {
            tensor,
            reads: None,
            buffer,
        }
    }
    fn read(&self) -> impl Iterator<Item = Tensor> {
        self.tensor.srcs().chain(self.reads)
    }
}

/// Where a storage is.
#[derive(Clone, Copy)]
struct Slot {
    buffer: usize,
    offset: usize,
    size: usize,
}

struct Storage {
    /// The last step that touches it; `usize::MAX` to keep it.
    last: usize,
    slot: Option<Slot>,
}

const KEEP: usize = usize::MAX;

/// The tensor whose memory a tensor is in.
fn storage_of(mut tensor: Tensor) -> Tensor {
    while let Some(src) = tensor.view_src() {
        tensor = src;
    }
    tensor
}

fn has_memory(tensor: Tensor) -> bool {
    !tensor.data().is_null() || !tensor.buffer().is_null()
}

fn has_flag(tensor: Tensor, flag: i32) -> bool {
    tensor.flags() & flag != 0
}

/// Whether an operator reads each element (or row) of a source before it writes the same element (or row), and nothing else.
fn can_work_in_place(op: Op) -> bool {
    matches!(
        op,
        Op::Scale
            | Op::Diag_mask_zero
            | Op::Diag_mask_inf
            | Op::Add
            | Op::Add1
            | Op::Sub
            | Op::Mul
            | Op::Div
            | Op::Sqr
            | Op::Sqrt
            | Op::Log
            | Op::Clamp
            | Op::Unary
            | Op::Rope
            | Op::Rms_norm
            | Op::Soft_max
            | Op::Softcap
            | Op::Soft_cap_max
    )
}

/// Decides where tensors are. Its memory is kept from graph to graph, so that planning a graph of the usual size allocates nothing.
struct Planner {
    bufts: Vec<BufferType>,
    offsets: Vec<Offsets>,
    storages: FxHashMap<Tensor, Storage>,
    read: FxHashSet<Tensor>,
    /// The storages that get memory.
    placed: Vec<(Tensor, Slot)>,
}

impl Planner {
    fn new(bufts: Vec<BufferType>) -> Planner {
        Planner {
            offsets: bufts.iter().map(|_| Offsets::default()).collect(),
            bufts,
            storages: FxHashMap::default(),
            read: FxHashSet::default(),
            placed: Vec::new(),
        }
    }

    fn touch(&mut self, tensor: Tensor, step: usize) {
        let keep = has_flag(tensor, TENSOR_FLAG_OUTPUT);
        let storage = self.storages.entry(storage_of(tensor)).or_insert(Storage {
            last: 0,
            slot: None,
        });
        if storage.last != KEEP {
            storage.last = if keep { KEEP } else { step };
        }
    }

    fn size_in(&self, buffer: usize, tensor: Tensor) -> usize {
        let buft = self.bufts[buffer];
        buft.alloc_size(tensor)
            .max(1)
            .next_multiple_of(buft.alignment())
    }

    /// Gives the tensor's storage memory, unless it has some or is not planned here.
    fn place(&mut self, tensor: Tensor, buffer: usize) {
        let root = storage_of(tensor);
        if has_memory(root) {
            return;
        }
        let size = self.size_in(buffer, root);
        if let Some(storage) = self.storages.get_mut(&root)
            && storage.slot.is_none()
        {
            let slot = Slot {
                buffer,
                offset: self.offsets[buffer].take(size),
                size,
            };
            storage.slot = Some(slot);
            self.placed.push((root, slot));
        }
    }

    /// Lets the node of step `i` take over the storage of a source that nothing needs after it.
    fn place_over_source(&mut self, i: usize, step: &Step) -> bool {
        let node = step.tensor;
        if !can_work_in_place(node.op()) || has_memory(node) {
            return false;
        }
        let size = self.size_in(step.buffer, node);
        for src in node.srcs() {
            let root = storage_of(src);
            let fits = src.ty() == node.ty()
                && src.same_shape(node)
                && src.same_stride(node)
                && src.view_offs() == 0;
            // Another source in the same storage must be the very same elements.
            let alone = node.srcs().all(|s| s == src || storage_of(s) != root);
            let Some(storage) = self.storages.get_mut(&root) else {
                continue;
            };
            let Some(slot) = storage.slot else { continue };
            if fits && alone && storage.last == i && slot.buffer == step.buffer && slot.size == size
            {
                storage.slot = None;
                if let Some(own) = self.storages.get_mut(&node) {
                    own.slot = Some(slot);
                    self.placed.push((node, slot));
                    return true;
                }
            }
        }
        false
    }

    /// Plans a graph: afterwards `placed` and the ends of `offsets` are its.
    fn run(&mut self, leafs: &[Step], steps: &[Step]) {
        self.offsets.iter_mut().for_each(Offsets::clear);
        self.storages.clear();
        self.read.clear();
        self.placed.clear();
        for leaf in leafs {
            self.touch(leaf.tensor, KEEP);
        }
        // A leaf lives until its last reader, or for good if it has none.
        for step in steps {
            self.read.extend(step.read());
        }
        for leaf in leafs {
            let is_read = self.read.contains(&leaf.tensor);
            let last = if is_read && !has_flag(leaf.tensor, TENSOR_FLAG_OUTPUT) {
                0
            } else {
                KEEP
            };
            if let Some(storage) = self.storages.get_mut(&storage_of(leaf.tensor)) {
                storage.last = last;
            }
        }
        for (i, step) in steps.iter().enumerate() {
            for src in step.read() {
                self.touch(src, i);
            }
            let is_read = self.read.contains(&step.tensor);
            self.touch(step.tensor, if is_read { i } else { KEEP });
        }

        for leaf in leafs {
            self.place(leaf.tensor, leaf.buffer);
        }
        for step in steps
            .iter()
            .filter(|s| has_flag(s.tensor, TENSOR_FLAG_INPUT))
        {
            self.place(step.tensor, step.buffer);
        }
        for (i, step) in steps.iter().enumerate() {
            for src in step.read() {
                self.place(src, step.buffer);
            }
            if step.tensor.view_src().is_some() || !self.place_over_source(i, step) {
                self.place(step.tensor, step.buffer);
            }
            for touched in step.read().chain([step.tensor]) {
                if let Some(storage) = self.storages.get_mut(&storage_of(touched))
                    && storage.last == i
                    && let Some(slot) = storage.slot.take()
                {
                    self.offsets[slot.buffer].give_back(slot.offset, slot.size);
                }
            }
        }
    }
}

/// A graph allocator with one buffer for each of some buffer types.
#[allow(non_camel_case_types)]
pub struct ggml_gallocr {
    planner: Planner,
    buffers: Vec<Option<Box<Buffer>>>,
    /// Buffer of each node and leaf of the graph last reserved for.
    node_buffers: Vec<usize>,
    leaf_buffers: Vec<usize>,
}
pub type Gallocr = ggml_gallocr;

impl Gallocr {
    pub fn new(bufts: Vec<BufferType>) -> Gallocr {
        let buffers = bufts.iter().map(|_| None).collect();
        Gallocr {
            planner: Planner::new(bufts),
            buffers,
            node_buffers: Vec::new(),
            leaf_buffers: Vec::new(),
        }
    }

    /// Bytes of the `i`-th buffer; 0 if it counts with an earlier one of the same type.
    pub fn buffer_size(&self, i: usize) -> usize {
        self.buffers
            .get(i)
            .and_then(Option::as_ref)
            .map_or(0, |b| b.size())
    }

    /// Makes the buffers as large as planned.
    fn grow(&mut self) -> Result<()> {
        let planned = self.planner.bufts.iter().zip(&self.planner.offsets);
        for (buffer, (buft, offsets)) in self.buffers.iter_mut().zip(planned) {
            let size = offsets.end;
            if size > buffer.as_ref().map_or(0, |b| b.size()) {
                *buffer = None; // the old one goes before the new one comes
                let new = buft.new_buffer(size)?;
                new.set_usage(BufferUsage::Compute);
                *buffer = Some(new);
            }
        }
        Ok(())
    }

    /// Makes the buffers large enough for these steps; touches no tensor.
    pub(super) fn reserve_steps(&mut self, leafs: &[Step], steps: &[Step]) -> Result<()> {
        self.planner.run(leafs, steps);
        self.grow()
    }

    /// Gives every tensor of these steps its address, growing the buffers if need be.
    pub(super) fn alloc_steps(&mut self, leafs: &[Step], steps: &[Step]) -> Result<()> {
        self.planner.run(leafs, steps);
        self.grow()?;
        for &(tensor, slot) in &self.planner.placed {
            if let Some(buffer) = &self.buffers[slot.buffer] {
                buffer.place(tensor, buffer.base().wrapping_add(slot.offset))?;
            }
        }
        for step in leafs.iter().chain(steps) {
            for tensor in step.read().chain([step.tensor]) {
                if tensor.view_src().is_some()
                    && tensor.buffer().is_null()
                    && has_memory(storage_of(tensor))
                {
                    init_view(tensor)?;
                }
            }
        }
        Ok(())
    }

    fn steps(&self, graph: Graph) -> (Vec<Step>, Vec<Step>) {
        let steps = |tensors: &[Tensor], buffers: &[usize]| {
            let buffer = |i| {
                if buffers.len() == tensors.len() {
                    buffers[i]
                } else {
                    0
                }
            };
            tensors
                .iter()
                .enumerate()
                .map(|(i, &t)| Step::new(t, buffer(i)))
                .collect()
        };
        (
            steps(graph.leafs(), &self.leaf_buffers),
            steps(graph.nodes(), &self.node_buffers),
        )
    }

    /// Makes the buffers large enough for the graph; touches no tensor. The slices say which buffer each node and leaf goes
    /// to; empty slices: all to the first.
    pub fn reserve(
        &mut self,
        graph: Graph,
        node_buffers: &[usize],
        leaf_buffers: &[usize],
    ) -> Result<()> {
        ensure!(
            node_buffers
                .iter()
                .chain(leaf_buffers)
                .all(|&b| b < self.planner.bufts.len()),
            "graph allocator: a buffer number is out of range"
        );
        self.node_buffers = node_buffers.to_vec();
        self.leaf_buffers = leaf_buffers.to_vec();
        let (leafs, nodes) = self.steps(graph);
        self.reserve_steps(&leafs, &nodes)
    }

    /// Gives every tensor of the graph its address. With several buffers, the graph must have as many nodes and leafs as
    /// the one last reserved for.
    pub fn alloc_graph(&mut self, graph: Graph) -> Result<()> {
        ensure!(
            self.planner.bufts.len() == 1
                || (self.node_buffers.len() == graph.n_nodes()
                    && self.leaf_buffers.len() == graph.n_leafs()),
            "graph allocator: reserve this graph first, to say which buffer its nodes go to"
        );
        let (leafs, nodes) = self.steps(graph);
        self.alloc_steps(&leafs, &nodes)
    }
}

/// Initializes a view, its sources first.
fn init_view(tensor: Tensor) -> Result<()> {
    if let Some(src) = tensor.view_src()
        && src.view_src().is_some()
        && src.buffer().is_null()
    {
        init_view(src)?;
    }
    view_init(tensor)
}

/// One buffer with all tensors that have no memory yet, views of them initialized; `None` if there are none.
pub fn alloc_tensors(
    tensors: impl Iterator<Item = Tensor> + Clone,
    buft: BufferType,
) -> Result<Option<Box<Buffer>>> {
    let padded = |t: Tensor| {
        buft.alloc_size(t)
            .max(1)
            .checked_next_multiple_of(buft.alignment())
    };
    let new = tensors
        .clone()
        .filter(|&t| t.view_src().is_none() && !has_memory(t));
    let total = new
        .clone()
        .try_fold(0usize, |sum, t| sum.checked_add(padded(t)?));
    let Some(total) = total else {
        crate::bail!("the tensors of the context are too large for one buffer");
    };
    if total == 0 {
        return Ok(None);
    }
    let buffer = buft.new_buffer(total)?;
    let mut offset = 0;
    for tensor in new {
        let size = padded(tensor).unwrap_or(0);
        buffer.place(tensor, buffer.base().wrapping_add(offset))?;
        offset += size;
    }
    for view in tensors.filter(|t| t.view_src().is_some() && t.buffer().is_null()) {
        if has_memory(storage_of(view)) {
            init_view(view)?;
        }
    }
    Ok(Some(buffer))
}

/// Places tensors in a buffer one after the other; laid out as `struct ggml_tallocr`, which C callers hold by value.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ggml_tallocr {
    pub buffer: *mut Buffer,
    pub base: *mut c_void,
    pub alignment: usize,
    pub offset: usize,
}

impl ggml_tallocr {
    pub fn new(buffer: &Buffer) -> ggml_tallocr {
        let alignment = buffer.buffer_type().alignment();
        ggml_tallocr {
            buffer: std::ptr::from_ref(buffer).cast_mut(),
            base: buffer.base().cast(),
            alignment,
            offset: buffer.base().align_offset(alignment),
        }
    }

    /// Places the next tensor.
    pub fn alloc(&mut self, buffer: &Buffer, tensor: Tensor) -> Result<()> {
        let size = buffer
            .buffer_type()
            .alloc_size(tensor)
            .checked_next_multiple_of(self.alignment);
        let end = size.and_then(|size| size.checked_add(self.offset));
        let Some(end) = end.filter(|&end| end <= buffer.size()) else {
            crate::bail!(
                "not enough space in the buffer to place tensor '{}'",
                tensor.name()
            );
        };
        super::tensor_alloc(
            buffer,
            tensor,
            self.base.cast::<u8>().wrapping_add(self.offset),
        )?;
        self.offset = end;
        Ok(())
    }
}
