//! Elements that are not content by what they are or by what their author calls them.

use super::{
    super::{
        dom::{Dom, Id},
        patterns::{self, ASKING, Name, Naming, PRICE},
    },
    heading_level,
    stats::Stat,
};

/// Elements that are never content.
const NEVER: &[&str] = &[
    "script", "style", "template", "svg", "iframe", "nav", "footer", "aside", "select", "option", "datalist", "input",
    "textarea", "canvas", "video", "audio", "object", "embed", "dialog", "noembed", "noframes",
];
const ROLES: &[&str] = &[
    "navigation",
    "banner",
    "contentinfo",
    "complementary",
    "dialog",
    "alertdialog",
    "search",
    "menu",
    "menubar",
];
/// Elements whose class or id is read.
const NAMED: &[&str] = &[
    "div", "section", "ul", "ol", "dl", "p", "span", "header", "form", "fieldset", "table", "figure", "a", "li", "h2",
    "h3", "h4", "h5", "h6", "time", "small",
];
/// Most words of an id that someone chose; longer ones are made by machines from where the element stands.
const MAX_ID_WORDS: usize = 5;

/// Tells furniture from content, element by element.
pub(super) struct Judge<'a> {
    pub dom: &'a Dom,
    pub body: Id,
    pub stats: &'a [Stat],
    /// What visitors wrote is the content.
    pub forum: bool,
    pub naming: Naming,
}

impl Judge<'_> {
    /// Whether an element with all that is in it does not belong to the content.
    pub fn is_furniture(&mut self, id: Id) -> bool {
        let (name, stat) = (self.dom.name(id), self.stats[id]);
        match name {
            "" | "main" | "article" | "h1" => false,
            "aside" if is_note(self.dom, id) || self.is_boxed_text(id) => false,
            _ if NEVER.contains(&name) => true,
            "button" | "label" => !self.is_speaking(id),
            // Some applications put the whole page there for readers without scripts.
            "noscript" => stat.text < 400 || stat.text * 2 < self.stats[self.body].text,
            _ if self.dom.attribute(id, "role").is_some_and(|role| ROLES.contains(&role)) => true,
            "header" if !stat.h1 && !self.is_head_of_section(id) => true,
            _ if stat.h1 || stat.main => false,
            _ if NAMED.contains(&name) || name.contains('-') => self.is_called_furniture(id) || self.is_price_list(id),
            _ => false,
        }
    }

    /// Whether an element holds at most so many hundredths of the page's text.
    fn is_within(&self, id: Id, percent: usize) -> bool {
        self.stats[id].text * 100 <= self.stats[self.body].text * percent
    }

    fn is_called_furniture(&mut self, id: Id) -> bool {
        let dom = self.dom;
        let class = dom.attribute(id, "class").unwrap_or_default();
        let anchor = dom.attribute(id, "id").unwrap_or_default();
        let long = anchor.split(|c: char| !c.is_alphanumeric()).count() > MAX_ID_WORDS;
        let silent = long || class.is_empty() && is_anchor_of_heading(dom, id, anchor);
        let names = self.naming.of(&[class, if silent { "" } else { anchor }]);
        if names == patterns::Names::default() {
            return false;
        }
        let stat = self.stats[id];
        let card = matches!(dom.name(id), "li");
        if names.has(Name::Comment) && !self.forum {
            return self.is_within(id, 90);
        }
        if names.has(Name::Remark) && self.forum && is_question_page(dom) {
            return self.is_within(id, 40);
        }
        if names.has(Name::Furniture) && self.is_within(id, 40) {
            let dishes = names.has(Name::Menu) && !names.has(Name::Lead) && self.is_menu_of_things(id, class);
            return !(dishes || self.is_part_of_text(id, names.has(Name::Place) && !names.has(Name::Lead)));
        }
        names.has(Name::Control) && self.is_within(id, 40) && stat.prose == 0
            || names.has(Name::Aside) && self.is_within(id, 15) && !card
            || names.has(Name::Promise) && self.is_within(id, 15) && !card && !self.says_something(id)
            || names.has(Name::Reference) && self.is_within(id, 50) && self.is_reference_list(id)
            || names.has(Name::Byline)
                && !self.forum
                && !card
                && stat.text < 160
                && stat.prose == 0
                && self.is_within(id, 5)
            || names.has(Name::Poster) && self.forum && stat.text < 400 && stat.prose == 0
            || names.has(Name::Unseen) && self.is_within(id, 40)
            || names.has(Name::Contents) && self.is_within(id, 40) && self.leads_into_pages(id)
    }

    /// A menu of dishes or services rather than of pages: hardly any links, and prices, times or a heading.
    fn is_menu_of_things(&self, id: Id, class: &str) -> bool {
        const OTHERS: [&str; 7] = ["cart", "drawer", "modal", "overlay", "canvas", "nav", "mobile"];
        let stat = self.stats[id];
        let class = class.to_ascii_lowercase();
        stat.link * 4 < stat.text
            && !OTHERS.iter().any(|other| class.contains(other))
            && (self.has_heading(id) || patterns::matches(&PRICE, &self.dom.text(id)))
    }

    /// A heading with more than links, and no form below it.
    fn says_something(&self, id: Id) -> bool {
        let stat = self.stats[id];
        stat.link * 3 < stat.text
            && self.has_heading(id)
            && !self
                .dom
                .descendants(id)
                .any(|it| matches!(self.dom.name(it), "form" | "input"))
    }

    fn has_heading(&self, id: Id) -> bool {
        self.dom
            .descendants(id)
            .any(|it| heading_level(self.dom.name(it)).is_some() && self.stats[it].text > 0)
    }

    /// Whether most links lead to a part of a page, as those of a page's own contents do, and not to pages.
    fn leads_into_pages(&self, id: Id) -> bool {
        let links = self
            .dom
            .elements(id, "a")
            .filter_map(|link| self.dom.attribute(link, "href"));
        let (into, all) = links.fold((0, 0), |(into, all), link| {
            (into + usize::from(link.contains('#')), all + 1)
        });
        into * 2 > all
    }

    /// Furniture by name, content by what it does or holds: the panel of a tab, a form in which a product is configured, a
    /// large share of the page's prose in a `place`.
    fn is_part_of_text(&self, id: Id, place: bool) -> bool {
        let stat = self.stats[id];
        let configured = self.dom.name(id) == "form"
            && self
                .dom
                .descendants(id)
                .any(|it| matches!(self.dom.name(it), "table" | "select"));
        let prose = place && stat.prose * 2 > stat.text && stat.prose * 5 > self.stats[self.body].prose;
        configured || prose || self.answers(id) || self.dom.attribute(id, "role") == Some("tabpanel")
    }

    /// A section of a help page that its author named after its subject ("login"): it stands in the main part, begins with a heading
    /// that asks how something is done, and answers in sentences.
    fn answers(&self, id: Id) -> bool {
        const NEAR: usize = 8;
        let (dom, stat) = (self.dom, self.stats[id]);
        stat.prose * 2 > stat.text
            && stat.link * 3 < stat.text
            && dom.ancestors(id).any(|up| is_main(dom, up))
            && dom
                .descendants(id)
                .take(NEAR)
                .find(|it| heading_level(dom.name(*it)).is_some())
                .is_some_and(|heading| patterns::matches(&ASKING, &dom.text(heading)))
            && !dom.descendants(id).any(|it| matches!(dom.name(it), "form" | "input"))
    }

    /// An aside in the text that is prose rather than links: a note, a tip, a footnote.
    fn is_boxed_text(&mut self, id: Id) -> bool {
        let stat = self.stats[id];
        let class = self.dom.attribute(id, "class").unwrap_or_default();
        let inside = self.dom.ancestors(id).any(|up| is_main(self.dom, up));
        inside
            && stat.prose * 2 > stat.text
            && stat.link * 3 < stat.text
            && !self.naming.of(&[class]).has(Name::Furniture)
    }

    /// The header of an article or section rather than of the page.
    fn is_head_of_section(&self, id: Id) -> bool {
        let dom = self.dom;
        dom.ancestors(id)
            .any(|up| is_main(dom, up) || matches!(dom.name(up), "section" | "li"))
            && dom.descendants(id).any(|it| matches!(dom.name(it), "h2" | "h3" | "h4"))
    }

    /// A button or label that is part of the text: the question of an accordion, a heading that opens its section.
    fn is_speaking(&self, id: Id) -> bool {
        let is_heading = |it: Id| heading_level(self.dom.name(it)).is_some();
        self.dom.ancestors(id).take(3).any(is_heading)
            || self.dom.descendants(id).any(is_heading)
            || self.stats[id].text > 80
            || self.stats[id].text > 12 && self.dom.text(id).ends_with('?')
    }

    /// Mostly list items, three or more of which link or name a year.
    fn is_reference_list(&self, id: Id) -> bool {
        let items: Vec<Id> = self.dom.elements(id, "li").collect();
        let listed: usize = items.iter().map(|item| self.stats[*item].text).sum();
        let is_source = |item: &&Id| {
            let text = self.dom.text(**item);
            text.contains("http") || self.dom.elements(**item, "a").next().is_some() || names_year(&text)
        };
        listed * 2 > self.stats[id].text && items.iter().filter(is_source).take(3).count() == 3
    }

    /// The same price in many currencies.
    fn is_price_list(&self, id: Id) -> bool {
        const MIN_CURRENCIES: usize = 4;
        if !matches!(self.dom.name(id), "ul" | "div") || !(20..1500).contains(&self.stats[id].text) {
            return false;
        }
        if self.dom.children(id).nth(MIN_CURRENCIES - 1).is_none() {
            return false;
        }
        let texts: Vec<String> = self
            .dom
            .children(id)
            .map(|child| self.dom.text(child))
            .filter(|text| !text.is_empty())
            .collect();
        let begins_with_code = |text: &&String| {
            let code: Vec<char> = text.chars().take(4).collect();
            text.len() < 60
                && code.len() == 4
                && code[..3].iter().all(char::is_ascii_uppercase)
                && !code[3].is_alphanumeric()
                && text.contains(|c: char| c.is_ascii_digit())
        };
        texts.len() >= MIN_CURRENCIES && texts.iter().filter(begins_with_code).count() * 5 >= texts.len() * 4
    }
}

/// A note or footnote by its role, or a list of them.
fn is_note(dom: &Dom, id: Id) -> bool {
    let by_role = |it: Id| {
        dom.attribute(it, "role")
            .is_some_and(|role| role == "note" || role.starts_with("doc-"))
    };
    by_role(id) || dom.children(id).any(by_role)
}

fn is_main(dom: &Dom, id: Id) -> bool {
    matches!(dom.name(id), "main" | "article") || dom.attribute(id, "role") == Some("main")
}

fn names_year(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit())
        .any(|part| part.len() == 4 && (part.starts_with("19") || part.starts_with("20")))
}

/// Whether the name of a section is only made from its heading, as documentation generators do: "how-do-i-share-a-variable"
/// says what the section is about and not that it is a row of share buttons.
fn is_anchor_of_heading(dom: &Dom, id: Id, anchor: &str) -> bool {
    // Generators put empty elements before the heading, as targets of an index.
    let first = dom.children(id).find(|it| dom.has_text(*it));
    let words = |text: &str| -> Vec<String> {
        let parts = text
            .split(|c: char| !c.is_alphanumeric())
            .filter(|part| !part.is_empty());
        parts.map(str::to_lowercase).collect()
    };
    first
        .filter(|it| heading_level(dom.name(*it)).is_some())
        .is_some_and(|heading| {
            let heading = words(&dom.text(heading));
            !anchor.is_empty() && words(anchor).iter().all(|word| heading.contains(word))
        })
}

/// A page of one question and its answers (schema.org `QAPage`), where remarks are not answers.
fn is_question_page(dom: &Dom) -> bool {
    dom.descendants(0).take(200).any(|id| {
        dom.attribute(id, "itemtype")
            .is_some_and(|kind| kind.ends_with("/QAPage"))
    })
}
