//! Which of the URLs that a crawl comes upon are worth a place in its frontier. Remembers what was decided, in bounded memory, so that
//! the links that every page repeats cost neither a judgement nor a statement; what it forgets, the frontier's key decides.
use domain::pages::{frontier::Lead, store::Decision};
use entity::scrape_job;
use extract::url::TrapWatch;
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
};
use url::Url;

use super::scope::{Judgement, Scope};

/// URLs that are remembered, by their hashes.
const MAX_SEEN: usize = 1 << 18;
/// Refused URLs that get a decision row: a trap has endlessly many.
const MAX_NOTED: usize = 10_000;
/// Redirects in a row that are followed.
const MAX_HOPS: i16 = 10;

/// What a crawl knows of its URLs.
pub(super) struct Leads {
    /// Tells endless forms of URLs from honest ones.
    watch: TrapWatch,
    /// Keyed anew in every process, so that no site can choose its collisions.
    hasher: RandomState,
    /// URLs that are in the frontier, or never will be.
    seen: HashSet<u64>,
    /// URLs whose refusal has its row, though another way may still lead to them.
    noted: HashSet<u64>,
    rows: usize,
    total: i64,
}

/// What a set of leads comes to; takes effect with [`Leads::keep`], after the transaction that writes it.
#[derive(Default)]
pub(super) struct Batch {
    /// Worth a place, each with the number of the visit that found it.
    pub wanted: Vec<(usize, Lead)>,
    /// Refused for the first time.
    pub refused: Vec<Decision>,
    keys: HashSet<u64>,
    settled: Vec<u64>,
    noted: Vec<u64>,
}

impl Leads {
    /// Of a crawl that knows nothing yet. `this_year` says which dates of a calendar are far.
    pub fn new(this_year: u16) -> Self {
        Self {
            watch: TrapWatch::new(this_year),
            hasher: RandomState::new(),
            seen: HashSet::new(),
            noted: HashSet::new(),
            rows: 0,
            total: 0,
        }
    }

    /// Starts from what the frontier holds, and from how many refusals have their rows.
    pub fn resume(&mut self, urls: &[String], refused: usize) {
        self.rows = self.rows.max(refused);
        self.total = urls.len() as i64;
        for url in urls {
            let key = self.hasher.hash_one(url);
            if self.seen.len() < MAX_SEEN
                && self.seen.insert(key)
                && let Ok(url) = Url::parse(url)
            {
                self.watch.judge(&url);
            }
        }
    }

    /// Takes note of a page's content.
    pub fn saw(&mut self, url: &str, content: u64) {
        if let Ok(url) = Url::parse(url) {
            self.watch.saw(&url, content);
        }
    }

    /// How many more URLs the budget has room for.
    pub fn room(&self, settings: &scrape_job::Model) -> i64 {
        (i64::from(settings.max_pages) - self.total).max(0)
    }

    /// Judges a lead of the visit number `of`, unless it is known what it comes to.
    pub fn sift(
        &mut self,
        scope: &Scope,
        max_depth: i32,
        batch: &mut Batch,
        of: usize,
        mut lead: Lead,
        via: &'static str,
    ) {
        let Some(url) = self.unknown(batch, &mut lead) else {
            return;
        };
        let key = self.hasher.hash_one(&lead.url);
        let Some(lead) = self.admitted(scope, batch, &url, lead, via) else {
            return;
        };
        if lead.hops > MAX_HOPS {
            let reason = format!("redirect_loop: more than {MAX_HOPS} redirects in a row");
            self.refuse(batch, key, lead, "failed", reason, via);
        } else if lead.depth > max_depth {
            // Not settled: a shorter way may lead to it.
            self.refuse(batch, key, lead, "skipped", "budget: depth".to_owned(), via);
        } else if let Some(trap) = self.watch.judge(&url) {
            batch.settle(key);
            self.refuse(batch, key, lead, "skipped", format!("trap: {trap}"), via);
        } else {
            batch.keys.insert(key);
            batch.wanted.push((of, lead));
        }
    }

    /// Notes what a page leads to by links that its author asks not to follow. Other links may still lead to it.
    pub fn pass_by(&mut self, scope: &Scope, batch: &mut Batch, mut lead: Lead, via: &'static str) {
        let Some(url) = self.unknown(batch, &mut lead) else {
            return;
        };
        let key = self.hasher.hash_one(&lead.url);
        if let Some(lead) = self.admitted(scope, batch, &url, lead, via) {
            self.refuse(batch, key, lead, "skipped", "nofollow".to_owned(), via);
        }
    }

    /// The lead, unless its address alone says that it is not visited: that is noted, where it is of the site, and settled.
    fn admitted(&mut self, scope: &Scope, batch: &mut Batch, url: &Url, lead: Lead, via: &'static str) -> Option<Lead> {
        let key = self.hasher.hash_one(&lead.url);
        match scope.judge(url) {
            Judgement::Admit => return Some(lead),
            Judgement::Elsewhere => batch.settle(key),
            Judgement::Refused { decision, reason } => {
                batch.settle(key);
                self.refuse(batch, key, lead, decision, reason, via);
            }
        }
        None
    }

    /// The URL of a lead as the crawl spells it, unless it is known what it comes to.
    fn unknown(&mut self, batch: &Batch, lead: &mut Lead) -> Option<Url> {
        if self.knows(batch, &lead.url) {
            return None;
        }
        let url = Url::parse(&lead.url).ok()?;
        let settled = self.watch.settle(&url);
        if settled != url {
            lead.url = settled.to_string();
            if self.knows(batch, &lead.url) {
                return None;
            }
        }
        Some(settled)
    }

    /// Whether it is known what a lead to this URL comes to.
    pub fn knows(&self, batch: &Batch, url: &str) -> bool {
        let key = self.hasher.hash_one(url);
        self.seen.contains(&key) || batch.keys.contains(&key)
    }

    /// Refuses those wanted leads that the budget had no room for: `admitted` were all that it had.
    pub fn cut(&self, batch: &mut Batch, admitted: &HashSet<&str>, via: &'static str) {
        let (kept, cut): (Vec<_>, Vec<_>) = std::mem::take(&mut batch.wanted)
            .into_iter()
            .partition(|(_, lead)| admitted.contains(lead.url.as_str()));
        batch.wanted = kept;
        for (_, lead) in cut {
            let key = self.hasher.hash_one(&lead.url);
            self.refuse(batch, key, lead, "skipped", "budget: pages".to_owned(), via);
        }
    }

    /// Remembers what was written.
    pub fn keep(&mut self, batch: &Batch, admitted: usize) {
        let wanted = batch.wanted.iter().map(|(_, lead)| self.hasher.hash_one(&lead.url));
        let settled: Vec<u64> = wanted.chain(batch.settled.iter().copied()).collect();
        for key in settled {
            if self.seen.len() < MAX_SEEN {
                self.seen.insert(key);
            }
        }
        self.noted.extend(&batch.noted);
        self.rows += batch.refused.len();
        self.total += admitted as i64;
    }

    fn refuse(
        &self,
        batch: &mut Batch,
        key: u64,
        lead: Lead,
        decision: &'static str,
        reason: String,
        via: &'static str,
    ) {
        let known = self.noted.contains(&key) || batch.noted.contains(&key);
        if known || self.rows + batch.refused.len() >= MAX_NOTED {
            return;
        }
        batch.noted.push(key);
        batch.refused.push(Decision {
            url: lead.url,
            decision,
            reason: Some(reason),
            status: None,
            ms: None,
            bytes: None,
            depth: lead.depth,
            via,
            wait_ms: None,
            found_from: lead.from,
        });
    }
}

impl Batch {
    /// Leads that need no judgement.
    pub fn of(leads: &[Lead]) -> Self {
        Self {
            wanted: leads.iter().map(|lead| (0, lead.clone())).collect(),
            ..Self::default()
        }
    }

    fn settle(&mut self, key: u64) {
        self.keys.insert(key);
        self.settled.push(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use extract::robots::Robots;

    fn scope() -> Scope {
        let settings = scrape_job::Model {
            start_url: "http://shop.test/".into(),
            ..Scope::settings()
        };
        Scope::new(&settings, Robots::from_response(Some(404), b"", "Bot")).unwrap()
    }

    fn sift(leads: &mut Leads, batch: &mut Batch, url: &str, depth: i32) {
        leads.sift(&scope(), 3, batch, 0, Lead::new(url, depth), "loop");
    }

    #[test]
    fn a_url_is_judged_once_and_noted_once() {
        let mut leads = Leads::new(2026);
        let mut batch = Batch::default();
        for url in [
            "http://shop.test/a",
            "http://shop.test/a",
            "http://shop.test/x/x/x/x",
            "http://other.test/",
        ] {
            sift(&mut leads, &mut batch, url, 1);
        }
        assert_eq!((batch.wanted.len(), batch.refused.len()), (1, 1));
        leads.keep(&batch, 1);
        let mut again = Batch::default();
        for url in ["http://shop.test/a", "http://shop.test/x/x/x/x", "http://other.test/"] {
            sift(&mut leads, &mut again, url, 1);
        }
        assert!(again.wanted.is_empty() && again.refused.is_empty() && again.settled.is_empty());
    }

    #[test]
    fn a_url_that_was_too_deep_enters_by_a_shorter_way() {
        let mut leads = Leads::new(2026);
        let mut batch = Batch::default();
        sift(&mut leads, &mut batch, "http://shop.test/deep", 4);
        sift(&mut leads, &mut batch, "http://shop.test/deep", 5);
        assert_eq!(batch.refused.len(), 1);
        assert_eq!(batch.refused[0].reason.as_deref(), Some("budget: depth"));
        leads.keep(&batch, 0);
        let mut later = Batch::default();
        sift(&mut leads, &mut later, "http://shop.test/deep", 2);
        assert_eq!(later.wanted.len(), 1);
    }

    #[test]
    fn a_url_that_was_passed_by_enters_by_another_link() {
        let mut leads = Leads::new(2026);
        let mut batch = Batch::default();
        for url in [
            "http://shop.test/a",
            "http://shop.test/a",
            "http://shop.test/a.pdf",
            "http://other.test/",
        ] {
            leads.pass_by(&scope(), &mut batch, Lead::new(url, 1), "loop");
        }
        let reasons: Vec<_> = batch.refused.iter().map(|row| row.reason.as_deref().unwrap()).collect();
        assert_eq!(reasons, ["nofollow", "file: pdf"]);
        leads.keep(&batch, 0);
        let mut later = Batch::default();
        sift(&mut leads, &mut later, "http://shop.test/a", 1);
        sift(&mut leads, &mut later, "http://shop.test/a.pdf", 1);
        assert_eq!((later.wanted.len(), later.refused.len()), (1, 0));
    }

    #[test]
    fn a_crawl_that_goes_on_notes_no_more_refusals_than_one_without_a_pause() {
        let mut leads = Leads::new(2026);
        leads.resume(&["http://shop.test/".to_owned()], MAX_NOTED - 1);
        let mut batch = Batch::default();
        for url in ["http://shop.test/a.pdf", "http://shop.test/b.pdf", "http://shop.test/c"] {
            sift(&mut leads, &mut batch, url, 1);
        }
        assert_eq!((batch.wanted.len(), batch.refused.len()), (1, 1));
    }

    #[test]
    fn what_the_budget_cuts_is_said_and_memory_is_bounded() {
        let mut leads = Leads::new(2026);
        let mut batch = Batch::default();
        for n in 0..MAX_NOTED + 10 {
            sift(&mut leads, &mut batch, &format!("http://shop.test/{n}"), 1);
        }
        leads.cut(&mut batch, &HashSet::from(["http://shop.test/7"]), "loop");
        assert_eq!((batch.wanted.len(), batch.refused.len()), (1, MAX_NOTED));
        leads.keep(&batch, 1);
        assert_eq!((leads.noted.len(), leads.total), (MAX_NOTED, 1));
    }
}
