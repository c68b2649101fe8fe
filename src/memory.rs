//! Zeroed memory: small pieces from the heap, large ones from the system by pages.

use std::alloc::{self, Layout};
use std::io;
use std::ptr::NonNull;

use memmap2::MmapMut;

/// Memory that was zero when it was new.
pub struct Zeroed {
    base: NonNull<u8>,
    owner: Owner,
}

enum Owner {
    Heap(Layout),
    /// Pages come zeroed and untouched from the system.
    Pages(MmapMut),
}

/// From here on memory comes by pages, zeroed lazily.
const BY_PAGES: usize = 1 << 17;
/// From here on huge pages are asked for.
#[cfg(target_os = "linux")]
const BY_HUGE_PAGES: usize = 1 << 23;

// SAFETY: the memory is plain bytes; who writes what when is the business of those who hold its address.
unsafe impl Send for Zeroed {}
// SAFETY: as above.
unsafe impl Sync for Zeroed {}

impl Zeroed {
    /// So many bytes, at an address that is a multiple of `align`, a power of two of at most a page; `None` if there are not as many.
    /// `much_read` asks for huge pages for large pieces: whoever reads much needs few translations of addresses then, but who touches a
    /// byte has two megabytes filled with zeros.
    pub fn new(size: usize, align: usize, much_read: bool) -> Option<Zeroed> {
        if size < BY_PAGES {
            let layout = Layout::from_size_align(size.max(1), align).ok()?;
            // SAFETY: the layout is not empty.
            let base = NonNull::new(unsafe { alloc::alloc_zeroed(layout) })?;
            let owner = Owner::Heap(layout);
            return Some(Zeroed { base, owner });
        }
        let mut map = MmapMut::map_anon(size).ok()?;
        #[cfg(target_os = "linux")]
        if much_read && size >= BY_HUGE_PAGES {
            // Only a wish: a system without huge pages gives others.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        let base = NonNull::new(map.as_mut_ptr())?;
        let owner = Owner::Pages(map);
        #[cfg(not(target_os = "linux"))]
        let _ = much_read;
        Some(Zeroed { base, owner })
    }

    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Keeps it from being written to a disk when memory is short. Small pieces are not kept.
    pub fn lock(&self) -> io::Result<()> {
        match &self.owner {
            Owner::Pages(map) => map.lock(),
            Owner::Heap(_) => Ok(()),
        }
    }
}

impl Drop for Zeroed {
    fn drop(&mut self) {
        if let Owner::Heap(layout) = self.owner {
            // SAFETY: allocated with this layout in `new`.
            unsafe { alloc::dealloc(self.base.as_ptr(), layout) }
        }
    }
}
