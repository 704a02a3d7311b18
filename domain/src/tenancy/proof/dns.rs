//! Proof by DNS: a TXT record of `_omniops-challenge.<host>`. The resolver follows CNAMEs, so that a customer may point the name
//! to a zone of its own. What it answers is bounded: the records that are read, their length, and the time.
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::rr::RData,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::{Finding, is_marked};

const LABEL: &str = "_omniops-challenge";
/// Records of an answer that are read at most; a name for challenges has few.
const RECORDS: usize = 32;
/// Longest record, in bytes; the proof has less than a hundred.
const LONGEST: usize = 512;
/// One try, and all of them with the CNAMEs between.
const TRY: Duration = Duration::from_secs(3);
const TOTAL: Duration = Duration::from_secs(10);
const TRIES: usize = 2;

/// Asks resolvers for TXT records. Cloning shares.
#[derive(Clone)]
pub struct Names {
    resolver: Result<TokioResolver, Arc<str>>,
}

impl Names {
    /// Asks these servers, or the system's if there are none. A system without any makes every answer unknown.
    pub fn new(servers: &[SocketAddr]) -> Self {
        let provider = TokioRuntimeProvider::default();
        let builder = if servers.is_empty() {
            TokioResolver::builder(provider)
        } else {
            let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
            Ok(TokioResolver::builder_with_config(config, provider))
        };
        let built = builder.and_then(|mut builder| {
            let options = builder.options_mut();
            // Whoever has just written the record asks again at once: an answer must not be a remembered one.
            options.cache_size = 0;
            options.use_hosts_file = ResolveHosts::Never;
            options.timeout = TRY;
            options.attempts = TRIES;
            builder.build()
        });
        Self {
            resolver: built.map_err(|error| error.to_string().into()),
        }
    }

    /// Whether the name's challenge shows the token.
    pub(super) async fn shows(&self, name: &str, token: &str) -> Finding {
        let resolver = match &self.resolver {
            Ok(resolver) => resolver,
            Err(error) => {
                tracing::warn!(%error, "there is no resolver for proofs of domains");
                return Finding::Unknown("this installation has no DNS resolver".into());
            }
        };
        // With its last dot, the name is looked up as it is and under no search domain.
        let asked = format!("{LABEL}.{name}.");
        let Ok(answer) = tokio::time::timeout(TOTAL, resolver.txt_lookup(asked.as_str())).await else {
            return Finding::Unknown(format!("DNS did not answer for {LABEL}.{name}"));
        };
        match answer {
            Ok(lookup) => {
                let records = lookup.answers().iter().filter_map(|record| match &record.data {
                    RData::TXT(txt) => Some(&txt.txt_data),
                    _ => None,
                });
                let shown = records.take(RECORDS).any(|strings| {
                    let length: usize = strings.iter().map(|part| part.len()).sum();
                    // A long text is sent in pieces of 255 bytes that belong together (RFC 7208, section 3.3).
                    length <= LONGEST && is_marked(&String::from_utf8_lossy(&strings.concat()), token)
                });
                if shown {
                    Finding::Shown
                } else {
                    Finding::Absent(format!("no TXT record of {LABEL}.{name} has it"))
                }
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => {
                Finding::Absent(format!("{LABEL}.{name} has no TXT record"))
            }
            Err(error) => {
                tracing::info!(%error, name, "a challenge can't be resolved");
                Finding::Unknown(format!("DNS did not answer for {LABEL}.{name}"))
            }
        }
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}
