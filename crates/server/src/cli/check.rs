//! `orchestrateur check FILE`.

use std::path::PathBuf;

use clap::Args;
use saga_core::Definition;

use super::table::table;
use crate::definitions;

/// Check a definition, and print what was understood.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The definition; without one, the built-in checkout.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Check {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let loaded = definitions::load(self.file.as_deref())?;
        for warning in &loaded.warnings {
            eprintln!("{warning}");
        }
        print!("{}", summary(&loaded.definition));
        Ok(())
    }
}

/// What was understood, for people.
fn summary(definition: &Definition) -> String {
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let inputs: Vec<String> =
        definition.input.iter().map(|(name, kind)| format!("{name} ({})", kind.as_str())).collect();
    let states = &definition.states;
    let mut participants = vec![row(&["participant", "url", "safety", "timeout", "calls_max"])];
    participants.extend(definition.participants.iter().map(|participant| {
        vec![
            participant.name.to_string(),
            participant.base.to_string(),
            participant.safety.as_str().to_owned(),
            format!("{:?}", participant.timeout),
            participant.calls_max.to_string(),
        ]
    }));
    let mut steps =
        vec![row(&["step", "participant", "action", "undone by", "success", "failure", "attempts"])];
    steps.extend(definition.steps.iter().enumerate().map(|(index, step)| {
        let undo = match &step.compensation {
            Some(call) => call.method.to_string(),
            None if step.is_read() => "- (a read)".to_owned(),
            None => "- (never undone)".to_owned(),
        };
        vec![
            step.name.to_string(),
            definition.participant(index).name.to_string(),
            step.action.method.to_string(),
            undo,
            step.success.as_deref().unwrap_or("-").to_owned(),
            step.failure.to_string(),
            step.retry.attempts.to_string(),
        ]
    }));
    format!(
        "{name}: a valid definition\n  hash      {hash}\n  input     {inputs}\n  deadline  {deadline:?}\n  \
         states    {started} -> {completed}, or {cancelled} when stopped\n\n{participants}\n{steps}",
        name = definition.name,
        hash = definition.hash,
        inputs = inputs.join(", "),
        deadline = definition.deadline,
        started = states.started,
        completed = states.completed,
        cancelled = states.cancelled,
        participants = table(&participants),
        steps = table(&steps),
    )
}
