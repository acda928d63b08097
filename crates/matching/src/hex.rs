//! Hashes as they are written: 64 hexadecimal digits.

/// The 32 bytes of a hash; none when the text is none.
pub fn bytes32(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    if digits.len() != 64 {
        return None;
    }
    let bytes: Result<Vec<u8>, _> = digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1])).collect();
    bytes.ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_64_digits() {
        assert_eq!(bytes32(&"a7".repeat(32)), Some([0xa7; 32]));
        assert_eq!(bytes32(&"A0".repeat(32)), Some([0xa0; 32]));
        for text in ["", "a7", &"a".repeat(63), &"a".repeat(66), &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(bytes32(text), None, "{text}");
        }
    }
}
