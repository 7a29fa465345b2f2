//! Decimal text into fixed point, without a float in between and without memory of its own.

use model::{FixedError, Level, Price, Qty, Side};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use std::fmt;

/// Decimals that fixed point carries.
const DECIMALS: usize = 8;

/// Text without the zeros beyond the eighth decimal, which some listings are padded with.
fn without_padding(text: &str) -> &str {
    let Some(dot) = text.find('.') else { return text };
    let end = dot + 1 + DECIMALS;
    if text.len() > end && text.is_char_boundary(end) && text[end..].bytes().all(|b| b == b'0') {
        &text[..end]
    } else {
        text
    }
}

/// A price from an exchange's text, with any number of zeros at its end.
///
/// # Errors
/// [`FixedError`] where it is no plain decimal, or has digits that fixed point cannot keep.
pub fn parse_price(text: &str) -> Result<Price, FixedError> {
    without_padding(text).parse()
}

/// A quantity, as [`parse_price`].
///
/// # Errors
/// As [`parse_price`].
pub fn parse_qty(text: &str) -> Result<Qty, FixedError> {
    without_padding(text).parse()
}

/// A signed number in units of 1e-8, as text in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal(pub i64);

impl Decimal {
    pub const fn price(self) -> Price {
        Price(self.0)
    }

    pub const fn qty(self) -> Qty {
        Qty(self.0)
    }
}

struct DecimalText;

impl Visitor<'_> for DecimalText {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number as text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        parse_price(text).map(|price| Decimal(price.0)).map_err(E::custom)
    }
}

impl<'de> de::Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DecimalText)
    }
}

/// `[["price", "quantity", ...], ...]`, read in one pass. Elements after the second are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ladder(pub Vec<(Price, Qty)>);

impl Ladder {
    /// Appends the levels as one side of a book.
    pub fn append_to(&self, side: Side, levels: &mut Vec<Level>) {
        levels.extend(self.0.iter().map(|(price, qty)| Level { side, price: *price, qty: *qty }));
    }
}

struct LadderRows;

impl<'de> Visitor<'de> for LadderRows {
    type Value = Ladder;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of pairs of price and quantity")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Ladder, A::Error> {
        let mut ladder = Vec::new();
        while let Some(Row(price, qty)) = rows.next_element()? {
            ladder.push((price, qty));
        }
        Ok(Ladder(ladder))
    }
}

impl<'de> de::Deserialize<'de> for Ladder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(LadderRows)
    }
}

struct Row(Price, Qty);

struct RowCells;

impl<'de> Visitor<'de> for RowCells {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("price and quantity")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<Row, A::Error> {
        let price: Decimal = cells.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
        let qty: Decimal = cells.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
        while cells.next_element::<de::IgnoredAny>()?.is_some() {}
        Ok(Row(price.price(), qty.qty()))
    }
}

impl<'de> de::Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RowCells)
    }
}
