//! A participant's listing of its effects, one page at a time, with the credential, the certificates and the signature of any other call.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use saga_core::Json;
use saga_core::definition::{EffectsListing, Participant};
use saga_core::effects_page::{EffectsPage, UnreadablePage};
use saga_core::reply::Reply;
use tokio::time::{sleep, timeout};

use super::super::message::{AGENT, JSON};
use super::super::{answer::Wanted, exchange::Message, signing};
use super::{HttpParticipants, SendLimits, without};

/// How often a page is asked for.
const PAGE_TRIES: u32 = 4;
/// Before it is asked for again; twice as long each time.
const PAGE_PAUSE: Duration = Duration::from_millis(500);

impl HttpParticipants {
    /// One page of a participant's effects; `after`: the `next` of the page before. The error is for a person.
    pub async fn effects(
        &self,
        participant: &Participant,
        listing: &EffectsListing,
        after: Option<&Json>,
    ) -> Result<EffectsPage, String> {
        let path = listing.path_after(after).map_err(|error| format!("`get` of `effects`: {error}"))?;
        let mut pause = PAGE_PAUSE;
        let mut tries = 0;
        loop {
            tries += 1;
            let why = match self.page(participant, listing, &path).await {
                Ok(Reply::Answered(answer)) => match listing.read(&answer) {
                    // What a proxy says while the service starts.
                    Err(UnreadablePage::Status(status @ (429 | 500..))) => format!("HTTP {status}"),
                    page => return page.map_err(|why| format!("GET {path}: {why}")),
                },
                Ok(Reply::NotSent { reason } | Reply::Lost { reason } | Reply::Impossible { reason }) => {
                    reason
                }
                Err(why) => return Err(why),
            };
            if tries == PAGE_TRIES {
                return Err(format!("GET {path}: {why}"));
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    async fn page(
        &self,
        participant: &Participant,
        listing: &EffectsListing,
        path: &str,
    ) -> Result<Reply, String> {
        let endpoint =
            self.endpoint(participant).map_err(|error| format!("set up the connection: {error}"))?;
        let signer = match (participant.is_signed, &self.signer) {
            (false, _) => None,
            (true, Ok(signer)) => Some(&**signer),
            (true, Err(_)) => return Err(signing::NO_KEY.to_owned()),
        };
        let proof = match &participant.auth {
            None => None,
            Some(auth) => {
                let credential = self.keyring.credential(auth);
                let proof = timeout(participant.timeout, credential.clone().obtained()).await;
                Some(proof.map_err(|_| credential.missing())?)
            }
        };
        let prefix = participant.base.path().trim_end_matches('/');
        let mut message = Message::default();
        *message.uri_mut() =
            format!("{prefix}{path}").try_into().map_err(|error| format!("GET {path}: {error}"))?;
        let headers = message.headers_mut();
        headers.insert(HOST, endpoint.host_header.clone());
        headers.insert(ACCEPT, JSON);
        headers.insert(USER_AGENT, AGENT);
        for (name, value) in &participant.headers {
            headers.insert(name, value.clone());
        }
        if let Some(proof) = &proof {
            headers.insert(AUTHORIZATION, proof.value.clone());
        }
        if signer.is_some() {
            signing::prepare_listing(&mut message, participant);
        }
        let wanted = Wanted { bytes_max: participant.answer_bytes_max, headers: listing.reads_headers() };
        let limits =
            SendLimits { answer: participant.timeout, connect: participant.connect_timeout, may_reuse: true };
        let reply = endpoint.send(message, signer, wanted, limits).await;
        Ok(match proof {
            None => reply,
            Some(proof) => without(reply, &proof.value),
        })
    }
}
