//! A start that follows no clean stop takes the markets that trade out of trading before it reads anything, and brings them
//! back step by step in logged time.

use std::time::Duration;

use actors::{PipelineSettings, Placement, Reopening};
use matching::command::SetPhase;
use matching::{Command, CommandId, Event, Phase};

use crate::harness::{World, buy, sell, settings, settle, symbol, until};

/// The phases that a market went through, and the orders of it that were refused.
fn story(world: &World, market: &str) -> Vec<String> {
    let told = world.events().into_iter().filter(|event| event.symbol() == Some(symbol(market)));
    let told = told.filter_map(|event| match event {
        Event::PhaseChanged(changed) => Some(changed.phase.as_str().to_owned()),
        Event::OrderRejected(rejected) => Some(format!("{} {}", rejected.order.order_id, rejected.reason_code.code())),
        Event::OrderAccepted(accepted) => Some(format!("{} accepted", accepted.order.order_id)),
        _ => None,
    });
    told.collect()
}

#[actix::test]
async fn markets_that_trade_reopen_before_anything_is_read() {
    let world = World::default();
    world.clock.set(1_000_000);
    let engine = world.start(&Placement::here()).await;
    let command_id = CommandId::new(900);
    let close = SetPhase { command_id, symbol: symbol("ETH_USDT"), phase: Phase::Closed, then: Vec::new() };
    world.queue.push(&[sell(1, "100", "1"), Command::SetPhase(close)]);
    engine.committed(2).await;
    engine.pipeline.drain().await.expect("a drain");
    drop(engine);
    world.log.declare_vacant();

    // An order that was acknowledged and not executed comes after the markets were taken out of trading.
    world.queue.push(&[buy(2, "100", "1")]);
    let (cancel_only, post_only) = (Duration::from_secs(5), Duration::from_secs(7));
    let reopening = Some(Reopening { cancel_only, post_only });
    let engine = world.start_with(&Placement::here(), PipelineSettings { reopening, ..settings() }).await;
    // Whoever waits for the start does not see a market as it was before.
    engine.pipeline.settled().await.expect("a start");
    assert!(story(&world, "BTC_USDT").contains(&"CANCEL_ONLY".to_owned()));
    engine.committed(4).await;
    assert_eq!(story(&world, "BTC_USDT"), ["1 accepted", "CANCEL_ONLY", "2 PHASE_FORBIDS"]);
    world.clock.set(6_000_000);
    engine.committed(5).await;
    world.queue.push(&[buy(3, "100", "1"), buy(4, "99", "1")]);
    engine.committed(7).await;
    world.clock.set(13_000_000);
    engine.committed(8).await;
    world.queue.push(&[buy(5, "100", "1")]);
    engine.committed(9).await;
    let expected = [
        "1 accepted",
        "CANCEL_ONLY",
        "2 PHASE_FORBIDS",
        "POST_ONLY",
        "3 POST_ONLY_WOULD_TRADE",
        "4 accepted",
        "CONTINUOUS",
        "5 accepted",
    ];
    assert_eq!(story(&world, "BTC_USDT"), expected);
    // Whoever took it out of trading brings it back.
    assert_eq!(story(&world, "ETH_USDT"), ["CLOSED"]);
}

/// A start is done when the instruments of the configuration are listed: orders of theirs are good from the first on.
#[actix::test]
async fn a_start_lists_its_instruments_first() {
    let world = World::default();
    world.log.hold_commits();
    let engine = world.start(&Placement::here()).await;
    let settled = engine.pipeline.settled();
    tokio::pin!(settled);
    assert!(futures_util::poll!(&mut settled).is_pending());
    settle().await;
    assert!(futures_util::poll!(&mut settled).is_pending(), "a start was done before its first commit");
    world.log.let_pass(1_000);
    settled.await.expect("a start");
    assert_eq!(engine.pipeline.instruments.borrow().len(), 2);
}

/// A process that dies while markets reopen makes the next one begin anew, once per market.
#[actix::test]
async fn a_reopening_that_was_interrupted_begins_anew() {
    let world = World::default();
    world.start(&Placement::here()).await.pipeline.drain().await.expect("a drain");
    let reopening = Some(Reopening { cancel_only: Duration::from_secs(5), post_only: Duration::ZERO });
    for start in 1..=3 {
        let settings = PipelineSettings { reopening, ..settings() };
        let engine = world.start_with(&Placement::here(), settings).await;
        until("the markets reopen", || story(&world, "BTC_USDT").len() == start).await;
        engine.pipeline.drain().await.expect("a drain");
    }
    assert_eq!(story(&world, "ETH_USDT"), ["CANCEL_ONLY"; 3]);
}
