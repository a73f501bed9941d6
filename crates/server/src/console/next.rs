//! Where somebody goes after signing in: a page of the console, whatever a link says.

/// Bytes of a place to go on to.
const NEXT_BYTES_MAX: usize = 2_048;

/// The place that a link or a form names, if it is a page of the console: nobody is led elsewhere, and not to signing in or out.
pub(super) fn place(text: &str) -> Option<&str> {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    // A browser takes `..` and `%2e%2e` for the folder above.
    let has_dots = path.contains("/.") || path.to_ascii_lowercase().contains("%2e");
    let is_page = text.len() <= NEXT_BYTES_MAX
        && path.starts_with(super::ROOT)
        && !text.contains("//")
        && text.bytes().all(is_plain)
        && !has_dots
        && ![super::SIGN_IN, super::SIGN_OUT].contains(&path);
    is_page.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_page_of_the_console_and_nothing_else() {
        for good in [
            "/console/",
            "/console/sagas?step=vente&label=a%2Fb",
            "/console/sagas/01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21#attempts",
            "/console/inbox?group=1:client%7Cpayment",
            "/console/sagas?x=/.",
        ] {
            assert_eq!(place(good), Some(good));
        }
        for bad in [
            "",
            "/",
            "/console",
            "/consolex/",
            "/api/sagas",
            "//evil.example/console/",
            "///console/",
            "https://evil.example/console/",
            "/console//evil.example",
            "/console/?next=//evil.example",
            "/console/\\evil.example",
            "\\/console/",
            "/console/../api/sagas",
            "/console/%2e%2E/api/sagas",
            "/console/.%2e/",
            "/console/a b",
            "/console/\r\nset-cookie: a=b",
            "/console/\0",
            "/console/\u{e9}",
            " /console/",
            "javascript:alert(1)",
            "/console/sign-in",
            "/console/sign-in?next=/console/",
            "/console/sign-out",
            &format!("/console/{}", "x".repeat(NEXT_BYTES_MAX)),
        ] {
            assert_eq!(place(bad), None, "{bad:?}");
        }
    }
}
