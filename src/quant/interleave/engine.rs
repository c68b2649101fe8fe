//! Packing, unpacking and decoding of interleaved rows, from a list of where each bit goes.

use std::sync::OnceLock;

use crate::quant::{Type, TypeInfo};

/// An interleaved type.
pub struct Interleaved {
    pub ty: Type,
    /// Rows in a group.
    pub rows: usize,
    /// The rows as they are when taken apart. Its `ty` is `ty` if there is no plain type with such rows.
    pub plain: TypeInfo,
    /// Plain blocks of a row that are permuted together with those of the group's other rows.
    unit: usize,
    layout: fn(&mut Layout),
    /// Changes the plain blocks of a unit to what is stored interleaved (`true`), or back.
    fix: Option<fn(&mut [u8], bool)>,
    /// For as many units as make [`RUN`] values of a row, and for one.
    plans: OnceLock<[Plans; 2]>,
}

/// Values of a row that are permuted at once if there are so many, and the most bytes of a row's part of that.
const RUN: usize = 256;
const MAX_RUN: usize = 288;
/// Bytes of the largest unit of a group, with the gaps between rows.
const MAX_UNIT: usize = 16 * (MAX_RUN + 8);
/// Bytes from which [`Plan`]s read: a power of two, so that places need no checks.
const SPAN: usize = 8192;
/// These bytes, and those of a word that begins at the last.
type Span = [u8; SPAN + 4];
/// Bytes of the largest plain unit with metadata in front.
const MAX_ROW_UNIT: usize = 320;

impl Interleaved {
    pub const fn new(
        ty: Type,
        plain: TypeInfo,
        rows: usize,
        unit: usize,
        layout: fn(&mut Layout),
        fix: Option<fn(&mut [u8], bool)>,
    ) -> Interleaved {
        assert!(plain.row_meta + unit * plain.block_bytes <= MAX_ROW_UNIT);
        assert!((rows * unit * plain.block_bytes).is_multiple_of(4));
        assert!(unit * plain.block_bytes <= MAX_RUN && rows * (MAX_RUN + 8) <= MAX_UNIT);
        Interleaved {
            ty,
            rows,
            plain,
            unit,
            layout,
            fix,
            plans: OnceLock::new(),
        }
    }

    /// Values of a row that are permuted together: rows hold multiples of so many.
    pub const fn width(&self) -> usize {
        self.unit * self.plain.block
    }

    /// Bytes of a row's part of a unit.
    const fn bytes(&self) -> usize {
        self.unit * self.plain.block_bytes
    }

    /// Units of a run, a power of two.
    const fn run(&self) -> usize {
        let mut n = RUN.div_ceil(self.width());
        while n > 1 && n * self.bytes() > MAX_RUN {
            n /= 2;
        }
        n
    }

    fn plans(&self) -> &[Plans; 2] {
        self.plans.get_or_init(|| {
            let mut layout = Layout {
                rows: self.rows,
                moves: Vec::new(),
            };
            (self.layout)(&mut layout);
            [self.run(), 1].map(|n| Plans::new(&layout.moves, self.rows, self.bytes(), n))
        })
    }

    /// Cuts `n` units into runs and, at the end, single units: the plans for each piece, and its first unit.
    fn pieces(&self, n: usize) -> impl Iterator<Item = (&Plans, usize)> {
        let [run, one] = self.plans();
        let whole = n / self.run() * self.run();
        let runs = (0..whole).step_by(self.run()).map(move |u| (run, u));
        runs.chain((whole..n).map(move |u| (one, u)))
    }

    /// Changes the blocks of a piece of a row.
    fn fix(&self, blocks: &mut [u8], pack: bool) {
        if let Some(fix) = self.fix {
            for unit in blocks.chunks_exact_mut(self.bytes()) {
                fix(unit, pack);
            }
        }
    }

    /// Interleaves a group of plain rows, which lie one after the other in `plain`.
    pub fn pack(&self, plain: &[u8], packed: &mut [u8]) {
        let (bytes, meta) = (self.bytes(), self.plain.row_meta);
        let row = plain.len() / self.rows;
        let (metas, packed) = packed.split_at_mut(self.rows * meta);
        for (to, row) in metas
            .chunks_exact_mut(meta.max(1))
            .zip(plain.chunks_exact(row.max(1)))
        {
            to.copy_from_slice(&row[..meta]);
        }
        let mut gathered: Span = [0; SPAN + 4];
        for (plans, u) in self.pieces(row.saturating_sub(meta) / bytes) {
            for (to, row) in gathered
                .chunks_exact_mut(plans.stride)
                .zip(plain.chunks_exact(row))
            {
                let to = &mut to[plans.offset..][..plans.bytes];
                to.copy_from_slice(&row[meta + u * bytes..][..plans.bytes]);
                self.fix(to, true);
            }
            let to = &mut packed[u * self.rows * bytes..][..self.rows * plans.bytes];
            plans.pack.apply(&gathered, to);
        }
    }

    /// Takes a group apart into plain rows.
    pub fn unpack(&self, packed: &[u8], plain: &mut [u8]) {
        let (bytes, meta) = (self.bytes(), self.plain.row_meta);
        let row = plain.len() / self.rows;
        let (metas, packed) = packed.split_at(self.rows * meta);
        for (from, row) in metas
            .chunks_exact(meta.max(1))
            .zip(plain.chunks_exact_mut(row.max(1)))
        {
            row[..meta].copy_from_slice(from);
        }
        let mut span: Span = [0; SPAN + 4];
        let mut gathered = [0; MAX_UNIT];
        for (plans, u) in self.pieces(row.saturating_sub(meta) / bytes) {
            let from = &packed[u * self.rows * bytes..][..self.rows * plans.bytes];
            plans.unpack(from, &mut span, &mut gathered);
            for (from, row) in gathered
                .chunks_exact(plans.stride)
                .zip(plain.chunks_exact_mut(row))
            {
                let to = &mut row[meta + u * bytes..][..plans.bytes];
                to.copy_from_slice(&from[plans.offset..][..plans.bytes]);
                self.fix(to, false);
            }
        }
    }

    /// Takes a group apart, in new memory.
    fn unpacked(&self, packed: &[u8]) -> Vec<u8> {
        let mut plain = vec![0; packed.len()];
        self.unpack(packed, &mut plain);
        plain
    }

    /// Decodes a group of rows; `out` has the values of all of them, row after row.
    pub fn decode(&self, packed: &[u8], out: &mut [f32]) {
        let (row, n) = (packed.len() / self.rows, out.len() / self.rows);
        let plain = self.unpacked(packed);
        for (row, out) in plain
            .chunks_exact(row.max(1))
            .zip(out.chunks_exact_mut(n.max(1)))
        {
            (self.plain.decode)(row, out);
        }
    }

    /// Decodes values `from..` of row `r` of a group; `from` and the number of values are multiples of [`Interleaved::width`].
    pub fn decode_row(&self, packed: &[u8], r: usize, from: usize, out: &mut [f32]) {
        let (bytes, meta) = (self.bytes(), self.plain.row_meta);
        let [_, plans] = self.plans();
        let (metas, packed) = packed.split_at(self.rows * meta);
        let mut span: Span = [0; SPAN + 4];
        let mut gathered = [0; MAX_UNIT];
        let mut row = [0; MAX_ROW_UNIT];
        let row = &mut row[..meta + bytes];
        row[..meta].copy_from_slice(&metas[r * meta..][..meta]);
        let units = packed
            .chunks_exact(self.rows * bytes)
            .skip(from / self.width());
        for (packed, out) in units.zip(out.chunks_exact_mut(self.width())) {
            plans.unpack(packed, &mut span, &mut gathered);
            let blocks = &mut row[meta..];
            blocks.copy_from_slice(&gathered[r * plans.stride + plans.offset..][..bytes]);
            self.fix(blocks, false);
            (self.plain.decode)(row, out);
        }
    }

    /// Encodes a group of rows, row after row in `values`, with weights for the columns: each row as the plain type does it.
    pub fn encode(&self, values: &[f32], weights: Option<&[f32]>, packed: &mut [u8]) {
        let Some(encode) = self.plain.encode else {
            return packed.fill(0);
        };
        self.encode_by(values, packed, |row, out| encode(row, weights, out));
    }

    /// As [`Interleaved::encode`], quickly.
    pub fn encode_fast(&self, values: &[f32], packed: &mut [u8]) {
        let Some(encode) = self.plain.encode_fast else {
            return packed.fill(0);
        };
        self.encode_by(values, packed, encode);
    }

    fn encode_by(&self, values: &[f32], packed: &mut [u8], encode: impl Fn(&[f32], &mut [u8])) {
        let (row, n) = (packed.len() / self.rows, values.len() / self.rows);
        let mut plain = vec![0; packed.len()];
        for (values, out) in values
            .chunks_exact(n.max(1))
            .zip(plain.chunks_exact_mut(row.max(1)))
        {
            encode(values, out);
        }
        self.pack(&plain, packed);
    }

    /// Whether every scale of the group is finite.
    pub fn valid(&self, packed: &[u8]) -> bool {
        let row = packed.len() / self.rows;
        let plain = self.unpacked(packed);
        plain.chunks_exact(row.max(1)).all(self.plain.valid)
    }
}

/// Both directions, for some units. Taken apart, a row's part is `offset` bytes from a multiple of `stride`: so placed that most
/// fields begin at words.
struct Plans {
    /// Bytes of a row's part.
    bytes: usize,
    stride: usize,
    offset: usize,
    pack: Plan,
    unpack: Plan,
}

impl Plans {
    /// For `units` units, of which each has `unit` bytes of a row.
    fn new(moves: &[Move], rows: usize, unit: usize, units: usize) -> Plans {
        let bytes = unit * units;
        let placed = |offset: usize| {
            let stride = (bytes + offset).next_multiple_of(4);
            // From a bit interleaved to a bit taken apart.
            let pairs = (0..units).flat_map(move |u| {
                moves.iter().flat_map(move |m| {
                    let plain = 8 * (m.row * stride + offset + u * unit) + m.plain;
                    let packed = 8 * u * rows * unit + m.packed;
                    (0..m.bits).map(move |b| (packed + b, plain + b))
                })
            });
            let unpack = Plan::new(pairs.clone(), rows * bytes, rows * stride);
            (stride, offset, pairs, unpack)
        };
        let (stride, offset, pairs, unpack) = (0..4)
            .map(placed)
            .min_by_key(|(_, _, _, plan)| plan.cost())
            .expect("there are four offsets");
        let swapped = pairs.map(|(packed, plain)| (plain, packed));
        Plans {
            bytes,
            stride,
            offset,
            pack: Plan::new(swapped, rows * stride, rows * bytes),
            unpack,
        }
    }
}

impl Plans {
    /// Takes `packed` apart to the beginning of `gathered`.
    #[inline(always)]
    fn unpack(&self, packed: &[u8], span: &mut Span, gathered: &mut [u8; MAX_UNIT]) {
        span[..packed.len()].copy_from_slice(packed);
        let rows = packed.len() / self.bytes;
        self.unpack.apply(span, &mut gathered[..rows * self.stride]);
    }
}

/// Moves the bits of some bytes to other places, word by word: a word of the result is an OR of words from anywhere (from any
/// byte), turned and masked.
struct Plan {
    /// Each has a source for every word of the result.
    dense: Vec<Vec<Source>>,
    /// Further sources, and the words they go to.
    sparse: Vec<(u32, Source)>,
}

/// The word at byte `at`, turned left by `turn` bits: the bits in `mask`.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    at: u16,
    turn: u16,
    mask: u32,
}

impl Source {
    #[inline(always)]
    fn get(self, from: &Span) -> u32 {
        let at = usize::from(self.at) % SPAN;
        let word = u32::from_le_bytes([from[at], from[at + 1], from[at + 2], from[at + 3]]);
        word.rotate_left(u32::from(self.turn)) & self.mask
    }
}

impl Plan {
    /// For moves of bits (`from`, `to`) between `from_bytes` and `to_bytes` bytes.
    fn new(bits: impl Iterator<Item = (usize, usize)>, from_bytes: usize, to_bytes: usize) -> Plan {
        let mut words: Vec<Vec<Source>> = vec![Vec::new(); to_bytes / 4];
        for (from, to) in bits {
            let (word, bit) = (to / 32, to % 32);
            // The word from which this bit's neighbours come too, if they keep their distance.
            let at = (from / 8)
                .saturating_sub(bit / 8)
                .min(from_bytes.saturating_sub(4)) as u16;
            let turn = (32 + bit - (from - 8 * usize::from(at))) as u16 % 32;
            let sources = &mut words[word];
            match sources.iter_mut().find(|s| (s.at, s.turn) == (at, turn)) {
                Some(source) => source.mask |= 1 << bit,
                None => sources.push(Source {
                    at,
                    turn,
                    mask: 1 << bit,
                }),
            }
        }
        // A layer is worth its idle words if more than half have a source in it.
        let n_dense = (0..)
            .take_while(|&i| 2 * words.iter().filter(|w| w.len() > i).count() > words.len())
            .count()
            .max(1);
        let nth = |w: &Vec<Source>, i: usize| w.get(i).copied().unwrap_or_default();
        Plan {
            dense: (0..n_dense)
                .map(|i| words.iter().map(|w| nth(w, i)).collect())
                .collect(),
            sparse: words
                .iter()
                .enumerate()
                .flat_map(|(k, w)| w.iter().skip(n_dense).map(move |s| (k as u32, *s)))
                .collect(),
        }
    }

    /// Words looked at per unit.
    fn cost(&self) -> usize {
        self.dense.iter().map(Vec::len).sum::<usize>() + 2 * self.sparse.len()
    }

    /// Fills `to` with the bits of `from`.
    fn apply(&self, from: &Span, to: &mut [u8]) {
        let to = to.as_chunks_mut::<4>().0;
        match &*self.dense {
            [a] => {
                for (to, a) in to.iter_mut().zip(a) {
                    *to = a.get(from).to_le_bytes();
                }
            }
            [a, b, more @ ..] => {
                for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
                    *to = (a.get(from) | b.get(from)).to_le_bytes();
                }
                for layer in more {
                    for (to, s) in to.iter_mut().zip(layer) {
                        *to = (u32::from_le_bytes(*to) | s.get(from)).to_le_bytes();
                    }
                }
            }
            [] => {}
        }
        for (word, source) in &self.sparse {
            if let Some(to) = to.get_mut(*word as usize) {
                *to = (u32::from_le_bytes(*to) | source.get(from)).to_le_bytes();
            }
        }
    }
}

/// `bits` bits from bit `plain` of a row's part of a unit go to bit `packed` of the group's.
struct Move {
    row: usize,
    plain: usize,
    packed: usize,
    bits: usize,
}

/// Collects where fields go. Positions of fields are given as (byte, bit).
pub struct Layout {
    rows: usize,
    moves: Vec<Move>,
}

/// A byte, and a bit in it.
pub type At = (usize, usize);

impl Layout {
    /// A field that each row has once for every `i` of `0..n`: `bits` wide, at `plain(i)` of its block and at
    /// `packed(row, i)` of the group's.
    pub fn field(
        &mut self,
        n: usize,
        bits: usize,
        plain: impl Fn(usize) -> At,
        packed: impl Fn(usize, usize) -> At,
    ) {
        for row in 0..self.rows {
            for i in 0..n {
                let at = |(byte, bit): At| 8 * byte + bit;
                self.moves.push(Move {
                    row,
                    plain: at(plain(i)),
                    packed: at(packed(row, i)),
                    bits,
                });
            }
        }
    }

    /// `n` consecutive bytes of a block from `plain` on; byte `i` of row `r` goes to `packed + to(r, i)`.
    pub fn bytes(
        &mut self,
        n: usize,
        plain: usize,
        packed: usize,
        to: impl Fn(usize, usize) -> usize,
    ) {
        self.field(n, 8, |i| (plain + i, 0), |r, i| (packed + to(r, i), 0));
    }

    /// The f16 scale of each row at `plain`, together from `packed` on.
    pub fn scale(&mut self, plain: usize, packed: usize) {
        self.bytes(2, plain, packed, |r, i| 2 * r + i);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::TYPES;
    use proptest::prelude::*;

    fn all() -> impl Iterator<Item = &'static Interleaved> {
        TYPES.iter().filter_map(|info| (info.interleaved)())
    }

    #[test]
    fn every_bit_of_every_type_has_one_place() {
        for i in all() {
            let bytes = i.bytes();
            let mut layout = Layout {
                rows: i.rows,
                moves: Vec::new(),
            };
            (i.layout)(&mut layout);
            let (mut from, mut to) = (vec![0; 8 * bytes * i.rows], vec![0; 8 * bytes * i.rows]);
            for m in &layout.moves {
                for bit in 0..m.bits {
                    from[8 * bytes * m.row + m.plain + bit] += 1;
                    to[m.packed + bit] += 1;
                }
            }
            assert!(from.iter().chain(&to).all(|&n| n == 1), "{:?}", i.ty);
        }
    }

    proptest! {
        #[test]
        fn unpacking_undoes_packing(seed: u64) {
            let mut state = seed | 1;
            for i in all() {
                let n = RUN.max(i.width()) + 3 * i.width();
                let row = i.plain.row_size(n);
                let plain: Vec<u8> = (0..i.rows * row).map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    (state >> 56) as u8
                }).collect();
                let (mut packed, mut back) = (vec![0; plain.len()], vec![0; plain.len()]);
                i.pack(&plain, &mut packed);
                i.unpack(&packed, &mut back);
                prop_assert_eq!(&back, &plain, "{:?}", i.ty);
                let (mut whole, mut one) = (vec![0.0; i.rows * n], vec![0.0; 2 * i.width()]);
                i.decode(&packed, &mut whole);
                let r = state as usize % i.rows;
                i.decode_row(&packed, r, i.width(), &mut one);
                for (a, b) in one.iter().zip(&whole[r * n + i.width()..]) {
                    prop_assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(), "{:?}", i.ty);
                }
            }
        }
    }
}
