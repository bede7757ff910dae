//! C++ identifiers from buffer names.

use std::collections::HashMap;
use std::fmt::{self, Write};

use crate::error::{Error, Result, Status};
use crate::text::{Text, compose};

/// Keywords of C++ up to C++20 with their spelled operators, what compilers and common headers define as macros, and the
/// built-in variables of CUDA.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
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

fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

/// A buffer's name as the stem of identifiers: letters, digits and single underscores. Other ASCII characters become an
/// underscore, and a character beyond ASCII becomes its code point. Two underscores in a row are reserved for the compiler.
pub(crate) fn stem(name: &str) -> Result<String> {
    let is_visible = |character: char| character.is_ascii_alphanumeric() || !character.is_ascii();
    let only_punctuation = !name.contains(is_visible);
    compose(|out| {
        let (mut empty, mut gap) = (true, false);
        for character in name.chars() {
            if !is_visible(character) && !only_punctuation {
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

/// The identifier of a buffer's accessor: its stem, with an underscore appended if that is a keyword or macro.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accessor<'a>(pub(crate) &'a str);

impl fmt::Display for Accessor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)?;
        if is_reserved(self.0) { f.write_char('_') } else { Ok(()) }
    }
}

/// Refuses text that is not the name of a namespace; nested ones are separated by `::`.
pub(crate) fn check_namespace(namespace: &str) -> Result<()> {
    for part in namespace.split("::") {
        let reason = match part.as_bytes() {
            [] => "is empty; pass the name of a C++ namespace, such as solver or app::solver",
            [b'0'..=b'9', ..] => "begins with a digit, which no C++ name does",
            _ if !part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                "is no C++ name; use letters, digits and underscores, and :: between nested ones"
            }
            _ if part.contains("__") => "has two underscores in a row, which are reserved for the compiler",
            _ if is_reserved(part) => "means something else in C++ already; give another name",
            _ => continue,
        };
        return Err(Error::named(Status::Argument, "namespace", namespace, reason));
    }
    Ok(())
}

/// The identifiers of the namespace, each with its buffer, or `None` for the header's own.
#[derive(Debug, Default)]
pub(crate) struct IdentifierScope<'a>(HashMap<String, Option<&'a str>>);

impl<'a> IdentifierScope<'a> {
    /// Reserves a name for a buffer, or for the header itself if `None`.
    pub(crate) fn reserve(&mut self, name: fmt::Arguments<'_>, buffer: Option<&'a str>) -> Result<()> {
        self.0.try_reserve(1)?;
        match (self.0.insert(compose(|out| out.write_fmt(name))?, buffer), buffer) {
            (Some(Some(first)), Some(second)) => {
                let both = Text::<64>::of(format_args!("{first:.11}' and '{second:.11}"));
                let reason = "their names collide as names of C++; rename one";
                Err(Error::named(Status::Exists, "names", both.as_str(), reason))
            }
            (Some(None), Some(name)) => {
                let reason = "collides with a name that the header defines for the whole layout; rename it";
                Err(Error::named(Status::Exists, "name", name, reason))
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
        assert!(RESERVED.is_sorted());
    }

    #[test]
    fn any_name_becomes_a_legal_stem() {
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
    fn a_namespace_is_used_as_given_or_refused() {
        for good in ["lorenz", "app::solver", "_a", "A9"] {
            assert_eq!(check_namespace(good), Ok(()));
        }
        for bad in ["", "::", "a::", "9a", "a-b", "a b", "é", "a::class", "a__b", "a:b", "x{}"] {
            let error = check_namespace(bad).unwrap_err();
            assert_eq!(error.status(), Status::Argument);
            assert!(error.to_string().starts_with(&format!("namespace = '{bad}': ")), "{error}");
        }
    }
}
