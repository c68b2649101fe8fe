//! Ordering candidates by descending logit, as few of them as are needed. Equal logits keep their order; those that are not
//! numbers come last.

use super::{Candidates, llama_token_data};

/// A logit's rank and, below it, the candidate's index: ascending keys are descending logits.
fn key(i: usize, c: &llama_token_data) -> u64 {
    let ascending = if c.logit.is_nan() {
        0
    } else {
        let bits = (c.logit + 0.0).to_bits(); // makes -0.0 equal to 0.0
        bits ^ ((bits as i32 >> 31) as u32 | 0x8000_0000)
    };
    u64::from(!ascending) << 32 | i as u64
}

impl Candidates<'_> {
    fn keys(&self) -> Vec<u64> {
        self.data
            .iter()
            .enumerate()
            .map(|(i, c)| key(i, c))
            .collect()
    }

    /// Puts the candidates of these keys to the front; the others are lost.
    fn gather(&mut self, keys: &[u64]) {
        let picked: Vec<_> = keys.iter().map(|&k| self.data[k as u32 as usize]).collect();
        self.data[..picked.len()].copy_from_slice(&picked);
    }

    /// Sorts all candidates.
    pub(super) fn sort(&mut self) {
        if !self.sorted && self.len() > 1 {
            let mut keys = self.keys();
            radix_sort(&mut keys);
            self.gather(&keys);
            self.sorted = true;
        }
    }

    /// Keeps the `k` candidates of largest logit, sorted.
    pub(super) fn keep_first(&mut self, k: usize) {
        if k >= self.len() {
            return self.sort();
        }
        if !self.sorted && k > 0 {
            let keys = largest(self.data, k);
            self.gather(&keys);
            self.sorted = true;
        }
        self.truncate(k);
    }

    /// Keeps the candidates of largest logit, sorted, up to the one for which `last(i, candidate)` says true; all if none does.
    /// Only as many are sorted as were asked about.
    pub(super) fn keep_until(&mut self, mut last: impl FnMut(usize, &llama_token_data) -> bool) {
        if self.sorted || self.len() < 2 {
            let found = (0..self.len()).find(|&i| last(i, &self.data[i]));
            return self.truncate(found.map_or(self.len(), |i| i + 1));
        }
        let mut keys = self.keys();
        let (n, mut done) = (keys.len(), 0);
        let kept = 'search: loop {
            let next = (done * 8).max(256);
            if next >= n {
                keys[done..].sort_unstable();
            } else {
                keys[done..].select_nth_unstable(next - done - 1);
                keys[done..next].sort_unstable();
            }
            let next = next.min(n);
            for (i, key) in keys[..next].iter().enumerate().skip(done) {
                if last(i, &self.data[*key as u32 as usize]) {
                    break 'search i + 1;
                }
            }
            if next == n {
                break n;
            }
            done = next;
        };
        self.gather(&keys[..kept]);
        self.sorted = true;
        self.truncate(kept);
    }
}

/// The keys of the `k` candidates of largest logit, sorted; `k` is not 0.
fn largest(data: &[llama_token_data], k: usize) -> Vec<u64> {
    let capacity = (2 * k).max(512);
    let mut found = Vec::with_capacity(capacity);
    // the smallest logit among the `k` largest so far: later candidates must exceed it
    let mut floor = f32::NAN;
    for (i, c) in data.iter().enumerate() {
        if c.logit <= floor {
            continue;
        }
        found.push(key(i, c));
        if found.len() == capacity {
            let last = *found.select_nth_unstable(k - 1).1;
            floor = data[last as u32 as usize].logit;
            found.truncate(k);
        }
    }
    found.sort_unstable();
    found.truncate(k);
    found
}

/// Sorts by the upper halves of the keys, whose lower halves are in order already.
fn radix_sort(keys: &mut Vec<u64>) {
    const BITS: u32 = 11;
    if keys.len() < 2048 {
        return keys.sort_unstable();
    }
    let mut other = vec![0; keys.len()];
    for shift in [32, 32 + BITS, 32 + 2 * BITS] {
        let digit = |key: u64| (key >> shift) as usize & ((1 << BITS) - 1);
        let mut starts = [0; 1 << BITS];
        keys.iter().for_each(|&key| starts[digit(key)] += 1);
        let mut sum = 0;
        for start in &mut starts {
            sum += std::mem::replace(start, sum);
        }
        for &key in keys.iter() {
            let at = &mut starts[digit(key)];
            other[*at] = key;
            *at += 1;
        }
        std::mem::swap(keys, &mut other);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidates(logits: &[f32]) -> Vec<llama_token_data> {
        let candidate = |(id, &logit): (usize, &f32)| llama_token_data {
            id: id as i32,
            logit,
            p: 0.0,
        };
        logits.iter().enumerate().map(candidate).collect()
    }

    /// The ids in the order that is promised.
    fn expected(logits: &[f32]) -> Vec<i32> {
        let mut all = candidates(logits);
        all.sort_by(|a, b| {
            let order = |x: f32| if x.is_nan() { f32::NEG_INFINITY } else { x };
            order(b.logit)
                .partial_cmp(&order(a.logit))
                .unwrap()
                .then(a.logit.is_nan().cmp(&b.logit.is_nan()))
        });
        all.iter().map(|c| c.id).collect()
    }

    fn ids(c: &Candidates) -> Vec<i32> {
        c.data.iter().map(|c| c.id).collect()
    }

    fn any_logit() -> impl Strategy<Value = f32> {
        prop_oneof![
            10 => -20.0f32..20.0,
            3 => (-3i32..3).prop_map(|i| i as f32),
            1 => Just(f32::NAN),
            1 => Just(-0.0f32),
            1 => Just(f32::NEG_INFINITY),
            1 => Just(f32::INFINITY)
        ]
    }

    proptest! {
        #[test]
        fn all_ways_agree(logits in prop::collection::vec(any_logit(), 0..5000), k in 1usize..3000) {
            let expected = expected(&logits);
            let mut data = candidates(&logits);
            let mut c = Candidates::new(&mut data, false);
            c.sort();
            prop_assert_eq!(ids(&c), expected.clone());

            let mut data = candidates(&logits);
            let mut c = Candidates::new(&mut data, false);
            c.keep_first(k);
            prop_assert_eq!(ids(&c), &expected[..k.min(logits.len())]);

            let mut data = candidates(&logits);
            let mut c = Candidates::new(&mut data, false);
            c.keep_until(|i, _| i + 1 == k);
            prop_assert_eq!(ids(&c), &expected[..k.min(logits.len())]);
        }
    }
}
