//! The queue and the projection on a real Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use journal::{CommandQueue, EnqueueError, Projection, ProjectionState, QueueError, StreamId, Written};
use pricetime::adapters::redis::hash_image::HashImage;
use pricetime::adapters::redis::{RedisError, RedisProjection, RedisQueue, check_durability};
use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Value, cmd};
use testbed::Redis;

use super::fixtures::{Market, eventually, symbol};
use super::projection_suite::{self, AsyncDump, Dump};
use super::queue_suite::{self, read_ids};

async fn client(url: &str) -> MultiplexedConnection {
    let client = redis::Client::open(url).expect("an address");
    client.get_multiplexed_async_connection().await.expect("connects")
}

async fn ask<T: FromRedisValue>(client: &mut MultiplexedConnection, words: &[&str]) -> T {
    let mut command = cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(client).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

async fn queue(redis: &Redis) -> RedisQueue {
    RedisQueue::connect(&redis.url(), 0).await.expect("connects")
}

#[tokio::test]
async fn it_is_a_queue() {
    let redis = Redis::start().expect("Redis starts");
    queue_suite::is_a_queue(Arc::new(queue(&redis).await)).await;
}

#[tokio::test]
async fn a_new_stream_goes_on_above_the_last_id() {
    let redis = Redis::start().expect("Redis starts");
    let queue = queue(&redis).await;
    let last = StreamId { millis: 99_999_999_999_999, index: 7 };
    queue.open(last).await.expect("opens");
    let id = queue.enqueue("{}").await.expect("taken");
    assert!(id > last, "{id}");
    assert_eq!(read_ids(&queue, last, 10).await, [id]);
    // From below, the entry that made the stream is passed over.
    assert_eq!(read_ids(&queue, StreamId::ZERO, 1).await, [id]);
}

#[tokio::test]
async fn an_idle_reader_waits_for_the_first_entry() {
    let redis = Redis::start().expect("Redis starts");
    let queue = Arc::new(queue(&redis).await);
    let last = StreamId { millis: 5, index: 0 };
    queue.open(last).await.expect("opens");
    for after in [StreamId::ZERO, last] {
        let begin = Instant::now();
        assert_eq!(read_ids(&*queue, after, 10).await, []);
        assert!(begin.elapsed() > Duration::from_millis(900), "an empty read from {after} spins");
    }
    let reader = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { read_ids(&*queue, last, 10).await }
    });
    let id = queue.enqueue("{}").await.expect("taken");
    assert_eq!(reader.await.expect("ends"), [id]);
}

#[tokio::test]
async fn a_stream_that_is_lost_is_noticed() {
    let redis = Redis::start().expect("Redis starts");
    let queue = queue(&redis).await;
    let mut other = client(&redis.url()).await;
    queue.open(StreamId::ZERO).await.expect("opens");
    let mut after = StreamId::ZERO;
    for _ in 0..3 {
        after = queue.enqueue("{}").await.expect("taken");
    }
    assert_eq!(read_ids(&queue, StreamId::ZERO, 10).await.len(), 3);

    let _: Value = ask(&mut other, &["FLUSHALL"]).await;
    assert!(matches!(queue.enqueue("{}").await, Err(EnqueueError::NotTaken(_))));
    assert_eq!(queue.check(after).await, Err(QueueError::Lost), "absent");
    queue.open(after).await.expect("opens");
    let next = queue.enqueue("{}").await.expect("taken");
    assert!(next > after);
    assert_eq!(read_ids(&queue, after, 10).await, [next]);

    // Somebody else made it again: its ids are higher, but fewer entries were ever added.
    for _ in 0..3 {
        after = queue.enqueue("{}").await.expect("taken");
    }
    assert_eq!(queue.check(after).await, Ok(()));
    let _: Value = ask(&mut other, &["FLUSHALL"]).await;
    let _: Value = ask(&mut other, &["XADD", "matching:queue", "*", "v", "{}"]).await;
    assert_eq!(queue.check(after).await, Err(QueueError::Lost), "fewer entries");

    // It went back in time: the next ids would hide below what was read. Opening it mends that.
    let _: Value = ask(&mut other, &["DEL", "matching:queue"]).await;
    let _: Value = ask(&mut other, &["XADD", "matching:queue", "1-1", "v", "{}"]).await;
    queue.open(StreamId::ZERO).await.expect("opens");
    assert_eq!(queue.check(after).await, Err(QueueError::Lost), "behind");
    let far = StreamId { millis: after.millis + 1_000_000, index: 0 };
    queue.open(far).await.expect("opens");
    assert!(queue.enqueue("{}").await.expect("taken") > far);
}

#[tokio::test]
async fn entries_of_others_say_what_is_wrong_and_hold_up_nothing() {
    let redis = Redis::start().expect("Redis starts");
    let queue = queue(&redis).await;
    queue.open(StreamId::ZERO).await.expect("opens");
    let mut other = client(&redis.url()).await;
    let _: Value = ask(&mut other, &["XADD", "matching:queue", "*", "x", "1"]).await;
    let _: Value = ask(&mut other, &["XADD", "matching:queue", "*", "f", "one", "v", "{}"]).await;
    let mut add = cmd("XADD");
    add.arg("matching:queue").arg("*").arg(b"\xff").arg(b"\xfe").arg("f").arg(1).arg("v").arg(b"\xff\xfe");
    let _: Value = add.query_async(&mut other).await.expect("added");
    queue.enqueue("{}").await.expect("taken");
    let read = queue.read(StreamId::ZERO, 10).await.expect("readable");
    let wrong: Vec<&str> = read.iter().filter_map(|entry| entry.payload.as_ref().err().map(String::as_str)).collect();
    assert_eq!(
        wrong,
        ["the entry has no field f", "field f is \"one\", which is no format number", "field v is no UTF-8"]
    );
    assert!(read[3].payload.is_ok());
}

#[tokio::test]
async fn refusals_of_redis_are_not_taken() {
    let redis = Redis::start().expect("Redis starts");
    let queue = queue(&redis).await;
    queue.open(StreamId::ZERO).await.expect("opens");
    let mut other = client(&redis.url()).await;
    let _: Value = ask(&mut other, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let full = queue.enqueue("{}").await;
    assert!(matches!(&full, Err(EnqueueError::NotTaken(why)) if why.contains("OOM")), "{full:?}");
    let _: Value = ask(&mut other, &["CONFIG", "SET", "maxmemory", "0"]).await;
    let _: Value = ask(&mut other, &["REPLICAOF", "127.0.0.1", "1"]).await;
    let replica = queue.enqueue("{}").await;
    assert!(matches!(&replica, Err(EnqueueError::NotTaken(why)) if why.contains("read only replica")), "{replica:?}");
    let _: Value = ask(&mut other, &["REPLICAOF", "NO", "ONE"]).await;
    queue.enqueue("{}").await.expect("taken");
}

/// Orders are pushed by many callers while Redis is killed; each one that was acknowledged is there afterwards, and none
/// is there twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_keeps_what_was_acknowledged() {
    let mut redis = Redis::start().expect("Redis starts");
    let queue = Arc::new(queue(&redis).await);
    queue.open(StreamId::ZERO).await.expect("opens");
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for number in 0.. {
                    let text = format!("{caller}:{number}");
                    match queue.enqueue(&text).await {
                        Ok(id) => taken.push((id, text)),
                        Err(error) => return (taken, error),
                    }
                }
                unreachable!("it is killed")
            })
        })
        .collect();
    eventually("some hundreds of entries", async || read_ids(&*queue, StreamId::ZERO, 500).await.len() == 500).await;
    redis.kill().expect("killed");
    let mut taken = BTreeSet::new();
    for caller in callers {
        taken.extend(caller.await.expect("ends").0);
    }
    let refused = queue.enqueue("{}").await;
    assert!(matches!(refused, Err(EnqueueError::NotTaken(_))), "nothing listens: {refused:?}");
    assert!(matches!(queue.read(StreamId::ZERO, 1).await, Err(QueueError::Unreachable(_))));

    redis.restart().expect("restarted");
    let entries = queue.read(StreamId::ZERO, 1_000_000).await.expect("readable");
    let found: Vec<_> = entries.into_iter().map(|entry| (entry.id, entry.payload.expect("sound").text)).collect();
    let texts: BTreeSet<&String> = found.iter().map(|(_, text)| text).collect();
    assert_eq!(texts.len(), found.len(), "an entry is there twice");
    let lost: Vec<_> = taken.iter().filter(|entry| !found.contains(entry)).collect();
    assert!(lost.is_empty(), "of {} acknowledged, lost: {lost:?}", taken.len());
    queue.enqueue("{}").await.expect("taken");
}

/// A Redis that hangs does not hang its callers, and what it was sent may be in the stream once, never twice.
#[tokio::test]
async fn a_paused_redis_leaves_the_outcome_unknown() {
    let mut redis = Redis::start().expect("Redis starts");
    let queue = queue(&redis).await;
    queue.open(StreamId::ZERO).await.expect("opens");
    redis.pause().expect("paused");
    let begin = Instant::now();
    assert!(matches!(queue.enqueue("paused").await, Err(EnqueueError::Unknown(_))));
    assert!(begin.elapsed() < Duration::from_secs(4));
    redis.resume().expect("resumed");
    queue.enqueue("after").await.expect("taken");
    let read = queue.read(StreamId::ZERO, 10).await.expect("readable");
    let texts: Vec<String> = read.into_iter().map(|entry| entry.payload.expect("sound").text).collect();
    assert!(texts == ["paused", "after"] || texts == ["after", "paused"] || texts == ["after"], "{texts:?}");
}

#[tokio::test]
async fn unsafe_settings_are_named_with_their_remedy() {
    let redis = Redis::start().expect("Redis starts");
    check_durability(&redis.url(), false).await.expect("safe");
    let mut other = client(&redis.url()).await;
    for (name, wrong, right) in [
        ("appendonly", "no", "yes"),
        ("appendfsync", "everysec", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ] {
        let _: Value = ask(&mut other, &["CONFIG", "SET", name, wrong]).await;
        let error = check_durability(&redis.url(), false).await.expect_err("unsafe").to_string();
        assert!(error.contains(&format!("{name} is {wrong} and must be {right}")), "{error}");
        assert!(error.contains(&format!("redis-cli CONFIG SET {name} {right}")), "{error}");
        check_durability(&redis.url(), true).await.expect("allowed");
        let _: Value = ask(&mut other, &["CONFIG", "SET", name, right]).await;
    }
    check_durability(&redis.url(), false).await.expect("safe again");
    assert!(matches!(check_durability("redis://127.0.0.1:1/0", false).await, Err(RedisError::Unreachable(_))));
    assert!(matches!(check_durability("nonsense", false).await, Err(RedisError::Url(_))));
}

/// A master and a replica that follows it.
async fn pair() -> (Redis, Redis) {
    let (master, replica) = (Redis::start().expect("Redis starts"), Redis::start().expect("Redis starts"));
    follow(&master, &replica).await;
    (master, replica)
}

async fn follow(master: &Redis, replica: &Redis) {
    let mut other = client(&replica.url()).await;
    let _: Value = ask(&mut other, &["REPLICAOF", "127.0.0.1", &master.port().to_string()]).await;
    eventually("the replica to follow", async || {
        let state: String = ask(&mut client(&replica.url()).await, &["INFO", "replication"]).await;
        state.contains("master_link_status:up")
    })
    .await;
}

#[tokio::test]
async fn a_replica_is_refused() {
    let (_master, replica) = pair().await;
    let error = check_durability(&replica.url(), false).await.expect_err("a replica").to_string();
    assert!(error.contains("it is a replica") && error.contains("use the address of its master"), "{error}");
}

/// With QUEUE_REPLICAS_ACK an entry is acknowledged once the replica has it: after the master's end none is missing there.
/// While too few replicas have it, the outcome is unknown, and never said to be an acknowledgement.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_acknowledged_once_replicas_have_it() {
    let (mut master, mut replica) = pair().await;
    let queue = Arc::new(RedisQueue::connect(&master.url(), 1).await.expect("connects"));
    queue.open(StreamId::ZERO).await.expect("opens");
    let count = Arc::new(AtomicUsize::new(0));
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (queue, count) = (Arc::clone(&queue), Arc::clone(&count));
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                while let Ok(id) = queue.enqueue("{}").await {
                    acknowledged.push(id);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                acknowledged
            })
        })
        .collect();
    eventually("some acknowledgements", async || count.load(Ordering::Relaxed) >= 100).await;
    master.kill().expect("a kill");
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await.expect("a sender"));
    }
    let promoted = RedisQueue::connect(&replica.url(), 0).await.expect("connects");
    let there = read_ids(&promoted, StreamId::ZERO, 1_000_000).await;
    let lost: Vec<_> = acknowledged.iter().filter(|id| !there.contains(id)).collect();
    assert!(lost.is_empty(), "{} of {} are lost", lost.len(), acknowledged.len());

    master.restart().expect("a restart");
    follow(&master, &replica).await;
    eventually("an acknowledgement", async || queue.enqueue("{}").await.is_ok()).await;
    replica.pause().expect("paused");
    let late = queue.enqueue("{}").await;
    assert!(matches!(&late, Err(EnqueueError::Unknown(why)) if why.contains("0 of the 1 replicas")), "{late:?}");
    replica.resume().expect("resumed");
    eventually("an acknowledgement", async || queue.enqueue("{}").await.is_ok()).await;
}

/// Texts of every length at which something is written otherwise. Redis looks at each byte when it is told to.
#[tokio::test]
async fn redis_takes_the_image_of_a_hash() {
    let redis = Redis::start().expect("Redis starts");
    let mut client = client(&redis.url()).await;
    let _: Value = ask(&mut client, &["CONFIG", "SET", "sanitize-dump-payload", "yes"]).await;
    let lengths = [0, 1, 63, 64, 125, 126, 127, 4_095, 4_096, 16_376, 16_377, 16_378, 16_379, 2_097_200];
    let fields = lengths.map(|length| (format!("of {length}"), "7".repeat(length)));
    let mut image = HashImage::default();
    fields.iter().for_each(|(name, text)| image.field(name, text));
    let mut restore = cmd("RESTORE");
    restore.arg("hash").arg(0).arg(image.finish());
    let _: Value = restore.query_async(&mut client).await.expect("taken");

    let there: BTreeMap<String, String> = ask(&mut client, &["HGETALL", "hash"]).await;
    assert!(
        there == BTreeMap::from(fields),
        "{:?}",
        there.iter().map(|(name, text)| (name, text.len())).collect::<Vec<_>>()
    );
    let form: String = ask(&mut client, &["OBJECT", "ENCODING", "hash"]).await;
    assert_eq!(form, "listpack");
}

async fn projection(redis: &Redis) -> RedisProjection {
    RedisProjection::connect(&redis.url()).await.expect("connects")
}

#[tokio::test]
async fn projected_writes_follow_one_another() {
    let redis = Redis::start().expect("Redis starts");
    let projection = projection(&redis).await;
    assert_eq!(projection.state().await, Ok(ProjectionState::Unusable), "nothing there");
    projection_suite::writes_follow_one_another(&projection).await;
}

#[tokio::test]
async fn a_rebuilt_projection_equals_the_written_one() {
    let (one, other) = (Redis::start().expect("Redis starts"), Redis::start().expect("Redis starts"));
    // Left over from before: a rebuild replaces everything of the projection, and nothing of the queue.
    let mut stale = client(&other.url()).await;
    for words in [
        &["HSET", "order:999999", "id", "999999"][..],
        &["ZADD", "book:OLD_COIN:bids", "1", "x"],
        &["RPUSH", "trades:OLD_COIN", "x"],
        &["XADD", "matching:queue", "1-1", "v", "{}"],
    ] {
        let _: Value = ask(&mut stale, words).await;
    }
    projection_suite::a_rebuild_equals_the_writes(
        (&projection(&one).await, &RedisDump(one.url())),
        (&projection(&other).await, &RedisDump(other.url())),
    )
    .await;
    let kept: u64 = ask(&mut stale, &["XLEN", "matching:queue"]).await;
    assert_eq!(kept, 1);
}

/// All keys but the queue.
struct RedisDump(String);

#[async_trait::async_trait]
impl AsyncDump for RedisDump {
    async fn dump(&self) -> Dump {
        let mut client = client(&self.0).await;
        let keys: Vec<String> = ask(&mut client, &["KEYS", "*"]).await;
        let mut dump = Dump::new();
        for key in keys.into_iter().filter(|key| key != "matching:queue") {
            let kind: String = ask(&mut client, &["TYPE", &key]).await;
            let text = match kind.as_str() {
                "hash" => {
                    let fields: std::collections::BTreeMap<String, String> = ask(&mut client, &["HGETALL", &key]).await;
                    format!("{fields:?}")
                }
                "zset" => {
                    let members: Vec<String> = ask(&mut client, &["ZRANGE", &key, "0", "-1", "WITHSCORES"]).await;
                    format!("{members:?}")
                }
                "list" => {
                    let items: Vec<String> = ask(&mut client, &["LRANGE", &key, "0", "-1"]).await;
                    format!("{items:?}")
                }
                _ => ask(&mut client, &["GET", &key]).await,
            };
            dump.insert(key, text);
        }
        dump
    }
}

#[tokio::test]
async fn keys_and_fields_are_those_of_the_contract() {
    let redis = Redis::start().expect("Redis starts");
    let projection = projection(&redis).await;
    let mut market = Market::new(7, 1_000);
    market.run(120);
    projection.rebuild(Arc::new(market.ledger.clone()), market.position).await.expect("rebuilt");
    let mut client = client(&redis.url()).await;

    let order = market.ledger.orders().find(|order| order.average_price().is_some()).expect("one traded");
    let key = format!("order:{}", order.order_id);
    let fields: std::collections::BTreeMap<String, String> = ask(&mut client, &["HGETALL", &key]).await;
    assert_eq!(fields["price"], order.price().expect("a limit").to_string());
    assert_eq!(fields["remaining"], order.remaining().to_string());
    assert_eq!(fields["status"], order.status.as_str());
    assert_eq!(fields["average_price"], order.average_price().expect("traded").to_string());
    assert_eq!(fields["type"], "LIMIT");
    assert!(fields["created_at"].starts_with("1732880000"), "{}", fields["created_at"]);

    for side in [matching::Side::Buy, matching::Side::Sell] {
        let book = format!("book:{}:{}", symbol(), if side == matching::Side::Buy { "bids" } else { "asks" });
        let members: Vec<String> = ask(&mut client, &["ZRANGE", &book, "0", "-1"]).await;
        let mut open: Vec<_> =
            market.ledger.orders().filter(|order| order.side == side && order.status.is_open()).collect();
        open.sort_by_key(|order| {
            let price = order.price_units().expect("a limit") as i64;
            (if side == matching::Side::Buy { -price } else { price }, order.priority)
        });
        let expected: Vec<String> = open
            .iter()
            .map(|order| format!("{:020}:{}", order.priority.expect("open").get(), order.order_id))
            .collect();
        assert_eq!(members, expected, "{book}: best and oldest first");
    }

    let trades: Vec<String> = ask(&mut client, &["LRANGE", &format!("trades:{}", symbol()), "0", "-1"]).await;
    assert_eq!(trades.len(), market.ledger.trades().count());
    let trade = market.ledger.trades().next().expect("one");
    assert!(
        trades[0].contains(&format!("\"price\":{},\"quantity\":{},", trade.price, trade.quantity)),
        "{}",
        trades[0]
    );
    let greatest: String = ask(&mut client, &["GET", "order:id:seq"]).await;
    assert_eq!(Some(greatest), market.ledger.greatest_order_id().map(|id| id.to_string()));
}

/// Whatever cut a rebuild short, the projection says so, writes do not go through, and the next rebuild mends it.
#[tokio::test]
async fn a_rebuild_that_was_cut_short_is_unusable() {
    let redis = Redis::start().expect("Redis starts");
    let projection = Arc::new(projection(&redis).await);
    let mut market = Market::new(3, 100_000);
    projection.rebuild(Arc::new(market.ledger.clone()), market.position).await.expect("rebuilt");
    market.run(10_000);
    let first = market.write();
    let rebuild = tokio::spawn({
        let (projection, ledger, position) = (Arc::clone(&projection), market.ledger.clone(), market.position);
        async move { projection.rebuild(Arc::new(ledger), position).await }
    });
    eventually("the rebuild to begin", async || projection.state().await == Ok(ProjectionState::Unusable)).await;
    rebuild.abort();
    assert!(rebuild.await.is_err(), "it was cut short");
    assert_eq!(projection.state().await, Ok(ProjectionState::Unusable));
    assert_eq!(projection.write(&first).await, Ok(Written::Gap));

    projection.rebuild(Arc::new(market.ledger.clone()), market.position).await.expect("rebuilt");
    assert_eq!(projection.state().await, Ok(ProjectionState::At(market.position)));
    assert_eq!(projection.write(&first).await, Ok(Written::Older));
}

/// A rebuild that another one of the same term overtook, as when it was given up and its last step comes late, writes
/// nothing into the newer one.
#[tokio::test]
async fn a_rebuild_that_was_overtaken_writes_nothing_more() {
    let (redis, reference) = (Redis::start().expect("Redis starts"), Redis::start().expect("Redis starts"));
    let slow = Arc::new(projection(&redis).await);
    let mut market = Market::new(3, 100_000);
    let (small, at) = (Arc::new(market.ledger.clone()), market.position);
    slow.rebuild(Arc::clone(&small), at).await.expect("rebuilt");
    // Enough that the other one begins before this one ends, on a busy machine, too.
    market.run(60_000);
    let rebuild = tokio::spawn({
        let (slow, ledger, position) = (Arc::clone(&slow), market.ledger.clone(), market.position);
        async move { slow.rebuild(Arc::new(ledger), position).await }
    });
    eventually("the rebuild to begin", async || slow.state().await == Ok(ProjectionState::Unusable)).await;
    projection(&redis).await.rebuild(Arc::clone(&small), at).await.expect("rebuilt");
    let overtaken = rebuild.await.expect("ends");
    assert!(matches!(&overtaken, Err(error) if error.0.contains("overtaken")), "{overtaken:?}");
    projection(&reference).await.rebuild(small, at).await.expect("rebuilt");
    assert_eq!(RedisDump(redis.url()).dump().await, RedisDump(reference.url()).dump().await);
}

/// A write that fails halfway shows no state at all: Redis cannot take back what was done before the error.
#[tokio::test]
async fn a_write_that_was_cut_short_is_unusable() {
    let redis = Redis::start().expect("Redis starts");
    let projection = projection(&redis).await;
    let mut client = client(&redis.url()).await;
    let mut market = Market::new(3, 1_000);
    projection.rebuild(Arc::new(market.ledger.clone()), market.position).await.expect("rebuilt");
    market.run(40);
    let _: Value = ask(&mut client, &["SET", &format!("trades:{}", symbol()), "no list"]).await;
    assert!(projection.write(&market.write()).await.is_err());
    assert_eq!(projection.state().await, Ok(ProjectionState::Unusable));
    projection.rebuild(Arc::new(market.ledger.clone()), market.position).await.expect("rebuilt");
    assert_eq!(projection.state().await, Ok(ProjectionState::At(market.position)));
}

/// A Redis that comes back has lost the projection, for that is in no file of it, or in an old one: it says so, tells the
/// last row that was shown, takes no write, and is rebuilt.
#[tokio::test]
async fn a_restart_of_redis_loses_the_projection_and_keeps_its_position() {
    for rewritten in [false, true] {
        let mut redis = Redis::start().expect("Redis starts");
        let projection = projection(&redis).await;
        let mut market = Market::new(5, 100);
        projection.rebuild(Arc::new(market.ledger.clone()), market.position).await.expect("rebuilt");
        market.run(30);
        projection.write(&market.write()).await.expect("written");
        if rewritten {
            // The new file begins with everything that is in memory now.
            let mut client = client(&redis.url()).await;
            let _: Value = ask(&mut client, &["BGREWRITEAOF"]).await;
            eventually("the rewritten file", async || {
                let info: String = ask(&mut client, &["INFO", "persistence"]).await;
                info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
            })
            .await;
        }
        market.run(30);
        assert_eq!(projection.write(&market.write()).await, Ok(Written::Written));
        let last = market.position;
        redis.kill().expect("killed");
        assert!(projection.state().await.is_err());
        redis.restart().expect("restarted");
        eventually("Redis", async || projection.state().await.is_ok()).await;
        assert_eq!(projection.state().await, Ok(ProjectionState::Lost(last)), "rewritten: {rewritten}");
        market.run(30);
        assert_eq!(projection.write(&market.write()).await, Ok(Written::Gap));
        projection.rebuild(Arc::new(market.ledger.clone()), market.position).await.expect("rebuilt");
        market.run(30);
        assert_eq!(projection.write(&market.write()).await, Ok(Written::Written));
        assert_eq!(projection.state().await, Ok(ProjectionState::At(market.position)));
    }
}
