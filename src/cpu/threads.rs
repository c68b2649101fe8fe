//! The threads of the CPU device: a pool that lives as long as the process, and the barrier its teams meet at.
//!
//! A computation borrows a [`Team`]; the calling thread is its worker 0. Teams that are not lent sleep. Several
//! computations at once get a team each, so they never wait for one another.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

/// Keeps a value that many threads write on cache lines of its own (two, since lines are fetched in pairs).
#[repr(align(128))]
#[derive(Default)]
pub struct Padded<T>(pub T);

/// Cores this process may use.
fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}

/// How long to look at a word before sleeping on it.
#[derive(Clone, Copy)]
struct Patience {
    spins: u32,
    yields: u32,
}

impl Patience {
    /// Inside a graph the others come within microseconds. One that does not may need this very core, since there are more
    /// threads than cores or another process has taken its own; then to yield lets it come.
    fn inside(team: usize) -> Patience {
        if team <= cores() {
            Patience {
                spins: 400,
                yields: 400,
            }
        } else {
            Patience {
                spins: 50,
                yields: 4,
            }
        }
    }

    /// Between graphs: about as long as a host takes to sample a token.
    fn between(team: usize) -> Patience {
        if team <= cores() {
            Patience {
                spins: 2000,
                yields: 200,
            }
        } else {
            Patience {
                spins: 50,
                yields: 0,
            }
        }
    }
}

/// Waits while `word` is `old`: spins, then yields, then sleeps. `sleepers` counts the threads that must be woken. While it spins it
/// calls `idle`, which must return soon.
#[inline]
fn wait_while(
    word: &AtomicU32,
    old: u32,
    sleepers: &AtomicU32,
    patience: Patience,
    mut idle: impl FnMut(),
) {
    for _ in 0..patience.spins {
        if word.load(Ordering::Acquire) != old {
            return;
        }
        idle();
        std::hint::spin_loop();
    }
    for _ in 0..patience.yields {
        if word.load(Ordering::Acquire) != old {
            return;
        }
        std::thread::yield_now();
    }
    // SeqCst here and in `bump`: either the waker sees the sleeper, or the sleeper sees the new word.
    sleepers.fetch_add(1, Ordering::SeqCst);
    while word.load(Ordering::SeqCst) == old {
        atomic_wait::wait(word, old);
    }
    sleepers.fetch_sub(1, Ordering::Relaxed);
}

/// Changes `word` and wakes whoever sleeps on it.
#[inline]
fn bump(word: &AtomicU32, sleepers: &AtomicU32) {
    word.fetch_add(1, Ordering::SeqCst);
    if sleepers.load(Ordering::SeqCst) != 0 {
        atomic_wait::wake_all(word);
    }
}

/// Thrown by [`Barrier::meet`] in workers whose team was told to stop; [`Team::run`] catches it.
struct Stopped;

/// The meeting point of a team.
pub struct Barrier {
    arrived: Padded<AtomicU32>,
    epoch: Padded<AtomicU32>,
    sleepers: AtomicU32,
    /// Changes when all have come to where worker 0 is to do something before they go on.
    complete: Padded<AtomicU32>,
    leader_sleeps: AtomicU32,
    stopped: AtomicBool,
    team: u32,
    patience: Patience,
}

impl Barrier {
    pub fn new(team: usize) -> Barrier {
        Barrier {
            arrived: Padded::default(),
            epoch: Padded::default(),
            sleepers: AtomicU32::new(0),
            complete: Padded::default(),
            leader_sleeps: AtomicU32::new(0),
            stopped: AtomicBool::new(false),
            team: team as u32,
            patience: Patience::inside(team),
        }
    }

    /// Waits until the whole team is here; the last to arrive first runs `last`. Returns false if the team was stopped.
    #[inline]
    #[must_use]
    pub fn wait(&self, last: impl FnOnce()) -> bool {
        self.wait_busily(last, || ())
    }

    /// As [`Barrier::wait`]; meanwhile those who wait call `idle`, which must return soon, again and again.
    #[inline]
    #[must_use]
    pub fn wait_busily(&self, last: impl FnOnce(), idle: impl FnMut()) -> bool {
        if self.team > 1 {
            let Some(Arrival { epoch, is_last, .. }) = self.arrive() else {
                return false;
            };
            if is_last {
                last();
                bump(&self.epoch.0, &self.sleepers);
            } else {
                wait_while(&self.epoch.0, epoch, &self.sleepers, self.patience, idle);
            }
        } else {
            last();
        }
        !self.stopped.load(Ordering::Relaxed)
    }

    /// Counts a worker of several; `None` if the team was stopped.
    #[inline]
    fn arrive(&self) -> Option<Arrival> {
        // In this order: whoever reads the words after `stop` changed them also sees `stopped`.
        let epoch = self.epoch.0.load(Ordering::Acquire);
        let complete = self.complete.0.load(Ordering::Acquire);
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let is_last = self.arrived.0.fetch_add(1, Ordering::AcqRel) + 1 == self.team;
        if is_last {
            self.arrived.0.store(0, Ordering::Relaxed);
        }
        Some(Arrival {
            epoch,
            complete,
            is_last,
        })
    }

    /// As [`Barrier::wait_busily`]; when all are here, worker 0 first does its `own` part.
    #[inline]
    #[must_use]
    pub fn wait_for_first(&self, ith: usize, own: impl FnOnce(), mut idle: impl FnMut()) -> bool {
        if self.team > 1 {
            let Some(Arrival {
                epoch,
                complete,
                is_last,
            }) = self.arrive()
            else {
                return false;
            };
            if ith == 0 {
                if !is_last {
                    let (word, sleeps) = (&self.complete.0, &self.leader_sleeps);
                    wait_while(word, complete, sleeps, self.patience, &mut idle);
                    if self.stopped.load(Ordering::Relaxed) {
                        return false;
                    }
                }
                own();
                bump(&self.epoch.0, &self.sleepers);
            } else {
                if is_last {
                    bump(&self.complete.0, &self.leader_sleeps);
                }
                wait_while(&self.epoch.0, epoch, &self.sleepers, self.patience, idle);
            }
        } else {
            own();
        }
        !self.stopped.load(Ordering::Relaxed)
    }

    /// As [`Barrier::wait`], but leaves the job by unwinding if the team was stopped.
    #[inline]
    pub fn meet(&self) {
        if !self.wait(|| ()) {
            resume_unwind(Box::new(Stopped));
        }
    }

    /// Releases everyone who waits here, now and later: each leaves the job at its next barrier.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        bump(&self.complete.0, &self.leader_sleeps);
        bump(&self.epoch.0, &self.sleepers);
    }
}

/// A worker's arrival at a [`Barrier`]: the words it may wait on, as they were before, and whether all others were there.
struct Arrival {
    epoch: u32,
    complete: u32,
    is_last: bool,
}

/// What the members of a team share while idle and while working.
struct Shared {
    /// The function of the current job, written by worker 0 before it starts the others.
    job: UnsafeCell<Option<&'static (dyn Fn(usize) + Sync)>>,
    /// Members still inside the current job.
    running: Padded<AtomicU32>,
    /// Counts finished jobs, so that worker 0 can wait for the last member to leave.
    finished: Padded<AtomicU32>,
    finished_sleepers: AtomicU32,
}

// SAFETY: `job` is written only by the thread that borrowed the team, while no member runs (`running` is zero), and read by
// members only between their start (an acquire of their start word) and their decrement of `running`.
unsafe impl Sync for Shared {}
// SAFETY: as above; everything else in it is atomic.
unsafe impl Send for Shared {}

/// The word a member sleeps on: counts its jobs. `quit` is read after each change of it.
#[derive(Default)]
struct Start {
    word: AtomicU32,
    sleepers: AtomicU32,
    quit: AtomicBool,
    /// Size of the team in the current job; decides how patiently the member then waits for the next.
    team: AtomicU32,
}

struct Member {
    start: Arc<Padded<Start>>,
    thread: JoinHandle<()>,
}

/// Some threads that work together on one job at a time.
struct Team {
    shared: Arc<Shared>,
    members: Vec<Member>,
}

/// Teams that nobody has borrowed. `pid`: the threads of a forked child's teams stayed with its parent.
struct Idle {
    pid: u32,
    teams: Vec<Team>,
}

static IDLE: Mutex<Idle> = Mutex::new(Idle {
    pid: 0,
    teams: Vec::new(),
});

fn with_idle<T>(f: impl FnOnce(&mut Vec<Team>) -> T) -> T {
    let mut idle = IDLE.lock().unwrap_or_else(|e| e.into_inner());
    let pid = std::process::id();
    if idle.pid != pid {
        std::mem::forget(std::mem::take(&mut idle.teams));
        idle.pid = pid;
    }
    f(&mut idle.teams)
}

impl Team {
    /// Borrows an idle team, or makes one, and lets it grow to `n` workers, the caller included.
    fn borrow(n: usize) -> Team {
        let mut team = with_idle(Vec::pop).unwrap_or_else(|| Team {
            shared: Arc::new(Shared {
                job: UnsafeCell::new(None),
                running: Padded::default(),
                finished: Padded::default(),
                finished_sleepers: AtomicU32::new(0),
            }),
            members: Vec::new(),
        });
        while team.members.len() + 1 < n {
            let start = Arc::new(Padded::<Start>::default());
            let ith = team.members.len() + 1;
            let (shared, word) = (team.shared.clone(), start.clone());
            let thread = std::thread::Builder::new()
                .name(format!("ikrs-{ith}"))
                .spawn(move || member(ith, &shared, &word.0));
            match thread {
                Ok(thread) => team.members.push(Member { start, thread }),
                Err(e) => {
                    crate::log_warn!(
                        "cpu: cannot start thread {ith} of {n}: {e}; computing with {ith}"
                    );
                    break;
                }
            }
        }
        team
    }

    /// Runs `job(ith)` for `ith` in `0..n` on as many threads and returns when all have returned.
    fn run(&mut self, n: usize, job: &(dyn Fn(usize) + Sync)) {
        let others = &self.members[..n - 1];
        if others.is_empty() {
            return job(0);
        }
        // SAFETY: only the lifetime changes. Members use the job only before they decrement `running`, and this function
        // returns (also by unwinding: see `Leave`) only after `running` reached zero.
        let job: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(job) };
        // SAFETY: the team is borrowed exclusively and no member runs, see `Shared`.
        unsafe { *self.shared.job.get() = Some(job) };
        let finished = self.shared.finished.0.load(Ordering::Relaxed);
        self.shared
            .running
            .0
            .store(others.len() as u32, Ordering::Relaxed);
        for Member { start, .. } in others {
            start.0.team.store(n as u32, Ordering::Relaxed);
            bump(&start.0.word, &start.0.sleepers);
        }

        /// Waits for the members when dropped.
        struct Leave<'a>(&'a Shared, u32, usize);
        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                let Leave(shared, finished, n) = *self;
                wait_while(
                    &shared.finished.0,
                    finished,
                    &shared.finished_sleepers,
                    Patience::inside(n),
                    || (),
                );
            }
        }
        let _leave = Leave(&self.shared, finished, n);
        job(0);
    }
}

/// The life of a member: wait for a job, do it, say so.
fn member(ith: usize, shared: &Shared, start: &Start) {
    let mut seen = 0u32;
    let mut patience = Patience {
        spins: 0,
        yields: 0,
    };
    loop {
        wait_while(&start.word, seen, &start.sleepers, patience, || ());
        if start.quit.load(Ordering::Relaxed) {
            return;
        }
        seen = seen.wrapping_add(1);
        patience = Patience::between(start.team.load(Ordering::Relaxed) as usize);
        // SAFETY: started, and `running` not yet decremented, see `Shared`.
        if let Some(job) = unsafe { *shared.job.get() } {
            // `compute_on` catches panics of the job itself; this keeps the count right whatever happens.
            let _ = catch_unwind(AssertUnwindSafe(|| job(ith)));
        }
        if shared.running.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            bump(&shared.finished.0, &shared.finished_sleepers);
        }
    }
}

/// Runs `job(ith, nth, barrier)` on a team of `n` threads (fewer if the system refuses more), the caller being worker 0.
/// A panic of one stops all at their next barrier; its message is returned.
pub fn compute_on(
    n: usize,
    job: &(dyn Fn(usize, usize, &Barrier) + Sync),
) -> std::result::Result<(), String> {
    let mut team = (n > 1).then(|| Team::borrow(n));
    let n = team.as_ref().map_or(1, |t| n.min(t.members.len() + 1));
    let barrier = Barrier::new(n);
    let failure: Mutex<Option<String>> = Mutex::new(None);
    let guarded = |ith: usize| {
        let _guest = super::numa::place(ith);
        if let Err(cause) = catch_unwind(AssertUnwindSafe(|| job(ith, n, &barrier)))
            && !cause.is::<Stopped>()
        {
            *failure.lock().unwrap_or_else(|e| e.into_inner()) = Some(describe(&*cause));
            barrier.stop();
        }
    };
    match &mut team {
        Some(team) => team.run(n, &guarded),
        None => guarded(0),
    }
    if let Some(team) = team {
        register_shutdown();
        with_idle(|idle| idle.push(team));
    }
    match failure.into_inner().unwrap_or_else(|e| e.into_inner()) {
        Some(what) => Err(what),
        None => Ok(()),
    }
}

/// The message of a panic.
fn describe(cause: &(dyn Any + Send)) -> String {
    cause
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| cause.downcast_ref::<&str>().map(|s| s.to_string()))
        .unwrap_or_else(|| "unknown cause".into())
}

/// Ends all idle threads and waits for them. The next computation starts new ones.
pub fn shutdown() {
    let teams = with_idle(std::mem::take);
    for member in teams.iter().flat_map(|t| &t.members) {
        member.start.0.quit.store(true, Ordering::Relaxed);
        bump(&member.start.0.word, &member.start.0.sleepers);
    }
    for member in teams.into_iter().flat_map(|t| t.members) {
        let _ = member.thread.join();
    }
}

/// Has the idle threads joined when the process exits, so that nothing of theirs is lost.
fn register_shutdown() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    extern "C" fn at_exit() {
        let _ = catch_unwind(shutdown);
    }
    // SAFETY: `atexit` is given a function that does not unwind.
    ONCE.call_once(|| unsafe {
        libc::atexit(at_exit);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn every_worker_runs_and_meets_the_others() {
        for n in [1, 2, 3, 8, 33] {
            let sum = AtomicUsize::new(0);
            let rounds = 200;
            compute_on(n, &|ith, nth, barrier| {
                for round in 0..rounds {
                    sum.fetch_add(ith + 1, Ordering::Relaxed);
                    barrier.meet();
                    assert_eq!(
                        sum.load(Ordering::Relaxed),
                        (round + 1) * nth * (nth + 1) / 2
                    );
                    barrier.meet();
                }
            })
            .unwrap();
            assert_eq!(sum.into_inner(), rounds * n * (n + 1) / 2);
        }
    }

    #[test]
    fn worker_0_does_its_own_part_when_all_are_there() {
        for n in [1, 2, 3, 8, 33] {
            let (arrived, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let rounds = 200;
            compute_on(n, &|ith, nth, barrier| {
                for round in 1..=rounds {
                    arrived.fetch_add(1, Ordering::Relaxed);
                    let own = || {
                        assert_eq!(ith, 0);
                        assert_eq!(arrived.load(Ordering::Relaxed), round * nth);
                        done.store(round, Ordering::Relaxed);
                    };
                    assert!(barrier.wait_for_first(ith, own, || ()));
                    assert_eq!(done.load(Ordering::Relaxed), round);
                    barrier.meet();
                }
            })
            .unwrap();
        }
        let error = compute_on(3, &|ith, _, barrier| {
            if barrier.wait_for_first(ith, || panic!("no"), || ()) {
                unreachable!("the team was stopped");
            }
        });
        assert_eq!(error.unwrap_err(), "no");
    }

    #[test]
    fn a_panic_stops_the_team_and_is_reported() {
        for (n, who) in [(1, 0), (2, 0), (2, 1), (8, 5)] {
            let error = compute_on(n, &|ith, _, barrier| {
                barrier.meet();
                assert!(ith != who, "worker {ith} fails");
                barrier.meet();
                unreachable!("the team was stopped");
            })
            .unwrap_err();
            assert_eq!(error, format!("worker {who} fails"));
        }
    }

    #[test]
    fn computations_run_side_by_side() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let count = AtomicUsize::new(0);
                        compute_on(3, &|_, _, barrier| {
                            count.fetch_add(1, Ordering::Relaxed);
                            barrier.meet();
                        })
                        .unwrap();
                        assert_eq!(count.into_inner(), 3);
                    }
                });
            }
        });
        shutdown();
        compute_on(2, &|_, _, barrier| barrier.meet()).unwrap();
    }
}
