//! `GET /console/definitions` and `GET /console/definitions/{name}`: what runs?

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use saga_console::PageName;
use saga_console::pages::{DefinitionKnown, DefinitionPage, DefinitionsPage};
use saga_core::Definition;
use saga_core::definition::DefinitionHash;
use saga_engine::Refusal;

use super::answer;
use super::visit::Visit;
use crate::api::Api;
use crate::api::problem::Problem;
use crate::face::sagas::loaded;

/// Bytes of a hash in an address: SHA-256 in hexadecimal digits.
const HASH_BYTES: usize = 64;

/// The definitions that new sagas run, and the versions that older sagas are pinned to.
pub(super) async fn definitions(State(api): State<Api>, visit: Visit) -> Response {
    let frame = visit.frame(PageName::Definitions);
    let whole = api.whole.current(&api.engine).await;
    answer::page(&DefinitionsPage::new(
        frame,
        &api.engine.definitions(),
        whole.hour.as_deref(),
        whole.backlog.as_deref(),
        whole.under_way.as_deref(),
    ))
}

/// One of them, in the version that new sagas run, or in the one that the query names.
pub(super) async fn definition(
    State(api): State<Api>,
    visit: Visit,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Response {
    let frame = visit.frame(PageName::Definitions);
    let name = path.map(|Path(name)| name).unwrap_or_default();
    let served = loaded(&api, &name);
    let query = query.unwrap_or_default();
    let asked = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "hash");
    let hash = match (asked, &served) {
        (Some((_, hash)), _) if hash.len() == HASH_BYTES => DefinitionHash::new(&hash),
        (Some(_), _) => return answer::notice(&no_such_version(), frame),
        (None, Ok(served)) => served.hash.clone(),
        (None, Err(unknown)) => return answer::notice(unknown, frame),
    };
    let (read, source) = match version(&api, &name, &hash).await {
        Ok(found) => found,
        Err(problem) => return answer::notice(&problem, frame),
    };
    let whole = api.whole.current(&api.engine).await;
    answer::page(&DefinitionPage::new(
        frame,
        &DefinitionKnown {
            read: read.as_deref().map_err(|why| why.to_string()),
            name: name.as_str().into(),
            hash,
            source: &source,
            served: served.ok().map(|served| served.hash.clone()),
            flow: whole.hour.as_ref().and_then(|hour| hour.of.get(&*name)),
            under_way: whole.under_way.as_deref(),
        },
    ))
}

/// A version as this process reads it, or why it cannot; and its text.
type FoundVersion = (Result<Arc<Definition>, Arc<str>>, Arc<str>);

async fn version(api: &Api, name: &str, hash: &DefinitionHash) -> Result<FoundVersion, Problem> {
    let (read, kept_name, source) = match api.engine.pinned(hash).await {
        Ok(read) => (Ok(read.clone()), read.name.clone(), read.source.clone()),
        // Its text may be there all the same: a variable may not be set, or a later release has kept it.
        Err(Refusal::Damaged(why)) => {
            let kept = api.engine.journal().definition(hash.clone()).await?.ok_or_else(no_such_version)?;
            (Err(why), kept.name, kept.source)
        }
        Err(refusal) => return Err(Problem::refused(refusal, no_such_version)),
    };
    if *kept_name == *name { Ok((read, source)) } else { Err(no_such_version()) }
}

fn no_such_version() -> Problem {
    let detail =
        "No version of that definition has this hash; /console/definitions lists those that are in use";
    Problem::new(StatusCode::NOT_FOUND, "no_such_definition", detail)
}
