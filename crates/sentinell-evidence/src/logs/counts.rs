//! What in a word tells that there may be a variable, counted in one pass.

/// How many there are in a word of what tells variables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) digits: usize,
    /// Of both kinds.
    pub(super) slashes: usize,
    pub(super) colons: usize,
    pub(super) dots: usize,
}

/// What each byte counts for: sixteen bits for each of the [`Counts`], enough for the longest word.
static COUNTED: [u64; 256] = {
    let mut table = [0; 256];
    let mut at = b'0';
    while at <= b'9' {
        table[at as usize] = 1;
        at += 1;
    }
    table[b'/' as usize] = 1 << 16;
    table[b'\\' as usize] = 1 << 16;
    table[b':' as usize] = 1 << 32;
    table[b'.' as usize] = 1 << 48;
    table
};

impl Counts {
    pub(super) fn of(word: &[u8]) -> Self {
        let sum = word.iter().fold(0, |sum: u64, byte| sum.wrapping_add(COUNTED[usize::from(*byte)]));
        let part = |at: u32| (sum >> at & 0xffff) as usize;
        Self { digits: part(0), slashes: part(16), colons: part(32), dots: part(48) }
    }
}
