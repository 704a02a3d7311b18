//! However a browser ends, nothing of it is left, and the next page has another one.
use browser::Failure;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

use crate::site::{World, html, nothing_left, processes_in, raw};

fn slow() -> [(&'static str, crate::site::Answer); 3] {
    [
        ("/fine", html("<p>Fine</p>")),
        (
            "/slow",
            html("<p>Slow</p><script>fetch('/wait')</script><script src=/block.js></script>"),
        ),
        ("/block.js", raw("text/javascript", "").after(Duration::from_secs(8))),
    ]
}

/// Kills the processes of the world whose command line has `name` in it while a page is being rendered.
async fn killed_in_the_middle(name: &str) {
    let world = World::new(slow()).await;
    let (outcome, ()) = tokio::join!(world.render("/slow"), async {
        while world.hits("/block.js") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let found: Vec<u32> = processes_in(world.folder.path())
            .into_iter()
            .filter(|(_, line)| line.split(' ').next().unwrap().ends_with(name))
            .map(|(pid, _)| pid)
            .collect();
        assert!(!found.is_empty());
        for pid in found {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
    });
    let failed = outcome.unwrap_err();
    assert!(
        matches!(failed.why, Failure::Lost(_)) && failed.why.is_retryable(),
        "{failed:?}"
    );
    nothing_left(world.folder.path()).await;
    assert!(world.html("/fine").await.contains("Fine"));
}

#[tokio::test]
async fn one_page_of_a_tenant_does_not_wait_for_all_of_anothers() {
    let world = World::with(slow(), |settings| settings.sessions = 1).await;
    let (order, url) = (Mutex::new(Vec::new()), world.base.join("/fine").unwrap());
    let render = async |tenant| {
        world.browsers.render(tenant, &url).await.unwrap();
        order.lock().unwrap().push(tenant);
    };
    let of_many = futures::future::join_all((0..6).map(|_| render("many")));
    let of_one = async {
        while world.hits("/fine") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        render("one").await;
    };
    tokio::join!(of_many, of_one);
    let order = order.into_inner().unwrap();
    let place = order.iter().position(|tenant| *tenant == "one").unwrap();
    assert!(place < 5, "{order:?}");
}

#[tokio::test]
async fn a_killed_chromium_is_replaced() {
    killed_in_the_middle("/chromium").await;
}

#[tokio::test]
async fn a_killed_chromedriver_is_replaced() {
    killed_in_the_middle("/chromedriver").await;
}

#[tokio::test]
async fn a_dropped_page_ends_its_browser() {
    let world = World::new(slow()).await;
    tokio::select! {
        outcome = world.render("/slow") => panic!("{outcome:?}"),
        () = async {
            while world.hits("/block.js") == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        } => {}
    }
    nothing_left(world.folder.path()).await;
}

#[tokio::test]
async fn a_dropped_pool_ends_all_browsers() {
    let world = World::new(slow()).await;
    let (one, two) = tokio::join!(world.render("/fine"), world.render("/fine"));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 2);
    let mut world = world;
    world.browsers = browser::Browsers::new(None);
    nothing_left(world.folder.path()).await;
}

static STARTED: AtomicUsize = AtomicUsize::new(0);

#[tokio::test]
async fn browsers_are_replaced_after_their_pages_and_closed_when_idle_or_over() {
    let world = World::with(slow(), |settings| {
        settings.sessions = 1;
        settings.pages = 3;
        settings.idle = Duration::from_millis(400);
        settings.observe = |event| {
            if event == browser::Event::Started {
                STARTED.fetch_add(1, SeqCst);
            }
        };
    })
    .await;
    for _ in 0..7 {
        assert!(world.html("/fine").await.contains("Fine"));
    }
    assert_eq!(STARTED.load(SeqCst), 3, "seven pages, three a browser");
    let over = CancellationToken::new();
    let tending = world.browsers.clone().tend(over.clone());
    tokio::join!(tending, async {
        nothing_left(world.folder.path()).await;
        assert!(world.html("/fine").await.contains("Fine"));
        over.cancel();
    });
    nothing_left(world.folder.path()).await;
    assert!(matches!(
        world.render("/fine").await.unwrap_err().why,
        Failure::Unusable(_)
    ));
}

#[tokio::test]
async fn a_driver_that_does_not_work_is_told() {
    let world = World::with(slow(), |settings| settings.chromedriver = "/bin/false".into()).await;
    let failed = world.render("/fine").await.unwrap_err();
    assert!(matches!(failed.why, Failure::Unusable(_)), "{failed:?}");
    nothing_left(world.folder.path()).await;
    let deep = world.folder.path().join("a".repeat(40));
    std::fs::create_dir(&deep).unwrap();
    let world = World::with(slow(), |settings| settings.folder = deep).await;
    let failed = world.render("/fine").await.unwrap_err();
    assert!(
        matches!(&failed.why, Failure::Unusable(why) if why.contains("TMPDIR")),
        "{failed:?}"
    );
}

/// Says to the test's own child what it is.
const OWNER: &str = "BROWSER_IT_OWNER_OF";

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the one word between a test and its child")]
async fn a_killed_owner_leaves_nothing() {
    if let Ok(folder) = std::env::var(OWNER) {
        let world = World::with(slow(), |settings| settings.folder = folder.into()).await;
        assert!(world.html("/fine").await.contains("Fine"));
        let _ = world.render("/slow").await;
        unreachable!("it is killed before");
    }
    let folder = tempfile::TempDir::with_prefix("browser-it-").unwrap();
    let mut owner = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["ends::a_killed_owner_leaves_nothing", "--exact"])
        .env(OWNER, folder.path())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    while !processes_in(folder.path())
        .iter()
        .any(|(_, line)| line.contains("--type=renderer") || line.contains("/chromium"))
    {
        assert!(owner.try_wait().unwrap().is_none());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    owner.kill().await.unwrap();
    nothing_left(folder.path()).await;
}

/// The suite renders a few; `BROWSER_IT_PAGES=1000` renders as many.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a longer run is asked for by hand")]
async fn many_pages_leave_nothing() {
    let pages: usize = std::env::var("BROWSER_IT_PAGES").map_or(30, |n| n.parse().unwrap());
    let world = World::with(slow(), |settings| settings.pages = 10).await;
    let lane = async |from: usize| {
        for n in (from..pages).step_by(2) {
            assert!(world.html(&format!("/fine?{n}")).await.contains("Fine"));
        }
    };
    let begun = std::time::Instant::now();
    tokio::join!(lane(0), lane(1));
    println!("{pages} pages in {:?}", begun.elapsed());
    let folders = std::fs::read_dir(world.folder.path()).unwrap().count();
    assert!(folders <= 2, "{folders} profiles for two browsers");
    let folder = world.folder.path().to_owned();
    let over = CancellationToken::new();
    over.cancel();
    world.browsers.clone().tend(over).await;
    nothing_left(&folder).await;
}
