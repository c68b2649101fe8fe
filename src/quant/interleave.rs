//! Row-interleaved types (`_r4`, `_r8`, `_r16`): blocks of several rows in one, so that a kernel loads what it needs of all
//! of them together. Such a type is a plain type with its bits in another order, so that is all this file says of it: where
//! each field of a plain block goes. Packing, unpacking and decoding follow from that.
//!
//! In these types the unit is a *group*: as many rows as the type interleaves. A group of rows takes as many bytes as its
//! plain rows; metadata in front of the rows (a float each) come first, then the blocks.

use std::sync::OnceLock;

use super::Type;

/// An interleaved type.
pub struct Interleaved {
    pub ty: Type,
    pub plain: Type,
    /// Rows in a group.
    pub rows: usize,
    layout: fn(&mut Layout),
    permutation: OnceLock<Permutation>,
}

impl Interleaved {
    const fn new(ty: Type, plain: Type, rows: usize, layout: fn(&mut Layout)) -> Interleaved {
        Interleaved {
            ty,
            plain,
            rows,
            layout,
            permutation: OnceLock::new(),
        }
    }

    /// Bytes of a plain block, and of the metadata in front of a plain row.
    fn sizes(&self) -> Option<(usize, usize)> {
        self.plain
            .info()
            .map(|info| (info.block_bytes, info.row_meta))
    }

    fn permutation(&self, block_bytes: usize) -> &Permutation {
        self.permutation.get_or_init(|| {
            let mut layout = Layout {
                rows: self.rows,
                moves: Vec::new(),
            };
            (self.layout)(&mut layout);
            Permutation::new(&layout.moves, block_bytes)
        })
    }

    /// Interleaves a group of plain rows, which lie one after the other in `plain`.
    pub fn pack(&self, plain: &[u8], out: &mut [u8]) {
        self.convert(plain, out, true);
    }

    /// Takes a group apart into plain rows.
    pub fn unpack(&self, packed: &[u8], out: &mut [u8]) {
        self.convert(packed, out, false);
    }

    fn convert(&self, from: &[u8], to: &mut [u8], pack: bool) {
        let Some((bytes, meta)) = self.sizes() else {
            return;
        };
        let row = from.len() / self.rows;
        let n_blocks = (row - meta) / bytes;
        let permutation = self.permutation(bytes);
        let mut flipped = [0; MAX_GROUP_BLOCK];
        let group = bytes * self.rows;
        let packed_at = |b: usize| self.rows * meta + b * group;
        for r in 0..self.rows {
            let (packed, plain) = (r * meta, r * row);
            let (src, dst) = if pack {
                (plain, packed)
            } else {
                (packed, plain)
            };
            to[dst..dst + meta].copy_from_slice(&from[src..src + meta]);
        }
        for b in 0..n_blocks {
            let plain_at = |r: usize| r * row + meta + b * bytes;
            if pack {
                let gathered = &mut flipped[..group];
                for (r, block) in gathered.chunks_exact_mut(bytes).enumerate() {
                    block.copy_from_slice(&from[plain_at(r)..][..bytes]);
                    flip_signs(self.plain, block, true);
                }
                permutation.pack(gathered, &mut to[packed_at(b)..][..group]);
            } else {
                let gathered = &mut flipped[..group];
                permutation.unpack(&from[packed_at(b)..][..group], gathered);
                for (r, block) in gathered.chunks_exact_mut(bytes).enumerate() {
                    flip_signs(self.plain, block, false);
                    to[plain_at(r)..][..bytes].copy_from_slice(block);
                }
            }
        }
    }

    /// Decodes a group of rows; `out` has the values of all of them, row after row.
    pub fn decode(&self, packed: &[u8], out: &mut [f32]) {
        let Some(plain) = self.plain.info() else {
            return;
        };
        let mut rows = vec![0; packed.len()];
        self.unpack(packed, &mut rows);
        let row = packed.len() / self.rows;
        let n = out.len() / self.rows;
        for (row, out) in rows.chunks_exact(row).zip(out.chunks_exact_mut(n)) {
            (plain.decode)(row, out);
        }
    }
}

/// Bytes of the largest block of a group.
const MAX_GROUP_BLOCK: usize = 8 * 136;

/// The interleaved type with this number, if it is one.
pub fn interleaved(ty: Type) -> Option<&'static Interleaved> {
    TABLE.iter().find(|i| i.ty == ty)
}

/// The interleaved form of a plain type, if it has one.
pub fn interleaved_form(plain: Type) -> Option<&'static Interleaved> {
    TABLE.iter().find(|i| i.plain == plain)
}

static TABLE: [Interleaved; 23] = [
    Interleaved::new(Type::Q4_0_r8, Type::Q4_0, 8, q4_0),
    Interleaved::new(Type::Q5_0_r4, Type::Q5_0, 4, q5_0),
    Interleaved::new(Type::Q6_0_r4, Type::Q6_0, 4, q6_0),
    Interleaved::new(Type::Q8_0_r8, Type::Q8_0, 8, q8_0),
    Interleaved::new(Type::Iq4_nl_r4, Type::Iq4_nl, 4, iq4_nl),
    Interleaved::new(Type::Q2_k_r4, Type::Q2_k, 4, q2_k),
    Interleaved::new(Type::Q3_k_r4, Type::Q3_k, 4, q3_k),
    Interleaved::new(Type::Q4_k_r4, Type::Q4_k, 4, q4_k),
    Interleaved::new(Type::Q5_k_r4, Type::Q5_k, 4, q5_k),
    Interleaved::new(Type::Q6_k_r4, Type::Q6_k, 4, q6_k),
    Interleaved::new(Type::Iq4_xs_r8, Type::Iq4_xs, 8, iq4_xs),
    Interleaved::new(Type::Iq4_ks_r4, Type::Iq4_ks, 4, iq4_ks),
    Interleaved::new(Type::Iq5_ks_r4, Type::Iq5_ks, 4, iq5_ks),
    Interleaved::new(Type::Iq2_k_r4, Type::Iq2_k, 4, iq2_k),
    Interleaved::new(Type::Iq3_k_r4, Type::Iq3_k, 4, iq3_k),
    Interleaved::new(Type::Iq4_k_r4, Type::Iq4_k, 4, iq4_k),
    Interleaved::new(Type::Iq5_k_r4, Type::Iq5_k, 4, iq5_k),
    Interleaved::new(Type::Iq2_xxs_r4, Type::Iq2_xxs, 4, iq2_xxs),
    Interleaved::new(Type::Iq2_xs_r4, Type::Iq2_xs, 4, iq2_xs),
    Interleaved::new(Type::Iq2_s_r4, Type::Iq2_s, 4, iq2_s),
    Interleaved::new(Type::Iq3_xxs_r4, Type::Iq3_xxs, 4, iq3_xxs),
    Interleaved::new(Type::Iq3_s_r4, Type::Iq3_s, 4, iq3_s),
    Interleaved::new(Type::Iq2_bn_r4, Type::Iq2_bn, 4, iq2_bn),
];

/// Moves the bits of some bytes to other places: a list of what goes where, byte by byte.
struct Permutation {
    steps: Vec<Step>,
}

/// The bits `mask` of byte `plain` of the gathered plain blocks are those of `packed`, `shift` further left.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    plain: u16,
    packed: u16,
    mask: u8,
    shift: i8,
}

impl Permutation {
    /// Joins moves of bits that stay together in their bytes.
    fn new(moves: &[Move], block_bytes: usize) -> Permutation {
        let mut steps: Vec<Step> = Vec::new();
        let mut last: std::collections::HashMap<(u16, u16, i8), usize> = Default::default();
        for m in moves {
            for bit in 0..m.bits {
                let (plain, packed) = (m.plain + bit, m.packed + bit);
                let step = Step {
                    plain: (m.row * block_bytes + plain / 8) as u16,
                    packed: (packed / 8) as u16,
                    mask: 1 << (plain % 8),
                    shift: (packed % 8) as i8 - (plain % 8) as i8,
                };
                let at = *last
                    .entry((step.plain, step.packed, step.shift))
                    .or_insert_with(|| {
                        steps.push(Step { mask: 0, ..step });
                        steps.len() - 1
                    });
                steps[at].mask |= step.mask;
            }
        }
        steps.sort_by_key(|s| s.packed);
        Permutation { steps }
    }

    fn pack(&self, plain: &[u8], packed: &mut [u8]) {
        packed.fill(0);
        for s in &self.steps {
            packed[s.packed as usize] |= shifted(plain[s.plain as usize] & s.mask, s.shift);
        }
    }

    fn unpack(&self, packed: &[u8], plain: &mut [u8]) {
        plain.fill(0);
        for s in &self.steps {
            plain[s.plain as usize] |= shifted(packed[s.packed as usize], -s.shift) & s.mask;
        }
    }
}

fn shifted(bits: u8, by: i8) -> u8 {
    if by >= 0 { bits << by } else { bits >> -by }
}

/// `bits` bits from bit `plain` of a row's block go to bit `packed` of the group's.
struct Move {
    row: usize,
    plain: usize,
    packed: usize,
    bits: usize,
}

/// Collects where fields go. Positions of fields are given as (byte, bit).
struct Layout {
    rows: usize,
    moves: Vec<Move>,
}

type At = (usize, usize);

impl Layout {
    /// A field that each row has once for every `i` of `0..n`: `bits` wide, at `plain(i)` of its block and at
    /// `packed(row, i)` of the group's.
    fn field(
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
    fn bytes(&mut self, n: usize, plain: usize, packed: usize, to: impl Fn(usize, usize) -> usize) {
        self.field(n, 8, |i| (plain + i, 0), |r, i| (packed + to(r, i), 0));
    }

    /// The f16 scale of each row at `plain`, together from `packed` on.
    fn scale(&mut self, plain: usize, packed: usize) {
        self.bytes(2, plain, packed, |r, i| 2 * r + i);
    }
}

// Where values are in plain blocks. `i` counts values, `base` is where the field begins.

/// 4 bits, values `j` and `j + 16` of 32 in a byte.
fn nibble_of_32(base: usize) -> impl Fn(usize) -> At {
    move |i| (base + 16 * (i / 32) + i % 16, 4 * (i / 16 % 2))
}
/// 4 bits, values `j` and `j + 32` of 64 in a byte.
fn nibble_of_64(base: usize) -> impl Fn(usize) -> At {
    move |i| (base + 32 * (i / 64) + i % 32, 4 * (i / 32 % 2))
}
/// 2 bits, values `j`, `j + 32`, `j + 64`, `j + 96` of 128 in a byte.
fn pair_of_128(base: usize) -> impl Fn(usize) -> At {
    move |i| (base + 32 * (i / 128) + i % 32, 2 * (i / 32 % 4))
}
/// 1 bit, values `j + 32 b` of 256 in a byte.
fn bit_of_256(base: usize) -> impl Fn(usize) -> At {
    move |i| (base + i % 32, i / 32)
}

// Where values are in groups of four rows. Four values of a row are four bytes, then come those of the next row.

/// 4 bits: of 32 values 8 apart share a byte.
fn packed_nibble(base: usize) -> impl Fn(usize, usize) -> At {
    move |r, i| {
        let (block, j) = (i / 32, i % 32);
        (
            base + 64 * block + 16 * (2 * (j / 4 % 2) + j / 16) + 4 * r + j % 4,
            4 * (j / 8 % 2),
        )
    }
}
/// 2 bits: of 16 values 4 apart share a byte.
fn packed_pair(base: usize) -> impl Fn(usize, usize) -> At {
    move |r, i| (base + 16 * (i / 16) + 4 * r + i % 4, 2 * (i / 4 % 4))
}
/// 1 bit: of 32 values those 4 apart share a byte, at the place that `order` gives to `j / 4`.
fn packed_bit(base: usize, order: fn(usize) -> usize) -> impl Fn(usize, usize) -> At {
    move |r, i| (base + 16 * (i / 32) + 4 * r + i % 4, order(i % 32 / 4))
}
/// 4-bit scales: `bytes` of them, low nibbles first.
fn packed_scale(base: usize, bytes: usize, bits: usize) -> impl Fn(usize, usize) -> At {
    move |r, s| {
        let i = 4 * s + r;
        (base + i % bytes, bits * (i / bytes))
    }
}

fn iq4_nl(l: &mut Layout) {
    l.scale(0, 0);
    l.field(32, 4, nibble_of_32(2), packed_nibble(8));
}

fn q4_0(l: &mut Layout) {
    l.scale(0, 0);
    l.bytes(16, 2, 16, |r, i| 32 * (i / 4) + 4 * r + i % 4);
}

fn q8_0(l: &mut Layout) {
    l.scale(0, 0);
    l.bytes(32, 2, 16, |r, i| 32 * (i / 4) + 4 * r + i % 4);
}

fn q5_0(l: &mut Layout) {
    l.scale(0, 0);
    l.field(
        32,
        1,
        |i| (2 + i / 8, i % 8),
        |r, i| {
            (
                8 + 4 * r + i % 4,
                2 * (i / 4 % 2) + i / 16 + 4 * (i / 8 % 2),
            )
        },
    );
    l.field(32, 4, nibble_of_32(6), packed_nibble(24));
}

fn q6_0(l: &mut Layout) {
    l.scale(0, 0);
    l.field(
        32,
        2,
        |i| (2 + i % 8, 4 * (i / 8 % 2) + 2 * (i / 16)),
        |r, i| {
            (
                8 + 16 * (i / 16) + 4 * r + i % 4,
                2 * (i / 4 % 2) + 4 * (i / 8 % 2),
            )
        },
    );
    l.field(32, 4, nibble_of_32(10), packed_nibble(40));
}

fn q2_k(l: &mut Layout) {
    l.scale(80, 0);
    l.scale(82, 8);
    l.bytes(16, 0, 16, |r, i| 4 * i + r);
    l.field(256, 2, pair_of_128(16), packed_pair(80));
}

fn q3_k(l: &mut Layout) {
    l.scale(108, 0);
    let low = |s: usize| (96 + s % 8, 4 * (s / 8));
    let high = |s: usize| (104 + s % 4, 2 * (s / 4));
    l.field(16, 2, high, packed_scale(8, 16, 2));
    l.field(16, 4, low, packed_scale(24, 32, 4));
    l.field(256, 1, bit_of_256(0), packed_bit(56, |q| q));
    l.field(256, 2, pair_of_128(32), packed_pair(184));
}

/// Scales and mins of `q4_K` and `q5_K`: six bits each, the upper two of the last four in other bytes' free bits.
fn scales_and_mins(l: &mut Layout) {
    l.scale(0, 0);
    l.scale(2, 8);
    let low = |s: usize| if s < 4 { (4 + s, 0) } else { (8 + s, 0) };
    let low_min = |s: usize| if s < 4 { (8 + s, 0) } else { (8 + s, 4) };
    let high = |s: usize| if s < 4 { (4 + s, 4) } else { (s, 6) };
    let high_min = |s: usize| if s < 4 { (8 + s, 4) } else { (4 + s, 6) };
    let packed_high =
        |shift| move |r: usize, s: usize| (16 + (4 * s + r) % 16, 4 * ((4 * s + r) / 16) + shift);
    l.field(8, 2, high, packed_high(0));
    l.field(8, 2, high_min, packed_high(2));
    l.field(8, 4, low, |r, s| (32 + 4 * s + r, 0));
    l.field(8, 4, low_min, |r, s| (32 + 4 * s + r, 4));
}

fn q4_k(l: &mut Layout) {
    scales_and_mins(l);
    l.field(256, 4, nibble_of_64(16), packed_nibble(64));
}

fn q5_k(l: &mut Layout) {
    scales_and_mins(l);
    l.field(
        256,
        1,
        bit_of_256(16),
        packed_bit(64, |q| 4 * (q / 4) + 2 * (q % 2) + q / 2 % 2),
    );
    l.field(256, 4, nibble_of_64(48), packed_nibble(192));
}

fn q6_k(l: &mut Layout) {
    l.scale(208, 0);
    l.bytes(16, 192, 8, |r, s| 4 * s + r);
    l.field(256, 2, pair_of_128(128), |r, i| {
        (
            72 + 16 * (i / 16) + 4 * r + i % 4,
            2 * (i / 8 % 2) + 4 * (i / 4 % 2),
        )
    });
    l.field(
        256,
        4,
        |i| (64 * (i / 128) + i % 64, 4 * (i / 64 % 2)),
        packed_nibble(328),
    );
}

fn iq4_xs(l: &mut Layout) {
    l.scale(0, 0);
    let packed = |base: usize, bytes: usize, bits: usize| {
        move |r: usize, s: usize| (base + (8 * s + r) % bytes, bits * ((8 * s + r) / bytes))
    };
    l.field(8, 2, |s| (2 + s / 4, 2 * (s % 4)), packed(16, 16, 2));
    l.field(8, 4, |s| (4 + s / 2, 4 * (s % 2)), packed(32, 32, 4));
    l.field(256, 4, nibble_of_32(8), |r, i| {
        (64 + 32 * (i / 8) + 4 * r + i % 4, 4 * (i / 4 % 2))
    });
}

fn iq4_ks(l: &mut Layout) {
    l.bytes(8, 0, 0, |r, s| 4 * s + r);
    l.field(256, 4, nibble_of_32(8), packed_nibble(32));
}

/// The fifth bit in the five-bit types of this family.
fn fifth_bit(q: usize) -> usize {
    4 * (q % 2) + q / 2
}

fn iq5_ks(l: &mut Layout) {
    l.bytes(8, 0, 0, |r, s| 4 * s + r);
    l.field(256, 4, nibble_of_64(8), packed_nibble(32));
    l.field(256, 1, bit_of_256(136), packed_bit(544, fifth_bit));
}

/// Scale and shift bits of the `iq*_k` types.
fn scale_and_extra(l: &mut Layout) {
    l.scale(0, 0);
    l.field(
        16,
        1,
        |s| (2 + s / 8, s % 8),
        |r, s| (8 + r + 4 * (s % 2), s / 2),
    );
}

fn iq2_k(l: &mut Layout) {
    scale_and_extra(l);
    l.field(16, 4, |s| (4 + s / 2, 4 * (s % 2)), packed_scale(16, 32, 4));
    l.field(256, 2, pair_of_128(12), packed_pair(48));
}

fn iq3_k(l: &mut Layout) {
    scale_and_extra(l);
    l.field(16, 1, |s| (4 + s / 8, s % 8), packed_scale(16, 8, 1));
    l.field(16, 4, |s| (6 + s / 2, 4 * (s % 2)), packed_scale(24, 32, 4));
    l.field(256, 2, pair_of_128(14), packed_pair(56));
    l.field(256, 1, bit_of_256(78), packed_bit(312, |q| q));
}

/// Six-bit scales of `iq4_k` and `iq5_k`.
fn six_bit_scales(l: &mut Layout) {
    l.field(16, 2, |s| (4 + s / 4, 2 * (s % 4)), packed_scale(16, 16, 2));
    l.field(16, 4, |s| (8 + s / 2, 4 * (s % 2)), packed_scale(32, 32, 4));
}

fn iq4_k(l: &mut Layout) {
    scale_and_extra(l);
    six_bit_scales(l);
    l.field(256, 4, nibble_of_32(16), packed_nibble(64));
}

fn iq5_k(l: &mut Layout) {
    scale_and_extra(l);
    six_bit_scales(l);
    l.field(256, 4, nibble_of_64(16), packed_nibble(64));
    l.field(256, 1, bit_of_256(144), packed_bit(576, fifth_bit));
}

/// Seven signs (see [`flip_signs`]) and a scale bit in a byte.
fn signs_and_scale(l: &mut Layout, signs: impl Fn(usize) -> usize, packed: usize) {
    let word = |i: usize| 8 * signs(i / 4);
    let at = |bit: usize| (bit / 8, bit % 8);
    l.field(
        32,
        7,
        |i| at(word(i) + 7 * (i % 4)),
        |r, i| (packed + 4 * (4 * (i / 4) + r) + i % 4, 1),
    );
    l.field(
        32,
        1,
        |i| at(word(i) + 28 + i % 4),
        |r, i| (packed + 4 * (4 * (i / 4) + r) + i % 4, 0),
    );
}

fn iq2_xxs(l: &mut Layout) {
    l.scale(0, 0);
    signs_and_scale(l, |block| 2 + 8 * block + 4, 8);
    l.field(
        32,
        8,
        |i| (2 + 8 * (i / 4) + i % 4, 0),
        |r, i| (136 + 16 * (i / 4) + 4 * r + i % 4, 0),
    );
}

fn iq2_xs(l: &mut Layout) {
    l.scale(0, 0);
    l.bytes(64, 2, 8, |r, b| 32 * (b / 8) + 8 * r + b % 8);
    l.bytes(8, 66, 264, |r, s| 4 * s + r);
}

fn iq2_s(l: &mut Layout) {
    let by_four = |r: usize, i: usize| 16 * (i / 4) + 4 * r + i % 4;
    l.scale(0, 0);
    l.bytes(32, 2, 8, by_four);
    l.bytes(32, 34, 168, by_four);
    l.bytes(8, 66, 136, |r, s| 4 * s + r);
    l.bytes(8, 74, 296, |r, s| 4 * s + r);
}

fn iq3_xxs(l: &mut Layout) {
    l.scale(0, 0);
    signs_and_scale(l, |block| 66 + 4 * block, 8);
    l.bytes(64, 2, 136, |r, i| 32 * (i / 8) + 8 * r + i % 8);
}

fn iq3_s(l: &mut Layout) {
    l.scale(0, 0);
    l.bytes(64, 2, 8, |r, i| {
        32 * (i / 8) + 8 * (i % 4) + 4 * (i / 4 % 2) + r
    });
    l.bytes(8, 66, 264, |r, b| 4 * b + r);
    // Signs of values 4 apart share a byte.
    l.field(
        256,
        1,
        |i| (74 + i / 8, i % 8),
        |r, i| (296 + 16 * (i / 32) + 4 * r + i % 4, i / 4 % 8),
    );
    l.field(
        8,
        4,
        |s| (106 + s / 2, 4 * (s % 2)),
        packed_scale(424, 16, 4),
    );
}

fn iq2_bn(l: &mut Layout) {
    // Plain: byte `j` of 16 has values j, j + 16, j + 32, j + 48.
    l.field(
        64,
        2,
        |i| (i % 16, 2 * (i / 16)),
        |r, i| (16 * (i / 16) + 4 * r + i % 4, 2 * (i / 4 % 4)),
    );
}

/// Plain types whose eighth sign is implied store seven signs; interleaved they store running parities of them instead.
/// `flip` changes a plain block to that form or back.
fn flip_signs(plain: Type, block: &mut [u8], to_parities: bool) {
    let change = |signs: u32| match to_parities {
        true => (0..7).fold(0, |out, bit| {
            out | (((signs & ((2 << bit) - 1)).count_ones() & 1) << bit)
        }),
        false => (signs ^ (signs << 1)) & 127,
    };
    match plain {
        Type::Iq2_xxs | Type::Iq3_xxs => {
            let words = match plain {
                Type::Iq2_xxs => block[2..]
                    .chunks_exact_mut(4)
                    .skip(1)
                    .step_by(2)
                    .collect::<Vec<_>>(),
                _ => block[66..].chunks_exact_mut(4).collect(),
            };
            for word in words {
                let bits = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                let signs = (0..4).fold(bits & (15 << 28), |out, i| {
                    out | (change(bits >> (7 * i) & 127) << (7 * i))
                });
                word.copy_from_slice(&signs.to_le_bytes());
            }
        }
        Type::Iq2_xs => {
            for word in block[2..66].chunks_exact_mut(2) {
                let bits = u16::from_le_bytes([word[0], word[1]]);
                let signs = change(u32::from(bits >> 9)) as u16;
                word.copy_from_slice(&((bits & 511) | (signs << 9)).to_le_bytes());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_bit_of_every_type_has_one_place() {
        for i in &TABLE {
            let Some((bytes, _)) = i.sizes() else {
                continue;
            };
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
            for i in &TABLE {
                let Some((bytes, meta)) = i.sizes() else { continue };
                let plain: Vec<u8> = (0..i.rows * (meta + 3 * bytes)).map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    (state >> 56) as u8
                }).collect();
                let (mut packed, mut back) = (vec![0; plain.len()], vec![0; plain.len()]);
                i.pack(&plain, &mut packed);
                i.unpack(&packed, &mut back);
                prop_assert_eq!(&back, &plain, "{:?}", i.ty);
            }
        }
    }
}
