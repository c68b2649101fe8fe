//! Taking a model's tensors out of its file: an architecture asks for each by name and shape, and once all are known they get
//! their data, in place in the mapped file or read into a buffer of their own.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::backend::{
    Buffer, BufferUsage, alloc_tensors, cpu_buffer_type, host_buffer_over_map, tensor_alloc,
    tensor_set,
};
use crate::error::{Error, Result};
use crate::gguf::{SplitFile, TensorInfo};
use crate::graph::{Context, Tensor};
use crate::quant::Type;
use crate::{bail, ensure, log_warn};

/// How to load, as far as it concerns data.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub use_mmap: bool,
    /// Copy the weights to memory in huge pages, instead of using them where the file is mapped.
    pub use_thp: bool,
    pub use_mlock: bool,
    /// Refuse values that are not finite.
    pub check_tensors: bool,
    /// Leave the tensors without data.
    pub dry_run: bool,
}

/// Called with the fraction that is loaded; false cancels.
pub type Progress<'a> = &'a mut dyn FnMut(f32) -> bool;

/// Where a tensor is in the file.
#[derive(Clone, Copy)]
struct Place {
    part: usize,
    index: usize,
}

/// A tensor, and the places whose data follow each other in it.
struct Wanted {
    tensor: Tensor,
    from: Vec<Place>,
}

/// Collects the tensors that an architecture asks for.
pub struct Loader<'a> {
    file: &'a SplitFile,
    arena: Context,
    wanted: Vec<Wanted>,
    used: HashSet<String>,
}

/// The tensors of a model with their data. Dropping it makes their handles invalid.
pub struct Weights {
    /// All tensors, in the order in which they were asked for.
    pub tensors: Vec<Tensor>,
    /// Holds the tensors. Locked away, since contexts on several threads share a model.
    _arena: Mutex<Context>,
    /// Hold the data.
    _buffers: Vec<Box<Buffer>>,
}

impl<'a> Loader<'a> {
    pub fn new(file: &'a SplitFile) -> Result<Loader<'a>> {
        let n_tensors: usize = file.parts.iter().map(|p| p.tensors().len()).sum();
        Ok(Loader {
            file,
            // every tensor of the file, and the merged ones
            arena: Context::for_tensors(n_tensors + 1, 0)?,
            wanted: Vec::new(),
            used: HashSet::new(),
        })
    }

    fn tensors(&self) -> impl Iterator<Item = Tensor> + Clone + '_ {
        self.wanted.iter().map(|w| w.tensor)
    }

    fn find(&self, name: &str) -> Option<(Place, &'a TensorInfo)> {
        let mut parts = self.file.parts.iter().enumerate();
        parts.find_map(|(part, file)| {
            let index = file.find_tensor(name)?;
            Some((Place { part, index }, &file.tensors()[index]))
        })
    }

    /// A tensor that must be there with this shape.
    pub fn tensor(&mut self, name: &str, ne: &[u32]) -> Result<Tensor> {
        match self.optional(name, ne)? {
            Some(t) => Ok(t),
            None => bail!("tensor '{name}' is missing"),
        }
    }

    /// A tensor that has this shape if it is there. Asked for again, it is the same one.
    pub fn optional(&mut self, name: &str, ne: &[u32]) -> Result<Option<Tensor>> {
        let Some((place, info)) = self.find(name) else {
            return Ok(None);
        };
        check_shape(info, ne)?;
        check_type(info, ne.len())?;
        if !self.used.insert(name.to_owned()) {
            return Ok(self.arena.get_tensor(name));
        }
        let shape: Vec<i64> = ne.iter().map(|&n| n.into()).collect();
        let tensor = self.arena.new_tensor(info.ty, &shape)?.set_name(name);
        self.wanted.push(Wanted {
            tensor,
            from: vec![place],
        });
        Ok(Some(tensor))
    }

    /// The matrices `[n_in, n_out, n_expert]` of all experts: one tensor, or in old files a tensor for each.
    pub fn experts(
        &mut self,
        merged: &str,
        single: impl Fn(u32) -> String,
        ne: &[u32; 3],
    ) -> Result<Tensor> {
        if let Some(t) = self.optional(merged, ne)? {
            return Ok(t);
        }
        let mut from = Vec::new();
        let mut ty = None;
        for x in 0..ne[2] {
            let name = single(x);
            let Some((place, info)) = self.find(&name) else {
                bail!("tensor '{merged}' is missing, and so is '{name}'");
            };
            check_shape(info, &ne[..2])?;
            check_type(info, 2)?;
            ensure!(
                *ty.get_or_insert(info.ty) == info.ty,
                "tensor '{name}' has another type than the other experts"
            );
            self.used.insert(name);
            from.push(place);
        }
        let Some(ty) = ty else {
            bail!("tensor '{merged}' has no experts");
        };
        let shape = ne.map(i64::from);
        let tensor = self.arena.new_tensor(ty, &shape)?.set_name(merged);
        self.wanted.push(Wanted { tensor, from });
        Ok(tensor)
    }

    /// Fails if the file has tensors that nobody asked for: the architecture would not be the model's.
    fn check_all_used(&self) -> Result<()> {
        let all = self.file.parts.iter().flat_map(|p| p.tensors());
        let unused: Vec<&str> = all
            .map(|t| &*t.name)
            .filter(|name| !self.used.contains(*name))
            .collect();
        ensure!(
            unused.is_empty(),
            "{} tensors of the file are not part of the architecture, among them '{}'",
            unused.len(),
            unused[0]
        );
        Ok(())
    }

    /// Gives the tensors their data. `None` if `progress` cancels.
    pub fn finish(self, options: Options, progress: Progress) -> Result<Option<Weights>> {
        self.check_all_used()?;
        if options.check_tensors {
            self.check_values()?;
        }
        let mut buffers = Vec::new();
        if !options.dry_run {
            if options.use_mmap && !options.use_thp {
                self.place_in_maps(&mut buffers)?;
            }
            buffers.extend(alloc_tensors(self.tensors(), cpu_buffer_type())?);
            if !self.read(progress)? {
                return Ok(None);
            }
        } else if !progress(1.0) {
            return Ok(None);
        }
        for buffer in &buffers {
            buffer.set_usage(BufferUsage::Weights);
            if options.use_mlock
                && let Err(e) = buffer.memory().lock()
            {
                log_warn!("cannot lock {} bytes of weights in RAM: {e}", buffer.size());
            }
        }
        Ok(Some(Weights {
            tensors: self.tensors().collect(),
            _arena: Mutex::new(self.arena),
            _buffers: buffers,
        }))
    }

    /// Points the tensors that are in one piece into the mapped file.
    fn place_in_maps(&self, buffers: &mut Vec<Box<Buffer>>) -> Result<()> {
        let first = buffers.len();
        for part in &self.file.parts {
            buffers.push(host_buffer_over_map(part.map().clone())?);
        }
        for w in &self.wanted {
            if let [place] = w.from[..] {
                let buffer = &buffers[first + place.part];
                let offset = self.file.parts[place.part].tensor_offset(place.index);
                tensor_alloc(buffer, w.tensor, buffer.base().wrapping_add(offset))?;
            }
        }
        Ok(())
    }

    /// Copies the data of tensors that are not in the mapped file. False if `progress` cancels.
    fn read(&self, progress: Progress) -> Result<bool> {
        let total: usize = self.tensors().map(Tensor::nbytes).sum();
        let mut done = 0;
        for w in &self.wanted {
            if !progress(done as f32 / total.max(1) as f32) {
                return Ok(false);
            }
            let mut offset = 0;
            for place in &w.from {
                let data = self.data(*place);
                if w.tensor.data().cast_const().cast::<u8>() != data.as_ptr() {
                    tensor_set(w.tensor, data, offset)?;
                }
                offset += data.len();
            }
            done += w.tensor.nbytes();
        }
        Ok(progress(1.0))
    }

    fn data(&self, place: Place) -> &'a [u8] {
        self.file.parts[place.part].tensor_data(place.index)
    }

    /// Fails if a value of any tensor is not finite.
    fn check_values(&self) -> Result<()> {
        let place = |p: &Place| {
            let info = &self.file.parts[p.part].tensors()[p.index];
            (info, self.data(*p))
        };
        let places = self.wanted.iter().flat_map(|w| &w.from);
        let all: Vec<_> = places.map(place).collect();
        let next = AtomicUsize::new(0);
        let worker = || -> Result<()> {
            while let Some((info, data)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                check_finite(info, data)?;
            }
            Ok(())
        };
        let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..n_threads).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().try_for_each(|w| match w.join() {
                Ok(result) => result,
                Err(_) => Err(Error("checking the tensors failed".into())),
            })
        })
    }
}

fn check_shape(info: &TensorInfo, ne: &[u32]) -> Result<()> {
    let fits = (0..info.ne.len()).all(|i| info.ne[i] == ne.get(i).map_or(1, |&n| n.into()));
    ensure!(
        fits,
        "tensor '{}' has the wrong shape: expected {ne:?}, found {:?}",
        info.name,
        &info.ne[..info.n_dims]
    );
    Ok(())
}

/// Matrices may be quantized; vectors (norms, biases, factors) are added and multiplied as F32.
fn check_type(info: &TensorInfo, n_dims: usize) -> Result<()> {
    let quantized = info.ty.info().is_some_and(|i| i.quantized);
    let plain = info.ty.info().and_then(|i| i.plain);
    let is_float = matches!(plain.unwrap_or(info.ty), Type::F32 | Type::F16 | Type::Bf16);
    let (fits, wanted) = match n_dims {
        1 => (info.ty == Type::F32, "f32"),
        _ => (is_float || quantized, "f32, f16, bf16 or quantized"),
    };
    ensure!(
        fits,
        "tensor '{}' is {}, but must be {wanted}",
        info.name,
        info.ty.name()
    );
    Ok(())
}

fn check_finite(info: &TensorInfo, data: &[u8]) -> Result<()> {
    let Some(ty) = info.ty.info() else {
        bail!("tensor '{}' is of a type that is not supported", info.name);
    };
    let n = info.ne[0] as usize;
    let mut values = vec![0.0; ty.rows * n];
    for (i, rows) in data.chunks_exact(ty.group_size(n).max(1)).enumerate() {
        (ty.decode)(rows, &mut values);
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            bail!(
                "tensor '{}' has invalid values in row {}",
                info.name,
                i * ty.rows + at / n
            );
        }
    }
    Ok(())
}
