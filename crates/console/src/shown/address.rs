//! Addresses of the console's pages.

use std::fmt::Write;

/// The text as it may stand in a path's part, or in a query as a name or a value (RFC 3986, 2.1).
pub(crate) fn in_address(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_of_a_value_ends_it() {
        assert_eq!(in_address("a b&c=é/\"#"), "a%20b%26c%3D%C3%A9%2F%22%23");
    }
}
