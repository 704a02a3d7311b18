//! A worker that was configured with another embedding model changes the indexes that it finds.
use crate::support::{Running, World, link, words};
use async_trait::async_trait;
use domain::{
    jobs::{self, Operator, state},
    learning::golden::{self, Change},
    lifecycle::Lifecycle,
    pages::request::ScrapeRequest,
    retrieval::{Loader, Mode, Searcher},
};
use embedding::{Embedder, Kind, Model, local::Known};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use testkit::{Page, Site, eventually, local_model};
use tokio::sync::Semaphore;
use worker::{Context, Worker};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_another_model_changes_every_index_to_it() {
    let site = Site::start([
        (
            "/",
            Page::html(
                "Shop",
                "<p>Parcels are sent to Norway within five days.</p><a href=\"/returns\">Returns</a>",
            ),
        ),
        (
            "/returns",
            Page::html("Returns", "<p>You can send back anything for sixty days.</p>"),
        ),
    ])
    .await;
    let minilm = local_model().await;
    let world = World::with(&site, &[], Some(minilm.clone())).await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    worker.stop().await;

    let loader: Loader = Arc::new(move |_| {
        let minilm = minilm.clone();
        Box::pin(async move { Some(minilm) })
    });
    let e5 = testkit::model(Known::E5Small).await;
    let searcher = Searcher::with_loader(world.kit.db.clone(), Some(e5), Some(loader))
        .await
        .unwrap();
    let search = async |question: &str| {
        let found = searcher
            .search(&world.customer, question, Mode::Hybrid, 3)
            .await
            .unwrap();
        assert_eq!(found.mode, "hybrid");
        found.passages[0].url.clone()
    };
    assert!(search("may I send something back").await.ends_with("/returns"));

    let config = Arc::new(world.kit.config.clone());
    let ctx = Context::new(
        config,
        world.kit.db.clone(),
        world.kit.dispatcher.clone(),
        searcher.clone(),
    )
    .unwrap();
    let life = Lifecycle::new();
    let task = life.spawn(Worker::new(ctx, life.clone()).run());
    let worker = Running::of(life, task);
    let job = eventually("the end of the change", || async {
        let filter = jobs::Filter::default();
        let all = jobs::list(&world.tx().await, &filter, 99).await.unwrap();
        all.into_iter()
            .find(|job| job.payload.get("model").is_some() && state::is_final(&job.state))
    })
    .await;
    assert_eq!(job.state, "done", "{:?}", job.error);
    let result = job.result.unwrap();
    assert_eq!(
        (&result["model"], &result["chunks"]),
        (&"multilingual-e5-small".into(), &2.into())
    );
    assert_eq!((&job.progress["done"], &job.progress["total"]), (&2.into(), &2.into()));
    assert!(
        search("Wie lange kann ich etwas zurückschicken?")
            .await
            .ends_with("/returns")
    );

    // What is crawled from now on has vectors of the new model.
    site.set(
        "/returns",
        Page::html("Returns", "<p>You can send back anything for ninety days.</p>"),
    );
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    let old = "SELECT count(*) FROM page_embeddings e JOIN customer_configs c ON c.id = e.customer_id
        WHERE e.model_id IS DISTINCT FROM c.embedding_model_id";
    assert_eq!(world.kit.count(old).await, 0);
    assert_eq!(world.kit.count("SELECT count(*) FROM next_embeddings").await, 0);
    worker.stop().await;
}

/// To this one nothing is near to any question.
struct Blind(Model);

#[async_trait]
impl Embedder for Blind {
    fn model(&self) -> &Model {
        &self.0
    }

    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, embedding::Error> {
        let at = usize::from(kind == Kind::Query);
        let mut vector = vec![0.0; self.0.dimension];
        vector[at] = 1.0;
        Ok(vec![vector; texts.len()])
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_loses_a_golden_answer_waits_for_a_person_and_the_old_vectors_answer_meanwhile() {
    const QUESTION: &str = "How many days do I have to return something?";
    let text = "<p>You can send back anything for sixty days.</p>";
    let site = Site::start([("/", Page::html("Sending things back", text))]).await;
    let minilm = local_model().await;
    let world = World::with(&site, &[], Some(minilm.clone())).await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    worker.stop().await;
    let by = Operator {
        actor: "key:1",
        ip: None,
    };
    let tx = world.tx().await;
    let new = Change {
        question: Some(QUESTION.into()),
        urls: Some(vec![site.url("/")]),
        phrases: Some(Vec::new()),
    };
    golden::create(&tx, &new, by).await.unwrap();
    tx.commit().await.unwrap();

    let blind = Model {
        name: "blind".into(),
        ..minilm.model().clone()
    };
    let loader: Loader = Arc::new(move |_| {
        let minilm = minilm.clone();
        Box::pin(async move { Some(minilm) })
    });
    let searcher = Searcher::with_loader(world.kit.db.clone(), Some(Arc::new(Blind(blind))), Some(loader))
        .await
        .unwrap();
    let config = Arc::new(world.kit.config.clone());
    let (db, dispatcher) = (world.kit.db.clone(), world.kit.dispatcher.clone());
    let ctx = Context::new(config, db, dispatcher, searcher.clone()).unwrap();
    let life = Lifecycle::new();
    let task = life.spawn(Worker::new(ctx, life.clone()).run());
    let worker = Running::of(life, task);
    let change = async |what: &str, wanted: &dyn Fn(&str) -> bool| {
        eventually(what, || async {
            let all = jobs::list(&world.tx().await, &jobs::Filter::default(), 99)
                .await
                .unwrap();
            all.into_iter()
                .find(|job| job.payload.get("model").is_some() && wanted(&job.state))
        })
        .await
    };
    let job = change("the change to be held or to end", &|now| {
        now == state::NEEDS_CONFIRMATION || state::is_final(now)
    })
    .await;
    assert_eq!(job.state, state::NEEDS_CONFIRMATION, "{:?} {:?}", job.error, job.result);
    let held = &job.result.unwrap()["held"];
    assert_eq!(held["golden"][0]["question"], QUESTION, "{held}");
    let old =
        "SELECT count(*) FROM page_embeddings e JOIN embedding_models m ON m.id = e.model_id WHERE m.name <> 'blind'";
    assert_eq!(world.kit.count(old).await, 1, "what answers is as it was");
    let found = searcher
        .search(&world.customer, QUESTION, Mode::Vector, 3)
        .await
        .unwrap();
    assert!(found.passages[0].cosine.unwrap() > 0.3, "{:?}", found.passages[0]);

    let tx = world.tx().await;
    jobs::confirm(&tx, job.id, by).await.unwrap();
    tx.commit().await.unwrap();
    let job = change("the change to end", &state::is_final).await;
    assert_eq!(job.state, "done", "{:?}", job.error);
    assert_eq!(world.kit.count(old).await, 0);
    worker.stop().await;
}

/// As [`Blind`], once it is told to begin.
struct Gate {
    model: Blind,
    asked: AtomicBool,
    open: Semaphore,
}

#[async_trait]
impl Embedder for Gate {
    fn model(&self) -> &Model {
        self.model.model()
    }

    async fn embed(&self, kind: Kind, texts: &[String]) -> Result<Vec<Vec<f32>>, embedding::Error> {
        self.asked.store(true, SeqCst);
        let _open = self.open.acquire().await;
        self.model.embed(kind, texts).await
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.model.count_tokens(text)
    }
}

/// An index has hours of chunks; what somebody waits for is not behind them.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_gives_way_to_what_waits_to_be_embedded() {
    const PAGES: usize = 70;
    let page = |n: usize| {
        (
            format!("/{n}"),
            Page::html(&format!("Page {n}"), &words(&format!("item{n}"))),
        )
    };
    let links: String = (0..PAGES).map(|n| link(&format!("/{n}"))).collect();
    let home = ("/".to_owned(), Page::html("Home", &format!("{}{links}", words("home"))));
    let site = Site::start(std::iter::once(home).chain((0..PAGES).map(page))).await;
    let minilm = local_model().await;
    let world = World::with(&site, &[], Some(minilm.clone())).await;
    world.without_the_clock().await;
    let worker = world.worker();
    world.crawl(&ScrapeRequest::of(site.url("/"))).await;
    worker.stop().await;

    let model = Model {
        name: "blind".into(),
        ..minilm.model().clone()
    };
    let gate = Arc::new(Gate {
        model: Blind(model),
        asked: AtomicBool::new(false),
        open: Semaphore::new(0),
    });
    let loader: Loader = Arc::new(move |_| {
        let minilm = minilm.clone();
        Box::pin(async move { Some(minilm) })
    });
    let searcher = Searcher::with_loader(world.kit.db.clone(), Some(gate.clone()), Some(loader))
        .await
        .unwrap();
    let config = Arc::new(world.kit.config.clone());
    let (db, dispatcher) = (world.kit.db.clone(), world.kit.dispatcher.clone());
    let ctx = Context::new(config, db, dispatcher, searcher).unwrap();
    let life = Lifecycle::new();
    let task = life.spawn(Worker::new(ctx, life.clone()).run());
    let worker = Running::of(life, task);
    eventually("the first chunks of the change", || async {
        gate.asked.load(SeqCst).then_some(())
    })
    .await;
    // As if all places were taken.
    let by = Operator::named("test");
    jobs::limit_queue(&world.kit.db, jobs::Kind::Embed, Some(1), None, by)
        .await
        .unwrap();
    let tx = world.tx().await;
    let new = jobs::NewJob {
        priority: jobs::NOW,
        run_at: Some(world.kit.clock().now() - Duration::from_secs(5)),
        ..jobs::NewJob::new(
            world.customer.id,
            jobs::Payload::Embed {
                page_ids: vec![],
                force: false,
            },
        )
    };
    let urgent = jobs::submit(&*tx, &new).await.unwrap().id;
    tx.commit().await.unwrap();
    gate.open.add_permits(1);
    assert_eq!(world.ended(urgent).await.state, "done");
    let gave_way = "SELECT count(*) FROM job_events e JOIN jobs j ON j.id = e.job_id
        WHERE j.payload ? 'model' AND e.kind = 'queued' AND e.data->>'reason' = 'it gave way'";
    assert_eq!(world.kit.count(gave_way).await, 1);
    eventually("the end of the change", || async {
        let changed = "SELECT count(*) FROM jobs WHERE payload ? 'model' AND state = 'done'";
        (world.kit.count(changed).await == 1).then_some(())
    })
    .await;
    worker.stop().await;
}
