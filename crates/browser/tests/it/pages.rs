//! What becomes of pages that scripts make, change, lead away from or never finish.
use browser::{Browsers, Failure};
use std::time::Duration;

use crate::site::{World, files_in, html, raw};

#[tokio::test]
async fn what_scripts_fetch_is_in_the_html() {
    let app = html(
        "<div id=root></div><script>fetch('/api').then(r => r.json()).then(d => {
           root.innerHTML = '<h1>' + d.title + '</h1>';
           const more = document.createElement('script'); more.src = '/more.js'; document.body.append(more); })</script>",
    );
    let more =
        raw("text/javascript", "document.getElementById('root').append('and more')").after(Duration::from_millis(900));
    let api = raw("application/json", "{\"title\":\"From the API\"}").after(Duration::from_millis(900));
    let world = World::new([("/", app), ("/api", api), ("/more.js", more)]).await;
    let rendered = world.render("/").await.unwrap();
    assert!(
        rendered.html.contains("<h1>From the API</h1>and more"),
        "{}",
        rendered.html
    );
    assert!(rendered.settled && rendered.status == 200 && rendered.content_type == "text/html");
    assert_eq!((rendered.url, rendered.refused), (world.url("/"), vec![]));
    assert!(
        rendered.screenshot.unwrap().0.starts_with(&[0xff, 0xd8]),
        "a JPEG, since there is little text"
    );
}

#[tokio::test]
async fn what_scripts_put_off_is_in_the_html() {
    let late = |body: &str| {
        html(&format!(
            "<script>const add = () => document.body.append('At ' + 'last')</script>{body}"
        ))
    };
    let script = |text: &str| late(&format!("<script>{text}</script>"));
    let pages = [
        ("/timer", script("setTimeout(add, 220)")),
        ("/timers", script("setTimeout(() => setTimeout(add, 110), 110)")),
        (
            "/interval",
            script("const id = setInterval(() => { clearInterval(id); add() }, 220)"),
        ),
        (
            "/frames",
            script("let n = 0; const next = () => ++n < 14 ? requestAnimationFrame(next) : add(); next()"),
        ),
        ("/idle", script("requestIdleCallback(() => setTimeout(add, 200))")),
        (
            "/worker",
            script(
                "new Worker(URL.createObjectURL(new Blob(['setTimeout(() => postMessage(1), 220)']))).onmessage = add",
            ),
        ),
        (
            "/styles",
            late(
                "<style>@keyframes k { to { opacity: 0 } } i { animation: k 220ms }</style><i onanimationend=add()>.</i>",
            ),
        ),
        (
            "/module",
            late("<script type=module>(await import('/late.js')).default()</script>"),
        ),
        ("/import", script("import('/late.js').then(late => late.default())")),
    ];
    let paths: Vec<&str> = pages.iter().map(|(path, _)| *path).collect();
    let module = raw("text/javascript", "export default () => add()").after(Duration::from_millis(220));
    let answers = pages.iter().cloned().chain([("/late.js", module)]);
    let answers = answers.map(|(path, answer)| (path.to_owned(), answer)).collect();
    let world = World::at("127.0.0.1:0", answers, |_| {}).await;
    for path in paths {
        let rendered = world.render(path).await.unwrap();
        assert!(
            rendered.settled && rendered.html.contains("At last"),
            "{path}: {}",
            rendered.html
        );
    }
}

#[tokio::test]
async fn a_page_that_does_not_let_itself_be_left_is_left() {
    let world = World::new([
        (
            "/stays",
            html(
                "<script>navigation.addEventListener('navigate', event => event.preventDefault())</script><p>Mine</p>",
            ),
        ),
        ("/nothing", raw("text/html", "").status(204)),
        ("/fine", html("<p>Fine</p>")),
    ])
    .await;
    assert!(world.html("/stays").await.contains("Mine"));
    assert_eq!(world.render("/nothing").await.unwrap_err().why, Failure::NoDocument);
    assert!(world.html("/fine").await.contains("Fine"));
}

#[tokio::test]
async fn redirects_by_script_meta_and_server_are_told() {
    let world = World::new([
        ("/js", html("<script>location = '/end?by=js'</script>")),
        (
            "/later",
            html("<script>setTimeout(() => location.replace('/end?by=later'), 200)</script>"),
        ),
        ("/meta", html("<meta http-equiv=refresh content='0;url=/end?by=meta'>")),
        ("/http", html("").status(302).header("location", "/end?by=http")),
        (
            "/push",
            html("<script>history.pushState({}, '', '/pushed')</script><p>Same document</p>"),
        ),
        ("/away", html("<script>location = 'http://127.0.0.1:34567/x'</script>")),
        ("/end", html("<p>The end</p>")),
        (
            "/round",
            html("<script>setTimeout(() => location.reload(), 150)</script>"),
        ),
    ])
    .await;
    for by in ["js", "later", "meta", "http"] {
        let rendered = world.render(&format!("/{by}")).await.unwrap();
        assert_eq!(rendered.url, world.url(&format!("/end?by={by}")), "{by}");
        assert!(rendered.html.contains("The end"));
    }
    let pushed = world.render("/push").await.unwrap();
    assert_eq!(
        pushed.url,
        world.url("/push"),
        "a new name for the same document is no redirect"
    );
    let away = world.render("/away").await.unwrap_err();
    assert!(
        matches!(&away.why, Failure::Egress(error) if error.code() == "refused_address"),
        "{away:?}"
    );
    let round = world.render("/round").await.unwrap_err();
    assert!(
        matches!(round.why, Failure::Navigation(_) | Failure::Timeout),
        "{round:?}"
    );
}

#[tokio::test]
async fn hostile_scripts_are_cut_off_and_the_next_page_is_fine() {
    let world = World::new([
        (
            "/loop",
            html("<p>x</p><script>setTimeout(() => { while (true); }, 50)</script>"),
        ),
        ("/at-once", html("<script>while (true);</script>")),
        (
            "/alert",
            html("<script>alert(1); confirm(2); prompt(3); print(); open('/popup');</script><p>After the dialogs</p>"),
        ),
        (
            "/unload",
            html("<script>onbeforeunload = e => { e.preventDefault(); return 'no' }</script><p>Stay</p>"),
        ),
        (
            "/busy",
            html(
                "<p id=p>x</p><script>setInterval(() => p.textContent = Math.random(), 20)</script><p>Never quiet</p>",
            ),
        ),
        ("/poll", html("<p>Polls</p><script>fetch('/hang')</script>")),
        ("/hang", raw("text/plain", "").after(Duration::from_mins(1))),
        ("/fine", html("<p>Fine</p>")),
    ])
    .await;
    for path in ["/loop", "/at-once"] {
        let failed = world.render(path).await.unwrap_err();
        assert_eq!(failed.why, Failure::Timeout, "{path}");
        assert!(world.html("/fine").await.contains("Fine"));
    }
    assert!(world.html("/alert").await.contains("After the dialogs"));
    assert_eq!(world.hits("/popup"), 0);
    assert!(world.html("/unload").await.contains("Stay"));
    let busy = world.render("/busy").await.unwrap();
    assert!(!busy.settled && busy.html.contains("Never quiet"), "taken as it is");
    let poll = world.render("/poll").await.unwrap();
    assert!(
        poll.settled && poll.html.contains("Polls"),
        "a request that hangs is not waited for"
    );
    assert!(world.html("/fine").await.contains("Fine"));
}

#[tokio::test]
async fn downloads_errors_and_what_is_too_large_are_no_pages() {
    let world = World::with(
        [
            ("/before", html("<p>Before</p>")),
            (
                "/zip",
                raw("application/zip", "PK").header("content-disposition", "attachment; filename=a.zip"),
            ),
            ("/pdf", raw("application/pdf", "%PDF-1.4")),
            ("/nothing", raw("text/html", "").status(204)),
            ("/broken", html("<p>Broken</p>").status(500)),
            (
                "/large",
                html("<script>document.body.append('x'.repeat(300000))</script>"),
            ),
        ],
        |settings| settings.bounds.max_bytes = 200_000,
    )
    .await;
    assert!(world.html("/before").await.contains("Before"));
    for path in ["/zip", "/pdf", "/nothing"] {
        assert_eq!(world.render(path).await.unwrap_err().why, Failure::NoDocument, "{path}");
    }
    let broken = world.render("/broken").await.unwrap();
    assert_eq!(broken.status, 500);
    assert!(broken.screenshot.is_some());
    assert_eq!(world.render("/large").await.unwrap_err().why, Failure::TooLarge);
    let downloads = files_in(world.folder.path())
        .into_iter()
        .filter(|file| file.ends_with("a.zip") || file.ends_with(".crdownload"));
    assert_eq!(downloads.collect::<Vec<_>>(), Vec::<String>::new());
    let file = url::Url::parse("file:///etc/passwd").unwrap();
    assert!(matches!(
        world.browsers.render("t", &file).await.unwrap_err().why,
        Failure::Navigation(_)
    ));
    let refused = url::Url::parse("http://127.0.0.1:34567/").unwrap();
    let refused = world.browsers.render("t", &refused).await.unwrap_err();
    assert!(
        matches!(&refused.why, Failure::Egress(error) if error.code() == "refused_address"),
        "{refused:?}"
    );
    let none = Browsers::new(None);
    assert!(!none.are_there());
    assert_eq!(
        none.render("t", &world.url("/before")).await.unwrap_err().why,
        Failure::Missing
    );
}

#[tokio::test]
async fn consent_banners_go_and_what_is_no_banner_stays() {
    let banner = |buttons: &str| {
        format!(
            "<style>.banner {{ position: fixed; bottom: 0 }}</style><main><p>The content</p></main>
            <div class='cookie-banner banner'><p>We use cookies.</p>{buttons}</div>"
        )
    };
    let clicks = "<button onclick=\"fetch('/clicked?accept'); this.closest('div').remove()\">Accept all</button>
                  <button onclick=\"fetch('/clicked?reject'); this.closest('div').remove()\">Reject all</button>";
    let world = World::new([
        ("/clicks", html(&banner(clicks))),
        ("/stuck", html(&banner("<button>OK</button>"))),
        ("/links", html(&banner("<a href=/policy>Accept our policy</a> <a href=#x>more</a>"))),
        ("/gate", html(&banner("<button onclick=\"document.querySelector('main').append('Now you see it')\">I agree</button>"))),
        ("/recipe", html("<div class=cookie-recipe><h1>Cookie recipe</h1><p>Flour, sugar, chocolate.</p><button>Print</button></div>")),
        ("/clicked", raw("text/plain", "")),
        ("/policy", html("<p>Policy</p>")),
    ])
    .await;
    for path in ["/clicks", "/stuck", "/links", "/gate"] {
        let html = world.html(path).await;
        assert!(
            html.contains("The content") && !html.contains("We use cookies"),
            "{path}: {html}"
        );
    }
    assert_eq!(
        (
            world.hits("/clicked?reject"),
            world.hits("/clicked?accept"),
            world.hits("/policy")
        ),
        (1, 0, 0)
    );
    assert!(world.html("/gate").await.contains("Now you see it"));
    assert!(world.html("/recipe").await.contains("Cookie recipe"));
}

#[tokio::test]
async fn scrolling_brings_more_and_ends() {
    let endless = html(
        "<style>p { height: 900px }</style><div id=list></div><div id=end>.</div><script>
         let n = 0;
         const more = () => { for (let i = 0; i < 3; i++) { const p = document.createElement('p'); p.textContent = 'item ' + n++; list.append(p); } };
         more();
         new IntersectionObserver(e => { if (e[0].isIntersecting) fetch('/more?' + n).then(more); }).observe(end);</script>",
    );
    let world = World::new([("/endless", endless), ("/more", raw("text/plain", ""))]).await;
    let html = world.html("/endless").await;
    let items = html.matches(">item ").count();
    assert!(
        (6..=18).contains(&items),
        "{items} items: the first screens and no more"
    );
}

#[tokio::test]
async fn shadow_roots_are_read_and_pictures_fonts_and_media_are_not_fetched() {
    let page = html(
        "<style>@font-face { font-family: f; src: url(/f.woff2) } body { font-family: f }</style>
         <link rel=icon href=/icon.ico><img src=/picture.png><video src=/film.mp4 autoplay></video>
         <x-card></x-card><script>customElements.define('x-card', class extends HTMLElement {
           connectedCallback() { if (!this.shadowRoot) this.attachShadow({ mode: 'open' }).innerHTML = '<p>In the shadow</p>' } })</script>",
    );
    let world = World::new([("/", page)]).await;
    assert!(world.html("/").await.contains("<p>In the shadow</p>"));
    for path in ["/f.woff2", "/icon.ico", "/picture.png", "/film.mp4"] {
        assert_eq!(world.hits(path), 0, "{path}");
    }
}

#[tokio::test]
async fn a_tenant_never_meets_what_another_left() {
    let page = html(
        "<p id=p></p><script>p.textContent = 'seen: ' + (document.cookie || localStorage.seen || 'nothing') + ' as ' + navigator.userAgent;
         document.cookie = 'seen=1'; localStorage.seen = 1</script>",
    );
    let world = World::with([("/", page)], |settings| settings.sessions = 1).await;
    let seen = async |tenant: &str| world.browsers.render(tenant, &world.url("/")).await.unwrap().html;
    assert!(
        seen("first")
            .await
            .contains("seen: nothing as TestBot/1 (+http://bot.test/)")
    );
    assert!(
        seen("first").await.contains("seen: seen=1"),
        "one tenant's pages share a browser"
    );
    assert!(seen("second").await.contains("seen: nothing"));
}
