//! Declarations: what those of one element say of whether it is seen.

use std::borrow::Cow;

use super::Colour;

/// How an element looks by the declarations that apply to it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    /// Not displayed, which a script or a state may change; `None` where no declaration says.
    pub closed: Option<bool>,
    /// Displayed so that nobody sees it.
    pub vanished: bool,
    /// So transparent that nobody sees it, or not drawn: hidden, or not yet faded in.
    pub faded: bool,
    pub text: Option<Colour>,
    pub back: Option<Colour>,
    /// A background that is not one known colour.
    pub pictured: bool,
}

/// The declarations that say whether an element is seen.
const KNOWN: &[&str] = &[
    "display",
    "visibility",
    "content-visibility",
    "opacity",
    "font-size",
    "zoom",
    "scale",
    "position",
    "left",
    "top",
    "right",
    "bottom",
    "text-indent",
    "margin-left",
    "margin-top",
    "margin-right",
    "clip",
    "clip-path",
    "transform",
    "filter",
    "width",
    "max-width",
    "height",
    "max-height",
    "overflow",
    "overflow-x",
    "overflow-y",
    "color",
    "-webkit-text-fill-color",
    "background",
    "background-color",
    "background-image",
];

/// The declarations of one element, later ones last.
pub fn look(declarations: &str) -> Look {
    let mut out = Look::default();
    let mut tiny = (false, false, false);
    let mut placed = false;
    let mut away = false;
    for declaration in declarations.split(';') {
        let Some((name, value)) = declaration.split_once(':') else {
            continue;
        };
        let name = lower(name.trim());
        if !KNOWN.contains(&&*name) {
            continue;
        }
        let value = lower(value.trim());
        let value = unimportant(&value);
        let zero = || number(value).is_some_and(|(v, _)| v == 0.0);
        let far = || number(value).is_some_and(|(v, unit)| is_far(-v, unit));
        match &*name {
            "display" => out.closed = Some(value == "none"),
            // Page builders hide so what is to come into view.
            "visibility" => out.faded |= matches!(value, "hidden" | "collapse"),
            "content-visibility" => out.vanished |= value == "hidden",
            "opacity" => {
                out.faded |= number(value).is_some_and(|(v, unit)| v <= if unit == "%" { 5.0 } else { 0.05 });
            }
            "font-size" => {
                out.vanished |= number(value).is_some_and(|(v, unit)| {
                    v * if matches!(unit, "em" | "rem") {
                        16.0
                    } else if unit == "%" {
                        0.16
                    } else {
                        1.0
                    } <= 2.0
                });
            }
            "zoom" | "scale" => out.vanished |= zero(),
            "position" => placed = matches!(value, "absolute" | "fixed"),
            "left" | "top" | "right" | "bottom" => away |= far(),
            "text-indent" | "margin-left" | "margin-top" | "margin-right" => out.vanished |= far(),
            "clip" => {
                out.vanished |= value.starts_with("rect(") && !value[5..].contains(|c: char| ('2'..='9').contains(&c));
            }
            "clip-path" => {
                out.vanished |= ["inset(50%", "inset(100%", "circle(0", "polygon(0 0)", "polygon(0px 0px"]
                    .iter()
                    .any(|it| value.starts_with(it));
            }
            "transform" => out.vanished |= hides_by_transform(value),
            "filter" => out.vanished |= value.replace(' ', "").contains("opacity(0"),
            "width" | "max-width" => tiny.0 |= is_tiny(value),
            "height" | "max-height" => tiny.1 |= is_tiny(value),
            "overflow" | "overflow-x" | "overflow-y" => tiny.2 |= matches!(value, "hidden" | "clip"),
            "color" | "-webkit-text-fill-color" => out.text = Colour::parse(value).or(out.text),
            "background" | "background-color" | "background-image" => match Colour::parse(value) {
                Some(colour) if colour.is_clear() => {}
                Some(colour) => out.back = Some(colour),
                None => out.pictured |= !matches!(value, "none" | "inherit" | "initial"),
            },
            _ => {}
        }
    }
    out.vanished |= placed && away;
    // A height of nothing alone is how accordions close.
    if tiny.2 && tiny.1 {
        if tiny.0 {
            out.vanished = true;
        } else {
            out.closed = Some(true);
        }
    }
    out
}

/// A text with its ASCII letters in lower case, as nearly all of them are.
fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// A value without its weight.
pub fn unimportant(mut value: &str) -> &str {
    while let Some(rest) = value.strip_suffix("!important") {
        value = rest;
    }
    value.trim()
}

fn hides_by_transform(value: &str) -> bool {
    let inside = |name: &str| value.split(name).nth(1).and_then(|rest| rest.split(')').next());
    let nothing = ["scale(", "scalex(", "scaley(", "scale3d("].iter().any(|name| {
        inside(name).is_some_and(|it| it.split(',').next().and_then(number).is_some_and(|(v, _)| v == 0.0))
    });
    let away = ["translate(", "translatex(", "translatey(", "translate3d("]
        .iter()
        .any(|name| {
            inside(name).is_some_and(|it| {
                it.split(',')
                    .filter_map(number)
                    .any(|(v, unit)| unit != "%" && is_far(-v, unit))
            })
        });
    nothing || away
}

fn is_tiny(value: &str) -> bool {
    number(value).is_some_and(|(v, unit)| v == 0.0 || unit == "px" && v <= 1.0)
}

/// Further out than any layout reaches, to the left or above.
fn is_far(distance: f32, unit: &str) -> bool {
    match unit {
        "em" | "rem" => distance >= 60.0,
        "%" | "vw" | "vh" => distance >= 100.0,
        _ => distance >= 900.0,
    }
}

/// The number at the front of a value, and its unit.
pub fn number(text: &str) -> Option<(f32, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+'))
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, text[end..].trim()))
}
