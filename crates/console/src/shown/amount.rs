//! Amounts of money.

use crate::Lang;
use crate::shown::number;

/// An amount in cents, of the currency that the shop has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub i64);

impl Amount {
    /// `$58,240.15`, `58 240,15 $`.
    pub fn text(self, lang: Lang) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, cents) = (self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100);
        let whole = number(whole, lang);
        match lang {
            Lang::En => format!("{sign}${whole}.{cents:02}"),
            Lang::Fr => format!("{sign}{whole},{cents:02}\u{a0}$"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_as_the_language_has_it() {
        assert_eq!(Amount(5_824_015).text(Lang::En), "$58,240.15");
        assert_eq!(Amount(18_645).text(Lang::Fr), "186,45\u{a0}$");
        assert_eq!(Amount(-5).text(Lang::En), "-$0.05");
        assert_eq!(Amount(i64::MIN).text(Lang::En), "-$92,233,720,368,547,758.08");
    }
}
