//! The fuzz targets' corpus again, and random mutations of it: what once broke stays whole.

use std::{fs, path::Path};

use extract::probe;

/// Mutations of each input.
const MUTATIONS: usize = 6;
/// Longest input that is mutated: the whole stays a matter of seconds in a build without optimisation.
const MAX_LENGTH: usize = 4096;

/// A generator of Marsaglia's kind (xorshift64*): small, and the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end.max(1)
    }

    /// Changes, doubles, cuts or crosses parts of an input.
    fn mutate(&mut self, data: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(4) {
            let (at, end) = (self.below(data.len()), self.below(data.len() + 1));
            let part = at.min(end)..at.max(end);
            match self.below(5) {
                0 if !data.is_empty() => data[at] = self.below(256) as u8,
                1 => data.extend_from_within(part),
                2 => drop(data.drain(part)),
                3 => data.truncate(end),
                _ => {
                    let from = self.below(other.len());
                    let part = &other[from..(from + self.below(64)).min(other.len())];
                    data.splice(at..at, part.iter().copied());
                }
            }
            data.truncate(MAX_LENGTH);
        }
    }
}

fn replay(target: &str, probe: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus in {}", folder.display());
    let inputs: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    // The same each time: to hunt for new ones is what the fuzz targets are for.
    let mut random = Random(0x5EED_2026);
    for input in &inputs {
        probe(input);
        for _ in 0..MUTATIONS {
            let mut data = input.clone();
            let other = random.below(inputs.len());
            random.mutate(&mut data, &inputs[other]);
            probe(&data);
        }
    }
}

/// With the stack that [`extract::page::extract_guarded`] gives.
fn on_a_deep_stack(target: &'static str, probe: fn(&[u8])) {
    let thread = std::thread::Builder::new().stack_size(32 * 1024 * 1024);
    thread.spawn(move || replay(target, probe)).unwrap().join().unwrap();
}

#[test]
fn pages() {
    on_a_deep_stack("page", probe::page);
}

#[test]
fn structured_data() {
    on_a_deep_stack("structured", probe::structured);
}

#[test]
fn markdown() {
    replay("chunk", probe::chunk);
}

#[test]
fn robots() {
    replay("robots", probe::robots);
}

#[test]
fn sitemaps() {
    replay("sitemap", probe::sitemap);
}

#[test]
fn addresses() {
    replay("url", probe::url);
}

/// What pages are built of. Byte by byte, mutations hardly ever open a list and end the page inside of it.
const TAGS: &[&str] = &[
    "dl",
    "dt",
    "dd",
    "table",
    "thead",
    "tbody",
    "tr",
    "td",
    "th",
    "caption",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "p",
    "div",
    "section",
    "main",
    "article",
    "details",
    "summary",
    "pre",
    "code",
    "blockquote",
    "a",
    "span",
    "b",
    "br",
    "del",
    "template",
    "svg",
    "script",
    "style",
    "title",
    "body",
    "html",
    "nav",
    "footer",
    "form",
    "button",
    "select",
    "textarea",
    "noscript",
];
const ATTRIBUTES: &[&str] = &[
    "",
    " hidden",
    " class='accordion faq'",
    " class=slide aria-hidden=true",
    " class=slide aria-hidden=false",
    " rowspan=3",
    " rowspan=0 colspan=70",
    " colspan=2",
    " style='display:none'",
    " style='opacity:0;color:#fff'",
    " itemscope itemtype=//schema.org/FAQPage",
    " itemprop=mainEntity",
    " shadowrootmode=open",
    " aria-expanded=false aria-controls=x",
    " id=x",
    " href='#x'",
    " role=tabpanel",
    " start=9",
];
const TEXTS: &[&str] = &[
    "",
    " ",
    "word",
    "How long does it take?",
    "Related posts",
    "Mon-Fri 9:00-17:00",
    "12 €",
    "|",
    "# no",
    "```",
    "\u{ad}",
    "世界",
    "A sentence that is long enough to be taken for one, with a comma and an end of its own, and so on and on.",
];

impl Random {
    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn page(&mut self) -> String {
        let mut out = String::new();
        for _ in 0..=self.below(60) {
            let tag = self.of(TAGS);
            match self.below(4) {
                0 => out.extend(["</", tag, ">"]),
                1 => out.push_str(self.of(TEXTS)),
                _ => out.extend(["<", tag, self.of(ATTRIBUTES), ">", self.of(TEXTS)]),
            }
        }
        out
    }
}

#[test]
fn built_pages() {
    let work = || {
        let mut random = Random(0x0911_2026);
        for _ in 0..800 {
            probe::page(random.page().as_bytes());
        }
    };
    let thread = std::thread::Builder::new().stack_size(32 * 1024 * 1024);
    thread.spawn(work).unwrap().join().unwrap();
}
