//! `bench chat`: what the product adds to a model's answer. Its API, as a process of its own with a crawled site, is asked for answers of a
//! stub model, and the stub is asked the same way without it: time to the first text, answers a second, memory, what a cache saves,
//! how soon a visitor who leaves ends the model's work, and what readers cost who do not read.
pub mod client;
mod installation;
mod leaving;
mod site;
mod slow;
mod stub;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, stream};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

use crate::{
    ChatArgs,
    machine::{self},
    queue_bench::{Contender as Ledger, Stores},
    stats::{self, percentile, summarize},
};
use client::Caller;
use installation::Installation;
use site::{Shop, question};
use stub::{Manner, Stub};

/// Pages of the shop.
const MODELS: usize = 400;
/// Chats at once.
const CHATS: usize = 20;
/// Answers of each of them, one after the other. The first ones are those of questions that come together.
const TURNS: usize = 10;
/// What an answer of the product begins its text with, and one of the stub.
const TOKEN: &str = "event: token";
const CONTENT: &str = "\"content\"";
/// A visitor who leaves must be noticed long before.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Ours,
    Stub,
}

type Figures = BTreeMap<(usize, &'static str), BTreeMap<Who, Vec<f64>>>;

/// What is measured, and with what.
struct Bench {
    stub: Stub,
    ours: Installation,
    caller: Caller,
    figures: Figures,
    /// Questions asked so far: each is another one.
    asked: usize,
    answers: usize,
}

/// Measures, prints the table and writes the report.
pub async fn run(args: ChatArgs) -> Result<()> {
    let (begun, load) = (SystemTime::now(), machine::load());
    match std::fs::remove_dir_all(&args.state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error).context("removing old data"),
        _ => {}
    }
    std::fs::create_dir_all(args.state.parent().context("the state needs a folder")?)?;
    let stores = Stores::start(&args.state).await?;
    let cell = stores.cell(Ledger::Ledger, 30_000).await?;
    let (stub, shop) = (Stub::start().await?, Shop::start(MODELS).await?);
    println!("indexing {MODELS} pages");
    let log = args.state.with_extension("log");
    let ours = Installation::start(&args.omniops, &log, &cell.order, &stub.base_url(), &shop).await?;
    cell.analyze().await?;
    let mut bench = Bench {
        stub,
        ours,
        caller: Caller::new(),
        figures: Figures::new(),
        asked: 0,
        answers: args.answers,
    };
    bench.add(30, "memory at rest (MiB)", Who::Ours, bench.ours.memory());
    let mut failures = Vec::new();
    for round in 0..args.rounds {
        println!("round {} of {}", round + 1, args.rounds);
        if let Err(error) = bench.round().await {
            println!("  {error:#}");
            failures.push(format!("{error:#}"));
        }
    }
    let (valkey, postgres) = stores.versions().await?;
    let mut lines = machine::head(
        begun,
        &format!("{} rounds of {} answers", args.rounds, args.answers),
        &load,
    )?
    .to_vec();
    lines.push(format!(
        "{MODELS} pages, crawled and indexed with the local embedding model; {CHATS} chats at once"
    ));
    lines.push(format!(
        "Valkey {valkey}, PostgreSQL {postgres} (fsync on, synchronous commits)"
    ));
    let rows = bench.figures.iter().map(|((_, label), row)| {
        let of = |who| row.get(&who).and_then(|samples| summarize(samples));
        ((*label).to_owned(), vec![of(Who::Ours), of(Who::Stub)])
    });
    let table = stats::table("Answers of a stub model", &["ours", "stub directly"], rows);
    drop(bench.ours);
    stores.stop().await?;
    println!("{table}");
    let mut text = String::from("# Chat beside a stub model\n\nWritten by `cargo xtask bench chat`.\n\n");
    for line in &lines {
        let _ = writeln!(text, "- {line}");
    }
    text.push_str(&table);
    text.push_str(&stats::ending(&failures, include_str!("reading.md")));
    std::fs::create_dir_all(args.report.parent().context("the report needs a folder")?)?;
    std::fs::write(&args.report, text).context("writing the report")?;
    println!("written to {}", args.report.display());
    Ok(())
}

impl Bench {
    fn add(&mut self, place: usize, label: &'static str, who: Who, value: f64) {
        self.figures
            .entry((place, label))
            .or_default()
            .entry(who)
            .or_default()
            .push(value);
    }

    async fn round(&mut self) -> Result<()> {
        let (at_once, half) = (Manner::After(Duration::ZERO), Manner::After(Duration::from_millis(500)));
        self.alone(at_once).await?;
        self.paraphrased().await?;
        let many = [
            "first text, at once, 20 chats begin together, p50 (ms)",
            "first text, at once, 20 chats begin together, p95 (ms)",
            "first text, at once, 20 chats go on, p50 (ms)",
            "first text, at once, 20 chats go on, p95 (ms)",
            "answers/s, 20 chats",
        ];
        self.together(3, at_once, many).await?;
        let late = [
            "first text, after 500 ms, 20 chats begin together, p50 (ms)",
            "first text, after 500 ms, 20 chats begin together, p95 (ms)",
            "first text, after 500 ms, 20 chats go on, p50 (ms)",
            "first text, after 500 ms, 20 chats go on, p95 (ms)",
            "answers/s, after 500 ms, 20 chats",
        ];
        self.together(8, half, late).await?;
        self.cached().await?;
        self.leaving().await?;
        self.slow_readers().await
    }

    /// The next question of all.
    fn question(&mut self) -> String {
        self.asked += 1;
        question(self.asked - 1, MODELS)
    }

    /// Different questions, one at a time.
    async fn alone(&mut self, manner: Manner) -> Result<()> {
        self.stub.answer(manner);
        for who in [Who::Stub, Who::Ours] {
            let questions = self.questions(who, self.answers);
            let (begun, before) = (Instant::now(), self.stub.asked());
            let firsts = self.ask(who, questions, 1).await?;
            let rate = firsts.len() as f64 / begun.elapsed().as_secs_f64();
            self.all_written(before, firsts.len())?;
            self.add_percentiles(
                0,
                ["first text, at once, p50 (ms)", "first text, at once, p95 (ms)"],
                who,
                firsts,
            )?;
            self.add(2, "answers/s, one at a time", who, rate);
        }
        Ok(())
    }

    /// Answers in words of the model's own, whose meaning is compared with the passages' before they are shown.
    async fn paraphrased(&mut self) -> Result<()> {
        self.stub.answer(Manner::Freely);
        let (questions, before) = (self.questions(Who::Ours, self.answers), self.stub.asked());
        let mut firsts = Vec::with_capacity(questions.len());
        for question in &questions {
            let body = json!({ "message": question });
            let read = self
                .caller
                .stream(&self.ours.chat(), &self.ours.key, &body, TOKEN)
                .await?;
            anyhow::ensure!(
                read.body.contains("hatches"),
                "a paraphrase was not shown: {}",
                read.body
            );
            firsts.push(read.first);
        }
        self.all_written(before, questions.len())?;
        let labels = [
            "first text, at once, paraphrased answer, p50 (ms)",
            "first text, at once, paraphrased answer, p95 (ms)",
        ];
        for (label, percent) in labels.into_iter().zip([50, 95]) {
            firsts.sort_by(f64::total_cmp);
            let value = percentile(&firsts, percent).context("no answers")?;
            self.add(2, label, Who::Ours, value);
        }
        Ok(())
    }

    /// Chats that begin together and go on, each asking its next question when its last one is answered.
    async fn together(&mut self, place: usize, manner: Manner, labels: [&'static str; 5]) -> Result<()> {
        self.stub.answer(manner);
        for who in [Who::Stub, Who::Ours] {
            let questions = self.questions(who, CHATS * TURNS);
            let (begun, before, cpu) = (Instant::now(), self.stub.asked(), self.ours.cpu());
            let chats = questions.chunks(TURNS).map(|own| self.in_turn(who, own.to_vec()));
            let chats = futures::future::try_join_all(chats).await?;
            let seconds = begun.elapsed().as_secs_f64();
            self.all_written(before, CHATS * TURNS)?;
            let first = chats.iter().filter_map(|chat| chat.first().copied()).collect();
            let later = chats.iter().flat_map(|chat| chat.iter().skip(1).copied()).collect();
            self.add_percentiles(place, [labels[0], labels[1]], who, first)?;
            self.add_percentiles(place + 2, [labels[2], labels[3]], who, later)?;
            self.add(place + 4, labels[4], who, (CHATS * TURNS) as f64 / seconds);
            if who == Who::Ours && place == 3 {
                let used = (self.ours.cpu() - cpu) / (CHATS * TURNS) as f64 / 1000.0;
                self.add(13, "CPU of the API an answer (ms)", Who::Ours, used);
            }
        }
        Ok(())
    }

    /// So many different questions; the stub answers whatever it is asked.
    fn questions(&mut self, who: Who, count: usize) -> Vec<String> {
        match who {
            Who::Ours => (0..count).map(|_| self.question()).collect(),
            Who::Stub => vec![question(0, MODELS); count],
        }
    }

    /// Each of so many answers was the model's.
    fn all_written(&self, before: u64, count: usize) -> Result<()> {
        let written = self.stub.asked() - before;
        anyhow::ensure!(
            written == count as u64,
            "the model was asked {written} times, not {count}"
        );
        Ok(())
    }

    fn add_percentiles(
        &mut self,
        place: usize,
        labels: [&'static str; 2],
        who: Who,
        mut times: Vec<f64>,
    ) -> Result<()> {
        times.sort_by(f64::total_cmp);
        for (n, percent) in [50, 95].into_iter().enumerate() {
            let value = percentile(&times, percent).context("no answers")?;
            self.add(place + n, labels[n], who, value);
        }
        Ok(())
    }

    /// ms until the first text of each of these questions, one asked after the other was answered.
    async fn in_turn(&self, who: Who, questions: Vec<String>) -> Result<Vec<f64>> {
        let mut firsts = Vec::with_capacity(questions.len());
        for question in questions {
            firsts.push(self.first_text(who, question).await?);
        }
        Ok(firsts)
    }

    /// Sorted ms until the first text.
    async fn ask(&self, who: Who, questions: Vec<String>, width: usize) -> Result<Vec<f64>> {
        let asked = stream::iter(questions).map(|question| self.first_text(who, question));
        let firsts: Vec<Result<f64>> = asked.buffer_unordered(width).collect().await;
        let mut firsts = firsts.into_iter().collect::<Result<Vec<f64>>>()?;
        firsts.sort_by(f64::total_cmp);
        Ok(firsts)
    }

    /// ms until the first text of an answer, which is read to its end.
    async fn first_text(&self, who: Who, question: String) -> Result<f64> {
        let stub = || format!("{}/chat/completions", self.stub.base_url());
        let (url, mark, end, body) = match who {
            Who::Ours => (self.ours.chat(), TOKEN, "event: done", json!({ "message": question })),
            Who::Stub => {
                let messages = json!([{ "role": "user", "content": question }]);
                let body = json!({ "model": "stub", "stream": true, "messages": messages });
                (stub(), CONTENT, "[DONE]", body)
            }
        };
        let read = self.caller.stream(&url, &self.ours.key, &body, mark).await?;
        anyhow::ensure!(read.body.contains(end), "an answer was not whole: {}", read.body);
        if who == Who::Ours && !read.body.contains("\"model\":\"gpt") {
            println!("  answered without the model: {body}");
        }
        Ok(read.first)
    }

    /// The same question by many, first at the same time and then one after the other.
    async fn cached(&mut self) -> Result<()> {
        self.stub.answer(Manner::After(Duration::from_millis(500)));
        let before = self.stub.asked();
        let same = self.question();
        self.ask(Who::Ours, vec![same.clone(); CHATS], CHATS).await?;
        let calls = (self.stub.asked() - before) as f64;
        self.add(
            14,
            "calls of the model for 20 equal questions at once",
            Who::Ours,
            calls,
        );
        let firsts = self.ask(Who::Ours, vec![same; self.answers], CHATS).await?;
        for (place, label, percent) in [
            (15, "first text, asked before, 20 chats, p50 (ms)", 50),
            (16, "first text, asked before, 20 chats, p95 (ms)", 95),
        ] {
            let value = percentile(&firsts, percent).context("no answers")?;
            self.add(place, label, Who::Ours, value);
        }
        Ok(())
    }
}
