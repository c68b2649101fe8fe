//! The Mersenne Twister `mt19937` (Matsumoto and Nishimura, 1998), kept in memory as libstdc++ keeps `std::mt19937`, so that
//! C++ callers can pass theirs and saved states carry over.

/// Words of state.
const N: usize = 624;
/// Distance of the word that is mixed in.
const M: usize = 397;

/// Laid out as `std::mt19937` of libstdc++ on 64-bit Linux, whose words are `uint_fast32_t`.
#[repr(C)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mt19937 {
    words: [u64; N],
    /// Words already given out.
    used: usize,
}

impl Mt19937 {
    pub fn new(seed: u32) -> Mt19937 {
        let mut words = [0; N];
        let mut word = seed;
        words[0] = u64::from(word);
        for (i, to) in words.iter_mut().enumerate().skip(1) {
            word = (word ^ (word >> 30))
                .wrapping_mul(1_812_433_253)
                .wrapping_add(i as u32);
            *to = u64::from(word);
        }
        Mt19937 { words, used: N }
    }

    pub fn next_u32(&mut self) -> u32 {
        if self.used >= N {
            self.refill();
        }
        let mut y = self.words[self.used] as u32;
        self.used += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn refill(&mut self) {
        for i in 0..N {
            let low = self.words[(i + 1) % N] as u32;
            let y = (self.words[i] as u32 & 0x8000_0000) | (low & 0x7fff_ffff);
            let mixed = self.words[(i + M) % N] as u32 ^ (y >> 1);
            let odd = if low & 1 == 1 { 0x9908_b0df } else { 0 };
            self.words[i] = u64::from(mixed ^ odd);
        }
        self.used = 0;
    }

    /// The state as C++ streams print it: the words and the position, in decimal, separated by spaces.
    pub fn to_text(&self) -> String {
        let numbers = self.words.iter().copied().chain([self.used as u64]);
        numbers.map(|n| n.to_string()).collect::<Vec<_>>().join(" ")
    }

    /// Reads what [`Mt19937::to_text`] wrote; `None` if it is anything else.
    pub fn from_text(text: &str) -> Option<Mt19937> {
        let mut numbers = text.split_ascii_whitespace().map(str::parse::<u32>);
        let mut words = [0; N];
        for word in &mut words {
            *word = u64::from(numbers.next()?.ok()?);
        }
        let used = usize::try_from(numbers.next()?.ok()?).ok()?;
        (used <= N && numbers.next().is_none()).then_some(Mt19937 { words, used })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_number_that_the_cpp_standard_names() {
        let mut rng = Mt19937::new(5489);
        for _ in 1..10000 {
            rng.next_u32();
        }
        assert_eq!(rng.next_u32(), 4_123_659_995);
    }

    #[test]
    fn text_holds_the_whole_state() {
        let mut rng = Mt19937::new(1);
        (0..700).for_each(|_| {
            rng.next_u32();
        });
        let text = rng.to_text();
        assert_eq!(Mt19937::from_text(&text), Some(rng));
        assert_eq!(Mt19937::from_text(&text[..text.len() / 2]), None);
        assert_eq!(Mt19937::from_text(&format!("{text} 1")), None);
        assert_eq!(Mt19937::from_text("nonsense"), None);
    }
}
