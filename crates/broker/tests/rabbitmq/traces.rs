use broker::Verdict;
use contracts::Queue;
use opentelemetry::trace::{TraceContextExt as _, TraceId, TracerProvider as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Instrument as _, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::world::{Seen, World, note, wait_until};

fn trace_id() -> TraceId {
    Span::current().context().span().span_context().trace_id()
}

// The subscriber belongs to this thread, and so does every task of a test's runtime.
#[tokio::test]
async fn a_handler_continues_the_trace_of_the_publisher_through_every_copy() {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _subscribed = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let world = World::new().await;
    let published = async {
        world.broker.publish(Queue::Video, "job", &note(1)).await.unwrap();
        trace_id()
    };
    let published = published.instrument(info_span!("upload")).await;
    assert_ne!(published, TraceId::INVALID);

    let seen = Seen::new();
    let handled = seen.clone();
    let consumption = world.consume(Queue::Video, 1, move |_| {
        let handled = handled.clone();
        async move { if handled.push(trace_id()) == 1 { Verdict::HandBack } else { Verdict::Done } }
    });
    wait_until("the copy is handled", async || seen.len() == 2).await;
    consumption.end().await;
    assert_eq!(seen.all(), [published, published]);
    world.tear_down().await;
}
