//! What a node asks for, cut into units of work that the team shares.
//!
//! A product is a list of *segments*: a matrix of weights and the columns that are multiplied with it. A plain product has one
//! for each matrix of `src[0]`, a product by expert one for each expert in use. A *unit* is some rows of a segment's matrix
//! and all or many of its columns. What a unit computes does not depend on how many there are.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::core::{Core, MAX_COLS, MAX_DIRECT};
use super::gate::{self, Gates};
use super::kernels::{Ask, MAX_PANELS, MAX_ROWS};
use crate::cpu::task::Task;
use crate::graph::{Op, Tensor, UnaryOp};
use crate::quant::Type;
use crate::simd::{self, Level};

/// Most rows of a unit that is computed without a panel.
const DIRECT_ROWS: usize = 128;
/// Bytes of weights of such a unit, about.
const DIRECT_BYTES: usize = 128 << 10;
/// Bytes of panels of a unit, about: they and a block of columns stay in the second-level cache.
const PANEL_BYTES: usize = 192 << 10;
/// The same in tiles: they need more memory, blocks pass by more quickly, and CPUs that have them have large caches.
const TILES_BYTES: usize = 1 << 20;
/// Units per thread, at least, if the product is large enough: they take different times.
const UNITS_PER_THREAD: usize = 4;
/// Fewest columns of a unit: unpacking the rows must pay off.
const MIN_COLS: usize = 96;
/// Columns whose values are fewer are packed by each thread for itself: cheaper than to meet.
const ALONE: usize = 8192;

/// [`PANEL_BYTES`] where columns pass by from further away: so much of that cache, which two threads may share, for them to do so less often.
fn far_panel_bytes() -> usize {
    (simd::second_cache() / 4).clamp(PANEL_BYTES, 1 << 20)
}

/// Whether so many bytes of packed columns are more than the second-level cache keeps beside panels.
fn are_far(packed: usize) -> bool {
    packed > simd::second_cache() / 2
}

/// The sums of a gate's rows that are multiplied at once with a block of columns.
type GateSums = [[MaybeUninit<f32>; GATE_ROWS]; MAX_COLS];
const GATE_ROWS: usize = MAX_PANELS * MAX_ROWS;

/// `act(gate · x) * (up · x)`.
#[derive(Clone, Copy)]
struct Gated {
    /// Bytes from the matrix of `up` to that of `gate`.
    gate: isize,
    op: UnaryOp,
    limit: f32,
    /// Bias of `up` and of `gate` (or null), with the bytes from one expert's to the next.
    bias: [(*const u8, usize); 2],
}

/// The experts that each token chose.
#[derive(Clone, Copy)]
struct Experts {
    ids: *const u8,
    /// Bytes between choices and between tokens.
    strides: [usize; 2],
    used: usize,
    tokens: usize,
}

/// A node, checked and measured.
///
/// Holds the addresses of the node's tensors; [`Job::run`] is unsafe for their sake.
pub struct Job {
    core: Core,
    /// For segments of [`Core::many`] columns.
    core_of_many: Core,
    level: Level,
    nth: usize,
    weights: *const u8,
    /// Bytes between rows, matrices, and sets of matrices.
    stride: [usize; 3],
    /// Rows of the result.
    n_rows: usize,
    /// Matrices and sets of matrices.
    matrices: [usize; 2],
    gated: Option<Gated>,
    experts: Option<Experts>,
    src: *const u8,
    src_type: Type,
    src_ne: [usize; 4],
    src_nb: [usize; 4],
    dst: *mut u8,
    dst_nb: [usize; 4],
    /// Times that a matrix, and a set of matrices, is used for neighbouring columns.
    repeat: [usize; 2],
}

// SAFETY: the pointers are only used by `run`, whose callers answer for the memory and for one computation at a time.
unsafe impl Sync for Job {}

/// Some columns and their matrix; see the module.
#[derive(Clone, Copy)]
struct Segment {
    /// Number of the matrix.
    matrix: usize,
    /// Number of the first column in the list of columns by expert.
    first: usize,
    n_cols: usize,
    /// Where its packed columns begin.
    offset: usize,
    /// Number of its first unit.
    unit: usize,
    rows_per_unit: usize,
    /// Blocks of columns per unit; 0 if computed without a panel.
    blocks_per_unit: usize,
}

/// Sizes of the parts of the scratch memory.
struct Scratch {
    /// Packed columns that all threads share; 0 if each has its own.
    shared: usize,
    /// Each thread's: segments, columns by expert, columns per expert, packed columns, panels, sums of gates, scratch of the core.
    segments: usize,
    list: usize,
    counts: usize,
    own: usize,
    panels: usize,
    gates: usize,
    core: usize,
}

impl Scratch {
    fn per_thread(&self) -> usize {
        let parts = [
            self.segments,
            self.list,
            self.counts,
            self.own,
            self.panels,
            self.gates,
            self.core,
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }
}

fn size(x: i64) -> usize {
    usize::try_from(x).unwrap_or(0)
}

fn align(x: usize) -> usize {
    x.checked_next_multiple_of(64).unwrap_or(usize::MAX)
}

impl Job {
    /// `None` if the operator, the types or the shapes are not ones that can be computed.
    pub fn new(node: Tensor, nth: usize, level: Level) -> Option<Job> {
        let (up, gate, src, ids) = match node.op() {
            Op::Mul_mat => (node.src(0)?, None, node.src(1)?, None),
            Op::Mul_mat_id => (node.src(0)?, None, node.src(1)?, Some(node.src(2)?)),
            Op::Fused_up_gate => (node.src(0)?, Some(node.src(1)?), node.src(2)?, None),
            Op::Moe_fused_up_gate => (node.src(0)?, node.src(1), node.src(2)?, Some(node.src(3)?)),
            _ => return None,
        };
        let is_gated = matches!(node.op(), Op::Fused_up_gate | Op::Moe_fused_up_gate);
        let (ne0, ne1) = (up.ne().map(size), src.ne().map(size));
        let (nb0, nb1) = (up.nb(), src.nb());
        let (ne, nb) = (node.ne().map(size), node.nb());
        let core = Core::new(level, up.ty(), ne0[0])?;
        let halves = if is_gated && gate.is_none() { 2 } else { 1 };
        let fits = ne0[0] == ne1[0]
            && ne[0] == ne0[1] / halves
            && node.ty() == Type::F32
            && nb[0] == 4
            && core.takes(src.ty())
            && src.ty().info().is_some_and(|i| nb1[0] == i.block_bytes)
            && up.ty().info().is_some_and(|i| nb0[0] == i.block_bytes);
        // Interleaved rows come in whole groups, one after the other.
        let fits = fits
            && (core.rows() == 1
                || nb0[1] == core.row_size
                    && ne[0] % core.rows() == 0
                    && ne0[1] % core.rows() == 0);
        if !fits {
            return None;
        }
        let (mut experts, mut repeat) = (None, [1, 1]);
        if let Some(ids) = ids {
            let n = ids.ne().map(size);
            let fits = ids.ty() == Type::I32
                && ne0[3] == 1
                && ne1[3] == 1
                && n[1] == ne1[2]
                && ne1[1] > 0
                && ne[1] == n[0]
                && ne[2] == n[1];
            if !fits {
                return None;
            }
            experts = Some(Experts {
                ids: ids.data().cast(),
                strides: [ids.nb()[0], ids.nb()[1]],
                used: n[0],
                tokens: n[1],
            });
        } else {
            let fits = ne0[2] > 0
                && ne0[3] > 0
                && ne1[2] % ne0[2] == 0
                && ne1[3] % ne0[3] == 0
                && ne[1..] == ne1[1..];
            if !fits {
                return None;
            }
            repeat = [ne1[2] / ne0[2], ne1[3] / ne0[3]];
        }
        let mut weights: *const u8 = up.data().cast();
        let gated = if is_gated {
            let bias = |i: usize| {
                let b = node.src(i);
                let of = |b: Tensor| (b.data() as *const u8, b.nb()[1]);
                b.map_or((std::ptr::null(), 0), of)
            };
            let mut biases = [bias(4), bias(5)];
            let offset = match gate {
                Some(gate) => {
                    if gate.ty() != up.ty() || gate.ne() != up.ne() || gate.nb() != nb0 {
                        return None;
                    }
                    (gate.data() as isize).wrapping_sub(weights as isize)
                }
                // Gate and up are the halves of one matrix, and so are their biases.
                None => {
                    let half = nb0[1] * ne[0];
                    weights = weights.wrapping_add(half);
                    if !biases[0].0.is_null() {
                        biases[1] = biases[0];
                        biases[0].0 = biases[0].0.wrapping_add(4 * ne[0]);
                    }
                    -(half as isize)
                }
            };
            Some(Gated {
                gate: offset,
                op: node.unary_op().filter(|&op| gate::supported(op))?,
                limit: node.param(1),
                bias: biases,
            })
        } else {
            None
        };
        Some(Job {
            core,
            core_of_many: core.of_many(),
            level,
            nth: nth.max(1),
            weights,
            stride: [nb0[1], nb0[2], nb0[3]],
            n_rows: ne[0],
            matrices: [ne0[2], ne0[3]],
            gated,
            experts,
            src: src.data().cast(),
            src_type: src.ty(),
            src_ne: ne1,
            src_nb: nb1,
            dst: node.data().cast(),
            dst_nb: nb,
            repeat,
        })
    }

    /// Whether [`Job::core_of_many`] multiplies so many columns.
    fn are_many(&self, n_cols: usize) -> bool {
        n_cols >= self.core.many()
    }

    /// What multiplies so many columns.
    fn core(&self, n_cols: usize) -> &Core {
        match self.are_many(n_cols) {
            true => &self.core_of_many,
            false => &self.core,
        }
    }

    /// Columns over all segments.
    fn total_cols(&self) -> usize {
        match self.experts {
            Some(e) => e.used.saturating_mul(e.tokens),
            None => self.src_ne[1..].iter().fold(1, |a, &b| a.saturating_mul(b)),
        }
    }

    /// Segments, at most.
    fn max_segments(&self) -> usize {
        match self.experts {
            Some(_) => self.matrices[0].min(self.total_cols()),
            None => self.matrices[0].saturating_mul(self.matrices[1]),
        }
    }

    /// Bytes of a segment's packed columns.
    fn packed_bytes(&self, n_cols: usize) -> usize {
        if n_cols <= self.core.direct() {
            n_cols * self.core.column_bytes()
        } else {
            let core = self.core(n_cols);
            core.blocks(n_cols).saturating_mul(core.block_bytes())
        }
    }

    /// Whether each thread packs all columns for itself.
    fn packs_alone(&self) -> bool {
        self.total_cols().saturating_mul(self.core.k) <= ALONE
    }

    /// Rows of a unit with panels; of columns that [are far](are_far) or not.
    fn panel_rows(&self, core: &Core, segments: usize, far: bool) -> usize {
        let lanes = core.lanes;
        let panels = if self.gated.is_some() { 2 } else { 1 };
        let bytes = match (core.in_tiles(), far) {
            (true, _) => TILES_BYTES,
            (_, true) => far_panel_bytes(),
            (_, false) => PANEL_BYTES,
        };
        let fit = bytes / (panels * core.panel_bytes()).max(1);
        let wanted = (UNITS_PER_THREAD * self.nth).div_ceil(segments.max(1));
        let share = self.n_rows.div_ceil(wanted).div_ceil(lanes);
        let whole = core.rows().max(core.gemm_rows());
        (lanes * fit.min(share).max(1)).next_multiple_of(whole)
    }

    fn direct_rows(&self, segments: usize) -> usize {
        let fit = (DIRECT_BYTES / self.core.row_size.max(1)).max(4);
        let wanted = (UNITS_PER_THREAD * self.nth).div_ceil(segments.max(1));
        let share = self.n_rows.div_ceil(wanted).max(4);
        fit.min(share)
            .min(DIRECT_ROWS)
            .next_multiple_of(self.core.rows().max(2))
    }

    fn scratch(&self) -> Scratch {
        let (cols, segments) = (self.total_cols(), self.max_segments());
        // No segment has more columns than all.
        let cores = [&self.core, self.core(cols)];
        // Segments of few columns take more room per column than whole blocks; and each may end in a part of a block.
        let packed = match self.experts {
            None => segments.saturating_mul(self.packed_bytes(cols / segments.max(1))),
            Some(_) => {
                let block = cores.map(Core::block_bytes);
                let column = [0, 1].map(|i| block[i].div_ceil(cores[i].cols));
                let whole = cols
                    .saturating_mul(column[0].max(column[1]))
                    .saturating_add(segments.saturating_mul(block[0].max(block[1])));
                let direct = cols
                    .min(segments.saturating_mul(self.core.direct()))
                    .saturating_mul(self.core.column_bytes());
                whole.saturating_add(direct)
            }
        };
        let packed = align(packed);
        let alone = self.packs_alone();
        // Fewer segments than the most have larger units, up to one segment's.
        let rows = cores.map(|core| {
            if cols <= self.core.direct() {
                return 0;
            }
            let rows = [1, segments].map(|n| self.panel_rows(core, n, true));
            rows[0].max(rows[1])
        });
        let panels = [0, 1].map(|i| {
            (rows[i] / cores[i].lanes)
                .saturating_mul(cores[i].panel_bytes())
                .saturating_mul(if self.gated.is_some() { 2 } else { 1 })
        });
        // Sums of a unit's gates are kept until all pieces of rows are multiplied.
        let gates = [0, 1].map(|i| match &self.gated {
            Some(_) if cores[i].in_pieces() => (size_of::<GateSums>()
                * rows[i].div_ceil(GATE_ROWS))
            .saturating_mul(cols.div_ceil(MAX_COLS)),
            Some(_) if rows[i] > 0 => size_of::<GateSums>(),
            _ => 0,
        });
        Scratch {
            shared: if alone { 0 } else { packed },
            segments: align(segments.saturating_mul(size_of::<Segment>())),
            list: self.experts.map_or(0, |_| align(cols.saturating_mul(4))),
            counts: self
                .experts
                .map_or(0, |_| align(self.matrices[0].saturating_mul(4))),
            own: if alone { packed } else { 0 },
            panels: align(panels[0].max(panels[1])),
            gates: gates[0].max(gates[1]),
            core: self.core.scratch_bytes(),
        }
    }

    /// Bytes of scratch memory for the team.
    pub fn work_size(&self) -> usize {
        let s = self.scratch();
        s.per_thread()
            .saturating_mul(self.nth)
            .saturating_add(s.shared)
    }

    /// Fills the list of segments (and of columns by expert); returns how many segments and units there are.
    ///
    /// # Safety
    /// `segments` has room for [`Job::max_segments`], `list` for [`Job::total_cols`], `counts` for a number
    /// per expert; the expert ids are readable.
    unsafe fn lay_out(
        &self,
        segments: *mut Segment,
        list: *mut u32,
        counts: *mut u32,
    ) -> (usize, usize) {
        let mut n = 0;
        match self.experts {
            None => {
                let per = self.src_ne[1] * self.repeat[0] * self.repeat[1];
                while n < self.matrices[0] * self.matrices[1] && per > 0 {
                    // SAFETY: the caller's promise.
                    unsafe { segments.add(n).write(Segment::new(n, 0, per)) };
                    n += 1;
                }
            }
            Some(e) => {
                // SAFETY: the caller's promise; every expert named is counted, so segments and list have room for them.
                unsafe {
                    let counts = std::slice::from_raw_parts_mut(counts, self.matrices[0]);
                    counts.fill(0);
                    let pairs = 0..e.used * e.tokens;
                    for id in pairs.clone().filter_map(|pair| self.expert(&e, pair)) {
                        counts[id] += 1;
                    }
                    let mut first = 0;
                    for (id, count) in counts.iter_mut().enumerate() {
                        if *count > 0 {
                            segments
                                .add(n)
                                .write(Segment::new(id, first, *count as usize));
                            n += 1;
                        }
                        // From here on: the expert's next place in the list.
                        (first, *count) = (first + *count as usize, first as u32);
                    }
                    for pair in pairs {
                        if let Some(id) = self.expert(&e, pair) {
                            list.add(counts[id] as usize).write(pair as u32);
                            counts[id] += 1;
                        }
                    }
                }
            }
        }
        let (mut offset, mut unit) = (0, 0);
        let direct_rows = self.direct_rows(n);
        for i in 0..n {
            // SAFETY: written above.
            let s = unsafe { &mut *segments.add(i) };
            s.offset = offset;
            s.unit = unit;
            let packed = self.packed_bytes(s.n_cols);
            offset += packed;
            if s.n_cols <= self.core.direct() {
                s.rows_per_unit = direct_rows;
                unit += self.n_rows.div_ceil(direct_rows);
            } else {
                let core = self.core(s.n_cols);
                let panel_rows = self.panel_rows(core, n, are_far(packed));
                let blocks = core.blocks(s.n_cols);
                let by_rows = self.n_rows.div_ceil(panel_rows);
                let wanted = (UNITS_PER_THREAD * self.nth).div_ceil(by_rows * n);
                s.rows_per_unit = panel_rows;
                s.blocks_per_unit = blocks.div_ceil(wanted).max(MIN_COLS.div_ceil(core.cols));
                unit += by_rows * blocks.div_ceil(s.blocks_per_unit);
            }
        }
        (n, unit)
    }

    /// The expert of a pair of token and choice, if it names one.
    ///
    /// # Safety
    /// The ids are readable.
    unsafe fn expert(&self, e: &Experts, pair: usize) -> Option<usize> {
        let at = pair % e.used * e.strides[0] + pair / e.used * e.strides[1];
        // SAFETY: the caller's promise.
        let id = unsafe { e.ids.add(at).cast::<i32>().read() };
        usize::try_from(id).ok().filter(|&id| id < self.matrices[0])
    }

    /// Where column `c` of a segment is read from and its result written to.
    ///
    /// # Safety
    /// `c` is a column of the segment; `list` is as [`Job::lay_out`] filled it.
    unsafe fn column(&self, s: &Segment, list: *const u32, c: usize) -> (*const u8, *mut f32) {
        let (src, dst) = match self.experts {
            Some(e) => {
                // SAFETY: the caller's promise.
                let pair = unsafe { list.add(s.first + c).read() } as usize;
                let (choice, token) = (pair % e.used, pair / e.used);
                (
                    choice % self.src_ne[1] * self.src_nb[1] + token * self.src_nb[2],
                    choice * self.dst_nb[1] + token * self.dst_nb[2],
                )
            }
            None => {
                let (i1, rest) = (c % self.src_ne[1], c / self.src_ne[1]);
                let (m2, m3) = (s.matrix % self.matrices[0], s.matrix / self.matrices[0]);
                let i2 = m2 * self.repeat[0] + rest % self.repeat[0];
                let i3 = m3 * self.repeat[1] + rest / self.repeat[0];
                let at = |nb: &[usize; 4]| i1 * nb[1] + i2 * nb[2] + i3 * nb[3];
                (at(&self.src_nb), at(&self.dst_nb))
            }
        };
        // SAFETY: indices are inside the tensors.
        unsafe { (self.src.add(src), self.dst.add(dst).cast()) }
    }

    /// Computes the node, together with the team's other threads.
    ///
    /// # Safety
    /// The node's tensors have their data, the task has [`Job::work_size`] bytes for a team of `nth`.
    pub unsafe fn run(&self, task: &Task) {
        let sizes = self.scratch();
        // SAFETY: the parts lie in the scratch memory one after the other, as `work_size` added them up.
        unsafe {
            let own = task.work.add(sizes.shared + task.ith * sizes.per_thread());
            let segments = own.cast::<Segment>();
            let list = own.add(sizes.segments);
            let counts = list.add(sizes.list);
            let own_packed = counts.add(sizes.counts);
            let panels = own_packed.add(sizes.own);
            let gates = panels.add(sizes.panels);
            let scratch = gates.add(sizes.gates);
            let list = list.cast::<u32>();
            let (n_segments, n_units) = self.lay_out(segments, list, counts.cast());
            let segments = std::slice::from_raw_parts(segments, n_segments);
            if task.ith == 0 {
                self.clear_unused();
            }
            let packed = if self.packs_alone() {
                self.pack(segments, list, own_packed, 0..self.total_cols());
                own_packed
            } else {
                let share = task.share(self.total_cols());
                self.pack(segments, list, task.work, share);
                task.barrier();
                task.work
            };
            // Units of few columns are alike, and a thread reads on where its last one ended.
            let alike = segments.iter().all(|s| s.blocks_per_unit == 0);
            let next = || match alike {
                true => task.claim(n_units),
                false => Some(task.next()).filter(|&unit| unit < n_units),
            };
            while let Some(unit) = next() {
                let seg = Segment::of(segments, unit);
                let at = Place {
                    seg,
                    list,
                    packed: packed.add(seg.offset),
                    panels,
                    gates: gates.cast(),
                    scratch,
                };
                if at.seg.blocks_per_unit == 0 {
                    self.direct_unit(&at, unit - at.seg.unit);
                } else {
                    let next = self.rows_of_unit(segments, unit + self.nth);
                    self.panel_unit(&at, unit - at.seg.unit, next);
                }
            }
        }
    }

    /// Clears the results of choices that name no expert.
    ///
    /// # Safety
    /// The ids are readable, the result writable.
    unsafe fn clear_unused(&self) {
        let Some(e) = self.experts else { return };
        for pair in 0..e.used * e.tokens {
            // SAFETY: the caller's promise.
            unsafe {
                if self.expert(&e, pair).is_none() {
                    let at = pair % e.used * self.dst_nb[1] + pair / e.used * self.dst_nb[2];
                    self.dst.add(at).write_bytes(0, 4 * self.n_rows);
                }
            }
        }
    }

    /// Packs columns, counted through all segments.
    ///
    /// # Safety
    /// `packed` has room for all segments' columns; the rest is as [`Job::lay_out`] made it.
    unsafe fn pack(
        &self,
        segments: &[Segment],
        list: *const u32,
        packed: *mut u8,
        cols: Range<usize>,
    ) {
        let mut before = 0;
        for s in segments {
            let core = self.core(s.n_cols);
            let first = cols.start.saturating_sub(before).min(s.n_cols);
            let last = cols.end.saturating_sub(before).min(s.n_cols);
            let mut c = first;
            while c < last {
                let mut src = [std::ptr::null(); MAX_COLS];
                // SAFETY: the caller's promise.
                unsafe {
                    let at = packed.add(s.offset);
                    if s.n_cols <= self.core.direct() {
                        let at = at.add(c * core.column_bytes());
                        core.pack(self.src_type, self.column(s, list, c).0, at);
                        c += 1;
                        continue;
                    }
                    let (block, cols) = core.block_of(s.n_cols, c);
                    let col = c - cols.start;
                    let src = &mut src[..cols.end.min(last) - c];
                    for src in &mut *src {
                        *src = self.column(s, list, c).0;
                        c += 1;
                    }
                    let at = at.add(block * core.block_bytes());
                    core.pack_block(self.src_type, src, cols.len(), col, at);
                }
            }
            before += s.n_cols;
        }
    }

    /// Rows of few columns.
    ///
    /// # Safety
    /// The columns are packed.
    unsafe fn direct_unit(&self, at: &Place, unit: usize) {
        let s = at.seg;
        let row = unit * s.rows_per_unit;
        let n_rows = s.rows_per_unit.min(self.n_rows - row);
        let mut dst = [std::ptr::null_mut(); MAX_DIRECT];
        let mut up = [[const { MaybeUninit::uninit() }; DIRECT_ROWS]; MAX_DIRECT];
        let mut gate = [[const { MaybeUninit::uninit() }; DIRECT_ROWS]; MAX_DIRECT];
        // SAFETY: rows, columns and results are inside their tensors; the buffers have room for the rows of a unit.
        unsafe {
            let weights = self.matrix(s.matrix).add(row * self.stride[0]);
            for (c, d) in dst[..s.n_cols].iter_mut().enumerate() {
                *d = self.column(s, at.list, c).1.add(row);
            }
            let product = |weights: *const u8, dst: &[*mut f32]| {
                self.core
                    .gemv(weights, self.stride[0], n_rows, at.packed, dst, at.scratch)
            };
            match &self.gated {
                None => product(weights, &dst[..s.n_cols]),
                Some(g) => {
                    product(weights, &pointers(&mut up)[..s.n_cols]);
                    product(weights.offset(g.gate), &pointers(&mut gate)[..s.n_cols]);
                    for c in 0..s.n_cols {
                        let (up, gate) = (up[c].as_mut_ptr().cast(), gate[c].as_mut_ptr().cast());
                        self.combine(g, s.matrix, row, n_rows, gate, up, dst[c]);
                    }
                }
            }
        }
    }

    /// The first row and the first block of columns of a segment's unit with panels, and how many rows it has.
    fn part_of_unit(&self, s: &Segment, unit: usize) -> (usize, usize, usize) {
        let by_rows = self.n_rows.div_ceil(s.rows_per_unit);
        let row = unit % by_rows * s.rows_per_unit;
        let n_rows = s.rows_per_unit.min(self.n_rows - row);
        (row, unit / by_rows * s.blocks_per_unit, n_rows)
    }

    /// Where the rows of a unit are, and how many bytes, if it is one with panels.
    fn rows_of_unit(&self, segments: &[Segment], unit: usize) -> (*const u8, usize) {
        let s = Segment::of(segments, unit);
        let (row, first, n_rows) = self.part_of_unit(s, unit - s.unit);
        let blocks = self.core(s.n_cols).blocks(s.n_cols);
        let is_there = s.blocks_per_unit > 0 && first < blocks;
        let rows = self.matrix(s.matrix).wrapping_add(row * self.stride[0]);
        (rows, if is_there { n_rows * self.stride[0] } else { 0 })
    }

    /// Panels times blocks of columns; meanwhile asks for rows of the unit that this thread is likely to take `next`.
    ///
    /// # Safety
    /// The columns are packed, `panels` and `gates` have room for the unit's rows.
    unsafe fn panel_unit(&self, at: &Place, unit: usize, next: (*const u8, usize)) {
        let (s, core) = (at.seg, self.core(at.seg.n_cols));
        let (row, first, n_rows) = self.part_of_unit(s, unit);
        let last = (first + s.blocks_per_unit).min(core.blocks(s.n_cols));
        let bytes = n_rows.div_ceil(core.lanes) * core.panel_bytes();
        let unit = PanelUnit {
            at,
            core,
            row,
            n_rows,
            blocks: first..last,
            gate_panels: at.panels.wrapping_add(bytes),
        };
        let products = (last - first) * n_rows.div_ceil(core.gemm_rows());
        let mut requests = Requests::new(next, core.asked(), products);
        // SAFETY: the caller's promise.
        unsafe {
            let _tiles = core.tiles();
            let mut from = 0;
            loop {
                self.unpack_unit(&unit, from);
                self.multiply_unit(&unit, from, &mut requests);
                from += core.depth();
                if from >= core.k {
                    break;
                }
            }
        }
    }

    /// Unpacks the rows of a unit, or the piece of them that begins at value `from`.
    ///
    /// # Safety
    /// The rows are readable, panels have room for them.
    unsafe fn unpack_unit(&self, u: &PanelUnit, from: usize) {
        let core = u.core;
        let weights = self
            .matrix(u.at.seg.matrix)
            .wrapping_add(u.row * self.stride[0]);
        for (i, r) in (0..u.n_rows).step_by(core.lanes).enumerate() {
            let n = core.lanes.min(u.n_rows - r);
            let unpack = |weights: *const u8, panels: *mut u8| {
                let rows = weights.wrapping_add(r * self.stride[0]);
                let panel = panels.wrapping_add(i * core.panel_bytes());
                let (first, scratch) = (u.row + r, u.at.scratch);
                // SAFETY: rows are inside their matrix, panels inside the unit's.
                unsafe { core.unpack(rows, self.stride[0], first, n, from, panel, scratch) };
            };
            unpack(weights, u.at.panels);
            if let Some(g) = &self.gated {
                unpack(weights.wrapping_offset(g.gate), u.gate_panels);
            }
        }
    }

    /// Multiplies what [`Job::unpack_unit`] has unpacked.
    ///
    /// # Safety
    /// Panels and columns are packed, `gates` has room for the unit's rows.
    unsafe fn multiply_unit(&self, u: &PanelUnit, from: usize, requests: &mut Requests) {
        let (at, core) = (u.at, u.core);
        let n_cols = at.seg.n_cols;
        let (panel_bytes, rows) = (core.panel_bytes(), core.gemm_rows());
        let ends = from + core.depth() >= core.k;
        let mut gates = at.gates;
        for b in u.blocks.clone() {
            let block = at.packed.wrapping_add(b * core.block_bytes());
            let cols = core.columns(n_cols, b);
            let mut dst = [std::ptr::null_mut(); MAX_COLS];
            let dst = &mut dst[..cols.len()];
            for (d, c) in dst.iter_mut().zip(cols) {
                // SAFETY: the caller's promise.
                let (_, result) = unsafe { self.column(at.seg, at.list, c) };
                *d = result.wrapping_add(u.row);
            }
            for r in (0..u.n_rows).step_by(rows) {
                let n = rows.min(u.n_rows - r);
                let offset = r / core.lanes * panel_bytes;
                let mut ask = requests.of_next_product(at.panels);
                // SAFETY: rows, columns and results are inside their tensors; there are sums of gates for the unit's.
                unsafe {
                    core.gemm(at.panels.add(offset), block, n, from, dst, ask);
                    if let Some(g) = &self.gated {
                        let sums = &pointers(&mut *gates)[..dst.len()];
                        if ask.stride > 0 {
                            ask.at = ask.at.wrapping_offset(g.gate);
                        }
                        core.gemm(u.gate_panels.add(offset), block, n, from, sums, ask);
                        if ends {
                            for (&mut up, &gate) in dst.iter_mut().zip(sums) {
                                self.combine(g, at.seg.matrix, u.row + r, n, gate, up, up);
                            }
                        }
                        if core.in_pieces() {
                            gates = gates.add(1);
                        }
                    }
                }
                for d in &mut *dst {
                    *d = d.wrapping_add(n);
                }
            }
        }
    }

    /// The first row of a matrix of weights.
    fn matrix(&self, i: usize) -> *const u8 {
        let (m2, m3) = (i % self.matrices[0], i / self.matrices[0]);
        self.weights
            .wrapping_add(m2 * self.stride[1] + m3 * self.stride[2])
    }

    /// `dst = act(gate + bias) * (up + bias)` for `n` rows from `row` on.
    ///
    /// # Safety
    /// The pointers are to `n` values.
    unsafe fn combine(
        &self,
        g: &Gated,
        expert: usize,
        row: usize,
        n: usize,
        gate: *mut f32,
        up: *mut f32,
        dst: *mut f32,
    ) {
        let gates = Gates::at(self.level);
        for ((bias, stride), x) in g.bias.into_iter().zip([up, gate]) {
            if !bias.is_null() {
                // SAFETY: there is a bias for every row of every expert.
                unsafe { gates.add(n, x, bias.add(expert * stride).cast::<f32>().add(row)) };
            }
        }
        // SAFETY: the caller's promise.
        unsafe { gates.run(g.op, g.limit, n, gate, up, dst) };
    }
}

/// Where a unit finds its segment and memory.
struct Place<'a> {
    seg: &'a Segment,
    list: *const u32,
    /// The segment's packed columns.
    packed: *const u8,
    panels: *mut u8,
    gates: *mut GateSums,
    scratch: *mut u8,
}

/// A unit with panels: rows from `row` on, times some blocks of columns.
struct PanelUnit<'a> {
    at: &'a Place<'a>,
    core: &'a Core,
    row: usize,
    n_rows: usize,
    blocks: Range<usize>,
    /// Panels of the gate's rows, behind the others.
    gate_panels: *mut u8,
}

/// Rows that the last of a unit's products ask for: unpacking is waiting for memory, multiplying is not.
struct Requests {
    rows: *const u8,
    /// Bytes of them that are asked for.
    wanted: usize,
    /// Bytes that each product asks for, and all that are still to come.
    each: usize,
    left: usize,
}

impl Requests {
    /// For so many products, each of which asks for so many lines.
    fn new((rows, bytes): (*const u8, usize), lines: usize, products: usize) -> Requests {
        let left = 64 * lines * products;
        Requests {
            rows,
            wanted: bytes.min(left),
            each: 64 * lines,
            left,
        }
    }

    /// What the next product asks for; it is multiplied with some of `panels`.
    fn of_next_product(&mut self, panels: *const u8) -> Ask {
        let left = self.left;
        self.left = left.saturating_sub(self.each);
        if left == 0 || left > self.wanted {
            return Ask::nothing(panels);
        }
        Ask {
            at: self.rows.wrapping_add(self.wanted - left),
            stride: 64,
        }
    }
}

impl Segment {
    /// The one that a unit belongs to.
    fn of(segments: &[Segment], unit: usize) -> &Segment {
        &segments[segments.partition_point(|s| s.unit <= unit) - 1]
    }

    fn new(matrix: usize, first: usize, n_cols: usize) -> Segment {
        Segment {
            matrix,
            first,
            n_cols,
            offset: 0,
            unit: 0,
            rows_per_unit: 1,
            blocks_per_unit: 0,
        }
    }
}

/// A pointer to each row of a buffer.
fn pointers<const N: usize, const C: usize>(
    rows: &mut [[MaybeUninit<f32>; N]; C],
) -> [*mut f32; C] {
    // `map` on an array is a call, which copies them all once more.
    let mut out = [std::ptr::null_mut(); C];
    for (out, row) in out.iter_mut().zip(rows) {
        *out = row.as_mut_ptr().cast();
    }
    out
}
