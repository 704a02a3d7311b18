//! Nothing that a page does reaches a private address (row 22 of the failure tests), in a network of its own with listeners on
//! all of them. The control shows that the same pages reach them from a Chromium without the proxy.
use browser::Failure;
use egress::proxy::Refusal;
use netns_lab::{Lab, inside};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    time::Duration,
};
use url::Url;

use crate::site::{Answer, World, html, processes_in};

/// Where a page tries to get, in every way to write it.
const TARGETS: [&str; 12] = [
    "127.0.0.1",
    "localhost",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "169.254.169.254",
    "10.0.0.5",
    "[fd00:ec2::254]",
    "inside.test",
    "rebind.test",
];

/// What pages without the proxy reach.
const REACHED: [(&str, &str); 7] = [
    ("/everything/0", "127.0.0.1"),
    ("/everything/5", "::1"),
    ("/everything/7", "169.254.169.254"),
    ("/everything/8", "10.0.0.5"),
    ("/everything/9", "fd00:ec2::254"),
    ("/js/0", "127.0.0.1"),
    ("/http/5", "::1"),
];

/// Addresses, and by what they were reached.
type Hits = BTreeSet<(String, &'static str)>;

/// A page that tries to get to `target` by everything that leaves it where it is.
fn everything(target: &str) -> Answer {
    html(&format!(
        "<p id=p>Trying</p><iframe name=frame></iframe><script>
        const attempt = f => {{ try {{ const r = f(); if (r && r.catch) r.catch(() => {{}}) }} catch (e) {{}} }};
        const add = (tag, set) => attempt(() => {{ const e = document.createElement(tag); Object.assign(e, set); document.body.append(e) }});
        for (const port of ['', ':8080']) {{
          const host = '{target}', url = 'http://' + host + port + '/';
          attempt(() => fetch(url, {{ mode: 'no-cors' }}));
          attempt(() => fetch(url.replace('http', 'https'), {{ mode: 'no-cors' }}));
          attempt(() => {{ const x = new XMLHttpRequest(); x.open('POST', url); x.send('x') }});
          attempt(() => new WebSocket(url.replace('http', 'ws')));
          attempt(() => new EventSource(url));
          attempt(() => navigator.sendBeacon(url, 'x'));
          attempt(() => new Worker(URL.createObjectURL(new Blob(['importScripts(\"' + url + '\"); fetch(\"' + url + '\")']))));
          attempt(() => navigator.serviceWorker.register(url));
          attempt(() => new WebTransport(url.replace('http', 'https')));
          attempt(() => {{ const pc = new RTCPeerConnection({{ iceServers: [{{ urls: 'stun:' + host + port }}, {{ urls: 'turn:' + host + port + '?transport=tcp', username: 'u', credential: 'c' }}] }});
            pc.createDataChannel('x'); pc.createOffer().then(o => pc.setLocalDescription(o)) }});
          if (port) add('iframe', {{ src: url }}); add('img', {{ src: url }}); add('script', {{ src: url }}); if (port) add('embed', {{ src: url }});
          if (port) add('object', {{ data: url }}); add('video', {{ src: url, autoplay: true }});
          for (const rel of ['stylesheet', 'prefetch', 'preconnect', 'dns-prefetch', 'prerender', 'preload', 'modulepreload', 'icon', 'manifest'])
            add('link', {{ rel, href: url, as: 'script' }});
          add('style', {{ textContent: '@import \"' + url + '\"; body {{ background: url(' + url + ') }}' }});
          if (port) add('iframe', {{ srcdoc: '<script>fetch(\"' + url + '\"); new RTCPeerConnection({{ iceServers: [{{ urls: \"stun:' + host + port + '\" }}] }})</scr' + 'ipt>' }});
          attempt(() => {{ const f = document.createElement('form'); f.action = url; f.method = 'post'; f.target = 'frame'; document.body.append(f); f.submit() }});
          attempt(() => open(url));
        }}
        </script>"
    ))
}

fn site() -> BTreeMap<String, Answer> {
    let mut pages = BTreeMap::from([("/fine".to_owned(), html("<p>Fine</p>"))]);
    for (n, target) in TARGETS.iter().enumerate() {
        let url = format!("http://{target}:8080/");
        pages.insert(format!("/everything/{n}"), everything(target));
        pages.insert(
            format!("/js/{n}"),
            html(&format!("<script>location = '{url}'</script>")),
        );
        pages.insert(
            format!("/meta/{n}"),
            html(&format!("<meta http-equiv=refresh content='0;url={url}'>")),
        );
        pages.insert(format!("/http/{n}"), html("").status(302).header("location", &url));
    }
    pages
}

fn names(lab: &Lab) {
    lab.dns().answer("shop.test", &["93.184.216.34"]);
    lab.dns().answer("inside.test", &["10.0.0.5"]);
    lab.dns().turns("rebind.test", &[&["93.184.216.35"], &["127.0.0.1"]]);
}

/// WebRTC looks for a way out on interfaces other than loopback.
fn interface() {
    let script = "ip link add v0 type veth peer name v1 && ip addr add 198.51.100.1/24 dev v0 && ip link set v0 up && ip link set v1 up";
    let made = Command::new("sh").args(["-c", script]).status().unwrap();
    assert!(
        made.success(),
        "this test needs `ip` of the package iproute2 and the permission to make an interface"
    );
}

async fn world() -> World {
    let mut world = World::at("93.184.216.34:80", site(), |settings| {
        settings.allow.clear();
        settings.bounds.settle = Duration::from_secs(2);
        settings.bounds.total = Duration::from_secs(5);
    })
    .await;
    world.base = Url::parse("http://shop.test/").unwrap();
    world
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Renders a page until what it tried was refused at least four times. A busy machine may take it before its frames have begun, or not
/// finish so many of them in time; what they try, they have tried. Whether the page was ever taken.
async fn shows_refusals(world: &World, path: &str, target: &str) -> bool {
    let mut last = None;
    for _ in 0..8 {
        match world.render(path).await {
            Ok(tried) => {
                let refused = |refusal: &&Refusal| refusal.error.code() == "refused_address";
                if tried.refused.iter().filter(refused).count() >= 4 {
                    return true;
                }
                last = Some(tried.refused);
            }
            Err(failed) => assert_eq!(failed.why, Failure::Timeout, "{target}"),
        }
    }
    assert!(last.is_none(), "{target}: {last:?}");
    false
}

/// What a page shows. A busy machine may not come to it in time at once.
async fn shown(world: &World, path: &str) -> String {
    for _ in 0..8 {
        match world.render(path).await {
            Ok(rendered) => return rendered.html,
            Err(failed) => assert_eq!(failed.why, Failure::Timeout, "{path}"),
        }
    }
    panic!("{path} is not shown");
}

#[test]
fn a_page_reaches_nothing_private() {
    inside(|lab| {
        names(lab);
        interface();
        let canaries = lab.canaries(&[80, 443, 8080]);
        runtime().block_on(async {
            let world = world().await;
            let mut finished = 0;
            for (n, target) in TARGETS.iter().enumerate() {
                finished += usize::from(shows_refusals(&world, &format!("/everything/{n}"), target).await);
                canaries.assert_untouched();
                let way = ["js", "meta", "http"][n % 3];
                let failed = world.render(&format!("/{way}/{n}")).await;
                assert!(failed.is_err(), "{way} {target}: {failed:?}");
                canaries.assert_untouched();
            }
            assert!(finished > 0, "no page has shown that it was refused");
            for target in ["127.0.0.1", "169.254.169.254", "[::1]"] {
                let direct = Url::parse(&format!("http://{target}:8080/")).unwrap();
                assert!(world.browsers.render("tenant", &direct).await.is_err(), "{direct}");
            }
            assert!(shown(&world, "/fine").await.contains("Fine"));
        });
        canaries.assert_untouched();
    });
}

#[test]
fn without_the_proxy_the_same_pages_do() {
    inside(|lab| {
        names(lab);
        interface();
        let canaries = lab.canaries(&[80, 443, 8080]);
        runtime().block_on(async {
            let world = world().await;
            let profile = world.folder.path().join("profile");
            let mut hit = BTreeSet::new();
            for (path, address) in REACHED {
                let mut chromium = Command::new("chromium")
                    .args([
                        "--headless=new",
                        "--no-sandbox",
                        "--disable-gpu",
                        "--disable-dev-shm-usage",
                        "--timeout=6000",
                        "--dump-dom",
                    ])
                    .arg(format!("--user-data-dir={}", profile.display()))
                    .env("TMPDIR", world.folder.path())
                    .arg(world.url(path).as_str())
                    .stdout(std::process::Stdio::null())
                    .stderr(std::process::Stdio::null())
                    .spawn()
                    .expect("chromium is needed: apt-get install chromium");
                let mut of_page = BTreeSet::new();
                let mut reached = async |patience, wanted: &dyn Fn(&Hits) -> bool| {
                    let end = tokio::time::Instant::now() + patience;
                    while !wanted(&of_page) && tokio::time::Instant::now() < end {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        let hits = canaries.hits().into_iter();
                        of_page.extend(hits.map(|hit| (hit.address.ip().to_string(), hit.transport)));
                    }
                    wanted(&of_page)
                };
                let knocked = |hits: &Hits| hits.iter().any(|(ip, _)| ip == address);
                assert!(
                    reached(Duration::from_mins(1), &knocked).await,
                    "{path} never reached {address}"
                );
                // WebRTC has no way out to some of them.
                let by_udp = |hits: &Hits| hits.iter().chain(&hit).any(|(_, transport)| *transport == "udp");
                reached(Duration::from_secs(10), &by_udp).await;
                hit.extend(of_page);
                chromium.kill().unwrap();
                chromium.wait().unwrap();
                canaries.hits();
            }
            assert!(hit.iter().any(|(_, transport)| *transport == "udp"), "WebRTC: {hit:?}");
            for (pid, _) in processes_in(world.folder.path()) {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid as i32),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        });
    });
}
