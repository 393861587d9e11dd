//! Ogg files: their pages, and chains of them.

mod chain;
mod codec;
mod pages;

pub(crate) use self::chain::join_links;
pub(super) use self::pages::page_lengths;
