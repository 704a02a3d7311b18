//! An internet of one's own for a test: a network namespace with public and private addresses, listeners that must not be reached, and
//! a DNS server that changes its mind. Only ever a dev-dependency.
//!
//! ```no_run
//! #[test]
//! fn nothing_private_is_reached() {
//!     netns_lab::inside(|lab| {
//!         lab.dns().answer("shop.test", &["93.184.216.34"]);
//!         let canaries = lab.canaries(&[80, 443]);
//!         // Serve on 93.184.216.34, fetch, drive a browser: whatever this process and its children do happens in here.
//!         canaries.assert_untouched();
//!     });
//! }
//! ```
//!
//! - [`inside`] runs the test again in a child process of its own, in a new network and mount namespace (and as root of a new
//!   user namespace, where the caller is not root), and passes its failure on. The closure runs in the child only, in a plain
//!   thread: it makes its own runtime if it needs one.
//! - The namespace has the loopback interface and no other, with all of [`PUBLIC`] and [`PRIVATE`] on it, so that every port of
//!   every one of these addresses is free and a packet to any of them, or to anywhere, cannot leave.
//! - [`Lab::dns`] answers on 127.0.0.1:53, and the system's resolver asks it and nobody else.
//! - [`Lab::canaries`] listens on the private addresses, by TCP and UDP, and counts who knocks.
//!
//! What it needs: Linux, `unshare` of util-linux, and the permission to make namespaces. A missing one fails the test and
//! is named.
//!
//! What must stay true: nothing is set up before it is certain that the process is in a namespace of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends by panicking")]

mod canary;
mod dns;
mod inside;
mod link;

pub use canary::{Canaries, Hit};
pub use dns::Dns;
pub use inside::{Lab, inside};

/// Addresses that count as public: a test serves on them whatever it needs.
pub const PUBLIC: &[&str] = &["93.184.216.34", "93.184.216.35", "2606:2800:220:1:248:1893:25c8:1946"];

/// Addresses of the own machine, own networks and cloud metadata services.
pub const PRIVATE: &[&str] = &[
    "127.0.0.1",
    "::1",
    "10.0.0.5",
    "172.16.0.5",
    "192.168.0.5",
    "100.64.0.5",
    "169.254.169.254",
    "fd00:ec2::254",
];
