//! Money, exact to the cent.
//!
//! Amounts are whole cents everywhere but on the wire, where they are JSON decimals (`59.97`). No
//! arithmetic is ever done on a binary fraction.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Largest amount, in cents. Below it, a number of cents, its `f64` and the shortest text of that `f64` represent the
/// same value (fewer than 15 significant digits), so reading and writing are exact.
const CENTIMES_MAX: i64 = 10_000_000_000_000;

/// An amount of money in whole cents, never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Centimes(i64);

/// The number is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "montant invalide : {0} (attendu : un nombre positif d'au plus deux décimales, jusqu'à 100 milliards)"
)]
pub struct CentimesError(String);

impl Centimes {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `const_new(19, 99)` is 19.99: for amounts written in the source.
    pub const fn const_new(units: u32, cents: u8) -> Self {
        assert!(cents < 100, "cents are below 100");
        Self(units as i64 * 100 + cents as i64)
    }

    /// From a count of cents.
    pub fn new(cents: i64) -> Result<Self, CentimesError> {
        if (0..=CENTIMES_MAX).contains(&cents) {
            Ok(Self(cents))
        } else {
            Err(CentimesError(cents.to_string()))
        }
    }

    /// The count of cents.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// `None` past the largest amount.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::new(self.0.checked_add(other.0)?).ok()
    }

    /// `None` below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Self::new(self.0.checked_sub(other.0)?).ok()
    }

    /// `None` past the largest amount.
    pub fn checked_mul(self, quantite: i64) -> Option<Self> {
        Self::new(self.0.checked_mul(quantite)?).ok()
    }
}

impl fmt::Display for Centimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// Reads plain decimals only: `12`, `12.5`, `12.50`; a third decimal is refused, never rounded away.
impl FromStr for Centimes {
    type Err = CentimesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || CentimesError(text.to_owned());
        let (units, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(units) || !digits(decimals) || decimals.len() > 2 {
            return Err(bad());
        }
        let units: i64 = units.parse().map_err(|_| bad())?;
        let cents: i64 = format!("{decimals:0<2}").parse().map_err(|_| bad())?;
        let total = units.checked_mul(100).and_then(|hundredths| hundredths.checked_add(cents));
        Self::new(total.ok_or_else(bad)?).map_err(|_| bad())
    }
}

impl Serialize for Centimes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The quotient is the double nearest to the decimal, so its shortest text is that decimal.
        serializer.serialize_f64(self.0 as f64 / 100.0)
    }
}

impl<'de> Deserialize<'de> for Centimes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Centimes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("un nombre d'au plus deux décimales")
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Centimes, E> {
                value.to_string().parse().map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Centimes, E> {
                value.to_string().parse().map_err(E::custom)
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Centimes, E> {
                // Rust prints the shortest decimal that reads back as the same double, without an exponent: 59.97
                // stays 59.97, and the rounding error of a sum made in floating point is detected and refused.
                value.to_string().parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_amount_reads_back_from_its_own_json() {
        for cents in (0..200_000).chain(CENTIMES_MAX - 1_000..=CENTIMES_MAX) {
            let amount = Centimes::new(cents).unwrap();
            let json = serde_json::to_string(&amount).unwrap();
            assert_eq!(serde_json::from_str::<Centimes>(&json).unwrap(), amount, "{json}");
        }
    }

    #[test]
    fn a_third_decimal_a_sign_or_text_is_refused() {
        for json in
            ["59.970000001", "0.30000000000000004", "-1", "-0.01", "1e300", "\"59.97\"", "null", "1e14"]
        {
            assert!(serde_json::from_str::<Centimes>(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::from_str::<Centimes>("5.997e1").unwrap(), Centimes::const_new(59, 97));
    }
}
