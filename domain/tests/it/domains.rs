//! Claims of hosts, their proofs by DNS and on the site, and what happens when a proof is gone.
use domain::{
    Result,
    error::Kind,
    pages::request::{FetchMode, ScrapeRequest, check_scrape, request_scrape},
    tenancy::{self, Customer, DomainRecord, HostName, NewCustomer, Proof, Prover, Verdict},
};
use futures::future::BoxFuture;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use std::{io, net::IpAddr, sync::Arc};
use testkit::{Kit, NameServer, Names, Page, Site};

/// Every name leads to this machine.
struct Here;

impl egress::Lookup for Here {
    fn lookup<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async { Ok(vec![[127, 0, 0, 1].into()]) })
    }
}

/// An installation, a name server that it asks, and a site at `shop.example:PORT`.
struct World {
    kit: Kit,
    names: NameServer,
    site: Site,
    prover: Prover,
    customer: Customer,
    record: DomainRecord,
}

impl World {
    async fn new() -> Self {
        let names = NameServer::start().await;
        let kit = Kit::with(&[("DNS_SERVERS", &names.address().to_string())]).await;
        let site = Site::start([("/", Page::html("Shop", "Boats"))]).await;
        let (_, port) = site
            .host()
            .rsplit_once(':')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        let host = format!("shop.example:{port}");
        let mut policy = egress::Policy::new("test");
        policy.allow = [host.clone(), format!("www.{host}")]
            .map(|at| at.parse().unwrap())
            .into();
        let client = egress::Client::with_lookup(policy, Arc::new(Here)).unwrap();
        let customer = kit.customer("a.example").await;
        let record = tenancy::add_domain(&kit.db, &customer, &host.parse().unwrap())
            .await
            .unwrap();
        Self {
            prover: Prover::new(&kit.config, client),
            kit,
            names,
            site,
            customer,
            record,
        }
    }

    fn host(&self) -> HostName {
        self.record.host.parse().unwrap()
    }

    async fn prove(&self) -> Result<Proof> {
        self.prover.prove(&self.record).await
    }

    /// What is said about the proof of `method` when it is looked at again.
    async fn check(&self, method: &str) -> Verdict {
        let record = DomainRecord {
            method: Some(method.into()),
            ..self.record.clone()
        };
        self.prover.check(&record).await
    }

    fn marked(&self) -> String {
        format!("omniops-verification={}", self.record.token)
    }

    fn file(&self, page: Page) {
        self.site.set("/.well-known/omniops.txt", page);
    }

    async fn sql(&self, text: &str) -> u64 {
        let tx = self.kit.db.system().await.unwrap();
        let done = tx.execute_raw(Statement::from_string(DbBackend::Postgres, text)).await;
        tx.commit().await.unwrap();
        done.unwrap().rows_affected()
    }

    async fn own(&self) -> DomainRecord {
        tenancy::own_domain(&self.kit.db, &self.customer, &self.host())
            .await
            .unwrap()
    }

    async fn actions(&self, action: &str) -> i64 {
        let count = format!("SELECT count(*) FROM audit_logs WHERE action = '{action}'");
        self.kit.count(&count).await
    }
}

const CHALLENGE: &str = "_omniops-challenge.shop.example";

#[tokio::test]
async fn a_txt_record_proves_a_domain() {
    let world = World::new().await;
    let (marked, token) = (world.marked(), world.record.token.clone());
    let unproved = world.prove().await.unwrap_err();
    assert_eq!(unproved.code(), "domain_not_proved");
    for place in [CHALLENGE, "/.well-known/omniops.txt", "<meta"] {
        assert!(unproved.public_message().contains(place), "{unproved}");
    }
    for wrong in [token.clone(), format!("{marked}x"), "omniops-verification=".into()] {
        world.names.set(CHALLENGE, Names::txt(wrong));
        assert!(world.prove().await.is_err());
    }
    world.names.set("shop.example", Names::txt(marked.clone()));
    assert!(world.prove().await.is_err(), "only the challenge's name counts");

    world.names.set(CHALLENGE, Names::txt(marked.clone()));
    assert_eq!(world.prove().await.unwrap(), Proof::Dns);
    let (first, second) = marked.split_at(10);
    let pieces = vec![vec!["v=spf1 -all".into()], vec![first.to_owned(), second.to_owned()]];
    world.names.set(CHALLENGE, Names::Txt(pieces));
    assert_eq!(world.prove().await.unwrap(), Proof::Dns, "a record of two strings");
    world.names.set(CHALLENGE, Names::Alias("proofs.host.example".into()));
    world.names.set("proofs.host.example", Names::txt(marked.clone()));
    assert_eq!(world.prove().await.unwrap(), Proof::Dns, "by an alias");
    // More than a datagram takes, so that it is asked for again by TCP.
    let mut many: Vec<_> = (0..20).map(|n| vec![format!("{n}{}", "x".repeat(100))]).collect();
    many.push(vec![marked.clone()]);
    world.names.set(CHALLENGE, Names::Txt(many));
    assert_eq!(world.prove().await.unwrap(), Proof::Dns, "by TCP");
}

#[tokio::test]
async fn answers_of_resolvers_are_bounded_and_their_failures_say_nothing() {
    let world = World::new().await;
    let mut flood: Vec<_> = (0..200).map(|n| vec![n.to_string()]).collect();
    flood.push(vec![world.marked()]);
    world.names.set(CHALLENGE, Names::Txt(flood));
    assert!(
        matches!(world.check("dns").await, Verdict::Absent(_)),
        "nobody reads that far"
    );
    let long = vec![vec![format!("{}=", "x".repeat(250)), "x".repeat(255), "x".repeat(255)]];
    world.names.set(CHALLENGE, Names::Txt(long));
    assert!(matches!(world.check("dns").await, Verdict::Absent(_)));
    for nothing in [Names::Failure, Names::Silence] {
        world.names.set(CHALLENGE, nothing);
        assert!(matches!(world.check("dns").await, Verdict::Unknown(_)));
    }
    for other in ["a.example", "b.example"] {
        world.names.set(CHALLENGE, Names::Alias(other.into()));
        world.names.set(other, Names::Alias(CHALLENGE.into()));
    }
    assert!(
        !matches!(world.check("dns").await, Verdict::Shown(_)),
        "a ring of aliases ends"
    );
}

#[tokio::test]
async fn a_file_proves_a_domain_if_the_host_itself_serves_it() {
    let world = World::new().await;
    let token = world.record.token.clone();
    let text = |body: String| Page::raw("text/plain", body);
    for wrong in [
        text(format!("x{token}")),
        text(format!("see {token}")),
        Page::raw("text/html", token.clone()),
        text(token.clone()).status(404),
        text("\n".repeat(1000) + &token),
    ] {
        world.file(wrong);
        assert!(matches!(world.check("file").await, Verdict::Absent(_)));
    }
    for silent in [
        text(token.clone()).status(503),
        text(token.clone()).status(403),
        text("x".repeat(70_000)),
    ] {
        world.file(silent);
        assert!(matches!(world.check("file").await, Verdict::Unknown(_)));
    }
    for right in [
        text(format!("# ours\r\n{token}\r\n")),
        text(format!("\u{feff}omniops-verification = {token}")),
    ] {
        world.file(right);
        assert_eq!(world.prove().await.unwrap(), Proof::File);
    }

    // Redirects stay with the host: with or without www, on the same port.
    let host = world.record.host.clone();
    world.site.set("/elsewhere", text(token.clone()));
    for within in ["/elsewhere".to_owned(), format!("http://www.{host}/elsewhere")] {
        world.file(Page::redirect(&within));
        assert_eq!(world.prove().await.unwrap(), Proof::File, "{within}");
    }
    let other = Site::start([("/elsewhere", text(token.clone()))]).await;
    for without in [
        other.url("/elsewhere"),
        format!("http://evil.{host}/elsewhere"),
        "http://shop.example/elsewhere".into(),
    ] {
        world.file(Page::redirect(&without));
        assert!(matches!(world.check("file").await, Verdict::Absent(_)), "{without}");
    }
    assert_eq!(other.hits(), [], "nobody else is asked");
    world.file(Page::redirect("/.well-known/omniops.txt"));
    assert!(matches!(world.check("file").await, Verdict::Absent(_)), "a ring ends");
}

#[tokio::test]
async fn a_meta_element_proves_a_domain_if_it_is_the_pages_own() {
    let world = World::new().await;
    let meta = format!(
        "<meta name=\"omniops-verification\" content=\"{}\">",
        world.record.token
    );
    let page = |html: String| Page::raw("text/html; charset=utf-8", html);
    for wrong in [
        format!("<body><h1>Guest book</h1><p>{meta}</p>"),
        format!("<head><!-- {meta} --></head>"),
        format!("<head><script>\"{meta}\"</script></head>"),
        format!("<head><title>{meta}</title></head>"),
        meta.replace("omniops-verification", "x-omniops-verification"),
        meta.replace("content", "value"),
    ] {
        world.site.set("/", page(wrong.clone()));
        assert!(matches!(world.check("meta").await, Verdict::Absent(_)), "{wrong}");
    }
    // A page that is made to be slow to parse.
    world.site.set("/", page("<div>".repeat(100_000) + &meta));
    assert!(matches!(world.check("meta").await, Verdict::Absent(_)));
    for right in [
        meta.clone(),
        format!("<html><head><title>Shop</title>{meta}</head><body>Hello"),
    ] {
        world.site.set("/", page(right));
        assert_eq!(world.prove().await.unwrap(), Proof::Meta);
    }
}

#[tokio::test]
async fn many_may_claim_a_host_and_one_has_it() {
    let world = World::new().await;
    let (db, host) = (&world.kit.db, world.host());
    let rival = world.kit.customer("b.example").await;
    let claim = tenancy::add_domain(db, &rival, &host).await.unwrap();
    assert_ne!(claim.token, world.record.token, "a proof is one customer's");
    assert!(tenancy::find_by_host(db, &host, true).await.unwrap().is_none());
    assert_eq!(
        tenancy::find_by_host(db, &host, false).await.unwrap().unwrap().id,
        world.customer.id
    );

    tenancy::mark_verified(db, &rival, &host, Proof::Dns).await.unwrap();
    let owner = || async { tenancy::find_by_host(db, &host, true).await.unwrap().unwrap().id };
    assert_eq!(owner().await, rival.id);
    world
        .sql("UPDATE customer_domains SET checked_at = now() - interval '2 hours'")
        .await;
    let taken = tenancy::mark_verified(db, &world.customer, &host, Proof::File)
        .await
        .unwrap_err();
    assert_eq!(
        (taken.code(), owner().await),
        ("domain_taken", rival.id),
        "a proof takes nothing away"
    );
    let due = "SELECT count(*) FROM customer_domains WHERE check_at <= now()";
    assert_eq!(
        (world.kit.count(due).await, world.actions("domain.contested").await),
        (1, 1)
    );

    let hook = "INSERT INTO outbound_webhooks (id, customer_id, url, events, secret, secret_key)
                SELECT gen_random_uuid(), id, 'https://hooks.example/', '{domain.unverified}', '\\x00', 'k' FROM customer_configs WHERE domain = 'b.example'";
    world.sql(hook).await;
    tenancy::mark_verified(db, &world.customer, &host, Proof::Operator)
        .await
        .unwrap();
    assert_eq!(owner().await, world.customer.id, "the operator's word does");
    let told = "SELECT count(*) FROM webhook_deliveries WHERE kind = 'domain.unverified' AND payload->'data'->>'reason' = 'given_to_another_customer'";
    assert_eq!(
        (world.kit.count(told).await, world.actions("domain.unverified").await),
        (1, 1)
    );
    let lost = tenancy::own_domain(db, &rival, &host).await.unwrap();
    assert!(lost.verified_at.is_none() && lost.unverified_at.is_some());

    tenancy::remove_domain(db, &world.customer, &host, tool())
        .await
        .unwrap();
    tenancy::mark_verified(db, &rival, &host, Proof::Dns).await.unwrap();
    assert_eq!(owner().await, rival.id, "what is given up is free");
    let primary = "b.example".parse().unwrap();
    let kept = tenancy::remove_domain(db, &rival, &primary, tool()).await.unwrap_err();
    assert_eq!(kept.code(), "primary_domain");
    let thief = NewCustomer {
        name: "Thief".into(),
        domain: host,
        vouched: true,
    };
    assert_eq!(
        tenancy::create(db, &thief, tool()).await.unwrap_err().code(),
        "domain_taken"
    );
}

fn tool() -> domain::jobs::Operator<'static> {
    domain::jobs::Operator {
        actor: "system",
        ip: None,
    }
}

#[tokio::test]
async fn a_customer_claims_a_hundred_hosts_and_no_more() {
    let kit = Kit::start().await;
    let customer = kit.customer("a.example").await;
    for n in 1..100 {
        let host = format!("{n}.a.example").parse().unwrap();
        tenancy::add_domain(&kit.db, &customer, &host).await.unwrap();
    }
    let add = async |host: &str| tenancy::add_domain(&kit.db, &customer, &host.parse().unwrap()).await;
    assert_eq!(add("100.a.example").await.unwrap_err().code(), "too_many_domains");
    assert!(add("7.a.example").await.is_ok(), "what is claimed may be claimed again");
}

#[tokio::test]
async fn a_proof_that_is_gone_for_days_ends_the_grant_and_a_failure_of_the_site_does_not() {
    let world = World::new().await;
    let db = &world.kit.db;
    let text = |body: &str| Page::raw("text/plain", body);
    world.file(text(&world.record.token));
    tenancy::mark_verified(db, &world.customer, &world.host(), Proof::File)
        .await
        .unwrap();
    let soon = "SELECT count(*) FROM customer_domains WHERE check_at BETWEEN now() + interval '6 days' AND now() + interval '8 days'";
    assert_eq!(
        world.kit.count(soon).await,
        1,
        "once a week; the operator's word is not looked at"
    );
    assert_eq!(tenancy::check_due(db, &world.prover).await.unwrap().shown, 0, "not yet");
    let due = || world.sql("UPDATE customer_domains SET check_at = now() WHERE check_at IS NOT NULL");
    let look = || async {
        due().await;
        tenancy::check_due(db, &world.prover).await.unwrap()
    };
    assert_eq!(look().await.shown, 1);

    // Away for a month: nobody knows.
    world.file(text("").status(500));
    for _ in 0..3 {
        assert_eq!(look().await.unknown, 1);
        world
            .sql("UPDATE customer_domains SET checked_at = checked_at - interval '10 days'")
            .await;
    }
    assert!(world.own().await.verified_at.is_some() && world.own().await.failing_since.is_none());

    // There without it, and with it again.
    world.file(text("another text"));
    let hook = "INSERT INTO outbound_webhooks (id, customer_id, url, events, secret, secret_key)
                SELECT gen_random_uuid(), id, 'https://hooks.example/', '{domain.failing,domain.unverified}', '\\x00', 'k' FROM customer_configs";
    world.sql(hook).await;
    for _ in 0..3 {
        let found = look().await;
        assert_eq!((found.absent, found.ended), (1, 0), "often, but not for days");
    }
    assert!(world.own().await.failing_since.is_some());
    world.file(text(&world.record.token));
    assert_eq!(look().await.shown, 1);
    assert!(world.own().await.failing_since.is_none());

    // Gone for good.
    world.file(text("another text"));
    assert_eq!(look().await.absent, 1);
    world
        .sql("UPDATE customer_domains SET failing_since = failing_since - interval '3 days'")
        .await;
    world.file(text("").status(500));
    let away = look().await;
    assert_eq!(
        (away.unknown, away.ended),
        (1, 0),
        "the last look must find the site, too"
    );
    world.file(text("another text"));
    assert_eq!(look().await.ended, 1);
    let lost = world.own().await;
    assert!(lost.verified_at.is_none() && lost.unverified_at.is_some());
    assert_eq!(
        look().await,
        tenancy::Checked::default(),
        "what is over is not looked at"
    );
    assert_eq!(
        (
            world.actions("domain.failing").await,
            world.actions("domain.unverified").await
        ),
        (2, 1)
    );
    let told = "SELECT count(*) FROM webhook_deliveries WHERE payload->'data'->>'host' LIKE 'shop.example:%'";
    assert_eq!(world.kit.count(told).await, 3);
}

#[tokio::test]
async fn another_place_may_take_over_a_proof() {
    let world = World::new().await;
    world.names.set(CHALLENGE, Names::txt(world.marked()));
    assert_eq!(world.check("meta").await, Verdict::Shown(Proof::Dns));
    let place = tenancy::settle(
        &world.kit.db,
        &world.customer,
        &world.record.host,
        &Verdict::Shown(Proof::Dns),
    )
    .await;
    assert!(!place.unwrap(), "a claim that is not verified is not changed");
    assert_eq!(world.own().await.method, None);
}

#[tokio::test]
async fn without_a_proof_there_is_a_preview_by_hand_only() {
    let world = World::new().await;
    let asked = ScrapeRequest::of(world.site.url("/").replace("127.0.0.1", "shop.example"));
    let tx = world.kit.db.tenant(&world.customer).await.unwrap();
    let browser = ScrapeRequest {
        mode: FetchMode::Browser,
        ..asked.clone()
    };
    let refused = request_scrape(&tx, &browser).await.unwrap_err();
    assert!(refused.public_message().starts_with("mode"), "{refused}");
    assert!(check_scrape(&tx, &asked).await.is_err(), "no schedule");
    let job = request_scrape(&tx, &asked).await.unwrap();
    let settings = domain::pages::store::scrape_settings(&tx, job.id).await.unwrap();
    assert_eq!(
        (settings.max_pages, settings.max_depth, settings.mode.as_str()),
        (10, 2, "static")
    );
    tx.commit().await.unwrap();
    tenancy::mark_verified(&world.kit.db, &world.customer, &world.host(), Proof::File)
        .await
        .unwrap();
    let tx = world.kit.db.tenant(&world.customer).await.unwrap();
    assert!(check_scrape(&tx, &asked).await.is_ok());
}

/// Commands name customers by their domains, and a claim is anybody's to make.
#[tokio::test]
async fn whoever_is_named_by_a_domain_is_not_who_only_claims_it() {
    let world = World::new().await;
    let db = &world.kit.db;
    let host: HostName = world.record.host.parse().unwrap();
    let named = tenancy::find_named(db, &host).await.unwrap_err();
    assert_eq!(*named.kind(), Kind::NotFound);
    assert!(named.public_message().contains("claimed by a.example"), "{named}");
    let nobody = "nobody.example".parse().unwrap();
    assert!(
        tenancy::find_named(db, &nobody)
            .await
            .unwrap_err()
            .public_message()
            .contains("no customer has")
    );
    let own = "a.example".parse().unwrap();
    assert_eq!(tenancy::find_named(db, &own).await.unwrap().id, world.customer.id);
}
