//! Redis: reachable, new enough, and set up so that it forgets nothing by itself.
use domain::{
    config::RedisConfig,
    jobs::{Dispatcher, RedisServer},
    limits::CacheServer,
};

use super::Finding;

/// Scripts and stream commands that the queue uses are there since this version.
const OLDEST: (u32, u32) = (7, 0);
/// A share of its memory, in percent, from which an operator should know.
const FULL: u64 = 80;

/// Checks the server that carries errands and live events.
pub async fn check(dispatcher: &Dispatcher) -> Vec<Finding> {
    if let Err(error) = dispatcher.ping().await {
        let told = format!("{}; jobs are recorded and wait until it is back", error.story());
        return vec![Finding::mend("Redis", told)];
    }
    match RedisServer::read(dispatcher).await {
        Ok(server) => findings(&server),
        Err(error) => {
            let told = format!(
                "{}; check its policy, append-only file and version yourself",
                error.story()
            );
            vec![Finding::good("Redis"), Finding::note("Redis' settings", told)]
        }
    }
}

/// Checks the server of what may be lost, where it is one of its own.
pub async fn check_cache(config: &RedisConfig) -> Finding {
    const WHAT: &str = "Redis of limits and cached answers";
    let pong = match CacheServer::new(config) {
        Ok(server) => server.ping().await,
        Err(error) => Err(error),
    };
    match pong {
        Ok(()) => Finding::good(WHAT),
        Err(error) => Finding::mend(
            WHAT,
            format!(
                "{}; until REDIS_CACHE_URL answers, each process counts and keeps by itself",
                error.story()
            ),
        ),
    }
}

fn findings(server: &RedisServer) -> Vec<Finding> {
    let RedisServer { product, version, .. } = server;
    vec![
        if server.replica {
            Finding::mend(
                "Redis",
                "this is a replica, which takes no errands; let REDIS_URL name the primary",
            )
        } else {
            Finding::good("Redis")
        },
        if server.cluster {
            Finding::mend(
                "Redis Cluster",
                "this is a node of a Cluster, and events are read and told over keys of all its nodes; let REDIS_URL name one server, or Sentinels",
            )
        } else {
            Finding::good("Redis is one server")
        },
        if *version >= OLDEST {
            Finding::good("Redis 7 or newer")
        } else {
            Finding::mend(
                "Redis 7 or newer",
                format!("{product} lacks commands that the queue uses; upgrade it"),
            )
        },
        match server.maxmemory_policy.as_str() {
            "noeviction" => Finding::good("maxmemory-policy"),
            other => Finding::mend(
                "maxmemory-policy",
                format!("it is {other}, which forgets errands when memory is short; set it to noeviction"),
            ),
        },
        if server.append_only {
            Finding::good("appendonly")
        } else {
            Finding::mend(
                "appendonly",
                "it is no, so that a restart forgets errands; set it to yes",
            )
        },
        memory(server),
    ]
}

fn memory(server: &RedisServer) -> Finding {
    const WHAT: &str = "Redis' memory";
    let used = server.used_memory.saturating_mul(100).checked_div(server.max_memory);
    match used {
        Some(percent) if percent >= FULL => Finding::mend(
            WHAT,
            format!(
                "{percent} % of {} MiB are used, and a full server takes no errands; raise maxmemory",
                server.max_memory >> 20
            ),
        ),
        Some(_) => Finding::good(WHAT),
        None => Finding::note(
            WHAT,
            "maxmemory is not set: Redis grows until the machine or its container ends it, instead of refusing what is too much",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Verdict;

    fn good() -> RedisServer {
        RedisServer {
            product: "Valkey 9.1.2".into(),
            version: (7, 2),
            maxmemory_policy: "noeviction".into(),
            append_only: true,
            used_memory: 10,
            max_memory: 100,
            replica: false,
            cluster: false,
        }
    }

    fn to_mend(server: &RedisServer) -> Vec<&'static str> {
        let bad = |f: &Finding| matches!(f.verdict, Verdict::Mend(_));
        findings(server).into_iter().filter(bad).map(|f| f.what).collect()
    }

    #[test]
    fn each_setting_that_forgets_errands_is_named() {
        assert_eq!(to_mend(&good()), [""; 0]);
        let lru = RedisServer {
            maxmemory_policy: "allkeys-lru".into(),
            ..good()
        };
        let memory_only = RedisServer {
            append_only: false,
            ..good()
        };
        let old = RedisServer {
            version: (6, 2),
            ..good()
        };
        let full = RedisServer {
            used_memory: 85,
            max_memory: 100,
            ..good()
        };
        let replica = RedisServer {
            replica: true,
            ..good()
        };
        let cluster = RedisServer {
            cluster: true,
            ..good()
        };
        let unlimited = RedisServer {
            max_memory: 0,
            ..good()
        };
        assert!(matches!(memory(&unlimited).verdict, Verdict::Note(_)));
        for (server, what) in [
            (lru, "maxmemory-policy"),
            (memory_only, "appendonly"),
            (old, "Redis 7 or newer"),
            (full, "Redis' memory"),
            (replica, "Redis"),
            (cluster, "Redis Cluster"),
        ] {
            assert_eq!(to_mend(&server), [what]);
        }
    }
}
