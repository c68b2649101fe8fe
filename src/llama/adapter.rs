//! What is laid over a model without changing it: LoRA adapters (arXiv 2106.09685), which add low-rank products to its
//! matrices, and control vectors, which add a direction to the outputs of its layers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::model::Model;
use crate::backend::{Buffer, BufferUsage, alloc_tensors, cpu_buffer_type, tensor_set};
use crate::error::Result;
use crate::gguf::{File, TensorInfo};
use crate::graph::{Context as Arena, Tensor};
use crate::{bail, ensure, log_info};

/// The two factors of what is added to a matrix `[n_in, n_out]` of the model.
#[derive(Clone, Copy)]
pub struct Factors {
    /// `[n_in, rank]`.
    pub a: Tensor,
    /// `[rank, n_out]`.
    pub b: Tensor,
}

/// A loaded adapter.
pub struct LoraAdapter {
    model: Arc<Model>,
    /// By the model's tensor.
    factors: HashMap<Tensor, Factors>,
    /// Divided by the rank a factor of the product; 0 for none.
    alpha: f32,
    /// Holds the tensors. Locked away, since contexts on several threads share an adapter.
    _arena: Mutex<Arena>,
    _buffer: Option<Box<Buffer>>,
}

/// What a context lays over its model.
#[derive(Default)]
pub struct Overlay {
    /// Adapters in use, and how strongly.
    pub adapters: Vec<(Arc<LoraAdapter>, f32)>,
    pub control: Option<ControlVector>,
}

impl Overlay {
    /// Nodes it adds to a graph, at most.
    pub fn n_nodes(&self) -> usize {
        let products: usize = self.adapters.iter().map(|(a, _)| a.factors.len()).sum();
        let directions = self.control.as_ref().map_or(0, |c| c.directions.len());
        4 * products + directions
    }

    /// What the adapters add to a matrix of the model: factors, and what their product is multiplied with.
    pub fn factors(&self, weight: Tensor) -> impl Iterator<Item = (Factors, f32)> + '_ {
        self.adapters
            .iter()
            .filter_map(move |(adapter, scale)| adapter.factors(weight, *scale))
    }
}

impl LoraAdapter {
    /// Reads an adapter's file: `NAME.lora_a` and `NAME.lora_b` for the model's tensor `NAME`, in any float or quantized type.
    pub fn load(model: &Arc<Model>, path: &Path) -> Result<LoraAdapter> {
        let Some(body) = &model.body else {
            bail!("only the vocabulary of the model is loaded");
        };
        let file = File::open(path)?;
        let metadata = file.metadata();
        for (key, wanted) in [
            ("general.type", "adapter"),
            ("general.architecture", model.page.name),
            ("adapter.type", "lora"),
        ] {
            let found: &str = metadata.require(key)?;
            ensure!(
                found == wanted,
                "'{key}' is '{found}', it must be '{wanted}'"
            );
        }
        let alpha = metadata.get_f32("adapter.lora.alpha")?.unwrap_or(0.0);

        let mut pairs: HashMap<&str, [Option<usize>; 2]> = HashMap::new();
        for (i, info) in file.tensors().iter().enumerate() {
            let name: &str = &info.name;
            let (base, which) = if let Some(base) = name.strip_suffix(".lora_a") {
                (base, 0)
            } else if let Some(base) = name.strip_suffix(".lora_b") {
                (base, 1)
            } else {
                bail!(
                    "tensor '{name}' is not one of an adapter: its name ends neither in .lora_a nor in .lora_b"
                );
            };
            pairs.entry(base).or_default()[which] = Some(i);
        }
        let weights: HashMap<Vec<u8>, Tensor> = body
            .weights
            .tensors
            .iter()
            .map(|t| (t.name_bytes().as_bytes().to_vec(), *t))
            .collect();

        let arena = Arena::for_tensors(file.tensors().len(), 0)?;
        let mut factors = HashMap::new();
        let mut all = Vec::new();
        for (base, pair) in &pairs {
            let [Some(a), Some(b)] = *pair else {
                bail!("tensor '{base}' has only one of its two factors");
            };
            let Some(&weight) = weights.get(base.as_bytes()) else {
                bail!("the model has no tensor '{base}'");
            };
            let (info_a, info_b) = (&file.tensors()[a], &file.tensors()[b]);
            check_shapes(weight, info_a, info_b)?;
            let mut make = |info: &TensorInfo, i| -> Result<Tensor> {
                let ne = &info.ne[..info.n_dims.max(2)];
                let t = arena.new_tensor(info.ty, ne)?.set_name(&*info.name);
                all.push((t, i));
                Ok(t)
            };
            let factor = Factors {
                a: make(info_a, a)?,
                b: make(info_b, b)?,
            };
            factors.insert(weight, factor);
        }
        let buffer = alloc_tensors(all.iter().map(|(t, _)| *t), cpu_buffer_type())?;
        if let Some(buffer) = &buffer {
            buffer.set_usage(BufferUsage::Weights);
        }
        for (t, i) in all {
            tensor_set(t, file.tensor_data(i), 0)?;
        }
        log_info!(
            "loaded {} tensors of adapter {}",
            2 * factors.len(),
            path.display()
        );
        Ok(LoraAdapter {
            model: model.clone(),
            factors,
            alpha,
            _arena: Mutex::new(arena),
            _buffer: buffer,
        })
    }

    /// The model it was loaded for.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// See [`Overlay::factors`].
    fn factors(&self, weight: Tensor, scale: f32) -> Option<(Factors, f32)> {
        let factors = *self.factors.get(&weight)?;
        let rank = factors.b.ne()[0] as f32;
        let scale = match self.alpha {
            0.0 => scale,
            alpha => scale * alpha / rank,
        };
        Some((factors, scale))
    }
}

fn check_shapes(weight: Tensor, a: &TensorInfo, b: &TensorInfo) -> Result<()> {
    let ne = weight.ne();
    let last = |info: &TensorInfo| [info.ne[2], info.ne[3]];
    ensure!(
        a.ne[0] == ne[0] && b.ne[1] == ne[1] && last(a) == last(b) && last(a) == [ne[2], ne[3]],
        "'{}' {:?} and '{}' {:?} do not fit the model's tensor, {ne:?}",
        a.name,
        a.ne,
        b.name,
        b.ne
    );
    ensure!(
        a.ne[1] == b.ne[0],
        "'{}' and '{}' are of different ranks, {} and {}; old adapters, which have lora_a transposed, are not supported",
        a.name,
        b.name,
        a.ne[1],
        b.ne[0]
    );
    ensure!(
        [a, b].iter().all(|t| t.ty.info().is_some()),
        "'{}' or '{}' is of a type that is not supported",
        a.name,
        b.name
    );
    Ok(())
}

/// Directions that are added to the outputs of layers.
pub struct ControlVector {
    /// F32 `[n_embd]`, for each layer but the first.
    directions: Vec<Tensor>,
    layers: std::ops::RangeInclusive<i32>,
    _arena: Arena,
    _buffer: Option<Box<Buffer>>,
}

impl ControlVector {
    /// `data` has `n_embd` values per layer, beginning with layer 1; layers it does not reach get none.
    pub fn new(
        data: &[f32],
        n_embd: usize,
        n_layer: usize,
        layers: std::ops::RangeInclusive<i32>,
    ) -> Result<ControlVector> {
        let rows = data.chunks_exact(n_embd).take(n_layer.saturating_sub(1));
        let arena = Arena::for_tensors(rows.len(), 0)?;
        let directions: Vec<Tensor> = rows
            .clone()
            .map(|_| arena.new_tensor_1d(crate::quant::Type::F32, n_embd as i64))
            .collect::<Result<_>>()?;
        let buffer = alloc_tensors(directions.iter().copied(), cpu_buffer_type())?;
        for (t, row) in directions.iter().zip(rows) {
            tensor_set(*t, bytemuck::cast_slice(row), 0)?;
        }
        Ok(ControlVector {
            directions,
            layers,
            _arena: arena,
            _buffer: buffer,
        })
    }

    /// The direction of a layer, if it has one and is among those chosen.
    pub fn direction(&self, il: usize) -> Option<Tensor> {
        let chosen = i32::try_from(il).is_ok_and(|il| self.layers.contains(&il));
        self.directions
            .get(il.checked_sub(1)?)
            .copied()
            .filter(|_| chosen)
    }
}
