//! How Chromium is started: no way out but the proxy, nothing fetched that is not read, nothing of its own to say.
use serde_json::{Value, json};
use std::net::SocketAddr;

/// Command-line flags. `no_sandbox` is for root, whom Chromium's sandbox can't serve, and for operators who say so.
pub(super) fn flags(proxy: &SocketAddr, user_agent: &str, no_sandbox: bool) -> Vec<String> {
    const FIXED: [&str; 27] = [
        "--headless=new",
        // Chromium ends with chromedriver, also when that is killed.
        "--remote-debugging-pipe",
        "--no-first-run",
        "--no-default-browser-check",
        "--window-size=1280,1600",
        "--hide-scrollbars",
        "--mute-audio",
        // Containers have a small /dev/shm, and no graphics.
        "--disable-dev-shm-usage",
        "--disable-gpu",
        // Without the second flag, loopback and link-local addresses bypass the proxy.
        "--proxy-bypass-list=<-loopback>",
        // Even what would bypass the proxy reaches nothing: no name and no address but the proxy's resolves.
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        "--disable-quic",
        "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
        "--dns-prefetch-disable",
        "--no-pings",
        "--blink-settings=imagesEnabled=false",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-extensions",
        "--disable-sync",
        "--disable-domain-reliability",
        "--metrics-recording-only",
        // The last two: no page that was left stays in memory, and no process waits for one that is never visited.
        "--disable-features=Translate,OptimizationHints,MediaRouter,AutofillServerCommunication,DialMediaRouteProvider,BackForwardCache,SpareRendererForSitePerProcess",
        // A page that nobody looks at would be slowed down.
        "--disable-background-timer-throttling",
        "--disable-renderer-backgrounding",
        // Bounds what a page can allocate in its scripts, in MB.
        "--js-flags=--max-old-space-size=512",
    ];
    let mut flags: Vec<String> = FIXED.map(str::to_owned).into();
    flags.push(format!("--proxy-server=http://{proxy}"));
    flags.push(format!("--user-agent={user_agent}"));
    if no_sandbox {
        flags.push("--no-sandbox".to_owned());
    }
    flags
}

/// What chromedriver adds of its own and nobody here wants: pages that open windows by themselves, and a log of what they say.
pub(super) const UNWANTED: [&str; 2] = ["disable-popup-blocking", "enable-logging"];

/// Preferences of the profile: no downloads, no permissions, no services.
pub(super) fn preferences() -> Value {
    const DENY: u8 = 2;
    json!({
        "download_restrictions": 3,
        "download.prompt_for_download": false,
        "plugins.always_open_pdf_externally": true,
        "credentials_enable_service": false,
        "safebrowsing.enabled": false,
        "search.suggest_enabled": false,
        "profile.default_content_setting_values": {
            "notifications": DENY, "geolocation": DENY, "media_stream": DENY, "popups": DENY, "automatic_downloads": DENY,
            "images": DENY,
        },
    })
}
