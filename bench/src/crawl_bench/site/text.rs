//! The generated text: titles and articles, each a pure function of its page's number.
use std::fmt::Write as _;

/// A page's title.
pub(super) fn title(page: usize) -> String {
    let mut chance = Chance::of(page, 3);
    let (first, second) = (chance.word(), chance.word());
    format!("How to {first} the {second} ({page})")
}

/// The main content.
pub(super) fn article(page: usize) -> String {
    let mut chance = Chance::of(page, 4);
    let mut out = format!("<h1>{}</h1>", title(page));
    for section in 0..6 + chance.below(9) {
        let _ = write!(out, "<h2>{} and {}</h2>", chance.word(), chance.word());
        for _ in 0..2 + chance.below(4) {
            out.push_str("<p>");
            for _ in 0..3 + chance.below(5) {
                sentence(&mut out, &mut chance);
            }
            out.push_str("</p>");
        }
        match section % 5 {
            1 => list(&mut out, &mut chance),
            3 => table(&mut out, &mut chance),
            _ => {}
        }
    }
    out
}

fn sentence(out: &mut String, chance: &mut Chance) {
    out.push_str("The");
    for _ in 0..8 + chance.below(10) {
        let _ = write!(out, " {}", chance.word());
    }
    let _ = write!(out, " {}. ", chance.below(1000));
}

fn list(out: &mut String, chance: &mut Chance) {
    out.push_str("<ol>");
    for _ in 0..5 {
        let _ = write!(
            out,
            "<li>Open the {} and choose <b>{}</b>.</li>",
            chance.word(),
            chance.word()
        );
    }
    out.push_str("</ol>");
}

fn table(out: &mut String, chance: &mut Chance) {
    out.push_str("<table><tr><th>Name</th><th>Value</th></tr>");
    for _ in 0..6 {
        let _ = write!(out, "<tr><td>{}</td><td>{}</td></tr>", chance.word(), chance.below(500));
    }
    out.push_str("</table>");
}

/// A stream of numbers that only depends on a page and a purpose (`SplitMix64`).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn of(page: usize, purpose: u64) -> Self {
        Self((page as u64) << 8 | purpose)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    pub(super) fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }
}

/// Ordinary words of instructions.
const WORDS: [&str; 96] = [
    "account",
    "address",
    "adapter",
    "agreement",
    "answer",
    "balance",
    "battery",
    "bottle",
    "bracket",
    "branch",
    "bridge",
    "button",
    "cable",
    "camera",
    "carrier",
    "charge",
    "circle",
    "client",
    "colour",
    "column",
    "contract",
    "control",
    "corner",
    "counter",
    "country",
    "courier",
    "cover",
    "customer",
    "damage",
    "deposit",
    "device",
    "discount",
    "display",
    "document",
    "drawer",
    "driver",
    "engine",
    "envelope",
    "exchange",
    "factory",
    "filter",
    "folder",
    "garden",
    "guarantee",
    "handle",
    "heater",
    "holder",
    "invoice",
    "kitchen",
    "label",
    "ladder",
    "language",
    "letter",
    "machine",
    "manual",
    "market",
    "measure",
    "member",
    "message",
    "method",
    "module",
    "monitor",
    "network",
    "notice",
    "number",
    "office",
    "option",
    "order",
    "package",
    "parcel",
    "partner",
    "password",
    "pattern",
    "payment",
    "picture",
    "planner",
    "pocket",
    "printer",
    "problem",
    "product",
    "profile",
    "project",
    "quality",
    "receipt",
    "record",
    "refund",
    "region",
    "remote",
    "return",
    "safety",
    "sample",
    "screen",
    "service",
    "shipment",
    "signal",
    "storage",
];
