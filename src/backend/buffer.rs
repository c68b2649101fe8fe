//! Buffer types and buffers: memory of a device that holds the data of tensors.

use std::alloc::Layout;
use std::ffi::{CStr, c_void};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use memmap2::{Mmap, MmapMut};

use crate::ensure;
use crate::error::{Error, Result};
use crate::graph::Tensor;

/// Alignment in bytes of tensors in host memory: a cache line, and the widest vector.
pub const HOST_ALIGNMENT: usize = 64;

/// What buffers are for, numbered as `enum ggml_backend_buffer_usage`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferUsage {
    Any = 0,
    Weights = 1,
    Compute = 2,
}

impl BufferUsage {
    pub fn from_raw(raw: u32) -> Option<BufferUsage> {
        [BufferUsage::Any, BufferUsage::Weights, BufferUsage::Compute]
            .into_iter()
            .find(|&usage| usage as u32 == raw)
    }
}

/// A kind of memory: where it is and how tensors are laid out in it.
pub trait BufferKind: Sync {
    fn name(&self) -> &CStr;
    /// Alignment of tensors in bytes, a power of two.
    fn alignment(&self) -> usize {
        HOST_ALIGNMENT
    }
    /// Most bytes that one buffer may have.
    fn max_size(&self) -> usize {
        usize::MAX
    }
    /// Bytes to set aside for a tensor, padding included.
    fn alloc_size(&self, tensor: Tensor) -> usize {
        tensor.nbytes()
    }
    /// Whether the host can read and write tensor data through its address.
    fn is_host(&self) -> bool {
        false
    }
    /// New memory of `size` bytes.
    fn alloc(&self, size: usize) -> Result<Box<dyn Memory>>;
}

/// What C callers know as `ggml_backend_buffer_type_t` is a reference to one of these. They live forever.
#[allow(non_camel_case_types)]
pub struct ggml_backend_buffer_type(pub &'static dyn BufferKind);
pub type BufferType = &'static ggml_backend_buffer_type;

impl std::ops::Deref for ggml_backend_buffer_type {
    type Target = dyn BufferKind;
    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for ggml_backend_buffer_type {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl ggml_backend_buffer_type {
    /// A new buffer of `size` bytes of this type.
    pub fn new_buffer(&'static self, size: usize) -> Result<Box<Buffer>> {
        ensure!(
            size <= self.max_size(),
            "{}: a buffer of {size} bytes is larger than the device allows",
            self.name().to_string_lossy()
        );
        Ok(Buffer::over(self, self.alloc(size)?, size))
    }
}

/// The memory behind a buffer. The callers of `set` and `get` have checked the range against the tensor.
pub trait Memory: Send + Sync {
    /// Address of the first byte; tensors' data pointers count from here.
    fn base(&self) -> *mut u8;
    /// Called once for each tensor placed in the buffer.
    fn init_tensor(&self, _tensor: Tensor) -> Result<()> {
        Ok(())
    }
    /// Copies host bytes into a tensor.
    ///
    /// # Safety
    /// `data` is readable for `size` bytes, and `offset + size` is at most the tensor's size.
    unsafe fn set(&self, tensor: Tensor, offset: usize, data: *const u8, size: usize);
    /// Copies a tensor's bytes to the host.
    ///
    /// # Safety
    /// `data` is writable for `size` bytes, and `offset + size` is at most the tensor's size.
    unsafe fn get(&self, tensor: Tensor, offset: usize, data: *mut u8, size: usize);
    /// Copies between tensors of equal layout, `dst` in this buffer; false if it can't reach the source.
    fn copy_from(&self, src: Tensor, dst: Tensor) -> bool;
    /// Keeps the memory from being swapped out, where the system lets us.
    fn lock(&self) -> Result<()> {
        Ok(())
    }
    /// Fills the whole buffer.
    fn clear(&self, value: u8);
    /// The buffers that it consists of, if it is but a collection of others.
    fn parts(&self) -> Option<&[Box<Buffer>]> {
        None
    }
    /// Forgets what `init_tensor` set up.
    fn reset(&self) {}
}

/// A piece of a device's memory; what C callers know as `ggml_backend_buffer_t` points to one.
#[allow(non_camel_case_types)]
pub struct ggml_backend_buffer {
    memory: Box<dyn Memory>,
    buft: BufferType,
    size: usize,
    usage: AtomicU32,
}
pub type Buffer = ggml_backend_buffer;

impl Buffer {
    pub fn over(buft: BufferType, memory: Box<dyn Memory>, size: usize) -> Box<Buffer> {
        Box::new(Buffer {
            memory,
            buft,
            size,
            usage: AtomicU32::new(BufferUsage::Any as u32),
        })
    }
    pub fn buffer_type(&self) -> BufferType {
        self.buft
    }
    pub fn memory(&self) -> &dyn Memory {
        &*self.memory
    }
    pub fn base(&self) -> *mut u8 {
        self.memory.base()
    }
    pub fn size(&self) -> usize {
        self.size
    }
    pub fn is_host(&self) -> bool {
        self.buft.is_host()
    }
    pub fn usage(&self) -> BufferUsage {
        BufferUsage::from_raw(self.usage.load(Ordering::Relaxed)).unwrap_or(BufferUsage::Any)
    }
    pub fn set_usage(&self, usage: BufferUsage) {
        self.usage.store(usage as u32, Ordering::Relaxed);
        for part in self.memory.parts().unwrap_or_default() {
            part.set_usage(usage);
        }
    }

    /// Places a tensor at an address of this buffer.
    pub(super) fn place(&self, tensor: Tensor, addr: *mut u8) -> Result<()> {
        tensor.set_data(addr.cast());
        tensor.set_buffer(std::ptr::from_ref(self).cast_mut().cast::<c_void>());
        self.memory.init_tensor(tensor)
    }
}

/// The buffer that holds a tensor's data, or its view source's.
pub fn buffer_of(tensor: Tensor) -> Option<&'static Buffer> {
    let holder = match tensor.view_src() {
        Some(src) if tensor.buffer().is_null() => src,
        _ => tensor,
    };
    // SAFETY: the field is null or was set by `Buffer::place` (or by C, from a buffer we gave it); as in C, a tensor is not
    // used after its buffer is freed, and the reference does not leave the call that asked for it.
    unsafe { holder.buffer().cast::<Buffer>().as_ref() }
}

struct HostKind;
static CPU_BUFFER_TYPE: ggml_backend_buffer_type = ggml_backend_buffer_type(&HostKind);

/// The type of plain host memory.
pub fn cpu_buffer_type() -> BufferType {
    &CPU_BUFFER_TYPE
}

impl BufferKind for HostKind {
    fn name(&self) -> &CStr {
        c"CPU"
    }
    fn is_host(&self) -> bool {
        true
    }
    fn alloc(&self, size: usize) -> Result<Box<dyn Memory>> {
        Ok(Box::new(HostMemory::alloc(size)?))
    }
}

/// Wraps memory that somebody else owns.
///
/// # Safety
/// `ptr` is valid for `size` bytes until the buffer is dropped; written through only if the memory is writable.
pub unsafe fn host_buffer_from_ptr(ptr: NonNull<u8>, size: usize) -> Box<Buffer> {
    let memory = HostMemory {
        base: ptr,
        size,
        owner: Owner::Nobody,
    };
    Buffer::over(&CPU_BUFFER_TYPE, Box::new(memory), size)
}

/// A buffer over a mapped file, which it keeps mapped. Its tensors are only for reading.
pub fn host_buffer_over_map(map: Arc<Mmap>) -> Result<Box<Buffer>> {
    let Some(base) = NonNull::new(map.as_ptr().cast_mut()) else {
        crate::bail!("the mapped file is empty");
    };
    let size = map.len();
    let memory = HostMemory {
        base,
        size,
        owner: Owner::File(map),
    };
    Ok(Buffer::over(&CPU_BUFFER_TYPE, Box::new(memory), size))
}

/// Several buffers as one, which frees and fills them all. Tensors lie in its parts, not in itself. Fails if there are none.
pub fn multi_buffer(parts: Vec<Box<Buffer>>) -> Result<Box<Buffer>> {
    let Some(first) = parts.first() else {
        crate::bail!("a buffer of no buffers");
    };
    let buft = first.buffer_type();
    let size = parts.iter().map(|p| p.size()).sum();
    Ok(Buffer::over(buft, Box::new(Collection(parts)), size))
}

struct Collection(Vec<Box<Buffer>>);

impl Memory for Collection {
    fn base(&self) -> *mut u8 {
        std::ptr::null_mut()
    }
    fn init_tensor(&self, tensor: Tensor) -> Result<()> {
        crate::bail!("'{}' cannot lie in a collection of buffers", tensor.name());
    }
    unsafe fn set(&self, _: Tensor, _: usize, _: *const u8, _: usize) {
        unreachable!("no tensor lies in a collection of buffers")
    }
    unsafe fn get(&self, _: Tensor, _: usize, _: *mut u8, _: usize) {
        unreachable!("no tensor lies in a collection of buffers")
    }
    fn copy_from(&self, _: Tensor, _: Tensor) -> bool {
        false
    }
    fn clear(&self, value: u8) {
        self.0.iter().for_each(|p| p.memory().clear(value));
    }
    fn parts(&self) -> Option<&[Box<Buffer>]> {
        Some(&self.0)
    }
}

/// Host memory, zeroed when new.
struct HostMemory {
    base: NonNull<u8>,
    size: usize,
    owner: Owner,
}

enum Owner {
    Nobody,
    Heap(Layout),
    /// Kept for its drop: pages come zeroed and untouched from the system.
    Pages(MmapMut),
    File(Arc<Mmap>),
}

/// From here on memory comes from the system by pages, zeroed lazily.
const BY_PAGES: usize = 1 << 17;
/// From here on in huge pages, so that whoever reads much of it needs few translations of addresses.
#[cfg(target_os = "linux")]
const BY_HUGE_PAGES: usize = 1 << 23;

// SAFETY: the memory is plain bytes; who writes which tensor when is the caller's business, as in C.
unsafe impl Send for HostMemory {}
// SAFETY: as above.
unsafe impl Sync for HostMemory {}

impl HostMemory {
    fn alloc(size: usize) -> Result<HostMemory> {
        let out_of_memory = || Error(format!("failed to allocate a buffer of {size} bytes"));
        if size >= BY_PAGES {
            let mut map = MmapMut::map_anon(size).map_err(|_| out_of_memory())?;
            #[cfg(target_os = "linux")]
            if size >= BY_HUGE_PAGES {
                // Only a wish: a system without huge pages gives others.
                let _ = map.advise(memmap2::Advice::HugePage);
            }
            let base = NonNull::new(map.as_mut_ptr()).ok_or_else(out_of_memory)?;
            return Ok(HostMemory {
                base,
                size,
                owner: Owner::Pages(map),
            });
        }
        let layout =
            Layout::from_size_align(size.max(1), HOST_ALIGNMENT).map_err(|_| out_of_memory())?;
        // SAFETY: the layout is not empty.
        let base =
            NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }).ok_or_else(out_of_memory)?;
        Ok(HostMemory {
            base,
            size,
            owner: Owner::Heap(layout),
        })
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        if let Owner::Heap(layout) = self.owner {
            // SAFETY: allocated with this layout in `alloc`.
            unsafe { std::alloc::dealloc(self.base.as_ptr(), layout) }
        }
    }
}

impl Memory for HostMemory {
    fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }
    fn lock(&self) -> Result<()> {
        match &self.owner {
            Owner::Pages(map) => Ok(map.lock()?),
            Owner::File(map) => Ok(map.lock()?),
            Owner::Nobody | Owner::Heap(_) => Ok(()),
        }
    }
    unsafe fn set(&self, tensor: Tensor, offset: usize, data: *const u8, size: usize) {
        // SAFETY: the caller checked the range; source and tensor may be the same memory, so `copy`.
        unsafe { std::ptr::copy(data, tensor.data().cast::<u8>().add(offset), size) }
    }
    unsafe fn get(&self, tensor: Tensor, offset: usize, data: *mut u8, size: usize) {
        // SAFETY: as in `set`.
        unsafe { std::ptr::copy(tensor.data().cast::<u8>().add(offset), data, size) }
    }
    fn copy_from(&self, src: Tensor, dst: Tensor) -> bool {
        match buffer_of(src) {
            Some(buffer) if buffer.is_host() => {
                // SAFETY: both are in host memory, and equal layouts have equal sizes.
                unsafe {
                    std::ptr::copy(
                        src.data().cast::<u8>(),
                        dst.data().cast::<u8>(),
                        src.nbytes(),
                    )
                }
                true
            }
            _ => false,
        }
    }
    fn clear(&self, value: u8) {
        // SAFETY: base and size are those of the memory.
        unsafe { std::ptr::write_bytes(self.base.as_ptr(), value, self.size) }
    }
}
