//! Every text of the console, in English and French.
//!
//! A page's texts are a struct of its own (`words! { … }`), with one line for each text: its name, English, French. Sentences with
//! values in them are functions that match the language.

mod frame;

use std::str::FromStr;

use strum::{EnumString, IntoStaticStr};

pub(crate) use self::frame::FrameWords;

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumString, IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// French, as it is written in Québec.
    Fr,
}

impl Lang {
    /// The code of RFC 5646, as the attribute `lang` has it.
    pub fn code(self) -> &'static str {
        self.into()
    }

    /// The other language, which the page offers.
    pub fn other(self) -> Self {
        match self {
            Self::En => Self::Fr,
            Self::Fr => Self::En,
        }
    }

    /// The language that a header `Accept-Language` (RFC 9110, 12.5.4) wants most among those that there are.
    pub fn accepted(header: &str) -> Self {
        let mut best: Option<(f32, Self)> = None;
        for part in header.split(',').take(ACCEPTED_MAX) {
            let mut pieces = part.split(';');
            let tag = pieces.next().unwrap_or_default().trim();
            let quality =
                pieces.find_map(|piece| piece.trim().strip_prefix("q=")).map_or(Ok(1.0), f32::from_str);
            let primary = tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
            let (Ok(lang), Ok(quality)) = (primary.parse(), quality) else { continue };
            if quality > 0.0 && best.is_none_or(|(other, _)| quality > other) {
                best = Some((quality, lang));
            }
        }
        best.map_or_else(Self::default, |(_, lang)| lang)
    }
}

/// Languages of a header that are looked at.
const ACCEPTED_MAX: usize = 32;

/// A struct of texts, with its values in both languages.
macro_rules! words {
    ($(#[$doc:meta])* $visibility:vis struct $words:ident { $($name:ident: $en:literal, $fr:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        $visibility struct $words {
            $(pub(crate) $name: &'static str,)*
        }

        impl $words {
            /// The texts of a language.
            pub(crate) fn of(lang: $crate::Lang) -> &'static Self {
                static EN: $words = $words { $($name: $en,)* };
                static FR: $words = $words { $($name: $fr,)* };
                match lang {
                    $crate::Lang::En => &EN,
                    $crate::Lang::Fr => &FR,
                }
            }
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_language_is_the_one_that_it_wants_most() {
        for (header, expected) in [
            ("", Lang::En),
            ("fr-CA,fr;q=0.8,en;q=0.5", Lang::Fr),
            ("en-US,en;q=0.9,fr;q=0.8", Lang::En),
            ("de, fr;q=0.4", Lang::Fr),
            ("de", Lang::En),
            ("fr;q=0, en;q=0.1", Lang::En),
            ("FR", Lang::Fr),
            ("fr;q=much, *", Lang::En),
        ] {
            assert_eq!(Lang::accepted(header), expected, "{header}");
        }
    }
}
