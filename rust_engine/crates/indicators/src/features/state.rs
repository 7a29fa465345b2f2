//! How what a kernel carries goes to bytes and comes back, by one walk that serves both directions.

/// Walks over what a kernel carries: a writer takes copies, a reader puts them back.
pub(crate) trait Carry {
    /// One number.
    fn number(&mut self, value: &mut f64);
    /// A place in a ring or a count, at most `limit`.
    fn count(&mut self, value: &mut usize, limit: usize);

    /// Numbers, as many as there are.
    fn numbers(&mut self, values: &mut [f64]) {
        for value in values {
            self.number(value);
        }
    }
}

/// Appends what is carried to bytes, little-endian.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Carry for Writer {
    fn number(&mut self, value: &mut f64) {
        self.0.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    fn count(&mut self, value: &mut usize, _limit: usize) {
        self.0.extend_from_slice(&(*value as u64).to_le_bytes());
    }
}

/// Writes down which words would be carried, in their order and with their limits, and none of the words.
#[derive(Default)]
pub(crate) struct Layout(pub(crate) Vec<u8>);

impl Carry for Layout {
    fn number(&mut self, _value: &mut f64) {
        self.0.push(b'x');
    }

    fn count(&mut self, _value: &mut usize, limit: usize) {
        self.0.extend_from_slice(format!("n{limit} ").as_bytes());
    }
}

/// Reads what was carried; `is_sound` turns false at the first word that is missing or out of its limit.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    is_sound: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, is_sound: true }
    }

    /// Whether every word was there, within its limit, and none was left over.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.is_sound && self.rest.is_empty()
    }

    fn word(&mut self) -> u64 {
        match self.rest.split_first_chunk::<8>() {
            Some((word, rest)) => {
                self.rest = rest;
                u64::from_le_bytes(*word)
            }
            None => {
                self.is_sound = false;
                0
            }
        }
    }
}

impl Carry for Reader<'_> {
    fn number(&mut self, value: &mut f64) {
        *value = f64::from_bits(self.word());
    }

    fn count(&mut self, value: &mut usize, limit: usize) {
        match usize::try_from(self.word()) {
            Ok(word) if word <= limit => *value = word,
            _ => self.is_sound = false,
        }
    }
}
