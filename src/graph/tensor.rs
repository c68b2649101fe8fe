//! The tensor: the struct that C callers share with us, and [`Tensor`], the handle everything inside uses.

use std::ffi::{c_char, c_void};
use std::fmt;
use std::io::Write;
use std::ptr::NonNull;

use super::op::{Op, UnaryOp};
use crate::quant::Type;

pub const MAX_DIMS: usize = 4;
pub const MAX_SRC: usize = 10;
pub const MAX_NAME: usize = 64;
pub const MAX_OP_PARAMS: usize = 64;

/// Marks an input: the graph allocator places it before everything else, so that it can be set before the graph runs.
pub const TENSOR_FLAG_INPUT: i32 = 1;
/// Marks an output: the graph allocator never gives its memory to another tensor.
pub const TENSOR_FLAG_OUTPUT: i32 = 2;
/// Marks a parameter to be trained.
pub const TENSOR_FLAG_PARAM: i32 = 4;

/// Elements per dimension, innermost first.
pub type Shape = [i64; MAX_DIMS];
/// Bytes between neighbours per dimension, innermost first (`nb[0]` is the size of a block).
pub type Strides = [usize; MAX_DIMS];

/// An n-dimensional tensor, laid out as `struct ggml_tensor` at the ABI level.
///
/// C callers read and write the fields. Inside, all access goes through [`Tensor`].
#[allow(non_camel_case_types)]
#[repr(C)]
pub struct ggml_tensor {
    /// A number of [`Type`].
    pub type_: i32,
    /// Unused, kept for the layout (`enum ggml_backend_type`).
    pub backend: i32,
    /// The `ggml_backend_buffer` that holds the data, if any; see `backend`.
    pub buffer: *mut c_void,
    pub ne: Shape,
    pub nb: Strides,
    /// A number of [`Op`].
    pub op: i32,
    pub op_params: [i32; MAX_OP_PARAMS / 4],
    /// `enum ggml_tensor_flag` bits.
    pub flags: i32,
    pub grad: *mut ggml_tensor,
    pub src: [*mut ggml_tensor; MAX_SRC],
    pub view_src: *mut ggml_tensor,
    pub view_offs: usize,
    pub data: *mut c_void,
    pub name: [c_char; MAX_NAME],
    pub extra: *mut c_void,
}

/// A handle to a tensor in some arena: copied freely, never null.
///
/// Like a `ggml_tensor *` in C it does not keep its arena alive. Whoever makes one with [`Tensor::from_ptr`] answers for
/// the tensor outliving the handle; that is why making one is unsafe and using one is not. Fields are read and written
/// through raw pointers, never through references, so handles may alias each other and C's pointers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Tensor(NonNull<ggml_tensor>);

// SAFETY: a handle is an address; the contract of `from_ptr` (the tensor outlives the handle) covers use from any thread,
// and building and computing graphs is externally synchronized, as in C.
unsafe impl Send for Tensor {}
// SAFETY: as above.
unsafe impl Sync for Tensor {}

/// Defines a getter and a setter for a field that is copied whole.
macro_rules! field {
    ($(#[$doc:meta])* $get:ident, $set:ident, $field:ident: $t:ty) => {
        $(#[$doc])*
        #[inline]
        pub fn $get(self) -> $t {
            // SAFETY: `from_ptr` promised a valid tensor.
            unsafe { (*self.0.as_ptr()).$field }
        }
        #[inline]
        pub fn $set(self, value: $t) {
            // SAFETY: `from_ptr` promised a valid tensor; no reference to a field is ever held.
            unsafe { (*self.0.as_ptr()).$field = value }
        }
    };
}

impl Tensor {
    /// Wraps a pointer; `None` if it is null.
    ///
    /// # Safety
    /// The pointer is null or points to an initialized tensor that outlives every copy of the handle.
    #[inline]
    pub unsafe fn from_ptr(ptr: *mut ggml_tensor) -> Option<Tensor> {
        NonNull::new(ptr).map(Tensor)
    }

    #[inline]
    pub fn as_ptr(self) -> *mut ggml_tensor {
        self.0.as_ptr()
    }

    field!(/// Elements per dimension.
        ne, set_ne, ne: Shape);
    field!(/// Bytes between neighbours per dimension.
        nb, set_nb, nb: Strides);
    field!(/// `enum ggml_tensor_flag` bits.
        flags, set_flags, flags: i32);
    field!(/// The operator's parameters, see `graph::params`.
        op_params, set_op_params, op_params: [i32; MAX_OP_PARAMS / 4]);
    field!(/// Offset in bytes from the start of [`Tensor::view_src`].
        view_offs, set_view_offs, view_offs: usize);
    field!(/// Where the elements are; null until allocated.
        data, set_data, data: *mut c_void);
    field!(/// The buffer that holds the data (`ggml_backend_buffer_t`), or null.
        buffer, set_buffer, buffer: *mut c_void);
    field!(/// Free for a device's use.
        extra, set_extra, extra: *mut c_void);

    /// The tensor type. A number that no type has (only a C caller can write one) reads as `I8`, which no operator multiplies.
    #[inline]
    pub fn ty(self) -> Type {
        // SAFETY: as in `field!`.
        Type::from_raw(unsafe { (*self.0.as_ptr()).type_ }).unwrap_or(Type::I8)
    }
    #[inline]
    pub fn set_ty(self, ty: Type) {
        // SAFETY: as in `field!`.
        unsafe { (*self.0.as_ptr()).type_ = ty.raw() }
    }

    /// The operator that computes this tensor; `None` for leafs and for unknown numbers.
    #[inline]
    pub fn op(self) -> Op {
        // SAFETY: as in `field!`.
        Op::from_raw(unsafe { (*self.0.as_ptr()).op }).unwrap_or(Op::None)
    }
    #[inline]
    pub fn set_op(self, op: Op) {
        // SAFETY: as in `field!`.
        unsafe { (*self.0.as_ptr()).op = op as i32 }
    }

    /// The `i`-th source, if set.
    #[inline]
    pub fn src(self, i: usize) -> Option<Tensor> {
        // SAFETY: sources of a valid tensor are valid tensors or null.
        unsafe { Tensor::from_ptr((*self.0.as_ptr()).src[i]) }
    }
    #[inline]
    pub fn set_src(self, i: usize, src: Option<Tensor>) {
        // SAFETY: as in `field!`.
        unsafe { (*self.0.as_ptr()).src[i] = opt_ptr(src) }
    }

    /// The tensor whose memory this one looks into.
    #[inline]
    pub fn view_src(self) -> Option<Tensor> {
        // SAFETY: the view source of a valid tensor is a valid tensor or null.
        unsafe { Tensor::from_ptr((*self.0.as_ptr()).view_src) }
    }
    #[inline]
    pub fn set_view_src(self, src: Option<Tensor>) {
        // SAFETY: as in `field!`.
        unsafe { (*self.0.as_ptr()).view_src = opt_ptr(src) }
    }

    /// The gradient tensor.
    #[inline]
    pub fn grad(self) -> Option<Tensor> {
        // SAFETY: the gradient of a valid tensor is a valid tensor or null.
        unsafe { Tensor::from_ptr((*self.0.as_ptr()).grad) }
    }
    #[inline]
    pub fn set_grad(self, grad: Option<Tensor>) {
        // SAFETY: as in `field!`.
        unsafe { (*self.0.as_ptr()).grad = opt_ptr(grad) }
    }

    /// The name; lossy where it is not UTF-8.
    pub fn name(self) -> String {
        String::from_utf8_lossy(self.name_bytes().as_bytes()).into_owned()
    }
    /// Sets the name, cut to 63 bytes.
    pub fn set_name(self, name: impl AsRef<[u8]>) -> Tensor {
        write_name(self, &[name.as_ref()]);
        self
    }
    /// Sets the name to formatted text, cut to 63 bytes, without an allocation.
    pub fn format_name(self, text: fmt::Arguments) -> Tensor {
        let mut name = [0; MAX_NAME];
        let mut rest = &mut name[..MAX_NAME - 1];
        // What does not fit is cut off.
        let _ = rest.write_fmt(text);
        let left = rest.len();
        self.set_name(&name[..MAX_NAME - 1 - left])
    }
    /// Whether these bytes are the name.
    pub fn has_name(self, name: &[u8]) -> bool {
        self.name_bytes().as_bytes() == name
    }
    /// A copy of the name that needs no allocation.
    pub fn name_bytes(self) -> Name {
        // SAFETY: as in `field!`; the array is copied.
        Name(unsafe { (*self.0.as_ptr()).name })
    }

    /// Which unary operator an [`Op::Unary`] node applies (its first parameter).
    pub fn unary_op(self) -> Option<UnaryOp> {
        UnaryOp::from_raw(self.op_params()[0])
    }

    #[inline]
    pub fn nelements(self) -> i64 {
        self.ne().iter().product()
    }
    #[inline]
    pub fn nrows(self) -> i64 {
        self.ne()[1..].iter().product()
    }
    #[inline]
    pub fn is_empty(self) -> bool {
        self.ne().contains(&0)
    }
}

#[inline]
fn opt_ptr(t: Option<Tensor>) -> *mut ggml_tensor {
    t.map_or(std::ptr::null_mut(), Tensor::as_ptr)
}

/// The name of a tensor as bytes.
#[derive(Clone, Copy)]
pub struct Name([c_char; MAX_NAME]);

impl Name {
    /// The bytes in front of the terminator.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: `c_char` is one byte without invalid values.
        let bytes: &[u8; MAX_NAME] = unsafe { &*(&raw const self.0).cast() };
        let end = bytes[..MAX_NAME - 1].iter().position(|&b| b == 0);
        &bytes[..end.unwrap_or(MAX_NAME - 1)]
    }
}

/// Sets a name to the pieces one after the other, cut to 63 bytes.
pub(super) fn write_name(t: Tensor, pieces: &[&[u8]]) {
    let mut name = [0 as c_char; MAX_NAME];
    let bytes = pieces.iter().flat_map(|piece| piece.iter());
    for (to, from) in name[..MAX_NAME - 1].iter_mut().zip(bytes) {
        *to = *from as c_char;
    }
    // SAFETY: as in `field!`.
    unsafe { (*t.as_ptr()).name = name }
}
