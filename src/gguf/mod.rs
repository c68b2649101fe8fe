//! The GGUF file format: read (mapped, bounds-checked), write, split.
//!
//! [`File`] is a mapped file, [`Header`] what stands in front of its tensor data: [`Metadata`] and [`TensorInfo`]s.
//! [`Writer`] makes files. What the keys mean is the business of the `llama` room; nothing here knows a model.

mod file;
mod header;
mod metadata;
mod overrides;
mod split;
mod text;
mod value;
mod write;

pub use file::{File, check_ranges, map};
pub use header::{Header, TensorInfo, encode};
pub use metadata::{FromValue, Metadata};
pub use overrides::{Override, OverrideValue};
pub use split::{SplitFile, split_path, split_prefix};
pub use text::{Name, Strings, Text};
pub use value::{Array, Element, Value, ValueType};
pub use write::{FileBeside, Writer, assign_offsets};

/// The first four bytes of every file.
pub const MAGIC: [u8; 4] = *b"GGUF";
/// The version that [`Writer`] writes.
pub const VERSION: u32 = 3;
/// Alignment of the tensor data when `general.alignment` does not say otherwise.
pub const DEFAULT_ALIGNMENT: usize = 32;
/// The key of the alignment.
pub const KEY_ALIGNMENT: &str = "general.alignment";

#[cfg(test)]
mod tests;
