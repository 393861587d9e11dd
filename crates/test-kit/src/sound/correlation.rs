//! Finds a piece of audio in other audio.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// The place at which a piece of audio was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// How many samples later than expected.
    pub(super) shift: isize,
    /// The similarity there: 1 for the same audio at any volume, 0 for unrelated audio.
    pub(super) similarity: f32,
}

/// Searches for the piece around a sample of the other audio, up to `radius` samples away. Outside of its
/// range the other audio counts as silent.
pub(super) fn find(piece: &[f32], sound: &[f32], around: usize, radius: usize) -> Place {
    let sample = |index: usize| {
        (around + index).checked_sub(radius).and_then(|at| sound.get(at)).copied().unwrap_or(0.0)
    };
    let region: Vec<f32> = (0..piece.len() + 2 * radius).map(sample).collect();
    let energy: f32 = piece.iter().map(|sample| sample * sample).sum();
    let energies = energies(&region, piece.len());
    let products = products(piece, &region);
    // Silence is similar to nothing: only its rounding errors would be compared.
    let similarity = |(product, there): (f32, f32)| {
        product / (energy * there.max(energy * 1e-4)).sqrt().max(f32::MIN_POSITIVE)
    };
    let similarities = products.into_iter().zip(energies).map(similarity);
    let (at, similarity) =
        similarities.enumerate().max_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or((radius, 0.0));
    Place { shift: at.cast_signed() - radius.cast_signed(), similarity }
}

/// The energy of every stretch of `length` samples.
fn energies(samples: &[f32], length: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64];
    let mut sum = 0.0;
    for sample in samples {
        sum += f64::from(*sample).powi(2);
        sums.push(sum);
    }
    #[expect(clippy::cast_possible_truncation, reason = "six digits are enough")]
    sums.iter().zip(&sums[length..]).map(|(before, after)| (after - before) as f32).collect()
}

/// For every place of the piece within the region, the sum of the products of their samples.
fn products(piece: &[f32], region: &[f32]) -> Vec<f32> {
    let size = region.len().next_power_of_two();
    let mut planner = FftPlanner::new();
    let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let spectrum = |samples: &[f32]| {
        let mut spectrum: Vec<_> = samples.iter().map(|sample| Complex::new(*sample, 0.0)).collect();
        spectrum.resize(size, Complex::ZERO);
        forward.process(&mut spectrum);
        spectrum
    };
    let mut products = spectrum(region);
    for (product, factor) in products.iter_mut().zip(spectrum(piece)) {
        *product *= factor.conj();
    }
    inverse.process(&mut products);
    #[expect(clippy::cast_precision_loss, reason = "a power of two")]
    let scale = 1.0 / size as f32;
    products.iter().take(region.len() - piece.len() + 1).map(|product| product.re * scale).collect()
}
