//! Names of buffers as names of C++.

use std::collections::HashMap;
use std::fmt::{self, Write};

use crate::error::{Error, Result, Status};
use crate::text::{Text, compose};

/// Keywords of C++ up to C++20 with their spelled operators, what compilers and common headers define as macros, and the
/// built-in variables of CUDA.
#[rustfmt::skip]
const TAKEN: &[&str] = &[
    "NULL", "alignas", "alignof", "and", "and_eq", "asm", "assert", "auto", "bitand", "bitor",
    "blockDim", "blockIdx", "bool", "break", "case", "catch", "char", "char16_t", "char32_t", "char8_t",
    "class", "co_await", "co_return", "co_yield", "compl", "concept", "const", "const_cast", "consteval",
    "constexpr", "constinit", "continue", "decltype", "default", "delete", "do", "double",
    "dynamic_cast", "else", "enum", "errno", "explicit", "export", "extern", "false", "float", "for",
    "friend", "goto", "gridDim", "if", "inline", "int", "linux", "long", "mutable", "namespace", "new",
    "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public",
    "register", "reinterpret_cast", "requires", "return", "short", "signed", "sizeof", "static",
    "static_assert", "static_cast", "struct", "switch", "template", "this", "threadIdx", "thread_local",
    "throw", "true", "try", "typedef", "typeid", "typename", "typeof", "union", "unix", "unsigned",
    "using", "virtual", "void", "volatile", "warpSize", "wchar_t", "while", "xor", "xor_eq",
];

fn is_taken(name: &str) -> bool {
    TAKEN.binary_search(&name).is_ok()
}

/// A buffer's name as the beginning of identifiers: letters, digits and single underscores. What is no part of an identifier
/// becomes an underscore, a character beyond ASCII its number. Two underscores in a row are the compiler's.
pub(super) fn stem(name: &str) -> Result<String> {
    let speaks = |character: char| character.is_ascii_alphanumeric() || !character.is_ascii();
    let mute = !name.contains(speaks);
    compose(|out| {
        let (mut empty, mut gap) = (true, false);
        for character in name.chars() {
            if !speaks(character) && !mute {
                gap = !empty;
                continue;
            }
            if gap || (empty && character.is_ascii_digit()) {
                out.write_char('_')?;
            }
            match character.is_ascii_alphanumeric() {
                true => out.write_char(character)?,
                false => write!(out, "u{:04x}", u32::from(character))?,
            }
            (empty, gap) = (false, false);
        }
        Ok(())
    })
}

/// The identifier of a buffer itself: its stem, unless that means something already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accessor<'a>(pub(super) &'a str);

impl fmt::Display for Accessor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)?;
        if is_taken(self.0) { f.write_char('_') } else { Ok(()) }
    }
}

/// Refuses what is not the name of a namespace, nested ones by `::`.
pub(super) fn vet_namespace(namespace: &str) -> Result<()> {
    for part in namespace.split("::") {
        let why = match part.as_bytes() {
            [] => "is empty; give the name of a C++ namespace, such as solver or app::solver",
            [b'0'..=b'9', ..] => "begins with a digit, which no C++ name does",
            _ if !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                "is no C++ name; use letters, digits and underscores, and :: between nested ones"
            }
            _ if part.contains("__") => "has two underscores in a row, which are the compiler's",
            _ if is_taken(part) => "means something else in C++ already; give another name",
            _ => continue,
        };
        return Err(Error::named(Status::Argument, "namespace", namespace, why));
    }
    Ok(())
}

/// Who has which name in the namespace.
#[derive(Debug, Default)]
pub(super) struct Scope<'a>(HashMap<String, Option<&'a str>>);

impl<'a> Scope<'a> {
    /// Gives a name to a buffer, or, by None, to the header itself.
    pub(super) fn claim(&mut self, name: fmt::Arguments<'_>, buffer: Option<&'a str>) -> Result<()> {
        self.0.try_reserve(1)?;
        match (self.0.insert(compose(|out| out.write_fmt(name))?, buffer), buffer) {
            (Some(Some(first)), Some(second)) => {
                let both = Text::<64>::of(format_args!("{first:.11}' and '{second:.11}"));
                let why = "their names collide as names of C++; rename one";
                Err(Error::named(Status::Exists, "names", both.as_str(), why))
            }
            (Some(None), Some(name)) => {
                let why = "collides with a name that the header defines for the whole layout; rename it";
                Err(Error::named(Status::Exists, "name", name, why))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(TAKEN.is_sorted());
    }

    #[test]
    fn any_name_becomes_a_legal_beginning() {
        for (name, expected) in [
            ("k1", "k1"),
            ("solver.shared", "solver_shared"),
            ("2nd", "_2nd"),
            ("__shared__", "shared"),
            ("a..b__c", "a_b_c"),
            (".2", "_2"),
            ("α₀", "u03b1u2080"),
            ("x;\n}", "x"),
            ("\\", "u005c"),
            ("_", "u005f"),
            ("class", "class"),
        ] {
            assert_eq!(stem(name).unwrap(), expected, "{name:?}");
        }
        assert_eq!(Accessor("class").to_string(), "class_");
        assert_eq!(Accessor("classes").to_string(), "classes");
    }

    #[test]
    fn a_namespace_is_taken_as_it_is_or_refused() {
        for good in ["lorenz", "app::solver", "_a", "A9"] {
            assert_eq!(vet_namespace(good), Ok(()));
        }
        for bad in ["", "::", "a::", "9a", "a-b", "a b", "é", "a::class", "a__b", "a:b", "x{}"] {
            let error = vet_namespace(bad).unwrap_err();
            assert_eq!(error.status(), Status::Argument);
            assert!(error.to_string().starts_with(&format!("namespace = '{bad}': ")), "{error}");
        }
    }
}
