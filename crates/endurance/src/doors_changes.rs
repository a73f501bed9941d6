//! Changes of keys, certificates and an issuer's keys while everything runs, as the documents tell operators to make them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rustls::pki_types::CertificateDer;
use saga_testkit::dice::Dice;
use saga_testkit::tokens::TokenKey;
use tokio::net::TcpStream;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{ProcessEndpoint, encrypted, send_within};
use crate::doors::{CallerIdentity, Doors};
use crate::fault::Fault;
use crate::fleet::Processes;

/// How long all processes may take to follow: a paused one, or one that cannot start, is waited for.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(120);
/// How long one process may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(300);
/// No request of a caller is under way for longer than this.
const UNDER_WAY_MAX: Duration = Duration::from_secs(5);
/// How long the issuer is away, in milliseconds.
const AWAY_MS: (u64, u64) = (1_000, 60_000);

/// A change that nobody else makes at the same time.
pub(crate) struct DoorsChange {
    what: Fault,
    doors: Arc<Doors>,
    _lock: OwnedMutexGuard<()>,
}

impl DoorsChange {
    /// `None`: such a change is under way.
    pub(crate) fn begin(what: Fault, doors: Arc<Doors>) -> Option<Self> {
        let lock = match what {
            Fault::Keys => &doors.keys_lock,
            Fault::Certificate => &doors.certificate_lock,
            _ => &doors.issuer_lock,
        };
        let lock = lock.clone().try_lock_owned().ok()?;
        Some(Self { what, doors, _lock: lock })
    }

    /// An error is a violation: a process did not follow.
    pub(crate) async fn carry_out(self, fleet: &Processes, dice: &Dice) -> anyhow::Result<()> {
        match self.what {
            Fault::Keys => self.keys(fleet).await,
            Fault::Certificate => self.certificate(fleet).await,
            _ => self.issuer(fleet, dice).await,
        }
    }

    /// A second key, until all processes know it; then the callers take it, and the first one goes.
    async fn keys(&self, fleet: &Processes) -> anyhow::Result<()> {
        let old = self.doors.presented();
        let new = self.doors.add_key()?;
        self.everywhere(fleet, &Sign::Answer(&new, 200))
            .await
            .context("the new key is not known everywhere")?;
        self.doors.present(new.clone());
        sleep(UNDER_WAY_MAX).await;
        self.doors.revoke_all_but_the_last()?;
        self.everywhere(fleet, &Sign::Answer(&old, 401)).await.context("the old key is let in somewhere")
    }

    /// Another certificate, and no word to the processes: they look at the files.
    async fn certificate(&self, fleet: &Processes) -> anyhow::Result<()> {
        self.doors.replace_certificate()?;
        let wanted = self.doors.certificate();
        self.everywhere(fleet, &Sign::Certificate(wanted))
            .await
            .context("the old certificate is shown somewhere")
    }

    /// The issuer goes away, and comes back with one more key. Its tokens count all the time; those of the new key do once it is
    /// published.
    async fn issuer(&self, fleet: &Processes, dice: &Dice) -> anyhow::Result<()> {
        let away = Duration::from_millis(dice.between(AWAY_MS.0, AWAY_MS.1));
        let key = TokenKey::p256(&format!("key-{}", dice.between(0, 1 << 40)));
        let publish = async {
            sleep(away).await;
            self.doors.issuer.publish(&key);
        };
        self.doors.issuer.away(publish).await?;
        let token = self.doors.token_of(&key);
        self.everywhere(fleet, &Sign::Answer(&token, 200))
            .await
            .context("the issuer's new key is not known everywhere")?;
        self.doors.sign_with(key);
        Ok(())
    }

    /// Waits until all processes show this sign, and sends SIGHUP to those that do not.
    async fn everywhere(&self, fleet: &Processes, sign: &Sign<'_>) -> anyhow::Result<()> {
        let begun = Instant::now();
        for place in &fleet.places {
            loop {
                if let Some(address) = place.address()
                    && self.is_shown(sign, address).await
                {
                    break;
                }
                if begun.elapsed() > FOLLOWED_WITHIN {
                    bail!("{:?}, within {FOLLOWED_WITHIN:?}", place.address());
                }
                // A task that changes a process holds its lock; a new process reads the files by itself.
                if let Ok(machine) = place.machine.try_lock()
                    && let Some(serve) = &machine.serve
                {
                    serve.signal("HUP");
                }
                sleep(LOOK_AGAIN_AFTER).await;
            }
        }
        Ok(())
    }

    async fn is_shown(&self, sign: &Sign<'_>, address: SocketAddr) -> bool {
        match sign {
            Sign::Answer(credential, status) => {
                let identity = CallerIdentity::Other((*credential).into());
                let process = ProcessEndpoint { address, entry: Some(self.doors.entry(&identity)) };
                let answer = send_within(ANSWER_WITHIN, process, "GET", "/api/definitions", &[], None).await;
                answer.is_ok_and(|answer| answer.status == *status)
            }
            Sign::Certificate(wanted) => {
                let look = async {
                    let stream = TcpStream::connect(address).await.ok()?;
                    let encrypted = encrypted(&self.doors.connector, address, stream).await.ok()?;
                    Some(encrypted.get_ref().1.peer_certificates()?.first()? == wanted)
                };
                timeout(ANSWER_WITHIN, look).await.ok().flatten() == Some(true)
            }
        }
    }
}

/// How a process shows that it has followed.
enum Sign<'a> {
    /// The status of its answer to a caller with this key or token.
    Answer(&'a str, u16),
    /// Its certificate.
    Certificate(CertificateDer<'static>),
}
