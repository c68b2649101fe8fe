//! What an operator sees of the threads that compute it together.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Nodes that may be under work at a time.
pub const SLOTS: usize = 8;
/// Workers that help each other with their shares.
const NEAR: usize = 8;

/// How far a worker's shares of some nodes are handed out, on a cache line of their own.
#[repr(align(128))]
#[derive(Default)]
pub struct Cursors([Cursor; SLOTS]);

/// Chunks handed out, and in the upper half what the node is marked with: a cursor with another mark is at 0.
#[derive(Default)]
struct Cursor(AtomicU64);

impl Cursor {
    fn claim(&self, tag: u32, n: usize) -> Option<usize> {
        let tag = u64::from(tag) << 32;
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let i = if now >> 32 << 32 == tag { now - tag } else { 0 };
            if i >= n as u64 {
                return None;
            }
            let next = tag + i + 1;
            match self
                .0
                .compare_exchange_weak(now, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Some(i as usize),
                Err(other) => now = other,
            }
        }
    }
}

/// One worker's view of the node being computed. Every worker of the team runs the same operator function with its own `Task`.
///
/// Work is shared from a counter (`next`) or by ranges (`claim`), phases inside a node are separated by `barrier`; both must be called alike by all
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
    /// The team's cursors, for [`Task::claim`]; none if the counter does for that.
    pub cursors: &'a [Cursors],
    /// Which of each worker's cursors are this node's, and what they are marked with once in use.
    pub slot: usize,
    pub tag: u32,
    /// Waits for the whole team.
    pub wait: &'a (dyn Fn() + Sync),
}

impl Task<'_> {
    /// The next unclaimed chunk number; each is handed out once per node. Stop when it reaches your count.
    #[inline]
    pub fn next(&self) -> usize {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// The next unclaimed one of `n` chunks; each is handed out once per node. A worker gets neighbours as long as it can: an even
    /// share of all, then what is left of the shares of the workers near it. For chunks that take about as long as each other.
    #[inline]
    pub fn claim(&self, n: usize) -> Option<usize> {
        if self.cursors.is_empty() || n > u32::MAX as usize {
            return Some(self.next()).filter(|&i| i < n);
        }
        // More would be far away, and too many to look at.
        let first = self.ith / NEAR * NEAR;
        let near = NEAR.min(self.nth - first);
        (0..near).find_map(|i| {
            let whose = first + (self.ith - first + i) % near;
            let range = self.share_of(whose, n);
            let i = self.cursors[whose].0[self.slot].claim(self.tag, range.len())?;
            Some(range.start + i)
        })
    }

    /// Waits until every worker of the team is here.
    #[inline]
    pub fn barrier(&self) {
        (self.wait)()
    }

    /// This worker's even share of `0..n`: for work too small for the counter.
    #[inline]
    pub fn share(&self, n: usize) -> Range<usize> {
        self.share_of(self.ith, n)
    }

    #[inline]
    fn share_of(&self, ith: usize, n: usize) -> Range<usize> {
        // The shares differ by one at most.
        let at = |i: usize| n / self.nth * i + (n % self.nth).min(i);
        at(ith)..at(ith + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn each_chunk_is_claimed_once_by_any_number_of_workers() {
        for nth in [1, 2, 7, 8, 9, 20] {
            let cursors: Vec<Cursors> = (0..nth).map(|_| Cursors::default()).collect();
            for (tag, n) in [(1, 0), (2, 1), (3, 5), (4, 64), (5, 1000)] {
                let times: Vec<AtomicU32> = (0..n).map(|_| AtomicU32::new(0)).collect();
                std::thread::scope(|scope| {
                    for ith in 0..nth {
                        let (cursors, times) = (&cursors, &times);
                        scope.spawn(move || {
                            let task = Task {
                                ith,
                                nth,
                                work: std::ptr::null_mut(),
                                work_size: 0,
                                counter: &AtomicUsize::new(0),
                                cursors,
                                slot: 1,
                                tag,
                                wait: &|| (),
                            };
                            while let Some(i) = task.claim(n) {
                                times[i].fetch_add(1, Ordering::Relaxed);
                            }
                        });
                    }
                });
                assert!(times.iter().all(|t| t.load(Ordering::Relaxed) == 1));
            }
        }
    }
}
