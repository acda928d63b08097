//! Which stream entries may go: those behind the projection, but for the newest few that are kept for audit.

use std::collections::VecDeque;

use journal::StreamId;

/// The stream is trimmed each time that this many more entries may go, or a tenth of what is kept if that is less: a trim
/// costs a round trip.
const TRIM_EVERY: u64 = 10_000;

/// Counts the entries that were read and remembers where the stream stood after each read.
pub(crate) struct Retention {
    keep: u64,
    read: u64,
    trimmed: u64,
    /// The last entry that may go, and how many went before it.
    disposable: (u64, StreamId),
    /// After how many entries the stream stood at which id, oldest first.
    marks: VecDeque<(u64, StreamId)>,
}

impl Retention {
    pub(crate) fn new(keep: u64) -> Retention {
        Retention { keep, read: 0, trimmed: 0, disposable: (0, StreamId::ZERO), marks: VecDeque::new() }
    }

    /// `entries` more were read, up to `last`.
    pub(crate) fn read(&mut self, entries: u64, last: StreamId) {
        self.read += entries;
        self.marks.push_back((self.read, last));
    }

    /// The projection shows everything up to `shown`: the oldest entry to keep, when it is worth a trim.
    pub(crate) fn projected(&mut self, shown: StreamId) -> Option<StreamId> {
        let limit = self.read.saturating_sub(self.keep);
        while let Some(&(read, id)) = self.marks.front()
            && read <= limit
            && id <= shown
        {
            self.disposable = (read, id);
            self.marks.pop_front();
        }
        let (read, id) = self.disposable;
        if read < self.trimmed + (self.keep / 10).clamp(1, TRIM_EVERY) {
            return None;
        }
        self.trimmed = read;
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(millis: u64) -> StreamId {
        StreamId { millis, index: 0 }
    }

    #[test]
    fn only_what_is_projected_and_older_than_the_newest_kept_goes() {
        let mut retention = Retention::new(50_000);
        retention.read(12_000, id(1));
        assert_eq!(retention.projected(id(1)), None, "50,000 must stay, and 12,000 are there");
        retention.read(50_000, id(2));
        assert_eq!(retention.projected(id(0)), None, "nothing is projected");
        assert_eq!(retention.projected(id(2)), Some(id(1)));
        assert_eq!(retention.projected(id(2)), None, "it went already");
        retention.read(4_000, id(3));
        retention.read(50_000, id(4));
        assert_eq!(retention.projected(id(2)), Some(id(2)), "more is not projected");
        assert_eq!(retention.projected(id(4)), None, "4,000 more are not worth a trim");
        retention.read(1_000, id(5));
        retention.read(50_000, id(6));
        assert_eq!(retention.projected(id(6)), Some(id(5)));
    }
}
