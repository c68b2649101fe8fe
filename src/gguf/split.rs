//! Files in several parts: `<prefix>-00001-of-00003.gguf` and so on. The first part holds the metadata.

use std::collections::HashSet;
use std::path::Path;

use super::file::File;
use crate::error::Result;
use crate::{bail, ensure, log_info};

const KEY_NO: &str = "split.no";
const KEY_COUNT: &str = "split.count";
const KEY_TENSORS: &str = "split.tensors.count";

/// The path of part `no` (counted from 0) of `count`.
pub fn split_path(prefix: &str, no: i32, count: i32) -> String {
    format!("{prefix}-{:05}-of-{count:05}.gguf", no.wrapping_add(1))
}

/// The prefix of a part's path; `None` if the path is not that of part `no` of `count`.
pub fn split_prefix(path: &str, no: i32, count: i32) -> Option<&str> {
    path.strip_suffix(&split_path("", no, count))
        .filter(|prefix| !prefix.is_empty())
}

/// A model file with all its parts, of which there is usually one.
#[derive(Debug)]
pub struct SplitFile {
    pub parts: Vec<File>,
}

impl SplitFile {
    /// Opens a file, and if it is the first of several parts, the others.
    pub fn open(path: impl AsRef<Path>) -> Result<SplitFile> {
        let path = path.as_ref();
        let first = File::open(path)?;
        let metadata = first.metadata();
        let count = metadata.get_u32(KEY_COUNT)?.unwrap_or(0);
        if count <= 1 {
            return Ok(SplitFile { parts: vec![first] });
        }
        let no = metadata.get_u32(KEY_NO)?.unwrap_or(0);
        ensure!(
            no == 0,
            "{} is part {} of {count}: a model is loaded from its first part",
            path.display(),
            u64::from(no) + 1
        );
        // The part's number and their count are 16-bit in the format.
        ensure!(
            count <= u32::from(u16::MAX),
            "{}: {count} parts are too many",
            path.display()
        );
        let expected = metadata.get_u32(KEY_TENSORS)?;
        let Some(prefix) = path
            .to_str()
            .and_then(|p| split_prefix(p, 0, count as i32))
            .map(str::to_owned)
        else {
            bail!(
                "{} says it is the first of {count} parts, but is not named ...{}",
                path.display(),
                split_path("", 0, count as i32)
            );
        };
        let mut parts = vec![first];
        for no in 1..count {
            let part = File::open(split_path(&prefix, no as i32, count as i32))?;
            for (key, expected) in [(KEY_NO, no), (KEY_COUNT, count)] {
                let says = part.metadata().get_u32(key)?.unwrap_or(expected);
                ensure!(
                    says == expected,
                    "{}: '{key}' is {says}, not {expected}",
                    part.path().display()
                );
            }
            parts.push(part);
        }
        let file = SplitFile { parts };
        file.check_tensors(expected)?;
        log_info!("opened {prefix} in {count} parts");
        Ok(file)
    }

    /// The part with the metadata.
    pub fn first(&self) -> &File {
        &self.parts[0]
    }

    pub fn first_mut(&mut self) -> &mut File {
        &mut self.parts[0]
    }

    /// The part that has a tensor, and its position there.
    pub fn find_tensor(&self, name: &str) -> Option<(&File, usize)> {
        let mut parts = self.parts.iter();
        parts.find_map(|part| Some((part, part.find_tensor(name)?)))
    }

    fn check_tensors(&self, expected: Option<u32>) -> Result<()> {
        let mut names = HashSet::new();
        for part in &self.parts {
            for tensor in part.tensors() {
                ensure!(
                    names.insert(&*tensor.name),
                    "{}: tensor '{}' is already in another part",
                    part.path().display(),
                    tensor.name
                );
            }
        }
        if let Some(expected) = expected {
            ensure!(
                names.len() == expected as usize,
                "{}: {expected} tensors expected in all parts, found {}",
                self.first().path().display(),
                names.len()
            );
        }
        Ok(())
    }
}
