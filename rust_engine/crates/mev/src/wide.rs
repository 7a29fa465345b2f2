//! `a * b / d` with the product kept in 256 bits.

/// `floor(a * b / d)`; `None` when `d` is zero or the quotient does not fit 128 bits.
pub(crate) fn mul_div_floor(a: u128, b: u128, d: u128) -> Option<u128> {
    divide(a, b, d).map(|(quotient, _)| quotient)
}

/// `ceil(a * b / d)`; `None` as [`mul_div_floor`].
pub(crate) fn mul_div_ceil(a: u128, b: u128, d: u128) -> Option<u128> {
    let (quotient, rest) = divide(a, b, d)?;
    if rest == 0 { Some(quotient) } else { quotient.checked_add(1) }
}

fn divide(a: u128, b: u128, d: u128) -> Option<(u128, u128)> {
    if let Some(product) = a.checked_mul(b) {
        return Some((product.checked_div(d)?, product.checked_rem(d)?));
    }
    let (high, low) = widening_mul(a, b);
    if high >= d {
        return None;
    }
    // Schoolbook division, bit by bit: the remainder stays below `d`, and one carry bit may stand above it.
    let (mut rest, mut quotient) = (high, 0_u128);
    for bit in (0..128).rev() {
        let carry = rest >> 127;
        rest = rest << 1 | low >> bit & 1;
        if carry == 1 || rest >= d {
            rest = rest.wrapping_sub(d);
            quotient |= 1 << bit;
        }
    }
    Some((quotient, rest))
}

fn widening_mul(a: u128, b: u128) -> (u128, u128) {
    const HALF: u128 = (1 << 64) - 1;
    let (a_high, a_low, b_high, b_low) = (a >> 64, a & HALF, b >> 64, b & HALF);
    let low = a_low * b_low;
    let first = a_high * b_low + (low >> 64);
    let second = a_low * b_high + (first & HALF);
    (a_high * b_high + (first >> 64) + (second >> 64), second << 64 | low & HALF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(mul_div_floor(u128::MAX, u128::MAX, u128::MAX), Some(u128::MAX));
        assert_eq!(mul_div_floor(u128::MAX, u128::MAX, u128::MAX - 1), None);
        assert_eq!(mul_div_floor(1, 1, 0), None);
        assert_eq!(mul_div_ceil(u128::MAX, 2, 3), Some(u128::MAX / 3 * 2));
        assert_eq!(mul_div_ceil(u128::MAX - 1, 2, 3), Some(226_854_911_280_625_642_308_916_404_954_512_140_970));
    }

    proptest! {
        #[test]
        fn the_quotient_and_the_rest_make_the_product(a in any::<u128>(), b in any::<u128>(), d in 1_u128..) {
            let Some((quotient, rest)) = divide(a, b, d) else {
                prop_assert!(widening_mul(a, b).0 >= d);
                return Ok(());
            };
            prop_assert!(rest < d);
            let (high, low) = widening_mul(quotient, d);
            let (low, carry) = low.overflowing_add(rest);
            prop_assert_eq!((high + u128::from(carry), low), widening_mul(a, b));
        }
    }
}
