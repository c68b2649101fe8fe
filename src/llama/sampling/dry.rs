//! DRY ("don't repeat yourself", <https://github.com/oobabooga/text-generation-webui/pull/5677>): a token that would continue a
//! repetition of the context is made less likely, exponentially in the length of the repetition. Repetitions don't reach
//! across sequence breakers such as line ends.

use std::collections::{HashMap, VecDeque};

use super::Candidates;
use crate::llama::params::llama_token;
use crate::log_warn;

/// Bytes of a sequence breaker that are looked at.
const MAX_BREAKER_LEN: usize = 40;
/// Tokens after the first one in which a breaker may continue.
const MAX_TAIL_LEN: usize = 20;
/// `ln(f32::MAX)`.
const MAX_LN: f32 = 88.722_84;

/// How a sampler penalizes.
#[derive(Clone, Copy, Debug)]
pub struct DryParams {
    /// 0 turns the sampler off.
    pub multiplier: f32,
    /// The penalty is `multiplier * base^(length - allowed_length)`; less than 1 turns the sampler off.
    pub base: f32,
    /// The length of repetitions from which on they are penalized.
    pub allowed_length: i32,
    /// How many of the last tokens are searched: 0 turns the sampler off, -1 means all that are remembered.
    pub last_n: i32,
}

impl DryParams {
    /// Whether the sampler does anything.
    pub fn is_on(&self) -> bool {
        self.multiplier != 0.0 && self.base >= 1.0 && self.last_n != 0
    }
}

/// Tokens in which breakers begin, and the tokens that may follow to complete them.
pub type Breakers = HashMap<llama_token, Vec<Vec<llama_token>>>;

/// The state of a DRY sampler, `llama_sampler_dry`.
#[derive(Clone, Debug)]
pub struct Dry {
    params: DryParams,
    breakers: Breakers,
    /// Accepted tokens, the latest first.
    last: VecDeque<llama_token>,
    /// How many of them are remembered.
    capacity: usize,
}

/// Finds all tokens that a breaker overlaps, from its beginning on. `words` are the texts of the tokens.
pub fn find_breakers(
    words: &[Vec<u8>],
    strings: &[&[u8]],
    tokenize: impl Fn(&[u8]) -> Vec<llama_token>,
) -> Breakers {
    let mut breakers = Breakers::new();
    for &string in strings {
        let string = if string.len() > MAX_BREAKER_LEN {
            log_warn!("DRY: a sequence breaker is cut to {MAX_BREAKER_LEN} bytes");
            &string[..MAX_BREAKER_LEN]
        } else {
            string
        };
        if string.is_empty() {
            log_warn!("DRY: skipping an empty sequence breaker");
            continue;
        }
        let mut tails: Vec<Option<Vec<llama_token>>> = vec![None; string.len()];
        for (token, word) in words.iter().enumerate() {
            let mut add = |tail: Vec<llama_token>| {
                let known = breakers.entry(token as llama_token).or_default();
                if !known.contains(&tail) {
                    known.push(tail);
                }
            };
            if word.windows(string.len()).any(|w| w == string) {
                add(Vec::new());
                continue;
            }
            for n in 1..string.len().min(word.len() + 1) {
                if word.ends_with(&string[..n]) {
                    let tail = tails[n].get_or_insert_with(|| {
                        let mut tail = tokenize(&string[n..]);
                        tail.truncate(MAX_TAIL_LEN);
                        tail
                    });
                    add(tail.clone());
                }
            }
        }
    }
    breakers
}

impl Dry {
    /// `context_size` is what a `last_n` of -1 means.
    pub fn new(params: DryParams, context_size: usize, breakers: Breakers) -> Dry {
        let capacity = match usize::try_from(params.last_n) {
            Ok(n) => n.min(context_size),
            Err(_) if params.last_n == -1 => context_size,
            Err(_) => 0,
        };
        Dry {
            params,
            breakers,
            last: VecDeque::new(),
            capacity,
        }
    }

    pub fn reset(&mut self) {
        self.last.clear();
    }

    pub fn accept(&mut self, token: llama_token) {
        if self.params.is_on() && self.capacity > 0 {
            self.last.truncate(self.capacity - 1);
            self.last.push_front(token);
        }
    }

    /// How long a repetition can be that no breaker interrupts.
    fn reach(&self) -> usize {
        for (i, token) in self.last.iter().enumerate() {
            let Some(tails) = self.breakers.get(token) else {
                continue;
            };
            // the tail of the breaker comes after its first token, so at lower indices
            let follows = |tail: &&Vec<llama_token>| {
                tail.len() <= i
                    && tail
                        .iter()
                        .enumerate()
                        .all(|(n, t)| *t == self.last[i - 1 - n])
            };
            if let Some(longest) = tails.iter().filter(follows).map(Vec::len).max() {
                return i - longest;
            }
        }
        self.last.len()
    }

    /// The tokens that would continue repetitions, with the longest repetition each would continue.
    fn repetitions(&self, reach: usize) -> HashMap<llama_token, i32> {
        let mut found: HashMap<llama_token, i32> = HashMap::new();
        for (i, n) in prefix_matches(&self.last).into_iter().enumerate().skip(1) {
            let n = n.min(reach) as i32;
            if n >= self.params.allowed_length {
                // what followed the earlier occurrence
                let longest = found.entry(self.last[i - 1]).or_insert(n);
                *longest = n.max(*longest);
            }
        }
        found
    }

    /// Lowers the logits of the tokens that would continue a repetition.
    pub fn apply(&self, candidates: &mut Candidates) {
        let DryParams {
            multiplier,
            base,
            allowed_length,
            ..
        } = self.params;
        let known = i32::try_from(self.last.len()).unwrap_or(i32::MAX);
        if !self.params.is_on() || known <= allowed_length {
            return;
        }
        let reach = self.reach();
        if i32::try_from(reach).unwrap_or(i32::MAX) < allowed_length {
            return;
        }
        let repetitions = self.repetitions(reach);
        let max_exponent = if base > 1.000_001 {
            (MAX_LN / base.ln()) as i32
        } else {
            i32::MAX
        };
        for c in candidates.data.iter_mut() {
            let Some(&length) = repetitions.get(&c.id) else {
                continue;
            };
            let breaks = self.breakers.get(&c.id);
            if breaks.is_some_and(|tails| tails.iter().any(Vec::is_empty)) {
                continue;
            }
            let exponent = length.saturating_sub(allowed_length).min(max_exponent);
            let penalty = f64::from(multiplier) * f64::from(base).powf(f64::from(exponent));
            c.logit -= penalty.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32;
        }
        candidates.sorted = false;
    }
}

/// For each position, how many elements from there on equal the beginning (the Z function; linear time).
fn prefix_matches(s: &VecDeque<llama_token>) -> Vec<usize> {
    let mut z = vec![0; s.len()];
    // the match that reaches farthest, `s[left..right] == s[..right - left]`
    let (mut left, mut right) = (0, 0);
    for i in 1..s.len() {
        let mut n = if i < right {
            z[i - left].min(right - i)
        } else {
            0
        };
        while i + n < s.len() && s[n] == s[i + n] {
            n += 1;
        }
        z[i] = n;
        if i + n > right {
            (left, right) = (i, i + n);
        }
    }
    z
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llama::params::llama_token_data;

    const PARAMS: DryParams = DryParams {
        multiplier: 1.0,
        base: 2.0,
        allowed_length: 2,
        last_n: -1,
    };

    /// What a sampler that accepted these tokens subtracts from the logits of tokens `0..n`.
    fn penalties(params: DryParams, breakers: Breakers, tokens: &[llama_token]) -> Vec<f32> {
        let mut sampler = Dry::new(params, 100, breakers);
        tokens.iter().for_each(|&t| sampler.accept(t));
        let mut data = [llama_token_data {
            id: 0,
            logit: 0.0,
            p: 0.0,
        }; 6];
        (0..6).for_each(|i| data[i].id = i as i32);
        sampler.apply(&mut Candidates::new(&mut data, false));
        data.iter().map(|c| 0.0 - c.logit).collect()
    }

    #[test]
    fn repetitions_are_penalized_by_their_length() {
        // "1 2 3" repeats "1 2 3 4" by 3 tokens, which 4 would continue
        let tokens = [1, 2, 3, 4, 5, 1, 2, 3];
        let expected = [0.0, 0.0, 0.0, 0.0, 2.0, 0.0];
        assert_eq!(penalties(PARAMS, Breakers::new(), &tokens), expected);
        let mut few = PARAMS;
        few.last_n = 6;
        assert_eq!(
            penalties(few, Breakers::new(), &tokens),
            [0.0; 6],
            "3 4 5 1 2 3 repeats one token only"
        );
    }

    #[test]
    fn breakers_interrupt_repetitions() {
        let tokens = [1, 2, 3, 4, 5, 1, 2, 3];
        let breaker = |token: llama_token| Breakers::from([(token, vec![vec![]])]);
        assert_eq!(penalties(PARAMS, breaker(2), &tokens), [0.0; 6]);
        assert_eq!(
            penalties(PARAMS, breaker(4), &tokens),
            [0.0; 6],
            "the breaker itself is free"
        );
        let two_tokens = Breakers::from([(1, vec![vec![2]])]);
        assert_eq!(
            penalties(PARAMS, two_tokens, &tokens),
            [0.0; 6],
            "one token since the breaker"
        );
    }

    #[test]
    fn breakers_are_found_across_tokens() {
        let words = ["a\n", "x", "b\\", "n", "ab\\n"].map(|w| w.as_bytes().to_vec());
        let tokenize = |text: &[u8]| text.iter().map(|&b| i32::from(b)).collect();
        let found = find_breakers(&words, &[b"\n", b"\\nn", b""], tokenize);
        let expected = [
            (0, vec![vec![]]),
            (2, vec![vec![110, 110]]),
            (4, vec![vec![110]]),
        ];
        assert_eq!(found, Breakers::from(expected));
    }

    #[test]
    fn long_repetitions_stay_finite_and_linear() {
        let mut sampler = Dry::new(PARAMS, 100_000, Breakers::new());
        (0..100_000).for_each(|_| sampler.accept(1));
        let mut data = [llama_token_data {
            id: 1,
            logit: 0.0,
            p: 0.0,
        }];
        sampler.apply(&mut Candidates::new(&mut data, false));
        assert!(data[0].logit.is_finite() && data[0].logit < -1e30);
    }
}
