//! The table `login_failures`: wrong passwords in a row, by address or account. Each delays the next try.

use std::time::Duration;

use contracts::{EmailAddress, UserId};
use sqlx::MySqlConnection;

use crate::tables::database::micros;
use crate::tokens::opaque::TokenHash;

/// Users who try all of their passwords need as many.
const FREE: u32 = 5;

const FIRST_DELAY: Duration = Duration::from_secs(1);

/// An attacker's tries must not lock the owner out for long; a thousand tries still take ten days.
const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// Failures are forgotten after this long without another.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

/// The purpose of a password try.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Guess<'a> {
    /// A sign-in with this address, whether there is such an account or not.
    SignIn(&'a EmailAddress),
    /// A signed-in user confirms an action. Counted separately: sign-in tries do not block the user.
    Confirmation(UserId),
}

impl Guess<'_> {
    pub(crate) fn hash(self) -> TokenHash {
        match self {
            Self::SignIn(email) => TokenHash::of(email.as_str()),
            Self::Confirmation(account) => TokenHash::of(&format!("confirmation {account}")),
        }
    }
}

/// Counts a try before it is made. Zero: it may be made now. Otherwise, how long every try is refused.
///
/// Checking and counting are one update, so that parallel tries gain nothing over tries in sequence.
pub(crate) async fn count(
    connection: &mut MySqlConnection,
    guess: Guess<'_>,
) -> Result<Duration, sqlx::Error> {
    let hash = guess.hash();
    sqlx::query!(
        "INSERT IGNORE INTO login_failures (email_hash, failures, last_failed_at) VALUES (?, 0, UTC_TIMESTAMP(6))",
        hash.as_bytes(),
    )
    .execute(&mut *connection)
    .await?;
    // MySQL assigns from left to right: the count still sees the old time.
    let counted = sqlx::query!(
        "UPDATE login_failures
         SET failures = IF(last_failed_at < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND, 1, failures + 1),
             last_failed_at = UTC_TIMESTAMP(6)
         WHERE email_hash = ?
           AND (failures < ? OR last_failed_at <= UTC_TIMESTAMP(6)
                - INTERVAL LEAST(? * POW(2, LEAST(failures - LEAST(failures, ?), 20)), ?) MICROSECOND)",
        micros(FORGOTTEN_AFTER),
        hash.as_bytes(),
        FREE,
        micros(FIRST_DELAY),
        FREE,
        micros(LONGEST_DELAY),
    )
    .execute(&mut *connection)
    .await?;
    if counted.rows_affected() == 1 {
        return Ok(Duration::ZERO);
    }
    let row = sqlx::query!(
        r#"SELECT failures, TIMESTAMPDIFF(MICROSECOND, last_failed_at, UTC_TIMESTAMP(6)) AS "age!: i64"
           FROM login_failures WHERE email_hash = ?"#,
        hash.as_bytes(),
    )
    .fetch_optional(connection)
    .await?;
    // Never zero: the delay may have passed since, but this try was not counted.
    let least = Duration::from_millis(1);
    Ok(row.map_or(least, |row| {
        let age = Duration::from_micros(u64::try_from(row.age).unwrap_or_default());
        after(row.failures).saturating_sub(age).max(least)
    }))
}

/// Takes back the count of a try that was never made.
pub(crate) async fn uncount(connection: &mut MySqlConnection, guess: Guess<'_>) -> Result<(), sqlx::Error> {
    let hash = guess.hash();
    sqlx::query!(
        "UPDATE login_failures SET failures = failures - 1 WHERE email_hash = ? AND failures > 0",
        hash.as_bytes(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The delay after this many consecutive failures.
fn after(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => FIRST_DELAY.saturating_mul(1 << more.min(20)).min(LONGEST_DELAY),
    }
}

/// Deletes the failures, after a correct password or a reset.
pub(crate) async fn delete(connection: &mut MySqlConnection, guess: Guess<'_>) -> Result<(), sqlx::Error> {
    let hash = guess.hash();
    sqlx::query!("DELETE FROM login_failures WHERE email_hash = ?", hash.as_bytes())
        .execute(connection)
        .await
        .map(drop)
}

/// Deletes failures that no longer count.
pub(crate) async fn purge(connection: &mut MySqlConnection) -> Result<u64, sqlx::Error> {
    let purged = sqlx::query!(
        "DELETE FROM login_failures WHERE last_failed_at < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND",
        micros(FORGOTTEN_AFTER),
    )
    .execute(connection)
    .await?;
    Ok(purged.rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_quarter_of_an_hour() {
        let seconds = [4, 5, 6, 7, 14, 15, 1000].map(|failures| after(failures).as_secs());
        assert_eq!(seconds, [0, 1, 2, 4, 512, 900, 900]);
    }
}
