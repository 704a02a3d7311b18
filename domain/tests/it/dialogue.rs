//! Conversations: follow-ups, small talk, languages, and what is remembered of whom.
use domain::{
    answering::{Answer, Answerer, Question, messages, suggestions},
    language::Locale,
    tenancy::{AssistantSettings, Customer},
};
use sea_orm::ConnectionTrait;
use testkit::{Kit, Provider, Script};
use uuid::Uuid;

use crate::answering::{ask, installation};

async fn say(answerer: &Answerer, customer: &Customer, session: Uuid, text: &str) -> Answer {
    answerer.answer(customer, &ask(session, text), None).await.unwrap()
}

/// The receipt of the last answer: the question by itself.
async fn standalone(kit: &Kit, customer: &Customer, message: Uuid) -> Option<String> {
    let tx = kit.db.tenant(customer).await.unwrap();
    let find = format!("SELECT standalone_question AS q FROM answer_receipts WHERE message_id = '{message}'");
    let row = tx
        .query_one_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, find))
        .await
        .unwrap();
    row.unwrap().try_get("", "q").unwrap()
}

#[tokio::test]
async fn a_follow_up_is_searched_for_by_what_it_means_and_kept_as_it_was_said() {
    let (kit, customer, answerer) = installation(&[]).await;
    let session = domain::ids::new_id();
    let first = say(&answerer, &customer, session, "How heavy is the Fjord 14?").await;
    assert!(first.text.contains("24 kg"), "{}", first.text);
    assert_eq!(standalone(&kit, &customer, first.message).await, None);

    let second = say(&answerer, &customer, session, "how much does it carry?").await;
    assert!(second.text.contains("130 kg") && !second.refused(), "{}", second.text);
    assert_eq!(second.sources[0].url, "https://shop.example/boats");
    assert_eq!(
        standalone(&kit, &customer, second.message).await.as_deref(),
        Some("how much does Fjord 14 carry?")
    );
    let tx = kit.db.tenant(&customer).await.unwrap();
    let kept = messages(&tx, second.conversation, Some(session), None, 10)
        .await
        .unwrap();
    assert_eq!(kept[1].text, "how much does it carry?");

    // Politeness in between is no subject, and another subject is another subject.
    say(&answerer, &customer, session, "thanks!").await;
    let third = say(&answerer, &customer, session, "and its weight?").await;
    assert!(
        standalone(&kit, &customer, third.message)
            .await
            .unwrap()
            .contains("Fjord 14")
    );
    let other = say(&answerer, &customer, session, "How long does delivery take?").await;
    assert_eq!(standalone(&kit, &customer, other.message).await, None);
    assert_eq!(other.sources[0].url, "https://shop.example/shipping");
}

#[tokio::test]
async fn nobody_leans_on_what_another_session_or_another_customer_s_visitor_said() {
    let (kit, customer, answerer) = installation(&[]).await;
    let (session, stranger) = (domain::ids::new_id(), domain::ids::new_id());
    say(&answerer, &customer, session, "How heavy is the Fjord 14?").await;
    let strange = say(&answerer, &customer, stranger, "how much does it carry?").await;
    assert_eq!(standalone(&kit, &customer, strange.message).await, None);
    let other = kit.customer("other.example").await;
    let elsewhere = say(&answerer, &other, session, "how much does it carry?").await;
    assert_eq!(standalone(&kit, &other, elsewhere.message).await, None);
    let own = say(&answerer, &customer, session, "how much does it carry?").await;
    assert!(standalone(&kit, &customer, own.message).await.is_some());
}

#[tokio::test]
async fn small_talk_is_answered_kindly_in_its_language_without_the_site() {
    let (_kit, customer, answerer) = installation(&[]).await;
    let session = domain::ids::new_id();
    let said = [
        ("Hello!", "Hello! What would you like to know?"),
        ("Vielen Dank!", "Gern geschehen! Möchten Sie noch etwas wissen?"),
        (
            "êtes-vous un robot ?",
            "Je ne suis pas un humain, mais l’assistant automatique de Customer of shop.example.",
        ),
        ("????", "Je n’ai pas compris. Pourriez-vous le dire autrement ?"),
    ];
    for (text, reply) in said {
        let answer = say(&answerer, &customer, session, text).await;
        assert_eq!(
            (answer.text.as_str(), answer.model.as_str()),
            (reply, "small_talk"),
            "{text}"
        );
        assert!(!answer.refused() && answer.sources.is_empty());
    }
    let asked = say(&answerer, &customer, session, "Hi, how long does delivery take?").await;
    assert!(asked.text.contains("two to four working days"), "{}", asked.text);
}

#[tokio::test]
async fn refusals_speak_the_visitor_s_language() {
    let (_kit, customer, answerer) = installation(&[]).await;
    let refused = async |text: &str, locale| {
        let question = Question {
            session: domain::ids::new_id(),
            text: text.into(),
            locale,
        };
        let answer = answerer.answer(&customer, &question, None).await.unwrap();
        assert!(answer.refused(), "{}", answer.text);
        answer.text
    };
    let german = refused("Wer hat die Fußballweltmeisterschaft gewonnen?", Some(Locale::Fr)).await;
    assert!(german.contains("dieser Website"), "{german}");
    let french = refused("Xylophon Zeppelin", Some(Locale::Fr)).await;
    assert!(
        french.contains("site") && (french.starts_with("Je suis") || french.starts_with("Le site")),
        "{french}"
    );
}

#[tokio::test]
async fn capital_letters_and_typos_do_not_matter() {
    let (_kit, customer, answerer) = installation(&[]).await;
    for text in [
        "HOW LONG DOES DELIVERY TAKE",
        "how long does delivry take",
        "hi how long does delivery take",
        "hi how lnog does delivery take",
    ] {
        let answer = say(&answerer, &customer, domain::ids::new_id(), text).await;
        assert!(
            answer.text.contains("two to four working days"),
            "{text}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn questions_to_start_with_are_those_that_the_site_asks_and_answers() {
    let (kit, customer, answerer) = installation(&[]).await;
    let found = async |settings: &AssistantSettings, locale| {
        let tx = kit.db.tenant(&customer).await.unwrap();
        suggestions(&tx, settings, locale).await.unwrap()
    };
    let settings = AssistantSettings::default();
    assert!(found(&settings, Some(Locale::En)).await.is_empty());
    assert!(answerer.choose_suggestions(&customer).await.unwrap() > 0);
    let english = found(&settings, Some(Locale::En)).await;
    assert_eq!(english[0], "How long does delivery take?");
    for question in &english {
        let answer = say(&answerer, &customer, domain::ids::new_id(), question).await;
        assert!(!answer.refused(), "{question}");
    }
    // A site of one language has its questions for everybody; a customer's own go first.
    assert_eq!(found(&settings, Some(Locale::Ja)).await, english);
    let own = AssistantSettings {
        suggestions: Some(vec!["Ask me!".into()]),
        ..AssistantSettings::default()
    };
    assert_eq!(found(&own, Some(Locale::En)).await, ["Ask me!"]);
    // Chosen again they are the same, and those of a page that has gone go with it.
    answerer.choose_suggestions(&customer).await.unwrap();
    assert_eq!(found(&settings, None).await, english);
    let tx = kit.db.system().await.unwrap();
    tx.execute_unprepared("UPDATE scraped_pages SET tombstoned_at = now() WHERE url LIKE '%/shipping'")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(!found(&settings, Some(Locale::En)).await.contains(&english[0]));
}

fn keyed(provider: &Provider) -> [(String, String); 2] {
    [
        ("OPENAI_API_KEY".into(), "test-key".into()),
        ("OPENAI_BASE_URL".into(), provider.base_url()),
    ]
}

#[tokio::test]
async fn a_model_rewrites_what_leans_and_is_not_believed_when_it_says_something_new() {
    let script = |text: &str| Script::Say(vec![text.to_owned()]);
    let provider = Provider::start(script("The Fjord 14 weighs 24 kg [1].")).await;
    let keys = keyed(&provider);
    let (kit, customer, answerer) = installation(&keys.each_ref().map(|(k, v)| (k.as_str(), v.as_str()))).await;
    let session = domain::ids::new_id();
    say(&answerer, &customer, session, "How heavy is the Fjord 14?").await;
    assert_eq!(provider.asked().len(), 1, "a question by itself costs no call");

    provider.follow(script("What weight does the Fjord 14 carry?"));
    let answer = say(&answerer, &customer, session, "and what does it carry?").await;
    let meant = standalone(&kit, &customer, answer.message).await;
    assert!(
        meant.as_deref().is_some_and(|meant| meant.contains("Fjord 14")),
        "{meant:?}"
    );

    // The rules would put the kayak in the place of "it".
    provider.follow(script("And is it raining in Bergen?"));
    let answer = say(&answerer, &customer, session, "and is it raining in Bergen?").await;
    assert_eq!(standalone(&kit, &customer, answer.message).await, None);

    provider.follow(script("Tell me about pirates at https://evil.example"));
    let answer = say(&answerer, &customer, session, "how long is it?").await;
    let meant = standalone(&kit, &customer, answer.message).await.unwrap();
    assert!(
        !meant.contains("pirates") && meant.starts_with("how long is"),
        "{meant}"
    );
    let told = provider.asked().iter().map(ToString::to_string).collect::<String>();
    assert!(told.contains("Answer in English"), "the prompt names the language");
}

#[tokio::test]
async fn a_simplified_answer_of_a_model_ends_with_the_sentence_that_fits() {
    let sentences = (0..40)
        .map(|_| "Parcels arrive within two to four working days [1]. ".to_owned())
        .collect();
    let provider = Provider::start(Script::Say(sentences)).await;
    let keys = keyed(&provider);
    let mut variables = keys.each_ref().map(|(k, v)| (k.as_str(), v.as_str())).to_vec();
    variables.push(("USE_SIMPLIFIED_PROMPT", "true"));
    let (_kit, customer, answerer) = installation(&variables).await;
    let answer = say(
        &answerer,
        &customer,
        domain::ids::new_id(),
        "How long does delivery take?",
    )
    .await;
    let words = answer.text.split_whitespace().count();
    assert!((9..=75).contains(&words), "{words} words: {}", answer.text);
    assert!(answer.text.trim_end().ends_with(['.', ']']), "{}", answer.text);
    assert!(provider.asked()[0].to_string().contains("at most 75 words"));
}
