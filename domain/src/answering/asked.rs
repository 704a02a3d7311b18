//! A question as it is understood: in which language to answer, and, where it leans on what was said before, what it means by
//! itself. Searching goes by the meaning; what is stored and shown stays the visitor's.
use super::{
    answerer::{Answerer, Question, Usage},
    conversation::Turn,
    greeting, informal,
    model::Tab,
    small_talk, spelling, standalone,
};
use crate::{
    Error, Result,
    language::{self, Locale},
    retrieval::Passage,
    tenancy::{AssistantSettings, Customer},
};

/// A question with what the conversation says about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// The visitor's words.
    pub said: String,
    /// The question by itself: the visitor's words behind a greeting, unless they lean on earlier ones.
    pub meant: String,
    /// The language to answer in, where that is known.
    pub locale: Option<Locale>,
    /// The turns before, oldest first.
    pub history: Vec<Turn>,
    /// Its slips of the keyboard have been mended.
    pub mended: bool,
    /// What it cost to understand it.
    pub spent: Usage,
}

impl Asked {
    /// A question that begins a conversation.
    pub fn first(text: &str, locale: Option<Locale>) -> Self {
        let locale = language::choose(text, std::iter::empty(), locale);
        let spelled = informal::spelled_out(text, locale);
        Self {
            said: text.to_owned(),
            meant: greeting::without(spelled.as_deref().unwrap_or(text)).to_owned(),
            locale,
            history: Vec::new(),
            mended: false,
            spent: Usage::default(),
        }
    }

    /// The same with its slips of the keyboard mended by the words of these passages; none if there are none, or no more.
    pub fn mended(&self, passages: &[Passage]) -> Option<Self> {
        let meant = spelling::mended(&self.meant, passages).filter(|_| !self.mended)?;
        Some(Self {
            meant,
            mended: true,
            ..self.clone()
        })
    }

    /// The question by itself, if it had to be made.
    pub fn rewritten(&self) -> Option<&str> {
        (greeting::without(&self.said) != self.meant).then_some(self.meant.as_str())
    }

    /// The reply, if nothing is asked of the site.
    pub fn small_talk(&self, customer: &Customer) -> Option<String> {
        let talk = small_talk::detect(&self.said)?;
        Some(small_talk::reply(
            customer,
            &AssistantSettings::of(customer),
            self.locale,
            talk,
        ))
    }
}

impl Question {
    /// The visitor's words, if there are any and not too many.
    pub(super) fn checked(&self) -> Result<&str> {
        let said = self.text.trim();
        let length = said.chars().count();
        if (1..=2000).contains(&length) {
            return Ok(said);
        }
        let reason = format!("must have 1 to 2000 characters, not {length}");
        Err(Error::invalid("message", reason))
    }
}

impl Answerer {
    /// Understands what was said in its conversation; `locale` is the visitor's language, where it is known.
    pub(super) async fn understand(
        &self,
        customer: &Customer,
        said: &str,
        locale: Option<Locale>,
        history: Vec<Turn>,
    ) -> Asked {
        let earlier = history.iter().filter(|turn| turn.role == "visitor");
        let session = locale.or(AssistantSettings::of(customer).locale);
        let locale = language::choose(said, earlier.map(|turn| turn.text.as_str()), session);
        let spelled = informal::spelled_out(said, locale);
        let asked = greeting::without(spelled.as_deref().unwrap_or(said));
        let (mut meant, tab) = (None, Tab::default());
        if let Some(models) = self
            .models
            .as_ref()
            .filter(|_| standalone::doubtful(asked, locale, &history))
        {
            meant = Box::pin(standalone::by_model(models, customer, asked, locale, &history, &tab)).await;
        }
        let meant = meant.or_else(|| standalone::rewrite(asked, locale, &history));
        Asked {
            said: said.to_owned(),
            meant: meant.unwrap_or_else(|| asked.to_owned()),
            locale,
            history,
            mended: false,
            spent: tab.usage(),
        }
    }
}
