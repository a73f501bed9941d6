//! A range of clients' ids, such as `10-1000`.

use std::str::FromStr;

use anyhow::{Context, Error, ensure};

/// From the first id to the last one, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clients {
    first: i64,
    last: i64,
}

impl Clients {
    /// Whether the id is one of them.
    pub fn contains(&self, client: i64) -> bool {
        (self.first..=self.last).contains(&client)
    }

    /// The id of the order with that number: each in turn.
    pub fn of_order(&self, number: u64) -> i64 {
        self.first + (number % (self.last - self.first + 1) as u64) as i64
    }
}

impl FromStr for Clients {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let id = |text: &str| text.parse::<i64>().with_context(|| format!("`{text}` is no client's id"));
        let clients = Self { first: id(first)?, last: id(last)? };
        ensure!(clients.first <= clients.last, "the first id is larger than the last one");
        Ok(clients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_go_through_all_clients_in_turn() {
        let clients: Clients = "10-12".parse().unwrap();
        let ids: Vec<_> = (0..4).map(|number| clients.of_order(number)).collect();
        assert_eq!(ids, [10, 11, 12, 10]);
        assert!(clients.contains(12) && !clients.contains(13));
    }

    #[test]
    fn one_id_is_a_range_too_and_nonsense_is_none() {
        assert_eq!("7".parse::<Clients>().unwrap(), Clients { first: 7, last: 7 });
        assert!("9-8".parse::<Clients>().is_err());
        assert!("a-b".parse::<Clients>().is_err());
    }
}
