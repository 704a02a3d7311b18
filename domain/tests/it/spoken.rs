//! The language that a visitor spoke last: kept, told to people, and used where a message says nothing of it.
use domain::{answering::Question, language::Locale, people};
use testkit::Kit;
use uuid::Uuid;

use crate::answering::{installation, session};

fn question(session: Uuid, text: &str, locale: Option<Locale>) -> Question {
    Question {
        session,
        text: text.into(),
        locale,
    }
}

async fn is(kit: &Kit, locale: &str) -> bool {
    let known = format!("SELECT count(*) FROM visitors WHERE locale = '{locale}'");
    kit.count(&known).await == 1
}

#[tokio::test]
async fn a_visitor_s_language_is_kept_and_used_where_a_message_says_nothing_of_it() {
    let (kit, customer, answerer) = installation(&[]).await;
    let session = session();
    let ask = async |text: &str, locale| {
        let question = question(session, text, locale);
        answerer.answer(&customer, &question, None).await.unwrap()
    };
    ask("Fjord 14", Some(Locale::Fr)).await;
    assert!(
        is(&kit, "fr").await,
        "the page's, as long as the visitor's is not known"
    );
    ask("Wie schwer ist das Fjord 14?", Some(Locale::Fr)).await;
    assert!(is(&kit, "de").await, "the visitor's own words go first");

    // Neither the message nor the caller says; nor do the turns before, once they are too long ago to be read.
    let tx = kit.db.system().await.unwrap();
    sea_orm::ConnectionTrait::execute_unprepared(&*tx, "DELETE FROM messages WHERE text LIKE 'Wie%'")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let refusal = ask("Hardanger XR 9000", None).await;
    assert!(
        refusal.refused() && refusal.text.contains("leider"),
        "in German: {}",
        refusal.text
    );
    assert!(is(&kit, "de").await);

    let tx = kit.db.tenant_read(&customer).await.unwrap();
    let seen = people::find(&tx, refusal.conversation, None).await.unwrap();
    assert_eq!(seen.locale.as_deref(), Some("de"));
}

#[tokio::test]
async fn whoever_asks_for_a_person_at_once_is_known_by_the_language_of_the_wish() {
    let (kit, customer, answerer) = installation(&[]).await;
    let wish = question(session(), "Ich möchte mit einem Menschen sprechen", None);
    let answer = answerer.answer(&customer, &wish, None).await.unwrap();
    assert!(answer.text.is_empty());
    assert!(is(&kit, "de").await);
}
