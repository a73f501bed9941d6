//! The style sheet and the scripts: colours that can be told apart by everybody, and few bytes.

use std::collections::HashMap;

use saga_console::assets::ASSETS;

/// The colours of `--name:light-dark(#light,#dark)`, by name.
fn tokens() -> HashMap<String, [String; 2]> {
    let sheet = ASSETS[0].content;
    let mut tokens = HashMap::new();
    for part in sheet.split("--").skip(1) {
        let Some((name, rest)) = part.split_once(":light-dark(") else { continue };
        let (light, rest) = rest.split_once(',').unwrap();
        let (dark, _) = rest.split_once(')').unwrap();
        tokens.insert(name.to_owned(), [light.to_owned(), dark.to_owned()]);
    }
    tokens
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: &str) -> f64 {
    let digits = colour.strip_prefix('#').unwrap();
    let digits = if digits.len() == 3 {
        digits.chars().flat_map(|digit| [digit, digit]).collect()
    } else {
        digits.to_owned()
    };
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&digits[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
}

fn ratio(one: &str, other: &str) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn texts_and_controls_have_enough_contrast_in_both_themes() {
    let tokens = tokens();
    let mut pairs = vec![
        ("ink", "bg", 7.0),
        ("ink", "surf", 7.0),
        ("ink", "sunk", 7.0),
        ("ink2", "bg", 4.5),
        ("ink2", "surf", 4.5),
        ("ink2", "sunk", 4.5),
        ("acc", "bg", 4.5),
        ("acc", "surf", 4.5),
        ("acc", "sunk", 4.5),
        ("on", "acc", 4.5),
        ("ctl", "surf", 3.0),
    ];
    let tints: Vec<(String, String)> = ["run", "wait", "done", "undo", "pers"]
        .map(|family| (family.to_owned(), format!("{family}0")))
        .into_iter()
        .collect();
    for (family, tint) in &tints {
        pairs.push((family, tint, 4.5));
        pairs.push((family, "surf", 4.5));
        pairs.push(("ink", tint, 4.5));
    }
    for (text, ground, least) in pairs {
        for (theme, (text_colour, ground_colour)) in tokens[text].iter().zip(&tokens[ground]).enumerate() {
            let found = ratio(text_colour, ground_colour);
            assert!(found >= least, "{text} on {ground}: {found:.2} in theme {theme}");
        }
    }
}

#[test]
fn a_page_loads_few_bytes() {
    let size = |end: &str| -> usize {
        ASSETS.iter().filter(|asset| asset.name.ends_with(end)).map(|asset| asset.content.len()).sum()
    };
    // Before compression: three to four times what goes over the wire.
    assert!(size(".css") < 30_000, "{}", size(".css"));
    assert!(size(".js") < 30_000, "{}", size(".js"));
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    for asset in &ASSETS {
        for foreign in ["http:", "https:", "@import", "url(", "eval(", "innerHTML", "document.write"] {
            assert!(!asset.content.contains(foreign), "{}: {foreign}", asset.name);
        }
    }
}
