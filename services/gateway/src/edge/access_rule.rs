use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::http::request::Parts;

/// What the access rule in a route's signature did with a request: see
/// [`apply_access_rule`](super::layers::apply_access_rule).
#[derive(Clone, Default)]
pub(crate) struct AccessRule(Arc<State>);

#[derive(Default)]
struct State {
    is_passed: AtomicBool,
    audited_client: OnceLock<IpAddr>,
}

impl AccessRule {
    /// Records that the request passed a rule, even the rule that every client may call the route.
    pub(crate) fn pass(parts: &Parts) {
        if let Some(Self(state)) = parts.extensions.get() {
            state.is_passed.store(true, Ordering::Relaxed);
        }
    }

    /// Records that the request is about an account: its changes are audited, with the client's address.
    pub(crate) fn audit(parts: &Parts, client: IpAddr) {
        if let Some(Self(state)) = parts.extensions.get() {
            state.audited_client.get_or_init(|| client);
        }
    }

    pub(super) fn is_passed(&self) -> bool {
        self.0.is_passed.load(Ordering::Relaxed)
    }

    pub(super) fn audited_client(&self) -> Option<IpAddr> {
        self.0.audited_client.get().copied()
    }
}
