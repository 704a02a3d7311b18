//! The lexical leg in SQL: BM25 (Robertson and Zaragoza, 2009) over a customer's chunks, with what it counts taken from the chunks
//! themselves, so that nothing is kept that could be wrong.
//!
//! `page_embeddings.words` is a `sparsevec`: by the number of a word, how often the text has it (at most 7), and 8 more if the
//! heading path has it. An inner product with a vector that has 1, 16, 256, … at the question's words is a number whose
//! hexadecimal digits are these entries. pgvector adds up in single precision, which is exact up to 24 bits: 6 words. Four such
//! products make 24 words, which is what of a longer question counts: its longest words.
//!
//! A question is read in the language of each chunk: of a page in another language it has hardly a word, and then its rank is a
//! small part of what the question could reach (`reach`), whatever the customer's other pages have.
//!
//! Half of a sentence's words are little words, which no index has; of a list of keywords hardly any is. Keywords name what a page is
//! about, and are looked for in headings first; the words of a sentence that stand in a title as well ("Python FAQ") say little.
//! Both were measured (`docs/adr/0018-bm25-by-inner-products.md`).

/// The words of the question by the customer's languages; `$2` is the question, `$3` the configurations.
const TERMS: &str = "
  terms AS MATERIALIZED (
    SELECT * FROM (
      SELECT config, lexeme, number, (row_number() OVER (PARTITION BY config ORDER BY length(lexeme) DESC, lexeme) - 1)::int AS at
      FROM (SELECT config, word_number(lexeme) AS number, min(lexeme) AS lexeme FROM unnest($3::text[]) config
            CROSS JOIN LATERAL unnest(tsvector_to_array(to_tsvector(config::regconfig, $2))) lexeme GROUP BY 1, 2) numbered) longest
    WHERE at < 24),
  question AS MATERIALIZED (
    SELECT config, count(*)::int AS words, count(*) <= 0.6 * length(to_tsvector('simple', $2)) AS sentence, {products}
    FROM terms GROUP BY config)";

/// A product's vector.
const PRODUCT: &str = "('{' || string_agg(number || ':' || (1 << 4 * (at % 6)), ',') FILTER (WHERE at / 6 = {n}) || '}/536870912')::sparsevec AS q{n}";

/// Reads each chunk of the customer once, for both legs. `{distance}` is the distance of its vector, or nothing.
const SCAN: &str = "
  scan AS MATERIALIZED (
    SELECT c.id, c.config, c.word_total AS length, {distance} AS distance, -(c.words <#> q.q0) AS p0, -(c.words <#> q.q1) AS p1,
      -(c.words <#> q.q2) AS p2, -(c.words <#> q.q3) AS p3
    FROM page_embeddings c LEFT JOIN question q ON q.config = c.config {vector} WHERE c.customer_id = $1 AND c.published)";

/// `ranked` has each chunk with a word of the question: its `reach`, 0 to 1, and `mask`, which has a bit for each of its words.
/// k1 is 1.2 and b 0.75. `{sentence}` is how many times of a word in the text its place in a heading counts for in a sentence.
const RANKED: &str = "
  sizes AS MATERIALIZED (SELECT config, count(*)::float8 AS chunks, greatest(avg(length), 1)::float8 AS length FROM scan GROUP BY config),
  hits AS MATERIALIZED (
    SELECT s.id, s.length, t.config, t.at, d.digit FROM scan s JOIN terms t USING (config) CROSS JOIN LATERAL (
      SELECT (CASE t.at / 6 WHEN 0 THEN s.p0 WHEN 1 THEN s.p1 WHEN 2 THEN s.p2 ELSE s.p3 END)::int >> 4 * (t.at % 6) & 15 AS digit) d
    WHERE (s.p0 > 0 OR s.p1 > 0 OR s.p2 > 0 OR s.p3 > 0) AND d.digit > 0),
  weights AS MATERIALIZED (
    SELECT config, at, idf, sum(idf) OVER (PARTITION BY config) * 2.2::float8 AS best, length, heading FROM (
      SELECT t.config, t.at, ln(1 + (s.chunks - coalesce(d.n, 0) + 0.5) / (coalesce(d.n, 0) + 0.5)) AS idf, s.length,
        CASE WHEN q.sentence THEN {sentence}::float8 ELSE 5::float8 END AS heading
      FROM terms t JOIN question q USING (config) JOIN sizes s USING (config) LEFT JOIN (SELECT config, at, count(*) AS n FROM hits GROUP BY 1, 2) d USING (config, at)) w),
  ranked AS MATERIALIZED (
    SELECT id, sum(idf * n * 2.2::float8 / (n + 1.2::float8 * (0.25::float8 + 0.75::float8 * length / average)) / best) AS reach,
      bit_or(1 << at) AS mask
    FROM (SELECT h.id, h.at, (h.digit & 7) + w.heading * (h.digit >> 3) AS n, h.length::float8 AS length, w.idf, w.best, w.length AS average
          FROM hits h JOIN weights w USING (config, at)) counted
    GROUP BY id)";

/// [`TERMS`] with its products.
pub(super) fn terms() -> String {
    let products: Vec<String> = (0..4).map(|n| PRODUCT.replace("{n}", &n.to_string())).collect();
    TERMS.replace("{products}", &products.join(", "))
}

/// [`SCAN`] with what it needs for the distances, if it is to have them.
pub(super) fn scan(distance: &str, vector: &str) -> String {
    SCAN.replace("{distance}", distance).replace("{vector}", vector)
}

/// [`RANKED`] for searches with a vector, which has the headings in it, or for the words alone, which need them.
pub(super) fn ranked(with_vector: bool) -> String {
    RANKED.replace("{sentence}", if with_vector { "0.25" } else { "1" })
}
