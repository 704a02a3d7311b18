//! What a whole crawl has seen of a site, as far as it tells endless forms from honest ones.
//!
//! A pure counter of bounded memory. The crawl asks [`TrapWatch::judge`] before it takes a URL into its frontier, and
//! tells [`TrapWatch::saw`] what a page held. A URL once passed passes again, unless its form has been closed since. After a restart the crawl judges
//! what its frontier holds already, so that the counters stand where they stood. What the counters cannot tell apart
//! passes: the crawl's own budgets bound it.

use std::collections::{HashMap, HashSet};

use ::url::Url;

use super::{
    shape::{date, form, hash, is_paging, is_part_of_date, pairs},
    trap::{Trap, trap},
};

/// Mixes of one path that always pass; many shops have this many useful filters.
const FREE_MIXES: usize = 200;
/// Mixes of a path for each value of its most varied parameter: an article in three categories has three.
const MIXES_PER_VALUE: usize = 4;
/// Entries kept in all about mixes; then no path is watched that was not before.
const MAX_ENTRIES: usize = 50_000;
/// Years ahead that a calendar may honestly show.
const YEARS_AHEAD: u16 = 2;
/// Years ahead beyond which a number is not taken for a year.
const LAST_YEARS_AHEAD: u16 = 100;
/// Calendars of the web do not begin before it.
const FIRST_YEAR: u16 = 1990;
/// Addresses of far dates that pass.
const FREE_FAR_DATES: usize = 24;
/// Addresses of a calendar's near dates that pass: more than a year of days.
const FREE_NEAR_DATES: usize = 400;
/// Pages of one form that may repeat known content one after the other.
const FREE_REPEATS: u32 = 25;
/// Contents remembered.
const MAX_CONTENTS: usize = 50_000;
/// Parameters watched for saying nothing, and pages remembered for it.
const MAX_PARAMETERS: usize = 64;
const MAX_BARE: usize = 20_000;
/// Pages on which another value has to leave the content as it was before a parameter is believed to say nothing.
const IDLE_AFTER: u32 = 10;

/// Counts what a crawl meets. Clone-free and single-threaded: one a crawl.
#[derive(Debug)]
pub struct TrapWatch {
    this_year: u16,
    paths: HashMap<u64, Mixes>,
    entries: usize,
    far_dates: HashSet<u64>,
    near_dates: HashSet<u64>,
    contents: HashSet<u64>,
    repeats: HashMap<u64, u32>,
    parameters: HashMap<String, Parameter>,
    bare: HashMap<u64, (u64, u64)>,
}

/// The queries of one path.
#[derive(Debug, Default)]
struct Mixes {
    seen: HashSet<u64>,
    values: HashMap<u64, HashSet<u64>>,
    most_values: usize,
}

/// One name of a query.
#[derive(Debug)]
struct Parameter {
    first: String,
    same: u32,
    different: u32,
}

impl TrapWatch {
    /// A watch that has seen nothing. `this_year` (such as 2026) says which dates are far.
    #[must_use]
    pub fn new(this_year: u16) -> Self {
        Self {
            this_year,
            paths: HashMap::new(),
            entries: 0,
            far_dates: HashSet::new(),
            near_dates: HashSet::new(),
            contents: HashSet::new(),
            repeats: HashMap::new(),
            parameters: HashMap::new(),
            bare: HashMap::new(),
        }
    }

    /// Why the crawl should leave a normalised URL alone, if it should; else counts it. Repeating a call changes nothing.
    pub fn judge(&mut self, url: &Url) -> Option<Trap> {
        if let Some(trap) = trap(url) {
            return Some(trap);
        }
        if !self.takes_date(url) {
            return Some(Trap::Calendar);
        }
        if !self.takes_mix(url) {
            return Some(Trap::ParameterMix);
        }
        let repeats = self.repeats.get(&form(url)).copied().unwrap_or_default();
        (repeats >= FREE_REPEATS).then_some(Trap::SameContent)
    }

    fn takes_date(&mut self, url: &Url) -> bool {
        let Some(date) = date(url) else { return true };
        let ahead = date.year.saturating_sub(self.this_year);
        let far = (ahead > YEARS_AHEAD && (date.calendar || ahead <= LAST_YEARS_AHEAD))
            || (date.calendar && date.year < FIRST_YEAR);
        let (dates, free) = match (far, date.calendar) {
            (true, _) => (&mut self.far_dates, FREE_FAR_DATES),
            (false, true) => (&mut self.near_dates, FREE_NEAR_DATES),
            (false, false) => return true,
        };
        let key = hash(url.as_str());
        dates.contains(&key) || (dates.len() < free && dates.insert(key))
    }

    fn takes_mix(&mut self, url: &Url) -> bool {
        // The dates of a calendar are bounded by themselves.
        let dated = date(url).is_some_and(|date| date.calendar);
        let varies = |name: &str| !(is_paging(name) || dated && is_part_of_date(name));
        let mut mix: Vec<(&str, &str)> = pairs(url).filter(|(name, _)| varies(name)).collect();
        if mix.len() < 2 {
            return true;
        }
        mix.sort_by_key(|(name, _)| *name);
        let key = hash(url.path());
        if self.entries >= MAX_ENTRIES && !self.paths.contains_key(&key) {
            return true;
        }
        let path = self.paths.entry(key).or_default();
        let mix_key = hash(&mix);
        if path.seen.contains(&mix_key) {
            return true;
        }
        if path.seen.len() >= FREE_MIXES.max(MIXES_PER_VALUE * path.most_values) {
            // A new value may still lead to something new, such as the next article of a shop.
            let known =
                |(name, value): &(&str, &str)| path.values.get(&hash(name)).is_some_and(|it| it.contains(&hash(value)));
            if mix.iter().all(known) || path.most_values < FREE_MIXES {
                return false;
            }
        }
        if self.entries < MAX_ENTRIES {
            path.seen.insert(mix_key);
            self.entries += 1;
            for (name, value) in mix {
                let values = path.values.entry(hash(name)).or_default();
                self.entries += usize::from(values.insert(hash(value)));
                path.most_values = path.most_values.max(values.len());
            }
        }
        true
    }

    /// Takes note of what a page held: `content` is a hash of its normalised main content. Pages without content, and pages
    /// that name another one as canonical, are not told.
    pub fn saw(&mut self, url: &Url, content: u64) {
        let known = self.contents.contains(&content);
        if !known && self.contents.len() < MAX_CONTENTS {
            self.contents.insert(content);
        }
        let form = form(url);
        if known && (self.repeats.len() < MAX_CONTENTS || self.repeats.contains_key(&form)) {
            *self.repeats.entry(form).or_default() += 1;
        } else {
            self.repeats.remove(&form);
        }
        self.compare(url, content);
    }

    /// Compares the page with the same address with another value of one parameter.
    fn compare(&mut self, url: &Url, content: u64) {
        for (name, value) in pairs(url) {
            if self.parameters.len() >= MAX_PARAMETERS && !self.parameters.contains_key(name) {
                continue;
            }
            let parameter = self.parameters.entry(name.to_owned()).or_insert_with(|| Parameter {
                first: value.to_owned(),
                same: 0,
                different: 0,
            });
            let rest: Vec<(&str, &str)> = pairs(url).filter(|(other, _)| *other != name).collect();
            let key = hash((url.path(), name, rest));
            match self.bare.get(&key) {
                Some((other, _)) if *other == hash(value) => {}
                Some((_, same)) if *same == content => parameter.same += 1,
                Some(_) => parameter.different += 1,
                None if self.bare.len() < MAX_BARE => {
                    self.bare.insert(key, (hash(value), content));
                }
                None => {}
            }
        }
    }

    /// Entries that are kept, for measuring.
    #[must_use]
    pub fn entries(&self) -> usize {
        let dates = self.far_dates.len() + self.near_dates.len();
        self.entries + dates + self.contents.len() + self.repeats.len() + self.parameters.len() + self.bare.len()
    }

    /// The URL with every parameter that was seen to say nothing (a session under an unknown name) at the value that it had
    /// when it was first seen, so that all spellings of a page become one that the site itself made.
    #[must_use]
    pub fn settle(&self, url: &Url) -> Url {
        let idle = |name: &str| {
            let parameter = self.parameters.get(name)?;
            (parameter.same >= IDLE_AFTER && parameter.same > 20 * parameter.different).then_some(&parameter.first)
        };
        if !pairs(url).any(|(name, value)| idle(name).is_some_and(|first| first != value)) {
            return url.clone();
        }
        let settled: Vec<String> = pairs(url)
            .map(|(name, value)| format!("{name}={}", idle(name).map_or(value, String::as_str)))
            .collect();
        let mut out = url.clone();
        out.set_query(Some(&settled.join("&")));
        out
    }
}
