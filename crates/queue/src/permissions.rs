//! What a publisher and a worker may do in Redis, and nothing more.

/// The commands that a Redis user needs for publishing, counting and working, as `ACL SETUSER` takes them:
///
/// ```text
/// ACL SETUSER app on >password resetkeys ~queue:* resetchannels -@all +xadd +xlen …
/// ```
///
/// Each queue is one key, `queue:{name}`. `SELECT` is for a database other than 0, `ROLE` for Sentinel, `CLIENT SETINFO` tells
/// administrators the name of the library.
pub const PERMISSIONS: &str = "+xadd +xlen +xrange +xreadgroup +xack +xdel +xclaim +xautoclaim +xpending \
                               +xgroup|create +xgroup|delconsumer +xinfo|groups +xinfo|consumers +exists +time \
                               +evalsha +script|load +ping +select +role \
                               +client|id +client|setname +client|setinfo +client|list +client|kill";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_them() {
        assert!(include_str!("../README.md").contains(&format!("-@all {PERMISSIONS}\n")));
    }
}
