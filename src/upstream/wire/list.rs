//! How the history of top-ups is read: row by row as its bytes arrive, so that its length costs no memory.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::field::{self, RawField, Undecodable as Wrong};
use super::{Decoded, object};
use crate::domain::report::Invoice;
use crate::domain::time::Zone;

/// What is read of the answer at a time.
const BUFFER: usize = 64 * 1024;

#[derive(Deserialize)]
struct InvoiceWire<'a> {
    #[serde(borrow, default)]
    sesid: RawField<'a>,
    #[serde(borrow, default, rename = "payId")]
    pay_id: RawField<'a>,
    #[serde(borrow, default)]
    method: RawField<'a>,
    #[serde(borrow, default)]
    amount: RawField<'a>,
    #[serde(borrow, default)]
    created: RawField<'a>,
    #[serde(borrow, default)]
    expires_at: RawField<'a>,
    #[serde(borrow, default)]
    status: RawField<'a>,
    #[serde(borrow, default, rename = "userId")]
    user_id: RawField<'a>,
}

/// Reads the history of top-ups and gives each to `take`; `Yes` with their number once the whole answer was read.
/// Until then nothing that was given can be relied on. An entry that is no object, or another customer's, spoils the
/// whole; one whose amount, identifier or status cannot be read is given with that flaw, and the rest of it.
pub(in crate::upstream) fn invoices(
    answer: impl Read,
    user_id: &str,
    zone: &Zone,
    take: &mut dyn FnMut(Invoice),
) -> Result<Decoded<usize>, Wrong> {
    let answer = begun(answer)?;
    let mut rows = Rows { user_id, zone, take, count: 0, wrong: None };
    let mut json = serde_json::Deserializer::from_reader(answer);
    let read = json.deserialize_map(Envelope { rows: &mut rows });
    let read = read.and_then(|envelope| json.end().map(|()| envelope));
    let Rows { count, wrong, .. } = rows;
    match (read, wrong) {
        (_, Some(wrong)) => Err(wrong),
        (Err(error), None) => Err(Wrong::json("the answer", &error)),
        (Ok(Shape { ok: false, .. }), None) => Ok(Decoded::No),
        (Ok(Shape { body: Body::List, .. }), None) => Ok(Decoded::Yes(count)),
        (Ok(Shape { body: Body::None, .. }), None) => Err(Wrong::new("the answer has no body")),
        (Ok(Shape { body: Body::Other, .. }), None) => Err(Wrong::in_field("body", "is not a list")),
    }
}

/// The answer from its first brace on; a byte order mark is no part of the text.
fn begun(mut answer: impl Read) -> Result<impl Read, Wrong> {
    let cut_off = |_| Wrong::in_field("the answer", "is cut off");
    let mut first = Vec::with_capacity(3);
    Read::take(&mut answer, 3).read_to_end(&mut first).map_err(cut_off)?;
    let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first).to_vec();
    let mut answer = BufReader::with_capacity(BUFFER, std::io::Cursor::new(first).chain(answer));
    loop {
        let ready = answer.fill_buf().map_err(cut_off)?;
        let blank = ready.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        match (ready.is_empty(), ready.get(blank)) {
            (true, _) => return Err(Wrong::new("the answer is empty")),
            (_, None) => answer.consume(blank),
            (_, Some(b'{')) => return Ok(answer),
            (_, Some(b'<')) => return Err(Wrong::new("the answer is an HTML page")),
            (_, Some(_)) => return Err(Wrong::new("the answer is not a JSON object")),
        }
    }
}

struct Rows<'a> {
    user_id: &'a str,
    zone: &'a Zone,
    take: &'a mut dyn FnMut(Invoice),
    count: usize,
    /// What the library's error cannot carry.
    wrong: Option<Wrong>,
}

/// What the envelope was.
struct Shape {
    ok: bool,
    body: Body,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    None,
    List,
    Other,
}

struct Envelope<'r, 'a> {
    rows: &'r mut Rows<'a>,
}

impl<'de> Visitor<'de> for Envelope<'_, '_> {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let (mut ok, mut body) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "ok" if ok.is_none() => ok = Some(map.next_value::<bool>()?),
                "body" if body.is_none() => body = Some(map.next_value_seed(BodySeed(&mut *self.rows))?),
                "ok" | "body" => return Err(A::Error::custom("given twice")),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let ok = ok.ok_or_else(|| A::Error::missing_field("ok"))?;
        Ok(Shape { ok, body: body.unwrap_or(Body::None) })
    }
}

struct BodySeed<'r, 'a>(&'r mut Rows<'a>);

impl<'de> DeserializeSeed<'de> for BodySeed<'_, '_> {
    type Value = Body;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Body, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BodySeed<'_, '_> {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Body, A::Error> {
        let rows = self.0;
        while let Some(raw) = list.next_element::<Box<RawValue>>()? {
            match invoice(&raw, rows.user_id, rows.zone) {
                Ok(invoice) => (rows.take)(invoice),
                Err(wrong) => {
                    rows.wrong = Some(wrong.in_entry(rows.count));
                    return Err(A::Error::custom("an entry"));
                }
            }
            rows.count = rows.count.saturating_add(1);
        }
        Ok(Body::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Body::Other)
    }

    fn visit_unit<E>(self) -> Result<Body, E> {
        Ok(Body::None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Body, E> {
        Ok(Body::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Body, E> {
        Ok(Body::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Body, E> {
        Ok(Body::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Body, E> {
        Ok(Body::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Body, E> {
        Ok(Body::Other)
    }
}

fn invoice(raw: &RawValue, user_id: &str, zone: &Zone) -> Result<Invoice, Wrong> {
    let wire: InvoiceWire<'_> = object(raw, "the entry")?;
    field::same_customer(wire.user_id, user_id)?;
    let mut flaws = Vec::new();
    let mut note = |wrong: Wrong| flaws.push(wrong.to_string());
    let sesid = field::id(wire.sesid, "sesid").unwrap_or_else(|wrong| (note(wrong), None).1);
    let pay_id = field::id(wire.pay_id, "payId").unwrap_or_else(|wrong| (note(wrong), None).1);
    let amount_cents = field::cents(wire.amount, "amount").map_err(&mut note).ok();
    let status = field::text(wire.status, "status", 64).unwrap_or_else(|wrong| (note(wrong), None).1);
    Ok(Invoice {
        sesid,
        pay_id,
        method: field::text(wire.method, "method", 64).unwrap_or(None),
        amount_cents,
        created: field::civil_time(wire.created, zone),
        expires_at: field::civil_time(wire.expires_at, zone),
        status,
        flaw: (!flaws.is_empty()).then(|| flaws.join("; ")),
    })
}
