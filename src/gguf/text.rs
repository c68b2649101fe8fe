//! Byte strings as the format has them. All of them carry a terminating null byte behind their content, so that the C
//! boundary can hand out pointers into them.

use std::ffi::{CStr, c_char};
use std::fmt;

/// A string value: any bytes, UTF-8 or not.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Text(Box<[u8]>);

impl Text {
    pub fn new(bytes: &[u8]) -> Text {
        Text(terminated(bytes))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0[..self.0.len() - 1]
    }

    /// The content up to its first null byte, as C sees it.
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    /// The string if it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.as_bytes()), f)
    }
}

/// A key or the name of a tensor: UTF-8 without null bytes. Dereferences to `str`.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(Box<str>);

impl Name {
    /// `None` if the bytes are not UTF-8 or contain a null.
    pub fn new(bytes: &[u8]) -> Option<Name> {
        if bytes.contains(&0) {
            return None;
        }
        let mut text = String::with_capacity(bytes.len() + 1);
        text.push_str(std::str::from_utf8(bytes).ok()?);
        text.push('\0');
        Some(Name(text.into()))
    }

    pub fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}

impl std::ops::Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0[..self.0.len() - 1]
    }
}

// A name hashes as the string it is, so that maps keyed by names are searched by strings.
impl std::hash::Hash for Name {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// An array of strings in one allocation: vocabularies have hundreds of thousands of them.
#[derive(Clone, Default, PartialEq)]
pub struct Strings {
    bytes: Vec<u8>,
    /// Where each string ends (at its null byte); the next begins one later.
    ends: Vec<usize>,
}

impl Strings {
    pub fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        self.bytes.push(0);
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn terminated(&self, i: usize) -> Option<&[u8]> {
        let end = *self.ends.get(i)?;
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before] + 1);
        Some(&self.bytes[start..=end])
    }

    pub fn get(&self, i: usize) -> Option<&[u8]> {
        self.terminated(i).map(|s| &s[..s.len() - 1])
    }

    /// The string up to its first null byte, as C sees it.
    pub fn get_c_str(&self, i: usize) -> Option<&CStr> {
        CStr::from_bytes_until_nul(self.terminated(i)?).ok()
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.get(i).unwrap_or_default())
    }
}

impl fmt::Debug for Strings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(String::from_utf8_lossy))
            .finish()
    }
}

impl<'a> FromIterator<&'a [u8]> for Strings {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(texts: I) -> Strings {
        let mut all = Strings::default();
        for text in texts {
            all.push(text);
        }
        all
    }
}

fn terminated(bytes: &[u8]) -> Box<[u8]> {
    let mut owned = Vec::with_capacity(bytes.len() + 1);
    owned.extend_from_slice(bytes);
    owned.push(0);
    owned.into()
}
