//! Exact numbers. A `Price` or `Qty` is an integer count of 1e-8 units; their product is a `Money` in 1e-16 units, so that
//! neither fills nor equity ever round. Text at the edges is plain decimal (`"64250.1"`), never exponent form.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};
use std::str::FromStr;

/// Units in one: prices and quantities carry eight decimals, which covers every spot and perpetual listing in use.
pub const SCALE: i64 = 100_000_000;
/// Units in one for `Money`.
pub const MONEY_SCALE: i128 = SCALE as i128 * SCALE as i128;

/// Why a number was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FixedError {
    /// Not a finite number.
    #[error("{0} is not a finite number")]
    NotFinite(String),
    /// Outside the range of the type.
    #[error("{0} does not fit: at most 92 billion with eight decimals")]
    OutOfRange(String),
    /// Not plain decimal text.
    #[error("'{0}' is not a plain decimal number with at most {1} decimals")]
    Syntax(String, usize),
}

fn parse_decimal(text: &str, decimals: usize) -> Result<i128, FixedError> {
    let syntax = || FixedError::Syntax(text.chars().take(40).collect(), decimals);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 20 || fraction.len() > decimals || !all_digits(whole) || !all_digits(fraction)
    {
        return Err(syntax());
    }
    if digits.ends_with('.') {
        return Err(syntax());
    }
    let mut value: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        value = value * 10 + i128::from(byte - b'0');
    }
    value *= 10_i128.pow((decimals - fraction.len()) as u32);
    Ok(if negative { -value } else { value })
}

fn write_decimal(f: &mut fmt::Formatter<'_>, value: i128, scale: i128, decimals: usize) -> fmt::Result {
    let magnitude = value.unsigned_abs();
    let (whole, fraction) = (magnitude / scale as u128, magnitude % scale as u128);
    let sign = if value < 0 { "-" } else { "" };
    if fraction == 0 {
        return write!(f, "{sign}{whole}");
    }
    let text = format!("{fraction:0decimals$}");
    write!(f, "{sign}{whole}.{}", text.trim_end_matches('0'))
}

macro_rules! decimal_text {
    ($name:ident, $decimals:expr, $what:expr) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": "decimal", "description": $what })
            }
        }
    };
}

macro_rules! fixed_i64 {
    ($name:ident, $what:expr) => {
        #[doc = $what]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0);

            /// The nearest representable value. Refuses NaN, infinities and what does not fit.
            ///
            /// # Errors
            /// [`FixedError::NotFinite`] or [`FixedError::OutOfRange`].
            #[inline]
            pub fn from_f64(value: f64) -> Result<Self, FixedError> {
                if !value.is_finite() {
                    return Err(FixedError::NotFinite(value.to_string()));
                }
                let units = (value * SCALE as f64).round();
                if units.abs() >= 9.2e18 {
                    return Err(FixedError::OutOfRange(value.to_string()));
                }
                Ok(Self(units as i64))
            }

            /// The value as a float, for statistics and signals only.
            #[must_use]
            pub fn to_f64(self) -> f64 {
                self.0 as f64 / SCALE as f64
            }

            /// The largest multiple of `step` that is not above this value.
            #[must_use]
            #[inline]
            pub fn round_down(self, step: Self) -> Self {
                Self(self.0 - self.0.rem_euclid(step.0))
            }

            /// The smallest multiple of `step` that is not below this value.
            #[must_use]
            #[inline]
            pub fn round_up(self, step: Self) -> Self {
                Self(-Self(-self.0).round_down(step).0)
            }

            /// The magnitude.
            #[must_use]
            pub fn abs(self) -> Self {
                Self(self.0.abs())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_decimal(f, i128::from(self.0), i128::from(SCALE), 8)
            }
        }

        impl FromStr for $name {
            type Err = FixedError;
            fn from_str(text: &str) -> Result<Self, FixedError> {
                let units = parse_decimal(text, 8)?;
                i64::try_from(units).map(Self).map_err(|_| FixedError::OutOfRange(text.to_owned()))
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                self.0 -= other.0;
            }
        }

        decimal_text!($name, 8, $what);
    };
}

fixed_i64!(Price, "A price in quote currency per unit of base, as a decimal string with at most eight decimals.");
fixed_i64!(Qty, "A quantity of base currency, signed where it is a position, as a decimal string.");

/// An amount of quote currency, as a decimal string with at most sixteen decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub i128);

decimal_text!(Money, 16, "An amount of quote currency, as a decimal string.");

impl Money {
    /// Zero.
    pub const ZERO: Self = Self(0);

    /// The nearest representable amount.
    ///
    /// # Errors
    /// As [`Price::from_f64`].
    pub fn from_f64(value: f64) -> Result<Self, FixedError> {
        Price::from_f64(value).map(|p| Self(i128::from(p.0) * i128::from(SCALE)))
    }

    /// The amount as a float, for statistics only.
    #[must_use]
    #[inline]
    pub fn to_f64(self) -> f64 {
        const LOW_BITS: u32 = 40;
        const PLAIN: u128 = 1 << (LOW_BITS + 52);
        let float = if self.0.unsigned_abs() < PLAIN {
            // Both halves are exact, so their sum rounds once, as the conversion of the whole would, in a fraction of its time.
            let low = self.0 & ((1 << LOW_BITS) - 1);
            (self.0 >> LOW_BITS) as i64 as f64 * (1_u64 << LOW_BITS) as f64 + low as i64 as f64
        } else {
            self.0 as f64
        };
        float / MONEY_SCALE as f64
    }

    /// The magnitude.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// This amount times `rate_e8 / 1e8`, rounded half away from zero: fees and slippage.
    #[must_use]
    #[inline]
    pub fn times_rate(self, rate_e8: i64) -> Self {
        let product = self.0 * i128::from(rate_e8);
        let half = i128::from(SCALE) / 2;
        Self(if product >= 0 { (product + half) / i128::from(SCALE) } else { (product - half) / i128::from(SCALE) })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.0, MONEY_SCALE, 16)
    }
}

impl FromStr for Money {
    type Err = FixedError;
    fn from_str(text: &str) -> Result<Self, FixedError> {
        parse_decimal(text, 16).map(Self)
    }
}

impl Mul<Qty> for Price {
    type Output = Money;
    fn mul(self, qty: Qty) -> Money {
        Money(i128::from(self.0) * i128::from(qty.0))
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, units: i64) {
        assert_eq!(text.parse::<Price>().unwrap().0, units, "{text}");
        assert_eq!(Price(units).to_string(), text);
    }

    #[test]
    fn decimal_text_round_trips() {
        check("0", 0);
        check("-0.00000001", -1);
        check("64250.1", 6_425_010_000_000);
        assert_eq!((Price(3) * Qty(7)).to_string(), "0.0000000000000021");
    }

    #[test]
    fn what_is_not_plain_decimal_is_refused() {
        for text in ["", "-", ".5", "5.", "1e3", "NaN", "+1", "0.123456789", "1,0", " 1", "99999999999999999999999"] {
            assert!(text.parse::<Price>().is_err(), "{text:?}");
        }
        assert!(Price::from_f64(f64::NAN).is_err());
        assert!(Price::from_f64(1e12).is_err());
    }

    proptest! {
        #[test]
        fn any_price_survives_its_text(units in any::<i64>().prop_filter("abs", |v| *v != i64::MIN)) {
            prop_assert_eq!(Price(units).to_string().parse::<Price>().unwrap(), Price(units));
        }

        #[test]
        fn the_fast_float_of_an_amount_is_the_exact_one(units in any::<i128>(), shift in 0_u32..127) {
            let money = Money(units >> shift);
            prop_assert_eq!(money.to_f64(), money.0 as f64 / MONEY_SCALE as f64);
        }

        #[test]
        fn rounding_brackets_the_value(units in -1_000_000_i64..1_000_000, step in 1_i64..1000) {
            let (down, up) = (Price(units).round_down(Price(step)), Price(units).round_up(Price(step)));
            prop_assert!(down.0 <= units && units <= up.0 && up.0 - down.0 <= step && down.0 % step == 0 && up.0 % step == 0);
        }
    }
}
