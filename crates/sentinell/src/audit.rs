//! Who signs the audit's heads, and who believes a signature: Ed25519 (RFC 8032).

use crate::auth::secret::hex;
use crate::config::Secret;
use crate::store::Store;
use anyhow::anyhow;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use sentinell_core::audit::Head;
use sentinell_core::ports::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often what is new is vouched for. An anchor kept elsewhere is never older than the last such moment.
const EVERY: Duration = Duration::from_secs(60);

/// Signs heads.
#[derive(Debug)]
pub struct Notary {
    key: Ed25519KeyPair,
    public: String,
}

impl Notary {
    /// With this key: 32 bytes in hex.
    ///
    /// # Errors
    /// If it is no such key.
    pub fn new(key: &Secret) -> anyhow::Result<Self> {
        let seed = bytes(key.expose().trim()).ok_or_else(|| anyhow!("the audit's key is not 32 bytes in hex"))?;
        let key = Ed25519KeyPair::from_seed_unchecked(&seed);
        let key = key.map_err(|_| anyhow!("the audit's key is not 32 bytes in hex"))?;
        let public = hex(key.public_key().as_ref());
        Ok(Self { key, public })
    }

    /// The public half of its key, lower-case hex: who verifies an export names it.
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// Makes a head over everything that is new; none if nothing is.
    ///
    /// # Errors
    /// If the database fails, or lacks something: nothing is signed then.
    pub async fn vouch(&self, store: &Store, clock: &dyn Clock) -> crate::store::Result<Option<Head>> {
        let sign = |digest: &[u8]| hex(self.key.sign(digest).as_ref());
        store.make_head(clock.now(), &self.public, &sign).await
    }

    /// Vouches for what is new, minute by minute, until `stop`.
    pub async fn watch(self: Arc<Self>, store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) {
        loop {
            if let Err(error) = self.vouch(&store, clock.as_ref()).await {
                tracing::error!(%error, "the audit's next head was not made");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
}

/// Whether `signature` is that of `digest` under the public `key`; both in hex.
pub fn is_signed(key: &str, digest: &[u8], signature: &str) -> bool {
    let Some((key, signature)) = bytes(key).zip(bytes(signature)) else { return false };
    UnparsedPublicKey::new(&ED25519, key).verify(digest, &signature).is_ok()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|d| d.try_into().ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2) && digits.len() <= 256)?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_that_signed_fits_and_only_what_was_signed() {
        let notary = Notary::new(&Secret::new("07".repeat(32))).unwrap();
        let other = Notary::new(&Secret::new("08".repeat(32))).unwrap();
        let signature = hex(notary.key.sign(b"what was").as_ref());
        assert!(is_signed(notary.public_key(), b"what was", &signature));
        assert!(!is_signed(notary.public_key(), b"what is", &signature));
        assert!(!is_signed(other.public_key(), b"what was", &signature));
        for odd in ["", "0", "zz", "ä", &signature[2..]] {
            assert!(!is_signed(notary.public_key(), b"what was", odd) && !is_signed(odd, b"what was", &signature));
        }
        assert!(Notary::new(&Secret::new("07".repeat(31))).is_err());
    }
}
