//! What fields of requests and answers are made of.

use super::*;

impl Field for String {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, w: &mut Writer) {
        w.string(self);
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_string)
    }
}

impl Field for bool {
    fn is_empty(&self) -> bool {
        !*self
    }

    fn write(&self, w: &mut Writer) {
        w.boolean(*self);
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Field for i64 {
    fn is_empty(&self) -> bool {
        *self == 0
    }

    fn write(&self, w: &mut Writer) {
        w.integer(*self);
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_i64()
    }
}

impl Field for u64 {
    fn is_empty(&self) -> bool {
        *self == 0
    }

    fn write(&self, w: &mut Writer) {
        Value::from(*self).write(w);
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_i64().and_then(|n| n.try_into().ok())
    }
}

impl Field for u16 {
    fn is_empty(&self) -> bool {
        *self == 0
    }

    fn write(&self, w: &mut Writer) {
        w.integer((*self).into());
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_i64().and_then(|n| n.try_into().ok())
    }
}

impl Field for f64 {
    fn is_empty(&self) -> bool {
        *self == 0.0
    }

    fn write(&self, w: &mut Writer) {
        Value::from(*self).write(w);
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_f64()
    }
}

/// A number of milliseconds; read also as a text like `"10s"` or `"1h30m"`. What is
/// less than a millisecond, and not nothing, is written as one.
impl Field for Duration {
    fn is_empty(&self) -> bool {
        self.is_zero()
    }

    fn write(&self, w: &mut Writer) {
        w.integer(whole_ms(*self, i64::MAX as u64) as i64);
    }

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => span(text),
            Value::Integer(n) => Some(Duration::from_millis((*n).try_into().ok()?)),
            Value::Number(text) => decimal(text).and_then(|n| n.times(1_000_000)),
            _ => None,
        }
    }
}

/// Whole milliseconds, at most `most`: what is less than one, and not nothing, counts as
/// one.
pub(crate) fn whole_ms(span: Duration, most: u64) -> u64 {
    let part = u64::from(span.subsec_nanos() + 999_999) / 1_000_000;
    span.as_secs().saturating_mul(1000).saturating_add(part).min(most)
}

/// A decimal number: so many whole ones, and so many thousand-millionths.
struct Decimal {
    whole: u64,
    billionths: u64,
}

impl Decimal {
    /// The span of so many times `unit` nanoseconds.
    fn times(&self, unit: u64) -> Option<Duration> {
        let whole = Duration::from_nanos(unit).checked_mul(u32::try_from(self.whole).ok()?)?;
        whole.checked_add(Duration::from_nanos((self.billionths * (unit / 1000)) / 1_000_000))
    }
}

/// Reads a decimal number without an exponent; digits after the ninth are dropped.
fn decimal(text: &str) -> Option<Decimal> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| s.bytes().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return None;
    }
    let billionths = part.bytes().chain(std::iter::repeat(b'0')).take(9).fold(0, |n, d| n * 10 + u64::from(d - b'0'));
    Some(Decimal { whole: whole.parse().ok()?, billionths })
}

/// Reads a span: a number of milliseconds, or numbers with units.
fn span(text: &str) -> Option<Duration> {
    if let Ok(ms) = text.parse() {
        return Some(Duration::from_millis(ms));
    }
    let mut all = Duration::ZERO;
    let mut rest = text;
    loop {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len()));
        let nanoseconds = match unit {
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        all = all.checked_add(decimal(number)?.times(nanoseconds)?)?;
        rest = after;
        if rest.is_empty() {
            return Some(all);
        }
    }
}

impl Field for Value {
    fn is_empty(&self) -> bool {
        *self == Value::Null
    }

    fn write(&self, w: &mut Writer) {
        match self {
            Value::Null => w.null(),
            Value::Bool(b) => w.boolean(*b),
            Value::Integer(n) => w.integer(*n),
            Value::Number(text) => w.number(text),
            Value::String(text) => w.string(text),
            Value::Array(values) => values.write(w),
            Value::Object(fields) => {
                w.begin_object();
                for (name, value) in fields {
                    w.key(name);
                    value.write(w);
                }
                w.end_object();
            }
        }
    }

    fn read(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

impl<T: Field> Field for Option<T> {
    fn is_empty(&self) -> bool {
        self.is_none()
    }

    fn write(&self, w: &mut Writer) {
        match self {
            Some(v) => v.write(w),
            None => w.null(),
        }
    }

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            _ => T::read(value).map(Some),
        }
    }
}

impl<T: Field> Field for Vec<T> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, w: &mut Writer) {
        w.begin_array();
        for v in self {
            v.write(w);
        }
        w.end_array();
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::read).collect()
    }
}

/// A pair is a list of two.
impl Field for (String, String) {
    fn is_empty(&self) -> bool {
        false
    }

    fn write(&self, w: &mut Writer) {
        w.begin_array();
        w.string(&self.0);
        w.string(&self.1);
        w.end_array();
    }

    fn read(value: &Value) -> Option<Self> {
        match value.as_array()? {
            [a, b] => Some((a.as_str()?.to_string(), b.as_str()?.to_string())),
            _ => None,
        }
    }
}

impl<T: Field> Field for BTreeMap<String, T> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn write(&self, w: &mut Writer) {
        w.begin_object();
        for (name, v) in self {
            w.key(name);
            v.write(w);
        }
        w.end_object();
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_object()?.iter().map(|(name, v)| Some((name.clone(), T::read(v)?))).collect()
    }
}
