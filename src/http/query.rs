//! The query string: the parameters that a route has, each at most once, and no others. One that was left unseen would be
//! a promise not kept.

use std::str::FromStr;

use actix_web::{HttpRequest, web};

use super::fields::shortened;
use super::problem::{Code, Problem};

/// A parameter that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its value, decoded.
    pub value: String,
}

/// Reads a query that may have these parameters; none where one was not sent.
pub fn read<const N: usize>(
    request: &HttpRequest,
    names: [&'static str; N],
) -> Result<[Option<Parameter>; N], Problem> {
    let mut found = [const { None }; N];
    let query = request.query_string();
    if query.is_empty() {
        return Ok(found);
    }
    let sent = web::Query::<Vec<(String, String)>>::from_query(query).map_err(|_| {
        Problem::new(Code::InvalidParameter, "the query string cannot be read; write it as name=value&...")
    })?;
    for (name, value) in sent.into_inner() {
        let Some(index) = names.iter().position(|known| *known == name) else { return Err(unknown(&name, &names)) };
        let name = names[index];
        if found[index].replace(Parameter { name, value }).is_some() {
            let detail = format!("the parameter {name} is there twice; send it once");
            return Err(Problem::new(Code::InvalidParameter, detail).field(name));
        }
    }
    Ok(found)
}

/// Refuses any parameter.
pub fn refuse(request: &HttpRequest) -> Result<(), Problem> {
    if request.query_string().is_empty() {
        return Ok(());
    }
    read(request, []).map(|[]| ())
}

fn unknown(name: &str, names: &[&str]) -> Problem {
    let name = shortened(name).into_owned();
    let detail = if names.is_empty() {
        format!("there is no query parameter {name:?}; leave it out")
    } else {
        format!("there is no query parameter {name:?}; those of this route are {}", names.join(", "))
    };
    Problem::new(Code::UnknownField, detail).field(name)
}

impl Parameter {
    /// Its value as something that is written as text; `remedy` says what to send.
    pub fn parse<T: FromStr>(&self, remedy: &str) -> Result<T, Problem> {
        self.value.parse().map_err(|_| self.wrong(remedy))
    }

    /// Its value as a number that stands for something; `remedy` says what to send.
    pub fn number<T>(&self, remedy: &str, of: impl FnOnce(u64) -> Option<T>) -> Result<T, Problem> {
        of(self.parse(remedy)?).ok_or_else(|| self.wrong(remedy))
    }

    /// The problem of a value that it cannot have.
    pub fn wrong(&self, remedy: &str) -> Problem {
        let detail = format!("{} is {:?}; {remedy}", self.name, shortened(&self.value));
        Problem::new(Code::InvalidParameter, detail).field(self.name)
    }
}
