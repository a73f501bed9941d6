//! Looks whether the files of TLS have changed, and gives new handshakes what they have then; tells when the certificate ends.
//!
//! Open connections go on with what their handshakes agreed on. A mistake in the files leaves new handshakes what they got before, and
//! the files are tried again at each look: a renewal writes two files, one after the other.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use saga_core::Timestamp;
use saga_engine::Clock;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use super::serving::{ServerTls, TextsDigest};
use crate::metrics::TlsCounts;

/// How often the files are looked at.
const TLS_LOOK_EVERY: Duration = Duration::from_secs(3);
/// A certificate that ends sooner than this is told.
const CERTIFICATE_LEFT_MIN: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// How often that is told.
const CERTIFICATE_TOLD_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// The task of a server's certificate.
pub(crate) struct Renewal {
    tls: Arc<ServerTls>,
    hangup: Signal,
    mistake: Option<TlsMistake>,
    /// When the certificate's end was last told.
    told_end: Option<Timestamp>,
}

/// Files that cannot be used.
struct TlsMistake {
    /// `None`: they cannot be read.
    digest: Option<TextsDigest>,
    is_told: bool,
}

/// Why the files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Look,
    /// An operator waits for a word about it.
    Hangup,
}

impl Renewal {
    /// Listens for SIGHUP from its creation on.
    pub(crate) fn new(tls: Arc<ServerTls>) -> anyhow::Result<Self> {
        let hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
        Ok(Self { tls, hangup, mistake: None, told_end: None })
    }

    /// Looks for ever.
    ///
    /// *Cancel point:* it is dropped at the process's end alone.
    pub(crate) async fn run(mut self, clock: &Clock, counts: &TlsCounts) -> Infallible {
        loop {
            counts.certificate_ends(self.tls.handshakes().ends);
            self.tell_end(clock.now());
            let occasion = tokio::select! {
                _ = self.hangup.recv() => Occasion::Hangup,
                () = sleep(TLS_LOOK_EVERY) => Occasion::Look,
            };
            self.look(occasion, clock.now(), counts).await;
        }
    }

    async fn look(&mut self, occasion: Occasion, now: Timestamp, counts: &TlsCounts) {
        let files = self.tls.files.clone();
        let read = tokio::task::spawn_blocking(move || files.read()).await.context("read the files of TLS");
        let (digest, renewed) = match read.and_then(|read| read) {
            Ok(texts) if occasion == Occasion::Look && texts.digest() == self.tls.handshakes().digest => {
                self.mistake = None;
                return;
            }
            Ok(texts) => (Some(texts.digest()), self.tls.replace(&texts, now)),
            Err(error) => (None, Err(error)),
        };
        match renewed {
            Ok(warnings) => {
                (self.mistake, self.told_end) = (None, None);
                counts.reloaded(true);
                let ends = self.tls.handshakes().ends;
                tracing::info!(%ends, "new connections get the certificate that the files of TLS have now; it ends at {ends}");
                warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            }
            Err(error) => self.met(digest, occasion, &error, counts),
        }
    }

    /// Tells a mistake once, when a second look has met it: at the first one, the files may still be written.
    fn met(
        &mut self,
        digest: Option<TextsDigest>,
        occasion: Occasion,
        error: &anyhow::Error,
        counts: &TlsCounts,
    ) {
        let known = self.mistake.take().filter(|mistake| mistake.digest == digest);
        let is_told = known.as_ref().is_some_and(|mistake| mistake.is_told);
        let tells = occasion == Occasion::Hangup || (known.is_some() && !is_told);
        if tells {
            counts.reloaded(false);
            tracing::error!(
                "the certificate, the key or the authorities of TLS are not read again, and those from before stay until the files \
                 are right: {error:#}"
            );
        }
        self.mistake = Some(TlsMistake { digest, is_told: is_told || tells });
    }

    fn tell_end(&mut self, now: Timestamp) {
        let left = self.tls.left(now);
        let is_told = self.told_end.is_some_and(|told| now.since(told) < CERTIFICATE_TOLD_EVERY);
        if left >= CERTIFICATE_LEFT_MIN || is_told {
            return;
        }
        self.told_end = Some(now);
        let (ends, file) = (self.tls.handshakes().ends, self.tls.files.cert.path().display());
        if left.is_zero() {
            tracing::error!(%ends, "the certificate of --tls-cert {file} ended at {ends}, and clients refuse it; renew the file");
        } else {
            let days = left.as_secs() / (24 * 60 * 60);
            tracing::warn!(
                %ends,
                days,
                "the certificate of --tls-cert {file} ends in {days} days, at {ends}; renew the file, and it is used at once"
            );
        }
    }
}
