//! Objects of C++'s standard library as callers of the reference's C++ functions see them: the layouts of libstdc++. They are only
//! for reading, and belong to the Rust values that they show.

use std::ffi::{CStr, CString, c_char};

use crate::graph::{Tensor, ggml_tensor};

/// A `std::vector`: its elements lie between the first two pointers.
#[repr(C)]
pub struct CxxVector<T> {
    begin: *const T,
    end: *const T,
    end_of_storage: *const T,
}

impl<T> CxxVector<T> {
    pub fn of(slice: &[T]) -> CxxVector<T> {
        let range = slice.as_ptr_range();
        CxxVector {
            begin: range.start,
            end: range.end,
            end_of_storage: range.end,
        }
    }
}

/// A `std::string`. Where its text is does not matter to readers.
#[repr(C)]
pub struct CxxString {
    text: *const c_char,
    len: usize,
    /// Room for short texts, or the size of the memory of long ones.
    room: [u64; 2],
}

impl CxxString {
    pub fn of(text: &CStr) -> CxxString {
        let len = text.to_bytes().len();
        CxxString {
            text: text.as_ptr(),
            len,
            room: [len as u64, 0],
        }
    }
}

/// A `std::pair<std::string, ggml_tensor *>`.
#[repr(C)]
struct Named {
    name: CxxString,
    tensor: *mut ggml_tensor,
}

/// A `std::vector<std::pair<std::string, ggml_tensor *>>`, and behind it what it points to.
#[repr(C)]
pub struct TensorMap {
    vector: CxxVector<Named>,
    _pairs: Box<[Named]>,
    _names: Box<[CString]>,
}

impl TensorMap {
    pub fn of(tensors: &[Tensor]) -> TensorMap {
        let name = |t: &Tensor| CString::new(t.name_bytes().as_bytes()).unwrap_or_default();
        let names: Box<[CString]> = tensors.iter().map(name).collect();
        let pair = |(name, tensor): (&CString, &Tensor)| Named {
            name: CxxString::of(name),
            tensor: tensor.as_ptr(),
        };
        let pairs: Box<[Named]> = names.iter().zip(tensors).map(pair).collect();
        TensorMap {
            vector: CxxVector::of(&pairs),
            _pairs: pairs,
            _names: names,
        }
    }
}

const _: () = {
    assert!(size_of::<CxxString>() == 32);
    assert!(size_of::<Named>() == 40);
};
