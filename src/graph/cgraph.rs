//! Computation graphs: tensors in the order in which they are computed.

use std::ptr::{self, NonNull};

use super::context::{Context, MEM_ALIGN, ObjectType, ggml_object};
use super::op::Op;
use super::tensor::{MAX_SRC, Tensor, ggml_tensor, write_name};
use crate::error::Result;
use crate::{bail, ensure};

/// Nodes of a graph when nobody says how many (`GGML_DEFAULT_GRAPH_SIZE`).
pub const DEFAULT_GRAPH_SIZE: usize = 2048;

/// A set of tensors, laid out as `struct ggml_hash_set`: open addressing over `size` keys, with a bit per key that is in use.
#[allow(non_camel_case_types)]
#[repr(C)]
pub struct ggml_hash_set {
    pub size: usize,
    pub used: *mut u32,
    pub keys: *mut *mut ggml_tensor,
}

/// In which order the sources of a node are visited (`enum ggml_cgraph_eval_order`).
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvalOrder {
    Left_to_right = 0,
    Right_to_left = 1,
}

/// A computation graph, laid out as `struct ggml_cgraph` at the ABI level. Inside, access goes through [`Graph`].
#[allow(non_camel_case_types)]
#[repr(C)]
pub struct ggml_cgraph {
    pub size: i32,
    pub n_nodes: i32,
    pub n_leafs: i32,
    pub n_batch: i32,
    pub nodes: *mut *mut ggml_tensor,
    pub grads: *mut *mut ggml_tensor,
    pub leafs: *mut *mut ggml_tensor,
    pub visited_hash_set: ggml_hash_set,
    /// A number of [`EvalOrder`].
    pub order: i32,
}

impl ggml_cgraph {
    /// A graph without room for anything.
    pub const fn empty() -> ggml_cgraph {
        ggml_cgraph {
            size: 0,
            n_nodes: 0,
            n_leafs: 0,
            n_batch: 0,
            nodes: ptr::null_mut(),
            grads: ptr::null_mut(),
            leafs: ptr::null_mut(),
            visited_hash_set: ggml_hash_set {
                size: 0,
                used: ptr::null_mut(),
                keys: ptr::null_mut(),
            },
            order: EvalOrder::Left_to_right as i32,
        }
    }
}

/// A handle to a graph in some arena: copied freely, never null. As with [`Tensor`], whoever makes one answers for the graph
/// outliving it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Graph(NonNull<ggml_cgraph>);

// SAFETY: as for `Tensor`: a handle is an address, and graphs are externally synchronized.
unsafe impl Send for Graph {}

/// Slots that a hash set for at least `min` keys has: the first prime behind a power of two.
pub fn hash_size(min: usize) -> usize {
    /// Distances from the powers of two, from 2^0 on, to the next prime.
    const DISTANCE: [u8; 32] = [
        1, 1, 1, 3, 1, 5, 3, 3, 1, 9, 7, 5, 3, 17, 27, 3, 1, 29, 3, 21, 7, 17, 15, 9, 43, 35, 15,
        29, 3, 11, 3, 11,
    ];
    DISTANCE
        .iter()
        .enumerate()
        .map(|(i, &d)| (1usize << i) + usize::from(d))
        .find(|&prime| prime >= min)
        .unwrap_or(min | 1)
}

/// Where the arrays of a graph lie behind its struct.
struct Parts {
    hash_size: usize,
    leafs: usize,
    keys: usize,
    grads: usize,
    used: usize,
    end: usize,
}

impl Parts {
    fn of(size: usize, grads: bool) -> Option<Parts> {
        let hash_size = hash_size(size.checked_mul(2)?);
        let pointers = |n: usize| n.checked_mul(size_of::<*mut ggml_tensor>());
        let leafs = size_of::<ggml_cgraph>().checked_add(pointers(size)?)?;
        let keys = leafs.checked_add(pointers(size)?)?;
        let grads_at = keys.checked_add(pointers(hash_size)?)?;
        let used = grads_at.checked_add(pointers(if grads { size } else { 0 })?)?;
        let end = used.checked_add(hash_size.div_ceil(32) * 4)?;
        Some(Parts {
            hash_size,
            leafs,
            keys,
            grads: grads_at,
            used,
            end,
        })
    }
}

/// Bytes that a graph for `size` nodes takes in an arena. Saturates where that is more than memory.
pub fn graph_overhead(size: usize, grads: bool) -> usize {
    Parts::of(size, grads).map_or(usize::MAX / 2, |p| {
        size_of::<ggml_object>() + p.end.next_multiple_of(MEM_ALIGN)
    })
}

impl Context {
    /// An empty graph with room for `size` nodes (and as many leafs), and their gradients if `grads`.
    pub fn new_graph(&self, size: usize, grads: bool) -> Result<Graph> {
        let parts = Parts::of(size, grads).filter(|_| i32::try_from(size).is_ok());
        let Some(parts) = parts else {
            bail!("graph of {size} nodes: too large");
        };
        let base = self.new_object(ObjectType::Graph, parts.end)?;
        let at = |offset: usize| base.wrapping_add(offset);
        let graph = base as *mut ggml_cgraph;
        // SAFETY: `new_object` gave `parts.end` bytes, aligned to 16; the parts lie inside at multiples of 8 (the bits: 4).
        unsafe {
            ptr::write_bytes(at(parts.keys), 0, parts.end - parts.keys);
            graph.write(ggml_cgraph {
                size: size as i32,
                n_nodes: 0,
                n_leafs: 0,
                n_batch: 0,
                nodes: at(size_of::<ggml_cgraph>()) as _,
                grads: if grads {
                    at(parts.grads) as _
                } else {
                    ptr::null_mut()
                },
                leafs: at(parts.leafs) as _,
                visited_hash_set: ggml_hash_set {
                    size: parts.hash_size,
                    used: at(parts.used) as _,
                    keys: at(parts.keys) as _,
                },
                order: EvalOrder::Left_to_right as i32,
            });
        }
        NonNull::new(graph)
            .map(Graph)
            .ok_or_else(|| unreachable!("objects of an arena are not at address zero"))
    }

    /// A copy of the graph (not of its tensors).
    pub fn dup_graph(&self, graph: Graph) -> Result<Graph> {
        let copy = self.new_graph(graph.size(), graph.has_grads())?;
        graph.copy_to(copy)?;
        Ok(copy)
    }
}

/// What `insert` found.
enum Visit {
    New,
    Known,
    Full,
}

impl Graph {
    /// Wraps a pointer; `None` if it is null.
    ///
    /// # Safety
    /// The pointer is null or points to an initialized graph that outlives every copy of the handle.
    #[inline]
    pub unsafe fn from_ptr(ptr: *mut ggml_cgraph) -> Option<Graph> {
        NonNull::new(ptr).map(Graph)
    }

    #[inline]
    pub fn as_ptr(self) -> *mut ggml_cgraph {
        self.0.as_ptr()
    }

    /// Most nodes it can hold.
    pub fn size(self) -> usize {
        // SAFETY: `from_ptr` promised a valid graph.
        unsafe { (*self.as_ptr()).size as usize }
    }
    pub fn n_nodes(self) -> usize {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).n_nodes.max(0) as usize }
    }
    pub fn n_leafs(self) -> usize {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).n_leafs.max(0) as usize }
    }
    pub fn has_grads(self) -> bool {
        // SAFETY: as above.
        unsafe { !(*self.as_ptr()).grads.is_null() }
    }
    pub fn n_batch(self) -> i32 {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).n_batch }
    }
    /// Tells devices how many tokens the graph is for.
    pub fn set_n_batch(self, n: i32) {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).n_batch = n }
    }
    pub fn set_order(self, order: EvalOrder) {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).order = order as i32 }
    }

    /// The nodes in the order of computation. The slice must not be kept while the graph grows.
    #[inline]
    pub fn nodes(&self) -> &[Tensor] {
        // SAFETY: the first `n_nodes` entries are pointers to tensors, not null, which is what a `Tensor` is.
        unsafe { tensors((*self.as_ptr()).nodes, self.n_nodes()) }
    }

    /// The leafs. The slice must not be kept while the graph grows.
    #[inline]
    pub fn leafs(&self) -> &[Tensor] {
        // SAFETY: as in `nodes`.
        unsafe { tensors((*self.as_ptr()).leafs, self.n_leafs()) }
    }

    /// The gradient of the `i`-th node.
    pub fn grad(self, i: usize) -> Option<Tensor> {
        if !self.has_grads() || i >= self.n_nodes() {
            return None;
        }
        // SAFETY: `grads` has room for `size` entries, of which the first `n_nodes` are set (null or a tensor).
        unsafe { Tensor::from_ptr(*(*self.as_ptr()).grads.add(i)) }
    }

    /// The `i`-th node; counted from the end if negative.
    pub fn node(self, i: i64) -> Option<Tensor> {
        let nodes = self.nodes();
        let i = if i < 0 { i + nodes.len() as i64 } else { i };
        usize::try_from(i).ok().and_then(|i| nodes.get(i)).copied()
    }

    /// The leaf or node with this name.
    pub fn get_tensor(self, name: &[u8]) -> Option<Tensor> {
        let all = self.leafs().iter().chain(self.nodes());
        all.copied().find(|t| t.has_name(name))
    }

    /// A graph struct over the nodes `i0..i1`, without leafs of its own.
    pub fn view(self, i0: usize, i1: usize) -> ggml_cgraph {
        let i1 = i1.min(self.n_nodes());
        let i0 = i0.min(i1);
        // SAFETY: `from_ptr` promised a valid graph; the range lies inside its arrays.
        unsafe {
            let g = &*self.as_ptr();
            ggml_cgraph {
                n_nodes: (i1 - i0) as i32,
                n_batch: g.n_batch,
                nodes: g.nodes.add(i0),
                grads: if g.grads.is_null() {
                    g.grads
                } else {
                    g.grads.add(i0)
                },
                order: g.order,
                ..ggml_cgraph::empty()
            }
        }
    }

    /// Forgets nodes and leafs.
    pub fn clear(self) {
        // SAFETY: `from_ptr` promised a valid graph; the set's bits are `size / 32` words, rounded up.
        unsafe {
            let g = self.as_ptr();
            (*g).n_nodes = 0;
            (*g).n_leafs = 0;
            let set = &(*g).visited_hash_set;
            if !set.used.is_null() {
                ptr::write_bytes(set.used, 0, set.size.div_ceil(32));
            }
        }
    }

    /// Adds `t` and everything it is computed from, sources first, each tensor once. Unnamed tensors get their number as name.
    /// Fails, leaving the graph incomplete, when it is full.
    pub fn build_forward_expand(self, t: Tensor) -> Result<()> {
        // The path from `t` down to the tensor being visited, with the next source to look at. A chain of operators is as
        // deep as the graph is long, so it must not be a recursion; graphs that fit `PATH` are visited without allocation.
        const PATH: usize = 128;
        let mut path = Path::<PATH>::new();
        if !self.visit(t)? {
            return Ok(());
        }
        // SAFETY: `from_ptr` promised a valid graph.
        let reverse = unsafe { (*self.as_ptr()).order } == EvalOrder::Right_to_left as i32;
        path.push((t, 0));
        while let Some((node, next)) = path.last() {
            let Some(i) = (next..MAX_SRC)
                .map(|k| (k, if reverse { MAX_SRC - 1 - k } else { k }))
                .find_map(|(k, i)| node.src(i).map(|src| (k, src)))
            else {
                path.pop();
                self.append(node)?;
                continue;
            };
            let (k, src) = i;
            path.set_last_next(k + 1);
            if self.visit(src)? {
                path.push((src, 0));
            }
        }
        Ok(())
    }

    /// Marks as visited; whether it wasn't.
    fn visit(self, t: Tensor) -> Result<bool> {
        match self.insert(t) {
            Visit::New => Ok(true),
            Visit::Known => Ok(false),
            Visit::Full => bail!("the graph's {} nodes are not enough", self.size()),
        }
    }

    fn insert(self, t: Tensor) -> Visit {
        // SAFETY: `from_ptr` promised a valid graph, whose set has `size` keys and a bit for each; `i < size` throughout.
        unsafe {
            let set = &(*self.as_ptr()).visited_hash_set;
            if set.size == 0 {
                return Visit::Full;
            }
            let start = (t.as_ptr().addr() >> 4) % set.size;
            let mut i = start;
            loop {
                let word = set.used.add(i / 32);
                let bit = 1u32 << (i % 32);
                if *word & bit == 0 {
                    *word |= bit;
                    *set.keys.add(i) = t.as_ptr();
                    return Visit::New;
                }
                if *set.keys.add(i) == t.as_ptr() {
                    return Visit::Known;
                }
                i += 1;
                if i == set.size {
                    i = 0;
                }
                if i == start {
                    return Visit::Full;
                }
            }
        }
    }

    fn append(self, t: Tensor) -> Result<()> {
        let leaf = t.op() == Op::None && t.grad().is_none();
        let n = if leaf { self.n_leafs() } else { self.n_nodes() };
        ensure!(
            n < self.size(),
            "the graph is full: it has room for {} {}",
            self.size(),
            if leaf { "leafs" } else { "nodes" }
        );
        if t.has_name(b"") {
            let prefix: &[u8] = if leaf { b"leaf_" } else { b"node_" };
            let mut digits = [0; 20];
            write_name(t, &[prefix, decimal(n, &mut digits)]);
        }
        // SAFETY: both arrays (and `grads`, if there) have room for `size` entries, and `n < size`.
        unsafe {
            let g = self.as_ptr();
            if leaf {
                *(*g).leafs.add(n) = t.as_ptr();
                (*g).n_leafs += 1;
            } else {
                *(*g).nodes.add(n) = t.as_ptr();
                if !(*g).grads.is_null() {
                    *(*g).grads.add(n) = t.grad().map_or(ptr::null_mut(), Tensor::as_ptr);
                }
                (*g).n_nodes += 1;
            }
        }
        Ok(())
    }

    /// Adds a node as it is: no sources, no name, no check whether it is there already.
    pub fn push_node(self, t: Tensor) -> Result<()> {
        ensure!(
            self.n_nodes() < self.size(),
            "the graph is full: it has room for {} nodes",
            self.size()
        );
        // SAFETY: `nodes` has room for `size` entries.
        unsafe {
            let g = self.as_ptr();
            *(*g).nodes.add(self.n_nodes()) = t.as_ptr();
            (*g).n_nodes += 1;
        }
        Ok(())
    }

    /// Copies nodes, leafs, gradients and the set of visited tensors to `dst`, which must be large enough.
    pub fn copy_to(self, dst: Graph) -> Result<()> {
        ensure!(
            dst.size() >= self.n_nodes().max(self.n_leafs()),
            "a graph of {} nodes has no room for the {} nodes and {} leafs of another",
            dst.size(),
            self.n_nodes(),
            self.n_leafs()
        );
        ensure!(
            dst.has_grads() || !self.has_grads(),
            "a graph without gradients cannot take those of another"
        );
        // SAFETY: both graphs are valid and their arrays have room, as checked; sizes of sets bound their keys.
        unsafe {
            let (s, d) = (&*self.as_ptr(), dst.as_ptr());
            (*d).n_leafs = s.n_leafs;
            (*d).n_nodes = s.n_nodes;
            (*d).n_batch = s.n_batch;
            (*d).order = s.order;
            ptr::copy(s.leafs, (*d).leafs, self.n_leafs());
            ptr::copy(s.nodes, (*d).nodes, self.n_nodes());
            if !s.grads.is_null() {
                ptr::copy(s.grads, (*d).grads, self.n_nodes());
            }
            let set = &s.visited_hash_set;
            for i in 0..set.size {
                if *set.used.add(i / 32) & (1 << (i % 32)) != 0
                    && let Some(t) = Tensor::from_ptr(*set.keys.add(i))
                    && matches!(dst.insert(t), Visit::Full)
                {
                    bail!("the graph's set of visited tensors is too small for a copy");
                }
            }
        }
        Ok(())
    }
}

/// # Safety
/// `list` points to `n` pointers to tensors, none null; or `n` is 0.
unsafe fn tensors<'a>(list: *mut *mut ggml_tensor, n: usize) -> &'a [Tensor] {
    if n == 0 || list.is_null() {
        return &[];
    }
    // SAFETY: as the caller promises; `Tensor` is a transparent wrapper of a non-null pointer.
    unsafe { std::slice::from_raw_parts(list as *const Tensor, n) }
}

fn decimal(n: usize, buf: &mut [u8; 20]) -> &[u8] {
    let mut rest = n;
    let mut at = buf.len();
    loop {
        at -= 1;
        buf[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return &buf[at..];
        }
    }
}

/// A stack whose first `N` entries need no allocation.
struct Path<const N: usize> {
    near: [Option<(Tensor, usize)>; N],
    far: Vec<(Tensor, usize)>,
    len: usize,
}

impl<const N: usize> Path<N> {
    fn new() -> Self {
        Path {
            near: [None; N],
            far: Vec::new(),
            len: 0,
        }
    }
    fn push(&mut self, entry: (Tensor, usize)) {
        match self.near.get_mut(self.len) {
            Some(slot) => *slot = Some(entry),
            None => self.far.push(entry),
        }
        self.len += 1;
    }
    fn last(&self) -> Option<(Tensor, usize)> {
        self.far
            .last()
            .copied()
            .or_else(|| self.near[self.len.checked_sub(1)?])
    }
    fn set_last_next(&mut self, next: usize) {
        if let Some(last) = self.far.last_mut() {
            last.1 = next;
        } else if let Some(Some(last)) = self.len.checked_sub(1).map(|i| &mut self.near[i]) {
            last.1 = next;
        }
    }
    fn pop(&mut self) {
        self.far.pop();
        self.len = self.len.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tensor_overhead;
    use crate::quant::Type;

    fn names(list: &[Tensor]) -> Vec<String> {
        list.iter().map(|t| t.name()).collect()
    }

    #[test]
    fn sources_come_first_and_once() {
        let ctx = Context::new(1 << 16, true).unwrap();
        let x = ctx.new_tensor(Type::F32, &[4]).unwrap();
        let y = ctx.new_tensor(Type::F32, &[4]).unwrap();
        let square = ctx.sqr(y).unwrap().set_name("square");
        let sum = ctx.add(x, square).unwrap().set_name("sum");
        let out = ctx.mul(sum, square).unwrap();
        let graph = ctx.new_graph(8, false).unwrap();
        graph.build_forward_expand(out).unwrap();
        graph.build_forward_expand(sum).unwrap();
        assert_eq!(names(graph.nodes()), ["square", "sum", "node_2"]);
        assert_eq!(names(graph.leafs()), ["leaf_0", "leaf_1"]);
        assert_eq!(graph.leafs(), [x, y]);
        assert_eq!(graph.node(-1), Some(out));
        assert_eq!(graph.node(3), None);
        assert_eq!(graph.get_tensor(b"sum"), Some(sum));

        let reverse = ctx.new_graph(8, false).unwrap();
        reverse.set_order(EvalOrder::Right_to_left);
        reverse.build_forward_expand(out).unwrap();
        assert_eq!(reverse.leafs(), [y, x]);

        let view = graph.view(1, 3);
        assert_eq!(view.n_nodes, 2);
        // SAFETY: the view's graph lives.
        assert_eq!(unsafe { *view.nodes }, sum.as_ptr());

        let copy = ctx.dup_graph(graph).unwrap();
        copy.build_forward_expand(out).unwrap();
        assert_eq!(copy.nodes(), graph.nodes());
        graph.clear();
        assert_eq!(graph.nodes(), []);
        graph.build_forward_expand(square).unwrap();
        assert_eq!(graph.nodes(), [square]);
    }

    #[test]
    fn long_chains_do_not_overflow_the_stack() {
        const N: usize = 200_000;
        let ctx = Context::for_tensors(N + 1, graph_overhead(N, false)).unwrap();
        let mut t = ctx.new_tensor(Type::F32, &[1]).unwrap();
        for _ in 0..N {
            t = ctx.sqr(t).unwrap();
        }
        let graph = ctx.new_graph(N, false).unwrap();
        graph.build_forward_expand(t).unwrap();
        assert_eq!(graph.n_nodes(), N);
        assert!(graph.nodes().windows(2).all(|w| w[1].src(0) == Some(w[0])));
    }

    #[test]
    fn full_graphs_refuse_more() {
        let ctx = Context::new(1 << 16, true).unwrap();
        let graph = ctx.new_graph(2, false).unwrap();
        let mut t = ctx.new_tensor(Type::F32, &[1]).unwrap();
        for _ in 0..5 {
            t = ctx.sqr(t).unwrap();
        }
        assert!(graph.build_forward_expand(t).is_err());
        assert!(graph.n_nodes() <= 2);
        assert!(ctx.new_graph(usize::MAX / 16, true).is_err());
        assert!(ctx.new_graph(1 << 20, false).is_err());
    }

    #[test]
    fn parameters_make_nodes_and_gradients() {
        let ctx = Context::new(1 << 16, true).unwrap();
        let w = ctx.new_tensor(Type::F32, &[4]).unwrap().set_name("w");
        ctx.set_param(w).unwrap();
        let y = ctx.sqr(w).unwrap();
        let graph = ctx.new_graph(8, true).unwrap();
        graph.build_forward_expand(y).unwrap();
        assert_eq!(graph.nodes(), [w, y]);
        assert_eq!(graph.grad(0).map(|g| g.name()).as_deref(), Some("w (grad)"));
        assert!(graph.grad(1).is_some());
        assert!(ctx.set_param(w).is_err());
    }

    #[test]
    fn a_graph_takes_what_it_says() {
        let ctx = Context::new(1 << 20, true).unwrap();
        for (size, grads) in [(1, false), (7, true), (2048, false)] {
            let before = ctx.used_mem();
            ctx.new_graph(size, grads).unwrap();
            assert_eq!(ctx.used_mem() - before, graph_overhead(size, grads));
        }
        let before = ctx.used_mem();
        ctx.new_tensor(Type::F32, &[3]).unwrap();
        assert_eq!(ctx.used_mem() - before, tensor_overhead());
    }
}
