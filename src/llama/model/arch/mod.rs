//! Architectures, a page each: the metadata keys beyond the common ones, the tensors, the graph. A new one is a file
//! here, made of the blocks next door, and a line in [`ALL`].

mod llama;

use super::build::Builder;
use super::hparams::{Hparams, Keys};
use super::load::Loader;
use crate::bail;
use crate::error::Result;
use crate::graph::Tensor;
use crate::llama::params::RopeType;

/// What there is to know of an architecture before a model is loaded.
pub struct Page {
    /// `general.architecture` in the file.
    pub name: &'static str,
    pub rope_type: RopeType,
    /// Completes the hyper-parameters.
    pub hparams: fn(&Keys, &mut Hparams) -> Result<()>,
    /// The size for people, as `7B`.
    pub size: fn(&Hparams) -> &'static str,
    /// Takes the tensors out of the file.
    pub load: fn(&mut Loader, &Hparams) -> Result<Box<dyn Architecture>>,
}

/// The tensors of a model, and the graph that computes it.
pub trait Architecture: Send + Sync {
    /// Adds the nodes from the batch's tokens to the logits or embeddings.
    fn build(&self, b: &mut Builder) -> Result<()>;
    /// Divisors of the rotation's frequencies in a layer.
    fn rope_factors(&self, il: usize) -> Option<Tensor>;
}

/// Stands for architectures that have no page: of their models only the vocabulary can be loaded.
pub const UNKNOWN: Page = Page {
    name: "unknown",
    rope_type: RopeType::None,
    hparams: |_, _| Ok(()),
    size: |_| "?B",
    load: |_, _| bail!("an unknown architecture has no tensors"),
};

const ALL: &[Page] = &[llama::PAGE];

/// The page of an architecture.
pub fn find(name: &str) -> Option<&'static Page> {
    ALL.iter().find(|p| p.name == name)
}
