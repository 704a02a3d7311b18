//! The local model: what its vectors are and what they mean.

use embedding::{Embedder, Kind};

use crate::support::{cosine, local, texts};

/// A text's vector does not depend on what it is computed with, but for the order in which a processor adds.
const SAME: f32 = 0.9999;

#[tokio::test]
async fn vectors_have_the_models_dimension_and_length_one() {
    let local = local();
    assert_eq!(local.model().dimension, 384);
    assert_eq!(local.model().max_tokens, 256);
    let vectors = local
        .embed(Kind::Passage, &texts(&["a red shoe", "", "1", "日本語"]))
        .await
        .unwrap();
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        assert_eq!(vector.len(), 384);
        assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-4);
    }
}

#[tokio::test]
async fn like_sentences_are_closer_than_unlike_ones() {
    let local = local();
    let passages = texts(&[
        "Parcels arrive within three to five working days.",
        "Unworn articles can be sent back within thirty days.",
        "The shop was founded in 1984 by two brothers.",
    ]);
    let queries = texts(&[
        "How long is the delivery time?",
        "Can I return my shoes?",
        "Who started the company?",
    ]);
    let passages = local.embed(Kind::Passage, &passages).await.unwrap();
    let queries = local.embed(Kind::Query, &queries).await.unwrap();
    for (own, query) in queries.iter().enumerate() {
        for (other, passage) in passages.iter().enumerate().filter(|(other, _)| *other != own) {
            let (near, far) = (cosine(query, &passages[own]), cosine(query, passage));
            assert!(
                near > far + 0.1,
                "query {own}: {near} for its passage, {far} for passage {other}"
            );
        }
    }
}

#[tokio::test]
async fn a_batch_gives_each_text_its_own_vector_in_order() {
    let local = local();
    let many: Vec<String> = (0..20)
        .map(|i| {
            format!(
                "{} costs {i} euros{}",
                ["a shoe", "a lamp", "insurance"][i % 3],
                ", all included".repeat((i * 7) % 20)
            )
        })
        .collect();
    let together = local.embed(Kind::Passage, &many).await.unwrap();
    assert_eq!(together.len(), many.len());
    for (text, vector) in many.iter().zip(&together) {
        let alone = local.embed(Kind::Passage, std::slice::from_ref(text)).await.unwrap();
        let same = cosine(&alone[0], vector);
        assert!(same >= SAME, "{text}: {same}");
    }
}

#[tokio::test]
async fn no_texts_give_no_vectors() {
    assert!(local().embed(Kind::Passage, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn tokens_are_counted_with_their_marks_and_without_a_cut() {
    let local = local();
    assert_eq!(local.count_tokens(""), 2);
    assert_eq!(local.count_tokens("hello world"), 4);
    assert_eq!(local.count_tokens(&"word ".repeat(1000)), 1002);
}

#[tokio::test]
async fn exactly_256_tokens_of_a_text_are_read() {
    let local = local();
    let start = "word ".repeat(253);
    let read = local
        .embed(
            Kind::Passage,
            &texts(&[&format!("{start}lamp"), &format!("{start}shoe")]),
        )
        .await
        .unwrap();
    assert_ne!(read[0], read[1], "the last word fits");
    let start = format!("{start}lamp ");
    assert_eq!(local.count_tokens(&start), 256);
    let cut = [
        start.clone(),
        format!("{start}shoe"),
        format!("{start}{}", "and more of it ".repeat(2000)),
    ];
    let cut = local.embed(Kind::Passage, &cut).await.unwrap();
    assert_eq!(cut[0], cut[1], "what follows is not read");
    assert_eq!(cut[0], cut[2]);
}

#[tokio::test]
async fn a_query_does_not_wait_for_passages() {
    let local = local();
    let passages = vec!["a long passage about delivery times and returns ".repeat(25); 64];
    let mut indexing = Box::pin(local.embed(Kind::Passage, &passages));
    let mut query = Box::pin(local.embed(Kind::Query, &passages[..1]));
    let first = tokio::select! {
        biased;
        vectors = &mut indexing => vectors.map(|_| "passages"),
        vectors = &mut query => vectors.map(|_| "query"),
    };
    assert_eq!(first.unwrap(), "query");
    assert_eq!(indexing.await.unwrap().len(), 64);
}

/// One text at a time in each session: however many there are, working memory is that of a few.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn many_long_passages_take_little_memory() {
    const MIB: u64 = 1024;
    let local = local();
    let memory = |key: &str| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let idle = memory("VmRSS");
    let passages = vec!["a long passage about delivery times and returns ".repeat(32); 64];
    local.embed(Kind::Passage, &passages).await.unwrap();
    let peak = memory("VmHWM");
    assert!(peak - idle < 100 * MIB, "idle {idle} KiB, peak {peak} KiB");
}

/// The scale that other models are brought to.
#[tokio::test]
async fn the_pairs_have_these_means_by_minilm() {
    use embedding::scale;
    let (means, spent) = scale::measure(&local()).await.unwrap();
    assert!((means.related - scale::RELATED).abs() < 0.01, "{means:?}");
    assert!((means.unrelated - scale::UNRELATED).abs() < 0.01, "{means:?}");
    assert_eq!(spent, embedding::Spent::default());
}
