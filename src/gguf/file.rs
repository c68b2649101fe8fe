//! A GGUF file mapped into memory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use super::header::{Header, TensorInfo};
use super::metadata::Metadata;
use super::text::Name;
use crate::ensure;
use crate::error::{Error, Result};

/// A file, mapped for reading and checked: every tensor's data lies inside it.
pub struct File {
    path: PathBuf,
    map: Arc<Mmap>,
    header: Header,
    index: HashMap<Name, usize>,
}

impl File {
    /// Maps and checks a file.
    pub fn open(path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        open(path).map_err(|e| Error(format!("{}: {e}", path.display())))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole file. Whoever uses tensor data in place keeps a clone.
    pub fn map(&self) -> &Arc<Mmap> {
        &self.map
    }

    pub fn version(&self) -> u32 {
        self.header.version
    }

    pub fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.header.metadata
    }

    pub fn alignment(&self) -> usize {
        self.header.alignment
    }

    /// Where the data section begins in the file.
    pub fn data_offset(&self) -> usize {
        self.header.data_offset
    }

    /// The tensors in the order of the file.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.header.tensors
    }

    /// The position of a tensor.
    pub fn find_tensor(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Where the data of the `i`-th tensor begins in the file.
    pub fn tensor_offset(&self, i: usize) -> usize {
        self.header.data_offset + self.header.tensors[i].offset
    }

    /// The data of the `i`-th tensor.
    pub fn tensor_data(&self, i: usize) -> &[u8] {
        &self.map[self.tensor_offset(i)..][..self.header.tensors[i].size]
    }
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File").field("path", &self.path).finish()
    }
}

fn open(path: &Path) -> Result<File> {
    let map = map(path)?;
    let header = Header::decode(&map)?;
    check_ranges(&header, map.len())?;
    let index = header.index();
    Ok(File {
        path: path.to_owned(),
        map: Arc::new(map),
        header,
        index,
    })
}

/// Maps a file for reading.
pub fn map(path: &Path) -> Result<Mmap> {
    let file = std::fs::File::open(path)?;
    ensure!(file.metadata()?.is_file(), "not a regular file");
    // SAFETY: the map is read-only and only handed out as bytes. That nobody shrinks the file while it is mapped is the
    // user's promise, as with every program that maps model files.
    Ok(unsafe { Mmap::map(&file) }?)
}

/// Checks that the data of every tensor lies in a file of this size.
pub fn check_ranges(header: &Header, file_size: usize) -> Result<()> {
    for t in &header.tensors {
        let end = header
            .data_offset
            .checked_add(t.offset)
            .and_then(|start| start.checked_add(t.size));
        ensure!(
            end.is_some_and(|end| end <= file_size),
            "the data of tensor '{}' ({} bytes at {} behind {}) lies outside the file of {file_size} bytes; the file is corrupted or incomplete",
            t.name,
            t.size,
            t.offset,
            header.data_offset
        );
    }
    Ok(())
}
