//! What makes two alerts the same alert.

use crate::action::hex;
use crate::ids::Fingerprint;
use sha2::{Digest, Sha256};

/// The fingerprint of an alert: a hash of what stays the same when it fires again (its sender, its rule, its labels, a
/// masked log line), in this order. Parts are separated so that `["ab", "c"]` and `["a", "bc"]` differ.
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> Fingerprint {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_le_bytes());
        digest.update(part);
    }
    let mut text = hex(&digest.finalize());
    text.truncate(32);
    Fingerprint(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_fingerprint_do_not_run_together() {
        assert_eq!(fingerprint(["a", "b"]), fingerprint(["a", "b"]));
        assert_ne!(fingerprint(["ab", "c"]), fingerprint(["a", "bc"]));
        assert_eq!(fingerprint(["a"]).0.len(), 32);
    }
}
