//! Whether somebody who stays connected may still be here. A stream is judged when it opens and as long as it lasts: it ends
//! with the token or session that opened it.

use super::Caller;
use crate::api::AppState;
use crate::store::{Holder, Proof};

impl Caller {
    /// Returns when what this caller came in by holds no more: at once where this process took it back, a look later where
    /// another did. While the database does not answer nothing is known, and nobody is turned away.
    pub(crate) async fn turned_away(self, app: AppState) {
        let Self::Known(Holder { proof, .. }) = self else { return std::future::pending().await };
        if proof == Proof::Lasting {
            return std::future::pending().await;
        }
        let mut changed = app.access.subscribe();
        loop {
            if let Ok(false) = app.store.holds(&proof, app.clock.now()).await {
                return;
            }
            // The sender lives as long as `app` does.
            let _ = tokio::time::timeout(app.config.judged_again, changed.changed()).await;
        }
    }
}
