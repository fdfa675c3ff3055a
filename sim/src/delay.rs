//! How long datagrams take: constant, uniform, log-normal, with spikes; integers throughout.
//!
//! A float's exponential may differ in the last bit between machines, and a replay must not, so the log-normal is made
//! from a sum of twelve uniform draws and a fixed-point power of two.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::{Random, nanos};
use crate::span;

/// How long a datagram takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Delay {
    /// Always the same.
    Constant {
        /// How long.
        #[serde(with = "span")]
        is: Duration,
    },
    /// Anything between two bounds.
    Uniform {
        /// The least.
        #[serde(with = "span")]
        from: Duration,
        /// The most.
        #[serde(with = "span")]
        to: Duration,
    },
    /// Log-normal, as queues and schedulers make it.
    LogNormal {
        /// Half take longer.
        #[serde(with = "span")]
        median: Duration,
        /// The deviation of the logarithm, in thousandths.
        sigma_permille: u32,
    },
    /// Usually nothing, now and then this much.
    Spikes {
        /// How many of a thousand.
        permille: u32,
        /// How long those take.
        #[serde(with = "span")]
        of: Duration,
    },
}

impl Default for Delay {
    /// One way in a data centre: 450 to 675 µs.
    fn default() -> Self {
        Delay::Uniform { from: Duration::from_micros(450), to: Duration::from_micros(675) }
    }
}

impl Delay {
    /// How long is still usual: nearly all datagrams take no longer.
    #[must_use]
    pub fn usual_max(&self) -> Duration {
        match self {
            Delay::Constant { is } => *is,
            Delay::Uniform { to, .. } => *to,
            Delay::LogNormal { median, sigma_permille } => *median * (1 + sigma_permille / 200),
            Delay::Spikes { .. } => Duration::ZERO,
        }
    }

    /// How long those take that are unusually late, where some are.
    pub fn spike(&self) -> Duration {
        if let Delay::Spikes { of, .. } = self { *of } else { Duration::ZERO }
    }

    /// Draws one.
    pub fn draw(&self, random: &mut Random) -> Duration {
        match self {
            Delay::Constant { is } => *is,
            Delay::Uniform { from, to } => random.span(*from, *to),
            Delay::LogNormal { median, sigma_permille } => {
                let exponent = normal_q16(random) * i64::from(*sigma_permille) / 1_000;
                let (whole, part) = exp_q16(exponent);
                let scaled = (u128::from(nanos(*median)) * u128::from(part)) >> 16;
                let scaled = if whole >= 0 { scaled << whole.min(32) } else { scaled >> (-whole).min(63) };
                Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
            }
            Delay::Spikes { permille, of } => {
                if random.permille(*permille) {
                    *of
                } else {
                    Duration::ZERO
                }
            }
        }
    }
}

/// A normal deviate in 1/65,536: the sum of twelve uniform draws has variance 1.
fn normal_q16(random: &mut Random) -> i64 {
    let sum: i64 = (0..3)
        .map(|_| random.draw())
        .flat_map(|draw| (0..4).map(move |place| draw >> (16 * place)))
        .map(|draw| (draw & 0xffff) as i64)
        .sum();
    sum - 6 * 0x1_0000
}

/// e to the power of `x` (in 1/65,536) as a power of two and a factor from 1 to 2 in 1/65,536.
fn exp_q16(x: i64) -> (i64, u64) {
    const LOG2_E_Q16: i64 = 94_548;
    let log2 = (x * LOG2_E_Q16) >> 16;
    let (whole, part) = (log2 >> 16, (log2 & 0xffff) as u64);
    // 2^f on [0, 1) within 2e-4: 1 + f (0.6957 + f (0.2249 + 0.0794 f)).
    let cubic = 5_204_u64;
    let factor = 14_740 + ((cubic * part) >> 16);
    let factor = 45_592 + ((factor * part) >> 16);
    (whole, 0x1_0000 + ((factor * part) >> 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_normal_has_its_median_and_its_spread() {
        let delay = Delay::LogNormal { median: Duration::from_micros(450), sigma_permille: 500 };
        let mut random = Random::new(1, "test");
        let mut drawn: Vec<u64> = (0..20_000).map(|_| nanos(delay.draw(&mut random))).collect();
        drawn.sort_unstable();
        let (median, high) = (drawn[10_000], drawn[16_827]);
        assert!((440_000..460_000).contains(&median), "{median}");
        // One deviation above the median: a factor of e^0.5 = 1.649.
        assert!((720_000..765_000).contains(&high), "{high}");
    }

    #[test]
    fn the_exponential_is_right_to_four_digits() {
        for (x, exact) in [
            (0, 1.0_f64),
            (65_536, 1.0_f64.exp()),
            (-65_536, (-1.0_f64).exp()),
            (100_000, (100_000.0_f64 / 65_536.0).exp()),
        ] {
            let (whole, part) = exp_q16(x);
            let found = part as f64 / 65_536.0 * (whole as f64).exp2();
            assert!((found / exact - 1.0).abs() < 5e-4, "{x}: {found} for {exact}");
        }
    }
}
