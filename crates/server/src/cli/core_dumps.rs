//! No core dumps: the memory of a process that serves has keys, the secrets of participants, and the data of its callers.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Has the kernel write no core dump of this process, whatever its supervisor allows.
pub(super) fn forbid() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // A supervisor may forbid the call, and have set the limit itself, as the unit for systemd does.
    if let Err(error) = setrlimit(Resource::Core, none)
        && getrlimit(Resource::Core).current != Some(0)
    {
        tracing::warn!(
            "a core dump of this process would have its secrets, and the limit cannot be set ({error}): start it with `ulimit -c 0`, or \
             LimitCORE=0 in a systemd unit"
        );
    }
}
