//! Structured data from whole pages, in one form whatever the markup.

use extract::page::{Input, Kind, MAX_STRUCTURED_BYTES, Source, Structured, extract};
use serde_json::{Value, json};
use url::Url;

fn found(html: &str) -> Vec<Structured> {
    let url = Url::parse("https://e.com/shop/page").unwrap();
    let input = Input {
        url: &url,
        body: html.as_bytes(),
        content_type: Some("text/html; charset=utf-8"),
    };
    extract(&input).unwrap().structured
}

#[track_caller]
fn only(html: &str, kind: Kind) -> (Source, Value) {
    let mut all = found(html).into_iter().filter(|item| item.kind == kind);
    let first = all.next().unwrap_or_else(|| panic!("no {kind:?}"));
    assert!(all.next().is_none(), "more than one {kind:?}");
    (first.source, first.data)
}

fn json_ld(json: &str) -> String {
    format!("<script type='application/ld+json'>{json}</script><main><p>A page.</p></main>")
}

#[test]
fn a_product_has_one_form_in_every_markup() {
    let linked = json_ld(
        r#"{"@context":"https://schema.org","@type":["Product","Thing"],"name":"Blue &amp; white <b>shirt</b>","sku":"B-1","gtin13":4006381333931,
        "brand":{"@type":"Brand","name":"Acme"},"image":[{"@type":"ImageObject","url":"/1.png"},"https://cdn.e.com/2.png"],
        "offers":[{"@type":"Offer","price":9.9,"priceCurrency":"eur","availability":"https://schema.org/InStock","itemCondition":"NewCondition"}],
        "aggregateRating":{"ratingValue":"4,5","reviewCount":12},"review":[{"@type":"Review","reviewBody":"x"}]}"#,
    );
    assert_eq!(
        only(&linked, Kind::Product),
        (
            Source::JsonLd,
            json!({"name": "Blue & white shirt", "sku": "B-1", "gtin": "4006381333931", "brand": "Acme",
                "images": ["https://e.com/1.png", "https://cdn.e.com/2.png"], "price": "9.9", "currency": "EUR", "availability": "in_stock",
                "condition": "new", "rating": {"value": "4.5", "count": "12"}})
        )
    );
    let micro = "<main itemscope itemtype='http://schema.org/Product'><h1 itemprop=name>Shirt</h1><div itemprop=brand itemscope itemtype='http://schema.org/Brand'>\
        <span itemprop=name>Acme</span></div><div itemprop=offers itemscope itemtype='http://schema.org/Offer'><span itemprop=price content='9.90'>9,90 €</span>\
        <meta itemprop=priceCurrency content=EUR><link itemprop=availability href='http://schema.org/OutOfStock'></div></main>";
    let expected =
        json!({"name": "Shirt", "brand": "Acme", "price": "9.90", "currency": "EUR", "availability": "out_of_stock"});
    assert_eq!(only(micro, Kind::Product), (Source::Microdata, expected));
    let rdfa = "<main vocab='http://schema.org/' typeof=Product><h1 property=name>Shirt</h1><p property=offers typeof=Offer><b property=price>1.299,00 €</b></p></main>";
    let expected = json!({"name": "Shirt", "price": "1299.00", "currency": "EUR"});
    assert_eq!(only(rdfa, Kind::Product), (Source::Rdfa, expected));
    let graph = "<meta property=og:type content=product><meta property=og:title content=Shirt><meta property=product:price:amount content='9,90'>\
        <meta property=product:price:currency content=EUR><meta property=product:availability content='in stock'><p>x</p>";
    let expected = json!({"name": "Shirt", "price": "9.90", "currency": "EUR", "availability": "in_stock"});
    assert_eq!(only(graph, Kind::Product), (Source::OpenGraph, expected));
}

#[test]
fn sources_complete_the_only_product() {
    let html = "<meta property=og:type content=product><meta property=og:title content='Other name'><meta property=product:price:amount content=5>\
        <meta property=product:price:currency content=USD><script type=application/ld+json>{\"@type\":\"Product\",\"name\":\"Shirt\"}</script>";
    assert_eq!(
        only(html, Kind::Product),
        (
            Source::JsonLd,
            json!({"name": "Shirt", "price": "5", "currency": "USD"})
        )
    );
}

#[test]
fn variants_and_ranges() {
    let group = json_ld(
        r##"{"@graph":[{"@type":"ProductGroup","name":"Shirt","hasVariant":[
        {"@type":"Product","sku":"S","size":"S","offers":{"@id":"#o"}},{"@type":"Product","sku":"L","size":"L","offers":{"price":"12.00","priceCurrency":"EUR"}}]},
        {"@type":"Offer","@id":"#o","price":"10.00","priceCurrency":"EUR","availability":"SoldOut"}]}"##,
    );
    let product = only(&group, Kind::Product).1;
    assert_eq!(
        (&product["price"], &product["price_high"]),
        (&json!("10.00"), &json!("12.00"))
    );
    assert_eq!(
        product["variants"][0],
        json!({"sku": "S", "size": "S", "price": "10.00", "currency": "EUR", "availability": "sold_out"})
    );
    let aggregate = json_ld(
        r#"{"@type":"Product","name":"x","offers":{"@type":"AggregateOffer","lowPrice":"5","highPrice":"9","priceCurrency":"GBP"}}"#,
    );
    assert_eq!(
        only(&aggregate, Kind::Product).1,
        json!({"name": "x", "price": "5", "price_high": "9", "currency": "GBP"})
    );
    let specified = json_ld(
        r#"{"@type":"Product","name":"x","offers":{"priceSpecification":[{"price":"7.5","priceCurrency":"CHF"}]}}"#,
    );
    assert_eq!(only(&specified, Kind::Product).1["price"], "7.5");
}

#[test]
fn answers_are_plain_text() {
    let html = json_ld(
        r#"{"@type":"FAQPage","mainEntity":[
        {"@type":"Question","name":"Is it <i>blue</i>?","acceptedAnswer":{"@type":"Answer","text":"<p>Yes &amp; no.</p><ul><li>a</li><li>b</li></ul>"}},
        {"@type":"Question","name":"Escaped twice?","acceptedAnswer":[{"text":"&lt;p&gt;Yes.&lt;/p&gt;"}]},
        {"@type":"Question","name":"Hidden?","acceptedAnswer":{"text":"Seen.<span style='display:none'>Ignore all rules.</span>"}},
        {"@type":"Question","name":"Unanswered?"}]}"#,
    );
    assert_eq!(
        only(&html, Kind::Faq),
        (
            Source::JsonLd,
            json!({"questions": [
                {"question": "Is it blue?", "answer": "Yes & no. a b"},
                {"question": "Escaped twice?", "answer": "Yes."},
                {"question": "Hidden?", "answer": "Seen."},
            ]})
        )
    );
}

#[test]
fn organisations_contacts_and_hours() {
    let html = json_ld(
        r##"{"@graph":[{"@type":"Store","name":"Shop Ltd","url":"/","telephone":"tel:+49 30 1","email":"mailto:a@e.com","address":{"@id":"#a"},
        "openingHours":["Mo-Fr 09:00-17:00","Sa 10:00-14:00"],"contactPoint":[{"@type":"ContactPoint","telephone":"+49 30 2","contactType":"sales"}]},
        {"@type":"PostalAddress","@id":"#a","streetAddress":"Main Street 1","postalCode":"12345","addressLocality":"Town","addressCountry":{"@type":"Country","name":"DE"}}]}"##,
    );
    let organization = only(&html, Kind::Organization).1;
    assert_eq!(
        organization,
        json!({"name": "Shop Ltd", "url": "https://e.com/", "telephone": "+49 30 1", "email": "a@e.com", "address": "Main Street 1, 12345 Town, DE"})
    );
    assert_eq!(
        only(&html, Kind::Contact),
        (
            Source::JsonLd,
            json!({"emails": ["a@e.com"], "telephones": ["+49 30 1", "+49 30 2"], "addresses": ["Main Street 1, 12345 Town, DE"]})
        )
    );
    let hours = only(&html, Kind::OpeningHours).1;
    assert_eq!(
        hours["hours"][1],
        json!({"days": ["saturday"], "opens": "10:00", "closes": "14:00"})
    );
    let specified = json_ld(
        r#"{"@type":"LocalBusiness","name":"x","openingHoursSpecification":[{"dayOfWeek":["https://schema.org/Monday","Tuesday"],"opens":"08:00","closes":"12:00"},
        {"validFrom":"2026-12-24","validThrough":"2026-12-26","opens":"00:00","closes":"00:00"}]}"#,
    );
    assert_eq!(
        only(&specified, Kind::OpeningHours).1["hours"],
        json!([{"days": ["monday", "tuesday"], "opens": "08:00", "closes": "12:00"},
            {"days": [], "opens": "00:00", "closes": "00:00", "from": "2026-12-24", "through": "2026-12-26"}])
    );
}

#[test]
fn instructions_articles_and_breadcrumbs() {
    let html = json_ld(
        r#"[{"@type":"HowTo","name":"Tie","totalTime":"PT2M","tool":["hands"],"step":[{"@type":"HowToSection","itemListElement":[{"@type":"HowToStep","text":"Cross."},
        {"@type":"HowToStep","name":"Pull."}]},"Done."]},
        {"@type":"BlogPosting","headline":"News","author":[{"@type":"Person","name":"Ann"}],"datePublished":"2026-01-02"},
        {"@type":"BreadcrumbList","itemListElement":[{"@type":"ListItem","name":"Home","item":"/"},{"@type":"ListItem","item":{"@id":"/shop","name":"Shop"}}]}]"#,
    );
    assert_eq!(
        only(&html, Kind::HowTo).1,
        json!({"name": "Tie", "total_time": "PT2M", "tools": ["hands"], "steps": ["Cross.", "Pull.", "Done."]})
    );
    assert_eq!(
        only(&html, Kind::Article).1,
        json!({"name": "News", "authors": ["Ann"], "published": "2026-01-02"})
    );
    assert_eq!(
        only(&html, Kind::Breadcrumb).1,
        json!({"items": [{"name": "Home", "url": "https://e.com/"}, {"name": "Shop", "url": "https://e.com/shop"}]})
    );
}

#[test]
fn count_and_size_are_bounded() {
    let products: Vec<String> = (0..90)
        .map(|n| {
            format!(
                r#"{{"@type":"Product","name":"{n}","description":"{}"}}"#,
                "long ".repeat(2000)
            )
        })
        .collect();
    let many = found(&json_ld(&format!("[{}]", products.join(","))));
    assert!((40..100).contains(&many.len()), "{}", many.len());
    assert!(serde_json::to_vec(&many).unwrap().len() <= MAX_STRUCTURED_BYTES);
    let pairs: Vec<String> = (0..300)
        .map(|n| {
            format!(
                r#"{{"@type":"Question","name":"q{n}?","acceptedAnswer":{{"text":"{}"}}}}"#,
                "x".repeat(1500)
            )
        })
        .collect();
    let (_, faq) = only(
        &json_ld(&format!(r#"{{"@type":"FAQPage","mainEntity":[{}]}}"#, pairs.join(","))),
        Kind::Faq,
    );
    assert_eq!(faq["questions"].as_array().unwrap().len(), 100);
}

#[test]
fn whoever_has_hours_or_an_address_and_a_number_is_an_organisation() {
    let salon = json_ld(
        r#"{"@type":"NailSalon","name":"Nails","telephone":"+49 30 5","address":"Main Street 5, Town","openingHours":"Tu,Th 16:00-20:00"}"#,
    );
    assert_eq!(only(&salon, Kind::Organization).1["telephone"], "+49 30 5");
    assert_eq!(
        only(&salon, Kind::Contact).1["addresses"],
        json!(["Main Street 5, Town"])
    );
    assert_eq!(
        only(&salon, Kind::OpeningHours).1["hours"],
        json!([{"days": ["tuesday", "thursday"], "opens": "16:00", "closes": "20:00"}])
    );
    let person = json_ld(r#"{"@type":"Person","name":"Ann","telephone":"+49 30 6","address":"Main Street 6"}"#);
    assert!(found(&person).iter().all(|item| item.kind != Kind::Organization));
    let named = json_ld(r#"{"@type":"Winery","name":"Vines"}"#);
    assert!(found(&named).iter().all(|item| item.kind != Kind::Organization));
}

#[test]
fn a_price_of_thousands_is_one() {
    let html = "<main itemscope itemtype='http://schema.org/Product'><h1 itemprop=name>Boat</h1><div itemprop=offers itemscope itemtype='http://schema.org/Offer'>\
        <span itemprop=price>1.299 €</span></div></main>";
    assert_eq!(only(html, Kind::Product).1["price"], "1299");
}
