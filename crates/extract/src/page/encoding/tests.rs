//! Sentences in each encoding, declared well, wrongly, or not at all.

use super::*;

const SENTENCES: &[(&str, &str, &str)] = &[
    (
        "windows-1252",
        "fr",
        "Où se trouve la fenêtre ? Le garçon a mangé des pâtes à l’été, près de chez sa mère, et ça coûte 5 €.",
    ),
    (
        "windows-1252",
        "de",
        "Die Größe des Gehäuses beträgt 30 mm; für Rückfragen stehen wir täglich zur Verfügung, schöne Grüße.",
    ),
    (
        "Shift_JIS",
        "jp",
        "返品は商品到着後三十日以内にお願いいたします。送料はお客様のご負担となりますので、ご了承ください。カタカナも使います。",
    ),
    (
        "EUC-JP",
        "jp",
        "返品は商品到着後三十日以内にお願いいたします。送料はお客様のご負担となりますので、ご了承ください。カタカナも使います。",
    ),
    (
        "ISO-2022-JP",
        "jp",
        "返品は商品到着後三十日以内にお願いいたします。送料はお客様のご負担となりますので、ご了承ください。",
    ),
    (
        "EUC-KR",
        "kr",
        "반품은 상품을 받은 날부터 삼십일 이내에 신청해 주십시오. 배송비는 고객님께서 부담하셔야 합니다.",
    ),
    (
        "GBK",
        "cn",
        "收到商品后三十天内可以申请退货，运费由买家承担。如有任何问题，请联系我们的客服人员，谢谢您的支持。",
    ),
    (
        "gb18030",
        "cn",
        "收到商品后三十天内可以申请退货，运费由买家承担。如有任何问题，请联系我们的客服人员，谢谢您的支持。",
    ),
    (
        "Big5",
        "tw",
        "收到商品後三十天內可以申請退貨，運費由買家承擔。如有任何問題，請聯絡我們的客服人員，謝謝您的支持。",
    ),
    (
        "KOI8-R",
        "ru",
        "Возврат товара возможен в течение тридцати дней после получения. Стоимость доставки оплачивает покупатель.",
    ),
    (
        "windows-1251",
        "ru",
        "Возврат товара возможен в течение тридцати дней после получения. Стоимость доставки оплачивает покупатель.",
    ),
    (
        "windows-1250",
        "pl",
        "Zwrot towaru jest możliwy w ciągu trzydziestu dni od otrzymania przesyłki, a źródłem środków są łódzkie sklepy.",
    ),
    (
        "ISO-8859-7",
        "gr",
        "Η επιστροφή του προϊόντος είναι δυνατή μέσα σε τριάντα ημέρες από την παραλαβή του από τον πελάτη.",
    ),
    (
        "windows-1255",
        "il",
        "ניתן להחזיר את המוצר תוך שלושים יום מיום קבלתו, ודמי המשלוח יחולו על הלקוח בלבד.",
    ),
    (
        "windows-1256",
        "sa",
        "يمكن إرجاع المنتج خلال ثلاثين يوما من تاريخ الاستلام، ويتحمل العميل تكلفة الشحن كاملة.",
    ),
    (
        "windows-874",
        "th",
        "สามารถคืนสินค้าได้ภายในสามสิบวันหลังจากได้รับสินค้า โดยลูกค้าเป็นผู้รับผิดชอบค่าจัดส่ง",
    ),
];

fn encoded(label: &str, text: &str) -> Vec<u8> {
    let (bytes, _, failed) = Encoding::for_label(label.as_bytes()).unwrap().encode(text);
    assert!(!failed, "{label} lacks a character");
    bytes.into_owned()
}

/// A page around a sentence, with a declaration in its head.
fn page(label: &str, meta: &str, text: &str) -> (Vec<u8>, String) {
    let html = format!(
        "<!doctype html><html><head>{meta}<title>Shop</title></head><body><p>{text}</p><p>{text}</p></body></html>"
    );
    (encoded(label, &html), html)
}

#[test]
fn every_encoding_is_read_when_declared() {
    for (label, _, text) in SENTENCES {
        let (body, html) = page(label, "", text);
        assert_eq!(
            decode(&body, Some(&format!("text/html; charset=\"{label}\"")), None),
            html,
            "{label} by header"
        );
        for meta in [
            format!("<meta charset={label}>"),
            format!(
                "<META name=x content='charset=utf-8'><meta http-equiv='Content-Type' content='text/html; charset={label}'/>"
            ),
            format!("<!-- <meta charset=utf-8> --><meta charset=\"{label}\">"),
        ] {
            let (body, html) = page(label, &meta, text);
            assert_eq!(decode(&body, Some("text/html"), None), html, "{label} by {meta}");
        }
    }
}

#[test]
fn undeclared_encodings_are_guessed() {
    for (label, tld, text) in SENTENCES {
        let (body, html) = page(label, "", text);
        assert_eq!(decode(&body, None, Some(tld)), html, "{label}");
    }
}

#[test]
fn utf8_is_known_whatever_is_declared() {
    for (_, _, text) in SENTENCES {
        for declared in [
            "iso-8859-1",
            "windows-1251",
            "shift_jis",
            "gbk",
            "utf-16",
            "no-such-thing",
            "iso-2022-kr",
        ] {
            let (body, html) = page("utf-8", &format!("<meta charset={declared}>"), text);
            assert_eq!(decode(&body, None, None), html, "{declared} in meta");
            assert_eq!(
                decode(&body, Some(&format!("text/html;charset={declared}")), None),
                html,
                "{declared} in header"
            );
        }
    }
}

#[test]
fn wrong_headers_and_metas_give_way() {
    for (label, tld, text) in SENTENCES {
        // The server's default for everything, and the truth in the document.
        let (body, html) = page(label, &format!("<meta charset={label}>"), text);
        for header in ["text/html; charset=utf-8", "text/html; charset=us-ascii"] {
            let read = decode(&body, Some(header), Some(tld));
            if header.ends_with("utf-8") || !label.starts_with("windows-125") {
                assert_eq!(read, html, "{label} against {header}");
            }
        }
        // Nobody tells the truth.
        let (body, html) = page(label, "<meta charset=utf-8>", text);
        assert_eq!(
            decode(&body, Some("text/html; charset=UTF-8"), Some(tld)),
            html,
            "{label} against utf-8 twice"
        );
    }
    let russian = SENTENCES.iter().find(|(label, ..)| *label == "KOI8-R").unwrap().2;
    let (body, html) = page("KOI8-R", "<meta charset=iso-8859-1>", russian);
    assert_eq!(decode(&body, Some("text/html; charset=iso-8859-1"), None), html);
}

#[test]
fn wide_text_is_read_with_and_without_a_mark() {
    let html = "<!doctype html><p>naïve 日本</p>";
    let le: Vec<u8> = html.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let be: Vec<u8> = html.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for body in [le, be] {
        assert_eq!(decode(&body, None, None), html);
        assert_eq!(decode(&body, Some("text/html; charset=utf-8"), None), html);
    }
    let marked: Vec<u8> = "\u{feff}hi".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(decode(&marked, Some("text/html; charset=latin1"), None), "hi");
    assert_eq!(decode(b"\xff\xfeh\0i\0", None, None), "hi");
    assert_eq!(
        decode(b"\xef\xbb\xbfna\xc3\xafve", Some("text/html; charset=latin1"), None),
        "naïve"
    );
    // A page that could be read as ASCII is not UTF-16, whatever it says.
    assert_eq!(
        decode(b"<meta charset=utf-16><p>x", None, None),
        "<meta charset=utf-16><p>x"
    );
}

#[test]
fn small_things() {
    assert_eq!(
        decode(b"na\xefve \x80", Some("text/html; charset=ISO-8859-1"), None),
        "naïve €"
    );
    assert_eq!(
        decode("naïve".as_bytes(), Some("text/html; charset=ISO-8859-1"), None),
        "naïve"
    );
    assert_eq!(decode(b"plain", None, None), "plain");
    assert_eq!(decode(b"", None, None), "");
    // These two characters of GBK happen to be valid UTF-8.
    assert_eq!(
        decode(b"\xc1\xaa\xcd\xa8", Some("text/html; charset=gbk"), None),
        "联通"
    );
    let xml = b"<?xml version='1.0' encoding='windows-1251'?><p>\xcf\xf0\xe8\xe2\xe5\xf2";
    assert!(decode(xml, None, None).ends_with("Привет"));
    assert_eq!(
        decode(
            b"<meta name=description content='charset=koi8-r'>\xe9t\xe9 na\xefve",
            None,
            None
        ),
        "<meta name=description content='charset=koi8-r'>été naïve"
    );
}

#[test]
fn one_bad_byte_does_not_turn_a_page_into_mojibake() {
    let mut body = "ж".repeat(30).into_bytes();
    body.push(0xff);
    assert!(decode(&body, None, None).starts_with("жж"));
    assert!(decode(&body, Some("text/html; charset=iso-8859-1"), None).starts_with("жж"));
}
