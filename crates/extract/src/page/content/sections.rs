//! Sections whose heading says that they lead away from the content.

use super::{
    super::{
        dom::{Dom, Id},
        patterns::{self, ANSWERS, ELSEWHERE, HELP, OPINIONS, SUBJECTS},
    },
    heading_level,
    stats::{Stat, stats},
};

/// Longest heading that is one of the known phrases, in bytes.
const MAX_PHRASE: usize = 80;

/// Marks what stands under a heading that leads elsewhere as dead, with its heading.
pub(super) fn drop_elsewhere(dom: &Dom, body: Id, sizes: &[usize], dead: &mut [bool], forum: bool) {
    let stats = stats(dom, sizes, dead);
    let mut id = body + 1;
    while id < dom.nodes[body].end {
        if dead[id] {
            id = dom.nodes[id].end;
            continue;
        }
        if let Some(level) = heading_level(dom.name(id)).filter(|level| *level > 1 && stats[id].text < MAX_PHRASE + 20)
        {
            let text = dom.text(id);
            let elsewhere = text.len() < MAX_PHRASE
                && (patterns::matches(&ELSEWHERE, &text) || !forum && patterns::matches(&OPINIONS, &text));
            if elsewhere {
                let section = section(dom, id, level, body, &stats);
                let is_subject = patterns::matches(&SUBJECTS, &text) && is_prose(dom, &section, &stats)
                    || patterns::matches(&HELP, &text) && tells_how_to_reach(dom, &section)
                    || patterns::matches(&ANSWERS, &text) && asks(dom, &section, id);
                if !is_subject {
                    for part in section {
                        dead[part] = true;
                    }
                }
            }
        }
        id += 1;
    }
}

/// Paragraphs outside of links: the heading names the subject ("Log in", "Discussion") rather than a box of the page.
fn is_prose(dom: &Dom, section: &[Id], stats: &[Stat]) -> bool {
    const PARAGRAPH: usize = 100;
    let is_paragraph = |id: &Id| {
        matches!(dom.name(*id), "p" | "dd" | "blockquote")
            && stats[*id].text > PARAGRAPH
            && stats[*id].link * 2 < stats[*id].text
    };
    let all = section
        .iter()
        .flat_map(|part| std::iter::once(*part).chain(dom.descendants(*part)));
    let prose: usize = all.filter(is_paragraph).map(|id| stats[id].text).sum();
    let sum = |of: fn(&Stat) -> usize| section.iter().map(|id| of(&stats[*id])).sum::<usize>();
    let (text, link) = (sum(|stat| stat.text), sum(|stat| stat.link));
    prose * 2 > text && link * 4 < text
}

/// A number to call, hours, or an address to write to.
fn tells_how_to_reach(dom: &Dom, section: &[Id]) -> bool {
    let is_reached = |text: &str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        digits >= 3 || text.contains('@')
    };
    section.iter().any(|part| is_reached(&dom.text(*part)))
}

/// Whether something below the heading asks: a smaller heading, the line of a disclosure, a term.
fn asks(dom: &Dom, section: &[Id], heading: Id) -> bool {
    let is_question = |id: Id| {
        (heading_level(dom.name(id)).is_some() || matches!(dom.name(id), "summary" | "dt"))
            && id != heading
            && dom.text(id).trim_end().ends_with(['?', '？'])
    };
    let mut all = section
        .iter()
        .flat_map(|part| std::iter::once(*part).chain(dom.descendants(*part)));
    all.any(is_question)
}

/// The section of a heading: the largest block that begins with it and holds no other heading of its rank, or, in a flat
/// document, what follows up to the next such heading; none if that is more than half of the page.
fn section(dom: &Dom, heading: Id, level: u8, body: Id, stats: &[Stat]) -> Vec<Id> {
    let total = stats[body].text;
    let ranks = |id: Id| heading_level(dom.name(id)).is_some_and(|other| other <= level);
    let mut top = heading;
    for up in dom.ancestors(heading) {
        let before = dom
            .descendants(up)
            .take_while(|id| *id < top)
            .any(|id| dom.name(id).is_empty() && stats[id].text > 0);
        let alone = dom
            .descendants(up)
            .all(|id| id == heading || !ranks(id) || stats[id].text == 0);
        if up == body || before || !alone || stats[up].h1 || stats[up].main || stats[up].text * 2 > total {
            break;
        }
        top = up;
    }
    let mut parts = vec![top];
    if stats[top].text > stats[heading].text {
        return parts;
    }
    let mut next = dom.nodes[top].end;
    let parent_end = dom.nodes[dom.nodes[top].parent].end;
    let mut size = 0;
    while next < parent_end {
        let has_rank = ranks(next) || dom.descendants(next).any(|id| ranks(id) && stats[id].text > 0);
        size += stats[next].text;
        if size * 2 > total && !has_rank {
            return Vec::new();
        }
        if has_rank {
            break;
        }
        parts.push(next);
        next = dom.nodes[next].end;
    }
    parts
}
