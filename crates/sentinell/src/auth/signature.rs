//! Webhook signatures: whoever cannot prove who it is gets no answer.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Whether `header` (`sha256=<hex>`) is GitHub's signature of `body` under `secret`; compared in constant time.
pub fn github(secret: &str, body: &[u8], header: &str) -> bool {
    let Some(given) = header.strip_prefix("sha256=").and_then(unhex) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of GitHub's documentation "Validating webhook deliveries".
    const SECRET: &str = "It's a Secret to Everybody";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn githubs_own_example_verifies_and_nothing_else_does() {
        assert!(github(SECRET, b"Hello, World!", SIGNATURE));
        assert!(!github(SECRET, b"Hello, World", SIGNATURE));
        assert!(!github("another secret", b"Hello, World!", SIGNATURE));
        for header in ["", "sha256=", "sha1=757107ea", &SIGNATURE[7..], "sha256=zz", "sha256=\u{e4}\u{e4}", "sha256=7"]
        {
            assert!(!github(SECRET, b"Hello, World!", header), "{header}");
        }
    }
}
