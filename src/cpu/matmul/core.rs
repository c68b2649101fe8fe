//! The table of compiled kernels, and [`Core`]: the steps of a product for one type of weights at one level, on plain pointers.

use std::cmp::Ordering;
use std::ops::Range;

use super::float::{self, PackArgs};
use super::kernels::{
    self, Ask, Gemm, GemmArgs, Gemv, GemvArgs, NATURAL, Panel, Quantize, QuantizeArgs,
    QuantizeBlock, QuantizeBlockArgs, Unpack, UnpackArgs, WIDE,
};
use super::tiles::PieceArgs;
use super::weights::{CHUNK, Weights};
use super::{codebooks, iqk, kquants, legacy, pairs, tiles, trellis};
use crate::quant::{Interleaved, Type, TypeInfo};
use crate::simd::amx::Tiles;
use crate::simd::{Compiled, Element, Level};

/// Most columns that weights are multiplied with directly, without a panel: of floats, and of others. See [`Core::direct`].
pub const MAX_DIRECT: usize = 8;
const FEW_DIRECT: usize = 4;
/// Columns of the largest block at any level.
pub const MAX_COLS: usize = tiles::COLS;
const _: () = assert!(MAX_COLS >= kernels::MAX_COLS);

/// The kernels of a type that is decoded to codes.
pub struct Codes {
    ty: Type,
    /// Values per scale.
    group: usize,
    panels: Panels,
    /// Of so many columns that groups share scales, if this type's do.
    shared: Option<Panels>,
    unpack_tiles: unsafe fn(UnpackArgs, Range<usize>),
    /// For 1 to 4 columns.
    gemv: [Compiled<GemvArgs>; FEW_DIRECT],
    /// [`kernels::tightness`] of these columns.
    tight: f32,
}

impl Codes {
    const fn of<W: Weights>() -> Codes {
        Codes {
            ty: W::TYPE,
            group: W::GROUP,
            panels: Panels {
                of: [Panel::of::<W>(false, false), Panel::of::<W>(true, false)],
                unpack: Compiled::new::<Unpack<W, false>>(),
            },
            shared: if kernels::shares::<W>(true) {
                Some(Panels {
                    of: [Panel::of::<W>(false, true), Panel::of::<W>(true, true)],
                    unpack: if kernels::shares::<W>(false) {
                        Compiled::new::<Unpack<W, true>>()
                    } else {
                        Compiled::by_dot::<Unpack<W, false>, Unpack<W, true>>()
                    },
                })
            } else {
                None
            },
            unpack_tiles: tiles::unpack::<W>,
            gemv: [
                Compiled::new::<Gemv<W, 1>>(),
                Compiled::new::<Gemv<W, 2>>(),
                Compiled::new::<Gemv<W, 3>>(),
                Compiled::new::<Gemv<W, 4>>(),
            ],
            tight: kernels::tightness(W::TOP),
        }
    }

    /// Panels for many columns.
    fn of_many(&self) -> &Panels {
        self.shared.as_ref().unwrap_or(&self.panels)
    }
}

/// Panels of a type.
struct Panels {
    /// Without and with [`Simd::VNNI`](crate::simd::Simd::VNNI).
    of: [Panel; 2],
    unpack: Compiled<UnpackArgs>,
}

impl Panels {
    fn at(&self, level: Level) -> Panel {
        self.of[usize::from(level.vnni())]
    }
}

/// The types that are decoded to codes.
static CODES: &[Codes] = &[
    Codes::of::<legacy::Q4_0>(),
    Codes::of::<legacy::Q4_1>(),
    Codes::of::<legacy::Q5_0>(),
    Codes::of::<legacy::Q5_1>(),
    Codes::of::<legacy::Q6_0>(),
    Codes::of::<legacy::Q8_0>(),
    Codes::of::<legacy::Iq4Nl>(),
    Codes::of::<legacy::Q8KR8>(),
    Codes::of::<legacy::Q8KR16>(),
    Codes::of::<legacy::Q8KvR8>(),
    Codes::of::<legacy::Q8Kv>(),
    Codes::of::<kquants::Q2K>(),
    Codes::of::<kquants::Q3K>(),
    Codes::of::<kquants::Q4K>(),
    Codes::of::<kquants::Q5K>(),
    Codes::of::<kquants::Q6K>(),
    Codes::of::<kquants::Iq4Xs>(),
    Codes::of::<iqk::Iq2K>(),
    Codes::of::<iqk::Iq3K>(),
    Codes::of::<iqk::Iq4K>(),
    Codes::of::<iqk::Iq5K>(),
    Codes::of::<iqk::Iq6K>(),
    Codes::of::<iqk::Iq2Ks>(),
    Codes::of::<iqk::Iq3Ks>(),
    Codes::of::<iqk::Iq4Ks>(),
    Codes::of::<iqk::Iq5Ks>(),
    Codes::of::<iqk::Iq4Kss>(),
    Codes::of::<iqk::Iq2Kl>(),
    Codes::of::<iqk::Mxfp4>(),
    Codes::of::<codebooks::Iq2Xxs>(),
    Codes::of::<codebooks::Iq2Xs>(),
    Codes::of::<codebooks::Iq2S>(),
    Codes::of::<codebooks::Iq3Xxs>(),
    Codes::of::<codebooks::Iq3S>(),
    Codes::of::<codebooks::Iq1S>(),
    Codes::of::<codebooks::Iq1M>(),
    Codes::of::<trellis::Iq1Kt>(),
    Codes::of::<trellis::Iq2Kt>(),
    Codes::of::<trellis::Iq3Kt>(),
    Codes::of::<trellis::Iq4Kt>(),
];

/// For a type that is decoded to codes (so that activations are quantized), in the type and in panels of few and of many columns: values
/// per scale, and [`kernels::tightness`] of activations.
#[cfg(test)]
pub fn groups(ty: Type, level: Level) -> Option<[(usize, f32); 3]> {
    let codes = CODES.iter().find(|c| c.ty == ty)?;
    let panels = [&codes.panels, codes.of_many()];
    let [few, many] = panels.map(|p| (p.at(level).group, p.at(level).tight));
    let all = [(codes.group, codes.tight), few, many];
    Some(all.map(|(group, tight)| (group, if level.vnni() { 0.0 } else { tight })))
}

/// For blocks of one, two and three thirds of the columns of a whole one.
type ByWidth = [Compiled<GemmArgs>; 3];

const fn gemm<const GROUP: usize, const MIN: bool, const RUN: usize>() -> ByWidth {
    [
        Compiled::by_dot::<Gemm<GROUP, MIN, RUN, 1>, Gemm<GROUP, MIN, 1, 1>>(),
        Compiled::by_dot::<Gemm<GROUP, MIN, RUN, 2>, Gemm<GROUP, MIN, 1, 2>>(),
        Compiled::by_dot::<Gemm<GROUP, MIN, RUN, 3>, Gemm<GROUP, MIN, 1, 3>>(),
    ]
}

/// For runs of 1, 2, 4 and 8.
type ByRun = [ByWidth; 4];

/// `LONGEST` is the longest run that groups have room for: 8, or 4.
const fn by_run<const GROUP: usize, const LONGEST: usize, const MIN: bool>() -> ByRun {
    [
        gemm::<GROUP, MIN, 1>(),
        gemm::<GROUP, MIN, 2>(),
        gemm::<GROUP, MIN, 4>(),
        gemm::<GROUP, MIN, LONGEST>(),
    ]
}

/// By mins, then by run.
static GEMM16: [ByRun; 2] = [by_run::<16, 4, false>(), by_run::<16, 4, true>()];
static GEMM32: [ByRun; 2] = [by_run::<32, 8, false>(), by_run::<32, 8, true>()];
/// Of large codes without mins.
static GEMM_WIDE: ByWidth = gemm::<WIDE, false, 1>();
static QUANTIZE: Compiled<QuantizeArgs> = Compiled::new::<Quantize>();
static QUANTIZE_BLOCK: Compiled<QuantizeBlockArgs> = Compiled::new::<QuantizeBlock>();

/// The kernels of an element type.
struct Floats {
    unpack: Compiled<UnpackArgs>,
    pack: Compiled<PackArgs>,
    pack_pairs: Compiled<PackArgs>,
    pack_tiles: [unsafe fn(PackArgs); 2],
    gemv: [Compiled<GemvArgs>; MAX_DIRECT],
}

impl Floats {
    const fn of<T: Element>() -> Floats {
        Floats {
            unpack: Compiled::new::<float::Unpack<T>>(),
            pack: Compiled::new::<float::Pack<T, false>>(),
            pack_pairs: Compiled::new::<float::Pack<T, true>>(),
            pack_tiles: [tiles::pack::<T, 1>, tiles::pack::<T, 2>],
            gemv: [
                Compiled::new::<float::Gemv<T, 1>>(),
                Compiled::new::<float::Gemv<T, 2>>(),
                Compiled::new::<float::Gemv<T, 3>>(),
                Compiled::new::<float::Gemv<T, 4>>(),
                Compiled::new::<float::Gemv<T, 5>>(),
                Compiled::new::<float::Gemv<T, 6>>(),
                Compiled::new::<float::Gemv<T, 7>>(),
                Compiled::new::<float::Gemv<T, 8>>(),
            ],
        }
    }

    fn find(ty: Type) -> Option<&'static Floats> {
        match ty {
            Type::F32 => Some(&F32),
            Type::F16 => Some(&F16),
            Type::Bf16 => Some(&BF16),
            _ => None,
        }
    }
}

static F32: Floats = Floats::of::<f32>();
static F16: Floats = Floats::of::<half::f16>();
static BF16: Floats = Floats::of::<half::bf16>();
static GEMM_F32: ByWidth = [
    Compiled::new::<float::Gemm<1>>(),
    Compiled::new::<float::Gemm<2>>(),
    Compiled::new::<float::Gemm<3>>(),
];
/// Of values in one part, and in two.
static GEMM_TILES: [Compiled<PieceArgs>; 2] = [
    Compiled::new::<tiles::Gemm<1>>(),
    Compiled::new::<tiles::Gemm<2>>(),
];

/// How weights are multiplied.
#[derive(Clone, Copy)]
enum Path {
    /// As 8-bit codes, with quantized activations, in panels of some kind if columns are more than [`Core::direct`].
    Codes(&'static Codes, &'static Panels),
    /// The same type as bf16, with activations of bf16.
    Rounded(&'static Codes),
    /// As floats.
    Floats(&'static Floats),
    /// As floats, after decoding rows to f32.
    Decoded(&'static TypeInfo),
}

/// How panels and blocks hold values.
#[derive(Clone, Copy, PartialEq)]
enum Packing {
    /// Codes, or f32.
    Plain,
    /// Pairs of bf16, see [`pairs`].
    Pairs,
    /// Tiles of bf16, see [`tiles`], of which each value is a sum of so many: one or two.
    Tiles(usize),
}

/// The steps of a product with rows of `k` weights of one type, at one level.
#[derive(Clone, Copy)]
pub struct Core {
    level: Level,
    path: Path,
    packing: Packing,
    /// How rows are taken apart that are interleaved; `path` is then that of their plain rows.
    interleaved: Option<&'static Interleaved>,
    pub k: usize,
    /// Rows per panel.
    pub lanes: usize,
    /// Columns per whole block.
    pub cols: usize,
    /// Bytes of an encoded row.
    pub row_size: usize,
}

impl Core {
    /// `None` if there is no way to multiply the type, or rows of it can't have `k` values.
    pub fn new(level: Level, ty: Type, k: usize) -> Option<Core> {
        let interleaved = (ty.info()?.interleaved)();
        let info = interleaved.map_or(ty.info()?, |i| &i.plain);
        let ty = info.ty;
        let path = if let Some(codes) = CODES.iter().find(|c| c.ty == ty) {
            Path::Codes(codes, &codes.panels)
        } else if let Some(floats) = Floats::find(ty) {
            Path::Floats(floats)
        } else if info.quantized {
            Path::Decoded(info)
        } else {
            return None;
        };
        let packing = match path {
            Path::Floats(_) if ty == Type::Bf16 && tiles::suit(level, k) => Packing::Tiles(1),
            Path::Floats(_) if ty == Type::Bf16 && pairs::suit(level, k) => Packing::Pairs,
            _ => Packing::Plain,
        };
        let lanes = level.lanes();
        let width = interleaved.map_or(info.block, Interleaved::width);
        k.is_multiple_of(width).then_some(Core {
            level,
            path,
            packing,
            interleaved,
            k,
            lanes,
            cols: match path {
                _ if packing == Packing::Tiles(1) => tiles::COLS,
                Path::Codes(..) => kernels::cols(lanes, level.vnni()),
                _ => lanes / 4 * 3,
            },
            row_size: info.row_size(k),
        })
    }

    /// Fewest columns for which [`Core::of_many`] is faster.
    pub fn many(&self) -> usize {
        match self.path {
            Path::Floats(_) => 32,
            _ => 64,
        }
    }

    /// The same product, of so many columns that what takes longer to unpack is worth it: tiles, or groups that share scales.
    pub fn of_many(&self) -> Core {
        let (path, packing) = match (self.path, tiles::suit(self.level, self.k)) {
            (Path::Codes(codes, _), true) => (Path::Rounded(codes), Packing::Tiles(1)),
            (Path::Codes(codes, _), false) => (Path::Codes(codes, codes.of_many()), self.packing),
            (Path::Floats(f), true) if std::ptr::eq(f, &F16) => (self.path, Packing::Tiles(2)),
            _ => return *self,
        };
        let cols = match packing {
            Packing::Tiles(_) => tiles::COLS,
            _ => self.cols,
        };
        Core {
            path,
            packing,
            cols,
            ..*self
        }
    }

    /// Most columns that weights are multiplied with directly: codes are decoded for each four, vectors of bf16 do more at once, and of floats the
    /// sums of two rows must fit into registers.
    pub fn direct(&self) -> usize {
        match (self.path, self.packing) {
            (Path::Floats(_) | Path::Decoded(_), Packing::Plain) if self.lanes < 16 => 6,
            (Path::Floats(_) | Path::Decoded(_), Packing::Plain) => MAX_DIRECT,
            _ => FEW_DIRECT,
        }
    }

    /// Rows that are interleaved: pieces of the matrix are multiples of so many.
    pub fn rows(&self) -> usize {
        self.interleaved.map_or(1, |i| i.rows)
    }

    /// Whether columns of this type can be packed.
    pub fn takes(&self, ty: Type) -> bool {
        match self.path {
            Path::Codes(..) => ty == Type::F32,
            _ => Floats::find(ty).is_some(),
        }
    }

    /// Rows that [`Core::gemm`] takes at once, at most: one panel or more.
    pub fn gemm_rows(&self) -> usize {
        match self.path {
            Path::Codes(_, p) => self.lanes * kernels::panels(self.lanes, p.at(self.level).group),
            _ => self.lanes * kernels::MAX_PANELS,
        }
    }

    /// Whether panels and blocks are [`tiles`].
    pub fn in_tiles(&self) -> bool {
        matches!(self.packing, Packing::Tiles(_))
    }

    /// What this thread needs for [`Core::gemm`], as long as it lives.
    ///
    /// # Safety
    /// No other value of the kind lives on this thread.
    pub unsafe fn tiles(&self) -> Option<Tiles> {
        // SAFETY: the level of this packing has them; the rest is the caller's promise.
        self.in_tiles().then(|| unsafe { Tiles::new() })
    }

    /// Values of a row that a panel holds: all, or the rows of a product are multiplied piece by piece, each but the last of so many.
    /// (Interleaved rows are taken apart whole.)
    pub fn depth(&self) -> usize {
        match self.in_tiles() && self.interleaved.is_none() {
            true => self.k.min(tiles::DEPTH),
            false => self.k,
        }
    }

    /// Whether there is more than one piece.
    pub fn in_pieces(&self) -> bool {
        self.depth() < self.k
    }

    /// The piece of a row that begins at value `from`.
    fn piece(&self, from: usize) -> Range<usize> {
        from..self.k.min(from + self.depth())
    }

    /// Words of 32 bits for so many values of a row in panels and blocks of floats.
    fn words(&self, k: usize) -> usize {
        match self.packing {
            Packing::Plain => k,
            Packing::Pairs => k / 2,
            Packing::Tiles(parts) => parts * k / 2,
        }
    }

    /// Bytes of a column packed for [`Core::gemv`].
    pub fn column_bytes(&self) -> usize {
        match self.path {
            Path::Codes(..) | Path::Rounded(_) => self.k.div_ceil(CHUNK) * NATURAL,
            _ => 4 * float::padded(self.k),
        }
        .next_multiple_of(64)
    }

    /// Bytes of a whole block of columns packed for [`Core::gemm`].
    pub fn block_bytes(&self) -> usize {
        match self.path {
            Path::Codes(_, p) => {
                let group = p.at(self.level).group;
                self.k.div_ceil(kernels::step(group)) * kernels::block_step(self.cols, group)
            }
            _ => 4 * float::padded(self.words(self.k)) * self.cols,
        }
        .next_multiple_of(64)
    }

    /// Bytes of a panel.
    pub fn panel_bytes(&self) -> usize {
        match self.path {
            Path::Codes(_, p) => {
                let Panel { group, min, .. } = p.at(self.level);
                let step = kernels::panel_step(self.lanes, group, min);
                self.k.div_ceil(kernels::step(group)) * step
            }
            _ => 4 * float::padded(self.words(self.depth())) * self.lanes,
        }
        .next_multiple_of(64)
    }

    /// Bytes of scratch memory for [`Core::unpack`] and [`Core::gemv`].
    pub fn scratch_bytes(&self) -> usize {
        let decoded = match self.path {
            Path::Decoded(_) => (4 * self.k * self.lanes).next_multiple_of(64),
            _ => 0,
        };
        decoded + self.apart_bytes()
    }

    /// Bytes of a panel's rows taken apart, or of a group's if that has more; in front of the rest of the scratch memory.
    fn apart_bytes(&self) -> usize {
        match self.interleaved {
            // Kernels may read some bytes past a row.
            Some(i) => (self.lanes.max(i.rows) * self.row_size + 64).next_multiple_of(64),
            None => 0,
        }
    }

    /// Takes apart the groups that hold rows `skip..skip + n_rows` from `group` on; `skip` is less than a group. Returns where
    /// the first of these rows is.
    ///
    /// # Safety
    /// The groups are readable, `apart` has room for [`Core::apart_bytes`].
    unsafe fn take_apart(
        &self,
        interleaved: &Interleaved,
        group: *const u8,
        skip: usize,
        n_rows: usize,
        apart: *mut u8,
    ) -> *const u8 {
        let size = interleaved.rows * self.row_size;
        for g in 0..(skip + n_rows).div_ceil(interleaved.rows) {
            // SAFETY: the caller's promise: the groups are not more than a panel has rows for.
            unsafe {
                let from = std::slice::from_raw_parts(group.add(g * size), size);
                let to = std::slice::from_raw_parts_mut(apart.add(g * size), size);
                interleaved.unpack(from, to);
            }
        }
        apart.wrapping_add(skip * self.row_size)
    }

    /// Blocks that so many columns take.
    pub fn blocks(&self, n_cols: usize) -> usize {
        n_cols.div_ceil(self.cols)
    }

    /// The columns of block `b`. The last but one is two thirds of a whole block if no more than one third is then left for the last.
    pub fn columns(&self, n_cols: usize, b: usize) -> Range<usize> {
        let last = self.blocks(n_cols) - 1;
        let [one, two] = [1, 2].map(|thirds| kernels::part(self.cols, thirds));
        let given = self.cols - two;
        let gives = !self.in_tiles() && last > 0 && n_cols - last * self.cols + given <= one;
        let given = if gives { given } else { 0 };
        let start = |b: usize| match b.cmp(&last) {
            Ordering::Less => b * self.cols,
            Ordering::Equal => b * self.cols - given,
            Ordering::Greater => n_cols,
        };
        start(b)..start(b + 1)
    }

    /// The block that column `c` is in, and the columns of that.
    pub fn block_of(&self, n_cols: usize, c: usize) -> (usize, Range<usize>) {
        let b = c / self.cols;
        let columns = self.columns(n_cols, b);
        match c < columns.end {
            true => (b, columns),
            false => (b + 1, self.columns(n_cols, b + 1)),
        }
    }

    /// How many parts of a whole block so many columns take, and the columns that these have.
    fn parts(&self, n_cols: usize) -> (usize, usize) {
        if self.in_tiles() {
            let parts = n_cols.div_ceil(tiles::LANES);
            return (parts, parts * tiles::LANES);
        }
        let mut thirds = 1;
        while kernels::part(self.cols, thirds) < n_cols {
            thirds += 1;
        }
        (thirds, kernels::part(self.cols, thirds))
    }

    /// Packs a column of type `ty` for [`Core::gemv`].
    ///
    /// # Safety
    /// `src` points to `k` values, `dst` has room for a column.
    pub unsafe fn pack(&self, ty: Type, src: *const u8, dst: *mut u8) {
        match self.path {
            Path::Codes(c, _) | Path::Rounded(c) => {
                let args = QuantizeArgs {
                    src: src.cast(),
                    k: self.k,
                    dst,
                    group: c.group,
                    tight: c.tight,
                };
                // SAFETY: the caller's promise.
                unsafe { QUANTIZE.run(self.level, args) }
            }
            _ => {
                let args = PackArgs {
                    src,
                    k: self.k,
                    cols: 1,
                    col: 0,
                    dst: dst.cast(),
                };
                if let Some(floats) = Floats::find(ty) {
                    // SAFETY: the caller's promise.
                    unsafe { floats.pack.run(self.level, args) }
                }
            }
        }
    }

    /// Packs columns of type `ty`, the first of them at place `col` of a block of `n_cols` columns.
    ///
    /// # Safety
    /// Each of `src` points to `k` values, `dst` to the block, which has such places.
    pub unsafe fn pack_block(
        &self,
        ty: Type,
        src: &[*const u8],
        n_cols: usize,
        col: usize,
        dst: *mut u8,
    ) {
        let (_, cols) = self.parts(n_cols);
        if let Path::Codes(_, p) = self.path {
            let Panel {
                group,
                min,
                bias,
                tight,
                ..
            } = p.at(self.level);
            let args = QuantizeBlockArgs {
                src: src.as_ptr().cast(),
                n: src.len(),
                k: self.k,
                cols,
                col,
                dst,
                group,
                bias,
                min,
                tight,
            };
            // SAFETY: the caller's promise.
            return unsafe { QUANTIZE_BLOCK.run(self.level, args) };
        }
        let Some(floats) = Floats::find(ty) else {
            return;
        };
        for (i, &src) in src.iter().enumerate() {
            let args = PackArgs {
                src,
                k: self.k,
                cols,
                col: col + i,
                dst: dst.cast(),
            };
            // SAFETY: the caller's promise; tiles are only in use where the CPU has them.
            unsafe {
                match self.packing {
                    Packing::Plain => floats.pack.run(self.level, args),
                    Packing::Pairs => floats.pack_pairs.run(self.level, args),
                    Packing::Tiles(parts) => (floats.pack_tiles[parts - 1])(args),
                }
            }
        }
    }

    /// Unpacks `n_rows` rows (no more than a panel has) to a panel, or the piece of them that begins at value `from`; row `first` of
    /// the matrix is the first of them.
    ///
    /// # Safety
    /// The rows (or the groups they are in) are readable, `panel` and `scratch` as large as said; `first` is a multiple of
    /// the rows of a panel or of a group, `from` of [`Core::depth`].
    pub unsafe fn unpack(
        &self,
        mut rows: *const u8,
        stride: usize,
        first: usize,
        n_rows: usize,
        from: usize,
        panel: *mut u8,
        mut scratch: *mut u8,
    ) {
        if let Some(interleaved) = self.interleaved {
            let skip = first % interleaved.rows;
            // SAFETY: the caller's promise.
            unsafe {
                rows = self.take_apart(interleaved, rows.sub(skip * stride), skip, n_rows, scratch);
                scratch = scratch.add(self.apart_bytes());
            }
        }
        let args = UnpackArgs {
            rows,
            stride,
            n_rows,
            k: self.k,
            panel,
        };
        // SAFETY: the caller's promise; decoded rows lie in `scratch` one after the other.
        unsafe {
            match self.path {
                Path::Rounded(c) => (c.unpack_tiles)(args, self.piece(from)),
                Path::Codes(_, p) => p.unpack.run(self.level, args),
                Path::Floats(f) if self.packing == Packing::Plain => {
                    f.unpack.run(self.level, args);
                }
                // Of two bytes each.
                Path::Floats(_) => {
                    let rows = rows.add(2 * from);
                    let k = self.words(self.piece(from).len());
                    let args = UnpackArgs { rows, k, ..args };
                    match self.packing {
                        Packing::Tiles(2) => tiles::unpack_floats::<half::f16>(args),
                        // Two values of bf16 are as wide as one of f32, and are moved alike.
                        _ => F32.unpack.run(self.level, args),
                    }
                }
                Path::Decoded(info) => {
                    let decoded = scratch.cast::<f32>();
                    for r in 0..n_rows {
                        self.decode(info, rows.add(stride * r), decoded.add(self.k * r));
                    }
                    let args = UnpackArgs {
                        rows: scratch,
                        stride: 4 * self.k,
                        ..args
                    };
                    F32.unpack.run(self.level, args)
                }
            }
        }
    }

    /// # Safety
    /// `row` points to an encoded row, `out` to `k` writable values.
    unsafe fn decode(&self, info: &TypeInfo, row: *const u8, out: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            (info.decode)(
                std::slice::from_raw_parts(row, self.row_size),
                std::slice::from_raw_parts_mut(out, self.k),
            )
        }
    }

    /// The first `n_rows` rows of one or more panels, which lie one after the other, times a block of `dst.len()` columns; writes
    /// to each pointer of `dst`. If panels are of a piece of rows, the block is multiplied as far as that; all pieces but the first add
    /// to what is there. Meanwhile, `ask` is brought nearer, as far as [`Core::asked`] says.
    ///
    /// # Safety
    /// Panels and `block` are filled for so many rows (at most [`Core::gemm_rows`]) and columns; each pointer of `dst` points to `n_rows` values.
    /// `from` is as for [`Core::unpack`]. What [`Core::tiles`] returned on this thread lives.
    pub unsafe fn gemm(
        &self,
        panel: *const u8,
        block: *const u8,
        n_rows: usize,
        from: usize,
        dst: &[*mut f32],
        ask: Ask,
    ) {
        let (parts, cols) = self.parts(dst.len());
        // Written where the kernel reads them: a copy would wait until results that the last kernel wrote have left the core.
        let args = |block, k| GemmArgs {
            panel,
            panel_stride: self.panel_bytes(),
            block,
            k,
            dst: dst.as_ptr(),
            n_cols: dst.len(),
            n_rows,
            ask,
        };
        match self.packing {
            // SAFETY: the CPU has the instructions where pairs are in use; the rest is the caller's promise.
            Packing::Pairs => return unsafe { pairs::GEMM[parts - 1](args(block, self.k)) },
            Packing::Tiles(summands) => {
                let skip = 4 * self.words(from) * cols;
                let piece = PieceArgs {
                    piece: args(block.wrapping_add(skip), self.piece(from).len()),
                    add: from > 0,
                };
                // SAFETY: the caller's promise.
                return unsafe { GEMM_TILES[summands - 1].run(self.level, piece) };
            }
            Packing::Plain => {}
        }
        let kernels = match self.path {
            Path::Codes(_, p) => {
                let Panel {
                    group, min, run, ..
                } = p.at(self.level);
                let run = run.ilog2() as usize;
                match group {
                    16 => &GEMM16[usize::from(min)][run],
                    32 => &GEMM32[usize::from(min)][run],
                    _ => &GEMM_WIDE,
                }
            }
            _ => &GEMM_F32,
        };
        // SAFETY: the caller's promise.
        unsafe { kernels[parts - 1].run(self.level, args(block, self.k)) }
    }

    /// Lines that [`Core::gemm`] asks for.
    pub fn asked(&self) -> usize {
        match self.path {
            Path::Codes(..) => self.k / Ask::EACH,
            _ => 0,
        }
    }

    /// Rows times `dst.len()` columns, up to [`Core::direct`]; writes to each pointer of `dst`. Interleaved rows are whole groups.
    ///
    /// # Safety
    /// The rows are readable, `cols` are as many packed columns, `scratch` is as large as said; each pointer of `dst` points to
    /// `n_rows` values.
    pub unsafe fn gemv(
        &self,
        rows: *const u8,
        stride: usize,
        n_rows: usize,
        cols: *const u8,
        dst: &[*mut f32],
        scratch: *mut u8,
    ) {
        let Some(interleaved) = self.interleaved else {
            // SAFETY: the caller's promise.
            return unsafe { self.plain_gemv(rows, stride, n_rows, cols, dst, scratch) };
        };
        // As many groups at a time as the scratch memory holds.
        let step = self.lanes.max(interleaved.rows);
        for r in (0..n_rows).step_by(step) {
            let n = step.min(n_rows - r);
            let mut at = [std::ptr::null_mut(); MAX_DIRECT];
            for (at, d) in at.iter_mut().zip(dst) {
                *at = d.wrapping_add(r);
            }
            // SAFETY: the caller's promise.
            unsafe {
                let apart = self.take_apart(interleaved, rows.add(r * stride), 0, n, scratch);
                let scratch = scratch.add(self.apart_bytes());
                self.plain_gemv(apart, stride, n, cols, &at[..dst.len()], scratch);
            }
        }
    }

    /// [`Core::gemv`] of plain rows.
    ///
    /// # Safety
    /// As there.
    unsafe fn plain_gemv(
        &self,
        rows: *const u8,
        stride: usize,
        n_rows: usize,
        cols: *const u8,
        dst: &[*mut f32],
        scratch: *mut u8,
    ) {
        let n = dst.len();
        let args = GemvArgs {
            rows,
            stride,
            n_rows,
            k: self.k,
            cols,
            col_stride: self.column_bytes(),
            dst: dst.as_ptr(),
        };
        // SAFETY: the caller's promise.
        unsafe {
            match self.path {
                Path::Codes(c, _) | Path::Rounded(c) => c.gemv[n - 1].run(self.level, args),
                Path::Floats(f) => f.gemv[n - 1].run(self.level, args),
                Path::Decoded(info) => {
                    let mut at = [std::ptr::null_mut(); MAX_DIRECT];
                    for r in 0..n_rows {
                        self.decode(info, rows.add(stride * r), scratch.cast());
                        for c in 0..n {
                            at[c] = dst[c].add(r);
                        }
                        let args = GemvArgs {
                            rows: scratch,
                            n_rows: 1,
                            dst: at.as_ptr(),
                            ..args
                        };
                        F32.gemv[n - 1].run(self.level, args);
                    }
                }
            }
        }
    }
}
