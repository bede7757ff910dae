//! Optional OpenGL capabilities beyond version 3.3, and the environment variable `BACKBUF_GL_CAPS` that limits them.

use std::fmt;

use crate::error::{Error, Result, Status};

/// A set of optional capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// Persistently mapped buffers.
    pub(super) buffer_storage: bool,
    /// Driver messages and object labels.
    pub(super) debug: bool,
    /// The driver reports a reset.
    pub(super) robustness: bool,
    /// Writes go through a mapped staging ring.
    pub(super) staging: bool,
    /// Contexts without a surface.
    pub(super) surfaceless: bool,
}

/// The capabilities that the user allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub(super) capabilities: Capabilities,
    /// The user listed them: one that is no gain on this driver is used all the same.
    pub(super) named: bool,
}

impl Capabilities {
    const ALL: Capabilities = Capabilities {
        buffer_storage: true,
        debug: true,
        robustness: true,
        staging: true,
        surfaceless: true,
    };

    fn each(&mut self) -> [(&'static str, &mut bool); 5] {
        [
            ("buffer_storage", &mut self.buffer_storage),
            ("debug", &mut self.debug),
            ("robustness", &mut self.robustness),
            ("staging", &mut self.staging),
            ("surfaceless", &mut self.surfaceless),
        ]
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut copy = *self;
        let mut separator = "";
        for (name, _) in copy.each().into_iter().filter(|(_, has)| **has) {
            write!(f, "{separator}{name}")?;
            separator = ",";
        }
        Ok(())
    }
}

impl Allowed {
    pub(super) fn from_environment() -> Result<Allowed> {
        match std::env::var_os("BACKBUF_GL_CAPS") {
            None => Ok(Allowed { capabilities: Capabilities::ALL, named: false }),
            Some(list) => Allowed::parse(&list.to_string_lossy()),
        }
    }

    fn parse(list: &str) -> Result<Allowed> {
        let mut capabilities = Capabilities::default();
        for name in list.split(',').map(str::trim).filter(|name| !matches!(*name, "" | "none")) {
            let known = capabilities.each().into_iter().find(|(known, _)| *known == name);
            let Some((_, allowed)) = known else {
                let reason = "is not a capability; use none, or a list of buffer_storage, debug, robustness, staging, surfaceless";
                return Err(Error::named(Status::Argument, "BACKBUF_GL_CAPS", name, reason));
            };
            *allowed = true;
        }
        Ok(Allowed { capabilities, named: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allows_what_it_names() {
        let allowed = Allowed::parse("debug, staging").unwrap();
        assert_eq!(allowed.capabilities.to_string(), "debug,staging");
        assert!(allowed.named);
        assert_eq!(Allowed::parse("none").unwrap().capabilities, Capabilities::default());
        let error = Allowed::parse("debug,persistence").unwrap_err();
        assert!(
            error.to_string().starts_with("BACKBUF_GL_CAPS = 'persistence': is not a capability"),
            "{error}"
        );
    }
}
