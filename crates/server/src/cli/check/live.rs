//! Whether the services' addresses answer: opens a connection to each at the same time, with TLS where the URL
//! requires it. Where a service has `auth`, whether its secret can be read, and a token is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::bail;
use saga_core::Definition;
use saga_engine::participants::HttpParticipants;
use tokio::task::JoinSet;

use super::super::table::{line, table};
use super::say;

/// Connects to all services, and prints the result for each. Each has its `connect_timeout`.
pub(super) async fn ask(definition: &Arc<Definition>) -> anyhow::Result<()> {
    let participants = Arc::new(HttpParticipants::new()?);
    let mut asked = JoinSet::new();
    for index in 0..definition.participants.len() {
        let (definition, participants) = (definition.clone(), participants.clone());
        asked.spawn(async move {
            let participant = &definition.participants[index];
            if participant.has_no_address() {
                return (index, Err("a variable of its URL is not set".to_owned()));
            }
            (index, participants.reach(participant).await.map_err(|error| error.to_string()))
        });
    }
    let mut said = BTreeMap::new();
    while let Some(result) = asked.join_next().await {
        let (index, result) = result?;
        said.insert(index, result);
    }
    let mut rows = vec![["service", "url", "answers"].map(str::to_owned).to_vec()];
    for (index, result) in &said {
        let participant = &definition.participants[*index];
        let answers = match result {
            Ok(()) => "yes".to_owned(),
            Err(error) => line(&format!("NO: {error}")),
        };
        rows.push(vec![participant.name.to_string(), participant.address.to_string(), answers]);
    }
    say(format!("\n{}", table(&rows)))?;
    let silent: Vec<_> = said.iter().filter(|(_, result)| result.is_err()).map(|(index, _)| *index).collect();
    if silent.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = silent.into_iter().map(|index| &*definition.participants[index].name).collect();
    bail!("no connection to: {}; start them, or correct their `url`, `tls` or `auth`", names.join(", "))
}
