//! Calls of models: which one is asked, what becomes of failures, what answers cost, and where budgets end them.
use domain::{
    answering::{Answer, CustomerBudget, Note, set_budget, usage_between},
    jobs::Operator,
    lifecycle::Lifecycle,
    tenancy::{Principal, Scope, VisitorSession, authenticate},
};
use futures::future::join_all;
use sea_orm::ConnectionTrait;
use std::time::Duration;
use testkit::{Kit, Provider, Script, eventually};
use tokio::sync::mpsc;

use crate::answering::{ask, installation, session};

const QUESTION: &str = "How long does delivery take?";

fn say(pieces: &[&str]) -> Script {
    Script::Say(pieces.iter().map(|p| (*p).to_owned()).collect())
}

fn with<'a>(base_url: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut variables = vec![("OPENAI_API_KEY", "test-key"), ("OPENAI_BASE_URL", base_url)];
    variables.extend(more);
    variables
}

async fn number(kit: &Kit, query: &str) -> f64 {
    kit.count(&format!("SELECT round(({query}) * 1e6)::bigint")).await as f64 / 1e6
}

fn is_quoted(answer: &Answer, why: Note) {
    assert_eq!(
        (answer.model.as_str(), answer.notes.as_slice()),
        ("extractive", [why].as_slice())
    );
    assert!(
        answer.is_fallback() && answer.text.starts_with("Parcels arrive"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn what_fails_before_anything_was_shown_is_answered_by_the_site_with_a_note() {
    let provider = Provider::start(Script::Fail(401)).await;
    let base_url = provider.base_url();
    let (kit, customer, answerer) = installation(&with(&base_url, &[])).await;
    for script in [
        Script::Fail(401),
        Script::breaking(&[]),
        Script::ending(&[], "content_filter"),
        Script::ending(&[], "tool_calls"),
        Script::ending(&[], "stop"),
        Script::Raw("data: <html>\n\n".into()),
    ] {
        let what = format!("{script:?}");
        provider.follow(script);
        let (parts, mut seen) = mpsc::channel(64);
        let answer = answerer
            .answer(&customer, &ask(session(), QUESTION), Some(parts))
            .await
            .expect(&what);
        is_quoted(&answer, Note::ProviderUnavailable);
        let mut shown = String::new();
        while let Some(domain::answering::Part::Token(text)) = seen.recv().await {
            shown.push_str(&text);
        }
        assert_eq!(shown, answer.text, "{what}");
    }
    let noted = "SELECT count(*) FROM answer_receipts WHERE notes = '{provider_unavailable}' AND model = 'extractive'";
    assert_eq!(kit.count(noted).await, 6);
}

#[tokio::test]
async fn text_that_a_provider_counts_as_nothing_is_the_answer_and_is_counted_all_the_same() {
    let says = r#"data: {"choices":[{"delta":{"content":"Parcels arrive within two to four working days [1]."}}]}"#;
    let counts = r#"data: {"choices":[],"usage":{"prompt_tokens":50,"completion_tokens":0}}"#;
    let provider = Provider::start(Script::Raw(format!("{says}\n\n{counts}\n\ndata: [DONE]\n\n"))).await;
    let base_url = provider.base_url();
    let (kit, customer, answerer) = installation(&with(&base_url, &[])).await;
    let (parts, mut seen) = mpsc::channel(64);
    let answer = answerer
        .answer(&customer, &ask(session(), QUESTION), Some(parts))
        .await
        .unwrap();
    let mut shown = String::new();
    while let Some(domain::answering::Part::Token(text)) = seen.recv().await {
        shown.push_str(&text);
    }
    assert_eq!(shown, "Parcels arrive within two to four working days [1].");
    assert_eq!(
        (answer.text.as_str(), answer.model.as_str(), answer.notes.as_slice()),
        (shown.as_str(), "gpt-4o", [].as_slice())
    );
    assert_eq!(answer.usage.tokens_in, 50);
    assert!(answer.usage.tokens_out > 5, "{:?}", answer.usage);
    let stored = format!("SELECT count(*) FROM messages WHERE role = 'assistant' AND text = '{shown}'");
    assert_eq!(kit.count(&stored).await, 1);
}

#[tokio::test]
async fn what_breaks_after_text_was_shown_is_an_error_and_nothing_half_is_kept() {
    let provider = Provider::start(Script::Fail(500)).await;
    let base_url = provider.base_url();
    let (kit, customer, answerer) = installation(&with(&base_url, &[("CHAT_PRICES", "gpt-4o=10/20")])).await;
    let half = ["Two to four days [1]. ", "Bulky goods "];
    for script in [
        Script::breaking(&half),
        Script::ending(&half, "content_filter"),
        Script::ending(&half, "tool_calls"),
    ] {
        let what = format!("{script:?}");
        provider.follow(script);
        let error = answerer
            .answer(&customer, &ask(session(), QUESTION), None)
            .await
            .expect_err(&what);
        assert_eq!(error.code(), "provider_broke_off", "{what}");
    }
    assert_eq!(
        kit.count("SELECT count(*) FROM messages WHERE role = 'assistant'")
            .await,
        0
    );
    assert!(
        number(&kit, "SELECT sum(cost_usd) FROM usage_daily").await > 0.0,
        "the provider's work costs all the same"
    );
    assert_eq!(
        kit.count("SELECT count(*) FROM usage_daily WHERE reserved_usd > 1e-9")
            .await,
        0
    );
}

#[tokio::test]
async fn where_nothing_is_limited_no_text_waits_for_the_day_that_all_answers_share() {
    let provider = Provider::start(say(&["Parcels arrive within two to four working days [1]."])).await;
    let base_url = provider.base_url();
    let (kit, customer, answerer) = installation(&with(&base_url, &[("CHAT_PRICES", "gpt-4o=10/20")])).await;
    let before = ask(session(), QUESTION);
    answerer.answer(&customer, &before, None).await.unwrap();
    let day = kit.db.system().await.unwrap();
    day.execute_unprepared("SELECT FROM usage_daily FOR UPDATE")
        .await
        .unwrap();
    let (parts, mut seen) = mpsc::channel(64);
    let question = ask(session(), "How many days does a delivery take?");
    let (answer, shown) = tokio::join!(answerer.answer(&customer, &question, Some(parts)), async {
        let first = tokio::time::timeout(Duration::from_mins(1), seen.recv()).await;
        // Only now may anything be counted.
        drop(day);
        while seen.recv().await.is_some() {}
        first
    });
    assert!(
        matches!(shown, Ok(Some(domain::answering::Part::Token(_)))),
        "{shown:?}"
    );
    assert_eq!(answer.unwrap().model, "gpt-4o");
    assert_eq!(kit.count("SELECT sum(chats)::bigint FROM usage_daily").await, 2);
    assert!(number(&kit, "SELECT sum(cost_usd) FROM usage_daily").await > 0.0);
}

#[tokio::test]
async fn what_a_model_thinks_aloud_is_no_answer() {
    let provider = Provider::start(say(&["<think>Parcels arrive within four working days, ", "I believe."])).await;
    let base_url = provider.base_url();
    let (_kit, customer, answerer) = installation(&with(&base_url, &[])).await;
    let answer = answerer
        .answer(&customer, &ask(session(), QUESTION), None)
        .await
        .unwrap();
    is_quoted(&answer, Note::ProviderUnavailable);

    provider.follow(say(&[
        "<thi",
        "nk>Bulky goods take a week. If they do not say, NO_",
        "ANSWER.</th",
        "ink>\n\nParcels arrive within two to four ",
        "working days [1].",
    ]));
    let answer = answerer
        .answer(&customer, &ask(session(), QUESTION), None)
        .await
        .unwrap();
    assert_eq!(answer.text, "Parcels arrive within two to four working days [1].");
    assert!(!answer.is_fallback());
}

#[tokio::test]
async fn an_answer_that_ran_out_of_tokens_says_so() {
    let provider = Provider::start(Script::ending(
        &["Parcels arrive within two to four working days [1]."],
        "length",
    ))
    .await;
    let base_url = provider.base_url();
    let (kit, customer, answerer) = installation(&with(&base_url, &[])).await;
    let answer = answerer
        .answer(&customer, &ask(session(), QUESTION), None)
        .await
        .unwrap();
    assert_eq!(answer.notes, [Note::CutShort]);
    assert!(!answer.is_fallback() && answer.model == "gpt-4o");
    assert!(
        answer.usage.tokens_in > 50 && answer.usage.tokens_out > 5,
        "counted here: {:?}",
        answer.usage
    );
    assert_eq!(
        kit.count("SELECT count(*) FROM answer_receipts WHERE notes = '{cut_short}'")
            .await,
        1
    );
}

#[tokio::test]
async fn nobody_waits_for_a_provider_that_keeps_failing() {
    let provider = Provider::start(Script::Fail(401)).await;
    let base_url = provider.base_url();
    let (_kit, customer, answerer) = installation(&with(&base_url, &[])).await;
    for _ in 0..7 {
        let answer = answerer
            .answer(&customer, &ask(session(), QUESTION), None)
            .await
            .unwrap();
        is_quoted(&answer, Note::ProviderUnavailable);
    }
    assert_eq!(provider.asked().len(), 5);
    let circuits = answerer.models().unwrap().circuits();
    assert_eq!(circuits, [("gpt-4o", domain::answering::Circuit::Open)]);
}

#[tokio::test]
async fn a_question_goes_to_the_model_of_its_size_and_a_large_one_that_is_away_gives_way() {
    let provider = Provider::start(say(&["Two to four working days [1]."])).await;
    let base_url = provider.base_url();
    let models = [("CHAT_MODEL", "large"), ("CHAT_MODEL_SMALL", "small")];
    let (_kit, customer, answerer) = installation(&with(&base_url, &models)).await;
    let comparison = "Why does delivery of bulky goods take a week?";
    for (question, model) in [(QUESTION, "small"), (comparison, "large")] {
        let answer = answerer
            .answer(&customer, &ask(session(), question), None)
            .await
            .unwrap();
        assert_eq!(answer.model, model, "{question}");
        assert_eq!(provider.asked().last().unwrap()["model"], model);
    }
    provider.follow(Script::Known(
        "small".into(),
        vec!["Bulky goods take a week [1].".into()],
    ));
    let answer = answerer
        .answer(&customer, &ask(session(), comparison), None)
        .await
        .unwrap();
    assert_eq!((answer.model.as_str(), answer.is_fallback()), ("small", false));
}

#[tokio::test]
async fn tokens_and_cost_are_counted_for_the_answer_and_the_day() {
    let provider = Provider::start(say(&["Two to ", "four ", "working days [1]."])).await;
    let base_url = provider.base_url();
    let (kit, customer, answerer) = installation(&with(&base_url, &[("CHAT_PRICES", "gpt-4o=10/20")])).await;
    let answer = answerer
        .answer(&customer, &ask(session(), QUESTION), None)
        .await
        .unwrap();
    let cost = (100.0 * 10.0 + 3.0 * 20.0) / 1e6;
    assert!((answer.usage.cost_usd - cost).abs() < 1e-12);
    for query in [
        "SELECT cost_usd FROM answer_receipts",
        "SELECT (usage->>'cost_usd')::float8 FROM messages WHERE role = 'assistant'",
        "SELECT sum(cost_usd) FROM usage_daily",
    ] {
        assert!((number(&kit, query).await - cost).abs() < 1e-9, "{query}");
    }
    assert_eq!(
        kit.count("SELECT count(*) FROM usage_daily WHERE reserved_usd > 1e-9")
            .await,
        0
    );
    answerer
        .answer(&customer, &ask(session(), QUESTION), None)
        .await
        .unwrap();
    let days = usage_between(&kit.db, &customer, None, None).await.unwrap();
    assert_eq!(days.len(), 1);
    assert_eq!((days[0].chats, days[0].tokens_in, days[0].tokens_out), (2, 200, 6));
    let other = kit.customer("other.example").await;
    assert!(usage_between(&kit.db, &other, None, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_visitor_left_behind_is_counted_as_well() {
    let provider = Provider::start(Script::Hang("Two to four working days [1]. Bulky ".into())).await;
    let base_url = provider.base_url();
    let (kit, customer, answerer) = installation(&with(&base_url, &[("CHAT_PRICES", "gpt-4o=10/20")])).await;
    let life = Lifecycle::new();
    let answerer = answerer.under(&life);
    let (parts, mut seen) = mpsc::channel(64);
    let question = ask(session(), QUESTION);
    tokio::select! {
        _ = answerer.answer(&customer, &question, Some(parts)) => panic!("the provider hangs"),
        first = seen.recv() => assert!(first.is_some()),
    }
    eventually("the cost of what was left", || async {
        let counted = "SELECT count(*) FROM usage_daily WHERE cost_usd > 0 AND tokens_in > 50 AND reserved_usd < 1e-9";
        (kit.count(counted).await == 1).then_some(())
    })
    .await;
    provider.left(1).await;
}

/// An answer of 50 tokens at 1 USD each, which is also the most that may be set aside.
async fn dear(budget: &str) -> (Provider, Kit, domain::tenancy::Customer, domain::answering::Answerer) {
    let mut pieces = vec!["Two to four working days [1]. ".to_owned()];
    pieces.extend((0..49).map(|_| "\n".to_owned()));
    let provider = Provider::start(Script::Say(pieces)).await;
    let base_url = provider.base_url();
    let settings = [
        ("CHAT_MODEL", "large"),
        ("CHAT_MODEL_SMALL", "small"),
        ("CHAT_PRICES", "large=0/1000000,small=0/100000"),
        ("CHAT_MAX_TOKENS", "50"),
        ("CHAT_BUDGET_USD", budget),
    ];
    let (kit, customer, answerer) = installation(&with(&base_url, &settings)).await;
    (provider, kit, customer, answerer)
}

#[tokio::test]
async fn questions_that_come_together_never_exceed_the_budget_together() {
    // 5 USD an answer of the small model: ten fit into 52 USD.
    let (provider, kit, customer, answerer) = dear("52").await;
    let questions: Vec<_> = (0..50).map(|_| ask(session(), QUESTION)).collect();
    let answers = join_all(
        questions
            .iter()
            .map(|question| answerer.answer(&customer, question, None)),
    )
    .await;
    let answers: Vec<Answer> = answers.into_iter().map(Result::unwrap).collect();
    let written = answers.iter().filter(|answer| answer.model == "small").count();
    assert_eq!((written, provider.asked().len()), (10, 10));
    for quoted in answers.iter().filter(|answer| answer.model != "small") {
        is_quoted(quoted, Note::BudgetReached);
    }
    assert!((number(&kit, "SELECT sum(cost_usd) FROM usage_daily").await - 50.0).abs() < 1e-6);
    assert_eq!(
        kit.count("SELECT count(*) FROM usage_daily WHERE stopped_at IS NOT NULL AND warned_at IS NOT NULL")
            .await,
        1
    );
    assert_eq!(
        kit.count("SELECT count(*) FROM answer_receipts WHERE notes = '{budget_reached}'")
            .await,
        40
    );
}

#[tokio::test]
async fn past_the_soft_limit_the_small_model_answers_and_past_the_hard_one_the_site() {
    // 50 USD an answer of the large model, warned of at 80 USD.
    let (_provider, kit, customer, answerer) = dear("100").await;
    let question = "Why does delivery take so long?";
    let mut told = Vec::new();
    for _ in 0..2 {
        let answer = answerer
            .answer(&customer, &ask(session(), question), None)
            .await
            .unwrap();
        told.push((answer.model, answer.notes));
    }
    let want = [
        ("large".to_owned(), vec![]),
        ("small".to_owned(), vec![Note::BudgetLow]),
    ];
    assert_eq!(told, want);
    // An operator's limit for this customer goes before the installation's, without a restart.
    let (soft_usd, hard_usd) = (None, Some(60.0));
    set_budget(
        &kit.db,
        customer.id,
        CustomerBudget { soft_usd, hard_usd },
        Operator::named("test"),
    )
    .await
    .unwrap();
    let answer = answerer
        .answer(&customer, &ask(session(), question), None)
        .await
        .unwrap();
    assert_eq!(
        (answer.model.as_str(), answer.notes.as_slice()),
        ("extractive", [Note::BudgetReached].as_slice())
    );
    let other = kit.customer("other.example").await;
    assert!(domain::answering::budget_of(&kit.db, other.id).await.unwrap() == CustomerBudget::default());
}

#[tokio::test]
async fn a_message_costs_what_the_day_counts_for_it() {
    let provider = Provider::start(say(&["Two to four working days [1]."])).await;
    let base_url = provider.base_url();
    let (kit, customer, answerer) =
        installation(&with(&base_url, &[("CHAT_PRICES", "gpt-4o=10/20,gpt-4o-mini=1/2")])).await;
    let (same, other) = (session(), session());
    let (mut counted, mut of_same) = (0.0, 0.0);
    // By itself; then understood by a call of its own; then by one that is billed and says nothing.
    for (session, question, script, calls) in [
        (same, QUESTION, say(&["Two to four working days [1]."]), 1),
        (
            same,
            "and bulky goods?",
            say(&["How long does delivery of bulky goods take?"]),
            2,
        ),
        (other, QUESTION, Script::ending(&[], "stop"), 1),
    ] {
        provider.follow(script);
        let before = provider.asked().len();
        let answer = answerer.answer(&customer, &ask(session, question), None).await.unwrap();
        assert!(provider.asked().len() >= before + calls, "{question}: {}", answer.text);
        let day = number(&kit, "SELECT sum(cost_usd) FROM usage_daily").await;
        let (cost, spent) = (answer.usage.cost_usd, day - counted);
        assert!(
            cost > 0.0 && (spent - cost).abs() < 1e-8,
            "{question}: {cost} of {spent}"
        );
        counted = day;
        if session == same {
            of_same = day;
        }
        let tx = kit.db.tenant(&customer).await.unwrap();
        let sum = domain::answering::spent(&tx, answer.conversation).await.unwrap();
        let told = if session == same { of_same } else { cost };
        assert!((sum.cost_usd - told).abs() < 1e-8, "{question}: {sum:?}");
    }
}

#[tokio::test]
async fn who_asks_is_known_to_have_no_budget_until_one_is_set() {
    let kit = Kit::start().await;
    let customer = kit.customer("shop.example").await;
    let key = kit.key(&customer, &[Scope::Chat]).await;
    let visitor = VisitorSession {
        customer: customer.id,
        session: session(),
        origin: customer.domain.clone(),
        domain: customer.domain.clone(),
        locale: None,
        began: 0,
        expires: i64::MAX,
    };
    let known = async || {
        let Principal::Key { customer, .. } = authenticate(&kit.db, &key, &kit.clock()).await.unwrap() else {
            panic!("a key's principal");
        };
        [customer, visitor.customer(&kit.db).await.unwrap()].map(|one| one.unlimited)
    };
    assert_eq!(known().await, [true, true]);
    for (soft_usd, hard_usd) in [(Some(1.0), None), (None, Some(2.0)), (None, None)] {
        let budget = CustomerBudget { soft_usd, hard_usd };
        set_budget(&kit.db, customer.id, budget, Operator::named("test"))
            .await
            .unwrap();
        let free = budget == CustomerBudget::default();
        assert_eq!(known().await, [free, free], "{budget:?}");
    }
    assert!(!customer.unlimited, "whoever is read otherwise is looked up");
}
