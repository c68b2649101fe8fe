//! What an operator sees of the threads that compute it together.

use std::sync::atomic::{AtomicUsize, Ordering};

/// One worker's view of the node being computed. Every worker of the team runs the same operator function with its own `Task`.
///
/// Work is shared from a counter (`next`), phases inside a node are separated by `barrier`; both must be called alike by all
/// workers. Between nodes the executor puts the barrier.
pub struct Task<'a> {
    /// This worker's number, `0..nth`.
    pub ith: usize,
    /// Workers in the team.
    pub nth: usize,
    /// The scratch memory of the plan, shared by the team: as large as the operator's `work_size` asked for. 64-byte aligned.
    pub work: *mut u8,
    pub work_size: usize,
    /// Hands out chunk numbers; the executor resets it before each node.
    pub counter: &'a AtomicUsize,
    /// Waits for the whole team.
    pub wait: &'a (dyn Fn() + Sync),
}

impl Task<'_> {
    /// The next unclaimed chunk number; each is handed out once per node. Stop when it reaches your count.
    #[inline]
    pub fn next(&self) -> usize {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits until every worker of the team is here.
    #[inline]
    pub fn barrier(&self) {
        (self.wait)()
    }

    /// This worker's even share of `0..n`: for work too small for the counter.
    #[inline]
    pub fn share(&self, n: usize) -> std::ops::Range<usize> {
        let per = n.div_ceil(self.nth);
        (per * self.ith).min(n)..(per * (self.ith + 1)).min(n)
    }
}
