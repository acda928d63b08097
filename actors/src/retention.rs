//! Which stream entries may go: those behind the projection, but for the newest few that are kept for audit.

use std::collections::VecDeque;

use journal::StreamId;

/// The stream is trimmed each time that this many more entries may go: a trim costs a round trip.
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
        if read < self.trimmed + TRIM_EVERY {
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
        let mut retention = Retention::new(5_000);
        retention.read(12_000, id(1));
        assert_eq!(retention.projected(id(1)), None, "5,000 must stay, and the mark is at 12,000");
        retention.read(8_000, id(2));
        assert_eq!(retention.projected(id(0)), None, "nothing is projected");
        assert_eq!(retention.projected(id(2)), Some(id(1)));
        assert_eq!(retention.projected(id(2)), None, "it went already");
        retention.read(5_000, id(3));
        assert_eq!(retention.projected(id(3)), None, "8,000 more are not worth a trim");
        retention.read(15_000, id(4));
        assert_eq!(retention.projected(id(4)), Some(id(3)));
    }
}
