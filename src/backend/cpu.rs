//! The CPU as a device.

use std::any::Any;
use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::MmapMut;

use super::Status;
use super::buffer::{BufferType, cpu_buffer_type};
use super::device::{Backend, Device};
use crate::cpu::{self, GraphId};
use crate::graph::Tensor;

/// Asked between nodes; true stops the computation.
pub type AbortCallback = Arc<dyn Fn() -> bool + Send + Sync>;

/// Threads of a new CPU backend (`GGML_DEFAULT_N_THREADS`).
const DEFAULT_N_THREADS: usize = 4;

/// The CPU: how many threads it may use, what may stop it, and scratch memory kept between graphs.
pub struct Cpu {
    n_threads: AtomicUsize,
    graph: Mutex<Option<GraphId>>,
    abort: Mutex<Option<AbortCallback>>,
    /// Pages, so aligned to more than any vector.
    work: Mutex<Option<MmapMut>>,
}

/// A new CPU backend.
pub fn cpu_backend() -> Arc<Backend> {
    Backend::new(Cpu {
        n_threads: AtomicUsize::new(DEFAULT_N_THREADS),
        graph: Mutex::new(None),
        abort: Mutex::new(None),
        work: Mutex::new(None),
    })
}

impl Cpu {
    pub fn set_n_threads(&self, n_threads: usize) {
        self.n_threads.store(n_threads.max(1), Ordering::Relaxed);
    }
    /// Says what graph the next nodes are of.
    pub fn set_graph(&self, graph: Option<GraphId>) {
        *self.graph.lock().unwrap_or_else(PoisonError::into_inner) = graph;
    }
    /// Gives the callback that was there before.
    pub fn set_abort_callback(&self, callback: Option<AbortCallback>) -> Option<AbortCallback> {
        let mut abort = self.abort.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut abort, callback)
    }
}

impl Device for Cpu {
    fn name(&self) -> &CStr {
        c"CPU"
    }
    fn guid(&self) -> &'static [u8; 16] {
        b"\xaa\x67\xc7\x43\x96\xe6\xa3\x8a\xe3\xaf\xea\x92\x36\xbc\xfc\x89"
    }
    fn default_buffer_type(&self) -> BufferType {
        cpu_buffer_type()
    }
    fn compute(&self, nodes: &[Tensor]) -> Status {
        let n_threads = self.n_threads.load(Ordering::Relaxed);
        let graph = *self.graph.lock().unwrap_or_else(PoisonError::into_inner);
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = |bytes: usize| {
            if bytes > work.as_ref().map_or(0, |w| w.len()) {
                *work = None; // the old one goes before the new one comes
                *work = MmapMut::map_anon(bytes)
                    .inspect_err(|e| {
                        crate::log_error!(
                            "CPU: failed to allocate {bytes} bytes of scratch memory: {e}"
                        );
                    })
                    .ok();
            }
            match &mut *work {
                Some(work) => Some((work.as_mut_ptr(), bytes)),
                None => (bytes == 0).then_some((std::ptr::null_mut(), 0)),
            }
        };
        let abort = self
            .abort
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let abort = abort.as_deref().map(|a| a as &(dyn Fn() -> bool + Sync));
        // SAFETY: the work buffer is as large as it says and is locked; the nodes are allocated, as callers of a backend promise.
        unsafe { cpu::compute_known(nodes, graph, n_threads, memory, abort) }
    }
    fn supports_op(&self, node: Tensor) -> bool {
        cpu::supports_op(node)
    }
    fn supports_buffer_type(&self, buft: BufferType) -> bool {
        buft.is_host()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
