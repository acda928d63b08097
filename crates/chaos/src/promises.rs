//! Whether every promise that a client was given was kept.

use std::collections::HashSet;
use std::time::Instant;

use crate::check::Findings;
use crate::history::{CancelAnswer, CancelSent, Crash, History, OrderSent, Outage, PlaceAnswer, Rests, Shown, Span};
use crate::orders::{Logged, Orders, units};

/// How many promises there were, and how many were broken.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) acknowledged: u64,
    pub(crate) lost: u64,
    pub(crate) twice: u64,
}

/// Holds that nothing acknowledged is missing, nothing was executed twice, and every final answer is what the log says.
pub(crate) fn check(history: &History, orders: &Orders, findings: &mut Findings) -> Kept {
    let mut kept = Kept::default();
    for (order_id, times) in orders.doubled() {
        kept.twice += 1;
        findings.add(format!("order {order_id} was executed {times} times"));
    }
    for sent in &history.orders {
        check_order(sent, orders, &mut kept, findings);
        for attempt in &sent.tries {
            let (promises_queue, is_final) = match attempt.answer {
                PlaceAnswer::Enqueued { .. } => (true, false),
                PlaceAnswer::Committed { .. } => (true, true),
                _ => (false, false),
            };
            check_outages(&history.outages, attempt.span, promises_queue, is_final, "an order", findings);
            if let PlaceAnswer::Committed { order_id, .. } = attempt.answer
                && let Some(logged) = orders.get(order_id)
            {
                let (seq, told) = (logged.seq.get(), attempt.span.to);
                check_crashes(&history.crashes, seq, told, "an order was committed", findings);
            }
        }
    }
    let mut cancelled = HashSet::new();
    for sent in &history.cancels {
        let is_final = matches!(sent.answer, CancelAnswer::Cancelled { .. } | CancelAnswer::NotOpen { .. });
        check_outages(&history.outages, sent.span, is_final, is_final, "a cancel", findings);
        if let CancelAnswer::Cancelled { .. } = sent.answer
            && cancelled.insert(sent.order_id)
        {
            kept.acknowledged += 1;
        }
        if let CancelAnswer::Cancelled { seq, .. } = sent.answer {
            check_crashes(&history.crashes, seq, sent.span.to, "an order was cancelled", findings);
        }
        check_cancel(sent, orders.get(sent.order_id), &mut kept, findings);
    }
    for shown in &history.shown {
        check_crashes(&history.crashes, shown.seq, shown.span.to, "the service showed the state", findings);
    }
    check_fresh(history, orders, findings);
    for projected in &history.projected {
        check_crashes(&history.crashes, projected.seq, projected.at, "Redis showed the state", findings);
    }
    kept
}

/// A state that is shown holds every row that anybody was told of before it was asked for, whoever told it.
fn check_fresh(history: &History, orders: &Orders, findings: &mut Findings) {
    let mut told: Vec<(Instant, u64)> = history.shown.iter().map(|shown| (shown.span.to, shown.seq)).collect();
    told.extend(history.cancels.iter().filter_map(|sent| match sent.answer {
        CancelAnswer::Cancelled { seq, .. } => Some((sent.span.to, seq)),
        _ => None,
    }));
    told.extend(history.orders.iter().flat_map(|sent| &sent.tries).filter_map(|attempt| match attempt.answer {
        PlaceAnswer::Committed { order_id, .. } => Some((attempt.span.to, orders.get(order_id)?.seq.get())),
        _ => None,
    }));
    told.sort_unstable();
    let mut shown: Vec<&Shown> = history.shown.iter().collect();
    shown.sort_unstable_by_key(|shown| shown.span.from);
    let mut told = told.into_iter().peekable();
    let mut newest = 0;
    for Shown { span, seq, .. } in shown {
        while let Some((_, told_of)) = told.next_if(|(at, _)| *at < span.from) {
            newest = newest.max(told_of);
        }
        if *seq < newest {
            findings.add(format!("the service showed the stale state of row {seq}: row {newest} was told of before"));
        }
    }
}

/// Nothing is told before it is committed: a crash shows what was.
fn check_crashes(crashes: &[Crash], seq: u64, told: Instant, what: &str, findings: &mut Findings) {
    if let Some(crash) = crashes.iter().find(|crash| crash.exposes(seq, told)) {
        let end = crash.log_end;
        findings.add(format!("{what} by row {seq} before a crash that left the log at row {end}"));
    }
}

fn check_order(sent: &OrderSent, orders: &Orders, kept: &mut Kept, findings: &mut Findings) {
    let promised: HashSet<u64> = sent.tries.iter().filter_map(|attempt| attempt.answer.promised()).collect();
    kept.acknowledged += u64::from(!promised.is_empty());
    for order_id in &promised {
        match orders.get(*order_id) {
            None => {
                kept.lost += 1;
                findings.add(format!("order {order_id} was acknowledged and is lost"));
            }
            Some(logged) if !is_same(sent, logged) => {
                findings.add(format!("order {order_id} is not what was acknowledged: {sent:?} {logged:?}"));
            }
            Some(_) => {}
        }
    }
    if promised.len() > 1 {
        findings.add(format!("one key was answered with several ids: {promised:?}"));
    }
    for attempt in &sent.tries {
        if let PlaceAnswer::Unexpected(answer) = &attempt.answer {
            findings.add(format!("a good order was answered {answer}"));
        }
    }
    let Some(account) = &sent.account else { return };
    let executed = orders.named(account, sent.key.as_deref());
    if executed.len() > 1 {
        kept.twice += 1;
        findings.add(format!("one order of {account} {:?} was executed as {executed:?}", sent.key));
    }
    let refused = sent.tries.iter().all(|attempt| attempt.answer == PlaceAnswer::NotTaken);
    if refused && !executed.is_empty() {
        findings.add(format!("an order was said not to be taken, and was executed as {executed:?}"));
    }
    check_duplicates(sent, findings);
}

/// Of the answers to one key, the second and later ones say that they are; the first may, when an earlier one was lost.
fn check_duplicates(sent: &OrderSent, findings: &mut Findings) {
    let mut known = false;
    for attempt in &sent.tries {
        if let PlaceAnswer::Committed { order_id, duplicate } = attempt.answer {
            if known && !duplicate {
                findings.add(format!("order {order_id} was committed before, and a repetition is called new"));
            }
            known = true;
        }
    }
}

fn is_same(sent: &OrderSent, logged: &Logged) -> bool {
    sent.symbol == logged.symbol
        && sent.side == logged.side
        && Some(units(sent.price)) == logged.price.map(units)
        && Some(units(sent.quantity)) == logged.quantity.map(units)
        && sent.account == logged.account
        && sent.key == logged.key
}

/// Cancels are sent for acknowledged orders only.
fn check_cancel(sent: &CancelSent, order: Option<&Logged>, kept: &mut Kept, findings: &mut Findings) {
    let order_id = sent.order_id;
    let told = match &sent.answer {
        CancelAnswer::Nothing => return,
        CancelAnswer::Unexpected(answer) => return findings.add(format!("a good cancel was answered {answer}")),
        CancelAnswer::UnknownOrder => {
            return findings.add(format!("order {order_id} was acknowledged, and its cancel found no such order"));
        }
        CancelAnswer::Cancelled { .. } => "CANCELLED",
        CancelAnswer::NotOpen { status } => status.as_str(),
    };
    // A lost order is told where its acknowledgement is checked.
    let Some(order) = order else { return };
    let Some((status, at)) = order.ended.filter(|(status, _)| *status == told) else {
        kept.lost += u64::from(told == "CANCELLED");
        return findings.add(format!("order {order_id} was said to be {told}; in the log it is {:?}", order.ended));
    };
    if let CancelAnswer::Cancelled { remaining, seq } = sent.answer
        && (!order.has_left(remaining) || at.get() != seq)
    {
        findings.add(format!("order {order_id} was said to be {status} at row {seq} with {remaining} left: {order:?}"));
    }
}

/// Nothing is acknowledged without the queue, and nothing is final without the log.
fn check_outages(
    outages: &[Outage],
    span: Span,
    promises_queue: bool,
    is_final: bool,
    what: &str,
    findings: &mut Findings,
) {
    for outage in outages.iter().filter(|outage| outage.covers(span)) {
        match outage.of {
            Rests::Queue if promises_queue => {
                findings.add(format!("{what} was acknowledged while the command queue was away"));
            }
            Rests::Log if is_final => findings.add(format!("{what} was final while the event log was away")),
            Rests::Queue | Rests::Log => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_promise_within_an_outage_is_found() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let outage = |of| Outage { of, from: at(10), to: at(20) };
        for (of, from, to, promises_queue, is_final, expected) in [
            (Rests::Queue, 11, 12, true, false, 1),
            (Rests::Queue, 11, 12, false, false, 0),
            (Rests::Queue, 9, 12, true, false, 0),
            (Rests::Queue, 11, 21, true, true, 0),
            (Rests::Log, 11, 12, true, false, 0),
            (Rests::Log, 11, 12, true, true, 1),
        ] {
            let mut findings = Findings::default();
            let span = Span { from: at(from), to: at(to) };
            check_outages(&[outage(of)], span, promises_queue, is_final, "an order", &mut findings);
            assert_eq!(findings.count, expected, "{of:?} {from} to {to}");
        }
    }
}
