//! Whole answers.
use chat_model::{Answer, Ending, Error, Usage};

use crate::provider::{Provider, Step, finish, question, request, say, stream, text, whole};

pub async fn read(mut answer: Answer) -> Result<(String, Answer), Error> {
    let mut text = String::new();
    while let Some(more) = answer.next().await? {
        text.push_str(&more);
    }
    Ok((text, answer))
}

#[tokio::test]
async fn an_answer_comes_piece_by_piece_with_its_tokens() {
    let mut script = whole();
    script.insert(
        4,
        say("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}\n\n"),
    );
    let provider = Provider::start([script]).await;
    let messages = question();
    let mut answer = provider.model().chat(&request(&messages)).await.unwrap();
    assert_eq!(answer.next().await.unwrap().as_deref(), Some("Two "));
    assert_eq!(answer.next().await.unwrap().as_deref(), Some("days."));
    assert_eq!(answer.next().await.unwrap(), None);
    assert_eq!(answer.next().await.unwrap(), None);
    let (tokens_in, tokens_out) = (9, 2);
    assert_eq!(
        (answer.usage(), answer.ending()),
        (Some(Usage { tokens_in, tokens_out }), Ending::Stop)
    );

    let asked = &provider.asked()[0];
    assert!(
        asked.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{}",
        asked.head
    );
    assert!(asked.head.contains("authorization: Bearer the-secret-key\r\n"));
    assert_eq!(asked.body["messages"][0]["content"], "How long?");
    assert_eq!(
        (&asked.body["stream"], &asked.body["stream_options"]["include_usage"]),
        (&true.into(), &true.into())
    );
}

#[tokio::test]
async fn the_connection_is_used_again() {
    let provider = Provider::start([whole()]).await;
    let (model, messages) = (provider.model(), question());
    for _ in 0..3 {
        read(model.chat(&request(&messages)).await.unwrap()).await.unwrap();
    }
    let connections: Vec<usize> = provider.asked().iter().map(|asked| asked.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}

#[tokio::test]
async fn either_word_for_the_end_makes_an_answer_whole() {
    let done = say("data: [DONE]");
    let endings = [
        vec![done, Step::End],
        vec![finish("stop"), Step::End],
        // The wire is cut after the answer's end.
        vec![finish("eos")],
        // Neither [DONE] nor an end of the wire.
        vec![finish("stop"), Step::Hang],
        vec![say("data: [DONE]\n\n"), Step::Hang],
    ];
    for ending in endings {
        let what = format!("{ending:?}");
        let provider = Provider::start([[vec![stream(), text("Yes.")], ending].concat()]).await;
        let messages = question();
        let answer = provider.model().chat(&request(&messages)).await.unwrap();
        assert_eq!(read(answer).await.unwrap().0, "Yes.", "{what}");
    }
}

#[tokio::test]
async fn an_answer_that_ran_out_of_tokens_says_so() {
    let provider = Provider::start([vec![stream(), text("It is"), finish("length"), Step::End]]).await;
    let messages = question();
    let (text, answer) = read(provider.model().chat(&request(&messages)).await.unwrap())
        .await
        .unwrap();
    assert_eq!((text.as_str(), answer.ending()), ("It is", Ending::Length));
}

#[tokio::test]
async fn an_answer_without_text_is_whole_and_empty() {
    let provider = Provider::start([vec![stream(), finish("stop"), Step::End]]).await;
    let messages = question();
    assert_eq!(
        read(provider.model().chat(&request(&messages)).await.unwrap())
            .await
            .unwrap()
            .0,
        ""
    );
}

#[tokio::test]
async fn characters_may_be_cut_anywhere() {
    let provider = Provider::start([{
        let Step::Say(event) = text("Größe 42 €") else {
            unreachable!()
        };
        let mut script = vec![stream()];
        script.extend(event.iter().map(|byte| Step::Say(vec![*byte])));
        script.extend([finish("stop"), Step::End]);
        script
    }])
    .await;
    let messages = question();
    assert_eq!(
        read(provider.model().chat(&request(&messages)).await.unwrap())
            .await
            .unwrap()
            .0,
        "Größe 42 €"
    );
}

#[tokio::test]
async fn who_drops_an_answer_ends_the_provider_s_work() {
    let provider = Provider::start([
        vec![stream(), text("Two "), Step::Hang],
        vec![stream(), Step::Hang],
        vec![Step::Hang],
    ])
    .await;
    let (model, messages) = (provider.model(), question());
    let mut answer = model.chat(&request(&messages)).await.unwrap();
    answer.next().await.unwrap();
    drop(answer);
    provider.left(1).await;
    // Before the first token, and before the head.
    for n in [2, 3] {
        let asked = request(&messages);
        let mut asking = Box::pin(model.chat(&asked));
        while provider.asked().len() < n {
            tokio::select! {
                _ = &mut asking => panic!("the provider hangs"),
                () = tokio::time::sleep(std::time::Duration::from_millis(5)) => {}
            }
        }
        drop(asking);
        provider.left(n).await;
    }
}
