//! Carries the trace from the publisher of a message to its consumer: the W3C's `traceparent` and
//! `tracestate`, as message headers.

use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use opentelemetry::global::get_text_map_propagator;
use opentelemetry::propagation::{Extractor, Injector};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Writes the current span's context into the headers.
pub(crate) fn inject(headers: &mut FieldTable) {
    let context = Span::current().context();
    get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut HeaderInjector(headers)));
}

/// Makes the publisher's context the span's parent.
pub(crate) fn follow(span: &Span, headers: &FieldTable) {
    let parent = get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(headers)));
    // Fails only if nothing records traces; then there is nothing to connect.
    let _ = span.set_parent(parent);
}

struct HeaderInjector<'a>(&'a mut FieldTable);

impl Injector for HeaderInjector<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let Ok(key) = ShortString::try_new(key) {
            self.0.insert(key, AMQPValue::LongString(LongString::from(value)));
        }
    }
}

struct HeaderExtractor<'a>(&'a FieldTable);

impl Extractor for HeaderExtractor<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match self.0.inner().get(key)? {
            AMQPValue::LongString(value) => str::from_utf8(value.as_bytes()).ok(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.0.inner().keys().map(ShortString::as_str).collect()
    }
}
