//! The admin page as it is served; what it does stands in the tests of the executable, in Chromium.
use crate::app::App;

#[tokio::test]
async fn every_address_below_admin_is_the_same_document_under_the_same_policy() {
    let app = App::start().await;
    let page = app.get("/admin").send().await;
    assert_eq!((page.status.as_u16(), page.header("set-cookie")), (200, ""));
    for path in [
        "/admin/",
        "/admin/conversations",
        "/admin/conversations/1?customer_id=x",
        "/admin/no/such/view",
    ] {
        let got = app.get(path).send().await;
        assert_eq!((got.status.as_u16(), &got.text), (200, &page.text), "{path}");
        assert_eq!(got.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(got.header("cache-control"), "no-store, must-revalidate");
        assert_eq!(got.header("x-frame-options"), "DENY");
        let policy = got.header("content-security-policy");
        let wanted = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
            form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
        assert!(policy.starts_with(wanted), "{path}: {policy}");
    }
    assert_eq!(app.get("/administrator").send().await.problem(404), "no_such_route");
    // It holds nothing that a stranger may not see, and nothing inline.
    assert!(
        !page.text.contains("<style") && !page.text.contains("{{") && !page.text.contains("onload"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn its_files_are_kept_by_their_version() {
    let app = App::start().await;
    let page = app.get("/admin").send().await.text;
    let files: Vec<&str> = page
        .split('"')
        .filter(|part| part.starts_with("/assets/admin/"))
        .collect();
    assert_eq!(files.len(), 3, "{page}");
    for path in files {
        let got = app.get(path).send().await;
        assert_eq!(got.status.as_u16(), 200, "{path}");
        assert_eq!(
            got.header("cache-control"),
            "public, max-age=31536000, immutable",
            "{path}"
        );
        assert_eq!(
            got.header("content-security-policy"),
            "default-src 'none'; frame-ancestors 'none'"
        );
        let again = app.get(path).header("if-none-match", got.header("etag")).send().await;
        assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""), "{path}");
    }
    let kind = |path: &'static str| async { app.get(path).send().await.header("content-type").to_owned() };
    assert_eq!(
        kind("/assets/admin/old/main.js").await,
        "text/javascript; charset=utf-8"
    );
    assert_eq!(kind("/assets/admin/old/icon.svg").await, "image/svg+xml");
    let other = app.get("/assets/admin/old/main.js").send().await;
    assert_eq!(
        other.header("cache-control"),
        "public, max-age=3600",
        "of another version"
    );
    for missing in [
        "/assets/admin/old/index.html",
        "/assets/admin/old/nothing.js",
        "/assets/admin/main.js",
    ] {
        assert_eq!(app.get(missing).send().await.problem(404), "no_such_route", "{missing}");
    }
}
