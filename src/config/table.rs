//! Every setting, declared once: the reader, `config check` and the documentation all go by this table.

/// A setting as it is declared.
#[derive(Debug)]
pub struct Setting {
    /// Its name; with the prefix `PRICETIME_` it wins over the bare name.
    pub name: &'static str,
    /// Names of the original service that mean the same.
    pub aliases: &'static [&'static str],
    /// What a number counts, for example `s`; empty where nothing is counted.
    pub unit: &'static str,
    /// What holds when it is not given.
    pub default: Default,
    /// What it does, and for a limit why it is there.
    pub meaning: &'static str,
    /// How it is shown.
    pub kind: Kind,
}

/// What holds when a setting is not given.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Default {
    /// This text, read as if it had been given.
    Text(&'static str),
    /// The value of another setting.
    Of(&'static str),
    /// Nothing: the meaning says what follows.
    Unset,
}

/// How a setting is shown.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Kind {
    /// As it is.
    Plain,
    /// Never.
    Secret,
}

/// All settings, in the order in which they are documented.
pub const SETTINGS: &[Setting] = &[
    plain("HOST", "", Default::Text("127.0.0.1"), "The address to listen on. 0.0.0.0 is every address of the machine."),
    plain("PORT", "", Default::Text("8000"), "The port to listen on. 0 is any free one."),
    secret(
        "REDIS_URL",
        &[],
        "The Redis that holds the command queue and the projection: redis://user:password@host:6379/0. Without it and without \
         a database, the service runs in embedded mode, on one local file.",
    ),
    secret(
        "DATABASE_URL",
        &[],
        "The PostgreSQL database that holds the event log: postgres://user:password@host:5432/name. Wins over POSTGRES_*.",
    ),
    plain("POSTGRES_DB", "", Default::Unset, "The database's name, where DATABASE_URL is not given."),
    plain("POSTGRES_USER", "", Default::Unset, "The database's user, where DATABASE_URL is not given."),
    secret("POSTGRES_PASSWORD", &[], "That user's password; none where the server asks for none."),
    plain(
        "POSTGRES_HOST",
        "",
        Default::Text("127.0.0.1"),
        "The database server's address, where DATABASE_URL is not given.",
    ),
    plain("POSTGRES_PORT", "", Default::Text("5432"), "The database server's port, where DATABASE_URL is not given."),
    plain("DATA_DIR", "", Default::Text("./data"), "The folder of the embedded mode's file."),
    plain(
        "ARCHIVE_DIR",
        "",
        Default::Unset,
        "The folder of archived rows of the log, which `pricetime archive` fills and everything that reads the log reads too. \
         Not given, it is `archive` in DATA_DIR.",
    ),
    secret(
        "SECRET_KEY",
        &["DJANGO_SECRET_KEY"],
        "What the secrets of API keys are made of: 32 random characters or more. Whoever has it has all keys; another one ends \
         them all. Must be given without DEBUG.",
    ),
    Setting {
        aliases: &["DJANGO_DEBUG"],
        ..plain(
            "DEBUG",
            "",
            Default::Text("false"),
            "Opens every route to everyone, allows ALLOWED_HOSTS=*, switches AUTO_LIST_SYMBOLS on and the limits of rates off. It never \
             touches durability. \
             Not given, it is true in embedded mode on a loopback address, where nobody else can connect.",
        )
    },
    Setting {
        aliases: &["DJANGO_ALLOWED_HOSTS"],
        ..plain(
            "ALLOWED_HOSTS",
            "",
            Default::Text("localhost,127.0.0.1,[::1]"),
            "The host names that requests may ask for, comma separated; .example.com is also every name below it; * is every name, only with DEBUG. \
             Keeps other sites' scripts from talking to the service under a name of theirs.",
        )
    },
    secret(
        "ADMIN_TOKEN",
        &[],
        "The administrator's credential, 32 characters or more: allows everything, beside API keys with the scope admin.",
    ),
    plain(
        "SYMBOLS",
        "",
        Default::Text("BTC_USDT,ETH_USDT,XRP_USDT"),
        "The symbols listed on the very first start, comma separated, with eight decimals each.",
    ),
    plain(
        "AUTO_LIST_SYMBOLS",
        "",
        Default::Of("DEBUG"),
        "Whether the first order of a well-formed symbol lists it. Otherwise such an order is refused.",
    ),
    plain(
        "MAX_BODY_BYTES",
        "bytes",
        Default::Text("262144"),
        "The largest request body. An order takes about 100 bytes, a batch of 500 about 60,000, or 250,000 where every order \
         has all of its fields; more would only cost memory for each connection.",
    ),
    plain(
        "SNAPSHOT_INTERVAL",
        "s",
        Default::Text("600"),
        "The time between two snapshots: a start reads the log of at most this long.",
    ),
    plain("RETAIN_SNAPSHOTS", "snapshots", Default::Text("10"), "How many of the newest verified snapshots are kept."),
    plain(
        "RETAIN_CLOSED_ORDERS",
        "orders",
        Default::Text("500000"),
        "How many closed orders the debug routes and Redis still show; bounds the memory of both. The log keeps all.",
    ),
    plain(
        "QUEUE_RETENTION_ENTRIES",
        "entries",
        Default::Text("100000"),
        "How many executed entries of the command stream are kept for audit; bounds the memory of Redis.",
    ),
    plain(
        "MAX_QUEUE_AGE",
        "s",
        Default::Unset,
        "An order that waited in the command stream for longer is rejected as STALE: its price is of another time. 0 is \
         off. Not given, it is 5, and off with DEBUG. Cancels never go stale.",
    ),
    plain(
        "REOPEN_CANCEL_ONLY",
        "s",
        Default::Text("5"),
        "After a start that follows no clean stop, how long every market that trades is CANCEL_ONLY first, so that whoever \
         wants can leave before anybody trades. 0 leaves it out. Not with DEBUG.",
    ),
    plain(
        "REOPEN_POST_ONLY",
        "s",
        Default::Text("5"),
        "How long such a market is POST_ONLY then, so that prices can form before it is CONTINUOUS. 0 leaves it out. Not with \
         DEBUG.",
    ),
    plain(
        "MAX_LAG_ORDERS",
        "orders",
        Default::Text("20000"),
        "How many acknowledged orders may wait for their commit; above, orders are refused with 503 OVERLOADED. Bounds \
         memory, and how long an order waits.",
    ),
    plain(
        "MAX_LAG_CANCELS",
        "cancels",
        Default::Text("5000"),
        "How many cancels may wait for their commit. A share of their own: no flood of orders keeps anybody from cancelling.",
    ),
    plain(
        "MAX_LAG_MS",
        "ms",
        Default::Text("1000"),
        "While the log commits, no order is taken when the oldest waiting command has waited for longer: 503 OVERLOADED. \
         Bounds how long a cancel waits behind a flood of orders. A log that does not answer at all leaves MAX_LAG_ORDERS alone.",
    ),
    plain(
        "MAX_CONNECTIONS",
        "connections",
        Default::Text("4096"),
        "How many clients may be connected at once; others wait until one leaves. Bounds memory and open files.",
    ),
    plain(
        "MAX_SOCKETS",
        "sockets",
        Default::Text("3000"),
        "How many WebSockets may be open at once; others are refused with 503 OVERLOADED. Below MAX_CONNECTIONS, so that idle \
         sockets leave room for requests.",
    ),
    plain(
        "RATE_LIMIT_ORDERS",
        "orders/s",
        Default::Unset,
        "How many orders and amends a second one key may send, and as many at once; above, they are refused with 429 \
         RATE_LIMITED. Where no key is asked for, each address. 0 is no limit. Not given, it is 1000, and 0 with DEBUG.",
    ),
    plain(
        "RATE_LIMIT_CANCELS",
        "cancels/s",
        Default::Unset,
        "The same for cancels, which have a limit of their own: whoever sent too many orders can still cancel. Not given, it \
         is 2000, and 0 with DEBUG.",
    ),
    plain(
        "RATE_LIMIT_READS",
        "questions/s",
        Default::Unset,
        "The same for questions: orders, markets, events, the log. A channel that is subscribed to over a socket is one. Not \
         given, it is 1000, and 0 with DEBUG.",
    ),
    plain(
        "ALLOW_UNSAFE_DURABILITY",
        "",
        Default::Text("false"),
        "Whether to start although Redis or PostgreSQL is set up to lose what it acknowledged. For experiments only.",
    ),
    plain(
        "QUEUE_REPLICAS_ACK",
        "replicas",
        Default::Text("0"),
        "How many replicas of Redis must have a command before it is acknowledged (WAIT). 0 is none: then what was acknowledged \
         in the last moments is lost when a replica takes the master's place.",
    ),
    plain(
        "AUDIT_PERIOD",
        "s",
        Default::Text("600"),
        "The time from the beginning of one proof of the whole log, beside the service, to the next. It takes at most a \
         twentieth of one core, and on a long log as much time as it needs for that.",
    ),
    plain(
        "FINAL_EXIT_DELAY",
        "s",
        Default::Text("0"),
        "How long `serve` waits before it ends with exit code 5 or 6, for a supervisor that starts it again whatever the code \
         is. docker-compose.yml sets 30.",
    ),
    plain("RUST_LOG", "", Default::Text("info,actix_server=warn"), "What is logged, for example info,pricetime=debug."),
    plain("LOG_FORMAT", "", Default::Text("pretty"), "pretty, for people, or json, one object a line."),
];

const fn plain(name: &'static str, unit: &'static str, default: Default, meaning: &'static str) -> Setting {
    Setting { name, aliases: &[], unit, default, meaning, kind: Kind::Plain }
}

const fn secret(name: &'static str, aliases: &'static [&'static str], meaning: &'static str) -> Setting {
    Setting { name, aliases, unit: "", default: Default::Unset, meaning, kind: Kind::Secret }
}

/// The setting that a bare name or alias means.
pub fn named(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name || setting.aliases.contains(&name))
}
