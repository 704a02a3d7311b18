//! Reads named variables and collects what is wrong with them.
use secrecy::SecretString;
use std::{cell::RefCell, collections::BTreeMap, fmt, str::FromStr};

/// One variable that is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// A value that would do.
    pub example: &'static str,
}

impl fmt::Display for VariableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}; for example {}={}",
            self.name, self.problem, self.name, self.example
        )
    }
}

/// A cursor over the variables; a wrong value is noted and replaced by its default, so that reading goes on.
pub struct Reader<'a> {
    variables: &'a BTreeMap<String, String>,
    errors: Vec<VariableError>,
    /// Every variable that was asked for, and whether it is a secret.
    asked: RefCell<BTreeMap<String, bool>>,
}

impl<'a> Reader<'a> {
    /// Reads from `variables`.
    pub fn new(variables: &'a BTreeMap<String, String>) -> Self {
        Self {
            variables,
            errors: Vec::new(),
            asked: RefCell::default(),
        }
    }

    /// Every variable that was asked for so far, and whether it is a secret.
    pub fn asked(&self) -> BTreeMap<String, bool> {
        self.asked.borrow().clone()
    }

    /// What was wrong.
    pub fn finish(self) -> Vec<VariableError> {
        self.errors
    }

    /// Notes that `name` is wrong.
    pub fn wrong(&mut self, name: &'static str, problem: impl Into<String>, example: &'static str) {
        self.errors.push(VariableError {
            name,
            problem: problem.into(),
            example,
        });
    }

    /// The text of a variable; an empty one counts as absent.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.asked.borrow_mut().entry(name.to_owned()).or_default();
        self.variables
            .get(name)
            .map(|v| v.trim().to_owned())
            .filter(|v| !v.is_empty())
    }

    /// The text of a variable that must be there.
    pub fn required(&mut self, name: &'static str, example: &'static str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.wrong(name, "is required", example);
            String::new()
        })
    }

    /// Says that a variable is a secret, or has one in it: it is never shown.
    pub fn conceal(&self, name: &str) {
        self.asked.borrow_mut().insert(name.to_owned(), true);
    }

    /// A secret.
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.conceal(name);
        self.optional(name).map(SecretString::from)
    }

    /// A secret that must be there and have at least `min` characters.
    pub fn required_secret(&mut self, name: &'static str, min: usize, example: &'static str) -> SecretString {
        self.conceal(name);
        let value = self.required(name, example);
        if !value.is_empty() && value.chars().count() < min {
            self.wrong(name, format!("must have at least {min} characters"), example);
        }
        SecretString::from(value)
    }

    /// A parsed variable, or its default.
    pub fn parsed<T: FromStr<Err: fmt::Display>>(
        &mut self,
        name: &'static str,
        default: T,
        example: &'static str,
    ) -> T {
        match self.optional(name).map(|v| v.parse()) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                self.wrong(name, format!("can't be read ({error})"), example);
                default
            }
        }
    }

    /// A number within bounds, or its default.
    pub fn number<T>(
        &mut self,
        name: &'static str,
        default: T,
        bounds: std::ops::RangeInclusive<T>,
        example: &'static str,
    ) -> T
    where
        T: FromStr<Err: fmt::Display> + PartialOrd + fmt::Display + Copy,
    {
        let value = self.parsed(name, default, example);
        if bounds.contains(&value) {
            return value;
        }
        self.wrong(
            name,
            format!("must be between {} and {}", bounds.start(), bounds.end()),
            example,
        );
        default
    }

    /// A comma-separated list.
    pub fn list<T: FromStr<Err: fmt::Display>>(&mut self, name: &'static str, example: &'static str) -> Vec<T> {
        let text = self.optional(name).unwrap_or_default();
        let mut values = Vec::new();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            match part.parse() {
                Ok(value) => values.push(value),
                Err(error) => self.wrong(name, format!("`{part}` can't be read ({error})"), example),
            }
        }
        values
    }
}
