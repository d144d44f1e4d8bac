//! Failures of the kernel, as CNI knows them; and many failures as one.

use conf::cni::{Code, Error};

use crate::kernel::{self, Errno};

impl From<kernel::Error> for Error {
    fn from(error: kernel::Error) -> Self {
        let code = match error.errno() {
            Some(Errno::EBUSY | Errno::EAGAIN | Errno::EINTR) => Code::TryAgainLater,
            Some(_) => Code::KernelRefused,
            None => Code::NoAnswer,
        };
        Self::new(code, error.to_string())
    }
}

/// What went wrong so far in a verb that goes on past failures.
#[derive(Debug, Default)]
pub(crate) struct Failures(Option<Error>);

impl Failures {
    /// Notes a failure and goes on; gives the value where there is one.
    pub(crate) fn note<T, E: Into<Error>>(&mut self, outcome: Result<T, E>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(error);
                None
            }
        }
    }

    /// Adds a failure.
    pub(crate) fn add(&mut self, error: impl Into<Error>) {
        let error = error.into();
        self.0 = Some(match self.0.take() {
            None => error,
            Some(first) => first.and(error),
        });
    }

    /// Adds the failures of a part.
    pub(crate) fn absorb(&mut self, part: Self) {
        if let Some(error) = part.0 {
            self.add(error);
        }
    }

    /// Whether nothing has failed so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All failures as one: the first, with the others in its details.
    pub(crate) fn into_result(self) -> Result<(), Error> {
        match self.0 {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_has_a_code() {
        let code =
            |cause: kernel::Cause| Error::from(kernel::Error::new("set", "eth0", cause)).code;
        for errno in [Errno::EBUSY, Errno::EAGAIN, Errno::EINTR] {
            assert_eq!(code(errno.into()).number(), 11);
        }
        for errno in [Errno::EPERM, Errno::EOPNOTSUPP, Errno::EEXIST, Errno::ENODEV] {
            assert_eq!(code(errno.into()).number(), 100);
        }
        assert_eq!(code(kernel::Cause::VfInfoTooBig).number(), 100);
        assert_eq!(code(kernel::Cause::Deadline(std::time::Duration::ZERO)).number(), 101);
        assert_eq!(code(kernel::Cause::Malformed("x".to_owned())).number(), 101);
    }

    #[test]
    fn the_first_failure_leads_and_none_is_lost() {
        let mut failures = Failures::default();
        assert_eq!(failures.note(Ok::<_, Error>(5)), Some(5));
        assert!(failures.is_empty());
        failures.note(Err::<(), _>(kernel::Error::new("set", "eth0: up", Errno::EBUSY)));
        failures.note(Err::<(), _>(Error::new(Code::Io, "second").details("why")));
        failures.note(Err::<(), _>(Error::new(Code::Io, "third")));
        let error = failures.into_result().unwrap_err();
        assert_eq!(error.code, Code::TryAgainLater);
        assert_eq!(error.msg, "set eth0: up: Device or resource busy");
        assert_eq!(error.details, "second; why; third");
    }
}
