//! Mail to a customer's people about visitors who wait: plain text, by the operator's SMTP server, at most one a minute to each
//! customer, however many ask.
//!
//! A mail goes through servers of others and rests in mailboxes. So it tells where to look and what the visitor last asked,
//! and no address, no session and nothing else of the conversation.
use base64::{Engine, engine::general_purpose::STANDARD};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};
use sea_orm::{ConnectionTrait, FromQueryResult};
use secrecy::{ExposeSecret, SecretString};
use std::{fmt::Write, time::Duration};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::settings::HandoffSettings;
use crate::{
    Error, Result,
    config::{MailConfig, MailTls},
    language::Locale,
    secrets,
    tenancy::{Customer, Db, sql},
};

/// Time between two mails to a customer.
const PAUSE: Duration = Duration::from_mins(1);
/// Longest time of one exchange with the server.
const PATIENCE: Duration = Duration::from_secs(20);
/// Visitors in one mail.
const MOST: i64 = 20;
/// Characters of a question in a mail.
const SNIPPET: i32 = 300;

/// Sends mail. Cloning shares the settings.
#[derive(Clone)]
pub struct Mailer {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// What a server may repeat that it was told at the login.
    hidden: Vec<SecretString>,
}

/// What became of a round of mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// About so many visitors; 0 if nobody waits that people don't know of.
    Told(usize),
    /// The last mail is too young.
    Later(Duration),
}

impl Mailer {
    /// A mailer for the operator's server. Connects when there is something to send.
    pub fn new(config: &MailConfig) -> Result<Self> {
        egress::install_crypto();
        let wrong = |error: &dyn std::fmt::Display| Error::internal("SMTP_URL", error.to_string());
        let tls = match config.tls {
            MailTls::None => Tls::None,
            MailTls::StartTls => Tls::Required(TlsParameters::new(config.host.clone()).map_err(|e| wrong(&e))?),
            MailTls::Wrapped => Tls::Wrapper(TlsParameters::new(config.host.clone()).map_err(|e| wrong(&e))?),
        };
        let from: Mailbox = config.from.parse().map_err(|e| Error::internal("MAIL_FROM", e))?;
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(PATIENCE))
            .hello_name(ClientId::Domain(from.email.domain().to_owned()));
        if let Some((user, password)) = &config.login {
            server = server.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        Ok(Self {
            server: server.build(),
            from,
            hidden: config.login.as_ref().map(spellings).unwrap_or_default(),
        })
    }

    /// An error with its causes, without the password.
    fn story(&self, error: &dyn std::error::Error) -> String {
        let mut story = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let _ = write!(story, ": {inner}");
            cause = inner.source();
        }
        let hide = |story: String, secret: &SecretString| story.replace(secret.expose_secret(), "[password]");
        self.hidden.iter().fold(story, hide)
    }

    /// Sends a plain text. The same `id` makes the same `Message-ID`, by which mail that comes twice is known.
    async fn send(&self, to: &str, subject: &str, id: &str, text: String) -> Result<()> {
        let unfit = |error: &dyn std::fmt::Display| Error::conflict("mail_unsendable", error.to_string());
        let message = Message::builder()
            .from(self.from.clone())
            .to(to.parse().map_err(|e| unfit(&e))?)
            .subject(one_line(subject))
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|e| unfit(&e))?;
        match self.server.send(message).await {
            Ok(_) => Ok(()),
            // RFC 5321 §4.2: what is wrong with the recipient or the message stays so. A refused login is the operator's to mend.
            Err(error)
                if error
                    .status()
                    .is_some_and(|code| (550..=554).contains(&u16::from(code))) =>
            {
                Err(Error::conflict(
                    "mail_refused",
                    "the mail server refused the recipient or the message",
                ))
            }
            Err(error) => Err(Error::unavailable(
                "mail_unavailable",
                "the mail server did not take the mail",
                self.story(&error),
            )),
        }
    }
}

/// The ways in which a login is sent: RFC 4616 (`PLAIN`) and `LOGIN`, in base64.
fn spellings((user, password): &(String, SecretString)) -> Vec<SecretString> {
    let password = password.expose_secret();
    let plain = STANDARD.encode(format!("\0{user}\0{password}"));
    let spellings = [plain, STANDARD.encode(password), password.to_owned()];
    let spellings = spellings.into_iter().filter(|text| !text.is_empty());
    spellings.map(SecretString::from).collect()
}

/// RFC 3834 §5: no machine should answer.
#[derive(Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// A visitor who waits, as far as a mail tells.
#[derive(FromQueryResult)]
struct Waiting {
    id: Uuid,
    since: OffsetDateTime,
    addressed: bool,
    locale: Option<String>,
    question: Option<String>,
}

/// Tells the customer's people of visitors who wait and of whom they have not been told. Whoever is told of is marked after the
/// mail is sent: a crash in between sends it twice, never not at all.
pub async fn send_waiting(db: &Db, mailer: &Mailer, customer: &Customer, base_url: &str) -> Result<Sent> {
    const LAST: &str =
        "SELECT extract(epoch FROM now() - max(notified_at))::float8 AS ago FROM conversations WHERE customer_id = $1";
    const MARK: &str =
        "UPDATE conversations SET notified_at = now() WHERE customer_id = $1 AND id = $2 AND waiting_since = $3";
    let Some(to) = HandoffSettings::of(customer).email else {
        return Ok(Sent::Told(0));
    };
    let tx = db.tenant_read(customer).await?;
    let waiting = waiting(&tx).await?;
    let ago = tx.query_one_raw(sql(LAST, [customer.id.into()])).await?;
    let ago: Option<f64> = ago.map(|row| row.try_get("", "ago")).transpose()?.flatten();
    tx.commit().await?;
    if waiting.is_empty() {
        return Ok(Sent::Told(0));
    }
    if let Some(left) = ago.map(|ago| PAUSE.as_secs_f64() - ago).filter(|left| *left > 0.0) {
        return Ok(Sent::Later(Duration::from_secs_f64(left)));
    }
    let subject = match waiting.len() {
        1 => format!("{}: a visitor asks for a person", customer.domain),
        n => format!("{}: {n} visitors ask for a person", customer.domain),
    };
    mailer
        .send(&to, &subject, &id_of(&waiting), text(customer, &waiting, base_url))
        .await?;
    let tx = db.tenant(customer).await?;
    for visitor in &waiting {
        let values = [customer.id.into(), visitor.id.into(), visitor.since.into()];
        tx.execute_raw(sql(MARK, values)).await?;
    }
    tx.commit().await?;
    Ok(Sent::Told(waiting.len()))
}

async fn waiting(tx: &crate::tenancy::TenantTx) -> Result<Vec<Waiting>> {
    const WAITING: &str = "
        SELECT c.id, c.waiting_since AS since, v.email IS NOT NULL AS addressed, v.locale,
          (SELECT left(m.text, $3) FROM messages m WHERE m.conversation_id = c.id AND m.role = 'visitor'
           ORDER BY m.created_at DESC LIMIT 1) AS question
        FROM conversations c JOIN visitors v ON v.id = c.visitor_id
        WHERE c.customer_id = $1 AND c.state = 'waiting' AND c.notified_at IS NULL ORDER BY c.waiting_since LIMIT $2";
    let query = sql(WAITING, [tx.customer().into(), MOST.into(), SNIPPET.into()]);
    Ok(Waiting::find_by_statement(query).all(&**tx).await?)
}

fn id_of(waiting: &[Waiting]) -> String {
    let told: Vec<String> = waiting
        .iter()
        .map(|v| format!("{}{}", v.id, v.since.unix_timestamp_nanos()))
        .collect();
    hex::encode(&secrets::sha256(told.concat().as_bytes())[..16])
}

fn text(customer: &Customer, waiting: &[Waiting], base_url: &str) -> String {
    let mut text = format!("Visitors of {} ask for a person.\n", one_line(&customer.domain));
    for visitor in waiting {
        let since = visitor.since.format(&Rfc3339).unwrap_or_default();
        // A String takes everything that is written to it.
        let _ = writeln!(text, "\nConversation {}\nwaits since {since}", visitor.id);
        if let Some(question) = &visitor.question {
            let _ = writeln!(text, "> {}", one_line(question));
        }
        if let Some(locale) = visitor.locale.as_deref().and_then(Locale::of_tag) {
            let _ = writeln!(text, "The visitor writes {}.", locale.name());
        }
        if visitor.addressed {
            let _ = writeln!(text, "The visitor left an address for your answer.");
        }
        let _ = writeln!(
            text,
            "{base_url}/admin/conversations/{}?customer_id={}",
            visitor.id, customer.id
        );
    }
    text.push_str("\nThe texts are the visitors' own: do not follow links in them without a thought.\n");
    text
}

/// A text of others as one line without control characters.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain
        .collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_visitors_stay_on_their_line() {
        assert_eq!(one_line("a\r\nBcc: x@y.example\u{85}\u{7}  b"), "a Bcc: x@y.example b");
    }
}
