//! The answer that a model writes, shown as it is checked; the site's own words where the model fails before anything was shown.
use std::collections::BTreeSet;
use tokio::sync::mpsc;

use super::{
    answerer::{Answerer, Part, send},
    asked::Asked,
    broken::BROKE_OFF,
    extractive::SIMPLIFIED_WORDS,
    ground::{self, Checked, Judge, Writing},
    model::{Call, Finished, Models, Tab, Unanswered, size, without_echo},
    note::Note,
    prompt,
    support::Refusal,
    turns::Turn,
    written::{SHOWN, Written, sources},
};
use crate::{Error, Result, retrieval::Passage, tenancy::Customer};

impl Answerer {
    /// A model's answer if there is a model, else a quotation. The `turn` is over when a model is asked.
    pub(super) async fn write(
        &self,
        customer: &Customer,
        asked: &Asked,
        passages: &[Passage],
        parts: Option<&mpsc::Sender<Part>>,
        turn: Turn,
    ) -> Result<Written> {
        let Some(models) = &self.models else {
            return self.extract(customer, asked, passages).await;
        };
        let tab = Tab::default();
        let writing = Box::pin(self.generate(models, customer, asked, passages, parts, turn, &tab));
        let note = match writing.await {
            Ok(written) => {
                let usage = tab.usage();
                return Ok(Written { usage, ..written });
            }
            Err(Failure::Ours(error)) => return Err(error),
            Err(Failure::Silent(note)) => note,
            Err(Failure::BrokenOff(error)) => {
                let message = "the answer broke off; please ask again";
                return Err(Error::unavailable(BROKE_OFF, message, without_echo(&error)));
            }
        };
        let quoted = self.extract(customer, asked, passages).await?;
        Ok(Written {
            notes: vec![note],
            usage: tab.usage(),
            ..quoted
        })
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what an answer is made of, and where its cost is noted"
    )]
    async fn generate(
        &self,
        models: &Models,
        customer: &Customer,
        asked: &Asked,
        passages: &[Passage],
        parts: Option<&mpsc::Sender<Part>>,
        turn: Turn,
        tab: &Tab,
    ) -> Result<Written, Failure> {
        let best = &passages[..passages.len().min(SHOWN * 2)];
        let best = self.searcher.in_context(customer, best).await.map_err(Failure::Ours)?;
        // What has come from beside them has not been looked at; an order at the end of one chunk takes what it orders in the next with it.
        let (best, planted) = disarmed(best, passages);
        if best.is_empty() {
            let refused = self.refuse(customer, Refusal::NotOnSite, passages, asked.locale).await;
            return refused.map_err(Failure::Ours);
        }
        let shown: Vec<&Passage> = best.iter().collect();
        let numbered: Vec<(usize, &Passage)> = shown.iter().enumerate().map(|(i, p)| (i + 1, *p)).collect();
        let prompt = prompt::prompt(customer, asked, &numbered, self.simplified).map_err(Failure::Ours)?;
        let pages = shown.iter().map(|p| p.page).collect::<BTreeSet<_>>().len();
        let size = size(&asked.meant, asked.history.len(), pages);
        drop(turn);
        let call = Box::pin(models.ask(customer, &prompt.messages, size, tab));
        let (mut call, judge) = self
            .meanwhile(customer, call, Box::pin(self.judge(customer, asked, &shown, &prompt)))
            .await?;
        let most = self.simplified.then_some(SIMPLIFIED_WORDS);
        let mut writing = Writing::new(parts, judge, Some((&self.searcher, customer))).at_most(most);
        let broken = loop {
            match call.next().await {
                Ok(Some(more)) => {
                    writing.take(&more).await;
                    if writing.full() {
                        break None;
                    }
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        let begun = writing.begun();
        // The last words are shown before the cost is counted, which may have to wait.
        let checked = match broken {
            None if call.said() => Ok(writing.finish().await),
            Some(error) if begun => Err(Failure::BrokenOff(error)),
            _ => Err(Failure::Silent(Note::ProviderUnavailable)),
        };
        let Finished { usage, model, notes } = call.finish().await.map_err(Failure::Ours)?;
        let Checked {
            text,
            cited,
            mut removed,
        } = checked?;
        removed.add("planted", planted);
        if text.is_empty() {
            let refused = self
                .refuse(customer, Refusal::NotAnswered, passages, asked.locale)
                .await
                .map_err(Failure::Ours)?;
            send(parts, &refused.text).await;
            return Ok(Written {
                model,
                notes,
                removed,
                ..refused
            });
        }
        Ok(Written {
            text,
            sources: sources(&as_found(&shown, passages))
                .into_iter()
                .filter(|s| cited.contains(&s.n))
                .collect(),
            refusal: None,
            usage,
            model,
            notes,
            removed,
        })
    }
}

impl Answerer {
    /// A model's call, and the judge of what it will say, who reads the passages while nothing comes. That takes a turn behind those who
    /// have yet to ask their model; when the first text is there before it, the judge reads at once.
    async fn meanwhile(
        &self,
        customer: &Customer,
        mut call: impl Future<Output = std::result::Result<Call, Unanswered>> + Unpin,
        mut judge: impl Future<Output = Result<Judge>> + Unpin,
    ) -> Result<(Call, Judge), Failure> {
        let early = async {
            let _turn = self.turns.take(customer.id).await;
            (&mut judge).await
        };
        let early = tokio::select! {
            biased;
            call = &mut call => Err(call?),
            read = early => Ok(read),
        };
        let (call, judge) = match early {
            Ok(read) => (call.await?, read),
            Err(call) => (call, judge.await),
        };
        Ok((call, judge.map_err(Failure::Ours)?))
    }
}

/// Passages without what has come from beside them, which readers of a source are not shown for what it says.
fn as_found<'a>(shown: &[&'a Passage], found: &'a [Passage]) -> Vec<&'a Passage> {
    let own = |p: &&'a Passage| found.iter().find(|own| own.chunk == p.chunk).unwrap_or(p);
    shown.iter().map(own).collect()
}

/// Passages of which nobody's orders are left in what has come from beside them; those as they were `found` have none.
fn disarmed(completed: Vec<Passage>, found: &[Passage]) -> (Vec<Passage>, usize) {
    let mut planted = 0;
    let as_found = |p: &Passage| found.iter().any(|own| own.chunk == p.chunk && own.text == p.text);
    let passages = completed.into_iter().flat_map(|passage| {
        if as_found(&passage) {
            return vec![passage];
        }
        let (left, gone) = ground::disarm(vec![passage]);
        planted += gone;
        left
    });
    (passages.collect(), planted)
}

/// How an answer can fail: by ourselves, by the model before anything was shown, or in the middle of it.
enum Failure {
    Ours(Error),
    Silent(Note),
    BrokenOff(chat_model::Error),
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Budget => Self::Silent(Note::BudgetReached),
            Unanswered::Provider => Self::Silent(Note::ProviderUnavailable),
            Unanswered::Own(error) => Self::Ours(error),
        }
    }
}
