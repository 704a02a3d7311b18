//! The operator's mail server. Without one, nobody is written to.
use super::Reader;
use secrecy::SecretString;
use std::borrow::Cow;
use url::Url;

const EXAMPLE: &str = "smtps://user:password@mail.example:465";

/// How the way to the server is kept secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// Not at all.
    None,
    /// By STARTTLS, without which nothing is sent.
    StartTls,
    /// From the first byte.
    Wrapped,
}

/// How to send mail.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way is kept secret.
    pub tls: MailTls,
    /// User and password.
    pub login: Option<(String, SecretString)>,
    /// Whose name mail has: `Omniops <help@example.com>`.
    pub from: String,
}

impl MailConfig {
    pub(super) fn read(r: &mut Reader) -> Option<Self> {
        let from = r.optional("MAIL_FROM");
        r.conceal("SMTP_URL");
        let text = r.optional("SMTP_URL")?;
        let Some(from) = from else {
            r.wrong(
                "MAIL_FROM",
                "is required with SMTP_URL",
                "Support <support@example.com>",
            );
            return None;
        };
        if from.parse::<lettre::message::Mailbox>().is_err() {
            r.wrong(
                "MAIL_FROM",
                "must be an address, with or without a name",
                "Support <support@example.com>",
            );
            return None;
        }
        match server(&text) {
            Ok(server) => Some(Self { from, ..server }),
            Err(why) => {
                r.wrong("SMTP_URL", why, EXAMPLE);
                None
            }
        }
    }
}

fn server(text: &str) -> Result<MailConfig, &'static str> {
    let form = "must be smtps://[user:password@]host[:port] or smtp://…";
    let url = Url::parse(text).map_err(|_| form)?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(form)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let asked = url
        .query_pairs()
        .find(|(name, _)| name == "tls")
        .map(|(_, value)| value.into_owned());
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let tls = match (url.scheme(), asked.as_deref()) {
        ("smtps", None) => MailTls::Wrapped,
        ("smtp", Some("required")) => MailTls::StartTls,
        ("smtp", None) if !here => MailTls::StartTls,
        ("smtp", None | Some("none")) => MailTls::None,
        ("smtp", Some(_)) => return Err("has a `tls` that is neither required nor none"),
        _ => return Err(form),
    };
    let part = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .map(Cow::into_owned)
    };
    let user = part(url.username()).map_err(|_| form)?;
    let password = part(url.password().unwrap_or_default()).map_err(|_| form)?;
    if !user.is_empty() && tls == MailTls::None && !here {
        return Err("would send its password to another machine in the clear");
    }
    let usual = if tls == MailTls::Wrapped {
        465
    } else if here {
        25
    } else {
        587
    };
    Ok(MailConfig {
        port: url.port().unwrap_or(usual),
        login: (!user.is_empty()).then(|| (user, password.into())),
        host,
        tls,
        from: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::collections::BTreeMap;

    fn read(variables: &[(&str, &str)]) -> (Option<MailConfig>, Vec<String>) {
        let map: BTreeMap<String, String> = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let mut reader = Reader::new(&map);
        let config = MailConfig::read(&mut reader);
        (
            config,
            reader.finish().iter().map(|error| error.name.to_owned()).collect(),
        )
    }

    #[test]
    fn the_way_to_another_machine_is_secret_unless_said_otherwise() {
        for (url, tls, port) in [
            ("smtps://mail.example", MailTls::Wrapped, 465),
            ("smtp://mail.example", MailTls::StartTls, 587),
            ("smtp://mail.example:2525?tls=none", MailTls::None, 2525),
            ("smtp://localhost", MailTls::None, 25),
            ("smtp://127.0.0.1:1025?tls=required", MailTls::StartTls, 1025),
        ] {
            let server = server(url).unwrap();
            assert_eq!((server.tls, server.port), (tls, port), "{url}");
        }
        let with = server("smtps://bot%40shop.example:p%3Aw@mail.example")
            .unwrap()
            .login
            .unwrap();
        assert_eq!((with.0.as_str(), with.1.expose_secret()), ("bot@shop.example", "p:w"));
    }

    #[test]
    fn what_can_not_work_is_refused() {
        for wrong in [
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp://mail.example?tls=maybe",
            "smtp://user:password@mail.example?tls=none",
        ] {
            assert_eq!(
                read(&[("SMTP_URL", wrong), ("MAIL_FROM", "a@b.example")]).1,
                ["SMTP_URL"],
                "{wrong}"
            );
        }
        assert_eq!(read(&[("SMTP_URL", "smtps://mail.example")]).1, ["MAIL_FROM"]);
        let injected = [
            ("SMTP_URL", "smtps://mail.example"),
            ("MAIL_FROM", "a@b.example\r\nBcc: c@d.example"),
        ];
        assert_eq!(read(&injected).1, ["MAIL_FROM"]);
        assert!(read(&[]).0.is_none() && read(&[("MAIL_FROM", "a@b.example")]).1.is_empty());
    }
}
