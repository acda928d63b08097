//! Writes metrics down, one line of code each.

use std::fmt;
use std::time::Duration;

use actors::Histogram;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Microseconds of a second.
const SECOND: f64 = 1_000_000.0;

/// The page that is being written.
pub struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> Page<'a> {
    /// An empty one.
    pub fn new(encoder: DescriptorEncoder<'a>) -> Page<'a> {
        Page(encoder)
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    /// A number that only grows; its name gets `_total`.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        ConstCounter::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    /// A span of time; its name gets `_seconds`.
    pub fn seconds(&mut self, name: &str, help: &str, value: Duration) -> fmt::Result {
        let gauge = ConstGauge::new(value.as_secs_f64());
        gauge.encode(self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?)
    }

    /// An amount of memory or storage; its name gets `_bytes`.
    pub fn bytes(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, Some(&Unit::Bytes), MetricType::Gauge)?)
    }

    /// One gauge for each set of labels.
    pub fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        each(&mut family, values, ConstGauge::new)
    }

    /// One counter for each set of labels; the name gets `_total`.
    pub fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        each(&mut family, values, ConstCounter::new)
    }

    /// A histogram of times for each set of labels; the name gets `_seconds`.
    pub fn times<L: EncodeLabelSet>(&mut self, name: &str, help: &str, histograms: &[(L, &Histogram)]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (labels, histogram) in histograms {
            fill(family.encode_family(labels)?, histogram, SECOND)?;
        }
        Ok(())
    }

    /// A histogram of numbers.
    pub fn sizes(&mut self, name: &str, help: &str, histogram: &Histogram) -> fmt::Result {
        fill(self.0.encode_descriptor(name, help, None, MetricType::Histogram)?, histogram, 1.0)
    }
}

fn each<L: EncodeLabelSet, M: EncodeMetric>(
    family: &mut MetricEncoder<'_>,
    values: impl IntoIterator<Item = (L, u64)>,
    metric: fn(u64) -> M,
) -> fmt::Result {
    values.into_iter().try_for_each(|(labels, value)| metric(value).encode(family.encode_family(&labels)?))
}

/// `unit`: how many of the histogram's units make one of the metric's.
fn fill(mut encoder: MetricEncoder<'_>, histogram: &Histogram, unit: f64) -> fmt::Result {
    let bound = |bound: Option<u64>| bound.map_or(f64::INFINITY, |bound| bound as f64 / unit);
    let buckets: Vec<(f64, u64)> = histogram.buckets().map(|(most, count)| (bound(most), count)).collect();
    let count = buckets.iter().map(|(_, count)| count).sum();
    encoder.encode_histogram::<NoLabelSet>(histogram.sum() as f64 / unit, count, &buckets, None)
}
