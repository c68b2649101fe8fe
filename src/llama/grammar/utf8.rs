//! UTF-8 that arrives in pieces which may end within a character.

/// A character that has begun: the bits so far, and the bytes that are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Partial {
    value: u32,
    missing: u32,
}

/// What a further byte makes of a [`Partial`].
pub(super) enum Fed {
    Char(u32),
    Begun(Partial),
    Invalid,
}

impl Partial {
    pub(super) fn is_pending(self) -> bool {
        self.missing > 0
    }

    pub(super) fn feed(self, byte: u8) -> Fed {
        let byte = u32::from(byte);
        let begun = |value, missing| Fed::Begun(Partial { value, missing });
        if self.missing > 0 {
            let value = self.value << 6 | (byte & 0x3f);
            return match self.missing {
                _ if byte & 0xc0 != 0x80 => Fed::Invalid,
                1 => Fed::Char(value),
                missing => begun(value, missing - 1),
            };
        }
        match byte {
            0x00..0x80 => Fed::Char(byte),
            0xc0..0xe0 => begun(byte & 0x1f, 1),
            0xe0..0xf0 => begun(byte & 0x0f, 2),
            0xf0..0xf8 => begun(byte & 0x07, 3),
            _ => Fed::Invalid,
        }
    }

    /// The first and the last character that this one can become; `None` if all would be spelled with too many bytes.
    pub(super) fn range(self) -> Option<(u32, u32)> {
        let bits = 6 * self.missing;
        let low = self.value << bits;
        let high = low | ((1 << bits) - 1);
        let shortest = match self.missing {
            _ if low > 0 => 0,
            1 => return None,
            2 => 1 << 11,
            _ => 1 << 16,
        };
        let overlong = self.missing == 1 && self.value == 1;
        (!overlong).then_some((low.max(shortest), high))
    }
}

/// Decodes the character at the beginning of `bytes`; with how many bytes it takes.
pub(super) fn decode(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut partial = Partial::default();
    for (i, &byte) in bytes.iter().take(4).enumerate() {
        match partial.feed(byte) {
            Fed::Char(c) => return Some((c, i + 1)),
            Fed::Begun(more) => partial = more,
            Fed::Invalid => return None,
        }
    }
    None
}
