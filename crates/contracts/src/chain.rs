use std::error::Error;
use std::fmt;

/// Shows an error with everything that caused it, on one line: `could not store the job: connection refused`.
///
/// The `Display` of our errors omits the source. The handler of an error logs the chain once.
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
