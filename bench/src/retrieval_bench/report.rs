//! What was measured, as a page.
use std::fmt::Write as _;

use super::{Measured, asking::Asked, recall::NEAREST};
use crate::{RetrievalArgs, stats::percentile};

const HEAD: &str = "| | p50 ms | p95 ms | searches/s | processor ms a search: Postgres | the product |\n|---|---:|---:|---:|---:|---:|";

pub fn document(head: &[String], args: &RetrievalArgs, measured: &Measured) -> String {
    let mut text = String::from("# Searches\n\nWritten by `cargo xtask bench retrieval --data DIR`.\n\n");
    for line in head {
        let _ = writeln!(text, "- {line}");
    }
    let _ = writeln!(text, "\n## {} clients that ask without a pause\n\n{HEAD}", args.clients);
    for (label, [with, without]) in &measured.closed {
        row(&mut text, &format!("{label}, row-level security"), with);
        row(&mut text, &format!("{label}, the same without it"), without);
        ratio(&mut text, with, without);
    }
    row(&mut text, "hybrid, row-level security, in turns", &measured.turned);
    let peer = |percent| percentile(&measured.peer, percent).unwrap_or_default();
    let _ = writeln!(
        text,
        "| bm25s, one client, {} chunks in memory | {:.1} | {:.1} | | | |",
        measured.texts,
        peer(50),
        peer(95)
    );
    let _ = writeln!(text, "\n## Questions that come by chance, row-level security\n\n{HEAD}");
    for (rate, asked) in &measured.open {
        row(&mut text, &format!("hybrid, {rate:.0} a second on the mean"), asked);
    }
    let [memory, scan, large_memory, index] = measured.recall;
    let _ = writeln!(text, "\n## A customer of {} chunks, one client\n\n{HEAD}", args.large);
    let [large, cold] = &measured.large;
    row(&mut text, "hybrid, row-level security", large);
    row(&mut text, "hybrid, row-level security, nothing in memory", cold);
    text += "\n## Read into memory, one customer after the other\n\n| | s | MB |\n|---|---:|---:|\n";
    for (customers, chunks, reading) in [
        (args.customers, args.chunks, &measured.reading),
        (2, args.large, &measured.large_reading),
    ] {
        let _ = writeln!(
            text,
            "| {customers} customers with {chunks} chunks each | {:.1} | {:.0} |",
            reading.seconds,
            reading.bytes as f64 / 1e6
        );
    }
    let _ = writeln!(
        text,
        "\n## Of the {NEAREST} nearest by an exact scan, found\n\n| | |\n|---|---:|\n| a customer of {} chunks, in memory | {memory:.3} |\n| the same, by the scan in Postgres | {scan:.3} |\n\
         | a customer of {} chunks, in memory | {large_memory:.3} |\n| the same, by the vector index, beside another one of the same size | {index:.3} |",
        args.chunks, args.large
    );
    text + include_str!("reading.md")
}

fn row(text: &mut String, label: &str, asked: &Asked) {
    let (servers, own) = asked.costs();
    let _ = writeln!(
        text,
        "| {label} | {:.1} | {:.1} | {:.0} | {servers:.1} | {own:.1} |",
        asked.percentile(50),
        asked.percentile(95),
        asked.rate()
    );
}

fn ratio(text: &mut String, with: &Asked, without: &Asked) {
    let (ours, others) = (with.costs(), without.costs());
    let _ = writeln!(
        text,
        "| with ÷ without | **{:.2}** | **{:.2}** | {:.2} | {:.2} | {:.2} |",
        with.percentile(50) / without.percentile(50),
        with.percentile(95) / without.percentile(95),
        with.rate() / without.rate(),
        ours.0 / others.0,
        ours.1 / others.1
    );
}
