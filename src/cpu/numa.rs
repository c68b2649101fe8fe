//! Where the threads of the CPU device run on a machine with several NUMA nodes, as `ggml_numa_init` asks. Pages of a mapped
//! model lie on the node whose thread touches them first, so threads that stay keep their part of the weights near.

use std::cell::Cell;
use std::path::Path;
use std::sync::OnceLock;

/// How threads are spread over nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Wherever the system puts them, or a program like `numactl`.
    Anywhere,
    /// In turn on each node.
    Distribute,
    /// All on the node that the caller of [`init`] runs on.
    Isolate,
}

/// CPUs: a bit each, as the system calls take them.
type CpuSet = Vec<u64>;

/// Words of a [`CpuSet`]: for more CPUs than Linux supports.
const WORDS: usize = 128;

struct Places {
    nodes: usize,
    /// Worker `i` runs on these CPUs, `i` taken modulo how many there are. Empty: anywhere.
    sets: Vec<CpuSet>,
}

static PLACES: OnceLock<Places> = OnceLock::new();

/// Finds the nodes and decides on the places of threads; only the first call does.
pub fn init(strategy: Strategy) {
    PLACES.get_or_init(|| {
        let nodes = nodes(Path::new("/sys/devices/system/node"));
        let sets = places(&nodes, strategy, affinity(), current_cpu());
        if !sets.is_empty() {
            crate::log_info!(
                "cpu: {} NUMA nodes, threads run on {} of them",
                nodes.len(),
                sets.len()
            );
        }
        Places {
            nodes: nodes.len(),
            sets,
        }
    });
}

/// The number of nodes that [`init`] found, 0 before.
pub fn count() -> usize {
    PLACES.get().map_or(0, |places| places.nodes)
}

/// The CPUs of each node. None if the system doesn't say.
fn nodes(dir: &Path) -> Vec<CpuSet> {
    let mut nodes: Vec<(u32, CpuSet)> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let number = name.strip_prefix("node")?.parse().ok()?;
            let list = std::fs::read_to_string(entry.path().join("cpulist")).ok()?;
            Some((number, parse(list.trim())?))
        })
        .collect();
    nodes.sort();
    nodes.into_iter().map(|(_, cpus)| cpus).collect()
}

/// A list like `0-3,8,10-11`.
fn parse(list: &str) -> Option<CpuSet> {
    let mut set = vec![0; WORDS];
    for range in list.split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        for cpu in first.parse::<usize>().ok()?..=last.parse().ok()? {
            *set.get_mut(cpu / 64)? |= 1 << (cpu % 64);
        }
    }
    Some(set)
}

/// Sets for the workers, of the CPUs in `allowed` only. `None`: the system doesn't say.
fn places(
    nodes: &[CpuSet],
    strategy: Strategy,
    allowed: Option<CpuSet>,
    current: Option<usize>,
) -> Vec<CpuSet> {
    let mut sets = nodes.to_vec();
    if let Some(allowed) = &allowed {
        for set in &mut sets {
            set.iter_mut().zip(allowed).for_each(|(a, b)| *a &= b);
        }
    }
    if strategy == Strategy::Isolate {
        let here = |set: &CpuSet| current.is_some_and(|cpu| set[cpu / 64] >> (cpu % 64) & 1 == 1);
        sets.retain(here);
    }
    sets.retain(|set| set.iter().any(|word| *word != 0));
    // On one node there is nothing to decide, and without nodes either.
    if nodes.len() < 2 || strategy == Strategy::Anywhere {
        sets.clear();
    }
    sets
}

#[cfg(target_os = "linux")]
fn affinity() -> Option<CpuSet> {
    let mut set = vec![0u64; WORDS];
    // SAFETY: the array has as many bytes as said; 0 is this thread.
    let failed = unsafe { libc::sched_getaffinity(0, 8 * WORDS, set.as_mut_ptr().cast()) != 0 };
    (!failed).then_some(set)
}

#[cfg(target_os = "linux")]
fn set_affinity(set: &CpuSet) -> bool {
    // SAFETY: the array has as many bytes as said; 0 is this thread.
    unsafe { libc::sched_setaffinity(0, 8 * set.len(), set.as_ptr().cast()) == 0 }
}

#[cfg(target_os = "linux")]
fn current_cpu() -> Option<usize> {
    // SAFETY: no arguments.
    usize::try_from(unsafe { libc::sched_getcpu() }).ok()
}

#[cfg(not(target_os = "linux"))]
fn affinity() -> Option<CpuSet> {
    None
}
#[cfg(not(target_os = "linux"))]
fn set_affinity(_: &CpuSet) -> bool {
    false
}
#[cfg(not(target_os = "linux"))]
fn current_cpu() -> Option<usize> {
    None
}

thread_local! {
    /// One more than the worker number that this thread was placed for; 0: not placed.
    static PLACED: Cell<usize> = const { Cell::new(0) };
}

/// A thread of the host at its place; goes back where it may run when dropped.
pub struct Guest(Option<CpuSet>);

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(home) = &self.0 {
            set_affinity(home);
        }
    }
}

/// Moves this thread to the place of worker `ith`. Worker 0 is a thread of the host and goes back afterwards; the others stay.
pub fn place(ith: usize) -> Guest {
    let sets = PLACES.get().map_or(&[][..], |places| &places.sets);
    if sets.is_empty() {
        return Guest(None);
    }
    let set = &sets[ith % sets.len()];
    if ith == 0 {
        return Guest(affinity().filter(|_| set_affinity(set)));
    }
    if PLACED.replace(ith + 1) != ith + 1 {
        set_affinity(set);
    }
    Guest(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        let set = parse("0-2,5,64-65").unwrap();
        assert_eq!((set[0], set[1]), (0b10_0111, 0b11));
        assert_eq!(parse("").unwrap(), vec![0; WORDS]);
        assert_eq!(parse("0-x"), None);
        assert_eq!(parse("99999"), None);
    }

    #[test]
    fn nodes_are_those_of_the_system() {
        let dir = tempfile::tempdir().unwrap();
        for (node, list) in [("node1", "4-7\n"), ("node0", "0-3\n"), ("node10", "8\n")] {
            std::fs::create_dir(dir.path().join(node)).unwrap();
            std::fs::write(dir.path().join(node).join("cpulist"), list).unwrap();
        }
        std::fs::write(dir.path().join("online"), "0-1").unwrap();
        let found = nodes(dir.path());
        assert_eq!(
            found.iter().map(|set| set[0]).collect::<Vec<_>>(),
            [0xf, 0xf0, 0x100]
        );
        assert!(nodes(&dir.path().join("none")).is_empty());
    }

    #[test]
    fn threads_go_where_the_strategy_says() {
        let nodes = ["0-3", "4-7"].map(|list| parse(list).unwrap());
        let first = |sets: Vec<CpuSet>| sets.iter().map(|set| set[0]).collect::<Vec<_>>();
        let all = parse("0-7");
        let on = |strategy, allowed: &Option<CpuSet>, cpu| {
            first(places(&nodes, strategy, allowed.clone(), cpu))
        };
        assert_eq!(on(Strategy::Distribute, &all, Some(5)), [0xf, 0xf0]);
        assert_eq!(on(Strategy::Isolate, &all, Some(5)), [0xf0]);
        assert!(on(Strategy::Isolate, &all, None).is_empty());
        assert!(on(Strategy::Anywhere, &all, Some(5)).is_empty());
        // Only CPUs that the process may use.
        let some = parse("2,3");
        assert_eq!(on(Strategy::Distribute, &some, Some(2)), [0b1100]);
        assert_eq!(on(Strategy::Distribute, &None, None), [0xf, 0xf0]);
        // Nothing to decide.
        assert!(places(&nodes[..1], Strategy::Distribute, all, Some(0)).is_empty());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_guest_goes_home() {
        let before = affinity().unwrap();
        let cpu = current_cpu().unwrap();
        {
            let one = parse(&cpu.to_string()).unwrap();
            let _guest = Guest(affinity().filter(|_| set_affinity(&one)));
            assert_eq!(affinity().unwrap(), one);
        }
        assert_eq!(affinity().unwrap(), before);
    }
}
