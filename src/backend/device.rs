//! Devices, and moving tensor data in, out and between them.

use std::any::Any;
use std::ffi::CStr;
use std::sync::Arc;

use super::Status;
use super::buffer::{Buffer, BufferType, buffer_of};
use crate::ensure;
use crate::error::Result;
use crate::graph::{Op, Tensor};

/// A device that computes nodes of graphs.
pub trait Device: Send + Sync {
    fn name(&self) -> &CStr;
    /// Tells apart kinds of devices (`ggml_guid_t`).
    fn guid(&self) -> &'static [u8; 16];
    /// Where it wants tensors to be.
    fn default_buffer_type(&self) -> BufferType;
    /// Computes the nodes in order; may return before it is done, see `synchronize`.
    fn compute(&self, nodes: &[Tensor]) -> Status;
    /// Waits for everything asked of it.
    fn synchronize(&self) {}
    /// Whether it can compute this node.
    fn supports_op(&self, node: Tensor) -> bool;
    /// Whether it can use tensors in such memory.
    fn supports_buffer_type(&self, buft: BufferType) -> bool;
    /// Whether it wants this node even though the weights are elsewhere and have to be sent first.
    fn offload_op(&self, _node: Tensor) -> bool {
        false
    }
    fn as_any(&self) -> &dyn Any;
}

/// An instance of a device; what C callers know as `ggml_backend_t` points to one.
#[allow(non_camel_case_types)]
pub struct ggml_backend(Box<dyn Device>);
pub type Backend = ggml_backend;

impl Backend {
    pub fn new(device: impl Device + 'static) -> Arc<Backend> {
        Arc::new(ggml_backend(Box::new(device)))
    }
    /// The device behind it, if it is a `D`.
    pub fn downcast<D: Device + 'static>(&self) -> Option<&D> {
        self.0.as_any().downcast_ref()
    }
}

impl std::ops::Deref for ggml_backend {
    type Target = dyn Device;
    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

/// The buffer of a tensor that has data, for a transfer of `size` bytes at `offset`.
fn for_transfer(tensor: Tensor, offset: usize, size: usize) -> Result<&'static Buffer> {
    let buffer = buffer_of(tensor);
    ensure!(
        buffer.is_some() && !tensor.data().is_null(),
        "tensor '{}' is not allocated",
        tensor.name()
    );
    ensure!(
        offset
            .checked_add(size)
            .is_some_and(|end| end <= tensor.nbytes()),
        "tensor '{}': bytes {offset}+{size} are outside of its {}",
        tensor.name(),
        tensor.nbytes()
    );
    Ok(buffer.expect("checked above"))
}

/// Copies `data` to the tensor's bytes from `offset` on.
pub fn tensor_set(tensor: Tensor, data: &[u8], offset: usize) -> Result<()> {
    let buffer = for_transfer(tensor, offset, data.len())?;
    // SAFETY: the range was checked just now.
    unsafe {
        buffer
            .memory()
            .set(tensor, offset, data.as_ptr(), data.len())
    };
    Ok(())
}

/// Copies the tensor's bytes from `offset` on to `data`.
pub fn tensor_get(tensor: Tensor, data: &mut [u8], offset: usize) -> Result<()> {
    let buffer = for_transfer(tensor, offset, data.len())?;
    // SAFETY: the range was checked just now.
    unsafe {
        buffer
            .memory()
            .get(tensor, offset, data.as_mut_ptr(), data.len())
    };
    Ok(())
}

/// Whether two tensors have the same type, shape and strides.
pub fn same_layout(a: Tensor, b: Tensor) -> bool {
    a.ty() == b.ty() && a.same_shape(b) && a.same_stride(b)
}

/// Copies a tensor's data to one of equal type, shape and strides, maybe on another device.
pub fn tensor_copy(src: Tensor, dst: Tensor) -> Result<()> {
    if src == dst {
        return Ok(());
    }
    ensure!(
        same_layout(src, dst),
        "cannot copy '{}' to '{}': layouts differ",
        src.name(),
        dst.name()
    );
    let size = src.nbytes();
    let from = for_transfer(src, 0, size)?;
    let to = for_transfer(dst, 0, size)?;
    if to.memory().copy_from(src, dst) {
        return Ok(());
    }
    let mut bytes = vec![0; size];
    // SAFETY: both ranges were checked above, and `bytes` has as many.
    unsafe {
        from.memory().get(src, 0, bytes.as_mut_ptr(), size);
        to.memory().set(dst, 0, bytes.as_ptr(), size);
    }
    Ok(())
}

/// Points a view into its source's memory, once that is allocated.
pub fn view_init(tensor: Tensor) -> Result<()> {
    let Some(src) = tensor.view_src() else {
        return Ok(());
    };
    let buffer = buffer_of(src);
    ensure!(
        buffer.is_some() && !src.data().is_null(),
        "view '{}': its source '{}' is not allocated",
        tensor.name(),
        src.name()
    );
    let data = src.data().cast::<u8>().wrapping_add(tensor.view_offs());
    buffer.expect("checked above").place(tensor, data)
}

/// Places a tensor at `addr`, which must lie in the buffer with room for all of it.
pub fn tensor_alloc(buffer: &Buffer, tensor: Tensor, addr: *mut u8) -> Result<()> {
    ensure!(
        tensor.buffer().is_null() && tensor.data().is_null() && tensor.view_src().is_none(),
        "tensor '{}' is allocated already",
        tensor.name()
    );
    let size = buffer.buffer_type().alloc_size(tensor);
    let start = addr.addr().checked_sub(buffer.base().addr());
    ensure!(
        start
            .and_then(|s| s.checked_add(size))
            .is_some_and(|end| end <= buffer.size()),
        "tensor '{}' ({size} bytes) does not lie in the buffer",
        tensor.name()
    );
    buffer.place(tensor, addr)
}

/// Whether a node only renames memory.
pub(super) fn is_noop(node: Tensor) -> bool {
    matches!(
        node.op(),
        Op::None | Op::View | Op::Reshape | Op::Permute | Op::Transpose
    )
}
