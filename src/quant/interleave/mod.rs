//! Row-interleaved types (`_r4`, `_r8`, `_r16`): blocks of several rows in one, so that a kernel loads what it needs of all
//! of them together. Such a type is a plain type with its bits in another order, so that is all this folder says of it:
//!
//! * `engine`: packing, unpacking and decoding, for any order of bits.
//! * `layouts`: where each field of a plain block goes, type by type.
//! * `rows`: the plain rows of the few types that exist only interleaved.
//! * `types`: the types.
//!
//! In these types the unit is a *group*: as many rows as the type interleaves. A group of rows takes as many bytes as its
//! plain rows; metadata in front of the rows come first, then the blocks.

mod engine;
mod layouts;
mod rows;
pub mod types;

pub use engine::Interleaved;
