use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::{LogFormat, ProcessConfig};

/// Keeps the exporter of traces until the end of the process.
pub(crate) struct Telemetry {
    provider: SdkTracerProvider,
}

impl Telemetry {
    /// Sends the remaining traces.
    pub(crate) fn flush(self) {
        // A collector that is away must not turn a clean end into a failure.
        let _ = self.provider.shutdown();
    }
}

/// Writes log lines to standard output and, if a collector is configured, sends traces to it. Trace context
/// is created and passed on either way, so that the log lines of one job in four services share a trace id.
pub(crate) fn start(name: &'static str, config: &ProcessConfig) -> anyhow::Result<Telemetry> {
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let mut provider =
        SdkTracerProvider::builder().with_resource(Resource::builder().with_service_name(name).build());
    if let Some(endpoint) = &config.otlp_endpoint {
        let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        provider = provider
            .with_batch_exporter(SpanExporter::builder().with_http().with_endpoint(endpoint).build()?);
    }
    let provider = provider.build();

    // `audit` is always on, whatever the operator's filter.
    let filter = EnvFilter::try_new(&config.log_filter)?.add_directive("audit=info".parse()?);
    // By default an unwritable line is reported on standard error, which panics if that is full, too: a full
    // log disk would end services that need no disk.
    let line = fmt::layer().log_internal_errors(false);
    let lines = match config.log_format {
        // Colours are for terminals, not for files.
        LogFormat::Text => line.with_target(false).with_ansi(std::io::stdout().is_terminal()).boxed(),
        LogFormat::Json => line.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer(name));
    tracing_subscriber::registry().with(filter).with(lines).with(traces).try_init()?;
    Ok(Telemetry { provider })
}
