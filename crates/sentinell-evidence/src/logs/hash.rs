//! The hash that names words, lines and templates.

/// A 64-bit hash over pieces; stable across builds and machines, because template ids are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hasher(u64);

impl Default for Hasher {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Hasher {
    const PRIME: u64 = 0xff51_afd7_ed55_8ccd;

    pub(super) fn add(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(29) ^ value).wrapping_mul(Self::PRIME);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
        self.add(remainder(chunks.remainder()) ^ ((bytes.len() as u64) << 56));
    }

    pub(super) fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^ (mixed >> 29)
    }
}

/// Up to seven bytes as a little-endian number, without a copy of unknown length.
fn remainder(rest: &[u8]) -> u64 {
    let four = |part: &[u8]| part.try_into().map_or(0, u32::from_le_bytes);
    match rest.len() {
        0 => 0,
        len @ 1..=3 => {
            let middle = len / 2;
            u64::from(rest[0]) | u64::from(rest[middle]) << (8 * middle) | u64::from(rest[len - 1]) << (8 * (len - 1))
        }
        len => u64::from(four(&rest[..4])) | (u64::from(four(&rest[len - 4..])) >> (8 * (8 - len))) << 32,
    }
}
