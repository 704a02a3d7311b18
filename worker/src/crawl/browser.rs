//! The browsers of this worker: the pool of the `browser` crate with the worker's settings and metrics.
use browser::{Browsers, Event, Settings};
use domain::config::Config;

/// None is started; without chromedriver there never is one.
pub(crate) fn browsers(config: &Config) -> Browsers {
    let settings = config.browser.chromedriver.as_ref().map(|chromedriver| {
        let mut settings = Settings::new(chromedriver, &config.crawl.user_agent);
        settings.sessions = config.browser.sessions;
        settings.no_sandbox |= config.browser.no_sandbox;
        settings.allow.clone_from(&config.crawl.egress_allow);
        settings.observe = observe;
        settings
    });
    Browsers::new(settings)
}

fn observe(event: Event) {
    match event {
        Event::Started => {
            metrics::counter!("omniops_browser_starts_total").increment(1);
            metrics::gauge!("omniops_browser_sessions").increment(1.0);
        }
        Event::Ended(reason) => {
            metrics::counter!("omniops_browser_recycles_total", "reason" => reason).increment(1);
            metrics::gauge!("omniops_browser_sessions").decrement(1.0);
        }
        Event::Busy => metrics::gauge!("omniops_browser_sessions_busy").increment(1.0),
        Event::Free => metrics::gauge!("omniops_browser_sessions_busy").decrement(1.0),
    }
}
