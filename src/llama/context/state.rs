//! Saving and restoring what a context holds: random numbers, outputs, and the KV cache, whole or of one sequence. The format
//! is that of the ABI level, so that saved states carry over.

use std::io::Write;
use std::path::Path;

use super::Context;
use super::cells::{Cells, SeqSet};
use super::kv::Cache;
use crate::backend::{tensor_get, tensor_set};
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::llama::model::hparams::Hparams;
use crate::llama::params::{llama_pos, llama_seq_id, llama_token};
use crate::llama::sampling::Mt19937;
use crate::{bail, ensure};

/// What a session file begins with, and its version (`LLAMA_SESSION_MAGIC`, "ggsn").
const SESSION: [u32; 2] = [0x6767_736e, 9];
/// The same of the file of one sequence (`LLAMA_STATE_SEQ_MAGIC`, "ggsq").
const SEQUENCE: [u32; 2] = [0x6767_7371, 3];

/// The keys and values are left out of a sequence's state (`LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY`).
pub const PARTIAL_ONLY: u32 = 1;

/// Takes a state's bytes.
trait Out {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()>;
    fn tensor(&mut self, t: Tensor, offset: usize, size: usize) -> Result<()>;

    fn u32(&mut self, n: u32) -> Result<()> {
        self.bytes(&n.to_le_bytes())
    }
    fn i32(&mut self, n: i32) -> Result<()> {
        self.bytes(&n.to_le_bytes())
    }
    fn u64(&mut self, n: u64) -> Result<()> {
        self.bytes(&n.to_le_bytes())
    }
    fn str(&mut self, s: &str) -> Result<()> {
        self.u32(s.len() as u32)?;
        self.bytes(s.as_bytes())
    }
}

/// Only counts.
struct Count(usize);

impl Out for Count {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.0 += bytes.len();
        Ok(())
    }
    fn tensor(&mut self, _: Tensor, _: usize, size: usize) -> Result<()> {
        self.0 += size;
        Ok(())
    }
}

/// Writes, and counts.
struct To<W> {
    out: W,
    n: usize,
    chunk: Vec<u8>,
}

/// Tensor data is copied in pieces of this many bytes.
const CHUNK: usize = 1 << 20;

impl<W: Write> To<W> {
    fn new(out: W) -> To<W> {
        To {
            out,
            n: 0,
            chunk: Vec::new(),
        }
    }
}

impl<W: Write> Out for To<W> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes)?;
        self.n += bytes.len();
        Ok(())
    }
    fn tensor(&mut self, t: Tensor, offset: usize, size: usize) -> Result<()> {
        let mut done = 0;
        while done < size {
            let n = CHUNK.min(size - done);
            let mut chunk = std::mem::take(&mut self.chunk);
            chunk.resize(n, 0);
            tensor_get(t, &mut chunk, offset + done)?;
            self.bytes(&chunk)?;
            self.chunk = chunk;
            done += n;
        }
        Ok(())
    }
}

/// A state's bytes, taken from the front.
#[derive(Clone, Copy)]
struct In<'a> {
    rest: &'a [u8],
}

impl<'a> In<'a> {
    fn bytes(&mut self, n: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(n) else {
            bail!(
                "the state ends early: {n} more bytes expected, {} left",
                self.rest.len()
            );
        };
        self.rest = rest;
        Ok(taken)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }
    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }
    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    fn str(&mut self) -> Result<&'a str> {
        let n = self.u32()? as usize;
        std::str::from_utf8(self.bytes(n)?)
            .map_err(|_| Error("a text of the state is no text".into()))
    }
    fn i32s(&mut self, n: usize) -> Result<Vec<i32>> {
        let bytes = self.bytes(n.saturating_mul(4))?;
        Ok(bytemuck::allocation::pod_collect_to_vec(bytes))
    }
    /// Floats in front of which stands how many there are.
    fn floats(&mut self) -> Result<Vec<f32>> {
        let n = usize::try_from(self.u64()?).unwrap_or(usize::MAX);
        let bytes = self.bytes(n.saturating_mul(4))?;
        Ok(bytemuck::allocation::pod_collect_to_vec(bytes))
    }
    fn expect<T: PartialEq + std::fmt::Display>(what: &str, found: T, here: T) -> Result<()> {
        ensure!(
            found == here,
            "{what} is {found} in the state, but {here} here"
        );
        Ok(())
    }
}

/// Runs of cells that belong to the sequence, or of all cells in use.
fn runs(cells: &Cells, seq: Option<llama_seq_id>) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (i, cell) in cells.cells().iter().enumerate() {
        if seq.map_or(!cell.is_free(), |id| cell.seqs.contains(id)) {
            match runs.last_mut() {
                Some((start, n)) if *start + *n == i => *n += 1,
                _ => runs.push((i, 1)),
            }
        }
    }
    runs
}

/// How a cell's values lie in the tensors: a piece of `size` bytes for each of `n` rows that are `stride` apart.
#[derive(Clone, Copy)]
struct Pieces {
    n: usize,
    size: usize,
    stride: usize,
}

fn k_pieces(cache: &Cache, hp: &Hparams, il: usize) -> Pieces {
    Pieces {
        n: 1,
        size: cache.k()[il].ty().row_size(hp.n_embd_k_gqa(il) as usize),
        stride: 0,
    }
}

fn v_pieces(cache: &Cache, hp: &Hparams, il: usize) -> Pieces {
    let (ty, width) = (cache.v()[il].ty(), hp.n_embd_v_gqa(il) as usize);
    if cache.v_trans() {
        let size = ty.row_size(1);
        Pieces {
            n: width,
            size,
            stride: size * cache.cells.size(),
        }
    } else {
        Pieces {
            n: 1,
            size: ty.row_size(width),
            stride: 0,
        }
    }
}

fn write_cache(
    out: &mut dyn Out,
    cache: &Cache,
    hp: &Hparams,
    seq: Option<llama_seq_id>,
    data: bool,
) -> Result<()> {
    let runs = runs(&cache.cells, seq);
    out.u32(runs.iter().map(|(_, n)| *n as u32).sum())?;
    for &(start, n) in &runs {
        for cell in &cache.cells.cells()[start..start + n] {
            out.i32(cell.pos)?;
            // the state of one sequence can be restored as any
            out.u32(if seq.is_none() {
                cell.seqs.len() as u32
            } else {
                0
            })?;
            if seq.is_none() {
                cell.seqs.iter().try_for_each(|id| out.i32(id))?;
            }
        }
    }
    out.u32(u32::from(cache.v_trans()))?;
    out.u32(hp.n_layer)?;
    let mut tensor = |t: Tensor, p: Pieces, wide: bool| -> Result<()> {
        out.i32(if data { t.ty().raw() } else { -1 })?;
        let size = if data { p.size } else { 0 };
        if wide {
            out.u32(size as u32)?;
            out.u32(if data { p.n as u32 } else { 0 })?;
        } else {
            out.u64(size as u64)?;
        }
        if !data {
            return Ok(());
        }
        for row in 0..p.n {
            for &(start, n) in &runs {
                out.tensor(t, row * p.stride + start * p.size, n * p.size)?;
            }
        }
        Ok(())
    };
    for (il, &t) in cache.k().iter().enumerate() {
        tensor(t, k_pieces(cache, hp, il), false)?;
    }
    for (il, &t) in cache.v().iter().enumerate() {
        tensor(t, v_pieces(cache, hp, il), cache.v_trans())?;
    }
    // no recurrent state
    out.u32(0)
}

/// A cache's state that has been checked: it can be taken over.
struct Checked<'a> {
    cells: Cells,
    /// The cells that it fills.
    head: usize,
    n: usize,
    /// What follows the cells.
    data: In<'a>,
}

/// Checks the state of a cache, of all of it or of one sequence, to the end; `input` is then behind it.
fn check_cache<'a>(
    input: &mut In<'a>,
    cache: &Cache,
    hp: &Hparams,
    seq: Option<llama_seq_id>,
    n_seq_max: u32,
    data: bool,
) -> Result<Checked<'a>> {
    let n = input.u32()? as usize;
    ensure!(
        n <= cache.cells.size(),
        "the state has {n} cells, but the cache only {}",
        cache.cells.size()
    );
    let mut found: Vec<(llama_pos, SeqSet)> = Vec::new();
    for _ in 0..n {
        let pos = input.i32()?;
        ensure!(pos >= 0, "a cell of the state is at position {pos}");
        let mut seqs = SeqSet::default();
        let n_seqs = input.u32()?;
        match seq {
            Some(_) => ensure!(n_seqs == 0, "this is the state of several sequences"),
            None => {
                for id in input.i32s(n_seqs as usize)? {
                    ensure!(
                        u32::try_from(id).is_ok_and(|id| id < n_seq_max),
                        "sequence {id} is not among the context's {n_seq_max}"
                    );
                    seqs.insert(id);
                }
                ensure!(
                    !seqs.is_empty(),
                    "a cell of the state belongs to no sequence"
                );
            }
        }
        if let Some(id) = seq {
            seqs.insert(id);
        }
        found.push((pos, seqs));
    }
    let mut cells = cache.cells.clone();
    let head = match seq {
        Some(id) => {
            cells.seq_rm(id, -1, -1);
            ensure!(cells.find_slot(n), "no room for {n} tokens in the KV cache");
            cells.head
        }
        None => {
            cells.clear();
            0
        }
    };
    for (i, (pos, seqs)) in found.iter().enumerate() {
        cells.occupy(head + i, *pos, seqs.iter());
    }
    let checked = Checked {
        cells,
        head,
        n,
        data: *input,
    };
    read_cache_data(input, cache, hp, (head, n), data, false)?;
    Ok(checked)
}

/// Takes a state over that was checked.
fn restore_cache(checked: Checked, cache: &mut Cache, hp: &Hparams, data: bool) -> Result<()> {
    let Checked {
        cells,
        head,
        n,
        data: mut input,
    } = checked;
    cache.do_defrag = false;
    cache.cells = cells;
    read_cache_data(&mut input, cache, hp, (head, n), data, true)
}

/// Reads what follows the cells, and stores it if `store` says so.
fn read_cache_data(
    input: &mut In,
    cache: &Cache,
    hp: &Hparams,
    (head, n): (usize, usize),
    data: bool,
    store: bool,
) -> Result<()> {
    let transposed = input.u32()?;
    In::expect(
        "the transposition of values",
        transposed,
        u32::from(cache.v_trans()),
    )?;
    let n_layer = input.u32()?;
    In::expect("the number of layers", n_layer, hp.n_layer)?;
    let mut tensor = |t: Tensor, p: Pieces, wide: bool| -> Result<()> {
        let ty = input.i32()?;
        In::expect(
            "the type of the cache",
            ty,
            if data { t.ty().raw() } else { -1 },
        )?;
        let (size, rows) = if wide {
            (u64::from(input.u32()?), input.u32()? as usize)
        } else {
            (input.u64()?, 1)
        };
        if !data {
            return Ok(());
        }
        In::expect("the size of a cell", size, p.size as u64)?;
        In::expect("the number of rows", rows, p.n)?;
        for row in 0..p.n {
            let bytes = input.bytes(n * p.size)?;
            if n > 0 && store {
                tensor_set(t, bytes, row * p.stride + head * p.size)?;
            }
        }
        Ok(())
    };
    for (il, &t) in cache.k().iter().enumerate() {
        tensor(t, k_pieces(cache, hp, il), false)?;
    }
    for (il, &t) in cache.v().iter().enumerate() {
        tensor(t, v_pieces(cache, hp, il), cache.v_trans())?;
    }
    ensure!(
        input.u32()? == 0,
        "the state is of a model with recurrent layers"
    );
    Ok(())
}

/// Writes what both kinds of files begin with.
fn write_head(out: &mut dyn Out, kind: [u32; 2], tokens: &[llama_token]) -> Result<()> {
    kind.iter().try_for_each(|&n| out.u32(n))?;
    out.u32(u32::try_from(tokens.len()).map_err(|_| Error("too many tokens".into()))?)?;
    tokens.iter().try_for_each(|&t| out.i32(t))
}

fn read_head(input: &mut In, kind: [u32; 2], capacity: usize) -> Result<Vec<llama_token>> {
    let (magic, version) = (input.u32()?, input.u32()?);
    ensure!(
        [magic, version] == kind,
        "not such a file: it begins with {magic:08x}, version {version}"
    );
    let n = input.u32()? as usize;
    ensure!(
        n <= capacity,
        "the file has {n} tokens, more than {capacity}"
    );
    input.i32s(n)
}

/// Writes a file beside `path` first, so that an older one stays until the new one is whole. Returns the file's size.
fn write_file(path: &Path, write: impl FnOnce(&mut dyn Out) -> Result<()>) -> Result<usize> {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = Path::new(&part);
    let make = || -> Result<usize> {
        let mut out = To::new(std::io::BufWriter::new(std::fs::File::create(part)?));
        write(&mut out)?;
        out.out.flush()?;
        std::fs::rename(part, path)?;
        Ok(out.n)
    };
    make().inspect_err(|_| {
        // there may be none, and the error to report is the first
        let _ = std::fs::remove_file(part);
    })
}

impl Context {
    fn cache(&self) -> Result<&Cache> {
        let runner = self.runner.as_ref().map(|r| &r.cache);
        runner.ok_or_else(|| Error("only the vocabulary of this model is loaded".into()))
    }

    fn write_state(&self, out: &mut dyn Out) -> Result<()> {
        let cache = self.cache()?;
        out.str(self.model.page.name)?;
        out.str(&self.sampler.rng.to_text())?;
        let tokens = self.output.tokens();
        out.u32(tokens.len() as u32)?;
        tokens.iter().try_for_each(|&t| out.i32(t))?;
        for rows in [&self.output.logits, &self.output.embd] {
            let values = rows.values();
            out.u64(values.len() as u64)?;
            out.bytes(bytemuck::cast_slice(values))?;
        }
        write_cache(out, cache, &self.model.hparams, None, true)
    }

    /// Bytes that [`Context::save`] writes now.
    pub fn state_size(&self) -> Result<usize> {
        let mut count = Count(0);
        self.write_state(&mut count)?;
        Ok(count.0)
    }

    /// Writes the whole state; returns how many bytes. Fails if they do not fit.
    pub fn save(&self, to: &mut [u8]) -> Result<usize> {
        let mut out = To::new(to);
        self.write_state(&mut out)?;
        Ok(out.n)
    }

    /// Restores what [`Context::save`] wrote; returns how many bytes it read. On failure nothing has changed.
    pub fn restore(&mut self, from: &[u8]) -> Result<usize> {
        let mut input = In { rest: from };
        let arch = input.str()?;
        ensure!(
            arch == self.model.page.name,
            "the state is of a model of architecture '{arch}', not '{}'",
            self.model.page.name
        );
        let Some(rng) = Mt19937::from_text(input.str()?) else {
            bail!("the state of the random numbers is invalid");
        };
        let n = input.u32()? as usize;
        let tokens = input.i32s(n)?;
        let (logits, embd) = (input.floats()?, input.floats()?);
        let hp = &self.model.hparams;
        let n_seq_max = self.cp.n_seq_max;
        let checked = check_cache(&mut input, self.cache()?, hp, None, n_seq_max, true)?;
        self.output.restore(
            &tokens,
            self.cp.n_batch as usize,
            (&logits, hp.n_vocab as usize),
            (&embd, hp.n_embd as usize),
        )?;
        self.sampler.rng = rng;
        if let Some(runner) = &mut self.runner {
            restore_cache(checked, &mut runner.cache, hp, true)?;
        }
        Ok(from.len() - input.rest.len())
    }

    /// Bytes that [`Context::save_seq`] writes now.
    pub fn seq_state_size(&self, id: llama_seq_id, flags: u32) -> Result<usize> {
        let mut count = Count(0);
        self.write_seq(&mut count, id, flags)?;
        Ok(count.0)
    }

    fn write_seq(&self, out: &mut dyn Out, id: llama_seq_id, flags: u32) -> Result<()> {
        let data = flags & PARTIAL_ONLY == 0;
        write_cache(out, self.cache()?, &self.model.hparams, Some(id), data)
    }

    /// Writes the cache's cells of one sequence; returns how many bytes. Fails if they do not fit.
    pub fn save_seq(&self, to: &mut [u8], id: llama_seq_id, flags: u32) -> Result<usize> {
        let mut out = To::new(to);
        self.write_seq(&mut out, id, flags)?;
        Ok(out.n)
    }

    /// Replaces a sequence by what [`Context::save_seq`] wrote; returns how many bytes it read. On failure nothing has changed.
    pub fn restore_seq(&mut self, from: &[u8], id: llama_seq_id, flags: u32) -> Result<usize> {
        ensure!(id >= 0, "there is no sequence {id}");
        let mut input = In { rest: from };
        let (hp, n_seq_max) = (&self.model.hparams, self.cp.n_seq_max);
        let data = flags & PARTIAL_ONLY == 0;
        let checked = check_cache(&mut input, self.cache()?, hp, Some(id), n_seq_max, data)?;
        if let Some(runner) = &mut self.runner {
            restore_cache(checked, &mut runner.cache, hp, data)?;
        }
        Ok(from.len() - input.rest.len())
    }

    /// Writes the whole state and the tokens that led to it to a file.
    pub fn save_file(&self, path: &Path, tokens: &[llama_token]) -> Result<()> {
        write_file(path, |out| {
            write_head(out, SESSION, tokens)?;
            self.write_state(out)
        })?;
        Ok(())
    }

    /// Restores the whole state from a file; returns the tokens that led to it, at most `capacity`.
    pub fn restore_file(&mut self, path: &Path, capacity: usize) -> Result<Vec<llama_token>> {
        let bytes = std::fs::read(path)?;
        let mut input = In { rest: &bytes };
        let tokens = read_head(&mut input, SESSION, capacity)?;
        let n = self.restore(input.rest)?;
        ensure!(
            n == input.rest.len(),
            "{} bytes follow the state",
            input.rest.len() - n
        );
        Ok(tokens)
    }

    /// Writes one sequence and its tokens to a file; returns the file's size.
    pub fn save_seq_file(
        &self,
        path: &Path,
        id: llama_seq_id,
        tokens: &[llama_token],
    ) -> Result<usize> {
        write_file(path, |out| {
            write_head(out, SEQUENCE, tokens)?;
            self.write_seq(out, id, 0)
        })
    }

    /// Replaces a sequence by that of a file; returns its tokens and how many bytes were read.
    pub fn restore_seq_file(
        &mut self,
        path: &Path,
        id: llama_seq_id,
        capacity: usize,
    ) -> Result<(Vec<llama_token>, usize)> {
        let bytes = std::fs::read(path)?;
        let mut input = In { rest: &bytes };
        let tokens = read_head(&mut input, SEQUENCE, capacity)?;
        let n = self.restore_seq(input.rest, id, 0)?;
        Ok((tokens, bytes.len() - input.rest.len() + n))
    }
}
