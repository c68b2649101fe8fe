//! What is done to the data of one tensor: conversion to another type, interleaving of rows. A few rows at a time on each thread.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::gguf::TensorInfo;
use crate::quant::{Interleaved, Type, TypeInfo};
use crate::{bail, ensure};

/// Values per piece of work: a few rows, so that threads share a tensor evenly and their floats stay in cache.
const CHUNK: usize = 32 * 512;

/// Calls `work(first row, rows)` for pieces of the rows in `out`, which are `row` bytes long and come in groups of `group`.
/// Each thread has a `state` of its own.
fn in_pieces<S>(
    out: &mut [u8],
    (row, n_per_row, group): (usize, usize, usize),
    n_threads: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, &mut [u8]) -> Result<()> + Sync,
) -> Result<()> {
    let rows_at_once = CHUNK.div_ceil(n_per_row).next_multiple_of(group);
    let pieces: Vec<Mutex<Option<&mut [u8]>>> = out
        .chunks_mut(rows_at_once * row)
        .map(|piece| Mutex::new(Some(piece)))
        .collect();
    let next = AtomicUsize::new(0);
    let run = || -> Result<()> {
        let mut state = state();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = pieces.get(i) else {
                return Ok(());
            };
            if let Some(piece) = piece.lock().unwrap_or_else(PoisonError::into_inner).take() {
                work(&mut state, i * rows_at_once, piece)?;
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (1..n_threads.min(pieces.len()))
            .map(|_| scope.spawn(run))
            .collect();
        let mut result = run();
        for worker in workers {
            let other = worker
                .join()
                .unwrap_or_else(|_| Err(Error("a worker failed".into())));
            result = result.and(other);
        }
        result
    })
}

/// Where the first infinity or NaN is. (All of a run are looked at, in the form that becomes vector instructions.)
fn first_not_finite(values: &[f32]) -> Option<usize> {
    const RUN: usize = 256;
    let exponent = f32::INFINITY.to_bits();
    let run = values.chunks(RUN).position(|run| {
        let mut found = 0;
        for v in run {
            found |= u32::from(v.to_bits() & exponent == exponent);
        }
        found != 0
    })?;
    let at = values[run * RUN..].iter().position(|v| !v.is_finite())?;
    Some(run * RUN + at)
}

/// Converts the rows of a tensor to another type. `weights` has a row per matrix (expert), or one for all.
pub fn convert(
    info: &TensorInfo,
    data: &[u8],
    weights: Option<&[f32]>,
    ty: Type,
    out: &mut [u8],
    n_threads: usize,
) -> Result<()> {
    let (Some(from), Some(to)) = (info.ty.info(), ty.info()) else {
        bail!(
            "tensor '{}': no conversion from {:?} to {ty:?}",
            info.name,
            info.ty
        );
    };
    let Some(encode) = to.encode else {
        bail!(
            "tensor '{}': this build cannot write type {ty:?}",
            info.name
        );
    };
    let n = info.ne[0] as usize;
    let rows_per_expert = info.ne[1] as usize;
    // Rows are interleaved by powers of two, so this is a multiple of both.
    let group = from.rows.max(to.rows);
    ensure!(
        rows_per_expert.is_multiple_of(group),
        "tensor '{}': {rows_per_expert} rows are not groups of {group}",
        info.name
    );
    let in_row = from.row_size(n);
    let shape = (to.row_size(n), n, group);
    let values = || vec![0f32; group * n];
    in_pieces(out, shape, n_threads, values, |values, first, piece| {
        for (k, out) in piece.chunks_exact_mut(group * shape.0).enumerate() {
            let row = first + k * group;
            let encoded = data[row * in_row..][..group * in_row].chunks_exact(from.rows * in_row);
            for (encoded, values) in encoded.zip(values.chunks_exact_mut(from.rows * n)) {
                (from.decode)(encoded, values);
            }
            if let Some(at) = first_not_finite(values) {
                bail!(
                    "tensor '{}': the value {} at column {} of row {} is not finite",
                    info.name,
                    values[at],
                    at % n,
                    row + at / n
                );
            }
            let weights = weights.map(|w| &w[row / rows_per_expert * n % w.len()..][..n]);
            let rows = values.chunks_exact(to.rows * n);
            for (values, out) in rows.zip(out.chunks_exact_mut(to.rows * shape.0)) {
                encode(values, weights, out);
                ensure!(
                    (to.valid)(out),
                    "tensor '{}': row {row} does not fit type {}",
                    info.name,
                    to.name
                );
            }
        }
        Ok(())
    })
}

/// The sum of squares of each column of a tensor: the same for any number of threads.
pub fn square_sums(info: &TensorInfo, data: &[u8], n_threads: usize) -> Option<Vec<f64>> {
    const PARTS: usize = 64;
    let ty = info.ty.info()?;
    let n = info.ne[0] as usize;
    let size = ty.group_size(n).max(1);
    let share = (data.len() / size).div_ceil(PARTS).max(1);
    let parts: Vec<&[u8]> = data.chunks(share * size).collect();
    let sums = Mutex::new(vec![Vec::new(); parts.len()]);
    let next = AtomicUsize::new(0);
    let run = || {
        let mut values = vec![0f32; ty.rows * n];
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = parts.get(i) else {
                return;
            };
            let mut squares = vec![0f64; n];
            for group in part.chunks_exact(size) {
                (ty.decode)(group, &mut values);
                for row in values.chunks_exact(n) {
                    for (sum, v) in squares.iter_mut().zip(row) {
                        *sum += f64::from(*v) * f64::from(*v);
                    }
                }
            }
            sums.lock().unwrap_or_else(PoisonError::into_inner)[i] = squares;
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..n_threads.min(parts.len()) {
            scope.spawn(run);
        }
        run();
    });
    let sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    sums.into_iter().reduce(|mut total, part| {
        total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
        total
    })
}

/// Fails if data that is kept as it is holds what is not a number: in scales, for quantized types.
pub fn check(info: &TensorInfo, data: &[u8], n_threads: usize) -> Result<()> {
    let Some(ty) = info.ty.info() else {
        return Ok(());
    };
    let n = info.ne[0] as usize;
    let size = ty.group_size(n).max(1);
    let groups = data.len() / size;
    let part = &|first: usize, data: &[u8]| -> Result<()> {
        let mut values = vec![0f32; if ty.quantized { 0 } else { ty.rows * n }];
        for (i, group) in data.chunks_exact(size).enumerate() {
            let row = (first + i) * ty.rows;
            if ty.quantized {
                ensure!(
                    (ty.valid)(group),
                    "tensor '{}': a scale in row {row} is not finite",
                    info.name
                );
                continue;
            }
            (ty.decode)(group, &mut values);
            if let Some(at) = first_not_finite(&values) {
                bail!(
                    "tensor '{}': the value {} at column {} of row {} is not finite",
                    info.name,
                    values[at],
                    at % n,
                    row + at / n
                );
            }
        }
        Ok(())
    };
    let share = groups.div_ceil(n_threads.max(1)).max(1);
    std::thread::scope(|scope| {
        let parts = data.chunks(share * size).enumerate();
        let workers: Vec<_> = parts
            .map(|(i, data)| scope.spawn(move || part(i * share, data)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(Error("a worker failed".into())))
        })
    })
}

/// How the rows of a type are interleaved, if that only moves them: the interleaved type's rows may lack the end of the metadata.
fn repacking(from: &TypeInfo) -> Option<&'static Interleaved> {
    let to = (from.repacked?.info()?.interleaved)()?;
    let same = from.block == to.plain.block && from.block_bytes == to.plain.block_bytes;
    (same && from.row_meta >= to.plain.row_meta).then_some(to)
}

/// The type of a tensor with its rows interleaved, if they can be: not those of token embeddings, which are read one by one.
pub fn repacked_type(info: &TensorInfo) -> Option<Type> {
    let to = repacking(info.ty.info()?)?;
    let groups = (info.ne[1] as usize).is_multiple_of(to.rows);
    (groups && &*info.name != "token_embd.weight").then_some(to.ty)
}

/// Interleaves the rows of a tensor, as [`repacked_type`] says.
pub fn repack(
    info: &TensorInfo,
    data: &[u8],
    ty: Type,
    out: &mut [u8],
    n_threads: usize,
) -> Result<()> {
    let from = info.ty.info();
    let (Some(from), Some(to)) = (from, from.and_then(repacking)) else {
        bail!(
            "tensor '{}': {:?} is not repacked to {ty:?}",
            info.name,
            info.ty
        );
    };
    let n = info.ne[0] as usize;
    let (in_row, out_row) = (from.row_size(n), to.plain.row_size(n));
    let meta = to.plain.row_meta;
    let group = || vec![0; to.rows * out_row];
    let shape = (out_row, n, to.rows);
    in_pieces(out, shape, n_threads, group, |group, first, piece| {
        for (k, out) in piece.chunks_exact_mut(to.rows * out_row).enumerate() {
            let rows = data[(first + k * to.rows) * in_row..].chunks_exact(in_row);
            for (row, plain) in rows.zip(group.chunks_exact_mut(out_row)) {
                plain[..meta].copy_from_slice(&row[..meta]);
                plain[meta..].copy_from_slice(&row[from.row_meta..]);
            }
            to.pack(group, out);
        }
        Ok(())
    })
}
