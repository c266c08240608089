//! The remainder of a division of long integers, which OpenSSH's files leave out of RSA keys.

/// `number` modulo `modulus`, both without sign, the highest byte first. Not in constant time: it runs once a key, in the
/// process that reads the key.
pub(super) fn remainder(number: &[u8], modulus: &[u8]) -> Vec<u8> {
    // One byte more than the modulus, so that twice a remainder fits.
    let mut left = vec![0; modulus.len() + 1];
    let modulus = [&[0], modulus].concat();
    for bit in number.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        double_and_add(&mut left, bit);
        if left >= modulus {
            subtract(&mut left, &modulus);
        }
    }
    left.split_off(1)
}

/// `number` less one; it is odd, so nothing is carried.
pub(super) fn less_one(number: &[u8]) -> Vec<u8> {
    let mut less = number.to_vec();
    if let Some(last) = less.last_mut() {
        *last &= !1;
    }
    less
}

fn double_and_add(number: &mut [u8], bit: u8) {
    let mut carried = bit;
    for byte in number.iter_mut().rev() {
        let next = *byte >> 7;
        *byte = *byte << 1 | carried;
        carried = next;
    }
}

fn subtract(number: &mut [u8], less: &[u8]) {
    let mut borrowed = false;
    for (byte, less) in number.iter_mut().zip(less).rev() {
        let (difference, first) = byte.overflowing_sub(*less);
        let (difference, second) = difference.overflowing_sub(u8::from(borrowed));
        (*byte, borrowed) = (difference, first || second);
    }
}

#[cfg(test)]
mod tests {
    use super::{less_one, remainder};

    #[test]
    fn remainders_are_those_of_short_numbers() {
        for (number, modulus) in [(0u64, 7u64), (6, 7), (7, 7), (0xffff_ffff_ffff_ffff, 0x1_0001), (1 << 63, 255)] {
            let expected = number % modulus;
            let bytes = modulus.to_be_bytes();
            let bytes: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            let found =
                remainder(&number.to_be_bytes(), &bytes).iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            assert_eq!(found, expected, "{number} % {modulus}");
        }
        assert_eq!(less_one(&[1, 3]), [1, 2]);
    }
}
