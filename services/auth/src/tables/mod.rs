//! The tables in `MySQL`, a file for each with all of its statements, and the connection pool.
//!
//! Nothing here knows HTTP or decides what a user may do: `service` does.

/// An enum that a column stores as text.
macro_rules! stored_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// Fails for a text of a later build.
            fn from_stored(text: &str) -> Result<Self, sqlx::Error> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(sqlx::Error::RowNotFound),
                }
            }
        }
    };
}

pub(crate) mod accounts;
pub(crate) mod address_changes;
pub(crate) mod api_keys;
pub(crate) mod database;
pub(crate) mod erasures;
pub(crate) mod identities;
pub(crate) mod login_failures;
pub(crate) mod mail_tokens;
pub(crate) mod outbox;
pub(crate) mod schema;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
