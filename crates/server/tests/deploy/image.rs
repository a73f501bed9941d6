//! The Dockerfile, as far as its instructions concern the program.

use serde_json::Value;

use crate::repository;

pub(crate) struct Dockerfile {
    pub(crate) stages: Vec<Stage>,
}

/// From one `FROM` to the next.
pub(crate) struct Stage {
    pub(crate) name: String,
    /// An image, or an earlier stage.
    pub(crate) base: String,
    /// Keyword and the rest, lines joined.
    pub(crate) instructions: Vec<(String, String)>,
}

impl Dockerfile {
    pub(crate) fn read() -> Self {
        let text = repository::read("Dockerfile");
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>();
        let mut stages: Vec<Stage> = Vec::new();
        for line in lines.join("\n").replace("\\\n", " ").lines().filter(|line| !line.trim().is_empty()) {
            let (keyword, rest) = line.split_once(' ').unwrap();
            if keyword == "FROM" {
                let [base, "AS", name] = rest.split_whitespace().collect::<Vec<_>>()[..] else {
                    panic!("a stage without a name: {line}")
                };
                stages.push(Stage { name: name.to_owned(), base: base.to_owned(), instructions: Vec::new() });
            } else {
                stages.last_mut().unwrap().instructions.push((keyword.to_owned(), rest.trim().to_owned()));
            }
        }
        Self { stages }
    }

    pub(crate) fn stage(&self, name: &str) -> &Stage {
        let stage = self.stages.iter().find(|stage| stage.name == name);
        stage.unwrap_or_else(|| panic!("the Dockerfile has no stage {name}"))
    }

    /// The last instruction of this kind that holds for a stage: its own, or that of what it is made from.
    pub(crate) fn setting(&self, stage: &str, keyword: &str) -> Option<&str> {
        let stage = self.stages.iter().find(|known| known.name == stage)?;
        let own = stage.instructions.iter().rfind(|(known, _)| known == keyword);
        own.map(|(_, rest)| rest.as_str()).or_else(|| self.setting(&stage.base, keyword))
    }

    /// The program and its arguments, in JSON form: there may be no shell.
    pub(crate) fn command(&self, stage: &str) -> Vec<String> {
        [self.entry(stage), self.setting(stage, "CMD").map(words).unwrap_or_default()].concat()
    }

    /// The program, to which other arguments may be given.
    pub(crate) fn entry(&self, stage: &str) -> Vec<String> {
        self.setting(stage, "ENTRYPOINT").map(words).unwrap_or_default()
    }

    /// The health check's command.
    pub(crate) fn health(&self, stage: &str) -> Option<Vec<String>> {
        let (_, command) = self.setting(stage, "HEALTHCHECK")?.split_once("CMD ").unwrap();
        Some(words(command))
    }

    /// `ENV NAME=value`.
    pub(crate) fn environment(&self, stage: &str) -> Option<(&str, &str)> {
        Some(self.setting(stage, "ENV")?.split_once('=').unwrap())
    }
}

fn words(json: &str) -> Vec<String> {
    let list: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("no list: {json}: {error}"));
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}
