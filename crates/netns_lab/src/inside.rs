//! Into the namespace and back: the test's executable is run again through `unshare`.

use std::{
    any::type_name,
    env, fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    process::Command,
};

use nix::mount::{MsFlags, mount};

use crate::{Canaries, Dns, PRIVATE, PUBLIC, link};

/// Tells the child that it is one, by the network namespace that it must not be in any more.
const OUTSIDE: &str = "NETNS_LAB_OUTSIDE";

/// What `OWN` names differs between namespaces.
const OWN: &str = "/proc/self/ns/net";

/// Runs `body` in a namespace made for it. To be called as the whole of a plain `#[test]` function, which it finds again by
/// the closure's type name.
pub fn inside<F: FnOnce(&Lab)>(body: F) {
    match outside() {
        Some(outside) => body(&Lab::set_up(&outside)),
        None => run_again(&test_name(type_name::<F>())),
    }
}

#[expect(clippy::disallowed_methods, reason = "the one word between a test and its child")]
fn outside() -> Option<String> {
    env::var(OUTSIDE).ok()
}

/// `it::places::refused::{{closure}}` is the test `places::refused` of the executable `it`.
fn test_name(closure: &str) -> String {
    let (_, path) = closure.split_once("::").unwrap();
    path.trim_end_matches("::{{closure}}").to_owned()
}

fn run_again(test: &str) {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount"]);
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .arg("--")
        .arg(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(OUTSIDE, own_namespace());
    let ran = command
        .output()
        .unwrap_or_else(|error| panic!("this test needs `unshare` of the package util-linux: {error}"));
    let (out, err) = (
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
    );
    assert!(
        !err.starts_with("unshare:"),
        "this test needs the permission to make network and mount namespaces (root with CAP_SYS_ADMIN, or unprivileged user \
         namespaces): {err}"
    );
    assert!(ran.status.success(), "in the namespace:\n{out}\n{err}");
    // A name that no test has is a success of nothing.
    assert!(out.contains("1 passed"), "`{test}` is not the name of a test:\n{out}");
}

fn own_namespace() -> String {
    fs::read_link(OWN).unwrap().display().to_string()
}

/// The namespace, from within.
pub struct Lab {
    dns: Dns,
}

impl Lab {
    fn set_up(outside: &str) -> Self {
        assert_ne!(own_namespace(), outside, "still in the caller's network namespace");
        link::up();
        let addresses = || {
            PUBLIC
                .iter()
                .chain(PRIVATE)
                .map(|address| address.parse::<IpAddr>().unwrap())
        };
        // The interface brings its own two along.
        for address in addresses().filter(|address| !address.is_loopback()) {
            link::add(address);
        }
        for address in addresses() {
            if let IpAddr::V6(address) = address {
                link::wait_for(address);
            }
        }
        resolve_by(Ipv4Addr::LOCALHOST);
        Self {
            dns: Dns::start((Ipv4Addr::LOCALHOST, 53).into()),
        }
    }

    /// The server that the system's resolver asks.
    pub fn dns(&self) -> &Dns {
        &self.dns
    }

    /// Makes this certificate (PEM) the only one that programs of this namespace trust.
    pub fn trust(&self, certificate: &str) {
        lay_over(Path::new("/etc/ssl/certs/ca-certificates.crt"), certificate);
    }

    /// Listens on these ports of all [`PRIVATE`] addresses.
    pub fn canaries(&self, ports: &[u16]) -> Canaries {
        let addresses: Vec<IpAddr> = PRIVATE.iter().map(|address| address.parse().unwrap()).collect();
        Canaries::on(&addresses, ports)
    }
}

/// Has the resolver ask `server` alone.
fn resolve_by(server: Ipv4Addr) {
    // Without the file, it asks 127.0.0.1 by itself.
    if let Ok(settings) = Path::new("/etc/resolv.conf").canonicalize() {
        lay_over(&settings, &format!("nameserver {server}\n"));
    }
}

/// Gives a file other content, in this mount namespace only.
fn lay_over(file: &Path, content: &str) {
    let ours = env::temp_dir().join(format!("netns_lab.{}", std::process::id()));
    fs::write(&ours, content).unwrap();
    mount(Some(&ours), file, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap_or_else(|error| {
        panic!(
            "this test needs {} and the permission to mount over it: {error}",
            file.display()
        )
    });
    // The mount holds what the name stood for.
    fs::remove_file(&ours).unwrap();
}
