//! The table `login_failures`: wrong passwords in a row, by address. Each makes the next try wait longer, wherever it comes from.

use std::time::Duration;

use contracts::EmailAddress;
use sqlx::MySqlConnection;

use crate::database::micros;
use crate::opaque::TokenHash;

/// So many are what people need who try all the passwords that they have.
const FREE: u32 = 5;

const FIRST_DELAY: Duration = Duration::from_secs(1);

/// Somebody else's wrong tries must not keep an owner away for long; a thousand tries still take ten days.
const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// After so long without a wrong try all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(24);

/// How long nobody may try a password for an address; zero if they may now.
pub(crate) async fn delay(
    connection: &mut MySqlConnection,
    email: &EmailAddress,
) -> Result<Duration, sqlx::Error> {
    let hash = hash(email);
    let row = sqlx::query!(
        r#"SELECT failures, TIMESTAMPDIFF(MICROSECOND, last_failed_at, UTC_TIMESTAMP(6)) AS "age!: i64"
           FROM login_failures WHERE email_hash = ?"#,
        hash.as_bytes(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map_or(Duration::ZERO, |row| {
        let age = Duration::from_micros(u64::try_from(row.age).unwrap_or_default());
        after(row.failures).saturating_sub(age)
    }))
}

/// How long to wait after so many failures in a row.
fn after(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => FIRST_DELAY.saturating_mul(1 << more.min(20)).min(LONGEST_DELAY),
    }
}

/// Counts a wrong password.
pub(crate) async fn add(connection: &mut MySqlConnection, email: &EmailAddress) -> Result<(), sqlx::Error> {
    let hash = hash(email);
    sqlx::query!(
        "INSERT INTO login_failures (email_hash, failures, last_failed_at) VALUES (?, 1, UTC_TIMESTAMP(6))
         ON DUPLICATE KEY UPDATE
             failures = IF(last_failed_at < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND, 1, failures + 1),
             last_failed_at = UTC_TIMESTAMP(6)",
        hash.as_bytes(),
        micros(FORGOTTEN_AFTER),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets them, for whoever has shown that the address is theirs.
pub(crate) async fn forget(
    connection: &mut MySqlConnection,
    email: &EmailAddress,
) -> Result<(), sqlx::Error> {
    let hash = hash(email);
    sqlx::query!("DELETE FROM login_failures WHERE email_hash = ?", hash.as_bytes())
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes what no longer counts.
pub(crate) async fn purge(connection: &mut MySqlConnection) -> Result<u64, sqlx::Error> {
    let purged = sqlx::query!(
        "DELETE FROM login_failures WHERE last_failed_at < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND",
        micros(FORGOTTEN_AFTER),
    )
    .execute(connection)
    .await?;
    Ok(purged.rows_affected())
}

fn hash(email: &EmailAddress) -> TokenHash {
    TokenHash::of(email.as_str())
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
