use std::error::Error;
use std::fmt;

/// Shows an error with everything that caused it, on one line: `could not store the job: connection refused`.
///
/// Our errors' `Display` leaves the source out, so that whoever handles the error logs the chain once, with this.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
