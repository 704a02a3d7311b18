//! Small whole pages and what becomes of them.

use extract::page::{Input, Kind, Page, PageKind, Source, extract};
use url::Url;

fn page(html: &str) -> Page {
    let url = Url::parse("https://e.com/docs/page").unwrap();
    extract(&Input {
        url: &url,
        body: html.as_bytes(),
        content_type: Some("text/html; charset=utf-8"),
    })
    .unwrap()
}

#[test]
fn furniture_and_hidden_text_go() {
    let html = r#"<body><nav>Home Products</nav><header><a href=/>Logo</a></header><div class="breadcrumbs">You are here</div>
        <main><h1>Returns<a class=headerlink href=#r>¶</a></h1><p>Send it back within 30 days.</p>
        <p hidden>secret one</p><p style="display: none">secret two</p><div style="position:absolute;left:-9999px">secret three</div>
        <!-- secret four --><script>secret five</script></main><aside>Elsewhere</aside><footer>Imprint</footer>"#;
    assert_eq!(page(html).markdown, "# Returns\n\nSend it back within 30 days.");
}

#[test]
fn a_paragraph_stands_once_under_each_heading() {
    let text = "This sentence is long enough not to be said again by chance, they think.";
    let html = format!(
        "<main><h2>One</h2><p>{text}</p><p>{text}</p><h2>Two</h2><p>{text}</p><h2>Three</h2><p>{text}</p><p>{text}</p>\
         <h2>Two</h2><p>{text}</p><blockquote><p>{text}</p></blockquote><p>The end</p></main>"
    );
    assert_eq!(
        page(&html).markdown,
        format!("## One\n\n{text}\n\n## Two\n\n{text}\n\n## Three\n\n{text}\n\n## Two\n\nThe end")
    );
}

#[test]
fn a_table_of_contents_is_no_content() {
    let questions = ["What is a kayak?", "Who may paddle?", "Where is the lake?"];
    let listed = questions.map(|question| format!("<dt><span><a href='#there'>{question}</a></span></dt>"));
    let answer = "It is told here at length. ".repeat(6);
    let told = questions.map(|question| format!("<h2>{question}</h2><p>{answer}</p>"));
    let buttons = "<table><tr><th colspan=3>Questions</th></tr><tr><td><a href='a'><img alt=Prev></a></td><th> </th><td></td></tr></table>";
    for (toc, navigation, times) in [("toc", "navheader", 1), ("", "", 2)] {
        let html = format!(
            "<body><div class='{navigation}'>{buttons}</div><h1>Questions</h1><div class='{toc}'><dl>{}</dl></div>{}</body>",
            listed.concat(),
            told.concat()
        );
        let markdown = page(&html).markdown;
        for question in questions {
            assert_eq!(markdown.matches(&format!("## {question}\n")).count(), 1, "{markdown}");
            assert_eq!(markdown.matches(question).count(), times, "{markdown}");
        }
        assert!(!markdown.contains("| --- |"), "{markdown}");
    }
}

#[test]
fn lists_tables_code_and_definitions() {
    let html = r#"<main><h2>Sizes</h2><table><thead><tr><th>Size<th>Chest</thead><tr><td>S<td>90 | cm<tr><td>M<td>95</table>
        <ol start=3><li>three<ul><li>inner</ul><li><p>four</p><p>more</p></ol>
        <div class="highlight-python3"><pre>def f():
    return <b>1</b></pre></div>
        <dl><dt>term</dt><dd>its meaning</dd></dl><p># not a heading<br>second <code>x = 1</code> line</p>
        <table><tr><th>Weight<td>2 kg<tr><th>Colour<td>red</table></main>"#;
    insta::assert_snapshot!(page(html).markdown, @r"
    ## Sizes

    | Size | Chest |
    | --- | --- |
    | S | 90 \| cm |
    | M | 95 |

    3. three
       - inner
    4. four

       more

    ```python3
    def f():
        return 1
    ```

    term
    : its meaning

    \# not a heading
    second `x = 1` line

    |  |  |
    | --- | --- |
    | Weight | 2 kg |
    | Colour | red |
    ");
}

#[test]
fn metadata_and_structured_data() {
    let html = r#"<html lang=en-GB><title>Blue shirt – Shop</title><link rel=canonical href=/shirt>
        <script type="application/ld+json">{"@graph":[{"@type":"Product","name":"Blue shirt","offers":{"price":"9.90"}},
        {"@type":"FAQPage","mainEntity":[{"@type":"Question","name":"Is it blue?","acceptedAnswer":{"text":"<p>Yes &amp; no</p>"}}]},
        {"@type":"Article","datePublished":"2026-01-02T03:04:05Z"}]}</script>
        <main itemscope itemtype="https://schema.org/Organization"><h1>Blue shirt</h1><span itemprop=name>Shop Ltd</span>
        <a href="mailto:help@e.com?subject=x">Mail</a></main>"#;
    let page = page(html);
    assert_eq!(
        (page.title.as_str(), page.language.as_deref()),
        ("Blue shirt", Some("en"))
    );
    assert_eq!(page.canonical.unwrap().as_str(), "https://e.com/shirt");
    assert_eq!(page.published.as_deref(), Some("2026-01-02T03:04:05Z"));
    let of = |kind: Kind| page.structured.iter().find(|item| item.kind == kind).unwrap();
    assert_eq!(of(Kind::Product).data["price"], "9.90");
    assert_eq!(of(Kind::Faq).data["questions"][0]["answer"], "Yes & no");
    assert_eq!(
        (of(Kind::Organization).source, &of(Kind::Organization).data["name"]),
        (Source::Microdata, &"Shop Ltd".into())
    );
    assert_eq!(
        (of(Kind::Contact).source, &of(Kind::Contact).data["emails"][0]),
        (Source::Heuristic, &"help@e.com".into())
    );
}

#[test]
fn question_headings_are_a_faq() {
    let page = page("<main><h2>Why?</h2><p>Because.</p><h2>How much?</h2><p>Five.</p><h2>More</h2><p>x</p></main>");
    let faq = page.structured.iter().find(|item| item.kind == Kind::Faq).unwrap();
    assert_eq!(faq.data["questions"].as_array().unwrap().len(), 2);
    assert_eq!(faq.data["questions"][1]["answer"], "Five.");
}

#[test]
fn questions_without_heading_elements_become_headings() {
    let html = "<main><h2>FAQ</h2><details><summary>Is it safe?</summary><p>Yes.</p></details>\
        <h3><button>Is it fast?</button></h3><p>Very.</p><dl><dt>Is it new?</dt><dd>No.</dd></dl>\
        <p><b>(4) Is it blue?</b></p><blockquote>Always.</blockquote><p>Twice the same paragraph, once for phones and once for desktops.</p>\
        <p>Twice the same paragraph, once for phones and once for desktops.</p></main>";
    insta::assert_snapshot!(page(html).markdown, @r"
    ## FAQ

    ### Is it safe?

    Yes.

    ### Is it fast?

    Very.

    #### Is it new?
    : No.

    #### (4) Is it blue?

    > Always.

    Twice the same paragraph, once for phones and once for desktops.
    ");
}

#[test]
fn what_follows_answers_that_fold_out_is_no_part_of_the_last_one() {
    let html = "<main><h1>Shop</h1><h2>Delivery</h2><div><details><summary>How long?</summary><p>Three days.</p><h4>Isles</h4><p>Five.</p></details>\
        <details><summary>How much?</summary><p>Five euros.</p></details></div><p>We ship from the harbour.</p><p>Every day.</p>\
        <details><summary>Abroad?</summary><p>Yes.</p></details><h2>Returns</h2><p>Free.</p></main>";
    insta::assert_snapshot!(page(html).markdown, @r"
    # Shop

    ## Delivery

    ### How long?

    Three days.

    #### Isles

    Five.

    ### How much?

    Five euros.

    ## Delivery

    We ship from the harbour.

    Every day.

    ### Abroad?

    Yes.

    ## Returns

    Free.
    ");
    let found = page(html);
    let faq = found.structured.iter().find(|item| item.kind == Kind::Faq).unwrap();
    assert!(!faq.data.to_string().contains("harbour"), "{}", faq.data);
}

#[test]
fn words_of_other_elements_do_not_condemn() {
    let html = r#"<main><div class="field--label-hidden"><p>Kept by its class.</p></div><div class="RelatedProducts_root"><p>Gone.</p></div>
        <h2>You may also like</h2><ul><li>Gone too</li></ul><h2>Care</h2><p>Wash cold.</p><div class=filters><a>Red</a></div></main>"#;
    assert_eq!(page(html).markdown, "Kept by its class.\n\n## Care\n\nWash cold.");
}

#[test]
fn an_anchor_made_from_a_heading_does_not_condemn_its_section() {
    let filler = "The interpreter reads the program and runs it line by line. ".repeat(12);
    let found = page(&format!(
        "<main><h1>FAQ</h1><p>{filler}</p>
         <section id=\"how-do-i-share-variables-across-modules\"><h3>How do I share variables across modules?<a>¶</a></h3>
         <p>Create a special module called config.</p></section>
         <section id=\"comments\"><span id=\"index-4\"></span><h2>2.1.3. Comments</h2><p>A comment starts with a hash character.</p></section>
         <section id=\"share\"><p>Post this on a network</p></section></main>"
    ));
    assert!(found.markdown.contains("module called config"), "{}", found.markdown);
    assert!(found.markdown.contains("starts with a hash"), "{}", found.markdown);
    assert!(!found.markdown.contains("on a network"), "{}", found.markdown);
}

#[test]
fn a_page_with_one_question_gets_its_chunk() {
    let html = "<title>Design FAQ — Docs</title><main><h1>Design FAQ</h1><h2>Why are strings immutable?</h2><p>There are several \
        advantages.</p><p>One is performance.</p><h2>Why self?</h2><p>It was borrowed.</p></main>";
    let page = page(html);
    let limit = extract::chunk::Limit {
        max_tokens: 60,
        target_tokens: 40,
        merge_tokens: 40,
    };
    let chunks = extract::chunk::chunks(&page.markdown, &page.title, limit, &|text: &str| {
        text.split_whitespace().count()
    });
    assert_eq!(chunks[0].heading_path, "Design FAQ > Why are strings immutable?");
    assert_eq!(chunks[0].text, "There are several advantages.\n\nOne is performance.");
}

#[test]
fn sections_that_are_about_what_boxes_are_called_stay() {
    let prose =
        "Press the button at the top of the page and follow the four steps that are shown there, one after another. "
            .repeat(3);
    let filler =
        "The manual describes every part of the machine in the order in which they are put together. ".repeat(20);
    let headings = [
        "Log in",
        "Discussion",
        "Filters",
        "Comments",
        "Contents",
        "Subscribe to a calendar",
        "Q&A",
    ];
    let sections = headings
        .map(|heading| format!("<h2>{heading}</h2><p>{heading}: {prose}</p>"))
        .concat();
    let found = page(&format!("<main><h1>Manual</h1><p>{filler}</p>{sections}</main>")).markdown;
    for heading in headings {
        assert!(
            found.contains(&format!("## {heading}\n\n{heading}: Press")),
            "{heading} is lost\n{found}"
        );
    }
}

#[test]
fn controls_and_notices_without_names_go_and_words_in_the_text_stay() {
    let filler = "A good lamp lasts for ten years and needs no more than five watts in the evening hours. ".repeat(8);
    let found = page(&format!(
        "<main><h1>Lamp</h1><p>{filler}</p><div>Add to cart</div><p><a href=/x>Read more</a></p>\
         <div><div>This website uses cookies to give you the best experience.</div></div>\
         <p>Choose <b>Add to cart</b> to buy it.</p><h2>Reset</h2><p>Hold the key.</p><pre>reset</pre>\
         <table><tr><td>reset<td>10 s</table></main>"
    ))
    .markdown;
    assert!(!found.contains("cookies") && !found.contains("Read more"), "{found}");
    assert!(found.contains("Choose Add to cart to buy it."), "{found}");
    assert!(
        found.contains("## Reset") && found.contains("```\nreset") && found.contains("| reset | 10 s |"),
        "{found}"
    );
    assert_eq!(found.matches("Add to cart").count(), 1, "{found}");
}

#[test]
fn headers_and_notes_in_the_text_stay() {
    let filler = "The interpreter reads the program and runs it line by line, and stops at the first fault. ".repeat(8);
    let found = page(&format!(
        "<header>Site name</header><main><h1>Guide</h1><p>{filler}</p><article><header><h2>First steps</h2></header><p>Begin here.</p></article>\
         <aside class=admonition><p>Be careful with the second step, because it cannot be undone once the machine has been started and is warm.</p></aside></main>"
    ))
    .markdown;
    assert!(
        found.contains("## First steps") && found.contains("cannot be undone") && !found.contains("Site name"),
        "{found}"
    );
}

#[test]
fn an_index_is_told_from_a_text() {
    let links: Vec<String> = (0..60)
        .map(|n| format!("<li><a href=/t{n}>term number {n}</a></li>"))
        .collect();
    let links = links.concat();
    let index = page(&format!(
        "<title>Index</title><main><h1>Index</h1><ul>{links}</ul></main>"
    ));
    assert_eq!(index.kind, PageKind::Navigation);
    assert_eq!(index.links.len(), 60);
    let prose = "Some sentences follow the links and say what they are about, so that one may quote them. ".repeat(12);
    let text = page(&format!("<main><h1>Index</h1><ul>{links}</ul><p>{prose}</p></main>"));
    assert_eq!(text.kind, PageKind::Content);
    assert_eq!(page("<main><p><a href=/>Home</a></p></main>").kind, PageKind::Content);
}

#[test]
fn a_cell_is_said_in_each_place_that_it_covers() {
    let rows = |html: &str| -> Vec<String> {
        let markdown = page(&format!("<main><h1>Delivery</h1>{html}<p>The end.</p></main>")).markdown;
        let lines = markdown.lines().filter(|line| line.starts_with('|'));
        lines.map(str::to_owned).collect()
    };
    let zones = rows(
        "<table><thead><tr><th rowspan=2>Zone</th><th colspan=2>Price</th></tr><tr><th>to 1 kg</th><th>to 5 kg</th></tr></thead>\
         <tbody><tr><td rowspan=2>North</td><td>7 €</td><td>12 €</td></tr><tr><td>8 €</td><td>13 €</td></tr>\
         <tr><td>South</td><td colspan=2>free</td></tr></tbody><tbody><tr><td>Isles</td><td>20 €</td><td>30 €</td></tr></tbody></table>",
    );
    let told = [
        "| Zone | Price to 1 kg | Price to 5 kg |",
        "| --- | --- | --- |",
        "| North | 7 € | 12 € |",
        "| North | 8 € | 13 € |",
        "| South | free | free |",
        "| Isles | 20 € | 30 € |",
    ];
    assert_eq!(zones, told);
    // A span of all rows that are left ends with its group, and a wide one at the table's end.
    let groups = rows(
        "<table><tbody><tr><td rowspan=0>A</td><td>1</td></tr><tr><td>2</td></tr></tbody><tbody><tr><td>B</td><td>3</td></tr>\
         <tr><td colspan=9>Sum</td></tr></tbody></table>",
    );
    assert_eq!(groups[2..], ["| A | 1 |", "| A | 2 |", "| B | 3 |", "| Sum |  |"]);
}

#[test]
fn a_first_row_of_one_cell_is_the_title_of_its_table() {
    let html = "<main><h1>Sizes</h1><table><tr><td colspan=2>All in centimetres</td></tr><tr><th>Size</th><th>Chest</th></tr>\
                <tr><td>M</td><td>96</td></tr></table></main>";
    assert_eq!(
        page(html).markdown,
        "# Sizes\n\nAll in centimetres\n\n| Size | Chest |\n| --- | --- |\n| M | 96 |"
    );
}

#[test]
fn what_is_struck_out_is_not_said() {
    let html = "<main><h1>Boat</h1><p>Price: <del>99 €</del> <ins>79 €</ins>, <s>ten</s> five are left, <strike>red</strike> blue.</p></main>";
    assert_eq!(page(html).markdown, "# Boat\n\nPrice: 79 €, five are left, blue.");
}

#[test]
fn slides_answers_behind_questions_and_sections_named_after_their_subject_stay() {
    let answer = "We answer every letter within two days, and whoever is not content gets the money back within a week after that.";
    let slide = |shown: bool, name: &str| {
        format!(
            "<div class=slide aria-hidden={}><h3>{name}</h3><p>{answer} {name}.</p></div>",
            !shown
        )
    };
    let section =
        |class: &str, heading: &str| format!("<section class={class}><h2>{heading}</h2><p>{answer}</p></section>");
    let html = format!(
        "<body><main><h1>Help</h1>{}{}<h3>How long does it take?</h3><div style='display:none'><p>Three days. {answer}</p></div>\
         {}{}{}<p>{answer} It is so.</p></main></body>",
        slide(true, "Canoes"),
        slide(false, "Kayaks"),
        section("login", "How do I log in?"),
        section("newsletter", "Which newsletter may I leave?"),
        section("share", "Want to share it?"),
    );
    let markdown = page(&html).markdown;
    for said in [
        "### Kayaks",
        "Kayaks.",
        "Three days.",
        "How do I log in?",
        "Which newsletter may I leave?",
    ] {
        assert!(markdown.contains(said), "{said}: {markdown}");
    }
    assert!(!markdown.contains("Want to share it?"), "{markdown}");
}

#[test]
fn a_declared_shadow_tree_is_read_where_it_stands() {
    let html = "<main><h1>Boat</h1><x-card><template shadowrootmode=open><style>p{color:red}</style><p>It has <slot>no</slot> mast.</p>\
                <table><tr><td>Length</td><td>4 m</td></tr></table></template></x-card><template><p>Secret</p></template><p>The end.</p></main>";
    assert_eq!(
        page(html).markdown,
        "# Boat\n\nIt has no mast.\n\n|  |  |\n| --- | --- |\n| Length | 4 m |\n\nThe end."
    );
}

#[test]
fn answers_that_begin_as_notices_do_stay() {
    let filler =
        "The workshop at the harbour has built boats of oak and larch for more than eighty years now. ".repeat(6);
    let answers = [
        "We'll send you a tracking number as soon as your parcel leaves.",
        "We’ve received your order once you see it in your account.",
        "If something went wrong with your order, write to us within 14 days.",
        "Make sure that JavaScript is enabled in your browser.",
        "Log in to your account, open the order and choose 'Write a review'.",
        "Thank you for your interest in working with us. Send us a letter.",
        "Once your message has been sent you get a copy of it.",
        "Enter your e-mail address and the number of the order to see where it is.",
        "Our shop sells the best chocolate cookies in town.",
        "We use only butter in our cookies.",
    ];
    let paragraphs = answers.map(|answer| format!("<p>{answer}</p>")).concat();
    let found = page(&format!("<main><h1>Help</h1><p>{filler}</p>{paragraphs}</main>")).markdown;
    for answer in answers {
        assert!(found.contains(answer), "{answer}\n{found}");
    }
    let status = "<form><p>Enter your e-mail address.</p><p>Thank you for subscribing!</p></form><div role=alert>Something went wrong.</div>\
        <div><p>We'll let you know when it is back.</p></div>";
    let found = page(&format!("<body><h1>Boat</h1><p>{filler}</p><div>{status}</div></body>")).markdown;
    for said in ["Enter your", "Thank you", "went wrong"] {
        assert!(!found.contains(said), "{said}\n{found}");
    }
}

#[test]
fn dishes_and_guarantees_are_content_and_menus_of_pages_are_not() {
    let filler =
        "The inn stands at the old ferry and cooks what the lake and the gardens give in each season. ".repeat(8);
    let course = |name: &str, dish: &str| {
        format!(
            "<section class=menu-section><h2>{name}</h2><div class=menu-item>{dish} <span>12.50 €</span></div></section>"
        )
    };
    let found = page(&format!(
        "<main><h1>The inn</h1><p>{filler}</p>{}{}<section class=guarantee><h2>30 days' money back</h2><p>Without a question.</p></section>\
         <div class=menu><h3>Pages</h3><ul><li><a href=/a>About the inn</a></li><li><a href=/b>Rooms and prices</a></li></ul></div>\
         <div class=cart-menu><h3>Your basket</h3><p>Nothing for 0.00 €</p></div></main>",
        course("Starters", "Soup of the day"),
        course("Mains", "Char from the lake")
    ))
    .markdown;
    for said in [
        "## Starters",
        "Soup of the day 12.50 €",
        "## Mains",
        "Char from the lake",
        "money back",
        "Without a question",
    ] {
        assert!(found.contains(said), "{said}\n{found}");
    }
    for gone in ["Rooms and prices", "Your basket"] {
        assert!(!found.contains(gone), "{gone}\n{found}");
    }
}

#[test]
fn sections_that_help_stay_whatever_they_are_called() {
    let filler =
        "The office is in the town hall and takes in what has to be registered within the first two weeks. ".repeat(12);
    let found = page(&format!(
        "<main><h1>Moving house</h1><p>{filler}</p><h2>You will need:</h2><ul><li>your passport</li><li>the lease</li></ul>\
         <h2>Need help?</h2><div>Call 0800 123 456, Mon–Fri 9–17.</div>\
         <h2>Q&A</h2><h3>Is it free?</h3><div>Yes.</div><h3>May I send it by post?</h3><div>No.</div>\
         <h2>You might also need</h2><ul><li><a href=/box>A box of cardboard</a></li></ul></main>"
    ))
    .markdown;
    for said in [
        "your passport",
        "0800 123 456",
        "Is it free?",
        "Yes.",
        "May I send it by post?",
    ] {
        assert!(found.contains(said), "{said}\n{found}");
    }
    assert!(!found.contains("box of cardboard"), "{found}");
}

#[test]
fn a_section_larger_than_half_of_the_page_stays_whole() {
    let part = |n: usize| {
        format!(
            "<p>{}</p>",
            format!("Part {n} says what was decided and why it was. ").repeat(8)
        )
    };
    let parts: String = (0..6).map(part).collect();
    let found = page(&format!(
        "<main><h1>Minutes</h1><p>Of the year's first meeting.</p><h2>More from the meeting</h2>{parts}</main>"
    ))
    .markdown;
    for n in 0..6 {
        assert!(found.contains(&format!("Part {n} says")), "{n}\n{found}");
    }
}

#[test]
fn cards_that_are_links_as_a_whole_say_something() {
    let shop = |n: usize| {
        format!(
            "<a href=/map/{n}><h3>Town {n}</h3><span>Main Street {n}, 1234{n} Town</span> <span>Mon–Sat 10–20, closed on Sundays</span></a>"
        )
    };
    let shops: String = (0..8).map(shop).collect();
    assert_eq!(
        page(&format!("<main><h1>Our shops</h1>{shops}</main>")).kind,
        PageKind::Content
    );
    let reach = "<p><a href='tel:+4930123456'>Department of the house that answers</a></p>".repeat(8);
    assert_eq!(
        page(&format!("<main><h1>Call us</h1>{reach}</main>")).kind,
        PageKind::Content
    );
}

#[test]
fn a_title_is_not_the_sites_name() {
    for (head, body, title) in [
        (
            "<title>Blue shirt – Acme</title><meta property=og:title content='Blue shirt – Acme'>",
            "<header><h1><a href=/>Acme</a></h1></header><h2>Blue shirt</h2>",
            "Blue shirt – Acme",
        ),
        (
            "<title>Blue shirt – Acme</title>",
            "<a href='https://acme.example/'><h1>Acme</h1></a><h1>Blue shirt</h1>",
            "Blue shirt",
        ),
        (
            "<title>Blue shirt – Acme</title><meta property=og:title content=Acme><meta property=og:site_name content=Acme>",
            "<h1>Blue shirt</h1>",
            "Blue shirt",
        ),
    ] {
        assert_eq!(
            page(&format!("<html><head>{head}</head><body>{body}<p>Of linen.</p></body>")).title,
            title
        );
    }
}
