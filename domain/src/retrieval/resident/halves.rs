//! Vectors as Postgres stores them, in half precision, and how far a question's is from each. Pure.
//!
//! A distance is what pgvector's `<=>` gives, to the rounding of single precision: the question's numbers are rounded to halves as there,
//! and sums are made in single precision. Loops are plain and of fixed widths, so that the compiler makes vector instructions of them.

/// Numbers that are added up beside each other.
const LANES: usize = 16;
/// A half's bits, moved to where a single's are, are the number divided by 2^112: the difference of the exponents' biases, 127 and 15.
const BIAS: f32 = f32::from_bits((127 + 112) << 23);

/// Vectors of one dimension, one a row; a row may have none.
#[derive(Debug, Default)]
pub(super) struct Halves {
    dimension: usize,
    bits: Vec<u16>,
    /// Sums of squares; 0 where there is no vector, or one without a direction.
    squares: Vec<f32>,
}

impl Halves {
    /// Adds a row by what `halfvec_send` writes: the dimension, two bytes of nothing, and the numbers' bits, the high bytes first.
    pub fn push(&mut self, sent: Option<&[u8]>) {
        let numbers = sent.and_then(|sent| sent.get(4..)).unwrap_or_default();
        if self.dimension == 0 && !numbers.is_empty() {
            self.dimension = numbers.len() / 2;
            self.bits.resize(self.squares.len() * self.dimension, 0);
        }
        let from = self.bits.len();
        if numbers.len() == 2 * self.dimension {
            let pairs = numbers.as_chunks::<2>().0.iter();
            self.bits.extend(pairs.map(|pair| u16::from_be_bytes(*pair)));
        } else {
            self.bits.resize(from + self.dimension, 0);
        }
        let own: Vec<f32> = self.bits[from..].iter().map(|bits| widened(*bits) * BIAS).collect();
        self.squares.push(own.iter().map(|x| x * x).sum());
    }

    /// Cosine distances of the rows to `asked`; `far` where there is no vector, or one of another dimension.
    pub fn distances(&self, asked: &[f32], far: f64) -> Vec<f64> {
        if self.dimension == 0 || self.dimension != asked.len() {
            return vec![far; self.squares.len()];
        }
        let asked: Vec<f32> = asked.iter().map(|x| rounded(*x)).collect();
        let square = f64::from(asked.iter().map(|x| x * x).sum::<f32>());
        let scaled: Vec<f32> = asked.iter().map(|x| x * BIAS).collect();
        let rows = self.bits.chunks_exact(self.dimension).zip(&self.squares);
        let distance = |(row, own): (&[u16], &f32)| {
            if *own == 0.0 || square == 0.0 {
                return far;
            }
            let cosine = f64::from(product(&scaled, row)) / (square * f64::from(*own)).sqrt();
            1.0 - cosine.clamp(-1.0, 1.0)
        };
        rows.map(distance).collect()
    }

    /// The same without room for more.
    pub fn fitted(mut self) -> Self {
        self.bits.shrink_to_fit();
        self.squares.shrink_to_fit();
        self
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        2 * self.bits.capacity() + 4 * self.squares.capacity()
    }
}

/// The inner product; `asked` is [`BIAS`] times too large, which makes up for what [`widened`] leaves out.
fn product(asked: &[f32], row: &[u16]) -> f32 {
    let ((asked, asked_rest), (row, row_rest)) = (asked.as_chunks::<LANES>(), row.as_chunks::<LANES>());
    let mut sums = [0.0_f32; LANES];
    for (a, b) in asked.iter().zip(row) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * widened(*b);
        }
    }
    let rest = asked_rest.iter().zip(row_rest).map(|(a, b)| a * widened(*b));
    sums.into_iter().sum::<f32>() + rest.sum::<f32>()
}

/// The number with these bits, divided by [`BIAS`]: sign, exponent and fraction are moved into their places. Halves that are infinite or
/// no numbers can't be stored.
fn widened(bits: u16) -> f32 {
    // Moved to the top and back, the sign fills the three bits that a single's exponent has more; all but the sign's own go.
    let moved = i32::from(bits.cast_signed()) << 13;
    f32::from_bits(moved.cast_unsigned() & 0x8FFF_FFFF)
}

/// The nearest half, of two equally near ones the even one, as IEEE 754 and pgvector round.
fn rounded(x: f32) -> f32 {
    /// The least that has all of a half's digits, 2^-14, and the distance of those below, 2^-24.
    const LEAST: f32 = f32::from_bits((127 - 14) << 23);
    const STEP: f32 = f32::from_bits((127 - 24) << 23);
    if x.abs() < LEAST {
        return (x / STEP).round_ties_even() * STEP;
    }
    // A half has 13 digits less.
    let bits = x.to_bits();
    let even = bits >> 13 & 1;
    f32::from_bits((bits + 0xFFF + even) & !0x1FFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `halfvec_send` writes it.
    fn sent(bits: &[u16]) -> Vec<u8> {
        let head = (bits.len() as u16).to_be_bytes().into_iter().chain([0, 0]);
        head.chain(bits.iter().flat_map(|bits| bits.to_be_bytes())).collect()
    }

    #[test]
    fn halves_are_read_as_they_are_stored() {
        // IEEE 754: 1, -2, 0.5, the largest, the least normal one, the largest below it, the least one, nothing.
        let known = [
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x3800, 0.5),
            (0x7BFF, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x83FF, -6.097_555e-5),
            (0x0001, 5.960_464_5e-8),
            (0x8000, 0.0),
        ];
        for (bits, number) in known {
            assert!(
                (widened(bits) * BIAS - number).abs() <= f32::EPSILON * number.abs(),
                "{bits:x}"
            );
        }
    }

    #[test]
    fn numbers_are_rounded_to_the_nearest_half() {
        for bits in (0..0x7C00_u16).chain(0x8000..0xFC00) {
            let exact = widened(bits) * BIAS;
            assert!(rounded(exact).to_bits() == exact.to_bits(), "{bits:x}");
        }
        let step = f32::from_bits((127 - 10) << 23);
        for (number, nearest) in [
            (1.0 + 0.4 * step, 1.0),
            (1.0 + 0.6 * step, 1.0 + step),
            (1.0 + 0.5 * step, 1.0),
            (1.0 + 1.5 * step, 1.0 + 2.0 * step),
            (2.9e-8, 0.0),
            (-3.1e-8, -f32::from_bits((127 - 24) << 23)),
        ] {
            assert_eq!(rounded(number).to_bits(), nearest.to_bits(), "{number}");
        }
    }

    #[test]
    fn distances_are_cosines_of_all_dimensions() {
        let mut halves = Halves::default();
        halves.push(None);
        // 19 numbers, so that some are beside the lanes.
        let one: Vec<u16> = (0..19).map(|at| [0x3C00, 0xC000, 0x3800][at % 3]).collect();
        halves.push(Some(&sent(&one)));
        halves.push(Some(&sent(&[0; 19])));
        halves.push(Some(&sent(&[0x3C00; 3])));
        let asked: Vec<f32> = (0..19_u8).map(|at| f32::from(at) - 4.0).collect();
        let numbers: Vec<f64> = (0..19).map(|at| [1.0, -2.0, 0.5][at % 3]).collect();
        let product: f64 = asked.iter().zip(&numbers).map(|(a, b)| f64::from(*a) * b).sum();
        let length = |squares: f64| squares.sqrt();
        let cosine = product
            / length(asked.iter().map(|a| f64::from(a * a)).sum())
            / length(numbers.iter().map(|b| b * b).sum());
        let far = f64::INFINITY;
        let found = halves.distances(&asked, far);
        let without = [found[0], found[2], found[3]];
        assert!(
            without.iter().all(|d| *d == f64::INFINITY),
            "none, no direction, another dimension"
        );
        assert!(
            (found[1] - (1.0 - cosine)).abs() < 1e-6,
            "{} for {}",
            found[1],
            1.0 - cosine
        );
        assert!(halves.distances(&[1.0; 3], far).iter().all(|d| *d == f64::INFINITY));
        assert!(halves.bytes() >= 4 * 19 * 2 + 4 * 4);
    }
}
