//! Ogg files: pages, and chains of streams.

mod chain;
mod codec;
mod pages;

pub(crate) use self::chain::join_links;
pub(super) use self::pages::page_lengths;
