//! Secrets: made here, stored only as hashes, compared in constant time.

use crate::api::problem::ApiError;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A new secret with 256 random bits, in lower-case hex after `prefix`.
///
/// # Errors
/// 503 if the operating system has no randomness to give.
pub fn mint(prefix: &str) -> Result<String, ApiError> {
    let mut bytes = [0; 32];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let filled = provider.secure_random.fill(&mut bytes);
    filled.map_err(|_| ApiError::unavailable("the machine's random source does not answer; try again", 5))?;
    Ok(format!("{prefix}{}", hex(&bytes)))
}

/// SHA-256 of a secret in lower-case hex: what is stored of it. Minted secrets are 256 random bits, so a plain hash is
/// enough.
pub fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// Whether two texts are the same, in time that depends only on their lengths.
pub fn same(left: &str, right: &str) -> bool {
    left.as_bytes().ct_eq(right.as_bytes()).into()
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
