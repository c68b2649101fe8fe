//! Writing files.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::header::{TensorInfo, encode};
use super::metadata::Metadata;
use super::value::Value;
use super::{DEFAULT_ALIGNMENT, KEY_ALIGNMENT, VERSION};
use crate::error::{Error, Result};
use crate::{bail, ensure};

/// A file that is written beside its destination and takes its name when it is complete. Dropped earlier, it leaves nothing behind.
pub struct FileBeside {
    path: PathBuf,
    temporary: PathBuf,
    /// `None` once the file is complete.
    out: Option<BufWriter<fs::File>>,
}

impl FileBeside {
    pub fn create(path: impl AsRef<Path>) -> Result<FileBeside> {
        let path = path.as_ref();
        let temporary = temporary_beside(path)?;
        let file = fs::File::create_new(&temporary)
            .map_err(|e| Error(format!("cannot create {}: {e}", temporary.display())))?;
        Ok(FileBeside {
            path: path.to_owned(),
            temporary,
            out: Some(BufWriter::with_capacity(1 << 20, file)),
        })
    }

    /// The path of the destination.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.out {
            Some(out) => out
                .write_all(bytes)
                .map_err(|e| Error(format!("cannot write {}: {e}", self.temporary.display()))),
            None => Ok(()),
        }
    }

    /// Completes the file and gives it its name.
    pub fn finish(mut self) -> Result<()> {
        let path = self.path.display();
        let finished = match &mut self.out {
            Some(out) => out
                .flush()
                .and_then(|()| fs::rename(&self.temporary, &self.path)),
            None => Ok(()),
        };
        finished.map_err(|e| Error(format!("cannot write {path}: {e}")))?;
        self.out = None;
        Ok(())
    }
}

impl Drop for FileBeside {
    fn drop(&mut self) {
        if self.out.take().is_some() {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a model file: header at once, then the data of the tensors piece by piece in their order. The file appears under its
/// name when it is complete, see [`FileBeside`].
pub struct Writer {
    out: FileBeside,
    tensors: Vec<TensorInfo>,
    alignment: usize,
    /// The tensor that is being written, and how many of its bytes have been.
    current: usize,
    written: usize,
}

impl Writer {
    /// Begins a file with these keys and tensors. Offsets of the tensors are assigned here: one after the other, aligned as
    /// `general.alignment` says.
    pub fn create(
        path: impl AsRef<Path>,
        metadata: &Metadata,
        mut tensors: Vec<TensorInfo>,
    ) -> Result<Writer> {
        let alignment = match metadata.value(KEY_ALIGNMENT) {
            Some(&Value::U32(a)) if a.is_power_of_two() && a >= 8 => a as usize,
            None => DEFAULT_ALIGNMENT,
            Some(v) => bail!("{KEY_ALIGNMENT} = {v:?} is not a power of two of type u32"),
        };
        assign_offsets(&mut tensors, alignment)?;
        let mut out = FileBeside::create(path)?;
        out.write(&encode(VERSION, metadata, tensors.iter(), alignment))?;
        Ok(Writer {
            out,
            tensors,
            alignment,
            current: 0,
            written: 0,
        })
    }

    /// The tensors with their offsets.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Appends to the data of the current tensor, and moves on to the next when it has all its bytes.
    pub fn write(&mut self, data: &[u8]) -> Result<()> {
        let path = self.out.path().display();
        let Some(tensor) = self.tensors.get(self.current) else {
            bail!("{path}: data behind the last tensor");
        };
        let size = tensor.size;
        ensure!(
            data.len() <= size - self.written,
            "{path}: too much data for tensor '{}': {} bytes, {} missing",
            tensor.name,
            data.len(),
            size - self.written
        );
        self.out.write(data)?;
        self.written += data.len();
        if self.written == size {
            let padding = size.next_multiple_of(self.alignment) - size;
            self.out.write(&vec![0; padding])?;
            self.current += 1;
            self.written = 0;
        }
        Ok(())
    }

    /// Completes the file and gives it its name.
    pub fn finish(self) -> Result<()> {
        if let Some(tensor) = self.tensors.get(self.current) {
            bail!(
                "{}: the data of tensor '{}' is incomplete",
                self.out.path().display(),
                tensor.name
            );
        }
        self.out.finish()
    }
}

/// Lays the tensors out one after the other.
pub fn assign_offsets(tensors: &mut [TensorInfo], alignment: usize) -> Result<()> {
    let mut offset = 0;
    for tensor in tensors {
        tensor.offset = offset;
        offset = tensor.padded_end(alignment)?;
    }
    Ok(())
}

/// A name in the same directory that nothing has yet, so that renaming stays on one file system.
fn temporary_beside(path: &Path) -> Result<PathBuf> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let Some(name) = path.file_name() else {
        bail!("{} is not the path of a file", path.display());
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(
        ".{}-{}.tmp",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    ));
    Ok(path.with_file_name(temporary))
}
