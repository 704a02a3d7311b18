//! Readers who do not read: what each of them costs, and what others notice of them.
use anyhow::{Context as _, Result};
use serde_json::json;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};

use super::{
    Bench, PATIENCE, TOKEN, Who,
    stub::{ANSWER, Manner},
};
use crate::stats::percentile;

/// Readers that do not read.
const SLOW: usize = 200;
/// Nobody works on answers who takes less than a twentieth of a processor for so long.
const QUIET: Duration = Duration::from_millis(500);
/// Such readers who wait already when the memory of those is measured.
const FIRST_SLOW: usize = 50;

impl Bench {
    /// Readers who take the beginning of a long answer and then nothing, and what others notice of them.
    pub(super) async fn slow_readers(&mut self) -> Result<()> {
        self.stub.answer(Manner::Long(60 * 1024 / ANSWER.len()));
        let mut readers = Vec::new();
        // The first ones take what was freed before, and pay for what all share; the others cost what one more does.
        self.read_slowly(&mut readers, FIRST_SLOW).await?;
        let before = self.ours.memory();
        self.read_slowly(&mut readers, SLOW).await?;
        let each = (self.ours.memory() - before) / SLOW as f64 * 1024.0;
        self.add(31, "memory a slow reader of 200 (KiB)", Who::Ours, each);
        self.stub.answer(Manner::After(Duration::ZERO));
        let questions: Vec<String> = (0..self.answers).map(|_| self.question()).collect();
        let firsts = self.ask(Who::Ours, questions, 1).await?;
        let value = percentile(&firsts, 95).context("no answers")?;
        self.add(
            32,
            "first text beside 200 slow readers, at once, p95 (ms)",
            Who::Ours,
            value,
        );
        drop(readers);
        Ok(())
    }

    /// So many more readers who wait, with as much of their answers as there is room for: until nobody works on them any more.
    async fn read_slowly(&mut self, readers: &mut Vec<TcpStream>, more: usize) -> Result<()> {
        let mut sipped = Instant::now();
        for _ in 0..more {
            let question = self.question();
            readers.push(self.reader(&question).await?);
            sip(readers, &mut sipped);
        }
        let begun = Instant::now();
        loop {
            let before = self.ours.cpu();
            sleep(QUIET).await;
            sip(readers, &mut sipped);
            // Processor time is in microseconds.
            if self.ours.cpu() - before < QUIET.as_micros() as f64 / 20.0 {
                return Ok(());
            }
            anyhow::ensure!(begun.elapsed() < PATIENCE * 4, "the answers of slow readers do not end");
        }
    }

    /// Asks, reads the first text and keeps the connection.
    async fn reader(&self, question: &str) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        // Little room on this side, so that what is not read waits on the other.
        socket.set_recv_buffer_size(4096)?;
        let mut stream = socket.connect(self.ours.address().parse()?).await?;
        let body = json!({ "message": question }).to_string();
        let head = format!(
            "POST /api/chat HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.ours.key,
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        let (mut seen, mut piece) = (String::new(), [0; 256]);
        while !seen.contains(TOKEN) {
            let read = timeout(PATIENCE, stream.read(&mut piece))
                .await
                .context("no text for a slow reader")??;
            anyhow::ensure!(read > 0, "a slow reader's answer ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&piece[..read]));
        }
        Ok(stream)
    }
}

/// Whoever takes nothing at all is sent away after half a minute: each takes a little now and then.
fn sip(readers: &[TcpStream], last: &mut Instant) {
    const EVERY: Duration = Duration::from_secs(8);
    if last.elapsed() < EVERY {
        return;
    }
    *last = Instant::now();
    let mut piece = [0; 4096];
    for reader in readers {
        // Who has nothing to read yet takes nothing.
        let _ = reader.try_read(&mut piece);
    }
}
