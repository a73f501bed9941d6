//! `docs/limits.md` held against the sources: every limit has its row, with the same default, and no row is
//! about nothing.

mod sources;

use self::sources::{flags, limits, shown};

const PAGE: &str = include_str!("../../../../../docs/limits.md");

/// A row of the page.
#[derive(Debug)]
struct Row {
    name: &'static str,
    place: &'static str,
    default: &'static str,
    set_by: &'static str,
    beyond: &'static str,
}

fn rows() -> Vec<Row> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(|cell| cell.trim()).collect();
        let [name, place, default, set_by, beyond] = cells[..] else { panic!("not five cells: {line}") };
        let [name, place, set_by] = [name, place, set_by].map(|cell| cell.trim_matches('`'));
        Row { name, place, default, set_by, beyond }
    })
    .collect()
}

#[test]
fn every_limit_of_the_sources_has_a_row_with_its_default() {
    let rows = rows();
    let mut wrong = Vec::new();
    for limit in limits() {
        let (name, place) = (&limit.name, &limit.place);
        let Some(row) = rows.iter().find(|row| row.name == name && row.place == place) else {
            wrong.push(format!(
                "`{name}` of `{place}` has no row. Add one: | `{name}` | `{place}` | {:?} and its unit | its flag, or \
                 fixed | what happens beyond it |. If it limits nothing, name it in NO_LIMITS of sources.rs",
                limit.default
            ));
            continue;
        };
        if let Some(default) = &limit.default
            && shown(row.default).as_ref() != Some(default)
        {
            wrong.push(format!(
                "`{name}` of `{place}` is {default:?} in the sources, and {} on the page",
                row.default
            ));
        }
    }
    assert!(wrong.is_empty(), "docs/limits.md:\n{}", wrong.join("\n"));
}

#[test]
fn every_flag_that_is_a_number_is_named_by_a_row_with_its_default() {
    let rows = rows();
    for (flag, default) in flags() {
        let row = rows.iter().find(|row| row.set_by == flag);
        let row = row.unwrap_or_else(|| panic!("docs/limits.md: no row is set by {flag}"));
        assert_eq!(shown(row.default), Some(vec![default]), "docs/limits.md: {flag}: {row:?}");
    }
}

#[test]
fn no_row_is_about_nothing() {
    let (limits, flags) = (limits(), flags());
    for row in rows() {
        let known = limits.iter().any(|limit| limit.name == row.name && limit.place == row.place);
        let is_flag = row.place == "flag" && flags.iter().any(|(flag, _)| *flag == row.set_by);
        assert!(known || is_flag || row.place == "hyper", "docs/limits.md: the sources do not have {row:?}");
        assert!(!row.beyond.is_empty(), "docs/limits.md: what happens beyond `{}`?", row.name);
        let set_by = row.set_by;
        let is_flag = set_by.starts_with("--")
            && (set_by == "--attendre" || flags.iter().any(|(flag, _)| flag == set_by));
        let is_key = !set_by.starts_with("--") && !set_by.is_empty();
        assert!(is_flag || is_key, "docs/limits.md: there is no {set_by}");
    }
}
