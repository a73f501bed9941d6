//! A table of bounded size that forgets what was not used for long, without a search for it.
//!
//! There are two generations. New entries, and old ones that are used, go to the young generation; when that is full, it becomes the
//! old one, and the old one is forgotten.

use std::collections::HashMap;
use std::hash::Hash;

#[derive(Debug)]
pub(super) struct Generations<K, V> {
    /// Entries of one generation.
    half: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash, V: Clone> Generations<K, V> {
    /// A table of at most so many entries.
    pub(super) fn new(entries_max: usize) -> Self {
        Self { half: (entries_max / 2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value.clone());
        Some(value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_in_use_stay_and_there_are_never_more_than_so_many() {
        let mut table = Generations::new(10);
        table.insert(0, "used");
        for number in 1..1_000 {
            table.insert(number, "once");
            assert_eq!(table.get(&0), Some("used"));
            assert!(table.young.len() + table.old.len() <= 10, "{table:?}");
        }
        assert_eq!((table.get(&1), table.get(&999)), (None, Some("once")));
    }
}
