//! Colours of style sheets, as far as it matters whether two are the same.

use super::look::{number, unimportant};

/// A colour as far as it matters: `rgb`, and whether it is fully transparent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour([u8; 3], bool);

impl Colour {
    pub const WHITE: Self = Self([255; 3], false);

    pub fn is_clear(self) -> bool {
        self.1
    }

    /// No eye tells the two apart.
    pub fn is_close(self, other: Self) -> bool {
        !self.1 && !other.1 && self.0.iter().zip(other.0).all(|(a, b)| a.abs_diff(b) <= 8)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let text = unimportant(text.trim());
        if let Some(hex) = text.strip_prefix('#') {
            let digit = |at: usize| hex.get(at..=at).and_then(|c| u8::from_str_radix(c, 16).ok());
            let pair = |at: usize| hex.get(at..at + 2).and_then(|c| u8::from_str_radix(c, 16).ok());
            return match hex.len() {
                3 => Some(Self([digit(0)? * 17, digit(1)? * 17, digit(2)? * 17], false)),
                4 => Some(Self([digit(0)? * 17, digit(1)? * 17, digit(2)? * 17], digit(3)? == 0)),
                6 => Some(Self([pair(0)?, pair(2)?, pair(4)?], false)),
                8 => Some(Self([pair(0)?, pair(2)?, pair(4)?], pair(6)? == 0)),
                _ => None,
            };
        }
        if let Some(inside) = text.strip_prefix("rgba(").or_else(|| text.strip_prefix("rgb(")) {
            let parts: Vec<&str> = inside
                .trim_end_matches(')')
                .split([',', ' ', '/'])
                .filter(|part| !part.is_empty())
                .collect();
            let channel = |at: usize| {
                parts
                    .get(at)
                    .and_then(|part| part.parse::<f32>().ok())
                    .map(|v| v.clamp(0.0, 255.0) as u8)
            };
            let clear = parts
                .get(3)
                .is_some_and(|part| number(part).is_some_and(|(v, _)| v <= 0.05));
            return Some(Self([channel(0)?, channel(1)?, channel(2)?], clear));
        }
        Some(match text {
            "transparent" => Self([0; 3], true),
            "white" => Self::WHITE,
            "black" => Self([0; 3], false),
            "red" => Self([255, 0, 0], false),
            "green" => Self([0, 128, 0], false),
            "blue" => Self([0, 0, 255], false),
            "yellow" => Self([255, 255, 0], false),
            "gray" | "grey" => Self([128; 3], false),
            "silver" => Self([192; 3], false),
            _ => return None,
        })
    }
}
