//! The filters for decoded audio.

use contracts::{AudioFormat, Bitrate, Position};

use crate::engine::ffmpeg::recipe::Recipe;
use crate::engine::sound::Gain;

/// The sample rates that FFmpeg's `libmp3lame` accepts. One filter sets rate and channels together: with two,
/// FFmpeg fails to agree on the rate between them.
const MP3_SAMPLE_RATES: &str = "44100|48000|32000|22050|24000|16000|11025|12000|8000";

/// The keys under which FFmpeg's filter `ebur128` prints the loudness so far, in LUFS, and the highest true
/// peak so far, where 1 is full scale.
pub(crate) const LOUDNESS_KEYS: [&str; 2] = ["lavfi.r128.I", "lavfi.r128.true_peak"];

/// The filters before the encoder.
pub(super) fn sound_filters(recipe: &Recipe) -> Vec<String> {
    let shape = shape(recipe);
    let Some(gain) = &recipe.gain else {
        return mix(recipe).into_iter().chain([shape]).collect();
    };
    let chain = cleaning(recipe).into_iter().chain(mix(recipe)).chain([shape.clone()]);
    // The format is set again after the gain, because the limiter may work at another sample rate.
    chain.chain(Gain::filters(gain)).chain([shape]).collect()
}

/// The filters for a loudness measurement: the audio as it will be encoded, with one printed line for each
/// value, ten times a second.
pub(super) fn loudness_filters(recipe: &Recipe) -> Vec<String> {
    let mut chain: Vec<String> = cleaning(recipe).into_iter().chain(mix(recipe)).collect();
    chain.push(shape(recipe));
    let bound = |name, position: Option<Position>| {
        let at = position?.seconds() - recipe.track.clock_seconds;
        Some(format!("{name}={:.6}", at.max(0.0)))
    };
    let bounds = [bound("start", recipe.options.start), bound("end", recipe.options.end)];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    if !bounds.is_empty() {
        chain.push(format!("atrim={}", bounds.join(":")));
    }
    chain.push("ebur128=peak=true:metadata=1".to_owned());
    for key in LOUDNESS_KEYS {
        chain.push(format!("ametadata=mode=print:key={key}:file=-"));
    }
    chain
}

/// Replaces NaN with silence. Later filters would spread it.
fn cleaning(recipe: &Recipe) -> Option<String> {
    let clean = "aeval=exprs=st(0\\,val(ch))*0+if(lt(abs(ld(0))\\,1000000)\\,ld(0)\\,0):channel_layout=same";
    recipe.track.is_float.then(|| clean.to_owned())
}

/// Mixes more channels than formats have names for: odd ones to the left, even ones to the right, all equally
/// loud.
fn mix(recipe: &Recipe) -> Option<String> {
    let channels = recipe.mixed_channels()?;
    let side = |first: u32| {
        (first..channels).step_by(2).map(|channel| format!("c{channel}")).collect::<Vec<_>>().join("+")
    };
    Some(format!("pan=stereo|FL<{}|FR<{}", side(0), side(1)))
}

/// Sets sample format, rate and channels, as far as the request or the format needs it.
fn shape(recipe: &Recipe) -> String {
    let options = &recipe.options;
    let rates = match options.sample_rate {
        Some(rate) => Some(rate.hertz().to_string()),
        None if options.format == AudioFormat::Mp3 => Some(mp3_sample_rates(options.bitrate).to_owned()),
        None => None,
    };
    let part = |name, value: Option<&str>| value.map(|value| format!("{name}={value}"));
    let parts = [
        part("sample_fmts", Some("flt")),
        part("sample_rates", rates.as_deref()),
        part("channel_layouts", recipe.layouts()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("aformat={}", parts.join(":"))
}

/// The sample rates at which a bit rate exists (ISO/IEC 13818-3, 2.4.2.3; LAME's limit for MPEG 2.5). Without
/// this, LAME silently takes a lower bit rate for a recording with a lower sample rate.
fn mp3_sample_rates(bitrate: Option<Bitrate>) -> &'static str {
    match bitrate.map_or(0, Bitrate::kilobits_per_second) {
        ..=64 => MP3_SAMPLE_RATES,
        65..=160 => "16000|22050|24000|32000|44100|48000",
        161.. => "32000|44100|48000",
    }
}
