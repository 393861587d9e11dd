//! What applies to every request, whatever its route.

mod access_rule;
mod client_address;
pub(crate) mod layers;
mod limits;
mod places;

use service_kit::Networks;

pub(crate) use access_rule::AccessRule;
pub(crate) use limits::{Limit, LimitConfig, Limits};
pub(crate) use places::{Place, PlaceOfAnswer};

/// The limits of clients, and how their addresses are found.
pub(crate) struct Edge {
    pub(crate) limits: Limits,
    pub(crate) trusted_proxies: Networks,
}
