//! How many requests the holders of tokens may make: a bucket for each name, and not for each token.

use std::sync::{Arc, Mutex, PoisonError};

use saga_core::Timestamp;

use super::generations::Generations;
use crate::api::access::rate::{Bucket, RateLeft};

/// Names whose requests are counted for `--oidc-requests-per-second`.
const BUCKETS_MAX: usize = 10_000;

/// How many requests each name may make.
#[derive(Debug)]
pub(super) struct NameRates {
    per_second: u32,
    buckets: Mutex<Generations<Arc<str>, Arc<Bucket>>>,
}

impl NameRates {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, buckets: Mutex::new(Generations::new(BUCKETS_MAX)) }
    }

    /// Takes a request out of those that the name may make; `Err`: it may make none now.
    pub(super) fn take(&self, name: &Arc<str>, now: Timestamp) -> Result<RateLeft, RateLeft> {
        let bucket = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            buckets.get(name).unwrap_or_else(|| {
                let bucket = Arc::new(Bucket::new(self.per_second));
                buckets.insert(name.clone(), bucket.clone());
                bucket
            })
        };
        bucket.take(now)
    }
}
