use contracts::MESSAGE_VERSION;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::trace;

const ATTEMPT: &str = "x-attempt";
/// Milliseconds since 1970.
const FIRST_PUBLISHED_AT: &str = "x-first-published-at";
const REJECT_REASON: &str = "x-reject-reason";

/// Headers must fit into one frame.
const MAX_REASON_CHARS: usize = 500;

const PERSISTENT: u8 = 2;

/// A message with the content of our headers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Envelope {
    pub(crate) message_id: Option<ShortString>,
    /// 1 is the first.
    pub(crate) attempt: u32,
    pub(crate) first_published_at: OffsetDateTime,
    pub(crate) reject_reason: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Envelope {
    /// A message of the first attempt.
    pub(crate) fn new(message_id: &str, body: Vec<u8>) -> Self {
        Self {
            message_id: ShortString::try_new(message_id).ok(),
            attempt: 1,
            first_published_at: OffsetDateTime::now_utc(),
            reject_reason: None,
            body,
        }
    }

    /// A message as it arrived. Missing or malformed headers count as those of a first attempt: an operator
    /// may have published the message by hand.
    pub(crate) fn read(properties: &BasicProperties, body: Vec<u8>) -> Self {
        let number =
            |name| properties.headers().as_ref().and_then(|headers| integer(headers.inner().get(name)?));
        let attempt = number(ATTEMPT).and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or(1).max(1);
        let first_published_at = number(FIRST_PUBLISHED_AT).and_then(|millis| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).ok()
        });
        Self {
            message_id: properties.message_id().clone(),
            attempt,
            first_published_at: first_published_at.unwrap_or_else(OffsetDateTime::now_utc),
            reject_reason: None,
            body,
        }
    }

    /// The message's properties, with the trace of the current span. Built anew for every copy: with
    /// RabbitMQ's `x-death` copied, a second wait in the same retry queue would look like a cycle, and
    /// RabbitMQ would drop the message.
    pub(crate) fn properties(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        headers.insert(ATTEMPT.into(), i64::from(self.attempt).into());
        let millis = self.first_published_at.unix_timestamp_nanos() / 1_000_000;
        headers.insert(FIRST_PUBLISHED_AT.into(), i64::try_from(millis).unwrap_or_default().into());
        if let Some(reason) = &self.reject_reason {
            let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
            headers.insert(REJECT_REASON.into(), AMQPValue::LongString(LongString::from(reason)));
        }
        trace::inject(&mut headers);
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(PERSISTENT)
            .with_headers(headers);
        match &self.message_id {
            Some(id) => properties.with_message_id(id.clone()),
            None => properties,
        }
    }

    /// Reads the body.
    pub(crate) fn decode<M: DeserializeOwned>(&self) -> Result<M, Malformed> {
        #[derive(Deserialize)]
        struct Probe {
            version: u32,
        }
        let probe: Probe = serde_json::from_slice(&self.body).map_err(|error| {
            if error.is_data() { Malformed::Unversioned(error) } else { Malformed::NotJson(error) }
        })?;
        if probe.version != MESSAGE_VERSION {
            return Err(Malformed::UnknownVersion(probe.version));
        }
        serde_json::from_slice(&self.body).map_err(Malformed::Unfit)
    }
}

/// Why a message was parked.
pub(crate) fn reject_reason(properties: &BasicProperties) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(REJECT_REASON)? {
        AMQPValue::LongString(reason) => Some(String::from_utf8_lossy(reason.as_bytes()).into_owned()),
        _ => None,
    }
}

fn integer(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::ShortShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortUInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortUInt(number) => Some(i64::from(*number)),
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        AMQPValue::LongUInt(number) => Some(i64::from(*number)),
        AMQPValue::LongLongInt(number) => Some(*number),
        _ => None,
    }
}

/// A body that can never be read. The sources quote the body, so they belong in the dead letter's header,
/// beside the body itself, and not in logs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the body is not JSON")]
    NotJson(#[source] serde_json::Error),
    #[error("the body has no version")]
    Unversioned(#[source] serde_json::Error),
    #[error("the body's version is {0}, which this build does not know")]
    UnknownVersion(u32),
    #[error("the body is not what this queue carries")]
    Unfit(#[source] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Message {
        #[expect(dead_code, reason = "only decoding is tested")]
        job: u32,
    }

    fn decode(body: &str) -> Result<Message, Malformed> {
        Envelope::new("id", body.as_bytes().to_vec()).decode()
    }

    #[test]
    fn bodies_are_read_by_version() {
        assert!(decode(r#"{"version":1,"job":7,"later":true}"#).is_ok());
        assert!(matches!(decode("job 7"), Err(Malformed::NotJson(_))));
        assert!(matches!(decode(""), Err(Malformed::NotJson(_))));
        assert!(matches!(decode(r#"{"job":7}"#), Err(Malformed::Unversioned(_))));
        assert!(matches!(decode(r#"{"version":"1","job":7}"#), Err(Malformed::Unversioned(_))));
        assert!(matches!(decode(r#"{"version":2,"job":7}"#), Err(Malformed::UnknownVersion(2))));
        assert!(matches!(decode(r#"{"version":1}"#), Err(Malformed::Unfit(_))));
    }

    #[test]
    fn headers_survive_the_way_through_a_queue() {
        let mut sent = Envelope::new("job-7", b"{}".to_vec());
        sent.attempt = 3;
        sent.first_published_at =
            OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_123_000_000).unwrap();
        assert_eq!(Envelope::read(&sent.properties(), b"{}".to_vec()), sent);
    }

    #[test]
    fn strange_headers_count_as_a_first_attempt() {
        for strange in [AMQPValue::LongLongInt(-4), AMQPValue::LongLongInt(0), AMQPValue::Boolean(true)] {
            let mut headers = FieldTable::default();
            headers.insert(ATTEMPT.into(), strange.clone());
            headers.insert(FIRST_PUBLISHED_AT.into(), AMQPValue::LongLongInt(i64::MIN));
            let read = Envelope::read(&BasicProperties::default().with_headers(headers), Vec::new());
            assert_eq!(read.attempt, 1, "{strange:?}");
        }
    }

    #[test]
    fn a_long_reason_is_cut() {
        let mut envelope = Envelope::new("", Vec::new());
        envelope.reject_reason = Some("ä".repeat(10_000));
        let headers = envelope.properties().headers().clone().unwrap();
        let Some(AMQPValue::LongString(reason)) = headers.inner().get(REJECT_REASON) else {
            panic!("no reason")
        };
        assert_eq!(reason.to_string().chars().count(), MAX_REASON_CHARS);
    }
}
