//! Attention in one operator (`flash_attn_ext`): soft-max of the scores of queries with keys, times values, without ever
//! holding all scores (<https://arxiv.org/abs/2205.14135>). Nothing else lives here: soft-max on its own is in `ops`.
//!
//! All query heads that share a key head are worked on together, with a tile of keys and values at a time. For many rows a tile
//! is converted to f32 once for all of them, or brought to [`tiles`] where the CPU multiplies those; few rows meet it as it is stored.
//! Queries are rounded to q8_0 where the keys are quantized, so that scores are those of a product with such keys. Many queries are
//! shared among the team by tiles of queries. Few queries over many keys are shared by chunks of keys, whose results are combined at
//! the end; where chunks begin does not depend on the number of threads, so neither does the result.

mod kernels;
#[cfg(test)]
mod tests;
mod tiles;

use half::{bf16, f16};
use kernels::{AHEAD, Ahead, Kernels, Softening, State, TILE};

use super::ops::{View, alibi_slope};
use super::task::Task;
use crate::graph::{Tensor, params};
use crate::quant::Type;
use crate::simd;
use crate::simd::amx::Tiles;

/// Rows (queries times heads) that are worked on together, at most: as floats, and in tiles, which keys and values take longer to be brought to.
const ROWS: [usize; 2] = [96, 192];
/// Queries that are few enough to share work by chunks of keys.
const FEW: usize = 8;
/// Rows whose scores are computed one by one instead of by a matrix product with the transposed keys.
const FEW_ROWS: usize = 12;
/// Keys per chunk, at least.
const CHUNK: usize = 128;
/// Chunks, about.
const CHUNKS: usize = 64;

/// A `flash_attn_ext` node.
struct Attention {
    q: View,
    k: View,
    v: View,
    out: View,
    mask: Option<View>,
    sinks: Option<*const f32>,
    scale: f32,
    max_bias: f32,
    softcap: f32,
    /// Query heads that are worked on together, queries, and how many such groups share a key head.
    heads: usize,
    queries: usize,
    groups: usize,
    /// Keys per chunk, and chunks.
    chunk: usize,
    chunks: usize,
    /// Whether products of many rows are of [`tiles`].
    in_tiles: bool,
}

impl Attention {
    /// `None` if the shapes or types are not such that it can be computed.
    fn of(node: Tensor) -> Option<Attention> {
        let view = |i: usize| node.src(i).and_then(View::try_of);
        let (q, k, v, out) = (view(0)?, view(1)?, view(2)?, View::try_of(node)?);
        let [n_q, n_head] = [q.ne[1], q.ne[2]];
        let [n_kv, n_head_kv] = [k.ne[1], k.ne[2]];
        let fits = q.ne[0] == k.ne[0]
            && v.ne[1..] == k.ne[1..]
            && n_head_kv > 0
            && k.ne[3] > 0
            && n_head % n_head_kv == 0
            && q.ne[3] % k.ne[3] == 0
            && out.ne == [v.ne[0], n_head, n_q, q.ne[3]]
            && out.is_f32_rows()
            && [&q, &k, &v].iter().all(|t| t.dense_rows());
        let mask = view(3);
        let mask_fits = node.src(3).is_none()
            || mask.is_some_and(|m| {
                matches!(m.info.ty, Type::F16 | Type::F32)
                    && m.dense_rows()
                    && m.ne[0] >= n_kv
                    && m.ne[1] >= n_q
                    && m.ne[2] > 0
                    && m.ne[3] > 0
            });
        let sinks = node.src(4);
        let sinks_fit = sinks.is_none_or(|s| s.ty() == Type::F32 && s.ne()[0] as usize >= n_head);
        if !(fits && mask_fits && sinks_fit) {
            return None;
        }
        let p = params::FlashAttn::load(node);
        let per_key = n_head / n_head_kv;
        let in_tiles = tiles::suit(simd::level(), k.ne[0], v.ne[0]);
        let rows = ROWS[usize::from(in_tiles)];
        let heads = per_key.min(rows);
        let chunk = match n_q {
            0..=FEW => n_kv.div_ceil(CHUNKS).next_multiple_of(CHUNK),
            _ => n_kv.max(1),
        };
        Some(Attention {
            q,
            k,
            v,
            out,
            mask,
            sinks: sinks.map(|s| s.data() as *const f32),
            scale: if p.softcap != 0.0 {
                p.scale / p.softcap
            } else {
                p.scale
            },
            max_bias: p.max_bias,
            softcap: p.softcap,
            heads,
            queries: (rows / heads).min(n_q).max(1),
            groups: per_key.div_ceil(heads),
            chunk,
            chunks: n_kv.div_ceil(chunk).max(1),
            in_tiles,
        })
    }

    fn rows(&self) -> usize {
        self.heads * self.queries
    }

    /// Floats of scratch memory of a worker.
    fn scratch_floats(&self) -> usize {
        Scratch::sizes(self).iter().sum()
    }

    /// Floats of the result of a row in one chunk: its state.
    fn partial_floats(&self) -> usize {
        self.v.ne[0] + 2
    }

    fn partials(&self) -> usize {
        match self.chunks {
            1 => 0,
            n => n * self.q.ne[1] * self.q.ne[2] * self.q.ne[3] * self.partial_floats(),
        }
    }
}

/// Bytes of scratch memory for a team of `nth`, and what it costs in elements of a simple operator; `None` if the node cannot
/// be computed: types and shapes.
pub fn demands(node: Tensor, nth: usize) -> Option<(usize, usize)> {
    let a = Attention::of(node)?;
    let work = 4 * (a.scratch_floats() * nth + a.partials());
    let scores = a.q.n_rows().saturating_mul(a.k.ne[1]);
    Some((work, scores.saturating_mul(a.k.ne[0] + a.v.ne[0]) / 8))
}

/// A worker's memory.
struct Scratch {
    /// Queries, [rows][dk].
    q: *mut f32,
    /// A tile of keys or values as f32, [TILE][dk or dv].
    tile: *mut f32,
    /// Transposed keys, [dk][TILE]; or keys, then values, as tiles.
    keys: *mut f32,
    /// Scores, then weights, [rows][TILE].
    scores: *mut f32,
    /// Queries and weights as tiles.
    tiles: [*mut f32; 2],
    state: State,
}

impl Scratch {
    /// Floats of each part.
    fn sizes(a: &Attention) -> [usize; 9] {
        let (dk, dv, mut rows, mut tiled) = (a.k.ne[0], a.v.ne[0], a.rows(), 0);
        if a.in_tiles {
            rows = rows.next_multiple_of(tiles::ROWS);
            tiled = rows;
        }
        [
            rows * dk,
            TILE * dk.max(dv),
            TILE * dk.max(dv),
            rows * TILE,
            tiled * dk,
            tiled * TILE,
            rows,
            rows,
            rows * dv,
        ]
        .map(|n| n.next_multiple_of(16))
    }

    fn of(task: &Task, a: &Attention) -> Scratch {
        let dv = a.v.ne[0];
        let mut at = task
            .work
            .cast::<f32>()
            .wrapping_add(task.ith * a.scratch_floats());
        let [q, tile, keys, scores, queries, weights, max, sum, out] = Scratch::sizes(a).map(|n| {
            let part = at;
            at = at.wrapping_add(n);
            part
        });
        Scratch {
            q,
            tile,
            keys,
            scores,
            tiles: [queries, weights],
            state: State { max, sum, out, dv },
        }
    }
}

/// Which part of the node a piece of work is.
struct Piece {
    seq: usize,
    head_kv: usize,
    /// Query heads and queries.
    heads: std::ops::Range<usize>,
    queries: std::ops::Range<usize>,
    keys: std::ops::Range<usize>,
    chunk: usize,
}

/// What memory is asked for while a piece of few queries is computed.
enum Asking {
    /// Rows a little behind those at work.
    Near,
    /// Values while scores are computed, the next keys while values are added; at the end those of the `next` piece. The piece's
    /// own first keys have been asked for unless it is `fresh`.
    Far { fresh: bool, next: Option<Piece> },
}

/// Computes the node.
pub fn flash_attn_ext(task: &Task, node: Tensor) {
    let Some(a) = Attention::of(node) else {
        return;
    };
    let kernels = Kernels::get();
    let scratch = Scratch::of(task, &a);
    let partials = task
        .work
        .cast::<f32>()
        .wrapping_add(task.nth * a.scratch_floats());
    let [_, n_q, n_head, n_seq] = a.q.ne;
    let (n_kv, n_head_kv) = (a.k.ne[1], a.k.ne[2]);
    let per_key = n_head / n_head_kv;
    let blocks = n_q.div_ceil(a.queries);
    let pieces = n_seq * n_head_kv * a.groups * blocks * a.chunks;
    // Neighbouring heads' keys lie side by side in memory, so their pieces come one after the other. The last queries come
    // first: with a causal mask they see the most keys.
    let places = n_seq * n_head_kv * a.groups;
    let piece = |number: usize| {
        let (place, rest) = (number % places, number / places);
        let (chunk, block) = (rest % a.chunks, blocks - 1 - rest / a.chunks);
        let (group, place) = (place % a.groups, place / a.groups);
        let (head_kv, seq) = (place % n_head_kv, place / n_head_kv);
        let first = head_kv * per_key + group * a.heads;
        Piece {
            seq,
            head_kv,
            heads: first..(first + a.heads).min((head_kv + 1) * per_key),
            queries: block * a.queries..((block + 1) * a.queries).min(n_q),
            keys: chunk * a.chunk..((chunk + 1) * a.chunk).min(n_kv),
            chunk,
        }
    };
    // Pieces of few queries are alike, and a thread goes on with the neighbour of its last one.
    let alike = n_q <= FEW;
    let next = || match alike {
        true => task.claim(pieces),
        false => Some(task.next()).filter(|&number| number < pieces),
    };
    let far = alike && !simd::fetches_in_two_steps();
    // The piece whose first keys this worker has asked for.
    let mut asked = None;
    while let Some(number) = next() {
        let fresh = asked != Some(number);
        asked = (far && number + 1 < pieces).then_some(number + 1);
        let next = asked.map(&piece);
        let asking = match far {
            true => Asking::Far { fresh, next },
            false => Asking::Near,
        };
        let piece = piece(number);
        // SAFETY: the shapes were checked, and the piece is inside them; the scratch memory is this worker's.
        unsafe {
            compute(&a, kernels, &scratch, &piece, &asking);
            if a.chunks == 1 {
                finish(&a, &scratch.state, &piece);
            } else {
                put_partial(&a, &scratch.state, &piece, partials);
            }
        }
    }
    if a.chunks > 1 {
        task.barrier();
        for row in task.share(n_q * n_head * n_seq) {
            // SAFETY: all partial results of the row were written before the barrier; rows are shared out.
            unsafe { combine(&a, row, partials) };
        }
    }
}

/// Brings the state of the piece's rows, head by head and query by query, to what its keys give.
///
/// # Safety
/// The piece is inside the node; the scratch memory is large enough and nobody else's.
unsafe fn compute(
    a: &Attention,
    kernels: &Kernels,
    scratch: &Scratch,
    piece: &Piece,
    asking: &Asking,
) {
    let (dk, dv) = (a.k.ne[0], a.v.ne[0]);
    let n_queries = piece.queries.len();
    let rows = piece.heads.len() * n_queries;
    let kv_seq = |piece: &Piece| piece.seq / (a.q.ne[3] / a.k.ne[3]);
    let ahead = |t: &View, piece: &Piece, first: usize| Ahead {
        rows: t.row([first, piece.head_kv, kv_seq(piece)]),
        stride: t.nb[1],
        bytes: t.info.row_size(t.ne[0]),
    };
    let Scratch {
        q,
        tile,
        keys,
        scores,
        tiles: [queries, weights],
        state,
    } = *scratch;
    let in_tiles = a.in_tiles && rows > FEW_ROWS;
    if let Asking::Far { fresh: true, .. } = asking
        && rows <= FEW_ROWS
    {
        let keys = ahead(&a.k, piece, piece.keys.start);
        (0..TILE.min(piece.keys.len())).for_each(|row| keys.ask(row));
    }
    // SAFETY: see the caller's promise; each step stays inside the sizes of `Scratch::sizes`.
    unsafe {
        // SAFETY: `in_tiles` is only said where the CPU has them.
        let _tiles = in_tiles.then(|| Tiles::new());
        let mut row = 0;
        for head in piece.heads.clone() {
            for query in piece.queries.clone() {
                a.q.convert([query, head, piece.seq], 0, dk, q.add(row * dk));
                if a.k.info.quantized {
                    kernels.round_to_q8_0(dk, q.add(row * dk));
                }
                if in_tiles {
                    tiles::left(dk, q.add(row * dk), row, queries);
                }
                *state.max.add(row) = f32::NEG_INFINITY;
                *state.sum.add(row) = 0.0;
                row += 1;
            }
        }
        std::ptr::write_bytes(state.out, 0, rows * dv);

        for first in piece.keys.clone().step_by(TILE) {
            let mut n = TILE.min(piece.keys.end - first);
            if let Some(mask) = &a.mask
                && mask.info.ty == Type::F16
            {
                // The mask is the same for all heads unless it has several.
                let mut used = 0;
                let several = if mask.ne[2] > 1 {
                    piece.heads.clone()
                } else {
                    0..1
                };
                for head in several {
                    let at = mask_at(mask, piece.queries.start, head, piece.seq, first);
                    used = used.max(kernels.used(n_queries, n, at.cast::<f16>(), mask.nb[1]));
                }
                if used == 0 {
                    continue;
                }
                n = used;
            }
            let at = Tile {
                first,
                n,
                head: piece.head_kv,
                seq: kv_seq(piece),
            };
            if rows <= FEW_ROWS {
                let ahead = match asking {
                    Asking::Near => ahead(&a.k, piece, first + AHEAD),
                    Asking::Far { .. } => ahead(&a.v, piece, first),
                };
                let (ty, k, stride) = direct(kernels, &a.k, &at, tile);
                let kernel = match ty {
                    Type::F16 => Kernels::scores_f16,
                    Type::Bf16 => Kernels::scores_bf16,
                    Type::Q8_0 => Kernels::scores_q8_0,
                    _ => Kernels::scores,
                };
                kernel(kernels, rows, n, dk, q, k, stride, scores, &ahead);
            } else if in_tiles {
                let (k, stride) = (a.k.row([first, at.head, at.seq]), a.k.nb[1]);
                match a.k.info.ty {
                    Type::F16 => tiles::columns::<f16>(n, dk, k, stride, keys),
                    Type::Bf16 => tiles::columns::<bf16>(n, dk, k, stride, keys),
                    _ => {
                        let (k, ldk) = floats(kernels, &a.k, &at, tile);
                        tiles::columns::<f32>(n, dk, k.cast(), 4 * ldk, keys);
                    }
                }
                tiles::product([rows, n, dk], queries, keys, scores, TILE, false);
            } else {
                let (k, ldk) = floats(kernels, &a.k, &at, tile);
                kernels.transpose(n, dk, k, ldk, keys);
                let (columns, stride) = (n.next_multiple_of(8), 4 * TILE);
                let keys = keys.cast::<u8>();
                let none = &Ahead::NONE;
                kernels.gemm(
                    rows, columns, dk, q, dk, keys, stride, scores, TILE, false, none,
                );
            }
            for (i, head) in piece.heads.clone().enumerate() {
                let how = Softening {
                    scale: a.scale,
                    softcap: a.softcap,
                    slope: alibi_slope(a.max_bias, head, a.q.ne[2]),
                    mask: a.mask.as_ref().map_or(std::ptr::null(), |m| {
                        mask_at(m, piece.queries.start, head, piece.seq, first)
                    }),
                    mask_stride: a.mask.as_ref().map_or(0, |m| m.nb[1]),
                    mask_f16: a.mask.as_ref().is_some_and(|m| m.info.ty == Type::F16),
                };
                let at = i * n_queries;
                let state = State {
                    max: state.max.add(at),
                    sum: state.sum.add(at),
                    out: state.out.add(at * dv),
                    dv,
                };
                kernels.soften(n_queries, n, scores.add(at * TILE), &how, &state);
            }
            if in_tiles {
                let (v, ldv) = floats(kernels, &a.v, &at, tile);
                kernels.tiles_of_rows(n, dv, v, ldv, keys);
                let used = n.next_multiple_of(tiles::ROWS);
                for row in 0..rows {
                    let of_row = scores.add(row * TILE);
                    std::ptr::write_bytes(of_row.add(n), 0, used - n);
                    tiles::left(used, of_row, row, weights);
                }
                tiles::product([rows, dv, n], weights, keys, state.out, dv, true);
                continue;
            }
            let (ty, v, stride) = if rows <= FEW_ROWS {
                direct(kernels, &a.v, &at, tile)
            } else {
                let (v, ldv) = floats(kernels, &a.v, &at, tile);
                (Type::F32, v.cast::<u8>(), 4 * ldv)
            };
            let kernel = match ty {
                Type::F16 => Kernels::gemm_f16,
                Type::Bf16 => Kernels::gemm_bf16,
                Type::Q8_0 => Kernels::gemm_q8_0,
                _ => Kernels::gemm,
            };
            let ahead = match asking {
                _ if rows > FEW_ROWS => Ahead::NONE,
                Asking::Near => ahead(&a.v, piece, first + AHEAD),
                _ if first + TILE < piece.keys.end => ahead(&a.k, piece, first + TILE),
                Asking::Far {
                    next: Some(next), ..
                } => ahead(&a.k, next, next.keys.start),
                Asking::Far { next: None, .. } => Ahead::NONE,
            };
            kernel(
                kernels, rows, dv, n, scores, TILE, v, stride, state.out, dv, true, &ahead,
            );
        }
    }
}

/// The mask of a query and key.
fn mask_at(mask: &View, query: usize, head: usize, seq: usize, key: usize) -> *const u8 {
    mask.row([query, head % mask.ne[2], seq % mask.ne[3]])
        .wrapping_add(key * mask.nb[0])
}

/// Some keys (or values) of a head.
struct Tile {
    first: usize,
    n: usize,
    head: usize,
    seq: usize,
}

/// Rows of keys or values as they are, if there are kernels for that type, or as floats; their type, and bytes from one to the
/// next.
///
/// # Safety
/// As for [`floats`].
unsafe fn direct(
    kernels: &Kernels,
    t: &View,
    at: &Tile,
    tile: *mut f32,
) -> (Type, *const u8, usize) {
    match t.info.ty {
        ty @ (Type::F16 | Type::Bf16 | Type::Q8_0) => {
            (ty, t.row([at.first, at.head, at.seq]), t.nb[1])
        }
        _ => {
            // SAFETY: the caller's promise.
            let (rows, ld) = unsafe { floats(kernels, t, at, tile) };
            (Type::F32, rows.cast(), 4 * ld)
        }
    }
}

/// Rows of keys or values as floats, in place or converted into `tile`, and their stride.
///
/// # Safety
/// The rows are inside the tensor, and `tile` has room for them.
unsafe fn floats(kernels: &Kernels, t: &View, at: &Tile, tile: *mut f32) -> (*const f32, usize) {
    let Tile {
        first,
        n,
        head,
        seq,
    } = *at;
    if t.is_f32_rows() && t.nb[1].is_multiple_of(4) {
        return (t.row([first, head, seq]).cast(), t.nb[1] / 4);
    }
    let d = t.ne[0];
    let (rows, stride) = (t.row([first, head, seq]), t.nb[1]);
    let quick = match t.info.ty {
        Type::F16 => {
            Some(Kernels::rows_f16 as unsafe fn(&Kernels, usize, usize, *const u8, usize, *mut f32))
        }
        Type::Bf16 => Some(Kernels::rows_bf16 as _),
        Type::Q8_0 => Some(Kernels::rows_q8_0 as _),
        _ => None,
    };
    if let Some(quick) = quick {
        // SAFETY: the caller's promise.
        unsafe { quick(kernels, n, d, rows, stride, tile) };
        return (tile, d);
    }
    for r in 0..n {
        // SAFETY: the caller's promise.
        unsafe { t.convert([first + r, head, seq], 0, d, tile.add(r * d)) };
    }
    (tile, d)
}

/// The factor of the weighted sum that makes it the result, given the greatest score and the sum of weights of a row of a
/// head; 0 if the row sees nothing.
///
/// # Safety
/// There is a sink for each head, if there are sinks.
unsafe fn normalizer(a: &Attention, head: usize, max: f32, sum: f32) -> f32 {
    if let Some(sinks) = a.sinks {
        // SAFETY: the caller's promise.
        let sink = unsafe { *sinks.add(head) };
        let top = max.max(sink);
        let shrink = if max == f32::NEG_INFINITY {
            0.0
        } else {
            (max - top).exp()
        };
        return shrink / (sum * shrink + (sink - top).exp());
    }
    if sum > 0.0 { 1.0 / sum } else { 0.0 }
}

/// Writes the results of a piece that saw all keys.
///
/// # Safety
/// The state is that of the piece's rows.
unsafe fn finish(a: &Attention, state: &State, piece: &Piece) {
    let mut row = 0;
    for head in piece.heads.clone() {
        for query in piece.queries.clone() {
            // SAFETY: the row is the piece's, and inside the node.
            unsafe {
                let factor = normalizer(a, head, *state.max.add(row), *state.sum.add(row));
                let from = std::slice::from_raw_parts(state.out.add(row * state.dv), state.dv);
                let to = a.out.row([head, query, piece.seq]).cast::<f32>();
                let to = std::slice::from_raw_parts_mut(to, state.dv);
                for (y, x) in to.iter_mut().zip(from) {
                    *y = x * factor;
                }
            }
            row += 1;
        }
    }
}

/// Where the result of a row in a chunk is kept: the weighted sum, the greatest score, the sum of weights.
fn partial(a: &Attention, row: usize, chunk: usize, partials: *mut f32) -> *mut f32 {
    partials.wrapping_add((row * a.chunks + chunk) * a.partial_floats())
}

/// # Safety
/// The state is that of the piece's rows.
unsafe fn put_partial(a: &Attention, state: &State, piece: &Piece, partials: *mut f32) {
    let mut row = 0;
    for head in piece.heads.clone() {
        for query in piece.queries.clone() {
            let number = (piece.seq * a.q.ne[2] + head) * a.q.ne[1] + query;
            let to = partial(a, number, piece.chunk, partials);
            // SAFETY: the place is this row's and chunk's.
            unsafe {
                std::ptr::copy_nonoverlapping(state.out.add(row * state.dv), to, state.dv);
                *to.add(state.dv) = *state.max.add(row);
                *to.add(state.dv + 1) = *state.sum.add(row);
            }
            row += 1;
        }
    }
}

/// Combines the results of all chunks of a row and writes it.
///
/// # Safety
/// They are there, and nobody else writes the row.
unsafe fn combine(a: &Attention, row: usize, partials: *mut f32) {
    let dv = a.v.ne[0];
    let (query, rest) = (row % a.q.ne[1], row / a.q.ne[1]);
    let (head, seq) = (rest % a.q.ne[2], rest / a.q.ne[2]);
    // SAFETY: the caller's promise.
    unsafe {
        let parts = |chunk: usize| {
            let at = partial(a, row, chunk, partials);
            (at, *at.add(dv), *at.add(dv + 1))
        };
        let max = (0..a.chunks)
            .map(|c| parts(c).1)
            .fold(f32::NEG_INFINITY, f32::max);
        let to = a.out.row([head, query, seq]).cast::<f32>();
        let to = std::slice::from_raw_parts_mut(to, dv);
        to.fill(0.0);
        let mut total = 0.0;
        for chunk in 0..a.chunks {
            let (from, part_max, sum) = parts(chunk);
            if part_max == f32::NEG_INFINITY {
                continue;
            }
            let shrink = (part_max - max).exp();
            total += sum * shrink;
            let from = std::slice::from_raw_parts(from, dv);
            for (y, x) in to.iter_mut().zip(from) {
                *y += x * shrink;
            }
        }
        let factor = normalizer(a, head, max, total);
        to.iter_mut().for_each(|y| *y *= factor);
    }
}
