//! The model of many languages.

use embedding::{Embedder, Kind, local::Known};

use crate::support::{cosine, model, texts};

#[tokio::test]
async fn a_question_finds_its_answer_in_another_language() {
    let e5 = model(Known::E5Small);
    assert!(e5.model().multilingual && !Known::MiniLm.model().multilingual);
    let passages = texts(&[
        "Parcels arrive within three to five working days.",
        "Unworn articles can be sent back within thirty days.",
        "The shop was founded in 1984 by two brothers.",
    ]);
    let passages = e5.embed(Kind::Passage, &passages).await.unwrap();
    let questions = [
        (0, "Wie lange dauert die Lieferung?"),
        (1, "¿Puedo devolver los zapatos?"),
        (2, "Qui a fondé le magasin ?"),
        (0, "配達にはどのくらいかかりますか。"),
        (1, "Можно ли вернуть товар?"),
    ];
    for (own, question) in questions {
        let vector = e5.embed(Kind::Query, &texts(&[question])).await.unwrap().remove(0);
        let near = |passage: &Vec<f32>| cosine(&vector, passage);
        let best = (0..3).max_by(|a, b| near(&passages[*a]).total_cmp(&near(&passages[*b])));
        assert_eq!(
            best,
            Some(own),
            "{question}: {:?}",
            passages.iter().map(near).collect::<Vec<_>>()
        );
    }
}

/// What is decided by MiniLM's cosines is decided by the relevance of this model's.
#[tokio::test]
async fn relevance_tells_what_is_about_the_question_from_what_is_not() {
    let e5 = model(Known::E5Small);
    let passages = texts(&[
        "Delivery: parcels arrive within three to five working days.",
        "The Fjord 14 is a kayak of fibreglass for two.",
    ]);
    let passages = e5.embed(Kind::Passage, &passages).await.unwrap();
    let question = e5
        .embed(Kind::Query, &texts(&["How long does delivery take?"]))
        .await
        .unwrap();
    let cosines = [0, 1].map(|at| f64::from(cosine(&question[0], &passages[at])));
    assert!(
        cosines[1] > 0.7,
        "unrelated texts are near each other by this model: {cosines:?}"
    );
    let [about, not] = cosines.map(|cosine| e5.model().calibration.relevance(cosine));
    assert!(about > 0.45 && not < 0.2, "{about} and {not}, of {cosines:?}");
}

#[tokio::test]
async fn texts_are_cut_into_the_pieces_that_the_model_was_trained_with() {
    // By the model's own tokenizer: <s> ▁pass age : ▁Hello ▁world </s>, and its words in other scripts.
    let e5 = model(Known::E5Small);
    let counts =
        ["", "Hello world", "Lieferung", "日本語のテキスト", "Größe 42 – ﬁn™ ½"].map(|text| e5.count_tokens(text));
    assert_eq!(counts, [4, 6, 5, 8, 10]);
    assert_eq!(e5.count_tokens(&"word ".repeat(1000)), 1004);
}

#[tokio::test]
async fn questions_and_passages_are_told_apart() {
    let e5 = model(Known::E5Small);
    let text = texts(&["How long does delivery take?"]);
    let question = e5.embed(Kind::Query, &text).await.unwrap();
    let passage = e5.embed(Kind::Passage, &text).await.unwrap();
    assert!(cosine(&question[0], &passage[0]) < 0.999, "each has its prefix");
}

#[tokio::test]
async fn a_vector_does_not_depend_on_its_neighbours() {
    let e5 = model(Known::E5Small);
    let many: Vec<String> = (0..9)
        .map(|i| {
            format!(
                "Der Artikel {i} kostet {} Euro{}",
                i * 7,
                ", alles inbegriffen".repeat(i * 3)
            )
        })
        .collect();
    let together = e5.embed(Kind::Passage, &many).await.unwrap();
    for (text, vector) in many.iter().zip(&together) {
        let alone = e5.embed(Kind::Passage, std::slice::from_ref(text)).await.unwrap();
        let same = cosine(&alone[0], vector);
        assert!(same >= 0.9999, "{text}: {same}");
    }
}
