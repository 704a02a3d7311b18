//! Text that a whole site repeats: notes on cookies, addresses, newsletters, hints on shipping that no markup gives away. Found by
//! counting on how many of a site's pages each block of text stands; left out of chunks, kept in the stored pages.
//!
//! A page is stored with the numbers of its blocks ([`super::blocks`]: paragraphs and lists, no headings, labels, code), and the
//! database counts them in one statement. A block that is known stays known until it has become clearly rarer, so that a small change of the site does not
//! make pages be indexed again and again. Pages whose chunks were made without other blocks than are known now are marked
//! (`reindex`); of their chunks, only those that differ are embedded.
//!
//! A page that is about a repeated text keeps it: see [`without`]. And each repeated text has one page that keeps it whatever it is about,
//! its owner ([`own`]), so that an address or a promise that stands everywhere answers once instead of never.
use entity::packed::PackedText;
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

use crate::{
    Result,
    tenancy::{TenantTx, sql},
};

/// A block is repeated when it stands on so many pages,
const PAGES: i64 = 5;
/// and on this share of the site's.
const SHARE: f64 = 0.3;
/// While a crawl runs, its first pages are not yet like the site: then it takes more.
const SHARE_AT_FIRST: f64 = 0.5;
/// A known one is forgotten below these.
const PAGES_KEPT: i64 = 4;
const SHARE_KEPT: f64 = 0.2;

/// When a site's blocks are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// While pages are still coming in: blocks are learned, and none is forgotten.
    Running,
    /// When the whole site has been seen.
    AtEnd,
}

/// Counts the blocks of the sites that the job visits; returns how many pages have to be indexed again.
///
/// Pages that say nothing themselves, and all twins but one, do not count: they would make text seem repeated.
pub async fn count(tx: &TenantTx, job: Uuid, when: When) -> Result<u64> {
    const COUNT: &str = "
        WITH sites AS (SELECT DISTINCT url_origin(url) AS origin FROM job_urls WHERE job_id = $1),
        live AS (SELECT p.origin, p.blocks FROM scraped_pages p JOIN sites USING (origin)
          WHERE p.customer_id = $2 AND p.tombstoned_at IS NULL AND p.duplicate_of IS NULL AND NOT p.navigational),
        total AS (SELECT origin, count(*) AS pages FROM live GROUP BY 1),
        counted AS (SELECT origin, block, count(*) AS pages FROM live, unnest(blocks) AS block GROUP BY 1, 2 HAVING count(*) >= $6),
        wanted AS (
          SELECT c.origin, c.block, c.pages FROM counted c JOIN total t USING (origin)
            LEFT JOIN site_blocks s ON s.customer_id = $2 AND s.origin = c.origin AND s.block = c.block
          WHERE c.pages >= $3 AND c.pages >= $4 * t.pages OR s.block IS NOT NULL AND c.pages >= $5 * t.pages),
        forgotten AS (
          DELETE FROM site_blocks s USING sites WHERE s.customer_id = $2 AND s.origin = sites.origin AND $7
            AND NOT EXISTS (SELECT FROM wanted w WHERE w.origin = s.origin AND w.block = s.block) RETURNING 1),
        learned AS (
          INSERT INTO site_blocks AS s (customer_id, origin, block, pages) SELECT $2, origin, block, pages FROM wanted ORDER BY origin, block
          ON CONFLICT (customer_id, origin, block) DO UPDATE SET pages = excluded.pages WHERE s.pages <> excluded.pages
          RETURNING xmax = 0 AS fresh)
        SELECT (SELECT count(*) FROM forgotten) + (SELECT count(*) FROM learned WHERE fresh) AS changes";
    // Pages without chunks are made with what is known by then.
    const MARK: &str = "
        WITH sites AS (SELECT DISTINCT url_origin(url) AS origin FROM job_urls WHERE job_id = $1),
        outdated AS (
          SELECT p.id FROM scraped_pages p JOIN sites USING (origin)
          WHERE p.customer_id = $2 AND p.tombstoned_at IS NULL AND p.indexed_version > 0 AND NOT p.reindex
            AND p.repeats <> ARRAY(SELECT b FROM unnest(p.blocks) AS b JOIN site_blocks s
              ON s.customer_id = $2 AND s.origin = p.origin AND s.block = b AND s.owner IS DISTINCT FROM p.id ORDER BY b)
          ORDER BY p.url_hash FOR UPDATE OF p)
        UPDATE scraped_pages p SET reindex = true FROM outdated WHERE p.id = outdated.id";
    let (job, customer) = (job.into(), tx.customer().into());
    let share = if when == When::AtEnd { SHARE } else { SHARE_AT_FIRST };
    let values: [sea_orm::Value; 7] = [
        job,
        customer,
        PAGES.into(),
        share.into(),
        SHARE_KEPT.into(),
        PAGES_KEPT.into(),
        (when == When::AtEnd).into(),
    ];
    let [job, customer, ..] = values.clone();
    let row = tx.query_one_raw(sql(COUNT, values)).await?;
    let changes: i64 = row
        .map(|row| row.try_get("", "changes"))
        .transpose()?
        .unwrap_or_default();
    let owned = if when == When::AtEnd {
        own(tx, job.clone()).await?
    } else {
        0
    };
    if changes == 0 && owned == 0 {
        return Ok(0);
    }
    Ok(tx.execute_raw(sql(MARK, [job, customer])).await?.rows_affected())
}

/// Gives an owner to each repeated block of the job's sites that has none, or one that has it no more: the page whose title shares most words
/// with it, else the one with the shortest URL. Returns how many got one.
async fn own(tx: &TenantTx, job: sea_orm::Value) -> Result<usize> {
    const PAGES: &str = "
        WITH sites AS (SELECT DISTINCT url_origin(url) AS origin FROM job_urls WHERE job_id = $1),
        orphans AS (
          SELECT s.origin, s.block FROM site_blocks s JOIN sites USING (origin) WHERE s.customer_id = $2
            AND NOT EXISTS (SELECT FROM scraped_pages p WHERE p.customer_id = $2 AND p.id = s.owner AND p.tombstoned_at IS NULL
              AND p.duplicate_of IS NULL AND NOT p.navigational AND p.blocks @> ARRAY[s.block])),
        by_site AS (SELECT origin, array_agg(block) AS blocks FROM orphans GROUP BY 1)
        SELECT p.id, p.url, p.title, p.origin, ARRAY(SELECT b FROM unnest(p.blocks) b WHERE b = ANY(s.blocks)) AS blocks
        FROM scraped_pages p JOIN by_site s USING (origin)
        WHERE p.customer_id = $2 AND p.tombstoned_at IS NULL AND p.duplicate_of IS NULL AND NOT p.navigational AND p.blocks && s.blocks
        ORDER BY length(p.url), p.url";
    const OWN: &str = "
        UPDATE site_blocks s SET owner = n.owner FROM unnest($2::text[], $3::bigint[], $4::uuid[]) AS n (origin, block, owner)
        WHERE s.customer_id = $1 AND s.origin = n.origin AND s.block = n.block";
    let customer = tx.customer();
    let candidates = Candidate::find_by_statement(sql(PAGES, [job, customer.into()]))
        .all(&**tx)
        .await?;
    let texts = texts(tx, &candidates).await?;
    let mut owners: BTreeMap<(&str, i64), (usize, Uuid)> = BTreeMap::new();
    for page in &candidates {
        let title: HashSet<String> = words(&page.title).collect();
        for block in &page.blocks {
            let said = texts.get(&(page.origin.as_str(), *block));
            let shared = said.map_or(0, |said| title.intersection(said).count());
            let best = owners.entry((&page.origin, *block)).or_insert((shared, page.id));
            if shared > best.0 {
                *best = (shared, page.id);
            }
        }
    }
    let origins: Vec<String> = owners.keys().map(|(origin, _)| (*origin).to_owned()).collect();
    let blocks: Vec<i64> = owners.keys().map(|(_, block)| *block).collect();
    let pages: Vec<Uuid> = owners.values().map(|(_, page)| *page).collect();
    if pages.is_empty() {
        return Ok(0);
    }
    let values = [customer.into(), origins.into(), blocks.into(), pages.into()];
    tx.execute_raw(sql(OWN, values)).await?;
    Ok(owners.len())
}

/// A page that has repeated blocks without an owner.
#[derive(Debug, FromQueryResult)]
struct Candidate {
    id: Uuid,
    title: String,
    origin: String,
    blocks: Vec<i64>,
}

/// The words of blocks, by site and number.
type Texts<'a> = HashMap<(&'a str, i64), HashSet<String>>;

/// What the blocks say, read off few of the pages that have them.
async fn texts<'a>(tx: &TenantTx, pages: &'a [Candidate]) -> Result<Texts<'a>> {
    /// Pages that are read; what only further ones have is owned by its address alone.
    const READ: usize = 20;
    const TEXT: &str = "SELECT markdown FROM scraped_pages WHERE customer_id = $1 AND id = $2";
    let mut out = Texts::new();
    let mut read = 0;
    for page in pages {
        let is_new = |block: &i64| !out.contains_key(&(page.origin.as_str(), *block));
        if read == READ || !page.blocks.iter().any(is_new) {
            continue;
        }
        read += 1;
        let row = tx
            .query_one_raw(sql(TEXT, [tx.customer().into(), page.id.into()]))
            .await?;
        let markdown: PackedText = row
            .map(|row| row.try_get("", "markdown"))
            .transpose()?
            .unwrap_or_default();
        for (number, text) in super::blocks::blocks(&markdown) {
            if page.blocks.contains(&number) {
                out.insert((page.origin.as_str(), number), words(text).collect());
            }
        }
    }
    Ok(out)
}

/// A page's Markdown without the blocks that its site repeats, and without the headings that stood above nothing else.
///
/// A repeated block stays on the page that is about it: the rest of the page has less than half of the block's words, and the page's title
/// or its first heading shares a word with it. Headings are not left out by themselves.
pub fn without(markdown: &str, title: &str, repeated: &[String]) -> String {
    if repeated.is_empty() {
        return markdown.to_owned();
    }
    let blocks = blocks(markdown);
    let repeated: HashSet<&str> = repeated.iter().map(String::as_str).collect();
    let is_repeated = |block: &str| repeated.contains(block);
    let own: usize = blocks
        .iter()
        .filter(|block| !is_heading(block) && !is_repeated(block))
        .map(|block| words(block).count())
        .sum();
    let subject: HashSet<String> = words(title)
        .chain(
            blocks
                .iter()
                .find(|block| is_heading(block))
                .into_iter()
                .flat_map(|h| words(h)),
        )
        .collect();
    let stays = |block: &str| {
        !is_repeated(block) || words(block).count() > 2 * own && words(block).any(|word| subject.contains(&word))
    };
    // A heading is kept with what follows it, down to the next heading of its rank; one that had nothing before stays.
    let mut kept: Vec<&str> = Vec::with_capacity(blocks.len());
    for (at, block) in blocks.iter().enumerate() {
        let keep = if is_heading(block) {
            let below = blocks[at + 1..]
                .iter()
                .take_while(|next| !is_heading(next) || rank(next) > rank(block))
                .filter(|next| !is_heading(next));
            let (mut any, mut some) = (false, false);
            for next in below {
                any = true;
                some |= stays(next);
            }
            some || !any
        } else {
            stays(block)
        };
        if keep {
            kept.push(block);
        }
    }
    kept.join("\n\n")
}

/// What stands between blank lines; a fenced block of code is one, whatever is in it.
fn blocks(markdown: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut start = 0;
    let mut fence: Option<&str> = None;
    let mut at = 0;
    for line in markdown.split_inclusive('\n') {
        let text = line.trim();
        match fence {
            Some(mark) if text.starts_with(mark) && text.trim_start_matches(['`', '~']).is_empty() => fence = None,
            None if text.starts_with("```") || text.starts_with("~~~") => {
                let length = text.len()
                    - text
                        .trim_start_matches(if text.starts_with('`') { '`' } else { '~' })
                        .len();
                fence = Some(&text[..length]);
            }
            None if text.is_empty() => {
                push(&mut blocks, &markdown[start..at]);
                start = at + line.len();
            }
            _ => {}
        }
        at += line.len();
    }
    push(&mut blocks, &markdown[start..]);
    blocks
}

fn push<'a>(blocks: &mut Vec<&'a str>, text: &'a str) {
    let text = text.trim_matches('\n');
    if !text.trim().is_empty() {
        blocks.push(text);
    }
}

fn is_heading(block: &str) -> bool {
    block.starts_with('#')
}

fn rank(heading: &str) -> usize {
    heading.len() - heading.trim_start_matches('#').len()
}

/// Lower-case words of four letters and more, and every word in scripts that write without spaces.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() >= 4 || word.chars().any(|c| c >= '\u{2e80}'))
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIES: &str = "We use cookies to improve your experience on this website. Read more.";
    const ADDRESS: &str = "Example Shop, Main Street 5, Springfield, telephone 555 123.";
    const SHIPPING: &str = "Shipping takes three days within the country and eight days elsewhere.";

    fn repeated() -> [String; 3] {
        [COOKIES, ADDRESS, SHIPPING].map(str::to_owned)
    }

    fn left(markdown: &str, title: &str) -> String {
        without(markdown, title, &repeated())
    }

    #[test]
    fn repeated_text_goes_and_takes_its_heading_with_it() {
        let page = format!(
            "{COOKIES}\n\n# Blue mug\n\nA mug of stone.\n\n## Delivery\n\n{SHIPPING}\n\n## Care\n\nWash it by hand.\n\n{ADDRESS}"
        );
        assert_eq!(
            left(&page, "Blue mug"),
            "# Blue mug\n\nA mug of stone.\n\n## Care\n\nWash it by hand."
        );
    }

    #[test]
    fn the_page_that_is_about_a_repeated_text_keeps_it_and_only_it() {
        let page = format!("{COOKIES}\n\n# Shipping\n\n{SHIPPING}\n\n{ADDRESS}");
        assert_eq!(left(&page, "Shipping"), format!("# Shipping\n\n{SHIPPING}"));
        let faq = format!(
            "# Shipping\n\n{}\n\n{SHIPPING}",
            "Large furniture comes with a truck and two friendly people who carry everything upstairs."
        );
        assert!(
            !left(&faq, "Shipping").contains(SHIPPING),
            "the page has more to say than that"
        );
        assert_eq!(left(&format!("{COOKIES}\n\n{ADDRESS}"), "Gallery"), "");
    }

    #[test]
    fn headings_without_text_and_code_with_blank_lines_stay_as_they_are() {
        let code = "```sh\nfirst\n\nWe use cookies to improve your experience on this website. Read more.\n\nlast\n```";
        let page = format!("## Empty\n\n## Code\n\n{code}\n\n{COOKIES}");
        assert_eq!(left(&page, ""), format!("## Empty\n\n## Code\n\n{code}"));
        assert_eq!(without("a\n\n\nb", "", &[]), "a\n\n\nb");
    }
}
