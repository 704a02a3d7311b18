//! From where a key is used: what an operator looks for when a key may have been stolen. A line for each address that is new to the
//! key, and no more lines than addresses are remembered, so that neither requests nor addresses fill the log.
use entity::api_key;
use sea_orm::ConnectionTrait;
use serde_json::json;
use std::net::{IpAddr, Ipv6Addr};

use super::super::{SystemTx, sql};
use crate::{
    Result,
    audit::{self, Entry},
};

/// Addresses of a key that are remembered, and noted. A key that is used from more of them is used from anywhere.
const PLACES: usize = 16;

/// Notes that the key is used from an address that it was not used from before; returns whether anything was written.
pub(super) async fn note(tx: &SystemTx, key: &api_key::Model, from: IpAddr) -> Result<bool> {
    const REMEMBER: &str = "UPDATE api_keys SET used_from = array_append(used_from, $2)
        WHERE id = $1 AND NOT $2 = ANY(used_from) AND cardinality(used_from) < $3";
    let place = place(from);
    if key.used_from.len() >= PLACES || key.used_from.contains(&place) {
        return Ok(false);
    }
    let values = [key.id.into(), place.into(), (PLACES as i32).into()];
    if tx.execute_raw(sql(REMEMBER, values)).await?.rows_affected() == 0 {
        // Another request from there was first.
        return Ok(false);
    }
    let known = key.used_from.len();
    let entry = Entry {
        customer: Some(key.customer_id),
        actor: &format!("key:{}", key.id),
        action: "key.used",
        resource: &key.id.to_string(),
        metadata: json!({ "first": known == 0, "addresses": known + 1, "last_noted": known + 1 == PLACES }),
        ip: Some(&from.to_string()),
    };
    audit::record(&**tx, entry).await?;
    Ok(true)
}

/// IPv6 hosts change the lower half of their address by themselves.
fn place(from: IpAddr) -> String {
    match from.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_host_are_one_place() {
        let of = |text: &str| place(text.parse().unwrap());
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::"), of("2001:db8:1:3::"));
    }
}
