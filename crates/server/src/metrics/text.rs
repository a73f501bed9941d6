//! The two text formats: OpenMetrics as the library writes it, and the older one converted from it.

/// Converts OpenMetrics text to the older format: there, a counter's description has the name of its samples, with
/// `_total`, and neither units nor the end are marked.
pub(super) fn plain(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + 1024);
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        match line.split_once(' ').and_then(|(_, rest)| rest.split_once(' ')) {
            Some((_, name_and_help)) if line.starts_with("# HELP ") => {
                let (name, help) = name_and_help.split_once(' ').unwrap_or((name_and_help, ""));
                let counter = lines.peek().is_some_and(|next| *next == format!("# TYPE {name} counter"));
                let total = if counter { "_total" } else { "" };
                text.push_str(&format!("# HELP {name}{total} {help}\n"));
            }
            Some((_, name_and_type)) if line.starts_with("# TYPE ") => {
                let name_and_type = name_and_type.replace(" counter", "_total counter");
                text.push_str(&format!("# TYPE {name_and_type}\n"));
            }
            _ if line.starts_with('#') => {}
            _ => {
                // An exemplar stands behind its sample, which no label's value is before.
                text.push_str(
                    line.rsplit_once(" # {")
                        .filter(|(_, exemplar)| exemplar.starts_with("trace_id="))
                        .map_or(line, |(sample, _)| sample),
                );
                text.push('\n');
            }
        }
    }
    text
}
