//! Header blocks and value lists (SPEC.md, section 4): counts and lengths are u32,
//! little-endian.

/// Appends a value: its length, then its bytes.
pub fn put(list: &mut Vec<u8>, value: &[u8]) {
    list.extend_from_slice(&(value.len() as u32).to_le_bytes());
    list.extend_from_slice(value);
}

/// Takes the first value off a list; `None` at its end, or where it is cut off.
pub fn take<'a>(list: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_u32(list)? as usize;
    if length > list.len() {
        return None;
    }
    let (value, rest) = list.split_at(length);
    *list = rest;
    Some(value)
}

/// Takes a number off a block.
pub fn take_u32(block: &mut &[u8]) -> Option<u32> {
    if block.len() < 4 {
        return None;
    }
    let (number, rest) = block.split_at(4);
    *block = rest;
    Some(u32::from_le_bytes([number[0], number[1], number[2], number[3]]))
}

/// A header block that is being made.
pub struct HeaderBlock {
    /// The block, its count first; empty without headers.
    bytes: Vec<u8>,
    count: u32,
}

impl HeaderBlock {
    pub const fn new() -> HeaderBlock {
        HeaderBlock { bytes: Vec::new(), count: 0 }
    }

    pub fn add(&mut self, name: &str, value: &str) {
        // Room for some more at once: to move it costs more than to have it.
        self.bytes.reserve(12 + name.len() + value.len() + if self.count == 0 { 64 } else { 0 });
        if self.count == 0 {
            self.bytes.extend_from_slice(&[0; 4]);
        }
        self.count += 1;
        self.bytes[..4].copy_from_slice(&self.count.to_le_bytes());
        put(&mut self.bytes, name.as_bytes());
        put(&mut self.bytes, value.as_bytes());
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Writes a header block; none is an empty one.
#[cfg(not(target_arch = "wasm32"))]
pub fn header_block(headers: &[(String, String)]) -> Vec<u8> {
    let mut block = HeaderBlock::new();
    for (name, value) in headers {
        block.add(name, value);
    }
    block.bytes
}

/// Reads a header block; `None` if it is cut off. Bytes that are not UTF-8 become U+FFFD.
pub fn parse_headers(mut block: &[u8]) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    if block.is_empty() {
        return Some(headers);
    }
    for _ in 0..take_u32(&mut block)? {
        headers.push((text(take(&mut block)?), text(take(&mut block)?)));
    }
    Some(headers)
}

/// The bytes as text; what is not UTF-8 becomes U+FFFD.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_blocks_are_those_of_the_specification() {
        let headers = vec![("A".to_string(), "bc".to_string())];
        let block = header_block(&headers);
        assert_eq!(block, [1, 0, 0, 0, 1, 0, 0, 0, b'A', 2, 0, 0, 0, b'b', b'c']);
        assert_eq!(parse_headers(&block), Some(headers));
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let block = header_block(&[("Name".to_string(), "value".to_string())]);
        for end in 1..block.len() {
            assert_eq!(parse_headers(&block[..end]), None, "{} bytes", end);
        }
        assert_eq!(take(&mut &[255u8, 255, 255, 255, 1][..]), None);
    }

    #[test]
    fn value_lists_are_those_of_the_specification() {
        let mut list = Vec::new();
        put(&mut list, b"a");
        put(&mut list, b"bc");
        assert_eq!(list, [1, 0, 0, 0, b'a', 2, 0, 0, 0, b'b', b'c']);
        let mut rest = &list[..];
        assert_eq!(take(&mut rest), Some(&b"a"[..]));
        assert_eq!(take(&mut rest), Some(&b"bc"[..]));
        assert_eq!(take(&mut rest), None);
    }
}
