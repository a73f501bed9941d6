//! `docs/first-saga.md`: every command in it is run, and answers what the page says.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::installed;

/// Marks the end of a block's output.
const END: &str = "--- end of a block ---";

/// A block of commands, and what the page says that they answer.
struct Block {
    line: usize,
    commands: String,
    answer: String,
}

/// The page's blocks. The answer of a block is the `text` block behind it.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let inside = lines.by_ref().take_while(|(_, line)| *line != "```");
        let text: String = inside.flat_map(|(_, line)| [line, "\n"]).collect();
        match kind {
            "sh" => blocks.push(Block { line: number + 1, commands: text, answer: String::new() }),
            "text" => blocks.last_mut().unwrap().answer.push_str(&text),
            _ => panic!("line {}: a block is `sh` or `text`, and this is `{kind}`", number + 1),
        }
    }
    blocks
}

/// Whether `output` has the parts of `answer`, which `...` and line breaks separate, in their order.
fn has_parts(output: &str, answer: &str) -> Result<(), String> {
    let mut rest = output;
    for part in answer.split("...").flat_map(str::lines).map(str::trim).filter(|part| !part.is_empty()) {
        let (_, behind) = rest.split_once(part).ok_or_else(|| part.to_owned())?;
        rest = behind;
    }
    Ok(())
}

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[test]
fn every_command_of_the_page_runs() {
    let root = installed::root();
    let python = installed::python().parent().unwrap();
    let page = std::fs::read_to_string(root.join("docs/first-saga.md")).unwrap();
    // Fixed ports may be in use.
    let (serve, travel) = (free_port(), free_port());
    let blocks = blocks(&page.replace("8023", &serve).replace("8101", &travel));
    assert!(blocks.len() > 8, "the page has another form by now");

    let folder = tempfile::tempdir().unwrap();
    let link = |from: &Path, to: &str| std::os::unix::fs::symlink(from, folder.path().join(to)).unwrap();
    std::fs::create_dir_all(folder.path().join("target/examples")).unwrap();
    link(python, "target/examples/python");
    link(&root.join("examples"), "examples");
    link(&root.join("sagas"), "sagas");

    // All jobs end with the script, in whatever way it ends.
    let mut script = String::from("set -eu\ntrap 'kill -9 $(jobs -p) 2>/dev/null' EXIT\n");
    for block in &blocks {
        script.extend([&block.commands, "echo; echo '", END, "'\n"]);
    }
    let program = Path::new(env!("CARGO_BIN_EXE_orchestrateur")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let log = folder.path().join("output");
    let file = std::fs::File::create(&log).unwrap();
    let status = Command::new("timeout")
        .args(["120", "bash", "-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("ORCHESTRATEUR_LISTEN", format!("127.0.0.1:{serve}"))
        .env("TRAVEL_URL", format!("http://127.0.0.1:{travel}"))
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .status()
        .expect("bash runs the page's commands");
    let told = std::fs::read_to_string(&log).unwrap();
    let outputs: Vec<&str> = told.split(END).collect();
    for (block, output) in blocks.iter().zip(&outputs) {
        if let Err(part) = has_parts(output, &block.answer) {
            panic!("docs/first-saga.md, line {}: the answer has no `{part}`\n{output}", block.line);
        }
    }
    let ended = blocks.get(outputs.len() - 1).map_or(0, |block| block.line);
    assert!(status.success(), "docs/first-saga.md, line {ended}: {status}\n{told}");
}

#[test]
fn an_answer_that_is_not_given_is_found() {
    assert_eq!(has_parts("a b\nc d", "a ... c"), Ok(()));
    assert_eq!(has_parts("a b\nc d", "c ... a"), Err("a".to_owned()));
    let found = blocks("x\n```sh\necho 1\n```\ny\n```text\n1\n```\n");
    assert_eq!(
        (found.len(), found[0].line, &*found[0].commands, &*found[0].answer),
        (1, 2, "echo 1\n", "1\n")
    );
}
