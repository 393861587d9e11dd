//! The audit log.

use contracts::{Audit, AuditLine};

/// Writes a security event as a log line of target `audit`, which no log filter suppresses.
pub fn record(event: Audit<'_>) {
    let AuditLine { name, user, detail } = event.line();
    let user = user.map(tracing::field::display);
    tracing::info!(target: "audit", audit = name, user.id = user, detail, "audit");
}
