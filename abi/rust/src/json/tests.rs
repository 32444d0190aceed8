use super::*;

fn back(text: &str) -> Option<String> {
    Value::parse(text.as_bytes()).map(|v| v.to_string())
}

#[test]
fn reads_and_writes() {
    for text in [
        "null",
        "true",
        "-12",
        "9223372036854775807",
        "-9223372036854775808",
        "1.5",
        r#""""#,
        r#""a\"\\\n\r\t\u0001é""#,
        "[]",
        "{}",
        r#"[1,[2,{"a":[]}],"x"]"#,
        r#"{"a":1,"b":{"c":null},"d":[true,false]}"#,
    ] {
        assert_eq!(back(text).as_deref(), Some(text));
    }
    assert_eq!(back(" { \"a\" : [ 1 , 2 ] } \n").as_deref(), Some(r#"{"a":[1,2]}"#));
    assert_eq!(back(r#""\ud83d\ude00\/\ud800x""#).as_deref(), Some("\"😀/\u{fffd}x\""));
    assert_eq!(back("1e2").as_deref(), Some("1e2"));
    assert_eq!(Value::parse(b"1e2").unwrap().as_f64(), Some(100.0));
    assert_eq!(Value::from(0.5).to_string(), "0.5");
    assert_eq!(Value::from(f64::NAN).to_string(), "null");
    assert_eq!(Value::from(u64::MAX).to_string(), "18446744073709551615");
}

#[test]
fn refuses() {
    for text in [
        "",
        " ",
        "nul",
        "tru",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "{",
        r#"{"a""#,
        r#"{"a":"#,
        r#"{"a":1,}"#,
        r#"{a:1}"#,
        "01",
        "1.",
        "1e",
        "-",
        ".5",
        "+1",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "1 2",
        "[1]]",
        "NaN",
    ] {
        assert_eq!(back(text), None, "{}", text);
    }
    assert_eq!(Value::parse(b"\"\xff\""), None);
    assert!(Value::parse("[".repeat(100_000).as_bytes()).is_none());
    assert!(back(&("[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH))).is_some());
}

#[test]
fn the_last_of_two_fields_counts() {
    let v = Value::parse(br#"{"a":1,"a":2}"#).unwrap();
    assert_eq!(v.get("a"), Some(&Value::Integer(2)));
}

#[test]
fn spans() {
    let read = |v: Value| Duration::read(&v);
    assert_eq!(read(1500.into()), Some(Duration::from_millis(1500)));
    assert_eq!(read("10s".into()), Some(Duration::from_secs(10)));
    assert_eq!(read("1h30m".into()), Some(Duration::from_secs(5400)));
    assert_eq!(read("1.5s".into()), Some(Duration::from_millis(1500)));
    assert_eq!(read("250".into()), Some(Duration::from_millis(250)));
    assert_eq!(read(Value::Number("2.25".into())), Some(Duration::from_micros(2250)));
    for bad in ["", "s", "10x", "-1s", "1.s.", "9999999999h"] {
        assert_eq!(read(bad.into()), None, "{}", bad);
    }
    assert_eq!(read((-1).into()), None);
    assert_eq!(write(&Duration::from_micros(1)), "1");
}

/// Whatever bytes come, reading ends, and what was read is written so that it reads back
/// the same.
#[test]
fn any_bytes() {
    let seeds: [&[u8]; 4] = [br#"{"a":[1,2.5e3,"x\u00e9\n"],"b":null}"#, b"[[[]]]", br#""\ud83d\ude00""#, b"-0.1E-7"];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for i in 0..200_000 {
        let mut text = seeds[i % seeds.len()].to_vec();
        for _ in 0..1 + random() % 4 {
            let at = random() % text.len();
            match random() % 3 {
                0 => text[at] = random() as u8,
                1 => text[at] = b"{}[]\",:\\u0e-."[random() % 13],
                _ if text.len() > 1 => drop(text.remove(at)),
                _ => {}
            }
        }
        if let Some(v) = Value::parse(&text) {
            let again = v.to_string();
            let reread = Value::parse(again.as_bytes());
            assert!(reread.is_some(), "{:?} was written as {}", text, again);
        }
    }
}
