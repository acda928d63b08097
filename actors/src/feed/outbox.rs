//! The bounded queue between the feed and one session.
//!
//! Invariant: a session gets every message or is given up: what does not fit is never left out silently.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, mpsc};

use super::FeedMessage;

/// Where a session's messages go. Clones lead to the same session.
#[derive(Debug, Clone)]
pub struct Outbox {
    to: mpsc::Sender<Arc<FeedMessage>>,
    given_up: Arc<GivenUp>,
}

/// Where they come out.
#[derive(Debug)]
pub struct Inbox {
    from: mpsc::Receiver<Arc<FeedMessage>>,
    given_up: Arc<GivenUp>,
}

#[derive(Debug, Default)]
struct GivenUp {
    is: AtomicBool,
    told: Notify,
}

impl Outbox {
    /// A queue of at most so many messages.
    pub fn new(capacity: usize) -> (Outbox, Inbox) {
        let (to, from) = mpsc::channel(capacity);
        let given_up = Arc::new(GivenUp::default());
        (Outbox { to, given_up: Arc::clone(&given_up) }, Inbox { from, given_up })
    }

    /// Sends, unless the session is given up; a full queue is the end of it. Whether it goes on.
    pub(super) fn send(&self, message: Arc<FeedMessage>) -> bool {
        if self.given_up.is.load(Ordering::Acquire) {
            return false;
        }
        let sent = self.to.try_send(message).is_ok();
        if !sent {
            self.give_up();
        }
        sent
    }

    pub(super) fn give_up(&self) {
        self.given_up.is.store(true, Ordering::Release);
        self.given_up.told.notify_one();
    }
}

impl Inbox {
    /// The next message; none when the session is given up: then a message may have been missed.
    pub async fn next(&mut self) -> Option<Arc<FeedMessage>> {
        if self.given_up.is.load(Ordering::Acquire) {
            return None;
        }
        tokio::select! {
            biased;
            () = self.given_up.told.notified() => None,
            message = self.from.recv() => message,
        }
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.from.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use matching::Seq;

    use super::*;
    use crate::feed::Channel;

    #[tokio::test]
    async fn a_full_queue_is_the_end_of_a_session() {
        let message = |seq: u64| {
            let channel: Channel = "orders:desk".parse().expect("a channel");
            Arc::new(FeedMessage { channel, seq: Seq::new(seq).expect("a number"), text: "".into() })
        };
        let (to, mut from) = Outbox::new(2);
        assert!(to.send(message(1)) && to.clone().send(message(2)));
        assert_eq!(from.next().await.map(|message| message.seq.get()), Some(1));
        assert!(!from.is_empty());
        assert!(to.send(message(3)) && !to.send(message(4)));
        assert_eq!(from.next().await, None, "message 4 is missing: nothing may come behind the gap");
        assert!(!to.send(message(5)));
    }
}
