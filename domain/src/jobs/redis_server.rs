//! The Redis server as it describes itself, for the deployment check.
use super::Dispatcher;
use crate::{Error, Result};

/// What matters about a Redis or Valkey server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisServer {
    /// `Redis` or `Valkey`, with its own version.
    pub product: String,
    /// The version of Redis that it is, or behaves like: major and minor.
    pub version: (u32, u32),
    /// What it does when its memory is full.
    pub maxmemory_policy: String,
    /// Whether it keeps an append-only file.
    pub append_only: bool,
    /// Bytes in use.
    pub used_memory: u64,
    /// Bytes that it may use; 0 for all.
    pub max_memory: u64,
    /// It only repeats what another server is told, and takes no errands.
    pub replica: bool,
    /// It is a node of a Cluster, which has a part of the keys.
    pub cluster: bool,
}

impl RedisServer {
    /// Asks the dispatcher's server.
    pub async fn read(dispatcher: &Dispatcher) -> Result<Self> {
        let mut link = dispatcher.redis();
        let info: redis::RedisResult<String> = redis::cmd("INFO").query_async(&mut link).await;
        let info =
            info.map_err(|e| Error::unavailable("redis_unavailable", "Redis does not say how it is set up", e))?;
        Ok(Self::of(&info))
    }

    /// From the lines of `INFO`: `name:value`.
    fn of(info: &str) -> Self {
        let value = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
        };
        let number = |name: &str| value(name).and_then(|text| text.parse().ok()).unwrap_or_default();
        let version = value("redis_version").unwrap_or_default();
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or_default());
        Self {
            product: match value("valkey_version") {
                Some(own) => format!("Valkey {own}"),
                None => format!("Redis {version}"),
            },
            version: (parts.next().unwrap_or_default(), parts.next().unwrap_or_default()),
            maxmemory_policy: value("maxmemory_policy").unwrap_or_default().to_owned(),
            append_only: value("aof_enabled") == Some("1"),
            used_memory: number("used_memory"),
            max_memory: number("maxmemory"),
            replica: value("role") == Some("slave"),
            cluster: value("cluster_enabled") == Some("1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_from_its_own_words() {
        let info = "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n\r\n# Memory\r\nused_memory:1048576\r\n\
                    maxmemory:2097152\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\nrole:master\r\n# Cluster\r\ncluster_enabled:0\r\n";
        let seen = RedisServer::of(info);
        let wanted = RedisServer {
            product: "Valkey 9.1.2".into(),
            version: (7, 2),
            maxmemory_policy: "noeviction".into(),
            append_only: true,
            used_memory: 1 << 20,
            max_memory: 1 << 21,
            replica: false,
            cluster: false,
        };
        assert_eq!(seen, wanted);
        let old = RedisServer::of(
            "redis_version:6.2.14\r\naof_enabled:0\r\nmaxmemory_policy:allkeys-lru\r\nrole:slave\r\ncluster_enabled:1\r\n",
        );
        assert_eq!(
            (
                old.product.as_str(),
                old.version,
                old.append_only,
                old.replica,
                old.cluster
            ),
            ("Redis 6.2.14", (6, 2), false, true, true)
        );
    }
}
