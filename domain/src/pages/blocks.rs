//! The blocks of a page's text (paragraphs, lists, tables) as numbers, by which [`super::repeats`] counts on how many pages of a site
//! each of them stands.
//!
//! A block's number is that of Postgres' `hashtextextended(lower(btrim(block)), 0)`: rows from the time when the database computed it
//! stay as they are. It is computed here, where a page is read, since in a statement it took as long as the rest of storing a page.

/// Blocks of a page that count: a page of endless ones counts with its first.
const MOST: usize = 3000;
/// Shortest text that counts, in characters.
const SHORTEST: usize = 15;

/// The blocks of a Markdown text that may be repeated, with their numbers.
///
/// Left out is what may be repeated and still belongs where it stands: headings, labels of one or two words ("See also"), parts of
/// lists and definitions (they are indented), and code. Scripts without spaces are told by their bytes.
pub fn blocks(markdown: &str) -> impl Iterator<Item = (i64, &str)> {
    let has_code = markdown.as_bytes().contains(&b'`');
    let blocks = markdown.split("\n\n").take(MOST);
    let blocks = blocks.filter(move |block| counts(block) && !(has_code && block.contains("```")));
    blocks.map(|block| (number(block), block))
}

/// The numbers of a text's blocks, each once, in their order.
pub fn numbers(markdown: &str) -> Vec<i64> {
    let mut numbers: Vec<i64> = blocks(markdown).map(|(number, _)| number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn counts(block: &str) -> bool {
    let words = || block.bytes().filter(|byte| *byte == b' ').nth(1).is_some();
    !block.starts_with(['#', ' '])
        && block.chars().nth(SHORTEST - 1).is_some()
        && (words() || block.len() > 2 * block.chars().count())
}

fn number(block: &str) -> i64 {
    let block = block.trim_matches([' ', '\n', '\t']);
    let lower: String = if block.is_ascii() {
        block.to_ascii_lowercase()
    } else {
        // Letter by letter, as Postgres' own locale does: no letter becomes two.
        block.chars().filter_map(|c| c.to_lowercase().next()).collect()
    };
    hash(lower.as_bytes()).cast_signed()
}

/// Bob Jenkins' lookup3 as `hash_bytes_extended` of Postgres has it, without a seed (`src/common/hashfn.c`).
fn hash(key: &[u8]) -> u64 {
    let start = 0x9e37_79b9_u32.wrapping_add(key.len() as u32).wrapping_add(3_923_095);
    let mut state = [start; 3];
    let (parts, rest) = key.as_chunks::<12>();
    for part in parts {
        add(&mut state, part);
        mix(&mut state);
    }
    let mut last = [0; 12];
    // The lowest byte of the third word is the length's.
    let (head, tail) = rest.split_at(rest.len().min(8));
    last[..head.len()].copy_from_slice(head);
    last[9..9 + tail.len()].copy_from_slice(tail);
    add(&mut state, &last);
    finish(&mut state);
    u64::from(state[1]) << 32 | u64::from(state[2])
}

fn add(state: &mut [u32; 3], part: &[u8; 12]) {
    let (words, _) = part.as_chunks::<4>();
    for (sum, word) in state.iter_mut().zip(words) {
        *sum = sum.wrapping_add(u32::from_le_bytes(*word));
    }
}

fn mix([a, b, c]: &mut [u32; 3]) {
    fn step(x: &mut u32, y: &mut u32, z: u32, by: u32) {
        *x = x.wrapping_sub(*y) ^ y.rotate_left(by);
        *y = y.wrapping_add(z);
    }
    step(a, c, *b, 4);
    step(b, a, *c, 6);
    step(c, b, *a, 8);
    step(a, c, *b, 16);
    step(b, a, *c, 19);
    step(c, b, *a, 4);
}

fn finish([a, b, c]: &mut [u32; 3]) {
    fn step(x: &mut u32, y: u32, by: u32) {
        *x = (*x ^ y).wrapping_sub(y.rotate_left(by));
    }
    step(c, *b, 14);
    step(a, *c, 11);
    step(b, *a, 25);
    step(c, *b, 16);
    step(a, *c, 4);
    step(b, *a, 14);
    step(c, *b, 24);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_labels_code_and_parts_do_not_count() {
        let text = "# How we deliver things\n\nSee also this\n\nNote\n\nSee the terms of delivery.\n\n  an indented part of it\n\n```\nlet a = b c d;\n```\n\n\
            当店では平日の午前九時から午後五時まで営業\n\nSEE the terms of delivery.\n\n\nSee the terms of delivery. ";
        let found: Vec<&str> = blocks(text).map(|(_, block)| block).collect();
        assert_eq!(
            found,
            [
                "See the terms of delivery.",
                "当店では平日の午前九時から午後五時まで営業",
                "SEE the terms of delivery.",
                "\nSee the terms of delivery. "
            ]
        );
        assert_eq!(numbers(text).len(), 2);
        assert!(numbers("").is_empty());
    }
}
