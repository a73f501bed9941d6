//! `GET /console/inbox`: what needs a person, and what first?
//!
//! - `gathered.rs`: the values of the page. `form.rs`: its form as it was sent.
//! - `try_now.rs`, `say.rs`: what its form asks for.

mod form;
mod gathered;
mod say;
mod try_now;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use saga_console::PageName;
use saga_console::pages::{InboxAnswer, InboxView, TypedTexts};
use saga_core::{BulkActionId, SagaId};

pub(super) use self::say::say;
pub(super) use self::try_now::try_now;
use super::answer;
use super::sagas::pairs;
use super::visit::Visit;
use crate::api::Api;
use crate::api::problem::Problem;
use crate::api::query::word_within;

/// Characters of a cause's key in an address.
const GROUP_CHARS_MAX: usize = 512;

/// The values that a page has beside its view.
#[derive(Default)]
struct Beside {
    /// The action that is shown.
    action: Option<BulkActionId>,
    answer: Option<InboxAnswer>,
    typed: TypedTexts,
}

/// The inbox.
pub(super) async fn inbox(State(api): State<Api>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    let read = read(&pairs(query.as_deref().unwrap_or_default()));
    let shown = match read {
        Ok((view, beside)) => gathered::page(&api, &visit, view, beside).await,
        Err(problem) => Err(problem),
    };
    match shown {
        Ok(page) => answer::page(&page),
        Err(problem) => answer::notice(&problem, visit.frame(PageName::Inbox)),
    }
}

/// The page again, after a form that was not taken: it keeps what was typed, and says why.
async fn again(
    api: &Api,
    visit: &Visit,
    status: StatusCode,
    view: InboxView,
    answered: InboxAnswer,
    typed: TypedTexts,
) -> Response {
    let beside = Beside { answer: Some(answered), typed, ..Beside::default() };
    let mut response = match gathered::page(api, visit, view, beside).await {
        Ok(page) => answer::page(&page),
        Err(problem) => return answer::notice(&problem, visit.frame(PageName::Inbox)),
    };
    *response.status_mut() = status;
    response
}

/// The answer to a form of which nothing was done.
fn not_done(problem: &Problem) -> (StatusCode, InboxAnswer) {
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let problem = Some(problem.detail().to_owned());
    (status, InboxAnswer { problem, said: Vec::new(), refused: Vec::new() })
}

fn read(pairs: &[(String, String)]) -> Result<(InboxView, Beside), Problem> {
    let (mut view, mut beside) = (InboxView::default(), Beside::default());
    for (name, value) in pairs {
        match name.as_str() {
            // A field of the form that was left empty.
            _ if value.is_empty() => {}
            "group" => view.group = Some(word_within(GROUP_CHARS_MAX, name, value)?.to_string()),
            "order" => {
                let wrong = |_| Problem::invalid("`order` must be oldest, money or sagas");
                view.order = value.parse().map_err(wrong)?;
            }
            "definition" => view.definition = Some(word_within(GROUP_CHARS_MAX, name, value)?.to_string()),
            "after" => view.after = Some(value.clone()),
            "action" => beside.action = value.parse().ok(),
            "said" => {
                let said =
                    value.split(',').take(say::SAID_SAGAS_MAX).filter_map(|id| id.parse::<SagaId>().ok());
                beside.answer =
                    Some(InboxAnswer { problem: None, said: said.collect(), refused: Vec::new() });
            }
            _ => {
                let detail = format!(
                    "There is no parameter `{}` here; there are group, order, definition and after",
                    name.escape_debug()
                );
                return Err(Problem::invalid(detail));
            }
        }
    }
    Ok((view, beside))
}
