//! Computes the nodes of a graph in order with a team of threads.
//!
//! Before the first node, kernels are looked up, and worker 0 finds out which neighbours are independent of each other.
//! Independent steps form a group; the team meets only between groups. Small steps are worker 0's alone, and a chain of them
//! needs no barrier at all: it computes a group of nothing else where the team meets, before the others go on.

use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::ops::{self, Kernel, Run};
use super::task::{Cursors, SLOTS, Task};
use super::threads::{Barrier, Padded, compute_on};
use crate::graph::{Op, Tensor};
use crate::simd::{Cache, prefetch};

/// How a computation ended, numbered as `enum ggml_status`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    AllocFailed = -2,
    Failed = -1,
    Success = 0,
    Aborted = 1,
}

/// Where scratch memory of a step begins, and what the work buffer as a whole is aligned to.
const ALIGN: usize = 64;

/// Most steps of a group that all threads share, and most steps of a group. More would rarely be independent.
const MAX_SHARED: usize = SLOTS;
const MAX_GROUP: usize = 32;

/// Nodes cheaper than this (see [`Kernel::cost`]) are computed by worker 0 alone: sharing them costs more than it saves.
const ALONE: usize = 8192;

/// Bytes of a matrix that a waiting worker asks for before its part of the product begins, and lines that it asks for at a time.
const AHEAD: usize = 64 << 10;
const LINES: usize = 4;

/// The size of a team that is asked for by `n_threads`. No CPU has use for more than 512, and each takes memory.
fn team_size(n_threads: usize) -> usize {
    n_threads.clamp(1, 512)
}

/// Bytes of work buffer that [`compute`] needs for these nodes with `n_threads` threads.
pub fn plan(nodes: &[Tensor], n_threads: usize) -> usize {
    let n = team_size(n_threads);
    let most = nodes
        .iter()
        .filter(|&&node| !ops::is_noop(node))
        .filter_map(|&node| ops::kernel(node, n))
        .map(|k| k.work_size)
        .max()
        .unwrap_or(0);
    buffer_size(most)
}

/// Bytes of work buffer if a node needs at most so many: room for some independent neighbours to work side by side, unless that would be much.
fn buffer_size(most: usize) -> usize {
    match most {
        0 => 0,
        _ => most.saturating_add(most.saturating_mul(2).min(1 << 20)) + 4 * ALIGN,
    }
}

/// Whether the CPU device can compute this node: operator, types and shapes.
pub fn supports_op(node: Tensor) -> bool {
    ops::is_noop(node) || ops::kernel(node, 1).is_some()
}

/// How many of `n_threads` threads a node keeps busy.
pub fn n_tasks(node: Tensor, n_threads: usize) -> usize {
    let n = team_size(n_threads);
    match ops::kernel(node, n) {
        Some(k) if !ops::is_noop(node) && k.cost >= ALONE => n,
        _ => 1,
    }
}

/// One node, ready to run.
struct Step {
    node: Tensor,
    run: Run,
    /// Where its scratch memory starts in the work buffer, and how much it has.
    work: usize,
    work_size: usize,
    /// Cheaper than what it costs to share it.
    small: bool,
    /// The team meets before this step.
    fence: bool,
    /// The matrices of a product that each worker reads an even share of.
    weights: [Span; 2],
    /// The next step, this one included, that has weights.
    product: usize,
}

impl Step {
    /// Whether worker 0 of a team of `nth` computes it alone.
    fn alone(&self, nth: usize) -> bool {
        self.small || nth == 1
    }

    /// Asks for some lines of the beginning of a worker's share of the weights, from byte `at` on; returns where to go on.
    fn ask_for_weights(&self, ith: usize, nth: usize, at: usize) -> usize {
        let end = at + LINES * 64;
        for span in &self.weights {
            let share = span.len() / nth;
            let bytes = end.min(share).min(AHEAD).saturating_sub(at);
            let from = (span.start + share * ith + at) as *const u8;
            prefetch(from, bytes, Cache::Second);
        }
        end
    }
}

/// A range of addresses.
type Span = std::ops::Range<usize>;

fn overlap(a: &Span, b: &Span) -> bool {
    a.start < b.end && b.start < a.end
}

/// The addresses a tensor's elements may lie at (possibly more, never fewer).
fn span(t: Tensor) -> Span {
    let (ne, nb, ty) = (t.ne(), t.nb(), t.ty());
    let row = ty.info().map_or(0, |i| {
        if i.block == 1 {
            nb[0]
                .saturating_mul(ne[0].max(0) as usize)
                .max(i.block_bytes)
        } else {
            i.row_size(ne[0].max(0) as usize)
        }
    });
    let last_row: usize = (1..4)
        .map(|d| nb[d].saturating_mul((ne[d].max(1) - 1) as usize))
        .sum();
    let start = t.data() as usize;
    start..start.saturating_add(row).saturating_add(last_row)
}

/// See [`Step::weights`].
fn weights(node: Tensor) -> [Span; 2] {
    let matrix = |i: usize| node.src(i).map_or(0..0, span);
    match node.op() {
        Op::Mul_mat => [matrix(0), 0..0],
        Op::Fused_up_gate => [matrix(0), matrix(1)],
        _ => [0..0, 0..0],
    }
}

/// What the steps since the last fence read and write.
#[derive(Default)]
struct Group {
    reads: Vec<(Span, bool)>,
    writes: Vec<(Span, bool)>,
    /// Steps that all threads share.
    shared: usize,
    /// Bytes of the work buffer in use.
    work: usize,
    /// The part of them that worker 0's own steps use, one after the other.
    alone_work: Span,
}

impl Group {
    fn clear(&mut self) {
        self.reads.clear();
        self.writes.clear();
        self.shared = 0;
        self.work = 0;
        self.alone_work = 0..0;
    }

    fn is_full(&self) -> bool {
        self.shared == MAX_SHARED || self.writes.len() == MAX_GROUP
    }

    /// Reserves scratch memory for a step; `None` if there is not enough left.
    fn reserve(&mut self, need: usize, alone: bool, work_size: usize) -> Option<usize> {
        if alone && need <= self.alone_work.len() {
            return Some(self.alone_work.start);
        }
        if need > work_size - self.work {
            return None;
        }
        let start = self.work;
        self.work += need;
        if alone {
            self.alone_work = start..self.work;
        }
        Some(start)
    }

    /// Whether a step that writes `node` must wait for one of the group. Steps of worker 0 alone run in order anyway.
    fn conflicts(&self, node: Tensor, alone: bool) -> bool {
        let written = span(node);
        let hits = |span: &Span, others: &[(Span, bool)]| {
            others
                .iter()
                .any(|(other, other_alone)| !(alone && *other_alone) && overlap(span, other))
        };
        hits(&written, &self.writes)
            || hits(&written, &self.reads)
            || sources(node).any(|s| hits(&span(s), &self.writes))
    }

    fn push(&mut self, node: Tensor, alone: bool) {
        self.writes.push((span(node), alone));
        self.reads.extend(sources(node).map(|s| (span(s), alone)));
        self.shared += usize::from(!alone);
    }
}

fn sources(node: Tensor) -> impl Iterator<Item = Tensor> {
    (0..crate::graph::MAX_SRC).filter_map(move |i| node.src(i))
}

/// The steps of the graph being computed. Kept by each host thread, so that computing allocates nothing once warm.
#[derive(Default)]
struct Program {
    steps: Vec<Step>,
    group: Group,
    /// For each thread of the team.
    cursors: Vec<Cursors>,
    /// What the first group's cursors are marked with, the second's one more, and so on; and the first mark not in use.
    tag: u32,
    next_tag: u32,
    n_groups: u32,
    /// What the steps were found for, if it may come again, and how many bytes of work buffer suit them.
    found: Option<(Found, usize)>,
    /// Workers and bytes of scratch memory that the steps are arranged for; none if they are not.
    arranged: Option<(usize, usize)>,
}

/// Nodes of a graph and the largest team.
#[derive(Clone, Copy, PartialEq)]
struct Found {
    graph: GraphId,
    nodes: (*const Tensor, usize),
    nth: usize,
}

/// Stands for a graph whose nodes stay as they are, but for the addresses of results, which move within what other nodes read. No
/// other graph of the process has it. So what was found out about its nodes holds for its next computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphId(u64);

impl GraphId {
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> GraphId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        GraphId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Program {
    /// As [`Program::find`], if that has not been done for the graph.
    fn find_once(
        &mut self,
        nodes: &[Tensor],
        nth: usize,
        graph: Option<GraphId>,
    ) -> Result<usize, String> {
        let wanted = graph.map(|graph| Found {
            graph,
            nodes: (nodes.as_ptr(), nodes.len()),
            nth,
        });
        if let Some((found, bytes)) = self.found
            && wanted == Some(found)
        {
            return Ok(bytes);
        }
        let bytes = self.find(nodes, nth)?;
        self.found = wanted.map(|found| (found, bytes));
        Ok(bytes)
    }

    /// Looks up the kernels of the nodes for a team of at most `nth`. Returns how many bytes of work buffer suit them.
    fn find(&mut self, nodes: &[Tensor], nth: usize) -> Result<usize, String> {
        (self.found, self.arranged) = (None, None);
        self.steps.clear();
        let mut most = 0;
        for &node in nodes.iter().filter(|&&n| !ops::is_noop(n)) {
            let Some(Kernel {
                run,
                work_size,
                cost,
            }) = ops::kernel(node, nth)
            else {
                return Err(format!(
                    "no kernel for {:?} of type {} (node '{}')",
                    node.op(),
                    node.ty().info().map_or("unknown", |i| i.name),
                    node.name()
                ));
            };
            let without_data = |t: &Tensor| t.data().is_null() && t.nelements() > 0;
            if let Some(t) = std::iter::once(node)
                .chain(sources(node))
                .find(without_data)
            {
                return Err(format!(
                    "tensor '{}' has no data (node '{}')",
                    t.name(),
                    node.name()
                ));
            }
            most = most.max(work_size);
            self.steps.push(Step {
                node,
                run,
                work: 0,
                work_size: work_size.next_multiple_of(ALIGN),
                small: cost < ALONE,
                fence: false,
                weights: weights(node),
                product: 0,
            });
        }
        Ok(buffer_size(most))
    }

    /// Arranges the steps for a team of `nth` with `work_size` bytes of aligned scratch memory.
    fn arrange(&mut self, nth: usize, work_size: usize) -> Result<(), String> {
        self.arranged = None;
        self.group.clear();
        for step in &mut self.steps {
            let (node, need) = (step.node, step.work_size);
            if need > work_size {
                return Err(format!(
                    "node '{}' needs {need} bytes of work buffer, the plan gave {work_size}",
                    node.name()
                ));
            }
            let alone = step.alone(nth);
            let group = &mut self.group;
            let place = match group.is_full() || group.conflicts(node, alone) {
                true => None,
                false => group.reserve(need, alone, work_size),
            };
            step.work = place.unwrap_or_else(|| {
                group.clear();
                group.reserve(need, alone, work_size).unwrap_or(0)
            });
            group.push(node, alone);
            step.fence = place.is_none();
        }
        let mut product = self.steps.len();
        for (i, step) in self.steps.iter_mut().enumerate().rev() {
            if !step.weights[0].is_empty() {
                product = i;
            }
            step.product = product;
        }
        self.n_groups = 2 + self.steps.iter().filter(|s| s.fence).count() as u32;
        self.arranged = Some((nth, work_size));
        Ok(())
    }

    /// Makes ready for a team of `nth` with `work_size` bytes of aligned scratch memory.
    fn begin(&mut self, nth: usize, work_size: usize) -> Result<(), String> {
        if self.arranged != Some((nth, work_size)) {
            self.arrange(nth, work_size)?;
        }
        // Marks must not come again while cursors bear them.
        self.tag = self.next_tag;
        if nth > self.cursors.len() || self.tag.checked_add(self.n_groups).is_none() {
            self.cursors.clear();
            self.tag = 1;
        }
        self.next_tag = self.tag + self.n_groups;
        self.cursors
            .resize_with(self.cursors.len().max(nth), Cursors::default);
        Ok(())
    }
}

/// The steps between fences, and whether they are all worker 0's, which then computes them while the others wait at the fence.
fn groups(steps: &[Step], nth: usize) -> impl Iterator<Item = (&[Step], bool)> {
    let groups = steps.chunk_by(|_, next| !next.fence);
    groups.map(move |group| {
        let serial = nth > 1 && group[0].fence && group.iter().all(|step| step.small);
        (group, serial)
    })
}

/// A program that worker 0 writes before the first barrier and all read after it.
struct Published(UnsafeCell<Program>);
// SAFETY: written by worker 0 only, before a barrier that every reader passes first.
unsafe impl Sync for Published {}

thread_local! {
    static PROGRAM: Cell<Program> = Cell::default();
}

/// Computes the nodes in order, and says how that ended; what went wrong is logged.
///
/// `abort` is asked between nodes; when it says true, the computation ends with [`Status::Aborted`].
///
/// # Safety
/// `work` is valid for `work_size` bytes and used by nobody else meanwhile. The data of all nodes and of their sources is
/// where their fields say, and nobody else writes it.
pub unsafe fn compute(
    nodes: &[Tensor],
    n_threads: usize,
    work: *mut u8,
    work_size: usize,
    abort: Option<&(dyn Fn() -> bool + Sync)>,
) -> Status {
    // SAFETY: the caller's promise.
    unsafe { compute_known(nodes, None, n_threads, |_| Some((work, work_size)), abort) }
}

/// As [`compute`], with a work buffer from `memory`, which is told how large it should be; [`Status::AllocFailed`] if it gives none.
/// What nodes of a `graph` need is found out once.
///
/// # Safety
/// As there, for the buffer that `memory` gives; nodes of the graph are as [`GraphId`] says.
pub unsafe fn compute_known(
    nodes: &[Tensor],
    graph: Option<GraphId>,
    n_threads: usize,
    memory: impl FnOnce(usize) -> Option<(*mut u8, usize)>,
    abort: Option<&(dyn Fn() -> bool + Sync)>,
) -> Status {
    let mut program = PROGRAM.take();
    let bytes = match program.find_once(nodes, team_size(n_threads), graph) {
        Ok(bytes) => bytes,
        Err(what) => {
            crate::log_error!("cpu: {what}");
            return Status::Failed;
        }
    };
    let Some((work, work_size)) = memory(bytes) else {
        return Status::AllocFailed;
    };
    let skip = work.align_offset(ALIGN);
    let (work, work_size) = match work_size.checked_sub(skip) {
        Some(left) if !work.is_null() => (work.wrapping_add(skip), left),
        _ => (std::ptr::null_mut(), 0),
    };
    let team = Team {
        program: Published(UnsafeCell::new(program)),
        work,
        work_size,
        abort,
        counters: Default::default(),
        status: UnsafeCell::new(Status::Success),
    };
    let outcome = compute_on(team_size(n_threads), &|ith, nth, barrier| {
        team.work(ith, nth, barrier)
    });
    let Team {
        program, status, ..
    } = team;
    PROGRAM.set(program.0.into_inner());
    match outcome {
        Ok(()) => status.into_inner(),
        Err(what) => {
            crate::log_error!("cpu: computing the graph failed: {what}");
            Status::Failed
        }
    }
}

/// A graph and the state its workers share.
struct Team<'a> {
    program: Published,
    work: *mut u8,
    work_size: usize,
    abort: Option<&'a (dyn Fn() -> bool + Sync)>,
    counters: [Padded<AtomicUsize>; MAX_SHARED],
    /// Written by worker 0 only, read when all have returned.
    status: UnsafeCell<Status>,
}
// SAFETY: see `Published` and `status`; the work buffer is only handed on.
unsafe impl Sync for Team<'_> {}

impl Team<'_> {
    /// What each worker does.
    fn work(&self, ith: usize, nth: usize, barrier: &Barrier) {
        if ith == 0 {
            // SAFETY: the others read after the barrier below.
            let program = unsafe { &mut *self.program.0.get() };
            if let Err(what) = program.begin(nth, self.work_size) {
                crate::log_error!("cpu: {what}");
                return self.end(Status::Failed, barrier);
            }
        }
        if !barrier.wait(|| ()) {
            return;
        }
        // SAFETY: nobody writes it any more.
        let Program {
            steps,
            cursors,
            tag,
            ..
        } = unsafe { &*self.program.0.get() };
        let mut tag = *tag;
        let wait = || barrier.meet();
        let mut slot = 0;
        // The product whose weights this worker has asked for, and how far.
        let mut asked = (0, 0);
        // The team has met since the last group.
        let mut met = true;
        for (group, serial) in groups(steps, nth) {
            if !std::mem::take(&mut met) {
                let used = std::mem::take(&mut slot);
                tag += 1;
                let reset = || {
                    for counter in &self.counters[..used] {
                        counter.0.store(0, Ordering::Relaxed);
                    }
                };
                let own = || {
                    reset();
                    for step in group {
                        if self.is_aborted() {
                            return self.end(Status::Aborted, barrier);
                        }
                        self.run_alone(step);
                    }
                };
                // Else memory would idle until the next product begins.
                let next = group[0].product;
                let idle = || {
                    if asked.0 != next {
                        asked = (next, 0);
                    }
                    if asked.1 < AHEAD
                        && let Some(product) = steps.get(next)
                    {
                        asked.1 = product.ask_for_weights(ith, nth, asked.1);
                    }
                };
                let goes_on = match serial {
                    true => barrier.wait_for_first(ith, own, idle),
                    false => barrier.wait_busily(reset, idle),
                };
                if !goes_on {
                    return;
                }
                met = serial;
                if serial {
                    continue;
                }
            }
            for step in group {
                if ith == 0 && self.is_aborted() {
                    return self.end(Status::Aborted, barrier);
                }
                if !step.alone(nth) {
                    let task = Task {
                        ith,
                        nth,
                        work: self.work.wrapping_add(step.work),
                        work_size: step.work_size,
                        counter: &self.counters[slot].0,
                        cursors: if nth > 1 { cursors } else { &[] },
                        slot,
                        tag,
                        wait: &wait,
                    };
                    slot += 1;
                    (step.run)(&task, step.node);
                } else if ith == 0 {
                    self.run_alone(step);
                }
            }
        }
    }

    fn is_aborted(&self) -> bool {
        self.abort.is_some_and(|abort| abort())
    }

    /// Computes a step as a team of one.
    fn run_alone(&self, step: &Step) {
        let task = Task {
            ith: 0,
            nth: 1,
            work: self.work.wrapping_add(step.work),
            work_size: step.work_size,
            counter: &AtomicUsize::new(0),
            cursors: &[],
            slot: 0,
            tag: 0,
            wait: &|| (),
        };
        (step.run)(&task, step.node);
    }

    /// Worker 0 ends the computation early.
    fn end(&self, status: Status, barrier: &Barrier) {
        // SAFETY: worker 0 is the only writer, and it is read when all have returned.
        unsafe { *self.status.get() = status };
        barrier.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::cpu::testing::*;
    use crate::graph::{Context, Op, ggml_tensor};
    use crate::quant::Type;

    /// `buffers[to] = buffers[a] op buffers[b]`, written in place; only the first `n` values.
    fn step(ctx: &Context, buffers: &[Tensor], to_a_b: [usize; 3], n: i64, op: Op) -> Tensor {
        let [node, a, b] = to_a_b.map(|i| ctx.view_1d(buffers[i], n, 0).unwrap());
        node.set_op(op);
        node.set_src(0, Some(a));
        node.set_src(1, Some(b));
        node
    }

    /// What `map_custom1` takes: result, source, number of the task, tasks, the caller's data.
    type Function =
        unsafe extern "C" fn(*mut ggml_tensor, *mut ggml_tensor, i32, i32, *mut std::ffi::c_void);

    /// Makes a node call a function in so many tasks (-1: one for each worker).
    fn call(node: Tensor, function: Function, tasks: i32, user: *mut std::ffi::c_void) {
        node.set_op(Op::Map_custom1);
        node.set_param(0, function as *const () as usize);
        node.set_param(2, tasks);
        node.set_param(4, user as usize);
    }

    #[test]
    fn nodes_that_share_memory_are_computed_in_order() {
        // Whole buffers are for all workers, small parts for one of them.
        for (n, parts) in [
            (100, vec![100]),
            (6000, vec![6000]),
            (50_000, vec![50_000]),
            (50_000, vec![50_000, 100, 3000, 100, 3000]),
        ] {
            let outcome = |n_threads: usize| {
                let ctx = context();
                let buffers: Vec<Tensor> = (0..6)
                    .map(|i| random(&ctx, Type::F32, &[n], 1.0, i))
                    .collect();
                let mut random = Random(7);
                let nodes: Vec<Tensor> = (0..300)
                    .map(|i| {
                        let to_a_b = [6, 6, 6].map(|n| random.below(n));
                        let n = parts[random.below(parts.len())];
                        let op = [Op::Add, Op::Sub, Op::Mul][i % 3];
                        step(&ctx, &buffers, to_a_b, n, op)
                    })
                    .collect();
                assert_eq!(run(&nodes, n_threads), Status::Success);
                buffers.into_iter().map(values).collect::<Vec<_>>()
            };
            let want = format!("{:?}", outcome(1));
            for n_threads in [0, 2, 3, 8, 33] {
                assert!(
                    format!("{:?}", outcome(n_threads)) == want,
                    "{n_threads} threads, {parts:?}"
                );
            }
        }
    }

    #[test]
    fn independent_nodes_need_no_fence() {
        let ctx = context();
        let a = random(&ctx, Type::F32, &[20_000], 1.0, 1);
        let b = ctx.sqr(a).unwrap();
        let c = ctx.sqr(a).unwrap();
        let d = ctx.add(b, c).unwrap();
        let mut program = Program::default();
        program.find(&[b, c, d], 2).unwrap();
        program.arrange(2, 0).unwrap();
        let fences: Vec<bool> = program.steps.iter().map(|s| s.fence).collect();
        assert_eq!(fences, [false, false, true]);
    }

    #[test]
    fn small_nodes_are_computed_where_the_team_meets() {
        let ctx = context();
        let large = random(&ctx, Type::F32, &[20_000], 1.0, 1);
        let small = ctx.view_1d(large, 10, 0).unwrap();
        let all = ctx.sqr(large).unwrap();
        let part = ctx.view_1d(all, 10, 0).unwrap();
        let [p, q] = [small, part].map(|x| ctx.add(x, part).unwrap());
        let last = ctx.mul(all, q).unwrap();
        let mut program = Program::default();
        program.find(&[all, p, q, last], 2).unwrap();
        program.arrange(2, 0).unwrap();
        let fences: Vec<_> = groups(&program.steps, 2)
            .flat_map(|(group, serial)| {
                let by_one = if serial { group.len() } else { 0 };
                let counts = std::iter::once(by_one).chain(std::iter::repeat(0));
                group.iter().map(|s| s.fence).zip(counts)
            })
            .collect();
        assert_eq!(fences, [(false, 0), (true, 2), (false, 0), (true, 0)]);
    }

    #[test]
    fn a_known_graph_is_computed_again_with_what_is_there_now() {
        let ctx = context();
        let a = random(&ctx, Type::F32, &[20_000], 1.0, 1);
        let b = ctx.sqr(a).unwrap();
        let nodes = [b, ctx.soft_max(b).unwrap()];
        let other = [ctx.sqr(a).unwrap(), ctx.sqr(b).unwrap()];
        let mut work = vec![0u8; plan(&nodes, 4)];
        let mut compute = |nodes: &[Tensor], graph, n_threads| {
            let memory = |bytes: usize| {
                assert!(bytes <= work.len());
                Some((work.as_mut_ptr(), work.len()))
            };
            // SAFETY: the buffer is as large as it is said to be; the tensors live in the arena.
            let status = unsafe { compute_known(nodes, graph, n_threads, memory, None) };
            assert_eq!(status, Status::Success);
        };
        let graph = Some(GraphId::new());
        assert_ne!(graph, Some(GraphId::new()));
        let mut seed = 1;
        for (n_threads, nodes) in [
            (2, &nodes),
            (2, &nodes),
            (4, &nodes),
            (2, &other),
            (2, &nodes),
            (1, &nodes),
            (2, &nodes),
        ] {
            seed += 1;
            let mut random = Random(seed);
            set(
                a,
                &std::array::from_fn::<f32, 20_000, _>(|_| random.value()),
            );
            compute(nodes, graph, n_threads);
            let got = nodes.map(values);
            compute(nodes, None, 1);
            assert!(got == nodes.map(values));
        }
    }

    #[test]
    fn a_callers_function_runs_on_its_thread() {
        unsafe extern "C" fn mark(
            _: *mut ggml_tensor,
            _: *mut ggml_tensor,
            _: i32,
            _: i32,
            user: *mut std::ffi::c_void,
        ) {
            // SAFETY: the test gives a place for it.
            unsafe {
                *user.cast::<Option<std::thread::ThreadId>>() = Some(std::thread::current().id())
            };
        }
        let ctx = context();
        let a = random(&ctx, Type::F32, &[20_000], 1.0, 1);
        let before = ctx.sqr(a).unwrap();
        let node = ctx.sqr(before).unwrap();
        let after = ctx.sqr(node).unwrap();
        let mut ran: Option<std::thread::ThreadId> = None;
        call(node, mark, 1, (&raw mut ran).cast());
        for _ in 0..100 {
            ran = None;
            assert_eq!(run(&[before, node, after], 2), Status::Success);
            assert_eq!(std::hint::black_box(ran), Some(std::thread::current().id()));
        }
    }

    #[test]
    fn abort_is_asked_between_nodes() {
        let ctx = context();
        let a = random(&ctx, Type::F32, &[20_000], 1.0, 1);
        let mut nodes = vec![ctx.sqr(a).unwrap()];
        for i in 0..20 {
            nodes.push(ctx.sqr(nodes[i]).unwrap());
        }
        for n_threads in [1, 2, 8] {
            let asked = AtomicUsize::new(0);
            let abort = || asked.fetch_add(1, Ordering::Relaxed) == 5;
            let null = std::ptr::null_mut();
            // SAFETY: no work buffer is planned; the tensors live in the arena.
            let status = unsafe { compute(&nodes, n_threads, null, 0, Some(&abort)) };
            assert_eq!(status, Status::Aborted);
            assert_eq!(asked.into_inner(), 6);
        }
    }

    #[test]
    fn what_cannot_be_computed_fails_and_leaves_the_pool_usable() {
        let ctx = context();
        let a = random(&ctx, Type::F32, &[4000, 4], 1.0, 1);
        let rows = random(&ctx, Type::F32, &[4000, 3], 1.0, 2);
        let ids = ctx.new_tensor(Type::I32, &[3]).unwrap();
        set_ids(ids, &[1, 77, 2]);
        let bad = ctx.set_rows(a, rows, ids).unwrap();
        let unknown = ctx.sqr(a).unwrap();
        unknown.set_op(Op::Win_part);
        assert!(!supports_op(unknown));
        for n_threads in [1, 2, 8] {
            assert_eq!(run(&[bad], n_threads), Status::Failed);
            assert_eq!(run(&[unknown], n_threads), Status::Failed);
            assert_eq!(run(&[ctx.sqr(a).unwrap()], n_threads), Status::Success);
        }
    }

    #[test]
    fn tensors_without_data_fail() {
        let ctx = Context::for_tensors(4, 0).unwrap();
        let a = ctx.new_tensor(Type::F32, &[8]).unwrap();
        let node = ctx.sqr(a).unwrap();
        assert!(a.data().is_null());
        assert_eq!(run(&[node], 1), Status::Failed);
    }

    #[test]
    fn a_work_buffer_smaller_than_planned_fails() {
        let ctx = context();
        let a = random(&ctx, Type::F32, &[4000, 4], 1.0, 1);
        let node = ctx.soft_max(a).unwrap();
        assert!(plan(&[node], 2) > 0);
        let mut work = [0u8; 100];
        // SAFETY: the buffer is as large as it is said to be.
        let status = unsafe { compute(&[node], 2, work.as_mut_ptr(), work.len(), None) };
        assert_eq!(status, Status::Failed);
    }

    #[test]
    fn callers_functions_get_their_number() {
        unsafe extern "C" fn mark(
            to: *mut ggml_tensor,
            _: *mut ggml_tensor,
            ith: i32,
            nth: i32,
            user: *mut std::ffi::c_void,
        ) {
            // SAFETY: the test gives a vector of at least `nth` floats and a counter.
            unsafe {
                *(*to).data.cast::<f32>().add(ith as usize) = nth as f32;
                (*user.cast::<AtomicUsize>()).fetch_add(1, Ordering::Relaxed);
            }
        }
        for (tasks, n_threads, calls) in [(-1, 3, 3), (1, 3, 1), (-1, 1, 1)] {
            let ctx = context();
            let a = random(&ctx, Type::F32, &[8], 1.0, 1);
            let node = ctx.sqr(a).unwrap();
            let count = AtomicUsize::new(0);
            call(node, mark, tasks, (&raw const count).cast_mut().cast());
            assert_eq!(run(&[node], n_threads), Status::Success);
            assert_eq!(count.into_inner(), calls);
            let team = if calls == 1 { 1.0 } else { n_threads as f64 };
            assert_eq!(values(node)[..calls], vec![team; calls]);
        }
    }
}
